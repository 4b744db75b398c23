"""Indexing: basic and advanced, by slices, integers, masks and index tensors.

Reading is linear in the input; its adjoint adds into zeros (twice where an index repeats).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import ArgumentTypeError, DimError, ShapeError
from ..op import Bad, Composite, Op, Sample, op
from ..samples import array
from ..tensor import Tensor
from .dims import one_dim


def _plain(index: Any) -> Any:
    """`index` with tensors and lists as arrays."""
    if isinstance(index, tuple):
        return tuple(_plain(part) for part in index)
    if isinstance(index, Tensor):
        index = index._data
    elif isinstance(index, list):
        index = np.asarray(index) if index else np.zeros(0, np.int64)
    if isinstance(index, np.ndarray):
        if index.dtype.kind not in "biu":
            raise DimError(f"tensors used as indices must be integers or bool, not {index.dtype}")
        if not index.ndim and index.dtype.kind != "b":
            return int(index)
    return index


def _is_basic(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return all(
        part is None or part is Ellipsis or isinstance(part, (slice, int, np.integer))
        for part in parts
    ) and not any(isinstance(part, bool) for part in parts)


class Getitem(Op, name="getitem", spaces=(), operator="getitem"):
    """``input[index]``: a view for slices and integers, a copy for masks and index tensors."""

    linear = True

    def forward(self, input: Array, index: Any) -> Array:
        """Values."""
        self.shape, self.where = input.shape, _plain(index)
        out: Any = input[self.where]
        if out.__class__ is not np.ndarray:  # one element: still a view of the memory
            where = self.where if isinstance(self.where, tuple) else (self.where,)
            out = input[(*where, ...)]
        found: Array = out
        return found

    def backward(self, g: Any, shape: Any, where: Any) -> Any:
        """Added at the index into zeros."""
        return op.add_at(g, where, shape)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Every kind of index, repeated ones among them."""
        x = array((3, 4, 2))
        for index in (
            1,
            -1,
            slice(1, 3),
            slice(None, None, 2),
            (0, slice(1, None)),
            (..., 1),
            None,
        ):
            yield Sample((x, index))
        yield Sample((x, (slice(None), None, 2)))
        yield Sample((x, np.array([2, 0, 2])))
        yield Sample((x, [0, 0]))
        yield Sample((x, (slice(None), np.array([[1, 3], [1, 1]]))))
        yield Sample((x, (np.array([0, 2]), np.array([1, 1]), 0)))
        yield Sample((x, x > 0))
        yield Sample((x, (np.array([True, False, True]), 1)))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Out of range, too many, and of the wrong kind."""
        x = array((3, 4))
        yield Bad((x, 3), {}, DimError, "getitem: .*out of bounds")
        yield Bad((x, (0, 0, 0)), {}, DimError, "too many indices")
        yield Bad((x, np.array([0.5])), {}, DimError, "must be integers or bool")
        yield Bad((x, "row"), {}, DimError, "getitem")


class AddAt(Op, name="add_at", spaces=()):
    """Zeros of `shape` with `input` added at `index`: the adjoint of getitem."""

    linear = True

    def forward(self, input: Array, index: Any, shape: tuple[int, ...]) -> Array:
        """Values."""
        out = np.zeros(shape, input.dtype)
        if _is_basic(index):
            out[index] = input
        else:
            np.add.at(out, index, input)
        return out

    def backward(self, g: Any, index: Any) -> Any:
        """Read at the index."""
        return op.getitem(g, index)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """A slice, and repeated integers."""
        yield Sample((array((2, 4)), slice(1, 3), (3, 4)))
        yield Sample((array((3, 4)), np.array([0, 2, 0]), (3, 4)))


class IndexPut(Op, name="index_put", spaces=()):
    """A copy of `input` with `value` at `index`: what ``x[index] = value`` computes."""

    linear = True

    def forward(self, input: Array, value: Array, index: Any) -> Array:
        """Values."""
        self.where = _plain(index)
        self.shape = np.shape(value)
        out = input.copy()
        out[self.where] = value
        return out

    def backward_input(self, g: Any, where: Any) -> Any:
        """Zero where it was overwritten."""
        return op.index_put(g, np.zeros((), g.dtype), where)

    def backward_value(self, g: Any, where: Any, shape: Any) -> Any:
        """Read at the index."""
        return op.sum_to_size(op.getitem(g, where), shape)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """A slice, a number for a row, a mask."""
        x = array((3, 4))
        yield Sample((x, array((2, 4), seed=1), slice(0, 2)))
        yield Sample((x, array((), seed=1), 1))
        yield Sample((x, array((3, 1), seed=1), (slice(None), np.array([0, 2]))))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A value that does not fit."""
        yield Bad((array((3, 4)), array((3,)), 0), {}, ShapeError, r"\(3, 4\) and \(3,\)")


class Gather(Op, name="gather"):
    """``out[i][j] = input[index[i][j]][j]`` along `dim` (here 0): one element per index."""

    linear = True

    def forward(self, input: Array, dim: int, index: Any) -> Array:
        """Values."""
        self.shape = input.shape
        self.where = _grid(input.shape, dim, index)
        return np.asarray(input[self.where]) if input.ndim else input.copy()

    def backward(self, g: Any, shape: Any, where: Any) -> Any:
        """Added where it was read."""
        return op.add_at(g, where, shape) if shape else op.clone(g)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Indices that repeat, and fewer of them than elements."""
        x = array((3, 4))
        yield Sample((x, 1, np.array([[0, 0, 3], [1, 2, 1], [3, 3, 3]])))
        yield Sample((x, 0, np.array([[2, 0]])))
        yield Sample((x, -1, np.array([[1], [2], [0]])))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Out of range, of another number of dimensions, not whole."""
        x = array((3, 4))
        yield Bad((x, 1, np.array([[4]])), {}, DimError, "gather: index 4 .* size 4")
        yield Bad((x, 1, np.array([0])), {}, ShapeError, "as many dimensions")
        yield Bad((x, 1, np.array([[0.5]])), {}, ArgumentTypeError, "integer index")


def _grid(shape: tuple[int, ...], dim: int, index: Any) -> tuple[Array, ...]:
    """The advanced index that reads `index` along `dim` and its own place elsewhere."""
    index = np.asarray(index)
    if index.dtype.kind not in "iu":
        raise ArgumentTypeError(f"gather: expected an integer index, got {index.dtype}")
    if index.ndim != len(shape):
        raise ShapeError(
            f"gather: the index of shape {index.shape} needs as many dimensions as {shape}"
        )
    axis = one_dim(dim, len(shape))
    if not shape:
        return ()
    if index.size and (index.min() < 0 or index.max() >= shape[axis]):
        wrong = index.max() if index.max() >= shape[axis] else index.min()
        raise DimError(f"gather: index {wrong} is out of bounds for size {shape[axis]}")
    grid: list[Array] = list(np.ogrid[tuple(slice(size) for size in index.shape)])
    grid[axis] = index
    return tuple(grid)


class Narrow(Composite, name="narrow"):
    """`length` slices of `dim` from `start` on."""

    @staticmethod
    def forward(input: Any, dim: int, start: int, length: int) -> Any:
        """Composed of indexing."""
        axis = one_dim(dim, input.ndim)
        if start < 0 or length < 0 or start + length > input.shape[axis]:
            raise DimError(
                f"narrow: {start} + {length} exceeds size {input.shape[axis]} of {input.shape}"
            )
        return op.getitem(input, (slice(None),) * axis + (slice(start, start + length),))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Some and none."""
        yield Sample((array((3, 4)), 1, 1, 2))
        yield Sample((array((3, 4)), 0, 3, 0))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Beyond the end."""
        yield Bad((array((3,)), 0, 2, 2), {}, DimError, "exceeds")


class Select(Composite, name="select"):
    """The slice `index` of `dim`, without that dimension."""

    @staticmethod
    def forward(input: Any, dim: int, index: int) -> Any:
        """Composed of indexing."""
        return op.getitem(input, (slice(None),) * one_dim(dim, input.ndim) + (index,))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """From either end."""
        yield Sample((array((3, 4)), 1, 2))
        yield Sample((array((3, 4)), 0, -1))
