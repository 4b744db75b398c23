"""The backward of rms_norm and layer_norm on Hopper, two rows at a time, in Gluon.

A thread holds the same eight columns of two neighbouring rows. So half as many numbers of the
parameters' sums lie in registers, and are written at the end, as where it holds sixteen of one row,
and both rows' sums meet at once (see ops/clusters.py).
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._gluon import gl, gluon
from triton_kernels.ops.clusters import (
    ask,
    columns_of,
    open_boxes,
    put_two,
    take_two,
    wait_for_boxes,
)
from triton_kernels.ops.streaming import wide

_AHEAD = gl.constexpr(2)
"""Pairs of rows from the one that is worked on to the one that is brought to the L2 cache."""


@gluon.jit
def _rows_of(x_ptr, rows, n_columns, columns, mask):
    x_ptr += rows.to(gl.int64) * n_columns + columns
    return gl.load(x_ptr, mask=mask, other=0.0, eviction_policy="evict_first")


@gluon.jit
def _on_columns(x):
    """Of (1, rows, 1) or (parts, rows, threads), for each column."""
    return gl.expand_dims(x, 3)


@gluon.jit
def _statistics(statistics_ptr, rows, n_rows, CENTERED: gl.constexpr):
    rows = gl.minimum(rows, n_rows - 1)
    rstd = gl.load(statistics_ptr + rows)
    mean = rstd
    if CENTERED:
        mean = gl.load(statistics_ptr + n_rows + rows)
    return rstd, mean


@gluon.jit
def _ask_for(x_ptr, row, n_rows, n_columns, PART: gl.constexpr):
    first = gl.minimum(row, n_rows - 1).to(gl.int64)
    second = gl.minimum(row + 1, n_rows - 1).to(gl.int64)
    ask(x_ptr + first * n_columns, n_columns, PART)
    ask(x_ptr + second * n_columns, n_columns, PART)


@gluon.jit
def _sum_of_rows(x):
    return gl.expand_dims(gl.sum(x, 1), 1)


@gluon.jit
def store_line(line_ptr, line, mask):
    """A line of float32, four neighbours at a time: as it lies, though a bfloat16 layout's."""
    gl.inline_asm_elementwise(
        "{ .reg .pred p; setp.ne.b32 p, $12, 0; @p st.global.v4.b32 [$4], {$8, $9, $10, $11}; }",
        "=r,=r,=r,=r,l,l,l,l,r,r,r,r,r,r,r,r", [line_ptr.to(gl.int64), line, mask.to(gl.int32)],
        dtype=gl.int32, is_pure=False, pack=4,
    )  # fmt: skip


@gluon.jit
def backward_pairs(
    dy_ptr, dsum_ptr, z_ptr, weight_ptr, statistics_ptr, dz_ptr, dweight_ptr, dbias_ptr,
    n_rows, n_columns, offset,
    CENTERED: gl.constexpr, ROUNDED: gl.constexpr, OFFSET: gl.constexpr,
    PARTS: gl.constexpr, LAYOUT: gl.constexpr,
):  # fmt: skip
    """Each thread has 16 bytes of each row."""
    NUMBERS: gl.constexpr = 4 if CENTERED else 2
    boxes = open_boxes(PARTS, 4 * NUMBERS)
    columns = columns_of(PARTS, 1, LAYOUT)
    PART: gl.constexpr = columns.shape[2] * columns.shape[3]
    within = columns < n_columns
    OF_ROWS: gl.constexpr = gl.SliceLayout(0, gl.SliceLayout(2, gl.SliceLayout(3, LAYOUT)))
    both = gl.expand_dims(gl.expand_dims(gl.arange(0, 2, OF_ROWS), 0), 2)
    start = gl.program_id(0) * 2
    stride = gl.num_programs(0) * 2
    rows = _on_columns(start + both)
    mask = within & (rows < n_rows)
    z = _rows_of(z_ptr, rows, n_columns, columns, mask)
    dy = _rows_of(dy_ptr, rows, n_columns, columns, mask)
    rstd, mean = _statistics(statistics_ptr, start + both, n_rows, CENTERED)
    weight = columns
    if weight_ptr is not None:
        weight = gl.load(weight_ptr + columns, mask=within, other=0.0)
    dweight = gl.full(columns.shape, 0, gl.float32, LAYOUT)
    dbias = dweight
    share = 1.0 / n_columns
    wait_for_boxes(boxes, PARTS)
    turn = 0
    for row in range(start, n_rows, stride):
        rows = _on_columns(row + both)
        mask = within & (rows < n_rows)
        there = within & (rows + stride < n_rows)
        next_z = _rows_of(z_ptr, rows + stride, n_columns, columns, there)
        next_dy = _rows_of(dy_ptr, rows + stride, n_columns, columns, there)
        next_rstd, next_mean = _statistics(statistics_ptr, row + stride + both, n_rows, CENTERED)
        far = row + _AHEAD * stride
        _ask_for(z_ptr, far, n_rows, n_columns, PART)
        _ask_for(dy_ptr, far, n_rows, n_columns, PART)
        if dsum_ptr is not None:
            _ask_for(dsum_ptr, far, n_rows, n_columns, PART)
        g = wide(dy)
        normal = wide(z) * _on_columns(rstd)
        if CENTERED:
            normal -= _on_columns(mean * rstd)
        # Beyond the last row, as beyond a row's end, dy is 0.
        if dweight_ptr is not None:
            if ROUNDED:
                dweight += _sum_of_rows(g * normal.to(z.dtype).to(gl.float32))
            else:
                dweight += _sum_of_rows(g * normal)
        if dbias_ptr is not None:
            dbias += _sum_of_rows(g)
        if weight_ptr is not None:
            scale = wide(weight)
            if OFFSET:
                scale += offset
            g *= scale
        along = gl.sum(g * normal, 3)
        across = along
        if CENTERED:
            across = gl.sum(g, 3)
        put_two(boxes, turn, along, across, NUMBERS, PARTS)
        dsum = dy
        if dsum_ptr is not None:
            dsum = _rows_of(dsum_ptr, rows, n_columns, columns, mask)
        along, across = take_two(boxes, turn, along, NUMBERS, PARTS)
        # (g - n·mean(g·n) - mean(g))·rstd, with what is the same for a row taken together.
        less = normal * _on_columns(rstd * (along * share))
        if CENTERED:
            less += _on_columns(rstd * (across * share))
        dz = g * _on_columns(rstd) - less
        if dsum_ptr is not None:
            dz += wide(dsum)
        at = rows.to(gl.int64) * n_columns + columns
        gl.store(dz_ptr + at, dz.to(z.dtype), mask=mask, cache_modifier=".cs")
        z, dy, rstd, mean = next_z, next_dy, next_rstd, next_mean
        turn += 1  # noqa: SIM113 (Gluon has no enumerate)
    line = gl.program_id(0).to(gl.int64) * n_columns + columns
    if dweight_ptr is not None:
        store_line(dweight_ptr + line, dweight, within)
    if dbias_ptr is not None:
        store_line(dbias_ptr + line, dbias, within)
