"""What attention's Gluon kernels share, above all the backward's for narrow and for wide heads."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._gluon import (
    fence_async_shared,
    gl,
    gluon,
    store_async,
    store_wait,
    warpgroup_mma,
)
from triton_kernels.ops.attention import hopper_layouts, packing

SIZES = (
    "heads_k", "group", "m", "n", "left", "right",
    "heads", "start_head", "blocks", "start_block", "batches", "section", "start_batch", "abreast",
    "row_blocks", "stretch", "bias_batches", "bias_heads", "slopes_batch",
    "mask_batch", "mask_head", "mask_row",
)  # fmt: skip
"""Parameters that a kernel is not compiled anew for."""
FIELDS = gl.constexpr(packing.FIELDS)
_FAR = gl.constexpr(hopper_layouts.FAR)
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
def in_sections(index, heads, blocks, section):
    """The head and the block of a program: heads in sections of so many, in a section the first
    block of each head, then the second."""
    first = index // (section * blocks) * section
    width = gl.minimum(section, heads - first)
    rest = index % (section * blocks)
    return first + rest % width, rest // width


@gluon.jit
def packed_place(places, heads_k, section):
    """Where the keys of this program's sequence begin, how many, the same of its queries; the head,
    the block of keys, and the sequence's number. A program too many gets an empty sequence."""
    index = gl.program_id(0)
    exists = index < gl.load(places) * heads_k  # the entry is loaded meanwhile, written or not
    entry = places + FIELDS * (index // heads_k + 1)
    first_k = gl.where(exists, gl.load(entry), 0)
    n = gl.where(exists, gl.load(entry + 1), 0)
    first_q = gl.where(exists, gl.load(entry + 2), 0)
    m = gl.where(exists, gl.load(entry + 3), 0)
    index = gl.where(exists, index - gl.load(entry + 4) * heads_k, 0)
    count = gl.where(exists, gl.load(entry + 5), 1)
    sequence = gl.where(exists, gl.load(entry + 6), 0)
    head, number = in_sections(index, heads_k, count, section)
    return first_k, n, first_q, m, head, number, sequence


@gluon.jit
def keys_of(
    places, shape, own, row_blocks, slopes_batch, BLOCK_M: gl.constexpr,
    NEIGHBOURS: gl.constexpr, PACKED: gl.constexpr,
):  # fmt: skip
    """Which block of keys this program owns.

    Args:
        places: the list of packed sequences.
        shape: the call's first batch, how many, key heads of a batch, m, n.
        own: of the call: its first key head, how many, blocks of keys of each, heads of a section.
        row_blocks: packed: blocks of rows of a head.
        slopes_batch: the stride of ALiBi's slopes.

    Returns:
        The key head as the call counts it, and the block's number; batch, key head, m, n; where the
        sequence's queries, keys and rows begin and blocks of rows of a head; its slopes.
    """
    start_batch, batches, heads_k, m, n = shape
    start_head, heads, blocks, section = own
    if PACKED:
        first_k, n, first_q, m, place, number, sequence = packed_place(places, heads, section)
        first_row = (first_q // 128 + sequence) * 128
        starts = (first_q, first_k, first_row, row_blocks)
        return place, number, 0, start_head + place, m, n, starts, sequence * slopes_batch
    else:
        place, number = in_sections(gl.program_id(0), heads, blocks, section)
        batch, head_k = batch_and_head(start_head + place, batches, heads_k, NEIGHBOURS)
        batch += start_batch
        starts = (0, 0, 0, gl.cdiv(m, BLOCK_M))
        return place, number, batch, head_k, m, n, starts, batch * slopes_batch


@gluon.jit
def place_of(batch, head, first, row, rows, PACKED: gl.constexpr):
    """Where a block of rows from ``row`` on lies for its descriptor, of a sequence that begins at
    ``first`` and has so many; packed, for one that ``hopper_layouts.ragged`` makes."""
    if PACKED:
        return [_FAR, first + rows, head, _FAR - rows + row, 0]
    else:
        return [batch, head, row, 0]


@gluon.jit
def block_of(step, first, count, shift):
    """The block of rows of a step: each block of keys begins elsewhere, and goes round."""
    return first + (step + shift) % count


@gluon.jit
def matrix(slots, index):
    """A slot (…, rows, width) as a matrix."""
    return slots.index(index).reshape([slots.shape[-2], slots.shape[-1]])


@gluon.jit
def leave(out, x, where, slot):
    """Stores a tile by way of a slot."""
    slot.reshape([slot.shape[-2], slot.shape[-1]]).store(x)
    fence_async_shared()
    store_async(out, where, slot)
    store_wait(0)


@gluon.jit
def batch_and_head(number, batches, heads_k, NEIGHBOURS: gl.constexpr):
    """Which batch and key head a number is: a head's batches beside each other if NEIGHBOURS, as
    they read one bias, else a batch's heads."""
    if NEIGHBOURS:
        return number % batches, number // batches
    else:
        return number // heads_k, number % heads_k


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
        last = gl.minimum(last, gl.cdiv(seen, CHUNK))
    if LEFT:
        first = gl.maximum(above - left, 0) // KEYS * PER_BLOCK
    first = gl.minimum(gl.maximum(first - start, 0), tiles)
    return first, gl.maximum(gl.minimum(last - start, tiles), first)


@gluon.jit
def tile_of(
    shelf, line, block, tile, edges, BLOCK_M: gl.constexpr, KEYS: gl.constexpr, LEFT: gl.constexpr,
    RIGHT: gl.constexpr, PACKED: gl.constexpr,
):  # fmt: skip
    """Where ds of a block of rows and a tile of keys is kept, in tiles.

    The tiles of one block of rows follow each other. Where rows do not see all keys, the first
    block of rows shares its stretch with the last one, the second with the last but one, and so on:
    one from the front, the other from the back, as together they see the same number of keys,
    causal or in a window.
    """
    row_blocks, first_block, stretch, tiles, start = shelf
    if PACKED:
        return (line * row_blocks + first_block + block) * stretch + tile
    elif LEFT or RIGHT:
        if LEFT:
            first, _ = tiles_seen(block * BLOCK_M, tiles, start, edges, BLOCK_M, KEYS, LEFT, False)
            tile -= first
        other = row_blocks - 1 - block
        place = (line * gl.cdiv(row_blocks, 2) + gl.minimum(block, other)) * stretch
        return place + gl.where(block > other, stretch - 1 - tile, tile)
    else:
        return (line * row_blocks + block) * tiles + tile


@gluon.jit
def multiply_queries(ds_slots, k_slots, buffer, PARTY: gl.constexpr):
    """This warpgroup's 64 by 64 square of ds·k: half of the columns, or half of 128 rows."""
    BLOCK_M: gl.constexpr = ds_slots.shape[2]
    WIDTH: gl.constexpr = k_slots.shape[-1]
    layout: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, CHUNK, 16])
    square = gl.zeros([CHUNK, CHUNK], gl.float32, layout)
    for other in gl.static_range(2):
        ds = ds_slots.index(2 * buffer + other)
        k = matrix(k_slots, other)
        if BLOCK_M == 2 * CHUNK:
            ds = ds.slice(PARTY * CHUNK, CHUNK, 1)
        if WIDTH == 2 * CHUNK:
            k = k.slice(PARTY * CHUNK, CHUNK, 1)
        square = warpgroup_mma(ds.permute((1, 0)), k, square, use_acc=other > 0, is_async=True)
    return square


@gluon.jit
def square_index(step, work, BLOCK_M: gl.constexpr, PARTY: gl.constexpr):
    """Which square of the buffer this warpgroup's part of a step's dq is."""
    batch, head_k, _, first, count, shift, group, heads_q, _, _ = work.place
    _, _, first_row, row_blocks = work.starts
    head = batch * heads_q + head_k * group + step // count
    block = block_of(step, first, count, shift)
    # Two squares a block of rows in either case: beside or below each other.
    return (head * row_blocks + first_row // BLOCK_M + block) * 2 + PARTY


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
