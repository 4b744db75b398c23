"""Norms of vectors and matrices.

Subgradients are torch's: 0 for the p-norm of zeros and for zero elements, and equal maxima or
minima of the ∞-norms share the gradient evenly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import ArgumentTypeError, DimError, DtypeError, RangeError, ShapeError
from ..op import Bad, Op, Sample, compose, op
from ..samples import array
from .dims import Dims, add_reduce, all_dims, one_dim, restored

_X = array((3, 4))
_HERE = ("linalg",)


class _Norm(Op):
    def forward(self, input: Array, dim: Dims = None, keepdim: bool = False) -> Array:
        """Values."""
        raise NotImplementedError

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A dimension out of range."""
        yield Bad((_X,), {"dim": 2}, DimError, "but got 2")


class EuclideanNorm(_Norm, name="euclidean_norm", spaces=()):
    """√Σx² over `dim`; ∂out/∂x = x/out, 0 where out = 0."""

    def forward(self, input: Array, dim: Dims = None, keepdim: bool = False) -> Array:
        """Values."""
        self.axes = all_dims(dim, input.ndim)
        wide = input.astype(np.float32) if input.dtype == np.float16 else input
        squares = add_reduce(np.square(wide), self.axes, keepdims=keepdim)
        return np.asarray(np.sqrt(squares)).astype(input.dtype, copy=False)

    def backward(self, g: Any, input: Any, axes: Any, out: Any) -> Any:
        """Along the input."""
        return input * restored(_over(g, out), input.shape, axes)

    def jvp(self, t: Any, input: Any, axes: Any, out: Any) -> Any:
        """Component along the input."""
        return _over(op.reshape(op.sum(input * t, axes), out.shape), out)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """All dimensions, one, kept ones; 0-d."""
        yield Sample((_X,))
        yield Sample((_X, -1))
        yield Sample((_X, (0, 1), True))
        yield Sample((array(()),))


class PowerNorm(Op, name="power_norm", spaces=()):
    """(Σ|x|^p)^(1/p) over `dim`; ∂out/∂x = sign(x)·|x/out|^(p-1), 0 where x = 0 or out = 0."""

    quiet = True

    def forward(self, input: Array, p: float, dim: Dims = None, keepdim: bool = False) -> Array:
        """Values."""
        self.axes = all_dims(dim, input.ndim)
        wide = input.astype(np.float32) if input.dtype == np.float16 else input
        powers = add_reduce(np.abs(wide) ** p, self.axes, keepdims=keepdim)
        return np.asarray(powers ** (1 / p)).astype(input.dtype, copy=False)

    def backward(self, g: Any, input: Any, p: Any, axes: Any, out: Any) -> Any:
        """The powers of the input, scaled."""
        scale = _over(g, op.pow(out, p - 1), out)
        return _power(input, p) * restored(scale, input.shape, axes)

    def jvp(self, t: Any, input: Any, p: Any, axes: Any, out: Any) -> Any:
        """Inner product with the powers of the input."""
        change = op.reshape(op.sum(_power(input, p) * t, axes), out.shape)
        return _over(change, op.pow(out, p - 1), out)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Exponents above, between and below 1 and 0."""
        for p in (3, 1.5, 0.5, -2):
            yield Sample((_X, p, 1))
        yield Sample((_X, 3, None, True))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A dimension out of range."""
        yield Bad((_X, 3), {"dim": 2}, DimError, "but got 2")


def _over(value: Any, divisor: Any, out: Any = None) -> Any:
    """`value` / `divisor`, 0 where the norm `out` (or the divisor itself) is 0."""
    zero = (divisor if out is None else out) == 0
    return op.masked(value / op.where(zero, 1.0, divisor), op.logical_not(zero))


def _power(x: Any, p: float) -> Any:
    """sign(x)·|x|^(p-1), 0 at 0."""
    zero = x == 0
    return op.sign(x) * op.pow(op.where(zero, 1.0, op.abs(x)), p - 1)


@compose(
    *(Sample((_X, p, 1)) for p in (2, 1, 3, 0.5, math.inf, -math.inf)),
    Sample((_X.astype(np.float32), 0)),
    Sample((_X,)),
    Sample((_X, 2, (0, 1), True)),
    spaces=_HERE,
    errors=(
        Bad((_X, "fro"), {}, ArgumentTypeError, "ord is a number"),
        Bad((np.arange(3),), {}, DtypeError, "floating or complex"),
        Bad((np.zeros((0, 2)), -1.0), {}, ShapeError, "no norm of order -1"),
    ),
)
def vector_norm(
    x: Any, ord: Any = 2, dim: Dims = None, keepdim: bool = False, dtype: Any = None
) -> Any:
    """(Σ|x|^ord)^(1/ord) over `dim`; ±∞ the extreme |x|, 0 the number of elements that are not 0.

    Of complex numbers the norm of their absolute values.
    """
    if not isinstance(ord, (int, float)):
        raise ArgumentTypeError(f"ord is a number, not {ord!r}")
    x = op.to(x, dtype) if dtype is not None else x
    if x.dtype.kind not in "fc":
        raise DtypeError(f"expected a floating or complex input, got {x.dtype}")
    if ord < 0 or math.isinf(ord):
        axes = all_dims(dim, x.ndim)
        if any(x.shape[i] == 0 for i in axes):
            raise ShapeError(f"there is no norm of order {ord} of nothing: {tuple(x.shape)}")
    if ord == 0:
        ones = op.where(x != 0, 1.0, op.masked(op.abs(x), False))  # with a gradient, of zeros
        return op.sum(ones, dim, keepdim)
    if x.dtype.kind == "c":
        x = op.abs(x)
    if ord == 2:
        return op.euclidean_norm(x, dim, keepdim)
    if ord == 1:
        return op.sum(op.abs(x), dim, keepdim)
    if math.isinf(ord):
        return (op.amax if ord > 0 else op.amin)(op.abs(x), dim, keepdim)
    return op.power_norm(x, ord, dim, keepdim)


@compose(
    *(Sample((_X, p)) for p in ("fro", "nuc", math.inf, -math.inf, 1, -1, 2, -2)),
    Sample((array((3, 2, 4)), "nuc", (-1, 0), True)),
    Sample((array((3, 2, 4)), 1, (2, 0))),
    spaces=_HERE,
    errors=(
        Bad((_X, 3), {}, RangeError, "not 3"),
        Bad((array((3,)),), {}, ShapeError, r"two dimensions, got shape \(3,\)"),
        Bad((_X, "fro", (0, 0)), {}, ShapeError, "two different dimensions"),
    ),
)
def matrix_norm(
    A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, dtype: Any = None
) -> Any:
    """Norm of the matrices in the two dimensions `dim`.

    "fro": √Σ|a|²; "nuc": sum of the singular values; 2, -2: the largest, smallest singular value;
    1, -1: the largest, smallest column sum of |a|; ∞, -∞: of the row sums.
    """
    if A.ndim < 2:
        raise ShapeError(f"expected at least two dimensions, got shape {tuple(A.shape)}")
    if A.dtype.kind not in "fc":
        raise DtypeError(f"expected a floating or complex input, got {A.dtype}")
    dims = [one_dim(d, A.ndim) for d in dim]
    if len(dims) != 2 or dims[0] == dims[1]:
        raise ShapeError(f"dim is two different dimensions, not {dim!r}")
    A = op.to(A, dtype) if dtype is not None else A
    if ord == "fro":
        return op.vector_norm(A, 2, dims, keepdim)
    if ord not in ("nuc", 1, -1, 2, -2, math.inf, -math.inf):
        raise RangeError(f"ord is 'fro', 'nuc', inf, 1, 2 or one of these negated, not {ord!r}")
    rows, columns = dims
    if ord == "nuc" or abs(ord) == 2:
        values = op.svdvals(op.movedim(A, dims, (-2, -1)))
        out = op.sum(values, -1) if ord == "nuc" else _extreme(values, ord, -1)
        return out if not keepdim else op.unsqueeze(op.unsqueeze(out, min(dims)), max(dims))
    if math.isinf(ord):
        rows, columns = columns, rows
    sums = op.sum(op.abs(A), rows, True)
    out = _extreme(sums, ord, columns, True)
    return out if keepdim else op.squeeze(out, tuple(dims))


def _extreme(sizes: Any, ord: float, dim: int, keepdim: bool = False) -> Any:
    """The largest (0 of none) or smallest."""
    if ord > 0:
        return (op.amax if sizes.shape[dim] else op.sum)(sizes, dim, keepdim)
    return op.amin(sizes, dim, keepdim)


@compose(
    Sample((_X,)),
    Sample((_X, 1)),
    Sample((_X, 3, 1, True)),
    Sample((_X, None, (0, 1), True)),
    Sample((array((3,)), 3)),
    aliases=("linalg.norm",),
    spaces=(),
    errors=(Bad((array((2, 3, 4)), 1), {}, ShapeError, r"vector or a matrix, got .*\(2, 3, 4\)"),),
)
def linalg_norm(
    A: Any, ord: Any = None, dim: Dims = None, keepdim: bool = False, dtype: Any = None
) -> Any:
    """`vector_norm` or `matrix_norm`, by the number of dimensions in `dim` (or of `A`).

    Without `ord` the 2-norm of all elements over `dim`.
    """
    if ord is None:
        return op.vector_norm(A, 2, dim, keepdim, dtype)
    if dim is None and A.ndim not in (1, 2):
        raise ShapeError(f"expected a vector or a matrix, got the shape {tuple(A.shape)}")
    if (A.ndim if dim is None else len(dim) if isinstance(dim, (tuple, list)) else 1) == 1:
        return op.vector_norm(A, ord, dim, keepdim, dtype)
    return op.matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype)


@compose(
    *(Sample((_X, p, 1)) for p in (2, 1, 3, math.inf, "fro")),
    Sample((_X, "nuc")),
    Sample((_X,)),
    spaces=("", "Tensor"),
    errors=(
        Bad((_X, "max"), {}, RangeError, "'max'"),
        Bad((array((3,)), "nuc"), {}, ShapeError, "two dimensions"),
    ),
)
def norm(
    input: Any, p: Any = "fro", dim: Dims = None, keepdim: bool = False, dtype: Any = None
) -> Any:
    """`vector_norm` of order `p` over `dim`; "fro" is 2, and "nuc" the nuclear `matrix_norm`."""
    if p == "nuc":
        pair = (-2, -1) if dim is None else dim
        return op.matrix_norm(input, "nuc", pair, keepdim, dtype)
    if isinstance(p, str) and p != "fro":
        raise RangeError(f"p is a number, 'fro' or 'nuc', not {p!r}")
    return op.vector_norm(input, 2 if p == "fro" or p is None else p, dim, keepdim, dtype)


@compose(
    *(Sample((_X, array((4,), seed=1), p)) for p in (2, 1, 3, math.inf)),
    spaces=("", "Tensor"),
)
def dist(input: Any, other: Any, p: float = 2) -> Any:
    """`vector_norm` of ``input - other`` of order `p`, over all elements."""
    return op.vector_norm(input - other, p)
