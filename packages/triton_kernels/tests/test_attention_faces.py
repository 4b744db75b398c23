"""Attention as others call it: torch's signature, a module, transformers' interface, compiled."""

import pytest
import torch
from attention_calls import grads, heads, packed
from triton_kernels import (
    FlashAttention,
    _compat,
    decode_attention,
    explain,
    flash_attention,
    flash_attention_varlen,
    mla_decode_attention,
    record_backends,
    register_transformers_attention,
    scaled_dot_product_attention,
)
from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.ops.attention.faces import transformers_attention

DEVICES = [pytest.param("cpu"), pytest.param("cuda", marks=pytest.mark.gpu)]
pytestmark = pytest.mark.usefixtures("poisoned")
of_faces = pytest.mark.skipif(_compat.interpreting(), reason="says nothing of kernels")


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


def contiguous_too(function, *tensors):
    """Results and gradients of tensors as they lie, and of copies; both by Hopper's kernels."""
    results = []
    for given in (tensors, [x.contiguous() for x in tensors]):
        leaves = [x.detach().requires_grad_() for x in given]
        with record_backends() as record:
            y = function(*leaves)
            grads_of = leaves if y.requires_grad else ()
            results.append((y, *(grads(y, grads_of) if grads_of else ())))
        assert {backend for name, backend in record if "delta" not in name} == {"hopper"}
    return zip(*results, strict=True)


SHARED = {
    "batches": (0, 1, 2),
    "heads": (1, 1, 2),
    "keys": (2, 1, 2),
    "queries": (0, 0),
    "bias": (1, 3),
}
"""A dimension, and the places of the tensors that are broadcast along it."""


@pytest.mark.gpu
@pytest.mark.parametrize("size", [64, 128, 256])
@pytest.mark.parametrize("what", SHARED)
def test_hopper_reads_what_is_broadcast_where_it_lies(what, size):
    dim, *places = SHARED[what]
    tensors = heads(3, 4, 300, 520, size, device="cuda", dtype=torch.bfloat16)
    tensors.append(torch.randn(3, 4, 300, 520, device="cuda", dtype=torch.bfloat16))
    for place in places:
        tensors[place] = tensors[place].narrow(dim, 0, 1).expand_as(tensors[place])
    tensors = tensors if what == "bias" and size < 256 else tensors[:3]
    for actual, expected in contiguous_too(
        lambda *args: flash_attention(*args, deterministic=True), *tensors
    ):
        assert torch.equal(actual, expected)


@pytest.mark.gpu
@pytest.mark.parametrize("size", [64, 128, 256])
def test_hopper_reads_one_row_of_a_constant_bias_for_all_queries(size):
    q, k, v = heads(3, 4, 300, 520, size, groups=2, device="cuda", dtype=torch.bfloat16)
    bias = torch.randn(3, 1, 1, 520, device="cuda", dtype=torch.bfloat16)
    found = []
    for given in (bias, bias.expand(3, 1, 300, 520).contiguous()):
        with record_backends() as record:
            y = flash_attention(q, k, v, given, causal=True, deterministic=True)
            found.append((y, *grads(y, (q, k, v))))
        assert record[0] == ("flash_attention", "hopper")
    assert all(map(torch.equal, *found))


@pytest.mark.gpu
def test_hopper_reads_broadcast_heads_of_packs_and_broadcast_latents():
    q, k, v, cu_q, cu_k = packed("cuda", size=64, groups=4, dtype=torch.bfloat16)
    k, v = (x.expand(-1, 4, -1) for x in (k, v))
    pairs = list(
        contiguous_too(
            lambda *args: flash_attention_varlen(*args, cu_q, cu_k, 17, 20, deterministic=True),
            q, k, v,
        )
    )  # fmt: skip
    latents = torch.randn(1, 700, 576, device="cuda", dtype=torch.bfloat16).expand(3, -1, -1)
    for n in (16, 128):
        query = torch.randn(3, n, 1, 576, device="cuda", dtype=torch.bfloat16)
        pairs += contiguous_too(
            lambda *args: mla_decode_attention(*args, 512, scale=0.05), query, latents
        )
    for actual, expected in pairs:
        assert torch.equal(actual, expected)


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
        (DtypeError, "seed of type str", (), {"seed": "1"}),
        (ShapeError, "seed -1", (), {"seed": -1}),
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
    for wrong in ([0.5], slopes.half()):
        with pytest.raises(DtypeError, match="FlashAttention: got alibi_slopes of"):
            FlashAttention(alibi_slopes=wrong)


@pytest.mark.parametrize("name", ["", None, b"ours", ["ours"]])
def test_a_name_for_transformers_is_a_string(name):
    with pytest.raises(DtypeError, match="register_transformers_attention: got name"):
        register_transformers_attention(name)


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


@of_faces
@pytest.mark.parametrize("device", DEVICES)
def test_a_whole_graph_draws_another_seed_at_every_call(device):
    q, k, v = heads(1, 2, 9, 9, 8, device=device)
    module = FlashAttention(0.5, causal=True)
    torch._dynamo.reset()
    with torch._dynamo.config.patch(capture_scalar_outputs=True):
        compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
        runs = []
        for call in (compiled, module):
            torch.manual_seed(1)
            output = call(q, k, v)
            runs.append((output, call(q, k, v), *grads(output, (q, k, v))))
    for actual, expected in zip(*runs, strict=True):
        torch.testing.assert_close(actual, expected)
    assert not torch.equal(runs[0][0], runs[0][1])
