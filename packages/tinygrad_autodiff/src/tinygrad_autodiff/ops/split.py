"""Splitting: a tensor into parts along one dimension, all views of its memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import ArgumentError, DimError, RangeError, ShapeError
from ..op import Bad, Op, Sample, compose, op
from ..samples import array
from ..tensor import array_of
from .dims import Ints, one_dim


class Split(Op, name="split", aliases=("unsafe_split",)):
    """Parts of `split_size` (the last may be smaller), or of the sizes of a list, along `dim`."""

    linear = True

    def forward(self, input: Array, split_size: Ints, dim: int = 0) -> tuple[Array, ...]:
        """Values, views."""
        if not input.ndim:
            raise ShapeError("split: expected at least one dimension, got shape ()")
        axis = one_dim(dim, input.ndim)
        length = input.shape[axis]
        if isinstance(split_size, int):
            if split_size < 0 or (not split_size and length):
                raise ArgumentError(f"split: expected a positive size, got {split_size}")
            step = split_size or 1
            sizes = [min(step, length - i) for i in range(0, length, step)] or [0]
        else:
            sizes = list(split_size)
            if sum(sizes) != length or min(sizes, default=0) < 0:
                raise ShapeError(f"split: {sizes} do not add up to the {length} of {input.shape}")
        self.shapes = [(*input.shape[:axis], s, *input.shape[axis + 1 :]) for s in sizes]
        before, parts, start = (slice(None),) * axis, [], 0
        for size in sizes:
            parts.append(input[(*before, slice(start, start + size))])
            start += size
        return tuple(parts)

    def backward(self, g: Any, shapes: Any, dim: Any) -> Any:
        """The parts together; what got no gradient is 0."""
        dtype = next(part.dtype for part in g if part is not None)
        parts = [np.zeros(s, dtype) if p is None else p for p, s in zip(g, shapes, strict=True)]
        return op.cat(parts, dim)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Equal and unequal parts."""
        yield Sample((array((5, 2)), 2))
        yield Sample((array((2, 5)), [1, 4], 1))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """No size, and sizes that do not add up."""
        yield Bad((array((5,)), 0), {}, ArgumentError, "positive")
        yield Bad((array((5,)), [2, 2]), {}, ShapeError, "add up")


@compose(Sample((array((5,)), [2, 3])))
def split_with_sizes(input: Any, split_sizes: Any, dim: int = 0) -> Any:
    """Parts of the given sizes along `dim`; see split."""
    return op.split(input, list(split_sizes), dim)


@compose(
    Sample((array((6, 2)), 3)),
    Sample((array((2, 5)), 2, -1)),
    aliases=("unsafe_chunk",),
    errors=(Bad((array((3,)), 0), {}, RangeError, "positive number of chunks"),),
)
def chunk(input: Any, chunks: int, dim: int = 0) -> Any:
    """At most `chunks` parts of equal size (the last may be smaller) along `dim`."""
    if chunks <= 0:
        raise RangeError(f"chunk: expected a positive number of chunks, got {chunks}")
    length = input.shape[one_dim(dim, input.ndim)]
    if not length:
        return op.split(input, [0] * chunks, dim)
    return op.split(input, -(-length // chunks), dim)


@compose(Sample((array((2, 3)),)), Sample((array((2, 3)), 1)))
def unbind(input: Any, dim: int = 0) -> Any:
    """The slices along `dim`, without that dimension."""
    if not input.ndim:
        raise DimError("unbind: a tensor without dimensions has no slices")
    if not input.shape[one_dim(dim, input.ndim)]:
        return ()
    return tuple(op.squeeze(part, dim) for part in op.split(input, 1, dim))


@compose(
    Sample((array((5, 2)), 3)),
    Sample((array((2, 5)), (1, 4), 1)),
    errors=(
        Bad((array(()), 2), {}, ShapeError, "at least one dimension"),
        Bad((array((3,)), 0), {}, ShapeError, "at least 1"),
    ),
)
def tensor_split(input: Any, indices_or_sections: Any, dim: int = 0) -> Any:
    """Parts along `dim`: a number of them, as equal as can be, or cut before the given indices."""
    if not input.ndim:
        raise ShapeError("tensor_split: expected at least one dimension, got shape ()")
    axis, where = one_dim(dim, input.ndim), array_of(indices_or_sections).tolist()
    length = input.shape[axis]
    if isinstance(where, int):
        if where < 1:
            raise ShapeError(f"tensor_split: expected at least 1 section, got {where}")
        small, larger = divmod(length, where)
        sizes = [small + (i < larger) for i in range(where)]
        where = np.cumsum(sizes)[:-1].tolist()
    before = (slice(None),) * axis
    bounds = zip([0, *where], [*where, length], strict=True)
    return tuple(op.getitem(input, (*before, slice(start, end))) for start, end in bounds)


def _evenly(name: str, input: Any, indices_or_sections: Any, axis: int, least: int) -> Any:
    if input.ndim < least:
        raise ShapeError(f"{name}: expected at least {least} dimensions, got shape {input.shape}")
    if isinstance(indices_or_sections, int):
        length = input.shape[axis]
        if indices_or_sections < 1 or length % indices_or_sections:
            raise ShapeError(
                f"{name}: size {length} of {input.shape} does not divide into "
                f"{indices_or_sections} equal parts"
            )
    return op.tensor_split(input, indices_or_sections, axis)


@compose(
    Sample((array((2, 4)), 2)), errors=(Bad((array((2, 4)), 3), {}, ShapeError, "equal parts"),)
)
def hsplit(input: Any, indices_or_sections: Any) -> Any:
    """Parts along the second dimension, or along the only one; a number has to divide it."""
    return _evenly("hsplit", input, indices_or_sections, min(input.ndim - 1, 1), 1)


@compose(
    Sample((array((4, 2)), (1,))), errors=(Bad((array((2,)), 2), {}, ShapeError, "at least 2"),)
)
def vsplit(input: Any, indices_or_sections: Any) -> Any:
    """Parts along the first dimension of at least two; a number has to divide it."""
    return _evenly("vsplit", input, indices_or_sections, 0, 2)


@compose(
    Sample((array((1, 2, 4)), 2)), errors=(Bad((array((2, 2)), 2), {}, ShapeError, "at least 3"),)
)
def dsplit(input: Any, indices_or_sections: Any) -> Any:
    """Parts along the third dimension; a number has to divide it."""
    return _evenly("dsplit", input, indices_or_sections, 2, 3)
