"""Calls that are alike: the first is checked and settled, the others repeat it."""

import pytest
import torch
from triton_kernels import flash_attention, record_backends, use_backend
from triton_kernels.errors import KernelError
from triton_kernels.ops.attention import checks

DEVICES = [pytest.param("cpu"), pytest.param("cuda", marks=pytest.mark.gpu)]
SHAPE = (2, 4, 37, 64)


def inputs(device, shape=SHAPE, dtype=torch.bfloat16):
    return [torch.randn(shape, device=device, dtype=dtype, requires_grad=True) for _ in range(3)]


@pytest.fixture
def checked(monkeypatch):
    """The calls that have been checked."""
    seen = []
    check = checks.check_heads
    monkeypatch.setattr(checks, "check_heads", lambda *given: seen.append(given) or check(*given))
    return seen


@pytest.mark.parametrize("device", DEVICES)
def test_a_call_like_one_before_is_not_checked_again(device, checked):
    scale = 0.1 + torch.rand(()).item()  # so that no other test has settled this
    q, k, v = inputs(device)
    counts = []
    for change in (
        {}, {}, {"causal": True}, {"causal": True}, {"scale": 2 * scale}, {"return_lse": True},
        {"backend": "reference"}, {"window": (3, None)}, {"soft_cap": 5.0}, {},
    ):  # fmt: skip
        flash_attention(q, k, v, **{"scale": scale, **change})
        counts.append(len(checked))
    assert counts == [1, 1, 2, 2, 3, 4, 5, 6, 7, 7]
    for shape, dtype in (((2, 4, 38, 64), torch.bfloat16), (SHAPE, torch.float16)):
        flash_attention(*inputs(device, shape, dtype), scale=scale)
    flash_attention(*(x.detach()[:1] for x in (q, k, v)), scale=scale)
    flash_attention(*(x.detach().mT.contiguous().mT for x in (q, k, v)), scale=scale)
    with use_backend("flash_attention", "reference"):  # as with backend= above
        flash_attention(q, k, v, scale=scale)
    for _ in range(2):
        flash_attention(q, k, v, scale=scale, dropout=0.5, seed=1)
    assert len(checked) == 7 + 2 + 2 + 2


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("return_lse", [False, True])
def test_a_call_like_one_before_gives_the_same(device, return_lse):
    scale = 0.1 + torch.rand(()).item()
    q, k, v = inputs(device)
    grad = torch.randn_like(q)
    found = []
    for _ in range(3):
        with record_backends() as record:
            result = flash_attention(q, k, v, scale=scale, return_lse=return_lse)
            outputs = result if return_lse else (result,)
            loss = (outputs[0] * grad).sum() + sum(x.sum() for x in outputs[1:])
            gradients = torch.autograd.grad(loss, (q, k, v))
        with torch.no_grad():
            again = flash_attention(q, k, v, scale=scale, return_lse=return_lse)
        assert torch.equal(again[0] if return_lse else again, outputs[0])
        found.append(([x.detach() for x in outputs], gradients, record))
    for outputs, gradients, record in found[1:]:
        assert record == found[0][2]
        assert all(map(torch.equal, outputs, found[0][0]))
        assert all(map(torch.equal, gradients, found[0][1]))
    # Other numbers, as the backend alone sees them.
    others = inputs(device)
    wanted = flash_attention(*others, scale=scale, soft_cap=None, backend="reference")
    assert torch.allclose(flash_attention(*others, scale=scale), wanted, atol=0.02, rtol=0.02)


def test_what_only_equals_a_settled_call_is_refused():
    q, k, v = inputs("cpu")
    for _ in range(2):
        flash_attention(q, k, v, causal=True, window=(1, None), scale=1.0, dropout=0.0)
    for change in (
        {"causal": 1}, {"window": (True, None)}, {"scale": True}, {"dropout": False},
        {"deterministic": 0}, {"seed": False}, {"precision": "tf64"},
    ):  # fmt: skip
        with pytest.raises(KernelError):
            flash_attention(
                q, k, v,
                **{"causal": True, "window": (1, None), "scale": 1.0, "dropout": 0.0, **change},
            )  # fmt: skip
