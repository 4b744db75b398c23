"""Packed sequences on Hopper: which tiles there are, listed on the device that knows.

A list holds an entry for each tile of one head: those of the longest sequence first, so that the
work which is left at the end is small. The kernels go through it, all heads of a sequence before
the next one; of the backward the tiles are keys, and ``cu_q`` and ``cu_k`` change sides.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
from typing import Any

import torch

from triton_kernels import _compat
from triton_kernels._compat import Launch, tl, triton

NOTE = 8
"""Numbers that a program of the forward notes of a tile that it has taken."""
FIELDS = 8
"""Of an entry: first query, queries, first key, keys of its sequence; the tiles of the sequences
before it, its own; its number; nothing."""
_SWEEPERS = 16
"""Programs that clear the rows which no sequence covers."""


@triton.jit
def _list(
    cu_q, cu_k, places, out, more, lse, sequences, capacity, rows, heads,
    o_head, o_row, width, more_head, more_row, more_width,
    ROWS: tl.constexpr, FIELDS: tl.constexpr, SWEEPERS: tl.constexpr, WIDTH: tl.constexpr,
    BLOCK: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    """Program n lists the tiles of sequence n; the last ones sweep."""
    if EARLY:  # who reads the list may start, and wait for it
        tl.extra.cuda.gdc_launch_dependents()
    own = tl.program_id(0)
    if own < sequences:
        first_q = tl.load(cu_q + own)
        first_k = tl.load(cu_k + own)
        m = tl.load(cu_q + own + 1) - first_q
        n = tl.load(cu_k + own + 1) - first_k
        before = 0
        everything = 0
        for start in range(0, sequences, BLOCK):
            other = start + tl.arange(0, BLOCK)
            inside = other < sequences
            length = tl.load(cu_q + other + 1, mask=inside, other=0)
            length -= tl.load(cu_q + other, mask=inside, other=0)
            tiles = tl.cdiv(length, ROWS)
            ahead = (length > m) | ((length == m) & (other < own))
            before += tl.sum(tl.where(ahead, tiles, 0))
            everything += tl.sum(tiles)
        if own == 0:
            tl.store(places, everything)
            tl.store(places + 1, 0)  # how many have been taken
        count = tl.cdiv(m, ROWS)
        for start in range(0, count, BLOCK):
            tile = start + tl.arange(0, BLOCK)
            entry = places + (before + tile + 1) * FIELDS
            mask = (tile < count) & (before + tile < capacity)
            nothing = tile * 0
            tl.store(entry, first_q + nothing, mask=mask)
            tl.store(entry + 1, m + nothing, mask=mask)
            tl.store(entry + 2, first_k + nothing, mask=mask)
            tl.store(entry + 3, n + nothing, mask=mask)
            tl.store(entry + 4, before + nothing, mask=mask)
            tl.store(entry + 5, count + nothing, mask=mask)
            tl.store(entry + 6, own + nothing, mask=mask)
    else:
        begin = tl.load(cu_q)
        end = tl.load(cu_q + sequences)
        column = tl.arange(0, WIDTH)
        for bare in range(own - sequences, begin + rows - end, SWEEPERS):
            row = tl.where(bare < begin, bare, end + bare - begin).to(tl.int64)
            for head in range(heads):
                zeros = tl.zeros((WIDTH,), out.dtype.element_ty)
                to = out + row * o_row + head * o_head
                tl.store(to + column, zeros, mask=column < width)
                if more is not None:
                    to = more + row * more_row + head * more_head
                    tl.store(to + column, zeros, mask=column < more_width)
                if lse is not None:
                    tl.store(lse + row + head * rows, -float("inf"))


def places(
    cu: torch.Tensor, cu_others: torch.Tensor, rows: int, out: torch.Tensor,
    more: torch.Tensor | None = None, lse: torch.Tensor | None = None,
) -> torch.Tensor:  # fmt: skip
    """The list, int32, (1 + most tiles) times FIELDS; its first number is how many there are, the
    second 0.

    Rows of ``out`` and ``more`` that no sequence covers become zeros, those of ``lse`` -inf.

    Args:
        cu: where the sequences that are cut into tiles begin and end: of queries, or of keys.
        cu_others: the same of the others.
        rows: of a tile.
        out: (1, H, T, D).
        more: the same, or another size.
        lse: (1, H, T).
    """
    _, heads, total, width = out.shape
    sequences = len(cu) - 1
    capacity = most_tiles(total, sequences, rows)
    entries = torch.empty((capacity + 1) * FIELDS, dtype=torch.int32, device=out.device)
    strides = (*out.stride()[1:3], width)
    strides += (0, 0, 0) if more is None else (*more.stride()[1:3], more.shape[3])
    launch = _plan((sequences, capacity, total, heads, *strides), rows, more is None, lse is None,
                   out.dtype, out.device)  # fmt: skip
    launch(cu, cu_others, entries, out, more, lse)
    return entries


def most_tiles(total: int, sequences: int, rows: int) -> int:
    """How many tiles of so many rows the sequences can make, of one head."""
    return total // rows + sequences


@functools.lru_cache(maxsize=4096)
def _plan(
    scalars: tuple[int, ...], rows: int, alone: bool, only: bool, dtype: torch.dtype,
    device: torch.device,
) -> Launch:  # fmt: skip
    constants: dict[str, Any] = {
        "ROWS": rows, "FIELDS": FIELDS, "SWEEPERS": _SWEEPERS,
        "WIDTH": triton.next_power_of_2(max(scalars[6], scalars[9])), "BLOCK": 1024,
        "EARLY": _compat.starts_early(_compat.device_of(device)),
    }  # fmt: skip
    return Launch(_list, scalars[0] + _SWEEPERS, scalars, constants, {"num_warps": 4})
