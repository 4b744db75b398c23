"""Run with the extra `examples` installed: `pytest -m examples`; a minute or two on two cores."""

import importlib.util
import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from torch_models import BPETokenizer, train_bpe

pytestmark = pytest.mark.examples


@pytest.fixture(scope="module")
def example():
    path = Path(__file__).parents[1] / "examples" / "shakespeare.py"
    spec = importlib.util.spec_from_file_location("shakespeare", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_plays(example) -> None:
    texts = example.plays()
    assert len(texts) == 38
    assert set(example.HELD_OUT) < set(texts)
    assert 4.9e6 < sum(map(len, texts.values())) < 5.1e6
    assert "HAMLET\nTo be, or not to be: that is the question:\n" in texts["hamlet"]


def test_ids_on_the_plays_are_those_of_tokenizers(example, tmp_path) -> None:
    texts = example.plays()
    tokenizer = train_bpe(list(texts.values())[:4], 1000, [example.END])
    tokenizer.save(tmp_path)
    theirs = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in texts.values():
        ids = tokenizer.encode(text)
        assert ids == theirs.encode(text).ids
        assert tokenizer.decode(ids) == text


def test_gpt_beats_kneser_ney(example, tmp_path) -> None:
    result = example.run(tmp_path)
    assert 2.2 < result.kneser_ney < 2.4
    assert result.gpt < result.kneser_ney - 0.04
    assert result.sample.startswith(example.PROMPT)
    assert len(result.sample) > len(example.PROMPT)
    assert BPETokenizer.load(tmp_path / "model").encode(example.END, special=True) == [0]
    example.plot(tmp_path / "metrics.jsonl", tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    steps = [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").open()]
    assert steps[-1] == 600
