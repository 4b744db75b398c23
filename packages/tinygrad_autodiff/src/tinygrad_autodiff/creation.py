"""Tensors from data, from numbers, and from chance. Names and defaults are torch's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .dtypes import as_dtype, get_default_dtype, int64
from .errors import ArgumentError, ArgumentTypeError, DtypeError, ShapeError
from .ops.dims import ints
from .random import Generator, default_generator
from .tensor import Tensor, array_of, wrap


def _leaf(array: Any, requires_grad: bool) -> Tensor:
    made = wrap(array)
    return made.requires_grad_() if requires_grad else made


def _shape(size: tuple[Any, ...]) -> tuple[int, ...]:
    shape = ints(size[0]) if len(size) == 1 else ints(size)
    if any(length < 0 for length in shape):
        raise ShapeError(f"expected sizes of at least 0, got {shape}")
    return shape


def tensor(data: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A leaf with a copy of `data`: numbers, nested sequences, an array or a tensor.

    Python floats become the default dtype (float32), ints int64; arrays keep their dtype.
    """
    return _leaf(
        np.array(array_of(data), None if dtype is None else as_dtype(dtype)), requires_grad
    )


def as_tensor(data: Any, *, dtype: Any = None) -> Tensor:
    """`data` as a tensor, sharing its memory where that is possible."""
    if isinstance(data, Tensor) and dtype is None:
        return data
    array = array_of(data)
    return wrap(array if dtype is None else array.astype(as_dtype(dtype), copy=False))


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor on the memory of `array`."""
    if not isinstance(array, np.ndarray):
        raise ArgumentTypeError(f"from_numpy: expected an array, got {type(array).__name__}")
    return wrap(array)


def zeros(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros; sizes one by one or as one sequence."""
    return _leaf(np.zeros(_shape(size), as_dtype(dtype or get_default_dtype())), requires_grad)


def ones(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones; sizes one by one or as one sequence."""
    return _leaf(np.ones(_shape(size), as_dtype(dtype or get_default_dtype())), requires_grad)


def empty(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Memory as it comes; sizes one by one or as one sequence."""
    return _leaf(np.empty(_shape(size), as_dtype(dtype or get_default_dtype())), requires_grad)


def full(size: Any, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """`fill_value` everywhere, in its own dtype unless another is given."""
    value = array_of(fill_value)
    return _leaf(np.full(_shape((size,)), value, as_dtype(dtype or value.dtype)), requires_grad)


def arange(
    start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """``start, start + step, …`` below `end`; int64 if all are ints, else the default dtype."""
    if end is None:
        start, end = 0, start
    if step == 0 or (end - start) / step < 0:
        raise ArgumentError(f"arange: a step of {step} does not lead from {start} to {end}")
    if dtype is None:
        whole = all(isinstance(v, int) for v in (start, end, step))
        dtype = int64 if whole else get_default_dtype()
    count = math.ceil((end - start) / step)
    return _leaf((start + step * np.arange(count)).astype(as_dtype(dtype)), requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """`steps` numbers from `start` to `end`, both included."""
    dtype = as_dtype(dtype or get_default_dtype())
    return _leaf(np.linspace(start, end, steps).astype(dtype), requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones on the diagonal of an n × m matrix (m = n by default)."""
    return _leaf(np.eye(n, m, dtype=as_dtype(dtype or get_default_dtype())), requires_grad)


def zeros_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the shape and dtype of `input`."""
    return zeros(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def ones_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of the shape and dtype of `input`."""
    return ones(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def empty_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Memory as it comes, of the shape and dtype of `input`."""
    return empty(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """`fill_value` in the shape and dtype of `input`."""
    return full(input.shape, fill_value, dtype=dtype or input.dtype, requires_grad=requires_grad)


def _floating(dtype: Any, name: str) -> np.dtype[Any]:
    chosen = as_dtype(dtype or get_default_dtype())
    if chosen.kind != "f":
        raise DtypeError(f"{name}: expected a floating dtype, got {chosen}")
    return chosen


def rand(
    *size: Any, generator: Generator | None = None, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """Uniform in [0, 1); equal to torch's from the same seed."""
    shape = _shape(size)
    source = generator or default_generator
    values = source.uniform(math.prod(shape), _floating(dtype, "rand"))
    return _leaf(values.reshape(shape), requires_grad)


def randn(
    *size: Any, generator: Generator | None = None, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """Normal, mean 0 and variance 1; torch's from the same seed, up to rounding."""
    shape = _shape(size)
    source = generator or default_generator
    values = source.normal(math.prod(shape), _floating(dtype, "randn"))
    return _leaf(values.reshape(shape), requires_grad)


def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
) -> Tensor:
    """Integers in [low, high), or ``randint(high, size)``; equal to torch's from the same seed."""
    if size is None:
        low, high, size = 0, low, high
    if size is None:
        raise ArgumentTypeError("randint: missing argument 'size'")
    shape = _shape((size,))
    values = (generator or default_generator).integers(low, high, math.prod(shape))
    return wrap(values.reshape(shape).astype(as_dtype(dtype or int64), copy=False))


def randperm(n: int, *, generator: Generator | None = None) -> Tensor:
    """The numbers 0 … n - 1 in random order; equal to torch's from the same seed."""
    return wrap((generator or default_generator).permutation(n))


def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that each element of `input` states, else 0."""
    draws = (generator or default_generator).uniform(
        input.numel(), _floating(input.dtype, "bernoulli")
    )
    return wrap((draws.reshape(input.shape) < input._data).astype(input.dtype))


def is_tensor(value: Any) -> bool:
    """Whether `value` is a Tensor."""
    return isinstance(value, Tensor)


def is_complex(input: Tensor) -> bool:
    """Whether the dtype of `input` is a complex one."""
    return input.is_complex()


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype of `input` is a floating one."""
    return input.is_floating_point()


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether shapes and all elements are equal."""
    return input.shape == other.shape and bool((input._data == other._data).all())


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether all elements satisfy ``|input - other| <= atol + rtol·|other|``."""
    return bool(np.allclose(input._data, other._data, rtol, atol, equal_nan))
