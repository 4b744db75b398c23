# %% [markdown]
"""An MLP learns to read handwritten digits: 97 % of held-out digits in a few seconds.

    python examples/digits_mlp.py [--epochs 40] [--picture digits.png] [--weights digits.npz]

Data: 1,797 digits of 8 x 8 pixels (Alpaydin & Kaynak 1998), from scikit-learn. Needs the extra
`examples`: scikit-learn, matplotlib, tqdm.
"""

# %%
from __future__ import annotations

import numpy as np
import report
import tinygrad_autodiff as tg
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tinygrad_autodiff import nn
from tqdm import tqdm

# %% [markdown]
# ## The data


# %%
def digits() -> list[tg.Tensor]:
    """Pixels in [0, 1] and classes, a quarter of them held out."""
    data = load_digits()
    pixels = (data.data / 16).astype(np.float32)
    parts = train_test_split(
        pixels, data.target, test_size=0.25, stratify=data.target, random_state=0
    )
    return [tg.tensor(part) for part in parts]


# %% [markdown]
# ## The network
# Dropout hides a fifth of the first layer at each step, so that no unit relies on one other.


# %%
def network() -> nn.Module:
    """Three linear layers; 17,000 weights."""
    return nn.Sequential(
        nn.Linear(64, 128),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(128, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def accuracy(model: nn.Module, x: tg.Tensor, y: tg.Tensor) -> float:
    model.eval()
    with tg.no_grad():
        right = model(x).argmax(1) == y
    return right.sum().item() / len(y)


# %% [markdown]
# ## Training
# A step asks the loss for the gradients of all weights, and the optimizer to follow them.


# %%
def train(epochs: int, batch: int = 64) -> tuple[nn.Module, list[float], float]:
    """The trained model, the loss of every step, and the share of held-out digits it reads."""
    tg.manual_seed(0)
    x_train, x_test, y_train, y_test = digits()
    model = network()
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.05)
    optimizer = tg.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    bar = tqdm(range(epochs), unit="epoch")
    for _ in bar:
        model.train()
        for indices in tg.randperm(len(y_train)).split(batch):
            optimizer.zero_grad()
            loss = loss_of(model(x_train[indices]), y_train[indices])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        bar.set_postfix(loss=f"{np.mean(losses[-20:]):.3f}")
    return model, losses, accuracy(model, x_test, y_test)


def draw(losses: list[float], share: float) -> object:
    return report.draw(losses, f"MLP on handwritten digits: {share:.1%} of held-out digits")


# %% tags=["active-ipynb"]
# model, losses, share = train(epochs=40)
# draw(losses, share);


# %% tags=["active-py"]
def main(argv: list[str] | None = None) -> float:
    options = report.options("Train an MLP on handwritten digits.", 40, "digits.png")
    given = options.parse_args(argv)
    model, losses, share = train(given.epochs)
    report.finish(model, draw(losses, share), given)
    print(f"held-out digits read: {share:.2%}")
    return share


if __name__ == "__main__":
    main()
