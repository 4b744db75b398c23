"""The digits example draws its loss and saves its weights; its notebook's test has it learn."""

import runpy

import pytest
import tinygrad_autodiff as tg

pytestmark = [
    pytest.mark.examples,
    pytest.mark.filterwarnings("default"),  # other packages' warnings are not ours
]


@pytest.fixture
def program(examples):
    return runpy.run_path(str(examples / "digits_mlp.py"))


@pytest.mark.parametrize(
    ("suffix", "load"), [("npz", tg.load), ("safetensors", tg.safetensors.load_file)]
)
def test_it_draws_and_saves(program, tmp_path, suffix, load):
    picture, weights = tmp_path / "loss.png", tmp_path / f"digits.{suffix}"
    options = ["--epochs", "2", "--picture", str(picture), "--weights", str(weights)]
    assert program["main"](options) > 0.5
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert load(weights)["0.weight"].shape == (128, 64)


def test_it_refuses_no_epochs(program, capsys):
    with pytest.raises(SystemExit):
        program["main"](["--epochs", "0"])
    assert "expected at least 1, got 0" in capsys.readouterr().err
