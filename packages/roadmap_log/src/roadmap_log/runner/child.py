"""The program that runs inside the child process: pytest on one file, results on a channel apart.

It is started by path and imports nothing of roadmap_log. Its instructions come as one line of
JSON on standard input; its records go to a file that was opened before the learner's code runs,
each with the token of this run, so that nothing a program prints can pass for a result.

This guards against accidents and lazy shortcuts. It is no sandbox: the learner's code runs in
this very process, with the learner's own rights, and whoever sets out to deceive it can.
"""

import builtins
import functools
import importlib
import json
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CANARY = "roadmap_canary"
LONGEST_MESSAGE = 2_000
_LONGEST_TRACEBACK = 8_000


class Records:
    """The channel to the parent: JSON lines with the run's token, from this process alone."""

    def __init__(self, path: str, token: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND)
        self._token = token
        self._owner = os.getpid()

    def write(self, kind: str, **values: Any) -> None:
        """Append one record; a forked copy of this process stays silent."""
        if os.getpid() == self._owner:
            record = {"token": self._token, "kind": kind, **values}
            os.write(self._file, json.dumps(record).encode() + b"\n")


class Guard:
    """Notices when the learner's code replaces what the tests rely on.

    Remembers every function and class of the modules the tests import, and of builtins; a name
    that later holds something else was overwritten (`numpy.allclose = …`), and so was a module of
    which `sys.modules` holds another. Names of builtins that
    the tests use must not be redefined in the learner's file either.
    """

    def __init__(self, modules: list[str], names: list[str]) -> None:
        self._names = names
        self._modules: dict[str, types.ModuleType] = {}
        self._known: list[tuple[types.ModuleType, str, object]] = []
        for name in ["builtins", "pytest", *modules]:
            try:
                module = importlib.import_module(name)
            except Exception:
                continue  # the test file's own import will say it better
            self._modules[name] = module
            self._known += [
                (module, key, value) for key, value in vars(module).items() if callable(value)
            ]

    def broken(self, learner: types.ModuleType | None) -> str | None:
        """What was overwritten, or None."""
        for name, module in self._modules.items():
            if sys.modules.get(name) is not module:
                return f"the module {name} was replaced"
        for module, key, value in self._known:
            if vars(module).get(key, value) is not value:
                return f"{module.__name__}.{key} was replaced"
        for name in self._names:
            if learner is not None and name in vars(learner):
                return (
                    f"the file defines {name!r}, which hides Python's own {name!r} from the tests"
                )
        return None


class Judge:
    """The pytest plugin: keeps the expected tests, is strict with them, records how each ended."""

    def __init__(self, records: Records, task: dict[str, Any], guard: Guard) -> None:
        self._records = records
        self._file = task["file"]
        self._upper_lines = task["upper_lines"]
        self._expected = set(task["expected"])
        self._first_failure_ends = task["first_failure_ends"]
        self._guard = guard
        self._outcomes: dict[str, dict[str, Any]] = {}
        self._raised: Any = None
        self._session: Any = None
        self._module: types.ModuleType | None = None
        self.sound = False

    def pytest_configure(self, config: Any) -> None:
        """What the terminal plugin, which is switched off, would have set."""
        config.option.tbstyle, config.option.verbose = "short", 0

    def pytest_exception_interact(self, node: Any, call: Any, report: Any) -> None:
        """While a file is imported: keep what it raised for the report of the collection."""
        import pytest

        self._raised = call.excinfo
        cause = call.excinfo.value.__cause__
        if isinstance(call.excinfo.value, pytest.Collector.CollectError) and cause is not None:
            self._raised = pytest.ExceptionInfo.from_exception(cause)  # an ImportError, wrapped

    def pytest_collectreport(self, report: Any) -> None:
        """A file that cannot be imported has no tests; say why."""
        if report.failed:
            self._records.write("import", **self._failure(report))
            self._raised = None

    def pytest_collection_modifyitems(self, session: Any, items: list[Any]) -> None:
        """Keep the day's own tests, and add one that must fail: if it does not, nothing counts."""
        import pytest

        self._session = session
        items[:] = [i for i in items if _function(_id(i.nodeid)) in self._expected]
        for item in items:
            item.obj = _strict(item.obj)
        if items:
            module = items[0].getparent(pytest.Module)
            self._module = module.obj
            canary = pytest.Function.from_parent(module, name=CANARY, callobj=_canary)
            items.append(canary)
        self._records.write("collected", ids=[_id(i.nodeid) for i in items])

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Say which test begins: after a crash or a kill the parent knows where it was."""
        self._records.write("start", id=_id(nodeid))

    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        """Keep what the test raised; pytest's own hook makes the report."""
        self._raised = call.excinfo

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Fold setup, call and teardown into one outcome; the first that is not a pass stands."""
        outcome = {"status": "passed", "message": "", "line": None, "traceback": ""}
        if hasattr(report, "wasxfail"):
            outcome |= {"status": "xfailed", "message": f"marked to fail: {report.wasxfail}"}
        elif report.skipped:
            outcome |= {"status": "skipped", "message": _skip_reason(report)}
        elif report.failed:
            returned = isinstance(getattr(self._raised, "value", None), _Returned)
            status = "error" if report.when != "call" else "returned" if returned else "failed"
            outcome |= {"status": status, **self._failure(report)}
        if self._outcomes.setdefault(report.nodeid, outcome)["status"] == "passed":
            self._outcomes[report.nodeid] = outcome

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Record a finished test; where the first failure decides, end the session."""
        outcome = self._outcomes.get(nodeid)
        if outcome is None:
            return
        self._records.write("test", id=_id(nodeid), **outcome)
        if _id(nodeid) == CANARY:
            self.sound = outcome["status"] == "failed"
        elif outcome["status"] != "passed" and self._first_failure_ends:
            self._session.shouldstop = "one failure is enough"

    def pytest_internalerror(self, excinfo: Any) -> None:
        """SystemExit out of the file, or pytest broke, most often as its parts were replaced."""
        kind = "aborted" if excinfo.errisinstance(SystemExit) else "broken"
        message = clip(excinfo.exconly(), LONGEST_MESSAGE)
        self._records.write(kind, message=message, line=self._line(excinfo))

    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        """KeyboardInterrupt or pytest.exit, raised by the file itself."""
        self._records.write("aborted", message=excinfo.exconly(), line=self._line(excinfo))

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """The session came to its end."""
        self._records.write(
            "finish", guard=self._guard.broken(self._module), versions=dict(_versions())
        )

    def _failure(self, report: Any) -> dict[str, Any]:
        """What was raised, in short and at length, and the learner's own line on the way to it."""
        long = clip(report.longreprtext, _LONGEST_TRACEBACK)
        if self._raised is None:
            return {"message": clip(long, LONGEST_MESSAGE), "line": None, "traceback": long}
        said = self._raised.exconly().rpartition("_Returned: ")[2].removeprefix("AssertionError: ")
        return {
            "message": clip(said.strip(), LONGEST_MESSAGE),
            "line": self._line(self._raised),
            "traceback": long,
        }

    def _line(self, excinfo: Any) -> int | None:
        lines: list[int] = [
            entry.lineno + 1
            for entry in excinfo.traceback
            if str(entry.path) == self._file and entry.lineno < self._upper_lines
        ]
        return lines[-1] if lines else None


class _Returned(AssertionError):
    """A test returned a value: it was written as if returning were asserting."""


def _strict(test: Callable[..., Any]) -> Callable[..., None]:
    """`test`, which fails if it returns anything: pytest lets such a test pass."""

    @functools.wraps(test)
    def checked(*args: Any, **kwargs: Any) -> None:
        result = test(*args, **kwargs)
        if result is not None:
            if hasattr(result, "close"):
                result.close()
            raise _Returned(f"the test returned {type(result).__name__} instead of asserting")

    return checked


def _canary() -> None:
    raise AssertionError("the canary must fail")


def _id(nodeid: str) -> str:
    return nodeid.partition("::")[2]


def _function(test_id: str) -> str:
    return test_id.partition("[")[0]


def _skip_reason(report: Any) -> str:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
    return clip(str(reason), LONGEST_MESSAGE)


def clip(text: str, longest: int) -> str:
    """`text`, cut where it grows too long for a record."""
    return text if len(text) <= longest else f"{text[:longest]} …"


def _versions() -> Iterator[tuple[str, str]]:
    yield "python", ".".join(map(str, sys.version_info[:3]))
    for name in ("pytest", "numpy", "torch", "triton"):
        if name in sys.modules:
            yield name, str(getattr(sys.modules[name], "__version__", "unknown"))


def limit(file_bytes: int, cpu_seconds: int) -> None:
    """Bound what each process may write and, should the parent die, how long it may compute.

    RLIMIT_NPROC is left alone: it counts all that the user runs. RLIMIT_AS too: CUDA reserves
    more address space than there is memory. The parent watches both instead.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind, wanted in (
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (soft, hard))


def die_with_parent() -> None:
    """Keep the pipe from the parent aside, and end the whole group when it closes.

    Standard input itself becomes empty: a program that reads it gets the end of the file.
    """
    lifeline = os.dup(0)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115

    def wait() -> None:
        os.read(lifeline, 1)
        if hasattr(os, "killpg"):
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def unreadable(task: dict[str, Any]) -> dict[str, Any] | None:
    """Why the learner's part is not Python, or None; in its own lines."""
    lines = Path(task["file"]).read_text(encoding="utf-8").split("\n")
    try:
        compile("\n".join([*lines[: task["upper_lines"]], ""]), task["file"], "exec")
    except SyntaxError as error:
        return {"line": error.lineno, "message": f"not valid Python: {error.msg}"}
    except (ValueError, RecursionError, MemoryError) as error:
        return {"line": 1, "message": f"Python cannot read it: {error}"}
    return None


def main() -> int:
    """Do what the parent asks; 0 only if the session ended and the canary failed as it must."""
    task = json.loads(sys.stdin.buffer.readline())
    records = Records(task["records"], task["token"])
    die_with_parent()
    limit(task["file_bytes"], task["cpu_seconds"])
    if problem := unreadable(task):
        records.write("syntax", **problem)
        return 1
    try:
        import pytest
    except ImportError as error:
        records.write("no pytest", message=str(error))
        return 1
    judge = Judge(records, task, Guard(task["modules"], task["builtins"]))
    options = ["-c", task["configuration"], "--rootdir", str(Path(task["file"]).parent)]
    options += ["--import-mode=importlib", "--noconftest", "--capture=no"]
    options += [f"-pno:{name}" for name in ("cacheprovider", "terminal", "doctest", "junitxml")]
    try:
        pytest.main([*options, task["file"]], plugins=[judge])
    except BaseException as error:
        records.write("aborted", message=f"{type(error).__name__}: {error}".rstrip(": "))
        return 1
    return 0 if judge.sound else 1


if __name__ == "__main__":
    _exit = os._exit  # threads the learner left running must not hold the process
    status = main()
    builtins.print(end="", flush=True)
    sys.stderr.flush()
    _exit(status)
