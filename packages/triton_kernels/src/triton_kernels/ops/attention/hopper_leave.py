"""How outputs and their lse leave in the forward on Hopper."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import math

from triton_kernels._gluon import fence_async_shared, gl, gluon, mbarrier, store_async, store_wait
from triton_kernels.ops.attention.hopper_scores import ROWS, anchor_of

_LN2 = gl.constexpr(math.log(2))
_LEAST = gl.constexpr(2.0**-60)
_MOST = gl.constexpr(2.0**100)
_TANH_1 = gl.constexpr(math.tanh(1.0))


@gluon.jit
def _in_pieces(x, o, slot, batch, head, row):
    """Through a slot as wide as an output or half as wide, as soon as the one before has left."""
    PIECE: gl.constexpr = slot.shape[3]
    store_wait(0)
    if x.shape[1] == PIECE:
        slot.reshape([ROWS, PIECE]).store(x)
        fence_async_shared()
        store_async(o, [batch, head, row, 0], slot)
    else:
        halves = gl.split(x.reshape([ROWS, 2, PIECE]).permute((0, 2, 1)))
        slot.reshape([ROWS, PIECE]).store(halves[0])
        fence_async_shared()
        store_async(o, [batch, head, row, 0], slot)
        store_wait(0)
        slot.reshape([ROWS, PIECE]).store(halves[1])
        fence_async_shared()
        store_async(o, [batch, head, row, PIECE], slot)


@gluon.jit
def leave(sums, top, total, place, q_slot, call, PARTY: gl.constexpr):
    """The output, sums over their total, and the lse of a warpgroup's rows; which of them strayed.

    ``place`` is head, first row, where the sequence begins and how many rows it has, the slope.
    """
    head, row, first_q, m, slope = place
    _, _, _, o, _, _ = call.descriptors
    q_slots, _, _, o_slots, _ = call.slots
    _, q_free, _, _, _, _, _, _, _, _ = call.signals
    _, _, _, heads_q, _, _, o_head, o_row, width, _, _, _, _ = call.work
    out, lse, _, _, _, _, _, _, _ = call.beside
    rows_q, _, _, _ = call.edges
    PACKED: gl.constexpr = call.PACKED
    QUERIES: gl.constexpr = q_slots.shape[0]
    OWN: gl.constexpr = o_slots.shape[4] != q_slots.shape[4]
    WIDTH: gl.constexpr = sums.shape[1]
    S: gl.constexpr = total.type.layout
    OUT: gl.constexpr = sums.type.layout
    share = gl.where(total == 0.0, 0.0, call.extras[4] / total)
    sums = sums * gl.convert_layout(share, gl.SliceLayout(1, OUT))[:, None]
    head_q = head % heads_q
    batch = 0 if PACKED else head // heads_q
    if PACKED and row + ROWS > m:  # what lies behind a sequence is the next one's
        line = row + gl.arange(0, ROWS, gl.SliceLayout(1, OUT))
        column = gl.arange(0, WIDTH, gl.SliceLayout(0, OUT))[None, :]
        to = out + head_q.to(gl.int64) * o_head
        to += (first_q + line).to(gl.int64)[:, None] * o_row + column
        gl.store(to, sums.to(o.dtype), mask=(line < m)[:, None] & (column < width))
    elif OWN:
        _in_pieces(sums.to(o.dtype), o, o_slots.index(PARTY), batch, head_q, first_q + row)
    else:
        o_slot = o_slots.index(q_slot)
        o_slot.reshape([ROWS, WIDTH]).store(sums.to(o.dtype))
        fence_async_shared()
        store_async(o, [batch, head_q, first_q + row, 0], o_slot)
    if QUERIES < 2 * call.PARTIES and not OWN:
        store_wait(0)
        mbarrier.arrive(q_free.index(q_slot), count=1)
    rows = row + gl.arange(0, ROWS, S)
    base = anchor_of(top, call) if call.ANCHORED else top
    value = base + gl.log2(total)
    if call.SLOPED and not call.AFTER:
        line_in_tile = gl.arange(0, ROWS, S).to(gl.float32)
        value -= line_in_tile * (slope * call.scales[0])
    value *= _LN2
    line = head_q if PACKED else head
    gl.store(lse + line.to(gl.int64) * rows_q + first_q + rows, value, mask=rows < m)
    if call.ANCHORED:  # the first block's maximum was too small: sums beyond bounds, or no numbers
        good = gl.convert_layout(gl.sum(sums * 0.0, 1), S) == 0.0
        most = _MOST
        if call.BENT:  # a larger sum may have scores above the cap; a smaller, of those below -cap,
            most = gl.minimum(most, gl.exp2(call.scales[0] * _TANH_1))  # a 2,000th and more
            seen = call.edges[1]
            if call.RIGHT and not PACKED:
                seen = gl.minimum(seen, rows + seen - rows_q + call.edges[3] + 1)
            good = good & (total * most > 2048.0 * seen)
        if call.HIDES:  # what a row has seen before its anchor may be missing beside so little
            good = good & ((total > _LEAST) | (top == -float("inf")))
        good = good & (total < most)
        return (rows < m).to(gl.int32) & (good.to(gl.int32) ^ 1)
    else:
        return gl.zeros([ROWS], gl.int32, S)
