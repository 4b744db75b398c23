"""flash_attention's kernels: autograd, custom ops, choice of backend.

With p and t as ``features`` has them, dp = grad·valueᵀ and δ = Σ grad·output - grad_lse a row:
dvalue = pᵀ·grad, dt = p·(dp - δ), and then dquery = scale·ds·key, dkey = scale·dsᵀ·query with
ds = dt·(1 - (t/cap)²) under a soft cap; dbias = dt; of a sink without a value -p·δ, summed.
Dao et al. 2022, arXiv:2205.14135, appendix B; Dao 2023, arXiv:2307.08691, algorithms 1 and 2.
"""

from __future__ import annotations

from typing import Any

import torch

from triton_kernels import definition
from triton_kernels.backends import Backend, wish
from triton_kernels.kernel import Kernel
from triton_kernels.ops.attention import launching, layout, reference
from triton_kernels.ops.attention.features import (
    SCHEMA,
    Features,
    empty_like_dense,
    empty_lse,
    empty_output,
)

_ROOM = "triton_kernels.ops.attention"
_NAME = "flash_attention"
_INPUTS = "Tensor query, Tensor key, Tensor value"
_N_INPUTS = 3 + len(Features._fields) + 1
_OPTIONS = 3 + len(Features().tensors)
"""Where the inputs that are no tensors begin."""


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
    tensors, ctx.options, ctx.backend = inputs[3:_OPTIONS], inputs[_OPTIONS:-1], inputs[-1]
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*inputs[:3], *output, *tensors)


def _backward(
    ctx: Any, grad: torch.Tensor | None, grad_lse: torch.Tensor | None = None
) -> tuple[Any, ...]:
    query, key, value, output, lse, *tensors = ctx.saved_tensors
    results: list[Any] = [None] * _N_INPUTS
    if grad is None and grad_lse is None:
        return tuple(results)
    features = Features(*tensors, *ctx.options)
    inputs = (query, key, value)
    if definition.is_recorded():
        grads = (grad, grad_lse)
        found = definition.differentiate(reference.attention, (*inputs, *features), grads)
        return (*found, None)
    backend = wish(ctx.backend)
    if grad is None:
        grad = torch.zeros_like(output)
    delta = delta_kernel(grad, grad_lse, output, backend=backend)
    if ctx.needs_input_grad[3]:
        results[:4] = bias_kernel.outputs(grad, *inputs, lse, delta, *features, backend=backend)
    elif any(ctx.needs_input_grad[:3]):
        results[:3] = backward_kernel.outputs(grad, *inputs, lse, delta, *features, backend=backend)
    if ctx.needs_input_grad[4]:
        assert features.sinks is not None
        results[4] = sinks_gradient(features.sinks, lse, delta)
    return tuple(results)


def sinks_gradient(sinks: torch.Tensor, lse: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
    """-Σ p·δ over batches and rows, p = exp(sink - lse): a sink's value is zero, so its dp too."""
    weights = torch.exp(sinks.to(lse.dtype)[:, None] - lse).masked_fill(lse == -torch.inf, 0.0)
    return -(weights * delta).sum((0, 2)).to(sinks.dtype)


def _fake_forward(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *others: Any) -> Any:
    return empty_output(query, value.shape[-1]), empty_lse(query)


def _fake_backward(grad: torch.Tensor, *others: Any) -> Any:
    return tuple(map(empty_like_dense, others[:3]))


def _fake_bias(grad: torch.Tensor, *others: Any) -> Any:
    bias: torch.Tensor = Features(*others[5:-1]).bias  # type: ignore[assignment]
    return *_fake_backward(grad, *others), bias.new_empty(bias.shape)


delta_kernel = Kernel(
    f"{_NAME}_delta",
    op=_NAME,
    inputs="Tensor grad, Tensor? grad_lse, Tensor output",
    backends=(
        Backend("portable", f"{_ROOM}.portable_backward:delta", launching.refuses_delta),
        Backend("reference", f"{_ROOM}.reference:delta"),
    ),
    fake=lambda grad, grad_lse, output, backend: empty_lse(output),
)

backward_kernel = Kernel(
    f"{_NAME}_backward",
    op=_NAME,
    inputs=f"Tensor grad, {_INPUTS}, Tensor lse, Tensor delta, {SCHEMA}",
    outputs="(Tensor, Tensor, Tensor)",
    backends=(
        Backend("hopper", f"{_ROOM}.hopper_backward:backward", layout.backward_refuses),
        Backend("portable", f"{_ROOM}.portable_backward:backward", launching.refuses_backward),
        Backend("reference", f"{_ROOM}.reference:backward"),
    ),
    fake=_fake_backward,
)

bias_kernel = Kernel(
    f"{_NAME}_bias_backward",
    op=_NAME,
    inputs=f"Tensor grad, {_INPUTS}, Tensor lse, Tensor delta, {SCHEMA}",
    outputs="(Tensor, Tensor, Tensor, Tensor)",
    backends=(
        Backend("hopper", f"{_ROOM}.hopper_backward:backward_with_bias", layout.backward_refuses),
        Backend(
            "portable", f"{_ROOM}.portable_backward:backward_with_bias", launching.refuses_backward
        ),
        Backend("reference", f"{_ROOM}.reference:backward_with_bias"),
    ),
    fake=_fake_bias,
)

forward_kernel = Kernel(
    _NAME,
    op=_NAME,
    inputs=f"{_INPUTS}, {SCHEMA}",
    outputs="(Tensor, Tensor)",
    backends=(
        Backend(
            "hopper",
            f"{_ROOM}.hopper_forward:forward",
            layout.forward_refuses,
            settled=f"{_ROOM}.hopper_forward:settled",
        ),
        Backend("portable", f"{_ROOM}.portable:forward", launching.refuses),
        Backend("reference", f"{_ROOM}.reference:forward"),
    ),
    fake=_fake_forward,
    setup_context=_setup_context,
    backward=_backward,
    leading=5,  # query, key, value, bias, sinks
)
