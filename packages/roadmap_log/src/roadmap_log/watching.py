"""Waiting for a file to change: the system tells of it, or one looks again and again."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

SECONDS = 0.5
"""How often the file is looked at where the system does not tell of changes."""


class Watch:
    """The changes of one file.

    Args:
        path: the file; editors may replace it or take it away for a moment.
        poll: look again and again even where the system would tell.

    Attributes:
        announced: how changes are found, and why, for the learner to read.
    """

    def __init__(self, path: Path, *, poll: bool = False) -> None:
        self.path = path
        self._told: Callable[[Path], Iterator[object]] | None = None
        often = f"looking {1 / SECONDS:g} times a second"
        if poll:
            self.announced = f"{often}, as asked"
            return
        try:
            self._told = _system()
            self.announced = "the system tells of changes"
        except ImportError:
            self.announced = (
                f'{often}: watchfiles is not installed (it comes with "roadmap-log[watch]")'
            )

    def changes(self, announce: Callable[[str], None]) -> Iterator[None]:
        """One item for each change of the file's content, without end.

        `announce` is called if the system refuses to tell of changes and polling takes its place.
        """
        seen = _stamp(self.path)
        if self._told is not None:
            try:
                for _ in self._told(self.path.parent):
                    now = _stamp(self.path)
                    if now is not None and now != seen:
                        seen = now
                        yield
            except (OSError, RuntimeError) as error:  # too many watches, a network drive
                announce(f"the system refuses to tell of changes ({error}); looking by itself now")
        while True:
            time.sleep(SECONDS)
            now = _stamp(self.path)
            if now is not None and now != seen:
                seen = now
                yield


def _system() -> Callable[[Path], Iterator[object]]:
    import watchfiles

    def told(folder: Path) -> Iterator[object]:
        return iter(watchfiles.watch(folder, debounce=200, raise_interrupt=True))

    return told


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes with the file; None while it is away."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
