"""Gradients limited in their common norm or element by element."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ...errors import RangeError
from ...tensor import Tensor, wrap
from ...versions import written


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    given = [parameters] if isinstance(parameters, Tensor) else parameters
    return [parameter.grad for parameter in given if parameter.grad is not None]


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors as one vector, 0-d.

    Raises:
        RangeError: The norm is NaN or infinite, and `error_if_nonfinite`.
    """
    given = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    order = float(norm_type)
    norms = [np.linalg.norm(tensor._data.reshape(-1), order) for tensor in given if tensor.numel()]
    dtype = np.result_type(*(tensor.dtype for tensor in given)) if given else np.float32
    total = np.asarray(np.linalg.norm(norms, order) if norms else 0, dtype)
    if error_if_nonfinite and not np.isfinite(total):
        raise RangeError(
            f"the total norm of order {norm_type} of the gradients is {total}, so that they "
            "cannot be clipped; find the cause, or pass error_if_nonfinite=False"
        )
    return wrap(total)


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """Multiply the gradients by ``max_norm/(total_norm + 1e-6)``, if that is below 1."""
    ratio: Any = np.minimum(max_norm / (total_norm._data + 1e-6), 1.0)  # NaN stays NaN
    for gradient in _gradients(parameters):
        gradient._data *= ratio.astype(gradient.dtype)
        written(gradient._data)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients in place so that their common norm is at most `max_norm`.

    Args:
        parameters: Tensors whose gradients are clipped; those without one are passed over.
        max_norm: The limit.
        norm_type: Order p of the norm, ``inf`` for the largest element.
        error_if_nonfinite: Whether a norm of NaN or infinity is an error.
        foreach: Taken for torch's sake.

    Returns:
        The norm before clipping, 0-d.
    """
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    total = get_total_norm(_gradients(given), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(given, max_norm, total)
    return total


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Limit every element of the gradients to [-clip_value, clip_value], in place."""
    limit = float(clip_value)
    for gradient in _gradients(parameters):
        np.clip(gradient._data, -limit, limit, out=gradient._data)
        written(gradient._data)
