"""cross_entropy by its definition, in plain torch: any device, any dtype, worked in float32."""

from __future__ import annotations

import torch


def _widened(x: torch.Tensor) -> torch.Tensor:
    return x if x.dtype is torch.float64 else x.float()


def _capped(logits: torch.Tensor, soft_cap: float) -> torch.Tensor:
    wide = _widened(logits)
    return soft_cap * torch.tanh(wide / soft_cap) if soft_cap else wide


def _usable(target: torch.Tensor, classes: int, ignore_index: int) -> tuple[torch.Tensor, ...]:
    """Targets safe to index with, which rows count, and which have a target out of range."""
    counts = target.long() != ignore_index  # int32 would fold a larger number
    wrong = counts & ((target < 0) | (target >= classes))
    return torch.where(counts & ~wrong, target, 0).long(), counts, wrong


def _row_weights(
    index: torch.Tensor, counts: torch.Tensor, weight: torch.Tensor | None, wide: torch.Tensor
) -> torch.Tensor:
    weights = wide.new_ones(index.shape) if weight is None else weight.to(wide.dtype)[index]
    return torch.where(counts, weights, 0.0)


def _counted(logits: torch.Tensor, counts: torch.Tensor, soft_cap: float) -> torch.Tensor:
    """The capped logits; rows that do not count may hold anything, and become zeros."""
    return _capped(torch.where(counts[:, None], logits, 0.0), soft_cap)


def _statistics(x: torch.Tensor) -> torch.Tensor:
    """log Σ exp, and what rounding to it took off: where it is large its places are few."""
    lse = torch.logsumexp(x, 1)
    rest = torch.logsumexp(x - lse[:, None], 1).detach()
    return torch.stack([lse, torch.where(rest.isnan(), 0.0, rest)])


def cross_entropy(
    logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None,
    ignore_index: int, label_smoothing: float, z_loss: float, soft_cap: float, reduction: str,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """The loss, the rows' log Σ exp and its rest, and what a mean divides by."""
    classes = logits.shape[1]
    index, counts, wrong = _usable(target, classes, ignore_index)
    x = _counted(logits, counts, soft_cap)
    minus = -torch.log_softmax(x, 1)
    row_weights = _row_weights(index, counts, weight, x)
    losses = row_weights * minus.gather(1, index[:, None])[:, 0]
    if label_smoothing:
        scale = x.new_ones(classes) if weight is None else weight.to(x.dtype)
        spread = (scale * minus).sum(1) / classes
        losses = (1 - label_smoothing) * losses + label_smoothing * spread
    if z_loss:
        losses = losses + z_loss * torch.logsumexp(x, 1).square()
    losses = torch.where(counts, losses, 0.0)
    losses = torch.where(wrong, torch.nan, losses)
    denominator = row_weights.sum()
    statistics = _statistics(_capped(logits, soft_cap))
    if reduction == "mean":
        return losses.sum() / denominator, statistics, denominator
    return (losses.sum() if reduction == "sum" else losses), statistics, denominator


def cross_entropy_backward(
    grad: torch.Tensor, grad_lse: torch.Tensor | None, logits: torch.Tensor, target: torch.Tensor,
    weight: torch.Tensor | None, statistics: torch.Tensor, denominator: torch.Tensor,
    ignore_index: int, label_smoothing: float, z_loss: float, soft_cap: float, reduction: str,
) -> torch.Tensor:  # fmt: skip
    """d(logits), given those of the loss and of log Σ exp."""
    classes = logits.shape[1]
    index, counts, wrong = _usable(target, classes, ignore_index)
    x = _counted(logits, counts, soft_cap) if grad_lse is None else _capped(logits, soft_cap)
    row_weights = _row_weights(index, counts, weight, x)
    along = (1 - label_smoothing) * row_weights
    scale = x.new_ones(classes) if weight is None else weight.to(x.dtype)
    smoothing = counts.to(x.dtype) * (label_smoothing / classes)
    total = along + smoothing * scale.sum()
    if z_loss:
        total = total + torch.where(counts, 2 * z_loss * statistics[0], 0.0)
    p = torch.softmax(x, 1)
    dx = total[:, None] * p - smoothing[:, None] * scale
    dx = dx.scatter_add(1, index[:, None], -along[:, None])
    dloss = _widened(grad) / (denominator if reduction == "mean" else 1.0)
    dx = dx * dloss.expand(target.shape)[:, None]
    dx = torch.where(counts[:, None], dx, 0.0)
    if grad_lse is not None:
        dx = dx + p * _widened(grad_lse)[:, None]
    if soft_cap:
        dx = dx * (1 - (x / soft_cap).square())
    return torch.where(wrong[:, None], torch.nan, dx).to(logits.dtype)
