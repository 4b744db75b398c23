"""matvec_nf4 and matvec_int8 in whole numbers, on tensor cores, in Gluon.

At batch 1 a weight of 4 bits leaves some five instructions for each value before the arithmetic,
not the memory, sets the time. So activations become digits of 7 bits (digits.py), which int8
tensor cores multiply and add exactly; what remains is to look up the codes. NF4's levels become
whole numbers too, 7854 to 1, as two digits: level = 128·h + l - 8192. Four codes are looked up at
once by ``prmt``, which picks bytes out of 8: a code below 8 finds its digit in the first half of
the table and nothing in the second, one above the other way round, since digits have no sign and
bit 3 of a selector asks for copies of the sign. Both are or-ed: 15 instructions for 8 codes.

A warp takes 16 rows of the weight and steps along them in blocks of 64 columns; all warps of a
program share the rows and meet at the end. Columns go to the tensor core in the order in which
threads read them, 8 or 16 bytes each; the digits of x are read in the same order.
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
from triton_kernels.ops.quantised.codes import BLOCK, LEVELS
from triton_kernels.ops.quantised.digits import PLANES, digits_of

UNIT = 7853.75
"""What level 1 is as a whole number: of all up to 8191 the one that rounds 16 levels least."""
_OFFSET = 64


def table() -> list[tuple[int, int]]:
    """Each level's digits (h, l): round(UNIT·level) = 128·(h - 64) + l."""
    return [divmod(round(UNIT * level) + 128 * _OFFSET, 128) for level in LEVELS]


@functools.cache
def _words(device: torch.device) -> torch.Tensor:
    """The 16 digits h, then the 16 digits l, as 8 words, the first code's in the lowest byte.

    One of each for every thread of a warp: of a word that is the same for all, the compiler makes
    a constant and moves it to a register at each use.
    """
    digits = torch.tensor(list(zip(*table(), strict=True)), dtype=torch.uint8)
    return digits.view(torch.int32).view(8, 1).repeat(1, 32).to(device)


def _look_up_text() -> str:
    """16 codes each of rows g and g + 8 ($16, $17) to 16 registers of digits, by the table ($18-).

    $0-$3: h of the first four codes, of both rows in turn, then of the next four; $4-$7: the same
    of the upper word; $8-$15: l.
    """
    lines = [".reg .b32 w, v, a, b, w<4>;", "mov.b64 {w0, w1}, $16;", "mov.b64 {w2, w3}, $17;"]
    for half in (0, 1):  # of the 64 bits
        for group in (0, 1):  # of 4 codes
            for row in (0, 1):
                word = f"w{2 * row + half}"
                lines.append(f"shr.u32 w, {word}, 16;" if group else f"mov.b32 w, {word};")
                lines.append("xor.b32 v, w, 0x88888888;")
                for plane in (0, 1):
                    t = 18 + 4 * plane
                    lines.append(f"prmt.b32 a, ${t}, ${t + 1}, w;")
                    lines.append(f"prmt.b32 b, ${t + 2}, ${t + 3}, v;")
                    lines.append(f"or.b32 ${8 * plane + 4 * half + 2 * group + row}, a, b;")
    return "{" + " ".join(lines) + "}"


def _mma(sums: str, left: str, right: str) -> str:
    return (
        "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
        f"{{{sums}}}, {{{left}}}, {{{right}}}, {{{sums}}};"
    )


def _block_text() -> str:
    """Sums over a block of level·digit, exact, as floats: $4-$19 as looked up, $20-$23 x's digits.

    $24 and $25 are the sums of two columns of x's digits, 64 times which is taken off. The sums
    start at 1.5·2²³ as bits, so that read as floats they are that number plus the sum.
    """
    names = {plane: ", ".join(f"{plane}{i}" for i in range(4)) for plane in "hl"}
    lines = [".reg .b32 h<4>, l<4>;", ".reg .f32 f, g;"]
    lines += [f"mad.lo.s32 h{i}, ${24 + i % 2}, -64, 0x4B400000;" for i in range(4)]
    lines += [f"mov.b32 l{i}, 0x4B400000;" for i in range(4)]
    for half in (0, 1):
        right = f"${20 + 2 * half}, ${21 + 2 * half}"
        for plane, first in (("h", 4), ("l", 12)):
            left = ", ".join(f"${first + 4 * half + i}" for i in range(4))
            lines.append(_mma(names[plane], left, right))
    for i in range(4):
        lines += [
            f"mov.b32 f, h{i};", "sub.f32 f, f, 0f4B400000;",
            f"mov.b32 g, l{i};", "sub.f32 g, g, 0f4B400000;",
            f"fma.rn.f32 ${i}, f, 0f43000000, g;",
        ]  # fmt: skip
    return "{" + " ".join(lines) + "}"


def _step_text() -> str:
    """Sums over a block of code·digit: $4-$11 codes, of rows g and g + 8 in turn, $12-$15 x's."""
    first = _mma("c0, c1, c2, c3", "$4, $5, $6, $7", "$12, $13")
    second = _mma("c0, c1, c2, c3", "$8, $9, $10, $11", "$14, $15")
    start = "".join(f"mov.b32 c{i}, 0; " for i in range(4))
    end = "".join(f" mov.b32 ${i}, c{i};" for i in range(4))
    return "{ .reg .b32 c<4>; " + start + first + " " + second + end + " }"


_LOOK_UP = gl.constexpr(_look_up_text())
_BLOCK_SUMS = gl.constexpr(_block_text())
_STEP = gl.constexpr(_step_text())
_LOOK_UP_OPERANDS = gl.constexpr("=&r," * 16 + "l,l" + ",r" * 8)
_BLOCK_OPERANDS = gl.constexpr("=f," * 4 + ",".join(["r"] * 22))
_STEP_OPERANDS = gl.constexpr("=r," * 4 + ",".join(["r"] * 12))
_LOAD = gl.constexpr(
    "{ .reg .pred p; setp.ne.b32 p, $5, 0; mov.b32 $0, 0; mov.b32 $1, 0; mov.b32 $2, 0; "
    "mov.b32 $3, 0; @p ld.global.nc.v4.b32 {$0, $1, $2, $3}, [$4]; }"
)


@gluon.jit
def _load_16_bytes(pointers, mask):
    return gl.inline_asm_elementwise(
        _LOAD, "=&r,=&r,=&r,=&r,l,r", [pointers, mask.to(gl.int32)],
        dtype=(gl.int32, gl.int32, gl.int32, gl.int32), is_pure=True, pack=1,
    )  # fmt: skip


@gluon.jit
def _gathered(acc, tile, of: gl.constexpr, quarter, LAYOUT: gl.constexpr):
    """A thread's share of x's row ``of`` in two rows of the result, from one tile's sums."""
    left, right = gl.split(acc)
    low, high = gl.zeros_like(quarter).to(gl.float32), gl.zeros_like(quarter).to(gl.float32)
    for parity in gl.static_range(2):
        plane = tile * 8 + 2 * quarter + parity - 3 * of
        factor = gl.where(plane == 0, 1.0, gl.where(plane == 1, 128.0, 16384.0))
        factor = gl.where((plane >= 0) & (plane < 3), factor, 0.0)
        first, second = gl.split(right if parity else left)
        low += factor * gl.convert_layout(first, LAYOUT).to(gl.float32)
        high += factor * gl.convert_layout(second, LAYOUT).to(gl.float32)
    return low, high


@gluon.jit
def _store(
    y, x_scale, acc0, acc1, acc2, row_scale, quarter, n, unit,
    ROWS: gl.constexpr, TILES: gl.constexpr, WARPS: gl.constexpr, LAYOUT: gl.constexpr,
):  # fmt: skip
    """Adds up warps and digits; 16 results for each row of x."""
    out: gl.constexpr = gl.BlockedLayout([1], [32], [WARPS], [0])
    rows = gl.program_id(0) * 16 + gl.arange(0, 8, out)
    for of in gl.static_range(ROWS):
        low, high = _gathered(acc0, 0, of, quarter, LAYOUT)
        if TILES > 1:
            more_low, more_high = _gathered(acc1, 1, of, quarter, LAYOUT)
            low, high = low + more_low, high + more_high
        if TILES > 2:
            more_low, more_high = _gathered(acc2, 2, of, quarter, LAYOUT)
            low, high = low + more_low, high + more_high
        factor = gl.load(x_scale + of) * unit
        for half in gl.static_range(2):
            total = gl.sum(gl.reshape(high if half else low, [WARPS, 8, 4]), 2)
            total = gl.convert_layout(gl.sum(total, 0), out) * factor
            at = rows + 8 * half
            if row_scale is not None:
                total *= gl.load(row_scale + at, mask=at < n, other=0.0)
            gl.store(y + of * n + at, total.to(y.dtype.element_ty), mask=at < n)


@gluon.jit
def _joined(a, b, c, d):
    """A thread's sums of rows g, g, g + 8, g + 8 and columns 2t, 2t + 1, again, as (..., 2, 2)."""
    return gl.join(gl.join(a, c), gl.join(b, d))


@gluon.jit
def _nf4_tile(
    acc, a, digits, sums, first_column, group, depth, quarter, blocks, there, low_scale, high_scale,
    N_COLUMNS: gl.constexpr, EVEN: gl.constexpr,
):  # fmt: skip
    """Adds what a tile of 8 columns of digits makes; pointers are those of block and column 0."""
    column = first_column + group
    mine = first_column + 2 * quarter
    if EVEN:
        there = True
    b = _load_16_bytes(
        digits + column * (blocks * 64) + quarter * 16 + depth * 64, there & (column < N_COLUMNS)
    )
    left = gl.load(sums + mine * blocks + depth, mask=there & (mine < N_COLUMNS), other=0)
    right = gl.load(
        sums + (mine + 1) * blocks + depth, mask=there & (mine + 1 < N_COLUMNS), other=0
    )
    products = gl.inline_asm_elementwise(
        _BLOCK_SUMS, _BLOCK_OPERANDS,
        [a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12], a[13],
         a[14], a[15], b[0], b[1], b[2], b[3], left, right],
        dtype=(gl.float32, gl.float32, gl.float32, gl.float32), is_pure=True, pack=1,
    )  # fmt: skip
    return acc + _joined(
        gl.sum(products[0] * low_scale, 0), gl.sum(products[1] * low_scale, 0),
        gl.sum(products[2] * high_scale, 0), gl.sum(products[3] * high_scale, 0),
    )  # fmt: skip


@gluon.jit
def _nf4_blocks(codes, scale, depth, there, EVEN: gl.constexpr):
    """A thread's 16 codes and the scale of DEPTH blocks."""
    if EVEN:
        word = gl.load(codes + depth * 4, cache_modifier=".cg")
        factor = gl.load(scale + depth)
    else:
        word = gl.load(codes + depth * 4, mask=there, other=0, cache_modifier=".cg")
        factor = gl.load(scale + depth, mask=there, other=0.0)
    return word, factor


@gluon.jit
def _matvec_nf4(
    codes, digits, sums, scale, words, x_scale, y, n, blocks,
    ROWS: gl.constexpr, TILES: gl.constexpr, DEPTH: gl.constexpr, WARPS: gl.constexpr,
    UNIT: gl.constexpr, EVEN: gl.constexpr,
):  # fmt: skip
    layout: gl.constexpr = gl.BlockedLayout([DEPTH, 1], [1, 32], [1, WARPS], [0, 1])
    flat: gl.constexpr = gl.SliceLayout(0, layout)
    thread = gl.arange(0, 32 * WARPS, flat)
    group, quarter = (thread % 32 // 4)[None, :], (thread % 4)[None, :]
    first = (thread // 32)[None, :] * DEPTH
    depth = gl.arange(0, DEPTH, gl.SliceLayout(1, layout))[:, None]
    row = gl.program_id(0) * 16 + group
    in_low, in_high = row < n, row + 8 < n
    low_at, high_at = row.to(gl.int64) * blocks + first, (row + 8).to(gl.int64) * blocks + first
    low_codes, high_codes = codes + low_at * 4 + quarter, codes + high_at * 4 + quarter
    low_scales, high_scales = scale + low_at, scale + high_at
    digits += first * 64
    sums += first
    zero = gl.zeros([32 * WARPS], gl.float32, flat)
    acc0, acc1, acc2 = (_joined(zero, zero, zero, zero),) * 3
    at = words + (thread % 32)[None, :]
    w0, w1, w2, w3 = gl.load(at), gl.load(at + 32), gl.load(at + 64), gl.load(at + 96)
    w4, w5, w6, w7 = gl.load(at + 128), gl.load(at + 160), gl.load(at + 192), gl.load(at + 224)
    STEP: gl.constexpr = DEPTH * WARPS
    there = first + depth < blocks
    low, low_scale = _nf4_blocks(low_codes, low_scales, depth, there & in_low, EVEN)
    high, high_scale = _nf4_blocks(high_codes, high_scales, depth, there & in_high, EVEN)
    for start in range(0, blocks, STEP):
        # The next blocks are on their way while these are looked up; after the last, these again.
        step = gl.where(start + STEP < blocks, STEP, 0)
        low_codes += step * 4
        high_codes += step * 4
        low_scales += step
        high_scales += step
        ahead = first + depth + start + step < blocks
        next_low, next_low_scale = _nf4_blocks(low_codes, low_scales, depth, ahead & in_low, EVEN)
        next_high, next_high_scale = _nf4_blocks(
            high_codes, high_scales, depth, ahead & in_high, EVEN
        )
        a = gl.inline_asm_elementwise(
            _LOOK_UP, _LOOK_UP_OPERANDS, [low, high, w0, w1, w2, w3, w4, w5, w6, w7],
            dtype=(
                gl.int32, gl.int32, gl.int32, gl.int32, gl.int32, gl.int32, gl.int32, gl.int32,
                gl.int32, gl.int32, gl.int32, gl.int32, gl.int32, gl.int32, gl.int32, gl.int32,
            ), is_pure=True, pack=1,
        )  # fmt: skip
        acc0 = _nf4_tile(
            acc0, a, digits, sums, 0, group, depth, quarter, blocks, there, low_scale, high_scale,
            3 * ROWS, EVEN,
        )  # fmt: skip
        if TILES > 1:
            acc1 = _nf4_tile(
                acc1, a, digits, sums, 8, group, depth, quarter, blocks, there, low_scale,
                high_scale, 3 * ROWS, EVEN,
            )  # fmt: skip
        if TILES > 2:
            acc2 = _nf4_tile(
                acc2, a, digits, sums, 16, group, depth, quarter, blocks, there, low_scale,
                high_scale, 3 * ROWS, EVEN,
            )  # fmt: skip
        digits += STEP * 64
        sums += STEP
        low, high, low_scale, high_scale = next_low, next_high, next_low_scale, next_high_scale
        there = ahead
    _store(y, x_scale, acc0, acc1, acc2, None, thread % 4, n, 1 / UNIT, ROWS, TILES, WARPS, flat)


@gluon.jit
def _int8_tile(acc, a, b, digits, column, at, k, there, N_COLUMNS: gl.constexpr):
    x = _load_16_bytes(digits + column * k + at, there & (column < N_COLUMNS))
    sums = gl.inline_asm_elementwise(
        _STEP, _STEP_OPERANDS,
        [a[0], b[0], a[1], b[1], a[2], b[2], a[3], b[3], x[0], x[1], x[2], x[3]],
        dtype=(gl.int32, gl.int32, gl.int32, gl.int32), is_pure=True, pack=1,
    )  # fmt: skip
    return acc + _joined(
        gl.sum(sums[0], 0), gl.sum(sums[1], 0), gl.sum(sums[2], 0), gl.sum(sums[3], 0)
    )


@gluon.jit
def _matvec_int8(
    codes, digits, scale, x_scale, y, n, k,
    ROWS: gl.constexpr, TILES: gl.constexpr, DEPTH: gl.constexpr, WARPS: gl.constexpr,
):  # fmt: skip
    layout: gl.constexpr = gl.BlockedLayout([DEPTH, 1], [1, 32], [1, WARPS], [0, 1])
    flat: gl.constexpr = gl.SliceLayout(0, layout)
    thread = gl.arange(0, 32 * WARPS, flat)
    group, quarter = (thread % 32 // 4)[None, :], (thread % 4)[None, :]
    depth = (
        gl.arange(0, DEPTH, gl.SliceLayout(1, layout))[:, None] + (thread // 32)[None, :] * DEPTH
    )
    row = gl.program_id(0) * 16 + group
    low_row, high_row = row.to(gl.int64) * k, (row + 8).to(gl.int64) * k
    zero = gl.zeros([32 * WARPS], gl.int32, flat)
    acc0, acc1, acc2 = (_joined(zero, zero, zero, zero),) * 3
    for start in range(0, k, 64 * DEPTH * WARPS):
        at = start + depth * 64 + quarter * 16
        there = at < k
        a = _load_16_bytes(codes + low_row + at, there & (row < n))
        b = _load_16_bytes(codes + high_row + at, there & (row + 8 < n))
        acc0 = _int8_tile(acc0, a, b, digits, group, at, k, there, 3 * ROWS)
        if TILES > 1:
            acc1 = _int8_tile(acc1, a, b, digits, group + 8, at, k, there, 3 * ROWS)
        if TILES > 2:
            acc2 = _int8_tile(acc2, a, b, digits, group + 16, at, k, there, 3 * ROWS)
    _store(
        y, x_scale, acc0, acc1, acc2, scale, thread % 4, n, 1.0,
        ROWS, TILES, WARPS, flat,
    )  # fmt: skip


@functools.lru_cache(maxsize=1024)
def _plan(x: Layout, codes: Layout, tile: shapes.Tile | None) -> Launch:
    (rows, k), n = x.shape, codes.shape[0]
    nf4 = codes.dtype is torch.int64
    tile = tile or shapes.integer_tile(n, k, rows, nf4, _compat.device_of(x.device))
    even = n % 16 == 0 and k % (BLOCK * tile.depth * tile.warps) == 0
    constants = {
        "ROWS": rows, "TILES": -(-rows * PLANES // 8), "DEPTH": tile.depth, "WARPS": tile.warps,
    }  # fmt: skip
    return Launch(
        _matvec_nf4 if nf4 else _matvec_int8, -(-n // 16), (n, k // BLOCK if nf4 else k),
        {**constants, "UNIT": UNIT, "EVEN": even} if nf4 else constants,
        {"num_warps": tile.warps},
    )  # fmt: skip


def matvec_nf4(
    x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor, tile: shapes.Tile | None = None
) -> torch.Tensor:
    """x·wᵀ of x in float16 or bfloat16."""
    words = codes.contiguous().view(torch.int64)
    return _matvec(x, words, scale, tile, _words(x.device))


def matvec_int8(
    x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor, tile: shapes.Tile | None = None
) -> torch.Tensor:
    """x·wᵀ of x in float16 or bfloat16; the sum over a row is exact."""
    return _matvec(x, codes.contiguous(), scale, tile)


def _matvec(
    x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor, tile: shapes.Tile | None,
    *tables: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    y = torch.empty((x.shape[0], codes.shape[0]), dtype=x.dtype, device=x.device)
    if y.numel():
        of_x = digits_of(x.contiguous(), bool(tables))
        sums = () if of_x.sums is None else (of_x.sums,)
        launch = _plan(Layout.of(x), Layout.of(codes), tile)
        launch(codes, of_x.digits, *sums, scale.contiguous(), *tables, of_x.scale, y)
    return y
