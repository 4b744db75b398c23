"""Parameters and buffers: the tensors that a module counts as its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import as_dtype, get_default_dtype
from ..tensor import Tensor, array_of, wrap


class Parameter(Tensor):
    """A leaf that a module registers as to be trained when it is assigned to an attribute."""

    def __init__(self, data: Any = (), requires_grad: bool = True) -> None:
        self._data = array_of(data) if isinstance(data, Tensor) else np.array(array_of(data))
        self._node = self._grad = self._hooks = None
        self._requires_grad = False
        self.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Buffer(Tensor):
    """A tensor that a module saves in its state dict but does not train."""

    def __init__(self, data: Any = (), *, persistent: bool = True) -> None:
        self._data = array_of(data)
        self._node = self._grad = self._hooks = None
        self._requires_grad = False
        self.persistent = persistent


def weight_and_bias(module: Any) -> tuple[Any, Any]:
    """The weight and bias of a layer: parameters, or tensors that have taken their place."""
    fields = module._parameters
    if "weight" in fields and "bias" in fields:
        return fields["weight"], fields["bias"]
    return module.weight, module.bias


def uninitialized(*shape: int, dtype: Any = None) -> Parameter:
    """A parameter whose values are still to be drawn, by default of the default dtype."""
    return Parameter(wrap(np.empty(shape, as_dtype(dtype or get_default_dtype()))))
