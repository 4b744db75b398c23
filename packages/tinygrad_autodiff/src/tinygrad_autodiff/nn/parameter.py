"""Parameters and buffers: the tensors that a module counts as its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor, array_of


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
