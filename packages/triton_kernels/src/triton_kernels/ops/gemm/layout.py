"""How matmul's inputs lie in memory, and what the tensor memory accelerator can read of it."""

from __future__ import annotations

import functools

import torch

from triton_kernels._compat import Layout
from triton_kernels.backends import gluon_refuses

ALIGNMENT = 16
"""Bytes that a descriptor's base and strides must be a multiple of."""


def merged_rows(a: torch.Tensor) -> torch.Tensor | None:
    """(..., m, k) as (rows, k) without a copy, or None where the strides do not allow it."""
    try:
        return a.view(-1, a.shape[-1])
    except RuntimeError:
        return None


def as_batches(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
    """a as (batches, m, k) and b as (batches, k, n) without a copy, or None if that cannot be."""
    if b.dim() == 2:
        rows = merged_rows(a)
        return None if rows is None else (rows[None], b[None])
    try:
        return a.view(-1, *a.shape[-2:]), b.view(-1, *b.shape[-2:])
    except RuntimeError:
        return None


def is_transposed(x: torch.Tensor) -> bool:
    """Whether a matrix's columns, not its rows, are what lies in one piece."""
    return x.stride(-1) != 1 or (x.shape[-1] == 1 and x.stride(-2) == 1 and x.shape[-2] > 1)


def hopper_refuses(
    a: torch.Tensor, b: torch.Tensor, c_itemsize: int = 2, precision: str = "ieee",
    turned: bool = False,
) -> str | None:  # fmt: skip
    """Why the Gluon kernel cannot multiply these matrices, or None; ``turned``: a by bᵀ."""
    if reason := gluon_refuses(a):
        return reason
    if a.dtype is torch.float32:
        if precision != "tf32":
            return 'it multiplies float32 by tf32 only: precision="tf32"'
        return _batches_refuse(Layout.of(a), Layout.of(b), turned)
    return _layouts_refuse(Layout.of(a), Layout.of(b), c_itemsize, turned)


def operands(a: Layout, b: Layout, turned: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Examples of a and b, or of a and bᵀ."""
    return a.example(), b.example().mT if turned else b.example()


@functools.lru_cache(maxsize=4096)
def _batches_refuse(a: Layout, b: Layout, turned: bool) -> str | None:
    """As ``_layouts_refuse``, of operands that are copied before they are multiplied."""
    if 0 in (*a.shape, *b.shape):
        return "an empty matrix has no descriptor"
    if as_batches(*operands(a, b, turned)) is None:
        return "leading dimensions do not merge into one without a copy"
    return None


@functools.lru_cache(maxsize=4096)
def _layouts_refuse(a: Layout, b: Layout, c_itemsize: int, turned: bool) -> str | None:
    if 0 in (*a.shape, *b.shape):
        return "an empty matrix has no descriptor"
    left, right = operands(a, b, turned)
    if right.shape[-1] * c_itemsize % ALIGNMENT:
        return f"rows of the result are not a multiple of {ALIGNMENT} bytes"
    batched = as_batches(left, right)
    if batched is None:
        return "leading dimensions do not merge into one without a copy"
    if a.dtype is torch.float8_e4m3fn and (
        is_transposed(batched[0]) or not is_transposed(batched[1])
    ):
        return "8-bit operands must have contiguous rows (a) and columns (b)"
    for name, x, aligned in (("a", batched[0], a.aligned), ("b", batched[1], b.aligned)):
        if not aligned:
            return f"{name} does not begin at a multiple of {ALIGNMENT} bytes"
        if reason := _why_no_descriptor(x):
            return f"{name} {reason}"
    return None


def _why_no_descriptor(x: torch.Tensor) -> str | None:
    """Why no descriptor of (batches, rows, columns) can be made, or None."""
    seen = x.mT if is_transposed(x) else x
    unit = ALIGNMENT // x.element_size()
    batch, row, column = seen.stride()
    if column != 1:
        return "has neither contiguous rows nor contiguous columns"
    if seen.shape[1] > 1 and (row % unit or row < seen.shape[2]):
        return f"has rows (or columns) that are not a multiple of {ALIGNMENT} bytes apart"
    if seen.shape[0] > 1 and (batch % unit or batch == 0):
        return f"has batches that are not a multiple of {ALIGNMENT} bytes apart"
    return None
