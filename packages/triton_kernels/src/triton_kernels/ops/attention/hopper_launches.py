"""The launches of attention's backward on Hopper, kept for the next call with inputs so laid out.

A call is a few *steps*: some heads at a time, or some keys of all heads, as much of ds as may be
held. Each makes the gradients of keys and values and, where ds is kept, of the queries and of the
bias from it. What a launch depends on besides addresses is settled here once.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import torch

from triton_kernels._compat import Launch, Layout
from triton_kernels._gluon import TensorDescriptor
from triton_kernels.ops.attention import (
    hopper_bias,
    hopper_bits,
    hopper_drops,
    hopper_narrow,
    hopper_queries,
    hopper_wide,
)
from triton_kernels.ops.attention.features import UNBOUNDED, Features
from triton_kernels.ops.attention.hopper_forward import descriptor
from triton_kernels.ops.attention.hopper_layouts import ragged, rows_layout, tile_layout
from triton_kernels.ops.attention.hopper_shares import (
    Part,
    Piece,
    Tiling,
    bytes_of_a_head,
    fits,
    pieces,
    section,
    stretch,
    tiling,
    way,
)
from triton_kernels.ops.attention.layout import block_width

_MANY_TILES = 32
"""Of a head's rows, from which on sections of heads make up for what they read more."""
_OPTIONS = {"num_warps": 4, "maxnreg": 168}


class Step(NamedTuple):
    """A part of the work."""

    of_drops: Launch | None
    """Of words, ``cu_q`` and ``cu_k``, with the seed's halves."""
    of_keys: Launch
    """Of query, key, value, grad, rows, dk, dv, ds, slopes, mask's words, the list of packed
    sequences or anything, dropout's words, and of narrow heads bias or key, the buffer of dq, and
    the bias's gradient or key."""
    of_rows: Launch | None
    """Of ds, key, dq, sums, the list or anything."""
    of_bias: Launch | None
    """Of ds and the bias's gradient."""
    whole: bool = False
    """Whether ds is kept as the bias's gradient."""


class Plan(NamedTuple):
    """What calls with inputs so laid out have in common."""

    tile: Tiling
    narrow: bool
    """Whether ``hopper_narrow`` makes the gradients of keys and values."""
    ds: tuple[int, ...]
    """The shape of what is kept of ds."""
    words: int
    """Of what dropout keeps."""
    sums: tuple[int, ...]
    """Of the buffer of dq, or of its sums between steps; () if there is none."""
    adds: bool
    """Whether steps add to the bias's gradient, in float32."""
    clears: bool
    """Whether the bias's gradient has to be zeros before, as not all of it is visited."""
    steps: tuple[Step, ...]


def factors(f: Features) -> tuple[float, ...]:
    """Of scores for exp2, of scores before tanh, of dk and dq, of dv.

    Kept weights are enlarged at the end, and delta is made smaller instead.
    """
    cap, enlarge = f.soft_cap, 1 / (1 - f.dropout)
    of_scores = (cap or f.scale) / math.log(2), f.scale / cap if cap else 0.0
    return (*of_scores, f.scale * enlarge, enlarge)


def keys_launch(
    tile: Tiling, wide: int, programs: int, sizes: tuple[int, ...], row_blocks: int,
    f: Features, beside: tuple[Layout | None, ...], batches: tuple[int, int], **own: bool,
) -> Launch:  # fmt: skip
    """The launch that makes the gradients of keys and values.

    Args:
        tile: how work is divided.
        wide: heads' width, as ``block_width`` gives it.
        programs: how many.
        sizes: the kernel's parameters from ``heads_k`` to ``mask_row``.
        row_blocks: packed: of a head.
        f: the features, their tensors left out.
        beside: the layouts of their tensors.
        batches: of narrow heads: the first, and how many.
        own: PACKED, and of narrow heads NEIGHBOURS, WHOLE and ADDS.
    """
    bias, _, mask, slopes, _, _ = beside
    constants: dict[str, Any] = {
        "LEFT": f.left != UNBOUNDED, "RIGHT": f.right != UNBOUNDED, "CAPPED": f.soft_cap > 0,
        "SLOPED": slopes is not None, "MASKED": mask is not None, "DROPS": f.dropout > 0,
        "SLOTS": tile.slots, "PACKED": own["PACKED"],
    }  # fmt: skip
    narrow = wide <= 128
    if narrow:
        constants |= {
            "BIAS": bias is not None, "NEIGHBOURS": own["NEIGHBOURS"], "SPLIT": tile.split,
            "SHIFT": tile.shift, "WHOLE": own["WHOLE"], "ADDS": own["ADDS"],
        }  # fmt: skip
    of_bias = (*(bias.shape[:2] if bias else (0, 0)), *batches) if narrow else ()
    of_tensors = ragged if own["PACKED"] else descriptor
    rows, keys = (functools.partial(of_tensors, rows=n, width=wide) for n in (tile.rows, 64))
    described: dict[int, Any] = dict(enumerate((rows, keys, keys, rows, None, keys, keys, keys)))
    described[4] = functools.partial(_of_rows, rows=tile.rows)
    if tile.split:
        described[7] = tiles_of(tile, **own)
    if narrow:
        of_bias_tiles = functools.partial(descriptor, rows=tile.rows, width=64)
        described[12] = of_bias_tiles if bias else keys
        described[14] = _of_scores if own["ADDS"] else keys
    return Launch(
        (hopper_narrow if narrow else hopper_wide).backward, programs,
        (*sizes, *factors(f), row_blocks, *of_bias), constants, _OPTIONS, described,
    )  # fmt: skip


def rows_launch(
    tile: Tiling, wide: int, programs: int, sizes: tuple[int, ...], f: Features, **own: bool
) -> Launch:
    """The launch that makes the queries' gradient of ds.

    Args:
        tile: how work is divided.
        wide: heads' width, as ``block_width`` gives it.
        programs: how many.
        sizes: the kernel's parameters from ``heads_k`` to ``row_blocks``.
        f: the features.
        own: ADD, KEEP, NEIGHBOURS, PACKED, WHOLE and ADDS.
    """
    constants = {
        "KEYS": hopper_wide.KEYS if wide == 256 else hopper_narrow.KEYS,
        "LEFT": f.left != UNBOUNDED, "RIGHT": f.right != UNBOUNDED, "ADD": own["ADD"],
        "KEEP": own["KEEP"], "SLOTS": hopper_queries.SLOTS[wide], "NEIGHBOURS": own["NEIGHBOURS"],
        "PACKED": own["PACKED"], "WHOLE": own["WHOLE"],
    }  # fmt: skip
    keys = functools.partial(ragged if own["PACKED"] else descriptor, rows=64, width=wide)
    described = {0: tiles_of(tile, **own), 1: keys, 2: keys}
    scalars = (*sizes, factors(f)[2])
    return Launch(hopper_queries.multiply, programs, scalars, constants, _OPTIONS, described)


def _of_rows(x: torch.Tensor, rows: int) -> Any:
    """The descriptor of lse and delta, a line a head."""
    return TensorDescriptor(x, list(x.shape), list(x.stride()), [1, rows], rows_layout())


def tiles_of(tile: Tiling, WHOLE: bool = False, ADDS: bool = False, **_: bool) -> Any:
    """What makes the descriptor of ds."""
    if WHOLE:
        return _of_scores
    return _of_turned_tiles if ADDS else functools.partial(_of_tiles, rows=tile.rows)


def _of_scores(x: torch.Tensor) -> Any:
    """Of a bias or its gradient, in tiles of 64 rows and 64 keys."""
    return descriptor(x, rows=64, width=64)


def _of_turned_tiles(x: torch.Tensor) -> Any:
    """Of such tiles, one below the other."""
    return _of_scores(x[None, None])


def _of_tiles(x: torch.Tensor, rows: int) -> Any:
    return TensorDescriptor(
        x, list(x.shape), [rows, 1], [64, rows], tile_layout(rows, x.dtype)
    )  # fmt: skip


@functools.lru_cache(maxsize=4096)
def plan(
    layouts: tuple[Layout, ...], beside: tuple[Layout | None, ...], options: tuple[Any, ...],
    tile: Tiling | None, most: int, of_bias: Layout | None,
) -> Plan:  # fmt: skip
    """Of sequences of one length.

    Args:
        layouts: of grad, query, key, value.
        beside: of the features' tensors.
        options: the other features, with any seed.
        tile: None: as ``hopper_shares`` says.
        most: bytes for ds.
        of_bias: of the bias's gradient, if that is wanted.
    """
    f = Features(*(None,) * len(beside), *options)  # type: ignore[arg-type]
    _, query, key, _ = layouts
    bias, _, mask, slopes, _, _ = beside
    (batches, heads, m, width), (heads_k, n) = query.shape, key.shape[1:3]
    group, wide, lines = heads // heads_k, block_width(width), batches * heads
    edges = (m, n, f.left, f.right)
    if tile is None:
        keeps = of_bias is not None or mask is not None or f.dropout > 0
        keeps = keeps or (bias is not None and f.deterministic)  # 128 rows leave its tiles no room
        room = fits(bytes_of_a_head(edges, group, 64, 128), -(-n // 128), batches * heads_k)
        tile = tiling(wide, m * group, f.right != UNBOUNDED, f.deterministic, keeps, room)
    keys_of_a_block = hopper_wide.KEYS if wide == 256 else hopper_narrow.KEYS
    blocks, row_blocks = -(-n // keys_of_a_block), -(-m // tile.rows)
    together = 1
    if of_bias:
        together = hopper_bias.heads_that_share(of_bias.shape, batches, heads_k)
    of_a_head = bytes_of_a_head(edges, group, tile.rows, keys_of_a_block)
    work = [Piece(Part(0, batches * heads_k, 0, blocks), 0, batches)]
    kind = way(of_bias.shape if of_bias else None, batches, heads, f.deterministic, f.dropout)
    if tile.split:
        work = pieces(batches, heads_k, blocks, of_a_head, most, kind, together)
    first, last = work[0].part, work[-1].part
    adds = kind == "apart" and first.blocks == blocks and first.heads % together > 0
    neighbours = bias is not None and bias.shape[0] == 1
    bounded = f.left != UNBOUNDED or f.right != UNBOUNDED
    causal = f.left == UNBOUNDED and bounded
    sizes = (heads_k, group, m, n, f.left, f.right)
    of_batches = (
        heads if slopes is not None and len(slopes.shape) == 2 else 0,
        *hopper_bits.strides(None if mask is None else hopper_bits.shape_of(mask.shape, n)),
    )  # fmt: skip
    steps, held, words = [], 0, 0
    for part, batch, abreast, whole, added in work:
        own = {"NEIGHBOURS": neighbours, "PACKED": False, "WHOLE": whole, "ADDS": added}
        tiles, start = (i * keys_of_a_block // 64 for i in (part.blocks, part.start_block))
        length = stretch(*edges, tile.rows, keys_of_a_block, start, tiles) if tile.split else 0
        held = max(held, 0 if whole else part.heads * length)
        many = (abreast if neighbours else 1) if tile.near else section(part.blocks, wide)
        of_keys = keys_launch(
            tile, wide, part.heads * part.blocks,
            (*sizes, *part, length, batches, many, *of_batches), 0, f, beside, (batch, abreast),
            **own,
        )  # fmt: skip
        of_rows = target = of_drops = None
        if f.dropout:
            drawn = (part.start_head * group, part.heads * group, row_blocks)
            of_drops = hopper_drops.launch_of(
                f, sizes[:4], drawn, (start, tiles), batches, neighbours=neighbours
            )  # fmt: skip
            words = max(words, drawn[1] * row_blocks * tiles)
        if tile.split:
            own_lines, row_tiles = part.heads * group, -(-m // hopper_queries.ROWS[wide])
            of_rows = rows_launch(
                tile, wide, own_lines * row_tiles,
                (*sizes, part.start_head * group, tiles, start, length, abreast, own_lines, 0,
                 section(row_tiles) if causal and row_tiles >= _MANY_TILES else 1, batch), f,
                ADD=start > 0, KEEP=part.start_block + part.blocks < blocks, **own,
            )  # fmt: skip
        if of_bias and kind == "apart":
            target = hopper_bias.launch_of(
                of_bias.shape, batches, sizes, part, (start, tiles, length), tile.rows, together,
                adds, factors(f)[3],
            )  # fmt: skip
        steps.append(Step(of_drops, of_keys, of_rows, target, whole))
    sums: tuple[int, ...] = ()
    if not tile.split:
        sums = (lines * row_blocks * tile.rows * wide,)
    elif last.blocks < blocks:
        sums = (lines, -(-m // 128) * 128, wide)
    ds = (max(held, 1) * group * -(-row_blocks // 2) * 64, tile.rows)
    clears = kind != "apart" and bounded
    return Plan(
        tile, wide != 256, ds, words * hopper_drops.WORDS, sums, adds, clears, tuple(steps)
    )  # fmt: skip
