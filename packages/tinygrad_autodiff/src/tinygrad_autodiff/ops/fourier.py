"""Discrete Fourier transforms: X_k = Σ_j x_j·exp(-2πi·jk/n), its inverse, and their real forms.

Three linear operations do the work; the public functions pad or cut the input to the asked
sizes and choose the scale. `norm` "backward" divides the inverse by n, "forward" the transform,
"ortho" both by √n, for functions that go in either direction. float32 is transformed in
complex64; integers are taken as the default dtype, and float16, which has no complex form, as
float32.
Source: Cooley & Tukey 1965, by NumPy's pocketfft; Oppenheim & Schafer, "Discrete-time signal
processing", chapter 8.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array, complex_dtype, get_default_dtype
from ..errors import DimError, RangeError, ShapeError
from ..op import Bad, Op, Sample, compose, op
from ..samples import array
from .dims import ints, one_dim

_HERE = ("fft",)
_X = array((2, 5))
_Z = array((2, 4)) + 1j * array((2, 4), seed=1)
_CUBE = array((2, 3, 4)) + 1j * array((2, 3, 4), seed=1)


class ComplexFourier(Op, name="complex_fourier", spaces=()):
    """scale·Σ x·exp(∓2πi·jk/n) over `dims`, the upper sign unless `inverse`; symmetric."""

    linear = True

    def forward(self, input: Array, dims: tuple[int, ...], inverse: bool, scale: float) -> Array:
        """Values."""
        if not dims or not input.size:
            return input.copy()
        found = (
            np.fft.ifftn(input, axes=dims, norm="forward")
            if inverse
            else np.fft.fftn(input, axes=dims)
        )
        return _scaled(found, scale)

    def backward(self, g: Any, dims: Any, inverse: Any, scale: Any) -> Any:
        """The same transform."""
        return op.complex_fourier(g, dims, inverse, scale)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Either direction."""
        yield Sample((_Z, (1,), False, 1.0))
        yield Sample((_CUBE, (0, 2), True, 0.5))


class RealFourier(Op, name="real_fourier", spaces=()):
    """`complex_fourier` of real numbers, without the redundant half of the last of `dims`."""

    linear, holomorphic = True, False

    def forward(self, input: Array, dims: tuple[int, ...], scale: float) -> Array:
        """Values."""
        self.count = input.shape[dims[-1]]
        if not input.size:
            shape = list(input.shape)
            shape[dims[-1]] = self.count // 2 + 1
            return np.zeros(shape, complex_dtype(input.dtype))
        return _scaled(np.fft.rfftn(input, axes=dims), scale)

    def backward(self, g: Any, dims: Any, scale: Any, count: Any) -> Any:
        """The real part of the inverse transform of g and zeros."""
        full = _resized(g, dims[-1:], (count,))
        return op.real(op.complex_fourier(full, dims, True, scale))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Odd and even sizes, two dimensions."""
        yield Sample((_X, (1,), 1.0))
        yield Sample((_X, (1, 0), 0.5))


class RealInverse(Op, name="real_inverse_fourier", spaces=()):
    """The real result, of size `count` in the last of `dims`, of the inverse transform of a half.

    Adjoint: `real_fourier`, doubled where an element stands for itself and its mirror image.
    """

    linear, holomorphic = True, False

    def forward(self, input: Array, dims: tuple[int, ...], count: int, scale: float) -> Array:
        """Values."""
        sizes = [input.shape[d] for d in dims[:-1]] + [count]
        if not input.size:
            shape = list(input.shape)
            shape[dims[-1]] = count
            return np.zeros(shape, input.real.dtype)
        return _scaled(np.fft.irfftn(input, sizes, dims, norm="forward"), scale)

    def backward(self, g: Any, dims: Any, count: Any, scale: Any) -> Any:
        """Weighted by how often each element counts."""
        found = op.real_fourier(g, dims, scale)
        weights = np.full(found.shape[dims[-1]], 2.0, g.dtype)
        weights[0] = 1
        if count % 2 == 0:
            weights[-1] = 1
        return found * weights.reshape(-1, *(1,) * (found.ndim - 1 - dims[-1]))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Odd and even sizes, two dimensions."""
        yield Sample((_Z, (1,), 6, 1.0))
        yield Sample((_Z, (1,), 7, 1.0))
        yield Sample((_Z, (0, 1), 6, 0.5))


def _scaled(found: Array, scale: float) -> Array:
    return found if scale == 1 else found * np.asarray(scale, found.real.dtype)


# ---- arguments -----------------------------------------------------------------------------------


def _scale(norm: str | None, sizes: tuple[int, ...], inverse: bool) -> float:
    if norm not in (None, "backward", "ortho", "forward"):
        raise RangeError(f"norm is 'backward', 'ortho' or 'forward', not {norm!r}")
    count = max(math.prod(sizes), 1)
    if norm == "ortho":
        return 1 / math.sqrt(count)
    return 1 / count if (norm == "forward") != inverse else 1.0


def _axes(input: Any, s: Any, dim: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The dimensions from the front, and the size asked for in each."""
    if dim is None:
        dims = tuple(range(input.ndim))
        if s is not None:
            count = len(ints(s))
            if count > input.ndim:
                raise ShapeError(f"{count} sizes for the shape {tuple(input.shape)}")
            dims = dims[input.ndim - count :]
    else:
        if not input.ndim and len(ints(dim)):
            raise DimError(f"dimension {dim} was asked of a tensor that has none")
        dims = tuple(one_dim(d, input.ndim) for d in ints(dim))
    if len(set(dims)) < len(dims):
        raise ShapeError(f"a dimension appears more than once in {dim!r}")
    own = tuple(input.shape[d] for d in dims)
    sizes = own if s is None else tuple(n if k == -1 else k for k, n in zip(ints(s), own))  # noqa: B905
    if len(sizes) < len(dims) or (s is not None and len(ints(s)) > len(dims)):
        raise ShapeError(f"s and dim are equally long, not {s!r} and {dim!r}")
    return dims, sizes


def _resized(input: Any, dims: tuple[int, ...], sizes: tuple[int, ...]) -> Any:
    """`input` cut off, or filled up with zeros, to `sizes` in `dims`."""
    pad = [0] * (2 * input.ndim)
    for dim, size in zip(dims, sizes, strict=True):
        if size < 1:
            raise RangeError(f"invalid number of data points ({size}) specified")
        pad[2 * (input.ndim - 1 - dim) + 1] = size - input.shape[dim]
    return op.constant_pad(input, tuple(pad)) if any(pad) else input


def _number(input: Any, complex_: bool) -> Any:
    """`input` in the dtype in which it is transformed."""
    dtype = get_default_dtype() if input.dtype.kind in "bui" else input.dtype
    if dtype.itemsize == 2:
        dtype = np.dtype(np.float32)
    if complex_ and dtype.kind != "c":
        dtype = complex_dtype(dtype)
    return input if input.dtype == dtype else op.to(input, dtype)


def _transform(input: Any, s: Any, dim: Any, norm: str | None, inverse: bool) -> Any:
    dims, sizes = _axes(input, s, dim)
    input = _resized(_number(input, True), dims, sizes)
    return op.complex_fourier(input, dims, inverse, _scale(norm, sizes, inverse))


def _to_half(input: Any, s: Any, dim: Any, norm: str | None, inverse: bool) -> Any:
    if input.dtype.kind == "c":
        raise RangeError(f"expected a real input, got {input.dtype}")
    dims, sizes = _axes(input, s, dim)
    if not dims:
        raise RangeError("expected at least one dimension to transform")
    input = _resized(_number(input, False), dims, sizes)
    found = op.real_fourier(input, dims, _scale(norm, sizes, inverse))
    return op.conj(found) if inverse else found


def _from_half(input: Any, s: Any, dim: Any, norm: str | None, inverse: bool) -> Any:
    dims, sizes = _axes(input, s, dim)
    if not dims:
        raise RangeError("expected at least one dimension to transform")
    last = 2 * (sizes[-1] - 1) if s is None or ints(s)[-1] == -1 else sizes[-1]
    if last < 1:
        raise RangeError(f"invalid number of data points ({last}) specified")
    input = _resized(_number(input, True), dims, (*sizes[:-1], last // 2 + 1))
    input = input if inverse else op.conj(input)
    scale = _scale(norm, (*sizes[:-1], last), inverse)
    return op.real_inverse_fourier(input, dims, last, scale)


# ---- in one dimension ----------------------------------------------------------------------------

_ONE = (Bad((array(()),), {}, DimError, "has none"), Bad((_X, 0), {}, RangeError, "data points"))


def _one(n: int | None, dim: int) -> tuple[Any, tuple[int]]:
    return None if n is None else (n,), (dim,)


@compose(
    Sample((_Z,)),
    Sample((_X, 4, 0, "ortho")),
    spaces=_HERE,
    errors=(*_ONE, Bad((_X, None, -1, "both"), {}, RangeError, "'both'")),
)
def fft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """The transform along `dim`, of the input cut or filled up with zeros to size `n`."""
    return _transform(input, *_one(n, dim), norm, False)


@compose(Sample((_Z,)), Sample((_X, 7, 1, "forward")), spaces=_HERE, errors=_ONE)
def ifft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """The inverse of `fft`."""
    return _transform(input, *_one(n, dim), norm, True)


@compose(
    Sample((_X,)),
    Sample((_X, 4, 0)),
    spaces=_HERE,
    errors=(*_ONE, Bad((_Z,), {}, RangeError, "real input")),
)
def rfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """The first n//2 + 1 elements of `fft` of real numbers; the others mirror them."""
    return _to_half(input, *_one(n, dim), norm, False)


@compose(Sample((_Z,)), Sample((_Z, 5, -1, "ortho")), spaces=_HERE, errors=_ONE)
def irfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """The inverse of `rfft`: n real numbers, 2·(m - 1) by default."""
    return _from_half(input, *_one(n, dim), norm, True)


@compose(Sample((_Z,)), Sample((_Z, 5)), spaces=_HERE, errors=_ONE)
def hfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """`fft` of a signal with x[-j] = conj(x[j]), given by its first half: n real numbers."""
    return _from_half(input, *_one(n, dim), norm, False)


@compose(Sample((_X,)), spaces=_HERE, errors=(*_ONE, Bad((_Z,), {}, RangeError, "real input")))
def ihfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """The inverse of `hfft`: the first half of `ifft` of real numbers."""
    return _to_half(input, *_one(n, dim), norm, True)


# ---- in several dimensions -----------------------------------------------------------------------

_MANY = (
    Bad((array(()),), {"dim": (0,)}, DimError, "has none"),
    Bad((_X,), {"dim": (0, 0)}, ShapeError, "more than once"),
    Bad((_X, (2,), (0, 1)), {}, ShapeError, "equally long"),
)
_LAST_TWO = (-2, -1)


@compose(Sample((_CUBE,)), Sample((_CUBE, (3, 3))), spaces=_HERE, errors=_MANY)
def fftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """`fft` along each of `dim` (all, or as many of the last as `s` has sizes)."""
    return _transform(input, s, dim, norm, False)


@compose(Sample((_CUBE,)), spaces=_HERE, errors=_MANY)
def ifftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """The inverse of `fftn`."""
    return _transform(input, s, dim, norm, True)


@compose(Sample((_X,)), spaces=_HERE, errors=_MANY)
def rfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """`fftn` of real numbers, without the redundant half of the last dimension."""
    return _to_half(input, s, dim, norm, False)


@compose(Sample((_CUBE,)), spaces=_HERE, errors=_MANY)
def irfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """The inverse of `rfftn`."""
    return _from_half(input, s, dim, norm, True)


@compose(Sample((_CUBE,)), spaces=_HERE, errors=_MANY)
def hfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """`fftn` of a Hermitian signal, given by the first half of its last dimension; real."""
    return _from_half(input, s, dim, norm, False)


@compose(Sample((_X,)), spaces=_HERE, errors=_MANY)
def ihfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """The inverse of `hfftn`."""
    return _to_half(input, s, dim, norm, True)


@compose(Sample((_CUBE,)), spaces=_HERE, errors=_MANY)
def fft2(input: Any, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None) -> Any:
    """`fftn` of the last two dimensions."""
    return op.fftn(input, s, dim, norm)


@compose(Sample((_CUBE,)), spaces=_HERE, errors=_MANY)
def ifft2(input: Any, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None) -> Any:
    """`ifftn` of the last two dimensions."""
    return op.ifftn(input, s, dim, norm)


@compose(Sample((_X,)), spaces=_HERE, errors=_MANY)
def rfft2(input: Any, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None) -> Any:
    """`rfftn` of the last two dimensions."""
    return op.rfftn(input, s, dim, norm)


@compose(Sample((_CUBE,)), spaces=_HERE, errors=_MANY)
def irfft2(input: Any, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None) -> Any:
    """`irfftn` of the last two dimensions."""
    return op.irfftn(input, s, dim, norm)


@compose(Sample((_CUBE,)), spaces=_HERE, errors=_MANY)
def hfft2(input: Any, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None) -> Any:
    """`hfftn` of the last two dimensions."""
    return op.hfftn(input, s, dim, norm)


@compose(Sample((_X,)), spaces=_HERE, errors=_MANY)
def ihfft2(input: Any, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None) -> Any:
    """`ihfftn` of the last two dimensions."""
    return op.ihfftn(input, s, dim, norm)


# ---- the order of frequencies --------------------------------------------------------------------


def _rolled(input: Any, dim: Any, inverse: bool) -> Any:
    dims = (
        tuple(range(input.ndim))
        if dim is None
        else tuple(one_dim(d, input.ndim) for d in ints(dim))
    )
    sizes = [input.shape[d] for d in dims]
    return op.roll(input, tuple((n + inverse) // 2 for n in sizes), dims)


@compose(Sample((_X,)), Sample((_X, 1)), spaces=_HERE)
def fftshift(input: Any, dim: Any = None) -> Any:
    """Frequencies in ascending order: zero comes to the middle of each of `dim`."""
    return _rolled(input, dim, False)


@compose(Sample((_X,)), Sample((_X, (1,))), spaces=_HERE)
def ifftshift(input: Any, dim: Any = None) -> Any:
    """The inverse of `fftshift`."""
    return _rolled(input, dim, True)
