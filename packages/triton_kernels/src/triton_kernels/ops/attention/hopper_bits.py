"""A boolean mask for the backward on Hopper: a bit a pair, ordered as registers are.

A tile of 64 queries and 64 keys is 128 words of 32 bits, one for each thread of a warpgroup: its
bits are those of the scores that the thread holds in ``hopper_narrow``, keys (warp, half, line) by
queries (chunk of 8, thread of four, one of two).
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import torch

from triton_kernels._compat import launch, tl, triton

_TILE = 64
"""Queries and keys of a tile."""
_WORDS = 128


@triton.jit
def _pack(
    mask, words, keys, rows, heads, key_tiles, batch_stride, head_stride, row_stride, key_stride
):  # fmt: skip
    """A tile of a mask."""
    blocks, tile = tl.cdiv(rows, 64), tl.program_id(0)
    matrix = (tile // key_tiles // blocks).to(tl.int64)
    row = tile // key_tiles % blocks * 64 + tl.arange(0, 64)[:, None]
    key = tile % key_tiles * 64 + tl.arange(0, 64)[None, :]
    start = mask + matrix // heads * batch_stride + matrix % heads * head_stride
    places = row.to(tl.int64) * row_stride + key.to(tl.int64) * key_stride
    seen = tl.load(start + places, mask=(row < rows) & (key < keys), other=0) != 0
    bits = seen.to(tl.int32) << (key % 16 // 8 * 16 + row % 64 // 8 * 2 + row % 2)
    bits = tl.reshape(bits, (8, 4, 2, 4, 2, 8))  # row: chunk, thread, one; key: warp, half, line
    bits = tl.sum(tl.sum(tl.sum(bits, 4), 2), 0)
    thread = tl.arange(0, 4)[:, None, None]
    warp = tl.arange(0, 4)[None, :, None]
    line = tl.arange(0, 8)[None, None, :]
    tl.store(words + tile.to(tl.int64) * 128 + warp * 32 + line * 4 + thread, bits)


def words_of(mask: torch.Tensor, keys: int) -> torch.Tensor:
    """(B or 1, H or 1, blocks of 64 rows, tiles of 64 keys, 128), int32; one block for a mask of
    one row."""
    batches, heads, rows, _ = mask.shape
    shape = shape_of(mask.shape, keys)
    _, _, blocks, key_tiles, _ = shape
    words = torch.empty(shape, dtype=torch.int32, device=mask.device)
    if rows == 1:
        rows = _TILE
        mask = mask.expand(-1, -1, rows, -1)
    mask = mask.expand(-1, -1, -1, keys).view(torch.uint8)
    launch(
        _pack, (key_tiles * blocks * batches * heads,), (mask, words),
        (keys, rows, heads, key_tiles, *mask.stride()), num_warps=4,
    )  # fmt: skip
    return words


def shape_of(mask: tuple[int, ...], keys: int) -> tuple[int, ...]:
    """Of the words of a mask of this shape."""
    batches, heads, rows, _ = mask
    return batches, heads, -(-rows // _TILE), -(-keys // _TILE), _WORDS


def strides(words: tuple[int, ...] | None) -> tuple[int, ...]:
    """Of words of this shape, those of batch, head and block of rows, in tiles; 0 where the mask is
    broadcast."""
    if words is None:
        return 0, 0, 0
    batches, heads, blocks, key_tiles, _ = words
    sizes = (heads * blocks * key_tiles, blocks * key_tiles, key_tiles)
    return tuple(s if n > 1 else 0 for s, n in zip(sizes, (batches, heads, blocks), strict=True))
