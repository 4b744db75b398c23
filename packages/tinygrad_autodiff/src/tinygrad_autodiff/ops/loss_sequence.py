"""Connectionist temporal classification: the loss of a sequence without its alignment."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import RangeError, ShapeError
from ..op import Bad, Sample, compose, op
from ..samples import array
from ..tensor import array_of
from .reduced import check_reduction, reduced

_SCORES = array((4, 2, 3))
_X = _SCORES - np.log(np.exp(_SCORES).sum(-1, keepdims=True))


@compose(
    Sample((_X, np.array([[1, 2], [2, 1]]), (4, 3), (2, 1))),
    Sample((_X, np.array([1, 1, 2]), (4, 4), (2, 1)), {"reduction": "none"}),
    Sample((_X[:, 0], np.array([0, 2]), (4,), (2,), 1)),
    spaces=("nn.functional",),
    errors=(
        Bad((_X, np.array([[1], [2]]), (5, 4), (1, 1)), {}, RangeError, "input lengths of 4"),
        Bad((_X, np.array([[1], [2]]), (4, 4), (1, 1), 3), {}, RangeError, "blank"),
        Bad((_X, np.array([[1], [2]]), (4,), (1, 1)), {}, ShapeError, "2 samples"),
    ),
)
def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:
    """``-log p(target)`` of log-probabilities (T, N, C), summed over alignments with blanks.

    `targets` is (N, S), or all targets one after the other; (T, C) and (S,) is one sample. The
    mean is over samples of loss/target length. The forward recursion over time in the labels with
    blanks between them.  Graves et al. 2006.

    As in torch the gradient is that of scores which are normalised here once more: for what comes
    from log_softmax that is the same function.
    """
    check_reduction(reduction)
    if log_probs.ndim == 2:
        out = op.ctc_loss(
            op.unsqueeze(log_probs, 1),
            np.reshape(array_of(targets), (1, -1)),
            np.reshape(array_of(input_lengths), -1),
            np.reshape(array_of(target_lengths), -1),
            blank,
            reduction,
            zero_infinity,
        )
        return op.squeeze(out) if reduction == "none" else out
    time, samples, classes = log_probs.shape
    frames, lengths = array_of(input_lengths), array_of(target_lengths)
    if len(frames) != samples or len(lengths) != samples:
        raise ShapeError(f"ctc_loss: expected a length for each of {samples} samples")
    if not 0 <= blank < classes:
        raise RangeError(f"ctc_loss: blank {blank} is none of {classes} classes")
    if frames.max(initial=0) > time:
        raise RangeError(f"ctc_loss: expected input lengths of {time} at most, got {frames.max()}")
    labels = _with_blanks(array_of(targets), lengths, blank)
    log_probs = op.log_softmax(log_probs, -1)
    emitted = op.gather(log_probs, 2, np.broadcast_to(labels, (time, *labels.shape)))
    alpha = _recursion(emitted, labels, frames, blank)
    ends = np.stack([2 * lengths, np.maximum(2 * lengths - 1, 0)], 1)
    last = op.where(
        np.array([True, False]) | (lengths[:, None] > 0), op.gather(alpha, 1, ends), -np.inf
    )
    loss = -op.logsumexp(last, 1)
    if zero_infinity:
        loss = op.where(op.isinf(loss), 0.0, loss)
    if reduction == "mean":
        loss = loss / np.maximum(lengths, 1).astype(loss.dtype)
    return reduced(loss, reduction)


def _with_blanks(targets: Array, lengths: Array, blank: int) -> Array:
    """(N, 2·S + 1): blank, first label, blank, second label, …."""
    if targets.ndim == 1:
        padded = np.full((len(lengths), max(lengths.max(initial=0), 0)), blank, np.int64)
        padded[np.arange(padded.shape[1]) < lengths[:, None]] = targets[: lengths.sum()]
        targets = padded
    labels = np.full((len(lengths), 2 * targets.shape[1] + 1), blank, np.int64)
    labels[:, 1::2] = np.where(np.arange(targets.shape[1]) < lengths[:, None], targets, blank)
    return labels


def _recursion(emitted: Any, labels: Array, frames: Array, blank: int) -> Any:
    """log of the probability of all alignments that end at a label after the last frame, (N, L)."""
    places = np.arange(labels.shape[1])
    skips = np.zeros(labels.shape, np.bool_)  # a label may follow another one without a blank
    skips[:, 2:] = (labels[:, 2:] != blank) & (labels[:, 2:] != labels[:, :-2])
    alpha = op.where(places < 2, emitted[0], -np.inf)
    for t in range(1, emitted.shape[0]):
        padded = op.pad(alpha, (2, 0), "constant", -np.inf)
        ways = [alpha, padded[:, 1:-1], op.where(skips, padded[:, :-2], -np.inf)]
        moved = op.logsumexp(op.stack(ways), 0) + emitted[t]
        alpha = op.where((t < frames)[:, None], moved, alpha)
    return alpha
