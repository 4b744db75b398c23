"""Optimizer: parameter groups, state, and saving both."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import ArgumentError, ArgumentTypeError, StateDictError
from ..mode import enable_grad
from ..tensor import Tensor, array_of, wrap
from ..versions import written


class Optimizer:
    """Base of optimizers: a subclass gives the options' defaults and updates one array.

    Args:
        params: Tensors, or dicts with "params" and options of their own.
        defaults: Options of the groups that do not state them.

    Raises:
        ArgumentError: No parameters, one given twice, or an option out of range.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise ArgumentTypeError(
                f"params: expected an iterable of tensors or dicts, got {type(params).__name__}"
            )
        self.defaults = defaults
        self.state: dict[Tensor, dict[str, Any]] = {}
        self.param_groups: list[dict[str, Any]] = []
        given = list(params)
        if not given:
            raise ArgumentError("optimizer got an empty parameter list")
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    def check(self, group: dict[str, Any]) -> None:
        """Raise ArgumentTypeError for an option that is no number, ArgumentError for one < 0."""
        for name in {"lr", "weight_decay", "momentum", "dampening", "eps"} & set(group):
            if not isinstance(group[name], Real):
                raise ArgumentTypeError(f"{name}: expected a number, got {group[name]!r}")
            if name != "dampening" and not group[name] >= 0:
                raise ArgumentError(f"invalid {name}: {group[name]} (expected >= 0)")

    def add_param_group(self, group: dict[str, Any]) -> None:
        """Add parameters with options of their own."""
        tensors = group["params"]
        tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
        known = {id(p) for g in self.param_groups for p in g["params"]}
        for tensor in tensors:
            if not isinstance(tensor, Tensor):
                raise ArgumentTypeError(f"params: expected tensors, got {type(tensor).__name__}")
            if not tensor.is_leaf:
                raise ArgumentError("can't optimize a tensor that is not a leaf")
            if id(tensor) in known:
                raise ArgumentError(f"a parameter of shape {tensor.shape} appears twice")
            known.add(id(tensor))
        made = {**self.defaults, **group, "params": tensors}
        self.check(made)
        self.param_groups.append(made)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or fill them with 0."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none or parameter.grad is None:
                    parameter._grad = None
                else:
                    parameter.grad = parameter.grad.detach().zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; returns the closure's loss, if given."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is not None:
                    state = self.state.get(parameter)
                    if state is None:
                        state = self.state[parameter] = {}
                    self.update(parameter._data, gradient._data, state, group)
                    written(parameter._data)
        return loss

    def update(
        self, value: Array, gradient: Array, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Change `value` in place; `gradient` is not to be changed."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """State and groups, with parameters replaced by their numbers, as in torch."""
        order = [p for group in self.param_groups for p in group["params"]]
        number = {id(p): i for i, p in enumerate(order)}
        return {
            "state": {
                number[id(p)]: {
                    key: wrap(v.copy()) if isinstance(v, np.ndarray) else v
                    for key, v in state.items()
                    if not key.startswith("_")
                }
                for p, state in self.state.items()
            },
            "param_groups": [
                {
                    **copy.deepcopy({k: v for k, v in group.items() if k != "params"}),
                    "params": [number[id(p)] for p in group["params"]],
                }
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` gave, for the same parameters in the same order."""
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= set(state_dict):
            raise StateDictError("optimizer state: expected a dict with state and param_groups")
        groups = state_dict["param_groups"]
        sizes = [len(group["params"]) for group in self.param_groups]
        if [len(group["params"]) for group in groups] != sizes:
            raise StateDictError(
                f"optimizer state: groups of {[len(g['params']) for g in groups]} parameters do "
                f"not fit groups of {sizes}"
            )
        order = [p for group in self.param_groups for p in group["params"]]
        self.state = {
            order[int(i)]: {
                key: array_of(v).copy() if isinstance(v, (Tensor, np.ndarray)) else v
                for key, v in state.items()
            }
            for i, state in state_dict["state"].items()
        }
        for own, loaded in zip(self.param_groups, groups, strict=True):
            own.update({k: copy.deepcopy(v) for k, v in loaded.items() if k != "params"})


def buffer(state: dict[str, Any], value: Array) -> Array:
    """Scratch memory of the shape of `value`, kept between steps and out of the state dict."""
    scratch: Array | None = state.get("_scratch")
    if scratch is None:
        scratch = state["_scratch"] = np.empty_like(value)
    return scratch


_BLOCK = 16_384  # elements that stay in the cache between two passes: 1.5 times faster


def add_scaled(value: Array, other: Array, factor: float) -> None:
    """``value += factor * other`` in place, block by block."""
    if not (value.flags.c_contiguous and other.flags.c_contiguous and value.size > _BLOCK):
        value += other * factor
        return
    target, source = value.reshape(-1), other.reshape(-1)
    scratch = np.empty(_BLOCK, value.dtype)
    for start in range(0, target.size, _BLOCK):
        part = target[start : start + _BLOCK]
        scaled = scratch[: part.size]
        np.multiply(source[start : start + _BLOCK], factor, out=scaled)
        part += scaled
