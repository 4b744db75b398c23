"""Calls of cross_entropy for tests and benchmarks, torch's own for it, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.nn import functional

from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.ops.cross_entropy.shapes import one_pass_classes
from triton_kernels.registry import Case, Cost, ErrorSample, Sample


def torch_cross_entropy(
    logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None,
    ignore_index: int = -100, label_smoothing: float = 0.0, z_loss: float = 0.0,
    soft_cap: float | None = None, reduction: str = "mean", return_lse: bool = False,
) -> Any:  # fmt: skip
    """Torch's cross_entropy of the logits in float32, with what it lacks written out."""
    x = logits if logits.dtype is torch.float64 else logits.float()
    x = soft_cap * torch.tanh(x / soft_cap) if soft_cap else x
    weight = None if weight is None else weight.to(x.dtype)
    target = target.long()
    loss = functional.cross_entropy(
        x, target, weight, ignore_index=ignore_index, label_smoothing=label_smoothing,
        reduction=reduction,
    )  # fmt: skip
    lse = torch.logsumexp(x, 1) if z_loss or return_lse else None
    if z_loss and lse is not None:
        counts = target != ignore_index
        penalties = z_loss * torch.where(counts, lse.square(), 0.0)
        if reduction == "mean":
            ones = torch.ones_like(x[0]) if weight is None else weight
            per_row = torch.where(counts, ones[torch.where(counts, target, 0)], 0.0)
            loss = loss + penalties.sum() / per_row.sum()
        else:
            loss = loss + (penalties.sum() if reduction == "sum" else penalties)
    return (loss, lse) if return_lse else loss


def samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """Every option, ragged, empty, strided, expanded, long; ignored rows; -inf; far from 0."""

    def make(*shape: int) -> torch.Tensor:
        return 2 * torch.randn(shape, device=device, dtype=dtype)

    def call(name: str, logits: torch.Tensor, **options: Any) -> Sample:
        rows, classes = logits.shape
        target = torch.randint(max(classes, 1), (rows,), device=device)
        target[::4] = options.get("ignore_index", -100)
        return Sample(name, (logits,), {"target": target, **options})

    for classes in (1, 2, 7, 64, 65, 1000):
        yield call(f"5x{classes}", make(5, classes))
    for reduction in ("sum", "none"):
        yield call(reduction, make(9, 40), reduction=reduction)
    yield call("smoothing", make(9, 40), label_smoothing=0.1)
    yield call("z-loss", make(9, 40), z_loss=1e-2)
    yield call("soft cap", make(9, 40), soft_cap=3.0)
    yield call("ignore_index", make(9, 40), ignore_index=3)
    weight = make(40).abs().detach()
    yield call("weight", make(9, 40), weight=weight)
    yield call("weight and smoothing", make(9, 40), weight=weight, label_smoothing=0.2)
    everything = {"label_smoothing": 0.1, "z_loss": 1e-2, "soft_cap": 5.0}
    yield call("all, mean", make(9, 40), weight=weight, **everything)
    yield call("all, none", make(9, 40), weight=weight, reduction="none", **everything)
    yield call("lse", make(9, 40), return_lse=True, z_loss=1e-2)
    yield call("transposed", make(33, 17).t())
    yield call("slice of rows", make(6, 64)[:, :50])
    yield call("expanded", make(1, 40).expand(5, 40))
    long = one_pass_classes(device.type == "cuda") + 5
    yield call("long", make(3, long))
    yield call("long, all", make(3, long), weight=make(long).abs().detach(), **everything)
    yield call("many rows", make(20000 if device.type == "cuda" else 40, 3))
    large = make(5, 100) * 100
    yield call("large values", large)
    yield call("far off", make(3, 40) + 700, label_smoothing=0.1, reduction="none")
    yield call("far apart, long", make(3, long) * 10 - 300, label_smoothing=0.1)
    yield call("soft cap 30", make(3, 40) / 2, soft_cap=30.0, reduction="none")
    yield call("soft cap 50", make(3, 40) / 2, soft_cap=50.0)
    masked = make(5, 100)
    masked[:, 50:] = -torch.inf
    target = torch.randint(50, (5,), device=device)
    yield Sample("partly -inf", (masked,), {"target": target})
    int32 = torch.randint(40, (9,), device=device, dtype=torch.int32)
    yield Sample("int32", (make(9, 40),), {"target": int32})
    yield call("all ignored, sum", make(1, 40), reduction="sum")
    yield call("no rows, sum", make(0, 40), reduction="sum")
    yield call("no rows, none", make(0, 40), reduction="none")


def errors(device: torch.device) -> Iterator[ErrorSample]:
    """Calls that must be refused."""
    x = torch.zeros(2, 4, device=device)
    t = torch.zeros(2, dtype=torch.int64, device=device)

    def bad(name: str, error: Any, says: str, *args: Any, **options: Any) -> ErrorSample:
        return ErrorSample(Sample(name, args, options), error, says)

    yield bad("rows", ShapeError, "target of shape (1,)", x, t[:1])
    yield bad("rank", ShapeError, "flatten them", x[None], t[None])
    yield bad("vector", ShapeError, "logits of (rows, classes)", x[0], t[0])
    yield bad("no classes", ShapeError, "at least one class", x[:, :0], t)
    yield bad("float target", DtypeError, "int64 or int32", x, t.float())
    yield bad("probabilities", DtypeError, "kl_divergence", x, x.softmax(1))
    yield bad("integers", DtypeError, "int64", x.long(), t)
    yield bad("list", DtypeError, "type list", x, [0, 1])
    yield bad("None", DtypeError, "type NoneType", None, t)
    yield bad("sparse target", DtypeError, "target of layout sparse_coo", x, t.to_sparse())
    yield bad("devices", DeviceError, "one device", x, t.to("meta"))
    yield bad("weight", ShapeError, "one weight a class", x, t, x[0, :3])
    yield bad("weight dtype", DtypeError, "float16", x, t, x[0].half())
    yield bad("weight device", DeviceError, "one device", x, t, x[0].to("meta"))
    yield bad("smoothing", ShapeError, "label_smoothing 1.5", x, t, label_smoothing=1.5)
    yield bad("smoothing type", DtypeError, "of type str", x, t, label_smoothing="0")
    yield bad("z-loss", ShapeError, "z_loss -1.0", x, t, z_loss=-1.0)
    yield bad("cap", ShapeError, "soft_cap 0.0", x, t, soft_cap=0.0)
    yield bad("reduction", DtypeError, "'average'", x, t, reduction="average")
    yield bad("index type", DtypeError, "ignore_index of type float", x, t, ignore_index=0.0)
    yield bad("index", ShapeError, "of 64 bits", x, t, ignore_index=2**63)
    yield bad("inplace", DtypeError, "inplace of type str", x, t, inplace="no")
    yield bad("return_lse", DtypeError, "return_lse of type int", x, t, return_lse=1)
    yield bad("check_targets", DtypeError, "a bool or None", x, t, check_targets="cpu")
    high = torch.tensor([0, 4], device=device)
    yield bad("too high", ShapeError, "target 4 in row 1", x, high, check_targets=True)
    yield bad("negative", ShapeError, "target -1 in row 0", x, t - 1, check_targets=True)


def cost(logits: torch.Tensor, *others: Any, **options: Any) -> Cost:
    """Forward: read the logits. Backward: read them again, write their gradient."""
    return Cost(logits.nbytes, 2 * logits.nbytes, 4 * logits.numel(), 5 * logits.numel())


def _case(rows: int, classes: int, dtype: torch.dtype) -> Case:
    def make(device: torch.device) -> Sample:
        logits = torch.randn(rows, classes, device=device, dtype=dtype)
        return Sample("", (logits,), {"target": torch.randint(classes, (rows,), device=device)})

    return Case(f"{rows}x{classes} {str(dtype).removeprefix('torch.')}", make)


CASES = (
    *(_case(2**27 // n, n, torch.bfloat16) for n in (2048, 4096, 8192, 16384, 32768, 65536)),
    _case(2048, 128256, torch.bfloat16),
    _case(8192, 32000, torch.float32),
)
