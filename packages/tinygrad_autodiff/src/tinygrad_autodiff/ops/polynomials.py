"""Orthogonal polynomials by their three-term recurrences, one row of a table each.

``p[0] = 1``, ``p[1]`` as given, and ``p[k+1] = (a·x + b)·p[k] - c·p[k-1]`` with a, b, c of k.
Source: Abramowitz & Stegun, table 22.7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..op import Array, Elementwise, Sample
from .special import undefined, widened


class Recurrence(NamedTuple):
    """A family: its title, p[1], and the coefficients of step k."""

    title: str
    first: Callable[[Array], Array]
    step: Callable[[int], tuple[float, float, float]]


_CHEBYSHEV: Callable[[int], tuple[float, float, float]] = lambda k: (2.0, 0.0, 1.0)  # noqa: E731
_FAMILIES = {
    "chebyshev_polynomial_t": Recurrence("Chebyshev, first kind", lambda x: x, _CHEBYSHEV),
    "chebyshev_polynomial_u": Recurrence("Chebyshev, second kind", lambda x: 2 * x, _CHEBYSHEV),
    "chebyshev_polynomial_v": Recurrence("Chebyshev, third kind", lambda x: 2 * x - 1, _CHEBYSHEV),
    "chebyshev_polynomial_w": Recurrence("Chebyshev, fourth kind", lambda x: 2 * x + 1, _CHEBYSHEV),
    "hermite_polynomial_h": Recurrence(
        "Hermite, physicists'", lambda x: 2 * x, lambda k: (2.0, 0.0, 2.0 * k)
    ),
    "hermite_polynomial_he": Recurrence(
        "Hermite, probabilists'", lambda x: x, lambda k: (1.0, 0.0, float(k))
    ),
    "laguerre_polynomial_l": Recurrence(
        "Laguerre", lambda x: 1 - x, lambda k: (-1 / (k + 1), (2 * k + 1) / (k + 1), k / (k + 1))
    ),
    "legendre_polynomial_p": Recurrence(
        "Legendre", lambda x: x, lambda k: ((2 * k + 1) / (k + 1), 0.0, k / (k + 1))
    ),
}


def evaluated(family: Recurrence, x: Array, n: Array) -> Array:
    """p[n](x), n cut to a whole number; 0 for n < 0."""
    x, n = np.broadcast_arrays(x, np.trunc(n))
    before, current = np.ones_like(x), family.first(x)
    value = np.where(n == 0, before, np.where(n == 1, current, 0.0))
    for k in range(1, int(np.max(n, initial=0))):
        a, b, c = family.step(k)
        before, current = current, (a * x + b) * current - c * before
        value = np.where(n == k + 1, current, value)
    return value


class _Polynomial(Elementwise):
    promote, quiet, numbers = "float", True, "one"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Several degrees at once; without derivatives, as in torch."""
        x = np.array([[-0.9], [0.3], [1.0], [2.0]], np.float32)
        yield Sample((x, np.array([-1, 0, 1, 2, 5, 8], np.float32)))
        yield Sample((x, 3))


def _declare(name: str, family: Recurrence, shifted: bool) -> None:
    def values(x: Array, n: Array) -> Array:
        return evaluated(family, 2 * x - 1 if shifted else x, n)

    body = {
        "__doc__": f"The {family.title} polynomial of degree `n`"
        + (", of 2·input - 1." if shifted else "."),
        "__module__": __name__,
        "forward": widened(values, "input", "n"),
        "partials": (undefined(name, "input"), undefined(name, "n")),
    }
    made: Any = type(name, (_Polynomial,), body, name=name, spaces=("special",))
    globals()[name] = made


for _name, _family in _FAMILIES.items():
    _declare(_name, _family, False)
    if _family.step is _CHEBYSHEV:
        _declare(f"shifted_{_name}", _family, True)
