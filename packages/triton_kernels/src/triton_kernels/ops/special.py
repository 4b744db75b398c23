"""exp, logarithm, 1/x by the special-function unit, without the steps that triton adds; tanh.

``tl.exp2`` scales numbers whose result is below 2⁻¹²⁶ up and down again, and ``tl.log2`` is a
polynomial of some twenty instructions: more than many a kernel does with a number altogether. Here
such small results are 0 (``.ftz``: flush to zero), and the logarithm has the unit's error, 2⁻²² at
most for numbers between 1/2 and 2 (PTX ISA, ex2.approx and lg2.approx).
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels import _compat
from triton_kernels._compat import tl, triton

_LOG2_E = tl.constexpr(1.4426950408889634)
_INTERPRETED = tl.constexpr(_compat.interpreting())


@triton.jit
def exp2(x):
    """2ˣ of float32."""
    if _INTERPRETED:  # it runs no assembly
        return tl.exp2(x)
    else:
        return tl.inline_asm_elementwise(
            "ex2.approx.ftz.f32 $0, $1;", "=r,r", [x], dtype=tl.float32, is_pure=True, pack=1
        )


@triton.jit
def exp(x):
    """eˣ of float32."""
    return exp2(x * _LOG2_E)


@triton.jit
def log2(x):
    """The logarithm to base 2 of float32."""
    if _INTERPRETED:
        return tl.log2(x)
    else:
        return tl.inline_asm_elementwise(
            "lg2.approx.ftz.f32 $0, $1;", "=r,r", [x], dtype=tl.float32, is_pure=True, pack=1
        )


@triton.jit
def reciprocal(x):
    """1/x of float32, within 2⁻²³ of itself (PTX ISA, rcp.approx)."""
    if _INTERPRETED:
        return 1.0 / x
    else:
        return tl.inline_asm_elementwise(
            "rcp.approx.ftz.f32 $0, $1;", "=r,r", [x], dtype=tl.float32, is_pure=True, pack=1
        )


@triton.jit
def tanh(x, EXACT: tl.constexpr):
    """Hyperbolic tangent; if EXACT, in all places also near 0, where 1 - 2/(e²ˣ + 1) has few."""
    y = 1.0 - 2.0 * reciprocal(exp2(x * (2 * _LOG2_E)) + 1.0)
    if EXACT:
        # tanh x / x - 1 over x², fitted up to 0.55: 10⁻⁹ of x off at most.
        square = x * x
        series = (0.02107025356 - 0.006272607515 * square) * square - 0.0538518654
        series = (series * square + 0.1333258038) * square - 0.3333331731
        y = tl.where(tl.abs(x) < 0.55, x + x * (square * series), y)
    return y
