"""Convolution (cross-correlation, as in all of deep learning) in one, two and three dimensions.

Everything comes from one trilinear form of an input x, a weight w and an output-shaped g,

    T(x, w, g) = Σ g[n, o, p] · w[o, c, k] · x[n, c, p·stride + k·dilation - padding],

whose three partial derivatives are three ops: `conv_forward` = ∂T/∂g is the convolution,
`conv_input` = ∂T/∂x its adjoint in x, the transposed convolution, and `conv_weight` = ∂T/∂w its
adjoint in w. The rules of each are the other two, hence derivatives of every order.

Each is a product of matrices: the columns (im2col: channel and kernel offset × output position)
of as many samples as fit the cache are filled by strided copies, and multiplied at once.
Source: Chellapilla, Puri & Simard 2006; Dumoulin & Visin 2016, section 4.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array
from ..op import Op, Sample, op
from ..samples import array
from .windows import Sizes, Tap, Window, taps

_CACHE = 2**20  # bytes of columns that are filled and multiplied at once


def _tiles(
    shape: Sizes, outputs: Sizes, window: Window, itemsize: int
) -> Iterator[tuple[slice, slice, tuple[Tap, ...]]]:
    """Slices of samples and of rows of the output whose columns fit the cache, and their taps."""
    row = shape[1] * math.prod(window.kernel) * math.prod(outputs[1:]) * itemsize
    rows = min(max(_CACHE // row, 1), outputs[0])
    samples = max(_CACHE // (row * rows), 1) if rows == outputs[0] else 1
    for start in range(0, shape[0], samples):
        for first in range(0, outputs[0], rows):
            last = min(first + rows, outputs[0])
            shifted = window._replace(
                before=(window.before[0] - first * window.stride[0], *window.before[1:])
            )
            size = (last - first, *outputs[1:])
            yield (
                slice(start, min(start + samples, shape[0])),
                slice(first, last),
                taps(shape[2:], size, shifted),
            )


def _columns(
    input: Array, outputs: Sizes, window: Window, groups: int
) -> Iterator[tuple[slice, slice, Array]]:
    """Tile by tile the columns, of shape (samples, groups, channels · kernel, positions)."""
    batch, channels = input.shape[:2]
    rows = channels // groups * math.prod(window.kernel)
    if _is_pointwise(input.shape, window):
        flat = np.ascontiguousarray(input).reshape(batch, groups, rows, -1)
        yield slice(0, batch), slice(0, outputs[0]), flat
        return
    buffer = before = None
    for samples, part, offsets in _tiles(input.shape, outputs, window, input.itemsize):
        count, size = samples.stop - samples.start, (part.stop - part.start, *outputs[1:])
        if offsets is not before:  # else what is padding in the buffer is 0 already
            shape = (count, channels, *window.kernel, *size)
            buffer, before = np.zeros(shape, input.dtype), offsets
        assert buffer is not None
        block, source = buffer[:count], input[samples]
        for tap in offsets:
            block[tap.columns] = source[tap.input]
        yield samples, part, block.reshape(count, groups, rows, -1)


def _is_pointwise(shape: Sizes, window: Window) -> bool:
    return window.outputs(shape[2:]) == shape[2:] and math.prod(window.kernel) == 1


def _grouped(value: Array, samples: slice, rows: slice, groups: int) -> Array:
    """A tile of an output as (samples, groups, channels of the group, positions), a view."""
    tile = value[samples, :, rows]
    return tile.reshape(len(tile), groups, value.shape[1] // groups, -1)


def _wide(*arrays: Array) -> tuple[Array, ...]:
    """float16 as float32, in which its products are added up; memory in row-major order."""
    dtype = np.float32 if arrays[0].dtype == np.float16 else arrays[0].dtype
    return tuple(np.ascontiguousarray(a, dtype) for a in arrays)


class ConvForward(Op, name="conv_forward", spaces=()):
    """Cross-correlation of (N, C, *) with a weight (O, C/groups, *), plus a bias (O,)."""

    def forward(
        self,
        input: Array,
        weight: Array,
        bias: Array | None = None,
        window: Any = None,
        groups: int = 1,
    ) -> Array:
        """Values: weight @ columns, the bias added while they are in the cache."""
        self.sizes, self.shape = input.shape, weight.shape
        x, w = _wide(input, weight)
        outputs = window.outputs(x.shape[2:])
        out = np.empty((len(x), len(w), *outputs), x.dtype)
        if not out.size or not w.size or not x.size:
            out[...] = 0 if bias is None else bias.reshape(-1, *[1] * len(outputs))
            return out.astype(input.dtype, copy=False)
        w = w.reshape(groups, len(w) // groups, -1)
        column = None if bias is None else bias.reshape(groups, -1, 1)
        for samples, rows, columns in _columns(x, outputs, window, groups):
            tile = _grouped(out, samples, rows, groups)
            np.matmul(w, columns, out=tile)
            if column is not None:
                tile += column
        return out.astype(input.dtype, copy=False)

    def backward_input(self, g: Any, weight: Any, sizes: Any, window: Any, groups: Any) -> Any:
        """∂T/∂x."""
        return op.conv_input(g, weight, sizes, window, groups)

    def backward_weight(self, g: Any, input: Any, shape: Any, window: Any, groups: Any) -> Any:
        """∂T/∂w."""
        return op.conv_weight(input, g, shape, window, groups)

    def backward_bias(self, g: Any) -> Any:
        """Sum over samples and positions."""
        return op.sum(op.sum(op.flatten(g, 2), 2), 0)

    def jvp(
        self, ti: Any, tw: Any, tb: Any, input: Any, weight: Any, window: Any, groups: Any, out: Any
    ) -> Any:
        """Product rule."""
        change = op.zeros_like(out)
        if ti is not None:
            change = change + op.conv_forward(ti, weight, None, window, groups)
        if tw is not None:
            change = change + op.conv_forward(input, tw, None, window, groups)
        if tb is not None:
            change = change + op.reshape(tb, (-1, *[1] * (out.ndim - 2)))
        return change

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Strides, dilations, groups and uneven padding; through more than one tile; a bias."""
        window = Window((2, 3), (2, 1), (1, 2), (1, 0), (0, 2))
        x, w = array((2, 4, 4, 5)), array((2, 2, 2, 3), seed=1)
        yield Sample((x, w, array((2,), seed=2), window, 2))


class ConvInput(Op, name="conv_input", spaces=()):
    """Adjoint of convolution in its input, an input of `size`: transposed convolution."""

    multilinear = True

    def forward(self, grad: Array, weight: Array, size: Sizes, window: Any, groups: int) -> Array:
        """Values: weightᵀ @ grad, whose columns are added where they were read."""
        self.shape = weight.shape
        g, w = _wide(grad, weight)
        out = np.zeros(size, g.dtype)
        if not g.size or not w.size or not out.size:
            return out.astype(grad.dtype, copy=False)
        outputs, channels = g.shape[2:], size[1]
        w = w.reshape(groups, len(w) // groups, -1).mT
        if _is_pointwise(size, window):
            np.matmul(
                w,
                _grouped(g, slice(None), slice(None), groups),
                out=out.reshape(len(g), groups, channels // groups, -1),
            )
            return out.astype(grad.dtype, copy=False)
        buffer = np.empty(0, g.dtype)
        for samples, rows, offsets in _tiles(size, outputs, window, g.itemsize):
            tile = _grouped(g, samples, rows, groups)
            shape = (*tile.shape[:2], w.shape[1], tile.shape[3])
            if math.prod(shape) > buffer.size:
                buffer = np.empty(math.prod(shape), g.dtype)
            columns = np.matmul(w, tile, out=buffer[: math.prod(shape)].reshape(shape))
            columns = columns.reshape(
                len(tile), channels, *window.kernel, rows.stop - rows.start, *outputs[1:]
            )
            target = out[samples]
            for tap in offsets:
                target[tap.input] += columns[tap.columns]
        return out.astype(grad.dtype, copy=False)

    def backward_grad(self, g: Any, weight: Any, window: Any, groups: Any) -> Any:
        """Convolution."""
        return op.conv_forward(g, weight, None, window, groups)

    def backward_weight(self, g: Any, grad: Any, shape: Any, window: Any, groups: Any) -> Any:
        """∂T/∂w."""
        return op.conv_weight(g, grad, shape, window, groups)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Strided, dilated, grouped, with uneven padding."""
        window = Window((2, 3), (2, 1), (1, 2), (1, 0), (0, 2))
        g, w = array((2, 2, 2, 3)), array((2, 2, 2, 3), seed=1)
        yield Sample((g, w, (2, 4, 4, 5), window, 2))


class ConvWeight(Op, name="conv_weight", spaces=()):
    """Adjoint of convolution in its weight, a weight of `size`."""

    multilinear = True

    def forward(self, input: Array, grad: Array, size: Sizes, window: Any, groups: int) -> Array:
        """Values: grad @ columnsᵀ, added up over the tiles."""
        self.sizes = input.shape
        x, g = _wide(input, grad)
        total = np.zeros((groups, size[0] // groups, math.prod(size[1:])), x.dtype)
        if x.size and g.size and total.size:
            for samples, rows, columns in _columns(x, g.shape[2:], window, groups):
                total += np.matmul(_grouped(g, samples, rows, groups), columns.mT).sum(0)
        return total.reshape(size).astype(input.dtype, copy=False)

    def backward_input(self, g: Any, grad: Any, sizes: Any, window: Any, groups: Any) -> Any:
        """∂T/∂x."""
        return op.conv_input(grad, g, sizes, window, groups)

    def backward_grad(self, g: Any, input: Any, window: Any, groups: Any) -> Any:
        """Convolution."""
        return op.conv_forward(input, g, None, window, groups)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Strided, dilated, grouped, with uneven padding."""
        window = Window((2, 3), (2, 1), (1, 2), (1, 0), (0, 2))
        x, g = array((2, 4, 4, 5)), array((2, 2, 2, 3), seed=1)
        yield Sample((x, g, (2, 2, 2, 3), window, 2))
