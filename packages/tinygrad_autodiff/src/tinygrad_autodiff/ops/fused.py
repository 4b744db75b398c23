"""Fused operations: hand-written passes over arrays, beside their definition as a composition.

A fused op states three things: `forward` and `backward`, fast and on arrays alone, and `composed`,
the same function written in other operations. The composition serves where speed does not matter
and generality does: derivatives of higher order are those of the composition's own backward pass,
forward mode is the composition in forward mode, and the tests hold the fast passes to it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from numpy import ndarray

from .. import engine, forward_ad
from ..mode import enable_grad, mode
from ..op import Op, Saved, op
from ..tensor import Tensor, edge_of, wrap


class Fused(Op):
    """Base of fused operations; ``backward(self, g, …)`` returns a gradient for every input.

    The rule names what it needs as any rule does: inputs, parameters, or attributes listed in
    `kept`, which `forward` sets. ``self.needs`` says which gradients are asked for; the others may
    be None.
    """

    kept: ClassVar[tuple[str, ...]] = ()
    rebuilt: ClassVar[str] = ""  # an input that is not saved: `revive` makes it of what is kept
    composed: ClassVar[Callable[..., Any]]
    needs: tuple[bool, ...]
    _wanted: ClassVar[tuple[int, ...]]

    @classmethod
    def _read_rules(cls) -> None:
        names, kept, count = (*cls.params, *cls.kept), cls.kept, len(cls.params)
        saved = [name != cls.rebuilt for name in cls.params]

        def pick(values: tuple[Any, ...], node: Any) -> tuple[Any, ...]:
            """All arguments; what `forward` left goes over from the node, to be freed with them."""
            given = (v if save else None for v, save in zip(values[:count], saved, strict=True))
            return (*given, *(vars(node).pop(name, None) for name in kept))

        wanted = tuple(inspect.signature(cls.backward).parameters)[2:]
        cls._wanted = tuple(names.index(name) for name in wanted)
        cls.rules, cls.joint, cls.frees = (cls.backward,), True, True
        cls.saves = (Saved(names, pick),)

    def pull(
        self, gradient: Any, edges: Sequence[Any], saved: Any, conjugated: bool = False
    ) -> Sequence[Any]:
        """By the fast rule on arrays, else by the backward pass of the composition."""
        values = saved[0]
        parts = gradient if isinstance(gradient, list) else [gradient]
        if any(isinstance(part, Tensor) for part in parts):
            return self._pull_composed(parts, edges, values)
        self.needs = tuple(edge is not None for edge in edges)
        found = self.backward(gradient, *(values[i] for i in self._wanted))
        return found if isinstance(found, tuple) else (found,)

    def _pull_composed(self, parts: list[Any], edges: Sequence[Any], values: Any) -> list[Any]:
        create, count = mode.grad, len(self.inputs)
        with enable_grad():
            inputs = [wrap(v) if isinstance(v, ndarray) else v for v in values[:count]]
            inputs = [
                _recorded(v) if e is not None else v for v, e in zip(inputs, edges, strict=True)
            ]
            out = self.composed(*inputs, *values[count : len(self.params)])
        pairs = [
            (edge_of(o), g)
            for o, g in zip(out if isinstance(out, tuple) else (out,), parts, strict=True)
            if g is not None and edge_of(o) is not None
        ]
        targets = [
            edge_of(v) if e is not None else None for v, e in zip(inputs, edges, strict=True)
        ]
        found = engine.run(
            [root for root, _ in pairs],
            [seed for _, seed in pairs],
            create,
            create,
            {target for target in targets if target is not None},
            on_tensors=True,
        )
        return [found.get(target) for target in targets]

    @classmethod
    def push(cls, node: Op, args: tuple[Any, ...], tangents: Sequence[Any], out: Any) -> Any:
        """The composition in forward mode."""
        count = len(tangents)
        inputs = [wrap(v) if isinstance(v, ndarray) else v for v in args[:count]]
        return forward_ad.jvp(
            lambda *duals: cls.composed(*duals, *args[count:]), inputs, list(tangents)
        )[1]


def _recorded(value: Any) -> Any:
    """`value` as a tensor that the composition is recorded from, even in a pass that is not."""
    made = op.alias(value)
    return made if made.requires_grad else made.requires_grad_()
