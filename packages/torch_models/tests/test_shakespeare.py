"""Run with the extra `examples` installed: `pytest -m examples`; a minute on two cores."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from torch_models import BPETokenizer, train_bpe
from torch_models.models.gpt_weights import load_hf

pytestmark = pytest.mark.examples
EXAMPLE = Path(__file__).parents[1] / "examples" / "shakespeare.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("shakespeare", EXAMPLE)
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


@pytest.mark.examples(seconds=70)
def test_gpt_beats_kneser_ney(tmp_path) -> None:
    command = [sys.executable, str(EXAMPLE), "--folder", str(tmp_path), "--steps", "400"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    result = json.loads((tmp_path / "result.json").read_text())
    assert 2.25 < result["kneser_ney"] < 2.35
    assert result["gpt"] < result["kneser_ney"] - 0.01
    for name in ("kneser_ney", "gpt", "sample"):
        value = result[name]
        assert (value if isinstance(value, str) else f"{value:.3f}") in printed
    assert len(result["sample"]) > 50
    assert result["curve"][0][1] > 1.5 * result["curve"][-1][1]
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    metrics = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(metrics[-1])["step"] == 400
    model, tokenizer = load_hf(tmp_path / "model"), BPETokenizer.load(tmp_path / "model")
    assert len(tokenizer) == model.config.vocab_size
    assert tokenizer.encode("<|endoftext|>", special=True) == [0]
