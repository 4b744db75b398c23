"""Which rows and groups are streamed through shared memory on Hopper, and how.

Measured on an H200 with tensors of 128 MiB in bfloat16. Where there is no stream the portable
kernel was as fast.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from triton_kernels._compat import next_power_of_2
from triton_kernels.ops.streams import Cluster


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


def options(stream: GroupStream) -> dict[str, int]:
    """Those of the launch: as many registers a thread as leave room for all residents."""
    registers = 65536 // (32 * stream.warps * stream.resident) // 8 * 8
    return {"num_warps": stream.warps, "maxnreg": min(255, registers)}


# Rows of just so many columns, of numbers of so many bytes, taken by one program.
_FORWARD_ALONE = {
    (2048, 2): Cluster(1, 4, 12), (4096, 2): Cluster(1, 8, 6), (4096, 4): Cluster(1, 16, 4),
    (8192, 2): Cluster(1, 8, 4), (16384, 2): Cluster(1, 16, 4), (32768, 2): Cluster(1, 32, 2),
}  # fmt: skip
# And in the backward; whether rows are centered.
_BACKWARD_ALONE = {
    (2048, 2, True): Cluster(1, 8, 2, 2), (8192, 2, True): Cluster(2, 16, 1, 2),
}  # fmt: skip
# By a row's columns of 16 bits, up to a power of two, and whether rows are centered.
_FORWARD = {
    (32768, False): Cluster(4, 8, 2), (32768, True): Cluster(4, 8, 2),
    (65536, False): Cluster(8, 8, 2), (65536, True): Cluster(8, 8, 2),
}  # fmt: skip
_BACKWARD = {
    (4096, True): Cluster(2, 8, 2, 2),
    (16384, False): Cluster(2, 16, 1), (16384, True): Cluster(8, 8, 2, 2),
    (32768, False): Cluster(8, 8, 2), (32768, True): Cluster(8, 8, 2),
    (65536, False): Cluster(8, 16, 1), (65536, True): Cluster(8, 16, 1),
}  # fmt: skip


# The backward of rows of just so many columns, one at a time, of which each team has one: alone,
# beside a gradient of the sum, and with dropout.
_FULL = {32768: Cluster(8, 16, 1, 1, 2)}
_FULL_ADDED = {16384: Cluster(2, 16, 1), 32768: Cluster(8, 16, 1, 1, 2)}
_FULL_DROPPED = {
    2048: Cluster(1, 8, 2), 4096: Cluster(2, 8, 2), 8192: Cluster(2, 16, 1),
    16384: Cluster(8, 8, 2), 32768: Cluster(8, 8, 2), 65536: Cluster(8, 16, 1),
}  # fmt: skip


@functools.lru_cache(maxsize=1024)
def full_cluster(
    n_rows: int, n_columns: int, itemsize: int, added: bool, dropped: bool
) -> Cluster | None:
    """For the backward of such rows as fill the threads, or None."""
    table = _FULL_DROPPED if dropped else _FULL_ADDED if added else _FULL
    cluster = table.get(n_columns) if itemsize == 2 else None
    return cluster if cluster and n_rows % cluster.teams == 0 else None


@functools.lru_cache(maxsize=1024)
def row_cluster(n_columns: int, itemsize: int, centered: bool, backward: bool) -> Cluster | None:
    """For rows so long, or None."""
    alone = _FORWARD_ALONE.get((n_columns, itemsize))
    if backward:
        alone = _BACKWARD_ALONE.get((n_columns, itemsize, centered))
    power = next_power_of_2(max(n_columns, 1))
    # Rows that leave many threads without columns, and others than of 16 bits, were not measured.
    if alone or itemsize != 2 or 4 * n_columns <= 3 * power:
        return alone
    return (_BACKWARD if backward else _FORWARD).get((power, centered))


@functools.lru_cache(maxsize=1024)
def group_stream(lines: int, backward: bool) -> GroupStream | None:
    """For groups of so many lines; None where one is more than shared memory holds."""
    if lines <= 32:
        return GroupStream(2, 32, 4, 4, 3) if backward else GroupStream(1, 32, 1, 4, 8)
    stream = GroupStream(1, 128, 8, 6 if backward else 12)
    return stream if stream.chunks(lines) < stream.slots else None
