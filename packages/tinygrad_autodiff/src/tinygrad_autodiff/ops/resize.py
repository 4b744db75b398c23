"""New tensors from old ones: of the same dtype, or the same memory under another size."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..dtypes import as_dtype
from ..errors import ArgumentTypeError, GraphError, ShapeError
from ..op import compose
from ..place import leaf
from ..tensor import Tensor, array_of
from .dims import ints


def _dtype(input: Any, dtype: Any) -> Any:
    return input.dtype if dtype is None else as_dtype(dtype)


def _shape(name: str, size: tuple[Any, ...]) -> tuple[int, ...]:
    shape = ints(size[0]) if len(size) == 1 else ints(size)
    if min(shape, default=0) < 0:
        raise ShapeError(f"{name}: expected sizes of at least 0, got {shape}")
    return shape


@compose(spaces=("Tensor",))
def new_tensor(
    input: Any, data: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Any:
    """A leaf with a copy of `data`, in the dtype of `input` unless another is given."""
    made = np.array(array_of(data, _dtype(input, dtype)))
    return leaf("new_tensor", made, requires_grad, {"device": device})


@compose(spaces=("Tensor",))
def new_zeros(
    input: Any, *size: Any, dtype: Any = None, requires_grad: bool = False, **place: Any
) -> Any:
    """Zeros of the dtype of `input`; sizes one by one or as one sequence."""
    made = np.zeros(_shape("new_zeros", size), _dtype(input, dtype))
    return leaf("new_zeros", made, requires_grad, place)


@compose(spaces=("Tensor",))
def new_ones(
    input: Any, *size: Any, dtype: Any = None, requires_grad: bool = False, **place: Any
) -> Any:
    """Ones of the dtype of `input`; sizes one by one or as one sequence."""
    made = np.ones(_shape("new_ones", size), _dtype(input, dtype))
    return leaf("new_ones", made, requires_grad, place)


@compose(spaces=("Tensor",))
def new_empty(
    input: Any, *size: Any, dtype: Any = None, requires_grad: bool = False, **place: Any
) -> Any:
    """Memory as it comes, of the dtype of `input`; sizes one by one or as one sequence."""
    made = np.empty(_shape("new_empty", size), _dtype(input, dtype))
    return leaf("new_empty", made, requires_grad, place)


@compose(spaces=("Tensor",))
def new_full(
    input: Any,
    size: Any,
    fill_value: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    layout: Any = None,
    pin_memory: bool = False,
) -> Any:
    """`fill_value` everywhere, in the dtype of `input`."""
    value = array_of(fill_value, _dtype(input, dtype))
    made = np.full(_shape("new_full", (size,)), value)
    return leaf("new_full", made, requires_grad, {"device": device})


@compose(spaces=("Tensor",))
def new_empty_strided(
    input: Any,
    size: Any,
    stride: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    layout: Any = None,
    pin_memory: bool = False,
) -> Any:
    """Memory as it comes, of the dtype of `input`, with strides counted in elements."""
    made = spaced(size, stride, _dtype(input, dtype))
    return leaf("new_empty_strided", made, requires_grad, {"device": device})


def spaced(size: Any, stride: Any, dtype: Any) -> Any:
    """An array on new memory with the given sizes and strides (in elements)."""
    sizes, strides = _shape("empty_strided", (size,)), ints(stride)
    if len(sizes) != len(strides) or min(strides, default=0) < 0:
        raise ShapeError(f"empty_strided: strides {strides} do not fit sizes {sizes}")
    last = sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))
    memory = np.empty(last + 1 if min(sizes, default=1) else 0, dtype)
    return np.ndarray(sizes, dtype, memory, 0, tuple(s * memory.itemsize for s in strides))


@compose(spaces=("Tensor",))
def resize_(input: Any, *size: Any, memory_format: Any = None) -> Any:
    """Give the tensor another size: its first elements in memory, and more as they come."""
    if not isinstance(input, Tensor):
        raise ArgumentTypeError(f"resize_: expected a tensor, got {type(input).__name__}")
    if input.requires_grad:
        raise GraphError("resize_: cannot resize a tensor that requires grad")
    shape, old = _shape("resize_", size), input._data.reshape(-1)
    count = math.prod(shape)
    if count > old.size:
        old = np.concatenate([old, np.empty(count - old.size, old.dtype)])
    input.data = old[:count].reshape(shape)
    return input


@compose(spaces=("", "Tensor"))
def resize_as_(input: Any, the_template: Any, memory_format: Any = None) -> Any:
    """Give the tensor the size of another; see resize_."""
    return input.resize_(the_template.shape)
