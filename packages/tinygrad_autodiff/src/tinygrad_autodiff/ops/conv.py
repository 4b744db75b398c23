"""The convolutions of torch: arguments checked and made a window, a batch put before one image."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError, ShapeError
from ..op import Bad, Sample, compose, op
from ..samples import array
from .windows import Window, batched, per_dim


def _checked(input: Any, weight: Any, bias: Any, count: int, groups: int, channels: int) -> None:
    """Raise unless ranks, dtypes, groups and channels (at dimension `channels`) fit."""
    if np.ndim(weight) != count + 2:
        raise ShapeError(
            f"weight should have {count + 2} dimensions, got the shape {np.shape(weight)}"
        )
    for other in (weight, bias):
        if other is not None and other.dtype != input.dtype:
            raise DtypeError(
                f"the dtypes of input ({input.dtype}) and of weight and bias ({other.dtype}) "
                "should be the same"
            )
    if groups <= 0:
        raise ShapeError("non-positive groups is not supported")
    if weight.shape[0] < groups or weight.shape[0] % groups:
        raise ShapeError(
            f"expected weight to be at least {groups} at dimension 0 and divisible by {groups}, "
            f"but got a weight of shape {tuple(weight.shape)}"
        )
    wanted = weight.shape[1] * groups if channels == 1 else weight.shape[0]
    if input.shape[1] != wanted:
        raise ShapeError(
            f"given groups={groups} and a weight of shape {tuple(weight.shape)}, expected an input "
            f"of {wanted} channels, but got one of shape {tuple(input.shape)}"
        )
    features = weight.shape[0] if channels == 1 else weight.shape[1] * groups
    if bias is not None and tuple(bias.shape) != (features,):
        raise ShapeError(f"expected a bias of shape ({features},), got {tuple(bias.shape)}")


def _window(count: int, weight: Any, stride: Any, padding: Any, dilation: Any) -> Window:
    kernel = tuple(weight.shape[2:])
    strides = per_dim("stride", stride, count)
    dilations = per_dim("dilation", dilation, count)
    if min(strides) <= 0:
        raise ShapeError(f"non-positive stride is not supported, got {stride}")
    if min(dilations) <= 0:
        raise ShapeError(f"dilation should be greater than zero, but got {dilation}")
    if min(kernel) <= 0:
        raise ShapeError(f"the kernel size {kernel} can't be zero")
    if padding == "same":
        if max(strides) > 1:
            raise ShapeError("padding='same' is not supported for strided convolutions")
        spans = [d * (k - 1) for d, k in zip(dilations, kernel, strict=True)]
        before = tuple(span // 2 for span in spans)
        after = tuple(span - span // 2 for span in spans)
        return Window(kernel, strides, dilations, before, after)
    if isinstance(padding, str) and padding != "valid":
        raise ArgumentError(f"padding is 'same', 'valid' or numbers, not {padding!r}")
    before = (0,) * count if padding == "valid" else per_dim("padding", padding, count)
    if min(before) < 0:
        raise ShapeError(f"negative padding is not supported, got {padding}")
    return Window(kernel, strides, dilations, before, before)


def _convolved(
    count: int, input: Any, weight: Any, bias: Any, window_of: tuple[Any, ...], groups: int
) -> Any:
    x, had_batch = batched(input, count)
    if groups <= 0:
        raise ShapeError("non-positive groups is not supported")
    if np.ndim(weight) != count + 2:
        _checked(x, weight, bias, count, groups, 1)
    window = _window(count, weight, *window_of)
    _checked(x, weight, bias, count, groups, 1)
    if min(window.outputs(tuple(x.shape[2:]))) <= 0:
        padded = [sum(sizes) for sizes in zip(x.shape[2:], window[3], window[4], strict=True)]
        raise ShapeError(
            f"kernel size can't be greater than actual input size: the padded input is {padded}, "
            f"the kernel {list(window.kernel)} with dilation {list(window.dilation)}"
        )
    out = op.conv_forward(x, weight, bias, window, groups)
    return out if had_batch else out[0]


def _transposed(
    count: int,
    input: Any,
    weight: Any,
    bias: Any,
    window_of: tuple[Any, ...],
    extra: Any,
    groups: int,
) -> Any:
    x, had_batch = batched(input, count)
    if np.ndim(weight) != count + 2:
        _checked(x, weight, bias, count, groups, 0)
    window = _window(count, weight, *window_of)
    _checked(x, weight, bias, count, groups, 0)
    extra = per_dim("output_padding", extra, count)
    if any(
        e < 0 or e >= max(s, d)
        for e, s, d in zip(extra, window.stride, window.dilation, strict=True)
    ):
        raise ShapeError(
            f"output padding must be smaller than either stride or dilation, got {extra} with "
            f"stride {window.stride} and dilation {window.dilation}"
        )
    window = window._replace(after=tuple(a - e for a, e in zip(window.after, extra, strict=True)))
    size = tuple(
        (n - 1) * s - before - after + d * (k - 1) + 1
        for n, k, s, d, before, after in zip(x.shape[2:], *window, strict=True)
    )
    if min(size) <= 0:
        raise ShapeError(f"the output of an input of {tuple(x.shape)} would have the sizes {size}")
    channels = weight.shape[1] * groups
    out = op.conv_input(x, weight, (x.shape[0], channels, *size), window, groups)
    if bias is not None:
        out = out + op.reshape(bias, (-1, *[1] * count))
    return out if had_batch else out[0]


def _declare(count: int) -> None:
    """Register the convolution and the transposed convolution of `count` dimensions."""
    spaces = ("", "nn.functional")
    size, kernel = (5, 4, 3)[:count], (3, 2, 2)[:count]
    x, one, w = array((2, 2, *size)), array((2, *size)), array((2, 2, *kernel), seed=1)
    b = array((2,), seed=2)
    short, narrow = array((1, 2, *[1] * count)), array((2, 1, *kernel), seed=1)
    errors = (
        Bad((x, w[0]), {}, ShapeError, f"should have {count + 2} dimensions"),
        Bad((x, w, array((3,))), {}, ShapeError, r"bias of shape \(2,\), got \(3,\)"),
        Bad((x, w.astype(np.float32)), {}, DtypeError, "should be the same"),
        Bad((x[0, 0], w), {}, ShapeError, f"of {count + 2} dimensions"),
        Bad((x, w), {"groups": 0}, ShapeError, "non-positive groups"),
        Bad((x, w), {"stride": 0}, ShapeError, "non-positive stride"),
    )

    @compose(
        Sample((x, w, b), {"padding": 1, "stride": (2, 1, 1)[:count]}),
        Sample((x, w), {"padding": "same", "dilation": (1, 2, 1)[:count]}),
        Sample((one, narrow, b), {"groups": 2}),
        name=f"conv{count}d",
        spaces=spaces,
        errors=(
            *errors,
            Bad((short, w), {}, ShapeError, "greater than actual input size"),
            Bad((x, w[:, :1]), {}, ShapeError, "expected an input of 1 channels"),
            Bad((x, w), {"padding": "full"}, ArgumentError, "'full'"),
            Bad((x, w), {"padding": "same", "stride": 2}, ShapeError, "not supported for strided"),
        ),
    )
    def convolution(
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Any:
        """Cross-correlation of (N, C, *) or (C, *) with `weight` (O, C/groups, *) and a bias (O,).

        `padding` is a number of zeros at both ends, "valid" (none), or "same" (the size stays).
        """
        return _convolved(count, input, weight, bias, (stride, padding, dilation), groups)

    @compose(
        Sample((x, w, b), {"stride": 2, "output_padding": 1, "padding": 1}),
        Sample((one, narrow, b), {"groups": 2, "dilation": 2}),
        name=f"conv_transpose{count}d",
        spaces=spaces,
        errors=(
            *errors,
            Bad((x, w), {"output_padding": 1}, ShapeError, "smaller than either stride"),
            Bad((x, w, b, 1, 9), {}, ShapeError, "would have the sizes"),
        ),
    )
    def transposed(
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        dilation: Any = 1,
    ) -> Any:
        """Adjoint of convolution: (N, C, *) or (C, *), `weight` (C, O/groups, *), bias (O,).

        The output has (size - 1)·stride - 2·padding + dilation·(kernel - 1) + output_padding + 1
        elements along each dimension.
        """
        window = (stride, padding, dilation)
        return _transposed(count, input, weight, bias, window, output_padding, groups)


for _count in (1, 2, 3):
    _declare(_count)
