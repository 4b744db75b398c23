"""The log: entries as Markdown files with front matter, each a valid Jekyll post.

Jekyll runs the template language Liquid over a post before it reads the Markdown, and stops at
`{{1,2}}` in a program. A text with such marks is therefore wrapped in a raw block, which
`read_entry` takes off again.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadmap_log import frontmatter
from roadmap_log.errors import JourneyError, UnknownItemError
from roadmap_log.files import DEVICE_NAME, write_new

if TYPE_CHECKING:
    from roadmap_log.journey import Journey

LONGEST_SLUG = 60
"""Characters of a title that go into a file name."""

_LIQUID = re.compile(r"\{[{%]")
_END_RAW = re.compile(r"\{%(?=-?\s*endraw\b)")
_QUOTED = '{% endraw %}{{ "{%" }}{% raw %}'  # leaves the raw block for one sign
_TAG = re.compile(r"[^\w+#.-]+")
_FOLLOWED = ("title", "when", "minutes", "tags", "day", "topics")


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An entry of the log.

    Attributes:
        title: one line.
        text: Markdown, as the learner wrote it.
        when: the moment of writing, with its offset from UTC.
        tags: lower-case words.
        minutes: time spent, 0 if it was not said.
        day: the day of a track it is about, as "autodiff/3", or "".
        path: its file, or None if it has none yet.
        topics: the subjects it belongs to, as "attention"; few, while tags are many.
    """

    title: str
    text: str
    when: datetime
    tags: tuple[str, ...] = ()
    minutes: int = 0
    day: str = ""
    path: Path | None = None
    topics: tuple[str, ...] = ()

    @property
    def slug(self) -> str:
        """The title as it appears in file names and addresses: ASCII, digits, hyphens."""
        return slug(self.title)


def slug(text: str) -> str:
    """`text` as a harmless file name of lower-case ASCII letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "-", plain)[:LONGEST_SLUG].strip("-") or "entry"
    return f"{name}-name" if DEVICE_NAME.fullmatch(name) else name


def tidy_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags in lower case without spaces or repetition, in their order."""
    tidy = (_TAG.sub("-", tag.strip().lower()).strip("-") for tag in tags)
    return tuple(dict.fromkeys(tag for tag in tidy if tag))


def render(entry: LogEntry) -> str:
    """The file of an entry: front matter, blank line, text."""
    fields: dict[str, Any] = {
        "layout": "post",
        "title": entry.title,
        "date": entry.when,
        "tags": entry.tags,
        "minutes": entry.minutes,
    }
    if entry.topics:
        fields["topics"] = entry.topics
    if entry.day:
        fields["day"] = entry.day
    text = entry.text.strip("\n") + "\n"
    if _LIQUID.search(text):
        text = "{% raw %}\n" + _END_RAW.sub(lambda _: _QUOTED, text) + "{% endraw %}\n"
    return frontmatter.dump(fields) + "\n" + text


def write_entry(journey: "Journey", entry: LogEntry) -> LogEntry:
    """Write the entry into `log/` under a free name and record it.

    Raises:
        JourneyError: the title is empty.
        StorageError: it cannot be written.
    """
    title = " ".join("".join(c if c.isprintable() else " " for c in entry.title).split())
    if not title:
        raise JourneyError(
            "the entry is empty", expected="some text", fix='roadmap log -m "what you learnt"'
        )
    entry = replace(
        entry,
        title=title,
        when=entry.when.replace(microsecond=0),
        tags=tidy_tags(entry.tags),
        topics=tidy_tags(entry.topics) or topics_of(entry.day),
    )
    content = render(entry).encode("utf-8", "replace")
    path = place(journey.log_folder, f"{entry.when.date()}-{entry.slug}", content)
    entry = replace(entry, path=path)
    journey.record("log.written", **_told(journey, entry))
    return entry


def _told(journey: "Journey", entry: LogEntry) -> dict[str, Any]:
    """What an event says of an entry."""
    assert entry.path is not None
    return {
        "file": entry.path.relative_to(journey.root).as_posix(),
        "title": entry.title,
        "date": entry.when.isoformat(),
        "tags": list(entry.tags),
        "minutes": entry.minutes,
        "day": entry.day,
        "topics": list(entry.topics),
    }


def topics_of(day: str) -> tuple[str, ...]:
    """The topic of an entry that names none but is about a day: the day's track."""
    return (day.partition("/")[0],) if day else ()


def read_log(journey: "Journey") -> tuple[list[LogEntry], list[UnknownItemError]]:
    """All entries, oldest first, and the files that cannot be read.

    What was edited, added or removed by hand since the last reading is recorded, so that `status`
    and the site count the same.
    """
    broken: list[UnknownItemError] = []
    files = sorted(journey.log_folder.glob("*.md"))
    entries = list(_readable(files, broken))
    follow_edits(journey, entries, {path.relative_to(journey.root).as_posix() for path in files})
    return sorted(entries, key=lambda entry: entry.when), broken


def _readable(files: Iterable[Path], broken: list[UnknownItemError]) -> Iterator[LogEntry]:
    for path in files:
        try:
            yield read_entry(path)
        except UnknownItemError as error:
            broken.append(error)


def follow_edits(journey: "Journey", entries: Iterable[LogEntry], present: set[str]) -> None:
    """Record what was edited, added or removed by hand.

    Args:
        entries: the entries that can be read.
        present: the files that are there, readable or not, as "log/2026-11-20-title.md".
    """
    known = {entry.file: entry for entry in journey.state.entries}
    for entry in entries:
        told = _told(journey, entry)
        before = known.get(told["file"])
        if before is None:
            journey.record("log.written", **told)
        elif any(getattr(before, name) != getattr(entry, name) for name in _FOLLOWED):
            journey.record("log.edited", **told)
    for file in known:
        if file not in present:
            journey.record("log.removed", file=file)


def place(folder: Path, stem: str, content: bytes) -> Path:
    """Write a new file `stem`.md, or with a number behind the stem if the name is taken.

    Raises:
        StorageError: it cannot be written.
    """
    number = 1
    while True:
        path = folder / (f"{stem}.md" if number == 1 else f"{stem}-{number}.md")
        number += 1
        if path.exists():
            continue
        try:
            write_new(path, content)
        except FileExistsError:  # another process took the name just now
            continue
        return path


def read_entry(path: Path, zone: Any = None) -> LogEntry:
    """Read a post, ours or one written by hand.

    Raises:
        UnknownItemError: it is not UTF-8 or its front matter is broken; names the file.
    """
    header, text = frontmatter.split(path, frontmatter.read_text(path))
    return entry_of(header, text, path, zone)


def entry_of(header: dict[str, Any], text: str, path: Path, zone: Any = None) -> LogEntry:
    """The entry that a header and a text make.

    Raises:
        UnknownItemError: it has no date; names the file.
    """
    minutes, day = header.get("minutes"), str(header.get("day") or "")
    when = frontmatter.moment_of(header.get("date"), zone)
    if when is None and (found := re.match(r"\d{4}-\d{2}-\d{2}", path.name)):
        when = frontmatter.moment_of(found[0], zone)
    if when is None:
        raise frontmatter.broken(path, "it has no date", "date: 2026-11-21 08:30:00 +0100")
    return LogEntry(
        title=frontmatter.line_of(header.get("title"), path.stem),
        text=_without_raw(text),
        when=when,
        tags=tidy_tags(frontmatter.words_of(header.get("tags"))),
        minutes=minutes if isinstance(minutes, int) and minutes > 0 else 0,
        day=day,
        path=path,
        topics=tidy_tags(frontmatter.words_of(header.get("topics"))) or topics_of(day),
    )


def _without_raw(text: str) -> str:
    inner = text.strip("\n")
    if inner.startswith("{% raw %}\n") and inner.endswith("{% endraw %}"):
        body = inner.removeprefix("{% raw %}\n").removesuffix("{% endraw %}")
        return body.replace(_QUOTED, "{%")
    return text
