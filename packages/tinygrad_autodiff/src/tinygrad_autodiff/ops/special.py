"""Special functions that NumPy lacks.

erf is computed from two polynomials that interpolate it at Chebyshev nodes (computed in 50
digits, degree chosen so that the interpolation error is below 1e-17):

- |x| < 1: erf(x) = x · P(x²), P interpolating erf(√z)/√z on [0, 1];
- else:    erf(x) = ±(1 - exp(-x²) · Q(u)), Q interpolating erfc(x)·exp(x²) in the variable
  u, the map of s = (|x| - 3)/(|x| + 3) from [-1/2, 25/31] (|x| from 1 to 28) to [-1, 1].
"""

from __future__ import annotations

import numpy as np

from ..dtypes import Array

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


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
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
    small = x * _polynomial(_SMALL, np.square(np.minimum(size, 1)))
    u = ((size - 3) / (size + 3) - _MIDDLE) / _HALF
    large = np.copysign(1 - np.exp(-np.square(size)) * _polynomial(_LARGE, u), x)
    return np.asarray(np.where(size < 1, small, large))
