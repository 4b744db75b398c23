"""Proofs of days, kept so that a day is proven again only when something it rests on has changed.

A disposable cache: a kept proof is a file named by the hash of all that the proof depends on, the
day's text, the packages that bring tracks, this package, Python and every installed version. Only
sound days are kept; a file that cannot be read is no proof.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import distributions
from pathlib import Path

from roadmap_log.check import CheckReport
from roadmap_log.dayfile import DayFile
from roadmap_log.files import write_whole
from roadmap_log.tracks import Track, discover


class Proofs:
    """The kept proofs in `folder`, which is made when the first is kept.

    What a proof rests on apart from the day is read once, when this is made.
    """

    def __init__(self, folder: Path, *settings: object) -> None:
        self._folder = folder
        ground = hashlib.sha256(repr((sys.version, sys.platform, settings)).encode())
        for line in sorted(f"{d.name}=={d.version}" for d in distributions()):
            ground.update(line.encode())
        for path in _sources():
            ground.update(path.name.encode() + path.read_bytes())
        self._ground = ground.hexdigest()

    def find(self, track: Track, day: DayFile) -> CheckReport | None:
        """The kept proof of `day`, if there is one."""
        try:
            kept = json.loads(self._path(track, day).read_bytes())
            return CheckReport(**{**kept, "problems": tuple(kept["problems"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def keep(self, track: Track, day: DayFile, report: CheckReport) -> None:
        """Keep `report` if it finds the day sound.

        Raises:
            StorageError: the folder cannot be written to.
        """
        if report.ok:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(self._path(track, day), json.dumps(asdict(report)) + "\n")

    def _path(self, track: Track, day: DayFile) -> Path:
        text = "\0".join((self._ground, track.name, str(day.number), day.source))
        digest = hashlib.sha256(text.encode()).hexdigest()
        return self._folder / f"{track.name}-{day.number:02d}-{digest[:32]}.json"


def _sources() -> Iterator[Path]:
    """Every file of this package and of the packages that bring tracks, apart from the days."""
    tracks = [track for track in discover().values() if isinstance(track, Track)]
    folders = {_package(track.folder) for track in tracks} | {Path(__file__).parent}
    days = {track.folder / f"day{number:02d}.py" for track in tracks for number in track.days}
    for folder in sorted(folders):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path not in days:
                yield path


def _package(folder: Path) -> Path:
    """The outermost Python package that `folder` lies in."""
    while (folder.parent / "__init__.py").is_file():
        folder = folder.parent
    return folder
