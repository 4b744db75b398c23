"""Order along a dimension: sorting, the k largest, medians and modes, and sorted sequences.

NaN counts as larger than every number. Equal elements keep their order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import DimError, RangeError
from ..op import Bad, Op, Sample, compose, op
from ..samples import array
from .dims import all_dims, kept_shape, one_dim
from .selection import beside, selected

_X, _FAR = array((2, 3, 4)), Bad((array((2, 3)), 2), {}, DimError, "but got 2")
_TIES = np.array([[2.0, 1.0, 2.0, 1.0, 3.0]])


def _order(input: Any, dim: int, descending: bool = False) -> Array:
    """Indices that sort `input` along `dim`, stably in either direction."""
    axis, x = one_dim(dim, input.ndim), np.asarray(input)
    if not x.ndim:
        return np.zeros((), np.int64)
    if not descending:
        return np.argsort(x, axis, kind="stable")
    backward = np.argsort(np.flip(x, axis), axis, kind="stable")
    return np.asarray(x.shape[axis] - 1 - np.flip(backward, axis))


@compose(
    Sample((_X,)),
    Sample((_X, 1, True)),
    Sample((array(()), 0)),
    errors=(Bad((array((2, 3)), 2), {}, DimError, "but got 2"),),
)
def sort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """Elements in order along `dim`, and where they stood; always stable."""
    return selected(input, _order(input, dim, descending), dim)


class Argsort(Op, name="argsort"):
    """Indices that sort the input along `dim`; always stable."""

    differentiable = False

    def forward(
        self, input: Array, dim: int = -1, descending: bool = False, stable: bool = False
    ) -> Array:
        """Values, int64."""
        return np.ascontiguousarray(_order(input, dim, descending))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Both ways, with equal elements."""
        yield Sample((_X, 1))
        yield Sample((_TIES,), {"descending": True})

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A dimension out of range."""
        yield _FAR


@compose(Sample((_X,)))
def msort(input: Any) -> Any:
    """The input sorted along its first dimension."""
    return op.sort(input, 0).values


@compose(
    Sample((_X, 2)),
    Sample((_X, 2, 1, False)),
    Sample((array(()), 1)),
    errors=(Bad((array((3,)), 4), {}, RangeError, "k = 4 is out of range for 3 elements"),),
)
def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The k largest (or smallest) elements along `dim`, in order, and where they stood."""
    axis, count = one_dim(dim, input.ndim), _count(input, dim)
    if not 0 <= k <= count:
        raise RangeError(f"topk: k = {k} is out of range for {count} elements")
    places = _order(input, dim, largest)
    return selected(
        input, places[(slice(None),) * axis + (slice(k),)] if input.ndim else places, dim
    )


def _count(input: Any, dim: int) -> int:
    return int(input.shape[one_dim(dim, input.ndim)]) if input.ndim else 1


@compose(
    Sample((_X, 2)),
    Sample((_X, 1, 0, True)),
    errors=(Bad((array((3,)), 4), {}, RangeError, "k = 4 is out of range for 3 elements"),),
)
def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The k-th smallest element along `dim` (the first is k = 1), and where it stood."""
    axis, count = one_dim(dim, input.ndim), _count(input, dim)
    if not 1 <= k <= count:
        raise RangeError(f"kthvalue: k = {k} is out of range for {count} elements")
    places = _order(input, dim)
    return selected(input, places.take([k - 1], axis) if input.ndim else places, dim, keepdim)


# ---- medians, quantiles and modes ----------------------------------------------------------------

_MEDIANS = (
    Sample((_X,)),
    Sample((_X, 1)),
    Sample((_X, -1, True)),
    Sample((array(()), 0)),
)


@compose(*_MEDIANS, errors=(_FAR,))
def median(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower median of all elements, or with its place along `dim`; NaN where there is one.

    Of all elements: equal ones share the gradient. Along `dim`: the chosen one gets it.
    """
    return _median(input, dim, keepdim, False)


@compose(*_MEDIANS, errors=(_FAR,))
def nanmedian(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """`median` of the elements that are not NaN; NaN where there is none."""
    return _median(input, dim, keepdim, True)


def _median(input: Any, dim: int | None, keepdim: bool, ignore_nan: bool) -> Any:
    if dim is None:
        return op.median_of_all(input, None, False, ignore_nan)
    axis, places = one_dim(dim, input.ndim), _order(input, dim)
    if not places.ndim:
        return selected(input, places, dim)
    if not input.shape[axis]:
        raise DimError(f"median: expected dimension {axis} of {input.shape} to have elements")
    x = np.asarray(input)
    numbers = (x == x).sum(axis, keepdims=True)  # those that are not NaN
    middle = np.maximum(numbers - 1, 0) // 2
    if not ignore_nan:
        middle = np.where(numbers < x.shape[axis], numbers, middle)
    return selected(input, np.take_along_axis(places, middle, axis), dim, keepdim)


@compose(Sample((_X,)), Sample((_TIES.astype(int), 1, True)), errors=(_FAR,))
def mode(input: Any, dim: int = -1, keepdim: bool = False) -> Any:
    """The most frequent element along `dim`, of several the smallest, and where it is last."""
    axis, places = one_dim(dim, input.ndim), _order(input, dim)
    if not places.ndim:
        return selected(input, places, dim)
    ordered = np.moveaxis(np.take_along_axis(np.asarray(input), places, axis), axis, -1)
    position = np.arange(ordered.shape[-1])
    fresh = np.ones(ordered.shape, bool)
    fresh[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    start = np.maximum.accumulate(np.where(fresh, position, 0), -1)
    last = np.expand_dims(np.argmax(position - start, -1), axis)
    return selected(input, np.take_along_axis(places, last, axis), dim, keepdim)


_WAYS = ("linear", "lower", "higher", "nearest", "midpoint")
_QUANTILES = (
    Sample((_X, 0.6)),
    Sample((_X, np.array([0.1, 0.55]), 1)),
    Sample((_X, 0.3, -1, True)),
    *(Sample((_X, 0.55, 2), {"interpolation": way}) for way in _WAYS[1:]),
)
_WRONG = (
    Bad((array((3,)), 1.5), {}, RangeError, r"q in \[0, 1\]"),
    Bad((array((3,)), 0.5, 0, False, "cubic"), {}, RangeError, "cubic"),
)


@compose(*_QUANTILES, errors=_WRONG)
def quantile(
    input: Any,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    interpolation: str = "linear",
) -> Any:
    """Quantiles `q` of all elements or along `dim`; those of a 1-d `q` are stacked in front.

    Between two elements they are interpolated, differentiably in the input and in `q`. NaN where
    there is a NaN.
    """
    return _quantile(input, q, dim, keepdim, interpolation, False)


@compose(*_QUANTILES, errors=_WRONG)
def nanquantile(
    input: Any,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    interpolation: str = "linear",
) -> Any:
    """`quantile` of the elements that are not NaN; NaN where there is none."""
    return _quantile(input, q, dim, keepdim, interpolation, True)


def _quantile(
    input: Any, q: Any, dim: int | None, keepdim: bool, interpolation: str, ignore_nan: bool
) -> Any:
    if interpolation not in _WAYS:
        raise RangeError(f"quantile: interpolation is one of {_WAYS}, not {interpolation!r}")
    q = q if hasattr(q, "ndim") else beside(input, np.asarray(q, input.dtype))
    if q.ndim > 1 or not np.all((np.asarray(q) >= 0) & (np.asarray(q) <= 1)):
        raise RangeError(f"quantile: expected a number or a 1-d tensor q in [0, 1], got {q!r}")
    axis = 0 if dim is None else one_dim(dim, input.ndim)
    flat = dim is None or not input.ndim
    ordered = op.sort(op.reshape(input, (-1,)) if flat else op.movedim(input, axis, -1), -1).values
    x = np.asarray(ordered)
    if not x.shape[-1]:
        raise RangeError(f"quantile: no element of {input.shape} along the dimension")
    numbers = (x == x).sum(-1, keepdims=True)
    top = (np.maximum(numbers, 1) if ignore_nan else x.shape[-1]) - np.ones(1, x.dtype)
    rank = op.reshape(q, (-1,)) * beside(q, top.astype(x.dtype))
    if not ignore_nan:
        rank = op.where(beside(q, numbers == x.shape[-1]), rank, beside(q, top.astype(x.dtype)))
    rank = op.expand(rank, (*x.shape[:-1], rank.shape[-1]))
    found = _between(ordered, rank, interpolation)
    found = op.movedim(found, -1, 0)
    if keepdim:
        kept = kept_shape(input.shape, all_dims(dim, input.ndim))
        found = op.reshape(found, (found.shape[0], *kept))
    return found if q.ndim else op.squeeze(found, 0)


def _between(ordered: Any, rank: Any, interpolation: str) -> Any:
    """Elements of `ordered` at fractional places of its last dimension."""
    place = np.asarray(rank)
    below, above = np.floor(place).astype(np.int64), np.ceil(place).astype(np.int64)
    if interpolation in ("lower", "higher", "nearest"):
        chosen = {"lower": below, "higher": above}.get(interpolation)
        return op.gather(ordered, -1, np.rint(place).astype(int) if chosen is None else chosen)
    low, high = op.gather(ordered, -1, below), op.gather(ordered, -1, above)
    half = beside(rank, (0.5 * (above > below)).astype(place.dtype))
    return low + (high - low) * (half if interpolation == "midpoint" else rank - op.floor(rank))
