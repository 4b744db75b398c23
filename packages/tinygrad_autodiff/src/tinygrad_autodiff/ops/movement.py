"""Movement: the same elements at other places. All linear; the adjoint moves them back.

Where NumPy can, the result is a view of the input's memory, as in torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..dtypes import Array, as_dtype
from ..errors import ArgumentError, ArgumentTypeError, DimError, ShapeError
from ..op import Bad, Composite, Op, Sample, op
from ..samples import array
from ..tensor import Tensor, wrap
from .dims import Dims, Ints, all_dims, ints, one_dim


class _Movement(Op):
    linear = True


class Reshape(_Movement, name="reshape", aliases=("view",)):
    """The elements in row-major order in another shape; one size may be -1."""

    def forward(self, input: Array, shape: Ints) -> Array:
        """Values, a view if possible."""
        self.before = input.shape
        return input.reshape(ints(shape))

    def backward(self, g: Any, before: Any) -> Any:
        """The old shape."""
        return op.reshape(g, before)

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
        yield Bad((array((3, 4)), (5, 2)), {}, ShapeError, r"reshape: .*\(3, 4\)")


class Permute(_Movement, name="permute"):
    """Dimensions in another order."""

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


class Transpose(_Movement, name="transpose", aliases=("swapaxes",)):
    """Two dimensions exchanged."""

    def forward(self, input: Array, dim0: int, dim1: int) -> Array:
        """Values, a view."""
        if not input.ndim:
            return input[...]
        return input.swapaxes(one_dim(dim0, input.ndim), one_dim(dim1, input.ndim))

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


class T(Composite, name="t"):
    """The transpose of a matrix; a vector stays as it is."""

    @staticmethod
    def forward(input: Any) -> Any:
        """Composed of transpose."""
        if input.ndim > 2:
            raise ShapeError(f"t: expected at most 2 dimensions, got shape {input.shape}")
        return op.transpose(input, 0, 1) if input.ndim == 2 else op.alias(input)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """A matrix and a vector."""
        yield Sample((array((2, 3)),))
        yield Sample((array((3,)),))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Three dimensions."""
        yield Bad((array((2, 3, 4)),), {}, ShapeError, "at most 2 dimensions")


class Movedim(Composite, name="movedim", aliases=("moveaxis",)):
    """Dimensions at `source` moved to `destination`, the others in order."""

    @staticmethod
    def forward(input: Any, source: Ints, destination: Ints) -> Any:
        """Composed of permute."""
        start = [one_dim(d, input.ndim) for d in ints(source)]
        end = [one_dim(d, input.ndim) for d in ints(destination)]
        if len(start) != len(end):
            raise ShapeError(f"movedim: {len(start)} sources, {len(end)} destinations")
        order = [d for d in range(input.ndim) if d not in start]
        for place, dim in sorted(zip(end, start, strict=True)):
            order.insert(place, dim)
        return op.permute(input, tuple(order))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """One and two dimensions."""
        yield Sample((array((2, 3, 4)), 0, -1))
        yield Sample((array((2, 3, 4)), (0, 1), (2, 0)))


class Flatten(Composite, name="flatten"):
    """Dimensions `start_dim` to `end_dim` made one."""

    @staticmethod
    def forward(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
        """Composed of reshape."""
        first, last = one_dim(start_dim, input.ndim), one_dim(end_dim, input.ndim)
        if first > last:
            raise ShapeError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
        shape = input.shape
        size = math.prod(shape[first : last + 1])
        return op.reshape(input, (*shape[:first], size, *shape[last + 1 :]))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """All and some."""
        yield Sample((array((2, 3, 4)),))
        yield Sample((array((2, 3, 4)), 1))
        yield Sample((array(()),))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """The end before the start."""
        yield Bad((array((2, 3)), 1, 0), {}, ShapeError, "comes after")


class Squeeze(Composite, name="squeeze"):
    """Dimensions of size 1 removed: all, or those of `dim` that have size 1."""

    @staticmethod
    def forward(input: Any, dim: Dims = None) -> Any:
        """Composed of reshape."""
        axes = all_dims(dim, input.ndim)
        kept = (s for i, s in enumerate(input.shape) if s != 1 or i not in axes)
        return op.reshape(input, tuple(kept))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """All, one that goes, one that stays."""
        yield Sample((array((1, 3, 1)),))
        yield Sample((array((1, 3, 1)), 0))
        yield Sample((array((1, 3, 1)), 1))


class Unsqueeze(Composite, name="unsqueeze"):
    """A dimension of size 1 put in at `dim`."""

    @staticmethod
    def forward(input: Any, dim: int) -> Any:
        """Composed of reshape."""
        place = one_dim(dim, input.ndim + 1)
        return op.reshape(input, (*input.shape[:place], 1, *input.shape[place:]))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Front, middle, end."""
        for dim in (0, 1, -1):
            yield Sample((array((2, 3)), dim))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Out of range."""
        yield Bad((array((2, 3)), 3), {}, DimError, "but got 3")


class Expand(_Movement, name="expand", aliases=("broadcast_to",)):
    """Repeated along dimensions of size 1 and new leading ones, without a copy; -1 keeps."""

    def forward(self, input: Array, size: Ints) -> Array:
        """Values, a read-only view."""
        sizes, lead = ints(size), len(ints(size)) - input.ndim
        if lead < 0:
            raise ShapeError(f"expand: {sizes} has fewer dimensions than the input {input.shape}")
        self.shape = input.shape
        full = tuple(
            input.shape[i - lead] if s == -1 and i >= lead else s for i, s in enumerate(sizes)
        )
        return np.broadcast_to(input, full)

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


class Cat(_Movement, name="cat", aliases=("concat", "concatenate"), spaces=("",)):
    """Tensors one after the other along `dim`."""

    def forward(self, tensors: Sequence[Array], dim: int = 0) -> Array:
        """Values."""
        if not tensors:
            raise ShapeError("cat: expected at least one tensor")
        axis = one_dim(dim, tensors[0].ndim)
        self.sizes = [part.shape[axis] if part.ndim else 0 for part in tensors]
        dtype = np.result_type(*(part.dtype for part in tensors))
        return np.concatenate([part.astype(dtype, copy=False) for part in tensors], axis)

    def backward(self, g: Any, sizes: Any, dim: Any) -> Any:
        """Each its part."""
        start, parts = 0, []
        for size in sizes:
            parts.append(op.narrow(g, dim, start, size))
            start += size
        return parts

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Several, one, and an empty one among them."""
        x, y = array((2, 3)), array((2, 1), seed=1)
        yield Sample(([x, y, x], 1))
        yield Sample(([x],))
        yield Sample(([x, array((0, 3))],), {"dim": -2})

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Nothing, no sequence, and shapes that do not fit."""
        yield Bad(([],), {}, ShapeError, "at least one")
        yield Bad((3,), {}, ArgumentTypeError, "sequence of tensors")
        yield Bad(([array((2, 3)), array((2, 4))],), {}, ShapeError, r"\(2, 3\) and \(2, 4\)")


class Stack(Composite, name="stack", spaces=("",)):
    """Tensors of one shape along a new dimension."""

    @staticmethod
    def forward(tensors: Any, dim: int = 0) -> Any:
        """Composed of unsqueeze and cat."""
        shapes = {tuple(part.shape) for part in tensors}
        if len(shapes) != 1:
            raise ShapeError(f"stack: expected tensors of one shape, got {sorted(shapes)}")
        return op.cat([op.unsqueeze(part, dim) for part in tensors], dim)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Front and end."""
        parts = [array((2, 3)), array((2, 3), seed=1)]
        yield Sample((parts,))
        yield Sample((parts, -1))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Unequal shapes."""
        yield Bad(
            ([array((2,)), array((3,))],), {}, ShapeError, r"one shape, got \[\(2,\), \(3,\)\]"
        )


class Split(_Movement, name="split"):
    """Parts of `split_size` (the last may be smaller), or of the sizes of a list, along `dim`."""

    def forward(self, input: Array, split_size: Ints, dim: int = 0) -> tuple[Array, ...]:
        """Values, views."""
        axis = one_dim(dim, input.ndim)
        length = input.shape[axis]
        if isinstance(split_size, int):
            if split_size <= 0:
                raise ArgumentError(f"split: expected a positive size, got {split_size}")
            sizes = [min(split_size, length - i) for i in range(0, length, split_size)] or [0]
        else:
            sizes = list(split_size)
            if sum(sizes) != length or min(sizes) < 0:
                raise ShapeError(f"split: {sizes} do not add up to the {length} of {input.shape}")
        self.shapes = [(*input.shape[:axis], s, *input.shape[axis + 1 :]) for s in sizes]
        return tuple(np.split(input, np.cumsum(sizes)[:-1], axis))

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


class Chunk(Composite, name="chunk"):
    """At most `chunks` parts of equal size (the last may be smaller) along `dim`."""

    @staticmethod
    def forward(input: Any, chunks: int, dim: int = 0) -> Any:
        """Composed of split."""
        if chunks <= 0:
            raise ArgumentError(f"chunk: expected a positive number of chunks, got {chunks}")
        return op.split(input, max(-(-input.shape[dim] // chunks), 1), dim)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """With and without rest."""
        yield Sample((array((6, 2)), 3))
        yield Sample((array((2, 5)), 2, -1))


class Unbind(Composite, name="unbind"):
    """The slices along `dim`, without that dimension."""

    @staticmethod
    def forward(input: Any, dim: int = 0) -> Any:
        """Composed of split and squeeze."""
        return tuple(op.squeeze(part, dim) for part in op.split(input, 1, dim))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Rows and columns."""
        yield Sample((array((2, 3)),))
        yield Sample((array((2, 3)), 1))


class Flip(_Movement, name="flip"):
    """Reversed along `dims`."""

    def forward(self, input: Array, dims: Ints) -> Array:
        """Values, a copy as in torch."""
        return np.flip(input, all_dims(list(ints(dims)), input.ndim) if input.ndim else ()).copy()

    def backward(self, g: Any, dims: Any) -> Any:
        """Reversed again."""
        return op.flip(g, dims)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """One and two dimensions."""
        yield Sample((array((2, 3)), (0, 1)))
        yield Sample((array((2, 3)), -1))


class _Triangle(_Movement):
    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """The main and other diagonals, in a batch too."""
        yield Sample((array((3, 4)),))
        yield Sample((array((2, 3, 3)), 1))
        yield Sample((array((3, 3)), -1))


class Tril(_Triangle, name="tril"):
    """The lower triangle of matrices, up to `diagonal`; the rest is 0."""

    def forward(self, input: Array, diagonal: int = 0) -> Array:
        """Values."""
        return np.tril(input, diagonal)

    def backward(self, g: Any, diagonal: Any) -> Any:
        """The same triangle."""
        return op.tril(g, diagonal)


class Triu(_Triangle, name="triu"):
    """The upper triangle of matrices, from `diagonal`; the rest is 0."""

    def forward(self, input: Array, diagonal: int = 0) -> Array:
        """Values."""
        return np.triu(input, diagonal)

    def backward(self, g: Any, diagonal: Any) -> Any:
        """The same triangle."""
        return op.triu(g, diagonal)


class _Same(_Movement):
    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Any tensor."""
        yield Sample((array((2, 3)),))
        yield Sample((array(()),))


class Clone(_Same, name="clone"):
    """A copy with memory of its own."""

    def forward(self, input: Array) -> Array:
        """Values."""
        return input.copy()

    def backward(self, g: Any) -> Any:
        """As it comes."""
        return g


class Contiguous(_Same, name="contiguous", spaces=("Tensor",)):
    """The tensor with its elements in row-major order, copied if they are not."""

    def forward(self, input: Array) -> Array:
        """Values."""
        return np.ascontiguousarray(input) if input.ndim else input

    def backward(self, g: Any) -> Any:
        """As it comes."""
        return g


class Alias(_Same, name="alias", spaces=()):
    """The same memory as another node of the graph."""

    def forward(self, input: Array) -> Array:
        """Values."""
        return input[...]

    def backward(self, g: Any) -> Any:
        """As it comes."""
        return g


class To(_Movement, name="to", aliases=("type",), spaces=("Tensor",)):
    """Another dtype; the gradient goes back in the old one."""

    def forward(self, input: Array, dtype: Any) -> Array:
        """Values; the same memory if nothing changes."""
        self.source, dtype = input.dtype, as_dtype(dtype)
        if input.dtype.kind == "c" and dtype.kind not in "cb":
            input = input.real
        return input.astype(dtype, copy=False)

    def backward(self, g: Any, source: Any) -> Any:
        """The old dtype."""
        return op.to(g, source)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """To itself; other dtypes are tested apart."""
        yield Sample((array((2, 3)), np.float64))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """No dtype at all."""
        yield Bad((array((3,)), "colour"), {}, ArgumentTypeError, "expected a dtype")


class ZerosLike(Composite, name="zeros_like", spaces=()):
    """Zeros of the same shape and dtype, without a graph."""

    differentiable = False

    @staticmethod
    def forward(input: Any) -> Any:
        """An array for an array, a tensor for a tensor."""
        if isinstance(input, Tensor):
            return wrap(np.zeros(input.shape, input.dtype))
        return np.zeros_like(input)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Any tensor."""
        yield Sample((array((2, 3)),))
