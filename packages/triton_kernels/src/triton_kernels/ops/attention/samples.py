"""Calls of flash_attention for tests and benchmarks, plain torch for it, and what they cost."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch

from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.ops.attention.features import kept
from triton_kernels.registry import Case, Cost, ErrorSample, Sample


def torch_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    bias: torch.Tensor | None = None, sinks: torch.Tensor | None = None, *,
    mask: torch.Tensor | None = None, causal: bool = False,
    window: tuple[int | None, int | None] = (None, None), scale: float | None = None,
    soft_cap: float | None = None, alibi_slopes: torch.Tensor | None = None,
    dropout: float = 0.0, seed: int = 0, precision: str = "ieee", deterministic: bool = False,
    return_lse: bool = False,
) -> Any:  # fmt: skip
    """Attention as one writes it with torch's operations, in the inputs' dtype throughout."""
    group = query.shape[1] // max(key.shape[1], 1)
    key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
    if soft_cap is not None:
        scores = torch.tanh(scores / soft_cap) * soft_cap
    queries, keys = scores.shape[2:]
    before = torch.arange(queries, device=query.device)[:, None] + keys - queries
    before = before - torch.arange(keys, device=query.device)
    if alibi_slopes is not None:
        scores = scores - (alibi_slopes[..., None, None] * before.abs()).to(scores.dtype)
    if bias is not None:
        scores = scores + bias.to(scores.dtype)
    left, right = window[0], 0 if causal else window[1]
    if left is not None:
        scores = scores.masked_fill(before > left, -torch.inf)
    if right is not None:
        scores = scores.masked_fill(-before > right, -torch.inf)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    if sinks is not None:
        sink = sinks.to(scores.dtype)[:, None, None].expand(*scores.shape[:3], 1)
        scores = torch.cat([scores, sink], -1)
    wide = scores if scores.dtype is torch.float64 else scores.float()
    blind = (scores == -torch.inf).all(-1, keepdim=True)
    weights = scores.masked_fill(blind, 0.0).softmax(-1).masked_fill(blind, 0.0)
    weights = weights[..., :keys]
    if dropout:
        heads = torch.arange(query.shape[:2].numel(), device=query.device).view(query.shape[:2])
        chosen = kept(seed, dropout, heads * queries, queries, keys)
        weights = weights.masked_fill(~chosen, 0.0) / (1 - dropout)
    output = weights @ value
    if not return_lse:
        return output
    lse = wide.masked_fill(blind, 0.0).logsumexp(-1).masked_fill(blind[..., 0], -torch.inf)
    return output, lse


def samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """Head sizes, ragged lengths, groups, and the features, crossed in few calls."""

    def make(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    def heads(
        queries: int, keys: int, size: int, value_size: int = 0, n: int = 2, groups: int = 1,
        batch: int = 1,
    ) -> tuple[torch.Tensor, ...]:  # fmt: skip
        shapes = (
            (n, queries, size),
            (n // groups, keys, size),
            (n // groups, keys, value_size or size),
        )
        return tuple(make(batch, *shape) for shape in shapes)

    def mask(*shape: int) -> torch.Tensor:
        return torch.rand(shape, device=device) > 0.3

    yield Sample("1x1", heads(1, 1, 8, n=1))
    yield Sample("7x5", heads(7, 5, 4))
    yield Sample("33x18, size 16", heads(33, 18, 16))
    yield Sample("5x65, size 80", heads(5, 65, 80, n=1))
    yield Sample("9x9, size 12, value 20", heads(9, 9, 12, 20))
    yield Sample("causal", heads(33, 33, 16), {"causal": True})
    yield Sample("causal, more keys", heads(20, 35, 16, groups=2), {"causal": True, "scale": 0.3})
    yield Sample("causal, fewer keys", heads(35, 20, 16), {"causal": True})
    yield Sample("window", heads(40, 40, 16), {"window": (5, 3), "soft_cap": 2.0})
    slopes = torch.tensor([0.5, 0.25], device=device)
    yield Sample(
        "window, ALiBi", heads(19, 40, 16, batch=2),
        {"window": (9, None), "causal": True, "alibi_slopes": slopes},
    )  # fmt: skip
    yield Sample("bias", (*heads(18, 19, 16, batch=2), make(2, 2, 18, 19)))
    yield Sample("one bias", (*heads(18, 19, 16, batch=2), make(1, 1, 18, 1)), {"soft_cap": 5.0})
    blind = mask(2, 1, 18, 19)
    blind[:, :, 3] = False
    yield Sample("mask", heads(18, 19, 16, batch=2, groups=2), {"mask": blind})
    yield Sample("sinks", (*heads(18, 19, 16), None, make(2)), {"causal": True, "return_lse": True})
    yield Sample("lse", heads(17, 40, 16, groups=2), {"return_lse": True, "scale": -0.5})
    yield Sample("dropout", heads(9, 21, 16, batch=2), {"dropout": 0.4, "seed": 2**40 + 3})
    everything = {
        "mask": mask(1, 1, 1, 19), "causal": True, "window": (15, None), "scale": 0.2,
        "soft_cap": 3.0, "alibi_slopes": slopes.expand(2, 2), "dropout": 0.2, "seed": 7,
    }  # fmt: skip
    yield Sample(
        "all", (*heads(18, 19, 16, batch=2, groups=2), make(1, 2, 18, 19), make(2)), everything
    )
    q, k, v = heads(12, 13, 16)
    yield Sample("large values", (3 * q, 3 * k, 30 * v))
    yield Sample("expanded", (q, k[:, :1].expand(1, 2, 13, 16), v[:, :, :1].expand(1, 2, 13, 16)))
    yield Sample("strided", (make(1, 2, 16, 12).mT, make(1, 2, 13, 32)[..., ::2], v))
    yield Sample("no keys", heads(5, 0, 8))
    yield Sample("no queries", heads(0, 5, 8))
    yield Sample("no batch", heads(5, 5, 8, batch=0))


def errors(device: torch.device) -> Iterator[ErrorSample]:
    """Calls that must be refused."""
    q = torch.zeros(1, 4, 3, 8, device=device)
    k = torch.zeros(1, 2, 5, 8, device=device)
    slopes = torch.zeros(4, device=device)

    def bad(name: str, error: Any, says: str, *args: Any, **options: Any) -> ErrorSample:
        return ErrorSample(Sample(name, args, options), error, says)

    yield bad("rank", ShapeError, "(batch, heads, length, size) each", q[0], k, k)
    yield bad("size", ShapeError, "of one size a head", q, k[..., :4], k)
    yield bad("no size", ShapeError, "none of size 0", q[..., :0], k[..., :0], k)
    yield bad("lengths", ShapeError, "as many keys", q, k, k[:, :, :4])
    yield bad("batch", ShapeError, "one batch size", q.expand(2, 4, 3, 8), k, k)
    yield bad("groups", ShapeError, "multiple of key heads", q[:, :3], k, k)
    yield bad("no key heads", ShapeError, "multiple of key heads", q, k[:, :0], k[:, :0])
    yield bad("dtypes", DtypeError, "float32 and key of float16", q, k.half(), k)
    yield bad("integers", DtypeError, "int32", q.int(), k.int(), k.int())
    yield bad("None", DtypeError, "type NoneType", q, None, k)
    yield bad("devices", DeviceError, "one device", q, k, k.to("meta"))
    yield bad("bias", ShapeError, "(1, 4, 3, 5), or 1", q, k, k, q)
    yield bad("bias rank", ShapeError, "four dimensions", q, k, k, q[0])
    yield bad("bias dtype", DtypeError, "bias of dtype float16", q, k, k, q.half())
    yield bad("bias device", DeviceError, "one device", q, k, k, q.to("meta"))
    yield bad("mask", DtypeError, "mask of dtype float32", q, k, k, mask=q)
    yield bad("sinks", ShapeError, "one sink a head", q, k, k, None, slopes[:3])
    yield bad("slopes", ShapeError, "(4,) or (1, 4)", q, k, k, alibi_slopes=slopes[:3])
    yield bad("slopes dtype", DtypeError, "float16", q, k, k, alibi_slopes=slopes.half())
    leaf = slopes.clone().requires_grad_()
    yield bad("slopes' gradient", DtypeError, "detach them", q, k, k, alibi_slopes=leaf)
    yield bad("window", ShapeError, "sides of 0 or more", q, k, k, window=(-1, None))
    yield bad("window type", DtypeError, "(left, right)", q, k, k, window=3)
    yield bad("window's types", DtypeError, "ints or None", q, k, k, window=(1.0, 2))
    yield bad("causal", DtypeError, "causal of type int", q, k, k, causal=1)
    yield bad("scale", ShapeError, "scale inf", q, k, k, scale=float("inf"))
    yield bad("scale type", DtypeError, "scale of type str", q, k, k, scale="1")
    yield bad("cap", ShapeError, "soft_cap 0", q, k, k, soft_cap=0)
    yield bad("dropout", ShapeError, "dropout 1.0", q, k, k, dropout=1.0)
    yield bad("seed", ShapeError, "seed -1", q, k, k, dropout=0.5, seed=-1)
    yield bad("seed type", DtypeError, "seed of type float", q, k, k, seed=1.0)
    yield bad("precision", DtypeError, "'fast'", q, k, k, precision="fast")
    yield bad("deterministic", DtypeError, "of type int", q, k, k, deterministic=1)


def pairs(queries: int, keys: int, left: int | None, right: int | None) -> int:
    """How many pairs of a query and a key a window leaves."""
    i = torch.arange(queries) + keys - queries
    first = torch.zeros_like(i) if left is None else (i - left).clamp(min=0)
    last = torch.full_like(i, keys - 1) if right is None else (i + right).clamp(max=keys - 1)
    return int((last - first + 1).clamp(min=0).sum())


def cost(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *others: Any,
    causal: bool = False, window: tuple[int | None, int | None] = (None, None), **options: Any,
) -> Cost:  # fmt: skip
    """Two products forward, five backward, of the pairs that are seen."""
    batch, heads, queries, size = query.shape
    seen = pairs(queries, key.shape[2], window[0], 0 if causal else window[1])
    qk, pv = (2 * batch * heads * seen * n for n in (size, value.shape[3]))
    output = batch * heads * queries * value.shape[3] * query.element_size()
    read = query.nbytes + key.nbytes + value.nbytes
    return Cost(read + output, 2 * (read + output), qk + pv, 3 * qk + 2 * pv)


def _case(size: int, length: int, group: int = 1, bias: bool = False, **options: Any) -> Case:
    """16384 tokens of 2048 channels, as in most papers."""
    batch, heads = 16384 // length, 2048 // size

    def make(device: torch.device) -> Sample:
        def some(*shape: int) -> torch.Tensor:
            return torch.randn(shape, device=device, dtype=torch.bfloat16)

        key, value = (some(batch, heads // group, length, size) for _ in range(2))
        scores = (some(1, heads, length, length),) if bias else ()
        return Sample("", (some(batch, heads, length, size), key, value, *scores), options)

    words = [f"d{size} {length // 1024}k", "causal" if options.get("causal") else "full"]
    words += [f"GQA {group}"] * (group > 1) + ["bias"] * bias
    words += [f"{key} {value}" for key, value in options.items() if key != "causal"]
    return Case(", ".join(words), make)


_SQUARES = tuple(itertools.product((64, 128, 256), (1024, 4096, 16384), (False, True)))
CASES = (
    *(_case(size, length, causal=causal) for size, length, causal in _SQUARES),
    *(
        _case(size, length, causal=causal, backend="portable")
        for size, length, causal in _SQUARES
        if length == 4096
    ),
    _case(128, 4096, group=8, causal=True),
    _case(128, 16384, causal=True, window=(1024, None)),
    _case(128, 4096, causal=True, soft_cap=30.0),
    _case(128, 4096, bias=True),
)
