"""float32 products by tf32 on Hopper in Gluon: TMA, asynchronous wgmma, warp specialisation.

The parties and their meetings are those of hopper.py. What differs: wgmma reads tf32 operands only
where the summed dimension lies in one piece, and cuts off the 13 bits it does not use, which has a
bias. So b is first copied, rounded to the nearest and turned as needed: 16 bytes of traffic for
each element. a goes to the tensor cores from registers and is rounded there, for the next block
while one is multiplied; only where its rows do not lie in one piece is it copied too. And 32-bit
results would take the shared memory that the blocks of a and b want: they go from registers to
memory, in pieces of 32 bytes, after the epilogue, whose residual comes the same way.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import torch

from triton_kernels import _compat
from triton_kernels._compat import cdiv, launch, starts_aligned, tl, triton
from triton_kernels._gluon import (
    Barrier,
    TensorDescriptor,
    gl,
    gluon,
    load_async,
    mbarrier,
    warpgroup_mma,
    warpgroup_mma_wait,
)
from triton_kernels.ops.gemm import shapes
from triton_kernels.ops.gemm.hopper import _ROWS, Epilogue, _position
from triton_kernels.ops.gemm.layout import _why_no_descriptor, as_batches, is_transposed
from triton_kernels.ops.gemm.portable import rounded_to_tf32

_BLOCK = 64
"""Rows and columns of a tile that is copied."""


@triton.jit
def _rounded_copy(
    x_ptr, y_ptr, rows, columns, x_batch, x_row, x_column, y_row, BLOCK: tl.constexpr
):
    """A tile of x with any strides, rounded, to y with contiguous rows."""
    across = tl.cdiv(columns, BLOCK)
    down = tl.cdiv(rows, BLOCK)
    tile = tl.program_id(0)
    batch = (tile // (across * down)).to(tl.int64)
    row = (tile // across % down * BLOCK + tl.arange(0, BLOCK)).to(tl.int64)[:, None]
    column = (tile % across * BLOCK + tl.arange(0, BLOCK)).to(tl.int64)[None, :]
    mask = (row < rows) & (column < columns)
    x = tl.load(x_ptr + batch * x_batch + row * x_row + column * x_column, mask=mask)
    y_ptrs = y_ptr + (batch * rows + row) * y_row + column
    tl.store(y_ptrs, rounded_to_tf32(x), mask=mask)


@gluon.jit
def _activated(x, ACTIVATION: gl.constexpr):
    """To float32's precision, which tf32's sums come near where few terms are added."""
    if ACTIVATION == "relu":
        x = gl.where(x < 0, 0.0, x)
    elif ACTIVATION == "silu":
        x = x / (1 + gl.exp(-x))
    elif ACTIVATION == "gelu_tanh":  # (1 + tanh u) / 2 is the logistic function of 2u
        x = x / (1 + gl.exp(x * (x * x * -0.07135481627260025 - 1.5957691216057308)))
    elif ACTIVATION == "gelu":
        x = x * (0.5 + 0.5 * gl.erf(x * 0.7071067811865476))
    else:
        gl.static_assert(ACTIVATION == "none")
    return x


@gluon.jit
def _load(
    a, b, c, bias, residual, before, a_slots, b_slots, full, empty, m, n, k,
    tiles_m, tiles_n, tiles, group, ACTIVATION: gl.constexpr,
):  # fmt: skip
    """The loading warp: one step fills one slot."""
    BLOCK_N: gl.constexpr = b.block_type.shape[1]
    BLOCK_K: gl.constexpr = b.block_type.shape[2]
    SLOTS: gl.constexpr = full.shape[0]
    step = 0
    for index in range(gl.program_id(0), tiles, gl.num_programs(0)):
        batch, tile_m, tile_n = _position(index, tiles_m, tiles_n, group)
        for depth in range(0, k, BLOCK_K):
            slot = step % SLOTS
            there = full.index(slot)
            mbarrier.wait(empty.index(slot), step // SLOTS & 1 ^ 1)
            mbarrier.expect(there, 2 * a.block_type.nbytes + b.block_type.nbytes)
            for half in gl.static_range(2):
                row = (2 * tile_m + half) * _ROWS
                load_async(a, [batch, row, depth], there, a_slots.index(2 * slot + half))
            load_async(b, [batch, tile_n * BLOCK_N, depth], there, b_slots.index(slot))
            step += 1


@gluon.jit
def _left(a_slots, full, step, HALF: gl.constexpr, LAYOUT: gl.constexpr):
    """A warpgroup's rows of a step's block of a, once it is there, rounded to tf32."""
    SLOTS: gl.constexpr = full.shape[0]
    slot = step % SLOTS
    mbarrier.wait(full.index(slot), step // SLOTS & 1)
    block = a_slots.index(2 * slot + HALF)
    x = block.reshape([block.shape[1], block.shape[2]]).load(LAYOUT)
    bits = (x.to(gl.int32, bitcast=True) + 0x1000) & -0x2000
    return gl.where(x == x, bits.to(gl.float32, bitcast=True), x)  # NaN stays


@gluon.jit
def _multiply(
    a, b, c, bias, residual, before, a_slots, b_slots, full, empty, m, n, k,
    tiles_m, tiles_n, tiles, group, ACTIVATION: gl.constexpr, HALF: gl.constexpr,
):  # fmt: skip
    """A warpgroup: while one block is multiplied, the next one's rows of a are rounded."""
    BLOCK_N: gl.constexpr = b.block_type.shape[1]
    BLOCK_K: gl.constexpr = b.block_type.shape[2]
    SLOTS: gl.constexpr = full.shape[0]
    layout: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, BLOCK_N, 8])
    A: gl.constexpr = gl.DotOperandLayout(0, layout, 1)
    step = 0
    for index in range(gl.program_id(0), tiles, gl.num_programs(0)):
        batch, tile_m, tile_n = _position(index, tiles_m, tiles_n, group)
        sums = gl.zeros([_ROWS, BLOCK_N], gl.float32, layout)
        left = _left(a_slots, full, step, HALF, A)
        for depth in range(0, k, BLOCK_K):
            slot = step % SLOTS
            right = b_slots.index(slot).reshape([BLOCK_N, BLOCK_K]).permute((1, 0))
            adding = warpgroup_mma(left, right, sums, use_acc=depth > 0, is_async=True)
            step += 1
            following = left
            if depth + BLOCK_K < k:
                following = _left(a_slots, full, step, HALF, A)
            sums, _spent = warpgroup_mma_wait(0, (adding, left))
            mbarrier.arrive(empty.index(slot), count=1)
            left = following
        rows = (2 * tile_m + HALF) * _ROWS + gl.arange(0, _ROWS, gl.SliceLayout(1, layout))
        columns = tile_n * BLOCK_N + gl.arange(0, BLOCK_N, gl.SliceLayout(0, layout))
        at = ((batch * m + rows).to(gl.int64) * n)[:, None] + columns[None, :]
        there = (rows < m)[:, None] & (columns < n)[None, :]
        if bias is not None:
            sums += gl.load(bias + columns, mask=columns < n, other=0.0)[None, :]
        if before is not None:
            gl.store(before + at, sums, mask=there)
        sums = _activated(sums, ACTIVATION)
        if residual is not None:
            sums += gl.load(residual + at, mask=there, other=0.0)
        gl.store(c + at, sums, mask=there)


@gluon.jit
def _multiply_upper(
    a, b, c, bias, residual, before, a_slots, b_slots, full, empty, m, n, k,
    tiles_m, tiles_n, tiles, group, ACTIVATION: gl.constexpr,
):  # fmt: skip
    _multiply(
        a, b, c, bias, residual, before, a_slots, b_slots, full, empty, m, n, k,
        tiles_m, tiles_n, tiles, group, ACTIVATION, 0,
    )  # fmt: skip


@gluon.jit
def _multiply_lower(
    a, b, c, bias, residual, before, a_slots, b_slots, full, empty, m, n, k,
    tiles_m, tiles_n, tiles, group, ACTIVATION: gl.constexpr,
):  # fmt: skip
    _multiply(
        a, b, c, bias, residual, before, a_slots, b_slots, full, empty, m, n, k,
        tiles_m, tiles_n, tiles, group, ACTIVATION, 1,
    )  # fmt: skip


@gluon.jit
def _product(
    a, b, c, bias, residual, before, batches, m, n, k, group,
    ACTIVATION: gl.constexpr, SLOTS: gl.constexpr,
):  # fmt: skip
    """Descriptors of a and b: blocks (1, 64, k) and (1, n, k); the others are pointers."""
    # ruff: noqa: RUF005 (Gluon unpacks no lists)
    a_slots = gl.allocate_shared_memory(gl.float32, [2 * SLOTS] + a.block_type.shape, a.layout)
    b_slots = gl.allocate_shared_memory(gl.float32, [SLOTS] + b.block_type.shape, b.layout)
    full = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    empty = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    for slot in gl.static_range(SLOTS):
        mbarrier.init(full.index(slot), count=1)
        mbarrier.init(empty.index(slot), count=2)
    tiles_m = gl.cdiv(m, 2 * _ROWS)
    tiles_n = gl.cdiv(n, b.block_type.shape[1])
    tiles = batches * tiles_m * tiles_n
    gl.warp_specialize(
        [
            (_multiply_upper, (
                a, b, c, bias, residual, before, a_slots, b_slots, full, empty, m, n, k,
                tiles_m, tiles_n, tiles, group, ACTIVATION,
            )),
            (_multiply_lower, (
                a, b, c, bias, residual, before, a_slots, b_slots, full, empty, m, n, k,
                tiles_m, tiles_n, tiles, group, ACTIVATION,
            )),
            (_load, (
                a, b, c, bias, residual, before, a_slots, b_slots, full, empty, m, n, k,
                tiles_m, tiles_n, tiles, group, ACTIVATION,
            )),
        ],
        [4, 1], [240, 24],
    )  # fmt: skip


def _rounded(x: torch.Tensor) -> torch.Tensor:
    """(batches, rows, k) with any strides as the same with contiguous rows, 16 bytes apart."""
    batches, rows, k = x.shape
    y = torch.empty((batches, rows, k + -k % 4), dtype=torch.float32, device=x.device)
    tiles = batches * cdiv(rows, _BLOCK) * cdiv(k, _BLOCK)
    sizes = (rows, k, *x.stride(), y.stride(1))
    launch(_rounded_copy, (tiles,), (x, y), sizes, BLOCK=_BLOCK, num_warps=4)
    return y[:, :, :k]


def _is_read_in_place(x: torch.Tensor) -> bool:
    """Whether the tensor memory accelerator can read the rows of (batches, rows, k)."""
    return starts_aligned(x) and not is_transposed(x) and _why_no_descriptor(x) is None


def _descriptor(x: torch.Tensor, rows: int, depth: int) -> TensorDescriptor:
    batch, row, _ = x.stride()
    # A stride over one element or one row is never used, but has to be a valid one.
    row = row if x.shape[1] > 1 else x.shape[2] + -x.shape[2] % 4
    batch = batch if x.shape[0] > 1 else row * x.shape[1]
    layout = gl.NVMMASharedLayout.get_default_for([1, rows, depth], gl.float32)
    return TensorDescriptor(x, list(x.shape), [batch, row, 1], [1, rows, depth], layout)


def product(
    a: torch.Tensor, b: torch.Tensor, epilogue: Epilogue, tile: shapes.Tile | None = None
) -> torch.Tensor:
    """(..., m, k) times (k, n) or (..., k, n) in float32, then the epilogue, whose tensors are
    contiguous; so is the result."""
    c = torch.empty((*a.shape[:-1], b.shape[-1]), dtype=torch.float32, device=a.device)
    batched = as_batches(a, b)
    assert batched is not None  # the backend refuses what has no batches
    left, right = batched
    batches, m, k = left.shape
    n = right.shape[2]
    device = _compat.device_of(a.device)
    tile = tile or shapes.tf32_tile(batches, m, n, device)
    left = left if _is_read_in_place(left) else _rounded(left)
    right = _rounded(right.mT)
    tiles = batches * -(-m // tile.m) * -(-n // tile.n)
    _product[(min(tiles, device.processors),)](
        _descriptor(left, tile.m // 2, tile.k), _descriptor(right, tile.n, tile.k), c,
        epilogue.bias, epilogue.residual, epilogue.before, batches, m, n, k, tile.group,
        ACTIVATION=epilogue.activation, SLOTS=tile.stages, num_warps=4, maxnreg=168,
    )  # fmt: skip
    return c
