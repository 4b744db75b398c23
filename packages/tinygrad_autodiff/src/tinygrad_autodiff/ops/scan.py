"""Running sums, products and extrema along a dimension."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..dtypes import Array, as_dtype
from ..errors import DimError
from ..op import Bad, Op, Sample, compose, op
from ..samples import array
from .dims import one_dim
from .selection import selected

_X = array((2, 3, 4))
_ALONG = (Sample((_X, 0)), Sample((_X, -1)), Sample((array(()), 0)))
_OUT_OF_RANGE = (Bad((array((2, 3)), 2), {}, DimError, "but got 2"),)


class Cumsum(Op, name="cumsum"):
    """Running sum along `dim`.  Adjoint: the running sum from the other end."""

    linear = True
    source: Any = None  # the input's dtype, if another was asked for

    def forward(self, input: Array, dim: int, dtype: Any = None) -> Array:
        """Values; integers add up to int64."""
        if dtype is not None:
            self.source, input = input.dtype, input.astype(as_dtype(dtype))
        axis = one_dim(dim, input.ndim)
        kind = np.dtype(np.int64) if input.dtype.kind in "bui" else input.dtype
        if not input.ndim:
            return input.astype(kind)
        wide = np.float32 if kind == np.float16 else kind
        return np.add.accumulate(input, axis, wide).astype(kind, copy=False)

    def backward(self, g: Any, dim: Any, source: Any) -> Any:
        """Sum from the other end."""
        found = op.flip(op.cumsum(op.flip(g, dim), dim), dim) if g.ndim else op.clone(g)
        return found if source is None else op.to(found, source)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Every dimension; 0-d."""
        for dim in (0, 1, -1):
            yield Sample((array((2, 3, 4)), dim))
        yield Sample((array(()), 0))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A dimension out of range."""
        yield from _OUT_OF_RANGE


def _scanned(input: Any, dim: int, combine: Callable[[Any, Any], Any]) -> Any:
    """Running `combine` along `dim` in log₂(N) passes, each differentiable where `combine` is.

    After the pass of length s every element holds the last 2s ones combined.
    Source: Hillis & Steele, Data parallel algorithms (1986).
    """
    axis, step = one_dim(dim, input.ndim), 1
    while input.ndim and step < input.shape[axis]:
        rest = input.shape[axis] - step
        first = op.narrow(input, axis, 0, step)
        both = combine(op.narrow(input, axis, 0, rest), op.narrow(input, axis, step, rest))
        input, step = op.cat([first, both], axis), 2 * step
    return input


@compose(*_ALONG, Sample((np.array([[1.5, 0.0, -2.0, 0.0, 3.0, 0.5]]), 1)), errors=_OUT_OF_RANGE)
def cumprod(input: Any, dim: int, dtype: Any = None) -> Any:
    """Running product along `dim`; zeros need no special case, as no rule divides."""
    if dtype is not None or input.dtype.kind in "bui":
        input = op.to(input, dtype or np.int64)
    return _scanned(input if input.ndim else op.clone(input), dim, op.mul)


@compose(*_ALONG, Sample((_X * 300, 1)), errors=_OUT_OF_RANGE)
def logcumsumexp(input: Any, dim: int) -> Any:
    """``log Σexp`` of the elements up to each one along `dim`, without overflow."""
    add = lambda a, b: op.logsumexp(op.stack([a, b]), 0)  # noqa: E731
    return _scanned(input if input.ndim else op.clone(input), dim, add)


@compose(*_ALONG, errors=_OUT_OF_RANGE)
def cummax(input: Any, dim: int) -> Any:
    """Running maximum along `dim` and the index of the last element that attains it."""
    return _running(input, dim, np.maximum)


@compose(*_ALONG, errors=_OUT_OF_RANGE)
def cummin(input: Any, dim: int) -> Any:
    """Running minimum along `dim` and the index of the last element that attains it."""
    return _running(input, dim, np.minimum)


def _running(input: Any, dim: int, better: Any) -> Any:
    axis, x = one_dim(dim, input.ndim), np.asarray(input)
    if not x.ndim:
        return selected(input, np.zeros((), np.int64), dim)
    attained = (x == better.accumulate(x, axis)) | (x != x)
    count = np.arange(x.shape[axis]).reshape((-1,) + (1,) * (x.ndim - 1 - axis))
    places = np.maximum.accumulate(np.where(attained, count, 0), axis)
    return selected(input, places, dim)
