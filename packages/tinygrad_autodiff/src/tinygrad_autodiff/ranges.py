"""Tensors of regular numbers: ranges, the identity, the places of a triangle."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .creation import chosen
from .dtypes import Array, Dtype, as_dtype, get_default_dtype, int64
from .errors import ArgumentTypeError, RangeError
from .place import leaf
from .tensor import Tensor, array_of

__all__ = ["arange", "eye", "linspace", "logspace", "tril_indices", "triu_indices"]


def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    **place: Any,
) -> Tensor:
    """``start, start + step, …`` below `end`; int64 if all are ints, else the default dtype."""
    if end is None:
        start, end = 0, start
    start, end, step = (v.item() if hasattr(v, "item") else v for v in (start, end, step))
    if not step or not math.isfinite(start) or not math.isfinite(end) or (end - start) / step < 0:
        raise RangeError(f"arange: a step of {step} does not lead from {start} to {end}")
    if dtype is None:
        whole = all(isinstance(v, int) for v in (start, end, step))
        dtype = int64 if whole else get_default_dtype()
    dtype = as_dtype(dtype)
    count = math.ceil((end - start) / step)
    if dtype.kind in "iu":
        start, step = int(start), int(step)
    values = start + step * np.arange(count)
    return leaf("arange", values.astype(dtype), requires_grad, place)


def _exponents(name: str, start: Any, end: Any, steps: int, dtype: Dtype) -> Array:
    """From `start` to `end`, each half counted from its own end, as torch does."""
    if isinstance(steps, float):
        raise ArgumentTypeError(f"{name}: expected steps as an int, got {steps}")
    if steps < 0:
        raise RangeError(f"{name}: expected steps of at least 0, got {steps}")
    first, last = (array_of(v, dtype) for v in (start, end))
    if first.ndim or last.ndim:
        raise RangeError(f"{name}: expected numbers, got shapes {first.shape} and {last.shape}")
    work = np.dtype(np.float64) if dtype.kind in "iu" else dtype
    first, last = first.astype(work), last.astype(work)
    step = (last - first) / max(steps - 1, 1)
    place = np.arange(steps).astype(work)
    forward = first + step * place
    backward = last - step * (steps - 1 - place)
    values: Array = np.where(np.arange(steps) < steps // 2 + (steps == 1), forward, backward)
    return values


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    **place: Any,
) -> Tensor:
    """`steps` numbers from `start` to `end`, both included."""
    dtype = chosen(dtype)
    values = _exponents("linspace", start, end, steps, dtype)
    return leaf("linspace", values.astype(dtype), requires_grad, place)


def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    **place: Any,
) -> Tensor:
    """`base` to the power of `steps` numbers from `start` to `end`, both included."""
    dtype = chosen(dtype)
    values = _exponents("logspace", start, end, steps, dtype)
    with np.errstate(all="ignore"):
        values = np.power(np.asarray(base, values.dtype), values)
    return leaf("logspace", values.astype(dtype), requires_grad, place)


def eye(
    n: int, m: int | None = None, *, dtype: Any = None, requires_grad: bool = False, **place: Any
) -> Tensor:
    """Ones on the diagonal of an n × m matrix (m = n by default)."""
    if n < 0 or (m is not None and m < 0):
        raise RangeError(f"eye: expected sizes of at least 0, got {n} and {m}")
    return leaf("eye", np.eye(n, m, dtype=chosen(dtype)), requires_grad, place)


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = int64, **place: Any
) -> Tensor:
    """Rows and columns (one above the other) of the lower triangle up to diagonal `offset`."""
    return leaf("tril_indices", _triangle(row, col, offset, dtype, np.tril), False, place)


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = int64, **place: Any
) -> Tensor:
    """Rows and columns (one above the other) of the upper triangle from diagonal `offset` on."""
    return leaf("triu_indices", _triangle(row, col, offset, dtype, np.triu), False, place)


def _triangle(row: int, col: int, offset: int, dtype: Any, cut: Any) -> Array:
    if row < 0 or col < 0:
        raise RangeError(f"expected sizes of at least 0, got {row} and {col}")
    return np.stack(np.nonzero(cut(np.ones((row, col), np.bool_), offset))).astype(as_dtype(dtype))
