"""Sliding windows: how many there are, and what each offset of the kernel sees of the input.

A kernel of K offsets over an input is K shifted, strided copies of that input. `taps` lists them
as pairs of slices, cut so that nothing outside the input is touched: convolution, pooling and
unfolding are loops over this list, in any number of dimensions, and padding with zeros costs
nothing.  Source: Dumoulin & Visin 2016, "A guide to convolution arithmetic", sections 2 and 4.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

from ..errors import ArgumentTypeError, ShapeError
from .dims import ints

Sizes = tuple[int, ...]


class Window(NamedTuple):
    """A kernel and how it moves, one number a dimension; `after` may differ from `before`."""

    kernel: Sizes
    stride: Sizes
    dilation: Sizes
    before: Sizes
    after: Sizes

    def outputs(self, size: Sizes) -> Sizes:
        """The number of windows over an input of `size`; may be 0 or less."""
        return tuple(
            (n + before + after - d * (k - 1) - 1) // s + 1
            for n, k, s, d, before, after in zip(size, *self, strict=True)
        )


class Tap(NamedTuple):
    """One offset of a kernel: its number and, as indices, its place in three arrays."""

    number: int
    input: tuple[Any, ...]  # what it reads of (…, *size)
    output: tuple[Any, ...]  # the windows, of (…, *outputs), in which that is no padding
    columns: tuple[Any, ...]  # both together, of (…, *kernel, *outputs)


@lru_cache(maxsize=512)
def taps(size: Sizes, outputs: Sizes, window: Window) -> tuple[Tap, ...]:
    """All offsets of the kernel that see something of an input of `size`, in row-major order."""
    kernel, stride, dilation, before, _ = window
    seen = [
        [_seen(n, o, s, k * d - b) for k in range(count)]
        for n, o, count, s, d, b in zip(
            size, outputs, kernel, stride, dilation, before, strict=True
        )
    ]
    found = []
    for number, offset in enumerate(product(*map(range, kernel))):
        pairs = [places[k] for places, k in zip(seen, offset, strict=True)]
        if all(pair is not None for pair in pairs):
            reads = tuple(pair[0] for pair in pairs if pair)
            writes = tuple(pair[1] for pair in pairs if pair)
            found.append(Tap(number, (..., *reads), (..., *writes), (..., *offset, *writes)))
    return tuple(found)


def _seen(size: int, outputs: int, stride: int, shift: int) -> tuple[slice, slice] | None:
    """Elements ``o·stride + shift`` of `size`, and those o of `outputs` for which they exist."""
    first = max(0, -(shift // stride))
    last = min(outputs - 1, (size - 1 - shift) // stride)
    if last < first:
        return None
    start = first * stride + shift
    return slice(start, (last * stride + shift) + 1, stride), slice(first, last + 1)


def per_dim(name: str, value: Any, count: int) -> Sizes:
    """`value` as one int a dimension; a single one counts for all."""
    found = ints(value)
    if len(found) == 1:
        return found * count
    if len(found) != count:
        raise ShapeError(f"expected {name} as one int or {count} of them, got {value!r}")
    return found


def batched(input: Any, count: int) -> tuple[Any, bool]:
    """`input` as (batch, channels, *size) with `count` sizes, and whether the batch was there."""
    if not hasattr(input, "ndim"):
        raise ArgumentTypeError(f"expected a tensor or an array for 'input', got {input!r}")
    if input.ndim not in (count + 1, count + 2):
        raise ShapeError(
            f"expected an input of {count + 2} dimensions, or of {count + 1} without a batch, "
            f"got the shape {tuple(input.shape)}"
        )
    if input.ndim == count + 2:
        return input, True
    return input[None], False
