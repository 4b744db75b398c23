"""Masked softmax and log_softmax by their definitions, in plain torch, worked in float32."""

from __future__ import annotations

import torch


def _widened(x: torch.Tensor) -> torch.Tensor:
    return x if x.dtype is torch.float64 else x.float()


def masked_scores(x: torch.Tensor, mask: torch.Tensor | None, causal: bool) -> torch.Tensor:
    """x with -inf at what takes no part, and with an additive mask added."""
    scores = _widened(x)
    if mask is not None and mask.dtype is torch.bool:
        scores = scores.masked_fill(~mask, -torch.inf)
    elif mask is not None:
        scores = scores + _widened(mask)
    if causal:
        rows, columns = x.shape[-2:]
        later = torch.ones(rows, columns, dtype=torch.bool, device=x.device)
        scores = scores.masked_fill(later.triu(columns - rows + 1), -torch.inf)
    return scores


def softmax(x: torch.Tensor, mask: torch.Tensor | None, causal: bool, log: bool) -> torch.Tensor:
    """exp(s - max s) / Σ exp(s - max s) of s = x + mask, or its logarithm."""
    if x.numel() == 0:
        return torch.empty(x.shape, dtype=x.dtype, device=x.device)
    scores = masked_scores(x, mask, causal)
    out = scores == -torch.inf
    maximum = scores.amax(-1, keepdim=True)
    shifted = scores - torch.where(maximum == -torch.inf, 0.0, maximum)
    numerator = shifted.exp()
    total = numerator.sum(-1, keepdim=True)
    empty = total == 0
    if log:
        y = torch.where(out, -torch.inf, shifted - torch.where(empty, 1.0, total).log())
    else:
        y = torch.where(out, 0.0, numerator / torch.where(empty, 1.0, total))
    return y.to(x.dtype).contiguous()


def softmax_backward(
    grad: torch.Tensor, y: torch.Tensor, mask: torch.Tensor | None, causal: bool, log: bool,
    mask_wanted: bool,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """dx, and the mask's gradient: its sum over what the mask is repeated along."""
    dy, wide = _widened(grad), _widened(y)
    if log:
        dy = torch.where(wide == -torch.inf, 0.0, dy)
        dx = dy - wide.exp() * dy.sum(-1, keepdim=True)
    else:
        dy = torch.where(wide == 0, 0.0, dy)
        dx = wide * (dy - (wide * dy).sum(-1, keepdim=True))
    dx = dx.to(y.dtype).contiguous()
    return dx, mask_gradient(dx, mask if mask_wanted else None)


def mask_gradient(dx: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """The additive mask's gradient, of its shape and dtype; empty without one."""
    if mask is None:
        return dx.new_empty(0)
    wide = dx if mask.dtype is dx.dtype else dx.to(mask.dtype)
    total = wide.sum_to_size(mask.shape)
    return total.clone() if mask.shape == dx.shape else total
