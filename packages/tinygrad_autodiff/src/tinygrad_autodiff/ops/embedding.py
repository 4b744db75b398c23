"""Rows of a table by their numbers: embedding, bags of embeddings, one-hot vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array, int64
from ..errors import ArgumentError, DimError, DtypeError, RangeError, ShapeError
from ..op import Bad, Op, Sample, compose, op
from ..samples import array
from ..tensor import Tensor, array_of, wrap
from ..versions import written

_FEW = 24  # occurrences up to which rounds are the faster way
_BLOCK = 2**18  # bytes of sums that stay in the cache, with as many beside them


class Rows(Op, name="rows", spaces=()):
    """``weight[index]`` for whole rows; the adjoint adds rows up where an index repeats.

    `scale` is a factor of the gradient for each index: 0 for padding, 1/count for a mean.
    """

    linear = True

    def forward(self, weight: Array, index: Any, scale: Any = None) -> Array:
        """Values."""
        self.count, self.where = len(weight), index
        return np.asarray(weight[index])

    def backward(self, g: Any, where: Any, count: Any, scale: Any) -> Any:
        """Rows of g, added into zeros."""
        if scale is not None:
            g = g * np.reshape(scale, (*scale.shape, *(1,) * (g.ndim - scale.ndim))).astype(g.dtype)
        return op.rows_added(g, where, count)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Rows that repeat, and no rows."""
        yield Sample((array((4, 3)), np.array([[1, 1, 0], [3, 1, 0]])))
        yield Sample((array((4, 3)), np.zeros(0, int)))


class RowsAdded(Op, name="rows_added", spaces=()):
    """Zeros of `count` rows, with row i of `input` added at ``index[i]``: the adjoint of `rows`."""

    linear = True

    def forward(self, input: Array, index: Any, count: int) -> Array:
        """Values."""
        self.where = index
        shape = (count, *input.shape[np.ndim(index) :])
        if not input.size:
            return np.zeros(shape, input.dtype)
        index = np.reshape(index, -1).astype(np.intp, copy=False)
        rows = np.ascontiguousarray(input.reshape(len(index), -1))
        rows = rows.astype(np.float32) if rows.dtype == np.float16 else rows
        out = np.empty(shape, input.dtype)  # no view is returned: the engine would copy it
        _add_rows(rows, index, out.reshape(count, -1))
        return out

    def backward(self, g: Any, where: Any) -> Any:
        """The rows."""
        return op.rows(g, where)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Indices that repeat a little, and often."""
        yield Sample((array((2, 3, 2)), np.array([[1, 1, 0], [3, 1, 0]]), 4))
        yield Sample((array((28, 2)), np.arange(28) // 26, 3))


def _add_rows(rows: Array, index: Array, out: Array) -> None:
    """Write to each row of `out` the sum of the `rows` with its number in `index`.

    The rows of `out` are taken in the order of how often they are used, a block at a time: the
    first rows of a whole block are gathered at once, the second ones added to its leading part, and
    so on, where `numpy.add.at` would go element by element. A block's sums stay in the cache, so
    that main memory sees each row of either array once. Rows used often are summed apart.
    """
    keys = index.astype(np.uint16) if len(out) <= 2**16 else index  # NumPy sorts these by radix
    order = np.argsort(keys, kind="stable")
    counts = np.bincount(index, minlength=len(out))
    starts = np.cumsum(counts) - counts
    capped = np.minimum(counts, _FEW + 1)
    falling = np.argsort((_FEW + 1 - capped).astype(np.uint8), kind="stable")
    more = np.cumsum(np.bincount(capped, minlength=_FEW + 2)[::-1])[::-1]  # [k]: used k times up
    often, used = int(more[-1]), int(more[1])
    out[falling[used:]] = 0
    size = max(_BLOCK // rows[0].nbytes, 1)
    sums, others = np.empty((2, size, rows.shape[1]), rows.dtype)
    ones = np.ones(size, rows.dtype)

    def gather(chosen: Array, buffer: Array) -> Array:
        return rows.take(chosen, 0, buffer[: len(chosen)], "clip")

    for row in falling[:often]:
        chosen = order[starts[row] : starts[row] + counts[row]]
        parts = (chosen[i : i + size] for i in range(0, len(chosen), size))
        out[row] = sum(ones[: len(part)] @ gather(part, others) for part in parts)
    for i in range(often, used, size):
        block = falling[i : min(i + size, used)]
        first = starts[block]
        total = gather(order[first], sums)
        for turn in range(1, counts[block[0]]):
            end = min(int(more[turn + 1]) - i, size)
            total[:end] += gather(order[first[:end] + turn], others)
        out[block] = total


def _indices(name: str, input: Any, count: int) -> Array:
    """`input` as integers in [0, count)."""
    index = array_of(input)
    if index.dtype.kind not in "iu":
        raise DtypeError(f"{name}: expected integer indices, got {index.dtype}")
    if index.size and (index.min() < 0 or index.max() >= count):
        wrong = index.min() if index.min() < 0 else index.max()
        raise DimError(f"{name}: index {wrong} is out of range for {count} rows")
    return index


def _padding(name: str, padding_idx: int | None, count: int) -> int | None:
    if padding_idx is None:
        return None
    if not -count <= padding_idx < count:
        raise RangeError(f"{name}: padding_idx {padding_idx} is out of range for {count} rows")
    return padding_idx % count


def _renorm(weight: Any, index: Array, max_norm: float | None, norm_type: float) -> None:
    """Scale the rows that are used and longer than `max_norm` down to it, in place."""
    if max_norm is None:
        return
    values, used = array_of(weight), np.unique(index)
    norms = np.linalg.norm(values[used], norm_type, -1)
    long = norms > max_norm
    values[used[long]] *= (max_norm / (norms[long] + 1e-7))[:, None].astype(values.dtype)
    written(values)


def _frequency(index: Array, padding: int | None, by_frequency: bool) -> Array | None:
    """The factor of the gradient for each index, None for 1."""
    if padding is None and not by_frequency:
        return None
    scale = np.ones(index.shape)
    if by_frequency:
        _, inverse, counts = np.unique(index, return_inverse=True, return_counts=True)
        scale /= counts[inverse.reshape(index.shape)]
    if padding is not None:
        scale[index == padding] = 0
    return scale


@compose(
    Sample((np.array([[1, 1], [3, 0]]), array((4, 3)))),
    Sample((np.array(2), array((4, 3)))),
    spaces=("nn.functional",),
    errors=(
        Bad((np.array([4]), array((4, 3))), {}, DimError, "index 4 .* 4 rows"),
        Bad((np.array([0.5]), array((4, 3))), {}, DtypeError, "integer"),
        Bad((np.array([1]), array((4, 3)), 4), {}, RangeError, "padding_idx 4"),
    ),
)
def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """Rows of `weight` (count, …) by the integers in `input` (…).

    Rows at `padding_idx` get no gradient; with `scale_grad_by_freq` a row's gradient is divided by
    how often it is used; with `max_norm` the rows used are shortened first, in place. Gradients
    are always dense.
    """
    if weight.ndim != 2:
        raise ShapeError(f"embedding: 'weight' must be 2-D, got the shape {tuple(weight.shape)}")
    index = _indices("embedding", input, weight.shape[0])
    padding = _padding("embedding", padding_idx, weight.shape[0])
    _renorm(weight, index, max_norm, norm_type)
    return op.rows(weight, index, _frequency(index, padding, scale_grad_by_freq))


@compose(
    Sample((np.array([[1, 1], [3, 0]]), array((4, 3)))),
    Sample((np.array([1, 1, 3, 0]), array((4, 3)), np.array([0, 1, 1])), {"mode": "max"}),
    Sample(
        (np.array([1, 1, 3]), array((4, 2)), np.array([0, 2])),
        {"mode": "sum", "per_sample_weights": array((3,), seed=1)},
    ),
    spaces=("nn.functional",),
    errors=(
        Bad(
            (np.array([1]), array((4, 3)), np.array([0]), None, 2, False, "min"),
            {},
            ArgumentError,
            "'min'",
        ),
        Bad((np.array([1]), array((4, 3))), {}, ArgumentError, "offsets"),
    ),
)
def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """The sum, mean or maximum of the rows in each bag: a row of `input`, or a run of it.

    A one-dimensional `input` is cut at `offsets`, which ends with its length if
    `include_last_offset`. Rows at `padding_idx` do not count; the value of an empty bag is 0.
    """
    if mode not in ("sum", "mean", "max"):
        raise ArgumentError(f"embedding_bag: mode is 'sum', 'mean' or 'max', not {mode!r}")
    if per_sample_weights is not None and mode != "sum":
        raise RangeError(f"embedding_bag: per_sample_weights need mode 'sum', not {mode!r}")
    index = _indices("embedding_bag", input, weight.shape[0])
    if (index.ndim == 1) != (offsets is not None) or index.ndim > 2:
        raise ArgumentError(
            f"embedding_bag: offsets are needed for an input of one dimension, and for no other; "
            f"it has the shape {index.shape}"
        )
    bags, bag_of = _bags(index, offsets, include_last_offset)
    padding = _padding("embedding_bag", padding_idx, weight.shape[0])
    index = index.reshape(-1)
    _renorm(weight, index, max_norm, norm_type)
    if per_sample_weights is not None:
        per_sample_weights = op.reshape(per_sample_weights, (-1,))
    if padding is not None:
        kept = np.flatnonzero(index != padding)
        index, bag_of = index[kept], bag_of[kept]
        if per_sample_weights is not None:
            per_sample_weights = op.getitem(per_sample_weights, kept)
    rows = op.rows(weight, index, _frequency(index, None, scale_grad_by_freq))
    counts = np.bincount(bag_of, minlength=bags)
    if mode == "max":
        return _largest(rows, bag_of, counts)
    if per_sample_weights is not None:
        rows = rows * op.unsqueeze(per_sample_weights, -1)
    total = op.rows_added(rows, bag_of, bags)
    return total if mode == "sum" else total / np.maximum(counts, 1)[:, None].astype(rows.dtype)


def _bags(index: Array, offsets: Any, include_last: bool) -> tuple[int, Array]:
    """How many bags there are, and the one that each index is in."""
    if offsets is None:
        return len(index), np.repeat(np.arange(len(index)), index.shape[1])
    starts = array_of(offsets)
    if len(starts) and starts[0] != 0:
        raise ArgumentError(f"embedding_bag: offsets have to start with 0, not {starts[0]}")
    starts = starts[:-1] if include_last else starts
    return len(starts), np.searchsorted(starts, np.arange(len(index)), "right") - 1


def _largest(rows: Any, bag_of: Array, counts: Array) -> Any:
    """The maximum of the rows of each bag, 0 for an empty one; the first of equals is taken."""
    width = max(int(counts.max(initial=0)), 1)
    place = np.arange(len(bag_of)) - np.repeat(np.cumsum(counts) - counts, counts)
    where = np.zeros((len(counts), width), np.int64)
    where[bag_of, place] = np.arange(len(bag_of))
    if not len(bag_of):
        return op.rows_added(rows, bag_of, len(counts))
    values = array_of(rows)[where]
    values[np.arange(width) >= counts[:, None]] = -np.inf
    chosen = np.take_along_axis(where[:, :, None], values.argmax(1)[:, None], 1)[:, 0]
    out = op.gather(rows, 0, chosen)
    return op.where(counts[:, None] > 0, out, 0.0)


@compose(
    Sample((np.array([[0, 2], [1, 1]]), 3)),
    spaces=("nn.functional",),
    errors=(
        Bad((np.array([3]), 3), {}, RangeError, "smaller than num_classes"),
        Bad((np.array([-1]), 3), {}, RangeError, "not be negative"),
    ),
)
def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """A last dimension of `num_classes` with 1 at each index and 0 elsewhere, in int64.

    By default there are as many classes as the largest index needs.
    """
    index = array_of(tensor)
    if index.dtype.kind not in "iu":
        raise DtypeError(f"one_hot: expected integer indices, got {index.dtype}")
    if index.min(initial=0) < 0:
        raise RangeError("one_hot: class values must not be negative")
    count = int(index.max(initial=-1)) + 1 if num_classes == -1 else num_classes
    if index.max(initial=-1) >= count:
        raise RangeError(f"one_hot: class values must be smaller than num_classes ({count})")
    out = (index[..., None] == np.arange(count)).astype(int64)
    return wrap(out) if isinstance(tensor, Tensor) else out
