"""How attention is tiled, by device, head size, dtype. Tuned for H200 (sm_90), safe elsewhere."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch

from triton_kernels._compat import Device

LARGEST_HEAD = 256
"""What the portable kernels take; beyond it a tile would not fit into shared memory."""


@dataclass(frozen=True)
class Tile:
    """The block of scores that a program works on at a time."""

    m: int
    """Queries."""
    n: int
    """Keys."""
    warps: int
    stages: int
    """Blocks in flight."""


def parts(size: int) -> tuple[int, int]:
    """A head size as two widths, powers of two of 16 or more, or one and 0: 96 = 64 + 32."""
    first = 1 << (size.bit_length() - 1)
    rest = size - first
    if first < 16 or not rest:
        return max(16, 1 << (size - 1).bit_length()), 0
    second = max(16, 1 << (rest - 1).bit_length())
    return (2 * first, 0) if second == first else (first, second)


def _block(length: int, most: int) -> int:
    """A power of two of 16 or more that covers the length, or ``most``."""
    return max(16, min(most, 1 << (max(length, 1) - 1).bit_length()))


def _fitted(tile: Tile, queries: int, keys: int) -> Tile:
    """No larger than the matrix; a small tile needs fewer warps."""
    m, n = _block(queries, tile.m), _block(keys, tile.n)
    return Tile(m, n, min(tile.warps, max(4, m * n // 1024)), tile.stages)


# By the wider of the two head sizes up to which a tile serves.
_FORWARD_HOPPER = (
    (64, Tile(128, 128, warps=4, stages=3)),
    (128, Tile(128, 128, warps=8, stages=2)),
    (256, Tile(128, 64, warps=8, stages=2)),
)
_FORWARD = (
    (64, Tile(128, 64, warps=4, stages=3)),
    (128, Tile(128, 64, warps=8, stages=2)),
    (256, Tile(64, 32, warps=4, stages=2)),
)
_KEYS_HOPPER = (
    (64, Tile(64, 128, warps=8, stages=3)),
    (128, Tile(64, 128, warps=8, stages=2)),
    (256, Tile(32, 64, warps=8, stages=2)),
)
_ROWS_HOPPER = (
    (64, Tile(128, 64, warps=8, stages=3)),
    (128, Tile(128, 64, warps=8, stages=2)),
    (256, Tile(64, 32, warps=8, stages=2)),
)
_KEYS = (
    (64, Tile(64, 64, warps=4, stages=2)),
    (128, Tile(32, 64, warps=4, stages=2)),
    (256, Tile(16, 32, warps=4, stages=1)),
)
_ROWS = (
    (64, Tile(64, 64, warps=4, stages=2)),
    (128, Tile(64, 32, warps=4, stages=2)),
    (256, Tile(32, 16, warps=4, stages=1)),
)
_FLOAT32 = (
    (64, Tile(32, 32, warps=4, stages=2)),
    (128, Tile(32, 32, warps=4, stages=1)),
    (256, Tile(16, 16, warps=4, stages=1)),
)


@functools.lru_cache(maxsize=4096)
def tile_for(
    work: str, size: int, queries: int, keys: int, dtype: torch.dtype, device: Device
) -> Tile:
    """The tile of ``forward``, ``keys`` (gradients of keys, values) or ``rows`` (of queries, bias).

    ``size`` is the wider head size, of queries and keys or of values.
    """
    hopper = device.capability >= (9, 0)
    if dtype is torch.float32:
        choices = _FLOAT32
    elif work == "forward":
        choices = _FORWARD_HOPPER if hopper else _FORWARD
    elif work == "keys":
        choices = _KEYS_HOPPER if hopper else _KEYS
    else:
        choices = _ROWS_HOPPER if hopper else _ROWS
    return _fitted(next(tile for most, tile in choices if size <= most), queries, keys)
