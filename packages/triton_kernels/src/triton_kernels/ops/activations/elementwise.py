"""relu, gelu, silu: validation, autograd, custom ops, choice of backend.

y = f(x);  dx = dy · f'(x), from x alone, so nothing is kept that the caller does not hold.
"""

from __future__ import annotations

from typing import Any

import torch

from triton_kernels import definition
from triton_kernels.backends import Backend, triton_refuses, wish
from triton_kernels.checks import FLOATS, check_tensors
from triton_kernels.errors import DtypeError
from triton_kernels.kernel import Kernel
from triton_kernels.ops.activations import reference, samples
from triton_kernels.registry import Op

ROOM = "triton_kernels.ops.activations"
GELU = {"none": "gelu", "tanh": "gelu_tanh"}
"""The activation that each of torch's names for a gelu means."""


def gelu_named(op: str, approximate: str) -> str:
    """The name of the gelu that ``approximate`` asks for.

    Raises:
        DtypeError: there is none of that name.
    """
    if not isinstance(approximate, str) or approximate not in GELU:
        raise DtypeError(
            op, f"approximate {approximate!r}", "'none' (exact) or 'tanh'", "name one of them"
        )
    return GELU[approximate]


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    x, ctx.activation, ctx.backend = inputs
    ctx.save_for_backward(x)


def _kernels(name: str) -> tuple[Kernel, Kernel]:
    """The forward kernel of an op and that of its gradient."""

    def backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
        (x,) = ctx.saved_tensors
        if definition.is_recorded():
            inputs = (x, ctx.activation)
            return (*definition.differentiate(reference.activation, inputs, (grad,)), None)
        return gradient(grad, x, ctx.activation, backend=wish(ctx.backend)), None, None

    gradient = Kernel(
        f"{name}_backward",
        op=name,
        inputs="Tensor grad, Tensor x, str activation",
        backends=(
            Backend("portable", f"{ROOM}.portable:activation_backward", triton_refuses),
            Backend("reference", f"{ROOM}.reference:activation_backward"),
        ),
        fake=lambda grad, x, activation, backend: x.new_empty(x.shape),
    )
    forward = Kernel(
        name,
        op=name,
        inputs="Tensor x, str activation",
        backends=(
            Backend("portable", f"{ROOM}.portable:activation", triton_refuses),
            Backend("reference", f"{ROOM}.reference:activation"),
        ),
        fake=lambda x, activation, backend: x.new_empty(x.shape),
        setup_context=_setup_context,
        backward=backward,
    )
    return forward, gradient


_relu, _relu_backward = _kernels("relu")
_gelu, _gelu_backward = _kernels("gelu")
_silu, _silu_backward = _kernels("silu")
GRADIENTS = {"relu": _relu_backward, "gelu": _gelu_backward, "silu": _silu_backward}
"""The gradient kernels, for ops that have an activation within."""


def _checked_relu(x: torch.Tensor) -> tuple[torch.Tensor, str]:
    check_tensors("relu", x=x)
    return x, "relu"


def _checked_gelu(x: torch.Tensor, approximate: str = "none") -> tuple[torch.Tensor, str]:
    check_tensors("gelu", x=x)
    return x, gelu_named("gelu", approximate)


def _checked_silu(x: torch.Tensor) -> tuple[torch.Tensor, str]:
    check_tensors("silu", x=x)
    return x, "silu"


def relu(x: torch.Tensor, *, backend: str | None = None) -> torch.Tensor:
    """max(x, 0); the slope at 0 is 0.

    Args:
        x: any shape and strides; float16, bfloat16, float32, or float64 (reference).
        backend: one of ``explain("relu", x).reasons``; None: the first that can.

    Returns:
        Contiguous, of x's shape and dtype. Differentiable any number of times. NaN stays NaN.

    Raises:
        DtypeError: x is not a floating-point tensor.
        BackendError: the backend asked for cannot take these inputs.
    """
    return _relu(*_checked_relu(x), backend=backend)


def gelu(x: torch.Tensor, approximate: str = "none", *, backend: str | None = None) -> torch.Tensor:
    """x · Φ(x), with Φ the distribution function of the standard normal, worked in float32.

    Args:
        x: any shape and strides; float16, bfloat16, float32, or float64 (reference).
        approximate: ``none``: Φ by the error function; ``tanh``:
            Φ(x) ≈ (1 + tanh(√(2/π)·(x + 0.044715·x³))) / 2, as GPT-2 has it.
        backend: one of ``explain("gelu", x).reasons``; None: the first that can.

    Returns:
        Contiguous, of x's shape and dtype. Differentiable any number of times.

    Raises:
        DtypeError: x is not a floating-point tensor, or approximate is neither name.
        BackendError: the backend asked for cannot take these inputs.
    """
    return _gelu(*_checked_gelu(x, approximate), backend=backend)


def silu(x: torch.Tensor, *, backend: str | None = None) -> torch.Tensor:
    """x / (1 + exp(-x)), worked in float32.

    Args:
        x: any shape and strides; float16, bfloat16, float32, or float64 (reference).
        backend: one of ``explain("silu", x).reasons``; None: the first that can.

    Returns:
        Contiguous, of x's shape and dtype. Differentiable any number of times.

    Raises:
        DtypeError: x is not a floating-point tensor.
        BackendError: the backend asked for cannot take these inputs.
    """
    return _silu(*_checked_silu(x), backend=backend)


OPS = (
    Op(
        name="relu",
        summary="max(x, 0)",
        function=relu,
        kernel=_relu,
        gradients=(_relu_backward,),
        checked=_checked_relu,
        torch_function=torch.relu,
        dtypes=FLOATS,
        samples=samples.unary_samples,
        errors=samples.unary_errors,
        cost=samples.unary_cost,
        bound="memory",
        cases=samples.UNARY_CASES,
        source="Nair and Hinton 2010, Rectified linear units improve restricted Boltzmann machines",
    ),
    Op(
        name="gelu",
        summary="x·Φ(x), exact or by tanh",
        function=gelu,
        kernel=_gelu,
        gradients=(_gelu_backward,),
        checked=_checked_gelu,
        torch_function=samples.torch_gelu,
        dtypes=FLOATS,
        samples=samples.gelu_samples,
        errors=samples.gelu_errors,
        cost=samples.unary_cost,
        bound="memory",
        cases=samples.GELU_CASES,
        source="Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2",
    ),
    Op(
        name="silu",
        summary="x / (1 + exp(-x))",
        function=silu,
        kernel=_silu,
        gradients=(_silu_backward,),
        checked=_checked_silu,
        torch_function=torch.nn.functional.silu,
        dtypes=FLOATS,
        samples=samples.unary_samples,
        errors=samples.unary_errors,
        cost=samples.unary_cost,
        bound="memory",
        cases=samples.UNARY_CASES,
        source="Elfwing, Uchibe and Doya 2017, arXiv:1702.03118, equation 4",
    ),
)
