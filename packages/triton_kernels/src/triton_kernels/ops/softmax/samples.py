"""Calls of softmax for tests and benchmarks, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from triton_kernels.errors import DtypeError, ShapeError
from triton_kernels.ops.softmax.shapes import ONE_PASS_COLUMNS
from triton_kernels.registry import Case, Cost, ErrorSample, Sample


def torch_softmax(x: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """Torch's softmax, with a default dimension."""
    return torch.softmax(x, dim)


def samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """Ragged, empty, strided, expanded, long; with -inf, and in every dimension."""

    def make(*shape: int) -> torch.Tensor:
        return 3 * torch.randn(shape, device=device, dtype=dtype)

    for columns in (1, 7, 63, 64, 65, 129, 1000):
        yield Sample(f"5x{columns}", (make(5, columns), -1))
    yield Sample("vector", (make(50), 0))
    yield Sample("4x0", (make(4, 0), -1))
    yield Sample("0x4", (make(0, 4), -1))
    yield Sample("default dim", (make(3, 4, 5),))
    yield Sample("middle", (make(3, 17, 70), 1))
    yield Sample("first", (make(9, 5, 3), 0))
    yield Sample("middle, long", (make(2, 700, 5), -2))
    yield Sample("transposed", (make(33, 65).t(), -1))
    yield Sample("every second column", (make(6, 64)[:, ::2], -1))
    yield Sample("slice of rows", (make(6, 64)[:, :50], -1))
    yield Sample("permuted", (make(2, 3, 4, 5).permute(2, 0, 3, 1), 1))
    yield Sample("expanded", (make(1, 40).expand(30, 40), -1))
    yield Sample("two passes", (make(2, ONE_PASS_COLUMNS + 1), -1))
    on_gpu = device.type == "cuda"  # elsewhere the size of neither asks for other code
    yield Sample("a cluster's", (make(3, 50000 if on_gpu else 130), -1))
    yield Sample("middle, beyond the cache", (make(2, 9001 if on_gpu else 131, 5), 1))
    large = make(4, 100) * 300 if dtype is not torch.float16 else make(4, 100) * 100
    yield Sample("large values", (large, -1))
    masked = make(4, 100)
    masked[1, 3:] = -torch.inf
    masked[2, :97] = -torch.inf
    yield Sample("partly -inf", (masked, -1))


def errors(device: torch.device) -> Iterator[ErrorSample]:
    """Calls that must be refused."""
    x = torch.zeros(2, 3, device=device)
    yield ErrorSample(Sample("dim", (x, 2)), ShapeError, "-2 <= dim < 2")
    yield ErrorSample(Sample("negative dim", (x, -3)), ShapeError, "dim -3 for x of shape (2, 3)")
    yield ErrorSample(Sample("scalar", (x[0, 0],)), ShapeError, "one dimension or more")
    yield ErrorSample(Sample("integers", (x.int(),)), DtypeError, "int32")
    yield ErrorSample(Sample("complex", (x.to(torch.complex64),)), DtypeError, "complex64")
    yield ErrorSample(Sample("float dim", (x, 1.0)), DtypeError, "dim of type float")
    yield ErrorSample(Sample("bool dim", (x, True)), DtypeError, "dim of type bool")
    yield ErrorSample(Sample("None", (None,)), DtypeError, "type NoneType")


def cost(x: torch.Tensor, dim: int = -1) -> Cost:
    """Forward: read x, write y. Backward: read y and dy, write dx."""
    return Cost(2 * x.nbytes, 3 * x.nbytes, 5 * x.numel(), 4 * x.numel())


def _case(rows: int, columns: int, dtype: torch.dtype, dim: int = -1) -> Case:
    def make(device: torch.device) -> Sample:
        return Sample("", (torch.randn(rows, columns, device=device, dtype=dtype), dim))

    name = f"{rows}x{columns} {str(dtype).removeprefix('torch.')}"
    return Case(name if dim == -1 else f"{name} dim {dim}", make)


CASES = (
    *(_case(2**26 // columns, columns, torch.bfloat16) for columns in (2048, 4096, 8192)),
    *(_case(2**26 // columns, columns, torch.bfloat16) for columns in (16384, 32768, 65536)),
    _case(512, 131072, torch.bfloat16),
    _case(16384, 4096, torch.float32),
    _case(16384, 4096, torch.bfloat16, 0),
)
