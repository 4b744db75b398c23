"""cumsum: running sums along a dimension, and from the end back, which is its gradient.

y_i = Σ_{j≤i} x_j;  dx_j = Σ_{i≥j} dy_i. A program takes a tile of rows and walks along them: it
scans a chunk within the tile and adds what the chunks before it came to.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from triton_kernels._compat import cdiv, launch, next_power_of_2, tl, triton
from triton_kernels.backends import Backend, triton_refuses, wish
from triton_kernels.checks import FLOATS, check_tensors
from triton_kernels.errors import DtypeError, ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.registry import Case, Cost, ErrorSample, Op, Sample

# --- reference ------------------------------------------------------------------------------------


def cumsum_reference(x: torch.Tensor, dim: int, reverse: bool) -> torch.Tensor:
    """Running sums, added in float32 at least."""
    wide = x if x.dtype is torch.float64 else x.float()
    if reverse:
        return wide.flip(dim).cumsum(dim).flip(dim).to(x.dtype).contiguous()
    return wide.cumsum(dim).to(x.dtype).contiguous()


# --- portable -------------------------------------------------------------------------------------


@triton.jit
def _cumsum(
    x_ptr, y_ptr, n_rows, n_columns, inner, REVERSE: tl.constexpr, ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):  # fmt: skip
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
    if y.numel():
        n, inner = x.shape[dim], x.shape[dim + 1 :].numel()
        n_rows = x.numel() // n
        rows = 1 if inner == 1 else min(32, next_power_of_2(inner))
        columns = min(2048 // rows, next_power_of_2(n))
        rows = rows if inner > 1 else min(max(1, 1024 // columns), next_power_of_2(n_rows))
        launch(
            _cumsum, (cdiv(n_rows, rows),), (x, y), (n_rows, n, inner),
            REVERSE=reverse, ROWS=rows, COLUMNS=columns, num_warps=4,
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
    return x, dim % x.dim(), bool(reverse)


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
