"""Writes the README's tables: the ops from the registry, the speeds from results/h200.jsonl.

python benchmarks/table.py           # prints the README as it should be
python benchmarks/table.py --write   # writes it
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from triton_kernels import registry

PACKAGE = Path(__file__).parents[1]
README = PACKAGE / "README.md"
RESULTS = PACKAGE / "benchmarks" / "results" / "h200.jsonl"


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


def cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "–"
    ours = f"{row['rates']['ours']:,.0f} {row['unit']}"
    share = "" if row["share_of"] == row["best_peer"] else f", {row['share']:.0%} of the copy limit"
    return f"{ours}{share}, {row['ratio']:.2f}x {row['best_peer']}"


def step(row: dict[str, Any]) -> str:
    """Forward and backward together, against every peer, with the peak of memory."""
    rates, peaks = row["rates"], row["peak_gib"]
    others = ", ".join(
        f"{rates['ours'] / rate:.2f}x {name} ({peaks[name]:.2f} GiB)"
        for name, rate in rates.items()
        if name != "ours"
    )
    return f"{rates['ours']:,.0f} {row['unit']} at {peaks['ours']:.2f} GiB, {others}"


def speed_table(results: Path) -> str:
    if not results.exists():
        return (
            "Not measured yet: nothing is claimed to be fast until `benchmarks/bench.py` has run."
        )
    facts, *rows = map(json.loads, results.read_text(encoding="utf-8").splitlines())
    lines = [
        f"One {facts['device']}, torch {facts['torch']}, triton {facts['triton']}; the copy "
        f"limit of that run is {facts['copy_limit_gb_s']:,.0f} GB/s. A ratio above 1 is ahead of "
        "the best peer (torch eager, torch.compile, cuBLAS; Liger if installed), below 1 behind.",
        "",
        "| op | case | forward | backward |",
        "|---|---|---|---|",
    ]
    by_case: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        by_case.setdefault((row["op"], row["case"]), {})[row["direction"]] = row
    for (op, case), found in by_case.items():
        if "host" in found:
            rates = found["host"]["rates"]
            others = ", ".join(f"{k} {v:.0f}" for k, v in rates.items() if k != "ours")
            lines.append(
                f"| {op} | host time of an eager call | {rates['ours']:.0f} µs ({others}) | – |"
            )
        elif "step" in found:
            lines.append(f"| {op} | {case} | both: {step(found['step'])} | – |")
        else:
            cells = " | ".join(cell(found.get(direction)) for direction in ("forward", "backward"))
            lines.append(f"| {op} | {case} | {cells} |")
    return "\n".join(lines)


def filled(text: str) -> str:
    """The README with what stands between its markers made anew."""
    for name, table in (("ops", ops_table()), ("speed", speed_table(RESULTS))):
        pattern = rf"(<!-- {name}: made by benchmarks/table.py -->\n).*?(<!-- end of {name} -->)"
        text, count = re.subn(
            pattern, lambda m, t=table: m[1] + t + "\n" + m[2], text, flags=re.DOTALL
        )
        if count != 1:
            raise SystemExit(f"README.md has {count} places for the table {name!r}; it needs one")
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    text = filled(README.read_text(encoding="utf-8"))
    if parser.parse_args().write:
        README.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
