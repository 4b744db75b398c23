"""softmax by its definition, in plain torch: any device, any dtype, accumulated in float32."""

from __future__ import annotations

import torch


def softmax(x: torch.Tensor, dim: int) -> torch.Tensor:
    """exp(x - max x) / Σ exp(x - max x) along ``dim``."""
    if x.numel() == 0:
        return torch.empty(x.shape, dtype=x.dtype, device=x.device)
    wide = _widened(x)
    numerator = (wide - wide.amax(dim, keepdim=True)).exp()
    return (numerator / numerator.sum(dim, keepdim=True)).to(x.dtype).contiguous()


def softmax_backward(grad: torch.Tensor, y: torch.Tensor, dim: int) -> torch.Tensor:
    """y · (dy - Σ y·dy) along ``dim``, given y = softmax(x)."""
    wide_grad, wide_y = _widened(grad), _widened(y)
    mean = (wide_grad * wide_y).sum(dim, keepdim=True)
    return (wide_y * (wide_grad - mean)).to(y.dtype).contiguous()


def _widened(x: torch.Tensor) -> torch.Tensor:
    return x if x.dtype is torch.float64 else x.float()
