"""Processes under the clock, with their bytecode in place as on every day but the first.

Where bytecode is forbidden (PYTHONDONTWRITEBYTECODE), each start would compile every source again;
here it is kept in a folder of the benchmark's own, whatever the machine says.
"""

import os
import subprocess
import time
from pathlib import Path
from typing import NamedTuple


class Run(NamedTuple):
    """What a process took: seconds by the clock and of the processor, MiB at its peak."""

    seconds: float
    cpu: float
    peak: float


def run(command: list[str], folder: Path, bytecode: Path) -> Run:
    """Run a command in `folder` and say what it took; Python keeps its bytecode in `bytecode`."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(bytecode)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    begin = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
