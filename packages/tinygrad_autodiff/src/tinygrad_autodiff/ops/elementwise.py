"""Arithmetic and the elementary functions, one element at a time.

Each class gives the partial derivative as a map ``lambda t, …`` that multiplies by it; the same
map serves the backward pass and forward mode (see `Elementwise`).
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..op import Array, Elementwise, Op, Sample, op
from ..samples import array
from .special import erf_values

_POSITIVE = (0.2, 3.0)
_BITS = {2: np.int16, 4: np.int32, 8: np.int64}  # integers of the size of each floating dtype


class _Float(Elementwise):
    """An elementwise op that turns integers into the default floating dtype."""

    promote = "float"


class _Scaled(Elementwise):
    """A sum whose second term may be scaled by ``alpha``."""

    scales = True

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Also with a factor."""
        yield from super().samples()
        yield Sample((array((3,)), array((2, 3), seed=1)), {"alpha": 0.5})


# ---- arithmetic ----------------------------------------------------------------------------------


class Add(_Scaled, name="add", operator="add"):
    """Sum, ``input + alpha * other``.

    ∂out/∂input = 1, ∂out/∂other = alpha.
    """

    forward = np.add
    partials = (lambda t: t, lambda t: t)


class Sub(_Scaled, name="sub", aliases=("subtract",), operator="sub"):
    """Difference, ``input - alpha * other``.

    ∂out/∂input = 1, ∂out/∂other = -alpha.
    """

    forward = np.subtract
    partials = (lambda t: t, lambda t: -t)


class Mul(Elementwise, name="mul", aliases=("multiply",), operator="mul"):
    """Product, ``input * other``.

    ∂out/∂input = other, ∂out/∂other = input.
    """

    forward = np.multiply
    partials = (lambda t, other: t * other, lambda t, input: t * input)


class Div(_Float, name="div", aliases=("divide", "true_divide"), operator="truediv"):
    """Quotient, ``input / other``; of integers a floating quotient.

    ∂out/∂input = 1/other, ∂out/∂other = -input/other². ``rounding_mode="trunc"`` or ``"floor"``
    rounds it, and the derivative is 0.
    """

    variants = {"rounding_mode": "rounded_quotient"}  # noqa: RUF012 - never written

    forward = np.true_divide
    quiet = True
    partials = (lambda t, other: t / other, lambda t, other, out: -t * out / other)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Where it is defined."""
        for sample in super().samples():
            x, y = sample.args
            yield Sample((x, np.abs(y) + 0.5 if isinstance(y, np.ndarray) else y))


class Pow(Elementwise, name="pow", operator="pow"):
    """Power, ``input ** exponent``, complex ones too.

    ∂out/∂input = exponent·input^(exponent-1), 0 where exponent = 0;
    ∂out/∂exponent = out·ln(input), 0 where input = 0 and exponent > 0.
    """

    quiet, numbers = True, "one"
    domain = _POSITIVE
    forward = np.power
    partials = (
        lambda t, input, other: t * _base_slope(input, other),
        lambda t, input, other, out: t * _exponent_slope(input, other, out),
    )

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Where it is defined."""
        yield from super().samples()
        for exponent in (2, 3, -1, 0, 0.5, -0.5, 2.5):
            yield Sample((array((4,), *_POSITIVE), exponent))
        for exponent in (2, 3, 0, -2):
            yield Sample((array((5,)), exponent))


def _base_slope(base: Any, exponent: Any) -> Any:
    if not hasattr(exponent, "shape"):
        if exponent == 2:
            return 2 * base
        return exponent * op.pow(base, exponent - 1) if exponent else op.zeros_like(base)
    return op.where(exponent == 0, 0.0, exponent * op.pow(base, exponent - 1))


def _exponent_slope(base: Any, exponent: Any, out: Any) -> Any:
    if isinstance(base, complex) or (out.dtype.kind == "c" and not hasattr(base, "shape")):
        return out * (cmath.log(base) if base else 0.0)
    if not hasattr(base, "shape"):  # a Python number must not bring in float64
        return out * math.log(base) if base > 0 else out * (math.nan if base < 0 else 0.0)
    return op.where(op.logical_and(base == 0, op.real(exponent) >= 0), 0.0, out * op.log(base))


class Neg(Elementwise, name="neg", aliases=("negative",), operator="neg"):
    """Negative, ``-input``; ∂out/∂input = -1."""

    forward = np.negative
    partials = (lambda t: -t,)


class Abs(Elementwise, name="abs", aliases=("absolute",), operator="abs"):
    """Absolute value; the derivative is sign(input), 0 at 0.

    Of a complex number a real one: L(t) = Re(conj(s)·t) with s = input/|input|, adjoint s·g.
    """

    forward = np.absolute
    partials = (lambda t, input: _along(t, op.sgn(input)),)
    adjoints = (lambda t, input: t * op.sgn(input),)


def _along(t: Any, direction: Any) -> Any:
    return t * direction if direction.dtype.kind != "c" else op.real(t * op.conj(direction))


class Square(Elementwise, name="square"):
    """Square, ``input²``; ∂out/∂input = 2·input."""

    forward = np.square
    partials = (lambda t, input: t * (2 * input),)


# ---- roots, exponentials and logarithms ----------------------------------------------------------


class Sqrt(_Float, name="sqrt"):
    """Square root; ∂out/∂input = 1/(2·out)."""

    quiet, domain = True, _POSITIVE
    forward = np.sqrt
    partials = (lambda t, out: t / (2 * out),)


class Rsqrt(_Float, name="rsqrt"):
    """Reciprocal square root, ``input^(-1/2)``; ∂out/∂input = -out³/2."""

    quiet, domain = True, _POSITIVE
    partials = (lambda t, out: t * (out * out * out * -0.5),)

    @staticmethod
    def forward(input: Array) -> Array:
        """Values."""
        return np.reciprocal(np.sqrt(input))


class Reciprocal(_Float, name="reciprocal"):
    """Reciprocal, ``1/input``; ∂out/∂input = -out²."""

    quiet, domain = True, _POSITIVE
    forward = np.reciprocal
    partials = (lambda t, out: -t * (out * out),)


class Exp(_Float, name="exp"):
    """Exponential; ∂out/∂input = out."""

    quiet = True
    forward = np.exp
    partials = (lambda t, out: t * out,)


class Expm1(_Float, name="expm1", spaces=("", "Tensor", "special")):
    """``exp(input) - 1``, exact near 0; ∂out/∂input = out + 1."""

    quiet = True
    forward = np.expm1
    partials = (lambda t, out: t * (out + 1),)


class Log(_Float, name="log"):
    """Natural logarithm; ∂out/∂input = 1/input."""

    quiet, domain = True, _POSITIVE
    forward = np.log
    partials = (lambda t, input: t / input,)


class Log1p(_Float, name="log1p", spaces=("", "Tensor", "special")):
    """``log(1 + input)``, exact near 0; ∂out/∂input = 1/(1 + input)."""

    quiet, domain = True, (-0.8, 2.0)
    forward = np.log1p
    partials = (lambda t, input: t / (input + 1),)


# ---- trigonometry, and the functions made of the Gaussian ---------------------------------------


class Sin(_Float, name="sin"):
    """Sine; ∂out/∂input = cos(input)."""

    forward = np.sin
    quiet = True
    partials = (lambda t, input: t * op.cos(input),)


class Cos(_Float, name="cos"):
    """Cosine; ∂out/∂input = -sin(input)."""

    forward = np.cos
    quiet = True
    partials = (lambda t, input: -t * op.sin(input),)


class Tanh(_Float, name="tanh", spaces=("", "Tensor", "nn.functional")):
    """Hyperbolic tangent; ∂out/∂input = 1 - out²."""

    forward = np.tanh
    partials = (lambda t, out: t * (1 - out * out),)


class Erf(_Float, name="erf", spaces=("", "Tensor", "special")):
    """Error function, 2/√π · ∫₀ˣ exp(-s²) ds; ∂out/∂input = 2/√π · exp(-input²)."""

    partials = (lambda t, input: t * (op.exp(-(input * input)) * (2 / math.sqrt(math.pi))),)

    @staticmethod
    def forward(input: Array) -> Array:
        """Values; see `special.erf_values` for how they are computed."""
        return erf_values(input)


# ---- choices -------------------------------------------------------------------------------------


class Maximum(Elementwise, name="maximum"):
    """The larger of two; where they are equal each gets half of the gradient. NaN wins."""

    numbers = "none"
    ordered = True
    forward = np.maximum
    partials = (
        lambda t, input, other: _share(t, input > other, input == other),
        lambda t, input, other: _share(t, input < other, input == other),
    )


class Minimum(Elementwise, name="minimum"):
    """The smaller of two; where they are equal each gets half of the gradient. NaN wins."""

    numbers = "none"
    ordered = True
    forward = np.minimum
    partials = (
        lambda t, input, other: _share(t, input < other, input == other),
        lambda t, input, other: _share(t, input > other, input == other),
    )


def _share(t: Any, wins: Any, ties: Any) -> Any:
    return op.masked(t, wins) + op.masked(t / 2, ties)


class Where(Elementwise, name="where", spaces=("",)):
    """`input` where `condition` holds, else `other`; the side not taken passes no NaN.

    Of a condition alone the indices where it holds, one vector per dimension.
    """

    promoted, alone = slice(1, 3), "where_true"
    partials = (
        None,
        lambda t, condition: op.masked(t, condition),
        lambda t, condition: op.masked(t, op.logical_not(condition)),
    )

    @staticmethod
    def forward(condition: Array, input: Array, other: Array) -> Array:
        """Values."""
        return np.where(condition, input, other)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Conditions of the full shape and broadcast ones; numbers on either side."""
        x, y = array((3, 4)), array((3, 4), seed=1)
        yield Sample((x > 0, x, y))
        yield Sample((x[:, :1] > 0, x[0], y))
        yield Sample((np.bool_(True), x, y[:, :1]))
        yield Sample((x > 0, x, 0.0))
        yield Sample((x > 0, 1.0, y))


class Masked(Elementwise, name="masked", spaces=()):
    """`input` where `mask` holds, else 0: the adjoint of selecting. NaN and Inf do not leak.

    Selected by a bitwise "and", which is some twenty times faster than a copy under a mask.
    """

    promote = None
    partials = (lambda t, mask: op.masked(t, mask),)

    @staticmethod
    def forward(input: Array, mask: Array) -> Array:
        """Values."""
        if input.dtype.itemsize not in _BITS:
            return np.where(mask, input, np.zeros((), input.dtype))
        bits = _BITS[input.dtype.itemsize]
        kept = np.negative(np.asarray(mask, np.bool_).astype(bits))  # all bits set, or none
        out = np.empty(np.broadcast_shapes(input.shape, kept.shape), input.dtype)
        np.bitwise_and(np.asarray(input).view(bits), kept, out=out.view(bits))
        return out

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """A mask of the same shape, and a broadcast one."""
        x = array((3, 4))
        yield Sample((x, x > 0))
        yield Sample((x, x[0] > 0))

    error_inputs = Op.error_inputs
