"""Dropout (Srivastava et al. 2014)."""

from __future__ import annotations

from typing import Any

from ..ops.dropout import check_probability
from ..registry import op
from .module import Module


class Dropout(Module):
    """In training each element becomes 0 with probability `p`, else is scaled by 1/(1 - p)."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        check_probability(p)
        self.p = p

    def forward(self, input: Any) -> Any:
        """Apply it, in training mode."""
        return op.dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        """Probability."""
        return f"p={self.p}"
