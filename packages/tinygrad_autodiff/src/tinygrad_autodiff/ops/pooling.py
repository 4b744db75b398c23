"""Average pooling: separable, hence one sparse table a dimension (`resampling`), all linear."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import ArgumentError, ArgumentTypeError, DtypeError, RangeError, ShapeError
from ..op import Bad, Sample, compose, op
from ..samples import array
from .resampling import Table
from .windows import Sizes, Window, batched, per_dim


def pool_window(
    count: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any = 1
) -> Window:
    """The checked arguments of a pooling op; no stride means that windows do not overlap."""
    kernel = per_dim("kernel_size", kernel_size, count)
    empty = stride is None or (isinstance(stride, (tuple, list)) and not stride)
    strides = kernel if empty else per_dim("stride", stride, count)
    before = per_dim("padding", padding, count)
    dilations = per_dim("dilation", dilation, count)
    named = (("kernel_size", kernel), ("stride", strides), ("dilation", dilations))
    for name, values in named:
        if min(values) <= 0:
            raise RangeError(f"{name} must be greater than zero, but got {values}")
    if min(before) < 0:
        raise RangeError(f"pad must be non-negative, but got {padding}")
    if any(p > (d * (k - 1) + 1) // 2 for p, d, k in zip(before, dilations, kernel, strict=True)):
        raise RangeError(
            f"pad should be at most half of effective kernel size, but got pad={padding}, "
            f"kernel_size={kernel_size} and dilation={dilation}"
        )
    return Window(kernel, strides, dilations, before, before)


def pool_outputs(shape: Sizes, window: Window, ceil_mode: bool) -> Sizes:
    """Number of windows over an input of `shape` (N, C, *); with `ceil_mode` also those that

    stick out at the end, if they start in the input or in the padding before it.
    """
    size = shape[2:]
    if ceil_mode:
        more = tuple(a + s - 1 for a, s in zip(window.after, window.stride, strict=True))
        outputs = tuple(
            o - 1 if (o - 1) * s >= n + b else o
            for o, s, n, b in zip(
                window._replace(after=more).outputs(size),
                window.stride,
                size,
                window.before,
                strict=True,
            )
        )
    else:
        outputs = window.outputs(size)
    if min(outputs) <= 0:
        raise ShapeError(
            f"output size is too small: a kernel of {window.kernel} over an input of {shape} "
            f"gives {outputs}"
        )
    if min(shape[1:]) == 0:
        raise ShapeError(f"expected non-zero sizes but for the batch, got an input of {shape}")
    return outputs


@lru_cache(maxsize=256)
def _averages(
    size: int, outputs: int, kernel: int, stride: int, before: int, padded: bool, divisor: int
) -> Table:
    """Averages of windows; `divisor` 0 means the elements counted, with `padded` the padding's."""
    start = np.arange(outputs) * stride - before
    end = np.minimum(start + kernel, size + before)
    count = end - start if padded else np.minimum(end, size) - np.maximum(start, 0)
    weights = np.full(outputs, 1 / divisor) if divisor else 1 / np.maximum(count, 1)
    parts = []
    for offset in range(kernel):
        rows = np.flatnonzero((start + offset >= 0) & (start + offset < size))
        parts.append((rows, start[rows] + offset, weights[rows]))
    return Table(outputs, size, parts)


@lru_cache(maxsize=256)
def adaptive_table(size: int, outputs: int) -> Table:
    """Averages over `outputs` intervals that cover all elements, overlapping if they must."""
    start, end = adaptive_bounds(size, outputs)
    longest = int((end - start).max(initial=0))
    parts = []
    for offset in range(longest):
        rows = np.flatnonzero(start + offset < end)
        parts.append((rows, start[rows] + offset, 1 / (end - start)[rows]))
    return Table(outputs, size, parts)


def adaptive_bounds(size: int, outputs: int) -> tuple[Array, Array]:
    """⌊i·size/outputs⌋ and ⌈(i + 1)·size/outputs⌉."""
    i = np.arange(outputs)
    return i * size // max(outputs, 1), -(-(i + 1) * size // max(outputs, 1))


def adaptive_sizes(input: Any, output_size: Any, count: int) -> tuple[Any, bool, Sizes]:
    """The input with a batch, whether it had one, and the output's sizes (None: the input's)."""
    if not hasattr(input, "ndim"):
        raise ArgumentTypeError(f"expected a tensor or an array for 'input', got {input!r}")
    if input.ndim <= count and count > 1:
        raise ArgumentError(
            f"input dimension should be at least {count + 1}, got the shape {tuple(input.shape)}"
        )
    x, had_batch = batched(input, count)
    if output_size is None or isinstance(output_size, (tuple, list)):
        wanted = list(output_size if output_size is not None else [None] * count)
        if len(wanted) == count:
            output_size = [x.shape[2 + i] if w is None else w for i, w in enumerate(wanted)]
    sizes = per_dim("output_size", output_size, count)
    if min(sizes) < 0:
        raise RangeError(f"elements of output_size must be at least 0, but got {sizes}")
    if min(x.shape[1:]) == 0:
        raise ShapeError(
            f"expected non-zero sizes but for the batch, got an input of {tuple(x.shape)}"
        )
    return x, had_batch, sizes


def _averaged(
    count: int, input: Any, window: Window, ceil_mode: bool, padded: bool, override: Any
) -> Any:
    if override == 0 and override is not None:
        raise RangeError("divisor must be not zero")
    x, had_batch = batched(input, count)
    if x.dtype.kind not in "fc":
        raise DtypeError(f"expected a floating input, got {x.dtype}")
    shape = tuple(x.shape)
    outputs = pool_outputs(shape, window, ceil_mode)
    for i in reversed(range(count)):
        divisor = 0 if override is None else override if i == 0 else 1
        place = (outputs[i], window.kernel[i], window.stride[i], window.before[i])
        x = op.resample(x, 2 + i, _averages(shape[2 + i], *place, padded, divisor))
    return x if had_batch else x[0]


def _declare(count: int) -> None:
    everywhere: tuple[str, ...] = ("", "nn.functional")
    here = everywhere if count == 1 else ("nn.functional",)
    size = (5, 4, 2)[:count]
    x, one = array((2, 1, *size)), array((2, *size))
    bad: tuple[Bad, ...] = (
        Bad((x, 2), {"padding": -1}, RangeError, "non-negative"),
        Bad((x, 2), {"padding": 2}, RangeError, "at most half"),
        Bad((x, 9), {}, ShapeError, "too small"),
        Bad((x, 2, 0), {}, RangeError, "stride must be greater than zero"),
        Bad((x[0, 0], 2), {}, ShapeError, f"of {count + 2} dimensions"),
    )

    def average(
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: Any = None,
    ) -> Any:
        """Means of windows of (N, C, *) or (C, *); `stride` is the kernel's size if not given.

        The sums are divided by `divisor_override` if given, else by the number of elements; zeros
        of the padding count unless `count_include_pad` is false.
        """
        window = pool_window(count, kernel_size, stride, padding)
        return _averaged(count, input, window, ceil_mode, count_include_pad, divisor_override)

    def average_without_divisor(
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> Any:
        """Means of windows of (N, C, L) or (C, L); `stride` is the kernel's size if not given."""
        window = pool_window(1, kernel_size, stride, padding)
        return _averaged(1, input, window, ceil_mode, count_include_pad, None)

    samples = [
        Sample((x, 2)),
        Sample((one, (3, 3, 2)[:count], 2, 1, True, False)),
        Sample((x, (2, 3, 2)[:count], 2, 1, True)),
    ]
    if count > 1:
        samples.append(Sample((x, 2), {"divisor_override": 3}))
        bad = (*bad, Bad((x, 2), {"divisor_override": 0}, RangeError, "not zero"))
    compose(*samples, name=f"avg_pool{count}d", spaces=here, errors=bad)(
        average if count > 1 else average_without_divisor
    )

    @compose(
        Sample((x, 3)),
        Sample((one, (4, None, 2)[:count])),
        name=f"adaptive_avg_pool{count}d",
        spaces=here,
        errors=(
            Bad((x, ()), {}, ShapeError, "output_size as one int"),
            Bad((x, -1), {}, RangeError, "at least 0"),
        ),
    )
    def adaptive_average(input: Any, output_size: Any) -> Any:
        """Means over as many intervals a dimension as `output_size` says (None: its size)."""
        x, had_batch, sizes = adaptive_sizes(input, output_size, count)
        for i in reversed(range(count)):
            if sizes[i] != x.shape[2 + i]:
                x = op.resample(x, 2 + i, adaptive_table(x.shape[2 + i], sizes[i]))
        return x if had_batch else x[0]

    positive = array((2, 1, *size), 0.5, 2.0)

    @compose(
        Sample((positive, 2.0, 2)),
        Sample((positive, 3, 2, 2, True)),
        name=f"lp_pool{count}d",
        spaces=("nn.functional",),
        errors=(Bad((x, 0, 2), {}, ArgumentError, "non-zero"),),
    )
    def power_average(
        input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> Any:
        """``(Σ xᵖ)^(1/p)`` over windows, p = `norm_type`; the derivative where it is 0 is 0."""
        if norm_type == 0:
            raise ArgumentError("norm_type must be a non-zero value, but got 0")
        if abs(norm_type) == float("inf"):
            sign = 1 if norm_type > 0 else -1
            largest = getattr(op, f"max_pool{count}d")
            return sign * largest(sign * op.abs(input), kernel_size, stride, 0, 1, ceil_mode)
        mean = getattr(op, f"avg_pool{count}d")(input**norm_type, kernel_size, stride, 0, ceil_mode)
        elements = float(np.prod(per_dim("kernel_size", kernel_size, count)))
        return (op.sign(mean) * op.relu(op.abs(mean)) * elements) ** (1.0 / norm_type)


for _count in (1, 2, 3):
    _declare(_count)
