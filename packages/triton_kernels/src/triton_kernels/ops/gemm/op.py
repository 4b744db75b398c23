"""matmul: validation, autograd, custom op, choice of backend.

c = a·b;  da = dc·bᵀ, db = aᵀ·dc: both are products again, by the same kernel, so that it can be
differentiated any number of times. Where one b serves all batches of a, the batches are rows.
"""

from __future__ import annotations

from typing import Any

import torch

from triton_kernels import autocast
from triton_kernels.backends import Backend, triton_refuses, wish
from triton_kernels.checks import FLOATS, check_tensors, shapes_in_words
from triton_kernels.errors import DtypeError, ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.ops.gemm import samples, split_k, tma
from triton_kernels.ops.gemm.layout import hopper_refuses
from triton_kernels.registry import Op

_ROOM = "triton_kernels.ops.gemm"
PRECISIONS = ("ieee", "tf32", "tf32x3")


def _checked(
    a: torch.Tensor, b: torch.Tensor, precision: str = "ieee"
) -> tuple[torch.Tensor, torch.Tensor, str]:
    a, b = autocast.lowered(a, b)
    check_tensors("matmul", a=a, b=b)
    if a.dim() < 2 or b.dim() < 2:
        raise ShapeError(
            "matmul", shapes_in_words(a=a, b=b), "two dimensions or more each",
            "unsqueeze the vector",
        )  # fmt: skip
    if a.shape[-1] != b.shape[-2]:
        raise ShapeError(
            "matmul", shapes_in_words(a=a, b=b), "a's last size equal to b's last but one",
            "transpose or reshape one of them",
        )  # fmt: skip
    if b.dim() > 2 and a.shape[:-2] != b.shape[:-2]:
        raise ShapeError(
            "matmul", shapes_in_words(a=a, b=b), "b of two dimensions or with a's leading sizes",
            "expand the leading sizes, which copies nothing",
        )  # fmt: skip
    check_precision("matmul", precision)
    return a, b, precision


def check_precision(op: str, precision: str) -> None:
    """Raises DtypeError unless there is such a way to multiply float32."""
    if precision not in PRECISIONS:
        raise DtypeError(
            op, f"precision {precision!r}", f"one of {', '.join(PRECISIONS)}", "name one"
        )


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    a, b, ctx.precision, ctx.backend = inputs
    ctx.save_for_backward(a, b)


def _backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
    a, b = ctx.saved_tensors
    grad_a = grad_b = None
    if ctx.needs_input_grad[0]:
        grad_a = kernel(grad, b.mT, ctx.precision, backend=wish(ctx.backend))
    if ctx.needs_input_grad[1]:
        if b.dim() == 2 and a.dim() > 2:
            a, grad = a.flatten(0, -2), grad.flatten(0, -2)
        grad_b = kernel(a.mT, grad, ctx.precision, backend=wish(ctx.backend))
    return grad_a, grad_b, None, None


def _hopper_refuses(a: torch.Tensor, b: torch.Tensor, precision: str) -> str | None:
    return hopper_refuses(a, b, precision=precision)


kernel = Kernel(
    "matmul",
    op="matmul",
    inputs="Tensor a, Tensor b, str precision",
    backends=(
        Backend("split_k", f"{_ROOM}.split_k:matmul", split_k.refuses),
        Backend("tma", f"{_ROOM}.tma:matmul", tma.refuses),
        Backend("hopper", f"{_ROOM}.hopper:matmul", _hopper_refuses),
        Backend("portable", f"{_ROOM}.portable:matmul", triton_refuses),
        Backend("reference", f"{_ROOM}.reference:matmul"),
    ),
    fake=lambda a, b, precision, backend: a.new_empty((*a.shape[:-1], b.shape[-1])),
    setup_context=_setup_context,
    backward=_backward,
)


def matmul(
    a: torch.Tensor, b: torch.Tensor, *, precision: str = "ieee", backend: str | None = None
) -> torch.Tensor:
    """Matrix product, accumulated in float32; transposed and strided inputs are not copied.

    Under autocast in its dtype, as torch's.

    Args:
        a: (..., m, k); float16, bfloat16, float32, or float64 (reference); any strides.
        b: (k, n), or (..., k, n) with a's leading sizes (expand them: there is no broadcasting).
        precision: how float32 is multiplied on tensor cores: ``ieee`` (exact, without them),
            ``tf32`` (10-bit mantissa) or ``tf32x3`` (three products of it, almost exact). Other
            dtypes ignore it.
        backend: one of ``explain("matmul", a, b).reasons``; None: the first that can.

    Returns:
        (..., m, n), contiguous, of a's dtype. Differentiable any number of times.

    Raises:
        ShapeError: fewer than two dimensions, or sizes that do not fit.
        DtypeError: dtypes that differ or are not floating-point, or an unknown precision.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    return kernel(*_checked(a, b, precision), backend=backend)


OPS = (
    Op(
        name="matmul",
        summary="a·b of matrices, batched, any strides",
        function=matmul,
        kernel=kernel,
        gradients=(),
        checked=_checked,
        torch_function=samples.torch_matmul,
        dtypes=FLOATS,
        samples=samples.samples,
        errors=samples.errors,
        cost=samples.cost,
        bound="compute",
        cases=samples.CASES,
        source="da = dc·bᵀ, db = aᵀ·dc: Giles 2008, An extended collection of matrix derivative "
        "results, section 2.2.2",
    ),
)
