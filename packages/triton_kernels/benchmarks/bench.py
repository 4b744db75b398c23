"""Speed of every op against its peers, on one GPU, in one run.

    python benchmarks/bench.py [op …] [--cases REGEX] [--forward] [--output results.jsonl]

Rows of the output file that are not measured again stay as they are. Prints the copy limit, a
table, then JSON lines. Each row: the op's case, forward or backward, the
backend taken, its rate (GB/s on the bytes that must move, or TFLOP/s), that rate's share of the
limit (the copy limit, or the best torch rate of the run for products), and the ratio to the best
peer (above 1: ahead). Peers: torch eager (cuBLAS for matmul), torch.compile, and Liger where it is
installed. Then the host's time of one eager call.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import triton_kernels
from measure import (
    Rival,
    copies_beyond_cache,
    copy_limit,
    host_microseconds,
    median_times,
    require_gpu,
)
from peers import Function, peers_of, small_call
from triton_kernels import _compat, registry
from triton_kernels.errors import BackendError
from triton_kernels.registry import Case, Op, Sample


def outputs(result: Any) -> tuple[torch.Tensor, ...]:
    return result if isinstance(result, tuple) else (result,)


def able(peers: dict[str, Function], sample: Sample) -> dict[str, Function]:
    """Those that take these inputs: a peer that raises is named and left out of the row."""
    fit = {}
    for name, function in peers.items():
        try:
            function(*sample.args, **sample.kwargs)
        except Exception as error:
            if name == "ours":
                raise
            print(f"  ({name} left out: {type(error).__name__}: {str(error)[:80]})", flush=True)
        else:
            fit[name] = function
    return fit


def tensors(sample: Sample) -> list[torch.Tensor]:
    return [x for x in sample.args if isinstance(x, torch.Tensor)]


def forward_rivals(peers: dict[str, Function], samples: list[Sample]) -> list[Rival]:
    def work(function: Function, sample: Sample) -> Callable[[], object]:
        return lambda: function(*sample.args, **sample.kwargs)

    return [Rival(name, [work(f, s) for s in samples]) for name, f in peers.items()]


def backward_rivals(peers: dict[str, Function], samples: list[Sample]) -> list[Rival]:
    def work(function: Function, sample: Sample) -> Callable[[], object]:
        ys = outputs(function(*sample.args, **sample.kwargs))
        grads = [torch.randn_like(y) for y in ys]
        return lambda: torch.autograd.grad(ys, tensors(sample), grads, retain_graph=True)

    return [Rival(name, [work(f, s) for s in samples]) for name, f in peers.items()]


def step_rivals(peers: dict[str, Function], sample: Sample) -> list[Rival]:
    """Forward and backward together, of ops that make the gradients in the forward."""

    def work(function: Function) -> Callable[[], object]:
        def step() -> None:
            torch.autograd.grad(function(*sample.args, **sample.kwargs), tensors(sample))

        return step

    return [Rival(name, [work(f)]) for name, f in peers.items()]


def step_row(op: Op, case: Case, backend: str, sample: Sample, limit: float) -> dict[str, Any]:
    """Speed and peak memory, inputs left out, of a forward and its backward."""
    for x in tensors(sample):
        x.requires_grad_()
    rivals = step_rivals(able(peers_of(op, sample.args), sample), sample)
    peaks = {}
    for rival in rivals:
        rival.run()
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        rival.run()
        peaks[rival.name] = round((torch.cuda.max_memory_allocated() - before) / 2**30, 3)
        torch.cuda.empty_cache()
    cost = op.cost(*sample.args, **sample.kwargs)
    nbytes = cost.forward_bytes + cost.backward_bytes
    flops = cost.forward_flops + cost.backward_flops
    found = row(op, case, "step", backend, median_times(rivals), nbytes, flops, limit)
    return {**found, "peak_gib": peaks}


def rows_of(
    op: Op, case: Case, device: torch.device, limit: float, backward: bool
) -> list[dict[str, Any]]:
    """The forward's row and, where the backward does any work and is wanted, its row."""
    torch._dynamo.reset()
    first = case.make(device)
    size = sum(x.nbytes for x in tensors(first))
    samples = [first, *(case.make(device) for _ in range(copies_beyond_cache(size, device) - 1))]
    cost = op.cost(*first.args, **first.kwargs)
    backend = triton_kernels.explain(op.name, *first.args, **first.kwargs).taken
    if op.together:
        return [step_row(op, case, backend, first, limit)]
    peers = able(peers_of(op, first.args), first)
    rows = [
        row(op, case, "forward", backend, median_times(forward_rivals(peers, samples)),
            cost.forward_bytes, cost.forward_flops, limit)
    ]  # fmt: skip
    if cost.backward_bytes and backward:
        for sample in samples:
            for x in tensors(sample):
                x.requires_grad_()
        peers = able(peers, first)  # some have a forward only
        times = median_times(backward_rivals(peers, samples))
        rows.append(
            row(op, case, "backward", backend, times,
                cost.backward_bytes, cost.backward_flops, limit)
        )  # fmt: skip
    return rows


def row(
    op: Op, case: Case, direction: str, backend: str, times: dict[str, float],
    nbytes: int, flops: int, limit: float,
) -> dict[str, Any]:  # fmt: skip
    compute = op.bound == "compute"
    work, unit = (flops / 1e9, "TFLOP/s") if compute else (nbytes / 1e6, "GB/s")
    rates = {name: work / ms for name, ms in times.items()}
    # Without a peer that can do it, the roofline alone.
    best = max((name for name in rates if name != "ours"), key=lambda name: rates[name], default="")
    ceiling = rates[best] if compute else limit
    return {
        "op": op.name, "case": case.name, "direction": direction, "backend": backend,
        "unit": unit, "rates": {name: round(rate, 1) for name, rate in rates.items()},
        "share": round(rates["ours"] / ceiling, 3),
        "share_of": best if compute else "copy limit",
        "best_peer": best, "ratio": round(rates["ours"] / rates[best], 3) if best else None,
    }  # fmt: skip


def host_row(op: Op, device: torch.device) -> dict[str, Any]:
    """Microseconds of host time for a forward that tracks gradients, on a small input."""
    sample = small_call(op, device)
    for x in tensors(sample) if op.differentiable else ():
        x.requires_grad_()
    peers = able(peers_of(op, sample.args, host=True), sample)
    works = {
        name: lambda f=function: f(*sample.args, **sample.kwargs)
        for name, function in peers.items()
    }
    times = {name: round(time, 1) for name, time in host_microseconds(works).items()}
    return {"op": op.name, "case": "eager call", "direction": "host", "unit": "µs", "rates": times}


def environment(device: torch.device, limit: float) -> dict[str, Any]:
    return {
        "device": torch.cuda.get_device_name(device),
        "torch": torch.__version__,
        "triton": _compat.TRITON_VERSION,
        "python": platform.python_version(),
        "copy_limit_gb_s": round(limit, 1),
    }


def line(row: dict[str, Any]) -> str:
    head = f"{row['op']:<15} {row['case']:<30} {row['direction']:<9}"
    others = "  ".join(f"{name} {rate:,.1f}" for name, rate in row["rates"].items())
    if row["direction"] == "host":
        return f"{head} {others} {row['unit']}"
    ratio = f"{row['ratio']:5.2f}x {row['best_peer']:<8}" if row["best_peer"] else "no peer        "
    share = f"{row['share']:6.1%} of {row['share_of']:<10}"
    return f"{head} {row['backend']:<9} {share} {ratio} {others} {row['unit']}"


def key(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["op"], row["case"], row["direction"]


def merged(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The old rows, with the new ones in their places.

    What an op no longer offers is dropped.
    """
    offered = {
        (op.name, case.name)
        for op in map(registry.get, {row["op"] for row in old} & set(registry.op_names()))
        for case in (*op.cases, Case("eager call", lambda _: Sample("", ())))
    }
    found = {key(row): row for row in old if (row["op"], row["case"]) in offered}
    found |= {key(row): row for row in new}
    ops = list(dict.fromkeys(row["op"] for row in (*old, *new)))

    def place(row: dict[str, Any]) -> tuple[int, int]:
        cases = [case.name for case in registry.get(row["op"]).cases]
        at = cases.index(row["case"]) if row["case"] in cases else len(cases)
        return ops.index(row["op"]), at

    return sorted(found.values(), key=place)


def write(path: Path, facts: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    old = path.read_text(encoding="utf-8").splitlines()[1:] if path.exists() else []
    lines = (facts, *merged(list(map(json.loads, old)), rows))
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    path.write_text(text + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ops", nargs="*", help=f"of {', '.join(registry.op_names())}; all if none")
    parser.add_argument("--cases", default="", help="only those whose name this matches")
    parser.add_argument("--forward", action="store_true", help="no backward")
    parser.add_argument("--output", type=Path, help="also write the JSON lines to this file")
    options = parser.parse_args()
    try:
        entries = [registry.get(name) for name in options.ops or registry.op_names()]
    except BackendError as error:
        parser.error(str(error))
    device = require_gpu()
    torch.manual_seed(0)
    limit = copy_limit(device)
    facts = environment(device, limit)
    print(", ".join(f"{key} {value}" for key, value in facts.items()), "\n", flush=True)
    rows: list[dict[str, Any]] = []

    def add(new: list[dict[str, Any]]) -> None:
        rows.extend(new)
        print("\n".join(map(line, new)), flush=True)
        if options.output:  # row by row: a run cut short keeps what it measured
            write(options.output, facts, rows)

    for op in entries:
        for case in op.cases:
            if re.search(options.cases, case.name):
                add(rows_of(op, case, device, limit, not options.forward))
                torch.cuda.empty_cache()
        add([host_row(op, device)])
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in (facts, *rows))
    print(f"\n{text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
