# ruff: noqa: E501
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

def amax(input: Any, dim: _Dims = None, keepdim: _Bool = False, dtype: Any = None, mask: Any = None) -> Tensor:
    """Maximum over `dim` of the elements in `mask`."""
    ...

def amin(input: Any, dim: _Dims = None, keepdim: _Bool = False, dtype: Any = None, mask: Any = None) -> Tensor:
    """Minimum over `dim` of the elements in `mask`."""
    ...

def argmax(input: Any, dim: _Number | None = None, keepdim: _Bool = False, dtype: Any = None, mask: Any = None) -> Tensor:
    """Index of the maximum along `dim` of the elements in `mask`."""
    ...

def argmin(input: Any, dim: _Number | None = None, keepdim: _Bool = False, dtype: Any = None, mask: Any = None) -> Tensor:
    """Index of the minimum along `dim` of the elements in `mask`."""
    ...

def cumprod(input: Any, dim: _Number, dtype: Any = None, mask: Any = None) -> Tensor:
    """Running product along `dim` of the elements in `mask`."""
    ...

def cumsum(input: Any, dim: _Number, dtype: Any = None, mask: Any = None) -> Tensor:
    """Running sum along `dim` of the elements in `mask`."""
    ...

def log_softmax(input: Any, dim: _Number, dtype: Any = None, mask: Any = None) -> Tensor:
    """log-softmax along `dim` over the elements in `mask`; the others get -inf."""
    ...

def logaddexp(input: Any, other: Any, dtype: Any = None, input_mask: Any = None, other_mask: Any = None) -> Tensor:
    """``log(exp(input) + exp(other))`` of the elements in each mask."""
    ...

def logsumexp(input: Any, dim: _Dims = None, keepdim: _Bool = False, dtype: Any = None, mask: Any = None) -> Tensor:
    """``log Σexp`` over `dim` of the elements in `mask`."""
    ...

def mean(input: Any, dim: _Dims = None, keepdim: _Bool = False, dtype: Any = None, mask: Any = None) -> Tensor:
    """Mean over `dim` of the elements in `mask`."""
    ...

def median(input: Any, dim: _Number = -1, keepdim: _Bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """Lower median along `dim` of the elements in `mask`."""
    ...

def norm(input: Any, ord: _Number = 2, dim: _Dims = None, keepdim: _Bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """Vector norm over `dim` of the elements in `mask`."""
    ...

def normalize(input: Any, ord: _Number, dim: _Number, eps: _Number = 1e-12, dtype: Any = None, mask: Any = None) -> Tensor:
    """The elements in `mask` over their norm along `dim` (at least `eps`); the others get 0."""
    ...

def prod(input: Any, dim: _Dims = None, keepdim: _Bool = False, dtype: Any = None, mask: Any = None) -> Tensor:
    """Product over `dim` (one or several) of the elements in `mask`."""
    ...

def softmax(input: Any, dim: _Number, dtype: Any = None, mask: Any = None) -> Tensor:
    """softmax along `dim` over the elements in `mask`; the others get 0."""
    ...

def softmin(input: Any, dim: _Number, dtype: Any = None, mask: Any = None) -> Tensor:
    """``softmax(-input)`` along `dim` over the elements in `mask`; the others get 0."""
    ...

def std(input: Any, dim: _Dims = None, unbiased: _Number | None = None, correction: _Number | None = None, keepdim: _Bool = False, dtype: Any = None, mask: Any = None) -> Tensor:
    """Standard deviation over `dim` of the elements in `mask`."""
    ...

def sum(input: Any, dim: _Dims = None, keepdim: _Bool = False, dtype: Any = None, mask: Any = None) -> Tensor:
    """Sum over `dim` of the elements in `mask`."""
    ...

def var(input: Any, dim: _Dims = None, unbiased: _Number | None = None, correction: _Number | None = None, keepdim: _Bool = False, dtype: Any = None, mask: Any = None) -> Tensor:
    """Variance over `dim` of the elements in `mask`: Σ(x - x̄)²/(N - correction)."""
    ...

__all__: list[str]
