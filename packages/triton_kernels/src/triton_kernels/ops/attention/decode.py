"""decode_attention and mla_decode_attention: a few new tokens over a cache of keys and values.

The new tokens are the last of their sequence: token i of n, of a sequence of m keys, sees keys 0 to
m - n + i. There is no gradient: decoding is not trained through.
"""

from __future__ import annotations

from typing import Any

import torch

from triton_kernels import autocast
from triton_kernels.backends import Backend
from triton_kernels.checks import FLOATS, check_tensors, shapes_in_words
from triton_kernels.errors import DtypeError, ShapeError
from triton_kernels.kernel import Kernel, detached
from triton_kernels.ops.attention import (
    checks,
    decode_portable,
    decode_samples,
    layout,
    read_once,
    reference,
)
from triton_kernels.ops.attention.features import UNBOUNDED, Features, lse_dtype
from triton_kernels.registry import Op

_ROOM = "triton_kernels.ops.attention"
_NAME = "decode_attention"
_LATENT = "mla_decode_attention"
MOST_TOKENS = 8
"""More queries than these are better served by ``flash_attention_varlen``."""


def reference_decode(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor | None,
    lengths: torch.Tensor | None, page_table: torch.Tensor | None, sinks: torch.Tensor | None,
    scale: float, soft_cap: float, left: int, value_size: int,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """The definition: every sequence's keys and values gathered, then attended to, causally.

    Keys are (B, Hk, S, D), or with a table (pages, Hk, page, D); values None: the keys' first
    columns. Of a table's row only the pages that the length reaches into are read.
    """
    f = Features(sinks=sinks, scale=scale, soft_cap=soft_cap, left=left, right=0)
    shape = (*query.shape[:3], value_size)
    output = query.new_zeros(shape)
    lse = query.new_full(shape[:3], -torch.inf, dtype=lse_dtype(query.dtype))
    for n in range(query.shape[0]):
        length, page, parts = None if lengths is None else int(lengths[n]), keys.shape[2], []
        row = None if page_table is None else page_table[n].long()
        if row is not None and length is not None:
            row = row[: -(-length // max(page, 1))]
        for cache in (keys, keys[..., :value_size] if values is None else values):
            own = cache[n] if row is None else cache[row].transpose(0, 1).flatten(1, 2)
            parts.append(own[None, :, :length])
        one, its_lse = reference.attention(query[n : n + 1], *parts, *f)
        output[n], lse[n] = one[0], its_lse[0]
    return output, lse


def _fake(query: torch.Tensor, *others: Any) -> tuple[torch.Tensor, torch.Tensor]:
    value_size = others[-2]
    wide = lse_dtype(query.dtype)
    return query.new_empty((*query.shape[:3], value_size)), query.new_empty(
        query.shape[:3], dtype=wide
    )


def _kernel(name: str, *others: Backend) -> Kernel:
    return Kernel(
        name,
        op=name,
        inputs="Tensor query, Tensor keys, Tensor? values, Tensor? lengths, Tensor? page_table, "
        "Tensor? sinks, float scale, float soft_cap, int left, int value_size",
        outputs="(Tensor, Tensor)",
        backends=(
            *others,
            Backend("portable", f"{_ROOM}.decode_portable:decode", decode_portable.refuses),
            Backend("reference", f"{_ROOM}.decode:reference_decode"),
        ),
        fake=_fake,
    )


kernel = _kernel(_NAME, Backend("hopper", f"{_ROOM}.hopper_decode:decode", layout.decode_refuses))
latent_kernel = _kernel(
    _LATENT, Backend("hopper", f"{_ROOM}.hopper_latent:decode", layout.latent_refuses)
)


def _check_lengths(
    op: str, query: torch.Tensor, keys: torch.Tensor, lengths: torch.Tensor | None,
    page_table: torch.Tensor | None, check: bool | None,
) -> None:  # fmt: skip
    """Lengths and page numbers have their shapes and, if that is asked for, lie in range."""
    checks.check_flag(op, "check", check, unknown=True)
    batch, page = query.shape[0], keys.shape[2]
    for name, numbers, rank in (("lengths", lengths, 1), ("page_table", page_table, 2)):
        if numbers is None:
            continue
        checks.check_beside(op, query, (torch.int32,), **{name: numbers})
        if numbers.dim() != rank or numbers.shape[0] != batch or numbers.stride(-1) != 1:
            raise ShapeError(
                op, shapes_in_words(query=query, **{name: numbers}),
                "lengths of (batch,) and page_table of (batch, pages), dense", "make them so",
            )  # fmt: skip
    if page_table is None and keys.shape[0] != batch:
        raise ShapeError(
            op, shapes_in_words(query=query, key_cache=keys), "one batch size",
            "pass a page_table if the cache is in pages",
        )  # fmt: skip
    given = [x for x in (lengths, page_table) if x is not None]
    facts = (page, keys.shape[0], batch)
    if not given or not read_once.due(check, facts, *given):
        return
    _check_numbers(op, lengths, page_table, page, keys.shape[0])
    read_once.remember(facts, *given)


def _check_numbers(
    op: str, lengths: torch.Tensor | None, page_table: torch.Tensor | None, page: int, pages: int
) -> None:
    """Lengths within the cache, pages that it has wherever a length reaches; one wait."""
    capacity = page if page_table is None else page * page_table.shape[1]
    wrong = [] if lengths is None else [(lengths < 0) | (lengths > capacity)]
    if page_table is not None:
        first = torch.arange(page_table.shape[1], device=page_table.device) * page
        reached = first < (capacity if lengths is None else lengths[:, None])
        wrong.append(reached & ((page_table < 0) | (page_table >= pages)))
    if not torch.stack([x.any() for x in wrong]).any():
        return
    n, *place = (wrong[0] if wrong[0].any() else wrong[-1]).nonzero()[0].tolist()
    if not place:
        assert lengths is not None
        raise ShapeError(
            op, f"length {int(lengths[n])} of sequence {n}", f"0 to the cache's {capacity}",
            "grow the cache, or pass how many keys it holds",
        )  # fmt: skip
    assert page_table is not None
    raise ShapeError(
        op, f"page {int(page_table[n, place[0]])} of sequence {n}", f"0 <= page < {pages}",
        "pass the number of a page of the cache",
    )  # fmt: skip


def _check_tokens(op: str, query: torch.Tensor) -> None:
    if query.dim() != 4 or not 1 <= query.shape[2] <= MOST_TOKENS:
        raise ShapeError(
            op, shapes_in_words(query=query), f"(batch, heads, 1 to {MOST_TOKENS} tokens, size)",
            "take flash_attention_varlen for more tokens",
        )  # fmt: skip


def _left(op: str, window: int | None) -> int:
    return checks.checked_window(op, True, (window, None))[0]


def _checked(
    query: torch.Tensor, key_cache: torch.Tensor, value_cache: torch.Tensor,
    lengths: torch.Tensor | None = None, page_table: torch.Tensor | None = None,
    sinks: torch.Tensor | None = None, *, scale: float | None = None,
    soft_cap: float | None = None, window: int | None = None, return_lse: bool = False,
    check: bool | None = None,
) -> tuple[Any, ...]:  # fmt: skip
    query, key_cache, value_cache = autocast.lowered(query, key_cache, value_cache)
    check_tensors(_NAME, query=query, key_cache=key_cache, value_cache=value_cache)
    _check_tokens(_NAME, query)
    if key_cache.dim() != 4 or value_cache.dim() != 4:
        raise ShapeError(
            _NAME, shapes_in_words(key_cache=key_cache, value_cache=value_cache),
            "(batch, heads, length, size), or (pages, page, heads, size) with a page_table",
            "unsqueeze or transpose them",
        )  # fmt: skip
    keys, values = key_cache, value_cache
    if page_table is not None:
        keys, values = keys.transpose(1, 2), values.transpose(1, 2)
    checks.check_heads(_NAME, query, keys, values, batched=False)
    if keys.shape[0] != values.shape[0]:
        raise ShapeError(
            _NAME, shapes_in_words(key_cache=key_cache, value_cache=value_cache),
            "as many pages of both", "check the cache",
        )  # fmt: skip
    checks.check_flag(_NAME, "return_lse", return_lse)
    _check_lengths(_NAME, query, keys, lengths, page_table, check)
    if sinks is not None:
        checks.check_sinks(_NAME, sinks, query)
    return (
        query, keys, values, lengths, page_table, sinks,
        checks.checked_scale(_NAME, scale, query.shape[-1]),
        checks.checked_soft_cap(_NAME, soft_cap), _left(_NAME, window), values.shape[-1],
    )  # fmt: skip


def decode_attention(
    query: torch.Tensor,
    key_cache: torch.Tensor,
    value_cache: torch.Tensor,
    lengths: torch.Tensor | None = None,
    page_table: torch.Tensor | None = None,
    sinks: torch.Tensor | None = None,
    *,
    scale: float | None = None,
    soft_cap: float | None = None,
    window: int | None = None,
    return_lse: bool = False,
    check: bool | None = None,
    backend: str | None = None,
) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
    """Attention of one to eight new tokens over a cache, each seeing what stands before it.

    Args:
        query: (B, H, tokens, D), any strides; float16, bfloat16, float32, or float64 (reference).
        key_cache: (B, Hk, S, D), any strides; with a page table (pages, page, Hk, D).
        value_cache: the same of values, of size Dv. Both hold the new tokens' own already.
        lengths: int32, (B,): how many keys of the cache count, the new tokens' included; None: S.
        page_table: int32, (B, most pages): which page holds keys 0 to page - 1, and so on.
        sinks: (H,): one more score a head, of a key without a value.
        scale: None: 1/√D.
        soft_cap: as for ``flash_attention``.
        window: how many keys before its own a token sees; None: all.
        return_lse: return each token's log Σ exp too.
        check: refuse lengths and pages out of range. On a GPU that waits for the device. None:
            once for each pair of tensors as torch last wrote them, so that the layers of a model
            wait once a step, and never while a CUDA graph is captured or torch.compile traces;
            True: at every call; False: never, and wrong numbers read what they say.
        backend: one of ``explain("decode_attention", query, key_cache, value_cache).reasons``.

    Returns:
        (B, H, tokens, Dv), contiguous; with ``return_lse`` also (B, H, tokens), float32. No
        gradient.

    Raises:
        ShapeError: ranks or sizes that do not fit, lengths or pages out of range.
        DtypeError: dtypes that differ or do not fit.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    inputs = _checked(
        query, key_cache, value_cache, lengths, page_table, sinks, scale=scale,
        soft_cap=soft_cap, window=window, return_lse=return_lse, check=check,
    )  # fmt: skip
    output, lse = kernel.outputs(*detached(inputs), backend=backend)
    return (output, lse) if return_lse else output


def _checked_latent(
    query: torch.Tensor, cache: torch.Tensor, value_size: int,
    lengths: torch.Tensor | None = None, page_table: torch.Tensor | None = None, *,
    scale: float, return_lse: bool = False, check: bool | None = None,
) -> tuple[Any, ...]:  # fmt: skip
    query, cache = autocast.lowered(query, cache)
    check_tensors(_LATENT, query=query, cache=cache)
    _check_tokens(_LATENT, query)
    if cache.dim() != 3 or cache.shape[-1] != query.shape[-1] or cache.shape[-1] == 0:
        raise ShapeError(
            _LATENT, shapes_in_words(query=query, cache=cache),
            "a cache of (batch, length, size) or (pages, page, size), of the query's size",
            "one latent serves all heads: squeeze the heads",
        )  # fmt: skip
    if isinstance(value_size, bool) or not isinstance(value_size, int):
        kind = type(value_size).__name__
        raise DtypeError(_LATENT, f"value_size of type {kind}", "an int", "pass one")
    if not 1 <= value_size <= cache.shape[-1]:
        raise ShapeError(
            _LATENT, f"value_size {value_size}", f"1 to {cache.shape[-1]}", "pass the latent's rank"
        )
    keys = cache[:, None]
    checks.check_flag(_LATENT, "return_lse", return_lse)
    _check_lengths(_LATENT, query, keys, lengths, page_table, check)
    scale = checks.checked_number(_LATENT, "scale", scale)
    return query, keys, None, lengths, page_table, None, scale, 0.0, UNBOUNDED, value_size


def mla_decode_attention(
    query: torch.Tensor,
    cache: torch.Tensor,
    value_size: int,
    lengths: torch.Tensor | None = None,
    page_table: torch.Tensor | None = None,
    *,
    scale: float,
    return_lse: bool = False,
    check: bool | None = None,
    backend: str | None = None,
) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
    """Multi-head latent attention of new tokens, absorbed: over the latents as they are cached.

    A row of the cache is a token's latent and its rotated key side by side; the query is what its
    head's up-projection of keys makes of it (absorbed) beside its rotated part, and the output is
    a mix of latents, which the up-projection of values takes on.

    Args:
        query: (B, H, tokens, rank + rotated), any strides, one to eight tokens.
        cache: (B, S, rank + rotated); with a page table (pages, page, rank + rotated).
        value_size: the rank: how many of the first columns are the values.
        lengths: int32, (B,): how many keys count, the new tokens' included; None: S.
        page_table: int32, (B, most pages).
        scale: 1/√ of the size of a head before absorption: 192 in DeepSeek-V2 and V3.
        return_lse: return each token's log Σ exp too.
        check: as for ``decode_attention``.
        backend: as for ``decode_attention``.

    Returns:
        (B, H, tokens, rank), contiguous; with ``return_lse`` also (B, H, tokens). No gradient.

    Raises:
        ShapeError: ranks or sizes that do not fit, lengths or pages out of range.
        DtypeError: dtypes that differ or do not fit.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    inputs = _checked_latent(
        query, cache, value_size, lengths, page_table, scale=scale, return_lse=return_lse,
        check=check,
    )  # fmt: skip
    output, lse = latent_kernel.outputs(*detached(inputs), backend=backend)
    return (output, lse) if return_lse else output


OPS = (
    Op(
        name=_NAME,
        summary="1 to 8 new tokens over a cache, contiguous or in pages, GQA",
        function=decode_attention,
        kernel=kernel,
        gradients=(),
        checked=_checked,
        torch_function=decode_samples.torch_decode,
        dtypes=FLOATS,
        samples=decode_samples.samples,
        errors=decode_samples.errors,
        cost=decode_samples.cost,
        bound="memory",
        cases=decode_samples.CASES,
        source="Dao et al. 2023, Flash-Decoding for long-context inference; Kwon et al. 2023, "
        "arXiv:2309.06180 (pages)",
        differentiable=False,
    ),
    Op(
        name=_LATENT,
        summary="1 to 8 new tokens over a cache of latents (MLA, absorbed)",
        function=mla_decode_attention,
        kernel=latent_kernel,
        gradients=(),
        checked=_checked_latent,
        torch_function=decode_samples.torch_latent,
        dtypes=FLOATS,
        samples=decode_samples.latent_samples,
        errors=decode_samples.latent_errors,
        cost=decode_samples.latent_cost,
        bound="memory",
        cases=decode_samples.LATENT_CASES,
        source="DeepSeek-AI 2024, DeepSeek-V2, arXiv:2405.04434, section 2.1.2 and appendix C",
        differentiable=False,
    ),
)
