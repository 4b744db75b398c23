"""What rms_norm, layer_norm and their fusions with an addition share: checks, kernels, gradients.

Each is one forward kernel of (x, residual, weight, bias) and one backward kernel; what an op does
not have is None. The forward keeps each row's statistics, and the sum if there is one.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from triton_kernels import autocast, definition
from triton_kernels.backends import Backend, triton_refuses, wish
from triton_kernels.checks import check_tensors, shapes_in_words
from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.ops.norms import reference, streams
from triton_kernels.ops.streams import rows_refuse

ROOM = "triton_kernels.ops.norms"
CASTINGS = ("float32", "llama")
GRADIENT_INPUTS = (
    "Tensor grad, Tensor? grad_sum, Tensor z, Tensor? weight, Tensor statistics, "
    "float offset, str casting, bool centered, bool weight_wanted, bool bias_wanted"
)
Inputs = tuple[
    torch.Tensor, torch.Tensor | None, torch.Tensor | None, torch.Tensor | None,
    float, float, str, bool,
]  # fmt: skip


def checked(
    op: str, x: torch.Tensor, residual: torch.Tensor | None, weight: torch.Tensor | None,
    bias: torch.Tensor | None, eps: float, offset: float, casting: str, centered: bool,
) -> Inputs:  # fmt: skip
    """The kernel's inputs, if they fit together.

    Raises:
        ShapeError, DtypeError, DeviceError: as the op says.
    """
    check_tensors(op, x=x)
    if residual is not None:
        check_tensors(op, x=x, residual=residual)
    if residual is not None and x.shape != residual.shape:
        raise ShapeError(
            op, shapes_in_words(x=x, residual=residual), "equal shapes", "expand the smaller"
        )
    if x.dim() == 0:
        raise ShapeError(op, shapes_in_words(x=x), "one dimension or more", "unsqueeze it")
    weight, bias = check_parameters(op, x, x.shape[-1:], weight, bias)
    check_options(op, eps, offset, casting)
    return x, residual, weight, bias, float(eps), float(offset), casting, centered


def check_options(op: str, eps: float, offset: float, casting: str) -> None:
    """Finite numbers, eps not negative, and a casting that there is."""
    check_eps(op, eps)
    if isinstance(offset, bool) or not isinstance(offset, int | float):
        raise DtypeError(op, f"offset of type {type(offset).__name__}", "a number", "pass 0 or 1")
    if not abs(offset) < math.inf:
        raise ShapeError(op, f"offset {offset}", "a finite number", "pass 0 or 1")
    if casting not in CASTINGS:
        raise DtypeError(op, f"casting {casting!r}", f"one of {', '.join(CASTINGS)}", "name one")


def check_parameters(
    op: str, x: torch.Tensor, shape: torch.Size,
    weight: torch.Tensor | None, bias: torch.Tensor | None,
) -> tuple[torch.Tensor | None, torch.Tensor | None]:  # fmt: skip
    """Weight and bias, which where given have that shape and one dtype: x's, or float32."""
    if (weight is None or _is_parameter(weight, x, shape)) and (
        bias is None
        or (_is_parameter(bias, x, shape) and (weight is None or weight.dtype is bias.dtype))
    ):
        return weight, bias  # the common case, without a dict and loops
    (_, weight), (_, bias) = autocast.promoted(x, weight), autocast.promoted(x, bias)
    given = {"weight": weight, "bias": bias}
    tensors = {name: t for name, t in given.items() if t is not None}
    if tensors:
        check_tensors(op, dtypes=(x.dtype, torch.float32), **tensors)
    for name, tensor in tensors.items():
        if tensor.shape != shape:
            raise ShapeError(
                op, shapes_in_words(**{"x": x, name: tensor}),
                f"{name} of shape {tuple(shape)}", "pass one number a column or channel",
            )  # fmt: skip
        if tensor.device != x.device:
            raise DeviceError(
                op, f"x on {x.device} and {name} on {tensor.device}", "one device",
                f"move one: {name}.to(x.device)",
            )  # fmt: skip
    return weight, bias


def _is_parameter(p: Any, x: torch.Tensor, shape: torch.Size) -> bool:
    return (
        isinstance(p, torch.Tensor)
        and p.shape == shape
        and (p.dtype is x.dtype or p.dtype is torch.float32)
        and p.layout is torch.strided
        and p.device == x.device
    )


def check_eps(op: str, eps: float) -> None:
    """A finite number, not negative."""
    if isinstance(eps, bool) or not isinstance(eps, int | float):
        raise DtypeError(op, f"eps of type {type(eps).__name__}", "a number", "pass e.g. 1e-6")
    if not 0 <= eps < math.inf:
        raise ShapeError(op, f"eps {eps}", "a finite number, not negative", "pass e.g. 1e-6")


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
    x, residual, weight, bias, *ctx.options, ctx.backend = inputs
    statistics = output[-1]
    ctx.fused = residual is not None
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(statistics)
    # The sum stands for both addends; they are needed only to differentiate once more.
    z = output[1] if ctx.fused else None
    ctx.save_for_backward(x, residual, weight, bias, z, statistics)


def _fake(
    x: torch.Tensor, residual: torch.Tensor | None, weight: Any, bias: Any,
    eps: float, offset: float, casting: str, centered: bool, backend: str,
) -> tuple[torch.Tensor, ...]:  # fmt: skip
    wide = torch.float64 if x.dtype is torch.float64 else torch.float32
    n_rows = math.prod(x.shape[:-1])
    found = [x.new_empty(x.shape) for _ in range(1 if residual is None else 2)]
    return *found, x.new_empty((1 + centered, n_rows), dtype=wide)


def _fake_gradient(
    grad: torch.Tensor, grad_sum: torch.Tensor | None, z: torch.Tensor,
    weight: torch.Tensor | None, statistics: torch.Tensor, offset: float, casting: str,
    centered: bool, weight_wanted: bool, bias_wanted: bool, backend: str,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    dtype = z.dtype if weight is None else weight.dtype
    parameters = z.new_empty((weight_wanted + bias_wanted, z.shape[-1]), dtype=dtype)
    return z.new_empty(z.shape), parameters


def _forward_refuses(
    x: torch.Tensor, residual: Any, weight: Any, bias: Any, eps: float, offset: float,
    casting: str, centered: bool,
) -> str | None:  # fmt: skip
    return _not_streamed(x, "x", centered, backward=False)


def gradient_refuses(
    grad: torch.Tensor, grad_sum: torch.Tensor | None, z: torch.Tensor, weight: Any,
    statistics: Any, offset: float, casting: str, centered: bool, *wanted: bool,
) -> str | None:  # fmt: skip
    """Why clusters do not take these rows in the backward, or None."""
    if reason := _not_streamed(z, "x", centered, backward=True):
        return reason
    if grad_sum is not None:
        if z.shape[-1] <= 8192:
            return "beside a gradient of the sum the portable kernel is as fast"
        if reason := rows_refuse(grad_sum, "the gradient of the sum"):
            return reason
    return rows_refuse(grad, "grad")


def rows_lie(grad: torch.Tensor, grad_sum: torch.Tensor | None, z: torch.Tensor) -> bool:
    """Whether all lie as clusters read them."""
    given = (grad, z) if grad_sum is None else (grad, grad_sum, z)
    return all(rows_refuse(x, "") is None for x in given)


def _not_streamed(x: torch.Tensor, name: str, centered: bool, backward: bool) -> str | None:
    if streams.row_cluster(x.shape[-1], x.element_size(), centered, backward) is None:
        return "for rows so long the portable kernel is as fast"
    return rows_refuse(x, name)


def kernels(op: str, fused: bool) -> tuple[Kernel, Kernel]:
    """The forward kernel of an op and that of its gradient; ``fused``: with an addition."""

    def backward(ctx: Any, grad: torch.Tensor | None, *others: Any) -> tuple[Any, ...]:
        grad_sum = others[0] if ctx.fused else None
        x, residual, weight, bias, total, statistics = ctx.saved_tensors
        nothing = (None,) * 5
        if grad is None:  # only the sum was used
            return grad_sum, grad_sum, None, None, *nothing
        if definition.is_recorded():
            inputs = (x, residual, weight, bias, *ctx.options)
            grads = (grad, grad_sum) if ctx.fused else (grad,)
            return (*definition.differentiate(reference.norm, inputs, grads), None)
        _, _, weight_wanted, bias_wanted, *_ = ctx.needs_input_grad
        dz, parameters = gradient.outputs(
            grad, grad_sum, total if ctx.fused else x, weight, statistics, *ctx.options[1:],
            weight_wanted, bias_wanted, backend=wish(ctx.backend),
        )  # fmt: skip
        dweight = parameters[0] if weight_wanted else None
        dbias = parameters[-1] if bias_wanted else None
        return dz, dz if ctx.fused else None, dweight, dbias, *nothing

    # With a second tensor to read and one to write, portable rows are as fast.
    alone = () if fused else (Backend("hopper", f"{ROOM}.hopper:norm", _forward_refuses),)
    gradient = Kernel(
        f"{op}_backward",
        op=op,
        inputs=GRADIENT_INPUTS,
        outputs="(Tensor, Tensor)",
        backends=(
            Backend("hopper", f"{ROOM}.hopper:norm_backward", gradient_refuses),
            Backend("portable", f"{ROOM}.backward:norm_backward", triton_refuses),
            Backend("reference", f"{ROOM}.reference:norm_backward"),
        ),
        fake=_fake_gradient,
    )
    forward = Kernel(
        op,
        op=op,
        inputs="Tensor x, Tensor? residual, Tensor? weight, Tensor? bias, "
        "float eps, float offset, str casting, bool centered",
        outputs="(Tensor, Tensor, Tensor)" if fused else "(Tensor, Tensor)",
        backends=(
            *alone,
            Backend("portable", f"{ROOM}.forward:norm", triton_refuses),
            Backend("reference", f"{ROOM}.reference:norm"),
        ),
        fake=_fake,
        setup_context=_setup_context,
        backward=backward,
    )
    return forward, gradient
