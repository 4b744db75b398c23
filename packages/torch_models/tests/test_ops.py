import sys
import types

import pytest
import torch
from torch.nn import functional
from torch_models import ops
from torch_models.errors import KernelsUnavailableError, OpError


def _qkv(queries: int, keys: int, num_heads: int = 4, num_kv_heads: int = 2) -> list[torch.Tensor]:
    torch.manual_seed(0)
    shapes = [(2, num_heads, queries, 8), (2, num_kv_heads, keys, 8), (2, num_kv_heads, keys, 8)]
    return [torch.randn(shape, dtype=torch.float64) for shape in shapes]


def _defined_attention(q, k, v, causal, mask=None):
    """Attention row by row, head by head, from the definition."""
    out = torch.zeros_like(q)
    group, shift = q.shape[1] // k.shape[1], k.shape[2] - q.shape[2]
    for b in range(q.shape[0]):
        for h in range(q.shape[1]):
            for i in range(q.shape[2]):
                seen = [
                    j
                    for j in range(k.shape[2])
                    if (not causal or j <= i + shift) and (mask is None or mask[b, 0, i, j])
                ]
                scores = torch.stack([q[b, h, i] @ k[b, h // group, j] for j in seen]) / 8**0.5
                weights = scores.exp() / scores.exp().sum()
                out[b, h, i] = sum(
                    w * v[b, h // group, j] for w, j in zip(weights, seen, strict=True)
                )
    return out


@pytest.mark.parametrize("implementation", ["torch", "explicit"])
@pytest.mark.parametrize(("queries", "keys"), [(5, 5), (1, 6), (3, 7)])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_attention_is_its_definition(implementation, queries, keys, causal, masked) -> None:
    q, k, v = _qkv(queries, keys)
    mask = None
    if masked:
        mask = torch.rand(2, 1, queries, keys) > 0.4
        mask[..., 0] = True
    expected = _defined_attention(q, k, v, causal, mask)
    with ops.use(attention=implementation):
        torch.testing.assert_close(ops.attention(q, k, v, causal=causal, mask=mask), expected)


def test_explicit_attention_uses_the_chosen_softmax(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def softmax(x, dim):
        calls.append(x.shape)
        return torch.softmax(x, dim)

    fake = types.ModuleType("triton_kernels")
    fake.softmax = softmax
    monkeypatch.setitem(sys.modules, "triton_kernels", fake)
    with ops.use(attention="explicit", softmax="kernels"):
        ops.attention(*_qkv(3, 3))
    ops.attention(*_qkv(3, 3))
    assert calls == [(2, 4, 3, 3)]


def test_other_ops_match_torch() -> None:
    x, w, b = torch.randn(3, 5, 8), torch.randn(8), torch.randn(8)
    torch.testing.assert_close(ops.softmax(x, 1), x.exp() / x.exp().sum(1, keepdim=True))
    centred = x - x.mean(-1, keepdim=True)
    deviation = (x.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(ops.layer_norm(x, w, b, 1e-5), centred / deviation * w + b)
    root = (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(ops.rms_norm(x, w, 1e-5), x / root * w)
    matrix = torch.randn(6, 8)
    torch.testing.assert_close(ops.linear(x, matrix, None), torch.matmul(x, matrix.T))
    logits, targets = x.flatten(0, 1), torch.arange(15) % 8
    targets[3] = -100
    kept = targets >= 0
    expected = -logits.log_softmax(-1)[kept, targets[kept]].mean()
    torch.testing.assert_close(ops.cross_entropy(logits, targets), expected)


def test_block_choice_is_undone_also_after_an_error() -> None:
    before = ops.choices()
    with ops.use(attention="explicit"):
        assert ops.choices()["attention"] == "explicit"
    assert ops.choices() == before
    with pytest.raises(OpError), ops.use(attention="explicit"):
        ops.use(attention="none")
    assert ops.choices() == before


def test_choice_for_good() -> None:
    ops.use(attention="explicit")
    try:
        assert ops.choices()["attention"] == "explicit"
    finally:
        ops.use(attention="torch")


def test_unknown_names_change_nothing() -> None:
    before = ops.choices()
    with pytest.raises(OpError, match=r"unknown op 'sofmax'; ops are attention, .*softmax"):
        ops.use(attention="explicit", sofmax="torch")
    with pytest.raises(OpError, match=r"unknown implementation 'cuda' of softmax; it has torch, k"):
        ops.use(attention="explicit", softmax="cuda")
    assert ops.choices() == before


def test_missing_package_says_which_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton_kernels", None)
    before = ops.choices()
    with pytest.raises(KernelsUnavailableError, match=r"roadmap-torch-models\[kernels\]"):
        ops.use(attention="explicit", softmax="kernels")
    assert ops.choices() == before


def test_another_package_of_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton_kernels", types.ModuleType("triton_kernels"))
    with pytest.raises(KernelsUnavailableError, match=r"no 'matmul'.*\[kernels\]"):
        ops.use(linear="kernels")


def test_report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "triton_kernels", None)
    with ops.use(attention="explicit"):
        ops.report()
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert set(ops.choices()) <= set(lines)
    assert lines["attention"].split()[1:] == ["explicit", "torch", "torch"]
    assert lines["softmax"].split()[1:3] == ["torch", "-"]
    assert "unavailable" in lines["softmax"]
    assert "[kernels]" in lines["softmax"]


def test_nothing_is_patched() -> None:
    before = (torch.softmax, functional.linear, functional.scaled_dot_product_attention)
    with ops.use(attention="explicit"):
        after = (torch.softmax, functional.linear, functional.scaled_dot_product_attention)
    assert before == after
