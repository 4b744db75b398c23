"""From tensors and features to a launch, kept for the next call with tensors so laid out."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import torch

from triton_kernels import _compat
from triton_kernels._compat import Launch, Layout, triton
from triton_kernels.backends import triton_refuses
from triton_kernels.ops.attention import shapes
from triton_kernels.ops.attention.features import (
    UNBOUNDED,
    Features,
    threshold,
)
from triton_kernels.ops.attention.shapes import LARGEST_HEAD, Tile

_LOG2_E = 1.4426950408889634
_TENSORS = 6
"""Fields of ``Features`` that are tensors; they come first."""


def refuses(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *features: Any) -> Any:
    """Why the portable kernels cannot take these inputs, or None."""
    if max(query.shape[-1], value.shape[-1]) > LARGEST_HEAD:
        return f"heads of more than {LARGEST_HEAD} do not fit into shared memory"
    return triton_refuses(query)


def refuses_backward(grad: torch.Tensor, *inputs: Any) -> Any:
    """The same for gradients, which begin with the output's."""
    return refuses(*inputs)


def refuses_delta(grad: torch.Tensor, grad_lse: torch.Tensor | None, output: torch.Tensor) -> Any:
    """The same for the rows' sums."""
    return refuses(output, output, output)


def pointers(f: Features) -> tuple[torch.Tensor | None, ...]:
    """The features' tensors as the kernels take them: bools as bytes, small ones dense."""
    mask = None if f.mask is None else f.mask.view(torch.uint8)
    sinks = None if f.sinks is None else f.sinks.contiguous()
    slopes = None if f.alibi_slopes is None else f.alibi_slopes.contiguous()
    return f.bias, sinks, mask, slopes, f.cu_q, f.cu_k


def plan(
    kernel: Any, work: str, tensors: tuple[torch.Tensor, ...], f: Features, tile: Tile | None
) -> Launch:
    """The launch of a kernel.

    Args:
        kernel: its parameters are the tensors, the features' tensors, and the scalars as below.
        work: ``forward``, ``keys``, ``rows`` or ``bias``: what one program makes.
        tensors: query, key, value and further ones of (B, H, S, size); the bias's gradient last.
        f: the features.
        tile: None: as ``shapes`` says.
    """
    layouts = tuple(map(Layout.of, tensors))
    beside = tuple(None if x is None else Layout.of(x) for x in f.tensors)
    return _plan(kernel, work, layouts, beside, f[_TENSORS:], tile)


def _strides(layout: Layout | None, full: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of a tensor broadcast to four dimensions; of none, zeros."""
    return (0,) * 4 if layout is None else layout.example().expand(full).stride()


@functools.lru_cache(maxsize=4096)
def _plan(
    kernel: Any, work: str, layouts: tuple[Layout, ...], beside: tuple[Layout | None, ...],
    options: tuple[Any, ...], tile: Tile | None,
) -> Launch:  # fmt: skip
    f = Features(*(None,) * _TENSORS, *options)  # type: ignore[arg-type]
    query, key, value = layouts[:3]
    bias, _, mask, slopes, cu_q, _ = beside
    batch, heads, queries, size = query.shape
    keys, value_size = key.shape[2], value.shape[3]
    packed = cu_q is not None
    sequences = cu_q.shape[0] - 1 if cu_q is not None else batch
    longest = (f.max_q, f.max_k) if packed else (queries, keys)
    device = _compat.device_of(query.device)
    if tile is None:
        widest = max(size, value_size)
        tile = shapes.tile_for(work, widest, *longest, query.dtype, device)
        if (bias or mask) and widest > 128:  # their tiles take the room of a third block
            tile = replace(tile, stages=min(tile.stages, 2))
    full = (batch, heads, queries, keys)
    tiles_m, tiles_n = triton.cdiv(longest[0], tile.m), triton.cdiv(longest[1], tile.n)
    group = heads // key.shape[1]
    if work == "keys":
        tiles, programs = tiles_n, tiles_n * key.shape[1] * sequences
    elif work == "bias":
        own = layouts[-1].shape
        tiles, programs = tiles_m, tiles_m * tiles_n * own[0] * own[1]
    else:
        tiles, programs = tiles_m, tiles_m * heads * sequences
    shared = (batch, *layouts[-1].shape[:2]) if work == "bias" else ()
    # With a cap the score is cap·tanh(products·scale / cap); exp2 wants a factor log₂e on top.
    factors = (f.scale * _LOG2_E, 0.0)
    if f.soft_cap:
        factors = (f.scale / f.soft_cap, f.soft_cap * _LOG2_E)
    d0, d1 = shapes.parts(size)
    v0, v1 = shapes.parts(value_size)
    return Launch(
        kernel, programs,
        (
            *shared, tiles, heads, group, queries, keys,
            *(stride for layout in layouts for stride in layout.strides),
            *_strides(bias, full), *_strides(mask, full),
            heads if slopes is not None and len(slopes.shape) == 2 else 0,
            *factors, f.scale, f.left, f.right, f.seed,
            threshold(f.dropout), 1 / (1 - f.dropout),
        ),
        {
            "SIZE": size, "D0": d0, "D1": d1, "VALUE_SIZE": value_size, "V0": v0, "V1": v1,
            "BLOCK_M": tile.m, "BLOCK_N": tile.n, "CAPPED": f.soft_cap > 0,
            "LEFT": f.left != UNBOUNDED, "RIGHT": f.right != UNBOUNDED, "DROPS": f.dropout > 0,
            "FOLDS": f.scale > 0 and not f.soft_cap and not any((bias, mask, slopes)),
            "INDEX": _compat.index_dtype(*layouts), "PRECISION": f.precision,
            "EXACT": query.dtype is torch.float32 and f.precision == "ieee",
            "UPCAST": _compat.upcasts_dot(query.dtype), "SPLIT": tile.split,
        },
        {"num_warps": tile.warps, "num_stages": tile.stages},
    )  # fmt: skip
