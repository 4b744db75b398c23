"""Triangular systems, solved by substitution, and what is solved by a Cholesky factor.

NumPy has no triangular solver, so that substitution is written out here, by halves of the
triangle, so that most of the work is matrix products.
Source: Golub & Van Loan, "Matrix computations", 3.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import Array
from ..errors import ShapeError
from ..op import Bad, Op, Sample, compose, op
from ..samples import array
from .linalg_matrices import (
    check,
    check_system,
    computed,
    fitted,
    mT,
)

_HERE = ("linalg",)
_BOTH = ("", "Tensor")
_A = array((3, 3)) + np.diag([4.0, -4.0, 3.0])
_BATCH = np.stack([_A, _A.T, 2 * _A])
_B = array((3, 2), seed=1)
_NOT_SQUARE = Bad((array((2, 3)),), {}, ShapeError, r"square matrices, got the shape \(2, 3\)")


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
