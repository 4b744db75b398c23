"""`roadmap log`: write an entry, by -m, from the standard input, a draft or in the editor."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import click

from roadmap_log import frontmatter, terminal
from roadmap_log.commands import journey_of, json_option, print_json
from roadmap_log.entries import LogEntry, tidy_tags, write_entry
from roadmap_log.errors import JourneyError
from roadmap_log.journey import Journey
from roadmap_log.state import day_name

TITLE_LENGTH = 72
"""Characters of the first line that serve as the title when none is given."""

LISTED = 10
"""Entries that --list shows when it is not told how many."""


@click.command()
@click.option("-m", "--message", help='The text; "-" reads it from the standard input.')
@click.option("-t", "--title", help="The title; else the first line of the text.")
@click.option("--tag", "tags", multiple=True, help="A tag; may be repeated.")
@click.option("--topic", "topics", multiple=True, help="A subject; else the track of the day.")
@click.option("--minutes", type=click.IntRange(0, 24 * 60), default=0, help="Time spent.")
@click.option("--day", help='The day it is about, as "autodiff/3".')
@click.option("--draft", is_flag=True, help="Begin with today's events and git commits.")
@click.option("--template", help="Begin with a template: day, week, reading, or one of yours.")
@click.option("--list", "listed", is_flag=True, help="Show the latest entries instead.")
@click.option("-n", "number", type=click.IntRange(1), default=LISTED, help="How many --list shows.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    message: str | None,
    title: str | None,
    tags: tuple[str, ...],
    topics: tuple[str, ...],
    minutes: int,
    day: str | None,
    draft: bool,
    template: str | None,
    listed: bool,
    number: int,
    as_json: bool,
) -> None:
    """Write a log entry. Without -m it opens your editor with a template.

    With --draft the text begins with what you did today, by the events of the journey and the git
    commits here; away from a terminal, the draft is written as it is.
    """
    journey = journey_of(ctx)
    if listed:
        _list(journey, number, as_json)
        return
    about = _about(journey, day) if day else ""
    at_terminal = sys.stdin.isatty()
    if message == "-" or (message is None and not draft and not at_terminal):
        message = sys.stdin.read()
    begun = LogEntry(title or "", message or "", journey.now(), tags, minutes, about, None, topics)
    if draft:
        begun = _drafted(journey, begun)
    if template or (message is None and not draft):
        from roadmap_log import drafts

        begun = drafts.with_template(begun, *drafts.template(journey, template or "day"))
    edited = None
    if message is None and at_terminal:
        edited = _draft_file(journey)
        begun = _from_editor(edited, begun, untouched=not draft)
    first = next((line.strip("# \t") for line in begun.text.splitlines() if line.strip()), "")
    entry = write_entry(journey, replace(begun, title=begun.title or _short(first)))
    if edited is not None:
        edited.unlink(missing_ok=True)
    assert entry.path is not None
    if as_json:
        print_json(_for_programs(str(entry.path), entry))
        return
    terminal.say(f"{terminal.paint('Written', 'green')} {journey.short(entry.path)}")


def _about(journey: Journey, text: str) -> str:
    """The name of the day, or of the item without a day of its own, that an entry is about."""
    each = journey.library.item(text, journey.state)
    if each is not None and not each.item.day:
        return each.item.id
    return day_name(journey.library.resolve(text, journey.state))


def _for_programs(file: str, entry: LogEntry) -> dict[str, object]:
    return {
        "file": file,
        "title": entry.title,
        "date": entry.when,
        "tags": entry.tags,
        "topics": entry.topics,
        "minutes": entry.minutes,
        "day": entry.day or None,
    }


def _list(journey: Journey, number: int, as_json: bool) -> None:
    newest = journey.state.entries[::-1][:number]
    if as_json:
        print_json(
            [
                {
                    "file": str(journey.root / entry.file),
                    "title": entry.title,
                    "date": entry.when,
                    "tags": entry.tags,
                    "topics": entry.topics,
                    "minutes": entry.minutes,
                    "day": entry.day or None,
                }
                for entry in newest
            ]
        )
        return
    if not newest:
        terminal.say('No entry yet. The first one: roadmap log -m "what you learnt"')
    for entry in newest:
        time = terminal.duration(entry.minutes) if entry.minutes else ""
        title = terminal.fit(entry.title, terminal.columns() - 24)
        terminal.say(
            f"{terminal.paint(f'{entry.when:%d %b %Y}', 'dim')}  {title} "
            + terminal.paint(f"{time:>8}", "dim")
        )
        told = journey.short(journey.root / entry.file)
        words = " ".join(f"#{tag}" for tag in entry.tags)
        terminal.say(terminal.paint(f"{'':13}{told}  {terminal.clean(words)}".rstrip(), "dim"))


def _drafted(journey: Journey, entry: LogEntry) -> LogEntry:
    from roadmap_log import drafts

    here = Path.cwd()
    inside = here.is_relative_to(journey.root) or journey.root.is_relative_to(here)
    return drafts.draft(journey, entry, [journey.root] if inside else [journey.root, here])


def _short(line: str) -> str:
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1].rstrip() + "…"


def _draft_file(journey: Journey) -> Path:
    """Where the text in the editor lies until it is an entry; an old draft is taken up again."""
    return journey.local / "draft.md"


def _from_editor(path: Path, entry: LogEntry, *, untouched: bool) -> LogEntry:
    """What the editor makes of the entry; `untouched`: an unchanged text is no entry."""
    template = (
        f"---\ntitle: {_plain(entry.title)}\ntags: [{', '.join(entry.tags)}]\n"
        f"topics: [{', '.join(entry.topics)}]\nminutes: {entry.minutes}\nday: {entry.day}\n---\n\n"
        f"{entry.text}"
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
    if (untouched and content == template) or not content.strip():
        path.unlink()
        raise JourneyError(
            "nothing was written in the editor",
            expected="a text beside the template's own lines",
            fix='write some, or in short: roadmap log -m "what you learnt"',
        )
    header, text = frontmatter.split(path, content)
    minutes = header.get("minutes")
    return LogEntry(
        title=frontmatter.line_of(header.get("title")),
        text=text,
        when=entry.when,
        tags=tidy_tags(frontmatter.words_of(header.get("tags"))),
        minutes=minutes if isinstance(minutes, int) and 0 <= minutes <= 24 * 60 else 0,
        day=str(header.get("day") or ""),
        topics=tidy_tags(frontmatter.words_of(header.get("topics"))),
    )


def _plain(title: str) -> str:
    """A title as YAML takes it, whatever it says; nothing for none."""
    return title and frontmatter.dump({"title": title})[len("---\ntitle: ") : -len("\n---\n")]
