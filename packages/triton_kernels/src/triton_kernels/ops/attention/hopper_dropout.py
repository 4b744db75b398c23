"""Dropout in the forward on Hopper: random words while the scores are multiplied, zeros after.

A counter of Philox decides on the eight weights that one thread holds of 16 by 16, so that no
thread makes words which another needs; ``features.kept`` says which.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._gluon import gl, gluon
from triton_kernels.ops.attention import features
from triton_kernels.ops.attention.hopper_axes import along

_ROUNDS = gl.constexpr(features.ROUNDS)


@gluon.jit
def _product(x, factor: gl.constexpr):
    """High and low words."""
    wide = x.to(gl.uint64) * factor
    return (wide >> 32).to(gl.uint32), wide.to(gl.uint32)


@gluon.jit
def philox(c0, c1, c2, c3, seed, seed_high):
    """Four words a counter: Philox 4x32 with the seed as key (Salmon et al. 2011, section 3.3)."""
    key0 = seed.to(gl.uint32)
    key1 = seed_high.to(gl.uint32)
    for _ in gl.static_range(_ROUNDS):
        high0, low0 = _product(c0, 0xD2511F53)
        high1, low1 = _product(c2, 0xCD9E8D57)
        c0 = high1 ^ c1 ^ key0
        c1 = low1
        c2 = high0 ^ c3 ^ key1
        c3 = low0
        key0 += 0x9E3779B9
        key1 += 0xBB67AE85
    return c0, c1, c2, c3


@gluon.jit
def random_words(like, first, row, key, seed, seed_high):
    """The words for a block of weights laid out as ``like``, whose corner is row, key.

    ``first`` is the number of the sequence's first query, as ``features.kept`` counts, int64.
    """
    KEYS: gl.constexpr = like.shape[1]
    layout: gl.constexpr = like.reshape([4, 2, 8, KEYS // 16, 2, 4, 2]).type.layout
    CELLS: gl.constexpr = gl.SliceLayout(1, gl.SliceLayout(4, gl.SliceLayout(6, layout)))
    cell_row = (row // 16 + along(4, 0, 4, CELLS)) * 8 + along(8, 1, 4, CELLS)
    cell_key = (key // 16 + along(KEYS // 16, 2, 4, CELLS)) * 4 + along(4, 3, 4, CELLS)
    cell_key, cell_row = gl.broadcast(cell_key, cell_row)
    nothing = cell_key.to(gl.uint32) & 0
    return philox(
        cell_key.to(gl.uint32), cell_row.to(gl.uint32), nothing + first.to(gl.uint32),
        nothing + (first >> 32).to(gl.uint32), seed, seed_high,
    )  # fmt: skip


@gluon.jit
def _spread(words):
    """(warps, lines, groups of keys, threads) as (warps, 1, lines, groups, 1, threads, 1)."""
    return gl.expand_dims(gl.expand_dims(gl.expand_dims(words, 1), 4), 6)


@gluon.constexpr_function
def _dropping(kind):
    """$1 where the words $2, without their signs, reach $4, else 0."""
    return (
        f"{{.reg .b32 x, y; abs.{kind} x, $2; set.geu.{kind}.{kind} y, x, $4; "
        f"mul.rn.{kind} $0, $1, y;}}"
    )


@gluon.jit
def dropped(p, words, threshold):
    """Weights in 16 bits, of which dropout has made some zero.

    15 random bits are compared as a number of the weights' dtype, which orders them as integers:
    two comparisons an instruction, and two products with the 1 or 0 that they give.
    """
    a, b, c, d = words
    # rows: warp, half, line; keys: group of 16, half, thread, one of two
    parts = p.reshape([4, 2, 8, p.shape[1] // 16, 2, 4, 2])
    layout: gl.constexpr = parts.type.layout
    lower_row = along(2, 1, 7, layout) == 1
    later_key = along(2, 4, 7, layout) == 1
    upper = gl.where(later_key, _spread(b), _spread(a))
    draws, parts = gl.broadcast(
        gl.where(lower_row, gl.where(later_key, _spread(d), _spread(c)), upper), parts
    )
    least = gl.full(parts.shape, 0, gl.uint32, layout) + threshold.to(gl.uint32) * 0x10001
    KIND: gl.constexpr = "bf16x2" if p.dtype == gl.bfloat16 else "f16x2"
    parts = gl.inline_asm_elementwise(
        _dropping(KIND), "=r,r,r,r,r,r", [parts, draws, least], dtype=p.dtype, is_pure=True, pack=2
    )
    return gl.convert_layout(parts.reshape(p.shape), p.type.layout)
