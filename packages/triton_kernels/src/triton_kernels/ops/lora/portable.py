"""lora_linear in Triton, for any GPU and the interpreter: two products added up in one kernel.

A program makes one tile of a·b + c·d + bias: it walks along the inner size of the first product and
on along that of the second, which for LoRA is short, into the same accumulator in float32. So the
low-rank part costs a step or two a tile, and no tensor of the result's size is written and read.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from typing import Any

import torch

from triton_kernels import _compat
from triton_kernels._compat import Layout, cdiv, launch, next_power_of_2, tl, triton
from triton_kernels.ops.gemm import shapes
from triton_kernels.ops.gemm.portable import add_product, tile_position
from triton_kernels.ops.lora import passes


@triton.jit
def _walk(
    a_ptr, b_ptr, rows, columns, m, n, k, a_m, a_k, b_k, b_n, sums, lost,
    BLOCK_K: tl.constexpr, INDEX: tl.constexpr, UPCAST: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    """A tile's sums and a·b's part of it; ``lost`` is what exact summation has yet to add."""
    depths = tl.arange(0, BLOCK_K).to(INDEX)
    a_ptrs = a_ptr + rows * a_m + depths[None, :] * a_k
    b_ptrs = b_ptr + depths[:, None] * b_k + columns * b_n
    a_step = tl.full((), BLOCK_K, INDEX) * a_k
    b_step = tl.full((), BLOCK_K, INDEX) * b_k
    for start in range(0, k, BLOCK_K):
        a = tl.load(a_ptrs, mask=(rows < m) & (depths[None, :] < k - start), other=0.0)
        b = tl.load(b_ptrs, mask=(columns < n) & (depths[:, None] < k - start), other=0.0)
        if UPCAST:
            a = a.to(tl.float32)
            b = b.to(tl.float32)
        sums, lost = add_product(sums, lost, a, b, "ieee", EXACT)
        a_ptrs += a_step
        b_ptrs += b_step
    return sums, lost


@triton.jit
def _two_products(
    a_ptr, b_ptr, c_ptr, d_ptr, bias_ptr, y_ptr, m, n, k, r, a_m, a_k, b_k, b_n, c_m, c_r, d_r, d_n,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, BLOCK_R: tl.constexpr,
    GROUP: tl.constexpr, INDEX: tl.constexpr, UPCAST: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    tile_m, tile_n = tile_position(
        tl.program_id(0), tl.cdiv(m, BLOCK_M), tl.cdiv(n, BLOCK_N), GROUP
    )  # fmt: skip
    rows = (tile_m * BLOCK_M + tl.arange(0, BLOCK_M)).to(INDEX)[:, None]
    columns = (tile_n * BLOCK_N + tl.arange(0, BLOCK_N)).to(INDEX)[None, :]
    sums = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    lost = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    sums, lost = _walk(
        a_ptr, b_ptr, rows, columns, m, n, k, a_m, a_k, b_k, b_n, sums, lost,
        BLOCK_K, INDEX, UPCAST, EXACT,
    )  # fmt: skip
    sums, lost = _walk(
        c_ptr, d_ptr, rows, columns, m, n, r, c_m, c_r, d_r, d_n, sums, lost,
        BLOCK_R, INDEX, UPCAST, EXACT,
    )  # fmt: skip
    if bias_ptr is not None:
        sums += tl.load(bias_ptr + columns, mask=columns < n, other=0.0).to(tl.float32)
    mask = (rows < m) & (columns < n)
    tl.store(y_ptr + rows * n + columns, sums.to(y_ptr.dtype.element_ty), mask=mask)


def join(
    a: torch.Tensor, b: torch.Tensor, c: torch.Tensor, d: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    """(m, k)·(k, n) + (m, r)·(r, n) + bias, whatever their strides; the result contiguous."""
    (m, k), n, r = a.shape, b.shape[1], c.shape[1]
    y = torch.empty((m, n), dtype=a.dtype, device=a.device)
    if y.numel():
        device = _compat.device_of(a.device)
        tile = shapes.portable_tile(m, n, k, 1, a.dtype, "ieee", device)
        grid = (cdiv(m, tile.m) * cdiv(n, tile.n),)
        launch(
            _two_products, grid, (a, b, c, d, bias, y),
            (m, n, k, r, *a.stride(), *b.stride(), *c.stride(), *d.stride()),
            BLOCK_M=tile.m, BLOCK_N=tile.n, BLOCK_K=tile.k,
            BLOCK_R=max(16, min(tile.k, next_power_of_2(max(r, 1)))), GROUP=tile.group,
            INDEX=_compat.index_dtype(Layout.of(a), Layout.of(b), Layout.of(y)),
            UPCAST=_compat.upcasts_dot(a.dtype), EXACT=a.dtype is torch.float32,
            num_warps=tile.warps, num_stages=tile.stages,
        )  # fmt: skip
    return y


def lora_linear(*inputs: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """As the definition."""
    return passes.forward(join, *inputs)


def lora_linear_backward(
    *inputs: Any,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """As the definition."""
    return passes.backward(join, *inputs)
