"""Reductions: sums, means, products, and whether all or any elements are true.

``dim`` is an int, a tuple, or None for all dimensions; ``keepdim`` leaves them with size 1.
Sums of float16 are accumulated in float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array, as_dtype
from ..errors import DimError, DtypeError, ShapeError, UnsupportedDtypeError
from ..op import Bad, Composite, Op, Sample, compose, op
from ..samples import array
from .dims import (
    Dims,
    Ints,
    add_reduce,
    all_dims,
    ints,
    kept_shape,
    one_dim,
    spread,
    total,
)


class Reduction(Op):
    """Samples that every reduction over ``(dim, keepdim)`` is tested with."""

    one_dim_only = False

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """No dim, one, several, kept ones; 0-d."""
        x = array((2, 3, 4))
        yield Sample((x,))
        yield Sample((x, 1))
        yield Sample((x, -1, True))
        yield Sample((array(()),))
        if not cls.one_dim_only:
            yield Sample((x, (0, 2)))
            yield Sample((x, (0, -1)), {"keepdim": True})

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A dimension out of range, and one given twice."""
        yield Bad((array((2, 3)), 2), {}, DimError, r"\[-2, 1\], but got 2")
        if not cls.one_dim_only:
            yield Bad((array((2, 3)), (0, -2)), {}, ShapeError, "more than once")


class Sum(Reduction, name="sum"):
    """Sum over `dim`; integers and truth values add up to int64.  Adjoint: repeat."""

    linear = True
    source: Any = None  # the input's dtype, if another was asked for

    def forward(
        self, input: Array, dim: Dims = None, keepdim: bool = False, dtype: Any = None
    ) -> Array:
        """Values."""
        self.shape = input.shape
        if dtype is not None:
            self.source, input = input.dtype, input.astype(as_dtype(dtype))
        elif input.dtype.kind == "u":
            input = input.astype(np.int64)
        self.axes = all_dims(dim, input.ndim)
        return total(input, self.axes, keepdim)

    def backward(self, g: Any, shape: Any, axes: Any, source: Any) -> Any:
        """Every element gets the gradient of the sum that it is in."""
        return spread(g if source is None else op.to(g, source), shape, axes)


class SumToSize(Op, name="sum_to_size", spaces=("Tensor",)):
    """Sum over the dimensions along which `size` broadcasts to the input: adjoint of expand."""

    linear = True

    def forward(self, input: Array, size: Ints) -> Array:
        """Values."""
        self.shape, size = input.shape, ints(size)
        lead = input.ndim - len(size)
        axes = tuple(
            i
            for i, length in enumerate(input.shape)
            if i < lead or (size[i - lead] == 1 and length != 1)
        )
        reduced = total(input, axes) if axes else input
        if math.prod(size) != reduced.size or lead < 0:
            raise ShapeError(f"sum_to_size: {size} does not broadcast to {input.shape}")
        if size == input.shape:
            return input
        return reduced.reshape(size)

    def backward(self, g: Any, shape: Any) -> Any:
        """Repeat."""
        return op.expand(g, shape)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Leading, inner, all and no dimensions."""
        for size in ((3, 4), (4,), (3, 1), (1,), ()):
            yield Sample((array((3, 4)), size))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A size that does not broadcast."""
        yield Bad((array((3, 4)), (2, 4)), {}, ShapeError, "does not broadcast")


class Mean(Reduction, name="mean"):
    """Arithmetic mean over `dim`, of floating inputs.  Adjoint: repeat, divided by the count."""

    linear = True
    source: Any = None  # the input's dtype, if another was asked for

    def forward(
        self, input: Array, dim: Dims = None, keepdim: bool = False, dtype: Any = None
    ) -> Array:
        """Values."""
        if dtype is not None:
            self.source, input = input.dtype, input.astype(as_dtype(dtype))
        if input.dtype.kind not in "fc":
            raise UnsupportedDtypeError(
                f"mean: expected a floating input or dtype, got {input.dtype}"
            )
        self.shape, self.axes = input.shape, all_dims(dim, input.ndim)
        self.count = math.prod(input.shape[i] for i in self.axes)
        if input.dtype == np.float16:
            wide = add_reduce(input, self.axes, np.float32, keepdims=keepdim)
            return np.asarray(_over(wide, self.count)).astype(np.float16)
        mean: Array = _over(add_reduce(input, self.axes, keepdims=keepdim), self.count)
        return mean

    def backward(self, g: Any, shape: Any, axes: Any, count: Any, source: Any) -> Any:
        """Every element gets its share."""
        share = _over(g, count)
        return spread(share if source is None else op.to(share, source), shape, axes)

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Integers have no mean of their own dtype."""
        yield from super().error_inputs()
        yield Bad((np.arange(3),), {}, DtypeError, "expected a floating input")


def _over(value: Any, count: int) -> Any:
    return value / count if count else value * math.nan


class Prod(Composite, name="prod"):
    """Product over one dimension or all, by halving; integers multiply to int64.

    The derivative is that of the pairwise products, so zeros in the input need no special case.
    """

    @staticmethod
    def forward(
        input: Any, dim: int | None = None, keepdim: bool = False, dtype: Any = None
    ) -> Any:
        """Multiply the two halves until one element is left."""
        if dtype is not None or input.dtype.kind in "bui":
            input = op.to(input, dtype or np.int64)
        if input.dtype == np.float16:
            return op.to(op.prod(op.to(input, np.float32), dim, keepdim), np.float16)
        shape = input.shape
        axis = 0 if dim is None else one_dim(dim, len(shape))
        if dim is None or not shape:
            input = op.reshape(input, (-1,))
        count = input.shape[axis]
        if count == 0:
            input, count = op.pad(input, (0, 0) * (input.ndim - 1 - axis) + (0, 1), value=1), 1
        while count > 1:
            half = count // 2
            product = op.narrow(input, axis, 0, half) * op.narrow(input, axis, half, half)
            rest = op.narrow(input, axis, 2 * half, count % 2)
            input = op.cat([product, rest], axis) if count % 2 else product
            count = half + count % 2
        axes = all_dims(dim, len(shape))
        kept = kept_shape(shape, axes)
        return op.reshape(input, kept if keepdim else _left(shape, axes))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """With no, one and two zeros."""
        x = array((3, 5))
        once, twice = x.copy(), x.copy()
        once[0, 1] = twice[0, 1] = twice[0, 3] = 0.0
        for values in (x, once, twice):
            yield Sample((values,))
            yield Sample((values, 1))
        yield Sample((x, 0, True))
        yield Sample((array(()), 0, True))


def _left(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for i, size in enumerate(shape) if i not in axes)


# ---- without NaN, and counts ---------------------------------------------------------------------

_HOLES = (Sample((array((2, 3, 4)), (0, 2))), Sample((array((3, 4)), 1, True)))


@compose(*_HOLES, Sample((array(()),)))
def nansum(input: Any, dim: Dims = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """Sum over `dim` with NaN counted as 0."""
    if input.dtype.kind == "f":
        input = op.masked(input, op.logical_not(op.isnan(input)))
    return op.sum(input, dim, keepdim, dtype)


@compose(*_HOLES, Sample((array(()),)))
def nanmean(input: Any, dim: Dims = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """Mean over `dim` of the elements that are not NaN."""
    if input.dtype.kind not in "fc" and dtype is None:
        raise DtypeError(f"nanmean: expected a floating input, got {input.dtype}")
    number = op.sum(op.logical_not(op.isnan(input)), dim, keepdim)
    return op.nansum(input, dim, keepdim, dtype) / number


class CountNonzero(Reduction, name="count_nonzero"):
    """Number of elements over `dim` that are not zero."""

    differentiable = False

    def forward(self, input: Array, dim: Dims = None) -> Array:
        """Values, int64."""
        return np.asarray(np.count_nonzero(input, all_dims(dim, input.ndim)), np.int64)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Of all and along some dimensions."""
        yield Sample((array((2, 3)) > 0,))
        yield Sample((array((2, 3, 4)) // 1, (0, 2)))


class HashTensor(Reduction, name="hash_tensor"):
    """All elements over `dim`, widened to 64 bits, combined by a bitwise exclusive "or"."""

    differentiable = False

    def forward(
        self, input: Array, dim: Dims = None, keepdim: bool = False, mode: int = 0
    ) -> Array:
        """Values, uint64."""
        wide = input.astype(np.float64 if input.dtype.kind == "f" else np.int64)
        axes = all_dims(dim, input.ndim)
        combine: Any = np.bitwise_xor.reduce
        return np.asarray(combine(wide.view(np.uint64), axes, keepdims=keepdim))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Of all and along some dimensions, of numbers and whole numbers."""
        yield Sample((array((2, 3, 4)),))
        yield Sample((np.arange(6).reshape(2, 3),), {"dim": 1, "keepdim": True})


class All(Reduction, name="all"):
    """Whether all elements over `dim` are non-zero."""

    differentiable = False

    def forward(self, input: Array, dim: Dims = None, keepdim: bool = False) -> Array:
        """Values, bool."""
        return np.asarray(np.all(input, all_dims(dim, input.ndim), keepdims=keepdim))


class Any_(Reduction, name="any"):
    """Whether any element over `dim` is non-zero."""

    differentiable = False

    def forward(self, input: Array, dim: Dims = None, keepdim: bool = False) -> Array:
        """Values, bool."""
        return np.asarray(np.any(input, all_dims(dim, input.ndim), keepdims=keepdim))
