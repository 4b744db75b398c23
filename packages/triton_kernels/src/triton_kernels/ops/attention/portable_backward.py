"""Attention's gradients in Triton with plain pointers: three kernels, none with atomic additions.

One makes the gradients of a block of keys and values from all queries that see it, one those of a
block of queries from all keys it sees, one those of the bias; each makes the scores anew from the
saved lse (Dao 2023, arXiv:2307.08691, algorithm 2, split in two). That is seven products instead of
five, but no program waits for another and the bits are the same in every run.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
from typing import Any

import torch

from triton_kernels._compat import Launch, Layout, tl, triton
from triton_kernels.ops.attention import launching, shapes
from triton_kernels.ops.attention.features import Features, empty_like_dense, empty_lse
from triton_kernels.ops.attention.masking import LOG2_E, kept, scores
from triton_kernels.ops.attention.portable import load_rows, product, store_rows
from triton_kernels.ops.attention.scheduling import program_place, span


@triton.jit
def _delta(
    grad_ptr, grad_lse_ptr, output_ptr, delta_ptr, rows, heads, queries,
    grad_batch, grad_head, grad_row, grad_column,
    output_batch, output_head, output_row, output_column,
    lse_batch, lse_head, lse_row,
    SIZE: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    batch, head, query = row // queries // heads, row // queries % heads, row % queries
    columns = tl.arange(0, WIDTH)
    mask = (row < rows)[:, None] & (columns < SIZE)[None, :]
    grads = grad_ptr + (batch * grad_batch + head * grad_head + query * grad_row)[:, None]
    outputs = output_ptr + (batch * output_batch + head * output_head + query * output_row)[:, None]
    grad = tl.load(grads + columns[None, :] * grad_column, mask=mask, other=0.0)
    output = tl.load(outputs + columns[None, :] * output_column, mask=mask, other=0.0)
    delta = tl.sum(grad.to(tl.float32) * output.to(tl.float32), 1)
    if grad_lse_ptr is not None:
        places = grad_lse_ptr + batch * lse_batch + head * lse_head + query * lse_row
        delta -= tl.load(places, mask=row < rows, other=0.0).to(tl.float32)
    tl.store(delta_ptr + row, delta, mask=row < rows)


@triton.jit
def _lse_and_delta(lse_ptr, delta_ptr, rows, queries, CUT: tl.constexpr):
    """Of some rows, the lse for exp2; rows that saw nothing or do not exist get no weight."""
    if CUT:
        lse = tl.load(lse_ptr + rows, mask=rows < queries, other=-float("inf"))
        delta = tl.load(delta_ptr + rows, mask=rows < queries, other=0.0)
    else:
        lse = tl.load(lse_ptr + rows)
        delta = tl.load(delta_ptr + rows)
    return tl.where(lse == -float("inf"), float("inf"), lse * LOG2_E), delta


@triton.jit
def _weights_and_slopes(
    products, dp, lse, delta, rows, columns, queries, keys, scale, soft_cap, slope, left, right,
    bias_ptr, bias_row, bias_column, mask_ptr, mask_row, mask_column,
    seed, first_row, row, column, threshold, enlarge,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
    CAPPED: tl.constexpr, SLOPED: tl.constexpr, LEFT: tl.constexpr, RIGHT: tl.constexpr,
    DROPS: tl.constexpr, EXACT: tl.constexpr, CUT: tl.constexpr, TRANSPOSED: tl.constexpr,
):  # fmt: skip
    """Of a tile: the weights after dropout, dt, and dt through the cap."""
    t, bent = scores(
        products, rows, columns, queries, keys, scale, soft_cap, slope, left, right,
        bias_ptr, bias_row, bias_column, mask_ptr, mask_row, mask_column,
        CAPPED, SLOPED, LEFT, RIGHT, EXACT, CUT,
    )  # fmt: skip
    weights = tl.exp2(t - lse)
    dropped = weights
    if DROPS:
        keep = kept(seed, first_row, row, column, threshold, BLOCK_M, BLOCK_N, TRANSPOSED)
        dropped = tl.where(keep, weights * enlarge, 0.0)
        dp = tl.where(keep, dp * enlarge, 0.0)
    dt = weights * (dp - delta)
    ds = dt
    if CAPPED:
        # Where a score is masked its weight is 0, and 0 times the derivative, at most 1, stays 0.
        ds = dt * (1.0 - bent * bent)
    return dropped, dt, ds


@triton.jit
def _visit_rows(
    dk, dk_rest, dv, dv_rest, k, k_rest, v, v_rest, q_ptr, g_ptr, lse_ptr, delta_ptr, start, end,
    columns, first_key, queries, keys, q_row, q_column, g_row, g_column,
    scale, soft_cap, slope, left, right,
    bias_ptr, bias_row, bias_column, mask_ptr, mask_row, mask_column,
    seed, first_row, threshold, enlarge,
    SIZE: tl.constexpr, D0: tl.constexpr, D1: tl.constexpr, VALUE_SIZE: tl.constexpr,
    V0: tl.constexpr, V1: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
    CAPPED: tl.constexpr, SLOPED: tl.constexpr, LEFT: tl.constexpr, RIGHT: tl.constexpr,
    DROPS: tl.constexpr, INDEX: tl.constexpr, PRECISION: tl.constexpr, EXACT: tl.constexpr,
    UPCAST: tl.constexpr, CUT: tl.constexpr,
):  # fmt: skip
    """What the queries from start to end add to the gradients of a block of keys and values."""
    for row in range(start, end, BLOCK_M):
        rows = row + tl.arange(0, BLOCK_M)
        q = load_rows(q_ptr, rows, q_row, q_column, queries, SIZE, 0, D0, CUT, INDEX, UPCAST)
        g = load_rows(g_ptr, rows, g_row, g_column, queries, VALUE_SIZE, 0, V0, CUT, INDEX, UPCAST)
        products = product(k, tl.trans(q), None, PRECISION)
        dp = product(v, tl.trans(g), None, PRECISION)
        if D1 > 0:
            q_rest = load_rows(
                q_ptr, rows, q_row, q_column, queries, SIZE, D0, D1, CUT, INDEX, UPCAST
            )
            products = product(k_rest, tl.trans(q_rest), products, PRECISION)
        if V1 > 0:
            g_rest = load_rows(
                g_ptr, rows, g_row, g_column, queries, VALUE_SIZE, V0, V1, CUT, INDEX, UPCAST
            )
            dp = product(v_rest, tl.trans(g_rest), dp, PRECISION)
        lse, delta = _lse_and_delta(lse_ptr, delta_ptr, rows, queries, CUT)
        weights, _dt, ds = _weights_and_slopes(
            products, dp, lse[None, :], delta[None, :], rows[None, :], columns[:, None],
            queries, keys, scale, soft_cap, slope, left, right,
            bias_ptr, bias_row, bias_column, mask_ptr, mask_row, mask_column,
            seed, first_row, row, first_key, threshold, enlarge, BLOCK_M, BLOCK_N,
            CAPPED, SLOPED, LEFT, RIGHT, DROPS, EXACT, CUT, True,
        )  # fmt: skip
        p = weights.to(g_ptr.dtype.element_ty)
        d = ds.to(q_ptr.dtype.element_ty)
        if UPCAST:
            p = p.to(tl.float32)
            d = d.to(tl.float32)
        dv = product(p, g, dv, PRECISION)
        dk = product(d, q, dk, PRECISION)
        if V1 > 0:
            dv_rest = product(p, g_rest, dv_rest, PRECISION)
        if D1 > 0:
            dk_rest = product(d, q_rest, dk_rest, PRECISION)
    return dk, dk_rest, dv, dv_rest


@triton.jit
def _keys_backward(
    q_ptr, k_ptr, v_ptr, g_ptr, dk_ptr, dv_ptr, lse_ptr, delta_ptr,
    bias_ptr, sinks_ptr, mask_ptr, slopes_ptr, cu_q_ptr, cu_k_ptr,
    tiles, heads, group, queries, keys,
    q_batch, q_head, q_row, q_column, k_batch, k_head, k_row, k_column,
    v_batch, v_head, v_row, v_column, g_batch, g_head, g_row, g_column,
    dk_batch, dk_head, dk_row, dk_column, dv_batch, dv_head, dv_row, dv_column,
    bias_batch, bias_head, bias_row, bias_column, mask_batch, mask_head, mask_row, mask_column,
    slopes_batch, scale, soft_cap, plain_scale, left, right, seed, threshold, enlarge,
    SIZE: tl.constexpr, D0: tl.constexpr, D1: tl.constexpr, VALUE_SIZE: tl.constexpr,
    V0: tl.constexpr, V1: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
    CAPPED: tl.constexpr, LEFT: tl.constexpr, RIGHT: tl.constexpr, DROPS: tl.constexpr,
    FOLDS: tl.constexpr, INDEX: tl.constexpr, PRECISION: tl.constexpr, EXACT: tl.constexpr,
    UPCAST: tl.constexpr, SPLIT: tl.constexpr,
):  # fmt: skip
    # Early keys are seen by the most queries: the natural order is the longest first.
    tile, key_head, batch = program_place(tiles, heads // group, False)
    key_head = key_head.to(tl.int64)
    sequence = batch
    lse_rows = queries
    first_of_q = batch * 0
    if cu_q_ptr is not None:
        first_of_q = tl.load(cu_q_ptr + batch).to(tl.int64)
        first_of_k = tl.load(cu_k_ptr + batch).to(tl.int64)
        queries = tl.load(cu_q_ptr + batch + 1) - tl.load(cu_q_ptr + batch)
        keys = tl.load(cu_k_ptr + batch + 1) - tl.load(cu_k_ptr + batch)
        q_ptr += first_of_q * q_row
        g_ptr += first_of_q * g_row
        k_ptr += first_of_k * k_row
        v_ptr += first_of_k * v_row
        dk_ptr += first_of_k * dk_row
        dv_ptr += first_of_k * dv_row
        batch = batch * 0
    first_key = tile * BLOCK_N
    if first_key >= keys:
        return
    k_ptr += batch * k_batch + key_head * k_head
    v_ptr += batch * v_batch + key_head * v_head
    SLOPED: tl.constexpr = slopes_ptr is not None
    SCORED: tl.constexpr = bias_ptr is not None or mask_ptr is not None

    columns = first_key + tl.arange(0, BLOCK_N)
    k = load_rows(k_ptr, columns, k_row, k_column, keys, SIZE, 0, D0, True, INDEX, UPCAST)
    v = load_rows(v_ptr, columns, v_row, v_column, keys, VALUE_SIZE, 0, V0, True, INDEX, UPCAST)
    k_rest = k
    v_rest = v
    if D1 > 0:
        k_rest = load_rows(k_ptr, columns, k_row, k_column, keys, SIZE, D0, D1, True, INDEX, UPCAST)
    if V1 > 0:
        v_rest = load_rows(
            v_ptr, columns, v_row, v_column, keys, VALUE_SIZE, V0, V1, True, INDEX, UPCAST
        )
    dk = tl.zeros((BLOCK_N, D0), tl.float32)
    dv = tl.zeros((BLOCK_N, V0), tl.float32)
    dk_rest = tl.zeros((BLOCK_N, D1 if D1 > 0 else 16), tl.float32)
    dv_rest = tl.zeros((BLOCK_N, V1 if V1 > 0 else 16), tl.float32)

    last = tl.minimum(first_key + BLOCK_N, keys) - 1
    ragged = SCORED and first_key + BLOCK_N > keys
    begin, inner, outer, end = span(
        first_key, last, queries, queries - keys, right, left, ragged, RIGHT, LEFT, BLOCK_M
    )
    for member in range(group):
        head = key_head * group + member
        lse_row = (batch * heads + head) * lse_rows + first_of_q
        own_q = q_ptr + batch * q_batch + head * q_head
        own_g = g_ptr + batch * g_batch + head * g_head
        own_bias = bias_ptr
        own_mask = mask_ptr
        if bias_ptr is not None:
            own_bias = bias_ptr + batch * bias_batch + head * bias_head
        if mask_ptr is not None:
            own_mask = mask_ptr + batch * mask_batch + head * mask_head
        slope = 0.0
        if SLOPED:
            slope = tl.load(slopes_ptr + sequence * slopes_batch + head) * LOG2_E
        for phase in tl.static_range(3 if SPLIT else 1):
            start = begin if phase == 0 else inner if phase == 1 else outer
            stop = (inner if SPLIT else end) if phase == 0 else outer if phase == 1 else end
            if phase > 0 or RIGHT or SCORED or not SPLIT:
                dk, dk_rest, dv, dv_rest = _visit_rows(
                    dk, dk_rest, dv, dv_rest, k, k_rest, v, v_rest, own_q, own_g,
                    lse_ptr + lse_row, delta_ptr + lse_row, start, stop, columns, first_key,
                    queries, keys, q_row, q_column, g_row, g_column,
                    scale, soft_cap, slope, left, right,
                    own_bias, bias_row, bias_column, own_mask, mask_row, mask_column,
                    seed, lse_row, threshold, enlarge,
                    SIZE, D0, D1, VALUE_SIZE, V0, V1, BLOCK_M, BLOCK_N, CAPPED, SLOPED, LEFT,
                    RIGHT, DROPS, INDEX, PRECISION, EXACT, UPCAST, phase != 1,
                )  # fmt: skip

    dk_ptr += batch * dk_batch + key_head * dk_head
    dv_ptr += batch * dv_batch + key_head * dv_head
    dk *= plain_scale
    store_rows(dk_ptr, dk, columns, dk_row, dk_column, keys, SIZE, 0, D0, INDEX)
    store_rows(dv_ptr, dv, columns, dv_row, dv_column, keys, VALUE_SIZE, 0, V0, INDEX)
    if D1 > 0:
        dk_rest *= plain_scale
        store_rows(dk_ptr, dk_rest, columns, dk_row, dk_column, keys, SIZE, D0, D1, INDEX)
    if V1 > 0:
        store_rows(dv_ptr, dv_rest, columns, dv_row, dv_column, keys, VALUE_SIZE, V0, V1, INDEX)


@triton.jit
def _visit_keys(
    dq, dq_rest, q, q_rest, g, g_rest, lse, delta, k_ptr, v_ptr, start, end,
    rows, first_query, queries, keys, k_row, k_column, v_row, v_column,
    scale, soft_cap, slope, left, right,
    bias_ptr, bias_row, bias_column, mask_ptr, mask_row, mask_column,
    seed, first_row, threshold, enlarge,
    SIZE: tl.constexpr, D0: tl.constexpr, D1: tl.constexpr, VALUE_SIZE: tl.constexpr,
    V0: tl.constexpr, V1: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
    CAPPED: tl.constexpr, SLOPED: tl.constexpr, LEFT: tl.constexpr, RIGHT: tl.constexpr,
    DROPS: tl.constexpr, INDEX: tl.constexpr, PRECISION: tl.constexpr, EXACT: tl.constexpr,
    UPCAST: tl.constexpr, CUT: tl.constexpr,
):  # fmt: skip
    """What the keys from start to end add to the gradient of a block of queries."""
    for column in range(start, end, BLOCK_N):
        columns = column + tl.arange(0, BLOCK_N)
        k = load_rows(k_ptr, columns, k_row, k_column, keys, SIZE, 0, D0, CUT, INDEX, UPCAST)
        v = load_rows(v_ptr, columns, v_row, v_column, keys, VALUE_SIZE, 0, V0, CUT, INDEX, UPCAST)
        products = product(q, tl.trans(k), None, PRECISION)
        dp = product(g, tl.trans(v), None, PRECISION)
        if D1 > 0:
            k_rest = load_rows(
                k_ptr, columns, k_row, k_column, keys, SIZE, D0, D1, CUT, INDEX, UPCAST
            )
            products = product(q_rest, tl.trans(k_rest), products, PRECISION)
        if V1 > 0:
            v = load_rows(
                v_ptr, columns, v_row, v_column, keys, VALUE_SIZE, V0, V1, CUT, INDEX, UPCAST
            )
            dp = product(g_rest, tl.trans(v), dp, PRECISION)
        _weights, _dt, ds = _weights_and_slopes(
            products, dp, lse[:, None], delta[:, None], rows[:, None], columns[None, :],
            queries, keys, scale, soft_cap, slope, left, right,
            bias_ptr, bias_row, bias_column, mask_ptr, mask_row, mask_column,
            seed, first_row, first_query, column, threshold, enlarge, BLOCK_M, BLOCK_N,
            CAPPED, SLOPED, LEFT, RIGHT, DROPS, EXACT, CUT, False,
        )  # fmt: skip
        d = ds.to(k_ptr.dtype.element_ty)
        d = d.to(tl.float32) if UPCAST else d
        dq = product(d, k, dq, PRECISION)
        if D1 > 0:
            dq_rest = product(d, k_rest, dq_rest, PRECISION)
    return dq, dq_rest


@triton.jit
def _rows_backward(
    q_ptr, k_ptr, v_ptr, g_ptr, dq_ptr, lse_ptr, delta_ptr,
    bias_ptr, sinks_ptr, mask_ptr, slopes_ptr, cu_q_ptr, cu_k_ptr,
    tiles, heads, group, queries, keys,
    q_batch, q_head, q_row, q_column, k_batch, k_head, k_row, k_column,
    v_batch, v_head, v_row, v_column, g_batch, g_head, g_row, g_column,
    dq_batch, dq_head, dq_row, dq_column,
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
        g_ptr += first_of_q.to(tl.int64) * g_row
        dq_ptr += first_of_q.to(tl.int64) * dq_row
        k_ptr += first_of_k.to(tl.int64) * k_row
        v_ptr += first_of_k.to(tl.int64) * v_row
        batch = batch * 0
    first_query = tile * BLOCK_M
    if first_query >= queries:
        return
    key_head = (head // group).to(tl.int64)
    head = head.to(tl.int64)
    q_ptr += batch * q_batch + head * q_head
    g_ptr += batch * g_batch + head * g_head
    k_ptr += batch * k_batch + key_head * k_head
    v_ptr += batch * v_batch + key_head * v_head
    dq_ptr += batch * dq_batch + head * dq_head
    if bias_ptr is not None:
        bias_ptr += batch * bias_batch + head * bias_head
    if mask_ptr is not None:
        mask_ptr += batch * mask_batch + head * mask_head
    SLOPED: tl.constexpr = slopes_ptr is not None
    SCORED: tl.constexpr = bias_ptr is not None or mask_ptr is not None
    slope = 0.0
    if SLOPED:
        slope = tl.load(slopes_ptr + slope_row) * LOG2_E

    rows = first_query + tl.arange(0, BLOCK_M)
    q = load_rows(q_ptr, rows, q_row, q_column, queries, SIZE, 0, D0, True, INDEX, UPCAST)
    g = load_rows(g_ptr, rows, g_row, g_column, queries, VALUE_SIZE, 0, V0, True, INDEX, UPCAST)
    q_rest = q
    g_rest = g
    if D1 > 0:
        q_rest = load_rows(q_ptr, rows, q_row, q_column, queries, SIZE, D0, D1, True, INDEX, UPCAST)
    if V1 > 0:
        g_rest = load_rows(
            g_ptr, rows, g_row, g_column, queries, VALUE_SIZE, V0, V1, True, INDEX, UPCAST
        )
    lse, delta = _lse_and_delta(lse_ptr + lse_row, delta_ptr + lse_row, rows, queries, True)
    dq = tl.zeros((BLOCK_M, D0), tl.float32)
    dq_rest = tl.zeros((BLOCK_M, D1 if D1 > 0 else 16), tl.float32)

    last = tl.minimum(first_query + BLOCK_M, queries) - 1
    ragged = SCORED and first_query + BLOCK_M > queries
    begin, inner, outer, end = span(
        first_query, last, keys, keys - queries, left, right, ragged, LEFT, RIGHT, BLOCK_N
    )
    for phase in tl.static_range(3 if SPLIT else 1):
        start = begin if phase == 0 else inner if phase == 1 else outer
        stop = (inner if SPLIT else end) if phase == 0 else outer if phase == 1 else end
        if phase > 0 or LEFT or SCORED or not SPLIT:
            dq, dq_rest = _visit_keys(
                dq, dq_rest, q, q_rest, g, g_rest, lse, delta, k_ptr, v_ptr, start, stop,
                rows, first_query, queries, keys, k_row, k_column, v_row, v_column,
                scale, soft_cap, slope, left, right,
                bias_ptr, bias_row, bias_column, mask_ptr, mask_row, mask_column,
                seed, lse_row, threshold, enlarge,
                SIZE, D0, D1, VALUE_SIZE, V0, V1, BLOCK_M, BLOCK_N, CAPPED, SLOPED, LEFT, RIGHT,
                DROPS, INDEX, PRECISION, EXACT, UPCAST, phase != 1,
            )  # fmt: skip
    dq *= plain_scale
    store_rows(dq_ptr, dq, rows, dq_row, dq_column, queries, SIZE, 0, D0, INDEX)
    if D1 > 0:
        dq_rest *= plain_scale
        store_rows(dq_ptr, dq_rest, rows, dq_row, dq_column, queries, SIZE, D0, D1, INDEX)


@triton.jit
def _bias_backward(
    q_ptr, k_ptr, v_ptr, g_ptr, db_ptr, lse_ptr, delta_ptr,
    bias_ptr, sinks_ptr, mask_ptr, slopes_ptr, cu_q_ptr, cu_k_ptr, batches, db_batches, db_heads,
    tiles, heads, group, queries, keys,
    q_batch, q_head, q_row, q_column, k_batch, k_head, k_row, k_column,
    v_batch, v_head, v_row, v_column, g_batch, g_head, g_row, g_column,
    db_batch, db_head, db_row, db_column,
    bias_batch, bias_head, bias_row, bias_column, mask_batch, mask_head, mask_row, mask_column,
    slopes_batch, scale, soft_cap, plain_scale, left, right, seed, threshold, enlarge,
    SIZE: tl.constexpr, D0: tl.constexpr, D1: tl.constexpr, VALUE_SIZE: tl.constexpr,
    V0: tl.constexpr, V1: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
    CAPPED: tl.constexpr, LEFT: tl.constexpr, RIGHT: tl.constexpr, DROPS: tl.constexpr,
    FOLDS: tl.constexpr, INDEX: tl.constexpr, PRECISION: tl.constexpr, EXACT: tl.constexpr,
    UPCAST: tl.constexpr, SPLIT: tl.constexpr,
):  # fmt: skip
    """A tile of dt, summed over the batches and heads that share the bias."""
    tile, column, place = program_place(tiles, tl.cdiv(keys, BLOCK_N), False)
    own_head = place % db_heads
    own_batch = place // db_heads
    SLOPED: tl.constexpr = slopes_ptr is not None
    rows = tile * BLOCK_M + tl.arange(0, BLOCK_M)
    columns = column * BLOCK_N + tl.arange(0, BLOCK_N)
    sums = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    batch_step = tl.where(db_batches == batches, batches, 1)
    head_step = tl.where(db_heads == heads, heads, 1)
    for batch in range(own_batch, batches, batch_step):
        for head in range(own_head, heads, head_step):
            key_head = head // group
            lse_row = (batch * heads + head) * queries
            own_q = q_ptr + batch * q_batch + head * q_head
            own_g = g_ptr + batch * g_batch + head * g_head
            own_k = k_ptr + batch * k_batch + key_head * k_head
            own_v = v_ptr + batch * v_batch + key_head * v_head
            own_bias = bias_ptr + batch * bias_batch + head * bias_head
            own_mask = mask_ptr
            if mask_ptr is not None:
                own_mask = mask_ptr + batch * mask_batch + head * mask_head
            slope = 0.0
            if SLOPED:
                slope = tl.load(slopes_ptr + batch * slopes_batch + head) * LOG2_E
            q = load_rows(own_q, rows, q_row, q_column, queries, SIZE, 0, D0, True, INDEX, UPCAST)
            k = load_rows(own_k, columns, k_row, k_column, keys, SIZE, 0, D0, True, INDEX, UPCAST)
            products = product(q, tl.trans(k), None, PRECISION)
            if D1 > 0:
                q = load_rows(
                    own_q, rows, q_row, q_column, queries, SIZE, D0, D1, True, INDEX, UPCAST
                )
                k = load_rows(
                    own_k, columns, k_row, k_column, keys, SIZE, D0, D1, True, INDEX, UPCAST
                )
                products = product(q, tl.trans(k), products, PRECISION)
            g = load_rows(
                own_g, rows, g_row, g_column, queries, VALUE_SIZE, 0, V0, True, INDEX, UPCAST
            )
            v = load_rows(
                own_v, columns, v_row, v_column, keys, VALUE_SIZE, 0, V0, True, INDEX, UPCAST
            )
            dp = product(g, tl.trans(v), None, PRECISION)
            if V1 > 0:
                g = load_rows(
                    own_g, rows, g_row, g_column, queries, VALUE_SIZE, V0, V1, True, INDEX, UPCAST
                )
                v = load_rows(
                    own_v, columns, v_row, v_column, keys, VALUE_SIZE, V0, V1, True, INDEX, UPCAST
                )
                dp = product(g, tl.trans(v), dp, PRECISION)
            lse, delta = _lse_and_delta(lse_ptr + lse_row, delta_ptr + lse_row, rows, queries, True)
            _weights, dt, _ds = _weights_and_slopes(
                products, dp, lse[:, None], delta[:, None], rows[:, None], columns[None, :],
                queries, keys, scale, soft_cap, slope, left, right,
                own_bias, bias_row, bias_column, own_mask, mask_row, mask_column,
                seed, lse_row, tile * BLOCK_M, column * BLOCK_N, threshold, enlarge,
                BLOCK_M, BLOCK_N, CAPPED, SLOPED, LEFT, RIGHT, DROPS, EXACT, True, False,
            )  # fmt: skip
            sums += dt
    ptrs = db_ptr + own_batch * db_batch + own_head * db_head
    ptrs = ptrs + rows[:, None].to(tl.int64) * db_row + columns[None, :].to(tl.int64) * db_column
    exist = (rows < queries)[:, None] & (columns < keys)[None, :]
    tl.store(ptrs, sums.to(db_ptr.dtype.element_ty), mask=exist)


@functools.lru_cache(maxsize=4096)
def _delta_plan(grad: Layout, grad_lse: Layout | None, output: Layout) -> Launch:
    """The launch of ``_delta``."""
    rows, size = output.shape[:3].numel(), output.shape[3]
    width = max(16, 1 << (size - 1).bit_length())
    block = max(1, min(4096 // width, 1 << (rows - 1).bit_length()))
    lse_strides = (0, 0, 0) if grad_lse is None else grad_lse.strides
    return Launch(
        _delta, triton.cdiv(rows, block),
        (rows, *output.shape[1:3], *grad.strides, *output.strides, *lse_strides),
        {"SIZE": size, "WIDTH": width, "BLOCK": block}, {"num_warps": 4},
    )  # fmt: skip


def delta(grad: torch.Tensor, grad_lse: torch.Tensor | None, output: torch.Tensor) -> torch.Tensor:
    """Σ grad·output - grad_lse a row."""
    result = empty_lse(output)
    if result.numel():
        of_lse = None if grad_lse is None else Layout.of(grad_lse)
        launch = _delta_plan(Layout.of(grad), of_lse, Layout.of(output))
        launch(grad, grad_lse, output, result)
    return result


def backward(
    grad: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    lse: torch.Tensor, delta: torch.Tensor, *features: Any,
    tiles: tuple[shapes.Tile | None, shapes.Tile | None] = (None, None),
) -> tuple[torch.Tensor, ...]:  # fmt: skip
    """Gradients of query, key and value."""
    f = Features(*features)
    dq, dk, dv = map(empty_like_dense, (query, key, value))
    if f.packed or not (query.numel() and key.numel()):  # what no sequence covers, or no one sees
        for x in (dq, dk, dv):
            x.zero_()
    if query.numel() and key.numel():
        beside = launching.pointers(f)
        tensors = (query, key, value, grad, dk, dv)
        launch = launching.plan(_keys_backward, "keys", tensors, f, tiles[0])
        launch(*tensors, lse, delta, *beside)
        rows = (query, key, value, grad, dq)
        launch = launching.plan(_rows_backward, "rows", rows, f, tiles[1])
        launch(*rows, lse, delta, *beside)
    return dq, dk, dv


def bias_backward(
    grad: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    lse: torch.Tensor, delta: torch.Tensor, *features: Any,
) -> torch.Tensor:  # fmt: skip
    """The bias's gradient; one that is broadcast over rows or columns is summed at the end."""
    f = Features(*features)
    assert f.bias is not None
    shape = (*f.bias.shape[:2], query.shape[2], key.shape[2])
    whole = shape == f.bias.shape
    dtype = f.bias.dtype if whole else torch.float32
    gradient = torch.empty(shape, dtype=dtype, device=query.device)
    if query.numel() and key.numel():
        tensors = (query, key, value, grad, gradient)
        launch = launching.plan(_bias_backward, "bias", tensors, f, None)
        launch(*tensors, lse, delta, *launching.pointers(f))
    else:
        gradient.zero_()
    return gradient if whole else gradient.sum_to_size(f.bias.shape).to(f.bias.dtype)


def backward_with_bias(grad: torch.Tensor, *inputs: Any) -> tuple[torch.Tensor, ...]:
    """The gradients of query, key, value and bias."""
    return *backward(grad, *inputs), bias_backward(grad, *inputs)
