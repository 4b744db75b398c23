"""reduce_sum, reduce_mean, reduce_max and argmax along any dimension.

A tensor is seen as (outer, columns, inner). A warp takes a row or, where inner is not 1, as many
neighbouring rows as it can load at once, and walks along a part of their columns (ops/parts.py says
which); every lane keeps a result of its own until the end, so that threads exchange once, and a
long sum is one of many short ones. argmax looks for the maximum first: of each group of columns
that a thread has loaded it keeps the largest, if it is the largest so far, and where the group
begins; only at the end it reads there once more for the place.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch

from triton_kernels import _compat
from triton_kernels._compat import Launch, Layout, cdiv, next_power_of_2, tl, triton
from triton_kernels.backends import Backend, triton_refuses
from triton_kernels.checks import FLOATS, check_tensors
from triton_kernels.errors import DtypeError, ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.ops.parts import (
    after_the_kernel_before,
    early_options,
    join,
    larger,
    next_may_start,
    sortable,
    tile_for,
    unsorted,
)
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
def _reduce(
    x_ptr, value_ptr, n_rows, n_columns, part, x_outer, x_row, x_column, scale,
    MAXIMUM: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, LOADS: tl.constexpr,
    EARLY: tl.constexpr,
):  # fmt: skip
    next_may_start(EARLY)
    row_tiles = tl.cdiv(n_rows, ROWS)
    outer = (tl.program_id(0) // row_tiles).to(tl.int64)
    rows = ((tl.program_id(0) % row_tiles) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    x_rows = x_ptr + outer * x_outer + rows * x_row
    first = tl.program_id(1) * part
    last = tl.minimum(first + part, n_columns)
    nothing = -float("inf") if MAXIMUM else 0.0
    values = tl.full((ROWS, COLUMNS), nothing, tl.float32)
    for start in range(first, last, COLUMNS * LOADS):
        for i in tl.static_range(LOADS):  # all on their way before the first is used
            columns = start + i * COLUMNS + tl.arange(0, COLUMNS)[None, :]
            mask = (rows < n_rows) & (columns < last)
            at = x_rows + columns.to(tl.int64) * x_column
            x = tl.load(at, mask=mask, other=nothing).to(tl.float32)
            values = larger(values, x) if MAXIMUM else values + x
    at = (tl.program_id(1) * (tl.num_programs(0) // row_tiles) + outer) * n_rows + rows
    if MAXIMUM:
        value = unsorted(tl.max(sortable(values), axis=1, keep_dims=True))
    else:
        value = tl.sum(values, axis=1, keep_dims=True) * scale
    tl.store(value_ptr + at, value, mask=rows < n_rows)


@triton.jit
def _largest(x, ROWS: tl.constexpr, GROUPS: tl.constexpr, GROUP: tl.constexpr):
    """(ROWS, GROUPS · GROUP) to the largest of each GROUP of neighbours, NaN above all."""
    x = tl.reshape(x, (ROWS, GROUPS, GROUP))
    if INTERPRETED:  # it would call `larger` for every element
        return unsorted(tl.max(sortable(x), axis=2))
    else:
        return tl.reduce(x, 2, larger)


@triton.jit
def _place(x_rows, best, start, n_columns, x_column, there, GROUP: tl.constexpr):
    """Where in the GROUP of columns from ``start`` on each row's largest, known by its key, is."""
    columns = start + tl.arange(0, GROUP)[None, :]
    mask = there & (columns < n_columns)
    x = tl.load(x_rows + columns.to(tl.int64) * x_column, mask=mask, other=0.0).to(tl.float32)
    found = mask & (sortable(x) == best)
    return tl.min(tl.where(found, columns, 0x7FFFFFFF), axis=1, keep_dims=True)


@triton.jit
def _find(
    x_ptr, key_ptr, place_ptr, n_rows, n_columns, part, x_outer, x_row, x_column,
    ROWS: tl.constexpr, GROUPS: tl.constexpr, GROUP: tl.constexpr, LOADS: tl.constexpr,
    NEAR: tl.constexpr, WHOLE: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    """The place of WHOLE rows' largest; of a part its key, and where the GROUP with it begins."""
    next_may_start(EARLY)
    row_tiles = tl.cdiv(n_rows, ROWS)
    outer = (tl.program_id(0) // row_tiles).to(tl.int64)
    rows = ((tl.program_id(0) % row_tiles) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    x_rows = x_ptr + outer * x_outer + rows * x_row
    first = tl.program_id(1) * part
    last = tl.minimum(first + part, n_columns)
    values = tl.full((ROWS, GROUPS), -float("inf"), tl.float32)
    starts = tl.zeros((ROWS, GROUPS), tl.int32) + first
    for chunk in range(first, last, GROUPS * GROUP * LOADS):
        for i in tl.static_range(LOADS):
            start = chunk + i * GROUPS * GROUP
            if NEAR:  # a thread's 16 bytes
                columns = start + tl.arange(0, GROUPS * GROUP)[None, :]
                mask = (rows < n_rows) & (columns < last)
                at = x_rows + columns.to(tl.int64) * x_column
                x = tl.load(at, mask=mask, other=-float("inf")).to(tl.float32)
                largest = _largest(x, ROWS, GROUPS, GROUP)
            else:  # a thread has 16 bytes of neighbouring rows in each of these columns
                largest = tl.full((ROWS, GROUPS), -float("inf"), tl.float32)
                for j in tl.static_range(GROUP):
                    columns = start + tl.arange(0, GROUPS)[None, :] * GROUP + j
                    mask = (rows < n_rows) & (columns < last)
                    at = x_rows + columns.to(tl.int64) * x_column
                    x = tl.load(at, mask=mask, other=-float("inf"))
                    largest = larger(largest, x.to(tl.float32))
            better = ((largest <= values) == 0) & (values == values)  # larger, or the first NaN
            values = tl.where(better, largest, values)
            starts = tl.where(better, start, starts)
    starts += tl.arange(0, GROUPS)[None, :] * GROUP
    keys = sortable(values)
    best = tl.max(keys, axis=1, keep_dims=True)
    place = tl.min(tl.where(keys == best, starts, 0x7FFFFFFF), axis=1, keep_dims=True)
    at = (tl.program_id(1) * (tl.num_programs(0) // row_tiles) + outer) * n_rows + rows
    if WHOLE:
        place = _place(x_rows, best, place, n_columns, x_column, rows < n_rows, GROUP)
    else:
        tl.store(key_ptr + at, best, mask=rows < n_rows)
    tl.store(place_ptr + at, place.to(place_ptr.dtype.element_ty), mask=rows < n_rows)


@triton.jit
def _look(
    x_ptr, key_ptr, start_ptr, y_ptr, parts, n, n_rows, n_columns, x_outer, x_row, x_column,
    GROUP: tl.constexpr, PARTS: tl.constexpr, BLOCK: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    """Which part of a row has the largest, and where in the group named there it is."""
    after_the_kernel_before(EARLY)
    row = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)[:, None]
    part = tl.arange(0, PARTS)[None, :]
    at = part.to(tl.int64) * n + row
    mask = (part < parts) & (row < n)
    keys = tl.load(key_ptr + at, mask=mask, other=-0x80000000)
    starts = tl.load(start_ptr + at, mask=mask, other=0x7FFFFFFF)
    best = tl.max(keys, axis=1, keep_dims=True)
    start = tl.min(tl.where(keys == best, starts, 0x7FFFFFFF), axis=1, keep_dims=True)
    x_rows = x_ptr + (row // n_rows) * x_outer + (row % n_rows) * x_row
    place = _place(x_rows, best, start, n_columns, x_column, row < n, GROUP)
    tl.store(y_ptr + row, place.to(tl.int64), mask=row < n)


class _Plan(NamedTuple):
    """What calls with inputs so laid out have in common."""

    launch: Launch
    look: Launch | None
    """argmax's second kernel, where programs share rows."""
    parts: int
    """Programs that share the columns of a row."""
    shape: torch.Size
    """Of the result."""


@functools.lru_cache(maxsize=4096)
def _plan(x: Layout, dim: int, what: str) -> _Plan | None:
    """The launches for a tensor so laid out; None: it takes a copy to see it as rows."""
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
    # Of one long row more and shorter parts end closer together than those that run at a time.
    most = 64 if near and what != "argmax" else 16
    tile = tile_for(outer, inner, n, near, x.dtype, _compat.device_of(x.device), most)
    grid = (outer * cdiv(inner, tile.rows), tile.parts)
    sizes, warps = (inner, n, tile.part, *strides), {"num_warps": tile.warps}
    early, options = early_options(x.device)
    whole = tile.parts == 1
    if what != "argmax":
        constants = {
            "MAXIMUM": what == "max", "ROWS": tile.rows, "COLUMNS": tile.columns,
            "LOADS": tile.loads, "EARLY": early and not whole,
        }  # fmt: skip
        factor = 1 / n if what == "mean" else 1.0
        return _Plan(
            Launch(_reduce, grid, (*sizes, factor), constants, warps), None, tile.parts, shape
        )
    group = min(tile.columns, 16 // x.dtype.itemsize) if near else tile.loads
    groups, loads = (tile.columns // group, tile.loads) if near else (tile.columns, 1)
    constants = {
        "ROWS": tile.rows, "GROUPS": groups, "GROUP": group, "LOADS": loads, "NEAR": near,
        "WHOLE": whole, "EARLY": early and not whole,
    }  # fmt: skip
    find = Launch(_find, grid, sizes, constants, warps)
    if whole:
        return _Plan(find, None, 1, shape)
    block = min(64, next_power_of_2(outer * inner))
    block = max(1, min(block, 4096 // next_power_of_2(tile.parts)))
    look = Launch(
        _look, cdiv(outer * inner, block), (tile.parts, outer * inner, inner, n, *strides),
        {"GROUP": group, "PARTS": next_power_of_2(tile.parts), "BLOCK": block, "EARLY": early},
        {"num_warps": 4, **options},
    )  # fmt: skip
    return _Plan(find, look, tile.parts, shape)


def portable(x: torch.Tensor, dim: int, what: str) -> torch.Tensor:
    """One launch, and where programs shared rows, or a place is sought, another."""
    if not x.numel():  # a mean of nothing is NaN
        shape = (*x.shape[:dim], *x.shape[dim + 1 :])
        dtype = torch.int64 if what == "argmax" else x.dtype
        return torch.full(shape, torch.nan if what == "mean" else 0, dtype=dtype, device=x.device)
    plan = _plan(Layout.of(x), dim, what)
    if plan is None:
        return portable(x.contiguous(), dim, what)
    launch, look, parts, shape = plan
    dtype = torch.int64 if what == "argmax" else x.dtype
    y = torch.empty(shape, dtype=dtype, device=x.device)
    if what == "argmax" and look is None:
        launch(x, None, y)
    elif look is not None:
        keys = torch.empty((parts, shape.numel()), dtype=torch.int32, device=x.device)
        starts = torch.empty_like(keys)
        launch(x, keys, starts)
        look(x, keys, starts, y)
    elif parts == 1:
        launch(x, y)
    else:
        values = torch.empty((parts, *shape), dtype=torch.float32, device=x.device)
        launch(x, values)
        join(values, y, maximum=what == "max")
    return y


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
        ShapeError: x has no such dimension, or a size of 2³¹ or more.
        DtypeError: x is not floating-point, or dim not an int.
        BackendError: the backend asked for cannot take these inputs.
    """
    return _sum(*_checked_sum(x, dim), backend=backend)


def reduce_mean(x: torch.Tensor, dim: int = -1, *, backend: str | None = None) -> torch.Tensor:
    """The mean along one dimension, which goes; of nothing, NaN.

    Args:
        x: one dimension or more, any strides; float16, bfloat16, float32, float64 (reference).
        dim: the dimension.
        backend: one of ``explain("reduce_mean", x).reasons``; None: the first that can.

    Returns:
        x's shape without the dimension, of its dtype, contiguous; accumulated in float32 in an
        order that does not change from run to run. Differentiable any number of times.

    Raises:
        ShapeError: x has no such dimension, or a size of 2³¹ or more.
        DtypeError: x is not floating-point, or dim not an int.
        BackendError: the backend asked for cannot take these inputs.
    """
    return _mean(*_checked_mean(x, dim), backend=backend)


def reduce_max(x: torch.Tensor, dim: int = -1, *, backend: str | None = None) -> torch.Tensor:
    """The maximum along one dimension, which goes; NaN if there is one.

    Args:
        x: one dimension or more, any strides; float16, bfloat16, float32, float64 (reference).
        dim: the dimension.
        backend: one of ``explain("reduce_max", x).reasons``; None: the first that can.

    Returns:
        x's shape without the dimension, of its dtype, contiguous. Differentiable any number of
        times; equal maxima share the gradient evenly.

    Raises:
        ShapeError: x has no such dimension, nothing along it, or a size of 2³¹ or more.
        DtypeError: x is not floating-point, or dim not an int.
        BackendError: the backend asked for cannot take these inputs.
    """
    return _max(*_checked_max(x, dim), backend=backend)


def argmax(x: torch.Tensor, dim: int = -1, *, backend: str | None = None) -> torch.Tensor:
    """Where the first maximum along one dimension is, or the first NaN.

    Args:
        x: one dimension or more, any strides; float16, bfloat16, float32, float64 (reference).
        dim: the dimension.
        backend: one of ``explain("argmax", x).reasons``; None: the first that can.

    Returns:
        x's shape without the dimension, int64, contiguous. No gradient.

    Raises:
        ShapeError: x has no such dimension, nothing along it, or a size of 2³¹ or more.
        DtypeError: x is not floating-point, or dim not an int.
        BackendError: the backend asked for cannot take these inputs.
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
