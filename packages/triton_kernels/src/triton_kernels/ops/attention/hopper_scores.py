"""Scores of the forward on Hopper: what belongs to them, their maximum, their weights and sums."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import math

from triton_kernels._gluon import fence_async_shared, gl, gluon, mbarrier, warpgroup_mma
from triton_kernels.ops.attention.hopper_parts import tanh

ROWS = gl.constexpr(64)
"""Rows of queries that one warpgroup attends with."""
LOG2_E = gl.constexpr(1 / math.log(2))


@gluon.jit
def scores_of(q_slots, q_slot, k_slots, k_slot, zeros):
    """q·kᵀ of one slot each, begun; ``zeros`` lends its layout."""
    q = q_slots.index(q_slot).reshape([ROWS, q_slots.shape[4]])
    k = k_slots.index(k_slot).reshape([k_slots.shape[3], k_slots.shape[4]]).permute((1, 0))
    return warpgroup_mma(q, k, zeros, use_acc=False, is_async=True)


@gluon.jit
def add_values(p, v_slots, v_slot, sums):
    """sums + p·v, begun."""
    v = v_slots.index(v_slot).reshape([v_slots.shape[3], v_slots.shape[4]])
    return warpgroup_mma(p, v, sums, is_async=True)


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
def peak(s, top, cut, row, key, edges, slope, step, call, PARTY: gl.constexpr):
    """Scores with what belongs to them, their new maximum (scaled), what they are scaled by."""
    scale, squeeze = call.scales
    if call.CAPPED:
        s = tanh(s * squeeze)
    if call.SLOPED:
        s = s * scale - _distances(s, row, key, edges) * slope
        scale = 1.0
    if call.BIAS:
        _, _, _, _, b_slots = call.slots
        _, _, _, _, _, _, b_full, b_free, _ = call.signals
        mbarrier.wait(b_full.index(PARTY), step & 1)
        bias = b_slots.index(PARTY).reshape([s.shape[0], s.shape[1]]).load(s.type.layout)
        fence_async_shared()  # what is loaded into the slot next comes by another way
        mbarrier.arrive(b_free.index(PARTY), count=1)
        s = s * scale + bias.to(gl.float32) * LOG2_E
        scale = 1.0
    if cut:
        s = _masked(s, row, key, edges, call.LEFT, call.RIGHT)
    return s, gl.maximum(top, gl.max(s, 1) * scale), scale


@gluon.jit
def weights_of(s, top, new, scale, BLIND: gl.constexpr):
    """exp2(scale·s - new maximum), and the factor of what was summed before."""
    base = new
    if BLIND:  # a row that has seen no key yet has no maximum
        base = gl.where(new == -float("inf"), 0.0, new)
    return gl.exp2(s * scale - base[:, None]), gl.exp2(top - base)


@gluon.jit
def sums_by_thread(weights):
    """(rows, 4): what each of the four threads of a row holds; they are summed up at the end."""
    parts = weights.reshape([weights.shape[0], weights.shape[1] // 8, 4, 2])
    return gl.sum(gl.sum(parts, 3), 1)


@gluon.jit
def by_thread(x, like):
    """A row's number beside each of its four sums."""
    return gl.convert_layout(x, gl.SliceLayout(1, like.type.layout))[:, None]
