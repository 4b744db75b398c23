"""Masked softmax and log_softmax in Triton, for any GPU and the interpreter.

A program takes rows of the last dimension, seen as (outer, middle, queries, columns); a mask is
seen so too, with stride 0 where it is repeated. While a row fits, it is read once; longer rows are
read twice, in chunks: first for the running maximum and sum (Milakov and Gimelshein 2018,
arXiv:1805.02867), then to write. What a causal mask leaves out is never read.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import torch

from triton_kernels import _compat
from triton_kernels._compat import cdiv, dense_like, launch, tl, triton
from triton_kernels.ops.masked_softmax import shapes
from triton_kernels.ops.masked_softmax.reference import mask_gradient
from triton_kernels.ops.softmax import portable as unmasked
from triton_kernels.ops.special import exp


@triton.jit
def _row_offsets(rows, n_middle, n_queries, outer, middle, query):
    """Where rows begin, given the strides of the three dimensions before the last."""
    at = (rows // (n_middle * n_queries)) * outer
    return at + (rows // n_queries % n_middle) * middle + (rows % n_queries) * query


@triton.jit
def _ends(rows, n_queries, n_columns, CAUSAL: tl.constexpr):
    """Columns that each row may read: the last query sees all, the one before it one less."""
    ends = rows * 0 + n_columns
    if CAUSAL:
        ends = tl.minimum(ends, tl.maximum(rows % n_queries + 1 + n_columns - n_queries, 0))
    return ends


@triton.jit
def _readable(columns, ends, n_columns, in_rows, CAUSAL: tl.constexpr):
    """Columns to read: those a row sees, and to the end of 16, so that a thread reads 16 bytes
    at a time; a limit of any size made it read one number."""
    readable = in_rows & (columns < n_columns)
    if CAUSAL:
        readable = readable & (columns < (ends + 15) // 16 * 16)
    return readable


@triton.jit
def _scores(
    x_rows, mask_rows, columns, inside, ends, mask_column,
    BOOLEAN: tl.constexpr, CAUSAL: tl.constexpr,
):  # fmt: skip
    """A tile of x under its mask, -inf where it takes no part."""
    x = tl.load(x_rows + columns, mask=inside, other=-float("inf")).to(tl.float32)
    if mask_rows is not None:
        mask = tl.load(mask_rows + columns * mask_column, mask=inside, other=0)
        if BOOLEAN:
            x = tl.where(mask != 0, x, -float("inf"))
        else:
            x += mask.to(tl.float32)
    if CAUSAL:
        x = tl.where(columns < ends, x, -float("inf"))
    return x


@triton.jit
def _result(x, shift, total, LOG: tl.constexpr):
    """Softmax of scores, given their maximum and sum; zeros where nothing takes part."""
    if LOG:
        return tl.where(x == -float("inf"), x, x - shift - tl.log(total))
    else:
        return exp(x - shift) * tl.where(total == 0, 0.0, 1.0 / total)


@triton.jit
def _forward(
    x_ptr, mask_ptr, y_ptr, n_rows, n_columns, n_middle, n_queries,
    x_outer, x_middle, x_query, mask_outer, mask_middle, mask_query, mask_column,
    CAUSAL: tl.constexpr, LOG: tl.constexpr, BOOLEAN: tl.constexpr, ONE_PASS: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    in_rows = rows < n_rows
    ends = _ends(rows, n_queries, n_columns, CAUSAL)
    x_rows = x_ptr + _row_offsets(rows, n_middle, n_queries, x_outer, x_middle, x_query)
    mask_rows = mask_ptr
    if mask_ptr is not None:
        mask_rows += _row_offsets(
            rows, n_middle, n_queries, mask_outer, mask_middle, mask_query
        )  # fmt: skip
    y_rows = y_ptr + rows * n_columns
    if ONE_PASS:
        columns = tl.arange(0, COLUMNS)[None, :]
        inside = _readable(columns, ends, n_columns, in_rows, CAUSAL)
        x = _scores(x_rows, mask_rows, columns, inside, ends, mask_column, BOOLEAN, CAUSAL)
        maximum = tl.max(x, axis=1, keep_dims=True)
        # Where all is -inf the difference would be NaN: subtract 0 instead.
        shift = tl.where(maximum == -float("inf"), 0.0, maximum)
        total = tl.sum(exp(x - shift), axis=1, keep_dims=True)
        y = _result(x, shift, total, LOG)
        tl.store(
            y_rows + columns, y, mask=in_rows & (columns < n_columns), cache_modifier=".cs"
        )  # fmt: skip
    else:
        # A maximum and a sum for every lane: no exchange between threads until the row is read.
        maxima = tl.full((ROWS, COLUMNS), -float("inf"), tl.float32)
        sums = tl.zeros((ROWS, COLUMNS), tl.float32)
        last = tl.max(tl.max(ends, axis=1), axis=0).to(tl.int32)
        for start in tl.range(0, last, COLUMNS):
            columns = start + tl.arange(0, COLUMNS)[None, :]
            inside = _readable(columns, ends, n_columns, in_rows, CAUSAL)
            x = _scores(x_rows, mask_rows, columns, inside, ends, mask_column, BOOLEAN, CAUSAL)
            new_maxima = tl.maximum(maxima, x)
            shift = tl.where(new_maxima == -float("inf"), 0.0, new_maxima)
            sums = sums * exp(maxima - shift) + exp(x - shift)
            maxima = new_maxima
        maximum = tl.max(maxima, axis=1, keep_dims=True)
        shift = tl.where(maximum == -float("inf"), 0.0, maximum)
        total = tl.sum(sums * exp(maxima - shift), axis=1, keep_dims=True)
        # Backwards: what was read last is surest to be in the cache.
        chunks = tl.cdiv(n_columns, COLUMNS)
        for chunk in tl.range(0, chunks):
            columns = (chunks - 1 - chunk) * COLUMNS + tl.arange(0, COLUMNS)[None, :]
            inside = _readable(columns, ends, n_columns, in_rows, CAUSAL)
            x = _scores(x_rows, mask_rows, columns, inside, ends, mask_column, BOOLEAN, CAUSAL)
            y = _result(x, shift, total, LOG)
            tl.store(y_rows + columns, y, mask=in_rows & (columns < n_columns))


@triton.jit
def _products(dy, y, LOG: tl.constexpr):
    """What is summed over a row, and the weight of that sum in dx; masked elements have no part."""
    y = y.to(tl.float32)
    dy = dy.to(tl.float32)
    if LOG:
        weight = exp(y)
        dy = tl.where(y == -float("inf"), 0.0, dy)
        return dy, dy, weight
    else:
        dy = tl.where(y == 0, 0.0, dy)
        return y * dy, y * dy, y


@triton.jit
def _backward(
    dy_ptr, y_ptr, dx_ptr, n_rows, n_columns, n_middle, n_queries, dy_outer, dy_middle, dy_query,
    CAUSAL: tl.constexpr, LOG: tl.constexpr, ONE_PASS: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    in_rows = rows < n_rows
    ends = _ends(rows, n_queries, n_columns, CAUSAL)
    dy_rows = dy_ptr + _row_offsets(rows, n_middle, n_queries, dy_outer, dy_middle, dy_query)
    y_rows = y_ptr + rows * n_columns
    dx_rows = dx_ptr + rows * n_columns
    nothing = -float("inf") if LOG else 0.0
    if ONE_PASS:
        columns = tl.arange(0, COLUMNS)[None, :]
        inside = _readable(columns, ends, n_columns, in_rows, CAUSAL)
        y = tl.load(y_rows + columns, mask=inside, other=nothing)
        dy = tl.load(dy_rows + columns, mask=inside, other=0.0)
        summed, along, weight = _products(dy, y, LOG)
        dx = along - weight * tl.sum(summed, axis=1, keep_dims=True)
        tl.store(
            dx_rows + columns, dx, mask=in_rows & (columns < n_columns), cache_modifier=".cs"
        )  # fmt: skip
    else:
        sums = tl.zeros((ROWS, COLUMNS), tl.float32)
        last = tl.max(tl.max(ends, axis=1), axis=0).to(tl.int32)
        for start in tl.range(0, last, COLUMNS):
            columns = start + tl.arange(0, COLUMNS)[None, :]
            inside = _readable(columns, ends, n_columns, in_rows, CAUSAL)
            y = tl.load(y_rows + columns, mask=inside, other=nothing)
            dy = tl.load(dy_rows + columns, mask=inside, other=0.0)
            summed, along, weight = _products(dy, y, LOG)
            sums += summed
        total = tl.sum(sums, axis=1, keep_dims=True)
        chunks = tl.cdiv(n_columns, COLUMNS)
        for chunk in tl.range(0, chunks):
            columns = (chunks - 1 - chunk) * COLUMNS + tl.arange(0, COLUMNS)[None, :]
            inside = _readable(columns, ends, n_columns, in_rows, CAUSAL)
            y = tl.load(y_rows + columns, mask=inside, other=nothing)
            dy = tl.load(dy_rows + columns, mask=inside, other=0.0)
            summed, along, weight = _products(dy, y, LOG)
            dx = along - weight * total
            tl.store(dx_rows + columns, dx, mask=in_rows & (columns < n_columns))


def _as_rows(x: torch.Tensor) -> torch.Tensor:
    """(outer, middle, queries, columns); a copy only where the strides forbid that view."""
    if x.dim() > 4:
        return x.reshape(-1, *x.shape[-3:])
    return x[(None,) * (4 - x.dim())]


def _with_rows(x: torch.Tensor) -> torch.Tensor:
    """As rows of neighbouring columns."""
    return _as_rows(x if x.stride(-1) == 1 or x.shape[-1] == 1 else x.contiguous())


def softmax(x: torch.Tensor, mask: torch.Tensor | None, causal: bool, log: bool) -> torch.Tensor:
    """Softmax of x under its mask along the last dimension, or its logarithm."""
    if log and mask is None and not causal:
        return unmasked.softmax(x, x.dim() - 1, log=True)
    y = dense_like(x)
    if not y.numel():
        return y
    scores = _with_rows(x)
    masks = None if mask is None else _as_rows(mask.expand(x.shape))
    boolean = mask is not None and mask.dtype is torch.bool
    if masks is not None and boolean:
        masks = masks.view(torch.uint8)
    *_, middle, queries, columns = scores.shape
    n_rows = y.numel() // columns
    tile = shapes.tile_for(columns, x.dtype, _compat.device_of(x.device), causal)
    launch(
        _forward, (cdiv(n_rows, tile.rows),), (scores, masks, y),
        (
            n_rows, columns, middle, queries, *scores.stride()[:3],
            *((0,) * 4 if masks is None else masks.stride()),
        ),
        CAUSAL=causal, LOG=log, BOOLEAN=boolean, ONE_PASS=columns <= tile.columns,
        ROWS=tile.rows, COLUMNS=tile.columns, num_warps=tile.warps,
    )  # fmt: skip
    return y


def softmax_backward(
    grad: torch.Tensor, y: torch.Tensor, mask: torch.Tensor | None, causal: bool, log: bool,
    mask_wanted: bool,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """dx, which reads y and dy once while a row fits, and the additive mask's gradient."""
    dx = dense_like(y)
    if dx.numel():
        y, dy = y.contiguous(), _with_rows(grad)
        *_, middle, queries, columns = dy.shape
        n_rows = y.numel() // columns
        tile = shapes.tile_for(columns, y.dtype, _compat.device_of(y.device), causal)
        launch(
            _backward, (cdiv(n_rows, tile.rows),), (dy, y, dx),
            (n_rows, columns, middle, queries, *dy.stride()[:3]),
            CAUSAL=causal, LOG=log, ONE_PASS=columns <= tile.columns,
            ROWS=tile.rows, COLUMNS=tile.columns, num_warps=tile.warps,
        )  # fmt: skip
    return dx, mask_gradient(dx, mask if mask_wanted else None)
