"""Results that go into memory that is there already: ``out=`` and ``inplace=True``.

Both are keywords of the call, not of an op: the doors hand calls that have one over to
`redirected`, which computes as ever and copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .dtypes import can_cast
from .errors import (
    ArgumentError,
    ArgumentTypeError,
    DtypeError,
    GraphError,
    RangeError,
    ShapeError,
)
from .inplace import check_places, copy_, overwrite
from .mode import mode
from .tensor import Tensor, wrap

KEYWORDS = frozenset(("out", "inplace"))
# The functions of `nn.functional` that torch can have write over their input.
OPTIONAL = {
    *("relu", "relu6", "leaky_relu", "rrelu", "elu", "celu", "selu", "silu", "mish", "hardtanh"),
    *("hardsigmoid", "hardswish", "threshold", "dropout", "dropout1d", "dropout2d", "dropout3d"),
    *("alpha_dropout", "feature_alpha_dropout"),
}


def redirected(cls: Any, call: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    """``call(*args, **kwargs)`` with its result where `out` or `inplace` says."""
    rest = {key: value for key, value in kwargs.items() if key not in KEYWORDS}
    if "inplace" in kwargs and cls.name not in OPTIONAL:
        return cls.bind(args, kwargs)  # which refuses it
    if kwargs.get("inplace"):
        input, *others = cls.bind(args, rest)
        return overwrite(input, f"{cls.name}_", call, others, {})
    out = kwargs.get("out")
    if out is None:
        return call(*args, **rest)
    several = isinstance(out, (tuple, list))
    targets: list[Any] = list(out) if several else [out]
    for i, target in enumerate(targets):
        _check_memory(cls, target, list(_arrays((args, rest))))
        if any(np.shares_memory(target._data, other._data) for other in targets[:i]):
            raise ArgumentError(f"{cls.name}: the tensors given as out must not overlap")
    result = call(*args, **rest)
    parts = result if isinstance(result, tuple) else (result,)
    values = [v if isinstance(v, Tensor) else wrap(np.asarray(v)) for v in parts]
    if len(values) != len(targets):
        raise ArgumentTypeError(
            f"{cls.name}: out: expected {len(values)} tensors, got {len(targets)}"
        )
    for target, value in zip(targets, values, strict=True):
        _check(cls, target, value)
    for target, value in zip(targets, values, strict=True):
        if target.shape != value.shape:
            target.data = np.empty(value.shape, target.dtype)
        copy_(target, value)
    if not isinstance(result, tuple):
        return targets[0]
    return type(result)(*targets) if hasattr(result, "_fields") else tuple(targets)


def _arrays(value: Any) -> Iterator[Any]:
    if isinstance(value, Tensor):
        yield value._data
    elif isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _arrays(part)
    elif isinstance(value, dict):
        yield from _arrays(list(value.values()))


def _check_memory(cls: Any, target: Any, inputs: list[Any]) -> None:
    """Raise unless `target` has a place for every element, and takes none from an input."""
    if not isinstance(target, Tensor):
        raise ArgumentTypeError(f"{cls.name}: out: expected a tensor, got {type(target).__name__}")
    data = target._data
    check_places(target, f"{cls.name}: out")
    for array in inputs:
        if array is not data and not np.shares_memory(array, data):
            continue
        if not hasattr(cls, "partials") or _elements(array) != _elements(data):
            raise RangeError(
                f"{cls.name}: out shares memory with an input; only an elementwise operation can "
                "write over its input, and only if they are the same elements: clone() it"
            )


def _elements(array: Any) -> tuple[Any, ...]:
    return array.__array_interface__["data"][0], array.shape, array.strides, array.dtype


def _check(cls: Any, target: Tensor, value: Any) -> None:
    """Raise unless `value` can go into `target`: no graph, the shape, the dtype."""
    if value._requires_grad or (mode.grad and target._requires_grad):
        raise GraphError(
            f"{cls.name}: functions with out=... arguments don't support automatic "
            "differentiation, but one of the arguments requires grad: assign the result, or use "
            "no_grad()"
        )
    if target.shape != value.shape and target.numel():
        raise ShapeError(
            f"{cls.name}: out: expected shape {value.shape} or an empty tensor, got {target.shape}"
        )
    casts = hasattr(cls, "partials") and cls.promote is not None
    if value.dtype != target.dtype and not (casts and can_cast(value.dtype, target.dtype)):
        raise DtypeError(
            f"{cls.name}: result type {value.dtype} can't be cast to the desired output type "
            f"{target.dtype}"
        )
