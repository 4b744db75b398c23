"""Orthogonal factors: QR, and products of Householder reflections.

The derivative of QR holds for matrices of full rank.
Sources: Walter & Lehmann 2010, "Algorithmic differentiation of linear algebra functions"; Golub &
Van Loan, "Matrix computations", 5.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import Array
from ..errors import GraphError, RangeError, ShapeError
from ..op import Bad, Op, Sample, compose, op
from ..samples import array
from .linalg_matrices import (
    check,
    column,
    computed,
    diagonal,
    identity,
    mT,
    on_diagonal,
)

_BOTH = ("", "Tensor")
_A = array((3, 3)) + np.diag([4.0, -4.0, 3.0])
_TALL, _WIDE = array((4, 3)), array((2, 2, 3))
_FLAT = Bad((array((3,)),), {}, ShapeError, r"at least 2 dimensions, got the shape \(3,\)")


class QR(NamedTuple):
    """The result of `qr`."""

    Q: Any
    R: Any


class OrthogonalFactors(Op, name="orthogonal_factors", spaces=()):
    """A = Q·R, QᴴQ = 1, R upper triangular; Q is (…, m, min(m, n)), or (…, m, m) if `complete`.

    With T = triu(QᴴdA·R⁻¹) + its strictly lower part's adjoint, and a real diagonal:
    dR = T·R, dQ = dA·R⁻¹ - Q·T. For m < n this holds for the first m columns, and the others
    are QᴴA.
    """

    holomorphic = False

    def forward(self, A: Array, complete: bool = False) -> tuple[Array, Array]:
        """Values."""
        check(A)
        qr: Any = np.linalg.qr
        mode = "complete" if complete else "reduced"
        return QR(*computed(lambda a: tuple(qr(a, mode)), A))

    def backward(self, g: Any, complete: Any, out: Any) -> Any:
        """gA = (gQ + Q·(X + Xᴴ - Re diag X))·R⁻ᴴ with X = triu(gR·Rᴴ - Qᴴ·gQ)."""
        q, r = out
        k = self._differentiable(q, r, complete)
        gq = op.zeros_like(q) if g[0] is None else g[0]
        gr = op.zeros_like(r) if g[1] is None else g[1]
        rest = None
        if r.shape[-1] > k:
            rest = op.matmul(q, op.getitem(gr, (..., slice(k, None))))
            gq = gq + op.matmul(
                q,
                op.matmul(
                    op.getitem(r, (..., slice(k, None))),
                    op.adjoint(op.getitem(gr, (..., slice(k, None)))),
                ),
            )
            gr, r = (op.getitem(v, (..., slice(k))) for v in (gr, r))
        x = op.triu(op.matmul(gr, op.adjoint(r)) - op.matmul(op.adjoint(q), gq))
        x = x + op.adjoint(x) - on_diagonal(op.to(op.real(diagonal(x)), x.dtype))
        found = gq + op.matmul(q, x)
        found = op.adjoint(op.solve_triangle(r, op.adjoint(found), True))
        return found if rest is None else op.cat([found, rest], -1)

    def jvp(self, t: Any, complete: Any, out: Any) -> Any:
        """dQ and dR."""
        q, r = out
        k = self._differentiable(q, r, complete)
        first, right = (op.getitem(v, (..., slice(k))) for v in (t, r))
        scaled = mT(op.solve_triangle(mT(right), mT(first), False))
        c = op.matmul(op.adjoint(q), scaled)
        turn = op.triu(c, 1) + op.adjoint(op.tril(c, -1))
        turn = turn + on_diagonal(op.to(op.real(diagonal(c)), c.dtype))
        dq, dr = scaled - op.matmul(q, turn), op.matmul(turn, right)
        if r.shape[-1] > k:
            others = op.getitem(t, (..., slice(k, None)))
            others = op.matmul(op.adjoint(q), others)
            turned = op.matmul(op.adjoint(q), op.matmul(dq, op.getitem(r, (..., slice(k, None)))))
            dr = op.cat([dr, others - turned], -1)
        return dq, dr

    @staticmethod
    def _differentiable(q: Any, r: Any, complete: bool) -> int:
        if complete and q.shape[-1] > r.shape[-1]:
            raise GraphError(
                "qr: with mode='complete' and more rows than columns the last columns "
                "of Q are arbitrary and have no derivative"
            )
        return int(min(q.shape[-2], r.shape[-1]))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Tall, wide, square."""
        yield Sample((_TALL,))
        yield Sample((_WIDE,))
        yield Sample((_A, True))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A vector."""
        yield _FLAT


@compose(
    Sample((_TALL,)),
    Sample((_TALL.astype(np.float32), "complete")),
    Sample((_TALL, "r")),
    aliases=("linalg.qr",),
    spaces=(),
    errors=(_FLAT, Bad((_TALL, "full"), {}, RangeError, "'full'")),
)
def linalg_qr(A: Any, mode: str = "reduced") -> Any:
    """A = Q·R with orthonormal columns of Q and upper triangular R.

    `mode` is "reduced", "complete" (all m columns of Q) or "r" (an empty Q).
    """
    if mode not in ("reduced", "complete", "r"):
        raise RangeError(f"mode is 'reduced', 'complete' or 'r', not {mode!r}")
    q, r = op.orthogonal_factors(A, mode == "complete")
    return QR(q if mode != "r" else op.zeros_like(op.reshape(q, (-1,))[:0]), r)


# ---- Householder reflections ---------------------------------------------------------------------


class Reflections(NamedTuple):
    """The result of `geqrf`: R, below it the vectors of the reflections; and their factors."""

    a: Any
    tau: Any


class Geqrf(Op, name="geqrf", spaces=_BOTH):
    """The factors Q·R of a matrix as LAPACK leaves them: see `householder_product`."""

    differentiable = False

    def forward(self, input: Array) -> tuple[Array, Array]:
        """Values."""
        check(input)

        def factors(a: Array) -> tuple[Array, Array]:
            packed, tau = np.linalg.qr(a, "raw")
            return packed.mT, tau

        return Reflections(*computed(factors, input))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Tall."""
        yield Sample((_TALL,))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A vector."""
        yield _FLAT


@compose(
    Sample((_TALL, array((3,), seed=1))),
    Sample((array((2, 3, 3)), array((2, 2), seed=1))),
    aliases=("linalg.householder_product",),
    spaces=_BOTH,
    errors=(
        Bad((array((2, 3)), array((2,))), {}, ShapeError, "at least as many rows"),
        Bad((_TALL, array((4,))), {}, ShapeError, "at most as many factors"),
    ),
)
def orgqr(input: Any, tau: Any) -> Any:
    """The first n columns of H₁·H₂·…·H_k, H_i = 1 - τ_i·v_i·v_iᴴ.

    v_i is 0 above, 1 at, and column i of `input` (…, m, n) below its element i.
    """
    m, n = input.shape[-2:]
    if m < n:
        raise ShapeError(f"expected at least as many rows as columns, got {tuple(input.shape)}")
    eye = op.masked(input, False) + identity(m, input, n)  # a batch, with a gradient, as input
    return _reflected(input, tau, eye, False)


def _reflected(a: Any, tau: Any, value: Any, transposed: bool) -> Any:
    """Q·value, or Qᴴ·value."""
    check(a)
    count = tau.shape[-1]
    m, n = a.shape[-2:]
    if count > n:
        raise ShapeError(f"expected at most as many factors as columns, got {count} and {n}")
    vectors = op.tril(a, -1) + identity(m, a, n)
    for i in range(count) if transposed else reversed(range(count)):
        v = op.getitem(vectors, (..., slice(i, i + 1)))
        factor = column(op.getitem(tau, (..., slice(i, i + 1))))
        factor = op.conj(factor) if transposed else factor
        value = value - factor * op.matmul(v, op.matmul(op.adjoint(v), value))
    return value


@compose(
    Sample((_TALL, array((3,), seed=1), array((4, 2), seed=2))),
    Sample((_TALL, array((3,), seed=1), array((2, 4), seed=2), False, True)),
    spaces=_BOTH,
    errors=(
        Bad((_TALL, array((3,)), array((3, 2))), {}, ShapeError, r"\(4, 3\) and \(3, 2\)"),
        Bad((_TALL, array((4,)), array((4, 2))), {}, ShapeError, "at most as many factors"),
    ),
)
def ormqr(input: Any, tau: Any, other: Any, left: bool = True, transpose: bool = False) -> Any:
    """Q·other (or other·Q, or with Qᴴ), Q the m × m product of the reflections of `geqrf`."""
    check(other)
    if other.shape[-2 if left else -1] != input.shape[-2]:
        raise ShapeError(f"the shapes {tuple(input.shape)} and {tuple(other.shape)} do not fit")
    if left:
        return _reflected(input, tau, other, transpose)
    return op.adjoint(_reflected(input, tau, op.adjoint(other), not transpose))
