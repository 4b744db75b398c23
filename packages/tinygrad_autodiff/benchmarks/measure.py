"""Timing shared by the benchmarks: interleaved rounds, medians, one table, then JSON lines.

Import this before NumPy: it reads ``--threads N`` (2 by default) and holds every library's matrix
products to that number. On a machine that is busy with other things, one thread and ``--processor``
are the honest choice: what is counted is the processor time of this program alone.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import os
import platform
import shutil
import statistics
import sys
import time
from collections.abc import Callable

_options = argparse.ArgumentParser()
_options.add_argument("--threads", type=int, default=2)
_options.add_argument("--processor", action="store_true", help="processor time, not the clock's")
_given = _options.parse_args()
THREADS = _given.threads
now = time.process_time if _given.processor else time.perf_counter
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = str(THREADS)
os.environ |= {"DEV": "CPU", "NUM_CPU_THREADS": str(THREADS)}  # tinygrad's


def available(module: str) -> bool:
    """Whether a peer is installed; tinygrad also needs Clang (or what CC names) to compile with."""
    if module == "tinygrad" and not shutil.which(os.environ.get("CC", "clang")):
        return False
    return importlib.util.find_spec(module) is not None


def machine() -> dict[str, str]:
    """What the figures depend on."""
    from importlib.metadata import PackageNotFoundError, version

    found = {
        "python": platform.python_version(),
        "cores": str(os.cpu_count()),
        "threads": str(THREADS),
        "time": "processor" if _given.processor else "clock",
    }
    peers = ("torch", "autograd", "mygrad", "pyborch", "tinygrad")
    for name in ("numpy", *peers, "tinygrad-autodiff"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def compare(
    case: str,
    steps: dict[str, Callable[[], object]],
    rounds: int = 15,
    seconds: float = 0.08,
    reference: str = "torch",
) -> dict[str, float]:
    """Microseconds a step takes, by library: the median over rounds that take turns.

    Each round runs every library for about `seconds`, so that a change of the machine's speed
    meets them all alike. What is alive before is taken out of the garbage collector's sight, or
    every library would pay for the objects of all others.
    """
    gc.collect()
    gc.freeze()
    repeats = {}
    for name, step in steps.items():
        for _ in range(5):
            step()
        start = now()
        step()
        repeats[name] = max(1, int(seconds / max(now() - start, 1e-7)))
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            start = now()
            for _ in range(repeats[name]):
                step()
            times[name].append((now() - start) / repeats[name] * 1e6)
    medians = {name: statistics.median(values) for name, values in times.items()}
    base = medians.get(reference)
    print(f"\n{case}")
    for name, value in sorted(medians.items(), key=lambda item: item[1]):
        ratio = f"{value / base:7.2f} x {reference}" if base else ""
        print(f"  {name:20s} {value:12.2f} µs {ratio}")
    for name, value in medians.items():
        row = {"case": case, "library": name, "microseconds": round(value, 3)}
        if base:
            row["ratio"] = round(value / base, 4)
        print(json.dumps(row))
    sys.stdout.flush()
    return medians
