"""matmul by its definition, in plain torch, accumulated in float32 at least."""

from __future__ import annotations

import torch


def matmul(a: torch.Tensor, b: torch.Tensor, precision: str) -> torch.Tensor:
    """c[..., i, j] = Σ_k a[..., i, k] · b[..., k, j]; never less exact than ``precision``."""
    if a.dtype is torch.float64:
        return torch.matmul(a, b)
    return torch.matmul(a.float(), b.float()).to(a.dtype)
