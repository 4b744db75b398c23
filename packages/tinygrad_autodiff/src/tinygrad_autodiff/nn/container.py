"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import ArgumentTypeError, DimError
from .module import Module


class _Numbered(Module):
    """Modules under the names "0", "1", …."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __getitem__(self, index: int | slice) -> Any:
        modules = list(self._modules.values())
        if isinstance(index, slice):
            return type(self)(*modules[index])
        try:
            return modules[index]
        except IndexError as error:
            raise DimError(f"module {index} of {len(modules)}") from error

    def append(self, module: Module) -> Any:
        """Add a module at the end; returns the container."""
        if not isinstance(module, Module):
            raise ArgumentTypeError(f"{type(self).__name__}: expected a Module, got {module!r}")
        self._modules[str(len(self))] = module
        return self


class Sequential(_Numbered):
    """Modules applied one after the other; a dict gives them names."""

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], dict):
            for name, module in modules[0].items():
                setattr(self, name, module)
        else:
            for module in modules:
                self.append(module)

    def forward(self, input: Any) -> Any:
        """Apply them all."""
        for module in self._modules.values():
            input = module(input)
        return input


class ModuleList(_Numbered):
    """A list of modules that are registered."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        for module in modules:
            self.append(module)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return ModuleList(list(self._modules.values())[index])
        return super().__getitem__(index)
