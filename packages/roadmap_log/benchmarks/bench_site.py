"""How long a site takes, whole and after one change, beside Jekyll on the same content, and memory.

Every build is a process of its own. Jekyll builds the sources that `site build --jekyll` writes of
the same journey; where it is not installed, its rows are left out. Printed: a table of medians and
peaks, then JSON lines.

    python packages/roadmap_log/benchmarks/bench_site.py --entries 1000 --many 10000
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from processes import Run, run
from roadmap_log.entries import LogEntry, render
from roadmap_log.events import Event, encode, new_id
from roadmap_log.journey import Journey

TEXT = """\
The rows of the attention matrix sum to one, so entry {number} asks what is lost when they do not.

```python
def softmax(x):
    exponents = (x - x.max(-1, keepdims=True)).exp()
    return exponents / exponents.sum(-1, keepdims=True)  # {number}
```

| size | ms |
|-----:|---:|
| {number} | 0.4 |

- [x] forward
- [ ] backward, see [the paper](https://arxiv.org/abs/2205.14135)

"""


def written(folder: Path, entries: int) -> Journey:
    """A journey with so many entries, ten a day, each with code, a table and a list."""
    journey = Journey.create(folder / f"journey-{entries}")
    start, lines = datetime.now(UTC) - timedelta(days=entries // 10 + 1), []
    for number in range(entries):
        when = start + timedelta(hours=2.4 * number)
        tags, topics = (f"tag-{number % 20}",), (f"topic-{number % 5}",)
        text = TEXT.format(number=number) + "Words to fill the entry with. " * 20
        entry = LogEntry(
            f"Entry {number}", text, when.replace(microsecond=0), tags, 30, "", None, topics
        )
        path = journey.log_folder / f"{when.date()}-entry-{number}.md"
        path.write_text(render(entry))
        told = {
            "file": f"log/{path.name}",
            "title": entry.title,
            "date": entry.when.isoformat(),
            "tags": list(tags),
            "minutes": 30,
            "day": "",
            "topics": list(topics),
        }
        lines.append(encode(Event(new_id(when.timestamp()), when, "bench", "log.written", told)))
    (journey.root / "events" / "bench.jsonl").write_bytes(b"".join(lines))
    past = time.time() - 3600
    for path in journey.log_folder.glob("*.md"):
        os.utime(path, (past, past))
    return journey


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=1000)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    roadmap, jekyll = [sys.executable, "-m", "roadmap_log"], shutil.which("jekyll")
    build = [*roadmap, "site", "build"]
    rows: dict[str, list[Run]] = {}
    with tempfile.TemporaryDirectory() as place:
        bytecode = Path(place) / "bytecode"
        journey = written(Path(place), chosen.entries)
        root, site = journey.root, journey.root / "_site"
        run([*build, "--jekyll"], root, bytecode)
        for number in range(chosen.rounds):
            shutil.rmtree(site, ignore_errors=True)
            shutil.rmtree(root / ".local", ignore_errors=True)
            rows.setdefault("site build, from nothing", []).append(run(build, root, bytecode))
            with open(sorted(journey.log_folder.glob("*.md"))[-7], "a") as stream:
                stream.write(f"\nOne more line, {number}.\n")
            rows.setdefault("site build, one entry changed", []).append(run(build, root, bytecode))
            rows.setdefault("site build, nothing changed", []).append(run(build, root, bytecode))
            if jekyll:
                out = Path(place) / "jekyll"
                shutil.rmtree(out, ignore_errors=True)
                command = [jekyll, "build", "-q", "-s", str(root / "docs"), "-d", str(out)]
                rows.setdefault("jekyll build", []).append(run(command, Path(place), bytecode))
        many = written(Path(place), chosen.many) if chosen.many else None
        if many:
            name = f"site build, {chosen.many} entries"
            rows[name] = [run(build, many.root, bytecode)]
            rows[f"{name}, nothing changed"] = [run(build, many.root, bytecode)]
    print(f"{chosen.entries} entries, median of {chosen.rounds}; peak memory is the largest")
    print(f"{'':<42}{'s':>8}{'cpu s':>8}{'MiB':>8}")
    for name, each in rows.items():
        seconds, cpu = (
            statistics.median(x) for x in ([r.seconds for r in each], [r.cpu for r in each])
        )
        print(f"{name:<42}{seconds:8.2f}{cpu:8.2f}{max(r.peak for r in each):8.0f}")
    first = max(r.peak for r in rows["site build, from nothing"])
    if many:
        ratio = rows[f"site build, {chosen.many} entries"][0].peak / first
        print(f"peak at {chosen.many} entries / at {chosen.entries}: {ratio:.2f}")
    for name, each in rows.items():
        row = {
            "benchmark": "site",
            "what": name,
            "seconds": round(statistics.median(r.seconds for r in each), 3),
            "cpu_seconds": round(statistics.median(r.cpu for r in each), 3),
            "peak_mib": round(max(r.peak for r in each), 1),
            "entries": chosen.entries,
            "python": platform.python_version(),
            "system": platform.system(),
            "cores": os.cpu_count(),
        }
        print(json.dumps(row))


if __name__ == "__main__":
    main()
