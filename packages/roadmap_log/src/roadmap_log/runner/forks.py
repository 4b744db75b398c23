"""Many runs of one day, by forks of processes that have imported what its tests import.

Importing torch takes seconds, judging a wrong answer takes a fraction of one. A proof judges some
thirty versions of a day, so it imports once for each core and forks for each version. Where there
is no fork, every version is judged in a fresh process, as a learner's file always is.
"""

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

from roadmap_log.dayfile import DayFile, split_upper
from roadmap_log.runner.report import Limits, Report
from roadmap_log.runner.run import environment, judge, relied_on

CAN_FORK = hasattr(os, "fork") and sys.platform.startswith("linux")  # macOS forbids it to libraries


class Forks:
    """Judges versions of `day`, `jobs` at a time; a context, at whose end its processes end."""

    def __init__(self, day: DayFile, limits: Limits, jobs: int) -> None:
        self._day, self._limits = day, limits
        self._fresh: Executor = ThreadPoolExecutor(jobs)
        self._forking: Executor = self._fresh
        if CAN_FORK:
            self._forking = ProcessPoolExecutor(
                jobs,
                multiprocessing.get_context("spawn"),
                initializer=_prepare,
                initargs=(environment(0, day.requires), relied_on(day)[0]),
            )

    def __enter__(self) -> "Forks":
        return self

    def __exit__(self, *raised: object) -> None:
        for executor in (self._fresh, self._forking):
            executor.shutdown(cancel_futures=True)

    def judge(
        self, source: str, seed: int, *, first_failure_ends: bool = False, fresh: bool = False
    ) -> "Future[Report]":
        """Begin to judge one version; `fresh`: in a process of its own, as a learner's file."""
        executor = self._fresh if fresh else self._forking
        how = _afresh if fresh or not CAN_FORK else _forked
        return executor.submit(how, self._day, source, seed, self._limits, first_failure_ends)


def _afresh(day: DayFile, source: str, seed: int, limits: Limits, first: bool) -> Report:
    return judge(day, split_upper(source), day.path, seed, limits, first_failure_ends=first)


def _forked(day: DayFile, source: str, seed: int, limits: Limits, first: bool) -> Report:
    upper = split_upper(source)
    return judge(day, upper, day.path, seed, limits, first_failure_ends=first, start=_fork)


def _prepare(variables: dict[str, str], modules: list[str]) -> None:
    """Make this process what a fresh child is when the learner's file is imported."""
    os.environ.clear()
    os.environ.update(variables)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who asked for the proof ends it
    for name in ("pytest", "_pytest.assertion.rewrite", "roadmap_log.runner.child", *modules):
        with suppress(Exception):  # the test file's own import will say it better
            importlib.import_module(name)


class _Fork:
    """A forked process, as much like subprocess.Popen as the supervisor needs."""

    def __init__(self, pid: int, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self.pid, self.stdin, self.stdout = pid, stdin, stdout
        self.returncode: int | None = None

    def wait(self, timeout: float) -> int:
        """Wait for its end and reap it."""
        deadline = time.monotonic() + timeout
        while self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("a fork", timeout)
            else:
                time.sleep(0.002)
        return self.returncode


def _fork(folder: Path, variables: dict[str, str]) -> "subprocess.Popen[bytes]":
    """Start the child's program in a fork of this process."""
    read_in, write_in = os.pipe()
    read_out, write_out = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads that a library keeps asleep
        pid = os.fork()
    if pid == 0:
        _become_child(folder, variables, read_in, write_out)
    os.close(read_in)
    os.close(write_out)
    process = _Fork(pid, os.fdopen(write_in, "wb", 0), os.fdopen(read_out, "rb", 0))
    return cast("subprocess.Popen[bytes]", process)


def _become_child(folder: Path, variables: dict[str, str], stdin: int, output: int) -> None:
    """In the fork: what starting a program would have done, then the program; never returns."""
    status = 1
    leave: Callable[[int], Any] = os._exit
    try:
        os.setsid()
        for source, target in ((stdin, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        os.closerange(3, max(1024, stdin, output) + 1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.clear()
        os.environ.update(variables)
        os.chdir(folder)
        tempfile.tempdir = None
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", 1, "utf-8", "replace", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", 1, "utf-8", "replace", closefd=False)  # noqa: SIM115
        from roadmap_log.runner import child

        status = child.main()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        leave(status)
