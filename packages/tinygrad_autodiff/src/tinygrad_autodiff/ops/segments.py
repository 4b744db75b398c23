"""Reductions of consecutive runs of elements."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ArgumentError, RangeError
from ..op import Bad, Sample, compose, op
from ..samples import array

_KINDS = {"sum": 0.0, "mean": math.nan, "prod": 1.0, "max": -math.inf, "min": math.inf}
_LENGTHS = np.array([2, 0, 3])


@compose(
    *(Sample((array((5, 2)), kind), {"lengths": _LENGTHS, "initial": 1}) for kind in _KINDS),
    Sample((array((2, 4)), "sum"), {"offsets": np.array([[0, 1, 4], [0, 2, 4]]), "axis": 1}),
    aliases=("_segment_reduce",),
    spaces=("",),
    errors=(
        Bad((array((3,)), "sum"), {}, RangeError, "lengths or offsets"),
        Bad((array((3,)), "range", np.array([3])), {}, ArgumentError, "'range'"),
    ),
)
def segment_reduce(
    data: Any,
    reduce: str,
    lengths: Any = None,
    indices: Any = None,
    offsets: Any = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: Any = None,
) -> Any:
    """Sum, mean, product, maximum or minimum of the segments along `axis`.

    Segments are given by their `lengths` or by `offsets` (one more than there are); both have the
    leading dimensions of `data`. A reduction starts from `initial`, which empty ones return.
    """
    if reduce not in _KINDS:
        raise ArgumentError(f"segment_reduce: expected one of {list(_KINDS)}, got {reduce!r}")
    if lengths is None and offsets is None:
        raise RangeError("segment_reduce: expected lengths or offsets")
    if offsets is None:
        ends = np.cumsum(np.asarray(lengths), axis)
        starts = ends - np.asarray(lengths)
    else:
        cuts = np.moveaxis(np.asarray(offsets), axis, 0)
        starts, ends = np.moveaxis(cuts[:-1], 0, axis), np.moveaxis(cuts[1:], 0, axis)
    rest = data.shape[axis + 1 :]
    parts = [
        _reduced(data[place[:axis]][start:end], reduce, initial, rest)
        for (place, start), end in zip(np.ndenumerate(starts), ends.flat, strict=True)
    ]
    return op.reshape(op.stack(parts), (*starts.shape, *rest))


def _reduced(run: Any, reduce: str, initial: Any, shape: tuple[int, ...]) -> Any:
    start = _KINDS[reduce] if initial is None else float(initial)
    count = run.shape[0]
    if not count:
        return op.sum(run, 0) + start
    if reduce == "prod":
        return op.prod(run, 0) * start
    if reduce in ("sum", "mean"):
        total = op.sum(run, 0) + (0 if initial is None else start)
        return total / count if reduce == "mean" else total
    if reduce == "max":
        return op.clamp(op.amax(run, 0), start)
    return op.clamp(op.amin(run, 0), None, start)
