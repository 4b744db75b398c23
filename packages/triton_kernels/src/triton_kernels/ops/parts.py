"""How long rows are shared out, and how what programs left of a row is put together.

A program is a warp, for which 16 bytes a thread are 512 bytes at a time: of one row, or of as many
rows as are neighbours in memory. It has many such loads on their way, and meets no other warp.
Where rows are few, several programs share each, and leave a sum or a maximum of their part. One
more kernel joins them, always in the same order. It is launched while the first still runs, which
hides most of its way to the GPU, and waits there (programmatic dependent launch).
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import torch

from triton_kernels import _compat
from triton_kernels._compat import Device, cdiv, launch, next_power_of_2, tl, triton


@triton.jit
def sortable(x):
    """An int32 for each float32, in the same order; NaN above all, as torch has it."""
    bits = (x + 0.0).to(tl.int32, bitcast=True)
    key = tl.where(bits >= 0, bits, bits ^ 0x7FFFFFFF)
    return tl.where(x == x, key, 0x7FC00000)


@triton.jit
def unsorted(key):
    """The float32 of such an int32."""
    return tl.where(key >= 0, key, key ^ 0x7FFFFFFF).to(tl.float32, bitcast=True)


@triton.jit
def larger(a, b):
    """The larger, NaN above all."""
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def next_may_start(EARLY: tl.constexpr):
    """From here on the next kernel may be launched, if it is one that waits for this one."""
    if EARLY:
        tl.extra.cuda.gdc_launch_dependents()


@triton.jit
def after_the_kernel_before(EARLY: tl.constexpr):
    """Waits for its end."""
    if EARLY:
        tl.extra.cuda.gdc_wait()


@triton.jit
def _join(
    parts_ptr, y_ptr, parts, n, MAXIMUM: tl.constexpr, PARTS: tl.constexpr, BLOCK: tl.constexpr,
    EARLY: tl.constexpr,
):  # fmt: skip
    after_the_kernel_before(EARLY)
    part = tl.arange(0, PARTS)[:, None]
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)[None, :]
    nothing = -float("inf") if MAXIMUM else 0.0
    values = tl.full((PARTS, BLOCK), nothing, tl.float32)
    for first in range(0, parts, PARTS):
        mask = (first + part < parts) & (at < n)
        x = tl.load(parts_ptr + (first + part).to(tl.int64) * n + at, mask=mask, other=nothing)
        values = larger(values, x) if MAXIMUM else values + x
    if MAXIMUM:
        y = unsorted(tl.max(sortable(values), axis=0, keep_dims=True))
    else:
        y = tl.sum(values, axis=0, keep_dims=True)
    tl.store(y_ptr + at, y, mask=at < n)


def early_options(device: torch.device) -> tuple[bool, dict[str, Any]]:
    """Whether a kernel may be launched ahead of its turn on that device, and its options if so."""
    early = _compat.starts_early(_compat.device_of(device))
    return early, {"launch_pdl": True} if early else {}


def join(values: torch.Tensor, y: torch.Tensor, *, maximum: bool = False) -> None:
    """Adds up float32 values of (parts, *y.shape) into y, or takes the largest of them.

    The kernel launched before is the one that makes the values.
    """
    parts, n = values.shape[0], y.numel()
    block = min(64, next_power_of_2(n))
    power = min(4096 // block, next_power_of_2(parts))
    early, options = early_options(y.device)
    launch(
        _join, (cdiv(n, block),), (values, y), (parts, n),
        MAXIMUM=maximum, PARTS=power, BLOCK=block, EARLY=early, num_warps=4, **options,
    )  # fmt: skip


class Tile(NamedTuple):
    """What a program takes at a time."""

    rows: int
    columns: int
    loads: int
    """Times so many columns in one step: its loads are on their way together."""
    warps: int
    parts: int
    """Programs that share the columns of a row."""
    part: int
    """The columns of each."""


@functools.lru_cache(maxsize=4096)
def tile_for(
    outer: int, rows: int, n: int, near: bool, dtype: torch.dtype, device: Device, most: int = 16
) -> Tile:
    """Of ``outer`` times ``rows`` rows of n columns; neighbours are columns (``near``) or rows.

    ``most``: programs that rows are shared out among at the most, for each processor.
    """
    processors = device.processors
    lanes, loads, warps = 512 // dtype.itemsize, 16, 1
    if processors == 1:  # the interpreter has time for less
        lanes, loads = 2048, 2
    if near and n < 4 * lanes:  # several rows at a time
        columns = next_power_of_2(n)
        height, loads, warps = max(1, 16 * lanes // columns), 1, 4
    elif near:
        height, columns = 1, lanes
    else:
        height = min(lanes, next_power_of_2(rows))
        columns = min(lanes // height, next_power_of_2(n))
        if n <= 512:  # a lane each, as many as there are: short sums round as a tree does
            columns, warps = min(4096 // height, next_power_of_2(n)), 4
    height = min(height, next_power_of_2(rows))
    loads = min(loads, next_power_of_2(cdiv(n, columns)))
    programs = outer * cdiv(rows, height)
    step = columns * loads
    parts = max(1, min(most * processors // programs, cdiv(n, 2 * step)))
    part = cdiv(n, parts * step) * step
    return Tile(height, columns, loads, warps, cdiv(n, part), part)
