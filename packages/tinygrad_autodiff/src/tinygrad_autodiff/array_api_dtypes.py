"""Dtypes as the Python array API standard has them: casts, promotion, kinds, limits."""

from __future__ import annotations

from typing import Any

import numpy as np

from .dtypes import (
    as_dtype,
    complex64,
    complex128,
    float64,
    get_default_dtype,
    int64,
    promote_types,
)
from .errors import ArgumentError
from .registry import op
from .tensor import Tensor


def astype(x: Tensor, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """`x` in another dtype."""
    return op.clone(x) if copy and as_dtype(dtype) == x.dtype else op.to(x, dtype)


def can_cast(from_: Any, to: Any, /) -> bool:
    """Whether a cast by the promotion rules keeps every value."""
    source = from_.dtype if isinstance(from_, Tensor) else from_
    return bool(np.can_cast(source, to, "safe"))


def result_type(*values: Any) -> Any:
    """The dtype that these tensors and dtypes are promoted to."""
    kinds = [v.dtype if isinstance(v, Tensor) else np.dtype(v) for v in values if _is_typed(v)]
    found = kinds[0]
    for kind in kinds[1:]:
        found = promote_types(found, kind)
    return found


def _is_typed(value: Any) -> bool:
    return not isinstance(value, (bool, int, float, complex))


def finfo(type: Any, /) -> Any:
    """Limits of a floating dtype."""
    return np.finfo(type.dtype if isinstance(type, Tensor) else type)


def iinfo(type: Any, /) -> Any:
    """Limits of an integer dtype."""
    return np.iinfo(type.dtype if isinstance(type, Tensor) else type)


_KINDS = {
    "bool": "b",
    "signed integer": "i",
    "unsigned integer": "u",
    "integral": "iu",
    "real floating": "f",
    "complex floating": "c",
    "numeric": "iufc",
}


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether `dtype` is of a kind ("real floating", …), a dtype, or one of a tuple of them."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    if isinstance(kind, str):
        if kind not in _KINDS:
            raise ArgumentError(f"isdtype: the kinds are {sorted(_KINDS)}, not {kind!r}")
        return bool(np.dtype(dtype).kind in _KINDS[kind])
    return bool(np.dtype(dtype) == np.dtype(kind))


class Info:
    """What can be asked about the namespace."""

    def capabilities(self) -> dict[str, Any]:
        """Shapes may depend on values; there is no limit but NumPy's on dimensions."""
        shapes = {"boolean indexing": True, "data-dependent shapes": True}
        return {**shapes, "max dimensions": 64}

    def default_device(self) -> str:
        """The CPU."""
        return "cpu"

    def devices(self) -> list[str]:
        """The CPU."""
        return ["cpu"]

    def default_dtypes(self, *, device: Any = None) -> dict[str, Any]:
        """What numbers become."""
        real = get_default_dtype()
        kind = complex128 if real == float64 else complex64
        return {
            "real floating": real,
            "complex floating": kind,
            "integral": int64,
            "indexing": int64,
        }

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, Any]:
        """All dtypes, or those of a kind."""
        names = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64"
        names += " float32 float64 complex64 complex128"
        return {
            name: np.dtype(name)
            for name in names.split()
            if kind is None or isdtype(np.dtype(name), kind)
        }
