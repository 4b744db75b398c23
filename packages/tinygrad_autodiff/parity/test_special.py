"""Special functions in float64 against mpmath in 30 digits (it comes with torch).

The bound is on |error| relative to the value, or to 1 where the function oscillates about 0.
"""

import mpmath as mp
import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff.registry import op

POSITIVE = np.concatenate([10.0 ** np.arange(-12, 0, 2.0), np.linspace(0.07, 45, 150)])
SIGNED = np.concatenate([-POSITIVE, POSITIVE])
UNIT = np.concatenate([10.0 ** np.arange(-100, -1, 14.0), np.linspace(0.01, 0.99, 99)])

CASES = {
    "erf": (mp.erf, SIGNED / 8, 5e-16),
    "erfc": (mp.erfc, SIGNED / 2, 2e-15),
    "erfcx": (lambda x: mp.exp(x * x) * mp.erfc(x), np.r_[SIGNED / 2, 100.0], 2e-15),
    "erfinv": (mp.erfinv, np.r_[UNIT, -UNIT], 1e-15),
    "ndtri": (lambda p: mp.sqrt(2) * mp.erfinv(2 * p - 1), UNIT, 2e-15),
    "ndtr": (mp.ncdf, SIGNED / 8, 5e-15),
    "log_ndtr": (lambda x: mp.log(mp.ncdf(x)), SIGNED / 2, 1e-13),
    "lgamma": (mp.loggamma, POSITIVE, 2e-15),
    "digamma": (mp.digamma, POSITIVE, 4e-15),
    "i0": (lambda x: mp.besseli(0, x), SIGNED, 4e-15),
    "i1": (lambda x: mp.besseli(1, x), SIGNED, 4e-15),
    "i0e": (lambda x: mp.besseli(0, x) * mp.exp(-abs(x)), SIGNED, 4e-15),
    "i1e": (lambda x: mp.besseli(1, x) * mp.exp(-abs(x)), SIGNED, 4e-15),
    "modified_bessel_k0": (lambda x: mp.besselk(0, x), POSITIVE, 4e-15),
    "modified_bessel_k1": (lambda x: mp.besselk(1, x), POSITIVE, 4e-15),
    "bessel_j0": (lambda x: mp.besselj(0, x), SIGNED, 1e-15),
    "bessel_j1": (lambda x: mp.besselj(1, x), SIGNED, 1e-15),
    "bessel_y0": (lambda x: mp.bessely(0, x), POSITIVE, 1e-15),
    "bessel_y1": (lambda x: mp.bessely(1, x), POSITIVE, 1e-15),
    "airy_ai": (mp.airyai, SIGNED / 4, 1e-14),
    "airy_ai_slope": (lambda x: mp.airyai(x, derivative=1), SIGNED / 4, 3e-14),
}


@pytest.mark.parametrize("name", CASES)
def test_values(name):
    function, x, bound = CASES[name]
    with mp.workdps(160 if name in ("erfinv", "ndtri", "log_ndtr") else 30):
        expected = np.array([float(mp.re(function(mp.mpf(float(v))))) for v in x])
    found = getattr(op, name)(x)
    scale = np.where(expected == 0, 1.0, np.abs(expected))
    if name.startswith(("bessel", "airy", "lgamma", "digamma")):
        scale = np.maximum(scale, 0.2)
    assert np.abs((found - expected) / scale).max() < bound


@pytest.mark.parametrize("n", [1, 2, 5])
def test_polygamma(n):
    x = np.r_[POSITIVE[4:], -POSITIVE[6:40] + 1e-3]
    expected = np.array([float(mp.polygamma(n, mp.mpf(float(v)))) for v in x])
    np.testing.assert_allclose(tg.polygamma(n, x), expected, rtol=1e-11)
    np.testing.assert_allclose(tg.polygamma(n, x[x > 0]), expected[x > 0], rtol=3e-15)


def test_incomplete_gamma():
    for a in (1e-3, 0.3, 1.0, 7.5, 150.0, 3000.0):
        x = a * np.array([0.05, 0.3, 0.8, 0.99, 1.0, 1.01, 1.3, 2.0, 5.0]) + (a < 1) * 0.4
        expected = [float(mp.gammainc(a, 0, v, regularized=True)) for v in x]
        np.testing.assert_allclose(tg.igamma(a, x), expected, rtol=1e-11, atol=1e-300)
        expected = [float(mp.gammainc(a, v, mp.inf, regularized=True)) for v in x]
        np.testing.assert_allclose(tg.igammac(a, x), expected, rtol=1e-11, atol=1e-300)
