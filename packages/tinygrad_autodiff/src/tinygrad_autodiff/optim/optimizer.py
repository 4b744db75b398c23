"""Optimizer: parameter groups, state, and saving both."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any, ClassVar

import numpy as np

from ..dtypes import Array, get_default_dtype, real_dtype
from ..errors import ArgumentError, ArgumentTypeError, StateDictError
from ..mode import enable_grad
from ..tensor import RemovableHandle, Tensor, array_of, wrap
from ..versions import written


class Optimizer:
    """Base of optimizers: a subclass gives the options' defaults and updates one array.

    Options that choose among torch's implementations (`foreach`, `fused`, `capturable`) are kept
    in the groups and change nothing; ``differentiable=True`` is refused.

    Args:
        params: Tensors, pairs of name and tensor, or dicts with "params" and options of their own.
        defaults: Options of the groups that do not state them.

    Raises:
        ArgumentError: No parameters, one given twice, or an option out of range.
    """

    bounds: ClassVar[dict[str, tuple[float, float]]] = {}  # least and largest of options

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise ArgumentTypeError(
                f"params: expected an iterable of tensors or dicts, got {type(params).__name__}"
            )
        self.defaults = defaults
        self.state: dict[Tensor, dict[str, Any]] = {}
        self.param_groups: list[dict[str, Any]] = []
        self._hooks: dict[str, list[Any]] = {moment: [] for moment in _MOMENTS}
        self._opt_called = False  # schedulers warn if they are stepped first
        given = list(params)
        if not given:
            raise ArgumentError("optimizer got an empty parameter list")
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    def check(self, group: dict[str, Any]) -> None:
        """Raise ArgumentTypeError for an option that is no number, ArgumentError for one < 0."""
        for name in {*_NOT_NEGATIVE, *self.bounds} & set(group):
            value = group[name]
            if name == "eps" and isinstance(value, tuple):
                continue
            if isinstance(value, Tensor) and value.numel() == 1:
                value = value.item()
            if not isinstance(value, Real):
                raise ArgumentTypeError(f"{name}: expected a number, got {value!r}")
            low, high = self.bounds.get(name, (0, math.inf))
            if name != "dampening" and not low <= float(value) <= high:
                end = f" and <= {high}" if high < math.inf else ""
                raise ArgumentError(f"invalid {name}: {value} (expected >= {low}{end})")
        if "betas" in group:
            _check_betas(group["betas"])
        if group.get("differentiable"):
            raise ArgumentError(
                f"{type(self).__name__}: differentiable=True is not supported; write the step in "
                "tensor operations"
            )

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own."""
        given = param_group["params"]
        given = [given] if isinstance(given, Tensor) else list(given)
        names = [part[0] for part in given if isinstance(part, tuple)]
        tensors = [part[1] if isinstance(part, tuple) else part for part in given]
        known = {id(p) for g in self.param_groups for p in g["params"]}
        for tensor in tensors:
            if not isinstance(tensor, Tensor):
                raise ArgumentTypeError(f"params: expected tensors, got {type(tensor).__name__}")
            if not tensor.is_leaf:
                raise ArgumentError("can't optimize a tensor that is not a leaf")
            if id(tensor) in known:
                raise ArgumentError(f"a parameter of shape {tensor.shape} appears twice")
            known.add(id(tensor))
        made = {**self.defaults, **param_group, "params": tensors}
        if names:
            made["param_names"] = names
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
        self._opt_called = True
        for hook in tuple(self._hooks["step_pre"]):
            changed = hook(self, (closure,), {})
            if changed is not None:
                (closure,) = changed[0]
        loss = self.run(closure)
        for hook in tuple(self._hooks["step_post"]):
            hook(self, (closure,), {})
        return loss

    def run(self, closure: Callable[[], Any] | None) -> Any:
        """What `step` does between its hooks."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            options = group
            if isinstance(group.get("lr"), Tensor):
                options = {**group, "lr": group["lr"].item()}
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is not None:
                    state = self.state.get(parameter)
                    if state is None:
                        state = self.state[parameter] = {}
                    value, slope = parameter._data, gradient._data
                    if value.dtype.kind == "c":  # as pairs of real numbers
                        value, slope = (v.view(real_dtype(v.dtype)) for v in (value, slope))
                    self.update(value, slope, state, options)
                    written(parameter._data)
        return loss

    def update(
        self, value: Array, gradient: Array, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Change `value` in place; `gradient` is not to be changed."""
        raise NotImplementedError

    # ---- hooks ---------------------------------------------------------------------------------

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before every step; it may return new ones."""
        return self._register("step_pre", hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after every step."""
        return self._register("step_post", hook)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer)`` before the state dict is made."""
        return self._register("state_dict_pre", hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` on every state dict; it may return another."""
        return self._register("state_dict_post", hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` before it is loaded; it may return another."""
        return self._register("load_state_dict_pre", hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer)`` after a state dict was loaded."""
        return self._register("load_state_dict_post", hook)

    def _register(self, moment: str, hook: Callable[..., Any]) -> RemovableHandle:
        self._hooks[moment].append(hook)
        return RemovableHandle(self._hooks[moment], hook)

    # ---- saving --------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """State and groups, with parameters replaced by their numbers, as in torch."""
        for hook in tuple(self._hooks["state_dict_pre"]):
            hook(self)
        order = [p for group in self.param_groups for p in group["params"]]
        number = {id(p): i for i, p in enumerate(order)}
        made: dict[str, Any] = {
            "state": {
                number[id(p)]: {
                    key: wrap(np.asarray(v, scalar_dtype())) if key == "step" else _packed(v)
                    for key, v in state.items()
                    if not key.startswith("_")
                }
                for p, state in self.state.items()
            },
            "param_groups": [
                {**group, "params": [number[id(p)] for p in group["params"]]}
                for group in self.param_groups
            ],
        }
        for hook in tuple(self._hooks["state_dict_post"]):
            changed = hook(self, made)
            made = made if changed is None else changed
        return made

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over state and options; the groups must have the sizes of this optimizer's.

        Arrays of a parameter's state take the parameter's dtype.

        Raises:
            ArgumentError: The groups do not fit, or state is for no parameter or of another shape.
            StateDictError: The dict is none of an optimizer.
        """
        for hook in tuple(self._hooks["load_state_dict_pre"]):
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= set(state_dict):
            raise StateDictError("optimizer state: expected a dict with state and param_groups")
        groups = state_dict["param_groups"]
        sizes = [len(group["params"]) for group in self.param_groups]
        if [len(group["params"]) for group in groups] != sizes:
            raise ArgumentError(
                f"optimizer state: groups of {[len(g['params']) for g in groups]} parameters do "
                f"not fit groups of {sizes}"
            )
        order = [p for group in self.param_groups for p in group["params"]]
        self._check_state(state_dict["state"], order)
        self.state = {
            order[int(i)]: {
                key: int(v) if key == "step" else _unpacked(v, order[int(i)].dtype)
                for key, v in state.items()
            }
            for i, state in state_dict["state"].items()
        }
        for own, loaded in zip(self.param_groups, groups, strict=True):
            own.update({k: copy.deepcopy(v) for k, v in loaded.items() if k != "params"})
        for hook in tuple(self._hooks["load_state_dict_post"]):
            hook(self)

    @staticmethod
    def _check_state(states: Any, order: list[Any]) -> None:
        for place, state in states.items():
            if not 0 <= int(place) < len(order):
                raise ArgumentError(
                    f"optimizer state: state of parameter {place}, but there are {len(order)}"
                )
            size = tuple(order[int(place)].shape)
            for key, value in state.items():
                shape = tuple(getattr(value, "shape", ()))
                if key in _LIKE_PARAMETER and value is not None and shape != size:
                    raise ArgumentError(
                        f"optimizer state: {key} of parameter {place} has shape {shape}, but the "
                        f"parameter {size}"
                    )

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])


_CALLS = ("step", "state_dict", "load_state_dict")
_MOMENTS = tuple(f"{call}_{when}" for call in _CALLS for when in ("pre", "post"))
_LIKE_PARAMETER = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer", "square_avg"}
_NOT_NEGATIVE = ("lr", "weight_decay", "momentum", "dampening", "eps", "lr_decay", "momentum_decay")


def options(values: dict[str, Any]) -> dict[str, Any]:
    """The options among the ``locals()`` of an optimizer's ``__init__``."""
    return {k: v for k, v in values.items() if k not in ("self", "params", "__class__")}


def scalar_dtype() -> Any:
    """The dtype of numbers in a state dict: float32, or float64 if that is the default dtype."""
    return np.dtype(np.float64 if get_default_dtype() == np.float64 else np.float32)


def decayed(value: Array, gradient: Array, group: dict[str, Any]) -> Array:
    """The gradient to descend along: negated to maximize, with the weight decay λ·p added."""
    if group["maximize"]:
        gradient = -gradient
    if group["weight_decay"]:
        gradient = gradient + group["weight_decay"] * value
    return gradient


def approach(average: Array, target: Array, share: float) -> None:
    """``average += share * (target - average)`` in place: a moving average."""
    average += share * (target - average)


def _check_betas(betas: Any) -> None:
    if not isinstance(betas, (tuple, list)) or [isinstance(b, Real) for b in betas] != [True] * 2:
        raise ArgumentTypeError(f"betas: expected two numbers, got {betas!r}")
    for i, beta in enumerate(betas):
        if not 0 <= beta < 1:
            raise ArgumentError(f"invalid beta parameter at index {i}: {beta}")


def _packed(value: Any) -> Any:
    if isinstance(value, list):
        return [_packed(part) for part in value]
    return wrap(value.copy()) if isinstance(value, np.ndarray) else value


def _unpacked(value: Any, dtype: Any) -> Any:
    if isinstance(value, list):
        return [_unpacked(part, dtype) for part in value]
    if not isinstance(value, (Tensor, np.ndarray)):
        return copy.deepcopy(value)
    array = array_of(value)
    return np.array(array, dtype if array.dtype.kind == "f" and array.ndim else None)


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
