# fmt: off
# Written by `python -m tinygrad_autodiff.stubs` from the registry of operations. Do not edit.
from typing import Any as Any

from .dtypes import Array as Array
from .tensor import Tensor

_Number = int | float | bool
_Bool = bool  # bool, int and float are methods too
_Int = int
_Float = float
_Operand = Tensor | Array | _Number
_Dims = int | tuple[int, ...] | list[int] | None

def airy_ai(input: _Operand, *, out: Any = None) -> Tensor:
    """Airy's function Ai, the solution of y'' = x·y that vanishes at +Inf."""
    ...

def bessel_j0(input: _Operand, *, out: Any = None) -> Tensor:
    """Bessel function J₀; ∂out/∂input = -J₁."""
    ...

def bessel_j1(input: _Operand, *, out: Any = None) -> Tensor:
    """Bessel function J₁; ∂out/∂input = J₀ - J₁/input."""
    ...

def bessel_y0(input: _Operand, *, out: Any = None) -> Tensor:
    """Bessel function of the second kind Y₀; ∂out/∂input = -Y₁."""
    ...

def bessel_y1(input: _Operand, *, out: Any = None) -> Tensor:
    """Bessel function of the second kind Y₁; ∂out/∂input = Y₀ - Y₁/input."""
    ...

def chebyshev_polynomial_t(input: _Operand, n: _Operand, *, out: Any = None) -> Tensor:
    """The Chebyshev, first kind polynomial of degree `n`."""
    ...

def chebyshev_polynomial_u(input: _Operand, n: _Operand, *, out: Any = None) -> Tensor:
    """The Chebyshev, second kind polynomial of degree `n`."""
    ...

def chebyshev_polynomial_v(input: _Operand, n: _Operand, *, out: Any = None) -> Tensor:
    """The Chebyshev, third kind polynomial of degree `n`."""
    ...

def chebyshev_polynomial_w(input: _Operand, n: _Operand, *, out: Any = None) -> Tensor:
    """The Chebyshev, fourth kind polynomial of degree `n`."""
    ...

def digamma(input: _Operand, *, out: Any = None) -> Tensor:
    """Logarithmic derivative of Γ; its own is trigamma, polygamma(1)."""
    ...

def entr(input: _Operand, *, out: Any = None) -> Tensor:
    """``-input·log(input)``, 0 at 0, -Inf below; ∂out/∂input = -1 - log(input)."""
    ...

def erf(input: _Operand, *, out: Any = None) -> Tensor:
    """Error function, 2/√π · ∫₀ˣ exp(-s²) ds; ∂out/∂input = 2/√π · exp(-input²)."""
    ...

def erfc(input: _Operand, *, out: Any = None) -> Tensor:
    """``1 - erf(input)``, without cancellation; ∂out/∂input = -2/√π · exp(-input²)."""
    ...

def erfcx(input: _Operand, *, out: Any = None) -> Tensor:
    """``exp(input²)·erfc(input)``; ∂out/∂input = 2·input·out - 2/√π."""
    ...

def erfinv(input: _Operand, *, out: Any = None) -> Tensor:
    """The y with erf(y) = input; ∂out/∂input = √π/2 · exp(out²)."""
    ...

def exp2(input: _Operand, *, out: Any = None) -> Tensor:
    """``2**input``; ∂out/∂input = out·ln 2."""
    ...

def expit(input: _Operand, *, out: Any = None) -> Tensor:
    """``1/(1 + exp(-input))``; ∂out/∂input = out·(1 - out)."""
    ...

def expm1(input: _Operand, *, out: Any = None) -> Tensor:
    """``exp(input) - 1``, exact near 0; ∂out/∂input = out + 1."""
    ...

def gammainc(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Regularised lower incomplete gamma function, ∫₀^other s^(a-1)·e^(-s) ds / Γ(a), a = input.

    ∂out/∂other = other^(a-1)·e^(-other)/Γ(a).
    """
    ...

def gammaincc(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Regularised upper incomplete gamma function, 1 - igamma(input, other)."""
    ...

def gammaln(input: _Operand, *, out: Any = None) -> Tensor:
    """``log |Γ(input)|``; ∂out/∂input = digamma(input)."""
    ...

def hermite_polynomial_h(input: _Operand, n: _Operand, *, out: Any = None) -> Tensor:
    """The Hermite, physicists' polynomial of degree `n`."""
    ...

def hermite_polynomial_he(input: _Operand, n: _Operand, *, out: Any = None) -> Tensor:
    """The Hermite, probabilists' polynomial of degree `n`."""
    ...

def i0(input: _Operand, *, out: Any = None) -> Tensor:
    """Modified Bessel function I₀; ∂out/∂input = I₁."""
    ...

def i0e(input: _Operand, *, out: Any = None) -> Tensor:
    """``exp(-|input|)·I₀(input)``; ∂out/∂input = i1e - sign·out."""
    ...

def i1(input: _Operand, *, out: Any = None) -> Tensor:
    """Modified Bessel function I₁; ∂out/∂input = I₀ - I₁/input."""
    ...

def i1e(input: _Operand, *, out: Any = None) -> Tensor:
    """``exp(-|input|)·I₁(input)``; ∂out/∂input = i0e - sign·out - out/input."""
    ...

def laguerre_polynomial_l(input: _Operand, n: _Operand, *, out: Any = None) -> Tensor:
    """The Laguerre polynomial of degree `n`."""
    ...

def legendre_polynomial_p(input: _Operand, n: _Operand, *, out: Any = None) -> Tensor:
    """The Legendre polynomial of degree `n`."""
    ...

def log1p(input: _Operand, *, out: Any = None) -> Tensor:
    """``log(1 + input)``, exact near 0; ∂out/∂input = 1/(1 + input)."""
    ...

def log_ndtr(input: _Operand, *, out: Any = None) -> Tensor:
    """log Φ(input); ∂out/∂input = √(2/π)/erfcx(-input/√2)."""
    ...

def log_softmax(input: _Operand, dim: _Number, dtype: Any = None, *, out: Any = None) -> Tensor:
    """``x - log Σexp(x)`` along `dim`.  Rules: g - s·Σg backward, t - Σ s·t forward."""
    ...

def logit(input: _Operand, eps: _Number | None = None, *, out: Any = None) -> Tensor:
    """``log(p/(1 - p))`` of `input` clamped to [eps, 1 - eps]; NaN outside [0, 1] without eps.

    ∂out/∂input = 1/(p·(1 - p)), 0 where it was clamped.
    """
    ...

def logsumexp(input: _Operand, dim: _Dims, keepdim: _Bool = False, *, out: Any = None) -> Tensor:
    """``log Σexp(x)`` over `dim`; ∂out/∂x = exp(x - out)."""
    ...

def modified_bessel_i0(input: _Operand, *, out: Any = None) -> Tensor:
    """Modified Bessel function I₀; ∂out/∂input = I₁."""
    ...

def modified_bessel_i1(input: _Operand, *, out: Any = None) -> Tensor:
    """Modified Bessel function I₁; ∂out/∂input = I₀ - I₁/input."""
    ...

def modified_bessel_k0(input: _Operand, *, out: Any = None) -> Tensor:
    """Modified Bessel function K₀; ∂out/∂input = -K₁."""
    ...

def modified_bessel_k1(input: _Operand, *, out: Any = None) -> Tensor:
    """Modified Bessel function K₁; ∂out/∂input = -K₀ - K₁/input."""
    ...

def multigammaln(input: Any, p: _Number, *, out: Any = None) -> Tensor:
    """Log of the p-dimensional gamma function, p(p-1)/4·log π + Σ_{j<p} lgamma(input - j/2)."""
    ...

def ndtr(input: _Operand, *, out: Any = None) -> Tensor:
    """Φ, the normal distribution function; ∂out/∂input = exp(-input²/2)/√(2π)."""
    ...

def ndtri(input: _Operand, *, out: Any = None) -> Tensor:
    """The x with Φ(x) = input; ∂out/∂input = √(2π)·exp(out²/2)."""
    ...

def polygamma(n: Any, input: Any, *, out: Any = None) -> Tensor:
    """The n-th derivative of digamma; the method is called ``x.polygamma(n)``."""
    ...

def psi(input: _Operand, *, out: Any = None) -> Tensor:
    """Logarithmic derivative of Γ; its own is trigamma, polygamma(1)."""
    ...

def round(input: _Operand, decimals: _Number = 0, *, out: Any = None) -> Tensor:
    """The nearest multiple of 10^-decimals, of two equally near the even one."""
    ...

def scaled_modified_bessel_k0(input: _Operand, *, out: Any = None) -> Tensor:
    """``exp(input)·K₀(input)``; ∂out/∂input = out - exp(input)·K₁."""
    ...

def scaled_modified_bessel_k1(input: _Operand, *, out: Any = None) -> Tensor:
    """``exp(input)·K₁(input)``; ∂out/∂input = out - exp(input)·K₀ - out/input."""
    ...

def shifted_chebyshev_polynomial_t(input: _Operand, n: _Operand, *, out: Any = None) -> Tensor:
    """The Chebyshev, first kind polynomial of degree `n`, of 2·input - 1."""
    ...

def shifted_chebyshev_polynomial_u(input: _Operand, n: _Operand, *, out: Any = None) -> Tensor:
    """The Chebyshev, second kind polynomial of degree `n`, of 2·input - 1."""
    ...

def shifted_chebyshev_polynomial_v(input: _Operand, n: _Operand, *, out: Any = None) -> Tensor:
    """The Chebyshev, third kind polynomial of degree `n`, of 2·input - 1."""
    ...

def shifted_chebyshev_polynomial_w(input: _Operand, n: _Operand, *, out: Any = None) -> Tensor:
    """The Chebyshev, fourth kind polynomial of degree `n`, of 2·input - 1."""
    ...

def sinc(input: _Operand, *, out: Any = None) -> Tensor:
    """``sin(π·input)/(π·input)``, 1 at 0; ∂out/∂input = (cos(π·input) - out)/input."""
    ...

def softmax(input: _Operand, dim: _Number, dtype: Any = None, *, out: Any = None) -> Tensor:
    """``exp(x)/Σexp(x)`` along `dim`.

    The Jacobian diag(s) - s·sᵀ is symmetric: one rule, s·(t - Σ s·t), serves both directions.
    """
    ...

def spherical_bessel_j0(input: Any, *, out: Any = None) -> Tensor:
    """``sin(input)/input``, 1 at 0 and 0 at ±Inf."""
    ...

def xlog1py(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """``input·log(1 + other)``, 0 where input = 0 (and other is no NaN).

    ∂out/∂input = log(1 + other), 0 where input = 0 and other <= -1;
    ∂out/∂other = input/(1 + other).
    """
    ...

def xlogy(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """``input·log(other)``, 0 where input = 0 (and other is no NaN).

    ∂out/∂input = log(other), 0 where input = 0 and other <= 0; ∂out/∂other = input/other.
    """
    ...

def zeta(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Hurwitz's zeta function ``Σ_{k>=0} (other + k)^(-input)``.

    ∂out/∂other = -input·zeta(input + 1, other).
    """
    ...

__all__: list[str]
