"""How attention's backward on Hopper divides its work; readable without Gluon."""

from __future__ import annotations

from typing import NamedTuple

MOST_BYTES = 1 << 29
"""What ds may take at a time where it is kept; causal, where half of it is never written, 1 GiB."""
UTMOST_BYTES = 1 << 31
"""What it may take if ``LEAST_BLOCKS`` need more than that."""
LEAST_BLOCKS = 264
"""Blocks of keys worked on at a time if there are as many: two for each of an H200's processors."""


def bytes_for_ds(block: int, causal: bool) -> int:
    """What ds may take at a time; ``block``: that of one block of keys of one head."""
    return max(MOST_BYTES * (2 if causal else 1), min(LEAST_BLOCKS * block, UTMOST_BYTES))


class Tiling(NamedTuple):
    """How the backward divides its work."""

    rows: int
    """Queries of a block."""
    slots: int = 2
    """Blocks of queries, and of the output's gradients, in shared memory."""
    near: bool = True
    """Whether one head's blocks run side by side, which reads its queries from L2, or one block of
    each head, the longest ones first."""
    shift: int = 0
    """How many blocks of rows further on each block of keys begins than the one before: they add to
    other parts of dq than their neighbours."""
    split: bool = False
    """Whether ds is kept and dq made of it by a kernel of its own, or added up on the way."""


def tiling(width: int, rows: int, causal: bool, deterministic: bool = False) -> Tiling:
    """The tiling for heads of this width, as ``block_width`` gives it, and so many rows that a key
    meets: those of all heads of its group.

    As measured on an H200; causal is any bound on the right.
    """
    near = not causal or rows <= 2048
    if width == 256:
        return Tiling(rows=64, split=True)
    if width == 64 and not deterministic:
        return Tiling(rows=128, shift=1)
    if deterministic or rows <= (8192 if causal else 16384):
        return Tiling(rows=128 if width == 64 else 64, slots=3, near=near, split=True)
    return Tiling(rows=64, slots=3, near=False) if causal else Tiling(rows=64, shift=2)


class Part(NamedTuple):
    """What of the keys is worked on at a time."""

    start_head: int
    """Heads are counted through the batch."""
    heads: int
    start_block: int
    """Blocks of keys that a block of threads works on."""
    blocks: int


def parts(heads: int, blocks: int, ds: int, most: int) -> list[Part]:
    """Some heads at a time, or some keys of all heads, so that ds takes no more than ``most`` bytes
    unless one block of keys of each does; ``ds``: the bytes of one block of keys of one head."""
    if blocks * ds <= most:
        count = -(-heads // (most // (blocks * ds)))
        each = -(-heads // count)
        return [Part(i, min(each, heads - i), 0, blocks) for i in range(0, heads, each)]
    count = -(-blocks // max(most // (heads * ds), 1))
    each = -(-blocks // count)
    return [Part(0, heads, i, min(each, blocks - i)) for i in range(0, blocks, each)]
