"""Activations as modules; the maths is in `nn.functional`."""

from __future__ import annotations

from typing import Any

from ..registry import op
from .module import Module


class ReLU(Module):
    """``max(x, 0)``."""

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return op.relu(input)


class GELU(Module):
    """``x·Φ(x)``; `approximate` is "none" or "tanh"."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return op.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        """Kind."""
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """``x·σ(x)``."""

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return op.silu(input)


class Tanh(Module):
    """Hyperbolic tangent."""

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return op.tanh(input)


class Sigmoid(Module):
    """``1/(1 + exp(-x))``."""

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return op.sigmoid(input)


class Softplus(Module):
    """``log(1 + exp(beta·x))/beta``."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return op.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """Parameters."""
        return f"beta={self.beta}, threshold={self.threshold}"


class _AlongDim(Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        """Dimension."""
        return f"dim={self.dim}"


class Softmax(_AlongDim):
    """``exp(x)/Σexp(x)`` along `dim`."""

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return op.softmax(input, self.dim)


class LogSoftmax(_AlongDim):
    """``x - log Σexp(x)`` along `dim`."""

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return op.log_softmax(input, self.dim)
