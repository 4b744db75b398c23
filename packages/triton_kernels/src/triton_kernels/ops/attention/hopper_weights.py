"""What scores go through in the backward on Hopper: their rows are keys, their columns queries."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._gluon import gl, gluon
from triton_kernels.ops.attention.hopper_axes import along
from triton_kernels.ops.attention.hopper_parts import tanh

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


@gluon.jit
def read_beside(head, block, key, work, layout: gl.constexpr):
    """What is read beside the products of a block of rows: ALiBi's slope, in base 2, and the mask's
    words; 0 if there is none."""
    _, slopes, mask = work.beside
    _, _, slopes_row, mask_batch, mask_head, mask_row = work.features
    slope = 0.0
    words = 0
    if work.SLOPED:
        slope = gl.load(slopes + slopes_row + head) * LOG2_E
    if work.MASKED:
        of_mask = work.place[0] * mask_batch + head * mask_head
        tile = of_mask + block * mask_row + key // 64
        words = words_of(gl.zeros([64, 64], gl.float32, layout), mask, tile)
    return slope, words


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
