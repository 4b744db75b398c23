"""Products of matrices. All are multilinear: each rule is again a product.

float16 is multiplied in float32 and rounded once at the end, as torch does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import ArgumentTypeError, DtypeError, ShapeError
from ..op import Bad, Composite, Op, Sample, op
from ..samples import array


def _product(a: Array, b: Array) -> Array:
    if a.dtype == np.float16 and b.dtype == np.float16:
        wide: Array = np.matmul(a, b, dtype=np.float32)
        return wide.astype(np.float16)
    out: Array = np.matmul(a, b)
    return out


def _same_dtype(*arrays: Any) -> None:
    dtypes = [array.dtype for array in arrays if array is not None]
    if any(dtype != dtypes[0] for dtype in dtypes):
        raise DtypeError(f"expected operands of one dtype, got {' and '.join(map(str, dtypes))}")


class BatchedProduct(Op, name="batched_product", spaces=()):
    """``input @ other`` for at least two dimensions each, leading ones broadcast.

    ∂L/∂input = g·otherᵀ, ∂L/∂other = inputᵀ·g, summed over broadcast dimensions.
    """

    multilinear = True

    def forward(self, input: Array, other: Array) -> Array:
        """Values."""
        _same_dtype(input, other)
        self.shapes = (input.shape, other.shape)
        if input.shape[-1] != other.shape[-2]:
            raise ShapeError(f"the shapes {input.shape} and {other.shape} do not fit")
        return _product(input, other)

    def backward_input(self, g: Any, other: Any, shapes: Any) -> Any:
        """g·otherᵀ."""
        grad = op.batched_product(g, other.mT)
        return grad if grad.shape == shapes[0] else op.sum_to_size(grad, shapes[0])

    def backward_other(self, g: Any, input: Any, shapes: Any) -> Any:
        """inputᵀ·g."""
        grad = op.batched_product(input.mT, g)
        return grad if grad.shape == shapes[1] else op.sum_to_size(grad, shapes[1])

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Matrices, batches, broadcast batches, empty sums."""
        yield Sample((array((2, 3)), array((3, 4), seed=1)))
        yield Sample((array((5, 2, 3)), array((5, 3, 4), seed=1)))
        yield Sample((array((5, 1, 2, 3)), array((2, 3, 2), seed=1)))
        yield Sample((array((2, 0)), array((0, 3))))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Unequal inner sizes, unequal dtypes."""
        x, y = array((2, 3)), array((2, 3))
        yield Bad((x, y), {}, ShapeError, r"the shapes \(2, 3\) and \(2, 3\)")
        yield Bad((x, y.T.astype(np.float32)), {}, DtypeError, "float64 and float32")


class Matmul(Composite, name="matmul", aliases=("linalg.matmul",), operator="matmul"):
    """Matrix product: of vectors the dot product, of more dimensions batched and broadcast."""

    @staticmethod
    def forward(input: Any, other: Any) -> Any:
        """A vector is a matrix of one row (left) or one column (right)."""
        left, right = np.ndim(input), np.ndim(other)
        if input is None or other is None:
            raise ArgumentTypeError("expected two tensors or arrays, got None")
        if not left or not right:
            raise ShapeError("both arguments need at least one dimension")
        if left == 2 and right == 2:
            return op.batched_product(input, other)
        first, second = np.shape(input), np.shape(other)
        if first[-1] != second[-2 if right > 1 else 0]:
            raise ShapeError(f"the shapes {first} and {second} do not fit")
        if left == 1:
            input = op.unsqueeze(input, 0)
        if right == 1:
            other = op.unsqueeze(other, 1)
        if other.ndim == 2 and input.ndim > 2:  # one large product instead of many small ones
            rows = op.reshape(input, (-1, input.shape[-1])) if input.size else None
            if rows is not None:
                out = op.batched_product(rows, other)
                out = op.reshape(out, (*input.shape[:-1], other.shape[-1]))
                return op.squeeze(out, -1) if right == 1 else out
        out = op.batched_product(input, other)
        if right == 1:
            out = op.squeeze(out, -1)
        return op.squeeze(out, -1 if right == 1 else -2) if left == 1 else out

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Every combination of one, two and three dimensions."""
        for a in ((3,), (2, 3), (4, 2, 3)):
            for b in ((3,), (3, 5), (4, 3, 2)):
                yield Sample((array(a), array(b, seed=1)))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Sizes that do not fit, and no dimension."""
        yield Bad((array((2, 3)), array((2, 3))), {}, ShapeError, "^matmul: the shapes")
        shapes = r"^matmul: the shapes \(2, 3\) and \(4,\) do not fit"
        yield Bad((array((2, 3)), array((4,))), {}, ShapeError, shapes)
        yield Bad((array((2, 3)), array(())), {}, ShapeError, "at least one dimension")
        yield Bad((array((2, 3)), None), {}, ArgumentTypeError, "^matmul: .*got None")


def _fixed(name: str, input: Any, other: Any, dims: tuple[int, int]) -> None:
    if (input.ndim, other.ndim) != dims:
        raise ShapeError(
            f"{name}: expected {dims[0]} and {dims[1]} dimensions, "
            f"got the shapes {tuple(input.shape)} and {tuple(other.shape)}"
        )


class Mm(Composite, name="mm"):
    """``out[i, j] = Σ_k input[i, k]·mat2[k, j]`` of (n, m) and (m, p), without broadcasting."""

    @staticmethod
    def forward(input: Any, mat2: Any) -> Any:
        """Composed of matmul."""
        _fixed("mm", input, mat2, (2, 2))
        return op.batched_product(input, mat2)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Two matrices."""
        yield Sample((array((2, 3)), array((3, 4), seed=1)))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A vector."""
        yield Bad((array((2, 3)), array((3,))), {}, ShapeError, "2 and 2 dimensions")


class Bmm(Composite, name="bmm"):
    """``out[b] = input[b]·mat2[b]`` of (B, n, m) and (B, m, p), without broadcasting."""

    @staticmethod
    def forward(input: Any, mat2: Any) -> Any:
        """Composed of matmul."""
        _fixed("bmm", input, mat2, (3, 3))
        if input.shape[0] != mat2.shape[0]:
            raise ShapeError(f"bmm: the batches {input.shape} and {mat2.shape} differ in length")
        return op.batched_product(input, mat2)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Two batches."""
        yield Sample((array((2, 2, 3)), array((2, 3, 4), seed=1)))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Batches of unequal length."""
        yield Bad((array((1, 2, 3)), array((2, 3, 4))), {}, ShapeError, "differ in length")


class Dot(Composite, name="dot"):
    """``Σ input[i]·tensor[i]`` of two vectors of one length."""

    @staticmethod
    def forward(input: Any, tensor: Any) -> Any:
        """Composed of matmul."""
        _fixed("dot", input, tensor, (1, 1))
        if input.shape != tensor.shape:
            raise ShapeError(f"the shapes {input.shape} and {tensor.shape} do not fit")
        return op.matmul(input, tensor)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Two vectors."""
        yield Sample((array((3,)), array((3,), seed=1)))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A matrix."""
        yield Bad((array((2, 3)), array((3,))), {}, ShapeError, "1 and 1 dimensions")


class Outer(Composite, name="outer", aliases=("ger",)):
    """``out[i, j] = input[i]·vec2[j]`` of two vectors."""

    @staticmethod
    def forward(input: Any, vec2: Any) -> Any:
        """Composed of a broadcast product."""
        _fixed("outer", input, vec2, (1, 1))
        return op.unsqueeze(input, 1) * vec2

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Two vectors."""
        yield Sample((array((3,)), array((2,), seed=1)))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A matrix."""
        yield Bad((array((2, 3)), array((3,))), {}, ShapeError, "1 and 1 dimensions")


class Linear(Op, name="linear", spaces=("nn.functional",)):
    """``input · weightᵀ + bias`` with input (…, in), weight (out, in), bias (out,).

    A weight (in,) gives one output without a dimension of its own.
    ∂L/∂input = g·weight, ∂L/∂weight = gᵀ·input, ∂L/∂bias = Σ g over the leading dimensions.
    """

    def forward(self, input: Array, weight: Array, bias: Array | None = None) -> Array:
        """Values: one product of matrices, the bias added in place."""
        _same_dtype(input, weight, bias)
        if weight.ndim not in (1, 2) or not input.ndim or input.shape[-1] != weight.shape[-1]:
            raise ShapeError(
                f"linear: an input of shape {input.shape} does not fit a weight of {weight.shape}"
            )
        if bias is not None and bias.shape != weight.shape[:-1]:
            raise ShapeError(
                f"linear: a bias of {bias.shape} does not fit a weight of {weight.shape}"
            )
        self.shape = input.shape
        out = _product(_rows(input), weight.T)
        if bias is not None:
            out += bias
        return out.reshape(*input.shape[:-1], *weight.shape[:-1])

    def backward_input(self, g: Any, weight: Any) -> Any:
        """g·weight."""
        return op.matmul(g, weight) if weight.ndim == 2 else op.unsqueeze(g, -1) * weight

    def backward_weight(self, g: Any, input: Any) -> Any:
        """gᵀ·input."""
        if g.ndim < input.ndim:
            return op.matmul(op.reshape(g, (-1,)), _rows(input))
        return op.batched_product(_rows(g).mT, _rows(input))

    def backward_bias(self, g: Any, shape: Any) -> Any:
        """Sum over the leading dimensions."""
        return op.sum_to_size(g, tuple(g.shape[len(shape) - 1 :]))

    def jvp(self, ti: Any, tw: Any, tb: Any, input: Any, weight: Any, out: Any) -> Any:
        """Product rule."""
        change = op.zeros_like(out) if ti is None else op.linear(ti, weight)
        if tw is not None:
            change = change + op.linear(input, tw)
        return change if tb is None else change + tb

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """One, two, three dimensions; with and without bias; no rows."""
        w, b = array((4, 3), seed=1), array((4,), seed=2)
        yield Sample((array((2, 3)), w, b))
        yield Sample((array((2, 5, 3)), w))
        yield Sample((array((3,)), w, b))
        yield Sample((array((0, 3)), w, b))
        yield Sample((array((2, 5, 3)), w[0]))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Sizes and dtypes that do not fit."""
        x, w = array((2, 3)), array((4, 3))
        yield Bad((x, w.T), {}, ShapeError, r"\(2, 3\) does not fit a weight of \(3, 4\)")
        yield Bad((x, w, array((3,))), {}, ShapeError, "bias of")
        yield Bad((x, w.astype(np.float32)), {}, DtypeError, "one dtype")


def _rows(value: Any) -> Any:
    """`value` as a matrix of its last dimension."""
    if value.ndim == 2:
        return value
    count = value.size if isinstance(value, np.ndarray) else value.numel()
    width = value.shape[-1]
    return op.reshape(value, (count // width if width else 0, width))
