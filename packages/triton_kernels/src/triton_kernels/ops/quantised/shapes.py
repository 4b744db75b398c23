"""How the ops on quantised weights are tiled. Tuned for H200 (sm_90), safe elsewhere."""

from __future__ import annotations

import functools
from typing import NamedTuple

from triton_kernels._compat import Device


class Tile(NamedTuple):
    """How the warps of a program that share 16 rows of the weight walk along them."""

    depth: int
    """Blocks of 64 columns that a warp takes at a time: what it has in flight."""
    warps: int


# By rows of x, rounded up to a power of two: blocks a warp takes at a time, warps.
_NF4 = {1: (4, 8), 2: (4, 8), 4: (2, 8), 8: (2, 8)}
_INT8 = {1: (1, 4), 2: (1, 4), 4: (1, 4), 8: (4, 4)}


@functools.lru_cache(maxsize=1024)
def integer_tile(n: int, k: int, rows: int, nf4: bool, device: Device) -> Tile:
    """The tile of the kernels in whole numbers."""
    depth, warps = (_NF4 if nf4 else _INT8)[1 << (rows - 1).bit_length()]
    blocks = -(-k // 64)
    # Of a small weight more warps share a row, until all processors have work.
    while warps < 16 and -(-n // 16) * warps < 16 * device.processors and warps * depth < blocks:
        warps *= 2
    return Tile(depth, warps)
