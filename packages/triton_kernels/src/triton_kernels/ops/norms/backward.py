"""The backward of rms_norm and layer_norm in Triton, for any GPU and the interpreter.

With g = dy·(offset + weight) and n = (z - mean)·rstd, a row's gradient is
dz = rstd·(g - n·mean(g·n) - mean(g)), the last term for layer_norm only. As many programs as the
GPU runs at once stride over the rows and add up d(weight) = Σ dy·n and d(bias) = Σ dy in float32;
a second, small kernel adds the programs' sums, always in the same order.

Rows to come are on their way to shared memory meanwhile. A row that is too long for one program is
shared by several, which meet for its sums (see meeting.py), so that z and dy are read once at any
length. Where programs cannot meet, dz is made first, a row at a time; then programs walk down
stripes of columns for the sums.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import torch

from triton_kernels import _compat
from triton_kernels._compat import Launch, Layout, starts_aligned, tl, triton
from triton_kernels.ops.norms import shapes
from triton_kernels.ops.norms.drops import dropped
from triton_kernels.ops.norms.forward import rows_of, sum_both
from triton_kernels.ops.norms.meeting import gather, look, meeting, publish
from triton_kernels.ops.parts import after_the_kernel_before, early_options


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
def _sums_of(z, dy, mean, scale, AXIS: tl.constexpr, KEPT: tl.constexpr, CENTERED: tl.constexpr):
    """Σ g·(z - mean) and Σ g of a tile. Outside of the columns dy is 0, hence g."""
    apart = z.to(tl.float32)
    g = dy.to(tl.float32) * scale
    if CENTERED:
        along, across = sum_both(g * (apart - mean), g, AXIS, KEPT)
    else:
        along, across = tl.sum(g * apart, axis=AXIS, keep_dims=KEPT), 0.0
    return along, across


@triton.jit
def _finish_tile(
    dsum_ptr, dz_ptr, z, dy, rstd, mean, scale, along, across, rows, columns, mask, n_columns,
    dsum_row, CENTERED: tl.constexpr,
):  # fmt: skip
    """Writes dz; gives it in float32, z - mean and dy·rstd."""
    apart = z.to(tl.float32)
    if CENTERED:
        apart -= mean
    dy = dy.to(tl.float32) * rstd
    # (g - n·mean(g·n) - mean(g))·rstd, with what is the same for a row taken together.
    slope = rstd * (along / n_columns) * rstd * rstd
    dz = dy * scale - (apart * slope + rstd * (across / n_columns))
    if dsum_ptr is not None:
        dz += tl.load(dsum_ptr + rows * dsum_row + columns, mask=mask, other=0.0).to(tl.float32)
    tl.store(dz_ptr + rows * n_columns + columns, dz, mask=mask, cache_modifier=".cs")
    return dz, apart, dy


@triton.jit
def _times_normal(apart, dy, dy_rstd, rstd, ROUNDED: tl.constexpr, DTYPE: tl.constexpr):
    """dy·n, with n rounded if the forward has rounded it."""
    if ROUNDED:
        return dy.to(tl.float32) * (apart * rstd).to(DTYPE).to(tl.float32)
    else:
        return dy_rstd * apart


@triton.jit
def _store_line(dweight_ptr, dbias_ptr, dweight, dbias, line, n_columns, columns, within):
    line = line.to(tl.int64) * n_columns
    if dweight_ptr is not None:
        total = tl.sum(dweight, axis=0, keep_dims=True)
        tl.store(dweight_ptr + line + columns, total, mask=within)
    if dbias_ptr is not None:
        total = tl.sum(dbias, axis=0, keep_dims=True)
        tl.store(dbias_ptr + line + columns, total, mask=within)


@triton.jit
def backward_rows(
    dy_ptr, dsum_ptr, z_ptr, weight_ptr, statistics_ptr, dz_ptr, dweight_ptr, dbias_ptr, dx_ptr,
    n_rows, n_columns, dy_row, dsum_row, z_row, offset, seed, threshold, kept_scale,
    CENTERED: tl.constexpr, ROUNDED: tl.constexpr, ALIGNED: tl.constexpr, ROWS: tl.constexpr,
    COLUMNS: tl.constexpr, STAGES: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    """Whole rows; with a dx to write, z was a sum with one of whose terms some were dropped."""
    after_the_kernel_before(EARLY)
    columns = tl.arange(0, COLUMNS)[None, :]
    within = columns < n_columns
    scale = 1.0
    if weight_ptr is not None:
        scale = tl.load(weight_ptr + columns, mask=within, other=0.0).to(tl.float32) + offset
    dweight = tl.zeros((ROWS, COLUMNS), tl.float32)
    dbias = tl.zeros((ROWS, COLUMNS), tl.float32)
    stride = tl.num_programs(0) * ROWS
    for first in tl.range(tl.program_id(0) * ROWS, n_rows, stride, num_stages=STAGES):
        rows = (first + tl.arange(0, ROWS)[:, None]).to(tl.int64)
        mask = (rows < n_rows) & within
        z, dy, rstd, mean = _load_tile(
            dy_ptr, z_ptr, statistics_ptr, rows, columns, within, n_rows, dy_row, z_row, CENTERED
        )
        along, across = _sums_of(z, dy, mean, scale, 1, True, CENTERED)
        dz, apart, dy_rstd = _finish_tile(
            dsum_ptr, dz_ptr, z, dy, rstd, mean, scale, along, across, rows, columns, mask,
            n_columns, dsum_row, CENTERED,
        )  # fmt: skip
        if dx_ptr is not None:
            dx = dropped(
                dz.to(dz_ptr.dtype.element_ty).to(tl.float32), rows, 0, n_columns, seed, threshold,
                kept_scale, ROWS, COLUMNS, ALIGNED,
            )  # fmt: skip
            tl.store(dx_ptr + rows * n_columns + columns, dx, mask=mask, cache_modifier=".cs")
        if dweight_ptr is not None:
            dweight += _times_normal(apart, dy, dy_rstd, rstd, ROUNDED, z_ptr.dtype.element_ty)
        if dbias_ptr is not None:
            dbias += dy.to(tl.float32)
    _store_line(
        dweight_ptr, dbias_ptr, dweight, dbias, tl.program_id(0), n_columns, columns, within
    )


@triton.jit
def _load_statistics(statistics_ptr, row, n_rows, CENTERED: tl.constexpr):
    at = tl.minimum(row, n_rows - 1).to(tl.int64) + tl.arange(0, 1)
    rstd = tl.load(statistics_ptr + at)
    mean = rstd
    if CENTERED:
        mean = tl.load(statistics_ptr + n_rows + at)
    return rstd, mean


@triton.jit
def _publish_sums(
    shares_ptr, row, part, z, dy, rstd, mean, scale, CENTERED: tl.constexpr, PARTS: tl.constexpr
):
    along, across = _sums_of(z, dy, mean, scale, 0, False, CENTERED)
    publish(shares_ptr, row, part, along, across, PARTS)


@triton.jit
def _backward_shared_rows(
    dy_ptr, dsum_ptr, z_ptr, weight_ptr, statistics_ptr, dz_ptr, dweight_ptr, dbias_ptr,
    shares_ptr, n_rows, n_columns, dy_row, dsum_row, z_row, offset,
    CENTERED: tl.constexpr, ROUNDED: tl.constexpr, COLUMNS: tl.constexpr, STAGES: tl.constexpr,
    PARTS: tl.constexpr, POWER: tl.constexpr,
):  # fmt: skip
    part = tl.program_id(0) % PARTS
    stride = tl.num_programs(0) // PARTS
    start = tl.program_id(0) // PARTS
    columns = part * COLUMNS + tl.arange(0, COLUMNS)
    within = columns < n_columns
    scale = 1.0
    if weight_ptr is not None:
        scale = tl.load(weight_ptr + columns, mask=within, other=0.0).to(tl.float32) + offset
    dweight = tl.zeros((COLUMNS,), tl.float32)
    dbias = tl.zeros((COLUMNS,), tl.float32)

    # One row ahead: while its sums are on their way to the partners the last one is finished.
    at = start.to(tl.int64)
    z = tl.load(z_ptr + at * z_row + columns, mask=within, other=0.0)
    dy = tl.load(dy_ptr + at * dy_row + columns, mask=within, other=0.0)
    rstd, mean = _load_statistics(statistics_ptr, start, n_rows, CENTERED)
    _publish_sums(shares_ptr, start, part, z, dy, rstd, mean, scale, CENTERED, PARTS)
    for row in tl.range(start, n_rows, stride, num_stages=STAGES):
        at = (row + stride).to(tl.int64)
        mask = within & (at < n_rows)
        next_z = tl.load(
            z_ptr + at * z_row + columns, mask=mask, other=0.0, eviction_policy="evict_first"
        )
        next_dy = tl.load(
            dy_ptr + at * dy_row + columns, mask=mask, other=0.0, eviction_policy="evict_first"
        )
        seen = look(shares_ptr, row, PARTS, POWER)
        next_rstd, next_mean = _load_statistics(statistics_ptr, row + stride, n_rows, CENTERED)
        # Past the last row there is a place to leave what no one reads.
        _publish_sums(
            shares_ptr, tl.minimum(row + stride, n_rows), part, next_z, next_dy, next_rstd,
            next_mean, scale, CENTERED, PARTS,
        )  # fmt: skip
        alongs, acrosses = gather(shares_ptr, seen, row, PARTS, POWER)
        _dz, apart, dy_rstd = _finish_tile(
            dsum_ptr, dz_ptr, z, dy, rstd, mean, scale, tl.sum(alongs), tl.sum(acrosses),
            row.to(tl.int64), columns, within, n_columns, dsum_row, CENTERED,
        )  # fmt: skip
        if dweight_ptr is not None:
            dweight += _times_normal(apart, dy, dy_rstd, rstd, ROUNDED, z_ptr.dtype.element_ty)
        if dbias_ptr is not None:
            dbias += dy.to(tl.float32)
        z, dy, rstd, mean = next_z, next_dy, next_rstd, next_mean
    line = start.to(tl.int64) * n_columns
    if dweight_ptr is not None:
        tl.store(dweight_ptr + line + columns, dweight, mask=within)
    if dbias_ptr is not None:
        tl.store(dbias_ptr + line + columns, dbias, mask=within)


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
    dy_ptr, z_ptr, statistics_ptr, dweight_ptr, dbias_ptr,
    programs, n_rows, n_columns, dy_row, z_row,
    CENTERED: tl.constexpr, ROUNDED: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    program = tl.program_id(0) % programs
    columns = tl.program_id(0) // programs * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    within = columns < n_columns
    dweight = tl.zeros((ROWS, COLUMNS), tl.float32)
    dbias = tl.zeros((ROWS, COLUMNS), tl.float32)
    for first in tl.range(program * ROWS, n_rows, programs * ROWS):
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
    _store_line(dweight_ptr, dbias_ptr, dweight, dbias, program, n_columns, columns, within)


@triton.jit
def _sum_lines(
    lines_ptr, total_ptr, n_lines, n_columns, LINES: tl.constexpr, COLUMNS: tl.constexpr,
    EARLY: tl.constexpr,
):  # fmt: skip
    after_the_kernel_before(EARLY)
    stripes = tl.cdiv(n_columns, COLUMNS)
    parameter = tl.program_id(0) // stripes
    columns = tl.program_id(0) % stripes * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    lines_ptr += parameter.to(tl.int64) * n_lines * n_columns
    sums = tl.zeros((LINES, COLUMNS), tl.float32)
    for first in range(0, n_lines, LINES):
        lines = first + tl.arange(0, LINES)[:, None]
        mask = (lines < n_lines) & (columns < n_columns)
        sums += tl.load(lines_ptr + lines.to(tl.int64) * n_columns + columns, mask=mask, other=0.0)
    total = tl.sum(sums, axis=0, keep_dims=True)
    tl.store(total_ptr + parameter * n_columns + columns, total, mask=columns < n_columns)


@functools.lru_cache(maxsize=4096)
def _sum_plan(shape: torch.Size, dtype: torch.dtype, device: torch.device) -> Launch:
    n_parameters, n_lines, n_columns = shape
    early, ahead = early_options(device)
    # Many lines at once: the next are asked for only when those before have been added.
    lines, columns, warps = (512, 16, 8) if n_lines > 192 else (64, 32, 4)
    if n_lines <= 32:
        lines, columns = (16, 64) if n_lines <= 16 else (32, 32)
    return Launch(
        _sum_lines, triton.cdiv(n_columns, columns) * n_parameters, (n_lines, n_columns),
        {"LINES": lines, "COLUMNS": columns, "EARLY": early},
        {"num_warps": warps, **ahead},
    )  # fmt: skip


def sum_lines(lines: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """(parameters, programs, columns) in float32 to (parameters, columns), in a fixed order."""
    total = torch.empty((lines.shape[0], lines.shape[2]), dtype=dtype, device=lines.device)
    if total.numel():
        _sum_plan(lines.shape, dtype, lines.device)(lines, total)
    return total


class _Plan(NamedTuple):
    """The launches for one gradient, and what memory they take beside it."""

    rows: Launch
    alone: bool
    """Whether that launch leaves the parameters' gradients to the next."""
    sums: Launch | None
    lines: tuple[int, int, int]
    """Parameters, programs that leave a sum for each, columns."""
    meeting: tuple[int, int] | None
    """Rows and parts, where programs share rows."""


@functools.lru_cache(maxsize=4096)
def _plan(
    z: Layout, dy_row: int, dsum_row: int | None, weight: torch.dtype | None, offset: float,
    casting: str, centered: bool, wanted: tuple[bool, bool], aligned: bool,
    tile: shapes.Tile | None,
) -> _Plan:  # fmt: skip
    n_rows, n_columns = z.shape
    device = _compat.device_of(z.device)
    tile = tile or shapes.backward_tile(n_rows, n_columns, z.dtype, centered, device)
    strides = (dy_row, dsum_row or 0, z.strides[0])
    sizes: tuple[float, ...] = (n_rows, n_columns, *strides, offset)
    constants: dict[str, Any] = {"CENTERED": centered, "ROUNDED": casting == "llama"}
    options: dict[str, Any] = {"num_warps": tile.warps}
    if n_columns > tile.columns * tile.parts:
        stripe, programs = shapes.stripe(n_rows, n_columns, device)
        dz = Launch(
            _backward_two_passes, n_rows, sizes,
            {"CENTERED": centered, "COLUMNS": tile.columns}, options,
        )  # fmt: skip
        sums = Launch(
            _parameter_sums, programs * triton.cdiv(n_columns, stripe.columns),
            (programs, n_rows, n_columns, dy_row, z.strides[0]),
            {**constants, "ROWS": stripe.rows, "COLUMNS": stripe.columns},
            {"num_warps": stripe.warps},
        )  # fmt: skip
        lines = (sum(wanted), programs, n_columns)
        return _Plan(dz, True, sums if any(wanted) else None, lines, None)
    if tile.parts > 1:
        kernel: Any = _backward_shared_rows
        constants |= {"COLUMNS": tile.columns, "STAGES": tile.stages, "PARTS": tile.parts}
        constants |= {"POWER": triton.next_power_of_2(tile.parts)}
    else:
        kernel = backward_rows
        sizes = (*sizes, 0, 0, 0.0)  # nothing is dropped
        constants |= {"ALIGNED": True, "ROWS": tile.rows, "COLUMNS": tile.columns}
        early, ahead = early_options(z.device)
        constants |= {"STAGES": tile.stages, "EARLY": early}
        options |= ahead
    return _Plan(
        Launch(kernel, tile.programs, sizes, constants, options), False, None,
        (sum(wanted), tile.programs // tile.parts, n_columns),
        (n_rows + 1, tile.parts) if tile.parts > 1 else None,
    )  # fmt: skip


def norm_backward(
    grad: torch.Tensor, grad_sum: torch.Tensor | None, z: torch.Tensor,
    weight: torch.Tensor | None, statistics: torch.Tensor, offset: float, casting: str,
    centered: bool, weight_wanted: bool, bias_wanted: bool, tile: shapes.Tile | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """d(x + residual), and d(weight) above d(bias), as far as they are wanted."""
    dz = torch.empty(z.shape, dtype=z.dtype, device=z.device)
    dtype = z.dtype if weight is None else weight.dtype
    if not dz.numel():
        shape = (weight_wanted + bias_wanted, z.shape[-1])
        return dz, torch.zeros(shape, dtype=dtype, device=z.device)
    dy, z = rows_of(grad), rows_of(z)
    dsum = None if grad_sum is None else rows_of(grad_sum)
    weight = None if weight is None else weight.contiguous()
    aligned = all(starts_aligned(x) for x in (dy, dsum, weight) if x is not None)
    plan = _plan(
        Layout.of(z), dy.stride(0), None if dsum is None else dsum.stride(0),
        None if weight is None else weight.dtype, offset, casting, centered,
        (weight_wanted, bias_wanted), aligned, tile,
    )  # fmt: skip
    lines = torch.empty(plan.lines, dtype=torch.float32, device=z.device)
    dweight = lines[0] if weight_wanted else None
    dbias = lines[-1] if bias_wanted else None
    tensors = (dy, dsum, z, weight, statistics, dz)
    if plan.alone:
        plan.rows(*tensors)
        if plan.sums is not None:
            plan.sums(dy, z, statistics, dweight, dbias)
    elif plan.meeting is not None:
        plan.rows(*tensors, dweight, dbias, meeting(*plan.meeting, z.device))
    else:
        plan.rows(*tensors, dweight, dbias, None)
    return dz, sum_lines(lines, dtype)
