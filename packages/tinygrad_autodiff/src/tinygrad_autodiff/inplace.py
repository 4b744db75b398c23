"""Writing in place: ``x.exp_()``, ``x += y``, ``x[i] = y``, for every op that torch has so.

An in-place method computes as the op does, copies the values into the tensor's memory, and, if
that is recorded, gives the tensor the history of the result (see `views`). Rules that saved the
old values keep a copy of them. Without recording nothing but the values changes, and a ufunc
writes into the memory directly. `METHODS` is derived from the registry; stubs come from it too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from . import views
from .dtypes import can_cast
from .engine import Node
from .errors import AutodiffError, DtypeError, GraphError, ShapeError
from .mode import mode
from .registry import OPS, op
from .tensor import Tensor, array_of, wrap
from .versions import next_sequence, owner, written

# The ops that torch has in place, as far as the registry has them.
_NAMES = """
    abs absolute acos acosh add addbmm addcdiv addcmul addmm addmv addr arccos arccosh arcsin
    arcsinh arctan arctan2 arctanh asin asinh atan atan2 atanh baddbmm bitwise_and
    bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor ceil clamp clamp_max
    clamp_min clip conj_physical copysign cos cosh cumprod cumsum deg2rad digamma div divide eq erf
    erfc erfinv exp exp2 expm1 fix float_power floor floor_divide fmod frac gcd ge greater
    greater_equal gt heaviside hypot i0 igamma igammac index_add index_copy index_fill index_reduce
    lcm ldexp le lerp less less_equal lgamma log log10 log1p log2 logical_and logical_not
    logical_or logical_xor logit lt masked_fill masked_scatter mul multiply mvlgamma nan_to_num ne
    neg negative nextafter not_equal polygamma pow put rad2deg reciprocal relu remainder renorm
    round rsqrt scatter scatter_add scatter_reduce sgn sigmoid sign sin sinc sinh sqrt square sub
    subtract tan tanh tril triu true_divide trunc xlogy
"""
_RESHAPING = ("squeeze", "unsqueeze", "transpose", "swapaxes", "swapdims", "t")
_OPERATORS = {"add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor"}
_OPERATORS |= {"lshift", "rshift"}

# What torch has in place only as functions of `nn.functional`.
_ACTIVATIONS = ("celu", "elu", "hardtanh", "leaky_relu", "rrelu", "selu", "threshold")

METHODS: dict[str, Callable[..., Any]] = {}


def fill() -> None:
    """Derive `METHODS` from the registry as it is now."""
    METHODS.update(copy_=copy_, fill_=fill_, zero_=zero_, index_put_=index_put_, detach_=detach_)
    METHODS["__setitem__"] = setitem
    known = set(_NAMES.split())
    for cls in OPS.values():
        for name in (cls.name, *cls.aliases):
            if "Tensor" in cls.spaces and name in known:
                METHODS[name + "_"] = _method(cls, name + "_")
            elif name in _RESHAPING:
                METHODS[name + "_"] = _reshaping(cls, name + "_")
        if cls.operator in _OPERATORS and cls.name in known:
            METHODS[f"__i{cls.operator}__"] = METHODS[cls.name + "_"]


def functions(space: str) -> dict[str, Callable[..., Any]]:
    """The in-place functions of a namespace: methods of one operand, and the activations."""
    if space == "":
        return {
            name: method
            for name, method in METHODS.items()
            if hasattr(method, "op") and method.op.required < 2 and not name.startswith("__")
        }
    if space != "nn.functional":
        return {}
    found = {f"{name}_": _method(OPS[name], f"{name}_") for name in _ACTIVATIONS}
    return {"relu_": METHODS["relu_"], **found}


def _named(call: Callable[..., Any], name: str, cls: Any) -> Callable[..., Any]:
    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`{cls.name}` in place: writes the result into this tensor and returns it."
    call.op = cls  # type: ignore[attr-defined]
    return call


def _method(cls: Any, name: str) -> Callable[..., Any]:
    compute = cls.call
    ufunc = cls.forward if isinstance(cls.forward, np.ufunc) and cls.forward.nin == 2 else None
    quiet = cls.quiet

    def call(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if ufunc is None or kwargs or len(args) != 1 or _recorded(self, args) or mode.detour:
            return overwrite(self, name, compute, args, kwargs)
        data, other = self._data, args[0]
        kind = data.dtype.kind
        if isinstance(other, Tensor):
            other = other._data
            fits = kind == "f" and other.dtype is data.dtype
        else:
            fits = kind == "f" and (other.__class__ is float or other.__class__ is int)
        if not fits or not data.flags.writeable:
            return overwrite(self, name, compute, args, kwargs)
        try:
            if quiet:
                with np.errstate(all="ignore"):
                    ufunc(data, other, out=data)
            else:
                ufunc(data, other, out=data)
        except ValueError as error:
            raise ShapeError(
                f"{name}: the shape {np.shape(other)} cannot be broadcast to {data.shape}, the "
                "shape of the tensor that is written to"
            ) from error
        written(data, name)
        return self

    return _named(call, name, cls)


def _reshaping(cls: Any, name: str) -> Callable[..., Any]:
    def call(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return views.replace(self, lambda old: cls.call(old, *args, **kwargs))

    return _named(call, name, cls)


def _recorded(tensor: Tensor, sources: tuple[Any, ...]) -> bool:
    return mode.grad and (
        tensor._requires_grad
        or any(isinstance(value, Tensor) and value._requires_grad for value in sources)
        or views.hides(tensor)
    )


def _check(tensor: Tensor, name: str, recorded: bool) -> None:
    if recorded:
        views.check_writable(tensor, name)
    check_places(tensor, name)


def check_places(tensor: Tensor, name: str) -> None:
    """Raise unless every element of `tensor` has a place of its own that can be written."""
    data = tensor._data
    steps = zip(data.shape, data.strides, strict=True)
    shared = data.size > 1 and any(n > 1 and not step for n, step in steps)
    if shared or not data.flags.writeable:
        raise GraphError(
            f"{name}: several elements of the tensor of shape {tensor.shape} share one place in "
            "memory (it was expanded), or its memory is read-only; clone() it first"
        )


def overwrite(
    tensor: Tensor, name: str, compute: Callable[..., Any], args: Any, kwargs: Any
) -> Tensor:
    """Replace values, and history if recorded, by those of ``compute(tensor, *args)``."""
    data = tensor._data
    recorded = _recorded(tensor, (*args, *kwargs.values()))
    _check(tensor, name, recorded)
    start = next_sequence()
    try:
        source = views.unheard(tensor) if recorded else tensor
        source = _snapshot(source) if recorded and mode.packing is not None else source
        result = compute(source, *args, **kwargs)
    except AutodiffError as error:
        raise type(error)(f"{name}: {error}") from error
    if result.shape != tensor.shape:
        raise ShapeError(
            f"{name}: the result has shape {result.shape}, and the tensor {tensor.shape}"
        )
    if not can_cast(result.dtype, data.dtype):
        raise DtypeError(f"{name}: result type {result.dtype} can't be cast to {tensor.dtype}")
    if recorded and result._node is not None:
        _keep_old_values(result._node, start, data)
    np.copyto(data, result._data, casting="unsafe")
    written(data, name)
    if recorded or mode.levels:
        result = result if result.dtype == data.dtype else op.to(result, data.dtype)
        if result._requires_grad or not tensor._requires_grad:
            views.rebase(tensor, result)
        else:  # constant from now on, but no leaf
            views.rebase(tensor, OPS["put_view"].recorded(tensor, result, ()))  # type: ignore[attr-defined]
    return tensor


def _snapshot(tensor: Tensor) -> Tensor:
    """The tensor as it is, with memory of its own."""
    made = wrap(tensor._data.copy(), tensor._node)
    made._requires_grad = tensor._requires_grad
    if hasattr(tensor, "_tangents"):
        made._tangents = tensor._tangents
    return made


def _keep_old_values(node: Any, start: int, data: Any) -> None:
    """Give the nodes made since `start` a copy of what they saved of the memory of `data`."""
    memory = owner(data)

    def kept(value: Any) -> Any:
        if isinstance(value, list):
            return [kept(part) for part in value]
        return value.copy() if isinstance(value, ndarray) and owner(value) is memory else value

    stack, seen = [node], set()
    while stack:
        node = stack.pop()
        if not isinstance(node, Node) or node.seq <= start or node in seen:
            continue
        seen.add(node)
        stack.extend(node.edges)
        if node.saved:
            node.saved = tuple(
                values and tuple(kept(value) for value in values) for values in node.saved
            )


def copy_(self: Tensor, source: Any) -> Tensor:
    """Copy the values of `source`, broadcast and cast to this tensor's shape and dtype."""
    source = source if isinstance(source, Tensor) else wrap(array_of(source, self.dtype))
    recorded = _recorded(self, (source,))
    _check(self, "copy_", recorded)
    try:
        np.copyto(self._data, source._data, casting="unsafe")
    except ValueError as error:
        raise ShapeError(
            f"copy_: the shape {source.shape} cannot be broadcast to {self.shape}"
        ) from error
    written(self._data, "copy_")
    if recorded or mode.levels:
        value = op.expand(op.to(source, self.dtype), self.shape)
        if getattr(self, "_view", None) is None:
            value = OPS["put_view"].recorded(self, value, ())  # type: ignore[attr-defined]
        views.rebase(self, value)
    return self


def fill_(self: Tensor, value: Any) -> Tensor:
    """Set every element to `value`, a number or a 0-d tensor."""
    if not isinstance(value, Tensor):
        value = wrap(array_of(value, self.dtype))
    if value.ndim:
        raise ShapeError(f"fill_: expected a number or a 0-d tensor, got shape {value.shape}")
    return copy_(self, value)


def zero_(self: Tensor) -> Tensor:
    """Set every element to zero."""
    return copy_(self, wrap(np.zeros((), self.dtype)))


def detach_(self: Tensor) -> Tensor:
    """Take this tensor out of the graph: it becomes a leaf that does not require grad."""
    if getattr(self, "_view", None) is not None:
        raise GraphError("detach_: a view cannot be detached in place; use detach()")
    views.settle(self)
    self._node, self._requires_grad = None, False
    return self


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """Write `value`, broadcast and cast, at `index`: slices, integers, masks, index tensors."""
    try:
        if _is_basic(index):
            copy_(op.getitem(self, index), value)
            return
        index_put_(self, index if isinstance(index, tuple) else (index,), value)
    except AutodiffError as error:
        raise type(error)(f"setitem: {error}") from error


def index_put_(self: Tensor, indices: Any, values: Any, accumulate: bool = False) -> Tensor:
    """Write `values` (or add them, index by index) at `indices`, as ``x[indices] = values``."""
    if not isinstance(values, Tensor):
        values = wrap(array_of(values, self.dtype))
    elif values.dtype != self.dtype:
        values = op.to(values, self.dtype)
    where = tuple(indices) if isinstance(indices, (list, tuple)) else indices
    if accumulate:
        values = op.expand(values, op.getitem(self, where).shape)
        return overwrite(
            self,
            "index_put_",
            lambda x, v: x + op.add_at(v, _arrays(where), x.shape),
            (values,),
            {},
        )
    return overwrite(self, "index_put_", lambda x, v: op.set_at(x, v, where), (values,), {})


def _arrays(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(_arrays(part) for part in index)
    return index._data if isinstance(index, Tensor) else index


def _is_basic(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return all(
        part is None or part is Ellipsis or part.__class__ is int or isinstance(part, slice)
        for part in parts
    )
