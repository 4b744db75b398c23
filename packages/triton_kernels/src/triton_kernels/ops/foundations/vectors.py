"""matvec and outer: a matrix times a vector, and a column times a row.

y = A·x reads A once and x from the cache: it moves as fast as memory does. outer writes once. Each
is the other's gradient: of y = A·x, dA = dy⊗x and dx = Aᵀ·dy; of C = x⊗y, dx = dC·y, dy = dCᵀ·x.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import torch

from triton_kernels import _compat, autocast
from triton_kernels._compat import Launch, Layout, cdiv, next_power_of_2, tl, triton
from triton_kernels.backends import Backend, triton_refuses, wish
from triton_kernels.checks import FLOATS, check_tensors, shapes_in_words
from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.ops.parts import early_options, join, next_may_start, tile_for
from triton_kernels.registry import Case, Cost, ErrorSample, Op, Sample

# --- reference ------------------------------------------------------------------------------------


def matvec_reference(a: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """y_i = Σ_k a_ik·x_k, summed in float32 at least."""
    wide = torch.float64 if a.dtype is torch.float64 else torch.float32
    return (a.to(wide) * x.to(wide)).sum(1).to(a.dtype)


def outer_reference(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """c_ij = x_i·y_j."""
    return x[:, None] * y[None, :]


# --- portable -------------------------------------------------------------------------------------


@triton.jit
def _matvec(
    a_ptr, x_ptr, y_ptr, m, k, part, a_m, a_k, x_k, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    LOADS: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    next_may_start(EARLY)
    rows = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    first = tl.program_id(1) * part
    last = tl.minimum(first + part, k)
    sums = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in range(first, last, COLUMNS * LOADS):
        for i in tl.static_range(LOADS):  # all on their way before the first is used
            columns = (start + i * COLUMNS + tl.arange(0, COLUMNS)).to(tl.int64)
            x = tl.load(x_ptr + columns * x_k, mask=columns < last, other=0.0).to(tl.float32)
            mask = (columns < last)[None, :] & (rows < m)
            a = tl.load(a_ptr + rows * a_m + columns[None, :] * a_k, mask=mask, other=0.0)
            sums += a.to(tl.float32) * x[None, :]
    total = tl.sum(sums, axis=1, keep_dims=True)
    tl.store(y_ptr + tl.program_id(1).to(tl.int64) * m + rows, total, mask=rows < m)


@triton.jit
def _outer(x_ptr, y_ptr, c_ptr, m, n, x_step, y_step, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    tiles = tl.cdiv(n, COLUMNS)
    rows = ((tl.program_id(0) // tiles) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    columns = ((tl.program_id(0) % tiles) * COLUMNS + tl.arange(0, COLUMNS)).to(tl.int64)[None, :]
    x = tl.load(x_ptr + rows * x_step, mask=rows < m, other=0.0).to(tl.float32)
    y = tl.load(y_ptr + columns * y_step, mask=columns < n, other=0.0).to(tl.float32)
    tl.store(c_ptr + rows * n + columns, x * y, mask=(rows < m) & (columns < n))


@triton.jit
def _both_products(
    a_ptr, x_ptr, y_ptr, along_ptr, down_ptr, m, n, part, a_m, a_n, x_step, y_step,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    """Parts of A·y and of Aᵀ·x: a program walks down some columns, and A is read once."""
    next_may_start(EARLY)
    columns = (tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)).to(tl.int64)[None, :]
    first = tl.program_id(1) * part
    last = tl.minimum(first + part, m)
    y = tl.load(y_ptr + columns * y_step, mask=columns < n, other=0.0).to(tl.float32)
    sums = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in range(first, last, ROWS):
        rows = (start + tl.arange(0, ROWS)).to(tl.int64)
        mask = (rows < last)[:, None] & (columns < n)
        x = tl.load(x_ptr + rows * x_step, mask=rows < last, other=0.0).to(tl.float32)
        at = a_ptr + rows[:, None] * a_m + columns * a_n
        a = tl.load(at, mask=mask, other=0.0).to(tl.float32)
        sums += a * x[:, None]
        along = tl.sum(a * y, axis=1)
        tl.store(along_ptr + tl.program_id(0).to(tl.int64) * m + rows, along, mask=rows < last)
    down = tl.sum(sums, axis=0, keep_dims=True)
    tl.store(down_ptr + tl.program_id(1).to(tl.int64) * n + columns, down, mask=columns < n)


def matvec_portable(a: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Tiles of rows; programs that share long rows leave partial sums, added in a fixed order."""
    m, k = a.shape
    if not (m and k):
        return torch.zeros(m, dtype=a.dtype, device=a.device)
    launch, parts = _matvec_plan(Layout.of(a), Layout.of(x))
    y = torch.empty(m, dtype=a.dtype, device=a.device)
    if parts == 1:
        launch(a, x, y)
        return y
    sums = torch.empty((parts, m), dtype=torch.float32, device=a.device)
    launch(a, x, sums)
    join(sums, y)
    return y


@functools.lru_cache(maxsize=4096)
def _matvec_plan(a: Layout, x: Layout) -> tuple[Launch, int]:
    """The launch, and how many programs share a row."""
    m, k = a.shape
    near = a.strides[1] == 1 or a.strides[0] != 1
    tile = tile_for(1, m, k, near, a.dtype, _compat.device_of(a.device))
    early, _ = early_options(a.device)
    return Launch(
        _matvec, (cdiv(m, tile.rows), tile.parts), (m, k, tile.part, *a.strides, *x.strides),
        {
            "ROWS": tile.rows, "COLUMNS": tile.columns, "LOADS": tile.loads,
            "EARLY": early and tile.parts > 1,
        },
        {"num_warps": tile.warps},
    ), tile.parts  # fmt: skip


def both_reference(
    a: torch.Tensor, x: torch.Tensor, y: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """A·y and Aᵀ·x."""
    return matvec_reference(a, y), matvec_reference(a.mT, x)


def both_portable(
    a: torch.Tensor, x: torch.Tensor, y: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Parts of both from one pass over A, then each added up in a fixed order."""
    m, n = a.shape
    if not (m and n):
        return torch.zeros_like(x), torch.zeros_like(y)
    if a.stride(1) != 1 and a.stride(0) == 1:  # columns lie together: walk along them
        down, along = both_portable(a.mT, y, x)
        return along, down
    launch, tiles, parts = _both_plan(Layout.of(a), Layout.of(x), Layout.of(y))
    along = torch.empty((tiles, m), dtype=torch.float32, device=a.device)
    down = torch.empty((parts, n), dtype=torch.float32, device=a.device)
    by_y = torch.empty(m, dtype=a.dtype, device=a.device)
    by_x = torch.empty(n, dtype=a.dtype, device=a.device)
    launch(a, x, y, along, down)
    join(along, by_y)
    join(down, by_x)
    return by_y, by_x


@functools.lru_cache(maxsize=4096)
def _both_plan(a: Layout, x: Layout, y: Layout) -> tuple[Launch, int, int]:
    """The launch; over how many tiles of columns and how many parts of rows the sums are."""
    m, n = a.shape
    columns = min(512 // a.dtype.itemsize, next_power_of_2(n))
    processors = _compat.device_of(a.device).processors
    rows = min(16 if processors == 1 else 8, next_power_of_2(m))  # the interpreter's time is short
    tiles = cdiv(n, columns)
    parts = max(1, min(12 * processors // tiles, cdiv(m, 2 * rows)))
    part = cdiv(m, parts * rows) * rows
    parts = cdiv(m, part)
    early, _ = early_options(a.device)
    return Launch(
        _both_products, (tiles, parts), (m, n, part, *a.strides, *x.strides, *y.strides),
        {"ROWS": rows, "COLUMNS": columns, "EARLY": early}, {"num_warps": 1},
    ), tiles, parts  # fmt: skip


def outer_portable(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Tiles of the product."""
    c = torch.empty((x.shape[0], y.shape[0]), dtype=x.dtype, device=x.device)
    if c.numel():
        _outer_plan(Layout.of(x), Layout.of(y))(x, y, c)
    return c


@functools.lru_cache(maxsize=4096)
def _outer_plan(x: Layout, y: Layout) -> Launch:
    m, n = x.shape[0], y.shape[0]
    columns = min(1024, next_power_of_2(n))
    rows = min(max(1, 4096 // columns), next_power_of_2(m))
    return Launch(
        _outer, cdiv(m, rows) * cdiv(n, columns), (m, n, *x.strides, *y.strides),
        {"ROWS": rows, "COLUMNS": columns}, {"num_warps": 4},
    )  # fmt: skip


# --- op -------------------------------------------------------------------------------------------


def _checked_matvec(a: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    a, x = autocast.lowered(a, x)
    check_tensors("matvec", a=a, x=x)
    if a.dim() != 2 or x.shape != a.shape[1:]:
        raise ShapeError(
            "matvec", shapes_in_words(a=a, x=x), "a of (m, k) and x of (k,)",
            "use matmul for matrices",
        )  # fmt: skip
    return a, x


def _checked_outer(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = autocast.promoted(x, y)
    check_tensors("outer", x=x, y=y)
    if x.dim() != 1 or y.dim() != 1:
        raise ShapeError("outer", shapes_in_words(x=x, y=y), "two vectors", "flatten them")
    return x, y


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    first, second, ctx.backend = inputs
    ctx.save_for_backward(first, second)


def _matvec_backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
    a, x = ctx.saved_tensors
    backend = wish(ctx.backend)
    da = _outer_kernel(grad, x, backend=backend) if ctx.needs_input_grad[0] else None
    dx = _matvec_kernel(a.mT, grad, backend=backend) if ctx.needs_input_grad[1] else None
    return da, dx, None


def _outer_backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
    x, y = ctx.saved_tensors
    backend = wish(ctx.backend)
    if all(ctx.needs_input_grad[:2]):
        return *_both_kernel.outputs(grad, x, y, backend=backend), None
    dx = _matvec_kernel(grad, y, backend=backend) if ctx.needs_input_grad[0] else None
    dy = _matvec_kernel(grad.mT, x, backend=backend) if ctx.needs_input_grad[1] else None
    return dx, dy, None


def _both_backward(ctx: Any, d_along: torch.Tensor, d_down: torch.Tensor) -> tuple[Any, ...]:
    """Of A·y and Aᵀ·x: dA = d₁⊗y + x⊗d₂, dx = A·d₂, dy = Aᵀ·d₁."""
    a, x, y = ctx.saved_tensors
    backend = wish(ctx.backend)
    da = _outer_kernel(d_along, y, backend=backend) + _outer_kernel(x, d_down, backend=backend)
    dx, dy = _both_kernel.outputs(a, d_along, d_down, backend=backend)
    return da, dx, dy, None


def _setup_both(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
    *tensors, ctx.backend = inputs
    ctx.save_for_backward(*tensors)


def _backends(name: str) -> tuple[Backend, Backend]:
    return (
        Backend("portable", f"{__name__}:{name}_portable", triton_refuses),
        Backend("reference", f"{__name__}:{name}_reference"),
    )


_matvec_kernel = Kernel(
    "matvec",
    op="matvec",
    inputs="Tensor a, Tensor x",
    backends=_backends("matvec"),
    fake=lambda a, x, backend: a.new_empty(a.shape[:1]),
    setup_context=_setup_context,
    backward=_matvec_backward,
)
_outer_kernel = Kernel(
    "outer",
    op="outer",
    inputs="Tensor x, Tensor y",
    backends=_backends("outer"),
    fake=lambda x, y, backend: x.new_empty((x.shape[0], y.shape[0])),
    setup_context=_setup_context,
    backward=_outer_backward,
)

_both_kernel = Kernel(
    "both_products",
    op="outer",
    inputs="Tensor a, Tensor x, Tensor y",
    outputs="(Tensor, Tensor)",
    backends=_backends("both"),
    fake=lambda a, x, y, backend: (a.new_empty(a.shape[:1]), a.new_empty(a.shape[1:])),
    setup_context=_setup_both,
    backward=_both_backward,
)


def matvec(a: torch.Tensor, x: torch.Tensor, *, backend: str | None = None) -> torch.Tensor:
    """A matrix times a vector, summed in float32.

    Args:
        a: (m, k), any strides; float16, bfloat16, float32, or float64 (reference).
        x: (k,), of a's dtype.
        backend: one of ``explain("matvec", a, x).reasons``; None: the first that can.

    Returns:
        (m,), of a's dtype. Differentiable any number of times.

    Raises:
        ShapeError: sizes that do not fit.
        DtypeError: dtypes that differ or are not floating-point.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    return _matvec_kernel(*_checked_matvec(a, x), backend=backend)


def outer(x: torch.Tensor, y: torch.Tensor, *, backend: str | None = None) -> torch.Tensor:
    """All products of an element of x and one of y.

    Args:
        x: (m,), any stride; float16, bfloat16, float32, or float64 (reference).
        y: (n,), of x's dtype.
        backend: one of ``explain("outer", x, y).reasons``; None: the first that can.

    Returns:
        (m, n), contiguous, of x's dtype. Differentiable any number of times.

    Raises:
        ShapeError: one is no vector.
        DtypeError: dtypes that differ or are not floating-point.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    return _outer_kernel(*_checked_outer(x, y), backend=backend)


# --- samples --------------------------------------------------------------------------------------


def _matvec_samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    def make(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    for m, k in ((1, 1), (5, 7), (33, 65), (40, 3000), (2, 4500), (300, 5), (0, 4), (4, 0)):
        yield Sample(f"{m}x{k}", (make(m, k), make(k)))
    yield Sample("transposed", (make(40, 33).t(), make(40)))
    yield Sample("strided", (make(33, 80)[:, ::2], make(80)[::2]))
    yield Sample("expanded", (make(1, 40).expand(30, 40), make(1).expand(40)))


def _outer_samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    def make(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    for m, n in ((1, 1), (5, 7), (3, 2), (1000, 3), (3, 1025), (0, 4), (4, 0)):
        yield Sample(f"{m}x{n}", (make(m), make(n)))
    yield Sample("strided", (make(66)[::2], make(40, 2)[:, 1]))
    yield Sample("expanded", (make(1).expand(130), make(40)))


def _errors(op: str) -> Any:
    def errors(device: torch.device) -> Iterator[ErrorSample]:
        a, x = torch.zeros(2, 3, device=device), torch.zeros(3, device=device)
        first = a if op == "matvec" else x
        yield ErrorSample(Sample("shapes", (a, a)), ShapeError, "of shape (2, 3)")
        yield ErrorSample(Sample("dtypes", (first, x.half())), DtypeError, "of float16")
        yield ErrorSample(Sample("integers", (first.int(), x.int())), DtypeError, "int32")
        yield ErrorSample(Sample("devices", (first, x.to("meta"))), DeviceError, "one device")

    return errors


def _cost(x: torch.Tensor, y: torch.Tensor) -> Cost:
    """The matrix moves once, whichever side it is on; the backward is the other op twice."""
    matrix = x.numel() if x.dim() == 2 else x.numel() * y.numel()
    size = matrix * x.element_size()
    return Cost(size, 2 * size, 2 * matrix, 4 * matrix)


def _case(name: str, *shapes: tuple[int, ...]) -> Case:
    def make(device: torch.device) -> Sample:
        tensors = (torch.randn(s, device=device, dtype=torch.bfloat16) for s in shapes)
        return Sample("", tuple(tensors))

    return Case(f"{name} bfloat16", make)


OPS = (
    Op(
        name="matvec", summary="a matrix times a vector", function=matvec, kernel=_matvec_kernel,
        gradients=(), checked=_checked_matvec, torch_function=torch.mv, dtypes=FLOATS,
        samples=_matvec_samples, errors=_errors("matvec"), cost=_cost, bound="memory",
        cases=(_case("16384x8192", (16384, 8192), (8192,)),),
        source="Golub and Van Loan 2013, Matrix computations, section 1.1.3",
    ),
    Op(
        name="outer", summary="a column times a row", function=outer, kernel=_outer_kernel,
        gradients=(_both_kernel,), checked=_checked_outer, torch_function=torch.outer,
        dtypes=FLOATS, samples=_outer_samples, errors=_errors("outer"), cost=_cost, bound="memory",
        cases=(_case("16384x8192", (16384,), (8192,)),),
        source="Golub and Van Loan 2013, Matrix computations, section 1.1.8",
    ),
)  # fmt: skip
