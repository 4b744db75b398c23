"""How a causal forward on Hopper deals its tiles out; readable without Gluon.

Blocks of threads are persistent: who works on what is settled before they begin. Heads are taken in
sections. In one, tiles follow each other from the longest row of all its heads to the shortest, in
the next from the shortest to the longest, and the last one ends with the shortest; to and fro over
the blocks of threads, that leaves each about as much. The fewer heads a section has, the more of
their keys and values lie in the L2 cache when the next tile reads them.
"""

from __future__ import annotations

import functools

import torch

from triton_kernels.ops.attention.features import UNBOUNDED

_SECTION_BYTES = tuple(share << 20 for share in (12, 16, 24, 32, 40))
"""Keys and values that a section may have: what an L2 cache of 50 MB holds while others pass it."""
_TILE_COST = 0.7
"""What a tile costs beside its blocks of keys, in blocks."""
_AS_GOOD = 0.005
"""Of the work, what a smaller section is worth."""
_MOST_TILES = 64
"""Tiles a program from which sections need no choosing: what is left over at the end is little."""


def cut_once(m: int, n: int, right: int) -> bool:
    """Whether of the keys that 64 rows see, at most the last block is cut, by diagonal or end.

    That holds for blocks of 64 and of 128 keys, for rows that start at a multiple of 64. A window's
    other edge may cut more.
    """
    return right == UNBOUNDED or (n - m + right + 1) % 64 in (0, 1)


def sees_first(m: int, n: int, right: int) -> bool:
    """Whether a row that sees any key sees one in the first block that its 64 rows visit.

    As in ``cut_once``; the first visited is the last that any of the rows sees.
    """
    return right == UNBOUNDED or (n - m + right) % 64 == 0


def keys_seen(n: int, left: int, right: int) -> float:
    """About how many keys a row sees."""
    if left == UNBOUNDED:
        return n if right == UNBOUNDED else n / 2
    return min(n, left + 1 + max(right, 0))


def blocks(m: int, n: int, left: int, right: int, rows: int, keys: int) -> tuple[int, ...]:
    """Blocks of ``keys`` that each tile of ``rows`` visits."""
    seen = []
    for row in range(0, m, rows):
        end = n if right == UNBOUNDED else min(n, row + rows + n - m + right)
        last = -(-max(end, 1) // keys)
        first = 0 if left == UNBOUNDED else max(row + n - m - left, 0) // keys
        seen.append(last - min(first, last - 1))
    return tuple(seen)


def order(rows: int, heads: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Row of tiles, and head, of all tiles one after the other, in sections of ``size`` heads.

    The kernel's ``_place`` computes the same.
    """
    index = torch.arange(rows * heads, device="cpu")
    part = index // (rows * size)
    rest = index - part * rows * size
    heads_here = (heads - part * size).clamp(max=size)
    row = rest // heads_here
    down = (-(-heads // size) - 1 - part) % 2 == 0
    return torch.where(down, rows - 1 - row, row), part * size + rest % heads_here


@functools.lru_cache(maxsize=4096)
def section(lengths: tuple[int, ...], heads: int, group: int, nbytes: int, programs: int) -> int:
    """Heads of a section: few, but so that the busiest program has little more than the others.

    Args:
        lengths: blocks of keys of each row of tiles.
        heads: counted through the batch.
        group: heads that share their keys.
        nbytes: keys and values of one head that a row of tiles reads.
        programs: blocks of threads.
    """
    sizes = [min(heads, max(1, share // nbytes) * group) for share in _SECTION_BYTES]
    if len(lengths) * heads > _MOST_TILES * programs:
        return sizes[-2]
    balance = {size: _balance(lengths, heads, size, programs) for size in sizes}
    return min(size for size in sizes if balance[size] > max(balance.values()) - _AS_GOOD)


def _balance(lengths: tuple[int, ...], heads: int, size: int, programs: int) -> float:
    """The mean work of a program over the most."""
    row, _ = order(len(lengths), heads, size)
    index = torch.arange(len(row), device="cpu")
    program = index % programs
    program = torch.where(index // programs % 2 == 0, program, programs - 1 - program)
    cost = torch.tensor(lengths, device="cpu")[row] + _TILE_COST
    work = torch.bincount(program, cost, programs)
    return (work.mean() / work.max()).item()
