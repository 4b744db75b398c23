"""The forward of rms_norm and layer_norm on Hopper, in Gluon.

A row of a power of two up to 8k columns is held by one program, of four to twelve on a
multiprocessor, whose threads meet once. A longer one, up to 32k, is read twice by one program, the
second time from its end back: with two to four such rows on a multiprocessor it is still in the L1
cache, so that no register holds it and 64 warps hide the time that loads take. Others are taken by
programs that stay, or clusters of them (see hopper.py).
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._compat import tl
from triton_kernels._gluon import gl, gluon
from triton_kernels.ops.clusters import (
    ask,
    columns_of,
    open_boxes,
    owned,
    put,
    take,
    take_moments,
    to_row,
    wait_for_boxes,
    warp_sum,
)
from triton_kernels.ops.streaming import wide

AHEAD = gl.constexpr(2)
"""Rows from the one that is worked on to the one that is brought to the L2 cache."""


@gluon.jit
def in_row(row, n_columns, columns):
    """Where they lie."""
    return row.to(gl.int64) * n_columns + columns


@gluon.jit
def row_of(x_ptr, row, n_columns, columns, mask):
    """A row's columns, which nobody asks for again."""
    x_ptr += in_row(row, n_columns, columns)
    return gl.load(x_ptr, mask=mask, other=0.0, eviction_policy="evict_first")


@gluon.jit
def scale_of(weight, offset, OFFSET: gl.constexpr):
    """What the normalised are multiplied by."""
    scale = wide(weight)
    if OFFSET:
        scale += offset
    return scale


@gluon.jit
def _normalised(
    x, mean, rstd, weight, bias, WEIGHTED: gl.constexpr, BIASED: gl.constexpr, offset,
    CENTERED: gl.constexpr, ROUNDED: gl.constexpr, OFFSET: gl.constexpr,
):  # fmt: skip
    """(x - mean)·rstd·(offset + weight) + bias, of x's dtype."""
    y = wide(x) * rstd
    if CENTERED:
        y -= mean * rstd
    if ROUNDED:
        y = y.to(x.dtype).to(gl.float32)
    if WEIGHTED:
        y *= scale_of(weight, offset, OFFSET)
    if BIASED:
        y += wide(bias)
    return y.to(x.dtype)


@gluon.jit
def _variance(
    x, mask, boxes, turn, n_columns, CENTERED: gl.constexpr, FULL: gl.constexpr, PARTS: gl.constexpr
):  # fmt: skip
    """A row's mean, the sum of squares about it (not centered: about 0), and the turn after."""
    mean = 0.0
    if not CENTERED:
        squares = owned(wide(x) * wide(x))
        put(boxes, turn, squares, squares, "sum", PARTS)
        total, _nothing = take(boxes, turn, "sum", PARTS)
    elif FULL:
        COUNT: gl.constexpr = 32 * x.shape[1] * x.shape[3]
        middle = warp_sum(owned(wide(x))) * (1.0 / COUNT)
        apart = wide(x) - to_row(middle)
        put(boxes, turn, middle, owned(apart * apart), "moments", PARTS)
        mean, total = take_moments(boxes, turn, COUNT, PARTS)
    else:
        total = owned(wide(x))
        put(boxes, turn, total, total, "sum", PARTS)
        total, _nothing = take(boxes, turn, "sum", PARTS)
        mean = total / n_columns
        apart = gl.where(mask, wide(x) - mean, 0.0)
        squares = owned(apart * apart)
        turn += 1
        put(boxes, turn, squares, squares, "sum", PARTS)
        total, _nothing = take(boxes, turn, "sum", PARTS)
    return mean, total, turn + 1


@gluon.jit
def forward(
    x_ptr, weight_ptr, bias_ptr, y_ptr, statistics_ptr, n_rows, n_columns, eps, offset,
    CENTERED: gl.constexpr, ROUNDED: gl.constexpr, OFFSET: gl.constexpr, FULL: gl.constexpr,
    PARTS: gl.constexpr, REPEATS: gl.constexpr, LAYOUT: gl.constexpr,
):  # fmt: skip
    """FULL: the threads have no columns beyond the row's end."""
    boxes = open_boxes(PARTS)
    columns = columns_of(PARTS, REPEATS, LAYOUT)
    PART: gl.constexpr = columns.shape[1] * columns.shape[2] * columns.shape[3]
    mask = columns < n_columns
    start = gl.program_id(0)
    stride = gl.num_programs(0)
    tl.extra.cuda.gdc_wait()  # for the kernel before, which may write what is read here
    x = gl.load(x_ptr + in_row(start, n_columns, columns), mask=mask, other=0.0)
    weight = x
    bias = x
    if weight_ptr is not None:
        weight = gl.load(weight_ptr + columns, mask=mask, other=0.0)
    if bias_ptr is not None:
        bias = gl.load(bias_ptr + columns, mask=mask, other=0.0)
    wait_for_boxes(boxes, PARTS)
    turn = 0
    for row in range(start, n_rows, stride):
        following = gl.minimum(row + stride, n_rows - 1)
        next_at = in_row(following, n_columns, columns)
        next_x = gl.load(x_ptr + next_at, mask=mask, other=0.0)
        if AHEAD > 1:
            far = gl.minimum(row + AHEAD * stride, n_rows - 1).to(gl.int64)
            ask(x_ptr + far * n_columns, n_columns, PART)
        mean, squares, turn = _variance(x, mask, boxes, turn, n_columns, CENTERED, FULL, PARTS)
        rstd = 1 / gl.sqrt(squares / n_columns + eps)
        gl.store(statistics_ptr + row, rstd)
        if CENTERED:
            gl.store(statistics_ptr + n_rows + row, mean)
        y = _normalised(
            x, mean, rstd, weight, bias, weight_ptr is not None, bias_ptr is not None, offset,
            CENTERED, ROUNDED, OFFSET,
        )  # fmt: skip
        at = in_row(row, n_columns, columns)
        gl.store(y_ptr + at, y, mask=mask)
        x = next_x


@gluon.jit
def _parameters(weight_ptr, bias_ptr, columns, x):
    """Those of x's columns, which other rows will ask for too; x for what is not given."""
    weight, bias = x, x
    if weight_ptr is not None:
        weight = gl.load(weight_ptr + columns, eviction_policy="evict_last")
    if bias_ptr is not None:
        bias = gl.load(bias_ptr + columns, eviction_policy="evict_last")
    return weight, bias


@gluon.jit
def forward_once(
    x_ptr, weight_ptr, bias_ptr, y_ptr, statistics_ptr, n_rows, n_columns, eps, offset,
    CENTERED: gl.constexpr, ROUNDED: gl.constexpr, OFFSET: gl.constexpr, REPEATS: gl.constexpr,
    LAYOUT: gl.constexpr,
):  # fmt: skip
    """Of rows that fill the threads, which hold them."""
    boxes = open_boxes(1)
    columns = columns_of(1, REPEATS, LAYOUT)
    row = gl.program_id(0)
    at = in_row(row, n_columns, columns)
    tl.extra.cuda.gdc_wait()
    # No hints: with them the rate is at the mercy of what lies in the L2 cache already.
    x = gl.load(x_ptr + at)
    mean, squares, _turn = _variance(x, columns, boxes, 0, n_columns, CENTERED, True, 1)
    rstd = 1 / gl.sqrt(squares / n_columns + eps)
    gl.store(statistics_ptr + row, rstd)
    if CENTERED:
        gl.store(statistics_ptr + n_rows + row, mean)
    # Not before: they would take registers from rows that are waited for.
    weight, bias = _parameters(weight_ptr, bias_ptr, columns, x)
    y = _normalised(
        x, mean, rstd, weight, bias, weight_ptr is not None, bias_ptr is not None, offset,
        CENTERED, ROUNDED, OFFSET,
    )  # fmt: skip
    gl.store(y_ptr + at, y)


@gluon.jit
def forward_twice(
    x_ptr, weight_ptr, bias_ptr, y_ptr, statistics_ptr, n_rows, n_columns, eps, offset,
    CENTERED: gl.constexpr, ROUNDED: gl.constexpr, OFFSET: gl.constexpr, CHUNKS: gl.constexpr,
    LAYOUT: gl.constexpr,
):  # fmt: skip
    """Of rows that fill the threads a whole number of times."""
    boxes = open_boxes(1)
    first = columns_of(1, 1, LAYOUT)
    WIDTH: gl.constexpr = first.shape[3]
    CHUNK: gl.constexpr = first.shape[2] * WIDTH
    row = gl.program_id(0)
    x_ptr += row.to(gl.int64) * n_columns
    y_ptr += row.to(gl.int64) * n_columns
    means = owned(gl.full(first.shape, 0, gl.float32, LAYOUT))
    squares = means
    tl.extra.cuda.gdc_wait()
    for chunk in range(CHUNKS):
        x = gl.load(x_ptr + (chunk * CHUNK + first), eviction_policy="evict_last")
        if CENTERED:
            # A thread's mean of a chunk, and squares about it, join those of the chunks before
            # (Chan et al. 1979).
            middle = owned(wide(x)) * (1.0 / WIDTH)
            apart = wide(x) - to_row(middle)
            step = middle - means
            share = 1.0 / (chunk + 1.0)
            means += step * share
            squares += owned(apart * apart) + step * step * (WIDTH * chunk * share)
        else:
            squares += owned(wide(x) * wide(x))
    mean = 0.0
    if CENTERED:
        put(boxes, 0, means, means, "sum", 1)
        total, _nothing = take(boxes, 0, "sum", 1)
        mean = total * WIDTH * CHUNKS / n_columns
        squares += (means - mean) * (means - mean) * (WIDTH * CHUNKS)
    put(boxes, 1, squares, squares, "sum", 1)
    total, _nothing = take(boxes, 1, "sum", 1)
    rstd = 1 / gl.sqrt(total / n_columns + eps)
    gl.store(statistics_ptr + row, rstd)
    if CENTERED:
        gl.store(statistics_ptr + n_rows + row, mean)
    for chunk in range(CHUNKS):
        # Backwards: what was read last is surest to be in the cache.
        columns = (CHUNKS - 1 - chunk) * CHUNK + first
        x = gl.load(x_ptr + columns, eviction_policy="evict_first")
        weight, bias = _parameters(weight_ptr, bias_ptr, columns, x)
        y = _normalised(
            x, mean, rstd, weight, bias, weight_ptr is not None, bias_ptr is not None, offset,
            CENTERED, ROUNDED, OFFSET,
        )  # fmt: skip
        gl.store(y_ptr + columns, y, cache_modifier=".cs")
