"""Modules made of modules: in sequence, as a list, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from ..errors import ArgumentTypeError, DimError
from .module import Module, indented


class _Numbered(Module):
    """Modules under the names "0", "1", …."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def _checked(self, module: Any) -> Any:
        if not isinstance(module, Module):
            raise ArgumentTypeError(f"{type(self).__name__}: expected a Module, got {module!r}")
        return module

    def _name(self, index: int) -> str:
        try:
            return list(self._modules)[index]
        except IndexError as error:
            raise DimError(f"index {index} is out of range: {len(self)} modules") from error

    def _replace(self, modules: Iterable[Any]) -> None:
        fresh = {str(i): self._checked(module) for i, module in enumerate(modules)}
        self._modules.clear()
        self._modules.update(fresh)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            made = type(self)()
            made._modules.update(list(self._modules.items())[index])
            return made
        return self._modules[self._name(index)]

    def __setitem__(self, index: int, module: Module) -> None:
        self._modules[self._name(index)] = self._checked(module)

    def __delitem__(self, index: int | slice) -> None:
        modules = list(self)
        if not isinstance(index, slice):
            self._name(index)
        del modules[index]
        self._replace(modules)

    def __add__(self, other: Iterable[Module]) -> Any:
        return type(self)().extend(self).extend(other)

    def __iadd__(self, other: Iterable[Module]) -> Any:
        return self.extend(other)

    def append(self, module: Module) -> Any:
        """Add a module at the end; returns the container."""
        self._modules[str(len(self))] = self._checked(module)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Put a module before place `index`; returns the container."""
        modules = list(self)
        modules.insert(index, module)
        self._replace(modules)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Add modules at the end; returns the container."""
        for module in list(modules):
            self.append(module)
        return self

    def pop(self, index: int = -1) -> Any:
        """Remove a module and return it."""
        module = self[index]
        del self[index]
        return module


class Sequential(_Numbered):
    """Modules applied one after the other; a dict gives them names."""

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], dict):
            for name, module in modules[0].items():
                self.add_module(name, module)
        else:
            self.extend(modules)

    def forward(self, input: Any) -> Any:
        """Apply them all."""
        for module in self:
            input = module(input)
        return input


class ModuleList(_Numbered):
    """A list of modules that are registered."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return ModuleList(list(self)[index])
        return super().__getitem__(index)

    def __repr__(self) -> str:
        """Equal neighbours in one line, as in torch."""
        if not len(self):
            return f"{type(self).__name__}()"
        lines, start = [], 0
        for text, group in groupby(map(repr, self)):
            count = len(list(group))
            name = f"{start}-{start + count - 1}" if count > 1 else str(start)
            times = f"{count} x " if count > 1 else ""
            lines.append(f"({name}): {times}{indented(text)}")
            start += count
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"


class ModuleDict(Module):
    """Modules by name, in the order of their entry."""

    def __init__(self, modules: Mapping[str, Module] | Iterable[Any] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def update(self, modules: Mapping[str, Module] | Iterable[Any]) -> None:
        """Enter the pairs of a mapping, or an iterable of pairs."""
        pairs: Any = modules.items() if isinstance(modules, Mapping) else modules
        for name, module in pairs:
            self[name] = module

    def __getitem__(self, name: str) -> Any:
        return self._modules[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self.add_module(name, module)

    def __delitem__(self, name: str) -> None:
        del self._modules[name]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, name: str) -> bool:
        return name in self._modules

    def keys(self) -> Any:
        """The names."""
        return self._modules.keys()

    def values(self) -> Any:
        """The modules."""
        return self._modules.values()

    def items(self) -> Any:
        """Pairs of name and module."""
        return self._modules.items()

    def pop(self, name: str) -> Any:
        """Remove a module and return it."""
        return self._modules.pop(name)

    def clear(self) -> None:
        """Remove all."""
        self._modules.clear()
