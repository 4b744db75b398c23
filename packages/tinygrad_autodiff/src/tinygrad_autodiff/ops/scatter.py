"""Scattering: written, added or reduced into a copy at places that an index tensor names.

`scatter*` name one place per element (see gather), `index_*` one slice of a dimension per index,
`put` places in the flat tensor, `masked_*` those where a mask is true.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np

from ..dtypes import Array
from ..errors import DimError, DtypeError, ShapeError
from ..op import Bad, Op, Sample, compose, op
from ..samples import array
from ..tensor import Tensor, array_of
from .dims import one_dim
from .gather import boolean, grid, integers

_COLUMNS = np.array([[0, 0, 3], [1, 2, 1], [3, 3, 3]])  # with places named twice


def _source(name: str, input: Any, src: Any, index: Any) -> Any:
    """The part of `src` that `index` has places for, checked."""
    wanted, given = np.shape(index), np.shape(src)
    if src.dtype != input.dtype:
        raise DtypeError(f"{name}: expected src of {input.dtype}, got {src.dtype}")
    if 0 in wanted or wanted == given:
        return src
    if len(wanted or (1,)) != len(given or (1,)) or any(
        n > m for n, m in zip(wanted, given, strict=False)
    ):
        raise ShapeError(f"{name}: the index of shape {wanted} exceeds src of shape {given}")
    return op.getitem(src, tuple(slice(size) for size in wanted)) if given else src


def _vector(input: Any, *others: Any) -> tuple[Any, ...]:
    """0-d operands as vectors of one element, as torch takes them."""
    if input.ndim:
        return (input, *others)
    return tuple(
        op.reshape(part, (1,)) if isinstance(part, (Tensor, np.ndarray)) and not part.ndim else part
        for part in (input, *others)
    )


def _scattered(
    name: str, input: Any, dim: int, index: Any, src: Any, write: Callable[..., Any]
) -> Any:
    places = array_of(index)
    if isinstance(src, (Tensor, np.ndarray)):
        src = _source(name, input, src, places)
    where = grid(name, input, dim, places)
    if not places.size:
        return op.clone(input)
    if input.ndim and places.ndim:
        return write(input, src, where)
    flat, part, places = _vector(input, src, places)
    return op.reshape(write(flat, part, grid(name, flat, dim, places)), tuple(input.shape))


@compose(
    Sample((array((3, 4)), 1, _COLUMNS[:, :1], array((3, 1), seed=1))),
    Sample((array((3, 4)), 0, np.array([[2, 0]]), 1.5)),
    errors=(
        Bad((array((3, 4)), 1, np.array([[4]]), 0.0), {}, ShapeError, "scatter: index 4"),
        Bad((array((3,)), 0, np.array([0, 1]), array((1,))), {}, ShapeError, r"\(2,\) .* \(1,\)"),
    ),
)
def scatter(input: Any, dim: int, index: Any, src: Any, reduce: str | None = None) -> Any:
    """A copy of `input` with ``out[index[i][j]][j] = src[i][j]`` along `dim` (here 0).

    `src` may be a number; with `reduce` "add" or "multiply" the old element takes part.
    """
    if reduce is not None:
        if reduce not in ("add", "multiply"):
            raise ShapeError(f"scatter: reduce is add or multiply, not {reduce!r}")
        if not isinstance(src, (Tensor, np.ndarray)):
            src = np.full(np.shape(index), src, input.dtype)
        kind = "sum" if reduce == "add" else "prod"
        return op.scatter_reduce(input, dim, index, src, kind)
    if not isinstance(src, (Tensor, np.ndarray)):
        src = np.asarray(src, input.dtype)
        return _scattered("scatter", input, dim, index, np.broadcast_to(src, np.shape(index)), _set)
    return _scattered("scatter", input, dim, index, src, _set)


def _set(input: Any, src: Any, where: Any) -> Any:
    return op.set_at(input, src, where)


@compose(
    Sample((array((3, 4)), 1, _COLUMNS, array((3, 3), seed=1))),
    Sample((array(()), 0, np.array([0]), array((1,), seed=1))),
    errors=(
        Bad((array((3,)), 0, np.array([0, 1]), array((1,))), {}, ShapeError, r"\(2,\) .* \(1,\)"),
    ),
)
def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """``out[index[i][j]][j] = input[…] + Σ src[i][j]`` along `dim` (here 0)."""
    return _scattered("scatter_add", input, dim, index, src, _add)


def _add(input: Any, src: Any, where: Any) -> Any:
    return input + op.add_at(src, where, tuple(input.shape))


# ---- by reductions -------------------------------------------------------------------------------


class ExtremumAt(Op, name="extremum_at", spaces=()):
    """The vector `input` with ``out[i]`` the extremum of it and all of `src` whose index is i.

    The derivative is shared equally among the elements that attain the extremum, as in torch.
    """

    def forward(self, input: Array, src: Array, index: Any, largest: bool) -> Array:
        """Values, and each element's share in them."""
        out = input.copy()
        cast("np.ufunc", np.maximum if largest else np.minimum).at(out, index, src)
        own, theirs = input == out, src == out[index]
        self.count = input.shape[0]
        total = own + np.bincount(index[theirs], minlength=self.count)
        self.own = np.divide(own, total, out=np.zeros(total.shape), where=total > 0)
        self.theirs = theirs / np.maximum(total[index], 1)
        self.own, self.theirs = self.own.astype(out.dtype), self.theirs.astype(out.dtype)
        return out

    def backward_input(self, g: Any, own: Any) -> Any:
        """Its share."""
        return g * own

    def backward_src(self, g: Any, theirs: Any, index: Any) -> Any:
        """Its share, read where it went."""
        return op.getitem(g, index) * theirs

    def jvp(self, t_input: Any, t_src: Any, own: Any, theirs: Any, index: Any, count: Any) -> Any:
        """The shares put together."""
        total = None if t_input is None else t_input * own
        if t_src is None:
            return total
        added = op.add_at(t_src * theirs, index, (count,))
        return added if total is None else total + added

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Both extrema."""
        for largest in (True, False):
            yield Sample((array((3,)), array((5,), seed=1), np.array([0, 2, 0, 2, 2]), largest))


_START = {"sum": 0, "mean": 0, "prod": 1, "amax": -math.inf, "amin": math.inf}


def _reduced(input: Any, src: Any, index: Array, kind: str, include_self: bool) -> Any:
    """The vector `input` with the elements of the vector `src` reduced into it at `index`."""
    count = input.shape[0]
    if not include_self:
        start: Any = _START[kind]
        if input.dtype.kind not in "fc" and not math.isfinite(start):
            info = np.iinfo(input.dtype)
            start = info.min if start < 0 else info.max
        input = op.set_at(input, np.full(index.shape, start, input.dtype), (index,))
    if kind in ("amax", "amin"):
        return op.extremum_at(input, src, index, kind == "amax")
    if kind == "prod":  # a row for each element: itself, what is multiplied, and ones
        order = np.argsort(index, kind="stable")
        counts = np.bincount(index, minlength=count)
        column = np.arange(index.size) - np.repeat(np.cumsum(counts) - counts, counts) + 1
        rows = np.ones((count, 1 + int(counts.max(initial=0))), input.dtype)
        rows = op.set_at(rows, input, (slice(None), 0))
        return op.prod(op.set_at(rows, op.getitem(src, (order,)), (index[order], column)), 1)
    total = input + op.add_at(src, (index,), (count,))
    if kind == "sum":
        return total
    counts = np.maximum(np.bincount(index, minlength=count) + bool(include_self), 1)
    if input.dtype.kind not in "fc":
        return op.div(total, counts.astype(input.dtype), rounding_mode="floor")
    return total / counts.astype(input.dtype)


def _kind(name: str, kind: str, allowed: tuple[str, ...]) -> str:
    if kind not in allowed:
        raise ShapeError(f"{name}: reduce is one of {', '.join(allowed)}, not {kind!r}")
    return kind


def _flat_places(where: tuple[Array, ...], shape: tuple[int, ...]) -> Array:
    return np.ravel_multi_index(np.broadcast_arrays(*where), shape).reshape(-1)


@compose(
    *(
        Sample((array((3, 4)), 1, _COLUMNS, array((3, 3), seed=1), kind), {"include_self": own})
        for kind, own in (("sum", False), ("mean", True), ("prod", True), ("amax", False))
    ),
    errors=(Bad((array((3,)), 0, np.array([0]), array((1,)), "max"), {}, ShapeError, "not 'max'"),),
)
def scatter_reduce(
    input: Any, dim: int, index: Any, src: Any, reduce: str, include_self: bool = True
) -> Any:
    """All `src[i][j]` with the same ``(index[i][j], j)`` reduced into that element of a copy.

    `reduce` is "sum", "prod", "mean", "amax" or "amin"; the old element takes part unless
    `include_self` is False. Equal extrema share the gradient.
    """
    kind = _kind("scatter_reduce", reduce, tuple(_START))

    def write(flat: Any, part: Any, where: Any) -> Any:
        places = _flat_places(where, tuple(flat.shape))
        vector, part = op.reshape(flat, (-1,)), op.reshape(part, (-1,))
        return op.reshape(_reduced(vector, part, places, kind, include_self), tuple(flat.shape))

    return _scattered("scatter_reduce", input, dim, index, src, write)


# ---- slices of a dimension -----------------------------------------------------------------------


def _slices(name: str, input: Any, dim: int, index: Any) -> tuple[Any, ...]:
    """The index of the slices `index` of `dim`, of an `input` with at least one dimension."""
    axis = one_dim(dim, input.ndim)
    where = integers(name, index, tuple(input.shape), axis)
    if where.ndim > 1:
        raise DimError(f"{name}: expected the index as a vector, got shape {where.shape}")
    return (*(slice(None),) * axis, where.reshape(-1))


def _placed(name: str, input: Any, dim: int, index: Any, source: Any, write: Any) -> Any:
    """`write` with operands of at least one dimension and a source of the slices' shape."""
    if source.dtype != input.dtype:
        raise DtypeError(f"{name}: expected a source of {input.dtype}, got {source.dtype}")
    flat, part = _vector(input, source)
    where = _slices(name, flat, dim, index)
    wanted = (*flat.shape[: len(where) - 1], where[-1].size, *flat.shape[len(where) :])
    if tuple(part.shape) != wanted:
        if math.prod(part.shape) != math.prod(wanted) or part.ndim + (not part.ndim) != len(wanted):
            raise ShapeError(f"{name}: expected a source of {wanted}, got {tuple(source.shape)}")
        part = op.reshape(part, wanted)
    return op.reshape(write(flat, part, where), tuple(input.shape))


_ROWS = np.array([2, 0, 2])


@compose(
    Sample((array((3, 4)), 1, _ROWS, array((3, 3), seed=1))),
    Sample((array((3, 4)), 0, _ROWS, array((3, 4), seed=1)), {"alpha": 2.0}),
    errors=(
        Bad((array((3,)), 0, np.array([3]), array((1,))), {}, DimError, "index_add: index 3"),
        Bad((array((3,)), 0, np.array([0]), array((2,))), {}, ShapeError, r"\(1,\), got \(2,\)"),
    ),
)
def index_add(input: Any, dim: int, index: Any, source: Any, alpha: float = 1) -> Any:
    """A copy of `input` with ``alpha * source`` added to the slices `index` of `dim`."""
    source = source if alpha == 1 else source * alpha
    return _placed("index_add", input, dim, index, source, _add)


@compose(
    Sample((array((3, 4)), 1, np.array([2, 0]), array((3, 2), seed=1))),
    errors=(
        Bad((array((3,)), 0, np.array([3]), array((1,))), {}, DimError, "index_copy: index 3"),
    ),
)
def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """A copy of `input` with `source` as the slices `index` of `dim`."""
    return _placed("index_copy", input, dim, index, source, _set)


@compose(
    Sample((array((3, 4)), 1, np.array([2, 0]), 1.5)),
    Sample((array((3, 4)), 0, np.array([1]), array((), seed=1))),
    errors=(Bad((array((3,)), 0, np.array([3]), 1.0), {}, DimError, "index_fill: index 3"),),
)
def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """A copy of `input` with `value` in the slices `index` of `dim`."""
    flat = _vector(input)[0]
    where = _slices("index_fill", flat, dim, index)
    where = (*where[:-1], np.unique(where[-1]))  # a place counts once
    return op.reshape(op.set_at(flat, _number(value, input), where), tuple(input.shape))


def _number(value: Any, like: Any) -> Any:
    """A number, or a tensor without dimensions, in the dtype of `like`."""
    if isinstance(value, complex) and like.dtype.kind != "c":
        raise DtypeError(f"a complex number cannot fill a tensor of {like.dtype}")
    if not isinstance(value, (Tensor, np.ndarray)):
        return np.asarray(value, like.dtype)
    if value.ndim:
        raise ShapeError(f"expected a number or a 0-d tensor as value, got shape {value.shape}")
    if value.dtype.kind == "c" and like.dtype.kind != "c":
        raise DtypeError(f"a complex number cannot fill a tensor of {like.dtype}")
    return value if value.dtype == like.dtype else op.to(value, like.dtype)


@compose(
    *(
        Sample((array((3, 4)), 1, _ROWS, array((3, 3), seed=1), kind), {"include_self": own})
        for kind, own in (("mean", False), ("prod", True), ("amin", True))
    ),
    errors=(Bad((array((3,)), 0, np.array([0]), array((1,)), "sum"), {}, ShapeError, "not 'sum'"),),
)
def index_reduce(
    input: Any, dim: int, index: Any, source: Any, reduce: str, include_self: bool = True
) -> Any:
    """The slices of `source` reduced into the slices `index` of `dim`; see scatter_reduce."""
    kind = _kind("index_reduce", reduce, ("prod", "mean", "amax", "amin"))

    def write(flat: Any, part: Any, where: Any) -> Any:
        numbers = np.arange(math.prod(flat.shape)).reshape(tuple(flat.shape))[where].reshape(-1)
        vector, part = op.reshape(flat, (-1,)), op.reshape(part, (-1,))
        return _reduced(vector, part, numbers, kind, include_self)

    return _placed("index_reduce", input, dim, index, source, write)


# ---- flat places and masks -----------------------------------------------------------------------


@compose(
    Sample((array((3, 4)), np.array([0, 11]), array((2,), seed=1))),
    Sample((array((3, 4)), np.array([0, 11, 0]), array((3,), seed=1), True)),
    errors=(Bad((array((3,)), np.array([3]), array((1,))), {}, DimError, "put: index 3"),),
)
def put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """A copy of `input` with `source` at the flat places `index`, or added with `accumulate`."""
    flat, part = op.reshape(input, (-1,)), op.reshape(source, (-1,))
    where = integers("put", index, tuple(flat.shape), 0, -flat.shape[0]).reshape(-1)
    if part.shape[0] != where.size or source.dtype != input.dtype:
        raise ShapeError(
            f"put: {where.size} places for a source of shape {tuple(source.shape)} and dtype "
            f"{source.dtype} in a tensor of {input.dtype}"
        )
    return op.reshape((_add if accumulate else _set)(flat, part, (where,)), tuple(input.shape))


@compose(
    Sample((array((3, 4)), array((3, 4), seed=1) > 0, 1.5)),
    Sample((array((3, 4)), np.array([[True], [False], [True]]), array((), seed=1))),
    errors=(
        Bad((array((3,)), np.array([1, 0, 1]), 0.0), {}, DtypeError, "masked_fill: .* bool"),
        Bad((array((3,)), np.ones(3, bool), array((3,))), {}, ShapeError, "0-d tensor"),
    ),
)
def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """`input` with `value` where the mask is true; both are broadcast."""
    chosen = boolean("masked_fill", mask)
    return op.where(chosen, _number(value, input), input)


@compose(
    Sample((array((3, 4)), array((3, 4), seed=1) > 0, array((12,), seed=1))),
    Sample((array((3, 2)), np.array([True, False]), array((2, 2), seed=1))),
    errors=(
        Bad((array((3,)), np.ones(3, bool), array((2,))), {}, ShapeError, "3 .* 2"),
        Bad((array((3,)), np.ones(3), array((3,))), {}, DtypeError, "bool"),
    ),
)
def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """`input` with the elements of `source`, in their order, where the mask is true."""
    chosen = boolean("masked_scatter", mask)
    if source.dtype != input.dtype:
        raise DtypeError(f"masked_scatter: a source of {source.dtype} for {input.dtype}")
    shape = op.broadcast_shapes(tuple(input.shape), chosen.shape)
    chosen = np.broadcast_to(chosen, shape)
    wanted, given = int(chosen.sum()), math.prod(source.shape)
    if given < wanted:
        raise ShapeError(f"masked_scatter: the mask has {wanted} places, the source {given}")
    part = op.getitem(op.reshape(source, (-1,)), slice(0, wanted))
    return op.set_at(op.expand(input, shape), part, chosen)


@compose(
    Sample((array((2, 3)), 2, 0, 0.5)),
    Sample((array((2, 3)), 1.5, 1, 9.0)),
    errors=(Bad((array((3,)), 2, 0, 1.0), {}, ShapeError, "at least 2 dimensions"),),
)
def renorm(input: Any, p: float, dim: int, maxnorm: float) -> Any:
    """Each slice of `dim` scaled down to the p-norm `maxnorm` if its norm is larger."""
    if input.ndim < 2:
        raise ShapeError(f"renorm: expected at least 2 dimensions, got shape {input.shape}")
    axis = one_dim(dim, input.ndim)
    rest = tuple(i for i in range(input.ndim) if i != axis)
    norm = op.norm(input, p, rest, True)
    return input * op.where(norm > maxnorm, maxnorm / (norm + 1e-7), 1.0)
