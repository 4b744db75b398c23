"""How many rows' logits linear_cross_entropy holds at a time, and how they are divided."""

from __future__ import annotations

import math


def rows_at_a_time(rows: int, columns: int, classes: int, asked: int) -> int:
    """As asked for, or as many as fit the memory of the weight's gradient, in even chunks.

    With as many rows as columns the chunk's logits are as large as the weight: few chunks, so that
    the weight's gradient is added up few times.
    """
    most = asked or max(columns, 256)
    chunks = max(1, math.ceil(rows / most))
    even = math.ceil(rows / chunks)
    return min(rows, even + -even % 16)


def block_width(beside: int, columns: int, classes: int) -> int:
    """Classes of a block of the first chunk, such that a block of dW fits into ``beside`` elements.

    As many as one program's registers hold of a row; 0 if no useful number does.
    """
    if not columns:
        return 0
    return min(beside // columns, 8192, classes + -classes % 16) // 16 * 16
