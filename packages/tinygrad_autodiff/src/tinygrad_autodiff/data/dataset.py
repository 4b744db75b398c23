"""Datasets: something with a length and an index, or something to iterate over."""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

import numpy as np

from ..dtypes import Array
from ..errors import ArgumentError, ArgumentTypeError, DimError, ShapeError
from ..random import Generator, default_generator
from ..tensor import Tensor, wrap

_T_co = TypeVar("_T_co", covariant=True)
_T = TypeVar("_T")


class Dataset(Generic[_T_co]):
    """A map from indices 0 … len - 1 to samples; subclasses define `__getitem__` and `__len__`.

    A subclass may define ``__getitems__(indices)``, which returns the samples of a whole batch.
    """

    def __getitem__(self, index: Any) -> _T_co:
        raise NotImplementedError(f"{type(self).__name__} defines no __getitem__")

    def __add__(self, other: Dataset[_T_co]) -> ConcatDataset[_T_co]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[_T_co], Iterable[_T_co]):
    """A stream of samples; subclasses define `__iter__`.

    Every worker of a `DataLoader` iterates over the whole stream unless `__iter__` asks
    `get_worker_info` which part is its own.
    """

    def __iter__(self) -> Iterator[_T_co]:
        raise NotImplementedError(f"{type(self).__name__} defines no __iter__")

    def __add__(self, other: Dataset[_T_co]) -> ChainDataset[_T_co]:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Any, ...]]):
    """Samples are the rows of several tensors or arrays: ``(tensors[0][i], tensors[1][i], …)``.

    Args:
        tensors: Tensors or arrays whose first dimensions have the same size.

    Raises:
        ArgumentTypeError: One of them is neither a tensor nor an array.
        ShapeError: There are none, or the sizes differ.
    """

    def __init__(self, *tensors: Tensor | Array) -> None:
        for tensor in tensors:
            if not hasattr(tensor, "shape"):
                raise ArgumentTypeError(
                    f"TensorDataset: expected tensors or arrays, got {type(tensor).__name__}"
                )
        sizes = {tensor.shape[:1] for tensor in tensors}
        if len(sizes) != 1 or () in sizes:
            shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors)
            raise ShapeError(
                f"TensorDataset: expected first dimensions of one size, got the shapes {shapes}"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple([tensor[index] for tensor in self.tensors])

    def __len__(self) -> int:
        return len(self.tensors[0])


class StackDataset(Dataset[Any]):
    """Samples of several datasets side by side: tuples, or dicts if they are given by name.

    Raises:
        ArgumentError: There are none, some by position and some by name, or the lengths differ.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ArgumentError("StackDataset: expected datasets, all by position or all by name")
        self.datasets: Any = args or kwargs
        lengths = [len(part) for part in (args or kwargs.values())]
        if len(set(lengths)) != 1:
            raise ArgumentError(f"StackDataset: expected datasets of one length, got {lengths}")

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: part[index] for name, part in self.datasets.items()}
        return tuple(part[index] for part in self.datasets)

    def __len__(self) -> int:
        parts = self.datasets
        return len(next(iter(parts.values())) if isinstance(parts, dict) else parts[0])


class Subset(Dataset[_T_co]):
    """The samples of `dataset` at `indices`, in that order."""

    def __init__(self, dataset: Dataset[_T_co], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> _T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: Sequence[int]) -> list[_T_co]:
        """The samples at `indices` of the subset."""
        return samples(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset[_T_co]):
    """The samples of several datasets, one after the other.

    Raises:
        ArgumentError: There is no dataset, or one is an `IterableDataset`.
    """

    def __init__(self, datasets: Iterable[Dataset[_T_co]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ArgumentError("ConcatDataset: expected at least one dataset")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise ArgumentError("ConcatDataset: an IterableDataset has no index; chain them with +")
        self.cumulative_sizes = list(accumulate(map(len, self.datasets)))  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> _T_co:
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise DimError(f"ConcatDataset: index {index} is out of range for {len(self)} samples")
        part = bisect_right(self.cumulative_sizes, place)
        return self.datasets[part][place - (self.cumulative_sizes[part - 1] if part else 0)]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


class ChainDataset(IterableDataset[_T_co]):
    """The samples of several iterable datasets, one after the other."""

    def __init__(self, datasets: Iterable[Dataset[_T_co]]) -> None:
        self.datasets = list(datasets)
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise ArgumentTypeError(
                    f"ChainDataset: expected iterable datasets, got {type(dataset).__name__}"
                )

    def __iter__(self) -> Iterator[_T_co]:
        for dataset in self.datasets:
            yield from dataset  # type: ignore[misc]

    def __len__(self) -> int:
        return sum(map(len, self.datasets))  # type: ignore[arg-type]


def samples(dataset: Any, indices: Sequence[Any]) -> list[Any]:
    """The samples at `indices`; an error says in a note which index it was."""
    if callable(getattr(dataset, "__getitems__", None)):
        return dataset.__getitems__(indices)  # type: ignore[no-any-return]
    found = []
    for index in indices:
        try:
            found.append(dataset[index])
        except Exception as error:
            error.add_note(f"The sample was number {index!r} of {type(dataset).__name__}.")
            raise
    return found


def columns(dataset: Any, indices: Any) -> list[Tensor] | None:
    """What `default_collate` makes of the samples of a plain TensorDataset, by one gather each.

    None if the dataset is another, or the indices are not a list of ints in its range.
    """
    if type(indices) is not list:
        return None
    while type(dataset) is Subset:
        indices, dataset = [dataset.indices[i] for i in indices], dataset.dataset
    if type(dataset) is not TensorDataset or set(map(type, indices)) != {int}:
        return None
    places = np.array(indices)
    if places.min() < -len(dataset) or places.max() >= len(dataset):
        return None
    if any(isinstance(t, np.ndarray) and t.dtype.kind not in "biufc" for t in dataset.tensors):
        return None
    return [
        tensor[places] if isinstance(tensor, Tensor) else wrap(tensor[places])
        for tensor in dataset.tensors
    ]


def random_split(
    dataset: Dataset[_T], lengths: Sequence[float], generator: Generator | None = None
) -> list[Subset[_T]]:
    """Split a dataset at random into parts without overlap, as torch does from the same seed.

    Args:
        dataset: The dataset to split.
        lengths: Numbers of samples that add up to ``len(dataset)``, or fractions that add up to
            1; what rounding them down leaves over goes to the parts one by one, from the first.
        generator: Source of the permutation; the default generator if None.

    Raises:
        ArgumentError: The lengths do not add up, or one is negative.
    """
    total: int = len(dataset)  # type: ignore[arg-type]
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        lengths = _whole(lengths, total)
    if sum(lengths) != total or any(length < 0 for length in lengths):
        raise ArgumentError(
            f"random_split: the lengths {list(lengths)} do not split {total} samples; "
            "they must add up to that, or to 1 as fractions"
        )
    order = (generator or default_generator).permutation(total).tolist()
    ends = list(accumulate(map(int, lengths)))
    return [Subset(dataset, order[a:b]) for a, b in zip([0, *ends[:-1]], ends, strict=True)]


def _whole(fractions: Sequence[float], total: int) -> list[int]:
    if any(not 0 <= fraction <= 1 for fraction in fractions):
        raise ArgumentError(f"random_split: fractions must be in [0, 1], got {list(fractions)}")
    lengths = [math.floor(total * fraction) for fraction in fractions]
    for i in range(total - sum(lengths)):
        lengths[i % len(lengths)] += 1
    if 0 in lengths:
        warnings.warn(f"random_split: part {lengths.index(0)} is empty", stacklevel=3)
    return lengths
