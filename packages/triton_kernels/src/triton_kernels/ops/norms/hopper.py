"""rms_norm and layer_norm on Hopper in Gluon: rows streamed through shared memory.

Rows are copied some turns ahead (see ops/streaming.py), and a program holds no more of a row in
registers than its turn takes: parameters stay packed, or in shared memory too, and the backward's
sums over rows have the rest. A row too long for one program is shared by a few, which meet as told
in meeting.py one row ahead: while the sums of the next row are on their way the last one is
finished, both from shared memory.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import torch

from triton_kernels import _compat
from triton_kernels._compat import Launch, Layout, starts_aligned
from triton_kernels._gluon import Barrier, gl, gluon, load_async, mbarrier, thread_barrier
from triton_kernels.ops.norms import streams
from triton_kernels.ops.norms.backward import sum_lines
from triton_kernels.ops.norms.forward import rows_of
from triton_kernels.ops.norms.meeting import meeting
from triton_kernels.ops.streaming import (
    added,
    after_the_kernel_before,
    descriptor_of,
    gather,
    layout_of,
    look,
    publish,
    rows_in,
    wide,
)
from triton_kernels.ops.streams import LINE


@gluon.jit
def _ask(x, xs, full, turn, n_rows, wanted, PARTS: gl.constexpr, SLOTS: gl.constexpr):
    """Asks for this program's part of the row that is its turn number ``turn``."""
    row = (turn * gl.num_programs(0) + gl.program_id(0)) // PARTS
    line = gl.program_id(0) % PARTS * x.block_type.shape[1]
    wanted = wanted & (row < n_rows)
    slot = turn % SLOTS
    mbarrier.expect(full.index(slot), x.block_type.nbytes, pred=wanted)
    load_async(x, [row, line, 0], full.index(slot), xs.index(slot), pred=wanted)


@gluon.jit
def _ask_both(x, y, xs, ys, full, turn, n_rows, wanted, PARTS: gl.constexpr, SLOTS: gl.constexpr):
    row = (turn * gl.num_programs(0) + gl.program_id(0)) // PARTS
    line = gl.program_id(0) % PARTS * x.block_type.shape[1]
    wanted = wanted & (row < n_rows)
    slot = turn % SLOTS
    mbarrier.expect(full.index(slot), 2 * x.block_type.nbytes, pred=wanted)
    load_async(x, [row, line, 0], full.index(slot), xs.index(slot), pred=wanted)
    load_async(y, [row, line, 0], full.index(slot), ys.index(slot), pred=wanted)


@gluon.jit
def _scale(weight, offset, OFFSET: gl.constexpr):
    scale = wide(weight)
    if OFFSET:
        scale += offset
    return scale


@gluon.jit
def _moments(x, count, within, CENTERED: gl.constexpr, FULL: gl.constexpr):
    """The mean of a part of a row (of no meaning if not centered), and its squares about it."""
    apart = wide(x)
    mean = gl.sum(apart, 1) / count
    if CENTERED:
        apart -= mean[:, None]
        if not FULL:
            apart = gl.where(within, apart, 0.0)
    return mean, gl.sum(apart * apart, 1)


@gluon.jit
def _forward(
    x, weight_ptr, bias_ptr, y_ptr, statistics_ptr, shares_ptr, n_rows, n_columns, eps, offset,
    CENTERED: gl.constexpr, ROUNDED: gl.constexpr, OFFSET: gl.constexpr, FULL: gl.constexpr,
    PARTS: gl.constexpr, SLOTS: gl.constexpr, LAYOUT: gl.constexpr,
):  # fmt: skip
    """FULL: parts have no columns beyond the row's end."""
    SHAPE: gl.constexpr = x.block_type.shape
    COLUMNS: gl.constexpr = SHAPE[1] * SHAPE[2]
    # ruff: noqa: RUF005 (Gluon unpacks no lists)
    xs = gl.allocate_shared_memory(x.dtype, [SLOTS] + SHAPE, x.layout)
    full = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    for s in gl.static_range(SLOTS):
        mbarrier.init(full.index(s), count=1)
    for s in gl.static_range(SLOTS):
        _ask(x, xs, full, s, n_rows, n_columns > 0, PARTS, SLOTS)
    part = gl.program_id(0) % PARTS
    stride = gl.num_programs(0) // PARTS
    zeros = gl.reshape(gl.full(SHAPE, 0, gl.float32, LAYOUT), [1, COLUMNS])
    ROWS: gl.constexpr = gl.SliceLayout(1, zeros.type.layout)
    columns = part * COLUMNS + gl.arange(0, COLUMNS, gl.SliceLayout(0, zeros.type.layout))
    within = (columns < n_columns)[None, :]
    weight = columns
    bias = columns
    if weight_ptr is not None:
        weight = gl.load(weight_ptr + columns, mask=columns < n_columns, other=0.0)[None, :]
    if bias_ptr is not None:
        bias = gl.load(bias_ptr + columns, mask=columns < n_columns, other=0.0)[None, :]
    count = gl.minimum(n_columns - part * COLUMNS, COLUMNS).to(gl.float32)
    if PARTS > 1:
        after_the_kernel_before()
        mbarrier.wait(full.index(0), 0)
        mean, squares = _moments(rows_in(xs.index(0), LAYOUT), count, within, CENTERED, FULL)
        row = gl.program_id(0) // PARTS
        publish(shares_ptr, row, part, gl.sum(squares, 0), gl.sum(mean, 0), PARTS)
    turn = 0
    for row in range(gl.program_id(0) // PARTS, n_rows, stride):
        if PARTS == 1:
            mbarrier.wait(full.index(turn % SLOTS), turn // SLOTS & 1)
            x_row = rows_in(xs.index(turn % SLOTS), LAYOUT)
            mean, squares = _moments(x_row, count, within, CENTERED, FULL)
            # The threads have met for the sums: all have read the row.
            _ask(x, xs, full, turn + SLOTS, n_rows, n_columns > 0, PARTS, SLOTS)
        else:
            seen = look(shares_ptr, row, PARTS)
            after = turn + 1
            following = row + stride
            mbarrier.wait(full.index(after % SLOTS), after // SLOTS & 1, pred=following < n_rows)
            x_row = rows_in(xs.index(after % SLOTS), LAYOUT)
            mean, squares = _moments(x_row, count, within, CENTERED, FULL)
            _ask(x, xs, full, turn - 1 + SLOTS, n_rows, turn > 0, PARTS, SLOTS)
            # Past the last row there is a place to leave what no one reads.
            following = gl.minimum(following, n_rows)
            publish(shares_ptr, following, part, gl.sum(squares, 0), gl.sum(mean, 0), PARTS)
            parts_squares, means = gather(shares_ptr, seen, row, PARTS)
            total = gl.sum(parts_squares, 0)
            if CENTERED:
                # Parts' means and squares make those of the row (Chan et al. 1979).
                counts = n_columns - gl.arange(0, PARTS, means.type.layout) * COLUMNS
                counts = gl.minimum(counts, COLUMNS).to(gl.float32)
                middle = gl.sum(means * counts, 0) / n_columns
                total += gl.sum((means - middle) * (means - middle) * counts, 0)
                mean = gl.full([1], 0, gl.float32, ROWS) + middle
            squares = gl.full([1], 0, gl.float32, ROWS) + total
            x_row = rows_in(xs.index(turn % SLOTS), LAYOUT)
        rstd = 1 / gl.sqrt(squares / n_columns + eps)
        y = wide(x_row)
        if CENTERED:
            y -= mean[:, None]
        y *= rstd[:, None]
        if ROUNDED:
            y = y.to(x.dtype).to(gl.float32)
        if weight_ptr is not None:
            y *= _scale(weight, offset, OFFSET)
        if bias_ptr is not None:
            y += wide(bias)
        at = row + gl.arange(0, 1, ROWS)
        pointers = y_ptr + at.to(gl.int64)[:, None] * n_columns + columns[None, :]
        gl.store(pointers, y.to(x.dtype), mask=within, cache_modifier=".cs")
        gl.store(statistics_ptr + at, rstd, mask=at * 0 + part == 0)
        if CENTERED:
            gl.store(statistics_ptr + n_rows + at, mean, mask=at * 0 + part == 0)
        turn += 1  # noqa: SIM113 (Gluon has no enumerate)


@gluon.jit
def _sums(
    z, dy, mean, weight, offset,
    WEIGHTED: gl.constexpr, CENTERED: gl.constexpr, OFFSET: gl.constexpr,
):  # fmt: skip
    """Σ g·(z - mean), and Σ g if centered. Beyond the row's end dy is 0, hence g."""
    apart = wide(z)
    g = wide(dy)
    if WEIGHTED:
        g *= _scale(weight, offset, OFFSET)
    if CENTERED:
        along, across = gl.reduce((g * (apart - mean[:, None]), g), 1, added)
    else:
        along = gl.sum(g * apart, 1)
        across = along
    return along, across


@gluon.jit
def _statistics(statistics_ptr, row, n_rows, CENTERED: gl.constexpr, ROWS: gl.constexpr):
    at = gl.minimum(row, n_rows - 1) + gl.arange(0, 1, ROWS)
    rstd = gl.load(statistics_ptr + at)
    mean = rstd
    if CENTERED:
        mean = gl.load(statistics_ptr + n_rows + at)
    return rstd, mean


@gluon.jit
def _backward(
    dy, z, weight_ptr, statistics_ptr, dz_ptr, dweight_ptr, dbias_ptr, shares_ptr,
    n_rows, n_columns, offset,
    CENTERED: gl.constexpr, ROUNDED: gl.constexpr, OFFSET: gl.constexpr, PARTS: gl.constexpr,
    SLOTS: gl.constexpr, LAYOUT: gl.constexpr, STORED: gl.constexpr,
):  # fmt: skip
    """STORED: the weight is kept in shared memory, where it takes no registers."""
    SHAPE: gl.constexpr = z.block_type.shape
    COLUMNS: gl.constexpr = SHAPE[1] * SHAPE[2]
    # ruff: noqa: RUF005 (Gluon unpacks no lists)
    zs = gl.allocate_shared_memory(z.dtype, [SLOTS] + SHAPE, z.layout)
    dys = gl.allocate_shared_memory(dy.dtype, [SLOTS] + SHAPE, dy.layout)
    full = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    for s in gl.static_range(SLOTS):
        mbarrier.init(full.index(s), count=1)
    for s in gl.static_range(SLOTS):
        _ask_both(z, dy, zs, dys, full, s, n_rows, n_columns > 0, PARTS, SLOTS)
    part = gl.program_id(0) % PARTS
    start = gl.program_id(0) // PARTS
    stride = gl.num_programs(0) // PARTS
    dweight = gl.reshape(gl.full(SHAPE, 0, gl.float32, LAYOUT), [1, COLUMNS])
    dbias = dweight
    ROWS: gl.constexpr = gl.SliceLayout(1, dweight.type.layout)
    columns = part * COLUMNS + gl.arange(0, COLUMNS, gl.SliceLayout(0, dweight.type.layout))
    within = columns < n_columns
    WEIGHTED: gl.constexpr = weight_ptr is not None
    weight = dweight.to(z.dtype)
    kept = zs
    if WEIGHTED:
        weight = gl.load(weight_ptr + columns, mask=within, other=0.0)[None, :]
        if STORED:
            kept = gl.allocate_shared_memory(z.dtype, [1] + SHAPE, z.layout)
            kept.index(0).store(gl.reshape(weight, SHAPE))
    rstd, mean = _statistics(statistics_ptr, start, n_rows, CENTERED, ROWS)
    if PARTS > 1:
        after_the_kernel_before()
        mbarrier.wait(full.index(0), 0)
        z_row, dy_row = rows_in(zs.index(0), LAYOUT), rows_in(dys.index(0), LAYOUT)
        along, across = _sums(z_row, dy_row, mean, weight, offset, WEIGHTED, CENTERED, OFFSET)
        publish(shares_ptr, start, part, gl.sum(along, 0), gl.sum(across, 0), PARTS)
    turn = 0
    for row in range(start, n_rows, stride):
        following = row + stride
        next_rstd, next_mean = _statistics(statistics_ptr, following, n_rows, CENTERED, ROWS)
        slot = turn % SLOTS
        if STORED:
            weight = rows_in(kept.index(0), LAYOUT)
        if PARTS == 1:
            mbarrier.wait(full.index(slot), turn // SLOTS & 1)
            z_row, dy_row = rows_in(zs.index(slot), LAYOUT), rows_in(dys.index(slot), LAYOUT)
            along, across = _sums(z_row, dy_row, mean, weight, offset, WEIGHTED, CENTERED, OFFSET)
            z_row, dy_row = rows_in(zs.index(slot), LAYOUT), rows_in(dys.index(slot), LAYOUT)
            thread_barrier()  # all have read the row for the second time
            _ask_both(z, dy, zs, dys, full, turn + SLOTS, n_rows, n_columns > 0, PARTS, SLOTS)
        else:
            seen = look(shares_ptr, row, PARTS)
            after = turn + 1
            mbarrier.wait(full.index(after % SLOTS), after // SLOTS & 1, pred=following < n_rows)
            z_row = rows_in(zs.index(after % SLOTS), LAYOUT)
            dy_row = rows_in(dys.index(after % SLOTS), LAYOUT)
            along, across = _sums(
                z_row, dy_row, next_mean, weight, offset, WEIGHTED, CENTERED, OFFSET
            )
            # The threads have met for the sums: the row of the last turn is done with.
            _ask_both(z, dy, zs, dys, full, turn - 1 + SLOTS, n_rows, turn > 0, PARTS, SLOTS)
            # Past the last row there is a place to leave what no one reads.
            following = gl.minimum(following, n_rows)
            publish(shares_ptr, following, part, gl.sum(along, 0), gl.sum(across, 0), PARTS)
            alongs, acrosses = gather(shares_ptr, seen, row, PARTS)
            along = gl.full([1], 0, gl.float32, ROWS) + gl.sum(alongs, 0)
            across = gl.full([1], 0, gl.float32, ROWS) + gl.sum(acrosses, 0)
            z_row, dy_row = rows_in(zs.index(slot), LAYOUT), rows_in(dys.index(slot), LAYOUT)
        apart = wide(z_row)
        if CENTERED:
            apart -= mean[:, None]
        g = wide(dy_row)
        if dbias_ptr is not None:
            dbias += g
        # (g - n·mean(g·n) - mean(g))·rstd, with what is the same for a row taken together.
        slope = rstd * rstd * rstd * (along / n_columns)
        down = g * rstd[:, None]
        if dweight_ptr is not None:
            if ROUNDED:
                dweight += g * (apart * rstd[:, None]).to(z.dtype).to(gl.float32)
            else:
                dweight += down * apart
        if WEIGHTED:
            if STORED:
                weight = rows_in(kept.index(0), LAYOUT)
            down *= _scale(weight, offset, OFFSET)
        out = down - apart * slope[:, None]
        if CENTERED:
            out -= (rstd * (across / n_columns))[:, None]
        at = row + gl.arange(0, 1, ROWS)
        pointers = dz_ptr + at.to(gl.int64)[:, None] * n_columns + columns[None, :]
        gl.store(pointers, out.to(z.dtype), mask=within[None, :], cache_modifier=".cs")
        rstd, mean = next_rstd, next_mean
        turn += 1  # noqa: SIM113 (Gluon has no enumerate)
    place = start.to(gl.int64) * n_columns + columns
    if dweight_ptr is not None:
        gl.store(dweight_ptr + place, gl.sum(dweight, 0), mask=within)
    if dbias_ptr is not None:
        gl.store(dbias_ptr + place, gl.sum(dbias, 0), mask=within)


class _Plan(NamedTuple):
    launch: Launch
    groups: int
    """Programs, or programs that share a row, that take rows in turn."""
    parts: int


@functools.lru_cache(maxsize=1024)
def _plan(
    x: Layout, parameters: tuple[torch.dtype | None, ...], eps: float | None, offset: float,
    casting: str, centered: bool, wanted: tuple[bool, bool], aligned: bool,
    stream: streams.Stream | None,
) -> _Plan:  # fmt: skip
    """That of the forward, or without eps of the backward."""
    n_rows, n_columns = x.shape
    nbytes = n_columns * x.dtype.itemsize
    stream = stream or streams.row_stream(n_columns, x.dtype.itemsize, centered, eps is None)
    assert stream is not None  # the backend refuses what is not streamed
    processors = _compat.device_of(x.device).processors
    groups = min(n_rows, stream.resident * processors // stream.parts)
    lines = stream.nbytes // LINE
    constants: dict[str, Any] = {
        "CENTERED": centered, "ROUNDED": casting == "llama", "OFFSET": offset != 0,
    }  # fmt: skip
    if eps is not None:
        constants["FULL"] = nbytes == stream.parts * stream.nbytes
    constants["PARTS"], constants["SLOTS"] = stream.parts, stream.slots
    constants["LAYOUT"] = layout_of(1, lines, stream.warps, x.dtype.itemsize)
    if eps is None:
        constants["STORED"] = stream.stored and parameters[0] is x.dtype
    scalars = (n_rows, n_columns, offset) if eps is None else (n_rows, n_columns, eps, offset)
    options = streams.options(stream)
    if stream.parts > 1:
        options["launch_pdl"] = True
    kernel = _backward if eps is None else _forward
    describe = functools.partial(descriptor_of, rows=1, lines=lines)
    launch = Launch(
        kernel, groups * stream.parts, scalars, constants, options,
        described={0: describe, 1: describe} if eps is None else {0: describe},
    )  # fmt: skip
    return _Plan(launch, groups, stream.parts)


def _meeting(plan: _Plan, n_rows: int, device: torch.device) -> torch.Tensor | None:
    return meeting(n_rows + 1, plan.parts, device) if plan.parts > 1 else None


def norm(
    x: torch.Tensor, residual: torch.Tensor | None,
    weight: torch.Tensor | None, bias: torch.Tensor | None,
    eps: float, offset: float, casting: str, centered: bool, stream: streams.Stream | None = None,
) -> tuple[torch.Tensor, ...]:  # fmt: skip
    """As the portable one, without a residual: the normalised rows, and their statistics."""
    y = torch.empty_like(x, memory_format=torch.contiguous_format)
    x = rows_of(x)
    statistics = torch.empty((1 + centered, x.shape[0]), dtype=torch.float32, device=x.device)
    weight = None if weight is None else weight.contiguous()
    bias = None if bias is None else bias.contiguous()
    parameters = (weight, bias)
    plan = _plan(
        Layout.of(x), tuple(None if p is None else p.dtype for p in parameters), eps, offset,
        casting, centered, (False, False),
        all(starts_aligned(p) for p in parameters if p is not None), stream,
    )  # fmt: skip
    shares = _meeting(plan, x.shape[0], x.device)
    plan.launch(x, *parameters, y, statistics, shares)
    return y, statistics


def norm_backward(
    grad: torch.Tensor, grad_sum: torch.Tensor | None, z: torch.Tensor,
    weight: torch.Tensor | None, statistics: torch.Tensor, offset: float, casting: str,
    centered: bool, weight_wanted: bool, bias_wanted: bool, stream: streams.Stream | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """As the portable one, without a gradient of a sum."""
    dz = torch.empty(z.shape, dtype=z.dtype, device=z.device)
    dy, z = rows_of(grad), rows_of(z)
    weight = None if weight is None else weight.contiguous()
    plan = _plan(
        Layout.of(z), (None if weight is None else weight.dtype,), None, offset, casting, centered,
        (weight_wanted, bias_wanted), weight is None or starts_aligned(weight), stream,
    )  # fmt: skip
    n_rows, n_columns = z.shape
    lines = torch.empty(
        (weight_wanted + bias_wanted, plan.groups, n_columns), dtype=torch.float32, device=z.device
    )
    shares = _meeting(plan, n_rows, z.device)
    plan.launch(
        dy, z, weight, statistics, dz,
        lines[0] if weight_wanted else None, lines[-1] if bias_wanted else None, shares,
    )  # fmt: skip
    return dz, sum_lines(lines, z.dtype if weight is None else weight.dtype)
