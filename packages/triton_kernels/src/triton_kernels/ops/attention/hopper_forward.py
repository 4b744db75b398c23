"""FlashAttention's forward on Hopper, the host's half: tilings, descriptors, the launch.

The kernel is in ``hopper_attend``. What calls with inputs laid out alike have in common (the grid,
the order of tiles, descriptors without their address) is settled at the first and kept.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from triton_kernels import _compat
from triton_kernels._compat import Launch, Layout
from triton_kernels._gluon import TensorDescriptor, gl
from triton_kernels.ops.attention import bit_masks, hopper_layouts, hopper_order, packing
from triton_kernels.ops.attention.features import (
    UNBOUNDED,
    Features,
    empty_lse,
    empty_output,
    threshold,
)
from triton_kernels.ops.attention.hopper_attend import forward as _kernel
from triton_kernels.ops.attention.layout import block_width

_SECTION_BYTES = 16 << 20
"""Keys and values of packed sequences' heads that are worked on at a time."""
_STEPS_TO_ANCHOR = 64
"""Blocks of keys a program from which looking for their maxima costs more than a second launch."""
_STEPS_TO_WAIT = 200
"""Blocks of keys a program from which the second launch does not start beside the first: that costs
up to 4% of its time, and saves 5 µs."""
_LOG2E = 1 / math.log(2)
_LARGEST_CAP = 52.0
"""Up to which e^cap, times as many keys and as large values as there may be, is a float32."""
_SMALLEST_CAP = 24.0
"""From which weights of e^(-cap·tanh 1) are nothing beside one that is near 1."""
_NOTHING: tuple[Layout | None, ...] = (None,) * 6
"""Beside query, key and value, in most calls."""


class Tiling(NamedTuple):
    """How the forward divides its work."""

    keys: int
    """Keys of a block."""
    parties: int = 2
    """Warpgroups that attend, 64 rows of queries each."""
    slots: int = 2
    """Blocks of keys in shared memory."""
    v_slots: int = 2
    """Blocks of values, whose slots are given back later."""
    queries: int = 4
    """Slots of 64 rows of queries, or of outputs on their way out."""
    ping_pong: bool = False
    """Whether two warpgroups take turns at the tensor cores."""
    halves: bool = False
    """Whether an output leaves in halves through a slot of its own: its queries' slot is free early
    then, and two of them are enough."""
    kept: int = 0
    """Columns of queries that stay in registers through a tile."""
    ahead: bool = False
    """Whether the maximum of a block's scores is known before p·v of the last one is waited for."""
    anchored: bool = False
    """Whether the maximum of a tile's first block serves for all of its blocks. Where scores grow
    beyond it by more than bfloat16 can hold, a second launch does them again."""


def tiling(width: int, rows: int, causal: bool, plain: bool = True) -> Tiling:
    """The tiling for heads of this width, as ``block_width`` gives it, and so many rows.

    As measured on an H200; causal is any bound on the right, plain that there is nothing else.
    """
    if width == 64:
        if rows >= ((4096 if plain else 8192) if causal else 2048):
            return Tiling(keys=128, parties=3, slots=3, v_slots=3, queries=6, anchored=True)
        return Tiling(keys=128, slots=4, v_slots=4, anchored=causal)
    if width == 128:
        return Tiling(keys=128, v_slots=3, ahead=causal, anchored=True)
    if causal:
        return Tiling(keys=64, queries=2, halves=True, ahead=True, anchored=True)
    return Tiling(keys=64, queries=2, halves=True, kept=64)


def forward(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *features: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """The output and lse of what ``layout.forward_refuses`` does not refuse."""
    return attend(query, key, value, Features(*features))


def settled(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *features: Any
) -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
    """``forward`` of tensors laid out as these, with features that are no tensors."""
    f = Features(*features)
    assert f.tensors == _NOTHING
    plan = _planned(query, key, value, f, None)

    def run(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *nothing: None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return _launched(plan, query, key, value, f)

    return run


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, features: Features,
    tile: Tiling | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """``forward`` in a tiling of one's own."""
    plan = _planned(query, key, value, features, tile)
    return _launched(plan, query, key, value, features)


def _planned(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, f: Features, tile: Tiling | None
) -> _Plan:
    layouts = Layout.of(query), Layout.of(key), Layout.of(value)
    beside = _NOTHING
    if f.tensors != _NOTHING:  # a tensor does not equal None
        beside = tuple(None if x is None else Layout.of(x) for x in f.tensors)
    # Then a query's own key is its last: the places of sequences need not be known for that.
    level = f.cu_q is not None and f.cu_k is not None and f.cu_q.data_ptr() == f.cu_k.data_ptr()
    return _plan(layouts, beside, f._replace(seed=0)[len(beside) :], level, tile)


def _launched(
    plan: _Plan, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, f: Features
) -> tuple[torch.Tensor, torch.Tensor]:
    out = empty_output(query, value.shape[-1])
    lse = empty_lse(query)
    places = notes = words = visits = strays = lse
    if f.cu_q is not None and f.cu_k is not None:
        places = packing.places(f.cu_q, f.cu_k, plan.rows, out, lse=lse)
        notes = torch.empty(plan.notes, dtype=torch.int32, device=query.device)
    if f.mask is not None:
        m, n = query.shape[2], key.shape[2]
        words = bit_masks.words_of(f.mask, n)
        visits = bit_masks.visits(words, m, n, f.left, f.right, plan.rows, plan.keys)
    if plan.mend is not None:
        strays = torch.empty(plan.strays, dtype=torch.int32, device=query.device)
    tensors = (
        query, key, value, out, out if f.bias is None else f.bias, value, out, lse,
        lse if f.sinks is None else f.sinks.contiguous(),
        lse if f.alibi_slopes is None else f.alibi_slopes.contiguous(), places, notes,
        words, visits, strays,
    )  # fmt: skip
    seed = ((f.seed + 2**31) % 2**32 - 2**31, f.seed >> 32)
    plan.launch(*tensors, varying=seed)
    if plan.mend is not None:
        plan.mend(*tensors, varying=seed)
    return out, lse


class _Plan(NamedTuple):
    """What calls with inputs so laid out have in common."""

    launch: Launch
    mend: Launch | None
    """Does again what programs of the first launch did whose scores strayed from their anchor."""
    strays: int
    """Words for that: one for each warpgroup that attends."""
    rows: int
    """Queries of a tile."""
    keys: int
    """Keys of a block."""
    notes: int
    """Words for what programs note of the tiles of packed sequences that they take."""


@functools.lru_cache(maxsize=4096)
def _plan(
    layouts: tuple[Layout, Layout, Layout], beside: tuple[Layout | None, ...],
    options: tuple[Any, ...], level: bool, tile: Tiling | None,
) -> _Plan:  # fmt: skip
    """level: packed sequences have as many queries as keys."""
    f = Features(*(None,) * len(beside), *options)  # type: ignore[arg-type]
    bias, sinks, mask, slopes, cu_q, _ = beside
    query, _key, value = layouts
    batches, heads, m, width = query.shape
    _, heads_k, n, width_v = value.shape
    wide, wide_v = block_width(width), block_width(width_v)
    processors = _compat.device_of(query.device).processors
    bare = not (any(beside[:4]) or f.soft_cap or f.dropout or f.left != UNBOUNDED)
    plain = bare and not cu_q
    given = tile is not None
    if tile is None:
        tile = tiling(wide, f.max_q if cu_q else m, f.right != UNBOUNDED, plain)
    seen = hopper_order.keys_seen(f.max_k if cu_q else n, f.left, f.right)
    steps = batches * heads * m * seen / (64 * tile.parties * tile.keys * processors)
    # Whether a second launch is worth while.
    again = tile.anchored if given else steps >= _STEPS_TO_ANCHOR
    if not plain:  # measured without the rest
        tile = tile._replace(kept=0, ahead=tile.ahead and bare)
    if bias:  # its blocks take the room of a third slot of values, or of outputs
        tile = tile._replace(v_slots=min(tile.v_slots, 2 if wide == 128 else 4), halves=False)
    rows = 64 * tile.parties
    tiles = batches * heads * -(-m // rows)
    if cu_q:
        tiles = packing.most_tiles(m, cu_q.shape[0] - 1, rows) * heads
    wide_o = wide_v // 2 if tile.halves and wide_v == wide else wide_v
    # Without room for the next queries, a block of threads has one tile.
    persistent = wide_o != wide or tile.queries >= 2 * tile.parties
    programs = min(tiles, processors) if persistent else tiles
    order = "heads"
    section = 1
    of_a_key = (wide + wide_v) * query.dtype.itemsize
    capacity = 0
    if cu_q:  # each takes the next tile when it is done with one, but never more than its share
        section = _SECTION_BYTES // of_a_key
        capacity = 4 * -(-tiles // programs) + 8
    elif f.right != UNBOUNDED:
        order = "sections"
        lengths = hopper_order.blocks(m, n, f.left, f.right, rows, tile.keys)
        live = n if f.left == UNBOUNDED else min(n, f.left + max(f.right, 0) + rows)
        section = hopper_order.section(
            lengths, batches * heads, heads // heads_k, live * of_a_key, programs
        )
    once = not mask and (level or not cu_q)
    once = once and hopper_order.cut_once(*(0, 0) if cu_q else (m, n), f.right)
    scale, cap = f.scale, f.soft_cap
    # Weights up to e^cap, which are as small a part of bfloat16's range as of float32's.
    alone = query.dtype is torch.bfloat16 and not (bias or sinks or slopes)
    bounded = alone and 0 < cap <= _LARGEST_CAP
    again = again and persistent
    bent = again and alone and not mask and cap >= _SMALLEST_CAP and wide < 256
    # Rows that see nothing are told from those whose weights are nothing by the second launch.
    bent = bent and (f.right == UNBOUNDED or (level if cu_q else n >= m))
    strides = empty_output(query.example(), width_v).stride()
    anchored = again and tile.anchored and query.dtype is torch.bfloat16
    anchored = anchored and not (slopes or cap)
    anchored = anchored and (level or not cu_q or f.right == UNBOUNDED)
    hides = bool(bias or mask)
    if hides:  # measured for heads of 128 only
        anchored = anchored and wide == 128 and not f.dropout
    else:
        anchored = anchored and hopper_order.sees_first(*(0, 0) if cu_q else (m, n), f.right)
    anchored = anchored or bent
    early = _compat.starts_early(_compat.device_of(query.device))
    early = early and (cu_q is not None or steps < _STEPS_TO_WAIT)
    constants = {
        "LEFT": f.left != UNBOUNDED, "RIGHT": f.right != UNBOUNDED, "CAPPED": bool(cap),
        "SLOPED": len(slopes.shape) if slopes else 0, "BIAS": bias is not None,
        "SINKS": sinks is not None, "PACKED": cu_q is not None,
        "PING_PONG": tile.ping_pong, "ONCE": once, "ORDER": order,
        "PARTIES": tile.parties, "SLOTS": tile.slots, "V_SLOTS": tile.v_slots,
        "QUERIES": tile.queries, "REGISTERS": 240 if tile.parties == 2 else 160,
        "KEPT": tile.kept, "AHEAD": tile.ahead or anchored, "AFTER": f.right != 0,
        "BOUNDED": bounded, "SHARED": bounded and wide == 64 and not mask, "ANCHORED": False,
        "HIDES": hides, "MASKED": mask is not None, "DROPS": f.dropout > 0,
        "BENT": False, "EARLY": early,
    }  # fmt: skip
    first = {"ANCHORED": anchored, "BENT": bent, "BOUNDED": bounded or bent}

    described: dict[int, Callable[[torch.Tensor], Any]] = {
        place: functools.partial(descriptor, rows=high, width=across)
        for place, (high, across) in enumerate((
            (64, wide), (tile.keys, wide), (tile.keys, wide_v), (64, wide_o),
            (64, tile.keys if bias else wide_o),
        ))
    }  # fmt: skip
    if cu_q:  # values once more, for the blocks in which their sequence ends
        described[5] = functools.partial(hopper_layouts.ragged, rows=tile.keys, width=wide_v)

    def launch(mends: bool) -> Launch:
        return Launch(
            _kernel, programs,
            (
                batches, heads, heads // heads_k, m, n, f.left, f.right, section,
                strides[1], strides[2],
                width_v, capacity, *(bias.shape[:2] if bias else (0, 0)), (cap or scale) * _LOG2E,
                scale / cap if cap else 0.0, int(mends), *(mask.shape[:3] if mask else (0, 0, 0)),
                threshold(f.dropout), 1 / (1 - f.dropout),
            ),
            constants if mends else {**constants, **first},
            {
                "num_warps": 4, "maxnreg": 168 if tile.parties == 2 else 128,
                **({"launch_pdl": True} if early and (mends or cu_q) else {}),
            },
            described,
        )  # fmt: skip

    mend = launch(True) if anchored else None
    words = programs * capacity * packing.NOTE
    return _Plan(launch(False), mend, programs * tile.parties, rows, tile.keys, words)


def descriptor(x: torch.Tensor, rows: int, width: int) -> Any:
    """Of (batch, heads, length, up to width) in any strides, in blocks of rows of one head."""
    strides = list(x.stride())
    for axis in (2, 1, 0):  # a stride over one element is never used, but has to be a valid one
        if x.shape[axis] == 1:
            strides[axis] = -(-x.shape[axis + 1] * strides[axis + 1] // 64) * 64
    block = [1, 1, rows, width]
    return TensorDescriptor(x, list(x.shape), strides, block, _shared_layout(rows, width, x.dtype))


@functools.cache
def _shared_layout(rows: int, width: int, dtype: torch.dtype) -> Any:
    element = {torch.float16: gl.float16, torch.bfloat16: gl.bfloat16}[dtype]
    return gl.NVMMASharedLayout.get_default_for([1, 1, rows, width], element)
