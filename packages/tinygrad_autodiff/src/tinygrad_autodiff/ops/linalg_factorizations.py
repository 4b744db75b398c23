"""Triangular factors: Cholesky and LU.

NumPy has no LU factors, so that elimination is written out here, column by column over the whole
batch. The derivatives hold where the factors are unique: full rank, no tie of pivots.
Sources: Murray 2016, "Differentiation of the Cholesky decomposition"; Walter & Lehmann 2010,
"Algorithmic differentiation of linear algebra functions"; Golub & Van Loan, "Matrix
computations", 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import Array
from ..errors import LinAlgError, RangeError, ShapeError
from ..op import Bad, Op, Sample, compose, op
from ..samples import array
from .linalg_matrices import (
    WithInfo,
    alike,
    check,
    computed,
    half_lower,
    identity,
    mT,
)

_HERE = ("linalg",)
_BOTH = ("", "Tensor")
_ALL = ("", "Tensor", "linalg")
_A = array((3, 3)) + np.diag([4.0, -4.0, 3.0])
_POSITIVE = (_A @ _A.T).astype(np.float32)  # float32: derivatives are tested symmetrised
_TALL, _WIDE = array((4, 3)), array((2, 2, 3))
_NOT_SQUARE = Bad((array((2, 3)),), {}, ShapeError, r"square matrices, got the shape \(2, 3\)")
_FLAT = Bad((array((3,)),), {}, ShapeError, r"at least 2 dimensions, got the shape \(3,\)")


class Cholesky(Op, name="cholesky", spaces=_ALL):
    """The lower L with L·Lᴴ = A (or the upper U with Uᴴ·U = A) of positive definite matrices.

    Reads that triangle only. dL = L·Φ(L⁻¹·dA·L⁻ᴴ), Φ: the lower triangle, its diagonal halved.
    The gradient is Hermitian.
    """

    holomorphic = False

    def forward(self, input: Array, upper: bool = False) -> Array:
        """Values."""
        check(input, square=True)
        if upper:
            found = computed(np.linalg.cholesky, np.conj(input.mT))
            return np.asarray(np.conj(found.mT))
        return np.asarray(computed(np.linalg.cholesky, input))

    def backward(self, g: Any, upper: Any, out: Any) -> Any:
        """L⁻ᴴ·(Φ(LᴴgL) + its adjoint)/2·L⁻¹."""
        lower, g = (op.adjoint(out), op.adjoint(g)) if upper else (out, g)
        adjoint = op.adjoint(lower)
        inner = half_lower(op.matmul(adjoint, g))
        inner = (inner + op.adjoint(inner)) * 0.5
        left = op.solve_triangle(adjoint, inner, True)
        return op.solve_triangle(adjoint, op.adjoint(left), True)

    def jvp(self, t: Any, upper: Any, out: Any) -> Any:
        """L·Φ(L⁻¹·t·L⁻ᴴ)."""
        lower = op.adjoint(out) if upper else out
        left = op.solve_triangle(lower, t, False)
        inner = op.adjoint(op.solve_triangle(lower, op.adjoint(left), False))
        change = op.matmul(lower, half_lower(inner))
        return op.adjoint(change) if upper else change

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Values only; see tests/test_linalg.py."""
        yield Sample((_POSITIVE,))
        yield Sample((np.stack([_POSITIVE, _POSITIVE * 2]), True))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """No square, not positive definite."""
        yield _NOT_SQUARE
        yield Bad((-np.eye(2),), {}, LinAlgError, "positive definite")


@compose(Sample((_POSITIVE,)), spaces=_HERE, errors=(_NOT_SQUARE,))
def cholesky_ex(input: Any, upper: bool = False, check_errors: bool = False) -> Any:
    """`cholesky`, and 0 for each matrix, or the order of its first minor that is not positive.

    The factor of a matrix that is not positive definite is NaN.
    """
    check(input, square=True)
    plain = np.asarray(input)
    triangle = np.conj(plain.mT) if upper else plain
    info = np.zeros(plain.shape[:-2], np.int32)
    for place in np.ndindex(info.shape):
        info[place] = _minor(triangle[place])
    if not info.any() or check_errors:
        factor = op.cholesky(input, upper)
    else:
        failed = info[..., None, None] != 0
        regular = op.where(failed, np.eye(plain.shape[-1], dtype=plain.dtype), input)
        factor = op.where(failed, np.nan, op.cholesky(regular, upper))
    return WithInfo(factor, alike(info, input))


def _minor(a: Array) -> int:
    for k in (len(a), *range(1, len(a) + 1)):
        try:
            computed(np.linalg.cholesky, a[:k, :k])
        except LinAlgError:
            if k < len(a):
                return int(k)
        else:
            if k == len(a):
                return 0
    return len(a)


# ---- LU ------------------------------------------------------------------------------------------


class LUFactors(NamedTuple):
    """Packed factors (L below the diagonal, U on and above), pivots (from 1), and failures."""

    LU: Any
    pivots: Any
    info: Any


class Elimination(Op, name="lu_factor_ex", spaces=_HERE):
    """A = P·L·U by elimination with the largest pivot of each column; L and U in one matrix.

    `pivots` (int32, from 1) are the rows exchanged in turn, `info` 0 or the first zero pivot.
    With Φ = L⁻¹PᵀdA·U⁻¹ of the square part: dL = L·tril(Φ, -1), dU = triu(Φ)·U.
    """

    quiet = True

    def forward(
        self, A: Array, pivot: bool = True, check_errors: bool = False
    ) -> tuple[Array, ...]:
        """Values."""
        check(A)
        packed, pivots, info = computed(lambda a: _eliminated(a, pivot), A)
        if check_errors and info.any():
            raise LinAlgError(f"the pivot {info.max()} is zero: the matrix is singular")
        return LUFactors(packed, pivots, info)

    def backward(self, g: Any, out: Any) -> Any:
        """The adjoint of the two triangles, then of the rows or columns beyond the square."""
        packed, pivots, _ = out
        m, n = packed.shape[-2:]
        k = min(m, n)
        square = op.getitem(packed, (..., slice(k), slice(k)))
        g = g[0]
        top = op.getitem(g, (..., slice(k), slice(k)))
        gl, gu = op.tril(top, -1), op.triu(top)
        rest = None
        if m > n:
            below = op.getitem(packed, (..., slice(k, None), slice(None)))
            rest = mT(_upper(square, mT(op.getitem(g, (..., slice(k, None), slice(None)))), False))
            gu = gu - op.matmul(mT(below), rest)
        elif m < n:
            beside = op.getitem(packed, (..., slice(None), slice(k, None)))
            rest = _lower(square, op.getitem(g, (..., slice(None), slice(k, None))), True)
            gl = gl - op.matmul(rest, mT(beside))
        lower, upper = _triangles(square)
        inner = op.tril(op.matmul(mT(lower), gl), -1) + op.triu(op.matmul(gu, mT(upper)))
        found = _lower(square, mT(_upper(square, mT(inner), False)), True)
        if rest is not None:
            found = op.cat([found, rest], -2 if m > n else -1)
        return op.matmul(_permutation(pivots, m, found), found)

    def jvp(self, t: Any, out: Any) -> Any:
        """dL and dU in one matrix."""
        packed, pivots, _ = out
        m, n = packed.shape[-2:]
        k = min(m, n)
        square = op.getitem(packed, (..., slice(k), slice(k)))
        t = op.matmul(mT(_permutation(pivots, m, t)), t)
        lower, upper = _triangles(square)
        inner = _lower(square, op.getitem(t, (..., slice(k), slice(k))))
        inner = mT(_upper(square, mT(inner), True))
        dl, du = op.matmul(lower, op.tril(inner, -1)), op.matmul(op.triu(inner), upper)
        change = dl + du
        if m > n:
            below = op.getitem(packed, (..., slice(k, None), slice(None)))
            rest = op.getitem(t, (..., slice(k, None), slice(None))) - op.matmul(below, du)
            change = op.cat([change, mT(_upper(square, mT(rest), True))], -2)
        elif m < n:
            beside = op.getitem(packed, (..., slice(None), slice(k, None)))
            rest = op.getitem(t, (..., slice(None), slice(k, None))) - op.matmul(dl, beside)
            change = op.cat([change, _lower(square, rest)], -1)
        return change, None, None

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Square, tall, wide."""
        yield Sample((_A,))
        yield Sample((_TALL,))
        yield Sample((_WIDE,))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A vector, a singular matrix."""
        yield _FLAT
        yield Bad((np.ones((2, 2)), True, True), {}, LinAlgError, "pivot 2 is zero")


def _triangles(square: Any) -> tuple[Any, Any]:
    return op.tril(square, -1) + identity(square.shape[-1], square), op.triu(square)


def _lower(packed: Any, value: Any, transposed: bool = False) -> Any:
    """L⁻¹·value, or L⁻ᵀ·value."""
    return op.solve_triangle(mT(packed) if transposed else packed, value, transposed, True)


def _upper(packed: Any, value: Any, transposed: bool) -> Any:
    """U⁻¹·value, or U⁻ᵀ·value."""
    return op.solve_triangle(mT(packed) if transposed else packed, value, not transposed)


def _eliminated(a: Array, pivot: bool) -> tuple[Array, Array, Array]:
    """Packed factors, pivots and info of (…, m, n) matrices."""
    batch, (m, n) = a.shape[:-2], a.shape[-2:]
    k = min(m, n)
    work = np.array(a, order="C").reshape(math.prod(batch), m, n)
    every = np.arange(len(work))
    pivots = np.zeros((len(work), k), np.int32)
    info = np.zeros(len(work), np.int32)
    for j in range(k):
        sizes = np.abs(work[:, j:, j].real) + np.abs(work[:, j:, j].imag)  # as LAPACK has it
        chosen = j + sizes.argmax(1) if pivot else np.full(len(work), j)
        pivots[:, j] = chosen + 1
        rows = work[every, chosen].copy()
        work[every, chosen] = work[:, j]
        work[:, j] = rows
        divisor = rows[:, j]
        info[(divisor == 0) & (info == 0)] = j + 1
        work[:, j + 1 :, j] /= np.where(divisor == 0, 1, divisor)[:, None]
        work[:, j + 1 :, j + 1 :] -= work[:, j + 1 :, j, None] * work[:, j, None, j + 1 :]
    return work.reshape(a.shape), pivots.reshape(*batch, k), info.reshape(batch)


def _permutation(pivots: Any, m: int, like: Any) -> Any:
    """The matrices P of A = P·L·U, of the dtype of `like`, an array or a tensor as it is."""
    plain = np.asarray(pivots)
    flat = plain.reshape(-1, plain.shape[-1]) if plain.size else np.zeros((0, 0), int)
    order = np.tile(np.arange(m), (int(np.prod(plain.shape[:-1])), 1))
    every = np.arange(len(order))
    for j in range(flat.shape[1]):
        other = flat[:, j] - 1
        order[every, other], order[:, j] = order[:, j].copy(), order[every, other].copy()
    found = np.eye(m, dtype=like.dtype)[order].mT.reshape(*plain.shape[:-1], m, m)
    return alike(found, like)


class LUPair(NamedTuple):
    """The result of `lu_factor`."""

    LU: Any
    pivots: Any


class PLU(NamedTuple):
    """The result of `linalg.lu` and `lu_unpack`."""

    P: Any
    L: Any
    U: Any


@compose(
    Sample((_A,)),
    spaces=_HERE,
    errors=(_FLAT, Bad((np.ones((2, 2)),), {}, LinAlgError, "singular")),
)
def lu_factor(A: Any, pivot: bool = True) -> Any:
    """Packed factors and pivots of `lu_factor_ex`; square singular matrices are refused."""
    packed, pivots, info = op.lu_factor_ex(A, pivot)
    if np.asarray(info).any() and A.shape[-1] == A.shape[-2]:
        raise LinAlgError(f"the pivot {np.asarray(info).max()} is zero: the matrix is singular")
    return LUPair(packed, pivots)


@compose(Sample((_A,)), Sample((_WIDE, True, True)), spaces=_BOTH, errors=(_FLAT,))
def lu(A: Any, pivot: bool = True, get_infos: bool = False) -> Any:
    """Packed factors and pivots (and failures, if `get_infos`); see `lu_factor_ex`."""
    found = op.lu_factor_ex(A, pivot)
    return tuple(found) if get_infos else tuple(found[:2])


@compose(
    Sample((_A, np.array([2, 2, 3], np.int32))),
    Sample((_TALL, np.array([2, 4, 3], np.int32))),
    spaces=("",),
    errors=(Bad((_A, np.ones(3)), {}, RangeError, "int32"),),
)
def lu_unpack(
    LU_data: Any, LU_pivots: Any, unpack_data: bool = True, unpack_pivots: bool = True
) -> Any:
    """P, L and U of packed factors and pivots; what is not unpacked is empty."""
    check(LU_data)
    if unpack_pivots and LU_pivots.dtype != np.int32:
        raise RangeError(f"expected pivots of dtype int32, got {LU_pivots.dtype}")
    m, n = LU_data.shape[-2:]
    k = min(m, n)
    empty = op.zeros_like(op.reshape(LU_data, (-1,))[:0])
    permutation = _permutation(LU_pivots, m, LU_data) if unpack_pivots else empty
    if not unpack_data:
        return PLU(permutation, empty, op.clone(empty))
    lower = op.tril(op.getitem(LU_data, (..., slice(k))), -1) + identity(m, LU_data, k)
    return PLU(permutation, lower, op.triu(op.getitem(LU_data, (..., slice(k), slice(None)))))


@compose(
    Sample((_A,)),
    Sample((_TALL,)),
    Sample((_WIDE,)),
    aliases=("linalg.lu",),
    spaces=(),
    errors=(_FLAT,),
)
def linalg_lu(A: Any, pivot: bool = True) -> Any:
    """A = P·L·U: a permutation, a lower triangle with ones on the diagonal, an upper triangle."""
    packed, pivots, _ = op.lu_factor_ex(A, pivot)
    found = op.lu_unpack(packed, pivots)
    return found if pivot else PLU(op.zeros_like(op.reshape(packed, (-1,))[:0]), *found[1:])


@compose(
    Sample((_A, np.array([2, 2, 3], np.int32), array((3, 2)))),
    Sample((_A, np.array([2, 2, 3], np.int32), array((2, 2, 3)), False, True)),
    aliases=("linalg.lu_solve",),
    spaces=(),
    errors=(_NOT_SQUARE._replace(args=(array((2, 3)), np.ones(2, np.int32), array((2, 1)))),),
)
def linalg_lu_solve(LU: Any, pivots: Any, B: Any, left: bool = True, adjoint: bool = False) -> Any:
    """The X with A·X = B (X·A = B unless `left`; Aᴴ for A if `adjoint`), A by its factors."""
    check(LU, square=True)
    if not left:
        return op.adjoint(op.linalg_lu_solve(LU, pivots, op.adjoint(B), True, not adjoint))
    permutation = _permutation(pivots, LU.shape[-1], LU)
    if adjoint:
        packed = op.adjoint(LU)
        inner = op.solve_triangle(packed, B, False)
        return op.matmul(permutation, op.solve_triangle(packed, inner, True, True))
    inner = op.solve_triangle(LU, op.matmul(mT(permutation), B), False, True)
    return op.solve_triangle(LU, inner, True)


@compose(Sample((array((3, 2)), _A, np.array([2, 2, 3], np.int32))), spaces=_BOTH)
def lu_solve(b: Any, LU_data: Any, LU_pivots: Any) -> Any:
    """The older `linalg.lu_solve`, with the right side first."""
    return op.linalg_lu_solve(LU_data, LU_pivots, b)
