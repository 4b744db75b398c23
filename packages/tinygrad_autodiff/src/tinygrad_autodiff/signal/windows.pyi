# ruff: noqa: E501
# fmt: off
# Written by `python -m tinygrad_autodiff.stubs` from the registry of operations. Do not edit.
from typing import Any as Any

from ..dtypes import Array as Array
from ..tensor import Tensor

_Number = int | float | bool
_Bool = bool  # bool, int and float are methods too
_Int = int
_Float = float
_Operand = Tensor | Array | _Number
_Dims = int | tuple[int, ...] | list[int] | None

def bartlett(M: _Number, sym: _Bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: _Bool = False) -> Tensor:
    """1 - |2j/last - 1|, last = M - 1, or M if periodic."""
    ...

def blackman(M: _Number, sym: _Bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: _Bool = False) -> Tensor:
    """`general_cosine` of 0.42, 0.5, 0.08."""
    ...

def cosine(M: _Number, sym: _Bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: _Bool = False) -> Tensor:
    """sin(π·(j + ½)/(last + 1))."""
    ...

def exponential(M: _Number, center: _Number | None = None, tau: _Number = 1.0, sym: _Bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: _Bool = False) -> Tensor:
    """exp(-|j - center|/tau); `center` (last/2 by default) only for periodic windows."""
    ...

def gaussian(M: _Number, std: _Number = 1.0, sym: _Bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: _Bool = False) -> Tensor:
    """exp(-((j - last/2)/std)²/2)."""
    ...

def general_cosine(M: _Number, a: Any, sym: _Bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: _Bool = False) -> Tensor:
    """Σ (-1)^i·a_i·cos(2π·i·j/last)."""
    ...

def general_hamming(M: _Number, alpha: _Number = 0.54, sym: _Bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: _Bool = False) -> Tensor:
    """alpha - (1 - alpha)·cos(2πj/last)."""
    ...

def hamming(M: _Number, sym: _Bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: _Bool = False) -> Tensor:
    """0.54 - 0.46·cos(2πj/last)."""
    ...

def hann(M: _Number, sym: _Bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: _Bool = False) -> Tensor:
    """(1 - cos(2πj/last))/2, last = M - 1, or M if periodic."""
    ...

def kaiser(M: _Number, beta: _Number = 12.0, sym: _Bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: _Bool = False) -> Tensor:
    """I₀(beta·√(1 - (2j/last - 1)²))/I₀(beta), I₀ the modified Bessel function."""
    ...

def nuttall(M: _Number, sym: _Bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: _Bool = False) -> Tensor:
    """`general_cosine` of 0.3635819, 0.4891775, 0.1365995, 0.0106411."""
    ...

__all__: list[str]
