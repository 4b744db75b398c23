"""From the records of a child process to a verdict; the parent alone decides."""

import json
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roadmap_log.dayfile import DayFile
from roadmap_log.runner.child import CANARY
from roadmap_log.runner.process import Ended
from roadmap_log.runner.report import Limits, TestOutcome

_OPEN = re.compile(r"Exercise (\d+): ")


@dataclass
class Channel:
    """What the child recorded: test outcomes, the ids it collected, and how far it came."""

    outcomes: list[TestOutcome] = field(default_factory=list)
    collected: tuple[str, ...] = ()
    running: str | None = None
    canary_failed: bool = False
    finish: dict[str, Any] | None = None
    trouble: dict[str, Any] | None = None


def records_of(path: Path, token: str) -> list[dict[str, Any]]:
    """The records of this run; lines that are torn or lack its token are not its own."""
    records: list[dict[str, Any]] = []
    for line in path.read_bytes().split(b"\n"):
        try:
            record = json.loads(line)
            if record.pop("token") == token:
                records.append(record)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
    return records


def read_channel(records: list[dict[str, Any]], shown: Callable[[str], str]) -> Channel:
    """What the records say; `shown` rewrites the places in a message to the real ones."""
    channel = Channel()
    for record in records:
        match record.pop("kind"):
            case "collected":
                channel.collected = tuple(i for i in record["ids"] if i != CANARY)
            case "start":
                channel.running = record["id"]
            case "test":
                channel.running = None
                if record["id"] == CANARY:
                    channel.canary_failed = record["status"] == "failed"
                    continue
                for key in ("message", "traceback"):
                    record[key] = shown(record[key])
                channel.outcomes.append(TestOutcome(**record))
            case "finish":
                channel.finish = record
            case kind if channel.trouble is None:  # what follows the first is its consequence
                channel.trouble = {**record, "kind": kind, "message": shown(record["message"])}
    return channel


def missing(day: DayFile, channel: Channel) -> tuple[str, ...]:
    """Expected tests, and collected cases of them, of which no outcome was recorded."""
    seen = {outcome.id for outcome in channel.outcomes}
    functions = {outcome.function for outcome in channel.outcomes}
    cases = [case for case in channel.collected if case not in seen]
    gone = [case.partition("[")[0] for case in cases]
    return (*cases, *(t for t in day.test_ids if t not in functions and t not in gone))


def verdict(
    day: DayFile, file: Path, channel: Channel, ended: Ended, limits: Limits
) -> tuple[bool, str]:
    """Whether the day is passed, and the reason in one sentence, the weightiest first."""
    reason = (
        _stopped(channel, ended, limits)
        or _never_tested(file, channel)
        or _ended_badly(channel, ended)
        or _tests(channel)
        or _unsound(channel, ended, missing(day, channel))
    )
    return (False, reason) if reason else (True, f"all {len(channel.outcomes)} tests passed")


def _stopped(channel: Channel, ended: Ended, limits: Limits) -> str | None:
    where = f" in {channel.running}" if channel.running else ""
    match ended.stopped:
        case "time":
            return f"stopped after {limits.seconds:g} s{where or ' before the tests were through'}"
        case "output":
            return f"stopped{where}: it printed without end"
        case "processes":
            return f"stopped{where}: it started more than {limits.processes} processes"
        case "memory":
            assert limits.memory_bytes is not None
            return f"stopped{where}: it held more than {limits.memory_bytes / 1e6:.0f} MB of memory"
    return None


def _never_tested(file: Path, channel: Channel) -> str | None:
    if channel.trouble is None:
        return None
    lines = channel.trouble["message"].strip().split("\n")
    message, last = lines[0], lines[-1]
    line = channel.trouble.get("line")
    place = f"{file}:{line}" if line else str(file)
    match channel.trouble["kind"]:
        case "syntax":
            return f"{place}: {message}"
        case "import":
            return f"{place}: the file cannot be imported: {message}"
        case "aborted" if message.startswith("SystemExit"):
            return f"{place}: the file ended the tests by itself: it calls exit ({message})"
        case "aborted":
            return f"{place}: the file ended the tests by itself: {message}"
        case "no pytest":
            return f"the tests need pytest, which is not installed here: {message}"
        case _:
            return f"{place}: pytest itself broke, was a part of it replaced? {last}"


def _tests(channel: Channel) -> str | None:
    bad = [outcome for outcome in channel.outcomes if outcome.status != "passed"]
    if channel.finish is not None and (broken := channel.finish.get("guard")):
        return f"the tests cannot be trusted: {broken}"
    if bad:
        total = len(channel.outcomes)
        if still_open := sorted({int(n) for o in bad for n in _OPEN.findall(o.message)}):
            numbers = ", ".join(map(str, still_open))
            many = "exercises" if len(still_open) > 1 else "exercise"
            return f"{len(bad)} of {total} tests do not pass; {many} {numbers} still open"
        first = bad[0]
        if first.status in ("skipped", "xfailed", "returned"):
            return f"{first.id} does not count: {first.status} ({first.message})"
        return f"{len(bad)} of {total} tests do not pass, the first is {first.id}"
    return None


def _ended_badly(channel: Channel, ended: Ended) -> str | None:
    where = f" in {channel.running}" if channel.running else ""
    if ended.status is not None and ended.status < 0:
        try:
            name = signal.Signals(-ended.status).name
        except ValueError:
            name = f"signal {-ended.status}"
        return f"the program crashed{where} ({name})"
    if channel.finish is None:
        return f"the program ended{where} with status {ended.status} before the tests were through"
    return None


def _unsound(channel: Channel, ended: Ended, gone: tuple[str, ...]) -> str | None:
    """What else keeps a run without a failure from counting as passed."""
    if gone:
        return f"{len(gone)} expected tests were never run, the first is {gone[0]}"
    if not channel.canary_failed:
        return "the tests cannot be trusted: one that must fail did not"
    if ended.status != 0:
        return f"the program ended with status {ended.status} after the tests"
    return None
