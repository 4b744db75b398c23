"""Chance: samples whose distribution tensors describe, and tensors filled with samples in place.

Draws are torch's from the same seed. A sample does not change with its parameters except by
jumps, so gradients are zero, as in torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array, get_default_dtype
from ..errors import ArgumentTypeError, DtypeError, RangeError
from ..op import Bad, Op, Sample, compose, op
from ..place import leaf
from ..random import Generator, default_generator, in_memory_order
from ..samples import array
from ..tensor import Tensor, array_of, wrap
from .dims import ints


def _check(name: str, fits: bool, message: str) -> None:
    if not fits:
        raise RangeError(f"{name}: {message}")


class Bernoulli(Op, name="bernoulli"):
    """1 with probability `p`, or with the probability that each element states; else 0."""

    def forward(
        self, input: Array, p: float | None = None, generator: Generator | None = None
    ) -> Array:
        """Values."""
        source = generator or default_generator
        if p is not None:
            _check("bernoulli", 0 <= p <= 1, f"expected 0 <= p <= 1, got {p}")
            return source.bernoulli(p, input.size).reshape(input.shape).astype(input.dtype)
        if input.dtype.kind != "f":
            raise DtypeError(f"bernoulli: expected floating probabilities, got {input.dtype}")
        _check("bernoulli", bool(((input >= 0) & (input <= 1)).all()), "expected 0 <= p <= 1")
        work = np.dtype(np.float64 if input.dtype == np.float64 else np.float32)
        draws = source.uniform(input.size, work).reshape(input.shape)
        return np.asarray(draws < input).astype(input.dtype)

    def backward(self, g: Any) -> Any:
        """Zero."""
        return op.zeros_like(g)

    def jvp(self, t: Any) -> Any:
        """Zero."""
        return op.zeros_like(t)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Certain ones; chance is tested apart."""
        yield Sample((np.array([0, 1], np.float32),))
        yield Sample((array((2, 3)), 1.0))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """No probability."""
        yield Bad((array((3,)), 1.5), {}, RangeError, "0 <= p <= 1, got 1.5")
        yield Bad((array((3,), 2, 3),), {}, RangeError, "0 <= p <= 1")
        yield Bad((np.array([1, 0]),), {}, DtypeError, "int64")


class NormalSample(Op, name="normal_sample", spaces=()):
    """A normal number for each mean and standard deviation, which broadcast."""

    promote = "float"
    promoted = slice(0, 2)

    def forward(self, mean: Array, std: Array, generator: Generator | None = None) -> Array:
        """Values."""
        _check("normal", bool((np.asarray(std) >= 0).all()), "expected std >= 0")
        self.shapes = (np.shape(mean), np.shape(std))
        shape = np.broadcast_shapes(*self.shapes)
        dtype = mean.dtype if isinstance(mean, np.ndarray) else np.asarray(std).dtype
        drawn = (generator or default_generator).normal(math.prod(shape), dtype).reshape(shape)
        return np.asarray(drawn * std + mean).astype(dtype, copy=False)

    def backward_mean(self, g: Any, shapes: Any) -> Any:
        """Zero."""
        return op.sum_to_size(op.zeros_like(g), shapes[0])

    def backward_std(self, g: Any, shapes: Any) -> Any:
        """Zero."""
        return op.sum_to_size(op.zeros_like(g), shapes[1])

    def jvp(self, t_mean: Any, t_std: Any, out: Any) -> Any:
        """Zero."""
        return op.zeros_like(out)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Without deviation; chance is tested apart."""
        yield Sample((array((2, 3)).astype(np.float32), np.zeros(3, np.float32)))


@compose(
    spaces=("",),
    errors=(Bad((array((2,)), -1.0), {}, RangeError, "std >= 0"),),
)
def normal(
    mean: Any,
    std: Any = 1.0,
    size: Any = None,
    generator: Any = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    layout: Any = None,
    pin_memory: bool = False,
) -> Any:
    """Normal numbers; mean and standard deviation are tensors, or numbers with a size."""
    if size is None:
        return op.normal_sample(mean, std, generator)
    _check("normal", std >= 0, f"expected std >= 0, got {std}")
    shape = ints(size)
    source, dtype = generator or default_generator, np.dtype(dtype or get_default_dtype())
    values = source.normal(math.prod(shape), dtype, mean, std).reshape(shape)
    return leaf("normal", values, requires_grad, {"device": device})


_MOST = 2**24  # categories


@compose(
    errors=(
        Bad((array((1, 2, 3), 0, 1), 2), {}, RangeError, "1 or 2 dimensions"),
        Bad((array((3,), 0, 1), 0), {}, RangeError, "num_samples"),
        Bad((array((3,), 0, 1), 4), {}, RangeError, "num_samples"),
        Bad((np.array([1, 2]), 1), {}, DtypeError, "int64"),
        Bad((array((3,)), 2), {}, RangeError, "at least 0"),
    ),
)
def multinomial(
    input: Any, num_samples: int, replacement: bool = False, generator: Any = None
) -> Any:
    """`num_samples` indices a row, each chosen with the probability in proportion to its element.

    Without replacement no index comes twice: those of the largest p/e, e exponentially distributed
    (Efraimidis & Spirakis 2006).
    """
    weights, source = array_of(input), generator or default_generator
    _check("multinomial", weights.ndim in (1, 2), "expected 1 or 2 dimensions of probabilities")
    if weights.dtype.kind != "f":
        raise DtypeError(f"multinomial: expected floating probabilities, got {weights.dtype}")
    count = weights.shape[-1]
    enough = num_samples > 0 and (replacement or num_samples <= count) and count <= _MOST
    _check("multinomial", enough, f"num_samples {num_samples} out of {count} is not possible")
    fine = bool((np.isfinite(weights) & (weights >= 0)).all())
    _check("multinomial", fine, "expected finite probabilities of at least 0")
    rows = weights.reshape(-1, count)
    totals = np.cumsum(rows, 1, dtype=rows.dtype)
    _check("multinomial", bool((totals[:, -1:] > 0).all()), "the probabilities of a row sum to 0")
    if replacement and num_samples > 1:
        totals /= totals[:, -1:]
        totals[:, -1] = 1
        draws = source.uniform(len(rows) * num_samples, np.dtype(np.float64))
        drawn = draws.reshape(-1, num_samples)
        picked = [np.searchsorted(t, d) for t, d in zip(totals, drawn, strict=True)]
        chosen = np.array(picked, np.int64).reshape(-1, num_samples)
    else:
        scores = source.exponential(1.0, rows.size).astype(rows.dtype).reshape(rows.shape)
        chosen = np.argsort(-(rows / scores), 1, kind="stable")[:, :num_samples]
    made = chosen.reshape(*weights.shape[:-1], num_samples)
    return wrap(made) if isinstance(input, Tensor) else made


# ---- in place ------------------------------------------------------------------------------------


def _filled(name: str, input: Any, draw: Any, floating: bool = True) -> Any:
    if not isinstance(input, Tensor):
        raise ArgumentTypeError(f"{name}: expected a tensor, got {type(input).__name__}")
    if floating and input.dtype.kind != "f":
        raise DtypeError(f"{name}: expected a floating tensor, got {input.dtype}")
    values = draw(math.prod(input.shape)).astype(input.dtype, copy=False)
    return input.copy_(wrap(in_memory_order(values, input._data)))


@compose(spaces=("Tensor",), errors=(Bad((array((3,)), 3, -1), {}, RangeError, "from 3 to -1"),))
def uniform_(input: Any, from_: float = 0, to: float = 1, generator: Any = None) -> Any:
    """Fill with numbers that are uniform in [from, to)."""
    _check("uniform_", from_ <= to, f"there is nothing from {from_} to {to}")
    source = generator or default_generator

    def draw(count: int) -> Any:
        work = np.dtype(np.float64 if input.dtype == np.float64 else np.float32)
        return source.uniform(count, work) * work.type(to - from_) + work.type(from_)

    return _filled("uniform_", input, draw)


@compose(spaces=("Tensor",), errors=(Bad((array((3,)), 0, -1), {}, RangeError, "std >= 0"),))
def normal_(input: Any, mean: float = 0, std: float = 1, generator: Any = None) -> Any:
    """Fill with normal numbers."""
    _check("normal_", std >= 0, f"expected std >= 0, got {std}")
    source = generator or default_generator
    blocks = isinstance(input, Tensor) and input.is_contiguous()

    def draw(count: int) -> Any:
        return source.normal(count, input.dtype, mean, std, blocks=blocks)

    return _filled("normal_", input, draw)


@compose(spaces=("Tensor",), errors=(Bad((array((3,)), 0, 0), {}, RangeError, "std > 0"),))
def log_normal_(input: Any, mean: float = 1, std: float = 2, generator: Any = None) -> Any:
    """Fill with numbers whose logarithms are normal."""
    _check("log_normal_", std > 0, f"expected std > 0, got {std}")
    source = generator or default_generator
    return _filled("log_normal_", input, lambda count: source.log_normal(mean, std, count))


@compose(spaces=("Tensor",), errors=(Bad((array((3,)), 0), {}, RangeError, "lambd > 0"),))
def exponential_(input: Any, lambd: float = 1, generator: Any = None) -> Any:
    """Fill with numbers of the density ``lambd * exp(-lambd * x)``."""
    _check("exponential_", lambd > 0, f"expected lambd > 0, got {lambd}")
    source = generator or default_generator
    return _filled("exponential_", input, lambda count: source.exponential(lambd, count))


@compose(spaces=("Tensor",), errors=(Bad((array((3,)), 0, 0), {}, RangeError, "sigma > 0"),))
def cauchy_(input: Any, median: float = 0, sigma: float = 1, generator: Any = None) -> Any:
    """Fill with numbers of the density ``sigma/π / (sigma² + (x - median)²)``."""
    _check("cauchy_", sigma > 0, f"expected sigma > 0, got {sigma}")
    source = generator or default_generator
    return _filled("cauchy_", input, lambda count: source.cauchy(median, sigma, count))


@compose(spaces=("Tensor",), errors=(Bad((array((3,)), -1.0), {}, RangeError, "0 < p < 1"),))
def geometric_(input: Any, p: float, generator: Any = None) -> Any:
    """Fill with how many trials of probability `p` there are up to the first success."""
    _check("geometric_", 0 < p < 1, f"expected 0 < p < 1, got {p}")
    source = generator or default_generator
    return _filled("geometric_", input, lambda count: source.geometric(p, count), False)


@compose(spaces=("Tensor",), errors=(Bad((array((3,)), 2.0), {}, RangeError, "0 <= p <= 1"),))
def bernoulli_(input: Any, p: Any = 0.5, generator: Any = None) -> Any:
    """Fill with 1 with probability `p` (a number, or a tensor of them), else 0."""
    if isinstance(p, Tensor):
        return input.copy_(op.bernoulli(op.expand(p, input.shape), None, generator).detach())
    _check("bernoulli_", 0 <= p <= 1, f"expected 0 <= p <= 1, got {p}")
    source = generator or default_generator
    return _filled("bernoulli_", input, lambda count: source.bernoulli(p, count), False)


@compose(spaces=("Tensor",), errors=(Bad((array((3,)), 3, 3), {}, RangeError, "from 3 to 3"),))
def random_(
    input: Any, from_: int | None = None, to: int | None = None, generator: Any = None
) -> Any:
    """Fill with integers in [from, to), by default all that the dtype holds exactly."""
    if from_ is not None and to is None:
        from_, to = 0, from_
    if to is None:
        dtype = input.dtype
        if dtype.kind == "f":
            to = 2 ** (np.finfo(dtype).nmant + 1) + 1
        else:
            to = 2 if dtype.kind == "b" else int(np.iinfo(dtype).max) + (dtype.itemsize < 8)
    low, high = int(from_ or 0), int(to)
    _check("random_", low < high, f"there is nothing from {low} to {high}")
    source = generator or default_generator
    return _filled("random_", input, lambda count: source.integers(low, high, count), False)


@compose(spaces=("",))
def zero_(input: Any) -> Any:
    """Set every element to zero, in place."""
    return input.zero_()


@compose(spaces=("",))
def fill_(input: Any, value: Any) -> Any:
    """Set every element to `value`, in place."""
    return input.fill_(value)
