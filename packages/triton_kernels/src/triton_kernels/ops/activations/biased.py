"""bias_activation: validation, autograd, custom ops, choice of backend.

y = f(x + b);  dx = dy·f'(x + b), db = Σ dx over all rows, in the same pass.
"""

from __future__ import annotations

from typing import Any

import torch

from triton_kernels import autocast, definition
from triton_kernels.backends import Backend, triton_refuses, wish
from triton_kernels.checks import FLOATS, check_tensors, shapes_in_words
from triton_kernels.errors import DtypeError, ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.ops.activations import reference, samples
from triton_kernels.ops.activations.elementwise import ROOM
from triton_kernels.registry import Op

ACTIVATIONS = ("relu", "gelu", "gelu_tanh", "silu")


def _checked(
    x: torch.Tensor, bias: torch.Tensor, activation: str = "gelu"
) -> tuple[torch.Tensor, torch.Tensor, str]:
    x, bias = autocast.promoted(x, bias)
    check_tensors("bias_activation", x=x, bias=bias)
    if bias.dim() != 1 or x.shape[-1:] != bias.shape:
        raise ShapeError(
            "bias_activation", shapes_in_words(x=x, bias=bias), "x of (..., n) and bias of (n,)",
            "pass one bias a column",
        )  # fmt: skip
    if activation not in ACTIVATIONS:
        raise DtypeError(
            "bias_activation", f"activation {activation!r}", f"one of {', '.join(ACTIVATIONS)}",
            "name one of them",
        )  # fmt: skip
    return x, bias, activation


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    x, bias, ctx.activation, ctx.backend = inputs
    ctx.save_for_backward(x, bias)


def _backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
    x, bias = ctx.saved_tensors
    if definition.is_recorded():
        inputs = (x, bias, ctx.activation)
        return (*definition.differentiate(reference.biased, inputs, (grad,)), None)
    dx, db = gradient.outputs(grad, x, bias, ctx.activation, backend=wish(ctx.backend))
    return dx, db, None, None


gradient = Kernel(
    "bias_activation_backward",
    op="bias_activation",
    inputs="Tensor grad, Tensor x, Tensor bias, str activation",
    outputs="(Tensor, Tensor)",
    backends=(
        Backend("portable", f"{ROOM}.portable:biased_backward", triton_refuses),
        Backend("reference", f"{ROOM}.reference:biased_backward"),
    ),
    fake=lambda grad, x, bias, activation, backend: (
        x.new_empty(x.shape),
        bias.new_empty(bias.shape),
    ),
)

_kernel = Kernel(
    "bias_activation",
    op="bias_activation",
    inputs="Tensor x, Tensor bias, str activation",
    backends=(
        Backend("portable", f"{ROOM}.portable:biased", triton_refuses),
        Backend("reference", f"{ROOM}.reference:biased"),
    ),
    fake=lambda x, bias, activation, backend: x.new_empty(x.shape),
    setup_context=_setup_context,
    backward=_backward,
)


def bias_activation(
    x: torch.Tensor, bias: torch.Tensor, activation: str = "gelu", *, backend: str | None = None
) -> torch.Tensor:
    """f(x + bias) in one pass, worked in float32.

    Args:
        x: (..., n), any strides; float16, bfloat16, float32, or float64 (reference).
        bias: (n,), of x's dtype.
        activation: ``relu``, ``gelu``, ``gelu_tanh`` or ``silu``.
        backend: one of ``explain("bias_activation", x, bias).reasons``; None: the first that can.

    Returns:
        Contiguous, of x's shape and dtype. Differentiable any number of times; the bias's gradient
        is summed in float32 in an order that does not change from run to run.

    Raises:
        ShapeError: bias does not have x's last size.
        DtypeError: the dtypes differ or are not floating-point, or an unknown activation.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    return _kernel(*_checked(x, bias, activation), backend=backend)


OPS = (
    Op(
        name="bias_activation",
        summary="f(x + bias): relu, gelu or silu",
        function=bias_activation,
        kernel=_kernel,
        gradients=(gradient,),
        checked=_checked,
        torch_function=samples.torch_bias_activation,
        dtypes=FLOATS,
        samples=samples.biased_samples,
        errors=samples.biased_errors,
        cost=samples.biased_cost,
        bound="memory",
        cases=samples.BIASED_CASES,
        source="the chain rule on f(x + b); f as in the ops of that name",
    ),
)
