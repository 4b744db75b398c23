"""Weights of 4 and 8 bits by definition: in plain torch, on any device."""

from __future__ import annotations

import torch

from triton_kernels.ops.quantised.codes import nf4_values


def dequantise(codes: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """level · scale, in dtype."""
    return nf4_values(codes, scale).to(dtype)


def dequantise_int8(codes: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """code · scale, in dtype."""
    return (codes.to(scale.dtype) * scale[:, None]).to(dtype).contiguous()


def matvec_nf4(x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """x times the transpose of the weight that codes and scales stand for."""
    return (x.float() @ nf4_values(codes, scale).t()).to(x.dtype)


def matvec_int8(x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """x times the transpose of codes · scale."""
    return (x.float() @ codes.float().t() * scale).to(x.dtype)
