"""Dropout in the backward on Hopper: what the forward dropped, in bits.

The forward draws random words beside its products. The backward has no registers left for that, so
a kernel of its own draws them for the part of the work that is at hand: a bit a weight, a sixteenth
of ds. A counter of Philox decides on eight weights, queries i and i + 8, keys j, j + 1, j + 8 and
j + 9 (``features.kept``): eight counters make two threads' words, of even keys and of odd ones.

Of a tile of 64 by 64 there is a word for each thread as ``hopper_bits`` has it, but with the odd
queries in its upper half: bits are (one of two queries, half of 16 keys, chunk of 8 queries).
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._compat import Launch, tl, triton
from triton_kernels.ops.attention import features
from triton_kernels.ops.attention.features import UNBOUNDED, Features

_ROUNDS = tl.constexpr(features.ROUNDS)
WORDS = 128
"""Of a tile of 64 queries and 64 keys."""
_TILES, _WARPS, _SEQUENCES = 4, 4, 1024
"""Tiles that a program draws at once; sequences that it looks at."""
_SIZES = (
    "first_line", "group", "batches", "heads_k", "m", "n", "left", "right", "blocks",
    "start", "tiles", "sequences", "threshold", "seed", "seed_high",
)  # fmt: skip


@triton.jit
def _philox(c0, c1, c2, c3, key0, key1):
    """Four words a counter: Philox 4x32 (Salmon et al. 2011, section 3.3)."""
    for _ in tl.static_range(_ROUNDS):
        high0 = c0.to(tl.uint64) * 0xD2511F53
        high1 = c2.to(tl.uint64) * 0xCD9E8D57
        c0 = (high1 >> 32).to(tl.uint32) ^ c1 ^ key0
        c2 = (high0 >> 32).to(tl.uint32) ^ c3 ^ key1
        c1 = high1.to(tl.uint32)
        c3 = high0.to(tl.uint32)
        key0 += 0x9E3779B9
        key1 += 0xBB67AE85
    return c0, c1, c2, c3


@triton.jit
def _append(bits, words, least):
    """To both halves of ``bits``, from above, whether 15 bits of both of ``words`` reach least."""
    difference = (words & 0x7FFF7FFF | 0x80008000) - least
    return bits >> 1 & 0x7FFF7FFF | difference & 0x80008000


@triton.jit(do_not_specialize=_SIZES)  # one kernel serves all sizes
def _draw(
    words, cu_q, cu_k, first_line, group, batches, heads_k, m, n, left, right, blocks, start,
    tiles, sequences, threshold, seed, seed_high,
    LEFT: tl.constexpr, RIGHT: tl.constexpr, NEIGHBOURS: tl.constexpr, TILES: tl.constexpr,
    SEQUENCES: tl.constexpr,
):  # fmt: skip
    """Program (line, block): of one block of 64 queries the tiles of keys that it sees, of so many
    tiles from ``start`` on; (lines, blocks, tiles, 128) words."""
    block = tl.program_id(0) % blocks
    line = tl.program_id(0) // blocks
    own = words + (line.to(tl.int64) * blocks + block) * tiles * 128
    all_rows = m.to(tl.int64)
    first_q = 0
    if cu_q is not None:  # the sequence whose padded rows these are, as ``hopper_packed`` has them
        sequence = -1
        for some in range(0, sequences, SEQUENCES):
            number = some + tl.arange(0, SEQUENCES)
            begin = tl.load(cu_q + number, mask=number < sequences, other=0)
            begins = (number < sequences) & ((begin // 128 + number) * 2 <= block)
            sequence += tl.sum(begins.to(tl.int32))
        sequence = tl.maximum(sequence, 0)  # rows before the first belong to none
        first_q = tl.load(cu_q + sequence)
        m = tl.load(cu_q + sequence + 1) - first_q
        n = tl.load(cu_k + sequence + 1) - tl.load(cu_k + sequence)
        block -= (first_q // 128 + sequence) * 2
        head = first_line + line
    else:
        number = (first_line + line) // group
        member = (first_line + line) % group
        if NEIGHBOURS:
            head = (number % batches * heads_k + number // batches) * group + member
        else:
            head = number * group + member
    above = block * 64 + n - m
    end = n
    if RIGHT:
        end = tl.minimum(end, tl.maximum(above + 64 + right, 0))
    begin = start
    if LEFT:
        begin = tl.maximum(begin, tl.maximum(above - left, 0) // 64)
    end = tl.minimum(tl.cdiv(end, 64), start + tiles)
    end = tl.where((block >= 0) & (block * 64 < m), end, 0)
    first = head.to(tl.int64) * all_rows + first_q
    unit = tl.arange(0, TILES * 64)
    pair = unit % 4  # of queries
    line_pair = unit // 4 % 4  # of keys
    nothing = (unit ^ unit).to(tl.uint32)
    low = nothing + first.to(tl.uint32)
    high = nothing + (first >> 32).to(tl.uint32)
    key0 = nothing + seed.to(tl.uint32)
    key1 = nothing + seed_high.to(tl.uint32)
    least = nothing + threshold.to(tl.uint32) * 0x10001
    for tile in range(begin, end, TILES):
        key = (tile * 16 + unit // 16 * 4 + line_pair).to(tl.uint32)
        even = nothing
        even_far = nothing
        odd = nothing
        odd_far = nothing
        for cell in tl.static_range(4):
            row = (block * 32 + cell * 8 + pair * 2).to(tl.uint32)
            a, b, c, d = _philox(key, row, low, high, key0, key1)
            even = _append(_append(even, a, least), c, least)
            even_far = _append(_append(even_far, b, least), d, least)
            a, b, c, d = _philox(key, row + 1, low, high, key0, key1)
            odd = _append(_append(odd, a, least), c, least)
            odd_far = _append(_append(odd_far, b, least), d, least)
        even = even >> 8 & 0x00FF00FF | even_far & 0xFF00FF00
        odd = odd >> 8 & 0x00FF00FF | odd_far & 0xFF00FF00
        at = tile - start + unit // 64
        to = own + at * 128 + unit // 16 % 4 * 32 + line_pair * 8 + pair
        inside = at < tiles
        tl.store(to, (even & 0xFFFF | odd << 16).to(tl.int32, bitcast=True), mask=inside)
        tl.store(to + 4, (even >> 16 | odd & 0xFFFF0000).to(tl.int32, bitcast=True), mask=inside)


def launch_of(
    f: Features, sizes: tuple[int, ...], lines: tuple[int, int, int], tiles: tuple[int, int],
    batches: int, sequences: int = 0, neighbours: bool = False,
) -> Launch:  # fmt: skip
    """Draws for some lines of heads; its tensors are the words, ``cu_q`` and ``cu_k``, and what
    varies the halves of the seed.

    Args:
        f: the features.
        sizes: key heads, query heads of each, m, n.
        lines: the first, how many, and blocks of 64 rows of each.
        tiles: of 64 keys: the first one, and how many.
        batches: how many.
        sequences: packed: how many.
        neighbours: whether batches of a head lie beside each other: ``batch_and_head``.
    """
    heads_k, group, m, n = sizes
    first, count, blocks = lines
    constants = {
        "LEFT": f.left != UNBOUNDED, "RIGHT": f.right != UNBOUNDED, "NEIGHBOURS": neighbours,
        "TILES": _TILES, "SEQUENCES": _SEQUENCES,
    }  # fmt: skip
    return Launch(
        _draw, count * blocks,
        (first, group, batches, heads_k, m, n, f.left, f.right, blocks, *tiles, sequences,
         features.threshold(f.dropout)),
        constants, {"num_warps": _WARPS},
    )  # fmt: skip
