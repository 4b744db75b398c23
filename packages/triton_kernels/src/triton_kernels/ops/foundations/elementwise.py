"""multiply_add, strided_copy and transpose: one read of each input, one write.

x·y + z is rounded once; a copy and a transpose move bits. Each is as fast as its bytes move, if
neighbouring threads touch neighbouring elements: a transpose reads along one dimension and writes
along another, so it takes square tiles, which the compiler turns in shared memory.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import torch

from triton_kernels import autocast
from triton_kernels._compat import Launch, Layout, dense_like, starts_aligned, tl, triton
from triton_kernels.backends import Backend, triton_refuses
from triton_kernels.checks import FLOATS, check_tensors, shapes_in_words
from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.registry import Case, Cost, ErrorSample, Op, Sample

# --- reference ------------------------------------------------------------------------------------


def _widened(x: torch.Tensor) -> torch.Tensor:
    return x if x.dtype is torch.float64 else x.float()


def multiply_add_reference(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """x·y + z, rounded once."""
    return (_widened(x) * _widened(y) + _widened(z)).to(x.dtype).contiguous()


def copy_reference(x: torch.Tensor) -> torch.Tensor:
    """The same elements without gaps, in memory of their own."""
    return x.clone(memory_format=torch.contiguous_format)


def transpose_reference(x: torch.Tensor) -> torch.Tensor:
    """The last two dimensions exchanged, without gaps."""
    return copy_reference(x.mT)


# --- portable -------------------------------------------------------------------------------------

BLOCK = 2048
"""Elements a program of multiply_add."""
SIDE = 64
"""Of the tiles of a copy that turns."""


@triton.jit
def _multiply_add(x_ptr, y_ptr, z_ptr, out_ptr, n, BLOCK: tl.constexpr):
    start = tl.program_id(0).to(tl.int64) * BLOCK
    offsets = tl.arange(0, BLOCK)
    mask = offsets < n - start
    x = tl.load(x_ptr + start + offsets, mask=mask).to(tl.float32)
    y = tl.load(y_ptr + start + offsets, mask=mask).to(tl.float32)
    z = tl.load(z_ptr + start + offsets, mask=mask).to(tl.float32)
    tl.store(out_ptr + start + offsets, tl.fma(x, y, z), mask=mask)


@triton.jit
def _copy(
    x_ptr, y_ptr, n_rows, n_columns, inner, x_outer, x_inner, x_row, x_column,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    row_tiles = tl.cdiv(n_rows, ROWS)
    column_tiles = tl.cdiv(n_columns, COLUMNS)
    batch = (tl.program_id(0) // (row_tiles * column_tiles)).to(tl.int64)
    tile = tl.program_id(0) % (row_tiles * column_tiles)
    rows = ((tile // column_tiles) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    columns = ((tile % column_tiles) * COLUMNS + tl.arange(0, COLUMNS)).to(tl.int64)[None, :]
    mask = (rows < n_rows) & (columns < n_columns)
    x_ptr += (batch // inner) * x_outer + (batch % inner) * x_inner
    x = tl.load(x_ptr + rows * x_row + columns * x_column, mask=mask)
    y_ptr += batch * n_rows * n_columns
    tl.store(y_ptr + rows * n_columns + columns, x, mask=mask)


@functools.lru_cache(maxsize=4096)
def _flat_plan(x: Layout, aligned: bool) -> Launch:
    n = x.shape.numel()
    grid = triton.cdiv(n, BLOCK)
    return Launch(_multiply_add, grid, (n,), {"BLOCK": BLOCK}, {"num_warps": 4})


def multiply_add_portable(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """One program a block of consecutive elements; strided inputs are copied first."""
    x, y, z = x.contiguous(), y.contiguous(), z.contiguous()
    out = torch.empty_like(x)
    if out.numel():
        aligned = all(map(starts_aligned, (y, z)))
        _flat_plan(Layout.of(x), aligned)(x, y, z, out)
    return out


def _merged(x: torch.Tensor) -> list[tuple[int, int]]:
    """Sizes and strides with neighbouring dimensions that lie as one made one; no sizes of 1."""
    merged: list[tuple[int, int]] = []
    for size, stride in zip(x.shape, x.stride(), strict=True):
        if size == 1:
            continue
        if merged and merged[-1][1] == stride * size:
            merged[-1] = (merged[-1][0] * size, stride)
        else:
            merged.append((size, stride))
    return merged


@functools.lru_cache(maxsize=4096)
def _copy_plan(layout: Layout) -> Launch | None:
    dimensions = _merged(layout.example())
    if len(dimensions) > 4:
        return None
    padded = [(1, 0)] * (4 - len(dimensions)) + dimensions
    (outer, outer_stride), (inner, inner_stride), (rows, row), (columns, column) = padded
    turned = column != 1 and row == 1
    tile_columns = min(SIDE if turned else 1024, triton.next_power_of_2(columns))
    tile_rows = min(SIDE if turned else 4096 // tile_columns, triton.next_power_of_2(rows))
    tiles = triton.cdiv(rows, tile_rows) * triton.cdiv(columns, tile_columns)
    return Launch(
        _copy, outer * inner * tiles,
        (rows, columns, inner, outer_stride, inner_stride, row, column),
        {"ROWS": tile_rows, "COLUMNS": tile_columns}, {"num_warps": 4},
    )  # fmt: skip


def copy_portable(x: torch.Tensor) -> torch.Tensor:
    """Tiles of the last two dimensions, after those that lie as one have been made one."""
    y = dense_like(x)
    if y.numel():
        launch = _copy_plan(Layout.of(x))
        if launch is None:  # more than four dimensions that do not merge
            return torch.stack([copy_portable(part) for part in x.unbind(0)])
        launch(x, y)
    return y


def transpose_portable(x: torch.Tensor) -> torch.Tensor:
    """A copy of the matrices seen from the other side."""
    return copy_portable(x.mT)


# --- op -------------------------------------------------------------------------------------------


def _checked_multiply_add(
    x: torch.Tensor, y: torch.Tensor, z: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    x, y, z = autocast.promoted(x, y, z)
    check_tensors("multiply_add", x=x, y=y, z=z)
    if not x.shape == y.shape == z.shape:
        raise ShapeError(
            "multiply_add", shapes_in_words(x=x, y=y, z=z), "equal shapes",
            "broadcast first: torch.broadcast_tensors(x, y, z)",
        )  # fmt: skip
    return x, y, z


def _checked_copy(x: torch.Tensor) -> tuple[torch.Tensor]:
    check_tensors("strided_copy", x=x)
    return (x,)


def _checked_transpose(x: torch.Tensor) -> tuple[torch.Tensor]:
    check_tensors("transpose", x=x)
    if x.dim() < 2:
        raise ShapeError(
            "transpose", shapes_in_words(x=x), "two dimensions or more", "unsqueeze it"
        )
    return (x,)


def _setup_multiply_add(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    x, y, _, _ = inputs
    ctx.save_for_backward(x, y)


def _multiply_add_backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
    x, y = ctx.saved_tensors
    return grad * y, grad * x, grad, None


def _setup_move(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    ctx.backend = inputs[-1]


def _backends(name: str) -> tuple[Backend, Backend]:
    return (
        Backend("portable", f"{__name__}:{name}_portable", triton_refuses),
        Backend("reference", f"{__name__}:{name}_reference"),
    )


_multiply_add_kernel = Kernel(
    "multiply_add",
    op="multiply_add",
    inputs="Tensor x, Tensor y, Tensor z",
    backends=_backends("multiply_add"),
    fake=lambda x, y, z, backend: x.new_empty(x.shape),
    setup_context=_setup_multiply_add,
    backward=_multiply_add_backward,
)
_copy_kernel = Kernel(
    "strided_copy",
    op="strided_copy",
    inputs="Tensor x",
    backends=_backends("copy"),
    fake=lambda x, backend: x.new_empty(x.shape),
    setup_context=_setup_move,
    backward=lambda ctx, grad: (grad, None),
)
_transpose_kernel = Kernel(
    "transpose",
    op="transpose",
    inputs="Tensor x",
    backends=_backends("transpose"),
    fake=lambda x, backend: x.new_empty((*x.shape[:-2], x.shape[-1], x.shape[-2])),
    setup_context=_setup_move,
    backward=lambda ctx, grad: (grad.mT, None),
)


def multiply_add(
    x: torch.Tensor, y: torch.Tensor, z: torch.Tensor, *, backend: str | None = None
) -> torch.Tensor:
    """x·y + z of three tensors of one shape, rounded once.

    Args:
        x: any shape and strides; float16, bfloat16, float32, or float64 (reference).
        y: as x.
        z: as x.
        backend: one of ``explain("multiply_add", x, y, z).reasons``; None: the first that can.

    Returns:
        Contiguous, of x's shape and dtype. Differentiable any number of times.

    Raises:
        ShapeError: the shapes differ.
        DtypeError: the dtypes differ or are not floating-point.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    return _multiply_add_kernel(*_checked_multiply_add(x, y, z), backend=backend)


def strided_copy(x: torch.Tensor, *, backend: str | None = None) -> torch.Tensor:
    """The same elements without gaps, in memory of their own.

    Args:
        x: any shape and strides, expanded too; float16, bfloat16, float32, float64 (reference).
        backend: one of ``explain("strided_copy", x).reasons``; None: the first that can.

    Returns:
        Contiguous, of x's shape and dtype. Differentiable any number of times.

    Raises:
        DtypeError: x is not a floating-point tensor.
        BackendError: the backend asked for cannot take these inputs.
    """
    return _copy_kernel(*_checked_copy(x), backend=backend)


def transpose(x: torch.Tensor, *, backend: str | None = None) -> torch.Tensor:
    """The last two dimensions exchanged, in memory too.

    Args:
        x: (..., m, n), any strides; float16, bfloat16, float32, or float64 (reference).
        backend: one of ``explain("transpose", x).reasons``; None: the first that can.

    Returns:
        (..., n, m), contiguous, of x's dtype. Differentiable any number of times.

    Raises:
        ShapeError: fewer than two dimensions.
        DtypeError: x is not a floating-point tensor.
        BackendError: the backend asked for cannot take these inputs.
    """
    return _transpose_kernel(*_checked_transpose(x), backend=backend)


# --- samples --------------------------------------------------------------------------------------


def _torch_multiply_add(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    return torch.addcmul(z, x, y)


def _multiply_add_samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    def make(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    for shape in ((0,), (1,), (7,), (), (BLOCK + 1,), (5, 0, 3), (2, 3, 4)):
        yield Sample(f"{shape}", (make(*shape), make(*shape), make(*shape)))
    yield Sample("transposed", (make(33, 65).t(), make(65, 33), make(65, 33)))
    wide = make(1, 40).expand(30, 40), make(30, 1).expand(30, 40)
    yield Sample("expanded", (*wide, make(30, 80)[:, ::2]))


def _copy_samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    def make(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    for shape in ((0,), (7,), (), (5, 6), (5, 33), (2, 3, 4)):
        yield Sample(f"{shape}", (make(*shape),))
    yield Sample("transposed", (make(33, 65).t(),))
    yield Sample("permuted", (make(3, 5, 4, 7).permute(2, 0, 3, 1),))
    yield Sample("every second", (make(6, 40, 8)[::2, ::2, ::2],))
    yield Sample("expanded", (make(1, 40, 1).expand(30, 40, 3),))
    yield Sample("five dimensions", (make(2, 3, 4, 3, 2).permute(4, 2, 0, 3, 1),))


def _transpose_samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    for sample in _copy_samples(device, dtype):
        if sample.args[0].dim() > 1:
            yield sample
    yield Sample("0x4", (torch.randn(0, 4, device=device, dtype=dtype),))


def _multiply_add_errors(device: torch.device) -> Iterator[ErrorSample]:
    x = torch.zeros(3, device=device)
    yield ErrorSample(Sample("shapes", (x, x, x[:2])), ShapeError, "z of shape (2,)")
    yield ErrorSample(Sample("dtypes", (x, x.half(), x)), DtypeError, "y of float16")
    yield ErrorSample(Sample("devices", (x, x, x.to("meta"))), DeviceError, "one device")


def _copy_errors(device: torch.device) -> Iterator[ErrorSample]:
    yield ErrorSample(Sample("integers", (torch.zeros(3).int(),)), DtypeError, "int32")
    yield ErrorSample(Sample("None", (None,)), DtypeError, "type NoneType")


def _transpose_errors(device: torch.device) -> Iterator[ErrorSample]:
    yield from _copy_errors(device)
    yield ErrorSample(Sample("vector", (torch.zeros(3),)), ShapeError, "x of shape (3,)")


def _multiply_add_cost(x: torch.Tensor, *others: torch.Tensor) -> Cost:
    """Forward: three read, one written. Backward: plain torch."""
    return Cost(4 * x.nbytes, 0, 2 * x.numel(), 0)


def _copy_cost(x: torch.Tensor) -> Cost:
    """Read once, written once; the backward hands the gradient on."""
    return Cost(2 * x.nbytes, 0, 0, 0)


def _case(name: str, count: int, *shape: int, turned: bool = False) -> Case:
    def make(device: torch.device) -> Sample:
        tensors = [torch.randn(shape, device=device, dtype=torch.bfloat16) for _ in range(count)]
        return Sample("", tuple(x.transpose(0, 1) if turned else x for x in tensors))

    return Case(f"{name} bfloat16", make)


def _op(name: str, summary: str, function: Any, kernel: Kernel, **parts: Any) -> Op:
    return Op(
        name=name, summary=summary, function=function, kernel=kernel, gradients=(),
        dtypes=FLOATS, bound="memory", **parts,
    )  # fmt: skip


multiply_add_op = _op(
    "multiply_add", "x·y + z, rounded once", multiply_add, _multiply_add_kernel,
    checked=_checked_multiply_add, torch_function=_torch_multiply_add,
    samples=_multiply_add_samples, errors=_multiply_add_errors, cost=_multiply_add_cost,
    cases=(_case("64M", 3, 2**26),), source="IEEE 754-2019, section 5.4.1, fusedMultiplyAdd",
)  # fmt: skip
strided_copy_op = _op(
    "strided_copy", "the same elements without gaps", strided_copy, _copy_kernel,
    checked=_checked_copy, torch_function=copy_reference, samples=_copy_samples,
    errors=_copy_errors, cost=_copy_cost,
    cases=(_case("128x8192x128 as 8192x128x128", 1, 128, 8192, 128, turned=True),),
    source="the identity; its derivative is itself",
)  # fmt: skip
transpose_op = _op(
    "transpose", "the last two dimensions exchanged", transpose, _transpose_kernel,
    checked=_checked_transpose, torch_function=transpose_reference, samples=_transpose_samples,
    errors=_transpose_errors, cost=_copy_cost, cases=(_case("16384x8192", 1, 16384, 8192),),
    source="tiles turned in fast memory: Ruetsch and Micikevicius 2009, Optimizing matrix "
    "transpose in CUDA",
)  # fmt: skip
OPS = (multiply_add_op, strided_copy_op, transpose_op)
