"""Functions made of the Gaussian: the error function's relatives and the normal distribution.

The normal distribution function is Φ(x) = erfc(-x/√2)/2. Sources: DLMF chapter 7.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..op import Array, op
from .elementary import Float
from .special import (
    erf_inverse,
    erfc_values,
    erfcx_values,
    log_ndtr_values,
    ndtri_values,
    widened,
)

_SPECIAL = ("special",)
_ROOT_PI = math.sqrt(math.pi)


def _bell(x: Any) -> Any:
    return op.exp(-(x * x))


class Erfc(Float, name="erfc", spaces=("", "Tensor", "special")):
    """``1 - erf(input)``, without cancellation; ∂out/∂input = -2/√π · exp(-input²)."""

    forward = widened(erfc_values)
    partials = (lambda t, input: t * (_bell(input) * (-2 / _ROOT_PI)),)


class Erfcx(Float, name="erfcx", spaces=_SPECIAL):
    """``exp(input²)·erfc(input)``; ∂out/∂input = 2·input·out - 2/√π."""

    forward = widened(erfcx_values)
    partials = (lambda t, input, out: t * _erfcx_slope(input, out),)


def _erfcx_slope(x: Any, out: Any) -> Any:
    """For large x the two terms cancel, and the asymptotic series of the difference is taken."""
    large = x > 50
    u = 1 / op.where(large, x, 50.0)
    u = u * u
    series = u * (-1 + u * (1.5 + u * (-3.75 + u * 13.125))) / _ROOT_PI
    return op.where(large, series, 2 * x * out - 2 / _ROOT_PI)


class Erfinv(Float, name="erfinv", spaces=("", "Tensor", "special")):
    """The y with erf(y) = input; ∂out/∂input = √π/2 · exp(out²)."""

    domain = (-0.9, 0.9)
    forward = widened(erf_inverse)
    partials = (lambda t, out: t * (op.exp(out * out) * (_ROOT_PI / 2)),)


class Ndtr(Float, name="ndtr", spaces=_SPECIAL):
    """Φ, the normal distribution function; ∂out/∂input = exp(-input²/2)/√(2π)."""

    forward = widened(lambda x: erfc_values(-x * math.sqrt(0.5)) / 2)
    partials = (lambda t, input: t * (op.exp(-0.5 * (input * input)) / math.sqrt(2 * math.pi)),)


class Ndtri(Float, name="ndtri", spaces=_SPECIAL):
    """The x with Φ(x) = input; ∂out/∂input = √(2π)·exp(out²/2)."""

    domain = (0.1, 0.9)
    forward = widened(ndtri_values)
    partials = (lambda t, out: t * (op.exp(0.5 * (out * out)) * math.sqrt(2 * math.pi)),)


class LogNdtr(Float, name="log_ndtr", spaces=_SPECIAL):
    """log Φ(input); ∂out/∂input = √(2/π)/erfcx(-input/√2)."""

    forward = widened(log_ndtr_values)
    partials = (lambda t, input: t * (math.sqrt(2 / math.pi) / op.erfcx(input * -math.sqrt(0.5))),)


class Entr(Float, name="entr", spaces=_SPECIAL):
    """``-input·log(input)``, 0 at 0, -Inf below; ∂out/∂input = -1 - log(input)."""

    domain = (0.2, 3.0)
    partials = (lambda t, input: t * (-1 - op.log(input)),)

    @staticmethod
    def forward(input: Array) -> Array:
        """Values."""
        rest = np.where(input < 0, -np.inf, input)  # 0 and NaN stay
        return np.where(input > 0, -input * np.log(input), rest)
