# fmt: off
# Written by `python -m tinygrad_autodiff.stubs` from the registry of operations. Do not edit.
from typing import Any as Any

from .dtypes import Array as Array
from .tensor import Tensor

_Number = int | float | bool
_Operand = Tensor | Array | _Number
_Dims = int | tuple[int, ...] | list[int] | None

def norm(input: Any, p: Any = 2, dim: _Dims = None, keepdim: bool = False) -> Any:
    """Vector norm (Σ|x|^p)^(1/p) over `dim`; p is a number, ±inf, or "fro" (2).

    The gradient of the 2-norm at 0 is 0.
    """
    ...

def vector_norm(input: Any, p: Any = 2, dim: _Dims = None, keepdim: bool = False) -> Any:
    """Vector norm (Σ|x|^p)^(1/p) over `dim`; p is a number, ±inf, or "fro" (2).

    The gradient of the 2-norm at 0 is 0.
    """
    ...

__all__: list[str]
