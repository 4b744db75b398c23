"""Interpolation to another size: separable, one sparse table a dimension (`resampling`).

The centre of output i lies at (i + 1/2)·scale - 1/2 of the input, or at i·scale with
`align_corners`.  Cubic: Keys 1981 with a = -3/4; with `antialias` the kernel is stretched to the
width of an output pixel, and a = -1/2, as in the imaging library PIL.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import ArgumentError, ArgumentTypeError
from ..op import Bad, Sample, compose, op
from ..samples import array
from .pooling import adaptive_table
from .resampling import Table

_RANK = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3, "lanczos": 2}
_MODES = ("nearest", "nearest-exact", "area", *_RANK)


def cubic_weights(distance: Array, a: float = -0.75) -> Array:
    """The kernel of Keys at `distance` from its centre; 0 from 2 on."""
    x = np.abs(distance)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    weights: Array = np.where(x < 1, near, np.where(x < 2, far, 0.0))
    return weights


_FILTERS: dict[str, tuple[float, Callable[[Array], Array]]] = {
    "bilinear": (1.0, lambda x: np.maximum(1 - np.abs(x), 0)),
    "bicubic": (2.0, lambda x: cubic_weights(x, -0.5)),
    "lanczos": (3.0, lambda x: np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)),
}


def _smoothed(mode: str, size: int, outputs: int, scale: float) -> Table:
    """Weighted means over all elements under a filter as wide as an output pixel."""
    reach, weight = _FILTERS[mode]
    width = max(scale, 1.0)
    centre = (np.arange(outputs) + 0.5) * scale
    first = np.maximum((centre - reach * width + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + reach * width + 0.5).astype(np.int64), size)
    offset = np.arange(int((last - first).max(initial=0)))[:, None]
    weights = weight((offset + first - centre + 0.5) / width) * (offset < last - first)
    weights = weights / weights.sum(0)
    rows = [np.flatnonzero(o < last - first) for o in offset]
    return Table(outputs, size, [(r, first[r] + o, weights[o, r]) for o, r in enumerate(rows)])


@lru_cache(maxsize=256)
def _table(
    mode: str, size: int, outputs: int, factor: float | None, align: bool, antialias: bool
) -> Table:
    """The weights of `size` elements in each of `outputs`."""
    if mode == "area":
        return adaptive_table(size, outputs)
    rows = np.arange(outputs)
    scale = size / outputs if factor is None else 1 / factor
    if mode in ("nearest", "nearest-exact"):  # in float32, as torch decides ties
        shift = np.float32(0.5 if mode == "nearest-exact" else 0.0)
        place = (rows.astype(np.float32) + shift) * np.float32(scale)
        source = np.minimum(np.floor(place).astype(np.int64), size - 1)
        return Table(outputs, size, [(rows, source, 1.0)])
    if align:
        scale = (size - 1) / (outputs - 1) if outputs > 1 else 0.0
    if antialias:
        return _smoothed(mode, size, outputs, scale)
    centre = rows * scale if align else (rows + 0.5) * scale - 0.5
    if mode == "bicubic":
        first = np.floor(centre).astype(np.int64) - 1
        taps = [
            (np.clip(first + k, 0, size - 1), cubic_weights(centre - first - k)) for k in range(4)
        ]
    else:
        centre = np.clip(centre, 0, size - 1)
        first = np.floor(centre).astype(np.int64)
        share = centre - first
        taps = [(first, 1 - share), (np.minimum(first + 1, size - 1), share)]
    kept = ((rows[w != 0], source[w != 0], w[w != 0]) for source, w in taps)
    return Table(outputs, size, kept)


def _sizes(input: Any, size: Any, scale_factor: Any) -> tuple[list[int], list[float | None]]:
    """Sizes of the output, and the factors by which they were given."""
    count = input.ndim - 2
    if (size is None) == (scale_factor is None):
        word = "only one of" if size is not None else "either"
        raise ArgumentError(f"{word} size or scale_factor should be defined")
    given = size if size is not None else scale_factor
    several = list(given) if isinstance(given, (tuple, list)) else [given] * count
    if len(several) != count:
        raise ArgumentError(
            f"expected {count} numbers for an input of shape {tuple(input.shape)}, got {given}"
        )
    if size is None:
        factors = [float(f) for f in several]
        outputs = [math.floor(n * f) for n, f in zip(input.shape[2:], factors, strict=True)]
    else:
        if not all(isinstance(n, (int, np.integer)) for n in several):
            raise ArgumentTypeError(f"expected size as ints, got {size!r}")
        factors, outputs = [], several
    if min(outputs) <= 0 or min(input.shape[1:]) <= 0:
        raise ArgumentError(
            f"input and output sizes should be greater than 0, but got {tuple(input.shape)} "
            f"and {outputs}"
        )
    return outputs, [*factors] or [None] * count


_X = array((1, 2, 3, 4))


@compose(
    Sample((_X, (5, 2))),
    Sample((_X,), {"scale_factor": 1.6, "mode": "nearest-exact"}),
    Sample((_X[0], 7), {"mode": "linear"}),
    Sample((_X, (5, 2)), {"mode": "bilinear", "align_corners": True}),
    Sample((_X,), {"scale_factor": 1.6, "mode": "bicubic"}),
    Sample((_X[None], 2), {"mode": "trilinear"}),
    Sample((_X, (5, 2)), {"mode": "area"}),
    Sample((_X, 2), {"mode": "bicubic", "antialias": True}),
    Sample((_X, (2, 3)), {"mode": "bilinear", "antialias": True}),
    spaces=("nn.functional",),
    errors=(
        Bad((_X,), {}, ArgumentError, "either size or scale_factor"),
        Bad((_X, 2, 2), {}, ArgumentError, "only one of"),
        Bad((_X, (2,)), {}, ArgumentError, "expected 2 numbers"),
        Bad((_X, 0), {}, ArgumentError, "greater than 0"),
        Bad((_X, 2, None, "cubic"), {}, ArgumentError, "'cubic'"),
        Bad((_X, 2, None, "linear"), {}, ArgumentError, "3 dimensions"),
        Bad((_X, 2), {"align_corners": True}, ArgumentError, "align_corners"),
    ),
)
def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """(N, C, *) resampled to `size`, or to its size times `scale_factor`.

    Modes: "nearest", "nearest-exact", "area" for one to three sizes, "linear" for one,
    "bilinear", "bicubic" and "lanczos" (only with `antialias`) for two, "trilinear" for three.
    """
    if mode not in _MODES:
        raise ArgumentError(f"mode is one of {', '.join(_MODES)}, not {mode!r}")
    if not hasattr(input, "ndim"):
        raise ArgumentTypeError(f"expected a tensor or an array for 'input', got {input!r}")
    if mode not in _RANK and align_corners is not None:
        raise ArgumentError(f"align_corners has no meaning with mode {mode!r}")
    if input.ndim != _RANK.get(mode, min(max(input.ndim - 2, 1), 3)) + 2:
        rank = f"{_RANK[mode] + 2}" if mode in _RANK else "3, 4 or 5"
        raise ArgumentError(
            f"mode {mode!r} needs an input of {rank} dimensions, got {tuple(input.shape)}"
        )
    if antialias != (mode == "lanczos") and (mode not in _FILTERS or not antialias):
        raise ArgumentError("antialias is for bilinear and bicubic, and needed for lanczos")
    if recompute_scale_factor and size is not None:
        raise ArgumentError("recompute_scale_factor is not meaningful with an explicit size")
    outputs, factors = _sizes(input, size, scale_factor)
    align = bool(align_corners)
    for i in reversed(range(input.ndim - 2)):
        factor = None if recompute_scale_factor else factors[i]
        place = (input.shape[2 + i], outputs[i], factor, align, antialias)
        input = op.resample(input, 2 + i, _table(mode, *place))
    return input


@compose(Sample((_X, 5)), spaces=("nn.functional",))
def upsample(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Any:
    """`interpolate` under its older name."""
    return op.interpolate(input, size, scale_factor, mode, align_corners)


@compose(Sample((_X,), {"scale_factor": 2}), spaces=("nn.functional",))
def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """`interpolate` with mode "nearest"."""
    return op.interpolate(input, size, scale_factor)


@compose(Sample((_X, (5, 2))), spaces=("nn.functional",))
def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """`interpolate` with mode "bilinear" (three sizes: "trilinear") and aligned corners."""
    return op.interpolate(input, size, scale_factor, "bilinear", True)
