"""Averaged stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..dtypes import Array
from .optimizer import Optimizer, approach, decayed, options, scalar_dtype


class ASGD(Optimizer):
    """Gradient descent whose path is averaged from step `t0` on (Polyak & Juditsky 1992).

    p ← (1 - λη)p - ηg;  ax ← ax + μ(p - ax);  η = lr/(1 + λ·lr·t)^α,  μ = 1/max(1, t - t0).
    The average is ``state[p]["ax"]``.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        super().__init__(params, options(locals()))

    def update(
        self, value: Array, gradient: Array, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """One step, in place."""
        lr, lambd = group["lr"], group["lambd"]
        if "step" not in state:
            one = np.ones((), scalar_dtype())
            state.update(step=0, eta=one * lr, mu=one, ax=np.zeros_like(value))
        state["step"] += 1
        step, rate, share = state["step"], float(state["eta"]), float(state["mu"])
        gradient = decayed(value, gradient, group)
        value *= 1 - lambd * rate
        value -= rate * gradient
        if share == 1:
            np.copyto(state["ax"], value)
        else:
            approach(state["ax"], value, share)
        state["eta"] = np.asarray(lr / (1 + lambd * lr * step) ** group["alpha"], scalar_dtype())
        state["mu"] = np.asarray(1 / max(1, step - group["t0"]), scalar_dtype())
