"""The doors through which every operation is entered: from a call to a result.

A door looks at the differentiable inputs. If none is a tensor, the operation just computes on
arrays. Otherwise dtypes are promoted as torch does, `forward` runs, and, if recording is on and an
input requires grad, a node is made with what the rules asked for (see recording.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import asarray, ndarray

from . import batching
from .destination import KEYWORDS, redirected
from .dtypes import get_default_dtype
from .errors import (
    ArgumentTypeError,
    AutodiffError,
    DimError,
    DtypeError,
    RangeError,
    ShapeError,
    UnsupportedDtypeError,
)
from .mode import mode, watched
from .operands import check_numbers, plain_of, promoted
from .recording import outputs_of, push_forward, record
from .registry import op
from .tensor import Tensor, wrap
from .versions import next_sequence
from .views import note

if TYPE_CHECKING:
    from .op import Op

_new = Tensor.__new__
_WRONG = (AutodiffError, ValueError, TypeError, IndexError, AttributeError, OverflowError)
_ABSENT: Any = object()  # an argument that was not given; None is one that was


def door(cls: type[Op]) -> Callable[..., Any]:
    """The function that calls `cls`: the fastest door that fits it."""
    from .op import Composite, Elementwise

    if issubclass(cls, Composite):
        return composite(cls)
    if issubclass(cls, Elementwise) and len(cls.params) == len(cls.inputs):
        if len(cls.inputs) == 2 and cls.promote and all(cls.partials):
            return binary(cls)
        if len(cls.inputs) == 1:
            return unary(cls)
    plain = not issubclass(cls, Elementwise) and cls.promote is None and not cls.quiet
    if plain and len(cls.inputs) == 1 and not cls.variadic and cls.differentiable:
        return single(cls)
    return general(cls)


def unary(cls: Any) -> Callable[..., Any]:
    """Door of an elementwise op of one input and no parameters."""
    forward, float_only = cls.forward, cls.promote == "float"
    save = cls.saves[0]
    pick = save.pick if save is not None else None
    slow, quiet = general(cls), cls.quiet

    def call(input: Any = _ABSENT, **kwargs: Any) -> Any:
        if kwargs or mode.detour or not isinstance(input, Tensor):
            return slow(**kwargs) if input is _ABSENT else slow(input, **kwargs)
        data = input._data
        if float_only and data.dtype.kind not in "fc":
            data = data.astype(get_default_dtype())
        try:
            if quiet:
                with np.errstate(all="ignore"):
                    out = forward(data)
            else:
                out = forward(data)
        except (ValueError, TypeError) as error:
            raise _explained(cls, (data,), error) from error
        if out.__class__ is not ndarray:
            out = asarray(out)
        made: Tensor = _new(Tensor)
        made._data = out
        made._grad = made._hooks = None
        if input._requires_grad and pick is not None and mode.grad:
            node = cls()
            node.edges = (input._node if input._node is not None else input,)
            node.saved = (pick((data, out), None),)
            node.seq = next_sequence()
            made._node = node
            made._requires_grad = True
        else:
            made._node = None
            made._requires_grad = False
        return made

    return call


def binary(cls: Any) -> Callable[..., Any]:
    """Door of a differentiable elementwise op of two inputs and no parameters."""
    forward = cls.forward
    pick_input, pick_other = cls.saves[0].pick, cls.saves[1].pick
    slow, quiet, scales = general(cls), cls.quiet, cls.scales
    variants = cls.variants.keys()
    kinds = ("fc" if cls.promote == "float" else "fcbiu").replace("c" if cls.ordered else "", "")
    limited, numbers = len(kinds) < 5, cls.numbers != "none"

    def call(input: Any = _ABSENT, other: Any = _ABSENT, **kwargs: Any) -> Any:
        if kwargs:
            alpha = kwargs.pop("alpha", 1) if scales else 1
            given = {"input": input, "other": other, **kwargs}
            given = {name: value for name, value in given.items() if value is not _ABSENT}
            for keyword in variants & given.keys():
                return getattr(op, cls.variants[keyword])(**given)
            if alpha != 1 and "other" in given:
                given["other"] = op.mul(given["other"], alpha)
            return slow(**given)
        if mode.detour or other is _ABSENT or not isinstance(input, Tensor):
            return slow(*(value for value in (input, other) if value is not _ABSENT))
        a, b = input._data, other
        left = input._requires_grad
        if isinstance(other, Tensor):
            b = other._data
            if a.dtype is not b.dtype or (limited and a.dtype.kind not in kinds):
                return slow(input, other)
            right = other._requires_grad
        elif (
            numbers and (other.__class__ is float or other.__class__ is int)
        ) and a.dtype.kind == "f":
            right = False
        else:
            return slow(input, other)
        try:
            if quiet:
                with np.errstate(all="ignore"):
                    out = forward(a, b)
            else:
                out = forward(a, b)
        except (ValueError, TypeError) as error:
            raise _explained(cls, (a, b), error) from error
        if out.__class__ is not ndarray:
            out = asarray(out)
        made: Tensor = _new(Tensor)
        made._data = out
        made._grad = made._hooks = None
        if (left or right) and mode.grad:
            node = cls()
            values = (a, b, out)
            first: Any
            second: Any
            if left:
                first = input._node if input._node is not None else input
                saved_first = pick_input(values, None)
            else:
                first = saved_first = None
            if right:
                second = other._node if other._node is not None else other
                saved_second = pick_other(values, None)
            else:
                second = saved_second = None
            node.edges = (first, second)
            node.saved = (saved_first, saved_second)
            if b.__class__ is ndarray and a.shape != b.shape:
                node.shapes = (a.shape, b.shape)
            node.seq = next_sequence()
            made._node = node
            made._requires_grad = True
        else:
            made._node = None
            made._requires_grad = False
        return made

    return call


def single(cls: Any) -> Callable[..., Any]:
    """Door of a differentiable op of one input and any parameters: reductions, movements."""
    slow, pick, defaults = general(cls), cls.saves[0].pick, cls.defaults[1:]
    complete, heavy = cls.required == 1, bool(cls.heavy)

    def call(*args: Any, **kwargs: Any) -> Any:
        input = args[0] if args else None
        if mode.detour or not isinstance(input, Tensor):
            return slow(*args, **kwargs)
        params = defaults
        if not complete or kwargs or len(args) > 1:
            if not KEYWORDS.isdisjoint(kwargs):
                return redirected(cls, call, args, kwargs)
            params = cls.bind(args, kwargs)[1:]
        data = input._data
        node = cls()
        try:
            out = node.forward(data, *params)
        except (AutodiffError, ValueError, TypeError, IndexError) as error:
            raise _explained(cls, (data,), error) from error
        if out is data:  # nothing to do, as ``x.float()`` of a float32 tensor
            return input
        if input._requires_grad and mode.grad:
            node.edges = (input._node if input._node is not None else input,)
            node.saved = (pick((data, *params, out), node),)
            node.seq = next_sequence()
            if heavy:
                node.strip()
        else:
            node = None
        if out.__class__ is not ndarray or out.dtype is not data.dtype:
            made = outputs_of(node, out)
            if isinstance(out, tuple) or getattr(out, "base", None) is not None:
                note(input, made, call, params)
            return made
        made = wrap(out, node)
        if out.base is not None:
            note(input, made, call, params)
        return made

    return call


def general(cls: type[Op]) -> Callable[..., Any]:
    """Door of every other op, and of the cases that the fast doors leave to it."""
    count, total, variadic = len(cls.inputs), len(cls.params), cls.variadic
    elementwise, choosy = hasattr(cls, "partials"), count == 2 and cls.numbers != "any"

    def call(*args: Any, **kwargs: Any) -> Any:
        if mode.batches and batching.batches((args, kwargs)):
            return batching.call(cls, args, kwargs)
        if kwargs or len(args) != total:
            if not KEYWORDS.isdisjoint(kwargs):
                return redirected(cls, call, args, kwargs)
            if cls.alone is not None and len(args) + len(kwargs) == 1:
                return getattr(op, cls.alone)(*args, *kwargs.values())
            args = cls.bind(args, kwargs)
        inputs = args[0] if variadic else args[:count]
        if variadic and not isinstance(inputs, (list, tuple)):
            raise ArgumentTypeError(f"{cls.name}: expected a sequence of tensors, got {inputs!r}")
        recorded = any_tensor = False
        for i, value in enumerate(inputs):
            if isinstance(value, Tensor):
                any_tensor = True
                recorded = recorded or value._requires_grad
            elif value is None and (variadic or i < cls.required):
                name = f"{cls.inputs[0]}[{i}]" if variadic else cls.inputs[i]
                raise ArgumentTypeError(
                    f"{cls.name}: expected a tensor, an array or a number for {name!r}, got None"
                )
        if choosy:
            check_numbers(cls.name, cls.numbers, cls.inputs, inputs)
        if cls.promote is not None:
            inputs = promoted(cls, inputs, any_tensor)
        arrays = [plain_of(cls, value) for value in inputs]
        if cls.ordered and any(np.iscomplexobj(value) for value in arrays):
            raise DtypeError(
                f"{cls.name}: not implemented for complex numbers, which have no order"
            )
        plain = ((arrays, *args[1:])) if variadic else (*arrays, *args[count:])
        node = cls()
        forward = cls.forward if elementwise else node.forward
        if any_tensor and mode.watchers:
            forward = watched("forward", cls.name, node, forward)
        try:
            if cls.quiet:
                with np.errstate(all="ignore"):
                    out = forward(*plain)
            else:
                out = forward(*plain)
        except (AutodiffError, ValueError, TypeError, IndexError) as error:
            raise _explained(cls, arrays, error) from error
        if not any_tensor:
            return out
        if out is plain[0] and isinstance(inputs[0], Tensor):
            return inputs[0]
        if recorded and mode.grad and cls.differentiable:
            record(node, inputs, plain, out)
            result = outputs_of(node, out)
        else:
            result = outputs_of(None, out)
        if mode.levels:
            push_forward(cls, node, inputs, args, plain, result)
        if cls.heavy:
            node.strip()
        if mode.packing is not None and hasattr(node, "saved"):
            node.pack(*mode.packing)
        if count == 1 and not variadic and cls.differentiable:
            note(inputs[0], result, call, args[1:])
        return result

    return call


def composite(cls: type[Op]) -> Callable[..., Any]:
    """Door of a composition: binds the arguments and calls it."""
    if any("*" in str(parameter) for parameter in cls.signature.parameters.values()):
        return variable(cls)
    choosy = cls.numbers != "any"

    def call(*args: Any, **kwargs: Any) -> Any:
        if not KEYWORDS.isdisjoint(kwargs):
            return redirected(cls, call, args, kwargs)
        bound = cls.bind(args, kwargs)
        if choosy:
            check_numbers(cls.name, cls.numbers, cls.params, bound[:2])
        try:
            return cls.forward(*bound)
        except batching.NeedsLoop:
            return batching.sample_by_sample(call, args, kwargs)
        except _WRONG as error:
            raise _explained(cls, bound, error) from error

    return call


def variable(cls: type[Op]) -> Callable[..., Any]:
    """Door of a composition of any number of operands."""

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            bound = cls.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ArgumentTypeError(f"{cls.name}: {error}; it takes {cls.signature}") from error
        try:
            return cls.forward(*bound.args, **bound.kwargs)
        except batching.NeedsLoop:
            return batching.sample_by_sample(call, args, kwargs)
        except _WRONG as error:
            raise _explained(cls, bound.args, error) from error

    return call


def _explained(cls: type[Op], arrays: Sequence[Any], error: Exception) -> Exception:
    """A complaint as the package's own error, with the op and, if it is NumPy's, the shapes."""
    if isinstance(error, AutodiffError):
        internal = not cls.spaces and cls.operator is None  # its caller gives the name
        named = internal or cls.name in str(error)
        return error if named else type(error)(f"{cls.name}: {error}")
    arrays = [array for array in arrays if isinstance(array, (Tensor, ndarray, float, int))]
    given = [np.shape(array) for array in arrays]
    shapes = " and ".join(map(str, given))
    dtypes = " and ".join(str(asarray(array).dtype) for array in arrays)
    if "negative integer powers" in str(error):
        return RangeError(f"{cls.name}: integers to negative integer powers are not allowed")
    if isinstance(error, TypeError) and hasattr(cls, "partials"):
        return UnsupportedDtypeError(f"{cls.name}: not defined for {dtypes}: {error}")
    if isinstance(error, AttributeError):
        return ArgumentTypeError(f"{cls.name}: expected tensors or arrays: {error}")
    if isinstance(error, TypeError):
        return ArgumentTypeError(f"{cls.name}: not defined for {dtypes}: {error}")
    if isinstance(error, OverflowError):
        return RangeError(f"{cls.name}: {error}")
    if isinstance(error, IndexError):
        are = "shape is" if len(given) == 1 else "shapes are"
        return DimError(f"{cls.name}: {error}; the {are} {shapes}")
    if "could not be broadcast together" in str(error) or "shape mismatch" in str(error):
        return ShapeError(f"{cls.name}: the shapes {shapes} do not fit: they do not broadcast")
    return ShapeError(f"{cls.name}: the shapes {shapes} do not fit: {error}")
