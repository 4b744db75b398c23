"""Module: the base of everything with parameters."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..dtypes import as_dtype
from ..errors import ArgumentTypeError, StateDictError
from ..tensor import RemovableHandle, Tensor, array_of
from ..versions import written
from .parameter import Buffer, Parameter

_M = TypeVar("_M", bound="Module")


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` did not find, and what it had no place for."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """Base of layers and models: assign parameters and modules as attributes, define `forward`.

    Names, order and state dict keys are torch's.
    """

    training: bool = True
    forward: Callable[..., Any]

    def __init__(self) -> None:
        fields = self.__dict__
        fields["_parameters"] = {}
        fields["_buffers"] = {}
        fields["_modules"] = {}
        fields["_hooks_before"] = []
        fields["_hooks_after"] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the hooks, if there are any, and `forward`."""
        if self._hooks_before or self._hooks_after:
            return self._with_hooks(args, kwargs)
        return self.forward(*args, **kwargs)

    def _with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for hook in tuple(self._hooks_before):
            changed = hook(self, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        result = self.forward(*args, **kwargs)
        for hook in tuple(self._hooks_after):
            changed = hook(self, args, result)
            result = result if changed is None else changed
        return result

    def register_forward_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, args)`` before `forward`; it may return other arguments."""
        self._hooks_before.append(hook)
        return RemovableHandle(self._hooks_before, hook)

    def register_forward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, args, result)`` after `forward`; it may return another result."""
        self._hooks_after.append(hook)
        return RemovableHandle(self._hooks_after, hook)

    # ---- attributes ---------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        fields = self.__dict__
        places = [fields.get(key) for key in ("_parameters", "_buffers", "_modules")]
        if isinstance(value, (Parameter, Buffer, Module)):
            if places[0] is None:
                raise AttributeError(
                    f"call {type(self).__name__}'s super().__init__() before assigning {name!r}"
                )
            kind = (Parameter, Buffer, Module).index(
                next(k for k in (Parameter, Buffer, Module) if isinstance(value, k))
            )
            for place in places:
                place.pop(name, None)  # type: ignore[union-attr]
            fields.pop(name, None)
            places[kind][name] = value  # type: ignore[index]
            return
        for place in places:
            if place is not None and name in place:
                if value is not None and not (isinstance(value, Tensor) and place is places[1]):
                    raise ArgumentTypeError(
                        f"cannot assign a {type(value).__name__} as {name!r}, which is registered "
                        "as a parameter, buffer or module (None or one of these is expected)"
                    )
                place[name] = value
                return
        fields[name] = value

    def __getattr__(self, name: str) -> Any:
        for key in ("_parameters", "_buffers", "_modules"):
            place = self.__dict__.get(key)
            if place is not None and name in place:
                return place[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        for key in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__[key]:
                del self.__dict__[key][name]
                return
        super().__delattr__(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Register a parameter, or None to keep the name free."""
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Register a tensor that is saved (unless not `persistent`) but not trained."""
        self._buffers[name] = None if tensor is None else Buffer(tensor, persistent=persistent)

    def add_module(self, name: str, module: Module | None) -> None:
        """Register a module under `name`."""
        self._modules[name] = module

    # ---- walking ------------------------------------------------------------------------------

    def named_modules(
        self, memo: set[int] | None = None, prefix: str = ""
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it, each once, with dotted names."""
        memo = set() if memo is None else memo
        if id(self) in memo:
            return
        memo.add(id(self))
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(memo, f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator[Module]:
        """This module and all below it."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly below, with names."""
        return ((name, child) for name, child in self._modules.items() if child is not None)

    def children(self) -> Iterator[Module]:
        """The modules directly below."""
        return (child for _, child in self.named_children())

    def _named(self, place: str, recurse: bool) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for prefix, module in self.named_modules() if recurse else [("", self)]:
            for name, value in module.__dict__[place].items():
                if value is not None and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{prefix}.{name}" if prefix else name, value

    def named_parameters(self, recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """Parameters, each once, with dotted names."""
        return self._named("_parameters", recurse)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Parameters, each once."""
        return (value for _, value in self.named_parameters(recurse))

    def named_buffers(self, recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Buffers, each once, with dotted names."""
        return self._named("_buffers", recurse)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Buffers, each once."""
        return (value for _, value in self.named_buffers(recurse))

    def apply(self: _M, function: Callable[[Module], Any]) -> _M:
        """Call `function` on every module below, then on this one; returns the module."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    # ---- state --------------------------------------------------------------------------------

    def train(self: _M, mode: bool = True) -> _M:
        """Put this module and all below it into training (or evaluation) mode."""
        for module in self.modules():
            module.training = bool(mode)
        return self

    def eval(self: _M) -> _M:
        """Put this module and all below it into evaluation mode."""
        return self.train(False)

    def requires_grad_(self: _M, requires_grad: bool = True) -> _M:
        """Switch the training of all parameters on or off."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill them with 0."""
        for parameter in self.parameters():
            if set_to_none or parameter.grad is None:
                parameter.grad = None
            else:
                parameter.grad = parameter.grad.detach().zero_()

    def to(self: _M, dtype: Any) -> _M:
        """Cast all floating parameters, their gradients and buffers to `dtype`, in place."""
        dtype = as_dtype(dtype)
        if dtype.kind != "f":
            raise ArgumentTypeError(f"Module.to: expected a floating dtype, got {dtype}")
        for _, value in (*self.named_parameters(), *self.named_buffers()):
            if value.dtype.kind == "f":
                gradient, value.grad = value.grad, None
                value._data = value._data.astype(dtype, copy=False)
                if gradient is not None:
                    value.grad = gradient.detach().to(dtype)
        return self

    def float(self: _M) -> _M:
        """Cast to float32."""
        return self.to(np.float32)

    def double(self: _M) -> _M:
        """Cast to float64."""
        return self.to(np.float64)

    def half(self: _M) -> _M:
        """Cast to float16."""
        return self.to(np.float16)

    def state_dict(self) -> OrderedDict[str, Tensor]:
        """Parameters and persistent buffers by dotted name, on the same memory, without graph."""
        state: OrderedDict[str, Tensor] = OrderedDict()
        self._collect(state, "")
        return state

    def _collect(self, state: dict[str, Tensor], prefix: str) -> None:
        for name, value in (*self._parameters.items(), *self._buffers.items()):
            if value is not None and getattr(value, "persistent", True):
                state[prefix + name] = value.detach()
        for name, child in self.named_children():
            child._collect(state, f"{prefix}{name}.")

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True
    ) -> IncompatibleKeys:
        """Copy tensors or arrays into parameters and buffers by name.

        Nothing is written unless all shapes fit, and with `strict` all keys.

        Raises:
            StateDictError: Lists missing and unexpected keys, and shapes that differ.
        """
        if not isinstance(state_dict, Mapping):
            raise ArgumentTypeError(
                f"load_state_dict: expected a dict, got {type(state_dict).__name__}"
            )
        own = self.state_dict()
        missing = [key for key in own if key not in state_dict]
        unexpected = [key for key in state_dict if key not in own]
        arrays = {key: array_of(value) for key, value in state_dict.items() if key in own}
        problems = []
        if strict and unexpected:
            problems.append(f"Unexpected key(s) in state_dict: {', '.join(map(repr, unexpected))}.")
        if strict and missing:
            problems.append(f"Missing key(s) in state_dict: {', '.join(map(repr, missing))}.")
        problems += [
            f"size mismatch for {key}: copying a param with shape {array.shape} from checkpoint, "
            f"the shape in current model is {own[key].shape}."
            for key, array in arrays.items()
            if array.shape != own[key].shape
        ]
        if problems:
            listed = "\n\t".join(problems)
            raise StateDictError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{listed}"
            )
        for key, array in arrays.items():
            np.copyto(own[key]._data, array, casting="unsafe")
            written(own[key]._data)
        return IncompatibleKeys(missing, unexpected)

    # ---- text ---------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What the text of this module says between its parentheses."""
        return ""

    def __repr__(self) -> str:
        children = [
            f"({name}): " + repr(child).replace("\n", "\n  ")
            for name, child in self.named_children()
        ]
        extra = self.extra_repr()
        if not children:
            return f"{type(self).__name__}({extra})"
        lines = "\n  ".join(([extra] if extra else []) + children)
        return f"{type(self).__name__}(\n  {lines}\n)"
