"""Products of vectors and matrices, all composed of matmul and elementwise products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ArgumentTypeError, DimError, DtypeError, RangeError, ShapeError
from ..op import Bad, Sample, compose, op
from ..samples import array
from .dims import ints, one_dim

_HERE = ("linalg",)
_BOTH = ("", "Tensor")
_M, _N, _V, _W = array((2, 3)), array((3, 4), seed=1), array((3,), seed=2), array((3,), seed=3)
_HALF = {"beta": 0.5, "alpha": 2.0}
_BATCH, _OTHERS = array((5, 2, 3)), array((5, 3, 4), seed=1)


def _ndim(name: str, *pairs: tuple[Any, int]) -> None:
    for value, count in pairs:
        if value.ndim != count:
            raise ShapeError(
                f"{name}: expected {count} dimensions, got the shape {tuple(value.shape)}"
            )


def _scaled(input: Any, product: Any, beta: float, alpha: float) -> Any:
    """``beta·input + alpha·product``; a `beta` of 0 drops the input, NaN and all."""
    product = product if alpha == 1 else product * alpha
    if beta == 0:
        return op.masked(input, False) + product
    return (input if beta == 1 else input * beta) + product


# ---- of vectors ----------------------------------------------------------------------------------


@compose(
    Sample((_V, _W)),
    Sample((_M, _V)),
    Sample((_M, _M + 1), {"dim": 0}),
    spaces=_HERE,
)
def vecdot(x: Any, y: Any, dim: int = -1) -> Any:
    """Σ conj(x)·y along `dim`."""
    return op.sum(op.conj(x) * y, dim)


@compose(
    Sample((_V, _W)),
    spaces=_BOTH,
    errors=(
        Bad((_M, _V), {}, ShapeError, "expected 1 dimensions"),
        Bad((_V, array((4,))), {}, ShapeError, r"\(3,\) and \(4,\)"),
        Bad((_V, _V.astype(np.float32)), {}, DtypeError, "one dtype"),
    ),
)
def vdot(input: Any, other: Any) -> Any:
    """Σ conj(input)·other of two vectors."""
    _ndim("vdot", (input, 1), (other, 1))
    return op.dot(op.conj(input), other)


@compose(Sample((_V, _W)), Sample((_M, array((4, 3), seed=1))), spaces=_BOTH)
def inner(input: Any, other: Any) -> Any:
    """Products summed over the last dimensions of both; of numbers plain products."""
    if not getattr(input, "ndim", 0) or not getattr(other, "ndim", 0):
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise ShapeError(f"the last sizes of {tuple(input.shape)} and {tuple(other.shape)} differ")
    return op.tensordot(input, other, ([-1], [-1]))


@compose(
    Sample((_M, array((2, 3), seed=1))),
    Sample((array((3, 2)), array((3, 1), seed=1), 0)),
    aliases=("linalg.cross",),
    spaces=(),
    errors=(
        Bad((array((5, 3)), array((5, 1))), {}, ShapeError, "must have length 3"),
        Bad((array((4, 5, 3)), array((5, 3))), {}, ShapeError, "same number of dimensions"),
        Bad((array((5, 2)), array((5, 2)), 2), {}, DimError, "but got 2"),
    ),
)
def linalg_cross(input: Any, other: Any, dim: int = -1) -> Any:
    """Cross products of vectors of three elements along `dim`."""
    if input.ndim != other.ndim:
        raise ShapeError(
            f"inputs must have the same number of dimensions, got {tuple(input.shape)} and "
            f"{tuple(other.shape)}"
        )
    axis = one_dim(dim, input.ndim)
    if input.shape[axis] != 3 or other.shape[axis] != 3:
        raise ShapeError(
            f"inputs dimension {dim} must have length 3, got {input.shape[axis]} and "
            f"{other.shape[axis]}"
        )
    a, b = ([op.roll(v, -k, axis) for k in (1, 2)] for v in (input, other))
    return a[0] * b[1] - a[1] * b[0]


@compose(
    Sample((_M, array((2, 3), seed=1))),
    spaces=_BOTH,
    errors=(Bad((array((2, 4)), array((2, 4))), {}, ShapeError, "no dimension of size 3"),),
)
def cross(input: Any, other: Any, dim: int | None = None) -> Any:
    """`linalg.cross`; without `dim` along the first dimension of size 3."""
    if dim is None:
        found = [i for i, size in enumerate(input.shape) if size == 3]
        if not found:
            raise ShapeError(f"there is no dimension of size 3 in {tuple(input.shape)}")
        dim = found[0]
    return op.linalg_cross(input, other, dim)


# ---- matrices times vectors and matrices, added to something -------------------------------------


@compose(
    Sample((_M, _V)), spaces=_BOTH, errors=(Bad((_V, _V), {}, ShapeError, "expected 2 dimensions"),)
)
def mv(input: Any, vec: Any) -> Any:
    """``out[i] = Σ_j input[i, j]·vec[j]`` of (n, m) and (m,)."""
    _ndim("mv", (input, 2), (vec, 1))
    return op.matmul(input, vec)


@compose(
    Sample((array((2,)), _M, _V), _HALF),
    Sample((array((1,)), _M, _V)),
    spaces=_BOTH,
    errors=(Bad((_V, _V, _V), {}, ShapeError, "expected 2 dimensions"),),
)
def addmv(input: Any, mat: Any, vec: Any, beta: float = 1, alpha: float = 1) -> Any:
    """``beta·input + alpha·(mat @ vec)``."""
    return _scaled(input, op.mv(mat, vec), beta, alpha)


@compose(
    Sample((array((2, 4)), _M, _N)),
    Sample((array((4,)), _M, _N), _HALF),
    Sample((array((2, 4)), _M, _N), {"beta": 0}),
    spaces=_BOTH,
    errors=(Bad((_V, _M, _M), {}, ShapeError, r"\(2, 3\) and \(2, 3\)"),),
)
def addmm(input: Any, mat1: Any, mat2: Any, beta: float = 1, alpha: float = 1) -> Any:
    """``beta·input + alpha·(mat1 @ mat2)``."""
    return _scaled(input, op.mm(mat1, mat2), beta, alpha)


@compose(Sample((array((2, 4)), _BATCH, _OTHERS), _HALF), spaces=_BOTH)
def addbmm(input: Any, batch1: Any, batch2: Any, beta: float = 1, alpha: float = 1) -> Any:
    """``beta·input + alpha·Σ batch1[i] @ batch2[i]``."""
    _ndim("addbmm", (batch1, 3), (batch2, 3))
    return _scaled(input, op.sum(op.bmm(batch1, batch2), 0), beta, alpha)


@compose(Sample((array((2, 4)), _BATCH, _OTHERS), _HALF), spaces=_BOTH)
def baddbmm(input: Any, batch1: Any, batch2: Any, beta: float = 1, alpha: float = 1) -> Any:
    """``beta·input + alpha·(batch1 @ batch2)``."""
    return _scaled(input, op.bmm(batch1, batch2), beta, alpha)


@compose(Sample((array((3, 2)), _V, array((2,), seed=1)), _HALF), spaces=_BOTH)
def addr(input: Any, vec1: Any, vec2: Any, beta: float = 1, alpha: float = 1) -> Any:
    """``beta·input + alpha·outer(vec1, vec2)``."""
    whole = all(v.dtype.kind in "bui" for v in (input, vec1, vec2))
    if whole and not all(isinstance(v, int) for v in (beta, alpha)):
        raise RangeError(f"for integers beta and alpha are integers, not {beta!r} and {alpha!r}")
    return _scaled(input, op.outer(vec1, vec2), beta, alpha)


# ---- of many -------------------------------------------------------------------------------------


def _order(sizes: list[int]) -> list[list[int]]:
    """Where to split each product of matrices i … j, by dynamic programming.

    Source: Cormen et al., "Introduction to algorithms", 15.2.
    """
    n = len(sizes) - 1
    cost = [[0] * n for _ in range(n)]
    split = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i][j], split[i][j] = min(
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )
    return split


@compose(
    Sample(([_M, _N, array((4, 2), seed=2)],)),
    Sample(([_V, _N, array((4,), seed=2)],)),
    spaces=_HERE,
    errors=(
        Bad(([_M],), {}, ShapeError, "at least two"),
        Bad(([_M, _V, _N],), {}, ShapeError, "expected 2 dimensions"),
        Bad(([_M, _M],), {}, ShapeError, r"\(2, 3\) and \(2, 3\)"),
    ),
)
def multi_dot(tensors: Any) -> Any:
    """The product of several matrices in the order with the fewest multiplications.

    The first and the last may be vectors.
    """
    if len(tensors) < 2:
        raise ShapeError(f"expected at least two tensors, got {len(tensors)}")
    parts = list(tensors)
    first, last = parts[0].ndim == 1, parts[-1].ndim == 1
    parts[0] = op.unsqueeze(parts[0], 0) if first else parts[0]
    parts[-1] = op.unsqueeze(parts[-1], 1) if last else parts[-1]
    _ndim("multi_dot", *((part, 2) for part in parts))
    split = _order([parts[0].shape[0], *(part.shape[1] for part in parts)])

    def product(i: int, j: int) -> Any:
        if i == j:
            return parts[i]
        return op.mm(product(i, split[i][j]), product(split[i][j] + 1, j))

    found = product(0, len(parts) - 1)
    found = op.squeeze(found, -1) if last else found
    return op.squeeze(found, 0) if first else found


@compose(Sample((_M, _N, array((4, 2), seed=2))), spaces=("",))
def chain_matmul(*matrices: Any) -> Any:
    """The older `linalg.multi_dot`, of matrices given one by one."""
    if not matrices:
        raise ArgumentTypeError("expected at least one matrix")
    return op.clone(matrices[0]) if len(matrices) == 1 else op.multi_dot(matrices)


@compose(
    Sample((array((2, 3, 4)), array((4, 3, 2), seed=1), ([1, 2], [1, 0]))),
    Sample((_M, _N, 1)),
    Sample((_M, _V, 0)),
    spaces=("",),
    errors=(
        Bad((_M, _M), {"dims": 1}, ShapeError, "size 3 .* size 2"),
        Bad((_M, _M), {"dims": -1}, RangeError, "at least 0"),
        Bad((_M, _M), {"dims": ([0], [0, 1])}, RangeError, "equally many"),
    ),
)
def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """Products of `a` and `b`, summed over pairs of dimensions.

    `dims` is two lists of dimensions, or how many of the last of `a` meet the first of `b`.
    """
    if hasattr(dims, "tolist"):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RangeError(f"dims is at least 0, not {dims}")
        dims = (list(range(a.ndim - dims, a.ndim)), list(range(dims)))
    if len(ints(dims[0])) != len(ints(dims[1])):
        raise RangeError(f"expected equally many dimensions of both, got {dims!r}")
    pairs = [[one_dim(d, v.ndim) for d in ints(ds)] for v, ds in zip((a, b), dims, strict=True)]
    for i, j in zip(*pairs, strict=True):  # a size of 1 is repeated, as in torch
        sizes = a.shape[i], b.shape[j]
        if sizes[0] != sizes[1]:
            if 1 not in sizes:
                raise ShapeError(f"dimension {i} of size {sizes[0]} meets {j} of size {sizes[1]}")
            a = op.sum(a, i, True) if sizes[1] == 1 else a
            b = op.sum(b, j, True) if sizes[0] == 1 else b
    rest = [[d for d in range(v.ndim) if d not in p] for v, p in zip((a, b), pairs, strict=True)]
    shape = [a.shape[d] for d in rest[0]] + [b.shape[d] for d in rest[1]]
    depth = math.prod(a.shape[d] for d in pairs[0])
    rows = math.prod(a.shape[d] for d in rest[0])
    left = op.reshape(op.permute(a, tuple(rest[0] + pairs[0])), (rows, depth))
    columns = math.prod(b.shape[d] for d in rest[1])
    right = op.reshape(op.permute(b, tuple(pairs[1] + rest[1])), (depth, columns))
    return op.reshape(op.mm(left, right), tuple(shape))


@compose(Sample((_M, array((2, 2), seed=1))), Sample((_V, _M)), spaces=_BOTH)
def kron(input: Any, other: Any) -> Any:
    """The Kronecker product: every element of `input` times the whole of `other`."""
    ndim = max(input.ndim, other.ndim)
    first, second = ((1,) * (ndim - v.ndim) + tuple(v.shape) for v in (input, other))
    left = op.reshape(input, tuple(s for size in first for s in (size, 1)))
    right = op.reshape(other, tuple(s for size in second for s in (1, size)))
    return op.reshape(left * right, tuple(a * b for a, b in zip(first, second, strict=True)))


# ---- matrices made of vectors, and of matrices ---------------------------------------------------


@compose(
    Sample((_V,)),
    Sample((array((2, 3)),), {"N": 4}),
    spaces=_HERE,
    errors=(Bad((_V, 1), {}, RangeError, "more than 1"),),
)
def vander(x: Any, N: int | None = None) -> Any:
    """The powers 0 … N - 1 of each element, along a new last dimension (N = n by default)."""
    x = op.unsqueeze(x, 0) if not x.ndim else x
    N = x.shape[-1] if N is None else N
    if N <= 1:
        raise RangeError(f"N is more than 1, not {N}")
    powers = [op.masked(x, False) + 1]
    for _ in range(N - 1):
        powers.append(powers[-1] * x)
    return op.stack(powers, -1)


@compose(
    Sample((_M,)),
    Sample((array((2, 3, 4)), 1, 0, 1)),
    aliases=("linalg.diagonal",),
    spaces=(),
    errors=(Bad((_M, 0, 1, 1), {}, ShapeError, "are the same"),),
)
def linalg_diagonal(A: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """`diagonal`, of the last two dimensions unless others are named."""
    return op.diagonal(A, offset, dim1, dim2)


# ---- covariance ----------------------------------------------------------------------------------


@compose(
    Sample((_M,)),
    Sample((_V,)),
    Sample((_M,), {"correction": 0, "aweights": np.array([0.5, 1.5, 1.0], np.float16)}),
    Sample((_M,), {"fweights": np.array([1, 2, 3])}),
    spaces=_BOTH,
    errors=(
        Bad((array((2, 2, 2)),), {}, ShapeError, "at most 2 dimensions"),
        Bad((_M,), {"fweights": np.array([0.5, 1, 1])}, RangeError, "integer"),
        Bad((_M,), {"fweights": np.array([-1, 1, 1])}, RangeError, "negative"),
        Bad((_M,), {"aweights": np.array([1, 2, 3])}, RangeError, "floating"),
        Bad((_M,), {"aweights": np.ones(2, np.float32)}, RangeError, "3 observations"),
    ),
)
def cov(input: Any, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """Covariance of variables (rows) over observations (columns).

    Observation i counts fweights[i] times (integers) with the weight aweights[i] (floating); the
    divisor is Σw - correction·Σ(w·aweights)/Σw with w their product.
    """
    if input.ndim > 2:
        raise ShapeError(f"expected at most 2 dimensions, got the shape {tuple(input.shape)}")
    x = op.reshape(input, (1, -1)) if input.ndim < 2 else input
    scalar = x.shape[0] == 1
    if x.dtype.kind == "b":
        raise DtypeError("bool is not supported for the input")
    count = x.shape[1]
    weights = _weights(count, fweights, aweights)
    if x.dtype.kind in "ui":
        x = op.to(x, np.float32)
    if weights is None:
        norm: Any = count - correction
        centred = x - op.mean(x, 1, True) if count else x
        product = op.matmul(centred, op.adjoint(centred))
        return _over(product, max(norm, 0), scalar)
    total = op.sum(weights)
    scale = op.to(weights, x.dtype) if weights.dtype.kind in "ui" else weights
    mean = op.sum(x * scale, 1, True) / total
    centred = x - mean
    product = op.matmul(centred, op.adjoint(centred * scale))
    if correction == 0:
        norm = total
    elif aweights is None:
        norm = total - correction
    else:
        norm = total - op.sum(weights * aweights) / total * correction
    return _over(product, op.clamp(norm, 0), scalar)


def _over(product: Any, norm: Any, scalar: bool) -> Any:
    found = op.div(product, norm)
    return op.reshape(found, ()) if scalar else found


def _weights(count: int, fweights: Any, aweights: Any) -> Any:
    for name, weights, kinds in (("fweights", fweights, "ui"), ("aweights", aweights, "f")):
        if weights is None:
            continue
        if weights.ndim > 1:
            raise RangeError(f"{name} has at most one dimension, not {tuple(weights.shape)}")
        if weights.dtype.kind not in kinds:
            kind = "integer" if kinds == "ui" else "floating"
            raise RangeError(f"{name} is of an {kind} dtype, not {weights.dtype}")
        if math.prod(weights.shape) != count:
            raise RangeError(f"{name} has {math.prod(weights.shape)} for {count} observations")
        if (np.asarray(weights) < 0).any():
            raise RangeError(f"{name} must not be negative")
    if fweights is None or aweights is None:
        return fweights if aweights is None else aweights
    return fweights * aweights


@compose(Sample((_M,)), spaces=_BOTH)
def corrcoef(input: Any) -> Any:
    """``C[i, j]/√(C[i, i]·C[j, j])``, C the covariances of rows over columns."""
    if input.ndim > 2:
        raise ShapeError(f"expected at most 2 dimensions, got the shape {tuple(input.shape)}")
    covariance = op.cov(input)
    if not covariance.ndim:
        return covariance / covariance
    deviation = op.sqrt(op.real(op.diagonal(covariance)))
    return covariance / op.unsqueeze(deviation, -1) / deviation
