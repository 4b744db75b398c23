"""What a call leaves behind: a node that knows where gradients go, tensors around it, tangents.

`record` fills the node in, `outputs_of` puts it under the results, `push_forward` gives these their
tangents in forward mode. In a recorded backward pass `input_tensor` and `output_tensor` make what a
node saved into the tensors that it came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import asarray, ndarray

from .engine import Output
from .mode import mode
from .registry import op
from .tensor import Tensor, edge_of, wrap
from .versions import next_sequence

if TYPE_CHECKING:
    from .op import Op


def record(node: Any, inputs: Sequence[Any], plain: tuple[Any, ...], out: Any) -> None:
    """Fill in the node of a call: where gradients go, and what the rules asked for."""
    edges = tuple(edge_of(value) if isinstance(value, Tensor) else None for value in inputs)
    values = (*plain, out)
    if node.joint:
        node.saved = (node.saves[0].pick(values, node),)
    else:
        edges = tuple(
            None if save is None else edge for edge, save in zip(edges, node.saves, strict=True)
        )
        node.saved = tuple(
            None if edge is None else save.pick(values, node)
            for edge, save in zip(edges, node.saves, strict=True)
        )
        if hasattr(node, "partials"):
            shapes = tuple(np.shape(value) for value in plain[: len(inputs)])
            if any(shape != out.shape for shape in shapes):
                node.shapes = shapes
    node.edges = edges
    node.seq = next_sequence()


def outputs_of(node: Any, out: Any) -> Any:
    """The result of `forward` as a tensor, or as a tuple of tensors of the same type."""
    if not isinstance(out, tuple):
        if out.__class__ is not ndarray:
            out = asarray(out)
        if node is not None and (
            out.dtype.kind not in "fc" or all(edge is None for edge in node.edges)
        ):
            node = None
        return wrap(out, node)
    if node is not None:
        node.outputs = len(out)
    tensors = [
        wrap(array, Output(node, i) if node is not None and array.dtype.kind in "fc" else None)
        for i, array in enumerate(asarray(part) for part in out)
    ]
    return type(out)(*tensors) if hasattr(out, "_fields") else tuple(tensors)


# ---- tensors rebuilt from what a node saved ------------------------------------------------------


def input_tensor(node: Any, index: int, value: Any) -> Any:
    """Input `index` of `node` as a tensor at its old place in the graph."""
    duals = node.duals
    edge = node.edges[index]
    if not isinstance(value, ndarray) or (edge is None and duals is None):
        return value
    if isinstance(edge, Tensor) and edge._data is value and duals is None:
        return edge
    if isinstance(edge, Tensor):
        made = op.alias(edge)
        made._data = value
    else:
        made = wrap(value, edge)
    if duals is not None and duals[index]:
        made._tangents = duals[index]
    return made


def output_tensor(node: Any, value: Any) -> Any:
    """The result of `node` as the tensor(s) it was."""
    made = outputs_of(node, value)
    if node.duals is not None:
        for tensor, tangents in zip(
            made if isinstance(made, tuple) else (made,), node.dual_outputs, strict=True
        ):
            tensor._tangents = tangents
    return made


# ---- forward mode --------------------------------------------------------------------------------


def push_forward(
    cls: type[Op],
    node: Any,
    inputs: Sequence[Any],
    args: tuple[Any, ...],
    plain: tuple[Any, ...],
    result: Any,
) -> None:
    """Give `result` its tangent at every active level at which an input has one.

    The rule for a level runs with only the levels below it active, on the inputs as tensors, so
    that tangents can themselves be differentiated, by either mode.
    """
    held = [getattr(v, "_tangents", None) if isinstance(v, Tensor) else None for v in inputs]
    if not any(held) or not cls.differentiable:
        return
    levels = mode.levels
    outs = result if isinstance(result, tuple) else (result,)
    full = (list(inputs), *args[1:]) if cls.variadic else (*inputs, *args[len(inputs) :])
    try:
        for depth, level in enumerate(levels):
            tangents = [tangent_at(h, level) for h in held]
            if not any(t is not None for t in tangents):
                continue
            mode.levels = levels[:depth]
            pushed = cls.push(node, full, tangents, result)
            for out, tangent in zip(
                outs, pushed if isinstance(pushed, tuple) else (pushed,), strict=True
            ):
                if tangent is None:
                    continue
                if not isinstance(tangent, Tensor):
                    tangent = wrap(asarray(tangent))
                if not hasattr(out, "_tangents"):
                    out._tangents = {}
                out._tangents[level] = tangent
    finally:
        mode.levels = levels
    if hasattr(node, "edges"):
        node.duals = [dict(h) if h else None for h in held]
        node.dual_outputs = [getattr(out, "_tangents", {}) for out in outs]


def tangent_at(tangents: Any, level: int) -> Any:
    """The tangent at `level` of a tensor's tangents, or None."""
    return None if not tangents else tangents.get(level)
