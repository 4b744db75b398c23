"""matmul by its definition, in plain torch, accumulated in float32 at least."""

from __future__ import annotations

import torch

from triton_kernels.ops.gemm import epilogue


def matmul(a: torch.Tensor, b: torch.Tensor, precision: str) -> torch.Tensor:
    """c[..., i, j] = Σ_k a[..., i, k] · b[..., k, j]; never less exact than ``precision``."""
    if a.dtype is torch.float64:
        return torch.matmul(a, b)
    return torch.matmul(a.float(), b.float()).to(a.dtype)


def linear(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    residual: torch.Tensor | None, activation: str, precision: str, kept: bool,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """f(z) + residual with z = x·weightᵀ + bias, and z, empty unless ``kept``; never less exact
    than ``precision``."""
    wide = torch.float64 if x.dtype is torch.float64 else torch.float32
    product = torch.matmul(x.to(wide), weight.to(wide).t())
    y, z = epilogue.reference(product, bias, residual, activation)
    before = z.to(x.dtype).contiguous() if kept else x.new_empty(0)
    return y.to(x.dtype).contiguous(), before


def matmul_fp8(
    a: torch.Tensor, b: torch.Tensor, scale_a: torch.Tensor, scale_b: torch.Tensor,
    bias: torch.Tensor | None, residual: torch.Tensor | None, dtype: torch.dtype, activation: str,
) -> torch.Tensor:  # fmt: skip
    """f(scale_a·scale_b·a·b + bias) + residual."""
    product = torch.matmul(a.float(), b.float()) * (scale_a.reshape(()) * scale_b.reshape(()))
    return epilogue.reference(product, bias, residual, activation)[0].to(dtype).contiguous()
