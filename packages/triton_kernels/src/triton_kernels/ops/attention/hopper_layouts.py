"""How what attention's kernels on Hopper load lies in memory, and in shared memory."""

from __future__ import annotations

import functools
from typing import Any

import torch

from triton_kernels._gluon import TensorDescriptor, gl


@functools.cache
def rows_layout() -> Any:
    """Of lse and delta."""
    return gl.NVMMASharedLayout(0, 32, 2)


@functools.cache
def tile_layout(rows: int, dtype: torch.dtype) -> Any:
    """Of a tile of ds: 64 keys and so many rows."""
    element = {torch.float16: gl.float16, torch.bfloat16: gl.bfloat16}[dtype]
    return gl.NVMMASharedLayout.get_default_for([64, rows], element)


FAR = 1 << 30
"""Beyond all rows."""


def ragged(x: torch.Tensor, rows: int, width: int) -> Any:
    """Of packed sequences (1, heads, length, up to width), in blocks of rows that end where their
    sequence does: what lies behind it is loaded as zeros, and not stored.

    Two axes count rows, the inner one ends at ``FAR``. Row r of n rows from ``first`` on lies at
    (FAR, first + n, head, FAR - n + r, 0), as ``hopper_parts.place_of`` says, so that the rows
    behind are beyond the inner axis; the outermost takes FAR rows back: addresses go round at 2^64.
    """
    _, heads, length, columns = x.shape
    _, of_head, of_row, _ = x.stride()
    if length == 1:  # a stride over one element is never used, but has to be a valid one
        of_row = -(-columns // 64) * 64
    if heads == 1:
        of_head = of_row
    shape = [FAR + 1, length + 1, heads, FAR, columns]
    strides = [2**34 - of_row, of_row, of_head, of_row, 1]
    element = {torch.float16: gl.float16, torch.bfloat16: gl.bfloat16}[x.dtype]
    layout = gl.NVMMASharedLayout.get_default_for([1, 1, 1, rows, width], element)
    return TensorDescriptor(x, shape, strides, [1, 1, 1, rows, width], layout)
