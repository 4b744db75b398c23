"""What can be streamed through shared memory (see streaming.py), told without importing Gluon."""

from __future__ import annotations

from typing import NamedTuple

import torch

from triton_kernels import _compat
from triton_kernels._compat import starts_aligned
from triton_kernels.backends import gluon_refuses

LINE = 128
"""Bytes of a line: rows are a multiple of it long."""


class Cluster(NamedTuple):
    """How the programs of a cluster take a row (see clusters.py)."""

    parts: int
    """Programs that share a row: a power of two, 8 at most."""
    warps: int
    resident: int
    """Programs a multiprocessor."""
    rows: int = 1
    """Rows taken at once."""
    teams: int = 1
    """Two, where the first half of a program's warps and the second take different rows."""

    def repeats(self, n_columns: int, itemsize: int) -> int:
        """How often each thread takes 16 bytes of a row so long: a power of two."""
        at_once = self.columns_at_once(itemsize)
        return _compat.next_power_of_2(max(1, _compat.cdiv(n_columns, at_once)))

    def columns(self, n_columns: int, itemsize: int) -> int:
        """Columns that the threads have room for, of a row so long."""
        return self.columns_at_once(itemsize) * self.repeats(n_columns, itemsize)

    def columns_at_once(self, itemsize: int) -> int:
        """Columns for which the threads take 16 bytes each."""
        return 16 // itemsize * 32 * self.warps // self.teams * self.parts

    def at_once(self, processors: int) -> int:
        """How many of these run at the same time.

        A cluster lies within one of the GPU's groups of 16 or 18 multiprocessors (on an H200), and
        one that finds no place until others have ended doubles the time.
        """
        if self.parts > 2:
            processors = processors * 10 // 11
        return self.resident * processors // self.parts

    def evenly(self, groups: int, processors: int) -> int:
        """How many take so many rows, or groups of ``rows``, in turn.

        A few less than can run at once, where then all have work in the last round too.
        """
        most = self.at_once(processors)
        rounds = _compat.cdiv(groups, most)
        for r in (rounds, rounds + 1):
            if groups % r == 0 and 16 * (groups // r) >= 15 * most:
                return groups // r
        return min(groups, most)

    def holds(self, n_columns: int, itemsize: int) -> bool:
        """Whether the threads have registers for a row so long while its sums are taken."""
        numbers = 16 // itemsize * self.repeats(n_columns, itemsize)
        return self.options()["maxnreg"] > numbers + 16

    def options(self) -> dict[str, int]:
        """Those of the launch: as many registers a thread as leave room for all residents."""
        registers = 65536 // (32 * self.warps * self.resident) // 8 * 8
        return {"num_warps": self.warps, "num_ctas": self.parts, "maxnreg": min(255, registers)}


def rows_refuse(x: torch.Tensor, name: str) -> str | None:
    """Why the rows of this tensor do not lie as clusters read them, or None."""
    if x.shape[-1] % 16:
        return "rows are not a multiple of 16 numbers long"
    if not x.numel():
        return "an empty tensor has no rows"
    if not (x.is_contiguous() and starts_aligned(x)):
        return f"{name} is not contiguous from a multiple of 16 bytes on"
    return streaming_refuses(x)


def streaming_refuses(x: torch.Tensor) -> str | None:
    """Why this machine does not stream tensors such as x, or None."""
    return gluon_refuses(x)
