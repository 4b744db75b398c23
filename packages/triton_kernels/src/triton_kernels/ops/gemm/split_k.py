"""matmul by parts of k, for products of few tiles and a long inner size: any GPU, the interpreter.

One tile of c takes one program, which walks along all of k; where c has fewer tiles than the GPU
has processors, most of those are idle. So k is cut into parts: a program makes one tile of one
part's product in float32, and a second kernel (ops/parts.py) adds the parts, always in the same
order, so that results do not change from run to run. The price is 8 bytes of memory traffic an
element and part.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import torch

from triton_kernels import _compat
from triton_kernels._compat import Device, Layout, launch, tl, triton
from triton_kernels.backends import triton_refuses
from triton_kernels.ops.gemm.layout import merged_rows
from triton_kernels.ops.gemm.portable import add_product
from triton_kernels.ops.parts import early_options, join, next_may_start


class Split(NamedTuple):
    """How a product is divided."""

    m: int
    n: int
    k: int
    """The block that a program multiplies at a time."""
    depth: int
    """Of k, what one part takes: a multiple of the block's."""
    parts: int
    tiles: int
    """Of c."""
    stages: int
    """Blocks of a and b in flight."""


@triton.jit
def _partial(
    a_ptr, b_ptr, parts_ptr, m, n, k, depth, tiles, a_m, a_k, b_k, b_n,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, INDEX: tl.constexpr,
    UPCAST: tl.constexpr, EXACT: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    next_may_start(EARLY)
    # Tiles of one part run together: they read the same rows of a and b.
    part = (tl.program_id(0) // tiles).to(tl.int64)
    tile = tl.program_id(0) % tiles
    tiles_m = tl.cdiv(m, BLOCK_M)
    rows = ((tile % tiles_m) * BLOCK_M + tl.arange(0, BLOCK_M)).to(INDEX)[:, None]
    columns = ((tile // tiles_m) * BLOCK_N + tl.arange(0, BLOCK_N)).to(INDEX)[None, :]
    first = part * depth
    depths = first + tl.arange(0, BLOCK_K).to(INDEX)
    a_ptrs = a_ptr + rows * a_m + depths[None, :] * a_k
    b_ptrs = b_ptr + depths[:, None] * b_k + columns * b_n
    a_step = tl.full((), BLOCK_K, INDEX) * a_k
    b_step = tl.full((), BLOCK_K, INDEX) * b_k
    sums = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    lost = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for start in range(0, depth, BLOCK_K):
        there = depths < k - start
        a = tl.load(a_ptrs, mask=(rows < m) & there[None, :], other=0.0)
        b = tl.load(b_ptrs, mask=(columns < n) & there[:, None], other=0.0)
        if UPCAST:
            a = a.to(tl.float32)
            b = b.to(tl.float32)
        sums, lost = add_product(sums, lost, a, b, "ieee", EXACT)
        a_ptrs += a_step
        b_ptrs += b_step
    offsets = (part * m + rows) * n + columns
    tl.store(parts_ptr + offsets, sums, mask=(rows < m) & (columns < n))


def _block(size: int, most: int) -> int:
    return max(16, min(most, 1 << max(size - 1, 0).bit_length()))


LEAST_DEPTH = 512
"""Of k, so that what a part reads outweighs the tile it writes."""


@functools.lru_cache(maxsize=4096)
def split_for(m: int, n: int, k: int, dtype: torch.dtype, device: Device) -> Split | str:
    """How to divide a product, or why it is not worth it."""
    exact = dtype is torch.float32
    block_m, block_n = _block(m, 64 if exact else 128), _block(n, 64 if exact else 128)
    tiles = math.ceil(m / block_m) * math.ceil(n / block_n)
    processors, least = device.processors, LEAST_DEPTH
    if device.capability == (0, 0):  # the interpreter has time for less
        processors, least = 16, 32
    if 4 * tiles > processors:
        return f"its {tiles} tiles keep {processors} processors busy enough"
    if k < 4 * least:
        return f"an inner size of {k} is too short: {4 * least} or more pays"
    large = block_m * block_n > 64 * 128
    wanted = math.ceil((1 if large else 2) * processors / tiles)
    block_k, stages = 32 if exact else 64, 3
    if device.capability == (9, 0) and not exact and block_n == 128 and block_m in (16, 128):
        # Narrow and deep: half of the parts to write and to add, one program a processor.
        block_n, block_k, stages = 64, 128 if block_m == 128 else 256, 4
        tiles = math.ceil(m / block_m) * math.ceil(n / block_n)
        wanted = max(1, processors // tiles)
    depth = block_k * math.ceil(max(least, math.ceil(k / wanted)) / block_k)
    parts = math.ceil(k / depth)
    return Split(block_m, block_n, block_k, depth, parts, tiles, stages)


def refuses(a: torch.Tensor, b: torch.Tensor, precision: str) -> str | None:
    """Why a product should not be divided along k, or None."""
    if reason := triton_refuses(a):
        return reason
    if a.dtype is torch.float32 and precision != "ieee":
        return "of float32 it multiplies exact values only, not tf32"
    return _layouts_refuse(Layout.of(a), Layout.of(b))


@functools.lru_cache(maxsize=4096)
def _layouts_refuse(a: Layout, b: Layout) -> str | None:
    if len(b.shape) != 2:
        return "it takes one b for all batches"
    if 0 in (*a.shape, *b.shape):
        return "there is nothing to divide"
    if merged_rows(a.example()) is None:
        return "leading dimensions do not merge into one without a copy"
    rows = a.shape[:-1].numel()
    split = split_for(rows, b.shape[1], b.shape[0], a.dtype, _compat.device_of(a.device))
    return split if isinstance(split, str) else None


def matmul(a: torch.Tensor, b: torch.Tensor, precision: str) -> torch.Tensor:
    """(..., m, k) times (k, n), k divided among programs."""
    left = a.view(-1, a.shape[-1])
    (m, k), n = left.shape, b.shape[1]
    split = split_for(m, n, k, a.dtype, _compat.device_of(a.device))
    assert isinstance(split, Split)  # the backend refuses the others
    c = torch.empty((*a.shape[:-1], n), dtype=a.dtype, device=a.device)
    parts = torch.empty((split.parts, m, n), dtype=torch.float32, device=a.device)
    launch(
        _partial, (split.tiles * split.parts,), (left, b, parts),
        (m, n, k, split.depth, split.tiles, *left.stride(), *b.stride()),
        BLOCK_M=split.m, BLOCK_N=split.n, BLOCK_K=split.k,
        INDEX=_compat.index_dtype(Layout.of(left), Layout.of(b)),
        UPCAST=_compat.upcasts_dot(a.dtype), EXACT=a.dtype is torch.float32,
        EARLY=early_options(a.device)[0], num_warps=4, num_stages=split.stages,
    )  # fmt: skip
    join(parts, c)
    return c
