"""Tokens a second of our GPT-2 and of transformers' GPT-2, with the same weights, in one run.

    python benchmarks/bench_gpt.py                 small configuration on the CPU, float32
    python benchmarks/bench_gpt.py --device cuda   124M on a GPU, bfloat16, torch.compile

Rounds of the two are interleaved and the medians reported. The training step is forward, backward
and a fused AdamW step; generation is greedy, one sequence, with a cache. A model's FLOPs for each
trained token are counted as 6 N + 12 L H Q T (Chowdhery et al. 2022, appendix B; N parameters,
L layers, H heads of size Q, so H Q is hidden_size, T tokens a sequence; causality not discounted),
and MFU is that rate over the peak given.
Prints a table, then the same as JSON lines. Needs transformers.
"""

import argparse
import copy
import json
import statistics
import tempfile
import time
from collections.abc import Callable

import torch
import transformers
from torch_models import GPT, GPTConfig, Sampling, generate
from torch_models.models.gpt_weights import save_hf
from transformers import GPT2LMHeadModel

H200_PEAK = 989e12  # dense bfloat16 FLOP/s, NVIDIA's data sheet


class Case:
    """One model with the two things that are timed."""

    def __init__(self, model: torch.nn.Module, arguments: argparse.Namespace) -> None:
        self.arguments, self.model = arguments, model
        self.vocab_size = model.config.vocab_size
        self.eager = copy.deepcopy(model).eval().to(arguments.dtype)
        step_model = model.train()
        self.stepped = torch.compile(step_model) if arguments.compile else step_model
        fused = {"fused": True} if arguments.device == "cuda" else {}
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, **fused)

    @property
    def ours(self) -> bool:
        return isinstance(self.model, GPT)

    def train(self) -> int:
        a = self.arguments
        tokens = torch.randint(self.vocab_size, (a.batch, a.sequence), device=a.device)
        with torch.autocast(a.device, torch.bfloat16, enabled=a.dtype == torch.bfloat16):
            if self.ours:
                targets = tokens.roll(-1, 1)
                targets[:, -1] = -100  # as transformers: the last position predicts nothing
                loss = self.stepped(tokens, targets).loss
            else:
                loss = self.stepped(tokens, labels=tokens, use_cache=False).loss
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return tokens.numel()

    def generate(self) -> int:
        a = self.arguments
        prompt = torch.zeros(1, a.prompt, dtype=torch.long, device=a.device)
        if self.ours:
            generate(self.eager, prompt.tolist(), a.new_tokens, Sampling(temperature=0))
        else:
            self.eager.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                do_sample=False,
                min_new_tokens=a.new_tokens,
                max_new_tokens=a.new_tokens,
                pad_token_id=0,
            )
        return a.new_tokens


def rate(work: Callable[[], int], seconds: float, device: str) -> float:
    """Tokens a second over repeated calls that fill about `seconds`."""
    _wait(device)
    started, tokens = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        tokens += work()
        _wait(device)
    return tokens / (time.perf_counter() - started)


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def measure(cases: dict[str, Case], arguments: argparse.Namespace) -> list[dict]:
    rows = []
    for work in ("train", "generate"):
        rates: dict[str, list[float]] = {name: [] for name in cases}
        for round_number in range(-1, arguments.rounds):  # round -1 warms up
            for name, case in cases.items():
                value = rate(getattr(case, work), arguments.seconds, arguments.device)
                if round_number >= 0:
                    rates[name].append(value)
        medians = {name: statistics.median(values) for name, values in rates.items()}
        rows += [
            {"work": work, "model": name, "tokens_per_second": round(value, 1)}
            | {"ratio": round(value / medians["transformers"], 3)}
            for name, value in medians.items()
        ]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--peak", type=float, default=H200_PEAK, help="FLOP/s, for MFU on a GPU")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    on_gpu = arguments.device == "cuda"
    if on_gpu and not torch.cuda.is_available():
        raise SystemExit("--device cuda needs a CUDA device, and torch sees none here")
    sizes = (
        GPTConfig.preset("gpt2")
        if on_gpu
        else GPTConfig(
            vocab_size=4096, context_length=256, num_layers=4, num_heads=4, hidden_size=256
        )
    )
    arguments.dtype = torch.bfloat16 if on_gpu else torch.float32
    arguments.compile = on_gpu
    arguments.batch, arguments.sequence = (32, 1024) if on_gpu else (8, 128)
    arguments.prompt, arguments.new_tokens = (128, 256) if on_gpu else (16, 64)

    torch.manual_seed(0)
    ours = GPT(sizes)
    with tempfile.TemporaryDirectory() as folder:
        save_hf(ours, folder)
        theirs = GPT2LMHeadModel.from_pretrained(folder)
    models = {"torch_models": ours, "transformers": theirs}
    cases = {name: Case(m.to(arguments.device), arguments) for name, m in models.items()}
    rows = measure(cases, arguments)

    attention = 12 * sizes.num_layers * sizes.hidden_size * arguments.sequence
    flops = 6 * ours.parameter_count() + attention
    for row in rows:
        if on_gpu and row["work"] == "train":
            row["mfu"] = round(row["tokens_per_second"] * flops / arguments.peak, 3)
    where = torch.cuda.get_device_name() if on_gpu else f"CPU, {torch.get_num_threads()} thread(s)"
    print(
        f"{where}; torch {torch.__version__}, transformers {transformers.__version__}; "
        f"{ours.parameter_count() / 1e6:.1f}M parameters; "
        f"train B{arguments.batch} T{arguments.sequence}; "
        f"generate B1 {arguments.prompt}+{arguments.new_tokens}; {arguments.dtype}"
    )
    print(f"{'work':10}{'model':14}{'tokens/s':>12}{'ratio':>8}{'MFU':>7}")
    for row in rows:
        print(
            f"{row['work']:10}{row['model']:14}{row['tokens_per_second']:12,.0f}"
            f"{row['ratio']:8.2f}{row.get('mfu', ''):>7}"
        )
    for row in rows:
        print(json.dumps({"benchmark": "gpt", "device": where} | row))


if __name__ == "__main__":
    main()
