"""Counts of elements in bins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import Array
from ..errors import RangeError, ShapeError
from ..op import Bad, Composite, Op, Sample
from ..samples import array
from .searching import bisected
from .selection import beside


class Histogram(NamedTuple):
    """Counts (or densities), and the edges of the bins."""

    hist: Any
    bin_edges: Any


class Histc(Op, name="histc"):
    """Number of elements in each of `bins` bins of equal width from `min` to `max`.

    If they are equal, from the least to the largest element. Elements outside are not counted.
    """

    differentiable = False

    def forward(self, input: Array, bins: int = 100, min: float = 0, max: float = 0) -> Array:
        """Counts, in the input's dtype."""
        if bins <= 0 or min > max:
            raise RangeError(f"expected bins > 0 and min <= max, got {bins}, {min} and {max}")
        if min == max and input.size:
            min, max = input.min(), input.max()
        if not (np.isfinite(min) and np.isfinite(max)):
            raise RangeError(f"the range of [{min}, {max}] is not finite")
        if min == max:
            min, max = min - 1, max + 1
        inside = input[(input >= min) & (input <= max)].reshape(-1)
        places = ((inside - min) * bins / (max - min)).astype(np.int64)
        counts = np.bincount(np.minimum(places, bins - 1), minlength=bins)
        return counts.astype(input.dtype)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """The elements' own range, and one that leaves some out."""
        yield Sample((array((3, 4)), 5))
        yield Sample((array((3, 4)), 4, -1, 1))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """No bins, and an empty range."""
        yield Bad((array((3,)), 0), {}, RangeError, "bins > 0")
        yield Bad((array((3,)), 2, 1, 0), {}, RangeError, "min <= max")


class HistogramOp(Op, name="histogram"):
    """Histogram over `bins` equal bins of a `range`, or over bins of given edges.

    A bin holds its lower edge, the last one both. `weight` counts each element as that much;
    `density` divides by total and width, so that the integral is 1.
    """

    differentiable = False

    def forward(
        self,
        input: Array,
        bins: Any,
        range: Any = None,
        weight: Any = None,
        density: bool = False,
    ) -> Any:
        """Counts and edges, both in the input's dtype."""
        found, edges = _histogram(input.reshape(-1, 1), [bins], range, weight, density)
        return Histogram(found, edges[0])

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """A number of bins, a range, edges, weights."""
        x = np.round(array((3, 4)) * 8).astype(np.float32) / 8  # and edges, without rounding
        yield Sample((x, 4))
        yield Sample((x, 4), {"range": (-1.0, 1.0), "density": True})
        yield Sample((x, np.array([-1, 0, 2], np.float32)), {"weight": np.abs(x)})

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """No bins."""
        yield Bad((array((3,)), 0), {}, RangeError, "bins > 0")


class Histogramdd(Composite, name="histogramdd", spaces=("",)):
    """Histogram of points, the rows of the input, in as many dimensions as it has columns.

    `bins` is a number of bins, one for each dimension, or the edges in each; `range` holds the
    lower and upper end of each in turn. Otherwise as `histogram`.
    """

    differentiable = False

    @staticmethod
    def forward(
        input: Any,
        bins: Any,
        range: Any = None,
        weight: Any = None,
        density: bool = False,
    ) -> Any:
        """Counts, and a tuple of edges."""
        points, columns = np.asarray(input), input.shape[-1]
        bins = [bins] * columns if isinstance(bins, int) else list(bins)
        if len(bins) != columns:
            raise ShapeError(f"{len(bins)} bins for points of {columns} dimensions")
        points = points.reshape(-1, columns)
        found, edges = _histogram(points, bins, range, weight, density)
        return Histogram(beside(input, found), tuple(beside(input, cuts) for cuts in edges))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """A number for each dimension, and edges."""
        x = array((6, 2))
        yield Sample((x, (3, 3)))
        yield Sample((x, 2), {"range": (-1.0, 1.0, -2.0, 2.0), "density": True})
        yield Sample((x, [np.array([-2.0, 0.0, 2.0]), np.array([-1.0, 0.0, 1.0])]))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Bins for another number of dimensions."""
        yield Bad((array((5, 3)), (2, 2)), {}, ShapeError, "2 bins for points of 3")


def _histogram(
    points: Array, bins: Sequence[Any], ends: Any, weight: Any, density: bool
) -> tuple[Array, list[Array]]:
    edges = [
        _edges(points[:, i], size, ends and ends[2 * i : 2 * i + 2], points)
        for i, size in enumerate(bins)
    ]
    inside = np.ones(len(points), bool)
    places = np.zeros(len(points), np.int64)
    for i, cuts in enumerate(edges):
        x = points[:, i]
        inside &= (x >= cuts[0]) & (x <= cuts[-1])
        place = np.minimum(bisected(cuts, x, True) - 1, len(cuts) - 2)
        places = places * (len(cuts) - 1) + place
    shape = [len(cuts) - 1 for cuts in edges]
    weights = None if weight is None else np.asarray(weight).reshape(-1)[inside]
    counts = np.bincount(places[inside], weights, int(np.prod(shape)))
    found = counts.reshape(shape).astype(points.dtype)
    if density:
        found = found / found.sum()
        for i, cuts in enumerate(edges):
            found /= np.diff(cuts).reshape([-1 if i == j else 1 for j in np.arange(len(shape))])
    return found, edges


def _edges(x: Array, bins: Any, ends: Any, like: Array) -> Array:
    if not isinstance(bins, (int, np.integer)):
        return np.asarray(bins)
    if bins <= 0:
        raise RangeError(f"expected bins > 0, got {bins}")
    low, high = ends if ends else (x.min(), x.max()) if x.size else (0, 1)
    if low == high:
        low, high = (low - 0.5, high + 0.5) if not ends else (low, high)
    return np.linspace(low, high, int(bins) + 1).astype(like.dtype)


class Bincount(Op, name="bincount"):
    """How often each whole number from 0 on occurs, or the sum of the weights where it does."""

    differentiable = False

    def forward(self, input: Array, weights: Any = None, minlength: int = 0) -> Array:
        """Counts, int64, or sums."""
        if input.ndim != 1 or input.dtype.kind not in "iu" or (input.size and input.min() < 0):
            raise RangeError("bincount: expected a 1-d tensor of whole numbers that are not < 0")
        if weights is None:
            return np.bincount(input, minlength=minlength)
        weights = np.asarray(weights)
        kind = np.float32 if weights.dtype == np.float32 else np.float64
        return np.bincount(input, weights, minlength).astype(kind)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Counts and sums."""
        yield Sample((np.array([1, 3, 1]), None, 6))
        yield Sample((np.array([1, 3, 1]), array((3,)).astype(np.float32)))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Numbers below 0."""
        yield Bad((np.array([-1]),), {}, RangeError, "not < 0")
