"""Normalisation: mean 0 and variance 1 over some dimensions, then a scale and a shift.

Layer, group, instance and batch normalisation are one pass, `standardized` (see standardized.py);
they differ in the dimensions and in the shape of weight and bias.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import ArgumentError, DtypeError, RangeError, ShapeError
from ..op import Bad, Sample, compose, op
from ..samples import array
from ..tensor import array_of
from ..versions import written
from .dims import ints

_BOTH = ("", "nn.functional")


def _trailing(name: str, input: Any, normalized_shape: Any, *parameters: Any) -> tuple[int, ...]:
    """The dimensions of `normalized_shape`, which the input must end with."""
    shape = ints(normalized_shape)
    if not shape:
        raise RangeError(f"{name}: expected normalized_shape to be at least 1-dimensional")
    for parameter in parameters:
        if parameter is not None and tuple(parameter.shape) != shape:
            raise ShapeError(
                f"{name}: a weight or bias of shape {tuple(parameter.shape)} does not fit "
                f"normalized_shape {shape}"
            )
    if tuple(input.shape[max(input.ndim - len(shape), 0) :]) != shape:
        raise ShapeError(
            f"{name}: given normalized_shape={shape}, expected an input that ends with it, "
            f"got {tuple(input.shape)}"
        )
    return tuple(range(input.ndim - len(shape), input.ndim))


@compose(
    Sample((array((2, 3, 4)), (4,), array((4,), seed=1), array((4,), seed=2))),
    Sample((array((2, 3, 4)), (3, 4)), {"eps": 0.1}),
    spaces=_BOTH,
    errors=(Bad((array((2, 3)), (2,)), {}, ShapeError, r"\(2,\).*\(2, 3\)"),),
)
def layer_norm(
    input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """Each sample made to mean 0 and variance 1 over its last dimensions.  Ba et al. 2016."""
    axes = _trailing("layer_norm", input, normalized_shape, weight, bias)
    return op.standardized(input, weight, bias, axes, eps)


@compose(
    Sample((array((2, 3, 4)), (4,), array((4,), seed=1))),
    Sample((array((2, 3, 4)), (3, 4)), {"eps": 0.1}),
    spaces=_BOTH,
    errors=(Bad((array((2, 3)), (2,)), {}, ShapeError, r"\(2,\).*\(2, 3\)"),),
)
def rms_norm(
    input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None
) -> Any:
    """Each sample divided by its root mean square over its last dimensions.

    `eps` is the dtype's spacing at 1 by default.  Zhang & Sennrich 2019.
    """
    axes = _trailing("rms_norm", input, normalized_shape, weight)
    eps = float(np.finfo(_eps_dtype(input.dtype)).eps) if eps is None else eps
    return op.root_mean_squared(input, weight, axes, eps)


def _eps_dtype(dtype: Any) -> Any:
    if dtype.kind != "f":
        raise DtypeError(f"rms_norm: expected a floating input, got {dtype}")
    return np.float32 if dtype == np.float16 else dtype


@compose(
    Sample((array((2, 4, 3)), 2, array((4,), seed=1), array((4,), seed=2))),
    Sample((array((2, 4)), 2)),
    spaces=_BOTH,
    errors=(Bad((array((2, 3, 4)), 2), {}, ShapeError, "3 channels .* 2 groups"),),
)
def group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """Groups of channels (dimension 1) standardized, each channel scaled.  Wu & He 2018."""
    groups = op.reshape(input, _grouped("group_norm", input, num_groups, weight, bias))
    out = op.reshape(op.standardized(groups, None, None, (2,), eps), tuple(input.shape))
    out = out if weight is None else out * _column(weight, input)
    return out if bias is None else out + _column(bias, input)


def _grouped(name: str, input: Any, groups: int, *parameters: Any) -> tuple[int, int, int]:
    if input.ndim < 2:
        raise ShapeError(f"{name}: expected at least 2 dimensions, got {tuple(input.shape)}")
    channels = input.shape[1]
    if 0 in input.shape[1:]:
        raise ShapeError(f"{name}: expected channels and positions, got {tuple(input.shape)}")
    if groups < 1 or channels % groups:
        raise ShapeError(f"{name}: {channels} channels do not fall into {groups} groups")
    for parameter in parameters:
        if parameter is not None and tuple(parameter.shape) != (channels,):
            raise ShapeError(
                f"{name}: a weight or bias of shape {tuple(parameter.shape)} does not fit "
                f"{channels} channels"
            )
    size = math.prod(input.shape[2:]) * (channels // groups)
    return input.shape[0], groups, size


def _column(value: Any, input: Any) -> Any:
    """A value a channel, in a shape that broadcasts to the input (N, C, …)."""
    rest = (1,) * (input.ndim - 2)
    return value if value is None or not rest else op.reshape(value, (-1, *rest))


def _fit_channels(name: str, input: Any, *values: Any) -> None:
    """Raise unless running_mean, running_var, weight and bias have an element for each channel."""
    channels = input.shape[1] if input.ndim > 1 else 0
    for key, value in zip(("running_mean", "running_var", "weight", "bias"), values, strict=True):
        if value is not None and math.prod(value.shape) != channels:
            raise ShapeError(
                f"{name}: {key} of shape {tuple(value.shape)} does not fit the {channels} channels "
                f"of an input of shape {tuple(input.shape)}"
            )


def _track(running: Any, batch: Array, momentum: float) -> None:
    """``(1 - momentum)·running + momentum·batch``, in place."""
    if running is not None:
        values = array_of(running)
        values[...] = values * (1 - momentum) + (batch * momentum).astype(values.dtype)
        written(values)


@compose(
    Sample((array((3, 2, 2)), None, None, array((2,), seed=1), array((2,), seed=2), True)),
    spaces=("nn.functional",),
    errors=(
        Bad((array((1, 2)), None, None, None, None, True), {}, ArgumentError, "more than 1 value"),
    ),
)
def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Each channel (dimension 1) standardized over the batch, or by the running moments.

    In training the running moments, where they are given, move towards those of the batch (the
    unbiased variance) by `momentum`, in place.  Ioffe & Szegedy 2015.
    """
    return _batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def _batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    training: bool,
    momentum: float,
    eps: float,
    several: bool = True,
) -> Any:
    if input.ndim < 2 and math.prod(input.shape):
        raise ShapeError(f"batch_norm: expected at least 2 dimensions, got {tuple(input.shape)}")
    _fit_channels("batch_norm", input, running_mean, running_var, weight, bias)
    weight, bias = _column(weight, input), _column(bias, input)
    if not training:
        if running_mean is None or running_var is None:
            raise RangeError("batch_norm: expected running_mean and running_var outside training")
        scale = op.rsqrt(_column(running_var, input) + eps)
        scale = scale if weight is None else scale * weight
        out = (input - _column(running_mean, input)) * scale
        return out if bias is None else out + bias
    axes = (0, *range(2, input.ndim))
    count = math.prod(input.shape[i] for i in axes)
    if several and count == 1:
        raise ArgumentError(
            "batch_norm: expected more than 1 value per channel when training, got an input of "
            f"shape {tuple(input.shape)}"
        )
    noted: list[Array] = []
    out = op.standardized(input, weight, bias, axes, eps, noted)
    mean, variance = (value.reshape(-1) for value in noted)
    if not count:
        return out
    _track(running_mean, mean, momentum)
    with np.errstate(all="ignore"):
        _track(running_var, variance * (np.float64(count) / (count - 1)), momentum)
    return out


@compose(
    Sample((array((2, 3, 4)),), {"weight": array((3,), seed=1), "bias": array((3,), seed=2)}),
    spaces=("nn.functional",),
    errors=(Bad((array((2, 3, 1)),), {}, ArgumentError, "more than 1 spatial element"),),
)
def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Each channel of each sample standardized over its positions.  Ulyanov et al. 2016.

    Running moments, where they are given, move towards the mean over the batch of those found.
    """
    if not use_input_stats:
        return op.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    count = math.prod(input.shape[2:])
    if count == 1:
        raise ArgumentError(
            "instance_norm: expected more than 1 spatial element when training, got an input of "
            f"shape {tuple(input.shape)}"
        )
    _fit_channels("instance_norm", input, running_mean, running_var, weight, bias)
    noted: list[Array] = []
    axes = tuple(range(2, input.ndim))
    weight, bias = _column(weight, input), _column(bias, input)
    out = op.standardized(input, weight, bias, axes, eps, noted)
    if running_mean is not None or running_var is not None:
        mean, variance = (value.reshape(input.shape[:2]).mean(0) for value in noted)
        _track(running_mean, mean, momentum)
        _track(running_var, variance * (count / max(count - 1, 1)), momentum)
    return out


# ---- with the moments: the forms that torch calls native -----------------------------------------


def _rate(input: Any, axes: Any, keepdim: bool, eps: float) -> Any:
    return op.rsqrt(op.var(input, axes, 0, keepdim) + eps)


@compose(spaces=("",))  # torch gives the moments no gradient, hence no sample; see the scoreboard
def native_layer_norm(
    input: Any, normalized_shape: Any, weight: Any, bias: Any, eps: float
) -> tuple[Any, Any, Any]:
    """`layer_norm`, and mean and 1/√(variance + eps) with the dimensions kept."""
    out = op.layer_norm(input, normalized_shape, weight, bias, eps)
    axes = tuple(range(input.ndim - len(ints(normalized_shape)), input.ndim))
    return out, op.mean(input, axes, True), _rate(input, axes, True, eps)


@compose(
    Sample((array((2, 4, 3)), array((4,), seed=1), array((4,), seed=2), 2, 4, 3, 2, 1e-5)),
    spaces=("",),
)
def native_group_norm(
    input: Any, weight: Any, bias: Any, N: int, C: int, HxW: int, group: int, eps: float
) -> tuple[Any, Any, Any]:
    """`group_norm`, and mean and 1/√(variance + eps) of each group."""
    groups = op.reshape(input, _grouped("native_group_norm", input, group, weight, bias))
    out = op.group_norm(input, group, weight, bias, eps)
    return out, op.mean(groups, -1), _rate(groups, -1, False, eps)


@compose(spaces=("",))
def native_batch_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Any, Any, Any]:
    """`batch_norm`, and mean and 1/√(variance + eps) of the batch (nothing outside training)."""
    out = _batch_norm(
        input, running_mean, running_var, weight, bias, training, momentum, eps, False
    )
    if not training:
        nothing = op.reshape(input, -1)[:0]
        return out, nothing, nothing
    axes = (0, *range(2, input.ndim))
    return out, op.mean(input, axes), _rate(input, axes, False, eps)


@compose(spaces=("",))
def _native_batch_norm_legit(
    input: Any, weight: Any, bias: Any, mean: Any, var: Any, training: Any, *rest: Any
) -> tuple[Any, Any, Any]:
    """`native_batch_norm`, which may also be called without running moments."""
    if len(rest) == 2:
        return op.native_batch_norm(input, weight, bias, mean, var, training, *rest)  # type: ignore[no-any-return]
    return op.native_batch_norm(input, weight, bias, None, None, mean, var, training)  # type: ignore[no-any-return]


@compose(spaces=("",))
def _batch_norm_with_update(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    momentum: float,
    eps: float,
) -> tuple[Any, Any, Any, Any]:
    """`native_batch_norm` in training, with a fourth result that is empty."""
    parts = op.native_batch_norm(
        input, weight, bias, running_mean, running_var, True, momentum, eps
    )
    return (*parts, op.to(op.reshape(input, -1)[:0], np.uint8))
