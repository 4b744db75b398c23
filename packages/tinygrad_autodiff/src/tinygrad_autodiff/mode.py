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
    inference: bool = False
    detour: bool = False  # whether calls take the general door, for one of the reasons below
    _levels: tuple[int, ...] = ()
    _watchers: tuple[Callable[..., Any], ...] = ()
    _packing: tuple[Callable[..., Any], Callable[..., Any]] | None = None
    _batches: tuple[tuple[int, int], ...] = ()

    def _decide(self) -> None:
        self.detour = bool(self._levels or self._watchers or self._packing or self._batches)

    @property
    def batches(self) -> tuple[tuple[int, int], ...]:
        """Level and size of the batch of every running call of a function made by `vmap`."""
        return self._batches

    @batches.setter
    def batches(self, value: tuple[tuple[int, int], ...]) -> None:
        self._batches = value
        self._decide()

    @property
    def levels(self) -> tuple[int, ...]:
        """The active levels of forward mode."""
        return self._levels

    @levels.setter
    def levels(self, value: tuple[int, ...]) -> None:
        self._levels = value
        self._decide()

    @property
    def watchers(self) -> tuple[Callable[..., Any], ...]:
        """Functions put around every computation: ``watcher(phase, label, node, compute)``."""
        return self._watchers

    @watchers.setter
    def watchers(self, value: tuple[Callable[..., Any], ...]) -> None:
        self._watchers = value
        self._decide()

    @property
    def packing(self) -> tuple[Callable[..., Any], Callable[..., Any]] | None:
        """What is to be done with values that are saved for the backward pass, and undone."""
        return self._packing

    @packing.setter
    def packing(self, value: tuple[Callable[..., Any], Callable[..., Any]] | None) -> None:
        self._packing = value
        self._decide()


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


class inference_mode(_GradMode):
    """As `no_grad`, said for code that never differentiates; decorator or context manager.

    Unlike torch's, tensors made inside are ordinary ones and may be used in a graph later.
    """

    def __new__(cls, mode: Any = True) -> Any:
        """Also without parentheses, as a decorator."""
        made = super().__new__(cls)
        if not callable(mode):
            return made
        made.__init__(True)  # type: ignore[misc]
        return made(mode)

    def __init__(self, mode: Any = True) -> None:
        super().__init__(not mode)
        self._inference = bool(mode)
        self._outer: list[bool] = []

    def __enter__(self) -> None:
        self._outer.append(mode.inference)
        mode.inference = self._inference
        self._previous.append(mode.grad)
        mode.grad = mode.grad and not self._inference

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        mode.inference = self._outer.pop()
        super().__exit__(kind, error, trace)

    def __call__(self, function: _F) -> _F:
        """As a decorator."""

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with inference_mode(self._inference):
                return function(*args, **kwargs)

        return cast(_F, wrapped)


def is_inference_mode_enabled() -> bool:
    """Whether the current thread is inside `inference_mode`."""
    return mode.inference


def watched(phase: str, label: str, node: Any, compute: Callable[..., Any]) -> Callable[..., Any]:
    """`compute` with every active watcher around it."""
    for watcher in mode.watchers:
        compute = watcher(phase, label, node, compute)
    return compute


def is_grad_enabled() -> bool:
    """Whether operations on tensors that require grad are recorded in this thread."""
    return mode.grad
