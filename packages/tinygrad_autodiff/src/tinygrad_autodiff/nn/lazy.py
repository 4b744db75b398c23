"""Lazy layers: those that learn the number of features or channels from their first input.

Until then their parameters are `UninitializedParameter`s, which an optimizer may already hold. The
first call (or a state dict that is loaded) makes them ordinary ones, in place, with the values that
the layer would have started from, and turns the layer into one of the ordinary class.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ..errors import ArgumentError, GraphError, ShapeError
from ..tensor import Tensor
from . import conv, linear, normalization
from .module import Module
from .parameter import Buffer, Parameter

_UNKNOWN = (
    "the shape of an uninitialized parameter or buffer is not known yet: call the lazy module with "
    "an input first"
)


class _Uninitialized(Tensor):
    """A tensor without a shape; `materialize` gives it memory and makes it an ordinary one."""

    ordinary: ClassVar[type[Tensor]]

    @property
    def shape(self) -> tuple[int, ...]:
        """Not known yet.

        Raises:
            GraphError: Always.
        """
        raise GraphError(_UNKNOWN)

    def materialize(self, values: Any) -> None:
        """Take over the memory of `values`."""
        self._data = values._data
        self.__class__ = self.ordinary  # type: ignore[assignment]

    def detach(self) -> Tensor:
        """The tensor itself, so that a state dict of a lazy module is as lazy."""
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class UninitializedParameter(_Uninitialized, Parameter):
    """A parameter of a lazy module that has not seen an input."""

    ordinary = Parameter


class UninitializedBuffer(_Uninitialized, Buffer):
    """A buffer of a lazy module that has not seen an input."""

    ordinary = Buffer


class LazyModuleMixin(Module):
    """What lazy layers share; a class names what it becomes and where its size is written down.

    The arguments of the constructor are those of the ordinary class without the size.
    """

    cls_to_become: ClassVar[Any]
    size_name: ClassVar[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._given = args, kwargs
        super().__init__(0, *args, **kwargs)  # type: ignore[call-arg]
        for value in self._parameters.values():
            if value is not None:
                value._data[...] = 0  # what lies in the memory may be no number
                value.__class__ = UninitializedParameter
        for value in self._buffers.values():
            if value is not None and value.ndim:
                value.__class__ = UninitializedBuffer
        self.register_load_state_dict_pre_hook(_from_state_dict)

    def reset_parameters(self) -> None:
        """Nothing: the values are drawn when the shapes are known."""

    def has_uninitialized_params(self) -> bool:
        """Whether no input has been seen yet."""
        return type(self) is not self.cls_to_become

    def initialize_parameters(self, input: Any, *args: Any, **kwargs: Any) -> None:
        """Become the ordinary layer for inputs like this one."""
        self._become(self._size_of(input))

    def forward(self, input: Any, *args: Any, **kwargs: Any) -> Any:
        """Become the ordinary layer, and apply it."""
        self.initialize_parameters(input)
        return self.forward(input, *args, **kwargs)

    def _size_of(self, input: Any) -> int:
        raise NotImplementedError

    def _size_in(self, shape: tuple[int, ...]) -> int:
        """The size from the shape of a weight."""
        raise NotImplementedError

    def _become(self, size: int) -> None:
        args, kwargs = self._given
        held = [*self._parameters.values(), *self._buffers.values()]
        for value in held:
            if isinstance(value, _Uninitialized):  # and it may have been cast in the meantime
                kwargs = {**kwargs, "dtype": value.dtype}
        made: Module = self.cls_to_become(size, *args, **kwargs)
        for place in ("_parameters", "_buffers"):
            for name, value in self.__dict__[place].items():
                if isinstance(value, _Uninitialized):
                    value.materialize(made.__dict__[place][name])
        setattr(self, self.size_name, size)
        del self._given
        self._load_pre_hooks.remove(_from_state_dict)
        object.__setattr__(self, "__class__", self.cls_to_become)


def _from_state_dict(module: Any, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Before loading: take the size from what is to be loaded, unless that is as lazy."""
    name = "weight" if module._parameters.get("weight") is not None else "running_mean"
    value = state.get(prefix + name)
    if value is not None and not isinstance(value, _Uninitialized):
        module._become(module._size_in(tuple(value.shape)))


class LazyLinear(LazyModuleMixin, linear.Linear):
    """`Linear` that takes `in_features` from its first input."""

    cls_to_become, size_name = linear.Linear, "in_features"

    def _size_of(self, input: Any) -> int:
        return int(input.shape[-1])

    def _size_in(self, shape: tuple[int, ...]) -> int:
        return shape[1]


class _LazyConv(LazyModuleMixin, conv._Conv):
    size_name = "in_channels"

    def _size_of(self, input: Any) -> int:
        if input.ndim not in (self.count + 1, self.count + 2):
            raise ShapeError(
                f"{type(self).__name__}: expected an input of {self.count + 1} or "
                f"{self.count + 2} dimensions, got {tuple(input.shape)}"
            )
        return int(input.shape[-self.count - 1])

    def _size_in(self, shape: tuple[int, ...]) -> int:
        return shape[0] if self.transposed else shape[1] * self.groups


class _LazyNorm(LazyModuleMixin, normalization._Tracking):
    size_name = "num_features"

    def _size_of(self, input: Any) -> int:
        if input.ndim not in self.ranks:
            raise ArgumentError(
                f"{type(self).__name__}: expected {' or '.join(f'{r}D' for r in self.ranks)} "
                f"input, got {tuple(input.shape)}"
            )
        return int(input.shape[1])

    def _size_in(self, shape: tuple[int, ...]) -> int:
        return shape[0]


class LazyConv1d(_LazyConv, conv.Conv1d):
    """`Conv1d` that takes `in_channels` from its first input."""

    cls_to_become = conv.Conv1d


class LazyConv2d(_LazyConv, conv.Conv2d):
    """`Conv2d` that takes `in_channels` from its first input."""

    cls_to_become = conv.Conv2d


class LazyConv3d(_LazyConv, conv.Conv3d):
    """`Conv3d` that takes `in_channels` from its first input."""

    cls_to_become = conv.Conv3d


class LazyConvTranspose1d(_LazyConv, conv.ConvTranspose1d):
    """`ConvTranspose1d` that takes `in_channels` from its first input."""

    cls_to_become = conv.ConvTranspose1d


class LazyConvTranspose2d(_LazyConv, conv.ConvTranspose2d):
    """`ConvTranspose2d` that takes `in_channels` from its first input."""

    cls_to_become = conv.ConvTranspose2d


class LazyConvTranspose3d(_LazyConv, conv.ConvTranspose3d):
    """`ConvTranspose3d` that takes `in_channels` from its first input."""

    cls_to_become = conv.ConvTranspose3d


class LazyBatchNorm1d(_LazyNorm, normalization.BatchNorm1d):
    """`BatchNorm1d` that takes `num_features` from its first input."""

    cls_to_become = normalization.BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, normalization.BatchNorm2d):
    """`BatchNorm2d` that takes `num_features` from its first input."""

    cls_to_become = normalization.BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, normalization.BatchNorm3d):
    """`BatchNorm3d` that takes `num_features` from its first input."""

    cls_to_become = normalization.BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, normalization.InstanceNorm1d):
    """`InstanceNorm1d` that takes `num_features` from its first input."""

    cls_to_become = normalization.InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, normalization.InstanceNorm2d):
    """`InstanceNorm2d` that takes `num_features` from its first input."""

    cls_to_become = normalization.InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, normalization.InstanceNorm3d):
    """`InstanceNorm3d` that takes `num_features` from its first input."""

    cls_to_become = normalization.InstanceNorm3d
