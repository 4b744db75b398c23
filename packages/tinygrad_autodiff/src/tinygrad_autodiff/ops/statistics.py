"""Moments: variance and standard deviation, with and without the mean."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array, real_dtype
from ..errors import DtypeError
from ..op import Op, Sample, compose, op
from ..samples import array
from .dims import Dims, add_reduce, all_dims, spread
from .reduction import Reduction


class Var(Reduction, name="var"):
    """Variance over `dim`: Σ|x - x̄|²/(N - correction), real for complex inputs.

    ∂out/∂x = 2·(x - x̄)/(N - correction).
    """

    quiet, holomorphic = True, False

    def forward(
        self,
        input: Array,
        dim: Dims = None,
        correction: float | None = 1,
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

    quiet, holomorphic = True, False

    def forward(
        self,
        input: Array,
        dim: Dims = None,
        correction: float | None = 1,
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
    input: Array, dim: Dims, correction: float | None, keepdim: bool, unbiased: bool | None
) -> tuple[tuple[int, ...], float, Array]:
    """The dimensions, the divisor, and the variance."""
    if input.dtype.kind not in "fc":
        raise DtypeError(f"expected a floating input, got {input.dtype}")
    if isinstance(dim, bool):  # torch's older var(input, unbiased)
        unbiased, dim = dim, None
    if unbiased is not None:
        correction = int(unbiased)
    axes = all_dims(dim, input.ndim)
    number = math.prod(input.shape[i] for i in axes)
    count = number - (1 if correction is None else correction)
    wide = input.astype(np.float32) if input.dtype == np.float16 else input
    mean = add_reduce(wide, axes, keepdims=True) / (number or math.nan)
    centred = wide - mean
    if centred.dtype.kind == "c":
        centred = np.abs(centred)
    squares = add_reduce(np.square(centred), axes, keepdims=keepdim)
    variance = np.asarray(np.divide(squares, max(count, 0)))
    return axes, count, variance.astype(real_dtype(input.dtype), copy=False)


def _variance_backward(g: Any, input: Any, axes: tuple[int, ...], count: float) -> Any:
    return _centred(input, axes) * spread(g * _twice_over(count), input.shape, axes)


def _variance_jvp(t: Any, input: Any, axes: tuple[int, ...], count: float, out: Any) -> Any:
    product = op.conj(_centred(input, axes)) * t
    product = op.real(product) if product.dtype.kind == "c" else product
    change = op.sum(product, axes, True) * _twice_over(count)
    return op.reshape(change, out.shape)


def _centred(input: Any, axes: tuple[int, ...]) -> Any:
    return input - op.mean(input, axes, True)


def _twice_over(count: float) -> float:
    return 2 / count if count > 0 else math.inf


_BOTH = (Sample((array((2, 3, 4)),)), Sample((array((3, 4)), 1), {"correction": 0}))


@compose(*_BOTH, spaces=("",))
def std_mean(
    input: Any,
    dim: Dims = None,
    correction: float | None = 1,
    keepdim: bool = False,
    unbiased: bool | None = None,
) -> Any:
    """Standard deviation and mean over `dim`."""
    return op.std(input, dim, correction, keepdim, unbiased), _mean(input, dim, keepdim)


@compose(*_BOTH, spaces=("",))
def var_mean(
    input: Any,
    dim: Dims = None,
    correction: float | None = 1,
    keepdim: bool = False,
    unbiased: bool | None = None,
) -> Any:
    """Variance and mean over `dim`."""
    return op.var(input, dim, correction, keepdim, unbiased), _mean(input, dim, keepdim)


def _mean(input: Any, dim: Dims, keepdim: bool) -> Any:
    return op.mean(input, None if isinstance(dim, bool) else dim, keepdim)
