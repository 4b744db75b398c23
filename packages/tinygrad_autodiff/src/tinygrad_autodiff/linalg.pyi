# ruff: noqa: E501
# fmt: off
# Written by `python -m tinygrad_autodiff.stubs` from the registry of operations. Do not edit.
from typing import Any as Any

from .dtypes import Array as Array
from .errors import LinAlgError as LinAlgError
from .tensor import Tensor

_Number = int | float | bool
_Bool = bool  # bool, int and float are methods too
_Int = int
_Float = float
_Operand = Tensor | Array | _Number
_Dims = int | tuple[int, ...] | list[int] | None

def cholesky(input: _Operand, upper: _Bool = False, *, out: Any = None) -> Tensor:
    """The lower L with L·Lᴴ = A (or the upper U with Uᴴ·U = A) of positive definite matrices.

    Reads that triangle only. dL = L·Φ(L⁻¹·dA·L⁻ᴴ), Φ: the lower triangle, its diagonal halved.
    The gradient is Hermitian.
    """
    ...

def cholesky_ex(input: Any, upper: _Bool = False, check_errors: _Bool = False, *, out: Any = None) -> Tensor:
    """`cholesky`, and 0 for each matrix, or the order of its first minor that is not positive.

    The factor of a matrix that is not positive definite is NaN.
    """
    ...

def cond(A: Any, p: Any = None, *, out: Any = None) -> Tensor:
    """Condition number ‖A‖·‖A⁻¹‖ in the matrix norm `p`; 2 (None) and -2 by singular values.

    Infinite for singular matrices.
    """
    ...

def cross(input: Any, other: Any, dim: _Number = -1, *, out: Any = None) -> Tensor:
    """Cross products of vectors of three elements along `dim`."""
    ...

def det(A: _Operand, *, out: Any = None) -> Tensor:
    """Determinant of square matrices; d det = Σ C∘dA with the cofactors C = det(A)·A⁻ᵀ."""
    ...

def diagonal(A: Any, offset: _Number = 0, dim1: _Number = -2, dim2: _Number = -1, *, out: Any = None) -> Tensor:
    """`diagonal`, of the last two dimensions unless others are named."""
    ...

def eig(A: _Operand, *, out: Any = None) -> Tensor:
    """Complex eigenvalues and eigenvectors (of length 1) of square matrices: A·V = V·diag(λ).

    gA = V⁻ᴴ·(diag(gλ) + conj(F)∘(VᴴgV - VᴴV·Re diag(VᴴgV)))·Vᴴ with F_ij = 1/(λ_j - λ_i).
    """
    ...

def eigh(A: _Operand, UPLO: str = 'L', *, out: Any = None) -> Tensor:
    """Eigenvalues (ascending) and eigenvectors of Hermitian matrices: A = V·diag(λ)·Vᴴ.

    Only the triangle `UPLO` is read; the gradient is Hermitian.
    gA = V·(diag(gλ) + F∘(VᴴgV - gVᴴV)/2)·Vᴴ with F_ij = 1/(λ_j - λ_i).
    """
    ...

def eigvals(A: Any, *, out: Any = None) -> Tensor:
    """Complex eigenvalues of square matrices; see `eig`."""
    ...

def eigvalsh(A: Any, UPLO: str = 'L', *, out: Any = None) -> Tensor:
    """Eigenvalues of Hermitian matrices, ascending; see `eigh`."""
    ...

def householder_product(input: Any, tau: Any, *, out: Any = None) -> Tensor:
    """The first n columns of H₁·H₂·…·H_k, H_i = 1 - τ_i·v_i·v_iᴴ.

    v_i is 0 above, 1 at, and column i of `input` (…, m, n) below its element i.
    """
    ...

def inv(input: _Operand, *, out: Any = None) -> Tensor:
    """A⁻¹ of square matrices; dA⁻¹ = -A⁻¹·dA·A⁻¹."""
    ...

def inv_ex(A: Any, check_errors: _Bool = False, *, out: Any = None) -> Tensor:
    """A⁻¹, and for each matrix 0, or the place of its zero pivot; the inverse is then inf."""
    ...

def ldl_factor(A: Any, hermitian: _Bool = False, *, out: Any = None) -> Tensor:
    """Packed factors and pivots of `ldl_factor_ex`; singular matrices are refused."""
    ...

def ldl_factor_ex(A: _Operand, hermitian: _Bool = False, check_errors: _Bool = False, *, out: Any = None) -> Tensor:
    """A = L·D·Lᵀ (Lᴴ if `hermitian`) with rows exchanged; reads the lower triangle.

    D is on the diagonal of the result and, for blocks of 2 × 2, beside it; L below. `info` is 0,
    or the place of the first zero block, from 1.
    """
    ...

def ldl_solve(LD: Any, pivots: Any, B: Any, hermitian: _Bool = False, *, out: Any = None) -> Tensor:
    """The X with A·X = B, A by the factors and pivots of `ldl_factor`."""
    ...

def lstsq(A: Any, B: Any, rcond: Any = None, driver: Any = None, *, out: Any = None) -> Tensor:
    """The X of the smallest ‖A·X - B‖ (and of the smallest ‖X‖ among them): A⁺·B.

    Of the drivers, all computed alike, "gelsy" (the default) also returns the rank, "gels" the
    residuals Σ|A·X - B|² (if m > n), and "gelsd" and "gelss" both and the singular values.
    """
    ...

def lu(A: Any, pivot: _Bool = True, *, out: Any = None) -> Tensor:
    """A = P·L·U: a permutation, a lower triangle with ones on the diagonal, an upper triangle."""
    ...

def lu_factor(A: Any, pivot: _Bool = True, *, out: Any = None) -> Tensor:
    """Packed factors and pivots of `lu_factor_ex`; square singular matrices are refused."""
    ...

def lu_factor_ex(A: _Operand, pivot: _Bool = True, check_errors: _Bool = False, *, out: Any = None) -> Tensor:
    """A = P·L·U by elimination with the largest pivot of each column; L and U in one matrix.

    `pivots` (int32, from 1) are the rows exchanged in turn, `info` 0 or the first zero pivot.
    With Φ = L⁻¹PᵀdA·U⁻¹ of the square part: dL = L·tril(Φ, -1), dU = triu(Φ)·U.
    """
    ...

def lu_solve(LU: Any, pivots: Any, B: Any, left: _Bool = True, adjoint: _Bool = False, *, out: Any = None) -> Tensor:
    """The X with A·X = B (X·A = B unless `left`; Aᴴ for A if `adjoint`), A by its factors."""
    ...

def matmul(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """Matrix product: of vectors the dot product, of more dimensions batched and broadcast."""
    ...

def matrix_exp(input: _Operand, *, out: Any = None) -> Tensor:
    """exp(A) = Σ Aᵏ/k! of square matrices, by scaling, Padé approximation and squaring.

    The derivative in direction T is the upper right block of exp([[A, T], [0, A]]).
    """
    ...

def matrix_norm(A: Any, ord: Any = 'fro', dim: Any = (-2, -1), keepdim: _Bool = False, dtype: Any = None, *, out: Any = None) -> Tensor:
    """Norm of the matrices in the two dimensions `dim`.

    "fro": √Σ|a|²; "nuc": sum of the singular values; 2, -2: the largest, smallest singular value;
    1, -1: the largest, smallest column sum of |a|; ∞, -∞: of the row sums.
    """
    ...

def matrix_power(input: Any, n: _Number, *, out: Any = None) -> Tensor:
    """The product of |n| copies of a square matrix, or of its inverse if n < 0."""
    ...

def matrix_rank(A: _Operand, tol: Any = None, hermitian: _Bool = False, atol: Any = None, rtol: Any = None, *, out: Any = None) -> Tensor:
    """The number of singular values above max(atol, rtol·σ_max), int64; `tol` is an older `atol`.

    `rtol` is max(m, n)·ε unless `atol` is given.
    """
    ...

def matrix_sqrth(A: _Operand, *, out: Any = None) -> Tensor:
    """The Hermitian positive definite X with X·X = A; reads the lower triangle of A.

    dX solves X·dX + dX·X = dA, also where eigenvalues are equal.
    """
    ...

def multi_dot(tensors: Any, *, out: Any = None) -> Tensor:
    """The product of several matrices in the order with the fewest multiplications.

    The first and the last may be vectors.
    """
    ...

def norm(A: Any, ord: Any = None, dim: _Dims = None, keepdim: _Bool = False, dtype: Any = None, *, out: Any = None) -> Any:
    """`vector_norm` or `matrix_norm`, by the number of dimensions in `dim` (or of `A`).

    Without `ord` the 2-norm of all elements over `dim`.
    """
    ...

def pinv(A: Any, rcond: Any = None, hermitian: _Bool = False, atol: Any = None, rtol: Any = None, *, out: Any = None) -> Tensor:
    """The pseudoinverse; singular values of at most max(atol, rtol·σ_max) count as 0.

    `rtol` (older name `rcond`) is max(m, n)·ε unless `atol` is given; of a `hermitian` matrix
    the lower triangle is read.
    """
    ...

def polar(A: _Operand, *, out: Any = None) -> Tensor:
    """A = U·H of (…, m, n) matrices with m ≥ n: UᴴU = 1, H Hermitian positive semidefinite.

    With P = UᴴdA and Ω = UᴴdU from H·Ω + Ω·H = P - Pᴴ:
    dH = P - Ω·H, dU = U·Ω + (1 - UUᴴ)·dA·H⁻¹. Needs A of full rank; equal singular values are fine.
    """
    ...

def qr(A: Any, mode: str = 'reduced', *, out: Any = None) -> Tensor:
    """A = Q·R with orthonormal columns of Q and upper triangular R.

    `mode` is "reduced", "complete" (all m columns of Q) or "r" (an empty Q).
    """
    ...

def slogdet(A: _Operand, *, out: Any = None) -> Tensor:
    """sign(det A) and log|det A| of square matrices; d log det = tr(A⁻¹·dA)."""
    ...

def solve(A: Any, B: Any, left: _Bool = True, *, out: Any = None) -> Tensor:
    """The X with A·X = B (or X·A = B unless `left`); B of (…, n, k), or (…, n) as vectors."""
    ...

def solve_ex(A: Any, B: Any, left: _Bool = True, check_errors: _Bool = False, *, out: Any = None) -> Tensor:
    """`solve`, and for each matrix 0, or the place of its zero pivot; the solution is then inf."""
    ...

def solve_triangular(A: Any, B: Any, upper: _Bool, left: _Bool = True, unitriangular: _Bool = False, *, out: Any = None) -> Tensor:
    """The X with T·X = B (or X·T = B unless `left`), T the upper or lower triangle of A."""
    ...

def svd(A: _Operand, full_matrices: _Bool = True, *, out: Any = None) -> Tensor:
    """A = U·diag(σ)·Vᴴ of (…, m, n) matrices, σ descending, k = min(m, n) of them.

    With X = UᴴgU, Y = VᴴgV and F_ij = 1/(σ_j² - σ_i²)
    gA = U·((F∘(X - Xᴴ))·Σ + Σ·(F∘(Y - Yᴴ)) + diag(gσ))·Vᴴ
         + (1 - UUᴴ)·gU·Σ⁻¹·Vᴴ + U·Σ⁻¹·gVᴴ·(1 - VVᴴ).
    Columns of U and rows of Vᴴ beyond k (`full_matrices`) are arbitrary and have no derivative.
    """
    ...

def svdvals(A: Any, *, out: Any = None) -> Tensor:
    """The singular values (…, min(m, n)) of matrices (…, m, n), descending."""
    ...

def tensorinv(A: Any, ind: _Number = 2, *, out: Any = None) -> Tensor:
    """The inverse of `A` as a matrix of its first `ind` dimensions by the others."""
    ...

def tensorsolve(A: Any, B: Any, dims: Any = None, *, out: Any = None) -> Tensor:
    """The X with ``tensordot(A, X, X.ndim) = B``; `dims` of A are moved to its end first."""
    ...

def vander(x: Any, N: _Number | None = None, *, out: Any = None) -> Tensor:
    """The powers 0 … N - 1 of each element, along a new last dimension (N = n by default)."""
    ...

def vecdot(x: Any, y: Any, dim: _Number = -1, *, out: Any = None) -> Tensor:
    """Σ conj(x)·y along `dim`."""
    ...

def vector_norm(x: Any, ord: Any = 2, dim: _Dims = None, keepdim: _Bool = False, dtype: Any = None, *, out: Any = None) -> Any:
    """(Σ|x|^ord)^(1/ord) over `dim`; ±∞ the extreme |x|, 0 the number of elements that are not 0.

    Of complex numbers the norm of their absolute values.
    """
    ...

__all__: list[str]
