"""Places in sorted sequences, membership, and distinct elements. Nothing here has a derivative."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array
from ..errors import DimError, RangeError
from ..op import Bad, Op, Sample
from ..samples import array
from .dims import one_dim


def bisected(edges: Array, values: Array, right: bool) -> Array:
    """For each of `values` the number of `edges` below it, or if `right` not above it.

    `edges` ascend along the last dimension; they have one dimension, or those of `values`.
    """
    low = np.zeros(values.shape, np.int64)
    high = np.full(values.shape, edges.shape[-1])
    for _ in range(int(edges.shape[-1]).bit_length()):
        middle = np.minimum((low + high) // 2, edges.shape[-1] - 1)
        found = edges[middle] if edges.ndim == 1 else np.take_along_axis(edges, middle, -1)
        after = ~(values < found) if right else ~(values <= found)
        open_ = low < high
        low = np.where(open_ & after, middle + 1, low)
        high = np.where(open_ & ~after, middle, high)
    return low


class Searchsorted(Op, name="searchsorted", spaces=("",)):
    """Index at which each input would go into the sorted sequence, before equal elements.

    Behind them if `right` (or side="right"). The sequence has one dimension, or one for each row
    of the input; `sorter` holds the indices that sort it.
    """

    differentiable = False

    def forward(
        self,
        sorted_sequence: Array,
        input: Array,
        out_int32: bool = False,
        right: bool = False,
        side: str | None = None,
        sorter: Any = None,
    ) -> Array:
        """Values, int64 or int32."""
        if side not in (None, "left", "right") or (side == "left" and right):
            raise RangeError(f"side is 'left' or 'right' and agrees with right, got {side!r}")
        edges, values = np.asarray(sorted_sequence), np.asarray(input)
        if edges.ndim != 1 and edges.shape[:-1] != values.shape[:-1]:
            raise RangeError(
                f"sequences of shape {edges.shape} need an input with the same leading "
                f"dimensions, got {values.shape}"
            )
        if sorter is not None:
            edges = np.take_along_axis(edges, np.asarray(sorter), -1)
        places = bisected(edges, values, right or side == "right")
        return places.astype(np.int32) if out_int32 else places

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """One sequence for all, one for each row, both sides, an unsorted one."""
        x = np.sort(array((2, 5)))
        yield Sample((x[0], np.append(x[0], [-9.0, 9.0])))
        yield Sample((x, x[:, :3]), {"right": True})
        yield Sample((x[0], 0.1), {"side": "right", "out_int32": True})
        yield Sample((x[0, ::-1].copy(), x[1]), {"sorter": np.arange(5)[::-1].copy()})

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Rows that do not fit, and an unknown side."""
        yield Bad((array((2, 3)), array((3, 3))), {}, RangeError, "same leading")
        yield Bad((array((3,)), array((3,))), {"side": "top"}, RangeError, "'top'")


class Bucketize(Op, name="bucketize", spaces=("",)):
    """Number of the bucket between sorted `boundaries` that each element is in.

    A boundary belongs to the bucket below it, or if `right` to the one above.
    """

    differentiable = False

    def forward(
        self, input: Array, boundaries: Array, out_int32: bool = False, right: bool = False
    ) -> Array:
        """Values, int64 or int32."""
        edges = np.asarray(boundaries)
        if edges.ndim != 1:
            raise RangeError(f"boundaries must have 1 dimension, got shape {edges.shape}")
        places = bisected(edges, np.asarray(input), right)
        return places.astype(np.int32) if out_int32 else places

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """On the boundaries and between."""
        edges = np.array([-1.0, 0.0, 1.0])
        yield Sample((array((3, 4)), edges))
        yield Sample((edges, edges), {"right": True})

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A matrix of boundaries."""
        yield Bad((array((3,)), array((2, 2))), {}, RangeError, "1 dimension")


class Isin(Op, name="isin", spaces=("",)):
    """Whether each of `elements` is one of `test_elements` (or, if `invert`, none of them)."""

    differentiable = False

    def forward(
        self,
        elements: Array,
        test_elements: Array,
        assume_unique: bool = False,
        invert: bool = False,
    ) -> Array:
        """Values, bool."""
        return np.isin(elements, test_elements, assume_unique, invert)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Both ways."""
        yield Sample((np.arange(6).reshape(2, 3), np.array([1, 4])))
        yield Sample((np.arange(3), np.array([1, 4])), {"invert": True})


# ---- distinct elements ---------------------------------------------------------------------------


class Unique(Op, name="unique"):
    """The distinct elements in order, or the distinct slices along `dim`.

    With `return_inverse` also the place of each element among them, with `return_counts` how
    often each occurs. Every NaN is distinct.
    """

    differentiable = False

    def forward(
        self,
        input: Array,
        sorted: bool = True,
        return_inverse: bool = False,
        return_counts: bool = False,
        dim: int | None = None,
    ) -> Any:
        """One array, or a tuple of up to three."""
        axis = None if dim is None else one_dim(dim, input.ndim)
        if dim is not None and not input.ndim:
            axis, input = 0, input.reshape(1)
        unique: Any = np.unique
        found = unique(
            input, False, return_inverse, return_counts, axis, equal_nan=axis is not None
        )
        if not return_inverse:
            return found
        shape = input.shape if axis is None else (input.shape[axis],)
        return (found[0], found[1].reshape(shape), *found[2:])

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Numbers and rows, with all that is returned."""
        x = np.array([[3, 1, 3], [2, 2, 0], [3, 1, 3]])
        yield Sample((x,))
        yield Sample((x, True, True, True))
        yield Sample((x, True, True, True, 0))


class UniqueConsecutive(Op, name="unique_consecutive"):
    """The elements that differ from the one before, or such slices along `dim`.

    With `return_inverse` and `return_counts` as for `unique`.
    """

    differentiable = False

    def forward(
        self,
        input: Array,
        return_inverse: bool = False,
        return_counts: bool = False,
        dim: int | None = None,
    ) -> Any:
        """One array, or a tuple of up to three."""
        flat = dim is None or not input.ndim
        axis = 0 if dim is None else one_dim(dim, input.ndim)
        slices = input.reshape(-1) if flat else np.moveaxis(input, axis, 0)
        fresh = np.ones(len(slices), bool)
        changed = slices[1:] != slices[:-1]
        fresh[1:] = changed.any(tuple(range(1, slices.ndim)))
        kept = slices[fresh]
        found: tuple[Array, ...] = (kept if flat else np.moveaxis(kept, 0, axis),)
        if return_inverse:
            inverse = np.cumsum(fresh) - 1
            found += (inverse.reshape(input.shape) if dim is None else inverse,)
        if return_counts:
            found += (np.diff(np.append(np.flatnonzero(fresh), len(slices))),)
        return found if len(found) > 1 else found[0]

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Numbers and rows, with all that is returned."""
        x = np.array([[3, 3, 1], [3, 3, 1], [1, 1, 0]])
        yield Sample((x,))
        yield Sample((x, True, True))
        yield Sample((x, True, True, 0))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A dimension out of range."""
        yield Bad((array((3,)),), {"dim": 1}, DimError, "but got 1")
