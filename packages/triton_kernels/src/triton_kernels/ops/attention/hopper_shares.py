"""How attention's backward on Hopper divides its work; readable without Gluon."""

from __future__ import annotations

import functools
from typing import Literal, NamedTuple

from triton_kernels.ops.attention.features import UNBOUNDED

MOST_BYTES = (1 << 31) + (1 << 26)
"""What ds may take at a time where it is kept: 2 GiB, and what diagonals take."""
LEAST_BLOCKS = 256
"""Blocks of keys that are worked on at a time: two for nearly each of an H200's processors."""


def fits(head: int, blocks: int, heads: int) -> bool:
    """Whether enough of ds can be kept at a time for all processors to be busy; ``head``: the bytes
    of one head, in so many blocks of keys."""
    return heads * head <= MOST_BYTES or MOST_BYTES // head * blocks >= LEAST_BLOCKS


def bytes_of_a_head(edges: tuple[int, int, int, int], group: int, rows: int, keys: int) -> int:
    """What ds of one key head takes, two bytes a score; edges: rows and keys, and the window."""
    tiles = -(-edges[1] // keys) * (keys // 64)
    blocks = -(-edges[0] // rows)
    return group * -(-blocks // 2) * stretch(*edges, rows, keys, 0, tiles) * 64 * rows * 2


def packed_bytes(total: int, sequences: int, longest: int, group: int) -> int:
    """The same of packed sequences: every row has room for the keys of the longest."""
    return group * (total // 128 + sequences + 1) * max(-(-longest // 128), 1) * 128 * 128 * 2


@functools.lru_cache(maxsize=4096)
def stretch(
    m: int, n: int, left: int, right: int, rows: int, keys: int, start: int, tiles: int
) -> int:
    """The tiles of 64 keys that a block of rows and its mirror image see together, at most.

    As ``hopper_parts.tiles_seen`` and ``tile_of`` have them: of ``tiles`` from ``start`` on.
    """

    def seen(block: int) -> int:
        above = block * rows + n - m
        first, last = 0, -(-n // keys) * (keys // 64)  # whole blocks of keys are written
        if right != UNBOUNDED:
            last = min(last, -(-max(above + rows + right, 0) // keys) * (keys // 64))
        if left != UNBOUNDED:
            first = max(above - left, 0) // keys * (keys // 64)
        first = min(max(first - start, 0), tiles)
        return max(min(last - start, tiles), first) - first

    blocks = -(-m // rows)
    return max(seen(i) + (seen(blocks - 1 - i) if 2 * i + 1 < blocks else 0)
               for i in range(-(-blocks // 2)))  # fmt: skip


def section(blocks: int, width: int = 1024) -> int:
    """Heads whose blocks, so many each, take turns, the longest first: few, as the L2 cache has to
    hold what they read, but enough of them to leave no processor idle; of this width 1024 columns
    at least."""
    return max(-(-LEAST_BLOCKS // blocks), 1024 // width)


class Tiling(NamedTuple):
    """How the backward divides its work."""

    rows: int
    """Queries of a block."""
    slots: int = 2
    """Blocks of queries, and of the output's gradients, in shared memory."""
    near: bool = True
    """Whether one head's blocks of keys run side by side, which reads its queries from L2, or one
    block of each head, the longest ones first."""
    shift: int = 0
    """How many blocks of rows further on each block of keys begins than the one before: they add to
    other parts of dq than their neighbours."""
    split: bool = False
    """Whether ds is kept and dq made of it by a kernel of its own, or added up on the way."""


def tiling(
    width: int, rows: int, causal: bool, deterministic: bool = False, keeps: bool = False,
    fits: bool = True,
) -> Tiling:  # fmt: skip
    """The tiling for heads of this width, as ``block_width`` gives it, and so many rows that a key
    meets: those of all heads of its group.

    As measured on an H200; causal is any bound on the right. ``keeps``: ds has to be kept, as the
    bias's gradient is made of it, or blocks have to be of 64 rows, as a mask's bits are. ``fits``:
    whether there is room for enough of ds.
    """
    near = not causal or rows <= 2048
    if width == 256:
        return Tiling(rows=64, near=near, split=True)
    if keeps:
        return Tiling(rows=64, slots=3, near=near, split=True)
    if width == 64 and not deterministic:
        return Tiling(rows=128, shift=1)
    if deterministic or fits:
        return Tiling(rows=128 if width == 64 else 64, slots=3, near=near, split=True)
    return Tiling(rows=64, slots=3, near=False) if causal else Tiling(rows=64, shift=2)


def packed_tiling(
    width: int, rows: int, causal: bool, fits: bool, deterministic: bool = False
) -> Tiling:
    """The same of packed sequences, of which the longest has so many rows that a key meets;
    ``fits``: whether there is room for a head's ds."""
    if width == 256:
        return Tiling(rows=64, near=not causal or rows <= 2048, split=True)
    if width == 64 and not deterministic:
        return Tiling(rows=128, shift=1)
    if fits:
        return Tiling(rows=64, slots=3, near=not causal or rows <= 2048, split=True)
    return Tiling(rows=64, shift=0 if causal else 2)


class Part(NamedTuple):
    """What of the keys is worked on at a time."""

    start_head: int
    """Heads are counted through the batch."""
    heads: int
    start_block: int
    """Blocks of keys that a block of threads works on."""
    blocks: int


def parts(heads: int, blocks: int, head: int, most: int, together: int = 1) -> list[Part]:
    """Some heads at a time, or some keys of all heads, so that ds takes no more than ``most`` bytes
    unless one block of keys of each does; ``head``: the bytes of one head. If they fit, so many
    neighbouring heads come ``together``."""
    if head <= most:
        if together * head > most:
            together = 1
        count = -(-heads // together // (most // (together * head)))
        each = -(-heads // together // count) * together
        return [Part(i, min(each, heads - i), 0, blocks) for i in range(0, heads, each)]
    count = -(-blocks // max(most * blocks // (heads * head), 1))
    each = -(-blocks // count)
    return [Part(0, heads, i, min(each, blocks - i)) for i in range(0, blocks, each)]


MOST_ADDED = 8
"""Batches whose ds is added to a bias's gradient in its own 16 bits: as many roundings."""


def way(
    of_bias: tuple[int, ...] | None, batches: int, heads: int, deterministic: bool, dropout: float
) -> Literal["whole", "shared", "apart"]:
    """How the gradient of a bias of this shape is made: it is ds (*whole*); it is the first batch's
    ds, and that of the others is added to it, two in any order, more in the order they come
    (*shared*); or it is added up afterwards, or there is none (*apart*)."""
    if of_bias is None or dropout or of_bias[1] != heads:
        return "apart"
    if of_bias[0] == batches:
        return "whole"
    return "shared" if batches <= (2 if deterministic else MOST_ADDED) else "apart"


class Piece(NamedTuple):
    """What is worked on at a time, of which batches, and where its ds is kept."""

    part: Part
    """Heads are counted through these batches."""
    batch: int
    batches: int
    whole: bool = False
    """As the bias's gradient itself."""
    adds: bool = False
    """In tiles, and added to the bias's gradient as well."""


def pieces(
    batches: int, heads: int, blocks: int, head: int, most: int, kind: str, together: int = 1
) -> list[Piece]:
    """The work in the order in which it is done.

    Args:
        batches: how many.
        heads: key heads of a batch.
        blocks: of keys, of a head.
        head: bytes of a head's ds.
        most: bytes of ds that may be kept at a time, beside the bias's gradient.
        kind: ``way``.
        together: neighbouring heads that share a bias, where it is added up afterwards.
    """
    if kind == "apart":
        found = parts(batches * heads, blocks, head, most, together)
        return [Piece(part, 0, batches) for part in found]
    first = batches if kind == "whole" else 1
    work = [Piece(Part(0, first * heads, 0, blocks), 0, first, whole=True)]
    if first < batches:
        found = parts((batches - 1) * heads, blocks, head, most, batches - 1)
        work += [Piece(part, 1, batches - 1, adds=True) for part in found]
    return work
