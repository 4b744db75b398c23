"""Losses of two tensors of one shape: regression, probabilities, distributions.

``reduction`` is "mean", "sum" or "none". All compose other operations; where a loss has kinks, its
derivative there is that of the operations.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import ArgumentError, RangeError
from ..op import Array, Bad, Composite, Elementwise, Op, Sample, compose, op
from ..samples import array
from ..tensor import array_of
from .reduced import reduced, warn_of_broadcasting

_NEURAL = ("nn.functional",)
_X, _Y = array((3, 2)), array((3, 2), seed=1)
_P, _Q = array((3, 2), 0.1, 0.9), array((3, 2), 0.2, 0.8, seed=1)
_UNKNOWN = Bad((_X, _Y), {"reduction": "max"}, ArgumentError, "'max'")


class MseLoss(Composite, name="mse_loss", spaces=_NEURAL):
    """Squared difference, ``(input - target)²``, times `weight` where it is given."""

    @staticmethod
    def forward(input: Any, target: Any, reduction: str = "mean", weight: Any = None) -> Any:
        """Composed."""
        warn_of_broadcasting("mse_loss", input, target)
        return _weighted(op.square(input - target), weight, reduction)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Every reduction."""
        for reduction in ("mean", "sum", "none"):
            yield Sample((array((3, 2)), array((3, 2), seed=1)), {"reduction": reduction})

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """An unknown reduction."""
        yield Bad((array((3,)), array((3,)), "max"), {}, ArgumentError, "'max'")


def _weighted(loss: Any, weight: Any, reduction: str) -> Any:
    """Reduced; with weights the mean is over the weights."""
    if weight is None:
        return reduced(loss, reduction)
    weight = op.expand(weight, tuple(loss.shape))
    total = reduced(loss * weight, "sum" if reduction == "mean" else reduction)
    return total / op.sum(weight) if reduction == "mean" else total


@compose(
    Sample((_X, _Y)), Sample((_X, _Y), {"reduction": "none"}), spaces=_NEURAL, errors=(_UNKNOWN,)
)
def l1_loss(input: Any, target: Any, reduction: str = "mean", weight: Any = None) -> Any:
    """``|input - target|``."""
    warn_of_broadcasting("l1_loss", input, target)
    return _weighted(op.abs(input - target), weight, reduction)


@compose(
    Sample((_X, _Y), {"reduction": "none", "beta": 0.7}),
    spaces=_NEURAL,
    errors=(_UNKNOWN, Bad((_X, _Y), {"beta": -1.0}, RangeError, "negative")),
)
def smooth_l1_loss(input: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Any:
    """``d²/(2·beta)`` where d = |input - target| < beta, else ``d - beta/2``.  Girshick 2015."""
    if beta < 0:
        raise RangeError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    warn_of_broadcasting("smooth_l1_loss", input, target)
    size = op.abs(input - target)
    if beta == 0:
        return reduced(size, reduction)
    return reduced(op.where(size < beta, size * size * (0.5 / beta), size - 0.5 * beta), reduction)


@compose(
    Sample((_X, _Y, "none", 0.7)),
    spaces=_NEURAL,
    errors=(_UNKNOWN, Bad((_X, _Y), {"delta": 0.0}, RangeError, "delta")),
)
def huber_loss(
    input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None
) -> Any:
    """``d²/2`` where d = |input - target| < delta, else ``delta·(d - delta/2)``.  Huber 1964."""
    if delta <= 0:
        raise RangeError(f"huber_loss: expected a positive delta, got {delta}")
    warn_of_broadcasting("huber_loss", input, target)
    size = op.abs(input - target)
    loss = op.where(size < delta, size * size * 0.5, (size - 0.5 * delta) * delta)
    return _weighted(loss, weight, reduction)


# ---- probabilities -------------------------------------------------------------------------------


class BinaryEntropy(Elementwise, name="binary_entropy", spaces=()):
    """``-(y·log p + (1 - y)·log(1 - p))`` of p = input, y = target; logarithms are at least -100.

    ∂out/∂p = (p - y)/(p·(1 - p)), the denominator at least 1e-12; ∂out/∂y = log((1 - p)/p).
    """

    quiet, domain = True, (0.1, 0.9)
    partials = (
        lambda t, input, target: t * (input - target) / op.clamp(input * (1 - input), 1e-12),
        lambda t, input: t * (op.log1p(-input) - op.log(input)),
    )

    @staticmethod
    def forward(input: Array, target: Array) -> Array:
        """Values."""
        yes, no = np.maximum(np.log(input), -100), np.maximum(np.log1p(-input), -100)
        out: Array = (target - 1) * no - target * yes
        return out

    error_inputs = Op.error_inputs


@compose(
    Sample((_P, _Q)),
    Sample((_P, _Q), {"reduction": "none"}),
    spaces=_NEURAL,
    errors=(Bad((_P, _Q[0]), {}, ArgumentError, r"\(2,\).*\(3, 2\)"),),
)
def binary_cross_entropy(
    input: Any, target: Any, weight: Any = None, reduction: str = "mean"
) -> Any:
    """``-(y·log p + (1 - y)·log(1 - p))`` of p = input in [0, 1]; logarithms are at least -100."""
    if tuple(input.shape) != tuple(target.shape):
        raise ArgumentError(
            f"binary_cross_entropy: a target of {tuple(target.shape)} does not fit an input of "
            f"{tuple(input.shape)}"
        )
    values = array_of(input)
    if not ((values >= 0) & (values <= 1)).all():
        raise RangeError(
            "binary_cross_entropy: all elements of input should be between 0 and 1, got from "
            f"{values.min()} to {values.max()}; of scores take binary_cross_entropy_with_logits"
        )
    loss = op.binary_entropy(input, target)
    return reduced(loss if weight is None else loss * weight, reduction)


@compose(
    Sample((_X, _Q)),
    Sample((_X, _Q), {"reduction": "none"}),
    spaces=_NEURAL,
    errors=(Bad((_X, _Q[0]), {}, ArgumentError, r"\(2,\).*\(3, 2\)"),),
)
def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, reduction: str = "mean", pos_weight: Any = None
) -> Any:
    """`binary_cross_entropy` of σ(input), from the scores; `pos_weight` multiplies y·log p."""
    if tuple(input.shape) != tuple(target.shape):
        raise ArgumentError(
            f"binary_cross_entropy_with_logits: a target of {tuple(target.shape)} does not fit an "
            f"input of {tuple(input.shape)}"
        )
    log_p = op.logsigmoid(input)
    if pos_weight is None:
        loss = (1 - target) * input - log_p
    else:
        loss = (1 - target) * input - ((pos_weight - 1) * target + 1) * log_p
    return reduced(loss if weight is None else loss * weight, reduction)


@compose(
    Sample((_X, _Q), {"reduction": "none"}),
    Sample((_X, _Y), {"reduction": "sum", "log_target": True}),
    Sample((_X, _Q), {"reduction": "batchmean"}),
    spaces=_NEURAL,
    errors=(_UNKNOWN,),
)
def kl_div(input: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Any:
    """``target·(log target - input)``, 0 where the target is 0; the input is a log-probability.

    With `log_target` the target is one too; "batchmean" divides the sum by the batch's size.
    """
    loss = (
        op.exp(target) * (target - input)
        if log_target
        else op.xlogy(target, target) - target * input
    )
    if reduction == "batchmean":
        return op.sum(loss) / input.shape[0] if input.ndim else op.sum(loss)
    return reduced(loss, reduction)


@compose(
    Sample((_X, _P)),
    Sample((_P, _P), {"log_input": False, "full": True, "reduction": "none"}),
    Sample((_P, _P * 9), {"full": True}),
    spaces=_NEURAL,
    errors=(_UNKNOWN,),
)
def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Any:
    """``rate - target·log rate`` of ``rate = exp(input)``, or of the input + eps itself.

    `full` adds Stirling's approximation of log target!, where the target is above 1.
    """
    loss = op.exp(input) - target * input if log_input else input - target * op.log(input + eps)
    if full:
        terms = target * op.log(target) - target + 0.5 * op.log(2 * math.pi * target)
        loss = loss + op.where(target <= 1, 0.0, terms)
    return reduced(loss, reduction)


@compose(
    Sample((_X, _Y, _P)),
    Sample((_X, _Y, _P[:, :1]), {"full": True, "reduction": "none"}),
    Sample((_X, _Y, 0.5)),
    spaces=_NEURAL,
    errors=(
        Bad((_X, _Y, _P, False, 1e-6, "max"), {}, ArgumentError, "'max'"),
        Bad((_X, _Y, -_P), {}, ArgumentError, "negative"),
        Bad((_X, _Y, _P[:2]), {}, ArgumentError, r"\(2, 2\)"),
    ),
)
def gaussian_nll_loss(
    input: Any,
    target: Any,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Any:
    """``(log v + (input - target)²/v)/2`` with v = max(var, eps), whose bound passes no gradient.

    `full` adds log(2π)/2.  Nix & Weigend 1994.
    """
    shape = tuple(input.shape)
    if isinstance(var, (int, float)):
        if var < 0:
            raise ArgumentError(f"gaussian_nll_loss: var has a negative value, {var}")
        var = op.zeros_like(input) + var
    if tuple(var.shape) != shape:
        if tuple(var.shape) == shape[:-1]:
            var = op.unsqueeze(var, -1)
        elif sorted({b for a, b in zip(shape, var.shape, strict=False) if a != b}) != [1] or (
            var.ndim != input.ndim
        ):
            raise ArgumentError(
                f"gaussian_nll_loss: a var of {tuple(var.shape)} does not fit an input of {shape}"
            )
    if (np.asarray(var) < 0).any():
        raise ArgumentError("gaussian_nll_loss: var has negative values")
    low = np.asarray(var) < eps
    # what is added has no gradient: the bound holds for the value alone
    var = var + np.where(low, eps - np.asarray(var), 0).astype(input.dtype)
    loss = 0.5 * (op.log(var) + op.square(input - target) / var)
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)
