"""The linear layer and the identity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..dtypes import as_dtype, get_default_dtype
from ..errors import ArgumentError, ArgumentTypeError
from ..registry import op
from ..tensor import wrap
from . import init
from .module import Module
from .parameter import Parameter, weight_and_bias


class Linear(Module):
    """``y = x·weightᵀ + bias`` for x (…, in_features); weight (out, in), bias (out,).

    Both start uniform in ±1/√in_features, as in torch and from the same stream.

    Raises:
        ArgumentTypeError: A number of features that is no int.
        ArgumentError: A negative one; 0 is allowed, with a warning that nothing was drawn.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        for name, size in (("in_features", in_features), ("out_features", out_features)):
            if not isinstance(size, (int, np.integer)):
                raise ArgumentTypeError(f"Linear: expected {name} as an int, got {size!r}")
            if size < 0:
                raise ArgumentError(f"Linear: expected {name} of at least 0, got {size}")
        self.in_features, self.out_features = in_features, out_features
        dtype = as_dtype(dtype or get_default_dtype())
        self.weight = Parameter(wrap(np.empty((out_features, in_features), dtype)))
        if bias:
            self.bias = Parameter(wrap(np.empty(out_features, dtype)))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Any) -> Any:
        """Apply the layer."""
        return op.linear(input, *weight_and_bias(self))

    def extra_repr(self) -> str:
        """Sizes."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Identity(Module):
    """The input as it comes; arguments of the constructor are ignored."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        """Return the input."""
        return input


class Flatten(Module):
    """Dimensions `start_dim` to `end_dim` made one."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Any) -> Any:
        """Flatten."""
        return op.flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """Dimensions."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
