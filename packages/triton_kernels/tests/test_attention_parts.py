"""The parts of attention that can be read alone: which blocks are visited, which numbers are read
back, and that no result as a whole is too small."""

import gc

import pytest
import torch
from triton_kernels import (
    _compat,
    decode_attention,
    flash_attention,
    flash_attention_varlen,
    mla_decode_attention,
)
from triton_kernels._compat import tl, triton
from triton_kernels.errors import ShapeError
from triton_kernels.ops.attention import read_once, samples, scheduling

interpreted = pytest.mark.skipif(not _compat.interpreting(), reason="run with --interpret")
CUDA = [pytest.param("cuda", marks=pytest.mark.gpu)]


@triton.jit
def spans(
    out, first, last, length, offset, back, ahead, ragged, BACK: tl.constexpr,
    AHEAD: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    begin, inner, outer, end = scheduling.span(
        first, last, length, offset, back, ahead, ragged, BACK, AHEAD, BLOCK
    )
    tl.store(out, begin)
    tl.store(out + 1, inner)
    tl.store(out + 2, outer)
    tl.store(out + 3, end)


@interpreted
@pytest.mark.parametrize("block", [8, 32])
def test_a_span_is_what_positions_see_and_its_middle_is_seen_whole(block):
    out = torch.zeros(4, dtype=torch.int32)
    whole = 0
    for first, length, offset in ((0, 70, 0), (16, 70, 54), (64, 40, -30), (48, 100, 5)):
        for back, ahead in ((-1, -1), (-1, 0), (20, -1), (20, 9), (60, 40), (0, 0)):
            last = first + 15
            rows = torch.arange(first, last + 1)[:, None] + offset
            others = torch.arange(length)
            seen = torch.ones(16, length, dtype=torch.bool)
            if back >= 0:
                seen &= others >= rows - back
            if ahead >= 0:
                seen &= others <= rows + ahead
            for ragged in (0, 1):
                args = (out, first, last, length, offset, back, ahead, ragged)
                spans[(1,)](*args, BACK=back >= 0, AHEAD=ahead >= 0, BLOCK=block)
                begin, inner, outer, end = out.tolist()
                assert begin % block == inner % block == outer % block == 0
                assert begin <= inner <= outer
                assert not seen[:, :begin].any()
                assert not seen[:, max(end, 0) :].any()
                assert seen[:, inner:outer].all() or (ragged and inner == outer)
                assert outer <= max(end, inner)  # what is seen whole is there
                whole += outer > inner
                if not ragged:  # and as much as can be
                    full = [
                        n for n in range(begin, end - block + 1, block)
                        if seen[:, n : n + block].all()
                    ]  # fmt: skip
                    assert outer - inner == block * len(full)
    assert whole > 10


def test_numbers_are_read_once_as_they_were_last_written():
    x, other = torch.arange(3), torch.arange(3)
    facts = (2, 3)
    assert not read_once.has_passed(facts, x)
    read_once.remember(facts, x)
    assert read_once.has_passed(facts, x)
    assert not read_once.has_passed((2, 4), x)
    assert not read_once.has_passed(facts, other)
    assert not read_once.has_passed(facts, x, other)
    x[0] = 5
    assert not read_once.has_passed(facts, x)
    read_once.remember(facts, x, other)
    assert read_once.has_passed(facts, x, other)
    other += 1
    assert not read_once.has_passed(facts, x, other)
    with torch.inference_mode():
        unversioned = torch.arange(3)
        read_once.remember(facts, unversioned)
        assert read_once.has_passed(facts, unversioned)
    for _ in range(600):
        read_once.remember(facts, torch.arange(2))
    gc.collect()
    assert not read_once.has_passed(facts, torch.arange(2))
    assert len(read_once._passed) <= 256


def test_who_reads_the_numbers():
    x = torch.arange(3)
    assert read_once.due(None, (), x)
    assert read_once.due(None, (), x)  # on the CPU always
    assert not read_once.due(False, (), x)
    assert not read_once.due(None, (), x.to("meta"))
    assert read_once.due(True, (), x.to("meta"))


def test_entries_of_a_page_table_behind_the_length_are_nobodys():
    q, cache = torch.randn(2, 4, 1, 8), torch.randn(3, 4, 2, 8)
    lengths = torch.tensor([3, 6], dtype=torch.int32)
    table = torch.tensor([[0, 0], [2, 1]], dtype=torch.int32)
    padded = torch.tensor([[0, 99], [2, 1]], dtype=torch.int32)
    padded_below = torch.tensor([[0, -1], [2, 1]], dtype=torch.int32)
    expected = decode_attention(q, cache, cache, lengths, table)
    latents = cache[:, :, 0]
    expected_latent = mla_decode_attention(q, latents, 6, lengths, table, scale=0.4)
    for numbers in (padded, padded_below):
        assert torch.equal(decode_attention(q, cache, cache, lengths, numbers), expected)
        found = mla_decode_attention(q, latents, 6, lengths, numbers, scale=0.4)
        assert torch.equal(found, expected_latent)
    with pytest.raises(ShapeError, match="page 99 of sequence 0"):
        decode_attention(q, cache, cache, lengths + 2, padded)


DEVICES = [
    pytest.param("cpu", marks=interpreted),
    *CUDA,
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_no_result_as_a_whole_is_too_small(dtype, device):
    """A bound a number long forgives weights that are all too small; their sum does not."""
    shapes = (1, 2, 20, 64), (1, 2, 50, 64), (1, 2, 50, 32), (1, 2, 20, 32)
    q, k, v, grad = (torch.randn(shape, device=device, dtype=dtype) for shape in shapes)
    found = []
    for function, wide, options in (
        (flash_attention, dtype, {"backend": "portable"}),
        (samples.torch_attention, torch.float64, {}),
    ):
        leaves = [x.detach().to(wide).requires_grad_() for x in (q, k, v)]
        output = function(*leaves, causal=True, **options)
        found.append((output, *torch.autograd.grad(output, leaves, grad.to(wide))))
    # The interpreter cuts bfloat16 off where a GPU rounds it: a third of a unit each time.
    slack = 1e-4 if dtype is torch.float32 else 0.002 if device == "cuda" else 0.012
    for actual, exact in zip(*found, strict=True):
        share = (actual.double() * exact).sum() / exact.square().sum()
        assert abs(share - 1) <= slack


@pytest.mark.gpu
def test_a_models_layers_wait_once():
    q = torch.randn(1000, 4, 64, device="cuda", dtype=torch.bfloat16)
    cache = torch.randn(10, 16, 2, 64, device="cuda", dtype=torch.bfloat16)
    ends, table, lengths = (
        torch.tensor(x, dtype=torch.int32, device="cuda")
        for x in ([0, 300, 1000], [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]], [80, 3])
    )
    few = q[:8].reshape(2, 4, 4, 64)

    def packed(**options):
        flash_attention_varlen(q, q, q, ends, ends, 700, 700, **options)

    def paged(**options):
        decode_attention(few, cache, cache, lengths, table, **options)

    def waits(call, **options):
        torch.cuda.set_sync_debug_mode("error")
        try:
            call(**options)
        except RuntimeError:
            return True
        finally:
            torch.cuda.set_sync_debug_mode("default")
        return False

    for call, numbers, at, wrong, right, says in (
        (packed, ends, 2, 1001, 1000, "rise from 0"), (packed, ends, 1, 200, 300, "of 800 in cu_q"),
        (paged, lengths, 0, 81, 80, "length 81"), (paged, table, (1, 0), 10, 5, "page 10 of"),
    ):  # fmt: skip
        call()
        assert not waits(call)
        assert waits(call, check=True)
        numbers[at] = wrong
        assert waits(call)
        with pytest.raises(ShapeError, match=says):
            call()
        numbers[at] = right
    ends[1] = 200
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):  # nothing is read while it is captured
        packed()
    ends[1] = 300
