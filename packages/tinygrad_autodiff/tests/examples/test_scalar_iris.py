"""Needs the extra `examples`: ``pytest -m examples``."""

import importlib.util
from pathlib import Path

import pytest

pytestmark = pytest.mark.examples


@pytest.fixture(scope="module")
def example():
    path = Path(__file__).parents[2] / "examples" / "scalar_iris.py"
    spec = importlib.util.spec_from_file_location("scalar_iris", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_learns_to_tell_flowers_it_has_not_seen(example, tmp_path):
    before, after, losses = example.run(epochs=40, picture=tmp_path / "iris.svg")
    assert before < 0.7
    assert after >= 0.93
    assert losses[-1] < losses[0] / 4
    assert (tmp_path / "iris.svg").stat().st_size > 10_000


def test_no_held_out_petal_is_trained_on(example):
    data = example.iris()
    assert (len(data.train), len(data.test)) == (93, 30)
    assert not {tuple(x) for x, _ in data.train} & {tuple(x) for x, _ in data.test}


def test_cross_entropy_of_large_logits(example):
    logits = [example.Value(v) for v in (1000.0, 999.0, -1000.0)]
    loss = example.cross_entropy(logits, 1)
    loss.backward()
    assert loss.data == pytest.approx(1.3132616875)
    assert logits[1].grad.data == pytest.approx(-0.7310585786)
