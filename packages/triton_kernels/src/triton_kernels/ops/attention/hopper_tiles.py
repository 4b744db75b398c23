"""Which tiles a block of threads of the forward works on, and which blocks of keys they see."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._gluon import gl, gluon
from triton_kernels.ops.attention import packing

_FIELDS = gl.constexpr(packing.FIELDS)


@gluon.jit
def rounds_of(tiles, ORDER: gl.constexpr):
    """How many tiles this program works on; folded, all programs but a few have an even number."""
    programs = gl.num_programs(0)
    if ORDER == "folded":
        pairs = gl.cdiv(tiles, 2)
        mine = pairs // programs
        mine += (index_of(2 * mine, ORDER) < tiles).to(gl.int32)
        return 2 * mine - (index_of(2 * mine - 1, ORDER) >= tiles).to(gl.int32)
    else:
        full = tiles // programs
        return full + (index_of(full, ORDER) < tiles).to(gl.int32)


@gluon.jit
def index_of(turn, ORDER: gl.constexpr):
    """The tile of this program's turn: dealt one by one, or to and fro, one or in pairs."""
    place = gl.program_id(0)
    programs = gl.num_programs(0)
    if ORDER == "folded":
        place = gl.where(turn // 2 % 2 == 0, place, programs - 1 - place)
        return 2 * (turn // 2 * programs + place) + turn % 2
    elif ORDER == "sections":
        return turn * programs + gl.where(turn % 2 == 0, place, programs - 1 - place)
    else:
        return turn * programs + place


@gluon.jit
def _place(index, row_tiles, heads, section, ORDER: gl.constexpr):
    """Row of tiles, and head counted through the batch: head by head, so that a head's keys are
    read from L2, or as ``hopper_order`` says."""
    if ORDER == "sections":
        part = index // (row_tiles * section)
        rest = index - part * row_tiles * section
        heads_here = gl.minimum(section, heads - part * section)
        row = rest // heads_here
        down = (gl.cdiv(heads, section) - 1 - part) % 2 == 0
        return gl.where(down, row_tiles - 1 - row, row), part * section + rest % heads_here
    else:
        return index % row_tiles, index // row_tiles


@gluon.jit
def tile(index, call):
    """Row of tiles, head, where its queries and keys begin in the tensors, how many there are.

    Packed, ``places`` holds for the tiles of one head those of the sequence that each belongs to,
    and the number of tiles before it: the heads of a sequence follow each other.
    """
    _, row_tiles, heads, heads_q, _, section, _, _, _, bias_batches, _ = call.work
    m, n, _, _ = call.edges
    ORDER: gl.constexpr = call.ORDER
    if call.PACKED:
        place = call.beside[4] + _FIELDS * (index // heads_q + 1)
        first_q = gl.load(place)
        m = gl.load(place + 1)
        first_k = gl.load(place + 2)
        n = gl.load(place + 3)
        before = gl.load(place + 4)
        count = gl.load(place + 5)
        sequence = gl.load(place + 6)
        index -= before * heads_q
        row = index % count
        if ORDER == "folded":
            row = gl.where(row % 2 == 0, count - 1 - row // 2, row // 2)
        elif ORDER == "sections":
            row = count - 1 - row
        return row, sequence * heads_q + index // count, first_q, m, first_k, n
    else:
        row, head = _place(index, row_tiles, heads, section, ORDER)
        if call.BIAS:  # a head's bias is read by all batches while it is in L2
            batches = heads // heads_q
            if bias_batches == 1:
                head = head % batches * heads_q + head // batches
        return row, head, 0, m, 0, n


@gluon.jit
def last_block(row, edges, BLOCK_N: gl.constexpr, RIGHT: gl.constexpr):
    """One past the last block of keys that rows up to this one see; one block at least."""
    m, n, _, right = edges
    seen = n
    if RIGHT:
        seen = gl.minimum(n, gl.minimum(row, m - 1) + n - m + right + 1)
    seen = gl.maximum(seen, 1)
    return gl.cdiv(seen, BLOCK_N)


@gluon.jit
def first_block(row, last, edges, BLOCK_N: gl.constexpr, LEFT: gl.constexpr):
    """The first block of keys that rows from this one on see, before ``last``."""
    m, n, left, _ = edges
    if LEFT:
        return gl.minimum(gl.maximum(row + n - m - left, 0) // BLOCK_N, last - 1)
    else:
        return 0


@gluon.jit
def uncut(row, end, edges, BLOCK_N: gl.constexpr, LEFT: gl.constexpr, RIGHT: gl.constexpr):
    """Of rows from ``row`` to ``end``: nothing on the left cuts the blocks of keys from the first
    number on, nothing on the right those before the second."""
    m, n, left, right = edges
    inside = 0
    whole = n // BLOCK_N
    if RIGHT:
        whole = gl.minimum(whole, gl.maximum(row + n - m + right + 1, 0) // BLOCK_N)
    if LEFT:
        inside = gl.cdiv(gl.maximum(end - 1 + n - m - left, 0), BLOCK_N)
    return inside, whole


@gluon.jit
def mask_line(head, call):
    """Which of its matrices a mask has for a head counted through the batch."""
    mask_batches, mask_heads, _, _, _, _, _ = call.extras
    _, _, _, heads_q, _, _, _, _, _, _, _ = call.work
    batch = gl.minimum(head // heads_q, mask_batches - 1)
    return batch * mask_heads + gl.minimum(head % heads_q, mask_heads - 1)


@gluon.jit
def visits_of(row_tile, head, call, BLOCK_N: gl.constexpr):
    """Where the list begins of the blocks that a tile visits, as ``bit_masks.visits`` made it."""
    _, row_tiles, _, _, _, _, _, _, _, _, _ = call.work
    _, n, _, _ = call.edges
    line = mask_line(head, call).to(gl.int64) * row_tiles + row_tile
    return call.beside[6] + line * (gl.cdiv(n, BLOCK_N) + 1)


@gluon.jit
def visited(index, visits, call):
    """The number of the block that is visited at this place, and whether a mask cuts it."""
    if call.MASKED:
        entry = gl.load(visits + 1 + index)
        return entry // 2, entry % 2 == 1
    else:
        return index, False
