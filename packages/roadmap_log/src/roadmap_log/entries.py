"""The log: entries as Markdown files with front matter, each a valid Jekyll post.

Jekyll runs the template language Liquid over a post before it reads the Markdown, and stops at
`{{1,2}}` in a program. A text with such marks is therefore wrapped in a raw block, which
`read_entry` takes off again.
"""

import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadmap_log.errors import JourneyError, UnknownItemError
from roadmap_log.files import write_new

if TYPE_CHECKING:
    from roadmap_log.journey import Journey

LONGEST_SLUG = 60
"""Characters of a title that go into a file name."""

_LIQUID = re.compile(r"\{[{%]")
_END_RAW = re.compile(r"\{%(?=-?\s*endraw\b)")
_QUOTED = '{% endraw %}{{ "{%" }}{% raw %}'  # leaves the raw block for one sign
_TAG = re.compile(r"[^\w+#.-]+")


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
    """

    title: str
    text: str
    when: datetime
    tags: tuple[str, ...] = ()
    minutes: int = 0
    day: str = ""
    path: Path | None = None

    @property
    def slug(self) -> str:
        """The title as it appears in file names and addresses: ASCII, digits, hyphens."""
        return slug(self.title)


def slug(text: str) -> str:
    """`text` as a harmless file name of lower-case ASCII letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:LONGEST_SLUG].strip("-") or "entry"


def tidy_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags in lower case without spaces or repetition, in their order."""
    tidy = (_TAG.sub("-", tag.strip().lower()).strip("-") for tag in tags)
    return tuple(dict.fromkeys(tag for tag in tidy if tag))


def render(entry: LogEntry) -> str:
    """The file of an entry: front matter, blank line, text."""
    when = entry.when.strftime("%Y-%m-%d %H:%M:%S %z")[:25]
    header = [
        "layout: post",
        f"title: {_yaml(entry.title)}",
        f"date: {when}",
        f"tags: [{', '.join(_yaml(tag) for tag in entry.tags)}]",
        f"minutes: {entry.minutes}",
    ]
    if entry.day:
        header.append(f"day: {_yaml(entry.day)}")
    text = entry.text.strip("\n") + "\n"
    if _LIQUID.search(text):
        text = "{% raw %}\n" + _END_RAW.sub(lambda _: _QUOTED, text) + "{% endraw %}\n"
    return "---\n" + "\n".join(header) + "\n---\n\n" + text


def _yaml(text: str) -> str:
    """`text` as a double-quoted YAML scalar; every JSON string is one."""
    return json.dumps("".join(c for c in text if c.isprintable()), ensure_ascii=False)


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
    when, tags = entry.when.replace(microsecond=0), tidy_tags(entry.tags)
    entry = replace(entry, title=title, when=when, tags=tags)
    content = render(entry).encode("utf-8", "replace")
    path = _place(journey.log_folder, f"{when.date()}-{entry.slug}", content)
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
    }


def read_log(journey: "Journey") -> tuple[list[LogEntry], list[UnknownItemError]]:
    """All entries, oldest first, and the files that cannot be read.

    What was edited, added or removed by hand since the last reading is recorded, so that `status`
    and the site count the same.
    """
    entries, broken = [], []
    files = sorted(journey.log_folder.glob("*.md"))
    for path in files:
        try:
            entries.append(read_entry(path))
        except UnknownItemError as error:
            broken.append(error)
    _follow_edits(journey, entries, {path.relative_to(journey.root).as_posix() for path in files})
    return sorted(entries, key=lambda entry: entry.when), broken


def _follow_edits(journey: "Journey", entries: list[LogEntry], present: set[str]) -> None:
    known = {entry.file: entry for entry in journey.state.entries}
    for entry in entries:
        told = _told(journey, entry)
        before = known.get(told["file"])
        now = (entry.title, entry.when, entry.minutes, entry.tags, entry.day)
        if before is None:
            journey.record("log.written", **told)
        elif (before.title, before.when, before.minutes, before.tags, before.day) != now:
            journey.record("log.edited", **told)
    for file in known:
        if file not in present:
            journey.record("log.removed", file=file)


def _place(folder: Path, stem: str, content: bytes) -> Path:
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


def split_front_matter(path: Path, content: str) -> tuple[dict[str, Any], str]:
    """The header and the text of a post.

    Raises:
        UnknownItemError: the header has no end or is not YAML; names the file.
    """
    if not content.startswith("---\n"):
        return {}, content
    head, mark, text = content[4:].partition("\n---\n")
    if not mark:
        raise _broken(path, "its front matter has no end", "a second line of ---")
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        header = yaml.load(head, Loader=loader)  # a safe loader in both cases
    except (yaml.YAMLError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise _broken(path, f"its front matter is not YAML ({problem})", "key: value") from error
    if not isinstance(header, dict):
        raise _broken(path, "its front matter is not a table", "lines of key: value")
    return header, text.removeprefix("\n")


def _broken(path: Path, problem: str, expected: str) -> UnknownItemError:
    return UnknownItemError(f"{path}: {problem}", expected=expected, fix="correct the entry")


def read_entry(path: Path, zone: Any = None) -> LogEntry:
    """Read a post, ours or one written by hand.

    Raises:
        UnknownItemError: it is not UTF-8 or its front matter is broken; names the file.
    """
    try:
        content = path.read_text(encoding="utf-8").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise _broken(path, f"cannot be read ({error})", "a UTF-8 text") from error
    header, text = split_front_matter(path, content)
    tags = header.get("tags") or []
    tags = tags.split() if isinstance(tags, str) else tags if isinstance(tags, list) else []
    minutes = header.get("minutes")
    return LogEntry(
        title=" ".join(str(header.get("title") or path.stem).split()),
        text=_without_raw(text),
        when=_moment(path, header.get("date"), zone),
        tags=tidy_tags(str(tag) for tag in tags),
        minutes=minutes if isinstance(minutes, int) and minutes > 0 else 0,
        day=str(header.get("day") or ""),
        path=path,
    )


def _without_raw(text: str) -> str:
    inner = text.strip("\n")
    if inner.startswith("{% raw %}\n") and inner.endswith("{% endraw %}"):
        body = inner.removeprefix("{% raw %}\n").removesuffix("{% endraw %}")
        return body.replace(_QUOTED, "{%")
    return text


def _moment(path: Path, value: Any, zone: Any) -> datetime:
    """The date of a post: from its header, else from its file name, else the beginning of time."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if value is None and (found := re.match(r"\d{4}-\d{2}-\d{2}", path.name)):
        try:
            value = date.fromisoformat(found[0])
        except ValueError:
            value = None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise _broken(path, "it has no date", "date: 2026-11-21 08:30:00 +0100")
    return value if value.tzinfo else value.replace(tzinfo=zone).astimezone()
