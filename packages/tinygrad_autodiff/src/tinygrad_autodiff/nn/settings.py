"""Modules without parameters: a function of `nn.functional` with settings that are kept.

Such a module is declared in its class statement: the function it applies, and the settings with
their defaults, in torch's order.

>>> class ELU(Stateless, function="elu", alpha=1.0):
...     \"\"\"An elu.\"\"\"
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from ..errors import ArgumentTypeError
from ..registry import op
from .module import Module

_REQUIRED: Any = inspect.Parameter.empty


class Stateless(Module):
    """Base of modules that apply a function with fixed settings."""

    function: ClassVar[str]
    settings: ClassVar[dict[str, Any]] = {}
    shown: ClassVar[tuple[str, ...]] = ()  # settings that the text of the module states
    buffers_given: ClassVar[tuple[str, ...]] = ()  # settings that are tensors to be saved

    def __init_subclass__(cls, *, function: str = "", **settings: Any) -> None:
        super().__init_subclass__()
        if not function:
            return
        cls.function, cls.settings = function, settings
        cls.shown = tuple(name for name in settings if name != "inplace")
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        cls.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter(n, kind, default=_REQUIRED if v is ... else v)
                for n, v in settings.items()
            ]
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        try:
            given = self.__signature__.bind(*args, **kwargs)
        except TypeError as error:
            raise ArgumentTypeError(f"{type(self).__name__}: {error}") from error
        given.apply_defaults()
        for name, value in given.arguments.items():
            if name in self.buffers_given:
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, *inputs: Any) -> Any:
        """Apply the function with the settings."""
        values = {name: getattr(self, name) for name in self.settings if name != "inplace"}
        return getattr(op, self.function)(*inputs, **values, **self._target())

    def _target(self) -> dict[str, bool]:
        """The keyword that has the result written over the input, if that is set."""
        return {"inplace": True} if getattr(self, "inplace", False) else {}

    def extra_repr(self) -> str:
        """Settings."""
        texts = [f"{name}={getattr(self, name)!r}" for name in self.shown]
        return ", ".join([*texts, *(["inplace=True"] if getattr(self, "inplace", False) else [])])
