"""matvec_nf4 of one or two rows of x: ``pairs`` folded, so that loads touch half as many lines.

What bounds ``pairs`` are the lines of 128 bytes that its loads touch: 16 bytes a thread are 64
bytes of each of eight rows, half a line. Here they are 128 bytes of four rows. A row's two halves
go to the tensor cores as two rows of the left operand, g = 2r and 2r + 1, and meet the halves of x
that belong to them in different columns of the right one, of which two rows of x leave enough:

    column of x    0: half 0, first block    1: half 1, first block    2, 3: as 0, 1, of x's second
                   4: half 0, second block   5: half 1, second block   6, 7: as 4, 5   row, or zeros

So of what comes out, row 2r takes columns 0 and 4 and row 2r + 1 columns 1 and 5 (2 and 6, 3 and 7
for x's second row): again four blocks apart, which meet their scales. The table, the loads and the
products are those of ``pairs``.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools

import torch

from triton_kernels import _compat
from triton_kernels._compat import Launch, Layout
from triton_kernels._gluon import gl, gluon
from triton_kernels.ops.quantised import shapes
from triton_kernels.ops.quantised.codes import BLOCK
from triton_kernels.ops.quantised.integer import load_16_bytes
from triton_kernels.ops.quantised.table import (
    UNITS,
    codes_of,
    filled,
    sums_of_unit,
    table_of,
)

_WARPS = 8


@gluon.jit
def _add(low_sum, high_sum, low, high, base, x, odd, low_scale, high_scale, BF16: gl.constexpr):
    """Adds a thread's column of a block, of four rows each in ``low`` and ``high``."""
    s = sums_of_unit(low, high, base, x, BF16)
    low_sum += gl.where(odd, s[1], s[0]) * low_scale
    high_sum += gl.where(odd, s[3], s[2]) * high_scale
    return low_sum, high_sum


@gluon.jit
def _matvec_single(
    x, codes, scale, pairs, y, n, unit,
    ROWS: gl.constexpr, BLOCKS: gl.constexpr, WARPS: gl.constexpr,
):  # fmt: skip
    """x: (ROWS, 64·BLOCKS); codes: (n, 32·BLOCKS) bytes; y: (ROWS, n). See ``fits``."""
    layout: gl.constexpr = gl.BlockedLayout([1], [32], [WARPS], [0])
    STEP: gl.constexpr = 4 * WARPS  # blocks: a line of codes a warp
    BF16: gl.constexpr = x.dtype.element_ty == gl.bfloat16
    thread = gl.arange(0, 32 * WARPS, layout)
    group, quarter = thread % 32 // 4, thread % 4
    half = group % 2
    odd = half == 1
    always = thread >= 0
    first = thread // 32 * 4
    FOUR: gl.constexpr = 4 * BLOCKS  # rows on
    at = (gl.program_id(0) * 16 + group // 2).to(gl.int64) * BLOCKS + first
    codes_at = codes + at * 32 + (half * 64 + quarter * 16)
    scale_at = scale + at + (half * 2 + quarter // 2)
    # A thread's column of the right operand, if it is not one of zeros.
    of = group % 4 // 2  # x's rows
    mine = (group // 4 == quarter // 2) & (of < ROWS)
    x_first = x + of * (64 * BLOCKS) + first * 64 + half * 128 + quarter * 32
    a = codes_of(codes_at, always)
    b = codes_of(codes_at + FOUR * 32, always)
    a_scale = gl.load(scale_at)
    b_scale = gl.load(scale_at + FOUR)
    base = filled(pairs, thread, WARPS)  # while the first codes are on their way
    tiles = n // 16
    zero = gl.zeros([32 * WARPS], gl.float32, layout)
    for turn in range(gl.program_id(0), tiles, gl.num_programs(0)):
        sums0, sums1, sums2, sums3 = zero, zero, zero, zero
        x_at = x_first
        for start in range(0, BLOCKS, STEP):
            # What comes next is on its way while this is looked up.
            c = codes_of(codes_at + FOUR * 64, always)
            d = codes_of(codes_at + FOUR * 96, always)
            c_scale = gl.load(scale_at + FOUR * 2)
            d_scale = gl.load(scale_at + FOUR * 3)
            words = (
                load_16_bytes(x_at, mine), load_16_bytes(x_at + 8, mine),
                load_16_bytes(x_at + 16, mine), load_16_bytes(x_at + 24, mine),
            )  # fmt: skip
            sums0, sums1 = _add(sums0, sums1, a, b, base, words, odd, a_scale, b_scale, BF16)
            more = start + STEP < BLOCKS
            on = gl.where(turn + gl.num_programs(0) < tiles, gl.num_programs(0) * 16, 0)
            delta = gl.where(more, STEP, on.to(gl.int64) * BLOCKS - start)
            codes_at += delta * 32
            scale_at += delta
            a = codes_of(codes_at, always)
            b = codes_of(codes_at + FOUR * 32, always)
            a_scale = gl.load(scale_at)
            b_scale = gl.load(scale_at + FOUR)
            sums2, sums3 = _add(sums2, sums3, c, d, base, words, odd, c_scale, d_scale, BF16)
            x_at += STEP * 64
        _store(y, sums0, sums1, sums2, sums3, turn * 16, n, unit, ROWS, WARPS)


@gluon.jit
def _store(
    y, sums0, sums1, sums2, sums3, row, n, unit, ROWS: gl.constexpr, WARPS: gl.constexpr
):  # fmt: skip
    """Adds up warps, halves and blocks: 16 results of each row of x."""
    out: gl.constexpr = gl.BlockedLayout([1, 1, 1], [4, 2, 4], [WARPS, 1, 1], [2, 1, 0])
    sums = gl.join(gl.join(sums0, sums2), gl.join(sums1, sums3))
    # Warps, rows, (halves, blocks), x's rows, which of the four sums.
    sums = gl.sum(gl.sum(gl.reshape(sums, [WARPS, 4, 4, 2, 4]), 2), 0)
    sums = gl.convert_layout(sums, out) * unit
    within = gl.arange(0, 4, gl.SliceLayout(1, gl.SliceLayout(2, out)))[:, None, None]
    of = gl.arange(0, 2, gl.SliceLayout(0, gl.SliceLayout(2, out)))[None, :, None]
    which = gl.arange(0, 4, gl.SliceLayout(0, gl.SliceLayout(1, out)))[None, None, :]
    at = y + of * n + row + within + 8 * (which // 2) + 4 * (which % 2)
    gl.store(at, sums.to(y.dtype.element_ty), mask=(of < ROWS) & (within + which >= 0))


def fits(n: int, k: int, rows: int) -> bool:
    """Whether x has a row or two, and the weight ends with whole tiles and whole steps."""
    return 0 < rows <= 2 and n > 0 and n % 16 == 0 and k > 0 and k % (4 * BLOCK * _WARPS) == 0


@functools.lru_cache(maxsize=1024)
def _plan(x: Layout, codes: Layout, scale: Layout, tile: shapes.PairTile | None) -> Launch:
    k, n = x.shape[1], codes.shape[0]
    tile = tile or shapes.single_tile(n, _compat.device_of(x.device))
    return Launch(
        _matvec_single, min(tile.programs, n // 16), (n, 1 / UNITS[x.dtype]),
        {"ROWS": x.shape[0], "BLOCKS": k // BLOCK, "WARPS": tile.warps},
        {"num_warps": tile.warps, **({"maxnreg": tile.registers} if tile.registers else {})},
    )  # fmt: skip


def matvec_nf4(
    x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor, tile: shapes.PairTile | None = None
) -> torch.Tensor:
    """x·wᵀ of one row or two in float16 or bfloat16."""
    y = torch.empty((x.shape[0], codes.shape[0]), dtype=x.dtype, device=x.device)
    x, codes, scale = x.contiguous(), codes.contiguous(), scale.contiguous()
    launch = _plan(Layout.of(x), Layout.of(codes), Layout.of(scale), tile)
    launch(x, codes, scale, table_of(x.device, x.dtype), y)
    return y
