"""Differences, numerical derivatives and areas along a dimension."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import get_default_dtype
from ..errors import DimError, RangeError
from ..op import Bad, Sample, compose, op
from ..samples import array
from .dims import one_dim

_X = array((2, 3, 4))
_PLACES = [np.array([1.0, 1.5, 3.5]), np.array([4.0, 2.0, 1.0, 0.5])]


@compose(
    Sample((_X,)),
    Sample((_X, 2, 1)),
    Sample((_X, 1, 0, array((1, 3, 4), seed=1), array((2, 3, 4), seed=2))),
    Sample((array((3,)), 5)),
    errors=(
        Bad((array((3,)), -1), {}, RangeError, "order must be non-negative, but is -1"),
        Bad((array(()),), {}, RangeError, "at least one dimension"),
    ),
)
def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours along `dim`, `n` times; of truth values, whether they differ."""
    if n < 0:
        raise RangeError(f"diff: the order must be non-negative, but is {n}")
    if not input.ndim:
        raise RangeError("diff: expected an input of at least one dimension")
    axis = one_dim(dim, input.ndim)
    parts = [part for part in (prepend, input, append) if part is not None]
    out = op.cat(parts, axis) if len(parts) > 1 else input
    for _ in range(min(n, out.shape[axis])):
        first, second = _pairs(out, axis)
        out = op.logical_xor(second, first) if out.dtype.kind == "b" else second - first
    return op.clone(out) if n == 0 else out


def _pairs(input: Any, axis: int) -> tuple[Any, Any]:
    """All elements along `axis` but the last, and all but the first."""
    count = max(input.shape[axis] - 1, 0)
    return op.narrow(input, axis, 0, count), op.narrow(
        input, axis, input.shape[axis] - count, count
    )


@compose(
    Sample((array((4, 3)),)),
    Sample((array((4, 3)),), {"spacing": 0.5, "dim": 0, "edge_order": 2}),
    Sample((array((3, 4)),), {"spacing": [2.0, 0.5]}),
    Sample((array((3, 4)),), {"spacing": _PLACES, "dim": (0, -1), "edge_order": 2}),
    spaces=("",),
    errors=(
        Bad((array((3, 3)), [0.1], (1, 0)), {}, RangeError, "one spacing for each"),
        Bad((array((3,)), 1, None, 3), {}, RangeError, "edge_order is 1 or 2"),
        Bad((array((3, 3)), 1, (1, 1)), {}, RangeError, "more than once"),
        Bad((array((3,)), 1, 3), {}, DimError, "but got 3"),
        Bad((array((3, 1)),), {}, RangeError, "at least 2 elements"),
    ),
)
def gradient(input: Any, spacing: Any = 1, dim: Any = None, edge_order: int = 1) -> Any:
    """Estimates of the partial derivatives of a sampled function, one for each of `dim`.

    `spacing` is the distance of the samples, one distance for each dimension, or the coordinates
    of the samples for each dimension. Central differences of second order inside, also where the
    samples are not equally spaced; one-sided ones of order `edge_order` at the ends.
    """
    given = range(input.ndim) if dim is None else dim if isinstance(dim, (tuple, list)) else (dim,)
    axes = [one_dim(d, input.ndim) for d in given]
    steps = list(spacing) if isinstance(spacing, (tuple, list)) else [spacing] * len(axes)
    if len(set(axes)) != len(axes):
        raise RangeError(f"gradient: a dimension appears more than once in {dim}")
    if edge_order not in (1, 2):
        raise RangeError(f"gradient: edge_order is 1 or 2, not {edge_order}")
    if len(steps) != len(axes):
        raise RangeError(
            f"gradient: expected a number or one spacing for each of {len(axes)} dimensions, "
            f"got {len(steps)}"
        )
    for axis in axes:
        if input.shape[axis] <= edge_order:
            raise RangeError(
                f"gradient: expected at least {edge_order + 1} elements along dimension {axis} "
                f"of {input.shape}"
            )
    return tuple(
        _slope(input, 1 if step is None else step, axis, edge_order)
        for axis, step in zip(axes, steps, strict=True)
    )


def _slope(f: Any, step: Any, axis: int, order: int) -> Any:
    """Derivative along `axis`: of the parabola through three neighbours, at the middle one."""
    count, kind = f.shape[axis], f.dtype if f.dtype.kind in "fc" else get_default_dtype()
    if getattr(step, "ndim", 0):
        if step.shape != (count,):
            raise RangeError(f"gradient: coordinates of shape {step.shape} for {count} samples")
        places = op.to(step, kind)
        gaps = op.narrow(places, 0, 1, count - 1) - op.narrow(places, 0, 0, count - 1)
    else:
        gaps = np.full(count - 1, step, kind)
    gaps = op.reshape(gaps, (-1,) + (1,) * (f.ndim - 1 - axis))
    first, second = _pairs(f, axis)
    slopes = (second - first) / gaps  # of the chords
    before, after = _pairs(slopes, axis)
    left, right = _pairs(gaps, 0)
    inside = before * (right / (left + right)) + after * (left / (left + right))
    start, end = op.narrow(slopes, axis, 0, 1), op.narrow(slopes, axis, count - 2, 1)
    if order == 2:
        near, far = (op.narrow(inside, axis, i, 1) for i in (0, count - 3))
        start, end = 2 * start - near, 2 * end - far
    return op.cat([start, inside, end], axis)


_AREAS = (
    Sample((_X,)),
    Sample((_X,), {"dx": 0.5, "dim": 1}),
    Sample((_X, array((4,), seed=1))),
    Sample((_X, array((2, 3, 4), seed=1)), {"dim": 1}),
)


@compose(*_AREAS, aliases=("trapz",), spaces=("",))
def trapezoid(y: Any, x: Any = None, dx: Any = None, dim: int = -1) -> Any:
    """Area under the samples `y` along `dim` by the trapezoidal rule; `x` are their places."""
    return op.sum(_trapezoids(y, x, dx, dim), dim)


@compose(*_AREAS, spaces=("",))
def cumulative_trapezoid(y: Any, x: Any = None, dx: Any = None, dim: int = -1) -> Any:
    """Area under the samples `y` up to each one but the first, by the trapezoidal rule."""
    return op.cumsum(_trapezoids(y, x, dx, dim), dim)


def _trapezoids(y: Any, x: Any, dx: Any, dim: int) -> Any:
    first, second = _pairs(y, one_dim(dim, y.ndim))
    if x is None:
        return (first + second) * ((1 if dx is None else dx) / 2)
    if x.ndim == 1 and y.ndim > 1:
        x = op.reshape(x, (-1,) + (1,) * (y.ndim - 1 - one_dim(dim, y.ndim)))
        before, after = _pairs(x, 0)
    else:
        before, after = _pairs(x, one_dim(dim, x.ndim))
    return (first + second) * (after - before) / 2
