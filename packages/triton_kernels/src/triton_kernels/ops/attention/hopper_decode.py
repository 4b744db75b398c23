"""Decoding over few and short caches on Hopper in Gluon: where a launch takes as long as the bytes.

A processor has at most 512 keys of one head. Their tiles come through a ring of slots in shared
memory, all keys first, then all values, so that the weights are made once, of all scores::

    scores  (keys, rows)    = tile of keys (keys, 128) · queriesᵀ         in registers, 8 tiles
    output  (columns, rows) += tile of valuesᵀ (128, keys) · weights (keys, rows)

Products are crosswise, as in ``hopper_latent_few``: keys fill the tensor cores' 64 rows. A program
takes less than half of a processor, and lets the next kernels start as soon as it has asked for its
first tiles: the programs of the call behind stand ready when the merge of this one has ended.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import torch

from triton_kernels._compat import Launch, Layout, tl
from triton_kernels._gluon import (
    Barrier,
    fence_async_shared,
    gl,
    gluon,
    load_async,
    mbarrier,
    thread_barrier,
    warpgroup_mma,
    warpgroup_mma_wait,
)
from triton_kernels.ops.attention import decode_portable, layout
from triton_kernels.ops.attention.hopper_forward import descriptor
from triton_kernels.ops.attention.hopper_latent_parts import fetch_query
from triton_kernels.ops.attention.hopper_parts import matrix

KEYS, _SIZE = (gl.constexpr(x) for x in (layout.DECODE_TILE, layout.DECODE_SIZE))
_LN2 = gl.constexpr(math.log(2))
_SIZES = ("key_heads", "group", "tokens", "capacity", "splits", "batches")
"""Parameters that a kernel is not compiled anew for."""


@gluon.jit
def _ask(
    keys, values, full, slots, place, n, tiles, SLOTS: gl.constexpr, EXPECTED: gl.constexpr = False
):
    """Starts load n: tiles of keys, then as many of values."""
    batch, head, start = place
    slot = n % SLOTS
    if n < 2 * tiles:
        if not EXPECTED:
            mbarrier.expect(full.index(slot), keys.block_type.nbytes)
        if n < tiles:
            key = start + n * KEYS
            load_async(keys, [batch, head, key, 0], full.index(slot), slots.index(slot))
        else:
            key = start + (n - tiles) * KEYS
            load_async(values, [batch, head, key, 0], full.index(slot), slots.index(slot))


@gluon.jit
def _clear(tile, valid):
    """Zeros for a tile's rows from ``valid`` on: beyond a sequence the cache may hold anything."""
    lanes: gl.constexpr = gl.BlockedLayout([1, 8], [2, 16], [4, 1], [1, 0])
    row = gl.arange(0, KEYS, gl.SliceLayout(1, lanes))[:, None]
    x = tile.load(lanes)
    tile.store(gl.where(row < valid, x, 0.0).to(x.dtype))
    fence_async_shared()
    thread_barrier()


@gluon.jit
def _weigh(scores, scale, p_slots, TILES: gl.constexpr):
    """Leaves the weights in shared memory; their sums, and the scores' maxima, of each row."""
    top = scores[0]
    for i in gl.static_range(1, TILES):
        top = gl.maximum(top, scores[i])
    base = gl.max(top, 0) * scale
    base = gl.where(base == -float("inf"), 0.0, base)
    added = gl.zeros_like(top)
    for i in gl.static_range(TILES):
        weights = gl.exp2(scores[i] * scale - base[None, :])
        added += weights
        p_slots.index(i).permute((1, 0)).store(weights.to(p_slots.dtype))
    fence_async_shared()
    thread_barrier()
    return gl.sum(added, 0), base


@gluon.jit(do_not_specialize=_SIZES)
def share(
    q, keys, values, output, lse, lengths,
    key_heads, group, tokens, capacity, splits, batches, q_batch, q_head, q_token, scale,
    TILES: gl.constexpr, SLOTS: gl.constexpr, ROWS: gl.constexpr, EVEN: gl.constexpr,
):  # fmt: skip
    """Descriptors of keys and values: blocks (1, 1, 64, 128). EVEN: all programs have TILES tiles,
    of which every row sees all keys."""
    # ruff: noqa: RUF005 (Gluon unpacks no lists)
    dtype: gl.constexpr = keys.dtype
    split = gl.program_id(0) % splits
    head = gl.program_id(0) // splits % key_heads
    batch = gl.program_id(0) // splits // key_heads
    slots = gl.allocate_shared_memory(dtype, [SLOTS] + keys.block_type.shape, keys.layout)
    full = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    for each in gl.static_range(SLOTS):
        mbarrier.init(full.index(each), count=1)
    fence_async_shared()
    thread_barrier()
    if EVEN:
        for each in gl.static_range(SLOTS):
            mbarrier.expect(full.index(each), keys.block_type.nbytes)

    tl.extra.cuda.gdc_wait()  # the kernel before has ended: this one may have started early
    held = capacity
    if lengths is not None:
        held = gl.load(lengths + batch)
    part = gl.cdiv(gl.cdiv(held, splits), KEYS) * KEYS
    place = (batch, head, split * part)
    rest = gl.maximum(gl.minimum(held - split * part, part), 0)  # keys of this program
    tiles = gl.cdiv(rest, KEYS)
    if EVEN:
        tiles = gl.to_tensor(TILES)
    for n in gl.static_range(SLOTS):
        _ask(keys, values, full, slots, place, n, tiles, SLOTS, EVEN)
    tl.extra.cuda.gdc_launch_dependents()
    q += batch.to(gl.int64) * q_batch + (head * group).to(gl.int64) * q_head
    q_slot = fetch_query((q, q_head, q_token), 0, tokens, group, ROWS, 0, _SIZE)
    p_layout: gl.constexpr = gl.NVMMASharedLayout.get_default_for([ROWS, KEYS], dtype)
    p_slots = gl.allocate_shared_memory(dtype, [TILES, ROWS, KEYS], p_layout)
    fence_async_shared()
    thread_barrier()

    S: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, ROWS, 16])
    BY_ROW: gl.constexpr = gl.SliceLayout(0, S)
    row = gl.arange(0, ROWS, BY_ROW)
    # How many keys of this program a row sees.
    seen = gl.minimum(held - tokens + 1 + row % tokens - split * part, rest)
    line = gl.arange(0, KEYS, gl.SliceLayout(1, S))[:, None]
    scores = ()
    for i in gl.static_range(TILES):
        s = gl.full([KEYS, ROWS], -float("inf"), gl.float32, S)
        if EVEN or i < tiles:
            mbarrier.wait(full.index(i % SLOTS), i // SLOTS & 1)
            k = matrix(slots, i % SLOTS)
            s = warpgroup_mma(k, q_slot.permute((1, 0)), s, use_acc=False, is_async=True)
            s = warpgroup_mma_wait(0, (s,))
            if not EVEN:
                s = gl.where(line + i * KEYS < seen[None, :], s, -float("inf"))
            if i + SLOTS < 2 * TILES:
                thread_barrier()
                _ask(keys, values, full, slots, place, i + SLOTS, tiles, SLOTS)
        scores = scores + (s,)  # type: ignore[assignment]
    total, base = _weigh(scores, scale, p_slots, TILES)

    sums = gl.zeros([_SIZE, ROWS], gl.float32, S)
    for i in gl.static_range(TILES):
        if EVEN or i < tiles:
            number = tiles + i
            slot = number % SLOTS
            mbarrier.wait(full.index(slot), number // SLOTS & 1)
            v = matrix(slots, slot)
            if not EVEN and rest < (i + 1) * KEYS:
                _clear(v, rest - i * KEYS)
            p = p_slots.index(i).permute((1, 0))
            adding = warpgroup_mma(v.permute((1, 0)), p, sums, is_async=True)
            sums = warpgroup_mma_wait(0, (adding,))
            if i + SLOTS < TILES:
                thread_barrier()
                _ask(keys, values, full, slots, place, number + SLOTS, tiles, SLOTS)

    some = gl.where(total > 0, total, 1.0)
    factor = gl.where(total > 0, 1.0 / some, 0.0)[None, :]
    # first: this key head's first row among all; rows follow each other.
    first = ((split * batches + batch) * key_heads + head) * group * tokens
    exist = row < group * tokens
    columns = gl.arange(0, _SIZE, gl.SliceLayout(1, S))
    at = output + (first + row).to(gl.int64)[None, :] * _SIZE + columns[:, None]
    gl.store(at, (sums * factor).to(output.dtype.element_ty), mask=exist[None, :])
    value = gl.where(total > 0, base * _LN2 + gl.log(some), -float("inf"))
    gl.store(lse + first + row, value, mask=exist)


class _Plan(NamedTuple):
    """What calls with inputs so laid out have in common."""

    launch: Launch
    splits: int


@functools.lru_cache(maxsize=4096)
def _plan(
    query: Layout, keys: Layout, values: Layout, lengths: Layout | None, scale: float
) -> _Plan:
    batch, heads, tokens, _ = query.shape
    key_heads, capacity = keys.shape[1:3]
    part, splits = layout.decode_shares(query, keys)
    group = heads // key_heads
    few = group * tokens <= 8
    even = lengths is None and tokens == 1 and part * splits == capacity
    describe = functools.partial(descriptor, rows=KEYS.value, width=_SIZE.value)
    launch = Launch(
        share, batch * key_heads * splits,
        (
            key_heads, group, tokens, capacity, splits, batch, *query.strides[:3],
            scale / math.log(2),
        ),
        {
            "TILES": part // KEYS.value, "SLOTS": 6 if few else 5, "ROWS": 8 if few else 16,
            "EVEN": even,
        },
        {"num_warps": 4, "launch_pdl": True},
        {1: describe, 2: describe},
    )  # fmt: skip
    return _Plan(launch, splits)


def decode(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor | None,
    lengths: torch.Tensor | None, page_table: torch.Tensor | None, sinks: torch.Tensor | None,
    scale: float, soft_cap: float, left: int, value_size: int,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """Output and lse of what ``layout.decode_refuses`` does not refuse."""
    assert values is not None
    its = None if lengths is None else Layout.of(lengths)
    plan = _plan(Layout.of(query), Layout.of(keys), Layout.of(values), its, scale)
    output = query.new_empty(query.shape)
    lse = query.new_empty(query.shape[:3], dtype=torch.float32)
    shares, lses = decode_portable.room_for(output, lse, plan.splits)
    plan.launch(query, keys, values, shares, lses, lengths)
    sinks = None if sinks is None else sinks.contiguous()
    decode_portable.merge(shares, lses, sinks, output, lse)
    return output, lse
