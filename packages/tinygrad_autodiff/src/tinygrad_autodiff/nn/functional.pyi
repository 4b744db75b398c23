# ruff: noqa: E501
# fmt: off
# Written by `python -m tinygrad_autodiff.stubs` from the registry of operations. Do not edit.
from typing import Any as Any

from ..dtypes import Array as Array
from ..tensor import Tensor

_Number = int | float | bool
_Operand = Tensor | Array | _Number
_Dims = int | tuple[int, ...] | list[int] | None

def cross_entropy(input: Any, target: Any, weight: Any = None, ignore_index: _Number = -100, reduction: str = 'mean', label_smoothing: _Number = 0.0) -> Tensor:
    """``-Σ target·log softmax(input)`` of scores (N, C, …), or (C,) for one sample.

    `target` holds class indices (N, …) or, of the input's shape and floating, probabilities.
    With `label_smoothing` ε the target becomes (1 - ε)·target + ε/C (Szegedy et al. 2016).
    """
    ...

def dropout(input: Any, p: _Number = 0.5, training: bool = True) -> Tensor:
    """0 with probability `p`, else ``input/(1 - p)``; the input itself outside training.

    Srivastava et al. 2014.
    """
    ...

def gelu(input: _Operand, approximate: str = 'none') -> Tensor:
    """``input · Φ(input)``, Φ the normal distribution function (Hendrycks & Gimpel 2016).

    ``approximate="none"``: Φ(x) = (1 + erf(x/√2))/2;
    ``approximate="tanh"``: Φ(x) ≈ (1 + tanh(√(2/π)·(x + 0.044715·x³)))/2.
    """
    ...

def linear(input: _Operand, weight: _Operand, bias: _Operand | None = None) -> Tensor:
    """``input · weightᵀ + bias`` with input (…, in), weight (out, in), bias (out,).

    ∂L/∂input = g·weight, ∂L/∂weight = gᵀ·input, ∂L/∂bias = Σ g over the leading dimensions.
    """
    ...

def log_softmax(input: _Operand, dim: _Number, dtype: Any = None) -> Tensor:
    """``x - log Σexp(x)`` along `dim`.  Rules: g - s·Σg backward, t - Σ s·t forward."""
    ...

def mse_loss(input: Any, target: Any, reduction: str = 'mean') -> Tensor:
    """Squared difference, ``(input - target)²``."""
    ...

def nll_loss(input: Any, target: Any, weight: Any = None, ignore_index: _Number = -100, reduction: str = 'mean') -> Tensor:
    """``-weight[target] · input[target]`` of log-probabilities (N, C, …) and classes (N, …).

    The mean is over the weights of the targets that are not `ignore_index`.
    """
    ...

def pad(input: Any, pad: Any, mode: str = 'constant', value: _Number = 0.0) -> Tensor:
    """Added (or, negative, cut off) at both ends of the last dimensions.

    `pad` is (left, right) of the last dimension, then of the one before, and so on; `mode` is
    "constant" (with `value`), "reflect", "replicate" or "circular".
    """
    ...

def relu(input: _Operand) -> Tensor:
    """``max(input, 0)``; the derivative at 0 is 0."""
    ...

def sigmoid(input: _Operand) -> Tensor:
    """``1/(1 + exp(-input))``; ∂out/∂input = out·(1 - out)."""
    ...

def silu(input: _Operand) -> Tensor:
    """``input · σ(input)``; ∂out/∂input = σ·(1 + input·(1 - σ)).  Hendrycks & Gimpel 2016."""
    ...

def softmax(input: _Operand, dim: _Number, dtype: Any = None) -> Tensor:
    """``exp(x)/Σexp(x)`` along `dim`.

    The Jacobian diag(s) - s·sᵀ is symmetric: one rule, s·(t - Σ s·t), serves both directions.
    """
    ...

def softplus(input: _Operand, beta: _Number = 1.0, threshold: _Number = 20.0) -> Tensor:
    """``log(1 + exp(beta·input))/beta``, the input itself where beta·input > threshold."""
    ...

def tanh(input: _Operand) -> Tensor:
    """Hyperbolic tangent; ∂out/∂input = 1 - out²."""
    ...

__all__: list[str]
