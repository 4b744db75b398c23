"""Order: dimensions exchanged, elements reversed, rolled and turned.

All linear; the adjoint puts everything back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import DimError, ShapeError
from ..op import Bad, Op, Sample, compose, op
from ..samples import array
from .dims import Ints, all_dims, ints, one_dim


class Permute(Op, name="permute"):
    """Dimensions in another order: ``out.shape[i] = input.shape[dims[i]]``."""

    linear = True

    def forward(self, input: Array, dims: Ints) -> Array:
        """Values, a view."""
        order = tuple(one_dim(d, input.ndim) for d in ints(dims))
        if sorted(order) != list(range(input.ndim)):
            raise ShapeError(f"permute: {order} is no order of the dimensions of {input.shape}")
        self.order = order
        return input.transpose(order)

    def backward(self, g: Any, order: Any) -> Any:
        """The inverse permutation."""
        return op.permute(g, tuple(sorted(range(len(order)), key=order.__getitem__)))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Packed and one by one."""
        yield Sample((array((2, 3, 4)), (2, 0, 1)))
        yield Sample((array((2, 3, 4)), 0, -1, 1))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A dimension twice."""
        yield Bad((array((2, 3)), (0, 0)), {}, ShapeError, "no order of the dimensions")


class Transpose(Op, name="transpose", aliases=("swapaxes", "swapdims")):
    """Two dimensions exchanged."""

    linear = True

    def forward(self, input: Array, dim0: int, dim1: int) -> Array:
        """Values, a view."""
        first, second = one_dim(dim0, input.ndim), one_dim(dim1, input.ndim)
        return input.swapaxes(first, second) if input.ndim else input[...]

    def backward(self, g: Any, dim0: Any, dim1: Any) -> Any:
        """Exchanged again."""
        return op.transpose(g, dim0, dim1)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Near and far dimensions."""
        yield Sample((array((2, 3, 4)), 0, -1))
        yield Sample((array((2, 3)), 0, 1))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A dimension out of range."""
        yield Bad((array((2, 3)), 0, 2), {}, DimError, "but got 2")


@compose(
    Sample((array((2, 3)),)),
    Sample((array((3,)),)),
    errors=(Bad((array((2, 3, 4)),), {}, ShapeError, "at most 2 dimensions"),),
)
def t(input: Any) -> Any:
    """The transpose of a matrix; a vector stays as it is."""
    if input.ndim > 2:
        raise ShapeError(f"t: expected at most 2 dimensions, got shape {input.shape}")
    return op.transpose(input, 0, 1) if input.ndim == 2 else op.alias(input)


@compose(
    Sample((array((2, 3, 4)), 0, -1)),
    Sample((array((2, 3, 4)), (0, 1), (2, 0))),
    aliases=("moveaxis",),
    errors=(Bad((array((2, 3)), (0, 0), (0, 1)), {}, ShapeError, "more than once"),),
)
def movedim(input: Any, source: Ints, destination: Ints) -> Any:
    """Dimensions at `source` moved to `destination`, the others in order."""
    start = [one_dim(d, input.ndim) for d in ints(source)]
    end = [one_dim(d, input.ndim) for d in ints(destination)]
    if len(start) != len(end):
        raise ShapeError(f"movedim: {len(start)} sources, {len(end)} destinations")
    if len(set(start)) < len(start) or len(set(end)) < len(end):
        raise ShapeError(f"movedim: a dimension appears more than once in {start} or {end}")
    if not input.ndim:
        return op.alias(input)
    order = [d for d in range(input.ndim) if d not in start]
    for place, dim in sorted(zip(end, start, strict=True)):
        order.insert(place, dim)
    return op.permute(input, tuple(order))


class Flip(Op, name="flip"):
    """Reversed along `dims`."""

    linear = True

    def forward(self, input: Array, dims: Ints) -> Array:
        """Values, a copy as in torch."""
        dims = ints(dims)
        return np.flip(input, all_dims(dims, input.ndim) if dims and input.ndim else ()).copy()

    def backward(self, g: Any, dims: Any) -> Any:
        """Reversed again."""
        return op.flip(g, dims)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """One and two dimensions."""
        yield Sample((array((2, 3)), (0, 1)))
        yield Sample((array((2, 3)), -1))


@compose(
    Sample((array((2, 3)),)),
    errors=(Bad((array((3,)),), {}, ShapeError, "at least 2 dimensions"),),
)
def fliplr(input: Any) -> Any:
    """Columns in reverse order."""
    if input.ndim < 2:
        raise ShapeError(f"fliplr: expected at least 2 dimensions, got shape {input.shape}")
    return op.flip(input, (1,))


@compose(
    Sample((array((2, 3)),)),
    errors=(Bad((array(()),), {}, ShapeError, "at least 1 dimension"),),
)
def flipud(input: Any) -> Any:
    """Rows in reverse order."""
    if not input.ndim:
        raise ShapeError("flipud: expected at least 1 dimension, got shape ()")
    return op.flip(input, (0,))


class Roll(Op, name="roll"):
    """Shifted along `dims` by `shifts`, what falls off coming in again; flat without `dims`."""

    linear = True

    def forward(self, input: Array, shifts: Ints, dims: Ints = ()) -> Array:
        """Values."""
        shifts, dims = ints(shifts), ints(dims if dims is not None else ())
        if len(shifts) != (len(dims) or 1):
            raise ShapeError(f"roll: {len(shifts)} shifts do not fit {len(dims)} dims")
        if not dims:
            return np.roll(input, shifts[0])
        return np.roll(input, shifts, [one_dim(d, input.ndim) for d in dims][: input.ndim or None])

    def backward(self, g: Any, shifts: Any, dims: Any) -> Any:
        """Shifted back."""
        return op.roll(g, tuple(-s for s in ints(shifts)), dims)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Flat, one dimension, the same one twice."""
        yield Sample((array((2, 3)), 2))
        yield Sample((array((2, 3)), (1, -2), (0, 1)))
        yield Sample((array((2, 3)), (1, 1), (1, 1)))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """More shifts than dimensions."""
        yield Bad((array((3,)), (1, 2), 0), {}, ShapeError, "2 shifts do not fit 1 dims")


@compose(
    Sample((array((2, 3)), 1)),
    Sample((array((2, 3, 2)), -2, (1, 2))),
    errors=(
        Bad((array((2, 3)), 1, (0,)), {}, ShapeError, "two dims"),
        Bad((array((2, 3)), 1, (0, 0)), {}, ShapeError, "two different"),
    ),
)
def rot90(input: Any, k: int = 1, dims: Ints = (0, 1)) -> Any:
    """Turned `k` times by 90 degrees from the first of two `dims` towards the second."""
    dims = ints(dims)
    if len(dims) != 2 or input.ndim < 2:
        raise ShapeError(f"rot90: expected two dims of a matrix, got {dims} for {input.shape}")
    first, second = dims
    if first == second or abs(first - second) == input.ndim:
        raise ShapeError(f"rot90: expected two different dims, got {dims}")
    first, second = one_dim(first, input.ndim), one_dim(second, input.ndim)
    if k % 4 == 0:
        return op.clone(input)
    if k % 4 == 2:
        return op.flip(input, dims)
    if k % 4 == 1:
        return op.transpose(op.flip(input, (second,)), first, second)
    return op.flip(op.transpose(input, first, second), (second,))
