"""FlashAttention's backward on Hopper in Gluon for heads of more than 128, up to 256 wide.

The gradients of 128 keys and values of 256 numbers each fill more than all registers. So a block of
threads owns 64 keys, and its two warpgroups share every step: each makes the scores of 32 of 64
queries, leaves its half of p and ds in shared memory, and takes both halves from there for one half
of the columns of dk, dv and dq::

    sᵀ  = k·qᵀ, dpᵀ = v·doᵀ      64 keys × 32 queries, over all columns
    dv += pᵀ·do, dk += dsᵀ·q     64 keys × 128 columns, over 64 queries
    dq  = ds·k                   64 queries × 128 columns, over 64 keys

The rest is as in ``hopper_narrow``.
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
    load_async,
    mbarrier,
    store_async,
    store_wait,
    warpgroup_mma,
    warpgroup_mma_wait,
)
from triton_kernels.ops.attention.hopper_parts import (
    SIZES,
    add_squares,
    block_of,
    masked,
    matrix,
    rows_that_see,
)

KEYS = 64
"""Keys of a block of threads."""
_BLOCK = gl.constexpr(64)
"""Keys of a block of threads, and queries of a step."""
_SHARE = gl.constexpr(32)
"""Queries of one warpgroup."""
_HALF = gl.constexpr(128)
"""Columns of one warpgroup."""
_LN2 = gl.constexpr(math.log(2))


@gluon.jit
def _load(
    descriptors, buffer, slots, signals, place, edges, scale,
    LEFT: gl.constexpr, RIGHT: gl.constexpr,
):  # fmt: skip
    """The loading warp: keys and values once, then row blocks of every query head of the group."""
    q, k, v, do, rows, _, _ = descriptors
    q_slots, k_slots, v_slots, do_slots, lse_slots, delta_slots, _, _ = slots
    kv_full, q_full, q_free, do_full, do_free, _, _ = signals
    batch, head_k, key, first, count, shift, group, heads_q, all_heads = place
    SLOTS: gl.constexpr = q_slots.shape[0] // 2
    mbarrier.expect(kv_full, 4 * k.block_type.nbytes)
    for half in gl.static_range(2):
        where = [batch, head_k, key, half * _HALF]
        load_async(k, where, kv_full, k_slots.index(half))
        load_async(v, where, kv_full, v_slots.index(half))
    for step in range(group * count):
        head = head_k * group + step // count
        row = block_of(step, first, count, shift) * _BLOCK
        slot = step % SLOTS
        phase = step // SLOTS & 1 ^ 1
        line = batch * heads_q + head
        there = q_full.index(slot)
        mbarrier.wait(q_free.index(slot), phase)
        mbarrier.expect(there, 2 * q.block_type.nbytes + rows.block_type.nbytes)
        for half in gl.static_range(2):
            where = [batch, head, row, half * _HALF]
            load_async(q, where, there, q_slots.index(2 * slot + half))
        load_async(rows, [line, row], there, lse_slots.index(slot))
        there = do_full.index(slot)
        mbarrier.wait(do_free.index(slot), phase)
        mbarrier.expect(there, 2 * do.block_type.nbytes + rows.block_type.nbytes)
        for half in gl.static_range(2):
            where = [batch, head, row, half * _HALF]
            load_async(do, where, there, do_slots.index(2 * slot + half))
        load_async(rows, [all_heads + line, row], there, delta_slots.index(slot))


@gluon.jit
def _scores(left_slots, right_slots, slot, PARTY: gl.constexpr):
    """(64 keys, 32 queries): both halves of the columns."""
    layout: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, _SHARE, 16])
    sums = gl.zeros([_BLOCK, _SHARE], gl.float32, layout)
    for half in gl.static_range(2):
        right = matrix(right_slots, 2 * slot + half).slice(PARTY * _SHARE, _SHARE, 0)
        sums = warpgroup_mma(
            matrix(left_slots, half), right.permute((1, 0)), sums, use_acc=half > 0, is_async=True
        )
    return sums


@gluon.jit
def _multiply(
    descriptors, buffer, slots, signals, place, edges, scale,
    LEFT: gl.constexpr, RIGHT: gl.constexpr, PARTY: gl.constexpr,
):  # fmt: skip
    """A warpgroup: scores of 32 queries a step, 128 columns of the three gradients."""
    q, _k, _v, _do, _rows, dk_out, dv_out = descriptors
    q_slots, k_slots, v_slots, do_slots, lse_slots, delta_slots, p_slots, ds_slots = slots
    kv_full, q_full, q_free, do_full, do_free, both_full, both_free = signals
    batch, head_k, key, first, count, shift, group, heads_q, _all_heads = place
    m, n, left, right = edges
    SLOTS: gl.constexpr = q_slots.shape[0] // 2
    S: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, _SHARE, 16])
    G: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, _HALF, 16])
    dk = gl.zeros([_BLOCK, _HALF], gl.float32, G)
    dv = gl.zeros([_BLOCK, _HALF], gl.float32, G)
    zeros = gl.zeros([_BLOCK, _HALF], gl.float32, G)
    blocks = gl.cdiv(m, _BLOCK)
    steps = group * count
    mbarrier.wait(kv_full, 0)
    for step in range(steps):
        slot = step % SLOTS
        phase = step // SLOTS & 1
        now = step & 1
        block = block_of(step, first, count, shift)
        row = block * _BLOCK + PARTY * _SHARE
        mbarrier.wait(q_full.index(slot), phase)
        scores = _scores(k_slots, q_slots, slot, PARTY)
        mbarrier.wait(do_full.index(slot), phase)
        products = _scores(v_slots, do_slots, slot, PARTY)
        s = warpgroup_mma_wait(2, (scores,))
        lse = lse_slots.index(slot).slice(PARTY * _SHARE, _SHARE, 1).load(S)
        cut = key + _BLOCK > n
        if RIGHT:
            cut = cut | (key + _BLOCK - 1 > row + n - m + right)
        if LEFT:
            cut = cut | (key < row + _SHARE - 1 + n - m - left)
        if cut:
            s = masked(s, key, row, edges, LEFT, RIGHT)
        p = gl.exp2(s * scale - lse)
        # The branches of this wait keep the assembler from moving the next one up.
        mbarrier.wait(both_free.index(now), step // 2 & 1 ^ 1)
        p_slots.index(now).slice(PARTY * _SHARE, _SHARE, 1).store(p.to(q.dtype))
        dp = warpgroup_mma_wait(0, (products,))
        delta = delta_slots.index(slot).slice(PARTY * _SHARE, _SHARE, 1).load(S)
        ds = (p * (dp - delta)).to(q.dtype)
        ds_slots.index(now).slice(PARTY * _SHARE, _SHARE, 1).store(ds)
        fence_async_shared()
        mbarrier.arrive(both_full.index(now), count=1)
        mbarrier.wait(both_full.index(now), step // 2 & 1)
        ds_all = ds_slots.index(now)
        adding_v = warpgroup_mma(
            p_slots.index(now), matrix(do_slots, 2 * slot + PARTY), dv, is_async=True
        )
        adding_k = warpgroup_mma(ds_all, matrix(q_slots, 2 * slot + PARTY), dk, is_async=True)
        squares = warpgroup_mma(
            ds_all.permute((1, 0)), matrix(k_slots, PARTY), zeros, use_acc=False, is_async=True
        )
        dv, dk, squares = warpgroup_mma_wait(0, (adding_v, adding_k, squares))
        mbarrier.arrive(do_free.index(slot), count=1)
        mbarrier.arrive(q_free.index(slot), count=1)
        mbarrier.arrive(both_free.index(now), count=1)
        head = batch * heads_q + head_k * group + step // count
        add_squares(buffer, squares, (head * blocks + block) * 4 + 2 * PARTY)
    # Both leave through the slot of half of the values, which nobody reads any more.
    where = [batch, head_k, key, PARTY * _HALF]
    out = matrix(v_slots, PARTY)
    out.store(dv.to(q.dtype))
    fence_async_shared()
    store_async(dv_out, where, v_slots.index(PARTY))
    store_wait(0)
    out.store((dk * (scale * _LN2)).to(q.dtype))
    fence_async_shared()
    store_async(dk_out, where, v_slots.index(PARTY))
    store_wait(0)


@gluon.jit
def _multiply_0(
    descriptors, buffer, slots, signals, place, edges, scale,
    LEFT: gl.constexpr, RIGHT: gl.constexpr,
):  # fmt: skip
    _multiply(descriptors, buffer, slots, signals, place, edges, scale, LEFT, RIGHT, 0)


@gluon.jit
def _multiply_1(
    descriptors, buffer, slots, signals, place, edges, scale,
    LEFT: gl.constexpr, RIGHT: gl.constexpr,
):  # fmt: skip
    _multiply(descriptors, buffer, slots, signals, place, edges, scale, LEFT, RIGHT, 1)


@gluon.jit(do_not_specialize=SIZES)  # one kernel serves all sizes
def backward(
    q, k, v, do, rows, dk, dv, buffer, batches, heads_k, group, m, n, left, right, scale,
    LEFT: gl.constexpr, RIGHT: gl.constexpr, SLOTS: gl.constexpr,
    NEAR: gl.constexpr, SHIFT: gl.constexpr,
):  # fmt: skip
    """Descriptors in blocks of (1, 1, 64, 128); of rows: (1, 64)."""
    # ruff: noqa: RUF005 (Gluon unpacks no lists)
    q_slots = gl.allocate_shared_memory(q.dtype, [2 * SLOTS] + q.block_type.shape, q.layout)
    do_slots = gl.allocate_shared_memory(do.dtype, [2 * SLOTS] + do.block_type.shape, do.layout)
    k_slots = gl.allocate_shared_memory(k.dtype, [2] + k.block_type.shape, k.layout)
    v_slots = gl.allocate_shared_memory(v.dtype, [2] + v.block_type.shape, v.layout)
    lse_slots = gl.allocate_shared_memory(gl.float32, [SLOTS] + rows.block_type.shape, rows.layout)
    delta_slots = gl.allocate_shared_memory(
        gl.float32, [SLOTS] + rows.block_type.shape, rows.layout
    )
    # A swizzle of 64 bytes: 32 columns, one warpgroup's, are one piece.
    SHARED: gl.constexpr = gl.NVMMASharedLayout(64, 16, 2)
    p_slots = gl.allocate_shared_memory(q.dtype, [2, _BLOCK, _BLOCK], SHARED)
    ds_slots = gl.allocate_shared_memory(q.dtype, [2, _BLOCK, _BLOCK], SHARED)
    kv_full = gl.allocate_shared_memory(gl.int64, [1], Barrier())
    q_full = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    q_free = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    do_full = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    do_free = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    both_full = gl.allocate_shared_memory(gl.int64, [2, 1], Barrier())
    both_free = gl.allocate_shared_memory(gl.int64, [2, 1], Barrier())
    mbarrier.init(kv_full, count=1)
    for slot in gl.static_range(SLOTS):
        mbarrier.init(q_full.index(slot), count=1)
        mbarrier.init(q_free.index(slot), count=2)
        mbarrier.init(do_full.index(slot), count=1)
        mbarrier.init(do_free.index(slot), count=2)
    for slot in gl.static_range(2):
        mbarrier.init(both_full.index(slot), count=2)
        mbarrier.init(both_free.index(slot), count=2)
    heads = batches * heads_k
    if not NEAR:
        head = gl.program_id(0) % heads
        number = gl.program_id(0) // heads
    else:
        blocks = gl.cdiv(n, _BLOCK)
        head = gl.program_id(0) // blocks
        number = gl.program_id(0) % blocks
    key = number * _BLOCK
    first, count = rows_that_see(key, _BLOCK, (m, n, left, right), _BLOCK, LEFT, RIGHT)
    shift = number * SHIFT % gl.maximum(count, 1)
    batch = head // heads_k
    head_k = head % heads_k
    heads_q = heads_k * group
    all_heads = batches * heads_q
    # Written out: a tuple held in a variable loses its constants.
    gl.warp_specialize(
        [
            (_multiply_0, (
                (q, k, v, do, rows, dk, dv), buffer,
                (q_slots, k_slots, v_slots, do_slots, lse_slots, delta_slots, p_slots, ds_slots),
                (kv_full, q_full, q_free, do_full, do_free, both_full, both_free),
                (batch, head_k, key, first, count, shift, group, heads_q, all_heads),
                (m, n, left, right), scale, LEFT, RIGHT,
            )),
            (_multiply_1, (
                (q, k, v, do, rows, dk, dv), buffer,
                (q_slots, k_slots, v_slots, do_slots, lse_slots, delta_slots, p_slots, ds_slots),
                (kv_full, q_full, q_free, do_full, do_free, both_full, both_free),
                (batch, head_k, key, first, count, shift, group, heads_q, all_heads),
                (m, n, left, right), scale, LEFT, RIGHT,
            )),
            (_load, (
                (q, k, v, do, rows, dk, dv), buffer,
                (q_slots, k_slots, v_slots, do_slots, lse_slots, delta_slots, p_slots, ds_slots),
                (kv_full, q_full, q_free, do_full, do_free, both_full, both_free),
                (batch, head_k, key, first, count, shift, group, heads_q, all_heads),
                (m, n, left, right), scale, LEFT, RIGHT,
            )),
        ],
        [4, 1], [240, 24],
    )  # fmt: skip
