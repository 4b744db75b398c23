"""The loading warp of the forward on Hopper: what the attending warpgroups work on, as room is."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._gluon import gl, gluon, load_async, mbarrier
from triton_kernels.ops.attention.hopper_scores import ROWS
from triton_kernels.ops.attention.hopper_tiles import (
    first_block,
    index_of,
    last_block,
    rounds_of,
    tile,
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
def load(call):
    """The loading warp: queries once a tile; keys and values block by block, the last one first."""
    q, k, v, _, bias = call.descriptors
    q_slots, k_slots, v_slots, _, b_slots = call.slots
    q_full, q_free, k_full, k_free, v_full, v_free, b_full, b_free, _ = call.signals
    tiles, _, _, heads_q, group, _, _, _, _, bias_batches, bias_heads = call.work
    _, _, left, right = call.edges
    PARTIES: gl.constexpr = call.PARTIES
    LEFT: gl.constexpr = call.LEFT
    RIGHT: gl.constexpr = call.RIGHT
    BLOCK_N: gl.constexpr = k_slots.shape[3]
    SLOTS: gl.constexpr = k_slots.shape[0]
    V_SLOTS: gl.constexpr = v_slots.shape[0]
    step = 0
    fetched = 0
    for turn in range(rounds_of(tiles, call.ORDER)):
        row_tile, head, first_q, m, first_k, n = tile(index_of(turn, call.ORDER), call)
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
                    there = b_full.index(party)
                    mbarrier.wait(b_free.index(party), step & 1 ^ 1)
                    mbarrier.expect(there, bias.block_type.nbytes)
                    load_async(
                        bias, [
                            gl.minimum(batch, bias_batches - 1),
                            gl.minimum(head_q, bias_heads - 1), row + party * ROWS, key,
                        ], there, b_slots.index(party),
                    )  # fmt: skip
            slot = step % V_SLOTS
            mbarrier.wait(v_free.index(slot), step // V_SLOTS & 1 ^ 1)
            mbarrier.expect(v_full.index(slot), v.block_type.nbytes)
            load_async(v, [batch, head_k, key, 0], v_full.index(slot), v_slots.index(slot))
            step += 1
