"""matvec_nf4 of one row of x: ``pairs`` folded further, so that x stays in registers.

A warp's load is 256 bytes, 8 blocks, of each of two rows of the weight. The four halves of a line
that it takes of either row go to the tensor cores as four rows of the left operand and meet the x
that belongs to them in columns of their own:

    row of the operand     0 to 3: part 0 to 3 of the weight's first row, 4 to 7: of its second
    column of x            2p: part p, its first block; 2p + 1: its second block

So of what comes out row p takes columns 2p and 2p + 1: blocks apart, which meet their scales. All
columns are taken by one row of x. A warp keeps to its columns while its program goes down the rows,
8 at a time; sums of warps and parts lie in shared memory until all have come to the end of them.

The kernel starts before the one ahead of it has ended, makes its table, and waits then
(programmatic dependent launch); a multiprocessor has room for the programs of two calls. Until then
it reads no input, but lets the first codes be brought into the L2 cache, which cannot show in the
result: who writes them later changes what lies there.
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
    filled,
    sums_of_unit,
    table_of,
)

_WARPS = {4096: 8, 16384: 16}
"""By columns of the weight: those measured, of which each warp takes 512 at a time."""
_LOT = gl.constexpr(shapes.ROW_LOT)


def _put_text(warps: int, adds: bool) -> str:
    """Stores $2 at $1 and $3 two rows on, if $4; adds them there after the first step ($5)."""
    on = 32 * warps
    if not adds:
        return (
            "{ .reg .pred p; setp.ne.b32 p, $4, 0; @p st.shared.f32 [$1], $2; "
            f"@p st.shared.f32 [$1 + {on}], $3; mov.b32 $0, 0; }}"
        )
    return (
        "{ .reg .pred p, r; .reg .f32 a, b; setp.ne.b32 p, $4, 0; setp.gt.and.s32 r, $5, 0, p; "
        "mov.f32 a, 0f00000000; mov.f32 b, 0f00000000; @r ld.shared.f32 a, [$1]; "
        f"@r ld.shared.f32 b, [$1 + {on}]; add.f32 a, a, $2; add.f32 b, b, $3; "
        f"@p st.shared.f32 [$1], a; @p st.shared.f32 [$1 + {on}], b; mov.b32 $0, 0; }}"
    )


def _room_text(warps: int) -> str:
    """Where the sums of a lot lie: 8 rows times its length, of 4 a warp."""
    size = shapes.ROW_LOT * 8 * 16 * warps
    return f"{{ .shared .align 128 .b8 sums[{size}]; mov.u32 $0, sums; add.s32 $0, $0, $1; }}"


_PUT_8, _PUT_16 = (gl.constexpr(_put_text(warps, False)) for warps in (8, 16))
_ADD_8, _ADD_16 = (gl.constexpr(_put_text(warps, True)) for warps in (8, 16))
_ROOM_8, _ROOM_16 = (gl.constexpr(_room_text(warps)) for warps in (8, 16))
_TOTAL = gl.constexpr(
    "{ .reg .f32 a<8>; bar.sync 0; ld.shared.v4.f32 {a0, a1, a2, a3}, [$1]; "
    "ld.shared.v4.f32 {a4, a5, a6, a7}, [$1 + 16]; add.f32 a0, a0, a1; add.f32 a2, a2, a3; "
    "add.f32 a4, a4, a5; add.f32 a6, a6, a7; add.f32 a0, a0, a2; add.f32 a4, a4, a6; "
    "add.f32 $0, a0, a4; }"
)
# Where the predicate is not set nobody reads what is in the registers.
_CODES = gl.constexpr(
    "{ .reg .pred p; setp.ne.b32 p, $5, 0; "
    "@p ld.global.L1::no_allocate.v4.b32 {$0, $1, $2, $3}, [$4]; }"
)
_SCALES = gl.constexpr(
    "{ .reg .pred p; setp.ne.b32 p, $3, 0; @p ld.global.L1::no_allocate.v2.b32 {$0, $1}, [$2]; }"
)
_INTO_CACHE = gl.constexpr(
    "{ .reg .pred p; setp.gt.s32 p, $2, 0; @p cp.async.bulk.prefetch.L2.global [$1], $2; "
    "mov.b32 $0, 0; }"
)
_WAIT = gl.constexpr("griddepcontrol.wait; mov.b32 $0, 0;")
_LET = gl.constexpr("griddepcontrol.launch_dependents; mov.b32 $0, 0;")
_BARRIER = gl.constexpr("bar.sync 0; mov.b32 $0, 0;")


@gluon.jit
def _run(TEXT: gl.constexpr):
    return gl.inline_asm_elementwise(TEXT, "=r", [], dtype=gl.int32, is_pure=False, pack=1)


@gluon.jit
def _codes(at, there):
    return gl.inline_asm_elementwise(
        _CODES, "=&r,=&r,=&r,=&r,l,r", [at, there],
        dtype=(gl.int32, gl.int32, gl.int32, gl.int32), is_pure=False, pack=1,
    )  # fmt: skip


@gluon.jit
def _scales(at, there):
    return gl.inline_asm_elementwise(
        _SCALES, "=&r,=&r,l,r", [at, there], dtype=(gl.float32, gl.float32), is_pure=False, pack=1
    )


@gluon.jit
def _into_cache(at, size):
    gl.inline_asm_elementwise(
        _INTO_CACHE, "=r,l,r", [at, size], dtype=gl.int32, is_pure=False, pack=1
    )


@gluon.jit
def _fetch(codes_at, scale_at, there, TWO: gl.constexpr):
    """A thread's codes and scales of two rows, and of the two rows below."""
    return (
        _codes(codes_at, there), _codes(codes_at + TWO * 32, there),
        _scales(scale_at, there), _scales(scale_at + TWO, there),
    )  # fmt: skip


@gluon.jit
def _add(
    rows, base, x, put_at, mine, step,
    STEPS: gl.constexpr, WARPS: gl.constexpr, BF16: gl.constexpr,
):  # fmt: skip
    """Leaves a thread's sums of two rows, if they are what counts, in shared memory."""
    low, high, low_scale, high_scale = rows
    s = sums_of_unit(low, high, base, x, BF16)
    a = s[0] * low_scale[0] + s[1] * low_scale[1]
    b = s[2] * high_scale[0] + s[3] * high_scale[1]
    put: gl.constexpr = _PUT_8 if WARPS == 8 else _PUT_16
    add: gl.constexpr = _ADD_8 if WARPS == 8 else _ADD_16
    gl.inline_asm_elementwise(
        add if STEPS > 1 else put, "=r,r,f,f,r,r", [put_at, a, b, mine, mine * 0 + step],
        dtype=gl.int32, is_pure=False, pack=1,
    )  # fmt: skip


@gluon.jit
def _words(x_at, mine):
    return (
        load_16_bytes(x_at, mine), load_16_bytes(x_at + 8, mine),
        load_16_bytes(x_at + 16, mine), load_16_bytes(x_at + 24, mine),
    )  # fmt: skip


@gluon.jit
def _matvec_row(
    x, codes, scale, pairs, y, n, unit,
    BLOCKS: gl.constexpr, WARPS: gl.constexpr, STEPS: gl.constexpr, AHEAD: gl.constexpr,
    EARLY: gl.constexpr,
):  # fmt: skip
    """x: (1, 64·BLOCKS); codes: (n, 32·BLOCKS) bytes; y: (1, n). See ``fits``.

    BLOCKS = 8·WARPS·STEPS. AHEAD times 8 rows are brought into the L2 cache before the wait.
    """
    layout: gl.constexpr = gl.BlockedLayout([1], [32], [WARPS], [0])
    BF16: gl.constexpr = x.dtype.element_ty == gl.bfloat16
    TWO: gl.constexpr = 2 * BLOCKS  # of two rows
    EIGHT: gl.constexpr = 8 * BLOCKS
    thread = gl.arange(0, 32 * WARPS, layout)
    group, quarter, warp = thread % 32 // 4, thread % 4, thread // 32
    part, below = group % 4, group // 4
    eights = n // 8
    begin = gl.program_id(0) * eights // gl.num_programs(0)
    end = (gl.program_id(0) + 1) * eights // gl.num_programs(0)
    if EARLY:
        if AHEAD > 0:
            wanted = thread < gl.minimum(AHEAD, end - begin)
            first = (begin + thread).to(gl.int64) * EIGHT
            _into_cache(codes + first * 32, gl.where(wanted, EIGHT * 32, 0))
            of_scales = (scale + first).to(gl.pointer_type(gl.uint8))
            _into_cache(of_scales, gl.where(wanted, EIGHT * 4, 0))
        base = filled(pairs, thread, WARPS)
        zero = _run(_WAIT)
        x += zero
        codes += zero
        scale += zero
        _run(_LET)
    row = begin * 8 + below
    codes_at = codes + (row.to(gl.int64) * (BLOCKS * 32) + warp * 256 + part * 64 + quarter * 16)
    scale_at = scale + (row.to(gl.int64) * BLOCKS + warp * 8 + part * 2)
    # A thread's column of the right operand, which is zero over the other block.
    x_first = x + warp * 512 + group // 2 * 128 + quarter * 32
    of_x = quarter // 2 == group % 2
    always = (thread >= 0).to(gl.int32)
    mine = (quarter == part).to(gl.int32)
    sums = gl.inline_asm_elementwise(
        _ROOM_8 if WARPS == 8 else _ROOM_16, "=&r,r", [thread * 0],
        dtype=gl.int32, is_pure=False, pack=1,
    )  # fmt: skip
    put_first = sums + below * (16 * WARPS) + (warp * 4 + part) * 4
    p = _fetch(codes_at, scale_at, always, TWO)
    q = _fetch(codes_at + TWO * 64, scale_at + TWO * 2, always, TWO)
    if STEPS == 1:
        words = _words(x_first, of_x)
    if not EARLY:
        base = filled(pairs, thread, WARPS)  # while the first codes are on their way
    for lot in range(begin, end, _LOT):
        count = gl.minimum(_LOT, end - lot)
        for step in range(0, STEPS):
            put_at = put_first
            if STEPS > 1:
                words = _words(x_first + step * (WARPS * 512), of_x)
            for u in range(0, count):
                # What is asked for next: the rows below; then the same rows' next columns; then
                # the next lot's.
                if STEPS > 1:
                    on = gl.where(
                        step + 1 < STEPS, WARPS * 256 - (count - 1) * (EIGHT * 32),
                        EIGHT * 32 - (STEPS - 1) * (WARPS * 256),
                    )  # fmt: skip
                    on = gl.where(u + 1 < count, EIGHT * 32, on)
                    codes_at += on
                    scale_at += on // 32
                    behind = (u + 1 < count) | (step + 1 < STEPS) | (lot + _LOT < end)
                    more = always * behind.to(gl.int32)
                else:
                    codes_at += EIGHT * 32
                    scale_at += EIGHT
                    more = always * (lot + u + 1 < end).to(gl.int32)
                _add(p, base, words, put_at, mine, step, STEPS, WARPS, BF16)
                p = _fetch(codes_at, scale_at, more, TWO)
                _add(q, base, words, put_at + 64 * WARPS, mine, step, STEPS, WARPS, BF16)
                q = _fetch(codes_at + TWO * 64, scale_at + TWO * 2, more, TWO)
                put_at += 128 * WARPS
        _store(y, sums, thread, lot, count, unit, WARPS)
        if lot + _LOT < end:
            _run(_BARRIER)


@gluon.jit
def _store(y, sums, thread, lot, count, unit, WARPS: gl.constexpr):
    """Adds up what a lot's warps and parts have left: 8 numbers a thread, then those of a row."""
    total = gl.inline_asm_elementwise(
        _TOTAL, "=f,r", [sums + thread * 32], dtype=gl.float32, is_pure=False, pack=1
    )
    out: gl.constexpr = gl.BlockedLayout([1, 1], [64 // WARPS, WARPS // 2], [WARPS, 1], [1, 0])
    total = gl.convert_layout(gl.reshape(total, [_LOT * 8, WARPS // 2]), out)
    total = gl.sum(total, 1) * unit
    of = gl.arange(0, _LOT * 8, gl.SliceLayout(1, out))
    gl.store(y + lot * 8 + of, total.to(y.dtype.element_ty), mask=of < count * 8)


def fits(n: int, k: int, rows: int) -> bool:
    """Whether x is one row, and so long as one of those measured."""
    return rows == 1 and n > 0 and n % 8 == 0 and k in _WARPS


@functools.lru_cache(maxsize=1024)
def _plan(x: Layout, codes: Layout, scale: Layout, tile: shapes.RowTile | None) -> Launch:
    k, n = x.shape[1], codes.shape[0]
    device = _compat.device_of(x.device)
    tile = tile or shapes.row_tile(n, k, device)
    warps, early = _WARPS[k], _compat.starts_early(device)
    return Launch(
        _matvec_row, tile.programs, (n, 1 / UNITS[x.dtype]),
        {
            "BLOCKS": k // BLOCK, "WARPS": warps, "STEPS": k // (512 * warps),
            "AHEAD": tile.ahead, "EARLY": early,
        },
        {"num_warps": warps, "maxnreg": 64, **({"launch_pdl": True} if early else {})},
    )  # fmt: skip


def matvec_nf4(
    x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor, tile: shapes.RowTile | None = None
) -> torch.Tensor:
    """x·wᵀ of one row in float16 or bfloat16."""
    y = torch.empty((1, codes.shape[0]), dtype=x.dtype, device=x.device)
    x, codes, scale = x.contiguous(), codes.contiguous(), scale.contiguous()
    launch = _plan(Layout.of(x), Layout.of(codes), Layout.of(scale), tile)
    launch(x, codes, scale, table_of(x.device, x.dtype), y)
    return y
