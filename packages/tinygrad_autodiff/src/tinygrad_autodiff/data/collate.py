"""From a list of samples to one batch of tensors."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from functools import reduce
from typing import Any

import numpy as np

from ..dtypes import float64, promote_types
from ..errors import ArgumentError, ArgumentTypeError, ShapeError
from ..registry import op
from ..tensor import Tensor, array_of, wrap


def default_collate(batch: Sequence[Any]) -> Any:
    """Put samples together along a new first dimension, through all nesting, as torch does.

    Tensors, arrays, NumPy scalars, ints and bools become a tensor of their dtype, floats one of
    float64; text and bytes stay a list; a mapping, a namedtuple or a list becomes one of the same
    type with each entry collated; a tuple becomes a list.

    Raises:
        ShapeError: Two samples have different shapes or lengths.
        ArgumentTypeError: A sample is, or holds, something else.
    """
    if not batch:
        raise ArgumentError("default_collate: the batch is empty")
    first = batch[0]
    for kind, together_with, collate in _KINDS:
        if isinstance(first, kind):
            for i, sample in enumerate(batch):
                if not isinstance(sample, together_with):
                    raise ArgumentTypeError(
                        f"default_collate: sample {i} of the batch is {_name(sample)}, sample 0 "
                        f"is {_name(first)}; give the DataLoader a collate_fn"
                    )
            return collate(batch)
    raise _strange(first)


def default_convert(data: Any) -> Any:
    """One sample with its arrays and NumPy scalars as tensors, through all nesting."""
    if isinstance(data, (np.ndarray, np.generic)) and data.dtype.kind in "biufc":
        return wrap(np.asarray(data))
    if isinstance(data, (Tensor, np.ndarray, str, bytes)):
        return data
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, Sequence):
        return _like_sequence(data, [default_convert(value) for value in data])
    return data


def _name(sample: Any) -> str:
    text = type(sample).__name__
    return f"{text} of {sample.dtype}" if isinstance(sample, np.ndarray) else text


def _strange(sample: Any) -> ArgumentTypeError:
    return ArgumentTypeError(
        "default_collate: expected tensors, arrays, numbers, text, or mappings and sequences of "
        f"them, got {_name(sample)}; give the DataLoader a collate_fn"
    )


def _tensors(batch: Sequence[Any]) -> Tensor:
    if any(isinstance(sample, Tensor) and sample.requires_grad for sample in batch):
        return op.stack(list(batch))  # type: ignore[no-any-return]
    arrays = [array_of(sample) for sample in batch]
    shape = arrays[0].shape
    for i, array in enumerate(arrays):
        if array.dtype.kind not in "biufc":
            raise _strange(array)
        if array.shape != shape:
            raise ShapeError(
                f"default_collate: sample 0 of the batch has shape {shape}, sample {i} has "
                f"{array.shape}; pad them, or give the DataLoader a collate_fn"
            )
    dtype = reduce(promote_types, {array.dtype for array in arrays})
    if not shape:
        return wrap(np.array(arrays, dtype))
    made = np.empty((len(arrays), *shape), dtype)
    rows = made.reshape(len(arrays) * shape[0], *shape[1:])
    np.concatenate(arrays, out=rows, casting="unsafe")  # faster than np.stack
    return wrap(made)


def _mappings(batch: Sequence[Any]) -> Any:
    first = batch[0]
    for i, sample in enumerate(batch):
        for key in first:
            if key not in sample:
                raise ArgumentError(
                    f"default_collate: sample {i} has no {key!r}, sample 0 of the batch has one"
                )
    entries = {key: default_collate([sample[key] for sample in batch]) for key in first}
    return _like_mapping(first, entries)


def _sequences(batch: Sequence[Any]) -> Any:
    return _like_sequence(batch[0], [default_collate(column) for column in _columns(batch)])


def _columns(batch: Sequence[Any]) -> list[tuple[Any, ...]]:
    lengths = {len(sample) for sample in batch}
    if len(lengths) > 1:
        raise ShapeError(
            "default_collate: each sequence in a batch should be of equal size, got the lengths "
            f"{sorted(lengths)}"
        )
    return list(zip(*batch, strict=True))


def _like_mapping(model: Mapping[Any, Any], entries: dict[Any, Any]) -> Any:
    """`entries` in a mapping of the type of `model`, with its other attributes."""
    try:
        if isinstance(model, MutableMapping):
            clone = copy.copy(model)
            clone.update(entries)
            return clone
        return type(model)(entries)  # type: ignore[call-arg]
    except TypeError:  # a type that cannot be made from a dict
        return entries


def _like_sequence(model: Sequence[Any], values: list[Any]) -> Any:
    """`values` in a sequence of the type of `model`; for a tuple a list, as torch has it."""
    if isinstance(model, tuple):
        return type(model)(*values) if hasattr(model, "_fields") else values
    try:
        if isinstance(model, MutableSequence):
            clone = copy.copy(model)
            for i, value in enumerate(values):
                clone[i] = value
            return clone
        return type(model)(values)  # type: ignore[call-arg]
    except TypeError:  # a type that cannot be made from a list, such as range
        return values


_Collate = Callable[[Sequence[Any]], Any]
_NUMBERS = (float, int, np.bool_, np.number)
# what sample 0 is, what the others may be, and what is made of them; the first that fits
_KINDS: tuple[tuple[Any, Any, _Collate], ...] = (
    ((Tensor, np.ndarray), (Tensor, np.ndarray), _tensors),
    ((np.bool_, np.number), _NUMBERS, lambda batch: wrap(np.array(batch))),
    (float, _NUMBERS, lambda batch: wrap(np.array(batch, float64))),
    (int, _NUMBERS, lambda batch: wrap(array_of(list(batch)))),
    ((str, bytes), (str, bytes), lambda batch: batch),
    (Mapping, Mapping, _mappings),
    (Sequence, Sequence, _sequences),
)
