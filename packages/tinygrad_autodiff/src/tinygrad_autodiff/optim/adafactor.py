"""Adafactor: second moments of matrices kept as one row and one column."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from ..dtypes import Array
from .optimizer import Optimizer, approach, options


class Adafactor(Optimizer):
    """Steps relative to the parameter's size, scaled by factored second moments.

    For a matrix the mean squares r of rows and c of columns are kept, and v = r·c/mean(r); else
    v itself. They forget at the rate t^beta2_decay. u = g/√v is clipped to the root mean square
    `d`, and p ← p - max(ε₂, rms(p))·min(lr, 1/√t)·u. Source: Shazeer & Stern 2018.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, options(locals()))

    bounds: ClassVar[dict[str, tuple[float, float]]] = {"d": (1, math.inf)}

    def update(
        self, value: Array, gradient: Array, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """One step, in place."""
        if "step" not in state:
            state["step"] = 0
            if value.ndim > 1:
                state["row_var"] = np.zeros_like(value[..., :1])
                state["col_var"] = np.zeros_like(value[..., :1, :])
            else:
                state["variance"] = np.zeros_like(value)
        state["step"] += 1
        least, smallest = group["eps"]
        least = np.finfo(value.dtype).eps if least is None else least
        share = state["step"] ** group["beta2_decay"]
        rate = max(smallest, _rms(value)) * min(group["lr"], 1 / math.sqrt(state["step"]))
        value *= 1 - group["lr"] * group["weight_decay"]
        gradient = -gradient if group["maximize"] else gradient
        squares = gradient * gradient
        if value.ndim > 1:
            rows, columns = state["row_var"], state["col_var"]
            approach(rows, squares.mean(-1, keepdims=True), share)
            approach(columns, squares.mean(-2, keepdims=True), share)
            estimate = rows * columns / np.maximum(rows.mean(-2, keepdims=True), least)
        else:
            estimate = state["variance"]
            approach(estimate, squares, share)
        move = gradient / np.sqrt(np.maximum(estimate, least * least))
        value -= rate / max(1.0, _rms(move) / group["d"]) * move


def _rms(values: Array) -> float:
    return float(np.linalg.norm(values)) / math.sqrt(values.size) if values.size else 0.0
