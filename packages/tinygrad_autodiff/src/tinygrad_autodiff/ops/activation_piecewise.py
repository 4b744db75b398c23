"""Piecewise linear activations: relu and what is made of straight pieces.

At a kink the derivative is torch's, that of one of the sides; NaN passes as torch lets it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import ArgumentError, ArgumentTypeError, RangeError, ShapeError
from ..op import Array, Bad, Elementwise, Sample, compose, op
from ..random import default_generator
from ..samples import array
from ..tensor import array_of

_NEURAL = ("nn.functional",)


class Relu(Elementwise, name="relu", spaces=("", "Tensor", "nn.functional")):
    """``max(input, 0)``; the derivative at 0 is 0."""

    partials = (lambda t, out: op.masked(t, op.logical_not(out <= 0)),)

    @staticmethod
    def forward(input: Array) -> Array:
        """Values."""
        return np.maximum(input, 0)


class LeakyRelu(Elementwise, name="leaky_relu", spaces=_NEURAL):
    """``input`` above 0, else ``negative_slope·input``.  Maas et al. 2013."""

    partials = (lambda t, input, negative_slope: op.where(input > 0, t, t * negative_slope),)

    @staticmethod
    def forward(input: Array, negative_slope: float = 0.01) -> Array:
        """Values."""
        return np.where(input > 0, input, input * negative_slope)


class Hardtanh(Elementwise, name="hardtanh", spaces=_NEURAL):
    """``input`` limited to [min_val, max_val]; the derivative at either bound is 0."""

    partials = (
        lambda t, input, min_val, max_val: op.masked(
            t, op.logical_not(op.logical_or(input <= min_val, input >= max_val))
        ),
    )

    @staticmethod
    def forward(input: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
        """Values."""
        if min_val > max_val:
            raise ArgumentError(f"hardtanh: min_val {min_val} is above max_val {max_val}")
        kind = np.asarray(input).dtype.type
        return np.clip(input, kind(min_val), kind(max_val))


class Hardsigmoid(Elementwise, name="hardsigmoid", spaces=_NEURAL):
    """``min(max(input + 3, 0), 6)/6``."""

    domain = (-4.0, 4.0)
    partials = (lambda t, input: op.masked(t / 6, op.logical_and(input > -3, input < 3)),)

    @staticmethod
    def forward(input: Array) -> Array:
        """Values."""
        out: Array = np.clip(input + 3, 0, 6) / 6
        return out


class Hardswish(Elementwise, name="hardswish", spaces=_NEURAL):
    """``input · hardsigmoid(input)``.  Howard et al. 2019."""

    domain = (-4.0, 4.0)
    partials = (
        lambda t, input: (
            op.masked(t * (input / 3 + 0.5), op.logical_and(input > -3, input < 3))
            + op.masked(t, input >= 3)
        ),
    )

    @staticmethod
    def forward(input: Array) -> Array:
        """Values."""
        out: Array = input * np.clip(input + 3, 0, 6) / 6
        return out


class Threshold(Elementwise, name="threshold", spaces=("", "nn.functional")):
    """``input`` above `threshold`, else `value`."""

    partials = (lambda t, input, threshold: op.masked(t, op.logical_not(input <= threshold)),)

    @staticmethod
    def forward(input: Array, threshold: float, value: float) -> Array:
        """Values."""
        return np.where(input <= threshold, np.asarray(input).dtype.type(value), input)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """With a value that is not the threshold."""
        yield Sample((array((3, 4)), 0.3, 5.0))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Something that is no number."""
        yield Bad((None, 0.1, 1.0), {}, ArgumentTypeError, "for 'input', got None")


class Hardshrink(Elementwise, name="hardshrink", spaces=("", "Tensor", "nn.functional")):
    """``input`` outside [-lambd, lambd], else 0."""

    partials = (
        lambda t, input, lambd: op.masked(
            t, op.logical_not(op.logical_and(input >= -lambd, input <= lambd))
        ),
    )

    @staticmethod
    def forward(input: Array, lambd: float = 0.5) -> Array:
        """Values."""
        return np.where(
            (input >= -lambd) & (input <= lambd), np.asarray(input).dtype.type(0), input
        )


class Softshrink(Elementwise, name="softshrink", spaces=_NEURAL):
    """``input`` moved towards 0 by `lambd`, at most to 0."""

    quiet = True
    partials = Hardshrink.partials

    @staticmethod
    def forward(input: Array, lambd: float = 0.5) -> Array:
        """Values; 0 times the input where it is 0, so that NaN stays."""
        if lambd < 0:
            raise RangeError(f"softshrink: lambda must be greater or equal to 0, but is {lambd}")
        out: Array = input - np.clip(input, -lambd, lambd)
        return out

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A negative distance."""
        yield from super().error_inputs()
        yield Bad((array((3,)), -0.5), {}, RangeError, "-0.5")


@compose(Sample((array((3, 4), -4.0, 9.0),)), spaces=_NEURAL)
def relu6(input: Any) -> Any:
    """``min(max(input, 0), 6)``; the derivative at either bound is 0."""
    return op.hardtanh(input, 0.0, 6.0)


@compose(
    Sample((array((2, 3, 2)), array((3,), 0.1, 0.5, 1))),
    Sample((array((3,)), array((1,), 0.1, 0.5, 1))),
    spaces=("", "Tensor", "nn.functional"),
    errors=(Bad((array((2, 3)), array((4,))), {}, ShapeError, "4 weights .* 3 channels"),),
)
def prelu(input: Any, weight: Any) -> Any:
    """``input`` above 0, else ``weight·input``: one weight, or one for each channel (dimension 1).

    He et al. 2015.
    """
    count = int(np.prod(weight.shape))
    if weight.ndim > 1 or (count != 1 and not input.ndim):
        raise ShapeError(f"prelu: expected one weight or one a channel, got {tuple(weight.shape)}")
    channels = input.shape[1] if input.ndim > 1 else 1
    if count not in (1, channels):
        raise ShapeError(f"prelu: {count} weights do not fit {channels} channels")
    if input.ndim > 1:
        weight = op.reshape(weight, (count,) + (1,) * (input.ndim - 2))
    elif not input.ndim:
        weight = op.reshape(weight, ())
    return op.where(input > 0, input, weight * input)


@compose(
    Sample((array((3, 4)),)),
    spaces=("", "nn.functional"),
    errors=(Bad((array((3,)), 0.5, 0.2), {}, RangeError, "lower 0.5 .* upper 0.2"),),
)
def rrelu(
    input: Any, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Any:
    """A leaky relu whose slope is drawn for each element in training, else the middle of the range.

    Xu et al. 2015. Drawn from torch's stream, for the elements that are not above 0 alone.
    """
    if lower > upper:
        raise RangeError(f"rrelu: lower {lower} should not be above upper {upper}")
    if not training:
        return op.leaky_relu(input, (lower + upper) / 2)
    values = array_of(input)
    slopes = np.ones(values.shape, values.dtype)
    below = values <= 0
    draws = default_generator.uniform(int(below.sum()), np.dtype(np.float64))
    slopes[below] = draws * (upper - lower) + lower
    return input * slopes
