import itertools

import pytest
import torch
from torch_models.errors import CacheFullError, ConfigError, ShapeError
from torch_models.generation import Sampling, generate, stream
from torch_models.models.gpt import GPT, GPTConfig
from torch_models.models.gpt_weights import save_hf
from transformers import GPT2LMHeadModel
from transformers.generation.logits_process import TopKLogitsWarper, TopPLogitsWarper

GREEDY = Sampling(temperature=0)


@pytest.fixture(scope="module")
def model() -> GPT:
    torch.manual_seed(0)
    model = GPT(
        GPTConfig(vocab_size=61, context_length=32, num_layers=3, num_heads=2, hidden_size=16)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


def _slow_greedy(model: GPT, prompt: list[int], count: int) -> list[int]:
    tokens = list(prompt)
    for _ in range(count):
        tokens.append(int(model(torch.tensor([tokens])).logits[0, -1].argmax()))
    return tokens[len(prompt) :]


def test_greedy_is_transformers_greedy(model, tmp_path) -> None:
    save_hf(model, tmp_path)
    theirs = GPT2LMHeadModel.from_pretrained(tmp_path).eval()
    prompts = torch.randint(0, 61, (4, 6), generator=torch.Generator().manual_seed(0))
    expected = theirs.generate(
        prompts,
        attention_mask=torch.ones_like(prompts),
        do_sample=False,
        max_new_tokens=26,
        pad_token_id=0,
    )
    got = generate(model, prompts.tolist(), 26, GREEDY)
    assert len(set(itertools.chain(*got))) > 5
    assert got == expected[:, 6:].tolist()


def test_prompts_of_different_lengths(model) -> None:
    prompts = [[3, 1, 4, 1, 5, 9, 2, 6], [5], [3, 5, 8]]
    expected = [_slow_greedy(model, prompt, 12) for prompt in prompts]
    assert generate(model, prompts, 12, GREEDY) == expected


def test_stop_tokens_end_each_row(model) -> None:
    prompts = [[3, 1, 4], [5, 5, 5]]
    whole = generate(model, prompts, 12, GREEDY)
    stop = {whole[0][4]}
    expected = [list(itertools.takewhile(lambda t: t not in stop, row)) for row in whole]
    assert generate(model, prompts, 12, GREEDY, stop_tokens=stop) == expected
    steps = list(stream(model, prompts[:1], 12, GREEDY, stop_tokens=stop))
    assert steps[-1] == [None]
    assert len(steps) == len(expected[0]) + 1


def test_stream_gives_tokens_as_they_are_drawn(model) -> None:
    tokens = stream(model, [[3, 1, 4]], 5, GREEDY)
    expected = generate(model, [[3, 1, 4]], 5, GREEDY)[0]
    assert next(tokens) == [expected[0]]
    assert [row[0] for row in tokens] == expected[1:]
    assert list(stream(model, [[3]], 0)) == []


def test_a_seed_repeats(model) -> None:
    def draw(seed: int) -> list[list[int]]:
        generator = torch.Generator().manual_seed(seed)
        return generate(model, [[3, 1], [2]], 20, Sampling(top_p=0.9), generator=generator)

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_filters_are_those_of_transformers() -> None:
    torch.manual_seed(0)
    logits = torch.randn(50, 40) * 3
    for k, p, t in itertools.product((None, 1, 5, 40, 99), (None, 0.01, 0.5, 0.9, 1.0), (0.7, 2)):
        expected = logits / t
        if k is not None:
            expected = TopKLogitsWarper(k)(None, expected)
        if p is not None and p < 1:
            expected = TopPLogitsWarper(p)(None, expected)
        got = Sampling(t, k, p).probabilities(logits)
        torch.testing.assert_close(got, expected.softmax(-1))


def test_draws_follow_the_probabilities() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0, -9.0]])
    sampling = Sampling(temperature=1.5, top_k=4, top_p=0.97)
    generator = torch.Generator().manual_seed(0)
    drawn = sampling.draw(logits.repeat(40_000, 1), generator)
    shares = torch.bincount(drawn, minlength=5) / 40_000
    torch.testing.assert_close(shares, sampling.probabilities(logits)[0], rtol=0, atol=0.01)
    assert Sampling(0).probabilities(logits).tolist() == [[1, 0, 0, 0, 0]]


def test_training_mode_is_restored(model) -> None:
    model.train()
    next(stream(model, [[1]], 3))
    generate(model, [[1]], 3)
    assert model.training
    model.eval()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": -1}, "temperature must be a finite number >= 0"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_k": 0}, "top_k must be an integer >= 1"),
        ({"top_p": 0.0}, "top_p must be a finite number > 0 and <= 1"),
        ({"top_p": 1.5}, "top_p"),
    ],
)
def test_wrong_sampling(arguments, message) -> None:
    with pytest.raises(ConfigError, match=message):
        Sampling(**arguments)


def test_wrong_prompts(model) -> None:
    for prompts in ([], [[1], []]):
        with pytest.raises(ShapeError, match="at least one prompt, and a token in each"):
            generate(model, prompts, 3)
    for prompts in ([1, 2], "ab", ["ab"], [[1.5]], None, 3):
        with pytest.raises(ShapeError, match=r"prompts must be lists of token ids.*put a single"):
            generate(model, prompts, 4)
    with pytest.raises(ConfigError, match="needs a model such as GPT, got NoneType"):
        generate(None, [[1]], 4)
    with pytest.raises(ShapeError, match=r"ids must be in 0..60"):
        generate(model, [[61]], 3)
    with pytest.raises(ConfigError, match="max_new_tokens"):
        generate(model, [[1]], -1)


def test_the_context_is_the_limit(model) -> None:
    assert len(generate(model, [[1] * 30], 3, GREEDY)[0]) == 3
    calls = []
    hook = model.register_forward_pre_hook(lambda *_: calls.append(1))
    for begin in (generate, stream):  # at the call, before anything is computed
        with pytest.raises(CacheFullError, match=r"30 tokens .* 4 exceed .* 32; ask for at most 3"):
            begin(model, [[1] * 30, [1]], 4, GREEDY)
    hook.remove()
    assert calls == []
    with pytest.raises(ShapeError, match="1 to 32 tokens"):
        generate(model, [[1] * 33], 1, GREEDY)
