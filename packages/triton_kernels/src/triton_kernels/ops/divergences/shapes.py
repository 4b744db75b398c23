"""How divergences are tiled, by device, size and dtype. Measured on an H200, safe elsewhere."""

from __future__ import annotations

import functools
from typing import NamedTuple

import torch

from triton_kernels._compat import Device


class Tile(NamedTuple):
    """The columns that one program takes at a time, and by how many warps."""

    columns: int
    warps: int


def row_columns(on_gpu: bool) -> int:
    """The longest chunk of a row; the interpreter has time for less."""
    return 4096 if on_gpu else 256


def _columns(n: int) -> int:
    return 1 << max(n - 1, 0).bit_length()


@functools.lru_cache(maxsize=1024)
def row_tile(n_columns: int, dtype: torch.dtype, device: Device) -> Tile:
    """The chunk of the kernels that walk along a row."""
    if device.capability == (0, 0):
        return Tile(min(_columns(n_columns), row_columns(on_gpu=False)), 1)
    columns = min(_columns(n_columns), row_columns(on_gpu=True))
    return Tile(columns, max(1, min(8, columns // 512)))


@functools.lru_cache(maxsize=1024)
def gradient_tile(n_columns: int, dtype: torch.dtype, device: Device) -> Tile:
    """The tile of the gradient, which needs no sum over the row."""
    columns = min(_columns(n_columns), 2048 if device.capability > (0, 0) else 256)
    return Tile(columns, max(1, min(4, columns // 512)))
