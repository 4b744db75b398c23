"""Rounding, remainders, signs and neighbours: operations on the digits of a number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import DtypeError, RangeError, ShapeError
from ..op import Array, Bad, Elementwise, Sample, compose, op
from ..samples import array

_APART = (array((3, 4), -5, 5), array((3, 4), 0.6, 2.4, seed=1))


class _Step(Elementwise):
    """Constant between its jumps: the derivative is zero, and zero at the jumps too."""

    partials = (lambda t: op.zeros_like(t),)


class Trunc(_Step, name="trunc", aliases=("fix",)):
    """``sign(input)·⌊|input|⌋``, the whole part; slope 0."""

    @staticmethod
    def forward(input: Array) -> Array:
        """Values; integers are whole."""
        return np.trunc(input) if input.dtype.kind == "f" else input.copy()


class Frac(Elementwise, name="frac"):
    """What is behind the decimal point, with the sign of the input; ∂out/∂input = 1."""

    partials = (lambda t: t,)
    quiet = True

    @staticmethod
    def forward(input: Array) -> Array:
        """Values."""
        return input - np.trunc(input)


class _Quotient(Elementwise):
    """A rounded quotient: its derivative is zero."""

    quiet = True
    partials = (lambda t, input: op.zeros_like(t), lambda t, other: op.zeros_like(t))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Divisors away from 0, quotients away from whole numbers."""
        x, y = _APART
        yield Sample((x, y))
        yield Sample((x, y[0]))
        yield Sample((x, 1.7))
        yield Sample((x[0, 0], y))


class FloorDivide(_Quotient, name="floor_divide", operator="floordiv"):
    """``⌊input/other⌋``."""

    @staticmethod
    def forward(input: Array, other: Array) -> Array:
        """Values; ±Inf for a division by zero."""
        _refuse_zero("floor_divide", input, other)
        return np.floor_divide(input, other)


class TruncDivide(_Quotient, name="trunc_divide", spaces=()):
    """Quotient rounded towards zero."""

    @staticmethod
    def forward(input: Array, other: Array) -> Array:
        """Values."""
        _refuse_zero("div", input, other)
        if np.result_type(input, other).kind in "iu":
            down = np.floor_divide(input, other)
            down = down + ((down < 0) & (np.asarray(down * other) != input))
        else:
            down = np.trunc(np.true_divide(input, other))
        return np.asarray(down)


def _refuse_zero(name: str, input: Any, other: Any) -> None:
    if np.result_type(input, other).kind in "iu" and not np.all(other):
        raise RangeError(f"{name}: ZeroDivisionError: an integer divided by zero")


class _Remainder(Elementwise):
    """The rest of a division: input - q·other with a whole q, so ∂/∂other = -q."""

    quiet = True
    samples = _Quotient.samples


class Remainder(_Remainder, name="remainder", operator="mod"):
    """``input - floor(input/other)·other``: has the sign of `other`."""

    numbers = "one"
    partials = (
        lambda t, input: t,
        lambda t, input, other: -t * op.floor_divide(input, other),
    )

    @staticmethod
    def forward(input: Array, other: Array) -> Array:
        """Values."""
        _refuse_zero("remainder", input, other)
        return np.remainder(input, other)


class Fmod(_Remainder, name="fmod"):
    """``input - trunc(input/other)·other``: has the sign of `input`."""

    numbers = "other"
    partials = (
        lambda t, input: t,
        lambda t, input, other: -t * op.trunc_divide(input, other),
    )

    @staticmethod
    def forward(input: Array, other: Array) -> Array:
        """Values."""
        _refuse_zero("fmod", input, other)
        return np.fmod(input, other)


class Copysign(Elementwise, name="copysign"):
    """The size of `input` with the sign of `other`; ∂out/∂input = ±1, 0 at 0."""

    promote, numbers = "float", "other"
    partials = (
        lambda t, input, out: op.masked(t * op.sign(input) * op.sign(out), input != 0),
        lambda t: op.zeros_like(t),
    )
    forward = np.copysign


class Nextafter(Elementwise, name="nextafter"):
    """The next number from `input` in the direction of `other`; ∂out/∂input = 1, 0 where equal."""

    numbers = "none"
    partials = (
        lambda t, input, other: op.masked(t, input != other),
        lambda t, other: op.zeros_like(t),
    )
    forward = np.nextafter


class Heaviside(Elementwise, name="heaviside"):
    """0 where input < 0, 1 where it is > 0, and `values` where it is 0."""

    differentiable, promote = False, None

    @staticmethod
    def forward(input: Array, values: Array) -> Array:
        """Values."""
        kinds = [getattr(value, "dtype", None) for value in (input, values)]
        if kinds[0] != kinds[1]:
            raise DtypeError(f"heaviside: expected two tensors of one dtype, got {kinds}")
        return np.where(input == 0, values, input > 0).astype(input.dtype)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Zeros, too."""
        yield Sample((np.round(array((3, 4))), array((4,), seed=1)))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Shapes that do not broadcast, and two dtypes."""
        yield Bad((array((3,)), array((4,))), {}, ShapeError, r"\(3,\) and \(4,\)")
        yield Bad((array((3,)), np.arange(3)), {}, DtypeError, "of one dtype")


class Signbit(Elementwise, name="signbit"):
    """Whether the sign is negative, also of -0."""

    differentiable = False

    @staticmethod
    def forward(input: Array) -> Array:
        """Values."""
        return np.signbit(input) if input.dtype.kind == "f" else np.less(input, 0)


@compose(Sample(_APART[::-1]), Sample((_APART[1], 1.7)), spaces=("Tensor",))
def __rdiv__(input: Any, other: Any) -> Any:
    """``other / input``, computed as in torch."""
    return op.div(other, input) if isinstance(input, np.ndarray) else input.reciprocal() * other


@compose(Sample(_APART, {"rounding_mode": "trunc"}), Sample((*_APART, "floor")), spaces=())
def rounded_quotient(input: Any, other: Any, rounding_mode: str | None = None) -> Any:
    """``div(input, other, rounding_mode=…)``: rounded by "trunc" or "floor", or not (None)."""
    if rounding_mode is None:
        return op.div(input, other)
    if rounding_mode == "trunc":
        return op.trunc_divide(input, other)
    if rounding_mode == "floor":
        return op.floor_divide(input, other)
    raise RangeError(f"div: rounding_mode is None, 'trunc' or 'floor', not {rounding_mode!r}")
