"""iCalendar (RFC 5545): events as text, escaped, folded at 75 octets, with ids that stay."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Appointment:
    """One entry of a calendar.

    Attributes:
        uid: unique in the world and the same at every export.
        title: one line.
        begin: a moment with an offset, or a date for the whole day.
        minutes: how long it takes; 0 for the whole day, or for a mere moment.
        text: what is said of it.
        categories: words.
    """

    uid: str
    title: str
    begin: datetime | date
    minutes: int = 0
    text: str = ""
    categories: tuple[str, ...] = ()


def calendar(name: str, appointments: Iterable[Appointment], stamp: datetime) -> str:
    """The text of a calendar.

    Args:
        name: what it is called.
        appointments: its entries.
        stamp: when it is made.
    """
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//roadmap-log//EN",
        f"X-WR-CALNAME:{_text(name)}",
    ]
    for each in appointments:
        lines += _lines(each, stamp)
    lines.append("END:VCALENDAR")
    return "".join(folded + "\r\n" for line in lines for folded in _fold(line))


def _lines(each: Appointment, stamp: datetime) -> Iterator[str]:
    yield "BEGIN:VEVENT"
    yield f"UID:{_text(each.uid)}"
    yield f"DTSTAMP:{_moment(stamp)}"
    if isinstance(each.begin, datetime):
        yield f"DTSTART:{_moment(each.begin)}"
        if each.minutes:
            yield f"DTEND:{_moment(each.begin + timedelta(minutes=each.minutes))}"
    else:
        yield f"DTSTART;VALUE=DATE:{each.begin:%Y%m%d}"
        yield f"DTEND;VALUE=DATE:{each.begin + timedelta(days=1):%Y%m%d}"
    yield f"SUMMARY:{_text(each.title)}"
    if each.text:
        yield f"DESCRIPTION:{_text(each.text)}"
    if each.categories:
        yield f"CATEGORIES:{','.join(map(_text, each.categories))}"
    yield "END:VEVENT"


def _moment(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _text(text: str) -> str:
    """A value of type TEXT (section 3.3.11), without the controls that it may not have."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    plain = "".join(c for c in plain if c in "\n\t" or (c >= " " and c != "\x7f"))
    for sign in "\\;,":
        plain = plain.replace(sign, f"\\{sign}")
    return plain.replace("\n", "\\n")


def _fold(line: str) -> Iterator[str]:
    """A content line in pieces of at most 75 octets, none cut within a character."""
    piece = b""
    for character in line:
        octets = character.encode("utf-8", "replace")
        if len(piece) + len(octets) > 75:
            yield piece.decode()
            piece = b" "
        piece += octets
    yield piece.decode()
