# fmt: off
# Written by `python -m tinygrad_autodiff.stubs` from the registry of operations. Do not edit.
from typing import Any as Any

from .dtypes import Array as Array
from .tensor import Tensor

_Number = int | float | bool
_Operand = Tensor | Array | _Number
_Dims = int | tuple[int, ...] | list[int] | None

def erf(input: _Operand) -> Tensor:
    """Error function, 2/√π · ∫₀ˣ exp(-s²) ds; ∂out/∂input = 2/√π · exp(-input²)."""
    ...

def expit(input: _Operand) -> Tensor:
    """``1/(1 + exp(-input))``; ∂out/∂input = out·(1 - out)."""
    ...

def expm1(input: _Operand) -> Tensor:
    """``exp(input) - 1``, exact near 0; ∂out/∂input = out + 1."""
    ...

def log1p(input: _Operand) -> Tensor:
    """``log(1 + input)``, exact near 0; ∂out/∂input = 1/(1 + input)."""
    ...

def log_softmax(input: _Operand, dim: _Number, dtype: Any = None) -> Tensor:
    """``x - log Σexp(x)`` along `dim`.  Rules: g - s·Σg backward, t - Σ s·t forward."""
    ...

def logsumexp(input: _Operand, dim: _Dims, keepdim: bool = False) -> Tensor:
    """``log Σexp(x)`` over `dim`; ∂out/∂x = exp(x - out)."""
    ...

def softmax(input: _Operand, dim: _Number, dtype: Any = None) -> Tensor:
    """``exp(x)/Σexp(x)`` along `dim`.

    The Jacobian diag(s) - s·sᵀ is symmetric: one rule, s·(t - Σ s·t), serves both directions.
    """
    ...

__all__: list[str]
