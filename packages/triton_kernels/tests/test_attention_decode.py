"""Decoding steps of few sequences, whose keys many programs share: one after another, beside each
other, in graphs."""

import pytest
import torch
from triton_kernels import decode_attention

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
