"""What the two Gluon kernels that decode over latents share: pages, loads, the ends of sequences.

A tile of latents lies in shared memory in three parts: two halves of the rank's columns, which are
keys and values, and the rotated part. Each has slots and barriers of its own.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._gluon import fence_async_shared, gl, gluon, load_async, mbarrier
from triton_kernels.ops.attention import layout

HALF, ROTATED = (gl.constexpr(x) for x in (layout.LATENT_RANK // 2, layout.LATENT_ROTATED))
SIZES = ("group", "tokens", "page", "capacity", "row_tiles", "splits", "batches")
"""Parameters that a kernel is not compiled anew for."""


@gluon.jit
def share_of(
    lengths, capacity, row_tiles, splits, ROWS: gl.constexpr, KEYS: gl.constexpr
):  # fmt: skip
    """A program's first row, split, batch, keys of the sequence, the first of its own, its tiles.

    Row tiles of the same latents run side by side, so that all but one read them from L2.
    """
    place = gl.program_id(0)
    row = place % row_tiles * ROWS
    split = place // row_tiles % splits
    batch = place // row_tiles // splits
    keys = capacity
    if lengths is not None:
        keys = gl.load(lengths + batch)
    share = gl.cdiv(gl.cdiv(keys, splits), KEYS) * KEYS
    start = split * share
    tiles = gl.cdiv(gl.maximum(gl.minimum(keys - start, share), 0), KEYS)
    return row, split, batch, keys, start, tiles


@gluon.jit
def place_of(table, batch, key, page, table_batch):
    """The block of the cache that holds a key, and its place there."""
    block = batch
    if table is not None:
        block = gl.load(table + batch.to(gl.int64) * table_batch + key // page)
        key = key % page
    return block, key


@gluon.jit
def ask(latents, full, slots, slot, block, key, FIRST: gl.constexpr):
    """Starts the load of one part of a tile, from column FIRST on."""
    mbarrier.expect(full.index(slot), latents.block_type.nbytes)
    load_async(latents, [block, 0, key, FIRST], full.index(slot), slots.index(slot))


@gluon.jit
def ask_first(
    ASK: gl.constexpr, descriptors, full, slots, table, batch, start, tiles, page, table_batch,
    KEYS: gl.constexpr, SLOTS: gl.constexpr,
):  # fmt: skip
    """Starts the loads of the tiles that there are slots for; ASK starts those of one."""
    for slot in gl.static_range(SLOTS):
        if slot < tiles:
            block, key = place_of(table, batch, start + slot * KEYS, page, table_batch)
            ASK(descriptors, full, slots, slot, block, key)


@gluon.jit
def query_at(
    q, row, tokens, group, ROWS: gl.constexpr, FIRST: gl.constexpr, WIDTH: gl.constexpr,
    LAYOUT: gl.constexpr,
):  # fmt: skip
    """Columns of the rows; ``q`` is a pointer with the strides of heads and tokens."""
    pointer, of_head, of_token = q
    rows = row + gl.arange(0, ROWS, gl.SliceLayout(1, LAYOUT))
    columns = FIRST + gl.arange(0, WIDTH, gl.SliceLayout(0, LAYOUT))
    at = pointer + (rows // tokens).to(gl.int64) * of_head + (rows % tokens).to(gl.int64) * of_token
    return gl.load(at[:, None] + columns[None, :], mask=(rows < group * tokens)[:, None], other=0.0)


@gluon.jit
def fetch_query(
    q, row, tokens, group, ROWS: gl.constexpr, FIRST: gl.constexpr, WIDTH: gl.constexpr
):  # fmt: skip
    """The same in shared memory."""
    LANES: gl.constexpr = WIDTH // 8
    layout: gl.constexpr = gl.BlockedLayout([1, 8], [32 // LANES, LANES], [4, 1], [1, 0])
    x = query_at(q, row, tokens, group, ROWS, FIRST, WIDTH, layout)
    shared: gl.constexpr = gl.NVMMASharedLayout.get_default_for([ROWS, WIDTH], x.dtype)
    return gl.allocate_shared_memory(x.dtype, [ROWS, WIDTH], shared, x)


@gluon.jit
def clear_half(slot, valid):
    """Zeros for a half's rows from ``valid`` on: beyond a sequence the cache may hold anything."""
    layout: gl.constexpr = gl.BlockedLayout([1, 8], [1, 32], [4, 1], [1, 0])
    KEYS: gl.constexpr = slot.shape[0]
    row = gl.arange(0, 8, gl.SliceLayout(1, layout))[:, None]
    for first in gl.static_range(0, KEYS, 8):
        if valid < first + 8:
            eight = slot.slice(first, 8, 0)
            x = eight.load(layout)
            eight.store(gl.where(row + first < valid, x, 0.0).to(x.dtype))
    fence_async_shared()
