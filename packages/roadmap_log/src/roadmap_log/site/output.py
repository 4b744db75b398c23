"""Writing a site so that readers see the old one or the new one, and little is written twice.

Pages go into a new folder beside the old one, which is then swapped in. A page whose inputs have
not changed is linked from the old folder instead of being rendered; what each page was made from
is kept in the site itself, in a small SQLite file.
"""

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any

from roadmap_log.errors import StorageError

MARKER = ".roadmap-site"
"""A file by which a folder is known to be ours: the list of its pages and what they came from."""

_AWAITED = "?"
Render = Callable[[], str | Iterable[str]]


class Output:
    """A site being written beside the one that stands at `out`.

    Args:
        out: where the site will stand.
        version: stands for all that is common to the pages: templates, style, program.

    Attributes:
        pages: pages of the site so far.
        written: those of them that were rendered anew.
    """

    def __init__(self, out: Path, version: str) -> None:
        self.out = out
        self.version = version
        self.pages = self.written = 0
        out.parent.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.new-"))
        self._folders: set[str] = set()
        self._sources: dict[str, tuple[Path, str]] = {}
        self._before = _manifest(out / MARKER) if (out / MARKER).is_file() else None
        self._now = sqlite3.connect(self.folder / MARKER, isolation_level=None)
        self._now.execute("PRAGMA synchronous = OFF")
        self._now.execute("PRAGMA cache_size = -500")
        self._now.execute(
            "CREATE TABLE pages (address TEXT PRIMARY KEY, key TEXT, stamp TEXT, sources TEXT)"
            " WITHOUT ROWID"
        )
        self._now.execute("BEGIN")

    def page(self, address: str, inputs: Any, render: Render, file: str = "") -> None:
        """Write a page, or keep the one that was made from the same inputs.

        Args:
            address: relative to the site, with slashes; here also the file's name.
            inputs: all that the page depends on, as JSON can say it.
            render: gives the page, whole or in pieces.
            file: its name where that is another one, as for Jekyll's posts.
        """
        told = json.dumps([self.version, inputs], ensure_ascii=False, default=str)
        key = blake2b(told.encode("utf-8", "replace"), digest_size=16).hexdigest()
        target = f"{self.folder}/{address}"  # a Path a page would take longer than all else
        folder = target.rpartition("/")[0]
        if folder not in self._folders:
            os.makedirs(folder, exist_ok=True)
            self._folders.add(folder)
        self.pages += 1
        sources = self._kept(address, key, target)
        if sources is None:
            self._sources = {}
            _write(Path(target), render())
            sources = json.dumps(
                {name: [str(path), stamp] for name, (path, stamp) in self._sources.items()}
            )
            self.written += 1
        stamp = _stamp(target)
        self._now.execute("INSERT INTO pages VALUES (?, ?, ?, ?)", (address, key, stamp, sources))

    def text(self, address: str) -> str:
        """A page of this site that is already there."""
        return (self.folder / address).read_text(encoding="utf-8")

    def source(self, name: str, path: Path) -> None:
        """Copy a file that the page being rendered shows; the page is made anew if it changes."""
        self._sources[name] = (path, _stamp(path))
        self._copy(name, path)

    def awaited(self, path: Path) -> None:
        """Remember that the page being rendered would show this file if it were there."""
        self._sources[f"{_AWAITED}{path}"] = (path, "")

    def _copy(self, name: str, path: Path) -> None:
        target = self.folder / name
        if not name.startswith(_AWAITED) and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)

    def _kept(self, address: str, key: str, target: str) -> str | None:
        """Link the page from the old site if it is the same; gives its sources, else None."""
        if self._before is None:
            return None
        find = "SELECT stamp, sources FROM pages WHERE address = ? AND key = ?"
        row = self._before.execute(find, (address, key)).fetchone()
        old = f"{self.out}/{address}"
        if row is None or _stamp(old) != row[0]:
            return None
        sources = json.loads(row[1])
        if any(_stamp(path) != stamp for path, stamp in sources.values()):
            return None
        try:
            os.link(old, target)
        except OSError:  # file systems without hard links
            shutil.copy2(old, target)
        for name, (path, _) in sources.items():
            self._copy(name, Path(path))
        return str(row[1])

    def finish(self) -> None:
        """Put the new site in the place of the old one; if that fails, the old one comes back."""
        self._now.execute("COMMIT")
        self._close()
        self.folder.chmod(0o755)
        old = self.out.with_name(f".{self.out.name}.old-{os.getpid()}")
        if self.out.exists():
            self.out.rename(old)
        try:
            self.folder.rename(self.out)
        except OSError:
            if old.exists():
                old.rename(self.out)
            raise
        shutil.rmtree(old, ignore_errors=True)

    def abandon(self) -> None:
        """Leave the old site as it is; what was written beside it goes."""
        self._close()
        if self.folder.exists():
            shutil.rmtree(self.folder, ignore_errors=True)

    def _close(self) -> None:
        for database in (self._now, self._before):
            if database is not None:
                database.close()


def _manifest(path: Path) -> sqlite3.Connection | None:
    """The list of an old site's pages; None if it cannot be read, so that all is made anew."""
    database = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        database.execute("PRAGMA cache_size = -500")
        database.execute("SELECT address, key, stamp, sources FROM pages LIMIT 1")
    except sqlite3.DatabaseError:
        database.close()
        return None
    return database


def _write(target: Path, content: str | Iterable[str]) -> None:
    with open(target, "w", encoding="utf-8", errors="replace", newline="\n") as stream:
        for piece in (content,) if isinstance(content, str) else content:
            stream.write(piece)


def _stamp(path: str | Path) -> str:
    try:
        status = os.stat(path)
    except OSError:
        return ""
    return f"{status.st_mtime_ns}-{status.st_size}"


def refuse_foreign(out: Path, root: Path, *, option: str = "--out DIR") -> None:
    """Refuse to write a site over something else.

    Raises:
        StorageError: `out` holds the journey, or something that no build of ours has made.
    """
    from roadmap_log.files import storage_error

    if out == root or out in root.parents:
        raise StorageError(
            f"{out} holds the journey itself",
            expected="a folder for the site alone",
            fix=f"choose another one: roadmap site build {option}",
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
            fix=f"choose another one: roadmap site build {option}",
        )
