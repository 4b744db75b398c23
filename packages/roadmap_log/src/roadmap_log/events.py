"""The memory of a journey: append-only files of events, one per device, one event a line.

A line is a JSON object that ends in its own checksum:

    {"id":"…","time":"2026-11-21T08:30:00+01:00","device":"…","kind":"…","data":{…},"sum":"1c291ca3"}

An event is acknowledged when `EventStore.append` returns: by then the whole line has reached the
disk. What a crash left half-written is moved to `quarantine/` by the next append; a damaged line
anywhere is reported with file and line, and the others are read all the same. Every device writes
its own file, so that merging two machines by git never conflicts.
"""

import io
import json
import os
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from heapq import merge
from pathlib import Path
from sys import intern
from typing import Any

from roadmap_log.errors import EventError
from roadmap_log.files import locked, storage_error, sync_folder

KINDS = frozenset(
    {
        "journey.created",
        "day.started",
        "day.tested",
        "day.reset",
        "hint.shown",
        "solution.shown",
        "item.started",
        "item.ticked",
        "item.unticked",
        "roadmap.added",
        "roadmap.removed",
        "log.written",
        "log.edited",
        "log.removed",
        "paper.added",
        "paper.read",
        "experiment.begun",
        "experiment.concluded",
    }
)
"""The kinds of events that this version understands; others are kept and reported."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: sorts as it counts
_parse = json.JSONDecoder().raw_decode
_TAIL = len(',"sum":"00000000"}')


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        id: 26 characters, unique, sortable by time of creation.
        time: when, on the learner's own clock, with its offset from UTC.
        device: name of the device that wrote it, which is the name of its file.
        kind: one of `KINDS`, or a newer one.
        data: what belongs to the kind.
    """

    id: str
    time: datetime
    device: str
    kind: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Damage:
    """A line that could not be read: where, why, and how it begins."""

    path: Path
    line: int
    reason: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class History:
    """All readable events in one order, the damage met on the way, and the kinds not understood."""

    events: tuple[Event, ...]
    damage: tuple[Damage, ...] = ()
    unknown_kinds: Mapping[str, int] = field(default_factory=dict)


def new_id(moment: float | None = None) -> str:
    """A fresh id: 48 bits of milliseconds, then 80 random bits, in 26 characters."""
    milliseconds = int((time.time() if moment is None else moment) * 1000) & (1 << 48) - 1
    number = milliseconds << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def encode(event: Event) -> bytes:
    """The line of `event`, with checksum and line end."""
    body = json.dumps(
        {
            "id": event.id,
            "time": event.time.isoformat(),
            "device": event.device,
            "kind": event.kind,
            "data": event.data,
        },
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    ).encode("utf-8", "surrogatepass")[:-1]
    return body + b',"sum":"%08x"}\n' % zlib.crc32(body)


def decode(line: bytes) -> Event:
    """Read one line (with or without its line end).

    Raises:
        ValueError: the line is damaged; the message says how.
    """
    line = line.rstrip(b"\r\n")
    body = line[:-_TAIL]
    if line[-_TAIL:] != b',"sum":"%08x"}' % zlib.crc32(body):
        raise ValueError("its checksum does not fit its content")
    try:
        text = (body + b"}").decode("utf-8", "surrogatepass")
        fields, end = _parse(text)  # json.loads asks first which encoding it is: a third slower
        if end != len(text):
            raise ValueError("it holds more than one object")
        moment = datetime.fromisoformat(fields["time"])
        if moment.tzinfo is None:
            raise ValueError("its time has no offset")
        data = fields["data"]
        if not isinstance(data, dict):
            raise ValueError("its data is not an object")
        device, kind = intern(str(fields["device"])), intern(str(fields["kind"]))
        return Event(str(fields["id"]), moment, device, kind, data)
    except (KeyError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"it lacks a field or has a wrong one ({error})") from error


class EventStore:
    """The event files in one folder.

    Args:
        folder: holds `<device>.jsonl` for every device, and `quarantine/`.
        lock: a file outside version control that serialises the writers of this machine.
    """

    def __init__(self, folder: Path, lock: Path) -> None:
        self.folder = folder
        self.lock = lock

    def append(self, device: str, kind: str, data: Mapping[str, Any], when: datetime) -> Event:
        """Write one event and return it once it is safely on the disk.

        Raises:
            EventError: the kind is unknown, or the data cannot be written as JSON.
            StorageError: it could not be written; the file is as it was.
        """
        if not isinstance(kind, str) or kind not in KINDS:
            raise EventError(
                f"{kind!r} is no kind of event",
                expected="one of " + ", ".join(sorted(KINDS)),
                fix="nothing was recorded; correct the kind",
            )
        event = Event(new_id(), when, device, kind, data)
        try:
            line = encode(event)
        except (TypeError, ValueError, RecursionError) as error:
            raise EventError(
                f"the data of {kind} cannot be written as JSON: {error}",
                expected="texts, whole and finite numbers, true, false, null, lists and dicts",
                fix="nothing was recorded; correct the data",
            ) from error
        path = self.folder / f"{device}.jsonl"
        try:
            with locked(self.lock):
                _append_line(path, line)
        except OSError as error:
            raise storage_error("write the event to", path, error) from error
        return event

    def read(self) -> History:
        """Read every device's file; damaged lines are reported, never fatal.

        Raises:
            StorageError: a file cannot be opened at all.
        """
        damage: list[Damage] = []
        events = tuple(self.stream(damage))
        unknown: dict[str, int] = {}
        for event in events:
            if event.kind not in KINDS:
                unknown[event.kind] = unknown.get(event.kind, 0) + 1
        return History(events, tuple(damage), unknown)

    def stream(self, damage: list[Damage]) -> Iterator[Event]:
        """The events of all devices in one order, one at a time; what is damaged goes to `damage`.

        Raises:
            StorageError: a file cannot be opened at all.
        """
        streams = []
        for path in sorted(self.folder.glob("*.jsonl")):
            try:
                content = path.read_bytes()
            except OSError as error:
                raise storage_error("read", path, error) from error
            streams.append(_in_order(path, content, damage))
        rows = streams[0] if len(streams) == 1 else merge(*streams, key=lambda row: row[:3])
        seen: set[str] = set()
        for *_, event in rows:  # a line may stand twice after a merge
            if event.id not in seen:
                seen.add(event.id)
                yield event

    def quarantined(self) -> list[Path]:
        """Files that hold what crashes left half-written."""
        return sorted((self.folder / "quarantine").glob("*"))


def _in_order(
    path: Path, content: bytes, damage: list[Damage]
) -> Iterator[tuple[float, str, int, Event]]:
    """The events of one file with keys that keep its own order, whatever its clock did."""
    latest, name = float("-inf"), path.stem
    for number, line in enumerate(io.BytesIO(content), 1):  # line by line: no second copy
        if not line.strip():
            continue
        try:
            event = decode(line)
        except ValueError as error:
            beginning = line[:80].decode("utf-8", "replace")
            damage.append(Damage(path, number, str(error), beginning))
            continue
        latest = max(latest, event.time.timestamp())
        yield latest, name, number, event


def _append_line(path: Path, line: bytes) -> None:
    """Append `line` whole; afterwards the file ends as before or with the whole line, durable."""
    created = not path.exists()
    if created:
        path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = _mend_end(path, handle)
        try:
            _write_all(handle, line)
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)
    if created:
        sync_folder(path.parent)


def _write_all(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]


def _mend_end(path: Path, handle: int) -> int:
    """Complete or quarantine a last line without its end; return the size from which to append."""
    size = os.fstat(handle).st_size
    tail = _unfinished(path, size)
    if not tail:
        return size
    try:
        decode(tail)
    except ValueError:
        folder = path.parent / "quarantine"
        folder.mkdir(exist_ok=True)
        kept = folder / f"{path.stem}-{zlib.crc32(tail):08x}.txt"
        copy = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            _write_all(copy, tail)
            os.fsync(copy)
        finally:
            os.close(copy)
        sync_folder(folder)
        os.ftruncate(handle, size - len(tail))
        os.fsync(handle)
        return size - len(tail)
    _write_all(handle, b"\n")  # whole, only its line end is missing: an editor took it away
    return size + 1


def _unfinished(path: Path, size: int) -> bytes:
    """The bytes after the last line end of the first `size` bytes."""
    with open(path, "rb") as stream:
        start, tail = size, b""
        while start > 0:
            step = min(start, 4096)
            start -= step
            stream.seek(start)
            tail = stream.read(step) + tail
            cut = tail.rfind(b"\n")
            if cut >= 0:
                return tail[cut + 1 :]
        return tail


def of_kind(events: Iterable[Event], kind: str) -> Iterator[Event]:
    """The events of one kind, in order."""
    return (event for event in events if event.kind == kind)
