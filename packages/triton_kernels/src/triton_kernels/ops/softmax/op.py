"""softmax: validation, autograd, custom ops, choice of backend.

y_i = exp(x_i - max x) / Σ_j exp(x_j - max x);  dx = y · (dy - Σ_j y_j·dy_j). The backward needs
the output only. Differentiated once more, with g the gradient that arrives at dx:
d(dy) = y · (g - Σ y·g), which is the same kernel, and dy's partner d(y) = g·(dy - Σ y·dy) -
dy·Σ y·g, in plain torch.
"""

from __future__ import annotations

from typing import Any

import torch

from triton_kernels.backends import Backend, triton_refuses, wish
from triton_kernels.checks import FLOATS, check_tensors
from triton_kernels.errors import DtypeError, ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.ops.softmax import samples, shapes
from triton_kernels.ops.streams import rows_refuse
from triton_kernels.registry import Op

_ROOM = "triton_kernels.ops.softmax"


def _checked(x: torch.Tensor, dim: int = -1) -> tuple[torch.Tensor, int]:
    check_tensors("softmax", x=x)
    if isinstance(dim, bool) or not isinstance(dim, int | torch.SymInt):
        raise DtypeError("softmax", f"dim of type {type(dim).__name__}", "an int", "pass one")
    if not -x.dim() <= dim < x.dim():
        raise ShapeError(
            "softmax", f"dim {dim} for x of shape {tuple(x.shape)}",
            f"{-x.dim()} <= dim < {x.dim()}" if x.dim() else "a tensor of one dimension or more",
            "name a dimension of x" if x.dim() else "unsqueeze it",
        )  # fmt: skip
    return x, dim % x.dim()


def _forward_refuses(x: torch.Tensor, dim: int) -> str | None:
    return shapes.clusters_refuse(x, dim, backward=False)


def _gradient_refuses(grad: torch.Tensor, y: torch.Tensor, dim: int) -> str | None:
    return shapes.clusters_refuse(y, dim, backward=True) or rows_refuse(grad, "grad")


def _setup_forward(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    _, ctx.dim, ctx.backend = inputs
    ctx.save_for_backward(output)


def _backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None, None]:
    (y,) = ctx.saved_tensors
    return _gradient(grad, y, ctx.dim, backend=wish(ctx.backend)), None, None


def _setup_gradient(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    grad, y, ctx.dim, ctx.backend = inputs
    ctx.save_for_backward(grad, y)


def _double_backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
    dy, y = ctx.saved_tensors
    for_dy = _gradient(grad, y, ctx.dim, backend=wish(ctx.backend))
    for_y = grad * (dy - (y * dy).sum(ctx.dim, keepdim=True))
    for_y = for_y - dy * (y * grad).sum(ctx.dim, keepdim=True)
    return for_dy, for_y, None, None


_kernel = Kernel(
    "softmax",
    op="softmax",
    inputs="Tensor x, int dim",
    backends=(
        Backend("hopper", f"{_ROOM}.hopper:softmax", _forward_refuses),
        Backend("portable", f"{_ROOM}.portable:softmax", triton_refuses),
        Backend("reference", f"{_ROOM}.reference:softmax"),
    ),
    fake=lambda x, dim, backend: x.new_empty(x.shape),
    setup_context=_setup_forward,
    backward=_backward,
)

_gradient = Kernel(
    "softmax_backward",
    op="softmax",
    inputs="Tensor grad, Tensor y, int dim",
    backends=(
        Backend("hopper", f"{_ROOM}.hopper:softmax_backward", _gradient_refuses),
        Backend("portable", f"{_ROOM}.portable:softmax_backward", triton_refuses),
        Backend("reference", f"{_ROOM}.reference:softmax_backward"),
    ),
    fake=lambda grad, y, dim, backend: y.new_empty(y.shape),
    setup_context=_setup_gradient,
    backward=_double_backward,
)


def softmax(x: torch.Tensor, dim: int = -1, *, backend: str | None = None) -> torch.Tensor:
    """Softmax along one dimension, accumulated in float32.

    Args:
        x: one dimension or more, any strides; float16, bfloat16, float32, or float64 (reference).
        dim: the dimension that sums to one.
        backend: one of ``explain("softmax", x).reasons``; None: the first that can.

    Returns:
        Contiguous, of x's shape and dtype. Differentiable twice and more. A row that is -inf
        throughout, or that holds +inf or NaN, gives NaN, as torch's does.

    Raises:
        ShapeError: x has no such dimension.
        DtypeError: x is not floating-point, or dim not an int.
        BackendError: the backend asked for cannot take these inputs.
    """
    return _kernel(*_checked(x, dim), backend=backend)


OPS = (
    Op(
        name="softmax",
        summary="softmax along any dimension, rows of any length",
        function=softmax,
        kernel=_kernel,
        gradients=(_gradient,),
        checked=_checked,
        torch_function=samples.torch_softmax,
        dtypes=FLOATS,
        samples=samples.samples,
        errors=samples.errors,
        cost=samples.cost,
        bound="memory",
        cases=samples.CASES,
        source="online softmax: Milakov and Gimelshein 2018, arXiv:1805.02867",
    ),
)
