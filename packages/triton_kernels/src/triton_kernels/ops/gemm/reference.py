"""matmul by its definition, in plain torch, accumulated in float32 at least."""

from __future__ import annotations

import torch

from triton_kernels.ops.activations import reference as activations


def matmul(a: torch.Tensor, b: torch.Tensor, precision: str) -> torch.Tensor:
    """c[..., i, j] = Σ_k a[..., i, k] · b[..., k, j]; never less exact than ``precision``."""
    if a.dtype is torch.float64:
        return torch.matmul(a, b)
    return torch.matmul(a.float(), b.float()).to(a.dtype)


def linear(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    residual: torch.Tensor | None, activation: str, kept: bool,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """f(z) + residual with z = x·weightᵀ + bias, and z, empty unless ``kept``."""
    wide = torch.float64 if x.dtype is torch.float64 else torch.float32
    z = torch.matmul(x.to(wide), weight.to(wide).t())
    if bias is not None:
        z = z + bias.to(wide)
    y = z if activation == "none" else activations.activation(z, activation)
    if residual is not None:
        y = y + residual.to(wide)
    before = z.to(x.dtype).contiguous() if kept else x.new_empty(0)
    return y.to(x.dtype).contiguous(), before


def matmul_fp8(
    a: torch.Tensor, b: torch.Tensor, scale_a: torch.Tensor, scale_b: torch.Tensor,
    dtype: torch.dtype,
) -> torch.Tensor:  # fmt: skip
    """scale_a·scale_b·a·b."""
    return (torch.matmul(a.float(), b.float()) * (scale_a * scale_b).reshape(())).to(dtype)
