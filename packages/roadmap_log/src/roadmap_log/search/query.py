"""What one may ask: words (all must occur, as they begin), "phrases", tag:x, kind:paper, -not."""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roadmap_log.errors import UnknownItemError

if TYPE_CHECKING:
    from roadmap_log.search.index import Index

KINDS = ("entry", "paper", "experiment", "box")
BEGIN, END = "\x01", "\x02"
"""What stands around a word that was found, in a hit's excerpt."""

_SNIPPET = 8_000
"""The longest text whose excerpt SQLite chooses: its time grows with the square of the hits."""

_LOOKED_THROUGH = 200_000
"""How much of a longer text is looked through for the words around the first hit."""

_PART = re.compile(r'(-?)(?:(tag|kind):)?(?:"([^"]*)"?|(\S+))')


@dataclass(frozen=True, slots=True)
class Hit:
    """Something found: what it is, its name and title, where it lies, the words around."""

    kind: str
    name: str
    title: str
    file: Path | None
    moment: float
    excerpt: str


@dataclass(frozen=True, slots=True)
class Query:
    """A query taken apart: words with whether they are whole phrases, and what restricts it."""

    wanted: tuple[tuple[str, bool], ...]
    unwanted: tuple[tuple[str, bool], ...]
    tags: tuple[str, ...]
    kinds: tuple[str, ...]


def parse(text: str) -> Query:
    """Take a query apart.

    Raises:
        UnknownItemError: nothing is asked for, or a kind is unknown.
    """
    wanted: list[tuple[str, bool]] = []
    unwanted: list[tuple[str, bool]] = []
    tags: list[str] = []
    kinds: list[str] = []
    for minus, field, phrase, word in _PART.findall(text.replace("\0", " ")):
        said, whole = (phrase, True) if phrase else (word, False)
        if field == "kind":
            if said not in KINDS:
                raise UnknownItemError(
                    f"there is no kind {said!r}", expected=", ".join(KINDS), fix="kind:entry"
                )
            kinds.append(said)
        elif field == "tag":
            tags.append(said.lower())
        elif any(character.isalnum() for character in said):
            (unwanted if minus else wanted).append((said, whole))
    if not wanted and not tags and not kinds:
        raise UnknownItemError(
            f"nothing to look for in {text!r}",
            expected='words, "a phrase", tag:attention, kind:paper, -without',
            fix="roadmap search attention",
        )
    return Query(tuple(wanted), tuple(unwanted), tuple(tags), tuple(kinds))


def find(index: "Index", text: str, limit: int = 20) -> list[Hit]:
    """What fits the query, best first; where no word begins so, what contains the letters.

    Raises:
        UnknownItemError: the query asks for nothing.
    """
    query = parse(text)
    conditions, values = _restrictions(query)
    matches = [_match(*each) for each in query.wanted]
    if matches:
        match = " AND ".join(matches)
        if query.unwanted:
            match = f"({match}) NOT ({' OR '.join(_match(*each) for each in query.unwanted)})"
        where = " AND ".join(["words MATCH ?", *conditions])
        sql = (
            "SELECT kind, name, d.title, file, moment, CASE WHEN length(words.body) <= ?"
            " THEN snippet(words, 2, char(1), char(2), '…', 14) END, substr(words.body, 1, ?)"
            f" FROM words JOIN documents d ON d.id = words.rowid WHERE {where}"
            " ORDER BY bm25(words, 8.0, 4.0, 1.0), moment DESC LIMIT ?"
        )
        sizes = (_SNIPPET, _LOOKED_THROUGH)
        rows = index.database.execute(sql, [*sizes, match, *values, limit]).fetchall()
        if rows:
            first = query.wanted[0][0]
            return [
                _hit(index, kind, name, title, file, moment, snippet or _around(body, first))
                for kind, name, title, file, moment, snippet, body in rows
            ]
    for word, _ in query.wanted:
        conditions.append("(w.title || ' ' || w.body) LIKE ? ESCAPE '\\'")
        values.append(f"%{_literal(word)}%")
    for word, _ in query.unwanted:
        conditions.append("(w.title || ' ' || w.body) NOT LIKE ? ESCAPE '\\'")
        values.append(f"%{_literal(word)}%")
    sql = (
        "SELECT kind, name, d.title, file, moment, w.body FROM words w"
        f" JOIN documents d ON d.id = w.rowid WHERE {' AND '.join(conditions)}"
        " ORDER BY moment DESC LIMIT ?"
    )
    rows = index.database.execute(sql, [*values, limit]).fetchall()
    first = query.wanted[0][0] if query.wanted else ""
    return [
        _hit(index, kind, name, title, file, moment, _around(body, first))
        for kind, name, title, file, moment, body in rows
    ]


def _restrictions(query: Query) -> tuple[list[str], list[str | int]]:
    conditions, values = ["1"], list[str | int]()
    if query.kinds:
        conditions.append(f"kind IN ({', '.join('?' * len(query.kinds))})")
        values += query.kinds
    for tag in query.tags:
        conditions.append("(' ' || d.tags || ' ') LIKE ? ESCAPE '\\'")
        values.append(f"% {_literal(tag)} %")
    return conditions, values


def _match(said: str, whole: bool) -> str:
    """A word as FTS5 understands it, whatever signs it has; a word matches as it begins."""
    quoted = '"' + said.replace('"', '""') + '"'
    return quoted if whole else f"{quoted} *"


def _literal(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)


def _around(body: str, word: str) -> str:
    at = unicodedata.normalize("NFC", body).lower().find(word.lower()) if word else -1
    begin = max(0, at - 40)
    piece = body[begin : begin + 100]
    if at >= 0:
        found = slice(at - begin, at - begin + len(word))
        piece = f"{piece[: found.start]}{BEGIN}{piece[found]}{END}{piece[found.stop :]}"
    return f"{'…' * (begin > 0)}{piece}{'…' * (begin + 100 < len(body))}"


def _hit(
    index: "Index", kind: str, name: str, title: str, file: str, moment: float, excerpt: str
) -> Hit:
    path = index.journey.root / file if kind != "box" else None
    return Hit(kind, name, title, path, moment, " ".join(excerpt.split()))
