"""What the operations on matrices share: checks, precision, and rows and columns of numbers.

A matrix is the last two dimensions of a tensor; all others are batch dimensions. float16 is
computed in float32 and rounded once at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import Array
from ..errors import DtypeError, LinAlgError, ShapeError
from ..registry import op
from ..tensor import Tensor, wrap


def check(A: Any, square: bool = False) -> None:
    """An error unless `A` holds (square) matrices of floating or complex numbers."""
    shape = tuple(A.shape)
    if len(shape) < 2:
        raise ShapeError(f"expected at least 2 dimensions, got the shape {shape}")
    if square and shape[-1] != shape[-2]:
        raise ShapeError(f"expected square matrices, got the shape {shape}")
    if A.dtype.kind not in "fc":
        raise DtypeError(f"expected a floating or complex input, got {A.dtype}")


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


def computed(function: Callable[..., Any], *arrays: Array) -> Any:
    """`function` of `arrays` in at least float32, as an array or a tuple of arrays."""
    half = arrays[0].dtype == np.float16
    if half:
        arrays = tuple(a.astype(np.float32) for a in arrays)
    try:
        result = function(*arrays)
    except np.linalg.LinAlgError as error:
        raise LinAlgError(f"{error}; the shape is {arrays[0].shape}") from error
    if isinstance(result, tuple):
        return tuple(_rounded(part, half) for part in result)
    return _rounded(result, half)


def _rounded(part: Any, half: bool) -> Array:
    found: Array = np.asarray(part)
    return found.astype(np.float16) if half and found.dtype.kind == "f" else found


def row(values: Any) -> Any:
    """(…, n) as (…, 1, n): scales the columns of a matrix."""
    return op.unsqueeze(values, -2)


def column(values: Any) -> Any:
    """(…, n) as (…, n, 1): scales the rows of a matrix."""
    return op.unsqueeze(values, -1)


def identity(n: int, like: Any, columns: int | None = None) -> Any:
    """The n × n identity (n × `columns`), an array or a tensor as `like`, of its dtype."""
    return alike(np.eye(n, columns, dtype=like.dtype), like)


def alike(found: Array, like: Any) -> Any:
    """`found` as a tensor if `like` is one."""
    return wrap(found) if isinstance(like, Tensor) else found


def skew(X: Any) -> Any:
    """X - Xᴴ."""
    return X - op.adjoint(X)


def without_diagonal(X: Any) -> Any:
    """`X` with zeros on the diagonal."""
    return op.masked(X, ~np.eye(X.shape[-1], dtype=bool))


def on_diagonal(values: Any) -> Any:
    """(…, n) as diagonal matrices (…, n, n)."""
    return op.diag_embed(values)


def diagonal(X: Any) -> Any:
    """The diagonals of matrices, (…, n)."""
    return op.diagonal(X, 0, -2, -1)


def half_lower(X: Any) -> Any:
    """The lower triangle of `X`, its diagonal halved."""
    return op.tril(X) - on_diagonal(diagonal(X) * 0.5)


def inverse_gaps(values: Any) -> Any:
    """1/(v_j - v_i) at (i, j); 0 between values that are equal up to rounding."""
    gaps = row(values) - column(values)
    data = np.abs(np.asarray(values)).astype(np.float64)
    largest = data.max(-1, initial=0)[..., None, None]
    limit = np.finfo(values.dtype).eps * values.shape[-1] * largest
    apart = np.abs(np.asarray(gaps)) > limit
    return op.masked(1 / op.where(apart, gaps, 1.0), apart)


def check_phases(overlaps: Any, name: str) -> None:
    """An error if a loss depends on the phases of complex vectors, which are arbitrary."""
    if overlaps.dtype.kind != "c":
        return
    parts = np.asarray(diagonal(overlaps)).imag
    if (np.abs(parts) > 1e-2).any():
        raise LinAlgError(
            f"{name}: the vectors are determined up to a factor of absolute value 1, and the loss "
            "depends on these factors, so that its gradient is not defined"
        )
