"""Calls of lora_linear for tests and benchmarks, torch's own for it, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.nn import functional

from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.ops.foundations.dropout import dropout_reference
from triton_kernels.ops.quantised.codes import BLOCK, nf4_codes, nf4_values
from triton_kernels.registry import Case, Cost, ErrorSample, Sample

Weight = torch.Tensor | tuple[torch.Tensor, torch.Tensor]


def torch_lora_linear(
    x: torch.Tensor, weight: Weight, a: torch.Tensor, b: torch.Tensor, scaling: float = 1.0,
    bias: torch.Tensor | None = None, p: float = 0.0, seed: int = 0,
) -> torch.Tensor:  # fmt: skip
    """As it is written with torch's separate ops."""
    w = nf4_values(*weight).to(x.dtype) if isinstance(weight, tuple) else weight
    dropped = dropout_reference(x, p, seed) if p else x
    low = functional.linear(functional.linear(dropped, a), b)
    bias = None if bias is None else bias.to(x.dtype)
    return functional.linear(x, w, bias) + low * scaling


def _nf4(n: int, k: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    if device.type == "meta":  # shapes alone
        codes = torch.empty(n, k // 2, dtype=torch.uint8, device=device)
        return codes, torch.empty(n, k // BLOCK, device=device)
    return nf4_codes(torch.randn(n, k, device=device))


def samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """Dense and NF4 weights, any rank; ragged, batched, strided, empty; bias and dropout."""

    def make(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    def call(name: str, x: torch.Tensor, n: int, r: int, *more: Any) -> Sample:
        k = x.shape[-1]
        return Sample(name, (x, make(n, k), make(r, k), make(n, r), *more))

    yield Sample("7x5x3", (make(7, 3), make(5, 3), make(2, 3), make(5, 2)), {"scaling": 2.0})
    yield call("batches, bias", make(2, 3, 4), 6, 1, 2.0, make(6))
    yield call("rank 16", make(24, 72), 40, 16, 2.0, make(40))
    dropout = {"scaling": 0.5, "p": 0.25, "seed": 7}
    yield Sample("dropout", (make(9, 8), make(7, 8), make(5, 8), make(7, 5)), dropout)
    x, w, a, b = make(24, 20).t(), make(24, 16).t(), make(8, 48)[:, ::2], make(8, 16).t()
    yield Sample("strided", (x, w, a, b), {"scaling": 0.5, "bias": make(1).expand(16)})
    x, w, b = make(1, 8).expand(5, 8), make(1, 8).expand(16, 8), make(16, 1).expand(16, 4)
    yield Sample("expanded", (x, w, make(4, 1).expand(4, 8), b))
    yield call("no rows", make(0, 8), 16, 8)
    yield call("no columns", make(3, 0), 16, 8, 2.0, make(16))
    yield call("no results", make(2, 3, 8), 0, 8, 2.0, make(0))
    yield call("rank 0", make(3, 8), 16, 0, 2.0, make(16))
    low = make(8, 128), make(8, 8)
    yield Sample("NF4", (make(3, 128), _nf4(8, 128, device), *low), {"scaling": 0.5})
    everything = {"scaling": 0.5, "bias": make(8), "p": 0.5, "seed": 3}
    yield Sample("NF4, all", (make(2, 2, 128), _nf4(8, 128, device), *low), everything)


def errors(device: torch.device) -> Iterator[ErrorSample]:
    """Calls that must be refused."""
    x, w = torch.zeros(2, 64, device=device), torch.zeros(3, 64, device=device)
    a, b = torch.zeros(4, 64, device=device), torch.zeros(3, 4, device=device)

    def bad(name: str, error: Any, says: str, *args: Any, **options: Any) -> ErrorSample:
        return ErrorSample(Sample(name, args, options), error, says)

    yield bad("sizes", ShapeError, "weight of shape (3, 60)", x, w[:, :60], a, b)
    yield bad("scalar", ShapeError, "x of shape ()", x[0, 0], w, a, b)
    yield bad("rank", ShapeError, "a of shape (2, 64)", x, w, a[:2], b)
    yield bad("b", ShapeError, "b of shape (2, 4)", x, w, a, b[:2])
    yield bad("bias", ShapeError, "bias of shape (2,)", x, w, a, b, bias=x[0, :2])
    yield bad("dtypes", DtypeError, "a of float16", x, w, a.half(), b)
    yield bad("weight", DtypeError, "weight of type list", x, [w], a, b)
    codes, scale = torch.zeros(3, 32, device=device, dtype=torch.uint8), w[:, :1]
    yield bad("codes", DtypeError, "codes of dtype int32", x, (codes.int(), scale), a, b)
    yield bad("blocks", ShapeError, "scale of shape (2, 1)", x, (codes, scale[:2]), a, b)
    yield bad("p", ShapeError, "p 2", x, w, a, b, p=2)
    yield bad("seed", DtypeError, "seed of type float", x, w, a, b, p=0.5, seed=1.0)
    yield bad("scaling", DtypeError, "scaling of type str", x, w, a, b, scaling="1")
    yield bad("infinite", ShapeError, "scaling inf", x, w, a, b, scaling=float("inf"))
    yield bad("devices", DeviceError, "one device", x, w.to("meta"), a, b)


def cost(x: torch.Tensor, weight: Weight, a: torch.Tensor, b: torch.Tensor, *others: Any) -> Cost:
    """2·m·n·k for the product and the low-rank ones; as much for dx, and dW if it is dense."""
    (r, k), n = a.shape, b.shape[0]
    m = x.numel() // k if k else 0
    dense = isinstance(weight, torch.Tensor)
    low, product = 2 * m * r * (n + k), 2 * m * n * k
    moved = x.nbytes + n * k * x.element_size() + m * n * x.element_size()
    return Cost(moved, 2 * moved, product + low, (1 + dense) * product + 2 * low)


def _case(m: int, n: int, k: int, r: int, nf4: bool) -> Case:
    def make(device: torch.device) -> Sample:
        def new(*shape: int) -> torch.Tensor:
            return torch.randn(shape, device=device, dtype=torch.bfloat16)

        weight = _nf4(n, k, device) if nf4 else new(n, k) / k**0.5
        return Sample("", (new(m, k), weight, new(r, k) / k**0.5, new(n, r), 2.0))

    return Case(f"{m}x{n}x{k}, rank {r}, bfloat16{', NF4' if nf4 else ''}", make)


CASES = (
    _case(8192, 4096, 4096, 16, False),
    _case(8192, 4096, 4096, 16, True),
    _case(8192, 14336, 4096, 64, True),
)
