"""Trains a classifier of handwritten digits twice, with torch's functions and with ours.

    python examples/digits.py [--epochs 30] [--plot digits.svg]

The 1,797 digits of scikit-learn (8x8 pixels), a network of one hidden layer, plain gradient
descent with momentum. The two runs start from the same weights and see the same batches; the two
columns of losses must agree, and both reach the same accuracy on the held-out fifth. Works on a
CPU, where our functions take the reference, and on a GPU, where they take the kernels.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import triton_kernels
from sklearn.datasets import load_digits
from tqdm import tqdm

Product = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Softmax = Callable[[torch.Tensor, int], torch.Tensor]
HIDDEN, BATCH, RATE, MOMENTUM = 128, 96, 0.1, 0.9


class Classifier:
    """Two layers of weights, each with its bias as a last row met by a column of ones."""

    def __init__(self, matmul: Product, softmax: Softmax, device: str) -> None:
        self.matmul, self.softmax = matmul, softmax
        generator = torch.Generator().manual_seed(0)
        self.weights = [
            (torch.randn(n + 1, m, generator=generator) / n**0.5).to(device).requires_grad_()
            for n, m in ((64, HIDDEN), (HIDDEN, 10))
        ]
        self.velocities = [torch.zeros_like(weight) for weight in self.weights]

    def probabilities(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 10) from (n, 64)."""
        hidden = self.matmul(with_ones(x), self.weights[0]).relu()
        return self.softmax(self.matmul(with_ones(hidden), self.weights[1]), -1)

    def step(self, x: torch.Tensor, y: torch.Tensor) -> float:
        """One step down the gradient of the mean negative log-likelihood, which is returned."""
        chosen = self.probabilities(x).gather(1, y[:, None])
        loss = -chosen.clamp_min(1e-12).log().mean()
        gradients = torch.autograd.grad(loss, self.weights)
        with torch.no_grad():
            for weight, velocity, gradient in zip(
                self.weights, self.velocities, gradients, strict=True
            ):
                velocity.mul_(MOMENTUM).add_(gradient)
                weight.sub_(RATE * velocity)
        return loss.item()

    def accuracy(self, x: torch.Tensor, y: torch.Tensor) -> float:
        """Share of digits recognised."""
        with torch.no_grad():
            return float((self.probabilities(x).argmax(1) == y).float().mean())


def with_ones(x: torch.Tensor) -> torch.Tensor:
    """(n, m) to (n, m + 1)."""
    return torch.cat([x, x.new_ones(len(x), 1)], 1)


def digits(device: str) -> tuple[torch.Tensor, ...]:
    """Training and held-out images and labels, shuffled the same way every time."""
    images, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(1))
    x = (torch.tensor(images, dtype=torch.float32)[order] / 16).to(device)
    y = torch.tensor(labels)[order].to(device)
    held_out = len(x) // 5
    return x[held_out:], y[held_out:], x[:held_out], y[:held_out]


def plot(losses: list[list[float]], path: Path) -> None:
    """Draws both curves over each other."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.5))
    torch_curve, our_curve = zip(*losses, strict=True)
    axes.plot(torch_curve, linewidth=5, alpha=0.35, label="torch.matmul, torch.softmax")
    axes.plot(our_curve, linewidth=1.2, label="triton_kernels")
    axes.set(xlabel="epoch", ylabel="mean negative log-likelihood", yscale="log")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--plot", type=Path, help="write the loss curves to this file")
    options = parser.parse_args()
    if options.epochs < 1:
        parser.error(f"--epochs must be at least 1, not {options.epochs}")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    x, y, held_out_x, held_out_y = digits(device)
    models = [
        Classifier(torch.matmul, torch.softmax, device),
        Classifier(triton_kernels.matmul, triton_kernels.softmax, device),
    ]
    losses = []
    for epoch in tqdm(range(options.epochs), desc=f"epochs on {device}"):
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(epoch)).to(device)
        batches = order.split(BATCH)
        losses.append(
            [sum(model.step(x[b], y[b]) for b in batches) / len(batches) for model in models]
        )
    print(triton_kernels.explain("matmul", with_ones(x), models[1].weights[0]))
    print("epoch      torch       ours")
    for epoch in sorted({0, *range(4, options.epochs, 5), options.epochs - 1}):
        print(f"{epoch + 1:5d}  {losses[epoch][0]:9.6f}  {losses[epoch][1]:9.6f}")
    for name, model in zip(("torch", "ours"), models, strict=True):
        print(f"held-out accuracy, {name}: {model.accuracy(held_out_x, held_out_y):.1%}")
    if options.plot:
        plot(losses, options.plot)
        print(f"wrote {options.plot}")
    furthest = max(abs(a - b) / a for a, b in losses)
    print(f"largest relative difference of the two losses: {furthest:.1e}")
    return 0 if furthest < 1e-2 else 1


if __name__ == "__main__":
    sys.exit(main())
