"""Attention (Vaswani et al. 2017): the scaled dot product, and several heads with projections."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import RangeError, ShapeError
from ..op import Bad, Sample, compose, op
from ..random import default_generator
from ..samples import array
from ..tensor import array_of
from .dims import add_reduce, max_reduce
from .fused import Fused


def _wide(value: Array) -> Array:
    return value.astype(np.float32) if value.dtype == np.float16 else value


class Attention(Fused, name="attention", spaces=()):
    """``softmax(query · keyᵀ · scale + bias) · value``, where `hidden` does not hold.

    With P the softmax (times `keep`, the mask of dropout, P̃): ∂L/∂value = P̃ᵀ·g, and with
    D = (g · valueᵀ · keep - Σ g·out)·P, ∂L/∂query = D·key·scale, ∂L/∂key = Dᵀ·query·scale,
    ∂L/∂bias = D. A row that is hidden as a whole gives 0.
    """

    quiet = True
    kept = ("weights", "result")

    def forward(
        self,
        query: Array,
        key: Array,
        value: Array,
        bias: Array | None = None,
        scale: float = 1.0,
        hidden: Any = None,
        keep: Any = None,
    ) -> Array:
        """Values; one array of scores is turned into the weights in place."""
        weights = np.matmul(_wide(query) * scale, _wide(key).mT)
        if bias is not None:
            weights = weights + bias
        if hidden is not None:
            np.copyto(weights, -np.inf, where=hidden)
        top = max_reduce(weights, -1, keepdims=True, initial=-np.inf)
        weights -= np.where(top == -np.inf, 0, top)
        np.exp(weights, out=weights)
        total = add_reduce(weights, -1, keepdims=True)
        weights /= (
            np.where(total == 0, 1, total) if hidden is not None or bias is not None else total
        )
        self.weights = weights
        out = np.matmul(weights if keep is None else weights * keep, _wide(value))
        self.result = out
        return np.asarray(out, query.dtype)

    def backward(
        self,
        g: Any,
        query: Any,
        key: Any,
        value: Any,
        bias: Any,
        scale: Any,
        keep: Any,
        weights: Any,
        result: Any,
    ) -> Any:
        """See the class."""
        g = _wide(g)
        used = weights if keep is None else weights * keep
        for_value = np.matmul(used.mT, g) if self.needs[2] else None
        change = np.matmul(g, _wide(value).mT)
        if keep is not None:
            change *= keep
        change -= np.vecdot(g, result)[..., None]
        change *= weights
        found = [
            np.matmul(change, _wide(key)) * scale if self.needs[0] else None,
            np.matmul(change.mT, _wide(query)) * scale if self.needs[1] else None,
            for_value,
            change if self.needs[3] else None,
        ]
        inputs = (query, key, value, bias)
        return tuple(
            None if grad is None else np.asarray(op.sum_to_size(grad, like.shape), like.dtype)
            for grad, like in zip(found, inputs, strict=True)
        )

    @staticmethod
    def composed(
        query: Any, key: Any, value: Any, bias: Any, scale: float, hidden: Any, keep: Any
    ) -> Any:
        """Of products and a softmax; what is hidden as a whole is spared the softmax."""
        scores = op.matmul(query * scale, key.mT)
        scores = scores if bias is None else scores + bias
        if hidden is not None:
            some = hidden & ~hidden.all(-1, keepdims=True)
            scores = op.where(some, -np.inf, scores)
        weights = op.softmax(scores, -1)
        if hidden is not None:
            weights = op.masked(weights, ~hidden)
        if keep is not None:
            weights = weights * keep.astype(query.dtype, copy=False)
        return op.matmul(weights, value)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Plain; with a bias, hidden places (one row as a whole) and a mask of dropout."""
        q, k, v = array((2, 3, 2)), array((2, 4, 2), seed=1), array((2, 4, 3), seed=2)
        yield Sample((q, k, v, None, 0.7))
        hidden = np.arange(4) > np.array([[1], [3], [-1]])
        keep = (np.arange(24).reshape(2, 3, 4) % 3 > 0).astype(np.float32)
        yield Sample((q, k, v, array((3, 4), seed=3), 0.7, hidden, keep))
        yield Sample((q, k[0], v))


def _drop(shape: tuple[int, ...], p: float, dtype: Any) -> Array | None:
    """The mask of dropout, scaled; None for no dropout."""
    if not p:
        return None
    keep = default_generator.bernoulli(1 - p, math.prod(shape)).reshape(shape)
    return (keep / (1 - p)).astype(dtype) if p < 1 else np.zeros(shape, dtype)


def _repeated(value: Any, heads: int) -> Any:
    """(…, heads/r, S, E) with each head r times in a row: (…, heads, S, E)."""
    own = value.shape[-3]
    if heads == own:
        return value
    if not own or heads % own:
        raise ShapeError(f"{heads} heads of queries do not share {own} heads of keys evenly")
    lead, rest = tuple(value.shape[:-2]), tuple(value.shape[-2:])
    wide = op.expand(op.unsqueeze(value, -3), (*lead, heads // own, *rest))
    return op.reshape(wide, (*lead[:-1], heads, *rest))


@compose(
    Sample((array((2, 3, 2)), array((2, 4, 2), seed=1), array((2, 4, 3), seed=2))),
    Sample(
        (array((4, 3, 2)), array((2, 3, 2), seed=1), array((2, 3, 2), seed=2)),
        {"is_causal": True, "scale": 0.5, "enable_gqa": True},
    ),
    spaces=("nn.functional",),
    errors=(
        Bad((array((2, 3)), array((4, 2)), array((4, 2))), {}, ShapeError, r"\(2, 3\).*\(4, 2\)"),
        Bad((array((3,)), array((3,)), array((3,))), {}, ShapeError, "at least 2 dimensions"),
        Bad(
            (array((2, 3)), array((2, 3)), array((2, 3)), np.ones((2, 2), bool), 0.0, True),
            {},
            RangeError,
            "is_causal",
        ),
    ),
)
def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """``softmax(query · keyᵀ · scale + mask) · value`` of (…, L, E), (…, S, E) and (…, S, V).

    `attn_mask` says by truth values where a query may look, or is added. `scale` is 1/√E by
    default. With `enable_gqa` several heads (dimension -3) of queries share one of keys.
    """
    shapes = [tuple(v.shape) for v in (query, key, value)]
    if min(map(len, shapes)) < 2:
        raise ShapeError("expected at least 2 dimensions, got {}, {} and {}".format(*shapes))
    if shapes[0][-1] != shapes[1][-1] or shapes[1][-2] != shapes[2][-2]:
        raise ShapeError("the shapes {}, {} and {} do not fit".format(*shapes))
    bias = hidden = None
    if is_causal:
        if attn_mask is not None:
            raise RangeError("an attn_mask must not be given together with is_causal=True")
        rows, columns = shapes[0][-2], shapes[1][-2]
        hidden = np.arange(columns) > np.arange(rows)[:, None]
    elif attn_mask is not None:
        if attn_mask.dtype.kind == "b":
            hidden = ~array_of(attn_mask)
        else:
            bias = attn_mask
    if enable_gqa:
        key, value = (_repeated(v, query.shape[-3]) for v in (key, value))
    lead = np.broadcast_shapes(*(tuple(v.shape[:-2]) for v in (query, key, value)))
    keep = _drop((*lead, shapes[0][-2], shapes[1][-2]), dropout_p, query.dtype)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    return op.attention(query, key, value, bias, scale, hidden, keep)


@compose(spaces=("nn.functional",))
def multi_head_attention_forward(
    query: Any,
    key: Any,
    value: Any,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Any = None,
    static_v: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Any, Any]:
    """Attention of several heads of (L, N, E), (S, N, E) and (S, N, E), or without N.

    Returns the result (L, N, E) and the weights (N, L, S), averaged over the heads, or None. A
    mask hides where it is true, or is added; `key_padding_mask` (N, S) hides keys of a sample.
    """
    batched = query.ndim == 3
    if not batched:
        query, key, value = (op.unsqueeze(v, 1) for v in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else key_padding_mask[None]
    length, samples, width = query.shape
    if width != embed_dim_to_check:
        raise ShapeError(f"expected an embedding of {embed_dim_to_check}, got {width}")
    if width % num_heads:
        raise ShapeError(f"an embedding of {width} is not divisible by {num_heads} heads")
    if is_causal and attn_mask is None:
        raise RangeError("need attn_mask if specifying the is_causal hint")
    causal = is_causal and key_padding_mask is None and not need_weights
    separate = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    query, key, value = _projected(query, key, value, in_proj_weight, in_proj_bias, separate)
    mask = None if causal else _merged(attn_mask, key_padding_mask, samples, num_heads, query.dtype)
    if bias_k is not None and bias_v is not None:
        key, value = (
            op.cat([v, op.expand(b, (1, samples, width))])
            for v, b in ((key, bias_k), (value, bias_v))
        )
    heads = [_heads(v, num_heads) for v in (query, key, value)]
    for place, given in ((1, static_k), (2, static_v)):
        if given is not None:
            heads[place] = op.reshape(given, (samples, num_heads, *given.shape[1:]))
    if add_zero_attn:
        zero = np.zeros((samples, num_heads, 1, width // num_heads), query.dtype)
        heads[1:] = [op.cat([v, zero], 2) for v in heads[1:]]
    if mask is not None and mask.shape[-1] < heads[1].shape[2]:
        mask = op.pad(mask, (0, heads[1].shape[2] - mask.shape[-1]))
    dropout = dropout_p if training else 0.0
    weights = None
    if need_weights:
        scores = op.matmul(heads[0] / math.sqrt(width // num_heads), heads[1].mT)
        weights = op.softmax(scores if mask is None else scores + mask, -1)
        weights = op.dropout(weights, dropout, training)
        out = op.matmul(weights, heads[2])
    else:
        out = op.scaled_dot_product_attention(*heads, mask, dropout, causal)
    out = op.reshape(op.permute(out, (2, 0, 1, 3)), (length, samples, -1))
    out = op.linear(out, out_proj_weight, out_proj_bias)
    if weights is not None and average_attn_weights:
        weights = op.mean(weights, 1)
    if batched:
        return out, weights
    return op.squeeze(out, 1), None if weights is None else op.squeeze(weights, 0)


def _heads(value: Any, count: int) -> Any:
    """(S, N, E) as (N, count, S, E/count)."""
    length, samples, width = value.shape
    return op.permute(op.reshape(value, (length, samples, count, width // count)), (1, 2, 0, 3))


def _projected(query: Any, key: Any, value: Any, weight: Any, bias: Any, separate: Any) -> Any:
    """The three linear maps; one product where all three inputs are the same."""
    if separate is None and query is key and key is value:
        return op.chunk(op.linear(query, weight, bias), 3, -1)
    weights = op.chunk(weight, 3) if separate is None else separate
    biases = (None,) * 3 if bias is None else op.chunk(bias, 3)
    return [
        op.linear(v, w, b) for v, w, b in zip((query, key, value), weights, biases, strict=True)
    ]


def _merged(mask: Any, padding: Any, samples: int, heads: int, dtype: Any) -> Any:
    """Both masks as one that is added to the scores (N, heads, L, S)."""
    mask, padding = (_additive(m, dtype) for m in (mask, padding))
    if mask is not None and mask.ndim == 3:
        mask = op.reshape(mask, (samples, heads, *mask.shape[1:]))
    if padding is None:
        return mask
    padding = op.reshape(padding, (samples, 1, 1, -1))
    return padding if mask is None else mask + padding


def _additive(mask: Any, dtype: Any) -> Any:
    if mask is None or mask.dtype.kind != "b":
        return mask
    return np.where(array_of(mask), -np.inf, 0).astype(dtype)
