"""The Tensor: a NumPy array that remembers how it was made.

Everything that computes is an operation (`ops/`) and arrives here as a method through the
registry; this file holds what makes a tensor a tensor: its place in the graph, its gradient, its
hooks, conversion to Python and NumPy, and writing in place.
"""

from __future__ import annotations

import copy
import functools
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy import ndarray

from . import engine, versions
from ._methods import Methods
from .attributes import Attributes
from .dtypes import (
    Array,
    Dtype,
    as_dtype,
    get_default_dtype,
    promote_types,
)
from .errors import ArgumentError, ArgumentTypeError, DtypeError, GraphError, ShapeError
from .interop import Interop
from .mode import mode
from .registry import op
from .text import shown
from .versions import written

_T = TypeVar("_T", bound="Tensor")
RemovableHandle = engine.Handle
_ONES = {dtype: np.ones((), dtype) for dtype in (np.dtype(c) for c in "efd")}


class Tensor(Attributes, Interop, Methods):
    """An n-dimensional array of one dtype with an optional gradient.

    ``Tensor(data)`` makes a tensor of the default floating dtype, as in torch; `tensor` is the
    usual way and keeps the dtype of its data.

    Args:
        data: Numbers, nested sequences, an array or a tensor; always copied.
        requires_grad: Whether `backward` is to fill in `.grad`.
    """

    __slots__ = (
        "__weakref__",
        "_data",
        "_grad",
        "_hooks",
        "_late",  # unset unless it has views that have yet to follow its history
        "_node",
        "_requires_grad",
        "_tangents",  # unset unless it is a dual tensor
        "_view",  # unset unless it is a view; see views.py
        "_views",  # unset unless it has views
    )
    __hash__ = object.__hash__

    _data: Array
    _node: engine.Node | None
    _requires_grad: bool
    _grad: Tensor | None
    _hooks: _LeafHooks | None
    _late: Any
    _tangents: dict[int, Tensor]
    _view: Any
    _views: Any

    def __init__(self, data: Any = (), requires_grad: bool = False) -> None:
        self._data = np.array(array_of(data), get_default_dtype())
        self._node = self._grad = self._hooks = None
        self._requires_grad = requires_grad

    # ---- its place in the graph ---------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self: _T, requires_grad: bool = True) -> _T:
        """Switch recording on or off for a leaf of a floating dtype; returns the tensor."""
        if self._node is not None:
            if not requires_grad:
                raise GraphError(
                    "you can only change requires_grad flags of leaf tensors; "
                    "use detach() to get a tensor without a graph"
                )
            return self
        if requires_grad and self._data.dtype.kind not in "fc":
            raise DtypeError(f"only floating tensors can require gradients, not {self.dtype}")
        self._requires_grad = bool(requires_grad)
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this tensor."""
        return self._node is None

    @property
    def grad_fn(self) -> engine.Node | None:
        """The node that made this tensor, None for a leaf."""
        return self._node

    @property
    def grad(self) -> Tensor | None:
        """The gradient accumulated by `backward`, or None."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise ArgumentTypeError(f"grad: expected a Tensor or None, got {type(value)}")
            if value.shape != self.shape or value.dtype != self.dtype:
                raise ShapeError(
                    f"grad: expected shape {self.shape} and dtype {self.dtype}, "
                    f"got {value.shape} and {value.dtype}"
                )
        self._grad = value

    @property
    def data(self) -> Tensor:
        """The same memory as a tensor without a graph; assigning replaces the memory."""
        return wrap(self._data)

    @data.setter
    def data(self, value: Any) -> None:
        from .views import forget

        forget(self)
        self._data = array_of(value)

    def detach(self) -> Tensor:
        """The same memory without a graph."""
        return wrap(self._data)

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Sequence[Tensor] | None = None,
    ) -> None:
        """Add the gradient of this tensor to `.grad` of every leaf (or of `inputs` alone).

        Args:
            gradient: Gradient with respect to this tensor, of its shape; may be left out for a
                tensor of one element, where it is 1.
            retain_graph: Keep the graph for another pass (default: as `create_graph`).
            create_graph: Record the pass, for derivatives of higher order.
            inputs: If given, only these tensors receive a gradient.

        Raises:
            GraphError: Nothing was recorded, the graph was freed, or the seed does not fit.
        """
        edge = edge_of(self)
        if edge is None:
            raise GraphError("backward: the tensor does not require grad and has no grad_fn")
        if inputs is not None:
            from .autograd import backward

            backward(self, gradient, retain_graph, create_graph, inputs)
            return
        seed = seed_for(self, gradient, create_graph)
        keep = create_graph if retain_graph is None else retain_graph
        engine.run((edge,), (seed,), keep, create_graph)

    def _accumulate(self, gradient: Any, owned: bool, create_graph: bool) -> None:
        before = self._grad
        if isinstance(gradient, Tensor):
            self._grad = gradient if before is None else before + gradient
        elif before is None:
            self._grad = wrap(gradient if owned else gradient.copy())
        else:
            np.add(before._data, gradient, out=before._data)
            written(before._data, "backward", False)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call `hook` with the gradient of this tensor in every pass; it may return another."""
        if not self._requires_grad:
            raise GraphError("cannot register a hook on a tensor that does not require gradient")
        node, hooks = self._node, None
        if node is not None:
            hooks = node.hooks = [] if node.hooks is None else node.hooks
            node.watched = node.special = True
        hooks = self._leaf_hooks() if hooks is None else hooks
        hooks.append(hook)
        return RemovableHandle(hooks, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Call `hook` with this leaf after each pass that has added to its `.grad`."""
        if not self._requires_grad or self._node is not None:
            raise GraphError(
                "post accumulate grad hooks cannot be registered on non-leaf tensors, nor on "
                "tensors that do not require gradient"
            )
        hooks = self._leaf_hooks().after
        hooks.append(hook)
        return RemovableHandle(hooks, hook)

    def _leaf_hooks(self) -> _LeafHooks:
        if self._hooks is None:
            self._hooks = _LeafHooks()
        return self._hooks

    @property
    def retains_grad(self) -> bool:
        """Whether `.grad` will be filled in although this tensor is not a leaf."""
        node = self._node
        return node is not None and node.retained is not None and node.retained() is self

    def retain_grad(self) -> None:
        """Fill in `.grad` although this tensor is not a leaf."""
        if not self._requires_grad:
            raise GraphError("can't retain_grad on a tensor that has requires_grad=False")
        if self._node is not None:
            self._node.retained = weakref.ref(self)
            self._node.watched = self._node.special = True

    # ---- to Python and NumPy ------------------------------------------------------------------

    def numpy(self, *, force: bool = False) -> Array:
        """The memory itself as an array; `force` allows it for a tensor that requires grad."""
        if self._requires_grad and not force:
            raise GraphError(
                "can't call numpy() on a tensor that requires grad; use tensor.detach().numpy()"
            )
        return self._data

    def item(self) -> Any:
        """The only element as a Python number."""
        if self._data.size != 1:
            raise ShapeError(f"item: a tensor of shape {self.shape} is not a scalar")
        return self._data.item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self._data.tolist()

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ShapeError(
                f"the truth value of a tensor of shape {self.shape} is ambiguous; "
                "use .all() or .any()"
            )
        return bool(self._data.item())

    def __float__(self) -> float:
        return float(self._number())

    def __complex__(self) -> complex:
        return complex(self._number())

    def __int__(self) -> int:
        return int(self._number())

    def _number(self) -> Any:
        if self._data.size != 1:
            raise ArgumentError(
                f"only a tensor of one element is a Python number; this one has shape {self.shape}"
            )
        return self._data.item()

    def __index__(self) -> int:
        if self._data.dtype.kind not in "iub":
            raise ArgumentTypeError(f"only integer tensors can be an index, not {self.dtype}")
        return int(self.item())

    def __iter__(self) -> Iterator[Tensor]:
        if not self._data.ndim:
            raise ArgumentTypeError("iteration over a 0-d tensor")
        return (op.getitem(self, i) for i in range(len(self._data)))

    def __contains__(self, value: Any) -> bool:
        return bool(op.eq(self, value)._data.any())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec or not self._data.ndim else repr(self)

    def __repr__(self) -> str:
        return shown(self)

    def __getstate__(self) -> Any:
        state: Any = super().__getstate__()
        fields, slots = state
        family = ("_view", "_views", "_late")
        return fields, {name: value for name, value in slots.items() if name not in family}

    def __deepcopy__(self: _T, memo: dict[int, Any]) -> _T:
        if self._node is not None:
            raise GraphError("only leaf tensors can be copied deeply; detach() first")
        made = self.__class__.__new__(self.__class__)
        made._data, made._requires_grad = self._data.copy(), self._requires_grad
        made._node = made._grad = made._hooks = None
        memo[id(self)] = made
        for name, value in getattr(self, "__dict__", {}).items():  # of a subclass
            setattr(made, name, copy.deepcopy(value, memo))
        return made

    # ---- in place -----------------------------------------------------------------------------

    @property
    def _version(self) -> int:
        """How often this tensor's memory was written in place, by itself or by a view."""
        return versions.count(self._data)


class _LeafHooks(list[Any]):
    """Hooks on the gradient of a leaf, and those that run `after` it was accumulated."""

    def __init__(self) -> None:
        self.after: list[Any] = []


def wrap(data: Array, node: engine.Node | None = None) -> Tensor:
    """A tensor around `data`, without a copy, made by `node`."""
    made: Tensor = Tensor.__new__(Tensor)
    made._data = data
    made._node = node
    made._grad = made._hooks = None
    made._requires_grad = node is not None
    return made


def array_of(value: Any, dtype: Dtype | None = None) -> Array:
    """`value` (tensor, array, number or nested sequence) as an array, without a copy if it is one.

    Unless a `dtype` is given, Python floats and complex numbers become the default one, as in
    torch; with one they are rounded to it once.
    """
    if isinstance(value, Tensor):
        array = value._data
    elif isinstance(value, (ndarray, np.generic)):
        array = np.asarray(value)
    else:
        array = _array_of_numbers(value, dtype)
    return array if dtype is None else array.astype(dtype, copy=False)


def _array_of_numbers(value: Any, dtype: Dtype | None) -> Array:
    nested = isinstance(value, (list, tuple)) and any(
        isinstance(v, (Tensor, ndarray, list, tuple)) for v in value
    )
    try:
        if nested:
            parts = [array_of(v, dtype) for v in value]
            array = np.asarray(parts, functools.reduce(promote_types, [p.dtype for p in parts]))
        else:
            array = np.asarray(value)
    except ValueError as error:
        raise ArgumentError(f"expected numbers in a regular shape: {error}") from error
    if array.dtype.kind not in "biufc":
        raise ArgumentTypeError(f"cannot make a tensor of {type(value).__name__} ({array.dtype})")
    if nested or dtype is not None or array.dtype.kind not in "fc":
        return array
    return array.astype(get_default_dtype() if array.dtype.kind == "f" else as_dtype(complex))


def edge_of(tensor: Tensor) -> Any:
    """Where the gradient of `tensor` goes: its node, itself if it is a leaf, or None."""
    if not tensor._requires_grad:
        return None
    return tensor._node if tensor._node is not None else tensor


def seed_for(tensor: Tensor, gradient: Any, create_graph: bool) -> Any:
    """The checked gradient to start from: an array, or a tensor if the pass runs on tensors."""
    data = tensor._data
    if gradient is None:
        if data.dtype.kind == "c":
            raise GraphError(
                "grad can be implicitly created only for real scalar outputs; this one is "
                f"{data.dtype}: give a gradient, or take a real number of it"
            )
        if data.size != 1:
            raise GraphError(
                "grad can be implicitly created only for scalar outputs; this one has shape "
                f"{data.shape}: give a gradient of that shape, or reduce it first"
            )
        seed = _ONES[data.dtype] if not data.ndim else np.ones(data.shape, data.dtype)
    else:
        seed = array_of(gradient)
        if seed.shape != data.shape:
            raise GraphError(
                f"mismatch in shape: the gradient has shape {seed.shape}, the output {data.shape}"
            )
        if seed.dtype.kind == "c" and data.dtype.kind != "c":
            raise GraphError(f"the gradient is {seed.dtype}, the output {data.dtype}")
        if seed.dtype != data.dtype:
            seed, gradient = seed.astype(data.dtype), None
    if not (create_graph or mode.levels):
        return seed
    return gradient if isinstance(gradient, Tensor) else wrap(seed)


def call_hooks(hooks: Sequence[Any] | None, gradient: Any) -> Any:
    """Pass `gradient` through `hooks`; comes back as what it was, array or tensor."""
    value = gradient if isinstance(gradient, Tensor) else wrap(gradient.copy())
    for hook in tuple(hooks or ()):
        result = hook(value)
        if result is None:
            continue
        if not isinstance(result, Tensor):
            raise ArgumentTypeError(f"hook: expected None or a tensor, got {result!r}")
        if result.shape != value.shape:
            raise GraphError(f"hook: expected the shape {value.shape}, got {result.shape}")
        value = result
    return value if isinstance(gradient, Tensor) else value._data
