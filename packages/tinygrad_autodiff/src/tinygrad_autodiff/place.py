"""Where and how torch can store a tensor; here it is always the CPU, in rows and columns.

Code written for torch may name a device, a layout or a memory format; what cannot be had is an
error, what can be had changes nothing.
"""

from __future__ import annotations

from typing import Any

from .errors import ArgumentTypeError, RangeError
from .tensor import Tensor, wrap


class device:
    """A place for tensors, ``device("cpu")``; there is no other."""

    def __init__(self, type: Any, index: int | None = None) -> None:
        self.type, _, number = str(type).partition(":")
        self.index = int(number) if number else index
        if self.type != "cpu":
            raise RangeError(f"device: tensors live on the CPU, not on {self.type!r}")

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device(type={self.type!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


class _Format:
    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


strided = _Format("strided")
sparse_coo = _Format("sparse_coo")  # so that it can be named; no tensor is
contiguous_format = _Format("contiguous_format")
preserve_format = _Format("preserve_format")
channels_last = _Format("channels_last")
channels_last_3d = _Format("channels_last_3d")

_PLACES = {"device", "layout", "memory_format", "pin_memory"}


def is_place(value: Any) -> bool:
    """Whether `value` is a device, by itself or by its name."""
    named = isinstance(value, str) and value.partition(":")[0] == "cpu"
    return named or isinstance(value, device)


def leaf(name: str, array: Any, requires_grad: bool, place: dict[str, Any]) -> Tensor:
    """A leaf tensor around `array`; a TypeError if `place` says more than where to put it."""
    for key, value in place.items():
        if key not in _PLACES:
            raise ArgumentTypeError(f"{name}: unexpected argument {key!r}")
        if key == "device" and value is not None:
            device(value)
        if key == "layout" and value not in (None, strided):
            raise RangeError(f"{name}: tensors are strided, the layout {value} cannot be had")
    made = wrap(array)
    return made.requires_grad_() if requires_grad else made
