"""FlashAttention's backward on Hopper of packed sequences: what lies around ``hopper_narrow``.

Each sequence has whole blocks of 128 rows in the buffers of lse and delta and of dq, from
``(first // 128 + sequence) * 128`` on, and none in the tensors: there what a block has beyond the
end belongs to the next one, and is neither read as a number nor written.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import math

import torch

from triton_kernels._compat import tl, triton
from triton_kernels._gluon import TensorDescriptor
from triton_kernels.ops.attention import hopper_narrow, hopper_queries, packing
from triton_kernels.ops.attention.features import UNBOUNDED, Features, empty_like_dense
from triton_kernels.ops.attention.hopper_forward import descriptor
from triton_kernels.ops.attention.hopper_layouts import rows_layout, tile_layout
from triton_kernels.ops.attention.hopper_shares import (
    MOST_BYTES,
    Tiling,
    packed_bytes,
    packed_tiling,
)
from triton_kernels.ops.attention.layout import block_width

_LOG2E = 1 / math.log(2)


@triton.jit
def _prepare(lse, delta, rows, cu, total, padded, lines, BLOCK: tl.constexpr):
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
        d = tl.load(delta + line * total + first + place, mask=inside, other=0.0)
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
    """The gradients of query, key and value; heads of 128 and less."""
    assert f.cu_q is not None
    assert f.cu_k is not None
    _, heads, total, width = query.shape
    heads_k, n = key.shape[1:3]
    group = heads // heads_k
    wide, causal = block_width(width), f.right != UNBOUNDED
    sequences = len(f.cu_q) - 1
    padded = (total // 128 + sequences + 1) * 128
    key_tiles = max(-(-f.max_k // hopper_narrow.KEYS) * 2, 1)
    of_a_head = packed_bytes(total, sequences, f.max_k, group)
    tile = tile or packed_tiling(wide, f.max_q * group, causal, of_a_head <= most, f.deterministic)
    dq, dk, dv = map(empty_like_dense, (query, key, value))
    rows = torch.empty((2 * heads, padded), dtype=torch.float32, device=query.device)
    _prepare[(sequences, heads)](lse, delta, rows, f.cu_q, total, padded, heads, BLOCK=1024)
    by_keys = packing.places(f.cu_k, f.cu_q, hopper_narrow.KEYS, dk, dv)
    by_rows = packing.places(f.cu_q, f.cu_k, 128, dq)
    scale, cap, slopes = f.scale, f.soft_cap, f.alibi_slopes
    blocks = packing.most_tiles(n, sequences, hopper_narrow.KEYS)
    row_tiles = packing.most_tiles(total, sequences, 128)
    keys = descriptor(key, 64, wide)
    bounds = {"LEFT": f.left != UNBOUNDED, "RIGHT": causal}
    sums, ds, at_once = rows, keys, heads_k
    if tile.split:
        at_once = max(min(most // of_a_head, heads_k), 1)
        at_once = -(-heads_k // -(-heads_k // at_once))
        kept = dq.new_empty((at_once * of_a_head // (tile.rows * dq.element_size()), tile.rows))
        ds = TensorDescriptor(
            kept, list(kept.shape), [tile.rows, 1], [64, tile.rows],
            tile_layout(tile.rows, dq.dtype),
        )  # fmt: skip
    else:
        sums = torch.zeros(heads * padded * wide, dtype=torch.float32, device=query.device)
    for start in range(0, heads_k, at_once):
        count = min(at_once, heads_k - start)
        hopper_narrow.backward[(blocks * count,)](
            descriptor(query, tile.rows, wide), keys, descriptor(value, 64, wide),
            descriptor(grad, tile.rows, wide),
            TensorDescriptor(rows, list(rows.shape), [padded, 1], [1, tile.rows], rows_layout()),
            descriptor(dk, 64, wide), descriptor(dv, 64, wide), ds,
            keys, rows if slopes is None else slopes.contiguous(), rows,
            heads_k, group, total, n, f.left, f.right, start, count, 0, blocks, key_tiles, 1,
            0, 0,
            heads if slopes is not None and slopes.ndim == 2 else 0, 0, 0, 0,
            (cap or scale) * _LOG2E, scale / cap if cap else 0.0, scale, sums,
            **bounds, CAPPED=bool(cap), BIAS=False, SLOPED=slopes is not None,
            MASKED=False, NEIGHBOURS=False,
            SLOTS=tile.slots, NEAR=tile.near, SPLIT=tile.split, SHIFT=tile.shift,
            PACKED=True, places=by_keys, buffer_dk=dk, buffer_dv=dv,
            dk_head=dk.stride(1), dk_row=dk.stride(2), dk_width=width,
            dv_head=dv.stride(1), dv_row=dv.stride(2), dv_width=dv.shape[3],
            row_blocks=padded // tile.rows, num_warps=4, maxnreg=168,
        )  # fmt: skip
        if tile.split:
            hopper_queries.multiply[(row_tiles * count * group,)](
                ds, keys, descriptor(dq, 64, wide), rows, heads_k, group, total, n, f.left, f.right,
                start * group, key_tiles, 0, key_tiles, 1, scale, **bounds,
                KEYS=hopper_narrow.KEYS, ADD=False, KEEP=False, NEIGHBOURS=False, PACKED=True,
                SLOTS=hopper_queries.SLOTS[wide], places=by_rows, buffer=dq, heads=count * group,
                row_blocks=padded // tile.rows, dq_head=dq.stride(1), dq_row=dq.stride(2),
                dq_width=width, num_warps=4, maxnreg=168,
            )  # fmt: skip
    if not tile.split:
        _finish[(row_tiles, heads)](
            sums, dq, by_rows, width, padded // tile.rows, *dq.stride()[1:3], scale,
            BLOCK_M=tile.rows, WIDTH=wide, FIELDS=packing.FIELDS, num_warps=8,
        )  # fmt: skip
    return dq, dk, dv
