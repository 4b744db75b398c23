"""How softmax is tiled, by device, shape and dtype. Tuned for H200 (sm_90), safe elsewhere."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch

from triton_kernels._compat import Device

ONE_PASS_COLUMNS = 65536
"""The longest row that one program holds in registers: 64 values a thread at 32 warps."""
_STRIDED_TILE = 8192
"""Elements of a tile when the reduced dimension is strided and neighbours lie across rows."""


@dataclass(frozen=True)
class Tile:
    """What one program holds at a time, and how programs share the work."""

    rows: int
    columns: int
    warps: int
    stages: int = 1
    """Row blocks in flight in one program."""
    programs: int = 0
    """Persistent programs a multiprocessor; 0: one program a row block."""


@functools.lru_cache(maxsize=1024)
def forward_tile(n_columns: int, contiguous: bool, dtype: torch.dtype, device: Device) -> Tile:
    """The tile of the forward kernel; ``contiguous``: elements of a row are neighbours."""
    return _tile(n_columns, contiguous)


@functools.lru_cache(maxsize=1024)
def backward_tile(n_columns: int, contiguous: bool, dtype: torch.dtype, device: Device) -> Tile:
    """The tile of the backward kernel, which holds two inputs."""
    return _tile(n_columns, contiguous)


def _tile(n_columns: int, contiguous: bool) -> Tile:
    columns = 1 << max(n_columns - 1, 0).bit_length()
    if not contiguous:
        # 64 neighbouring rows make whole cache lines; long columns go in chunks.
        columns = min(columns, _STRIDED_TILE // 64)
        return Tile(rows=64, columns=columns, warps=8)
    if n_columns > ONE_PASS_COLUMNS:
        return Tile(rows=1, columns=8192, warps=8)
    rows = max(1, 1024 // columns)
    return Tile(rows, columns, warps=min(32, max(4, columns // 1024)))
