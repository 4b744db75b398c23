"""Decoding over latents (MLA, absorbed) on Hopper: shares of the keys, descriptors, the launch.

The kernels are in ``hopper_latent_few``, for up to 32 rows (heads times new tokens), and in
``hopper_latent_many``.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import torch

from triton_kernels import _compat
from triton_kernels._compat import Launch, Layout
from triton_kernels.ops.attention import decode_portable, hopper_latent_few, hopper_latent_many
from triton_kernels.ops.attention.hopper_forward import descriptor
from triton_kernels.ops.attention.layout import (
    LATENT_FEW,
    LATENT_KEYS,
    LATENT_RANK,
    LATENT_ROTATED,
    LATENT_ROWS,
)

_LOG2E = 1 / math.log(2)


class _Plan(NamedTuple):
    """What calls with inputs so laid out have in common."""

    launch: Launch
    splits: int


@functools.lru_cache(maxsize=4096)
def _plan(query: Layout, keys: Layout, beside: tuple[Layout | None, ...], scale: float) -> _Plan:
    """``beside`` are the lengths and the page table."""
    batch, heads, tokens, _ = query.shape
    page, table = keys.shape[2], beside[1]
    capacity = page if table is None else page * table.shape[1]
    options: dict[str, Any]
    if heads * tokens <= LATENT_FEW:
        kernel, tile = hopper_latent_few.share, hopper_latent_few.KEYS.value
        rows = max(16, 1 << (heads * tokens - 1).bit_length())
        constants, options = {"ROWS": rows}, {"num_warps": 4, "launch_pdl": True}
        width = LATENT_RANK // 2
    else:
        kernel, tile = hopper_latent_many.share, hopper_latent_many.KEYS.value
        rows, constants, width = LATENT_ROWS, {}, LATENT_RANK
        options = {"num_warps": 4, "maxnreg": 168, "launch_pdl": True}
    row_tiles = -(-heads * tokens // rows)
    # At most one block of threads for each processor, of 256 keys or more.
    processors = _compat.device_of(query.device).processors
    splits = min(processors // (batch * row_tiles), -(-capacity // (4 * LATENT_KEYS)))
    splits = max(1, splits)
    launch = Launch(
        kernel, batch * row_tiles * splits,
        (
            heads, tokens, page, capacity, row_tiles, splits, batch, *query.strides[:3],
            0 if table is None else table.strides[0], scale * _LOG2E,
        ),
        constants, options,
        {
            1: functools.partial(descriptor, rows=tile, width=width),
            2: functools.partial(descriptor, rows=tile, width=LATENT_ROTATED),
        },
    )  # fmt: skip
    return _Plan(launch, splits)


def decode(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor | None,
    lengths: torch.Tensor | None, page_table: torch.Tensor | None, sinks: torch.Tensor | None,
    scale: float, soft_cap: float, left: int, value_size: int,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """Output and lse of what ``layout.latent_refuses`` does not refuse."""
    beside = tuple(None if x is None else Layout.of(x) for x in (lengths, page_table))
    plan = _plan(Layout.of(query), Layout.of(keys), beside, scale)
    output = query.new_empty((*query.shape[:3], LATENT_RANK))
    lse = query.new_empty(query.shape[:3], dtype=torch.float32)
    shares, lses = decode_portable.room_for(output, lse, plan.splits)
    plan.launch(query, keys, keys, shares, lses, lengths, page_table)
    if plan.splits > 1:
        decode_portable.merge(shares, lses, None, output, lse)
    return output, lse
