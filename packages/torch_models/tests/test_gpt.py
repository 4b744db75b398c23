import dataclasses
import json

import pytest
import torch
from torch_models import ops
from torch_models.errors import CacheFullError, ConfigError, ShapeError
from torch_models.models.gpt import GPT, GPTConfig

SMALL = GPTConfig(vocab_size=61, context_length=12, num_layers=3, num_heads=2, hidden_size=16)


@pytest.fixture
def model() -> GPT:
    torch.manual_seed(0)
    model = GPT(SMALL)
    with torch.no_grad():  # away from the initial values, where every position looks alike
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randint(0, 61, (3, 12), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_heads": 3}, "num_heads must divide hidden_size, got 3 and 16"),
        ({"num_layers": 0}, "num_layers must be an integer >= 1, got 0"),
        ({"vocab_size": 2.0}, "vocab_size must be an integer"),
        ({"hidden_size": True}, "hidden_size must be an integer"),
        ({"context_length": "8"}, "context_length must be an integer"),
        ({"intermediate_size": 0}, "intermediate_size must be an integer >= 1, got 0"),
        ({"dropout": 1.0}, "dropout must be a finite number >= 0 and < 1, got 1.0"),
        ({"norm_eps": 0.0}, "norm_eps must be a finite number > 0, got 0.0"),
    ],
)
def test_impossible_configurations(change, message) -> None:
    with pytest.raises(ConfigError, match=message):
        GPTConfig(**{**SMALL.to_dict(), **change})


def test_the_size_inside_follows_hidden_size_unless_given() -> None:
    for given, expected in ((None, 4 * 24), (40, 40)):
        config = dataclasses.replace(SMALL, intermediate_size=given)
        wider = dataclasses.replace(config, hidden_size=24)
        assert GPT(wider).blocks[0].feed_forward.expand.weight.shape == (expected, 24)
        assert GPTConfig(**json.loads(json.dumps(wider.to_dict()))) == wider


def test_presets_have_the_published_sizes() -> None:
    published = {"gpt2": 124.4, "gpt2-medium": 354.8, "gpt2-large": 774.0, "gpt2-xl": 1557.6}
    for name, millions in published.items():
        with torch.device("meta"):
            count = GPT(GPTConfig.preset(name)).parameter_count()
        assert count / 1e6 == pytest.approx(millions, abs=0.05)
    assert GPTConfig.preset("gpt2", context_length=64).context_length == 64
    with pytest.raises(ConfigError, match="unknown preset 'gpt3'; presets are gpt2, "):
        GPTConfig.preset("gpt3")


def test_initial_values() -> None:
    torch.manual_seed(0)
    model = GPT(
        GPTConfig(vocab_size=512, context_length=64, num_layers=8, num_heads=4, hidden_size=128)
    )
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2:
            expected = 0.02 / 4 if "project" in name else 0.02
            assert parameter.std().item() == pytest.approx(expected, rel=0.05), name
        else:
            assert (parameter == (1.0 if name.endswith("weight") else 0.0)).all(), name
    tokens = torch.randint(0, 512, (4, 64))
    loss = model(tokens, tokens.roll(1)).loss.item()
    assert loss == pytest.approx(torch.tensor(512.0).log().item(), abs=0.1)


def test_loss_is_the_mean_over_counted_targets(model: GPT, tokens: torch.Tensor) -> None:
    targets = tokens.roll(-1, 1)
    targets[0, :7] = -100
    logits, loss = model(tokens, targets)
    kept = targets >= 0
    expected = -logits.log_softmax(-1)[kept, targets[kept]].mean()
    torch.testing.assert_close(loss, expected)
    assert model(tokens).loss is None


def test_no_token_sees_the_future(model: GPT, tokens: torch.Tensor) -> None:
    changed = tokens.clone()
    changed[:, 7] = (changed[:, 7] + 1) % 61
    before, after = model(tokens).logits, model(changed).logits
    torch.testing.assert_close(before[:, :7], after[:, :7], rtol=0, atol=0)
    assert (before[:, 7:] != after[:, 7:]).any(-1).all()


@pytest.mark.parametrize("cuts", [(12,), (1,) * 12, (5, 1, 6)])
def test_cached_logits_are_uncached_logits(model, tokens, cuts) -> None:
    with torch.inference_mode():
        cache, parts, start = model.new_cache(3), [], 0
        for size in cuts:
            parts.append(model(tokens[:, start : start + size], cache=cache).logits)
            start += size
        torch.testing.assert_close(torch.cat(parts, 1), model(tokens).logits, rtol=0, atol=1e-5)


def test_explicit_ops_give_the_same_logits(model, tokens) -> None:
    expected = model(tokens).logits
    with ops.use(attention="explicit"):
        torch.testing.assert_close(model(tokens).logits, expected, rtol=0, atol=1e-5)


def test_dropout_in_training_alone(tokens) -> None:
    model = GPT(GPTConfig(**{**SMALL.to_dict(), "dropout": 0.5}))
    assert not torch.equal(model(tokens).logits, model(tokens).logits)
    model.eval()
    assert torch.equal(model(tokens).logits, model(tokens).logits)


def test_compiled_model_has_one_graph(model, tokens) -> None:
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(tokens, tokens).loss, model(tokens, tokens).loss)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (torch.zeros(3, dtype=torch.long), r"integers of shape \(batch, sequence\)"),
        (torch.zeros(1, 3), "got torch.float32"),
        (torch.zeros(1, 13, dtype=torch.long), "1 to 12 tokens .* got 13"),
        (torch.zeros(1, 0, dtype=torch.long), "got 0"),
        (torch.full((1, 3), 61), r"ids must be in 0..60, got 61..61"),
        (torch.full((1, 3), -1), "got -1"),
    ],
)
def test_wrong_tokens(model, tokens, message) -> None:
    with pytest.raises(ShapeError, match=message):
        model(tokens)


@pytest.mark.parametrize("config", [None, {}, "gpt2"])
def test_a_model_needs_a_config(config) -> None:
    with pytest.raises(ConfigError, match=f"takes a GPTConfig, got {type(config).__name__}; make"):
        GPT(config)


def test_lists_are_no_tensors(model, tokens) -> None:
    with pytest.raises(ShapeError, match=r"tokens must be a tensor .* got list; wrap it"):
        model([[1, 2]])
    with pytest.raises(ShapeError, match=r"tokens must be a tensor .* got NoneType"):
        model(None)
    with pytest.raises(ShapeError, match=r"targets must be a tensor .* got ndarray"):
        model(tokens, tokens.numpy())


def test_wrong_targets_and_caches(model, tokens) -> None:
    with pytest.raises(ShapeError, match="targets must have the shape of tokens"):
        model(tokens, tokens[:, 1:])
    with pytest.raises(ShapeError, match="cache is for 3 layers and batch 2"):
        model(tokens, cache=model.new_cache(2))
    with torch.inference_mode(), pytest.raises(CacheFullError):
        model(tokens, cache=model.new_cache(3, capacity=11))
    assert model.new_cache(1, capacity=99).layers[0].keys.shape[2] == 12
