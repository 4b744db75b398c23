"""From the registry to the public names: methods and operators of Tensor, functional namespaces.

`PLACES` says which module each namespace is. Those modules (and `_methods.py`) are filled at
import; what type checkers and editors see of them are the stubs that `stubs.py` writes from the
same registry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import inplace
from ._methods import Methods
from .errors import ArgumentTypeError
from .registry import OPS

PLACES = {
    "": "functions",
    "nn.functional": "nn.functional",
    "special": "special",
    "linalg": "linalg",
    "fft": "fft",
    "masked": "masked",
    "signal.windows": "signal.windows",
}
REFLECTED = set(
    "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split()  # noqa: SIM905
)


def names_in(space: str) -> dict[str, Any]:
    """Every op class of a namespace by each of its names there.

    An alias such as "special.expit" is a name in that one namespace, a bare one in all of the op's.
    """
    found = {}
    for cls in OPS.values():
        for qualified in (cls.name, *cls.aliases):
            place, _, name = qualified.rpartition(".")
            if place == space if place else space in cls.spaces:
                found[name] = cls
    return found


def fill_methods() -> None:
    """Set methods and operators on the base class of Tensor."""
    for name, cls in names_in("Tensor").items():
        setattr(Methods, name, cls.call)
    for cls in OPS.values():
        if cls.operator is None:
            continue
        setattr(Methods, f"__{cls.operator}__", _operator(cls))
        if cls.operator in REFLECTED:
            setattr(Methods, f"__r{cls.operator}__", _reflected(cls.call, cls.operator))
    inplace.fill()
    for name, method in inplace.METHODS.items():
        setattr(Methods, name, method)


def fill(namespace: dict[str, Any], space: str) -> list[str]:
    """Set the functions of a namespace in the globals of its module; returns their names."""
    found = names_in(space)
    for name, cls in found.items():
        namespace[name] = cls.call
    in_place = inplace.functions(space)
    namespace.update(in_place)
    return sorted([*found, *in_place])


def _operator(cls: Any) -> Callable[..., Any]:
    if cls.operator not in ("eq", "ne"):
        return cls.call  # type: ignore[no-any-return]

    def compare(self: Any, other: Any) -> Any:
        try:
            return cls.call(self, other)
        except TypeError:
            return NotImplemented  # tensor == "text" is False, as everywhere in Python

    return compare


def _reflected(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    def reflected(self: Any, other: Any) -> Any:
        if not isinstance(self, Methods):  # torch.Tensor.__radd__(2, x)
            raise ArgumentTypeError(f"__r{name}__: expected a tensor first, got {self!r}")
        return call(other, self)

    reflected.__name__ = f"__r{name}__"
    return reflected
