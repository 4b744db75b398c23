"""Decoding over latents with many heads (MLA, absorbed) on Hopper in Gluon.

With 64 heads or more on one latent the tensor cores bind: 2·(576 + 512) operations a head for 1152
bytes. A block of threads takes 64 rows (heads times new tokens) and a share of the keys, in tiles
of 64. Two *attending* warpgroups take tiles in turn: each makes the scores and weights of its own
tiles, and one half of the output's columns for all of them. One *loading* warp keeps two tiles in
shared memory, which serve as keys and as values, one loaded while the other is multiplied::

    warpgroup 0   q·k0, softmax 0 ▸ p0·v0 |                      p1·v1 | q·k2, softmax 2 ▸ p2·v2
    warpgroup 1                   ▸ p0·v0 | q·k1, softmax 1 ▸    p1·v1 |                 ▸ p2·v2

The running maximum goes from tile to tile, so from one warpgroup to the other, with the weights:
they lie where the tile's rotated part was, which nobody needs once the scores are there.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
import math
from typing import Any

import torch

from triton_kernels import _compat
from triton_kernels._compat import Device
from triton_kernels._gluon import (
    Barrier,
    TensorDescriptor,
    fence_async_shared,
    gl,
    gluon,
    load_async,
    mbarrier,
    thread_barrier,
    warpgroup_mma,
    warpgroup_mma_wait,
)
from triton_kernels.ops.attention import decode_portable, hopper_latent_few
from triton_kernels.ops.attention.layout import LATENT_FEW
from triton_kernels.ops.attention.layout import LATENT_KEYS as KEYS
from triton_kernels.ops.attention.layout import LATENT_RANK as RANK
from triton_kernels.ops.attention.layout import LATENT_ROTATED as ROTATED
from triton_kernels.ops.attention.layout import LATENT_ROWS as ROWS

_ROWS, _KEYS, _HALF, _ROTATED = (gl.constexpr(x) for x in (ROWS, KEYS, RANK // 2, ROTATED))
_LN2 = gl.constexpr(math.log(2))
_LOG2E = 1 / math.log(2)
_SIZES = ("group", "tokens", "page", "capacity", "row_tiles", "splits", "batches")


@gluon.jit
def _matrix(slots, index):
    """A slot (1, rows, width) as a matrix."""
    return slots.index(index).reshape([slots.shape[2], slots.shape[3]])


@gluon.jit
def _load(descriptors, table, slots, full, free, place):
    """The loading warp: tile by tile, each part as soon as its slot is free."""
    halves, rotated = descriptors
    low_slots, high_slots, last_slots = slots
    low_full, high_full, last_full = full
    low_free, high_free, last_free = free
    batch, start, tiles, page, table_batch = place
    for tile in range(tiles):
        slot = tile % 2
        phase = tile // 2 & 1 ^ 1
        key = start + tile * _KEYS
        where = batch
        if table is not None:
            where = gl.load(table + batch * table_batch + key // page)
            key = key % page
        mbarrier.wait(low_free.index(slot), phase)
        mbarrier.expect(low_full.index(slot), halves.block_type.nbytes)
        load_async(halves, [where, key, 0], low_full.index(slot), low_slots.index(slot))
        mbarrier.wait(high_free.index(slot), phase)
        mbarrier.expect(high_full.index(slot), halves.block_type.nbytes)
        load_async(halves, [where, key, _HALF], high_full.index(slot), high_slots.index(slot))
        mbarrier.wait(last_free.index(slot), phase)
        mbarrier.expect(last_full.index(slot), rotated.block_type.nbytes)
        load_async(rotated, [where, key, 2 * _HALF], last_full.index(slot), last_slots.index(slot))


@gluon.jit
def _clear(slot, valid):
    """Zeros for a half's rows from ``valid`` on: beyond a sequence the cache may hold anything."""
    layout: gl.constexpr = gl.BlockedLayout([1, 8], [1, 32], [4, 1], [1, 0])
    row = gl.arange(0, 8, gl.SliceLayout(1, layout))[:, None]
    if valid < _KEYS:
        for first in gl.static_range(0, _KEYS, 8):
            if valid < first + 8:
                eight = slot.slice(first, 8, 0)
                x = eight.load(layout)
                eight.store(gl.where(row + first < valid, x, 0.0).to(x.dtype))
        fence_async_shared()
        thread_barrier()


@gluon.jit
def _add_other(
    tile, state, slots, full, free, signals, numbers, keys_left, RAGGED: gl.constexpr,
    PARTY: gl.constexpr,
):  # fmt: skip
    """A tile whose weights the other warpgroup has made: the maximum moves on, p·v is added."""
    sums, total, top = state
    tops, fades, _ = numbers
    ready, _ = signals
    last_slots = slots[2]
    last_free = free[2]
    my_slots = slots[1] if PARTY else slots[0]
    my_full = full[1] if PARTY else full[0]
    my_free = free[1] if PARTY else free[0]
    OTHER: gl.constexpr = 1 - PARTY
    BY_ROW: gl.constexpr = total.type.layout
    OUT_BY_ROW: gl.constexpr = gl.SliceLayout(1, sums.type.layout)
    phase = tile // 2 & 1
    mbarrier.wait(ready.index(OTHER), phase)
    mbarrier.wait(my_full.index(OTHER), phase)
    fade = fades.index(OTHER).load(BY_ROW)
    top = tops.index(OTHER).load(BY_ROW)
    sums = sums * gl.convert_layout(fade, OUT_BY_ROW)[:, None]
    if RAGGED:
        _clear(_matrix(my_slots, OTHER), keys_left)
    adding = warpgroup_mma(
        _matrix(last_slots, OTHER), _matrix(my_slots, OTHER), sums, is_async=True
    )
    total = total * fade
    sums = warpgroup_mma_wait(0, (adding,))
    mbarrier.arrive(my_free.index(OTHER), count=1)
    mbarrier.arrive(last_free.index(OTHER), count=1)
    return sums, total, top


@gluon.jit
def _attend(
    queries, slots, full, free, signals, numbers, place, outputs, scale,
    RAGGED: gl.constexpr, PARTY: gl.constexpr,
):  # fmt: skip
    """A warpgroup: the scores of every other tile, and half of the columns of the output."""
    q_low, q_high, q_last = queries
    low_slots, high_slots, last_slots = slots
    low_full, high_full, last_full = full
    low_free, high_free, _last_free = free
    ready, done = signals
    tops, fades, totals = numbers
    row, start, tiles, keys, tokens, group, number = place
    output, lse = outputs
    my_slots = high_slots if PARTY else low_slots
    my_free = high_free if PARTY else low_free
    OTHER: gl.constexpr = 1 - PARTY
    S: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, _KEYS, 16])
    OUT: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, _HALF, 16])
    P: gl.constexpr = gl.DotOperandLayout(0, OUT, 2)
    BY_ROW: gl.constexpr = gl.SliceLayout(1, S)
    OUT_BY_ROW: gl.constexpr = gl.SliceLayout(1, OUT)
    zeros = gl.zeros([_ROWS, _KEYS], gl.float32, S)
    sums = gl.zeros([_ROWS, _HALF], gl.float32, OUT)
    total = gl.zeros([_ROWS], gl.float32, BY_ROW)
    top = gl.full([_ROWS], -float("inf"), gl.float32, BY_ROW)
    limit = keys - tokens + 1 + (row + gl.arange(0, _ROWS, BY_ROW)) % tokens - start
    column = gl.arange(0, _KEYS, gl.SliceLayout(0, S))[None, :]
    if PARTY:  # noqa: SIM102 (known when it is compiled)
        if tiles > 0:
            sums, total, top = _add_other(
                0, (sums, total, top), slots, full, free, signals, numbers, keys - start, RAGGED,
                PARTY,
            )  # fmt: skip
    for turn in range((tiles + 1 - PARTY) // 2):
        tile = 2 * turn + PARTY
        phase = turn & 1
        mbarrier.wait(low_full.index(PARTY), phase)
        low = _matrix(low_slots, PARTY).permute((1, 0))
        scores = warpgroup_mma(q_low, low, zeros, use_acc=False, is_async=True)
        mbarrier.wait(high_full.index(PARTY), phase)
        high = _matrix(high_slots, PARTY).permute((1, 0))
        scores = warpgroup_mma(q_high, high, scores, is_async=True)
        mbarrier.wait(last_full.index(PARTY), phase)
        last = _matrix(last_slots, PARTY).permute((1, 0))
        scores = warpgroup_mma(q_last, last, scores, is_async=True)
        s = warpgroup_mma_wait(0, (scores,))
        if (tile + 1) * _KEYS > keys - tokens + 1 - start:
            s = gl.where(column + tile * _KEYS < limit[:, None], s, -float("inf"))
        new = gl.maximum(top, gl.max(s, 1) * scale)
        base = gl.where(new == -float("inf"), 0.0, new)
        weights = gl.exp2(s * scale - base[:, None])
        fade = gl.exp2(top - base)
        top = new
        p = weights.to(low_slots.dtype)
        thread_barrier()  # all warps have read the rotated part
        _matrix(last_slots, PARTY).store(p)
        tops.index(PARTY).store(top)
        fades.index(PARTY).store(fade)
        fence_async_shared()
        mbarrier.arrive(ready.index(PARTY), count=1)
        p_left = gl.convert_layout(p, P)
        sums = sums * gl.convert_layout(fade, OUT_BY_ROW)[:, None]
        if RAGGED:
            _clear(_matrix(my_slots, PARTY), keys - start - tile * _KEYS)
        adding = warpgroup_mma(p_left, _matrix(my_slots, PARTY), sums, is_async=True)
        total = total * fade + gl.sum(weights, 1)
        sums, _spent = warpgroup_mma_wait(0, (adding, p_left))
        mbarrier.arrive(my_free.index(PARTY), count=1)
        if tile + 1 < tiles:
            sums, total, top = _add_other(
                tile + 1, (sums, total, top), slots, full, free, signals, numbers,
                keys - start - (tile + 1) * _KEYS, RAGGED, PARTY,
            )  # fmt: skip
    totals.index(PARTY).store(total)
    mbarrier.arrive(done.index(PARTY), count=1)
    mbarrier.wait(done.index(OTHER), 0)
    total = total + totals.index(OTHER).load(BY_ROW)
    share = gl.where(total > 0, 1.0 / gl.where(total > 0, total, 1.0), 0.0)
    sums = sums * gl.convert_layout(share, OUT_BY_ROW)[:, None]
    rows = row + gl.arange(0, _ROWS, OUT_BY_ROW)
    columns = PARTY * _HALF + gl.arange(0, _HALF, gl.SliceLayout(0, OUT))
    # number: of the first of this key head's rows among all; rows of a head follow each other.
    at = output + (number + rows).to(gl.int64)[:, None] * (2 * _HALF) + columns[None, :]
    gl.store(at, sums.to(output.dtype.element_ty), mask=(rows < group * tokens)[:, None])
    if PARTY == 0:
        rows = row + gl.arange(0, _ROWS, BY_ROW)
        value = gl.where(
            total > 0, top * _LN2 + gl.log(gl.where(total > 0, total, 1.0)), -float("inf")
        )
        gl.store(lse + number + rows, value, mask=rows < group * tokens)


@gluon.jit
def _attend_0(
    queries, slots, full, free, signals, numbers, place, outputs, scale, RAGGED: gl.constexpr
):
    _attend(queries, slots, full, free, signals, numbers, place, outputs, scale, RAGGED, 0)


@gluon.jit
def _attend_1(
    queries, slots, full, free, signals, numbers, place, outputs, scale, RAGGED: gl.constexpr
):
    _attend(queries, slots, full, free, signals, numbers, place, outputs, scale, RAGGED, 1)


@gluon.jit
def _fetch_query(
    q, q_batch, q_head, q_token, row, tokens, group, FIRST: gl.constexpr, WIDTH: gl.constexpr
):
    """Columns of 64 rows, by ordinary loads: heads and tokens lie in any strides."""
    COLUMNS: gl.constexpr = WIDTH // 8
    layout: gl.constexpr = gl.BlockedLayout([1, 8], [32 // COLUMNS, COLUMNS], [4, 1], [1, 0])
    rows = row + gl.arange(0, _ROWS, gl.SliceLayout(1, layout))
    columns = FIRST + gl.arange(0, WIDTH, gl.SliceLayout(0, layout))
    at = q + (rows // tokens).to(gl.int64) * q_head + (rows % tokens).to(gl.int64) * q_token
    return gl.load(at[:, None] + columns[None, :], mask=(rows < group * tokens)[:, None], other=0.0)


@gluon.jit(do_not_specialize=_SIZES)
def _share(
    q, halves, rotated, output, lse, lengths, table,
    group, tokens, page, capacity, row_tiles, splits, batches, q_batch, q_head, q_token,
    table_batch, scale,
):  # fmt: skip
    """Descriptors of the latents: blocks (1, 64, 256) and (1, 64, 64)."""
    # ruff: noqa: RUF005 (Gluon unpacks no lists)
    low_slots = gl.allocate_shared_memory(
        halves.dtype, [2] + halves.block_type.shape, halves.layout
    )
    high_slots = gl.allocate_shared_memory(
        halves.dtype, [2] + halves.block_type.shape, halves.layout
    )
    last_slots = gl.allocate_shared_memory(
        rotated.dtype, [2] + rotated.block_type.shape, rotated.layout
    )
    q_low_slot = gl.allocate_shared_memory(
        halves.dtype, [1] + halves.block_type.shape, halves.layout
    )
    q_high_slot = gl.allocate_shared_memory(
        halves.dtype, [1] + halves.block_type.shape, halves.layout
    )
    q_last_slot = gl.allocate_shared_memory(
        rotated.dtype, [1] + rotated.block_type.shape, rotated.layout
    )
    plain: gl.constexpr = gl.SwizzledSharedLayout(1, 1, 1, [0])
    tops = gl.allocate_shared_memory(gl.float32, [2, _ROWS], plain)
    fades = gl.allocate_shared_memory(gl.float32, [2, _ROWS], plain)
    totals = gl.allocate_shared_memory(gl.float32, [2, _ROWS], plain)
    low_full = gl.allocate_shared_memory(gl.int64, [2, 1], Barrier())
    high_full = gl.allocate_shared_memory(gl.int64, [2, 1], Barrier())
    last_full = gl.allocate_shared_memory(gl.int64, [2, 1], Barrier())
    low_free = gl.allocate_shared_memory(gl.int64, [2, 1], Barrier())
    high_free = gl.allocate_shared_memory(gl.int64, [2, 1], Barrier())
    last_free = gl.allocate_shared_memory(gl.int64, [2, 1], Barrier())
    ready = gl.allocate_shared_memory(gl.int64, [2, 1], Barrier())
    done = gl.allocate_shared_memory(gl.int64, [2, 1], Barrier())
    for slot in gl.static_range(2):
        mbarrier.init(low_full.index(slot), count=1)
        mbarrier.init(high_full.index(slot), count=1)
        mbarrier.init(last_full.index(slot), count=1)
        mbarrier.init(low_free.index(slot), count=1)
        mbarrier.init(high_free.index(slot), count=1)
        mbarrier.init(last_free.index(slot), count=1)
        mbarrier.init(ready.index(slot), count=1)
        mbarrier.init(done.index(slot), count=1)
    # Row tiles of the same latents run side by side, so that all but one read them from L2.
    place = gl.program_id(0)
    row = place % row_tiles * _ROWS
    split = place // row_tiles % splits
    batch = place // row_tiles // splits
    keys = capacity
    if lengths is not None:
        keys = gl.load(lengths + batch)
    each = gl.cdiv(gl.cdiv(keys, splits), _KEYS) * _KEYS
    start = split * each
    tiles = gl.cdiv(gl.maximum(gl.minimum(keys - start, each), 0), _KEYS)
    number = (split * batches + batch) * group * tokens
    q += batch.to(gl.int64) * q_batch
    q_low = _matrix(q_low_slot, 0)
    q_high = _matrix(q_high_slot, 0)
    q_last = _matrix(q_last_slot, 0)
    q_low.store(_fetch_query(q, q_batch, q_head, q_token, row, tokens, group, 0, _HALF))
    q_high.store(_fetch_query(q, q_batch, q_head, q_token, row, tokens, group, _HALF, _HALF))
    q_last.store(_fetch_query(q, q_batch, q_head, q_token, row, tokens, group, 2 * _HALF, _ROTATED))
    fence_async_shared()
    thread_barrier()
    RAGGED: gl.constexpr = lengths is not None
    # Written out: a tuple held in a variable loses its constants.
    gl.warp_specialize(
        [
            (_attend_0, (
                (q_low, q_high, q_last), (low_slots, high_slots, last_slots),
                (low_full, high_full, last_full), (low_free, high_free, last_free), (ready, done),
                (tops, fades, totals),
                (row, start, tiles, keys, tokens, group, number),
                (output, lse), scale, RAGGED,
            )),
            (_attend_1, (
                (q_low, q_high, q_last), (low_slots, high_slots, last_slots),
                (low_full, high_full, last_full), (low_free, high_free, last_free), (ready, done),
                (tops, fades, totals),
                (row, start, tiles, keys, tokens, group, number),
                (output, lse), scale, RAGGED,
            )),
            (_load, (
                (halves, rotated), table, (low_slots, high_slots, last_slots),
                (low_full, high_full, last_full), (low_free, high_free, last_free),
                (batch, start, tiles, page, table_batch),
            )),
        ],
        [4, 1], [240, 24],
    )  # fmt: skip


@functools.cache
def _shared_layout(width: int, dtype: torch.dtype) -> Any:
    element = {torch.float16: gl.float16, torch.bfloat16: gl.bfloat16}[dtype]
    return gl.NVMMASharedLayout.get_default_for([1, KEYS, width], element)


def _descriptor(keys: torch.Tensor, width: int) -> Any:
    """Of (batch or pages, 1, length, 576), in blocks of 64 rows."""
    shape, strides = list(keys.shape), list(keys.stride())
    del shape[1], strides[1]
    for axis in (1, 0):  # a stride over one element is never used, but has to be a valid one
        if shape[axis] == 1:
            strides[axis] = -(-shape[axis + 1] * strides[axis + 1] // 64) * 64
    block = [1, KEYS, width]
    return TensorDescriptor(keys, shape, strides, block, _shared_layout(width, keys.dtype))


def _splits(programs: int, longest: int, device: Device) -> int:
    """How many blocks of threads share a sequence's keys: at most one for each processor."""
    return max(1, min(device.processors // max(programs, 1), -(-longest // (4 * KEYS))))


def decode(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor | None,
    lengths: torch.Tensor | None, page_table: torch.Tensor | None, sinks: torch.Tensor | None,
    scale: float, soft_cap: float, left: int, value_size: int, splits: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """Output and lse of what ``layout.latent_refuses`` does not refuse."""
    batch, heads, tokens, _ = query.shape
    if heads * tokens <= LATENT_FEW:
        return hopper_latent_few.decode(query, keys, lengths, page_table, scale)
    page = keys.shape[2]
    capacity = page if page_table is None else page * page_table.shape[1]
    row_tiles = -(-heads * tokens // ROWS)
    device = _compat.device_of(query.device)
    splits = splits or _splits(batch * row_tiles, capacity, device)
    output = query.new_empty((batch, heads, tokens, value_size))
    lse = query.new_empty((batch, heads, tokens), dtype=torch.float32)
    shares, lses = decode_portable.room_for(output, lse, splits)
    _share[(batch * row_tiles * splits,)](
        query, _descriptor(keys, RANK // 2), _descriptor(keys, ROTATED), shares, lses, lengths,
        page_table, heads, tokens, page, capacity, row_tiles, splits, batch,
        query.stride(0), query.stride(1), query.stride(2),
        0 if page_table is None else page_table.stride(0), scale * _LOG2E,
        num_warps=4, maxnreg=168,
    )  # fmt: skip
    if splits > 1:
        decode_portable.merge(shares, lses, None, output, lse)
    return output, lse
