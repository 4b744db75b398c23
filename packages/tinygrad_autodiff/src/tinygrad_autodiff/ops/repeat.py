"""Repetition: whole tensors or single elements, several times over."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..op import Bad, Sample, compose, op
from ..samples import array
from ..tensor import Tensor, array_of, wrap
from .dims import Ints, ints, one_dim


@compose(
    Sample((array((2, 1)), (2, 3))),
    Sample((array((3,)), 2, 1, 2)),
    spaces=("Tensor",),
    errors=(Bad((array((2, 3)), (2,)), {}, ShapeError, r"\(2, 3\)"),),
)
def repeat(input: Any, repeats: Ints) -> Any:
    """The whole tensor `repeats` times along each dimension, new ones in front."""
    times = ints(repeats)
    lead = len(times) - input.ndim
    if lead < 0 or min(times, default=0) < 0:
        raise ShapeError(f"repeat: {times} are no numbers for each dimension of {input.shape}")
    sizes = (1,) * lead + tuple(input.shape)
    apart = tuple(size for pair in zip((1,) * len(sizes), sizes, strict=True) for size in pair)
    full = tuple(size for pair in zip(times, sizes, strict=True) for size in pair)
    joined = tuple(n * size for n, size in zip(times, sizes, strict=True))
    return op.reshape(op.clone(op.expand(op.reshape(input, apart), full)), joined)


@compose(Sample((array((2, 3)), (2,))), Sample((array((2,)), (2, 1))))
def tile(input: Any, dims: Ints) -> Any:
    """The whole tensor repeated; as `repeat`, but fewer `dims` count from the last one."""
    times = ints(dims)
    return op.repeat(input, (1,) * (input.ndim - len(times)) + times)


@compose(
    Sample((array((2, 3)), 2)),
    Sample((array((2, 3)), np.array([2, 0, 1]), 1)),
    errors=(Bad((array((2, 3)), np.array([1, 2, 3]), 0), {}, ShapeError, "repeats"),),
)
def repeat_interleave(
    input: Any, repeats: Any = None, dim: int | None = None, output_size: int | None = None
) -> Any:
    """Each element (slice along `dim`) so many times in a row; without `dim`, of the flat tensor.

    With one argument alone, that is the numbers of repetitions of 0, 1, 2, ….
    """
    if repeats is None:
        times = array_of(input)
        made = np.repeat(np.arange(times.size), times)
        return wrap(made) if isinstance(input, Tensor) else made
    if dim is None:
        input, dim = op.reshape(input, (-1,)), 0
    axis, times = one_dim(dim, input.ndim), array_of(repeats).reshape(-1)
    if not input.ndim:
        input = op.reshape(input, (1,))
    if times.size not in (1, input.shape[axis]) or (times < 0).any():
        raise ShapeError(f"repeat_interleave: repeats {times} do not fit {input.shape} at {dim}")
    chosen = np.repeat(np.arange(input.shape[axis]), times)
    return op.getitem(input, (slice(None),) * axis + (chosen,))
