"""Steps scaled by the history of squared gradients: Adagrad, Adadelta, RMSprop."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from ..dtypes import Array
from .optimizer import Optimizer, approach, decayed, options


class Adagrad(Optimizer):
    """s ← s + g²;  p ← p - lr/(1 + (t-1)·lr_decay)·g/(√s + ε)  (Duchi et al. 2011)."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(params, options(locals()))

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters; their state exists from the start."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        for parameter in group["params"]:
            start = np.full_like(parameter._data, group["initial_accumulator_value"])
            self.state[parameter] = {"step": 0, "sum": start}

    def update(
        self, value: Array, gradient: Array, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """One step, in place."""
        state["step"] += 1
        gradient = decayed(value, gradient, group)
        total = state["sum"].view(value.dtype)
        total += gradient * gradient
        rate = group["lr"] / (1 + (state["step"] - 1) * group["lr_decay"])
        value -= rate * gradient / (np.sqrt(total) + group["eps"])


class Adadelta(Optimizer):
    """s ← ρs + (1-ρ)g²;  Δ ← √(u + ε)/√(s + ε)·g;  u ← ρu + (1-ρ)Δ²;  p ← p - lr·Δ.

    Source: Zeiler 2012.
    """

    bounds: ClassVar[dict[str, tuple[float, float]]] = {"rho": (0, 1)}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(params, options(locals()))

    def update(
        self, value: Array, gradient: Array, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """One step, in place."""
        if "step" not in state:
            state.update(step=0, square_avg=np.zeros_like(value), acc_delta=np.zeros_like(value))
        state["step"] += 1
        square, change = state["square_avg"], state["acc_delta"]
        rho, eps = group["rho"], group["eps"]
        gradient = decayed(value, gradient, group)
        approach(square, gradient * gradient, 1 - rho)
        delta = np.sqrt(change + eps) / np.sqrt(square + eps) * gradient
        approach(change, delta * delta, 1 - rho)
        value -= group["lr"] * delta


class RMSprop(Optimizer):
    """s ← αs + (1-α)g²;  p ← p - lr·g/(√s + ε)  (Hinton, lecture 6e of the course of 2012).

    `centered` takes the variance, s - (moving mean of g)²; with `momentum` μ the scaled gradients
    are gathered, b ← μb + g/(√s + ε), and p ← p - lr·b.
    """

    bounds: ClassVar[dict[str, tuple[float, float]]] = {"alpha": (0, math.inf)}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(params, options(locals()))

    def update(
        self, value: Array, gradient: Array, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """One step, in place."""
        if "step" not in state:
            state.update(step=0, square_avg=np.zeros_like(value))
            if group["momentum"] > 0:
                state["momentum_buffer"] = np.zeros_like(value)
            if group["centered"]:
                state["grad_avg"] = np.zeros_like(value)
        state["step"] += 1
        gradient = decayed(value, gradient, group)
        square = state["square_avg"]
        square *= group["alpha"]
        square += (1 - group["alpha"]) * gradient * gradient
        if group["centered"]:
            approach(state["grad_avg"], gradient, 1 - group["alpha"])
            square = square - state["grad_avg"] * state["grad_avg"]
        scaled = gradient / (np.sqrt(square) + group["eps"])
        if group["momentum"] > 0:
            moving = state["momentum_buffer"]
            moving *= group["momentum"]
            moving += scaled
            scaled = moving
        value -= group["lr"] * scaled
