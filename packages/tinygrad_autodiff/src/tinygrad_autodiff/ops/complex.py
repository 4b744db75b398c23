"""Complex numbers: parts, conjugation, polar form. None of these is holomorphic.

The gradient of a real loss with respect to z = x + iy is ∂/∂x + i·∂/∂y, as in torch. A map
L(t) = a·t + b·conj(t) of tangents has the adjoint conj(a)·g + b·conj(g) of gradients, for the
inner product Re(conj(u)·v).
Source: Kreutz-Delgado 2009, "The complex gradient operator and the CR-calculus".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import complex_dtype
from ..errors import DtypeError, GraphError, ShapeError, UnsupportedDtypeError
from ..op import Array, Bad, Elementwise, Op, Sample, compose, op
from ..samples import array
from .comparison import Sign

_Z = array((2, 3)) + 1j * array((2, 3), seed=1)
_FUNCTION = ("",)


class _Unary(Op):
    """A real-linear op of one input, with complex samples: tests/test_complex.py."""

    linear, holomorphic = True, False

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Complex numbers."""
        yield Sample((_Z,))
        yield Sample((_Z[0, 0],))


class Conj(_Unary, name="conj", aliases=("conj_physical",)):
    """Complex conjugate; of a real input the input itself. Adjoint: conj."""

    def forward(self, input: Array) -> Array:
        """Values."""
        return np.conjugate(input) if input.dtype.kind == "c" else input

    def backward(self, g: Any) -> Any:
        """Conjugated."""
        return op.conj(g)


class Real(_Unary, name="real", spaces=_FUNCTION):
    """Real part, on the same memory; of a real input the input itself.

    Adjoint: the complex number without imaginary part.
    """

    def forward(self, input: Array) -> Array:
        """Values, a view."""
        self.source = input.dtype
        return input.real if input.dtype.kind == "c" else input

    def backward(self, g: Any, source: Any) -> Any:
        """In the input's dtype."""
        return op.to(g, source)


class Imag(_Unary, name="imag", spaces=_FUNCTION):
    """Imaginary part, on the same memory. Adjoint: multiplication by i."""

    def forward(self, input: Array) -> Array:
        """Values, a view."""
        if input.dtype.kind != "c":
            raise GraphError(f"imag: expected a complex input, got {input.dtype}")
        return input.imag

    def backward(self, g: Any) -> Any:
        """On the imaginary axis."""
        return g * 1j

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A real input has no imaginary part to view."""
        yield Bad((array((3,)),), {}, GraphError, "expected a complex input")


class ViewAsReal(_Unary, name="view_as_real"):
    """(…) complex to (…, 2) real: both parts, on the same memory. Adjoint: view_as_complex."""

    def forward(self, input: Array) -> Array:
        """Values, a view."""
        if input.dtype.kind != "c":
            raise GraphError(f"view_as_real: expected a complex input, got {input.dtype}")
        pairs: Array = input[..., None].view(input.real.dtype)
        return pairs

    def backward(self, g: Any) -> Any:
        """The parts together."""
        return op.view_as_complex(g)

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A real input has no parts."""
        yield Bad((array((3,)),), {}, GraphError, "expected a complex input")


class ViewAsComplex(Op, name="view_as_complex"):
    """(…, 2) real to (…) complex, on the same memory if the pairs lie in it as such.

    Adjoint: view_as_real.
    """

    linear, holomorphic = True, False

    def forward(self, input: Array) -> Array:
        """Values, a view if possible."""
        if input.dtype not in (np.float32, np.float64):
            raise GraphError(f"view_as_complex: expected float32 or float64, got {input.dtype}")
        if not input.ndim or input.shape[-1] != 2:
            raise GraphError(f"view_as_complex: expected a last size of 2, got {input.shape}")
        if input.strides[-1] != input.itemsize:
            input = np.ascontiguousarray(input)
        numbers: Array = input.view(complex_dtype(input.dtype))[..., 0]
        return numbers

    def backward(self, g: Any) -> Any:
        """The parts."""
        return op.view_as_real(g)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Pairs."""
        yield Sample((array((3, 2)),))
        yield Sample((array((2,)),))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """No pairs."""
        yield Bad((array((3,)),), {}, GraphError, r"a last size of 2, got \(3,\)")


class Complex(Elementwise, name="complex", spaces=_FUNCTION):
    """``real + i·imag`` of two real tensors of one dtype. Adjoint: the two parts."""

    promote, numbers = None, "none"
    partials = (lambda t: t * (1 + 0j), lambda t: t * 1j)
    adjoints = (lambda t: op.real(t), lambda t: op.imag(t))

    @staticmethod
    def forward(real: Array, imag: Array) -> Array:
        """Values."""
        for part in (real, imag):
            if getattr(part, "dtype", None) not in (np.float16, np.float32, np.float64):
                raise UnsupportedDtypeError("complex: expected two tensors of a floating dtype")
        if real.dtype != imag.dtype:
            raise DtypeError(f"complex: expected one dtype, got {real.dtype} and {imag.dtype}")
        shape = np.broadcast_shapes(real.shape, imag.shape)
        out = np.empty(shape, complex_dtype(real.dtype))
        out.real, out.imag = real, imag
        return out

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """The same shape, and broadcast."""
        yield Sample((array((2, 3)), array((2, 3), seed=1)))
        yield Sample((array((2, 1)), array((3,), seed=1)))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Two dtypes, an integer, and shapes that do not broadcast."""
        x = array((3,))
        yield Bad((x, x.astype(np.float32)), {}, DtypeError, "expected one dtype")
        yield Bad((x, np.arange(3)), {}, DtypeError, "of a floating dtype")
        yield Bad((x, array((4,))), {}, ShapeError, r"\(3,\) and \(4,\)")


class Sgn(Elementwise, name="sgn"):
    """``z/|z|``, 0 at 0; of real numbers the sign.

    A tangent keeps what is perpendicular to z: L(t) = (t - s·Re(conj(s)·t))/|z|, s = out.
    """

    quiet = True
    partials = adjoints = (lambda t, input, out: _perpendicular(t, input, out),)

    @staticmethod
    def forward(input: Array) -> Array:
        """Values."""
        return np.sign(input) if input.dtype.kind == "c" else Sign.forward(input)


def _perpendicular(t: Any, z: Any, s: Any) -> Any:
    if z.dtype.kind != "c":
        return op.zeros_like(t)
    size = op.abs(z)
    return op.where(size == 0, 0.0, (t - s * op.real(op.conj(s) * t)) / size)


class Angle(Elementwise, name="angle"):
    """Phase of a complex number, in (-π, π]; of a real one 0 or π.  L(t) = Im(t/z), 0 at 0."""

    promote, quiet = "float", True
    partials = (lambda t, input: op.imag(t / input) if _turns(input) else op.zeros_like(t),)
    adjoints = (
        lambda t, input: (
            op.where(input == 0, 0.0, op.conj(t * 1j / input) * -1.0)
            if _turns(input)
            else op.zeros_like(t)
        ),
    )

    @staticmethod
    def forward(input: Array) -> Array:
        """Values; NaN of NaN."""
        if input.dtype.kind == "c":
            return np.angle(input)
        phase = np.where(input < 0, np.pi, 0.0)
        return np.where(np.isnan(input), input, phase).astype(input.dtype)


def _turns(z: Any) -> bool:
    return bool(z.dtype.kind == "c")


class Isreal(Elementwise, name="isreal"):
    """Whether the imaginary part is zero."""

    differentiable = False

    @staticmethod
    def forward(input: Array) -> Array:
        """Values."""
        return np.isreal(input)


@compose(Sample((array((3,), 0.5, 2), array((2, 3)))), spaces=_FUNCTION, numbers="none")
def polar(abs: Any, angle: Any) -> Any:
    """The complex number ``abs·exp(i·angle)``."""
    return op.complex(abs * op.cos(angle), abs * op.sin(angle))


@compose(Sample((_Z,)))
def resolve_conj(input: Any) -> Any:
    """The tensor itself: nothing is conjugated lazily here."""
    return input


@compose(Sample((_Z,)))
def resolve_neg(input: Any) -> Any:
    """The tensor itself: nothing is negated lazily here."""
    return input


@compose(Sample((array((2, 3)),)), Sample((_Z,)), spaces=("", "Tensor"))
def adjoint(input: Any) -> Any:
    """(…, m, n) to (…, n, m): transposed and conjugated."""
    return op.conj(op.transpose(input, -2, -1))


@compose(Sample((_Z,)))
def is_conj(input: Any) -> bool:
    """False: nothing is conjugated lazily here."""
    return False


@compose(Sample((_Z,)))
def is_neg(input: Any) -> bool:
    """False: nothing is negated lazily here."""
    return False
