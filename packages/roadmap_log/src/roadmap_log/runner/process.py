"""One child process under limits: started in its own session, read, watched, and always ended."""

import os
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from roadmap_log.runner.report import Limits, RunnerError
from roadmap_log.runner.watch import end, usage

MARK = "ROADMAP_RUN"
"""The environment variable by which every process of a run can be found again."""

_WATCH_SECONDS = 0.2

Stop = Literal["time", "output", "processes", "memory"]


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit status (negative: the signal), or why it was stopped."""

    status: int | None
    stopped: Stop | None
    output: str
    seconds: float


class Output:
    """What a process printed: its first and its last bytes, and how many went by in between."""

    def __init__(self, keep: int) -> None:
        self.total = 0
        self._keep = max(keep // 2, 1)
        self._head = bytearray()
        self._tail = bytearray()
        self._lock = threading.Lock()

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        with self._lock:
            self.total += len(data)
            room = self._keep - len(self._head)
            self._head += data[:room]
            self._tail += data[room:] if room < len(data) else b""
            if len(self._tail) > 2 * self._keep:
                del self._tail[: -self._keep]

    def text(self) -> str:
        """Head and tail as text, with a line between them that counts what is left out."""
        with self._lock:
            tail = self._tail[-self._keep :]
            dropped = self.total - len(self._head) - len(tail)
            parts = [bytes(self._head).decode("utf-8", "replace")]
            if dropped:
                parts.append(f"\n[… {dropped:,} bytes left out …]\n")
            parts.append(bytes(tail).decode("utf-8", "replace"))
        return "".join(parts)


Start = Callable[[Path, dict[str, str]], "subprocess.Popen[bytes]"]
"""Starts the process in a folder with an environment, in a session of its own."""


def command(*words: str) -> Start:
    """Starts a program."""

    def start(folder: Path, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            bufsize=0,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )

    return start


def supervise(
    start: Start,
    *,
    message: bytes,
    folder: Path,
    environment: dict[str, str],
    limits: Limits,
) -> Ended:
    """Start a process in `folder`, hand it `message` on its standard input, end it by the limits.

    Returns at most about a second after the time limit, whoever holds the pipes: after the kill
    nothing is waited for. Whatever the process left behind is killed too, and so it is when this
    call itself is interrupted.

    Raises:
        RunnerError: the process cannot be started.
    """
    begun = time.monotonic()
    mark = f"{MARK}={environment[MARK]}"
    try:
        process = start(folder, environment)
    except OSError as error:
        raise RunnerError(
            f"the test process cannot be started: {error}", fix="check that Python itself runs"
        ) from error
    output, closed = Output(limits.output_bytes), threading.Event()
    threading.Thread(target=_read, args=(process, output, closed), daemon=True).start()
    stopped: Stop | None = None
    try:
        with suppress(BrokenPipeError):
            assert process.stdin is not None
            process.stdin.write(message)  # stays open: its end tells the child that we are gone
        stopped = _watch(process, output, closed, limits, begun + limits.seconds)
    finally:
        end(process, mark)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        closed.wait(0.2)
        with suppress(OSError):
            assert process.stdin is not None
            process.stdin.close()
    status = None if stopped else process.returncode
    return Ended(status, stopped, output.text(), time.monotonic() - begun)


def _read(process: "subprocess.Popen[bytes]", output: Output, closed: threading.Event) -> None:
    """Read until every holder of the pipe is gone; runs beside, so that nobody waits for it."""
    assert process.stdout is not None
    with suppress(OSError, ValueError):
        while data := os.read(process.stdout.fileno(), 1 << 16):
            output.add(data)
    closed.set()
    process.stdout.close()


def _watch(
    process: "subprocess.Popen[bytes]",
    output: Output,
    closed: threading.Event,
    limits: Limits,
    deadline: float,
) -> Stop | None:
    """Wait until the process ends by itself (None) or breaks a limit; it is not reaped here."""
    pause = 0.002  # the pipe closes an instant before the process is gone
    while not _exited(process):
        left = deadline - time.monotonic()
        if left <= 0:
            return "time"
        if output.total > limits.FLOOD * limits.output_bytes:
            return "output"
        count, memory = usage(process.pid)
        if count > limits.processes:
            return "processes"
        if limits.memory_bytes is not None and memory > limits.memory_bytes:
            return "memory"
        if closed.wait(min(_WATCH_SECONDS, left)):
            time.sleep(min(pause, left))
            pause = min(2 * pause, _WATCH_SECONDS)
    return None


def _exited(process: "subprocess.Popen[bytes]") -> bool:
    """Whether it ended; where possible without reaping, which keeps its group's number taken."""
    if hasattr(os, "waitid"):
        options = os.WEXITED | os.WNOWAIT | os.WNOHANG
        return os.waitid(os.P_PID, process.pid, options) is not None
    return process.poll() is not None
