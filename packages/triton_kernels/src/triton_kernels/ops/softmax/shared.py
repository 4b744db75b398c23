"""softmax of rows too long for one program, which several share, so that they are read once.

Each program reduces its part of a row, leaves the result for the others and waits for theirs (see
norms/meeting.py); its part stays in registers meanwhile. Forward the parts meet for their maxima
and sums, as chunks of one program do (Milakov and Gimelshein 2018, arXiv:1805.02867); backward for
Σ y·dy.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._compat import tl, triton
from triton_kernels.ops.norms.meeting import gather, look, publish
from triton_kernels.ops.special import exp


@triton.jit
def log_of_sum(total):
    """log Σ exp beyond the maximum; 0 where a row is -inf throughout, which then stays so."""
    return tl.where(total == 0, 0.0, tl.log(total))


@triton.jit
def forward_shared(
    x_ptr, y_ptr, shares_ptr, n_columns, x_row, x_column,
    LOG: tl.constexpr, COLUMNS: tl.constexpr, PARTS: tl.constexpr, POWER: tl.constexpr,
):  # fmt: skip
    """Softmax of rows, or its logarithm; y is contiguous."""
    row = (tl.program_id(0) // PARTS).to(tl.int64)
    part = tl.program_id(0) % PARTS
    columns = part * COLUMNS + tl.arange(0, COLUMNS)
    mask = columns < n_columns
    at = row * x_row + columns.to(tl.int64) * x_column
    x = tl.load(x_ptr + at, mask=mask, other=-float("inf")).to(tl.float32)
    maximum = tl.max(x, axis=0)
    # Where all is -inf the difference would be NaN: subtract 0 instead.
    shift = tl.where(maximum == -float("inf"), 0.0, maximum)
    powers = exp(x - shift)
    publish(shares_ptr, row, part, maximum, tl.sum(powers, axis=0), PARTS)
    seen = look(shares_ptr, row, PARTS, POWER)
    maxima, sums = gather(shares_ptr, seen, row, PARTS, POWER)
    maxima = tl.where(tl.arange(0, POWER) < PARTS, maxima, -float("inf"))
    maximum = tl.max(maxima, axis=0)
    top = tl.where(maximum == -float("inf"), 0.0, maximum)
    total = tl.sum(sums * tl.exp(maxima - top), axis=0)
    y = x - top - log_of_sum(total) if LOG else powers * (tl.exp(shift - top) / total)
    tl.store(y_ptr + row * n_columns + columns, y, mask=mask, cache_modifier=".cs")


@triton.jit
def backward_shared(
    dy_ptr, y_ptr, dx_ptr, shares_ptr, n_columns, dy_row, dy_column,
    COLUMNS: tl.constexpr, PARTS: tl.constexpr, POWER: tl.constexpr,
):  # fmt: skip
    """The gradient of softmax; y and dx are contiguous."""
    row = (tl.program_id(0) // PARTS).to(tl.int64)
    part = tl.program_id(0) % PARTS
    columns = part * COLUMNS + tl.arange(0, COLUMNS)
    mask = columns < n_columns
    at = row * dy_row + columns.to(tl.int64) * dy_column
    dy = tl.load(dy_ptr + at, mask=mask, other=0.0).to(tl.float32)
    y = tl.load(y_ptr + row * n_columns + columns, mask=mask, other=0.0).to(tl.float32)
    publish(shares_ptr, row, part, tl.sum(y * dy, axis=0), 0.0, PARTS)
    seen = look(shares_ptr, row, PARTS, POWER)
    sums, _nothing = gather(shares_ptr, seen, row, PARTS, POWER)
    dx = y * (dy - tl.sum(sums, axis=0))
    tl.store(dx_ptr + row * n_columns + columns, dx, mask=mask, cache_modifier=".cs")
