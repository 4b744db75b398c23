"""The bias's gradient on Hopper in Gluon: dt of ``hopper_narrow``, put in order and added up, where
it has not been made on the way (``hopper_shares.way``).

The tiles of (64 keys, rows) that the queries' gradient is made of are what the bias's is the sum
of, over the batches and heads that share it. A block of threads makes 128 columns of one block of
rows: it adds up its tiles in float32, always in the same order, and turns the sum over. Tiles that
nobody sees have not been written and count as zeros.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._compat import Launch
from triton_kernels._gluon import gl, gluon
from triton_kernels.ops.attention.features import UNBOUNDED
from triton_kernels.ops.attention.hopper_parts import tile_of, tiles_seen
from triton_kernels.ops.attention.hopper_shares import Part

_COLUMNS = gl.constexpr(128)
"""Keys of a block of threads: two tiles."""
_TILE = gl.constexpr(64)
_AT_ONCE, _WARPS = 2, 4
"""Tiles that are loaded before the first is added."""
_SIZES = (
    "heads_k", "group", "m", "eighths", "left", "right", "start_head", "heads", "start", "tiles",
    "stretch", "batches", "own_batches", "own_heads", "first_own",
)  # fmt: skip


@gluon.jit(do_not_specialize=_SIZES)  # one kernel serves all sizes
def _add_up(
    ds, out, heads_k, group, m, eighths, left, right, start_head, heads, start, tiles, stretch,
    batches, own_batches, own_heads, first_own, enlarge,
    BLOCK_M: gl.constexpr, KEYS: gl.constexpr, LEFT: gl.constexpr, RIGHT: gl.constexpr,
    NEIGHBOURS: gl.constexpr, ADD: gl.constexpr, AT_ONCE: gl.constexpr,
):  # fmt: skip
    """``out``: (own_batches, own_heads, m, n) in one piece, n being eight times ``eighths``.

    A program makes two tiles of a block of rows of the ``first_own + i``-th matrix; of programs
    side by side the tiles are, then the blocks.
    The tiles are those of ``heads`` key heads from ``start_head`` on, and of so many keys from tile
    ``start`` on. ADD: to what is there already.
    """
    WARPS: gl.constexpr = gl.num_warps()
    READ: gl.constexpr = gl.BlockedLayout(
        [1, 8], [256 // BLOCK_M, BLOCK_M // 8], [WARPS, 1], [1, 0]
    )
    WRITE: gl.constexpr = gl.BlockedLayout([1, 8], [2, 16], [WARPS, 1], [1, 0])
    n = eighths * 8
    parts, blocks = gl.cdiv(tiles, _COLUMNS // _TILE), gl.cdiv(m, BLOCK_M)
    tile = gl.program_id(0) % parts * (_COLUMNS // _TILE)
    block = gl.program_id(0) // parts % blocks
    own = first_own + gl.program_id(0) // parts // blocks
    own_batch = own // own_heads
    own_head = own % own_heads
    first, last = tiles_seen(
        block * BLOCK_M, tiles, start, (m, n, left, right), BLOCK_M, KEYS, LEFT, RIGHT
    )
    key = gl.arange(0, _COLUMNS, gl.SliceLayout(1, READ))[:, None]
    within = key % _TILE * BLOCK_M + gl.arange(0, BLOCK_M, gl.SliceLayout(0, READ))[None, :]
    key_tile = tile + key // _TILE
    seen = (key_tile >= first) & (key_tile < last)
    sums = gl.zeros([_COLUMNS, BLOCK_M], gl.float32, READ)
    shared_batches = gl.where(own_batches == 1, batches, 1)
    shared_heads = gl.where(own_heads == 1, heads_k * group, 1)
    row_blocks = gl.cdiv(m, BLOCK_M)
    members = shared_batches * shared_heads
    for start_member in range(0, members, AT_ONCE):
        found = gl.zeros([_COLUMNS, BLOCK_M], gl.float32, READ)
        for i in gl.static_range(AT_ONCE):
            member = start_member + i
            batch = own_batch + member // shared_heads
            head = own_head + member % shared_heads
            if NEIGHBOURS:
                number = head // group * batches + batch - start_head
            else:
                number = batch * heads_k + head // group - start_head
            here = (member < members) & (number >= 0) & (number < heads)
            line = number * group + head % group
            place = tile_of(
                (row_blocks, 0, stretch, tiles, start), line, block, key_tile, (m, n, left, right),
                BLOCK_M, KEYS, LEFT, RIGHT, False,
            ).to(gl.int64) * (_TILE * BLOCK_M)  # fmt: skip
            tile_found = gl.load(ds + place + within, mask=seen & here, other=0.0)
            found += tile_found.to(gl.float32)
        sums += found
    turned = gl.convert_layout((sums * enlarge).to(out.dtype.element_ty).permute((1, 0)), WRITE)
    row = block * BLOCK_M + gl.arange(0, BLOCK_M, gl.SliceLayout(1, WRITE))
    column = (start + tile) * _TILE + gl.arange(0, _COLUMNS, gl.SliceLayout(0, WRITE))
    to = out + (own.to(gl.int64) * m + row.to(gl.int64))[:, None] * n + column[None, :]
    inside = (row < m)[:, None] & (column < n)[None, :]
    if ADD:
        turned += gl.load(to, mask=inside, other=0.0)
    gl.store(to, turned, mask=inside)


def heads_that_share(of_bias: tuple[int, ...], batches: int, heads_k: int) -> int:
    """How many neighbouring key heads, in the order of the work, a matrix of a bias of this shape
    is the sum of."""
    over_batches = batches if of_bias[0] == 1 else 1
    return over_batches * (heads_k if of_bias[1] == 1 else 1)


def launch_of(
    of_bias: tuple[int, ...], batches: int, sizes: tuple[int, ...], part: Part,
    tiles: tuple[int, int, int], rows: int, together: int, adds: bool, enlarge: float,
) -> Launch:  # fmt: skip
    """Writes, or ``adds``, what a part of the work has left to a tensor of the bias's shape.

    Args:
        of_bias: that shape.
        batches: how many.
        sizes: key heads, query heads of each, m, n, and the window.
        part: what of the work has been done.
        tiles: of keys: the part's first one, how many, and those of a stretch.
        rows: of a tile of ds.
        together: key heads that share a matrix. Unless ``adds``, each matrix is whole in a part,
            or at least what it has of the part's keys.
        adds: to what is there.
        enlarge: a factor.
    """
    heads_k, group, m, n, left, right = sizes
    start, count, length = tiles
    own_batches, own_heads = of_bias[:2]
    matrices, first = own_batches * own_heads, 0
    if not adds:
        each = group if own_heads > 1 else 1
        matrices, first = part.heads // together * each, part.start_head // together * each
    constants = {
        "BLOCK_M": rows, "KEYS": 128, "LEFT": left != UNBOUNDED, "RIGHT": right != UNBOUNDED,
        "NEIGHBOURS": own_batches == 1, "ADD": adds, "AT_ONCE": _AT_ONCE,
    }  # fmt: skip
    return Launch(
        _add_up, (-(-count // 2) * -(-m // rows) * matrices,),
        (heads_k, group, m, n // 8, left, right, part.start_head, part.heads, start, count, length,
         batches, own_batches, own_heads, first, enlarge),
        constants, {"num_warps": _WARPS},
    )  # fmt: skip
