"""Draws attention's speed beside its peers, from the benchmark's rows, as an SVG.

python benchmarks/figure.py           # says which pictures are not as they should be
python benchmarks/figure.py --write   # writes them

A panel a head size, masked or not, forward above backward; groups of bars by length. The picture
is text and rectangles: it names itself to a screen reader, lists its numbers, shows each when its
bar is pointed at, and follows the reader's light or dark scheme.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from html import escape
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]
RESULTS = PACKAGE / "benchmarks" / "results" / "h200.jsonl"
PAGES = PACKAGE.parents[1] / "docs" / "triton_kernels"
PICTURES = [PACKAGE / "assets" / "attention.svg", PAGES / "attention.svg"]

SIZES, MASKS, LENGTHS = (64, 128, 256), ("full", "causal"), ("1k", "4k", "16k")
DIRECTIONS = ("forward", "backward")
RIVALS = ("FA2", "cuDNN", "FA3", "ours")
"""The order of the bars; FlashAttention-3's package has a forward only."""
LEFT, TOP, PANEL, HEIGHT, GAP, FOOT = 44, 74, 142, 150, 12, 26
BAR = 9
STYLE = """
text { font: 11px system-ui, sans-serif; fill: #24292f }
.title { font-size: 15px; font-weight: 600 }
.small { font-size: 10px; fill: #57606a }
.value { font-size: 9px; font-weight: 600; text-anchor: middle;
  paint-order: stroke; stroke: #ffffff; stroke-width: 2.5px }
.end { text-anchor: end } .middle { text-anchor: middle }
.line { stroke: #d0d7de } .paper { fill: #ffffff }
.FA2 { fill: #c3c9cf } .cuDNN { fill: #8a929a } .FA3 { fill: #d98a00 } .ours { fill: #0b62c4 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .value { stroke: #0d1117 } .small { fill: #9aa4ae }
.paper { fill: #0d1117 } .line { stroke: #30363d }
.FA2 { fill: #4d555e } .cuDNN { fill: #838c95 } .FA3 { fill: #e3a333 } .ours { fill: #58a6ff }
}"""

Rates = dict[tuple[str, str], dict[str, float]]


def measured(results: Path) -> tuple[dict[str, Any], Rates]:
    """The machine, and by case and direction the TFLOP/s of each rival."""
    facts, *rows = map(json.loads, results.read_text(encoding="utf-8").splitlines())
    rates = {
        (row["case"], row["direction"]): row["rates"]
        for row in rows
        if row["op"] == "flash_attention" and row["direction"] in DIRECTIONS
    }
    return facts, rates


def case(size: int, mask: str, length: str) -> str:
    return f"d{size} {length}, {mask}"


def panel(
    rates: Rates, size: int, mask: str, direction: str, x: float, bottom: float, most: float
) -> str:
    """Bars by length, upwards from ``bottom``, with their numbers as tooltips."""
    parts = [f'<line class="line" x1="{x}" x2="{x + PANEL}" y1="{bottom}" y2="{bottom}"/>']
    for group, length in enumerate(LENGTHS):
        found = rates.get((case(size, mask, length), direction), {})
        shown = [name for name in RIVALS if name in found]
        middle = x + PANEL * (group + 0.5) / len(LENGTHS)
        start = middle - BAR * len(shown) / 2
        for place, name in enumerate(shown):
            height = round(HEIGHT * found[name] / most, 1)
            left, top = round(start + BAR * place, 1), round(bottom - height, 1)
            says = f"{name}, {direction}, {case(size, mask, length)}: {found[name]:.0f} TFLOP/s"
            parts.append(
                f'<rect class="{name}" x="{left}" y="{top}" width="{BAR - 1}" height="{height}">'
                f"<title>{escape(says)}</title></rect>"
            )
            if name == "ours":
                at = f'x="{left + BAR / 2 - 0.5}" y="{top - 3}"'
                parts.append(f'<text class="value" {at}>{found[name]:.0f}</text>')
        if direction == DIRECTIONS[-1]:
            at = f'x="{round(middle, 1)}" y="{bottom + 13}"'
            parts.append(f'<text class="small middle" {at}>{length}</text>')
    return "\n".join(parts)


def described(rates: Rates) -> str:
    """Every number, for those who do not see the bars."""
    lines = []
    for direction, size, mask, length in itertools.product(DIRECTIONS, SIZES, MASKS, LENGTHS):
        if found := rates.get((case(size, mask, length), direction)):
            numbers = ", ".join(f"{name} {found[name]:.0f}" for name in RIVALS if name in found)
            lines.append(f"{direction} {case(size, mask, length)}: {numbers}.")
    return " ".join(lines)


def figure(results: Path) -> str:
    """The picture; empty if nothing of attention has been measured."""
    facts, rates = measured(results)
    of_cases = [rate for key, found in rates.items() for rate in found.values() if key[0][0] == "d"]
    if not of_cases:
        return ""
    most = max(of_cases) * 1.06
    columns = list(itertools.product(SIZES, MASKS))
    width = LEFT + len(columns) * (PANEL + GAP)
    height = TOP + 2 * (HEIGHT + GAP) + FOOT
    title = "Attention: TFLOP/s of triton_kernels and its peers"
    versions = f"{facts['device']}, torch {facts['torch']}, triton {facts['triton']}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-labelledby="title desc">',
        f'<title id="title">{title}</title>',
        f'<desc id="desc">{escape(versions)}. TFLOP/s: {described(rates)}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
        f'<text class="title" x="{LEFT}" y="22">{title}</text>',
        f'<text class="small" x="{LEFT}" y="38">{escape(versions)}; bfloat16, 16384 tokens of '
        "2048 channels, causal counted half; by tokens of a sequence</text>",
    ]
    for place, name in enumerate(RIVALS):
        x = width - GAP - 64 * (len(RIVALS) - place)
        parts.append(f'<rect class="{name}" x="{x}" y="13" width="10" height="10"/>')
        parts.append(f'<text x="{x + 14}" y="22">{name}</text>')
    for line, direction in enumerate(DIRECTIONS):
        bottom = TOP + HEIGHT + line * (HEIGHT + GAP)
        middle = bottom - HEIGHT / 2
        parts.append(
            f'<text class="middle" x="14" y="{middle}" transform="rotate(-90 14 {middle})">'
            f"{direction}</text>"
        )
        for tick in range(0, int(most) + 1, 200):
            y = round(bottom - HEIGHT * tick / most, 1)
            parts.append(f'<text class="small end" x="{LEFT - 4}" y="{y + 3}">{tick}</text>')
            if tick:
                end = width - GAP
                parts.append(f'<line class="line" x1="{LEFT}" x2="{end}" y1="{y}" y2="{y}"/>')
        for column, (size, mask) in enumerate(columns):
            x = LEFT + column * (PANEL + GAP)
            if not line:
                at = f'x="{x + PANEL / 2}" y="{TOP - 16}"'
                parts.append(f'<text class="middle" {at}>head size {size}, {mask}</text>')
            parts.append(panel(rates, size, mask, direction, x, bottom, most))
    return "\n".join([*parts, "</svg>"]) + "\n"


def pictures() -> list[Path]:
    """Where it is shown: in the package and, in the repository, beside the page."""
    return [path for path in PICTURES if path.parent.exists()]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true")
    write = parser.parse_args().write
    drawn = figure(RESULTS)
    stale = [
        path
        for path in pictures()
        if drawn and not (path.exists() and path.read_text(encoding="utf-8") == drawn)
    ]
    for path in stale:
        print(path.name)
        if write:
            path.write_text(drawn, encoding="utf-8")
    return int(bool(stale) and not write)


if __name__ == "__main__":
    sys.exit(main())
