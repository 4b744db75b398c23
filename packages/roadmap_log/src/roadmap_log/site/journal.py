"""The entries as the pages need them: from the index, a part at a time, without their texts."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from roadmap_log.entries import read_entry
from roadmap_log.files import DEVICE_NAME

if TYPE_CHECKING:
    from roadmap_log.search import Index
    from roadmap_log.search.index import Found

LONGEST_TEXT = 20_000
"""Characters of an entry that the archive's search looks through."""

_PLAIN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_NUMBERED = re.compile(r"(?:.*-)?[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Post:
    """An entry with its address in the site; its text is read only to render it."""

    number: int
    title: str
    when: datetime
    tags: tuple[str, ...]
    topics: tuple[str, ...]
    minutes: int
    day: str
    file: Path
    address: str
    digest: str

    @property
    def names(self) -> tuple[str, ...]:
        """Its topics, then its tags."""
        return tuple(dict.fromkeys((*self.topics, *self.tags)))

    @property
    def key(self) -> list[object]:
        """What another page shows of it."""
        return [self.address, self.title, self.when, self.minutes, self.names]

    def text(self) -> str:
        """The Markdown of the entry."""
        return read_entry(self.file).text


def named(stem: str) -> str:
    """A part of an address for `stem`: itself if it is harmless everywhere, else its letters and a
    number of its own, so that no two stems ever share one."""
    plain = _PLAIN.fullmatch(stem) and len(stem) <= 120
    if plain and not _NUMBERED.fullmatch(stem) and not DEVICE_NAME.fullmatch(stem):
        return stem
    letters = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:60].strip("-")
    number = blake2b(stem.encode("utf-8", "replace"), digest_size=6).hexdigest()
    return f"{letters}-{number}" if letters else number


class Journal:
    """The entries of a journey.

    Args:
        index: the journey's index, in step with its files.
    """

    def __init__(self, index: "Index") -> None:
        self.index = index

    def __len__(self) -> int:
        return self._number("SELECT count(*) FROM documents WHERE kind = 'entry'")

    def _number(self, sql: str) -> int:
        return int(self.index.database.execute(sql).fetchone()[0])

    def posts(self, limit: int = -1) -> Iterator[Post]:
        """The entries, newest first; all, or as many as asked for."""
        for found in self.index.entries():
            if limit == 0:
                return
            limit -= 1
            yield _post(found)

    def months(self) -> list[tuple[str, int]]:
        """The months that have entries, as "2026-11", newest first, with how many."""
        sql = (
            "SELECT substr(date, 1, 7) AS month, count(*) FROM documents"
            " WHERE kind = 'entry' GROUP BY month ORDER BY month DESC"
        )
        return self.index.database.execute(sql).fetchall()

    def of_month(self, month: str) -> list[Post]:
        """The entries of a month, newest first."""
        chosen = self.index.entries("date BETWEEN ? AND ?", (f"{month}-00", f"{month}-99"))
        return list(map(_post, chosen))

    def topics(self) -> list[tuple[str, bool, int]]:
        """Every topic and tag by name, whether it is a topic, and how many entries it has."""
        sql = (
            "SELECT tag, max(topic), count(DISTINCT t.id) FROM tagged t"
            " JOIN documents d ON d.id = t.id WHERE kind = 'entry' GROUP BY tag ORDER BY tag"
        )
        rows = self.index.database.execute(sql)
        return [(str(tag), bool(topic), int(number)) for tag, topic, number in rows]

    def of_topic(self, name: str) -> Iterator[Post]:
        """The entries with a topic or tag, newest first."""
        chosen = "d.id IN (SELECT id FROM tagged WHERE tag = ?)"
        return map(_post, self.index.entries(chosen, (name,)))

    def about(self, day: str) -> list[Post]:
        """The entries about a day of a track, newest first."""
        return list(map(_post, self.index.entries("about = ?", (day,)))) if day else []

    def text_of(self, post: Post) -> str:
        """The words of an entry for the archive's search."""
        sql = "SELECT substr(body, 1, ?) FROM words WHERE rowid = ?"
        row = self.index.database.execute(sql, (LONGEST_TEXT, post.number)).fetchone()
        return str(row[0])


def _post(found: "Found") -> Post:
    entry = found.entry
    assert entry.path is not None
    return Post(
        found.number,
        entry.title,
        entry.when,
        entry.tags,
        entry.topics,
        entry.minutes,
        entry.day,
        entry.path,
        f"log/{named(entry.path.stem)}.html",
        found.digest,
    )
