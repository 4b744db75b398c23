"""Calls of kl_divergence and js_divergence for tests and benchmarks, and what they cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.nn import functional

from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.ops.divergences.shapes import row_columns
from triton_kernels.registry import Case, Cost, ErrorSample, Sample


def _wide(x: torch.Tensor) -> torch.Tensor:
    return x if x.dtype is torch.float64 else x.float()


def _logarithms(
    input: torch.Tensor, target: torch.Tensor, from_logits: bool, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = _wide(input), _wide(target)
    if from_logits:
        x, y = (functional.log_softmax(v / temperature, -1) for v in (x, y))
    return x, y


def _reduced(
    losses: torch.Tensor, reduction: str, labels: torch.Tensor | None, ignore_index: int
) -> torch.Tensor:
    counts = losses.new_ones(losses.shape[0]) if labels is None else labels != ignore_index
    losses = torch.where(counts[:, None] != 0, losses, 0.0)
    rows = counts.sum()
    if reduction == "none":
        return losses
    total = losses.sum()
    if reduction == "sum":
        return total
    return total / (rows * losses.shape[1] if reduction == "mean" else rows)


def torch_kl_divergence(
    input: torch.Tensor, target: torch.Tensor, reduction: str = "mean", log_target: bool = False,
    from_logits: bool = False, temperature: float = 1.0, labels: torch.Tensor | None = None,
    ignore_index: int = -100,
) -> torch.Tensor:  # fmt: skip
    """Torch's kl_div in float32, with what it lacks written out."""
    x, y = _logarithms(input, target, from_logits, temperature)
    log_target = log_target or from_logits
    if labels is None and reduction != "mean":
        loss = functional.kl_div(x, y, reduction=reduction, log_target=log_target)
        return loss * temperature**2 if from_logits else loss
    losses = functional.kl_div(x, y, reduction="none", log_target=log_target) * temperature**2
    return _reduced(losses, reduction, labels, ignore_index)


def torch_js_divergence(
    input: torch.Tensor, target: torch.Tensor, beta: float = 0.5, reduction: str = "batchmean",
    from_logits: bool = False, temperature: float = 1.0, labels: torch.Tensor | None = None,
    ignore_index: int = -100,
) -> torch.Tensor:  # fmt: skip
    """The generalised divergence out of torch's kl_div, in float32."""
    x, y = _logarithms(input, target, from_logits, temperature)
    if beta in (0, 1):
        first, second = (x, y) if beta == 0 else (y, x)
        losses = functional.kl_div(first, second, reduction="none", log_target=True)
    else:
        parts = torch.stack([x + math.log1p(-beta), y + math.log(beta)])
        mixed = torch.logsumexp(parts, 0)
        losses = beta * functional.kl_div(mixed, y, reduction="none", log_target=True)
        more = functional.kl_div(mixed, x, reduction="none", log_target=True)
        losses = losses + (1 - beta) * more
    return _reduced(losses * temperature**2, reduction, labels, ignore_index)


Make = Callable[..., tuple[torch.Tensor, torch.Tensor]]


def _maker(device: torch.device, dtype: torch.dtype) -> tuple[Make, Make]:
    def logits(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
        x, y = (torch.randn(shape, device=device, dtype=dtype) for _ in range(2))
        return x, y

    def logarithms(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
        x, y = logits(*shape)
        return x.log_softmax(-1), y.log_softmax(-1)

    return logits, logarithms


def _labels(device: torch.device) -> torch.Tensor:
    return torch.tensor([5, -100, 0], device=device)


def kl_samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """Every form and reduction; ragged, strided, empty, long; rows that do not count."""
    logits, logarithms = _maker(device, dtype)
    x, y = logarithms(2, 10)
    yield Sample("probabilities", (x, y.exp()))
    yield Sample("logits", (*logits(2, 17), "batchmean", False, True, 2.0))
    yield Sample("logarithms", logarithms(2, 17), {"log_target": True, "reduction": "batchmean"})
    hot = {"from_logits": True, "temperature": 0.5}
    yield Sample("logits, none", logits(2, 11), {"reduction": "none", **hot})
    yield Sample("logarithms, none", logarithms(4, 300), {"reduction": "none", "log_target": True})
    labels = {"labels": _labels(device)}
    long = row_columns(device.type == "cuda") + 44
    yield Sample("labels, long", (*logits(3, long), "mean", False, True), labels)
    x, y = logarithms(3, 40)
    yield Sample("probabilities, labels", (x, y.exp(), "batchmean"), labels)
    x, y = logits(300, 2)
    yield Sample("strided", (x.t(), y[:1].expand(300, 2).t()), {"reduction": "sum", **hot})
    yield Sample("no rows", (*logits(0, 4), "sum", True))
    yield Sample("far off", (*_far_off(logits, long), "batchmean", False, True, 0.7))


def _far_off(logits: Make, columns: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits at different distances from 0, some far from the others."""
    x, y = logits(2, columns)
    x, y = x + 250, y - 40
    x[0], y[1] = 10 * x[0], 10 * y[1]
    return x, y


def js_samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """Both ends and what is between; every form and reduction; rows that do not count."""
    logits, logarithms = _maker(device, dtype)
    yield Sample("half", logarithms(2, 10), {"beta": 0.5})
    yield Sample("forward", logarithms(2, 17), {"beta": 0.0})
    yield Sample("reverse", logarithms(2, 17), {"beta": 1.0, "reduction": "mean"})
    long = row_columns(device.type == "cuda") + 44
    yield Sample("logits", (*logits(4, long), 0.3, "batchmean", True, 0.5))
    hot = {"from_logits": True, "temperature": 2.0}
    yield Sample("logits, reverse", logits(2, long), {"beta": 1.0, "reduction": "sum", **hot})
    yield Sample("logits, none", logits(2, 11), {"beta": 0.7, "reduction": "none", **hot})
    labels = {"labels": _labels(device).int(), "ignore_index": 5}
    yield Sample("labels", (*logits(3, 40), 0.9, "batchmean", True), labels)
    x, y = logits(300, 2)
    yield Sample("strided", (x.t(), y[:1].expand(300, 2).t()), {"beta": 0.3, "from_logits": True})
    yield Sample("no rows", (*logits(0, 4), 0.5, "sum", True))
    yield Sample("far off", (*_far_off(logits, 60), 0.5, "none", True))


def errors(beta: bool) -> Callable[[torch.device], Iterator[ErrorSample]]:
    """Calls that must be refused."""

    def refused(device: torch.device) -> Iterator[ErrorSample]:
        x = torch.zeros(2, 3, device=device)
        t = torch.zeros(2, dtype=torch.int64, device=device)

        def bad(name: str, error: Any, says: str, *args: Any, **options: Any) -> ErrorSample:
            return ErrorSample(Sample(name, args, options), error, says)

        yield bad("shapes", ShapeError, "target of shape (2, 2)", x, x[:, :2])
        yield bad("rank", ShapeError, "flatten them", x[None], x[None])
        yield bad("dtypes", DtypeError, "target of float16", x, x.half())
        yield bad("integers", DtypeError, "int32", x.int(), x.int())
        yield bad("devices", DeviceError, "one device", x, x.to("meta"))
        yield bad("reduction", DtypeError, "'median'", x, x, reduction="median")
        hot = {"from_logits": True, "temperature": 0.0}
        yield bad("temperature", ShapeError, "temperature 0.0", x, x, **hot)
        yield bad("no logits", ShapeError, "from_logits=True", x, x, temperature=2.0)
        yield bad("labels", ShapeError, "labels of shape (1,)", x, x, labels=t[:1])
        yield bad("labels' dtype", DtypeError, "int64 or int32", x, x, labels=t.float())
        sparse = t.to_sparse()
        yield bad("sparse labels", DtypeError, "labels of layout sparse_coo", x, x, labels=sparse)
        yield bad("index type", DtypeError, "ignore_index of type str", x, x, ignore_index="0")
        yield bad("index", ShapeError, "of 64 bits", x, x, ignore_index=10**20)
        yield bad("logits", DtypeError, "from_logits of type str", x, x, from_logits="no")
        if beta:
            yield bad("beta", ShapeError, "beta 1.5", x, x, 1.5)
            yield bad("beta type", DtypeError, "beta of type str", x, x, "1")

    return refused


def cost(input: torch.Tensor, target: torch.Tensor, **options: Any) -> Cost:
    """Both read; both read again and the gradient of the input written: KL's is -target alone."""
    n, nbytes = input.numel(), input.nbytes
    target_alone = "beta" not in options and not options.get("from_logits")
    return Cost(2 * nbytes, (2 if target_alone else 3) * nbytes, 8 * n, 8 * n)


def _case(rows: int, columns: int, name: str, **options: Any) -> Case:
    def make(device: torch.device) -> Sample:
        x, y = (torch.randn(rows, columns, device=device, dtype=torch.bfloat16) for _ in range(2))
        if "from_logits" not in options:
            x, y = x.log_softmax(-1), y.log_softmax(-1)
        return Sample("", (x,), {"target": y, "reduction": "batchmean", **options})

    return Case(f"{rows}x{columns} bfloat16, {name}", make)


_HOT = {"from_logits": True, "temperature": 2.0}
KL_CASES = (
    _case(8192, 32768, "log-probabilities", log_target=True),
    _case(2048, 128256, "logits", **_HOT),
)
JS_CASES = (
    _case(8192, 32768, "log-probabilities", beta=0.5),
    _case(2048, 128256, "logits", beta=0.5, **_HOT),
)
