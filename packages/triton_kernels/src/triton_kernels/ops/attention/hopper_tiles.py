"""Which tiles a block of threads of the forward works on, and which blocks of keys they see."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._gluon import gl, gluon, mbarrier, thread_barrier
from triton_kernels.ops.attention import packing

_FIELDS = gl.constexpr(packing.FIELDS)
_NOTE = gl.constexpr(packing.NOTE)
TAKEN = gl.constexpr(4)
"""Barriers for tiles that were taken: there are queries of two in shared memory at most, and the
tile behind these has been taken."""


@gluon.jit
def _index_of(turn, ORDER: gl.constexpr):
    """The tile of this program's turn: dealt one by one, or to and fro."""
    place = gl.program_id(0)
    programs = gl.num_programs(0)
    if ORDER == "sections":
        place = gl.where(turn % 2 == 0, place, programs - 1 - place)
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
def _tile(index, call):
    """Row of tiles, head counted through the batch, where its queries begin in the tensors, how
    many there are, the same of its keys.

    Packed, ``places`` holds for the tiles of one head those of the sequence that each belongs to,
    and the number of tiles before it. The heads of a sequence come in sections of about as many
    keys, and in each the longest rows of all its heads first.
    """
    _, row_tiles, heads, heads_q, group, section, _, _, _, bias_batches, _, _, _ = call.work
    m, n, _, _ = call.edges
    if call.PACKED:
        place = call.beside[4] + _FIELDS * (index // heads_q + 1)
        first_q = gl.load(place)
        m = gl.load(place + 1)
        first_k = gl.load(place + 2)
        n = gl.load(place + 3)
        before = gl.load(place + 4)
        count = gl.load(place + 5)
        sequence = gl.load(place + 6)
        size = gl.minimum(heads_q, gl.maximum(section // gl.maximum(n, 1), 1) * group)
        rest = index - before * heads_q
        part = rest // (count * size)
        rest -= part * count * size
        heads_here = gl.minimum(size, heads_q - part * size)
        head = sequence * heads_q + part * size + rest % heads_here
        return count - 1 - rest // heads_here, head, first_q, m, first_k, n
    else:
        row, head = _place(index, row_tiles, heads, section, call.ORDER)
        if call.BIAS:  # a head's bias is read by all batches while it is in L2
            batches = heads // heads_q
            if bias_batches == 1:
                head = head % batches * heads_q + head // batches
        return row, head, 0, m, 0, n


@gluon.jit
def _note(turn, call):
    """Where the tile of this program's turn is noted."""
    return call.beside[5] + (gl.program_id(0) * call.work[11] + turn) * _NOTE


@gluon.jit
def _settled(turn, call):
    """Whether this program has a tile in its turn, and ``_tile``, where all were dealt out."""
    index = _index_of(turn, call.ORDER)
    there = index < call.work[0]
    row, head, first_q, m, first_k, n = _tile(gl.where(there, index, 0), call)
    return there, row, head, first_q, m, first_k, n


@gluon.jit
def _next_stray(at, call):
    """The first tile from this note on that strayed, or none of all, and what note comes then."""
    tiles = call.work[0]
    index = gl.load(_note(at, call) + 7)
    while (index < tiles) & (gl.load(_note(at, call) + 6) == 0):
        at += 1
        index = gl.load(_note(at, call) + 7)
    return index, at + 1


@gluon.jit
def take(turn, at, call):
    """For the loading warp: whether this program has a tile in its turn, and ``_tile``.

    Packed, it takes the next that nobody has taken, and notes it for the warpgroups that attend;
    in a second launch the next that strayed, from note ``at`` of the first launch on. Then comes
    the note to go on from.
    """
    if call.PACKED:
        tiles, _, _, _, _, _, _, _, _, _, _, capacity, mends = call.work
        LANES: gl.constexpr = gl.BlockedLayout([1], [32], [1], [0])
        lane = gl.arange(0, 32, LANES)
        if mends != 0:
            index, at = _next_stray(at, call)
        else:
            wanted = (lane == 0) & (turn < capacity - 1)
            one = gl.full([32], 1, gl.int32, LANES)
            index = gl.atomic_add(call.beside[4] + 1 + lane, one, mask=wanted)
            index = gl.sum(gl.where(lane == 0, gl.where(wanted, index, tiles), 0), 0)
        there = index < tiles
        row, head, first_q, m, first_k, n = _tile(gl.where(there, index, 0), call)
        note = gl.where(lane == 0, there.to(gl.int32), 0)
        note = gl.where(lane == 1, row, note)
        note = gl.where(lane == 2, head, note)
        note = gl.where(lane == 3, first_q, note)
        note = gl.where(lane == 4, m, note)
        note = gl.where(lane == 5, n, note)
        note = gl.where(lane == 7, index, note)
        thread_barrier()  # all lanes have read what was noted there before
        gl.store(_note(turn, call) + lane, note, mask=lane < _NOTE)
        thread_barrier()  # one lane says for all of them that it is written
        mbarrier.arrive(call.signals[9].index(turn % TAKEN), count=1)
        return there, row, head, first_q, m, first_k, n, at
    else:
        there, row, head, first_q, m, first_k, n = _settled(turn, call)
        return there, row, head, first_q, m, first_k, n, at


@gluon.jit
def taken(turn, call):
    """The same for a warpgroup that attends, but for where the keys begin, and the notes."""
    if call.PACKED:
        mbarrier.wait(call.signals[9].index(turn % TAKEN), turn // TAKEN & 1)
        note = _note(turn, call)
        there = gl.load(note) != 0
        row = gl.load(note + 1)
        head = gl.load(note + 2)
        first_q = gl.load(note + 3)
        m = gl.load(note + 4)
        return there, row, head, first_q, m, gl.load(note + 5)
    else:
        there, row, head, first_q, m, _, n = _settled(turn, call)
        return there, row, head, first_q, m, n


@gluon.jit
def note_strays(turn, strayed, call):
    """Notes that rows of the tile of this turn strayed; without packed sequences a word for each
    program will do."""
    if call.PACKED:
        gl.store(_note(turn, call) + 6 + 0 * strayed, strayed, mask=strayed != 0)


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
    _, _, _, heads_q, _, _, _, _, _, _, _, _, _ = call.work
    batch = gl.minimum(head // heads_q, mask_batches - 1)
    return batch * mask_heads + gl.minimum(head % heads_q, mask_heads - 1)


@gluon.jit
def visits_of(row_tile, head, call, BLOCK_N: gl.constexpr):
    """Where the list begins of the blocks that a tile visits, as ``bit_masks.visits`` made it."""
    _, row_tiles, _, _, _, _, _, _, _, _, _, _, _ = call.work
    _, n, _, _ = call.edges
    line = mask_line(head, call).to(gl.int64) * row_tiles + row_tile
    return call.beside[7] + line * (gl.cdiv(n, BLOCK_N) + 1)


@gluon.jit
def visited(index, visits, call):
    """The number of the block that is visited at this place, and whether a mask cuts it."""
    if call.MASKED:
        entry = gl.load(visits + 1 + index)
        return entry // 2, entry % 2 == 1
    else:
        return index, False
