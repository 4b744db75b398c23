"""Which elements of a row dropout keeps, by the seed alone (see foundations/dropout.py)."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from typing import Any, NamedTuple

from triton_kernels._compat import tl, triton


@triton.jit
def _words(
    rows, first, n_columns, seed, ROWS: tl.constexpr, COLUMNS: tl.constexpr, ALIGNED: tl.constexpr
):
    """The random word of each element of a tile, which its place in the whole tensor decides."""
    if ALIGNED:  # the four words of a counter are four neighbours
        counters = rows * (n_columns // 4) + (first // 4 + tl.arange(0, COLUMNS // 4)[None, :])
    else:
        places = rows * n_columns + (first + tl.arange(0, COLUMNS)[None, :])
        counters = places >> 2
    low = counters.to(tl.uint32)
    a, b, c, d = tl.philox(seed, low, (counters >> 32).to(tl.uint32), low * 0, low * 0)
    if ALIGNED:
        return tl.reshape(tl.join(tl.join(a, c), tl.join(b, d)), (ROWS, COLUMNS))
    else:
        word = (places & 3).to(tl.int32)
        return tl.where(word < 2, tl.where(word == 0, a, b), tl.where(word == 2, c, d))


@triton.jit
def dropped(
    x, rows, first, n_columns, seed, threshold, scale,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, ALIGNED: tl.constexpr,
):  # fmt: skip
    """x·scale where it is kept, else 0; x is float32, a tile of whole columns from ``first`` on."""
    words = _words(rows, first, n_columns, seed, ROWS, COLUMNS, ALIGNED)
    return tl.where((words >> 1).to(tl.int32) >= threshold, x * scale, 0.0)


class Choice(NamedTuple):
    """What a kernel is told of dropout at run time."""

    seed: int
    threshold: int
    """A word below it, as its upper 31 bits, is dropped."""
    scale: float


def choice(p: float, seed: int) -> Choice:
    """Of the probability to drop an element."""
    return Choice(seed, min(round(p * 2**31), 2**31 - 1), 1 / (1 - p) if p < 1 else 0.0)


def aligned(n_columns: int, columns: int) -> dict[str, Any]:
    """Whether a counter's words are neighbours in rows, and in tiles, so long."""
    return {"ALIGNED": n_columns % 4 == 0 and columns % 4 == 0}
