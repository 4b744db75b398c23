"""Decoding in Triton: a few queries over a long cache, whose keys several programs share.

All query heads that read one key head are rows of one tile, so the cache is read once. A program
takes a share of the keys and leaves its sums and lse; a second kernel merges the shares (Dao et al.
2023, Flash-Decoding). With a latent cache (multi-head latent attention, absorbed: DeepSeek-V2,
arXiv:2405.04434, section 2.1.2) the values are the first columns of the keys, read once for both.
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
from triton_kernels.ops.attention import shapes
from triton_kernels.ops.attention.features import UNBOUNDED
from triton_kernels.ops.attention.masking import LN_2, LOG2_E
from triton_kernels.ops.attention.portable import dot
from triton_kernels.ops.special import tanh

_LOG2_E = 1.4426950408889634
_MOST_MERGED = (64, 256)
"""Shares merged at a time, of many rows and of few: their loads are on their way together."""
_WIDTHS = (128, 32)
"""Columns of a merging program, of many rows and of few, which must still occupy the GPU."""


@triton.jit
def _load_part(
    ptrs, seen, SIZE: tl.constexpr, FIRST: tl.constexpr, WIDTH: tl.constexpr, UPCAST: tl.constexpr
):
    if FIRST + WIDTH > SIZE:
        columns = FIRST + tl.arange(0, WIDTH)
        x = tl.load(ptrs, mask=seen[:, None] & (columns < SIZE)[None, :], other=0.0)
    else:
        x = tl.load(ptrs, mask=seen[:, None], other=0.0)
    return x.to(tl.float32) if UPCAST else x


@triton.jit
def _share(
    q_ptr, k_ptr, v_ptr, o_ptr, lse_ptr, lengths_ptr, table_ptr, sinks_ptr,
    key_heads, group, tokens, page, capacity, row_tiles, splits,
    q_batch, q_head, q_token, q_column, k_page, k_head, k_row, k_column,
    v_page, v_head, v_row, v_column, table_batch, scale, soft_cap, left,
    SIZE: tl.constexpr, D0: tl.constexpr, D1: tl.constexpr, VALUE_SIZE: tl.constexpr,
    V0: tl.constexpr, V1: tl.constexpr, LATENT: tl.constexpr, ROWS: tl.constexpr,
    KEYS: tl.constexpr, CAPPED: tl.constexpr, LEFT: tl.constexpr, SINGLE: tl.constexpr,
    PRECISION: tl.constexpr, EXACT: tl.constexpr, UPCAST: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    if EARLY:  # the kernel that merges may start, and wait for the shares
        tl.extra.cuda.gdc_launch_dependents()
    split = tl.program_id(0) % splits
    tile = tl.program_id(0) // splits % row_tiles
    key_head = (tl.program_id(0) // splits // row_tiles % key_heads).to(tl.int64)
    batch = (tl.program_id(0) // splits // row_tiles // key_heads).to(tl.int64)
    length = capacity
    if lengths_ptr is not None:
        length = tl.load(lengths_ptr + batch)

    rows = tile * ROWS + tl.arange(0, ROWS)
    head = key_head * group + rows // tokens
    token = rows % tokens
    exist = rows < group * tokens
    q_ptrs = q_ptr + batch * q_batch + (head * q_head + token * q_token)[:, None]
    first = tl.arange(0, D0)
    q = tl.load(q_ptrs + first * q_column, mask=exist[:, None] & (first < SIZE)[None, :], other=0.0)
    rest = D0 + tl.arange(0, D1 if D1 > 0 else 16)
    q_rest = q
    if D1 > 0:
        mask = exist[:, None] & (rest < SIZE)[None, :]
        q_rest = tl.load(q_ptrs + rest * q_column, mask=mask, other=0.0)
    if UPCAST:
        q = q.to(tl.float32)
        q_rest = q_rest.to(tl.float32)

    position = length - tokens + token
    begin = length * 0
    if LEFT:
        begin = tl.maximum(length - tokens - left, 0)
    share = tl.cdiv(tl.cdiv(length - begin, splits), KEYS) * KEYS
    start = begin + split * share
    stop = tl.minimum(start + share, length)

    sums = tl.zeros((ROWS, V0), tl.float32)
    more = tl.zeros((ROWS, V1 if V1 > 0 else 16), tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    top = tl.full((ROWS,), -float("inf"), tl.float32)
    if SINGLE and sinks_ptr is not None:
        sinks = tl.load(sinks_ptr + head, mask=exist, other=0.0)
        top = sinks.to(tl.float32) * LOG2_E
        total += 1.0
    values = tl.arange(0, V0)
    values_rest = V0 + tl.arange(0, V1 if V1 > 0 else 16)
    for column in range(start, stop, KEYS):
        columns = column + tl.arange(0, KEYS)
        there = columns < stop
        if table_ptr is not None:
            pages = tl.load(table_ptr + batch * table_batch + columns // page, mask=there, other=0)
            place = columns % page
            k_rows = k_ptr + pages.to(tl.int64) * k_page + place * k_row
            v_rows = v_ptr + pages.to(tl.int64) * v_page + place * v_row
        else:
            k_rows = k_ptr + batch * k_page + columns.to(tl.int64) * k_row
            v_rows = v_ptr + batch * v_page + columns.to(tl.int64) * v_row
        k_rows += key_head * k_head
        v_rows += key_head * v_head
        k = _load_part(k_rows[:, None] + first * k_column, there, SIZE, 0, D0, UPCAST)
        products = dot(q, tl.trans(k), tl.zeros((q.shape[0], KEYS), tl.float32), EXACT, PRECISION)
        if D1 > 0:
            k_rest = _load_part(k_rows[:, None] + rest * k_column, there, SIZE, D0, D1, UPCAST)
            products = dot(q_rest, tl.trans(k_rest), products, EXACT, PRECISION)
        t = products * scale
        if CAPPED:
            t = tanh(t, EXACT) * soft_cap
        seen = there[None, :] & (columns[None, :] <= position[:, None])
        if LEFT:
            seen &= columns[None, :] >= position[:, None] - left
        t = tl.where(seen, t, -float("inf"))
        new_top = tl.maximum(top, tl.max(t, 1))
        base = tl.where(new_top == -float("inf"), 0.0, new_top)
        weights = tl.exp2(t - base[:, None])
        fade = tl.exp2(top - base)
        total = total * fade + tl.sum(weights, 1)
        top = new_top
        p = weights.to(k_ptr.dtype.element_ty)
        p = p.to(tl.float32) if UPCAST else p
        if LATENT:
            v = k
        else:
            v = _load_part(v_rows[:, None] + values * v_column, there, VALUE_SIZE, 0, V0, UPCAST)
        sums = dot(p, v, sums * fade[:, None], EXACT, PRECISION)
        if V1 > 0:
            v = _load_part(
                v_rows[:, None] + values_rest * v_column, there, VALUE_SIZE, V0, V1, UPCAST
            )
            more = dot(p, v, more * fade[:, None], EXACT, PRECISION)

    some = tl.where(total > 0, 1.0, 0.0)
    factor = tl.div_rn(some, tl.where(total > 0, total, 1.0))[:, None]
    lse = tl.where(total > 0, top * LN_2 + tl.log(tl.where(total > 0, total, 1.0)), -float("inf"))
    # (splits, batch, head, token): one after another.
    batches = tl.num_programs(0) // splits // row_tiles // key_heads
    number = ((split * batches + batch) * key_heads * group + head) * tokens + token
    tl.store(lse_ptr + number, lse, mask=exist)
    o_ptrs = o_ptr + number[:, None] * VALUE_SIZE
    o = (sums * factor).to(o_ptr.dtype.element_ty)
    tl.store(o_ptrs + values, o, mask=exist[:, None] & (values < VALUE_SIZE)[None, :])
    if V1 > 0:
        o = (more * factor).to(o_ptr.dtype.element_ty)
        mask = exist[:, None] & (values_rest < VALUE_SIZE)[None, :]
        tl.store(o_ptrs + values_rest, o, mask=mask)


@triton.jit
def _merge(
    shares_ptr, lses_ptr, sinks_ptr, o_ptr, lse_ptr, splits, numbers, heads, tokens,
    VALUE_SIZE: tl.constexpr, WIDTH: tl.constexpr, MERGED: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    """Some columns of one row: the shares weighted by exp of their lse, beside the sink."""
    if EARLY:  # the kernel behind may start too, and wait for this one
        tl.extra.cuda.gdc_launch_dependents()
        tl.extra.cuda.gdc_wait()
    parts = tl.cdiv(VALUE_SIZE, WIDTH)
    number = (tl.program_id(0) // parts).to(tl.int64)
    columns = tl.program_id(0) % parts * WIDTH + tl.arange(0, WIDTH)
    total = tl.zeros((1,), tl.float32)
    top = tl.full((1,), -float("inf"), tl.float32)
    if sinks_ptr is not None:
        sink = tl.load(sinks_ptr + number // tokens % heads).to(tl.float32)
        top = tl.full((1,), 0.0, tl.float32) + sink
        total += 1.0
    sums = tl.zeros((WIDTH,), tl.float32)
    for start in range(0, splits, MERGED):
        split = start + tl.arange(0, MERGED)
        places = split.to(tl.int64) * numbers + number
        # Both are asked for before either is needed: one wait for the memory, not two.
        lse = tl.load(lses_ptr + places, mask=split < splits, other=-float("inf"))
        mask = (split < splits)[:, None] & (columns < VALUE_SIZE)[None, :]
        ptrs = shares_ptr + places[:, None] * VALUE_SIZE + columns[None, :]
        shares = tl.load(ptrs, mask=mask, other=0.0)
        new_top = tl.maximum(top, tl.max(lse, 0))
        base = tl.where(new_top == -float("inf"), 0.0, new_top)
        weights = tl.exp2((lse - base) * LOG2_E)
        fade = tl.exp2((top - base) * LOG2_E)
        weighted = shares * weights[:, None]
        if MERGED <= 4:  # else threads fuse each its own product with their first exchange
            weighted = tl.where(mask, weighted, 0.0)
        sums = sums * fade + tl.sum(weighted, 0)
        total = total * fade + tl.sum(weights, 0)
        top = new_top
    sums = tl.where(total > 0, sums / tl.where(total > 0, total, 1.0), 0.0)
    o_ptrs = o_ptr + number * VALUE_SIZE + columns
    tl.store(o_ptrs, sums.to(o_ptr.dtype.element_ty), mask=columns < VALUE_SIZE)
    lse = tl.where(total > 0, top + tl.log(tl.where(total > 0, total, 1.0)), -float("inf"))
    tl.store(lse_ptr + number + tl.arange(0, 1), lse)


@functools.lru_cache(maxsize=4096)
def _share_plan(
    query: Layout, keys: Layout, values: Layout | None, beside: tuple[Layout | None, ...],
    shares: Layout, scale: float, soft_cap: float, left: int, tile: shapes.DecodeTile,
) -> Launch:  # fmt: skip
    """The launch that makes the shares; ``beside`` are lengths, page table and sinks."""
    batch, heads, tokens, size = query.shape
    key_heads, page = keys.shape[1:3]
    table = beside[1]
    capacity = page if table is None else page * table.shape[1]
    group, value_size = heads // key_heads, shares.shape[-1]
    row_tiles = triton.cdiv(group * tokens, tile.rows)
    d0, d1 = shapes.latent_parts(size, value_size) if values is None else shapes.parts(size)
    v0, v1 = (d0, 0) if values is None else shapes.parts(value_size)
    factors = (scale * _LOG2_E, 0.0)
    if soft_cap:
        factors = (scale / soft_cap, soft_cap * _LOG2_E)
    return Launch(
        _share, batch * key_heads * row_tiles * tile.splits,
        (
            key_heads, group, tokens, page, capacity, row_tiles, tile.splits,
            *query.strides, *keys.strides, *(keys if values is None else values).strides,
            0 if table is None else table.strides[0], *factors, left,
        ),
        {
            "SIZE": size, "D0": d0, "D1": d1, "VALUE_SIZE": value_size, "V0": v0, "V1": v1,
            "LATENT": values is None, "ROWS": tile.rows, "KEYS": tile.keys,
            "CAPPED": soft_cap > 0, "LEFT": left != UNBOUNDED, "SINGLE": tile.splits == 1,
            "PRECISION": "ieee", "EXACT": query.dtype is torch.float32,
            "UPCAST": _compat.upcasts_dot(query.dtype),
            "EARLY": tile.splits > 1 and _compat.starts_early(_compat.device_of(query.device)),
        },
        {"num_warps": tile.warps, "num_stages": tile.stages},
    )  # fmt: skip


@functools.lru_cache(maxsize=4096)
def _merge_plan(shares: Layout, output: Layout, sinks: Layout | None) -> Launch:
    """The launch that merges them."""
    _batch, heads, tokens, value_size = output.shape
    device = _compat.device_of(output.device)
    rows, early = output.shape[:3].numel(), _compat.starts_early(device)
    few = rows * triton.cdiv(value_size, _WIDTHS[0]) < 4 * device.processors
    width = min(_WIDTHS[few], shapes.parts(value_size)[0])
    merged = min(_MOST_MERGED[few], triton.next_power_of_2(shares.shape[0]))
    warps = 1 if few and merged <= _MOST_MERGED[0] else 4  # one adds without waiting for others
    return Launch(
        _merge, rows * triton.cdiv(value_size, width), (shares.shape[0], rows, heads, tokens),
        {"VALUE_SIZE": value_size, "WIDTH": width, "MERGED": merged, "EARLY": early},
        {"num_warps": warps, **({"launch_pdl": True} if early else {})},
    )  # fmt: skip


def merge(
    shares: torch.Tensor, lses: torch.Tensor, sinks: torch.Tensor | None, output: torch.Tensor,
    lse: torch.Tensor,
) -> None:  # fmt: skip
    """Writes output and lse from the shares, which the kernel launched just before this makes."""
    its = None if sinks is None else Layout.of(sinks)
    launch = _merge_plan(Layout.of(shares), Layout.of(output), its)
    launch(shares, lses, sinks, output, lse)


def room_for(
    output: torch.Tensor, lse: torch.Tensor, splits: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Where the shares go: float32, or if there is one, the output itself."""
    if splits == 1:
        return output, lse
    shares = output.new_empty((splits, *output.shape), dtype=torch.float32)
    return shares, lse.new_empty((splits, *lse.shape))


def decode(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor | None,
    lengths: torch.Tensor | None, page_table: torch.Tensor | None, sinks: torch.Tensor | None,
    scale: float, soft_cap: float, left: int, value_size: int,
    tile: shapes.DecodeTile | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """Output (B, H, tokens, Dv) and lse (B, H, tokens), both contiguous."""
    batch, heads, tokens, size = query.shape
    key_heads, page = keys.shape[1:3]
    output = query.new_empty((batch, heads, tokens, value_size))
    lse = query.new_empty((batch, heads, tokens), dtype=torch.float32)
    if not output.numel():
        return output, lse
    if tile is None:
        pages = 1 if page_table is None else page_table.shape[1]
        tile = shapes.decode_tile(
            heads // key_heads * tokens, batch * key_heads, page * pages, size,
            page_table is not None, query.dtype, _compat.device_of(query.device),
        )  # fmt: skip
    shares, lses = room_for(output, lse, tile.splits)
    sinks = None if sinks is None else sinks.contiguous()
    beside = (lengths, page_table, sinks)
    launch = _share_plan(
        Layout.of(query), Layout.of(keys), None if values is None else Layout.of(values),
        tuple(None if x is None else Layout.of(x) for x in beside), Layout.of(shares),
        scale, soft_cap, left, tile,
    )  # fmt: skip
    launch(query, keys, keys if values is None else values, shares, lses, *beside)
    if tile.splits > 1:
        merge(shares, lses, sinks, output, lse)
    return output, lse


def refuses(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor | None, *others: Any
) -> str | None:
    """Why the kernels cannot take these inputs, or None."""
    size, value_size = query.shape[-1], others[-1]
    if values is not None:
        fits = max(size, values.shape[-1]) <= shapes.LARGEST_HEAD
        return triton_refuses(query) if fits else "heads so wide do not fit into shared memory"
    if shapes.latent_parts(size, value_size)[0] != value_size:
        return "it takes latents whose rank is a power of two from 16 to 512"
    return triton_refuses(query)
