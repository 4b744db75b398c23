"""`vmap`: a function of one sample, made one of a batch.

Inside, a batched tensor shows the shape of one sample and holds all of them, the batch first. An
op with a rule below computes them at once: elementwise ops by broadcasting, movements, reductions
and everything else along a `dim` by counting dimensions from one further, products by their own
batch dimensions. An op without a rule runs sample by sample and its results are stacked; a
function that looks at values (``item()``, ``if x > 0``, writing in place) runs sample by sample as
a whole. The results are the same, only slower.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from . import tree
from .errors import ArgumentError, AutodiffError, ShapeError
from .mode import mode
from .registry import op
from .tensor import Tensor, array_of, wrap
from .versions import next_sequence


class NeedsLoop(AutodiffError, RuntimeError):
    """Something looked at the values of a batched tensor: it must run sample by sample."""


class Batched(Tensor):
    """All samples of a batch as one tensor `value`, that looks like a single one."""

    __slots__ = ("level", "value")

    def __init__(self, value: Tensor, level: int) -> None:
        self.value, self.level = value, level
        self._grad = self._hooks = None

    @property
    def _data(self) -> Any:  # type: ignore[override]
        raise NeedsLoop("the values of a batched tensor are not those of one sample")

    @property
    def _requires_grad(self) -> bool:  # type: ignore[override]
        return self.value._requires_grad

    @property
    def _node(self) -> Any:  # type: ignore[override]
        return self.value._node

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.value.shape[1:])

    def size(self, dim: int | None = None) -> Any:
        """Shape of one sample, or one of its sizes."""
        return self.shape if dim is None else self.shape[dim]

    @property
    def ndim(self) -> int:
        """Dimensions of one sample."""
        return self.value.ndim - 1

    def dim(self) -> int:
        """Dimensions of one sample."""
        return self.value.ndim - 1

    def numel(self) -> int:
        """Elements of one sample."""
        return self.value.numel() // max(self.value.shape[0], 1)

    @property
    def dtype(self) -> Any:
        """The dtype of the elements."""
        return self.value.dtype

    @property
    def T(self) -> Any:
        """All dimensions in reverse order."""
        return op.permute(self, tuple(range(self.ndim))[::-1])

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating one."""
        return bool(self.value.is_floating_point())

    def is_complex(self) -> bool:
        """Whether the dtype is a complex one."""
        return bool(self.value.is_complex())

    def detach(self) -> Tensor:
        """The same values without a graph."""
        return Batched(self.value.detach(), self.level)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (op.getitem(self, i) for i in range(len(self)))

    def __repr__(self) -> str:
        return f"<batch of {self.value.shape[0]} tensors of shape {self.shape} {self.dtype}>"


def call(cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An op on arguments among which there are batched ones: by its rule, or sample by sample."""
    bound = cls.bind(args, kwargs)
    if any(isinstance(value, list) and not value for value in bound):
        raise NeedsLoop(f"{cls.name} was called with a list that it fills")
    found = batches(bound)
    level = max(batch.level for batch in found)
    size = next(batch.value.shape[0] for batch in found if batch.level == level)
    rule = _rule(cls)
    if rule is not None:
        try:
            result = rule(cls, bound, level, size)
        except NeedsLoop:
            result = None
        if result is not None:
            return _wrapped(result, level)
    return loop(cls.call, bound, {}, level, size)


def sample_by_sample(function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    """A composition that looked at values; the error goes on if its arguments are no batch."""
    found = batches((args, kwargs))
    if not found:
        raise NeedsLoop("a batched tensor that is no argument")
    level = max(batch.level for batch in found)
    size = next(batch.value.shape[0] for batch in found if batch.level == level)
    return loop(function, args, kwargs, level, size)


def batches(values: Any) -> list[Batched]:
    """The batched tensors among arguments."""
    return [value for value in tree.leaves(values) if isinstance(value, Batched)]


def loop(
    function: Callable[..., Any], args: Any, kwargs: dict[str, Any], level: int, size: int
) -> Any:
    """Results of `function` on each sample, stacked."""
    if not size:
        raise ShapeError("vmap: a batch of no samples, and an operation that has no batching rule")

    def sample(i: int, value: Any) -> Any:
        batched = isinstance(value, Batched) and value.level == level
        return op.getitem(value.value, i) if batched else value

    results = []
    for i in range(size):
        one, keywords = tree.mapped(partial(sample, i), (args, kwargs))
        results.append(function(*one, **keywords))
    columns = zip(*(tree.leaves(result) for result in results), strict=True)
    stacked = [_stacked(column, level) for column in columns]
    return tree.rebuild(results[0], stacked)


def _stacked(column: tuple[Any, ...], level: int) -> Any:
    if not isinstance(column[0], Tensor):
        if any(value != column[0] for value in column):
            raise ArgumentError("vmap: the samples give different results that are no tensors")
        return column[0]
    shapes = {tuple(value.shape) for value in column}
    if len(shapes) > 1:
        raise ShapeError(f"vmap: the samples give results of different shapes {sorted(shapes)}")
    return Batched(op.stack(list(column), 0), level)


def _wrapped(result: Any, level: int) -> Any:
    return tree.mapped(lambda value: Batched(value, level), result)


def expanded(value: Any, level: int, size: int) -> Any:
    """The values of all samples; the same one for each if `value` is not batched at `level`."""
    if isinstance(value, Batched) and value.level == level:
        return value.value
    tensor = value if isinstance(value, Tensor) else wrap(array_of(value))
    return op.expand(tensor, (size, *tensor.shape))


def physical(value: Any) -> Any:
    """All samples of every batch around, also of a value that they share, as one plain tensor."""
    for level, size in reversed(mode.batches):
        value = expanded(value, level, size)
    return value


def logical(value: Any, depth: int | None = None) -> Any:
    """The inverse of `physical`, of all batches around or of the outermost `depth`."""
    for level, _ in mode.batches[:depth]:
        value = Batched(value, level)
    return value


# ---- rules: from the bound arguments of one sample to the result of all -------------------------


def _rule(cls: Any) -> Callable[..., Any] | None:
    if cls.name in _RULES:
        return _RULES[cls.name]
    if cls.name == "put_diagonal":  # its dimensions are those of the result
        return None
    if hasattr(cls, "partials"):
        return _elementwise
    if len(cls.inputs) == 1 and set(cls.params) & _DIM_NAMES:
        return _along_dims
    return None


_DIM_NAMES = {"dim", "dims", "dim0", "dim1", "dim2"}
_GROWING = {"stack", "unsqueeze"}  # whose `dim` counts the dimensions of the result, one more
_REDUCING = {"sum", "mean", "amax", "amin", "all", "any", "var", "std", "logsumexp", "nansum"}


def _at(value: Any, level: int) -> bool:
    return isinstance(value, Batched) and value.level == level


def _padded(value: Any, level: int, ndim: int) -> Any:
    """All samples, with dimensions of size 1 after the batch until a sample has `ndim`."""
    if not _at(value, level):
        return value
    missing = (1,) * (ndim - value.ndim)
    return op.reshape(value.value, (value.value.shape[0], *missing, *value.shape))


def _elementwise(cls: Any, args: tuple[Any, ...], level: int, size: int) -> Any:
    count = len(cls.inputs)
    if any(_at(value, level) for value in tree.leaves(args[count:])):
        return None
    ndim = max(len(getattr(value, "shape", ())) for value in args[:count])
    return cls.call(*(_padded(value, level, ndim) for value in args[:count]), *args[count:])


def _along_dims(cls: Any, args: tuple[Any, ...], level: int, size: int) -> Any:
    """An op of one input (or a sequence) whose parameters count its dimensions."""
    inputs = args[0] if cls.variadic else (args[0],)
    if any(_at(value, level) for value in tree.leaves(args[1:])):
        return None
    ndim = max(value.ndim for value in inputs)
    if not (ndim or cls.name in _GROWING) or any(value.ndim != ndim for value in inputs):
        return None
    params = []
    for name, value in zip(cls.params[1:], args[1:], strict=True):
        if name in _DIM_NAMES:
            if value is None or value == ():
                if cls.name not in _REDUCING:
                    return None
                value = tuple(range(ndim))
            value = _shifted(value, ndim + (cls.name in _GROWING))
        params.append(value)
    values = [expanded(value, level, size) for value in inputs]
    return cls.call(values if cls.variadic else values[0], *params)


def _shifted(dim: Any, ndim: int) -> Any:
    if isinstance(dim, (tuple, list)):
        return tuple(_shifted(d, ndim) for d in dim)
    if not -ndim <= dim < ndim:
        return dim + 1 if dim >= 0 else dim - 1  # out of range in the batch too
    return dim % ndim + 1


def _sizes(value: Any) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value)


def _reshape(cls: Any, args: tuple[Any, ...], level: int, size: int) -> Any:
    x, sizes = args[0], list(_sizes(args[1]))
    if -1 in sizes and x.numel():
        rest = -1
        for s in sizes:
            rest *= s
        sizes[sizes.index(-1)] = x.numel() // max(abs(rest), 1)
    return cls.call(x.value, (size, *sizes))


def _permute(cls: Any, args: tuple[Any, ...], level: int, size: int) -> Any:
    return cls.call(args[0].value, (0, *_shifted(_sizes(args[1]), args[0].ndim)))


def _expand(cls: Any, args: tuple[Any, ...], level: int, size: int) -> Any:
    x, sizes = args[0], _sizes(args[1])
    if len(sizes) < x.ndim:
        return None
    lead = len(sizes) - x.ndim
    full = [x.shape[i - lead] if s == -1 and i >= lead else s for i, s in enumerate(sizes)]
    return cls.call(_padded(x, level, len(sizes)), (size, *full))


def _getitem(cls: Any, args: tuple[Any, ...], level: int, size: int) -> Any:
    x, index = args
    parts = index if isinstance(index, tuple) else (index,)
    plain = all(
        part is None or part is Ellipsis or isinstance(part, slice) or part.__class__ is int
        for part in parts
    )
    if not _at(x, level) or not (plain or len(parts) == 1) or batches(index):
        return None
    return cls.call(x.value, (slice(None), *parts))


def _unary(cls: Any, args: tuple[Any, ...], level: int, size: int) -> Any:
    return cls.call(args[0].value, *args[1:])


def _product(cls: Any, args: tuple[Any, ...], level: int, size: int) -> Any:
    ndim = max(args[0].ndim, args[1].ndim)
    return cls.call(*(_padded(value, level, ndim) for value in args))


def _linear(cls: Any, args: tuple[Any, ...], level: int, size: int) -> Any:
    input, weight, bias = args
    if not _at(weight, level) and not _at(bias, level):
        return cls.call(input.value, weight, bias)
    out = op.matmul(input, op.transpose(weight, 0, 1) if weight.ndim == 2 else weight)
    return expanded(out if bias is None else out + bias, level, size)


_RULES: dict[str, Callable[..., Any]] = {
    "reshape": _reshape,
    "permute": _permute,
    "expand": _expand,
    "getitem": _getitem,
    "clone": _unary,
    "alias": _unary,
    "contiguous": _unary,
    "to": _unary,
    "batched_product": _product,
    "linear": _linear,
}


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """`func` over a further dimension of its arguments.

    Args:
        func: A function of tensors of one sample; it returns tensors, or tuples, lists, dicts.
        in_dims: The batch dimension of each argument, None for one that all samples share; one
            number for all, or a tuple, nested like the arguments.
        out_dims: Where the batch dimension goes in the results, likewise.
        randomness: "error", "different" or "same" as in torch; random numbers are drawn once for
            all samples where an op computes them at once.
        chunk_size: How many samples to compute at once, for the sake of memory; None for all.

    Where no batching rule is known, samples run one by one and are stacked; see `batching`.
    """
    if randomness not in ("error", "different", "same"):
        raise ArgumentError(f"vmap: randomness is error, different or same, not {randomness!r}")
    if chunk_size is not None and chunk_size < 1:
        raise ArgumentError(f"vmap: expected a chunk_size of at least 1, got {chunk_size}")

    def batched(*args: Any, **kwargs: Any) -> Any:
        level, size = next_sequence(), None
        dims = _spread(in_dims, args) if not isinstance(in_dims, int) else None
        flat, chosen = tree.leaves(args), []
        for i, value in enumerate(flat):
            dim = in_dims if dims is None else dims[i]
            if dim is None or not isinstance(value, Tensor):
                if dims is not None and dim is not None:
                    raise ArgumentError(f"vmap: in_dims {dim} for {type(value).__name__}")
                chosen.append(value)
                continue
            if not -value.ndim <= dim < value.ndim:
                raise ShapeError(f"vmap: no dimension {dim} in an argument of shape {value.shape}")
            moved = op.movedim(value, dim, 0)
            if size is not None and moved.shape[0] != size:
                raise ArgumentError(f"vmap: batches of different sizes {size} and {moved.shape[0]}")
            size = moved.shape[0]
            chosen.append(Batched(moved, level))
        if size is None:
            raise ArgumentError("vmap: at least one argument must have a batch dimension")
        inputs = tree.rebuild(args, chosen)
        outer, mode.batches = mode.batches, (*mode.batches, (level, size))
        try:
            try:
                result = func(*inputs, **kwargs)
            except NeedsLoop:
                mode.batches = outer
                result = loop(func, inputs, kwargs, level, size)
            outs = tree.leaves(result)
            places = _spread(out_dims, result) if not isinstance(out_dims, int) else None
            final = []
            for i, out in enumerate(outs):
                if not isinstance(out, Tensor):
                    raise ArgumentError(f"vmap: expected tensors as results, got {type(out)}")
                place = out_dims if places is None else places[i]
                full = expanded(out, level, size) if place is not None else out
                final.append(full if place in (0, None) else op.movedim(full, 0, place))
        finally:
            mode.batches = outer
        return tree.rebuild(result, final)

    def in_chunks(*args: Any, **kwargs: Any) -> Any:
        flat, dims = tree.leaves(args), _spread(in_dims, args)
        dims = [dim if isinstance(v, Tensor) else None for v, dim in zip(flat, dims, strict=True)]
        size = next((v.shape[d] for v, d in zip(flat, dims, strict=True) if d is not None), 0)
        results = []
        for start in range(0, max(size, 1), chunk_size or size):
            parts = [
                v if d is None else op.tensor_split(v, (start, start + (chunk_size or 0)), d)[1]
                for v, d in zip(flat, dims, strict=True)
            ]
            results.append(batched(*tree.rebuild(args, parts), **kwargs))
        places = _spread(out_dims, results[0])
        columns = zip(*(tree.leaves(result) for result in results), strict=True)
        joined = [
            column[0] if place is None else op.cat(list(column), place)
            for column, place in zip(columns, places, strict=True)
        ]
        return tree.rebuild(results[0], joined)

    return batched if chunk_size is None else in_chunks


def _spread(dims: Any, values: Any) -> list[Any]:
    """One entry of `dims` for each leaf of `values`."""
    if dims is None or isinstance(dims, int):
        return [dims] * len(tree.leaves(values))
    if isinstance(values, dict):
        return [d for key, value in values.items() for d in _spread(dims[key], value)]
    if not isinstance(values, (tuple, list)) or len(values) != len(dims):
        raise ArgumentError(f"vmap: the dimensions {dims!r} do not fit the values")
    return [d for dim, value in zip(dims, values, strict=True) for d in _spread(dim, value)]
