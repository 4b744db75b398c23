"""How softmax is tiled, by device, shape and dtype. Tuned for H200 (sm_90), safe elsewhere."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace

import torch

from triton_kernels._compat import Device, cdiv, next_power_of_2
from triton_kernels.ops.streams import Cluster, rows_refuse

ONE_PASS_COLUMNS = 65536
"""The longest row that one program may hold in registers: 64 values a thread at 32 warps."""
_STRIDED_TILE = 16384
"""Elements of a tile when the reduced dimension is strided and neighbours lie across rows."""


def columns_beyond_cache(on_gpu: bool) -> int:
    """From so many columns of a strided dimension on the L2 cache no longer holds what programs
    have read of their rows until they read it again; the interpreter has time for less."""
    return 8192 if on_gpu else 512


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
    parts: int = 1
    """Programs that share a row; along the last dimension only where they can meet."""


# The tile by the next power of two of the row's length, up to which it is good; measured on
# 128 MiB of bfloat16 by benchmarks/tune.py.
_H200_FORWARD = (
    (1024, Tile(1, 1024, 2)),
    (2048, Tile(1, 2048, 4)),
    (4096, Tile(1, 4096, 8)),
    (8192, Tile(1, 8192, 4)),
    (16384, Tile(1, 16384, 8)),
    (32768, Tile(1, 32768, 16, stages=3, programs=2)),
)
_H200_BACKWARD = (
    (1024, Tile(1, 1024, 4)),
    (2048, Tile(2, 2048, 8)),
    (4096, Tile(2, 4096, 8)),
    (8192, Tile(1, 8192, 8)),
    (16384, Tile(1, 16384, 4)),
    (32768, Tile(1, 32768, 16)),
)
# A part of a row that several programs share, by the power of two of the row's columns.
_SHARED_FORWARD = {32768: Tile(1, 8192, 4), 65536: Tile(1, 4096, 2)}
_SHARED_BACKWARD = {65536: Tile(1, 4096, 4)}
_SHARED_LONG = Tile(1, 8192, 4)
_MOST_PARTS = 64
"""All programs that share a row must run at the same time, other kernels' beside them."""
_H200_LONG = Tile(1, 8192, 16)


def tile_for(
    n_columns: int,
    strided_rows: int,
    outer: int,
    dtype: torch.dtype,
    backward: bool,
    device: Device,
) -> Tile:
    """The tile for rows of ``n_columns``.

    ``strided_rows`` is 0 where the elements of a row are neighbours; else neighbours belong to that
    many different rows, and there are ``outer`` such groups of rows.
    """
    columns = 1 << max(n_columns - 1, 0).bit_length()
    if strided_rows:
        return _strided_tile(n_columns, strided_rows, outer, dtype, backward, device)
    shared = _shared_part(columns, backward) if device.capability >= (9, 0) else None
    if shared and n_columns <= shared.columns * _MOST_PARTS:
        return replace(shared, parts=math.ceil(n_columns / shared.columns))
    tuned = _H200_BACKWARD if backward else _H200_FORWARD
    if columns < tuned[0][0]:
        return Tile(rows=1024 // columns, columns=columns, warps=4)
    # Asynchronous copies of whole rows ahead need shared memory for 16-bit elements at most.
    if device.capability == (9, 0) and dtype.itemsize == 2:
        return next((tile for limit, tile in tuned if columns <= limit), _H200_LONG)
    if n_columns > ONE_PASS_COLUMNS // 2:
        return Tile(rows=1, columns=8192, warps=8)
    return Tile(rows=1, columns=columns, warps=min(32, max(4, columns // 1024)))


def _shared_part(columns: int, backward: bool) -> Tile | None:
    """The part of a row that one program takes, or None where it takes all of it."""
    measured = _SHARED_BACKWARD if backward else _SHARED_FORWARD
    return measured.get(columns) or (_SHARED_LONG if columns > ONE_PASS_COLUMNS else None)


def _strided_tile(
    n_columns: int, strided_rows: int, outer: int, dtype: torch.dtype, backward: bool,
    device: Device,
) -> Tile:  # fmt: skip
    """128 bytes of neighbours, a cache line; 64, two sectors, where programs would be too few."""
    rows = 128 // dtype.itemsize
    if n_columns >= columns_beyond_cache(device.processors > 1):
        programs = outer * cdiv(strided_rows, rows)
        parts = max(2, min(32, 4 * device.processors // programs))
        parts = max(parts, cdiv(n_columns, 128 * 65535))  # a grid's third size has a limit
        return Tile(rows, 128, warps=8 if backward else 4, parts=parts)
    if strided_rows * outer < rows * 2 * device.processors:
        rows //= 2
    columns = min(next_power_of_2(n_columns), _STRIDED_TILE // rows)
    return Tile(rows, columns, warps=8 if rows * columns < _STRIDED_TILE else 16)


# Rows that clusters take on Hopper, by the power of two of their columns of 16 bits.
_CLUSTERS_FORWARD = {
    8192: Cluster(1, 16, 4), 16384: Cluster(1, 32, 2), 32768: Cluster(4, 8, 4),
    65536: Cluster(8, 8, 4),
}  # fmt: skip
_CLUSTERS_BACKWARD = {
    16384: Cluster(2, 16, 2), 65536: Cluster(8, 8, 4), 131072: Cluster(8, 16, 2),
}  # fmt: skip


@functools.lru_cache(maxsize=1024)
def cluster_for(n_columns: int, itemsize: int, backward: bool) -> Cluster | None:
    """How the programs of a cluster take rows so long; None where portable ones are as fast."""
    power = next_power_of_2(max(n_columns, 1))
    # Rows that leave many threads without columns, and of other than 16 bits, were not measured.
    if itemsize != 2 or 4 * n_columns <= 3 * power:
        return None
    return (_CLUSTERS_BACKWARD if backward else _CLUSTERS_FORWARD).get(power)


def clusters_refuse(x: torch.Tensor, dim: int, backward: bool) -> str | None:
    """Why clusters do not take the rows of x along that dimension, or None."""
    if dim != x.dim() - 1 or cluster_for(x.shape[dim], x.element_size(), backward) is None:
        return "for such rows the portable kernel is as fast"
    return rows_refuse(x, "x")
