"""Peak memory of a training step beyond what stood before it, and how cost grows.

The peak is the kernel's high-water mark of the process (Linux), reset before the first step, less
what was resident then; every library runs in a process of its own. Growth is memory and seconds of
processor time, which other programs disturb least, against the length of a chain of operations and
against the batch of the perceptron; plot_growth.py draws it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

_ONE = sys.argv.pop() if sys.argv[-1].startswith("{") else None

import measure  # noqa: E402
import numpy as np  # noqa: E402


def status(field: str) -> float:
    """A line of /proc/self/status in MB."""
    text = Path("/proc/self/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith(field)).split()[1]) / 1024


def library(name: str):
    if name == "torch":
        import torch

        torch.set_num_threads(measure.THREADS)
        return torch
    import tinygrad_autodiff

    return tinygrad_autodiff


def step_of(case: str, name: str, size: int):
    """The training step of a case: of the MLP (`size` examples), the block, or a chain."""
    lib = library(name)
    if case == "mlp":
        import bench_mlp

        repeats = size // len(bench_mlp.X)
        bench_mlp.X, bench_mlp.Y = np.tile(bench_mlp.X, (repeats, 1)), np.tile(bench_mlp.Y, repeats)
        return bench_mlp.torch_like(lib, lib.tensor)
    if case == "block":
        import bench_block

        return bench_block.torch_like(lib, lib.tensor, name != "torch")
    x = lib.ones(16, requires_grad=True)

    def chain() -> None:
        y = x
        for _ in range(size):
            y = y * 1.0001 + 0.5
        y.sum().backward()

    return chain


def one(case: str, name: str, size: int) -> dict[str, object]:
    """Peak and seconds of a step, in this process; the least of five."""
    step = step_of(case, name, size)
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    step()
    peak = status("VmHWM") - before
    times = []
    for _ in range(5):
        start = time.process_time()
        step()
        times.append(time.process_time() - start)
    peak = max(peak, status("VmHWM") - before)
    row = {"case": case, "library": name, "size": size}
    return {**row, "peak_mb": round(peak, 1), "seconds": round(min(times), 5)}


def main() -> None:
    if _ONE:
        print(json.dumps(one(**json.loads(_ONE))))
        return
    print(json.dumps(measure.machine()))
    cases = [
        ("block", 8),
        *(("chain", length) for length in (1_000, 25_000, 50_000, 75_000, 100_000)),
    ]
    cases += [("mlp", batch) for batch in (128, 2048, 4096, 6144, 8192)]
    rows = []
    for case, size in cases:
        for name in ("tinygrad_autodiff", "torch"):
            if name == "torch" and not measure.available("torch"):
                continue
            asked = json.dumps({"case": case, "name": name, "size": size})
            command = [sys.executable, __file__, "--threads", str(measure.THREADS), asked]
            out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            rows.append(json.loads(out.splitlines()[-1]))
    print(f"\n{'case':8}{'size':>8}{'library':>20}{'peak MB':>10}{'seconds':>10}")
    for row in rows:
        print("{case:8}{size:8d}{library:>20}{peak_mb:10.1f}{seconds:10.4f}".format(**row))
    for row in rows:
        print(json.dumps(row))


if __name__ == "__main__":
    main()
