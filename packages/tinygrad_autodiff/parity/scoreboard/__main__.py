"""Run the scoreboard: ``python -m parity.scoreboard`` in the folder of the package.

Every operation runs in a forked process of its own, so that one that hangs, crashes or leaves
something changed costs no more than itself.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import multiprocessing
import os
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch
from torch.testing._internal.common_methods_invocations import op_db

from .adapter import Call, Library, UntranslatableError
from .checks import CHECKS, ERRORS, bad_calls, cases, judge, judge_bad
from .compare import WrongError
from .page import page, totals

Result = dict[str, Any]  # samples, passed, reason of the first that failed


def tally(lib: Library, attempts: Iterator[tuple[Call, Callable[[], None]]]) -> Result:
    """How many of the attempts (functions that raise on failure) succeed; why the first fails."""
    samples = passed = 0
    reason = None
    for call, attempt in attempts:
        samples += 1
        try:
            attempt()
            passed += 1
        except Exception as error:
            reason = reason or f"{_reason(lib, error)} (on {call})"
    return {"samples": samples, "passed": passed, "reason": reason}


def _reason(lib: Library, error: Exception) -> str:
    if isinstance(error, WrongError):
        text = str(error)
    elif lib.lacks(error):
        text = f"missing: {error}"
    elif isinstance(error, UntranslatableError):
        text = f"untranslatable: {error}"
    else:
        text = f"raised {type(error).__name__}: {error}"
    return " ".join(text.split())[:200]


def examine(info: Any, libraries: list[Library], send: Any) -> None:
    """All checks of one operation, torch's first; `send` takes (library, check, result)."""
    prepared = {check.name: cases(info, check) for check in CHECKS}
    bad = bad_calls(info)
    for lib in libraries:
        for check in CHECKS:
            if prepared[check.name]:
                attempts = (
                    (case.call, partial(judge, lib, info, check, case))
                    for case in prepared[check.name]
                )
                send((lib.name, check.name, tally(lib, attempts)))
        if bad:
            attempts = ((one.call, partial(judge_bad, lib, info, one)) for one in bad)
            send((lib.name, ERRORS, tally(lib, attempts)))


def work(info: Any, libraries: list[Library], pipe: Connection) -> None:
    """The body of a forked process."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    try:
        examine(info, libraries, pipe.send)
    except Exception as error:
        nothing = {"samples": 0, "passed": 0, "reason": f"op_db: {_reason(libraries[0], error)}"}
        pipe.send(("torch", "forward", nothing))


def run(infos: list[Any], libraries: list[Library], jobs: int, limit: float) -> Iterator[Result]:
    """One record for every operation, as they end; `limit` is in seconds for a check."""
    fork = multiprocessing.get_context("fork")
    waiting = deque(infos)
    running: dict[Any, Any] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            info = waiting.popleft()
            pipe, end = fork.Pipe(duplex=False)
            process = fork.Process(target=work, args=(info, libraries, end), daemon=True)
            process.start()
            end.close()
            record = {"op": info.formatted_name, "family": family(info), "results": {}}
            running[pipe] = [process, record, time.monotonic() + limit]
            record["seconds"] = -time.monotonic()
        ready = wait(list(running), timeout=0.5)
        for pipe in list(running):
            process, record, deadline = running[pipe]
            if pipe in ready:
                try:
                    name, check, result = pipe.recv()
                    record["results"].setdefault(name, {})[check] = result
                    running[pipe][2] = time.monotonic() + limit
                    continue
                except EOFError:
                    process.join()
            elif time.monotonic() < deadline:
                continue
            else:
                process.kill()
                process.join()
            del running[pipe]
            record["seconds"] = round(record["seconds"] + time.monotonic(), 1)
            if process.exitcode:
                reason = "timeout" if process.exitcode == -9 else f"died ({process.exitcode})"
                unfinished(record["results"], libraries, reason)
            yield record


def unfinished(results: Result, libraries: list[Library], reason: str) -> None:
    """Enter `reason` for every check that torch finished and the library did not."""
    for check in results.get("torch", {}):
        for lib in libraries:
            missed = {"samples": 1, "passed": 0, "reason": reason}
            results.setdefault(lib.name, {}).setdefault(check, missed)


def family(info: Any) -> str:
    """The namespace of an operation, or for those of torch itself their kind in op_db."""
    space = info.name.rpartition(".")[0]
    return space or {
        "UnaryUfuncInfo": "elementwise, one operand",
        "BinaryUfuncInfo": "elementwise, two operands",
        "ReductionOpInfo": "reductions",
    }.get(type(info).__name__, "other functions of torch")


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m parity.scoreboard", description=__doc__)
    parser.add_argument("library", nargs="*", default=["tinygrad_autodiff"], help="to be imported")
    parser.add_argument("--ops", default="*", help="names of operations, a shell pattern")
    parser.add_argument("--json", type=Path, help="write a record a line; with --resume, go on")
    parser.add_argument("--resume", action="store_true", help="keep the records of --json")
    parser.add_argument("--page", type=Path, help="write the page (Markdown)")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for a check")
    return parser.parse_args(words)


def main() -> int:
    """Run, report, return an exit status."""
    given = arguments()
    libraries = [Library(name) for name in ("torch", *given.library)]
    records: list[Result] = []
    if given.json and given.resume and given.json.exists():
        records = [json.loads(line) for line in given.json.read_text().splitlines()]
    done = {record["op"] for record in records}
    infos = [
        info
        for info in op_db
        if fnmatch.fnmatch(info.formatted_name, given.ops) and info.formatted_name not in done
    ]
    if not infos and not records:
        print(f"no operation of op_db is named {given.ops!r}", file=sys.stderr)
        return 2
    begin = time.monotonic()
    with open(given.json or os.devnull, "a" if given.resume else "w") as stream:
        for count, record in enumerate(run(infos, libraries, given.jobs, given.limit), 1):
            records.append(record)
            print(json.dumps(record), file=stream, flush=True)
            print(f"\r{count}/{len(infos)} {record['op']:50.50}", end="", file=sys.stderr)
    print(f"\n{len(infos)} operations in {time.monotonic() - begin:.0f} s", file=sys.stderr)
    records.sort(key=lambda record: record["op"])
    for lib in libraries:
        print(lib.name, json.dumps(totals(records, lib.name)))
    if given.page:
        text = page(records, given.library)
        if given.library[0] == "tinygrad_autodiff":
            from .. import others  # only here: it imports the tests

            text += others.sections()
        given.page.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
