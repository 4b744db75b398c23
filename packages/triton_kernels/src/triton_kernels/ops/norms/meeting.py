"""How programs that share a row meet: each leaves its part's two numbers, waits, reads all parts.

A row too long for one program's registers is divided among PARTS programs of consecutive numbers.
Each publishes its part's sums, counts itself in with a release, and, when it needs the row's sums,
waits with an acquire until all partners have. The parts are added in their order, so results do
not change from run to run. Programs start in the order of their numbers, so the partners of the
lowest unfinished row are always running or done, and the wait ends (the argument of decoupled
look-back: Merrill and Garland 2016, Single-pass parallel prefix scan, section 4.1). The interpreter
runs one program after the other: there rows are not shared.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from typing import NamedTuple

import torch

from triton_kernels._compat import tl, triton


class Meeting(NamedTuple):
    """Where the programs of a launch meet; nothing where no row is shared."""

    shares: torch.Tensor | None
    """(rows, parts, 2) in float32."""
    arrivals: torch.Tensor | None
    """(rows,): how many parts have been published."""


def meeting(n_rows: int, parts: int, device: torch.device) -> Meeting:
    """Memory for one launch."""
    if parts == 1:
        return Meeting(None, None)
    shares = torch.empty((n_rows, parts, 2), dtype=torch.float32, device=device)
    return Meeting(shares, torch.zeros(n_rows, dtype=torch.int32, device=device))


@triton.jit
def publish(shares_ptr, arrivals_ptr, row, part, first, second, PARTS: tl.constexpr):
    """Leaves this part's two numbers of a row."""
    at = shares_ptr + (row * PARTS + part) * 2
    tl.store(at, first)
    tl.store(at + 1, second)
    tl.debug_barrier()
    tl.atomic_add(arrivals_ptr + row, 1, sem="release")


@triton.jit
def gather(shares_ptr, arrivals_ptr, row, PARTS: tl.constexpr, POWER: tl.constexpr):
    """All parts' numbers of a row, POWER (at least PARTS) of each, those beyond PARTS zero."""
    while tl.atomic_add(arrivals_ptr + row, 0, sem="acquire") < PARTS:
        pass
    parts = tl.arange(0, POWER)
    at = shares_ptr + (row * PARTS + parts) * 2
    # Past the first-level cache, which may hold this line from before its partners wrote.
    first = tl.load(at, mask=parts < PARTS, other=0.0, cache_modifier=".cg")
    second = tl.load(at + 1, mask=parts < PARTS, other=0.0, cache_modifier=".cg")
    return first, second
