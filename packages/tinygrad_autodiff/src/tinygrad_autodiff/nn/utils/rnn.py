"""Sequences of different lengths in one batch: padded, and packed for recurrent layers.

Packed rows stand step after step: first those of step 0 of all samples, longest sample first, then
those of step 1 of the samples that have one, and so on. No row is padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...dtypes import Array
from ...errors import ArgumentError, RangeError, ShapeError
from ...registry import op
from ...tensor import Tensor, array_of, wrap


class PackedSequence(NamedTuple):
    """Rows of all samples by step; `pack_padded_sequence` and `pack_sequence` make it.

    `data` is (rows, …), `batch_sizes` int64 on how many samples have each step, `sorted_indices`
    the order of the samples (None: as they were), `unsorted_indices` the way back.
    """

    data: Any
    batch_sizes: Any
    sorted_indices: Any = None
    unsorted_indices: Any = None

    def spans(self) -> Iterator[tuple[int, int, int]]:
        """Runs of steps with the same samples: their first row, how many steps and samples."""
        sizes, row = array_of(self.batch_sizes), 0
        for part in np.split(sizes, np.flatnonzero(np.diff(sizes)) + 1):
            yield row, len(part), int(part[0])
            row += int(part.sum())

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same with `data` cast as by `Tensor.to`."""
        return self._replace(data=self.data.to(*args, **kwargs))


def invert_permutation(permutation: Any) -> Any:
    """The permutation that undoes `permutation`; None of None."""
    return None if permutation is None else wrap(np.argsort(array_of(permutation)))


def _rows(batch_sizes: Array) -> tuple[Array, Array]:
    """Step and sample of every packed row."""
    steps = np.repeat(np.arange(len(batch_sizes)), batch_sizes)
    starts = np.repeat(np.cumsum(batch_sizes) - batch_sizes, batch_sizes)
    return steps, np.arange(len(steps)) - starts


def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """The rows of padded samples (T, N, …), or (N, T, …), that are no padding.

    Args:
        input: The padded samples.
        lengths: How long each is, at least 1 and at most T.
        batch_first: Whether the samples are the first dimension.
        enforce_sorted: Whether the lengths must be falling; if not they are sorted here.

    Raises:
        RangeError: Lengths out of range or not falling.
        ShapeError: Not one length a sample.
    """
    sizes, order = array_of(lengths).astype(np.int64), None
    if batch_first:
        input = op.transpose(input, 0, 1)
    if sizes.shape != (input.shape[1],):
        raise ShapeError(
            f"pack_padded_sequence: expected {input.shape[1]} lengths, got shape {sizes.shape}"
        )
    if sizes.min(initial=1) < 1 or sizes.max(initial=1) > input.shape[0]:
        raise RangeError(
            f"pack_padded_sequence: expected lengths from 1 to {input.shape[0]}, got {sizes}"
        )
    if not enforce_sorted:
        order = np.argsort(-sizes, kind="stable")
        sizes, input = sizes[order], op.index_select(input, 1, order)
    elif (np.diff(sizes) > 0).any():
        raise RangeError(
            f"pack_padded_sequence: lengths {sizes} are not sorted in decreasing order; "
            "pass enforce_sorted=False"
        )
    batch_sizes = (sizes[:, None] > np.arange(sizes.max(initial=0))).sum(0)
    data = op.getitem(input, _rows(batch_sizes))
    permutation = None if order is None else wrap(order)
    return PackedSequence(data, wrap(batch_sizes), permutation, invert_permutation(permutation))


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Any, Tensor]:
    """The samples padded to (T, N, …), or (N, T, …), in their old order, and their lengths.

    Raises:
        ArgumentError: `total_length` is less than the longest sample.
    """
    batch_sizes, data = array_of(sequence.batch_sizes), sequence.data
    steps = len(batch_sizes) if total_length is None else total_length
    if steps < len(batch_sizes):
        raise ArgumentError(
            f"pad_packed_sequence: total_length {steps}, but the longest sample has "
            f"{len(batch_sizes)} steps"
        )
    shape = (steps, int(batch_sizes[0]), *data.shape[1:])
    padding = np.full(shape, padding_value, data.dtype)
    padded = op.set_at(padding, data, _rows(batch_sizes))
    lengths = (batch_sizes[:, None] > np.arange(shape[1])).sum(0)
    if sequence.unsorted_indices is not None:
        back = array_of(sequence.unsorted_indices)
        padded, lengths = op.index_select(padded, 1, back), lengths[back]
    return op.transpose(padded, 0, 1) if batch_first else padded, wrap(lengths)


def pad_sequence(
    sequences: Sequence[Any],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Any:
    """Samples (T_i, …) as one tensor (T, N, …), or (N, T, …), filled up with `padding_value`."""
    if padding_side not in ("left", "right"):
        raise ArgumentError(f"padding_side is 'left' or 'right', not {padding_side!r}")
    longest = max(sample.shape[0] for sample in sequences)
    parts = []
    for sample in sequences:
        missing = longest - sample.shape[0]
        around = (0, 0) * (sample.ndim - 1)
        ends = (missing, 0) if padding_side == "left" else (0, missing)
        parts.append(op.pad(sample, (*around, *ends), value=padding_value))
    return op.stack(parts, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list[Any]:
    """The samples that `pad_sequence` padded on the right."""
    if not batch_first:
        padded_sequences = op.transpose(padded_sequences, 0, 1)
    sizes = array_of(lengths).tolist()
    return [sample[:size] for sample, size in zip(padded_sequences, sizes, strict=True)]


def pack_sequence(sequences: Sequence[Any], enforce_sorted: bool = True) -> PackedSequence:
    """Samples (T_i, …), packed; see `pack_padded_sequence`."""
    lengths = [sample.shape[0] for sample in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Any]:
    """The samples of `pack_sequence`, in their old order."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
