"""group_norm: validation, autograd, custom ops, choice of backend.

A sample's channels are taken in groups; each group is normalised as layer_norm does a row, then
every channel is scaled and shifted by its own weight and bias.
"""

from __future__ import annotations

from typing import Any

import torch

from triton_kernels import _compat, definition
from triton_kernels.backends import Backend, triton_refuses, wish
from triton_kernels.checks import FLOATS, check_tensors, shapes_in_words
from triton_kernels.errors import DtypeError, ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.ops.norms import reference, samples, streams
from triton_kernels.ops.norms.rows import ROOM, check_eps, check_parameters
from triton_kernels.ops.streams import LINE, streaming_refuses
from triton_kernels.registry import Op

_Inputs = tuple[torch.Tensor, int, torch.Tensor | None, torch.Tensor | None, float]


def _checked(
    x: torch.Tensor, groups: int, weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None, eps: float = 1e-5,
) -> _Inputs:  # fmt: skip
    check_tensors("group_norm", x=x)
    if isinstance(groups, bool) or not isinstance(groups, int):
        raise DtypeError(
            "group_norm", f"groups of type {type(groups).__name__}", "an int", "pass one"
        )
    if x.dim() < 2:
        raise ShapeError(
            "group_norm", shapes_in_words(x=x), "two dimensions or more: (samples, channels, ...)",
            "unsqueeze it",
        )  # fmt: skip
    if groups < 1 or x.shape[1] % groups:
        raise ShapeError(
            "group_norm", f"{x.shape[1]} channels in {groups} groups",
            "a number of groups that divides the channels", "choose another",
        )  # fmt: skip
    weight, bias = check_parameters("group_norm", x, x.shape[1:2], weight, bias)
    check_eps("group_norm", eps)
    return x, groups, weight, bias, float(eps)


def _definition(
    x: torch.Tensor, groups: int, weight: torch.Tensor | None, bias: torch.Tensor | None, eps: float
) -> torch.Tensor:
    return reference.group_norm(x, groups, weight, bias, eps)[0]


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
    x, ctx.groups, weight, bias, ctx.eps, ctx.backend = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(x, weight, bias, output[1])


def _backward(ctx: Any, grad: torch.Tensor | None, _: Any) -> tuple[Any, ...]:
    x, weight, bias, statistics = ctx.saved_tensors
    if grad is None:
        return (None,) * 6
    if definition.is_recorded():
        inputs = (x, ctx.groups, weight, bias, ctx.eps)
        return (*definition.differentiate(_definition, inputs, (grad,)), None)
    dx, parameters = _gradient.outputs(
        grad, x, weight, statistics, ctx.groups, backend=wish(ctx.backend)
    )
    dweight = parameters[0] if ctx.needs_input_grad[2] else None
    dbias = parameters[1] if ctx.needs_input_grad[3] else None
    return dx, None, dweight, dbias, None, None


def _fake(
    x: torch.Tensor, groups: int, weight: Any, bias: Any, eps: float, backend: str
) -> tuple[torch.Tensor, torch.Tensor]:
    wide = torch.float64 if x.dtype is torch.float64 else torch.float32
    return x.new_empty(x.shape), x.new_empty((2, x.shape[0] * groups), dtype=wide)


def _fake_gradient(
    grad: torch.Tensor, x: torch.Tensor, weight: torch.Tensor | None, statistics: torch.Tensor,
    groups: int, backend: str,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    dtype = x.dtype if weight is None else weight.dtype
    return x.new_empty(x.shape), x.new_empty((2, x.shape[1]), dtype=dtype)


def _hopper_refuses(
    x: torch.Tensor, groups: int, *parameters: Any, backward: bool = False
) -> str | None:
    if reason := streaming_refuses(x):
        return reason
    positions = x.shape[2:].numel()
    if not x.numel():
        return "an empty tensor has no descriptor"
    per, rest = divmod(positions * x.element_size(), LINE)
    if rest:
        return f"a channel is not a multiple of {LINE} bytes long"
    if not (x.is_contiguous() and _compat.starts_aligned(x)):
        return "x is not contiguous from a multiple of 16 bytes on"
    if backward and (per & (per - 1) or per > 128):
        return "a channel is not a power of two of lines, up to 128"
    if streams.group_stream(x.shape[1] // groups * per, backward) is None:
        return "a group is longer than what shared memory holds"
    return None


def _hopper_refuses_gradient(
    grad: torch.Tensor, x: torch.Tensor, weight: Any, statistics: Any, groups: int
) -> str | None:
    if not (grad.is_contiguous() and _compat.starts_aligned(grad)):
        return "the gradient is not contiguous from a multiple of 16 bytes on"
    return _hopper_refuses(x, groups, backward=True)


_gradient = Kernel(
    "group_norm_backward",
    op="group_norm",
    inputs="Tensor grad, Tensor x, Tensor? weight, Tensor statistics, int groups",
    outputs="(Tensor, Tensor)",
    backends=(
        Backend("hopper", f"{ROOM}.group_hopper:group_norm_backward", _hopper_refuses_gradient),
        Backend("portable", f"{ROOM}.group_portable:group_norm_backward", triton_refuses),
        Backend("reference", f"{ROOM}.reference:group_norm_backward"),
    ),
    fake=_fake_gradient,
)

_kernel = Kernel(
    "group_norm",
    op="group_norm",
    inputs="Tensor x, int groups, Tensor? weight, Tensor? bias, float eps",
    outputs="(Tensor, Tensor)",
    backends=(
        Backend("hopper", f"{ROOM}.group_hopper:group_norm", _hopper_refuses),
        Backend("portable", f"{ROOM}.group_portable:group_norm", triton_refuses),
        Backend("reference", f"{ROOM}.reference:group_norm"),
    ),
    fake=_fake,
    setup_context=_setup_context,
    backward=_backward,
)


def group_norm(
    x: torch.Tensor,
    groups: int,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    eps: float = 1e-5,
    *,
    backend: str | None = None,
) -> torch.Tensor:
    """Each sample's groups of channels with mean 0 and variance 1, then scaled and shifted.

    Args:
        x: (samples, channels, ...), any strides; float16, bfloat16, float32, or float64
            (reference). What does not lie in that order is copied first.
        groups: a divisor of the channels; 1: all together, channels: each alone.
        weight: (channels,), of x's dtype or float32; None: ones.
        bias: as weight; None: zeros.
        eps: added to the variance.
        backend: one of ``explain("group_norm", x, groups).reasons``; None: the first that can.

    Returns:
        Contiguous, of x's shape and dtype. Differentiable any number of times; the parameters'
        gradients are summed in float32 in an order that does not change from run to run.

    Raises:
        ShapeError: sizes that do not fit, or eps is negative.
        DtypeError: dtypes that do not fit or are not floating-point, or groups not an int.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    y, _ = _kernel.outputs(*_checked(x, groups, weight, bias, eps), backend=backend)
    return y


OPS = (
    Op(
        name="group_norm",
        summary="groups of channels with mean 0 and variance 1",
        function=group_norm,
        kernel=_kernel,
        gradients=(_gradient,),
        checked=_checked,
        torch_function=samples.torch_group_norm,
        dtypes=FLOATS,
        samples=samples.group_samples,
        errors=samples.group_errors,
        cost=samples.norm_cost,
        bound="memory",
        cases=samples.GROUP_CASES,
        source="Wu and He 2018, arXiv:1803.08494, equations 1, 2 and 7",
    ),
)
