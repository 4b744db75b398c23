"""The tracks that installed packages offer, found without importing any of them.

A package offers a track by an entry point of the group `roadmap_log.tracks` whose value is the
import name of a folder: `autodiff = "tinygrad_autodiff.track"`. The folder holds `track.toml` and
the days, `day01.py` and so on. Only file names and `track.toml` are read to list a track.
"""

import importlib.util
import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from roadmap_log.errors import RoadmapError

if TYPE_CHECKING:
    from roadmap_log.dayfile import DayFile

GROUP = "roadmap_log.tracks"
DEVICES = ("cpu", "gpu", "gpu|interpreter")
_DAY = re.compile(r"day(\d{2,3})\.py")


class TrackError(RoadmapError):
    """A track is broken, or was asked for a day it does not have."""

    exit_code: ClassVar[int] = 4


@dataclass(frozen=True)
class Track:
    """An installed track.

    `planned` is the number of days the finished track will have, `device` what its days run on
    ("cpu", "gpu", "gpu|interpreter"), `extra` the extra of `distribution` that brings what the
    days need beyond the package itself, or "". `roofline` is the module that knows what the device
    can do and times kernels on it (see `runner.timed.Device`), or "".
    """

    name: str
    title: str
    summary: str
    distribution: str
    version: str
    folder: Path
    planned: int
    extra: str = ""
    device: str = "cpu"
    roofline: str = ""

    @cached_property
    def days(self) -> tuple[int, ...]:
        """Numbers of the days that exist, ascending, by file name alone."""
        names = (_DAY.fullmatch(entry.name) for entry in self.folder.iterdir())
        return tuple(sorted(int(name[1]) for name in names if name))

    def day_path(self, number: int) -> Path:
        """The file of a day.

        Raises:
            TrackError: the track has no such day.
        """
        if number not in self.days:
            have = _ranges(self.days) or "none"
            coming = " yet" if 0 < number <= self.planned else ""
            raise TrackError(
                f"track {self.name!r} has no day {number}{coming}",
                expected=f"one of its days: {have} (of {self.planned} planned)",
            )
        return self.folder / f"day{number:02d}.py"

    def day(self, number: int) -> "DayFile":
        """The parsed day.

        Raises:
            TrackError: the track has no such day.
            DayFileError: its file breaks the format.
        """
        from roadmap_log.dayfile import parse  # not needed to list a track

        return parse(self.day_path(number))


@dataclass(frozen=True)
class BrokenTrack:
    """An entry point that names no usable track, and why."""

    name: str
    problem: str


def discover() -> dict[str, Track | BrokenTrack]:
    """All tracks of this environment by name, in alphabetical order; imports none of them."""
    found: dict[str, Track | BrokenTrack] = {}
    entries = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    for name, offers in groupby(entries, key=lambda entry: entry.name):
        first, *others = offers
        try:
            if others:
                givers = sorted(entry.dist.name for entry in (first, *others) if entry.dist)
                raise TrackError(f"{' and '.join(givers)} offer a track of this name")
            found[name] = _load(first)
        except TrackError as error:
            found[name] = BrokenTrack(name, str(error))
    return found


def track(name: str) -> Track:
    """The installed track called `name`.

    Raises:
        TrackError: there is none, or it is broken.
    """
    found = discover()
    match found.get(name):
        case Track() as chosen:
            return chosen
        case BrokenTrack(problem=problem):
            raise TrackError(f"track {name!r} is broken: {problem}", fix="install it again")
        case _:
            raise TrackError(
                f"no track {name!r} is installed",
                expected=f"one of {', '.join(found) or '(none is installed)'}",
                fix="install the package that brings it",
            )


def load(folder: Path, *, name: str, distribution: str, version: str) -> Track:
    """The track in `folder`, described by its `track.toml`.

    Raises:
        TrackError: the folder or its `track.toml` is missing or malformed.
    """
    path = folder / "track.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrackError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrackError(f"{path} is not TOML: {error}") from error
    texts = ("name", "title", "summary", "extra", "device", "roofline")
    known: dict[str, type] = {**dict.fromkeys(texts, str), "planned": int}
    if unknown := sorted(set(table) - set(known)):
        raise TrackError(f"{path}: unknown key {unknown[0]!r}", expected=", ".join(known))
    for key in ("name", "title", "summary", "planned"):
        if key not in table:
            raise TrackError(f"{path}: the key {key!r} is missing", expected=", ".join(known))
    for key, value in table.items():
        if type(value) is not known[key]:
            raise TrackError(f"{path}: {key} = {value!r}", expected=known[key].__name__)
    _check(table, name, path)
    return Track(folder=folder, distribution=distribution, version=version, **table)


def _check(table: dict[str, Any], name: str, path: Path) -> None:
    if table["name"] != name:
        raise TrackError(f"{path}: name = {table['name']!r}", expected=f"{name!r}, the entry point")
    if table["planned"] < 1:
        raise TrackError(f"{path}: planned = {table['planned']}", expected="1 or more days")
    if table.get("device", "cpu") not in DEVICES:
        raise TrackError(f"{path}: device = {table['device']!r}", expected=" or ".join(DEVICES))


def _load(entry: EntryPoint) -> Track:
    """The track an entry point names; only the finders are asked, nothing is executed."""
    top, *rest = entry.value.split(".")  # entry.module gives up on what is no name
    if not all(part.isidentifier() for part in (top, *rest)):
        raise TrackError(f"the entry point says {entry.value!r}", expected="package.folder")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError) as error:
        raise TrackError(f"package {top!r} cannot be found: {error}") from error
    if spec is None or not spec.submodule_search_locations:
        raise TrackError(f"package {top!r} is not installed", fix="install it again")
    folders = [Path(place, *rest) for place in spec.submodule_search_locations]
    folder = next((f for f in folders if f.is_dir()), None)
    if folder is None:
        raise TrackError(f"there is no folder {folders[0]}", expected="the folder of the track")
    if entry.dist is None:
        raise TrackError("the entry point belongs to no distribution", fix="install it again")
    return load(folder, name=entry.name, distribution=entry.dist.name, version=entry.dist.version)


def _ranges(numbers: tuple[int, ...]) -> str:
    """`(1, 2, 3, 7)` as "1-3, 7"."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and runs[-1][-1] == n - 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
