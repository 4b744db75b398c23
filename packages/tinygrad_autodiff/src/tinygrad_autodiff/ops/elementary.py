"""Elementary functions of one operand beside those in elementwise.py.

Angles, inverse and hyperbolic functions, logarithms to other bases. Derivatives: Abramowitz &
Stegun 4.1–4.6; all but the last few are holomorphic and take complex numbers too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentTypeError, DtypeError, ShapeError
from ..op import Array, Bad, Composite, Elementwise, Op, Sample, Tensor, compose, op
from ..samples import array
from ..tensor import wrap

_INSIDE = (-0.9, 0.9)


class Float(Elementwise):
    """An elementwise op that turns integers into the default floating dtype."""

    promote, quiet = "float", True


# ---- trigonometry and its inverses ---------------------------------------------------------------


class Tan(Float, name="tan"):
    """Tangent; ∂out/∂input = 1 + out²."""

    domain = (-1.2, 1.2)
    forward = np.tan
    partials = (lambda t, out: t * (1 + out * out),)


class Asin(Float, name="asin", aliases=("arcsin",)):
    """Inverse sine; ∂out/∂input = (1 - input²)^(-1/2)."""

    domain = _INSIDE
    forward = np.arcsin
    partials = (lambda t, input: t * op.rsqrt(1 - input * input),)


class Acos(Float, name="acos", aliases=("arccos",)):
    """Inverse cosine; ∂out/∂input = -(1 - input²)^(-1/2)."""

    domain = _INSIDE
    forward = np.arccos
    partials = (lambda t, input: t * -op.rsqrt(1 - input * input),)


class Atan(Float, name="atan", aliases=("arctan",)):
    """Inverse tangent; ∂out/∂input = 1/(1 + input²)."""

    forward = np.arctan
    partials = (lambda t, input: t / (input * input + 1),)


class Sinh(Float, name="sinh"):
    """Hyperbolic sine; ∂out/∂input = cosh(input)."""

    forward = np.sinh
    partials = (lambda t, input: t * op.cosh(input),)


class Cosh(Float, name="cosh"):
    """Hyperbolic cosine; ∂out/∂input = sinh(input)."""

    forward = np.cosh
    partials = (lambda t, input: t * op.sinh(input),)


class Asinh(Float, name="asinh", aliases=("arcsinh",)):
    """Inverse hyperbolic sine; ∂out/∂input = (1 + input²)^(-1/2)."""

    forward = np.arcsinh
    partials = (lambda t, input: t * op.rsqrt(input * input + 1),)


class Acosh(Float, name="acosh", aliases=("arccosh",)):
    """Inverse hyperbolic cosine; ∂out/∂input = (input² - 1)^(-1/2)."""

    domain = (1.2, 3.0)
    forward = np.arccosh
    partials = (lambda t, input: t * _acosh_slope(input),)


def _acosh_slope(x: Any) -> Any:
    # The product of two roots has acosh's own branch cut, which a root of the product has not.
    return op.rsqrt(x - 1) * op.rsqrt(x + 1) if x.dtype.kind == "c" else op.rsqrt(x * x - 1)


class Atanh(Float, name="atanh", aliases=("arctanh",)):
    """Inverse hyperbolic tangent; ∂out/∂input = 1/(1 - input²)."""

    domain = _INSIDE
    forward = np.arctanh
    partials = (lambda t, input: t / (1 - input * input),)


class Deg2rad(Float, name="deg2rad"):
    """Degrees to radians; ∂out/∂input = π/180."""

    partials = (lambda t: t * (math.pi / 180),)

    @staticmethod
    def forward(input: Array) -> Array:
        """Values."""
        return input * (math.pi / 180)


class Rad2deg(Float, name="rad2deg"):
    """Radians to degrees; ∂out/∂input = 180/π."""

    partials = (lambda t: t * (180 / math.pi),)

    @staticmethod
    def forward(input: Array) -> Array:
        """Values."""
        return input * (180 / math.pi)


# ---- exponentials and logarithms -----------------------------------------------------------------


class Exp2(Float, name="exp2", spaces=("", "Tensor", "special")):
    """``2**input``; ∂out/∂input = out·ln 2."""

    partials = (lambda t, out: t * (out * math.log(2)),)

    @staticmethod
    def forward(input: Array) -> Array:
        """Values."""
        return np.exp(input * math.log(2)) if input.dtype.kind == "c" else np.exp2(input)


class Log2(Float, name="log2"):
    """Logarithm to base 2; ∂out/∂input = 1/(input·ln 2)."""

    domain = (0.2, 3.0)
    forward = np.log2
    partials = (lambda t, input: t / (input * math.log(2)),)


class Log10(Float, name="log10"):
    """Logarithm to base 10; ∂out/∂input = 1/(input·ln 10)."""

    domain = (0.2, 3.0)
    forward = np.log10
    partials = (lambda t, input: t / (input * math.log(10)),)


class Logit(Float, name="logit", spaces=("", "Tensor", "special")):
    """``log(p/(1 - p))`` of `input` clamped to [eps, 1 - eps]; NaN outside [0, 1] without eps.

    ∂out/∂input = 1/(p·(1 - p)), 0 where it was clamped.
    """

    domain = (0.1, 0.9)
    partials = (lambda t, input, eps: _logit_slope(t, input, eps),)

    @staticmethod
    def forward(input: Array, eps: float | None = None) -> Array:
        """Values."""
        if eps is not None:
            input = np.where(input < eps, eps, np.where(input > 1 - eps, 1 - eps, input))
        out: Array = np.log(input / (1 - input))
        return out

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Also with bounds."""
        yield from super().samples()
        yield Sample((array((3, 4), 0.1, 0.9), 0.25))


def _logit_slope(t: Any, p: Any, eps: float | None) -> Any:
    low = 0.0 if eps is None else eps
    outside = op.logical_or(p < low, p > 1 - low)
    return op.where(outside, math.nan if eps is None else 0.0, t / (p * (1 - p)))


class Sinc(Float, name="sinc", spaces=("", "Tensor", "special")):
    """``sin(π·input)/(π·input)``, 1 at 0; ∂out/∂input = (cos(π·input) - out)/input."""

    partials = (lambda t, input: t * _sinc_slope(input),)

    @staticmethod
    def forward(input: Array) -> Array:
        """Values."""
        scaled = input * math.pi
        return np.where(input == 0, input * 0 + 1, np.sin(scaled) / scaled)


def _sinc_slope(x: Any) -> Any:
    """Where π·x is small, the series -π²x/3·(1 - (πx)²/10·(1 - (πx)²/28·(1 - (πx)²/54)))."""
    y = x * math.pi
    small = op.abs(y) < 0.1
    y2 = op.masked(y * y, small)
    series = y * (1 - y2 / 10 * (1 - y2 / 28 * (1 - y2 / 54))) * (-math.pi / 3)
    safe = op.where(small, 1.0, x)
    far = (op.cos(safe * math.pi) - op.sinc(safe)) / safe
    return op.where(small, series, far)


# ---- parts of a number ---------------------------------------------------------------------------


class Positive(Composite, name="positive", operator="pos"):
    """The input itself; ∂out/∂input = 1."""

    @staticmethod
    def forward(input: Any) -> Any:
        """As it comes."""
        if not hasattr(input, "dtype"):
            raise ArgumentTypeError(f"positive: expected a tensor, got {type(input).__name__}")
        if input.dtype.kind == "b":
            raise DtypeError("positive: not defined for bool")
        return input

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Any tensor."""
        yield Sample((array((2, 3)),))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """No tensor, and truth values."""
        yield Bad(("text",), {}, ArgumentTypeError, "expected a tensor")
        yield Bad((array((3,)) > 0,), {}, DtypeError, "not defined for bool")


class NanToNum(Elementwise, name="nan_to_num"):
    """NaN replaced by `nan`, infinities by `posinf`/`neginf` (the extremes of the dtype).

    ∂out/∂input = 1, 0 where a value was replaced.
    """

    partials = (lambda t, input: op.masked(t, op.isfinite(input)),)

    @staticmethod
    def forward(
        input: Array, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
    ) -> Array:
        """Values."""
        if input.dtype.kind not in "fc":
            return input.copy()
        return np.nan_to_num(input, True, nan, posinf, neginf)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Also with replacements; NaN itself is in test_elementwise.py."""
        yield from super().samples()
        yield Sample((array((3, 4)), 1.0), {"posinf": 2.0, "neginf": -2.0})


@compose(Sample((array((2, 3)), 1.5)), Sample((array((2, 3)), array(()))), spaces=("",))
def fill(input: Any, value: Any) -> Any:
    """`value` (a number or a 0-d tensor) at every place of a new tensor like `input`."""
    if np.ndim(value if not isinstance(value, Tensor) else value._data):
        raise ShapeError("fill: expected a number or a 0-d tensor as value")
    return op.masked(input, False) + op.to(_tensor_of(value, input), input.dtype)


def _tensor_of(value: Any, like: Any) -> Any:
    if hasattr(value, "shape"):
        return value
    made = np.asarray(value, like.dtype)
    return wrap(made) if isinstance(like, Tensor) else made


class MantissaExponent(NamedTuple):
    """The result of `frexp`."""

    mantissa: Any
    exponent: Any


class Frexp(Op, name="frexp"):
    """Mantissa in ±[1/2, 1) and int32 exponent: ``input = mantissa·2^exponent``.

    ∂mantissa/∂input = 2^(-exponent).
    """

    def forward(self, input: Array) -> Any:
        """Values."""
        if input.dtype.kind != "f":
            raise DtypeError(f"frexp: expected a floating input, got {input.dtype}")
        mantissa, self.order = np.frexp(input)
        return MantissaExponent(mantissa, self.order)

    def backward(self, g: Any, order: Any) -> Any:
        """Scaled by the power of two."""
        return _scaled_by(g[0], order)

    def jvp(self, t: Any, out: Any) -> Any:
        """Scaled by the power of two; the exponent has no tangent."""
        return _scaled_by(t, out[1]), None

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Any number."""
        yield Sample((array((3, 4)),))
        yield Sample((array(()),))


def _scaled_by(t: Any, exponent: Any) -> Any:
    power = np.ldexp(np.ones((), t.dtype), -np.asarray(exponent))
    return t * (wrap(power) if isinstance(t, Tensor) else power)
