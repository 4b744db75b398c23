"""linear: validation, autograd, custom op, choice of backend.

y = f(z) + r with z = x·Wᵀ + b. With dz = dy·f'(z): dx = dz·W, dW = dzᵀ·x, db = Σ dz over rows,
dr = dy. Where a gradient is wanted, the epilogue leaves z beside y, which takes the memory that
torch's two ops take; of relu y itself says enough.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from triton_kernels import definition
from triton_kernels.backends import Backend, triton_refuses, wish
from triton_kernels.checks import FLOATS, check_tensors, shapes_in_words
from triton_kernels.errors import DtypeError, ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.ops.activations import biased, elementwise
from triton_kernels.ops.gemm import op as matmul_op
from triton_kernels.ops.gemm import reference, samples
from triton_kernels.ops.gemm.layout import hopper_refuses
from triton_kernels.registry import Op

_ROOM = "triton_kernels.ops.gemm"
ACTIVATIONS = ("none", *biased.ACTIVATIONS)


def _checked(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None,
    residual: torch.Tensor | None = None, activation: str = "none",
) -> tuple[Any, ...]:  # fmt: skip
    optional: dict[str, Any] = {"bias": bias, "residual": residual}
    given = {name: tensor for name, tensor in optional.items() if tensor is not None}
    check_tensors("linear", x=x, weight=weight, **given)
    if x.dim() < 2 or weight.dim() != 2 or x.shape[-1] != weight.shape[1]:
        raise ShapeError(
            "linear", shapes_in_words(x=x, weight=weight), "x of (..., m, k) and weight of (n, k)",
            "unsqueeze a vector, transpose a weight of (k, n)",
        )  # fmt: skip
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(
            "linear", shapes_in_words(weight=weight, bias=bias), "bias of (n,)",
            "pass one bias a row of weight",
        )  # fmt: skip
    shape = (*x.shape[:-1], weight.shape[0])
    if residual is not None and residual.shape != shape:
        raise ShapeError(
            "linear", shapes_in_words(residual=residual), f"the result's shape, {tuple(shape)}",
            "expand it",
        )  # fmt: skip
    if activation not in ACTIVATIONS:
        raise DtypeError(
            "linear", f"activation {activation!r}", f"one of {', '.join(ACTIVATIONS)}", "name one"
        )
    kept = activation != "none" and not _said_by_y(activation, residual)
    if kept:
        tensors = (x, weight, *given.values())
        kept = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    return x, weight, bias, residual, activation, kept


def _said_by_y(activation: str, residual: torch.Tensor | None) -> bool:
    """Whether y tells f'(z)."""
    return activation == "relu" and residual is None


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
    x, weight, bias, residual, ctx.activation, kept, ctx.backend = inputs
    y, z = output
    ctx.mark_non_differentiable(z)
    ctx.set_materialize_grads(False)
    ctx.has_residual = residual is not None
    said = y if _said_by_y(ctx.activation, residual) else z if kept else None
    ctx.save_for_backward(x, weight, bias, residual, said)


def _backward(ctx: Any, grad: torch.Tensor | None, _: Any) -> tuple[Any, ...]:
    x, weight, bias, residual, z = ctx.saved_tensors
    if grad is None:
        return (None,) * 7
    if definition.is_recorded():
        inputs = (x, weight, bias, residual, ctx.activation)
        return (*definition.differentiate(_linear, inputs, (grad,)), None, None)
    backend = wish(ctx.backend)
    dz = grad
    if ctx.activation != "none":
        if z is None:  # it was not known that a gradient would be wanted
            z, _ = _kernel.outputs(x, weight, bias, None, "none", False, backend=backend)
        gradient = elementwise.GRADIENTS[ctx.activation.removesuffix("_tanh")]
        dz = gradient(grad, z, ctx.activation, backend=backend)
    db = dz.flatten(0, -2).sum(0) if ctx.needs_input_grad[2] else None
    dx = dw = None
    if ctx.needs_input_grad[0]:
        dx = matmul_op.kernel(dz, weight, "ieee", backend=backend)
    if ctx.needs_input_grad[1]:
        rows, columns = dz.reshape(-1, dz.shape[-1]), x.reshape(-1, x.shape[-1])
        dw = matmul_op.kernel(rows.t(), columns, "ieee", backend=backend)
    return dx, dw, db, grad if ctx.has_residual else None, None, None, None


def _linear(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    residual: torch.Tensor | None, activation: str,
) -> torch.Tensor:  # fmt: skip
    y, _ = reference.linear(x, weight, bias, residual, activation, False)
    return y


def _fake(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    residual: torch.Tensor | None, activation: str, kept: bool, backend: str,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    shape = (*x.shape[:-1], weight.shape[0])
    return x.new_empty(shape), x.new_empty(shape if kept else 0)


def _hopper_refuses(x: torch.Tensor, weight: torch.Tensor, *others: Any) -> str | None:
    return hopper_refuses(x, weight, turned=True)


_kernel = Kernel(
    "linear",
    op="linear",
    inputs="Tensor x, Tensor weight, Tensor? bias, Tensor? residual, str activation, bool kept",
    outputs="(Tensor, Tensor)",
    backends=(
        Backend("hopper", f"{_ROOM}.hopper:linear", _hopper_refuses),
        Backend("portable", f"{_ROOM}.portable:linear", triton_refuses),
        Backend("reference", f"{_ROOM}.reference:linear"),
    ),
    fake=_fake,
    setup_context=_setup_context,
    backward=_backward,
)


def linear(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    residual: torch.Tensor | None = None,
    activation: str = "none",
    *,
    backend: str | None = None,
) -> torch.Tensor:
    """f(x·weightᵀ + bias) + residual in one pass, accumulated in float32, rounded once.

    Args:
        x: (..., m, k); float16, bfloat16, float32 (multiplied exactly, without tensor cores), or
            float64 (reference); any strides.
        weight: (n, k), as torch.nn.Linear has it.
        bias: (n,), or None.
        residual: (..., m, n), added after the activation, or None.
        activation: ``none``, ``relu``, ``gelu``, ``gelu_tanh`` or ``silu``.
        backend: one of ``explain("linear", x, weight).reasons``; None: the first that can.

    Returns:
        (..., m, n), contiguous, of x's dtype. Differentiable any number of times.

    Raises:
        ShapeError: sizes that do not fit.
        DtypeError: dtypes that differ or are not floating-point, or an unknown activation.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    y, _ = _kernel.outputs(*_checked(x, weight, bias, residual, activation), backend=backend)
    return y


def torch_linear(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None,
    residual: torch.Tensor | None = None, activation: str = "none",
) -> torch.Tensor:  # fmt: skip
    """As it is written without a fused op."""
    y = functional.linear(x, weight, bias)
    if activation.startswith("gelu"):
        y = functional.gelu(y, approximate="tanh" if activation == "gelu_tanh" else "none")
    elif activation != "none":
        y = functional.relu(y) if activation == "relu" else functional.silu(y)
    return y if residual is None else y + residual


OPS = (
    Op(
        name="linear",
        summary="f(x·Wᵀ + b) + residual",
        function=linear,
        kernel=_kernel,
        gradients=(),
        checked=_checked,
        torch_function=torch_linear,
        dtypes=FLOATS,
        samples=samples.linear_samples,
        errors=samples.linear_errors,
        cost=samples.linear_cost,
        bound="compute",
        cases=samples.LINEAR_CASES,
        source="the chain rule on f(x·Wᵀ + b); products as in matmul",
    ),
)
