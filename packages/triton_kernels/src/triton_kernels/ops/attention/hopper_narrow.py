"""FlashAttention's backward on Hopper in Gluon, for heads up to 128 wide.

A block of threads owns 128 keys of one key head, 64 for each of two *multiplying* warpgroups, which
keep the gradients of their keys and values in registers. One *loading* warp streams the queries
that see these keys and the output's gradients past them. With p and ds as in ``kernels``, all
products are taken transposed, so that what comes out of one is in the registers where the next one
wants its left operand::

    sᵀ  = k·qᵀ        pᵀ  = exp2(scale·sᵀ - lse)       dv += pᵀ·do
    dpᵀ = v·doᵀ       dsᵀ = pᵀ·(dpᵀ - delta)           dk += dsᵀ·q

The queries' gradient dq = ds·k sums over the keys of both warpgroups, and over all blocks of
threads. Through shared memory each warpgroup gets the other's ds, and makes one half of the tile;
one step later than ds itself, so that neither waits for the other. The halves are added to a
float32 buffer by vectorised atomic additions, in whatever order the blocks come: the last bits of
dq change from run to run. The buffer is laid out as the registers are (16 bytes a thread, 512 a
warp), and ``_finish`` brings it into order.

Rows come with lse in base 2, infinite where there is no row or it saw no key: p is 0 there.
Dao 2023 (FlashAttention-2, algorithm 2); Shah et al. 2024 (FlashAttention-3, section 3).
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._gluon import (
    Barrier,
    add_async,
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
    keys_of,
    leave,
    matrix,
    multiply_queries,
    place_of,
    rows_that_see,
    square_index,
    tile_of,
)
from triton_kernels.ops.attention.hopper_weights import (
    LOG2_E,
    dropped,
    of_kept,
    read_beside,
    weigh,
)
from triton_kernels.ops.attention.hopper_work import Work

KEYS = 128
"""Keys of a block of threads."""
_KEYS = gl.constexpr(64)
"""Keys of one warpgroup."""


@gluon.jit
def _load(work):
    """The loading warp: keys and values once, then row blocks of every query head of the group."""
    q, k, v, do, rows, _, _, _, bias, _ = work.descriptors
    q_slots, k_slots, v_slots, do_slots, lse_slots, delta_slots, _, b_slots = work.slots
    kv_full, q_full, q_free, do_full, do_free, _, _, b_full, b_free = work.signals
    batch, head_k, key, first, count, shift, group, heads_q, all_heads, _ = work.place
    bias_batches, bias_heads, _, _, _, _ = work.features
    first_q, first_k, first_row, _ = work.starts
    m, n, _, _ = work.edges
    BLOCK_M: gl.constexpr = q_slots.shape[-2]
    SLOTS: gl.constexpr = q_slots.shape[0]
    mbarrier.expect(kv_full, 2 * (k.block_type.nbytes + v.block_type.nbytes))
    for party in gl.static_range(2):
        where = place_of(batch, head_k, first_k, key + party * _KEYS, n, work.PACKED)
        load_async(k, where, kv_full, k_slots.index(party))
        load_async(v, where, kv_full, v_slots.index(party))
    for step in range(group * count):
        head = head_k * group + step // count
        row = block_of(step, first, count, shift) * BLOCK_M
        slot = step % SLOTS
        phase = step // SLOTS & 1 ^ 1
        line = batch * heads_q + head
        there = q_full.index(slot)
        mbarrier.wait(q_free.index(slot), phase)
        mbarrier.expect(there, q.block_type.nbytes + rows.block_type.nbytes)
        where = place_of(batch, head, first_q, row, m, work.PACKED)
        load_async(q, where, there, q_slots.index(slot))
        load_async(rows, [line, first_row + row], there, lse_slots.index(slot))
        if work.BIAS:
            for party in gl.static_range(2):
                turn = 2 * (step & 1) + party
                there = b_full.index(turn)
                mbarrier.wait(b_free.index(turn), step // 2 & 1 ^ 1)
                mbarrier.expect(there, bias.block_type.nbytes)
                load_async(
                    bias, [
                        gl.minimum(batch, bias_batches - 1), gl.minimum(head, bias_heads - 1),
                        row, key + party * _KEYS,
                    ], there, b_slots.index(turn),
                )  # fmt: skip
        there = do_full.index(slot)
        mbarrier.wait(do_free.index(slot), phase)
        mbarrier.expect(there, do.block_type.nbytes + rows.block_type.nbytes)
        load_async(do, where, there, do_slots.index(slot))
        load_async(rows, [all_heads + line, first_row + row], there, delta_slots.index(slot))


@gluon.jit
def _take_bias(step, slots, full, free, there, layout: gl.constexpr, PARTY: gl.constexpr):
    """The bias of this warpgroup's scores of a step, turned over, if there is one."""
    turn = 2 * (step & 1) + PARTY
    mbarrier.wait(full.index(turn), step // 2 & 1, pred=there)
    bias = slots.index(turn).reshape([slots.shape[3], slots.shape[4]]).permute((1, 0)).load(layout)
    fence_async_shared()  # what is loaded into the slot next comes by another way
    mbarrier.arrive(free.index(turn), count=1, pred=there)
    return bias


@gluon.jit
def _pass_unseen(my_key, steps, work):
    """Lets the first rows go by if they see the other warpgroup's keys alone; how many steps."""
    q_slots = work.slots[0]
    _kv_full, q_full, q_free, do_full, do_free, _ds_full, _ds_free, _b_full, _b_free = work.signals
    first = work.place[3]
    m, n, _, right = work.edges
    passed = gl.maximum(my_key + m - n - right, 0) // q_slots.shape[-2] - first
    passed = gl.minimum(passed, steps)
    if passed > 0:
        mbarrier.wait(q_full.index(0), 0)
        mbarrier.wait(do_full.index(0), 0)
        mbarrier.arrive(do_free.index(0), count=1)
        mbarrier.arrive(q_free.index(0), count=1)
    return passed


@gluon.jit
def _send(ds, step, member, row, block, my_key, work, PARTY: gl.constexpr):
    """Hands ds on to what makes dq of it: another launch, through memory, where it may be a bias's
    gradient too or be added to one; or both warpgroups of this."""
    _q, _k, _v, _do, _rows, _dk, _dv, ds_out, _bias, found = work.descriptors
    _, _, _, _, _, _, ds_slots, _ = work.slots
    _, _, _, _, _, ds_full, _, _, _ = work.signals
    batch, head_k, _, _, _, _, group, _, _, tiles = work.place
    now = step & 1
    mine = ds_slots.index(2 * now + PARTY)
    if work.WHOLE or work.ADDS:
        matrix(ds_slots, 2 * now + PARTY).permute((1, 0)).store(ds)
    else:
        mine.store(ds)
    fence_async_shared()
    head = head_k * group + member
    if work.WHOLE:
        store_async(ds_out, [batch, head, row, my_key], mine)
    elif work.SPLIT:
        line, tile, shelf = tiles
        tile = tile_of(
            shelf, line + member, block, tile + PARTY, work.edges, ds.shape[1], 2 * _KEYS,
            work.LEFT, work.RIGHT, work.PACKED,
        )  # fmt: skip
        if work.ADDS:
            store_async(ds_out, [0, 0, tile * _KEYS, 0], mine)
            add_async(found, [0, head, row, my_key], mine)
        else:
            store_async(ds_out, [tile * _KEYS, 0], mine)
    else:
        mbarrier.arrive(ds_full.index(now), count=1)


@gluon.jit
def _multiply(work, PARTY: gl.constexpr):
    """A warpgroup: dk and dv of 64 keys, and half of every dq tile that passes."""
    q, _k, _v, _do, _rows, dk_out, dv_out, _ds, _bias, _found = work.descriptors
    q_slots, k_slots, v_slots, do_slots, lse_slots, delta_slots, ds_slots, b_slots = work.slots
    kv_full, q_full, q_free, do_full, do_free, ds_full, ds_free, b_full, b_free = work.signals
    batch, head_k, key, first, count, shift, group, _heads_q, _all_heads, _tiles = work.place
    _, first_k, _, _ = work.starts
    buffer, _slopes, _mask, _draws = work.beside
    scale, _squeeze, plain, enlarge = work.scales
    _, n, _, _ = work.edges
    BLOCK_M: gl.constexpr = q_slots.shape[-2]
    WIDTH: gl.constexpr = q_slots.shape[-1]
    SLOTS: gl.constexpr = q_slots.shape[0]
    S: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, BLOCK_M, 16])
    G: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, WIDTH, 16])
    A: gl.constexpr = gl.DotOperandLayout(0, G, 2)
    BOUNDED: gl.constexpr = work.LEFT or work.RIGHT
    BEFORE: gl.constexpr = work.BIAS and not work.CAPPED
    EARLY: gl.constexpr = BEFORE and work.SPLIT
    zeros = gl.zeros([_KEYS, BLOCK_M], gl.float32, S)
    dk = gl.zeros([_KEYS, WIDTH], gl.float32, G)
    dv = gl.zeros([_KEYS, WIDTH], gl.float32, G)
    my_k = matrix(k_slots, PARTY)
    my_v = matrix(v_slots, PARTY)
    my_key = key + PARTY * _KEYS
    steps = group * count
    mbarrier.wait(kv_full, 0)
    if BEFORE:
        bias = _take_bias(0, b_slots, b_full, b_free, steps > 0, S, PARTY)
        if EARLY:
            bias = bias.to(gl.float32) * (LOG2_E / scale)
    begin = first * 0
    if work.SPLIT and work.RIGHT and not work.BIAS:
        begin = _pass_unseen(my_key, steps, work)
    turn = gl.where(begin == count, 0, begin)
    member = gl.where(begin == count, 1, 0)
    for step in range(begin, steps):
        slot = step % SLOTS
        phase = step // SLOTS & 1
        now = step & 1
        queries = matrix(q_slots, slot)
        grads = matrix(do_slots, slot)
        if BOUNDED:
            block = first + turn + shift
            block -= gl.where(turn + shift >= count, count, 0)
        else:
            block = block_of(step, first, count, shift)
            member = step // count
        row = block * BLOCK_M
        mbarrier.wait(q_full.index(slot), phase)
        start = zeros
        extra = 0.0
        slope, words, kept = read_beside(group, member, block, my_key, PARTY, work, S)
        if EARLY:  # the products are added to it: no register holds it beside them
            start = bias
        elif BEFORE:
            start = bias.to(gl.float32) * (LOG2_E / scale)
        if work.BIAS and work.CAPPED:
            extra = _take_bias(step, b_slots, b_full, b_free, True, S, PARTY)
        scores = warpgroup_mma(my_k, queries.permute((1, 0)), start, use_acc=BEFORE, is_async=True)
        mbarrier.wait(do_full.index(slot), phase)
        products = warpgroup_mma(my_v, grads.permute((1, 0)), zeros, use_acc=False, is_async=True)
        s = warpgroup_mma_wait(1, (scores,))
        lse = lse_slots.index(slot).load(S)
        p, s = weigh(s, lse, row, my_key, words, slope, extra, work)
        weights = p.to(q.dtype)
        if work.DROPS:
            weights = dropped(weights, kept)
        p_left = gl.convert_layout(weights, A)
        if work.CAPPED:
            p = p * (1 - s * s)
        if work.SPLIT and not BOUNDED:
            store_wait(2 if work.ADDS else 1)  # what lay in these tiles has left
        if not work.SPLIT:
            # The branches of this wait keep the assembler from moving the next one up.
            mbarrier.wait(ds_free.index(now), step // 2 & 1 ^ 1)
        adding_v = warpgroup_mma(p_left, grads, dv, is_async=True)
        if work.SPLIT and BOUNDED:
            store_wait(2 if work.ADDS else 1)
        dp = warpgroup_mma_wait(1, (products,))
        if work.DROPS:
            dp = of_kept(dp, weights)
        ds = (p * (dp - delta_slots.index(slot).load(S))).to(q.dtype)
        _send(ds, step, member, row, block, my_key, work, PARTY)
        ds_left = gl.convert_layout(ds, A)
        adding_k = warpgroup_mma(ds_left, queries, dk, is_async=True)
        if BEFORE:
            bias = _take_bias(step + 1, b_slots, b_full, b_free, step + 1 < steps, S, PARTY)
        before = step - 1
        if EARLY:
            bias = bias.to(gl.float32) * (LOG2_E / scale)
            # The branches of this wait, long over, keep the assembler from moving the next one up.
            mbarrier.wait(kv_full, 0)
            dv, dk, bias, _spent, _spent_s = warpgroup_mma_wait(
                0, (adding_v, adding_k, bias, p_left, ds_left)
            )
        elif work.SPLIT:
            dv, dk, _spent, _spent_s = warpgroup_mma_wait(0, (adding_v, adding_k, p_left, ds_left))
        else:  # dq of the step before
            mbarrier.wait(ds_full.index(before & 1), before // 2 & 1, pred=step > 0)
            square = multiply_queries(ds_slots, k_slots, before & 1, PARTY)
            dv, dk, square, _spent, _spent_s = warpgroup_mma_wait(
                0, (adding_v, adding_k, square, p_left, ds_left)
            )
        turn += 1
        if BOUNDED:
            member += gl.where(turn == count, 1, 0)
            turn = gl.where(turn == count, 0, turn)
        mbarrier.arrive(do_free.index(slot), count=1)
        mbarrier.arrive(q_free.index(slot), count=1)
        if not work.SPLIT:
            mbarrier.arrive(ds_free.index(before & 1), count=1, pred=step > 0)
            index = square_index(before, work, BLOCK_M, PARTY)
            if step > 0:
                add_squares(buffer, square, index)
    if not work.SPLIT:
        before = steps - 1
        mbarrier.wait(ds_full.index(before & 1), before // 2 & 1, pred=steps > 0)
        square = multiply_queries(ds_slots, k_slots, before & 1, PARTY)
        square, _spent_last = warpgroup_mma_wait(0, (square, dk))
        index = square_index(before, work, BLOCK_M, PARTY)
        if steps > 0:
            add_squares(buffer, square, index)
    # Both leave through the slot of this warpgroup's values, which nobody reads any more.
    if work.DROPS:
        dv = dv * enlarge
    where = place_of(batch, head_k, first_k, my_key, n, work.PACKED)
    leave(dv_out, dv.to(q.dtype), where, v_slots.index(PARTY))
    leave(dk_out, (dk * plain).to(q.dtype), where, v_slots.index(PARTY))


@gluon.jit(do_not_specialize=SIZES)  # one kernel serves all sizes
def backward(
    q, k, v, do, rows, dk, dv, ds, slopes, mask, places, draws, bias, buffer, found,
    heads_k, group, m, n, left, right, start_head, heads, start_block, blocks, stretch, batches,
    section, slopes_batch, mask_batch, mask_head, mask_row, scale, squeeze, plain, enlarge,
    row_blocks, bias_batches, bias_heads, start_batch, abreast,
    LEFT: gl.constexpr, RIGHT: gl.constexpr, CAPPED: gl.constexpr, SLOPED: gl.constexpr,
    MASKED: gl.constexpr, DROPS: gl.constexpr, SLOTS: gl.constexpr,
    PACKED: gl.constexpr, BIAS: gl.constexpr, NEIGHBOURS: gl.constexpr, SPLIT: gl.constexpr,
    SHIFT: gl.constexpr, WHOLE: gl.constexpr, ADDS: gl.constexpr,
):  # fmt: skip
    """Descriptors of q and do: blocks (1, 1, rows, width); of k, v, dk, dv: (1, 1, 64, width); of
    rows: (1, rows)."""
    # ruff: noqa: RUF005 (Gluon unpacks no lists)
    BLOCK_M: gl.constexpr = q.block_type.shape[-2]
    q_slots = gl.allocate_shared_memory(q.dtype, [SLOTS] + q.block_type.shape, q.layout)
    do_slots = gl.allocate_shared_memory(do.dtype, [SLOTS] + do.block_type.shape, do.layout)
    k_slots = gl.allocate_shared_memory(k.dtype, [2] + k.block_type.shape, k.layout)
    v_slots = gl.allocate_shared_memory(v.dtype, [2] + v.block_type.shape, v.layout)
    lse_slots = gl.allocate_shared_memory(gl.float32, [SLOTS] + rows.block_type.shape, rows.layout)
    delta_slots = gl.allocate_shared_memory(
        gl.float32, [SLOTS] + rows.block_type.shape, rows.layout
    )
    DS: gl.constexpr = gl.NVMMASharedLayout.get_default_for([_KEYS, BLOCK_M], q.dtype)
    if WHOLE or ADDS:  # a row of scores is a row of these
        ds_slots = gl.allocate_shared_memory(q.dtype, [4] + ds.block_type.shape, ds.layout)
    else:
        ds_slots = gl.allocate_shared_memory(q.dtype, [4, _KEYS, BLOCK_M], DS)
    B_SLOTS: gl.constexpr = 4 if BIAS else 1
    b_slots = ds_slots
    if BIAS:
        b_slots = gl.allocate_shared_memory(
            bias.dtype, [B_SLOTS] + bias.block_type.shape, bias.layout
        )
    kv_full = gl.allocate_shared_memory(gl.int64, [1], Barrier())
    q_full = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    q_free = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    do_full = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    do_free = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    ds_full = gl.allocate_shared_memory(gl.int64, [2, 1], Barrier())
    ds_free = gl.allocate_shared_memory(gl.int64, [2, 1], Barrier())
    b_full = gl.allocate_shared_memory(gl.int64, [B_SLOTS, 1], Barrier())
    b_free = gl.allocate_shared_memory(gl.int64, [B_SLOTS, 1], Barrier())
    mbarrier.init(kv_full, count=1)
    if BIAS:
        for slot in gl.static_range(B_SLOTS):
            mbarrier.init(b_full.index(slot), count=1)
            mbarrier.init(b_free.index(slot), count=1)
    for slot in gl.static_range(SLOTS):
        mbarrier.init(q_full.index(slot), count=1)
        mbarrier.init(q_free.index(slot), count=2)
        mbarrier.init(do_full.index(slot), count=1)
        mbarrier.init(do_free.index(slot), count=2)
    if not SPLIT:
        for slot in gl.static_range(2):
            mbarrier.init(ds_full.index(slot), count=2)
            mbarrier.init(ds_free.index(slot), count=2)
    fence_async_shared()  # the loads find the barriers as they were made
    heads_q = heads_k * group
    place, number, batch, head_k, m, n, starts, slopes_row = keys_of(
        places, (start_batch, abreast, heads_k, m, n), (start_head, heads, blocks, section),
        row_blocks, slopes_batch, BLOCK_M, NEIGHBOURS, PACKED,
    )  # fmt: skip
    key = (start_block + number) * (2 * _KEYS)
    first, count = rows_that_see(key, 2 * _KEYS, (m, n, left, right), BLOCK_M, LEFT, RIGHT)
    shift = number * SHIFT % gl.maximum(count, 1)
    all_heads = batches * heads_q
    work = Work(
        (q, k, v, do, rows, dk, dv, ds, bias, found), (buffer, slopes, mask, draws),
        (q_slots, k_slots, v_slots, do_slots, lse_slots, delta_slots, ds_slots, b_slots),
        (kv_full, q_full, q_free, do_full, do_free, ds_full, ds_free, b_full, b_free),
        (batch, head_k, key, first, count, shift, group, heads_q, all_heads,
         (place * group, 2 * number,
          (starts[3], starts[2] // BLOCK_M, stretch, 2 * blocks, 2 * start_block))),
        starts,
        (bias_batches, bias_heads, slopes_row, mask_batch, mask_head, mask_row),
        (m, n, left, right), (scale, squeeze, plain, enlarge),
        LEFT, RIGHT, CAPPED, PACKED, SPLIT, BIAS, SLOPED, MASKED, DROPS,
        WHOLE, ADDS,
    )  # fmt: skip
    gl.warp_specialize(
        [(_multiply, (work, 0)), (_multiply, (work, 1)), (_load, (work,))], [4, 1], [240, 24]
    )
