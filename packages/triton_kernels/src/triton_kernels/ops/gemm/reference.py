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
    residual: torch.Tensor | None, activation: str,
) -> torch.Tensor:  # fmt: skip
    """f(x·weightᵀ + bias) + residual."""
    wide = torch.float64 if x.dtype is torch.float64 else torch.float32
    z = torch.matmul(x.to(wide), weight.to(wide).t())
    if bias is not None:
        z = z + bias.to(wide)
    if activation != "none":
        z = activations.activation(z, activation)
    if residual is not None:
        z = z + residual.to(wide)
    return z.to(x.dtype).contiguous()


def matmul_fp8(
    a: torch.Tensor, b: torch.Tensor, scale_a: torch.Tensor, scale_b: torch.Tensor,
    dtype: torch.dtype,
) -> torch.Tensor:  # fmt: skip
    """scale_a·scale_b·a·b."""
    return (torch.matmul(a.float(), b.float()) * (scale_a * scale_b).reshape(())).to(dtype)
