"""The loading warp of the forward on Hopper: what the attending warpgroups work on, as room is."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._gluon import gl, gluon, load_async, mbarrier
from triton_kernels.ops.attention.hopper_parts import place_of
from triton_kernels.ops.attention.hopper_scores import ROWS
from triton_kernels.ops.attention.hopper_tiles import (
    first_block,
    last_block,
    take,
    visited,
    visits_of,
)


@gluon.jit
def _load_queries(
    q, q_slots, q_full, q_free, fetched, batch, head, row, BEGIN: gl.constexpr, END: gl.constexpr
):
    """The rows of warpgroups BEGIN to END."""
    QUERIES: gl.constexpr = q_slots.shape[0]
    for party in gl.static_range(BEGIN, END):
        slot = fetched % QUERIES
        there = q_full.index(slot)
        mbarrier.wait(q_free.index(slot), fetched // QUERIES & 1 ^ 1)
        mbarrier.expect(there, q.block_type.nbytes)
        load_async(q, [batch, head, row + party * ROWS, 0], there, q_slots.index(slot))
        fetched += 1
    return fetched


@gluon.jit
def _load_values(call, slot, head, first, key, n):
    """Of a packed sequence, with zeros behind its end: there another one's may be no numbers."""
    _, _, v, _, _, v_end = call.descriptors
    _, _, v_slots, _, _ = call.slots
    _, _, _, _, v_full, _, _, _, _, _ = call.signals
    there = v_full.index(slot)
    KEYS: gl.constexpr = v_slots.shape[3]
    if key + KEYS > n:
        zeroed = v_slots.index(slot).reshape([1, 1, 1, KEYS, v_slots.shape[4]])
        load_async(v_end, place_of(0, head, first, key, n, True), there, zeroed)
    else:
        load_async(v, [0, head, first + key, 0], there, v_slots.index(slot))


@gluon.jit
def load(call):
    """The loading warp: queries once a tile; keys and values block by block, the last one first."""
    q, k, v, _, bias, _ = call.descriptors
    q_slots, k_slots, v_slots, _, b_slots = call.slots
    q_full, q_free, k_full, k_free, v_full, v_free, b_full, b_free, _, _ = call.signals
    _, _, _, heads_q, group, _, _, _, _, bias_batches, bias_heads, _, _ = call.work
    _, _, left, right = call.edges
    PARTIES: gl.constexpr = call.PARTIES
    LEFT: gl.constexpr = call.LEFT
    RIGHT: gl.constexpr = call.RIGHT
    BLOCK_N: gl.constexpr = k_slots.shape[3]
    SLOTS: gl.constexpr = k_slots.shape[0]
    V_SLOTS: gl.constexpr = v_slots.shape[0]
    step = 0
    fetched = 0
    turn = 0
    there, row_tile, head, first_q, m, first_k, n, at = take(0, gl.to_tensor(0), call)
    while there:
        own = (m, n, left, right)
        batch = 0 if call.PACKED else head // heads_q
        head_q = head % heads_q
        head_k = head_q // group
        row = row_tile * PARTIES * ROWS
        last = last_block(row + PARTIES * ROWS - 1, own, BLOCK_N, RIGHT)
        first = first_block(row, last, own, BLOCK_N, LEFT)
        visits = 0
        if call.MASKED:
            visits = visits_of(row_tile, head, call, BLOCK_N)
            first = 0
            last = gl.load(visits)
        row += first_q
        fetched = _load_queries(q, q_slots, q_full, q_free, fetched, batch, head_q, row, 0, 1)
        for back in range(last - first):
            block = visited(last - 1 - back, visits, call)[0]
            key = first_k + block * BLOCK_N
            slot = step % SLOTS
            mbarrier.wait(k_free.index(slot), step // SLOTS & 1 ^ 1)
            mbarrier.expect(k_full.index(slot), k.block_type.nbytes)
            load_async(k, [batch, head_k, key, 0], k_full.index(slot), k_slots.index(slot))
            if back == 0:  # the first warpgroup can begin
                fetched = _load_queries(
                    q, q_slots, q_full, q_free, fetched, batch, head_q, row, 1, PARTIES
                )
            if call.BIAS:
                for party in gl.static_range(PARTIES):
                    landed = b_full.index(party)
                    mbarrier.wait(b_free.index(party), step & 1 ^ 1)
                    mbarrier.expect(landed, bias.block_type.nbytes)
                    load_async(
                        bias, [
                            gl.minimum(batch, bias_batches - 1),
                            gl.minimum(head_q, bias_heads - 1), row + party * ROWS, key,
                        ], landed, b_slots.index(party),
                    )  # fmt: skip
            slot = step % V_SLOTS
            mbarrier.wait(v_free.index(slot), step // V_SLOTS & 1 ^ 1)
            mbarrier.expect(v_full.index(slot), v.block_type.nbytes)
            if call.PACKED:
                _load_values(call, slot, head_k, first_k, block * BLOCK_N, n)
            else:
                load_async(v, [batch, head_k, key, 0], v_full.index(slot), v_slots.index(slot))
            step += 1
        turn += 1
        there, row_tile, head, first_q, m, first_k, n, at = take(turn, at, call)
