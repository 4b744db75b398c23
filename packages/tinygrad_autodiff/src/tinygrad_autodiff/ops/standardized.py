"""The passes that normalisation is made of: standardized values, and root mean squares.

Moments of float16 are float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array
from ..op import Sample, op
from ..samples import array
from .dims import add_reduce
from .fused import Fused


def _wide(value: Array) -> Array:
    return value.astype(np.float32) if value.dtype == np.float16 else value


def _mean(value: Array, axes: tuple[int, ...], count: int) -> Array:
    total = add_reduce(value, axes, keepdims=True)
    return np.asarray(total / count if count else total * math.nan)


def _mean_of_product(a: Array, b: Array, axes: tuple[int, ...], count: int) -> Array:
    """Mean of ``a·b``; over trailing dimensions without the product in memory."""
    lead = a.ndim - len(axes)
    if axes != tuple(range(lead, a.ndim)) or not (a.flags.c_contiguous and b.flags.c_contiguous):
        return _mean(a * b, axes, count)
    kept = a.shape[:lead]
    total = np.vecdot(a.reshape(*kept, count), b.reshape(*kept, count))
    mean = np.asarray(total / count if count else total * math.nan)
    return mean.reshape(*kept, *(1,) * len(axes))


def _summed(value: Array, like: Array | None) -> Array | None:
    """`value` summed to the shape of a weight or bias, which was broadcast."""
    return None if like is None else np.asarray(op.sum_to_size(value, like.shape), like.dtype)


def _affine(value: Array, weight: Array | None, bias: Array | None, dtype: Any) -> Array:
    if weight is not None:
        value *= weight
    if bias is not None:
        value += bias
    return value.astype(dtype, copy=False)


class Standardized(Fused, name="standardized", spaces=()):
    """``(input - mean)/√(variance + eps) · weight + bias``, moments over `axes`, all kept.

    With x̂ the standardized values, w the weight and r = 1/√(variance + eps):
    ∂L/∂input = r·(gw - mean(gw) - x̂·mean(gw·x̂)), ∂L/∂weight = Σ g·x̂, ∂L/∂bias = Σ g.
    Only mean and r are kept, x̂ is computed again.  Ba et al. 2016, Ioffe & Szegedy 2015.
    """

    quiet = True
    kept = ("mean", "rate")

    def forward(
        self,
        input: Array,
        weight: Array | None = None,
        bias: Array | None = None,
        axes: tuple[int, ...] = (-1,),
        eps: float = 1e-5,
        noted: Any = None,
    ) -> Array:
        """Values; mean and variance are appended to `noted`."""
        count = math.prod(input.shape[i] for i in axes)
        wide = _wide(input)
        self.mean = _mean(wide, axes, count)
        centred = np.subtract(wide, self.mean, order="C")
        variance = _mean_of_product(centred, centred, axes, count)
        self.rate = 1 / np.sqrt(variance + eps)
        if noted is not None:
            noted += [self.mean, variance]
        centred *= self.rate
        return _affine(centred, weight, bias, input.dtype)

    def backward(
        self, g: Any, input: Any, weight: Any, bias: Any, axes: Any, mean: Any, rate: Any
    ) -> Any:
        """See the class."""
        count = math.prod(input.shape[i] for i in axes)
        g = np.ascontiguousarray(_wide(g))
        hat = np.subtract(_wide(input), mean, order="C")
        hat *= rate
        grads: list[Any] = [None, None, None]
        if self.needs[1]:
            grads[1] = _summed(g * hat, weight)
        if self.needs[2]:
            grads[2] = _summed(g if g.shape != bias.shape else g.copy(), bias)
        if self.needs[0]:
            grad = g * weight if weight is not None else g.copy()
            along = _mean_of_product(grad, hat, axes, count)
            grad -= _mean(grad, axes, count)
            hat *= along
            grad -= hat
            grad *= rate
            grads[0] = grad.astype(input.dtype, copy=False)
        return tuple(grads)

    @staticmethod
    def composed(
        input: Any, weight: Any, bias: Any, axes: tuple[int, ...], eps: float, noted: Any
    ) -> Any:
        """Of moments and products."""
        centred = input - op.mean(input, axes, True)
        out = centred * op.rsqrt(op.mean(centred * centred, axes, True) + eps)
        out = out if weight is None else out * weight
        return out if bias is None else out + bias

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Over the last dimensions, and over all but one."""
        x = array((2, 3, 4))
        yield Sample((x, array((4,), seed=1), array((4,), seed=2), (2,)))
        yield Sample((x, array((3, 1), seed=1), array((3, 1), seed=2), (0, 2), 0.5))
        yield Sample((x, None, None, (1, 2)))
        yield Sample((x[0, 0], array((4,), seed=1), array((4,), seed=2), (0,)))


class RootMeanSquared(Fused, name="root_mean_squared", spaces=()):
    """``input/√(mean(input²) + eps) · weight`` over trailing `axes`.  Zhang & Sennrich 2019.

    With r = 1/√(mean(input²) + eps): ∂L/∂input = r·(gw - x̂·mean(gw·x̂)), ∂L/∂weight = Σ g·x̂.
    """

    quiet = True
    kept = ("rate",)

    def forward(
        self,
        input: Array,
        weight: Array | None = None,
        axes: tuple[int, ...] = (-1,),
        eps: float = 1e-6,
    ) -> Array:
        """Values."""
        count = math.prod(input.shape[i] for i in axes)
        wide = np.ascontiguousarray(_wide(input))
        self.rate = 1 / np.sqrt(_mean_of_product(wide, wide, axes, count) + eps)
        return _affine(wide * self.rate, weight, None, input.dtype)

    def backward(self, g: Any, input: Any, weight: Any, axes: Any, rate: Any) -> Any:
        """See the class."""
        count = math.prod(input.shape[i] for i in axes)
        g = np.ascontiguousarray(_wide(g))
        hat = np.multiply(_wide(input), rate, order="C")
        for_weight = _summed(g * hat, weight) if self.needs[1] else None
        grad = g * weight if weight is not None else g.copy()
        hat *= _mean_of_product(grad, hat, axes, count)
        grad -= hat
        grad *= rate
        return grad.astype(input.dtype, copy=False), for_weight

    @staticmethod
    def composed(input: Any, weight: Any, axes: tuple[int, ...], eps: float) -> Any:
        """Of a mean and products."""
        out = input * op.rsqrt(op.mean(input * input, axes, True) + eps)
        return out if weight is None else out * weight

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """With and without weight."""
        x = array((2, 3, 4))
        yield Sample((x, array((4,), seed=1), (2,)))
        yield Sample((x, None, (1, 2), 0.5))
