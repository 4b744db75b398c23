"""Run with the extra `kernels` installed: `pytest -m kernels`."""

import pytest
import torch
from torch_models import ops
from torch_models.models.gpt import GPT, GPTConfig

pytestmark = pytest.mark.kernels


def test_softmax_and_linear_come_from_the_package() -> None:
    x, weight, bias = torch.randn(2, 3, 16), torch.randn(32, 16), torch.randn(32)
    expected = ops.softmax(x), ops.linear(x, weight, bias), ops.linear(x, weight)
    with ops.use(softmax="kernels", linear="kernels"):
        got = ops.softmax(x), ops.linear(x, weight, bias), ops.linear(x, weight)
    torch.testing.assert_close(got, expected)


def test_linear_follows_autocast() -> None:
    x, weight, bias = torch.randn(2, 3, 16), torch.randn(32, 16), torch.randn(32)
    with torch.autocast("cpu", torch.bfloat16):
        expected = ops.linear(x, weight, bias)
        with ops.use(linear="kernels"):
            got = ops.linear(x, weight, bias)
    assert got.dtype is torch.bfloat16
    torch.testing.assert_close(got, expected, rtol=0.02, atol=0.05)


def test_a_model_trains_on_kernels_as_on_torch() -> None:
    torch.manual_seed(0)
    model = GPT(
        GPTConfig(vocab_size=50, context_length=16, num_layers=2, num_heads=2, hidden_size=16)
    )
    tokens = torch.randint(0, 50, (2, 16))
    gradients = []
    for choice in ({}, {"attention": "explicit", "softmax": "kernels", "linear": "kernels"}):
        model.zero_grad()
        with ops.use(**choice):
            model(tokens, tokens).loss.backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-6)


def test_report_names_what_is_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    with ops.use(softmax="kernels"):
        ops.report()
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["softmax", "kernels", "torch", "torch"] in lines
