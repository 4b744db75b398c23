"""Dimensions: normalised, checked, removed and put back."""

from __future__ import annotations

from collections.abc import Callable
from operator import index
from typing import Any, TypeAlias, cast

import numpy as np

from ..dtypes import Array
from ..errors import ArgumentTypeError, DimError, ShapeError
from ..registry import op

# Reductions of ufuncs: the fastest that NumPy has, without the types of its stubs.
add_reduce: Callable[..., Array] = cast(Any, np.add.reduce)
max_reduce: Callable[..., Array] = cast(Any, np.maximum.reduce)
min_reduce: Callable[..., Array] = cast(Any, np.minimum.reduce)

Dims: TypeAlias = int | tuple[int, ...] | list[int] | None
Ints: TypeAlias = int | tuple[int, ...] | list[int]


def one_dim(dim: Any, ndim: int) -> int:
    """`dim` counted from the front; an IndexError if it is out of range."""
    if not isinstance(dim, (int, np.integer)):
        raise ArgumentTypeError(f"expected a dimension as an int, got {dim!r}")
    size = max(ndim, 1)
    if not -size <= dim < size:
        raise DimError(
            f"dimension out of range (expected to be in [{-size}, {size - 1}], but got {dim})"
        )
    return int(dim) % size


def all_dims(dim: Dims, ndim: int) -> tuple[int, ...]:
    """`dim` as a sorted tuple of dimensions from the front; None means all."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(ndim))
    if not isinstance(dim, (tuple, list)):
        return (one_dim(dim, ndim),) if ndim else (one_dim(dim, ndim),)[:0]
    dims = sorted(one_dim(d, ndim) for d in dim)
    if len(set(dims)) != len(dims):
        raise ShapeError(f"a dimension appears more than once in {tuple(dim)}")
    return tuple(dims) if ndim else ()


def ints(sizes: Any) -> tuple[int, ...]:
    """Sizes given as one int or as a sequence of ints; a TypeError for anything else."""
    if isinstance(sizes, (int, np.integer)):
        return (int(sizes),)
    try:
        return tuple(map(index, sizes))
    except TypeError as error:
        raise ArgumentTypeError(f"expected an int or a sequence of ints, got {sizes!r}") from error


def kept_shape(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """`shape` with size 1 at `axes`."""
    return tuple(1 if i in axes else size for i, size in enumerate(shape))


def restored(value: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """A reduced `value` with the reduced dimensions put back as size 1."""
    kept = kept_shape(shape, axes)
    return value if value.shape == kept else op.reshape(value, kept)


def spread(value: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """A reduced `value` repeated along the reduced dimensions: the adjoint of a sum."""
    if value.__class__ is np.ndarray and not value.ndim:
        return np.ndarray(shape, value.dtype, value, 0, (0,) * len(shape))  # a view, 8x faster
    return op.expand(restored(value, shape, axes), shape)


def total(input: Array, axes: tuple[int, ...] | None, keepdim: bool = False) -> Array:
    """Sum over `axes`, accumulated in float32 for float16."""
    if input.dtype == np.float16:
        wide = add_reduce(input, axes, np.float32, keepdims=keepdim)
        return np.asarray(wide).astype(np.float16)
    if not keepdim:
        return np.asarray(add_reduce(input, axes))
    return np.asarray(add_reduce(input, axes, keepdims=True))
