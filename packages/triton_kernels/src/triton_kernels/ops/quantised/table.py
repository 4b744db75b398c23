"""What the kernels of NF4 by a table of pairs share: the table, the look-ups, the products.

256 pairs of levels lie in shared memory 32 times, once for each of its banks, so that a warp reads
32 of them in one go whatever the bytes are. Levels are rounded to x's dtype after a factor common
to all, by which they happen to lie nearest to such numbers.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools

import torch

from triton_kernels._gluon import gl, gluon
from triton_kernels.ops.quantised.codes import levels

UNITS = {torch.bfloat16: 1.437, torch.float16: 1.6777}
"""Factors of the levels: of all from 1 to 2 those after which rounding errs least."""


@functools.cache
def table_of(device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """A word for each byte of codes: the level of its low half, then that of its high half."""
    of_code = (levels(torch.device("cpu")) * UNITS[dtype]).to(dtype)
    byte = torch.arange(256)
    both = torch.stack((of_code[byte & 15], of_code[byte >> 4]), 1)
    return both.view(torch.int32).view(256).to(device)


def _fill_text(threads: int) -> str:
    """Copies the table ($1: this thread's first word; $2: the thread) and waits for all threads.

    $0: where a thread's own bank of it begins. A byte's 32 words are one line of 128 bytes, which
    its thread writes 16 bytes at a time, beginning elsewhere than its neighbours do.
    """
    lines = [
        ".shared .align 128 .b8 table[32768];", ".reg .b32 v, at, to, first;",
        "mov.u32 at, table;", "and.b32 to, $2, 255;", "mad.lo.s32 to, to, 128, at;",
        f"shr.u32 first, $2, 8; mad.lo.s32 first, first, {2048 // threads}, $2;",
    ]  # fmt: skip
    for turn in range(max(1, 256 // threads)):
        lines.append(f"ld.global.nc.b32 v, [$1 + {4 * threads * turn}];")
        for chunk in range(min(8, 2048 // threads)):
            lines.append(f"{{ .reg .b32 c; add.s32 c, first, {chunk}; and.b32 c, c, 7;")
            lines.append("mad.lo.s32 c, c, 16, to;")
            lines.append(f"st.shared.v4.b32 [c + {128 * threads * turn}], {{v, v, v, v}}; }}")
    lines.append("bar.sync 0; and.b32 v, $2, 31; mad.lo.s32 $0, v, 4, at;")
    return "{" + " ".join(lines) + "}"


def _unit_text(kind: str, sets: int) -> str:
    """Two blocks' sums, of each set of x's rows 4 numbers.

    After them 4 words of codes each of rows g and g + 8, the table, and 16 words of x a set.
    """
    codes = 4 * sets
    lines = [".reg .b32 p<4>, t;", f".reg .f32 c<{4 * sets}>;"]
    lines += [f"mov.f32 c{i}, 0f00000000;" for i in range(4 * sets)]
    for step in range(8):  # of 16 columns: two bytes of a thread
        for i in range(4):  # rows g and g + 8, then the next byte
            word = codes + 4 * (i % 2) + step // 2
            lines.append(f"prmt.b32 t, ${word}, 0, {0x4440 + step % 2 * 2 + i // 2};")
            lines.append(f"mad.lo.s32 t, t, 128, ${codes + 8};")
            lines.append(f"ld.shared.b32 p{i}, [t];")
        for of in range(sets):
            sums = ", ".join(f"c{4 * of + i}" for i in range(4))
            x = codes + 9 + 16 * of + 2 * step
            lines.append(
                f"mma.sync.aligned.m16n8k16.row.col.f32.{kind}.{kind}.f32 {{{sums}}}, "
                f"{{p0, p1, p2, p3}}, {{${x}, ${x + 1}}}, {{{sums}}};"
            )
    lines += [f"mov.f32 ${i}, c{i};" for i in range(4 * sets)]
    return "{" + " ".join(lines) + "}"


_FILL_4, _FILL_8, _FILL_16 = (gl.constexpr(_fill_text(32 * warps)) for warps in (4, 8, 16))
_IN_BF16, IN_BF16_TWICE = (gl.constexpr(_unit_text("bf16", sets)) for sets in (1, 2))
_IN_F16, IN_F16_TWICE = (gl.constexpr(_unit_text("f16", sets)) for sets in (1, 2))
_OPERANDS = gl.constexpr("=&f," * 4 + ",".join(["r"] * 25))
OPERANDS_TWICE = gl.constexpr("=&f," * 8 + ",".join(["r"] * 41))
_STREAM = gl.constexpr(
    "{ .reg .pred p; setp.ne.b32 p, $5, 0; mov.b32 $0, 0; mov.b32 $1, 0; mov.b32 $2, 0; "
    "mov.b32 $3, 0; @p ld.global.nc.L1::no_allocate.v4.b32 {$0, $1, $2, $3}, [$4]; }"
)


@gluon.jit
def codes_of(pointers, mask):
    """Four words of codes, which nobody reads again: they leave the L1 cache to x."""
    return gl.inline_asm_elementwise(
        _STREAM, "=&r,=&r,=&r,=&r,l,r", [pointers, mask.to(gl.int32)],
        dtype=(gl.int32, gl.int32, gl.int32, gl.int32), is_pure=False, pack=1,
    )  # fmt: skip


@gluon.jit
def filled(pairs, thread, WARPS: gl.constexpr):
    """The table in shared memory: where this thread's bank of it begins."""
    return gl.inline_asm_elementwise(
        _FILL_4 if WARPS == 4 else _FILL_8 if WARPS == 8 else _FILL_16,
        "=&r,l,r", [pairs + thread % 256, thread],
        dtype=gl.int32, is_pure=False, pack=1,
    )  # fmt: skip


@gluon.jit
def sums_of_unit(low, high, base, x, BF16: gl.constexpr):
    """Of two blocks: four rows' words of codes in ``low`` and in ``high``, and 16 words of x."""
    return gl.inline_asm_elementwise(
        _IN_BF16 if BF16 else _IN_F16, _OPERANDS,
        [low[0], low[1], low[2], low[3], high[0], high[1], high[2], high[3], base,
         x[0][0], x[0][1], x[0][2], x[0][3], x[1][0], x[1][1], x[1][2], x[1][3],
         x[2][0], x[2][1], x[2][2], x[2][3], x[3][0], x[3][1], x[3][2], x[3][3]],
        dtype=(gl.float32, gl.float32, gl.float32, gl.float32), is_pure=True, pack=1,
    )  # fmt: skip
