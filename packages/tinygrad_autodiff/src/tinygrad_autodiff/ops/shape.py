"""Shape: the same elements in the same order under other sizes, and repeated without a copy.

All linear; the adjoint restores the old sizes. Where NumPy can, the result is a view of the
input's memory, as in torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import ArgumentTypeError, DimError, ShapeError
from ..op import Bad, Op, Sample, compose, op
from ..samples import array
from .dims import Dims, Ints, all_dims, ints, one_dim


class Reshape(Op, name="reshape"):
    """The elements in row-major order in another shape; one size may be -1."""

    linear = True

    def forward(self, input: Array, shape: Ints) -> Array:
        """Values, a view if possible."""
        self.source = input.shape
        return self.reshaped(input, ints(shape))

    def reshaped(self, input: Array, wanted: tuple[int, ...]) -> Array:
        """Values, or an error that names both shapes."""
        try:
            return input.reshape(wanted)
        except ValueError as error:
            raise ShapeError(
                f"the shape {wanted} is invalid for an input of {input.shape}, which has "
                f"{input.size} elements"
            ) from error

    def backward(self, g: Any, source: Any) -> Any:
        """The old shape."""
        return op.reshape(g, source)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """To one, other and no dimensions."""
        yield Sample((array((3, 4)), (2, 6)))
        yield Sample((array((3, 4)), (-1,)))
        yield Sample((array((1, 1)), ()))
        yield Sample((array((3, 4)), 4, -1))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A shape of another number of elements."""
        yield Bad((array((3, 4)), (5, 2)), {}, ShapeError, rf"{cls.name}: .*\(3, 4\)")


class View(Reshape, name="view", spaces=("Tensor",)):
    """The same memory in another shape; an error where that needs a copy."""

    def forward(self, input: Array, shape: Ints) -> Array:
        """Values, a view."""
        self.source = input.shape
        out = self.reshaped(input, ints(shape))
        if out.size and not np.may_share_memory(out, input):
            raise ShapeError(
                f"view: the memory of shape {input.shape} with strides {input.strides} does not "
                f"allow shape {out.shape} without a copy; use reshape"
            )
        return out

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """To other dimensions."""
        yield Sample((array((3, 4)), (3, 2, -1)))


class Expand(Op, name="expand", aliases=("broadcast_to",)):
    """Repeated along dimensions of size 1 and new leading ones, without a copy; -1 keeps."""

    linear = True

    def forward(self, input: Array, size: Ints) -> Array:
        """Values, a read-only view."""
        full, shape = ints(size), input.shape
        self.shape, lead = shape, len(full) - len(shape)
        if lead < 0:
            raise ShapeError(f"expand: {full} has fewer dimensions than the input {shape}")
        if -1 in full:
            full = tuple(shape[i - lead] if s < 0 <= i - lead else s for i, s in enumerate(full))
        if not input.flags.c_contiguous or input.size < 2:
            return np.broadcast_to(input, full)
        strides = [0] * lead
        for old, new, stride in zip(shape, full[lead:], input.strides, strict=True):
            if old != new and old != 1:
                raise ShapeError(f"expand: {full} does not fit the input of shape {shape}")
            strides.append(stride if old == new else 0)
        out: Array = np.ndarray(full, input.dtype, input, 0, strides)  # broadcast_to, but faster
        out.flags.writeable = False
        return out

    def backward(self, g: Any, shape: Any) -> Any:
        """Sum of the repetitions."""
        return op.sum_to_size(g, shape)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """New, repeated and kept dimensions."""
        yield Sample((array((3, 1)), (2, 3, 4)))
        yield Sample((array((3, 1)), -1, 4))
        yield Sample((array(()), (2,)))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A size that does not fit, and too few sizes."""
        yield Bad((array((3, 2)), (3, 4)), {}, ShapeError, r"expand: .*\(3, 2\)")
        yield Bad((array((3, 2)), (2,)), {}, ShapeError, "fewer dimensions")


# ---- by other tensors ----------------------------------------------------------------------------


@compose(Sample((array((3, 1)), array((2, 3, 4)))), spaces=("Tensor",))
def expand_as(input: Any, other: Any) -> Any:
    """`input` repeated to the shape of `other`; see expand."""
    return op.expand(input, other.shape)


@compose(Sample((array((3, 4)), array((2, 6)))), spaces=("Tensor",))
def reshape_as(input: Any, other: Any) -> Any:
    """`input` in the shape of `other`; see reshape."""
    return op.reshape(input, other.shape)


@compose(Sample((array((3, 4)), array((3, 2, 2)))), spaces=("Tensor",))
def view_as(input: Any, other: Any) -> Any:
    """The memory of `input` in the shape of `other`; see view."""
    return op.view(input, other.shape)


@compose(
    Sample(((3, 1), (2,), 2)),
    spaces=("",),
    errors=(Bad(((3,), (2,)), {}, ShapeError, r"\(3,\) and \(2,\)"),),
)
def broadcast_shapes(*shapes: Any) -> Any:
    """The shape that arrays of the given shapes broadcast to."""
    if not shapes:
        raise ArgumentTypeError("broadcast_shapes: expected at least one shape")
    shapes = tuple(map(ints, shapes))
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        listed = " and ".join(map(str, shapes))
        raise ShapeError(f"broadcast_shapes: {listed} do not broadcast: {error}") from error


@compose(Sample((array((3, 1)), array((4,), seed=1))), spaces=("",))
def broadcast_tensors(*tensors: Any) -> Any:
    """The tensors, each repeated to the shape that all broadcast to."""
    tensors = unpacked("broadcast_tensors", tensors)
    shape = op.broadcast_shapes(*(part.shape for part in tensors))
    return tuple(p if tuple(p.shape) == shape else op.expand(p, shape) for p in tensors)


def unpacked(name: str, tensors: tuple[Any, ...]) -> tuple[Any, ...]:
    """Operands that may be given one by one or as one sequence; a TypeError if there are none."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    if not tensors:
        raise ArgumentTypeError(f"{name}: expected at least one tensor")
    return tensors


# ---- dimensions put in, taken away, put together and apart ---------------------------------------


@compose(
    Sample((array((2, 3, 4)),)),
    Sample((array((2, 3, 4)), 1)),
    Sample((array(()),)),
    errors=(Bad((array((2, 3)), 1, 0), {}, ShapeError, "comes after"),),
)
def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Dimensions `start_dim` to `end_dim` made one; the tensor itself if they are one."""
    first, last = one_dim(start_dim, input.ndim), one_dim(end_dim, input.ndim)
    if first > last:
        raise ShapeError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    if input.ndim and first == last:
        return input
    shape = input.shape
    size = math.prod(shape[first : last + 1])
    return op.reshape(input, (*shape[:first], size, *shape[last + 1 :]))


@compose(Sample((array((2, 3)),)))
def ravel(input: Any) -> Any:
    """All dimensions made one."""
    return op.reshape(input, (-1,)) if input.ndim != 1 else op.alias(input)


@compose(
    Sample((array((2, 6)), 1, (3, -1))),
    errors=(Bad((array((2, 6)), 1, (4,)), {}, ShapeError, "unflatten"),),
)
def unflatten(input: Any, dim: int, sizes: Ints) -> Any:
    """Dimension `dim` as several of the given sizes, of which one may be -1."""
    place, sizes = one_dim(dim, input.ndim), ints(sizes)
    known = -math.prod(sizes) if -1 in sizes else math.prod(sizes)
    whole = input.shape[place]
    if not sizes or (known != whole if -1 not in sizes else not known or whole % known):
        raise ShapeError(f"unflatten: {sizes} do not multiply to the {whole} of {input.shape}")
    full = tuple(whole // known if size == -1 else size for size in sizes)
    return op.reshape(input, (*input.shape[:place], *full, *input.shape[place + 1 :]))


@compose(
    Sample((array((1, 3, 1)),)),
    Sample((array((1, 3, 1)), 0)),
    Sample((array((1, 3, 1)), 1)),
)
def squeeze(input: Any, dim: Dims = None) -> Any:
    """Dimensions of size 1 removed: all, or those of `dim` that have size 1."""
    axes = () if dim == () or dim == [] else all_dims(dim, input.ndim)
    kept = (s for i, s in enumerate(input.shape) if s != 1 or i not in axes)
    return op.reshape(input, tuple(kept))


@compose(
    *(Sample((array((2, 3)), dim)) for dim in (0, 1, -1)),
    errors=(Bad((array((2, 3)), 3), {}, DimError, "but got 3"),),
)
def unsqueeze(input: Any, dim: int) -> Any:
    """A dimension of size 1 put in at `dim`."""
    place = one_dim(dim, input.ndim + 1)
    return op.reshape(input, (*input.shape[:place], 1, *input.shape[place:]))


@compose(Sample((array(()),)), spaces=("",))
def atleast_1d(*tensors: Any) -> Any:
    """Each tensor with at least one dimension: () becomes (1,)."""
    return _each(lambda t: op.reshape(t, (1,)) if not t.ndim else t, "atleast_1d", tensors)


@compose(Sample((array((3,)),)), spaces=("",))
def atleast_2d(*tensors: Any) -> Any:
    """Each tensor with at least two dimensions: (n,) becomes (1, n)."""

    def rows(tensor: Any) -> Any:
        return op.reshape(tensor, (1, -1)) if tensor.ndim < 2 else tensor

    return _each(rows, "atleast_2d", tensors)


@compose(Sample((array((3,)),)), Sample((array((2, 3)), array((3,)))), spaces=("",))
def atleast_3d(*tensors: Any) -> Any:
    """Each tensor with at least three dimensions: (n,) becomes (1, n, 1), (m, n) (m, n, 1)."""

    def planes(tensor: Any) -> Any:
        if tensor.ndim > 2:
            return tensor
        return op.unsqueeze(tensor if tensor.ndim == 2 else op.atleast_2d(tensor), -1)

    return _each(planes, "atleast_3d", tensors)


def _each(function: Any, name: str, tensors: tuple[Any, ...]) -> Any:
    single = len(tensors) == 1 and not isinstance(tensors[0], (list, tuple))
    made = tuple(function(tensor) for tensor in unpacked(name, tensors))
    return made[0] if single else made
