"""FlashAttention's backward on Hopper: what lies around the Gluon kernels.

``hopper_narrow`` makes the gradients of keys and values of heads up to 128 wide, ``hopper_wide``
up to 256. Before them lse is brought into base 2, and lse and delta are padded with rows that see
nothing. The queries' gradient has two ways. *Fused*, narrow heads only: it is added up in float32
on the way, in a buffer laid out as registers are, which is brought into order at the end. *Split*:
ds is kept, as much of it as ``hopper_shares`` allows at a time, and ``hopper_queries`` multiplies
it with the keys: no atomic additions, the same bits in every run.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch

from triton_kernels._compat import tl, triton
from triton_kernels._gluon import TensorDescriptor
from triton_kernels.ops.attention import (
    hopper_bias,
    hopper_bits,
    hopper_narrow,
    hopper_packed,
    hopper_queries,
    hopper_wide,
    portable_backward,
)
from triton_kernels.ops.attention.features import UNBOUNDED, Features, empty_like_dense
from triton_kernels.ops.attention.hopper_forward import descriptor
from triton_kernels.ops.attention.hopper_layouts import rows_layout, tile_layout
from triton_kernels.ops.attention.hopper_shares import (
    MOST_BYTES,
    Part,
    Tiling,
    bytes_of_a_head,
    fits,
    parts,
    stretch,
    tiling,
)
from triton_kernels.ops.attention.layout import block_width

_LOG2E = 1 / math.log(2)


@triton.jit
def _prepare(lse, delta, rows, m, padded, lines, BLOCK: tl.constexpr):
    """lse in base 2 and delta, a line a head, padded with rows that see nothing."""
    line = tl.program_id(0).to(tl.int64)
    place = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = place < m
    x = (
        tl.load(lse + line * m + place, mask=inside, other=float("inf")) * 1.4426950408889634
    )  # log2(e)
    x = tl.where(x == float("-inf"), float("inf"), x)
    d = tl.load(delta + line * m + place, mask=inside, other=0.0)
    tl.store(rows + line * padded + place, x, mask=place < padded)
    tl.store(rows + (lines + line) * padded + place, d, mask=place < padded)


@triton.jit
def _finish(
    sums, dq, heads, m, width, squares, blocks, stride_b, stride_h, stride_m, scale,
    BLOCK_M: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Puts one block of the buffer in order: dq = scale times the sums."""
    line = tl.program_id(1).to(tl.int64)
    row = tl.arange(0, BLOCK_M)[:, None]
    column = tl.arange(0, WIDTH)[None, :]
    square = row // 64 * (WIDTH // 64) + column // 64
    within = column % 64 // 8 * 512 + row % 64 // 16 * 128 + row % 8 * 16
    within += column % 8 // 2 * 4 + row % 16 // 8 * 2 + column % 2
    start = (line * blocks + tl.program_id(0)) * squares
    x = tl.load(sums + start * 4096 + square * 4096 + within) * scale
    rows = tl.program_id(0) * BLOCK_M + row
    out = dq + line // heads * stride_b + line % heads * stride_h + rows.to(tl.int64) * stride_m
    tl.store(out + column, x.to(dq.dtype.element_ty), mask=(rows < m) & (column < width))


def backward(
    grad: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    lse: torch.Tensor, delta: torch.Tensor, *features: Any,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """The gradients of query, key and value of what ``layout.backward_refuses`` does not refuse."""
    f = Features(*features)
    if f.packed:
        return hopper_packed.gradients(grad, query, key, value, lse, delta, f)
    return gradients(grad, query, key, value, lse, delta, f)


def backward_with_bias(
    grad: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    lse: torch.Tensor, delta: torch.Tensor, *features: Any,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """The same and the bias's, which lies in one piece."""
    f = Features(*features)
    assert f.bias is not None
    if f.soft_cap:  # what is kept then is the slope through the cap
        found = portable_backward.bias_backward(grad, query, key, value, lse, delta, *features)
    else:
        found = f.bias.new_empty(f.bias.shape)
    of_bias = None if f.soft_cap else found
    return *gradients(grad, query, key, value, lse, delta, f, of_bias=of_bias), found


def gradients(
    grad: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    lse: torch.Tensor, delta: torch.Tensor, features: Features, tile: Tiling | None = None,
    most: int = MOST_BYTES, of_bias: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """``backward`` in a tiling of one's own, with so many bytes for ds; the bias's gradient is
    written to ``of_bias``."""
    f = features
    batches, heads, m, width = query.shape
    heads_k, n = key.shape[1:3]
    group = heads // heads_k
    wide = block_width(width)
    if tile is None:
        of_a_head = bytes_of_a_head((m, n, f.left, f.right), group, 64, 128)
        tile = tiling(
            wide, m * group, f.right != UNBOUNDED, f.deterministic,
            of_bias is not None or f.mask is not None,
            fits(of_a_head, -(-n // 128), batches * heads_k),
        )  # fmt: skip
    dq, dk, dv = map(empty_like_dense, (query, key, value))
    lines, padded = batches * heads, -(-m // 128) * 128
    rows = torch.empty((2 * lines, padded), dtype=torch.float32, device=query.device)
    _prepare[(lines, -(-padded // 1024))](lse, delta, rows, m, padded, lines, BLOCK=1024)
    keys, scale, cap = descriptor(key, 64, wide), f.scale, f.soft_cap
    bias, slopes = f.bias, f.alibi_slopes
    words = None if f.mask is None else hopper_bits.words_of(f.mask, n)
    call = _Call(
        (
            descriptor(query, tile.rows, wide), keys,
            descriptor(value, 64, wide), descriptor(grad, tile.rows, wide),
            TensorDescriptor(rows, list(rows.shape), [padded, 1], [1, tile.rows], rows_layout()),
            descriptor(dk, 64, wide), descriptor(dv, 64, wide),
        ),
        (keys if bias is None else descriptor(bias, tile.rows, 64),
         rows if slopes is None else slopes.contiguous(), rows if words is None else words),
        (heads_k, group, m, n, f.left, f.right),
        (batches, *((0, 0) if bias is None else bias.shape[:2]),
         heads if slopes is not None and slopes.ndim == 2 else 0, *hopper_bits.strides(words)),
        ((cap or scale) * _LOG2E, scale / cap if cap else 0.0, scale),
        {"LEFT": f.left != UNBOUNDED, "RIGHT": f.right != UNBOUNDED},
        {"CAPPED": bool(cap), "SLOTS": tile.slots, "NEAR": tile.near},
        {"BIAS": bias is not None, "SLOPED": slopes is not None, "MASKED": words is not None,
         "NEIGHBOURS": bias is not None and len(bias) == 1},
    )  # fmt: skip
    if tile.split:
        _split(call, dq, tile, most, of_bias)
    else:
        _fused(call, dq, tile)
    return dq, dk, dv


class _Call(NamedTuple):
    """What all kernels of one call are called with."""

    descriptors: tuple[Any, ...]
    """Of query, key, value, grad, rows, dk and dv."""
    beside: tuple[Any, ...]
    """The bias's descriptor, ALiBi's slopes, the mask's bits."""
    sizes: tuple[int, ...]
    """Key heads, query heads of each, m, n, and the window."""
    batches: tuple[int, ...]
    """Batches; those of the bias and its heads; the slopes of one batch; the bits' strides."""
    scalars: tuple[float, ...]
    """The score's factors, and the gradient's."""
    bounds: dict[str, bool]
    options: dict[str, Any]
    features: dict[str, bool]
    """Of narrow heads."""


def _fused(call: _Call, dq: torch.Tensor, tile: Tiling) -> None:
    """dq is added up by the kernel of keys and values, in a buffer that is brought into order."""
    batches, heads, m, width = dq.shape
    heads_k, _, _, n, _, _ = call.sizes
    wide = block_width(width)
    blocks, lines = -(-m // tile.rows), batches * heads
    squares = tile.rows // 64 * (wide // 64)
    sums = torch.zeros(lines * blocks * squares * 4096, dtype=torch.float32, device=dq.device)
    part = Part(0, batches * heads_k, 0, -(-n // hopper_narrow.KEYS))
    hopper_narrow.backward[(part.heads * part.blocks,)](
        *call.descriptors, call.descriptors[-1], *call.beside, *call.sizes, *part, 0,
        *call.batches, *call.scalars, sums, **call.bounds, **call.options, **call.features,
        SPLIT=False, SHIFT=tile.shift, num_warps=4, maxnreg=168,
    )  # fmt: skip
    _finish[(blocks, lines)](
        sums, dq, heads, m, width, squares, blocks, *dq.stride()[:3], call.scalars[-1],
        BLOCK_M=tile.rows, WIDTH=wide,
    )  # fmt: skip


def _split(
    call: _Call, dq: torch.Tensor, tile: Tiling, most: int, of_bias: torch.Tensor | None
) -> None:
    """ds is kept, some of it at a time, and dq made of it, and the bias's gradient."""
    batches, heads, m, width = dq.shape
    heads_k, group, _, n, left, right = call.sizes
    edges, wide = (m, n, left, right), block_width(width)
    room = hopper_wide if wide == 256 else hopper_narrow
    per_block = room.KEYS // 64
    blocks, row_blocks, padded = -(-n // room.KEYS), -(-m // tile.rows), -(-m // 128) * 128
    together = 1 if of_bias is None else hopper_bias.heads_that_share(of_bias, batches, heads_k)
    of_a_head = bytes_of_a_head(edges, group, tile.rows, room.KEYS)
    work = parts(batches * heads_k, blocks, of_a_head, most, together)
    tiles = [(part.blocks * per_block, part.start_block * per_block) for part in work]
    stretches = [stretch(*edges, tile.rows, room.KEYS, start, count) for count, start in tiles]
    held = max(part.heads * length for part, length in zip(work, stretches, strict=True))
    ds = dq.new_empty((held * group * -(-row_blocks // 2) * 64, tile.rows))
    kept = TensorDescriptor(
        ds, list(ds.shape), [tile.rows, 1], [64, tile.rows], tile_layout(tile.rows, ds.dtype)
    )
    sums = call.descriptors[4].base
    narrow: tuple[Any, ...] = (*call.batches, *call.scalars, sums)
    scalars = (call.batches[0], *call.scalars) if wide == 256 else narrow
    beside = () if wide == 256 else call.beside
    own = {} if wide == 256 else {"SPLIT": True, "SHIFT": 0, **call.features}
    if work[0].blocks < blocks:
        shape = (batches * heads, padded, wide)
        sums = torch.empty(shape, dtype=torch.float32, device=dq.device)
    adds = work[0].blocks == blocks and work[0].heads % together > 0
    target = of_bias
    if of_bias is not None and adds:
        target = torch.zeros_like(of_bias, dtype=torch.float32)
    for part, (count, start), length in zip(work, tiles, stretches, strict=True):
        room.backward[(part.heads * part.blocks,)](
            *call.descriptors, kept, *beside, *call.sizes, *part, length, *scalars,
            **call.bounds, **call.options, **own, num_warps=4, maxnreg=168,
        )  # fmt: skip
        hopper_queries.multiply[(part.heads * group * (padded // 128),)](
            kept, call.descriptors[1], descriptor(dq, 64, wide), sums, *call.sizes,
            part.start_head * group, count, start, length, batches, call.scalars[-1],
            **call.bounds, KEYS=room.KEYS, ADD=part.start_block > 0,
            KEEP=part.start_block + part.blocks < blocks, SLOTS=hopper_queries.SLOTS[wide],
            NEIGHBOURS=call.features["NEIGHBOURS"], num_warps=4, maxnreg=168,
        )  # fmt: skip
        if target is not None:
            hopper_bias.add_tiles(
                ds, target, batches, call.sizes, part, (start, count, length), tile.rows, together,
                adds,
            )  # fmt: skip
    if of_bias is not None and target is not None and adds:
        of_bias.copy_(target)
