"""A softmax over very many classes, most of them rare: cheap, as it rarely looks at those."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentError, RangeError, ShapeError
from ..registry import op
from ..tensor import array_of
from .container import ModuleList, Sequential
from .linear import Linear
from .module import Module


class AdaptiveOutput(NamedTuple):
    """The log-probability of each sample's target, and the mean of their negatives."""

    output: Any
    loss: Any


class AdaptiveLogSoftmaxWithLoss(Module):
    """Frequent classes, which come first, have scores of their own; rare ones share in clusters.

    The head scores the classes below the first cutoff and one entry for each cluster; a cluster
    between two cutoffs scores its classes from a projection of the input, smaller from cluster to
    cluster: log p(class) = log p(cluster) + log p(class | cluster).
    Source: Grave et al. 2017, "Efficient softmax approximation for GPUs".

    Args:
        in_features: Size of the input.
        n_classes: Number of classes.
        cutoffs: Where the clusters begin, rising, from 1 to n_classes - 1.
        div_value: By which the projection shrinks from one cluster to the next.
        head_bias: Whether the head has a bias.
        device: Taken for torch's sake.
        dtype: Of the weights; the default dtype by default.

    Raises:
        ArgumentError: Cutoffs that do not rise, or out of range.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        ends = list(cutoffs)
        rising = ends == sorted(set(ends)) and all(int(end) == end for end in ends)
        if not ends or not rising or not 0 < ends[0] <= ends[-1] < n_classes:
            raise ArgumentError(
                f"cutoffs: expected rising whole numbers from 1 to {n_classes - 1}, got {ends}"
            )
        self.in_features, self.n_classes, self.div_value = in_features, n_classes, div_value
        self.cutoffs, self.head_bias = [*ends, n_classes], head_bias
        self.shortlist_size, self.n_clusters = ends[0], len(ends)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(zip(ends, self.cutoffs[1:], strict=True)):
            inner = int(in_features // div_value ** (i + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, inner, False, device, dtype),
                    Linear(inner, high - low, False, device, dtype),
                )
            )

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        self.head.reset_parameters()
        for projection, scores in self.tail:
            projection.reset_parameters()
            scores.reset_parameters()

    def forward(self, input: Any, target: Any) -> AdaptiveOutput:
        """Of inputs (N, in_features) and classes (N,), or of one input and its class."""
        classes = array_of(target)
        if classes.shape != tuple(input.shape[:-1]) or input.ndim not in (1, 2):
            raise ShapeError(
                f"AdaptiveLogSoftmaxWithLoss: an input of {tuple(input.shape)} does not fit a "
                f"target of {classes.shape}"
            )
        if classes.size and (classes.min() < 0 or classes.max() >= self.n_classes):
            raise RangeError(
                f"AdaptiveLogSoftmaxWithLoss: target values should be in [0, {self.n_classes - 1}],"
                f" but values from {classes.min()} to {classes.max()} were found"
            )
        single, classes = input.ndim == 1, classes.reshape(-1)
        rows = op.reshape(input, (-1, self.in_features))
        cluster = np.searchsorted(self.cutoffs, classes, side="right")
        entry = np.where(cluster == 0, classes, self.shortlist_size + cluster - 1)
        output = op.squeeze(op.gather(op.log_softmax(self.head(rows), 1), 1, entry[:, None]), 1)
        for i, scores in enumerate(self.tail):
            (places,) = np.nonzero(cluster == i + 1)
            if places.size:
                inside = (classes[places] - self.cutoffs[i])[:, None]
                local = op.log_softmax(scores(op.index_select(rows, 0, places)), 1)
                output = op.index_add(output, 0, places, op.squeeze(op.gather(local, 1, inside), 1))
        loss = -op.mean(output)
        return AdaptiveOutput(output[0] if single else output, loss)

    def log_prob(self, input: Any) -> Any:
        """Log-probabilities (N, n_classes) of all classes."""
        head = op.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for i, scores in enumerate(self.tail):
            gate = self.shortlist_size + i
            local = op.log_softmax(scores(input), 1)
            parts.append(local + head[:, gate : gate + 1])
        return op.cat(parts, 1)

    def predict(self, input: Any) -> Any:
        """The most probable class of each input (N,)."""
        return op.argmax(self.log_prob(input), 1)
