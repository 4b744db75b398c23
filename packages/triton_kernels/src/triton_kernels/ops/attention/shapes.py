"""How attention is tiled, by device, head size, dtype. Tuned for H200 (sm_90), safe elsewhere."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import torch

from triton_kernels._compat import Device

LARGEST_HEAD = 256
"""What the portable kernels take; beyond it a tile would not fit into shared memory."""


@dataclass(frozen=True)
class Tile:
    """The block of scores that a program works on at a time."""

    m: int
    """Queries."""
    n: int
    """Keys."""
    warps: int
    stages: int
    """Blocks in flight."""
    split: bool = True
    """Whether blocks that a window cuts have a loop of their own, so that the others mask nothing;
    a second loop takes registers, of which the gradients of keys have none left."""


def parts(size: int) -> tuple[int, int]:
    """A head size as two widths, powers of two of 16 or more, or one and 0: 96 = 64 + 32."""
    first = 1 << (size.bit_length() - 1)
    rest = size - first
    if first < 16 or not rest:
        return max(16, 1 << (size - 1).bit_length()), 0
    second = max(16, 1 << (rest - 1).bit_length())
    return (2 * first, 0) if second == first else (first, second)


def latent_parts(size: int, rank: int) -> tuple[int, int]:
    """A latent cache's row as the latent, a power of two, and the rotated part; (0, 0): neither."""
    rest = size - rank
    if not 16 <= rank <= 512 or rank & (rank - 1) or rest > rank:
        return 0, 0
    return rank, max(16, 1 << (rest - 1).bit_length()) if rest else 0


def _block(length: int, most: int) -> int:
    """A power of two of 16 or more that covers the length, or ``most``."""
    return max(16, min(most, 1 << (max(length, 1) - 1).bit_length()))


def _fitted(tile: Tile, queries: int, keys: int) -> Tile:
    """No larger than the matrix; one that was cut to a half needs half the warps."""
    m, n = _block(queries, tile.m), _block(keys, tile.n)
    warps = max(4, tile.warps * m * n // (tile.m * tile.n))
    return replace(tile, m=m, n=n, warps=min(warps, tile.warps))


# By the wider of the two head sizes up to which a tile serves.
_FORWARD_HOPPER = (
    (64, Tile(128, 64, warps=8, stages=3)),
    (128, Tile(64, 64, warps=4, stages=3)),
    (256, Tile(128, 64, warps=8, stages=2)),
)
_FORWARD = (
    (64, Tile(128, 64, warps=4, stages=3)),
    (128, Tile(128, 64, warps=8, stages=2)),
    (256, Tile(64, 32, warps=4, stages=2)),
)
_KEYS_HOPPER = (
    (64, Tile(128, 64, warps=4, stages=2, split=False)),
    (128, Tile(64, 64, warps=4, stages=2, split=False)),
    (256, Tile(64, 64, warps=8, stages=2, split=False)),
)
_ROWS_HOPPER = (
    (64, Tile(64, 64, warps=4, stages=3)),
    (128, Tile(64, 64, warps=4, stages=2)),
    (256, Tile(128, 32, warps=8, stages=3)),
)
_KEYS = (
    (64, Tile(64, 64, warps=4, stages=2)),
    (128, Tile(32, 64, warps=4, stages=2)),
    (256, Tile(16, 32, warps=4, stages=1)),
)
_ROWS = (
    (64, Tile(64, 64, warps=4, stages=2)),
    (128, Tile(64, 32, warps=4, stages=2)),
    (256, Tile(32, 16, warps=4, stages=1)),
)
_FLOAT32 = (
    (64, Tile(32, 32, warps=4, stages=2)),
    (128, Tile(32, 32, warps=4, stages=1)),
    (256, Tile(16, 16, warps=4, stages=1)),
)


@functools.lru_cache(maxsize=4096)
def tile_for(
    work: str, size: int, queries: int, keys: int, dtype: torch.dtype, device: Device
) -> Tile:
    """The tile of ``forward``, ``keys`` (gradients of keys, values), ``rows`` (queries), ``bias``.

    ``size`` is the wider head size, of queries and keys or of values.
    """
    if work == "bias":  # it has all four operands in flight: as rows, and of wide ones one block
        tile = tile_for("rows", size, queries, keys, dtype, device)
        return replace(tile, stages=1) if size > 128 else tile
    hopper = device.capability >= (9, 0)
    if dtype is torch.float32:
        choices = _FLOAT32
    elif work == "forward":
        choices = _FORWARD_HOPPER if hopper else _FORWARD
    elif work == "keys":
        choices = _KEYS_HOPPER if hopper else _KEYS
    else:
        choices = _ROWS_HOPPER if hopper else _ROWS
    return _fitted(next(tile for most, tile in choices if size <= most), queries, keys)


@dataclass(frozen=True)
class DecodeTile:
    """How a decoding step is cut."""

    rows: int
    """Query heads of a group times tokens, padded."""
    keys: int
    """Keys at a time."""
    splits: int
    """Programs that share one sequence's keys."""
    warps: int
    stages: int


@functools.lru_cache(maxsize=4096)
def decode_tile(
    rows: int, groups: int, longest: int, size: int, paged: bool, dtype: torch.dtype,
    device: Device,
) -> DecodeTile:  # fmt: skip
    """The tile of ``decode_attention``.

    Args:
        rows: query heads of a group times tokens.
        groups: sequences times key heads.
        longest: no fewer than the longest sequence's keys.
        size: of a head of keys.
        paged: whether the cache is in pages.
        dtype: of the cache.
        device: where.
    """
    tall, latent = _block(rows, 64), size > LARGEST_HEAD
    if latent:
        keys, warps, stages = (64 if device.capability >= (9, 0) else 32), 8, 2
    elif size > 128:
        keys, warps, stages = 32, 4, 3
    else:  # looking up pages takes turns: fewer and larger ones
        keys, warps, stages = (128, 4, 2) if paged else (64, 4, 3)
    if dtype is torch.float32 and latent:
        # Products in stretches of 16 terms take the registers of more rows; with a second stage
        # 105 KB of shared memory for 69, and GPUs for the desktop have 99.
        tall, keys, stages = 16, keys // 4, 1
    elif dtype is torch.float32:
        keys = keys // 2
    keys = _block(longest, keys)
    # Two programs a processor keep the memory busy; a split of few keys would spend its time on
    # being merged.
    programs = max(groups * -(-rows // tall), 1)
    wanted = round(2 * device.processors / programs)
    splits = max(1, min(wanted, -(-longest // (4 * keys))))
    return DecodeTile(tall, keys, splits, warps, stages)
