"""Dropout in the backward on Hopper, whose scores are transposed: what the forward dropped.

A counter of Philox decides on eight weights: queries i and i + 8, keys j, j + 1, j + 8 and j + 9
(``features.kept``). Transposed, a thread holds keys j and j + 8 beside queries i, i + 1, i + 8 and
i + 9: half of two counters. So it draws one of them, a thread of an even key that of its even
queries, and changes halves with the thread beside it, which holds the other key of the pair.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._gluon import gl, gluon
from triton_kernels.ops.attention.hopper_axes import along
from triton_kernels.ops.attention.hopper_dropout import philox


@gluon.jit
def _change(word, selector):
    """Of a word and of that of the thread four lanes on, the halves that this thread needs."""
    return gl.inline_asm_elementwise(
        "{.reg .b32 theirs; shfl.sync.bfly.b32 theirs, $1, 4, 31, -1; "
        "prmt.b32 $0, $1, theirs, $2;}",
        "=r,r,r", [word, selector], dtype=gl.uint32, is_pure=False, pack=1,
    )  # fmt: skip


@gluon.jit
def random_words(like, first, row, key, seed, seed_high):
    """The words for transposed weights (64 keys, rows) laid out as ``like``, from row, key on.

    ``first`` is the number of the sequence's first query, as ``features.kept`` counts, int64.
    """
    GROUPS: gl.constexpr = like.shape[1] // 16
    layout: gl.constexpr = like.reshape([4, 2, 8, GROUPS, 2, 4, 2]).type.layout
    CELLS: gl.constexpr = gl.SliceLayout(1, gl.SliceLayout(4, gl.SliceLayout(6, layout)))
    line = along(8, 1, 4, CELLS)
    odd = line % 2
    cell_key = (key // 16 + along(4, 0, 4, CELLS)) * 4 + line // 2
    cell_row = (row // 16 + along(GROUPS, 2, 4, CELLS)) * 8 + along(4, 3, 4, CELLS) * 2 + odd
    cell_key, cell_row = gl.broadcast(cell_key, cell_row)
    nothing = cell_key.to(gl.uint32) & 0
    a, b, c, d = philox(
        cell_key.to(gl.uint32), cell_row.to(gl.uint32), nothing + first.to(gl.uint32),
        nothing + (first >> 32).to(gl.uint32), seed, seed_high,
    )  # fmt: skip
    selector = nothing + gl.where(odd != 0, 0x3276, 0x5410).to(gl.uint32)
    # Rows of what ``dropped`` takes are keys here.
    return _change(a, selector), _change(c, selector), _change(b, selector), _change(d, selector)


@gluon.jit
def with_sign(x, weights):
    """Of numbers above 0 in 16 bits, those below 0 whose weights, in 16 bits, are gone."""
    if weights.dtype == gl.bfloat16:
        ASM: gl.constexpr = (
            "{.reg .b32 y, two, one; mov.b32 y, 0; set.neu.bf16x2.bf16x2 y, $2, y; "
            "mov.b32 two, 0x40004000; mov.b32 one, 0xbf80bf80; fma.rn.bf16x2 y, y, two, one; "
            "mul.rn.bf16x2 $0, $1, y;}"
        )
    else:
        ASM: gl.constexpr = (  # type: ignore[no-redef]
            "{.reg .b32 y, two, one; mov.b32 y, 0; set.neu.f16x2.f16x2 y, $2, y; "
            "mov.b32 two, 0x40004000; mov.b32 one, 0xbc00bc00; fma.rn.f16x2 y, y, two, one; "
            "mul.rn.f16x2 $0, $1, y;}"
        )
    return gl.inline_asm_elementwise(
        ASM, "=r,r,r", [x, weights], dtype=x.dtype, is_pure=True, pack=2
    )


@gluon.jit
def of_kept(x, weights):
    """x where a weight in 16 bits is left, else 0."""
    if weights.dtype == gl.bfloat16:
        ASM: gl.constexpr = (
            "{.reg .pred a, b; .reg .b32 z; mov.b32 z, 0; setp.neu.bf16x2 a|b, $4, z; "
            "selp.f32 $0, $2, 0f00000000, a; selp.f32 $1, $3, 0f00000000, b;}"
        )
    else:
        ASM: gl.constexpr = (  # type: ignore[no-redef]
            "{.reg .pred a, b; .reg .b32 z; mov.b32 z, 0; setp.neu.f16x2 a|b, $4, z; "
            "selp.f32 $0, $2, 0f00000000, a; selp.f32 $1, $3, 0f00000000, b;}"
        )
    return gl.inline_asm_elementwise(
        ASM, "=r,=r,r,r,r", [x, weights], dtype=gl.float32, is_pure=True, pack=2
    )
