"""Variants of Adam: with the largest gradient, with Nesterov's momentum, with a rectified start."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..dtypes import Array
from .optimizer import Optimizer, approach, decayed, options, scalar_dtype


class Adamax(Optimizer):
    """m ← β₁m + (1-β₁)g;  u ← max(β₂u, |g| + ε);  p ← p - lr/(1-β₁ᵗ)·m/u  (Kingma & Ba 2015)."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        super().__init__(params, options(locals()))

    def update(
        self, value: Array, gradient: Array, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """One step, in place."""
        if "step" not in state:
            state.update(step=0, exp_avg=np.zeros_like(value), exp_inf=np.zeros_like(value))
        state["step"] += 1
        beta1, beta2 = group["betas"]
        gradient = decayed(value, gradient, group)
        approach(state["exp_avg"], gradient, 1 - beta1)
        largest = state["exp_inf"]
        largest *= beta2
        np.maximum(largest, np.abs(gradient) + group["eps"], out=largest)
        value -= group["lr"] / (1 - beta1 ** state["step"]) * state["exp_avg"] / largest


def _moments(
    value: Array, gradient: Array, state: dict[str, Any], group: dict[str, Any]
) -> tuple[Array, Array, Array]:
    """The gradient with weight decay, and the moving means of it and of its square."""
    state["step"] += 1
    if group["decoupled_weight_decay"]:
        gradient = -gradient if group["maximize"] else gradient
        value *= 1 - group["lr"] * group["weight_decay"]
    else:
        gradient = decayed(value, gradient, group)
    beta1, beta2 = group["betas"]
    approach(state["exp_avg"], gradient, 1 - beta1)
    square = state["exp_avg_sq"]
    square *= beta2
    square += (1 - beta2) * gradient * gradient
    return gradient, state["exp_avg"], square


class NAdam(Optimizer):
    """Adam with Nesterov's momentum and a momentum that grows (Dozat 2016).

    μₜ = β₁(1 - 0.96^(t·momentum_decay)/2); the mean is replaced by
    (1-μₜ)/(1-Πμ)·g + μₜ₊₁/(1-Πμ·μₜ₊₁)·m.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(params, options(locals()))

    def update(
        self, value: Array, gradient: Array, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """One step, in place."""
        if "step" not in state:
            state.update(step=0, mu_product=np.ones((), scalar_dtype()))
            state.update(exp_avg=np.zeros_like(value), exp_avg_sq=np.zeros_like(value))
        gradient, mean, square = _moments(value, gradient, state, group)
        step, (beta1, beta2), lr = state["step"], group["betas"], group["lr"]
        now, later = (
            beta1 * (1 - 0.5 * 0.96 ** (t * group["momentum_decay"])) for t in (step, step + 1)
        )
        state["mu_product"] *= now
        product = float(state["mu_product"])
        scale = np.sqrt(square / (1 - beta2**step)) + group["eps"]
        value -= lr * (1 - now) / (1 - product) * gradient / scale
        value -= lr * later / (1 - product * later) * mean / scale


class RAdam(Optimizer):
    """Adam that scales by the second moment only once its variance is tractable (Liu et al. 2020).

    ρ = 2/(1-β₂) - 1 - 2tβ₂ᵗ/(1-β₂ᵗ) is the length of the average; for ρ > 5 the step is that of
    Adam times √((ρ-4)(ρ-2)ρ∞/((ρ∞-4)(ρ∞-2)ρ)), before it is lr·m̂.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(params, options(locals()))

    def update(
        self, value: Array, gradient: Array, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """One step, in place."""
        if "step" not in state:
            state.update(step=0, exp_avg=np.zeros_like(value), exp_avg_sq=np.zeros_like(value))
        _, mean, square = _moments(value, gradient, state, group)
        step, (beta1, beta2) = state["step"], group["betas"]
        bias = 1 - beta2**step
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * step * beta2**step / bias
        move = group["lr"] / (1 - beta1**step) * mean
        if length > 5:
            ratio = (length - 4) * (length - 2) * longest / length
            rectified = math.sqrt(ratio / ((longest - 4) * (longest - 2)))
            move *= rectified * math.sqrt(bias) / (np.sqrt(square) + group["eps"])
        value -= move
