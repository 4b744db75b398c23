"""Derivatives, as in `torch.autograd`: `grad`, `backward`, custom `Function`s, checks, jvp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import engine, forward_ad, function, graph
from ..anomaly import detect_anomaly, is_anomaly_enabled, set_detect_anomaly
from ..errors import ArgumentTypeError, GraphError
from ..function import Function, FunctionCtx, once_differentiable
from ..gradcheck import gradcheck, gradgradcheck
from ..mode import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from ..tensor import Tensor, edge_of, seed_for, wrap
from . import functional

__all__ = [
    "Function",
    "FunctionCtx",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "forward_ad",
    "function",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "is_anomaly_enabled",
    "is_grad_enabled",
    "no_grad",
    "once_differentiable",
    "set_detect_anomaly",
    "set_grad_enabled",
]

Tensors = Tensor | Sequence[Tensor]


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """Gradients of the sum of `outputs` with respect to `inputs`; no `.grad` is touched.

    Args:
        outputs: One tensor or several.
        inputs: One tensor or several, leaves or not; only what lies between is computed.
        grad_outputs: A gradient for each output (None: 1, for a scalar).
        retain_graph: Keep the graph for another pass (default: as `create_graph`).
        create_graph: Record the pass, for derivatives of higher order.
        allow_unused: Return None for inputs that the outputs do not depend on.
        materialize_grads: Return zeros instead of None.

    Returns:
        A tuple with a gradient for each input.

    Raises:
        GraphError: An output has no graph, an input no gradient, or the graph was freed.
    """
    outs, ins = _sequence(outputs, "outputs"), _sequence(inputs, "inputs")
    if not ins:
        raise GraphError("grad: the inputs cannot be empty")
    seeds = [None] * len(outs) if grad_outputs is None else _gradients(grad_outputs)
    if len(seeds) != len(outs):
        raise GraphError(f"grad: {len(outs)} outputs, but {len(seeds)} grad_outputs")
    roots = [edge_of(out) for out in outs]
    if any(root is None for root in roots):
        raise GraphError("grad: one of the outputs does not require grad and has no grad_fn")
    targets = [edge_of(tensor) for tensor in ins]
    if any(target is None for target in targets):
        raise GraphError("grad: one of the inputs does not require grad")
    found = engine.run(
        roots,
        [seed_for(out, seed, create_graph) for out, seed in zip(outs, seeds, strict=True)],
        create_graph if retain_graph is None else retain_graph,
        create_graph,
        set(targets),
    )
    unused = bool(allow_unused) or materialize_grads
    return tuple(
        _result(found.get(target), tensor, unused, materialize_grads)
        for target, tensor in zip(targets, ins, strict=True)
    )


def _result(gradient: Any, tensor: Tensor, unused: bool, zeros: bool) -> Any:
    if gradient is None:
        if not unused:
            raise GraphError(
                f"grad: an input of shape {tensor.shape} appears to not have been used in the "
                "graph; pass allow_unused=True to get None for it"
            )
        return wrap(tensor._data * 0) if zeros else None
    # A view may be the gradient of another tensor too; what is handed out is the user's own.
    return gradient if isinstance(gradient, Tensor) else wrap(gradient.copy())


def backward(
    tensors: Tensors,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensors | None = None,
) -> None:
    """Add the gradients of the sum of `tensors` to `.grad` of the leaves (or of `inputs`)."""
    outs = _sequence(tensors, "tensors")
    seeds = [None] * len(outs) if grad_tensors is None else _gradients(grad_tensors)
    keep = create_graph if retain_graph is None else retain_graph
    roots = [edge_of(out) for out in outs]
    if any(root is None for root in roots):
        raise GraphError("backward: a tensor does not require grad and has no grad_fn")
    given = [seed_for(out, seed, create_graph) for out, seed in zip(outs, seeds, strict=True)]
    if inputs is None:
        engine.run(roots, given, keep, create_graph)
        return
    chosen = {edge_of(tensor): tensor for tensor in _sequence(inputs, "inputs")}
    if not chosen:
        raise GraphError("backward: inputs is empty; leave it out to reach every leaf")
    if None in chosen:
        raise GraphError("backward: one of the inputs does not require grad")
    for edge, gradient in engine.run(roots, given, keep, create_graph, set(chosen)).items():
        chosen[edge]._accumulate(gradient, False, create_graph)


def _sequence(tensors: Any, name: str) -> list[Tensor]:
    found = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    for value in found:
        if not isinstance(value, Tensor):
            raise ArgumentTypeError(f"{name}: expected tensors, got {type(value).__name__}")
    return found


def _gradients(given: Any) -> list[Any]:
    return [given] if isinstance(given, Tensor) else list(given)
