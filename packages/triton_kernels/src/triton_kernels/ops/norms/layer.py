"""layer_norm and add_layer_norm: the public functions and their entries.

y = w · (x - mean(x)) / sqrt(var(x) + eps) + b, with the variance of the population.
"""

from __future__ import annotations

import torch

from triton_kernels import autocast
from triton_kernels.checks import FLOATS, check_tensors
from triton_kernels.ops.norms import rows, samples
from triton_kernels.registry import Op

_layer_norm, _layer_norm_backward = rows.kernels("layer_norm", fused=False)
_add_layer_norm, _add_layer_norm_backward = rows.kernels("add_layer_norm", fused=True)


def _checked(
    x: torch.Tensor, weight: torch.Tensor | None = None, bias: torch.Tensor | None = None,
    eps: float = 1e-5,
) -> rows.Inputs:  # fmt: skip
    return rows.checked("layer_norm", x, None, weight, bias, eps, 0.0, "float32", True)


def _checked_add(
    x: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None, eps: float = 1e-5,
) -> rows.Inputs:  # fmt: skip
    x, residual = autocast.promoted(x, residual)
    check_tensors("add_layer_norm", x=x, residual=residual)
    return rows.checked("add_layer_norm", x, residual, weight, bias, eps, 0.0, "float32", True)


def layer_norm(
    x: torch.Tensor,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    eps: float = 1e-5,
    *,
    backend: str | None = None,
) -> torch.Tensor:
    """Each row with mean 0 and variance 1, scaled and shifted, worked in float32.

    Args:
        x: (..., n), any strides; float16, bfloat16, float32, or float64 (reference).
        weight: (n,), of x's dtype or float32; None: ones.
        bias: as weight; None: zeros.
        eps: added to the variance.
        backend: one of ``explain("layer_norm", x, weight).reasons``; None: the first that can.

    Returns:
        Contiguous, of x's shape and dtype. Differentiable any number of times; the parameters'
        gradients are summed in float32 in an order that does not change from run to run.

    Raises:
        ShapeError: x is a scalar, weight or bias does not have its last size, or eps is negative.
        DtypeError: dtypes that do not fit or are not floating-point.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    y, _ = _layer_norm.outputs(*_checked(x, weight, bias, eps), backend=backend)
    return y


def add_layer_norm(
    x: torch.Tensor,
    residual: torch.Tensor,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    eps: float = 1e-5,
    *,
    backend: str | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """``layer_norm(x + residual)`` and the sum itself, in one pass.

    Args:
        x: (..., n), any strides; float16, bfloat16, float32, or float64 (reference).
        residual: as x. The sum is rounded to their dtype before it is normalised.
        weight: as in ``layer_norm``.
        bias: as in ``layer_norm``.
        eps: as in ``layer_norm``.
        backend: one of ``explain("add_layer_norm", x, residual).reasons``; None: the first that
            can.

    Returns:
        The norm and the sum, both contiguous, of x's shape and dtype. Differentiable any number
        of times; the gradient of the sum is added in the same pass.

    Raises:
        ShapeError: the shapes differ, or as in ``layer_norm``.
        DtypeError, DeviceError, BackendError: as in ``layer_norm``.
    """
    checked = _checked_add(x, residual, weight, bias, eps)
    y, total, _ = _add_layer_norm.outputs(*checked, backend=backend)
    return y, total


OPS = (
    Op(
        name="layer_norm",
        summary="rows with mean 0 and variance 1",
        function=layer_norm,
        kernel=_layer_norm,
        gradients=(_layer_norm_backward,),
        checked=_checked,
        torch_function=samples.torch_layer_norm,
        dtypes=FLOATS,
        samples=samples.layer_samples,
        errors=samples.norm_errors("layer_norm"),
        cost=samples.norm_cost,
        bound="memory",
        cases=samples.LAYER_CASES,
        source="Ba, Kiros and Hinton 2016, arXiv:1607.06450, equation 4",
    ),
    Op(
        name="add_layer_norm",
        summary="x + residual, and its layer_norm",
        function=add_layer_norm,
        kernel=_add_layer_norm,
        gradients=(_add_layer_norm_backward,),
        checked=_checked_add,
        torch_function=samples.torch_add_layer_norm,
        dtypes=FLOATS,
        samples=samples.add_layer_samples,
        errors=samples.add_norm_errors("add_layer_norm"),
        cost=samples.add_norm_cost,
        bound="memory",
        cases=samples.ADD_LAYER_CASES,
        source="Ba, Kiros and Hinton 2016, arXiv:1607.06450, equation 4, of a sum",
    ),
)
