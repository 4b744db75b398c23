"""Which rows and groups are streamed through shared memory on Hopper, and how.

Measured on an H200 with tensors of 128 MiB in bfloat16. Where there is no stream the portable
kernel was as fast.
"""

from __future__ import annotations

import functools
from typing import NamedTuple


class Stream(NamedTuple):
    """How programs stream rows."""

    nbytes: int
    """Of a row, or of a part, that a slot holds; a power of two."""
    warps: int
    slots: int
    parts: int = 1
    """Programs that share a row."""
    resident: int = 1
    """Programs a multiprocessor."""
    stored: bool = False
    """Whether the backward keeps the weight in shared memory."""


class GroupStream(NamedTuple):
    """How programs stream the groups of group_norm."""

    groups: int
    """Groups taken at a time, more than one where they are small."""
    lines: int
    """Lines of 128 bytes in a chunk, a power of two."""
    warps: int
    slots: int
    """Chunks in shared memory: more than a group has."""
    resident: int = 1
    """Programs a multiprocessor."""

    def chunks(self, lines: int) -> int:
        """Chunks of a group of so many lines."""
        return -(-lines // self.lines)


def options(stream: Stream | GroupStream) -> dict[str, int]:
    """Those of the launch: as many registers a thread as leave room for all residents."""
    registers = 65536 // (32 * stream.warps * stream.resident) // 8 * 8
    return {"num_warps": stream.warps, "maxnreg": min(255, registers)}


# By a row's bytes, up to a power of two, and whether rows are centered.
_FORWARD = {
    (65536, False): Stream(65536, 16, 3),
    (65536, True): Stream(16384, 8, 6, parts=4, resident=2),
    (131072, False): Stream(32768, 8, 3, parts=4, resident=2),
    (131072, True): Stream(16384, 8, 6, parts=8, resident=2),
}
_BACKWARD = {
    (8192, True): Stream(8192, 8, 6, resident=2),
    (32768, False): Stream(16384, 8, 3, parts=2, resident=2),
    (65536, False): Stream(16384, 8, 3, parts=4, resident=2),
    (131072, False): Stream(16384, 8, 3, parts=8, resident=2),
    (131072, True): Stream(16384, 8, 3, parts=8, resident=2, stored=True),
}


def row_stream(n_columns: int, itemsize: int, centered: bool, backward: bool) -> Stream | None:
    """For rows so long, or None."""
    nbytes = n_columns * itemsize
    power = 1 << max(nbytes - 1, 0).bit_length()
    # Rows that leave slots empty, and of other than 16 bits, were not measured.
    if itemsize != 2 or 4 * nbytes <= 3 * power:
        return None
    return (_BACKWARD if backward else _FORWARD).get((power, centered))


@functools.lru_cache(maxsize=1024)
def group_stream(lines: int, backward: bool) -> GroupStream | None:
    """For groups of so many lines; None where one is more than shared memory holds."""
    if lines <= 32:
        return GroupStream(2, 32, 4, 4, 3) if backward else GroupStream(1, 32, 1, 4, 8)
    stream = GroupStream(1, 128, 8, 6 if backward else 12)
    return stream if stream.chunks(lines) < stream.slots else None
