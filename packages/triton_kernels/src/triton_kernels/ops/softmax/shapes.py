"""How softmax is tiled, by device, shape and dtype. Tuned for H200 (sm_90), safe elsewhere."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch

from triton_kernels._compat import Device

ONE_PASS_COLUMNS = 65536
"""The longest row that one program may hold in registers: 64 values a thread at 32 warps."""
_STRIDED_TILE = 8192
"""Elements of a tile when the reduced dimension is strided and neighbours lie across rows."""


@dataclass(frozen=True)
class Tile:
    """What one program holds at a time, and how programs share the work."""

    rows: int
    columns: int
    warps: int
    stages: int = 1
    """Row blocks (chunks, in two passes) in flight in one program."""
    programs: int = 0
    """Persistent programs a multiprocessor; 0: one program a row block."""


# The tile by the next power of two of the row's length, up to which it is good; measured on
# 128 MiB of bfloat16 by benchmarks/tune.py.
_H200_FORWARD = (
    (1024, Tile(1, 1024, 2)),
    (2048, Tile(1, 2048, 4)),
    (4096, Tile(1, 4096, 8)),
    (8192, Tile(1, 8192, 4)),
    (16384, Tile(1, 16384, 16)),
    (32768, Tile(1, 32768, 16, stages=3, programs=2)),
    (65536, Tile(1, 16384, 16)),
)
_H200_BACKWARD = (
    (1024, Tile(1, 1024, 4)),
    (2048, Tile(2, 2048, 8)),
    (4096, Tile(2, 4096, 8)),
    (8192, Tile(1, 8192, 8)),
    (16384, Tile(1, 16384, 4)),
    (32768, Tile(1, 32768, 16)),
    (65536, Tile(1, 16384, 8, stages=3)),
)
_H200_LONG = Tile(1, 8192, 16)


@functools.lru_cache(maxsize=1024)
def forward_tile(n_columns: int, contiguous: bool, dtype: torch.dtype, device: Device) -> Tile:
    """The tile of the forward kernel; ``contiguous``: elements of a row are neighbours."""
    return _tile(_H200_FORWARD, n_columns, contiguous, dtype, device)


@functools.lru_cache(maxsize=1024)
def backward_tile(n_columns: int, contiguous: bool, dtype: torch.dtype, device: Device) -> Tile:
    """The tile of the backward kernel, which holds two inputs."""
    return _tile(_H200_BACKWARD, n_columns, contiguous, dtype, device)


def _tile(
    tuned: tuple[tuple[int, Tile], ...],
    n_columns: int,
    contiguous: bool,
    dtype: torch.dtype,
    device: Device,
) -> Tile:
    columns = 1 << max(n_columns - 1, 0).bit_length()
    if not contiguous:
        # 64 neighbouring rows make whole cache lines; long columns go in chunks.
        columns = min(columns, _STRIDED_TILE // 64)
        return Tile(rows=64, columns=columns, warps=8)
    if columns < tuned[0][0]:
        return Tile(rows=1024 // columns, columns=columns, warps=4)
    # Asynchronous copies of whole rows ahead need shared memory for 16-bit elements at most.
    if device.capability == (9, 0) and dtype.itemsize == 2:
        return next((tile for limit, tile in tuned if columns <= limit), _H200_LONG)
    if n_columns > ONE_PASS_COLUMNS // 2:
        return Tile(rows=1, columns=8192, warps=8)
    return Tile(rows=1, columns=columns, warps=min(32, max(4, columns // 1024)))
