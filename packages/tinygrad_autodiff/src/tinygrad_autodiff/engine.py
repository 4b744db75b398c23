"""The reverse pass: nodes, and the one loop that walks them.

A `Node` is one application of an operation. Its `edges` lead to the nodes that made its inputs,
or to leaf tensors; they hold no data, so an intermediate result lives only as long as the user or
a rule that saved it needs it. Nodes are numbered as they are made, and an edge always leads to a
smaller number: taking the largest number from a heap is therefore a topological order, without
recursion and without a first pass over the graph.

The loop runs the rules on plain arrays. With ``create_graph=True``, or inside a forward-mode
level, it runs the very same rules on tensors, which records the backward pass in its turn.

Who owns a gradient: an array that a rule returns belongs to the engine, which may then add to it
in place, unless it is the incoming gradient or a view (`base` is set). A rule must not return a
saved array itself, nor the same new array twice; the tests check this for every registered op.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import asarray, ndarray

from . import versions
from .errors import GraphError
from .mode import mode

if TYPE_CHECKING:
    from .tensor import Tensor

_FREED = (
    "trying to backward through the graph a second time: the values saved by {} were freed by the "
    "first pass; pass retain_graph=True to the first one"
)


class Node:
    """One application of an operation: where its gradient goes, and how to compute it."""

    __slots__ = ("__dict__", "__weakref__", "edges", "saved", "seq")

    edges: tuple[Any, ...]
    saved: Any  # None once freed
    seq: int
    frees = True  # whether `saved` holds values that are released after the pass
    outputs = 1
    quiet = False  # whether the rules may divide by zero and the like, silently as in torch
    special = False  # whether it is quiet or watched
    watched = False  # whether there are hooks, or a tensor whose .grad is wanted
    hooks: list[Any] | None = None
    retained: Any = None  # weak reference to the tensor whose .grad is wanted
    index = 0
    duals: list[dict[int, Any] | None] | None = None  # tangents of the inputs, in forward mode
    dual_outputs: list[dict[int, Any]] = []  # noqa: RUF012 - replaced, never written

    def pull(self, gradient: Any, edges: Sequence[Any], saved: Any) -> Sequence[Any]:
        """Gradients of the inputs, None where `edges` has None; arrays or tensors, as given."""
        raise NotImplementedError

    def revived(self) -> Any:
        """`saved` with tensors in place of arrays, so that `pull` is recorded itself."""
        return self.saved

    @property
    def label(self) -> str:
        """The name shown in messages and as `grad_fn`."""
        return type(self).__name__

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The nodes (or leaf tensors) that the gradient flows to, with their output number."""
        return tuple((edge, getattr(edge, "index", 0)) for edge in self.edges)

    def __repr__(self) -> str:
        return f"<{self.label}Backward>"


class Output(Node):
    """One of several outputs of a node; gathers gradients for the node's single `pull`."""

    __slots__ = ()

    def __init__(self, parent: Node, index: int) -> None:
        self.edges = (parent,)
        self.saved = ()
        self.seq = versions.next_sequence()
        self.index = index

    @property
    def label(self) -> str:
        """The label of the node that this is an output of."""
        label: str = self.edges[0].label
        return label


def run(
    roots: Sequence[Any],
    seeds: Sequence[Any],
    retain_graph: bool,
    create_graph: bool,
    targets: set[Any] | None = None,
) -> dict[Any, Any]:
    """Propagate `seeds` from `roots` to the leaves, or to `targets` alone.

    Args:
        roots: Edges (nodes or leaf tensors) to start from.
        seeds: Their gradients: arrays, or tensors if the pass runs on tensors.
        retain_graph: Keep what the rules saved for another pass.
        create_graph: Record the pass itself.
        targets: If given, only these edges receive gradients and no `.grad` is touched.

    Returns:
        The gradients of `targets`; empty without targets.
    """
    if not (create_graph or mode.levels):
        return _walk(roots, seeds, retain_graph, False, False, targets)
    grad_before, mode.grad = mode.grad, create_graph
    try:
        return _walk(roots, seeds, retain_graph or create_graph, True, create_graph, targets)
    finally:
        mode.grad = grad_before


def _walk(
    roots: Sequence[Any],
    seeds: Sequence[Any],
    retain: bool,
    tensors: bool,
    create: bool,
    targets: set[Any] | None,
) -> dict[Any, Any]:
    pending: dict[Any, Any] = {}  # gradients that have arrived, by edge
    owned: set[Any] = set()  # edges whose pending array may be added to in place
    heap: list[tuple[int, Node]] = []
    leaves: list[Tensor] = []
    captured: dict[Any, Any] = {}
    useful = None if targets is None else _leading_to(roots, targets)
    last_write = versions.last_write
    silenced = None  # NumPy's warnings, from the first rule on that may divide by zero

    for root, seed in zip(roots, seeds, strict=True):
        if useful is not None and root not in useful:
            continue
        if root in pending:
            pending[root] = pending[root] + seed
            continue
        pending[root] = seed
        if isinstance(root, Node):
            heappush(heap, (-root.seq, root))
        else:
            leaves.append(root)
    try:
        while heap:
            node = heappop(heap)[1]
            gradient = pending.pop(node)
            if node.special:
                if node.watched:
                    gradient = _observe(node, gradient, tensors)
                if node.quiet and silenced is None:
                    silenced = np.errstate(all="ignore")
                    silenced.__enter__()
            edges = node.edges
            if useful is not None:
                if node in targets:  # type: ignore[operator]
                    captured[node] = gradient
                edges = tuple(edge if edge in useful else None for edge in edges)
            if node.__class__ is Output:
                _gather(edges[0], node.index, gradient, pending, heap)
                continue
            saved = node.saved
            if saved is None:
                raise GraphError(_FREED.format(node.label))
            if node.seq < last_write[0]:
                versions.check(node.label, node.seq, _flat(saved))
            results = node.pull(gradient, edges, node.revived() if tensors else saved)
            if node.frees and not retain:
                node.saved = None
            for edge, result in zip(edges, results, strict=True):
                if edge is None or result is None:
                    continue
                if result.__class__ is not ndarray and not tensors:
                    result = asarray(result)
                before = pending.get(edge)
                if before is None:
                    pending[edge] = result
                    if isinstance(edge, Node):
                        heappush(heap, (-edge.seq, edge))
                    else:
                        leaves.append(edge)
                    if not tensors and result is not gradient and result.base is None:
                        owned.add(edge)
                elif tensors:
                    pending[edge] = before + result
                elif edge in owned:
                    np.add(before, result, out=before)
                else:
                    pending[edge] = asarray(before + result)
                    owned.add(edge)
        for leaf in leaves:
            gradient = pending[leaf]
            hooks = leaf._hooks
            if hooks:
                gradient = _call_hooks(hooks, gradient)
                owned.discard(leaf)
            if targets is None:
                leaf._accumulate(gradient, leaf in owned, create)
            else:
                captured[leaf] = gradient
    finally:
        if silenced is not None:
            silenced.__exit__(None, None, None)
    return captured


def _gather(
    parent: Node | None,
    index: int,
    gradient: Any,
    pending: dict[Any, Any],
    heap: list[tuple[int, Node]],
) -> None:
    if parent is None:
        return
    slots = pending.get(parent)
    if slots is None:
        slots = pending[parent] = [None] * parent.outputs
        heappush(heap, (-parent.seq, parent))
    slots[index] = gradient


def _call_hooks(hooks: Sequence[Any], gradient: Any) -> Any:
    from .tensor import call_hooks  # the tensor knows the engine, not the other way round

    return call_hooks(hooks, gradient)


def _observe(node: Node, gradient: Any, tensors: bool) -> Any:
    """Run the hooks of the tensor that `node` made, and keep its gradient if asked to."""
    if node.hooks:
        gradient = _call_hooks(node.hooks, gradient)
    kept = node.retained() if node.retained is not None else None
    if kept is not None:
        kept._accumulate(gradient, False, tensors)
    return gradient


def _leading_to(roots: Sequence[Any], targets: set[Any]) -> set[Any]:
    """The edges on some path from `roots` to `targets`, both ends included."""
    seen: set[Any] = set(roots)
    stack = [root for root in roots if isinstance(root, Node)]
    nodes = list(stack)
    while stack:
        for edge in stack.pop().edges:
            if edge is not None and edge not in seen:
                seen.add(edge)
                if isinstance(edge, Node):
                    stack.append(edge)
                    nodes.append(edge)
    useful = seen & targets
    for node in sorted(nodes, key=lambda node: node.seq):
        if any(edge in useful for edge in node.edges):
            useful.add(node)
    return useful


def _flat(saved: Any) -> list[Any]:
    return [value for rule in saved if rule is not None for value in rule]
