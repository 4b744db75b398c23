"""matvec_nf4 by a table of pairs in shared memory and 16-bit tensor cores, in Gluon.

A weight of 4 bits leaves few instructions for each value before the arithmetic, not the memory,
sets the time. So two codes are looked up at once: a byte of the weight is the number of one of 256
pairs of levels. These lie in shared memory 32 times, once for each of its banks, so that a warp
reads 32 of them in one go whatever the bytes are. A pair is one register of the tensor cores' left
operand as it stands, and x, as it stands, is the right one.

A warp takes 16 rows of the weight and steps along them 128 columns at a time: 16 bytes a thread of
two rows, whose columns go to the tensor core in the order in which they lie. Two scales meet in
one product. They stay apart because the right operand has 8 columns: four rows of x over the first
block of 64, zeros elsewhere, and the same rows over the second. The other four rows of x, if any,
take a second product with the same pairs. All warps of a program share the rows and meet at the
end of them; while they do, the codes of the program's next rows are on their way. One row of x or
two have kernels of their own where sizes allow it (row.py, single.py).

Levels are rounded to x's dtype after a factor common to all, by which they happen to lie nearest
to such numbers; torch's own product rounds levels times scales, which errs more.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools

import torch

from triton_kernels import _compat
from triton_kernels._compat import Launch, Layout
from triton_kernels._gluon import gl, gluon
from triton_kernels.ops.quantised import row, shapes, single
from triton_kernels.ops.quantised.codes import BLOCK
from triton_kernels.ops.quantised.integer import load_16_bytes
from triton_kernels.ops.quantised.table import (
    IN_BF16_TWICE,
    IN_F16_TWICE,
    OPERANDS_TWICE,
    UNITS,
    codes_of,
    filled,
    sums_of_unit,
    table_of,
)


@gluon.jit
def _scales(
    scale, at, first, blocks, there, quarter, LAYOUT: gl.constexpr, EVEN: gl.constexpr,
    PAIRED: gl.constexpr,
):  # fmt: skip
    """Of a thread's blocks in two units."""
    if PAIRED:  # four blocks' in one load, of which two are kept
        units = gl.arange(0, 2, gl.SliceLayout(0, gl.SliceLayout(1, LAYOUT)))[None, None, :]
        both = scale.to(gl.pointer_type(gl.int64), bitcast=True)
        both = both + gl.expand_dims(at // 2, 2) + units
        if EVEN:
            both = gl.load(both)
        else:
            within = gl.expand_dims(there, 2) & (gl.expand_dims(first, 2) + 2 * units < blocks)
            both = gl.load(both, mask=within, other=0)
        both = gl.where(gl.expand_dims(quarter, 2) < 2, both, both >> 32)
        return gl.split(both.to(gl.int32).to(gl.float32, bitcast=True))
    else:
        own = first + quarter // 2
        at += quarter // 2
        return (
            gl.load(scale + at, mask=there & (own < blocks), other=0.0),
            gl.load(scale + at + 2, mask=there & (own + 2 < blocks), other=0.0),
        )


@gluon.jit
def _add_unit(
    acc, low, high, base, x_at, x_on, mine, low_scale, high_scale,
    ROWS: gl.constexpr, BF16: gl.constexpr,
):  # fmt: skip
    """Adds two blocks' sums of rows g and g + 8, to 2, 4 or 8 sums of a thread."""
    a = load_16_bytes(x_at, mine)
    b = load_16_bytes(x_at + 8, mine)
    c = load_16_bytes(x_at + 16, mine)
    d = load_16_bytes(x_at + 24, mine)
    if ROWS <= 4:
        s = sums_of_unit(low, high, base, (a, b, c, d), BF16)
        if ROWS == 1:
            return acc[0] + s[0] * low_scale, acc[1] + s[2] * high_scale
        else:
            return (
                acc[0] + s[0] * low_scale, acc[1] + s[2] * high_scale,
                acc[2] + s[1] * low_scale, acc[3] + s[3] * high_scale,
            )  # fmt: skip
    else:
        e = load_16_bytes(x_at + x_on, mine)
        f = load_16_bytes(x_at + x_on + 8, mine)
        g = load_16_bytes(x_at + x_on + 16, mine)
        h = load_16_bytes(x_at + x_on + 24, mine)
        s = gl.inline_asm_elementwise(
            IN_BF16_TWICE if BF16 else IN_F16_TWICE, OPERANDS_TWICE,
            [low[0], low[1], low[2], low[3], high[0], high[1], high[2], high[3], base,
             a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3],
             c[0], c[1], c[2], c[3], d[0], d[1], d[2], d[3],
             e[0], e[1], e[2], e[3], f[0], f[1], f[2], f[3],
             g[0], g[1], g[2], g[3], h[0], h[1], h[2], h[3]],
            dtype=(gl.float32, gl.float32, gl.float32, gl.float32,
                   gl.float32, gl.float32, gl.float32, gl.float32), is_pure=True, pack=1,
        )  # fmt: skip
        return (
            acc[0] + s[0] * low_scale, acc[1] + s[2] * high_scale,
            acc[2] + s[1] * low_scale, acc[3] + s[3] * high_scale,
            acc[4] + s[4] * low_scale, acc[5] + s[6] * high_scale,
            acc[6] + s[5] * low_scale, acc[7] + s[7] * high_scale,
        )  # fmt: skip


@gluon.jit
def _zeros(zero, ROWS: gl.constexpr):
    if ROWS == 1:
        return zero, zero
    elif ROWS <= 4:
        return zero, zero, zero, zero
    else:
        return zero, zero, zero, zero, zero, zero, zero, zero


@gluon.jit
def _matvec_nf4(
    x, codes, scale, pairs, y, n, blocks, unit,
    ROWS: gl.constexpr, TILES: gl.constexpr, WARPS: gl.constexpr, EVEN: gl.constexpr,
    PAIRED: gl.constexpr,
):  # fmt: skip
    """x: (ROWS, 64·blocks); codes: (n, 32·blocks) bytes; y: (ROWS, n)."""
    layout: gl.constexpr = gl.BlockedLayout([TILES, 1, 2], [1, 32, 1], [1, WARPS, 1], [2, 0, 1])
    flat: gl.constexpr = gl.SliceLayout(2, layout)
    thread = gl.arange(0, 32 * WARPS, gl.SliceLayout(0, flat))
    tile = gl.arange(0, TILES, gl.SliceLayout(1, flat))[:, None]
    group, quarter = (thread % 32 // 4)[None, :], (thread % 4)[None, :]
    STEP: gl.constexpr = 4 * WARPS  # blocks: two units a warp
    BF16: gl.constexpr = x.dtype.element_ty == gl.bfloat16
    first = (thread // 32 * 4)[None, :]
    own = first + quarter // 2
    base = filled(pairs, thread, WARPS)[None, :]
    # A thread's column of the right operand, which is zero over the other block.
    mine = (group // 4 == quarter // 2) & (group % 4 < ROWS)
    of_x = gl.minimum(group % 4, ROWS - 1)
    x_on = (gl.minimum(group % 4 + 4, ROWS - 1) - of_x) * (blocks * 64)
    row = (gl.program_id(0) * TILES + tile) * 16 + group
    low_at, high_at = (
        row.to(gl.int64) * blocks + first,
        (row + 8).to(gl.int64) * blocks + first,
    )
    in_low, in_high, there, also = row < n, row + 8 < n, own < blocks, own + 2 < blocks
    if EVEN:
        in_low, in_high, there, also = row >= 0, row >= 0, own >= 0, own >= 0
    low = codes_of(codes + low_at * 32 + quarter * 16, there & in_low)
    high = codes_of(codes + high_at * 32 + quarter * 16, there & in_high)
    low_scales = _scales(scale, low_at, first, blocks, in_low, quarter, layout, EVEN, PAIRED)
    high_scales = _scales(scale, high_at, first, blocks, in_high, quarter, layout, EVEN, PAIRED)
    tiles = gl.cdiv(n, 16 * TILES)
    zero = gl.zeros([TILES, 32 * WARPS], gl.float32, flat)
    for turn in range(gl.program_id(0), tiles, gl.num_programs(0)):
        acc = _zeros(zero, ROWS)
        x_at = x + of_x * (blocks * 64) + first * 64 + quarter * 32
        for start in range(0, blocks, STEP):
            # What comes next is on its way while this is looked up: the second unit; then the
            # row's next blocks, or the program's next rows, or after the last these rows again.
            next_low = codes_of(codes + low_at * 32 + quarter * 16 + 64, also & in_low)
            next_high = codes_of(codes + high_at * 32 + quarter * 16 + 64, also & in_high)
            acc = _add_unit(
                acc, low, high, base, x_at, x_on, there & mine, low_scales[0], high_scales[0],
                ROWS, BF16,
            )  # fmt: skip
            more = start + STEP < blocks
            on = gl.where(turn + gl.num_programs(0) < tiles, gl.num_programs(0) * 16 * TILES, 0)
            on = gl.where(more, 0, on)
            delta = gl.where(more, STEP, on.to(gl.int64) * blocks - start)
            row += on
            low_at += delta
            high_at += delta
            ahead = gl.where(more, start + STEP, 0)
            now = also
            in_low, in_high = row < n, row + 8 < n
            there, also = own + ahead < blocks, own + 2 + ahead < blocks
            if EVEN:
                in_low, in_high, there, also = row >= 0, row >= 0, own >= 0, own >= 0
            low = codes_of(codes + low_at * 32 + quarter * 16, there & in_low)
            high = codes_of(codes + high_at * 32 + quarter * 16, there & in_high)
            low_scale, high_scale = low_scales[1], high_scales[1]
            low_scales = _scales(
                scale,
                low_at,
                first + ahead,
                blocks,
                in_low,
                quarter,
                layout,
                EVEN,
                PAIRED,
            )
            high_scales = _scales(
                scale,
                high_at,
                first + ahead,
                blocks,
                in_high,
                quarter,
                layout,
                EVEN,
                PAIRED,
            )
            acc = _add_unit(
                acc, next_low, next_high, base, x_at + 128, x_on, now & mine, low_scale,
                high_scale, ROWS, BF16,
            )  # fmt: skip
            x_at += STEP * 64
        for i in gl.static_range(len(acc)):
            _store(
                y,
                acc[i],
                turn,
                i % 2 * 8,
                i // 4 * 4 + i // 2 % 2,
                n,
                unit,
                ROWS,
                TILES,
                WARPS,
            )


@gluon.jit
def _store(
    y, acc, turn, below, column, n, unit,
    ROWS: gl.constexpr, TILES: gl.constexpr, WARPS: gl.constexpr,
):  # fmt: skip
    """Adds up warps and blocks: of x's rows c and c + 2, 8 rows of each tile from ``below`` on."""
    out: gl.constexpr = gl.BlockedLayout([1, 1, 1], [2, 8, 2], [1, WARPS, 1], [2, 1, 0])
    total = gl.sum(gl.sum(gl.reshape(acc, [TILES, WARPS, 8, 2, 2]), 3), 1)
    total = gl.convert_layout(total, out) * unit
    tile = gl.arange(0, TILES, gl.SliceLayout(1, gl.SliceLayout(2, out)))[:, None, None]
    group = gl.arange(0, 8, gl.SliceLayout(0, gl.SliceLayout(2, out)))[None, :, None]
    half = gl.arange(0, 2, gl.SliceLayout(0, gl.SliceLayout(1, out)))[None, None, :]
    row = (turn * TILES + tile) * 16 + group + below
    column += 2 * half
    gl.store(
        y + column * n + row,
        total.to(y.dtype.element_ty),
        mask=(row < n) & (column < ROWS),
    )


@functools.lru_cache(maxsize=1024)
def _plan(x: Layout, codes: Layout, tile: shapes.PairTile | None) -> Launch:
    (rows, k), n = x.shape, codes.shape[0]
    tile = tile or shapes.pair_tile(n, rows, _compat.device_of(x.device))
    even = n % (16 * tile.tiles) == 0 and k % (4 * BLOCK * tile.warps) == 0
    return Launch(
        _matvec_nf4, tile.programs, (n, k // BLOCK, 1 / UNITS[x.dtype]),
        {
            "ROWS": rows, "TILES": tile.tiles, "WARPS": tile.warps, "EVEN": even,
            "PAIRED": k % (2 * BLOCK) == 0,
        },
        {"num_warps": tile.warps, **({"maxnreg": tile.registers} if tile.registers else {})},
    )  # fmt: skip


def matvec_nf4(
    x: torch.Tensor,
    codes: torch.Tensor,
    scale: torch.Tensor,
    tile: shapes.PairTile | None = None,
) -> torch.Tensor:
    """x·wᵀ of x in float16 or bfloat16."""
    if tile is None and row.fits(codes.shape[0], x.shape[1], x.shape[0]):
        return row.matvec_nf4(x, codes, scale)
    if tile is None and single.fits(codes.shape[0], x.shape[1], x.shape[0]):
        return single.matvec_nf4(x, codes, scale)
    y = torch.empty((x.shape[0], codes.shape[0]), dtype=x.dtype, device=x.device)
    if y.numel():
        x, codes = x.contiguous(), codes.contiguous()
        launch = _plan(Layout.of(x), Layout.of(codes), tile)
        launch(x, codes, scale.contiguous(), table_of(x.device, x.dtype), y)
    return y
