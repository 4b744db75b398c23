"""Scores of the forward on Hopper: what belongs to them, their maximum, their weights and sums."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import math

from triton_kernels._gluon import fence_async_shared, gl, gluon, mbarrier, warpgroup_mma
from triton_kernels.ops.attention.hopper_axes import along
from triton_kernels.ops.attention.hopper_dropout import dropped, random_words
from triton_kernels.ops.attention.hopper_parts import tanh
from triton_kernels.ops.attention.hopper_tiles import mask_line

ROWS = gl.constexpr(64)
"""Rows of queries that one warpgroup attends with."""
LOG2_E = gl.constexpr(1 / math.log(2))
_LEAST_ANCHOR = gl.constexpr(-32.0)
"""Where what a row sees first lies far below what it may see later: numbers 2^100 above it are."""
_UNSEEN = gl.constexpr(-190.0)
"""Scores below it have weights of 0 by that anchor: a row that has seen no others has none yet."""


@gluon.jit
def queries_kept(q_slots, q_slot, KEPT: gl.constexpr, S: gl.constexpr):
    """The first columns of queries, in registers (or nothing): a product reads both its operands
    from shared memory at the rate that it multiplies 64 keys at, and copies come on top."""
    if KEPT:
        rows = q_slots.index(q_slot).reshape([ROWS, q_slots.shape[4]])
        return rows.slice(0, KEPT, 1).load(gl.DotOperandLayout(0, S, 2))
    else:
        return 0


@gluon.jit
def scores_of(kept, q_slots, q_slot, k_slots, k_slot, zeros, KEPT: gl.constexpr):
    """q·kᵀ of one slot each, begun, from ``queries_kept`` on; ``zeros`` lends its layout."""
    q = q_slots.index(q_slot).reshape([ROWS, q_slots.shape[4]])
    k = k_slots.index(k_slot).reshape([k_slots.shape[3], k_slots.shape[4]])
    if KEPT:
        k_part = k.slice(0, KEPT, 1).permute((1, 0))
        scores = warpgroup_mma(kept, k_part, zeros, use_acc=False, is_async=True)
        for part in gl.static_range(1, q_slots.shape[4] // KEPT):
            q_part = q.slice(part * KEPT, KEPT, 1)
            k_part = k.slice(part * KEPT, KEPT, 1).permute((1, 0))
            scores = warpgroup_mma(q_part, k_part, scores, is_async=True)
        return scores
    else:
        return warpgroup_mma(q, k.permute((1, 0)), zeros, use_acc=False, is_async=True)


@gluon.jit
def add_values(p, v_slots, v_slot, sums):
    """sums + p·v, begun."""
    v = v_slots.index(v_slot).reshape([v_slots.shape[3], v_slots.shape[4]])
    return warpgroup_mma(p, v, sums, is_async=True)


@gluon.jit
def _masked(s, row, key, edges, call, FIRST: gl.constexpr):
    """Scores of rows from ``row`` and keys from ``key`` on, -inf where the row ends or begins."""
    layout: gl.constexpr = s.type.layout
    m, n, left, right = edges
    column = gl.arange(0, s.shape[1], gl.SliceLayout(0, layout))[None, :]
    place = row + n - m - key + gl.arange(0, s.shape[0], gl.SliceLayout(1, layout))
    if call.ONCE and not FIRST:
        return gl.where(column >= (place - left)[:, None], s, -float("inf"))
    end = gl.full([s.shape[0]], 0, gl.int32, gl.SliceLayout(1, layout)) + (n - key)
    if call.RIGHT:
        end = gl.minimum(end, place + right + 1)
    keep = column < end[:, None]
    if call.LEFT:
        keep = keep & (column >= (place - left)[:, None])
    return gl.where(keep, s, -float("inf"))


@gluon.jit
def _sloped(s, slope, row, key, edges, AFTER: gl.constexpr):
    """Scores less their distance times the slope; less a number of each row if no key is AFTER.

    Keys are counted from the first row's own, so that the numbers near it are small.
    """
    m, n, _, _ = edges
    parts = s.reshape([s.shape[0], s.shape[1] // 8, 8])
    layout: gl.constexpr = parts.type.layout
    start = (key - (row + n - m)).to(gl.float32) * slope
    lane = along(8, 2, 3, layout).to(gl.float32) * slope + start
    keys = along(s.shape[1] // 8, 1, 3, layout).to(gl.float32) * (8 * slope) + lane
    if AFTER:
        rows = along(s.shape[0], 0, 3, layout).to(gl.float32) * slope
        parts = parts - gl.abs(rows - keys)
    else:
        parts = parts + keys
    return gl.convert_layout(parts.reshape(s.shape), s.type.layout)


@gluon.jit
def _wide(bias):
    """bfloat16 pairs in one instruction each, others as the compiler will."""
    if bias.dtype == gl.bfloat16:
        return gl.inline_asm_elementwise(
            "shl.b32 $0, $2, 16; and.b32 $1, $2, 0xffff0000;", "=&r,=&r,r", [bias],
            dtype=gl.float32, is_pure=True, pack=2,
        )  # fmt: skip
    else:
        return bias.to(gl.float32)


@gluon.jit
def _highest(s, like):
    """The maximum of rows, in chains that do not wait for each other."""
    parts = s.reshape([s.shape[0], s.shape[1] // 32, 4, 4, 2])
    by_thread = gl.max(gl.max(gl.max(parts, 4), 2), 1)
    return gl.convert_layout(gl.max(by_thread, 1), like.type.layout)


@gluon.jit
def settle(positive):
    """What stands before is done before what stands behind begins: the assembler moves nothing
    over a branch, and does not know that this one is never taken."""
    gl.inline_asm_elementwise(
        """{
        .reg .pred never;
        SETTLE${:uid}:
        setp.eq.s32 never, $1, 0;
        @never nanosleep.u32 32;
        @never bra SETTLE${:uid};
        mov.u32 $0, $1;
        }""",
        "=r,r", [positive], dtype=gl.int32, is_pure=False, pack=1,
    )  # fmt: skip


@gluon.jit
def _hidden(s, words):
    """-inf where a bit is 0."""
    parts = s.reshape([s.shape[0], s.shape[1] // 8, 4, 2])
    layout: gl.constexpr = parts.type.layout
    bit = 2 * along(s.shape[1] // 8, 1, 4, layout) + along(2, 3, 4, layout)
    words = gl.expand_dims(gl.expand_dims(words, 1), 3)
    parts = gl.where((words >> bit) & 1 != 0, parts, -float("inf"))
    return gl.convert_layout(parts.reshape(s.shape), s.type.layout)


@gluon.jit
def mask_words(like, place, call):
    """(rows, 4): of each thread the bits of its keys of a block, two for each chunk of 8.

    ``place`` is head, first row and key of the block, the edges of its sequence, where that begins,
    the slope, and the step.
    """
    _, _, mask_rows, _, _, _, _ = call.extras
    head, row, key, edges, _, _, _ = place
    m, n, _, _ = edges
    layout: gl.constexpr = like.reshape([like.shape[0], like.shape[1] // 8, 4, 2]).type.layout
    WORDS: gl.constexpr = gl.SliceLayout(1, gl.SliceLayout(3, layout))
    line = gl.minimum(row + along(like.shape[0], 0, 2, WORDS), gl.minimum(m, mask_rows) - 1)
    blocks = gl.cdiv(n, 128)
    start = call.beside[6] + mask_line(head, call).to(gl.int64) * mask_rows * (blocks * 4)
    words = gl.load(start + (line * blocks + key // 128) * 4 + along(4, 1, 2, WORDS))
    if like.shape[1] == 64:  # half a word
        words = words >> (key % 128 // 4)
    return words


@gluon.jit
def peak(
    s, words, top, hidden, cut, place, call, PARTY: gl.constexpr, FIRST: gl.constexpr
):  # fmt: skip
    """Scores with what belongs to them, their new maximum (scaled), what they are scaled by."""
    _, row, key, edges, _, slope, step = place
    scale, squeeze = call.scales
    if call.CAPPED and not call.BENT:
        s = tanh(s * squeeze)
    if call.SLOPED:
        s = _sloped(s, slope, row, key, edges, call.AFTER)
    if call.BIAS:
        _, _, _, _, b_slots = call.slots
        _, _, _, _, _, _, b_full, b_free, _, _ = call.signals
        mbarrier.wait(b_full.index(PARTY), step & 1)
        bias = b_slots.index(PARTY).reshape([s.shape[0], s.shape[1]]).load(s.type.layout)
        fence_async_shared()  # what is loaded into the slot next comes by another way
        mbarrier.arrive(b_free.index(PARTY), count=1)
        s = s + _wide(bias) * (LOG2_E / scale)
    if call.MASKED:  # noqa: SIM102 (known when compiled; the next when run)
        if hidden:
            s = _hidden(s, words)
    if cut:
        s = _masked(s, row, key, edges, call, FIRST)
    if call.BOUNDED or (call.ANCHORED and not FIRST):
        return s, top, scale
    highest = _highest(s, top) if call.AHEAD else gl.max(s, 1)
    return s, gl.maximum(top, highest * scale), scale


@gluon.jit
def any_unseen(top):
    """Whether a row has seen nothing that would be an anchor."""
    return gl.max((top < _UNSEEN).to(gl.int32), 0)


@gluon.jit
def found_later(s, top, scale):
    """Maxima, of rows without an anchor with these scores; whether any still has none."""
    top = gl.where(top < _UNSEEN, gl.maximum(top, _highest(s, top) * scale), top)
    return top, any_unseen(top)


@gluon.jit
def anchor_of(top, call):
    """What is taken off the scores of a row whose maximum serves for all of its blocks."""
    return gl.maximum(top, _LEAST_ANCHOR) if call.HIDES else top


@gluon.jit
def _multiplied_exp2(x):
    """2^x without the special-function unit, to 7e-5 of it, for -126 < x < 127."""
    whole = x + 12582912.0  # 1.5·2^23: the last bits of the sum are the nearest integer
    part = x - (whole - 12582912.0)
    y = 0.05517166907486297 * part + 0.24261112219433045
    y = y * part + 0.6932609854573364
    y = y * part + 0.9999280735404956
    bits = y.to(gl.int32, bitcast=True) + (whole.to(gl.int32, bitcast=True) << 23)
    return bits.to(gl.float32, bitcast=True)


@gluon.jit
def _bent(s, scale, squeeze):
    """scale·tanh(squeeze·s) to 1.4e-3 of it, 8e-4 below half of the cap, and 5e-4 near 0.

    Where squeeze·s is beyond 1 it grows on instead of bending.
    """
    square = squeeze * squeeze
    slope = scale * squeeze
    t = s * s
    y = t * (0.0816972964 * slope * square * square) - 0.318575185 * slope * square
    return s * (t * y + 0.99953423 * slope)


@gluon.jit
def weights_of(s, top, new, scale, cut, call, BLIND: gl.constexpr, FIRST: gl.constexpr):
    """exp2(scale·s - new maximum), and the factor of what was summed before."""
    if call.BENT:
        return gl.exp2(_bent(s, scale, call.scales[1])), top
    if call.BOUNDED:
        x = s * scale
        weights = gl.exp2(x)
        if call.SHARED:  # noqa: SIM102
            if not cut:  # -inf is for the special-function unit
                parts = x.reshape([x.shape[0], x.shape[1] // 16, 2, 8])
                layout: gl.constexpr = parts.type.layout
                both = gl.where(
                    along(2, 2, 4, layout) == 0, _multiplied_exp2(parts), gl.exp2(parts)
                )
                weights = gl.convert_layout(both.reshape(x.shape), x.type.layout)
        return weights, top
    if call.ANCHORED and not FIRST:
        return gl.exp2(s * scale - anchor_of(new, call)[:, None]), top
    base = new
    if call.ANCHORED and call.HIDES:
        base = anchor_of(new, call)
    elif BLIND:  # a row that has seen no key yet has no maximum
        base = gl.where(new == -float("inf"), 0.0, new)
    return gl.exp2(s * scale - base[:, None]), gl.exp2(top - base)


@gluon.jit
def after_dropout(p, place, call):
    """Weights in 16 bits, of which dropout has made some zero."""
    head, row, key, _, first_q, _, _ = place
    _, _, _, threshold, _, seed, seed_high = call.extras
    _, _, _, heads_q, _, _, _, _, _, _, _, _, _ = call.work
    rows_q, _, _, _ = call.edges
    line = head % heads_q if call.PACKED else head
    first = line.to(gl.int64) * rows_q + first_q
    return dropped(p, random_words(p, first, row, key, seed, seed_high), threshold)


@gluon.jit
def sums_by_thread(weights):
    """(rows, 4): what each of the four threads of a row holds; they are summed up at the end."""
    parts = weights.reshape([weights.shape[0], weights.shape[1] // 8, 4, 2])
    return gl.sum(gl.sum(parts, 3), 1)


@gluon.jit
def sums_of_rounded(weights):
    """``sums_by_thread`` of weights as products with values take them, in bfloat16."""
    rounded = gl.inline_asm_elementwise(
        "{.reg .b32 t; cvt.rn.bf16x2.f32 t, $3, $2; shl.b32 $0, t, 16; and.b32 $1, t, 0xffff0000;}",
        "=&r,=&r,r,r", [weights], dtype=gl.float32, is_pure=True, pack=2,
    )  # fmt: skip
    return sums_by_thread(rounded)


@gluon.jit
def by_thread(x, like):
    """A row's number beside each of its four sums."""
    return gl.convert_layout(x, gl.SliceLayout(1, like.type.layout))[:, None]
