"""Arithmetic of two and three operands beside that in elementwise.py, and choices between two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import float64
from ..errors import DtypeError, RangeError, UnsupportedDtypeError
from ..op import Array, Bad, Elementwise, Sample, compose, op
from ..samples import array

_X, _Y = array((3, 4)), array((4,), 0.3, 2, seed=1)
_POSITIVE = (0.2, 3.0)


class _Float(Elementwise):
    promote, quiet = "float", True


class Atan2(_Float, name="atan2", aliases=("arctan2",)):
    """Angle of the point (other, input), in (-π, π].

    ∂out/∂input = other/(input² + other²), ∂out/∂other = -input/(input² + other²), 0 at (0, 0).
    """

    numbers = "none"
    forward = np.arctan2
    partials = (
        lambda t, input, other: t * _turned(other, input, other),
        lambda t, input, other: -t * _turned(input, input, other),
    )


def _turned(part: Any, y: Any, x: Any) -> Any:
    square = y * y + x * x
    return op.where(square == 0, 0.0, part / square)


class Hypot(_Float, name="hypot"):
    """``(input² + other²)^(1/2)`` without overflow; ∂out/∂x = x/out."""

    numbers = "none"
    forward = np.hypot
    partials = (
        lambda t, input, out: t * (input / out),
        lambda t, other, out: t * (other / out),
    )


class Logaddexp(_Float, name="logaddexp"):
    """``log(exp(input) + exp(other))``; ∂out/∂input = 1/(1 + exp(other - input))."""

    numbers = "none"
    forward = np.logaddexp
    partials = (
        lambda t, input, other: t / (1 + op.exp(other - input)),
        lambda t, input, other: t / (1 + op.exp(input - other)),
    )


class Logaddexp2(_Float, name="logaddexp2"):
    """``log2(2^input + 2^other)``; ∂out/∂input = 1/(1 + 2^(other - input))."""

    numbers = "none"
    forward = np.logaddexp2
    partials = (
        lambda t, input, other: t / (1 + op.exp2(other - input)),
        lambda t, input, other: t / (1 + op.exp2(input - other)),
    )


class Xlogy(_Float, name="xlogy", spaces=("", "Tensor", "special")):
    """``input·log(other)``, 0 where input = 0 (and other is no NaN).

    ∂out/∂input = log(other), 0 where input = 0 and other <= 0; ∂out/∂other = input/other.
    """

    domain, numbers = _POSITIVE, "one"
    partials = (
        lambda t, input, other: _unless(t * _log(op.log, other), input == 0, other <= 0),
        lambda t, input, other: t * input / other,
    )

    @staticmethod
    def forward(input: Array, other: Array) -> Array:
        """Values."""
        return _times(input, _log(np.log, other))


class Xlog1py(_Float, name="xlog1py", spaces=("special",)):
    """``input·log(1 + other)``, 0 where input = 0 (and other is no NaN).

    ∂out/∂input = log(1 + other), 0 where input = 0 and other <= -1;
    ∂out/∂other = input/(1 + other).
    """

    domain, numbers = (-0.8, 2.0), "one"
    partials = (
        lambda t, input, other: _unless(t * _log(op.log1p, other), input == 0, other <= -1),
        lambda t, input, other: t * input / (other + 1),
    )

    @staticmethod
    def forward(input: Array, other: Array) -> Array:
        """Values."""
        return _times(input, _log(np.log1p, other))


def _log(function: Any, value: Any) -> Any:
    """Of a Python number a Python number, which leaves the dtype to the other operand."""
    return function(value) if hasattr(value, "shape") else float(function(np.array(value)))


def _times(x: Any, log: Any) -> Array:
    return np.where(np.equal(x, 0) & ~np.isnan(log), 0.0, x * log)


def _unless(value: Any, *conditions: Any) -> Any:
    first, second = (c if hasattr(c, "shape") else np.bool_(c) for c in conditions)
    return op.where(op.logical_and(first, second), 0.0, value)


class Fmax(Elementwise, name="fmax"):
    """The larger of two; of a number and NaN the number. In a tie `input` gets the gradient."""

    numbers = "none"
    ordered = True
    forward = np.fmax
    partials = (
        lambda t, input, other: op.masked(t, _first(input >= other, other)),
        lambda t, input, other: op.masked(t, op.logical_not(_first(input >= other, other))),
    )


class Fmin(Elementwise, name="fmin"):
    """The smaller of two; of a number and NaN the number. In a tie `input` gets the gradient."""

    numbers = "none"
    ordered = True
    forward = np.fmin
    partials = (
        lambda t, input, other: op.masked(t, _first(input <= other, other)),
        lambda t, input, other: op.masked(t, op.logical_not(_first(input <= other, other))),
    )


def _first(wins: Any, other: Any) -> Any:
    return op.logical_or(wins, op.isnan(other)) if hasattr(other, "shape") else wins


class Lerp(Elementwise, name="lerp"):
    """``input + weight·(end - input)``, the weight a number or a tensor.

    ∂out/∂input = 1 - weight, ∂out/∂end = weight, ∂out/∂weight = end - input.
    """

    promote = None
    partials = (
        lambda t, weight: t * (1 - weight),
        lambda t, weight: t * weight,
        lambda t, input, end: t * (end - input),
    )

    @staticmethod
    def forward(input: Array, end: Array, weight: Array) -> Array:
        """Values, from the nearer end."""
        kinds = {v.dtype for v in (input, end, weight) if hasattr(v, "dtype")}
        if len(kinds) > 1 or not kinds or next(iter(kinds)).kind not in "fc":
            raise DtypeError(f"lerp: expected one floating dtype, got {sorted(map(str, kinds))}")
        span = end - input
        near = np.abs(np.asarray(weight)) < 0.5
        found: Array = np.where(near, input + weight * span, end - span * (1 - weight))
        return found

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Numbers and tensors as weight."""
        yield Sample((_X, _Y, 0.3))
        yield Sample((_X, _Y, array((3, 1), 0, 1, 2)))
        yield Sample((array(()), array((), seed=1), array((), 0, 1, 2)))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Two dtypes."""
        yield Bad((_X, _Y.astype(np.float32), 0.3), {}, DtypeError, "one floating dtype")


@compose(Sample((_X, array((3, 1), seed=1), _Y)), Sample((_X, _X[0], _Y), {"value": 0.5}))
def addcmul(input: Any, tensor1: Any, tensor2: Any, value: Any = 1) -> Any:
    """``input + value·tensor1·tensor2``."""
    product = tensor1 * tensor2
    return input + (product if value == 1 else product * value)


@compose(Sample((_X, array((3, 1), seed=1), _Y)), Sample((_X, _X[0], _Y), {"value": 0.5}))
def addcdiv(input: Any, tensor1: Any, tensor2: Any, value: Any = 1) -> Any:
    """``input + value·tensor1/tensor2``; of floating numbers."""
    if all(v.dtype.kind in "biu" for v in (tensor1, tensor2)):
        raise DtypeError("addcdiv: integer division is not supported; divide first, then add")
    quotient = op.div(tensor1 if value == 1 else tensor1 * value, tensor2)
    return input + quotient


@compose(Sample((_X, _Y)), Sample((_X, 2.0), {"alpha": 0.5}), numbers="other")
def rsub(input: Any, other: Any, alpha: Any = 1) -> Any:
    """``other - alpha·input``."""
    return op.sub(other, input, alpha=alpha)


@compose(Sample((_X, _Y)), numbers="none")
def ldexp(input: Any, other: Any) -> Any:
    """``input·2^other``."""
    power = op.pow(2.0, other)
    return op.mul(input, power)


@compose(Sample((_Y, _X)), Sample((_Y, 2)), Sample((2.0, _X)), numbers="one")
def float_power(input: Any, exponent: Any) -> Any:
    """``input ** exponent`` computed in float64 (complex128 for complex operands)."""
    operands = (input, exponent)
    is_complex = any(np.iscomplexobj(getattr(v, "_data", v)) for v in operands)
    wide = np.dtype(np.complex128) if is_complex else float64
    base, power = (op.to(v, wide) if hasattr(v, "shape") else v for v in operands)
    return op.pow(base, power)


class Gcd(Elementwise, name="gcd"):
    """Greatest common divisor of integers."""

    numbers = "none"
    differentiable = False
    forward: Any = np.gcd

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Integers."""
        yield Sample((np.arange(12).reshape(3, 4), np.array([4, 6, 9, 0])))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Floating numbers have no divisors."""
        yield Bad((array((3,)), array((3,))), {}, UnsupportedDtypeError, "not defined for float64")


class Lcm(Gcd, name="lcm"):
    """Least common multiple of integers."""

    forward = np.lcm


class Isclose(Elementwise, name="isclose"):
    """Whether ``|input - other| <= atol + rtol·|other|``, or both are the same infinity."""

    differentiable, promote, quiet = False, None, True

    @staticmethod
    def forward(
        input: Array,
        other: Array,
        rtol: float = 1e-5,
        atol: float = 1e-8,
        equal_nan: bool = False,
    ) -> Array:
        """Values."""
        if input.dtype != other.dtype:
            raise DtypeError(f"isclose: {input.dtype} did not match {other.dtype}")
        if rtol < 0 or atol < 0:
            raise RangeError(f"isclose: rtol and atol must be at least 0, got {rtol} and {atol}")
        return np.isclose(input, other, rtol, atol, equal_nan)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Near and far."""
        yield Sample((_X, _X + np.array([0, 1e-9, 1e-6, 1])))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Two dtypes, and a negative tolerance."""
        yield Bad((_X, _X.astype(np.float32)), {}, DtypeError, "did not match")
        yield Bad((_X, _X), {"rtol": -1.0}, RangeError, "at least 0")
