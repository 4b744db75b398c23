"""How masked softmax is tiled, by device, size and dtype. Measured on an H200, safe elsewhere."""

from __future__ import annotations

import functools
from typing import NamedTuple

import torch

from triton_kernels._compat import Device


class Tile(NamedTuple):
    """What one program holds at a time."""

    rows: int
    columns: int
    warps: int


def one_pass_columns(on_gpu: bool) -> int:
    """The longest row held in registers; the interpreter has time for less."""
    return 32768 if on_gpu else 256


@functools.lru_cache(maxsize=1024)
def tile_for(n_columns: int, dtype: torch.dtype, device: Device, causal: bool) -> Tile:
    """Whole rows, or, of fewer columns, chunks of one row."""
    longest = one_pass_columns(device.capability > (0, 0))
    if n_columns > longest:
        return Tile(1, min(8192, longest), 16)
    columns = 1 << max(n_columns - 1, 0).bit_length()
    if causal and columns >= 2048 and device.capability == (9, 0):
        # Rows end apart: alone, a short one makes room for the next.
        return Tile(1, columns, min(32, columns // 1024))
    rows = max(1, (4096 if columns > 512 else 1024) // columns)
    return Tile(rows, columns, max(4, min(32, rows * columns // 1024)))
