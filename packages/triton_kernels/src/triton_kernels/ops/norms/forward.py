"""The forward of rms_norm and layer_norm in Triton, for any GPU and the interpreter.

A program takes ROWS rows. While a row fits in registers it is read once; a longer one is read twice
in chunks, the second time from the cache: first for its statistics, then to write.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import torch

from triton_kernels import _compat
from triton_kernels._compat import tl, triton
from triton_kernels.ops.norms import shapes


@triton.jit
def _normalised(
    z, mean, rstd, weight_ptr, bias_ptr, columns, mask, offset,
    ROUNDED: tl.constexpr, DTYPE: tl.constexpr,
):  # fmt: skip
    """(z - mean)·rstd·(offset + weight) + bias for a tile of rows."""
    y = (z - mean) * rstd
    if ROUNDED:
        y = y.to(DTYPE).to(tl.float32)
    if weight_ptr is not None:
        y = y * (tl.load(weight_ptr + columns, mask=mask, other=0.0).to(tl.float32) + offset)
    if bias_ptr is not None:
        y = y + tl.load(bias_ptr + columns, mask=mask, other=0.0).to(tl.float32)
    return y


@triton.jit
def _forward_one_pass(
    x_ptr, residual_ptr, weight_ptr, bias_ptr, y_ptr, sum_ptr, statistics_ptr,
    n_rows, n_columns, x_row, residual_row, eps, offset,
    CENTERED: tl.constexpr, ROUNDED: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    columns = tl.arange(0, COLUMNS)[None, :]
    within = columns < n_columns
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    mask = (rows < n_rows) & within
    z = tl.load(x_ptr + rows * x_row + columns, mask=mask, other=0.0).to(tl.float32)
    if residual_ptr is not None:
        added = tl.load(residual_ptr + rows * residual_row + columns, mask=mask, other=0.0)
        rounded = (z + added.to(tl.float32)).to(x_ptr.dtype.element_ty)
        tl.store(sum_ptr + rows * n_columns + columns, rounded, mask=mask)
        z = rounded.to(tl.float32)
    mean = tl.zeros((ROWS, 1), tl.float32)
    deviation = z
    if CENTERED:
        mean = tl.sum(z, axis=1, keep_dims=True) / n_columns
        tl.store(statistics_ptr + n_rows + rows, mean, mask=rows < n_rows)
        deviation = tl.where(within, z - mean, 0.0)
    variance = tl.sum(deviation * deviation, axis=1, keep_dims=True) / n_columns
    rstd = 1 / tl.sqrt(variance + eps)
    tl.store(statistics_ptr + rows, rstd, mask=rows < n_rows)
    y = _normalised(
        z, mean, rstd, weight_ptr, bias_ptr, columns, within, offset,
        ROUNDED, x_ptr.dtype.element_ty,
    )  # fmt: skip
    tl.store(y_ptr + rows * n_columns + columns, y, mask=mask, cache_modifier=".cs")


@triton.jit
def _forward_two_passes(
    x_ptr, residual_ptr, weight_ptr, bias_ptr, y_ptr, sum_ptr, statistics_ptr,
    n_rows, n_columns, x_row, residual_row, eps, offset,
    CENTERED: tl.constexpr, ROUNDED: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    x_ptr += row * x_row
    columns = tl.arange(0, COLUMNS)
    shift = 0.0
    if CENTERED:
        # Squares about the first chunk's mean: a mean far from zero costs them no digits.
        shift = tl.sum(tl.load(x_ptr + columns).to(tl.float32), axis=0) / COLUMNS
        if residual_ptr is not None:
            added = tl.load(residual_ptr + row * residual_row + columns)
            shift += tl.sum(added.to(tl.float32), axis=0) / COLUMNS
    sums = tl.zeros((COLUMNS,), tl.float32)
    squares = tl.zeros((COLUMNS,), tl.float32)
    chunks = tl.cdiv(n_columns, COLUMNS)
    for chunk in tl.range(0, chunks):
        columns = chunk * COLUMNS + tl.arange(0, COLUMNS)
        mask = columns < n_columns
        z = tl.load(x_ptr + columns, mask=mask, other=0.0, eviction_policy="evict_last")
        z = z.to(tl.float32)
        if residual_ptr is not None:
            added = tl.load(residual_ptr + row * residual_row + columns, mask=mask, other=0.0)
            rounded = (z + added.to(tl.float32)).to(x_ptr.dtype.element_ty)
            tl.store(sum_ptr + row * n_columns + columns, rounded, mask=mask)
            z = rounded.to(tl.float32)
        if CENTERED:
            z = tl.where(mask, z - shift, 0.0)
            sums += z
        squares += z * z
    mean = tl.sum(sums, axis=0) / n_columns
    variance = tl.sum(squares, axis=0) / n_columns - mean * mean
    mean += shift
    rstd = 1 / tl.sqrt(tl.maximum(variance, 0.0) + eps)
    tl.store(statistics_ptr + row, rstd)
    if CENTERED:
        tl.store(statistics_ptr + n_rows + row, mean)

    # Backwards: what was read last is surest to be in the cache.
    for chunk in tl.range(0, chunks):
        columns = (chunks - 1 - chunk) * COLUMNS + tl.arange(0, COLUMNS)
        mask = columns < n_columns
        if residual_ptr is not None:
            z = tl.load(sum_ptr + row * n_columns + columns, mask=mask, other=0.0)
        else:
            z = tl.load(x_ptr + columns, mask=mask, other=0.0, eviction_policy="evict_first")
        y = _normalised(
            z.to(tl.float32), mean, rstd, weight_ptr, bias_ptr, columns, mask, offset,
            ROUNDED, x_ptr.dtype.element_ty,
        )  # fmt: skip
        tl.store(y_ptr + row * n_columns + columns, y, mask=mask, cache_modifier=".cs")


def rows_of(x: torch.Tensor) -> torch.Tensor:
    """As (rows, columns) with neighbouring columns; a copy only where the strides forbid."""
    if x.stride(-1) != 1 and x.shape[-1] > 1:
        x = x.contiguous()
    return x.reshape(-1, x.shape[-1])


def norm(
    x: torch.Tensor, residual: torch.Tensor | None,
    weight: torch.Tensor | None, bias: torch.Tensor | None,
    eps: float, offset: float, casting: str, centered: bool, tile: shapes.Tile | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """The normalised rows of x + residual, that sum (empty without residual), its statistics."""
    n_columns = x.shape[-1]
    n_rows = x.shape[:-1].numel()
    y = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    total = y.new_empty(0) if residual is None else torch.empty_like(y)
    statistics = torch.empty((1 + centered, n_rows), dtype=torch.float32, device=x.device)
    if not y.numel():
        statistics.zero_()
    else:
        x = rows_of(x)
        residual = None if residual is None else rows_of(residual)
        weight = None if weight is None else weight.contiguous()
        bias = None if bias is None else bias.contiguous()
        device = _compat.device_of(x.device)
        tile = tile or shapes.forward_tile(n_rows, n_columns, x.dtype, centered, device)
        tensors = (x, residual, weight, bias, y, None if residual is None else total, statistics)
        sizes = (n_rows, n_columns, x.stride(0), 0 if residual is None else residual.stride(0))
        constants = {"CENTERED": centered, "ROUNDED": casting == "llama", "COLUMNS": tile.columns}
        if n_columns <= tile.columns:
            _forward_one_pass[(tile.programs,)](
                *tensors, *sizes, eps, offset, **constants, ROWS=tile.rows, num_warps=tile.warps
            )
        else:
            _forward_two_passes[(tile.programs,)](
                *tensors, *sizes, eps, offset, **constants, num_warps=tile.warps
            )
    return y, total, statistics
