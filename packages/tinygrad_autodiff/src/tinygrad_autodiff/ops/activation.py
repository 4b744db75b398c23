"""Smooth activations of neural networks: elementwise, hence with one diagonal rule each."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import RangeError, ShapeError
from ..op import Array, Bad, Elementwise, Sample, compose, op
from ..samples import array
from .blocks import in_blocks
from .special import erf_values

_EVERYWHERE = ("", "Tensor", "nn.functional")
_NEURAL = ("nn.functional",)
_TANH_SCALE, _CUBIC = math.sqrt(2 / math.pi), 0.044715
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


class Sigmoid(Elementwise, name="sigmoid", spaces=_EVERYWHERE, aliases=("special.expit",)):
    """``1/(1 + exp(-input))``; ∂out/∂input = out·(1 - out)."""

    promote, quiet = "float", True
    partials = (lambda t, out: t * (out * (1 - out)),)

    @staticmethod
    def forward(input: Array) -> Array:
        """Values; exp overflows to Inf harmlessly."""
        out: Array = 1 / (1 + np.exp(-input))
        return out


class Logsigmoid(Elementwise, name="logsigmoid", spaces=_NEURAL):
    """``log σ(input)``, exact on either side; ∂out/∂input = σ(-input)."""

    quiet = True
    partials = (lambda t, input: t * op.sigmoid(-input),)

    @staticmethod
    def forward(input: Array) -> Array:
        """Values; exp of minus the size cannot overflow."""
        return np.minimum(input, 0) - np.log1p(np.exp(-np.abs(input)))


class Silu(Elementwise, name="silu", spaces=_NEURAL):
    """``input · σ(input)``; ∂out/∂input = σ·(1 + input·(1 - σ)).  Hendrycks & Gimpel 2016."""

    quiet = True
    partials = (lambda t, input: in_blocks(lambda t, x: t * _silu_slope(x), t, input),)

    @staticmethod
    def forward(input: Array) -> Array:
        """Values."""
        out: Array = in_blocks(lambda x: x / (1 + np.exp(-x)), input)
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


class Mish(Elementwise, name="mish", spaces=_NEURAL):
    """``input · tanh(softplus(input))``.  Misra 2019.

    With T = tanh(softplus(input)): ∂out/∂input = T + input·σ(input)·(1 - T²).
    """

    quiet = True
    partials = (lambda t, input: in_blocks(lambda t, x: t * _mish_slope(x), t, input),)

    @staticmethod
    def forward(input: Array) -> Array:
        """Values; log(1 + exp(x)) is log(exp(0) + exp(x))."""
        out: Array = input * np.tanh(np.logaddexp(0, input, dtype=np.asarray(input).dtype))
        return out


def _mish_slope(x: Any) -> Any:
    tanh = op.tanh(op.softplus(x))
    return tanh + x * op.sigmoid(x) * (1 - tanh * tanh)


class Gelu(Elementwise, name="gelu", spaces=_NEURAL):
    """``input · Φ(input)``, Φ the normal distribution function (Hendrycks & Gimpel 2016).

    ``approximate="none"``: Φ(x) = (1 + erf(x/√2))/2;
    ``approximate="tanh"``: Φ(x) ≈ (1 + tanh(√(2/π)·(x + 0.044715·x³)))/2.
    """

    quiet = True
    partials = (
        lambda t, input, approximate: in_blocks(
            lambda t, x: t * _gelu_slope(x, approximate), t, input
        ),
    )

    @staticmethod
    def forward(input: Array, approximate: str = "none") -> Array:
        """Values."""
        if approximate not in ("none", "tanh"):
            raise RangeError(f"gelu: approximate is 'none' or 'tanh', not {approximate!r}")
        out: Array = in_blocks(_gelu_tanh if approximate == "tanh" else _gelu_exact, input)
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
        yield Bad((array((3,)), "fast"), {}, RangeError, "'none' or 'tanh'")


def _gelu_exact(x: Array) -> Any:
    return 0.5 * x * (1 + erf_values(np.asarray(x * math.sqrt(0.5))))


def _gelu_tanh(x: Array) -> Any:
    return 0.5 * x * (1 + np.tanh(_TANH_SCALE * (x + _CUBIC * (x * x * x))))


def _gelu_slope(x: Any, approximate: str) -> Any:
    if approximate == "tanh":
        tanh = op.tanh(_TANH_SCALE * (x + _CUBIC * (x * x * x)))
        inner = _TANH_SCALE * (1 + (3 * _CUBIC) * (x * x))
        return 0.5 * (1 + tanh) + 0.5 * x * (1 - tanh * tanh) * inner
    density = op.exp(-0.5 * (x * x)) * (1 / math.sqrt(2 * math.pi))
    return 0.5 * (1 + op.erf(x * math.sqrt(0.5))) + x * density


class ScaledElu(Elementwise, name="scaled_elu", spaces=()):
    """``scale·input`` above 0, else ``scale·alpha·(exp(rate·input) - 1)``."""

    quiet = True
    partials = (
        lambda t, input, alpha, scale, rate: op.where(
            input > 0,
            t * scale,
            # the bound keeps exp finite where it is not taken, so that no NaN comes of it
            t * (op.exp(op.clamp(input * rate, None, 0.0)) * (alpha * scale * rate)),
        ),
    )

    @staticmethod
    def forward(input: Array, alpha: float = 1.0, scale: float = 1.0, rate: float = 1.0) -> Array:
        """Values."""
        return np.where(input > 0, input * scale, np.expm1(input * rate) * (alpha * scale))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Three different factors; no kink at any of the values."""
        yield Sample((array((3, 4)), 1.5, 1.25, 0.5))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """None of its own."""
        return iter(())


@compose(Sample((array((3, 4)), 0.7)), spaces=_NEURAL)
def elu(input: Any, alpha: float = 1.0) -> Any:
    """``input`` above 0, else ``alpha·(exp(input) - 1)``.  Clevert et al. 2016."""
    return op.scaled_elu(input, alpha)


@compose(
    Sample((array((3, 4)), 0.5)),
    spaces=("", "nn.functional"),
    errors=(Bad((array((3,)), 0.0), {}, RangeError, "alpha"),),
)
def celu(input: Any, alpha: float = 1.0) -> Any:
    """``input`` above 0, else ``alpha·(exp(input/alpha) - 1)``: smooth at 0.  Barron 2017."""
    if alpha == 0:
        raise RangeError("celu: zero division: alpha must not be 0")
    return op.scaled_elu(input, alpha, 1.0, 1.0 / alpha)


@compose(Sample((array((3, 4)),)), spaces=("", "nn.functional"))
def selu(input: Any) -> Any:
    """An elu scaled so that mean 0 and variance 1 are a fixed point.  Klambauer et al. 2017."""
    return op.scaled_elu(input, _SELU_ALPHA, _SELU_SCALE)


@compose(Sample((array((3, 4)),)), spaces=_NEURAL)
def softsign(input: Any) -> Any:
    """``input/(1 + |input|)``."""
    return input / (op.abs(input) + 1)


@compose(Sample((array((3, 4)),)), spaces=_NEURAL)
def tanhshrink(input: Any) -> Any:
    """``input - tanh(input)``."""
    return input - op.tanh(input)


@compose(
    Sample((array((3, 4)),)),
    Sample((array((4, 3)), 0)),
    spaces=_NEURAL,
    errors=(Bad((array((3, 3)),), {}, ShapeError, "even size.* got 3"),),
)
def glu(input: Any, dim: int = -1) -> Any:
    """``a·σ(b)`` of the two halves a, b of `dim`.  Dauphin et al. 2017."""
    if not input.ndim or input.shape[dim] % 2:
        size = input.shape[dim] if input.ndim else "no dimension"
        raise ShapeError(f"glu: dimension {dim} has to be of even size, got {size}")
    value, gate = op.chunk(input, 2, dim)
    return value * op.sigmoid(gate)
