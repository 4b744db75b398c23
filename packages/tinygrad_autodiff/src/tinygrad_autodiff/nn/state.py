"""State dicts: what a module saves, and how it is read back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import ArgumentTypeError, AutodiffError, StateDictError
from ..tensor import RemovableHandle, Tensor, array_of
from ..versions import written

if TYPE_CHECKING:
    from .module import Module

_EXTRA = "_extra_state"


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` did not find, and what it had no place for."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys({self.missing_keys}, {self.unexpected_keys})"


class Stateful:
    """The part of `Module` that saves and loads."""

    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _modules: dict[str, Module | None]
    _state_hooks: list[Callable[..., Any]]
    _state_pre_hooks: list[Callable[..., Any]]
    _load_hooks: list[Callable[..., Any]]
    _load_pre_hooks: list[Callable[..., Any]]

    def get_extra_state(self) -> Any:
        """What else is to be in the state dict; to be defined together with `set_extra_state`."""
        raise NotImplementedError

    def set_extra_state(self, state: Any) -> None:
        """Take back what `get_extra_state` gave."""
        raise NotImplementedError

    def _has_extra_state(self) -> bool:
        return type(self).get_extra_state is not Stateful.get_extra_state

    def state_dict(self, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any:
        """Parameters and persistent buffers by dotted name, on the same memory.

        Args:
            destination: A dict to write into; a new one by default.
            prefix: What every name starts with.
            keep_vars: Hand out the parameters themselves, not tensors without graph.
        """
        state = OrderedDict() if destination is None else destination
        for hook in self._state_pre_hooks:
            hook(self, prefix, keep_vars)
        for name, value in (*self._parameters.items(), *self._buffers.items()):
            if value is not None and getattr(value, "persistent", True):
                state[prefix + name] = value if keep_vars else value.detach()
        if self._has_extra_state():
            state[prefix + _EXTRA] = self.get_extra_state()
        for name, child in self._modules.items():
            if child is not None:
                child.state_dict(state, f"{prefix}{name}.", keep_vars)
        for hook in self._state_hooks:
            changed = hook(self, state, prefix, {})
            state = state if changed is None else changed
        return state

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy tensors or arrays into parameters and buffers by name.

        Nothing is written unless all shapes fit, and with `strict` all keys. With `assign` the
        parameters take the memory and dtype of what is given.

        Raises:
            StateDictError: Lists missing and unexpected keys, shapes that differ, and values that
                are no tensors.
        """
        if not isinstance(state_dict, Mapping):
            raise ArgumentTypeError(
                f"expected state_dict to be dict-like, got {type(state_dict).__name__}"
            )
        state = OrderedDict(state_dict)
        for prefix, module in self._with_prefixes(""):
            for hook in module._load_pre_hooks:
                hook(module, state, prefix, {}, strict, [], [], [])
        own: dict[str, Tensor] = {}
        extra: dict[str, Stateful] = {}
        for prefix, module in self._with_prefixes(""):
            for name, value in (*module._parameters.items(), *module._buffers.items()):
                if value is not None and getattr(value, "persistent", True):
                    own[prefix + name] = value
            if module._has_extra_state():
                extra[prefix + _EXTRA] = module
        missing = [key for key in (*own, *extra) if key not in state]
        unexpected = [key for key in state if key not in own and key not in extra]
        problems: list[str] = []
        arrays = {}
        for key in own:
            if key in state:
                try:
                    arrays[key] = array_of(state[key])
                except AutodiffError as error:
                    kind = type(state[key]).__name__
                    problems.append(f'"{key}": expected a tensor or an array, got {kind}: {error}.')
        problems = self._problems(own, arrays, missing, unexpected, strict) + problems
        if problems:
            listed = "\n\t".join(problems)
            raise StateDictError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{listed}"
            )
        for key, array in arrays.items():
            if assign:
                own[key]._data = array
            else:
                np.copyto(own[key]._data, array.reshape(own[key]._data.shape), casting="unsafe")
                written(own[key]._data)
        for key, module in extra.items():
            if key in state:
                module.set_extra_state(state[key])
        found = IncompatibleKeys(missing, unexpected)
        for _, module in self._with_prefixes(""):
            for hook in module._load_hooks:
                hook(module, found)
        return found

    @staticmethod
    def _problems(
        own: dict[str, Tensor],
        arrays: dict[str, Any],
        missing: list[str],
        unexpected: list[str],
        strict: bool,
    ) -> list[str]:
        """What is wrong, in torch's words and order."""
        problems = []
        for keys, kind in ((missing, "Missing"), (unexpected, "Unexpected")):
            if strict and keys:
                listed = ", ".join(f'"{key}"' for key in keys)
                problems.append(f"{kind} key(s) in state_dict: {listed}. ")
        for key, array in arrays.items():
            one = (
                array.shape == (1,) and not own[key]._data.shape
            )  # as old files hold a single number
            if array.shape != own[key]._data.shape and not one:
                problems.append(
                    f"size mismatch for {key}: copying a param with shape {array.shape} from "
                    f"checkpoint, the shape in current model is {own[key]._data.shape}."
                )
        return problems

    def _with_prefixes(self, prefix: str) -> Iterator[tuple[str, Stateful]]:
        yield prefix, self
        for name, child in self._modules.items():
            if child is not None:
                yield from child._with_prefixes(f"{prefix}{name}.")

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` when a state dict was made."""
        self._state_hooks.append(hook)
        return RemovableHandle(self._state_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before a state dict is made."""
        self._state_pre_hooks.append(hook)
        return RemovableHandle(self._state_pre_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, …)`` before loading; it may change the dict."""
        self._load_pre_hooks.append(hook)
        return RemovableHandle(self._load_pre_hooks, hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` after loading."""
        self._load_hooks.append(hook)
        return RemovableHandle(self._load_hooks, hook)
