"""The graph: hooks on what it saves, and drawings of it, as in `torch.autograd.graph`."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from .engine import AccumulateGrad, Node
from .mode import mode
from .tensor import Tensor, array_of, wrap

__all__ = ["AccumulateGrad", "Node", "saved_tensors_hooks"]


class saved_tensors_hooks:
    """Inside, `pack_hook` is called with every value that is saved for the backward pass.

    What it returns is kept instead, and `unpack_hook` must make the tensor of it again; for
    compression, for files, or for computing it anew. An inner context hides an outer one.
    """

    def __init__(
        self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]
    ) -> None:
        self._hooks = (
            lambda array: pack_hook(wrap(array)),
            lambda packed: array_of(unpack_hook(packed)),
        )
        self._outer: list[Any] = []

    def __enter__(self) -> None:
        self._outer.append(mode.packing)
        mode.packing = self._hooks

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        mode.packing = self._outer.pop()
