"""group_norm on Hopper in Gluon: groups streamed through shared memory, each read once.

A group's chunks of 16 KiB stand in slots of a ring (see ops/streaming.py), all of them at once: its
mean, its squared deviations and the result are three walks over shared memory, and memory itself is
read once and written once. Each chunk is written over by its result, which leaves from there; the
slot is then filled with a chunk of a later group, so that copies never pause.

A line of 128 bytes lies within one channel, and so a line has one weight and one bias. In the
backward the sums of lines make those of channels, for the parameters, and weighted those of the
group.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

from triton_kernels import _compat
from triton_kernels._compat import Launch
from triton_kernels._gluon import (
    Barrier,
    fence_async_shared,
    gl,
    gluon,
    load_async,
    mbarrier,
    store_async,
    store_wait,
)
from triton_kernels.ops.norms import streams
from triton_kernels.ops.norms.backward import sum_lines
from triton_kernels.ops.streaming import added, descriptor_of, layout_of, wide
from triton_kernels.ops.streams import LINE


@gluon.jit
def _ask(
    x, other, xs, others, full, step, tiles, wanted,
    TWO: gl.constexpr, CHUNKS: gl.constexpr, SLOTS: gl.constexpr,
):  # fmt: skip
    """Asks for this program's chunk number ``step``, of one tensor or of two."""
    SHAPE: gl.constexpr = x.block_type.shape
    tile = gl.program_id(0) + step // CHUNKS * gl.num_programs(0)
    where = [tile * SHAPE[0], step % CHUNKS * SHAPE[1], 0]
    wanted = wanted & (tile < tiles)
    slot = step % SLOTS
    mbarrier.expect(full.index(slot), x.block_type.nbytes * (2 if TWO else 1), pred=wanted)
    load_async(x, where, full.index(slot), xs.index(slot), pred=wanted)
    if TWO:
        load_async(other, where, full.index(slot), others.index(slot), pred=wanted)


@gluon.jit
def _of_lines(parameter_ptr, first, chunk, lines, per, channels, LINES: gl.constexpr):
    """A parameter for every line of a chunk of each group."""
    channel = (chunk * LINES + lines) // per
    pointers = parameter_ptr + first[:, None] + channel[None, :]
    return gl.load(pointers, mask=(channel < channels)[None, :], other=0.0).to(gl.float32)


@gluon.jit
def _along_lines(x):
    """One number a line, or a group, for its elements."""
    if len(x.shape) == 1:
        return gl.expand_dims(x[:, None], 2)
    else:
        return gl.expand_dims(x, 2)


@gluon.jit
def _forward(
    x, y, weight_ptr, bias_ptr, statistics_ptr, n_groups, groups, channels, per, size, eps,
    CHUNKS: gl.constexpr, SLOTS: gl.constexpr, LAG: gl.constexpr, LAYOUT: gl.constexpr,
    FULL: gl.constexpr,
):  # fmt: skip
    """per: lines of a channel; size: elements of a group; FULL: its chunks have no empty lines."""
    SHAPE: gl.constexpr = x.block_type.shape
    BY_LINE: gl.constexpr = gl.SliceLayout(2, LAYOUT)
    BY_GROUP: gl.constexpr = gl.SliceLayout(1, BY_LINE)
    # ruff: noqa: RUF005 (Gluon unpacks no lists)
    xs = gl.allocate_shared_memory(x.dtype, [SLOTS] + SHAPE, x.layout)
    full = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    for s in gl.static_range(SLOTS):
        mbarrier.init(full.index(s), count=1)
    fence_async_shared()  # the loads find the barriers as they were made
    tiles = gl.cdiv(n_groups, SHAPE[0])
    for s in gl.static_range(SLOTS):
        _ask(x, x, xs, xs, full, s, tiles, tiles > 0, False, CHUNKS, SLOTS)
    lines = gl.arange(0, SHAPE[1], gl.SliceLayout(0, BY_LINE))
    step = 0
    for tile in range(gl.program_id(0), tiles, gl.num_programs(0)):
        sums = gl.full(SHAPE, 0, gl.float32, LAYOUT)
        for k in gl.static_range(CHUNKS):
            slot = (step + k) % SLOTS
            mbarrier.wait(full.index(slot), (step + k) // SLOTS & 1)
            sums += wide(xs.index(slot).load(LAYOUT))
        mean = gl.sum(gl.sum(sums, 2), 1) / size
        sums = gl.full(SHAPE, 0, gl.float32, LAYOUT)
        for k in gl.static_range(CHUNKS):
            apart = wide(xs.index((step + k) % SLOTS).load(LAYOUT)) - _along_lines(mean)
            if not FULL and k == CHUNKS - 1:
                inside = (k * SHAPE[1] + lines < channels * per)[None, :]
                apart = gl.where(gl.expand_dims(inside, 2), apart, 0.0)
            sums += apart * apart
        rstd = 1 / gl.sqrt(gl.sum(gl.sum(sums, 2), 1) / size + eps)
        group = tile * SHAPE[0] + gl.arange(0, SHAPE[0], BY_GROUP)
        first = group % groups * channels
        for k in gl.static_range(CHUNKS):
            place = xs.index((step + k) % SLOTS)
            y_chunk = wide(place.load(LAYOUT)) - _along_lines(mean)
            scale = gl.full([SHAPE[0], SHAPE[1]], 1, gl.float32, BY_LINE) * rstd[:, None]
            if weight_ptr is not None:
                scale *= _of_lines(weight_ptr, first, k, lines, per, channels, SHAPE[1])
            y_chunk *= _along_lines(scale)
            if bias_ptr is not None:
                shift = _of_lines(bias_ptr, first, k, lines, per, channels, SHAPE[1])
                y_chunk += _along_lines(shift)
            place.store(y_chunk.to(x.dtype))
            fence_async_shared()
            store_async(y, [tile * SHAPE[0], k * SHAPE[1], 0], place)
            store_wait(LAG)
            gone = step + k - LAG
            _ask(x, x, xs, xs, full, gone + SLOTS, tiles, gone >= 0, False, CHUNKS, SLOTS)
        gl.store(statistics_ptr + group, rstd, mask=group < n_groups)
        gl.store(statistics_ptr + n_groups + group, mean, mask=group < n_groups)
        step += CHUNKS
    store_wait(0)


@gluon.jit
def _leave_channels(
    dweight_ptr, dbias_ptr, along, across, tile, chunk, n_groups, channels, PER: gl.constexpr
):
    """The sums of a chunk's channels, made of those of its lines."""
    ROWS: gl.constexpr = along.shape[0]
    CHANNELS: gl.constexpr = along.shape[1] // PER
    along, across = gl.reduce(
        (gl.reshape(along, [ROWS, CHANNELS, PER]), gl.reshape(across, [ROWS, CHANNELS, PER])),
        2, added,
    )  # fmt: skip
    LAYOUT: gl.constexpr = along.type.layout
    channel = chunk * CHANNELS + gl.arange(0, CHANNELS, gl.SliceLayout(0, LAYOUT))
    group = tile * ROWS + gl.arange(0, ROWS, gl.SliceLayout(1, LAYOUT))
    # Of (samples, channels), group · channels is the line of the sample and its first channel.
    at = group.to(gl.int64)[:, None] * channels + channel[None, :]
    mask = (group < n_groups)[:, None] & (channel < channels)[None, :]
    gl.store(dweight_ptr + at, along, mask=mask)
    gl.store(dbias_ptr + at, across, mask=mask)


@gluon.jit
def _backward(
    dy, x, dx, weight_ptr, statistics_ptr, dweight_ptr, dbias_ptr,
    n_groups, groups, channels, per, size,
    CHUNKS: gl.constexpr, SLOTS: gl.constexpr, LAG: gl.constexpr, LAYOUT: gl.constexpr,
    PER: gl.constexpr,
):  # fmt: skip
    """PER: per, a power of two."""
    SHAPE: gl.constexpr = x.block_type.shape
    BY_LINE: gl.constexpr = gl.SliceLayout(2, LAYOUT)
    BY_GROUP: gl.constexpr = gl.SliceLayout(1, BY_LINE)
    # ruff: noqa: RUF005 (Gluon unpacks no lists)
    xs = gl.allocate_shared_memory(x.dtype, [SLOTS] + SHAPE, x.layout)
    dys = gl.allocate_shared_memory(dy.dtype, [SLOTS] + SHAPE, dy.layout)
    full = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    for s in gl.static_range(SLOTS):
        mbarrier.init(full.index(s), count=1)
    fence_async_shared()  # the loads find the barriers as they were made
    tiles = gl.cdiv(n_groups, SHAPE[0])
    for s in gl.static_range(SLOTS):
        _ask(x, dy, xs, dys, full, s, tiles, tiles > 0, True, CHUNKS, SLOTS)
    lines = gl.arange(0, SHAPE[1], gl.SliceLayout(0, BY_LINE))
    step = 0
    for tile in range(gl.program_id(0), tiles, gl.num_programs(0)):
        group = gl.minimum(tile * SHAPE[0] + gl.arange(0, SHAPE[0], BY_GROUP), n_groups - 1)
        rstd = gl.load(statistics_ptr + group)
        mean = gl.load(statistics_ptr + n_groups + group)
        first = group % groups * channels
        alongs = gl.full([SHAPE[0], SHAPE[1]], 0, gl.float32, BY_LINE)
        acrosses = alongs
        for k in gl.static_range(CHUNKS):
            slot = (step + k) % SLOTS
            mbarrier.wait(full.index(slot), (step + k) // SLOTS & 1)
            # Beyond the group dy is 0.
            g = wide(dys.index(slot).load(LAYOUT))
            apart = wide(xs.index(slot).load(LAYOUT)) - _along_lines(mean)
            along, across = gl.reduce((g * apart, g), 2, added)
            along *= rstd[:, None]
            _leave_channels(
                dweight_ptr, dbias_ptr, along, across, tile, k, n_groups, channels, PER
            )  # fmt: skip
            if weight_ptr is not None:
                weight = _of_lines(weight_ptr, first, k, lines, per, channels, SHAPE[1])
                along *= weight
                across *= weight
            alongs += along
            acrosses += across
        along, across = gl.reduce((alongs, acrosses), 1, added)
        # rstd·(g - n·mean(g·n) - mean(g)), with what is the same for a group taken together.
        slope = rstd * rstd * (along / size)
        level = rstd * (across / size)
        for k in gl.static_range(CHUNKS):
            slot = (step + k) % SLOTS
            scale = gl.full([SHAPE[0], SHAPE[1]], 1, gl.float32, BY_LINE) * rstd[:, None]
            if weight_ptr is not None:
                scale *= _of_lines(weight_ptr, first, k, lines, per, channels, SHAPE[1])
            dx_chunk = wide(dys.index(slot).load(LAYOUT)) * _along_lines(scale)
            apart = wide(xs.index(slot).load(LAYOUT)) - _along_lines(mean)
            dx_chunk -= apart * _along_lines(slope) + _along_lines(level)
            xs.index(slot).store(dx_chunk.to(x.dtype))
            fence_async_shared()
            store_async(dx, [tile * SHAPE[0], k * SHAPE[1], 0], xs.index(slot))
            store_wait(LAG)
            gone = step + k - LAG
            _ask(x, dy, xs, dys, full, gone + SLOTS, tiles, gone >= 0, True, CHUNKS, SLOTS)
        step += CHUNKS
    store_wait(0)


@functools.lru_cache(maxsize=1024)
def _plan(
    n_groups: int, groups: int, channels: int, positions: int, dtype: torch.dtype,
    device: torch.device, parameters: tuple[torch.dtype | None, ...], aligned: bool,
    eps: float | None, tile: streams.GroupStream | None,
) -> Launch:  # fmt: skip
    """That of the forward, or without eps of the backward."""
    per = positions * dtype.itemsize // LINE
    tile = tile or streams.group_stream(channels * per, eps is None)
    assert tile is not None  # the backend refuses what does not fit
    options = streams.options(tile)
    tiles = -(-n_groups // tile.groups)
    programs = min(tiles, tile.resident * _compat.device_of(device).processors)
    sizes = (n_groups, groups, channels, per, channels * positions)
    constants = {
        "CHUNKS": tile.chunks(channels * per), "SLOTS": tile.slots, "LAG": 1,
        "LAYOUT": layout_of(tile.groups, tile.lines, tile.warps, dtype.itemsize),
    }  # fmt: skip
    size, block = channels * positions, (tile.groups, tile.lines)

    def describe(x: torch.Tensor) -> Any:
        return descriptor_of(x.view(n_groups, size), *block)

    described: dict[int, Callable[[torch.Tensor], Any]]

    if eps is None:
        constants["PER"] = per
        described = {0: describe, 1: describe, 2: describe}
        return Launch(_backward, programs, sizes, constants, options, described=described)
    constants["FULL"] = channels * per % tile.lines == 0
    described = {0: describe, 1: describe}
    return Launch(_forward, programs, (*sizes, eps), constants, options, described=described)


def _planned(
    x: torch.Tensor, groups: int, eps: float | None, tile: streams.GroupStream | None,
    *parameters: torch.Tensor | None,
) -> Launch:  # fmt: skip
    channels, positions = x.shape[1] // groups, x.shape[2:].numel()
    dtypes = tuple(None if p is None else p.dtype for p in parameters)
    aligned = all(_compat.starts_aligned(p) for p in parameters if p is not None)
    return _plan(
        x.shape[0] * groups, groups, channels, positions, x.dtype, x.device, dtypes, aligned,
        eps, tile,
    )  # fmt: skip


def group_norm(
    x: torch.Tensor, groups: int, weight: torch.Tensor | None, bias: torch.Tensor | None,
    eps: float, tile: streams.GroupStream | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """As the portable one: the result, and rstd above mean."""
    y = torch.empty_like(x)
    statistics = torch.empty((2, x.shape[0] * groups), dtype=torch.float32, device=x.device)
    weight = None if weight is None else weight.contiguous()
    bias = None if bias is None else bias.contiguous()
    plan = _planned(x, groups, eps, tile, weight, bias)
    plan(x, y, weight, bias, statistics)
    return y, statistics


def group_norm_backward(
    grad: torch.Tensor, x: torch.Tensor, weight: torch.Tensor | None, statistics: torch.Tensor,
    groups: int, tile: streams.GroupStream | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """As the portable one: dx, and d(weight) above d(bias)."""
    dx = torch.empty_like(x)
    lines = torch.empty((2, *x.shape[:2]), dtype=torch.float32, device=x.device)
    weight = None if weight is None else weight.contiguous()
    plan = _planned(x, groups, None, tile, weight)
    plan(grad, x, dx, weight, statistics, lines[0], lines[1])
    return dx, sum_lines(lines, x.dtype if weight is None else weight.dtype)
