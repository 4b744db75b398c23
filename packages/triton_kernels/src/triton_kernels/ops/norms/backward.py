"""The backward of rms_norm and layer_norm in Triton, for any GPU and the interpreter.

With g = dy·(offset + weight) and n = (z - mean)·rstd, a row's gradient is
dz = rstd·(g - n·mean(g·n) - mean(g)), the last term for layer_norm only. As many programs as the
GPU runs at once stride over the rows and add up d(weight) = Σ dy·n and d(bias) = Σ dy in float32;
a second, small kernel adds the programs' sums, always in the same order.

A row that is too long for one program's registers is shared by several, which meet for its sums
(see meeting.py), so that z and dy are read once at any length. Where programs cannot meet, dz is
made first, a row at a time; then programs walk down stripes of columns for the sums.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import torch

from triton_kernels import _compat
from triton_kernels._compat import tl, triton
from triton_kernels.ops.norms import shapes
from triton_kernels.ops.norms.forward import rows_of
from triton_kernels.ops.norms.meeting import gather, meeting, publish


@triton.jit
def _load_tile(
    dy_ptr, z_ptr, statistics_ptr, rows, columns, within, n_rows, dy_row, z_row,
    CENTERED: tl.constexpr,
):  # fmt: skip
    in_rows = rows < n_rows
    mask = in_rows & within
    z = tl.load(z_ptr + rows * z_row + columns, mask=mask, other=0.0, eviction_policy="evict_first")
    dy = tl.load(
        dy_ptr + rows * dy_row + columns, mask=mask, other=0.0, eviction_policy="evict_first"
    )
    rstd = tl.load(statistics_ptr + rows, mask=in_rows, other=0.0)
    mean = rstd
    if CENTERED:
        mean = tl.load(statistics_ptr + n_rows + rows, mask=in_rows, other=0.0)
    return z, dy, rstd, mean


@triton.jit
def _normal_and_g(z, dy, rstd, mean, scale, within, CENTERED: tl.constexpr):
    normal = z.to(tl.float32)
    if CENTERED:
        normal = tl.where(within, normal - mean, 0.0)
    return normal * rstd, dy.to(tl.float32) * scale


@triton.jit
def _publish_tile(
    shares_ptr, arrivals_ptr, row, part, z, dy, rstd, mean, scale, within,
    CENTERED: tl.constexpr, PARTS: tl.constexpr,
):  # fmt: skip
    normal, g = _normal_and_g(z, dy, rstd, mean, scale, within, CENTERED)
    level = 0.0
    if CENTERED:
        level = tl.sum(g)
    publish(shares_ptr, arrivals_ptr, row, part, tl.sum(g * normal), level, PARTS)


@triton.jit
def _backward_rows(
    dy_ptr, dsum_ptr, z_ptr, weight_ptr, statistics_ptr, dz_ptr, dweight_ptr, dbias_ptr,
    shares_ptr, arrivals_ptr, n_rows, n_columns, dy_row, dsum_row, z_row, offset,
    CENTERED: tl.constexpr, ROUNDED: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    PARTS: tl.constexpr, POWER: tl.constexpr,
):  # fmt: skip
    part = tl.program_id(0) % PARTS
    stride = tl.num_programs(0) // PARTS * ROWS
    start = tl.program_id(0) // PARTS * ROWS
    columns = part * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    within = columns < n_columns
    scale = 1.0
    if weight_ptr is not None:
        scale = tl.load(weight_ptr + columns, mask=within, other=0.0).to(tl.float32) + offset
    dweight = tl.zeros((ROWS, COLUMNS), tl.float32)
    dbias = tl.zeros((ROWS, COLUMNS), tl.float32)

    # Two tiles ahead: one on its way from memory, one whose sums are on their way to the partners.
    rows = (start + tl.arange(0, ROWS)[:, None]).to(tl.int64)
    z, dy, rstd, mean = _load_tile(
        dy_ptr, z_ptr, statistics_ptr, rows, columns, within, n_rows, dy_row, z_row, CENTERED
    )
    next_z, next_dy, next_rstd, next_mean = z, dy, rstd, mean
    if PARTS > 1:
        next_z, next_dy, next_rstd, next_mean = _load_tile(
            dy_ptr, z_ptr, statistics_ptr, rows + stride, columns, within, n_rows, dy_row, z_row,
            CENTERED,
        )  # fmt: skip
        _publish_tile(
            shares_ptr, arrivals_ptr, start, part, z, dy, rstd, mean, scale, within,
            CENTERED, PARTS,
        )  # fmt: skip
    for first in tl.range(start, n_rows, stride):
        rows = (first + tl.arange(0, ROWS)[:, None]).to(tl.int64)
        ahead = rows + (2 * stride if PARTS > 1 else stride)
        last_z, last_dy, last_rstd, last_mean = _load_tile(
            dy_ptr, z_ptr, statistics_ptr, ahead, columns, within, n_rows, dy_row, z_row, CENTERED
        )
        mask = (rows < n_rows) & within
        if dsum_ptr is not None:
            dsum = tl.load(dsum_ptr + rows * dsum_row + columns, mask=mask, other=0.0)
        if PARTS > 1 and first + stride < n_rows:
            _publish_tile(
                shares_ptr, arrivals_ptr, first + stride, part, next_z, next_dy, next_rstd,
                next_mean, scale, within, CENTERED, PARTS,
            )  # fmt: skip
        normal, g = _normal_and_g(z, dy, rstd, mean, scale, within, CENTERED)
        if PARTS > 1:
            alongs, acrosses = gather(shares_ptr, arrivals_ptr, first, PARTS, POWER)
            along, across = tl.sum(alongs), tl.sum(acrosses)
        else:
            along, across = tl.sum(g * normal, axis=1, keep_dims=True), 0.0
            if CENTERED:
                across = tl.sum(g, axis=1, keep_dims=True)
        dz = (g - normal * (along / n_columns) - across / n_columns) * rstd
        if dsum_ptr is not None:
            dz += dsum.to(tl.float32)
        tl.store(dz_ptr + rows * n_columns + columns, dz, mask=mask, cache_modifier=".cs")
        if dweight_ptr is not None:
            if ROUNDED:
                normal = normal.to(z_ptr.dtype.element_ty).to(tl.float32)
            dweight += dy.to(tl.float32) * normal
        if dbias_ptr is not None:
            dbias += dy.to(tl.float32)
        if PARTS > 1:
            z, dy, rstd, mean = next_z, next_dy, next_rstd, next_mean
            next_z, next_dy, next_rstd, next_mean = last_z, last_dy, last_rstd, last_mean
        else:
            z, dy, rstd, mean = last_z, last_dy, last_rstd, last_mean
    line = (tl.program_id(0) // PARTS).to(tl.int64) * n_columns
    if dweight_ptr is not None:
        total = tl.sum(dweight, axis=0, keep_dims=True)
        tl.store(dweight_ptr + line + columns, total, mask=within)
    if dbias_ptr is not None:
        total = tl.sum(dbias, axis=0, keep_dims=True)
        tl.store(dbias_ptr + line + columns, total, mask=within)


@triton.jit
def _backward_two_passes(
    dy_ptr, dsum_ptr, z_ptr, weight_ptr, statistics_ptr, dz_ptr,
    n_rows, n_columns, dy_row, dsum_row, z_row, offset,
    CENTERED: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    dy_line = dy_ptr + row * dy_row
    z_line = z_ptr + row * z_row
    rstd = tl.load(statistics_ptr + row)
    mean = 0.0
    if CENTERED:
        mean = tl.load(statistics_ptr + n_rows + row)

    projection = tl.zeros((COLUMNS,), tl.float32)
    level = tl.zeros((COLUMNS,), tl.float32)
    chunks = tl.cdiv(n_columns, COLUMNS)
    for chunk in tl.range(0, chunks):
        columns = chunk * COLUMNS + tl.arange(0, COLUMNS)
        mask = columns < n_columns
        g = tl.load(dy_line + columns, mask=mask, other=0.0, eviction_policy="evict_last")
        z = tl.load(z_line + columns, mask=mask, other=0.0, eviction_policy="evict_last")
        g = g.to(tl.float32)
        if weight_ptr is not None:
            weight = tl.load(weight_ptr + columns, mask=mask, other=0.0).to(tl.float32)
            g *= weight + offset
        # Where the mask is off, g is 0.
        projection += g * (z.to(tl.float32) - mean) * rstd
        if CENTERED:
            level += g
    along = tl.sum(projection, axis=0) / n_columns
    across = tl.sum(level, axis=0) / n_columns

    # Backwards: what was read last is surest to be in the cache.
    for chunk in tl.range(0, chunks):
        columns = (chunks - 1 - chunk) * COLUMNS + tl.arange(0, COLUMNS)
        mask = columns < n_columns
        g = tl.load(dy_line + columns, mask=mask, other=0.0, eviction_policy="evict_first")
        z = tl.load(z_line + columns, mask=mask, other=0.0, eviction_policy="evict_first")
        g = g.to(tl.float32)
        if weight_ptr is not None:
            weight = tl.load(weight_ptr + columns, mask=mask, other=0.0).to(tl.float32)
            g *= weight + offset
        dz = (g - (z.to(tl.float32) - mean) * rstd * along - across) * rstd
        if dsum_ptr is not None:
            dsum = tl.load(dsum_ptr + row * dsum_row + columns, mask=mask, other=0.0)
            dz += dsum.to(tl.float32)
        tl.store(dz_ptr + row * n_columns + columns, dz, mask=mask)


@triton.jit
def _parameter_sums(
    dy_ptr, z_ptr, statistics_ptr, dweight_ptr, dbias_ptr, n_rows, n_columns, dy_row, z_row,
    CENTERED: tl.constexpr, ROUNDED: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    within = columns < n_columns
    dweight = tl.zeros((ROWS, COLUMNS), tl.float32)
    dbias = tl.zeros((ROWS, COLUMNS), tl.float32)
    for first in tl.range(tl.program_id(0) * ROWS, n_rows, tl.num_programs(0) * ROWS):
        rows = (first + tl.arange(0, ROWS)[:, None]).to(tl.int64)
        in_rows = rows < n_rows
        mask = in_rows & within
        dy = tl.load(dy_ptr + rows * dy_row + columns, mask=mask, other=0.0).to(tl.float32)
        if dbias_ptr is not None:
            dbias += dy
        if dweight_ptr is not None:
            normal = tl.load(z_ptr + rows * z_row + columns, mask=mask, other=0.0).to(tl.float32)
            if CENTERED:
                normal -= tl.load(statistics_ptr + n_rows + rows, mask=in_rows, other=0.0)
            normal *= tl.load(statistics_ptr + rows, mask=in_rows, other=0.0)
            if ROUNDED:
                normal = normal.to(z_ptr.dtype.element_ty).to(tl.float32)
            dweight += dy * normal
    line = tl.program_id(0).to(tl.int64) * n_columns
    if dweight_ptr is not None:
        total = tl.sum(dweight, axis=0, keep_dims=True)
        tl.store(dweight_ptr + line + columns, total, mask=within)
    if dbias_ptr is not None:
        total = tl.sum(dbias, axis=0, keep_dims=True)
        tl.store(dbias_ptr + line + columns, total, mask=within)


@triton.jit
def _sum_lines(
    lines_ptr, total_ptr, n_lines, n_columns, LINES: tl.constexpr, COLUMNS: tl.constexpr
):
    columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    lines_ptr += tl.program_id(1).to(tl.int64) * n_lines * n_columns
    sums = tl.zeros((LINES, COLUMNS), tl.float32)
    for first in range(0, n_lines, LINES):
        lines = first + tl.arange(0, LINES)[:, None]
        mask = (lines < n_lines) & (columns < n_columns)
        sums += tl.load(lines_ptr + lines.to(tl.int64) * n_columns + columns, mask=mask, other=0.0)
    total = tl.sum(sums, axis=0, keep_dims=True)
    tl.store(total_ptr + tl.program_id(1) * n_columns + columns, total, mask=columns < n_columns)


def sum_lines(lines: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """(parameters, programs, columns) in float32 to (parameters, columns), in a fixed order."""
    n_parameters, n_lines, n_columns = lines.shape
    total = torch.empty((n_parameters, n_columns), dtype=dtype, device=lines.device)
    if total.numel():
        grid = (triton.cdiv(n_columns, 32), n_parameters)
        _sum_lines[grid](lines, total, n_lines, n_columns, LINES=64, COLUMNS=32, num_warps=4)
    return total


def norm_backward(
    grad: torch.Tensor, grad_sum: torch.Tensor | None, z: torch.Tensor,
    weight: torch.Tensor | None, statistics: torch.Tensor, offset: float, casting: str,
    centered: bool, weight_wanted: bool, bias_wanted: bool, tile: shapes.Tile | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """d(x + residual), and d(weight) above d(bias), as far as they are wanted."""
    dz = torch.empty(z.shape, dtype=z.dtype, device=z.device)
    n_parameters, n_columns = weight_wanted + bias_wanted, z.shape[-1]
    dtype = z.dtype if weight is None else weight.dtype
    if not dz.numel():
        return dz, torch.zeros((n_parameters, n_columns), dtype=dtype, device=z.device)
    n_rows = dz.numel() // n_columns
    dy, z = rows_of(grad), rows_of(z)
    dsum = None if grad_sum is None else rows_of(grad_sum)
    weight = None if weight is None else weight.contiguous()
    device = _compat.device_of(z.device)
    tile = tile or shapes.backward_tile(n_rows, n_columns, z.dtype, device)
    whole = n_columns <= tile.columns * tile.parts
    stripe, programs = shapes.stripe(n_rows, n_columns, device)
    n_lines = tile.programs // tile.parts if whole else programs
    lines = torch.empty((n_parameters, n_lines, n_columns), dtype=torch.float32, device=z.device)
    dweight = lines[0] if weight_wanted else None
    dbias = lines[-1] if bias_wanted else None
    constants = {"CENTERED": centered, "ROUNDED": casting == "llama"}
    strides = (dy.stride(0), 0 if dsum is None else dsum.stride(0), z.stride(0))
    if whole:
        _backward_rows[(tile.programs,)](
            dy, dsum, z, weight, statistics, dz, dweight, dbias,
            *meeting(n_rows, tile.parts, z.device), n_rows, n_columns, *strides, offset,
            **constants, ROWS=tile.rows, COLUMNS=tile.columns, PARTS=tile.parts,
            POWER=triton.next_power_of_2(tile.parts), num_warps=tile.warps,
        )  # fmt: skip
        return dz, sum_lines(lines, dtype)
    _backward_two_passes[(n_rows,)](
        dy, dsum, z, weight, statistics, dz, n_rows, n_columns, *strides, offset,
        CENTERED=centered, COLUMNS=tile.columns, num_warps=tile.warps,
    )  # fmt: skip
    if n_parameters:
        _parameter_sums[(programs, triton.cdiv(n_columns, stripe.columns))](
            dy, z, statistics, dweight, dbias, n_rows, n_columns, dy.stride(0), z.stride(0),
            **constants, ROWS=stripe.rows, COLUMNS=stripe.columns, num_warps=stripe.warps,
        )  # fmt: skip
    return dz, sum_lines(lines, dtype)
