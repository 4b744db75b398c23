"""The activations and their derivatives, as Triton code that other kernels inline."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._compat import tl, triton

_SQRT_HALF = tl.constexpr(0.7071067811865476)
_INVERSE_SQRT_TAU = tl.constexpr(0.3989422804014327)
_HALF_LOG2_E = tl.constexpr(-0.7213475204444817)  # exp(-x²/2) is 2 to the power of this · x²
_GELU_SCALE = tl.constexpr(1.5957691216057308)  # 2·sqrt(2/π)
_GELU_SCALE_CUBE = tl.constexpr(0.07135481627260025)  # 0.044715 of it


@triton.jit
def _normal_distribution(x, ACTIVATION: tl.constexpr):
    """Φ(x), to float32's precision or, for 16-bit results, to 1e-7 with half the instructions."""
    if ACTIVATION == "gelu":
        phi = 0.5 + 0.5 * tl.erf(x * _SQRT_HALF)
    else:
        # erfc(z) = t·P(t)·exp(-z²) with t = 1 / (1 + p·z): Abramowitz and Stegun 1964, 7.1.26.
        # The square of rsqrt takes half the instructions of a division.
        root = tl.rsqrt(tl.abs(x) * 0.23164188826636045 + 1)
        t = root * root
        tail = (((t * 0.5307027145 - 0.7265760135) * t + 0.7107068705) * t - 0.142248368) * t
        tail = (tail + 0.127414796) * t * tl.exp2(x * x * _HALF_LOG2_E)
        phi = tl.where(x < 0, tail, 1 - tail)
    return phi


@triton.jit
def activate(x, ACTIVATION: tl.constexpr):
    """f(x) of float32 values."""
    if ACTIVATION == "relu":
        y = tl.where(x <= 0, 0.0, x)
    elif ACTIVATION == "silu":
        y = x * tl.sigmoid(x)
    elif ACTIVATION == "gelu" or ACTIVATION == "gelu_16":
        y = x * _normal_distribution(x, ACTIVATION)
    else:
        tl.static_assert(ACTIVATION == "gelu_tanh")
        # (1 + tanh u) / 2 is the logistic function of 2u.
        y = x * tl.sigmoid(x * (x * x * _GELU_SCALE_CUBE + _GELU_SCALE))
    return y


@triton.jit
def activate_and_derivative(x, ACTIVATION: tl.constexpr):
    """f(x) and f'(x) of float32 values; what is not used is not computed."""
    if ACTIVATION == "relu":
        y = tl.where(x <= 0, 0.0, x)
        slope = tl.where(x <= 0, 0.0, 1.0)
    elif ACTIVATION == "silu":
        s = tl.sigmoid(x)
        y = x * s
        slope = s + y * (1 - s)
    elif ACTIVATION == "gelu" or ACTIVATION == "gelu_16":
        s = _normal_distribution(x, ACTIVATION)
        y = x * s
        slope = s + x * _INVERSE_SQRT_TAU * tl.exp2(x * x * _HALF_LOG2_E)
    else:
        tl.static_assert(ACTIVATION == "gelu_tanh")
        square = x * x
        s = tl.sigmoid(x * (square * _GELU_SCALE_CUBE + _GELU_SCALE))
        y = x * s
        slope = s + y * (1 - s) * (square * 3 * _GELU_SCALE_CUBE + _GELU_SCALE)
    return y, slope
