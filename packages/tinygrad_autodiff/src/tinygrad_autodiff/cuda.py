"""What programs ask before they choose a device: there is no GPU here, only the CPU."""

from __future__ import annotations


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0
