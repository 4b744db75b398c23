"""What a warpgroup of the forward on Hopper does with a block of keys, first or later in a tile."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._gluon import gl, gluon, mbarrier, warpgroup_mma_wait
from triton_kernels.ops.attention.hopper_scores import (
    LOG2_E,
    ROWS,
    add_values,
    after_dropout,
    any_unseen,
    by_thread,
    found_later,
    mask_words,
    peak,
    scores_of,
    settle,
    sums_by_thread,
    sums_of_rounded,
    weights_of,
)
from triton_kernels.ops.attention.hopper_tiles import uncut


@gluon.jit
def next_slot(slot, phase, SLOTS: gl.constexpr):
    """The slot after this one, and the phase that its barriers end next."""
    over = slot == SLOTS - 1
    return gl.where(over, 0, slot + 1), gl.where(over, phase ^ 1, phase)


@gluon.jit
def slope_of(head, call):
    """ALiBi's slope of a head, in units of the scores before they are scaled."""
    slope = 0.0
    if call.SLOPED:
        _, _, _, slopes, _, _, _, _, _ = call.beside
        _, _, _, heads_q, _, _, _, _, _, _, _, _, _ = call.work
        at = head % heads_q if call.SLOPED == 1 else head
        slope = gl.load(slopes + at) * (LOG2_E / call.scales[0])
    return slope


@gluon.jit
def _lowest(head, slope, call, ALONG_ROWS: gl.constexpr):
    """The maxima that a tile begins with, before it has seen any score."""
    top = gl.full([ROWS], -float("inf"), gl.float32, ALONG_ROWS)
    if call.BOUNDED:
        top = gl.zeros_like(top)
    if call.SINKS:
        _, _, sinks, _, _, _, _, _, _ = call.beside
        _, _, _, heads_q, _, _, _, _, _, _, _, _, _ = call.work
        top = gl.zeros_like(top) + gl.load(sinks + head % heads_q).to(gl.float32) * LOG2_E
        if call.SLOPED and not call.AFTER:
            line_in_tile = gl.arange(0, ROWS, ALONG_ROWS).to(gl.float32)
            top += line_in_tile * (slope * call.scales[0])
    return top


@gluon.jit
def _ready(scores, kept, BEHIND: gl.constexpr, KEPT: gl.constexpr):
    """Scores, when all products but so many that were asked for behind them are done."""
    if KEPT:
        s, kept = warpgroup_mma_wait(BEHIND, (scores, kept))
    else:
        s = warpgroup_mma_wait(BEHIND, (scores,))
    return s, kept


@gluon.jit
def _operand(weights, place, call, P: gl.constexpr):
    """Weights as a product with values takes them."""
    _, _, v, _, _, _ = call.descriptors
    halves = weights.to(v.dtype)
    if call.DROPS:
        halves = after_dropout(halves, place, call)
    return gl.convert_layout(halves, P)


@gluon.jit
def first_weights(
    scores, kept, place, block, hidden, slots, only, zeros, call,
    PARTY: gl.constexpr, BLIND: gl.constexpr, P: gl.constexpr,
):  # fmt: skip
    """A tile's first block: its weights, their maxima, whether any is still sought, and sums; what
    ``uncut`` says of the tile; queries kept, and the next slot.

    ``only``: no block follows.
    """
    q_slot, k_slot, k_phase = slots
    head, row, _, own, _, slope, _ = place
    q_slots, k_slots, _, o_slots, _ = call.slots
    _, q_free, _, k_free, _, _, _, _, _, _ = call.signals
    S: gl.constexpr = zeros.type.layout
    words = 0
    if call.MASKED:
        words = mask_words(zeros, place, call)
    s, kept = _ready(scores, kept, 0, call.KEPT)
    mbarrier.arrive(k_free.index(k_slot), count=1)
    k_slot, k_phase = next_slot(k_slot, k_phase, k_slots.shape[0])
    if o_slots.shape[4] != q_slots.shape[4]:  # noqa: SIM102 (known when compiled; the next when run)
        if only:
            mbarrier.arrive(q_free.index(q_slot), count=1)
    inside, whole = uncut(row, row + ROWS, own, k_slots.shape[3], call.LEFT, call.RIGHT)
    top = _lowest(head, slope, call, gl.SliceLayout(1, S))
    cut = (block >= whole) | (block < inside)
    s, new, scale = peak(s, words, top, hidden, cut, place, call, PARTY, True)
    weights, fade = weights_of(s, top, new, scale, cut, call, BLIND, True)
    top = new
    unseen = 0
    if call.ANCHORED:
        if call.HIDES:
            unseen = any_unseen(top)
        else:  # a row that sees no key in its last block sees none
            top = gl.where(new == -float("inf"), 0.0, new)
    # As below, but in each tile: behind a branch the assembler orders the loop anew.
    total = sums_of_rounded(weights) if call.BENT else sums_by_thread(weights)
    if call.BOUNDED and not call.BENT:  # noqa: SIM102 (known when compiled; the next when run)
        if only:  # of few keys, none of weight 1: the divisor of p·v is rounded as p is
            total = sums_of_rounded(weights)
    if call.SINKS:  # the sink's own weight of 1, a quarter in each
        total += 0.25 * by_thread(fade, total)
    p = _operand(weights, place, call, P)
    return p, top, unseen, total, (inside, whole), kept, k_slot, k_phase


@gluon.jit
def next_weights(
    p, sums, top, unseen, total, kept, place, cut_by, block, hidden, slots, final, zeros, call,
    PARTY: gl.constexpr, BLIND: gl.constexpr,
):  # fmt: skip
    """Scores of a block beside p·v of the one before it, and its weights.

    ``cut_by`` is what ``uncut`` says, ``final`` whether no block follows, ``unseen`` whether rows
    have no anchor yet.
    """
    q_slot, k_slot, k_phase, v_slot, v_phase = slots
    inside, whole = cut_by
    _, _, _, _, _, _, step = place
    q_slots, k_slots, v_slots, o_slots, _ = call.slots
    _, q_free, k_full, k_free, v_full, v_free, _, _, turns, _ = call.signals
    _, _, _, heads_q, _, _, _, _, _, _, _, _, _ = call.work
    P: gl.constexpr = p.type.layout
    OUT: gl.constexpr = sums.type.layout
    RESCALED: gl.constexpr = not (call.BOUNDED or call.ANCHORED)
    OFTEN_CUT: gl.constexpr = call.RIGHT and not call.ONCE
    mbarrier.wait(k_full.index(k_slot), k_phase)
    if call.PING_PONG:
        mbarrier.wait(turns.index(PARTY), step - 1 & 1)
    scores = scores_of(kept, q_slots, q_slot, k_slots, k_slot, zeros, call.KEPT)
    mbarrier.wait(v_full.index(v_slot), v_phase)
    adding = add_values(p, v_slots, v_slot, sums)
    v_next, v_next_phase = next_slot(v_slot, v_phase, v_slots.shape[0])
    k_next, k_next_phase = next_slot(k_slot, k_phase, k_slots.shape[0])
    if call.PING_PONG:
        mbarrier.arrive(turns.index(1 - PARTY), count=1)
    words = 0
    if call.MASKED:
        words = mask_words(zeros, place, call)
    s, kept = _ready(scores, kept, 1, call.KEPT)
    mbarrier.arrive(k_free.index(k_slot), count=1)
    cut = False
    if OFTEN_CUT:
        cut = block >= whole
    if call.LEFT:
        cut = cut | (block < inside)
    s, new, scale = peak(s, words, top, hidden, cut, place, call, PARTY, False)
    if call.ANCHORED and call.HIDES:  # noqa: SIM102 (known when compiled; the next when run)
        if unseen != 0:
            new, unseen = found_later(s, new, scale)
    if call.CAPPED:  # its weights take longer than the other's products
        weights, fade = weights_of(s, top, new, scale, cut, call, BLIND, False)
    if call.LEFT or OFTEN_CUT or call.CAPPED:
        # The branches of a wait keep the assembler from moving the next one up before them.
        mbarrier.wait(v_full.index(v_next), v_next_phase)
    if o_slots.shape[4] != q_slots.shape[4]:  # noqa: SIM102 (known when compiled; the next when run)
        if final:
            mbarrier.arrive(q_free.index(q_slot), count=1)
    # Waited for between maximum and exponentials: the other party's products run meanwhile,
    # and this one's weights can take the registers of p.
    if call.AHEAD:
        settle(heads_q)
    sums, _spent = warpgroup_mma_wait(0, (adding, p))
    mbarrier.arrive(v_free.index(v_slot), count=1)
    if not call.CAPPED:
        weights, fade = weights_of(s, top, new, scale, cut, call, BLIND, False)
    if RESCALED:
        total = total * by_thread(fade, total) + sums_by_thread(weights)
    else:
        total += sums_by_thread(weights)
    p = _operand(weights, place, call, P)
    if RESCALED:
        sums = sums * gl.convert_layout(fade, gl.SliceLayout(1, OUT))[:, None]
    return p, sums, new, unseen, total, kept, k_next, k_next_phase, v_next, v_next_phase
