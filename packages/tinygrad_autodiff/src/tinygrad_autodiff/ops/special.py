"""The values of the error function and its relatives, which NumPy lacks.

erf is computed from two polynomials that interpolate it at Chebyshev nodes (computed in 50
digits, degree chosen so that the interpolation error is below 1e-17):

- |x| < 1: erf(x) = x · P(x²), P interpolating erf(√z)/√z on [0, 1];
- else:    erf(x) = ±(1 - exp(-x²) · Q(u)), Q interpolating erfc(x)·exp(x²) in the variable
  u, the map of s = (|x| - 3)/(|x| + 3) from [-1/2, 25/31] (|x| from 1 to 28) to [-1, 1].

erfc and erfcx use the same Q; the inverses are Newton's iteration on log erfc, which is nearly
a parabola, from the estimate of Winitzki 2008.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import GraphError

_SMALL = (
    1.1283791670955126,
    -0.3761263890318375,
    0.11283791670954879,
    -0.026866170645076792,
    0.0052239776248180145,
    -0.000854832698083379,
    0.0001205533111164271,
    -1.4925595266831182e-05,
    1.6461000484121368e-06,
    -1.6350312701054695e-07,
    1.4659775274047436e-08,
    -1.1372848856791674e-09,
    5.957176147748911e-11,
)
_LARGE = (
    0.134277537536185,
    -0.17021428983342426,
    0.07930430128308745,
    -0.031106875976449153,
    0.009931937544711833,
    -0.002406636697525391,
    0.0003617565811947227,
    1.9767071468768014e-06,
    -1.5797238276157226e-05,
    2.6313306197493246e-06,
    4.63887944243681e-07,
    -2.0609863727337113e-07,
    -1.0679953466762092e-08,
    1.4451263203925795e-08,
    1.5163842277393186e-10,
    -1.0392827486676494e-09,
    -8.081969972007301e-12,
    6.049265518498518e-11,
    1.5605807749034677e-12,
)
_MIDDLE, _HALF = (25 / 31 - 0.5) / 2, (25 / 31 + 0.5) / 2


def polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    """The polynomial with these coefficients, the constant first, by Horner's rule."""
    value = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value *= x
        value += coefficient
    return value


def erf_values(x: Array) -> Array:
    """erf of each element, to about one unit in the last place; float16 through float32."""
    if x.dtype == np.float16:
        return erf_values(x.astype(np.float32)).astype(np.float16)
    x = np.asarray(x)
    size = np.minimum(np.abs(x), 28)
    small = x * polynomial(_SMALL, np.square(np.minimum(size, 1)))
    u = ((size - 3) / (size + 3) - _MIDDLE) / _HALF
    large = np.copysign(1 - np.exp(-np.square(size)) * polynomial(_LARGE, u), x)
    return np.asarray(np.where(size < 1, small, large))


def widened(function: Callable[..., Any], *names: str) -> Any:
    """The `forward` of an elementwise op that computes `function` in float64.

    The result has the dtype of the inputs, which are promoted: arrays of one floating dtype, with
    Python numbers beside them. `names` are theirs, ``("input",)`` if there is one.
    """

    def forward(*args: Any) -> Array:
        dtype = next(v.dtype for v in args if hasattr(v, "dtype"))
        wide = [np.asarray(v, np.float64) for v in args]
        with np.errstate(all="ignore"):
            return np.asarray(function(*wide)).astype(dtype, copy=False)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(n, kind, annotation="Array") for n in names or ("input",)]
    forward.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return staticmethod(forward)


def undefined(name: str, operand: str) -> Any:
    """The rule of an operand that has no derivative here: it says so when it is asked."""

    def rule(t: Any) -> Any:
        raise GraphError(f"{name}: the derivative with respect to {operand!r} is not implemented")

    return rule


def exp_of_minus_square(x: Array) -> Array:
    """exp(-x²) to the last places: the square is taken in two parts, the first of them exact."""
    head = np.round(x * 16) / 16
    value: Array = np.exp(-head * head) * np.exp(-(x - head) * (x + head))
    return value


def _scaled_tail(x: Array) -> Array:
    """erfc(x)·exp(x²) for x >= 1: Q, and beyond 28 its asymptotic series (DLMF 7.12.1)."""
    size = np.minimum(x, 28.0)
    near = polynomial(_LARGE, ((size - 3) / (size + 3) - _MIDDLE) / _HALF)
    z = 0.5 / np.square(np.maximum(x, 1.0))
    series = 1 - z * (1 - 3 * z * (1 - 5 * z * (1 - 7 * z * (1 - 9 * z * (1 - 11 * z)))))
    far = series / (x * math.sqrt(math.pi))
    return np.where(x > 28, far, near)


def erfc_values(x: Array) -> Array:
    """1 - erf(x), without cancellation (float64)."""
    size = np.minimum(np.abs(x), 28.0)
    tail = exp_of_minus_square(size) * _scaled_tail(np.maximum(size, 1.0))
    value = np.where(size < 1, 1 - erf_values(x), np.where(x > 0, tail, 2 - tail))
    return np.where(np.isnan(x), x, value)


def erfcx_values(x: Array) -> Array:
    """exp(x²)·erfc(x) (float64); grows as 2·exp(x²) for x < 0."""
    size = np.abs(x)
    tail = _scaled_tail(np.maximum(size, 1.0))
    small = np.exp(np.square(np.minimum(size, 1))) * (1 - erf_values(np.minimum(size, 1)))
    right = np.where(size < 1, small, tail)
    left = 2 / exp_of_minus_square(np.clip(x, -28, 0)) - right
    return np.where(x < 0, left, right)


def erfc_inverse(q: Array) -> Array:
    """y >= 0 with erfc(y) = q, for q in [0, 1] (float64)."""
    log_q = np.log(q)
    guess = 4.3308 + np.log(np.maximum(q * (2 - q), 5e-324)) / 2
    log_part = np.log(np.maximum(q * (2 - q), 5e-324))
    y = np.sqrt(np.maximum(np.sqrt(guess * guess - log_part / 0.147) - guess, 0.0))
    for _ in range(4):
        scaled = erfcx_values(y)
        y = np.maximum(y + (np.log(scaled) - y * y - log_q) * scaled * (math.sqrt(math.pi) / 2), 0)
    return np.where(q == 0, np.inf, y)


def erf_inverse(x: Array) -> Array:
    """y with erf(y) = x, for x in [-1, 1], NaN outside (float64)."""
    size = np.abs(x)
    inner = np.minimum(size, 0.5)
    y = inner * (math.sqrt(math.pi) / 2) * (1 + math.pi / 12 * np.square(inner))
    for _ in range(3):
        y = y - (erf_values(y) - inner) * np.exp(y * y) * (math.sqrt(math.pi) / 2)
    y = np.where(size <= 0.5, y, erfc_inverse(1 - np.maximum(size, 0.5)))
    return np.where(size <= 1, np.copysign(y, x), np.nan)


def ndtri_values(p: Array) -> Array:
    """x with Φ(x) = p, for p in [0, 1], NaN outside (float64)."""
    tail = np.minimum(p, 1 - p)
    far = -math.sqrt(2) * erfc_inverse(2 * np.clip(tail, 0, 0.25))
    near = math.sqrt(2) * erf_inverse(2 * np.clip(p, 0.25, 0.75) - 1)
    x = np.where(tail < 0.25, np.where(p < 0.5, far, -far), near)
    return np.where((p >= 0) & (p <= 1), x, np.nan)


def log_ndtr_values(x: Array) -> Array:
    """log Φ(x) (float64)."""
    y = x * math.sqrt(0.5)
    low = np.minimum(y, -0.5)
    tail = np.log(erfcx_values(-low) / 2) - low * low
    tail = np.where(np.isneginf(x), x, tail)
    return np.where(x < -1, tail, np.log1p(-erfc_values(np.maximum(y, -1.0)) / 2))
