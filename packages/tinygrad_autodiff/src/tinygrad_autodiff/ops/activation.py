"""Activations of neural networks: elementwise, hence with one diagonal rule each."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..op import Array, Bad, Elementwise, Sample, op
from ..samples import array
from .special import erf_values

_EVERYWHERE = ("", "Tensor", "nn.functional")
_NEURAL = ("nn.functional",)
_TANH_SCALE, _CUBIC = math.sqrt(2 / math.pi), 0.044715


class Relu(Elementwise, name="relu", spaces=_EVERYWHERE):
    """``max(input, 0)``; the derivative at 0 is 0."""

    partials = (lambda t, out: op.masked(t, out > 0),)

    @staticmethod
    def forward(input: Array) -> Array:
        """Values."""
        return np.maximum(input, 0)


class Sigmoid(Elementwise, name="sigmoid", spaces=_EVERYWHERE, aliases=("special.expit",)):
    """``1/(1 + exp(-input))``; ∂out/∂input = out·(1 - out)."""

    promote, quiet = "float", True
    partials = (lambda t, out: t * (out * (1 - out)),)

    @staticmethod
    def forward(input: Array) -> Array:
        """Values; exp overflows to Inf harmlessly."""
        out: Array = 1 / (1 + np.exp(-input))
        return out


class Silu(Elementwise, name="silu", spaces=_NEURAL):
    """``input · σ(input)``; ∂out/∂input = σ·(1 + input·(1 - σ)).  Hendrycks & Gimpel 2016."""

    quiet = True
    partials = (lambda t, input: t * _silu_slope(input),)

    @staticmethod
    def forward(input: Array) -> Array:
        """Values."""
        out: Array = input / (1 + np.exp(-input))
        return out


def _silu_slope(x: Any) -> Any:
    s = op.sigmoid(x)
    return s * (1 + x * (1 - s))


class Softplus(Elementwise, name="softplus", spaces=_NEURAL):
    """``log(1 + exp(beta·input))/beta``, the input itself where beta·input > threshold."""

    quiet = True
    partials = (
        lambda t, input, beta, threshold: (
            t * op.where(input * beta > threshold, 1.0, op.sigmoid(input * beta))
        ),
    )

    @staticmethod
    def forward(input: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
        """Values."""
        scaled = input * beta
        return np.where(scaled > threshold, input, np.log1p(np.exp(scaled)) / beta)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Both sides of the threshold."""
        yield from super().samples()
        yield Sample((array((6,)), 2.0, 1.13))


class Gelu(Elementwise, name="gelu", spaces=_NEURAL):
    """``input · Φ(input)``, Φ the normal distribution function (Hendrycks & Gimpel 2016).

    ``approximate="none"``: Φ(x) = (1 + erf(x/√2))/2;
    ``approximate="tanh"``: Φ(x) ≈ (1 + tanh(√(2/π)·(x + 0.044715·x³)))/2.
    """

    quiet = True
    partials = (lambda t, input, approximate: t * _gelu_slope(input, approximate),)

    @staticmethod
    def forward(input: Array, approximate: str = "none") -> Array:
        """Values."""
        if approximate == "tanh":
            inner = _TANH_SCALE * (input + _CUBIC * (input * input * input))
            out: Array = 0.5 * input * (1 + np.tanh(inner))
            return out
        if approximate != "none":
            raise ArgumentError(f"gelu: approximate is 'none' or 'tanh', not {approximate!r}")
        out = 0.5 * input * (1 + erf_values(np.asarray(input * math.sqrt(0.5))))
        return out

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Both forms."""
        yield from super().samples()
        yield Sample((array((3, 4)),), {"approximate": "tanh"})

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """An unknown approximation."""
        yield from super().error_inputs()
        yield Bad((array((3,)), "fast"), {}, ArgumentError, "'none' or 'tanh'")


def _gelu_slope(x: Any, approximate: str) -> Any:
    if approximate == "tanh":
        tanh = op.tanh(_TANH_SCALE * (x + _CUBIC * (x * x * x)))
        inner = _TANH_SCALE * (1 + (3 * _CUBIC) * (x * x))
        return 0.5 * (1 + tanh) + 0.5 * x * (1 - tanh * tanh) * inner
    density = op.exp(-0.5 * (x * x)) * (1 / math.sqrt(2 * math.pi))
    return 0.5 * (1 + op.erf(x * math.sqrt(0.5))) + x * density
