"""exp and logarithm by the special-function unit, without the steps around it that triton adds.

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
