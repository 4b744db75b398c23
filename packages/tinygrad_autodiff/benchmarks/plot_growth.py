"""Draw how cost grows: ``python bench_memory.py | python plot_growth.py growth.svg``.

Reads the JSON lines of bench_memory and draws memory and seconds of a step, with the straight
line through the points of each library, against the length of a chain of operations and against
the batch of the perceptron. Equal lines make equal files. Needs matplotlib.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "growth", "svg.fonttype": "none", "font.size": 8})

from matplotlib import pyplot  # noqa: E402

CASES = {
    "chain": "thousand operations in a chain of y · 1.0001 + 0.5",
    "mlp": "batch of the perceptron 784-512-512-10",
}
COSTS = {"peak_mb": "memory of a step at its peak (MB)", "seconds": "processor seconds of a step"}


def rows_of(lines: Iterable[str]) -> list[dict[str, Any]]:
    """The JSON lines that are measurements of growth; the table and the machine are passed over."""
    rows = [json.loads(line) for line in lines if line.startswith("{")]
    return [row for row in rows if row.get("case") in CASES]


def points(rows: list[dict[str, Any]], case: str, library: str, cost: str) -> np.ndarray:
    """Sizes and costs (2, n), by size."""
    chosen = [row for row in rows if (row["case"], row["library"]) == (case, library)]
    scale = 2 / 1000 if case == "chain" else 1  # a link is two operations
    return np.array(sorted((row["size"] * scale, row[cost]) for row in chosen)).T


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """One panel for each case and cost."""
    figure, axes = pyplot.subplots(2, 2, figsize=(8, 5), layout="constrained", sharex="col")
    libraries = list(dict.fromkeys(row["library"] for row in rows))
    for i, cost in enumerate(COSTS):
        for j, case in enumerate(CASES):
            for number, library in enumerate(libraries):
                x, y = points(rows, case, library, cost)
                slope, start = np.polyfit(x, y, 1)
                axes[i, j].plot(x, y, "o", color=f"C{number}", markersize=4, label=library)
                axes[i, j].plot(x, start + slope * x, color=f"C{number}", linewidth=0.8)
            axes[i, j].set(ylim=(0, None), xlabel=CASES[case] if i else None)
        axes[i, 0].set_ylabel(COSTS[cost])
    axes[0, 0].legend()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


if __name__ == "__main__":
    draw(rows_of(sys.stdin), Path(sys.argv[1]))
