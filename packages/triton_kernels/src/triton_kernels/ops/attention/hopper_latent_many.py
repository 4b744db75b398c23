"""Decoding over latents with many heads (MLA, absorbed) on Hopper in Gluon.

With 64 heads or more on one latent the tensor cores bind: 2·(576 + 512) operations a head for 1152
bytes. A block of threads takes 64 rows (heads times new tokens) and a share of the keys, in tiles
of 64. Two *attending* warpgroups take tiles in turn: each makes the scores and weights of its own
tiles, and one half of the output's columns for all of them. One *loading* warp keeps two tiles in
shared memory, which serve as keys and as values, one loaded while the other is multiplied::

    warpgroup 0   q·k0, softmax 0 ▸ p0·v0                     p1·v1 | q·k2, softmax 2 ▸ p2·v2
    warpgroup 1         q·k1      ▸ p0·v0, softmax 1 ▸        p1·v1 |       q·k3      ▸ p2·v2

The running maximum goes from tile to tile, so from one warpgroup to the other, with the weights:
they lie where the tile's rotated part was, which nobody needs once the scores are there.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import math

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
    KEYS,
    ROTATED,
    SIZES,
    ask,
    clear_half,
    fetch_query,
    place_of,
    share_of,
)
from triton_kernels.ops.attention.hopper_parts import matrix
from triton_kernels.ops.attention.layout import LATENT_ROWS

_ROWS = gl.constexpr(LATENT_ROWS)
_LN2 = gl.constexpr(math.log(2))


@gluon.jit
def _load(descriptors, table, slots, full, free, place):
    """The loading warp: tile by tile, each part as soon as its slot is free."""
    halves, rotated = descriptors
    batch, start, tiles, page, table_batch = place
    for tile in range(tiles):
        slot = tile % 2
        phase = tile // 2 & 1 ^ 1
        block, key = place_of(table, batch, start + tile * KEYS, page, table_batch)
        mbarrier.wait(free[0].index(slot), phase)
        ask(halves, full[0], slots[0], slot, block, key, 0)
        mbarrier.wait(free[1].index(slot), phase)
        ask(halves, full[1], slots[1], slot, block, key, HALF)
        mbarrier.wait(free[2].index(slot), phase)
        ask(rotated, full[2], slots[2], slot, block, key, 2 * HALF)


@gluon.jit
def _clear(slot, valid):
    """``clear_half``, for all threads to see."""
    if valid < KEYS:
        clear_half(slot, valid, 4)
        thread_barrier()


@gluon.jit
def _scores(queries, slots, full, phase, zeros, PARTY: gl.constexpr):
    """q·k of this warpgroup's next tile, begun, part by part as they land."""
    q_low, q_high, q_last = queries
    low_slots, high_slots, last_slots = slots
    low_full, high_full, last_full = full
    mbarrier.wait(low_full.index(PARTY), phase)
    low = matrix(low_slots, PARTY).permute((1, 0))
    scores = warpgroup_mma(q_low, low, zeros, use_acc=False, is_async=True)
    mbarrier.wait(high_full.index(PARTY), phase)
    high = matrix(high_slots, PARTY).permute((1, 0))
    scores = warpgroup_mma(q_high, high, scores, is_async=True)
    mbarrier.wait(last_full.index(PARTY), phase)
    last = matrix(last_slots, PARTY).permute((1, 0))
    return warpgroup_mma(q_last, last, scores, is_async=True)


@gluon.jit
def _begin_other(
    tile, state, slots, full, signals, numbers, keys_left, RAGGED: gl.constexpr,
    PARTY: gl.constexpr,
):  # fmt: skip
    """A tile whose weights the other warpgroup has made: the maximum moves on, p·v is begun."""
    sums, total, top = state
    tops, fades, _ = numbers
    ready, _ = signals
    my_slots = slots[1] if PARTY else slots[0]
    my_full = full[1] if PARTY else full[0]
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
        _clear(matrix(my_slots, OTHER), keys_left)
    adding = warpgroup_mma(matrix(slots[2], OTHER), matrix(my_slots, OTHER), sums, is_async=True)
    return adding, total * fade, top


@gluon.jit
def _end_other(adding, free, PARTY: gl.constexpr):
    """The sums with it; what it lay in is free."""
    my_free = free[1] if PARTY else free[0]
    sums = warpgroup_mma_wait(0, (adding,))
    mbarrier.arrive(my_free.index(1 - PARTY), count=1)
    mbarrier.arrive(free[2].index(1 - PARTY), count=1)
    return sums


@gluon.jit
def _attend(
    queries, slots, full, free, signals, numbers, place, outputs, scale,
    RAGGED: gl.constexpr, PARTY: gl.constexpr,
):  # fmt: skip
    """A warpgroup: the scores of every other tile, and half of the columns of the output."""
    low_slots, high_slots, last_slots = slots
    low_free, high_free, _ = free
    ready, done = signals
    tops, fades, totals = numbers
    row, start, tiles, keys, tokens, group, number = place
    output, lse = outputs
    my_slots = high_slots if PARTY else low_slots
    my_free = high_free if PARTY else low_free
    OTHER: gl.constexpr = 1 - PARTY
    S: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, KEYS, 16])
    OUT: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, HALF, 16])
    P: gl.constexpr = gl.DotOperandLayout(0, OUT, 2)
    BY_ROW: gl.constexpr = gl.SliceLayout(1, S)
    OUT_BY_ROW: gl.constexpr = gl.SliceLayout(1, OUT)
    zeros = gl.zeros([_ROWS, KEYS], gl.float32, S)
    sums = gl.zeros([_ROWS, HALF], gl.float32, OUT)
    total = gl.zeros([_ROWS], gl.float32, BY_ROW)
    top = gl.full([_ROWS], -float("inf"), gl.float32, BY_ROW)
    limit = keys - tokens + 1 + (row + gl.arange(0, _ROWS, BY_ROW)) % tokens - start
    column = gl.arange(0, KEYS, gl.SliceLayout(0, S))[None, :]
    for turn in range((tiles + 1 - PARTY) // 2):
        tile = 2 * turn + PARTY
        scores = _scores(queries, slots, full, turn & 1, zeros, PARTY)
        if PARTY:  # these scores are multiplied while the other makes weights, p·v while this does
            adding, total, top = _begin_other(
                tile - 1, (sums, total, top), slots, full, signals, numbers,
                keys - start - (tile - 1) * KEYS, RAGGED, PARTY,
            )  # fmt: skip
            s = warpgroup_mma_wait(1, (scores,))
        else:
            s = warpgroup_mma_wait(0, (scores,))
        if (tile + 1) * KEYS > keys - tokens + 1 - start:
            s = gl.where(column + tile * KEYS < limit[:, None], s, -float("inf"))
        new = gl.maximum(top, gl.max(s, 1) * scale)
        base = gl.where(new == -float("inf"), 0.0, new)
        weights = gl.exp2(s * scale - base[:, None])
        fade = gl.exp2(top - base)
        top = new
        p = weights.to(low_slots.dtype)
        thread_barrier()  # all warps have read the rotated part
        matrix(last_slots, PARTY).store(p)
        tops.index(PARTY).store(top)
        fades.index(PARTY).store(fade)
        fence_async_shared()
        mbarrier.arrive(ready.index(PARTY), count=1)
        if PARTY:
            sums = _end_other(adding, free, PARTY)
        p_left = gl.convert_layout(p, P)
        sums = sums * gl.convert_layout(fade, OUT_BY_ROW)[:, None]
        if RAGGED:
            _clear(matrix(my_slots, PARTY), keys - start - tile * KEYS)
        adding = warpgroup_mma(p_left, matrix(my_slots, PARTY), sums, is_async=True)
        total = total * fade + gl.sum(weights, 1)
        sums, _spent = warpgroup_mma_wait(0, (adding, p_left))
        mbarrier.arrive(my_free.index(PARTY), count=1)
        if not PARTY:  # noqa: SIM102 (known when compiled; the next when run)
            if tile + 1 < tiles:
                adding, total, top = _begin_other(
                    tile + 1, (sums, total, top), slots, full, signals, numbers,
                    keys - start - (tile + 1) * KEYS, RAGGED, PARTY,
                )  # fmt: skip
                sums = _end_other(adding, free, PARTY)
    if PARTY:  # noqa: SIM102
        if tiles % 2 == 1:
            adding, total, top = _begin_other(
                tiles - 1, (sums, total, top), slots, full, signals, numbers,
                keys - start - (tiles - 1) * KEYS, RAGGED, PARTY,
            )  # fmt: skip
            sums = _end_other(adding, free, PARTY)
    totals.index(PARTY).store(total)
    mbarrier.arrive(done.index(PARTY), count=1)
    mbarrier.wait(done.index(OTHER), 0)
    total = total + totals.index(OTHER).load(BY_ROW)
    share = gl.where(total > 0, 1.0 / gl.where(total > 0, total, 1.0), 0.0)
    sums = sums * gl.convert_layout(share, OUT_BY_ROW)[:, None]
    rows = row + gl.arange(0, _ROWS, OUT_BY_ROW)
    columns = PARTY * HALF + gl.arange(0, HALF, gl.SliceLayout(0, OUT))
    # number: of the first of this key head's rows among all; rows of a head follow each other.
    at = output + (number + rows).to(gl.int64)[:, None] * (2 * HALF) + columns[None, :]
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


@gluon.jit(do_not_specialize=SIZES)
def share(
    q, halves, rotated, output, lse, lengths, table,
    group, tokens, page, capacity, row_tiles, splits, batches, q_batch, q_head, q_token,
    table_batch, scale,
):  # fmt: skip
    """Descriptors of the latents: blocks (1, 1, 64, 256) and (1, 1, 64, 64)."""
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
    row, split, batch, keys, start, tiles = share_of(lengths, capacity, row_tiles, splits, _ROWS)
    number = (split * batches + batch) * group * tokens
    q += batch.to(gl.int64) * q_batch
    q_low = fetch_query(q, q_head, q_token, row, tokens, group, _ROWS, 0, HALF, 4)
    q_high = fetch_query(q, q_head, q_token, row, tokens, group, _ROWS, HALF, HALF, 4)
    q_last = fetch_query(q, q_head, q_token, row, tokens, group, _ROWS, 2 * HALF, ROTATED, 4)
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
