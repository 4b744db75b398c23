"""What is particular to attention, beside what every op must do."""

import itertools

import pytest
import torch
from attention_calls import LENGTHS, grads, heads, packed
from triton_kernels import (
    _compat,
    decode_attention,
    explain,
    flash_attention,
    flash_attention_varlen,
)
from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.ops.attention import samples
from triton_kernels.ops.attention.features import kept
from triton_kernels.ops.foundations.dropout import philox

DEVICES = [pytest.param("cpu"), pytest.param("cuda", marks=pytest.mark.gpu)]
pytestmark = pytest.mark.usefixtures("poisoned")


@pytest.mark.parametrize("device", DEVICES)
def test_positions_outside_heads_are_read_and_written_where_they_lie(device):
    q, k, v = heads(2, 4, 9, 11, 16, groups=2, device=device)
    expected = flash_attention(q, k, v, causal=True)
    expected_grads = grads(expected, (q, k, v))
    views = [x.detach().transpose(1, 2).contiguous().requires_grad_() for x in (q, k, v)]
    output = flash_attention(*(x.transpose(1, 2) for x in views), causal=True)
    assert output.transpose(1, 2).is_contiguous()
    assert torch.equal(output, expected)
    for actual, wanted in zip(grads(output, views), expected_grads, strict=True):
        assert actual.is_contiguous()
        assert torch.equal(actual.transpose(1, 2), wanted)


@pytest.mark.parametrize("device", DEVICES)
def test_rows_that_see_nothing_are_zeros_and_pass_nothing_on(device):
    q, k, v = heads(1, 2, 20, 18, 16, device=device)
    bias = torch.zeros(1, 1, 20, 18, device=device)
    bias[:, :, 5] = -torch.inf
    mask = torch.ones(1, 1, 20, 1, dtype=torch.bool, device=device)
    mask[:, :, 7] = False
    for options in ({"bias": bias}, {"mask": mask}, {"causal": True}):
        blind = torch.tensor({"bias": [5], "mask": [7], "causal": [0, 1]}[next(iter(options))])
        output, lse = flash_attention(q, k, v, **options, return_lse=True)
        nowhere = torch.zeros(20, dtype=torch.bool, device=device)
        nowhere[blind] = True
        assert torch.equal(lse == -torch.inf, nowhere.expand(1, 2, 20))
        assert not output[:, :, blind].any()
        found = grads(output, (q, k, v))
        assert not any(x.isnan().any() for x in found)
        assert not found[0][:, :, blind].any()
    sinks = torch.tensor([0.5, -3.0], device=device)
    output, lse = flash_attention(q, k, v, None, sinks, causal=True, return_lse=True)
    assert not output[:, :, :2].any()
    torch.testing.assert_close(lse[0, :, :2], sinks[:, None].expand(2, 2))


def test_words_are_those_that_philox_authors_published():
    # Random123's known answers for philox4x32 of 7 and of 10 rounds: counter and key 0.
    zeros = [torch.zeros(1, dtype=torch.int64)] * 4
    for rounds, known in (
        (7, [0x5F6FB709, 0x0D893F64, 0x4F121F81, 0x4F730A48]),
        (10, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ):
        assert philox(zeros, 0, rounds).tolist() == [known]


@pytest.mark.parametrize("device", DEVICES)
def test_dropout_drops_what_the_seed_says(device):
    keys = 22
    q, k, _ = heads(2, 2, 17, keys, 16, device=device)
    v = torch.eye(keys, device=device).expand(2, 2, keys, keys)
    output = flash_attention(q, k, v, dropout=0.3, seed=11)  # the weights themselves
    first = 17 * torch.arange(2 * 2, device=device).view(2, 2)
    keep = kept(11, 0.3, first, 17, keys)
    assert torch.equal(output != 0, keep)
    whole = flash_attention(q, k, v)
    torch.testing.assert_close(output, torch.where(keep, whole / 0.7, 0.0))
    assert abs(keep.float().mean() - 0.7) < 0.06
    assert not torch.equal(keep, kept(12, 0.3, first, 17, keys))


@pytest.mark.parametrize("device", DEVICES)
def test_packed_sequences_are_sequences_one_by_one(device):
    q, k, v, cu_q, cu_k = packed(device)
    slopes = torch.rand(len(LENGTHS), 4, device=device)
    sinks = torch.randn(4, device=device, requires_grad=True)
    options = {"causal": True, "window": (7, None), "soft_cap": 4.0, "return_lse": True}
    output, lse = flash_attention_varlen(
        q, k, v, cu_q, cu_k, 17, 20, sinks, alibi_slopes=slopes, **options
    )
    parts = []
    for n, (own_q, own_k) in enumerate(
        zip(itertools.pairwise(cu_q.tolist()), itertools.pairwise(cu_k.tolist()), strict=True)
    ):
        own = [x[slice(*s)].transpose(0, 1)[None] for x, s in ((q, own_q), (k, own_k), (v, own_k))]
        parts.append(flash_attention(*own, None, sinks, alibi_slopes=slopes[n], **options))
    expected = torch.cat([o[0].transpose(0, 1) for o, _ in parts])
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(lse, torch.cat([part[0] for _, part in parts], 1))
    wanted = (q, k, v, sinks)
    for actual, exact in zip(grads(output, wanted), grads(expected, wanted), strict=True):
        torch.testing.assert_close(actual, exact, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
def test_what_no_sequence_covers_is_zero(device):
    q, k, v, cu_q, cu_k = packed(device)
    output, lse = flash_attention_varlen(
        q, k, v, cu_q[:-1], cu_k[:-1], 17, 20, check=False, return_lse=True
    )
    assert not output[-1:].any()
    assert (lse[:, -1:] == -torch.inf).all()
    dq, dk, dv = grads(output, (q, k, v))
    assert not dq[-1:].any()
    assert not dk[-9:].any()
    assert not dv[-9:].any()


@pytest.mark.parametrize("device", DEVICES)
def test_packed_dropout_counts_rows_of_the_packed_tensor(device):
    q, k, _, cu_q, cu_k = packed(device, n=2, groups=1)
    v = torch.eye(k.shape[0], device=device)[:, None].expand(-1, 2, -1)
    output = flash_attention_varlen(q, k, v, cu_q, cu_k, 20, 24, dropout=0.4, seed=5)
    heads = q.shape[0] * torch.arange(2, device=device)
    for (a, b), (c, d) in zip(
        itertools.pairwise(cu_q.tolist()), itertools.pairwise(cu_k.tolist()), strict=True
    ):
        keep = kept(5, 0.4, heads + a, b - a, d - c)
        assert torch.equal(output[a:b, :, c:d].transpose(0, 1) != 0, keep)


def test_ends_that_do_not_add_up_are_told():
    q, k, v, cu_q, cu_k = packed("cpu")
    bad = cu_q.clone()
    bad[2] = 30

    def refused(error, says, *args, **options):
        with pytest.raises(error) as caught:
            flash_attention_varlen(*args, **options)
        assert says in str(caught.value)
        assert str(caught.value).startswith("flash_attention_varlen: got ")

    refused(ShapeError, "rise from 0 to the length 27", q, k, v, bad, cu_k)
    refused(ShapeError, "rise from 0 to the length 37", q, k, v, cu_q, cu_k.clamp(max=36))
    refused(DtypeError, "check of type int", q, k, v, cu_q, cu_k, check=1)
    refused(DtypeError, "return_lse of type str", q, k, v, cu_q, cu_k, return_lse="no")
    refused(ShapeError, "rise from 0", q, k, v, cu_q + 1, cu_k)
    refused(ShapeError, "a sequence of 17 in cu_q", q, k, v, cu_q, cu_k, 16)
    refused(ShapeError, "as many of both", q, k, v, torch.tensor([0, 27]).int(), cu_k)
    refused(ShapeError, "(sequences + 1,)", q, k, v, cu_q[None], cu_k)
    refused(DtypeError, "int64", q, k, v, cu_q.long(), cu_k)
    refused(DtypeError, "of type float", q, k, v, cu_q, cu_k, 17.0)
    refused(DeviceError, "one device", q, k, v, cu_q.to("meta"), cu_k)
    refused(ShapeError, "(length, heads, size) each", q[None], k, v, cu_q, cu_k)
    refused(ShapeError, "multiple of key heads", q[:, :3], k, v, cu_q, cu_k)
    refused(ShapeError, "(4,) or (5, 4)", q, k, v, cu_q, cu_k, alibi_slopes=torch.zeros(2, 4))


@pytest.mark.parametrize("device", DEVICES)
def test_autocast_casts_as_for_torchs_own(device):
    q, k, v = heads(1, 2, 9, 9, 16, device=device)
    with torch.autocast(device, torch.bfloat16):
        output = flash_attention(q, k, v)
        assert flash_attention(q.double(), k.double(), v.double()).dtype is torch.float64
    assert output.dtype is torch.bfloat16
    expected = flash_attention(q.bfloat16(), k.bfloat16(), v.bfloat16())
    assert torch.equal(output, expected)
    assert all(x.dtype is torch.float32 for x in grads(output, (q, k, v)))


def test_no_heads_have_no_results():
    q, k, v = heads(1, 4, 3, 5, 8, groups=2)
    output = flash_attention(q[:, :0], k, v)
    assert output.shape == (1, 0, 3, 8)
    assert not any(x.any() for x in grads(output, (q, k, v)))
    assert decode_attention(q[:, :0], k, v).shape == (1, 0, 3, 8)


def test_a_head_too_wide_for_the_kernels_takes_the_reference():
    q, k, v = heads(1, 1, 3, 3, 300)
    explained = explain("flash_attention", q, k, v)
    assert explained.taken == "reference"
    assert "more than 256" in explained.reasons["portable"]


def test_pairs_counts_what_a_mask_leaves():
    for queries, keys, left, right in ((5, 9, 3, 0), (9, 5, None, 0), (6, 6, 2, 1), (4, 7, 0, 9)):
        ones = torch.ones(1, 1, queries, 1), torch.ones(1, 1, keys, 1), torch.eye(keys)[None, None]
        seen = flash_attention(*ones, window=(left, right)) > 0
        assert samples.pairs(queries, keys, left, right) == int(seen.sum())


@pytest.mark.skipif(not _compat.interpreting(), reason="run with --interpret")
def test_samples_execute_every_kernel(monkeypatch):
    from triton.runtime import interpreter

    launches = set()
    execute = interpreter.GridExecutor.__call__

    def watched(self, *args, **kwargs):
        launches.add(self.fn.__name__)
        return execute(self, *args, **kwargs)

    monkeypatch.setattr(interpreter.GridExecutor, "__call__", watched)
    q, k, v = heads(1, 1, 3, 3, 16)
    bias = torch.zeros(1, 1, 3, 3, requires_grad=True)
    flash_attention(q, k, v, bias).sum().backward()
    assert launches == {"_forward", "_delta", "_keys_backward", "_rows_backward", "_bias_backward"}
