"""The form in which an op states its test inputs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .dtypes import Array


class Sample(NamedTuple):
    """Arguments of one valid call; float64 arrays are differentiated and recast by the tests."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = {}  # noqa: RUF012 - never written


class Bad(NamedTuple):
    """A call that must fail: the arguments, the error, and a pattern of its message."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    error: type[Exception]
    message: str


def array(shape: tuple[int, ...], low: float = -2.0, high: float = 2.0, seed: int = 0) -> Array:
    """Reproducible float64 values in [low, high), all distinct and apart.

    They are a shuffled grid rather than random draws: no two are so close that a finite
    difference crosses a tie, and none lies on the kinks at whole and half numbers.
    """
    count = int(np.prod(shape))
    grid = (np.arange(count) + 0.37 + 0.11 * (seed % 4)) / max(count, 1)
    values: Array = low + (high - low) * np.random.default_rng(seed).permutation(grid)
    return values.reshape(shape)
