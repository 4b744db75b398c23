"""Module: the base of everything with parameters.

Registration, walking, dtypes and texts are here, hooks in `hooks.py`, state dicts in `state.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from ..dtypes import as_dtype
from ..errors import ArgumentTypeError, MissingForwardError, RangeError
from ..tensor import Tensor
from .hooks import Hooked
from .parameter import Buffer, Parameter
from .state import IncompatibleKeys, Stateful

_M = TypeVar("_M", bound="Module")


class Module(Hooked, Stateful):
    """Base of layers and models: assign parameters and modules as attributes, define `forward`.

    Names, order and state dict keys are torch's.
    """

    training: bool = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What a call computes; every module defines its own.

        Raises:
            MissingForwardError: This one does not.
        """
        raise MissingForwardError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __init__(self) -> None:
        fields = self.__dict__
        fields["_parameters"] = {}
        fields["_buffers"] = {}
        fields["_modules"] = {}
        fields.update(self._no_hooks())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the hooks, if there are any, and `forward`."""
        if self._hooked:
            return self._call_with_hooks(args, kwargs)
        return self.forward(*args, **kwargs)

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
        self._check_name(name)
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Register a tensor that is saved (unless not `persistent`) but not trained."""
        self._check_name(name)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise ArgumentTypeError(
                f"cannot assign a {type(tensor).__name__} to the buffer {name!r}: expected a "
                "Tensor or None"
            )
        self._buffers[name] = None if tensor is None else Buffer(tensor, persistent=persistent)

    def add_module(self, name: str, module: Module | None) -> None:
        """Register a module under `name`."""
        if module is not None and not isinstance(module, Module):
            raise ArgumentTypeError(f"{type(module).__name__} is not a Module subclass")
        self._check_name(name)
        self._modules[name] = module

    register_module = add_module

    def _check_name(self, name: Any) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError(f"call {type(self).__name__}'s super().__init__() first")
        if not isinstance(name, str):
            raise ArgumentTypeError(f"a name should be a string, got {type(name).__name__}")
        if not name or "." in name:
            raise KeyError(f'a name must not be empty or contain ".", got {name!r}')

    def _at(self, target: str, kind: Any) -> Any:
        """What stands under the dotted name `target`, an AttributeError unless it is a `kind`."""
        found: Any = self
        for part in target.split(".") if target else []:
            found = getattr(found, part)
        if not isinstance(found, kind):
            raise AttributeError(f"{target!r} is not a {kind.__name__}")
        return found

    def get_submodule(self, target: str) -> Module:
        """The module under a dotted name."""
        return self._at(target, Module)  # type: ignore[no-any-return]

    def get_parameter(self, target: str) -> Parameter:
        """The parameter under a dotted name."""
        return self._at(target, Parameter)  # type: ignore[no-any-return]

    def get_buffer(self, target: str) -> Tensor:
        """The buffer under a dotted name."""
        return self._at(target, Tensor)  # type: ignore[no-any-return]

    # ---- walking ------------------------------------------------------------------------------

    def named_modules(
        self, memo: set[int] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it, with dotted names; each once if `remove_duplicate`."""
        memo = set() if memo is None else memo
        if id(self) in memo:
            return
        if remove_duplicate:
            memo.add(id(self))
        yield prefix, self
        for name, child in self._modules.items():
            if child is not None:
                full = f"{prefix}.{name}" if prefix else name
                yield from child.named_modules(memo, full, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly below, each once, with names."""
        seen: set[int] = set()
        for name, child in self._modules.items():
            if child is not None and id(child) not in seen:
                seen.add(id(child))
                yield name, child

    def children(self) -> Iterator[Module]:
        """The modules directly below, each once."""
        return (child for _, child in self.named_children())

    def _named(
        self, place: str, prefix: str, recurse: bool, once: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        walk = self.named_modules(None, prefix, once) if recurse else [(prefix, self)]
        for path, module in walk:
            for name, value in module.__dict__[place].items():
                if value is None or id(value) in seen:
                    continue
                if once:
                    seen.add(id(value))
                yield f"{path}.{name}" if path else name, value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Parameters with dotted names; each once if `remove_duplicate`."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Parameters, each once."""
        return (value for _, value in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Buffers with dotted names; each once if `remove_duplicate`."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Buffers, each once."""
        return (value for _, value in self.named_buffers(recurse=recurse))

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

    def to(self: _M, *args: Any, dtype: Any = None, **kwargs: Any) -> _M:
        """Cast all floating parameters, their gradients and buffers, in place; returns the module.

        The dtype is given as it is, or as that of a tensor; devices are passed over.
        """
        for value in args:
            if isinstance(value, Tensor):
                dtype = value.dtype
            elif value is not None and not _is_device(value) and not isinstance(value, bool):
                dtype = value
        if dtype is None:
            return self
        dtype = as_dtype(dtype)
        if dtype.kind not in "fc":
            raise ArgumentTypeError(f"Module.to: expected a floating dtype, got {dtype}")
        for _, value in (*self.named_parameters(), *self.named_buffers()):
            if value.dtype.kind in "fc":
                gradient, value.grad = value.grad, None
                value._data = value._data.astype(dtype, copy=False)
                if gradient is not None:
                    value.grad = gradient.detach().to(dtype)
        return self

    def cuda(self, *args: Any, **kwargs: Any) -> Any:
        """Not to be had.

        Raises:
            RangeError: Always.
        """
        raise RangeError("cuda: modules live on the CPU; ask cuda.is_available() first")

    def cpu(self: _M) -> _M:
        """The module itself: everything is on the CPU."""
        return self

    def type(self: _M, dst_type: Any) -> _M:
        """Cast as `to`."""
        return self.to(dst_type)

    def float(self: _M) -> _M:
        """Cast to float32."""
        return self.to(np.float32)

    def double(self: _M) -> _M:
        """Cast to float64."""
        return self.to(np.float64)

    def half(self: _M) -> _M:
        """Cast to float16."""
        return self.to(np.float16)

    # ---- text ---------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What the text of this module says between its parentheses."""
        return ""

    def __repr__(self) -> str:
        children = [
            f"({name}): {indented(repr(child))}"
            for name, child in self._modules.items()
            if child is not None
        ]
        extra = self.extra_repr()
        if not children and "\n" not in extra:
            return f"{type(self).__name__}({extra})"
        lines = "\n  ".join(([indented(extra)] if extra else []) + children)
        return f"{type(self).__name__}(\n  {lines}\n)"


def indented(text: str) -> str:
    """`text` with all lines but the first moved to the right."""
    return text.replace("\n", "\n  ")


def _is_device(value: Any) -> bool:
    """Whether `value` names a place and no dtype, as ``"cpu"`` does."""
    if isinstance(value, str):
        return value.partition(":")[0] in ("cpu", "cuda", "meta", "mps")
    return type(value).__name__ == "device"


__all__ = ["IncompatibleKeys", "Module", "indented"]
