"""Matrix products on Hopper in Gluon: TMA, asynchronous wgmma, warp specialisation, epilogues.

A block of threads has three parties. One warp *loads*: it asks the tensor memory accelerator for
blocks of a and b, as far ahead as shared memory has slots. Two warpgroups *multiply*: both read the
same block of b, each its own 64 rows of a. They meet at two barriers a slot: ``full`` (the bytes
have landed) and ``empty`` (both warpgroups have read them). The loading warp runs on into the next
tile while the warpgroups finish the last one, and the warpgroups may drift apart by as many steps
as there are slots, so that the tensor cores have work while one of them stores.

The epilogue is c = f(scale·a·b + bias) + residual: bias and activation are applied to the
accumulators in registers, and the residual's tile is fetched into the place where c will leave
from while the last blocks are multiplied.

Batches are the outermost dimension of every descriptor: a ragged tile never reaches into the next
one. The division of work is that of CUTLASS's cooperative kernels (Thakkar et al., CUTLASS 3).
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import torch

from triton_kernels import _compat
from triton_kernels._compat import Launch, Layout, starts_aligned
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
from triton_kernels.ops.gemm.layout import as_batches, is_transposed, operands

_ROWS = gl.constexpr(64)
"""Rows of a tile that one warpgroup multiplies."""


@gluon.jit
def _position(index, tiles_m, tiles_n, group):
    """Batch, row and column of a tile, in an order that runs down ``group`` rows of tiles."""
    batch = index // (tiles_m * tiles_n)
    within = index % (tiles_m * tiles_n)
    first = within // (group * tiles_n) * group
    height = gl.minimum(tiles_m - first, group)
    within = within % (group * tiles_n)
    return batch, first + within % height, within // height


@gluon.jit
def _tanh(x):
    """By the special-function unit, to 11 bits: enough where the result is rounded to 8."""
    return gl.inline_asm_elementwise(
        "tanh.approx.f32 $0, $1;", "=r,r", [x], dtype=gl.float32, is_pure=True, pack=1
    )


@gluon.jit
def _activated(x, ACTIVATION: gl.constexpr):
    if ACTIVATION == "relu":
        x = gl.where(x < 0, 0.0, x)
    elif ACTIVATION == "silu":
        half = 0.5 * x
        x = half + half * _tanh(half)
    elif ACTIVATION == "gelu_tanh":
        half = 0.5 * x
        x = half + half * _tanh(x * (0.7978845608028654 + 0.035677408136300125 * x * x))
    elif ACTIVATION == "gelu":
        # As in activations.maths: Abramowitz and Stegun 1964, 7.1.26.
        root = gl.rsqrt(gl.abs(x) * 0.23164188826636045 + 1)
        t = root * root
        tail = (((t * 0.5307027145 - 0.7265760135) * t + 0.7107068705) * t - 0.142248368) * t
        tail = (tail + 0.127414796) * t * gl.exp2(x * x * -0.7213475204444817)
        x = gl.maximum(x, 0.0) - gl.abs(x) * tail
    else:
        gl.static_assert(ACTIVATION == "none")
    return x


@gluon.jit
def _load(
    a, b, c, residual, before, bias, scale, a_slots, b_slots, c_slots, full, empty, landed,
    k, n, tiles_m, tiles_n, tiles, group,
    A_TRANSPOSED: gl.constexpr, B_TRANSPOSED: gl.constexpr, ACTIVATION: gl.constexpr,
    BIAS: gl.constexpr, RESIDUAL: gl.constexpr, SCALED: gl.constexpr, BEFORE: gl.constexpr,
):  # fmt: skip
    """The loading warp: one step fills one slot."""
    BLOCK_N: gl.constexpr = c.block_type.shape[2]
    BLOCK_K: gl.constexpr = a.block_type.shape[1 if A_TRANSPOSED else 2]
    SLOTS: gl.constexpr = full.shape[0]
    step = 0
    for index in range(gl.program_id(0), tiles, gl.num_programs(0)):
        batch, tile_m, tile_n = _position(index, tiles_m, tiles_n, group)
        column = tile_n * BLOCK_N
        for depth in range(0, k, BLOCK_K):
            slot = step % SLOTS
            there = full.index(slot)
            mbarrier.wait(empty.index(slot), step // SLOTS & 1 ^ 1)
            mbarrier.expect(there, 2 * a.block_type.nbytes + b.block_type.nbytes)
            for half in gl.static_range(2):
                row = (2 * tile_m + half) * _ROWS
                where_a = [batch, depth, row] if A_TRANSPOSED else [batch, row, depth]
                load_async(a, where_a, there, a_slots.index(2 * slot + half))
            where_b = [batch, column, depth] if B_TRANSPOSED else [batch, depth, column]
            load_async(b, where_b, there, b_slots.index(slot))
            step += 1


@gluon.jit
def _multiply(
    a, b, c, residual, before, bias, scale, a_slots, b_slots, c_slots, full, empty, landed,
    k, n, tiles_m, tiles_n, tiles, group,
    A_TRANSPOSED: gl.constexpr, B_TRANSPOSED: gl.constexpr, ACTIVATION: gl.constexpr,
    BIAS: gl.constexpr, RESIDUAL: gl.constexpr, SCALED: gl.constexpr, BEFORE: gl.constexpr,
    HALF: gl.constexpr,
):  # fmt: skip
    """A warpgroup: one wgmma is always in flight, the slot of the one before it is given back."""
    BLOCK_N: gl.constexpr = c.block_type.shape[2]
    BLOCK_K: gl.constexpr = a.block_type.shape[1 if A_TRANSPOSED else 2]
    SLOTS: gl.constexpr = full.shape[0]
    DEPTH: gl.constexpr = 256 // a.dtype.primitive_bitwidth
    layout: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, BLOCK_N, DEPTH])
    step = 0
    done = 0
    for index in range(gl.program_id(0), tiles, gl.num_programs(0)):
        batch, tile_m, tile_n = _position(index, tiles_m, tiles_n, group)
        sums = gl.zeros([_ROWS, BLOCK_N], gl.float32, layout)
        where = [batch, (2 * tile_m + HALF) * _ROWS, tile_n * BLOCK_N]
        if RESIDUAL:
            store_wait(0)
            mbarrier.expect(landed.index(HALF), c.block_type.nbytes)
            load_async(residual, where, landed.index(HALF), c_slots.index(HALF))
        for depth in range(0, k, BLOCK_K):
            slot = step % SLOTS
            mbarrier.wait(full.index(slot), step // SLOTS & 1)
            left = a_slots.index(2 * slot + HALF)
            right = b_slots.index(slot)
            if A_TRANSPOSED:
                left = left.reshape([BLOCK_K, _ROWS]).permute((1, 0))
            else:
                left = left.reshape([_ROWS, BLOCK_K])
            if B_TRANSPOSED:
                right = right.reshape([BLOCK_N, BLOCK_K]).permute((1, 0))
            else:
                right = right.reshape([BLOCK_K, BLOCK_N])
            sums = warpgroup_mma(left, right, sums, use_acc=depth > 0, is_async=True)
            sums = warpgroup_mma_wait(1, (sums,))
            mbarrier.arrive(empty.index((step + SLOTS - 1) % SLOTS), count=1, pred=depth > 0)
            step += 1
        sums = warpgroup_mma_wait(0, (sums,))
        mbarrier.arrive(empty.index((step + SLOTS - 1) % SLOTS), count=1)
        if SCALED:
            sums *= gl.load(scale)
        if BIAS:
            columns = tile_n * BLOCK_N + gl.arange(0, BLOCK_N, gl.SliceLayout(0, layout))
            sums += gl.load(bias + columns, mask=columns < n, other=0.0).to(gl.float32)[None, :]
        out = c_slots.index(HALF).reshape([_ROWS, BLOCK_N])
        more = sums
        if RESIDUAL:
            mbarrier.wait(landed.index(HALF), done & 1)
            done += 1
            if BEFORE:  # z takes its place
                more = out.load(layout)
        else:
            store_wait(0)
        if BEFORE:
            out.store(sums.to(c.dtype))
            fence_async_shared()
            store_async(before, where, c_slots.index(HALF))
            store_wait(0)
        sums = _activated(sums, ACTIVATION)
        if RESIDUAL:
            if not BEFORE:
                more = out.load(layout)
            sums += more.to(gl.float32)
        out.store(sums.to(c.dtype))
        fence_async_shared()
        store_async(c, where, c_slots.index(HALF))
    store_wait(0)


@gluon.jit
def _multiply_upper(
    a, b, c, residual, before, bias, scale, a_slots, b_slots, c_slots, full, empty, landed,
    k, n, tiles_m, tiles_n, tiles, group,
    A_TRANSPOSED: gl.constexpr, B_TRANSPOSED: gl.constexpr, ACTIVATION: gl.constexpr,
    BIAS: gl.constexpr, RESIDUAL: gl.constexpr, SCALED: gl.constexpr, BEFORE: gl.constexpr,
):  # fmt: skip
    _multiply(
        a, b, c, residual, before, bias, scale, a_slots, b_slots, c_slots, full, empty, landed,
        k, n, tiles_m, tiles_n, tiles, group,
        A_TRANSPOSED, B_TRANSPOSED, ACTIVATION, BIAS, RESIDUAL, SCALED, BEFORE, 0,
    )  # fmt: skip


@gluon.jit
def _multiply_lower(
    a, b, c, residual, before, bias, scale, a_slots, b_slots, c_slots, full, empty, landed,
    k, n, tiles_m, tiles_n, tiles, group,
    A_TRANSPOSED: gl.constexpr, B_TRANSPOSED: gl.constexpr, ACTIVATION: gl.constexpr,
    BIAS: gl.constexpr, RESIDUAL: gl.constexpr, SCALED: gl.constexpr, BEFORE: gl.constexpr,
):  # fmt: skip
    _multiply(
        a, b, c, residual, before, bias, scale, a_slots, b_slots, c_slots, full, empty, landed,
        k, n, tiles_m, tiles_n, tiles, group,
        A_TRANSPOSED, B_TRANSPOSED, ACTIVATION, BIAS, RESIDUAL, SCALED, BEFORE, 1,
    )  # fmt: skip


@gluon.jit
def _product(
    a, b, c, residual, before, bias, scale, batches, m, n, k, group,
    A_TRANSPOSED: gl.constexpr, B_TRANSPOSED: gl.constexpr, ACTIVATION: gl.constexpr,
    BIAS: gl.constexpr, RESIDUAL: gl.constexpr, SCALED: gl.constexpr, BEFORE: gl.constexpr,
    SLOTS: gl.constexpr,
):  # fmt: skip
    """Descriptors of a, b, c and residual: blocks (1, 64, k), (1, k, n) and twice (1, 64, n)."""
    # ruff: noqa: RUF005 (Gluon unpacks no lists)
    a_slots = gl.allocate_shared_memory(a.dtype, [2 * SLOTS] + a.block_type.shape, a.layout)
    b_slots = gl.allocate_shared_memory(b.dtype, [SLOTS] + b.block_type.shape, b.layout)
    c_slots = gl.allocate_shared_memory(c.dtype, [2] + c.block_type.shape, c.layout)
    full = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    empty = gl.allocate_shared_memory(gl.int64, [SLOTS, 1], Barrier())
    for slot in gl.static_range(SLOTS):
        mbarrier.init(full.index(slot), count=1)
        mbarrier.init(empty.index(slot), count=2)
    landed = empty
    if RESIDUAL:  # none is made for nothing: its memory would be given away
        landed = gl.allocate_shared_memory(gl.int64, [2, 1], Barrier())
        for half in gl.static_range(2):
            mbarrier.init(landed.index(half), count=1)
    fence_async_shared()  # the loads find the barriers as they were made
    tiles_m = gl.cdiv(m, 2 * _ROWS)
    tiles_n = gl.cdiv(n, c.block_type.shape[2])
    tiles = batches * tiles_m * tiles_n
    # Written out three times: a tuple held in a variable loses its constants.
    gl.warp_specialize(
        [
            (_multiply_upper, (
                a, b, c, residual, before, bias, scale, a_slots, b_slots, c_slots,
                full, empty, landed, k, n, tiles_m, tiles_n, tiles, group,
                A_TRANSPOSED, B_TRANSPOSED, ACTIVATION, BIAS, RESIDUAL, SCALED, BEFORE,
            )),
            (_multiply_lower, (
                a, b, c, residual, before, bias, scale, a_slots, b_slots, c_slots,
                full, empty, landed, k, n, tiles_m, tiles_n, tiles, group,
                A_TRANSPOSED, B_TRANSPOSED, ACTIVATION, BIAS, RESIDUAL, SCALED, BEFORE,
            )),
            (_load, (
                a, b, c, residual, before, bias, scale, a_slots, b_slots, c_slots,
                full, empty, landed, k, n, tiles_m, tiles_n, tiles, group,
                A_TRANSPOSED, B_TRANSPOSED, ACTIVATION, BIAS, RESIDUAL, SCALED, BEFORE,
            )),
        ],
        [4, 1], [240, 24],
    )  # fmt: skip


class Epilogue(NamedTuple):
    """What is done to a tile of scale·a·b before it is written: f(· + bias) + residual."""

    bias: torch.Tensor | None = None
    """(n,), contiguous."""
    activation: str = "none"
    residual: torch.Tensor | None = None
    """As c: contiguous, of its dtype."""
    scale: torch.Tensor | None = None
    """One number in float32."""
    before: torch.Tensor | None = None
    """As c: where scale·a·b + bias is left beside."""


def product(
    a: torch.Tensor, b: torch.Tensor, dtype: torch.dtype, epilogue: Epilogue,
    tile: shapes.Tile | None = None, turned: bool = False,
) -> torch.Tensor:  # fmt: skip
    """(..., m, k) times (k, n) or (..., k, n), then the epilogue; the result contiguous.

    ``turned``: b is (n, k) or (..., n, k), and a is multiplied by its transpose.
    """
    n = b.shape[-2] if turned else b.shape[-1]
    c = torch.empty((*a.shape[:-1], n), dtype=dtype, device=a.device)
    bias, activation, residual, scale, before = epilogue
    given = (bias is not None, residual is not None, scale is not None, before is not None)
    aligned = bias is None or starts_aligned(bias)
    _plan(Layout.of(a), Layout.of(b), dtype, activation, given, aligned, tile, turned)(
        a, b, c, c if residual is None else residual, c if before is None else before,
        c if bias is None else bias, c if scale is None else scale,
    )  # fmt: skip
    return c


@functools.lru_cache(maxsize=4096)
def _plan(
    a: Layout, b: Layout, dtype: torch.dtype, activation: str, given: tuple[bool, ...],
    aligned: bool, tile: shapes.Tile | None, turned: bool,
) -> Launch:  # fmt: skip
    """The launch for operands so laid out; ``aligned`` says whether the bias is."""
    batched = as_batches(*operands(a, b, turned))
    assert batched is not None  # the backend refuses what has no batches
    left, right = batched
    (batches, m, k), n = left.shape, right.shape[2]
    device = _compat.device_of(a.device)
    tile = tile or shapes.hopper_tile(batches, m, n, a.dtype, device)
    a_transposed, b_transposed = is_transposed(left), is_transposed(right)
    biased, added, scaled, kept = given

    def of_a(x: torch.Tensor) -> Any:
        seen = x.as_strided(left.shape, left.stride())
        return _descriptor(seen, tile.m // 2, tile.k, a_transposed)

    def of_b(x: torch.Tensor) -> Any:
        seen = x.as_strided(right.shape, right.stride())
        return _descriptor(seen, tile.k, tile.n, b_transposed)

    def of_c(x: torch.Tensor) -> Any:
        return _descriptor(x.view(batches, m, n), tile.m // 2, tile.n, False)

    tiles = batches * -(-m // tile.m) * -(-n // tile.n)
    return Launch(
        _product, min(tiles, device.processors), (batches, m, n, k, tile.group),
        {
            "A_TRANSPOSED": a_transposed, "B_TRANSPOSED": b_transposed, "ACTIVATION": activation,
            "BIAS": biased, "RESIDUAL": added, "SCALED": scaled, "BEFORE": kept,
            "SLOTS": tile.stages,
        },
        {"num_warps": 4, "maxnreg": 168}, {0: of_a, 1: of_b, 2: of_c, 3: of_c, 4: of_c},
    )  # fmt: skip


def matmul(a: torch.Tensor, b: torch.Tensor, precision: str) -> torch.Tensor:
    """(..., m, k) times (k, n) or (..., k, n) in float16 or bfloat16, or in float32 by tf32."""
    if a.dtype is torch.float32:
        from triton_kernels.ops.gemm import tf32

        return tf32.product(a, b, Epilogue())
    return product(a, b, a.dtype, Epilogue())


def linear(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    residual: torch.Tensor | None, activation: str, precision: str, kept: bool,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """f(z) + residual with z = x·weightᵀ + bias, and z, empty unless ``kept``; float32 by tf32."""
    before = x.new_empty((*x.shape[:-1], weight.shape[0]) if kept else 0)
    epilogue = _epilogue(bias, activation, residual, None, before if kept else None)
    if x.dtype is torch.float32:
        from triton_kernels.ops.gemm import tf32

        return tf32.product(x, weight.t(), epilogue), before
    return product(x, weight, x.dtype, epilogue, turned=True), before


def matmul_fp8(
    a: torch.Tensor, b: torch.Tensor, scale_a: torch.Tensor, scale_b: torch.Tensor,
    bias: torch.Tensor | None, residual: torch.Tensor | None, dtype: torch.dtype, activation: str,
) -> torch.Tensor:  # fmt: skip
    """f(scale_a·scale_b·a·b + bias) + residual of float8_e4m3fn operands."""
    scale = scale_a.reshape(()) * scale_b.reshape(())
    return product(a, b, dtype, _epilogue(bias, activation, residual, scale))


def _epilogue(
    bias: torch.Tensor | None, activation: str, residual: torch.Tensor | None,
    scale: torch.Tensor | None, before: torch.Tensor | None = None,
) -> Epilogue:  # fmt: skip
    """With bias and residual as the kernel reads them."""
    if bias is not None:
        bias = bias.contiguous()
    if residual is not None:
        residual = residual.contiguous()
        if not starts_aligned(residual):
            residual = residual.clone()
    return Epilogue(bias, activation, residual, scale, before)


def _descriptor(x: torch.Tensor, rows: int, columns: int, transposed: bool) -> Any:
    if transposed:
        x, rows, columns = x.mT, columns, rows
    batch, row, _ = x.stride()
    # A stride over one element or one row is never used, but has to be a valid one.
    row = row if x.shape[1] > 1 else x.shape[2] + -x.shape[2] % 64
    batch = batch if x.shape[0] > 1 else row * x.shape[1]
    layout = _shared_layout(rows, columns, x.dtype)
    return TensorDescriptor(x, list(x.shape), [batch, row, 1], [1, rows, columns], layout)


@functools.cache
def _shared_layout(rows: int, columns: int, dtype: torch.dtype) -> Any:
    element = {
        torch.float16: gl.float16, torch.bfloat16: gl.bfloat16, torch.float8_e4m3fn: gl.float8e4nv,
    }[dtype]  # fmt: skip
    return gl.NVMMASharedLayout.get_default_for([1, rows, columns], element)
