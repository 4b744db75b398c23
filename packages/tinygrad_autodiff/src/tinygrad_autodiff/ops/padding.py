"""Padding: elements put around a tensor, or (negative) cut off."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import ArgumentError, ArgumentTypeError, RangeError, ShapeError
from ..op import Bad, Op, Sample, compose, op
from ..samples import array
from .dims import ints
from .resampling import Table


class ConstantPad(Op, name="constant_pad", spaces=()):
    """Padding with a constant; the adjoint cuts off what was added."""

    def forward(self, input: Array, pad: tuple[int, ...], value: Any = 0.0) -> Array:
        """Values."""
        shape, inner, taken = list(input.shape), [], []
        for i, size in enumerate(input.shape):
            place = 2 * (input.ndim - 1 - i)
            left, right = pad[place : place + 2] if place < len(pad) else (0, 0)
            shape[i] = size + left + right
            inner.append(slice(max(left, 0), shape[i] - max(right, 0)))
            taken.append(slice(max(-left, 0), size - max(-right, 0)))
        if min(shape, default=0) < 0:
            raise ShapeError(f"pad: {pad} cuts off more than the shape {input.shape} has")
        out = np.full(tuple(shape), value, input.dtype) if value else np.zeros(shape, input.dtype)
        out[tuple(inner)] = input[tuple(taken)]
        return out

    def backward(self, g: Any, pad: Any) -> Any:
        """Cut off."""
        return op.constant_pad(g, tuple(-p for p in pad))

    def jvp(self, t: Any, pad: Any) -> Any:
        """Padding with 0."""
        return op.constant_pad(t, pad)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Growing and shrinking."""
        yield Sample((array((3, 4)), (1, 2, 0, 1), 2.0))
        yield Sample((array((3, 4)), (-1, 2)))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """More cut off than there is."""
        yield Bad((array((3,)), (-2, -2)), {}, ShapeError, "cuts off more")


@lru_cache(maxsize=256)
def _table(mode: str, size: int, left: int, right: int) -> Table:
    """Which element each one of the padded dimension repeats."""
    place = np.arange(-left, size + right)
    if mode == "circular":
        first, last = max(-left, 0), size - max(-right, 0)
        source = first + (place - first) % (last - first)
    elif mode == "replicate":
        source = np.clip(place, 0, size - 1)
    else:
        source = size - 1 - np.abs(size - 1 - np.abs(place))
    inner = (place >= 0) & (place < size)
    rows = np.arange(len(place))
    parts = (inner, place < 0, place >= size)
    return Table(len(place), size, [(rows[p], source[p], 1.0) for p in parts])


def _check(mode: str, size: int, left: int, right: int, shape: Any) -> None:
    most = {"reflect": size - 1, "circular": size}.get(mode)
    if most is not None and max(left, right) > most:
        word = "less than" if mode == "reflect" else "at most"
        raise RangeError(
            f"padding size should be {word} the corresponding input dimension, but got "
            f"({left}, {right}) at a dimension of size {size} of {tuple(shape)}"
        )
    kept = size + min(left, 0) + min(right, 0)
    if size + left + right < 0 or (mode == "circular" and kept <= 0 < size + left + right):
        raise ShapeError(f"({left}, {right}) cannot pad a dimension of size {size}")


_X = array((2, 3, 4))


@compose(
    Sample((_X, (1, 2))),
    Sample((_X, (1, 0, -1, 2), "constant", 1.5)),
    Sample((_X, (2, 1)), {"mode": "reflect"}),
    Sample((_X[None], (1, 2, 2, -1)), {"mode": "replicate"}),
    Sample((_X, (1, 2)), {"mode": "circular"}),
    spaces=("nn.functional",),
    errors=(
        Bad((array((3,)), (1,)), {}, RangeError, "pairs"),
        Bad((array((3,)), (1, 1), "mirror"), {}, ArgumentError, "'mirror'"),
        Bad((array((1, 3)), (3, 0), "reflect"), {}, RangeError, "less than"),
        Bad((array((1, 3)), (4, 0), "circular"), {}, RangeError, "at most"),
    ),
)
def pad(input: Any, pad: Any, mode: str = "constant", value: Any = None) -> Any:
    """Added (or, negative, cut off) at both ends of the last dimensions.

    `pad` is (left, right) of the last dimension, then of the one before, and so on; `mode` is
    "constant" (with `value`, 0 if None), "reflect" (without repeating the border), "replicate" or
    "circular".
    """
    pad = ints(pad)
    if not hasattr(input, "ndim"):
        raise ArgumentTypeError(f"expected a tensor or an array for 'input', got {input!r}")
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise RangeError(f"{pad} is no list of pairs for the shape {tuple(input.shape)}")
    if mode == "constant":
        return op.constant_pad(input, pad, 0.0 if value is None else value)
    if mode not in ("reflect", "replicate", "circular"):
        raise ArgumentError(f"mode is constant, reflect, replicate or circular, not {mode!r}")
    if value:
        raise ArgumentError(f"mode {mode!r} doesn't take in a value, got {value}")
    for i in range(len(pad) // 2):
        dim, (left, right) = input.ndim - 1 - i, pad[2 * i : 2 * i + 2]
        _check(mode, input.shape[dim], left, right, input.shape)
        if left or right:
            table = _table(mode, input.shape[dim], left, right)
            input = op.resample(input, dim, table)
    return input


@compose(
    Sample((_X, (1, 0, -1, 2), 1.5)),
    Sample((_X, (0, 1))),
    spaces=("",),
    errors=(Bad((_X, (1,)), {}, RangeError, "pairs"),),
)
def constant_pad_nd(input: Any, pad: Any, value: Any = 0) -> Any:
    """`value` added (or, negative, elements cut off) at the ends of the last dimensions."""
    return op.pad(input, pad, "constant", value)
