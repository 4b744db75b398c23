"""Normalisation over the last dimension."""

import torch
from torch import Tensor, nn

from torch_models import ops


class LayerNorm(nn.Module):
    """Layer normalisation with weight and optional bias (Ba et al. 2016)."""

    def __init__(self, hidden_size: int, eps: float = 1e-5, bias: bool = True) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(hidden_size))
        self.bias = nn.Parameter(torch.zeros(hidden_size)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (..., hidden_size)."""
        return ops.layer_norm(x, self.weight, self.bias, self.eps)


class RMSNorm(nn.Module):
    """Root-mean-square normalisation (Zhang and Sennrich 2019), as Llama uses it."""

    def __init__(self, hidden_size: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(hidden_size))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (..., hidden_size)."""
        return ops.rms_norm(x, self.weight, self.eps)
