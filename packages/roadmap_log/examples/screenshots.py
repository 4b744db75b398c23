"""Draw the pictures of the README from a journey that this program walks by the real command.

    python packages/roadmap_log/examples/screenshots.py

It needs the autodiff track installed. `assets/status.svg` is what `roadmap status` prints and
`experiment.svg` what an experiment's table looks like; `tui.svg` is the terminal interface if
textual is installed; `site.png` and `phone.png` are the built site by day and, on a phone, by
night, photographed if a Chromium is found on this machine.
"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta
from html import escape
from pathlib import Path

ASSETS = Path(__file__).parent.parent / "assets"
START = datetime.fromisoformat("2026-10-26T08:30:00+01:00")
CELL_WIDTH, LINE_HEIGHT, MARGIN = 8.43, 19, 20
COLOURS = {
    "31": "#ff7b72",
    "32": "#56d364",
    "33": "#e3b341",
    "34": "#79c0ff",
    "35": "#d2a8ff",
    "36": "#56d4dd",
}

NOTES: list[tuple[int, str, int, str, str]] = [
    (
        0,
        "The step of a difference quotient",
        35,
        "derivatives",
        "Halving h halves the error until rounding takes over.",
    ),
    (
        1,
        "Why central differences are better",
        40,
        "derivatives",
        "The even terms cancel.\n\n"
        "```python\ndef central(f, x, h):\n    return (f(x + h) - f(x - h)) / (2 * h)\n```",
    ),
    (2, "A checker of gradients", 50, "testing", "- [x] right ones pass\n- [x] wrong ones fail"),
    (4, "The chain rule, twice", 45, "chain-rule", "The outer derivative is taken *inside*."),
    (7, "A graph is a list in the right order", 60, "graphs", "Order first, then values."),
    (8, "Read: a survey of differentiation", 30, "reading", "Forward and reverse, side by side."),
    (9, "Where a gradient flows twice, it adds", 55, "graphs", "Every path counts."),
]
"""Day of the journey, title, minutes, tag and text of each log entry."""

PAPERS = [
    (
        1,
        "1502.05767",
        "Automatic differentiation in machine learning: a survey",
        "Atilim Baydin",
        1,
    ),
    (4, "1706.03762", "Attention Is All You Need", "Ashish Vaswani", 1),
    (8, "2205.14135", "FlashAttention: exact attention with IO-awareness", "Tri Dao", 0),
]
"""Day, arXiv id, title, first author, and whether it was read."""

RUNS = [
    ("forward differences", 1.9e-8, 41.0),
    ("forward differences", 2.3e-8, 43.5),
    ("central differences", 3.1e-11, 80.2),
    ("central differences", 2.8e-11, 82.9),
    ("dual numbers", 1.1e-16, 12.4),
    ("dual numbers", 1.3e-16, 12.1),
]
"""Variant, error and microseconds of the runs of the experiment."""


def roadmap(folder: Path, day: int, *arguments: str, minute: int = 0) -> str:
    """Run the command as if it were some days after the start."""
    now = START + timedelta(days=day, minutes=minute)
    done = subprocess.run(
        [sys.executable, "-m", "roadmap_log", *arguments],
        cwd=folder,
        env={**os.environ, "ROADMAP_NOW": now.isoformat(), "FORCE_COLOR": "1", "COLUMNS": "84"},
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    return done.stdout


def walk(place: Path) -> tuple[Path, int]:
    """Walk a journey of some days; returns its folder and the last day."""
    from roadmap_log.journey import Journey

    roadmap(
        place, 0, "init", "journey", "--title", "From slopes to attention", "--cadence", "weekdays"
    )
    folder = place / "journey"
    journey = Journey(folder)
    ready = journey.library.days_of("autodiff")
    for number, when in zip(ready, (1, 4, 8), strict=False):
        solved = journey.library.day(("autodiff", number)).solution()
        roadmap(folder, when - 1, "start", f"autodiff/{number}")
        roadmap(folder, when - 1, "test", minute=20)
        roadmap(folder, when - 1, "hint", minute=30)
        journey.work_file("autodiff", number).write_text(solved)
        roadmap(folder, when, "test", minute=10)
    for day, title, minutes, tag, text in NOTES:
        about = f"autodiff/{min(ready[-1], 1 if day < 3 else 2 if day < 7 else 3)}"
        options = ("--title", title, "--minutes", str(minutes), "--tag", tag, "--day", about)
        roadmap(folder, day, "log", "-m", text, *options, minute=50)
    for day, paper, title, author, read in PAPERS:
        roadmap(folder, day, "paper", "add", paper, "--title", title, "--author", author)
        if read:
            roadmap(folder, day, "paper", "read", paper, minute=40)
    claim = "Dual numbers are exact and cheaper than two evaluations."
    metrics = ("--metric", "error:lower", "--metric", "us:lower")
    baseline = ("--baseline", "forward differences")
    named = ("--hypothesis", claim, *metrics, *baseline)
    roadmap(folder, 8, "experiment", "new", "Three ways to a slope", *named)
    for seed, (variant, error, time) in enumerate(RUNS):
        values = (f"variant={variant}", f"seed={seed % 2}", f"error={error}", f"us={time}")
        roadmap(folder, 8, "experiment", "run", "three-ways-to-a-slope", *values)
    roadmap(folder, 9, "experiment", "conclude", "three", "confirmed", "-m", "They are.")
    return folder, NOTES[-1][0]


def svg(text: str, command: str) -> str:
    """A terminal's text with its colours as a picture of fixed cells."""
    lines = [f"\x1b[1m$ {command}\x1b[0m", *text.rstrip("\n").split("\n")]
    plain = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in lines]
    width = MARGIN * 2 + max(map(len, plain)) * CELL_WIDTH
    height = MARGIN * 2 + len(lines) * LINE_HEIGHT
    rows = []
    for row, line in enumerate(lines):
        y, column, style = MARGIN + row * LINE_HEIGHT + 14, 0, ""
        for piece in re.split(r"(\x1b\[[\d;]*m)", line):
            if found := re.fullmatch(r"\x1b\[([\d;]*)m", piece):
                style = _style(found[1])
            elif piece:
                if piece.strip():
                    x, room = MARGIN + column * CELL_WIDTH, len(piece) * CELL_WIDTH
                    rows.append(
                        f'<text x="{x:.1f}" y="{y}" textLength="{room:.1f}"{style}>'
                        f"{escape(piece)}</text>"
                    )
                column += len(piece)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" '
        f'width="{width:.0f}" height="{height}" role="img">\n'
        f"<title>{escape(command)}: {escape(' '.join(plain[1].split()))}</title>\n"
        "<style>text { font: 14px ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', "
        "monospace; fill: #e6edf3; white-space: pre; }</style>\n"
        f'<rect width="100%" height="100%" rx="10" fill="#0d1117"/>\n'
        + "\n".join(rows)
        + "\n</svg>\n"
    )


def _style(codes: str) -> str:
    """The attributes that ANSI codes stand for."""
    attributes = ""
    for code in codes.split(";"):
        attributes += {"1": ' font-weight="bold"', "2": ' opacity="0.55"'}.get(code, "")
        if code in COLOURS:
            attributes += f' style="fill: {COLOURS[code]}"'
    return attributes


def photograph(page: Path, target: Path, size: str, *, dark: bool = False) -> bool:
    """A picture of a page by a Chromium without a window, if there is one."""
    browser = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if browser is None:
        return False
    with tempfile.TemporaryDirectory() as profile:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        flags += ["--hide-scrollbars", f"--window-size={size}", f"--user-data-dir={profile}"]
        flags += ["--blink-settings=preferredColorScheme=0"] if dark else []
        command = [browser, *flags, f"--screenshot={target}", page.as_uri()]
        return subprocess.run(command, capture_output=True).returncode == 0


def interface(folder: Path, target: Path) -> bool:
    """A picture of the terminal interface, if textual is installed."""
    try:
        from roadmap_log.tui.app import RoadmapApp
    except ModuleNotFoundError:
        return False
    from roadmap_log.journey import Journey

    async def draw() -> str:
        app = RoadmapApp(Journey(folder))
        async with app.run_test(size=(100, 28)) as pilot:
            await pilot.press("3")
            await pilot.pause()
            await pilot.pause()
            return app.export_screenshot()

    os.environ["ROADMAP_NOW"] = (START + timedelta(days=NOTES[-1][0], minutes=55)).isoformat()
    picture = re.sub(r"@font-face \{.*?\}", "", asyncio.run(draw()), flags=re.DOTALL)
    target.write_text(picture, encoding="utf-8")  # without fonts from elsewhere
    return True


def main() -> None:
    ASSETS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        folder, last = walk(Path(place).resolve())
        screen = roadmap(folder, last, "status", minute=55)
        (ASSETS / "status.svg").write_text(svg(screen, "roadmap status"), encoding="utf-8")
        print(f"wrote {ASSETS.name}/status.svg")
        shown = roadmap(folder, last, "experiment", "show", "three", minute=55)
        (ASSETS / "experiment.svg").write_text(svg(shown, "roadmap experiment show three"))
        print(f"wrote {ASSETS.name}/experiment.svg")
        if interface(folder, ASSETS / "tui.svg"):
            print(f"wrote {ASSETS.name}/tui.svg")
        roadmap(folder, last, "site", "build", minute=55)
        site = folder / "_site"
        if photograph(site / "index.html", ASSETS / "site.png", "960,1010"):
            photograph(site / "progress.html", ASSETS / "phone.png", "500,1010", dark=True)
            print(f"wrote {ASSETS.name}/site.png and phone.png")
        else:
            print("no Chromium found: site.png was not drawn again")


if __name__ == "__main__":
    main()
