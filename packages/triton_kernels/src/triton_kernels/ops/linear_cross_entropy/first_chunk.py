"""A first chunk of many rows, whose logits lie in the memory that dW will fill.

Small chunks save memory, but each reads and writes all of dW. Before the first, dW is not there
yet and its memory is free, for the logits of as many rows as x has columns. It is divided into
blocks of classes: the logits of a block, (rows, width), lie where that block of dW, (width,
columns), will. Once dx has taken its share, a block of dW is made beside them and copied over them.

    memory of dW   | block 0: d of all rows, later dW of its classes | block 1 …
    beside it      | logits of one small chunk, or one block of dW   |

dx is a sum over blocks, in float32: twice as wide as 16 bits, hence half of x's rows at most fit
into dx's own memory until they are rounded.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from triton_kernels.ops.cross_entropy.portable import Blocks
from triton_kernels.ops.linear_cross_entropy import shapes


def added(sums: torch.Tensor, a: torch.Tensor, b: torch.Tensor, first: bool) -> None:
    """sums += a·b, or = for the first; the product in the dtype of ``sums``, float32 or a's."""
    if sums.dtype is a.dtype:
        torch.mm(a, b, out=sums) if first else sums.addmm_(a, b)
    elif not a.is_cuda:
        product = a.float() @ b.float()
        sums.copy_(product) if first else sums.add_(product)
    elif first:
        torch.ops.aten.mm.dtype_out(a, b, torch.float32, out=sums)
    else:
        torch.ops.aten.addmm.dtype_out(sums, a, b, torch.float32, out=sums)


class FirstChunk(NamedTuple):
    """How many rows it has, and how the classes are divided into blocks."""

    rows: int
    blocks: Blocks

    @classmethod
    def of(
        cls, x: torch.Tensor, weight: torch.Tensor, beside: torch.Tensor, rows: int, x_wanted: bool
    ) -> FirstChunk | None:
        """The chunk, or None where it would have no more than the ``rows`` of the others."""
        columns, wide = x.shape[1], x.dtype is not torch.float32
        many = min(columns, x.shape[0] // 2 if x_wanted and wide else x.shape[0])
        many -= many % 16
        width = shapes.block_width(beside.numel(), columns, weight.shape[0])
        if many <= rows or not width:
            return None
        return cls(many, Blocks(weight.shape[0], width, width * columns))

    def _each(self, memory: torch.Tensor) -> list[tuple[slice, torch.Tensor]]:
        """The classes of each block, and their logits (rows, width)."""
        found = []
        for start in range(0, self.blocks.classes, self.blocks.width):
            classes = slice(start, min(start + self.blocks.width, self.blocks.classes))
            size = self.rows * (classes.stop - start)
            begin = start // self.blocks.width * self.blocks.apart
            found.append((classes, memory.view(-1)[begin : begin + size].view(self.rows, -1)))
        return found

    def make_logits(self, x: torch.Tensor, weight: torch.Tensor, memory: torch.Tensor) -> None:
        """x·Wᵀ, in blocks."""
        for classes, logits in self._each(memory):
            torch.mm(x, weight[classes].t(), out=logits)

    def make_dx(
        self, weight: torch.Tensor, memory: torch.Tensor, beside: torch.Tensor, dx: torch.Tensor
    ) -> None:
        """d·W into the first rows of dx."""
        size = self.rows * dx.shape[1]
        wide = dx.view(-1).view(torch.float32)[:size].view(self.rows, -1)
        for classes, d in self._each(memory):
            added(wide, d, weight[classes], classes.start == 0)
        if wide.dtype is dx.dtype:
            return
        # Rounded by way of the memory beside, since what is read here is written there.
        step = beside.numel() // dx.shape[1]
        for start in range(0, self.rows, step):
            part = slice(start, min(start + step, self.rows))
            rounded = beside[: wide[part].numel()].view_as(wide[part]).copy_(wide[part])
            dx[part] = rounded

    def make_dw(self, x: torch.Tensor, memory: torch.Tensor, beside: torch.Tensor) -> None:
        """dᵀ·x in place of d."""
        for classes, d in self._each(memory):
            made = beside[: d.shape[1] * x.shape[1]].view(d.shape[1], -1)
            memory[classes] = torch.mm(d.t(), x, out=made)
