"""Pooling as modules; the maths is in `nn.functional`.

`stride` is the kernel's size if it is not given.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ..errors import ArgumentError
from ..ops.windows import per_dim
from ..registry import op
from .module import Module


class _Pool(Module):
    """A function of `nn.functional`, called with the attributes named."""

    function: ClassVar[str]
    arguments: ClassVar[tuple[str, ...]]
    shown: ClassVar[tuple[str, ...]]

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return getattr(op, self.function)(input, **{n: getattr(self, n) for n in self.arguments})

    def extra_repr(self) -> str:
        """Parameters."""
        return ", ".join(f"{name}={getattr(self, name)}" for name in self.shown)


class _MaxPool(_Pool):
    """Maxima of windows; with `return_indices` also where they are, for `MaxUnpool`."""

    shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    arguments = (*shown, "return_indices")

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.padding, self.dilation = kernel_size, padding, dilation
        self.stride = kernel_size if stride is None else stride
        self.return_indices, self.ceil_mode = return_indices, ceil_mode


class MaxPool1d(_MaxPool):
    """``out[…, i] = max_k input[…, stride·i - padding + dilation·k]`` of (N, C, L)."""

    function = "max_pool1d"


class MaxPool2d(_MaxPool):
    """``out[…, i] = max_k input[…, stride·i - padding + dilation·k]`` of (N, C, H, W)."""

    function = "max_pool2d"


class MaxPool3d(_MaxPool):
    """``out[…, i] = max_k input[…, stride·i - padding + dilation·k]`` of (N, C, D, H, W)."""

    function = "max_pool3d"


class AvgPool1d(_Pool):
    """``out[…, i] = mean_k input[…, stride·i - padding + k]`` of (N, C, L)."""

    function = "avg_pool1d"
    shown = ("kernel_size", "stride", "padding")
    arguments = (*shown, "ceil_mode", "count_include_pad")

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = per_dim("kernel_size", kernel_size, 1)
        self.stride = self.kernel_size if stride is None else per_dim("stride", stride, 1)
        self.padding = per_dim("padding", padding, 1)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad


class _AvgPool(_Pool):
    """Means of windows."""

    shown = ("kernel_size", "stride", "padding")
    arguments = (*shown, "ceil_mode", "count_include_pad", "divisor_override")

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad
        self.divisor_override = divisor_override


class AvgPool2d(_AvgPool):
    """``out[…, i] = mean_k input[…, stride·i - padding + k]`` of (N, C, H, W)."""

    function = "avg_pool2d"


class AvgPool3d(_AvgPool):
    """``out[…, i] = mean_k input[…, stride·i - padding + k]`` of (N, C, D, H, W)."""

    function = "avg_pool3d"


class _LPPool(_Pool):
    """``(Σ xᵖ)^(1/p)`` over windows, p = `norm_type`."""

    shown = arguments = ("norm_type", "kernel_size", "stride", "ceil_mode")

    def __init__(
        self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size = norm_type, kernel_size
        self.stride, self.ceil_mode = stride, ceil_mode


class LPPool1d(_LPPool):
    """``(Σ xᵖ)^(1/p)`` over windows of (N, C, L), p = `norm_type`."""

    function = "lp_pool1d"


class LPPool2d(_LPPool):
    """``(Σ xᵖ)^(1/p)`` over windows of (N, C, H, W), p = `norm_type`."""

    function = "lp_pool2d"


class LPPool3d(_LPPool):
    """``(Σ xᵖ)^(1/p)`` over windows of (N, C, D, H, W), p = `norm_type`."""

    function = "lp_pool3d"


class _AdaptiveAvgPool(_Pool):
    """Means over as many windows as `output_size` says; None keeps the size."""

    shown = arguments = ("output_size",)

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means over o = `output_size` windows of (N, C, L).

    Window i reaches from ⌊i·s/o⌋ to ⌈(i + 1)·s/o⌉ of a size s.
    """

    function = "adaptive_avg_pool1d"


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means over o = `output_size` windows of (N, C, H, W).

    Window i reaches from ⌊i·s/o⌋ to ⌈(i + 1)·s/o⌉ of a size s.
    """

    function = "adaptive_avg_pool2d"


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Means over o = `output_size` windows of (N, C, D, H, W).

    Window i reaches from ⌊i·s/o⌋ to ⌈(i + 1)·s/o⌉ of a size s.
    """

    function = "adaptive_avg_pool3d"


class _AdaptiveMaxPool(_Pool):
    """Maxima over as many windows as `output_size` says; None keeps the size."""

    shown, arguments = ("output_size",), ("output_size", "return_indices")

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Maxima over o = `output_size` windows of (N, C, L).

    Window i reaches from ⌊i·s/o⌋ to ⌈(i + 1)·s/o⌉ of a size s.
    """

    function = "adaptive_max_pool1d"


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Maxima over o = `output_size` windows of (N, C, H, W).

    Window i reaches from ⌊i·s/o⌋ to ⌈(i + 1)·s/o⌉ of a size s.
    """

    function = "adaptive_max_pool2d"


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Maxima over o = `output_size` windows of (N, C, D, H, W).

    Window i reaches from ⌊i·s/o⌋ to ⌈(i + 1)·s/o⌉ of a size s.
    """

    function = "adaptive_max_pool3d"


class _FractionalMaxPool(_Pool):
    """Maxima of windows at random distances; an output size or a ratio of the input's."""

    count: ClassVar[int]
    shown = ()
    arguments = ("kernel_size", "output_size", "output_ratio", "return_indices", "_random_samples")

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:
        super().__init__()
        if (output_size is None) == (output_ratio is None):
            raise ArgumentError(
                f"{type(self).__name__}: expected either output_size or output_ratio"
            )
        self.kernel_size = per_dim("kernel_size", kernel_size, self.count)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = self.output_ratio = None
        if output_size is not None:
            self.output_size = per_dim("output_size", output_size, self.count)
        else:
            several = isinstance(output_ratio, (tuple, list))
            ratio = tuple(output_ratio) if several else (output_ratio,) * self.count
            if not all(0 < r < 1 for r in ratio):
                raise ArgumentError(f"output_ratio must be between 0 and 1 (got {output_ratio})")
            self.output_ratio = ratio


class FractionalMaxPool2d(_FractionalMaxPool):
    """Fractional maxima of images (N, C, H, W).  Graham 2014."""

    function, count = "fractional_max_pool2d", 2


class FractionalMaxPool3d(_FractionalMaxPool):
    """Fractional maxima of volumes (N, C, D, H, W).  Graham 2014."""

    function, count = "fractional_max_pool3d", 3


class _MaxUnpool(Module):
    """What a `MaxPool` took put back where it was; zeros elsewhere."""

    function: ClassVar[str]
    count: ClassVar[int]

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size = per_dim("kernel_size", kernel_size, self.count)
        self.stride = self.kernel_size if stride is None else per_dim("stride", stride, self.count)
        self.padding = per_dim("padding", padding, self.count)

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        """Apply it to the values and indices of the pooling."""
        place = (self.kernel_size, self.stride, self.padding, output_size)
        return getattr(op, self.function)(input, indices, *place)

    def extra_repr(self) -> str:
        """Windows."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """The partial inverse of `MaxPool1d`."""

    function, count = "max_unpool1d", 1


class MaxUnpool2d(_MaxUnpool):
    """The partial inverse of `MaxPool2d`."""

    function, count = "max_unpool2d", 2


class MaxUnpool3d(_MaxUnpool):
    """The partial inverse of `MaxPool3d`."""

    function, count = "max_unpool3d", 3
