"""Decoding steps of few sequences, whose keys many programs share: one after another, beside each
other, in graphs."""

import pytest
import torch
from triton_kernels import decode_attention, explain, record_backends

pytestmark = pytest.mark.gpu


def step(key_heads=8, group=8, tokens=1, length=8192, size=128, batch=1, dtype=torch.bfloat16):
    def some(*shape):
        return torch.randn(shape, device="cuda", dtype=dtype)

    cache = (batch, key_heads, length, size)
    return some(batch, key_heads * group, tokens, size), some(*cache), some(*cache)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ({}, {}),
        ({"group": 1, "key_heads": 4}, {}),
        ({"group": 4, "tokens": 4}, {"window": 1000}),
        ({"key_heads": 2, "size": 256, "length": 2500}, {"soft_cap": 20.0}),
        ({"key_heads": 2, "batch": 3, "length": 4000, "size": 64}, {}),
        ({"key_heads": 2, "dtype": torch.float16, "length": 3001}, {}),
        ({"key_heads": 2, "dtype": torch.float32, "length": 3001}, {}),
        ({"key_heads": 2, "size": 96, "length": 3001}, {}),
    ],
    ids=str,
)
@pytest.mark.parametrize("ragged", [False, True])
def test_programs_that_share_keys(shape, options, ragged):
    query, *cache = step(**shape)
    lengths = None
    if ragged:
        lengths = torch.tensor([1500, 7, 0][: len(query)], device="cuda", dtype=torch.int32)
        for own, n in zip(zip(*cache, strict=True), lengths.tolist(), strict=True):
            for x in own:
                x[:, n:] = torch.nan
    result = decode_attention(query, *cache, lengths, return_lse=True, **options)
    again = decode_attention(query, *cache, lengths, return_lse=True, **options)
    exact = [x.float() for x in (query, *cache)]
    wanted = decode_attention(*exact, lengths, return_lse=True, backend="reference", **options)
    bound = 1e-5 if query.dtype is torch.float32 else 0.01
    assert (result[0] - wanted[0]).norm() <= bound * wanted[0].norm()
    assert torch.allclose(result[1], wanted[1], atol=1e-5 if bound < 0.01 else 2e-3)
    assert all(map(torch.equal, result, again))


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"length": 8000},
        {"group": 1, "length": 3001},
        {"key_heads": 3, "group": 5, "length": 5003},
        {"group": 4, "tokens": 4},
        {"group": 2, "tokens": 8, "length": 1001},
        {"key_heads": 2, "batch": 3, "length": 4000},
        {"key_heads": 1, "length": 40000},
    ],
    ids=str,
)
def test_a_short_cache_by_all_processors(shape, dtype, ragged):
    """Tokens' rows beside heads' in memory, caches as projections leave them, sinks."""
    query, *cache = step(**shape, dtype=dtype)
    query = query.transpose(1, 2).contiguous().transpose(1, 2)
    cache = [x.transpose(1, 2).contiguous().transpose(1, 2) for x in cache]
    sinks = torch.randn(query.shape[1], device="cuda", dtype=dtype)
    lengths = None
    if ragged:
        lengths = torch.tensor([700, 7, 0][: len(query)], device="cuda", dtype=torch.int32)
        for own, n in zip(zip(*cache, strict=True), lengths.tolist(), strict=True):
            for x in own:
                x[:, n:] = torch.nan
    options = {"return_lse": True, "sinks": sinks, "lengths": lengths}
    with record_backends() as record:
        result = decode_attention(query, *cache, **options)
        again = decode_attention(query, *cache, **options)
    assert record == [("decode_attention", "hopper")] * 2
    exact = [x.float() for x in (query, *cache)]
    options["sinks"] = sinks.float()
    wanted = decode_attention(*exact, **options, backend="reference")
    assert (result[0] - wanted[0]).norm() <= 0.01 * wanted[0].norm()
    assert torch.allclose(result[1], wanted[1], atol=2e-3)
    assert all(map(torch.equal, result, again))


def test_lengths_that_change_between_replays():
    query, *cache = step()
    lengths = torch.tensor([8192], device="cuda", dtype=torch.int32)
    decode_attention(query, *cache, lengths, check=False)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = decode_attention(query, *cache, lengths, check=False)
    for n in (1, 64, 65, 4100, 8191, 8192):
        lengths.fill_(n)
        graph.replay()
        wanted = decode_attention(query, *(x[:, :, :n] for x in cache), backend="portable")
        assert (found - wanted).norm() <= 0.01 * wanted.norm()


def test_what_is_no_short_cache():
    def refusal(*args, **options):
        return explain("decode_attention", *args, **options).reasons["hopper"]

    assert refusal(*step()) == "taken: first that can"
    refused = {
        "512 keys at most": step(length=9000),
        "heads of 128": step(size=64),
        "16 heads of a group": step(group=17),
        "float16 and bfloat16": step(dtype=torch.float32),
        "among all processors": step(length=200),
    }
    for reason, call in refused.items():
        assert reason in refusal(*call)
    assert "window" in refusal(*step(), window=100)
    assert "soft cap" in refusal(*step(), soft_cap=10.0)


@pytest.fixture
def steps():
    """Calls on caches of their own, and what each gives by itself."""
    calls = [step(key_heads=n) for n in (8, 2, 4, 8, 1, 8)]
    torch.cuda.synchronize()
    alone = []
    for call in calls:
        alone.append(decode_attention(*call))
        torch.cuda.synchronize()
    return calls, alone


def test_a_step_waits_for_the_one_before(steps):
    """Each queries by what the one before gave, which may still be at work when it starts."""
    query, *_ = step()
    caches = [call[1:] for call in steps[0] if call[1].shape[1] == 8]
    found = []
    for wait in (True, False, False):
        q = query
        for _ in range(10):
            for cache in caches:
                q = decode_attention(q, *cache, scale=30.0)  # so that few keys count
                if wait:
                    torch.cuda.synchronize()
        found.append(q)
    assert found[0].norm() > query.norm() / 2
    assert all(torch.equal(found[0], x) for x in found[1:])


def test_steps_on_streams_of_their_own(steps):
    calls, alone = steps
    streams = [torch.cuda.Stream() for _ in range(3)]
    results = []
    for _ in range(20):
        for i, call in enumerate(calls):
            with torch.cuda.stream(streams[i % 3]):
                results.append(decode_attention(*call))
    torch.cuda.synchronize()
    assert all(torch.equal(x, alone[i % len(calls)]) for i, x in enumerate(results))


def test_steps_in_a_graph_beside_others(steps):
    calls, alone = steps
    side, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=side):
        captured = [decode_attention(*call) for call in calls]
    for _ in range(3):
        with torch.cuda.stream(side):
            graph.replay()
        beside = [decode_attention(*call) for call in calls]
        torch.cuda.synchronize()
        assert all(map(torch.equal, beside, alone))
        for x, y in zip(captured, alone, strict=True):
            assert (x - y).norm() <= 0.01 * y.norm()
