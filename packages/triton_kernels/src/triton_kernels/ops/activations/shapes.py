"""How activations are tiled. One 16-byte access a thread and tensor suits every GPU tried."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import torch

from triton_kernels._compat import Device

_WARPS = 4
_BYTES = 16 * 32 * _WARPS
"""One 16-byte access of each thread of a program."""
_ACCESSES = 2
"""Accesses of a thread to each tensor."""


class Tile(NamedTuple):
    """What one program takes at a time."""

    rows: int
    columns: int
    warps: int


def flat_block(dtype: torch.dtype) -> tuple[int, int]:
    """Elements and warps of a program on tensors without gaps."""
    return _ACCESSES * _BYTES // dtype.itemsize, _WARPS


@functools.lru_cache(maxsize=1024)
def elementwise_tile(n_rows: int, n_columns: int, dtype: torch.dtype) -> Tile:
    """The tile of rows that lie apart: short rows are taken several at a time."""
    block, warps = flat_block(dtype)
    columns = min(block, 1 << max(n_columns - 1, 0).bit_length())
    rows = min(block // columns, 1 << max(n_rows - 1, 0).bit_length())
    return Tile(rows, columns, warps)


@functools.lru_cache(maxsize=1024)
def biased_tile(n_rows: int, n_columns: int, dtype: torch.dtype) -> Tile:
    """The tile of rows that share a bias: half a block wide, so that each value serves two."""
    block, warps = flat_block(dtype)
    columns = min(block // 2, 1 << max(n_columns - 1, 0).bit_length())
    rows = min(block // columns, 1 << max(n_rows - 1, 0).bit_length())
    return Tile(rows, columns, warps)


@functools.lru_cache(maxsize=1024)
def stripe(n_rows: int, n_columns: int, dtype: torch.dtype, device: Device) -> tuple[Tile, int]:
    """The tile of a program that runs down a stripe of columns, and how many share a stripe."""
    tile = biased_tile(n_rows, n_columns, dtype)
    programs = 8 * device.processors // math.ceil(n_columns / tile.columns)
    return tile, max(1, min(programs, math.ceil(n_rows / tile.rows)))
