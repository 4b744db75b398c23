"""reduce_sum, reduce_mean, reduce_max and argmax along any dimension.

A tensor is seen as (outer, columns, inner). A program takes a tile of rows, which are neighbours
in memory where inner is not 1, and walks along a part of their columns; every lane of the tile
keeps a result of its own until the end, so that threads exchange once, and a long sum is one of
many short ones. argmax looks for the maximum first: of what a thread has loaded it keeps the
largest and the chunk that held it, and only at the end reads there once more for the place. Where
rows are few, several programs share the columns, and their results are joined in a fixed order.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch

from triton_kernels import _compat
from triton_kernels._compat import Launch, Layout, tl, triton
from triton_kernels.backends import Backend, triton_refuses
from triton_kernels.checks import FLOATS, check_tensors
from triton_kernels.errors import DtypeError, ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.registry import Case, Cost, ErrorSample, Op, Sample

INTERPRETED = tl.constexpr(_compat.interpreting())

# --- reference ------------------------------------------------------------------------------------


def reference(x: torch.Tensor, dim: int, what: str) -> torch.Tensor:
    """The reduction named, worked in float32 at least."""
    wide = x if x.dtype is torch.float64 else x.float()
    if what == "argmax":
        return torch.argmax(wide, dim)
    if what == "max":
        return torch.amax(wide, dim).to(x.dtype)
    return (wide.sum(dim) if what == "sum" else wide.mean(dim)).to(x.dtype)


# --- portable -------------------------------------------------------------------------------------


@triton.jit
def _sortable(x):
    """An int32 for each float32, in the same order; NaN above all, as torch has it."""
    bits = (x + 0.0).to(tl.int32, bitcast=True)
    key = tl.where(bits >= 0, bits, bits ^ 0x7FFFFFFF)
    return tl.where(x == x, key, 0x7FC00000)


@triton.jit
def _unsorted(key):
    """The float32 of such an int32."""
    return tl.where(key >= 0, key, key ^ 0x7FFFFFFF).to(tl.float32, bitcast=True)


@triton.jit
def _reduce(
    x_ptr, value_ptr, n_rows, n_columns, part, x_outer, x_row, x_column, scale,
    WHAT: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    row_tiles = tl.cdiv(n_rows, ROWS)
    outer = (tl.program_id(0) // row_tiles).to(tl.int64)
    rows = ((tl.program_id(0) % row_tiles) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    x_rows = x_ptr + outer * x_outer + rows * x_row
    first = tl.program_id(1) * part
    last = tl.minimum(first + part, n_columns)
    nothing = 0.0 if WHAT == "sum" else -float("inf")
    values = tl.full((ROWS, COLUMNS), nothing, tl.float32)
    for start in tl.range(first, last, COLUMNS, num_stages=STAGES):
        columns = start + tl.arange(0, COLUMNS)[None, :]
        mask = (rows < n_rows) & (columns < last)
        at = x_rows + columns.to(tl.int64) * x_column
        x = tl.load(at, mask=mask, other=nothing).to(tl.float32)
        if WHAT == "sum":
            values += x
        else:
            values = tl.maximum(values, x, propagate_nan=tl.PropagateNan.ALL)
    at = (tl.program_id(1) * (tl.num_programs(0) // row_tiles) + outer) * n_rows + rows
    if WHAT == "sum":
        total = tl.sum(values, axis=1, keep_dims=True) * scale
        tl.store(value_ptr + at, total, mask=rows < n_rows)
    else:
        best = tl.max(_sortable(values), axis=1, keep_dims=True)
        tl.store(value_ptr + at, _unsorted(best), mask=rows < n_rows)


@triton.jit
def _larger(a, b):
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def _largest(x, ROWS: tl.constexpr, COLUMNS: tl.constexpr, GROUP: tl.constexpr, NEAR: tl.constexpr):
    """(ROWS, COLUMNS) to the (ROWS, COLUMNS // GROUP) largest of each GROUP, NaN above all.

    A group is what one thread holds: neighbours where columns are, else every n-th column.
    """
    if NEAR:
        x = tl.reshape(x, (ROWS, COLUMNS // GROUP, GROUP))
    else:
        x = tl.permute(tl.reshape(x, (ROWS, GROUP, COLUMNS // GROUP)), (0, 2, 1))
    if INTERPRETED:  # it would call _larger for every element
        return _unsorted(tl.max(_sortable(x), axis=2))
    else:
        return tl.reduce(x, 2, _larger)


@triton.jit
def _find(
    x_ptr, value_ptr, index_ptr, n_rows, n_columns, part, x_outer, x_row, x_column,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, GROUP: tl.constexpr, NEAR: tl.constexpr,
):  # fmt: skip
    row_tiles = tl.cdiv(n_rows, ROWS)
    outer = (tl.program_id(0) // row_tiles).to(tl.int64)
    rows = ((tl.program_id(0) % row_tiles) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    x_rows = x_ptr + outer * x_outer + rows * x_row
    first = tl.program_id(1) * part
    last = tl.minimum(first + part, n_columns)
    values = tl.full((ROWS, COLUMNS // GROUP), -float("inf"), tl.float32)
    starts = tl.zeros((ROWS, COLUMNS // GROUP), tl.int32) + first
    for start in tl.range(first, last, COLUMNS):
        columns = start + tl.arange(0, COLUMNS)[None, :]
        mask = (rows < n_rows) & (columns < last)
        at = x_rows + columns.to(tl.int64) * x_column
        x = tl.load(at, mask=mask, other=-float("inf")).to(tl.float32)
        largest = _largest(x, ROWS, COLUMNS, GROUP, NEAR)
        better = ((largest <= values) == 0) & (values == values)  # larger, or the first NaN
        values = tl.where(better, largest, values)
        starts = tl.where(better, start, starts)
    keys = _sortable(values)
    best = tl.max(keys, axis=1, keep_dims=True)
    if NEAR:  # the first of the groups that hold it
        starts += tl.arange(0, COLUMNS // GROUP)[None, :] * GROUP
        columns = tl.arange(0, GROUP)[None, :]
    else:  # groups lie across each other: the first chunk
        columns = tl.arange(0, COLUMNS)[None, :]
    columns += tl.min(tl.where(keys == best, starts, 0x7FFFFFFF), axis=1, keep_dims=True)
    mask = (rows < n_rows) & (columns < last)
    x = tl.load(x_rows + columns.to(tl.int64) * x_column, mask=mask, other=0.0).to(tl.float32)
    found = mask & (_sortable(x) == best)
    place = tl.min(tl.where(found, columns, 0x7FFFFFFF), axis=1, keep_dims=True)
    at = (tl.program_id(1) * (tl.num_programs(0) // row_tiles) + outer) * n_rows + rows
    tl.store(value_ptr + at, best, mask=rows < n_rows)
    tl.store(index_ptr + at, place, mask=rows < n_rows)


_WARPS = 4


def _group(rows: int, columns: int, dtype: torch.dtype, near: bool) -> int:
    """Columns that one thread holds of a row: it loads 16 bytes of neighbours at a time."""
    at_once = 16 // dtype.itemsize
    loads = rows * columns // (32 * _WARPS * at_once)
    return max(1, min(columns, at_once if near else loads))


class _Plan(NamedTuple):
    """What calls with inputs so laid out have in common."""

    launch: Launch
    parts: int
    """Programs that share the columns of a row."""
    shape: torch.Size
    """Of the result."""


@functools.lru_cache(maxsize=4096)
def _plan(x: Layout, dim: int, what: str) -> _Plan | None:
    """The launch for a tensor so laid out; None: it takes a copy to see it as rows."""
    shape = torch.Size((*x.shape[:dim], *x.shape[dim + 1 :]))
    n = x.shape[dim]
    try:
        rows = x.example().view(x.shape[:dim].numel(), n, x.shape[dim + 1 :].numel())
    except RuntimeError:
        return None
    outer, _, inner = rows.shape
    if inner == 1:  # rows are the outer indices
        outer, inner, strides = 1, outer, (0, rows.stride(0), rows.stride(1))
    else:
        strides = (rows.stride(0), rows.stride(2), rows.stride(1))
    near = strides[2] == 1
    tile_rows, tile_columns, parts = _tile(outer, inner, n, near, x.device)
    part = triton.cdiv(n, parts * tile_columns) * tile_columns
    parts = triton.cdiv(n, part)
    grid = (outer * triton.cdiv(inner, tile_rows), parts)
    sizes, options = (inner, n, part, *strides), {"num_warps": _WARPS}
    constants = {"ROWS": tile_rows, "COLUMNS": tile_columns}
    if what == "argmax":
        group = _group(tile_rows, tile_columns, x.dtype, near)
        constants = {**constants, "GROUP": group, "NEAR": near}
        return _Plan(Launch(_find, grid, sizes, constants, options), parts, shape)
    factor = 1 / n if what == "mean" else 1.0
    named = {"WHAT": "sum" if what == "mean" else what, **constants, "STAGES": 3}
    return _Plan(Launch(_reduce, grid, (*sizes, factor), named, options), parts, shape)


def portable(x: torch.Tensor, dim: int, what: str) -> torch.Tensor:
    """One launch, and where programs shared rows a reduction of their results."""
    if not x.numel():  # a mean of nothing is NaN
        shape = (*x.shape[:dim], *x.shape[dim + 1 :])
        dtype = torch.int64 if what == "argmax" else x.dtype
        return torch.full(shape, torch.nan if what == "mean" else 0, dtype=dtype, device=x.device)
    plan = _plan(Layout.of(x), dim, what)
    if plan is None:
        return portable(x.contiguous(), dim, what)
    launch, parts, shape = plan
    if what == "argmax":
        keys = torch.empty((parts, shape.numel()), dtype=torch.int32, device=x.device)
        if parts == 1:
            place = torch.empty(shape, dtype=torch.int64, device=x.device)
            launch(x, keys, place)
            return place
        places = torch.empty_like(keys)
        launch(x, keys, places)
        best = keys.amax(0)
        return torch.where(keys == best, places, x.shape[dim]).amin(0).view(shape).long()
    if parts == 1:
        value = torch.empty(shape, dtype=x.dtype, device=x.device)
        launch(x, value)
        return value
    values = torch.empty((parts, *shape), dtype=torch.float32, device=x.device)
    launch(x, values)
    return (values.amax(0) if what == "max" else values.sum(0)).to(x.dtype)


def _tile(
    outer: int, inner: int, n: int, neighbours: bool, device: torch.device
) -> tuple[int, int, int]:
    """Rows and columns of a tile, and how many programs share the columns."""
    if neighbours:
        columns = min(4096, triton.next_power_of_2(n))
        rows = min(max(1, 4096 // columns), triton.next_power_of_2(inner))
    else:
        rows = min(128, triton.next_power_of_2(inner))
        columns = min(max(1, 4096 // rows), triton.next_power_of_2(n))
    processors = _compat.device_of(device).processors
    programs = outer * triton.cdiv(inner, rows)
    parts = max(1, min(8 * processors // programs, triton.cdiv(n, 4 * columns)))
    return rows, columns, parts


# --- op -------------------------------------------------------------------------------------------


def _checked(op: str, x: torch.Tensor, dim: int) -> tuple[torch.Tensor, int]:
    check_tensors(op, x=x)
    if x.dim() and max(x.shape) >= 2**31:
        raise ShapeError(
            op, f"x of shape {tuple(x.shape)}", "sizes below 2**31", "reduce it in parts"
        )
    if isinstance(dim, bool) or not isinstance(dim, int | torch.SymInt):
        raise DtypeError(op, f"dim of type {type(dim).__name__}", "an int", "pass one")
    if not -x.dim() <= dim < x.dim():
        raise ShapeError(
            op, f"dim {dim} for x of shape {tuple(x.shape)}", "a dimension of x", "name one"
        )
    if op in ("reduce_max", "argmax") and not x.shape[dim]:
        raise ShapeError(
            op, f"a dimension of size 0 in x of shape {tuple(x.shape)}", "something to choose from",
            "leave empty tensors out",
        )  # fmt: skip
    return x, dim % x.dim()


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    x, ctx.dim, ctx.what, _ = inputs
    ctx.shape = x.shape
    ctx.save_for_backward(*((x, output) if ctx.what == "max" else ()))


def _backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
    wide = grad.unsqueeze(ctx.dim)
    if ctx.what == "max":  # equal maxima share it
        x, y = ctx.saved_tensors
        ties = (x == y.unsqueeze(ctx.dim)).to(grad.dtype)
        dx = ties * (wide / ties.sum(ctx.dim, keepdim=True))
    else:
        dx = (wide / max(ctx.shape[ctx.dim], 1) if ctx.what == "mean" else wide).expand(ctx.shape)
    return dx, None, None, None


def _fake(x: torch.Tensor, dim: int, what: str, backend: str) -> torch.Tensor:
    shape = (*x.shape[:dim], *x.shape[dim + 1 :])
    return x.new_empty(shape, dtype=torch.int64 if what == "argmax" else x.dtype)


def _kernel(name: str, differentiable: bool = True) -> Kernel:
    return Kernel(
        name,
        op=name,
        inputs="Tensor x, int dim, str what",
        backends=(
            Backend("portable", f"{__name__}:portable", triton_refuses),
            Backend("reference", f"{__name__}:reference"),
        ),
        fake=_fake,
        setup_context=_setup_context if differentiable else None,
        backward=_backward if differentiable else None,
    )


_sum, _mean, _max = map(_kernel, ("reduce_sum", "reduce_mean", "reduce_max"))
_argmax = _kernel("argmax", differentiable=False)


def _checked_sum(x: torch.Tensor, dim: int = -1) -> tuple[torch.Tensor, int, str]:
    return *_checked("reduce_sum", x, dim), "sum"


def _checked_mean(x: torch.Tensor, dim: int = -1) -> tuple[torch.Tensor, int, str]:
    return *_checked("reduce_mean", x, dim), "mean"


def _checked_max(x: torch.Tensor, dim: int = -1) -> tuple[torch.Tensor, int, str]:
    return *_checked("reduce_max", x, dim), "max"


def _checked_argmax(x: torch.Tensor, dim: int = -1) -> tuple[torch.Tensor, int, str]:
    return *_checked("argmax", x, dim), "argmax"


def reduce_sum(x: torch.Tensor, dim: int = -1, *, backend: str | None = None) -> torch.Tensor:
    """The sum along one dimension, which goes.

    Args:
        x: one dimension or more, any strides; float16, bfloat16, float32, float64 (reference).
        dim: the dimension.
        backend: one of ``explain("reduce_sum", x).reasons``; None: the first that can.

    Returns:
        x's shape without the dimension, of its dtype, contiguous; accumulated in float32 in an
        order that does not change from run to run. Differentiable any number of times.

    Raises:
        ShapeError: x has no such dimension.
        DtypeError: x is not floating-point, or dim not an int.
        BackendError: the backend asked for cannot take these inputs.
    """
    return _sum(*_checked_sum(x, dim), backend=backend)


def reduce_mean(x: torch.Tensor, dim: int = -1, *, backend: str | None = None) -> torch.Tensor:
    """The mean along one dimension; of nothing, NaN. All else as ``reduce_sum``."""
    return _mean(*_checked_mean(x, dim), backend=backend)


def reduce_max(x: torch.Tensor, dim: int = -1, *, backend: str | None = None) -> torch.Tensor:
    """The maximum along one dimension that is not empty; NaN if there is one.

    Equal maxima share the gradient evenly. All else as ``reduce_sum``.
    """
    return _max(*_checked_max(x, dim), backend=backend)


def argmax(x: torch.Tensor, dim: int = -1, *, backend: str | None = None) -> torch.Tensor:
    """Where the first maximum along one dimension is, or the first NaN: int64, no gradient.

    The arguments are those of ``reduce_max``.
    """
    return _argmax(*_checked_argmax(x, dim), backend=backend)


# --- samples --------------------------------------------------------------------------------------


def _samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    def make(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    for shape in ((7,), (1,), (5, 33), (3, 1), (2, 3000), (1, 20_000)):
        yield Sample(f"{shape}", (make(*shape), -1))
    for dim in range(3):
        yield Sample(f"4x5x7, {dim}", (make(4, 5, 7), dim))
    yield Sample("long, 0", (make(700, 3), 0))
    yield Sample("0x4", (make(0, 4), 1))
    yield Sample("transposed", (make(33, 40).t(), -1))
    yield Sample("every second", (make(6, 40, 8)[:, ::2, ::2], 1))
    yield Sample("expanded", (make(1, 40).expand(30, 40), 1))


def _torch(what: str) -> Any:
    functions: dict[str, Any] = {
        "sum": torch.sum,
        "mean": torch.mean,
        "max": torch.amax,
        "argmax": torch.argmax,
    }

    def function(x: torch.Tensor, dim: int = -1) -> torch.Tensor:
        result: torch.Tensor = functions[what](x, dim)
        return result

    return function


def _errors(op: str) -> Any:
    def errors(device: torch.device) -> Iterator[ErrorSample]:
        x = torch.zeros(2, 3, device=device)
        yield ErrorSample(Sample("dim", (x, 2)), ShapeError, "dim 2 for x of shape (2, 3)")
        yield ErrorSample(Sample("scalar", (x[0, 0], 0)), ShapeError, "dim 0")
        yield ErrorSample(Sample("type", (x, 1.0)), DtypeError, "dim of type float")
        yield ErrorSample(Sample("integers", (x.int(), 0)), DtypeError, "int32")
        if op in ("reduce_max", "argmax"):
            yield ErrorSample(Sample("empty", (x[:0], 0)), ShapeError, "size 0")

    return errors


def _cost(x: torch.Tensor, dim: int = -1) -> Cost:
    """Read once; the backward is plain torch."""
    return Cost(x.nbytes, 0, x.numel(), 0)


def _case(rows: int, columns: int, dim: int) -> Case:
    def make(device: torch.device) -> Sample:
        return Sample("", (torch.randn(rows, columns, device=device, dtype=torch.bfloat16), dim))

    return Case(f"{rows}x{columns} bfloat16 dim {dim}", make)


def _op(name: str, what: str, function: Any, kernel: Kernel, checked: Any, summary: str) -> Op:
    return Op(
        name=name, summary=summary, function=function, kernel=kernel, gradients=(),
        checked=checked, torch_function=_torch(what), dtypes=FLOATS, samples=_samples,
        errors=_errors(name), cost=_cost, bound="memory",
        cases=(_case(16384, 8192, -1), _case(16384, 8192, 0), _case(1, 2**27, -1)),
        source="pairwise summation: Higham 2002, Accuracy and stability of numerical algorithms, "
        "section 4.2", differentiable=what != "argmax",
    )  # fmt: skip


OPS = (
    _op("reduce_sum", "sum", reduce_sum, _sum, _checked_sum, "sum along a dimension"),
    _op("reduce_mean", "mean", reduce_mean, _mean, _checked_mean, "mean along a dimension"),
    _op("reduce_max", "max", reduce_max, _max, _checked_max, "maximum along a dimension"),
    _op("argmax", "argmax", argmax, _argmax, _checked_argmax, "place of the first maximum"),
)
