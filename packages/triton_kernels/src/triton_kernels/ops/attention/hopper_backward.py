"""FlashAttention's backward on Hopper: what lies around the Gluon kernels.

``hopper_narrow`` makes the gradients of keys and values of heads up to 128 wide, ``hopper_wide``
up to 256. Before them lse is brought into base 2, and lse and delta are padded with rows that see
nothing. The queries' gradient has two ways. *Fused*, narrow heads only: it is added up in float32
on the way, in a buffer laid out as registers are, which is brought into order at the end. *Split*:
ds is kept, as much of it as ``hopper_shares`` allows at a time, and ``hopper_queries`` multiplies
it with the keys: no atomic additions, the same bits in every run.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import torch

from triton_kernels._compat import tl, triton
from triton_kernels._gluon import TensorDescriptor, gl
from triton_kernels.ops.attention import (
    hopper_narrow,
    hopper_packed,
    hopper_queries,
    hopper_wide,
)
from triton_kernels.ops.attention.features import UNBOUNDED, Features, empty_like_dense
from triton_kernels.ops.attention.hopper_forward import descriptor
from triton_kernels.ops.attention.hopper_shares import (
    Part,
    Tiling,
    bytes_for_ds,
    parts,
    tiling,
)
from triton_kernels.ops.attention.layout import block_width

_LOG2E = 1 / math.log(2)
SLOTS = {64: 6, 128: 4, 256: 3}
"""Blocks of keys in shared memory while dq is made, by the heads' width."""


@triton.jit
def _prepare(lse, delta, rows, m, padded, lines, BLOCK: tl.constexpr):
    """lse in base 2 and delta, a line a head, padded with rows that see nothing."""
    line = tl.program_id(0).to(tl.int64)
    place = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = place < m
    x = (
        tl.load(lse + line * m + place, mask=inside, other=float("inf")) * 1.4426950408889634
    )  # log2(e)
    x = tl.where(x == float("-inf"), float("inf"), x)
    d = tl.load(delta + line * m + place, mask=inside, other=0.0)
    tl.store(rows + line * padded + place, x, mask=place < padded)
    tl.store(rows + (lines + line) * padded + place, d, mask=place < padded)


@triton.jit
def _finish(
    sums, dq, heads, m, width, squares, blocks, stride_b, stride_h, stride_m, scale,
    BLOCK_M: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Puts one block of the buffer in order: dq = scale times the sums."""
    line = tl.program_id(1).to(tl.int64)
    row = tl.arange(0, BLOCK_M)[:, None]
    column = tl.arange(0, WIDTH)[None, :]
    square = row // 64 * (WIDTH // 64) + column // 64
    within = column % 64 // 8 * 512 + row % 64 // 16 * 128 + row % 8 * 16
    within += column % 8 // 2 * 4 + row % 16 // 8 * 2 + column % 2
    start = (line * blocks + tl.program_id(0)) * squares
    x = tl.load(sums + start * 4096 + square * 4096 + within) * scale
    rows = tl.program_id(0) * BLOCK_M + row
    out = dq + line // heads * stride_b + line % heads * stride_h + rows.to(tl.int64) * stride_m
    tl.store(out + column, x.to(dq.dtype.element_ty), mask=(rows < m) & (column < width))


def backward(
    grad: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    lse: torch.Tensor, delta: torch.Tensor, *features: Any,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """The gradients of query, key and value of what ``layout.backward_refuses`` does not refuse."""
    f = Features(*features)
    if f.packed:
        return hopper_packed.gradients(grad, query, key, value, lse, delta, f)
    return gradients(grad, query, key, value, lse, delta, f)


def gradients(
    grad: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    lse: torch.Tensor, delta: torch.Tensor, features: Features, tile: Tiling | None = None,
    most: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """``backward`` in a tiling of one's own, with so many bytes for ds."""
    batches, heads, m, width = query.shape
    heads_k, n = key.shape[1:3]
    wide = block_width(width)
    causal = features.right != UNBOUNDED
    tile = tile or tiling(wide, m * (heads // heads_k), causal, features.deterministic)
    dq, dk, dv = map(empty_like_dense, (query, key, value))
    lines, padded = batches * heads, -(-m // 128) * 128
    rows = torch.empty((2 * lines, padded), dtype=torch.float32, device=query.device)
    _prepare[(lines, -(-padded // 1024))](lse, delta, rows, m, padded, lines, BLOCK=1024)
    scale, cap = features.scale, features.soft_cap
    call = _Call(
        (
            descriptor(query, tile.rows, wide), descriptor(key, 64, wide),
            descriptor(value, 64, wide), descriptor(grad, tile.rows, wide),
            TensorDescriptor(rows, list(rows.shape), [padded, 1], [1, tile.rows], _rows_layout()),
            descriptor(dk, 64, wide), descriptor(dv, 64, wide),
        ),
        (heads_k, heads // heads_k, m, n, features.left, features.right),
        (batches, (cap or scale) * _LOG2E, scale / cap if cap else 0.0, scale),
        {"LEFT": features.left != UNBOUNDED, "RIGHT": causal},
        {"CAPPED": bool(cap), "SLOTS": tile.slots, "NEAR": tile.near},
    )  # fmt: skip
    if tile.split:
        _split(call, dq, tile, most)
    else:
        _fused(call, dq, tile)
    return dq, dk, dv


class _Call(NamedTuple):
    """What all kernels of one call are called with."""

    descriptors: tuple[Any, ...]
    """Of query, key, value, grad, rows, dk and dv."""
    sizes: tuple[int, ...]
    """Key heads, query heads of each, m, n, and the window."""
    scalars: tuple[Any, ...]
    """Batches, the score's factors, and the gradient's."""
    bounds: dict[str, bool]
    options: dict[str, Any]


def _fused(call: _Call, dq: torch.Tensor, tile: Tiling) -> None:
    """dq is added up by the kernel of keys and values, in a buffer that is brought into order."""
    batches, heads, m, width = dq.shape
    heads_k, _, _, n, _, _ = call.sizes
    wide = block_width(width)
    blocks, lines = -(-m // tile.rows), batches * heads
    squares = tile.rows // 64 * (wide // 64)
    sums = torch.zeros(lines * blocks * squares * 4096, dtype=torch.float32, device=dq.device)
    part = Part(0, batches * heads_k, 0, -(-n // hopper_narrow.KEYS))
    hopper_narrow.backward[(part.heads * part.blocks,)](
        *call.descriptors, call.descriptors[-1], *call.sizes, *part, *call.scalars, sums,
        **call.bounds, **call.options, SPLIT=False, SHIFT=tile.shift, num_warps=4, maxnreg=168,
    )  # fmt: skip
    _finish[(blocks, lines)](
        sums, dq, heads, m, width, squares, blocks, *dq.stride()[:3], call.scalars[-1],
        BLOCK_M=tile.rows, WIDTH=wide,
    )  # fmt: skip


def _split(call: _Call, dq: torch.Tensor, tile: Tiling, most: int | None) -> None:
    """ds is kept, some of it at a time, and dq made of it."""
    batches, heads, m, width = dq.shape
    heads_k, group, _, n, _, _ = call.sizes
    wide = block_width(width)
    room = hopper_wide if wide == 256 else hopper_narrow
    narrow = () if wide == 256 else (call.descriptors[4].base,)
    own = {} if wide == 256 else {"SPLIT": True, "SHIFT": 0}
    tiles = room.KEYS // 64
    blocks, row_blocks = -(-n // room.KEYS), -(-m // tile.rows)
    bytes_of_a_block = group * row_blocks * tile.rows * room.KEYS * dq.element_size()
    most = most or bytes_for_ds(bytes_of_a_block, call.bounds["RIGHT"])
    work = parts(batches * heads_k, blocks, bytes_of_a_block, most)
    held = max(part.heads * part.blocks for part in work) * group * row_blocks * tiles * 64
    ds = dq.new_empty((held, tile.rows))
    kept = TensorDescriptor(
        ds, list(ds.shape), [tile.rows, 1], [64, tile.rows], _tile_layout(tile.rows, ds.dtype)
    )
    padded = -(-m // 128) * 128
    sums = call.descriptors[4].base
    if work[0].blocks < blocks:
        shape = (batches * heads, padded, wide)
        sums = torch.empty(shape, dtype=torch.float32, device=dq.device)
    for part in work:
        room.backward[(part.heads * part.blocks,)](
            *call.descriptors, kept, *call.sizes, *part, *call.scalars, *narrow,
            **call.bounds, **call.options, **own, num_warps=4, maxnreg=168,
        )  # fmt: skip
        hopper_queries.multiply[(part.heads * group * (padded // 128),)](
            kept, call.descriptors[1], descriptor(dq, 64, wide), sums, *call.sizes,
            part.start_head * group, part.blocks * tiles, part.start_block * tiles,
            call.scalars[-1], **call.bounds, KEYS=room.KEYS, ADD=part.start_block > 0,
            KEEP=part.start_block + part.blocks < blocks, SLOTS=SLOTS[wide],
            num_warps=4, maxnreg=168,
        )  # fmt: skip


@functools.cache
def _rows_layout() -> Any:
    return gl.NVMMASharedLayout(0, 32, 2)


@functools.cache
def _tile_layout(rows: int, dtype: torch.dtype) -> Any:
    element = {torch.float16: gl.float16, torch.bfloat16: gl.bfloat16}[dtype]
    return gl.NVMMASharedLayout.get_default_for([64, rows], element)
