"""The days that the installed tracks offer, seen from a journey: which there are, which is meant.

Finding the tracks takes some 30 ms of imports, so what was found is kept in `.local/cache.json`
and looked up again as long as nothing was installed or removed since. The cache may be deleted at
any time.
"""

import json
import os
import re
import sys
import zlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadmap_log.errors import UnknownItemError
from roadmap_log.machine import lacks
from roadmap_log.roadmaps import Roadmap
from roadmap_log.state import Day, ItemState, State, Status, day_name, next_items

if TYPE_CHECKING:
    from roadmap_log.dayfile import DayFile
    from roadmap_log.tracks import Track

_NAMED = re.compile(r"(?:([a-z0-9_-]+)/)?(?:day)?0*(\d{1,4})(?:\.(?:py|md|ipynb))?")
_WORK = frozenset({"day.started", "day.tested", "day.reset", "hint.shown"})  # no mere look
_REQUIRES = re.compile(r"^Requires:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_DAY_FILE = re.compile(r"day(\d{2,3})\.py")


class Library:
    """The tracks of this machine.

    Args:
        local: a folder for the disposable cache.
        roadmaps: the journey's checklists, which say where each track comes from.
    """

    def __init__(self, local: Path, roadmaps: Sequence[Roadmap]) -> None:
        self.local = local
        self.roadmaps = roadmaps

    def available(self, day: Day) -> tuple[Status, str]:
        """Whether a day can be worked on here: "todo", or "planned" or "blocked" and why."""
        track, number = day
        known = self.tracks.get(track)
        if known is None:
            if not (distribution := self.distribution(track)):
                return "blocked", f"no installed package offers the track {track!r}"
            return "blocked", f"the {track} track comes with {distribution}, not installed here"
        if "problem" in known:
            return "blocked", f"the {track} track is broken: {known['problem']}"
        if number > known["planned"] and number not in self.days_of(track):
            end = f"the track ends at day {known['planned']}"
            return "blocked", f"there is no {day_name(day)}: {end}"
        if number not in self.days_of(track):
            return "planned", f"the exercises of {day_name(day)} are not written yet"
        if known["device"] != "cpu" and lacks(self._requires(day)):
            return "blocked", f"{day_name(day)} needs a GPU, and this machine shows none"
        return "todo", ""

    def _requires(self, day: Day) -> tuple[str, ...]:
        """What a day says the machine must have; its head alone is read."""
        path = Path(self.tracks[day[0]]["folder"], f"day{day[1]:02d}.py")
        try:
            with open(path, encoding="utf-8", errors="replace") as stream:
                found = _REQUIRES.search(stream.read(4096))
        except OSError:
            return ()
        return tuple(part.strip() for part in found[1].split("|")) if found else ()

    def tests_hash(self, day: Day) -> str | None:
        """The hash of a day's present tests, or None if the day is not here or broken."""
        if self.available(day)[0] != "todo":
            return None
        path = Path(self.tracks[day[0]]["folder"], f"day{day[1]:02d}.py")
        status = path.stat()
        stamp = [status.st_mtime_ns, status.st_size]
        kept = self._cache.setdefault("tests", {})
        if kept.get(str(path), [])[:2] != stamp:
            kept[str(path)] = [*stamp, self._hash_now(path)]
            self._keep()
        found = kept[str(path)][2]
        return None if found is None else str(found)

    def _hash_now(self, path: Path) -> str | None:
        from hashlib import sha256

        from roadmap_log.dayfile import DayFileError, parse

        try:
            return sha256(parse(path).tests_source.encode()).hexdigest()
        except DayFileError:
            return None

    def distribution(self, track: str) -> str | None:
        """The distribution that a roadmap says brings `track`."""
        places = (roadmap.tracks.get(track) for roadmap in self.roadmaps)
        return next((place for place in places if place), None)

    def track(self, name: str) -> "Track":
        """The track itself.

        Raises:
            UnknownItemError: it is not installed or broken.
        """
        from roadmap_log import tracks

        found = tracks.discover().get(name)
        if isinstance(found, tracks.Track):
            return found
        raise self._refusal((name, 1))

    def day(self, day: Day) -> "DayFile":
        """The parsed file of a day.

        Raises:
            UnknownItemError: the day is planned, its track missing or broken.
            DayFileError: the file breaks the format.
        """
        if self.available(day)[0] != "todo":
            raise self._refusal(day)
        return self.track(day[0]).day(day[1])

    def _refusal(self, day: Day) -> UnknownItemError:
        status, why = self.available(day)
        ready = {
            name: self.days_of(name) for name, known in self.tracks.items() if "folder" in known
        }
        shown = ", ".join(f"{name} {_spans(days)}" for name, days in ready.items() if days)
        distribution = self.distribution(day[0])
        if status == "planned":
            fix = "take another day: roadmap next"
        elif day[0] in self.tracks or not distribution:
            fix = "see what there is: roadmap tracks"
        else:
            fix = (
                f"install {distribution} beside roadmap-log "
                "(in the workspace: uv run --group learn roadmap …)"
            )
        return UnknownItemError(why, expected=f"one of: {shown or 'no track at all'}", fix=fix)

    def resolve(self, text: str | None, state: State) -> Day:
        """The day meant by "autodiff/3", "3", "day03", a file's path, or nothing at all.

        A bare number belongs to the track worked on last; nothing means the day worked on last,
        passed or not, until another is started.

        Raises:
            UnknownItemError: the text names no day of the journey's roadmaps or tracks.
        """
        day = self._in_hand(state) if text is None else self.named(text, state)
        return self._checked(day, state)

    def item(self, text: str, state: State) -> ItemState | None:
        """The item that `text` names by its id ("six-months/7" for "six-months/007"), or None."""
        if text in state.items:
            return state.items[text]
        head, _, number = text.rpartition("/")
        if not head or not (number.isascii() and number.isdigit()):
            return None
        names = (f"{head}/{int(number):0{width}d}" for width in (1, 2, 3))
        return next((state.items[name] for name in names if name in state.items), None)

    def upcoming(self, state: State) -> Day:
        """The day to be started next: one begun and not done, else the first that is ready.

        Where the next item is practised by days of tracks, it is the first of them not passed.

        Raises:
            UnknownItemError: no track offers a day.
        """
        for each in next_items(state):
            if each.item.day and each.startable:
                return each.item.day
            for day in each.item.practice:
                if not state.work_on(day).passes and self.available(day)[0] == "todo":
                    return day
        return self._checked(worked_last(state) or self._first(), state)

    def _checked(self, day: Day, state: State) -> Day:
        if not state.knows(day) and self.available(day)[0] != "todo":
            raise self._refusal(day)
        return day

    def named(self, text: str, state: State) -> Day:
        """The day that `text` names, whether or not there is such a day.

        Raises:
            UnknownItemError: it cannot be the name of a day.
        """
        parts = text.replace("\\", "/").lower().rstrip("/").split("/")  # a path of any system
        found = _NAMED.fullmatch("/".join(parts[-2:])) or _NAMED.fullmatch(parts[-1])
        if not found or int(found[2]) == 0:
            raise UnknownItemError(
                f"{text!r} is not a day",
                expected="autodiff/3, or 3 for day 3 of the track you are in",
                fix="see the days there are: roadmap status --all",
            )
        track = found[1] if found[1] and found[1] != "work" else self._in_hand(state)[0]
        return track, int(found[2])

    def _in_hand(self, state: State) -> Day:
        return worked_last(state) or self.upcoming(state)

    def _first(self) -> Day:
        for name, known in self.tracks.items():
            if "folder" in known and self.days_of(name):
                return name, self.days_of(name)[0]
        raise UnknownItemError(
            "no installed package offers a track with days",
            expected="at least one, such as autodiff from tinygrad-autodiff",
            fix="install tinygrad-autodiff beside roadmap-log",
        )

    @cached_property
    def tracks(self) -> dict[str, dict[str, Any]]:
        """What is known of every track: folder, title, planned days; or the problem it has."""
        kept = self._cache.get("tracks")
        if kept and kept["key"] == _installed(kept["watched"]):
            found: dict[str, dict[str, Any]] = kept["found"]
            return found
        found = _discover()
        watched = [str(Path(t["folder"], "track.toml")) for t in found.values() if "folder" in t]
        key = _installed(watched)
        self._cache["tracks"] = {"key": key, "watched": watched, "found": found}
        self._keep()
        return found

    def days_of(self, track: str) -> tuple[int, ...]:
        """Numbers of the days that an installed track has, ascending."""
        if track not in self._listed:
            known = self.tracks.get(track, {})
            entries = os.listdir(known["folder"]) if "folder" in known else []
            numbers = (_DAY_FILE.fullmatch(entry) for entry in entries)
            self._listed[track] = tuple(sorted(int(found[1]) for found in numbers if found))
        return self._listed[track]

    @cached_property
    def _listed(self) -> dict[str, tuple[int, ...]]:
        return {}

    @cached_property
    def _cache(self) -> dict[str, Any]:
        try:
            begin, _, body = (self.local / "cache.json").read_bytes().partition(b"\n")
            if begin == _stamp(body):
                kept: dict[str, Any] = json.loads(body)
                return kept
        except OSError:
            pass
        return {}

    def _keep(self) -> None:
        path = self.local / "cache.json"
        body = json.dumps(self._cache).encode()
        try:
            path.parent.mkdir(exist_ok=True)
            temporary = path.with_suffix(f".{os.getpid()}")
            temporary.write_bytes(_stamp(body) + b"\n" + body)
            temporary.replace(path)
        except OSError:
            pass  # a journey that can only be read is shown all the same


def _stamp(body: bytes) -> bytes:
    """The cache's first line: its form and checksum; a cache with another one is not used."""
    return b"2 %08x" % zlib.crc32(body)


def worked_last(state: State) -> Day | None:
    """The day that was started, tested, reset or asked a hint for last; None if there was none."""
    for event in reversed(state.history.events):
        if event.kind in _WORK and (found := _NAMED.fullmatch(str(event.data.get("day")))):
            day = (found[1] or "", int(found[2]))
            if state.knows(day):
                return day
    return None


def _installed(watched: list[str]) -> list[Any]:
    """A value that changes when a distribution comes or goes, or a track's description changes."""
    return [sys.executable, *([path, _changed(path)] for path in [*sys.path, *watched])]


def _changed(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _discover() -> dict[str, dict[str, Any]]:
    from roadmap_log import tracks

    found: dict[str, dict[str, Any]] = {}
    for name, track in tracks.discover().items():
        if isinstance(track, tracks.BrokenTrack):
            found[name] = {"problem": track.problem}
        else:
            found[name] = {
                "folder": str(track.folder),
                "title": track.title,
                "summary": track.summary,
                "device": track.device,
                "planned": track.planned,
                "distribution": track.distribution,
                "version": track.version,
            }
    return found


def _spans(days: tuple[int, ...]) -> str:
    whole = len(days) > 1 and days == tuple(range(1, len(days) + 1))
    return f"1–{days[-1]}" if whole else ", ".join(map(str, days))
