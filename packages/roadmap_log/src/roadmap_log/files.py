"""Files that are written whole or not at all, and a lock between processes."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from roadmap_log.errors import StorageError

DEVICE_NAME = re.compile(r"con|prn|aux|nul|com\d|lpt\d")
"""What no file may be called on Windows, whatever its ending."""


def storage_error(action: str, path: Path, error: OSError) -> StorageError:
    """The typed form of an operating system's refusal to `action` the file at `path`."""
    reason = error.strerror or type(error).__name__
    advice = {
        "No space left on device": "free some space on that disk, then run the command again",
        "File too large": "raise the limit on file sizes, then run the command again",
        "Permission denied": "make the folder writable for you, or choose another one",
        "Read-only file system": "choose a folder on a disk that can be written",
    }
    return StorageError(
        f"cannot {action} {path}: {reason}",
        expected="a folder that can be read and written, with space left",
        fix=advice.get(reason, "mend that, then run the command again; nothing was changed"),
    )


def sync_folder(folder: Path) -> None:
    """Make the names just created in `folder` durable (a no-op where folders cannot be opened)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, never a part.

    Raises:
        StorageError: the file cannot be written; what stood there before still stands.
    """
    _place(path, content, os.replace)


def write_new(path: Path, content: str | bytes) -> None:
    """Like `write_whole`, but never over an existing file.

    Raises:
        FileExistsError: `path` exists already.
        StorageError: the file cannot be written.
    """
    _place(path, content, _link)


def _link(temporary: str, path: Path) -> None:
    """Give `temporary` its final name only if that name is free, in one step."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # file systems without hard links
        with open(path, "xb"):
            os.replace(temporary, path)
    else:
        os.unlink(temporary)


def _place(path: Path, content: str | bytes, move: Callable[[str, Path], None]) -> None:
    data = content.encode() if isinstance(content, str) else content
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = str(path.parent / f".new-{os.getpid()}-{os.urandom(4).hex()}")
        with open(temporary, "xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        move(temporary, path)
        temporary = None
        sync_folder(path.parent)
    except FileExistsError:
        raise
    except OSError as error:
        raise storage_error("write", path, error) from error
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` alone among all processes of this machine.

    The operating system drops the lock when its holder dies, so nothing is ever left locked.
    (The filelock package does the same; its import alone costs a third of our start-up time.)

    Raises:
        StorageError: the lock file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise storage_error("lock", path, error) from error
    try:
        _acquire(handle)
        yield
    finally:
        os.close(handle)


if os.name == "nt":  # pragma: no cover
    import msvcrt
    import time

    def _acquire(handle: int) -> None:
        while True:
            try:
                msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
                return
            except OSError:
                time.sleep(0.01)

else:
    import fcntl

    def _acquire(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)
