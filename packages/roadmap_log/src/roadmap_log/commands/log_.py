"""`roadmap log`: write an entry, by -m, from the standard input or in the editor."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import click

from roadmap_log import terminal
from roadmap_log.commands import journey_of, json_option, print_json
from roadmap_log.entries import LogEntry, split_front_matter, tidy_tags, write_entry
from roadmap_log.errors import JourneyError
from roadmap_log.journey import Journey
from roadmap_log.state import day_name

TITLE_LENGTH = 72
"""Characters of the first line that serve as the title when none is given."""


@click.command()
@click.option("-m", "--message", help='The text; "-" reads it from the standard input.')
@click.option("-t", "--title", help="The title; else the first line of the text.")
@click.option("--tag", "tags", multiple=True, help="A tag; may be repeated.")
@click.option("--minutes", type=click.IntRange(0, 24 * 60), default=0, help="Time spent.")
@click.option("--day", help='The day it is about, as "autodiff/3".')
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    message: str | None,
    title: str | None,
    tags: tuple[str, ...],
    minutes: int,
    day: str | None,
    as_json: bool,
) -> None:
    """Write a log entry. Without -m it opens your editor with a template."""
    journey = journey_of(ctx)
    about = day_name(journey.library.resolve(day, journey.state)) if day else ""
    if message == "-" or (message is None and not sys.stdin.isatty()):
        message = sys.stdin.read()
    draft = LogEntry(title or "", message or "", journey.now(), tags, minutes, about)
    edited = None
    if message is None:
        edited = _draft_file(journey)
        draft = _from_editor(edited, draft)
    first = next((line.strip("# \t") for line in draft.text.splitlines() if line.strip()), "")
    entry = write_entry(journey, replace(draft, title=draft.title or _short(first)))
    if edited is not None:
        edited.unlink(missing_ok=True)
    assert entry.path is not None
    if as_json:
        print_json(
            {
                "file": str(entry.path),
                "title": entry.title,
                "date": entry.when,
                "tags": entry.tags,
                "minutes": entry.minutes,
                "day": entry.day or None,
            }
        )
        return
    terminal.say(f"{terminal.paint('Written', 'green')} {journey.short(entry.path)}")


def _short(line: str) -> str:
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1].rstrip() + "…"


def _draft_file(journey: Journey) -> Path:
    """Where the text in the editor lies until it is an entry; an old draft is taken up again."""
    return journey.local / "draft.md"


def _from_editor(path: Path, entry: LogEntry) -> LogEntry:
    template = (
        f"---\ntitle: {entry.title}\ntags: [{', '.join(entry.tags)}]\n"
        f"minutes: {entry.minutes}\nday: {entry.day}\n---\n\n"
        "What I did:\n\nWhat was hard:\n\nWhat I take along:\n"
    )
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        path.write_text(template, encoding="utf-8")
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "the default editor"
    try:
        click.edit(filename=str(path))
    except click.ClickException as error:
        raise JourneyError(
            f"{editor} did not end well: {error.format_message()}",
            expected="an editor that saves the file and ends with status 0",
            fix=f"set EDITOR, or use roadmap log -m TEXT; the draft is kept in {path}",
        ) from error
    content = path.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n")
    if content == template or not content.strip():
        path.unlink()
        raise JourneyError(
            "nothing was written in the editor",
            expected="a text beside the template's own lines",
            fix='write some, or in short: roadmap log -m "what you learnt"',
        )
    header, text = split_front_matter(path, content)
    tags = header.get("tags") or []
    minutes = header.get("minutes")
    return LogEntry(
        title=str(header.get("title") or ""),
        text=text,
        when=entry.when,
        tags=tidy_tags(map(str, tags if isinstance(tags, list) else str(tags).split())),
        minutes=minutes if isinstance(minutes, int) and 0 <= minutes <= 24 * 60 else 0,
        day=str(header.get("day") or ""),
    )
