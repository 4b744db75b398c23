"""Which blocks a program visits: those that positions alone do not hide, in the order that pays.

Positions i see others j in [i + offset - back, i + offset + ahead]. For rows of queries that look
at keys the offset is Sk - Sq, back is left, ahead is right; for columns of keys that look for their
queries all three change sides.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._compat import tl, triton


@triton.jit
def program_place(tiles, heads, REVERSED: tl.constexpr):
    """Tile, head and batch (or packed sequence) of this program.

    Neighbours share a head, so that they read the same keys from the L2 cache. Under a causal mask
    later rows see more: they begin first, and the short ones fill what is left at the end.
    """
    program = tl.program_id(0)
    tile = program % tiles
    if REVERSED:
        tile = tiles - 1 - tile
    return tile, program // tiles % heads, (program // tiles // heads).to(tl.int64)


@triton.jit
def span(
    first, last, length, offset, back, ahead, ragged, BACK: tl.constexpr, AHEAD: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """What positions first to last may see of ``length`` others: four bounds.

    Blocks of BLOCK from ``begin`` to ``inner`` are cut by the window, those from ``inner`` to
    ``outer`` are seen whole, those from ``outer`` to ``end`` are cut again; all but ``end`` are
    multiples of BLOCK. Where ``ragged`` holds, all count as cut.
    """
    begin = first * 0
    inner = first * 0
    end = first * 0 + length
    outer = end
    if BACK:
        begin = tl.maximum(first + offset - back, 0) // BLOCK * BLOCK
        inner = tl.cdiv(tl.maximum(last + offset - back, 0), BLOCK) * BLOCK
    if AHEAD:
        end = tl.maximum(tl.minimum(end, last + offset + ahead + 1), 0)
        outer = tl.maximum(tl.minimum(outer, first + offset + ahead + 1), 0)
    reach = tl.cdiv(end, BLOCK) * BLOCK
    inner = tl.maximum(tl.minimum(inner, reach), begin)
    outer = tl.maximum(outer // BLOCK * BLOCK, inner)
    inner = tl.where(ragged, reach, inner)
    outer = tl.where(ragged, reach, outer)
    return begin, inner, outer, end
