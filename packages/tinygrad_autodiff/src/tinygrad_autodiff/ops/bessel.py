"""Bessel functions of orders 0 and 1, and Airy's function.

Their integrals by the trapezoidal rule, which converges exponentially for entire integrands
(Trefethen & Weideman 2014); near 0 their power series (DLMF 10.2, 10.8, 10.25, 10.31). The rule

    K_n(z) = √(π/2z)·e^(-z)/Γ(n + 1/2) · ∫₀^∞ 2·u^(2n)·e^(-u²)·(1 + u²/2z)^(n - 1/2) du

(DLMF 10.32.8 with t = u²) gives K for z = x, and J + iY = (2/πi)·e^(-nπi/2)·K_n(z) for z = -ix.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..op import Array, Sample, compose, op
from ..samples import array
from .elementary import Float
from .special import polynomial, widened

_SPECIAL = ("special",)
_STEP = 0.2
_NODES = [(k * _STEP, _STEP * (0.5 if k == 0 else 1.0)) for k in range(32)]


def _series(order: int, harmonic: bool) -> tuple[float, ...]:
    """1/(k!·(k + n)!), times ψ(k + 1) + ψ(k + n + 1) if `harmonic`, for k = 0, 1, …"""
    terms = []
    for k in range(18):
        digammas = sum(1 / j for j in range(1, k + 1)) + sum(1 / j for j in range(1, k + order + 1))
        weight = digammas - 2 * np.euler_gamma if harmonic else 1.0
        terms.append(float(weight) / (math.factorial(k) * math.factorial(k + order)))
    return tuple(terms)


_PLAIN = (_series(0, False), _series(1, False))
_HARMONIC = (_series(0, True), _series(1, True))


def _macdonald(order: int, z: Array) -> Array:
    """e^z·K_n(z) for |z| >= 1 with Re z >= 0, real or complex."""
    total = np.zeros_like(z)
    for u, weight in _NODES:
        factor = 2 * weight * math.exp(-u * u) * u ** (2 * order)
        root = np.sqrt(1 + u * u / (2 * z))
        total += factor * root if order else factor / root
    found: Array = total * np.sqrt(math.pi / (2 * z)) / math.gamma(order + 0.5)
    return found


def _logarithmic(order: int, x: Array, sign: float) -> tuple[Array, Array]:
    """Of J and Y (sign = -1) or I and K (sign = 1): the regular solution, and the other one.

    The other one up to its factor: ±2·log(x/2)·regular ∓ Σ …, and the pole of order 1.
    """
    half = x / 2
    y = sign * half * half
    regular = half**order * polynomial(_PLAIN[order], y)
    other = 2 * np.log(half) * regular - half**order * polynomial(_HARMONIC[order], y)
    return regular, other


def bessel(kind: str, order: int, x: Array) -> Array:
    """J_n or Y_n: series below 2, the quadrature beyond; Y is -Inf at 0 and NaN below."""
    size = np.abs(x)
    near = np.minimum(size, 2.0)
    regular, other = _logarithmic(order, near, -1.0)
    if kind == "y":
        regular = (other - (2 / near if order else 0.0)) / math.pi
    far = np.maximum(size, 2.0)
    finite = np.where(np.isfinite(far), far, 2.0)
    wave = (-1j) ** (order + 1) * (2 / math.pi) * np.exp(1j * finite)
    hankel = wave * _macdonald(order, -1j * finite)
    value = np.where(size < 2, regular, hankel.imag if kind == "y" else hankel.real)
    value = np.where(np.isnan(x), x, np.where(np.isinf(x), 0.0, value))
    if kind == "y":
        return np.where(x < 0, np.nan, np.where(x == 0, -np.inf, value))
    return value * np.sign(x) if order else value


def scaled_k(order: int, x: Array) -> Array:
    """e^x·K_n(x); Inf at 0 and NaN below."""
    near = np.clip(x, 0.0, 1.0)
    other = _logarithmic(order, near, 1.0)[1]
    small = (other / 2 + 1 / near if order else -other / 2) * np.exp(near)
    finite = np.where(np.isinf(x), 1.0, np.maximum(x, 1.0))
    value = np.where(x < 1, small, np.where(np.isinf(x), 0.0, _macdonald(order, finite)))
    return np.where(x < 0, np.nan, np.where(x == 0, np.inf, value))


def scaled_i(order: int, x: Array) -> Array:
    """e^-|x|·I_n(x), n = 0: (1/π)·∫₀^π e^(x·(cos θ - 1)) dθ; n = 1: with the factor x·sin²θ.

    The integral is cut off where the exponential is below e^-40.
    """
    size = np.abs(x)
    large = np.where(np.isinf(size), 1.0, size)
    step = 2 * np.arcsin(np.sqrt(np.minimum(20 / np.maximum(large, 20.0), 1.0))) / 24
    total = np.zeros_like(size)
    for k in range(25):
        angle = k * step
        weight = 0.5 if k in (0, 24) else 1.0
        term = weight * np.exp(-2 * large * np.square(np.sin(angle / 2)))
        total = total + (term * np.square(np.sin(angle)) if order else term)
    value = total * step / math.pi * (x if order else 1.0)
    return np.where(np.isinf(size), 0.0, value)


def _of(function: Any, *leading: Any) -> Any:
    return widened(lambda x: function(*leading, x))


def _by_x(value: Any, x: Any) -> Any:
    """``value/x`` for a function that is x/2 near 0."""
    zero = x == 0
    return op.where(zero, 0.5, value / op.where(zero, 1.0, x))


class I0(
    Float, name="i0", spaces=("", "Tensor", "special"), aliases=("special.modified_bessel_i0",)
):
    """Modified Bessel function I₀; ∂out/∂input = I₁."""

    forward = widened(lambda x: np.exp(np.abs(x)) * scaled_i(0, x))
    partials = (lambda t, input: t * op.i1(input),)


class I1(Float, name="i1", spaces=_SPECIAL, aliases=("modified_bessel_i1",)):
    """Modified Bessel function I₁; ∂out/∂input = I₀ - I₁/input."""

    forward = widened(lambda x: np.exp(np.abs(x)) * scaled_i(1, x))
    partials = (lambda t, input, out: t * (op.i0(input) - _by_x(out, input)),)


class I0e(Float, name="i0e", spaces=_SPECIAL):
    """``exp(-|input|)·I₀(input)``; ∂out/∂input = i1e - sign·out."""

    forward = _of(scaled_i, 0)
    partials = (lambda t, input, out: t * (op.i1e(input) - op.sign(input) * out),)


class I1e(Float, name="i1e", spaces=_SPECIAL):
    """``exp(-|input|)·I₁(input)``; ∂out/∂input = i0e - sign·out - out/input."""

    forward = _of(scaled_i, 1)
    partials = (
        lambda t, input, out: t * (op.i0e(input) - op.sign(input) * out - _by_x(out, input)),
    )


class BesselJ0(Float, name="bessel_j0", spaces=_SPECIAL):
    """Bessel function J₀; ∂out/∂input = -J₁."""

    domain = (-6.0, 6.0)
    forward = _of(bessel, "j", 0)
    partials = (lambda t, input: -t * op.bessel_j1(input),)


class BesselJ1(Float, name="bessel_j1", spaces=_SPECIAL):
    """Bessel function J₁; ∂out/∂input = J₀ - J₁/input."""

    domain = (-6.0, 6.0)
    forward = _of(bessel, "j", 1)
    partials = (lambda t, input, out: t * (op.bessel_j0(input) - _by_x(out, input)),)


class BesselY0(Float, name="bessel_y0", spaces=_SPECIAL):
    """Bessel function of the second kind Y₀; ∂out/∂input = -Y₁."""

    domain = (0.3, 6.0)
    forward = _of(bessel, "y", 0)
    partials = (lambda t, input: -t * op.bessel_y1(input),)


class BesselY1(Float, name="bessel_y1", spaces=_SPECIAL):
    """Bessel function of the second kind Y₁; ∂out/∂input = Y₀ - Y₁/input."""

    domain = (0.3, 6.0)
    forward = _of(bessel, "y", 1)
    partials = (lambda t, input, out: t * (op.bessel_y0(input) - out / input),)


class ScaledK0(Float, name="scaled_modified_bessel_k0", spaces=_SPECIAL):
    """``exp(input)·K₀(input)``; ∂out/∂input = out - exp(input)·K₁."""

    domain = (0.3, 6.0)
    forward = _of(scaled_k, 0)
    partials = (lambda t, input, out: t * (out - op.scaled_modified_bessel_k1(input)),)


class ScaledK1(Float, name="scaled_modified_bessel_k1", spaces=_SPECIAL):
    """``exp(input)·K₁(input)``; ∂out/∂input = out - exp(input)·K₀ - out/input."""

    domain = (0.3, 6.0)
    forward = _of(scaled_k, 1)
    partials = (
        lambda t, input, out: t * (out - op.scaled_modified_bessel_k0(input) - out / input),
    )


class K0(Float, name="modified_bessel_k0", spaces=_SPECIAL):
    """Modified Bessel function K₀; ∂out/∂input = -K₁."""

    domain = (0.3, 6.0)
    forward = widened(lambda x: np.exp(-x) * scaled_k(0, x))
    partials = (lambda t, input: -t * op.modified_bessel_k1(input),)


class K1(Float, name="modified_bessel_k1", spaces=_SPECIAL):
    """Modified Bessel function K₁; ∂out/∂input = -K₀ - K₁/input."""

    domain = (0.3, 6.0)
    forward = widened(lambda x: np.exp(-x) * scaled_k(1, x))
    partials = (lambda t, input, out: -t * (op.modified_bessel_k0(input) + out / input),)


@compose(Sample((array((3, 4)),)), spaces=_SPECIAL)
def spherical_bessel_j0(input: Any) -> Any:
    """``sin(input)/input``, 1 at 0 and 0 at ±Inf."""
    found = op.sinc(input * (1 / math.pi))
    return op.masked(found, op.logical_not(op.isinf(input)))


# ---- Airy's function -----------------------------------------------------------------------------

_AIRY = (0.355028053887817239, -0.258819403792806798)  # Ai(0), Ai'(0)


def airy(x: Array) -> tuple[Array, Array]:
    """Ai and Ai': Maclaurin's series for |x| < 1.5, else an integral (DLMF 9.4, 9.5.6, 9.2.10).

    Ai(z) = e^(-ζ)/π·∫₀^∞ exp(-√z·t²)·cos(t³/3) dt, ζ = 2/3·z^(3/2), for x > 0 at z = x; for x < 0
    Ai(x) = 2·Re(e^(iπ/3)·Ai(z)) with z = |x|·e^(iπ/3).
    """
    near = np.clip(x, -1.5, 1.5)
    values = np.zeros((2, *x.shape))
    for start, factor in enumerate(_AIRY):
        term = np.full_like(near, factor) * near**start
        slope = np.full_like(near, factor) * start
        for k in range(start, 54, 3):
            values += (term, slope)
            slope = term * near * near / (k + 2)
            term = slope * near / (k + 3)
    size = np.where(np.isfinite(x), np.maximum(np.abs(x), 1.5), 1.5)
    right = x > 0
    turn = np.where(right, 1.0, np.exp(1j * math.pi / 6))  # √z is √|x| times this
    root = np.sqrt(size) * turn
    unit = 1 / np.sqrt(np.sqrt(size))
    total, second = np.zeros_like(root), np.zeros_like(root)
    for k in range(66):
        t = k * 0.1 * unit
        term = np.exp(-root * t * t) * np.cos(t**3 / 3) * (0.05 if k == 0 else 0.1)
        total, second = total + term, second + t * t * term
    scale = np.exp(-2 / 3 * size**1.5 * turn**3) * unit / math.pi
    far = total * scale
    far_slope = -root * far - second * scale / (2 * root)
    if not np.all(right):
        phase = np.exp(1j * math.pi / 3)
        far = np.where(right, far, 2 * (phase * far).real)
        far_slope = np.where(right, far_slope, -2 * (phase * phase * far_slope).real)
    inside = ~(np.abs(x) >= 1.5)  # NaN goes through the series
    found = np.where(inside, values, np.array([far.real, far_slope.real]))
    found = np.where(np.isinf(x), 0.0, found)
    return found[0], found[1]


class AiryAi(Float, name="airy_ai", spaces=_SPECIAL):
    """Airy's function Ai, the solution of y'' = x·y that vanishes at +Inf."""

    domain = (-4.0, 3.0)
    forward = widened(lambda x: airy(x)[0])
    partials = (lambda t, input: t * op.airy_ai_slope(input),)


class AiryAiSlope(Float, name="airy_ai_slope", spaces=()):
    """Ai'; its derivative is input·Ai(input)."""

    domain = (-4.0, 3.0)
    forward = widened(lambda x: airy(x)[1])
    partials = (lambda t, input: t * (input * op.airy_ai(input)),)
