"""Writes the tables of the README and of the ops' pages, from the registry and from h200.jsonl.

python benchmarks/table.py           # says which documents are not as they should be
python benchmarks/table.py --write   # writes them
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import torch
from triton_kernels import registry

PACKAGE = Path(__file__).parents[1]
README = PACKAGE / "README.md"
PAGES = PACKAGE.parents[1] / "docs" / "triton_kernels"
RESULTS = PACKAGE / "benchmarks" / "results" / "h200.jsonl"
FEATURES = RESULTS.with_name("h200_features.jsonl")
"""Of ``bench_features.py``."""


def ops_table() -> str:
    lines = [
        "| op | what it computes | backends, in order | dtypes | limited by |",
        "|---|---|---|---|---|",
    ]
    for op in map(registry.get, registry.op_names()):
        backends = ", ".join(backend.name for backend in op.kernel.backends)
        dtypes = ", ".join(str(dtype).removeprefix("torch.") for dtype in op.dtypes)
        lines.append(f"| `{op.name}` | {op.summary} | {backends} | {dtypes} | {op.bound} |")
    return "\n".join(lines)


EARLIER = "†: by an earlier version of the code, not measured since."


def mark(row: dict[str, Any]) -> str:
    """Of a row marked by hand when its code changed; measuring it anew takes the mark away."""
    return " †" if row.get("earlier") else ""


def cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "–"
    ours = f"{row['rates']['ours']:,.0f} {row['unit']}"
    share = "" if row["share_of"] == row["best_peer"] else f", {row['share']:.0%} of the copy limit"
    ratio = f", {row['ratio']:.2f}x {row['best_peer']}" if row["best_peer"] else ", no peer"
    return f"{ours}{share}{ratio}{mark(row)}"


def step(row: dict[str, Any]) -> str:
    """Forward and backward together, against every peer, with the peak of memory."""
    rates, peaks = row["rates"], row["peak_gib"]
    others = ", ".join(
        f"{rates['ours'] / rate:.2f}x {name} ({peaks[name]:.2f} GiB)"
        for name, rate in rates.items()
        if name != "ours"
    )
    return f"{rates['ours']:,.0f} {row['unit']} at {peaks['ours']:.2f} GiB, {others}{mark(row)}"


def speed_table(results: Path) -> str:
    if not results.exists():
        return (
            "Not measured yet: nothing is claimed to be fast until `benchmarks/bench.py` has run."
        )
    facts, by_case = measured(results)
    lines = [
        f"One {facts['device']}, torch {facts['torch']}, triton {facts['triton']}; the copy "
        f"limit of that run is {facts['copy_limit_gb_s']:,.0f} GB/s. A ratio above 1 is ahead of "
        "the best peer (torch eager, torch.compile, cuBLAS; Liger if installed), below 1 behind. "
        + EARLIER,
        "",
        "| op | case | forward | backward |",
        "|---|---|---|---|",
    ]
    for (op, case), found in by_case.items():
        if "host" in found:
            rates = found["host"]["rates"]
            others = ", ".join(f"{k} {v:.0f}" for k, v in rates.items() if k != "ours")
            said = f"{rates['ours']:.0f} µs ({others}){mark(found['host'])}"
            lines.append(f"| {op} | host time of an eager call | {said} | – |")
        else:
            lines.append(f"| {op} | {case} | {both(found)} |")
    return "\n".join(lines)


def both(found: dict[str, Any]) -> str:
    """The cells of forward and backward, or of both together."""
    if "step" in found:
        return f"both: {step(found['step'])} | –"
    return " | ".join(cell(found.get(direction)) for direction in ("forward", "backward"))


Rows = dict[tuple[str, str], dict[str, Any]]


def measured(results: Path) -> tuple[dict[str, Any], Rows]:
    """The machine, and for each op and case the rows of its directions."""
    facts, *rows = map(json.loads, results.read_text(encoding="utf-8").splitlines())
    by_case: Rows = {}
    for row in rows:
        by_case.setdefault((row["op"], row["case"]), {})[row["direction"]] = row
    return facts, by_case


def amount(number: float, unit: str) -> str:
    """Three digits and a prefix: 268 MB, 1.1 TFLOP."""
    prefixes = ["", "k", "M", "G", "T"]
    while number >= 999.5 and len(prefixes) > 1:
        number, prefixes = number / 1000, prefixes[1:]
    return f"{number:.3g} {prefixes[0]}{unit}"


def needs(moved: int, flops: int) -> str:
    """What must move and be computed, and the operations for each byte."""
    given = [amount(n, unit) for n, unit in ((moved, "B"), (flops, "FLOP")) if n]
    if moved and flops:
        intensity = flops / moved
        given.append(f"{intensity:,.0f} FLOP/B" if intensity >= 99.5 else f"{intensity:.2g} FLOP/B")
    return ", ".join(given) or "–"


def op_table(op: registry.Op, results: Path) -> str:
    """An op's cases: what each must move and compute, and what was measured."""
    by_case = measured(results)[1] if results.exists() else {}
    lines = [
        "| case | forward must move, compute | backward | forward measured | backward measured |",
        "|---|---|---|---|---|",
    ]
    for case in op.cases:
        sample = case.make(torch.device("meta"))
        cost = op.cost(*sample.args, **sample.kwargs)
        forward = needs(cost.forward_bytes, cost.forward_flops)
        backward = needs(cost.backward_bytes, cost.backward_flops)
        found = by_case.get((op.name, case.name), {})
        lines.append(f"| {case.name} | {forward} | {backward} | {both(found)} |")
    if any("†" in line for line in lines):
        lines += ["", EARLIER]
    return "\n".join(lines)


def code_table(op: registry.Op) -> str:
    """Where an op's backends are: of its forward, and of the kernels that its gradient has."""
    lines = ["| backend | forward | gradient, kernels of its own |", "|---|---|---|"]
    kernels = (op.kernel, *op.gradients)
    for name in dict.fromkeys(b.name for kernel in kernels for b in kernel.backends):
        cells = (
            places([b.where for kernel in some for b in kernel.backends if b.name == name])
            for some in (kernels[:1], kernels[1:])
        )
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def places(wheres: list[str]) -> str:
    """``module:function`` as a reader looks for them: the functions of each file."""
    files: dict[str, list[str]] = {}
    for where in wheres:
        module, _, function = where.removeprefix("triton_kernels.").partition(":")
        files.setdefault(f"{module.replace('.', '/')}.py", []).append(f"`{function}`")
    return "; ".join(f"{', '.join(names)} in `{file}`" for file, names in files.items()) or "–"


def features_table(results: Path) -> str:
    """Attention's features: the rate of each, and its share of the dense kernel's beside it."""
    if not results.exists():
        return "Not measured yet: `benchmarks/bench_features.py` has not run."
    facts, *rows = map(json.loads, results.read_text(encoding="utf-8").splitlines())
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        if row["direction"] != "host":
            said = f"{row['rates']['ours']:.0f} TFLOP/s, **{row['ratio']:.2f}**"
            if row.get("bound", 1) < 1:
                said += f" of {row['bound']:.2f}"
            if peer := row.get("best_peer"):
                said += f", {row['rates']['ours'] / row['rates'][peer]:.2f}x {peer}"
            said += f" ({row['backend']}){mark(row)}"
            found.setdefault(row["case"], {})[row["direction"]] = said
    lines = [
        f"One {facts['device']}, torch {facts['torch']}, triton {facts['triton']}; in bold the "
        "share of our own dense kernel's rate on equal work, timed in turn with it, where blocks "
        "of keys that an edge cuts allow less than 1: of how much. Behind it the ratio to the best "
        f"peer that has the feature. {EARLIER}",
        "",
        "| case | forward | backward |",
        "|---|---|---|",
    ]
    for case, cells in found.items():
        lines.append(f"| {case} | {cells.get('forward', '–')} | {cells.get('backward', '–')} |")
    return "\n".join(lines)


def table(name: str) -> str:
    """The table that a marker names: ops, speed, features, an op, or the code of an op."""
    if name == "ops":
        return ops_table()
    if name == "features":
        return features_table(FEATURES)
    if name.startswith("code_of_"):
        return code_table(registry.get(name.removeprefix("code_of_")))
    return speed_table(RESULTS) if name == "speed" else op_table(registry.get(name), RESULTS)


def filled(text: str) -> str:
    """A document with what stands between its markers made anew."""
    pattern = r"(<!-- (\w+): made by benchmarks/table.py -->\n).*?(<!-- end of \2 -->)"
    return re.sub(pattern, lambda m: m[1] + table(m[2]) + "\n" + m[3], text, flags=re.DOTALL)


def documents() -> list[Path]:
    """The README, and in the repository the pages of the families and of their ops."""
    return [README, *sorted(PAGES.glob("*.md")), *sorted(PAGES.glob("ops/*.md"))]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true")
    write = parser.parse_args().write
    stale = 0
    for document in documents():
        text = document.read_text(encoding="utf-8")
        if filled(text) != text:
            stale += 1
            print(document.name)
            if write:
                document.write_text(filled(text), encoding="utf-8")
    return int(stale > 0 and not write)


if __name__ == "__main__":
    sys.exit(main())
