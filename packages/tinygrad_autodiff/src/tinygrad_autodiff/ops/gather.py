"""Gathering: elements picked by index tensors, by masks, and the places of what is not zero."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import DimError, DtypeError, ShapeError
from ..op import Bad, Op, Sample, compose, op
from ..samples import array
from ..tensor import Tensor, array_of, wrap
from .dims import one_dim


def integers(name: str, index: Any, shape: tuple[int, ...], dim: int, low: int = 0) -> Array:
    """`index` as an array of integers in [low, size of `dim`); an error in torch's class."""
    places = array_of(index)
    if places.dtype.kind not in "iu" and places.size:
        raise DtypeError(f"{name}: expected an integer index, got {places.dtype}")
    size = shape[dim] if shape else 1
    if places.size and (places.min() < low or places.max() >= size):
        wrong = places.max() if places.max() >= size else places.min()
        raise DimError(f"{name}: index {wrong} is out of bounds for size {size} of {shape}")
    return places.astype(np.int64, copy=False)


def grid(name: str, input: Any, dim: int, index: Any) -> tuple[Array, ...]:
    """The advanced index that reads `index` along `dim` and its own place elsewhere."""
    shape = tuple(input.shape)
    axis = one_dim(dim, len(shape))
    try:
        places = integers(name, index, shape, axis)
    except DimError as error:
        raise ShapeError(str(error)) from error  # a RuntimeError in torch, here alone
    if not places.size:
        return (np.zeros(places.shape, np.int64),) * len(shape)
    if (places.ndim or 1) != (len(shape) or 1):
        raise ShapeError(
            f"{name}: the index of shape {places.shape} needs as many dimensions as {shape}"
        )
    if not shape:
        return ()
    places = places.reshape(-1) if not places.ndim else places
    if places.shape != shape and any(
        n > m for i, (n, m) in enumerate(zip(places.shape, shape, strict=True)) if i != axis
    ):
        raise ShapeError(
            f"{name}: the index of shape {places.shape} exceeds {shape} apart from dimension {axis}"
        )
    lines = _lines(places.shape)
    return (*lines[:axis], places, *lines[axis + 1 :])


@lru_cache(maxsize=64)
def _lines(shape: tuple[int, ...]) -> tuple[Array, ...]:
    """For each dimension the places along it, in a shape that broadcasts to `shape`."""
    lines = np.ogrid[tuple(slice(size) for size in shape)]
    for line in lines:
        line.flags.writeable = False
    return tuple(lines)


@compose(
    Sample((array((3, 4)), 1, np.array([[0, 0, 3], [1, 2, 1], [3, 3, 3]]))),
    Sample((array((3, 4)), 0, np.array([[2, 0]]))),
    Sample((array((3, 4)), -1, np.array([[1], [2], [0]]))),
    errors=(
        Bad((array((3, 4)), 1, np.array([[4]])), {}, ShapeError, "gather: index 4 .* size 4"),
        Bad((array((3, 4)), 1, np.array([0])), {}, ShapeError, "as many dimensions"),
        Bad((array((3, 4)), 1, np.array([[0.5]])), {}, DtypeError, "integer index"),
        Bad((array((1, 4)), 1, np.array([[0], [0]])), {}, ShapeError, "exceeds"),
    ),
)
def gather(input: Any, dim: int, index: Any, sparse_grad: bool = False) -> Any:
    """``out[i][j] = input[index[i][j]][j]`` along `dim` (here 0): one element per index."""
    where, shape = grid("gather", input, dim, index), tuple(index.shape)
    if 0 in shape:
        return op.reshape(op.getitem(op.reshape(input, (-1,)), slice(0, 0)), shape)
    if not (input.ndim and shape):
        return op.reshape(op.getitem(input, where) if where else input, shape)
    return op.getitem(input, where)


@compose(
    Sample((array((3, 4)), np.array([[0, 3], [1, 1], [2, 0]]), 1)),
    Sample((array((3, 4)), np.array([[2], [0]]), 0)),
    Sample((array((3, 4)), np.array([3, 0, 3]))),
    errors=(Bad((array((3,)), np.array([[0]]), 0), {}, ShapeError, "as many dimensions"),),
)
def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """`gather` with input and indices broadcast against each other; flat without `dim`."""
    places = array_of(indices)
    if dim is None:
        return op.take(input, places.reshape(-1))
    if places.ndim != input.ndim:
        raise ShapeError(
            f"take_along_dim: indices {places.shape} need as many dimensions as {input.shape}"
        )
    axis = one_dim(dim, input.ndim)
    rest = [(1 if i == axis else n) for i, n in enumerate(input.shape)]
    others = [(1 if i == axis else n) for i, n in enumerate(places.shape)]
    common = list(op.broadcast_shapes(tuple(rest), tuple(others)))
    wide, narrow = common.copy(), common.copy()
    wide[axis], narrow[axis] = input.shape[axis], places.shape[axis]
    places = np.broadcast_to(np.where(places < 0, places + input.shape[axis], places), narrow)
    return op.gather(op.expand(input, tuple(wide)), axis, places)


@compose(
    Sample((array((3, 4)), np.array([[0, 11], [5, 0]]))),
    errors=(Bad((array((3,)), np.array([3])), {}, DimError, "take: index 3"),),
)
def take(input: Any, index: Any) -> Any:
    """The elements of the flat tensor at `index`, in the shape of `index`."""
    flat = op.reshape(input, (-1,))
    where = integers("take", index, tuple(flat.shape), 0, -flat.shape[0])
    if not where.ndim:
        return op.reshape(op.getitem(flat, where.reshape(1)), ())
    return op.getitem(flat, where)


@compose(
    Sample((array((3, 4)), 1, np.array([2, 0, 2]))),
    Sample((array((3, 4)), 0, np.array(1))),
    errors=(
        Bad((array((3,)), 0, np.array([3])), {}, DimError, "index_select: index 3"),
        Bad((array((3,)), 0, np.array([[0]])), {}, DimError, "a vector"),
        Bad((array((3,)), 0, np.array([0.5])), {}, DtypeError, "integer"),
    ),
)
def index_select(input: Any, dim: int, index: Any) -> Any:
    """The slices `index` of `dim`, in that order."""
    axis = one_dim(dim, input.ndim)
    where = integers("index_select", index, tuple(input.shape), axis)
    if where.ndim > 1:
        raise DimError(f"index_select: expected the index as a vector, got {where.shape}")
    if not input.ndim:
        return op.clone(input)
    return op.getitem(input, (slice(None),) * axis + (where.reshape(-1),))


@compose(
    Sample((array((3, 4)), array((3, 4), seed=1) > 0)),
    Sample((array((3, 4)), np.array([True, False, True, True]))),
    errors=(
        Bad((array((3,)), np.array([1, 0, 1])), {}, DtypeError, "masked_select: .* bool"),
        Bad((array((3,)), np.array([True, False])), {}, ShapeError, r"\(3,\) and \(2,\)"),
    ),
)
def masked_select(input: Any, mask: Any) -> Any:
    """The elements of `input` where the mask is true, as a vector; both are broadcast."""
    chosen = boolean("masked_select", mask)
    shape = op.broadcast_shapes(tuple(input.shape), chosen.shape)
    return op.getitem(op.expand(input, shape), np.broadcast_to(chosen, shape))


def boolean(name: str, mask: Any) -> Array:
    """`mask` as an array of bool; an error for any other dtype."""
    chosen = array_of(mask)
    if chosen.dtype.kind != "b":
        raise DtypeError(f"{name}: expected a mask of bool, got {chosen.dtype}")
    return chosen


@compose(
    Sample((array((3, 4)), np.array([True, False]), [np.array([1, 9]), np.array([3, 0])], 0.5)),
    spaces=("",),
)
def _unsafe_masked_index(input: Any, mask: Any, indices: Any, fill: float) -> Any:
    """``input[indices]`` where the mask is true, else `fill`, whatever the index says there."""
    return op.masked_fill(
        op.getitem(input, _clamped(input, indices)), ~boolean("_unsafe_masked_index", mask), fill
    )


@compose(
    Sample(
        (array((3,)), np.array([True, False, True]), [np.array([1, 9, 1])], array((3,), seed=1))
    ),
    spaces=("",),
)
def _unsafe_masked_index_put_accumulate(input: Any, mask: Any, indices: Any, values: Any) -> Any:
    """`input` with `values` added at `indices` where the mask is true."""
    outside = ~boolean("_unsafe_masked_index_put_accumulate", mask)
    return op.index_put(
        input, _clamped(input, indices), op.masked_fill(values, outside, 0), accumulate=True
    )


def _clamped(input: Any, indices: Any) -> tuple[Any, ...]:
    return tuple(
        slice(None) if index is None else np.clip(array_of(index), -size, size - 1)
        for index, size in zip(indices, input.shape, strict=False)
    )


class Nonzero(Op, name="nonzero"):
    """The indices of the elements that are not 0, one a row; or one vector per dimension."""

    differentiable = False

    def forward(self, input: Array, as_tuple: bool = False) -> Any:
        """Values."""
        places = np.nonzero(np.atleast_1d(input))
        if as_tuple:
            return places
        return np.stack(places, 1) if input.ndim else np.zeros((len(places[0]), 0), np.int64)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Both forms."""
        yield Sample((np.array([[0, 1], [2, 0]]),))
        yield Sample((np.array([[0, 1], [2, 0]]),), {"as_tuple": True})


@compose(Sample((np.array([[0, 1], [2, 0]]),)))
def argwhere(input: Any) -> Any:
    """The indices of the elements that are not 0, one a row."""
    return op.nonzero(input)


@compose(Sample((np.array([[0, 1], [2, 0]]),)), spaces=())
def where_true(condition: Any) -> Any:
    """The indices of the elements that are not 0, one vector per dimension."""
    return op.nonzero(condition, True)


@compose(
    Sample((array((2, 3)), array((2, 3), seed=1) > 0, array((3,), seed=2))),
    aliases=("Tensor.where",),
    spaces=(),
)
def where_method(input: Any, condition: Any, other: Any) -> Any:
    """`input` where `condition` holds, else `other`."""
    return op.where(condition, input, other)


@compose(Sample((np.array([[0, 1], [2, 0]]),), {"size": 3, "fill_value": -1}))
def nonzero_static(input: Any, size: int, fill_value: int = -1) -> Any:
    """`nonzero` with `size` rows: cut off, or filled up with `fill_value`."""
    found = array_of(op.nonzero(input))
    out = np.full((size, found.shape[1]), fill_value, np.int64)
    out[: len(found)] = found[:size]
    return wrap(out) if isinstance(input, Tensor) else out


@compose(Sample((np.array([5, 0]), (2, 3))), spaces=("",))
def unravel_index(indices: Any, shape: Any) -> Any:
    """For places in the flat tensor, those in each dimension of `shape`."""
    found = tuple(np.asarray(part) for part in np.unravel_index(array_of(indices), shape))
    return tuple(map(wrap, found)) if isinstance(indices, Tensor) else found
