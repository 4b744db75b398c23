"""Calls of linear_cross_entropy for tests and benchmarks, torch's own for it, what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.ops.cross_entropy.samples import torch_cross_entropy
from triton_kernels.registry import Case, Cost, ErrorSample, Sample


def torch_linear_cross_entropy(
    x: torch.Tensor, weight: torch.Tensor, target: torch.Tensor, ignore_index: int = -100,
    label_smoothing: float = 0.0, z_loss: float = 0.0, soft_cap: float | None = None,
    reduction: str = "mean", accumulate: str = "float32", chunk_rows: int | None = None,
) -> Any:  # fmt: skip
    """The two ops in turn, with all logits."""
    options = (None, ignore_index, label_smoothing, z_loss, soft_cap, reduction)
    return torch_cross_entropy(x @ weight.t(), target, *options)


def samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """Every option; one chunk and several, ragged; strided; ignored rows; none at all."""

    def make(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    def call(name: str, rows: int, columns: int, classes: int, **options: Any) -> Sample:
        target = torch.randint(classes, (rows,), device=device)
        target[1::4] = options.get("ignore_index", -100)
        x, weight = make(rows, columns), make(classes, columns) / columns**0.5
        return Sample(name, (x, weight), {"target": target, **options})

    yield call("5x8x40", 5, 8, 40)
    yield call("9x5x7", 9, 5, 7)
    yield call("16x64x1000", 16, 64, 1000)
    yield call("chunks", 50, 16, 40, chunk_rows=16)
    yield call("chunks in the weight's dtype", 50, 16, 40, chunk_rows=16, accumulate="weight")
    yield call("sum", 33, 16, 40, reduction="sum", chunk_rows=16)
    yield call("none", 33, 16, 40, reduction="none", chunk_rows=16)
    options = {"label_smoothing": 0.1, "z_loss": 1e-2, "soft_cap": 3.0, "ignore_index": 3}
    yield call("all options", 9, 8, 10, **options)
    yield call("all options, none", 9, 8, 10, reduction="none", **options)
    target = torch.randint(40, (9,), device=device)
    strided = make(9, 32)[:, ::2], make(16, 40).t()
    yield Sample("strided", strided, {"target": target})
    yield Sample("expanded", (make(1, 16).expand(9, 16), make(40, 16)), {"target": target})
    yield Sample("far apart", (make(3, 16) * 30, make(40, 16) / 4), {"target": target[:3]})
    yield Sample("no columns", (make(2, 0), make(40, 0)), {"target": target[:2]})
    yield Sample(
        "no rows, sum", (make(0, 8), make(5, 8)), {"target": target[:0], "reduction": "sum"}
    )


def errors(device: torch.device) -> Iterator[ErrorSample]:
    """Calls that must be refused."""
    x, w = torch.zeros(2, 3, device=device), torch.zeros(4, 3, device=device)
    t = torch.zeros(2, dtype=torch.int64, device=device)

    def bad(name: str, error: Any, says: str, *args: Any, **options: Any) -> ErrorSample:
        return ErrorSample(Sample(name, args, options), error, says)

    yield bad("sizes", ShapeError, "weight of shape (3, 4)", x, w.t(), t)
    yield bad("rank", ShapeError, "flatten x", x[None], w, t)
    yield bad("rows", ShapeError, "target of shape (1,)", x, w, t[:1])
    yield bad("float target", DtypeError, "int64 or int32", x, w, t.float())
    yield bad("sparse target", DtypeError, "target of layout sparse_coo", x, w, t.to_sparse())
    yield bad("dtypes", DtypeError, "float32 and weight of float16", x, w.half(), t)
    yield bad("devices", DeviceError, "one device", x, w.to("meta"), t)
    yield bad("smoothing", ShapeError, "label_smoothing 2", x, w, t, label_smoothing=2)
    yield bad("accumulate", DtypeError, "'bfloat16'", x, w, t, accumulate="bfloat16")
    yield bad("check_targets", DtypeError, "a bool or None", x, w, t, check_targets=1)
    yield bad("chunk", ShapeError, "chunk_rows 0", x, w, t, chunk_rows=0)
    yield bad("range", ShapeError, "target 4 in row 0", x, w, t + 4, check_targets=True)


def cost(x: torch.Tensor, weight: torch.Tensor, **options: Any) -> Cost:
    """2·rows·columns·classes for the logits, twice that for the gradients."""
    flops = 2 * x.numel() * weight.shape[0]
    moved = x.nbytes + weight.nbytes
    return Cost(moved, 2 * moved, flops, 2 * flops)


def _case(rows: int, columns: int, classes: int, **options: Any) -> Case:
    def make(device: torch.device) -> Sample:
        x = torch.randn(rows, columns, device=device, dtype=torch.bfloat16)
        weight = torch.randn(classes, columns, device=device, dtype=torch.bfloat16)
        target = torch.randint(classes, (rows,), device=device)
        return Sample("", (x, weight / columns**0.5), {"target": target, **options})

    words = "".join(f", {name} {value}" for name, value in options.items())
    return Case(f"{rows}x{columns}x{classes} bfloat16{words}", make)


CASES = (
    _case(8192, 4096, 128256),
    _case(8192, 4096, 128256, accumulate="weight"),
    _case(8192, 4096, 128256, accumulate="weight", chunk_rows=256),
)
