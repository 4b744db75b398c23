"""Largest and smallest elements: their values, with the gradient shared, and their places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import Array
from ..errors import DimError, RangeError
from ..op import Bad, Composite, Op, Sample, compose, op
from ..samples import array
from .dims import Dims, all_dims, max_reduce, min_reduce, one_dim, restored
from .reduction import Reduction
from .selection import selected


class Amax(Reduction, name="amax"):
    """Maximum over `dim`; equal maxima share the gradient evenly."""

    def forward(self, input: Array, dim: Dims = None, keepdim: bool = False) -> Array:
        """Values."""
        self.axes = all_dims(dim, input.ndim)
        if input.dtype.kind in "c" or not input.size:
            _refuse(input, dim)
        return max_reduce(input, self.axes, keepdims=keepdim)

    def backward(self, g: Any, input: Any, axes: Any, out: Any) -> Any:
        """To the elements that attain it."""
        return _shares(input, out, axes, g.dtype) * restored(g, input.shape, axes)

    def jvp(self, t: Any, input: Any, axes: Any, out: Any) -> Any:
        """Mean of the tangents of the elements that attain it."""
        return op.reshape(op.sum(_shares(input, out, axes, t.dtype) * t, axes), out.shape)


class Amin(Amax, name="amin"):
    """Minimum over `dim`; equal minima share the gradient evenly."""

    def forward(self, input: Array, dim: Dims = None, keepdim: bool = False) -> Array:
        """Values."""
        self.axes = all_dims(dim, input.ndim)
        if input.dtype.kind in "c" or not input.size:
            _refuse(input, dim)
        return min_reduce(input, self.axes, keepdims=keepdim)

    def backward(self, g: Any, input: Any, axes: Any, out: Any) -> Any:
        """To the elements that attain it."""
        return Amax.backward(self, g, input, axes, out)


def _refuse(input: Array, dim: Dims) -> None:
    if input.dtype.kind == "c":
        raise RangeError("complex numbers have no order")
    if dim is None:
        raise RangeError(f"no element of {input.shape} to choose from")
    for axis in all_dims(dim, input.ndim):
        if not input.shape[axis]:
            raise DimError(f"expected dimension {axis} of {input.shape} to have a size above 0")


def _shares(input: Any, out: Any, axes: tuple[int, ...], dtype: Any) -> Any:
    hit = op.to(input == restored(out, input.shape, axes), dtype)
    return hit / op.sum(hit, axes, True)


class MedianOfAll(Amax, name="median_of_all", spaces=()):
    """The lower median of all elements, NaN if there is one; equal ones share the gradient."""

    def forward(
        self, input: Array, dim: Dims = None, keepdim: bool = False, ignore_nan: bool = False
    ) -> Array:
        """Values."""
        self.axes = tuple(range(input.ndim))
        flat = input.reshape(-1)
        if not flat.size:
            return np.asarray(np.nan, input.dtype)
        count = flat.size
        if input.dtype.kind == "f" and (lost := int(np.isnan(flat).sum())):
            if not ignore_nan or lost == count:
                return np.asarray(np.nan, input.dtype)
            count -= lost
        middle = (count - 1) // 2
        return np.asarray(np.partition(flat, middle)[middle])

    def backward(self, g: Any, input: Any, axes: Any, out: Any) -> Any:
        """To the elements that it is."""
        return Amax.backward(self, g, input, axes, out)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """An odd and an even number, and equal ones."""
        yield Sample((array((3, 5)),))
        yield Sample((array((2, 3)),))
        yield Sample((array(()),))

    error_inputs = Op.error_inputs


# ---- max and min in all their forms --------------------------------------------------------------


class _Extremum(Composite):
    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Of all, along a dimension, and of two."""
        x = array((3, 4))
        yield Sample((x,))
        yield Sample((x, 1))
        yield Sample((x, 0, True))
        yield Sample((x, array((4,), seed=1)))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A dimension out of range."""
        yield Bad((array((2, 3)), 2), {}, DimError, "but got 2")


class Max(_Extremum, name="max"):
    """Maximum of all elements; with `dim` values and indices; with a tensor `maximum`."""

    @staticmethod
    def forward(input: Any, dim: Any = None, keepdim: bool = False, other: Any = None) -> Any:
        """Composed of amax, maximum, or argmax and gather."""
        return _extremum(input, dim if other is None else other, keepdim, "max")


class Min(_Extremum, name="min"):
    """Minimum of all elements; with `dim` values and indices; with a tensor `minimum`."""

    @staticmethod
    def forward(input: Any, dim: Any = None, keepdim: bool = False, other: Any = None) -> Any:
        """Composed of amin, minimum, or argmin and gather."""
        return _extremum(input, dim if other is None else other, keepdim, "min")


def _extremum(input: Any, dim: Any, keepdim: bool, kind: str) -> Any:
    if dim is None:
        return (op.amax if kind == "max" else op.amin)(input)
    if hasattr(dim, "shape"):
        return (op.maximum if kind == "max" else op.minimum)(input, dim)
    find = np.argmax if kind == "max" else np.argmin
    axis = one_dim(dim, input.ndim)
    _chosen_from(input, dim)
    places = find(np.asarray(input), axis, keepdims=True) if input.ndim else np.zeros((), np.int64)
    return selected(input, places, dim, keepdim)


def _chosen_from(input: Any, dim: int | None) -> int | None:
    """The axis `dim`, None for all elements; a DimError if there is nothing to choose from."""
    axis = None if dim is None or not input.ndim else one_dim(dim, input.ndim)
    if 0 in (input.shape if axis is None else input.shape[axis : axis + 1]):
        raise DimError(f"no element of {tuple(input.shape)} to choose from in dim {dim}")
    return axis


class _Range(NamedTuple):
    min: Any
    max: Any


@compose(Sample((array((3, 4)),)), Sample((array((3, 4)),), {"dim": 1, "keepdim": True}))
def aminmax(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Minimum and maximum of all elements or along `dim`, as ``(min, max)``."""
    return _Range(op.amin(input, dim, keepdim), op.amax(input, dim, keepdim))


class Argmax(Reduction, name="argmax"):
    """Index of the first maximum along `dim`, or in the flattened input."""

    differentiable, one_dim_only = False, True

    def forward(self, input: Array, dim: int | None = None, keepdim: bool = False) -> Array:
        """Values, int64."""
        return np.asarray(np.argmax(input, _chosen_from(input, dim), keepdims=keepdim))


class Argmin(Reduction, name="argmin"):
    """Index of the first minimum along `dim`, or in the flattened input."""

    differentiable, one_dim_only = False, True

    def forward(self, input: Array, dim: int | None = None, keepdim: bool = False) -> Array:
        """Values, int64."""
        return np.asarray(np.argmin(input, _chosen_from(input, dim), keepdims=keepdim))
