"""The forward of rms_norm and layer_norm in Triton, for any GPU and the interpreter.

A program takes ROWS rows. While a row fits in registers it is read once; a longer one is shared by
several programs, which meet for its statistics (see meeting.py). Where programs cannot meet it is
read twice in chunks, the second time from the cache: first for its statistics, then to write.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
from typing import Any

import torch

from triton_kernels import _compat
from triton_kernels._compat import Launch, Layout, tl, triton
from triton_kernels.ops.norms import shapes
from triton_kernels.ops.norms.meeting import gather, look, meeting, publish

INTERPRETED = tl.constexpr(_compat.interpreting())


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
def _added(a, b, c, d):
    return a + c, b + d


@triton.jit
def sum_both(first, second, AXIS: tl.constexpr, KEPT: tl.constexpr):
    """Sums along an axis: both in one exchange between threads."""
    if INTERPRETED:  # it would call _added for every element
        return tl.sum(first, axis=AXIS, keep_dims=KEPT), tl.sum(second, axis=AXIS, keep_dims=KEPT)
    else:
        return tl.reduce((first, second), AXIS, _added, keep_dims=KEPT)


@triton.jit
def _first_mean(x_ptr, residual_ptr, start, n_columns, SHIFT: tl.constexpr):
    """The mean of a row's first columns from start on: in one warp, so that none waits."""
    columns = start + tl.arange(0, SHIFT)
    some = tl.load(x_ptr + columns, mask=columns < n_columns, other=0.0).to(tl.float32)
    if residual_ptr is not None:
        added = tl.load(residual_ptr + columns, mask=columns < n_columns, other=0.0)
        some += added.to(tl.float32)
    return tl.sum(some, axis=0) / tl.minimum(n_columns - start, SHIFT)


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
        deviation = tl.where(within, z - mean, 0.0)
    squares = deviation * deviation
    if COLUMNS <= 128:  # else lanes fuse each its own square with their first exchange
        squares = tl.where(within, squares, 0.0)
    squares = tl.sum(squares, axis=1, keep_dims=True)
    rstd = 1 / tl.sqrt(squares / n_columns + eps)
    tl.store(statistics_ptr + rows, rstd, mask=rows < n_rows)
    if CENTERED:
        tl.store(statistics_ptr + n_rows + rows, mean, mask=rows < n_rows)
    y = _normalised(
        z, mean, rstd, weight_ptr, bias_ptr, columns, within, offset,
        ROUNDED, x_ptr.dtype.element_ty,
    )  # fmt: skip
    tl.store(y_ptr + rows * n_columns + columns, y, mask=mask, cache_modifier=".cs")


@triton.jit
def _forward_shared_rows(
    x_ptr, residual_ptr, weight_ptr, bias_ptr, y_ptr, sum_ptr, statistics_ptr, shares_ptr,
    n_rows, n_columns, x_row, residual_row, eps, offset,
    CENTERED: tl.constexpr, ROUNDED: tl.constexpr, COLUMNS: tl.constexpr, SHIFT: tl.constexpr,
    PARTS: tl.constexpr, POWER: tl.constexpr,
):  # fmt: skip
    row = (tl.program_id(0) // PARTS).to(tl.int64)
    part = tl.program_id(0) % PARTS
    columns = part * COLUMNS + tl.arange(0, COLUMNS)
    within = columns < n_columns
    x_ptr += row * x_row
    if residual_ptr is not None:
        residual_ptr += row * residual_row
    z = tl.load(x_ptr + columns, mask=within, other=0.0).to(tl.float32)
    if residual_ptr is not None:
        added = tl.load(residual_ptr + columns, mask=within, other=0.0)
        rounded = (z + added.to(tl.float32)).to(x_ptr.dtype.element_ty)
        tl.store(sum_ptr + row * n_columns + columns, rounded, mask=within)
        z = rounded.to(tl.float32)
    mean = 0.0
    if CENTERED:
        shift = _first_mean(x_ptr, residual_ptr, part * COLUMNS, n_columns, SHIFT)
        count = tl.minimum(n_columns - part * COLUMNS, COLUMNS)
        # Squares about a number near the mean: a mean far from zero costs them no digits.
        apart = tl.where(within, z - shift, 0.0)
        total, squares = sum_both(apart, apart * apart, 0, False)
        squares = tl.maximum(squares - total * (total / count), 0.0)
        publish(shares_ptr, row, part, shift + total / count, squares, PARTS)
    else:
        publish(shares_ptr, row, part, tl.sum(z * z, axis=0), 0.0, PARTS)
    seen = look(shares_ptr, row, PARTS, POWER)
    first, second = gather(shares_ptr, seen, row, PARTS, POWER)
    if CENTERED:
        # Parts' means and squared deviations make those of the row (Chan et al. 1979).
        counts = n_columns - tl.arange(0, POWER) * COLUMNS
        counts = tl.minimum(tl.maximum(counts, 0), COLUMNS)
        mean = tl.sum(first * counts, axis=0) / n_columns
        squares = tl.sum(second + (first - mean) * (first - mean) * counts, axis=0)
    else:
        squares = tl.sum(first, axis=0)
    rstd = 1 / tl.sqrt(squares / n_columns + eps)
    if part == 0:
        tl.store(statistics_ptr + row, rstd)
        if CENTERED:
            tl.store(statistics_ptr + n_rows + row, mean)
    y = _normalised(
        z, mean, rstd, weight_ptr, bias_ptr, columns, within, offset,
        ROUNDED, x_ptr.dtype.element_ty,
    )  # fmt: skip
    tl.store(y_ptr + row * n_columns + columns, y, mask=within, cache_modifier=".cs")


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
    if x.dim() == 2 and x.stride(1) == 1:
        return x
    if x.stride(-1) != 1 and x.shape[-1] > 1:
        x = x.contiguous()
    return x.reshape(-1, x.shape[-1])


@functools.lru_cache(maxsize=4096)
def _plan(
    x: Layout, residual_row: int | None, weight: torch.dtype | None, bias: torch.dtype | None,
    eps: float, offset: float, casting: str, centered: bool, aligned: bool,
    tile: shapes.Tile | None,
) -> tuple[Launch, int]:  # fmt: skip
    """The launch, and how many programs share a row."""
    n_rows, n_columns = x.shape
    device = _compat.device_of(x.device)
    tile = tile or shapes.forward_tile(n_rows, n_columns, x.dtype, centered, device)
    sizes = (n_rows, n_columns, x.strides[0], residual_row or 0, eps, offset)
    constants: dict[str, Any] = {"CENTERED": centered, "ROUNDED": casting == "llama"}
    options = {"num_warps": tile.warps}
    if n_columns > tile.columns * tile.parts:
        constants = {**constants, "COLUMNS": tile.columns}
        return Launch(_forward_two_passes, tile.programs, sizes, constants, options), 1
    constants = {**constants, "COLUMNS": tile.columns}
    if tile.parts == 1:
        constants = {**constants, "ROWS": tile.rows}
        return Launch(_forward_one_pass, tile.programs, sizes, constants, options), 1
    power = triton.next_power_of_2(tile.parts)
    constants = {**constants, "SHIFT": 32, "PARTS": tile.parts, "POWER": power}
    return Launch(_forward_shared_rows, tile.programs, sizes, constants, options), tile.parts


def norm(
    x: torch.Tensor, residual: torch.Tensor | None,
    weight: torch.Tensor | None, bias: torch.Tensor | None,
    eps: float, offset: float, casting: str, centered: bool, tile: shapes.Tile | None = None,
) -> tuple[torch.Tensor, ...]:  # fmt: skip
    """The normalised rows of x + residual, that sum if there is a residual, its statistics."""
    y = torch.empty_like(x, memory_format=torch.contiguous_format)
    total = None if residual is None else torch.empty_like(y)
    shape = (1 + centered, x.shape[:-1].numel())
    statistics = y.new_empty(shape, dtype=torch.float32)
    if not y.numel():
        statistics.zero_()
        return (y, statistics) if total is None else (y, total, statistics)
    x = rows_of(x)
    residual = None if residual is None else rows_of(residual)
    weight = None if weight is None else weight.contiguous()
    bias = None if bias is None else bias.contiguous()
    others = (residual, weight, bias)
    addresses = 0
    for other in others:
        addresses |= 0 if other is None else other.data_ptr()
    launch, parts = _plan(
        Layout.of(x), None if residual is None else residual.stride(0),
        None if weight is None else weight.dtype, None if bias is None else bias.dtype,
        eps, offset, casting, centered, addresses % 16 == 0, tile,
    )  # fmt: skip
    tensors = (x, *others, y, total, statistics)
    if parts > 1:
        launch(*tensors, meeting(shape[1], parts, x.device))
    else:
        launch(*tensors)
    return (y, statistics) if total is None else (y, total, statistics)
