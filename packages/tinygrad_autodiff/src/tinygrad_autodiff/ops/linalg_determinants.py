"""Determinants: det, slogdet, logdet.

The first derivative of the determinant of a singular matrix is exact: the cofactors are found by
singular values. Its second derivative needs a regular matrix.
Source: Giles 2008, "Collected matrix derivative results for forward and reverse mode AD", 2.2.4.
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
    column,
    computed,
    mT,
)

_BOTH = ("", "Tensor")
_ALL = ("", "Tensor", "linalg")
_A = array((3, 3)) + np.diag([4.0, -4.0, 3.0])
_BATCH = np.stack([_A, _A.T, 2 * _A])
_NOT_SQUARE = Bad((array((2, 3)),), {}, ShapeError, r"square matrices, got the shape \(2, 3\)")


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
    """``log det(A)`` of (…, n, n); NaN where the determinant of a real matrix is negative."""
    sign, size = op.slogdet(input)
    return size + op.log(sign)
