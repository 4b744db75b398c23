"""Calls of the decoding ops for tests and benchmarks, plain torch for them, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.ops.attention.samples import torch_attention
from triton_kernels.registry import Case, Cost, ErrorSample, Sample


def torch_decode(
    query: torch.Tensor, key_cache: torch.Tensor, value_cache: torch.Tensor,
    lengths: torch.Tensor | None = None, page_table: torch.Tensor | None = None,
    sinks: torch.Tensor | None = None, *, scale: float | None = None,
    soft_cap: float | None = None, window: int | None = None, return_lse: bool = False,
) -> Any:  # fmt: skip
    """Gather the pages, mask what lies beyond each length, attend."""
    keys, values = key_cache, value_cache
    if page_table is not None:
        keys, values = (
            x[page_table.long()].flatten(1, 2).transpose(1, 2) for x in (keys, values)
        )  # (B, pages, page, heads, size)
    tokens, longest = query.shape[2], keys.shape[2]
    ends = torch.full((query.shape[0],), longest, device=query.device)
    ends = ends if lengths is None else lengths
    positions = (
        ends[:, None, None, None] - tokens + torch.arange(tokens, device=query.device)[:, None]
    )
    columns = torch.arange(longest, device=query.device)
    mask = columns <= positions
    if window is not None:
        mask &= columns >= positions - window
    return torch_attention(
        query, keys, values, None, sinks, mask=mask, scale=scale, soft_cap=soft_cap,
        return_lse=return_lse,
    )  # fmt: skip


def torch_latent(
    query: torch.Tensor, cache: torch.Tensor, value_size: int,
    lengths: torch.Tensor | None = None, page_table: torch.Tensor | None = None, *,
    scale: float, return_lse: bool = False,
) -> Any:  # fmt: skip
    """Latents as keys, their first columns as values, of one head that serves all."""
    keys = cache[:, :, None] if page_table is not None else cache[:, None]
    return torch_decode(
        query, keys, keys[..., :value_size], lengths, page_table, scale=scale,
        return_lse=return_lse,
    )  # fmt: skip


def _numbers(values: Any, device: torch.device) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int32, device=device)


def _table(batch: int, most: int, device: torch.device) -> torch.Tensor:
    """Every page once, in no order."""
    return torch.randperm(batch * most, device=device).view(batch, most).int()


def samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """Groups, tokens, lengths, pages, and the features."""

    def make(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    def table(batch: int, most: int) -> torch.Tensor:
        if device.type == "meta":
            return torch.empty(batch, most, dtype=torch.int32, device=device)
        return _table(batch, most, device)

    yield Sample("1x1", (make(1, 1, 1, 8), make(1, 1, 1, 8), make(1, 1, 1, 8)))
    yield Sample("group of 3", (make(1, 6, 1, 16), make(1, 2, 40, 16), make(1, 2, 40, 16)))
    yield Sample("5 tokens", (make(2, 4, 5, 16), make(2, 2, 37, 16), make(2, 2, 37, 16)))
    yield Sample("value 20", (make(1, 2, 2, 12), make(1, 2, 9, 12), make(1, 2, 9, 20)))
    yield Sample("long", (make(1, 8, 1, 64), make(1, 1, 1030, 64), make(1, 1, 1030, 64)))
    cache = make(4, 50, 2, 16).transpose(1, 2), make(4, 50, 2, 16).transpose(1, 2)
    lengths = _numbers([50, 0, 1, 33], device)
    yield Sample("lengths", (make(4, 4, 2, 16), *cache), {"lengths": lengths, "return_lse": True})
    pages = make(10, 8, 2, 80), make(10, 8, 2, 80)
    options = {"page_table": table(2, 5), "lengths": _numbers([40, 19], device)}
    yield Sample("pages", (make(2, 4, 3, 80), *pages), options)
    features = {"scale": 0.4, "soft_cap": 3.0, "window": 9, "sinks": make(4).detach()}
    yield Sample("features", (make(2, 4, 3, 80), *pages), {**options, **features})
    few = make(1, 4, 2, 16), make(1, 1, 600, 16), make(1, 1, 600, 16)
    yield Sample("sinks, long", few, {"sinks": make(4).detach(), "return_lse": True})
    shared = make(1, 2, 37, 16).expand(3, 2, 37, 16), make(1, 2, 1, 16).expand(3, 2, 37, 16)
    yield Sample("expanded", (make(3, 1, 2, 16).expand(3, 4, 2, 16), *shared))
    yield Sample("no batch", (make(0, 4, 1, 16), make(0, 2, 5, 16), make(0, 2, 5, 16)))
    yield Sample("no keys", (make(2, 4, 1, 16), make(2, 2, 0, 16), make(2, 2, 0, 16)))


def errors(device: torch.device) -> Iterator[ErrorSample]:
    """Calls that must be refused."""
    q = torch.zeros(2, 4, 1, 8, device=device)
    k = torch.zeros(2, 2, 5, 8, device=device)

    def bad(name: str, error: Any, says: str, *args: Any, **options: Any) -> ErrorSample:
        return ErrorSample(Sample(name, args, options), error, says)

    yield bad("tokens", ShapeError, "1 to 8 tokens", q.expand(2, 4, 9, 8), k, k)
    yield bad("no tokens", ShapeError, "1 to 8 tokens", q[:, :, :0], k, k)
    yield bad("rank", ShapeError, "with a page_table", q, k[0], k[0])
    yield bad("batch", ShapeError, "pass a page_table", q, k[:1], k[:1])
    yield bad("groups", ShapeError, "multiple of key heads", q[:, :3], k, k)
    yield bad("size", ShapeError, "of one size a head", q, k[..., :4], k)
    paged, table = k.transpose(1, 2), _numbers([[0], [2]], device)
    yield bad("pages", ShapeError, "as many pages", q, paged, paged[:1], None, table)
    yield bad("dtypes", DtypeError, "key_cache of float16", q, k.half(), k)
    yield bad("None", DtypeError, "type NoneType", q, k, None)
    yield bad("devices", DeviceError, "one device", q, k, k.to("meta"))
    low = _numbers([5, 6], device)
    yield bad("length", ShapeError, "length 6 of sequence 1", q, k, k, low, check=True)
    yield bad("lengths' dtype", DtypeError, "int64", q, k, k, low.long())
    yield bad("lengths", ShapeError, "lengths of (batch,)", q, k, k, low[:1])
    yield bad("page", ShapeError, "page 2 of sequence 1", q, paged, paged, None, table, check=True)
    few, table = _numbers([5, 3], device), _numbers([[0], [-1]], device)  # a page begun
    yield bad("begun", ShapeError, "page -1 of seq", q, paged, paged, few, table, check=True)
    yield bad("check", DtypeError, "check of type int", q, k, k, check=1)
    yield bad("return_lse", DtypeError, "return_lse of type str", q, k, k, return_lse="no")
    yield bad("window", ShapeError, "sides of 0 or more", q, k, k, window=-1)
    yield bad("sinks", ShapeError, "one sink a head", q, k, k, None, None, q[0, :3, 0, 0])


def latent_samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """Latents of two parts, tokens, lengths, pages; one whose rank is no power of two."""

    def make(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    scale = {"scale": 0.3}
    yield Sample("1x1", (make(1, 1, 1, 20), make(1, 1, 20), 16), scale)
    yield Sample("5 heads", (make(2, 5, 1, 40), make(2, 33, 40), 32), scale)
    yield Sample("tokens, long", (make(1, 6, 3, 40), make(1, 300, 40), 32), scale)
    yield Sample("DeepSeek's", (make(1, 16, 1, 576), make(1, 70, 576), 512), scale)
    yield Sample("odd rank", (make(1, 4, 1, 40), make(1, 33, 40), 24), scale)
    strided = make(2, 3, 4, 40).transpose(1, 2), make(40, 33, 2).permute(2, 1, 0)
    yield Sample("strided", (*strided, 32), scale)
    spread = make(1, 4, 1, 40).expand(2, 4, 3, 40), make(1, 33, 40).expand(2, 33, 40)
    yield Sample("expanded", (*spread, 32), scale)
    yield Sample("no batch", (make(0, 4, 1, 40), make(0, 33, 40), 32), scale)
    yield Sample("no keys", (make(2, 4, 1, 40), make(2, 0, 40), 32), scale)
    table = torch.empty(2, 4, dtype=torch.int32, device=device)
    table = table if device.type == "meta" else _table(2, 4, device)
    lengths = _numbers([31, 8], device)
    options = {"page_table": table, "lengths": lengths, "return_lse": True}
    yield Sample("pages", (make(2, 17, 1, 40), make(8, 8, 40), 32), {**scale, **options})


def latent_errors(device: torch.device) -> Iterator[ErrorSample]:
    """Calls that must be refused."""
    q, cache = torch.zeros(2, 4, 1, 40, device=device), torch.zeros(2, 5, 40, device=device)

    def bad(name: str, error: Any, says: str, *args: Any, **options: Any) -> ErrorSample:
        return ErrorSample(Sample(name, args, {"scale": 0.3, **options}), error, says)

    yield bad("tokens", ShapeError, "1 to 8 tokens", q.expand(2, 4, 9, 40), cache, 32)
    yield bad("cache", ShapeError, "squeeze the heads", q, cache[:, None], 32)
    yield bad("size", ShapeError, "of the query's size", q, cache[..., :30], 24)
    yield bad("value_size", ShapeError, "value_size 41", q, cache, 41)
    yield bad("value_size type", DtypeError, "value_size of type float", q, cache, 32.0)
    yield bad("scale", DtypeError, "scale of type NoneType", q, cache, 32, scale=None)
    yield bad("dtypes", DtypeError, "cache of float16", q, cache.half(), 32)
    yield bad("batch", ShapeError, "pass a page_table", q, cache[:1], 32)
    yield bad("devices", DeviceError, "one device", q, cache.to("meta"), 32)


def _read(query: torch.Tensor, held: int, lengths: torch.Tensor | None, capacity: int) -> int:
    """Bytes of a cache that a step must read, of ``held`` numbers a key."""
    keys = query.shape[0] * capacity if lengths is None else int(lengths.sum())
    return keys * held * query.element_size()


def cost(
    query: torch.Tensor, key_cache: torch.Tensor, value_cache: torch.Tensor,
    lengths: torch.Tensor | None = None, page_table: torch.Tensor | None = None, *others: Any,
    **options: Any,
) -> Cost:  # fmt: skip
    """Read what the sequences hold, once."""
    _, heads, tokens, size = query.shape
    axis, length = (2, 1) if page_table is not None else (1, 2)
    capacity = key_cache.shape[length] * (1 if page_table is None else page_table.shape[1])
    held = key_cache.shape[axis] * (size + value_cache.shape[3])
    output = query.nbytes // size * value_cache.shape[3]
    read = _read(query, held, lengths, capacity)
    flops = 2 * read // query.element_size() * heads // key_cache.shape[axis] * tokens
    return Cost(read + query.nbytes + output, 0, flops, 0)


def latent_cost(
    query: torch.Tensor, cache: torch.Tensor, value_size: int,
    lengths: torch.Tensor | None = None, page_table: torch.Tensor | None = None, **options: Any,
) -> Cost:  # fmt: skip
    """Read the latents once; every head multiplies all of them."""
    _, heads, tokens, size = query.shape
    capacity = cache.shape[1] * (1 if page_table is None else page_table.shape[1])
    read = _read(query, size, lengths, capacity)
    keys = read // size // query.element_size()
    output = query.nbytes // size * value_size
    return Cost(read + query.nbytes + output, 0, 2 * keys * heads * tokens * (size + value_size), 0)


def _case(batch: int, length: int, page: int = 0, key_heads: int = 8, group: int = 8) -> Case:
    """Heads of 128, as Llama 3's 70B has them."""

    def make(device: torch.device) -> Sample:
        def some(*shape: int) -> torch.Tensor:
            return torch.randn(shape, device=device, dtype=torch.bfloat16)

        query = some(batch, key_heads * group, 1, 128)
        if not page:
            shape = (batch, key_heads, length, 128)
            return Sample("", (query, some(*shape), some(*shape)))
        shape = (batch * length // page, page, key_heads, 128)
        table = _table(batch, length // page, device)
        return Sample("", (query, some(*shape), some(*shape)), {"page_table": table})

    kind = f"pages of {page}" if page else "contiguous"
    return Case(f"batch {batch}, {length // 1024}k, {kind}", make)


def _latent_case(batch: int, length: int, heads: int) -> Case:
    def make(device: torch.device) -> Sample:
        query = torch.randn(batch, heads, 1, 576, device=device, dtype=torch.bfloat16)
        cache = torch.randn(batch, length, 576, device=device, dtype=torch.bfloat16)
        return Sample("", (query, cache, 512), {"scale": 192**-0.5})

    return Case(f"batch {batch}, {length // 1024}k, {heads} heads", make)


CASES = (
    _case(1, 8192), _case(1, 131072), _case(16, 8192), _case(16, 32768), _case(128, 8192),
    _case(1, 131072, 64), _case(16, 32768, 64), _case(128, 8192, 16),
)  # fmt: skip
LATENT_CASES = (
    _latent_case(1, 131072, 16), _latent_case(16, 32768, 16), _latent_case(128, 8192, 16),
    _latent_case(128, 8192, 128),
)  # fmt: skip
