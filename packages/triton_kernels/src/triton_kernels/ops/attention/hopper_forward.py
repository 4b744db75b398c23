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

The pipeline is FlashAttention-3's (Shah et al. 2024, algorithm 2), the running maximum and sum
are those of Dao 2023 (FlashAttention-2, algorithm 1).
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import torch

from triton_kernels import _compat
from triton_kernels._compat import Launch, Layout
from triton_kernels._gluon import (
    Barrier,
    TensorDescriptor,
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
from triton_kernels.ops.attention import hopper_order, packing
from triton_kernels.ops.attention.features import UNBOUNDED, Features, empty_lse, empty_output
from triton_kernels.ops.attention.hopper_parts import clear
from triton_kernels.ops.attention.layout import block_width

_ROWS = gl.constexpr(64)
"""Rows of queries that one warpgroup attends with."""
_LOG2_E = gl.constexpr(1 / math.log(2))
_LN2 = gl.constexpr(math.log(2))
_FIELDS = gl.constexpr(packing.FIELDS)
_TILES_TO_FOLD = 6
"""Tiles a program from which pairs of packed ones are small enough to be dealt out."""
_LOG2E = 1 / math.log(2)
_SIZES = (
    "batches", "heads_q", "group", "m", "n", "left", "right", "section", "o_head", "o_row", "width",
    "bias_batches", "bias_heads",
)  # fmt: skip


@gluon.jit
def _rounds(tiles, ORDER: gl.constexpr):
    """How many tiles this program works on; folded, all programs but a few have an even number."""
    programs = gl.num_programs(0)
    if ORDER == "folded":
        pairs = gl.cdiv(tiles, 2)
        mine = pairs // programs + (gl.program_id(0) < pairs % programs).to(gl.int32)
        return 2 * mine - (_index(2 * mine - 1, ORDER) >= tiles).to(gl.int32)
    else:
        full = tiles // programs
        return full + (_index(full, ORDER) < tiles).to(gl.int32)


@gluon.jit
def _index(turn, ORDER: gl.constexpr):
    """The tile of this program's turn: dealt one by one, in pairs, or to and fro."""
    place = gl.program_id(0)
    programs = gl.num_programs(0)
    if ORDER == "folded":
        return 2 * (turn // 2 * programs + place) + turn % 2
    elif ORDER == "sections":
        return turn * programs + gl.where(turn % 2 == 0, place, programs - 1 - place)
    else:
        return turn * programs + place


@gluon.jit
def _place(index, row_tiles, heads, section, ORDER: gl.constexpr):
    """Row of tiles, and head counted through the batch: head by head, so that a head's keys are
    read from L2, or as ``hopper_order`` says."""
    if ORDER == "sections":
        part = index // (row_tiles * section)
        rest = index - part * row_tiles * section
        heads_here = gl.minimum(section, heads - part * section)
        row = rest // heads_here
        down = (gl.cdiv(heads, section) - 1 - part) % 2 == 0
        return gl.where(down, row_tiles - 1 - row, row), part * section + rest % heads_here
    else:
        return index % row_tiles, index // row_tiles


@gluon.jit
def _tile(
    index, work, edges, places, BIAS: gl.constexpr, PACKED: gl.constexpr, ORDER: gl.constexpr
):
    """Row of tiles, head, where its queries and keys begin in the tensors, how many there are.

    Packed, ``places`` holds for the tiles of one head those of the sequence that each belongs to,
    and the number of tiles before it: the heads of a sequence follow each other.
    """
    _, row_tiles, heads, heads_q, _, section, _, _, _, bias_batches, _ = work
    m, n, _, _ = edges
    if PACKED:
        place = places + _FIELDS * (index // heads_q + 1)
        first_q = gl.load(place)
        m = gl.load(place + 1)
        first_k = gl.load(place + 2)
        n = gl.load(place + 3)
        before = gl.load(place + 4)
        count = gl.load(place + 5)
        sequence = gl.load(place + 6)
        index -= before * heads_q
        row = index % count
        if ORDER == "folded":
            row = gl.where(row % 2 == 0, count - 1 - row // 2, row // 2)
        elif ORDER == "sections":
            row = count - 1 - row
        return row, sequence * heads_q + index // count, first_q, m, first_k, n
    else:
        row, head = _place(index, row_tiles, heads, section, ORDER)
        if BIAS:  # a head's bias is read by all batches while it is in L2
            batches = heads // heads_q
            if bias_batches == 1:
                head = head % batches * heads_q + head // batches
        return row, head, 0, m, 0, n


@gluon.jit
def _last(row, edges, BLOCK_N: gl.constexpr, RIGHT: gl.constexpr):
    """One past the last block of keys that rows up to this one see; one block at least."""
    m, n, _, right = edges
    seen = n
    if RIGHT:
        seen = gl.minimum(n, gl.minimum(row, m - 1) + n - m + right + 1)
    seen = gl.maximum(seen, 1)
    return gl.cdiv(seen, BLOCK_N)


@gluon.jit
def _first(row, last, edges, BLOCK_N: gl.constexpr, LEFT: gl.constexpr):
    """The first block of keys that rows from this one on see, before ``last``."""
    m, n, left, _ = edges
    if LEFT:
        return gl.minimum(gl.maximum(row + n - m - left, 0) // BLOCK_N, last - 1)
    else:
        return 0


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
        load_async(q, [batch, head, row + party * _ROWS, 0], there, q_slots.index(slot))
        fetched += 1
    return fetched


@gluon.jit
def _load(
    descriptors, beside, slots, signals, work, edges, scales,
    LEFT: gl.constexpr, RIGHT: gl.constexpr, CAPPED: gl.constexpr, SLOPED: gl.constexpr,
    BIAS: gl.constexpr, SINKS: gl.constexpr, PACKED: gl.constexpr, PING_PONG: gl.constexpr,
    ONCE: gl.constexpr, ORDER: gl.constexpr, PARTIES: gl.constexpr,
):  # fmt: skip
    """The loading warp: queries once a tile; keys and values block by block, the last one first."""
    q, k, v, _, bias = descriptors
    q_slots, k_slots, v_slots, _, b_slots = slots
    q_full, q_free, k_full, k_free, v_full, v_free, b_full, b_free, _ = signals
    tiles, _, _, heads_q, group, _, _, _, _, bias_batches, bias_heads = work
    _, _, _, _, places = beside
    _, _, left, right = edges
    BLOCK_N: gl.constexpr = k_slots.shape[3]
    SLOTS: gl.constexpr = k_slots.shape[0]
    V_SLOTS: gl.constexpr = v_slots.shape[0]
    step = 0
    fetched = 0
    for turn in range(_rounds(tiles, ORDER)):
        row_tile, head, first_q, m, first_k, n = _tile(
            _index(turn, ORDER), work, edges, places, BIAS, PACKED, ORDER
        )
        own = (m, n, left, right)
        batch = 0 if PACKED else head // heads_q
        head_q = head % heads_q
        head_k = head_q // group
        row = row_tile * PARTIES * _ROWS
        last = _last(row + PARTIES * _ROWS - 1, own, BLOCK_N, RIGHT)
        first = _first(row, last, own, BLOCK_N, LEFT)
        row += first_q
        fetched = _load_queries(q, q_slots, q_full, q_free, fetched, batch, head_q, row, 0, 1)
        for back in range(last - first):
            key = first_k + (last - 1 - back) * BLOCK_N
            slot = step % SLOTS
            mbarrier.wait(k_free.index(slot), step // SLOTS & 1 ^ 1)
            mbarrier.expect(k_full.index(slot), k.block_type.nbytes)
            load_async(k, [batch, head_k, key, 0], k_full.index(slot), k_slots.index(slot))
            if back == 0:  # the first warpgroup can begin
                fetched = _load_queries(
                    q, q_slots, q_full, q_free, fetched, batch, head_q, row, 1, PARTIES
                )
            if BIAS:
                for party in gl.static_range(PARTIES):
                    there = b_full.index(party)
                    mbarrier.wait(b_free.index(party), step & 1 ^ 1)
                    mbarrier.expect(there, bias.block_type.nbytes)
                    load_async(
                        bias, [
                            gl.minimum(batch, bias_batches - 1),
                            gl.minimum(head_q, bias_heads - 1), row + party * _ROWS, key,
                        ], there, b_slots.index(party),
                    )  # fmt: skip
            slot = step % V_SLOTS
            mbarrier.wait(v_free.index(slot), step // V_SLOTS & 1 ^ 1)
            mbarrier.expect(v_full.index(slot), v.block_type.nbytes)
            load_async(v, [batch, head_k, key, 0], v_full.index(slot), v_slots.index(slot))
            step += 1


@gluon.jit
def _tanh(x):
    """By the special-function unit, to 11 bits: finer than scores kept in 16 bits."""
    return gl.inline_asm_elementwise(
        "tanh.approx.f32 $0, $1;", "=r,r", [x], dtype=gl.float32, is_pure=True, pack=1
    )


@gluon.jit
def _masked(s, row, key, edges, LEFT: gl.constexpr, RIGHT: gl.constexpr):
    """Scores of rows from ``row`` and keys from ``key`` on, -inf where the row ends or begins."""
    layout: gl.constexpr = s.type.layout
    m, n, left, right = edges
    column = gl.arange(0, s.shape[1], gl.SliceLayout(0, layout))[None, :]
    place = row + n - m - key + gl.arange(0, s.shape[0], gl.SliceLayout(1, layout))
    end = gl.full([s.shape[0]], 0, gl.int32, gl.SliceLayout(1, layout)) + (n - key)
    if RIGHT:
        end = gl.minimum(end, place + right + 1)
    keep = column < end[:, None]
    if LEFT:
        keep = keep & (column >= (place - left)[:, None])
    return gl.where(keep, s, -float("inf"))


@gluon.jit
def _distances(s, row, key, edges):
    """Of each score, how far its key is from its query."""
    layout: gl.constexpr = s.type.layout
    m, n, _, _ = edges
    column = gl.arange(0, s.shape[1], gl.SliceLayout(0, layout)).to(gl.float32)[None, :]
    place = row + n - m - key + gl.arange(0, s.shape[0], gl.SliceLayout(1, layout))
    return gl.abs(place.to(gl.float32)[:, None] - column)


@gluon.jit
def _peak(
    s, top, cut, row, key, edges, scales, slope, b_slot, there, gone, phase,
    LEFT: gl.constexpr, RIGHT: gl.constexpr, CAPPED: gl.constexpr, SLOPED: gl.constexpr,
    BIAS: gl.constexpr,
):  # fmt: skip
    """Scores with what belongs to them, their new maximum (scaled), what they are scaled by."""
    scale, squeeze = scales
    if CAPPED:
        s = _tanh(s * squeeze)
    if SLOPED:
        s = s * scale - _distances(s, row, key, edges) * slope
        scale = 1.0
    if BIAS:
        mbarrier.wait(there, phase)
        bias = b_slot.reshape([s.shape[0], s.shape[1]]).load(s.type.layout)
        fence_async_shared()  # what is loaded into the slot next comes by another way
        mbarrier.arrive(gone, count=1)
        s = s * scale + bias.to(gl.float32) * _LOG2_E
        scale = 1.0
    if cut:
        s = _masked(s, row, key, edges, LEFT, RIGHT)
    return s, gl.maximum(top, gl.max(s, 1) * scale), scale


@gluon.jit
def _weights(s, top, new, scale, BLIND: gl.constexpr):
    """exp2(scale·s - new maximum), and the factor of what was summed before."""
    base = new
    if BLIND:  # a row that has seen no key yet has no maximum
        base = gl.where(new == -float("inf"), 0.0, new)
    return gl.exp2(s * scale - base[:, None]), gl.exp2(top - base)


@gluon.jit
def _sums_by_thread(weights):
    """(rows, 4): what each of the four threads of a row holds; they are summed up at the end."""
    parts = weights.reshape([weights.shape[0], weights.shape[1] // 8, 4, 2])
    return gl.sum(gl.sum(parts, 3), 1)


@gluon.jit
def _by_thread(x, like):
    """A row's number beside each of its four sums."""
    return gl.convert_layout(x, gl.SliceLayout(1, like.type.layout))[:, None]


@gluon.jit
def _scores(q_slots, q_slot, k_slots, k_slot, zeros):
    q = q_slots.index(q_slot).reshape([_ROWS, q_slots.shape[4]])
    k = k_slots.index(k_slot).reshape([k_slots.shape[3], k_slots.shape[4]]).permute((1, 0))
    return warpgroup_mma(q, k, zeros, use_acc=False, is_async=True)


@gluon.jit
def _add_values(p, v_slots, v_slot, sums):
    v = v_slots.index(v_slot).reshape([v_slots.shape[3], v_slots.shape[4]])
    return warpgroup_mma(p, v, sums, is_async=True)


@gluon.jit
def _skip(skipped, step, signals, BIAS: gl.constexpr, PING_PONG: gl.constexpr, PARTY: gl.constexpr):
    """Passes over the block, at most one, that only the lower rows of a tile see."""
    _, _, k_full, k_free, v_full, v_free, b_full, b_free, turns = signals
    SLOTS: gl.constexpr = k_full.shape[0]
    V_SLOTS: gl.constexpr = v_full.shape[0]
    slot = step % SLOTS
    skips = skipped > 0
    if PING_PONG:
        mbarrier.wait(turns.index(PARTY), step & 1, pred=skips)
        mbarrier.arrive(turns.index(1 - PARTY), count=1, pred=skips)
    mbarrier.wait(k_full.index(slot), step // SLOTS & 1, pred=skips)
    mbarrier.arrive(k_free.index(slot), count=1, pred=skips)
    if BIAS:
        mbarrier.wait(b_full.index(PARTY), step & 1, pred=skips)
        mbarrier.arrive(b_free.index(PARTY), count=1, pred=skips)
    slot = step % V_SLOTS
    mbarrier.wait(v_full.index(slot), step // V_SLOTS & 1, pred=skips)
    mbarrier.arrive(v_free.index(slot), count=1, pred=skips)
    return step + skipped


@gluon.jit
def _leave(x, o, slot, batch, head, row):
    """Through a slot as wide as an output or half as wide, as soon as the one before has left."""
    PIECE: gl.constexpr = slot.shape[3]
    store_wait(0)
    if x.shape[1] == PIECE:
        slot.reshape([_ROWS, PIECE]).store(x)
        fence_async_shared()
        store_async(o, [batch, head, row, 0], slot)
    else:
        halves = gl.split(x.reshape([_ROWS, 2, PIECE]).permute((0, 2, 1)))
        slot.reshape([_ROWS, PIECE]).store(halves[0])
        fence_async_shared()
        store_async(o, [batch, head, row, 0], slot)
        store_wait(0)
        slot.reshape([_ROWS, PIECE]).store(halves[1])
        fence_async_shared()
        store_async(o, [batch, head, row, PIECE], slot)


@gluon.jit
def _attend(
    descriptors, beside, slots, signals, work, edges, scales,
    LEFT: gl.constexpr, RIGHT: gl.constexpr, CAPPED: gl.constexpr, SLOPED: gl.constexpr,
    BIAS: gl.constexpr, SINKS: gl.constexpr, PACKED: gl.constexpr, PING_PONG: gl.constexpr,
    ONCE: gl.constexpr, ORDER: gl.constexpr, PARTIES: gl.constexpr, PARTY: gl.constexpr,
):  # fmt: skip
    """A warpgroup: 64 rows of one tile after the other."""
    _q, _k, v, o, _ = descriptors
    q_slots, k_slots, v_slots, o_slots, b_slots = slots
    q_full, q_free, k_full, k_free, v_full, v_free, b_full, b_free, turns = signals
    tiles, _, _, heads_q, _, _, o_head, o_row, width, _, _ = work
    out, lse, sinks, slopes, places = beside
    rows_q, _, left, right = edges
    # Rows that see no key have no maximum.
    BLIND: gl.constexpr = LEFT or RIGHT or PACKED or SINKS or BIAS
    BLOCK_N: gl.constexpr = k_slots.shape[3]
    SLOTS: gl.constexpr = k_slots.shape[0]
    V_SLOTS: gl.constexpr = v_slots.shape[0]
    QUERIES: gl.constexpr = q_slots.shape[0]
    WIDTH: gl.constexpr = v_slots.shape[4]
    # Outputs leave by slots of their own, or by those that their queries came in by.
    OWN: gl.constexpr = o_slots.shape[4] != q_slots.shape[4]
    S: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, BLOCK_N, 16])
    OUT: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, WIDTH, 16])
    P: gl.constexpr = gl.DotOperandLayout(0, OUT, 2)
    zeros = gl.zeros([_ROWS, BLOCK_N], gl.float32, S)
    rounds = _rounds(tiles, ORDER)
    # Packed, a block of threads may be left without a tile.
    some = rounds > 0
    row_tile, head, first_q, m, _, n = _tile(
        gl.where(some, _index(0, ORDER), 0), work, edges, places, BIAS, PACKED, ORDER
    )
    row = (row_tile * PARTIES + PARTY) * _ROWS
    last = _last(row + _ROWS - 1, (m, n, left, right), BLOCK_N, RIGHT)
    step = 0
    if RIGHT:
        skipped = (
            _last((row_tile + 1) * PARTIES * _ROWS - 1, (m, n, left, right), BLOCK_N, RIGHT) - last
        )
        step = _skip(gl.where(some, skipped, 0), step, signals, BIAS, PING_PONG, PARTY)
    mbarrier.wait(q_full.index(PARTY), 0, pred=some)
    mbarrier.wait(k_full.index(step % SLOTS), step // SLOTS & 1, pred=some)
    scores = _scores(q_slots, PARTY, k_slots, step % SLOTS, zeros)
    for turn in range(rounds):
        q_slot = (turn * PARTIES + PARTY) % QUERIES
        own = (m, n, left, right)
        first = _first(row_tile * PARTIES * _ROWS, last, own, BLOCK_N, LEFT)
        more = turn + 1 < rounds
        next_tile, next_head, next_q, next_m, _, next_n = _tile(
            gl.where(more, _index(turn + 1, ORDER), 0), work, edges, places, BIAS, PACKED, ORDER
        )
        s = warpgroup_mma_wait(0, (scores,))
        mbarrier.arrive(k_free.index(step % SLOTS), count=1)
        if OWN:  # noqa: SIM102 (known when compiled; the next when run)
            if last - first == 1:
                mbarrier.arrive(q_free.index(q_slot), count=1)
        # Blocks before ``whole`` are cut by nothing on the right, those from ``inside`` on by
        # nothing on the left.
        whole = n // BLOCK_N
        inside = 0
        if RIGHT:
            whole = gl.minimum(whole, gl.maximum(row + n - m + right + 1, 0) // BLOCK_N)
        if LEFT:
            inside = gl.cdiv(gl.maximum(row + _ROWS - 1 + n - m - left, 0), BLOCK_N)
        top = gl.full([_ROWS], -float("inf"), gl.float32, gl.SliceLayout(1, S))
        if SINKS:
            top = gl.zeros_like(top) + gl.load(sinks + head % heads_q).to(gl.float32) * _LOG2_E
        slope = 0.0
        if SLOPED:
            at = head % heads_q if SLOPED == 1 else head
            slope = gl.load(slopes + at) * _LOG2_E
        s, new, scale = _peak(
            s, top, (last > whole) | (last <= inside), row, (last - 1) * BLOCK_N, own, scales,
            slope, b_slots.index(PARTY), b_full.index(PARTY), b_free.index(PARTY), step & 1,
            LEFT, RIGHT, CAPPED, SLOPED, BIAS,
        )  # fmt: skip
        weights, fade = _weights(s, top, new, scale, BLIND)
        top = new
        total = _sums_by_thread(weights)
        if SINKS:  # the sink's own weight of 1, a quarter in each
            total += 0.25 * _by_thread(fade, total)
        p = gl.convert_layout(weights.to(v.dtype), P)
        sums = gl.zeros([_ROWS, WIDTH], gl.float32, OUT)
        if PACKED:
            mbarrier.wait(v_full.index(step % V_SLOTS), step // V_SLOTS & 1)
            if n < last * BLOCK_N:
                clear(v_slots.index(step % V_SLOTS), n - (last - 1) * BLOCK_N)
        step += 1
        if QUERIES >= 2 * PARTIES and not OWN:  # the output before has left its slot by now
            store_wait(0)
            left_slot = (q_slot + QUERIES - PARTIES) % QUERIES
            mbarrier.arrive(q_free.index(left_slot), count=1, pred=turn > 0)
        for back in range(1, last - first):
            block = last - 1 - back
            slot = step % SLOTS
            before = (step - 1) % V_SLOTS
            mbarrier.wait(k_full.index(slot), step // SLOTS & 1)
            if PING_PONG:
                mbarrier.wait(turns.index(PARTY), step - 1 & 1)
            scores = _scores(q_slots, q_slot, k_slots, slot, zeros)
            mbarrier.wait(v_full.index(before), (step - 1) // V_SLOTS & 1)
            adding = _add_values(p, v_slots, before, sums)
            if PING_PONG:
                mbarrier.arrive(turns.index(1 - PARTY), count=1)
            s = warpgroup_mma_wait(1, (scores,))
            mbarrier.arrive(k_free.index(slot), count=1)
            cut = False
            if RIGHT and not ONCE:
                cut = block >= whole
            if LEFT:
                cut = cut | (block < inside)
            s, new, scale = _peak(
                s, top, cut, row, block * BLOCK_N, own, scales, slope,
                b_slots.index(PARTY), b_full.index(PARTY), b_free.index(PARTY), step & 1,
                LEFT, RIGHT, CAPPED, SLOPED, BIAS,
            )  # fmt: skip
            if CAPPED:  # two special functions a score take longer than the other's products
                weights, fade = _weights(s, top, new, scale, BLIND)
            if LEFT or (RIGHT and not ONCE) or CAPPED:
                # The branches of a wait keep the assembler from moving the next one up before them.
                mbarrier.wait(v_full.index(step % V_SLOTS), step // V_SLOTS & 1)
            if OWN:  # noqa: SIM102 (known when compiled; the next when run)
                if block == first:
                    mbarrier.arrive(q_free.index(q_slot), count=1)
            # Waited for between maximum and exponentials: the other party's products run meanwhile,
            # and this one's weights can take the registers of p.
            sums, _spent = warpgroup_mma_wait(0, (adding, p))
            mbarrier.arrive(v_free.index(before), count=1)
            if not CAPPED:
                weights, fade = _weights(s, top, new, scale, BLIND)
            top = new
            total = total * _by_thread(fade, total) + _sums_by_thread(weights)
            p = gl.convert_layout(weights.to(v.dtype), P)
            sums = sums * gl.convert_layout(fade, gl.SliceLayout(1, OUT))[:, None]
            step += 1
        # The last p·v, and behind it the first q·k of the next tile, if there is one: otherwise
        # it multiplies what lies in the slots, for nobody.
        before = (step - 1) % V_SLOTS
        mbarrier.wait(v_full.index(before), (step - 1) // V_SLOTS & 1)
        if PING_PONG:
            mbarrier.wait(turns.index(PARTY), step - 1 & 1)
        adding = _add_values(p, v_slots, before, sums)
        if PING_PONG:
            mbarrier.arrive(turns.index(1 - PARTY), count=1)
        row_tile = next_tile
        next_row = (row_tile * PARTIES + PARTY) * _ROWS
        following = (next_m, next_n, left, right)
        last = _last(next_row + _ROWS - 1, following, BLOCK_N, RIGHT)
        if RIGHT:
            skipped = _last((row_tile + 1) * PARTIES * _ROWS - 1, following, BLOCK_N, RIGHT) - last
            step = _skip(gl.where(more, skipped, 0), step, signals, BIAS, PING_PONG, PARTY)
        fetched = (turn + 1) * PARTIES + PARTY
        mbarrier.wait(q_full.index(fetched % QUERIES), fetched // QUERIES & 1, pred=more)
        mbarrier.wait(k_full.index(step % SLOTS), step // SLOTS & 1, pred=more)
        scores = _scores(q_slots, fetched % QUERIES, k_slots, step % SLOTS, zeros)
        sums = warpgroup_mma_wait(1, (adding,))
        mbarrier.arrive(v_free.index(before), count=1)
        total = gl.convert_layout(gl.sum(total, 1), gl.SliceLayout(1, S))
        share = gl.where(total == 0.0, 0.0, 1.0 / total)
        sums = sums * gl.convert_layout(share, gl.SliceLayout(1, OUT))[:, None]
        head_q = head % heads_q
        batch = 0 if PACKED else head // heads_q
        if PACKED and row + _ROWS > m:  # what lies behind a sequence is the next one's
            line = row + gl.arange(0, _ROWS, gl.SliceLayout(1, OUT))
            column = gl.arange(0, WIDTH, gl.SliceLayout(0, OUT))[None, :]
            to = out + head_q.to(gl.int64) * o_head
            to += (first_q + line).to(gl.int64)[:, None] * o_row + column
            gl.store(to, sums.to(o.dtype), mask=(line < m)[:, None] & (column < width))
        elif OWN:
            _leave(sums.to(o.dtype), o, o_slots.index(PARTY), batch, head_q, first_q + row)
        else:
            o_slot = o_slots.index(q_slot)
            o_slot.reshape([_ROWS, WIDTH]).store(sums.to(o.dtype))
            fence_async_shared()
            store_async(o, [batch, head_q, first_q + row, 0], o_slot)
        if QUERIES < 2 * PARTIES and not OWN:
            store_wait(0)
            mbarrier.arrive(q_free.index(q_slot), count=1)
        rows = row + gl.arange(0, _ROWS, gl.SliceLayout(1, S))
        value = (top + gl.log2(total)) * _LN2
        line = head_q if PACKED else head
        gl.store(lse + line.to(gl.int64) * rows_q + first_q + rows, value, mask=rows < m)
        head = next_head
        row = next_row
        first_q = next_q
        m = next_m
        n = next_n
    warpgroup_mma_wait(0, (scores,))
    store_wait(0)


@gluon.jit
def _attend_0(
    descriptors, beside, slots, signals, work, edges, scales,
    LEFT: gl.constexpr, RIGHT: gl.constexpr, CAPPED: gl.constexpr, SLOPED: gl.constexpr,
    BIAS: gl.constexpr, SINKS: gl.constexpr, PACKED: gl.constexpr, PING_PONG: gl.constexpr,
    ONCE: gl.constexpr, ORDER: gl.constexpr, PARTIES: gl.constexpr,
):  # fmt: skip
    _attend(
        descriptors, beside, slots, signals, work, edges, scales,
        LEFT, RIGHT, CAPPED, SLOPED, BIAS, SINKS, PACKED, PING_PONG, ONCE, ORDER, PARTIES, 0,
    )  # fmt: skip


@gluon.jit
def _attend_1(
    descriptors, beside, slots, signals, work, edges, scales,
    LEFT: gl.constexpr, RIGHT: gl.constexpr, CAPPED: gl.constexpr, SLOPED: gl.constexpr,
    BIAS: gl.constexpr, SINKS: gl.constexpr, PACKED: gl.constexpr, PING_PONG: gl.constexpr,
    ONCE: gl.constexpr, ORDER: gl.constexpr, PARTIES: gl.constexpr,
):  # fmt: skip
    _attend(
        descriptors, beside, slots, signals, work, edges, scales,
        LEFT, RIGHT, CAPPED, SLOPED, BIAS, SINKS, PACKED, PING_PONG, ONCE, ORDER, PARTIES, 1,
    )  # fmt: skip


@gluon.jit
def _attend_2(
    descriptors, beside, slots, signals, work, edges, scales,
    LEFT: gl.constexpr, RIGHT: gl.constexpr, CAPPED: gl.constexpr, SLOPED: gl.constexpr,
    BIAS: gl.constexpr, SINKS: gl.constexpr, PACKED: gl.constexpr, PING_PONG: gl.constexpr,
    ONCE: gl.constexpr, ORDER: gl.constexpr, PARTIES: gl.constexpr,
):  # fmt: skip
    _attend(
        descriptors, beside, slots, signals, work, edges, scales,
        LEFT, RIGHT, CAPPED, SLOPED, BIAS, SINKS, PACKED, PING_PONG, ONCE, ORDER, PARTIES, 2,
    )  # fmt: skip


@gluon.jit(do_not_specialize=_SIZES)  # one kernel serves all sizes
def _forward(
    q, k, v, o, bias, out, lse, sinks, slopes, places,
    batches, heads_q, group, m, n, left, right, section, o_head, o_row, width,
    bias_batches, bias_heads, scale, squeeze,
    LEFT: gl.constexpr, RIGHT: gl.constexpr, CAPPED: gl.constexpr, SLOPED: gl.constexpr,
    BIAS: gl.constexpr, SINKS: gl.constexpr, PACKED: gl.constexpr, PING_PONG: gl.constexpr,
    ONCE: gl.constexpr, ORDER: gl.constexpr, PARTIES: gl.constexpr, SLOTS: gl.constexpr,
    V_SLOTS: gl.constexpr, QUERIES: gl.constexpr, REGISTERS: gl.constexpr,
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
    q_full = gl.allocate_shared_memory(gl.int64, [QUERIES, 1], Barrier())
    q_free = gl.allocate_shared_memory(gl.int64, [QUERIES, 1], Barrier())
    k_full = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    k_free = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    v_full = gl.allocate_shared_memory(gl.int64, [V_SLOTS, 1], Barrier())
    v_free = gl.allocate_shared_memory(gl.int64, [V_SLOTS, 1], Barrier())
    b_full = gl.allocate_shared_memory(gl.int64, [PARTIES, 1], Barrier())
    b_free = gl.allocate_shared_memory(gl.int64, [PARTIES, 1], Barrier())
    if BIAS:
        b_slots = gl.allocate_shared_memory(
            bias.dtype, [PARTIES] + bias.block_type.shape, bias.layout
        )
    else:
        b_slots = q_slots
    for party in gl.static_range(PARTIES):
        mbarrier.init(b_full.index(party), count=1)
        mbarrier.init(b_free.index(party), count=1)
    turns = gl.allocate_shared_memory(gl.int64, [2, 1], Barrier())
    for slot in gl.static_range(QUERIES):
        mbarrier.init(q_full.index(slot), count=1)
        mbarrier.init(q_free.index(slot), count=1)
    for slot in gl.static_range(SLOTS):
        mbarrier.init(k_full.index(slot), count=1)
        mbarrier.init(k_free.index(slot), count=PARTIES)
    for slot in gl.static_range(V_SLOTS):
        mbarrier.init(v_full.index(slot), count=1)
        mbarrier.init(v_free.index(slot), count=PARTIES)
    for party in gl.static_range(2):
        mbarrier.init(turns.index(party), count=1)
    if PING_PONG:
        mbarrier.arrive(turns.index(0), count=1)
    row_tiles = gl.cdiv(m, PARTIES * _ROWS)
    heads = batches * heads_q
    tiles = row_tiles * heads
    if PACKED:
        tiles = gl.load(places) * heads_q
    # Written out: a tuple held in a variable loses its constants.
    if PARTIES == 2:
        gl.warp_specialize(
            [
                (_attend_0, (
                        (q, k, v, o, bias), (out, lse, sinks, slopes, places),
                        (q_slots, k_slots, v_slots, o_slots, b_slots),
                        (q_full, q_free, k_full, k_free, v_full, v_free, b_full, b_free, turns),
                        (tiles, row_tiles, heads, heads_q, group, section, o_head, o_row, width,
                         bias_batches, bias_heads), (m, n, left, right), (scale, squeeze),
                        LEFT, RIGHT, CAPPED, SLOPED, BIAS, SINKS, PACKED, PING_PONG, ONCE, ORDER,
                        PARTIES,
                    )),
                (_attend_1, (
                        (q, k, v, o, bias), (out, lse, sinks, slopes, places),
                        (q_slots, k_slots, v_slots, o_slots, b_slots),
                        (q_full, q_free, k_full, k_free, v_full, v_free, b_full, b_free, turns),
                        (tiles, row_tiles, heads, heads_q, group, section, o_head, o_row, width,
                         bias_batches, bias_heads), (m, n, left, right), (scale, squeeze),
                        LEFT, RIGHT, CAPPED, SLOPED, BIAS, SINKS, PACKED, PING_PONG, ONCE, ORDER,
                        PARTIES,
                    )),
                (_load, (
                        (q, k, v, o, bias), (out, lse, sinks, slopes, places),
                        (q_slots, k_slots, v_slots, o_slots, b_slots),
                        (q_full, q_free, k_full, k_free, v_full, v_free, b_full, b_free, turns),
                        (tiles, row_tiles, heads, heads_q, group, section, o_head, o_row, width,
                         bias_batches, bias_heads), (m, n, left, right), (scale, squeeze),
                        LEFT, RIGHT, CAPPED, SLOPED, BIAS, SINKS, PACKED, PING_PONG, ONCE, ORDER,
                        PARTIES,
                    )),
            ],
            [4, 1], [REGISTERS, 24],
        )  # fmt: skip
    else:
        gl.warp_specialize(
            [
                (_attend_0, (
                        (q, k, v, o, bias), (out, lse, sinks, slopes, places),
                        (q_slots, k_slots, v_slots, o_slots, b_slots),
                        (q_full, q_free, k_full, k_free, v_full, v_free, b_full, b_free, turns),
                        (tiles, row_tiles, heads, heads_q, group, section, o_head, o_row, width,
                         bias_batches, bias_heads), (m, n, left, right), (scale, squeeze),
                        LEFT, RIGHT, CAPPED, SLOPED, BIAS, SINKS, PACKED, PING_PONG, ONCE, ORDER,
                        PARTIES,
                    )),
                (_attend_1, (
                        (q, k, v, o, bias), (out, lse, sinks, slopes, places),
                        (q_slots, k_slots, v_slots, o_slots, b_slots),
                        (q_full, q_free, k_full, k_free, v_full, v_free, b_full, b_free, turns),
                        (tiles, row_tiles, heads, heads_q, group, section, o_head, o_row, width,
                         bias_batches, bias_heads), (m, n, left, right), (scale, squeeze),
                        LEFT, RIGHT, CAPPED, SLOPED, BIAS, SINKS, PACKED, PING_PONG, ONCE, ORDER,
                        PARTIES,
                    )),
                (_attend_2, (
                        (q, k, v, o, bias), (out, lse, sinks, slopes, places),
                        (q_slots, k_slots, v_slots, o_slots, b_slots),
                        (q_full, q_free, k_full, k_free, v_full, v_free, b_full, b_free, turns),
                        (tiles, row_tiles, heads, heads_q, group, section, o_head, o_row, width,
                         bias_batches, bias_heads), (m, n, left, right), (scale, squeeze),
                        LEFT, RIGHT, CAPPED, SLOPED, BIAS, SINKS, PACKED, PING_PONG, ONCE, ORDER,
                        PARTIES,
                    )),
                (_load, (
                        (q, k, v, o, bias), (out, lse, sinks, slopes, places),
                        (q_slots, k_slots, v_slots, o_slots, b_slots),
                        (q_full, q_free, k_full, k_free, v_full, v_free, b_full, b_free, turns),
                        (tiles, row_tiles, heads, heads_q, group, section, o_head, o_row, width,
                         bias_batches, bias_heads), (m, n, left, right), (scale, squeeze),
                        LEFT, RIGHT, CAPPED, SLOPED, BIAS, SINKS, PACKED, PING_PONG, ONCE, ORDER,
                        PARTIES,
                    )),
            ],
            [4, 4, 1], [REGISTERS, REGISTERS, 24],
        )  # fmt: skip


class Tiling(NamedTuple):
    """How the forward divides its work."""

    keys: int
    """Keys of a block."""
    parties: int = 2
    """Warpgroups that attend, 64 rows of queries each."""
    slots: int = 2
    """Blocks of keys in shared memory."""
    v_slots: int = 2
    """Blocks of values, whose slots are given back later."""
    queries: int = 4
    """Slots of 64 rows of queries, or of outputs on their way out."""
    ping_pong: bool = False
    """Whether two warpgroups take turns at the tensor cores."""
    halves: bool = False
    """Whether an output leaves in halves through a slot of its own: its queries' slot is free early
    then, and two of them are enough."""


def tiling(width: int, rows: int, causal: bool) -> Tiling:
    """The tiling for heads of this width, as ``block_width`` gives it, and so many rows.

    As measured on an H200; causal is any bound on the right.
    """
    if width == 64:
        if rows >= (8192 if causal else 2048):
            return Tiling(keys=128, parties=3, slots=3, v_slots=3, queries=6)
        return Tiling(keys=128, slots=4, v_slots=4)
    if width == 128:
        return Tiling(keys=128, v_slots=3)
    return Tiling(keys=64, queries=2, halves=True)


def forward(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *features: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """The output and lse of what ``layout.forward_refuses`` does not refuse."""
    return attend(query, key, value, Features(*features))


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, features: Features,
    tile: Tiling | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """``forward`` in a tiling of one's own."""
    f = features
    layouts = Layout.of(query), Layout.of(key), Layout.of(value)
    beside = tuple(None if x is None else Layout.of(x) for x in f.tensors)
    plan = _plan(layouts, beside, f[len(beside) :], tile)
    out = empty_output(query, value.shape[-1])
    lse = empty_lse(query)
    places = lse
    if f.cu_q is not None and f.cu_k is not None:
        places = packing.places(f.cu_q, f.cu_k, plan.rows, out, lse=lse)
    to = plan.o(out)
    plan.launch(
        plan.q(query), plan.k(key), plan.v(value), to,
        to if f.bias is None else plan.bias(f.bias), out, lse,
        lse if f.sinks is None else f.sinks.contiguous(),
        lse if f.alibi_slopes is None else f.alibi_slopes.contiguous(), places,
    )  # fmt: skip
    return out, lse


class _Plan(NamedTuple):
    """What calls with inputs so laid out have in common."""

    launch: Launch
    rows: int
    """Queries of a tile."""
    q: Descriptor
    k: Descriptor
    v: Descriptor
    o: Descriptor
    bias: Descriptor


@functools.lru_cache(maxsize=4096)
def _plan(
    layouts: tuple[Layout, Layout, Layout], beside: tuple[Layout | None, ...],
    options: tuple[Any, ...], tile: Tiling | None,
) -> _Plan:  # fmt: skip
    f = Features(*(None,) * len(beside), *options)  # type: ignore[arg-type]
    bias, sinks, _, slopes, cu_q, _ = beside
    query, _key, value = layouts
    batches, heads, m, width = query.shape
    _, heads_k, n, width_v = value.shape
    wide, wide_v = block_width(width), block_width(width_v)
    tile = tile or tiling(wide, f.max_q if cu_q else m, f.right != UNBOUNDED)
    if bias:  # its blocks take the room of a third slot of values, or of outputs
        tile = tile._replace(v_slots=min(tile.v_slots, 2 if wide == 128 else 4), halves=False)
    rows = 64 * tile.parties
    tiles = batches * heads * -(-m // rows)
    if cu_q:
        tiles = packing.most_tiles(m, cu_q.shape[0] - 1, rows) * heads
    processors = _compat.device_of(query.device).processors
    wide_o = wide_v // 2 if tile.halves and wide_v == wide else wide_v
    # Without room for the next queries, a block of threads has one tile.
    persistent = wide_o != wide or tile.queries >= 2 * tile.parties
    programs = min(tiles, processors) if persistent else tiles
    order = "heads"
    section = 1
    if f.right != UNBOUNDED:
        order = "sections"
        if cu_q and persistent and tiles >= _TILES_TO_FOLD * programs:
            order = "folded"
        elif not cu_q:
            lengths = hopper_order.blocks(m, n, f.left, f.right, rows, tile.keys)
            nbytes = n * (wide + wide_v) * query.dtype.itemsize
            section = hopper_order.section(
                lengths, batches * heads, heads // heads_k, nbytes, programs
            )
    scale, cap = f.scale, f.soft_cap
    strides = empty_output(query.example(), width_v).stride()
    launch = Launch(
        _forward, programs,
        (
            batches, heads, heads // heads_k, m, n, f.left, f.right, section,
            strides[1], strides[2],
            width_v, *(bias.shape[:2] if bias else (0, 0)), (cap or scale) * _LOG2E,
            scale / cap if cap else 0.0,
        ),
        {
            "LEFT": f.left != UNBOUNDED, "RIGHT": f.right != UNBOUNDED, "CAPPED": bool(cap),
            "SLOPED": len(slopes.shape) if slopes else 0, "BIAS": bias is not None,
            "SINKS": sinks is not None, "PACKED": cu_q is not None,
            "PING_PONG": tile.ping_pong, "ORDER": order,
            "ONCE": not cu_q and hopper_order.cut_once(m, n, f.left, f.right),
            "PARTIES": tile.parties, "SLOTS": tile.slots, "V_SLOTS": tile.v_slots,
            "QUERIES": tile.queries, "REGISTERS": 240 if tile.parties == 2 else 160,
        },
        {"num_warps": 4, "maxnreg": 168 if tile.parties == 2 else 128},
    )  # fmt: skip
    return _Plan(
        launch, rows, Descriptor(64, wide), Descriptor(tile.keys, wide),
        Descriptor(tile.keys, wide_v), Descriptor(64, wide_o), Descriptor(64, tile.keys),
    )  # fmt: skip


class Descriptor:
    """Describes tensors of one layout: what is checked and computed of the first is kept."""

    def __init__(self, rows: int, width: int) -> None:
        self._block = rows, width
        self._facts: dict[str, Any] | None = None

    def __call__(self, x: torch.Tensor) -> Any:
        """That of a tensor of the same layout as the first."""
        if self._facts is None:
            facts = vars(descriptor(x, *self._block))
            self._facts = {name: fact for name, fact in facts.items() if name != "base"}
        described = object.__new__(TensorDescriptor)
        described.__dict__.update(self._facts)
        described.base = x
        return described


def descriptor(x: torch.Tensor, rows: int, width: int) -> Any:
    """Of (batch, heads, length, up to width) in any strides, in blocks of rows of one head."""
    strides = list(x.stride())
    for axis in (2, 1, 0):  # a stride over one element is never used, but has to be a valid one
        if x.shape[axis] == 1:
            strides[axis] = -(-x.shape[axis + 1] * strides[axis + 1] // 64) * 64
    block = [1, 1, rows, width]
    return TensorDescriptor(x, list(x.shape), strides, block, _shared_layout(rows, width, x.dtype))


@functools.cache
def _shared_layout(rows: int, width: int, dtype: torch.dtype) -> Any:
    element = {torch.float16: gl.float16, torch.bfloat16: gl.bfloat16}[dtype]
    return gl.NVMMASharedLayout.get_default_for([1, 1, rows, width], element)
