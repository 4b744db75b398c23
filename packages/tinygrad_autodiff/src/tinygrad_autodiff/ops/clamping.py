"""Values limited to bounds. Where a value lies on its bound, torch 2.15 says who has the gradient.

A bound that is a number takes what it meets; one that is a tensor takes half of it, as `maximum`
and `minimum` do, unless both bounds are equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import RangeError
from ..op import Array, Bad, Elementwise, Sample, op
from ..samples import array


class Clamp(Elementwise, name="clamp", aliases=("clip",)):
    """``min(max(input, min), max)``; either bound may be None, a number or a tensor.

    The gradient goes to the input between the bounds, to a bound beyond it. On a bound the input
    gets none if that is a number, and half if it is a tensor, as in torch 2.15.
    """

    ordered = True
    partials = (
        lambda t, input, min, max: _halved(t, _within(input, min, max), (min, max)),
        lambda t, input, min, max: _halved(t, _below(input, min, max), (min,)),
        lambda t, input, min, max: _halved(t, _above(input, min, max), (max,)),
    )

    @staticmethod
    def forward(input: Array, min: Array | None = None, max: Array | None = None) -> Array:
        """Values."""
        if min is None and max is None:
            raise RangeError("clamp: at least one of min and max must be given")
        if min is not None:
            input = np.maximum(input, min)
        return input if max is None else np.minimum(input, max)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Numbers, tensors and None as bounds."""
        x = array((3, 4))
        yield Sample((x, -1.0, 1.0))
        yield Sample((x,), {"min": 0.3})
        yield Sample((x,), {"max": 0.3})
        yield Sample((x, array((4,), -1.5, -0.5, 1), array((3, 1), 0.5, 1.5, 2)))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """No bound at all."""
        yield Bad((array((3,)),), {}, RangeError, "at least one of min and max")


class ClampMax(Elementwise, name="clamp_max"):
    """The smaller of `input` and `max`; the gradient as `clamp` has it."""

    ordered, numbers = True, "other"
    forward = np.minimum
    partials = (
        lambda t, input, other: _halved(t, (input < other, input <= other), (other,)),
        lambda t, input, other: _halved(t, (input > other, input >= other), (other,)),
    )


class ClampMin(Elementwise, name="clamp_min"):
    """The larger of `input` and `min`; the gradient as `clamp` has it."""

    ordered, numbers = True, "other"
    forward = np.maximum
    partials = (
        lambda t, input, other: _halved(t, (input > other, input >= other), (other,)),
        lambda t, input, other: _halved(t, (input < other, input <= other), (other,)),
    )


def _halved(t: Any, places: tuple[Any, Any], bounds: tuple[Any, ...]) -> Any:
    """`t` at the first of two masks, which leaves ties out, or half at each beside tensors."""
    without, including = places
    if all(bound is None or isinstance(bound, (int, float)) for bound in bounds):
        return op.masked(t, without)
    return (op.masked(t, without) + op.masked(t, including)) * 0.5


def _within(x: Any, low: Any, high: Any) -> tuple[Any, Any]:
    if low is None:
        return x < high, x <= high
    if high is None:
        return x > low, x >= low
    inside = op.logical_and(x > low, x < high)
    if isinstance(low, (int, float)) and isinstance(high, (int, float)):
        return inside, inside
    including = op.logical_and(x >= low, x <= high)
    return op.logical_or(inside, op.logical_and(including, low == high)), including


def _below(x: Any, low: Any, high: Any) -> tuple[Any, Any]:
    if high is None:
        return x < low, x <= low
    beyond = op.logical_and(x < low, low <= high)
    return beyond, op.logical_or(beyond, op.logical_and(x == low, low < high))


def _above(x: Any, low: Any, high: Any) -> tuple[Any, Any]:
    if low is None:
        return x > high, x >= high
    beyond = op.logical_or(x > high, high < low)
    return beyond, op.logical_or(beyond, op.logical_and(x == high, low < high))
