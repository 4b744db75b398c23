"""The MNIST example reads 97 % of held-out digits (after six epochs already), draws and saves."""

import runpy

import pytest
import tinygrad_autodiff as tg

pytestmark = [
    pytest.mark.examples,
    pytest.mark.filterwarnings("default"),  # other packages' warnings are not ours
]


def test_it_learns(examples, tmp_path):
    picture, weights = tmp_path / "loss.png", tmp_path / "mnist.npz"
    program = runpy.run_path(str(examples / "mnist_cnn.py"))
    share = program["main"](["--epochs", "6", "--picture", str(picture), "--weights", str(weights)])
    assert share >= 0.97
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert tg.load(weights)["0.weight"].shape == (16, 1, 3, 3)
