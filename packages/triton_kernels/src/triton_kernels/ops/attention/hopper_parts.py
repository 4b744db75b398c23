"""What attention's Gluon kernels share, above all the backward's for narrow and for wide heads."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._gluon import fence_async_shared, gl, gluon, store_async, store_wait
from triton_kernels.ops.attention import packing
from triton_kernels.ops.attention.hopper_axes import along

SIZES = (
    "heads_k", "group", "m", "n", "left", "right",
    "heads", "start_head", "blocks", "start_block", "batches",
    "dk_head", "dk_row", "dk_width", "dv_head", "dv_row", "dv_width", "row_blocks",
    "stretch", "bias_batches", "bias_heads", "slopes_batch",
    "mask_batch", "mask_head", "mask_row",
)  # fmt: skip
"""Parameters that a kernel is not compiled anew for."""
FIELDS = gl.constexpr(packing.FIELDS)
CHUNK = gl.constexpr(64)
"""The buffer of dq is made of squares of this many rows and columns."""


@gluon.jit
def rows_that_see(key, keys, edges, BLOCK_M: gl.constexpr, LEFT: gl.constexpr, RIGHT: gl.constexpr):
    """The first block of rows that sees any of so many keys from ``key`` on, and how many do."""
    m, n, left, right = edges
    first = 0
    last = gl.cdiv(m, BLOCK_M)
    if RIGHT:
        first = gl.maximum(key + m - n - right, 0) // BLOCK_M
    if LEFT:
        seen = gl.maximum(key + keys + m - n + left, 0)
        last = gl.minimum(last, gl.cdiv(seen, BLOCK_M))
    return first, gl.maximum(last - first, 0)


@gluon.jit
def packed_place(places, heads_k, NEAR: gl.constexpr):
    """Where the keys of this program's sequence begin, how many, the same of its queries; the head,
    the block of keys, and the sequence's number. A program too many gets an empty sequence.

    NEAR: all blocks of a head before the next one; else one block of each head.
    """
    index = gl.program_id(0)
    exists = index < gl.load(places) * heads_k
    index = gl.where(exists, index, 0)
    entry = places + FIELDS * (index // heads_k + 1)
    first_k = gl.load(entry)
    n = gl.load(entry + 1)
    first_q = gl.load(entry + 2)
    m = gl.load(entry + 3)
    index -= gl.load(entry + 4) * heads_k
    count = gl.load(entry + 5)
    if NEAR:
        head = gl.where(exists, index // count, 0)
        number = gl.where(exists, index % count, 0)
    else:
        head = gl.where(exists, index % heads_k, 0)
        number = gl.where(exists, index // heads_k, 0)
    sequence = gl.load(entry + 6)
    return first_k, gl.where(exists, n, 0), first_q, gl.where(exists, m, 0), head, number, sequence


@gluon.jit
def clear(slot, rows):
    """Zeros in place of what lies behind the rows: another sequence's values may be no numbers."""
    values = slot.reshape([slot.shape[2], slot.shape[3]])
    WIDTH: gl.constexpr = slot.shape[3]
    PIECE: gl.constexpr = 16
    layout: gl.constexpr = gl.BlockedLayout([1, 8], [256 // WIDTH, WIDTH // 8], [4, 1], [1, 0])
    line = gl.arange(0, PIECE, gl.SliceLayout(1, layout))[:, None]
    for piece in gl.static_range(slot.shape[2] // PIECE):
        if rows < (piece + 1) * PIECE:
            part = values.slice(piece * PIECE, PIECE, 0)
            kept = part.load(layout)
            part.store(gl.where(line < rows - piece * PIECE, kept, gl.zeros_like(kept)))
    fence_async_shared()


@gluon.jit
def block_of(step, first, count, shift):
    """The block of rows of a step: each block of keys begins elsewhere, and goes round."""
    return first + (step + shift) % count


@gluon.jit
def matrix(slots, index):
    """A slot (1, 1, rows, width) as a matrix."""
    return slots.index(index).reshape([slots.shape[3], slots.shape[4]])


@gluon.jit
def leave(out, x, where, slot):
    """Stores a tile by way of a slot."""
    slot.reshape([slot.shape[2], slot.shape[3]]).store(x)
    fence_async_shared()
    store_async(out, where, slot)
    store_wait(0)


@gluon.jit
def masked(
    s, key, row, edges, LEFT: gl.constexpr, RIGHT: gl.constexpr, LOWEST: gl.constexpr
):  # fmt: skip
    """Of scores whose rows are keys and whose columns are queries: LOWEST where nothing is seen."""
    layout: gl.constexpr = s.type.layout
    m, n, left, right = edges
    keys = (key + gl.arange(0, s.shape[0], gl.SliceLayout(1, layout)))[:, None]
    rows = (row + n - m + gl.arange(0, s.shape[1], gl.SliceLayout(0, layout)))[None, :]
    keep = (keys < n) & (rows == rows)
    if RIGHT:
        keep = keep & (rows + right >= keys)
    if LEFT:
        keep = keep & (rows - left <= keys)
    return gl.where(keep, s, LOWEST)


@gluon.jit
def batch_and_head(number, batches, heads_k, NEIGHBOURS: gl.constexpr):
    """Which batch and key head a number is: a head's batches beside each other if NEIGHBOURS, as
    they read one bias, else a batch's heads."""
    if NEIGHBOURS:
        return number % batches, number // batches
    else:
        return number // heads_k, number % heads_k


@gluon.jit
def distances(s, key, row, edges):
    """Of scores whose rows are keys and whose columns are queries: how far apart they stand."""
    layout: gl.constexpr = s.type.layout
    m, n, _, _ = edges
    keys = key + gl.arange(0, s.shape[0], gl.SliceLayout(1, layout))
    rows = row + n - m + gl.arange(0, s.shape[1], gl.SliceLayout(0, layout))
    return gl.abs(rows.to(gl.float32)[None, :] - keys.to(gl.float32)[:, None])


@gluon.jit
def words_of(s, words, tile):
    """Of a tile of scores (64 keys, 64 queries) each thread's word of ``hopper_bits``."""
    layout: gl.constexpr = s.reshape([4, 2, 8, 8, 4, 2]).type.layout
    WORDS: gl.constexpr = gl.SliceLayout(1, gl.SliceLayout(3, gl.SliceLayout(5, layout)))
    thread = along(4, 0, 3, WORDS) * 32 + along(8, 1, 3, WORDS) * 4 + along(4, 2, 3, WORDS)
    return gl.load(words + tile.to(gl.int64) * 128 + thread)


@gluon.jit
def chosen(words, s, other):
    """The scores where a bit is 1, another number where it is 0."""
    parts = s.reshape([4, 2, 8, 8, 4, 2])  # keys: warp, half, line; queries: chunk, thread, one
    layout: gl.constexpr = parts.type.layout
    bit = along(2, 1, 6, layout) * 16 + along(8, 3, 6, layout) * 2 + along(2, 5, 6, layout)
    words = gl.expand_dims(gl.expand_dims(gl.expand_dims(words, 1), 3), 5)
    parts = gl.where((words >> bit) & 1 != 0, parts, other)
    return gl.convert_layout(parts.reshape(s.shape), s.type.layout)


LOG2_E = gl.constexpr(1.4426950408889634)
HIDDEN = gl.constexpr(-float("inf"))
HIDDEN_CAPPED = gl.constexpr(-(2.0**60))
"""What a score becomes whose key is not seen; capped one whose square is still a number."""


@gluon.jit
def tanh(x):
    """By the special-function unit, to 11 bits: as fine as the forward's."""
    return gl.inline_asm_elementwise(
        "tanh.approx.f32 $0, $1;", "=r,r", [x], dtype=gl.float32, is_pure=True, pack=1
    )


@gluon.jit
def tiles_seen(
    row, tiles, start, edges, BLOCK_M: gl.constexpr, KEYS: gl.constexpr,
    LEFT: gl.constexpr, RIGHT: gl.constexpr,
):  # fmt: skip
    """The tiles, counted from ``start``, that hold ds of the block of rows around this one: those
    of blocks of KEYS keys for which ``rows_that_see`` gives that block of rows."""
    m, n, left, right = edges
    PER_BLOCK: gl.constexpr = KEYS // 64
    above = row // BLOCK_M * BLOCK_M + n - m  # the position of the block's first row
    first = 0
    last = gl.cdiv(n, CHUNK)
    if RIGHT:
        seen = gl.maximum(above + BLOCK_M + right, 0)
        last = gl.minimum(last, gl.cdiv(seen, KEYS) * PER_BLOCK)
    if LEFT:
        first = gl.maximum(above - left, 0) // KEYS * PER_BLOCK
    first = gl.minimum(gl.maximum(first - start, 0), tiles)
    return first, gl.maximum(gl.minimum(last - start, tiles), first)


@gluon.jit
def tile_of(
    shelf, line, block, tile, edges, BLOCK_M: gl.constexpr, KEYS: gl.constexpr, LEFT: gl.constexpr,
    PACKED: gl.constexpr,
):  # fmt: skip
    """Where ds of a block of rows and a tile of keys is kept, in tiles.

    The tiles of one block of rows follow each other. The first block of rows shares its stretch
    with the last one, the second with the last but one, and so on: one from the front, the other
    from the back, as together they see the same number of keys, causal or in a window.
    """
    row_blocks, first_block, stretch, tiles, start = shelf
    if PACKED:
        return (line * row_blocks + first_block + block) * stretch + tile
    else:
        if LEFT:
            first, _ = tiles_seen(block * BLOCK_M, tiles, start, edges, BLOCK_M, KEYS, LEFT, False)
            tile -= first
        other = row_blocks - 1 - block
        place = (line * gl.cdiv(row_blocks, 2) + gl.minimum(block, other)) * stretch
        return place + gl.where(block > other, stretch - 1 - tile, tile)


@gluon.jit
def add_squares(sums, squares, index):
    """Adds 64 rows, from square ``index`` of the buffer on: 16 bytes a thread, 512 a warp."""
    # Rows are (warp, half, line of the warp), columns (group, pair, one of it); a thread holds
    # halves and pairs of a group.
    GROUPS: gl.constexpr = squares.shape[1] // 8
    parts = squares.reshape([4, 2, 8, GROUPS, 4, 2]).permute((3, 0, 2, 4, 1, 5))
    parts = parts.reshape([GROUPS * 128, 4])
    layout: gl.constexpr = parts.type.layout
    lines = gl.arange(0, GROUPS * 128, gl.SliceLayout(1, layout))
    offsets = lines[:, None] * 4 + gl.arange(0, 4, gl.SliceLayout(0, layout))[None, :]
    start = sums + index.to(gl.int64) * (CHUNK * CHUNK)
    gl.atomic_add(start + offsets, parts, sem="relaxed")
