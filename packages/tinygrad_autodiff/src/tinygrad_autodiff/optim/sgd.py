"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import ArgumentError
from .optimizer import Optimizer, add_scaled, options


class SGD(Optimizer):
    """Gradient descent with momentum μ, dampening τ and weight decay λ, as torch defines it.

    g ← ∇ + λ·p;  b ← μ·b + (1 - τ)·g (at first b ← g);  p ← p - lr·(g + μ·b if nesterov else b).
    Source: Sutskever et al. 2013, in torch's form (lr outside the momentum).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(params, options(locals()))

    def check(self, group: dict[str, Any]) -> None:
        """Nesterov's form needs momentum and no dampening."""
        super().check(group)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ArgumentError("Nesterov momentum requires a momentum and zero dampening")

    def update(
        self, value: Array, gradient: Array, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """One step, in place."""
        momentum, decay = group["momentum"], group["weight_decay"]
        sign = 1 if group["maximize"] else -1
        if decay:
            gradient = np.asarray(gradient - sign * decay * value)  # 0-d too stays an array
        if momentum:
            moving = state.get("momentum_buffer")
            if moving is None:
                moving = state["momentum_buffer"] = gradient.copy()
            else:
                moving *= momentum
                add_scaled(moving, gradient, 1 - group["dampening"])
            gradient = gradient + momentum * moving if group["nesterov"] else moving
        add_scaled(value, gradient, sign * group["lr"])
