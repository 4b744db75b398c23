"""Initial values, drawn from the same stream as torch's; all fill a tensor and return it."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..random import Generator, default_generator
from ..tensor import Tensor
from ..versions import written


def _filled(
    tensor: Tensor, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]] | float
) -> Tensor:
    np.copyto(tensor._data, values, casting="unsafe")
    written(tensor._data)
    return tensor


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Uniform in [a, b)."""
    draws = (generator or default_generator).uniform(tensor.numel(), tensor.dtype)
    kind = tensor.dtype.type
    low, span = np.float64(kind(a)), np.float64(kind(b) - kind(a))
    # In float64, rounded once at the end, as the fused multiply-add that torch is compiled to.
    return _filled(tensor, (draws * span + low).reshape(tensor.shape))


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Normal with the given mean and standard deviation."""
    draws = (generator or default_generator).normal(tensor.numel(), tensor.dtype)
    return _filled(tensor, (draws * std + mean).reshape(tensor.shape))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """`val` everywhere."""
    return _filled(tensor, val)


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros."""
    return _filled(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return _filled(tensor, 1.0)


def fans(tensor: Tensor) -> tuple[int, int]:
    """Inputs and outputs of one unit of a weight (out, in, …)."""
    if tensor.ndim < 2:
        raise ArgumentError(
            f"fan in and fan out need at least 2 dimensions, not the shape {tensor.shape}"
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


_GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the variance through a nonlinearity.

    1 of linear maps and sigmoid, 5/3 of tanh, √2 of relu, √(2/(1 + slope²)) of leaky_relu, 3/4 of
    selu.
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        raise ArgumentError(f"no gain is known for {nonlinearity!r}; known: {sorted(_GAINS)}")
    return _GAINS[nonlinearity]


def _is_empty(tensor: Tensor) -> bool:
    if not tensor.numel():
        warnings.warn("initializing zero-element tensors is a no-op", stacklevel=3)
    return not tensor.numel()


def _fan(tensor: Tensor, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise ArgumentError(f"mode is 'fan_in' or 'fan_out', not {mode!r}")
    return fans(tensor)[mode == "fan_out"]


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """Uniform with variance gain²/fan (He et al. 2015)."""
    if _is_empty(tensor):
        return tensor
    bound = math.sqrt(3) * calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode))
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """Normal with variance gain²/fan (He et al. 2015)."""
    if _is_empty(tensor):
        return tensor
    return normal_(tensor, 0, calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode)))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Uniform with variance 2·gain²/(fan in + fan out) (Glorot & Bengio 2010)."""
    if _is_empty(tensor):
        return tensor
    bound = gain * math.sqrt(6 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Normal with variance 2·gain²/(fan in + fan out) (Glorot & Bengio 2010)."""
    if _is_empty(tensor):
        return tensor
    return normal_(tensor, 0, gain * math.sqrt(2 / sum(fans(tensor))))


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Normal numbers of the given mean and deviation that lie in [a, b], by rejection.

    Where few normal numbers would lie there, uniform ones are accepted with the density's height.
    """
    source, count, dtype = generator or default_generator, tensor.numel(), tensor.dtype
    kind = dtype.type
    low, high = kind(a), kind(b)
    below, above = ((1 + math.erf((edge - mean) / std / math.sqrt(2))) / 2 for edge in (a, b))
    if above - below > 0.3:
        values = source.normal(count, dtype, mean, std)
        while (outside := (values < low) | (values > high)).any():
            values = np.where(outside, source.normal(count, dtype, mean, std), values)
        return _filled(tensor, values.reshape(tensor.shape))
    peak = ((min(max(mean, a), b) - mean) / std) ** 2
    values, pending = np.zeros(count, dtype), np.ones(count, bool)
    while pending.any():
        drawn = source.uniform(count, dtype) * (high - low) + low
        values = np.where(pending, drawn, values)
        depth = (((drawn - kind(mean)) / kind(std)) ** 2 - kind(peak)) / 2
        with np.errstate(divide="ignore"):  # log(0) accepts
            pending &= np.log(source.uniform(count, dtype)) > -depth
    return _filled(tensor, values.reshape(tensor.shape))


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Orthonormal rows or columns, times `gain`, of the matrix that `tensor` is after dimension 0.

    Q of a normal matrix, with the signs that make R's diagonal positive (Saxe et al. 2014).
    """
    if tensor.ndim < 2:
        raise ArgumentError(f"orthogonal_: expected 2 or more dimensions, got {tensor.shape}")
    if not tensor.numel():
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    draws = (generator or default_generator).normal(rows * columns, tensor.dtype)
    matrix = draws.reshape(rows, columns)
    q, r = np.linalg.qr(matrix if rows >= columns else matrix.T)
    q = q * np.sign(np.diagonal(r))
    return _filled(tensor, (gain * (q if rows >= columns else q.T)).reshape(tensor.shape))


def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> Tensor:
    """Normal, with a share `sparsity` of each column 0, chosen at random (Martens 2010)."""
    if tensor.ndim != 2:
        raise ArgumentError(f"sparse_: expected 2 dimensions, got {tensor.shape}")
    rows, columns = tensor.shape
    normal_(tensor, 0, std, generator)
    for column in range(columns):
        chosen = (generator or default_generator).permutation(rows)
        tensor._data[chosen[: math.ceil(sparsity * rows)], column] = 0
    written(tensor._data)
    return tensor


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix; a linear layer with it passes its input on."""
    if tensor.ndim != 2:
        raise ArgumentError(f"eye_: expected 2 dimensions, got {tensor.shape}")
    return _filled(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution's weight (out, in, …) that passes its input channels on, in each group."""
    if tensor.ndim not in (3, 4, 5):
        raise ArgumentError(f"dirac_: expected 3, 4 or 5 dimensions, got {tensor.shape}")
    if tensor.shape[0] % groups:
        raise ArgumentError(f"dirac_: {tensor.shape[0]} channels do not fall into {groups} groups")
    values = np.zeros(tensor.shape)
    per_group = tensor.shape[0] // groups
    center: Any = tuple(size // 2 for size in tensor.shape[2:])
    for channel in range(min(per_group, tensor.shape[1])):
        values[channel::per_group, channel][(..., *center)] = 1
    return _filled(tensor, values)
