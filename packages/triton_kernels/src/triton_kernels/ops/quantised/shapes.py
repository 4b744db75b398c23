"""How the ops on quantised weights are tiled. Tuned for H200 (sm_90), safe elsewhere."""

from __future__ import annotations

import functools
from typing import NamedTuple

from triton_kernels._compat import Device


class Tile(NamedTuple):
    """How the warps of a program that share 16 rows of an int8 weight walk along them."""

    depth: int
    """Times 64 columns that a warp takes at a time: what it has in flight."""
    warps: int


_INT8 = {1: (2, 4), 2: (2, 4), 4: (4, 4), 8: (4, 4)}
"""By rows of x, rounded up to a power of two: depth, warps."""


@functools.lru_cache(maxsize=1024)
def integer_tile(n: int, k: int, rows: int, device: Device) -> Tile:
    """The tile of the kernel in whole numbers."""
    depth, warps = _INT8[1 << (rows - 1).bit_length()]
    blocks = -(-k // 64)
    # Of a small weight more warps share a row, until all processors have work.
    while warps < 16 and -(-n // 16) * warps < 16 * device.processors and warps * depth < blocks:
        warps *= 2
    return Tile(depth, warps)


class PairTile(NamedTuple):
    """How programs take the rows of an NF4 weight."""

    tiles: int
    """Times 16 rows at a time, which share what is read of x."""
    warps: int
    """That walk along these rows together."""
    programs: int
    """That take one such lot of rows after the other."""
    registers: int | None = None
    """The most of a thread, so that ``programs`` fit at a time; None: as the compiler likes."""


@functools.lru_cache(maxsize=1024)
def pair_tile(n: int, rows: int, device: Device) -> PairTile:
    """The tile of the kernel by a table of pairs: as many programs as fit at a time."""
    tiles, resident, registers = (1, 4, None) if rows == 1 else (2, 2, 128)
    programs = max(1, min(resident * device.processors, -(-n // (16 * tiles))))
    return PairTile(tiles, 8, programs, registers)


@functools.lru_cache(maxsize=1024)
def single_tile(n: int, device: Device) -> PairTile:
    """That of the kernel for one row of x, which takes 16 rows of the weight at a time."""
    return PairTile(1, 8, max(1, min(4 * device.processors, n // 16)))


class RowTile(NamedTuple):
    """How programs take the rows of an NF4 weight for one row of x."""

    programs: int
    """That share the rows evenly, 8 at a time."""
    ahead: int
    """Times 8 rows that are brought into the L2 cache before the kernel ahead has ended."""


ROW_LOT = 8
"""Times 8 rows whose sums a program holds at once."""


@functools.lru_cache(maxsize=1024)
def row_tile(n: int, k: int, device: Device) -> RowTile:
    """That of the kernel for one row of x: two programs a multiprocessor, or one lot each."""
    eights = max(1, n // 8)
    programs = max(2 * device.processors, -(-eights // ROW_LOT))
    return RowTile(min(programs, eights), 2 if k <= 4096 else 0)
