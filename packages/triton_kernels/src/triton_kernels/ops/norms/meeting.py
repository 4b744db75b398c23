"""How programs that share a row meet: each leaves its part's two numbers, then reads all parts'.

A row too long for one program's registers is divided among PARTS programs of consecutive numbers.
Each leaves its part's two float32 numbers in one word of 64 bits, which arrive together or not at
all, so that no fence is needed and no store before it is waited for; a word of ones, which no
arithmetic makes, says that nothing is there yet. The parts are added in their order, so results do
not change from run to run. Programs start in the order of their numbers, so the partners of the
lowest unfinished row are always running or done, and the wait ends (the argument of decoupled
look-back: Merrill and Garland 2016, Single-pass parallel prefix scan, section 4.1). The interpreter
runs one program after the other: there rows are not shared.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import torch

from triton_kernels._compat import tl, triton

_LOOK = tl.constexpr("ld.relaxed.gpu.global.b64 $0, [$1];")
# A loop of its own, unseen by the compiler, which would not copy ahead in a loop that holds one.
_WAIT = tl.constexpr(
    "{ .reg .pred empty; mov.b64 $0, $2; again: setp.eq.s64 empty, $0, -1; "
    "@!empty bra there; ld.relaxed.gpu.global.b64 $0, [$1]; bra again; there: }"
)


def meeting(n_rows: int, parts: int, device: torch.device) -> torch.Tensor:
    """Memory for one launch."""
    return torch.full((n_rows, parts), -1, dtype=torch.int64, device=device)


@triton.jit
def publish(shares_ptr, row, part, first, second, PARTS: tl.constexpr):
    """Leaves this part's two numbers of a row."""
    second = second + tl.zeros_like(first)
    high = first.to(tl.int32, bitcast=True).to(tl.int64) << 32
    low = second.to(tl.int32, bitcast=True).to(tl.int64) & 0xFFFFFFFF
    tl.atomic_xchg(shares_ptr + row.to(tl.int64) * PARTS + part, high | low, sem="relaxed")


@triton.jit
def _places(shares_ptr, row, PARTS: tl.constexpr, POWER: tl.constexpr):
    return shares_ptr + row.to(tl.int64) * PARTS + tl.minimum(tl.arange(0, POWER), PARTS - 1)


@triton.jit
def look(shares_ptr, row, PARTS: tl.constexpr, POWER: tl.constexpr):
    """What is there of a row already, asked for early, for ``gather`` to wait for the rest."""
    pointers = _places(shares_ptr, row, PARTS, POWER)
    return tl.inline_asm_elementwise(
        _LOOK, "=l,l", [pointers], dtype=tl.int64, is_pure=False, pack=1
    )


@triton.jit
def gather(shares_ptr, seen, row, PARTS: tl.constexpr, POWER: tl.constexpr):
    """All parts' numbers of a row, POWER (at least PARTS) of each, those beyond PARTS zero."""
    parts = tl.arange(0, POWER)
    both = tl.inline_asm_elementwise(
        _WAIT, "=&l,l,l", [_places(shares_ptr, row, PARTS, POWER), seen],
        dtype=tl.int64, is_pure=False, pack=1,
    )  # fmt: skip
    first = (both >> 32).to(tl.int32).to(tl.float32, bitcast=True)
    second = both.to(tl.int32).to(tl.float32, bitcast=True)
    return tl.where(parts < PARTS, first, 0.0), tl.where(parts < PARTS, second, 0.0)
