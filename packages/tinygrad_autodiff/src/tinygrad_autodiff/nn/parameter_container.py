"""Lists and dicts of parameters; what is no tensor is kept as it is, but not registered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..errors import DimError
from ..tensor import Tensor
from .module import Module
from .parameter import Parameter


class _Parameters(Module):
    """Values under names, tensors among them as parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.__dict__["_names"] = []

    def _put(self, name: str, value: Any) -> None:
        if isinstance(value, Tensor) and not isinstance(value, Parameter):
            value = Parameter(value)
        setattr(self, name, value)
        if name not in self._names:
            self._names.append(name)

    def __len__(self) -> int:
        return len(self._names)

    def extra_repr(self) -> str:
        """One line for each value."""
        texts = []
        for name in self._names:
            value = getattr(self, name)
            if isinstance(value, Tensor):
                text = f"Parameter containing: [{value.dtype} of size {_size(value.shape)}]"
            else:
                text = f"Object of type: {type(value).__name__}"
            texts.append(f"  ({name}): {text}")
        return "\n".join(texts)


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


class ParameterList(_Parameters):
    """Parameters under the names "0", "1", …."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self.extend(values or ())

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return ParameterList(list(self)[index])
        return getattr(self, self._name(index))

    def __setitem__(self, index: int, value: Any) -> None:
        self._put(self._name(index), value)

    def _name(self, index: int) -> str:
        if not -len(self) <= index < len(self):
            raise DimError(f"index {index} is out of range: {len(self)} parameters")
        return str(index % len(self))

    def __iter__(self) -> Iterator[Any]:
        return (getattr(self, name) for name in self._names)

    def __iadd__(self, values: Iterable[Any]) -> ParameterList:
        return self.extend(values)

    def append(self, value: Any) -> ParameterList:
        """Add a value at the end; returns the list."""
        self._put(str(len(self)), value)
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Add values at the end; returns the list."""
        for value in list(values):
            self.append(value)
        return self


class ParameterDict(_Parameters):
    """Parameters by name, in the order of their entry."""

    def __init__(self, parameters: Mapping[str, Any] | Iterable[Any] | None = None) -> None:
        super().__init__()
        self.update(parameters or {})

    def update(self, parameters: Mapping[str, Any] | Iterable[Any]) -> None:
        """Enter the pairs of a mapping, or an iterable of pairs."""
        pairs: Any = parameters.items() if hasattr(parameters, "items") else parameters
        for name, value in pairs:
            self[name] = value

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        return getattr(self, name)

    def __setitem__(self, name: str, value: Any) -> None:
        self._put(str(name), value)

    def __delitem__(self, name: str) -> None:
        self._names.remove(name)
        delattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def keys(self) -> list[str]:
        """The names."""
        return list(self._names)

    def values(self) -> list[Any]:
        """The values."""
        return [getattr(self, name) for name in self._names]

    def items(self) -> list[tuple[str, Any]]:
        """Pairs of name and value."""
        return list(zip(self.keys(), self.values(), strict=True))

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or `default` if there is none of this name."""
        return getattr(self, name) if name in self._names else default

    def setdefault(self, name: str, default: Any = None) -> Any:
        """The value; `default` is entered if there is none of this name."""
        if name not in self:
            self[name] = default
        return self[name]

    def pop(self, name: str) -> Any:
        """Remove a value and return it."""
        value = self[name]
        del self[name]
        return value

    def clear(self) -> None:
        """Remove all."""
        for name in self.keys():
            del self[name]
