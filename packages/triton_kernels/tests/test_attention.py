"""What is particular to attention, beside what every op must do."""

import importlib.util
import itertools
import random

import pytest
import torch
from triton_kernels import (
    FlashAttention,
    _compat,
    decode_attention,
    explain,
    flash_attention,
    flash_attention_varlen,
    record_backends,
    register_transformers_attention,
    scaled_dot_product_attention,
)
from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.ops.attention import samples
from triton_kernels.ops.attention.faces import transformers_attention
from triton_kernels.ops.attention.features import kept
from triton_kernels.ops.foundations.dropout import philox

DEVICES = [pytest.param("cpu"), pytest.param("cuda", marks=pytest.mark.gpu)]
CUDA = DEVICES[1:]
pytestmark = pytest.mark.usefixtures("poisoned")
of_faces = pytest.mark.skipif(_compat.interpreting(), reason="says nothing of kernels")


def heads(*shape, value_size=0, groups=1, device="cpu", dtype=torch.float32):
    """Query, key and value of (batch, heads, queries, keys, size)."""
    batch, n, queries, keys, size = shape
    sizes = (n, queries, size), (n // groups, keys, size), (n // groups, keys, value_size or size)
    return [torch.randn(batch, *s, device=device, dtype=dtype, requires_grad=True) for s in sizes]


def grads(output, wanted, seed=0):
    generator = torch.Generator(output.device).manual_seed(seed)
    grad = torch.randn(output.shape, device=output.device, generator=generator).to(output.dtype)
    return torch.autograd.grad(output, wanted, grad)


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


LENGTHS = ((5, 5), (0, 3), (17, 20), (4, 0), (1, 9))


def packed(device, n=4, groups=2, size=16, lengths=LENGTHS, dtype=torch.float32):
    queries, keys = (sum(pair) for pair in zip(*lengths, strict=True))
    q, k, v = heads(1, n, queries, keys, size, groups=groups, device=device, dtype=dtype)
    ends = [[0, *itertools.accumulate(pair)] for pair in zip(*lengths, strict=True)]
    cu = [torch.tensor(e, dtype=torch.int32, device=device) for e in ends]
    tensors = [x.detach()[0].transpose(0, 1).contiguous().requires_grad_() for x in (q, k, v)]
    return (*tensors, *cu)


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


@of_faces
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("lengths", [(6, 6), (4, 9), (9, 4)])
def test_torchs_signature_gives_torchs_results(device, lengths):
    sdpa = torch.nn.functional.scaled_dot_product_attention
    q, k, v = heads(2, 4, *lengths, 16, device=device)
    bias = torch.randn(4, 1, lengths[1], device=device, requires_grad=True)
    mask = torch.rand(lengths, device=device) > 0.3
    mask[:, 0] = True
    for options in ({}, {"is_causal": True}, {"attn_mask": mask}, {"attn_mask": bias}):
        for see in (lambda x: x, lambda x: x[0], lambda x: x[0, 0], lambda x: x[None]):
            args = [see(x) for x in (q, k, v)]
            if args[0].dim() == 2 and options.get("attn_mask") is bias:
                continue
            actual = scaled_dot_product_attention(*args, **options, scale=0.3)
            exact = sdpa(*args, **options, scale=0.3)
            torch.testing.assert_close(actual, exact)
    wanted = (q, k, v, bias)
    actual, exact = (f(q, k, v, bias) for f in (scaled_dot_product_attention, sdpa))
    for a, e in zip(grads(actual, wanted), grads(exact, wanted), strict=True):
        torch.testing.assert_close(a, e, rtol=1e-4, atol=1e-5)
    few = k[:, :2], v[:, :2]
    actual = scaled_dot_product_attention(q, *few, enable_gqa=True)
    torch.testing.assert_close(actual, sdpa(q, *few, enable_gqa=True))


def same_as_torchs(*args, **options):
    """Torch's results and gradients, through sizes that broadcast."""
    found = []
    for function in (
        scaled_dot_product_attention,
        torch.nn.functional.scaled_dot_product_attention,
    ):
        leaves = [x.detach().clone().requires_grad_() for x in args]
        output = function(*leaves, **options)
        found.append((output, *grads(output, leaves)))
    for actual, exact in zip(*found, strict=True):
        torch.testing.assert_close(actual, exact, rtol=1e-4, atol=1e-5)


@of_faces
@pytest.mark.parametrize("device", DEVICES)
def test_torchs_signature_broadcasts_as_torch_does(device):
    q, k, v = heads(2, 6, 3, 5, 8, value_size=6, device=device)
    same_as_torchs(q, k[:1], v[:1])
    same_as_torchs(q, k[0], v)
    same_as_torchs(q[0, 0], k, v)
    same_as_torchs(q, k[:, :1], v[:, :1])
    same_as_torchs(q[:, :1], k, v[:, :1])
    bias = torch.randn(2, 1, 3, 5, device=device)
    same_as_torchs(torch.stack([q, q, q])[:, :1], k, v, bias)
    same_as_torchs(q, k[:, :2], v[:, :3], enable_gqa=True)
    same_as_torchs(q, k[:1, :2], v[:1, :2], enable_gqa=True)
    same_as_torchs(q, k, v, scale=torch.tensor(0.3, device=device))
    same_as_torchs(q, k, v[..., :0])
    output = scaled_dot_product_attention(q[..., :0], k[..., :0], v)
    torch.testing.assert_close(output, v.mean(2, keepdim=True).expand(output.shape))
    output = scaled_dot_product_attention(q, k, v, dropout_p=1.0)
    assert output.shape == (2, 6, 3, 6)
    assert not any(x.any() for x in (output, *grads(output, (q, k, v))))


def test_torchs_signature_refuses_what_torch_refuses():
    q, k, v = heads(1, 4, 3, 3, 8)
    for error, says, args, options in (
        (ShapeError, "attn_mask of shape (1, 1, 4, 3, 3)", (torch.zeros(1, 1, 4, 3, 3),), {}),
        (ShapeError, "what broadcasts to (1, 4, 3, 3)", (torch.zeros(2, 3),), {}),
        (DtypeError, "attn_mask of dtype int32", (torch.zeros(3, 3).int(),), {}),
        (DeviceError, "attn_mask on meta", (torch.zeros(3, 3, device="meta"),), {}),
        (DtypeError, "is_causal of type str", (), {"is_causal": "False"}),
        (DtypeError, "enable_gqa of type int", (), {"enable_gqa": 1}),
        (DtypeError, "scale of type str", (), {"scale": "1"}),
        (ShapeError, "dropout_p 1.5", (), {"dropout_p": 1.5}),
    ):
        with pytest.raises(error) as caught:
            scaled_dot_product_attention(q, k, v, *args, **options)
        assert str(caught.value).startswith("scaled_dot_product_attention: got ")
        assert says in str(caught.value)
    with pytest.raises(ShapeError, match="one size"):
        scaled_dot_product_attention(q, k[..., :4], v)
    with pytest.raises(ShapeError, match="multiple of the others"):
        scaled_dot_product_attention(q, k[:, :3], v[:, :3], enable_gqa=True)
    with pytest.raises(ShapeError, match="enable_gqa=True"):
        scaled_dot_product_attention(q, k[:, :2], v[:, :2])
    with pytest.raises(ShapeError, match="one of them"):
        scaled_dot_product_attention(q, k, v, torch.ones(3, 3).bool(), is_causal=True)
    with pytest.raises(ShapeError, match="two dimensions at least"):
        scaled_dot_product_attention(q, k[0, 0, 0], v)
    with pytest.raises(DtypeError, match="attn_mask of type list"):
        scaled_dot_product_attention(q, k, v, [[True]])


@of_faces
def test_torchs_generator_seeds_the_dropout_of_torchs_signature_and_of_the_module():
    q, k, v = heads(1, 2, 9, 9, 8)
    module = FlashAttention(0.5, causal=True)
    calls = (
        lambda: scaled_dot_product_attention(q, k, v, dropout_p=0.5),
        lambda: module(q, k, v),
    )
    for call in calls:
        torch.manual_seed(1)
        first, second = call(), call()
        torch.manual_seed(1)
        assert torch.equal(call(), first)
        assert not torch.equal(first, second)
    module.eval()
    assert torch.equal(module(q, k, v), flash_attention(q, k, v, causal=True))
    assert "dropout=0.5, causal=True" in repr(module)


def test_the_module_checks_its_options_and_takes_its_slopes():
    q, k, v = heads(1, 4, 5, 7, 8)
    slopes = torch.rand(4)
    module = FlashAttention(alibi_slopes=slopes, window=(3, 1), return_lse=True)
    expected = flash_attention(q, k, v, alibi_slopes=slopes, window=(3, 1), return_lse=True)
    for actual, exact in zip(module(q, k, v), expected, strict=True):
        assert torch.equal(actual, exact)
    assert not torch.equal(expected[0], flash_attention(q, k, v, window=(3, 1)))
    assert "slopes" not in module.state_dict()
    with pytest.raises(TypeError, match="casual"):
        FlashAttention(casual=True)
    with pytest.raises(ShapeError, match=r"FlashAttention: got dropout 2.0"):
        FlashAttention(2.0)
    with pytest.raises(DtypeError, match="return_lse of type str"):
        FlashAttention(return_lse="yes")


def test_what_other_faces_would_take_is_told():
    q, k, v, cu_q, cu_k = packed("cpu")
    for explained in (
        explain("flash_attention_varlen", q, k, v, cu_q, cu_k, causal=True),
        explain("scaled_dot_product_attention", q[0], k[0, :1], v[0, :1], is_causal=True),
    ):
        assert explained.op == "flash_attention"
        assert explained.taken == ("portable" if _compat.interpreting() else "reference")
    with pytest.raises(ShapeError, match="flash_attention_varlen: got a sequence of 17"):
        explain("flash_attention_varlen", q, k, v, cu_q, cu_k, 16)
    with pytest.raises(DtypeError, match="missing a required argument: 'cu_q'"):
        explain("flash_attention_varlen", q, k, v)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = [x.transpose(0, 1)[None] for x in (q, k.bfloat16(), v)]
        assert explain("flash_attention", *mixed).taken == explained.taken


@pytest.mark.parametrize("additive", [False, True])
def test_attention_as_transformers_calls_it(additive):
    q, k, v = heads(2, 4, 5, 7, 8, groups=2)
    mask = torch.rand(2, 1, 5, 7) > 0.3
    sinks = torch.randn(4)
    layer = torch.nn.Identity()
    given = torch.where(mask, 0.0, -1e9) if additive else mask
    output, weights = transformers_attention(
        layer, q, k, v, given, scaling=0.5, softcap=2.0, s_aux=sinks, sliding_window=4
    )
    exact = flash_attention(q, k, v, None, sinks, mask=mask, scale=0.5, soft_cap=2.0)
    torch.testing.assert_close(output, exact.transpose(1, 2))
    assert weights is None
    beside = torch.randn(1, 4, 5, 7)
    output, _ = transformers_attention(layer, q, k, v, given, position_bias=beside)
    exact = flash_attention(q, k, v, beside, mask=mask)
    torch.testing.assert_close(output, exact.transpose(1, 2))
    causal, _ = transformers_attention(layer, q, k, v, None)
    torch.testing.assert_close(causal, flash_attention(q, k, v, causal=True).transpose(1, 2))
    layer.is_causal = False
    full, _ = transformers_attention(layer, q, k, v, None)
    torch.testing.assert_close(full, flash_attention(q, k, v).transpose(1, 2))


@pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None or _compat.interpreting(),
    reason="needs transformers; says nothing of kernels",
)
@pytest.mark.parametrize("family", ["Llama", "Gemma2", "GptOss"])
def test_models_of_transformers_agree_with_their_own_attention(family):
    import transformers

    register_transformers_attention("ours_by_name")
    config = getattr(transformers, f"{family}Config")(
        vocab_size=50, hidden_size=32, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, max_position_embeddings=64,
        sliding_window=4, pad_token_id=0, bos_token_id=1, eos_token_id=2, num_local_experts=2,
        num_experts_per_tok=1, attn_implementation="eager",
    )  # fmt: skip
    model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    ids = torch.randint(3, 50, (2, 11))
    padding = torch.ones_like(ids)
    padding[0, :3] = 0
    expected = model(ids, attention_mask=padding).logits
    model.set_attn_implementation("ours_by_name")
    with record_backends() as record:
        actual = model(ids, attention_mask=padding).logits
    assert [name for name, _ in record] == ["flash_attention"] * 2
    real = padding.bool()
    torch.testing.assert_close(actual[real], expected[real], rtol=1e-4, atol=1e-5)


@of_faces
@pytest.mark.parametrize(
    ("device", "compiler"),
    [("cpu", "aot_eager"), pytest.param("cuda", "inductor", marks=pytest.mark.gpu)],
)
def test_every_face_compiles_whole(device, compiler):
    q, k, v = heads(2, 4, 9, 9, 8, device=device)
    bias = torch.randn(1, 4, 9, 9, device=device, requires_grad=True)
    sinks = torch.randn(4, device=device, requires_grad=True)
    cu = torch.tensor([0, 4, 9], dtype=torch.int32, device=device)
    slopes = torch.rand(4, device=device)

    def program(q, k, v, bias, sinks):
        features = {"window": (3, None), "soft_cap": 4.0, "dropout": 0.2, "seed": 3}
        first, lse = flash_attention(
            q, k, v, bias, sinks, causal=True, alibi_slopes=slopes, return_lse=True, **features
        )
        packed = flash_attention_varlen(*(x[0].transpose(0, 1) for x in (q, k, v)), cu, cu, 5, 5)
        torchs = scaled_dot_product_attention(q, k, v, bias)
        decoded = decode_attention(q[:, :, :1], k, v)
        return first.sum() + lse.sum() + packed.square().sum() + (torchs * decoded).sum()

    wanted = (q, k, v, bias, sinks)
    torch._dynamo.reset()
    expected = program(*wanted)
    actual = torch.compile(program, fullgraph=True, backend=compiler, dynamic=True)(*wanted)
    torch.testing.assert_close(actual, expected)
    pairs = zip(*(torch.autograd.grad(y, wanted) for y in (actual, expected)), strict=True)
    for a, e in pairs:
        torch.testing.assert_close(a, e, rtol=1e-4, atol=1e-5)


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


# --- on a GPU -------------------------------------------------------------------------------------

SIZES = (32, 64, 80, 96, 128, (192, 128), 256)
PAIRS = ((1, 1), (7, 63), (64, 64), (65, 127), (128, 129), (129, 65), (513, 700), (700, 513))
CHOICES = {
    "size": SIZES,
    "lengths": PAIRS,
    "seen": ("all", "causal", "window", "causal window", "mask"),
    "bias": (None, "whole", "shared"),
    "groups": (1, 2, 4),
    "soft_cap": (None, 3.0),
    "slopes": (False, True),
    "sinks": (False, True),
    "dropout": (0.0, 0.2),
    "outside": ("heads", "positions"),
    "dtype": (torch.bfloat16, torch.float16),
}


def crossed_pairwise():
    """Calls in which any two choices meet, found greedily."""
    chance = random.Random(0)
    names = list(CHOICES)
    open_pairs = {
        (a, x, b, y)
        for a, b in itertools.combinations(names, 2)
        for x in range(len(CHOICES[a]))
        for y in range(len(CHOICES[b]))
    }
    calls = []
    while open_pairs:
        tries = [{n: chance.randrange(len(CHOICES[n])) for n in names} for _ in range(60)]

        def met(call):
            return {(a, call[a], b, call[b]) for a, b in itertools.combinations(names, 2)}

        best = max(tries, key=lambda call: len(met(call) & open_pairs))
        open_pairs -= met(best)
        calls.append({n: CHOICES[n][best[n]] for n in names})
    return calls


def errors_within(actual, exact, yardstick, factor, dtype, terms=0.0):
    # A gradient may vanish as a sum of terms that cancel: they too set its magnitude.
    unit = torch.finfo(dtype).eps * max(exact.abs().max().item(), terms)
    error, of_torch = ((x.double() - exact).abs().max() for x in (actual, yardstick))
    assert not actual.isnan().any()
    assert error <= factor * of_torch + unit, (error, of_torch, unit)


@pytest.mark.gpu
@pytest.mark.parametrize(
    "call", crossed_pairwise(), ids=lambda call: "-".join(map(str, call.values()))
)
def test_features_crossed(call):
    size, value_size = call["size"] if isinstance(call["size"], tuple) else (call["size"],) * 2
    queries, keys = call["lengths"]
    device, dtype = "cuda", call["dtype"]
    q, k, v = heads(
        2, 4, queries, keys, size, value_size=value_size, groups=call["groups"], device=device,
        dtype=dtype,
    )  # fmt: skip
    options = {"soft_cap": call["soft_cap"], "dropout": call["dropout"], "seed": 3}
    if "causal" in call["seen"]:
        options["causal"] = True
    if "window" in call["seen"]:
        options["window"] = (60, 40)
    if call["seen"] == "mask":
        options["mask"] = torch.rand(2, 1, queries, keys, device=device) > 0.4
    if call["slopes"]:
        options["alibi_slopes"] = torch.rand(4, device=device) / 8
    bias = {None: None, "whole": (2, 4, queries, keys), "shared": (1, 4, 1, keys)}[call["bias"]]
    bias = bias and torch.randn(bias, device=device, dtype=dtype, requires_grad=True)
    sinks = torch.randn(4, device=device, requires_grad=True) if call["sinks"] else None
    given = [q, k, v, bias, sinks]
    wanted = [x for x in given if x is not None]
    wide = [None if x is None else x.detach().double().requires_grad_() for x in given]
    exact = samples.torch_attention(*wide, **options)
    yardstick = samples.torch_attention(*given, **options)
    if call["outside"] == "positions":
        given[:3] = [x.transpose(1, 2).contiguous().transpose(1, 2) for x in given[:3]]
    output = flash_attention(*given, **options, backend="portable")
    errors_within(output, exact, yardstick, 2, dtype)
    grad = torch.randn_like(yardstick)
    exacts = torch.autograd.grad(exact, [x for x in wide if x is not None], grad.double())
    yardsticks = torch.autograd.grad(yardstick, wanted, grad)
    actuals = torch.autograd.grad(output, wanted, grad)
    terms = (exact * grad).abs().max().item()
    if keys == 1:  # torch's gradient is 0 exactly; ours, what all of a row's terms are rounded by
        terms = (exact * grad).norm(dim=-1).max().item()
    for found in zip(actuals, exacts, yardsticks, strict=True):
        errors_within(*found, 3, dtype, terms)


@pytest.mark.gpu
@pytest.mark.parametrize("length", [8191, 65536])
def test_long_sequences(length):
    q, k, v = heads(1, 1, length, length, 64, device="cuda", dtype=torch.bfloat16)
    output = flash_attention(q, k, v, causal=True, backend="portable")
    found = grads(output, (q, k, v))
    rows = slice(length - 64, length)  # the longest
    exact = samples.torch_attention(
        q[:, :, rows].double(), k.double(), v.double(), causal=True
    )  # fmt: skip
    assert (output[:, :, rows] - exact).abs().max() <= 2 * torch.finfo(torch.bfloat16).eps
    assert not any(x.isnan().any() for x in found)
    theirs = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    for actual, wanted in zip(found, grads(theirs, (q, k, v)), strict=True):
        torch.testing.assert_close(actual, wanted, rtol=0.05, atol=0.02)


@pytest.mark.gpu
def test_attention_beyond_32_bit_offsets():
    torch.cuda.empty_cache()
    batch, n, length, size = 5, 32, 2**16 + 3, 256
    one = torch.randn(1, 1, 200, size, device="cuda", dtype=torch.bfloat16)
    big = torch.zeros(batch, n, length, size, device="cuda", dtype=torch.bfloat16)
    big[-1, -1, -200:] = one[0, 0]
    last = big[:, -1:, -200:]
    output = flash_attention(last, last, last, causal=True, backend="portable")
    expected = flash_attention(one, one, one, causal=True, backend="portable")
    assert big.numel() > 2**31
    assert torch.equal(output[-1:], expected)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_large_magnitudes_stay_finite(dtype):
    q, k, v = heads(1, 2, 257, 300, 64, device="cuda", dtype=dtype)
    with torch.no_grad():
        output = flash_attention(1e4 * q, 1e4 * k, v, backend="portable")
        exact = samples.torch_attention(1e4 * q.double(), 1e4 * k.double(), v.double())
    assert not output.isnan().any()
    # One key takes it all; which one may differ where two are nearly equal.
    same = (output - exact).abs().amax(-1) <= 0.02
    assert same.float().mean() > 0.97
