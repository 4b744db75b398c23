"""How long after its limit a learner's program that will not end is gone, with all it started.

    python packages/roadmap_log/benchmarks/bench_runner.py --rounds 5

Printed: for each way not to end, the largest and the median time past a limit of one second until
the runner has its verdict, and how many of the processes that the program began still live then.
JSON lines follow.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

from roadmap_log.dayfile import parse
from roadmap_log.dayfile.template import new_day
from roadmap_log.runner import Limits, run

LIMIT = 1.0
NOTE = "import os, signal, subprocess, sys, time\nnoted = open({file!r}, 'a', 1)\n"
PROGRAMS = {
    "a loop without end": "while True: pass\n",
    "deaf to signals": "for s in (signal.SIGTERM, signal.SIGINT): signal.signal(s, lambda *_: 0)\n"
    "while True: time.sleep(9)\n",
    "a grandchild holds the pipes": "p = subprocess.Popen([sys.executable, '-c', "
    "'import time; time.sleep(60)'])\nnoted.write(f'{p.pid}\\n')\ntime.sleep(60)\n",
    "a tree of forks": "for _ in range(4):\n    os.fork()\nnoted.write(f'{os.getpid()}\\n')\n"
    "time.sleep(60)\n",
    "output without end": "while True: print('x' * 1000)\n",
}
"""Ways not to end, as a learner's file."""


def alive(file: Path) -> int:
    """How many of the processes noted in `file` still run; what is dead and unreaped does not."""
    count = 0
    for pid in set(file.read_text().split()):
        try:
            count += ") Z " not in Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    rows: dict[str, list[tuple[float, int]]] = {}
    with tempfile.TemporaryDirectory() as place:
        path, work, noted = (Path(place, name) for name in ("day01.py", "work.py", "noted"))
        path.write_text(new_day(1, "No end"))
        day, limits = parse(path), Limits(seconds=LIMIT)
        for _ in range(chosen.rounds):
            for name, text in PROGRAMS.items():
                noted.write_text("")
                work.write_text(NOTE.format(file=str(noted)) + text)
                begin = time.perf_counter()
                report = run(day, work, seed=0, limits=limits)
                took = time.perf_counter() - begin
                if report.passed:
                    raise SystemExit(f"{name} passed: {report.reason}")
                rows.setdefault(name, []).append((took - LIMIT, alive(noted)))
    print(f"past a limit of {LIMIT:g} s; {chosen.rounds} rounds")
    print(f"{'':<32}{'most ms':>9}{'median':>9}{'alive':>7}")
    told = {
        name: {
            "most_ms": round(1e3 * max(late for late, _ in each), 1),
            "median_ms": round(1e3 * statistics.median(late for late, _ in each), 1),
            "alive": max(number for _, number in each),
        }
        for name, each in rows.items()
    }
    for name, row in told.items():
        print(f"{name:<32}{row['most_ms']:9.0f}{row['median_ms']:9.0f}{row['alive']:7}")
    system = {"python": platform.python_version(), "cores": os.cpu_count()}
    for name, row in told.items():
        print(json.dumps({"benchmark": "runner", "program": name, **row, **system}))


if __name__ == "__main__":
    main()
