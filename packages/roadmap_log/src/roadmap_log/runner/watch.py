"""Which processes a run has started, how much memory they hold, and how to end them all."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
_HAS_PROC = sys.platform.startswith("linux") and (PROC / "self" / "stat").exists()


def usage(session: int) -> tuple[int, int]:
    """Number of processes in a session, and the resident memory they hold together, in bytes.

    Zero and zero where neither /proc nor ps can tell.
    """
    if _HAS_PROC:
        sizes = [size for _, size in _members(session)]
        return len(sizes), sum(sizes)
    if os.name == "posix":
        return _usage_by_ps(session)
    return 0, 0


def _members(session: int) -> Iterator[tuple[int, int]]:
    """Process ids and resident bytes of a session's living processes, from /proc."""
    page = os.sysconf("SC_PAGE_SIZE")
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError, ValueError, IndexError):
            # The name in parentheses may itself hold spaces and parentheses.
            fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                yield int(entry.name), int(fields[21]) * page


def _usage_by_ps(group: int) -> tuple[int, int]:
    """The same from `ps`, by process group; for systems without /proc."""
    listing = subprocess.run(
        ["ps", "-A", "-o", "pgid=,rss="], capture_output=True, text=True, check=False, timeout=5
    ).stdout
    rows = [line.split() for line in listing.splitlines()]
    sizes = [int(row[1]) * 1024 for row in rows if len(row) == 2 and row[0] == str(group)]
    return len(sizes), sum(sizes)


def end(process: "subprocess.Popen[bytes]", mark: str) -> None:
    """Kill a process, its whole group, and what left the group but carries `mark`.

    `mark` is a "NAME=value" of the environment the process was started with; on Linux it finds
    also those that began a session of their own. Elsewhere such a process survives.
    """
    if os.name != "posix":
        subprocess.run(
            ["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False
        )
        with suppress(OSError):
            process.kill()
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for _ in range(5):  # one that forks while it is looked for is found in the next round
        strays = list(_marked(mark)) if _HAS_PROC else []
        for pid in strays:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not strays:
            return


def _marked(mark: str) -> Iterator[int]:
    wanted = mark.encode()
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    yield int(entry.name)
