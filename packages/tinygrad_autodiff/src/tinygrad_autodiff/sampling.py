"""Tensors from chance: uniform, normal, integers, permutations; torch's from the same seed."""

from __future__ import annotations

import math
from typing import Any

from .creation import chosen, shape_of
from .dtypes import Array, Dtype, as_dtype, int64, real_dtype
from .errors import DtypeError, RangeError
from .place import leaf
from .random import Generator, default_generator, in_memory_order
from .tensor import Tensor

__all__ = ["rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm"]


def _floating(dtype: Any, name: str) -> Dtype:
    found = chosen(dtype)
    if found.kind not in "fc":
        raise DtypeError(f"{name}: expected a floating dtype, got {found}")
    return found


def _uniform(source: Generator, count: int, dtype: Dtype) -> Array:
    """Both parts of a complex number are uniform."""
    if dtype.kind != "c":
        return source.uniform(count, dtype)
    return source.uniform(2 * count, real_dtype(dtype)).view(dtype)


def _normal(source: Generator, count: int, dtype: Dtype, blocks: bool = True) -> Array:
    """Both parts of a complex number have variance 1/2."""
    if dtype.kind != "c":
        return source.normal(count, dtype, blocks=blocks)
    parts = source.normal(2 * count, real_dtype(dtype), blocks=blocks)
    return (parts * math.sqrt(0.5)).view(dtype)


def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    requires_grad: bool = False,
    **place: Any,
) -> Tensor:
    """Uniform in [0, 1); equal to torch's from the same seed."""
    shape, source = shape_of(size), generator or default_generator
    values = _uniform(source, math.prod(shape), _floating(dtype, "rand"))
    return leaf("rand", values.reshape(shape), requires_grad, place)


def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    requires_grad: bool = False,
    **place: Any,
) -> Tensor:
    """Normal, mean 0 and variance 1; torch's from the same seed, up to rounding."""
    shape, source = shape_of(size), generator or default_generator
    values = _normal(source, math.prod(shape), _floating(dtype, "randn"))
    return leaf("randn", values.reshape(shape), requires_grad, place)


def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    requires_grad: bool = False,
    **place: Any,
) -> Tensor:
    """Integers in [low, high), or ``randint(high, size)``; equal to torch's from the same seed."""
    if size is None:
        low, high, size = 0, low, high
    shape, source = shape_of((size,)), generator or default_generator
    values = source.integers(int(low), int(high), math.prod(shape)).reshape(shape)
    made = values.astype(as_dtype(dtype or int64), copy=False)
    return leaf("randint", made, requires_grad, place)


def randperm(
    n: int, *, generator: Generator | None = None, dtype: Any = int64, **place: Any
) -> Tensor:
    """The numbers 0 … n - 1 in random order; equal to torch's from the same seed."""
    if n < 0:
        raise RangeError(f"randperm: expected n >= 0, got {n}")
    values = (generator or default_generator).permutation(n)
    return leaf("randperm", values.astype(as_dtype(dtype), copy=False), False, place)


def rand_like(
    input: Tensor, *, dtype: Any = None, requires_grad: bool = False, **place: Any
) -> Tensor:
    """Uniform in [0, 1), of the shape and dtype of `input`."""
    wanted = _floating(dtype or input.dtype, "rand_like")
    values = _uniform(default_generator, input.numel(), wanted)
    return leaf("rand_like", in_memory_order(values, input._data), requires_grad, place)


def randn_like(
    input: Tensor, *, dtype: Any = None, requires_grad: bool = False, **place: Any
) -> Tensor:
    """Normal, mean 0 and variance 1, of the shape and dtype of `input`."""
    wanted = _floating(dtype or input.dtype, "randn_like")
    values = _normal(default_generator, input.numel(), wanted, input.is_contiguous())
    return leaf("randn_like", in_memory_order(values, input._data), requires_grad, place)


def randint_like(
    input: Tensor,
    low: int,
    high: int | None = None,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    **place: Any,
) -> Tensor:
    """Integers in [low, high), or below `low` if it is alone, of the shape and dtype of `input`."""
    low, high = (0, low) if high is None else (low, high)
    values = default_generator.integers(int(low), int(high), input.numel())
    made = in_memory_order(values.astype(as_dtype(dtype or input.dtype)), input._data)
    return leaf("randint_like", made, requires_grad, place)
