"""Anomaly mode: the earliest NaN or infinity is an error that names where it came from."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

import numpy as np

from .dtypes import Array
from .errors import AnomalyError
from .mode import mode
from .tensor import Tensor
from .versions import user_line


class detect_anomaly:
    """Inside, every operation is checked, forward and backward.

    An operation that makes a NaN out of values without, or an infinity out of finite ones, raises
    at once; so the error names the earliest. It says which op it was, in which direction, the
    shapes, and the line of the user's program that called the op. (torch checks only the backward
    pass, and only for NaN.) What is infinite from the start, as a mask of -inf, is no anomaly.

    Args:
        check_nan: False switches the checks off, and only notes lines for other messages.
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._watch = _Watch(check_nan)

    def __enter__(self) -> None:
        mode.watchers = (*mode.watchers, self._watch)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        mode.watchers = tuple(w for w in mode.watchers if w is not self._watch)


class set_detect_anomaly(detect_anomaly):
    """Switch anomaly mode at once, or for the length of a ``with`` block."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        from .mode import mode as state

        super().__init__(check_nan)
        self._before = state.watchers
        rest = tuple(w for w in state.watchers if not isinstance(w, _Watch))
        state.watchers = (*rest, self._watch) if mode else rest

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        mode.watchers = self._before


def is_anomaly_enabled() -> bool:
    """Whether anomaly mode is on in this thread."""
    return any(isinstance(watcher, _Watch) for watcher in mode.watchers)


class _Watch:
    """The watcher that looks at what goes in and what comes out."""

    def __init__(self, check: bool) -> None:
        self.check = check

    def __call__(
        self, phase: str, label: str, node: Any, compute: Callable[..., Any]
    ) -> Callable[..., Any]:
        if phase == "forward":
            node.place = user_line()
        if not self.check:
            return compute

        def checked(*args: Any) -> Any:
            with np.errstate(all="ignore"):
                result = compute(*args)
            nan, infinite = _kinds(result)
            if nan or infinite:
                # What a rule saved is an input of it too: 0 times a saved infinity is no surprise.
                given = args if phase == "forward" else args[::2]
                before_nan, before_infinite = _kinds(given)
                new_nan = nan and not before_nan
                if new_nan or (infinite and not (before_infinite or before_nan)):
                    new = "NaN" if new_nan else "an infinity"
                    raise AnomalyError(_message(phase, label, node, args, result, new))
            return result

        return checked


def _arrays(value: Any) -> Iterator[Array]:
    if isinstance(value, Tensor):
        yield value._data
    elif isinstance(value, (np.ndarray, np.generic, float, complex)):
        yield np.asarray(value)
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _arrays(part)


def _kinds(value: Any) -> tuple[bool, bool]:
    """Whether there is a NaN, and whether there is an infinity."""
    nan = infinite = False
    for array in _arrays(value):
        if array.dtype.kind in "fc" and not np.isfinite(array).all():
            nan = nan or bool(np.isnan(array).any())
            infinite = infinite or bool(np.isinf(array).any())
    return nan, infinite


def _message(phase: str, label: str, node: Any, args: Any, result: Any, new: str) -> str:
    test = np.isnan if new == "NaN" else np.isinf
    found = [a for a in _arrays(result) if a.dtype.kind in "fc"]
    number, array = next((i, a) for i, a in enumerate(found) if test(a).any())
    index = tuple(int(i) for i in np.argwhere(test(array))[0])
    inputs = args if phase == "forward" else args[:1]
    shapes = " and ".join(f"{a.shape} {a.dtype}" for a in _arrays(inputs))
    what = "its result" if phase == "forward" else f"the gradient {number} that its rule gives"
    where = "; its line is known if the forward pass runs in anomaly mode too"
    if node.place is not None:
        file, line = node.place
        code = linecache.getline(file, line).strip()
        where = f", called at {file}:{line}" + (f": {code}" if code else "")
    return (
        f"{label}, {phase}: {what} of shape {array.shape} is the first to hold {new}, at index "
        f"{index}; it was given {shapes}{where}"
    )
