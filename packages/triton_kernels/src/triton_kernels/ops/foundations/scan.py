"""cumsum: running sums along a dimension, and from the end back, which is its gradient.

y_i = Σ_{j≤i} x_j;  dx_j = Σ_{i≥j} dy_i. A program takes a tile of rows and walks along them, a
chunk of columns at a time. Of a chunk a thread holds a GROUP of columns that follow each other:
threads exchange the sums of their groups only, and then each adds up its own, from what lies before
it. In float32 that drifts where terms are equal (by 15 units in the last place after 3,000), and a
tree goes through all columns of a chunk instead.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# mypy: disable-error-code="assignment"
# (triton.jit is untyped, and what it decorates cannot be annotated; tuples grow)
# ruff: noqa: RUF005 (Triton unpacks no tuples)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from triton_kernels import _compat
from triton_kernels._compat import cdiv, launch, next_power_of_2, tl, triton
from triton_kernels.backends import Backend, triton_refuses, wish
from triton_kernels.checks import FLOATS, check_flag, check_tensors
from triton_kernels.errors import DtypeError, ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.registry import Case, Cost, ErrorSample, Op, Sample

INTERPRETED = tl.constexpr(_compat.interpreting())

# --- reference ------------------------------------------------------------------------------------


def cumsum_reference(x: torch.Tensor, dim: int, reverse: bool) -> torch.Tensor:
    """Running sums, added in float32 at least."""
    wide = x if x.dtype is torch.float64 else x.float()
    if reverse:
        return wide.flip(dim).cumsum(dim).flip(dim).to(x.dtype).contiguous()
    return wide.cumsum(dim).to(x.dtype).contiguous()


# --- portable -------------------------------------------------------------------------------------


@triton.jit
def _all_but_last(before, total, before_next, total_next):
    """Joins (sum of all but the last, sum of all) of two stretches: nothing is taken away again."""
    return total + before_next, total + total_next


@triton.jit
def _before(total):
    """Σ of the groups to the left of each."""
    if INTERPRETED:  # it would call the function for every element
        return tl.cumsum(total, axis=1) - total
    else:
        before, _ = tl.associative_scan((tl.zeros_like(total), total), 1, _all_but_last)
        return before


@triton.jit
def _apart(x, ROWS: tl.constexpr, GROUPS: tl.constexpr, GROUP: tl.constexpr):
    """(ROWS, GROUPS, GROUP) as GROUP tensors of (ROWS, GROUPS): no thread gives one away."""
    if GROUP == 2:
        return tl.split(x)
    else:
        even, odd = tl.split(tl.reshape(x, (ROWS, GROUPS, GROUP // 2, 2)))
        evens = _apart(even, ROWS, GROUPS, GROUP // 2)
        odds = _apart(odd, ROWS, GROUPS, GROUP // 2)
        xs = ()
        for i in tl.static_range(GROUP // 2):
            xs = xs + (evens[i], odds[i])
        return xs


@triton.jit
def _together(xs, ROWS: tl.constexpr, GROUPS: tl.constexpr, GROUP: tl.constexpr):
    """The way back."""
    if GROUP == 2:
        return tl.join(xs[0], xs[1])
    else:
        evens, odds = (), ()
        for i in tl.static_range(GROUP // 2):
            evens = evens + (xs[2 * i],)
            odds = odds + (xs[2 * i + 1],)
        even = _together(evens, ROWS, GROUPS, GROUP // 2)
        odd = _together(odds, ROWS, GROUPS, GROUP // 2)
        return tl.reshape(tl.join(even, odd), (ROWS, GROUPS, GROUP))


@triton.jit
def _cumsum(
    x_ptr, y_ptr, n_rows, n_columns, REVERSE: tl.constexpr, ROWS: tl.constexpr,
    GROUPS: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """Along the last dimension: a thread's columns are neighbours, which it loads at once."""
    rows = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None, None]
    carry = tl.zeros((ROWS, 1), tl.float32)
    for start in range(0, n_columns, GROUPS * GROUP):
        columns = start + (tl.arange(0, GROUPS) * GROUP)[None, :, None]
        if REVERSE:  # groups from the end back, their columns as they lie
            columns = n_columns - GROUP - columns
        columns += tl.arange(0, GROUP)[None, None, :]
        mask = (rows < n_rows) & (columns >= 0) & (columns < n_columns)
        at = rows * n_columns + columns
        x = tl.load(x_ptr + at, mask=mask, other=0.0).to(tl.float32)
        xs = _apart(x, ROWS, GROUPS, GROUP)
        total = tl.zeros((ROWS, GROUPS), tl.float32)
        for i in tl.static_range(GROUP):
            total += xs[i]
        sums = _before(total) + carry
        ys = ()
        for i in tl.static_range(GROUP):
            if REVERSE:
                sums += xs[GROUP - 1 - i]
                ys = (sums,) + ys
            else:
                sums += xs[i]
                ys = ys + (sums,)
        tl.store(y_ptr + at, _together(ys, ROWS, GROUPS, GROUP), mask=mask)
        carry += tl.sum(total, axis=1, keep_dims=True)


@triton.jit
def _cumsum_across(
    x_ptr, y_ptr, n_rows, n_columns, inner, REVERSE: tl.constexpr, ROWS: tl.constexpr,
    GROUPS: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """Along another: neighbours are rows, and a thread loads its columns one after the other."""
    rows = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    starts = (rows // inner) * (inner * n_columns) + rows % inner
    carry = tl.zeros((ROWS, 1), tl.float32)
    for start in range(0, n_columns, GROUPS * GROUP):
        xs = ()
        total = tl.zeros((ROWS, GROUPS), tl.float32)
        for i in tl.static_range(GROUP):
            columns = (start + tl.arange(0, GROUPS) * GROUP + i).to(tl.int64)[None, :]
            mask = (rows < n_rows) & (columns < n_columns)
            at = starts + (n_columns - 1 - columns if REVERSE else columns) * inner
            xs = xs + (tl.load(x_ptr + at, mask=mask, other=0.0),)
            total += xs[i].to(tl.float32)
        sums = _before(total) + carry
        for i in tl.static_range(GROUP):
            columns = (start + tl.arange(0, GROUPS) * GROUP + i).to(tl.int64)[None, :]
            mask = (rows < n_rows) & (columns < n_columns)
            at = starts + (n_columns - 1 - columns if REVERSE else columns) * inner
            sums += xs[i].to(tl.float32)
            tl.store(y_ptr + at, sums, mask=mask)
        carry += tl.sum(total, axis=1, keep_dims=True)


@triton.jit
def _cumsum_by_tree(
    x_ptr, y_ptr, n_rows, n_columns, inner, REVERSE: tl.constexpr, ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):  # fmt: skip
    """Along any dimension, every column on its own: for float32 and more."""
    rows = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    starts = (rows // inner) * (inner * n_columns) + rows % inner
    carry = tl.zeros((ROWS, 1), tl.float32)
    for start in range(0, n_columns, COLUMNS):
        columns = (start + tl.arange(0, COLUMNS)).to(tl.int64)[None, :]
        mask = (rows < n_rows) & (columns < n_columns)
        at = starts + columns * inner
        if REVERSE:
            at = starts + (n_columns - 1 - columns) * inner
        x = tl.load(x_ptr + at, mask=mask, other=0.0).to(tl.float32)
        tl.store(y_ptr + at, tl.cumsum(x, axis=1) + carry, mask=mask)
        carry += tl.sum(x, axis=1, keep_dims=True)


def cumsum_portable(x: torch.Tensor, dim: int, reverse: bool) -> torch.Tensor:
    """Rows are seen where they lie; inputs with gaps are copied first."""
    x = x.contiguous()
    y = torch.empty_like(x)
    if not y.numel():
        return y
    n, inner = x.shape[dim], x.shape[dim + 1 :].numel()
    n_rows = x.numel() // n
    small = _compat.interpreting()  # it has time for less
    if x.dtype.itemsize > 2:
        rows = 1 if inner == 1 else min(32, next_power_of_2(inner))
        columns = min(2048 // rows, next_power_of_2(n))
        rows = rows if inner > 1 else min(max(1, 1024 // columns), next_power_of_2(n_rows))
        launch(
            _cumsum_by_tree, (cdiv(n_rows, rows),), (x, y), (n_rows, n, inner),
            REVERSE=reverse, ROWS=rows, COLUMNS=columns, num_warps=4,
        )  # fmt: skip
    elif inner == 1:
        group = 4 if small else 16 // x.dtype.itemsize
        groups = min(256, next_power_of_2(cdiv(n, group)))
        rows = min(max(1, 128 // groups), next_power_of_2(n_rows))
        launch(
            _cumsum, (cdiv(n_rows, rows),), (x, y), (n_rows, n),
            REVERSE=reverse, ROWS=rows, GROUPS=groups, GROUP=group, num_warps=4,
        )  # fmt: skip
    else:
        group = 4 if small else 16
        rows = min(64, next_power_of_2(inner))
        groups = min(1024 // rows, next_power_of_2(cdiv(n, group)))
        rows = min(1024 // groups, next_power_of_2(n_rows))
        launch(
            _cumsum_across, (cdiv(n_rows, rows),), (x, y), (n_rows, n, inner),
            REVERSE=reverse, ROWS=rows, GROUPS=groups, GROUP=group, num_warps=4,
        )  # fmt: skip
    return y


# --- op -------------------------------------------------------------------------------------------


def _checked(
    x: torch.Tensor, dim: int = -1, reverse: bool = False
) -> tuple[torch.Tensor, int, bool]:
    check_tensors("cumsum", x=x)
    if isinstance(dim, bool) or not isinstance(dim, int | torch.SymInt):
        raise DtypeError("cumsum", f"dim of type {type(dim).__name__}", "an int", "pass one")
    if not -x.dim() <= dim < x.dim():
        raise ShapeError(
            "cumsum", f"dim {dim} for x of shape {tuple(x.shape)}", "a dimension of x", "name one"
        )
    check_flag("cumsum", "reverse", reverse)
    return x, dim % x.dim(), reverse


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    _, ctx.dim, ctx.reverse, ctx.backend = inputs


def _backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
    dx = _kernel(grad, ctx.dim, not ctx.reverse, backend=wish(ctx.backend))
    return dx, None, None, None


_kernel = Kernel(
    "cumsum",
    op="cumsum",
    inputs="Tensor x, int dim, bool reverse",
    backends=(
        Backend("portable", f"{__name__}:cumsum_portable", triton_refuses),
        Backend("reference", f"{__name__}:cumsum_reference"),
    ),
    fake=lambda x, dim, reverse, backend: x.new_empty(x.shape),
    setup_context=_setup_context,
    backward=_backward,
)


def cumsum(
    x: torch.Tensor, dim: int = -1, reverse: bool = False, *, backend: str | None = None
) -> torch.Tensor:
    """Running sums along a dimension, added in float32.

    Args:
        x: one dimension or more, any strides; float16, bfloat16, float32, float64 (reference).
        dim: the dimension.
        reverse: sum from the end back.
        backend: one of ``explain("cumsum", x).reasons``; None: the first that can.

    Returns:
        Contiguous, of x's shape and dtype. Differentiable any number of times.

    Raises:
        ShapeError: x has no such dimension.
        DtypeError: x is not floating-point, or dim not an int.
        BackendError: the backend asked for cannot take these inputs.
    """
    return _kernel(*_checked(x, dim, reverse), backend=backend)


# --- samples --------------------------------------------------------------------------------------


def _torch_cumsum(x: torch.Tensor, dim: int = -1, reverse: bool = False) -> torch.Tensor:
    return x.flip(dim).cumsum(dim).flip(dim) if reverse else x.cumsum(dim)


def _samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    def make(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    for shape in ((7,), (1,), (5, 33), (2, 3000), (0, 4), (4, 0)):
        yield Sample(f"{shape}", (make(*shape), -1))
        yield Sample(f"{shape}, back", (make(*shape), -1, True))
    for dim in range(3):
        yield Sample(f"4x5x7, {dim}", (make(4, 5, 7), dim))
    yield Sample("long, 0", (make(700, 3), 0))
    yield Sample("transposed", (make(33, 40).t(), -1))
    yield Sample("expanded", (make(1, 40).expand(30, 40), 1))


def _errors(device: torch.device) -> Iterator[ErrorSample]:
    x = torch.zeros(2, 3, device=device)
    yield ErrorSample(Sample("dim", (x, 2)), ShapeError, "dim 2 for x of shape (2, 3)")
    yield ErrorSample(Sample("flag", (x, 0, "no")), DtypeError, "reverse of type str")
    yield ErrorSample(Sample("type", (x, 1.0)), DtypeError, "dim of type float")
    yield ErrorSample(Sample("integers", (x.int(), 0)), DtypeError, "int32")


def _cost(x: torch.Tensor, dim: int = -1, reverse: bool = False) -> Cost:
    """Read once, written once, each way."""
    return Cost(2 * x.nbytes, 2 * x.nbytes, x.numel(), x.numel())


def _case(rows: int, columns: int, dim: int) -> Case:
    def make(device: torch.device) -> Sample:
        return Sample("", (torch.randn(rows, columns, device=device, dtype=torch.bfloat16), dim))

    return Case(f"{rows}x{columns} bfloat16 dim {dim}", make)


OPS = (
    Op(
        name="cumsum", summary="running sums along a dimension", function=cumsum, kernel=_kernel,
        gradients=(), checked=_checked, torch_function=_torch_cumsum, dtypes=FLOATS,
        samples=_samples, errors=_errors, cost=_cost, bound="memory",
        cases=(_case(16384, 8192, -1), _case(8192, 16384, 0)),
        source="Blelloch 1990, Prefix sums and their applications, section 1.2",
    ),
)  # fmt: skip
