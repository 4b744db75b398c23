"""What this machine has, found without importing anything that is slow."""

import os

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


def lacks(requires: tuple[str, ...]) -> str | None:
    """What the machine lacks to judge a day with these requirements, or None.

    A day that names the interpreter, too, can be judged without a GPU.
    """
    if requires == ("gpu",) and not gpu_present():
        return "blocked: this day needs a GPU, and this machine shows none"
    return None
