"""matmul in Triton with plain pointers, for any GPU, any strides and the interpreter.

A program makes one (BLOCK_M, BLOCK_N) tile of c: it walks along k, loads a block of a and one of
b, and adds their product to an accumulator in float32. Tiles are numbered in groups of rows, so
that programs that run together read the same blocks and find them in the L2 cache.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools

import torch

from triton_kernels import _compat
from triton_kernels._compat import Launch, Layout, starts_aligned, tl, triton
from triton_kernels.ops.activations.maths import activate
from triton_kernels.ops.gemm import shapes
from triton_kernels.ops.gemm.layout import merged_rows


@triton.jit
def tile_position(tile, tiles_m, tiles_n, GROUP: tl.constexpr):
    """Row and column of a tile, in an order that runs down GROUP rows before the next column."""
    group = tile // (GROUP * tiles_n)
    first_row = group * GROUP
    rows = tl.minimum(tiles_m - first_row, GROUP)
    within = tile % (GROUP * tiles_n)
    return first_row + within % rows, within // rows


@triton.jit
def rounded_to_tf32(x):
    """The nearest number of 10 mantissa bits; tensor cores would cut the rest off, with a bias."""
    bits = (x.to(tl.int32, bitcast=True) + 0x1000) & -0x2000
    return tl.where(x == x, bits.to(tl.float32, bitcast=True), x)  # NaN stays


@triton.jit
def add_product(sums, lost, a, b, PRECISION: tl.constexpr, EXACT: tl.constexpr):
    """sums + a·b, and what was lost in it: Kahan's summation if it is to be exact."""
    if EXACT:  # what an addition loses is added to the next block
        block = tl.dot(a, b, input_precision=PRECISION) - lost
        total = sums + block
        return total, (total - sums) - block
    else:
        return tl.dot(a, b, sums, input_precision=PRECISION), lost


@triton.jit
def _matmul(
    a_ptr, b_ptr, c_ptr, bias_ptr, residual_ptr, scale_ptr, before_ptr, m, n, k, inner_batches,
    a_outer, a_inner, a_m, a_k, b_outer, b_inner, b_k, b_n,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, GROUP: tl.constexpr,
    INDEX: tl.constexpr, PRECISION: tl.constexpr, UPCAST: tl.constexpr, EXACT: tl.constexpr,
    ACTIVATION: tl.constexpr,
):  # fmt: skip
    tiles_m = tl.cdiv(m, BLOCK_M)
    tiles_n = tl.cdiv(n, BLOCK_N)
    batch = (tl.program_id(0) // (tiles_m * tiles_n)).to(tl.int64)
    tile = tl.program_id(0) % (tiles_m * tiles_n)
    tile_m, tile_n = tile_position(tile, tiles_m, tiles_n, GROUP)
    rows = (tile_m * BLOCK_M + tl.arange(0, BLOCK_M)).to(INDEX)[:, None]
    columns = (tile_n * BLOCK_N + tl.arange(0, BLOCK_N)).to(INDEX)[None, :]
    depths = tl.arange(0, BLOCK_K).to(INDEX)

    outer = batch // inner_batches
    inner = batch % inner_batches
    a_ptrs = a_ptr + outer * a_outer + inner * a_inner + rows * a_m + depths[None, :] * a_k
    b_ptrs = b_ptr + outer * b_outer + inner * b_inner + depths[:, None] * b_k + columns * b_n
    a_step = tl.full((), BLOCK_K, INDEX) * a_k
    b_step = tl.full((), BLOCK_K, INDEX) * b_k

    sums = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    lost = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for start in range(0, k, BLOCK_K):
        a = tl.load(a_ptrs, mask=(rows < m) & (depths[None, :] < k - start), other=0.0)
        b = tl.load(b_ptrs, mask=(columns < n) & (depths[:, None] < k - start), other=0.0)
        if UPCAST:
            a = a.to(tl.float32)
            b = b.to(tl.float32)
        elif a.dtype.primitive_bitwidth == 8:  # exact, and for every GPU that can read them
            a = a.to(tl.bfloat16)
            b = b.to(tl.bfloat16)
        if PRECISION == "tf32" and a.dtype == tl.float32:
            a = rounded_to_tf32(a)
            b = rounded_to_tf32(b)
        sums, lost = add_product(sums, lost, a, b, PRECISION, EXACT)
        a_ptrs += a_step
        b_ptrs += b_step

    if scale_ptr is not None:
        sums *= tl.load(scale_ptr)
    if bias_ptr is not None:
        sums += tl.load(bias_ptr + columns, mask=columns < n, other=0.0).to(tl.float32)
    offsets = batch * m * n + rows * n + columns
    mask = (rows < m) & (columns < n)
    if before_ptr is not None:
        tl.store(before_ptr + offsets, sums.to(c_ptr.dtype.element_ty), mask=mask)
    if ACTIVATION != "none":
        sums = activate(sums, ACTIVATION)
    if residual_ptr is not None:
        sums += tl.load(residual_ptr + offsets, mask=mask, other=0.0).to(tl.float32)
    tl.store(c_ptr + offsets, sums.to(c_ptr.dtype.element_ty), mask=mask)


def _with_two_batches(x: torch.Tensor) -> torch.Tensor:
    """As (outer, inner, rows, columns); raises RuntimeError where that takes a copy."""
    return x.view(-1, *x.shape[-3:]) if x.dim() > 4 else x[(None,) * (4 - x.dim())]


@functools.lru_cache(maxsize=4096)
def _plan(
    a_layout: Layout, b_layout: Layout, result: torch.dtype, precision: str,
    tile: shapes.Tile | None, activation: str, epilogue: tuple[bool, ...], aligned: bool,
) -> Launch | None:  # fmt: skip
    """The launch for matrices so laid out; None: their leading dimensions need a copy."""
    a, b = a_layout.example(), b_layout.example()
    if b.dim() == 2 and a.dim() > 2:
        rows = merged_rows(a)
        a, b = (a, b.expand(*a.shape[:-2], *b.shape)) if rows is None else (rows, b)
    try:
        a, b = _with_two_batches(a), _with_two_batches(b)
    except RuntimeError:
        return None
    outer, inner, m, k = a.shape
    n = b.shape[-1]
    dtype, device = a_layout.dtype, _compat.device_of(a_layout.device)
    if tile is None:
        tile = shapes.portable_tile(m, n, k, outer * inner, dtype, precision, device)
    index = _compat.index_dtype(a_layout, b_layout)
    return Launch(
        _matmul, outer * inner * triton.cdiv(m, tile.m) * triton.cdiv(n, tile.n),
        (m, n, k, inner, *a.stride(), *b.stride()),
        {
            "BLOCK_M": tile.m, "BLOCK_N": tile.n, "BLOCK_K": tile.k, "GROUP": tile.group,
            "INDEX": tl.int64 if outer * inner * m * n >= 2**31 else index,
            "PRECISION": precision, "UPCAST": _compat.upcasts_dot(dtype),
            "EXACT": dtype is torch.float32 and precision == "ieee", "ACTIVATION": activation,
        },
        {"num_warps": tile.warps, "num_stages": tile.stages},
    )  # fmt: skip


def matmul(
    a: torch.Tensor, b: torch.Tensor, precision: str, tile: shapes.Tile | None = None
) -> torch.Tensor:
    """(..., m, k) times (k, n) or (..., k, n), both read where they lie; the result contiguous."""
    return _product(a, b, a.dtype, precision, tile=tile)


def linear(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    residual: torch.Tensor | None, activation: str, precision: str, kept: bool,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """f(z) + residual with z = x·weightᵀ + bias, and z, empty unless ``kept``."""
    before = x.new_empty((*x.shape[:-1], weight.shape[0]) if kept else 0)
    left = before if kept else None
    y = _product(
        x, weight.t(), x.dtype, precision, bias, residual, None, left, activation=activation
    )
    return y, before


def matmul_fp8(
    a: torch.Tensor, b: torch.Tensor, scale_a: torch.Tensor, scale_b: torch.Tensor,
    bias: torch.Tensor | None, residual: torch.Tensor | None, dtype: torch.dtype, activation: str,
) -> torch.Tensor:  # fmt: skip
    """f(scale_a·scale_b·a·b + bias) + residual of float8_e4m3fn operands, multiplied in bfloat16,
    which holds them."""
    scale = scale_a.reshape(()) * scale_b.reshape(())
    return _product(a, b, dtype, "ieee", bias, residual, scale, activation=activation)


def _product(
    a: torch.Tensor, b: torch.Tensor, dtype: torch.dtype, precision: str,
    bias: torch.Tensor | None = None, residual: torch.Tensor | None = None,
    scale: torch.Tensor | None = None, before: torch.Tensor | None = None,
    activation: str = "none", tile: shapes.Tile | None = None,
) -> torch.Tensor:  # fmt: skip
    c = torch.empty((*a.shape[:-1], b.shape[-1]), dtype=dtype, device=a.device)
    if activation == "gelu" and dtype.itemsize == 2:
        activation = "gelu_16"
    if c.numel():
        bias = None if bias is None else bias.contiguous()
        residual = None if residual is None else residual.contiguous()
        extras = (bias, residual, scale, before)
        given = tuple(x is not None for x in extras)
        aligned = all(starts_aligned(x) for x in extras if x is not None)
        layouts = Layout.of(a), Layout.of(b)
        launch = _plan(*layouts, dtype, precision, tile, activation, given, aligned)
        if launch is None:
            a, b = a.contiguous(), b.contiguous()
            return _product(a, b, dtype, precision, *extras, activation, tile)
        launch(a, b, c, *extras)
    return c
