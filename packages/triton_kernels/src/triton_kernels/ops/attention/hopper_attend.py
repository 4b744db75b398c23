"""FlashAttention's forward on Hopper in Gluon: TMA, asynchronous wgmma, warp specialisation.

A block of threads has one *loading* warp and two or three *attending* warpgroups. Each warpgroup
owns 64 rows of queries; all of them read the same blocks of keys and values, which the loading
warp fetches as far ahead as shared memory has slots. A slot has two barriers: ``full`` (the bytes
have landed) and ``free`` (every warpgroup has read them).

The scores of block j + 1 and p·v of block j are queued together. The maximum of the scores is
sought while p·v runs, the exponentials are taken while the other warpgroup's products run::

    tensor cores      q·k1  p0·v0 | of the other | q·k2  p1·v1 | of the other | …  | q'·k'0 | …
    one warpgroup              max  weights 1 ───┤          max  weights 2 ───┤        o leaves
    the other         ── weights ─┤          max  weights ─────┤          max  …

The blocks are persistent and the pipeline does not drain between tiles: the first scores of the
next tile are under way while the output of this one leaves, through the slot that its queries
came in by, or through one of its own. ``hopper_order`` says who works on which tiles.
Only the blocks that the diagonal, the window's edge or the end of the keys cuts are masked.

A bias comes block by block as keys do, into a slot for each warpgroup. Packed sequences are tiles
of one long tensor, which ``packing`` lists: the next one's rows are not written, its keys masked.

The maximum of a tile's first block may serve for all of its blocks, as its weights' *anchor*: then
nothing else stands between a product and its exponentials. bfloat16 has room for weights of 2^100;
beyond that a party leaves word that it has strayed, and a second launch works with running maxima.

The pipeline is FlashAttention-3's (Shah et al. 2024, algorithm 2), the running maximum and sum
are those of Dao 2023 (FlashAttention-2, algorithm 1).
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._compat import tl
from triton_kernels._gluon import (
    Barrier,
    fence_async_shared,
    gl,
    gluon,
    mbarrier,
    store_wait,
    warpgroup_mma_wait,
)
from triton_kernels.ops.attention.hopper_call import Call
from triton_kernels.ops.attention.hopper_leave import leave
from triton_kernels.ops.attention.hopper_load import load
from triton_kernels.ops.attention.hopper_scores import (
    ROWS,
    add_values,
    queries_kept,
    scores_of,
)
from triton_kernels.ops.attention.hopper_steps import (
    first_weights,
    next_slot,
    next_weights,
    slope_of,
)
from triton_kernels.ops.attention.hopper_tiles import (
    TAKEN,
    first_block,
    last_block,
    note_strays,
    taken,
    visited,
    visits_of,
)

_SIZES = (
    "batches", "heads_q", "group", "m", "n", "left", "right", "section", "o_head", "o_row", "width",
    "capacity", "bias_batches", "bias_heads", "mends", "mask_batches", "mask_heads", "mask_rows",
    "threshold", "seed", "seed_high",
)  # fmt: skip


@gluon.jit
def _skip(skipped, step, k_slot, k_phase, v_slot, v_phase, call, PARTY: gl.constexpr):
    """Passes over the block, at most one, that only the lower rows of a tile see."""
    _, _, k_full, k_free, v_full, v_free, b_full, b_free, turns, _ = call.signals
    skips = skipped > 0
    if call.PING_PONG:
        mbarrier.wait(turns.index(PARTY), step & 1, pred=skips)
        mbarrier.arrive(turns.index(1 - PARTY), count=1, pred=skips)
    mbarrier.wait(k_full.index(k_slot), k_phase, pred=skips)
    mbarrier.arrive(k_free.index(k_slot), count=1, pred=skips)
    if call.BIAS:
        mbarrier.wait(b_full.index(PARTY), step & 1, pred=skips)
        mbarrier.arrive(b_free.index(PARTY), count=1, pred=skips)
    mbarrier.wait(v_full.index(v_slot), v_phase, pred=skips)
    mbarrier.arrive(v_free.index(v_slot), count=1, pred=skips)
    k_next, k_next_phase = next_slot(k_slot, k_phase, k_full.shape[0])
    v_next, v_next_phase = next_slot(v_slot, v_phase, v_full.shape[0])
    k_slot = gl.where(skips, k_next, k_slot)
    k_phase = gl.where(skips, k_next_phase, k_phase)
    v_slot = gl.where(skips, v_next, v_slot)
    v_phase = gl.where(skips, v_next_phase, v_phase)
    return step + skipped, k_slot, k_phase, v_slot, v_phase


@gluon.jit
def _begin(turn, there, where, step, slots, zeros, call, PARTY: gl.constexpr):
    """The first q·k of this turn's tile, and what the tile begins with: row, blocks, slots.

    If no such tile is ``there``, it multiplies what lies in the slots, for nobody.
    """
    row_tile, head, m, n = where
    k_slot, k_phase, v_slot, v_phase = slots
    q_slots, k_slots, _, _, _ = call.slots
    q_full, _, k_full, _, _, _, _, _, _, _ = call.signals
    _, _, left, right = call.edges
    PARTIES: gl.constexpr = call.PARTIES
    BLOCK_N: gl.constexpr = k_slots.shape[3]
    QUERIES: gl.constexpr = q_slots.shape[0]
    own = (m, n, left, right)
    row = (row_tile * PARTIES + PARTY) * ROWS
    last = last_block(row + ROWS - 1, own, BLOCK_N, call.RIGHT)
    visits = 0
    if call.MASKED:
        visits = visits_of(row_tile, head, call, BLOCK_N)
        last = gl.load(visits)
    elif call.RIGHT:
        skipped = last_block((row_tile + 1) * PARTIES * ROWS - 1, own, BLOCK_N, call.RIGHT) - last
        step, k_slot, k_phase, v_slot, v_phase = _skip(
            gl.where(there, skipped, 0), step, k_slot, k_phase, v_slot, v_phase, call, PARTY
        )
    fetched = turn * PARTIES + PARTY
    q_slot = PARTY if QUERIES == PARTIES else fetched % QUERIES
    mbarrier.wait(q_full.index(q_slot), fetched // QUERIES & 1, pred=there)
    mbarrier.wait(k_full.index(k_slot), k_phase, pred=there)
    S: gl.constexpr = zeros.type.layout
    kept = queries_kept(q_slots, q_slot, call.KEPT, S)
    scores = scores_of(kept, q_slots, q_slot, k_slots, k_slot, zeros, call.KEPT)
    return row, last, visits, step, k_slot, k_phase, v_slot, v_phase, kept, scores


@gluon.jit
def _wanted(strays, mends, PARTIES: gl.constexpr):
    """Whether this program has work: always, or if it ``mends`` where its forerunner strayed."""
    wanted = mends == 0
    for party in gl.static_range(PARTIES):
        stray = gl.load(strays + gl.program_id(0) * PARTIES + party, mask=mends != 0, other=0)
        wanted = wanted | (stray != 0)
    return wanted


@gluon.jit
def _attend(call, PARTY: gl.constexpr):
    """A warpgroup: 64 rows of one tile after the other."""
    q_slots, k_slots, v_slots, o_slots, _ = call.slots
    _, q_free, _, _, v_full, v_free, _, _, turns, _ = call.signals
    _, _, _, _, _, _, _, _, strays = call.beside
    _, _, left, right = call.edges
    PING_PONG: gl.constexpr = call.PING_PONG
    PARTIES: gl.constexpr = call.PARTIES
    ANCHORED: gl.constexpr = call.ANCHORED
    # Rows that see no key have no maximum.
    EDGES: gl.constexpr = call.LEFT or call.RIGHT or call.PACKED
    BLIND: gl.constexpr = EDGES or call.SINKS or call.BIAS or call.MASKED
    BLOCK_N: gl.constexpr = k_slots.shape[3]
    V_SLOTS: gl.constexpr = v_slots.shape[0]
    QUERIES: gl.constexpr = q_slots.shape[0]
    WIDTH: gl.constexpr = v_slots.shape[4]
    # Outputs leave by slots of their own, or by those that their queries came in by.
    OWN: gl.constexpr = o_slots.shape[4] != q_slots.shape[4]
    S: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, BLOCK_N, 16])
    OUT: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, WIDTH, 16])
    P: gl.constexpr = gl.DotOperandLayout(0, OUT, 2)
    zeros = gl.zeros([ROWS, BLOCK_N], gl.float32, S)
    strayed = gl.zeros([ROWS], gl.int32, gl.SliceLayout(1, S))
    turn = 0
    # Packed, a block of threads may be left without a tile.
    there, row_tile, head, first_q, m, n = taken(0, call)
    row, last, visits, step, k_slot, k_phase, v_slot, v_phase, kept, scores = _begin(
        0, there, (row_tile, head, m, n), 0, (0, 0, 0, 0), zeros, call, PARTY
    )
    while there:
        q_slot = PARTY if QUERIES == PARTIES else (turn * PARTIES + PARTY) % QUERIES
        own = (m, n, left, right)
        first = first_block(row_tile * PARTIES * ROWS, last, own, BLOCK_N, call.LEFT)
        if call.MASKED:
            first = 0
        slope = slope_of(head, call)
        block, hidden = visited(last - 1, visits, call)
        place = (head, row, block * BLOCK_N, own, first_q, slope, step)
        p, top, unseen, total, cut_by, kept, k_slot, k_phase = first_weights(
            scores, kept, place, block, hidden, (q_slot, k_slot, k_phase),
            last - first == 1, zeros, call, PARTY, BLIND, P,
        )  # fmt: skip
        sums = gl.zeros([ROWS, WIDTH], gl.float32, OUT)
        step += 1
        if QUERIES >= 2 * PARTIES and not OWN:  # the output before has left its slot by now
            store_wait(0)
            left_slot = (q_slot + QUERIES - PARTIES) % QUERIES
            mbarrier.arrive(q_free.index(left_slot), count=1, pred=turn > 0)
        for back in range(1, last - first):
            block, hidden = visited(last - 1 - back, visits, call)
            place = (head, row, block * BLOCK_N, own, first_q, slope, step)
            p, sums, top, unseen, total, kept, k_slot, k_phase, v_slot, v_phase = next_weights(
                p, sums, top, unseen, total, kept, place, cut_by, block, hidden,
                (q_slot, k_slot, k_phase, v_slot, v_phase), last - 1 - back == first, zeros, call,
                PARTY, BLIND,
            )  # fmt: skip
            step += 1
        # The last p·v, and behind it the first q·k of the next tile, if there is one: otherwise
        # it multiplies what lies in the slots, for nobody.
        mbarrier.wait(v_full.index(v_slot), v_phase)
        if PING_PONG:
            mbarrier.wait(turns.index(PARTY), step - 1 & 1)
        adding = add_values(p, v_slots, v_slot, sums)
        if PING_PONG:
            mbarrier.arrive(turns.index(1 - PARTY), count=1)
        there, next_tile, next_head, next_q, next_m, next_n = taken(turn + 1, call)
        before = v_slot
        v_slot, v_phase = next_slot(v_slot, v_phase, V_SLOTS)
        next_row, last, visits, step, k_slot, k_phase, v_slot, v_phase, kept, scores = _begin(
            turn + 1, there, (next_tile, next_head, next_m, next_n), step,
            (k_slot, k_phase, v_slot, v_phase), zeros, call, PARTY,
        )  # fmt: skip
        sums = warpgroup_mma_wait(1, (adding,))
        mbarrier.arrive(v_free.index(before), count=1)
        total = gl.convert_layout(gl.sum(total, 1), gl.SliceLayout(1, S))
        tile_of = (head, row, first_q, m, slope)
        strays_here = leave(sums, top, total, tile_of, q_slot, call, PARTY)
        if ANCHORED:
            note_strays(turn, strays_here, call)
        strayed |= strays_here
        row_tile = next_tile
        head = next_head
        row = next_row
        first_q = next_q
        m = next_m
        n = next_n
        turn += 1
    warpgroup_mma_wait(0, (scores,))
    store_wait(0)
    if ANCHORED:
        gl.store(strays + gl.program_id(0) * PARTIES + PARTY, gl.max(strayed, 0))


@gluon.jit
def _barriers(SLOTS: gl.constexpr, ARRIVALS: gl.constexpr):
    """One for each slot."""
    barriers = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    for slot in gl.static_range(SLOTS):
        mbarrier.init(barriers.index(slot), count=ARRIVALS)
    return barriers


@gluon.jit(do_not_specialize=_SIZES)  # one kernel serves all sizes
def forward(
    q, k, v, o, bias, v_end, out, lse, sinks, slopes, places, notes, words, visits, strays,
    batches, heads_q, group, m, n, left, right, section, o_head, o_row, width,
    capacity, bias_batches, bias_heads, scale, squeeze, mends,
    mask_batches, mask_heads, mask_rows, threshold, enlarge, seed, seed_high,
    LEFT: gl.constexpr, RIGHT: gl.constexpr, CAPPED: gl.constexpr, SLOPED: gl.constexpr,
    BIAS: gl.constexpr, SINKS: gl.constexpr, PACKED: gl.constexpr, PING_PONG: gl.constexpr,
    ONCE: gl.constexpr, ORDER: gl.constexpr, PARTIES: gl.constexpr, SLOTS: gl.constexpr,
    V_SLOTS: gl.constexpr, QUERIES: gl.constexpr, REGISTERS: gl.constexpr,
    KEPT: gl.constexpr, AHEAD: gl.constexpr,
    AFTER: gl.constexpr, BOUNDED: gl.constexpr, SHARED: gl.constexpr,
    ANCHORED: gl.constexpr, HIDES: gl.constexpr, MASKED: gl.constexpr, DROPS: gl.constexpr,
    BENT: gl.constexpr, EARLY: gl.constexpr,
):  # fmt: skip
    """Descriptors of q and o: blocks (1, 1, 64, width); of k and v: (1, 1, keys, width)."""
    # ruff: noqa: RUF005 (Gluon unpacks no lists)
    q_slots = gl.allocate_shared_memory(q.dtype, [QUERIES] + q.block_type.shape, q.layout)
    k_slots = gl.allocate_shared_memory(k.dtype, [SLOTS] + k.block_type.shape, k.layout)
    v_slots = gl.allocate_shared_memory(v.dtype, [V_SLOTS] + v.block_type.shape, v.layout)
    if q.block_type.shape[3] == o.block_type.shape[3]:
        o_slots = q_slots
    else:
        o_slots = gl.allocate_shared_memory(o.dtype, [QUERIES] + o.block_type.shape, o.layout)
    q_full = _barriers(QUERIES, 1)
    q_free = _barriers(QUERIES, 1)
    k_full = _barriers(SLOTS, 1)
    k_free = _barriers(SLOTS, PARTIES)
    v_full = _barriers(V_SLOTS, 1)
    v_free = _barriers(V_SLOTS, PARTIES)
    # None is made that nobody waits at: its memory would be given away, and a barrier that was not
    # invalidated may be written back over what lies there.
    if BIAS:
        b_slots = gl.allocate_shared_memory(
            bias.dtype, [PARTIES] + bias.block_type.shape, bias.layout
        )
        b_full = _barriers(PARTIES, 1)
        b_free = _barriers(PARTIES, 1)
    else:
        b_slots, b_full, b_free = q_slots, q_full, q_free
    turns = _barriers(2, 1) if PING_PONG else q_full
    taken_tiles = _barriers(TAKEN, 1) if PACKED else q_full
    fence_async_shared()  # the loads find the barriers as they were made
    if PING_PONG:
        mbarrier.arrive(turns.index(0), count=1)
    if EARLY:  # before the launch ahead has ended, as what mends may before this one has
        tl.extra.cuda.gdc_launch_dependents()
        tl.extra.cuda.gdc_wait()
    row_tiles = gl.cdiv(m, PARTIES * ROWS)
    heads = batches * heads_q
    tiles = row_tiles * heads
    if PACKED:
        tiles = gl.load(places) * heads_q
    if not ANCHORED:
        tiles = gl.where(_wanted(strays, mends, PARTIES), tiles, 0)
    call = Call(
        (q, k, v, o, bias, v_end),
        (out, lse, sinks, slopes, places, notes, words, visits, strays),
        (q_slots, k_slots, v_slots, o_slots, b_slots),
        (q_full, q_free, k_full, k_free, v_full, v_free, b_full, b_free, turns,
         taken_tiles),
        (tiles, row_tiles, heads, heads_q, group, section, o_head, o_row, width, bias_batches,
         bias_heads, capacity, mends),
        (m, n, left, right), (scale, squeeze),
        (mask_batches, mask_heads, mask_rows, threshold, enlarge, seed, seed_high),
        LEFT, RIGHT, CAPPED, SLOPED, BIAS, SINKS, PACKED, PING_PONG, ONCE, ORDER, PARTIES, KEPT,
        AHEAD, AFTER, BOUNDED, SHARED, ANCHORED, HIDES, MASKED, DROPS, BENT,
    )  # fmt: skip
    if PARTIES == 2:
        gl.warp_specialize(
            [(_attend, (call, 0)), (_attend, (call, 1)), (load, (call,))],
            [4, 1], [REGISTERS, 24],
        )  # fmt: skip
    else:
        gl.warp_specialize(
            [(_attend, (call, 0)), (_attend, (call, 1)), (_attend, (call, 2)), (load, (call,))],
            [4, 4, 1], [REGISTERS, REGISTERS, 24],
        )  # fmt: skip
