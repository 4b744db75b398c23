"""The functions of the Python array API standard (data-apis.org/array-api), on tensors.

This is what `Tensor.__array_namespace__` returns. Names, arguments and defaults are the
standard's, which differ from torch's in places (``axis``, ``correction=0``, `equal` by element);
what is computed are the operations of the package, recorded as always.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from . import array_api_linalg, creation
from . import fft as fft
from .array_api_dtypes import Info
from .array_api_dtypes import astype as astype
from .array_api_dtypes import can_cast as can_cast
from .array_api_dtypes import finfo as finfo
from .array_api_dtypes import iinfo as iinfo
from .array_api_dtypes import isdtype as isdtype
from .array_api_dtypes import result_type as result_type
from .array_api_products import matrix_transpose as matrix_transpose
from .array_api_products import tensordot as tensordot
from .array_api_products import vecdot as vecdot
from .dtypes import bool_, get_default_dtype, int64
from .dtypes import complex64 as complex64
from .dtypes import complex128 as complex128
from .dtypes import float32 as float32
from .dtypes import float64 as float64
from .dtypes import int8 as int8
from .dtypes import int16 as int16
from .dtypes import int32 as int32
from .dtypes import uint8 as uint8
from .errors import ArgumentError
from .interop import from_dlpack as from_dlpack
from .registry import op
from .tensor import Tensor, array_of, wrap

VERSIONS = ("2022.12", "2023.12", "2024.12")
__array_api_version__ = "2023.12"

e, inf, nan, newaxis, pi = math.e, math.inf, math.nan, None, math.pi
bool = bool_
linalg = array_api_linalg
uint16, uint32, uint64 = (np.dtype(kind) for kind in ("uint16", "uint32", "uint64"))
Axis = int | tuple[int, ...] | None

# Functions that are called as the operation of the same, or another, name.
_SAME = """abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_left_shift bitwise_or
    bitwise_right_shift bitwise_xor broadcast_to ceil conj copysign cos cosh exp expm1 floor
    floor_divide hypot imag isfinite isinf isnan log log10 log1p log2 logaddexp logical_and
    logical_not logical_or logical_xor matmul maximum minimum moveaxis nextafter positive pow real
    reciprocal remainder reshape round sign signbit sin sinh sqrt square tan tanh tril triu trunc
    where argmax argmin"""
_OTHER = {
    "bitwise_invert": "bitwise_not",
    "divide": "div",
    "equal": "eq",
    "greater": "gt",
    "greater_equal": "ge",
    "less": "lt",
    "less_equal": "le",
    "multiply": "mul",
    "negative": "neg",
    "not_equal": "ne",
    "permute_dims": "permute",
    "subtract": "sub",
}
for _name, _op in {**{name: name for name in _SAME.split()}, **_OTHER}.items():
    globals()[_name] = getattr(op, _op)
for _name in ("empty", "full", "ones", "zeros"):
    globals()[_name] = getattr(creation, _name)
    globals()[_name + "_like"] = getattr(creation, _name + "_like")


def concat(arrays: Sequence[Tensor], /, *, axis: int | None = 0) -> Any:
    """Tensors one after the other; with ``axis=None`` flattened first."""
    if axis is None:
        return op.cat([op.reshape(part, (-1,)) for part in arrays], 0)
    return op.cat(list(arrays), axis)


def stack(arrays: Sequence[Tensor], /, *, axis: int = 0) -> Any:
    """Tensors of one shape along a new dimension."""
    return op.stack(list(arrays), axis)


def expand_dims(x: Tensor, /, *, axis: int = 0) -> Any:
    """A dimension of size 1 put in at `axis`."""
    return op.unsqueeze(x, axis)


def clip(x: Tensor, /, min: Any = None, max: Any = None) -> Any:
    """`x` cut off below `min` and above `max`."""
    return x if min is None and max is None else op.clamp(x, min, max)


def flip(x: Tensor, /, *, axis: Axis = None) -> Any:
    """Reversed along `axis`, or along every dimension."""
    return op.flip(x, tuple(range(x.ndim)) if axis is None else axis)


def roll(x: Tensor, /, shift: Any, *, axis: Axis = None) -> Any:
    """Elements moved on by `shift`, and round the end."""
    return op.roll(x, shift) if axis is None else op.roll(x, shift, axis)


def repeat(x: Tensor, repeats: Any, /, *, axis: int | None = None) -> Any:
    """Every element `repeats` times."""
    return op.repeat_interleave(x, repeats, axis)


def squeeze(x: Tensor, /, axis: int | tuple[int, ...]) -> Any:
    """Without the dimensions `axis`, which must have size 1."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    if builtins.any(x.shape[a] != 1 for a in axes):
        raise ArgumentError(f"squeeze: a dimension of {axes} of shape {x.shape} is not of size 1")
    return op.squeeze(x, axes)


def tile(x: Tensor, repetitions: tuple[int, ...], /) -> Any:
    """`x` itself, over and over."""
    return op.tile(x, repetitions)


def broadcast_arrays(*arrays: Tensor) -> list[Any]:
    """Tensors expanded to their common shape."""
    shape = np.broadcast_shapes(*(part.shape for part in arrays))
    return [op.expand(part, shape) for part in arrays]


def unstack(x: Tensor, /, *, axis: int = 0) -> Any:
    """The slices along `axis`."""
    return op.unbind(x, axis)


def take(x: Tensor, indices: Tensor, /, *, axis: int | None = None) -> Any:
    """The slices `indices` of `axis`."""
    axis = 0 if axis is None else axis
    return op.getitem(x, (slice(None),) * (axis % x.ndim) + (indices,))


def take_along_axis(x: Tensor, indices: Tensor, /, *, axis: int = -1) -> Any:
    """The elements `indices` along `axis`."""
    return op.take_along_dim(x, indices, axis)


# ---- reductions ----------------------------------------------------------------------------------


def _axes(x: Tensor, axis: Axis) -> tuple[int, ...]:
    return tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)


def _reduced(name: str, x: Tensor, axis: Axis, keepdims: builtins.bool) -> Any:
    return getattr(op, name)(x, _axes(x, axis), keepdims) if x.ndim else getattr(op, name)(x)


def sum(
    x: Tensor, /, *, axis: Axis = None, dtype: Any = None, keepdims: builtins.bool = False
) -> Any:
    """Sum over `axis`."""
    return _reduced("sum", x if dtype is None else op.to(x, dtype), axis, keepdims)


def mean(x: Tensor, /, *, axis: Axis = None, keepdims: builtins.bool = False) -> Any:
    """Mean over `axis`."""
    return _reduced("mean", x, axis, keepdims)


def max(x: Tensor, /, *, axis: Axis = None, keepdims: builtins.bool = False) -> Any:
    """The largest element over `axis`."""
    return _reduced("amax", x, axis, keepdims)


def min(x: Tensor, /, *, axis: Axis = None, keepdims: builtins.bool = False) -> Any:
    """The smallest element over `axis`."""
    return _reduced("amin", x, axis, keepdims)


def all(x: Tensor, /, *, axis: Axis = None, keepdims: builtins.bool = False) -> Any:
    """Whether every element over `axis` is true."""
    return _reduced("all", x, axis, keepdims)


def any(x: Tensor, /, *, axis: Axis = None, keepdims: builtins.bool = False) -> Any:
    """Whether some element over `axis` is true."""
    return _reduced("any", x, axis, keepdims)


def count_nonzero(x: Tensor, /, *, axis: Axis = None, keepdims: builtins.bool = False) -> Any:
    """How many elements over `axis` are not zero."""
    return sum(op.to(op.ne(x, 0), int64), axis=axis, keepdims=keepdims)


def prod(
    x: Tensor, /, *, axis: Axis = None, dtype: Any = None, keepdims: builtins.bool = False
) -> Any:
    """Product over `axis`."""
    x = x if dtype is None else op.to(x, dtype)
    for a in sorted((a % x.ndim for a in _axes(x, axis)), reverse=True):
        x = op.prod(x, a, True)
    return x if keepdims else op.squeeze(x, _axes(x, axis)) if x.ndim else x


def var(
    x: Tensor, /, *, axis: Axis = None, correction: float = 0.0, keepdims: builtins.bool = False
) -> Any:
    """Variance over `axis`: Σ(x - mean)² / (n - correction)."""
    axes = _axes(x, axis)
    apart = x - mean(x, axis=axes, keepdims=True)
    count = math.prod(x.shape[a] for a in axes)
    return sum(apart * apart, axis=axes, keepdims=keepdims) / (count - correction)


def std(
    x: Tensor, /, *, axis: Axis = None, correction: float = 0.0, keepdims: builtins.bool = False
) -> Any:
    """Square root of the variance."""
    return op.sqrt(var(x, axis=axis, correction=correction, keepdims=keepdims))


def _cumulative(
    name: str, start: float, x: Tensor, axis: int | None, dtype: Any, include_initial: Any
) -> Any:
    if axis is None and x.ndim != 1:
        raise ArgumentError(f"axis is needed for a tensor of {x.ndim} dimensions")
    axis = 0 if axis is None else axis
    out = getattr(op, name)(x if dtype is None else op.to(x, dtype), axis)
    if include_initial:
        shape = [1 if i == axis % x.ndim else s for i, s in enumerate(x.shape)]
        out = op.cat([creation.full(shape, start, dtype=out.dtype), out], axis)
    return out


def cumulative_sum(
    x: Tensor, /, *, axis: int | None = None, dtype: Any = None, include_initial: Any = False
) -> Any:
    """Sums of the first elements along `axis`."""
    return _cumulative("cumsum", 0, x, axis, dtype, include_initial)


def cumulative_prod(
    x: Tensor, /, *, axis: int | None = None, dtype: Any = None, include_initial: Any = False
) -> Any:
    """Products of the first elements along `axis`."""
    return _cumulative("cumprod", 1, x, axis, dtype, include_initial)


def diff(
    x: Tensor, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None
) -> Any:
    """Differences of neighbours along `axis`, `n` times."""
    return op.diff(x, n, axis, prepend, append)


# ---- searching, sorting, sets --------------------------------------------------------------------


def sort(
    x: Tensor, /, *, axis: int = -1, descending: builtins.bool = False, stable: builtins.bool = True
) -> Any:
    """The elements in order along `axis`."""
    return take_along_axis(x, argsort(x, axis=axis, descending=descending), axis=axis)


def argsort(
    x: Tensor, /, *, axis: int = -1, descending: builtins.bool = False, stable: builtins.bool = True
) -> Any:
    """Indices that put the elements in order along `axis`; equal ones keep theirs."""
    data = x._data
    if descending:
        order = np.flip(np.argsort(np.flip(data, axis), axis, kind="stable"), axis)
        return wrap(data.shape[axis] - 1 - order)
    return wrap(np.argsort(data, axis, kind="stable"))


def nonzero(x: Tensor, /) -> tuple[Tensor, ...]:
    """Indices of the elements that are not zero, a tensor for each dimension."""
    return tuple(wrap(part) for part in np.nonzero(x._data))


def searchsorted(x1: Tensor, x2: Tensor, /, *, side: Any = "left", sorter: Any = None) -> Tensor:
    """Where to put the elements of `x2` into `x1` to keep it in order."""
    order = None if sorter is None else sorter._data
    return wrap(np.asarray(np.searchsorted(x1._data, array_of(x2), side, order)))


class UniqueAll(NamedTuple):
    """What `unique_all` finds."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    """What `unique_counts` finds."""

    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """What `unique_inverse` finds."""

    values: Any
    inverse_indices: Any


def unique_all(x: Tensor, /) -> Any:
    """The different elements, where each is first, which each element is, and how many."""
    parts = np.unique(x._data, True, True, True, equal_nan=False)
    values, indices, inverse, counts = (wrap(part) for part in parts)
    return UniqueAll(values, indices, op.reshape(inverse, x.shape), counts)


def unique_counts(x: Tensor, /) -> Any:
    """The different elements, and how many of each."""
    found = unique_all(x)
    return UniqueCounts(found.values, found.counts)


def unique_inverse(x: Tensor, /) -> Any:
    """The different elements, and which of them each element is."""
    found = unique_all(x)
    return UniqueInverse(found.values, found.inverse_indices)


def unique_values(x: Tensor, /) -> Tensor:
    """The different elements."""
    values: Tensor = unique_all(x).values
    return values


# ---- creation ------------------------------------------------------------------------------------


def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: Any = None) -> Tensor:
    """A tensor of `obj`; it shares memory with an array or a tensor unless `copy` is true."""
    if isinstance(obj, Tensor) and not copy and dtype in (None, obj.dtype):
        return obj
    made = creation.as_tensor(obj, dtype=dtype)
    if copy is False and not np.shares_memory(np.asarray(obj), made._data):
        raise ArgumentError("asarray: copy=False, but a copy is needed")
    return made.clone() if copy else made


def arange(
    start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None
) -> Tensor:
    """Numbers from `start` on, `step` apart, below `stop`."""
    first, last = (0, start) if stop is None else (start, stop)
    whole = builtins.all(isinstance(value, int) for value in (first, last, step))
    kind = dtype if dtype is not None else int64 if whole else get_default_dtype()
    return wrap(np.arange(first, last, step).astype(kind))


def linspace(
    start: Any,
    stop: Any,
    /,
    num: int,
    *,
    dtype: Any = None,
    device: Any = None,
    endpoint: builtins.bool = True,
) -> Tensor:
    """`num` numbers at equal distances from `start` to `stop`."""
    values = np.linspace(start, stop, num, endpoint=endpoint)
    return wrap(values.astype(get_default_dtype() if dtype is None else dtype))


def eye(
    n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: Any = None
) -> Tensor:
    """Ones on the diagonal `k`, zeros elsewhere."""
    return wrap(np.eye(n_rows, n_cols, k, get_default_dtype() if dtype is None else dtype))


def meshgrid(*arrays: Tensor, indexing: str = "xy") -> Any:
    """Coordinates of the points of a grid."""
    return list(op.meshgrid(*arrays, indexing=indexing))


def __array_namespace_info__() -> Info:
    return Info()


_OURS = {"annotations", "builtins", "creation", "math", "np", "op", "wrap", "array_of", "bool_"}
_OURS |= {"Any", "ArgumentError", "Axis", "Info", "NamedTuple", "Sequence", "Tensor", "VERSIONS"}
_OURS |= {"array_api_linalg", "get_default_dtype"}
__all__ = [name for name in globals() if not name.startswith("_") and name not in _OURS]
