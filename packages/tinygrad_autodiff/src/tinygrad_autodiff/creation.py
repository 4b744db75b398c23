"""Tensors from data and from numbers. Names and defaults are torch's.

Where to put a tensor (device, layout, memory_format, pin_memory) may be said, see `place`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .dtypes import Dtype, as_dtype, get_default_dtype
from .errors import ArgumentTypeError, ShapeError
from .ops.dims import ints
from .ops.resize import spaced
from .place import leaf
from .tensor import Tensor, array_of, wrap

__all__ = [
    "as_tensor",
    "asarray",
    "empty",
    "empty_like",
    "empty_permuted",
    "empty_strided",
    "from_numpy",
    "full",
    "full_like",
    "is_complex",
    "is_floating_point",
    "is_tensor",
    "numel",
    "ones",
    "ones_like",
    "scalar_tensor",
    "tensor",
    "zeros",
    "zeros_like",
]


def shape_of(size: tuple[Any, ...]) -> tuple[int, ...]:
    """Sizes given one by one or as one sequence; an error if one is negative."""
    shape = ints(size[0]) if len(size) == 1 else ints(size)
    if any(length < 0 for length in shape):
        raise ShapeError(f"expected sizes of at least 0, got {shape}")
    return shape


def chosen(dtype: Any) -> Dtype:
    """`dtype`, or the default floating dtype for None."""
    return get_default_dtype() if dtype is None else as_dtype(dtype)


# ---- from data -----------------------------------------------------------------------------------


def tensor(data: Any, *, dtype: Any = None, requires_grad: bool = False, **place: Any) -> Tensor:
    """A leaf with a copy of `data`: numbers, nested sequences, an array or a tensor.

    Python floats become the default dtype (float32), ints int64; arrays keep their dtype.
    """
    copied = np.array(array_of(data, None if dtype is None else as_dtype(dtype)))
    return leaf("tensor", copied, requires_grad, place)


def as_tensor(data: Any, *, dtype: Any = None, **place: Any) -> Tensor:
    """`data` as a tensor, sharing its memory where that is possible."""
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    shared = array_of(data, None if dtype is None else as_dtype(dtype))
    return leaf("as_tensor", shared, False, place)


def asarray(
    data: Any, *, dtype: Any = None, copy: bool = False, requires_grad: bool = False, **place: Any
) -> Tensor:
    """`as_tensor`, or `tensor` with ``copy=True``."""
    if copy or requires_grad:
        return tensor(data, dtype=dtype, requires_grad=requires_grad, **place)
    return as_tensor(data, dtype=dtype, **place)


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor on the memory of `array`."""
    if not isinstance(array, np.ndarray):
        raise ArgumentTypeError(f"from_numpy: expected an array, got {type(array).__name__}")
    return wrap(array)


def scalar_tensor(
    value: Any, *, dtype: Any = None, requires_grad: bool = False, **place: Any
) -> Tensor:
    """A 0-d tensor of the default dtype, unless another is given."""
    return leaf("scalar_tensor", np.asarray(value, chosen(dtype)), requires_grad, place)


# ---- from numbers --------------------------------------------------------------------------------


def zeros(*size: Any, dtype: Any = None, requires_grad: bool = False, **place: Any) -> Tensor:
    """Zeros; sizes one by one or as one sequence."""
    return leaf("zeros", np.zeros(shape_of(size), chosen(dtype)), requires_grad, place)


def ones(*size: Any, dtype: Any = None, requires_grad: bool = False, **place: Any) -> Tensor:
    """Ones; sizes one by one or as one sequence."""
    return leaf("ones", np.ones(shape_of(size), chosen(dtype)), requires_grad, place)


def empty(*size: Any, dtype: Any = None, requires_grad: bool = False, **place: Any) -> Tensor:
    """Memory as it comes; sizes one by one or as one sequence."""
    return leaf("empty", np.empty(shape_of(size), chosen(dtype)), requires_grad, place)


def full(
    size: Any, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False, **place: Any
) -> Tensor:
    """`fill_value` everywhere, in its own dtype unless another is given."""
    value = array_of(fill_value, None if dtype is None else as_dtype(dtype))
    made = np.full(shape_of((size,)), value, value.dtype)
    return leaf("full", made, requires_grad, place)


def empty_strided(
    size: Any, stride: Any, *, dtype: Any = None, requires_grad: bool = False, **place: Any
) -> Tensor:
    """Memory as it comes, of a shape and with strides counted in elements."""
    return leaf("empty_strided", spaced(size, stride, chosen(dtype)), requires_grad, place)


def empty_permuted(
    size: Any, physical_layout: Any, *, dtype: Any = None, requires_grad: bool = False, **place: Any
) -> Tensor:
    """Memory as it comes, its dimensions lying in the order of `physical_layout`."""
    sizes, order = shape_of((size,)), ints(physical_layout)
    if sorted(order) != list(range(len(sizes))):
        raise ShapeError(f"empty_permuted: {order} is no order of the dimensions of {sizes}")
    back = tuple(sorted(range(len(order)), key=order.__getitem__))
    made = np.empty(tuple(sizes[i] for i in order), chosen(dtype)).transpose(back)
    return leaf("empty_permuted", made, requires_grad, place)


# ---- like others ---------------------------------------------------------------------------------


def zeros_like(
    input: Tensor, *, dtype: Any = None, requires_grad: bool = False, **place: Any
) -> Tensor:
    """Zeros of the shape and dtype of `input`."""
    return zeros(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad, **place)


def ones_like(
    input: Tensor, *, dtype: Any = None, requires_grad: bool = False, **place: Any
) -> Tensor:
    """Ones of the shape and dtype of `input`."""
    return ones(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad, **place)


def empty_like(
    input: Tensor, *, dtype: Any = None, requires_grad: bool = False, **place: Any
) -> Tensor:
    """Memory as it comes, of the shape and dtype of `input`."""
    return empty(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad, **place)


def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False, **place: Any
) -> Tensor:
    """`fill_value` in the shape and dtype of `input`."""
    dtype = dtype or input.dtype
    return full(input.shape, fill_value, dtype=dtype, requires_grad=requires_grad, **place)


# ---- what a tensor is ----------------------------------------------------------------------------


def is_tensor(value: Any) -> bool:
    """Whether `value` is a Tensor."""
    return isinstance(value, Tensor)


def is_complex(input: Tensor) -> bool:
    """Whether the dtype of `input` is a complex one."""
    return input.is_complex()


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype of `input` is a floating one."""
    return input.is_floating_point()


def numel(input: Tensor) -> int:
    """Number of elements."""
    return input.numel()
