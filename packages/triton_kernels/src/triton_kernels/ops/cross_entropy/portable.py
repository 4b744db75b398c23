"""cross_entropy in Triton: what is launched, on what, in which order.

One program a row gives the row's loss and its ``statistics``: log Σ exp, and what rounding that to
float32 took off. One program in all adds the rows' losses, in a fixed order.

With ``gradient`` the row's program goes on to write the gradient too, from registers while the row
fits, else from a second read that finds it in the cache: two transfers in all instead of three.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from typing import NamedTuple

import torch

from triton_kernels import _compat
from triton_kernels._compat import cdiv, dense_like, launch
from triton_kernels.ops.cross_entropy import kernels, shapes
from triton_kernels.ops.parts import early_options


def _rows_of(logits: torch.Tensor) -> torch.Tensor:
    """Rows of neighbouring classes; a copy only where the strides forbid."""
    apart = logits.stride(1) != 1 and logits.shape[1] > 1
    return logits.contiguous() if apart else logits


def _weights(
    weight: torch.Tensor | None, label_smoothing: float
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """The weights and, for smoothing, their sum."""
    if weight is None:
        return None, None
    return weight.contiguous(), weight.sum(dtype=torch.float32) if label_smoothing else None


class Blocks(NamedTuple):
    """Logits that lie in blocks of classes, each with its part of all rows, one after the other."""

    classes: int
    width: int
    """Classes of a block; the last may have fewer."""
    apart: int
    """Elements from the beginning of one block to that of the next."""


def row_losses(
    logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None,
    ignore_index: int, label_smoothing: float, z_loss: float, soft_cap: float,
    losses: torch.Tensor, row_weights: torch.Tensor, statistics: torch.Tensor,
    gradient: torch.Tensor | None, denominator: torch.Tensor | None,
    tile: shapes.Tile | None = None, blocks: Blocks | None = None,
) -> None:  # fmt: skip
    """Fills in each row's loss, weight, log Σ exp with its rest and, where wanted, its gradient.

    The gradient is that of the sum of the losses over ``denominator``; it may be the logits. With
    ``blocks`` logits and gradient are the memory of them, of one dimension.
    """
    n_rows = target.shape[0]
    n_classes = logits.shape[1] if blocks is None else blocks.classes
    weight, weight_sum = _weights(weight, label_smoothing)
    device = _compat.device_of(logits.device)
    if blocks is None:
        tile = tile or shapes.row_tile(n_classes, logits.dtype, gradient is not None, device)
        lies, step, apart = "rows", tile.classes, logits.stride(0)
    else:
        tile = tile or shapes.block_tile(blocks.width)
        lies, step, apart = "blocks", blocks.width, blocks.apart
        if not (n_classes % 16 or step % 16):
            lies = "aligned blocks"
    if n_rows:
        gradient_row = 0 if gradient is None else apart if blocks else gradient.stride(0)
        plain = not (label_smoothing or soft_cap)
        options = {"maxnreg": tile.registers} if tile.registers and plain else {}
        launch(
            kernels.losses_of_rows, (n_rows,),
            (
                logits, target, weight, weight_sum, losses, row_weights, statistics, gradient,
                denominator,
            ),
            (n_classes, apart, gradient_row, statistics.stride(0), ignore_index),
            (label_smoothing, z_loss, soft_cap or 1.0),
            SMOOTHED=label_smoothing > 0, CAPPED=soft_cap > 0,
            ONE_PASS=blocks is None and n_classes <= tile.classes,
            CLASSES=tile.classes, STAGES=tile.stages,
            GROUP=min(tile.classes, 16 // logits.dtype.itemsize), STEP=step, LIES=lies,
            num_warps=tile.warps, **options,
        )  # fmt: skip


def rows_that_count(
    target: torch.Tensor, weight: torch.Tensor | None, n_classes: int, ignore_index: int
) -> torch.Tensor:
    """What a mean divides by: the sum of the targets' weights."""
    denominator = torch.empty((), dtype=torch.float32, device=target.device)
    launch(
        kernels.sum_weights, (1,), (target, weight, denominator),
        (target.numel(), n_classes, ignore_index),
        ROWS=2048, num_warps=8,
    )  # fmt: skip
    return denominator


def reduced(
    losses: torch.Tensor, row_weights: torch.Tensor, reduction: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss and what a mean divides by, added in a fixed order.

    Of many rows by several programs first: one has but a processor's share of the cache's speed.
    """
    interpreting = _compat.interpreting()
    early, options = early_options(losses.device)

    def add(
        values: tuple[torch.Tensor, torch.Tensor], to: tuple[torch.Tensor, torch.Tensor], mean: bool
    ) -> None:
        rows, parts = values[0].numel(), to[0].numel()
        tile = shapes.sum_tile(rows, interpreting)
        launch(
            kernels.sum_losses, (parts,), (*values, *to), (rows,),
            MEAN=mean, ROWS=tile.classes, PARTS=parts, EARLY=early, num_warps=tile.warps, **options,
        )  # fmt: skip

    values = losses, row_weights
    parts = shapes.sum_parts(losses.numel(), interpreting)
    if parts > 1:
        shares = losses.new_empty(parts), losses.new_empty(parts)
        add(values, shares, mean=False)
        values = shares
    total, denominator = losses.new_empty(()), losses.new_empty(())
    add(values, (total, denominator), mean=reduction == "mean")
    return losses if reduction == "none" else total, denominator


def _forward(
    logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None,
    ignore_index: int, label_smoothing: float, z_loss: float, soft_cap: float, reduction: str,
    gradient: torch.Tensor | None, tile: shapes.Tile | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    losses = torch.empty(target.shape, dtype=torch.float32, device=logits.device)
    row_weights, statistics = torch.empty_like(losses), losses.new_empty((2, losses.numel()))
    weight = None if weight is None else weight.contiguous()
    target = target.contiguous()
    divisor = None
    if gradient is not None and reduction == "mean":
        divisor = rows_that_count(target, weight, logits.shape[1], ignore_index)
    row_losses(
        logits, target, weight, ignore_index, label_smoothing, z_loss, soft_cap,
        losses, row_weights, statistics, gradient, divisor, tile,
    )  # fmt: skip
    loss, denominator = reduced(losses, row_weights, reduction)
    return loss, statistics, denominator


def cross_entropy(
    logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None,
    ignore_index: int, label_smoothing: float, z_loss: float, soft_cap: float, reduction: str,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """The loss, the rows' log Σ exp and its rest, what a mean divides by; reads the logits once."""
    return _forward(
        _rows_of(logits), target, weight,
        ignore_index, label_smoothing, z_loss, soft_cap, reduction, None,
    )  # fmt: skip


def cross_entropy_in_place(
    logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None,
    ignore_index: int, label_smoothing: float, z_loss: float, soft_cap: float, reduction: str,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """As ``cross_entropy``; the logits, whose rows must lie as such, become their gradient."""
    return _forward(
        logits, target, weight,
        ignore_index, label_smoothing, z_loss, soft_cap, reduction, logits,
    )  # fmt: skip


def cross_entropy_backward(
    grad: torch.Tensor, grad_lse: torch.Tensor | None, logits: torch.Tensor, target: torch.Tensor,
    weight: torch.Tensor | None, statistics: torch.Tensor, denominator: torch.Tensor,
    ignore_index: int, label_smoothing: float, z_loss: float, soft_cap: float, reduction: str,
) -> torch.Tensor:  # fmt: skip
    """d(logits), given those of the loss and of log Σ exp; reads the logits once."""
    dx = dense_like(logits)
    if not dx.numel():
        return dx
    n_rows, n_classes = logits.shape
    logits = _rows_of(logits)
    weight, weight_sum = _weights(weight, label_smoothing)
    tile = shapes.gradient_tile(n_classes, logits.dtype, _compat.device_of(logits.device))
    launch(
        kernels.gradient_of_rows, (n_rows * cdiv(n_classes, tile.classes),),
        (
            grad, grad_lse, logits, target.contiguous(), weight, weight_sum, statistics,
            denominator if reduction == "mean" else None, dx,
        ),
        (
            n_classes, grad.stride(0) if reduction == "none" else 0,
            0 if grad_lse is None else grad_lse.stride(0), logits.stride(0),
            statistics.stride(0), ignore_index,
        ),
        (label_smoothing, z_loss, soft_cap or 1.0),
        SMOOTHED=label_smoothing > 0, CAPPED=soft_cap > 0, CLASSES=tile.classes,
        num_warps=tile.warps,
    )  # fmt: skip
    return dx
