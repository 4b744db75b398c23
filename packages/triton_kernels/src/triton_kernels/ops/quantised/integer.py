"""matvec_int8 in whole numbers, on tensor cores, in Gluon.

Activations become digits of 7 bits (digits.py), which int8 tensor cores multiply by the codes and
add exactly; what is left to the other cores is the scale of a row. A warp takes 16 rows of the
weight and steps along them 64 columns at a time; all warps of a program share the rows and meet at
the end. Columns go to the tensor core in the order in which threads read them, 16 bytes each; the
digits of x are read in the same order.

On Hopper the first codes are asked for while the digits are still being made: the kernel starts
before the one that makes them has ended, and waits for it where it needs them (programmatic
dependent launch). The one that makes them starts early too, and waits first.
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
from triton_kernels.ops.quantised.digits import PLANES, digits_of


def _mma(sums: str, left: str, right: str) -> str:
    return (
        "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
        f"{{{sums}}}, {{{left}}}, {{{right}}}, {{{sums}}};"
    )


def _step_text() -> str:
    """Sums over a block of code·digit: $4-$11 codes, of rows g and g + 8 in turn, $12-$15 x's."""
    first = _mma("c0, c1, c2, c3", "$4, $5, $6, $7", "$12, $13")
    second = _mma("c0, c1, c2, c3", "$8, $9, $10, $11", "$14, $15")
    start = "".join(f"mov.b32 c{i}, 0; " for i in range(4))
    end = "".join(f" mov.b32 ${i}, c{i};" for i in range(4))
    return "{ .reg .b32 c<4>; " + start + first + " " + second + end + " }"


_STEP = gl.constexpr(_step_text())
_STEP_OPERANDS = gl.constexpr("=r," * 4 + ",".join(["r"] * 12))
_LOAD = gl.constexpr(
    "{ .reg .pred p; setp.ne.b32 p, $5, 0; mov.b32 $0, 0; mov.b32 $1, 0; mov.b32 $2, 0; "
    "mov.b32 $3, 0; @p ld.global.v4.b32 {$0, $1, $2, $3}, [$4]; }"
)
_WAIT = gl.constexpr("griddepcontrol.wait; mov.b32 $0, 0;")


@gluon.jit
def load_16_bytes(pointers, mask):
    """Four words for each pointer, zeros where the mask is not set."""
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
    y, x_scale, acc0, acc1, acc2, row_scale, quarter, n,
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
        factor = gl.load(x_scale + of)
        for half in gl.static_range(2):
            total = gl.sum(gl.reshape(high if half else low, [WARPS, 8, 4]), 2)
            total = gl.convert_layout(gl.sum(total, 0), out) * factor
            at = rows + 8 * half
            total *= gl.load(row_scale + at, mask=at < n, other=0.0)
            gl.store(y + of * n + at, total.to(y.dtype.element_ty), mask=at < n)


@gluon.jit
def _joined(a, b, c, d):
    """A thread's sums of rows g, g, g + 8, g + 8 and columns 2t, 2t + 1, again, as (..., 2, 2)."""
    return gl.join(gl.join(a, c), gl.join(b, d))


@gluon.jit
def _int8_tile(acc, a, b, digits, column, at, k, there, N_COLUMNS: gl.constexpr):
    x = load_16_bytes(digits + column * k + at, there & (column < N_COLUMNS))
    sums = gl.inline_asm_elementwise(
        _STEP, _STEP_OPERANDS,
        [a[0], b[0], a[1], b[1], a[2], b[2], a[3], b[3], x[0], x[1], x[2], x[3]],
        dtype=(gl.int32, gl.int32, gl.int32, gl.int32), is_pure=True, pack=1,
    )  # fmt: skip
    return acc + _joined(
        gl.sum(sums[0], 0), gl.sum(sums[1], 0), gl.sum(sums[2], 0), gl.sum(sums[3], 0)
    )


@gluon.jit
def _once_made(pointer):
    """The pointer, after the kernel that writes there has ended."""
    zero = gl.inline_asm_elementwise(_WAIT, "=r", [], dtype=gl.int32, is_pure=False, pack=1)
    return pointer + zero


@gluon.jit
def _matvec_int8(
    codes, digits, scale, x_scale, y, n, k,
    ROWS: gl.constexpr, TILES: gl.constexpr, DEPTH: gl.constexpr, WARPS: gl.constexpr,
    EARLY: gl.constexpr,
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
    at = depth * 64 + quarter * 16
    there = at < k
    a = load_16_bytes(codes + low_row + at, there & (row < n))
    b = load_16_bytes(codes + high_row + at, there & (row + 8 < n))
    if EARLY:
        digits = _once_made(digits)
        x_scale = _once_made(x_scale)
    for _ in range(0, k, 64 * DEPTH * WARPS):
        acc0 = _int8_tile(acc0, a, b, digits, group, at, k, there, 3 * ROWS)
        if TILES > 1:
            acc1 = _int8_tile(acc1, a, b, digits, group + 8, at, k, there, 3 * ROWS)
        if TILES > 2:
            acc2 = _int8_tile(acc2, a, b, digits, group + 16, at, k, there, 3 * ROWS)
        at += 64 * DEPTH * WARPS
        there = at < k
        a = load_16_bytes(codes + low_row + at, there & (row < n))
        b = load_16_bytes(codes + high_row + at, there & (row + 8 < n))
    _store(y, x_scale, acc0, acc1, acc2, scale, thread % 4, n, ROWS, TILES, WARPS, flat)


@functools.lru_cache(maxsize=1024)
def _plan(x: Layout, codes: Layout, tile: shapes.Tile | None) -> Launch:
    (rows, k), n = x.shape, codes.shape[0]
    device = _compat.device_of(x.device)
    tile = tile or shapes.integer_tile(n, k, rows, device)
    early = _compat.starts_early(device)
    return Launch(
        _matvec_int8, -(-n // 16), (n, k),
        {
            "ROWS": rows, "TILES": -(-rows * PLANES // 8), "DEPTH": tile.depth,
            "WARPS": tile.warps, "EARLY": early,
        },
        {"num_warps": tile.warps, **({"launch_pdl": True} if early else {})},
    )  # fmt: skip


def matvec_int8(
    x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor, tile: shapes.Tile | None = None
) -> torch.Tensor:
    """x·wᵀ of x in float16 or bfloat16; the sum over a row is exact."""
    y = torch.empty((x.shape[0], codes.shape[0]), dtype=x.dtype, device=x.device)
    if y.numel():
        codes, of_x = codes.contiguous(), digits_of(x.contiguous())
        launch = _plan(Layout.of(x), Layout.of(codes), tile)
        launch(codes, of_x.digits, scale.contiguous(), of_x.scale, y)
    return y
