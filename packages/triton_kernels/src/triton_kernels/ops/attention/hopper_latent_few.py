"""Decoding over latents with few heads (MLA, absorbed) on Hopper in Gluon: products crosswise.

The tensor cores multiply 64 rows at a time. Of 16 heads times new tokens three quarters would be
empty, and of keys there are plenty: a tile of scores is made as 64 keys by rows, and the output as
columns by rows, out of the latents read crosswise::

    scores  (keys, rows)    = latents (keys, 576) · queriesᵀ
    output  (columns, rows) = latentsᵀ (512, keys) · weights (keys, rows)

So the tensor cores are busy half of the time that a tile takes to come, and one block of threads
for each processor, which keeps two tiles in shared memory, reads as fast as the memory gives. One
warpgroup makes all, for up to 32 rows.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import math

from triton_kernels._compat import tl
from triton_kernels._gluon import (
    Barrier,
    fence_async_shared,
    gl,
    gluon,
    mbarrier,
    thread_barrier,
    warpgroup_mma,
    warpgroup_mma_wait,
)
from triton_kernels.ops.attention.hopper_latent_parts import (
    HALF,
    ROTATED,
    SIZES,
    ask,
    ask_first,
    clear_half,
    fetch_query,
    place_of,
    share_of,
)
from triton_kernels.ops.attention.hopper_parts import matrix

KEYS = gl.constexpr(64)
"""Keys of a tile."""
_SLOTS = gl.constexpr(2)
"""Tiles in shared memory."""
_LN2 = gl.constexpr(math.log(2))


@gluon.jit
def _ask(blocks, full, slots, slot, block, key):
    """Starts the loads of a tile: half, half, and rotated part."""
    halves, rotated = blocks
    ask(halves, full[0], slots[0], slot, block, key, 0)
    ask(halves, full[1], slots[1], slot, block, key, HALF)
    ask(rotated, full[2], slots[2], slot, block, key, 2 * HALF)


@gluon.jit(do_not_specialize=SIZES)
def share(
    q, halves, rotated, output, lse, lengths, table,
    group, tokens, page, capacity, row_tiles, splits, batches, q_batch, q_head, q_token,
    table_batch, scale, ROWS: gl.constexpr,
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
    row, split, batch, keys, start, tiles = share_of(
        lengths, capacity, row_tiles, splits, ROWS, KEYS
    )
    ask_first(
        _ask, blocks, full, slots, table, batch, start, tiles, page, table_batch, KEYS, _SLOTS
    )
    tl.extra.cuda.gdc_launch_dependents()

    q += batch.to(gl.int64) * q_batch
    q = (q, q_head, q_token)
    q_low = fetch_query(q, row, tokens, group, ROWS, 0, HALF)
    q_high = fetch_query(q, row, tokens, group, ROWS, HALF, HALF)
    q_last = fetch_query(q, row, tokens, group, ROWS, 2 * HALF, ROTATED)
    shared: gl.constexpr = gl.NVMMASharedLayout.get_default_for([ROWS, KEYS], dtype)
    p_slot = gl.allocate_shared_memory(dtype, [ROWS, KEYS], shared)
    fence_async_shared()
    thread_barrier()

    S: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, ROWS, 16])
    OUT: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, ROWS, 16])
    BY_ROW: gl.constexpr = gl.SliceLayout(0, S)
    OUT_BY_ROW: gl.constexpr = gl.SliceLayout(0, OUT)
    zeros = gl.zeros([KEYS, ROWS], gl.float32, S)
    low_sums = gl.zeros([HALF, ROWS], gl.float32, OUT)
    high_sums = gl.zeros([HALF, ROWS], gl.float32, OUT)
    total = gl.zeros([ROWS], gl.float32, BY_ROW)
    top = gl.full([ROWS], -float("inf"), gl.float32, BY_ROW)
    # How many keys of this share a row sees.
    limit = keys - tokens + 1 + (row + gl.arange(0, ROWS, BY_ROW)) % tokens - start
    line = gl.arange(0, KEYS, gl.SliceLayout(1, S))[:, None]
    for tile in range(tiles):
        slot = tile % _SLOTS
        phase = tile // _SLOTS & 1
        block = batch
        key = start + (tile + _SLOTS) * KEYS
        if tile + _SLOTS < tiles:  # looked up now, known by the time that the slot is free
            block, key = place_of(table, batch, key, page, table_batch)
        mbarrier.wait(low_full.index(slot), phase)
        low = matrix(low_slots, slot)
        scores = warpgroup_mma(low, q_low.permute((1, 0)), zeros, use_acc=False, is_async=True)
        mbarrier.wait(high_full.index(slot), phase)
        high = matrix(high_slots, slot)
        scores = warpgroup_mma(high, q_high.permute((1, 0)), scores, is_async=True)
        mbarrier.wait(last_full.index(slot), phase)
        last = matrix(last_slots, slot)
        scores = warpgroup_mma(last, q_last.permute((1, 0)), scores, is_async=True)
        s = warpgroup_mma_wait(0, (scores,))
        if (tile + 1) * KEYS > keys - tokens + 1 - start:
            s = gl.where(line + tile * KEYS < limit[None, :], s, -float("inf"))
        new = gl.maximum(top, gl.max(s, 0) * scale)
        base = gl.where(new == -float("inf"), 0.0, new)
        weights = gl.exp2(s * scale - base[None, :])
        fade = gl.exp2(top - base)
        top = new
        p_slot.permute((1, 0)).store(weights.to(dtype))
        fence_async_shared()
        if lengths is not None:
            valid = keys - start - tile * KEYS
            if valid < KEYS:
                clear_half(low, valid)
                clear_half(high, valid)
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

    for each in gl.static_range(_SLOTS):  # what follows may be given the barriers' memory
        mbarrier.invalidate(low_full.index(each))
        mbarrier.invalidate(high_full.index(each))
        mbarrier.invalidate(last_full.index(each))
    rest = gl.where(total > 0, 1.0 / gl.where(total > 0, total, 1.0), 0.0)
    rest = gl.convert_layout(rest, OUT_BY_ROW)[None, :]
    # number: of this sequence's first row among all; rows follow each other.
    number = (split * batches + batch) * group * tokens
    rows = row + gl.arange(0, ROWS, OUT_BY_ROW)
    columns = gl.arange(0, HALF, gl.SliceLayout(1, OUT))
    at = output + (number + rows).to(gl.int64)[None, :] * (2 * HALF) + columns[:, None]
    exist = (rows < group * tokens)[None, :]
    gl.store(at, (low_sums * rest).to(output.dtype.element_ty), mask=exist)
    gl.store(at + HALF, (high_sums * rest).to(output.dtype.element_ty), mask=exist)
    rows = row + gl.arange(0, ROWS, BY_ROW)
    value = gl.where(total > 0, top * _LN2 + gl.log(gl.where(total > 0, total, 1.0)), -float("inf"))
    gl.store(lse + number + rows, value, mask=rows < group * tokens)
