"""Calls of the ops on quantised weights for tests and benchmarks, torch's own, what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.ops.quantised.codes import BLOCK, int8_codes, nf4_codes, nf4_values
from triton_kernels.registry import Case, Cost, ErrorSample, Sample


def torch_dequantise(
    codes: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype = torch.bfloat16
) -> torch.Tensor:
    """The levels times their scales."""
    return nf4_values(codes, scale).to(scale.dtype if scale.dtype is torch.float64 else dtype)


def torch_dequantise_int8(
    codes: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype = torch.bfloat16
) -> torch.Tensor:
    """The codes times their scales."""
    values = codes.to(scale.dtype) * scale[:, None]
    return values.to(scale.dtype if scale.dtype is torch.float64 else dtype)


def torch_nf4(x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """The weight made whole in x's dtype, and torch's product."""
    return x @ nf4_values(codes, scale).to(x.dtype).t()


def torch_int8(x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """As ``torch_nf4``."""
    return x @ (codes.to(x.dtype) * scale[:, None].to(x.dtype)).t()


def _weights(device: torch.device, n: int, k: int, nf4: bool) -> tuple[torch.Tensor, ...]:
    if device.type == "meta":  # shapes alone
        if nf4:
            codes = torch.empty(n, k // 2, dtype=torch.uint8, device=device)
            return codes, torch.empty(n, k // BLOCK, device=device)
        return torch.empty(n, k, dtype=torch.int8, device=device), torch.empty(n, device=device)
    weight = torch.randn(n, k, device=device)
    return nf4_codes(weight) if nf4 else int8_codes(weight)


def _strided(codes: torch.Tensor, scale: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The same numbers, columns apart."""
    return codes.t().contiguous().t(), torch.stack([scale, scale], -1)[..., 0]


def _expanded(codes: torch.Tensor, scale: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Of the first row, for all rows."""
    return codes[:1].expand_as(codes), scale[:1].expand_as(scale)


def dequantise_samples(nf4: bool) -> Any:
    """Ragged, empty and long weights."""
    any_columns = () if nf4 else ((5, 1), (7, 33), (3, 5000), (4, 0))

    def samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
        for n, k in ((1, 64), (3, 128), (33, 192), (70, 64), (0, 64), (20, 4096), *any_columns):
            yield Sample(f"{n}x{k}", (*_weights(device, n, k, nf4), dtype))
        yield Sample("strided", (*_strided(*_weights(device, 7, 192, nf4)), dtype))
        yield Sample("expanded", (*_expanded(*_weights(device, 7, 192, nf4)), dtype))

    return samples


def matvec_samples(nf4: bool) -> Any:
    """Up to 8 rows, ragged and long."""

    def samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
        for rows, n, k in (
            (1, 5, 64),
            (8, 33, 192),
            (3, 70, 128),
            (1, 48, 4096),
            (1, 32, 2048),
            (2, 32, 2048),
            (1, 24, 16384),
            (0, 5, 64),
        ):
            x = torch.randn(rows, k, device=device, dtype=dtype)
            yield Sample(f"{rows}, {n}x{k}", (x, *_weights(device, n, k, nf4)))
        x = torch.randn(192, 3, device=device, dtype=dtype).t()
        yield Sample("strided", (x, *_strided(*_weights(device, 7, 192, nf4))))
        x = x[:1].expand(3, 192)
        yield Sample("expanded", (x, *_expanded(*_weights(device, 7, 192, nf4))))

    return samples


def nf4_errors(device: torch.device) -> Iterator[ErrorSample]:
    """Calls of ``dequantise_nf4`` that must be refused."""
    codes = torch.zeros(2, 32, device=device, dtype=torch.uint8)
    scale = torch.zeros(2, 1, device=device)
    yield ErrorSample(Sample("sizes", (codes, scale[:1])), ShapeError, "scale of shape (1, 1)")
    yield ErrorSample(Sample("half a block", (codes[:, :16], scale)), ShapeError, "(2, 16)")
    yield ErrorSample(Sample("codes", (codes.int(), scale)), DtypeError, "int32")
    yield ErrorSample(Sample("dtype", (codes, scale, torch.int8)), DtypeError, "torch.int8")
    yield ErrorSample(Sample("devices", (codes, scale.to("meta"))), DeviceError, "one device")


def int8_errors(device: torch.device) -> Iterator[ErrorSample]:
    """Calls of ``dequantise_int8`` that must be refused."""
    codes, scale = _weights(device, 2, 3, False)
    yield ErrorSample(Sample("sizes", (codes, scale[:1])), ShapeError, "scale of shape (1,)")
    yield ErrorSample(Sample("vector", (codes[0], scale)), ShapeError, "codes of shape (3,)")
    yield ErrorSample(Sample("codes", (codes.int(), scale)), DtypeError, "int32")
    yield ErrorSample(Sample("scale", (codes, scale.half())), DtypeError, "float16")
    yield ErrorSample(Sample("dtype", (codes, scale, torch.int8)), DtypeError, "torch.int8")
    yield ErrorSample(Sample("devices", (codes, scale.to("meta"))), DeviceError, "one device")


def matvec_errors(nf4: bool) -> Any:
    """Calls of the products that must be refused."""

    def errors(device: torch.device) -> Iterator[ErrorSample]:
        codes, scale = _weights(device, 2, 64, nf4)
        x = torch.zeros(1, 64, device=device)
        yield ErrorSample(Sample("k", (x[:, :32], codes, scale)), ShapeError, "x of shape (1, 32)")
        yield ErrorSample(
            Sample("rows", (x.expand(9, 64), codes, scale)), ShapeError, "dequantise the weight"
        )
        yield ErrorSample(Sample("scale", (x, codes, scale[:1])), ShapeError, "scale of shape")
        yield ErrorSample(Sample("codes", (x, codes.int(), scale)), DtypeError, "int32")
        yield ErrorSample(
            Sample("devices", (x.to("meta"), codes, scale)), DeviceError, "one device"
        )

    return errors


def dequantise_cost(
    codes: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype = torch.bfloat16
) -> Cost:
    """Codes and scales read, the weight written."""
    n = codes.numel() * (2 if codes.dtype is torch.uint8 else 1)
    return Cost(codes.nbytes + scale.nbytes + n * dtype.itemsize, 0, n, 0)


def matvec_cost(x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor) -> Cost:
    """The weight read once, whatever the rows."""
    n = codes.numel() * (2 if codes.dtype is torch.uint8 else 1)
    return Cost(codes.nbytes + scale.nbytes, 0, 2 * n * x.shape[0], 0)


def _case(rows: int, n: int, k: int, nf4: bool) -> Case:
    def make(device: torch.device) -> Sample:
        x = (torch.randn(rows, k, device=device, dtype=torch.bfloat16),) if rows else ()
        return Sample("", (*x, *_weights(device, n, k, nf4)))

    return Case(f"{n}x{k} bfloat16" + (f", batch {rows}" if rows else ""), make)


def dequantise_cases(nf4: bool) -> tuple[Case, ...]:
    """A layer of a model of 8 billion weights, and a larger one."""
    return _case(0, 14336, 4096, nf4), _case(0, 16384, 16384, nf4)


def matvec_cases(nf4: bool) -> tuple[Case, ...]:
    """A square layer at batches 1 to 8, and one of a model of 8 billion weights."""
    square = (_case(rows, 16384, 16384, nf4) for rows in (1, 2, 4, 8))
    return (*square, _case(1, 14336, 4096, nf4))
