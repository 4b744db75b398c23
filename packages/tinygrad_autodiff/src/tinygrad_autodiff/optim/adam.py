"""Adam and AdamW."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..dtypes import Array
from .optimizer import Optimizer, buffer, options


class Adam(Optimizer):
    """Adaptive moments (Kingma & Ba 2015), with weight decay λ added to the gradient.

    m ← β₁m + (1-β₁)g;  v ← β₂v + (1-β₂)g²;  p ← p - lr·m̂/(√v̂ + ε), m̂ and v̂ corrected for
    their start at 0; with `amsgrad` the largest v so far (Reddi et al. 2018).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(params, options(locals()))

    def update(
        self, value: Array, gradient: Array, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """One step; two scratch arrays are kept between steps."""
        (beta1, beta2), lr, decay = group["betas"], group["lr"], group["weight_decay"]
        if not state or "step" not in state:
            state.update(step=0, exp_avg=np.zeros_like(value), exp_avg_sq=np.zeros_like(value))
            if group["amsgrad"]:
                state["max_exp_avg_sq"] = np.zeros_like(value)
        state["step"] += 1
        step, mean, square = state["step"], state["exp_avg"], state["exp_avg_sq"]
        scratch = buffer(state, value)
        if group["maximize"]:
            gradient = -gradient
        if decay and group["decoupled_weight_decay"]:
            value *= 1 - lr * decay
        elif decay:
            gradient = gradient + decay * value
        np.subtract(gradient, mean, out=scratch)
        scratch *= 1 - beta1
        mean += scratch
        square *= beta2
        np.multiply(gradient, gradient, out=scratch)
        scratch *= 1 - beta2
        square += scratch
        if group["amsgrad"]:
            square = np.maximum(state["max_exp_avg_sq"], square, out=state["max_exp_avg_sq"])
        np.sqrt(square, out=scratch)
        scratch *= 1 / math.sqrt(1 - beta2**step)
        scratch += group["eps"]
        np.divide(mean, scratch, out=scratch)
        scratch *= lr / (1 - beta1**step)
        value -= scratch


class AdamW(Adam):
    """Adam with decoupled weight decay, p ← p·(1 - lr·λ) (Loshchilov & Hutter 2019)."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(params, **options(locals()), decoupled_weight_decay=True)
