"""The backward of rms_norm and layer_norm on Hopper where more than dz is at work, in Gluon.

As in hopper_backward.py, of rows that fill the threads. What needs no sums is asked for and made
while they are on their way to the other threads: the gradient of the sum, and which elements
dropout kept. All threads share one address of each tensor, that of its row, with the same offsets
from it: ten registers fewer. A program's warps may be two teams (see ops/mailboxes.py).
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._compat import tl
from triton_kernels._gluon import gl, gluon
from triton_kernels.ops.clusters import columns_of, open_boxes, wait_for_boxes
from triton_kernels.ops.mailboxes import mailboxes, over_teams, receive, send, team_of
from triton_kernels.ops.norms.hopper_backward import (
    apart,
    ask_ahead,
    begin,
    errand_of_warp,
    gradient_of,
    store_line,
    together,
    weight_of,
)
from triton_kernels.ops.norms.hopper_drops import kept_of


@gluon.jit
def _load(z_at, dy_at, rstd_at, mean_at, CENTERED: gl.constexpr):
    rstd = gl.load(rstd_at)
    mean = rstd
    if CENTERED:
        mean = gl.load(mean_at)
    return gl.load(z_at), gl.load(dy_at), rstd, mean


@gluon.jit
def _finish(
    made, along, across, dsum, dz_at, dx_at, kept, kept_scale, share,
    CENTERED: gl.constexpr, HALF: gl.constexpr, ADDED: gl.constexpr, DROPPED: gl.constexpr,
):  # fmt: skip
    """Stores dz, and what dropout leaves of it."""
    low, high = gradient_of(made, along, across, share, CENTERED)
    if ADDED:
        more_low, more_high = apart(dsum, HALF)
        low += more_low
        high += more_high
    dz = together(low, high, HALF)
    gl.store(dz_at, dz, cache_modifier=".cs")
    if DROPPED:
        low, high = apart(dz, HALF)
        dx = together(low * kept_scale, high * kept_scale, HALF) & kept
        gl.store(dx_at, dx, cache_modifier=".cs")


@gluon.jit
def _row_of(x_ptr, at):
    """Of words."""
    return x_ptr.cast(gl.pointer_type(gl.int32)) + at


@gluon.jit
def backward_of_full_rows(
    dy_ptr, dsum_ptr, z_ptr, weight_ptr, statistics_ptr, dz_ptr, dweight_ptr, dbias_ptr, dx_ptr,
    n_rows, n_columns, offset, seed, threshold, kept_scale,
    CENTERED: gl.constexpr, ROUNDED: gl.constexpr, TEAMS: gl.constexpr, PARTS: gl.constexpr,
    REPEATS: gl.constexpr, LAYOUT: gl.constexpr,
):  # fmt: skip
    """Each team takes one row after the other; the rows are a multiple of the teams.

    With a dx to write, z was a sum with one of whose terms some were dropped.
    """
    NUMBERS: gl.constexpr = 2 if CENTERED else 1
    HALF: gl.constexpr = z_ptr.dtype.element_ty == gl.float16
    ADDED: gl.constexpr = dsum_ptr is not None
    DROPPED: gl.constexpr = dx_ptr is not None
    DWEIGHT: gl.constexpr = dweight_ptr is not None
    DBIAS: gl.constexpr = dbias_ptr is not None
    WEIGHTED: gl.constexpr = weight_ptr is not None
    boxes = open_boxes(PARTS, 4 * NUMBERS, TEAMS)
    words = columns_of(PARTS, REPEATS, LAYOUT, TEAMS)
    WARPS: gl.constexpr = gl.num_warps() // TEAMS
    PART: gl.constexpr = words.shape[1] * words.shape[2] * words.shape[3] // TEAMS
    n_words = n_columns * 0 + PARTS * PART
    columns = words < n_words
    places = mailboxes(boxes, NUMBERS, PARTS, TEAMS)
    tl.extra.cuda.gdc_wait()  # the kernel before has ended: this one may have started early
    row = gl.program_id(0) * TEAMS
    stride = gl.num_programs(0) * TEAMS
    left = (n_rows - 1 - row) // stride
    at = row.to(gl.int64) * n_words
    step = stride.to(gl.int64) * n_words
    z_row, dy_row, dz_row = _row_of(z_ptr, at), _row_of(dy_ptr, at), _row_of(dz_ptr, at)
    dsum_row, dx_row = z_row, z_row  # for what is not given
    if ADDED:
        dsum_row = _row_of(dsum_ptr, at)
    if DROPPED:
        dx_row = _row_of(dx_ptr, at)
    team = row * 0
    if TEAMS > 1:
        team = team_of(TEAMS)
    beside = team * n_words
    offsets = words + beside
    rstd_at = statistics_ptr + row
    mean_at = rstd_at + n_rows
    current = _load(z_row + offsets, dy_row + offsets, rstd_at + team, mean_at + team, CENTERED)
    weight = (0.0, 0.0)
    if WEIGHTED:
        weight = weight_of(weight_ptr, words, columns, offset, HALF)
    errand_at, nbytes = errand_of_warp(
        z_row + step + beside, dy_row + step + beside,
        dsum_row + step + beside if ADDED else None, n_words * 4, 1, PART * 4, WARPS,
    )  # fmt: skip
    nothing = gl.full(words.shape, 0, gl.float32, LAYOUT)
    sums = (nothing, nothing, nothing, nothing)
    dsum, kept = words, words
    share = 1.0 / n_columns
    wait_for_boxes(boxes, PARTS)
    turn = 0
    while left >= 0:
        # After the last turn comes, unused, the same row again.
        on = (left > 0).to(gl.int32)
        z_row += step * on
        dy_row += step * on
        rstd_at += stride * on
        mean_at += stride * on
        errand_at += step * 4
        following = _load(
            z_row + offsets, dy_row + offsets, rstd_at + team, mean_at + team, CENTERED
        )
        ask_ahead(errand_at, nbytes * (left >= 2).to(gl.int32))
        made, along, across, sums = begin(
            current, weight, sums, WEIGHTED, ROUNDED, DWEIGHT, DBIAS, CENTERED, HALF
        )
        send(places, boxes, turn, (along, across, along, across), NUMBERS, PARTS, TEAMS)
        if ADDED:
            dsum = gl.load(dsum_row + offsets)
            dsum_row += step
        if DROPPED:
            kept = kept_of((at + offsets) >> 1, seed, threshold)
            at += step
        along, across, _along, _across = receive(places, boxes, turn, NUMBERS, PARTS, TEAMS)
        _finish(
            made, along, across, dsum, dz_row + offsets, dx_row + offsets, kept, kept_scale, share,
            CENTERED, HALF, ADDED, DROPPED,
        )  # fmt: skip
        dz_row += step
        if DROPPED:
            dx_row += step
        current = following
        left -= 1
        turn += 1
    dweight_low, dweight_high, dbias_low, dbias_high = sums
    if TEAMS > 1:
        columns = columns & (team == 0)
    line = gl.program_id(0).to(gl.int64) * n_columns + 2 * words
    if DWEIGHT:
        if TEAMS > 1:
            dweight_low, dweight_high = over_teams(dweight_low, dweight_high, words, team, PART)
        store_line(dweight_ptr + line, dweight_low, dweight_high, columns)
    if DBIAS:
        if TEAMS > 1:
            dbias_low, dbias_high = over_teams(dbias_low, dbias_high, words, team, PART)
        store_line(dbias_ptr + line, dbias_low, dbias_high, columns)
