"""A journey: one folder of plain text that holds a learner's plan, work, log and events.

journey.toml            what it is called, since when, in what rhythm, along which roadmaps
work/<track>/dayNN.py   the exercises handed out, with dayNN.md beside them
log/*.md                entries, each a valid Jekyll post
events/<device>.jsonl   everything that happened; the state is the fold of it
roadmaps/*.md           roadmaps of one's own, if any
.local/                 this machine's share: device name, locks, caches; not under git
"""

import json
import os
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from roadmap_log import clock, roadmaps
from roadmap_log.cadence import parse_cadence
from roadmap_log.days import Library
from roadmap_log.errors import JourneyError, StorageError, UnknownItemError
from roadmap_log.events import Event, EventStore, History, new_id
from roadmap_log.files import storage_error, write_whole
from roadmap_log.state import State, fold

FORMAT = 1
"""Version of the folder's layout; a journey of a newer one is refused, not guessed at."""

MARKER = "journey.toml"

_IGNORED = ".local/\n_site/\n__pycache__/\n.pytest_cache/\n"
# Union merges and untouched line ends keep the event files whole under git on every system.
_ATTRIBUTES = "events/*.jsonl merge=union -text\n"


@dataclass(frozen=True, slots=True)
class Settings:
    """What journey.toml says."""

    title: str
    started: date
    time_zone: str
    cadence: frozenset[int]
    roadmaps: tuple[str, ...]


class Journey:
    """An opened journey.

    Args:
        root: the folder that holds journey.toml.

    Raises:
        JourneyError: journey.toml is missing, broken, or of a newer format.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings = _read_settings(root / MARKER)

    @classmethod
    def find(cls, given: str | Path | None = None, start: Path | None = None) -> "Journey":
        """Open the journey at `given`; else above `start`; else the only one directly below it.

        Raises:
            JourneyError: there is none, or there are several to choose from.
        """
        if given:
            return cls(Path(given).expanduser().absolute())
        start = (start or Path.cwd()).absolute()
        for folder in (start, *start.parents):
            if (folder / MARKER).is_file():
                return cls(folder)
        below = _journeys_in(start)
        if len(below) == 1:
            return cls(below[0])
        if below:
            raise JourneyError(
                "there are several journeys here: " + ", ".join(path.name for path in below),
                expected="one, or a choice between them",
                fix=f"cd {below[0].name}, or say which: roadmap --journey {below[0].name} …",
            )
        raise JourneyError(
            f"there is no journey in {start} or above it",
            expected=f"a folder with {MARKER}",
            fix="begin one: roadmap init journey",
        )

    @classmethod
    def create(
        cls,
        target: str | Path,
        *,
        title: str = "My journey",
        cadence: str = "daily",
        time_zone: str = "local",
        follow: tuple[str | Path, ...] = ("programme",),
    ) -> "Journey":
        """Make the folder of a new journey, whole or not at all.

        Args:
            target: the folder, new or empty.
            title: what the journey is called.
            cadence: the days of the week one promises oneself (see `parse_cadence`).
            time_zone: "local", or a name as "Europe/Berlin".
            follow: names of built-in roadmaps, and files of one's own, which are copied.

        Raises:
            JourneyError: a setting cannot be used.
            UnknownItemError: a roadmap does not exist.
            StorageError: the folder is not empty or cannot be written.
        """
        target = Path(target).expanduser().absolute()
        if not title.strip() or not title.isprintable():
            raise JourneyError(
                f"{title!r} cannot be a title",
                expected="one line of printable text",
                fix="choose another one: roadmap init DIR --title TEXT",
            )
        parse_cadence(cadence)
        now = clock.now(time_zone)
        own = [roadmaps.parse_own(path) for path in follow if isinstance(path, Path)]
        names = tuple(each.stem if isinstance(each, Path) else each for each in follow)
        for name in follow:
            if isinstance(name, str):
                roadmaps.load(name)
        _refuse_occupied(target)
        with _built_aside(target) as folder:
            for part in ("work", "log", "events"):
                (folder / part).mkdir()
                (folder / part / ".gitkeep").touch()
            for roadmap in own:
                copy = folder / "roadmaps" / roadmap.path.name
                write_whole(copy, roadmap.path.read_bytes())
            settings = _settings_text(title, now.date(), time_zone, cadence, names)
            write_whole(folder / MARKER, settings)
            write_whole(folder / ".gitignore", _IGNORED)
            write_whole(folder / ".gitattributes", _ATTRIBUTES)
            device = _write_device(folder, target)
            store = EventStore(folder / "events", folder / ".local" / "events.lock")
            store.append(device, "journey.created", {"title": title, "roadmaps": list(names)}, now)
        return cls(target)

    @property
    def log_folder(self) -> Path:
        """Where the log entries lie."""
        return self.root / "log"

    @property
    def local(self) -> Path:
        """What belongs to this machine alone: device name, lock, drafts, caches."""
        return self.root / ".local"

    def work_file(self, track: str, number: int) -> Path:
        """Where the learner's file of a day lies."""
        return self.root / "work" / track / f"day{number:02d}.py"

    def task_file(self, item: str) -> Path:
        """Where the task of an item without a day of its own lies."""
        return self.root.joinpath("work", *f"{item}.task.md".split("/"))

    def short(self, path: Path) -> str:
        """`path` as one would type it from where one stands."""
        relative = os.path.relpath(path)
        return relative if len(relative) < len(str(path)) else str(path)

    def now(self) -> datetime:
        """The present moment in the journey's time zone."""
        return clock.now(self.settings.time_zone)

    @property
    def store(self) -> EventStore:
        """The journey's event files."""
        return EventStore(self.root / "events", self.local / "events.lock")

    def record(self, kind: str, **data: Any) -> Event:
        """Append an event; when this returns it is safely on the disk.

        Raises:
            UnknownItemError: a box is ticked that no roadmap of the journey has.
            EventError: the kind is unknown, or the data cannot be written as JSON.
            StorageError: it could not be written.
        """
        if kind in ("item.ticked", "item.unticked"):
            self._know(data.get("item"))
        event = self.store.append(self.device, kind, data, self.now())
        self.__dict__.pop("history", None)
        self.__dict__.pop("state", None)
        return event

    def forget(self) -> None:
        """Read settings, roadmaps and events anew when they are asked for the next time."""
        self.settings = _read_settings(self.root / MARKER)
        for name in ("roadmaps", "library", "history", "state"):
            self.__dict__.pop(name, None)

    def _know(self, name: object) -> None:
        if all(name != item.id for roadmap in self.roadmaps for item in roadmap.items()):
            raise UnknownItemError(
                f"no roadmap of this journey has an item {name!r}",
                expected="an id, as autodiff/03",
                fix="see them all: roadmap status --all",
            )

    @cached_property
    def device(self) -> str:
        """This machine's name in the events; a copied or cloned journey gets a new one."""
        try:
            known = json.loads((self.local / "device.json").read_bytes())
            if known["host"] == _host() and known["folder"] == str(self.root.resolve()):
                return str(known["device"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return _write_device(self.root, self.root)

    @cached_property
    def roadmaps(self) -> tuple[roadmaps.Roadmap, ...]:
        """The roadmaps of this journey, in the order of journey.toml."""
        folder = self.root / "roadmaps"
        found = tuple(roadmaps.load(name, folder) for name in self.settings.roadmaps)
        roadmaps.refuse_shared_ids(found)
        return found

    @cached_property
    def history(self) -> History:
        """Every event of every device."""
        return self.store.read()

    @cached_property
    def library(self) -> Library:
        """The days that the installed tracks offer."""
        return Library(self.local, self.roadmaps)

    @cached_property
    def state(self) -> State:
        """The present standing, folded from the events."""
        return self.fold(self.history)

    def fold(self, history: History) -> State:
        """The standing that a history comes to."""
        return fold(
            history,
            self.roadmaps,
            available=self.library.available,
            tests_hash=self.library.tests_hash,
            cadence=self.settings.cadence,
            today=self.now().date(),
        )


def _journeys_in(folder: Path) -> list[Path]:
    try:
        return sorted(path.parent for path in folder.glob(f"*/{MARKER}"))
    except OSError:
        return []


def _host() -> str:
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")


def _write_device(folder: Path, final: Path) -> str:
    """Give this copy of the journey a name of its own; it says nothing about the machine."""
    device = "device-" + new_id()[-6:].lower()
    known = {"device": device, "host": _host(), "folder": str(final.resolve())}
    write_whole(folder / ".local" / "device.json", json.dumps(known) + "\n")
    return device


def _refuse_occupied(target: Path) -> None:
    try:
        occupied = target.exists() and (not target.is_dir() or any(target.iterdir()))
    except OSError as error:
        raise storage_error("look into", target, error) from error
    if not occupied:
        return
    if (target / MARKER).is_file():
        raise StorageError(
            f"{target} is a journey already",
            expected="a new or an empty folder",
            fix=f"go on with it: roadmap --journey {target} next",
        )
    raise StorageError(
        f"{target} is not empty",
        expected="a new or an empty folder",
        fix=f"choose another name: roadmap init {target.name}-2",
    )


@contextmanager
def _built_aside(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target` that takes its place if all goes well, else vanishes."""
    folder: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = target.with_name(f".{target.name}.new-{new_id()[-8:].lower()}")
        folder.mkdir()
        yield folder
        if target.is_dir():
            target.rmdir()
        folder.rename(target)
    except OSError as error:
        raise storage_error("make", target, error) from error
    finally:
        if folder is not None and folder.exists():
            shutil.rmtree(folder, ignore_errors=True)


def _settings_text(
    title: str, started: date, time_zone: str, cadence: str, names: tuple[str, ...]
) -> str:
    def quoted(value: object) -> str:
        return json.dumps(value, ensure_ascii=False)

    return (
        "# A learning journey. Edit freely; what happens is kept in events/.\n"
        f"format = {FORMAT}\n"
        f"title = {quoted(title)}\n"
        f"started = {started.isoformat()}\n"
        f'time_zone = {quoted(time_zone)}  # "local", or a name as "Europe/Berlin"\n'
        f'cadence = {quoted(cadence)}  # "daily", "weekdays", or days as "mon,wed,fri"\n'
        f"roadmaps = {quoted(list(names))}\n"
    )


def _read_settings(path: Path) -> Settings:
    def refuse(problem: str, expected: str) -> JourneyError:
        return JourneyError(f"{path}: {problem}", expected=expected, fix="correct the file")

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise JourneyError(
            f"there is no journey at {path.parent}",
            expected=f"a folder with {MARKER}",
            fix=f"begin one: roadmap init {path.parent}",
        ) from None
    except OSError as error:
        raise storage_error("read", path, error) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise refuse(f"not valid TOML ({error})", "the form that roadmap init writes") from error
    if not isinstance(version := table.get("format", FORMAT), int) or version > FORMAT:
        raise JourneyError(
            f"{path} has format {version!r}",
            expected=f"format {FORMAT} or older",
            fix="install a newer roadmap-log",
        )
    title, zone = table.get("title", path.parent.name), table.get("time_zone", "local")
    rhythm, names = table.get("cadence", "daily"), table.get("roadmaps", ["programme"])
    for key, value in (("title", title), ("time_zone", zone), ("cadence", rhythm)):
        if not isinstance(value, str):
            raise refuse(f"{key} = {value!r}", "a text in quotes")
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise refuse(f"roadmaps = {names!r}", 'a list of names, as ["programme"]')
    started = table.get("started", date.min)
    if isinstance(started, datetime) or not isinstance(started, date):
        raise refuse(f"started = {started!r}", "a date as 2026-11-21")
    return Settings(title, started, zone, parse_cadence(rhythm), tuple(names))
