import math

import pytest
import torch
from torch_models.errors import ConfigError, DataError
from torch_models.models.gpt import GPT, GPTConfig
from torch_models.tokenizers import train_bpe
from torch_models.training import bits_per_byte
from torch_models.training.evaluate import windows


@pytest.fixture(scope="module")
def parts(real_texts):
    tokenizer = train_bpe(real_texts, 300, ["<s>"])
    torch.manual_seed(0)
    model = GPT(
        GPTConfig(vocab_size=300, context_length=16, num_layers=2, num_heads=2, hidden_size=16)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.train(), tokenizer


@pytest.mark.parametrize("length", [2, 3, 16, 17, 18, 33, 100])
@pytest.mark.parametrize(("context", "stride"), [(16, 8), (16, 1), (16, 16), (1, 1)])
def test_windows_predict_every_position_once(length, context, stride) -> None:
    seen = []
    for begin, size, scored in windows(length, context, stride):
        assert begin >= 0
        assert begin + size < length
        seen += range(begin + 1 + scored, begin + size + 1)
        # each predicted position has its context, as far as the document goes
        assert begin == 0 or scored >= context - stride
    assert seen == list(range(1, length))


def test_full_stride_one_is_the_definition(parts) -> None:
    model, tokenizer = parts
    document = "def test(é):\n    return 1  # ☃\n"
    tokens = [0, *tokenizer.encode(document)]
    assert len(tokens) > 17
    bits = 0.0
    model.eval()
    for i in range(1, len(tokens)):
        logits = model(torch.tensor([tokens[max(0, i - 16) : i]])).logits[0, -1]
        bits -= logits.double().log_softmax(-1)[tokens[i]].item() / math.log(2)
    model.train()
    got = bits_per_byte(model, tokenizer, [document], start_token=0, context_length=16, stride=1)
    assert got == pytest.approx(bits / len(document.encode()), rel=1e-5)
    assert model.training


def test_documents_weigh_by_their_bytes(parts) -> None:
    def score(documents: list[str], **options: int) -> float:
        return bits_per_byte(*parts, documents, start_token=0, context_length=16, **options)

    texts = ["short", "a rather longer text with forty-two bytes "]
    both = (score(texts[:1]) * 5 + score(texts[1:]) * 42) / 47
    assert score(texts) == pytest.approx(both, rel=1e-5)
    assert score(texts, batch_size=1) == pytest.approx(score(texts), rel=1e-5)


def test_a_uniform_model_needs_log_vocabulary_bits(parts) -> None:
    model, tokenizer = GPT(parts[0].config), parts[1]
    torch.nn.init.zeros_(model.token_embedding.weight)
    text = "uniform text"
    expected = len(tokenizer.encode(text)) * math.log2(300) / len(text)
    got = bits_per_byte(model, tokenizer, [text], start_token=0, context_length=16)
    assert got == pytest.approx(expected, rel=1e-5)


def test_wrong_input(parts) -> None:
    for stride in (0, 17):
        with pytest.raises(ConfigError, match=r"stride must be in 1..context_length"):
            bits_per_byte(*parts, ["x"], start_token=0, context_length=16, stride=stride)
    for documents in ([], [""]):
        with pytest.raises(DataError, match="at least one byte"):
            bits_per_byte(*parts, documents, start_token=0, context_length=16)
