"""The extension `linalg` of the Python array API standard, on tensors.

Most of it is `tinygrad_autodiff.linalg`, whose functions take the standard's keywords (``axis``,
``keepdims``, ``rtol``) too; what torch has elsewhere, or in another form, is defined here.
"""

from __future__ import annotations

from typing import Any

from . import linalg
from .array_api_products import matrix_transpose as matrix_transpose
from .array_api_products import tensordot as tensordot
from .array_api_products import vecdot as vecdot
from .registry import op
from .tensor import Tensor

_SAME = """cholesky cross det diagonal eigh eigvalsh inv matmul matrix_norm matrix_power matrix_rank
    pinv qr slogdet solve svd svdvals vector_norm"""
for _name in _SAME.split():
    globals()[_name] = getattr(linalg, _name)


def outer(x1: Tensor, x2: Tensor, /) -> Any:
    """``out[i, j] = x1[i]·x2[j]`` of two vectors."""
    return op.outer(x1, x2)


def trace(x: Tensor, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """Sum of the diagonal `offset` of each matrix (…, M, N)."""
    return op.sum(op.diagonal(x, offset, -2, -1), -1, False, dtype)


__all__ = [*_SAME.split(), "matrix_transpose", "outer", "tensordot", "trace", "vecdot"]
