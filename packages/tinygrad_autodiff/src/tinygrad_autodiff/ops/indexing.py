"""Indexing: basic and advanced, by slices, integers, masks and index tensors.

Reading is linear in the input; its adjoint adds into zeros (twice where an index repeats).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import DimError, DtypeError, ShapeError
from ..op import Bad, Op, Sample, compose, op
from ..samples import array
from ..tensor import Tensor, array_of

_WIDE = 32  # elements of a row from which on adding whole rows beats a list of all places


def _plain(index: Any) -> Any:
    """`index` with tensors and lists as arrays."""
    if isinstance(index, tuple):
        return tuple(_plain(part) for part in index)
    if isinstance(index, Tensor):
        index = index._data
    elif isinstance(index, list):
        index = array_of(index) if index else np.zeros(0, np.int64)
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


def _in_two(index: Any) -> tuple[Any, Any] | None:
    """An index of integers and arrays as two: first the integers, as torch does, then the arrays.

    NumPy counts an integer beside arrays as an array, which moves the result's dimensions.
    """
    if not isinstance(index, tuple) or not any(p.__class__ is np.ndarray for p in index):
        return None
    if not any(isinstance(p, (int, np.integer)) and not isinstance(p, bool) for p in index):
        return None
    first: list[Any] = []
    second: list[Any] = []
    for part in index:
        if isinstance(part, (int, np.integer)) and not isinstance(part, bool):
            first.append(part)
        elif isinstance(part, np.ndarray):
            first += [slice(None)] * (part.ndim if part.dtype.kind == "b" else 1)
            second.append(part)
        else:
            first.append(part)
            second.append(part if part is Ellipsis else slice(None))
    return tuple(first), tuple(second)


def read_at(values: Array, index: Any) -> Array:
    """``values[index]`` by torch's rules."""
    parts = _in_two(index)
    out: Any = values[index] if parts is None else values[parts[0]][parts[1]]
    if out.__class__ is not np.ndarray:  # one element: still a view of the memory
        out = values[(*(index if isinstance(index, tuple) else (index,)), ...)]
    found: Array = out
    return found


def _write_at(values: Array, index: Any, new: Any) -> None:
    parts = _in_two(index)
    if parts is None:
        values[index] = new
    else:
        values[parts[0]][parts[1]] = new


class Getitem(Op, name="getitem", spaces=(), operator="getitem"):
    """``input[index]``: a view for slices and integers, a copy for masks and index tensors."""

    linear = True

    def forward(self, input: Array, index: Any) -> Array:
        """Values."""
        self.shape, self.where = input.shape, _plain(index)
        return read_at(input, self.where)

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
        yield Sample((x, (0, slice(None), np.array([1, 1, 0]))))
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
        """Values, added in float32 for float16."""
        if index.__class__ is tuple and len(index) == 1:
            index = index[0]
        advanced = index.__class__ is np.ndarray
        if (advanced and index.dtype.kind == "b") or _is_basic(index):  # no place twice
            out = np.zeros(shape, input.dtype)
            out[index] = input
            return out
        if advanced and index.size and math.prod(shape[1:]) >= _WIDE:
            found: Array = op.rows_added(input, index % shape[0], shape[0])
            return found
        dtype = np.float32 if input.dtype == np.float16 else input.dtype
        out, places = np.zeros(shape, dtype), _places(index, shape)
        values = np.broadcast_to(input.astype(dtype, copy=False), places.shape)
        np.add.at(out.reshape(-1), places.reshape(-1), values.reshape(-1))
        return out.astype(input.dtype, copy=False)

    def backward(self, g: Any, index: Any) -> Any:
        """Read at the index."""
        return op.getitem(g, index)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """A slice, repeated integers, long rows, a list of places."""
        yield Sample((array((2, 4)), slice(1, 3), (3, 4)))
        yield Sample((array((3, 4)), np.array([0, 2, 0]), (3, 4)))
        yield Sample((array((3, 64)), np.array([1, -1, 1]), (2, 64)))
        yield Sample((array((2, 3)), (slice(None), np.array([3, 0, 3])), (2, 4)))
        yield Sample((array((3,)), (np.array([0, 1, 0]), np.array([2, -1, 2])), (2, 4)))


def _places(index: Any, shape: tuple[int, ...]) -> Array:
    """The numbers, in row-major order, of the elements of a `shape` that `index` reads."""
    parts = index if isinstance(index, tuple) else (index,)
    whole = len(parts) == len(shape) and all(
        isinstance(part, np.ndarray) and part.dtype.kind != "b" for part in parts
    )
    if not whole:
        return read_at(np.arange(math.prod(shape)).reshape(shape), index)
    places: Any = 0
    for part, size in zip(parts, shape, strict=True):
        places = places * size + (np.where(part < 0, part + size, part) if part.size else part)
    return np.asarray(places)


class SetAt(Op, name="set_at", spaces=()):
    """A copy of `input` with `value` at `index`: what ``x[index] = value`` computes."""

    linear = True

    def forward(self, input: Array, value: Array, index: Any) -> Array:
        """Values."""
        self.where = _plain(index)
        self.shape = np.shape(value)
        out = input.copy()
        _write_at(out, self.where, value)
        return out

    def backward_input(self, g: Any, where: Any) -> Any:
        """Zero where it was overwritten."""
        return op.set_at(g, np.zeros((), g.dtype), where)

    def backward_value(self, g: Any, where: Any, shape: Any) -> Any:
        """Read at the index."""
        return op.sum_to_size(op.getitem(g, where), shape)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """A slice, a number for a row, a list of columns, an integer beside them."""
        x = array((3, 4))
        yield Sample((x, array((2, 4), seed=1), slice(0, 2)))
        yield Sample((x, array((), seed=1), 1))
        yield Sample((x, array((3, 1), seed=1), (slice(None), np.array([0, 2]))))
        yield Sample((x, array((2,), seed=1), (1, np.array([0, 2]))))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A value that does not fit."""
        yield Bad((array((3, 4)), array((3,)), 0), {}, ShapeError, r"\(3, 4\) and \(3,\)")


@compose(
    Sample((array((3, 4)), [np.array([0, 2])], array((2, 4), seed=1))),
    Sample((array((3, 4)), [np.array([0, 0]), np.array([1, 1])], array((), seed=1), True)),
    Sample((array((3, 4)), [array((3, 4)) > 0], array((1,), seed=1))),
    errors=(
        Bad((array((3,)), [np.array([0])], np.array([1])), {}, DtypeError, "int64 for a tensor"),
        Bad((array((3,)), [np.array([0, 1])], array((3,))), {}, ShapeError, r"\(3,\) and \(3,\)"),
    ),
)
def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """A copy of `input` with `values` at ``input[indices]``, or added there with `accumulate`."""
    where = _plain(tuple(indices))
    if values.dtype != input.dtype:
        raise DtypeError(f"index_put: a source of {values.dtype} for a tensor of {input.dtype}")
    if not accumulate:
        return op.set_at(input, values, where)
    places = _places(where, tuple(input.shape))
    return input + op.add_at(op.expand(values, places.shape), where, tuple(input.shape))
