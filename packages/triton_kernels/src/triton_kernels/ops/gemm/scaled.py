"""matmul_fp8: validation, custom op, choice of backend. It has no gradient.

c = f(scale_a·scale_b·a·b + bias) + residual, with a and b in float8_e4m3fn and one scale each,
accumulated in float32. On Hopper the tensor cores keep some 14 bits of a sum of 8-bit products
("fast accumulation").
"""

from __future__ import annotations

from typing import Any

import torch

from triton_kernels import _compat
from triton_kernels.backends import Backend, triton_refuses
from triton_kernels.checks import check_tensors, shapes_in_words
from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.kernel import Kernel, detached
from triton_kernels.ops.gemm import epilogue, samples
from triton_kernels.ops.gemm.layout import hopper_refuses
from triton_kernels.registry import Op

_ROOM = "triton_kernels.ops.gemm"
_RESULTS = (torch.bfloat16, torch.float16)


def _checked(
    a: torch.Tensor, b: torch.Tensor, scale_a: torch.Tensor, scale_b: torch.Tensor,
    dtype: torch.dtype = torch.bfloat16, bias: torch.Tensor | None = None,
    residual: torch.Tensor | None = None, activation: str = "none",
) -> tuple[Any, ...]:  # fmt: skip
    check_tensors("matmul_fp8", dtypes=(torch.float8_e4m3fn,), a=a, b=b)
    check_tensors("matmul_fp8", dtypes=(torch.float32,), scale_a=scale_a, scale_b=scale_b)
    if scale_a.device != a.device:
        raise DeviceError(
            "matmul_fp8", f"a on {a.device} and scale_a on {scale_a.device}", "one device",
            "move the scales: scale_a.to(a.device)",
        )  # fmt: skip
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[0]:
        raise ShapeError(
            "matmul_fp8", shapes_in_words(a=a, b=b), "a of (m, k) and b of (k, n)",
            "transpose or reshape one of them",
        )  # fmt: skip
    if scale_a.numel() != 1 or scale_b.numel() != 1:
        raise ShapeError(
            "matmul_fp8", shapes_in_words(scale_a=scale_a, scale_b=scale_b), "one number each",
            "scale whole tensors, not rows or blocks",
        )  # fmt: skip
    if dtype not in _RESULTS:
        raise DtypeError(
            "matmul_fp8", f"dtype {dtype}", "torch.bfloat16 or torch.float16", "convert after"
        )
    for name, tensor in epilogue.given(bias, residual).items():
        check_tensors("matmul_fp8", dtypes=(dtype,), **{name: tensor})
        if tensor.device != a.device:
            raise DeviceError(
                "matmul_fp8", f"a on {a.device} and {name} on {tensor.device}", "one device",
                f"move it: {name}.to(a.device)",
            )  # fmt: skip
    epilogue.check("matmul_fp8", (a.shape[0], b.shape[1]), bias, residual, activation)
    return a, b, scale_a, scale_b, bias, residual, dtype, activation


def _portable_refuses(a: torch.Tensor, *others: Any) -> str | None:
    old = a.is_cuda and _compat.device_of(a.device).capability < (8, 9)
    return "it needs compute capability 8.9 to read float8_e4m3fn" if old else triton_refuses(a)


_kernel = Kernel(
    "matmul_fp8",
    op="matmul_fp8",
    inputs="Tensor a, Tensor b, Tensor scale_a, Tensor scale_b, Tensor? bias, Tensor? residual, "
    "ScalarType dtype, str activation",
    backends=(
        Backend("hopper", f"{_ROOM}.hopper:matmul_fp8", lambda a, b, *_: hopper_refuses(a, b)),
        Backend("portable", f"{_ROOM}.portable:matmul_fp8", _portable_refuses),
        Backend("reference", f"{_ROOM}.reference:matmul_fp8"),
    ),
    fake=lambda a, b, sa, sb, bias, residual, dtype, activation, backend: a.new_empty(
        (a.shape[0], b.shape[1]), dtype=dtype
    ),
)


def matmul_fp8(
    a: torch.Tensor,
    b: torch.Tensor,
    scale_a: torch.Tensor,
    scale_b: torch.Tensor,
    dtype: torch.dtype = torch.bfloat16,
    bias: torch.Tensor | None = None,
    residual: torch.Tensor | None = None,
    activation: str = "none",
    *,
    backend: str | None = None,
) -> torch.Tensor:
    """f(scale_a·scale_b·a·b + bias) + residual of 8-bit matrices, rounded once.

    Args:
        a: (m, k), float8_e4m3fn; on Hopper with contiguous rows.
        b: (k, n), float8_e4m3fn; on Hopper with contiguous columns: the transpose of a weight.
        scale_a: one float32, what a was divided by.
        scale_b: one float32, what b was divided by.
        dtype: of the result, bfloat16 or float16.
        bias: (n,), of the result's dtype, or None.
        residual: (m, n), of the result's dtype, added after the activation, or None.
        activation: ``none``, ``relu``, ``gelu``, ``gelu_tanh`` or ``silu``.
        backend: one of ``explain("matmul_fp8", a, b, …).reasons``; None: the first that can.

    Returns:
        (m, n), contiguous. Not differentiable.

    Raises:
        ShapeError: sizes that do not fit, or scales of more than one number.
        DtypeError: other dtypes, or an unknown activation.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    inputs = _checked(a, b, scale_a, scale_b, dtype, bias, residual, activation)
    return _kernel(*detached(inputs), backend=backend)


OPS = (
    Op(
        name="matmul_fp8",
        summary="f(s·a·b + bias) + residual of float8_e4m3fn matrices",
        function=matmul_fp8,
        kernel=_kernel,
        gradients=(),
        checked=_checked,
        torch_function=samples.torch_matmul_fp8,
        dtypes=(torch.float8_e4m3fn,),
        samples=samples.fp8_samples,
        errors=samples.fp8_errors,
        cost=samples.fp8_cost,
        bound="compute",
        cases=samples.FP8_CASES,
        source="Micikevicius et al. 2022, FP8 formats for deep learning, arXiv:2209.05433",
        differentiable=False,
    ),
)
