"""Attention by its definition, in plain torch, worked in float32 at least.

``features`` has the maths and the shapes, ``kernels`` the gradients' formulas.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import torch

from triton_kernels.ops.attention.features import (
    UNBOUNDED,
    Features,
    empty_like_dense,
    empty_output,
    kept,
    lse_dtype,
)


def _sequences(f: Features) -> list[tuple[slice, slice]]:
    """Where each packed sequence's queries and keys lie."""
    assert f.cu_q is not None
    assert f.cu_k is not None
    ends_q, ends_k = f.cu_q.tolist(), f.cu_k.tolist()
    return [
        (slice(*q), slice(*k))
        for q, k in zip(itertools.pairwise(ends_q), itertools.pairwise(ends_k), strict=True)
    ]


def _of_sequence(f: Features, n: int) -> Features:
    """The features of one packed sequence."""
    slopes = f.alibi_slopes
    return f if slopes is None or slopes.dim() == 1 else f._replace(alibi_slopes=slopes[n])


def positions(queries: int, keys: int, device: torch.device) -> torch.Tensor:
    """(Sq, Sk): how far key j stands before query i, the last ones side by side."""
    i = torch.arange(queries, device=device)[:, None] + (keys - queries)
    return i - torch.arange(keys, device=device)


def visible(queries: int, keys: int, f: Features, device: torch.device) -> torch.Tensor | None:
    """(B or 1, H or 1, Sq or 1, Sk or 1): True where a query may see a key; None: everywhere."""
    seen = f.mask
    if f.windowed:
        before = positions(queries, keys, device)
        inside = torch.ones_like(before, dtype=torch.bool)
        if f.left != UNBOUNDED:
            inside &= before <= f.left
        if f.right != UNBOUNDED:
            inside &= before >= -f.right
        seen = inside if seen is None else seen & inside
    return seen


def scores(query: torch.Tensor, key: torch.Tensor, f: Features) -> torch.Tensor:
    """t of ``features``: (B, H, Sq, Sk), of query's dtype; the key has as many heads as the query.

    Packed sequences come one at a time.
    """
    t = torch.matmul(query, key.mT) * f.scale
    if f.soft_cap:
        t = f.soft_cap * torch.tanh(t / f.soft_cap)
    if f.alibi_slopes is not None:
        distance = positions(t.shape[2], t.shape[3], t.device).abs()
        t = t - f.alibi_slopes[..., None, None].to(t.dtype) * distance
    if f.bias is not None:
        t = t + f.bias.to(t.dtype)
    seen = visible(t.shape[2], t.shape[3], f, t.device)
    return t if seen is None else t.masked_fill(~seen, -torch.inf)


def _for_every_head(x: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    """Each key head as often as query heads read it; of no query heads none is left."""
    group = query.shape[1] // max(x.shape[1], 1)
    return x if group == 1 else x.repeat_interleave(group, 1)


def _attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, f: Features, first: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """One batch of equal lengths; ``first`` is dropout's number of query 0."""
    key, value = (_for_every_head(x, query) for x in (key, value))
    t = scores(query, key, f)
    if f.sinks is not None:
        sink = f.sinks.to(t.dtype)[:, None, None].expand(*t.shape[:3], 1)
        t = torch.cat([t, sink], -1)
    highest = t.detach().amax(-1, keepdim=True) if t.shape[-1] else t.new_zeros((*t.shape[:3], 1))
    # Of a row of nothing but -inf the sum is 0: a 1 in its place keeps NaN out of all gradients.
    exponentials = torch.exp(t - highest.masked_fill(highest == -torch.inf, 0.0))
    total = exponentials.sum(-1, keepdim=True)
    empty = total == 0
    total = total.masked_fill(empty, 1.0)
    lse = (total.log() + highest).masked_fill(empty, -torch.inf).squeeze(-1)
    weights = exponentials[..., : key.shape[2]] / total
    if f.dropout:
        chosen = kept(f.seed, f.dropout, first, query.shape[2], key.shape[2])
        weights = torch.where(chosen, weights / (1 - f.dropout), 0.0)
    return torch.matmul(weights, value), lse


def _first_rows(query: torch.Tensor) -> torch.Tensor:
    """(B, H): what dropout calls the first query of each head."""
    batch, heads, length, _ = query.shape
    return torch.arange(batch * heads, device=query.device).view(batch, heads) * length


def attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *features: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Output and lse, differentiable any number of times; see ``features``."""
    with torch.autocast(query.device.type, enabled=False):  # it would narrow the products again
        return _attention(query, key, value, Features(*features))


def _attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, f: Features
) -> tuple[torch.Tensor, torch.Tensor]:
    wide = lse_dtype(query.dtype)
    q, k, v = query.to(wide), key.to(wide), value.to(wide)
    first = _first_rows(query)
    if not f.packed:
        output, lse = _attend(q, k, v, f, first)
    else:
        found = []
        for n, (own_q, own_k) in enumerate(_sequences(f)):
            parts = q[:, :, own_q], k[:, :, own_k], v[:, :, own_k]
            found.append(_attend(*parts, _of_sequence(f, n), first + own_q.start))
        rest = q.shape[2] - sum(o.shape[2] for o, _ in found)
        found.append((q.new_zeros((*q.shape[:2], rest, v.shape[3])),
                      q.new_full((*q.shape[:2], rest), -torch.inf)))  # fmt: skip
        output, lse = (torch.cat(parts, 2) for parts in zip(*found, strict=True))
    return output.to(query.dtype), lse.contiguous()


def forward(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *features: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """``attention`` with the output laid out as ``features.empty_output`` says."""
    output, lse = attention(query, key, value, *features)
    return empty_output(query, value.shape[-1]).copy_(output), lse


class _Gradients(NamedTuple):
    """Of query, key and value, each with the query's heads, and of the scores t."""

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    scores: torch.Tensor


def _one_gradient(
    grad: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    lse: torch.Tensor, delta: torch.Tensor, f: Features, first: torch.Tensor,
) -> _Gradients:  # fmt: skip
    """One batch of equal lengths, by the formulas that stand in ``kernels``."""
    t = scores(query, key, f)
    weights = torch.exp(t - lse.masked_fill(lse == -torch.inf, 0.0)[..., None])
    dropped, dp = weights, torch.matmul(grad, value.mT)
    if f.dropout:
        chosen = kept(f.seed, f.dropout, first, query.shape[2], key.shape[2])
        dropped = torch.where(chosen, weights / (1 - f.dropout), 0.0)
        dp = torch.where(chosen, dp / (1 - f.dropout), 0.0)
    dt = weights * (dp - delta[..., None])
    ds = dt * f.scale
    if f.soft_cap:
        ds = ds * (1 - torch.tanh(torch.matmul(query, key.mT) * f.scale / f.soft_cap).square())
    return _Gradients(ds @ key, ds.mT @ query, dropped.mT @ grad, dt)


def _gradients(
    grad: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    lse: torch.Tensor, delta: torch.Tensor, f: Features,
) -> _Gradients:  # fmt: skip
    """The same of packed sequences too, one after another; then without the scores'."""
    wide = lse_dtype(query.dtype)
    key, value = (_for_every_head(x, query) for x in (key, value))
    g, q, k, v = (x.to(wide) for x in (grad, query, key, value))
    first = _first_rows(query)
    if not f.packed:
        return _one_gradient(g, q, k, v, lse, delta, f, first)
    dq, dk, dv = (torch.zeros_like(x) for x in (q, k, v))
    for n, (own_q, own_k) in enumerate(_sequences(f)):
        one = _one_gradient(
            g[:, :, own_q], q[:, :, own_q], k[:, :, own_k], v[:, :, own_k], lse[:, :, own_q],
            delta[:, :, own_q], _of_sequence(f, n), first + own_q.start,
        )  # fmt: skip
        dq[:, :, own_q], dk[:, :, own_k], dv[:, :, own_k] = one[:3]
    return _Gradients(dq, dk, dv, dq)


def delta(grad: torch.Tensor, grad_lse: torch.Tensor | None, output: torch.Tensor) -> torch.Tensor:
    """Σ grad·output - grad_lse a row: (B, H, Sq)."""
    wide = lse_dtype(output.dtype)
    sums = (grad.to(wide) * output.to(wide)).sum(-1)
    return sums if grad_lse is None else sums - grad_lse


def backward(
    grad: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    lse: torch.Tensor, delta: torch.Tensor, *features: Any,
) -> tuple[torch.Tensor, ...]:  # fmt: skip
    """Gradients of query, key and value, each in its input's memory order."""
    found = _gradients(grad, query, key, value, lse, delta, Features(*features))
    return _laid_out(found, query, key, value)


def backward_with_bias(
    grad: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    lse: torch.Tensor, delta: torch.Tensor, *features: Any,
) -> tuple[torch.Tensor, ...]:  # fmt: skip
    """The same and the bias's, contiguous: summed where the bias was broadcast."""
    f = Features(*features)
    assert f.bias is not None
    found = _gradients(grad, query, key, value, lse, delta, f)
    of_bias = found.scores.sum_to_size(f.bias.shape).to(f.bias.dtype).contiguous()
    return *_laid_out(found, query, key, value), of_bias


def _laid_out(found: _Gradients, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
    results = []
    for x, gradient in zip(inputs, found[:3], strict=True):
        # Heads that share a key head add their gradients up.
        group = gradient.shape[1] // max(x.shape[1], 1)
        summed = gradient.view(*x.shape[:2], group, *x.shape[2:]).sum(2)
        results.append(empty_like_dense(x).copy_(summed))
    return tuple(results)
