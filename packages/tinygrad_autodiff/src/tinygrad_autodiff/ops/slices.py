"""Slices of a dimension: read, and written over in a copy. All by basic indexing, hence views."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError, DimError, ShapeError
from ..op import Bad, Sample, compose, op
from ..samples import array
from .dims import one_dim


def _at(dim: int, part: Any) -> tuple[Any, ...]:
    return (slice(None),) * dim + (part,)


@compose(
    Sample((array((3, 4)), 1, 1, 2)),
    Sample((array((3, 4)), 0, 3, 0)),
    Sample((array((3, 4)), 0, -2, 1)),
    errors=(
        Bad((array((3,)), 0, 2, 2), {}, ShapeError, "exceeds"),
        Bad((array((3,)), 0, -4, 1), {}, DimError, "start"),
        Bad((array(()), 0, 0, 1), {}, ShapeError, "without dimensions"),
    ),
)
def narrow(input: Any, dim: int, start: Any, length: int) -> Any:
    """`length` slices of `dim` from `start` on, which may be negative or a 0-d tensor."""
    if not input.ndim:
        raise ShapeError("narrow: a tensor without dimensions has no slices")
    axis = one_dim(dim, input.ndim)
    size = input.shape[axis]
    first = _whole(start)
    if length < 0:
        raise ShapeError(f"narrow: expected a length of at least 0, got {length}")
    if not -size <= first <= size:
        raise DimError(f"narrow: start {first} is out of range for size {size} of {input.shape}")
    first += size if first < 0 else 0
    if first + length > size:
        raise ShapeError(f"narrow: {first} + {length} exceeds size {size} of {input.shape}")
    return op.getitem(input, _at(axis, slice(first, first + length)))


def _whole(start: Any) -> int:
    if isinstance(start, int):
        return start
    if getattr(start, "ndim", 0) or start.dtype.kind not in "iu":
        raise ShapeError(f"narrow: expected start as an int or a 0-d integer tensor, got {start}")
    return int(start)


@compose(
    Sample((array((3, 4)), 1, 1, 2)),
    errors=(
        Bad((array((3,)), 1, 0, 1), {}, ShapeError, "narrow_copy: dimension 1 .* 1 dimensions"),
        Bad((array((3,)), -2, 0, 1), {}, DimError, "narrow_copy: .*out of range"),
    ),
)
def narrow_copy(input: Any, dim: int, start: Any, length: int) -> Any:
    """`narrow` with memory of its own; a `dim` too large is a ShapeError, as torch has it."""
    if 0 < input.ndim <= dim:
        raise ShapeError(f"narrow_copy: dimension {dim} of a tensor of {input.ndim} dimensions")
    return op.clone(op.narrow(input, dim, start, length))


@compose(
    Sample((array((3, 4)), 1, 2)),
    Sample((array((3, 4)), 0, -1)),
    errors=(Bad((array((3, 4)), 0, 3), {}, DimError, "out of bounds"),),
)
def select(input: Any, dim: int, index: int) -> Any:
    """The slice `index` of `dim`, without that dimension."""
    if not input.ndim:
        raise DimError("select: a tensor without dimensions has no slices")
    return op.getitem(input, _at(one_dim(dim, input.ndim), index))


@compose(
    Sample((array((3, 4)), array((3,), seed=1), 1, 2)),
    errors=(Bad((array((3, 4)), array((4,)), 1, 2), {}, ShapeError, r"\(3,\), got \(4,\)"),),
)
def select_scatter(input: Any, src: Any, dim: int, index: int) -> Any:
    """A copy of `input` with `src` as the slice `index` of `dim`."""
    return _written("select_scatter", input, src, _at(one_dim(dim, input.ndim), index))


def _range(input: Any, dim: int, start: Any, end: Any, step: int) -> tuple[Any, ...]:
    if step < 1:
        raise ArgumentError(f"slice: expected a step of at least 1, got {step}")
    return _at(one_dim(dim, input.ndim), slice(start, end, step))


@compose(Sample((array((3, 4)), 1, 1, None, 2)), name="slice", spaces=("Tensor",))
def slice_(input: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    """``input[start:end:step]`` in dimension `dim`."""
    return op.getitem(input, _range(input, dim, start, end, step))


@compose(
    Sample((array((3, 4)), array((3, 2), seed=1), 1, 1, None, 2)),
    errors=(Bad((array((3,)), array((3,)), 0, 1), {}, ShapeError, r"\(2,\), got \(3,\)"),),
)
def slice_scatter(
    input: Any, src: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Any:
    """A copy of `input` with `src` as ``[start:end:step]`` of dimension `dim`."""
    return _written("slice_scatter", input, src, _range(input, dim, start, end, step))


def _written(name: str, input: Any, src: Any, where: tuple[Any, ...]) -> Any:
    wanted = tuple(input[where].shape)
    if tuple(src.shape) != wanted:
        raise ShapeError(f"{name}: expected src of shape {wanted}, got {tuple(src.shape)}")
    return op.set_at(input, src, where)
