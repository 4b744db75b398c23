"""Reductions and normalizations that skip elements: `torch.masked`.

``mask`` broadcasts to the input and is True where an element counts. Every function fills the
others with the identity of its reduction and goes on as without a mask; where nothing counts,
the identity is what comes out (NaN for means, medians and moments).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import as_dtype, get_default_dtype
from ..errors import DimError, DtypeError
from ..op import Bad, Sample, compose, op
from ..samples import array
from .dims import Dims, all_dims, kept_shape
from .selection import beside

_X, _MASK = array((3, 4)), array((3, 4), seed=2) > -0.9
_MASK[1] = [True, False, True, True]
_ALL = (Sample((_X,), {"mask": _MASK}), Sample((_X, 1), {"keepdim": True, "mask": _MASK[:, :1]}))
_ROWS = (Sample((_X, 1), {"mask": _MASK}), Sample((_X, 0)))
_BAD = (Bad((array((3,)),), {"mask": np.ones((2, 3), bool)}, DimError, "more dimensions"),)
_BAD_ROWS = (Bad((array((3,)), 0), {"mask": np.ones((2, 3), bool)}, DimError, "more dimensions"),)


def _filled(input: Any, mask: Any, value: float) -> Any:
    """`input`, with `value` (at most the dtype's largest number) where `mask` is False."""
    if mask is None:
        return input
    if mask.ndim > input.ndim:
        raise DimError(f"the mask {mask.shape} has more dimensions than the input {input.shape}")
    if input.dtype.kind in "iu" and math.isinf(value):
        limits = np.iinfo(input.dtype)
        value = limits.max if value > 0 else limits.min
    return op.where(_counted(input, mask), input, beside(input, np.asarray(value, input.dtype)))


def _counted(input: Any, mask: Any) -> Any:
    """The mask in the input's shape; ones if there is none."""
    mask = np.ones((), bool) if mask is None else np.asarray(mask).astype(bool)
    return beside(input, np.broadcast_to(mask, input.shape))


def _cast(value: Any, dtype: Any) -> Any:
    return value if dtype is None else op.to(value, dtype)


def _number(input: Any, mask: Any, dim: Dims, keepdim: bool) -> Any:
    return op.sum(_counted(input, mask), dim, keepdim)


def masked(
    name: str, *samples: Sample, errors: tuple[Bad, ...] = _BAD
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as ``masked.name``."""
    return compose(
        *samples, name=f"masked_{name}", aliases=(f"masked.{name}",), spaces=(), errors=errors
    )


# ---- reductions ----------------------------------------------------------------------------------


@masked("sum", *_ALL)
def _sum(
    input: Any, dim: Dims = None, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """Sum over `dim` of the elements in `mask`."""
    return op.sum(_filled(input, mask, 0), dim, keepdim, dtype)


@masked("prod", *_ALL)
def _prod(
    input: Any, dim: Dims = None, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """Product over `dim` (one or several) of the elements in `mask`."""
    out = _cast(_filled(input, mask, 1), dtype)
    axes = all_dims(dim, input.ndim)
    for axis in axes:
        out = op.prod(out, axis, True)
    out = op.prod(out) if not axes else out  # 0-d: integers become int64
    kept = kept_shape(input.shape, axes)
    left = tuple(size for i, size in enumerate(kept) if i not in axes)
    return op.reshape(out, kept if keepdim else left)


@masked("amax", *_ROWS)
def _amax(
    input: Any, dim: Dims = None, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """Maximum over `dim` of the elements in `mask`."""
    return _cast(op.amax(_filled(input, mask, -math.inf), dim, keepdim), dtype)


@masked("amin", *_ROWS)
def _amin(
    input: Any, dim: Dims = None, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """Minimum over `dim` of the elements in `mask`."""
    return _cast(op.amin(_filled(input, mask, math.inf), dim, keepdim), dtype)


@masked("argmax", Sample((np.arange(4), 0), {"mask": np.array([True, False, True, False])}))
def _argmax(
    input: Any, dim: int | None = None, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """Index of the maximum along `dim` of the elements in `mask`."""
    found = op.argmax(_filled(input, mask, -math.inf), dim, keepdim)
    return _cast(found, input.dtype if dtype is None else dtype)


@masked("argmin", Sample((np.arange(4), 0), {"mask": np.array([False, False, True, True])}))
def _argmin(
    input: Any, dim: int | None = None, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """Index of the minimum along `dim` of the elements in `mask`."""
    found = op.argmin(_filled(input, mask, math.inf), dim, keepdim)
    return _cast(found, input.dtype if dtype is None else dtype)


@masked("mean", *_ROWS)
def _mean(
    input: Any, dim: Dims = None, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """Mean over `dim` of the elements in `mask`."""
    kind = input.dtype if dtype is None else as_dtype(dtype)
    if kind.kind not in "fc":
        raise DtypeError(f"masked.mean: expected a floating input or dtype, got {kind}")
    total = op.sum(_filled(input, mask, 0), dim, keepdim, dtype)
    return op.div(total, _number(input, mask, dim, keepdim))


@masked("median", *_ROWS, errors=_BAD_ROWS)
def _median(
    input: Any, dim: int = -1, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """Lower median along `dim` of the elements in `mask`."""
    floating = input if input.dtype.kind == "f" else op.to(input, get_default_dtype())
    found = op.nanmedian(_filled(floating, mask, math.nan), dim, keepdim).values
    return found if floating is input else op.to(found, dtype or input.dtype)


@masked("norm", *_ALL[:1], Sample((_X, 3, 1), {"mask": _MASK}))
def _norm(
    input: Any,
    ord: float = 2,
    dim: Dims = None,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Any = None,
) -> Any:
    """Vector norm over `dim` of the elements in `mask`."""
    identity = math.inf if ord == -math.inf else 0
    return op.vector_norm(_cast(_filled(input, mask, identity), dtype), ord, dim, keepdim)


@masked("logsumexp", *_ROWS)
def _logsumexp(
    input: Any, dim: Dims = None, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:
    """``log Σexp`` over `dim` of the elements in `mask`."""
    return _cast(op.logsumexp(_filled(input, mask, -math.inf), dim, keepdim), dtype)


@masked("var", *_ROWS)
def _var(
    input: Any,
    dim: Dims = None,
    unbiased: bool | None = None,
    correction: float | None = None,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Any = None,
) -> Any:
    """Variance over `dim` of the elements in `mask`: Σ(x - x̄)²/(N - correction)."""
    if dtype is not None or input.dtype.kind not in "fc":
        input = op.to(input, dtype or get_default_dtype())
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    mean = op.div(_sum(input, dim, True, None, mask), _number(input, mask, dim, True))
    total = _sum(op.square(input - mean), dim, keepdim, None, mask)
    number = op.to(_number(input, mask, dim, keepdim), total.dtype)
    return op.div(total, op.clamp(number - correction, 0))


@masked("std", *_ROWS)
def _std(
    input: Any,
    dim: Dims = None,
    unbiased: bool | None = None,
    correction: float | None = None,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Any = None,
) -> Any:
    """Standard deviation over `dim` of the elements in `mask`."""
    return op.sqrt(_var(input, dim, unbiased, correction, keepdim, dtype, mask))


# ---- along one dimension, of the input's shape ---------------------------------------------------


@masked("cumsum", *_ROWS, errors=_BAD_ROWS)
def _cumsum(input: Any, dim: int, dtype: Any = None, mask: Any = None) -> Any:
    """Running sum along `dim` of the elements in `mask`."""
    return op.cumsum(_filled(input, mask, 0), dim, dtype)


@masked("cumprod", *_ROWS, errors=_BAD_ROWS)
def _cumprod(input: Any, dim: int, dtype: Any = None, mask: Any = None) -> Any:
    """Running product along `dim` of the elements in `mask`."""
    return op.cumprod(_filled(input, mask, 1), dim, dtype)


@masked("softmax", *_ROWS, errors=_BAD_ROWS)
def _softmax(input: Any, dim: int, dtype: Any = None, mask: Any = None) -> Any:
    """softmax along `dim` over the elements in `mask`; the others get 0."""
    return op.softmax(_filled(input, mask, -math.inf), dim, dtype)


@masked("log_softmax", *_ROWS[1:], errors=_BAD_ROWS)
def _log_softmax(input: Any, dim: int, dtype: Any = None, mask: Any = None) -> Any:
    """log-softmax along `dim` over the elements in `mask`; the others get -inf."""
    return op.log_softmax(_filled(input, mask, -math.inf), dim, dtype)


@masked("softmin", *_ROWS, errors=_BAD_ROWS)
def _softmin(input: Any, dim: int, dtype: Any = None, mask: Any = None) -> Any:
    """``softmax(-input)`` along `dim` over the elements in `mask`; the others get 0."""
    return op.softmax(-_filled(input, mask, math.inf), dim, dtype)


@masked("normalize", Sample((_X, 2.0, 1), {"mask": _MASK}), errors=())
def _normalize(
    input: Any, ord: float, dim: int, eps: float = 1e-12, dtype: Any = None, mask: Any = None
) -> Any:
    """The elements in `mask` over their norm along `dim` (at least `eps`); the others get 0."""
    input = _cast(input, dtype)
    return _filled(input, mask, 0) / op.clamp(_norm(input, ord, dim, True, None, mask), eps)


@compose(
    Sample((_X, array((3, 4), seed=1)), {"input_mask": np.ones(4, bool)}),
    name="masked_logaddexp",
    aliases=("masked.logaddexp",),
    spaces=(),
)
def _logaddexp(
    input: Any, other: Any, dtype: Any = None, input_mask: Any = None, other_mask: Any = None
) -> Any:
    """``log(exp(input) + exp(other))`` of the elements in each mask."""
    pair = _filled(input, input_mask, -math.inf), _filled(other, other_mask, -math.inf)
    return _cast(op.logaddexp(*pair), dtype)
