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
    gl,
    gluon,
    load_async,
    mbarrier,
    warpgroup_mma,
    warpgroup_mma_wait,
)
from triton_kernels.ops.attention.hopper_parts import (
    batch_and_head,
    clear,
    leave,
    matrix,
    packed_place,
    tile_of,
    tiles_seen,
)
from triton_kernels.ops.attention.hopper_work import RowsWork

ROWS = 128
"""Rows of a block of threads."""
SLOTS = {64: 6, 128: 4, 256: 3}
"""Blocks of keys in shared memory, by the heads' width."""
_ROWS = gl.constexpr(64)
"""Rows of one warpgroup."""
_TILE = gl.constexpr(64)
"""Keys of a tile."""


@gluon.jit
def _load(work):
    """The loading warp: tiles of ds and keys, as they are seen."""
    ds, k, _ = work.descriptors
    ds_slots, k_slots, _ = work.slots
    full, free = work.signals
    batch, head_k, _head, place_line, row, tiles, start, _line = work.place
    _, first_k = work.starts
    edges = work.edges
    BLOCK_M: gl.constexpr = ds.block_type.shape[1]
    PIECES: gl.constexpr = 2 * _ROWS // BLOCK_M
    SLOTS: gl.constexpr = k_slots.shape[0]
    first, _end = tiles_seen(row, tiles, start, edges, BLOCK_M, work.KEYS, work.LEFT, work.RIGHT)
    _begin, last = tiles_seen(
        row + _ROWS, tiles, start, edges, BLOCK_M, work.KEYS, work.LEFT, work.RIGHT
    )
    for tile in range(first, last):
        step = tile - first
        slot = step % SLOTS
        there = full.index(slot)
        mbarrier.wait(free.index(slot), step // SLOTS & 1 ^ 1)
        mbarrier.expect(there, k.block_type.nbytes + PIECES * ds.block_type.nbytes)
        for piece in gl.static_range(PIECES):
            at = tile_of(
                work.shelf,
                place_line,
                row // BLOCK_M + piece,
                tile,
                edges,
                BLOCK_M,
                work.KEYS,
                work.LEFT,
                work.PACKED,
            )
            where = [at * _TILE, 0]
            load_async(ds, where, there, ds_slots.index(PIECES * slot + piece))
        where = [batch, head_k, first_k + (start + tile) * _TILE, 0]
        load_async(k, where, there, k_slots.index(slot))


@gluon.jit
def _multiply(work, PARTY: gl.constexpr):
    """A warpgroup: 64 rows of dq."""
    ds, _k, dq = work.descriptors
    ds_slots, k_slots, out_slots = work.slots
    full, free = work.signals
    batch, _head_k, head, _place_line, row, tiles, start, line = work.place
    first_q, _ = work.starts
    sums, buffer, dq_head, dq_row, dq_width = work.outputs
    edges = work.edges
    scale = work.scale
    BLOCK_M: gl.constexpr = ds.block_type.shape[1]
    PIECES: gl.constexpr = 2 * _ROWS // BLOCK_M
    SLOTS: gl.constexpr = k_slots.shape[0]
    WIDTH: gl.constexpr = k_slots.shape[4]
    G: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, WIDTH, 16])
    first, _end = tiles_seen(row, tiles, start, edges, BLOCK_M, work.KEYS, work.LEFT, work.RIGHT)
    _begin, last = tiles_seen(
        row + _ROWS, tiles, start, edges, BLOCK_M, work.KEYS, work.LEFT, work.RIGHT
    )
    row += PARTY * _ROWS
    # Beyond its own tiles the other party's go by: nobody has written them for these rows.
    begin, end = tiles_seen(row, tiles, start, edges, BLOCK_M, work.KEYS, work.LEFT, work.RIGHT)
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
            if work.PACKED:  # noqa: SIM102 (known when compiled; the next when run)
                if (start + tile + 1) * _TILE > edges[1]:
                    clear(k_slots.index(slot), edges[1] - (start + tile) * _TILE)
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
    if work.ADD:
        gradient += gl.load(sums + offsets)
    if work.KEEP:
        gl.store(sums + offsets, gradient)
    elif work.PACKED:
        gradient = (gradient * scale).to(dq.dtype)
        if row + _ROWS <= edges[0]:
            leave(dq, gradient, [0, head, first_q + row, 0], out_slots.index(PARTY))
        else:  # what lies behind a sequence is the next one's
            lines = row + gl.arange(0, _ROWS, gl.SliceLayout(1, G))
            to = buffer + head.to(gl.int64) * dq_head
            to += (first_q + lines).to(gl.int64)[:, None] * dq_row + columns[None, :]
            mask = (lines < edges[0])[:, None] & (columns < dq_width)[None, :]
            gl.store(to, gradient, mask=mask)
    else:
        leave(dq, (gradient * scale).to(dq.dtype), [batch, head, row, 0], out_slots.index(PARTY))


_SIZES = (
    "batches", "heads_k", "group", "m", "n", "left", "right", "start_line", "tiles", "start",
    "stretch", "heads", "row_blocks", "dq_head", "dq_row", "dq_width",
)  # fmt: skip


@gluon.jit(do_not_specialize=_SIZES)  # one kernel serves all sizes
def multiply(
    ds, k, dq, sums, heads_k, group, m, n, left, right, start_line, tiles, start, stretch,
    batches, scale,
    KEYS: gl.constexpr, LEFT: gl.constexpr, RIGHT: gl.constexpr, ADD: gl.constexpr,
    KEEP: gl.constexpr, SLOTS: gl.constexpr, NEIGHBOURS: gl.constexpr,
    PACKED: gl.constexpr = False, places=None, buffer=None, heads=0, row_blocks=0, dq_head=0,
    dq_row=0, dq_width=0,
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
    first_q = 0
    first_k = 0
    first_row = 0
    # The last rows of a causal head see the most keys: they come first.
    if PACKED:
        first_q, m, first_k, n, place_line, turn, sequence = packed_place(places, heads, True)
        first_row = (first_q // 128 + sequence) * 128
        row = (gl.maximum(gl.cdiv(m, 2 * _ROWS), 1) - 1 - turn) * (2 * _ROWS)
        line = start_line + place_line
        batch = 0
        head_k = line // group
        head = line
    else:
        buffer = sums
        row_tiles = gl.cdiv(m, 2 * _ROWS)
        row_blocks = gl.cdiv(m, ds.block_type.shape[1])
        place_line = gl.program_id(0) // row_tiles
        row = (row_tiles - 1 - gl.program_id(0) % row_tiles) * (2 * _ROWS)
        line = start_line + place_line
        batch, head_k = batch_and_head(line // group, batches, heads_k, NEIGHBOURS)
        head = head_k * group + line % group
    work = RowsWork(
        (ds, k, dq), (sums, buffer, dq_head, dq_row, dq_width), (ds_slots, k_slots, out_slots),
        (full, free), (batch, head_k, head, place_line, row, tiles, start, line),
        (first_q, first_k),
        (row_blocks, first_row // ds.block_type.shape[1], stretch, tiles, start),
        (m, n, left, right), scale, KEYS, LEFT, RIGHT, ADD, KEEP, PACKED,
    )  # fmt: skip
    gl.warp_specialize(
        [(_multiply, (work, 0)), (_multiply, (work, 1)), (_load, (work,))], [4, 1], [240, 24]
    )
