"""Joining: tensors one after the other, beside each other, and in every combination."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np

from ..dtypes import Array, promote_types
from ..errors import ArgumentError, ArgumentTypeError, ShapeError
from ..op import Bad, Op, Sample, compose, op
from ..samples import array
from .dims import one_dim
from .shape import unpacked


class Cat(Op, name="cat", aliases=("concat", "concatenate"), spaces=("",)):
    """Tensors one after the other along `dim`; those of shape (0,) are left out, as in torch."""

    linear = True

    def forward(self, tensors: Sequence[Array], dim: int = 0) -> Array:
        """Values."""
        if not tensors:
            raise ArgumentError("cat: expected a non-empty list of tensors")
        if any(not part.ndim for part in tensors):
            raise ShapeError("cat: a tensor without dimensions cannot be concatenated")
        self.source = [part.dtype for part in tensors]
        parts = [part for part in tensors if part.shape != (0,)] or tensors[:1]
        axis = one_dim(dim, parts[0].ndim)
        if any(part.ndim != parts[0].ndim for part in parts):
            shapes = " and ".join(str(part.shape) for part in parts)
            raise ShapeError(f"cat: tensors of different numbers of dimensions: {shapes}")
        self.sizes = [0 if part.shape == (0,) else part.shape[axis] for part in tensors]
        self.shapes = [part.shape for part in tensors]
        dtype = reduce(promote_types, self.source)
        return np.concatenate([part.astype(dtype, copy=False) for part in parts], axis)

    def backward(self, g: Any, sizes: Any, shapes: Any, source: Any, dim: Any) -> Any:
        """Each its part."""
        start, parts = 0, []
        for size, shape, dtype in zip(sizes, shapes, source, strict=True):
            part = op.narrow(g, dim, start, size)
            if shape == (0,):
                part = op.reshape(part, shape)
            parts.append(part if part.dtype == dtype else op.to(part, dtype))
            start += size
        return parts

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Several, one, and an empty one among them."""
        x, y = array((2, 3)), array((2, 1), seed=1)
        yield Sample(([x, y, x], 1))
        yield Sample(([x],))
        yield Sample(([x, array((0, 3))],), {"dim": -2})
        yield Sample(([array((0,)), x], 1))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Nothing, no sequence, and shapes that do not fit."""
        yield Bad(([],), {}, ArgumentError, "non-empty list of tensors")
        yield Bad((3,), {}, ArgumentTypeError, "sequence of tensors")
        yield Bad(([array((2, 3)), array((2, 4))],), {}, ShapeError, r"\(2, 3\) and \(2, 4\)")
        yield Bad(([array(()), array(())],), {}, ShapeError, "without dimensions")


class Stack(Op, name="stack", spaces=("",)):
    """Tensors of one shape along a new dimension."""

    linear = True

    def forward(self, tensors: Sequence[Array], dim: int = 0) -> Array:
        """Values."""
        shapes = {part.shape for part in tensors}
        if len(shapes) != 1:
            raise ShapeError(f"stack: expected tensors of one shape, got {sorted(shapes)}")
        axis = one_dim(dim, tensors[0].ndim + 1)
        self.source, self.where = [part.dtype for part in tensors], (slice(None),) * axis
        dtype, place = reduce(promote_types, self.source), (*self.where, None)
        return np.concatenate([part[place].astype(dtype, copy=False) for part in tensors], axis)

    def backward(self, g: Any, source: Any, where: Any) -> Any:
        """Each its slice."""
        parts = [op.getitem(g, (*where, i)) for i in range(len(source))]
        return [
            part if part.dtype == dtype else op.to(part, dtype)
            for part, dtype in zip(parts, source, strict=True)
        ]

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """In front and at the end."""
        yield _PAIR
        yield Sample((*_PAIR.args, -1))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Different shapes."""
        yield Bad(([array((2,)), array((3,))],), {}, ShapeError, r"got \[\(2,\), \(3,\)\]")


def _some(name: str, tensors: Any, function: Any) -> list[Any]:
    if not len(tensors):
        raise ShapeError(f"{name}: expected at least one tensor")
    return [function(part) for part in tensors]


_PAIR = Sample(([array((2, 3)), array((2, 3), seed=1)],))
_UNEVEN = ([array((2, 3, 4)), array((2,))],)


@compose(
    _PAIR,
    Sample(([array(()), array((2,), seed=1)],)),
    spaces=("",),
    errors=(Bad(_UNEVEN, {}, ShapeError, "different numbers"),),
)
def hstack(tensors: Any) -> Any:
    """Tensors beside each other: along the second dimension, vectors along their only one."""
    parts = _some("hstack", tensors, op.atleast_1d)
    return op.cat(parts, 0 if parts[0].ndim == 1 else 1)


@compose(
    _PAIR,
    spaces=("",),
    aliases=("row_stack",),
    errors=(Bad(_UNEVEN, {}, ShapeError, r"\(2, 3, 4\)"),),
)
def vstack(tensors: Any) -> Any:
    """Tensors below each other; vectors count as rows."""
    return op.cat(_some("vstack", tensors, op.atleast_2d), 0)


@compose(_PAIR, spaces=("",), errors=(Bad(_UNEVEN, {}, ShapeError, r"\(2, 3, 4\)"),))
def dstack(tensors: Any) -> Any:
    """Tensors behind each other, along the third dimension."""
    return op.cat(_some("dstack", tensors, op.atleast_3d), 2)


@compose(Sample(([array((2,)), array((2, 2), seed=1)],)), spaces=("",))
def column_stack(tensors: Any) -> Any:
    """Tensors beside each other; vectors count as columns."""
    return op.hstack([op.reshape(part, (-1, 1)) if part.ndim < 2 else part for part in tensors])


@compose(
    Sample((array((2, 3)), array((2,), seed=1), array((), seed=2))),
    spaces=("",),
    errors=(Bad((array((2, 3, 4)),), {}, ShapeError, r"\(2, 3, 4\)"),),
)
def block_diag(*tensors: Any) -> Any:
    """Matrices along the diagonal of a larger one, which is 0 elsewhere."""
    parts = [op.atleast_2d(part) for part in unpacked("block_diag", tensors)]
    if any(part.ndim > 2 for part in parts):
        shapes = [tuple(part.shape) for part in parts]
        raise ShapeError(f"block_diag: expected at most 2 dimensions, got {shapes}")
    left, whole, rows = 0, sum(part.shape[1] for part in parts), []
    for part in parts:
        width = part.shape[1]
        rows.append(op.constant_pad(part, (left, whole - left - width)))
        left += width
    return op.cat(rows, 0)


@compose(
    Sample((array((2,)), array((3,), seed=1)), {"indexing": "ij"}),
    Sample((array((2,)), array((), seed=1)), {"indexing": "xy"}),
    spaces=("",),
    errors=(Bad((array((2,)),), {"indexing": "yx"}, ShapeError, "'yx'"),),
)
def meshgrid(*tensors: Any, indexing: str = "ij") -> Any:
    """For vectors of lengths m, n, …: tensors of shape (m, n, …) that vary along one dimension.

    With ``indexing="xy"`` the first two dimensions are exchanged.
    """
    tensors = unpacked("meshgrid", tensors)
    if indexing not in ("ij", "xy") or any(part.ndim > 1 for part in tensors):
        shapes = [tuple(part.shape) for part in tensors]
        raise ShapeError(f"meshgrid: expected vectors and ij or xy, got {shapes}, {indexing!r}")
    lines = [op.reshape(part, (-1,)) for part in tensors]
    if indexing == "xy" and len(lines) > 1:
        lines[:2] = lines[1::-1]
    shape, places = tuple(line.shape[0] for line in lines), range(len(lines))
    made = [
        op.expand(op.reshape(line, tuple(-1 if j == i else 1 for j in places)), shape)
        for i, line in enumerate(lines)
    ]
    if indexing == "xy" and len(lines) > 1:
        made[:2] = made[1::-1]
    return tuple(made)


@compose(
    Sample((array((2,)), array((3,), seed=1))),
    Sample((array((2,)),)),
    spaces=("",),
    errors=(Bad((array((2, 3)),), {}, ShapeError, "vectors"),),
)
def cartesian_prod(*tensors: Any) -> Any:
    """Every combination of one element of each vector, one combination a row."""
    tensors = unpacked("cartesian_prod", tensors)
    if any(part.ndim != 1 for part in tensors):
        shapes = [tuple(part.shape) for part in tensors]
        raise ShapeError(f"cartesian_prod: expected vectors, got {shapes}")
    if len(tensors) == 1:
        return op.alias(tensors[0])
    return op.stack([op.reshape(part, (-1,)) for part in op.meshgrid(*tensors)], 1)


@compose(
    Sample((array((4,)),)),
    Sample((array((3,)), 2, True)),
    spaces=("",),
    errors=(Bad((array((2, 3)),), {}, ShapeError, "a vector"),),
)
def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """Every choice of `r` elements of a vector, in order, one choice a row."""
    if input.ndim != 1 or r < 0:
        raise ShapeError(f"combinations: expected a vector and r >= 0, got {input.shape} and {r}")
    if r == 0:
        return input[:0]
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    chosen = np.array(list(choose(range(input.shape[0]), r)), np.int64).reshape(-1, r)
    return op.getitem(input, chosen)


@compose(
    Sample(([array((3, 2)), array((4, 3), seed=1)], 0, 2)),
    spaces=("",),
    errors=(
        Bad(([array((3, 2))], 0, 0), {}, ShapeError, "positive number of chunks"),
        Bad(([array((3, 2)), array((3,))], 1, 2), {}, ShapeError, "_chunk_cat"),
    ),
)
def _chunk_cat(tensors: Any, dim: int, num_chunks: int) -> Any:
    """Each tensor cut along `dim` into `num_chunks` parts (padded with 0), flattened, and joined.

    The result has size `num_chunks` at `dim` and the parts of all tensors side by side after it.
    """
    if num_chunks < 1 or not tensors:
        raise ShapeError(f"_chunk_cat: expected a positive number of chunks, got {num_chunks}")
    dims = {part.ndim for part in tensors}
    if min(dims) <= dim or (dim < 0 and len(dims) > 1):
        raise ShapeError(f"_chunk_cat: dimension {dim} of tensors with {sorted(dims)} dimensions")
    if not all(math.prod(part.shape) for part in tensors):
        raise ShapeError("_chunk_cat: expected tensors with elements")
    axis, parts = one_dim(dim, min(part.ndim for part in tensors)), []
    for part in tensors:
        missing = -part.shape[axis] % num_chunks
        part = op.constant_pad(part, (0, 0) * (part.ndim - 1 - axis) + (0, missing))
        size = math.prod(part.shape[axis:]) // num_chunks
        parts.append(op.reshape(part, (*part.shape[:axis], num_chunks, size)))
    return op.cat(parts, axis + 1)
