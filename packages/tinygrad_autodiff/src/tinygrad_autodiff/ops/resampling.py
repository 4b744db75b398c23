"""Linear maps along one dimension, given as a sparse matrix: averages, interpolation, padding.

Average pooling, interpolation and padding of images are separable: one small matrix a dimension.
A `Table` holds it as groups of (rows, columns, weights) in which no row and no column occurs
twice; multiplying by it is one strided copy, scaled and added, a group. Its transpose, which the
derivative needs, has the same groups with rows and columns exchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import Array
from ..errors import ShapeError
from ..op import Bad, Op, Sample, op
from ..samples import array
from .dims import one_dim

Place = slice | Array  # indices in arithmetic progression, or any


class Group(NamedTuple):
    """Entries of a sparse matrix; a weight for each, or one for all."""

    rows: Place
    columns: Place
    weights: Array | float
    new: bool = False  # whether no group before has one of these rows


class Table:
    """A sparse matrix of `rows` × `columns`.

    Args:
        rows: Number of rows.
        columns: Number of columns.
        parts: Groups as arrays of the same length; a row occurs once in each.
    """

    def __init__(
        self, rows: int, columns: int, parts: Iterable[tuple[Array, Array, Array | float]]
    ) -> None:
        self.rows, self.columns = rows, columns
        self.groups = _marked(rows, [group for part in parts for group in _groups(*part)])
        common = {g.weights if isinstance(g.weights, float) else None for g in self.groups}
        self.factor = common.pop() if len(common) == 1 else None

    @cached_property
    def transposed(self) -> Table:
        """The transpose, whose transpose is this table."""
        other = Table(self.columns, self.rows, ())
        swapped = [Group(g.columns, g.rows, g.weights) for g in self.groups]
        other.groups = _marked(self.columns, swapped)
        other.factor = self.factor
        other.__dict__["transposed"] = self
        return other

    def apply(self, input: Array, dim: int) -> Array:
        """The product along `dim`."""
        lead = (slice(None),) * dim
        shape = (*input.shape[:dim], self.rows, *input.shape[dim + 1 :])
        out = np.zeros(shape, input.dtype)
        for rows, columns, weights, new in self.groups:
            part = input[(*lead, columns)]
            if isinstance(weights, np.ndarray):
                tail = (1,) * (input.ndim - 1 - dim)
                part = part * weights.astype(input.dtype).reshape(-1, *tail)
            elif self.factor is None and weights != 1.0:
                part = part * weights
            if new:
                out[(*lead, rows)] = part
            else:
                out[(*lead, rows)] += part
        if self.factor is not None and self.factor != 1.0:
            out *= self.factor
        return out


def _marked(rows: int, groups: list[Group]) -> list[Group]:
    """The groups, those that are the first to write to their rows marked."""
    seen, marked = np.zeros(rows, bool), []
    for group in groups:
        marked.append(group._replace(new=not seen[group.rows].any()))
        seen[group.rows] = True
    return marked


def _groups(rows: Array, columns: Array, weights: Array | float) -> Iterator[Group]:
    """The entries split so that no column repeats, as progressions where they are."""
    if not len(rows):
        return
    order = np.argsort(columns, kind="stable")
    ordered, count = columns[order], np.arange(len(columns))
    new = np.append(True, ordered[1:] != ordered[:-1])
    repeat = np.empty_like(count)
    repeat[order] = count - np.maximum.accumulate(np.where(new, count, 0))
    for number in range(int(repeat.max()) + 1):
        chosen = repeat == number
        part = weights if isinstance(weights, float) else weights[chosen]
        if isinstance(part, np.ndarray) and (part == part[0]).all():
            part = float(part[0])
        yield Group(_progression(rows[chosen]), _progression(columns[chosen]), part)


def _progression(places: Array) -> Place:
    step = int(places[1] - places[0]) if len(places) > 1 else 1
    if step == 0 or (np.diff(places) != step).any():
        return places
    stop = int(places[-1]) + step
    return slice(int(places[0]), None if stop < 0 else stop, step)


class Resample(Op, name="resample", spaces=()):
    """Product of a table with `input` along `dim`; the adjoint is the transposed table."""

    linear = True

    def forward(self, input: Array, dim: int, table: Any) -> Array:
        """Values; float16 is added up in float32."""
        axis = one_dim(dim, input.ndim)
        if input.shape[axis] != table.columns:
            raise ShapeError(f"{input.shape} has not {table.columns} elements along {dim}")
        wide = input.astype(np.float32) if input.dtype == np.float16 else input
        out: Array = table.apply(wide, axis)
        return out.astype(input.dtype, copy=False)

    def backward(self, g: Any, dim: Any, table: Any) -> Any:
        """The transposed table."""
        return op.resample(g, dim, table.transposed)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Repeated columns, irregular ones, weights; an empty row."""
        first, second = np.array([0, 1, 2, 4]), np.array([3, 3, 0, 1])
        weights = np.array([0.5, -1.0, 2.0, 3.0])
        table = Table(5, 4, [(first, second, weights), (first, second[::-1], 0.5)])
        yield Sample((array((2, 4, 3)), 1, table))
        pairs = Table(2, 4, [(np.arange(2), np.arange(0, 4, 2) + k, 0.5) for k in range(2)])
        yield Sample((array((2, 4)), -1, pairs))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A size that is not the table's."""
        yield Bad((array((2, 3)), 1, Table(2, 4, ())), {}, ShapeError, "has not 4 elements")
