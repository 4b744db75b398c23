"""Normalisation as modules: batch, instance, group, layer and root mean square.

Weights start as 1, biases as 0; running moments are buffers and start as mean 0 and variance 1.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..dtypes import as_dtype, get_default_dtype
from ..errors import ArgumentError
from ..ops.dims import ints
from ..registry import op
from ..tensor import wrap
from ..versions import written
from . import init
from .module import Module
from .parameter import uninitialized


class _Affine(Module):
    """Optional weight and bias of one shape."""

    def _build(self, shape: tuple[int, ...], weight: bool, bias: bool, dtype: Any) -> None:
        for name, present in (("weight", weight), ("bias", bias)):
            made = uninitialized(*shape, dtype=dtype) if present else None
            self.register_parameter(name, made)

    def reset_parameters(self) -> None:
        """Weight 1 and bias 0."""
        if self._parameters.get("weight") is not None:
            init.ones_(self.weight)
        if self._parameters.get("bias") is not None:
            init.zeros_(self.bias)


class LayerNorm(_Affine):
    """``(x - E[x])/√(Var[x] + eps)·weight + bias``, moments over the dimensions `normalized_shape`.

    Ba et al. 2016.
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape, self.eps = ints(normalized_shape), eps
        self.elementwise_affine = elementwise_affine
        self._build(self.normalized_shape, elementwise_affine, elementwise_affine and bias, dtype)
        self.reset_parameters()

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return op.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Shape and settings."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class RMSNorm(_Affine):
    """``x/√(E[x²] + eps)·weight``, the mean over the dimensions `normalized_shape`.

    Zhang & Sennrich 2019.
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape, self.eps = ints(normalized_shape), eps
        self.elementwise_affine = elementwise_affine
        made = uninitialized(*self.normalized_shape, dtype=dtype) if elementwise_affine else None
        self.register_parameter("weight", made)
        self.reset_parameters()

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return op.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """Shape and settings."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class GroupNorm(_Affine):
    """``(x - E[x])/√(Var[x] + eps)·weight + bias``, moments over a group of a sample's channels.

    Input (N, C, …), weight and bias (C,).  Wu & He 2018.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ArgumentError(
                f"GroupNorm: num_channels ({num_channels}) must be divisible by num_groups "
                f"({num_groups})"
            )
        self.num_groups, self.num_channels, self.eps, self.affine = (
            num_groups,
            num_channels,
            eps,
            affine,
        )
        self._build((num_channels,), affine, affine and bias, dtype)
        self.reset_parameters()

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return op.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Numbers and settings."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class _Tracking(_Affine):
    """Weight and bias a channel, and running moments."""

    ranks: ClassVar[tuple[int, ...]]
    affine_by_default: ClassVar[bool]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool | None = None,
        track_running_stats: bool | None = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        default = self.affine_by_default
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine = default if affine is None else affine
        self.track_running_stats = default if track_running_stats is None else track_running_stats
        self._build((num_features,), self.affine, self.affine and bias, dtype)
        kind = as_dtype(dtype or get_default_dtype())
        tracked = self.track_running_stats
        for name, value in (
            ("running_mean", np.zeros(num_features, kind)),
            ("running_var", np.ones(num_features, kind)),
            ("num_batches_tracked", np.zeros((), np.int64)),
        ):
            self.register_buffer(name, wrap(value) if tracked else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Mean 0, variance 1, no batch seen."""
        if self.track_running_stats:
            for buffer, value in (
                (self.running_mean, 0),
                (self.running_var, 1),
                (self.num_batches_tracked, 0),
            ):
                buffer._data[...] = value
                written(buffer._data)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, and the running moments of the beginning."""
        self.reset_running_stats()
        super().reset_parameters()

    def _check(self, input: Any) -> None:
        if input.ndim not in self.ranks:
            ranks = " or ".join(f"{rank}D" for rank in self.ranks)
            raise ArgumentError(
                f"{type(self).__name__}: expected {ranks} input (got {input.ndim}D input)"
            )

    def extra_repr(self) -> str:
        """Channels and settings."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_Tracking):
    affine_by_default = True

    def forward(self, input: Any) -> Any:
        """Apply it: by the batch's moments in training or without running ones."""
        self._check(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            count = self.num_batches_tracked._data
            np.add(count, 1, out=count)
            if self.momentum is None:  # the mean of all batches so far
                momentum = 1 / float(count)
        by_batch = self.training or self.running_mean is None
        tracked = not self.training or self.track_running_stats
        return op.batch_norm(
            input,
            self.running_mean if tracked else None,
            self.running_var if tracked else None,
            self.weight,
            self.bias,
            by_batch,
            momentum,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    """``(x - E[x])/√(Var[x] + eps)·weight + bias`` of (N, C) or (N, C, L), a channel at a time.

    Moments over batch and positions in training, the running ones in evaluation.  Ioffe & Szegedy
    2015.
    """

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """``(x - E[x])/√(Var[x] + eps)·weight + bias`` of (N, C, H, W), a channel at a time.

    Moments over batch and positions in training, the running ones in evaluation.  Ioffe & Szegedy
    2015.
    """

    ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """``(x - E[x])/√(Var[x] + eps)·weight + bias`` of (N, C, D, H, W), a channel at a time.

    Moments over batch and positions in training, the running ones in evaluation.  Ioffe & Szegedy
    2015.
    """

    ranks = (5,)


class _InstanceNorm(_Tracking):
    affine_by_default = False

    def forward(self, input: Any) -> Any:
        """Apply it to each sample; an input without a batch is one sample."""
        self._check(input)
        single = input.ndim == self.ranks[0]
        channels = input.shape[0 if single else 1]
        if channels != self.num_features and self.affine:
            raise ArgumentError(
                f"{type(self).__name__}: expected {self.num_features} channels, got {channels}"
            )
        out = op.instance_norm(
            op.unsqueeze(input, 0) if single else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return op.squeeze(out, 0) if single else out


class InstanceNorm1d(_InstanceNorm):
    """``(x - E[x])/√(Var[x] + eps)·weight + bias`` of (N, C, L) or (C, L).

    Moments over the positions of each channel of each sample.  Ulyanov et al. 2016.
    """

    ranks = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """``(x - E[x])/√(Var[x] + eps)·weight + bias`` of (N, C, H, W) or (C, H, W).

    Moments over the positions of each channel of each sample.  Ulyanov et al. 2016.
    """

    ranks = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """``(x - E[x])/√(Var[x] + eps)·weight + bias`` of (N, C, D, H, W) or (C, D, H, W).

    Moments over the positions of each channel of each sample.  Ulyanov et al. 2016.
    """

    ranks = (4, 5)
