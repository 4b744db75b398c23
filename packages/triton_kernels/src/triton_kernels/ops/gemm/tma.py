"""matmul in Triton with tensor descriptors: the copies of Hopper's tensor memory accelerator.

One resident program a multiprocessor takes tile after tile. A descriptor tells the hardware where
a matrix lies, so that one thread fetches a whole block, edges filled with zeros. It wants rows
(or columns: then the block is loaded transposed) that are contiguous and 16-byte aligned.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
from typing import Any

import torch

from triton_kernels import _compat
from triton_kernels._compat import Launch, Layout, tl, triton
from triton_kernels.backends import triton_refuses
from triton_kernels.ops.gemm import shapes
from triton_kernels.ops.gemm.layout import merged_rows
from triton_kernels.ops.gemm.portable import tile_position

_ALIGNMENT = 16
"""Bytes that a descriptor's base and row stride must be a multiple of."""


@triton.jit
def _load(descriptor, row, column, TRANSPOSED: tl.constexpr):
    if TRANSPOSED:
        return descriptor.load([column, row]).T
    else:
        return descriptor.load([row, column])


@triton.jit
def _matmul_tma(
    a, b, c, m, n, k,
    A_TRANSPOSED: tl.constexpr, B_TRANSPOSED: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, GROUP: tl.constexpr,
    SPLIT_STORE: tl.constexpr, UPCAST: tl.constexpr, DTYPE: tl.constexpr,
):  # fmt: skip
    tiles_m = tl.cdiv(m, BLOCK_M)
    tiles_n = tl.cdiv(n, BLOCK_N)
    for tile in tl.range(tl.program_id(0), tiles_m * tiles_n, tl.num_programs(0), flatten=True):
        tile_m, tile_n = tile_position(tile, tiles_m, tiles_n, GROUP)
        row = tile_m * BLOCK_M
        column = tile_n * BLOCK_N
        sums = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
        for block in range(tl.cdiv(k, BLOCK_K)):
            a_block = _load(a, row, block * BLOCK_K, A_TRANSPOSED)
            b_block = _load(b, block * BLOCK_K, column, B_TRANSPOSED)
            if UPCAST:
                a_block = a_block.to(tl.float32)
                b_block = b_block.to(tl.float32)
            sums = tl.dot(a_block, b_block, sums)
        if SPLIT_STORE:
            halves = sums.reshape(BLOCK_M, 2, BLOCK_N // 2).permute(0, 2, 1)
            left, right = halves.split()
            c.store([row, column], left.to(DTYPE))
            c.store([row, column + BLOCK_N // 2], right.to(DTYPE))
        else:
            c.store([row, column], sums.to(DTYPE))


def refuses(a: torch.Tensor, b: torch.Tensor, precision: str) -> str | None:
    """Why descriptors cannot serve these inputs, or None."""
    return triton_refuses(a) or _layouts_refuse(Layout.of(a), Layout.of(b))


@functools.lru_cache(maxsize=4096)
def _layouts_refuse(a: Layout, b: Layout) -> str | None:
    if a.device.type == "cuda" and _compat.device_of(a.device).capability < (9, 0):
        return "it needs compute capability 9.0 (Hopper) or later"
    if a.dtype is torch.float32:
        return "it multiplies float16 and bfloat16 only"
    if len(b.shape) != 2:
        return "it takes one b for all batches"
    rows = merged_rows(a.example())
    if rows is None:
        return "a's leading dimensions do not merge into rows without a copy"
    if 0 in (*rows.shape, *b.shape):
        return "an empty matrix has no descriptor"
    for name, x, aligned in (("a", rows, a.aligned), ("b", b.example(), b.aligned)):
        if not (aligned and _stride(x)[0]):
            return f"{name} has no contiguous, {_ALIGNMENT}-byte aligned rows or columns"
    if b.shape[1] * b.dtype.itemsize % _ALIGNMENT:
        return f"rows of the result are not a multiple of {_ALIGNMENT} bytes"
    return None


def _stride(x: torch.Tensor) -> tuple[int, bool]:
    """The stride a descriptor steps by, 0 if it cannot, and whether it sees x transposed."""
    aligned = _ALIGNMENT // x.element_size()
    for step, unit, length, transposed in (
        (x.stride(0), x.stride(1), x.shape[1], False),
        (x.stride(1), x.stride(0), x.shape[0], True),
    ):
        if unit == 1 and step >= length and step % aligned == 0:
            return step, transposed
    return 0, False


@functools.lru_cache(maxsize=4096)
def _plan(a_layout: Layout, b_layout: Layout, tile: shapes.Tile | None) -> Launch:
    """The launch for matrices so laid out."""
    a, b = merged_rows(a_layout.example()), b_layout.example()
    assert a is not None
    (m, k), n = a.shape, b.shape[1]
    device = _compat.device_of(a_layout.device)
    tile = tile or shapes.tma_tile(m, n, k, a.dtype, device)
    (_, a_transposed), (_, b_transposed) = _stride(a), _stride(b)
    tiles = triton.cdiv(m, tile.m) * triton.cdiv(n, tile.n)
    width = tile.n // 2 if tile.split_store else tile.n
    return Launch(
        _matmul_tma, min(tiles, device.processors), (m, n, k),
        {
            "A_TRANSPOSED": a_transposed, "B_TRANSPOSED": b_transposed,
            "BLOCK_M": tile.m, "BLOCK_N": tile.n, "BLOCK_K": tile.k, "GROUP": tile.group,
            "SPLIT_STORE": tile.split_store, "UPCAST": _compat.upcasts_dot(a.dtype),
            "DTYPE": _compat.triton_dtype(a.dtype),
        },
        {"num_warps": tile.warps, "num_stages": tile.stages},
        {
            0: lambda x: _descriptor(x.as_strided(a.shape, a.stride()), (tile.m, tile.k)),
            1: lambda x: _descriptor(x, (tile.k, tile.n)),
            2: lambda x: _descriptor(x.view(m, n), (tile.m, width)),
        },
    )  # fmt: skip


def _descriptor(x: torch.Tensor, block: tuple[int, int]) -> Any:
    from triton.tools.tensor_descriptor import TensorDescriptor  # type: ignore[import-untyped]

    stride, transposed = _stride(x)
    if transposed:
        x, block = x.t(), (block[1], block[0])
    return TensorDescriptor(x, list(x.shape), [stride, 1], list(block))


def matmul(
    a: torch.Tensor, b: torch.Tensor, precision: str, tile: shapes.Tile | None = None
) -> torch.Tensor:
    """(..., m, k) times (k, n) in float16 or bfloat16; the result contiguous."""
    c = a.new_empty((*a.shape[:-1], b.shape[-1]))
    _plan(Layout.of(a), Layout.of(b), tile)(a, b, c)
    return c
