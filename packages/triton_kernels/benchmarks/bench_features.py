"""What attention's features cost: the rate of each beside our own dense kernel on equal work.

    python benchmarks/bench_features.py [--cases REGEX] [--output features.jsonl]

Work is counted in pairs of a query and a key that the feature leaves, two products forward and five
backward. The dense call beside it, timed in the same interleaved rounds, has as many tokens and
channels, and its rows see as many keys on average: a window of 1024 keys stands beside a causal
call of 2048. Features that hide nothing by position (a bias, a mask, dropout) are counted in full.
Prints the ratio of rates (1: the feature is free), then JSON lines; at the end the host's time of a
small eager call that tracks gradients, over that of torch's scaled_dot_product_attention.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from bench import environment
from measure import Rival, copy_limit, host_microseconds, median_times, require_gpu
from torch.nn.functional import scaled_dot_product_attention
from triton_kernels import flash_attention, flash_attention_varlen, record_backends
from triton_kernels.ops.attention.samples import pairs

TOKENS, CHANNELS = 16384, 2048
MIXED = (6144, 4096, 2560, 1536, 1024, 640, 320, 64)
"""Lengths of sequences that make up the tokens."""


class Call(NamedTuple):
    """An attention ready to be called, and what it must compute."""

    run: Callable[[], torch.Tensor]
    leaves: tuple[torch.Tensor, ...]
    """What its backward gives gradients of."""
    pairs: int
    """Queries times the keys that each sees, of all heads."""


class Feature(NamedTuple):
    """A feature's call and the dense one beside it."""

    name: str
    goal: float
    make: Callable[[int], Call]
    """Given the size of a head."""
    length: int
    causal: bool
    """Of the dense call."""


def some(*shape: int, leaf: bool = True) -> torch.Tensor:
    return torch.randn(shape, device="cuda", dtype=torch.bfloat16, requires_grad=leaf)


def batched(
    size: int, length: int = 4096, causal: bool = True, group: int = 1, **options: Any
) -> Call:
    """A call of sequences of one length; options are those of ``flash_attention``."""
    batch, heads = TOKENS // length, CHANNELS // size
    q = some(batch, heads, length, size)
    k, v = (some(batch, heads // group, length, size) for _ in range(2))
    leaves = [q, k, v]
    for name in ("bias", "sinks"):
        if name in options:
            options[name] = options[name](heads, length)
            leaves += [options[name]] if options[name].requires_grad else []
    for name in ("mask", "alibi_slopes"):
        if name in options:
            options[name] = options[name](heads, length)
    left = options.get("window", (None, None))[0]
    seen = batch * heads * pairs(length, length, left, 0 if causal else None)
    run = functools.partial(flash_attention, q, k, v, causal=causal, **options)
    return Call(run, tuple(leaves), seen)


def packed(size: int, lengths: tuple[int, ...]) -> Call:
    """Causal sequences one behind the other."""
    heads = CHANNELS // size
    q, k, v = (some(sum(lengths), heads, size) for _ in range(3))
    ends = torch.tensor([0, *itertools.accumulate(lengths)], device="cuda", dtype=torch.int32)
    seen = heads * sum(pairs(n, n, None, 0) for n in lengths)
    run = functools.partial(
        flash_attention_varlen, q, k, v, ends, ends, max(lengths), max(lengths), causal=True
    )
    return Call(run, (q, k, v), seen)


def slopes(heads: int, length: int) -> torch.Tensor:
    return 2.0 ** (-8 / heads * torch.arange(1, heads + 1, device="cuda"))


def blocks(heads: int, length: int) -> torch.Tensor:
    """A mask of a quarter of the pairs, which positions do not tell."""
    return torch.rand(1, 1, length, length, device="cuda") < 0.75


def scores(heads: int, length: int, leaf: bool = True) -> torch.Tensor:
    return some(1, heads, length, length, leaf=leaf)


def of(**options: Any) -> Callable[[int], Call]:
    return functools.partial(batched, **options)


def sequences(*lengths: int) -> Callable[[int], Call]:
    return functools.partial(packed, lengths=lengths)


FEATURES = (
    Feature("GQA 8", 0.9, of(group=8), 4096, True),
    Feature("varlen, 4 of 4k", 0.9, sequences(*(4096,) * 4), 4096, True),
    Feature("varlen, 16 of 1k", 0.9, sequences(*(1024,) * 16), 1024, True),
    Feature("varlen, 64 to 6144", 0.9, sequences(*MIXED), 4096, True),
    Feature("window 1024 of 16k", 0.9, of(length=16384, window=(1024, None)), 2048, True),
    Feature("window 4096 of 16k", 0.9, of(length=16384, window=(4096, None)), 8192, True),
    Feature("soft cap", 0.9, of(soft_cap=30.0), 4096, True),
    Feature("sinks", 0.9, of(sinks=lambda heads, _: some(heads)), 4096, True),
    Feature("ALiBi", 0.7, of(alibi_slopes=slopes), 4096, True),
    Feature("bias", 0.7, of(causal=False, bias=scores), 4096, False),
    Feature(
        "constant bias", 0.7, of(causal=False, bias=functools.partial(scores, leaf=False)),
        4096, False,
    ),
    Feature("boolean mask", 0.7, of(causal=False, mask=blocks), 4096, False),
    Feature("dropout 0.1", 0.7, of(dropout=0.1, seed=1), 4096, True),
)  # fmt: skip


def backward_of(call: Call) -> Callable[[], object]:
    output = call.run()
    grad = torch.randn_like(output)
    return lambda: torch.autograd.grad(output, call.leaves, grad, retain_graph=True)


def backends(work: Callable[[], object]) -> str:
    """What it runs on, as the first of its kernels that is no preparation."""
    with record_backends() as record:
        work()
    return next(backend for kernel, backend in record if not kernel.endswith("_delta"))


DIRECTIONS = (("forward", 4), ("backward", 10))
"""And the operations for each pair and column."""


def rows_of(
    feature: Feature, size: int, rounds: int, directions: tuple[tuple[str, int], ...]
) -> list[dict[str, Any]]:
    """The forward's row and the backward's."""
    calls = {
        "ours": feature.make(size),
        "dense": batched(size, feature.length, feature.causal),
    }
    rows = []
    for direction, products in directions:
        works: dict[str, Callable[[], object]] = {
            name: call.run if direction == "forward" else backward_of(call)
            for name, call in calls.items()
        }
        backend = backends(works["ours"])
        with torch.set_grad_enabled(direction == "backward"):
            times = median_times([Rival(n, [w]) for n, w in works.items()], rounds, 0.02)
        rates = {
            name: products * size * call.pairs / times[name] / 1e9 for name, call in calls.items()
        }
        rows.append({
            "case": f"d{size}, {feature.name}", "direction": direction, "backend": backend,
            "unit": "TFLOP/s", "rates": {name: round(rate, 1) for name, rate in rates.items()},
            "ratio": round(rates["ours"] / rates["dense"], 3), "goal": feature.goal,
        })  # fmt: skip
    return rows


def host_row() -> dict[str, Any]:
    """Microseconds of host time for a forward that tracks gradients, on a small input."""
    q, k, v = (some(2, 4, 128, 64) for _ in range(3))
    works: dict[str, Callable[[], object]] = {
        "ours": lambda: flash_attention(q, k, v, causal=True),
        "torch": lambda: scaled_dot_product_attention(q, k, v, is_causal=True),
    }
    times = host_microseconds(works)
    return {
        "case": "eager call", "direction": "host", "unit": "µs",
        "rates": {name: round(time, 1) for name, time in times.items()},
        "ratio": round(times["ours"] / times["torch"], 2), "goal": 2.5,
    }  # fmt: skip


def line(row: dict[str, Any]) -> str:
    rates = "  ".join(f"{name} {rate:,.1f}" for name, rate in row["rates"].items())
    head = f"{row['case']:<26} {row['direction']:<9} {row.get('backend', ''):<9}"
    return f"{head} {row['ratio']:5.2f} (goal {row['goal']}) {rates} {row['unit']}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", default="", help="only those whose name this matches")
    parser.add_argument("--sizes", type=int, nargs="*", default=[128], help="of a head")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--forward", action="store_true", help="no backward")
    parser.add_argument("--output", type=Path, help="also write the JSON lines to this file")
    options = parser.parse_args()
    device = require_gpu()
    torch.manual_seed(0)
    lines: list[dict[str, Any]] = [environment(device, copy_limit(device))]

    def add(row: dict[str, Any]) -> None:
        lines.append(row)
        print(line(row), flush=True)
        if options.output:  # row by row: a run cut short keeps what it measured
            text = "\n".join(json.dumps(x, ensure_ascii=False) for x in lines)
            options.output.write_text(text + "\n", encoding="utf-8")

    add(host_row())
    for size, feature in itertools.product(options.sizes, FEATURES):
        if re.search(options.cases, feature.name):
            for row in rows_of(feature, size, options.rounds, DIRECTIONS[: 2 - options.forward]):
                add(row)
            torch.cuda.empty_cache()
    print("\n" + "\n".join(json.dumps(x, ensure_ascii=False) for x in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
