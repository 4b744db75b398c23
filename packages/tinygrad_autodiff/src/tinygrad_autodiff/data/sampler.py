"""Samplers: in which order a loader visits a dataset. From one seed the orders are torch's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np

from ..dtypes import float64
from ..errors import ArgumentError
from ..random import Generator, default_generator
from ..tensor import array_of

_T_co = TypeVar("_T_co", covariant=True)


class Sampler(Generic[_T_co]):
    """Base of samplers; subclasses define `__iter__`, over indices or over lists of them."""

    def __iter__(self) -> Iterator[_T_co]:
        raise NotImplementedError(f"{type(self).__name__} defines no __iter__")


class SequentialSampler(Sampler[int]):
    """0, 1, 2 …"""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """All indices in random order, or random indices with replacement.

    Args:
        data_source: What to sample from.
        replacement: Draw each index independently of the others.
        num_samples: How many to draw; by default ``len(data_source)``. Without replacement, one
            permutation follows the other until there are enough.
        generator: Source of the order. By default each epoch has a generator of its own, with a
            seed from the default generator.

    Raises:
        ArgumentError: `num_samples` is not a positive integer.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        _positive("RandomSampler: num_samples", self.num_samples)

    @property
    def num_samples(self) -> int:
        """Number of indices in an epoch."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        generator = self.generator or Generator().manual_seed(random_seed(None))
        size, left = len(self.data_source), self.num_samples
        if self.replacement:
            for start in range(0, left, 32):  # as torch draws them, should the source be shared
                yield from generator.integers(0, size, min(32, left - start)).tolist()
            return
        for _ in range(left // size):
            yield from generator.permutation(size).tolist()
        yield from generator.permutation(size)[: left % size].tolist()

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        order = (self.generator or default_generator).permutation(len(self.indices))
        yield from (self.indices[i] for i in order.tolist())

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices drawn with probabilities in proportion to `weights`.

    With replacement, a uniform number is looked up in the cumulative weights. Without, index i
    gets the key ``weights[i] / e`` with e exponentially distributed, and the largest keys win
    (Efraimidis & Spirakis, *Weighted random sampling with a reservoir*, 2006).

    Args:
        weights: One weight per index, at least 0; they need not add up to 1.
        num_samples: How many to draw.
        replacement: Whether an index can be drawn again.
        generator: Source of the draws; the default generator if None.

    Raises:
        ArgumentError: The weights are not a row of finite numbers with a positive sum, or without
            replacement fewer of them than `num_samples` are positive.
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        self.weights = array_of(weights, float64)
        self.num_samples = _positive("WeightedRandomSampler: num_samples", num_samples)
        self.replacement = replacement
        self.generator = generator
        good = np.isfinite(self.weights) & (self.weights >= 0)
        if self.weights.ndim != 1 or not good.all() or not self.weights.sum() > 0:
            raise ArgumentError(
                "WeightedRandomSampler: expected a row of finite weights >= 0 that are not all 0, "
                f"got {weights!r:.80}"
            )
        positive = np.count_nonzero(self.weights)
        if not replacement and num_samples > positive:
            raise ArgumentError(
                f"WeightedRandomSampler: cannot draw {num_samples} indices without replacement, "
                f"only {positive} weights are positive"
            )

    def __iter__(self) -> Iterator[int]:
        generator = self.generator or default_generator
        if self.replacement:
            reached = np.cumsum(self.weights)
            draws = generator.uniform(self.num_samples, float64)
            found = np.searchsorted(reached / reached[-1], draws)
        else:
            waits = -np.log1p(-generator.uniform(len(self.weights), float64))
            with np.errstate(divide="ignore", invalid="ignore"):  # a wait can be 0; NaN sorts last
                keys = self.weights / waits
            found = np.argsort(-keys, kind="stable")[: self.num_samples]
        yield from found.tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of `batch_size` indices from another sampler; the last may be shorter.

    Args:
        sampler: Where the indices come from; any iterable.
        batch_size: Length of a list.
        drop_last: Leave out a last list that is shorter.

    Raises:
        ArgumentError: `batch_size` is not a positive integer.
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        self.sampler = sampler
        self.batch_size = _positive("BatchSampler: batch_size", batch_size)
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        total = len(self.sampler)  # type: ignore[arg-type]
        return total // self.batch_size if self.drop_last else -(-total // self.batch_size)


def random_seed(generator: Generator | None) -> int:
    """A new seed of 63 bits, drawn as torch draws it."""
    return int((generator or default_generator).integers(0, 2**63, 1)[0])


def _positive(what: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ArgumentError(f"{what} should be a positive integer, got {value!r}")
    return value
