"""Who wrote into which memory, and when: the check behind "modified by an inplace operation".

A rule of the backward pass reads arrays that were saved in the forward pass. Nothing is paid for
that on the way: an in-place operation notes the owner of the memory and the sequence number of
the moment, and the engine compares only nodes that are older than the latest write.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np

from .errors import GraphError

next_sequence = itertools.count(1).__next__
_writes: dict[int, tuple[weakref.ref[Any], int]] = {}
last_write = [0]


def _owner(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def written(array: np.ndarray[Any, Any]) -> None:
    """Note that the memory of `array`, and so of all its views, has just been changed."""
    owner = _owner(array)
    key = id(owner)
    last_write[0] = now = next_sequence()
    _writes[key] = (weakref.ref(owner, lambda _: _writes.pop(key, None)), now)


def check(op: str, sequence: int, saved: Iterable[Any]) -> None:
    """Raise if one of the `saved` arrays was written after the moment `sequence`."""
    for value in saved:
        if isinstance(value, np.ndarray):
            entry = _writes.get(id(_owner(value)))
            if entry is not None and entry[1] > sequence:
                raise GraphError(
                    f"{op}: a value of shape {value.shape} needed for the gradient has been "
                    "modified by an inplace operation after it was used; compute out of place, "
                    "or clone() before writing"
                )
