"""Diagonals and triangles of matrices: taken, put into zeros, and written over.

All linear; taking a diagonal and putting it into zeros are each other's adjoints.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import DimError, ShapeError
from ..op import Bad, Op, Sample, compose, op
from ..samples import array
from .dims import one_dim


def _planes(input: Array, dim1: int, dim2: int) -> tuple[int, int]:
    first, second = one_dim(dim1, input.ndim), one_dim(dim2, input.ndim)
    if first == second:
        raise ShapeError(f"dimensions {dim1} and {dim2} of {input.shape} are the same")
    return first, second


class Diagonal(Op, name="diagonal"):
    """The elements ``input[…, i, i + offset]`` of the matrices in `dim1` and `dim2`, put last."""

    linear = True

    def forward(self, input: Array, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Array:
        """Values, a view."""
        self.shape = input.shape
        out = input.diagonal(offset, *_planes(input, dim1, dim2))
        if input.flags.writeable:
            out.flags.writeable = True  # a view like any other, as in torch
        return out

    def backward(self, g: Any, shape: Any, offset: Any, dim1: Any, dim2: Any) -> Any:
        """Put into zeros."""
        return op.put_diagonal(g, shape, offset, dim1, dim2)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Both sides of the main diagonal; a batch of matrices."""
        yield Sample((array((3, 4)),))
        yield Sample((array((2, 3, 4)), -1, 2, 0))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """One dimension twice, and one that is not there."""
        yield Bad((array((2, 3)), 0, 1, 1), {}, ShapeError, "diagonal: .* are the same")
        yield Bad((array((3,)),), {}, DimError, "but got 1")


class PutDiagonal(Op, name="put_diagonal", spaces=()):
    """Zeros of `shape` with `input` on a diagonal: the adjoint of `diagonal`."""

    linear = True

    def forward(self, input: Array, shape: Any, offset: int, dim1: int, dim2: int) -> Array:
        """Values."""
        out = np.zeros(shape, input.dtype)
        diagonal = out.diagonal(offset, *_planes(out, dim1, dim2))
        diagonal.flags.writeable = True
        diagonal[...] = input
        return out

    def backward(self, g: Any, offset: Any, dim1: Any, dim2: Any) -> Any:
        """Taken."""
        return op.diagonal(g, offset, dim1, dim2)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Of a matrix that is not square."""
        yield Sample((array((2, 3)), (4, 2, 3), -1, 0, 2))


@compose(
    Sample((array((3,)),)),
    Sample((array((2, 3)), -1, 0, 2)),
    errors=(Bad((array((3,)), 0, 1, 1), {}, ShapeError, "are the same"),),
)
def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Matrices in `dim1` and `dim2` with the last dimension of `input` on a diagonal, else 0."""
    first, second = one_dim(dim1, input.ndim + 1), one_dim(dim2, input.ndim + 1)
    if first == second:
        raise ShapeError(f"diag_embed: dimensions {dim1} and {dim2} are the same")
    shape, size = list(input.shape[:-1]), input.shape[-1] + abs(offset)
    for place in sorted((first, second)):
        shape.insert(place, size)
    return op.put_diagonal(input, tuple(shape), offset, first, second)


@compose(
    Sample((array((3,)), 1)),
    Sample((array((3, 4)), -1)),
    errors=(Bad((array(()),), {}, ShapeError, "vector or a matrix"),),
)
def diag(input: Any, diagonal: int = 0) -> Any:
    """The matrix with a vector on its diagonal, or the diagonal of a matrix."""
    if input.ndim not in (1, 2):
        raise ShapeError(f"diag: expected a vector or a matrix, got shape {input.shape}")
    if input.ndim == 2:
        return op.diagonal_copy(input, diagonal)
    return op.diag_embed(input, diagonal)


@compose(Sample((array((2, 2)), 1)))
def diagflat(input: Any, offset: int = 0) -> Any:
    """The matrix with all elements of `input` on its diagonal."""
    return op.diag_embed(op.reshape(input, (-1,)), offset)


@compose(
    Sample((array((3, 4)),)),
    errors=(Bad((array((2, 3, 4)),), {}, ShapeError, "a matrix"),),
)
def trace(input: Any) -> Any:
    """``Σ input[i, i]`` of a matrix."""
    if input.ndim != 2:
        raise ShapeError(f"trace: expected a matrix, got shape {input.shape}")
    return op.sum(op.diagonal(input))


@compose(
    Sample((array((3, 4)), array((3,), seed=1))),
    Sample((array((3, 2, 4)), array((2, 2), seed=1), -1, 0, 2)),
    errors=(Bad((array((3, 4)), array((2,))), {}, ShapeError, r"\(3,\)"),),
)
def diagonal_scatter(input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """A copy of `input` with `src` on a diagonal; see diagonal."""
    first, second = _planes(input, dim1, dim2)
    low, high = max(-offset, 0), max(offset, 0)
    count = max(min(input.shape[first] - low, input.shape[second] - high), 0)
    rest = [size for i, size in enumerate(input.shape) if i not in (first, second)]
    if tuple(src.shape) != (*rest, count):
        raise ShapeError(f"diagonal_scatter: expected src of {(*rest, count)}, got {src.shape}")
    place, last = np.arange(count), (-2, -1)
    moved = op.movedim(input, (first, second), last)
    return op.movedim(
        op.set_at(moved, src, (..., place + low, place + high)), last, (first, second)
    )


@compose(
    spaces=("Tensor",),
    errors=(Bad((array((3,)), 0.0), {}, ShapeError, "at least 2 dimensions"),),
)
def fill_diagonal_(input: Any, fill_value: Any, wrap: bool = False) -> Any:
    """Write `fill_value` at (i, i, …); with `wrap` again below, after a row left out."""
    if input.ndim < 2 or (input.ndim > 2 and len(set(input.shape)) > 1):
        raise ShapeError(f"expected at least 2 dimensions, alike beyond 2, got {input.shape}")
    place = np.arange(min(input.shape))
    where = (place,) * input.ndim
    if wrap and input.ndim == 2:
        columns = input.shape[1]
        where = np.divmod(np.arange(0, input.shape[0] * columns, columns + 1), columns)
    input[where] = fill_value
    return input


class _Triangle(Op):
    linear = True

    def _checked(self, input: Array) -> Array:
        if input.ndim < 2:
            raise ShapeError(f"expected at least 2 dimensions, got shape {input.shape}")
        return input

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """The main and other diagonals, in a batch too."""
        yield Sample((array((3, 4)),))
        yield Sample((array((2, 3, 3)), 1))
        yield Sample((array((3, 3)), -1))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A vector."""
        yield Bad((array((3,)),), {}, ShapeError, r"at least 2 dimensions, got shape \(3,\)")


class Tril(_Triangle, name="tril"):
    """The lower triangle of matrices, up to `diagonal`; the rest is 0."""

    def forward(self, input: Array, diagonal: int = 0) -> Array:
        """Values."""
        return np.tril(self._checked(input), diagonal)

    def backward(self, g: Any, diagonal: Any) -> Any:
        """The same triangle."""
        return op.tril(g, diagonal)


class Triu(_Triangle, name="triu"):
    """The upper triangle of matrices, from `diagonal`; the rest is 0."""

    def forward(self, input: Array, diagonal: int = 0) -> Array:
        """Values."""
        return np.triu(self._checked(input), diagonal)

    def backward(self, g: Any, diagonal: Any) -> Any:
        """The same triangle."""
        return op.triu(g, diagonal)
