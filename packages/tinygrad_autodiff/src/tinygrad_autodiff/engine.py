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

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy import asarray, ndarray

from . import versions
from .errors import GraphError
from .mode import mode, watched

if TYPE_CHECKING:
    from .tensor import Tensor

_FREED = (
    "trying to backward through the graph a second time: the values saved by {} were freed by the "
    "first pass; pass retain_graph=True to the first one"
)


class Name:
    """`name`: of a class of ops its registered name, of a node torch's method `name()`."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __get__(self, node: Node | None, owner: type[Node]) -> Any:
        return self.text if node is None else node.called


class Node:
    """One application of an operation: where its gradient goes, and how to compute it."""

    __slots__ = ("__dict__", "__weakref__", "edges", "saved", "seq")

    name: Any = Name("")
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
    before: list[Any] | None = None  # hooks on the gradients that come in
    after: list[Any] | None = None  # hooks on the gradients that go out
    packed = False  # whether `saved` holds what `saved_tensors_hooks` made of the values
    unpacked = False  # whether it did, and writes since the forward pass say nothing
    place: tuple[str, int] | None = None  # the user's source line, if somebody watches
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

    def called(self) -> str:
        """The label as torch writes it, there and here under the name `name`."""
        return f"{self.label}Backward"

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The nodes that the gradient flows to, with their output number, as torch has it."""
        found: list[tuple[Any, int]] = []
        for edge in self.edges:
            if isinstance(edge, Output):
                found.append((edge.edges[0], edge.index))
            else:
                node = edge is None or isinstance(edge, Node)
                found.append((edge if node else AccumulateGrad(edge), 0))
        return tuple(found)

    def register_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call ``hook(grad_inputs, grad_outputs)`` in every pass; it may return other gradients."""
        self.after = self.after or []
        return self._hooked(self.after, hook)

    def register_prehook(self, hook: Callable[..., Any]) -> Handle:
        """Call ``hook(grad_outputs)`` before the rules run; it may return other gradients."""
        self.before = self.before or []
        return self._hooked(self.before, hook)

    def _hooked(self, hooks: list[Any], hook: Callable[..., Any]) -> Handle:
        hooks.append(hook)
        self.watched = self.special = True
        return Handle(hooks, hook)

    def pack(self, pack: Callable[..., Any], unpack: Callable[..., Any]) -> None:
        """Put what `pack` makes of them in the place of the saved arrays."""
        self.saved = _each_array(self.saved, lambda array: Packed(pack(array), unpack))
        self.packed = self.special = True

    def unpack(self) -> None:
        """Bring the saved arrays back."""
        if self.saved is not None:
            self.saved = _each_array(self.saved, lambda array: array)
        self.packed, self.unpacked = False, True

    def __repr__(self) -> str:
        return f"<{self.label}Backward>"


class Handle:
    """Takes a hook away again."""

    def __init__(self, hooks: list[Any], hook: Any) -> None:
        self._hooks, self._hook = hooks, hook

    def remove(self) -> None:
        """Remove the hook; a second call does nothing."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class Packed(NamedTuple):
    """What stands in for a saved array."""

    value: Any
    unpack: Callable[..., Any]


class AccumulateGrad(NamedTuple):
    """Where a path ends: the leaf `variable`, whose `.grad` takes the gradient."""

    variable: Any

    @property
    def next_functions(self) -> tuple[()]:
        """Nothing: a leaf is the end."""
        return ()

    def name(self) -> str:
        """As torch calls it."""
        return "AccumulateGrad"


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
    on_tensors: bool = False,
) -> dict[Any, Any]:
    """Propagate `seeds` from `roots` to the leaves, or to `targets` alone.

    Args:
        roots: Edges (nodes or leaf tensors) to start from.
        seeds: Their gradients: arrays, or tensors if the pass runs on tensors.
        retain_graph: Keep what the rules saved for another pass.
        create_graph: Record the pass itself.
        targets: If given, only these edges receive gradients and no `.grad` is touched.
        on_tensors: Run the rules on tensors although the pass is not recorded: the seeds are
            batches of `vmap`.

    Returns:
        The gradients of `targets`; empty without targets.
    """
    if not (create_graph or on_tensors or (mode.detour and mode.levels)):
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
    last_write, watchers = versions.last_write, mode.watchers
    silenced = None  # NumPy's warnings, from the first rule on that may divide by zero
    arrived = (
        zip(roots, seeds, strict=True)
        if useful is None
        else ((root, seed) for root, seed in zip(roots, seeds, strict=True) if root in useful)
    )
    for root, seed in arrived:
        if root in pending:
            pending[root] = pending[root] + seed
            continue
        pending[root] = seed
        heappush(heap, (-root.seq, root)) if isinstance(root, Node) else leaves.append(root)
    try:
        while heap:
            node = heappop(heap)[1]
            gradient = pending.pop(node)
            pull = node.pull
            if node.special or watchers:
                if node.quiet and silenced is None:
                    silenced = np.errstate(all="ignore")
                    silenced.__enter__()
                gradient, pull = _observe(node, gradient, tensors)
            edges = node.edges
            if useful is not None:
                if node in targets:  # type: ignore[operator]
                    captured[node] = gradient
                edges = tuple(edge if edge in useful else None for edge in edges)
            if node.__class__ is Output:
                _gather(edges[0], node.index, gradient, pending, heap)
                continue
            saved = node.saved
            if saved is None or node.seq < last_write[0]:
                _check(node)
            results = pull(gradient, edges, node.revived() if tensors else saved)
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
        found = None if useful is None else captured
        for leaf in leaves:
            _deliver(leaf, pending[leaf], leaf in owned, found, create)
    finally:
        if silenced is not None:
            silenced.__exit__(None, None, None)
    return captured


def _deliver(
    leaf: Tensor, gradient: Any, owned: bool, captured: dict[Any, Any] | None, create: bool
) -> None:
    """Hand a leaf its gradient, or note it, after the leaf's hooks have seen it."""
    hooks = leaf._hooks
    if hooks:
        gradient, owned = _call_hooks(hooks, gradient), False
    if captured is not None:
        captured[leaf] = gradient
        return
    leaf._accumulate(gradient, owned, create)
    for hook in tuple(getattr(hooks, "after", ())):
        hook(leaf)


def _check(node: Node) -> None:
    """Raise if what the rules saved was freed, or written to since."""
    if node.saved is None:
        raise GraphError(_FREED.format(node.label))
    if not node.unpacked:
        versions.check(node.label, node.seq, _flat(node.saved))


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
    before = slots[index]  # a saved output that was revived is another edge to the same slot
    slots[index] = gradient if before is None else before + gradient


def _call_hooks(hooks: Sequence[Any], gradient: Any) -> Any:
    from .tensor import call_hooks  # the tensor knows the engine, not the other way round

    return call_hooks(hooks, gradient)


def _observe(node: Node, gradient: Any, tensors: bool) -> tuple[Any, Callable[..., Any]]:
    """Run the hooks on the gradient that has come, keep it if asked to, put hooks around `pull`."""
    if node.packed:
        node.unpack()
    if node.watched:
        if node.hooks:
            gradient = _call_hooks(node.hooks, gradient)
        kept = node.retained() if node.retained is not None else None
        if kept is not None:
            kept._accumulate(gradient, False, tensors)
        for before in tuple(node.before or ()):
            gradient = _hooked(gradient, before)
    pull: Any = node.pull
    if mode.watchers:
        pull = watched("backward", node.label, node, pull)
    if not node.after:
        return gradient, pull

    def observed(gradient: Any, edges: Any, saved: Any) -> Any:
        results = pull(gradient, edges, saved)
        for after in tuple(node.after or ()):
            results = _hooked(tuple(results), after, _as_tensors(gradient))
        return results

    return gradient, observed


def _as_tensors(gradient: Any) -> tuple[Any, ...]:
    from .tensor import Tensor, wrap

    parts = gradient if isinstance(gradient, (tuple, list)) else (gradient,)
    return tuple(p if p is None or isinstance(p, Tensor) else wrap(asarray(p)) for p in parts)


def _hooked(gradients: Any, hook: Callable[..., Any], *others: Any) -> Any:
    """`gradients` as `hook`, which sees a tuple of tensors, leaves them."""
    given = _as_tensors(gradients)
    found = hook(given, *others)
    if found is None:
        return gradients
    found = found if isinstance(found, tuple) else (found,)
    if len(found) != len(given):
        raise GraphError(f"hook: expected None or {len(given)} gradients, got {len(found)}")
    several = isinstance(gradients, (tuple, list))
    plain = any(isinstance(p, ndarray) for p in (gradients if several else (gradients,)))
    back = [None if p is None else p._data if plain else p for p in found]
    return back if several else back[0]


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


def _each_array(saved: Any, change: Callable[[Any], Any]) -> Any:
    """`saved` with its arrays, and what stands in for them, changed."""
    if isinstance(saved, Packed):
        return saved.unpack(saved.value)
    if isinstance(saved, ndarray):
        return change(saved)
    if hasattr(saved, "_data"):  # a tensor that a custom Function saved
        return change(saved._data)
    if isinstance(saved, (tuple, list)):
        parts = [_each_array(value, change) for value in saved]
        return type(saved)(*parts) if hasattr(saved, "_fields") else type(saved)(parts)
    return saved
