"""linear_cross_entropy by its definition, in plain torch, with all logits in float32 at once."""

from __future__ import annotations

import torch

from triton_kernels.ops.cross_entropy import reference


def _logits(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    wide = torch.float64 if x.dtype is torch.float64 else torch.float32
    return x.to(wide) @ weight.to(wide).t()


def loss(
    x: torch.Tensor, weight: torch.Tensor, target: torch.Tensor, ignore_index: int,
    label_smoothing: float, z_loss: float, soft_cap: float, reduction: str,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """The loss, the rows' log Σ exp and its rest, and what a mean divides by."""
    options = (ignore_index, label_smoothing, z_loss, soft_cap, reduction)
    return reference.cross_entropy(_logits(x, weight), target, None, *options)


def gradients(
    grad: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, target: torch.Tensor,
    statistics: torch.Tensor, denominator: torch.Tensor, ignore_index: int, label_smoothing: float,
    z_loss: float, soft_cap: float, reduction: str, accumulate: str, chunk_rows: int,
    x_wanted: bool, weight_wanted: bool,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """dx and d(weight), as far as they are wanted, else empty."""
    options = (ignore_index, label_smoothing, z_loss, soft_cap, reduction)
    logits = _logits(x, weight)
    d = reference.cross_entropy_backward(
        grad, None, logits, target, None, statistics, denominator, *options
    )
    dx = (d @ weight.to(d.dtype)).to(x.dtype) if x_wanted else x.new_empty(0)
    dw = (d.t() @ x.to(d.dtype)).to(x.dtype) if weight_wanted else x.new_empty(0)
    return dx, dw


def linear_cross_entropy(
    x: torch.Tensor, weight: torch.Tensor, target: torch.Tensor, ignore_index: int,
    label_smoothing: float, z_loss: float, soft_cap: float, reduction: str, accumulate: str,
    chunk_rows: int, x_wanted: bool, weight_wanted: bool,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """The loss, the rows' statistics, the mean's divisor, and the gradients for a loss's of 1."""
    options = (ignore_index, label_smoothing, z_loss, soft_cap, reduction)
    result, statistics, denominator = loss(x, weight, target, *options)
    dx, dw = x.new_empty(0), x.new_empty(0)
    if x_wanted or weight_wanted:
        dx, dw = gradients(
            torch.ones_like(result), x, weight, target, statistics, denominator, *options,
            accumulate, chunk_rows, x_wanted, weight_wanted,
        )  # fmt: skip
    return result, statistics, denominator, dx, dw
