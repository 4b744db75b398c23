"""The queries' gradient on Hopper in Gluon: dq = scale·ds·k, of ds that another kernel has left.

ds comes in tiles of (64 keys, 64 or 128 rows), one behind the other along the keys, as the kernels
of keys and values leave them. A block of threads makes 256 rows of dq, of heads wider than 128 half
as many, and each of two multiplying warpgroups its half of them; a loading warp streams tiles and
keys past them. What binds is the L2 cache: 128 rows read as many bytes of keys as of ds. Every sum
has one order: the same bits in every run.

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
    warpgroup_mma,
    warpgroup_mma_wait,
)
from triton_kernels.ops.attention.hopper_parts import (
    batch_and_head,
    in_sections,
    leave,
    matrix,
    packed_place,
    place_of,
    tile_of,
    tiles_seen,
)
from triton_kernels.ops.attention.hopper_work import RowsWork

ROWS = {64: 256, 128: 256, 256: 128}
"""Rows of a block of threads, by the heads' width."""
SLOTS = {64: 5, 128: 4, 256: 3}
"""Blocks of keys in shared memory, by the heads' width."""
_ROWS = gl.constexpr(64)
"""Rows of one product."""
_TILE = gl.constexpr(64)
"""Keys of a tile."""


@gluon.jit
def _tiles(row, ROWS: gl.constexpr, work):
    """The first of the tiles that any of so many rows sees, and the end of them."""
    _batch, _head_k, _head, _place_line, _row, tiles, start, _line = work.place
    BLOCK_M: gl.constexpr = work.descriptors[0].block_type.shape[-1]
    first, _ = tiles_seen(row, tiles, start, work.edges, BLOCK_M, work.KEYS, work.LEFT, work.RIGHT)
    _, last = tiles_seen(
        row + ROWS - _ROWS, tiles, start, work.edges, BLOCK_M, work.KEYS, work.LEFT, work.RIGHT
    )
    return first, last


@gluon.jit
def _load(work):
    """The loading warp: tiles of ds and keys, as they are seen."""
    ds, k, _ = work.descriptors
    ds_slots, k_slots, _ = work.slots
    full, free = work.signals
    batch, head_k, head, place_line, row, _all, start, _line = work.place
    _, first_k = work.starts
    BLOCK_M: gl.constexpr = ds.block_type.shape[-1]
    SLOTS: gl.constexpr = k_slots.shape[0]
    PIECES: gl.constexpr = ds_slots.shape[0] // SLOTS
    TURNED: gl.constexpr = len(ds_slots.shape) > 3
    first, last = _tiles(row, PIECES * BLOCK_M, work)
    for tile in range(first, last):
        step = tile - first
        slot = step % SLOTS
        there = full.index(slot)
        mbarrier.wait(free.index(slot), step // SLOTS & 1 ^ 1)
        mbarrier.expect(there, k.block_type.nbytes + PIECES * ds.block_type.nbytes)
        key = (start + tile) * _TILE
        for piece in gl.static_range(PIECES):
            to = ds_slots.index(PIECES * slot + piece)
            if work.WHOLE:
                load_async(ds, [batch, head, row + piece * BLOCK_M, key], there, to)
            else:
                at = tile_of(
                    work.shelf, place_line, row // BLOCK_M + piece, tile, work.edges, BLOCK_M,
                    work.KEYS, work.LEFT, work.RIGHT, work.PACKED,
                )  # fmt: skip
                if TURNED:
                    load_async(ds, [0, 0, at * _TILE, 0], there, to)
                else:
                    load_async(ds, [at * _TILE, 0], there, to)
        where = place_of(batch, head_k, first_k, key, work.edges[1], work.PACKED)
        load_async(k, where, there, k_slots.index(slot))


@gluon.jit
def _pass(begin, end, first, work):
    """Lets tiles go by that these rows do not see: nobody has written them."""
    full, free = work.signals
    SLOTS: gl.constexpr = work.slots[1].shape[0]
    for tile in range(begin, end):
        step = tile - first
        mbarrier.wait(full.index(step % SLOTS), step // SLOTS & 1)
        mbarrier.arrive(free.index(step % SLOTS), count=1)


@gluon.jit
def _take(tile, first, work):
    """Waits for a tile; the slot that it is in."""
    full, _free = work.signals
    k_slots = work.slots[1]
    SLOTS: gl.constexpr = k_slots.shape[0]
    step = tile - first
    slot = step % SLOTS
    mbarrier.wait(full.index(slot), step // SLOTS & 1)
    return slot


@gluon.jit
def _add(gradient, slot, work, PART: gl.constexpr):
    """The product of 64 rows' ds and a tile of keys."""
    ds_slots, k_slots, _ = work.slots
    PIECES: gl.constexpr = ds_slots.shape[0] // k_slots.shape[0]
    PER_PIECE: gl.constexpr = ds_slots.shape[-1] // _ROWS
    if len(ds_slots.shape) > 3:  # a row of scores is a row of these
        ds = matrix(ds_slots, PIECES * slot + PART)
    else:
        ds = ds_slots.index(PIECES * slot + PART // PER_PIECE)
        if PER_PIECE > 1:
            ds = ds.slice(PART % PER_PIECE * _ROWS, _ROWS, 1)
        ds = ds.permute((1, 0))
    return warpgroup_mma(ds, matrix(k_slots, slot), gradient, is_async=True)


@gluon.jit
def _add_alone(gradient, begin, end, first, work, PART: gl.constexpr):
    """Those of tiles that no other rows of this warpgroup see."""
    _full, free = work.signals
    for tile in range(begin, end):
        slot = _take(tile, first, work)
        gradient = warpgroup_mma_wait(0, (_add(gradient, slot, work, PART),))
        mbarrier.arrive(free.index(slot), count=1)
    return gradient


@gluon.jit
def _leave(gradient, row, work, PARTY: gl.constexpr):
    """Adds what earlier parts of the work have left, and stores 64 rows."""
    _ds, _k, dq = work.descriptors
    batch, _head_k, head, _place_line, _row, _all, _start, line = work.place
    first_q, _ = work.starts
    if work.ADD or work.KEEP:
        layout: gl.constexpr = gradient.type.layout
        lines = row + gl.arange(0, _ROWS, gl.SliceLayout(1, layout))[:, None]
        padded = gl.cdiv(work.edges[0], 128) * 128
        columns = gl.arange(0, gradient.shape[1], gl.SliceLayout(0, layout))[None, :]
        offsets = (line * padded + lines).to(gl.int64) * gradient.shape[1] + columns
        if work.ADD:
            gradient += gl.load(work.sums + offsets, mask=lines < padded, other=0.0)
        if work.KEEP:
            gl.store(work.sums + offsets, gradient, mask=lines < padded)
    if not work.KEEP:
        gradient = (gradient * work.scale).to(dq.dtype)
        where = place_of(batch, head, first_q, row, work.edges[0], work.PACKED)
        leave(dq, gradient, where, work.slots[2].index(PARTY))


@gluon.jit
def _multiply(work, PARTY: gl.constexpr):
    """A warpgroup: 64 rows of dq, or twice as many of narrow heads, which share the keys."""
    ds, _k, _dq = work.descriptors
    ds_slots, k_slots, _ = work.slots
    _full, free = work.signals
    row = work.place[4]
    SLOTS: gl.constexpr = k_slots.shape[0]
    WIDTH: gl.constexpr = k_slots.shape[-1]
    PARTS: gl.constexpr = ds_slots.shape[0] // SLOTS * ds.block_type.shape[-1] // (2 * _ROWS)
    G: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, WIDTH, 16])
    first, last = _tiles(row, 2 * PARTS * _ROWS, work)
    row += PARTY * (PARTS * _ROWS)
    upper = gl.zeros([_ROWS, WIDTH], gl.float32, G)
    begin, end = _tiles(row, _ROWS, work)
    begin = gl.minimum(gl.maximum(begin, first), last)
    end = gl.maximum(gl.minimum(end, last), begin)
    _pass(first, begin, first, work)
    if PARTS == 1:
        if begin < end:
            for tile in range(begin, end):
                slot = _take(tile, first, work)
                upper = _add(upper, slot, work, PARTY)
                upper = warpgroup_mma_wait(1, (upper,))
                before = (slot + SLOTS - 1) % SLOTS
                mbarrier.arrive(free.index(before), count=1, pred=tile > begin)
            upper = warpgroup_mma_wait(0, (upper,))
            mbarrier.arrive(free.index((end - first + SLOTS - 1) % SLOTS), count=1)
        _pass(end, last, first, work)
        _leave(upper, row, work, PARTY)
    else:
        # The lower rows' tiles begin and end with the upper ones' or later.
        lower = gl.zeros([_ROWS, WIDTH], gl.float32, G)
        lower_begin, lower_end = _tiles(row + _ROWS, _ROWS, work)
        lower_begin = gl.minimum(gl.maximum(lower_begin, begin), last)
        lower_end = gl.maximum(gl.minimum(lower_end, last), gl.maximum(lower_begin, end))
        upper = _add_alone(upper, begin, gl.minimum(lower_begin, end), first, work, 2 * PARTY)
        _pass(end, lower_begin, first, work)
        if lower_begin < end:
            for tile in range(lower_begin, end):
                slot = _take(tile, first, work)
                upper = _add(upper, slot, work, 2 * PARTY)
                lower = _add(lower, slot, work, 2 * PARTY + 1)
                upper, lower = warpgroup_mma_wait(2, (upper, lower))
                before = (slot + SLOTS - 1) % SLOTS
                mbarrier.arrive(free.index(before), count=1, pred=tile > lower_begin)
            upper, lower = warpgroup_mma_wait(0, (upper, lower))
            mbarrier.arrive(free.index((end - first + SLOTS - 1) % SLOTS), count=1)
        lower = _add_alone(
            lower, gl.maximum(lower_begin, end), lower_end, first, work, 2 * PARTY + 1
        )  # fmt: skip
        _pass(lower_end, last, first, work)
        _leave(upper, row, work, PARTY)
        _leave(lower, row + _ROWS, work, PARTY)


_SIZES = (
    "batches", "heads_k", "group", "m", "n", "left", "right", "start_line", "tiles", "start",
    "stretch", "heads", "row_blocks", "section", "start_batch",
)  # fmt: skip


@gluon.jit(do_not_specialize=_SIZES)  # one kernel serves all sizes
def multiply(
    ds, k, dq, sums, places, heads_k, group, m, n, left, right, start_line, tiles, start,
    stretch, batches, heads, row_blocks, section, start_batch, scale,
    KEYS: gl.constexpr, LEFT: gl.constexpr, RIGHT: gl.constexpr, ADD: gl.constexpr,
    KEEP: gl.constexpr, SLOTS: gl.constexpr, NEIGHBOURS: gl.constexpr, PACKED: gl.constexpr,
    WHOLE: gl.constexpr,
):  # fmt: skip
    """Descriptors of k and dq: blocks (1, 1, 64, width); of ds: (64, 64 or 128), 2-D."""
    # ruff: noqa: RUF005 (Gluon unpacks no lists)
    ROWS: gl.constexpr = (4 if k.block_type.shape[-1] <= 128 else 2) * _ROWS
    PIECES: gl.constexpr = ROWS // ds.block_type.shape[-1]
    TILES: gl.constexpr = [SLOTS * PIECES] + ds.block_type.shape
    ds_slots = gl.allocate_shared_memory(ds.dtype, TILES, ds.layout)
    k_slots = gl.allocate_shared_memory(k.dtype, [SLOTS] + k.block_type.shape, k.layout)
    out_slots = gl.allocate_shared_memory(dq.dtype, [2] + dq.block_type.shape, dq.layout)
    full = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    free = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    for slot in gl.static_range(SLOTS):
        mbarrier.init(full.index(slot), count=1)
        mbarrier.init(free.index(slot), count=2)
    fence_async_shared()  # the loads find the barriers as they were made
    first_q = 0
    first_k = 0
    first_row = 0
    # The last rows of a causal head see the most keys: they come first.
    if PACKED:
        first_q, m, first_k, n, place_line, turn, sequence = packed_place(places, heads, section)
        first_row = (first_q // 128 + sequence) * 128
        row = (gl.maximum(gl.cdiv(m, ROWS), 1) - 1 - turn) * ROWS
        line = start_line + place_line
        batch = 0
        head_k = line // group
        head = line
    else:
        row_tiles = gl.cdiv(m, ROWS)
        row_blocks = gl.cdiv(m, ds.block_type.shape[-1])
        place_line, turn = in_sections(gl.program_id(0), heads, row_tiles, section)
        row = (row_tiles - 1 - turn) * ROWS
        line = start_line + place_line
        batch, head_k = batch_and_head(line // group, batches, heads_k, NEIGHBOURS)
        batch += start_batch
        head = head_k * group + line % group
    work = RowsWork(
        (ds, k, dq), sums, (ds_slots, k_slots, out_slots),
        (full, free), (batch, head_k, head, place_line, row, tiles, start, line),
        (first_q, first_k),
        (row_blocks, first_row // ds.block_type.shape[-1], stretch, tiles, start),
        (m, n, left, right), scale, KEYS, LEFT, RIGHT, ADD, KEEP, PACKED, WHOLE,
    )  # fmt: skip
    gl.warp_specialize(
        [(_multiply, (work, 0)), (_multiply, (work, 1)), (_load, (work,))], [4, 1], [240, 24]
    )
