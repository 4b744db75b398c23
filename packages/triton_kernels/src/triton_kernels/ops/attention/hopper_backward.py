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

from typing import Any

import torch

from triton_kernels._compat import Layout, launch, tl, triton
from triton_kernels.ops.attention import (
    hopper_bits,
    hopper_launches,
    hopper_packed,
    portable_backward,
)
from triton_kernels.ops.attention.features import Features, empty_like_dense
from triton_kernels.ops.attention.hopper_shares import MOST_BYTES, Tiling
from triton_kernels.ops.attention.layout import block_width


@triton.jit
def _prepare(lse, delta, rows, m, padded, lines, shrink, BLOCK: tl.constexpr):
    """lse in base 2 and delta, a line a head, padded with rows that see nothing."""
    line = tl.program_id(0).to(tl.int64)
    place = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = place < m
    x = (
        tl.load(lse + line * m + place, mask=inside, other=float("inf")) * 1.4426950408889634
    )  # log2(e)
    x = tl.where(x == float("-inf"), float("inf"), x)
    d = tl.load(delta + line * m + place, mask=inside, other=0.0) * shrink
    tl.store(rows + line * padded + place, x, mask=place < padded)
    tl.store(rows + (lines + line) * padded + place, d, mask=place < padded)


@triton.jit
def _finish(
    sums, dq, heads, m, width, squares, blocks, stride_b, stride_h, stride_m, scale,
    BLOCK_M: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Puts one block of the buffer in order: dq = scale times the sums."""
    block = tl.program_id(0) % blocks
    line = (tl.program_id(0) // blocks).to(tl.int64)  # there may be more than 65,535: no grid's y
    row = tl.arange(0, BLOCK_M)[:, None]
    column = tl.arange(0, WIDTH)[None, :]
    square = row // 64 * (WIDTH // 64) + column // 64
    within = column % 64 // 8 * 512 + row % 64 // 16 * 128 + row % 8 * 16
    within += column % 8 // 2 * 4 + row % 16 // 8 * 2 + column % 2
    start = (line * blocks + block) * squares
    x = tl.load(sums + start * 4096 + square * 4096 + within) * scale
    rows = block * BLOCK_M + row
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


def backward_with_bias(
    grad: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    lse: torch.Tensor, delta: torch.Tensor, *features: Any,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """The same and the bias's, which lies in one piece."""
    f = Features(*features)
    assert f.bias is not None
    if f.soft_cap:  # what is kept then is the slope through the cap
        found = portable_backward.bias_backward(grad, query, key, value, lse, delta, *features)
    else:
        found = f.bias.new_empty(f.bias.shape)
    of_bias = None if f.soft_cap else found
    return *gradients(grad, query, key, value, lse, delta, f, of_bias=of_bias), found


def gradients(
    grad: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    lse: torch.Tensor, delta: torch.Tensor, features: Features, tile: Tiling | None = None,
    most: int = MOST_BYTES, of_bias: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """``backward`` in a tiling of one's own, with so many bytes for ds; the bias's gradient is
    written to ``of_bias``."""
    f = features
    batches, heads, m, width = query.shape
    layouts = Layout.of(grad), Layout.of(query), Layout.of(key), Layout.of(value)
    beside = tuple(None if x is None else Layout.of(x) for x in f.tensors)
    plan = hopper_launches.plan(
        layouts, beside, f._replace(seed=0)[len(beside) :], tile, most,
        None if of_bias is None else Layout.of(of_bias),
    )  # fmt: skip
    dq, dk, dv = map(empty_like_dense, (query, key, value))
    lines, padded = batches * heads, -(-m // 128) * 128
    rows = torch.empty((2 * lines, padded), dtype=torch.float32, device=query.device)
    launch(
        _prepare, (lines, -(-padded // 1024)), (lse, delta, rows),
        (m, padded, lines, 1.0 - f.dropout), BLOCK=1024, num_warps=4,
    )  # fmt: skip
    words = rows if f.mask is None else hopper_bits.words_of(f.mask, key.shape[2])
    draws = rows
    if f.dropout:
        draws = torch.empty(plan.words, dtype=torch.int32, device=query.device)
    slopes = rows if f.alibi_slopes is None else f.alibi_slopes.contiguous()
    sums, ds, target, tile = rows, key, of_bias, plan.tile
    if plan.sums:
        make = torch.empty if tile.split else torch.zeros
        sums = make(plan.sums, dtype=torch.float32, device=query.device)
    if tile.split:
        ds = query.new_empty(plan.ds)
    if of_bias is not None and plan.adds:
        target = torch.zeros_like(of_bias, dtype=torch.float32)
    seed = (f.seed + 2**31) % 2**32 - 2**31, f.seed >> 32
    tensors: tuple[torch.Tensor, ...] = (
        query, key, value, grad, rows, dk, dv, ds, slopes, words, rows, draws,
    )  # fmt: skip
    if plan.narrow:
        tensors += (
            key if f.bias is None else f.bias, sums, key if of_bias is None else of_bias,
        )  # fmt: skip
    if of_bias is not None and plan.clears:
        of_bias.zero_()
    for step in plan.steps:
        kept = of_bias if step.whole and of_bias is not None else ds
        if step.of_drops is not None:
            step.of_drops(draws, None, None, varying=seed)
        step.of_keys(*tensors[:7], kept, *tensors[8:])
        if step.of_rows is not None:
            step.of_rows(kept, key, dq, sums, rows)
        if step.of_bias is not None:
            step.of_bias(ds, target)
    if not tile.split:
        wide, blocks = block_width(width), -(-m // tile.rows)
        launch(
            _finish, (blocks * lines,), (sums, dq),
            (heads, m, width, tile.rows // 64 * (wide // 64), blocks, *dq.stride()[:3],
             hopper_launches.factors(f)[2]),
            BLOCK_M=tile.rows, WIDTH=wide, num_warps=4,
        )  # fmt: skip
    if of_bias is not None and target is not None and plan.adds:
        of_bias.copy_(target)
    return dq, dk, dv
