"""Convolution layers, and their transposes, in one, two and three dimensions."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from .. import place
from ..dtypes import as_dtype, get_default_dtype
from ..errors import ArgumentError
from ..ops.windows import Sizes, per_dim
from ..registry import op
from ..tensor import wrap
from . import init
from .module import Module
from .parameter import Parameter, weight_and_bias

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _Conv(Module):
    """What convolutions and transposed ones share: weight, bias, initial values and text.

    Both start uniform in ±1/√(inputs of one output), as in torch and from the same stream.
    """

    count: ClassVar[int]
    transposed: ClassVar[bool] = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        if groups <= 0:
            raise ArgumentError("groups must be a positive integer")
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ArgumentError(f"{name} must be divisible by groups, got {channels}")
        if padding_mode not in _PADDING_MODES:
            raise ArgumentError(f"padding_mode is one of {_PADDING_MODES}, not {padding_mode!r}")
        if device is not None:
            place.device(device)
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = per_dim("kernel_size", kernel_size, self.count)
        self.stride = per_dim("stride", stride, self.count)
        self.dilation = per_dim("dilation", dilation, self.count)
        self.output_padding = per_dim("output_padding", output_padding, self.count)
        self.padding_mode = padding_mode
        self.padding = self._padding(padding)
        outer, inner = out_channels, in_channels
        if self.transposed:
            outer, inner = inner, outer
        dtype = as_dtype(dtype or get_default_dtype())
        shape = (outer, inner // groups, *self.kernel_size)
        self.weight = Parameter(wrap(np.empty(shape, dtype)))
        if bias:
            self.bias = Parameter(wrap(np.empty(out_channels, dtype)))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _padding(self, padding: Any) -> Any:
        if not isinstance(padding, str):
            return per_dim("padding", padding, self.count)
        if padding not in ("same", "valid"):
            raise ArgumentError(f"padding is 'same', 'valid' or numbers, not {padding!r}")
        if padding == "same" and max(self.stride) > 1:
            raise ArgumentError("padding='same' is not supported for strided convolutions")
        return padding

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            inputs = init.fans(self.weight)[0]
            bound = 1 / math.sqrt(inputs) if inputs else 0.0
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        """Sizes, and what is not as usual."""
        words = [
            f"{self.in_channels}, {self.out_channels}",
            f"kernel_size={self.kernel_size}, stride={self.stride}",
        ]
        none, one = (0,) * self.count, (1,) * self.count
        usual = {"padding": none, "dilation": one, "output_padding": none, "groups": 1}
        words += [f"{n}={getattr(self, n)}" for n, v in usual.items() if getattr(self, n) != v]
        if self.bias is None:
            words.append("bias=False")
        if self.padding_mode != "zeros":
            words.append(f"padding_mode={self.padding_mode}")
        return ", ".join(words)


class _Forward(_Conv):
    """Cross-correlation of (N, C, *) or (C, *); weight (out, in/groups, *), bias (out,)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        shape = (kernel_size, stride, padding, dilation, 0)
        rest = (groups, bias, padding_mode, device, dtype)
        super().__init__(in_channels, out_channels, *shape, *rest)
        self._convolve = getattr(op, f"conv{self.count}d")

    def _around(self) -> Sizes:
        """The padding as `pad` takes it: both ends of each dimension, the last one first."""
        pairs: list[tuple[int, int]] = []
        for i, (kernel, dilation) in enumerate(zip(self.kernel_size, self.dilation, strict=True)):
            if self.padding == "same":
                span = dilation * (kernel - 1)
                pairs.append((span // 2, span - span // 2))
            else:
                each = 0 if self.padding == "valid" else self.padding[i]
                pairs.append((each, each))
        return tuple(n for pair in reversed(pairs) for n in pair)

    def forward(self, input: Any) -> Any:
        """Apply the layer."""
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = op.pad(input, self._around(), self.padding_mode), 0
        place = (self.stride, padding, self.dilation, self.groups)
        return self._convolve(input, *weight_and_bias(self), *place)


class Conv1d(_Forward):
    """``out[n, o] = bias[o] + Σ_i weight[o, i] ⋆ input[n, i]`` of signals (N, C, L).

    ⋆ is cross-correlation. A size s becomes ⌊(s + 2·padding - dilation·(kernel - 1) - 1)/stride⌋
    + 1.
    """

    count = 1


class Conv2d(_Forward):
    """``out[n, o] = bias[o] + Σ_i weight[o, i] ⋆ input[n, i]`` of images (N, C, H, W).

    ⋆ is cross-correlation. A size s becomes ⌊(s + 2·padding - dilation·(kernel - 1) - 1)/stride⌋
    + 1.
    """

    count = 2


class Conv3d(_Forward):
    """``out[n, o] = bias[o] + Σ_i weight[o, i] ⋆ input[n, i]`` of volumes (N, C, D, H, W).

    ⋆ is cross-correlation. A size s becomes ⌊(s + 2·padding - dilation·(kernel - 1) - 1)/stride⌋
    + 1.
    """

    count = 3


class _Transposed(_Conv):
    """Adjoint of a convolution; weight (in, out/groups, *), bias (out,)."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ArgumentError(f"only zeros are padding of {type(self).__name__}")
        shape = (kernel_size, stride, padding, dilation, output_padding)
        rest = (groups, bias, padding_mode, device, dtype)
        super().__init__(in_channels, out_channels, *shape, *rest)
        self._convolve = getattr(op, f"conv_transpose{self.count}d")

    def _padding(self, padding: Any) -> Any:
        return per_dim("padding", padding, self.count)

    def _extra(self, input: Any, output_size: Any) -> Sizes:
        """The output padding with which the output has the size asked for."""
        if output_size is None:
            return self.output_padding
        wanted = tuple(output_size)[-self.count :]
        least = [
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                input.shape[-self.count :],
                self.stride,
                self.padding,
                self.dilation,
                self.kernel_size,
                strict=True,
            )
        ]
        extra = tuple(w - n for w, n in zip(wanted, least, strict=True))
        if any(not 0 <= e < s for e, s in zip(extra, self.stride, strict=True)):
            most = [n + s - 1 for n, s in zip(least, self.stride, strict=True)]
            raise ArgumentError(
                f"requested an output size of {wanted}, but valid sizes range from {least} to "
                f"{most} (for an input of {tuple(input.shape)})"
            )
        return extra

    def forward(self, input: Any, output_size: Any = None) -> Any:
        """Apply the layer; `output_size` chooses among the sizes that the stride leaves open."""
        extra = self._extra(input, output_size)
        place = (self.stride, self.padding, extra, self.groups, self.dilation)
        return self._convolve(input, *weight_and_bias(self), *place)


class ConvTranspose1d(_Transposed):
    """The adjoint of `Conv1d`, on signals (N, C, L).

    A size s becomes (s - 1)·stride - 2·padding + dilation·(kernel - 1) + output_padding + 1.
    """

    count = 1


class ConvTranspose2d(_Transposed):
    """The adjoint of `Conv2d`, on images (N, C, H, W).

    A size s becomes (s - 1)·stride - 2·padding + dilation·(kernel - 1) + output_padding + 1.
    """

    count = 2


class ConvTranspose3d(_Transposed):
    """The adjoint of `Conv3d`, on volumes (N, C, D, H, W).

    A size s becomes (s - 1)·stride - 2·padding + dilation·(kernel - 1) + output_padding + 1.
    """

    count = 3
