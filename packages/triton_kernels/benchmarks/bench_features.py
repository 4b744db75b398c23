"""What attention's features cost: the rate of each beside our own dense kernel on equal work.

    python benchmarks/bench_features.py [--cases REGEX] [--output features.jsonl]

Work is counted in pairs of a query and a key that the feature leaves, two products forward and five
backward. The dense call beside it, timed in the same interleaved rounds, has as many tokens and
channels, and its rows see as many keys on average: a window of 1024 keys stands beside a causal
call of 2048. Features that hide nothing by position (a bias, a mask, dropout) are counted in full.
Prints the ratio of rates (1: the feature is free), then JSON lines; first the host's time of a
small eager call that tracks gradients, over that of torch's scaled_dot_product_attention. Beside
them stand the rates of other attentions that have the feature (``attention_peers``). The bound is
what the ratio would be if only blocks of keys took time: they are multiplied whole, also where an
edge leaves half of them. Rows of the output file that are not measured again stay as they are.
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
from attention_peers import PEERS, varlen_by_fa3
from bench import environment
from measure import Rival, copy_limit, host_microseconds, median_times, require_gpu
from torch.nn.functional import scaled_dot_product_attention
from triton_kernels import flash_attention, flash_attention_varlen, record_backends
from triton_kernels.ops.attention import hopper_order
from triton_kernels.ops.attention.features import UNBOUNDED
from triton_kernels.ops.attention.hopper_forward import tiling
from triton_kernels.ops.attention.layout import block_width
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
    filled: float
    """Their share of the blocks that the forward on Hopper multiplies."""
    peers: dict[str, Callable[[], torch.Tensor]]
    """The same by others; they raise for what they cannot do."""


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


def filled(size: int, length: int, left: int | None, right: int | None) -> float:
    """The share of pairs that are seen among those of the blocks that are visited."""
    left, right = (UNBOUNDED if side is None else side for side in (left, right))
    tile = tiling(block_width(size), length, right != UNBOUNDED)
    rows = 64 * tile.parties
    visited = sum(hopper_order.blocks(length, length, left, right, rows, tile.keys))
    sides = (None if side == UNBOUNDED else side for side in (left, right))
    return pairs(length, length, *sides) / (visited * rows * tile.keys)


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
    sides = options.get("window", (None, None))[0], 0 if causal else None
    seen = batch * heads * pairs(length, length, *sides)
    run = functools.partial(flash_attention, q, k, v, causal=causal, **options)
    peers = {
        name: functools.partial(peer, q, k, v, causal=causal, **options)
        for name, peer in PEERS["flash_attention"].items()
        if name != "eager"
    }
    return Call(run, tuple(leaves), seen, filled(size, length, *sides), peers)


def packed(size: int, lengths: tuple[int, ...]) -> Call:
    """Causal sequences one behind the other."""
    heads = CHANNELS // size
    q, k, v = (some(sum(lengths), heads, size) for _ in range(3))
    ends = torch.tensor([0, *itertools.accumulate(lengths)], device="cuda", dtype=torch.int32)
    each = [pairs(n, n, None, 0) for n in lengths]
    visited = sum(
        n / filled(size, length, None, 0) for n, length in zip(each, lengths, strict=True)
    )
    ours, fa3 = (
        functools.partial(call, q, k, v, ends, ends, max(lengths), max(lengths), causal=True)
        for call in (flash_attention_varlen, varlen_by_fa3)
    )
    return Call(ours, (q, k, v), heads * sum(each), sum(each) / visited, {"FA3": fa3})


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


def able(peers: dict[str, Callable[[], torch.Tensor]]) -> dict[str, Callable[[], torch.Tensor]]:
    """Those that can do it, with or without gradients as it is asked now."""
    fit = {}
    for name, peer in peers.items():
        try:
            peer()
        except (NotImplementedError, ImportError, RuntimeError) as error:
            print(f"  ({name} left out: {type(error).__name__}: {str(error)[:80]})", flush=True)
        else:
            fit[name] = peer
    return fit


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
    ours, dense = calls["ours"], calls["dense"]
    rows = []
    for direction, products in directions:
        forward = direction == "forward"
        with torch.set_grad_enabled(not forward):
            calls |= {name: ours._replace(run=peer) for name, peer in able(ours.peers).items()}
        works: dict[str, Callable[[], object]] = {
            name: call.run if forward else backward_of(call) for name, call in calls.items()
        }
        backend = backends(works["ours"])
        with torch.set_grad_enabled(not forward):
            times = median_times([Rival(n, [w]) for n, w in works.items()], rounds, 0.02)
        rates = {
            name: products * size * call.pairs / times[name] / 1e9 for name, call in calls.items()
        }
        others = {name: rate for name, rate in rates.items() if name not in ("ours", "dense")}
        best = max(others, key=lambda name: others[name], default="")
        rows.append({
            "case": f"d{size}, {feature.name}", "direction": direction, "backend": backend,
            "unit": "TFLOP/s", "rates": {name: round(rate, 1) for name, rate in rates.items()},
            "ratio": round(rates["ours"] / rates["dense"], 3), "goal": feature.goal,
            "best_peer": best,
            **({"bound": round(min(1.0, ours.filled / dense.filled), 3)} if forward else {}),
        })  # fmt: skip
        calls = {"ours": ours, "dense": dense}
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
    bound = f", at most {row['bound']:.2f}" if row.get("bound", 1) < 1 else ""
    return f"{head} {row['ratio']:5.2f} (goal {row['goal']}{bound}) {rates} {row['unit']}"


def key(row: dict[str, Any]) -> tuple[str, str]:
    return row["case"], row["direction"]


def merged(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The old rows, with the new ones in their places."""
    found = {key(row): row for row in old} | {key(row): row for row in new}
    return list(found.values())


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
    old: list[dict[str, Any]] = []
    if options.output and options.output.exists():
        old = [json.loads(x) for x in options.output.read_text(encoding="utf-8").splitlines()][1:]

    def add(row: dict[str, Any]) -> None:
        lines.append(row)
        print(line(row), flush=True)
        if options.output:  # row by row: a run cut short keeps what it measured
            rows = [lines[0], *merged(old, lines[1:])]
            text = "\n".join(json.dumps(x, ensure_ascii=False) for x in rows)
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
