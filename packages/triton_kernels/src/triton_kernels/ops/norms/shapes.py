"""How norms are tiled, by device, size and dtype. Tuned for H200 (sm_90), safe elsewhere."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import torch

from triton_kernels._compat import Device


def forward_columns(on_gpu: bool) -> int:
    """The longest row held in registers; the interpreter has time for less."""
    return 32768 if on_gpu else 256


class Tile(NamedTuple):
    """What one program holds at a time, and how programs share rows."""

    rows: int
    columns: int
    warps: int
    programs: int
    """Programs in all."""
    parts: int = 1
    """Programs that share a row; more than one only where they can meet."""


def _power(n: int) -> int:
    return 1 << max(n - 1, 0).bit_length()


@functools.lru_cache(maxsize=1024)
def forward_tile(
    n_rows: int, n_columns: int, dtype: torch.dtype, centered: bool, device: Device
) -> Tile:
    """The tile of the forward kernel: whole rows, or, of fewer columns, chunks of one."""
    columns = _power(n_columns)
    longest = forward_columns(device.capability > (0, 0))
    if centered and columns > 16384 and device.capability == (9, 0):
        return Tile(1, 4096 if columns == longest else 8192, 16, n_rows)
    if n_columns > longest:
        return Tile(1, min(8192, columns // 2), 16, n_rows)
    rows = max(1, 1024 // columns)
    warps = min(16, max(4, rows * columns // (512 if columns < 8192 else 1024)))
    if centered and columns == 16384:
        warps = 8  # two sums one after the other: the fewer warps meet, the sooner
    return Tile(rows, columns, warps, math.ceil(n_rows / rows))


_MOST_PARTS = 64
"""All programs that share a row must run at the same time, other kernels' beside them."""


@functools.lru_cache(maxsize=1024)
def backward_tile(n_rows: int, n_columns: int, dtype: torch.dtype, device: Device) -> Tile:
    """The tile of the backward kernel: programs stay and add up the parameters' gradients."""
    columns, parts = _power(n_columns), 1
    longest = 128 if device.capability == (0, 0) else 16384 // dtype.itemsize
    if n_columns > longest:
        part = longest // 2  # shared rows keep one more in flight
        if device.capability < (9, 0) or n_columns > part * _MOST_PARTS:
            return Tile(1, min(8192, columns // 2), 16, n_rows)
        parts = math.ceil(n_columns / part)
        programs = 2 * device.processors // parts
        return Tile(1, part, 4, parts * min(n_rows, programs), parts)
    rows = max(1, 1024 // columns)
    warps = min(16, max(4, rows * columns // 512))
    # A thread may hold 65536 / (32·warps·programs a processor) registers; it needs about 128.
    programs = max(1, 16 // warps) * device.processors
    return Tile(rows, columns, warps, min(math.ceil(n_rows / rows), programs))


@functools.lru_cache(maxsize=1024)
def stripe(n_rows: int, n_columns: int, device: Device) -> tuple[Tile, int]:
    """The tile of a program that walks down a stripe of columns, and how many share a stripe."""
    columns = min(256, _power(n_columns))
    rows = 16
    programs = 8 * device.processors // math.ceil(n_columns / columns)
    programs = max(1, min(programs, math.ceil(n_rows / rows)))
    return Tile(rows, columns, 4, programs), programs


class GroupTile(NamedTuple):
    """Channels and positions that a program of group_norm takes at a time."""

    channels: int
    positions: int
    warps: int


@functools.lru_cache(maxsize=1024)
def group_tile(channels: int, positions: int) -> GroupTile:
    """The tile within one group: whole channels where they are small."""
    columns = min(2048, _power(positions))
    rows = min(2048 // columns, _power(channels))
    return GroupTile(rows, columns, max(1, min(8, rows * columns // 512)))
