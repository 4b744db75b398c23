"""Unfolding into columns of windows (im2col), and its adjoint, overlapping addition."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import RangeError, ShapeError
from ..op import Bad, Op, Sample, compose, op
from ..samples import array
from .windows import Sizes, Window, batched, per_dim, taps

_WINDOW = Window((2, 2), (2, 1), (1, 2), (1, 0), (1, 0))


class Im2col(Op, name="im2col", spaces=()):
    """What each window sees: (N, C, *size) to (N, C, *kernel, *outputs), zeros for padding."""

    linear = True

    def forward(self, input: Array, window: Any) -> Array:
        """Values: one strided copy for each offset of the kernel."""
        self.sizes = input.shape
        outputs = window.outputs(input.shape[2:])
        out = np.zeros((*input.shape[:2], *window.kernel, *outputs), input.dtype)
        for tap in taps(input.shape[2:], outputs, window):
            out[tap.columns] = input[tap.input]
        return out

    def backward(self, g: Any, window: Any, sizes: Any) -> Any:
        """Added where it was read."""
        return op.col2im(g, sizes, window)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Strided, dilated, padded."""
        yield Sample((array((1, 2, 4, 5)), _WINDOW))


class Col2im(Op, name="col2im", spaces=()):
    """Windows (N, C, *kernel, *outputs) added where they lie in zeros of `size`."""

    linear = True

    def forward(self, input: Array, size: Sizes, window: Any) -> Array:
        """Values."""
        half = input.dtype == np.float16
        out = np.zeros(size, np.float32 if half else input.dtype)
        for tap in taps(size[2:], input.shape[-len(window.kernel) :], window):
            out[tap.input] += input[tap.columns]
        return out.astype(input.dtype, copy=False)

    def backward(self, g: Any, window: Any) -> Any:
        """Read where it was added."""
        return op.im2col(g, window)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Strided, dilated, padded."""
        yield Sample((array((1, 2, 2, 2, 3, 3)), (1, 2, 4, 5), _WINDOW))


def _window(kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Window:
    names = ("kernel_size", "stride", "dilation", "padding")
    values = [
        per_dim(name, value, 2)
        for name, value in zip(names, (kernel_size, stride, dilation, padding), strict=True)
    ]
    for name, value in zip(names[:3], values, strict=False):
        if min(value) <= 0:
            raise RangeError(f"{name} should be greater than zero, but got {value}")
    if min(values[3]) < 0:
        raise RangeError(f"padding should be non-negative, but got {values[3]}")
    kernel, strides, dilations, pads = values
    return Window(kernel, strides, dilations, pads, pads)


_X, _COLUMNS = array((2, 2, 3, 4)), array((1, 8, 6))


@compose(
    Sample((_X, 2)),
    Sample((_X[0], (2, 1), (1, 2), (1, 0), 2)),
    spaces=("nn.functional",),
    errors=(
        Bad((_X, 5), {}, ShapeError, "unfold: .*no window"),
        Bad((_X[0, 0], 2), {}, ShapeError, "unfold: expected an input of 4"),
        Bad((_X, 2), {"stride": 0}, RangeError, "unfold: stride"),
    ),
)
def unfold(
    input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Any:
    """Windows of (N, C, H, W) or (C, H, W) as columns: (N, C · kernel, number of windows)."""
    window = _window(kernel_size, dilation, padding, stride)
    x, had_batch = batched(input, 2)
    if min(window.outputs(tuple(x.shape[2:]))) <= 0:
        raise ShapeError(f"there is no window of {window.kernel} in {tuple(input.shape)}")
    rows = x.shape[1] * math.prod(window.kernel)
    count = math.prod(window.outputs(tuple(x.shape[2:])))
    out = op.reshape(op.im2col(x, window), (x.shape[0], rows, count))
    return out if had_batch else out[0]


@compose(
    Sample((_COLUMNS, (3, 4), 2)),
    Sample((_COLUMNS[0], (3, 5), (2, 1), 1, (1, 0), 2)),
    spaces=("nn.functional",),
    errors=(
        Bad((_COLUMNS, (3, 3), 2), {}, ShapeError, "4 windows"),
        Bad((_COLUMNS, (3, 4), 3), {}, ShapeError, "divisible by 9"),
        Bad((_COLUMNS[0, 0], (3, 4), 2), {}, ShapeError, "dimensions"),
    ),
)
def fold(
    input: Any,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Any:
    """Columns (N, C · kernel, windows) added where they lie in (N, C, *output_size).

    The adjoint of `unfold`, and its inverse where windows do not overlap.
    """
    window, size = _window(kernel_size, dilation, padding, stride), per_dim("size", output_size, 2)
    x, had_batch = batched(input, 1)
    outputs, taken = window.outputs(size), math.prod(window.kernel)
    if x.shape[1] % taken:
        raise ShapeError(f"{x.shape[1]} rows of {tuple(input.shape)} are not divisible by {taken}")
    if min(outputs) <= 0 or math.prod(outputs) != x.shape[2]:
        raise ShapeError(
            f"an output of {size} has {max(math.prod(outputs), 0)} windows of {window.kernel}, "
            f"but the input of {tuple(input.shape)} has {x.shape[2]}"
        )
    channels = x.shape[1] // taken
    columns = op.reshape(x, (x.shape[0], channels, *window.kernel, *outputs))
    out = op.col2im(columns, (x.shape[0], channels, *size), window)
    return out if had_batch else out[0]
