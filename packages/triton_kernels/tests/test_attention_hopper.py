"""The Gluon attention: what it refuses, and on a GPU its tilings and orders of work."""

import pytest
import torch
from triton_kernels import flash_attention, record_backends
from triton_kernels.ops.attention import layout, samples
from triton_kernels.ops.attention.features import Features

pytestmark = pytest.mark.usefixtures("poisoned")
FEATURES = Features(scale=0.125, right=0, deterministic=False)


def halves(*shapes, device="cpu", dtype=torch.bfloat16):
    return [torch.randn(shape, device=device, dtype=dtype) for shape in shapes]


def test_the_forward_says_what_it_cannot_take(monkeypatch):
    monkeypatch.setattr(layout, "_gluon_refuses", lambda query: None)
    (q,) = halves((2, 4, 9, 64))
    assert layout.forward_refuses(q, q, q, *FEATURES) is None
    outside = torch.empty(2, 9, 4, 64, dtype=q.dtype).transpose(1, 2)
    assert layout.forward_refuses(outside, q, q, *FEATURES) is None
    apart = torch.empty(2, 4, 9, 68, dtype=q.dtype)[..., :64]
    shifted = torch.empty(q.numel() + 4, dtype=q.dtype)[4:].view(q.shape)
    refused = {
        "no bias, sinks": (q, q, q, FEATURES._replace(sinks=torch.zeros(4))),
        "no dropout": (q, q, q, FEATURES._replace(dropout=0.1)),
        "positive scale": (q, q, q, FEATURES._replace(scale=-1.0)),
        "no tiling": (q, q, torch.empty(2, 4, 9, 128, dtype=q.dtype), FEATURES),
        "heads of the query are not a multiple": (*[q[..., :60].contiguous()] * 3, FEATURES),
        "stride of the key is no multiple": (q, apart, q, FEATURES),
        "value does not begin": (q, q, shifted, FEATURES),
        "head of the value is not in one piece": (q, q, q.mT.contiguous().mT, FEATURES),
        "an empty query": (q[:, :, :0], q, q, FEATURES),
    }
    for reason, (query, key, value, features) in refused.items():
        assert reason in layout.forward_refuses(query, key, value, *features)


def test_the_backward_says_what_it_cannot_take(monkeypatch):
    monkeypatch.setattr(layout, "_gluon_refuses", lambda query: None)
    (q,) = halves((2, 4, 9, 64))
    rows = torch.zeros(2, 4, 9)
    assert layout.backward_refuses(q, q, q, q, rows, rows, *FEATURES) is None
    one = torch.ones(1, dtype=q.dtype).expand(q.shape)
    refused = {
        "deterministic=False": (q, q, FEATURES._replace(deterministic=True)),
        "no soft cap": (q, q, FEATURES._replace(soft_cap=5.0)),
        "as wide as": (q, torch.empty(2, 4, 9, 128, dtype=q.dtype), FEATURES),
        "grad is not in one piece": (one, q, FEATURES),
    }
    for reason, (grad, value, features) in refused.items():
        assert reason in layout.backward_refuses(grad, q, q, value, rows, rows, *features)


# --- on a GPU -------------------------------------------------------------------------------------

SHAPES = (  # batch, heads, key heads, queries, keys
    (1, 1, 1, 65, 2), (2, 4, 2, 300, 300), (1, 2, 1, 127, 129), (1, 2, 2, 513, 100),
    (1, 2, 2, 100, 513), (4, 16, 16, 1024, 1024), (8, 16, 8, 1000, 1100),
)  # fmt: skip


@pytest.mark.gpu
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("size", [64, 96, 128, 256])
@pytest.mark.parametrize("seen", ["all", "causal", "window"])
def test_forward_and_backward_agree_with_float32(shape, size, seen):
    batch, heads, key_heads, queries, keys = shape
    options = {"all": {}, "causal": {"causal": True}, "window": {"window": (100, 30)}}[seen]
    sizes = [(batch, n, length, size) for n, length in ((heads, queries), (key_heads, keys))]
    inputs = halves(sizes[0], sizes[1], sizes[1], sizes[0], device="cuda")
    q, k, v = (x.requires_grad_() for x in inputs[:3])
    with record_backends() as record:
        output = flash_attention(q, k, v, deterministic=False, **options)
        found = (output, *torch.autograd.grad(output, (q, k, v), inputs[3]))
    assert [r for r in record if r[0] != "flash_attention_delta"] == [
        ("flash_attention", "hopper"), ("flash_attention_backward", "hopper"),
    ]  # fmt: skip
    exact = [x.detach().float().requires_grad_() for x in (q, k, v)]
    group = heads // key_heads
    wide = [exact[0], *(x.repeat_interleave(group, 1) for x in exact[1:])]
    expected = samples.torch_attention(*wide, **options)
    expected = (expected, *torch.autograd.grad(expected, exact, inputs[3].float()))
    for actual, wanted in zip(found, expected, strict=True):
        error = (actual - wanted).norm()
        # Two keys leave next to no gradient: what remains is the rounding of the weights.
        assert error <= 0.01 * wanted.norm() + 2e-3 * wanted.numel() ** 0.5
