"""A look at everything a journey rests on: what is broken, what is odd, and how to mend it."""

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from roadmap_log.errors import RoadmapError, StorageError
from roadmap_log.files import locked

if TYPE_CHECKING:
    from roadmap_log.journey import Journey

Grade = Literal["fine", "odd", "broken"]

LEAST_SPACE = 50_000_000
"""Bytes that should be free on the journey's disk."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, what was seen, and what to do about it."""

    what: str
    grade: Grade
    told: str
    fix: str = ""


def examine(journey: "Journey") -> list[Finding]:
    """Look at everything; no look can keep another from being taken."""
    found: list[Finding] = []
    for what, look in LOOKS.items():
        try:
            found += look(journey)
        except RoadmapError as error:
            found.append(Finding(what, "broken", error.problem, error.fix or ""))
        except OSError as error:
            found.append(Finding(what, "broken", str(error), "mend that, then: roadmap doctor"))
    return found


def _python(journey: "Journey") -> Iterator[Finding]:
    yield Finding("Python", "fine", f"{sys.version.split()[0]}, {sys.platform}")
    if sys.stdout.encoding and "utf" not in sys.stdout.encoding.lower():
        yield Finding(
            "terminal",
            "odd",
            f"writes {sys.stdout.encoding}, so marks are shown in ASCII",
            "set PYTHONUTF8=1",
        )


def _folder(journey: "Journey") -> Iterator[Finding]:
    free = shutil.disk_usage(journey.root).free
    grade: Grade = "fine" if free > LEAST_SPACE else "odd"
    fix = "" if grade == "fine" else "free some space on that disk"
    probe = journey.local / f"probe-{os.getpid()}"
    try:
        with locked(journey.local / "probe.lock"):
            probe.write_bytes(b"x")
    except (OSError, StorageError) as error:
        reason = error.problem if isinstance(error, StorageError) else error.strerror or error
        told = f"cannot be written: {reason}"
        yield Finding("folder", "broken", told, f"make {journey.root} writable for you")
        return
    finally:
        for path in (probe, journey.local / "probe.lock"):
            path.unlink(missing_ok=True)
    yield Finding("folder", grade, f"can be written, {free // 1_000_000:,} MB free", fix)


def _events(journey: "Journey") -> Iterator[Finding]:
    history = journey.history
    yield Finding("events", "fine", f"{len(history.events)} can be read")
    for damage in history.damage:
        fix = "git log -p on that file shows what it was; the line is kept, not counted"
        yield Finding("events", "broken", str(damage), fix)
    for path in journey.store.quarantined():
        told = f"{journey.short(path)} was half-written by a crash"
        yield Finding("events", "odd", told, "read it, then delete it")
    for kind, number in history.unknown_kinds.items():
        told = f"{number} of the kind {kind!r}, from a newer version"
        yield Finding("events", "odd", told, "install a newer roadmap-log")
    limit = journey.now() + timedelta(days=1)
    ahead = [event for event in history.events if event.time > limit]
    if ahead:
        told = f"{len(ahead)} are dated ahead of now, the latest {max(e.time for e in ahead)}"
        yield Finding("clock", "odd", told, "set this machine's clock; the order is kept")


def _texts(journey: "Journey") -> Iterator[Finding]:
    from roadmap_log.entries import read_log
    from roadmap_log.experiments import every, read_runs
    from roadmap_log.papers import shelf

    entries, faults = read_log(journey)
    papers, more = shelf(journey)
    experiments, most = every(journey)
    told = ", ".join(
        f"{number} {one if number == 1 else several}"
        for number, one, several in (
            (len(entries), "entry", "entries"),
            (len(papers), "paper", "papers"),
            (len(experiments), "experiment", "experiments"),
        )
    )
    yield Finding("texts", "fine", told)
    for error in (*faults, *more, *most):
        yield Finding("texts", "broken", error.problem, error.fix or "correct the file")
    for each in experiments:
        for fault in read_runs(each)[1]:
            yield Finding("runs", "broken", f"{each.name}: {fault}", "correct or delete the line")
    names: dict[str, Path] = {}
    for path in sorted(journey.log_folder.glob("*.md")):
        other = names.setdefault(path.name.lower(), path)
        if other != path:
            told = f"{path.name} and {other.name} differ only in capitals"
            yield Finding("texts", "odd", told, "rename one: other systems see one file")


def _plan(journey: "Journey") -> Iterator[Finding]:
    items = sum(1 for roadmap in journey.roadmaps for _ in roadmap.items())
    yield Finding("roadmaps", "fine", f"{len(journey.roadmaps)} with {items} items")
    for name, known in journey.library.tracks.items():
        if "problem" in known:
            fix = f"install {known.get('distribution', name)} again"
            yield Finding("tracks", "broken", f"{name}: {known['problem']}", fix)
        else:
            days = len(list(journey.library.days_of(name)))
            yield Finding("tracks", "fine", f"{name}, {days} day{'s' * (days != 1)}")
    missing = {
        name: distribution
        for roadmap in journey.roadmaps
        for name, distribution in roadmap.tracks.items()
        if name not in journey.library.tracks
    }
    for name, distribution in missing.items():
        yield Finding("tracks", "odd", f"{name} is not installed", f"install {distribution}")


def _search(journey: "Journey") -> Iterator[Finding]:
    from roadmap_log.search import Index

    index = Index(journey)
    try:
        index.database.execute("INSERT INTO words (words) VALUES ('integrity-check')")
        told = "was damaged and has been made again" if index.rebuilt else "is in order"
        yield Finding("search", "fine", f"the index {told}, SQLite {sqlite3.sqlite_version}")
    except sqlite3.DatabaseError:
        index.close()
        index.path.unlink(missing_ok=True)
        Index(journey).close()
        yield Finding("search", "fine", "the index was damaged and has been made again")
    finally:
        index.close()


def _programs(journey: "Journey") -> Iterator[Finding]:
    git = shutil.which("git")
    if git and (journey.root / ".git").exists():
        from roadmap_log.sync import run

        dirty = len(run(journey.root, "status", "--porcelain", "--", ".").stdout.splitlines())
        told = f"{dirty} files not committed" if dirty else "everything is committed"
        yield Finding("git", "fine", told)
        if run(journey.root, "ls-files", "--unmerged").stdout:
            yield Finding("git", "broken", "a merge is not finished", "git merge --abort")
    elif git:
        yield Finding("git", "fine", "here, not used by this journey: roadmap sync --init")
    else:
        yield Finding("git", "odd", "is not installed: no sync, no commits in drafts", "install it")
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    if editor and not shutil.which(editor.split()[0]):
        yield Finding("editor", "odd", f"{editor} cannot be found", "set EDITOR")
    draft = journey.local / "draft.md"
    if draft.exists():
        told = f"{journey.short(draft)} waits to become an entry"
        yield Finding("editor", "odd", told, "finish it: roadmap log")


LOOKS: dict[str, Callable[["Journey"], Iterator[Finding]]] = {
    "Python": _python,
    "folder": _folder,
    "events": _events,
    "texts": _texts,
    "roadmaps": _plan,
    "search": _search,
    "git": _programs,
}
"""What is looked at, in this order."""
