"""What the Gluon kernels take: features, sizes, and layouts that descriptors can describe."""

from __future__ import annotations

import functools
from typing import Any

import torch

from triton_kernels import _compat
from triton_kernels._compat import Layout
from triton_kernels.backends import gluon_refuses
from triton_kernels.ops.attention import hopper_shares
from triton_kernels.ops.attention.features import UNBOUNDED, Features

ALIGNMENT = 16
"""Bytes that a descriptor's base and strides must be a multiple of."""
WIDTHS = ((64, 64), (128, 128), (256, 256), (256, 128))
"""Widths of query and value that the forward has a tiling for."""

LATENT_RANK, LATENT_ROTATED = 512, 64
"""Columns of a latent and of its rotated part, as DeepSeek-V2 and V3 have them."""
LATENT_ROWS = 64
"""Heads times tokens that a block of threads decodes for."""
LATENT_FEW = 32
"""Up to as many rows the products are made crosswise, by a kernel that leaves none empty."""
LATENT_KEYS = 64
"""Pages hold a multiple of as many keys, so that a tile lies in one page."""

DECODE_SIZE, DECODE_TILE, DECODE_MOST = 128, 64, 512
"""Columns of a head whose keys are decoded in tiles of so many, up to so many by each processor."""
DECODE_ROWS = 16
"""Heads of a group times tokens that a program decodes for."""


def block_width(width: int) -> int:
    """The power of two that a head's width is filled up to with zeros, by the loads themselves."""
    return max(64, 1 << (width - 1).bit_length())


def forward_refuses(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *features: Any
) -> str | None:
    """Why the forward cannot take these inputs, or None."""
    f = Features(*features)
    if reason := _gluon_refuses(query) or _features_refuse(f):
        return reason
    if f.cu_q is not None and len(f.cu_q) < 2:
        return "there are no sequences"
    if f.bias is not None and (reason := _bias_refuses(f.bias, query, key)):
        return reason
    widths = (block_width(query.shape[-1]), block_width(value.shape[-1]))
    if widths not in WIDTHS:
        return f"it has no tiling for widths {query.shape[-1]} and {value.shape[-1]}"
    return _layouts_refuse(Layout.of(query), Layout.of(key), Layout.of(value))


def backward_refuses(
    grad: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    lse: torch.Tensor, delta: torch.Tensor, *features: Any,
) -> str | None:  # fmt: skip
    """Why the backward cannot take these inputs, or None."""
    f = Features(*features)
    if reason := _gluon_refuses(query) or _features_refuse(f._replace(mask=None)):
        return reason
    narrow = query.shape[-1] <= 128
    if not narrow and f.bias is not None:
        return "for heads of more than 128 it has no bias"
    if f.bias is not None and (reason := _bias_refuses(f.bias, query, key)):
        return reason
    if f.cu_q is not None and (reason := _packs_refuse(f, query, key, narrow)):
        return reason
    if block_width(query.shape[-1]) != block_width(value.shape[-1]):
        return "its values are as wide as its keys"
    return _layouts_refuse(*map(Layout.of, (query, key, value, grad)))


def latent_refuses(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor | None,
    lengths: torch.Tensor | None, page_table: torch.Tensor | None, sinks: torch.Tensor | None,
    scale: float, soft_cap: float, left: int, value_size: int,
) -> str | None:  # fmt: skip
    """Why the decoding over latents cannot take these inputs, or None."""
    if reason := _gluon_refuses(query):
        return reason
    size = query.shape[-1]
    if (value_size, size - value_size) != (LATENT_RANK, LATENT_ROTATED):
        return f"it is made for latents of {LATENT_RANK} + {LATENT_ROTATED} columns"
    if page_table is not None and keys.shape[2] % LATENT_KEYS:
        return f"its pages hold a multiple of {LATENT_KEYS} keys"
    if scale <= 0:
        return "its maxima need a positive scale"
    return _layouts_refuse(Layout.of(query), Layout.of(keys))


def decode_refuses(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor | None,
    lengths: torch.Tensor | None, page_table: torch.Tensor | None, sinks: torch.Tensor | None,
    scale: float, soft_cap: float, left: int, value_size: int,
) -> str | None:  # fmt: skip
    """Why the decoding of short caches cannot take these inputs, or None."""
    if reason := _gluon_refuses(query):
        return reason
    if values is None or page_table is not None or soft_cap or left != UNBOUNDED:
        return "it takes neither pages nor a window nor a soft cap"
    if query.shape[-1] != DECODE_SIZE or value_size != DECODE_SIZE:
        return f"it is made for heads of {DECODE_SIZE}"
    if query.shape[1] // max(keys.shape[1], 1) * query.shape[2] > DECODE_ROWS:
        return f"it takes up to {DECODE_ROWS} heads of a group times tokens"
    if scale <= 0:
        return "its maxima need a positive scale"
    layouts = [Layout.of(x) for x in (query, keys, values)]
    if reason := _layouts_refuse(*layouts):
        return reason
    part, splits = decode_shares(*layouts[:2])
    if splits < 2 or part > DECODE_MOST:
        return f"it shares caches among all processors, {DECODE_MOST} keys at most to each"
    return None


@functools.lru_cache(maxsize=4096)
def decode_shares(query: Layout, keys: Layout) -> tuple[int, int]:
    """Keys of a program, and how many programs share a head's: one a processor, of 256 or more."""
    batch, key_heads, capacity = query.shape[0], *keys.shape[1:3]
    most = max(1, _compat.device_of(query.device).processors // (batch * key_heads))
    part = max(-(-capacity // most), 4 * DECODE_TILE)
    part = -(-part // DECODE_TILE) * DECODE_TILE
    return part, -(-capacity // part)


def _gluon_refuses(query: torch.Tensor) -> str | None:
    if reason := gluon_refuses(query):
        return reason
    narrow = query.dtype in (torch.float16, torch.bfloat16)
    return None if narrow else "it multiplies float16 and bfloat16 only"


def _features_refuse(f: Features) -> str | None:
    if f.scale <= 0:
        return "its maxima need a positive scale"
    return None


def _packs_refuse(f: Features, query: torch.Tensor, key: torch.Tensor, narrow: bool) -> str | None:
    assert f.cu_q is not None
    if len(f.cu_q) < 2:
        return "there are no sequences"
    group = query.shape[1] // key.shape[1]
    room = hopper_shares.packed_bytes(query.shape[2], len(f.cu_q) - 1, f.max_k, group)
    if (f.deterministic or f.dropout or not narrow) and room > hopper_shares.MOST_BYTES:
        return "its sums of sequences so long in one order, or what it drops, take too much memory"
    return None


def _bias_refuses(bias: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> str | None:
    if bias.dtype is not query.dtype:
        return "its bias is of the query's dtype"
    if bias.shape[2:] != (query.shape[2], key.shape[2]):
        return "its bias has a row for every query and a column for every key"
    return _layouts_refuse(Layout.of(bias), names=("bias",))


@functools.lru_cache(maxsize=4096)
def _layouts_refuse(
    *layouts: Layout, names: tuple[str, ...] = ("query", "key", "value", "grad")
) -> str | None:
    for name, x in zip(names, layouts, strict=False):
        if 0 in x.shape:
            return f"an empty {name} has no descriptor"
        if x.shape[-1] * x.dtype.itemsize % ALIGNMENT:
            return f"rows of the {name} are not a multiple of {ALIGNMENT} bytes"
        if not x.aligned:
            return f"{name} does not begin at a multiple of {ALIGNMENT} bytes"
        if x.strides[-1] != 1:
            return f"a head of the {name} is not in one piece"
        for size, stride in zip(x.shape[:-1], x.strides[:-1], strict=True):
            # 0 is one: descriptors read what is broadcast over and over.
            if size > 1 and (stride < 0 or stride * x.dtype.itemsize % ALIGNMENT):
                return f"a stride of the {name} is no multiple of {ALIGNMENT} bytes"
    return None
