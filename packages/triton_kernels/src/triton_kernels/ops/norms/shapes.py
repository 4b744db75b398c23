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
    stages: int = 1
    """Rows in flight in one program of the backward."""


def _power(n: int) -> int:
    return 1 << max(n - 1, 0).bit_length()


# Measured on H200 with tensors of 128 MiB in bfloat16, by the power of two of a row's columns and
# whether rows are centered; elsewhere safe guesses.
_FORWARD_WARPS = {(16384, False): 32, (16384, True): 8}
# Shared rows, forward: columns of a program, warps.
_SHARED_FORWARD = {(65536, False): (4096, 4), (65536, True): (4096, 4)}
# Whole rows, backward: rows of a program, warps, rows in flight and one, programs a processor.
_BACKWARD = {
    (2048, False): (1, 8, 4, 2), (2048, True): (2, 8, 3, 2),
    (4096, False): (2, 16, 3, 1), (4096, True): (1, 8, 3, 2),
    (8192, False): (1, 16, 3, 1), (8192, True): (1, 16, 3, 1),
}  # fmt: skip
# Shared rows, backward: columns of a program, warps; three rows in flight and two programs a
# processor, of which one computes while the other waits.
_SHARED_BACKWARD = {False: (4096, 8), True: (4096, 4)}
_MOST_PARTS = 64
"""All programs that share a row must run at the same time, other kernels' beside them."""


@functools.lru_cache(maxsize=1024)
def forward_tile(
    n_rows: int, n_columns: int, dtype: torch.dtype, centered: bool, device: Device
) -> Tile:
    """The tile of the forward kernel: whole rows, parts of one, or, of one program, chunks."""
    columns = _power(n_columns)
    longest = forward_columns(device.capability > (0, 0))
    shared = _SHARED_FORWARD.get((min(columns, 65536), centered))
    if shared and device.capability >= (9, 0) and n_columns <= shared[0] * _MOST_PARTS:
        parts = math.ceil(n_columns / shared[0])
        return Tile(1, shared[0], shared[1], n_rows * parts, parts)
    if centered and columns > 16384 and device.capability == (9, 0):
        return Tile(1, 4096 if columns == longest else 8192, 16, n_rows)
    if n_columns > longest:
        return Tile(1, min(8192, columns // 2), 16, n_rows)
    rows = max(1, 1024 // columns)
    warps = min(16, max(4, rows * columns // (512 if columns < 8192 else 1024)))
    if device.capability == (9, 0):
        wide = columns == 4096 and dtype.itemsize == 4
        warps = 16 if wide else _FORWARD_WARPS.get((columns, centered), warps)
    return Tile(rows, columns, warps, math.ceil(n_rows / rows))


@functools.lru_cache(maxsize=1024)
def backward_tile(
    n_rows: int, n_columns: int, dtype: torch.dtype, centered: bool, device: Device
) -> Tile:
    """The tile of the backward kernel: programs stay and add up the parameters' gradients."""
    wide = dtype.itemsize // 2  # of twice the bytes half the columns fill a program
    columns = _power(n_columns)
    longest = 128 if device.capability == (0, 0) else 8192 // wide
    if n_columns > longest:
        part, warps = _SHARED_BACKWARD[centered]
        part //= wide
        if device.capability < (9, 0) or n_columns > part * _MOST_PARTS:
            return Tile(1, min(8192, columns // 2), 16, n_rows)
        parts = math.ceil(n_columns / part)
        programs = 2 * device.processors // parts
        return Tile(1, part, warps, parts * min(n_rows, programs), parts, stages=3)
    found = _BACKWARD.get((columns * wide, centered)) if device.capability >= (8, 0) else None
    if found:
        rows, warps, stages, resident = found
        return Tile(
            rows, columns, warps, min(math.ceil(n_rows / rows), resident * device.processors),
            stages=stages,
        )  # fmt: skip
    rows = max(1, 1024 // columns)
    warps = min(16, max(4, rows * columns // 512))
    # A thread may hold 65536 / (32·warps·programs a processor) registers; it needs about 128.
    programs = max(1, 16 // warps) * device.processors
    return Tile(rows, columns, warps, min(math.ceil(n_rows / rows), programs), stages=3)


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
