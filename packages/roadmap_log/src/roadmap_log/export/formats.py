"""The formats, each a function from a journey to a text, and the zip that holds them all."""

import csv
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5
from xml.sax.saxutils import escape, quoteattr

from roadmap_log.entries import LogEntry, read_log
from roadmap_log.errors import UnknownItemError
from roadmap_log.export.calendar import Appointment, calendar
from roadmap_log.site.output import MARKER
from roadmap_log.state import ItemState, day_name

if TYPE_CHECKING:
    from roadmap_log.journey import Journey

LONGEST_SUMMARY = 5_000
"""Characters of an entry that a feed or a calendar carries."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format: how its files end, what it holds, and what makes its text."""

    suffix: str
    holds: str
    text: Callable[["Journey"], str]


def export(journey: "Journey", name: str) -> bytes:
    """The journey in a format, by its name in `FORMATS`, or "zip" for all of them and the texts.

    Raises:
        UnknownItemError: there is no such format.
    """
    if name == "zip":
        return _zip(journey)
    if name not in FORMATS:
        raise UnknownItemError(
            f"there is no format {name!r}",
            expected="one of " + ", ".join([*FORMATS, "zip"]),
            fix="roadmap export markdown",
        )
    return FORMATS[name].text(journey).encode("utf-8", "replace")


def markdown(journey: "Journey") -> str:
    """One document: the standing, then the whole log, oldest first, headings one level down."""
    state = journey.state
    lines = [f"# {_line(journey.settings.title)}", ""]
    for roadmap in journey.roadmaps:
        lines += [f"## {roadmap.title}", ""]
        for part in roadmap.parts:
            states = state.of(part)
            done = sum(each.done for each in states)
            lines.append(f"- {part.title}: {done} of {len(states)}")
        lines.append("")
    lines += ["## Log", ""]
    for entry in read_log(journey)[0]:
        told = [f"{entry.when:%Y-%m-%d %H:%M}"]
        told += [f"{entry.minutes} min"] if entry.minutes else []
        told += [entry.day] if entry.day else []
        told += [f"#{tag}" for tag in (*entry.topics, *entry.tags)]
        lines += [f"### {_line(entry.title)}", "", f"*{' · '.join(told)}*", ""]
        lines += [_lowered(entry.text.strip("\n")), ""]
    return "\n".join(lines)


def _line(text: str) -> str:
    return " ".join(text.split())


def _lowered(text: str) -> str:
    """Headings three levels down, but for what stands in a fence."""
    lines, fence = [], ""
    for line in text.split("\n"):
        start = line.lstrip()
        if fence:
            fence = "" if start.startswith(fence) and not start.strip(fence[0] + " ") else fence
        elif start.startswith(("```", "~~~")):
            fence = start[: len(start) - len(start.lstrip(start[0]))]
        elif line.startswith("#"):
            line = "###" + line
        lines.append(line)
    return "\n".join(lines)


def everything(journey: "Journey") -> dict[str, Any]:
    """The whole journey as plain values: settings, items, entries, papers, experiments, events."""
    from roadmap_log.commands import item_json
    from roadmap_log.experiments import every, read_runs
    from roadmap_log.papers import shelf

    state, settings = journey.state, journey.settings
    return {
        "format": 1,
        "title": settings.title,
        "started": settings.started,
        "cadence": sorted(settings.cadence),
        "roadmaps": list(settings.roadmaps),
        "counts": state.counts,
        "items": [item_json(each) for each in state.items.values()],
        "entries": [_entry(journey, entry) for entry in read_log(journey)[0]],
        "papers": [
            {name: getattr(paper, name) for name in _PAPER_FIELDS.split() if getattr(paper, name)}
            for paper in shelf(journey)[0]
        ],
        "experiments": [
            {
                "name": each.name,
                "title": each.title,
                "hypothesis": each.hypothesis,
                "outcome": each.outcome,
                "text": each.text,
                "runs": [dict(run.values) for run in read_runs(each)[0]],
            }
            for each in every(journey)[0]
        ],
        "events": [
            {
                "id": event.id,
                "time": event.time,
                "device": event.device,
                "kind": event.kind,
                "data": dict(event.data),
            }
            for event in journey.history.events
        ],
    }


_PAPER_FIELDS = "key title authors year arxiv doi status added read tags notes kind fields"


def _entry(journey: "Journey", entry: LogEntry) -> dict[str, Any]:
    assert entry.path is not None
    return {
        "file": entry.path.relative_to(journey.root).as_posix(),
        "title": entry.title,
        "date": entry.when,
        "tags": entry.tags,
        "topics": entry.topics,
        "minutes": entry.minutes,
        "day": entry.day,
        "text": entry.text,
    }


def _json(journey: "Journey") -> str:
    def plain(value: Any) -> Any:
        return value.isoformat() if isinstance(value, date | datetime) else str(value)

    return json.dumps(everything(journey), ensure_ascii=False, indent=1, default=plain) + "\n"


def _csv(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV (RFC 4180); a text that a spreadsheet would run as a formula is put in quotes."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    for row in rows:
        writer.writerow(["" if cell is None else _cell(cell) for cell in row])
    return stream.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value


def _items_csv(journey: "Journey") -> str:
    heads = ("id", "title", "roadmap", "status", "attempts", "hints", "gave_up", "done")
    return _csv([heads, *(_item_row(each) for each in journey.state.items.values())])


def _item_row(each: ItemState) -> list[object]:
    item, work = each.item, each.work
    when = work.verified or work.ticked if each.done else None
    row: list[object] = [item.id, item.title, each.roadmap, each.status, work.attempts]
    return [*row, work.hints_used, int(work.gave_up), when.isoformat() if when else None]


def _entries_csv(journey: "Journey") -> str:
    heads = ("date", "title", "minutes", "day", "topics", "tags", "file")
    rows = [
        (
            entry.when.isoformat(),
            entry.title,
            entry.minutes,
            entry.day,
            " ".join(entry.topics),
            " ".join(entry.tags),
            entry.file,
        )
        for entry in journey.state.entries
    ]
    return _csv([heads, *rows])


def _calendar(journey: "Journey") -> str:
    latest = journey.history.events[-1].time if journey.history.events else journey.now()
    return calendar(journey.settings.title, _appointments(journey), latest)


def _appointments(journey: "Journey") -> Iterator[Appointment]:
    """What was done: an item on its day, an entry with its minutes before it was written."""
    base = origin(journey)
    for each in journey.state.items.values():
        when = each.work.verified or each.work.ticked
        if each.done and when:
            told = f"{each.status}: {each.item.topic}".rstrip(": ")
            uid = f"{uuid5(base, each.item.id)}"
            yield Appointment(uid, each.item.title, when.date(), text=told)
    for entry in journey.state.entries:
        begin = entry.when
        if entry.minutes:
            begin = datetime.fromtimestamp(entry.when.timestamp() - 60 * entry.minutes, UTC)
        yield Appointment(
            f"{uuid5(base, entry.file)}",
            entry.title,
            begin,
            entry.minutes,
            entry.day,
            (*entry.topics, *entry.tags),
        )


def origin(journey: "Journey") -> Any:
    """The journey's own number, from its first event: the same on every machine."""
    first = next(iter(journey.history.events), None)
    return uuid5(NAMESPACE_URL, f"roadmap:{first.id if first else journey.root.name}")


def _atom(journey: "Journey") -> str:
    """A feed (RFC 4287) of the whole log, newest first, with the entries' safe HTML."""
    from roadmap_log.site.text import strip_controls, to_html

    base, entries = origin(journey), read_log(journey)[0][::-1]
    updated = entries[0].when if entries else journey.now().replace(microsecond=0)
    title = escape(journey.settings.title)
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<feed xmlns="http://www.w3.org/2005/Atom">',
        f"<id>urn:uuid:{base}</id>",
        f"<title>{title}</title>",
        f"<updated>{updated.isoformat()}</updated>",
        f"<author><name>{title}</name></author>",
        "<generator>roadmap-log</generator>",
    ]
    for entry in entries:
        assert entry.path is not None
        name = uuid5(base, entry.path.name)
        lines += [
            "<entry>",
            f"<id>urn:uuid:{name}</id>",
            f"<title>{escape(entry.title)}</title>",
            f"<updated>{entry.when.isoformat()}</updated>",
            *(f"<category term={quoteattr(word)}/>" for word in (*entry.topics, *entry.tags)),
            f'<content type="html">{escape(to_html(entry.text[:LONGEST_SUMMARY]))}</content>',
            "</entry>",
        ]
    return strip_controls("\n".join([*lines, "</feed>", ""]))


def _opml(journey: "Journey") -> str:
    """The roadmaps as an outline (OPML 2.0): parts, weeks and items with their statuses."""
    from roadmap_log.site.text import strip_controls

    title = escape(journey.settings.title)
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f'<opml version="2.0"><head><title>{title}</title></head><body>',
    ]

    def section(each: Any) -> None:
        lines.append(f"<outline text={quoteattr(each.title)}>")
        for item in each.items:
            state = journey.state.items[item.id]
            attributes = {"text": item.title, "_id": item.id, "_status": state.status}
            if item.day:
                attributes["_day"] = day_name(item.day)
            told = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
            lines.append(f"<outline{told}/>")
        for below in each.sections:
            section(below)
        lines.append("</outline>")

    for roadmap in journey.roadmaps:
        lines.append(f"<outline text={quoteattr(roadmap.title)}>")
        for part in roadmap.parts:
            section(part)
        lines.append("</outline>")
    return strip_controls("\n".join([*lines, "</body></opml>", ""]))


def _bibtex(journey: "Journey") -> str:
    from roadmap_log import bibtex
    from roadmap_log.papers import shelf, to_reference

    return bibtex.write(to_reference(paper) for paper in shelf(journey)[0])


def _zip(journey: "Journey") -> bytes:
    """All formats, and every text of the journey as it lies on the disk; the same bytes again
    for the same journey."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, each in FORMATS.items():
            text = each.text(journey).encode("utf-8", "replace")
            archive.writestr(_member(f"export/{name}{each.suffix}"), text)
        for path in texts(journey.root):
            name = path.relative_to(journey.root).as_posix()
            archive.writestr(_member(f"journey/{name}"), path.read_bytes())
    return stream.getvalue()


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    return member


def texts(root: Path) -> list[Path]:
    """The files that make up a journey: no caches, no built site, no link out of it."""
    skipped = {".local", ".git", "_site", "__pycache__", ".pytest_cache"}
    found: list[Path] = []
    for folder, below, files in os.walk(root):
        here = Path(folder)
        below[:] = sorted(
            name for name in below if name not in skipped and not (here / name / MARKER).is_file()
        )
        found += [here / name for name in sorted(files)]
    inside = root.resolve()
    return [path for path in found if path.is_file() and path.resolve().is_relative_to(inside)]


FORMATS: dict[str, Format] = {
    "markdown": Format(".md", "the standing and the whole log in one document", markdown),
    "json": Format(".json", "everything, for programs", _json),
    "entries": Format(".csv", "the log as a table", _entries_csv),
    "items": Format(".csv", "the items of the roadmaps as a table", _items_csv),
    "ical": Format(".ics", "what was done, for a calendar", _calendar),
    "atom": Format(".xml", "the log as a feed", _atom),
    "opml": Format(".opml", "the roadmaps as an outline", _opml),
    "bibtex": Format(".bib", "the papers", _bibtex),
}
