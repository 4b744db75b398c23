"""linear_cross_entropy a chunk of rows at a time: the logits of all rows are never held.

For a chunk: logits = x·Wᵀ; one kernel turns them into losses and, in their place, their gradient
(cross_entropy's); dx = d·W; dW += dᵀ·x. The products are cuBLAS's (torch.mm). Loss and gradients
are made in one go, since the loss's own gradient is but a factor, which the backward applies.

dW is added up over chunks in float32, or in the weight's dtype, which halves the memory: each
product is summed in float32 anyway, so that rounds once a chunk. In float32 the memory of dW's
final value holds the logits until it is needed; in the weight's dtype dW's own memory holds those
of a large first chunk (see first_chunk.py).
"""

from __future__ import annotations

import torch

from triton_kernels.ops.cross_entropy import portable
from triton_kernels.ops.linear_cross_entropy import shapes
from triton_kernels.ops.linear_cross_entropy.first_chunk import FirstChunk, added


class _WeightGradient:
    """dW, added up over chunks."""

    def __init__(self, weight: torch.Tensor, accumulate: str, rows: int) -> None:
        wide = accumulate == "float32" and weight.dtype is not torch.float32
        self._result = torch.empty_like(weight, memory_format=torch.contiguous_format)
        self._sums = torch.empty_like(self._result, dtype=torch.float32) if wide else self._result
        self._first = True
        self._wide = wide
        self.scratch: torch.Tensor | None = self._result if wide else None
        if wide and rows * weight.shape[0] > weight.numel():
            self.scratch = None

    def begun(self) -> torch.Tensor:
        """The memory of the sum, whose first term the caller has left or will leave there."""
        self._first = False
        return self._sums

    def add(self, d: torch.Tensor, x: torch.Tensor) -> None:
        """dW += dᵀ·x."""
        added(self._sums, d.t(), x, self._first)
        self._first = False

    def result(self) -> torch.Tensor:
        """The sum, in the weight's dtype."""
        if self._first:
            return self._result.zero_()
        return self._result.copy_(self._sums) if self._wide else self._sums


def _chunks(x: torch.Tensor, weight: torch.Tensor, chunk_rows: int) -> tuple[int, range]:
    rows = shapes.rows_at_a_time(x.shape[0], x.shape[1], weight.shape[0], chunk_rows)
    return rows, range(0, x.shape[0], max(rows, 1))


def _buffer(rows: int, weight: torch.Tensor, sums: _WeightGradient | None) -> torch.Tensor:
    size = rows * weight.shape[0]
    if sums is not None and sums.scratch is not None:
        return sums.scratch.view(-1)[:size]
    return torch.empty(size, dtype=weight.dtype, device=weight.device)


def linear_cross_entropy(
    x: torch.Tensor, weight: torch.Tensor, target: torch.Tensor, ignore_index: int,
    label_smoothing: float, z_loss: float, soft_cap: float, reduction: str, accumulate: str,
    chunk_rows: int, x_wanted: bool, weight_wanted: bool,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """The loss, the rows' statistics, the mean's divisor, and the gradients for a loss's of 1."""
    wanted = x_wanted or weight_wanted
    x, target = x.contiguous(), target.contiguous()
    classes = weight.shape[0]
    losses = torch.empty(target.shape, dtype=torch.float32, device=x.device)
    row_weights, statistics = torch.empty_like(losses), losses.new_empty((2, losses.numel()))
    divisor = None
    if wanted and reduction == "mean":
        divisor = portable.rows_that_count(target, None, classes, ignore_index)
    rows, starts = _chunks(x, weight, chunk_rows)
    dx = torch.empty_like(x) if x_wanted else x.new_empty(0)
    sums = _WeightGradient(weight, accumulate, rows) if weight_wanted else None
    buffer = _buffer(rows, weight, sums)
    if sums is not None and sums.scratch is None:
        chunk = FirstChunk.of(x, weight, buffer, rows, x_wanted)
        if chunk is not None:
            memory = sums.begun()
            part = slice(0, chunk.rows)
            chunk.make_logits(x[part], weight, memory)
            portable.row_losses(
                memory.view(-1), target[part], None, ignore_index, label_smoothing, z_loss,
                soft_cap, losses[part], row_weights[part], statistics[:, part], memory.view(-1),
                divisor, blocks=chunk.blocks,
            )  # fmt: skip
            if x_wanted:
                chunk.make_dx(weight, memory, buffer, dx)
            chunk.make_dw(x[part], memory, buffer)
            starts = range(chunk.rows, x.shape[0], rows)
    for start in starts:
        part = slice(start, min(start + rows, x.shape[0]))
        some = x[part]
        logits = buffer[: some.shape[0] * classes].view(-1, classes)
        torch.mm(some, weight.t(), out=logits)
        portable.row_losses(
            logits, target[part], None, ignore_index, label_smoothing, z_loss, soft_cap,
            losses[part], row_weights[part], statistics[:, part], logits if wanted else None,
            divisor,
        )  # fmt: skip
        if x_wanted:
            torch.mm(logits, weight, out=dx[part])
        if sums is not None:
            sums.add(logits, some)
    del buffer
    loss, denominator = portable.reduced(losses, row_weights, reduction)
    dw = x.new_empty(0) if sums is None else sums.result()
    return loss, statistics, denominator, dx, dw


def gradients(
    grad: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, target: torch.Tensor,
    statistics: torch.Tensor, denominator: torch.Tensor, ignore_index: int, label_smoothing: float,
    z_loss: float, soft_cap: float, reduction: str, accumulate: str, chunk_rows: int,
    x_wanted: bool, weight_wanted: bool,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """dx and d(weight), as far as they are wanted, from logits made once more."""
    x, target = x.contiguous(), target.contiguous()
    options = (ignore_index, label_smoothing, z_loss, soft_cap, reduction)
    rows, starts = _chunks(x, weight, chunk_rows)
    dx = torch.empty_like(x) if x_wanted else x.new_empty(0)
    sums = _WeightGradient(weight, accumulate, rows) if weight_wanted else None
    for start in starts:
        part = slice(start, min(start + rows, x.shape[0]))
        some = x[part]
        d = portable.cross_entropy_backward(
            grad[part] if grad.dim() else grad, None, torch.mm(some, weight.t()), target[part],
            None, statistics[:, part], denominator, *options,
        )  # fmt: skip
        if x_wanted:
            torch.mm(d, weight, out=dx[part])
        if sums is not None:
            sums.add(d, some)
    return dx, x.new_empty(0) if sums is None else sums.result()
