"""softmax in Triton, for any GPU and the interpreter.

A tensor is seen as (outer, columns, inner) with the softmax along columns. Rows are those of one
outer index: along the last dimension inner is 1 and the rows are the outer indices. A program
takes tiles of (rows, columns). While a row fits, it is read once and held in registers; longer rows
are read twice, in chunks: first for the running maximum and sum (Milakov and Gimelshein 2018,
arXiv:1805.02867), then to write.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from triton_kernels import _compat
from triton_kernels._compat import tl, triton
from triton_kernels.ops.softmax import shapes


@triton.jit
def _forward_one_pass(
    x_ptr, y_ptr, n_tiles, tiles_per_outer, n_rows, n_columns,
    x_outer, x_row, x_column, y_outer, y_row, y_column,
    INDEX: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, STAGES: tl.constexpr,
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
        numerator = tl.exp(x - tl.max(x, axis=1, keep_dims=True))
        y = numerator / tl.sum(numerator, axis=1, keep_dims=True)
        y_tile = y_ptr + outer * y_outer + first * y_row
        tl.store(y_tile + rows * y_row + columns * y_column, y, mask=mask)


@triton.jit
def _forward_online(
    x_ptr, y_ptr, n_tiles, tiles_per_outer, n_rows, n_columns,
    x_outer, x_row, x_column, y_outer, y_row, y_column,
    INDEX: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    tile = tl.program_id(0)
    outer = (tile // tiles_per_outer).to(tl.int64)
    first = (tile % tiles_per_outer).to(tl.int64) * ROWS
    rows = tl.arange(0, ROWS)[:, None].to(INDEX)
    x_rows = x_ptr + outer * x_outer + first * x_row + rows * x_row
    y_rows = y_ptr + outer * y_outer + first * y_row + rows * y_row
    in_rows = rows < n_rows - first

    maximum = tl.full((ROWS, 1), -float("inf"), tl.float32)
    total = tl.zeros((ROWS, 1), tl.float32)
    for start in tl.range(0, n_columns, COLUMNS, num_stages=STAGES):
        columns = (start + tl.arange(0, COLUMNS))[None, :].to(INDEX)
        mask = in_rows & (columns < n_columns)
        x = tl.load(x_rows + columns * x_column, mask=mask, other=-float("inf")).to(tl.float32)
        new_maximum = tl.maximum(maximum, tl.max(x, axis=1, keep_dims=True))
        # While all so far is -inf the difference of two maxima would be NaN: subtract 0 instead.
        shift = tl.where(new_maximum == -float("inf"), 0.0, new_maximum)
        total = total * tl.exp(maximum - shift) + tl.sum(tl.exp(x - shift), axis=1, keep_dims=True)
        maximum = new_maximum

    for start in tl.range(0, n_columns, COLUMNS, num_stages=STAGES):
        columns = (start + tl.arange(0, COLUMNS))[None, :].to(INDEX)
        mask = in_rows & (columns < n_columns)
        x = tl.load(x_rows + columns * x_column, mask=mask, other=-float("inf")).to(tl.float32)
        tl.store(y_rows + columns * y_column, tl.exp(x - maximum) / total, mask=mask)


@triton.jit
def _backward_one_pass(
    dy_ptr, y_ptr, dx_ptr, n_tiles, tiles_per_outer, n_rows, n_columns,
    dy_outer, dy_row, dy_column, y_outer, y_row, y_column,
    INDEX: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
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
        tl.store(dx_ptr + y_start + y_offsets, dx, mask=mask)


@triton.jit
def _backward_two_passes(
    dy_ptr, y_ptr, dx_ptr, n_tiles, tiles_per_outer, n_rows, n_columns,
    dy_outer, dy_row, dy_column, y_outer, y_row, y_column,
    INDEX: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    tile = tl.program_id(0)
    outer = (tile // tiles_per_outer).to(tl.int64)
    first = (tile % tiles_per_outer).to(tl.int64) * ROWS
    rows = tl.arange(0, ROWS)[:, None].to(INDEX)
    dy_rows = dy_ptr + outer * dy_outer + first * dy_row + rows * dy_row
    y_start = outer * y_outer + first * y_row
    y_rows = y_ptr + y_start + rows * y_row
    dx_rows = dx_ptr + y_start + rows * y_row
    in_rows = rows < n_rows - first

    mean = tl.zeros((ROWS, 1), tl.float32)
    for start in tl.range(0, n_columns, COLUMNS, num_stages=STAGES):
        columns = (start + tl.arange(0, COLUMNS))[None, :].to(INDEX)
        mask = in_rows & (columns < n_columns)
        dy = tl.load(dy_rows + columns * dy_column, mask=mask, other=0.0).to(tl.float32)
        y = tl.load(y_rows + columns * y_column, mask=mask, other=0.0).to(tl.float32)
        mean += tl.sum(y * dy, axis=1, keep_dims=True)

    for start in tl.range(0, n_columns, COLUMNS, num_stages=STAGES):
        columns = (start + tl.arange(0, COLUMNS))[None, :].to(INDEX)
        mask = in_rows & (columns < n_columns)
        dy = tl.load(dy_rows + columns * dy_column, mask=mask, other=0.0).to(tl.float32)
        y = tl.load(y_rows + columns * y_column, mask=mask, other=0.0).to(tl.float32)
        tl.store(dx_rows + columns * y_column, y * (dy - mean), mask=mask)


class _Rows(NamedTuple):
    """A tensor seen as (outer, rows, columns): the sizes and, in elements, the strides."""

    outer: int
    rows: int
    columns: int
    outer_stride: int
    row_stride: int
    column_stride: int


def _as_rows(x: torch.Tensor, dim: int) -> tuple[torch.Tensor, _Rows]:
    """The tensor (copied only if its strides do not collapse) and its view as rows."""
    before, n, after = x.shape[:dim].numel(), x.shape[dim], x.shape[dim + 1 :].numel()
    x = x.reshape(before, n, after)
    outer_stride, column_stride, inner_stride = x.stride()
    if after == 1:
        return x, _Rows(1, before, n, 0, outer_stride, column_stride)
    return x, _Rows(before, after, n, outer_stride, inner_stride, column_stride)


def _launch(
    one_pass: Any, long: Any, tile: shapes.Tile, tensors: tuple[torch.Tensor, ...],
    first: _Rows, second: _Rows, device: _compat.Device,
) -> None:  # fmt: skip
    """Runs one of two kernels of the same arguments over all tiles."""
    tiles_per_outer = triton.cdiv(first.rows, tile.rows)
    n_tiles = first.outer * tiles_per_outer
    fits = first.columns <= tile.columns
    programs = tile.programs * device.processors if fits else 0
    (one_pass if fits else long)[(min(n_tiles, programs or n_tiles),)](
        *tensors, n_tiles, tiles_per_outer, first.rows, first.columns, *first[3:], *second[3:],
        INDEX=_compat.index_dtype(*tensors),
        ROWS=tile.rows, COLUMNS=tile.columns, STAGES=tile.stages, num_warps=tile.warps,
    )  # fmt: skip


def softmax(x: torch.Tensor, dim: int) -> torch.Tensor:
    """Softmax along ``dim`` (not negative), accumulated in float32; the result is contiguous."""
    y = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    if y.numel():
        x, x_rows = _as_rows(x, dim)
        flat_y, y_rows = _as_rows(y, dim)
        device = _compat.device_of(x.device)
        tile = shapes.forward_tile(x_rows.columns, y_rows.column_stride == 1, x.dtype, device)
        tensors = (x, flat_y)
        _launch(_forward_one_pass, _forward_online, tile, tensors, x_rows, y_rows, device)
    return y


def softmax_backward(grad: torch.Tensor, y: torch.Tensor, dim: int) -> torch.Tensor:
    """Gradient of the input, given that of the output and the output; reads both once."""
    dx = torch.empty(y.shape, dtype=y.dtype, device=y.device)
    if dx.numel():
        grad, grad_rows = _as_rows(grad, dim)
        y, y_rows = _as_rows(y.contiguous(), dim)
        device = _compat.device_of(y.device)
        tile = shapes.backward_tile(y_rows.columns, y_rows.column_stride == 1, y.dtype, device)
        tensors = (grad, y, dx.view(y.shape))
        _launch(_backward_one_pass, _backward_two_passes, tile, tensors, grad_rows, y_rows, device)
    return dx
