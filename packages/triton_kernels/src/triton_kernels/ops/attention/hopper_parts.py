"""What attention's Gluon kernels share, above all the backward's for narrow and for wide heads."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._gluon import fence_async_shared, gl, gluon
from triton_kernels.ops.attention import packing

SIZES = (
    "heads_k", "group", "m", "n", "left", "right",
    "heads", "start_head", "blocks", "start_block", "batches",
    "dk_head", "dk_row", "dk_width", "dv_head", "dv_row", "dv_width", "row_blocks",
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
def packed_place(places, heads_k):
    """Where the keys of this program's sequence begin, how many, the same of its queries; the head,
    the block of keys, and the sequence's number. A program too many gets an empty sequence."""
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
    head = gl.where(exists, index // count, 0)
    number = gl.where(exists, index % count, 0)
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
def tile_of(tiles, head, block, party):
    """The number of a tile of ds: the keys' tiles of one block of rows follow each other."""
    line, row_blocks, key_tiles, key_tile = tiles
    return ((line + head) * row_blocks + block) * key_tiles + key_tile + party


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
