"""Channels rearranged, into space and back, and normalised against each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, RangeError, ShapeError
from ..op import Bad, Sample, compose, op
from ..samples import array
from .resampling import Table

_EVERYWHERE = ("", "nn.functional")


@compose(
    Sample((array((1, 8, 1, 2)), 2)),
    Sample((array((4, 2, 1)), 2)),
    spaces=_EVERYWHERE,
    errors=(
        Bad((array((1, 3, 1, 2)), 2), {}, ShapeError, "divisible by 4"),
        Bad((array((1, 4, 1, 2)), 0), {}, RangeError, "positive"),
        Bad((array((4, 2)), 2), {}, ShapeError, "at least 3"),
    ),
)
def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """(…, C·r², H, W) to (…, C, H·r, W·r).  Shi et al. 2016."""
    r = _factor(input, upscale_factor)
    *lead, channels, height, width = input.shape
    if channels % (r * r):
        raise ShapeError(f"the channels of {tuple(input.shape)} are not divisible by {r * r}")
    blocks = op.reshape(input, (*lead, channels // (r * r), r, r, height, width))
    n = len(lead)
    order = (*range(n + 1), n + 3, n + 1, n + 4, n + 2)
    shape = (*lead, channels // (r * r), height * r, width * r)
    return op.reshape(op.permute(blocks, order), shape)


@compose(
    Sample((array((1, 2, 2, 4)), 2)),
    Sample((array((1, 4, 2)), 2)),
    spaces=_EVERYWHERE,
    errors=(
        Bad((array((1, 3, 3, 2)), 2), {}, ShapeError, "divisible by 2"),
        Bad((array((1, 4, 2, 2)), -1), {}, RangeError, "positive"),
        Bad((array((4, 2)), 2), {}, ShapeError, "at least 3"),
    ),
)
def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """(…, C, H·r, W·r) to (…, C·r², H, W): the inverse of `pixel_shuffle`."""
    r = _factor(input, downscale_factor)
    *lead, channels, height, width = input.shape
    if height % r or width % r:
        raise ShapeError(f"height and width of {tuple(input.shape)} are not divisible by {r}")
    blocks = op.reshape(input, (*lead, channels, height // r, r, width // r, r))
    n = len(lead)
    order = (*range(n + 1), n + 2, n + 4, n + 1, n + 3)
    return op.reshape(op.permute(blocks, order), (*lead, channels * r * r, height // r, width // r))


def _factor(input: Any, factor: int) -> int:
    if np.ndim(input) < 3:
        raise ShapeError(f"expected at least 3 dimensions, got the shape {np.shape(input)}")
    if factor <= 0:
        raise RangeError(f"expected a positive factor, but got {factor}")
    return factor


@compose(
    Sample((array((1, 6, 2)), 3)),
    spaces=_EVERYWHERE,
    aliases=("native_channel_shuffle",),
    errors=(
        Bad((array((1, 3, 2)), 2), {}, ShapeError, "divisible by 2"),
        Bad((array((1, 3, 2)), 0), {}, RangeError, "positive"),
        Bad((array((3, 2)), 1), {}, ShapeError, "at least 3"),
    ),
)
def channel_shuffle(input: Any, groups: int) -> Any:
    """The channels of (N, C, *) taken from each of `groups` in turn.  Zhang et al. 2017."""
    groups = _factor(input, groups)
    shape = tuple(input.shape)
    if shape[1] % groups:
        raise ShapeError(f"the channels of {shape} are not divisible by {groups}")
    blocks = op.reshape(input, (shape[0], groups, shape[1] // groups, *shape[2:]))
    return op.reshape(op.transpose(blocks, 1, 2), shape)


@compose(
    Sample((array((1, 4, 2)), 3), {"alpha": 0.5, "k": 1.5}),
    Sample((array((2, 4, 1, 2)), 2, 1e-2, 0.5)),
    spaces=("nn.functional",),
    errors=(
        Bad((array((3, 2)), 2), {}, ArgumentError, "at least 3"),
        Bad((array((1, 3, 2)), 0), {}, ArgumentError, "positive"),
    ),
)
def local_response_norm(
    input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Any:
    """``input/(k + alpha·mean of input² over size channels)^beta``.  Krizhevsky et al. 2012."""
    if np.ndim(input) < 3:
        raise ArgumentError(f"expected at least 3 dimensions, got the shape {np.shape(input)}")
    if size < 1:
        raise ArgumentError(f"expected a positive size, got {size}")
    channels = input.shape[1]
    start = np.arange(channels) - size // 2
    rows = [np.flatnonzero((start + o >= 0) & (start + o < channels)) for o in range(size)]
    parts = [(r, start[r] + o, 1 / size) for o, r in enumerate(rows)]
    mean = op.resample(input * input, 1, Table(channels, channels, parts))
    return input / (mean * alpha + k) ** beta
