"""How the Hopper forward deals its tiles out, and when it need not mask."""

import pytest
import torch
from triton_kernels.ops.attention import hopper_order
from triton_kernels.ops.attention.features import UNBOUNDED


@pytest.mark.parametrize("keys", [64, 128])
def test_where_blocks_are_cut_once_only_the_last_one_is(keys):
    said = 0
    for m, n, right in ((200, 200, 0), (130, 322, 0), (64, 321, 63), (300, 107, 0), (90, 400, 65),
                        (200, 201, 0), (130, 300, 5), (200, 77, UNBOUNDED)):  # fmt: skip
        cut = 0
        for start in range(0, m, 64):
            row = torch.arange(start, min(start + 64, m))[:, None]
            seen = torch.arange(-(-n // keys) * keys)[None, :]
            end = n if right == UNBOUNDED else n - m + right
            seen = (seen < n) & (seen <= row + end)
            by_block = seen.reshape(len(row), -1, keys)
            visited = int(by_block.any(2).any(0).sum())
            cut = max(cut, sum(not by_block[:, i].all() for i in range(visited)))
        once = hopper_order.cut_once(m, n, right)
        assert not once or cut <= 1, (m, n, right)
        said += once
    assert said == 5


@pytest.mark.parametrize("keys", [64, 128])
@pytest.mark.parametrize("left", [UNBOUNDED, 0, 40, 200])
def test_where_rows_see_their_first_block_none_begins_blind(keys, left):
    said = 0
    for m, n, right in ((200, 200, 0), (130, 322, 0), (64, 320, 64), (300, 107, 0), (300, 108, 0),
                        (200, 201, 0), (90, 400, 63), (200, 77, UNBOUNDED), (100, 100, 128),
                        (64, 400, 47)):  # fmt: skip
        row = torch.arange(m)[:, None] + n - m
        key = torch.arange(n)[None, :]
        seen = (key >= row - left) if left != UNBOUNDED else key >= 0
        if right != UNBOUNDED:
            seen = seen & (key <= row + right)
        blind = 0
        for start in range(0, m, 64):
            rows = seen.expand(m, n)[start : start + 64]
            last = int(rows.any(0).nonzero().max()) // keys if rows.any() else 0
            first = rows[:, last * keys : (last + 1) * keys].any(1)
            blind += int((rows.any(1) & ~first).sum())
        sees = hopper_order.sees_first(m, n, right)
        assert not sees or not blind, (m, n, right)
        said += sees
    assert said == 6


def test_a_tile_visits_the_blocks_that_its_rows_see():
    assert hopper_order.blocks(300, 300, UNBOUNDED, 0, 128, 128) == (1, 2, 3)
    assert hopper_order.blocks(300, 500, UNBOUNDED, 0, 128, 128) == (3, 4, 4)
    assert hopper_order.blocks(300, 100, UNBOUNDED, 0, 128, 64) == (1, 1, 2)
    assert hopper_order.blocks(512, 512, 100, 0, 128, 64) == (2, 4, 4, 4)


@pytest.mark.parametrize("heads", [1, 7, 48])
@pytest.mark.parametrize("size", [1, 3, 48])
def test_every_tile_has_its_turn(heads, size):
    row, head = hopper_order.order(9, heads, size)
    assert (row * heads + head).sort().values.tolist() == list(range(9 * heads))
    assert row[-1] == 0  # the shortest comes last


def test_sections_leave_little_at_the_end():
    for length, heads, width in ((1024, 256, 128), (4096, 64, 128), (16384, 16, 128)):
        lengths = hopper_order.blocks(length, length, UNBOUNDED, 0, 128, 128)
        size = hopper_order.section(lengths, heads, 1, 4 * length * width, 132)
        assert size * 4 * length * width <= 40 << 20
        assert hopper_order._balance(lengths, heads, size, 132) > 0.985
    # In a window a row of tiles reads few of a head's keys, so more heads fit.
    lengths = hopper_order.blocks(16384, 16384, 1024, 0, 128, 128)
    size = hopper_order.section(lengths, 16, 1, 4 * (1024 + 128) * 128, 132)
    assert hopper_order._balance(lengths, 16, size, 132) > 0.985
    # Heads that share their keys are in one section, wherever tensors are made by default.
    with torch.device("meta"):
        size = hopper_order.section(lengths, 16, 8, 4 * 16384 * 128, 132)
    assert size % 8 == 0
