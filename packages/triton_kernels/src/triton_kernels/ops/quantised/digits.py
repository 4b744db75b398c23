"""Rows of activations as whole numbers of 21 bits: three digits of 7 bits, each fit for int8.

With 2^e the least power of two above a row's largest magnitude, X = round(x·2^(20-e)), and
X = 128²·d₂ + 128·d₁ + d₀ with digits in [-64, 64]. A power of two costs no digits: numbers of 11
bits (float16; bfloat16 has 8) are exact down to 2^-9 of the largest, and beyond that the error is
at most 2^-21 of it.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
from typing import NamedTuple

import torch

from triton_kernels import _compat
from triton_kernels._compat import Launch, Layout, tl, triton

PLANES = 3
"""Digits of a number."""


@triton.jit
def _load(x_ptr, start, k, COLUMNS: tl.constexpr):
    columns = start + tl.arange(0, COLUMNS)
    return tl.load(x_ptr + columns, mask=columns < k, other=0.0).to(tl.float32)


@triton.jit
def _magnitude(x):
    """Its bits: numbers are in order, and inf and NaN above all of them."""
    return x.to(tl.int32, bitcast=True) & 0x7FFFFFFF


@triton.jit
def _write(x, factor, digits_ptr, start, k, COLUMNS: tl.constexpr):
    columns = start + tl.arange(0, COLUMNS)
    number = tl.floor(x * factor + 0.5).to(tl.int32)
    for plane in tl.static_range(3):
        digit = number
        if plane < 2:
            digit = ((number + 64) & 127) - 64
        tl.store(digits_ptr + plane * k + columns, digit.to(tl.int8), mask=columns < k)
        number = (number - digit) >> 7


@triton.jit
def _digits(x_ptr, digits_ptr, scale_ptr, k, COLUMNS: tl.constexpr, EARLY: tl.constexpr):
    if EARLY:
        # Only then may the kernel that reads the digits start: it asks for codes without a wait.
        tl.extra.cuda.gdc_wait()
        tl.extra.cuda.gdc_launch_dependents()
    row = tl.program_id(0)
    x_ptr += row * k
    digits_ptr += row * 3 * k
    x = _load(x_ptr, 0, k, COLUMNS)
    largest = _magnitude(x)
    for start in range(COLUMNS, k, COLUMNS):
        largest = tl.maximum(largest, _magnitude(_load(x_ptr, start, k, COLUMNS)))
    bits = tl.max(largest, axis=0)
    exponent = tl.maximum(bits >> 23, 32)  # below 2^-95 digits are lost, to keep 1 / scale finite
    scale = ((exponent - 19) << 23).to(tl.float32, bitcast=True)
    factor = ((273 - exponent) << 23).to(tl.float32, bitcast=True)
    _write(x, factor, digits_ptr, 0, k, COLUMNS)
    for start in range(COLUMNS, k, COLUMNS):
        x = _load(x_ptr, start, k, COLUMNS)
        _write(x, factor, digits_ptr, start, k, COLUMNS)
    tl.store(scale_ptr + row, tl.where(bits >= 0x7F800000, float("nan"), scale))


@functools.lru_cache(maxsize=1024)
def _plan(x: Layout) -> Launch:
    columns = min(16384, max(64, triton.next_power_of_2(x.shape[1])))
    warps = max(1, min(32, columns // 512))
    early = _compat.starts_early(_compat.device_of(x.device))
    return Launch(
        _digits, x.shape[0], (x.shape[1],), {"COLUMNS": columns, "EARLY": early},
        {"num_warps": warps, **({"launch_pdl": True} if early else {})},
    )  # fmt: skip


class Digits(NamedTuple):
    """x = scale·(128²·d₂ + 128·d₁ + d₀)."""

    digits: torch.Tensor
    """int8 of (rows, 3, k), d₀ first."""
    scale: torch.Tensor
    """float32 of (rows,); NaN for a row that holds inf or NaN."""


def digits_of(x: torch.Tensor) -> Digits:
    """The digits of contiguous (rows, k)."""
    rows, k = x.shape
    digits = torch.empty((rows, PLANES, k), dtype=torch.int8, device=x.device)
    scale = torch.empty(rows, dtype=torch.float32, device=x.device)
    _plan(Layout.of(x))(x, digits, scale)
    return Digits(digits, scale)
