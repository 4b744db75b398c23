"""Packed sequences on Hopper: which tiles there are, listed on the device that knows.

A list holds an entry for each tile of one head: those of the longest sequence first, so that the
work which is left at the end is small. ``hopper_forward`` goes through it, all heads of a sequence
before the next one.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
from typing import Any

import torch

from triton_kernels._compat import Launch, tl, triton
from triton_kernels.ops.attention.features import Features

FIELDS = 8
"""Of an entry: first query, queries, first key, keys of its sequence; the tiles of the sequences
before it, its own; its number; nothing."""
_SWEEPERS = 16
"""Programs that clear the rows which no sequence covers."""


@triton.jit
def _list(
    cu_q, cu_k, places, out, lse, sequences, capacity, rows, heads, o_head, o_row, width,
    ROWS: tl.constexpr, FIELDS: tl.constexpr, SWEEPERS: tl.constexpr, WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Program n lists the tiles of sequence n; the last ones sweep."""
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
            to = out + row * o_row + column
            of_lse = lse + row
            for _ in range(heads):
                tl.store(to, tl.zeros((WIDTH,), out.dtype.element_ty), mask=column < width)
                tl.store(of_lse, -float("inf"))
                to += o_head
                of_lse += rows


def places(f: Features, rows: int, out: torch.Tensor, lse: torch.Tensor) -> torch.Tensor:
    """The list, int32, (1 + most tiles) times FIELDS; its first number is how many there are.

    Rows of ``out`` and ``lse`` that no sequence covers become zeros and -inf.

    Args:
        f: with ``cu_q`` and ``cu_k``.
        rows: queries of a tile.
        out: (1, H, T, D).
        lse: (1, H, T).
    """
    assert f.cu_q is not None
    _, heads, total, width = out.shape
    sequences = len(f.cu_q) - 1
    capacity = most_tiles(total, sequences, rows)
    entries = torch.empty((capacity + 1) * FIELDS, dtype=torch.int32, device=out.device)
    scalars = (sequences, capacity, total, heads, out.stride(1), out.stride(2), width)
    launch = _plan(scalars, rows, out.dtype, out.device)
    launch(f.cu_q, f.cu_k, entries, out, lse)
    return entries


def most_tiles(total: int, sequences: int, rows: int) -> int:
    """How many tiles of so many rows the sequences can make, of one head."""
    return total // rows + sequences


@functools.lru_cache(maxsize=4096)
def _plan(scalars: tuple[int, ...], rows: int, dtype: torch.dtype, device: torch.device) -> Launch:
    constants: dict[str, Any] = {
        "ROWS": rows, "FIELDS": FIELDS, "SWEEPERS": _SWEEPERS,
        "WIDTH": triton.next_power_of_2(scalars[-1]), "BLOCK": 1024,
    }  # fmt: skip
    return Launch(_list, scalars[0] + _SWEEPERS, scalars, constants, {"num_warps": 4})
