"""How long the commands of every day take, from the shell to the prompt, beside their peers.

Each command is a process of its own, run in rounds that take turns, on a journey with the events
and entries asked for. Printed: a table of medians with their ratio to bare Python, then JSON lines.

    python packages/roadmap_log/benchmarks/bench_startup.py --events 5000 --entries 1000
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from processes import Run, run
from roadmap_log.entries import LogEntry, render
from roadmap_log.events import Event, encode, new_id
from roadmap_log.journey import Journey

HELLO = "import click\n@click.command()\ndef hello(): click.echo('hello')\nhello()\n"


def filled_journey(folder: Path, events: int, entries: int) -> Journey:
    """A journey with months of events and entries, written at once instead of one by one."""
    journey = Journey.create(folder / "journey")
    start = datetime.now(UTC) - timedelta(days=events // 10)
    lines = []
    for number in range(events - entries):
        when = start + timedelta(hours=2.4 * number)
        day = f"autodiff/{1 + number % 35}"
        data = {
            "day": day,
            "passed": number % 3 > 0,
            "failed": [],
            "seed": number,
            "tests": "0" * 64,
        }
        lines.append(encode(Event(new_id(when.timestamp()), when, "bench", "day.tested", data)))
    for number in range(entries):
        when = start + timedelta(hours=2.4 * number)
        title = f"Entry {number}"
        path = journey.log_folder / f"{when.date()}-entry-{number}.md"
        path.write_text(render(LogEntry(title, "Text.\n" * 20, when, ("bench",), 30)))
        told = {"file": f"log/{path.name}", "title": title, "date": when.isoformat(), "minutes": 30}
        lines.append(encode(Event(new_id(when.timestamp()), when, "bench", "log.written", told)))
    (journey.root / "events" / "bench.jsonl").write_bytes(b"".join(lines))
    return journey


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--entries", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=21)
    chosen = parser.parse_args()
    script = shutil.which("roadmap", path=f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}")
    roadmap = [script] if script else [sys.executable, "-m", "roadmap_log"]
    with tempfile.TemporaryDirectory() as place:
        small = filled_journey(Path(place) / "small", 10, 3)
        large = filled_journey(Path(place) / "large", chosen.events, chosen.entries)
        subprocess.run(["git", "init", "-q", str(large.root)], check=True)
        subprocess.run(["git", "add", "-A"], cwd=large.root, check=True)
        size = f"{chosen.events} events, {chosen.entries} entries"
        rows: dict[str, tuple[list[str], Path]] = {
            "python -c pass": ([sys.executable, "-c", "pass"], large.root),
            "click, hello world": ([sys.executable, "-c", HELLO], large.root),
            "git status": (["git", "status"], large.root),
            "roadmap status, new journey": ([*roadmap, "status"], small.root),
            "roadmap": ([*roadmap], large.root),
            "roadmap status": ([*roadmap, "status"], large.root),
            "roadmap next": ([*roadmap, "next"], large.root),
            "roadmap log -m": ([*roadmap, "log", "-m", "One line."], large.root),
            "roadmap search": ([*roadmap, "search", "text"], large.root),
        }
        bytecode = Path(place) / "bytecode"
        for command, folder in rows.values():
            run(command, folder, bytecode)  # the caches are filled, too
        times: dict[str, list[Run]] = {name: [] for name in rows}
        for _ in range(chosen.rounds):
            for name, (command, folder) in rows.items():
                times[name].append(run(command, folder, bytecode))
    medians = {
        name: (
            1e3 * statistics.median(each.seconds for each in runs),
            1e3 * statistics.median(each.cpu for each in runs),
        )
        for name, runs in times.items()
    }
    bare = medians["python -c pass"][0]
    print(
        f"cold start, {size}; median of {chosen.rounds} rounds, each command a process of its own"
    )
    print(f"{'command':<30}{'ms':>8}{'cpu ms':>8}{'/ python':>10}")
    for name, (median, cpu) in medians.items():
        print(f"{name:<30}{median:8.1f}{cpu:8.1f}{median / bare:10.2f}")
    for name, (median, cpu) in medians.items():
        row = {
            "benchmark": "startup",
            "command": name,
            "ms": round(median, 2),
            "cpu_ms": round(cpu, 2),
            "ratio_to_python": round(median / bare, 3),
            "events": chosen.events,
            "entries": chosen.entries,
            "python": platform.python_version(),
            "system": platform.system(),
            "cores": os.cpu_count(),
        }
        print(json.dumps(row))


if __name__ == "__main__":
    main()
