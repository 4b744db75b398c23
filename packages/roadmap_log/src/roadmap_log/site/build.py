"""Building the site: into a new folder beside the old one, which is then swapped in."""

import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roadmap_log.entries import read_log
from roadmap_log.errors import RoadmapError, StorageError
from roadmap_log.files import storage_error
from roadmap_log.site.pages import Pages

if TYPE_CHECKING:
    from roadmap_log.journey import Journey

MARKER = ".roadmap-site"
"""A file by which a folder is known to be ours, so that it may be replaced."""


@dataclass(frozen=True, slots=True)
class Built:
    """What a build made, and what it had to leave out."""

    folder: Path
    pages: int
    entries: int
    seconds: float
    left_out: tuple[RoadmapError, ...]


def build(journey: "Journey", out: Path | None = None) -> Built:
    """Write the site of `journey` to `out` (`_site` in the journey).

    Raises:
        StorageError: `out` holds something that is not a site of ours, or cannot be written; what
            stood there stands unchanged.
    """
    begin = time.perf_counter()
    out = (out or journey.root / "_site").expanduser().resolve()
    _refuse_foreign(out, journey.root.resolve())
    entries, broken = read_log(journey)
    fresh: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.new-"))
        (fresh / MARKER).write_text("made by roadmap site build; replaced as a whole\n")
        written = Pages(journey, entries, fresh).write()
        fresh.chmod(0o755)
        _swap(fresh, out)
    except OSError as error:
        raise storage_error("write the site to", out, error) from error
    finally:
        if fresh is not None and fresh.exists():
            shutil.rmtree(fresh, ignore_errors=True)
    return Built(out, written, len(entries), time.perf_counter() - begin, tuple(broken))


def _refuse_foreign(out: Path, root: Path) -> None:
    if out == root or out in root.parents:
        raise StorageError(
            f"{out} holds the journey itself",
            expected="a folder for the site alone",
            fix="choose another one: roadmap site build --out DIR",
        )
    try:
        foreign = out.exists() and not (
            out.is_dir() and ((out / MARKER).is_file() or not any(out.iterdir()))
        )
    except OSError as error:
        raise storage_error("look into", out, error) from error
    if foreign:
        raise StorageError(
            f"{out} was not made by this program, so it is not overwritten",
            expected="a new or empty folder, or a site built earlier",
            fix="choose another one: roadmap site build --out DIR",
        )


def _swap(fresh: Path, out: Path) -> None:
    """Put `fresh` in the place of `out`; if that fails, the old one comes back."""
    old = out.with_name(f".{out.name}.old-{os.getpid()}")
    if out.exists():
        out.rename(old)
    try:
        fresh.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)
