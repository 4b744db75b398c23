"""What scores go through in the backward on Hopper: their rows are keys, their columns queries."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._gluon import gl, gluon
from triton_kernels.ops.attention.hopper_axes import along
from triton_kernels.ops.attention.hopper_parts import tanh, tile_of

LOG2_E = gl.constexpr(1.4426950408889634)
HIDDEN = gl.constexpr(-float("inf"))
HIDDEN_CAPPED = gl.constexpr(-(2.0**60))
"""What a score becomes whose key is not seen; capped one whose square is still a number."""


@gluon.jit
def masked(
    s, key, row, edges, LEFT: gl.constexpr, RIGHT: gl.constexpr, LOWEST: gl.constexpr
):  # fmt: skip
    """Of scores whose rows are keys and whose columns are queries: LOWEST where nothing is seen."""
    layout: gl.constexpr = s.type.layout
    m, n, left, right = edges
    keys = (key + gl.arange(0, s.shape[0], gl.SliceLayout(1, layout)))[:, None]
    rows = (row + n - m + gl.arange(0, s.shape[1], gl.SliceLayout(0, layout)))[None, :]
    keep = (keys < n) & (rows == rows)
    if RIGHT:
        keep = keep & (rows + right >= keys)
    if LEFT:
        keep = keep & (rows - left <= keys)
    return gl.where(keep, s, LOWEST)


@gluon.jit
def distances(s, key, row, edges):
    """Of scores whose rows are keys and whose columns are queries: how far apart they stand."""
    layout: gl.constexpr = s.type.layout
    m, n, _, _ = edges
    keys = key + gl.arange(0, s.shape[0], gl.SliceLayout(1, layout))
    rows = row + n - m + gl.arange(0, s.shape[1], gl.SliceLayout(0, layout))
    return gl.abs(rows.to(gl.float32)[None, :] - keys.to(gl.float32)[:, None])


@gluon.jit
def words_of(s, words, tile):
    """Of a tile of scores (64 keys, 64 queries) each thread's word of ``hopper_bits``."""
    layout: gl.constexpr = s.reshape([4, 2, 8, 8, 4, 2]).type.layout
    WORDS: gl.constexpr = gl.SliceLayout(1, gl.SliceLayout(3, gl.SliceLayout(5, layout)))
    thread = along(4, 0, 3, WORDS) * 32 + along(8, 1, 3, WORDS) * 4 + along(4, 2, 3, WORDS)
    return gl.load(words + tile.to(gl.int64) * 128 + thread)


@gluon.jit
def chosen(words, s, other):
    """The scores where a bit is 1, another number where it is 0."""
    parts = s.reshape([4, 2, 8, 8, 4, 2])  # keys: warp, half, line; queries: chunk, thread, one
    layout: gl.constexpr = parts.type.layout
    bit = along(2, 1, 6, layout) * 16 + along(8, 3, 6, layout) * 2 + along(2, 5, 6, layout)
    words = gl.expand_dims(gl.expand_dims(gl.expand_dims(words, 1), 3), 5)
    parts = gl.where((words >> bit) & 1 != 0, parts, other)
    return gl.convert_layout(parts.reshape(s.shape), s.type.layout)


@gluon.constexpr_function
def _of_kind(asm, dtype):
    """Instructions on pairs of 16 bits."""
    return asm.replace("KIND", "bf16x2" if dtype == gl.bfloat16 else "f16x2")


@gluon.jit
def dropped(weights, words):
    """Weights in 16 bits, zeros where a bit of ``hopper_drops`` is 0: the bits of a pair of queries
    become signs, and these fill the pair."""
    parts = weights.reshape([4, 2, 8, 8, 4, 2])
    layout: gl.constexpr = parts.type.layout
    last = gl.full(parts.shape, 15, gl.int32, layout)
    places = last - along(2, 1, 6, layout) * 8 - along(8, 3, 6, layout)
    words = gl.expand_dims(gl.expand_dims(gl.expand_dims(words, 1), 3), 5)
    words, parts = gl.broadcast(words, parts)
    ASM: gl.constexpr = (
        "{.reg .b32 t; shl.b32 t, $2, $4; prmt.b32 t, t, t, 0xbb99; and.b32 $0, $1, t;}"
    )
    parts = gl.inline_asm_elementwise(
        ASM, "=r,r,r,r,r,r", [parts, words, places], dtype=weights.dtype, is_pure=True, pack=2
    )
    return gl.convert_layout(parts.reshape(weights.shape), weights.type.layout)


@gluon.jit
def of_kept(x, weights):
    """x where a weight in 16 bits is left, else 0."""
    ASM: gl.constexpr = (
        "{.reg .pred a, b; .reg .b32 z; mov.b32 z, 0; setp.neu.KIND a|b, $4, z; "
        "selp.f32 $0, $2, 0f00000000, a; selp.f32 $1, $3, 0f00000000, b;}"
    )
    return gl.inline_asm_elementwise(
        _of_kind(ASM, weights.dtype), "=r,=r,r,r,r", [x, weights], dtype=gl.float32, is_pure=True,
        pack=2,
    )  # fmt: skip


@gluon.jit
def bits_of_draws(member, block, tile, work, layout: gl.constexpr):
    """Of a tile of this program's keys each thread's word of what dropout keeps, which
    ``hopper_drops`` has left where ds would be if all rows saw all keys."""
    line, start, shelf = work.place[-1]
    tile = tile_of(shelf, line + member, block, start + tile, work.edges, 64, 64, False, False,
                   work.PACKED)  # fmt: skip
    return words_of(gl.zeros([64, 64], gl.float32, layout), work.beside[3], tile)


@gluon.jit
def read_beside(group, member, block, key, tile, work, layout: gl.constexpr):
    """What is read beside the products of a block of rows of a head of the group, and of a tile of
    this program's keys: ALiBi's slope, in base 2, the mask's words and those of dropout; 0 if there
    is none."""
    _, slopes, mask, _ = work.beside
    _, _, slopes_row, mask_batch, mask_head, mask_row = work.features
    head = work.place[1] * group + member
    slope = 0.0
    words = 0
    kept = 0
    if work.SLOPED:
        slope = gl.load(slopes + slopes_row + head) * LOG2_E
    if work.MASKED:
        of_mask = work.place[0] * mask_batch + head * mask_head
        words_tile = of_mask + block * mask_row + key // 64
        words = words_of(gl.zeros([64, 64], gl.float32, layout), mask, words_tile)
    if work.DROPS:
        kept = bits_of_draws(member, block, tile, work, layout)
    return slope, words, kept


@gluon.jit
def weigh(s, lse, row, key, words, slope, bias, work):
    """p of scores, and the scores as a cap left them.

    Args:
        s: products, of keys from ``key`` on and rows from ``row`` on.
        lse: of the rows, in base 2.
        words: of a mask, as ``words_of`` gives them.
        slope: ALiBi's, in base 2.
        bias: added behind a cap; without one the products were added to it.
        work: the call.
    """
    scale, squeeze, _plain, _enlarge = work.scales
    m, n, left, right = work.edges
    LOWEST: gl.constexpr = HIDDEN_CAPPED if work.CAPPED else HIDDEN
    if work.CAPPED:
        s = tanh(s * squeeze)
    if work.MASKED:
        s = chosen(words, s, LOWEST)
    cut = key + s.shape[0] > n
    if work.RIGHT:
        cut = cut | (key + s.shape[0] - 1 > row + n - m + right)
    if work.LEFT:
        cut = cut | (key < row + s.shape[1] - 1 + n - m - left)
    if cut:
        s = masked(s, key, row, work.edges, work.LEFT, work.RIGHT, LOWEST)
    powers = s * scale - lse
    if work.SLOPED:
        powers -= distances(s, key, row, work.edges) * slope
    if work.BIAS and work.CAPPED:
        powers += bias.to(gl.float32) * LOG2_E
    return gl.exp2(powers), s
