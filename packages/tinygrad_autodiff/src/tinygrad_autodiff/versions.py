"""Who wrote into which memory, when and where: the check behind "modified by an inplace operation".

A rule of the backward pass reads arrays that were saved in the forward pass. Nothing is paid for
that on the way: an in-place operation notes the owner of the memory, the sequence number of the
moment and the user's source line, and the engine compares only nodes that are older than the
latest write.
"""

from __future__ import annotations

import itertools
import os
import sys
import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy import ndarray

from .errors import GraphError

next_sequence = itertools.count(1).__next__
last_write = [0]
_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class _Write:
    """The latest write into one memory: its owner, the moment, how many there were, and where."""

    __slots__ = ("moment", "name", "owner", "place", "times")
    moment: int
    name: str
    owner: weakref.ref[Any]
    place: tuple[str, int] | None
    times: int


_writes: dict[int, _Write] = {}


def owner(array: Any) -> np.ndarray[Any, Any]:
    """The array that the memory of `array` belongs to."""
    found = array
    while (array := getattr(array, "base", None)) is not None:
        if isinstance(array, ndarray):
            found = array
    return found  # type: ignore[no-any-return]


def user_line() -> tuple[str, int] | None:
    """File and line of the innermost call from outside the package."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(_PACKAGE):
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def written(array: Any, name: str = "an inplace operation", by_user: bool = True) -> None:
    """Note that the memory of `array`, and so of all its views, has just been changed."""
    memory = array if array.base is None else owner(array)
    key = id(memory)
    write = _writes.get(key)
    if write is None:
        write = _writes[key] = _Write()
        write.owner = weakref.ref(memory, lambda _: _writes.pop(key, None))
        write.times = 0
    write.times += 1
    write.name = name
    write.place = user_line() if by_user else None
    last_write[0] = write.moment = next_sequence()


def count(array: np.ndarray[Any, Any]) -> int:
    """How often the memory of `array` was written in place."""
    known = _writes.get(id(owner(array)))
    return 0 if known is None else known.times


def check(op: str, sequence: int, saved: Iterable[Any]) -> None:
    """Raise if one of the `saved` arrays was written after the moment `sequence`."""
    for value in saved:
        if isinstance(value, ndarray):
            write = _writes.get(id(owner(value)))
            if write is not None and write.moment > sequence:
                where = "" if write.place is None else " at {}:{}".format(*write.place)
                raise GraphError(
                    f"{op}: a value of shape {value.shape} needed for the gradient has been "
                    f"modified by an inplace operation after it was used: by {write.name}{where}; "
                    "compute out of place, or clone() before writing"
                )
