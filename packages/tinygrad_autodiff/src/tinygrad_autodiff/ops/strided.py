"""Views by strides: the memory of a tensor read in any pattern, and windows along a dimension.

The elements of the memory are numbered. Which numbers the input and the result stand for decides
the adjoint of such a view: add into the memory at the result's, read at the input's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import DimError, ShapeError
from ..op import Bad, Op, Sample, compose, op
from ..samples import array
from ..tensor import array_of
from .dims import Ints, ints, one_dim

Pattern = tuple[tuple[int, ...], tuple[int, ...], int]  # sizes, strides and start, in elements


def _memory(input: Array) -> tuple[Array, int]:
    """All the memory that `input` is a view of, as a vector, and where in it `input` starts."""
    owner, base = input, input.base
    while base is not None:
        owner = base if isinstance(base, np.ndarray) else owner
        base = getattr(base, "base", None)
    flat = owner.ravel("K").view(input.dtype)
    if not np.may_share_memory(flat, input):  # an owner with holes
        return input.ravel(), 0
    start = input.__array_interface__["data"][0] - flat.__array_interface__["data"][0]
    return flat, start // input.itemsize


def _read(flat: Array, pattern: Pattern) -> Array:
    """The view of the vector `flat` that `pattern` describes."""
    sizes, strides, start = pattern
    bytes_apart = tuple(stride * flat.itemsize for stride in strides)
    return np.ndarray(sizes, flat.dtype, flat, start * flat.itemsize, bytes_apart)


def _patterns(
    input: Array, size: Ints, stride: Ints, storage_offset: int | None
) -> tuple[Array, Pattern, Pattern]:
    """The memory, and in it the patterns of the input and of the result."""
    flat, start = _memory(input)
    inner = (input.shape, tuple(s // input.itemsize for s in input.strides), start)
    outer = (ints(size), ints(stride), start if storage_offset is None else int(storage_offset))
    if len(outer[0]) != len(outer[1]) or min(outer[1], default=0) < 0 or outer[2] < 0:
        raise ShapeError(f"sizes {size}, strides {stride} and start {storage_offset} do not fit")
    last = outer[2] + sum((n - 1) * s for n, s in zip(*outer[:2], strict=True))
    if min(outer[0], default=1) and last >= flat.size:
        raise ShapeError(
            f"sizes {size} with strides {stride} from {outer[2]} need {last + 1} elements; the "
            f"memory of the input of shape {input.shape} has {flat.size}"
        )
    return flat, inner, outer


def _numbers(count: int, pattern: Pattern) -> Array:
    return _read(np.arange(count), pattern)


def numbered(input: Array) -> Array:
    """The numbers of the elements of `input`, in row-major order, lying as these lie in memory."""
    flat, start = _memory(input)
    strides = tuple(stride // input.itemsize for stride in input.strides)
    numbers = _read(np.full(flat.size, -1), (input.shape, strides, start))
    numbers[...] = np.arange(input.size).reshape(input.shape)
    return numbers


class AsStrided(Op, name="as_strided"):
    """The memory of `input` in given sizes and strides (in elements), from a given start on.

    The start counts from the first element of the memory; by default it is the input's own.
    """

    def forward(
        self, input: Array, size: Ints, stride: Ints, storage_offset: int | None = None
    ) -> Array:
        """Values, a view."""
        flat, inner, outer = _patterns(input, size, stride, storage_offset)
        self.count, self.axes = flat.size, (inner, outer)
        out = _read(flat, outer)
        if any(n > 1 and not s for n, s in zip(*outer[:2], strict=True)):
            out.flags.writeable = False  # one element in several places, as in expand
        return out

    def backward(self, g: Any, count: Any, axes: Any) -> Any:
        """Added into the memory, read where the input lies in it."""
        inner, outer = (_numbers(count, pattern) for pattern in axes)
        return op.getitem(op.add_at(g, outer, (count,)), inner)

    def jvp(self, t: Any, count: Any, axes: Any) -> Any:
        """Put into the memory where the input lies, read as the result."""
        inner, outer = (_numbers(count, pattern) for pattern in axes)
        return op.getitem(op.set_at(np.zeros(count, t.dtype), t, inner), outer)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Overlapping, and with gaps; of a column, which lies in memory in one way alone."""
        yield Sample((array((6, 1)), (3, 2), (1, 1)))
        yield Sample((array((7, 1)), (2, 2), (3, 2), 1))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Beyond the memory."""
        yield Bad((array((4,)), (3,), (2,)), {}, ShapeError, "need 5 elements; .* has 4")


@compose(
    Sample((array((6, 1)), array((2, 2), seed=1), (2, 2), (3, 1))),
    errors=(Bad((array((4,)), array((2,)), (3,), (1,)), {}, ShapeError, r"\(2,\)"),),
)
def as_strided_scatter(
    input: Any, src: Any, size: Ints, stride: Ints, storage_offset: int | None = None
) -> Any:
    """A copy of `input` with `src` where `as_strided` would look."""
    flat, inner, outer = _patterns(array_of(input), size, stride, storage_offset)
    if tuple(src.shape) != outer[0]:
        raise ShapeError(f"as_strided_scatter: expected src of {outer[0]}, got {src.shape}")
    inside, written = (_numbers(flat.size, pattern) for pattern in (inner, outer))
    memory = op.set_at(np.zeros(flat.size, input.dtype), input, inside)
    return op.getitem(op.set_at(memory, src, written), inside)


class UnfoldDim(Op, name="unfold_dim", aliases=("Tensor.unfold",), spaces=()):
    """All windows of `size` elements along `dimension`, `step` apart, as a new last dimension."""

    linear = True

    def forward(self, input: Array, dimension: int, size: int, step: int) -> Array:
        """Values, a view."""
        self.shape, axis = input.shape, one_dim(dimension, input.ndim)
        length = input.shape[axis] if input.ndim else 1
        if size > length or size < 0:
            raise ShapeError(f"unfold: windows of {size} do not fit size {length} of {input.shape}")
        if step < 1:
            raise ShapeError(f"unfold: expected a step of at least 1, got {step}")
        flat, start = _memory(input)
        strides = [s // input.itemsize for s in input.strides]
        if not input.ndim:
            return _read(flat, ((size,), (1,), start))
        sizes = [*input.shape, size]
        strides.append(strides[axis])
        sizes[axis] = (length - size) // step + 1
        strides[axis] *= step
        return _read(flat, (tuple(sizes), tuple(strides), start))

    def backward(self, g: Any, shape: Any, dimension: Any, size: Any, step: Any) -> Any:
        """Each element the sum over the windows that it is in."""
        return op.fold_dim(g, shape, dimension, size, step)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Overlapping windows, windows apart, and a number."""
        yield Sample((array((2, 5)), 1, 3, 1))
        yield Sample((array((5, 2)), 0, 2, 3))
        yield Sample((array(()), 0, 1, 1))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Too large, no step, no such dimension."""
        yield Bad((array((3,)), 0, 4, 1), {}, ShapeError, "unfold: windows of 4")
        yield Bad((array((3,)), 0, 2, 0), {}, ShapeError, "step of at least 1")
        yield Bad((array((3,)), 1, 2, 1), {}, DimError, "but got 1")


class FoldDim(Op, name="fold_dim", spaces=()):
    """Windows added into zeros of `shape`: the adjoint of unfolding a dimension."""

    linear = True

    def forward(self, input: Array, shape: Any, dimension: int, size: int, step: int) -> Array:
        """Values, by a loop over what there is less of: windows, or places in one."""
        if not shape:
            return np.asarray(input.sum(dtype=input.dtype))
        axis, out = one_dim(dimension, len(shape)), np.zeros(shape, input.dtype)
        whole, parts = np.moveaxis(out, axis, -1), np.moveaxis(input, axis, -2)
        count = parts.shape[-2]
        if size <= count:
            for place in range(size):
                whole[..., place : place + step * (count - 1) + 1 : step] += parts[..., place]
        else:
            for window in range(count):
                whole[..., window * step : window * step + size] += parts[..., window, :]
        return out

    def backward(self, g: Any, dimension: Any, size: Any, step: Any) -> Any:
        """All windows."""
        return op.unfold_dim(g, dimension, size, step)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """More places than windows, and fewer."""
        yield Sample((array((2, 2, 3)), (2, 4), 1, 3, 1))
        yield Sample((array((3, 2, 2)), (7, 2), 0, 2, 2))
