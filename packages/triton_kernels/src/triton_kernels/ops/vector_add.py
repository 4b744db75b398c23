"""vector_add: the smallest op, with every part of a room in one file.

z = x + y over tensors of one shape; dx = dy = dz. No arithmetic to speak of: 3 transfers an
element, so the speed to reach is that of a copy.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import torch

from triton_kernels import autocast
from triton_kernels._compat import Launch, Layout, tl, triton
from triton_kernels.backends import Backend, triton_refuses
from triton_kernels.checks import FLOATS, check_tensors, shapes_in_words
from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.registry import Case, Cost, ErrorSample, Op, Sample

# --- reference ------------------------------------------------------------------------------------


def reference(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The definition: ``x + y``, contiguous."""
    return (x + y).contiguous()


# --- portable -------------------------------------------------------------------------------------


@triton.jit
def _add(x_ptr, y_ptr, z_ptr, n, BLOCK: tl.constexpr):
    # One 64-bit start a program; offsets within the block stay 32-bit.
    start = tl.program_id(0).to(tl.int64) * BLOCK
    offsets = tl.arange(0, BLOCK)
    mask = offsets < n - start
    # In float32, rounded once: the interpreter would add bfloat16 as integers.
    x = tl.load(x_ptr + start + offsets, mask=mask).to(tl.float32)
    y = tl.load(y_ptr + start + offsets, mask=mask).to(tl.float32)
    tl.store(z_ptr + start + offsets, x + y, mask=mask)


def portable(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """One program a block of consecutive elements; strided inputs are copied first."""
    x, y = x.contiguous(), y.contiguous()
    z = torch.empty_like(x)
    if z.numel():
        _plan(Layout.of(x), Layout.of(y))(x, y, z)
    return z


@functools.lru_cache(maxsize=4096)
def _plan(x: Layout, y: Layout) -> Launch:
    n = x.shape.numel()
    return Launch(_add, triton.cdiv(n, BLOCK), (n,), {"BLOCK": BLOCK}, {"num_warps": 4})


# --- op -------------------------------------------------------------------------------------------


def _checked(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = autocast.promoted(x, y)
    check_tensors("vector_add", x=x, y=y)
    if x.shape != y.shape:
        raise ShapeError(
            "vector_add",
            shapes_in_words(x=x, y=y),
            "equal shapes",
            "broadcast first: vector_add(*torch.broadcast_tensors(x, y))",
        )
    return x, y


def _backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
    return grad, grad, None


_kernel = Kernel(
    "vector_add",
    op="vector_add",
    inputs="Tensor x, Tensor y",
    backends=(
        Backend("portable", f"{__name__}:portable", triton_refuses),
        Backend("reference", f"{__name__}:reference"),
    ),
    fake=lambda x, y, backend: x.new_empty(x.shape),
    backward=_backward,
)


def vector_add(x: torch.Tensor, y: torch.Tensor, *, backend: str | None = None) -> torch.Tensor:
    """Elementwise sum of two tensors of the same shape, without broadcasting.

    Args:
        x: any shape; float16, bfloat16, float32 or float64; any strides.
        y: as x: same shape, dtype and device.
        backend: one of ``explain("vector_add", x, y).reasons``; None: the first that can.

    Returns:
        ``x + y``, contiguous, of x's shape and dtype. Differentiable any number of times.

    Raises:
        ShapeError: the shapes differ.
        DtypeError: the dtypes differ or are not floating-point.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    return _kernel(*_checked(x, y), backend=backend)


# --- shapes ---------------------------------------------------------------------------------------

BLOCK = 1024
"""Elements a program: four 16-byte loads a thread at most, enough programs for every processor."""


# --- samples --------------------------------------------------------------------------------------


def _samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    def make(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    for n in (0, 1, 7, BLOCK - 1, BLOCK, 2 * BLOCK + 1):
        yield Sample(f"{n}", (make(n), make(n)))
    yield Sample("scalar", (make(), make()))
    yield Sample("5x0x3", (make(5, 0, 3), make(5, 0, 3)))
    yield Sample("transposed", (make(33, 65).t(), make(65, 33)))
    yield Sample("every second column", (make(9, 64)[:, ::2], make(9, 32)))
    yield Sample("expanded", (make(1, 40).expand(30, 40), make(30, 1).expand(30, 40)))


def _errors(device: torch.device) -> Iterator[ErrorSample]:
    x = torch.zeros(3, device=device)
    yield ErrorSample(Sample("shapes", (x, x[:2])), ShapeError, "(3,) and y of shape (2,)")
    yield ErrorSample(Sample("broadcast", (x, x[:1])), ShapeError, "broadcast first")
    yield ErrorSample(Sample("rank", (x, x[None])), ShapeError, "equal shapes")
    yield ErrorSample(Sample("dtypes", (x, x.half())), DtypeError, "float32 and y of float16")
    yield ErrorSample(Sample("integers", (x.long(), x.long())), DtypeError, "int64")
    yield ErrorSample(Sample("list", (x, [1.0, 2.0, 3.0])), DtypeError, "type list")
    yield ErrorSample(Sample("devices", (x, x.to("meta"))), DeviceError, "one device")


def _cost(x: torch.Tensor, y: torch.Tensor) -> Cost:
    # The backward hands the gradient on: it moves nothing.
    return Cost(3 * x.nbytes, 0, x.numel(), 0)


def _case(n: int, dtype: torch.dtype) -> Case:
    def make(device: torch.device) -> Sample:
        return Sample("", tuple(torch.randn(n, device=device, dtype=dtype) for _ in range(2)))

    return Case(f"{n >> 20}M {str(dtype).removeprefix('torch.')}", make)


OPS = (
    Op(
        name="vector_add",
        summary="x + y of one shape",
        function=vector_add,
        kernel=_kernel,
        gradients=(),
        checked=_checked,
        torch_function=torch.add,
        dtypes=FLOATS,
        samples=_samples,
        errors=_errors,
        cost=_cost,
        bound="memory",
        cases=(_case(2**26, torch.float32), _case(2**27, torch.bfloat16)),
        source="elementwise sum; its derivative is the identity in both arguments",
    ),
)
