"""`Function`: an operation of the user's own, with its own gradient, as in torch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import versions, views
from .engine import Node, Output
from .errors import ArgumentTypeError, GraphError, ShapeError
from .mode import mode, no_grad
from .registry import op
from .tensor import Tensor, edge_of, wrap


class FunctionCtx(Node):
    """What `forward` leaves for `backward`; any attribute may be set on it."""

    __slots__ = (
        "_dirty",
        "_function",
        "_inputs",
        "_materialize",
        "_non_differentiable",
        "_shapes",
        "_tensors",
    )

    def __init__(self, function: type[Function], inputs: Sequence[Any]) -> None:
        self._function = function
        self._tensors: tuple[Any, ...] = ()
        self._materialize = True
        self._non_differentiable: tuple[Any, ...] = ()
        self._dirty: tuple[Any, ...] = ()
        self._shapes: list[tuple[tuple[int, ...], Any]] = []
        self.edges = tuple(edge_of(v) if isinstance(v, Tensor) else None for v in inputs)
        self.saved = ()
        self.seq = versions.next_sequence()

    @property
    def label(self) -> str:
        """The name of the user's class."""
        return self._function.__name__

    @property
    def needs_input_grad(self) -> tuple[bool, ...]:
        """For each argument of `forward`, whether a gradient is asked for."""
        return tuple(edge is not None for edge in self.edges)

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors (inputs or results) for `backward`; they are freed after it."""
        for value in tensors:
            if value is not None and not isinstance(value, Tensor):
                raise ArgumentTypeError(f"save_for_backward: expected tensors, got {type(value)}")
        self._tensors = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What was saved, at its place in the graph."""
        if self.saved is None:
            raise GraphError(f"{self.label}: the saved tensors were freed by an earlier pass")
        return tuple(self.saved[0]) if self.saved else self._tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for `jvp`; they are the same as those for `backward`, if that is called."""
        if not self._tensors:
            self.save_for_backward(*tensors)

    def mark_dirty(self, *tensors: Tensor) -> None:
        """These arguments were written in place, and are results too."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """These results need no gradient."""
        self._non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether `backward` sees zeros (the default) or None for results without gradient."""
        self._materialize = value

    def pull(self, gradient: Any, edges: Sequence[Any], saved: Any) -> Sequence[Any]:
        """Run the user's rule on tensors, and hand back what the engine works on."""
        several = self.outputs > 1
        given = list(gradient) if several else [gradient]
        on_arrays = all(not isinstance(g, Tensor) for g in given)
        tensors = [g if g is None or isinstance(g, Tensor) else wrap(g) for g in given]
        if self._materialize:
            tensors = [
                wrap(np.zeros(*self._shapes[i])) if g is None else g for i, g in enumerate(tensors)
            ]
        if on_arrays:
            with no_grad():
                results = self._function.backward(self, *tensors)
        else:
            results = self._function.backward(self, *tensors)
        results = results if isinstance(results, tuple) else (results,)
        if len(results) != len(edges):
            raise GraphError(
                f"{self.label}.backward returned {len(results)} gradients for {len(edges)} inputs"
            )
        for number, (result, edge) in enumerate(zip(results, edges, strict=True)):
            if edge is not None and result is not None:
                self._check_gradient(number, result, edge)
        # A view, for a user's rule may return anything, also a saved tensor or one tensor twice.
        return [r._data[...] if on_arrays and isinstance(r, Tensor) else r for r in results]

    def _check_gradient(self, number: int, result: Any, edge: Any) -> None:
        if not isinstance(result, Tensor):
            raise ArgumentTypeError(
                f"{self.label}.backward: expected a tensor or None as gradient {number}, got "
                f"{type(result).__name__}"
            )
        if isinstance(edge, Tensor) and result.shape != edge.shape:
            raise ShapeError(
                f"{self.label}.backward: gradient {number} has shape {result.shape}, but the input "
                f"{edge.shape}"
            )


class Function:
    """Base of operations with a gradient of their own; define `forward` and `backward`.

    ``forward(ctx, *args)`` computes on tensors without being recorded and saves on `ctx`;
    ``backward(ctx, *grads)`` returns one gradient (or None) for each argument of `forward`.
    ``jvp(ctx, *tangents)`` may be defined for forward mode. Call it by ``apply``. As in torch,
    `forward` may also go without `ctx`, which ``setup_context(ctx, inputs, output)`` then gets.
    """

    setup_context: Any = None

    @staticmethod
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        """Compute the result; to be defined."""
        raise NotImplementedError("Function: define forward(ctx, …)")

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Compute the gradients of the arguments; to be defined."""
        raise NotImplementedError("Function: define backward(ctx, …)")

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """Compute the tangent of the result; to be defined for forward mode."""
        raise NotImplementedError("Function: define jvp(ctx, …) to use it in forward mode")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Call the operation and record it."""
        ctx = FunctionCtx(cls, args)
        recorded = mode.grad and any(edge is not None for edge in ctx.edges)
        if mode.watchers:
            ctx.place = versions.user_line()
        levels, mode.levels = mode.levels, ()
        try:
            with no_grad():
                if cls.setup_context is None:
                    result = cls.forward(ctx, *args)
                else:
                    result = cls.forward(*args)
                    cls.setup_context(ctx, args, result)
        finally:
            mode.levels = levels
        several = isinstance(result, tuple)
        outs = result if several else (result,)
        plain = [out for out in outs if isinstance(out, Tensor)]
        if len(plain) != len(outs):
            raise ArgumentTypeError(f"{cls.__name__}.forward: expected tensors as results")
        ctx.outputs = len(outs)
        ctx._shapes = [(out.shape, out.dtype) for out in outs]
        made = [_made(ctx, out, i, recorded, args) for i, out in enumerate(outs)]
        if recorded:
            replaced = {id(old): new for old, new in zip(outs, made, strict=True)}
            for place, value in enumerate(ctx._tensors):
                if id(value) in replaced:  # a saved result: without the graph, to avoid a cycle
                    ctx._tensors = (
                        *ctx._tensors[:place],
                        wrap(value._data),
                        *ctx._tensors[place + 1 :],
                    )
            ctx.saved = (ctx._tensors,)
            ctx._tensors = ()
            if mode.packing is not None:
                ctx.pack(*mode.packing)
        if levels:
            _push(cls, ctx, args, made, levels)
        return tuple(made) if several else made[0]


def _made(ctx: FunctionCtx, out: Tensor, index: int, recorded: bool, args: Sequence[Any]) -> Tensor:
    fixed = any(out is t for t in ctx._non_differentiable) or out.dtype.kind not in "fc"
    node = (Output(ctx, index) if ctx.outputs > 1 else ctx) if recorded and not fixed else None
    if any(out is t for t in ctx._dirty):
        if recorded:
            views.check_writable(out, ctx.label)
            views.rebase(out, wrap(out._data, node))
        return out
    return wrap(out._data[...] if any(out is arg for arg in args) else out._data, node)


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """For a `backward` that computes on arrays: using its result in a graph is an error."""

    @functools.wraps(backward)
    def wrapped(ctx: Any, *grads: Any) -> Any:
        with no_grad():
            results = backward(ctx, *grads)
        if not mode.grad:
            return results
        several = isinstance(results, tuple)
        nowhere = wrap(np.zeros(())).requires_grad_()
        found = tuple(
            _Refusing.apply(r, nowhere) if isinstance(r, Tensor) else r
            for r in (results if several else (results,))
        )
        return found if several else found[0]

    return wrapped


class _Refusing(Function):
    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        return args[0].clone()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise GraphError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )


def _push(
    cls: type[Function], ctx: FunctionCtx, args: Sequence[Any], made: list[Tensor], levels: Any
) -> None:
    held = [getattr(a, "_tangents", None) or {} if isinstance(a, Tensor) else {} for a in args]
    try:
        for depth, level in enumerate(levels):
            tangents = [h.get(level) for h in held]
            if all(t is None for t in tangents):
                continue
            mode.levels = levels[:depth]
            filled = [
                op.zeros_like(a) if t is None and isinstance(a, Tensor) else t
                for a, t in zip(args, tangents, strict=True)
            ]
            result = cls.jvp(ctx, *filled)
            for out, tangent in zip(
                made, result if isinstance(result, tuple) else (result,), strict=True
            ):
                out._tangents = {**getattr(out, "_tangents", {}), level: tangent}
    finally:
        mode.levels = levels
