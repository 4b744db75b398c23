"""What the current thread records: the reverse-mode graph, and the active forward-mode levels."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar, cast

_F = TypeVar("_F", bound=Callable[..., Any])


class _Mode(threading.local):
    grad: bool = True
    levels: tuple[int, ...] = ()


mode = _Mode()


class _GradMode:
    """Context manager and decorator that switches recording; nests and re-enters freely."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._previous: list[bool] = []

    def __enter__(self) -> None:
        self._previous.append(mode.grad)
        mode.grad = self._enabled

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        mode.grad = self._previous.pop()

    def __call__(self, function: _F) -> _F:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with _GradMode(self._enabled):
                return function(*args, **kwargs)

        return cast(_F, wrapped)


def no_grad(function: Callable[..., Any] | None = None) -> Any:
    """Nothing inside is recorded: ``with no_grad(): …``, ``@no_grad()`` or ``@no_grad``."""
    return _GradMode(False) if function is None else _GradMode(False)(function)


def enable_grad(function: Callable[..., Any] | None = None) -> Any:
    """Recording is on inside, also within `no_grad`; used as `no_grad` is."""
    return _GradMode(True) if function is None else _GradMode(True)(function)


class set_grad_enabled(_GradMode):
    """Switch recording at once, or for the length of a ``with`` block."""

    def __init__(self, mode_: bool) -> None:
        super().__init__(bool(mode_))
        self._before = mode.grad
        mode.grad = bool(mode_)

    def __enter__(self) -> None:
        self._previous.append(self._before)
        mode.grad = self._enabled


def is_grad_enabled() -> bool:
    """Whether operations on tensors that require grad are recorded in this thread."""
    return mode.grad
