"""Eigenvalues and functions of matrices: eigh, eig, matrix square root, matrix exponential.

Equal eigenvalues: a gradient through the eigenvectors has the factors 1/(λ_j - λ_i). Between
values that are equal up to rounding they are replaced by 0, so that the gradient is finite, and
right for every function of the eigenspaces. (torch gives inf or NaN.) For functions such as
V·f(Λ)·Vᴴ that is one term too few; use an operation with a rule of its own: `matrix_exp`,
`matrix_sqrth`, `inv`, `pinv`.
Eigenvectors are determined up to a factor of absolute value 1; a loss that depends on the factors
of complex ones is refused in the backward pass, as in torch.
Source: Giles 2008, "Collected matrix derivative results for forward and reverse mode AD".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import Array, complex_dtype
from ..errors import ArgumentError, LinAlgError, ShapeError
from ..op import Bad, Op, Sample, compose, op
from ..samples import array
from .linalg_matrices import (
    check,
    check_phases,
    computed,
    diagonal,
    inverse_gaps,
    on_diagonal,
    row,
    skew,
)

_HERE = ("linalg",)
_BOTH = ("", "Tensor", "linalg")
_A = array((3, 3)) + np.diag([0.0, 4.0, 8.0])
_S = (_A @ _A.T).astype(np.float32)  # float32: derivatives are tested on symmetrised inputs
_NOT_SQUARE = Bad((array((2, 3)),), {}, ShapeError, r"square matrices, got the shape \(2, 3\)")


class Eigen(NamedTuple):
    """The result of `eigh` and `eig`."""

    eigenvalues: Any
    eigenvectors: Any


class HermitianEigen(Op, name="eigh", spaces=_HERE):
    """Eigenvalues (ascending) and eigenvectors of Hermitian matrices: A = V·diag(λ)·Vᴴ.

    Only the triangle `UPLO` is read; the gradient is Hermitian.
    gA = V·(diag(gλ) + F∘(VᴴgV - gVᴴV)/2)·Vᴴ with F_ij = 1/(λ_j - λ_i).
    """

    holomorphic = False

    def forward(self, A: Array, UPLO: str = "L") -> tuple[Array, Array]:
        """Values."""
        check(A, square=True)
        if str(UPLO).upper() not in ("L", "U"):
            raise ArgumentError(f"UPLO is 'L' or 'U', not {UPLO!r}")
        eigh: Any = np.linalg.eigh
        return Eigen(*computed(lambda a: tuple(eigh(a, UPLO.upper())), A))

    def backward(self, g: Any, out: Any) -> Any:
        """In the basis of the eigenvectors."""
        values, vectors = out
        inner = 0 if g[0] is None else on_diagonal(g[0])
        if g[1] is not None:
            overlap = op.matmul(op.adjoint(vectors), g[1])
            check_phases(overlap, "eigh")
            inner = inner + skew(overlap) * (inverse_gaps(values) * 0.5)
        inner = op.to(inner, vectors.dtype)
        return op.matmul(op.matmul(vectors, inner), op.adjoint(vectors))

    def jvp(self, t: Any, out: Any) -> Any:
        """dλ = diag(VᴴtV), dV = V·(F∘VᴴtV)."""
        values, vectors = out
        inner = op.matmul(op.adjoint(vectors), op.matmul(t, vectors))
        turned = op.matmul(vectors, inner * inverse_gaps(values))
        return op.real(diagonal(inner)), turned

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Either triangle, a batch."""
        yield Sample((_S,))
        yield Sample((np.stack([_S, 2 * _S]), "U"))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """No square, no triangle, no numbers."""
        yield _NOT_SQUARE
        yield Bad((_A, "T"), {}, ArgumentError, "'L' or 'U', not 'T'")
        yield Bad((_A * np.nan,), {}, LinAlgError, "converge")


@compose(Sample((_S,)), spaces=_HERE, errors=(_NOT_SQUARE,))
def eigvalsh(A: Any, UPLO: str = "L") -> Any:
    """Eigenvalues of Hermitian matrices, ascending; see `eigh`."""
    return op.eigh(A, UPLO)[0]


class Eig(Op, name="eig", spaces=_HERE):
    """Complex eigenvalues and eigenvectors (of length 1) of square matrices: A·V = V·diag(λ).

    gA = V⁻ᴴ·(diag(gλ) + conj(F)∘(VᴴgV - VᴴV·Re diag(VᴴgV)))·Vᴴ with F_ij = 1/(λ_j - λ_i).
    """

    holomorphic = False

    def forward(self, A: Array) -> tuple[Array, Array]:
        """Values."""
        check(A, square=True)
        self.source = A.dtype
        kind = A.dtype if A.dtype.kind == "c" else complex_dtype(A.dtype)
        values, vectors = computed(
            lambda a: tuple(np.linalg.eig(a)), A if A.dtype != np.float16 else A.astype(np.float32)
        )
        return Eigen(values.astype(kind), vectors.astype(kind))

    def backward(self, g: Any, out: Any, source: Any) -> Any:
        """In the basis of the eigenvectors; real if the input is."""
        values, vectors = out
        inner = 0 if g[0] is None else on_diagonal(g[0])
        if g[1] is not None:
            adjoint = op.adjoint(vectors)
            overlap = op.matmul(adjoint, g[1])
            check_phases(overlap, "eig")
            length = op.matmul(adjoint, vectors) * row(op.real(diagonal(overlap)))
            inner = inner + (overlap - length) * op.conj(inverse_gaps(values))
        found = op.matmul(op.solve_square(op.adjoint(vectors), inner), op.adjoint(vectors))
        return found if source.kind == "c" else op.to(op.real(found), source)

    def jvp(self, t: Any, out: Any) -> Any:
        """dλ = diag(V⁻¹tV), dV = V·(F∘V⁻¹tV), less what would change the lengths."""
        values, vectors = out
        inner = op.solve_square(vectors, op.matmul(op.to(t, vectors.dtype), vectors))
        turned = op.matmul(vectors, inner * inverse_gaps(values))
        along = op.real(op.sum(op.conj(vectors) * turned, -2))
        return diagonal(inner), turned - vectors * row(along)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Values only; see tests/test_linalg.py."""
        yield Sample((_S,))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """No square."""
        yield _NOT_SQUARE


@compose(Sample((_S,)), spaces=_HERE, errors=(_NOT_SQUARE,))
def eigvals(A: Any) -> Any:
    """Complex eigenvalues of square matrices; see `eig`."""
    return op.eig(A)[0]


# ---- functions of matrices -----------------------------------------------------------------------


class Lyapunov(Op, name="lyapunov", spaces=()):
    """The Y with X·Y + Y·X = C for Hermitian positive definite X, found in the eigenbasis of X.

    It is linear and self-adjoint in C; dY for a change dX is that of C = -(dX·Y + Y·dX).
    """

    holomorphic = False

    def forward(self, X: Array, C: Array) -> Array:
        """Values."""

        def solve(x: Array, c: Array) -> Array:
            values, vectors = np.linalg.eigh(x)
            adjoint = np.conj(vectors.mT)
            sums = values[..., None, :] + values[..., None]
            found: Array = vectors @ (adjoint @ c @ vectors / sums) @ adjoint
            return found

        return np.asarray(computed(solve, X, C))

    def backward_X(self, g: Any, X: Any, out: Any) -> Any:
        """-(G·Yᴴ + Yᴴ·G) with G the gradient of C."""
        grad, adjoint = op.lyapunov(X, g), op.adjoint(out)
        return -(op.matmul(grad, adjoint) + op.matmul(adjoint, grad))

    def backward_C(self, g: Any, X: Any) -> Any:
        """The same equation."""
        return op.lyapunov(X, g)

    def jvp(self, tx: Any, tc: Any, X: Any, out: Any) -> Any:
        """The same equation."""
        change = op.zeros_like(out) if tc is None else tc
        if tx is not None:
            change = change - op.matmul(tx, out) - op.matmul(out, tx)
        return op.lyapunov(X, change)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Values only; see tests/test_linalg.py."""
        yield Sample((_S, _A.astype(np.float32)))


class MatrixSqrth(Op, name="matrix_sqrth", spaces=_HERE):
    """The Hermitian positive definite X with X·X = A; reads the lower triangle of A.

    dX solves X·dX + dX·X = dA, also where eigenvalues are equal.
    """

    holomorphic = False

    def forward(self, A: Array) -> Array:
        """Values, by the eigenvalues."""
        check(A, square=True)

        def root(a: Array) -> Array:
            values, vectors = np.linalg.eigh(a)
            with np.errstate(invalid="ignore"):
                found: Array = vectors * np.sqrt(values)[..., None, :] @ np.conj(vectors.mT)
            return found

        return np.asarray(computed(root, A))

    def backward(self, g: Any, out: Any) -> Any:
        """The Hermitian part solves the same equation."""
        return op.lyapunov(out, (g + op.adjoint(g)) * 0.5)

    def jvp(self, t: Any, out: Any) -> Any:
        """The same equation."""
        return op.lyapunov(out, t)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Values only; see tests/test_linalg.py."""
        yield Sample((_S,))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """No square."""
        yield _NOT_SQUARE


# Numerator coefficients of the [13/13] Padé approximant of exp, and the norm up to which its
# error is below double rounding. Source: Higham 2005, "The scaling and squaring method for the
# matrix exponential revisited".
_PADE = (
    *(64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0),
    *(129060195264000.0, 10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0),
    *(40840800.0, 960960.0, 16380.0, 182.0, 1.0),
)
_RADIUS = 5.37


class MatrixExp(Op, name="matrix_exp", spaces=_BOTH):
    """exp(A) = Σ Aᵏ/k! of square matrices, by scaling, Padé approximation and squaring.

    The derivative in direction T is the upper right block of exp([[A, T], [0, A]]).
    """

    def forward(self, input: Array) -> Array:
        """Values."""
        check(input, square=True)
        return np.asarray(computed(_exponential, input))

    def backward(self, g: Any, input: Any) -> Any:
        """The derivative at Aᵀ in direction g."""
        return _block_derivative(op.transpose(input, -2, -1), g)

    def jvp(self, t: Any, input: Any) -> Any:
        """The derivative at A in direction t."""
        return _block_derivative(input, t)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Small and large norms, a nilpotent matrix."""
        yield Sample((array((2, 2, 2)),))
        yield Sample((array((2, 2)) * 4 - np.eye(2) * 8,))
        yield Sample((np.diag([1.0, 2.0], 1),))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """No square."""
        yield _NOT_SQUARE


def _exponential(a: Array) -> Array:
    """In double precision: squaring multiplies the errors."""
    source, n = a.dtype, a.shape[-1]
    a = a.astype(np.complex128 if a.dtype.kind == "c" else np.float64)
    size = np.abs(a).sum(-2).max(-1, initial=0)
    doublings = np.ceil(np.log2(np.maximum(size / _RADIUS, 1)))
    doublings = np.where(np.isfinite(doublings), doublings, 0).astype(int)
    a = a / np.exp2(doublings)[..., None, None]
    eye, b = np.eye(n), _PADE
    a2 = a @ a
    a4 = a2 @ a2
    a6 = a4 @ a2
    odd = a6 @ (b[13] * a6 + b[11] * a4 + b[9] * a2) + b[7] * a6 + b[5] * a4 + b[3] * a2
    odd = a @ (odd + b[1] * eye)
    even = a6 @ (b[12] * a6 + b[10] * a4 + b[8] * a2) + b[6] * a6 + b[4] * a4 + b[2] * a2
    even = even + b[0] * eye
    found: Array = np.linalg.solve(even - odd, even + odd)
    for k in range(int(doublings.max(initial=0))):
        more = (doublings > k)[..., None, None]
        found = np.where(more, found @ found, found)
    return found.astype(source)


def _block_derivative(a: Any, t: Any) -> Any:
    n = a.shape[-1]
    top = op.cat([a, t], -1)
    bottom = op.cat([op.zeros_like(a), a], -1)
    whole = op.matrix_exp(op.cat([top, bottom], -2))
    return op.getitem(whole, (..., slice(n), slice(n, None)))


@compose(
    *(Sample((_A, n)) for n in (0, 1, 2, 5, -1, -3)),
    spaces=_BOTH,
    errors=(_NOT_SQUARE._replace(args=(array((2, 3)), 2)),),
)
def matrix_power(input: Any, n: int) -> Any:
    """The product of |n| copies of a square matrix, or of its inverse if n < 0."""
    check(input, square=True)
    if n == 0:
        return op.masked(input, False) + np.eye(input.shape[-1], dtype=input.dtype)
    square = op.inv(input) if n < 0 else input
    found, n = None, abs(n)
    while n:
        if n % 2:
            found = square if found is None else op.matmul(found, square)
        n //= 2
        square = op.matmul(square, square) if n else square
    return op.clone(found) if found is input else found
