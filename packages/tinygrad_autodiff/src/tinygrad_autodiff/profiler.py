"""What a program spends its time on: calls, time and bytes of every operation, both ways.

>>> with profile() as prof:
...     loss = model(x).sum()
...     loss.backward()
>>> print(prof.table())
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

from .errors import ArgumentError
from .mode import mode
from .tree import leaves
from .versions import owner

__all__ = ["Row", "profile"]


@dataclass
class Row:
    """One operation in one direction.

    Attributes:
        op: Its name.
        phase: "forward" or "backward".
        calls: How often it ran.
        seconds: Time in it, without that of operations that it called.
        bytes: Memory of the arrays that it made.
    """

    op: str
    phase: str
    calls: int = 0
    seconds: float = 0.0
    bytes: int = 0


class profile:
    """Context in which every operation is timed; see the module's text.

    Timing costs about a microsecond a call and sends calls through the general door, so that
    small operations look slower than they are.
    """

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Row] = {}
        self._inner = [0.0]  # time of the operations within the one that runs, by depth
        self.seconds = 0.0

    def __enter__(self) -> profile:
        mode.watchers = (*mode.watchers, self._watch)
        self._start = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.seconds += time.perf_counter() - self._start
        mode.watchers = tuple(w for w in mode.watchers if w != self._watch)

    def _watch(
        self, phase: str, label: str, node: Any, compute: Callable[..., Any]
    ) -> Callable[..., Any]:
        name = getattr(type(node), "name", "") or label  # the same word for both directions
        row = self._rows.setdefault((name, phase), Row(name, phase))

        def timed(*args: Any) -> Any:
            self._inner.append(0.0)
            start = time.perf_counter()
            try:
                result = compute(*args)
            finally:
                spent = time.perf_counter() - start
                row.calls += 1
                row.seconds += spent - self._inner.pop()
                self._inner[-1] += spent
            given = {id(owner(array)) for array in _arrays(args)}
            made = {id(memory): memory for memory in map(owner, _arrays(result))}
            row.bytes += sum(memory.nbytes for key, memory in made.items() if key not in given)
            return result

        return timed

    def rows(self, sort_by: str = "seconds") -> list[Row]:
        """A row for each operation and direction, largest first."""
        if sort_by not in ("seconds", "calls", "bytes", "op"):
            raise ArgumentError(f"sort_by is seconds, calls, bytes or op, not {sort_by!r}")
        rows = sorted(self._rows.values(), key=lambda row: (row.op, row.phase))
        return rows if sort_by == "op" else sorted(rows, key=lambda r: -getattr(r, sort_by))

    def table(self, sort_by: str = "seconds", row_limit: int = 100) -> str:
        """The rows as text, with their sum and the time that no operation accounts for."""
        rows = self.rows(sort_by)
        inside = sum(row.seconds for row in rows)
        lines = [
            f"{'op':<24} {'':<9} {'calls':>8} {'time':>10} {'share':>6} {'each':>10} {'memory':>10}"
        ]
        rule = "-" * len(lines[0])
        lines.append(rule)
        for row in rows[:row_limit]:
            share = row.seconds / max(self.seconds, 1e-12)
            lines.append(
                f"{row.op:<24} {row.phase:<9} {row.calls:>8} {_time(row.seconds):>10} "
                f"{share:>6.1%} {_time(row.seconds / row.calls):>10} {_bytes(row.bytes):>10}"
            )
        if len(rows) > row_limit:
            lines.append(f"… {len(rows) - row_limit} more")
        calls, size = sum(row.calls for row in rows), sum(row.bytes for row in rows)
        share = inside / max(self.seconds, 1e-12)
        lines.append(rule)
        lines.append(
            f"{'all operations':<34} {calls:>8} {_time(inside):>10} {share:>6.1%} {'':>10} "
            f"{_bytes(size):>10}"
        )
        lines.append(f"{'in the block':<34} {'':>8} {_time(self.seconds):>10}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.table()


def _arrays(value: Any) -> Iterator[Any]:
    for leaf in leaves(value):
        array = getattr(leaf, "_data", leaf)
        if isinstance(array, np.ndarray):
            yield array


def _time(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.2f} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
