"""Elements chosen by their place along a dimension, and the places themselves."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..dtypes import Array
from ..registry import op
from ..tensor import Tensor, wrap


class Selected(NamedTuple):
    """What was chosen along a dimension, and where it stood."""

    values: Any
    indices: Any


def beside(input: Any, array: Any) -> Any:
    """`array` as what `input` is: a tensor (without a graph) or an array."""
    array = np.asarray(array)
    return wrap(array) if isinstance(input, Tensor) else array


def select(input: Any, indices: Array, dim: int) -> Any:
    """The elements of `input` at `indices` along `dim`; differentiable, for 0-d inputs too."""
    return op.gather(input, dim, indices) if input.ndim else op.clone(input)


def selected(input: Any, indices: Array, dim: int, keepdim: bool = True) -> Selected:
    """Values and indices, the latter given with `dim` kept (of any size if `keepdim`)."""
    values, places = select(input, indices, dim), beside(input, indices)
    if not keepdim:
        values, places = op.squeeze(values, dim), op.squeeze(places, dim)
    return Selected(values, places)
