"""From products of queries and keys to scores, tile by tile: the features, one after another.

``rows`` and ``columns`` are numbers of queries and keys, shaped so that they broadcast to the tile:
(M, 1) and (1, N), or for a transposed tile (1, M) and (N, 1). Scores are in units of log₂e, so that
exp2 takes the place of exp.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._compat import tl, triton
from triton_kernels.ops.attention import features
from triton_kernels.ops.special import tanh

LOG2_E = tl.constexpr(1.4426950408889634)
LN_2 = tl.constexpr(0.6931471805599453)
ROUNDS = tl.constexpr(features.ROUNDS)


@triton.jit
def visible(rows, columns, queries, keys, left, right, LEFT: tl.constexpr, RIGHT: tl.constexpr):
    """Which pairs exist and lie in the window."""
    seen = (rows < queries) & (columns < keys)
    before = rows + (keys - queries) - columns
    if LEFT:
        seen &= before <= left
    if RIGHT:
        seen &= before >= -right
    return seen


@triton.jit
def scores(
    products, rows, columns, queries, keys, scale, soft_cap, slope, left, right,
    bias_ptr, bias_row, bias_column, mask_ptr, mask_row, mask_column,
    CAPPED: tl.constexpr, SLOPED: tl.constexpr, LEFT: tl.constexpr, RIGHT: tl.constexpr,
    EXACT: tl.constexpr, CUT: tl.constexpr,
):  # fmt: skip
    """The scores, and those before ALiBi, bias and masks over the cap (for its derivative).

    CUT: the tile may reach beyond the window or the matrix. ``scale`` and ``slope`` hold the factor
    log₂e; under a cap ``scale`` is over the cap instead, and ``soft_cap`` holds the factor.
    """
    t = products * scale
    bent = t
    if CAPPED:
        bent = tanh(t, EXACT)
        t = bent * soft_cap
    if SLOPED:
        t -= slope * tl.abs(rows + (keys - queries) - columns).to(tl.float32)
    exist = (rows < queries) & (columns < keys)
    if bias_ptr is not None:
        bias_ptrs = bias_ptr + rows.to(tl.int64) * bias_row + columns.to(tl.int64) * bias_column
        bias = tl.load(bias_ptrs, mask=exist, other=0.0) if CUT else tl.load(bias_ptrs)
        t += bias.to(tl.float32) * LOG2_E
    if mask_ptr is not None:
        mask_ptrs = mask_ptr + rows.to(tl.int64) * mask_row + columns.to(tl.int64) * mask_column
        mask = tl.load(mask_ptrs, mask=exist, other=0) if CUT else tl.load(mask_ptrs)
        t = tl.where(mask != 0, t, -float("inf"))
    if CUT:
        seen = visible(rows, columns, queries, keys, left, right, LEFT, RIGHT)
        t = tl.where(seen, t, -float("inf"))
    return t, bent


@triton.jit
def kept(
    seed, first_row, row, column, threshold,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, TRANSPOSED: tl.constexpr,
):  # fmt: skip
    """Which weights of a tile dropout keeps; the tile starts at query ``row`` and key ``column``.

    ``first_row`` is the number of query 0 as ``features.kept`` counts, int64; ``row``, ``column``
    and the tile's sides are multiples of 16.
    """
    rows = (row // 2 + tl.arange(0, BLOCK_M // 2)).to(tl.uint32)[:, None]
    columns = (column // 4 + tl.arange(0, BLOCK_N // 4)).to(tl.uint32)[None, :]
    low = first_row.to(tl.uint32)
    high = (first_row >> 32).to(tl.uint32)
    nothing = (rows ^ rows) ^ (columns ^ columns)
    a, b, c, d = tl.philox(
        seed, columns ^ nothing, rows ^ nothing, low ^ nothing, high ^ nothing, n_rounds=ROUNDS
    )
    words = tl.join(tl.join(a, b), tl.join(c, d))  # …, key's half, query's half
    draws = tl.join(words & 0x7FFF, words >> 16 & 0x7FFF)
    keep = draws.to(tl.int32) >= threshold
    keep = tl.reshape(keep, (BLOCK_M // 16, 8, BLOCK_N // 16, 4, 2, 2, 2))
    if TRANSPOSED:
        tile = tl.reshape(tl.permute(keep, (2, 4, 3, 6, 0, 5, 1)), (BLOCK_N, BLOCK_M))
    else:
        tile = tl.reshape(tl.permute(keep, (0, 5, 1, 2, 4, 3, 6)), (BLOCK_M, BLOCK_N))
    return tile
