# %% [markdown]
"""A convolutional network learns to tell clothes apart: 91 % of Fashion-MNIST's test images.

    python examples/fashion_cnn.py [--folder /usr/share/datasets/fashion-mnist] [--epochs 6]
        [--picture fashion.png] [--weights fashion.safetensors]

Data: 70,000 images of 28 x 28 pixels (Xiao, Rasul & Vollgraf 2017) in the four files of the data
set, as Debian's package `dataset-fashion-mnist` installs them. Needs the extra `examples`. Some
ten minutes on two cores.
"""

# %%
from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import report
import tinygrad_autodiff as tg
from tinygrad_autodiff import nn
from tqdm import tqdm

# %% [markdown]
# ## The data
# A file of the data set is a magic number, its sizes, and bytes.


# %%
FOLDER = Path("/usr/share/datasets/fashion-mnist")


def idx(folder: Path, name: str) -> np.ndarray:
    """The array in a file of the IDX format, compressed or not: a magic number, sizes, bytes."""
    path = folder / name
    packed = path.with_name(f"{name}.gz")
    if not (path.exists() or packed.exists()):
        raise SystemExit(
            f"{path} is missing: install the package dataset-fashion-mnist, or --folder"
        )
    raw = path.read_bytes() if path.exists() else gzip.decompress(packed.read_bytes())
    zero, kind, dims = raw[:2], raw[2], raw[3]
    if zero != b"\0\0" or kind != 8:
        raise SystemExit(f"{path} is no IDX file of bytes")
    shape = np.frombuffer(raw, ">u4", dims, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dims).reshape(shape)


def images(folder: Path, part: str) -> tuple[tg.Tensor, tg.Tensor]:
    """Pixels (N, 1, 28, 28) of about zero mean and unit variance, and classes (N,)."""
    pixels = idx(folder, f"{part}-images-idx3-ubyte").astype(np.float32)
    classes = idx(folder, f"{part}-labels-idx1-ubyte").astype(np.int64)
    return tg.tensor((pixels[:, None] / 255 - 0.286) / 0.353), tg.tensor(classes)


# %% [markdown]
# ## The network


# %%
def network() -> nn.Module:
    """Three convolutions, 36,000 parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 24, 3, padding=1, bias=False),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(24, 40, 3, padding=1, bias=False),
        nn.BatchNorm2d(40),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(40, 64, 3, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(3),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(576, 10),
    )


# %% [markdown]
# ## Training
# One cycle: the learning rate rises, then falls to nearly nothing. Half of the batches are shown
# mirrored.


# %%
def accuracy(model: nn.Module, x: tg.Tensor, y: tg.Tensor) -> float:
    model.eval()
    with tg.no_grad():
        parts = zip(x.split(500), y.split(500), strict=True)
        right = [(model(pixels).argmax(1) == classes).sum().item() for pixels, classes in parts]
    return sum(right) / len(y)


def train(folder: Path, epochs: int, batch: int = 128) -> tuple[nn.Module, list[float], float]:
    """The trained model, the loss of every step, and the share of test images it gets right."""
    tg.manual_seed(0)
    x, y = images(folder, "train")
    model = network()
    optimizer = tg.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.02)
    steps = epochs * (len(y) // batch)
    schedule = tg.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps)
    losses = []
    bar = tqdm(total=steps, unit="step")
    for _ in range(epochs):
        model.train()
        for chosen in tg.randperm(len(y)).split(batch)[: len(y) // batch]:
            inputs = x[chosen]
            if tg.rand(1).item() < 0.5:
                inputs = inputs.flip(3)  # a shoe points either way
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), y[chosen])
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            bar.update()
            bar.set_postfix(loss=f"{np.mean(losses[-50:]):.3f}")
    bar.close()
    return model, losses, accuracy(model, *images(folder, "t10k"))


def draw(losses: list[float], share: float) -> object:
    return report.draw(losses, f"Fashion-MNIST: {share:.1%} of the test images", over=50)


# %% tags=["active-ipynb"]
# model, losses, share = train(FOLDER, epochs=6)
# draw(losses, share);


# %% tags=["active-py"]
def main(argv: list[str] | None = None) -> float:
    options = report.options("Train a convolutional network on clothes.", 6, "fashion.png")
    options.add_argument("--folder", type=Path, default=FOLDER)
    given = options.parse_args(argv)
    model, losses, share = train(given.folder, given.epochs)
    report.finish(model, draw(losses, share), given)
    print(f"{share:.2%} of the test images are classified correctly")
    return share


if __name__ == "__main__":
    main()
