"""softmax in Triton, for any GPU and the interpreter.

A tensor is seen as (outer, columns, inner) with the softmax along columns. Rows are those of one
outer index: along the last dimension inner is 1 and the rows are the outer indices. A program
takes tiles of (rows, columns). While a row fits, it is read once and held in registers; a longer
one is shared by several programs (see shared.py). Where they cannot meet, and along other
dimensions, long rows are read twice, in chunks: first for the running maximum and sum (Milakov and
Gimelshein 2018, arXiv:1805.02867), then, from the end back, to write: what was read last is still
in the L2 cache.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import torch

from triton_kernels import _compat
from triton_kernels._compat import Launch, Layout, starts_aligned, tl, triton
from triton_kernels.ops.norms.meeting import meeting
from triton_kernels.ops.parts import after_the_kernel_before, early_options
from triton_kernels.ops.softmax import shapes
from triton_kernels.ops.softmax.across import shares_across, write_across
from triton_kernels.ops.softmax.shared import backward_shared, forward_shared, log_of_sum
from triton_kernels.ops.special import exp


@triton.jit
def _grouped(
    x, ROWS: tl.constexpr, COLUMNS: tl.constexpr, GROUP: tl.constexpr, STRIDED: tl.constexpr
):
    """(ROWS, COLUMNS) as (ROWS, COLUMNS // GROUP, GROUP), a group within one thread's registers.

    A thread holds neighbours of a contiguous row, but every n-th of a strided one.
    """
    if STRIDED:
        return tl.permute(tl.reshape(x, (ROWS, GROUP, COLUMNS // GROUP)), (0, 2, 1))
    else:
        return tl.reshape(x, (ROWS, COLUMNS // GROUP, GROUP))


@triton.jit
def _forward_one_pass(
    x_ptr, y_ptr, n_tiles, tiles_per_outer, n_rows, n_columns,
    x_outer, x_row, x_column, y_outer, y_row, y_column,
    INDEX: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, STAGES: tl.constexpr,
    GROUP: tl.constexpr, STRIDED: tl.constexpr, LOG: tl.constexpr,
):  # fmt: skip
    rows = tl.arange(0, ROWS)[:, None].to(INDEX)
    columns = tl.arange(0, COLUMNS)[None, :].to(INDEX)
    for tile in tl.range(tl.program_id(0), n_tiles, tl.num_programs(0), num_stages=STAGES):
        outer = (tile // tiles_per_outer).to(tl.int64)
        first = (tile % tiles_per_outer).to(tl.int64) * ROWS
        mask = (rows < n_rows - first) & (columns < n_columns)
        x_tile = x_ptr + outer * x_outer + first * x_row
        x = tl.load(x_tile + rows * x_row + columns * x_column, mask=mask, other=-float("inf"))
        x = x.to(tl.float32)
        maximum = tl.max(x, axis=1, keep_dims=True)
        if LOG:  # where all is -inf the difference would be NaN: subtract 0 instead
            maximum = tl.where(maximum == -float("inf"), 0.0, maximum)
        numerator = exp(x - maximum)
        total = tl.sum(numerator, axis=1, keep_dims=True)
        # One division a row: one an element would share its unit with the exponential.
        y = x - maximum - log_of_sum(total) if LOG else numerator * (1.0 / total)
        y_tile = y_ptr + outer * y_outer + first * y_row
        y_ptrs = y_tile + rows * y_row + columns * y_column
        tl.store(y_ptrs, y, mask=mask, cache_modifier=".cs")


@triton.jit
def _forward_online(
    x_ptr, y_ptr, n_tiles, tiles_per_outer, n_rows, n_columns,
    x_outer, x_row, x_column, y_outer, y_row, y_column,
    INDEX: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, STAGES: tl.constexpr,
    GROUP: tl.constexpr, STRIDED: tl.constexpr, LOG: tl.constexpr,
):  # fmt: skip
    rows = tl.arange(0, ROWS)[:, None].to(INDEX)
    chunks = tl.cdiv(n_columns, COLUMNS)
    for tile in tl.range(tl.program_id(0), n_tiles, tl.num_programs(0)):
        outer = (tile // tiles_per_outer).to(tl.int64)
        first = (tile % tiles_per_outer).to(tl.int64) * ROWS
        x_rows = x_ptr + outer * x_outer + first * x_row + rows * x_row
        y_rows = y_ptr + outer * y_outer + first * y_row + rows * y_row
        in_rows = rows < n_rows - first

        # A maximum and a sum for every GROUP that one thread holds: no exchange between threads
        # until the row is read.
        maxima = tl.full((ROWS, COLUMNS // GROUP), -float("inf"), tl.float32)
        sums = tl.zeros((ROWS, COLUMNS // GROUP), tl.float32)
        for chunk in tl.range(0, chunks, num_stages=STAGES):
            columns = (chunk * COLUMNS + tl.arange(0, COLUMNS))[None, :].to(INDEX)
            mask = in_rows & (columns < n_columns)
            x_ptrs = x_rows + columns * x_column
            x = tl.load(x_ptrs, mask=mask, other=-float("inf"), eviction_policy="evict_last")
            x = _grouped(x.to(tl.float32), ROWS, COLUMNS, GROUP, STRIDED)
            new_maxima = tl.maximum(maxima, tl.max(x, axis=2))
            # While all is -inf the difference of two maxima would be NaN: subtract 0 instead.
            shift = tl.where(new_maxima == -float("inf"), 0.0, new_maxima)
            sums = sums * exp(maxima - shift) + tl.sum(exp(x - shift[:, :, None]), axis=2)
            maxima = new_maxima
        maximum = tl.max(maxima, axis=1, keep_dims=True)
        shift = tl.where(maximum == -float("inf"), 0.0, maximum)
        total = tl.sum(sums * tl.exp(maxima - shift), axis=1, keep_dims=True)
        scale = 1.0 / total
        log_total = log_of_sum(total)

        for chunk in tl.range(0, chunks, num_stages=STAGES):
            start = (chunks - 1 - chunk) * COLUMNS
            columns = (start + tl.arange(0, COLUMNS))[None, :].to(INDEX)
            mask = in_rows & (columns < n_columns)
            x_ptrs = x_rows + columns * x_column
            x = tl.load(x_ptrs, mask=mask, other=-float("inf"), eviction_policy="evict_first")
            if LOG:
                y = x.to(tl.float32) - shift - log_total
            else:
                y = exp(x.to(tl.float32) - maximum) * scale
            tl.store(y_rows + columns * y_column, y, mask=mask, cache_modifier=".cs")


@triton.jit
def _backward_one_pass(
    dy_ptr, y_ptr, dx_ptr, n_tiles, tiles_per_outer, n_rows, n_columns,
    dy_outer, dy_row, dy_column, y_outer, y_row, y_column,
    INDEX: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, STAGES: tl.constexpr,
    GROUP: tl.constexpr, STRIDED: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    after_the_kernel_before(EARLY)
    rows = tl.arange(0, ROWS)[:, None].to(INDEX)
    columns = tl.arange(0, COLUMNS)[None, :].to(INDEX)
    for tile in tl.range(tl.program_id(0), n_tiles, tl.num_programs(0), num_stages=STAGES):
        outer = (tile // tiles_per_outer).to(tl.int64)
        first = (tile % tiles_per_outer).to(tl.int64) * ROWS
        mask = (rows < n_rows - first) & (columns < n_columns)
        dy_tile = dy_ptr + outer * dy_outer + first * dy_row
        y_start = outer * y_outer + first * y_row
        y_offsets = rows * y_row + columns * y_column
        dy = tl.load(dy_tile + rows * dy_row + columns * dy_column, mask=mask, other=0.0)
        y = tl.load(y_ptr + y_start + y_offsets, mask=mask, other=0.0).to(tl.float32)
        dy = dy.to(tl.float32)
        dx = y * (dy - tl.sum(y * dy, axis=1, keep_dims=True))
        tl.store(dx_ptr + y_start + y_offsets, dx, mask=mask, cache_modifier=".cs")


@triton.jit
def _backward_two_passes(
    dy_ptr, y_ptr, dx_ptr, n_tiles, tiles_per_outer, n_rows, n_columns,
    dy_outer, dy_row, dy_column, y_outer, y_row, y_column,
    INDEX: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, STAGES: tl.constexpr,
    GROUP: tl.constexpr, STRIDED: tl.constexpr,
):  # fmt: skip
    rows = tl.arange(0, ROWS)[:, None].to(INDEX)
    chunks = tl.cdiv(n_columns, COLUMNS)
    for tile in tl.range(tl.program_id(0), n_tiles, tl.num_programs(0)):
        outer = (tile // tiles_per_outer).to(tl.int64)
        first = (tile % tiles_per_outer).to(tl.int64) * ROWS
        dy_rows = dy_ptr + outer * dy_outer + first * dy_row + rows * dy_row
        y_start = outer * y_outer + first * y_row
        y_rows = y_ptr + y_start + rows * y_row
        dx_rows = dx_ptr + y_start + rows * y_row
        in_rows = rows < n_rows - first

        sums = tl.zeros((ROWS, COLUMNS // GROUP), tl.float32)
        for chunk in tl.range(0, chunks, num_stages=STAGES):
            columns = (chunk * COLUMNS + tl.arange(0, COLUMNS))[None, :].to(INDEX)
            mask = in_rows & (columns < n_columns)
            dy_ptrs, y_ptrs = dy_rows + columns * dy_column, y_rows + columns * y_column
            dy = tl.load(dy_ptrs, mask=mask, other=0.0, eviction_policy="evict_last")
            y = tl.load(y_ptrs, mask=mask, other=0.0, eviction_policy="evict_last")
            products = y.to(tl.float32) * dy.to(tl.float32)
            sums += tl.sum(_grouped(products, ROWS, COLUMNS, GROUP, STRIDED), axis=2)
        mean = tl.sum(sums, axis=1, keep_dims=True)

        for chunk in tl.range(0, chunks, num_stages=STAGES):
            start = (chunks - 1 - chunk) * COLUMNS
            columns = (start + tl.arange(0, COLUMNS))[None, :].to(INDEX)
            mask = in_rows & (columns < n_columns)
            dy_ptrs, y_ptrs = dy_rows + columns * dy_column, y_rows + columns * y_column
            dy = tl.load(dy_ptrs, mask=mask, other=0.0, eviction_policy="evict_first")
            y = tl.load(y_ptrs, mask=mask, other=0.0, eviction_policy="evict_first")
            dx = y.to(tl.float32) * (dy.to(tl.float32) - mean)
            tl.store(dx_rows + columns * y_column, dx, mask=mask, cache_modifier=".cs")


class _Rows(NamedTuple):
    """A tensor seen as (outer, rows, columns): the sizes and, in elements, the strides."""

    outer: int
    rows: int
    columns: int
    outer_stride: int
    row_stride: int
    column_stride: int


def _as_rows(x: torch.Tensor, dim: int) -> _Rows | None:
    """The tensor as rows where its strides collapse to them, else None."""
    before, n, after = x.shape[:dim].numel(), x.shape[dim], x.shape[dim + 1 :].numel()
    try:
        outer_stride, column_stride, inner_stride = x.view(before, n, after).stride()
    except RuntimeError:
        return None
    if after == 1:
        return _Rows(1, before, n, 0, outer_stride, column_stride)
    return _Rows(before, after, n, outer_stride, inner_stride, column_stride)


def _group(tile: shapes.Tile, dtype: torch.dtype, strided: bool) -> int:
    """Columns that one thread holds of a row: it loads 16 bytes of neighbours at a time."""
    at_once = 16 // dtype.itemsize
    if not strided:
        return min(tile.columns, at_once)
    loads = tile.rows * tile.columns // (32 * tile.warps * at_once)
    return max(1, min(tile.columns, loads))


@functools.lru_cache(maxsize=4096)
def _plan(
    source: Layout, aligned: bool, dim: int, backward: bool, log: bool, tile: shapes.Tile | None
) -> tuple[tuple[Launch, ...], int] | None:
    """The launches for a source (x or dy) so laid out; how many numbers programs leave each other.

    None: copy the source. The target (y) is contiguous; ``aligned`` says whether it starts at a
    multiple of 16 bytes.
    """
    target = source.contiguous(aligned)
    rows, target_rows = _as_rows(source.example(), dim), _as_rows(target.example(), dim)
    if rows is None or target_rows is None:
        return None
    device = _compat.device_of(source.device)
    strided = target_rows.column_stride != 1
    if tile is None:
        tile = shapes.tile_for(
            rows.columns, rows.rows if strided else 0, rows.outer, source.dtype, backward, device
        )
    if tile.parts > 1 and strided:
        index = _compat.index_dtype(source, target)
        return _across(rows, target_rows, tile, source.dtype, index, backward, log)
    kind = {} if backward else {"LOG": log}
    if tile.parts > 1:
        power = triton.next_power_of_2(tile.parts)
        shared = {"COLUMNS": tile.columns, "PARTS": tile.parts, "POWER": power}
        launch = Launch(
            backward_shared if backward else forward_shared, rows.rows * tile.parts,
            (rows.columns, rows.row_stride, rows.column_stride), {**kind, **shared},
            {"num_warps": tile.warps},
        )  # fmt: skip
        return (launch,), rows.rows * tile.parts
    tiles_per_outer = triton.cdiv(rows.rows, tile.rows)
    n_tiles = rows.outer * tiles_per_outer
    options: dict[str, Any] = {"num_warps": tile.warps}
    if rows.columns <= tile.columns:
        kernel = _backward_one_pass if backward else _forward_one_pass
        if backward:
            kind["EARLY"], ahead = early_options(source.device)
            options |= ahead
    else:
        kernel = _backward_two_passes if backward else _forward_online
    launch = Launch(
        kernel, min(n_tiles, tile.programs * device.processors or n_tiles),
        (n_tiles, tiles_per_outer, rows.rows, rows.columns, *rows[3:], *target_rows[3:]),
        {
            "INDEX": _compat.index_dtype(source, target), "ROWS": tile.rows,
            "COLUMNS": tile.columns, "STAGES": tile.stages,
            "GROUP": _group(tile, source.dtype, strided), "STRIDED": strided, **kind,
        },
        options,
    )  # fmt: skip
    return (launch,), 0


def _across(
    rows: _Rows, target: _Rows, tile: shapes.Tile, dtype: torch.dtype, index: Any, backward: bool,
    log: bool,
) -> tuple[tuple[Launch, ...], int]:  # fmt: skip
    """The two launches of rows along a strided dimension (see across.py)."""
    groups = _compat.cdiv(rows.rows, tile.rows)
    chunks = _compat.cdiv(rows.columns, tile.parts * tile.columns)
    part = chunks * tile.columns
    parts = _compat.cdiv(rows.columns, part)
    sizes = (rows.rows, rows.columns, groups, part)
    strides = (*rows[3:], *target[3:]) if backward else (0, 0, 0, *rows[3:])
    tiling = {"INDEX": index, "ROWS": tile.rows, "COLUMNS": tile.columns}
    # As many columns as the threads take at a time, 16 bytes of neighbours each.
    lanes = min(tile.columns, max(1, 32 * tile.warps * (16 // dtype.itemsize) // tile.rows))
    options = {"num_warps": tile.warps}
    first = Launch(
        shares_across, (rows.outer * groups, parts), (*sizes, *strides),
        {"BACKWARD": backward, **tiling, "LANES": lanes}, options,
    )  # fmt: skip
    power = _compat.next_power_of_2(parts)
    second = Launch(
        write_across, (rows.outer * groups, parts, chunks), (*sizes, *strides, *target[3:]),
        {"BACKWARD": backward, "LOG": log, **tiling, "PARTS": power}, options,
    )  # fmt: skip
    return (first, second), (1 if backward else 2) * parts * rows.outer * rows.rows


def _launched(plan: tuple[tuple[Launch, ...], int], *tensors: torch.Tensor) -> None:
    """Runs them, with a place for what programs leave each other."""
    launches, numbers = plan
    if len(launches) == 2:
        *dy, x, y = tensors
        inputs = (dy[0] if dy else None, x, x.new_empty(numbers, dtype=torch.float32))
        launches[0](*inputs)
        launches[1](*inputs, y)
    elif numbers:
        launches[0](*tensors, meeting(numbers, 1, tensors[0].device))
    else:
        launches[0](*tensors)


def softmax(
    x: torch.Tensor, dim: int, tile: shapes.Tile | None = None, log: bool = False
) -> torch.Tensor:
    """Softmax along ``dim`` (not negative), or its logarithm, in float32; contiguous."""
    y = torch.empty_like(x, memory_format=torch.contiguous_format)
    if y.numel():
        plan = _plan(Layout.of(x), starts_aligned(y), dim, False, log, tile)
        if plan is None:
            return softmax(x.contiguous(), dim, tile, log)
        _launched(plan, x, y)
    return y


def softmax_backward(
    grad: torch.Tensor, y: torch.Tensor, dim: int, tile: shapes.Tile | None = None
) -> torch.Tensor:
    """Gradient of the input, given that of the output and the output; reads both once."""
    y = y.contiguous()
    dx = torch.empty_like(y)
    if dx.numel():
        plan = _plan(Layout.of(grad), starts_aligned(y), dim, True, False, tile)
        if plan is None:
            return softmax_backward(grad.contiguous(), y, dim, tile)
        _launched(plan, grad, y, dx)
    return dx
