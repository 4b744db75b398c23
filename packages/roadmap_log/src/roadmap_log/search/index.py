"""The index: one row a document, its words in a full-text table (SQLite's FTS5)."""

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from roadmap_log import frontmatter
from roadmap_log.entries import LogEntry, entry_of
from roadmap_log.errors import MachineError, UnknownItemError

if TYPE_CHECKING:
    from roadmap_log.journey import Journey

FORMAT = 1
"""Version of the tables; an index of another one is made again."""

UNSURE = 2_000_000_000
"""Nanoseconds in which a file may change again without its time showing it."""

LONGEST = 1_000_000
"""Characters of a text that are indexed."""

_TABLES = """
CREATE TABLE files (file TEXT PRIMARY KEY, stamp TEXT, digest TEXT, fault TEXT);
CREATE TABLE documents (
    id INTEGER PRIMARY KEY, file TEXT, kind TEXT, name TEXT, title TEXT, tags TEXT,
    moment REAL, date TEXT, about TEXT, fields TEXT
);
CREATE INDEX by_file ON documents (file);
CREATE INDEX by_moment ON documents (kind, moment, name);
CREATE INDEX by_date ON documents (kind, date);
CREATE INDEX by_day ON documents (about);
CREATE TABLE tagged (id INTEGER, tag TEXT, topic INTEGER);
CREATE INDEX by_tag ON tagged (tag, topic);
CREATE INDEX by_id ON tagged (id);
CREATE VIRTUAL TABLE words USING fts5(
    title, tags, body, tokenize = "unicode61 remove_diacritics 2", prefix = '2 3'
);
"""

BOXES = "roadmaps"
"""The name under which the boxes of all roadmaps are kept, as if they were one file."""


@dataclass(frozen=True, slots=True)
class Document:
    """What is indexed of one thing: `fields` are kept as they are, `body` is searched."""

    kind: str
    name: str
    title: str
    tags: str
    body: str
    moment: float = 0.0
    fields: dict[str, Any] = field(default_factory=dict)


class Found(NamedTuple):
    """An entry as the index knows it: its number there, the entry without text, its digest."""

    number: int
    entry: LogEntry
    digest: str


class Index:
    """The index of one journey, in step with its files from the moment it is opened.

    Raises:
        MachineError: this Python's SQLite has no FTS5.
    """

    def __init__(self, journey: "Journey") -> None:
        self.journey = journey
        self.rebuilt = False
        self.path = journey.local / "search.db"
        try:
            self._open(self.path)
            self.refresh()
        except sqlite3.DatabaseError as error:  # damaged, or a folder that cannot be written
            self._start_again(error)

    def _start_again(self, error: sqlite3.DatabaseError) -> None:
        self.close()
        self.rebuilt = True
        try:
            if "locked" in str(error):  # another process is writing it; it stays theirs
                raise OSError
            self.path.unlink(missing_ok=True)
            Path(f"{self.path}-journal").unlink(missing_ok=True)
            self._open(self.path)
            self.refresh()
        except (OSError, sqlite3.DatabaseError):
            self.close()
            self._open(":memory:")
            self.refresh()

    def _open(self, path: Path | str) -> None:
        if isinstance(path, Path):
            try:
                path.parent.mkdir(exist_ok=True)
            except OSError as error:
                raise sqlite3.DatabaseError(str(error)) from error
        self.database = sqlite3.connect(path, timeout=5, isolation_level=None)
        self.database.execute("PRAGMA cache_size = -1000")
        found = self.database.execute("PRAGMA user_version").fetchone()[0]
        if found not in (0, FORMAT):
            raise sqlite3.DatabaseError("made by another version")
        if found != FORMAT:
            with self._written():
                try:
                    for command in _TABLES.split(";\n"):
                        self.database.execute(command)
                except sqlite3.OperationalError as error:
                    if "fts5" not in str(error):
                        raise
                    raise MachineError(
                        "this Python's SQLite has no full-text search",
                        expected="SQLite with FTS5",
                        fix="use a Python from python.org, conda, or your system",
                    ) from error
                self.database.execute(f"PRAGMA user_version = {FORMAT}")

    def close(self) -> None:
        """Let go of the file."""
        if hasattr(self, "database"):
            self.database.close()

    @contextmanager
    def _written(self) -> Iterator[None]:
        self.database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.database.execute("ROLLBACK")
            raise
        self.database.execute("COMMIT")

    def refresh(self) -> int:
        """Read what has changed since the last time; returns the number of files read."""
        known = dict(self.database.execute("SELECT file, stamp FROM files"))
        changed = {file: now for file, now in _stamps(self.journey) if known.pop(file, "") != now}
        gone = [file for file in known if file not in changed]
        del known
        if not changed and not gone:
            return 0
        with self._written():
            for file in gone:
                self._forget(file)
                self.database.execute("DELETE FROM files WHERE file = ?", (file,))
            for file, stamp in changed.items():
                self._read(file, stamp)
        return len(changed)

    def _forget(self, file: str) -> None:
        chosen = "SELECT id FROM documents WHERE file = ?"
        self.database.execute(f"DELETE FROM words WHERE rowid IN ({chosen})", (file,))
        self.database.execute(f"DELETE FROM tagged WHERE id IN ({chosen})", (file,))
        self.database.execute("DELETE FROM documents WHERE file = ?", (file,))

    def _read(self, file: str, stamp: str) -> None:
        documents: Iterable[Document]
        digest, fault = "", None
        if file == BOXES:
            documents = _boxes(self.journey)
        else:
            path = self.journey.root / file
            try:
                content = frontmatter.read_text(path)
                digest = blake2b(content.encode("utf-8", "replace"), digest_size=16).hexdigest()
                documents = [_document(path, content)]
            except UnknownItemError as error:
                documents, fault = [], json.dumps([error.problem, error.expected, error.fix])
            if time.time_ns() - int(stamp.partition("-")[0]) < UNSURE:
                stamp += "?"  # looked at again next time
        row = self.database.execute("SELECT digest FROM files WHERE file = ?", (file,)).fetchone()
        known = row is not None and row[0] == digest != "" and fault is None
        self.database.execute(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", (file, stamp, digest, fault)
        )
        if known:
            return  # touched, or looked at too soon: the text is the same
        self._forget(file)
        for each in documents:
            self._add(file, each)

    def _add(self, file: str, each: Document) -> None:
        fields = json.dumps(each.fields, ensure_ascii=False)
        texts = [_storable(text) for text in (each.title, each.tags, each.body[:LONGEST])]
        date, about = str(each.fields.get("when", ""))[:10], str(each.fields.get("day", ""))
        row = (file, each.kind, each.name, texts[0], texts[1], each.moment, date, _storable(about))
        made = self.database.execute(
            "INSERT INTO documents (file, kind, name, title, tags, moment, date, about, fields)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, _storable(fields)),
        )
        self.database.execute(
            "INSERT INTO words (rowid, title, tags, body) VALUES (?, ?, ?, ?)",
            (made.lastrowid, *texts),
        )
        for topic, name in enumerate(("tags", "topics")):
            for tag in each.fields.get(name, ()):
                self.database.execute(
                    "INSERT INTO tagged VALUES (?, ?, ?)", (made.lastrowid, tag, topic)
                )

    def entries(self, where: str = "1", values: tuple[object, ...] = ()) -> Iterator[Found]:
        """All readable entries without their texts, newest first.

        Args:
            where: a condition in SQL on the table `documents`.
            values: what its question marks stand for.
        """
        rows = self.database.execute(
            "SELECT d.id, d.file, title, fields, digest FROM documents d"
            " JOIN files f ON f.file = d.file"
            f" WHERE kind = 'entry' AND {where} ORDER BY moment DESC, name DESC",
            values,
        )
        for number, file, title, kept, digest in rows:
            fields = json.loads(kept)
            entry = LogEntry(
                title,
                "",
                datetime.fromisoformat(fields["when"]),
                tuple(fields["tags"]),
                fields["minutes"],
                fields["day"],
                self.journey.root / file,
                tuple(fields["topics"]),
            )
            yield Found(number, entry, digest)

    def files(self, folder: str) -> set[str]:
        """The files of a folder that are there, readable or not."""
        rows = self.database.execute("SELECT file FROM files")
        return {file for (file,) in rows if file.startswith(f"{folder}/")}

    def faults(self) -> list[UnknownItemError]:
        """What is wrong with the files that cannot be read."""
        rows = self.database.execute("SELECT fault FROM files WHERE fault IS NOT NULL")
        told = (json.loads(fault) for (fault,) in rows)
        return [UnknownItemError(said[0], expected=said[1], fix=said[2]) for said in told]


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", " ")


def _stamps(journey: "Journey") -> Iterator[tuple[str, str]]:
    """Every file that is searched, with what shows that it has changed."""
    for folder in ("log", "papers"):
        for entry in _scan(journey.root / folder):
            if entry.name.endswith(".md") and not entry.name.startswith("."):
                yield f"{folder}/{entry.name}", _stamp(entry)
    for entry in _scan(journey.root / "experiments"):
        for file in _scan(Path(entry.path)):
            if file.name == "experiment.md":
                yield f"experiments/{entry.name}/{file.name}", _stamp(file)
    from roadmap_log import roadmaps

    places = [Path(roadmaps.__file__).parent, journey.root / "roadmaps"]
    stamps = [
        f"{file.name} {_stamp(file)}"
        for place in places
        for file in _scan(place)
        if file.name.endswith(".md")
    ]
    whole = " ".join([*journey.settings.roadmaps, *sorted(stamps)])
    yield BOXES, blake2b(whole.encode(), digest_size=16).hexdigest()


def _scan(folder: Path) -> Iterator["os.DirEntry[str]"]:
    """What a folder holds, one at a time: each remembers all that the system said of it."""
    try:
        with os.scandir(folder) as found:
            yield from found
    except OSError:
        return


def _stamp(entry: "os.DirEntry[str]") -> str:
    try:
        status = entry.stat()
    except OSError:  # a link to nowhere
        return "0-0"
    return f"{status.st_mtime_ns}-{status.st_size}"


def _document(path: Path, content: str) -> Document:
    """What is indexed of an entry, a paper or an experiment."""
    header, text = frontmatter.split(path, content)
    if path.parent.name == "papers":
        from roadmap_log.papers import paper_from

        paper = paper_from(header, text, path)
        people = ", ".join(paper.authors)
        known = f"{paper.key} {paper.arxiv} {paper.doi} {people} {paper.year or ''}"
        body = f"{known}\n{' '.join(paper.fields.values())}\n{paper.notes}"
        moment = paper.added.timestamp()
        return Document("paper", paper.key, paper.title, " ".join(paper.tags), body, moment)
    if path.name == "experiment.md":
        from roadmap_log.experiments.experiment import experiment_of

        each = experiment_of(header, text, path)
        body = f"{each.hypothesis}\n{each.outcome}\n{each.text}"
        moment = each.begun.timestamp()
        return Document("experiment", each.name, each.title, " ".join(each.tags), body, moment)
    entry = entry_of(header, text, path)
    fields = {
        "when": entry.when.isoformat(),
        "tags": entry.tags,
        "topics": entry.topics,
        "minutes": entry.minutes,
        "day": entry.day,
    }
    tags = " ".join([*entry.tags, *entry.topics, entry.day])
    return Document(
        "entry", path.stem, entry.title, tags, entry.text, entry.when.timestamp(), fields
    )


def _boxes(journey: "Journey") -> Iterator[Document]:
    for roadmap in journey.roadmaps:
        for part in roadmap.parts:
            for item in part.all_items():
                body = f"{item.topic}\n{part.title}\n{roadmap.title}"
                yield Document("box", item.id, item.title, item.id, body)


def changes(journey: "Journey") -> dict[str, str]:
    """What shows that something has changed: files with their stamps, and the events' size."""
    sizes = {entry.name: _stamp(entry) for entry in _scan(journey.root / "events")}
    runs = {
        f"{entry.path}/{file.name}": _stamp(file)
        for entry in _scan(journey.root / "experiments")
        for file in _scan(Path(entry.path, "runs"))
    }
    return dict(_stamps(journey)) | sizes | runs
