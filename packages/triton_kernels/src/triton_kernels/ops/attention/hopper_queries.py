"""The queries' gradient on Hopper in Gluon: dq = scale·ds·k, of ds that another kernel has left.

ds comes in tiles of (64 keys, 64 or 128 rows), one behind the other along the keys, as the kernels
of keys and values leave them. A block of threads makes 128 rows of dq, 64 for each of two
multiplying warpgroups; a loading warp streams tiles and keys past them. Every sum has one order:
the same bits in every run.

Where all ds of a call would take too much memory it comes in parts, some keys of each head at a
time: then all parts but the last leave their sums in a float32 buffer, and all but the first begin
with what is there.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._gluon import (
    Barrier,
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
from triton_kernels.ops.attention.hopper_parts import matrix

ROWS = 128
"""Rows of a block of threads."""
_ROWS = gl.constexpr(64)
"""Rows of one warpgroup."""
_TILE = gl.constexpr(64)
"""Keys of a tile."""


@gluon.jit
def _tiles_seen(
    row, tiles, start, edges, BLOCK_M: gl.constexpr, KEYS: gl.constexpr,
    LEFT: gl.constexpr, RIGHT: gl.constexpr,
):  # fmt: skip
    """The tiles, counted from ``start``, that hold ds of the block of rows around this one: those
    of blocks of KEYS keys for which ``rows_that_see`` gives that block of rows."""
    m, n, left, right = edges
    PER_BLOCK: gl.constexpr = KEYS // 64
    above = row // BLOCK_M * BLOCK_M + n - m  # the position of the block's first row
    first = 0
    last = gl.cdiv(n, _TILE)
    if RIGHT:
        seen = gl.maximum(above + BLOCK_M + right, 0)
        last = gl.minimum(last, gl.cdiv(seen, KEYS) * PER_BLOCK)
    if LEFT:
        first = gl.maximum(above - left, 0) // KEYS * PER_BLOCK
    first = gl.minimum(gl.maximum(first - start, 0), tiles)
    return first, gl.maximum(gl.minimum(last - start, tiles), first)


@gluon.jit
def _load(
    descriptors, sums, slots, signals, place, edges, scale,
    KEYS: gl.constexpr, LEFT: gl.constexpr, RIGHT: gl.constexpr, ADD: gl.constexpr,
    KEEP: gl.constexpr,
):  # fmt: skip
    ds, k, _ = descriptors
    ds_slots, k_slots, _ = slots
    full, free = signals
    batch, head_k, _head, place_line, row, tiles, start, _line = place
    BLOCK_M: gl.constexpr = ds.block_type.shape[1]
    PIECES: gl.constexpr = 2 * _ROWS // BLOCK_M
    SLOTS: gl.constexpr = k_slots.shape[0]
    first, _end = _tiles_seen(row, tiles, start, edges, BLOCK_M, KEYS, LEFT, RIGHT)
    _begin, last = _tiles_seen(row + _ROWS, tiles, start, edges, BLOCK_M, KEYS, LEFT, RIGHT)
    row_blocks = gl.cdiv(edges[0], BLOCK_M)
    for tile in range(first, last):
        step = tile - first
        slot = step % SLOTS
        there = full.index(slot)
        mbarrier.wait(free.index(slot), step // SLOTS & 1 ^ 1)
        mbarrier.expect(there, k.block_type.nbytes + PIECES * ds.block_type.nbytes)
        for piece in gl.static_range(PIECES):
            block = place_line * row_blocks + row // BLOCK_M + piece
            where = [(block * tiles + tile) * _TILE, 0]
            load_async(ds, where, there, ds_slots.index(PIECES * slot + piece))
        where = [batch, head_k, (start + tile) * _TILE, 0]
        load_async(k, where, there, k_slots.index(slot))


@gluon.jit
def _multiply(
    descriptors, sums, slots, signals, place, edges, scale,
    KEYS: gl.constexpr, LEFT: gl.constexpr, RIGHT: gl.constexpr, ADD: gl.constexpr,
    KEEP: gl.constexpr, PARTY: gl.constexpr,
):  # fmt: skip
    """A warpgroup: 64 rows of dq."""
    ds, _k, dq = descriptors
    ds_slots, k_slots, out_slots = slots
    full, free = signals
    batch, _head_k, head, _place_line, row, tiles, start, line = place
    BLOCK_M: gl.constexpr = ds.block_type.shape[1]
    PIECES: gl.constexpr = 2 * _ROWS // BLOCK_M
    SLOTS: gl.constexpr = k_slots.shape[0]
    WIDTH: gl.constexpr = k_slots.shape[4]
    G: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, WIDTH, 16])
    first, _end = _tiles_seen(row, tiles, start, edges, BLOCK_M, KEYS, LEFT, RIGHT)
    _begin, last = _tiles_seen(row + _ROWS, tiles, start, edges, BLOCK_M, KEYS, LEFT, RIGHT)
    row += PARTY * _ROWS
    # Beyond its own tiles the other party's go by: nobody has written them for these rows.
    begin, end = _tiles_seen(row, tiles, start, edges, BLOCK_M, KEYS, LEFT, RIGHT)
    begin = gl.minimum(gl.maximum(begin, first), last)
    end = gl.maximum(gl.minimum(end, last), begin)
    lines = gl.arange(0, _ROWS, gl.SliceLayout(1, G)) + (line * gl.cdiv(edges[0], 128) * 128 + row)
    columns = gl.arange(0, WIDTH, gl.SliceLayout(0, G))
    offsets = lines[:, None].to(gl.int64) * WIDTH + columns[None, :]
    gradient = gl.zeros([_ROWS, WIDTH], gl.float32, G)
    for tile in range(first, begin):
        step = tile - first
        mbarrier.wait(full.index(step % SLOTS), step // SLOTS & 1)
        mbarrier.arrive(free.index(step % SLOTS), count=1)
    if begin < end:
        for tile in range(begin, end):
            step = tile - first
            slot = step % SLOTS
            mbarrier.wait(full.index(slot), step // SLOTS & 1)
            if PIECES == 2:
                left = ds_slots.index(2 * slot + PARTY)
            else:
                left = ds_slots.index(slot).slice(PARTY * _ROWS, _ROWS, 1)
            gradient = warpgroup_mma(
                left.permute((1, 0)), matrix(k_slots, slot), gradient, use_acc=tile > begin,
                is_async=True,
            )  # fmt: skip
            gradient = warpgroup_mma_wait(1, (gradient,))
            mbarrier.arrive(free.index((step + SLOTS - 1) % SLOTS), count=1, pred=tile > begin)
        gradient = warpgroup_mma_wait(0, (gradient,))
        mbarrier.arrive(free.index((end - first + SLOTS - 1) % SLOTS), count=1)
    for tile in range(end, last):
        step = tile - first
        mbarrier.wait(full.index(step % SLOTS), step // SLOTS & 1)
        mbarrier.arrive(free.index(step % SLOTS), count=1)
    if ADD:
        gradient += gl.load(sums + offsets)
    if KEEP:
        gl.store(sums + offsets, gradient)
    else:
        out_slots.index(PARTY).reshape([_ROWS, WIDTH]).store((gradient * scale).to(dq.dtype))
        fence_async_shared()
        store_async(dq, [batch, head, row, 0], out_slots.index(PARTY))
        store_wait(0)


@gluon.jit
def _multiply_0(
    descriptors, sums, slots, signals, place, edges, scale,
    KEYS: gl.constexpr, LEFT: gl.constexpr, RIGHT: gl.constexpr, ADD: gl.constexpr,
    KEEP: gl.constexpr,
):  # fmt: skip
    _multiply(
        descriptors, sums, slots, signals, place, edges, scale, KEYS, LEFT, RIGHT, ADD, KEEP, 0
    )


@gluon.jit
def _multiply_1(
    descriptors, sums, slots, signals, place, edges, scale,
    KEYS: gl.constexpr, LEFT: gl.constexpr, RIGHT: gl.constexpr, ADD: gl.constexpr,
    KEEP: gl.constexpr,
):  # fmt: skip
    _multiply(
        descriptors, sums, slots, signals, place, edges, scale, KEYS, LEFT, RIGHT, ADD, KEEP, 1
    )


_SIZES = ("heads_k", "group", "m", "n", "left", "right", "start_line", "tiles", "start")


@gluon.jit(do_not_specialize=_SIZES)  # one kernel serves all sizes
def multiply(
    ds, k, dq, sums, heads_k, group, m, n, left, right, start_line, tiles, start, scale,
    KEYS: gl.constexpr, LEFT: gl.constexpr, RIGHT: gl.constexpr, ADD: gl.constexpr,
    KEEP: gl.constexpr, SLOTS: gl.constexpr,
):  # fmt: skip
    """Descriptors of k and dq: blocks (1, 1, 64, width); of ds: (64, 64 or 128), 2-D."""
    # ruff: noqa: RUF005 (Gluon unpacks no lists)
    PIECES: gl.constexpr = 2 * _ROWS // ds.block_type.shape[1]
    TILES: gl.constexpr = [SLOTS * PIECES] + ds.block_type.shape
    ds_slots = gl.allocate_shared_memory(ds.dtype, TILES, ds.layout)
    k_slots = gl.allocate_shared_memory(k.dtype, [SLOTS] + k.block_type.shape, k.layout)
    out_slots = gl.allocate_shared_memory(dq.dtype, [2] + dq.block_type.shape, dq.layout)
    full = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    free = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    for slot in gl.static_range(SLOTS):
        mbarrier.init(full.index(slot), count=1)
        mbarrier.init(free.index(slot), count=2)
    row_tiles = gl.cdiv(m, 2 * _ROWS)
    place_line = gl.program_id(0) // row_tiles
    # The last rows of a causal head see the most keys: they come first.
    row = (row_tiles - 1 - gl.program_id(0) % row_tiles) * (2 * _ROWS)
    line = start_line + place_line
    heads_q = heads_k * group
    batch = line // heads_q
    head = line % heads_q
    head_k = head // group
    # Written out: a tuple held in a variable loses its constants.
    gl.warp_specialize(
        [
            (_multiply_0, (
                (ds, k, dq), sums, (ds_slots, k_slots, out_slots), (full, free),
                (batch, head_k, head, place_line, row, tiles, start, line),
                (m, n, left, right), scale, KEYS, LEFT, RIGHT, ADD, KEEP,
            )),
            (_multiply_1, (
                (ds, k, dq), sums, (ds_slots, k_slots, out_slots), (full, free),
                (batch, head_k, head, place_line, row, tiles, start, line),
                (m, n, left, right), scale, KEYS, LEFT, RIGHT, ADD, KEEP,
            )),
            (_load, (
                (ds, k, dq), sums, (ds_slots, k_slots, out_slots), (full, free),
                (batch, head_k, head, place_line, row, tiles, start, line),
                (m, n, left, right), scale, KEYS, LEFT, RIGHT, ADD, KEEP,
            )),
        ],
        [4, 1], [240, 24],
    )  # fmt: skip
