"""Hooks of modules: called before and after `forward`, and around the backward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..function import Function
from ..tensor import RemovableHandle, Tensor

_LISTS = ("_hooks_before", "_hooks_after", "_hooks_backward_before", "_hooks_backward")
_STATE = ("_state_hooks", "_state_pre_hooks", "_load_hooks", "_load_pre_hooks")


class Hooked:
    """The part of `Module` that runs hooks."""

    forward: Callable[..., Any]
    _hooks_before: list[Any]
    _hooks_after: list[Any]
    _hooks_backward_before: list[Any]
    _hooks_backward: list[Any]
    _with_kwargs: set[int]

    @staticmethod
    def _no_hooks() -> dict[str, Any]:
        return {
            **{name: [] for name in (*_LISTS, *_STATE)},
            "_hooked": False,
            "_with_kwargs": set(),
        }

    def _register(
        self, name: str, hook: Callable[..., Any], prepend: bool, with_kwargs: bool = False
    ) -> RemovableHandle:
        hooks = self.__dict__[name]
        hooks.insert(0 if prepend else len(hooks), hook)
        if with_kwargs:
            self._with_kwargs.add(id(hook))
        self.__dict__["_hooked"] = True
        return RemovableHandle(hooks, hook)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before `forward`; it may return other arguments.

        With `with_kwargs` it is ``hook(module, args, kwargs)`` and may return both.
        """
        return self._register("_hooks_before", hook, prepend, with_kwargs)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args, result)`` after `forward`; it may return another result.

        With `with_kwargs` it is ``hook(module, args, kwargs, result)``.
        """
        return self._register("_hooks_after", hook, prepend, with_kwargs)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` when the gradients of the result are there.

        It may return others, which the backward pass goes on with.
        """
        return self._register("_hooks_backward_before", hook, prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` once the inputs have their gradients.

        It may return other gradients of the inputs. Inputs are the tensors among the positional
        arguments; without one that requires a gradient `grad_input` holds None.
        """
        return self._register("_hooks_backward", hook, prepend)

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for hook in tuple(self._hooks_before):
            if id(hook) in self._with_kwargs:
                changed = hook(self, args, kwargs)
                if changed is not None:
                    args, kwargs = changed
                continue
            changed = hook(self, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        watched = _Watched(self) if self._hooks_backward or self._hooks_backward_before else None
        if watched is not None:
            args = watched.enter(args)
        result = self.forward(*args, **kwargs)
        for hook in tuple(self._hooks_after):
            if id(hook) in self._with_kwargs:
                changed = hook(self, args, kwargs, result)
            else:
                changed = hook(self, args, result)
            result = result if changed is None else changed
        return result if watched is None else watched.leave(result)


class _Watched:
    """One call of a module with backward hooks: the gradients that pass out and in."""

    def __init__(self, module: Hooked) -> None:
        self.module = module
        self.grad_output: tuple[Any, ...] = ()
        self.reaches_inputs = False
        self.inputs = 0

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """`args` with its tensors passed through the gate of the inputs."""
        places = [i for i, value in enumerate(args) if isinstance(value, Tensor)]
        self.inputs = len(args)
        self.reaches_inputs = any(args[i].requires_grad for i in places)
        if not self.reaches_inputs:
            return args
        passed = _through(_Inputs, self, [args[i] for i in places])
        changed = list(args)
        for i, value in zip(places, passed, strict=True):
            changed[i] = value
        return tuple(changed)

    def leave(self, result: Any) -> Any:
        """`result` with its tensors passed through the gate of the outputs."""
        parts = result if isinstance(result, (tuple, list)) else (result,)
        places = [i for i, value in enumerate(parts) if isinstance(value, Tensor)]
        changed = list(parts)
        for i, value in zip(
            places, _through(_Outputs, self, [parts[i] for i in places]), strict=True
        ):
            changed[i] = value
        return type(result)(changed) if isinstance(result, (tuple, list)) else changed[0]

    def arrived(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        """The gradients of the result, after the hooks that come before."""
        for hook in tuple(self.module._hooks_backward_before):
            changed = hook(self.module, grads)
            if changed is not None:
                grads = changed if isinstance(changed, tuple) else (changed,)
        self.grad_output = grads
        if not self.reaches_inputs:
            self.left((None,) * self.inputs)
        return grads

    def left(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        """The gradients of the inputs, after the hooks."""
        for hook in tuple(self.module._hooks_backward):
            changed = hook(self.module, grads, self.grad_output)
            if changed is not None:
                grads = changed if isinstance(changed, tuple) else (changed,)
        return grads


def _through(gate: type[Function], watched: _Watched, tensors: list[Any]) -> Any:
    passed = gate.apply(watched, *tensors)
    return passed if isinstance(passed, tuple) else (passed,)


class _Gate(Function):
    """The identity; its backward pass tells who watches."""

    @staticmethod
    def forward(ctx: Any, watched: _Watched, *tensors: Any) -> Any:
        """The tensors as they are."""
        ctx.watched = watched
        ctx.set_materialize_grads(False)
        return tuple(tensors) if len(tensors) != 1 else tensors[0]

    @staticmethod
    def jvp(ctx: Any, watched: Any, *tangents: Any) -> Any:
        """The tangents as they are."""
        return tuple(tangents) if len(tangents) != 1 else tangents[0]


class _Inputs(_Gate):
    """Through which the arguments of a watched module go."""

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Tell, and pass on."""
        return (None, *ctx.watched.left(grads))


class _Outputs(_Gate):
    """Through which the results of a watched module go."""

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Tell, and pass on."""
        return (None, *ctx.watched.arrived(grads))
