"""rms_norm and add_rms_norm: the public functions and their entries.

y = (offset + w) · x / sqrt(mean(x²) + eps), without a mean taken off and without a bias.
"""

from __future__ import annotations

import torch

from triton_kernels import autocast
from triton_kernels.checks import FLOATS, check_tensors
from triton_kernels.ops.norms import rows, samples
from triton_kernels.registry import Op

_rms_norm, _rms_norm_backward = rows.kernels("rms_norm", fused=False)
_add_rms_norm, _add_rms_norm_backward = rows.kernels("add_rms_norm", fused=True)


def _checked(
    x: torch.Tensor, weight: torch.Tensor | None = None,
    eps: float = 1e-6, offset: float = 0.0, casting: str = "float32",
) -> rows.Inputs:  # fmt: skip
    return rows.checked("rms_norm", x, None, weight, None, eps, offset, casting, False)


def _checked_add(
    x: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor | None = None,
    eps: float = 1e-6, offset: float = 0.0, casting: str = "float32",
) -> rows.Inputs:  # fmt: skip
    x, residual = autocast.promoted(x, residual)
    check_tensors("add_rms_norm", x=x, residual=residual)
    return rows.checked("add_rms_norm", x, residual, weight, None, eps, offset, casting, False)


def rms_norm(
    x: torch.Tensor,
    weight: torch.Tensor | None = None,
    eps: float = 1e-6,
    offset: float = 0.0,
    casting: str = "float32",
    *,
    backend: str | None = None,
) -> torch.Tensor:
    """Each row over its root mean square: (offset + weight) · x / sqrt(mean(x²) + eps).

    Args:
        x: (..., n), any strides; float16, bfloat16, float32, or float64 (reference).
        weight: (n,), of x's dtype or float32; None: ones, without the offset.
        eps: added to the mean square.
        offset: added to the weight: 1 for Gemma, whose weights start at 0.
        casting: ``float32``: rounded to x's dtype once, at the end, as torch and Gemma do;
            ``llama``: also before the weight is applied, as Hugging Face's Llama does.
        backend: one of ``explain("rms_norm", x, weight).reasons``; None: the first that can.

    Returns:
        Contiguous, of x's shape and dtype. Differentiable any number of times; the weight's
        gradient is summed in float32 in an order that does not change from run to run.

    Raises:
        ShapeError: x is a scalar, weight does not have its last size, or eps is negative.
        DtypeError: dtypes that do not fit or are not floating-point, or an unknown casting.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    y, _ = _rms_norm.outputs(*_checked(x, weight, eps, offset, casting), backend=backend)
    return y


def add_rms_norm(
    x: torch.Tensor,
    residual: torch.Tensor,
    weight: torch.Tensor | None = None,
    eps: float = 1e-6,
    offset: float = 0.0,
    casting: str = "float32",
    *,
    backend: str | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """``rms_norm(x + residual)`` and the sum itself, in one pass.

    Args:
        x: (..., n), any strides; float16, bfloat16, float32, or float64 (reference).
        residual: as x. The sum is rounded to their dtype before it is normalised.
        weight: as in ``rms_norm``.
        eps: as in ``rms_norm``.
        offset: as in ``rms_norm``.
        casting: as in ``rms_norm``.
        backend: one of ``explain("add_rms_norm", x, residual).reasons``; None: the first that can.

    Returns:
        The norm and the sum, both contiguous, of x's shape and dtype. Differentiable any number
        of times; the gradient of the sum is added in the same pass.

    Raises:
        ShapeError: the shapes differ, or as in ``rms_norm``.
        DtypeError, DeviceError, BackendError: as in ``rms_norm``.
    """
    checked = _checked_add(x, residual, weight, eps, offset, casting)
    y, total, _ = _add_rms_norm.outputs(*checked, backend=backend)
    return y, total


OPS = (
    Op(
        name="rms_norm",
        summary="rows over their root mean square",
        function=rms_norm,
        kernel=_rms_norm,
        gradients=(_rms_norm_backward,),
        checked=_checked,
        torch_function=samples.torch_rms_norm,
        dtypes=FLOATS,
        samples=samples.rms_samples,
        errors=samples.norm_errors("rms_norm"),
        cost=samples.norm_cost,
        bound="memory",
        cases=samples.RMS_CASES,
        source="Zhang and Sennrich 2019, arXiv:1910.07467, equation 4",
    ),
    Op(
        name="add_rms_norm",
        summary="x + residual, and its rms_norm",
        function=add_rms_norm,
        kernel=_add_rms_norm,
        gradients=(_add_rms_norm_backward,),
        checked=_checked_add,
        torch_function=samples.torch_add_rms_norm,
        dtypes=FLOATS,
        samples=samples.add_rms_samples,
        errors=samples.add_norm_errors("add_rms_norm"),
        cost=samples.add_norm_cost,
        bound="memory",
        cases=samples.ADD_RMS_CASES,
        source="Zhang and Sennrich 2019, arXiv:1910.07467, equation 4, of a sum",
    ),
)
