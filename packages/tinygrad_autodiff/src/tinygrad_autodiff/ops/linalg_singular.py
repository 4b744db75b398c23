"""Singular values and what is made of them: svd, pinv, rank, condition, polar decomposition.

Equal singular values and zero ones: a gradient through the singular vectors has the factors
1/(σ_j² - σ_i²) and 1/σ_i; where these would divide by what is 0 up to rounding they are 0, so
that the gradient is finite, and right for functions of the singular subspaces. (torch gives inf
or NaN.) A gradient through the singular values alone has no such factor, and `pinv` and `polar`
have rules of their own. Singular vectors are determined up to a common factor of absolute value
1; a loss that depends on that of complex ones is refused in the backward pass, as in torch.
Sources: Giles 2008, "Collected matrix derivative results for forward and reverse mode AD"; Golub
and Pereyra 1973, "The differentiation of pseudo-inverses".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import Array, real_dtype
from ..errors import ArgumentError, ShapeError
from ..op import Bad, Op, Sample, compose, op
from ..random import default_generator
from ..samples import array
from ..tensor import Tensor
from .linalg_matrices import (
    alike,
    check,
    check_phases,
    column,
    computed,
    diagonal,
    inverse_gaps,
    on_diagonal,
    row,
    skew,
)

_HERE = ("linalg",)
_BOTH = ("", "Tensor")
_TALL, _WIDE, _SQUARE = array((4, 2)), array((2, 2, 3)), array((3, 3))
_FLAT = Bad((array((3,)),), {}, ShapeError, r"at least 2 dimensions, got the shape \(3,\)")


class SVD(NamedTuple):
    """The result of `linalg.svd`."""

    U: Any
    S: Any
    Vh: Any


class TransposedSVD(NamedTuple):
    """The result of `svd`, with V instead of its adjoint."""

    U: Any
    S: Any
    V: Any


class SingularFactors(Op, name="singular_factors", aliases=("linalg.svd",), spaces=()):
    """A = U·diag(σ)·Vᴴ of (…, m, n) matrices, σ descending, k = min(m, n) of them.

    With X = UᴴgU, Y = VᴴgV and F_ij = 1/(σ_j² - σ_i²)
    gA = U·((F∘(X - Xᴴ))·Σ + Σ·(F∘(Y - Yᴴ)) + diag(gσ))·Vᴴ
         + (1 - UUᴴ)·gU·Σ⁻¹·Vᴴ + U·Σ⁻¹·gVᴴ·(1 - VVᴴ).
    Columns of U and rows of Vᴴ beyond k (`full_matrices`) are arbitrary and have no derivative.
    """

    holomorphic = False

    def forward(self, A: Array, full_matrices: bool = True) -> tuple[Array, ...]:
        """Values."""
        check(A)
        return SVD(*computed(lambda a: tuple(np.linalg.svd(a, full_matrices)), A))

    def backward(self, g: Any, out: Any) -> Any:
        """In the bases of the singular vectors."""
        u, s, vh = _thin(out)
        k = s.shape[-1]
        gu = None if g[0] is None else op.getitem(g[0], (..., slice(k)))
        gv = None if g[2] is None else op.adjoint(op.getitem(g[2], (..., slice(k), slice(None))))
        v = op.adjoint(vh)
        x = None if gu is None else op.matmul(op.adjoint(u), gu)
        y = None if gv is None else op.matmul(vh, gv)
        inner = 0 if g[1] is None else op.to(on_diagonal(g[1]), u.dtype)
        if x is not None or y is not None:
            check_phases(x if y is None else y if x is None else x + y, "svd")
            gaps, inverse = inverse_gaps(s * s), _inverse(s)
        if x is not None:
            inner = inner + skew(x) * gaps * row(s)
            if u.dtype.kind == "c":
                inner = inner + on_diagonal(op.imag(diagonal(x)) * inverse * 1j)
        if y is not None:
            inner = inner + skew(y) * gaps * column(s)
        found = op.matmul(op.matmul(u, inner), vh)
        if x is not None and u.shape[-2] > k:
            found = found + op.matmul((gu - op.matmul(u, x)) * row(inverse), vh)
        if y is not None and vh.shape[-1] > k:
            found = found + op.matmul(u * row(inverse), op.adjoint(gv - op.matmul(v, y)))
        return found

    def jvp(self, t: Any, out: Any) -> Any:
        """dσ = Re diag(UᴴtV), and what turns the singular vectors."""
        u, s, vh = _thin(out)
        v = op.adjoint(vh)
        inner = op.matmul(op.matmul(op.adjoint(u), t), v)
        gaps, inverse = inverse_gaps(s * s), _inverse(s)
        left, right = inner * row(s), inner * column(s)
        du = op.matmul(u, (left + op.adjoint(left)) * gaps)
        dv = op.matmul(v, (right + op.adjoint(right)) * gaps)
        if u.dtype.kind == "c":
            phases = row(op.imag(diagonal(inner)) * inverse * 0.5j)
            du, dv = du + u * phases, dv - v * phases
        if u.shape[-2] > s.shape[-1]:
            change = op.matmul(t, v)
            change = change - op.matmul(u, op.matmul(op.adjoint(u), change))
            du = du + change * row(inverse)
        if vh.shape[-1] > s.shape[-1]:
            change = op.matmul(op.adjoint(t), u)
            change = change - op.matmul(v, op.matmul(vh, change))
            dv = dv + change * row(inverse)
        extra = [out[0].shape[-1] - u.shape[-1], out[2].shape[-2] - vh.shape[-2]]
        du = op.constant_pad(du, (0, extra[0])) if extra[0] else du
        dvh = op.adjoint(dv)
        dvh = op.constant_pad(dvh, (0, 0, 0, extra[1])) if extra[1] else dvh
        return du, op.real(diagonal(inner)), dvh

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Square, tall and wide."""
        yield Sample((_SQUARE,))
        yield Sample((_TALL, False))
        yield Sample((_WIDE, False))


def _thin(out: Any) -> tuple[Any, Any, Any]:
    u, s, vh = out
    k = s.shape[-1]
    return op.getitem(u, (..., slice(k))), s, op.getitem(vh, (..., slice(k), slice(None)))


def _inverse(s: Any) -> Any:
    """1/σ, 0 where σ is 0 up to rounding."""
    data = np.asarray(s)
    limit = np.finfo(data.dtype).eps * data.max(-1, keepdims=True, initial=0) * data.shape[-1]
    good = data > limit
    return op.masked(1 / op.where(good, s, 1.0), good)


@compose(
    Sample((_TALL,)),
    Sample((_TALL.astype(np.float32), False)),
    spaces=_BOTH,
    errors=(_FLAT,),
)
def svd(input: Any, some: bool = True, compute_uv: bool = True) -> Any:
    """As `linalg.svd`, with V instead of Vᴴ and ``some = not full_matrices``."""
    u, s, vh = op.singular_factors(input, not some)
    if not compute_uv:
        adjoint = op.adjoint(input)
        u = op.zeros_like(op.matmul(input, adjoint))
        vh = op.zeros_like(op.matmul(adjoint, input))
    return TransposedSVD(u, s, op.adjoint(vh))


@compose(Sample((_TALL,)), Sample((_WIDE,)), spaces=_HERE, errors=(_FLAT,))
def svdvals(A: Any) -> Any:
    """The singular values (…, min(m, n)) of matrices (…, m, n), descending."""
    return op.singular_factors(A, False)[1]


class Pseudoinverse(Op, name="pseudoinverse", spaces=()):
    """A⁺ of (…, m, n) matrices: singular values at most max(atol, rtol·σ_max) count as 0.

    dA⁺ = -A⁺·dA·A⁺ + A⁺A⁺ᴴ·dAᴴ·(1 - AA⁺) + (1 - A⁺A)·dAᴴ·A⁺ᴴA⁺, where the rank stays the same.
    """

    holomorphic = False

    def forward(self, A: Array, atol: Any, rtol: Any, hermitian: bool = False) -> Array:
        """Values, by the singular values."""

        def inverse(a: Array) -> Array:
            a = _hermitian(a) if hermitian else a
            u, s, vh = np.linalg.svd(a, full_matrices=False)
            limit = _limit(s, atol, rtol, a.shape)
            with np.errstate(divide="ignore"):
                inverted = np.where(s > limit, 1 / s, 0).astype(s.dtype)
            found: Array = np.conj(vh.mT) * inverted[..., None, :] @ np.conj(u.mT)
            return found

        return np.asarray(computed(inverse, A))

    def backward(self, g: Any, A: Any, out: Any) -> Any:
        """The adjoint of each term."""
        outh, gh = op.adjoint(out), op.adjoint(g)
        found = -op.matmul(op.matmul(outh, g), outh)
        term = op.matmul(op.matmul(gh, out), outh)
        found = found + term - op.matmul(A, op.matmul(out, term))
        term = op.matmul(op.matmul(outh, out), gh)
        return found + term - op.matmul(op.matmul(term, out), A)

    def jvp(self, t: Any, A: Any, out: Any) -> Any:
        """The three terms."""
        outh, th = op.adjoint(out), op.adjoint(t)
        found = -op.matmul(op.matmul(out, t), out)
        term = op.matmul(op.matmul(out, outh), th)
        found = found + term - op.matmul(op.matmul(term, A), out)
        term = op.matmul(th, op.matmul(outh, out))
        return found + term - op.matmul(out, op.matmul(A, term))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Tall, wide."""
        yield Sample((_TALL, None, None))
        yield Sample((_WIDE, None, None))


def _limit(s: Array, atol: Any, rtol: Any, shape: tuple[int, ...]) -> Array:
    """The largest singular value that counts as 0, (…, 1)."""
    atol, rtol = (v._data if isinstance(v, Tensor) else v for v in (atol, rtol))
    if rtol is None:
        rounding = max(shape[-2:]) * np.finfo(s.dtype).eps
        rtol = rounding if atol is None else np.where(np.asarray(atol) > 0, 0, rounding)
    largest = s.max(-1, keepdims=True, initial=0)
    absolute = np.asarray(0 if atol is None else atol)[..., None]
    return np.asarray(np.maximum(absolute, np.asarray(rtol)[..., None] * largest))


_RANK_ONE = (array((3, 1)) @ array((1, 3), seed=1)).astype(np.float32)


@compose(
    Sample((_TALL,)),
    Sample((_RANK_ONE,)),
    Sample((_SQUARE,), {"rtol": 0.1}),
    spaces=_HERE,
    errors=(_FLAT,),
)
def pinv(
    A: Any, rcond: Any = None, hermitian: bool = False, atol: Any = None, rtol: Any = None
) -> Any:
    """The pseudoinverse; singular values of at most max(atol, rtol·σ_max) count as 0.

    `rtol` (older name `rcond`) is max(m, n)·ε unless `atol` is given; of a `hermitian` matrix
    the lower triangle is read.
    """
    check(A, square=hermitian)
    return op.pseudoinverse(A, atol, rcond if rtol is None else rtol, hermitian)


@compose(Sample((_TALL,)), spaces=_BOTH)
def pinverse(input: Any, rcond: float = 1e-15) -> Any:
    """`linalg.pinv` with another default for `rcond`."""
    return op.pinv(input, rcond)


class MatrixRank(Op, name="matrix_rank", spaces=_HERE):
    """The number of singular values above max(atol, rtol·σ_max), int64; `tol` is an older `atol`.

    `rtol` is max(m, n)·ε unless `atol` is given.
    """

    differentiable = False

    def forward(
        self,
        A: Array,
        tol: Any = None,
        hermitian: bool = False,
        atol: Any = None,
        rtol: Any = None,
    ) -> Array:
        """Values."""
        check(A, square=hermitian)
        if tol is not None:
            atol, rtol = tol, 0.0
        if not A.size:
            return np.zeros(A.shape[:-2], np.int64)
        s = computed(lambda a: np.linalg.svd(_hermitian(a) if hermitian else a)[1], A)
        return np.asarray((s > _limit(s, atol, rtol, A.shape)).sum(-1))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """A deficient matrix, a batch, a tolerance."""
        yield Sample((_RANK_ONE,))
        yield Sample((_WIDE,))
        yield Sample((_SQUARE, 1.5, True))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A vector."""
        yield _FLAT


def _hermitian(a: Array) -> Array:
    """The Hermitian matrix whose lower triangle `a` holds."""
    lower = np.tril(a, -1)
    return np.tril(a) + np.conj(lower.mT)


@compose(
    *(Sample((_SQUARE, p)) for p in (None, -2, 1, "fro", "nuc")),
    Sample((_TALL,)),
    spaces=_HERE,
    errors=(_FLAT, Bad((_TALL, 1), {}, ShapeError, "square matrices")),
)
def cond(A: Any, p: Any = None) -> Any:
    """Condition number ‖A‖·‖A⁻¹‖ in the matrix norm `p`; 2 (None) and -2 by singular values.

    Infinite for singular matrices.
    """
    check(A, square=p not in (None, 2, -2))
    if p in (None, 2, -2):
        values = op.svdvals(A)
        first, last = op.select(values, -1, 0), op.select(values, -1, -1)
        return last / first if p == -2 else first / last
    inverse, info = op.inv_ex(A)
    found = op.matrix_norm(A, p) * op.matrix_norm(inverse, p)
    return op.where(info == 0, found, np.inf)


class Polar(NamedTuple):
    """The result of `linalg.polar`."""

    U: Any
    H: Any


class PolarFactors(Op, name="polar_factors", aliases=("linalg.polar",), spaces=()):
    """A = U·H of (…, m, n) matrices with m ≥ n: UᴴU = 1, H Hermitian positive semidefinite.

    With P = UᴴdA and Ω = UᴴdU from H·Ω + Ω·H = P - Pᴴ:
    dH = P - Ω·H, dU = U·Ω + (1 - UUᴴ)·dA·H⁻¹. Needs A of full rank; equal singular values are fine.
    """

    holomorphic = False

    def forward(self, A: Array) -> tuple[Array, Array]:
        """Values, by the singular value decomposition."""
        check(A)
        if A.shape[-2] < A.shape[-1]:
            raise ShapeError(f"expected at least as many rows as columns, got {A.shape}")

        def factors(a: Array) -> tuple[Array, Array]:
            u, s, vh = np.linalg.svd(a, full_matrices=False)
            return u @ vh, np.conj(vh.mT) * s[..., None, :] @ vh

        return Polar(*computed(factors, A))

    def backward(self, g: Any, out: Any) -> Any:
        """The adjoint of `jvp`."""
        u, h = out
        adjoint = op.adjoint(u)
        inner = 0 if g[0] is None else op.matmul(adjoint, g[0])
        whole = inner if g[1] is None else inner - op.matmul(g[1], h)
        turned = skew(op.lyapunov(h, whole))
        found = op.matmul(u, turned if g[1] is None else turned + g[1])
        if g[0] is not None and u.shape[-2] > h.shape[-1]:
            outside = g[0] - op.matmul(u, inner)
            found = found + op.adjoint(op.solve_square(h, op.adjoint(outside)))
        return found

    def jvp(self, t: Any, out: Any) -> Any:
        """dU and dH."""
        u, h = out
        inner = op.matmul(op.adjoint(u), t)
        turned = op.lyapunov(h, skew(inner))
        du = op.matmul(u, turned)
        if u.shape[-2] > h.shape[-1]:
            outside = t - op.matmul(u, inner)
            du = du + op.adjoint(op.solve_square(h, op.adjoint(outside)))
        return du, inner - op.matmul(turned, h)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Tall, square."""
        yield Sample((_TALL,))
        yield Sample((array((2, 2, 2)),))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A wide matrix."""
        yield Bad((_WIDE,), {}, ShapeError, "as many rows as columns")


# ---- by random projection ------------------------------------------------------------------------


@compose(Sample((_TALL.astype(np.float32), 1)), spaces=("",))
def svd_lowrank(A: Any, q: int = 6, niter: int = 2, M: Any = None) -> Any:
    """The `q` largest singular values and vectors (U, S, V) of ``A - M``, approximately.

    Draws random directions.  Source: Halko, Martinsson & Tropp 2011, "Finding structure with
    randomness", algorithms 4.4 and 5.1.
    """
    check(A)
    A = A if M is None else A - M
    if not 0 <= q <= min(A.shape[-2:]):
        raise ArgumentError(f"q is from 0 to min(m, n) = {min(A.shape[-2:])}, not {q}")
    draws = default_generator.normal(A.shape[-1] * q, real_dtype(A.dtype)).astype(A.dtype)
    directions = alike(draws.reshape(A.shape[-1], q), A)
    adjoint = op.adjoint(A)
    base = op.linalg_qr(op.matmul(A, directions))[0]
    for _ in range(niter):
        base = op.linalg_qr(op.matmul(adjoint, base))[0]
        base = op.linalg_qr(op.matmul(A, base))[0]
    u, s, vh = op.singular_factors(op.matmul(op.adjoint(base), A), False)
    return TransposedSVD(op.matmul(base, u), s, op.adjoint(vh))


@compose(Sample((_TALL.astype(np.float32), 1)), spaces=("",))
def pca_lowrank(A: Any, q: int | None = None, center: bool = True, niter: int = 2) -> Any:
    """`svd_lowrank` of the rows of `A`, less their mean if `center`: principal components."""
    check(A)
    q = min(6, *A.shape[-2:]) if q is None else q
    return op.svd_lowrank(A - op.mean(A, -2, True) if center else A, q, niter)
