"""Sampling an image at arbitrary places: grids of affine maps, and interpolation on them.

Where a place lies between pixels is computed with operations, so that the derivative with respect
to the grid comes by itself; which pixels these are is piecewise constant and has none.
Source: Jaderberg et al. 2015, "Spatial transformer networks".
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import ArgumentError, ArgumentTypeError, DtypeError, ShapeError
from ..op import Bad, Sample, compose, op
from ..samples import array
from ..tensor import array_of

_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


def _reflected(place: Array, size: int, align: bool) -> tuple[Array, Array]:
    """Places mirrored at both ends until they are inside, and the sign of the derivative."""
    low, span = (0.0, size - 1.0) if align else (-0.5, float(size))
    if span <= 0:
        return np.zeros_like(place), np.zeros_like(place)
    away = place - low
    flips, rest = np.divmod(np.abs(away), span)
    odd = flips % 2 == 1
    value = np.where(odd, span - rest, rest) + low
    return value, np.where(odd, -1, 1) * np.where(away < 0, -1, 1)


def _inside(x: Any, size: int, padding: str, align: bool) -> Any:
    """Places moved inside the image as `padding` says, with that derivative."""
    if padding == "zeros":
        return x
    value = array_of(x)
    if padding == "reflection":
        mirrored, sign = _reflected(value, size, align)
        slope = sign.astype(value.dtype)
        x = x * slope + (mirrored - value * slope).astype(value.dtype)
        value = mirrored
    edge = np.clip(np.nan_to_num(value, nan=0.0), 0, size - 1).astype(x.dtype)
    return op.where((value > 0) & (value < size - 1), x, edge)


def _index(place: Array, size: int, padding: str, align: bool) -> tuple[Array, Array]:
    """Indices of whole places, made valid, and whether they count."""
    if padding == "reflection":
        place = _reflected(place, size, align)[0]
    outside = (place < 0) | (place > size - 1)
    counts = ~outside if padding == "zeros" else np.asarray(True)
    index = np.clip(np.nan_to_num(place, nan=-1.0), 0, size - 1).astype(np.int64)
    return index, counts


def _cubic(t: Any, a: float = -0.75) -> list[Any]:
    """Weights of the four pixels around a place `t` after the second; Keys 1981."""
    weights = []
    for near, x in ((False, t + 1), (True, t), (True, 1 - t), (False, 2 - t)):
        if near:
            weights.append(((a + 2) * x - (a + 3)) * x * x + 1)
        else:
            weights.append(((x - 5) * x + 8) * x * a - 4 * a)
    return weights


def _taps(x: Any, size: int, mode: str, padding: str, align: bool) -> list[tuple[Any, Any, Any]]:
    """For one dimension: indices, whether they count, and weights (None for 1)."""
    x = (x + 1) * ((size - 1) / 2) if align else ((x + 1) * size - 1) * 0.5
    if mode != "bicubic":
        x = _inside(x, size, padding, align)
        padding = "zeros"  # what sticks out now has the weight 0, or is outside
    place = array_of(x)
    if mode == "nearest":
        return [(*_index(np.rint(place), size, padding, align), None)]
    first = np.floor(place)
    share = x - first
    if mode == "bilinear":
        pairs = [(first, 1 - share), (first + 1, share)]
    else:
        pairs = list(zip((first + k for k in (-1, 0, 1, 2)), _cubic(share), strict=True))
    return [(*_index(p, size, padding, align), weight) for p, weight in pairs]


def _checked(input: Any, grid: Any) -> None:
    if np.ndim(input) not in (4, 5) or np.ndim(grid) != np.ndim(input):
        raise ShapeError(
            "expected input and grid of 4 or of 5 dimensions, got the shapes "
            f"{np.shape(input)} and {np.shape(grid)}"
        )
    if input.dtype != grid.dtype:
        raise DtypeError(f"expected one dtype, got {input.dtype} and {grid.dtype}")
    count = input.ndim - 2
    if input.shape[0] != grid.shape[0] or grid.shape[-1] != count:
        raise ShapeError(
            f"expected a grid of {input.shape[0]} batches and places of {count} numbers for an "
            f"input of shape {tuple(input.shape)}, got {tuple(grid.shape)}"
        )
    if min(input.shape[2:]) <= 0:
        raise ShapeError(f"expected non-empty spatial dimensions, got {tuple(input.shape)}")


def _sampled(input: Any, grid: Any, mode: str, padding: str, align: bool) -> Any:
    """The sum over the pixels around each place, weighted dimension by dimension."""
    _checked(input, grid)
    size, flat = tuple(input.shape[2:]), op.flatten(input, 2)
    taps = [
        _taps(op.select(grid, -1, len(size) - 1 - i), n, mode, padding, align)
        for i, n in enumerate(size)
    ]
    shape = (*input.shape[:2], *grid.shape[1:-1])
    total: Any = None
    for corner in product(*taps):
        index, counts, weight = np.zeros((), np.int64), np.asarray(True), None
        for (place, inside, w), n in zip(corner, size, strict=True):
            index, counts = index * n + place, counts & inside
            weight = w if weight is None else weight * w
        where = index.reshape(len(index), 1, -1)
        where = np.broadcast_to(where, (*shape[:2], where.shape[2]))
        value = op.reshape(op.gather(flat, 2, where), shape)
        if not counts.all():
            value = op.masked(value, np.broadcast_to(counts[:, None], shape))
        if weight is not None:
            value = value * op.unsqueeze(weight, 1)
        total = value if total is None else total + value
    if mode == "nearest":  # a function of the grid all the same, whose derivative is 0
        x = op.select(grid, -1, 0)
        total = total + op.unsqueeze(op.masked(x, np.zeros(x.shape, bool)), 1)
    return total


_X = array((2, 2, 3, 4))
_GRID, _DEEP = array((2, 2, 3, 2), -1.4, 1.4, 1), array((1, 1, 1, 2, 3), -1.4, 1.4, 1)


@compose(
    Sample((_X, _GRID)),
    Sample((_X, _GRID, "bilinear", "reflection", True)),
    Sample((_X, _GRID, "nearest", "border")),
    Sample((_X, _GRID, "bicubic", "reflection")),
    Sample((array((1, 1, 2, 3, 2)), _DEEP, "bilinear", "border")),
    spaces=("nn.functional",),
    errors=(
        Bad((_X, _GRID[0]), {}, ShapeError, "4 or of 5 dimensions"),
        Bad((_X, _GRID[:1]), {}, ShapeError, "2 batches"),
        Bad((_X, _GRID, "linear"), {}, ArgumentError, "'linear'"),
        Bad((_X, _GRID, "nearest", "mirror"), {}, ArgumentError, "'mirror'"),
    ),
)
def grid_sample(
    input: Any,
    grid: Any,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Any:
    """(N, C, H, W) interpolated at places (x, y), a grid (N, H', W', 2); also (N, C, D, H, W).

    -1 and 1 are the outer edges of the image, or with `align_corners` the centres of its outer
    pixels. Outside of it is 0, its border, or its reflection.
    """
    if mode not in _MODES:
        raise ArgumentError(f"mode is one of {', '.join(_MODES)}, not {mode!r}")
    if padding_mode not in _PADDINGS:
        raise ArgumentError(f"padding_mode is one of {', '.join(_PADDINGS)}, not {padding_mode!r}")
    return _sampled(input, grid, mode, padding_mode, bool(align_corners))


@compose(Sample((_X, _GRID, 0, 0, False)), spaces=("",))
def grid_sampler_2d(
    input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Any:
    """`grid_sample` of images, with the modes as numbers."""
    mode, padding = _MODES[interpolation_mode], _PADDINGS[padding_mode]
    return _sampled(input, grid, mode, padding, align_corners)


@compose(
    Sample((array((1, 1, 2, 3, 2)), _DEEP, 0, 1, True)), aliases=("grid_sampler",), spaces=("",)
)
def grid_sampler_3d(
    input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Any:
    """`grid_sample` of volumes, with the modes as numbers."""
    mode, padding = _MODES[interpolation_mode], _PADDINGS[padding_mode]
    return _sampled(input, grid, mode, padding, align_corners)


@compose(
    Sample((array((2, 2, 3)), (2, 1, 2, 3))),
    Sample((array((1, 3, 4)), (1, 1, 2, 1, 3), True)),
    spaces=("nn.functional",),
    errors=(
        Bad((array((2, 3)), (2, 1, 2, 3)), {}, ShapeError, r"\(2, 2, 3\)"),
        Bad((array((2, 2, 3)), (2, 1, 2)), {}, ShapeError, "4 or 5"),
        Bad((array((2, 2, 3)), (2, 1, 0, 2)), {}, ShapeError, "positive"),
        Bad((np.ones((2, 2, 3), np.int64), (2, 1, 2, 2)), {}, ArgumentError, "floating"),
    ),
)
def affine_grid(theta: Any, size: Any, align_corners: bool | None = None) -> Any:
    """The grid for `grid_sample` of the affine maps theta (N, 2, 3) or (N, 3, 4).

    The place p of an output of `size` (N, C, *) reads the input at theta · (p, 1).
    """
    count = len(size) - 2
    if not hasattr(theta, "dtype"):
        raise ArgumentTypeError(f"expected a tensor or an array for 'theta', got {theta!r}")
    if theta.dtype.kind != "f":
        raise ArgumentError(f"expected a floating theta, got {theta.dtype}")
    if count not in (2, 3):
        raise ShapeError(f"expected 4 or 5 sizes, got {tuple(size)}")
    if tuple(theta.shape) != (size[0], count, count + 1):
        raise ShapeError(
            f"expected a theta of shape {(size[0], count, count + 1)} for the size {tuple(size)}, "
            f"got {tuple(theta.shape)}"
        )
    if min(size) <= 0:
        raise ShapeError(f"expected positive sizes, got {tuple(size)}")
    axes = []
    for n in size[2:]:
        edge = 1.0 if align_corners else 1 - 1 / n
        axes.append(np.linspace(-edge, edge, n) if n > 1 else np.zeros(1))
    places = np.stack([*np.meshgrid(*axes, indexing="ij")[::-1], np.ones(tuple(size[2:]))], -1)
    flat = places.reshape(-1, count + 1).astype(theta.dtype)
    return op.reshape(op.matmul(flat, theta.mT), (size[0], *size[2:], count))
