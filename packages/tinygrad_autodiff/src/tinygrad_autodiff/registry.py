"""The registry of operations, and the namespace through which rules call them.

Declaring an op class puts it here. Tensor methods, functional namespaces, tests, type stubs and
API pages are all derived from `OPS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .op import Op

OPS: dict[str, type[Op]] = {}
_taken: set[str] = set()  # names of their own; the last words of qualified aliases are not


class _Functions:
    """Every registered op by its name, as a function of arrays or tensors: ``op.exp(x)``."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"no operation named {name!r} is registered")


op = _Functions()


def register(cls: type[Op]) -> None:
    """Enter `cls` under its name and aliases; a name can be taken only once.

    An alias of one namespace, such as "masked.sum", may share its last word with another op.
    """
    for alias in (cls.name, *cls.aliases):
        place, _, name = alias.rpartition(".")
        if place:
            vars(op).setdefault(name, cls.call)
            continue
        if name in _taken:
            raise TypeError(f"{cls.__name__}: the operation name {name!r} is taken")
        _taken.add(name)
        setattr(op, name, cls.call)
    OPS[cls.name] = cls
