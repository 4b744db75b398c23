"""A = L·D·Lᴴ of Hermitian matrices that need not be definite, with 1 × 1 and 2 × 2 blocks in D.

No derivatives, as in torch.
Source: Bunch & Kaufman 1977, "Some stable methods for calculating inertia and solving symmetric
linear systems"; the layout is that of LAPACK's sytf2 and hetf2 for the lower triangle.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import Array
from ..errors import LinAlgError, ShapeError
from ..op import Bad, Op, Sample, compose, op
from ..samples import array
from .linalg_matrices import check, check_system, computed

_HERE = ("linalg",)
_ALPHA = (1 + 17**0.5) / 8  # bounds the growth of elements
_S = array((4, 4)) + array((4, 4)).T
_S32 = _S.astype(np.float32)
_NOT_SQUARE = Bad((array((2, 3)),), {}, ShapeError, r"square matrices, got the shape \(2, 3\)")


class LDL(NamedTuple):
    """Packed factors, pivots (from 1, negative for a 2 × 2 block), and failures."""

    LD: Any
    pivots: Any
    info: Any


class LDLPair(NamedTuple):
    """The result of `ldl_factor`."""

    LD: Any
    pivots: Any


class LdlFactorEx(Op, name="ldl_factor_ex", spaces=_HERE):
    """A = L·D·Lᵀ (Lᴴ if `hermitian`) with rows exchanged; reads the lower triangle.

    D is on the diagonal of the result and, for blocks of 2 × 2, beside it; L below. `info` is 0,
    or the place of the first zero block, from 1.
    """

    differentiable = False

    def forward(
        self, A: Array, hermitian: bool = False, check_errors: bool = False
    ) -> tuple[Array, ...]:
        """Values, one matrix after the other."""
        check(A, square=True)
        conjugated = hermitian and A.dtype.kind == "c"

        def factors(a: Array) -> tuple[Array, Array, Array]:
            packed = np.tril(a)
            pivots = np.zeros(a.shape[:-1], np.int32)
            info = np.zeros(a.shape[:-2], np.int32)
            for place in np.ndindex(info.shape):
                info[place] = _factor(packed[place], pivots[place], conjugated)
            return packed, pivots, info

        found = LDL(*computed(factors, A))
        if check_errors and found.info.any():
            raise LinAlgError(f"the block {found.info.max()} of D is zero")
        return found

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """An indefinite matrix, a batch."""
        yield Sample((_S,))
        yield Sample((np.stack([_S, _S @ _S]),))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """No square, singular."""
        yield _NOT_SQUARE
        yield Bad((np.zeros((2, 2)), False, True), {}, LinAlgError, "block 1 of D is zero")


@compose(Sample((_S32,)), spaces=_HERE, errors=(_NOT_SQUARE,))
def ldl_factor(A: Any, hermitian: bool = False) -> Any:
    """Packed factors and pivots of `ldl_factor_ex`; singular matrices are refused."""
    return LDLPair(*op.ldl_factor_ex(A, hermitian, True)[:2])


def _factor(a: Array, pivots: Array, conjugated: bool) -> int:
    """Factorise the lower triangle `a` in place; returns the place of a zero block, or 0."""
    n, k, info = len(a), 0, 0
    while k < n:
        below = _size(a[k + 1 :, k])
        largest = k + 1 + int(below.argmax()) if k + 1 < n else k
        size = below.max(initial=0)
        first = _size(a[k, k])
        swap, step = k, 1
        if max(first, size) == 0:
            info = info or k + 1
        elif first < _ALPHA * size:
            others = _size(np.concatenate([a[largest, k:largest], a[largest + 1 :, largest]]))
            if first < _ALPHA * size * (size / others.max()):
                swap = largest
                step = 1 if _size(a[largest, largest]) >= _ALPHA * others.max() else 2
        _exchange(a, k, k + step - 1, swap, conjugated)
        pivots[k : k + step] = swap + 1 if step == 1 else -(swap + 1)
        end = k + step
        columns = a[end:, k:end].copy()
        block = _block(a, k, step, conjugated)
        if end < n and block.any():
            scaled = np.linalg.solve(block.T, columns.T).T
            a[end:, end:] -= np.tril(scaled @ (np.conj(columns.T) if conjugated else columns.T))
            a[end:, k:end] = scaled
        k = end
    return info


def _size(value: Any) -> Any:
    return np.abs(value.real) + np.abs(value.imag)  # what LAPACK compares


def _exchange(a: Array, k: int, row: int, swap: int, conjugated: bool) -> None:
    """Exchange rows and columns `row` < `swap` of the part of `a` from `k` on."""
    if swap == row:
        return
    full = np.tril(a[k:, k:])
    full = full + (np.conj(np.tril(full, -1).T) if conjugated else np.tril(full, -1).T)
    order = np.arange(len(full))
    order[[row - k, swap - k]] = order[[swap - k, row - k]]
    a[k:, k:] = np.tril(full[np.ix_(order, order)])


def _block(a: Array, k: int, step: int, conjugated: bool) -> Array:
    """The block of D at `k`."""
    if step == 1:
        return np.array([[a[k, k].real if conjugated else a[k, k]]], a.dtype)
    beside = a[k + 1, k]
    above = np.conj(beside) if conjugated else beside
    return np.array([[a[k, k], above], [beside, a[k + 1, k + 1]]], a.dtype)


class LdlSolution(Op, name="ldl_solution", spaces=()):
    """`ldl_solve`, with the arrays first."""

    differentiable = False

    def forward(self, LD: Array, B: Array, pivots: Any, hermitian: bool = False) -> Array:
        """Values, one matrix after the other."""
        check_system(LD, B)
        conjugated = hermitian and LD.dtype.kind == "c"

        def solve(packed: Array, b: Array) -> Array:
            plain = np.asarray(pivots)
            batch = np.broadcast_shapes(packed.shape[:-2], b.shape[:-2])
            found = np.array(np.broadcast_to(b, (*batch, *b.shape[-2:])))
            packed = np.broadcast_to(packed, (*batch, *packed.shape[-2:]))
            plain = np.broadcast_to(plain, (*batch, plain.shape[-1]))
            for place in np.ndindex(batch):
                _substitute(packed[place], plain[place], found[place], conjugated)
            return found

        return np.asarray(computed(solve, LD, B))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """A block of 2 × 2 and one of 1 × 1."""
        packed = np.array([[1.0, 0, 0], [2, 1, 0], [0.5, 0.25, 3]]).astype(np.float32)
        right = np.ones((3, 2), np.float32)
        yield Sample((packed, right, np.array([-2, -2, 3], np.int32)))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Shapes that do not fit."""
        yield Bad((_S, array((3, 1)), np.ones(4, np.int32)), {}, ShapeError, "do not fit")


@compose(
    Sample((_S32, np.arange(1, 5, dtype=np.int32), _S32)),
    spaces=_HERE,
    errors=(_NOT_SQUARE._replace(args=(array((2, 3)), np.ones(2, np.int32), array((2, 1)))),),
)
def ldl_solve(LD: Any, pivots: Any, B: Any, hermitian: bool = False) -> Any:
    """The X with A·X = B, A by the factors and pivots of `ldl_factor`."""
    return op.ldl_solution(LD, B, pivots, hermitian)


def _substitute(a: Array, pivots: Array, x: Array, conjugated: bool) -> None:
    """Solve L·D·Lᴴ·x = x in place, the exchanges undone one by one."""
    starts, k = [], 0
    while k < len(a):
        starts.append((k, 2 if pivots[k] < 0 else 1))
        k += starts[-1][1]
    for k, step in starts:
        row, swap = k + step - 1, abs(int(pivots[k])) - 1
        x[[row, swap]] = x[[swap, row]]
        x[k + step :] -= a[k + step :, k : k + step] @ x[k : k + step]
    for k, step in starts:
        x[k : k + step] = np.linalg.solve(_block(a, k, step, conjugated), x[k : k + step])
    for k, step in reversed(starts):
        columns = a[k + step :, k : k + step]
        x[k : k + step] -= (np.conj(columns.T) if conjugated else columns.T) @ x[k + step :]
        row, swap = k + step - 1, abs(int(pivots[k])) - 1
        x[[row, swap]] = x[[swap, row]]
