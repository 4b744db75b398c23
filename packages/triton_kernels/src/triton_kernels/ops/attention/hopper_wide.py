"""FlashAttention's backward on Hopper in Gluon for heads of more than 128, up to 256 wide.

The gradients of 64 keys and values of 256 numbers each fill the registers of one warpgroup. So of
the two *multiplying* warpgroups of a block of threads one owns dv, the other dk, of the same 64
keys; each of the four products is made by one of them, in the transposed form of
``hopper_narrow``::

    party 0    sᵀ  = k·qᵀ     pᵀ  = exp2(scale·sᵀ - lse)      dv += pᵀ·do
                               └▸ shared memory
    party 1    dpᵀ = v·doᵀ    dsᵀ = pᵀ·(dpᵀ - delta)          dk += dsᵀ·q
                               └▸ shared memory ▸ global memory ▸ ``hopper_queries``

Nothing goes from party 1 to party 0 but the room for p, so party 0 runs ahead, and one multiplies
while the other takes exponentials. ds leaves for the kernel that makes dq of it.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

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
    keys_of,
    leave,
    matrix,
    place_of,
    rows_that_see,
    tile_of,
)
from triton_kernels.ops.attention.hopper_weights import (
    bits_of_draws,
    dropped,
    of_kept,
    read_beside,
    weigh,
)
from triton_kernels.ops.attention.hopper_work import Work

KEYS = 64
"""Keys of a block of threads."""
_BLOCK = gl.constexpr(64)
"""Keys of a block of threads, and queries of a step."""


@gluon.jit
def _load(work):
    """The loading warp: keys and values once, then row blocks of every query head of the group."""
    q, k, v, do, rows, _, _, _ = work.descriptors
    q_slots, k_slot, v_slot, do_slots, lse_slots, delta_slots, _, _ = work.slots
    k_full, v_full, q_full, q_free, do_full, do_free, _, _ = work.signals
    batch, head_k, key, first, count, group, heads_q, all_heads, _ = work.place
    first_q, first_k, first_row, _ = work.starts
    m, n, _, _ = work.edges
    SLOTS: gl.constexpr = q_slots.shape[0]
    where = place_of(batch, head_k, first_k, key, n, work.PACKED)
    mbarrier.expect(k_full, k.block_type.nbytes)
    load_async(k, where, k_full, k_slot.index(0))
    mbarrier.expect(v_full, v.block_type.nbytes)
    load_async(v, where, v_full, v_slot.index(0))
    for step in range(group * count):
        head = head_k * group + step // count
        row = (first + step % count) * _BLOCK
        slot = step % SLOTS
        phase = step // SLOTS & 1 ^ 1
        line = batch * heads_q + head
        there = q_full.index(slot)
        mbarrier.wait(q_free.index(slot), phase)
        mbarrier.expect(there, q.block_type.nbytes + rows.block_type.nbytes)
        where = place_of(batch, head, first_q, row, m, work.PACKED)
        load_async(q, where, there, q_slots.index(slot))
        load_async(rows, [line, first_row + row], there, lse_slots.index(slot))
        there = do_full.index(slot)
        mbarrier.wait(do_free.index(slot), phase)
        mbarrier.expect(there, do.block_type.nbytes + rows.block_type.nbytes)
        load_async(do, where, there, do_slots.index(slot))
        load_async(rows, [all_heads + line, first_row + row], there, delta_slots.index(slot))


@gluon.jit
def _weigh(s, step, slope, words, kept, work, A: gl.constexpr):
    """p of a step's scores, in the registers where a product wants it; party 1 gets it, too, with
    what is dropped."""
    q_slots, _k_slot, _v_slot, _do_slots, lse_slots, _delta_slots, p_slots, _ds_slots = work.slots
    _k_full, _v_full, _q_full, q_free, _do_full, _do_free, p_full, p_free = work.signals
    _batch, _head_k, key, first, count, _group, _heads_q, _all_heads, _tiles = work.place
    S: gl.constexpr = s.type.layout
    SLOTS: gl.constexpr = q_slots.shape[0]
    row = (first + step % count) * _BLOCK
    now = step & 1
    lse = lse_slots.index(step % SLOTS).load(S)
    mbarrier.arrive(q_free.index(step % SLOTS), count=1)
    p, s = weigh(s, lse, row, key, words, slope, 0.0, work)
    weights = p.to(q_slots.dtype)
    if work.DROPS:
        weights = dropped(weights, kept)
    given = p
    if work.CAPPED:
        given = p * (1 - s * s)
    mbarrier.wait(p_free.index(now), step // 2 & 1 ^ 1)
    p_slots.index(now).store(given.to(q_slots.dtype))
    mbarrier.arrive(p_full.index(now), count=1)
    return gl.convert_layout(weights, A)


@gluon.jit
def _add_values(work):
    """Party 0: p, for itself and for party 1, and dv, whose product runs beside the next p."""
    q, _k, _v, _do, _rows, _dk, dv_out, _ds = work.descriptors
    q_slots, k_slot, _v_slot, do_slots, _lse_slots, _delta_slots, _p_slots, _ds_slots = work.slots
    k_full, _v_full, q_full, _q_free, do_full, do_free, _p_full, _p_free = work.signals
    batch, head_k, key, first, count, group, _heads_q, _all_heads, _tiles = work.place
    _, first_k, _, _ = work.starts
    _, n, _, _ = work.edges
    SLOTS: gl.constexpr = q_slots.shape[0]
    WIDTH: gl.constexpr = q_slots.shape[-1]
    S: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, _BLOCK, 16])
    G: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, WIDTH, 16])
    A: gl.constexpr = gl.DotOperandLayout(0, G, 2)
    zeros = gl.zeros([_BLOCK, _BLOCK], gl.float32, S)
    dv = gl.zeros([_BLOCK, WIDTH], gl.float32, G)
    keys = matrix(k_slot, 0)
    steps = group * count
    mbarrier.wait(k_full, 0)  # also where nobody sees the keys: dv leaves by their slot
    if steps > 0:
        mbarrier.wait(q_full.index(0), 0)
        queries = matrix(q_slots, 0)
        scores = warpgroup_mma(keys, queries.permute((1, 0)), zeros, use_acc=False, is_async=True)
        slope, words, kept = read_beside(group, 0, first, key, 0, work, S)
        s = warpgroup_mma_wait(0, (scores,))
        p = _weigh(s, 0, slope, words, kept, work, A)
        for step in range(1, steps):
            slot = step % SLOTS
            mbarrier.wait(q_full.index(slot), step // SLOTS & 1)
            queries = matrix(q_slots, slot)
            scores = warpgroup_mma(
                keys, queries.permute((1, 0)), zeros, use_acc=False, is_async=True
            )
            before = (step - 1) % SLOTS
            mbarrier.wait(do_full.index(before), (step - 1) // SLOTS & 1)
            adding = warpgroup_mma(p, matrix(do_slots, before), dv, is_async=True)
            member, block = step // count, first + step % count
            slope, words, kept = read_beside(group, member, block, key, 0, work, S)
            s = warpgroup_mma_wait(1, (scores,))
            next_p = _weigh(s, step, slope, words, kept, work, A)
            dv, _spent = warpgroup_mma_wait(0, (adding, p))
            mbarrier.arrive(do_free.index(before), count=1)
            p = next_p
        before = (steps - 1) % SLOTS
        mbarrier.wait(do_full.index(before), (steps - 1) // SLOTS & 1)
        adding = warpgroup_mma(p, matrix(do_slots, before), dv, is_async=True)
        dv, _spent = warpgroup_mma_wait(0, (adding, p))
    if work.DROPS:
        _scale, _squeeze, _plain, enlarge = work.scales
        dv = dv * enlarge
    where = place_of(batch, head_k, first_k, key, n, work.PACKED)
    leave(dv_out, dv.to(q.dtype), where, k_slot.index(0))  # the keys are this party's alone


@gluon.jit
def _add_keys(work):
    """Party 1: ds, for itself and for the queries' gradient, and dk."""
    q, _k, _v, _do, _rows, dk_out, _dv, ds_out = work.descriptors
    q_slots, _k_slot, v_slot, do_slots, _lse_slots, delta_slots, p_slots, ds_slots = work.slots
    _k_full, v_full, q_full, q_free, do_full, do_free, p_full, p_free = work.signals
    batch, head_k, key, first, count, group, _heads_q, _all_heads, tiles = work.place
    _, first_k, _, _ = work.starts
    _, n, _, _ = work.edges
    _scale, _squeeze, plain, _enlarge = work.scales
    SLOTS: gl.constexpr = q_slots.shape[0]
    WIDTH: gl.constexpr = q_slots.shape[-1]
    S: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, _BLOCK, 16])
    G: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, WIDTH, 16])
    A: gl.constexpr = gl.DotOperandLayout(0, G, 2)
    zeros = gl.zeros([_BLOCK, _BLOCK], gl.float32, S)
    dk = gl.zeros([_BLOCK, WIDTH], gl.float32, G)
    values = matrix(v_slot, 0)
    mbarrier.wait(v_full, 0)  # also where nobody sees the keys: dk leaves by the values' slot
    for step in range(group * count):
        slot = step % SLOTS
        phase = step // SLOTS & 1
        now = step & 1
        row = (first + step % count) * _BLOCK
        mbarrier.wait(do_full.index(slot), phase)
        grads = matrix(do_slots, slot)
        products = warpgroup_mma(values, grads.permute((1, 0)), zeros, use_acc=False, is_async=True)
        if work.DROPS:
            kept = bits_of_draws(step // count, row // _BLOCK, 0, work, S)
        dp = warpgroup_mma_wait(0, (products,))
        delta = delta_slots.index(slot).load(S)
        mbarrier.wait(p_full.index(now), step // 2 & 1)
        weights = p_slots.index(now).load(S)
        mbarrier.arrive(p_free.index(now), count=1)
        if work.DROPS:
            dp = of_kept(dp, dropped(weights, kept))
        p = weights.to(gl.float32)
        ds = (p * (dp - delta)).to(q.dtype)
        ds_left = gl.convert_layout(ds, A)
        mbarrier.wait(q_full.index(slot), phase)
        adding = warpgroup_mma(ds_left, matrix(q_slots, slot), dk, is_async=True)
        store_wait(1)
        ds_slots.index(now).store(ds)
        fence_async_shared()
        line, tile, shelf = tiles
        tile = tile_of(
            shelf, line + step // count, row // _BLOCK, tile, work.edges, _BLOCK, _BLOCK, work.LEFT,
            work.RIGHT, work.PACKED,
        )  # fmt: skip
        store_async(ds_out, [tile * _BLOCK, 0], ds_slots.index(now))
        dk, _spent = warpgroup_mma_wait(0, (adding, ds_left))
        mbarrier.arrive(do_free.index(slot), count=1)
        mbarrier.arrive(q_free.index(slot), count=1)
    where = place_of(batch, head_k, first_k, key, n, work.PACKED)
    leave(dk_out, (dk * plain).to(q.dtype), where, v_slot.index(0))  # the values are this party's


@gluon.jit(do_not_specialize=SIZES)  # one kernel serves all sizes
def backward(
    q, k, v, do, rows, dk, dv, ds, slopes, mask, places, draws,
    heads_k, group, m, n, left, right, start_head, heads, start_block, blocks, stretch, batches,
    section, slopes_batch, mask_batch, mask_head, mask_row, scale, squeeze, plain, enlarge,
    row_blocks,
    LEFT: gl.constexpr, RIGHT: gl.constexpr, CAPPED: gl.constexpr, SLOPED: gl.constexpr,
    MASKED: gl.constexpr, DROPS: gl.constexpr, SLOTS: gl.constexpr,
    PACKED: gl.constexpr,
):  # fmt: skip
    """Descriptors in blocks of (1, 1, 64, 256); of rows: (1, 64); of ds: (64, 64)."""
    # ruff: noqa: RUF005 (Gluon unpacks no lists)
    q_slots = gl.allocate_shared_memory(q.dtype, [SLOTS] + q.block_type.shape, q.layout)
    do_slots = gl.allocate_shared_memory(do.dtype, [SLOTS] + do.block_type.shape, do.layout)
    k_slot = gl.allocate_shared_memory(k.dtype, [1] + k.block_type.shape, k.layout)
    v_slot = gl.allocate_shared_memory(v.dtype, [1] + v.block_type.shape, v.layout)
    lse_slots = gl.allocate_shared_memory(gl.float32, [SLOTS] + rows.block_type.shape, rows.layout)
    delta_slots = gl.allocate_shared_memory(
        gl.float32, [SLOTS] + rows.block_type.shape, rows.layout
    )
    p_slots = gl.allocate_shared_memory(q.dtype, [2] + ds.block_type.shape, ds.layout)
    ds_slots = gl.allocate_shared_memory(q.dtype, [2] + ds.block_type.shape, ds.layout)
    k_full = gl.allocate_shared_memory(gl.int64, [1], Barrier())
    v_full = gl.allocate_shared_memory(gl.int64, [1], Barrier())
    q_full = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    q_free = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    do_full = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    do_free = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    p_full = gl.allocate_shared_memory(gl.int64, [2, 1], Barrier())
    p_free = gl.allocate_shared_memory(gl.int64, [2, 1], Barrier())
    mbarrier.init(k_full, count=1)
    mbarrier.init(v_full, count=1)
    for slot in gl.static_range(SLOTS):
        mbarrier.init(q_full.index(slot), count=1)
        mbarrier.init(q_free.index(slot), count=2)
        mbarrier.init(do_full.index(slot), count=1)
        mbarrier.init(do_free.index(slot), count=2)
    for slot in gl.static_range(2):
        mbarrier.init(p_full.index(slot), count=1)
        mbarrier.init(p_free.index(slot), count=1)
    fence_async_shared()  # the loads find the barriers as they were made
    place, number, batch, head_k, m, n, starts, slopes_row = keys_of(
        places, (0, batches, heads_k, m, n), (start_head, heads, blocks, section), row_blocks,
        slopes_batch, _BLOCK, False, PACKED,
    )  # fmt: skip
    key = (start_block + number) * _BLOCK
    first, count = rows_that_see(key, _BLOCK, (m, n, left, right), _BLOCK, LEFT, RIGHT)
    heads_q = heads_k * group
    all_heads = batches * heads_q
    work = Work(
        (q, k, v, do, rows, dk, dv, ds), (slopes, slopes, mask, draws),
        (q_slots, k_slot, v_slot, do_slots, lse_slots, delta_slots, p_slots, ds_slots),
        (k_full, v_full, q_full, q_free, do_full, do_free, p_full, p_free),
        (batch, head_k, key, first, count, group, heads_q, all_heads,
         (place * group, number,
          (starts[3], starts[2] // _BLOCK, stretch, blocks, start_block))),
        starts,
        (batches, heads_q, slopes_row, mask_batch, mask_head, mask_row), (m, n, left, right),
        (scale, squeeze, plain, enlarge),
        LEFT, RIGHT, CAPPED, PACKED, True, False, SLOPED, MASKED, DROPS,
        False, False,
    )  # fmt: skip
    gl.warp_specialize(
        [(_add_values, (work,)), (_add_keys, (work,)), (_load, (work,))], [4, 1], [240, 24]
    )
