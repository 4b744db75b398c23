"""Text that was read in the wrong encoding, put right where that is exact and reported where not.

UTF-8 that a program took for MacRoman or a Windows code page turns each byte of a character into a
character of its own. As long as no byte was lost on the way, the step can be undone exactly. Where
a byte is missing the damaged characters stay as they are: nothing is guessed.
"""

import re
import unicodedata
from dataclasses import dataclass

from roadmap_log.errors import UnknownItemError

CODECS = (
    "mac_roman",
    "cp1252",
    "latin_1",
    "cp1254",
    "cp1250",
    "cp1251",
    "cp437",
    "cp850",
)
"""What UTF-8 is most often mistaken for."""

_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_MIXED = re.compile(r"[A-Za-z][\u0370-\u07ff]|[\u0370-\u07ff][A-Za-z]")
_RUN = re.compile(r"[^\x00-\x7f]+")


@dataclass(frozen=True, slots=True)
class Lost:
    """A place that stays damaged: line and column, both from 1, and the characters there."""

    line: int
    column: int
    text: str


@dataclass(frozen=True, slots=True)
class Repaired:
    """A text after repair.

    Attributes:
        text: the text, put right where possible.
        codec: what it had been mistaken for, or "" if nothing was to be repaired.
        restored: how many characters were put right.
        lost: the places where bytes are missing, left as they were.
        rivals: encodings that explain the text equally well and differently; then all is unchanged.
    """

    text: str
    codec: str = ""
    restored: int = 0
    lost: tuple[Lost, ...] = ()
    rivals: tuple[str, ...] = ()


def decode(content: bytes, name: str, encoding: str | None = None) -> str:
    """The text of a file: in `encoding`, by its byte order mark, else in UTF-8.

    Raises:
        UnknownItemError: it is not text in that encoding; names the line and the byte.
    """
    chosen = encoding or "utf-8"
    for mark, marked in _MARKS if encoding is None else ():
        if content.startswith(mark):
            content, chosen = content[len(mark) :], marked
            break
    try:
        return content.decode(chosen)
    except LookupError:
        raise UnknownItemError(
            f"there is no encoding {encoding!r}",
            expected="a name that Python knows, as cp1254",
            fix="correct --encoding, or leave it out for UTF-8",
        ) from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnknownItemError(
            f"{name}:{line}: byte 0x{content[error.start]:02x} is not {chosen}",
            expected="a text file in UTF-8, or in the encoding you name",
            fix="say what it is written in: roadmap import FILE --encoding cp1254",
        ) from error


def repair(text: str, codecs: tuple[str, ...] = CODECS) -> Repaired:
    """Undo the reading of UTF-8 in a wrong encoding, if the whole text bears its signs.

    Each character outside ASCII must be one that the encoding has, and most sequences of them must
    be UTF-8. Of several explanations the one with the fewest losses and loose marks holds; where
    two are left that differ, nothing is changed.
    """
    if text.isascii():
        return Repaired(text)
    found: list[Repaired] = []
    for codec in codecs:
        table = _bytes_of(codec)
        if all(char in table for char in set(text) if char > "\x7f"):
            result = _undo(text, codec, table)
            sound = _oddities(result.text) <= _oddities(text)
            if sound and result.restored and result.restored >= len(result.lost):
                found.append(result)
    if not found:
        return Repaired(text)
    least = min((len(each.lost), _oddities(each.text)) for each in found)
    best = [each for each in found if (len(each.lost), _oddities(each.text)) == least]
    if len({each.text for each in best}) > 1:
        return Repaired(text, rivals=tuple(each.codec for each in best))
    return best[0]


def _oddities(text: str) -> int:
    """What no one writes: controls, unassigned characters, loose marks, scripts within a word."""
    return len(_MIXED.findall(text)) + sum(
        unicodedata.category(char) in ("Cc", "Cn", "Co", "Mn")
        for char in text
        if char > "\x7f" and char != "\ufe0f"
    )


def _bytes_of(codec: str) -> dict[str, int]:
    """The byte behind each character beyond ASCII; undefined bytes stand for themselves."""
    table: dict[str, int] = {}
    for byte in range(0x80, 0x100):
        try:
            table[bytes([byte]).decode(codec)] = byte
        except UnicodeDecodeError:
            table[chr(byte)] = byte
    return table


def _undo(text: str, codec: str, table: dict[str, int]) -> Repaired:
    restored, lost = 0, list[Lost]()

    def mend(match: re.Match[str]) -> str:
        nonlocal restored
        run = match[0]
        content = bytes(table[char] for char in run)
        parts, at, gap = [], 0, -1
        while at < len(content):
            length = _length(content[at])
            try:
                parts.append(content[at : at + length].decode())
                restored += 1
                gap, at = -1, at + length
            except UnicodeDecodeError:
                if gap < 0:
                    gap = at
                    lost.append(_place(text, match.start() + at, run[at]))
                else:
                    last = lost[-1]
                    lost[-1] = Lost(last.line, last.column, last.text + run[at])
                parts.append(run[at])
                at += 1
        return "".join(parts)

    mended = _RUN.sub(mend, text)
    return Repaired(mended, codec, restored, tuple(lost))


def _length(lead: int) -> int:
    """Bytes of the UTF-8 sequence that begins with `lead`; 1 where none does."""
    return 2 if 0xC2 <= lead < 0xE0 else 3 if 0xE0 <= lead < 0xF0 else 4 if lead in _FOUR else 1


_FOUR = range(0xF0, 0xF5)


def _place(text: str, position: int, char: str) -> Lost:
    line = text.count("\n", 0, position) + 1
    return Lost(line, position - text.rfind("\n", 0, position), char)
