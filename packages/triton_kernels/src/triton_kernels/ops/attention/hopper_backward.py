"""FlashAttention's backward on Hopper: what lies around the two Gluon kernels.

Before them lse is brought into base 2, and lse and delta are padded with rows that see nothing.
They add dq up in float32, in a buffer laid out as their registers are; after them it is brought
into order. ``hopper_narrow`` takes heads up to 128 wide, ``hopper_wide`` up to 256.
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
from triton_kernels.ops.attention import hopper_narrow, hopper_wide
from triton_kernels.ops.attention.features import UNBOUNDED, Features, empty_like_dense
from triton_kernels.ops.attention.hopper_forward import descriptor
from triton_kernels.ops.attention.layout import block_width

_LOG2E = 1 / math.log(2)


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


def tiling(width: int, rows: int, causal: bool) -> Tiling:
    """The tiling for heads of this width, as ``block_width`` gives it, and so many rows.

    As measured on an H200; causal is any bound on the right.
    """
    if width == 64:
        return Tiling(rows=128, shift=1)
    if width == 128 and not causal:
        return Tiling(rows=64, shift=2)
    return Tiling(rows=64, near=width == 256 or rows <= 2048)


def backward(
    grad: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    lse: torch.Tensor, delta: torch.Tensor, *features: Any,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """The gradients of query, key and value of what ``layout.backward_refuses`` does not refuse."""
    return gradients(grad, query, key, value, lse, delta, Features(*features))


def gradients(
    grad: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    lse: torch.Tensor, delta: torch.Tensor, features: Features, tile: Tiling | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """``backward`` in a tiling of one's own."""
    batches, heads, m, width = query.shape
    heads_k, n = key.shape[1:3]
    wide = block_width(width)
    tile = tile or tiling(wide, m, features.right != UNBOUNDED)
    dq, dk, dv = map(empty_like_dense, (query, key, value))
    lines = batches * heads
    padded = -(-m // 128) * 128
    blocks = -(-m // tile.rows)
    squares = tile.rows // 64 * (wide // 64)
    rows = torch.empty((2 * lines, padded), dtype=torch.float32, device=query.device)
    sums = torch.zeros(lines * blocks * squares * 4096, dtype=torch.float32, device=query.device)
    _prepare[(lines, -(-padded // 1024))](lse, delta, rows, m, padded, lines, BLOCK=1024)
    columns = min(wide, 128)
    room = hopper_narrow if wide == columns else hopper_wide
    room.backward[(batches * heads_k * -(-n // room.KEYS),)](
        descriptor(query, tile.rows, columns), descriptor(key, 64, columns),
        descriptor(value, 64, columns), descriptor(grad, tile.rows, columns),
        TensorDescriptor(rows, list(rows.shape), [padded, 1], [1, tile.rows], _rows_layout()),
        descriptor(dk, 64, columns), descriptor(dv, 64, columns), sums,
        batches, heads_k, heads // heads_k, m, n, features.left, features.right,
        features.scale * _LOG2E,
        LEFT=features.left != UNBOUNDED, RIGHT=features.right != UNBOUNDED, SLOTS=tile.slots,
        NEAR=tile.near, SHIFT=tile.shift, num_warps=4, maxnreg=168,
    )  # fmt: skip
    _finish[(blocks, lines)](
        sums, dq, heads, m, width, squares, blocks, *dq.stride()[:3], features.scale,
        BLOCK_M=tile.rows, WIDTH=wide,
    )  # fmt: skip
    return dq, dk, dv


@functools.cache
def _rows_layout() -> Any:
    return gl.NVMMASharedLayout(0, 32, 2)
