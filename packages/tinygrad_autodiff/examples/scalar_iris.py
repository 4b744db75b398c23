# %% [markdown]
"""A network of single numbers learns to tell three species of iris by their petals.

    python examples/scalar_iris.py [--epochs 40] [--picture iris.svg]

Data: length and width of 150 petals (Anderson 1935, Fisher 1936), from scikit-learn. Every weight
is a `Value`; the loss of one batch is a graph of a few thousand of them. Needs the extra
`examples`.
"""

# %%
import random
from dataclasses import dataclass

import numpy as np
from matplotlib import pyplot
from matplotlib.colors import ListedColormap
from sklearn.datasets import load_iris
from tinygrad_autodiff.scalar import Value, exp, log
from tinygrad_autodiff.scalar_nn import MLP
from tqdm import tqdm

# %% [markdown]
# ## The data
# Petals are centred and scaled by the flowers that are trained on.

# %%
BATCH, LEARNING_RATE = 20, 0.1


@dataclass
class Iris:
    """Petals in standard units and species 0 … 2, every fifth flower of a species held out."""

    train: list[tuple[list[float], int]]
    test: list[tuple[list[float], int]]
    centre: np.ndarray
    scale: np.ndarray
    species: list[str]


def iris() -> Iris:
    """The data; a flower whose petal also occurs among the held-out ones is not trained on."""
    raw = load_iris()
    petals, species = raw.data[:, 2:], raw.target
    held_out = np.arange(len(petals)) % 5 == 0
    copies = np.array([(petals[held_out] == petal).all(1).any() for petal in petals])
    known = petals[~copies]
    centre, scale = known.mean(0), known.std(0)
    samples = list(zip(((petals - centre) / scale).tolist(), species.tolist(), strict=True))
    train = [sample for sample, left_out in zip(samples, copies, strict=True) if not left_out]
    test = [sample for sample, chosen in zip(samples, held_out, strict=True) if chosen]
    return Iris(train, test, centre, scale, list(raw.target_names))


# %% [markdown]
# ## Training
# Each batch builds a graph of numbers; `backward` walks it, and every weight takes a step against
# its gradient.


# %%
def cross_entropy(logits: list[Value], label: int) -> Value:
    """-log softmax(logits)[label]; the largest logit is taken out so that exp cannot overflow."""
    largest = max(logit.data for logit in logits)
    return log(sum(exp(logit - largest) for logit in logits)) + largest - logits[label]


def train(model: MLP, samples: list, epochs: int) -> list[float]:
    """Stochastic gradient descent; the mean loss of each epoch."""
    rng, losses = random.Random(0), []
    for _ in (progress := tqdm(range(epochs), unit="epoch")):
        rng.shuffle(samples)
        total = 0.0
        for start in range(0, len(samples), BATCH):
            batch = samples[start : start + BATCH]
            loss = sum(cross_entropy(model(x), label) for x, label in batch) / len(batch)
            for parameter in model.parameters():
                parameter.grad = None
            loss.backward()
            for parameter in model.parameters():
                parameter.data -= LEARNING_RATE * parameter.grad.data
            total += loss.data * len(batch)
        losses.append(total / len(samples))
        progress.set_postfix(loss=f"{losses[-1]:.3f}")
    return losses


def predicted(model: MLP, petal: list[float]) -> int:
    """The species with the largest logit."""
    logits = [logit.data for logit in model(petal)]
    return logits.index(max(logits))


def accuracy(model: MLP, samples: list) -> float:
    """Share of the flowers whose species is predicted."""
    return sum(predicted(model, x) == label for x, label in samples) / len(samples)


# %% [markdown]
# ## What it has learned


# %%
def plot(model: MLP, data: Iris, losses: list[float]) -> object:
    """A figure of the loss, and of the regions that the network draws among the petals."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    left.semilogy(losses)
    left.set(xlabel="epoch", ylabel="cross-entropy (nats)")
    colours = ListedColormap(["C0", "C1", "C2"])
    lengths, widths = np.linspace(0.5, 7.5, 50), np.linspace(0, 2.8, 40)
    grid = [[((x, y) - data.centre) / data.scale for x in lengths] for y in widths]
    regions = [[predicted(model, point.tolist()) for point in row] for row in grid]
    right.pcolormesh(lengths, widths, regions, cmap=colours, alpha=0.25, shading="nearest")
    for samples, marker in ((data.train, "o"), (data.test, "x")):
        for number, name in enumerate(data.species):
            petals = [x for x, label in samples if label == number]
            points = np.array(petals) * data.scale + data.centre
            label = name if marker == "o" else f"{name} (held out)"
            right.plot(*points.T, marker, color=f"C{number}", markersize=4, label=label)
    right.set(xlabel="petal length (cm)", ylabel="petal width (cm)")
    right.legend(fontsize=7)
    return figure


# %% tags=["active-ipynb"]
# data = iris()
# model = MLP([2, 6, 3], seed=1)
# losses = train(model, data.train, epochs=40)
# print(f"held-out accuracy: {accuracy(model, data.test):.3f}")
# plot(model, data, losses);


# %% tags=["active-py"]
def run(epochs: int = 40, picture: str | None = None) -> tuple[float, float, list[float]]:
    """Train and report: accuracy before and after on the held-out flowers, losses."""
    data = iris()
    model = MLP([2, 6, 3], seed=1)
    before = accuracy(model, data.test)
    losses = train(model, data.train, epochs)
    after = accuracy(model, data.test)
    print(f"{len(data.train)} flowers to train on, {len(data.test)} held out")
    print(f"held-out accuracy: {before:.3f} before, {after:.3f} after {epochs} epochs")
    if picture is not None:
        figure = plot(model, data, losses)
        figure.savefig(picture)
        pyplot.close(figure)
        print(f"the picture is {picture}")
    return before, after, losses


def main() -> None:
    import argparse

    parser = argparse.ArgumentParser(description="Train a network of single numbers on irises.")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--picture", default="iris.svg")
    arguments = parser.parse_args()
    run(arguments.epochs, arguments.picture)


if __name__ == "__main__":
    main()
