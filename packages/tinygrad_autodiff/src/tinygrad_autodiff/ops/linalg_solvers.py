"""Systems of linear equations: solve, inverse, determinants, triangular systems, least squares.

The rules hold for complex matrices as they stand, for all of this but least squares is
holomorphic. A determinant of a singular matrix has its exact first derivative (the cofactors,
by singular values); its second derivative needs a regular one.
Source: Giles 2008, "Collected matrix derivative results for forward and reverse mode AD".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import Array
from ..errors import DtypeError, LinAlgError, OptionError, ShapeError
from ..op import Bad, Op, Sample, compose, op
from ..samples import array
from .linalg_matrices import alike, check, column, computed

_HERE = ("linalg",)
_BOTH = ("", "Tensor")
_ALL = ("", "Tensor", "linalg")
_A = array((3, 3)) + np.diag([4.0, -4.0, 3.0])
_BATCH = np.stack([_A, _A.T, 2 * _A])
_B = array((3, 2), seed=1)
_NOT_SQUARE = Bad((array((2, 3)),), {}, ShapeError, r"square matrices, got the shape \(2, 3\)")
_SINGULAR = Bad((np.ones((2, 2)),), {}, LinAlgError, "ingular")


class WithInfo(NamedTuple):
    """The result of a function that reports failure for each matrix: 0 or the place of it."""

    result: Any
    info: Any


def check_system(A: Any, B: Any) -> None:
    """An error unless `A` is square and `B` a matrix of as many rows, of the same dtype."""
    check(A, square=True)
    check(B)
    if A.shape[-1] != B.shape[-2]:
        raise ShapeError(f"the shapes {tuple(A.shape)} and {tuple(B.shape)} do not fit")
    if A.dtype != B.dtype:
        raise DtypeError(f"expected operands of one dtype, got {A.dtype} and {B.dtype}")


def mT(value: Any) -> Any:
    """The matrices transposed."""
    return op.transpose(value, -2, -1)


def fitted(grad: Any, shape: tuple[int, ...]) -> Any:
    """`grad` summed over the batch dimensions along which `shape` was broadcast."""
    return grad if tuple(grad.shape) == shape else op.sum_to_size(grad, shape)


class SolveSquare(Op, name="solve_square", spaces=()):
    """The X with A·X = B, of (…, n, n) and (…, n, k) matrices; dX = A⁻¹·(dB - dA·X)."""

    def forward(self, A: Array, B: Array) -> Array:
        """Values."""
        check_system(A, B)
        self.shapes = (A.shape, B.shape)
        return np.asarray(computed(np.linalg.solve, A, B))

    def backward(self, g: Any, A: Any, out: Any, shapes: Any) -> Any:
        """gB = A⁻ᵀ·g, gA = -gB·Xᵀ."""
        grad = op.solve_square(mT(A), g)
        return fitted(-op.matmul(grad, mT(out)), shapes[0]), fitted(grad, shapes[1])

    def jvp(self, ta: Any, tb: Any, A: Any, out: Any) -> Any:
        """A system of the same matrix."""
        change = op.zeros_like(out) if tb is None else tb
        return op.solve_square(A, change if ta is None else change - op.matmul(ta, out))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """One, a batch, a broadcast batch."""
        yield Sample((_A, _B))
        yield Sample((_BATCH, array((3, 3, 1), seed=1)))
        yield Sample((_A, array((2, 3, 2), seed=1)))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Singular, and shapes that do not fit."""
        yield Bad((np.ones((2, 2)), np.ones((2, 1))), {}, LinAlgError, "ingular")
        yield Bad((_A, _B.T), {}, ShapeError, r"\(3, 3\) and \(2, 3\) do not fit")


def _is_vector(A: Any, B: Any) -> bool:
    """Whether torch takes `B` for (a batch of) vectors."""
    return B.ndim == 1 or (B.ndim == A.ndim - 1 and tuple(B.shape) == tuple(A.shape[:-1]))


@compose(
    Sample((_A, _B)),
    Sample((_BATCH, array((3, 3), seed=1))),
    Sample((_A, array((3,)))),
    Sample((_A, _B.T), {"left": False}),
    spaces=_HERE,
    errors=(
        Bad((array((2, 3)), _B), {}, ShapeError, "square matrices"),
        Bad((np.ones((2, 2)), np.ones((2, 1))), {}, LinAlgError, "ingular"),
    ),
)
def solve(A: Any, B: Any, left: bool = True) -> Any:
    """The X with A·X = B (or X·A = B unless `left`); B of (…, n, k), or (…, n) as vectors."""
    check(A, square=True)
    if left and _is_vector(A, B):
        return op.squeeze(op.solve_square(A, op.unsqueeze(B, -1)), -1)
    return op.solve_square(A, B) if left else mT(op.solve_square(mT(A), mT(B)))


@compose(Sample((_A, _B)), spaces=_HERE)
def solve_ex(A: Any, B: Any, left: bool = True, check_errors: bool = False) -> Any:
    """`solve`, and for each matrix 0, or the place of its zero pivot; the solution is then inf."""
    check(A, square=True)
    info = _info(A)
    if check_errors or not np.asarray(info).any():
        return WithInfo(op.solve(A, B, left), info)
    failed = column(column(info)) != 0
    regular = op.where(failed, np.eye(A.shape[-1], dtype=A.dtype), A)
    found = op.solve(regular, B, left)
    failed = column(info) != 0 if left and _is_vector(A, B) else failed
    return WithInfo(op.where(failed, math.inf, found), info)


# ---- the inverse ---------------------------------------------------------------------------------


class Inverse(Op, name="inverse", aliases=("linalg.inv",)):
    """A⁻¹ of square matrices; dA⁻¹ = -A⁻¹·dA·A⁻¹."""

    def forward(self, input: Array) -> Array:
        """Values."""
        check(input, square=True)
        return np.asarray(computed(np.linalg.inv, input))

    def backward(self, g: Any, out: Any) -> Any:
        """-A⁻ᵀ·g·A⁻ᵀ."""
        return -op.matmul(op.matmul(mT(out), g), mT(out))

    def jvp(self, t: Any, out: Any) -> Any:
        """-A⁻¹·t·A⁻¹."""
        return -op.matmul(op.matmul(out, t), out)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """One and a batch."""
        yield Sample((_A,))
        yield Sample((_BATCH,))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """No square, singular."""
        yield _NOT_SQUARE
        yield _SINGULAR


@compose(Sample((_A,)), spaces=_HERE, errors=(_NOT_SQUARE,))
def inv_ex(A: Any, check_errors: bool = False) -> Any:
    """A⁻¹, and for each matrix 0, or the place of its zero pivot; the inverse is then inf."""
    check(A, square=True)
    info = _info(A)
    if check_errors or not np.asarray(info).any():
        return WithInfo(op.inv(A), info)
    failed = column(column(info)) != 0
    regular = op.where(failed, np.eye(A.shape[-1], dtype=A.dtype), A)
    return WithInfo(op.where(failed, math.inf, op.inv(regular)), info)


def _info(A: Any) -> Any:
    """The number, from 1, of the first pivot of each matrix that is exactly 0; 0 if none is."""
    plain = np.asarray(A)
    info = np.zeros(plain.shape[:-2], np.int32)
    if plain.size and (computed(lambda a: np.linalg.slogdet(a)[0], plain) == 0).any():
        info = op.lu_factor_ex(plain)[2]
    return alike(info, A)


# ---- determinants --------------------------------------------------------------------------------


class Det(Op, name="det", spaces=_ALL):
    """Determinant of square matrices; d det = Σ C∘dA with the cofactors C = det(A)·A⁻ᵀ."""

    def forward(self, A: Array) -> Array:
        """Values."""
        check(A, square=True)
        return np.asarray(computed(np.linalg.det, A))

    def backward(self, g: Any, A: Any) -> Any:
        """The cofactors."""
        return column(column(g)) * op.cofactors(A)

    def jvp(self, t: Any, A: Any) -> Any:
        """Inner product with the cofactors."""
        return op.sum(op.cofactors(A) * t, (-2, -1))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """One, a batch, 1 × 1."""
        yield Sample((_A,))
        yield Sample((_BATCH,))
        yield Sample((array((1, 1)),))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """No square."""
        yield _NOT_SQUARE


class Cofactors(Op, name="cofactors", spaces=()):
    """The matrix det(A)·A⁻ᵀ of cofactors, also of singular A.

    With A = UΣVᴴ it is det(U)·det(Vᴴ)·conj(U)·diag(Π_{j≠i} σ_j)·conj(Vᴴ).
    """

    def forward(self, A: Array) -> Array:
        """Values."""

        def values(a: Array) -> Array:
            u, s, vh = np.linalg.svd(a)
            ones = np.ones_like(s[..., :1])
            before = np.cumprod(np.concatenate([ones, s], -1), -1)[..., :-1]
            after = np.cumprod(np.concatenate([ones, s[..., ::-1]], -1), -1)[..., -2::-1]
            phase = (np.linalg.det(u) * np.linalg.det(vh))[..., None, None]
            found: Array = phase * (np.conj(u) * (before * after)[..., None, :] @ np.conj(vh))
            return found

        return np.asarray(computed(values, A)) if A.size else A.copy()

    def backward(self, g: Any, A: Any, out: Any) -> Any:
        """(Σ g∘C)·A⁻ᵀ - C·gᵀ·A⁻ᵀ."""
        inverse = mT(op.inverse(A))
        along = column(column(op.sum(g * out, (-2, -1))))
        return along * inverse - op.matmul(op.matmul(out, mT(g)), inverse)

    def jvp(self, t: Any, A: Any, out: Any) -> Any:
        """tr(A⁻¹t)·C - A⁻ᵀ·tᵀ·C."""
        inverse = mT(op.inverse(A))
        along = column(column(op.sum(inverse * t, (-2, -1))))
        return along * out - op.matmul(op.matmul(inverse, mT(t)), out)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """One."""
        yield Sample((_A,))


class LogDet(NamedTuple):
    """The result of `slogdet`."""

    sign: Any
    logabsdet: Any


class Slogdet(Op, name="slogdet", spaces=_ALL):
    """sign(det A) and log|det A| of square matrices; d log det = tr(A⁻¹·dA)."""

    holomorphic, quiet = False, True

    def forward(self, A: Array) -> tuple[Array, Array]:
        """Values."""
        check(A, square=True)
        return LogDet(*computed(lambda a: tuple(np.linalg.slogdet(a)), A))

    def backward(self, g: Any, A: Any, out: Any) -> Any:
        """(g_log + i·Im(g_sign·conj(sign)))·A⁻ᴴ."""
        factor = op.zeros_like(out[1]) if g[1] is None else g[1]
        if g[0] is not None and A.dtype.kind == "c":
            factor = factor + op.imag(g[0] * op.conj(out[0])) * 1j
        inverse = op.adjoint(op.inv_ex(A)[0])
        return inverse * column(column(factor))

    def jvp(self, t: Any, A: Any, out: Any) -> Any:
        """Real and imaginary part of tr(A⁻¹·t)."""
        change = op.sum(mT(op.inv_ex(A)[0]) * t, (-2, -1))
        if A.dtype.kind != "c":
            return op.zeros_like(out[0]), change
        return out[0] * op.imag(change) * 1j, op.real(change)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """One and a batch."""
        yield Sample((_A,))
        yield Sample((_BATCH,))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """No square."""
        yield _NOT_SQUARE


@compose(Sample((-_A,)), Sample((-_BATCH,)), spaces=_BOTH, errors=(_NOT_SQUARE,))
def logdet(input: Any) -> Any:
    """Logarithm of the determinant; of real matrices NaN where it is negative."""
    sign, size = op.slogdet(input)
    return size + op.log(sign)


# ---- triangular systems --------------------------------------------------------------------------


class SolveTriangle(Op, name="solve_triangle", spaces=()):
    """The X with T·X = B by substitution; T is the upper or lower triangle of A.

    Where `unitriangular`, the diagonal of T is 1. A zero on the diagonal makes inf, as in torch.
    """

    quiet = True

    def forward(self, A: Array, B: Array, upper: bool, unitriangular: bool = False) -> Array:
        """Values."""
        check_system(A, B)
        self.shapes = (A.shape, B.shape)

        def solve(a: Array, b: Array) -> Array:
            shape = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
            b = np.broadcast_to(b, (*shape, *b.shape[-2:]))
            if upper:  # the same system with rows and columns in reverse
                reversed_ = _substituted(a[..., ::-1, ::-1], b[..., ::-1, :], unitriangular)
                return reversed_[..., ::-1, :]
            return _substituted(a, b, unitriangular)

        return np.asarray(computed(solve, A, B))

    def backward(
        self, g: Any, A: Any, out: Any, upper: Any, unitriangular: Any, shapes: Any
    ) -> Any:
        """gB = T⁻ᵀ·g, gA = the triangle of -gB·Xᵀ."""
        grad = op.solve_triangle(mT(A), g, not upper, unitriangular)
        whole = _triangle(-op.matmul(grad, mT(out)), upper, unitriangular)
        return fitted(whole, shapes[0]), fitted(grad, shapes[1])

    def jvp(self, ta: Any, tb: Any, A: Any, upper: Any, unitriangular: Any, out: Any) -> Any:
        """A system of the same triangle."""
        change = op.zeros_like(out) if tb is None else tb
        if ta is not None:
            change = change - op.matmul(_triangle(ta, upper, unitriangular), out)
        return op.solve_triangle(A, change, upper, unitriangular)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Either triangle, a unit diagonal, a broadcast batch, more rows than one block."""
        yield Sample((_A, _B, True))
        yield Sample((_A, array((2, 3, 2), seed=1), False))
        yield Sample((_BATCH, _B, True, True))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Shapes that do not fit."""
        yield Bad((_A, _B.T, True), {}, ShapeError, "do not fit")


def _triangle(value: Any, upper: bool, unit: bool) -> Any:
    return op.triu(value, int(unit)) if upper else op.tril(value, -int(unit))


def _substituted(a: Array, b: Array, unit: bool) -> Array:
    """Forward substitution, by halves down to blocks of 16 rows."""
    n = a.shape[-1]
    if n > 16:
        half = n // 2
        first = _substituted(a[..., :half, :half], b[..., :half, :], unit)
        rest = b[..., half:, :] - a[..., half:, :half] @ first
        return np.concatenate([first, _substituted(a[..., half:, half:], rest, unit)], -2)
    x = np.empty(b.shape, b.dtype)
    for i in range(n):
        value = b[..., i, :] - (a[..., i : i + 1, :i] @ x[..., :i, :])[..., 0, :]
        x[..., i, :] = value if unit else value / a[..., i, i, None]
    return x


@compose(
    Sample((_A, _B), {"upper": True}),
    Sample((_A, _B.T), {"upper": False, "left": False}),
    spaces=_HERE,
    errors=(Bad((array((2, 3)), _B), {"upper": True}, ShapeError, "square matrices"),),
)
def solve_triangular(
    A: Any, B: Any, upper: bool, left: bool = True, unitriangular: bool = False
) -> Any:
    """The X with T·X = B (or X·T = B unless `left`), T the upper or lower triangle of A."""
    if left:
        return op.solve_triangle(A, B, upper, unitriangular)
    return mT(op.solve_triangle(mT(A), mT(B), not upper, unitriangular))


class TriangularSolution(NamedTuple):
    """The result of `triangular_solve`."""

    solution: Any
    cloned_coefficient: Any


@compose(Sample((_B, _A)), Sample((_B, _A, False, True)), spaces=_BOTH)
def triangular_solve(
    b: Any, A: Any, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Any:
    """The older `linalg.solve_triangular`: of T, or of Tᵀ, and a copy of `A`."""
    matrix = mT(A) if transpose else A
    solution = op.solve_triangle(matrix, b, upper != transpose, unitriangular)
    return TriangularSolution(solution, op.clone(A))


class AssumedTriangle(Op, name="assumed_triangle", spaces=()):
    """One triangle of A, taken for all of it: the derivative is that of the identity, as torch's.

    Where A is triangular and stays so, that is right; else the other triangle is just not read.
    """

    def forward(self, A: Array, upper: bool) -> Array:
        """Values."""
        check(A, square=True)
        return np.triu(A) if upper else np.tril(A)

    def backward(self, g: Any) -> Any:
        """As it comes."""
        return g

    def jvp(self, t: Any) -> Any:
        """As it comes."""
        return t

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Values only; see tests/test_linalg.py."""
        yield Sample((_A.astype(np.float32), True))


_A32, _B32 = _A.astype(np.float32), _B.astype(np.float32)


@compose(Sample((_B32, _A32)), Sample((np.stack([_B32, _B32]), _A32, True)), spaces=_BOTH)
def cholesky_solve(input: Any, L: Any, upper: bool = False) -> Any:
    """The X with L·Lᴴ·X = input, or UᴴU·X = input if `upper`; one triangle is read."""
    factor = op.assumed_triangle(L, upper)
    adjoint = op.adjoint(factor)
    first, second = (adjoint, factor) if upper else (factor, adjoint)
    return op.solve_square(second, op.solve_square(first, input))


@compose(
    Sample((_A32,)),
    Sample((np.stack([_A32, _A32]), True)),
    spaces=_BOTH,
    errors=(_NOT_SQUARE,),
)
def cholesky_inverse(L: Any, upper: bool = False) -> Any:
    """(L·Lᴴ)⁻¹, or (Uᴴ·U)⁻¹ if `upper`; one triangle is read."""
    inverse = op.inverse(op.assumed_triangle(L, upper))
    adjoint = op.adjoint(inverse)
    return op.matmul(inverse, adjoint) if upper else op.matmul(adjoint, inverse)


# ---- least squares -------------------------------------------------------------------------------


class LeastSquares(NamedTuple):
    """The result of `lstsq`."""

    solution: Any
    residuals: Any
    rank: Any
    singular_values: Any


@compose(
    Sample((array((4, 2)), array((4, 3), seed=1))),
    Sample((array((2, 4)), array((2, 2), seed=1)), {"driver": "gels"}),
    Sample((array((2, 4, 2)).astype(np.float32), np.ones((2, 4), np.float32)), {"driver": "gelsd"}),
    spaces=_HERE,
    errors=(
        Bad((array(()), array(())), {}, ShapeError, "at least 2 dimensions"),
        Bad((array((4, 2)), array((3, 1))), {}, ShapeError, r"\(4, 2\) and \(3, 1\)"),
        Bad((array((4, 2)), array((4, 1)), None, "svd"), {}, OptionError, "'svd'"),
    ),
)
def lstsq(A: Any, B: Any, rcond: Any = None, driver: str | None = None) -> Any:
    """The X of the smallest ‖A·X - B‖ (and of the smallest ‖X‖ among them): A⁺·B.

    Of the drivers, all computed alike, "gelsy" (the default) also returns the rank, "gels" the
    residuals Σ|A·X - B|² (if m > n), and "gelsd" and "gelss" both and the singular values.
    """
    check(A)
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise OptionError(f"driver is one of gels, gelsy, gelsd and gelss, not {driver!r}")
    if B.ndim < 1 or (not _is_rows(A, B) and (B.ndim < 2 or B.shape[-2] != A.shape[-2])):
        raise ShapeError(f"the shapes {tuple(A.shape)} and {tuple(B.shape)} do not fit")
    vector = _is_rows(A, B)
    right = op.unsqueeze(B, -1) if vector else B
    m, n = A.shape[-2:]
    found = op.matmul(op.pinv(A, rcond), right)
    plain = np.asarray(A)
    values: Any = np.abs(plain.ravel()[:0])
    residuals: Any = op.getitem(op.reshape(op.abs(found), (-1,)), slice(0))
    rank: Any = np.zeros(0, np.int64)
    if driver != "gels":
        rank = op.matrix_rank(plain, rtol=rcond) if plain.size else np.zeros(plain.shape[:-2], int)
    if driver in ("gelsd", "gelss"):
        values = computed(lambda a: np.linalg.svd(a, compute_uv=False), plain)
        values = values if plain.size else values.reshape(*plain.shape[:-2], 0)
    if m > n and driver in ("gels", "gelsd", "gelss") and (driver == "gels" or (rank == n).all()):
        residuals = op.sum(op.square(op.abs(op.matmul(A, found) - right)), -2)
    rank, values = alike(np.asarray(rank), A), alike(values, A)
    return LeastSquares(op.squeeze(found, -1) if vector else found, residuals, rank, values)


def _is_rows(A: Any, B: Any) -> bool:
    return B.ndim == A.ndim - 1 and tuple(B.shape) == tuple(A.shape[:-1])


# ---- tensors as matrices -------------------------------------------------------------------------


@compose(
    Sample((array((2, 3, 6)) + 3 * np.eye(6).reshape(2, 3, 6), 2)),
    spaces=_HERE,
    errors=(Bad((array((2, 3, 4)), 1), {}, ShapeError, "square"),),
)
def tensorinv(A: Any, ind: int = 2) -> Any:
    """The inverse of `A` as a matrix of its first `ind` dimensions by the others."""
    if ind <= 0:
        raise OptionError(f"ind is positive, not {ind}")
    shape = tuple(A.shape)
    rows, columns = shape[:ind], shape[ind:]
    if math.prod(rows) != math.prod(columns):
        raise ShapeError(f"{shape} is no square matrix of {rows} by {columns}")
    matrix = op.reshape(A, (math.prod(rows), math.prod(columns)))
    return op.reshape(op.inv(matrix), (*columns, *rows))


@compose(
    Sample((array((2, 3, 6)) + 3 * np.eye(6).reshape(2, 3, 6), array((2, 3), seed=1))),
    spaces=_HERE,
    errors=(Bad((array((2, 3, 4)), array((2, 3))), {}, ShapeError, "square"),),
)
def tensorsolve(A: Any, B: Any, dims: Any = None) -> Any:
    """The X with ``tensordot(A, X, X.ndim) = B``; `dims` of A are moved to its end first."""
    if dims is not None:
        chosen = [d % A.ndim for d in dims]
        A = op.permute(A, tuple(i for i in range(A.ndim) if i not in chosen) + tuple(chosen))
    rest = tuple(A.shape[B.ndim :])
    size = math.prod(rest)
    if size != math.prod(B.shape):
        raise ShapeError(f"{tuple(A.shape)} is no square matrix for a right side {tuple(B.shape)}")
    found = op.solve_square(op.reshape(A, (size, size)), op.reshape(B, (size, 1)))
    return op.reshape(found, rest)
