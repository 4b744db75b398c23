"""Calls of masked_softmax and log_softmax for tests and benchmarks, and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.ops.masked_softmax.shapes import one_pass_columns
from triton_kernels.registry import Case, Cost, ErrorSample, Sample


def torch_scores(x: torch.Tensor, mask: torch.Tensor | None, causal: bool) -> torch.Tensor:
    """x under its masks, in x's dtype, as it is written without a fused op."""
    if mask is not None:
        x = x.masked_fill(~mask, -torch.inf) if mask.dtype is torch.bool else x + mask.to(x.dtype)
    if causal:
        rows, columns = x.shape[-2:]
        later = torch.ones(rows, columns, dtype=torch.bool, device=x.device)
        x = x.masked_fill(later.triu(columns - rows + 1), -torch.inf)
    return x


def _torch(x: torch.Tensor, mask: torch.Tensor | None, causal: bool, log: bool) -> torch.Tensor:
    """Torch's, with nothing for what is masked: neither a value nor a gradient."""
    scores = torch_scores(x, mask, causal)
    out = scores == -torch.inf
    some = scores.masked_fill(out.all(-1, keepdim=True), 0.0)
    y = torch.log_softmax(some, -1) if log else torch.softmax(some, -1)
    return y.masked_fill(out, -torch.inf if log else 0.0)


def torch_masked_softmax(
    x: torch.Tensor, mask: torch.Tensor | None = None, causal: bool = False
) -> torch.Tensor:
    """Torch's softmax of masked scores."""
    return _torch(x, mask, causal, False)


def torch_log_softmax(
    x: torch.Tensor, dim: int = -1, mask: torch.Tensor | None = None, causal: bool = False
) -> torch.Tensor:
    """Torch's log_softmax, of masked scores if there are masks."""
    if mask is None and not causal:
        return torch.log_softmax(x, dim)
    return _torch(x, mask, causal, True)


def _maker(device: torch.device, dtype: torch.dtype) -> Callable[..., torch.Tensor]:
    return lambda *shape: 3 * torch.randn(shape, device=device, dtype=dtype)


def _masked(
    device: torch.device, dtype: torch.dtype
) -> Iterator[tuple[str, tuple[torch.Tensor, ...], dict[str, Any]]]:
    """Every kind of mask, repeated along every dimension; rows of which nothing is left."""
    make = _maker(device, dtype)
    boolean = torch.rand(2, 1, 1, 33, device=device) < 0.7
    boolean[1] = False
    yield "boolean", (make(2, 2, 5, 33),), {"mask": boolean}
    yield "a row each", (make(3, 7, 9),), {"mask": torch.rand(7, 1, device=device) < 0.5}
    yield "causal", (make(2, 9, 9),), {"causal": True}
    yield "few queries", (make(2, 5, 40),), {"causal": True}
    yield "few keys", (make(2, 40, 5),), {"causal": True}
    some = make(1, 2, 1, 9, 1)
    some[:, 1] = -torch.inf
    yield "additive, five dimensions", (make(2, 2, 1, 9, 12), some), {"causal": True}
    seen = (torch.rand(1, 7, device=device) < 0.5).expand(30, 7)
    yield "expanded", (make(30, 1).expand(30, 7),), {"mask": seen}
    permuted = make(2, 9, 2, 9).permute(2, 0, 3, 1)
    yield "permuted", (permuted, torch.randn(9, device=device)), {}
    long = one_pass_columns(device.type == "cuda") + 5
    yield "two passes", (make(2, 2, long), make(2, 1, long)), {"causal": True}


def softmax_samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """With and without masks; ragged, strided, empty, long."""
    make = _maker(device, dtype)
    yield Sample("no mask", (make(5, 13),), {"causal": False})
    yield Sample("1000 columns", (make(3, 1000),))
    yield Sample("small, additive", (make(2, 3, 5), make(3, 1)))
    yield Sample("small, causal", (make(4, 6),), {"causal": True})
    yield Sample("small, more queries", (make(6, 3), make(3)), {"causal": True})
    yield Sample("no columns", (make(4, 0),))
    for name, args, options in _masked(device, dtype):
        yield Sample(name, args, options)


def log_softmax_samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """Every dimension without masks, the last one with them."""
    make = _maker(device, dtype)
    yield Sample("no mask", (make(5, 13),), {"dim": 1})
    yield Sample("1000 columns", (make(3, 1000),))
    yield Sample("vector", (make(40),), {"dim": 0})
    yield Sample("middle", (make(2, 7, 5), 1))
    yield Sample("transposed", (make(33, 65).t(),), {"dim": -1})
    yield Sample("no columns", (make(4, 0),))
    for name, args, options in _masked(device, dtype):
        x, *masks = args
        yield Sample(name, (x,), {"mask": masks[0], **options} if masks else options)


def errors(log: bool) -> Callable[[torch.device], Iterator[ErrorSample]]:
    """Calls that must be refused."""

    def refused(device: torch.device) -> Iterator[ErrorSample]:
        x = torch.zeros(2, 3, device=device)
        yes = torch.ones(2, 3, dtype=torch.bool, device=device)

        def bad(name: str, error: Any, says: str, x: Any, **options: Any) -> ErrorSample:
            return ErrorSample(Sample(name, (x,), options), error, says)

        yield bad("scalar", ShapeError, "one dimension or more", x[0, 0])
        yield bad("mask", ShapeError, "mask of shape (2, 2)", x, mask=yes[:, :2])
        yield bad("larger mask", ShapeError, "mask of shape (1, 2, 3)", x, mask=yes[None])
        yield bad("integer mask", DtypeError, "mask of dtype int64", x, mask=yes.long())
        yield bad("list", DtypeError, "mask of type list", x, mask=[True])
        yield bad("integers", DtypeError, "int32", x.int())
        yield bad("causal vector", ShapeError, "causal rows of shape (3,)", x[0], causal=True)
        yield bad("causal type", DtypeError, "causal of type int", x, causal=1)
        yield bad("devices", DeviceError, "one device", x, mask=yes.to("meta"))
        if log:
            yield bad("dim", ShapeError, "-2 <= dim < 2", x, dim=2)
            yield bad("float dim", DtypeError, "dim of type float", x, dim=1.0)
            yield bad("masked dim", ShapeError, "a mask along dim 0", x, dim=0, mask=yes)

    return refused


def _cost(x: torch.Tensor, mask: torch.Tensor | None, causal: bool) -> Cost:
    """x and the mask read, y written; y and dy read, dx written; of a causal row's half no read."""
    read = x.nbytes // 2 if causal and x.shape[-2] == x.shape[-1] else x.nbytes
    masks = 0 if mask is None else mask.nbytes
    return Cost(read + masks + x.nbytes, 2 * read + x.nbytes, 5 * x.numel(), 4 * x.numel())


def softmax_cost(x: torch.Tensor, mask: torch.Tensor | None = None, causal: bool = False) -> Cost:
    """As of log_softmax."""
    return _cost(x, mask, causal)


def log_softmax_cost(
    x: torch.Tensor, dim: int = -1, mask: torch.Tensor | None = None, causal: bool = False
) -> Cost:
    """Each tensor once, what a causal mask leaves out not at all."""
    return _cost(x, mask, causal)


def _attention(causal: bool) -> Case:
    def make(device: torch.device) -> Sample:
        x = torch.randn(4, 8, 2048, 2048, device=device, dtype=torch.bfloat16)
        if causal:
            return Sample("", (x,), {"causal": True})
        mask = torch.arange(2048, device=device) < torch.randint(1024, 2048, (4, 1, 1, 1)).to(
            device
        )
        return Sample("", (x,), {"mask": mask})

    return Case(f"4x8x2048x2048 bfloat16, {'causal' if causal else 'boolean mask'}", make)


def _rows(rows: int, columns: int) -> Case:
    def make(device: torch.device) -> Sample:
        return Sample("", (torch.randn(rows, columns, device=device, dtype=torch.bfloat16),))

    return Case(f"{rows}x{columns} bfloat16", make)


SOFTMAX_CASES = (_attention(True), _attention(False))
LOG_SOFTMAX_CASES = (_rows(2048, 32768),)
