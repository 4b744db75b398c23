"""swiglu and geglu: validation, autograd, custom ops, choice of backend.

y = f(g)·u;  dg = dy·u·f'(g), du = dy·f(g). The gradients are written into one tensor: stacked, or,
where one packed tensor held g beside u, side by side as it did, so that nothing is joined after.
"""

from __future__ import annotations

from typing import Any

import torch

from triton_kernels import autocast, definition
from triton_kernels.backends import Backend, triton_refuses, wish
from triton_kernels.checks import FLOATS, check_tensors, shapes_in_words
from triton_kernels.errors import ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.ops.activations import reference, samples
from triton_kernels.ops.activations.elementwise import ROOM, gelu_named
from triton_kernels.registry import Op

_Halves = tuple[torch.Tensor, torch.Tensor | None]


def _checked_halves(op: str, gate: torch.Tensor, up: torch.Tensor | None) -> _Halves:
    if up is None:
        check_tensors(op, gate=gate)
        if gate.dim() == 0 or gate.shape[-1] % 2:
            raise ShapeError(
                op, shapes_in_words(gate=gate), "an even last size when up is not given",
                f"pass up, or gate and up side by side: {op}(torch.cat((gate, up), -1))",
            )  # fmt: skip
        return gate, up
    gate, up = autocast.promoted(gate, up)
    check_tensors(op, gate=gate, up=up)
    if gate.shape != up.shape:
        raise ShapeError(
            op, shapes_in_words(gate=gate, up=up), "equal shapes",
            "split the packed tensor in equal halves, or pass it alone",
        )  # fmt: skip
    return gate, up


def _checked_swiglu(
    gate: torch.Tensor, up: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor | None, str]:
    return *_checked_halves("swiglu", gate, up), "silu"


def _checked_geglu(
    gate: torch.Tensor, up: torch.Tensor | None = None, approximate: str = "none"
) -> tuple[torch.Tensor, torch.Tensor | None, str]:
    return *_checked_halves("geglu", gate, up), gelu_named("geglu", approximate)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    gate, up, ctx.activation, ctx.backend = inputs
    ctx.save_for_backward(gate, up)


def _fake(
    gate: torch.Tensor, up: torch.Tensor | None, activation: str, backend: str
) -> torch.Tensor:
    packed = (*gate.shape[:-1], gate.shape[-1] // 2) if up is None else ()
    return gate.new_empty(packed or gate.shape)


def _fake_gradient(
    grad: torch.Tensor, gate: torch.Tensor, up: torch.Tensor | None, activation: str, backend: str
) -> torch.Tensor:
    return gate.new_empty(gate.shape if up is None else (2, *gate.shape))


def _kernels(name: str) -> tuple[Kernel, Kernel]:
    """The forward kernel of an op and that of its gradient."""

    def backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
        gate, up = ctx.saved_tensors
        if definition.is_recorded():
            inputs = (gate, up, ctx.activation)
            return (*definition.differentiate(reference.gated, inputs, (grad,)), None)
        d = gradient(grad, gate, up, ctx.activation, backend=wish(ctx.backend))
        return (d, None, None, None) if up is None else (d[0], d[1], None, None)

    gradient = Kernel(
        f"{name}_backward",
        op=name,
        inputs="Tensor grad, Tensor gate, Tensor? up, str activation",
        backends=(
            Backend("portable", f"{ROOM}.portable:gated_backward", triton_refuses),
            Backend("reference", f"{ROOM}.reference:gated_backward"),
        ),
        fake=_fake_gradient,
    )
    forward = Kernel(
        name,
        op=name,
        inputs="Tensor gate, Tensor? up, str activation",
        backends=(
            Backend("portable", f"{ROOM}.portable:gated", triton_refuses),
            Backend("reference", f"{ROOM}.reference:gated"),
        ),
        fake=_fake,
        setup_context=_setup_context,
        backward=backward,
    )
    return forward, gradient


_swiglu, _swiglu_backward = _kernels("swiglu")
_geglu, _geglu_backward = _kernels("geglu")


def swiglu(
    gate: torch.Tensor, up: torch.Tensor | None = None, *, backend: str | None = None
) -> torch.Tensor:
    """silu(gate) · up, worked in float32: the gate of Llama's feed-forward layer.

    Args:
        gate: any shape and strides; float16, bfloat16, float32, or float64 (reference).
        up: as gate. None: gate is packed, (..., 2n), with up in the second half of each row; it is
            read where it lies, and so is its gradient written.
        backend: one of ``explain("swiglu", gate, up).reasons``; None: the first that can.

    Returns:
        Contiguous, of gate's shape, or (..., n) if packed, and of its dtype. Differentiable any
        number of times.

    Raises:
        ShapeError: the shapes differ, or the packed size is odd.
        DtypeError: the dtypes differ or are not floating-point.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    return _swiglu(*_checked_swiglu(gate, up), backend=backend)


def geglu(
    gate: torch.Tensor,
    up: torch.Tensor | None = None,
    approximate: str = "none",
    *,
    backend: str | None = None,
) -> torch.Tensor:
    """gelu(gate) · up, worked in float32: the gate of Gemma's feed-forward layer (``tanh``).

    Args:
        gate: any shape and strides; float16, bfloat16, float32, or float64 (reference).
        up: as gate. None: gate is packed, (..., 2n), with up in the second half of each row.
        approximate: ``none`` or ``tanh``, as in ``gelu``.
        backend: one of ``explain("geglu", gate, up).reasons``; None: the first that can.

    Returns:
        Contiguous, of gate's shape, or (..., n) if packed, and of its dtype. Differentiable any
        number of times.

    Raises:
        ShapeError: the shapes differ, or the packed size is odd.
        DtypeError: the dtypes differ or are not floating-point, or approximate is neither name.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    checked = _checked_geglu(gate, up, approximate)
    return _geglu(*checked, backend=backend)


OPS = (
    Op(
        name="swiglu",
        summary="silu(gate)·up, of two tensors or of one packed",
        function=swiglu,
        kernel=_swiglu,
        gradients=(_swiglu_backward,),
        checked=_checked_swiglu,
        torch_function=samples.torch_swiglu,
        dtypes=FLOATS,
        samples=samples.gated_samples,
        errors=samples.gated_errors("swiglu"),
        cost=samples.gated_cost,
        bound="memory",
        cases=samples.GATED_CASES,
        source="Shazeer 2020, arXiv:2002.05202, equation 5",
    ),
    Op(
        name="geglu",
        summary="gelu(gate)·up, of two tensors or of one packed",
        function=geglu,
        kernel=_geglu,
        gradients=(_geglu_backward,),
        checked=_checked_geglu,
        torch_function=samples.torch_geglu,
        dtypes=FLOATS,
        samples=samples.geglu_samples,
        errors=samples.gated_errors("geglu"),
        cost=samples.gated_cost,
        bound="memory",
        cases=samples.GATED_CASES,
        source="Shazeer 2020, arXiv:2002.05202, equation 5",
    ),
)
