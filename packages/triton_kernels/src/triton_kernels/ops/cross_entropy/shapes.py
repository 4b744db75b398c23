"""How cross_entropy is tiled, by device, size and dtype. Tuned for H200 (sm_90), safe elsewhere."""

from __future__ import annotations

import functools
from typing import NamedTuple

import torch

from triton_kernels._compat import Device, cdiv


class Tile(NamedTuple):
    """The classes that one program takes at a time, and how it is scheduled."""

    classes: int
    warps: int
    stages: int = 1
    """Chunks of a row in flight."""
    registers: int | None = None
    """A thread's at the most, where the kernel has no smoothing and no cap; None: no limit."""


def one_pass_classes(on_gpu: bool) -> int:
    """The longest row held in registers: longer ones leave a processor too few programs."""
    return 8192 if on_gpu else 256


def sum_parts(n_rows: int, interpreting: bool) -> int:
    """Programs that add up the rows' losses, before one adds up what they have found."""
    most = 16 if interpreting else 16384
    return 1 if n_rows <= most else min(32, cdiv(n_rows, most // 4))


def sum_tile(n_rows: int, interpreting: bool) -> Tile:
    """How many of them such a program takes at a time, and by how many warps."""
    if n_rows <= 32:
        return Tile(32, 1)
    if interpreting:
        return Tile(32, 1)
    return Tile(8192, 16) if n_rows <= 16384 else Tile(4096, 8)


def _columns(n: int) -> int:
    return 1 << max(n - 1, 0).bit_length()


@functools.lru_cache(maxsize=1024)
def row_tile(classes: int, dtype: torch.dtype, writes: bool, device: Device) -> Tile:
    """The tile of the kernels that take a row a program: whole while it fits, else in chunks.

    ``writes``: whether the row's gradient is written too, from a second read.
    """
    columns = _columns(classes)
    if device.capability == (0, 0):
        return Tile(min(columns, 256), 1)
    if columns <= one_pass_classes(on_gpu=True):
        # Of 64 numbers a thread in 77 registers a processor holds 24 warps; in 72, with two numbers
        # put aside, 28.
        few = 72 if not writes and dtype.itemsize == 2 and device.capability == (9, 0) else None
        return Tile(columns, max(1, min(4, columns // 2048)), registers=few)
    if not writes:
        return Tile(2048, 4) if columns <= 32768 else Tile(4096, 8)
    if columns <= 16384:
        return Tile(8192, 8)
    return Tile(8192, 16, 3) if columns <= 32768 else Tile(16384, 16)


def block_tile(width: int) -> Tile:
    """The tile of the same kernels where the classes lie in blocks: a block at a time."""
    columns = _columns(width)
    return Tile(columns, max(1, min(16, columns // 512)))


@functools.lru_cache(maxsize=1024)
def gradient_tile(classes: int, dtype: torch.dtype, device: Device) -> Tile:
    """The tile of the gradient, which needs no sum over the row."""
    columns = min(4096 // dtype.itemsize, _columns(classes))
    return Tile(columns, max(1, min(4, columns // 256)))
