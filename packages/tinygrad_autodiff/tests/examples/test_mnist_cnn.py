"""The MNIST example reads 97 % of held-out digits, draws its loss and saves its weights."""

import runpy
from pathlib import Path

import pytest
import tinygrad_autodiff as tg

pytestmark = [
    pytest.mark.examples,
    pytest.mark.filterwarnings("default"),  # other packages' warnings are not ours
]
PROGRAM = Path(__file__).parents[2] / "examples" / "mnist_cnn.py"


def test_it_learns(tmp_path):
    picture, weights = tmp_path / "loss.png", tmp_path / "mnist.npz"
    program = runpy.run_path(str(PROGRAM))
    share = program["main"](["--picture", str(picture), "--weights", str(weights)])
    assert share >= 0.97
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert tg.load(weights)["0.weight"].shape == (16, 1, 3, 3)


def test_it_refuses_no_epochs(capsys):
    program = runpy.run_path(str(PROGRAM))
    with pytest.raises(SystemExit):
        program["main"](["--epochs", "0"])
    assert "expected at least 1, got 0" in capsys.readouterr().err
