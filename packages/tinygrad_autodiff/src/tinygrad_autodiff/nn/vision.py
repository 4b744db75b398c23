"""Images resized, cut into windows and rearranged, as modules; the maths is in `nn.functional`."""

from __future__ import annotations

from typing import Any

from ..registry import op
from .module import Module


class Upsample(Module):
    """`interpolate` to a size, or by a factor."""

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        if isinstance(scale_factor, (tuple, list)):
            scale_factor = tuple(map(float, scale_factor))
        self.name, self.size, self.mode = type(self).__name__, size, mode
        self.scale_factor = float(scale_factor) if isinstance(scale_factor, int) else scale_factor
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def forward(self, input: Any) -> Any:
        """Apply it."""
        rest = (self.align_corners, self.recompute_scale_factor)
        return op.interpolate(input, self.size, self.scale_factor, self.mode, *rest)

    def extra_repr(self) -> str:
        """Size or factor, and mode."""
        by = "size" if self.scale_factor is None else "scale_factor"
        return f"{by}={getattr(self, by)}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Each pixel repeated."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor)


class UpsamplingBilinear2d(Upsample):
    """Linear between pixels, with aligned corners."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "bilinear", True)


class _Windows(Module):
    def __init__(self, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> None:
        super().__init__()
        self.kernel_size, self.dilation = kernel_size, dilation
        self.padding, self.stride = padding, stride

    def extra_repr(self) -> str:
        """Windows."""
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )


class Unfold(_Windows):
    """Windows of (N, C, H, W) as columns (N, C · kernel, windows)."""

    def __init__(
        self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return op.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(_Windows):
    """Columns (N, C · kernel, windows) added where they lie in (N, C, *output_size)."""

    def __init__(
        self,
        output_size: Any,
        kernel_size: Any,
        dilation: Any = 1,
        padding: Any = 0,
        stride: Any = 1,
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = output_size

    def forward(self, input: Any) -> Any:
        """Apply it."""
        place = (self.kernel_size, self.dilation, self.padding, self.stride)
        return op.fold(input, self.output_size, *place)

    def extra_repr(self) -> str:
        """Size and windows."""
        return f"output_size={self.output_size}, {super().extra_repr()}"


class PixelShuffle(Module):
    """(…, C·r², H, W) to (…, C, H·r, W·r)."""

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return op.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        """Factor."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """(…, C, H·r, W·r) to (…, C·r², H, W)."""

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return op.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        """Factor."""
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """(N, g·c, …) to the same shape: channel ``i·c + j`` goes to ``j·g + i``, g = `groups`."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return op.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        """Groups."""
        return f"groups={self.groups}"


class LocalResponseNorm(Module):
    """``x/(k + alpha·mean of x² over size channels)^beta``.  Krizhevsky et al. 2012."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return op.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """Parameters."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class Unflatten(Module):
    """Dimension `dim` split into `unflattened_size`."""

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return op.unflatten(input, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        """Dimension and sizes."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
