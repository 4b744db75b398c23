"""What an entry begins with: a template, or a draft from the day's events and git commits."""

import subprocess
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

from roadmap_log import frontmatter
from roadmap_log.entries import LogEntry, tidy_tags
from roadmap_log.errors import UnknownItemError
from roadmap_log.events import Event

if TYPE_CHECKING:
    from roadmap_log.journey import Journey

TEMPLATES = {
    "day": "What I did:\n\nWhat was hard:\n\nWhat I take along:\n",
    "week": "What went well:\n\nWhat did not, and why:\n\nWhat I change next week:\n",
    "reading": "What it claims:\n\nHow it shows it:\n\nWhat I doubt:\n\nWhat I will try:\n",
}
"""The templates that are built in; `templates/NAME.md` in the journey goes before them."""

COMMITS = 50
"""Commits in a draft, at most."""


def template(journey: "Journey", name: str) -> tuple[dict[str, object], str]:
    """The front matter and the text of a template: the journey's own, else a built-in one.

    Raises:
        UnknownItemError: there is none of that name, or its front matter is broken.
    """
    folder = journey.root / "templates"
    own = {path.stem: path for path in sorted(folder.glob("*.md"))}
    if name in own:
        return frontmatter.split(own[name], frontmatter.read_text(own[name]))
    if name in TEMPLATES:
        return {}, TEMPLATES[name]
    raise UnknownItemError(
        f"there is no template {name!r}",
        expected="one of " + ", ".join(sorted({*own, *TEMPLATES})),
        fix=f"write it: {journey.short(folder / 'new.md')}",
    )


def with_template(entry: LogEntry, fields: dict[str, object], text: str) -> LogEntry:
    """The entry on a template; what the entry says already goes before the template's fields."""
    minutes = fields.get("minutes")
    return replace(
        entry,
        title=entry.title or frontmatter.line_of(fields.get("title")),
        text=f"{entry.text.rstrip()}\n\n{text}".lstrip("\n"),
        tags=tidy_tags([*entry.tags, *frontmatter.words_of(fields.get("tags"))]),
        topics=tidy_tags([*entry.topics, *frontmatter.words_of(fields.get("topics"))]),
        minutes=entry.minutes or (minutes if isinstance(minutes, int) else 0),
    )


def draft(journey: "Journey", entry: LogEntry, folders: Iterable[Path]) -> LogEntry:
    """The entry with a text from what happened on its day: days worked on, boxes, papers, commits.

    Args:
        journey: whose events are looked at.
        entry: what is known already; its moment says which day.
        folders: folders whose git commits of that day are listed, where they are repositories.
    """
    day = entry.when.date()
    events = [event for event in journey.history.events if event.time.date() == day]
    worked = _worked(journey, events)
    lines = [f"- {line}" for line in [*worked.values(), *_other(events)]]
    parts = ["\n".join(lines)] if lines else []
    made = dict(pair for folder in folders for pair in commits(folder, day, entry.when))
    if made:
        parts.append("Commits:\n\n" + "\n".join(f"- `{key}` {told}" for key, told in made.items()))
    names = list(worked)
    return replace(
        entry,
        title=entry.title or (f"Worked on {', '.join(names)}" if names else f"{day:%A}"),
        text="\n\n".join(part for part in (entry.text.rstrip(), *parts) if part) + "\n",
        topics=tidy_tags([*entry.topics, *(name.partition("/")[0] for name in names)]),
        day=entry.day or (names[0] if len(names) == 1 else ""),
    )


def _worked(journey: "Journey", events: list[Event]) -> dict[str, str]:
    """For every day of a track that was worked on, one line on what came of it."""
    titles = {
        f"{each.item.day[0]}/{each.item.day[1]}": each.item.title
        for each in journey.state.items.values()
        if each.item.day
    }
    lines: dict[str, str] = {}
    for name in dict.fromkeys(str(event.data.get("day") or "") for event in events):
        mine = [event for event in events if event.data.get("day") == name]
        runs = [event for event in mine if event.kind == "day.tested"]
        hints = sum(event.kind == "hint.shown" for event in mine)
        if not name or not any(event.kind.startswith(("day.", "hint.")) for event in mine):
            continue
        told = []
        if runs:
            passed = runs[-1].data.get("passed") is True
            told.append(f"{'passed' if passed else 'did not pass yet'} after {_times(len(runs))}")
        elif any(event.kind == "day.started" for event in mine):
            told.append("begun")
        if hints:
            told.append(f"{hints} hint{'s' * (hints != 1)}")
        if any(event.kind == "solution.shown" for event in mine):
            told.append("looked at the solution")
        lines[name] = f"{titles.get(name, name)} ({name}): {', '.join(told) or 'looked at'}"
    return lines


def _times(number: int) -> str:
    return "one run" if number == 1 else f"{number} runs"


def _other(events: list[Event]) -> list[str]:
    said = {
        "item.ticked": ("Ticked", "item"),
        "paper.added": ("Put on the shelf:", "title"),
        "paper.read": ("Read:", "title"),
        "experiment.begun": ("Began an experiment:", "title"),
        "experiment.concluded": ("Concluded an experiment:", "title"),
    }
    lines = []
    for event in events:
        if event.kind in said:
            word, field = said[event.kind]
            lines.append(f"{word} {event.data.get(field, '')}")
    return list(dict.fromkeys(lines))


def commits(folder: Path, day: date, near: datetime) -> list[tuple[str, str]]:
    """The commits of one day that the repository at `folder` has: short hash and subject.

    A folder that is no repository, or a machine without git, has none.

    Args:
        folder: anywhere inside a work tree.
        day: the day, in the time zone of `near`.
        near: a moment of that day.
    """
    begin = datetime.combine(day, time.min, near.tzinfo)
    command = [
        "git",
        "log",
        f"--since={begin.isoformat()}",
        f"--until={datetime.combine(day, time.max, near.tzinfo).isoformat()}",
        f"--max-count={COMMITS}",
        "--no-merges",
        "--reverse",
        "--format=%h%x00%s",
    ]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return []
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return [(key, told) for key, _, told in (line.partition("\0") for line in lines)]
