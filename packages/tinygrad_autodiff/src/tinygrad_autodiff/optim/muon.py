"""Muon: momentum of matrices, orthogonalized."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import ArgumentError
from .optimizer import Optimizer, approach, options

_RATES = (None, "original", "match_rms_adamw", "spectral_unclamped")


class Muon(Optimizer):
    """For matrices: m ← μm + (1-μ)g;  p ← (1 - lr·λ)p - lr·scale·orthogonalized(m).

    The singular values of the update are brought near 1 by `ns_steps` of Newton and Schulz. torch
    computes these in bfloat16, here they are computed in the parameter's dtype.
    Source: Jordan et al. 2024; `adjust_lr_fn` "match_rms_adamw" from Liu et al. 2025.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        super().__init__(params, options(locals()))

    def check(self, group: dict[str, Any]) -> None:
        """Matrices alone, and a known scale of the learning rate."""
        super().check(group)
        if group["adjust_lr_fn"] not in _RATES:
            raise ArgumentError(
                f"adjust_lr_fn: expected one of {_RATES}, got {group['adjust_lr_fn']!r}"
            )
        for parameter in group["params"]:
            if parameter.ndim != 2:
                raise ArgumentError(f"Muon: only matrices, not a parameter of {parameter.shape}")

    def update(
        self, value: Array, gradient: Array, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """One step, in place."""
        if not state:
            state["momentum_buffer"] = np.zeros_like(value)
        moving, share = state["momentum_buffer"], group["momentum"]
        approach(moving, gradient, 1 - share)
        move = gradient + share * (moving - gradient) if group["nesterov"] else moving
        move = orthogonalized(move, group["ns_coefficients"], group["ns_steps"], group["eps"])
        rows, columns = value.shape
        scale = {
            "match_rms_adamw": 0.2 * math.sqrt(max(rows, columns)),
            "spectral_unclamped": math.sqrt(rows / columns),
        }.get(group["adjust_lr_fn"], math.sqrt(max(1, rows / columns)))
        value *= 1 - group["lr"] * group["weight_decay"]
        value -= group["lr"] * scale * move


def orthogonalized(
    matrix: Array, coefficients: tuple[float, float, float], steps: int, eps: float
) -> Array:
    """`matrix` with its singular values σ brought near 1.

    Each step maps σ to aσ + bσ³ + cσ⁵, by products of matrices alone.
    """
    a, b, c = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / max(float(np.linalg.norm(x)), eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x
