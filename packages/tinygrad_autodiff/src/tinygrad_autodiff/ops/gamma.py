"""The gamma family: lgamma, digamma, polygamma, Hurwitz's zeta, the incomplete gamma functions.

Large arguments by Stirling's and Euler–Maclaurin's series, small ones through the recurrence in
x, negative ones by reflection. Sources: DLMF 5.7 (Taylor series), 5.11 (Stirling), 5.15 and 25.11
(polygamma, zeta), 8.7, 8.9 and 8.12 (incomplete gamma functions).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import ArgumentTypeError, RangeError
from ..op import Array, Bad, Elementwise, Op, Sample, compose, op
from ..samples import array
from .elementary import Float
from .special import erfc_values, polynomial, undefined, widened

_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798,
              -174611 / 330)  # fmt: skip
_STIRLING = tuple(b / ((2 * k + 1) * (2 * k + 2)) for k, b in enumerate(_BERNOULLI))
_LOG_ROOT = math.log(2 * math.pi) / 2


# ---- values --------------------------------------------------------------------------------------


def zeta_values(s: Array, q: Array) -> Array:
    """Hurwitz's zeta Σ (q + k)^-s, for s > 1; for q < 0 with a whole s only, Inf at the poles."""
    s, q = np.broadcast_arrays(s, q)
    below = q <= 0
    whole = s == np.floor(s)
    f = np.where(below, q - np.floor(q), q)  # (q + k)^-s from both sides of 0
    value = _zeta_positive(s, np.where(f == 0, 1.0, f))
    if below.any():
        sign = np.where(np.mod(s, 2) == 0, 1.0, -1.0)
        left = _zeta_positive(s, np.where(below, 1 - f, 1.0))
        left = left - _zeta_positive(s, np.where(below, 1 - q, 1.0))
        value = np.where(below, np.where(whole, value + sign * left, np.nan), value)
        value = np.where(below & (f == 0), np.inf, value)
    return np.where(s > 1, value, np.where(s == 1, np.inf, np.nan))


def _zeta_positive(s: Array, q: Array) -> Array:
    """Ten terms of the sum, and Euler–Maclaurin's formula for the rest."""
    total = np.zeros(np.broadcast_shapes(s.shape, q.shape))
    for k in range(10):
        total = total + (q + k) ** -s
    a = q + 10
    power = a**-s
    total = total + a ** (1 - s) / (s - 1) + power / 2
    factor = s / a
    for k, b in enumerate(_BERNOULLI):
        total = total + power * factor * (b / math.factorial(2 * k + 2))
        factor = factor * ((s + 2 * k + 1) / a) * ((s + 2 * k + 2) / a)
    return np.where(np.isinf(q), 0.0, total)


_EXCESS = zeta_values(np.arange(2.0, 30.0), np.array(2.0))  # ζ(k) - 1
_TAYLOR = (
    0.0,
    1 - np.euler_gamma,
    *(float(excess) / k * (-1) ** k for k, excess in enumerate(_EXCESS, 2)),
)


def lgamma_values(x: Array) -> Array:
    """log |Γ(x)|: Taylor's series about 2 up to 8, Stirling's beyond, reflection below 0."""
    size = np.abs(x)
    z = np.minimum(size, 8.0)
    product = np.ones_like(z)
    for _ in range(6):
        high = z > 2.5
        z = np.where(high, z - 1, z)
        product = np.where(high, product * z, product)
    low, middle = z <= 0.5, (z > 0.5) & (z <= 1.5)
    near = polynomial(_TAYLOR, np.where(low, z, np.where(middle, z - 1, z - 2)))
    near = near + np.log(product) - np.where(low, np.log(z) + np.log1p(z), 0.0)
    near = near - np.where(middle, np.log(z), 0.0)
    large = np.maximum(size, 8.0)
    far = large * (np.log(large) - 1) - np.log(large) / 2 + _LOG_ROOT + _stirling(large)
    value = np.where(size < 8, near, far)
    sine = np.abs(np.sin(math.pi * (size - np.round(size))))
    value = np.where(x < 0, math.log(math.pi) - np.log(size * sine) - value, value)
    return np.where(np.isinf(x), np.inf, value)


def _stirling(x: Array) -> Array:
    return polynomial(_STIRLING, 1 / (x * x)) / x


def digamma_values(x: Array) -> Array:
    """Γ'(x)/Γ(x); ∓Inf at ±0 and NaN at the other poles, as in torch."""
    y = np.where(x < 0, 1 - x, x)
    shift = np.zeros_like(y)
    for _ in range(10):
        low = y < 10
        shift = np.where(low, shift + 1 / y, shift)
        y = np.where(low, y + 1, y)
    z = 1 / (y * y)
    series = polynomial(tuple(b / (2 * k + 2) for k, b in enumerate(_BERNOULLI)), z) * z
    value = np.log(y) - 0.5 / y - series - shift
    turn = x - np.round(x)
    value = np.where(x < 0, value - math.pi / np.tan(math.pi * turn), value)
    value = np.where(np.isposinf(x), np.inf, value)
    return np.where(x == 0, -np.copysign(np.inf, x), np.where((x < 0) & (turn == 0), np.nan, value))


def polygamma_values(x: Array, n: int) -> Array:
    """The n-th derivative of digamma, (-1)^(n+1)·n!·ζ(n + 1, x)."""
    if n == 0:
        return digamma_values(x)
    factor = math.factorial(n) if n < 171 else math.inf
    return (1 if n % 2 else -1) * factor * zeta_values(np.array(n + 1.0), x)


def incomplete_gamma(a: Array, x: Array) -> tuple[Array, Array]:
    """P(a, x) and Q(a, x) = 1 - P; NaN for negative arguments.

    The power series for x < a + 1, else the continued fraction; Temme's expansion beyond a = 10⁶,
    where they would take thousands of terms.
    """
    a, x = np.broadcast_arrays(a, x)
    good = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    safe_a, safe_x = np.where(good, a, 1.0), np.where(good, x, 1.0)
    density = _gamma_density(safe_a, safe_x)
    vast = safe_a > 1e6
    series = (safe_x < safe_a + 1) & ~vast
    p = density * _power_series(np.where(series, safe_a, 1.0), np.where(series, safe_x, 0.5))
    fraction = ~series & ~vast
    q = density * _fraction(np.where(fraction, safe_a, 1.0), np.where(fraction, safe_x, 3.0))
    q = q * safe_a
    p, q = np.where(series, p, 1 - q), np.where(series, 1 - p, q)
    little = series & (safe_a < 1) & (safe_x < 1)
    q = np.where(little, _small_q(np.where(little, safe_a, 0.5), np.where(little, safe_x, 0.5)), q)
    if vast.any():
        upper = _temme(np.where(vast, safe_a, 1e6), np.where(vast, safe_x, 1e6))
        p, q = np.where(vast, 1 - upper, p), np.where(vast, upper, q)
    for condition, at_p in (
        (x == 0, 0.0),
        (a == 0, 1.0),
        (np.isinf(a), 0.0),
        (np.isinf(x), 1.0),
        ((a < 0) | (x < 0) | np.isnan(a) | np.isnan(x), np.nan),
        ((a == 0) & (x == 0), np.nan),
        (np.isinf(a) & np.isinf(x), np.nan),
    ):
        p, q = np.where(condition, at_p, p), np.where(condition, 1 - at_p, q)
    return p, q


def _gamma_density(a: Array, x: Array) -> Array:
    """x^a·e^-x/Γ(a + 1), for large a from log(1 + m) - m with m = (x - a)/a."""
    direct = np.exp(a * np.log(x) - x - lgamma_values(a + 1))
    m = (x - a) / a
    t = m / (2 + m)
    odd = polynomial(tuple(1 / (2 * k + 3) for k in range(14)), np.minimum(t * t, 0.1))
    bend = 2 * t * t * (t * odd - 1 / (1 - t))
    bend = np.where(np.abs(t) < 0.25, bend, np.log1p(m) - m)
    large = np.exp(a * bend - _stirling(np.maximum(a, 8.0))) / np.sqrt(2 * math.pi * a)
    return np.where(a > 10, large, direct)


def _power_series(a: Array, x: Array) -> Array:
    total = term = np.ones_like(x)
    for n in range(1, 10_000):
        term = term * (x / (a + n))
        total = total + term
        if not (term > 1e-17 * total).any():
            break
    return total


def _fraction(a: Array, x: Array) -> Array:
    """1/(x + 1 - a - 1·(1 - a)/(x + 3 - a - 2·(2 - a)/(…))), by Lentz's method."""
    b = x + 1 - a
    d = 1 / b
    c = np.full_like(b, 1e300)
    value = d
    for n in range(1, 10_000):
        coefficient = n * (a - n)
        b = b + 2
        d = 1 / (coefficient * d + b)
        c = b + coefficient / c
        value = value * (c * d)
        if not (np.abs(c * d - 1) > 2e-16).any():
            break
    return value


def _small_q(a: Array, x: Array) -> Array:
    """Q for a, x < 1, where 1 - P would cancel."""
    log_power = a * np.log(x) - lgamma_values(a + 1)
    term = np.ones_like(x)
    total = np.zeros_like(x)
    for n in range(1, 22):
        term = term * (-x / n)
        total = total + term / (a + n)
    q: Array = -np.expm1(log_power) - a * np.exp(log_power) * total
    return q


def _temme(a: Array, x: Array) -> Array:
    """Q by the first terms of Temme's uniform expansion, DLMF 8.12.8."""
    m = (x - a) / a
    short = m * m * (1 / 2 - m / 3 + m**2 / 4 - m**3 / 5 + m**4 / 6 - m**5 / 7)
    half_square = np.where(np.abs(m) < 1e-2, short, m - np.log1p(m))
    eta = np.copysign(np.sqrt(2 * half_square), m)
    first = np.where(np.abs(m) < 1e-3, -1 / 3 + eta / 12, 1 / m - 1 / eta)
    rest = np.exp(-a * half_square) / np.sqrt(2 * math.pi * a) * first
    q: Array = erfc_values(eta * np.sqrt(a / 2)) / 2 + rest
    return q


# ---- operations ----------------------------------------------------------------------------------


class Lgamma(Float, name="lgamma", aliases=("special.gammaln",)):
    """``log |Γ(input)|``; ∂out/∂input = digamma(input)."""

    domain = (0.2, 4.0)
    forward = widened(lgamma_values)
    partials = (lambda t, input: t * op.digamma(input),)


class Digamma(Float, name="digamma", aliases=("special.psi",), spaces=("", "Tensor", "special")):
    """Logarithmic derivative of Γ; its own is trigamma, polygamma(1)."""

    domain = (0.3, 4.0)
    forward = widened(digamma_values)
    partials = (lambda t, input: t * op.polygamma_at(input, 1),)


class PolygammaAt(Float, name="polygamma_at", spaces=()):
    """`polygamma` with the tensor first; ∂out/∂input = polygamma(n + 1)."""

    domain = (0.3, 4.0)
    partials = (lambda t, input, n: t * op.polygamma_at(input, n + 1),)

    @staticmethod
    def forward(input: Array, n: int) -> Array:
        """Values."""
        wide = np.asarray(input, np.float64)
        return np.asarray(polygamma_values(wide, n)).astype(input.dtype)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Even and odd orders, and a negative argument."""
        for n in (0, 1, 2):
            yield Sample((array((3, 4), 0.4, 4.0), n))
        yield Sample((array((3,), -2.9, -2.1), 1))

    error_inputs = Op.error_inputs


@compose(
    Sample((1, array((3,), 0.4, 4))),
    Sample((array((3,), 0.4, 4), 0)),
    spaces=("", "Tensor", "special"),
    errors=(Bad((-1, array((3,))), {}, RangeError, "at least 0"),),
)
def polygamma(n: Any, input: Any) -> Any:
    """The n-th derivative of digamma; the method is called ``x.polygamma(n)``."""
    if hasattr(n, "shape"):
        n, input = input, n
    if not isinstance(n, int):
        raise ArgumentTypeError(f"polygamma: expected an int as n, got {type(n).__name__}")
    if n < 0:
        raise RangeError(f"polygamma: expected an n of at least 0, got {n}")
    return op.polygamma_at(input, n)


@compose(
    Sample((array((3,), 1.5, 4), 3)),
    aliases=("special.multigammaln",),
    errors=(Bad((array((3,)), 0), {}, RangeError, "at least 1"),),
)
def mvlgamma(input: Any, p: int) -> Any:
    """Log of the p-dimensional gamma function, p(p-1)/4·log π + Σ_{j<p} lgamma(input - j/2)."""
    if p < 1:
        raise RangeError(f"mvlgamma: expected a p of at least 1, got {p}")
    total = op.lgamma(input)
    for j in range(1, p):
        total = total + op.lgamma(input - j / 2)
    return total + p * (p - 1) / 4 * math.log(math.pi)


class _TwoOperands(Elementwise):
    """Differentiable in the second operand alone."""

    promote, quiet, numbers = "float", True, "none"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """The first operand is not differentiated."""
        yield Sample((np.array(2.5, np.float32), array((3, 4), 0.3, 6)))
        yield Sample((np.array([2, 3], np.float32), np.array([[0.5], [4]], np.float32)))


class Zeta(_TwoOperands, name="zeta", spaces=("special",)):
    """Hurwitz's zeta function ``Σ_{k>=0} (other + k)^(-input)``.

    ∂out/∂other = -input·zeta(input + 1, other).
    """

    numbers = "one"
    forward = widened(zeta_values, "input", "other")
    partials = (
        undefined("zeta", "input"),
        lambda t, input, other: -t * (input * op.zeta(input + 1, other)),
    )


def _density(a: Any, x: Any) -> Any:
    log_gamma = op.lgamma(a) if hasattr(a, "shape") else math.lgamma(a)
    return op.exp((a - 1) * op.log(x) - x - log_gamma)


class Igamma(_TwoOperands, name="igamma", aliases=("special.gammainc",)):
    """Regularised lower incomplete gamma function, ∫₀^other s^(a-1)·e^(-s) ds / Γ(a), a = input.

    ∂out/∂other = other^(a-1)·e^(-other)/Γ(a).
    """

    forward = widened(lambda a, x: incomplete_gamma(a, x)[0], "input", "other")
    partials = (undefined("igamma", "input"), lambda t, input, other: t * _density(input, other))


class Igammac(_TwoOperands, name="igammac", aliases=("special.gammaincc",)):
    """Regularised upper incomplete gamma function, 1 - igamma(input, other)."""

    forward = widened(lambda a, x: incomplete_gamma(a, x)[1], "input", "other")
    partials = (undefined("igammac", "input"), lambda t, input, other: -t * _density(input, other))
