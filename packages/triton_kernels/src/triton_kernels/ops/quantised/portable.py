"""Weights of 4 and 8 bits in Triton, for any GPU and the interpreter.

A program takes some rows of the weight and all of x, so that the weight is read once. The 16 levels
come from memory, that is from the cache; a scale applies to the sum over its block.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools

import torch

from triton_kernels._compat import cdiv, launch, next_power_of_2, tl, triton
from triton_kernels.ops.quantised.codes import levels


@functools.cache
def _table(device: torch.device) -> torch.Tensor:
    return levels(device)


@triton.jit
def _dequantise(codes_ptr, scale_ptr, table_ptr, y_ptr, n_bytes, BYTES: tl.constexpr):
    start = tl.program_id(0).to(tl.int64) * BYTES
    offsets = tl.arange(0, BYTES)
    mask = offsets < n_bytes - start
    codes = tl.load(codes_ptr + start + offsets, mask=mask, other=0).to(tl.int32)
    scale = tl.load(scale_ptr + (start + offsets) // 32, mask=mask, other=0.0)
    low = tl.load(table_ptr + (codes & 15)) * scale
    high = tl.load(table_ptr + (codes >> 4)) * scale
    y = tl.reshape(tl.join(low, high), (2 * BYTES,))
    places = tl.arange(0, 2 * BYTES)
    tl.store(y_ptr + 2 * start + places, y, mask=places < 2 * (n_bytes - start))


@triton.jit
def _dequantise_int8(
    codes_ptr, scale_ptr, y_ptr, n, k, ROWS: tl.constexpr, COLUMNS: tl.constexpr
):  # fmt: skip
    across = tl.cdiv(k, COLUMNS)
    rows = (tl.program_id(0) // across * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    columns = (tl.program_id(0) % across * COLUMNS + tl.arange(0, COLUMNS))[None, :]
    scale = tl.load(scale_ptr + rows, mask=rows < n, other=0.0)[:, None]
    rows = rows[:, None]
    mask = (rows < n) & (columns < k)
    codes = tl.load(codes_ptr + rows * k + columns, mask=mask, other=0).to(tl.float32)
    tl.store(y_ptr + rows * k + columns, codes * scale, mask=mask)


@triton.jit
def _matvec_nf4(
    x_ptr, codes_ptr, scale_ptr, table_ptr, y_ptr, n_x, n, n_bytes,
    X_ROWS: tl.constexpr, ROWS: tl.constexpr, BYTES: tl.constexpr,
):  # fmt: skip
    rows = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    x_rows = tl.arange(0, X_ROWS)[:, None]
    sums = tl.zeros((X_ROWS, ROWS, BYTES // 32), tl.float32)
    for start in range(0, n_bytes, BYTES):
        columns = start + tl.arange(0, BYTES)[None, :]
        mask = (rows < n) & (columns < n_bytes)
        codes = tl.load(codes_ptr + rows * n_bytes + columns, mask=mask, other=0).to(tl.int32)
        x_mask = (x_rows < n_x) & (columns < n_bytes)
        x_ptrs = x_ptr + 2 * (x_rows * n_bytes + columns)
        even = tl.load(x_ptrs, mask=x_mask, other=0.0).to(tl.float32)[:, None, :]
        odd = tl.load(x_ptrs + 1, mask=x_mask, other=0.0).to(tl.float32)[:, None, :]
        low = tl.load(table_ptr + (codes & 15))[None, :, :]
        products = low * even + tl.load(table_ptr + (codes >> 4))[None, :, :] * odd
        blocks = start // 32 + tl.arange(0, BYTES // 32)[None, :]
        there = (rows < n) & (blocks < n_bytes // 32)
        scale = tl.load(scale_ptr + rows * (n_bytes // 32) + blocks, mask=there, other=0.0)
        parts = tl.sum(tl.reshape(products, (X_ROWS, ROWS, BYTES // 32, 32)), axis=3)
        sums += parts * scale[None, :, :]
    mask = (x_rows < n_x) & (tl.trans(rows) < n)
    tl.store(y_ptr + x_rows * n + tl.trans(rows), tl.sum(sums, axis=2), mask=mask)


@triton.jit
def _matvec_int8(
    x_ptr, codes_ptr, scale_ptr, y_ptr, n_x, n, k,
    X_ROWS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    rows = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    x_rows = tl.arange(0, X_ROWS)[:, None]
    sums = tl.zeros((X_ROWS, ROWS, COLUMNS), tl.float32)
    for start in range(0, k, COLUMNS):
        columns = start + tl.arange(0, COLUMNS)[None, :]
        mask = (rows < n) & (columns < k)
        codes = tl.load(codes_ptr + rows * k + columns, mask=mask, other=0).to(tl.float32)
        x_mask = (x_rows < n_x) & (columns < k)
        x = tl.load(x_ptr + x_rows * k + columns, mask=x_mask, other=0.0).to(tl.float32)
        sums += codes[None, :, :] * x[:, None, :]
    there = tl.trans(rows) < n
    scale = tl.load(scale_ptr + tl.trans(rows), mask=there, other=0.0)
    mask = (x_rows < n_x) & there
    tl.store(y_ptr + x_rows * n + tl.trans(rows), tl.sum(sums, axis=2) * scale, mask=mask)


def dequantise(codes: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """One program a block of bytes; the 16 levels come from the cache."""
    y = torch.empty((codes.shape[0], 2 * codes.shape[1]), dtype=dtype, device=codes.device)
    if y.numel():
        grid = (cdiv(codes.numel(), 1024),)
        table = _table(codes.device)
        tensors = (codes.contiguous(), scale.contiguous(), table, y)
        launch(_dequantise, grid, tensors, (codes.numel(),), BYTES=1024, num_warps=4)
    return y


def dequantise_int8(codes: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """One program a block of rows and columns."""
    n, k = codes.shape
    y = torch.empty((n, k), dtype=dtype, device=codes.device)
    if y.numel():
        columns = min(4096, next_power_of_2(k))
        rows = 4096 // columns
        launch(
            _dequantise_int8, (cdiv(n, rows) * cdiv(k, columns),),
            (codes.contiguous(), scale.contiguous(), y), (n, k), ROWS=rows, COLUMNS=columns,
            num_warps=4,
        )  # fmt: skip
    return y


def matvec_nf4(x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """x times the transpose of an NF4 weight."""
    n, n_bytes = codes.shape
    y = torch.empty((x.shape[0], n), dtype=x.dtype, device=x.device)
    if y.numel():
        x_rows = next_power_of_2(x.shape[0])
        size = max(32, min(1024 // x_rows, next_power_of_2(n_bytes)))
        rows = max(1, 2048 // (size * x_rows))
        launch(
            _matvec_nf4, (cdiv(n, rows),),
            (x.contiguous(), codes.contiguous(), scale.contiguous(), _table(x.device), y),
            (x.shape[0], n, n_bytes), X_ROWS=x_rows, ROWS=rows, BYTES=size, num_warps=4,
        )  # fmt: skip
    return y


def matvec_int8(x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """x times the transpose of an int8 weight; the scale applies at the end."""
    n, k = codes.shape
    y = torch.empty((x.shape[0], n), dtype=x.dtype, device=x.device)
    if y.numel():
        x_rows = next_power_of_2(x.shape[0])
        columns = min(2048 // x_rows, next_power_of_2(max(k, 1)))
        rows = max(1, 4096 // (columns * x_rows))
        launch(
            _matvec_int8, (cdiv(n, rows),),
            (x.contiguous(), codes.contiguous(), scale.contiguous(), y), (x.shape[0], n, k),
            X_ROWS=x_rows, ROWS=rows, COLUMNS=columns, num_warps=4,
        )  # fmt: skip
    return y
