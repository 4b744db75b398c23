"""cross_entropy whose gradient takes the place of the logits, in the forward.

The forward has each row at hand when its loss is known, so it can leave the gradient there: the
logits are read once and written once. The backward only multiplies by the loss's own gradient, and
a kernel that finds a 1 there leaves without a transfer.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from typing import Any

import torch

from triton_kernels import _compat, backends
from triton_kernels._compat import cdiv, launch, tl, triton
from triton_kernels.backends import Backend, triton_refuses
from triton_kernels.errors import BackendError, ShapeError
from triton_kernels.ops.cross_entropy import reference

_NAME = "cross_entropy"
_ROOM = "triton_kernels.ops.cross_entropy"


@triton.jit
def _scale(x_ptr, factor_ptr, n_columns, factor_row, BLOCK: tl.constexpr):
    chunks = tl.cdiv(n_columns, BLOCK)
    row = (tl.program_id(0) // chunks).to(tl.int64)
    factor = tl.load(factor_ptr + row * factor_row).to(tl.float32)
    if factor != 1.0:
        columns = (tl.program_id(0) % chunks) * BLOCK + tl.arange(0, BLOCK)
        at = x_ptr + row * n_columns + columns
        x = tl.load(at, mask=columns < n_columns, other=0.0).to(tl.float32)
        tl.store(at, x * factor, mask=columns < n_columns)


def scale_portable(gradient: torch.Tensor, factor: torch.Tensor) -> None:
    """gradient *= factor, a scalar or one a row; factors of 1 cost nothing."""
    n_rows, n_columns = gradient.shape
    if gradient.numel():
        grid = (n_rows * cdiv(n_columns, 4096),)
        stride = factor.stride(0) if factor.dim() else 0
        launch(_scale, grid, (gradient, factor), (n_columns, stride), BLOCK=4096, num_warps=8)


def scale_reference(gradient: torch.Tensor, factor: torch.Tensor) -> None:
    """gradient *= factor, a scalar or one a row."""
    gradient.mul_(factor[:, None] if factor.dim() else factor)


def loss_reference(
    logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None, *options: Any
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The loss; the logits become their gradient."""
    loss, statistics, denominator = reference.cross_entropy(logits, target, weight, *options)
    logits.copy_(
        reference.cross_entropy_backward(
            torch.ones_like(loss), None, logits, target, weight, statistics, denominator, *options
        )
    )
    return loss, statistics, denominator


_LOSSES = (
    Backend(
        "portable",
        f"{_ROOM}.portable:cross_entropy_in_place",
        triton_refuses,
    ),
    Backend("reference", f"{__name__}:loss_reference"),
)
_SCALES = {"portable": scale_portable, "reference": scale_reference}


class _InPlace(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, *others: Any) -> Any:
        *inputs, asked = others
        backend = backends.choose(_NAME, _LOSSES, (logits, *inputs), asked)
        backends.recorded(f"{_NAME}_in_place", backend.name)
        with _compat.on_device(logits):
            loss, _, _ = backend.run(logits, *inputs)
        # Whoever saved the logits for a backward of his own learns that they are gone.
        torch.autograd.graph.increment_version(logits)
        ctx.gradient, ctx.backend = logits.detach(), backend.name
        return loss

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        if torch.is_grad_enabled():
            raise BackendError(
                _NAME, "a gradient of the gradient", "the logits, which inplace=True gave up",
                "call it with inplace=False",
            )  # fmt: skip
        gradient, ctx.gradient = ctx.gradient, None
        if gradient is None:
            raise BackendError(
                _NAME, "a second backward", "the gradient, which the first one handed on",
                "call it with inplace=False",
            )  # fmt: skip
        with _compat.on_device(gradient):
            _SCALES[ctx.backend](gradient, grad.resolve_neg())
        return (gradient, *[None] * 8)


def cross_entropy(logits: torch.Tensor, *inputs: Any, backend: str | None) -> torch.Tensor:
    """The loss; the logits become their gradient.

    Raises:
        ShapeError: the logits are a leaf, not contiguous or not what lies in memory: they cannot be
            given up.
    """
    if logits.is_leaf:
        raise ShapeError(
            _NAME, "inplace=True for logits that are a leaf",
            "logits that another operation has made", "leave inplace out",
        )  # fmt: skip
    if not logits.is_contiguous():
        raise ShapeError(
            _NAME, f"inplace=True for logits with strides {tuple(logits.stride())}",
            "contiguous logits", "pass logits.contiguous()",
        )  # fmt: skip
    if logits.is_neg():
        raise ShapeError(
            _NAME, "inplace=True for logits whose negation torch has put off",
            "what lies in memory", "pass logits.resolve_neg()",
        )  # fmt: skip
    asked = backend or backends.asked_for(_NAME)
    loss: torch.Tensor = _InPlace.apply(logits, *inputs, asked)
    return loss
