"""linear: validation, autograd, custom op, choice of backend.

y = f(z) + r with z = x·Wᵀ + b. With dz = dy·f'(z): dx = dz·W, dW = dzᵀ·x, db = Σ dz over rows,
dr = dy. Where a gradient is wanted, the epilogue leaves z beside y, which takes the memory that
torch's two ops take; of relu y itself says enough.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from triton_kernels import autocast, definition
from triton_kernels.backends import Backend, triton_refuses, wish
from triton_kernels.checks import FLOATS, check_tensors, shapes_in_words
from triton_kernels.errors import ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.ops.activations import elementwise
from triton_kernels.ops.gemm import epilogue, reference, samples
from triton_kernels.ops.gemm import op as matmul_op
from triton_kernels.ops.gemm.layout import hopper_refuses
from triton_kernels.registry import Op

_ROOM = "triton_kernels.ops.gemm"


def _checked(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None,
    residual: torch.Tensor | None = None, activation: str = "none", precision: str = "ieee",
) -> tuple[Any, ...]:  # fmt: skip
    x, weight, bias, residual = autocast.lowered(x, weight, bias, residual)
    given = epilogue.given(bias, residual)
    check_tensors("linear", FLOATS, x=x, weight=weight, **given)
    if x.dim() < 2 or weight.dim() != 2 or x.shape[-1] != weight.shape[1]:
        raise ShapeError(
            "linear", shapes_in_words(x=x, weight=weight), "x of (..., m, k) and weight of (n, k)",
            "unsqueeze a vector, transpose a weight of (k, n)",
        )  # fmt: skip
    epilogue.check("linear", (*x.shape[:-1], weight.shape[0]), bias, residual, activation)
    matmul_op.check_precision("linear", precision)
    kept = activation != "none" and not _said_by_y(activation, residual)
    if kept:
        tensors = (x, weight, *given.values())
        kept = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    return x, weight, bias, residual, activation, precision, kept


def _said_by_y(activation: str, residual: torch.Tensor | None) -> bool:
    """Whether y tells f'(z)."""
    return activation == "relu" and residual is None


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
    x, weight, bias, residual, ctx.activation, ctx.precision, kept, ctx.backend = inputs
    y, z = output
    ctx.mark_non_differentiable(z)
    ctx.set_materialize_grads(False)
    ctx.has_residual = residual is not None
    said = y if _said_by_y(ctx.activation, residual) else z if kept else None
    ctx.save_for_backward(x, weight, bias, residual, said)


def _backward(ctx: Any, grad: torch.Tensor | None, _: Any) -> tuple[Any, ...]:
    x, weight, bias, residual, z = ctx.saved_tensors
    if grad is None:
        return (None,) * 8
    if definition.is_recorded():
        inputs = (x, weight, bias, residual, ctx.activation)
        return (*definition.differentiate(_linear, inputs, (grad,)), None, None, None)
    backend = wish(ctx.backend)
    dz = grad
    if ctx.activation != "none":
        if z is None:  # it was not known that a gradient would be wanted
            z, _ = _kernel.outputs(
                x, weight, bias, None, "none", ctx.precision, False, backend=backend
            )
        gradient = elementwise.GRADIENTS[ctx.activation.removesuffix("_tanh")]
        dz = gradient(grad, z, ctx.activation, backend=backend)
    db = dz.flatten(0, -2).sum(0) if ctx.needs_input_grad[2] else None
    dx = dw = None
    if ctx.needs_input_grad[0]:
        dx = matmul_op.kernel(dz, weight, ctx.precision, backend=backend)
    if ctx.needs_input_grad[1]:
        rows, columns = dz.flatten(0, -2), x.flatten(0, -2)
        dw = matmul_op.kernel(rows.t(), columns, ctx.precision, backend=backend)
    return dx, dw, db, grad if ctx.has_residual else None, None, None, None, None


def _linear(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    residual: torch.Tensor | None, activation: str,
) -> torch.Tensor:  # fmt: skip
    y, _ = reference.linear(x, weight, bias, residual, activation, "ieee", False)
    return y


def _fake(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
    residual: torch.Tensor | None, activation: str, precision: str, kept: bool, backend: str,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    shape = (*x.shape[:-1], weight.shape[0])
    return x.new_empty(shape), x.new_empty(shape if kept else 0)


def _hopper_refuses(x: torch.Tensor, weight: torch.Tensor, *others: Any) -> str | None:
    return hopper_refuses(x, weight, precision=others[-2], turned=True)


_kernel = Kernel(
    "linear",
    op="linear",
    inputs="Tensor x, Tensor weight, Tensor? bias, Tensor? residual, str activation, "
    "str precision, bool kept",
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
    precision: str = "ieee",
    backend: str | None = None,
) -> torch.Tensor:
    """f(x·weightᵀ + bias) + residual in one pass, accumulated in float32, rounded once.

    Under autocast in its dtype, as torch's; a wider residual is added after it, in its own.

    Args:
        x: (..., m, k); float16, bfloat16, float32, or float64 (reference); any strides.
        weight: (n, k), as torch.nn.Linear has it.
        bias: (n,), or None.
        residual: (..., m, n), added after the activation, or None.
        activation: ``none``, ``relu``, ``gelu``, ``gelu_tanh`` or ``silu``.
        precision: how float32 is multiplied, in the gradients too, as for ``matmul``: ``ieee``
            (exact, without tensor cores), ``tf32`` or ``tf32x3``. Other dtypes ignore it.
        backend: one of ``explain("linear", x, weight).reasons``; None: the first that can.

    Returns:
        (..., m, n), contiguous, of x's dtype. Differentiable any number of times.

    Raises:
        ShapeError: sizes that do not fit.
        DtypeError: dtypes that differ or are not floating-point, or an unknown activation
            or precision.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    inputs = _checked(x, weight, bias, residual, activation, precision)
    wider = None if inputs[3] is residual else residual
    if wider is not None:  # autocast: it is added to the product in its own dtype, as by torch
        inputs = (*inputs[:3], None, *inputs[4:])
    y, _ = _kernel.outputs(*inputs, backend=backend)
    return y if wider is None else y + wider


def torch_linear(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None,
    residual: torch.Tensor | None = None, activation: str = "none", precision: str = "ieee",
) -> torch.Tensor:  # fmt: skip
    """As it is written without a fused op."""
    if precision == "tf32":
        product = samples.torch_matmul(x.flatten(0, -2), weight.t(), precision)
        product = product.view(*x.shape[:-1], weight.shape[0])
        return epilogue.by_torch(product, bias, residual, activation)
    return epilogue.by_torch(functional.linear(x, weight, bias), None, residual, activation)


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
