"""Distances and bilinear forms as modules."""

from __future__ import annotations

import math
from typing import Any

from ..errors import ArgumentError
from ..registry import op
from . import init
from .module import Module
from .parameter import uninitialized
from .settings import Stateless


class CosineSimilarity(Stateless, function="cosine_similarity", dim=1, eps=1e-8):
    """``x1·x2/(max(‖x1‖, eps)·max(‖x2‖, eps))`` along `dim`."""

    def extra_repr(self) -> str:
        """Nothing, as in torch."""
        return ""


class PairwiseDistance(Stateless, function="pairwise_distance", p=2.0, eps=1e-6, keepdim=False):
    """``‖x1 - x2 + eps‖_p`` over the last dimension."""

    def extra_repr(self) -> str:
        """Nothing, as in torch."""
        return ""


class Bilinear(Module):
    """``y[k] = x1ᵀ·weight[k]·x2 + bias[k]``; starts uniform in ±1/√in1_features."""

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if in1_features <= 0:
            raise ArgumentError(f"Bilinear: expected in1_features above 0, got {in1_features}")
        self.in1_features, self.in2_features = in1_features, in2_features
        self.out_features = out_features
        self.weight = uninitialized(out_features, in1_features, in2_features, dtype=dtype)
        self.register_parameter("bias", uninitialized(out_features, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        bound = 1 / math.sqrt(self.in1_features)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def forward(self, input1: Any, input2: Any) -> Any:
        """Apply the form."""
        return op.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Sizes."""
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
