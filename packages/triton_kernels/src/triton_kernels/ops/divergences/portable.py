"""Divergences in Triton: what is launched, on what. The maths: see reference.py.

One program a row adds up its losses; one program in all adds the rows. Given the rows' statistics
the gradient is elementwise.
"""

from __future__ import annotations

import torch

from triton_kernels import _compat
from triton_kernels._compat import cdiv, launch
from triton_kernels.ops.cross_entropy.portable import reduced
from triton_kernels.ops.divergences import kernels, shapes


def _kind(beta: float) -> str:
    return {0.0: "forward", 0.5: "half", 1.0: "reverse"}.get(beta, "between")


def _rows_of(x: torch.Tensor) -> torch.Tensor:
    """Rows of neighbouring columns; a copy only where the strides forbid."""
    return x.contiguous() if x.stride(1) != 1 and x.shape[1] > 1 else x


def divergence(
    input: torch.Tensor, target: torch.Tensor, labels: torch.Tensor | None, form: str, beta: float,
    temperature: float, reduction: str, ignore_index: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """The loss, of logits the rows' statistics, and what a mean divides by."""
    n_rows, n_columns = input.shape
    x, y = _rows_of(input), _rows_of(target)
    row_losses = torch.empty(n_rows, dtype=torch.float32, device=input.device)
    row_weights = torch.empty_like(row_losses)
    statistics = row_losses.new_empty((6 if form == "logits" else 0, n_rows))
    losses = row_losses.new_empty(input.shape) if reduction == "none" else None
    tile = shapes.row_tile(n_columns, input.dtype, _compat.device_of(input.device))
    if n_rows:
        launch(
            kernels.losses_of_rows, (n_rows,),
            (
                x, y, None if labels is None else labels.contiguous(), losses, row_losses,
                row_weights, statistics,
            ),
            (n_rows, n_columns, x.stride(0), y.stride(0), ignore_index),
            (beta, temperature, float(n_columns if reduction == "mean" else 1)),
            FORM=form, KIND=_kind(beta), COLUMNS=tile.columns,
            GROUP=min(tile.columns, 16 // input.dtype.itemsize), num_warps=tile.warps,
        )  # fmt: skip
    total, divisor = reduced(row_losses, row_weights, "sum" if reduction == "sum" else "mean")
    return total if losses is None else losses, statistics, divisor


def divergence_backward(
    grad: torch.Tensor, input: torch.Tensor, target: torch.Tensor, labels: torch.Tensor | None,
    statistics: torch.Tensor, divisor: torch.Tensor, form: str, beta: float, temperature: float,
    reduction: str, ignore_index: int, input_wanted: bool, target_wanted: bool,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """The gradients of input and target, as far as they are wanted."""
    n_rows, n_columns = input.shape
    x, y = _rows_of(input), _rows_of(target)
    shape = {True: input.shape, False: torch.Size([0])}
    dx, dy = (
        torch.empty(shape[wanted], dtype=input.dtype, device=input.device)
        for wanted in (input_wanted, target_wanted)
    )
    if not n_rows * n_columns:
        return dx, dy
    elementwise = reduction == "none"
    strides = grad.stride() if elementwise else (0, 0)
    device = _compat.device_of(input.device)
    if elementwise and form == "logits":
        statistics = statistics.clone()  # the saved ones serve another backward
        tile = shapes.row_tile(n_columns, input.dtype, device)
        launch(
            kernels.terms_of_rows, (n_rows,), (grad, x, y, statistics),
            (n_rows, n_columns, *strides, x.stride(0), y.stride(0)), (beta, temperature),
            KIND=_kind(beta), COLUMNS=tile.columns, num_warps=tile.warps,
        )  # fmt: skip
    tile = shapes.gradient_tile(n_columns, input.dtype, device)
    launch(
        kernels.gradient_of_rows, (n_rows * cdiv(n_columns, tile.columns),),
        (
            grad, x, y, None if labels is None else labels.contiguous(), statistics,
            divisor if reduction in ("mean", "batchmean") else None,
            dx if input_wanted else None, dy if target_wanted else None,
        ),
        (n_rows, n_columns, *strides, x.stride(0), y.stride(0), ignore_index),
        (beta, temperature),
        FORM=form, KIND=_kind(beta), ELEMENTWISE=elementwise, COLUMNS=tile.columns,
        num_warps=tile.warps,
    )  # fmt: skip
    return dx, dy
