"""Elementwise arithmetic of many passes, block by block, so that the passes stay in the cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

BLOCK = 16384  # elements: some arrays of this length fit into a core's second cache


def in_blocks(function: Callable[..., Any], *values: Any) -> Any:
    """``function(*values)`` for an elementwise `function` that keeps shape and dtype.

    Large contiguous arrays of one shape are cut into blocks; tensors and all else are passed on.
    """
    first = values[0]
    if first.__class__ is not ndarray or first.size < 2 * BLOCK:
        return function(*values)
    for value in values:
        if value.__class__ is not ndarray or value.shape != first.shape:
            return function(*values)
        if not value.flags.c_contiguous or value.dtype != first.dtype:
            return function(*values)
    out = np.empty_like(first)
    flat, parts = out.reshape(-1), [value.reshape(-1) for value in values]
    for start in range(0, first.size, BLOCK):
        cut = slice(start, start + BLOCK)
        flat[cut] = function(*(part[cut] for part in parts))
    return out
