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

def fft(input: Any, n: _Number | None = None, dim: _Number = -1, norm: Any = None, *, out: Any = None) -> Tensor:
    """The transform along `dim`, of the input cut or filled up with zeros to size `n`."""
    ...

def fft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: Any = None, *, out: Any = None) -> Tensor:
    """`fftn` of the last two dimensions."""
    ...

def fftfreq(n: _Number, d: _Number = 1.0, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: _Bool = False, *, out: Any = None) -> Tensor:
    """The frequencies of the n elements of `fft`, of samples `d` apart."""
    ...

def fftn(input: Any, s: Any = None, dim: Any = None, norm: Any = None, *, out: Any = None) -> Tensor:
    """`fft` along each of `dim` (all, or as many of the last as `s` has sizes)."""
    ...

def fftshift(input: Any, dim: Any = None, *, out: Any = None) -> Tensor:
    """Frequencies in ascending order: zero comes to the middle of each of `dim`."""
    ...

def hfft(input: Any, n: _Number | None = None, dim: _Number = -1, norm: Any = None, *, out: Any = None) -> Tensor:
    """`fft` of a signal with x[-j] = conj(x[j]), given by its first half: n real numbers."""
    ...

def hfft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: Any = None, *, out: Any = None) -> Tensor:
    """`hfftn` of the last two dimensions."""
    ...

def hfftn(input: Any, s: Any = None, dim: Any = None, norm: Any = None, *, out: Any = None) -> Tensor:
    """`fftn` of a Hermitian signal, given by the first half of its last dimension; real."""
    ...

def ifft(input: Any, n: _Number | None = None, dim: _Number = -1, norm: Any = None, *, out: Any = None) -> Tensor:
    """The inverse of `fft`."""
    ...

def ifft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: Any = None, *, out: Any = None) -> Tensor:
    """`ifftn` of the last two dimensions."""
    ...

def ifftn(input: Any, s: Any = None, dim: Any = None, norm: Any = None, *, out: Any = None) -> Tensor:
    """The inverse of `fftn`."""
    ...

def ifftshift(input: Any, dim: Any = None, *, out: Any = None) -> Tensor:
    """The inverse of `fftshift`."""
    ...

def ihfft(input: Any, n: _Number | None = None, dim: _Number = -1, norm: Any = None, *, out: Any = None) -> Tensor:
    """The inverse of `hfft`: the first half of `ifft` of real numbers."""
    ...

def ihfft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: Any = None, *, out: Any = None) -> Tensor:
    """`ihfftn` of the last two dimensions."""
    ...

def ihfftn(input: Any, s: Any = None, dim: Any = None, norm: Any = None, *, out: Any = None) -> Tensor:
    """The inverse of `hfftn`."""
    ...

def irfft(input: Any, n: _Number | None = None, dim: _Number = -1, norm: Any = None, *, out: Any = None) -> Tensor:
    """The inverse of `rfft`: n real numbers, 2·(m - 1) by default."""
    ...

def irfft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: Any = None, *, out: Any = None) -> Tensor:
    """`irfftn` of the last two dimensions."""
    ...

def irfftn(input: Any, s: Any = None, dim: Any = None, norm: Any = None, *, out: Any = None) -> Tensor:
    """The inverse of `rfftn`."""
    ...

def rfft(input: Any, n: _Number | None = None, dim: _Number = -1, norm: Any = None, *, out: Any = None) -> Tensor:
    """The first n//2 + 1 elements of `fft` of real numbers; the others mirror them."""
    ...

def rfft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: Any = None, *, out: Any = None) -> Tensor:
    """`rfftn` of the last two dimensions."""
    ...

def rfftfreq(n: _Number, d: _Number = 1.0, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: _Bool = False, *, out: Any = None) -> Tensor:
    """The frequencies of the n//2 + 1 elements of `rfft`, of samples `d` apart."""
    ...

def rfftn(input: Any, s: Any = None, dim: Any = None, norm: Any = None, *, out: Any = None) -> Tensor:
    """`fftn` of real numbers, without the redundant half of the last dimension."""
    ...

__all__: list[str]
