"""Products of the Python array API standard, which has them in its namespace and in `linalg`."""

from __future__ import annotations

from typing import Any

from .registry import op
from .tensor import Tensor


def matrix_transpose(x: Tensor, /) -> Any:
    """The last two dimensions exchanged."""
    return op.transpose(x, -2, -1)


def tensordot(x1: Tensor, x2: Tensor, /, *, axes: Any = 2) -> Any:
    """Sum of products over `axes` of both."""
    return op.tensordot(x1, x2, axes)


def vecdot(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Any:
    """Dot products along `axis`; `x1` is conjugated."""
    return op.sum(op.conj(x1) * x2, axis)
