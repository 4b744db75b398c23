"""exp, 1/x by the special-function unit, without the steps that triton adds; logarithms; tanh.

``tl.exp2`` scales numbers whose result is below 2⁻¹²⁶ up and down again; here such small results
are 0 (``.ftz``: flush to zero; PTX ISA, ex2.approx). ``tl.log2`` is some twenty instructions, more
than many a kernel does with a number altogether; those here are exact for numbers up to 1.
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
def log2_near_1(t):
    """log2(1 + t) for t from -1/2 to 0, within 2⁻²² of itself, by the polynomial closest to it.

    The special-function unit's (lg2.approx) is off by 2⁻²⁴ in the mean: sums of many are, too.
    """
    p = -1.6743932962417603 * t - 1.4948419332504272
    p = p * t - 1.0843321084976196
    p = p * t + 0.07332973182201385
    p = p * t - 0.3890402913093567
    p = p * t + 0.47916126251220703
    p = p * t - 0.7213830351829529
    return t * (p * t + 1.4426950216293335)


@triton.jit
def log2_exact(x):
    """The logarithm to base 2 of positive normal numbers, as exact below 1."""
    bits = x.to(tl.int32, bitcast=True)
    exponent = (bits - 0x3F000001) & -0x800000  # of the power of 2 that x is 1/2 to 1 of
    y = exponent.to(tl.float32) * 2**-23
    y += log2_near_1((bits - exponent).to(tl.float32, bitcast=True) - 1.0)
    return tl.where(x == x, y, x)


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
