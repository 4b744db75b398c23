"""Rows streamed through shared memory on Hopper, in Gluon: what rooms that do so share.

A program stays on its multiprocessor and takes rows one stride apart. Shared memory is a ring of
slots. One instruction asks the tensor memory accelerator for a slot's bytes, long before their use;
they land at the slot's barrier. A result takes the place of what it was made of and leaves from
there, and once it has been read the slot is asked to be filled anew. So the threads are left with
the arithmetic, and no register holds a row while its sums are on their way.

Rows are seen as lines of 128 bytes, (rows, lines, 128 bytes): the widest block that the accelerator
swizzles, so that threads which read 16 bytes each meet in no bank. Beyond a row's end it fills in
zeros and writes nothing.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from typing import Any

import torch

from triton_kernels._gluon import TensorDescriptor, gl, gluon
from triton_kernels.ops.streams import LINE


@gluon.jit
def wide(x):
    """To float32.

    Of bfloat16 by assembly that stays where it is: else the compiler widens once what a loop needs
    twice, and holds it in twice the registers meanwhile.
    """
    if x.dtype == gl.bfloat16:
        return gl.inline_asm_elementwise(
            "shl.b32 $0, $2, 16; and.b32 $1, $2, 0xffff0000;", "=r,=r,r", [x],
            dtype=gl.float32, is_pure=False, pack=2,
        )  # fmt: skip
    else:
        return x.to(gl.float32)


@gluon.jit
def added(a, b, c, d):
    """Two sums in one exchange between threads."""
    return a + c, b + d


def layout_of(rows: int, lines: int, warps: int, itemsize: int) -> Any:
    """Threads over a slot: 16 bytes each, 8 a line; up to 4 neighbouring lines a thread."""
    along = max(1, warps // rows)
    neighbours = max(1, min(4, lines // (4 * along)))
    across = warps // along
    size = [1, neighbours, 16 // itemsize]
    return gl.BlockedLayout(size, [1, 4, 8], [across, along, 1], [2, 1, 0])


def descriptor_of(x: torch.Tensor, rows: int, lines: int) -> Any:
    """Of (rows, columns), contiguous, in blocks of so many rows and lines."""
    width = LINE // x.element_size()
    n_rows, n_columns = x.shape
    layout = gl.NVMMASharedLayout(LINE, 8 * x.element_size(), 3)
    shape = [n_rows, n_columns // width, width]
    return TensorDescriptor(x, shape, [n_columns, width, 1], [rows, lines, width], layout)
