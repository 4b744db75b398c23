"""Dropout: the one op that draws random numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import ArgumentError
from ..op import Bad, Composite, Sample
from ..random import default_generator
from ..samples import array


def check_probability(p: float) -> None:
    """A ValueError unless 0 <= p <= 1."""
    if not 0 <= p <= 1:
        raise ArgumentError(f"dropout: the probability has to be between 0 and 1, but got {p}")


class Dropout(Composite, name="dropout", spaces=("nn.functional",)):
    """0 with probability `p`, else ``input/(1 - p)``; the input itself outside training.

    Srivastava et al. 2014.
    """

    @staticmethod
    def forward(input: Any, p: float = 0.5, training: bool = True) -> Any:
        """A product with a random mask."""
        check_probability(p)
        if not training or p == 0:
            return input
        if p == 1:
            return input * 0
        size = 1
        for length in input.shape:
            size *= length
        mask = default_generator.bernoulli(1 - p, size).reshape(input.shape)
        return input * (mask / (1 - p)).astype(input.dtype)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Without chance, so that differences mean something; chance is tested apart."""
        yield Sample((array((3, 4)), 0.5, False))
        yield Sample((array((3, 4)), 1.0))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """No probability."""
        yield Bad((array((3,)), 1.5), {}, ArgumentError, "between 0 and 1, but got 1.5")
