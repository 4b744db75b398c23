"""masked_softmax and log_softmax: validation, autograd, custom ops, choice of backend.

With s = x + mask (-inf where a boolean or the causal mask says no) and p = softmax(s) along the
last dimension: y = p and dx = p·(dy - Σ p·dy), or y = log p and dx = dy - p·Σ dy. The additive
mask's gradient is dx, summed over what the mask is repeated along. The backward needs the output
only.
"""

from __future__ import annotations

from typing import Any

import torch

from triton_kernels import definition
from triton_kernels.backends import Backend, triton_refuses, wish
from triton_kernels.checks import FLOATS, check_flag, check_tensors, shapes_in_words
from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.ops.masked_softmax import reference, samples
from triton_kernels.ops.softmax import shapes as unmasked
from triton_kernels.registry import Op

_ROOM = "triton_kernels.ops.masked_softmax"
_Inputs = tuple[torch.Tensor, torch.Tensor | None, bool, bool]


def _check_mask(op: str, x: torch.Tensor, mask: torch.Tensor) -> None:
    check_tensors(op, dtypes=(torch.bool, x.dtype, torch.float32), mask=mask)
    if mask.device != x.device:
        raise DeviceError(
            op, f"x on {x.device} and mask on {mask.device}", "one device",
            "move one: mask.to(x.device)",
        )  # fmt: skip
    last = x.shape[x.dim() - mask.dim() :] if mask.dim() <= x.dim() else None
    if last is None or any(m not in (1, n) for m, n in zip(mask.shape, last, strict=True)):
        raise ShapeError(
            op, shapes_in_words(x=x, mask=mask), "a mask that broadcasts to x's shape",
            "give each of its dimensions x's size or 1",
        )  # fmt: skip


def _checked_masks(
    op: str, x: torch.Tensor, mask: torch.Tensor | None, causal: bool, log: bool
) -> _Inputs:
    check_tensors(op, x=x)
    if x.dim() == 0:
        raise ShapeError(op, shapes_in_words(x=x), "one dimension or more", "unsqueeze it")
    if mask is not None:
        _check_mask(op, x, mask)
    if not isinstance(causal, bool):
        raise DtypeError(op, f"causal of type {type(causal).__name__}", "a bool", "pass one")
    if causal and x.dim() < 2:
        raise ShapeError(
            op, f"causal rows of shape {tuple(x.shape)}", "x of (..., queries, keys)",
            "unsqueeze the query: x[None]",
        )  # fmt: skip
    check_flag(op, "causal", causal)
    return x, mask, causal, log


def _checked(x: torch.Tensor, mask: torch.Tensor | None = None, causal: bool = False) -> _Inputs:
    return _checked_masks("masked_softmax", x, mask, causal, False)


def _checked_log(
    x: torch.Tensor, dim: int = -1, mask: torch.Tensor | None = None, causal: bool = False
) -> _Inputs:
    op = "log_softmax"
    x, mask, causal, log = _checked_masks(op, x, mask, causal, True)
    if isinstance(dim, bool) or not isinstance(dim, int | torch.SymInt):
        raise DtypeError(op, f"dim of type {type(dim).__name__}", "an int", "pass one")
    if not -x.dim() <= dim < x.dim():
        raise ShapeError(
            op, f"dim {dim} for x of shape {tuple(x.shape)}", f"{-x.dim()} <= dim < {x.dim()}",
            "name a dimension of x",
        )  # fmt: skip
    if dim % x.dim() == x.dim() - 1:
        return x, mask, causal, log
    if mask is not None or causal:
        raise ShapeError(
            op, f"a mask along dim {dim}", "masks along the last dimension only",
            "move the dimension to the end: x.movedim(dim, -1)",
        )  # fmt: skip
    return x.movedim(dim, -1), mask, causal, log


def _refuses(x: torch.Tensor, mask: torch.Tensor | None, causal: bool, log: bool) -> str | None:
    if mask is not None or causal:
        return "it takes no mask"
    return unmasked.clusters_refuse(x, x.dim() - 1, backward=False)


def _kernels(op: str) -> tuple[Kernel, Kernel]:
    """The forward kernel of an op and that of its gradient."""

    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        _, mask, ctx.causal, ctx.log, ctx.backend = inputs
        additive = mask is not None and mask.dtype is not torch.bool
        ctx.save_for_backward(output, mask if additive else None)

    def backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
        y, mask = ctx.saved_tensors
        mask_wanted = mask is not None and ctx.needs_input_grad[1]
        inputs = (grad, y, mask, ctx.causal, ctx.log, mask_wanted)
        if definition.is_recorded():  # plain torch on the output, which knows where it is from
            dx, dmask = reference.softmax_backward(*inputs)
        else:
            dx, dmask = gradient.outputs(*inputs, backend=wish(ctx.backend))
        return dx, dmask if mask_wanted else None, None, None, None

    gradient = Kernel(
        f"{op}_backward",
        op=op,
        inputs="Tensor grad, Tensor y, Tensor? mask, bool causal, bool log, bool mask_wanted",
        outputs="(Tensor, Tensor)",
        backends=(
            Backend("portable", f"{_ROOM}.portable:softmax_backward", triton_refuses),
            Backend("reference", f"{_ROOM}.reference:softmax_backward"),
        ),
        fake=lambda grad, y, mask, causal, log, wanted, backend: (
            y.new_empty(y.shape),
            mask.new_empty(mask.shape) if wanted else y.new_empty(0),
        ),
    )
    forward = Kernel(
        op,
        op=op,
        inputs="Tensor x, Tensor? mask, bool causal, bool log",
        backends=(
            Backend("hopper", "triton_kernels.ops.softmax.hopper:without_mask", _refuses),
            Backend("portable", f"{_ROOM}.portable:softmax", triton_refuses),
            Backend("reference", f"{_ROOM}.reference:softmax"),
        ),
        fake=lambda x, *others: x.new_empty(x.shape),
        setup_context=setup_context,
        backward=backward,
    )
    return forward, gradient


_softmax, _softmax_backward = _kernels("masked_softmax")
_log_softmax, _log_softmax_backward = _kernels("log_softmax")


def masked_softmax(
    x: torch.Tensor,
    mask: torch.Tensor | None = None,
    causal: bool = False,
    *,
    backend: str | None = None,
) -> torch.Tensor:
    """Softmax along the last dimension over what a mask lets take part, summed in float32.

    Args:
        x: (..., queries, keys), one dimension or more, any strides; float16, bfloat16, float32, or
            float64 (reference).
        mask: broadcasts to x's shape. Boolean: True takes part, as in torch's
            scaled_dot_product_attention. Of x's dtype or float32: added to x; -inf takes no part.
        causal: query i sees keys up to i + keys - queries: the last query sees all of them.
        backend: one of ``explain("masked_softmax", x).reasons``; None: the first that can.

    Returns:
        Contiguous, of x's shape and dtype; zero where masked: a row of which nothing is left is
        zeros, as is its gradient. Differentiable any number of times, in an additive mask too.

    Raises:
        ShapeError: a mask that does not broadcast, a scalar, or causal rows without queries.
        DtypeError: dtypes that do not fit.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    return _softmax(*_checked(x, mask, causal), backend=backend)


def log_softmax(
    x: torch.Tensor,
    dim: int = -1,
    mask: torch.Tensor | None = None,
    causal: bool = False,
    *,
    backend: str | None = None,
) -> torch.Tensor:
    """Logarithm of softmax, or of ``masked_softmax``, summed in float32.

    Args:
        x: one dimension or more, any strides; float16, bfloat16, float32, or float64 (reference).
        dim: the dimension that sums to one; another than the last costs a copy each way.
        mask: as in ``masked_softmax``, along the last dimension only.
        causal: as in ``masked_softmax``.
        backend: one of ``explain("log_softmax", x).reasons``; None: the first that can.

    Returns:
        Contiguous, of x's shape and dtype; -inf where masked, without a gradient there.
        Differentiable any number of times.

    Raises:
        ShapeError: x has no such dimension, or as in ``masked_softmax``.
        DtypeError, DeviceError, BackendError: as in ``masked_softmax``.
    """
    y = _log_softmax(*_checked_log(x, dim, mask, causal), backend=backend)
    return y.movedim(-1, dim).contiguous()


OPS = (
    Op(
        name="masked_softmax",
        summary="softmax under a boolean, additive or causal mask",
        function=masked_softmax,
        kernel=_softmax,
        gradients=(_softmax_backward,),
        checked=_checked,
        torch_function=samples.torch_masked_softmax,
        dtypes=FLOATS,
        samples=samples.softmax_samples,
        errors=samples.errors(False),
        cost=samples.softmax_cost,
        bound="memory",
        cases=samples.SOFTMAX_CASES,
        source="online softmax: Milakov and Gimelshein 2018, arXiv:1805.02867",
    ),
    Op(
        name="log_softmax",
        summary="logarithm of softmax, masked or not",
        function=log_softmax,
        kernel=_log_softmax,
        gradients=(_log_softmax_backward,),
        checked=_checked_log,
        torch_function=samples.torch_log_softmax,
        dtypes=FLOATS,
        samples=samples.log_softmax_samples,
        errors=samples.errors(True),
        cost=samples.log_softmax_cost,
        bound="memory",
        cases=samples.LOG_SOFTMAX_CASES,
        source="online softmax: Milakov and Gimelshein 2018, arXiv:1805.02867",
    ),
)
