"""How long a search takes: inside the process, cold from the shell, and making the index anew.

    python packages/roadmap_log/benchmarks/bench_search.py --entries 1000

Beside it, grep over the same files: it reads all of them each time, ranks nothing and finds no
accents, but it is what one would type.
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
import time
from pathlib import Path

from bench_site import written
from processes import run
from roadmap_log.search import Index, find

QUERIES = ["attention", "entry 77", '"rows of the attention"', "softm -zebra", "tag:tag-7", "zebra"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15)
    chosen = parser.parse_args()
    rows: dict[str, list[float]] = {}

    def timed(name: str, begin: float) -> None:
        rows.setdefault(name, []).append((time.perf_counter() - begin) * 1e3)

    with tempfile.TemporaryDirectory() as place:
        journey = written(Path(place), chosen.entries)
        begin = time.perf_counter()
        index = Index(journey)
        timed("the index, made anew", begin)
        command = [sys.executable, "-m", "roadmap_log", "search", "attention"]
        bytecode = Path(place) / "bytecode"
        run(command, journey.root, bytecode)
        for _ in range(chosen.rounds):
            for query in QUERIES:
                begin = time.perf_counter()
                find(index, query)
                timed(f"inside: {query}", begin)
            begin = time.perf_counter()
            index.refresh()
            timed("a look for changed files", begin)
            took = run(command, journey.root, bytecode).seconds
            rows.setdefault("cold: roadmap search attention", []).append(1e3 * took)
            if grep := shutil.which("grep"):
                begin = time.perf_counter()
                folder = str(journey.log_folder)
                subprocess.run([grep, "-ril", "attention", folder], stdout=subprocess.DEVNULL)
                timed("grep -ril attention", begin)
    print(f"{chosen.entries} entries; median of {chosen.rounds}, in ms")
    for name, each in rows.items():
        print(f"{name:<42}{statistics.median(each):9.2f}")
    for name, each in rows.items():
        row = {
            "benchmark": "search",
            "what": name,
            "ms": round(statistics.median(each), 3),
            "entries": chosen.entries,
            "python": platform.python_version(),
            "system": platform.system(),
            "cores": os.cpu_count(),
        }
        print(json.dumps(row))


if __name__ == "__main__":
    main()
