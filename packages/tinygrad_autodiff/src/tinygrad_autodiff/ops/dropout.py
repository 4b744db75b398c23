"""Dropout (Srivastava et al. 2014): ops that draw random masks, from torch's stream.

`dropout1d`, `dropout2d` and `dropout3d` draw for whole channels; the alpha forms replace by the
value that selu tends to, and scale so that mean and variance stay (Klambauer et al. 2017).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..op import Bad, Sample, compose
from ..random import default_generator
from ..samples import array
from ..tensor import Tensor, wrap

_NEURAL = ("nn.functional",)
_BOTH = ("", "nn.functional")
_SELU_LIMIT = -1.7580993408473766  # the negative limit of selu, -scale·alpha
_X = array((3, 4))
# Without chance, so that differences mean something; chance is tested apart.
_CERTAIN = Sample((_X, 1.0, True))
_BAD = (Bad((array((3,)), 1.5), {}, ArgumentError, "between 0 and 1, but got 1.5"),)


def check_probability(p: float) -> None:
    """A ValueError unless 0 <= p <= 1."""
    if not 0 <= p <= 1:
        raise ArgumentError(f"dropout: the probability has to be between 0 and 1, but got {p}")


def _mask(input: Any, p: float, channels: bool) -> Any:
    """Truth values, false with probability `p`, of the shape of the input or one a channel."""
    shape = tuple(input.shape)
    if channels:
        if len(shape) < 2:
            raise ShapeError(
                f"feature dropout requires at least 2 dimensions in the input, got {shape}"
            )
        shape = (*shape[:2], *(1,) * (len(shape) - 2))
    return default_generator.bernoulli(1 - p, math.prod(shape)).reshape(shape)


def _dropped(input: Any, p: float, training: bool, channels: bool = False) -> Any:
    """`input` times mask/(1 - p)."""
    check_probability(p)
    if not training or p == 0 or not np.prod(input.shape):
        return input
    if p == 1:
        return input * 0
    return input * (_mask(input, p, channels) / (1 - p)).astype(input.dtype)


def _alpha_dropped(input: Any, p: float, training: bool, channels: bool = False) -> Any:
    """``a·(input where the mask holds, else selu's limit) + b``, a and b so that moments stay."""
    check_probability(p)
    if not training or p == 0 or not np.prod(input.shape):
        return input
    if p == 1:
        return input * 0
    mask = _mask(input, p, channels).astype(input.dtype)
    a = 1 / math.sqrt((_SELU_LIMIT**2 * p + 1) * (1 - p))
    shift = (mask - 1) * (-_SELU_LIMIT * a) + (-_SELU_LIMIT * a * p)
    return input * (mask * a) + shift


@compose(_CERTAIN, Sample((_X, 0.5, False)), spaces=_BOTH, errors=_BAD)
def dropout(input: Any, p: float = 0.5, training: bool = True) -> Any:
    """0 with probability `p`, else ``input/(1 - p)``; the input itself outside training."""
    return _dropped(input, p, training)


@compose(
    _CERTAIN,
    Sample((array((2, 2, 3)), 1.0, True)),
    spaces=_NEURAL,
    errors=(*_BAD, Bad((array((3,)), 0.5), {}, ShapeError, "2D or 3D")),
)
def dropout1d(input: Any, p: float = 0.5, training: bool = True) -> Any:
    """Whole channels of (C, L) or (N, C, L) become 0 with probability `p`.  Tompson et al. 2015."""
    check_probability(p)
    if input.ndim not in (2, 3):
        raise ShapeError(f"dropout1d: expected a 2D or 3D input, got {tuple(input.shape)}")
    batch = input if input.ndim == 3 else input[None]
    out = _dropped(batch, p, training, True)
    return out if input.ndim == 3 else out[0]


@compose(Sample((array((2, 2, 2, 2)), 1.0)), spaces=_NEURAL, errors=_BAD)
def dropout2d(input: Any, p: float = 0.5, training: bool = True) -> Any:
    """Whole channels of (N, C, H, W) become 0 with probability `p`; (N, C, L) is taken as such."""
    return _dropped(input, p, training, True)


@compose(Sample((array((2, 2, 2, 2)), 1.0)), spaces=_NEURAL, errors=_BAD)
def dropout3d(input: Any, p: float = 0.5, training: bool = True) -> Any:
    """Whole channels of (N, C, D, H, W) or (C, D, H, W) become 0 with probability `p`."""
    out = _dropped(input[None] if input.ndim == 4 else input, p, training, True)
    return out[0] if input.ndim == 4 else out


@compose(_CERTAIN, spaces=_NEURAL, errors=_BAD)
def alpha_dropout(input: Any, p: float = 0.5, training: bool = False) -> Any:
    """Dropout that keeps mean and variance of what selu gives."""
    return _alpha_dropped(input, p, training)


@compose(_CERTAIN, spaces=_NEURAL, errors=_BAD)
def feature_alpha_dropout(input: Any, p: float = 0.5, training: bool = False) -> Any:
    """`alpha_dropout` of whole channels."""
    return _alpha_dropped(input, p, training, True)


@compose(_CERTAIN, spaces=("",))
def native_dropout(input: Any, p: float, train: bool | None) -> tuple[Any, Any]:
    """`dropout`, and the truth values of what was kept."""
    check_probability(p)
    kept = np.ones(tuple(input.shape), np.bool_) if train is False else _mask(input, p, False)
    if train is not False:
        scale = 0.0 if p == 1 else 1 / (1 - p)
        input = input * (kept * scale).astype(input.dtype)
    return input, wrap(kept) if isinstance(input, Tensor) else kept


@compose(spaces=("",))
def native_dropout_backward(grad_output: Any, mask: Any, scale: float) -> Any:
    """``grad_output · mask · scale``."""
    return grad_output * mask * scale
