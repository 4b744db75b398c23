"""Activations as modules; the maths is in `nn.functional`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import as_dtype, get_default_dtype
from ..errors import ArgumentError
from ..registry import op
from ..tensor import wrap
from .module import Module
from .parameter import Parameter
from .settings import Stateless


class ReLU(Stateless, function="relu", inplace=False):
    """``max(x, 0)``."""

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return op.relu(input, **self._target()) if self.inplace else op.relu(input)


class ReLU6(Stateless, function="relu6", inplace=False):
    """``min(max(x, 0), 6)``."""


class LeakyReLU(Stateless, function="leaky_relu", negative_slope=0.01, inplace=False):
    """x above 0, else ``negative_slope·x``."""


class RReLU(Stateless, function="rrelu", lower=1.0 / 8, upper=1.0 / 3, inplace=False):
    """``x`` where x >= 0, else ``a·x``: a uniform in [lower, upper], their mean in evaluation."""

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return op.rrelu(input, self.lower, self.upper, self.training, **self._target())


class ELU(Stateless, function="elu", alpha=1.0, inplace=False):
    """x above 0, else ``alpha·(exp(x) - 1)``."""


class CELU(Stateless, function="celu", alpha=1.0, inplace=False):
    """x above 0, else ``alpha·(exp(x/alpha) - 1)``."""


class SELU(Stateless, function="selu", inplace=False):
    """``scale·(max(0, x) + min(0, α·(eˣ - 1)))``, α = 1.67326…, scale = 1.05070….

    Keeps mean 0 and variance 1.  Klambauer et al. 2017.
    """


class GELU(Stateless, function="gelu", approximate="none"):
    """``x·Φ(x)``; `approximate` is "none" or "tanh"."""


class SiLU(Stateless, function="silu", inplace=False):
    """``x·σ(x)``."""


class Mish(Stateless, function="mish", inplace=False):
    """``x·tanh(softplus(x))``."""


class GLU(Stateless, function="glu", dim=-1):
    """``a·σ(b)`` of the two halves of `dim`."""


class Tanh(Stateless, function="tanh"):
    """``(eˣ - e⁻ˣ)/(eˣ + e⁻ˣ)``."""


class Tanhshrink(Stateless, function="tanhshrink"):
    """``x - tanh(x)``."""


class Hardtanh(Stateless, function="hardtanh", min_val=-1.0, max_val=1.0, inplace=False):
    """``min(max(x, min_val), max_val)``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.max_val > self.min_val:
            raise ArgumentError(f"Hardtanh: max_val {self.max_val} is not above {self.min_val}")


class Sigmoid(Stateless, function="sigmoid"):
    """``1/(1 + exp(-x))``."""


class LogSigmoid(Stateless, function="logsigmoid"):
    """``log σ(x)``."""


class Hardsigmoid(Stateless, function="hardsigmoid", inplace=False):
    """``min(max(x + 3, 0), 6)/6``."""


class Hardswish(Stateless, function="hardswish", inplace=False):
    """``x·hardsigmoid(x)``."""


class Softplus(Stateless, function="softplus", beta=1.0, threshold=20.0):
    """``log(1 + exp(beta·x))/beta``."""


class Softsign(Stateless, function="softsign"):
    """``x/(1 + |x|)``."""


class _Shrink(Stateless):
    def extra_repr(self) -> str:
        """The distance alone, as in torch."""
        return str(self.lambd)


class Softshrink(_Shrink, function="softshrink", lambd=0.5):
    """``sign(x)·max(|x| - lambd, 0)``."""


class Hardshrink(_Shrink, function="hardshrink", lambd=0.5):
    """``x`` where |x| > lambd, else 0."""


class Threshold(Stateless, function="threshold", threshold=..., value=..., inplace=False):
    """``x`` where x > threshold, else ``value``."""


class PReLU(Module):
    """x above 0, else ``weight·x``, with one weight or one a channel, to be learned."""

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        kind = as_dtype(dtype or get_default_dtype())
        self.weight = Parameter(wrap(np.full(num_parameters, init, kind)))

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return op.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """Number of weights."""
        return f"num_parameters={self.num_parameters}"


class _AlongDim(Stateless):
    def forward(self, input: Any) -> Any:
        """Apply it; without a dim along 0 of 0, 1 or 3 dimensions, else along 1, as in torch."""
        dim = self.dim
        if dim is None:
            dim = 0 if input.ndim in (0, 1, 3) else 1
        return getattr(op, self.function)(input, dim)


class Softmax(_AlongDim, function="softmax", dim=None):
    """``exp(x)/Σexp(x)`` along `dim`."""


class Softmin(_AlongDim, function="softmin", dim=None):
    """``exp(-x)/Σexp(-x)`` along `dim`."""


class LogSoftmax(_AlongDim, function="log_softmax", dim=None):
    """``x - log Σexp(x)`` along `dim`."""


class Softmax2d(Stateless, function="softmax"):
    """``exp(x_c)/Σ exp(x_k)`` over the channels of (C, H, W) or (N, C, H, W)."""

    def forward(self, input: Any) -> Any:
        """Apply it."""
        if input.ndim not in (3, 4):
            raise ArgumentError(
                f"Softmax2d: expected 3 or 4 dimensions, got the shape {tuple(input.shape)}"
            )
        return op.softmax(input, -3)
