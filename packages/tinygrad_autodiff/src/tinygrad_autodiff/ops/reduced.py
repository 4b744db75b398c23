"""What all losses share: their reduction, and the check of their sizes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..registry import op


def reduced(loss: Any, reduction: str) -> Any:
    """The mean, the sum, or the loss as it is."""
    if reduction == "mean":
        return op.mean(loss)
    if reduction == "sum":
        return op.sum(loss)
    check_reduction(reduction)
    return loss


def check_reduction(reduction: str) -> None:
    """A ValueError unless `reduction` is known."""
    if reduction not in ("mean", "sum", "none"):
        raise ArgumentError(f"reduction is 'mean', 'sum' or 'none', not {reduction!r}")


def warn_of_broadcasting(name: str, input: Any, target: Any) -> None:
    """A warning if the shapes differ, as in torch."""
    if np.shape(input) != np.shape(target):
        warnings.warn(
            f"{name}: the target of shape {np.shape(target)} is broadcast against the "
            f"input of {np.shape(input)}; this is rarely meant",
            stacklevel=4,
        )
