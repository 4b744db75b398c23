"""linear_cross_entropy: validation, autograd, custom ops, choice of backend.

loss = cross_entropy(x·Wᵀ, target); with d the gradient at the logits, dx = d·W and dW = dᵀ·x. The
logits of a large vocabulary dwarf everything else, so they live a chunk of rows at a time, and the
gradients are made in the forward while they do. The backward multiplies them by the loss's own
gradient, in place and, where that is 1, without a transfer. A second backward, and reduction
``none``, make the logits once more.
"""

from __future__ import annotations

from typing import Any

import torch

from triton_kernels import autocast, definition
from triton_kernels.backends import Backend, triton_refuses, wish
from triton_kernels.checks import FLOATS, check_tensors, shapes_in_words
from triton_kernels.errors import DtypeError, ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.ops.cross_entropy import checks, in_place
from triton_kernels.ops.linear_cross_entropy import reference, samples
from triton_kernels.registry import Op

_ROOM = "triton_kernels.ops.linear_cross_entropy"
_NAME = "linear_cross_entropy"
ACCUMULATIONS = ("float32", "weight")


def _checked(
    x: torch.Tensor, weight: torch.Tensor, target: torch.Tensor, ignore_index: int = -100,
    label_smoothing: float = 0.0, z_loss: float = 0.0, soft_cap: float | None = None,
    reduction: str = "mean", accumulate: str = "float32", chunk_rows: int | None = None,
    *, check_targets: bool | None = None,
) -> tuple[Any, ...]:  # fmt: skip
    x, weight = autocast.lowered(x, weight)
    check_tensors(_NAME, x=x, weight=weight)
    if x.dim() != 2 or weight.dim() != 2 or x.shape[1] != weight.shape[1] or not weight.shape[0]:
        raise ShapeError(
            _NAME, shapes_in_words(x=x, weight=weight),
            "x of (rows, columns) and weight of (classes, columns), one class or more",
            "flatten x: x.flatten(0, -2)",
        )  # fmt: skip
    checks.check_target(_NAME, target, x=x)
    options = checks.checked_options(
        _NAME, ignore_index, label_smoothing, z_loss, soft_cap, reduction,
        check_targets=check_targets,
    )  # fmt: skip
    check_products(_NAME, accumulate, chunk_rows)
    checks.check_range(_NAME, weight.shape[0], target, ignore_index, check_targets)
    grad = torch.is_grad_enabled() and reduction != "none"
    wanted = (grad and x.requires_grad, grad and weight.requires_grad)
    return x, weight, target, *options, accumulate, chunk_rows or 0, *wanted


def check_products(op: str, accumulate: str = "float32", chunk_rows: int | None = None) -> None:
    """How the products are made.

    Raises:
        ShapeError, DtypeError: there is no such way.
    """
    if accumulate not in ACCUMULATIONS:
        raise DtypeError(
            op, f"accumulate {accumulate!r}", f"one of {', '.join(ACCUMULATIONS)}", "name one"
        )
    if isinstance(chunk_rows, bool) or not isinstance(chunk_rows, int | None):
        raise DtypeError(
            op, f"chunk_rows of type {type(chunk_rows).__name__}", "an int or None", "pass one"
        )
    if chunk_rows is not None and chunk_rows < 1:
        raise ShapeError(op, f"chunk_rows {chunk_rows}", "1 or more, or None", "pass more")


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
    x, weight, target, *options, _, _, ctx.backend = inputs
    ctx.options = options
    _, statistics, denominator, dx, dw = output
    ctx.mark_non_differentiable(statistics, denominator, dx, dw)
    ctx.set_materialize_grads(False)
    # Outside of a trace the gradients are handed on as they are: no one else may hold them.
    ctx.owned = type(dx) is torch.Tensor and not torch.compiler.is_compiling()
    ctx.made = [dx, dw] if ctx.owned else None
    kept = () if ctx.owned else (dx, dw)
    ctx.save_for_backward(x, weight, target, statistics, denominator, *kept)


def _backward(ctx: Any, grad: torch.Tensor | None, *_: Any) -> tuple[Any, ...]:
    x, weight, target, statistics, denominator, *kept = ctx.saved_tensors
    *loss_options, accumulate, chunk_rows = ctx.options
    nothing = (None,) * 11
    if grad is None:
        return (None, None, *nothing)
    if definition.is_recorded():
        inputs = (x, weight, target, *loss_options)
        found = definition.differentiate(reference.loss, inputs, (grad,))
        return (*found[:2], *nothing)
    wanted = tuple(ctx.needs_input_grad[:2])
    if ctx.owned:
        kept, ctx.made = ctx.made or [], None
    kept = [d if d.numel() else None for d in kept]  # empty: not made
    if kept and all(d is not None or not w for d, w in zip(kept, wanted, strict=True)):
        made = [d if w else None for d, w in zip(kept, wanted, strict=True)]
        if not ctx.owned:
            return (*(None if d is None else (d * grad).to(d.dtype) for d in made), *nothing)
        for d in made:
            if d is not None:
                _scale(d, grad)
        return (*made, *nothing)
    dx, dw = _gradient.outputs(
        grad, x, weight, target, statistics, denominator, *loss_options, accumulate, chunk_rows,
        *wanted, backend=wish(ctx.backend),
    )  # fmt: skip
    return (dx if wanted[0] else None, dw if wanted[1] else None, *nothing)


def _scale(gradient: torch.Tensor, factor: torch.Tensor) -> None:
    factor = factor.resolve_neg()
    if triton_refuses(gradient):
        in_place.scale_reference(gradient, factor)
    else:
        in_place.scale_portable(gradient, factor)


def _fake(
    x: torch.Tensor, weight: torch.Tensor, target: torch.Tensor, ignore_index: int,
    label_smoothing: float, z_loss: float, soft_cap: float, reduction: str, accumulate: str,
    chunk_rows: int, x_wanted: bool, weight_wanted: bool, backend: str,
) -> tuple[torch.Tensor, ...]:  # fmt: skip
    wide = torch.float64 if x.dtype is torch.float64 else torch.float32
    row = x.new_empty(target.shape, dtype=wide)
    loss = row if reduction == "none" else row.new_empty(())
    dx = x.new_empty(x.shape if x_wanted else 0)
    dw = weight.new_empty(weight.shape if weight_wanted else 0)
    return loss, row.new_empty((2, *target.shape)), row.new_empty(()), dx, dw


_OPTIONS = (
    "int ignore_index, float label_smoothing, float z_loss, float soft_cap, str reduction, "
    "str accumulate, int chunk_rows, bool x_wanted, bool weight_wanted"
)

_gradient = Kernel(
    f"{_NAME}_backward",
    op=_NAME,
    inputs="Tensor grad, Tensor x, Tensor weight, Tensor target, Tensor statistics, "
    f"Tensor denominator, {_OPTIONS}",
    outputs="(Tensor, Tensor)",
    backends=(
        Backend("portable", f"{_ROOM}.portable:gradients", triton_refuses),
        Backend("reference", f"{_ROOM}.reference:gradients"),
    ),
    fake=lambda grad, x, weight, *others: (
        x.new_empty(x.shape if others[-3] else 0),
        weight.new_empty(weight.shape if others[-2] else 0),
    ),
)

_kernel = Kernel(
    _NAME,
    op=_NAME,
    inputs=f"Tensor x, Tensor weight, Tensor target, {_OPTIONS}",
    outputs="(Tensor, Tensor, Tensor, Tensor, Tensor)",
    backends=(
        Backend("portable", f"{_ROOM}.portable:linear_cross_entropy", triton_refuses),
        Backend("reference", f"{_ROOM}.reference:linear_cross_entropy"),
    ),
    fake=_fake,
    setup_context=_setup_context,
    backward=_backward,
)


def linear_cross_entropy(
    x: torch.Tensor,
    weight: torch.Tensor,
    target: torch.Tensor,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    soft_cap: float | None = None,
    reduction: str = "mean",
    accumulate: str = "float32",
    chunk_rows: int | None = None,
    *,
    check_targets: bool | None = None,
    backend: str | None = None,
) -> torch.Tensor:
    """cross_entropy(x·weightᵀ, target), which never holds the logits of all rows.

    Args:
        x: (rows, columns), any strides; float16, bfloat16, float32, or float64 (reference).
        weight: (classes, columns), of x's dtype: the output layer's.
        target: (rows,), int64 or int32: each row's class.
        ignore_index: as in ``cross_entropy``, like the next four and check_targets; but x's rows
            that do not count must be finite, as the weight's gradient multiplies them by 0.
        label_smoothing: the share of the target that is spread over the classes.
        z_loss: adds z_loss·(log Σ exp)² a row.
        soft_cap: the logits become cap·tanh(logits / cap) first; None: they stay.
        reduction: ``mean``, ``sum`` or ``none``.
        accumulate: what the weight's gradient is added up in over chunks: ``float32`` or
            ``weight``, its own dtype, which takes a third of the memory.
        chunk_rows: rows whose logits are held at a time; None: as many as there are columns, so
            that a chunk's logits take no more memory than the weight.
        check_targets: refuse targets out of range; None: on the CPU, where it is free.
        backend: one of ``explain("linear_cross_entropy", x, weight, target).reasons``; None: the
            first that can.

    Returns:
        The loss: a scalar, or (rows,) for ``none``; float32, or float64 for float64. Logits are
        rounded to x's dtype, and their gradient too, as when torch does the two ops in turn.
        Differentiable any number of times; a gradient of the gradient holds all logits.

    Raises:
        ShapeError: sizes that do not fit, numbers or targets out of range.
        DtypeError: dtypes that do not fit, or an unknown reduction or accumulation.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    inputs = _checked(
        x, weight, target, ignore_index, label_smoothing, z_loss, soft_cap, reduction, accumulate,
        chunk_rows, check_targets=check_targets,
    )  # fmt: skip
    loss, *_ = _kernel.outputs(*inputs, backend=backend)
    return loss


OPS = (
    Op(
        name=_NAME,
        summary="cross_entropy of x·Wᵀ, without holding the logits",
        function=linear_cross_entropy,
        kernel=_kernel,
        gradients=(_gradient,),
        checked=_checked,
        torch_function=samples.torch_linear_cross_entropy,
        dtypes=FLOATS,
        samples=samples.samples,
        errors=samples.errors,
        cost=samples.cost,
        bound="compute",
        cases=samples.CASES,
        source="the chain rule on cross_entropy(x·Wᵀ); chunks as in Hsu et al. 2024, "
        "arXiv:2410.10989, section 3.2",
        rounds_within=True,
        together=True,
    ),
)
