"""Random numbers: torch's CPU generator, bit for bit where its algorithm is exact.

torch draws from MT19937, as NumPy's `RandomState` does, and turns the words into numbers thus:
float32 uniforms are 24 bits of one word over 2²⁴, float64 uniforms 53 bits of two words over 2⁵³;
integers are one word modulo the range, two from 2²⁸ on; normals are Box–Muller over blocks of
sixteen uniforms, or over two float64 uniforms for fewer than sixteen numbers.
Source: ATen's MT19937RNGEngine, DistributionsHelper and normal_fill; Matsumoto & Nishimura 1998.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .dtypes import Array, Dtype
from .errors import ArgumentError, RangeError

_LIMIT = 2**32
_SHORT = 2**28  # ranges from here on take two words a number, for the modulo to be fair


class Generator:
    """A stream of random numbers on the CPU that `manual_seed` makes repeatable."""

    def __init__(self, device: Any = "cpu") -> None:
        self.manual_seed(int.from_bytes(os.urandom(4), "little"))

    def manual_seed(self, seed: int) -> Generator:
        """Start again from `seed`, of which the lower 32 bits count; returns the generator."""
        if not isinstance(seed, int):
            raise ArgumentError(f"manual_seed: expected an int, got {seed!r}")
        self._seed = seed
        self._state = np.random.RandomState(seed % _LIMIT)
        self._spare: float | None = None
        return self

    def initial_seed(self) -> int:
        """The seed that the stream started from."""
        return self._seed

    def words(self, count: int) -> Array:
        """The next `count` words of 32 bits."""
        return np.frombuffer(self._state.bytes(4 * count), "<u4")

    def double_words(self, count: int) -> Array:
        """The next `count` words of 64 bits, the first half drawn is the upper one."""
        halves = self.words(2 * count).astype(np.uint64)
        words: Array = (halves[0::2] << np.uint64(32)) | halves[1::2]
        return words

    def uniform(self, count: int, dtype: Dtype) -> Array:
        """Numbers in [0, 1)."""
        if dtype == np.float64:
            exact: Array = (self.double_words(count) & np.uint64(2**53 - 1)) * 2.0**-53
            return exact
        words = (self.words(count) & np.uint32(2**24 - 1)).astype(np.float32)
        return (words * np.float32(2.0**-24)).astype(dtype, copy=False)

    def normal(
        self, count: int, dtype: Dtype, mean: float = 0, std: float = 1, *, blocks: bool = True
    ) -> Array:
        """Normal numbers; one by one, not in blocks, if there are few or their memory has gaps."""
        if count < 16 or not blocks:
            return (self._serial_normals(count) * std + mean).astype(dtype)
        work = np.dtype(np.float32) if dtype == np.float16 else dtype
        whole = count - count % 16
        values = self.uniform(whole if dtype == np.float16 else count, work)
        values = np.resize(values, count) if len(values) < count else values
        values[:whole] = _box_muller(values[:whole])
        if count % 16:  # the last sixteen are drawn anew
            values[-16:] = _box_muller(self.uniform(16, work))
        if std != 1 or mean != 0:
            values = values * std + mean
        return values.astype(dtype, copy=False)

    def _serial_normals(self, count: int) -> Array:
        """Float64 normals, two of each pair of uniforms; one left over waits for the next call."""
        values = [] if self._spare is None or not count else [self._spare]
        pairs = (count - len(values) + 1) // 2
        if pairs:
            first, second = self.uniform(2 * pairs, np.dtype(np.float64)).reshape(-1, 2).T
            radius, angle = np.sqrt(-2 * np.log1p(-second)), 2 * math.pi * first
            drawn = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)
            values += drawn.tolist()
        if count:
            self._spare = values.pop() if len(values) > count else None
        return np.array(values)

    def integers(self, low: int, high: int, count: int) -> Array:
        """Integers in [low, high)."""
        if high <= low:
            raise RangeError(f"randint: expected low < high, got {low} and {high}")
        span = high - low
        if span < _SHORT:
            return np.add((self.words(count) % np.uint32(span)).astype(np.int64), low)
        return np.add((self.double_words(count) % np.uint64(span)).astype(np.int64), low)

    def permutation(self, count: int) -> Array:
        """The numbers 0 … count - 1 in random order (Fisher & Yates), without a loop over them.

        Step i exchanges place i with its partner j >= i. So i ends up with what the step before
        that chose j has left there, and that is what its own place held then, which in turn the
        latest step that chose that place has left: a chain, followed for all steps at once.
        """
        steps = np.arange(max(count - 1, 0), dtype=np.uint32)
        partners = steps + self.words(len(steps)) % (np.uint32(count) - steps)
        keys = np.sort(partners.astype(np.int64) << 32 | steps)  # steps of one partner in a row
        chosen, step = keys >> 32, keys.astype(np.uint32)
        again = np.flatnonzero(chosen[1:] == chosen[:-1])
        held = np.arange(count)  # by place what it holds at its own step, or a link to that
        held[partners] = steps  # the latest of several is written last
        while not np.array_equal(further := held[held], held):
            held = further
        order = np.append(partners.astype(np.int64), held[-1:])
        order[step[again + 1]] = held[step[again]]
        return order

    def bernoulli(self, p: float, count: int) -> Array:
        """Truth values, each true with probability `p`."""
        draws: Array = self.uniform(count, np.dtype(np.float64)) < p
        return draws

    def exponential(self, rate: float, count: int) -> Array:
        """Float64 numbers of the density ``rate * exp(-rate * x)``."""
        drawn: Array = np.log1p(-self.uniform(count, np.dtype(np.float64))) / -rate
        return drawn

    def cauchy(self, median: float, sigma: float, count: int) -> Array:
        """Float64 numbers of the density ``sigma/π / (sigma² + (x - median)²)``."""
        least = np.finfo(np.float64).eps
        places = np.clip(self.uniform(count, np.dtype(np.float64)), least, 1 - least)
        drawn: Array = median + sigma * np.tan(math.pi * (places - 0.5))
        return drawn

    def geometric(self, p: float, count: int) -> Array:
        """How many trials of probability `p` there are up to the first success."""
        with np.errstate(divide="ignore"):
            draws = np.log(self.uniform(count, np.dtype(np.float64))) / math.log1p(-p)
        drawn: Array = np.ceil(draws)
        return drawn

    def log_normal(self, mean: float, std: float, count: int) -> Array:
        """Float64 numbers whose logarithms are normal."""
        drawn: Array = np.exp(self._serial_normals(count) * std + mean)
        return drawn

    def get_state(self) -> Any:
        """The state, for `set_state`."""
        return self._seed, self._state.get_state(), self._spare

    def set_state(self, state: Any) -> None:
        """Continue from a state that `get_state` gave."""
        self._seed, inner, self._spare = state
        self._state.set_state(inner)


def _box_muller(uniform: Array) -> Array:
    """Normals from uniforms, eight pairs (k, k + 8) in each block of sixteen."""
    blocks = uniform.reshape(-1, 2, 8)
    radius = np.sqrt(-2 * np.log(1 - blocks[:, 0]))
    angle = blocks[:, 1] * (2 * math.pi)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)


def in_memory_order(values: Array, like: Array) -> Array:
    """`values` in the shape of `like`, laid out and filled in the order of its memory."""
    order = sorted(range(like.ndim), key=lambda i: -abs(like.strides[i]))
    laid = values.reshape([like.shape[i] for i in order])
    return laid.transpose(sorted(range(like.ndim), key=order.__getitem__))


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the generator that all random functions use by default."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed the default generator from the system; returns the seed."""
    return default_generator.manual_seed(int.from_bytes(os.urandom(4), "little")).initial_seed()


def initial_seed() -> int:
    """The seed that the default generator started from."""
    return default_generator.initial_seed()


def get_rng_state() -> Any:
    """State of the default generator."""
    return default_generator.get_state()


def set_rng_state(state: Any) -> None:
    """Put the default generator into a state that `get_rng_state` gave."""
    default_generator.set_state(state)


@contextmanager
def fork_rng(devices: Any = None, enabled: bool = True) -> Iterator[None]:
    """Inside, random numbers are drawn as ever; afterwards as if nothing had been drawn."""
    state = get_rng_state()
    try:
        yield
    finally:
        if enabled:
            set_rng_state(state)
