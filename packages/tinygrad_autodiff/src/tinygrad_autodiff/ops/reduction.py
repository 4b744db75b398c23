"""Reductions: sums, moments, extrema, and the softmax family.

``dim`` is an int, a tuple, or None for all dimensions; ``keepdim`` leaves them with size 1.
Sums of float16 are accumulated in float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import Array, as_dtype
from ..errors import ArgumentError, DimError, DtypeError, ShapeError
from ..op import Bad, Composite, Op, Sample, op
from ..samples import array
from .dims import (
    Dims,
    add_reduce,
    all_dims,
    ints,
    max_reduce,
    min_reduce,
    one_dim,
    restored,
    spread,
    total,
)


class Extremum(NamedTuple):
    """The result of `max` and `min` along a dimension."""

    values: Any
    indices: Any


class _Reduction(Op):
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


class Sum(_Reduction, name="sum"):
    """Sum over `dim`; integers and truth values add up to int64.  Adjoint: repeat."""

    linear = True

    def forward(
        self, input: Array, dim: Dims = None, keepdim: bool = False, dtype: Any = None
    ) -> Array:
        """Values."""
        self.shape = input.shape
        if dtype is not None:
            input = input.astype(as_dtype(dtype))
        self.axes = all_dims(dim, input.ndim)
        return total(input, self.axes, keepdim)

    def backward(self, g: Any, shape: Any, axes: Any) -> Any:
        """Every element gets the gradient of the sum that it is in."""
        return spread(g, shape, axes)


class SumToSize(Op, name="sum_to_size", spaces=("Tensor",)):
    """Sum over the dimensions along which `size` broadcasts to the input: adjoint of expand."""

    linear = True

    def forward(self, input: Array, size: tuple[int, ...]) -> Array:
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


class Mean(_Reduction, name="mean"):
    """Arithmetic mean over `dim`, of floating inputs.  Adjoint: repeat, divided by the count."""

    linear = True

    def forward(self, input: Array, dim: Dims = None, keepdim: bool = False) -> Array:
        """Values."""
        if input.dtype.kind not in "fc":
            raise DtypeError(f"mean: expected a floating input, got {input.dtype}")
        self.shape, self.axes = input.shape, all_dims(dim, input.ndim)
        self.count = math.prod(input.shape[i] for i in self.axes)
        if input.dtype == np.float16:
            wide = add_reduce(input, self.axes, np.float32, keepdims=keepdim)
            return np.asarray(_over(wide, self.count)).astype(np.float16)
        mean: Array = _over(add_reduce(input, self.axes, keepdims=keepdim), self.count)
        return mean

    def backward(self, g: Any, shape: Any, axes: Any, count: Any) -> Any:
        """Every element gets its share."""
        return spread(_over(g, count), shape, axes)

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Integers have no mean of their own dtype."""
        yield from super().error_inputs()
        yield Bad((np.arange(3),), {}, DtypeError, "expected a floating input")


def _over(value: Any, count: int) -> Any:
    return value / count if count else value * math.nan


class Var(_Reduction, name="var"):
    """Variance over `dim`: Σ(x - x̄)²/(N - correction).

    ∂out/∂x = 2·(x - x̄)/(N - correction).
    """

    quiet = True

    def forward(
        self,
        input: Array,
        dim: Dims = None,
        correction: float = 1,
        keepdim: bool = False,
        unbiased: bool | None = None,
    ) -> Array:
        """Values."""
        self.axes, self.count, variance = _moments(input, dim, correction, keepdim, unbiased)
        return variance

    def backward(self, g: Any, input: Any, axes: Any, count: Any) -> Any:
        """The centred input, scaled."""
        return _variance_backward(g, input, axes, count)

    def jvp(self, t: Any, input: Any, axes: Any, count: Any, out: Any) -> Any:
        """Inner product with the centred input."""
        return _variance_jvp(t, input, axes, count, out)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Also without Bessel's correction."""
        x = array((2, 3, 4))
        yield Sample((x,))
        yield Sample((x, 1))
        yield Sample((x, (0, 2)), {"keepdim": True})
        yield Sample((x, 1), {"correction": 0})
        yield Sample((x, -1), {"unbiased": False})


class Std(Op, name="std"):
    """Standard deviation over `dim`, √var; the derivative where it is 0 is 0."""

    quiet = True

    def forward(
        self,
        input: Array,
        dim: Dims = None,
        correction: float = 1,
        keepdim: bool = False,
        unbiased: bool | None = None,
    ) -> Array:
        """Values."""
        self.axes, self.count, variance = _moments(input, dim, correction, keepdim, unbiased)
        return np.sqrt(variance)

    def backward(self, g: Any, input: Any, axes: Any, count: Any, out: Any) -> Any:
        """The rule of the variance, over 2·std."""
        return _variance_backward(op.masked(g / (2 * out), out != 0), input, axes, count)

    def jvp(self, t: Any, input: Any, axes: Any, count: Any, out: Any) -> Any:
        """The rule of the variance, over 2·std."""
        change = _variance_jvp(t, input, axes, count, out)
        return op.masked(change / (2 * out), out != 0)

    samples, error_inputs = Var.samples, Var.error_inputs


def _moments(
    input: Array, dim: Dims, correction: float, keepdim: bool, unbiased: bool | None
) -> tuple[tuple[int, ...], float, Array]:
    """The dimensions, the divisor, and the variance."""
    if input.dtype.kind != "f":
        raise DtypeError(f"expected a floating input, got {input.dtype}")
    if isinstance(dim, bool):  # torch's older var(input, unbiased)
        unbiased, dim = dim, None
    if unbiased is not None:
        correction = int(unbiased)
    axes = all_dims(dim, input.ndim)
    count = math.prod(input.shape[i] for i in axes) - correction
    return axes, count, _variance(input, axes, count, keepdim)


def _variance(input: Array, axes: tuple[int, ...], count: float, keepdim: bool) -> Array:
    wide = input.astype(np.float32) if input.dtype == np.float16 else input
    number = math.prod(input.shape[i] for i in axes)
    centred = wide - _over(add_reduce(wide, axes, keepdims=True), number)
    squares = add_reduce(np.square(centred), axes, keepdims=keepdim)
    ratio = squares / count if count > 0 else squares * math.nan
    return np.asarray(ratio).astype(input.dtype, copy=False)


def _variance_backward(g: Any, input: Any, axes: tuple[int, ...], count: float) -> Any:
    return _centred(input, axes) * spread(g * _twice_over(count), input.shape, axes)


def _variance_jvp(t: Any, input: Any, axes: tuple[int, ...], count: float, out: Any) -> Any:
    change = op.sum(_centred(input, axes) * t, axes, True) * _twice_over(count)
    return op.reshape(change, out.shape)


def _centred(input: Any, axes: tuple[int, ...]) -> Any:
    return input - op.mean(input, axes, True)


def _twice_over(count: float) -> float:
    return 2 / count if count > 0 else math.nan


class Prod(Composite, name="prod"):
    """Product over one dimension or all, by halving.

    The derivative is that of the pairwise products, so zeros in the input need no special case.
    """

    @staticmethod
    def forward(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
        """Multiply the two halves until one element is left."""
        ndim = input.ndim
        if dim is None:
            input, axis = op.reshape(input, (-1,)), 0
        else:
            axis = one_dim(dim, ndim)
            input = op.reshape(input, (1,)) if not ndim else input
        if input.dtype.kind in "bui":
            input = op.to(input, np.int64)
        count = input.shape[axis]
        if count == 0:
            input, count = op.pad(input, (0, 0) * (input.ndim - 1 - axis) + (0, 1), value=1), 1
        while count > 1:
            half = count // 2
            product = op.narrow(input, axis, 0, half) * op.narrow(input, axis, half, half)
            rest = op.narrow(input, axis, 2 * half, count % 2)
            input = op.cat([product, rest], axis) if count % 2 else product
            count = half + count % 2
        if keepdim:
            return op.reshape(input, (1,) * ndim) if dim is None else input
        return op.squeeze(input, axis)

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


class Amax(_Reduction, name="amax"):
    """Maximum over `dim`; equal maxima share the gradient evenly."""

    def forward(self, input: Array, dim: Dims = None, keepdim: bool = False) -> Array:
        """Values."""
        self.axes = all_dims(dim, input.ndim)
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
        return min_reduce(input, self.axes, keepdims=keepdim)

    def backward(self, g: Any, input: Any, axes: Any, out: Any) -> Any:
        """To the elements that attain it."""
        return Amax.backward(self, g, input, axes, out)


def _shares(input: Any, out: Any, axes: tuple[int, ...], dtype: Any) -> Any:
    hit = op.to(input == restored(out, input.shape, axes), dtype)
    return hit / op.sum(hit, axes, True)


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
    def forward(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
        """Composed of amax, maximum, or argmax and gather."""
        return _extremum(input, dim, keepdim, op.amax, op.maximum, op.argmax)


class Min(_Extremum, name="min"):
    """Minimum of all elements; with `dim` values and indices; with a tensor `minimum`."""

    @staticmethod
    def forward(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
        """Composed of amin, minimum, or argmin and gather."""
        return _extremum(input, dim, keepdim, op.amin, op.minimum, op.argmin)


def _extremum(input: Any, dim: Any, keepdim: bool, every: Any, pair: Any, arg: Any) -> Any:
    if dim is None:
        return every(input)
    if hasattr(dim, "shape"):
        return pair(input, dim)
    indices = arg(input, dim, True)
    values = op.gather(input, dim, indices) if input.ndim else input
    if not keepdim:
        values, indices = op.squeeze(values, dim), op.squeeze(indices, dim)
    return Extremum(values, indices)


class Argmax(_Reduction, name="argmax"):
    """Index of the first maximum along `dim`, or in the flattened input."""

    differentiable, one_dim_only = False, True

    def forward(self, input: Array, dim: int | None = None, keepdim: bool = False) -> Array:
        """Values, int64."""
        if dim is not None:
            dim = one_dim(dim, input.ndim) if input.ndim else None
        return np.asarray(np.argmax(input, dim, keepdims=keepdim))


class Argmin(_Reduction, name="argmin"):
    """Index of the first minimum along `dim`, or in the flattened input."""

    differentiable, one_dim_only = False, True

    def forward(self, input: Array, dim: int | None = None, keepdim: bool = False) -> Array:
        """Values, int64."""
        if dim is not None:
            dim = one_dim(dim, input.ndim) if input.ndim else None
        return np.asarray(np.argmin(input, dim, keepdims=keepdim))


class All(_Reduction, name="all"):
    """Whether all elements over `dim` are non-zero."""

    differentiable = False

    def forward(self, input: Array, dim: Dims = None, keepdim: bool = False) -> Array:
        """Values, bool."""
        return np.asarray(np.all(input, all_dims(dim, input.ndim), keepdims=keepdim))


class Any_(_Reduction, name="any"):
    """Whether any element over `dim` is non-zero."""

    differentiable = False

    def forward(self, input: Array, dim: Dims = None, keepdim: bool = False) -> Array:
        """Values, bool."""
        return np.asarray(np.any(input, all_dims(dim, input.ndim), keepdims=keepdim))


class Cumsum(_Reduction, name="cumsum"):
    """Running sum along `dim`.  Adjoint: the running sum from the other end."""

    linear = True

    def forward(self, input: Array, dim: int) -> Array:
        """Values."""
        if not input.ndim:
            one_dim(dim, 0)
            return input.copy()
        axis = one_dim(dim, input.ndim)
        wide = np.float32 if input.dtype == np.float16 else None
        return np.add.accumulate(input, axis, wide).astype(_summed(input.dtype), copy=False)

    def backward(self, g: Any, dim: Any) -> Any:
        """Sum from the other end."""
        return op.flip(op.cumsum(op.flip(g, dim), dim), dim) if g.ndim else op.clone(g)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Every dimension."""
        for dim in (0, 1, -1):
            yield Sample((array((2, 3, 4)), dim))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A dimension out of range."""
        yield Bad((array((2, 3)), 2), {}, DimError, "but got 2")


def _summed(dtype: Any) -> Any:
    return np.dtype(np.int64) if dtype.kind in "bui" else dtype


class Norm(
    Composite, name="norm", spaces=("", "Tensor", "linalg"), aliases=("linalg.vector_norm",)
):
    """Vector norm (Σ|x|^p)^(1/p) over `dim`; p is a number, ±inf, or "fro" (2).

    The gradient of the 2-norm at 0 is 0.
    """

    @staticmethod
    def forward(input: Any, p: Any = 2, dim: Dims = None, keepdim: bool = False) -> Any:
        """Composed; p = 2 has an op of its own."""
        if p == "fro" or p == 2:
            return op.euclidean_norm(input, dim, keepdim)
        if not isinstance(p, (int, float)):
            raise ArgumentError(f"norm: p is a number or 'fro', not {p!r}")
        size = op.abs(input)
        if math.isinf(p):
            return (op.amax if p > 0 else op.amin)(size, dim, keepdim)
        if p == 0:
            return op.sum(op.to(input != 0, input.dtype), dim, keepdim)
        if p == 1:
            return op.sum(size, dim, keepdim)
        return op.pow(op.sum(op.pow(size, p), dim, keepdim), 1 / p)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Every kind of p."""
        x = array((3, 4))
        for p in (2, 1, 3, 0.5, math.inf, -math.inf, "fro"):
            yield Sample((x, p, 1))
        yield Sample((x,))
        yield Sample((x, 2, (0, 1), True))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """An unknown norm."""
        yield Bad((array((3,)), "nuc"), {}, ArgumentError, "'nuc'")


class EuclideanNorm(_Reduction, name="euclidean_norm", spaces=()):
    """√Σx² over `dim`; ∂out/∂x = x/out, 0 where out = 0."""

    def forward(self, input: Array, dim: Dims = None, keepdim: bool = False) -> Array:
        """Values."""
        self.axes = all_dims(dim, input.ndim)
        wide = input.astype(np.float32) if input.dtype == np.float16 else input
        squares = add_reduce(np.square(wide), self.axes, keepdims=keepdim)
        return np.asarray(np.sqrt(squares)).astype(input.dtype, copy=False)

    def backward(self, g: Any, input: Any, axes: Any, out: Any) -> Any:
        """Along the input."""
        return input * restored(op.masked(g / out, out != 0), input.shape, axes)

    def jvp(self, t: Any, input: Any, axes: Any, out: Any) -> Any:
        """Component along the input."""
        return op.masked(op.reshape(op.sum(input * t, axes), out.shape) / out, out != 0)
