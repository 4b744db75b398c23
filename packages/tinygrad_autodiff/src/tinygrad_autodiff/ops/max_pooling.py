"""Maximum pooling: in windows, adaptive, fractional, and its partial inverse.

Which element of each window is the largest is found once; the values are then a linear function of
the input, and derivatives of every order go to those elements alone: `window_pick` reads them,
`window_place` is its adjoint.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import ArgumentError, DtypeError, RangeError, ShapeError
from ..op import Bad, Op, Sample, compose, op
from ..random import default_generator
from ..samples import array
from ..tensor import Tensor, array_of, wrap
from .pooling import adaptive_bounds, adaptive_sizes, pool_outputs, pool_window
from .windows import Sizes, Tap, Window, batched, per_dim, taps

_CACHE = 2**20  # bytes that are worked on at once


class WindowMax(Op, name="window_max", spaces=()):
    """The largest element of every window and, as its offset in the kernel, where it is.

    The first of equal ones counts; NaN is larger than anything, and of several the last counts.
    """

    def forward(self, input: Array, window: Any, outputs: Sizes) -> tuple[Array, Array]:
        """Values and offsets, for as many channels at once as fit the cache."""
        self.sizes = input.shape
        count, places = math.prod(window.kernel), taps(input.shape[2:], outputs, window)
        planes = input.reshape(-1, *input.shape[2:])
        out = np.empty((len(planes), *outputs), input.dtype)
        which = np.zeros(out.shape, np.uint8 if count < 256 else np.int32)
        lowest = -np.inf if input.dtype.kind == "f" else np.iinfo(input.dtype).min
        step = max(_CACHE // (count * math.prod(outputs) * input.itemsize), 1)
        buffer = np.full((count, min(step, len(planes)), *outputs), lowest, input.dtype)
        for start in range(0, len(planes), step):
            block = slice(start, start + step)
            _block(planes[block], buffer[:, : len(planes[block])], places, out[block], which[block])
        shape = (*input.shape[:2], *outputs)
        self.where = which.reshape(shape)
        return out.reshape(shape), self.where

    def backward(self, g: Any, where: Any, sizes: Any, window: Any) -> Any:
        """To the largest."""
        return op.window_place(g[0], where, sizes, window)

    def jvp(self, t: Any, where: Any, window: Any) -> Any:
        """That of the largest."""
        return op.window_pick(t, where, window), None

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Overlapping and dilated windows, with padding."""
        window = Window((2, 2), (2, 1), (1, 2), (1, 0), (1, 0))
        yield Sample((array((1, 2, 4, 5)), window, (3, 3)))


def _block(input: Array, buffer: Array, places: tuple[Tap, ...], out: Array, which: Array) -> None:
    """Maxima of some channels, through a buffer of one copy for each offset of the kernel.

    Where several offsets hit, the largest of ``count - number`` is the first, without a branch an
    element: these cost ten times as much where the hits are as good as random.
    """
    count = len(buffer)
    for tap in places:
        buffer[(tap.number, *tap.output)] = input[tap.input]
    np.maximum.reduce(buffer, axis=0, out=out)
    for tap in places:
        hit = buffer[(tap.number, *tap.output)] == out[tap.output]
        rank = np.multiply(hit, count - tap.number, dtype=which.dtype)
        np.maximum(which[tap.output], rank, out=which[tap.output])
    np.subtract(count, which, out=which)
    if out.dtype.kind == "f" and np.isnan(out).any():
        for tap in places:
            which[tap.output][np.isnan(input[tap.input])] = tap.number


def _kept(values: Array, chosen: Array) -> Array:
    """`values` where `chosen`, else 0, without a branch an element."""
    bits = np.dtype(f"i{values.itemsize}")
    mask = np.negative(chosen.view(np.int8)).astype(bits)
    mask &= values.view(bits)
    return mask.view(values.dtype)


def _channels(shape: Sizes, itemsize: int) -> Iterator[slice]:
    """Slices of a batch of the given shape that fit the cache."""
    step = max(_CACHE // max(math.prod(shape[1:]) * itemsize, 1), 1)
    return (slice(start, start + step) for start in range(0, shape[0], step))


class WindowPick(Op, name="window_pick", spaces=()):
    """The element at offset `which` of every window."""

    linear = True

    def forward(self, input: Array, which: Any, window: Any) -> Array:
        """Values."""
        self.sizes, self.where = input.shape, which
        out = np.zeros(which.shape, input.dtype)
        for part in _channels(input.shape, input.itemsize):
            source, target, offset = input[part], out[part], which[part]
            for tap in taps(input.shape[2:], which.shape[2:], window):
                target[tap.output] += _kept(source[tap.input], offset[tap.output] == tap.number)
        return out

    def backward(self, g: Any, where: Any, sizes: Any, window: Any) -> Any:
        """Put back."""
        return op.window_place(g, where, sizes, window)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Overlapping windows."""
        which = np.array([[[[0, 1], [2, 3]]]], np.uint8)
        yield Sample((array((1, 1, 3, 3)), which, Window((2, 2), (1, 1), (1, 1), (0, 0), (0, 0))))


class WindowPlace(Op, name="window_place", spaces=()):
    """Zeros of `size` with each element added at offset `which` of its window."""

    linear = True

    def forward(self, input: Array, which: Any, size: Sizes, window: Any) -> Array:
        """Values."""
        self.where = which
        out = np.zeros(size, input.dtype)
        apart = _apart(window)
        for part in _channels(size, input.itemsize):
            source, target, offset = input[part], out[part], which[part]
            for tap in taps(size[2:], which.shape[2:], window):
                kept = _kept(source[tap.output], offset[tap.output] == tap.number)
                if apart:
                    target[tap.input] = kept
                else:
                    target[tap.input] += kept
        return out

    def backward(self, g: Any, where: Any, window: Any) -> Any:
        """Read there."""
        return op.window_pick(g, where, window)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Overlapping windows, of which two have the same element."""
        which = np.array([[[[3, 2], [1, 0]]]], np.uint8)
        window = Window((2, 2), (1, 1), (1, 1), (0, 0), (0, 0))
        yield Sample((array((1, 1, 2, 2)), which, (1, 1, 3, 3), window))


def _apart(window: Window) -> bool:
    """Whether no element is in two windows."""
    reach = (d * (k - 1) + 1 for d, k in zip(window.dilation, window.kernel, strict=True))
    return all(s >= r for s, r in zip(window.stride, reach, strict=True))


def _flat(which: Array, size: Sizes, window: Window) -> Array:
    """Offsets in windows as positions in the flattened input."""
    offsets = np.unravel_index(which.astype(np.int64), window.kernel)
    flat = np.zeros(which.shape, np.int64)
    for i, offset in enumerate(offsets):
        tail = (1,) * (len(size) - 1 - i)
        start = np.arange(which.shape[2 + i]) * window.stride[i] - window.before[i]
        flat = flat * size[i] + start.reshape(-1, *tail) + offset * window.dilation[i]
    return flat


def _beside(indices: Array, input: Any) -> Any:
    """Indices as a tensor if the input is one, else as the array that they are."""
    return wrap(indices) if isinstance(input, Tensor) else indices


def _largest(input: Any, places: Array) -> tuple[Any, Any]:
    """Maxima over the last dimension of `places`, positions in the flattened input; and where."""
    flat = op.flatten(input, 2)
    outputs, count = places.shape[2:-1], places.shape[-1]
    wanted = (*flat.shape[:2], math.prod(outputs), count)
    places = np.broadcast_to(places.reshape(*places.shape[:2], math.prod(outputs), count), wanted)
    data = array_of(flat)
    values = np.take_along_axis(data, places.reshape(*wanted[:2], wanted[2] * count), 2).reshape(
        wanted
    )
    best = np.argmax(values, -1)[..., None] if count else np.zeros((*wanted[:-1], 1), np.int64)
    chosen = np.take_along_axis(places, best, -1)[..., 0]
    shape = (*flat.shape[:2], *outputs)
    return op.reshape(op.gather(flat, 2, chosen), shape), chosen.reshape(shape)


def _positions(starts: list[Array], lengths: list[Array | int], size: Sizes) -> Array:
    """Positions of the elements of boxes: (N, C, outputs of each dimension, elements).

    `starts` have the shape (N, C, outputs); a box shorter than others repeats its last element.
    """
    count = len(size)
    flat: Array = np.zeros((), np.int64)
    for i, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        longest = int(np.max(length, initial=0)) if isinstance(length, np.ndarray) else length
        offset = np.minimum(np.arange(longest), np.asarray(length)[..., None] - 1)
        index = start[..., None] + offset
        shape = [*index.shape[:2], *[1] * (2 * count)]
        shape[2 + i], shape[2 + count + i] = index.shape[2:]
        flat = flat * size[i] + index.reshape(shape)
    outputs = flat.shape[2 : 2 + count]
    return flat.reshape(*flat.shape[:2], *outputs, math.prod(flat.shape[2 + count :]))


def _random_starts(samples: Array, size: int, kernel: int, outputs: int) -> Array:
    """Starts of `outputs` intervals of random lengths ⌊a⌋ or ⌈a⌉; Graham 2014, section 2."""
    if outputs < 2:
        return np.full((*samples.shape, outputs), size - kernel)
    step = ((size - kernel) / samples.dtype.type(outputs - 1)).astype(samples.dtype)
    shifts = np.arange(outputs, dtype=samples.dtype) + samples[..., None]
    starts: Array = (shifts * step).astype(np.int64) - (samples * step).astype(np.int64)[..., None]
    starts[..., -1] = size - kernel
    return starts


def _fractional(
    count: int, input: Any, kernel_size: Any, output_size: Any, output_ratio: Any, samples: Any
) -> tuple[Any, Any]:
    x, had_batch = batched(input, count)
    size, kernel = tuple(x.shape[2:]), per_dim("kernel_size", kernel_size, count)
    if output_size is None and output_ratio is None:
        raise ArgumentError("either output_size or output_ratio has to be given")
    if output_size is None:
        several = isinstance(output_ratio, (tuple, list))
        ratios = output_ratio if several else (output_ratio,) * count
        output_size = [int(n * ratio) for n, ratio in zip(size, ratios, strict=True)]
    outputs = per_dim("output_size", output_size, count)
    if any(o + k - 1 > n for o, k, n in zip(outputs, kernel, size, strict=True)):
        raise RangeError(
            f"{outputs} windows of {kernel} do not fit an input of shape {tuple(x.shape)}"
        )
    if samples is None:
        drawn = default_generator.uniform(x.shape[0] * x.shape[1] * count, x.dtype)
        samples = drawn.reshape(x.shape[0], x.shape[1], count)
    wanted = (*x.shape[:2], count)
    if samples.ndim != 3 or samples.shape[0] < wanted[0] or samples.shape[1:] != wanted[1:]:
        raise ShapeError(f"_random_samples: expected {wanted}, got {tuple(samples.shape)}")
    samples = samples[: wanted[0]]
    order = (1, 0) if count == 2 else (0, 1, 2)  # torch draws the width of an image first
    draws = [array_of(samples)[..., i] for i in order]
    starts = [_random_starts(*parts) for parts in zip(draws, size, kernel, outputs, strict=True)]
    values, where = _largest(x, _positions(starts, list(kernel), size))
    return (values, where) if had_batch else (values[0], where[0])


def _unpooled(
    count: int, input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, size: Any
) -> Any:
    where = array_of(indices)
    if where.dtype != np.int64:
        raise DtypeError(f"elements in indices should be type int64, but got {where.dtype}")
    x, had_batch = batched(input, count)
    if where.shape != tuple(input.shape):
        raise ShapeError(f"expected shape of indices to be {tuple(input.shape)}, got {where.shape}")
    kernel = per_dim("kernel_size", kernel_size, count)
    strides = kernel if stride is None or stride == () else per_dim("stride", stride, count)
    if min(strides) <= 0:
        raise RangeError(f"strides should be greater than zero, but got {stride}")
    pads = per_dim("padding", padding, count)
    natural = tuple(
        (n - 1) * s + k - 2 * p
        for n, s, k, p in zip(x.shape[2:], strides, kernel, pads, strict=True)
    )
    wanted = natural if size is None else tuple(size)[-count:]
    if size is not None and (
        len(size) not in (count, count + 2)
        or any(abs(w - n) >= s for w, n, s in zip(wanted, natural, strides, strict=True))
    ):
        raise ArgumentError(
            f"invalid output_size {tuple(size)}: expected about {natural}, by less than {strides}"
        )
    total = math.prod(wanted)
    where = where.reshape(*x.shape[:2], math.prod(x.shape[2:]))
    if where.size and (where.min() < 0 or where.max() >= total):
        raise RangeError(f"found an index outside of the output of shape {wanted}")
    zeros = np.zeros((*x.shape[:2], total), x.dtype)
    grid = (*np.ogrid[: x.shape[0], : x.shape[1], :1][:2], where)
    out = op.reshape(op.set_at(zeros, op.flatten(x, 2), grid), (*x.shape[:2], *wanted))
    return out if had_batch else out[0]


def _declare(count: int) -> None:
    size = (5, 4, 2)[:count]
    x, one = array((2, 1, *size)), array((2, *size))

    @compose(
        Sample((x, 2)),
        Sample((one, (3, 3, 2)[:count], 2, 1, 1, True)),
        Sample((x, (3, 2, 1)[:count], 2, (1, 1, 0)[:count], 2), {"return_indices": True}),
        name=f"max_pool{count}d",
        spaces=("nn.functional", ""),
        errors=(
            Bad((x, 2), {"padding": -1}, RangeError, "non-negative"),
            Bad((x, 2), {"padding": 2}, RangeError, "at most half"),
            Bad((x, 9), {}, ShapeError, "too small"),
            Bad((x, 2, 0), {}, RangeError, "stride must be greater than zero"),
        ),
    )
    def largest(
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        """Maxima of windows of (N, C, *) or (C, *); the padding is never the largest.

        With `return_indices` also where they are in the flattened sizes, for `max_unpool`.
        """
        window = pool_window(count, kernel_size, stride, padding, dilation)
        x, had_batch = batched(input, count)
        outputs = pool_outputs(tuple(x.shape), window, ceil_mode)
        values, which = op.window_max(x, window, outputs)
        values = values if had_batch else values[0]
        if not return_indices:
            return values
        places = _flat(array_of(which), tuple(x.shape[2:]), window)
        return values, _beside(places if had_batch else places[0], input)

    @compose(
        Sample((x, 3)),
        Sample((one, (4, None, 2)[:count], True)),
        name=f"adaptive_max_pool{count}d",
        spaces=("nn.functional",),
        errors=(Bad((x, -1), {}, RangeError, "at least 0"),),
    )
    def adaptive(input: Any, output_size: Any, return_indices: bool = False) -> Any:
        """Maxima over as many intervals a dimension as `output_size` says (None: its size)."""
        x, had_batch, sizes = adaptive_sizes(input, output_size, count)
        bounds = [adaptive_bounds(n, o) for n, o in zip(x.shape[2:], sizes, strict=True)]
        starts = [start[None, None] for start, _ in bounds]
        lengths: list[Array | int] = [end - start for start, end in bounds]
        values, where = _largest(x, _positions(starts, lengths, tuple(x.shape[2:])))
        if not had_batch:
            values, where = values[0], where[0]
        return (values, _beside(where, input)) if return_indices else values

    pooled = array((2, 1, *(2, 2, 1)[:count]))
    places = np.argsort(pooled.reshape(2, 1, -1)).reshape(pooled.shape)

    @compose(
        Sample((pooled, places, 2)),
        Sample((pooled, places, 2), {"output_size": size}),
        name=f"max_unpool{count}d",
        spaces=("nn.functional",),
        errors=(
            Bad((pooled, places[:1], 2), {}, ShapeError, "shape of indices"),
            Bad((pooled, places + 999, 2), {}, RangeError, "outside of the output"),
            Bad((pooled, places, 2), {"output_size": (99,) * count}, ArgumentError, "output_size"),
            Bad((pooled, places.astype(np.int32), 2), {}, DtypeError, "int64"),
        ),
    )
    def unpool(
        input: Any,
        indices: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        output_size: Any = None,
    ) -> Any:
        """Zeros with the elements of `input` at `indices`: what max_pool took, put back."""
        return _unpooled(count, input, indices, kernel_size, stride, padding, output_size)

    if count == 1:
        return
    kernel, ratio = (2, 2, 1)[:count], (0.5,) * count  # whole distances: nothing is random

    @compose(
        Sample((x, kernel, (2, 2, 1)[:count], None, True)),
        Sample((one, kernel), {"output_ratio": ratio}),
        name=f"fractional_max_pool{count}d",
        spaces=("nn.functional",),
        errors=(
            Bad((x, 2), {}, ArgumentError, "output_size or output_ratio"),
            Bad((x, 3, 9), {}, RangeError, "do not fit"),
        ),
    )
    def fractional(
        input: Any,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> Any:
        """Maxima of windows at random distances, about size/output apart.  Graham 2014."""
        drawn = _random_samples
        values, where = _fractional(count, input, kernel_size, output_size, output_ratio, drawn)
        return (values, _beside(where, input)) if return_indices else values


for _count in (1, 2, 3):
    _declare(_count)
