"""Systems of linear equations: solve, inverse, least squares, tensors as matrices.

Solutions and inverses are holomorphic, so that the rules hold for complex matrices as they stand.
Source: Giles 2008, "Collected matrix derivative results for forward and reverse mode AD".
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
    check_system,
    column,
    computed,
    fitted,
    mT,
)

_HERE = ("linalg",)
_A = array((3, 3)) + np.diag([4.0, -4.0, 3.0])
_BATCH = np.stack([_A, _A.T, 2 * _A])
_B = array((3, 2), seed=1)
_NOT_SQUARE = Bad((array((2, 3)),), {}, ShapeError, r"square matrices, got the shape \(2, 3\)")
_SINGULAR = Bad((np.ones((2, 2)),), {}, LinAlgError, "ingular")


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
        Bad((array((4, 2)), array((4, 1)), None, "svd"), {}, RangeError, "'svd'"),
    ),
)
def lstsq(A: Any, B: Any, rcond: Any = None, driver: str | None = None) -> Any:
    """The X of the smallest ‖A·X - B‖ (and of the smallest ‖X‖ among them): A⁺·B.

    Of the drivers, all computed alike, "gelsy" (the default) also returns the rank, "gels" the
    residuals Σ|A·X - B|² (if m > n), and "gelsd" and "gelss" both and the singular values.
    """
    check(A)
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RangeError(f"driver is one of gels, gelsy, gelsd and gelss, not {driver!r}")
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
        raise RangeError(f"ind is positive, not {ind}")
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
