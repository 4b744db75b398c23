"""cross_entropy: validation, autograd, custom ops, choice of backend.

With x = cap·tanh(logits / cap), L = log Σ_j exp x_j, w the weights (1), W their sum, C classes, t
the target and ε the smoothing, a row's loss is
(1 - ε)·w_t·(L - x_t) + ε/C·(W·L - Σ_j w_j·x_j) + z·L²,
and with p = softmax(x) its gradient is
dx_j = p_j·((1 - ε)·w_t + ε/C·W + 2z·L) - (1 - ε)·w_t·[j = t] - ε/C·w_j.
The mean divides by Σ w_t over the rows that count, as torch does.
"""

from __future__ import annotations

from typing import Any

import torch

from triton_kernels import definition
from triton_kernels.backends import Backend, triton_refuses, wish
from triton_kernels.checks import FLOATS, check_tensors, shapes_in_words
from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.ops.cross_entropy import checks, in_place, reference, samples
from triton_kernels.registry import Op

_ROOM = "triton_kernels.ops.cross_entropy"
_NAME = "cross_entropy"
_Inputs = tuple[
    torch.Tensor, torch.Tensor, torch.Tensor | None, int, float, float, float, str
]  # fmt: skip


def _checked(
    logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None,
    ignore_index: int = -100, label_smoothing: float = 0.0, z_loss: float = 0.0,
    soft_cap: float | None = None, reduction: str = "mean", *,
    check_targets: bool | None = None, inplace: bool = False, return_lse: bool = False,
) -> _Inputs:  # fmt: skip
    check_tensors(_NAME, logits=logits)
    checks.check_target(_NAME, target, logits=logits)
    if logits.shape[1] == 0:
        raise ShapeError(_NAME, shapes_in_words(logits=logits), "at least one class", "add one")
    if weight is not None:
        check_tensors(_NAME, dtypes=(logits.dtype, torch.float32), weight=weight)
        if weight.requires_grad:
            raise DtypeError(
                _NAME, "a weight that requires a gradient", "a constant one weight a class",
                "detach it: weight.detach()",
            )  # fmt: skip
        if weight.shape != logits.shape[1:]:
            raise ShapeError(
                _NAME, shapes_in_words(logits=logits, weight=weight),
                "one weight a class", "pass one number a class",
            )  # fmt: skip
        if weight.device != logits.device:
            raise DeviceError(
                _NAME, f"logits on {logits.device} and weight on {weight.device}", "one device",
                "move one: weight.to(logits.device)",
            )  # fmt: skip
    options = checks.checked_options(
        _NAME, ignore_index, label_smoothing, z_loss, soft_cap, reduction,
        inplace=inplace, return_lse=return_lse, check_targets=check_targets,
    )  # fmt: skip
    checks.check_range(_NAME, logits.shape[1], target, ignore_index, check_targets)
    return logits, target, weight, *options


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
    logits, target, weight, *ctx.options, ctx.backend = inputs
    _, statistics, denominator = output
    ctx.mark_non_differentiable(denominator)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(logits, target, weight, statistics, denominator)


def _backward(
    ctx: Any, grad: torch.Tensor | None, grad_statistics: torch.Tensor | None, _: Any
) -> tuple[Any, ...]:
    logits, target, weight, statistics, denominator = ctx.saved_tensors
    nothing = (None,) * 8
    if grad is None and grad_statistics is None:
        return (None, *nothing)
    if definition.is_recorded():
        inputs = (logits, target, weight, *ctx.options)
        found = definition.differentiate(reference.cross_entropy, inputs, (grad, grad_statistics))
        return (found[0], *nothing)
    if grad is None:
        grad = statistics.new_zeros(target.shape if ctx.options[-1] == "none" else ())
    grad_lse = None if grad_statistics is None else grad_statistics[0]
    return _gradient(
        grad, grad_lse, logits, target, weight, statistics, denominator, *ctx.options,
        backend=wish(ctx.backend),
    ), *nothing  # fmt: skip


def _fake(
    logits: torch.Tensor, target: torch.Tensor, weight: Any, ignore_index: int,
    label_smoothing: float, z_loss: float, soft_cap: float, reduction: str, backend: str,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    wide = torch.float64 if logits.dtype is torch.float64 else torch.float32
    row = logits.new_empty(target.shape, dtype=wide)
    scalar = row.new_empty(())
    loss = row if reduction == "none" else scalar.clone()
    return loss, row.new_empty((2, *target.shape)), scalar


_OPTIONS = "int ignore_index, float label_smoothing, float z_loss, float soft_cap, str reduction"

_gradient = Kernel(
    f"{_NAME}_backward",
    op=_NAME,
    inputs="Tensor grad, Tensor? grad_lse, Tensor logits, Tensor target, Tensor? weight, "
    f"Tensor statistics, Tensor denominator, {_OPTIONS}",
    backends=(
        Backend("portable", f"{_ROOM}.portable:cross_entropy_backward", triton_refuses),
        Backend("reference", f"{_ROOM}.reference:cross_entropy_backward"),
    ),
    fake=lambda grad, grad_lse, logits, *others: logits.new_empty(logits.shape),
)

_kernel = Kernel(
    _NAME,
    op=_NAME,
    inputs=f"Tensor logits, Tensor target, Tensor? weight, {_OPTIONS}",
    outputs="(Tensor, Tensor, Tensor)",
    backends=(
        Backend("portable", f"{_ROOM}.portable:cross_entropy", triton_refuses),
        Backend("reference", f"{_ROOM}.reference:cross_entropy"),
    ),
    fake=_fake,
    setup_context=_setup_context,
    backward=_backward,
)


def cross_entropy(
    logits: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    soft_cap: float | None = None,
    reduction: str = "mean",
    *,
    inplace: bool = False,
    return_lse: bool = False,
    check_targets: bool | None = None,
    backend: str | None = None,
) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
    """-log softmax(logits)[target], worked and returned in float32.

    Args:
        logits: (rows, classes), any strides; float16, bfloat16, float32, or float64 (reference).
        target: (rows,), int64 or int32: each row's class.
        weight: (classes,), of logits' dtype or float32, constant; None: ones.
        ignore_index: the target of rows that do not count: no loss, no gradient.
        label_smoothing: ε: the share of the target that is spread evenly over the classes.
        z_loss: z: adds z·(log Σ exp)² a row, whatever the weights.
        soft_cap: cap: the logits become cap·tanh(logits / cap) first, as in Gemma 2.
        reduction: ``mean`` (by the targets' weights, so NaN if no row counts), ``sum`` or ``none``.
        inplace: write the gradient where the logits are, in the forward: two transfers of the
            logits in all instead of three, and no second tensor of their size. It is scaled by
            the loss's gradient in the backward, which can run once. What else kept the logits for
            its own backward gets torch's error of a modified tensor. Where no gradient is wanted,
            and inside torch.compile, the logits stay as they are.
        return_lse: return each row's log Σ exp of the (capped) logits too; differentiable.
        check_targets: refuse targets out of range. None: on the CPU, where it is free. On a GPU
            it waits for the device, so there a wrong target by default makes its row's loss and
            gradient NaN.
        backend: one of ``explain("cross_entropy", logits, target).reasons``; None: the first that
            can.

    Returns:
        The loss: a scalar, or (rows,) for ``none``; with ``return_lse`` also (rows,). Float32, or
        float64 for float64 logits. Differentiable any number of times, unless ``inplace``.

    Raises:
        ShapeError: shapes that do not fit, no classes, numbers or targets out of range; with
            ``inplace``, logits that are a leaf, not contiguous, or wanted along with the lse.
        DtypeError: dtypes that do not fit, or an unknown reduction.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    inputs = _checked(
        logits, target, weight, ignore_index, label_smoothing, z_loss, soft_cap, reduction,
        check_targets=check_targets, inplace=inplace, return_lse=return_lse,
    )  # fmt: skip
    wants_gradient = torch.is_grad_enabled() and logits.requires_grad
    if inplace and wants_gradient and not torch.compiler.is_compiling():
        if return_lse:
            raise ShapeError(
                _NAME, "inplace and return_lse", "one of them",
                "leave inplace out: the lse's gradient needs the logits",
            )  # fmt: skip
        return in_place.cross_entropy(*inputs, backend=backend)
    loss, statistics, _ = _kernel(*inputs, backend=backend)
    return (loss, statistics[0]) if return_lse else loss


OPS = (
    Op(
        name=_NAME,
        summary="-log softmax[target], with smoothing, z-loss, cap and weights",
        function=cross_entropy,
        kernel=_kernel,
        gradients=(_gradient,),
        checked=_checked,
        torch_function=samples.torch_cross_entropy,
        dtypes=FLOATS,
        samples=samples.samples,
        errors=samples.errors,
        cost=samples.cost,
        bound="memory",
        cases=samples.CASES,
        source="Szegedy et al. 2015, arXiv:1512.00567, section 7 (smoothing); de Brébisson and "
        "Vincent 2016, arXiv:1604.08859, section 3.3 (z-loss); Gemma 2, arXiv:2408.00118 (cap)",
    ),
)
