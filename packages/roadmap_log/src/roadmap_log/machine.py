"""What this machine has, found without importing anything that is slow."""

import os
from contextlib import suppress

_CONTAINERS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_DEVICES = ("dxg", "kfd")


def gpu_present() -> bool:
    """Whether this machine shows a GPU, by its device files; torch is not asked."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1"):
        return False
    try:
        names = os.listdir("/dev")
    except OSError:
        return False
    return any(
        name in _DEVICES or (name.startswith("nvidia") and name[6:].isdigit()) for name in names
    )


def memory() -> int | None:
    """Bytes of memory that this machine, or the container we are in, has; None if it is unknown."""
    sizes: list[int] = []
    with suppress(ValueError, OSError, AttributeError):  # Windows has no sysconf
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in _CONTAINERS:
        with suppress(OSError, ValueError), open(path) as stream:  # "max" is no limit
            sizes.append(int(stream.read()))
    return min((size for size in sizes if size > 0), default=None)


def lacks(requires: tuple[str, ...]) -> str | None:
    """What the machine lacks to judge a day with these requirements, or None.

    A day that names the interpreter, too, can be judged without a GPU.
    """
    if requires == ("gpu",) and not gpu_present():
        return "blocked: this day needs a GPU, and this machine shows none"
    return None
