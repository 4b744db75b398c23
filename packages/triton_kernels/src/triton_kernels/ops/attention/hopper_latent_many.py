"""Decoding over latents with many heads (MLA, absorbed) on Hopper in Gluon.

From 64 heads on one latent the tensor cores bind: 2·(576 + 512) operations a head for 1152 bytes.
A block of threads takes 64 rows (heads times new tokens) and a share of the keys, in tiles of 32.
Three warpgroups divide the work by its kind::

    scoring    q·k1 ▸ softmax 1   q·k2 ▸ softmax 2   q·k3 ▸ …
    adding 0        ▸ p0·v0            ▸ p1·v1            ▸ p2·v2     columns 0 to 255
    adding 1        ▸ p0·v0            ▸ p1·v1            ▸ p2·v2     columns 256 to 511

The *scoring* one holds the queries in registers, but for their rotated part: read from shared
memory they would double what each of its narrow products takes from there. The *adding* ones hold
the output's columns. They are told of a tile's weights when the next tile's products are issued: so
these are hardly held up, and the tensor cores add while weights are made. Five tiles of 37 KB fit,
which are keys and values at once; the second one that adds loads later ones. Each has a place for
its weights beside it: in place of its rotated part they would wait for all warps' products.

A row's weights are relative to its maximum, which is left where it is until it has grown by 2^8:
only then do the sums before shrink.
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
    load_async,
    mbarrier,
    thread_barrier,
    warpgroup_mma,
    warpgroup_mma_wait,
)
from triton_kernels.ops.attention.hopper_latent_parts import (
    HALF,
    ROTATED,
    SIZES,
    ask_first,
    clear_half,
    fetch_query,
    place_of,
    query_at,
    share_of,
)
from triton_kernels.ops.attention.hopper_parts import matrix
from triton_kernels.ops.attention.layout import LATENT_RANK, LATENT_ROWS

KEYS = gl.constexpr(32)
"""Keys of a tile."""
REGISTERS = gl.constexpr(160)
"""Of a thread that adds: 128 are sums; with 152 the product is not assembled."""
RANK = gl.constexpr(LATENT_RANK)
_ROWS = gl.constexpr(LATENT_ROWS)
_SLOTS = gl.constexpr(5)
_SLACK = gl.constexpr(8.0)
"""Powers of 2 by which a weight may be more than 1."""
_LN2 = gl.constexpr(math.log(2))


@gluon.jit
def _next(slot, phase):
    """The slot behind, and the phase of its barriers."""
    last = slot == _SLOTS - 1
    return gl.where(last, 0, slot + 1), gl.where(last, phase ^ 1, phase)


@gluon.jit
def _ask(descriptors, full, slots, slot, block, key):
    """Starts the loads of a tile."""
    latents, rotated = descriptors
    barrier = full.index(slot)
    mbarrier.expect(barrier, latents.block_type.nbytes + rotated.block_type.nbytes)
    load_async(latents, [block, 0, key, 0], barrier, slots[0].index(slot))
    load_async(rotated, [block, 0, key, RANK], barrier, slots[1].index(slot))


@gluon.jit
def _by_lane(x):
    """Sums of what each lane holds of a row: (rows, lanes)."""
    pieces = gl.reshape(x, [_ROWS, KEYS // 8, 4, 2])
    return gl.sum(gl.sum(pieces, 3), 1)


@gluon.jit
def _weigh(s, first, state, limits, scale):
    """Weights from the scores of keys from ``first`` on; by how much sums shrink; the new state."""
    top, total = state
    limit, least = limits
    if first + KEYS > least:
        column = first + gl.arange(0, KEYS, gl.SliceLayout(0, s.type.layout))
        s = gl.where(column[None, :] < limit[:, None], s, -float("inf"))
    new = gl.max(s, 1) * scale
    new = gl.where(new > top + _SLACK, new, top)
    base = gl.where(new == -float("inf"), 0.0, new)
    weights = gl.exp2(s * scale - base[:, None])
    fade = gl.exp2(top - base)
    by_row = gl.convert_layout(fade, gl.SliceLayout(1, total.type.layout))
    return weights, fade, new, total * by_row[:, None] + _by_lane(weights)


@gluon.jit
def _score(q, q_last, slots, signals, notes, place, lse, scale):
    """The scoring warpgroup."""
    latents, rotated, made = slots
    full, ready, _, done = signals
    fades, totals = notes
    row, start, tiles, keys, tokens, group, number = place
    S: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, KEYS, 16])
    Q: gl.constexpr = gl.DotOperandLayout(0, S, 2)
    BY_ROW: gl.constexpr = gl.SliceLayout(1, S)
    q_first = query_at(q, row, tokens, group, _ROWS, 0, RANK, Q)
    zeros = gl.zeros([_ROWS, KEYS], gl.float32, S)
    total = _by_lane(zeros)
    top = gl.full([_ROWS], -float("inf"), gl.float32, BY_ROW)
    # How many keys of this share a row sees, and how many all rows see.
    least = keys - tokens + 1 - start
    limit = least + (row + gl.arange(0, _ROWS, BY_ROW)) % tokens
    slot = 0
    phase = 0
    before = 0
    for tile in range(tiles):
        mbarrier.wait(full.index(slot), phase)
        keys_first = matrix(latents, slot).permute((1, 0))
        keys_last = matrix(rotated, slot).permute((1, 0))
        scores = warpgroup_mma(q_first, keys_first, zeros, use_acc=False, is_async=True)
        scores = warpgroup_mma(q_last, keys_last, scores, is_async=True)
        mbarrier.arrive(ready.index(before), count=1, pred=tile > 0)
        s = warpgroup_mma_wait(0, (scores,))
        weights, fade, top, total = _weigh(s, tile * KEYS, (top, total), (limit, least), scale)
        made.index(slot).store(weights.to(latents.dtype))
        fades.index(slot).store(fade)
        fence_async_shared()
        thread_barrier()  # all warps have written their weights
        before = slot
        slot, phase = _next(slot, phase)
    mbarrier.arrive(ready.index(before), count=1, pred=tiles > 0)
    total = gl.convert_layout(gl.sum(total, 1), BY_ROW)
    totals.store(total)
    mbarrier.arrive(done, count=1)
    rows = row + gl.arange(0, _ROWS, BY_ROW)
    value = gl.where(total > 0, top * _LN2 + gl.log(gl.where(total > 0, total, 1.0)), -float("inf"))
    gl.store(lse + number + rows, value, mask=rows < group * tokens)


@gluon.jit
def _add(
    descriptors, table, slots, signals, notes, place, pages, output,
    RAGGED: gl.constexpr, PARTY: gl.constexpr,
):  # fmt: skip
    """A warpgroup that makes half of the output's columns; one of the two loads later tiles."""
    latents, rotated, made = slots
    full, ready, spent, done = signals
    fades, totals = notes
    row, start, tiles, keys, tokens, group, number = place
    OUT: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, HALF, 16])
    BY_ROW: gl.constexpr = gl.SliceLayout(1, OUT)
    IN_WARP: gl.constexpr = gl.BlockedLayout([2], [32], [4], [0])  # each warp has all rows
    sums = gl.zeros([_ROWS, HALF], gl.float32, OUT)
    slot = 0
    phase = 0
    for tile in range(tiles):
        block = pages[0]
        key = start + (tile + _SLOTS) * KEYS
        if PARTY == 1 and tile + _SLOTS < tiles:  # known by the time that the slot is free
            block, key = place_of(table, block, key, pages[1], pages[2])
        mbarrier.wait(full.index(slot), phase)
        mbarrier.wait(ready.index(slot), phase)
        shrinks = (fades.index(slot).load(IN_WARP) < 1.0).to(gl.int32)
        if gl.max(shrinks, 0) > 0:
            sums = sums * fades.index(slot).load(BY_ROW)[:, None]
        values = matrix(latents, slot).slice(PARTY * HALF, HALF, 1)
        if RAGGED:
            valid = keys - start - tile * KEYS
            if valid < KEYS:
                clear_half(values, valid)
                thread_barrier()
        adding = warpgroup_mma(made.index(slot), values, sums, is_async=True)
        sums = warpgroup_mma_wait(0, (adding,))
        thread_barrier()  # one thread says for all of the warpgroup that they have used it
        if PARTY == 0:
            mbarrier.arrive(spent.index(slot), count=1)
        else:
            if tile + _SLOTS < tiles:
                mbarrier.wait(spent.index(slot), phase)  # the other has used it, too
                _ask(descriptors, full, (latents, rotated), slot, block, key)
        slot, phase = _next(slot, phase)
    mbarrier.wait(done, 0)
    total = totals.load(BY_ROW)
    share = gl.where(total > 0, 1.0 / gl.where(total > 0, total, 1.0), 0.0)
    sums = sums * share[:, None]
    rows = row + gl.arange(0, _ROWS, BY_ROW)
    columns = PARTY * HALF + gl.arange(0, HALF, gl.SliceLayout(0, OUT))
    # number: of the first of this key head's rows among all; rows of a head follow each other.
    at = output + (number + rows).to(gl.int64)[:, None] * RANK + columns[None, :]
    gl.store(at, sums.to(output.dtype.element_ty), mask=(rows < group * tokens)[:, None])


@gluon.jit
def _add_0(
    descriptors, table, slots, signals, notes, place, pages, output, RAGGED: gl.constexpr
):  # fmt: skip
    _add(descriptors, table, slots, signals, notes, place, pages, output, RAGGED, 0)


@gluon.jit
def _add_1(
    descriptors, table, slots, signals, notes, place, pages, output, RAGGED: gl.constexpr
):  # fmt: skip
    _add(descriptors, table, slots, signals, notes, place, pages, output, RAGGED, 1)


@gluon.jit(do_not_specialize=SIZES)
def share(
    q, latents, rotated, output, lse, lengths, table,
    group, tokens, page, capacity, row_tiles, splits, batches, q_batch, q_head, q_token,
    table_batch, scale,
):  # fmt: skip
    """Descriptors of the latents: blocks (1, 1, 32, 512) and (1, 1, 32, 64)."""
    # ruff: noqa: RUF005 (Gluon unpacks no lists)
    dtype: gl.constexpr = latents.dtype
    slots = gl.allocate_shared_memory(dtype, [_SLOTS] + latents.block_type.shape, latents.layout)
    last_slots = gl.allocate_shared_memory(
        dtype, [_SLOTS] + rotated.block_type.shape, rotated.layout
    )
    of_weights: gl.constexpr = gl.NVMMASharedLayout.get_default_for([_ROWS, KEYS], dtype)
    made = gl.allocate_shared_memory(dtype, [_SLOTS, _ROWS, KEYS], of_weights)
    plain: gl.constexpr = gl.SwizzledSharedLayout(1, 1, 1, [0])
    fades = gl.allocate_shared_memory(gl.float32, [_SLOTS, _ROWS], plain)
    totals = gl.allocate_shared_memory(gl.float32, [_ROWS], plain)
    full = gl.allocate_shared_memory(gl.int64, [_SLOTS, 1], Barrier())
    ready = gl.allocate_shared_memory(gl.int64, [_SLOTS, 1], Barrier())
    spent = gl.allocate_shared_memory(gl.int64, [_SLOTS, 1], Barrier())
    done = gl.allocate_shared_memory(gl.int64, [1], Barrier())
    for slot in gl.static_range(_SLOTS):
        mbarrier.init(full.index(slot), count=1)
        mbarrier.init(ready.index(slot), count=1)
        mbarrier.init(spent.index(slot), count=1)
    mbarrier.init(done, count=1)
    fence_async_shared()
    thread_barrier()
    tl.extra.cuda.gdc_wait()  # the kernel before has ended: this one may have started early
    row, split, batch, keys, start, tiles = share_of(
        lengths, capacity, row_tiles, splits, _ROWS, KEYS
    )
    ask_first(
        _ask, (latents, rotated), full, (slots, last_slots), table, batch, start, tiles, page,
        table_batch, KEYS, _SLOTS,
    )  # fmt: skip
    tl.extra.cuda.gdc_launch_dependents()
    number = (split * batches + batch) * group * tokens
    q += batch.to(gl.int64) * q_batch
    q_last = fetch_query((q, q_head, q_token), row, tokens, group, _ROWS, RANK, ROTATED)
    fence_async_shared()
    thread_barrier()
    RAGGED: gl.constexpr = lengths is not None
    # Written out: a tuple held in a variable loses its constants.
    gl.warp_specialize(
        [
            (_score, (
                (q, q_head, q_token), q_last, (slots, last_slots, made), (full, ready, spent, done),
                (fades, totals), (row, start, tiles, keys, tokens, group, number), lse, scale,
            )),
            (_add_0, (
                (latents, rotated), table, (slots, last_slots, made), (full, ready, spent, done),
                (fades, totals), (row, start, tiles, keys, tokens, group, number),
                (batch, page, table_batch), output, RAGGED,
            )),
            (_add_1, (
                (latents, rotated), table, (slots, last_slots, made), (full, ready, spent, done),
                (fades, totals), (row, start, tiles, keys, tokens, group, number),
                (batch, page, table_batch), output, RAGGED,
            )),
        ],
        [4, 4], [REGISTERS, REGISTERS],
    )  # fmt: skip
