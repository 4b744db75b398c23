"""Judging a learner's file: its upper part with the day's own tests, in a process of its own."""

import ast
import builtins
import hashlib
import json
import os
import re
import secrets
import stat
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadmap_log.dayfile import DayFile, DayFileError, combine, read, split_upper
from roadmap_log.machine import gpu_present, lacks, memory
from roadmap_log.runner.process import MARK, Ended, Start, command, supervise
from roadmap_log.runner.report import Limits, Report, RunnerError
from roadmap_log.runner.verdict import missing, read_channel, records_of, verdict

_CHILD = command(sys.executable, "-P", str(Path(__file__).with_name("child.py")))
_DROPPED = (
    "PYTEST_",
    "PYTHONOPTIMIZE",  # would strip the asserts
    "PYTHONINSPECT",
    "PYTHONWARNINGS",
    "PYTHONSTARTUP",
    "PYTHONBREAKPOINT",
)


def run(
    day: DayFile,
    learner_file: Path,
    *,
    seed: int | None = None,
    limits: Limits | None = None,
    first_failure_ends: bool = False,
) -> Report:
    """Judge `learner_file` by the tests of `day`.

    What stands above `# TESTS` in the file is joined with the tests as the package has them (what
    the file holds below is ignored), and pytest runs the result in a child process under `limits`.
    Without limits they are the usual ones. `seed` becomes ROADMAP_SEED and the hash seed; without
    one a fresh one is drawn. With
    `first_failure_ends` the run stops at the first test that does not pass.

    A file that cannot be judged (missing, binary, a link, too large) gives a report that says so.

    Raises:
        RunnerError: the runner itself cannot work (no space, no process).
    """
    seed = secrets.randbelow(2**32) if seed is None else seed
    if not 0 <= seed < 2**32:
        raise RunnerError(f"seed = {seed}", expected="0 <= seed < 2**32")
    tests_hash = _sha256(day.tests_source)
    if blocked := lacks(day.requires):
        return Report(False, blocked, blocked=True, seed=seed, tests_hash=tests_hash)
    try:
        upper = split_upper(learners_text(learner_file))
    except DayFileError as error:
        return Report(False, str(error), missing=day.test_ids, seed=seed, tests_hash=tests_hash)
    limits = limits or usual_limits()
    return judge(day, upper, learner_file, seed, limits, first_failure_ends=first_failure_ends)


def usual_limits(seconds: float = Limits.seconds) -> Limits:
    """What a learner's program may use unless one says otherwise: not all of the memory."""
    whole = memory()
    return Limits(seconds=seconds, memory_bytes=None if whole is None else whole * 3 // 4)


def judge(
    day: DayFile,
    upper: str,
    shown_as: Path,
    seed: int,
    limits: Limits,
    *,
    first_failure_ends: bool = False,
    start: Start = _CHILD,
) -> Report:
    """Judge the text `upper`; messages name `shown_as` for its lines, `day.path` for the tests'."""
    how = {"first_failure_ends": first_failure_ends}
    child = in_a_child(day, upper, shown_as, seed, limits, start, how)
    channel, ended = read_channel(child.records, child.shown), child.ended
    passed, reason = verdict(day, shown_as, channel, ended, limits)
    return Report(
        passed=passed,
        reason=reason,
        tests=tuple(channel.outcomes),
        missing=missing(day, channel),
        seconds=round(ended.seconds, 3),
        seed=seed,
        output=child.shown(ended.output),
        solution_hash=_sha256(upper),
        tests_hash=_sha256(day.tests_source),
        versions=tuple((channel.finish or {}).get("versions", {}).items()),
    )


@dataclass(frozen=True)
class Child:
    """What a child left: its records, its end; `shown` puts real places into what it said."""

    records: list[dict[str, Any]]
    ended: Ended
    shown: Callable[[str], str]


def in_a_child(
    day: DayFile,
    upper: str,
    shown_as: Path,
    seed: int,
    limits: Limits,
    start: Start,
    more: dict[str, Any],
) -> Child:
    """Run a program on `upper` joined with the tests of `day`; `more` is what it alone must know.

    Raises:
        RunnerError: the runner itself cannot work (no space, no process).
    """
    token = secrets.token_hex(16)
    try:
        with tempfile.TemporaryDirectory(prefix="roadmap-", ignore_cleanup_errors=True) as name:
            folder = Path(name).resolve()
            task = _lay_out(folder, day, upper, token, limits) | more
            ended = supervise(
                start,
                message=json.dumps(task).encode() + b"\n",
                folder=folder / "work",
                environment={
                    **environment(seed, day.requires),
                    "TMPDIR": str(folder / "work"),
                    MARK: token[:8],
                },
                limits=limits,
            )
            shown = _places(Path(task["file"]), task["upper_lines"], day, shown_as)
            return Child(records_of(folder / "records", token), ended, shown)
    except OSError as error:
        raise RunnerError(
            f"the temporary folder cannot be used: {error}",
            fix="free some space, or set TMPDIR to a folder you may write to",
        ) from error


def learners_text(path: Path) -> str:
    """The learner's file; a link out of its folder is refused, since its target may change."""
    if path.is_symlink() and path.resolve().parent != path.parent.resolve():
        raise DayFileError(
            path,
            1,
            f"the file is a link to {path.resolve()}, outside its folder",
            fix="put a copy in the place of the link",
        )
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DayFileError(path, 1, "is not a regular file", expected="a Python file")
    except FileNotFoundError:
        raise DayFileError(
            path, 1, "there is no such file", fix="start the day again, or undo the removal"
        ) from None
    except OSError as error:
        raise DayFileError(path, 1, f"cannot be read: {error.strerror}") from error
    return read(path)


def _lay_out(folder: Path, day: DayFile, upper: str, token: str, limits: Limits) -> dict[str, Any]:
    """Write the file to be tested and an empty channel; return what the child is to do."""
    work = folder / "work"
    work.mkdir()
    file = work / f"day{day.number:02d}_{secrets.token_hex(4)}.py"
    source = combine(upper, day)
    file.write_text(source, encoding="utf-8", newline="\n")
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "records").touch()
    modules, names = relied_on(day)
    return {
        "file": str(file),
        "upper_lines": source.count("\n") - day.tests_source.count("\n"),
        "expected": day.test_ids,
        "records": str(folder / "records"),
        "token": token,
        "configuration": str(folder / "pytest.ini"),
        "modules": modules,
        "builtins": names,
        "file_bytes": limits.file_bytes,
        "cpu_seconds": int(limits.seconds * (os.cpu_count() or 1)) + 1,
    }


def relied_on(day: DayFile) -> tuple[list[str], list[str]]:
    """Modules the tests import, and builtins they use that the day's own solution leaves alone."""
    tests, upper = ast.parse(day.tests_source), ast.parse(day.upper)
    modules: list[str] = []
    for node in ast.walk(tests):
        if isinstance(node, ast.Import):
            modules += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.append(node.module)
    for library in ("numpy", "torch"):
        if library in modules:
            modules.append(f"{library}.testing")
    used = {node.id for node in ast.walk(tests) if isinstance(node, ast.Name)} - {"__name__"}
    defined = {getattr(node, "name", None) for node in ast.walk(upper)} | {
        node.id
        for node in ast.walk(upper)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return list(dict.fromkeys(modules)), sorted((used & set(vars(builtins))) - defined)


def environment(seed: int, requires: tuple[str, ...]) -> dict[str, str]:
    """The child's environment: the user's, without what would change how tests run."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_DROPPED)}
    kept |= {
        "ROADMAP_SEED": str(seed),
        "PYTHONHASHSEED": str(seed),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8:replace",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    if "interpreter" in requires:
        kept.pop("TRITON_INTERPRET", None)
        if "gpu" not in requires or not gpu_present():
            kept["TRITON_INTERPRET"] = "1"
    return kept


def _places(file: Path, upper_lines: int, day: DayFile, shown_as: Path) -> Callable[[str], str]:
    """Rewrites places in the temporary file: to the learner's file, or to the day's own tests."""
    shift = day.upper.count("\n") - upper_lines
    # It begins where a word does: tried at every letter of a long one, it would never end.
    name = rf"(?<![^\s\"'(])(?P<path>[^\s\"'(]*{re.escape(file.name)})"
    places = re.compile(rf"{name}(?:(?P<between>:|\", line )(?P<line>\d+))?")

    def real(match: re.Match[str]) -> str:
        if match["line"] is None:
            return str(shown_as)
        line = int(match["line"])
        if line <= upper_lines:
            return f"{shown_as}{match['between']}{line}"
        return f"{day.path}{match['between']}{line + shift}"

    return lambda text: places.sub(real, text)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
