"""Dtypes and torch's rules for mixing them.

torch ranks operands by category (bool < integer < floating) and by what they are: tensors with
dimensions decide, a 0-d tensor or a Python number only raises the category. NumPy alone would
turn int64 with float32 into float64; here it stays float32.
Source: the section "Type promotion" of torch's documentation of tensor attributes.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .errors import ArgumentTypeError, DtypeError

Array: TypeAlias = NDArray[Any]
Dtype: TypeAlias = np.dtype[Any]

float16 = half = np.dtype(np.float16)
float32 = np.dtype(np.float32)
float64 = double = np.dtype(np.float64)
complex64 = cfloat = np.dtype(np.complex64)
complex128 = cdouble = np.dtype(np.complex128)
int8 = np.dtype(np.int8)
int16 = np.dtype(np.int16)
int32 = np.dtype(np.int32)
int64 = np.dtype(np.int64)
uint8 = np.dtype(np.uint8)
bool_ = np.dtype(np.bool_)


class MissingDtype:
    """A dtype of torch's that NumPy does not have; whoever asks for it gets a DtypeError."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


bfloat16 = MissingDtype("bfloat16")

_RANK = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}
_default = [float32]


def get_default_dtype() -> Dtype:
    """The dtype that Python floats and integer results of float functions take (float32)."""
    return _default[0]


def set_default_dtype(dtype: Any) -> None:
    """Set the default floating dtype; a TypeError for anything that is not floating."""
    dtype = as_dtype(dtype)
    if dtype.kind != "f":
        raise ArgumentTypeError(f"set_default_dtype: expected a floating dtype, got {dtype}")
    _default[0] = dtype


def as_dtype(dtype: Any) -> Dtype:
    """`dtype` (a NumPy dtype, its name, ``float``, ``complex``, …) as a NumPy dtype."""
    if dtype is float:
        return _default[0]
    if dtype is complex:
        return complex_dtype(_default[0])
    if isinstance(dtype, MissingDtype):
        raise DtypeError(f"NumPy has no {dtype}: float32 holds its numbers exactly")
    try:
        found: Dtype = np.dtype(dtype)
    except TypeError as error:
        raise ArgumentTypeError(f"expected a dtype, got {dtype!r}") from error
    if found.kind not in _RANK:
        raise ArgumentTypeError(f"expected a boolean or numeric dtype, got {found}")
    return found


def complex_dtype(dtype: Dtype) -> Dtype:
    """The complex dtype whose parts are of the floating `dtype` (of at least float32)."""
    return complex128 if dtype.itemsize == 8 else complex64


def real_dtype(dtype: Dtype) -> Dtype:
    """The dtype of the parts of a complex `dtype`; a real one is its own."""
    if dtype.kind != "c":
        return dtype
    return float64 if dtype.itemsize == 16 else float32


def promote_types(a: Any, b: Any) -> Dtype:
    """The smallest dtype that torch converts both to; the higher category wins as it is."""
    first, second = as_dtype(a), as_dtype(b)
    if first == second:
        return first
    if (first.kind in "fc") != (second.kind in "fc"):
        return first if first.kind in "fc" else second
    common: Dtype = np.promote_types(first, second)
    return common


def can_cast(from_: Any, to: Any) -> bool:
    """Whether results of one dtype may be written into another: never to a lower category."""
    return _RANK[as_dtype(from_).kind] <= _RANK[as_dtype(to).kind]


def result_type(*values: Any) -> Dtype:
    """The dtype of an operation on arrays, tensors and Python numbers, as torch decides it."""
    sized: Dtype | None = None
    zero_d: Dtype | None = None
    number: Dtype | None = None
    for value in values:
        if isinstance(value, bool):
            number = promote_types(number or bool_, bool_)
        elif isinstance(value, int):
            number = promote_types(number or int64, int64)
        elif isinstance(value, float):
            number = promote_types(number or _default[0], _default[0])
        elif isinstance(value, complex):
            number = promote_types(number or bool_, complex)
        elif value.ndim:
            sized = promote_types(sized or value.dtype, value.dtype)
        else:
            zero_d = promote_types(zero_d or value.dtype, value.dtype)
    found = sized
    for lower in (zero_d, number):
        if lower is None:
            continue
        if found is None:
            found = lower
        elif lower.kind == "c" and found.kind == "f":
            found = complex_dtype(found)
        elif _RANK[lower.kind] > _RANK[found.kind]:
            found = promote_types(found, lower)
    assert found is not None
    return found
