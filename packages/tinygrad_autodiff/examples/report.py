"""What the three programs on images share: their options, the curve they draw, what they save."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import tinygrad_autodiff as tg
from matplotlib import pyplot
from tinygrad_autodiff import nn, safetensors


def options(about: str, epochs: int, picture: str) -> argparse.ArgumentParser:
    """The command line: how long to train, where to draw, where to save."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--epochs", type=_positive, default=epochs)
    parser.add_argument("--picture", default=picture, help="where the loss is drawn")
    parser.add_argument("--weights", help="where the weights are saved (.npz or .safetensors)")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {number}")
    return number


def draw(losses: list[float], title: str, over: int = 20) -> Any:
    """The loss of every step, and its mean over the last `over` steps; returns the figure."""
    smooth = np.convolve(losses, np.ones(over) / over, "valid")
    figure, axes = pyplot.subplots(figsize=(6, 3.2), layout="constrained")
    axes.semilogy(losses, color="0.8", linewidth=0.8, label="one batch")
    label = f"mean of {over} batches"
    axes.semilogy(np.arange(len(smooth)) + over - 1, smooth, color="tab:blue", label=label)
    axes.set(xlabel="step", ylabel="cross-entropy (nats)", title=title)
    axes.legend()
    return figure


def finish(model: nn.Module, figure: Any, given: argparse.Namespace) -> None:
    """Print the model; write the picture and, where asked to, the weights."""
    print(model)
    figure.savefig(given.picture, dpi=100)
    pyplot.close(figure)
    if given.weights and given.weights.endswith(".safetensors"):
        safetensors.save_file(model.state_dict(), given.weights)
    elif given.weights:
        tg.save(model.state_dict(), given.weights)
