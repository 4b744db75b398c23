"""How matmul is tiled, by device, shape and dtype. Tuned for H200 (sm_90), safe elsewhere."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch

from triton_kernels._compat import Device


@dataclass(frozen=True)
class Tile:
    """The block of c that one program makes, and how it is scheduled."""

    m: int
    n: int
    k: int
    warps: int
    stages: int
    """Blocks of a and b in flight."""
    group: int = 8
    """Rows of tiles that run together, so that they share b's columns in the L2 cache."""
    split_store: bool = False
    """tma only: store the tile in two halves, which leaves shared memory for another stage."""


_PORTABLE_HOPPER = Tile(128, 256, 64, warps=8, stages=4)
"""192 KiB of shared memory, which Hopper has; measured by benchmarks/tune.py."""

# Each with the share of the largest tile's rate that it reaches where the grid is full.
_PORTABLE = (
    (Tile(128, 128, 64, warps=8, stages=3), 1.0),
    (Tile(64, 128, 64, warps=4, stages=3), 0.8),
    (Tile(64, 64, 64, warps=4, stages=3), 0.6),
    (Tile(32, 64, 64, warps=4, stages=4), 0.4),
    (Tile(16, 64, 64, warps=4, stages=4), 0.25),
)
_PORTABLE_FLOAT32 = (
    (Tile(64, 64, 32, warps=4, stages=3), 1.0),
    (Tile(32, 32, 32, warps=4, stages=3), 0.6),
    (Tile(16, 32, 32, warps=4, stages=3), 0.4),
)
_PORTABLE_TF32 = (
    (Tile(128, 128, 32, warps=8, stages=3), 1.0),
    (Tile(64, 64, 32, warps=4, stages=3), 0.6),
    (Tile(16, 64, 32, warps=4, stages=3), 0.25),
)
_TMA = (
    (Tile(128, 256, 64, warps=8, stages=4, split_store=True), 1.0),
    (Tile(128, 128, 64, warps=4, stages=5), 0.95),
    (Tile(64, 128, 64, warps=4, stages=4), 0.6),
    (Tile(64, 64, 64, warps=4, stages=4), 0.4),
)


@functools.lru_cache(maxsize=4096)
def portable_tile(
    m: int, n: int, k: int, batches: int, dtype: torch.dtype, precision: str, device: Device
) -> Tile:
    """The tile of the pointer kernel."""
    if dtype is not torch.float32:
        large = ((_PORTABLE_HOPPER, 1.17),) if device.capability == (9, 0) else ()
        return _cheapest((*large, *_PORTABLE), m, n, batches, device)
    choices = _PORTABLE_TF32 if precision == "tf32" else _PORTABLE_FLOAT32
    return _cheapest(choices, m, n, batches, device)


@functools.lru_cache(maxsize=4096)
def tma_tile(m: int, n: int, k: int, dtype: torch.dtype, device: Device) -> Tile:
    """The tile of the descriptor kernel."""
    return _cheapest(_TMA, m, n, 1, device)


@functools.lru_cache(maxsize=4096)
def hopper_tile(batches: int, m: int, n: int, dtype: torch.dtype, device: Device) -> Tile:
    """The tile of the Gluon kernel: 128 bytes deep, whatever the dtype."""
    deep = 128 // dtype.itemsize
    choices = tuple(
        (Tile(128, width, deep, warps=9, stages=stages, group=16), rate)
        for width, stages, rate in ((256, 3, 1.0), (128, 5, 0.9), (64, 6, 0.6))
    )
    return _cheapest(choices, m, n, batches, device)


@functools.lru_cache(maxsize=4096)
def tf32_tile(batches: int, m: int, n: int, device: Device) -> Tile:
    """The tile of the Gluon kernel for tf32: as deep, and more in flight, as c takes no room."""
    choices = tuple(
        (Tile(128, width, 32, warps=9, stages=stages, group=16), rate)
        for width, stages, rate in ((256, 4, 1.0), (128, 6, 0.8), (64, 8, 0.5))
    )
    return _cheapest(choices, m, n, batches, device)


def _cheapest(
    choices: tuple[tuple[Tile, float], ...], m: int, n: int, batches: int, device: Device
) -> Tile:
    """The tile with the least predicted time: waves of tiles over the processors, by their rate."""

    def predicted(choice: tuple[Tile, float]) -> float:
        tile, rate = choice
        tiles = batches * math.ceil(m / tile.m) * math.ceil(n / tile.n)
        return math.ceil(tiles / device.processors) * tile.m * tile.n / rate

    return min(choices, key=predicted)[0]
