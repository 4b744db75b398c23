"""Initial values, drawn from the same stream as torch's; all fill a tensor and return it."""

from __future__ import annotations

import math
import warnings

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
    """The factor that keeps the variance through a nonlinearity."""
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
