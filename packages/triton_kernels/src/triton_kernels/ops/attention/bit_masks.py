"""A boolean mask for the forward on Hopper: a bit a pair, and which blocks there are to visit.

Of 128 keys a thread of a row's four holds those with key % 8 // 2 its own number: 32, two in each
chunk of 8. Their bits make one word, so a step of the kernel loads a word a row. Blocks that a
tile of rows does not see at all are not visited, those that it sees whole are not masked.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools

import torch

from triton_kernels._compat import Launch, starts_aligned, tl, triton
from triton_kernels.ops.attention.features import UNBOUNDED

KEYS = 128
"""Keys of four words."""
CHUNK = 8
"""Keys that a program reads as one number."""
_ROWS, _CHUNKS = 4, 512
"""Of a program."""


@triton.jit
def _pack(
    mask, words, chunks, rows, heads, batch_stride, head_stride, row_stride, blocks,
    ROWS: tl.constexpr, CHUNKS: tl.constexpr,
):  # fmt: skip
    """Chunks of 8 bytes, each 0 or 1, into 2 bits for each of 4 words."""
    across = tl.cdiv(chunks, CHUNKS)
    down = tl.cdiv(rows, ROWS)
    part = tl.program_id(0) % across
    line = (tl.program_id(0) // across // down).to(tl.int64)
    row = tl.program_id(0) // across % down * ROWS + tl.arange(0, ROWS)
    chunk = part * CHUNKS + tl.arange(0, CHUNKS)
    block = part * (CHUNKS // 16) + tl.arange(0, CHUNKS // 16)
    start = mask + line // heads * batch_stride + line % heads * head_stride
    inside = (row < rows)[:, None] & (chunk < chunks)[None, :]
    places = row.to(tl.int64)[:, None] * row_stride + chunk[None, :]
    seen = tl.load(start + places, mask=inside, other=0)
    to = words + ((line * rows + row[:, None]) * blocks + block[None, :]) * 4
    inside = (row < rows)[:, None] & (block < blocks)[None, :]
    for lane in tl.static_range(4):
        own = (seen >> 16 * lane).to(tl.int32)
        bits = (own & 1 | own >> 7 & 2) << (chunk % 16 * 2)[None, :]
        word = tl.sum(tl.reshape(bits, (ROWS, CHUNKS // 16, 16)), 2)
        tl.store(to + lane, word, mask=inside)


def words_of(mask: torch.Tensor, keys: int) -> torch.Tensor:
    """(B or 1, H or 1, Sq or 1, blocks of 128 keys, 4), int32; a key that does not exist is hidden.

    Args:
        mask: bool, (B or 1, H or 1, Sq or 1, keys or 1), any strides.
        keys: how many.
    """
    batches, heads, rows, _ = mask.shape
    words = torch.empty(
        (batches, heads, rows, -(-keys // KEYS), 4), dtype=torch.int32, device=mask.device
    )
    mask = mask.expand(-1, -1, -1, keys)
    readable = mask.stride(3) == 1 and mask.data_ptr() % CHUNK == 0
    if keys % CHUNK or not readable or any(s % CHUNK for s in mask.stride()[:3]):
        mask = torch.nn.functional.pad(mask, (0, -keys % CHUNK)).contiguous()
    numbers = mask.view(torch.int64)
    plan = _pack_plan(numbers.shape, numbers.stride()[:3], starts_aligned(numbers), mask.device)
    plan(numbers, words)
    return words


@functools.lru_cache(maxsize=1024)
def _pack_plan(
    shape: torch.Size, strides: tuple[int, ...], aligned: bool, device: torch.device
) -> Launch:
    batches, heads, rows, chunks = shape
    programs = batches * heads * -(-rows // _ROWS) * -(-chunks // _CHUNKS)
    scalars = (chunks, rows, heads, *strides, -(-chunks * CHUNK // KEYS))
    constants = {"ROWS": _ROWS, "CHUNKS": _CHUNKS}
    return Launch(_pack, programs, scalars, constants, {"num_warps": 4})


@triton.jit
def _list(
    words, visits, tiles, m, n, left, right, mask_rows, blocks, capacity,
    LEFT: tl.constexpr, RIGHT: tl.constexpr, ROWS: tl.constexpr, KEYS: tl.constexpr,
    TILE: tl.constexpr, CHUNK: tl.constexpr,
):  # fmt: skip
    """A program lists the blocks of keys of one tile of rows, from the first to the last."""
    first_row = tl.program_id(0) % tiles * ROWS
    line = (tl.program_id(0) // tiles).to(tl.int64)
    end = n
    if RIGHT:
        end = tl.minimum(n, tl.minimum(first_row + ROWS, m) + n - m + right)
    last = tl.cdiv(tl.maximum(end, 1), KEYS)
    first = 0
    if LEFT:
        first = tl.minimum(tl.maximum(first_row + n - m - left, 0) // KEYS, last - 1)
    place = tl.arange(0, TILE)
    exists = (place < ROWS) & (first_row + place < m)
    row = tl.where(mask_rows == 1, 0, first_row + place)
    lane = tl.arange(0, 4)
    own = visits + tl.program_id(0).to(tl.int64) * (capacity + 1)
    count = 0
    for start in range(first, last, CHUNK):
        block = start + tl.arange(0, CHUNK)
        inside = exists[:, None, None] & (block < last)[None, :, None]
        at = ((line * mask_rows + row[:, None]) * blocks + (block * KEYS // 128)[None, :]) * 4
        found = tl.load(words + at[:, :, None] + lane[None, None, :], mask=inside, other=0)
        whole = -1
        if KEYS == 64:
            found = found >> (block % 2 * 16)[None, :, None] & 0xFFFF
            whole = 0xFFFF
        some = tl.max(tl.max((inside & (found != 0)).to(tl.int32), 2), 0)
        cut = tl.max(tl.max((inside & (found != whole)).to(tl.int32), 2), 0)
        to = own + count + tl.cumsum(some, 0)
        tl.store(to, block * 2 + cut, mask=some != 0)
        count += tl.sum(some)
    if count == 0:  # a tile visits one block at least
        tl.store(own + 1, last * 2 - 1)
    tl.store(own, tl.maximum(count, 1))


def visits(
    words: torch.Tensor, m: int, n: int, left: int, right: int, rows: int, keys: int
) -> torch.Tensor:
    """(B or 1, H or 1, tiles, 1 + most blocks), int32: how many blocks of ``keys`` each tile of
    ``rows`` visits, and twice the number of each, 1 more where the mask hides some of it.

    Args:
        words: as ``words_of`` makes them.
        m: queries.
        n: keys.
        left: of the window.
        right: the same.
        rows: of a tile.
        keys: of a block, 64 or 128.
    """
    tiles, most = -(-m // rows), -(-n // keys)
    found = torch.empty((*words.shape[:2], tiles, 1 + most), dtype=torch.int32, device=words.device)
    _list_plan(words.shape, (m, n, left, right), rows, keys, words.device)(words, found)
    return found


@functools.lru_cache(maxsize=1024)
def _list_plan(
    shape: torch.Size, edges: tuple[int, int, int, int], rows: int, keys: int, device: torch.device
) -> Launch:
    m, n, left, right = edges
    batches, heads, mask_rows, blocks, _ = shape
    tiles = -(-m // rows)
    return Launch(
        _list, batches * heads * tiles, (tiles, *edges, mask_rows, blocks, -(-n // keys)),
        {
            "LEFT": left != UNBOUNDED, "RIGHT": right != UNBOUNDED, "ROWS": rows, "KEYS": keys,
            "TILE": triton.next_power_of_2(rows), "CHUNK": 8,
        },
        {"num_warps": 4},
    )  # fmt: skip
