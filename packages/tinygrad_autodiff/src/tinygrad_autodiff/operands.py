"""Operands: what the inputs of a call become before `forward` sees them.

Tensors, arrays, numbers and nested sequences are cast to one dtype by torch's rules (`promoted`)
and stripped to arrays and numbers (`plain_of`); what does not belong is an error that names the op.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import asarray, ndarray

from .dtypes import get_default_dtype, result_type
from .errors import ArgumentTypeError
from .registry import op
from .tensor import Tensor, array_of

if TYPE_CHECKING:
    from .op import Op

_NUMBERS = (float, int, bool, complex)


def promoted(cls: type[Op], inputs: Sequence[Any], any_tensor: bool) -> Sequence[Any]:
    """`inputs` cast to one dtype by torch's rules; casts of tensors are recorded."""
    chosen = [array_or_number(cls, value, any_tensor) for value in inputs[cls.promoted]]
    dtype = result_type(*(value for value in chosen if value is not None))
    if cls.promote == "float" and dtype.kind not in "fc":
        dtype = get_default_dtype()
    cast: list[Any] = []
    for value in chosen:
        if value is None:
            cast.append(value)
        elif isinstance(value, _NUMBERS):
            alone = all(v is None or isinstance(v, _NUMBERS) for v in chosen)
            cast.append(asarray(value, dtype) if alone else value)
        elif value.dtype == dtype:
            cast.append(value)
        elif isinstance(value, Tensor):
            cast.append(op.to(value, dtype))
        else:
            cast.append(value.astype(dtype))
    rest = list(inputs)
    rest[cls.promoted] = cast
    return rest


def check_numbers(name: str, allowed: str, names: Sequence[str], operands: Sequence[Any]) -> None:
    """Raise for a Python number where torch wants a tensor; beside arrays alone any will do.

    Args:
        name: The op, for the message.
        allowed: Which of two operands may be a number: "one" (but not both), "other", "none".
        names: What the operands are called.
        operands: Tensors, arrays and numbers.
    """
    plain = [value.__class__ in _NUMBERS for value in operands]
    if not any(plain) or any(isinstance(value, (ndarray, np.generic)) for value in operands):
        return
    if {"one": all(plain), "other": plain[0], "none": True}[allowed]:
        place = plain.index(True)
        raise ArgumentTypeError(
            f"{name}: expected a tensor for {names[place]!r}, got the number {operands[place]!r}"
        )


def array_or_number(cls: type[Op], value: Any, beside_tensors: bool) -> Any:
    """`value` if it is a tensor, an array or a Python number.

    Beside tensors a NumPy float64 or complex128 counts as the Python number that it is, as in
    torch; among arrays it is what arithmetic makes of a 0-d array, and keeps its dtype.
    """
    if isinstance(value, (Tensor, ndarray)) or value.__class__ in _NUMBERS or value is None:
        return value
    if isinstance(value, np.generic):
        plain = beside_tensors and isinstance(value, (float, complex))
        return value.item() if plain else asarray(value)
    if isinstance(value, (list, tuple)):
        return array_of(value)
    raise ArgumentTypeError(
        f"{cls.name}: expected a tensor, an array or a number, got {type(value).__name__}"
    )


def plain_of(cls: type[Op], value: Any) -> Any:
    """The array of a tensor; an array or a Python number as it is."""
    if isinstance(value, Tensor):
        return value._data
    if value is None or isinstance(value, ndarray) or value.__class__ in _NUMBERS:
        return value
    if isinstance(value, (list, tuple, np.generic)):
        return array_of(value)
    raise ArgumentTypeError(
        f"{cls.name}: expected a tensor, an array or a number, got {type(value).__name__}"
    )
