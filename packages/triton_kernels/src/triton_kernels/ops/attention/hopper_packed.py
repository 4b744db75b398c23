"""FlashAttention's backward on Hopper of packed sequences: what lies around ``hopper_narrow``.

Each sequence has whole blocks of 128 rows in the buffers of lse and delta and of dq, from
``(first // 128 + sequence) * 128`` on, and none in the tensors: there what a block has beyond the
end belongs to the next one, and is neither read as a number nor written.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import torch

from triton_kernels._compat import Layout, launch, tl, triton
from triton_kernels.ops.attention import (
    hopper_drops,
    hopper_launches,
    hopper_narrow,
    hopper_queries,
    hopper_wide,
    packing,
)
from triton_kernels.ops.attention.features import UNBOUNDED, Features, empty_like_dense
from triton_kernels.ops.attention.hopper_shares import (
    MOST_BYTES,
    Tiling,
    packed_bytes,
    packed_tiling,
    section,
)
from triton_kernels.ops.attention.layout import block_width


@triton.jit
def _prepare(lse, delta, rows, cu, total, padded, lines, shrink, BLOCK: tl.constexpr):
    """lse in base 2 and delta, a line a head, padded with rows that see nothing."""
    sequence = tl.program_id(0)
    line = tl.program_id(1).to(tl.int64)
    first = tl.load(cu + sequence)
    m = tl.load(cu + sequence + 1) - first
    room = tl.cdiv(m, 128) * 128
    to = rows + line * padded + (first // 128 + sequence) * 128
    for start in range(0, room, BLOCK):
        place = start + tl.arange(0, BLOCK)
        inside = place < m
        x = tl.load(lse + line * total + first + place, mask=inside, other=float("inf"))
        x = tl.where(x == float("-inf"), float("inf"), x * 1.4426950408889634)  # log2(e)
        d = tl.load(delta + line * total + first + place, mask=inside, other=0.0) * shrink
        tl.store(to + place, x, mask=place < room)
        tl.store(to + lines * padded + place, d, mask=place < room)


@triton.jit
def _finish(
    sums, dq, places, width, blocks, stride_h, stride_m, scale,
    BLOCK_M: tl.constexpr, WIDTH: tl.constexpr, FIELDS: tl.constexpr,
):  # fmt: skip
    """Puts 128 rows of one sequence in order: dq = scale times the sums."""
    index = tl.program_id(0)
    if index < tl.load(places):
        entry = places + (index + 1) * FIELDS
        first = tl.load(entry)
        m = tl.load(entry + 1)
        tile = index - tl.load(entry + 4)
        base = (first // 128 + tl.load(entry + 6) + tile) * (128 // BLOCK_M)
        line = tl.program_id(1).to(tl.int64)
        row = tl.arange(0, 128)[:, None]
        column = tl.arange(0, WIDTH)[None, :]
        within = row % BLOCK_M
        square = within // 64 * (WIDTH // 64) + column // 64
        at = column % 64 // 8 * 512 + row % 64 // 16 * 128 + row % 8 * 16
        at += column % 8 // 2 * 4 + row % 16 // 8 * 2 + column % 2
        SQUARES: tl.constexpr = BLOCK_M // 64 * (WIDTH // 64)
        start = (line * blocks + base + row // BLOCK_M) * SQUARES
        x = tl.load(sums + (start + square) * 4096 + at) * scale
        rows = tile * 128 + row
        out = dq + line * stride_h + (first + rows).to(tl.int64) * stride_m
        tl.store(out + column, x.to(dq.dtype.element_ty), mask=(rows < m) & (column < width))


def gradients(
    grad: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    lse: torch.Tensor, delta: torch.Tensor, f: Features, tile: Tiling | None = None,
    most: int = MOST_BYTES,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """The gradients of query, key and value."""
    assert f.cu_q is not None
    assert f.cu_k is not None
    _, heads, total, width = query.shape
    layouts = Layout.of(grad), Layout.of(query), Layout.of(key), Layout.of(value)
    beside = tuple(None if x is None else Layout.of(x) for x in f.tensors)
    plan = _plan(layouts, beside, f._replace(seed=0)[len(beside) :], tile, most)
    tile, padded = plan.tile, plan.padded
    sequences = len(f.cu_q) - 1
    dq, dk, dv = map(empty_like_dense, (query, key, value))
    rows = torch.empty((2 * heads, padded), dtype=torch.float32, device=query.device)
    launch(
        _prepare, (sequences, heads), (lse, delta, rows, f.cu_q),
        (total, padded, heads, 1.0 - f.dropout), BLOCK=1024, num_warps=4,
    )  # fmt: skip
    by_keys = packing.places(f.cu_k, f.cu_q, plan.keys, dk, dv)
    by_rows = packing.places(f.cu_q, f.cu_k, plan.rows, dq)
    slopes = rows if f.alibi_slopes is None else f.alibi_slopes.contiguous()
    sums, ds = rows, key
    if tile.split:
        ds = query.new_empty(plan.ds)
    else:
        shape = heads * padded * block_width(width)
        sums = torch.zeros(shape, dtype=torch.float32, device=query.device)
    draws = rows
    if f.dropout:
        draws = torch.empty(plan.words, dtype=torch.int32, device=query.device)
    seed = (f.seed + 2**31) % 2**32 - 2**31, f.seed >> 32
    tensors: tuple[torch.Tensor, ...] = (
        query, key, value, grad, rows, dk, dv, ds, slopes, rows, by_keys, draws,
    )  # fmt: skip
    if block_width(width) <= 128:
        tensors += (key, sums, key)
    for step in plan.steps:
        if step.of_drops is not None:
            step.of_drops(draws, f.cu_q, f.cu_k, varying=seed)
        step.of_keys(*tensors)
        if step.of_rows is not None:
            step.of_rows(ds, key, dq, sums, by_rows)
    if not tile.split:
        launch(
            _finish, (packing.most_tiles(total, sequences, plan.rows), heads), (sums, dq, by_rows),
            (width, padded // tile.rows, *dq.stride()[1:3], hopper_launches.factors(f)[2]),
            BLOCK_M=tile.rows, WIDTH=block_width(width), FIELDS=packing.FIELDS, num_warps=8,
        )  # fmt: skip
    return dq, dk, dv


_OWN = {"NEIGHBOURS": False, "PACKED": True, "WHOLE": False, "ADDS": False}


class _Plan(NamedTuple):
    """What calls with inputs so laid out have in common."""

    tile: Tiling
    keys: int
    """Of a block."""
    rows: int
    """Of a block of dq."""
    padded: int
    """Rows of the buffers of lse, delta and dq."""
    ds: tuple[int, int]
    """The shape of what is kept of ds."""
    words: int
    """Of what dropout keeps."""
    steps: tuple[hopper_launches.Step, ...]


@functools.lru_cache(maxsize=4096)
def _plan(
    layouts: tuple[Layout, ...], beside: tuple[Layout | None, ...], options: tuple[Any, ...],
    tile: Tiling | None, most: int,
) -> _Plan:  # fmt: skip
    f = Features(*(None,) * len(beside), *options)  # type: ignore[arg-type]
    _, query, key, _ = layouts
    _, _, _, slopes, cu_q, _ = beside
    assert cu_q is not None
    _, heads, total, width = query.shape
    heads_k, n = key.shape[1:3]
    group, sequences, wide = heads // heads_k, cu_q.shape[0] - 1, block_width(width)
    padded = (total // 128 + sequences + 1) * 128
    keys = hopper_wide.KEYS if wide == 256 else hopper_narrow.KEYS
    key_tiles = max(-(-f.max_k // keys) * (keys // 64), 1)
    of_a_head = packed_bytes(total, sequences, f.max_k, group)
    causal = f.right != UNBOUNDED
    ordered = f.deterministic or f.dropout > 0
    tile = tile or packed_tiling(wide, f.max_q * group, causal, of_a_head <= most, ordered)
    at_once = heads_k
    if tile.split:
        at_once = max(min(most // of_a_head, heads_k), 1)
        at_once = -(-heads_k // -(-heads_k // at_once))
    blocks = packing.most_tiles(n, sequences, keys)
    rows = hopper_queries.ROWS[wide] if tile.split else 128
    row_tiles = packing.most_tiles(total, sequences, rows)
    row_blocks = padded // tile.rows
    sizes = (heads_k, group, total, n, f.left, f.right)
    of_slopes = heads if slopes is not None and len(slopes.shape) == 2 else 0
    longest = max(-(-f.max_k // keys), 1)
    many = 1 if tile.near else section(longest, wide)
    steps = []
    for start in range(0, heads_k, at_once):
        count = min(at_once, heads_k - start)
        of_keys = hopper_launches.keys_launch(
            tile, wide, blocks * count,
            (*sizes, start, count, 0, blocks, key_tiles, 1, many, of_slopes, 0, 0, 0),
            row_blocks, f, beside, (0, 1), **_OWN,
        )  # fmt: skip
        of_rows = of_drops = None
        if f.dropout:
            of_drops = hopper_drops.launch_of(
                f, sizes[:4], (start * group, count * group, row_blocks), (0, key_tiles), 1,
                sequences,
            )  # fmt: skip
        if tile.split:
            of_rows = hopper_launches.rows_launch(
                tile, wide, row_tiles * count * group,
                (*sizes, start * group, key_tiles, 0, key_tiles, 1, count * group, row_blocks,
                 1, 0), f, ADD=False, KEEP=False, **_OWN,
            )  # fmt: skip
        steps.append(hopper_launches.Step(of_drops, of_keys, of_rows, None))
    ds = (at_once * of_a_head // (tile.rows * query.dtype.itemsize), tile.rows)
    words = at_once * group * row_blocks * key_tiles * hopper_drops.WORDS if f.dropout else 0
    return _Plan(tile, keys, rows, padded, ds, words, tuple(steps))
