"""Steps that depend on the signs of gradients: Rprop and Lion."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import ArgumentError
from .optimizer import Optimizer, approach, options


class Rprop(Optimizer):
    """Each element moves by a step of its own, against the sign of its gradient.

    The step grows by η⁺ while the sign stays, shrinks by η⁻ where it changes (and the element
    then rests once), within `step_sizes`. Source: Riedmiller & Braun 1993.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(params, options(locals()))

    def check(self, group: dict[str, Any]) -> None:
        """0 < η⁻ < 1 < η⁺."""
        super().check(group)
        less, more = group["etas"]
        if not 0 < less < 1 < more:
            raise ArgumentError(f"invalid etas: {less}, {more} (expected 0 < first < 1 < second)")

    def update(
        self, value: Array, gradient: Array, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """One step, in place."""
        if "step" not in state:
            steps = np.full_like(value, group["lr"])
            state.update(step=0, prev=np.zeros_like(value), step_size=steps)
        state["step"] += 1
        (less, more), steps = group["etas"], state["step_size"]
        gradient = -gradient if group["maximize"] else gradient
        agreement = gradient * state["prev"]
        steps *= np.where(agreement > 0, more, np.where(agreement < 0, less, 1)).astype(value.dtype)
        np.clip(steps, *group["step_sizes"], out=steps)
        kept = np.where(agreement < 0, 0, gradient)
        value -= np.sign(kept) * steps
        state["prev"] = kept


class Lion(Optimizer):
    """p ← p - lr·(sign(β₁m + (1-β₁)g) + λp);  m ← β₂m + (1-β₂)g  (Chen et al. 2023)."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, options(locals()))

    def update(
        self, value: Array, gradient: Array, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """One step, in place."""
        if not state:
            state["exp_avg"] = np.zeros_like(value)
        mean = state["exp_avg"]
        beta1, beta2 = group["betas"]
        gradient = -gradient if group["maximize"] else gradient
        value *= 1 - group["lr"] * group["weight_decay"]
        value -= group["lr"] * np.sign(beta1 * mean + (1 - beta1) * gradient)
        approach(mean, gradient, 1 - beta2)
