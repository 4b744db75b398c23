"""One call of a function by a transform of `func`: its results, and what pulls gradients back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import engine, tree
from .autograd import grad as autograd_grad
from .batching import NeedsLoop, batches, logical, physical
from .engine import Node
from .errors import ArgumentError, ArgumentTypeError
from .mode import enable_grad, mode, no_grad
from .registry import op
from .tensor import Tensor, edge_of

Argnums = int | tuple[int, ...]


class Run:
    """One call of `function` on fresh leaves in the place of some of its arguments."""

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        argnums: Argnums,
        has_aux: bool,
    ) -> None:
        numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        for number in numbers:
            if not -len(args) <= number < len(args):
                raise ArgumentError(f"{name}: argnums {number}, but {len(args)} arguments")
        numbers = tuple(number % len(args) for number in numbers)
        chosen = tuple(args[number] for number in numbers)
        self.name, self.wanted = name, chosen[0] if isinstance(argnums, int) else chosen
        self.depth = len(mode.batches)
        given = tree.leaves(self.wanted)
        outer = mode.grad
        with enable_grad():
            self.leaves = [self._leaf(value) for value in given]
            fresh = iter(self.leaves)
            replaced = list(args)
            for number in numbers:
                replaced[number] = tree.mapped(lambda _: logical(next(fresh)), args[number])
            result = function(*replaced, **kwargs)
            self.aux = None
            if has_aux:
                if not isinstance(result, tuple) or len(result) != 2:
                    raise ArgumentTypeError(f"{name}: expected (output, aux) from the function")
                result, self.aux = result
            self.result = result
            self.outputs = [self._output(value) for value in tree.leaves(result)]
        own = {edge_of(leaf) for leaf in self.leaves}
        self.create = outer and (
            any(value.requires_grad for value in given) or _reaches_others(self.outputs, own)
        )

    def _leaf(self, value: Any) -> Tensor:
        if not isinstance(value, Tensor):
            raise ArgumentTypeError(
                f"{self.name}: expected tensors to differentiate by, got {type(value).__name__}"
            )
        made: Tensor = op.alias(physical(value))
        return made if made._node is not None else made.requires_grad_()

    def _output(self, value: Any) -> Tensor:
        if not isinstance(value, Tensor):
            raise ArgumentTypeError(
                f"{self.name}: expected tensors from the function, got {type(value).__name__}"
            )
        out: Tensor = physical(value)
        return out

    def pull(self, seeds: Sequence[Any], create: bool) -> Any:
        """Gradients in the structure of what was asked for."""
        pairs = [(o, s) for o, s in zip(self.outputs, seeds, strict=True) if o.requires_grad]
        if len(mode.batches) > self.depth and batches(seeds):
            if self.depth:
                raise NeedsLoop(f"{self.name}: batches of seeds for a function of a batch")
            return tree.rebuild(self.wanted, self._pull_batch(pairs, create))
        if pairs:
            outs, given = zip(*pairs, strict=True)
            with enable_grad() if create else no_grad():
                found = autograd_grad(
                    outs, self.leaves, given, True, create, materialize_grads=True
                )
        else:
            found = tuple(op.zeros_like(leaf) for leaf in self.leaves)
        return tree.rebuild(self.wanted, [logical(value, self.depth) for value in found])

    def _pull_batch(self, pairs: list[tuple[Tensor, Any]], create: bool) -> list[Any]:
        """Gradients for batches of seeds, of a `vmap` that began after the function had run."""
        targets = [edge_of(leaf) for leaf in self.leaves]
        roots, given = [edge_of(out) for out, _ in pairs], [seed for _, seed in pairs]
        found = engine.run(roots, given, True, create, set(targets), on_tensors=True)
        pulled = (found.get(target) for target in targets)
        return [
            op.zeros_like(leaf) if gradient is None else gradient
            for leaf, gradient in zip(self.leaves, pulled, strict=True)
        ]

    def value(self) -> Any:
        """The result, in an outer graph only if there is one."""
        return self.result if self.create else tree.mapped(_apart, self.result)

    def extra(self) -> Any:
        """The auxiliary result, likewise."""
        return self.aux if self.create else tree.mapped(_apart, self.aux)


def _apart(value: Any) -> Any:
    """A tensor without the graph, but with its tangents."""
    if not isinstance(value, Tensor):
        return value
    with no_grad():
        return op.alias(value)


def _reaches_others(outputs: Sequence[Tensor], own: set[Any]) -> bool:
    """Whether the graph of `outputs` has leaves that are not its own."""
    stack = [edge_of(out) for out in outputs]
    seen: set[Any] = set(own)
    while stack:
        edge = stack.pop()
        if edge is None or edge in seen:
            continue
        if not isinstance(edge, Node):
            return True
        seen.add(edge)
        stack.extend(edge.edges)
    return False
