"""The ops as modules: ``RMSNorm``, ``LayerNorm``, ``SwiGLU``, ``CrossEntropyLoss``.

They hold the parameters and the options, and call the function of their op; state dicts are those
of torch's modules of the same names.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from triton_kernels.ops.activations.gated import swiglu
from triton_kernels.ops.cross_entropy.op import cross_entropy
from triton_kernels.ops.norms.layer import layer_norm
from triton_kernels.ops.norms.rms import rms_norm


class RMSNorm(nn.Module):
    """``rms_norm`` over the last dimension.

    Args:
        size: of the last dimension, n.
        eps: added to the mean square.
        offset: added to the weight, which then starts at 0: 1 for Gemma.
        casting: ``float32``, or ``llama`` for what Hugging Face's Llama does.
        elementwise_affine: whether there is a weight, of shape (n,).
        device: of the weight.
        dtype: of the weight.
    """

    def __init__(
        self,
        size: int,
        eps: float = 1e-6,
        *,
        offset: float = 0.0,
        casting: str = "float32",
        elementwise_affine: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.size, self.eps, self.offset, self.casting = size, eps, offset, casting
        weight = torch.full((size,), 1.0 - offset, device=device, dtype=dtype)
        self.weight = nn.Parameter(weight) if elementwise_affine else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., n) to (..., n); raises as ``rms_norm``."""
        return rms_norm(x, self.weight, self.eps, self.offset, self.casting)

    def extra_repr(self) -> str:
        """The options, for printing."""
        return f"{self.size}, eps={self.eps}, offset={self.offset}, casting={self.casting!r}"


class LayerNorm(nn.Module):
    """``layer_norm`` over the last dimension.

    Args:
        size: of the last dimension, n.
        eps: added to the variance.
        elementwise_affine: whether there is a weight, of shape (n,).
        bias: whether there is a bias too.
        device: of both.
        dtype: of both.
    """

    def __init__(
        self,
        size: int,
        eps: float = 1e-5,
        *,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.size, self.eps = size, eps
        ones = torch.ones(size, device=device, dtype=dtype)
        self.weight = nn.Parameter(ones) if elementwise_affine else None
        self.bias = nn.Parameter(torch.zeros_like(ones)) if elementwise_affine and bias else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., n) to (..., n); raises as ``layer_norm``."""
        return layer_norm(x, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The options, for printing."""
        return f"{self.size}, eps={self.eps}"


class SwiGLU(nn.Module):
    """``swiglu`` of two tensors, or of one that holds gate and up side by side."""

    def forward(self, gate: torch.Tensor, up: torch.Tensor | None = None) -> torch.Tensor:
        """Twice (..., n), or (..., 2n), to (..., n); raises as ``swiglu``."""
        return swiglu(gate, up)


class CrossEntropyLoss(nn.Module):
    """``cross_entropy`` with its options kept.

    Args:
        weight: (classes,); None: ones.
        options: those of ``cross_entropy``, by name: ignore_index, label_smoothing, z_loss,
            soft_cap, reduction, inplace, return_lse, check_targets.
    """

    weight: torch.Tensor | None

    def __init__(self, weight: torch.Tensor | None = None, **options: Any) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.options = options

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """(rows, classes) and (rows,) to the loss; raises as ``cross_entropy``."""
        return cross_entropy(logits, target, self.weight, **self.options)

    def extra_repr(self) -> str:
        """The options, for printing."""
        return ", ".join(f"{name}={value!r}" for name, value in self.options.items())
