"""Attention's forward in Triton with plain pointers, for any GPU, any strides and the interpreter.

A program makes BLOCK_M rows of the output: it walks over blocks of keys and values, keeps the
running maximum and sum of each row, and rescales what it has when the maximum grows (Milakov and
Gimelshein 2018, arXiv:1805.02867; Dao 2023, arXiv:2307.08691, algorithm 1). A head size that is no
power of two is read in two parts, 96 = 64 + 32, so that little is multiplied by zeros.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from typing import Any

import torch

from triton_kernels._compat import tl, triton
from triton_kernels.ops.attention import launching, shapes
from triton_kernels.ops.attention.features import Features, empty_lse, empty_output
from triton_kernels.ops.attention.masking import LN_2, LOG2_E, kept, scores
from triton_kernels.ops.attention.scheduling import program_place, span
from triton_kernels.ops.gemm.portable import rounded_to_tf32


@triton.jit
def load_rows(
    ptr, rows, row_stride, column_stride, length, SIZE: tl.constexpr, FIRST: tl.constexpr,
    WIDTH: tl.constexpr, CUT: tl.constexpr, INDEX: tl.constexpr, UPCAST: tl.constexpr,
):  # fmt: skip
    """Columns FIRST to FIRST + WIDTH of some rows; zero beyond SIZE and, if CUT, beyond length."""
    columns = FIRST + tl.arange(0, WIDTH)
    ptrs = ptr + rows.to(INDEX)[:, None] * row_stride + columns[None, :] * column_stride
    if CUT and FIRST + WIDTH > SIZE:
        x = tl.load(ptrs, mask=(rows < length)[:, None] & (columns < SIZE)[None, :], other=0.0)
    elif CUT:
        x = tl.load(ptrs, mask=(rows < length)[:, None], other=0.0)
    elif FIRST + WIDTH > SIZE:
        x = tl.load(ptrs, mask=(columns < SIZE)[None, :], other=0.0)
    else:
        x = tl.load(ptrs)
    return x.to(tl.float32) if UPCAST else x


@triton.jit
def store_rows(
    ptr, x, rows, row_stride, column_stride, length, SIZE: tl.constexpr, FIRST: tl.constexpr,
    WIDTH: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """The reverse of ``load_rows``."""
    columns = FIRST + tl.arange(0, WIDTH)
    ptrs = ptr + rows.to(INDEX)[:, None] * row_stride + columns[None, :] * column_stride
    mask = (rows < length)[:, None] & (columns < SIZE)[None, :]
    tl.store(ptrs, x.to(ptr.dtype.element_ty), mask=mask)


@triton.jit
def product(a, b, sums, PRECISION: tl.constexpr):
    """a·b, and what is there if anything is; for tf32 of the nearest numbers that have it."""
    if PRECISION == "tf32" and a.dtype == tl.float32:
        a = rounded_to_tf32(a)
        b = rounded_to_tf32(b)
    if sums is None:
        sums = tl.dot(a, b, input_precision=PRECISION)
    else:
        sums = tl.dot(a, b, sums, input_precision=PRECISION)
    return sums


@triton.jit
def dot(a, b, sums, EXACT: tl.constexpr, PRECISION: tl.constexpr):
    """a·b + sums. If EXACT, in stretches of 16 terms, added up at the end: rounding one after
    another, 80 terms lose twice as much."""
    if EXACT:
        STRETCHES: tl.constexpr = a.shape[1] // 16
        a = tl.permute(tl.reshape(a, (a.shape[0], STRETCHES, 16)), (1, 0, 2))
        b = tl.reshape(b, (STRETCHES, 16, b.shape[1]))
        sums += tl.sum(tl.dot(a, b, input_precision=PRECISION), 0)
    else:
        sums = product(a, b, sums, PRECISION)
    return sums


@triton.jit
def _visit(
    sums, more, total, top, q, q_rest, k_ptr, v_ptr, start, end, rows, queries, keys,
    k_row, k_column, v_row, v_column, scale, soft_cap, slope, left, right,
    bias_ptr, bias_row, bias_column, mask_ptr, mask_row, mask_column,
    seed, first_row, first_query, threshold,
    SIZE: tl.constexpr, D0: tl.constexpr, D1: tl.constexpr, VALUE_SIZE: tl.constexpr,
    V0: tl.constexpr, V1: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
    CAPPED: tl.constexpr, SLOPED: tl.constexpr, LEFT: tl.constexpr, RIGHT: tl.constexpr,
    DROPS: tl.constexpr, FOLDS: tl.constexpr, INDEX: tl.constexpr, PRECISION: tl.constexpr,
    EXACT: tl.constexpr, UPCAST: tl.constexpr, CUT: tl.constexpr,
):  # fmt: skip
    """The keys from start to end: sums, total and top after them."""
    zeros = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for column in range(start, end, BLOCK_N):
        columns = column + tl.arange(0, BLOCK_N)
        k = load_rows(k_ptr, columns, k_row, k_column, keys, SIZE, 0, D0, CUT, INDEX, UPCAST)
        products = dot(q, tl.trans(k), zeros, EXACT, PRECISION)
        if D1 > 0:
            k = load_rows(k_ptr, columns, k_row, k_column, keys, SIZE, D0, D1, CUT, INDEX, UPCAST)
            products = dot(q_rest, tl.trans(k), products, EXACT, PRECISION)
        if FOLDS and not CUT:
            # A positive factor may wait until the maximum is taken: it then joins the subtraction.
            new_top = tl.maximum(top, tl.max(products, 1) * scale)
            weights = tl.exp2(products * scale - new_top[:, None])
            fade = tl.exp2(top - new_top)
        else:
            t, _bent = scores(
                products, rows[:, None], columns[None, :], queries, keys, scale, soft_cap, slope,
                left, right, bias_ptr, bias_row, bias_column, mask_ptr, mask_row, mask_column,
                CAPPED, SLOPED, LEFT, RIGHT, EXACT, CUT,
            )  # fmt: skip
            new_top = tl.maximum(top, tl.max(t, 1))
            # A row that has seen nothing yet: -inf less -inf would be NaN.
            base = tl.where(new_top == -float("inf"), 0.0, new_top)
            weights = tl.exp2(t - base[:, None])
            fade = tl.exp2(top - base)
        total = total * fade + tl.sum(weights, 1)
        top = new_top
        if DROPS:
            keep = kept(seed, first_row, first_query, column, threshold, BLOCK_M, BLOCK_N, False)
            weights = tl.where(keep, weights, 0.0)
        p = weights.to(v_ptr.dtype.element_ty)
        p = p.to(tl.float32) if UPCAST else p
        v = load_rows(v_ptr, columns, v_row, v_column, keys, VALUE_SIZE, 0, V0, CUT, INDEX, UPCAST)
        sums = dot(p, v, sums * fade[:, None], EXACT, PRECISION)
        if V1 > 0:
            v = load_rows(
                v_ptr, columns, v_row, v_column, keys, VALUE_SIZE, V0, V1, CUT, INDEX, UPCAST
            )
            more = dot(p, v, more * fade[:, None], EXACT, PRECISION)
    return sums, more, total, top


@triton.jit
def _forward(
    q_ptr, k_ptr, v_ptr, o_ptr, lse_ptr, bias_ptr, sinks_ptr, mask_ptr, slopes_ptr, cu_q_ptr,
    cu_k_ptr, tiles, heads, group, queries, keys,
    q_batch, q_head, q_row, q_column, k_batch, k_head, k_row, k_column,
    v_batch, v_head, v_row, v_column, o_batch, o_head, o_row, o_column,
    bias_batch, bias_head, bias_row, bias_column, mask_batch, mask_head, mask_row, mask_column,
    slopes_batch, scale, soft_cap, plain_scale, left, right, seed, threshold, enlarge,
    SIZE: tl.constexpr, D0: tl.constexpr, D1: tl.constexpr, VALUE_SIZE: tl.constexpr,
    V0: tl.constexpr, V1: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
    CAPPED: tl.constexpr, LEFT: tl.constexpr, RIGHT: tl.constexpr, DROPS: tl.constexpr,
    FOLDS: tl.constexpr, INDEX: tl.constexpr, PRECISION: tl.constexpr, EXACT: tl.constexpr,
    UPCAST: tl.constexpr, SPLIT: tl.constexpr,
):  # fmt: skip
    tile, head, batch = program_place(tiles, heads, RIGHT)
    lse_row = (batch * heads + head) * queries
    slope_row = batch * slopes_batch + head
    if cu_q_ptr is not None:
        first_of_q = tl.load(cu_q_ptr + batch)
        first_of_k = tl.load(cu_k_ptr + batch)
        lse_row = head.to(tl.int64) * queries + first_of_q
        queries = tl.load(cu_q_ptr + batch + 1) - first_of_q
        keys = tl.load(cu_k_ptr + batch + 1) - first_of_k
        q_ptr += first_of_q.to(tl.int64) * q_row
        o_ptr += first_of_q.to(tl.int64) * o_row
        k_ptr += first_of_k.to(tl.int64) * k_row
        v_ptr += first_of_k.to(tl.int64) * v_row
        batch = batch * 0
    first_query = tile * BLOCK_M
    if first_query >= queries:
        return
    key_head = (head // group).to(tl.int64)
    head = head.to(tl.int64)
    q_ptr += batch * q_batch + head * q_head
    k_ptr += batch * k_batch + key_head * k_head
    v_ptr += batch * v_batch + key_head * v_head
    o_ptr += batch * o_batch + head * o_head
    if bias_ptr is not None:
        bias_ptr += batch * bias_batch + head * bias_head
    if mask_ptr is not None:
        mask_ptr += batch * mask_batch + head * mask_head
    SLOPED: tl.constexpr = slopes_ptr is not None
    slope = 0.0
    if SLOPED:
        slope = tl.load(slopes_ptr + slope_row) * LOG2_E
    SCORED: tl.constexpr = bias_ptr is not None or mask_ptr is not None

    rows = first_query + tl.arange(0, BLOCK_M)
    q = load_rows(q_ptr, rows, q_row, q_column, queries, SIZE, 0, D0, True, INDEX, UPCAST)
    q_rest = q
    if D1 > 0:
        q_rest = load_rows(q_ptr, rows, q_row, q_column, queries, SIZE, D0, D1, True, INDEX, UPCAST)
    sums = tl.zeros((BLOCK_M, V0), tl.float32)
    more = tl.zeros((BLOCK_M, V1 if V1 > 0 else 16), tl.float32)
    total = tl.zeros((BLOCK_M,), tl.float32)
    top = tl.full((BLOCK_M,), -float("inf"), tl.float32)
    if sinks_ptr is not None:
        top = tl.zeros((BLOCK_M,), tl.float32) + tl.load(sinks_ptr + head).to(tl.float32) * LOG2_E
        total += 1.0

    last = tl.minimum(first_query + BLOCK_M, queries) - 1
    ragged = SCORED and first_query + BLOCK_M > queries
    begin, inner, outer, end = span(
        first_query, last, keys, keys - queries, left, right, ragged, LEFT, RIGHT, BLOCK_N
    )
    for phase in tl.static_range(3 if SPLIT else 1):
        start = begin if phase == 0 else inner if phase == 1 else outer
        stop = (inner if SPLIT else end) if phase == 0 else outer if phase == 1 else end
        if phase > 0 or LEFT or SCORED or not SPLIT:
            sums, more, total, top = _visit(
                sums, more, total, top, q, q_rest, k_ptr, v_ptr, start, stop, rows, queries, keys,
                k_row, k_column, v_row, v_column, scale, soft_cap, slope, left, right,
                bias_ptr, bias_row, bias_column, mask_ptr, mask_row, mask_column,
                seed, lse_row, first_query, threshold,
                SIZE, D0, D1, VALUE_SIZE, V0, V1, BLOCK_M, BLOCK_N, CAPPED, SLOPED, LEFT, RIGHT,
                DROPS, FOLDS, INDEX, PRECISION, EXACT, UPCAST, phase != 1,
            )  # fmt: skip

    factor = tl.div_rn(enlarge, tl.where(total > 0, total, 1.0))
    factor = tl.where(total > 0, factor, 0.0)[:, None]
    store_rows(o_ptr, sums * factor, rows, o_row, o_column, queries, VALUE_SIZE, 0, V0, INDEX)
    if V1 > 0:
        store_rows(o_ptr, more * factor, rows, o_row, o_column, queries, VALUE_SIZE, V0, V1, INDEX)
    lse = tl.where(total > 0, top * LN_2 + tl.log(total), -float("inf"))
    tl.store(lse_ptr + lse_row + rows, lse, mask=rows < queries)


def forward(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *features: Any,
    tile: shapes.Tile | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """Output and lse; every program is one tile of rows of one head."""
    f = Features(*features)
    output, lse = empty_output(query, value.shape[-1]), empty_lse(query)
    if f.packed:  # what no sequence covers
        output.zero_()
        lse.fill_(-torch.inf)
    if lse.numel() and output.numel():
        launch = launching.plan(_forward, "forward", (query, key, value, output), f, tile)
        launch(query, key, value, output, lse, *launching.pointers(f))
    return output, lse
