"""softmax along a strided dimension too long for the cache: what a row needs first, then the rows.

Neighbours in memory belong to different rows. A program adds up ROWS of them over a part of their
columns and leaves a maximum and a sum a row (Milakov and Gimelshein 2018, arXiv:1805.02867), or for
the gradient Σ y·dy. A second kernel joins the parts of the rows of its tile and writes it. It takes
the tiles that were read last first, which are still in the L2 cache.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._compat import tl, triton
from triton_kernels.ops.softmax.shared import log_of_sum
from triton_kernels.ops.special import exp


@triton.jit
def _tile(group, start, end, groups, n_rows, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Which outer index, rows and columns; and what of them is there."""
    outer = (group // groups).to(tl.int64)
    rows = (group % groups * ROWS + tl.arange(0, ROWS))[None, :]
    columns = (start + tl.arange(0, COLUMNS))[:, None]
    return outer, rows, columns, (rows < n_rows) & (columns < end)


@triton.jit
def shares_across(
    dy_ptr, x_ptr, shares_ptr, n_rows, n_columns, groups, part,
    dy_outer, dy_row, dy_column, x_outer, x_row, x_column,
    BACKWARD: tl.constexpr, INDEX: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    LANES: tl.constexpr,
):  # fmt: skip
    """Shares of (2 or, for the gradient, 1, parts, outer, rows). x is y for the gradient."""
    start = tl.program_id(1) * part
    end = tl.minimum(start + part, n_columns)
    maxima = tl.full((LANES, ROWS), -float("inf"), tl.float32)
    sums = tl.zeros((LANES, ROWS), tl.float32)
    for first in tl.range(start, end, COLUMNS):
        outer, rows, columns, mask = _tile(
            tl.program_id(0), first, end, groups, n_rows, ROWS, COLUMNS
        )
        at = rows.to(INDEX) * x_row + columns.to(INDEX) * x_column
        other = 0.0 if BACKWARD else -float("inf")
        x = tl.load(x_ptr + outer * x_outer + at, mask=mask, other=other).to(tl.float32)
        if BACKWARD:
            at = rows.to(INDEX) * dy_row + columns.to(INDEX) * dy_column
            dy = tl.load(dy_ptr + outer * dy_outer + at, mask=mask, other=0.0).to(tl.float32)
            sums += tl.sum(tl.reshape(x * dy, (COLUMNS // LANES, LANES, ROWS)), axis=0)
        else:
            x = tl.reshape(x, (COLUMNS // LANES, LANES, ROWS))
            new_maxima = tl.maximum(maxima, tl.max(x, axis=0))
            # While all is -inf the difference of two maxima would be NaN: subtract 0 instead.
            shift = tl.where(new_maxima == -float("inf"), 0.0, new_maxima)
            sums = sums * exp(maxima - shift) + tl.sum(exp(x - shift[None, :, :]), axis=0)
            maxima = new_maxima
    row = tl.program_id(0) % groups * ROWS + tl.arange(0, ROWS)
    n_outer = tl.num_programs(0) // groups
    line = tl.program_id(1) * n_outer + tl.program_id(0) // groups
    at = shares_ptr + line.to(tl.int64) * n_rows + row
    if BACKWARD:
        tl.store(at, tl.sum(sums, axis=0), mask=row < n_rows)
    else:
        maximum = tl.max(maxima, axis=0)
        shift = tl.where(maximum == -float("inf"), 0.0, maximum)
        sums = tl.sum(sums * exp(maxima - shift[None, :]), axis=0)
        tl.store(at, maximum, mask=row < n_rows)
        at += (tl.num_programs(1) * n_outer).to(tl.int64) * n_rows
        tl.store(at, sums, mask=row < n_rows)


@triton.jit
def write_across(
    dy_ptr, x_ptr, shares_ptr, y_ptr, n_rows, n_columns, groups, part,
    dy_outer, dy_row, dy_column, x_outer, x_row, x_column, y_outer, y_row, y_column,
    BACKWARD: tl.constexpr, LOG: tl.constexpr, INDEX: tl.constexpr, ROWS: tl.constexpr,
    COLUMNS: tl.constexpr, PARTS: tl.constexpr,
):  # fmt: skip
    """y of x, or dx of dy and y: here too x stands for y, and y for dx."""
    chunk = tl.num_programs(2) - 1 - tl.program_id(2)
    start = tl.program_id(1) * part + chunk * COLUMNS
    end = tl.minimum((tl.program_id(1) + 1) * part, n_columns)
    outer, rows, columns, mask = _tile(tl.program_id(0), start, end, groups, n_rows, ROWS, COLUMNS)
    at = rows.to(INDEX) * x_row + columns.to(INDEX) * x_column
    x = tl.load(x_ptr + outer * x_outer + at, mask=mask, other=0.0).to(tl.float32)

    n_outer = tl.num_programs(0) // groups
    parts = tl.arange(0, PARTS)[:, None]
    there = (parts < tl.num_programs(1)) & (rows < n_rows)
    places = shares_ptr + (parts * n_outer + outer) * n_rows + rows
    if BACKWARD:
        at = rows.to(INDEX) * dy_row + columns.to(INDEX) * dy_column
        dy = tl.load(dy_ptr + outer * dy_outer + at, mask=mask, other=0.0).to(tl.float32)
        total = tl.sum(tl.load(places, mask=there, other=0.0), axis=0)
        y = x * (dy - total[None, :])
    else:
        maxima = tl.load(places, mask=there, other=-float("inf"))
        sums = tl.load(
            places + (tl.num_programs(1) * n_outer).to(tl.int64) * n_rows, mask=there, other=0.0
        )
        maximum = tl.max(maxima, axis=0)
        shift = tl.where(maximum == -float("inf"), 0.0, maximum)
        total = tl.sum(sums * exp(maxima - shift[None, :]), axis=0)
        if LOG:
            y = x - shift[None, :] - log_of_sum(total)[None, :]
        else:
            y = exp(x - maximum[None, :]) * (1.0 / total)[None, :]
    at = rows.to(INDEX) * y_row + columns.to(INDEX) * y_column
    tl.store(y_ptr + outer * y_outer + at, y, mask=mask, cache_modifier=".cs")
