"""lora_linear on Hopper in Gluon: two products added up in one warp-specialised kernel.

It is the kernel of matmul (see gemm/hopper.py for how its three parties meet), which, when it has
walked along the first product's inner size, walks on along the second's: the loading warp turns to
the second pair of descriptors, the warpgroups go on with the accumulators they have. A rank of 16
fills a quarter of a block; the tensor memory accelerator fills the rest with zeros.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
from typing import Any

import torch

from triton_kernels import _compat
from triton_kernels._compat import Launch, Layout
from triton_kernels._gluon import (
    Barrier,
    TensorDescriptor,
    fence_async_shared,
    gl,
    gluon,
    load_async,
    mbarrier,
    store_async,
    store_wait,
    warpgroup_mma,
    warpgroup_mma_wait,
)
from triton_kernels.ops.gemm import shapes
from triton_kernels.ops.lora import passes

_ROWS = gl.constexpr(64)
"""Rows of a tile that one warpgroup multiplies."""


@gluon.jit
def _position(index, tiles_m, tiles_n, group):
    """Row and column of a tile, in an order that runs down ``group`` rows of tiles."""
    first = index // (group * tiles_n) * group
    height = gl.minimum(tiles_m - first, group)
    within = index % (group * tiles_n)
    return first + within % height, within // height


@gluon.jit
def _load(
    a, b, c, d, y, bias, a_slots, b_slots, y_slots, full, empty, k, r, n, tiles_m, tiles_n, group,
    TURNED: gl.constexpr, BIAS: gl.constexpr,
):  # fmt: skip
    """The loading warp: one step fills one slot, of the first pair and then of the second."""
    BLOCK_N: gl.constexpr = y.block_type.shape[1]
    BLOCK_K: gl.constexpr = a.block_type.shape[1]
    SLOTS: gl.constexpr = full.shape[0]
    step = 0
    for index in range(gl.program_id(0), tiles_m * tiles_n, gl.num_programs(0)):
        tile_m, tile_n = _position(index, tiles_m, tiles_n, group)
        column = tile_n * BLOCK_N
        for depth in range(0, k, BLOCK_K):
            slot = step % SLOTS
            there = full.index(slot)
            mbarrier.wait(empty.index(slot), step // SLOTS & 1 ^ 1)
            mbarrier.expect(there, 2 * a.block_type.nbytes + b.block_type.nbytes)
            for half in gl.static_range(2):
                row = (2 * tile_m + half) * _ROWS
                load_async(a, [row, depth], there, a_slots.index(2 * slot + half))
            where = [column, depth] if TURNED else [depth, column]
            load_async(b, where, there, b_slots.index(slot))
            step += 1
        for depth in range(0, r, BLOCK_K):
            slot = step % SLOTS
            there = full.index(slot)
            mbarrier.wait(empty.index(slot), step // SLOTS & 1 ^ 1)
            mbarrier.expect(there, 2 * a.block_type.nbytes + b.block_type.nbytes)
            for half in gl.static_range(2):
                row = (2 * tile_m + half) * _ROWS
                load_async(c, [row, depth], there, a_slots.index(2 * slot + half))
            where = [column, depth] if TURNED else [depth, column]
            load_async(d, where, there, b_slots.index(slot))
            step += 1


@gluon.jit
def _multiply(
    a, b, c, d, y, bias, a_slots, b_slots, y_slots, full, empty, k, r, n, tiles_m, tiles_n, group,
    TURNED: gl.constexpr, BIAS: gl.constexpr, HALF: gl.constexpr,
):  # fmt: skip
    """A warpgroup: one wgmma is always in flight, the slot of the one before it is given back."""
    BLOCK_N: gl.constexpr = y.block_type.shape[1]
    BLOCK_K: gl.constexpr = a.block_type.shape[1]
    SLOTS: gl.constexpr = full.shape[0]
    layout: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, BLOCK_N, 16])
    step = 0
    steps = gl.cdiv(k, BLOCK_K) + gl.cdiv(r, BLOCK_K)
    for index in range(gl.program_id(0), tiles_m * tiles_n, gl.num_programs(0)):
        tile_m, tile_n = _position(index, tiles_m, tiles_n, group)
        sums = gl.zeros([_ROWS, BLOCK_N], gl.float32, layout)
        for turn in range(0, steps):
            slot = step % SLOTS
            mbarrier.wait(full.index(slot), step // SLOTS & 1)
            left = a_slots.index(2 * slot + HALF)
            right = b_slots.index(slot)
            if TURNED:
                right = right.permute((1, 0))
            sums = warpgroup_mma(left, right, sums, use_acc=turn > 0, is_async=True)
            sums = warpgroup_mma_wait(1, (sums,))
            mbarrier.arrive(empty.index((step + SLOTS - 1) % SLOTS), count=1, pred=turn > 0)
            step += 1
        sums = warpgroup_mma_wait(0, (sums,))
        mbarrier.arrive(empty.index((step + SLOTS - 1) % SLOTS), count=1)
        if BIAS:
            columns = tile_n * BLOCK_N + gl.arange(0, BLOCK_N, gl.SliceLayout(0, layout))
            sums += gl.load(bias + columns, mask=columns < n, other=0.0).to(gl.float32)[None, :]
        out = y_slots.index(HALF)
        store_wait(0)
        out.store(sums.to(y.dtype))
        fence_async_shared()
        store_async(y, [(2 * tile_m + HALF) * _ROWS, tile_n * BLOCK_N], out)
    store_wait(0)


@gluon.jit
def _multiply_upper(
    a, b, c, d, y, bias, a_slots, b_slots, y_slots, full, empty, k, r, n, tiles_m, tiles_n, group,
    TURNED: gl.constexpr, BIAS: gl.constexpr,
):  # fmt: skip
    _multiply(
        a, b, c, d, y, bias, a_slots, b_slots, y_slots, full, empty, k, r, n, tiles_m, tiles_n,
        group, TURNED, BIAS, 0,
    )  # fmt: skip


@gluon.jit
def _multiply_lower(
    a, b, c, d, y, bias, a_slots, b_slots, y_slots, full, empty, k, r, n, tiles_m, tiles_n, group,
    TURNED: gl.constexpr, BIAS: gl.constexpr,
):  # fmt: skip
    _multiply(
        a, b, c, d, y, bias, a_slots, b_slots, y_slots, full, empty, k, r, n, tiles_m, tiles_n,
        group, TURNED, BIAS, 1,
    )  # fmt: skip


@gluon.jit
def _two_products(
    a, b, c, d, y, bias, m, n, k, r, group,
    TURNED: gl.constexpr, BIAS: gl.constexpr, SLOTS: gl.constexpr,
):  # fmt: skip
    """Descriptors of blocks (64, k) of a and c, (k, n) or, turned, (n, k) of b and d, (64, n)."""
    # ruff: noqa: RUF005 (Gluon unpacks no lists)
    a_slots = gl.allocate_shared_memory(a.dtype, [2 * SLOTS] + a.block_type.shape, a.layout)
    b_slots = gl.allocate_shared_memory(b.dtype, [SLOTS] + b.block_type.shape, b.layout)
    y_slots = gl.allocate_shared_memory(y.dtype, [2] + y.block_type.shape, y.layout)
    full = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    empty = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    for slot in gl.static_range(SLOTS):
        mbarrier.init(full.index(slot), count=1)
        mbarrier.init(empty.index(slot), count=2)
    fence_async_shared()  # the loads find the barriers as they were made
    tiles_m = gl.cdiv(m, 2 * _ROWS)
    tiles_n = gl.cdiv(n, y.block_type.shape[1])
    # Written out three times: a tuple held in a variable loses its constants.
    gl.warp_specialize(
        [
            (_multiply_upper, (
                a, b, c, d, y, bias, a_slots, b_slots, y_slots, full, empty, k, r, n,
                tiles_m, tiles_n, group, TURNED, BIAS,
            )),
            (_multiply_lower, (
                a, b, c, d, y, bias, a_slots, b_slots, y_slots, full, empty, k, r, n,
                tiles_m, tiles_n, group, TURNED, BIAS,
            )),
            (_load, (
                a, b, c, d, y, bias, a_slots, b_slots, y_slots, full, empty, k, r, n,
                tiles_m, tiles_n, group, TURNED, BIAS,
            )),
        ],
        [4, 1], [240, 24],
    )  # fmt: skip


@functools.cache
def _shared_layout(rows: int, columns: int, dtype: torch.dtype) -> Any:
    element = gl.float16 if dtype is torch.float16 else gl.bfloat16
    return gl.NVMMASharedLayout.get_default_for([rows, columns], element)


def _descriptor(x: torch.Tensor, rows: int, columns: int) -> Any:
    row = x.stride(0) if x.shape[0] > 1 else x.shape[1] + -x.shape[1] % 64  # valid, never used
    layout = _shared_layout(rows, columns, x.dtype)
    return TensorDescriptor(x, list(x.shape), [row, 1], [rows, columns], layout)


def join(
    a: torch.Tensor, b: torch.Tensor, c: torch.Tensor, d: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    """(m, k)·(k, n) + (m, r)·(r, n) + bias; b and d both with contiguous rows or both columns."""
    y = torch.empty((a.shape[0], b.shape[1]), dtype=a.dtype, device=a.device)
    aligned = None if bias is None else _compat.starts_aligned(bias)
    plan = _plan(*map(Layout.of, (a, b, c, d)), aligned)
    plan(a, b, c, d, y, y if bias is None else bias)
    return y


@functools.lru_cache(maxsize=4096)
def _plan(a: Layout, b: Layout, c: Layout, d: Layout, aligned: bool | None) -> Launch:
    """The launch for operands so laid out; ``aligned`` says whether the bias is, None: there is
    none.
    """
    (m, k), n, r = a.shape, b.shape[1], c.shape[1]
    device = _compat.device_of(a.device)
    tile = shapes.hopper_tile(1, m, n, a.dtype, device)
    turned = b.strides[1] != 1
    block = (tile.n, tile.k) if turned else (tile.k, tile.n)

    def rows(x: torch.Tensor) -> Any:
        return _descriptor(x, tile.m // 2, tile.k)

    def columns(x: torch.Tensor) -> Any:
        return _descriptor(x.t() if turned else x, *block)

    def result(x: torch.Tensor) -> Any:
        return _descriptor(x, tile.m // 2, tile.n)

    tiles = -(-m // tile.m) * -(-n // tile.n)
    return Launch(
        _two_products, min(tiles, device.processors), (m, n, k, r, tile.group),
        {"TURNED": turned, "BIAS": aligned is not None, "SLOTS": tile.stages},
        {"num_warps": 4, "maxnreg": 168},
        {0: rows, 1: columns, 2: rows, 3: columns, 4: result},
    )  # fmt: skip


def lora_linear(*inputs: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """As the definition."""
    return passes.forward(join, *inputs)


def lora_linear_backward(
    *inputs: Any,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """As the definition."""
    return passes.backward(join, *inputs)
