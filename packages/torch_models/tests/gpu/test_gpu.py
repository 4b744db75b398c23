"""Run on a machine with a CUDA device: `pytest -m gpu`; without one it fails at once."""

import copy

import pytest
import torch
from torch_models import ops
from torch_models.generation import Sampling, generate
from torch_models.models.gpt import GPT, GPTConfig
from torch_models.training import TokenWindows, Trainer, TrainingConfig

pytestmark = pytest.mark.gpu

CONFIG = GPTConfig(vocab_size=512, context_length=128, num_layers=4, num_heads=4, hidden_size=128)


@pytest.fixture(scope="module")
def model() -> GPT:
    torch.manual_seed(0)
    model = GPT(CONFIG)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval()


@pytest.fixture(scope="module")
def tokens() -> torch.Tensor:
    return torch.randint(0, 512, (4, 128), generator=torch.Generator().manual_seed(0))


def _outputs(model: GPT, tokens: torch.Tensor, **autocast) -> dict[str, torch.Tensor]:
    model = copy.deepcopy(model).to(autocast.pop("device"))
    tokens = tokens.to(next(model.parameters()).device)
    with torch.autocast(tokens.device.type, torch.bfloat16, **autocast):
        logits, loss = model(tokens, tokens.roll(-1, 1))
    loss.backward()
    results = {name: p.grad for name, p in model.named_parameters()} | {"logits": logits.detach()}
    return {name: tensor.float().cpu() for name, tensor in results.items()}


def _error(got: torch.Tensor, expected: torch.Tensor) -> float:
    return ((got - expected).norm() / expected.norm()).item()


def test_forward_and_backward_in_float32(model, tokens) -> None:
    expected = _outputs(model, tokens, device="cpu", enabled=False)
    got = _outputs(model, tokens, device="cuda", enabled=False)
    for name in expected:
        assert _error(got[name], expected[name]) < 1e-4, name


@pytest.mark.parametrize("attention", ["torch", "explicit"])
def test_bfloat16_errs_no_more_than_bfloat16_on_the_cpu(model, tokens, attention) -> None:
    exact = _outputs(model, tokens, device="cpu", enabled=False)
    on_cpu = _outputs(model, tokens, device="cpu", enabled=True)
    with ops.use(attention=attention):
        got = _outputs(model, tokens, device="cuda", enabled=True)
    for name, expected in exact.items():
        assert _error(got[name], expected) <= 2 * _error(on_cpu[name], expected) + 2**-8, name


def test_generation_is_the_cpus(model) -> None:
    prompts = [[3, 1, 4, 1, 5], [9, 2], [6]]
    on_cpu = generate(model, prompts, 40, Sampling(0))
    on_gpu = generate(copy.deepcopy(model).cuda(), prompts, 40, Sampling(0))
    assert on_gpu == on_cpu


def test_cached_logits_are_uncached_logits_in_bfloat16(model, tokens) -> None:
    model = copy.deepcopy(model).cuda().bfloat16()
    tokens = tokens.cuda()
    with torch.inference_mode():
        whole, cache = model(tokens).logits, model.new_cache(4)
        parts = [model(part, cache=cache).logits for part in tokens.split((100, 1, 27), dim=1)]
    assert _error(torch.cat(parts, 1).float(), whole.float()) < 0.02


def test_kernels_softmax(model, tokens) -> None:
    with ops.use(attention="explicit"):
        expected = _outputs(model, tokens, device="cuda", enabled=False)
        with ops.use(softmax="kernels"):
            got = _outputs(model, tokens, device="cuda", enabled=False)
    for name in expected:
        assert _error(got[name], expected[name]) < 1e-4, name


def test_kernels_linear(model, tokens) -> None:
    expected = _outputs(model, tokens, device="cuda", enabled=True)
    with ops.use(linear="kernels"):
        got = _outputs(model, tokens, device="cuda", enabled=True)
    for name in expected:
        assert _error(got[name], expected[name]) < 0.05, name


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_training_and_resuming_in_bfloat16(tmp_path, optimizer) -> None:
    pattern = torch.arange(20_000) * 37 % 512
    config = TrainingConfig(
        steps=60, learning_rate=3e-3, optimizer=optimizer, precision="bfloat16", checkpoint_every=30
    )

    def trainer() -> Trainer:
        torch.manual_seed(0)
        return Trainer(GPT(CONFIG).cuda(), TokenWindows(pattern, 128, 8), config, tmp_path)

    metrics = trainer().train()
    assert metrics[0]["loss"] > 5.5
    assert metrics[-1]["loss"] < 1.0
    (tmp_path / "step-00000060").rename(tmp_path / "finished")
    resumed = trainer()
    assert resumed.resume()
    assert resumed.step == 30
    assert resumed.train()[-1]["loss"] == pytest.approx(metrics[-1]["loss"], rel=0.05)


def test_compiled_model(model, tokens) -> None:
    model, tokens = copy.deepcopy(model).cuda(), tokens.cuda()
    compiled = torch.compile(model, fullgraph=True)
    torch.testing.assert_close(compiled(tokens).logits, model(tokens).logits, rtol=1e-3, atol=1e-3)
