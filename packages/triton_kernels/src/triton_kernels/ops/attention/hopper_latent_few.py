"""Decoding over latents with few heads (MLA, absorbed) on Hopper in Gluon: products crosswise.

The tensor cores multiply 64 rows at a time. Of 16 heads times new tokens three quarters would be
empty, and of keys there are plenty: a tile of scores is made as 64 keys by rows, and the output as
columns by rows, out of the latents read crosswise::

    scores  (keys, rows)    = latents (keys, 576) · queriesᵀ
    output  (columns, rows) = latentsᵀ (512, keys) · weights (keys, rows)

So the tensor cores are busy half of the time that a tile takes to come, and one block of threads
for each processor, which keeps two tiles in shared memory, reads as fast as the memory gives. Up to
32 rows one warpgroup makes all; of 64 two share the rows of the scores and the output's columns.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import torch

from triton_kernels import _compat
from triton_kernels._compat import Launch, Layout, tl
from triton_kernels._gluon import (
    Barrier,
    fence_async_shared,
    gl,
    gluon,
    load_async,
    mbarrier,
    thread_barrier,
    warpgroup_mma,
    warpgroup_mma_wait,
)
from triton_kernels.ops.attention import decode_portable
from triton_kernels.ops.attention.hopper_forward import descriptor
from triton_kernels.ops.attention.layout import LATENT_KEYS as KEYS
from triton_kernels.ops.attention.layout import LATENT_RANK as RANK
from triton_kernels.ops.attention.layout import LATENT_ROTATED as ROTATED

_KEYS, _HALF, _ROTATED = (gl.constexpr(x) for x in (KEYS, RANK // 2, ROTATED))
_SLOTS = gl.constexpr(2)
"""Tiles in shared memory."""
_LN2 = gl.constexpr(math.log(2))
_LOG2E = 1 / math.log(2)
_SIZES = ("group", "tokens", "page", "capacity", "row_tiles", "splits", "batches")


@gluon.jit
def _matrix(slots, index):
    """A slot (1, 1, rows, width) as a matrix."""
    return slots.index(index).reshape([slots.shape[3], slots.shape[4]])


@gluon.jit
def _where(table, batch, key, page, table_batch):
    """The block of the cache that holds a key, and its place there."""
    block = batch
    if table is not None:
        block = gl.load(table + batch.to(gl.int64) * table_batch + key // page)
        key = key % page
    return block, key


@gluon.jit
def _ask(blocks, full, slots, slot, block, key):
    """Starts the loads of a tile: half, half, and rotated part."""
    halves, rotated = blocks
    low_slots, high_slots, last_slots = slots
    low_full, high_full, last_full = full
    mbarrier.expect(low_full.index(slot), halves.block_type.nbytes)
    load_async(halves, [block, 0, key, 0], low_full.index(slot), low_slots.index(slot))
    mbarrier.expect(high_full.index(slot), halves.block_type.nbytes)
    load_async(halves, [block, 0, key, _HALF], high_full.index(slot), high_slots.index(slot))
    mbarrier.expect(last_full.index(slot), rotated.block_type.nbytes)
    load_async(rotated, [block, 0, key, 2 * _HALF], last_full.index(slot), last_slots.index(slot))


@gluon.jit
def _fetch_query(
    q, q_head, q_token, row, tokens, group, ROWS: gl.constexpr, FIRST: gl.constexpr,
    WIDTH: gl.constexpr, WARPS: gl.constexpr,
):  # fmt: skip
    """Columns of the rows, in shared memory; heads and tokens lie in any strides."""
    LANES: gl.constexpr = WIDTH // 8
    layout: gl.constexpr = gl.BlockedLayout([1, 8], [32 // LANES, LANES], [WARPS, 1], [1, 0])
    rows = row + gl.arange(0, ROWS, gl.SliceLayout(1, layout))
    columns = FIRST + gl.arange(0, WIDTH, gl.SliceLayout(0, layout))
    at = q + (rows // tokens).to(gl.int64) * q_head + (rows % tokens).to(gl.int64) * q_token
    x = gl.load(at[:, None] + columns[None, :], mask=(rows < group * tokens)[:, None], other=0.0)
    shared: gl.constexpr = gl.NVMMASharedLayout.get_default_for([ROWS, WIDTH], x.dtype)
    return gl.allocate_shared_memory(x.dtype, [ROWS, WIDTH], shared, x)


@gluon.jit
def _clear(slot, valid, WARPS: gl.constexpr):
    """Zeros for a half's rows from ``valid`` on: beyond a sequence the cache may hold anything."""
    layout: gl.constexpr = gl.BlockedLayout([1, 8], [1, 32], [WARPS, 1], [1, 0])
    row = gl.arange(0, 8, gl.SliceLayout(1, layout))[:, None]
    for first in gl.static_range(0, _KEYS, 8):
        if valid < first + 8:
            eight = slot.slice(first, 8, 0)
            x = eight.load(layout)
            eight.store(gl.where(row + first < valid, x, 0.0).to(x.dtype))
    fence_async_shared()


@gluon.jit(do_not_specialize=_SIZES)
def _share(
    q, halves, rotated, output, lse, lengths, table,
    group, tokens, page, capacity, row_tiles, splits, batches, q_batch, q_head, q_token,
    table_batch, scale, ROWS: gl.constexpr, WARPS: gl.constexpr,
):  # fmt: skip
    """Descriptors of the latents: blocks (1, 1, 64, 256) and (1, 1, 64, 64)."""
    # ruff: noqa: RUF005 (Gluon unpacks no lists)
    dtype: gl.constexpr = halves.dtype
    low_slots = gl.allocate_shared_memory(dtype, [_SLOTS] + halves.block_type.shape, halves.layout)
    high_slots = gl.allocate_shared_memory(dtype, [_SLOTS] + halves.block_type.shape, halves.layout)
    last_slots = gl.allocate_shared_memory(
        dtype, [_SLOTS] + rotated.block_type.shape, rotated.layout
    )
    low_full = gl.allocate_shared_memory(gl.int64, [_SLOTS, 1], Barrier())
    high_full = gl.allocate_shared_memory(gl.int64, [_SLOTS, 1], Barrier())
    last_full = gl.allocate_shared_memory(gl.int64, [_SLOTS, 1], Barrier())
    for each in gl.static_range(_SLOTS):
        mbarrier.init(low_full.index(each), count=1)
        mbarrier.init(high_full.index(each), count=1)
        mbarrier.init(last_full.index(each), count=1)
    fence_async_shared()
    thread_barrier()
    blocks = (halves, rotated)
    full = (low_full, high_full, last_full)
    slots = (low_slots, high_slots, last_slots)

    tl.extra.cuda.gdc_wait()  # the kernel before has ended: this one may have started early
    place = gl.program_id(0)
    row = place % row_tiles * ROWS
    split = place // row_tiles % splits
    batch = place // row_tiles // splits
    keys = capacity
    if lengths is not None:
        keys = gl.load(lengths + batch)
    share = gl.cdiv(gl.cdiv(keys, splits), _KEYS) * _KEYS
    start = split * share
    tiles = gl.cdiv(gl.maximum(gl.minimum(keys - start, share), 0), _KEYS)
    for each in gl.static_range(_SLOTS):
        if each < tiles:
            block, key = _where(table, batch, start + each * _KEYS, page, table_batch)
            _ask(blocks, full, slots, each, block, key)
    tl.extra.cuda.gdc_launch_dependents()

    q += batch.to(gl.int64) * q_batch
    q_low = _fetch_query(q, q_head, q_token, row, tokens, group, ROWS, 0, _HALF, WARPS)
    q_high = _fetch_query(q, q_head, q_token, row, tokens, group, ROWS, _HALF, _HALF, WARPS)
    q_last = _fetch_query(q, q_head, q_token, row, tokens, group, ROWS, 2 * _HALF, _ROTATED, WARPS)
    shared: gl.constexpr = gl.NVMMASharedLayout.get_default_for([ROWS, _KEYS], dtype)
    p_slot = gl.allocate_shared_memory(dtype, [ROWS, _KEYS], shared)
    fence_async_shared()
    thread_barrier()

    S: gl.constexpr = gl.NVMMADistributedLayout(
        [3, 0], [4, WARPS // 4], [16, ROWS * 4 // WARPS, 16]
    )
    OUT: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [WARPS, 1], [16, ROWS, 16])
    BY_ROW: gl.constexpr = gl.SliceLayout(0, S)
    OUT_BY_ROW: gl.constexpr = gl.SliceLayout(0, OUT)
    zeros = gl.zeros([_KEYS, ROWS], gl.float32, S)
    low_sums = gl.zeros([_HALF, ROWS], gl.float32, OUT)
    high_sums = gl.zeros([_HALF, ROWS], gl.float32, OUT)
    total = gl.zeros([ROWS], gl.float32, BY_ROW)
    top = gl.full([ROWS], -float("inf"), gl.float32, BY_ROW)
    # How many keys of this share a row sees.
    limit = keys - tokens + 1 + (row + gl.arange(0, ROWS, BY_ROW)) % tokens - start
    line = gl.arange(0, _KEYS, gl.SliceLayout(1, S))[:, None]
    for tile in range(tiles):
        slot = tile % _SLOTS
        phase = tile // _SLOTS & 1
        block = batch
        key = start + (tile + _SLOTS) * _KEYS
        if tile + _SLOTS < tiles:  # looked up now, known by the time that the slot is free
            block, key = _where(table, batch, key, page, table_batch)
        mbarrier.wait(low_full.index(slot), phase)
        low = _matrix(low_slots, slot)
        scores = warpgroup_mma(low, q_low.permute((1, 0)), zeros, use_acc=False, is_async=True)
        mbarrier.wait(high_full.index(slot), phase)
        high = _matrix(high_slots, slot)
        scores = warpgroup_mma(high, q_high.permute((1, 0)), scores, is_async=True)
        mbarrier.wait(last_full.index(slot), phase)
        last = _matrix(last_slots, slot)
        scores = warpgroup_mma(last, q_last.permute((1, 0)), scores, is_async=True)
        s = warpgroup_mma_wait(0, (scores,))
        if (tile + 1) * _KEYS > keys - tokens + 1 - start:
            s = gl.where(line + tile * _KEYS < limit[None, :], s, -float("inf"))
        new = gl.maximum(top, gl.max(s, 0) * scale)
        base = gl.where(new == -float("inf"), 0.0, new)
        weights = gl.exp2(s * scale - base[None, :])
        fade = gl.exp2(top - base)
        top = new
        p_slot.permute((1, 0)).store(weights.to(dtype))
        fence_async_shared()
        if lengths is not None:
            valid = keys - start - tile * _KEYS
            if valid < _KEYS:
                _clear(low, valid, WARPS)
                _clear(high, valid, WARPS)
        thread_barrier()
        total = total * fade + gl.sum(weights, 0)
        fade = gl.convert_layout(fade, OUT_BY_ROW)[None, :]
        p = p_slot.permute((1, 0))
        low_adding = warpgroup_mma(low.permute((1, 0)), p, low_sums * fade, is_async=True)
        high_adding = warpgroup_mma(high.permute((1, 0)), p, high_sums * fade, is_async=True)
        low_sums, high_sums = warpgroup_mma_wait(0, (low_adding, high_adding))
        thread_barrier()
        if tile + _SLOTS < tiles:
            _ask(blocks, full, slots, slot, block, key)

    rest = gl.where(total > 0, 1.0 / gl.where(total > 0, total, 1.0), 0.0)
    rest = gl.convert_layout(rest, OUT_BY_ROW)[None, :]
    # number: of this sequence's first row among all; rows follow each other.
    number = (split * batches + batch) * group * tokens
    rows = row + gl.arange(0, ROWS, OUT_BY_ROW)
    columns = gl.arange(0, _HALF, gl.SliceLayout(1, OUT))
    at = output + (number + rows).to(gl.int64)[None, :] * (2 * _HALF) + columns[:, None]
    exist = (rows < group * tokens)[None, :]
    gl.store(at, (low_sums * rest).to(output.dtype.element_ty), mask=exist)
    gl.store(at + _HALF, (high_sums * rest).to(output.dtype.element_ty), mask=exist)
    rows = row + gl.arange(0, ROWS, BY_ROW)
    value = gl.where(total > 0, top * _LN2 + gl.log(gl.where(total > 0, total, 1.0)), -float("inf"))
    gl.store(lse + number + rows, value, mask=rows < group * tokens)


class _Plan(NamedTuple):
    """What calls with inputs so laid out have in common."""

    launch: Launch
    splits: int


@functools.lru_cache(maxsize=4096)
def _plan(
    query: Layout, keys: Layout, beside: tuple[Layout | None, ...], scale: float,
) -> _Plan:  # fmt: skip
    batch, heads, tokens, _ = query.shape
    page, table = keys.shape[2], beside[1]
    capacity = page if table is None else page * table.shape[1]
    rows = max(16, min(64, 1 << (heads * tokens - 1).bit_length()))
    warps = 8 if rows == 64 else 4
    row_tiles = -(-heads * tokens // rows)
    # One block of threads for each processor, of four tiles or more.
    processors = _compat.device_of(query.device).processors
    splits = max(1, min(processors // (batch * row_tiles), -(-capacity // (4 * KEYS))))
    launch = Launch(
        _share, batch * row_tiles * splits,
        (
            heads, tokens, page, capacity, row_tiles, splits, batch, *query.strides[:3],
            0 if table is None else table.strides[0], scale * _LOG2E,
        ),
        {"ROWS": rows, "WARPS": warps},
        {"num_warps": warps, "launch_pdl": True},
        {
            1: functools.partial(descriptor, rows=KEYS, width=RANK // 2),
            2: functools.partial(descriptor, rows=KEYS, width=ROTATED),
        },
    )  # fmt: skip
    return _Plan(launch, splits)


def decode(
    query: torch.Tensor, keys: torch.Tensor, lengths: torch.Tensor | None,
    page_table: torch.Tensor | None, scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """Output and lse of what ``layout.latent_refuses`` does not refuse."""
    beside = tuple(None if x is None else Layout.of(x) for x in (lengths, page_table))
    plan = _plan(Layout.of(query), Layout.of(keys), beside, scale)
    output = query.new_empty((*query.shape[:3], RANK))
    lse = query.new_empty(query.shape[:3], dtype=torch.float32)
    shares, lses = decode_portable.room_for(output, lse, plan.splits)
    plan.launch(query, keys, keys, shares, lses, lengths, page_table)
    if plan.splits > 1:
        decode_portable.merge(shares, lses, None, output, lse)
    return output, lse
