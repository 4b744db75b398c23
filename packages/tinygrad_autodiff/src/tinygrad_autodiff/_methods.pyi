# ruff: noqa: E501
# fmt: off
# Written by `python -m tinygrad_autodiff.stubs` from the registry of operations. Do not edit.
from typing import Any as Any
from typing import Self

from .dtypes import Array as Array
from .tensor import Tensor

_Number = int | float | bool
_Bool = bool  # bool, int and float are methods too
_Int = int
_Float = float
_Operand = Tensor | Array | _Number
_Dims = int | tuple[int, ...] | list[int] | None

class Methods:
    def __rdiv__(self, other: Any) -> Tensor:
        """``other / input``, computed as in torch."""
        ...

    def abs(self) -> Tensor:
        """Absolute value; the derivative is sign(input), 0 at 0.

        Of a complex number a real one: L(t) = Re(conj(s)·t) with s = input/|input|, adjoint s·g.
        """
        ...

    def absolute(self) -> Tensor:
        """Absolute value; the derivative is sign(input), 0 at 0.

        Of a complex number a real one: L(t) = Re(conj(s)·t) with s = input/|input|, adjoint s·g.
        """
        ...

    def acos(self) -> Tensor:
        """Inverse cosine; ∂out/∂input = -(1 - input²)^(-1/2)."""
        ...

    def acosh(self) -> Tensor:
        """Inverse hyperbolic cosine; ∂out/∂input = (input² - 1)^(-1/2)."""
        ...

    def add(self, other: _Operand, *, alpha: _Number = 1) -> Tensor:
        """Sum, ``input + alpha * other``.

        ∂out/∂input = 1, ∂out/∂other = alpha.
        """
        ...

    def addbmm(self, batch1: Any, batch2: Any, beta: _Number = 1, alpha: _Number = 1) -> Tensor:
        """``beta·input + alpha·Σ batch1[i] @ batch2[i]``."""
        ...

    def addcdiv(self, tensor1: Any, tensor2: Any, value: Any = 1) -> Tensor:
        """``input + value·tensor1/tensor2``; of floating numbers."""
        ...

    def addcmul(self, tensor1: Any, tensor2: Any, value: Any = 1) -> Tensor:
        """``input + value·tensor1·tensor2``."""
        ...

    def addmm(self, mat1: Any, mat2: Any, beta: _Number = 1, alpha: _Number = 1) -> Tensor:
        """``beta·input + alpha·(mat1 @ mat2)``."""
        ...

    def addmv(self, mat: Any, vec: Any, beta: _Number = 1, alpha: _Number = 1) -> Tensor:
        """``beta·input + alpha·(mat @ vec)``."""
        ...

    def addr(self, vec1: Any, vec2: Any, beta: _Number = 1, alpha: _Number = 1) -> Tensor:
        """``beta·input + alpha·outer(vec1, vec2)``."""
        ...

    def adjoint(self) -> Tensor:
        """(…, m, n) to (…, n, m): transposed and conjugated."""
        ...

    def all(self, dim: _Dims = None, keepdim: _Bool = False) -> Tensor:
        """Whether all elements over `dim` are non-zero."""
        ...

    def allclose(self, other: Any, rtol: _Number = 1e-05, atol: _Number = 1e-08, equal_nan: _Bool = False) -> _Bool:
        """Whether all elements satisfy ``|input - other| <= atol + rtol·|other|``."""
        ...

    def amax(self, dim: _Dims = None, keepdim: _Bool = False) -> Tensor:
        """Maximum over `dim`; equal maxima share the gradient evenly."""
        ...

    def amin(self, dim: _Dims = None, keepdim: _Bool = False) -> Tensor:
        """Minimum over `dim`; equal minima share the gradient evenly."""
        ...

    def aminmax(self, dim: _Number | None = None, keepdim: _Bool = False) -> Any:
        """Minimum and maximum of all elements or along `dim`, as ``(min, max)``."""
        ...

    def angle(self) -> Tensor:
        """Phase of a complex number, in (-π, π]; of a real one 0 or π.  L(t) = Im(t/z), 0 at 0."""
        ...

    def any(self, dim: _Dims = None, keepdim: _Bool = False) -> Tensor:
        """Whether any element over `dim` is non-zero."""
        ...

    def arccos(self) -> Tensor:
        """Inverse cosine; ∂out/∂input = -(1 - input²)^(-1/2)."""
        ...

    def arccosh(self) -> Tensor:
        """Inverse hyperbolic cosine; ∂out/∂input = (input² - 1)^(-1/2)."""
        ...

    def arcsin(self) -> Tensor:
        """Inverse sine; ∂out/∂input = (1 - input²)^(-1/2)."""
        ...

    def arcsinh(self) -> Tensor:
        """Inverse hyperbolic sine; ∂out/∂input = (1 + input²)^(-1/2)."""
        ...

    def arctan(self) -> Tensor:
        """Inverse tangent; ∂out/∂input = 1/(1 + input²)."""
        ...

    def arctan2(self, other: _Operand) -> Tensor:
        """Angle of the point (other, input), in (-π, π].

        ∂out/∂input = other/(input² + other²), ∂out/∂other = -input/(input² + other²), 0 at (0, 0).
        """
        ...

    def arctanh(self) -> Tensor:
        """Inverse hyperbolic tangent; ∂out/∂input = 1/(1 - input²)."""
        ...

    def argmax(self, dim: _Number | None = None, keepdim: _Bool = False) -> Tensor:
        """Index of the first maximum along `dim`, or in the flattened input."""
        ...

    def argmin(self, dim: _Number | None = None, keepdim: _Bool = False) -> Tensor:
        """Index of the first minimum along `dim`, or in the flattened input."""
        ...

    def argsort(self, dim: _Number = -1, descending: _Bool = False, stable: _Bool = False) -> Tensor:
        """Indices that sort the input along `dim`; always stable."""
        ...

    def argwhere(self) -> Tensor:
        """The indices of the elements that are not 0, one a row."""
        ...

    def as_strided(self, size: Any, stride: Any, storage_offset: _Number | None = None) -> Tensor:
        """The memory of `input` in given sizes and strides (in elements), from a given start on.

        The start counts from the first element of the memory; by default it is the input's own.
        """
        ...

    def as_strided_scatter(self, src: Any, size: Any, stride: Any, storage_offset: _Number | None = None) -> Tensor:
        """A copy of `input` with `src` where `as_strided` would look."""
        ...

    def asin(self) -> Tensor:
        """Inverse sine; ∂out/∂input = (1 - input²)^(-1/2)."""
        ...

    def asinh(self) -> Tensor:
        """Inverse hyperbolic sine; ∂out/∂input = (1 + input²)^(-1/2)."""
        ...

    def atan(self) -> Tensor:
        """Inverse tangent; ∂out/∂input = 1/(1 + input²)."""
        ...

    def atan2(self, other: _Operand) -> Tensor:
        """Angle of the point (other, input), in (-π, π].

        ∂out/∂input = other/(input² + other²), ∂out/∂other = -input/(input² + other²), 0 at (0, 0).
        """
        ...

    def atanh(self) -> Tensor:
        """Inverse hyperbolic tangent; ∂out/∂input = 1/(1 - input²)."""
        ...

    def baddbmm(self, batch1: Any, batch2: Any, beta: _Number = 1, alpha: _Number = 1) -> Tensor:
        """``beta·input + alpha·(batch1 @ batch2)``."""
        ...

    def bernoulli(self, p: _Number | None = None, generator: Any = None) -> Tensor:
        """1 with probability `p`, or with the probability that each element states; else 0."""
        ...

    def bernoulli_(self, p: Any = 0.5, generator: Any = None) -> Tensor:
        """Fill with 1 with probability `p` (a number, or a tensor of them), else 0."""
        ...

    def bincount(self, weights: Any = None, minlength: _Number = 0) -> Tensor:
        """How often each whole number from 0 on occurs, or the sum of the weights where it does."""
        ...

    def bitwise_and(self, other: _Operand) -> Tensor:
        """Bits that are set in both; of truth values, both."""
        ...

    def bitwise_left_shift(self, other: _Operand) -> Tensor:
        """``input·2^other`` of integers."""
        ...

    def bitwise_not(self) -> Tensor:
        """All bits flipped; of truth values, the opposite."""
        ...

    def bitwise_or(self, other: _Operand) -> Tensor:
        """Bits that are set in one or both; of truth values, at least one."""
        ...

    def bitwise_right_shift(self, other: _Operand) -> Tensor:
        """``input/2^other`` of integers, rounded down."""
        ...

    def bitwise_xor(self, other: _Operand) -> Tensor:
        """Bits that are set in exactly one; of truth values, exactly one."""
        ...

    def bmm(self, mat2: Any) -> Tensor:
        """``out[b] = input[b]·mat2[b]`` of (B, n, m) and (B, m, p), without broadcasting."""
        ...

    def bool(self, memory_format: Any = None) -> Tensor:
        """The elements as bool; the layout is NumPy's choice."""
        ...

    def broadcast_to(self, *size: _Int | tuple[_Int, ...] | list[_Int]) -> Tensor:
        """Repeated along dimensions of size 1 and new leading ones, without a copy; -1 keeps."""
        ...

    def byte(self, memory_format: Any = None) -> Tensor:
        """The elements as uint8; the layout is NumPy's choice."""
        ...

    def cauchy_(self, median: _Number = 0, sigma: _Number = 1, generator: Any = None) -> Tensor:
        """Fill with numbers of the density ``sigma/π / (sigma² + (x - median)²)``."""
        ...

    def cdouble(self, memory_format: Any = None) -> Tensor:
        """The elements as complex128; the layout is NumPy's choice."""
        ...

    def ceil(self) -> Tensor:
        """``⌈input⌉``; slope 0."""
        ...

    def cfloat(self, memory_format: Any = None) -> Tensor:
        """The elements as complex64; the layout is NumPy's choice."""
        ...

    def char(self, memory_format: Any = None) -> Tensor:
        """The elements as int8; the layout is NumPy's choice."""
        ...

    def cholesky(self, upper: _Bool = False) -> Tensor:
        """The lower L with L·Lᴴ = A (or the upper U with Uᴴ·U = A) of positive definite matrices.

        Reads that triangle only. dL = L·Φ(L⁻¹·dA·L⁻ᴴ), Φ: the lower triangle, its diagonal halved.
        The gradient is Hermitian.
        """
        ...

    def cholesky_inverse(self, upper: _Bool = False) -> Tensor:
        """(L·Lᴴ)⁻¹, or (Uᴴ·U)⁻¹ if `upper`; one triangle is read."""
        ...

    def cholesky_solve(self, L: Any, upper: _Bool = False) -> Tensor:
        """The X with L·Lᴴ·X = input, or UᴴU·X = input if `upper`; one triangle is read."""
        ...

    def chunk(self, chunks: _Number, dim: _Number = 0) -> tuple[Tensor, ...]:
        """At most `chunks` parts of equal size (the last may be smaller) along `dim`."""
        ...

    def clamp(self, min: _Operand | None = None, max: _Operand | None = None) -> Tensor:
        """``min(max(input, min), max)``; either bound may be None, a number or a tensor.

        The gradient goes to the input between the bounds, to a bound beyond it. On a bound the input
        gets none if that is a number, and half if it is a tensor, as in torch 2.15.
        """
        ...

    def clamp_max(self, other: _Operand) -> Tensor:
        """The smaller of `input` and `max`; the gradient as `clamp` has it."""
        ...

    def clamp_min(self, other: _Operand) -> Tensor:
        """The larger of `input` and `min`; the gradient as `clamp` has it."""
        ...

    def clip(self, min: _Operand | None = None, max: _Operand | None = None) -> Tensor:
        """``min(max(input, min), max)``; either bound may be None, a number or a tensor.

        The gradient goes to the input between the bounds, to a bound beyond it. On a bound the input
        gets none if that is a number, and half if it is a tensor, as in torch 2.15.
        """
        ...

    def clone(self, memory_format: Any = None) -> Tensor:
        """A copy with memory of its own."""
        ...

    def conj(self) -> Tensor:
        """Complex conjugate; of a real input the input itself. Adjoint: conj."""
        ...

    def conj_physical(self) -> Tensor:
        """Complex conjugate; of a real input the input itself. Adjoint: conj."""
        ...

    def contiguous(self, memory_format: Any = None) -> Tensor:
        """The tensor itself if its elements are in row-major order, else a copy in which they are."""
        ...

    def copysign(self, other: _Operand) -> Tensor:
        """The size of `input` with the sign of `other`; ∂out/∂input = ±1, 0 at 0."""
        ...

    def corrcoef(self) -> Tensor:
        """``C[i, j]/√(C[i, i]·C[j, j])``, C the covariances of rows over columns."""
        ...

    def cos(self) -> Tensor:
        """Cosine; ∂out/∂input = -sin(input)."""
        ...

    def cosh(self) -> Tensor:
        """Hyperbolic cosine; ∂out/∂input = sinh(input)."""
        ...

    def count_nonzero(self, dim: _Dims = None) -> Tensor:
        """Number of elements over `dim` that are not zero."""
        ...

    def cov(self, correction: _Number = 1, fweights: Any = None, aweights: Any = None) -> Tensor:
        """Covariance of variables (rows) over observations (columns).

        Observation i counts fweights[i] times (integers) with the weight aweights[i] (floating); the
        divisor is Σw - correction·Σ(w·aweights)/Σw with w their product.
        """
        ...

    def cpu(self, memory_format: Any = None) -> Tensor:
        """The tensor itself: it lives nowhere else."""
        ...

    def cross(self, other: Any, dim: _Number | None = None) -> Tensor:
        """`linalg.cross`; without `dim` along the first dimension of size 3."""
        ...

    def cummax(self, dim: _Number) -> Any:
        """Running maximum along `dim` and the index of the last element that attains it."""
        ...

    def cummin(self, dim: _Number) -> Any:
        """Running minimum along `dim` and the index of the last element that attains it."""
        ...

    def cumprod(self, dim: _Number, dtype: Any = None) -> Tensor:
        """Running product along `dim`; zeros need no special case, as no rule divides."""
        ...

    def cumsum(self, dim: _Number, dtype: Any = None) -> Tensor:
        """Running sum along `dim`.  Adjoint: the running sum from the other end."""
        ...

    def deg2rad(self) -> Tensor:
        """Degrees to radians; ∂out/∂input = π/180."""
        ...

    def det(self) -> Tensor:
        """Determinant of square matrices; d det = Σ C∘dA with the cofactors C = det(A)·A⁻ᵀ."""
        ...

    def diag(self, diagonal: _Number = 0) -> Tensor:
        """The matrix with a vector on its diagonal, or the diagonal of a matrix."""
        ...

    def diag_embed(self, offset: _Number = 0, dim1: _Number = -2, dim2: _Number = -1) -> Tensor:
        """Matrices in `dim1` and `dim2` with the last dimension of `input` on a diagonal, else 0."""
        ...

    def diagflat(self, offset: _Number = 0) -> Tensor:
        """The matrix with all elements of `input` on its diagonal."""
        ...

    def diagonal(self, offset: _Number = 0, dim1: _Number = 0, dim2: _Number = 1) -> Tensor:
        """The elements ``input[…, i, i + offset]`` of the matrices in `dim1` and `dim2`, put last."""
        ...

    def diagonal_scatter(self, src: Any, offset: _Number = 0, dim1: _Number = 0, dim2: _Number = 1) -> Tensor:
        """A copy of `input` with `src` on a diagonal; see diagonal."""
        ...

    def diff(self, n: _Number = 1, dim: _Number = -1, prepend: Any = None, append: Any = None) -> Tensor:
        """Differences of neighbours along `dim`, `n` times; of truth values, whether they differ."""
        ...

    def digamma(self) -> Tensor:
        """Logarithmic derivative of Γ; its own is trigamma, polygamma(1)."""
        ...

    def dist(self, other: Any, p: _Number = 2) -> Tensor:
        """`vector_norm` of ``input - other`` of order `p`, over all elements."""
        ...

    def div(self, other: _Operand) -> Tensor:
        """Quotient, ``input / other``; of integers a floating quotient.

        ∂out/∂input = 1/other, ∂out/∂other = -input/other². ``rounding_mode="trunc"`` or ``"floor"``
        rounds it, and the derivative is 0.
        """
        ...

    def divide(self, other: _Operand) -> Tensor:
        """Quotient, ``input / other``; of integers a floating quotient.

        ∂out/∂input = 1/other, ∂out/∂other = -input/other². ``rounding_mode="trunc"`` or ``"floor"``
        rounds it, and the derivative is 0.
        """
        ...

    def dot(self, tensor: Any) -> Tensor:
        """``Σ input[i]·tensor[i]`` of two vectors of one length."""
        ...

    def double(self, memory_format: Any = None) -> Tensor:
        """The elements as float64; the layout is NumPy's choice."""
        ...

    def dsplit(self, indices_or_sections: Any) -> tuple[Tensor, ...]:
        """Parts along the third dimension; a number has to divide it."""
        ...

    def eq(self, other: _Operand) -> Tensor:
        """Whether ``input == other``."""
        ...

    def equal(self, other: Any) -> _Bool:
        """Whether shapes and all elements are equal."""
        ...

    def erf(self) -> Tensor:
        """Error function, 2/√π · ∫₀ˣ exp(-s²) ds; ∂out/∂input = 2/√π · exp(-input²)."""
        ...

    def erfc(self) -> Tensor:
        """``1 - erf(input)``, without cancellation; ∂out/∂input = -2/√π · exp(-input²)."""
        ...

    def erfinv(self) -> Tensor:
        """The y with erf(y) = input; ∂out/∂input = √π/2 · exp(out²)."""
        ...

    def exp(self) -> Tensor:
        """Exponential; ∂out/∂input = out."""
        ...

    def exp2(self) -> Tensor:
        """``2**input``; ∂out/∂input = out·ln 2."""
        ...

    def expand(self, *size: _Int | tuple[_Int, ...] | list[_Int]) -> Tensor:
        """Repeated along dimensions of size 1 and new leading ones, without a copy; -1 keeps."""
        ...

    def expand_as(self, other: Any) -> Tensor:
        """`input` repeated to the shape of `other`; see expand."""
        ...

    def expm1(self) -> Tensor:
        """``exp(input) - 1``, exact near 0; ∂out/∂input = out + 1."""
        ...

    def exponential_(self, lambd: _Number = 1, generator: Any = None) -> Tensor:
        """Fill with numbers of the density ``lambd * exp(-lambd * x)``."""
        ...

    def fill_diagonal_(self, fill_value: Any, wrap: _Bool = False) -> Tensor:
        """Write `fill_value` at (i, i, …); with `wrap` again below, after a row left out."""
        ...

    def fix(self) -> Tensor:
        """``sign(input)·⌊|input|⌋``, the whole part; slope 0."""
        ...

    def flatten(self, start_dim: _Number = 0, end_dim: _Number = -1) -> Tensor:
        """Dimensions `start_dim` to `end_dim` made one; the tensor itself if they are one."""
        ...

    def flip(self, *dims: _Int | tuple[_Int, ...] | list[_Int]) -> Tensor:
        """Reversed along `dims`."""
        ...

    def fliplr(self) -> Tensor:
        """Columns in reverse order."""
        ...

    def flipud(self) -> Tensor:
        """Rows in reverse order."""
        ...

    def float(self, memory_format: Any = None) -> Tensor:
        """The elements as float32; the layout is NumPy's choice."""
        ...

    def float_power(self, exponent: Any) -> Tensor:
        """``input ** exponent`` computed in float64 (complex128 for complex operands)."""
        ...

    def floor(self) -> Tensor:
        """``⌊input⌋``; slope 0."""
        ...

    def floor_divide(self, other: _Operand) -> Tensor:
        """``⌊input/other⌋``."""
        ...

    def fmax(self, other: _Operand) -> Tensor:
        """The larger of two; of a number and NaN the number. In a tie `input` gets the gradient."""
        ...

    def fmin(self, other: _Operand) -> Tensor:
        """The smaller of two; of a number and NaN the number. In a tie `input` gets the gradient."""
        ...

    def fmod(self, other: _Operand) -> Tensor:
        """``input - trunc(input/other)·other``: has the sign of `input`."""
        ...

    def frac(self) -> Tensor:
        """What is behind the decimal point, with the sign of the input; ∂out/∂input = 1."""
        ...

    def frexp(self) -> Tensor:
        """Mantissa in ±[1/2, 1) and int32 exponent: ``input = mantissa·2^exponent``.

        ∂mantissa/∂input = 2^(-exponent).
        """
        ...

    def gather(self, dim: _Number, index: Any, sparse_grad: _Bool = False) -> Tensor:
        """``out[i][j] = input[index[i][j]][j]`` along `dim` (here 0): one element per index."""
        ...

    def gcd(self, other: _Operand) -> Tensor:
        """Greatest common divisor of integers."""
        ...

    def ge(self, other: _Operand) -> Tensor:
        """Whether ``input >= other``."""
        ...

    def geometric_(self, p: _Number, generator: Any = None) -> Tensor:
        """Fill with how many trials of probability `p` there are up to the first success."""
        ...

    def geqrf(self) -> Tensor:
        """The factors Q·R of a matrix as LAPACK leaves them: see `householder_product`."""
        ...

    def ger(self, vec2: Any) -> Tensor:
        """``out[i, j] = input[i]·vec2[j]`` of two vectors."""
        ...

    def greater(self, other: _Operand) -> Tensor:
        """Whether ``input > other``."""
        ...

    def greater_equal(self, other: _Operand) -> Tensor:
        """Whether ``input >= other``."""
        ...

    def gt(self, other: _Operand) -> Tensor:
        """Whether ``input > other``."""
        ...

    def half(self, memory_format: Any = None) -> Tensor:
        """The elements as float16; the layout is NumPy's choice."""
        ...

    def hardshrink(self, lambd: _Number = 0.5) -> Tensor:
        """``input`` outside [-lambd, lambd], else 0."""
        ...

    def hash_tensor(self, dim: _Dims = None, keepdim: _Bool = False, mode: _Number = 0) -> Tensor:
        """All elements over `dim`, widened to 64 bits, combined by a bitwise exclusive "or"."""
        ...

    def heaviside(self, values: _Operand) -> Tensor:
        """0 where input < 0, 1 where it is > 0, and `values` where it is 0."""
        ...

    def histc(self, bins: _Number = 100, min: _Number = 0, max: _Number = 0) -> Tensor:
        """Number of elements in each of `bins` bins of equal width from `min` to `max`.

        If they are equal, from the least to the largest element. Elements outside are not counted.
        """
        ...

    def histogram(self, bins: Any, range: Any = None, weight: Any = None, density: _Bool = False) -> Any:
        """Histogram over `bins` equal bins of a `range`, or over bins of given edges.

        A bin holds its lower edge, the last one both. `weight` counts each element as that much;
        `density` divides by total and width, so that the integral is 1.
        """
        ...

    def hsplit(self, indices_or_sections: Any) -> tuple[Tensor, ...]:
        """Parts along the second dimension, or along the only one; a number has to divide it."""
        ...

    def hypot(self, other: _Operand) -> Tensor:
        """``(input² + other²)^(1/2)`` without overflow; ∂out/∂x = x/out."""
        ...

    def i0(self) -> Tensor:
        """Modified Bessel function I₀; ∂out/∂input = I₁."""
        ...

    def igamma(self, other: _Operand) -> Tensor:
        """Regularised lower incomplete gamma function, ∫₀^other s^(a-1)·e^(-s) ds / Γ(a), a = input.

        ∂out/∂other = other^(a-1)·e^(-other)/Γ(a).
        """
        ...

    def igammac(self, other: _Operand) -> Tensor:
        """Regularised upper incomplete gamma function, 1 - igamma(input, other)."""
        ...

    def index_add(self, dim: _Number, index: Any, source: Any, alpha: _Number = 1) -> Tensor:
        """A copy of `input` with ``alpha * source`` added to the slices `index` of `dim`."""
        ...

    def index_copy(self, dim: _Number, index: Any, source: Any) -> Tensor:
        """A copy of `input` with `source` as the slices `index` of `dim`."""
        ...

    def index_fill(self, dim: _Number, index: Any, value: Any) -> Tensor:
        """A copy of `input` with `value` in the slices `index` of `dim`."""
        ...

    def index_put(self, indices: Any, values: Any, accumulate: _Bool = False) -> Tensor:
        """A copy of `input` with `values` at ``input[indices]``, or added there with `accumulate`."""
        ...

    def index_reduce(self, dim: _Number, index: Any, source: Any, reduce: str, include_self: _Bool = True) -> Tensor:
        """The slices of `source` reduced into the slices `index` of `dim`; see scatter_reduce."""
        ...

    def index_select(self, dim: _Number, index: Any) -> Tensor:
        """The slices `index` of `dim`, in that order."""
        ...

    def inner(self, other: Any) -> Tensor:
        """Products summed over the last dimensions of both; of numbers plain products."""
        ...

    def int(self, memory_format: Any = None) -> Tensor:
        """The elements as int32; the layout is NumPy's choice."""
        ...

    def inverse(self) -> Tensor:
        """A⁻¹ of square matrices; dA⁻¹ = -A⁻¹·dA·A⁻¹."""
        ...

    def is_conj(self) -> Tensor:
        """False: nothing is conjugated lazily here."""
        ...

    def is_neg(self) -> Tensor:
        """False: nothing is negated lazily here."""
        ...

    def isclose(self, other: _Operand, rtol: _Number = 1e-05, atol: _Number = 1e-08, equal_nan: _Bool = False) -> Tensor:
        """Whether ``|input - other| <= atol + rtol·|other|``, or both are the same infinity."""
        ...

    def isfinite(self) -> Tensor:
        """Whether the element is neither infinite nor NaN."""
        ...

    def isinf(self) -> Tensor:
        """Whether the element is infinite."""
        ...

    def isnan(self) -> Tensor:
        """Whether the element is NaN."""
        ...

    def isneginf(self) -> Tensor:
        """Whether the element is -Inf."""
        ...

    def isposinf(self) -> Tensor:
        """Whether the element is +Inf."""
        ...

    def isreal(self) -> Tensor:
        """Whether the imaginary part is zero."""
        ...

    def istft(self, n_fft: _Number, hop_length: _Number | None = None, win_length: _Number | None = None, window: Any = None, center: _Bool = True, normalized: _Bool = False, onesided: _Number | None = None, length: _Number | None = None, return_complex: _Bool = False) -> Tensor:
        """The signal of least squares whose `stft` is nearest to `input`, (…, frequency, frame).

        Each frame is transformed back, windowed again and added up; the sum is divided by that of the
        squared windows, which must not vanish.
        """
        ...

    def kron(self, other: Any) -> Tensor:
        """The Kronecker product: every element of `input` times the whole of `other`."""
        ...

    def kthvalue(self, k: _Number, dim: _Number = -1, keepdim: _Bool = False) -> Any:
        """The k-th smallest element along `dim` (the first is k = 1), and where it stood."""
        ...

    def lcm(self, other: _Operand) -> Tensor:
        """Least common multiple of integers."""
        ...

    def ldexp(self, other: Any) -> Tensor:
        """``input·2^other``."""
        ...

    def le(self, other: _Operand) -> Tensor:
        """Whether ``input <= other``."""
        ...

    def lerp(self, end: _Operand, weight: _Operand) -> Tensor:
        """``input + weight·(end - input)``, the weight a number or a tensor.

        ∂out/∂input = 1 - weight, ∂out/∂end = weight, ∂out/∂weight = end - input.
        """
        ...

    def less(self, other: _Operand) -> Tensor:
        """Whether ``input < other``."""
        ...

    def less_equal(self, other: _Operand) -> Tensor:
        """Whether ``input <= other``."""
        ...

    def lgamma(self) -> Tensor:
        """``log |Γ(input)|``; ∂out/∂input = digamma(input)."""
        ...

    def log(self) -> Tensor:
        """Natural logarithm; ∂out/∂input = 1/input."""
        ...

    def log10(self) -> Tensor:
        """Logarithm to base 10; ∂out/∂input = 1/(input·ln 10)."""
        ...

    def log1p(self) -> Tensor:
        """``log(1 + input)``, exact near 0; ∂out/∂input = 1/(1 + input)."""
        ...

    def log2(self) -> Tensor:
        """Logarithm to base 2; ∂out/∂input = 1/(input·ln 2)."""
        ...

    def log_normal_(self, mean: _Number = 1, std: _Number = 2, generator: Any = None) -> Tensor:
        """Fill with numbers whose logarithms are normal."""
        ...

    def log_softmax(self, dim: _Number, dtype: Any = None) -> Tensor:
        """``x - log Σexp(x)`` along `dim`.  Rules: g - s·Σg backward, t - Σ s·t forward."""
        ...

    def logaddexp(self, other: _Operand) -> Tensor:
        """``log(exp(input) + exp(other))``; ∂out/∂input = 1/(1 + exp(other - input))."""
        ...

    def logaddexp2(self, other: _Operand) -> Tensor:
        """``log2(2^input + 2^other)``; ∂out/∂input = 1/(1 + 2^(other - input))."""
        ...

    def logcumsumexp(self, dim: _Number) -> Tensor:
        """``log Σexp`` of the elements up to each one along `dim`, without overflow."""
        ...

    def logdet(self) -> Tensor:
        """``log det(A)`` of (…, n, n); NaN where the determinant of a real matrix is negative."""
        ...

    def logical_and(self, other: _Operand) -> Tensor:
        """Whether both are non-zero."""
        ...

    def logical_not(self) -> Tensor:
        """Whether the input is zero."""
        ...

    def logical_or(self, other: _Operand) -> Tensor:
        """Whether at least one is non-zero."""
        ...

    def logical_xor(self, other: _Operand) -> Tensor:
        """Whether exactly one is non-zero."""
        ...

    def logit(self, eps: _Number | None = None) -> Tensor:
        """``log(p/(1 - p))`` of `input` clamped to [eps, 1 - eps]; NaN outside [0, 1] without eps.

        ∂out/∂input = 1/(p·(1 - p)), 0 where it was clamped.
        """
        ...

    def logsumexp(self, dim: _Dims, keepdim: _Bool = False) -> Tensor:
        """``log Σexp(x)`` over `dim`; ∂out/∂x = exp(x - out)."""
        ...

    def long(self, memory_format: Any = None) -> Tensor:
        """The elements as int64; the layout is NumPy's choice."""
        ...

    def lt(self, other: _Operand) -> Tensor:
        """Whether ``input < other``."""
        ...

    def lu(self, pivot: _Bool = True, get_infos: _Bool = False) -> Tensor:
        """Packed factors and pivots (and failures, if `get_infos`); see `lu_factor_ex`."""
        ...

    def lu_solve(self, LU_data: Any, LU_pivots: Any) -> Tensor:
        """The older `linalg.lu_solve`, with the right side first."""
        ...

    def masked_fill(self, mask: Any, value: Any) -> Tensor:
        """`input` with `value` where the mask is true; both are broadcast."""
        ...

    def masked_scatter(self, mask: Any, source: Any) -> Tensor:
        """`input` with the elements of `source`, in their order, where the mask is true."""
        ...

    def masked_select(self, mask: Any) -> Tensor:
        """The elements of `input` where the mask is true, as a vector; both are broadcast."""
        ...

    def matmul(self, other: Any) -> Tensor:
        """Matrix product: of vectors the dot product, of more dimensions batched and broadcast."""
        ...

    def matrix_exp(self) -> Tensor:
        """exp(A) = Σ Aᵏ/k! of square matrices, by scaling, Padé approximation and squaring.

        The derivative in direction T is the upper right block of exp([[A, T], [0, A]]).
        """
        ...

    def matrix_power(self, n: _Number) -> Tensor:
        """The product of |n| copies of a square matrix, or of its inverse if n < 0."""
        ...

    def max(self, dim: Any = None, keepdim: _Bool = False, other: Any = None) -> Any:
        """Maximum of all elements; with `dim` values and indices; with a tensor `maximum`."""
        ...

    def maximum(self, other: _Operand) -> Tensor:
        """The larger of two; where they are equal each gets half of the gradient. NaN wins."""
        ...

    def mean(self, dim: _Dims = None, keepdim: _Bool = False, dtype: Any = None) -> Tensor:
        """Arithmetic mean over `dim`, of floating inputs.  Adjoint: repeat, divided by the count."""
        ...

    def median(self, dim: _Number | None = None, keepdim: _Bool = False) -> Any:
        """The lower median of all elements, or with its place along `dim`; NaN where there is one.

        Of all elements: equal ones share the gradient. Along `dim`: the chosen one gets it.
        """
        ...

    def min(self, dim: Any = None, keepdim: _Bool = False, other: Any = None) -> Any:
        """Minimum of all elements; with `dim` values and indices; with a tensor `minimum`."""
        ...

    def minimum(self, other: _Operand) -> Tensor:
        """The smaller of two; where they are equal each gets half of the gradient. NaN wins."""
        ...

    def mm(self, mat2: Any) -> Tensor:
        """``out[i, j] = Σ_k input[i, k]·mat2[k, j]`` of (n, m) and (m, p), without broadcasting."""
        ...

    def mode(self, dim: _Number = -1, keepdim: _Bool = False) -> Any:
        """The most frequent element along `dim`, of several the smallest, and where it is last."""
        ...

    def moveaxis(self, source: Any, destination: Any) -> Tensor:
        """Dimensions at `source` moved to `destination`, the others in order."""
        ...

    def movedim(self, source: Any, destination: Any) -> Tensor:
        """Dimensions at `source` moved to `destination`, the others in order."""
        ...

    def msort(self) -> Tensor:
        """The input sorted along its first dimension."""
        ...

    def mul(self, other: _Operand) -> Tensor:
        """Product, ``input * other``.

        ∂out/∂input = other, ∂out/∂other = input.
        """
        ...

    def multinomial(self, num_samples: _Number, replacement: _Bool = False, generator: Any = None) -> Tensor:
        """`num_samples` indices a row, each chosen with the probability in proportion to its element.

        Without replacement no index comes twice: those of the largest p/e, e exponentially distributed
        (Efraimidis & Spirakis 2006).
        """
        ...

    def multiply(self, other: _Operand) -> Tensor:
        """Product, ``input * other``.

        ∂out/∂input = other, ∂out/∂other = input.
        """
        ...

    def mv(self, vec: Any) -> Tensor:
        """``out[i] = Σ_j input[i, j]·vec[j]`` of (n, m) and (m,)."""
        ...

    def mvlgamma(self, p: _Number) -> Tensor:
        """Log of the p-dimensional gamma function, p(p-1)/4·log π + Σ_{j<p} lgamma(input - j/2)."""
        ...

    def nan_to_num(self, nan: _Number = 0.0, posinf: _Number | None = None, neginf: _Number | None = None) -> Tensor:
        """NaN replaced by `nan`, infinities by `posinf`/`neginf` (the extremes of the dtype).

        ∂out/∂input = 1, 0 where a value was replaced.
        """
        ...

    def nanmean(self, dim: _Dims = None, keepdim: _Bool = False, dtype: Any = None) -> Tensor:
        """Mean over `dim` of the elements that are not NaN."""
        ...

    def nanmedian(self, dim: _Number | None = None, keepdim: _Bool = False) -> Any:
        """`median` of the elements that are not NaN; NaN where there is none."""
        ...

    def nanquantile(self, q: Any, dim: _Number | None = None, keepdim: _Bool = False, interpolation: str = 'linear') -> Tensor:
        """`quantile` of the elements that are not NaN; NaN where there is none."""
        ...

    def nansum(self, dim: _Dims = None, keepdim: _Bool = False, dtype: Any = None) -> Tensor:
        """Sum over `dim` with NaN counted as 0."""
        ...

    def narrow(self, dim: _Number, start: Any, length: _Number) -> Tensor:
        """`length` slices of `dim` from `start` on, which may be negative or a 0-d tensor."""
        ...

    def narrow_copy(self, dim: _Number, start: Any, length: _Number) -> Tensor:
        """`narrow` with memory of its own; a `dim` too large is a ShapeError, as torch has it."""
        ...

    def ne(self, other: _Operand) -> Tensor:
        """Whether ``input != other``."""
        ...

    def neg(self) -> Tensor:
        """Negative, ``-input``; ∂out/∂input = -1."""
        ...

    def negative(self) -> Tensor:
        """Negative, ``-input``; ∂out/∂input = -1."""
        ...

    def new_empty(self, *size: Any, dtype: Any = None, requires_grad: _Bool = False, **place: Any) -> Tensor:
        """Memory as it comes, of the dtype of `input`; sizes one by one or as one sequence."""
        ...

    def new_empty_strided(self, size: Any, stride: Any, dtype: Any = None, requires_grad: _Bool = False, device: Any = None, layout: Any = None, pin_memory: _Bool = False) -> Tensor:
        """Memory as it comes, of the dtype of `input`, with strides counted in elements."""
        ...

    def new_full(self, size: Any, fill_value: Any, dtype: Any = None, requires_grad: _Bool = False, device: Any = None, layout: Any = None, pin_memory: _Bool = False) -> Tensor:
        """`fill_value` everywhere, in the dtype of `input`."""
        ...

    def new_ones(self, *size: Any, dtype: Any = None, requires_grad: _Bool = False, **place: Any) -> Tensor:
        """Ones of the dtype of `input`; sizes one by one or as one sequence."""
        ...

    def new_tensor(self, data: Any, dtype: Any = None, requires_grad: _Bool = False, device: Any = None) -> Tensor:
        """A leaf with a copy of `data`, in the dtype of `input` unless another is given."""
        ...

    def new_zeros(self, *size: Any, dtype: Any = None, requires_grad: _Bool = False, **place: Any) -> Tensor:
        """Zeros of the dtype of `input`; sizes one by one or as one sequence."""
        ...

    def nextafter(self, other: _Operand) -> Tensor:
        """The next number from `input` in the direction of `other`; ∂out/∂input = 1, 0 where equal."""
        ...

    def nonzero(self, as_tuple: _Bool = False) -> Any:
        """The indices of the elements that are not 0, one a row; or one vector per dimension."""
        ...

    def nonzero_static(self, size: _Number, fill_value: _Number = -1) -> Tensor:
        """`nonzero` with `size` rows: cut off, or filled up with `fill_value`."""
        ...

    def norm(self, p: Any = 'fro', dim: _Dims = None, keepdim: _Bool = False, dtype: Any = None) -> Any:
        """`vector_norm` of order `p` over `dim`; "fro" is 2, and "nuc" the nuclear `matrix_norm`."""
        ...

    def normal_(self, mean: _Number = 0, std: _Number = 1, generator: Any = None) -> Tensor:
        """Fill with normal numbers."""
        ...

    def not_equal(self, other: _Operand) -> Tensor:
        """Whether ``input != other``."""
        ...

    def orgqr(self, tau: Any) -> Tensor:
        """The first n columns of H₁·H₂·…·H_k, H_i = 1 - τ_i·v_i·v_iᴴ.

        v_i is 0 above, 1 at, and column i of `input` (…, m, n) below its element i.
        """
        ...

    def ormqr(self, tau: Any, other: Any, left: _Bool = True, transpose: _Bool = False) -> Tensor:
        """Q·other (or other·Q, or with Qᴴ), Q the m × m product of the reflections of `geqrf`."""
        ...

    def outer(self, vec2: Any) -> Tensor:
        """``out[i, j] = input[i]·vec2[j]`` of two vectors."""
        ...

    def permute(self, *dims: Any) -> Tensor:
        """Dimensions in another order: ``out.shape[i] = input.shape[dims[i]]``."""
        ...

    def pinverse(self, rcond: _Number = 1e-15) -> Tensor:
        """`linalg.pinv` with another default for `rcond`."""
        ...

    def polygamma(self, input: Any) -> Tensor:
        """The n-th derivative of digamma; the method is called ``x.polygamma(n)``."""
        ...

    def positive(self) -> Tensor:
        """The input itself; ∂out/∂input = 1."""
        ...

    def pow(self, other: _Operand) -> Tensor:
        """Power, ``input ** exponent``, complex ones too.

        ∂out/∂input = exponent·input^(exponent-1), 0 where exponent = 0;
        ∂out/∂exponent = out·ln(input), 0 where input = 0 and exponent > 0.
        """
        ...

    def prelu(self, weight: Any) -> Tensor:
        """``input`` above 0, else ``weight·input``: one weight, or one for each channel (dimension 1).

        He et al. 2015.
        """
        ...

    def prod(self, dim: _Number | None = None, keepdim: _Bool = False, dtype: Any = None) -> Tensor:
        """Product over one dimension or all, by halving; integers multiply to int64.

        The derivative is that of the pairwise products, so zeros in the input need no special case.
        """
        ...

    def put(self, index: Any, source: Any, accumulate: _Bool = False) -> Tensor:
        """A copy of `input` with `source` at the flat places `index`, or added with `accumulate`."""
        ...

    def quantile(self, q: Any, dim: _Number | None = None, keepdim: _Bool = False, interpolation: str = 'linear') -> Tensor:
        """Quantiles `q` of all elements or along `dim`; those of a 1-d `q` are stacked in front.

        Between two elements they are interpolated, differentiably in the input and in `q`. NaN where
        there is a NaN.
        """
        ...

    def rad2deg(self) -> Tensor:
        """Radians to degrees; ∂out/∂input = 180/π."""
        ...

    def random_(self, from_: _Number | None = None, to: _Number | None = None, generator: Any = None) -> Tensor:
        """Fill with integers in [from, to), by default all that the dtype holds exactly."""
        ...

    def ravel(self) -> Tensor:
        """All dimensions made one."""
        ...

    def reciprocal(self) -> Tensor:
        """Reciprocal, ``1/input``; ∂out/∂input = -out²."""
        ...

    def relu(self) -> Tensor:
        """``max(input, 0)``; the derivative at 0 is 0."""
        ...

    def remainder(self, other: _Operand) -> Tensor:
        """``input - floor(input/other)·other``: has the sign of `other`."""
        ...

    def renorm(self, p: _Number, dim: _Number, maxnorm: _Number) -> Tensor:
        """Each slice of `dim` scaled down to the p-norm `maxnorm` if its norm is larger."""
        ...

    def repeat(self, *repeats: _Int | tuple[_Int, ...] | list[_Int]) -> Tensor:
        """The whole tensor `repeats` times along each dimension, new ones in front."""
        ...

    def repeat_interleave(self, repeats: Any = None, dim: _Number | None = None, output_size: _Number | None = None) -> Tensor:
        """Each element (slice along `dim`) so many times in a row; without `dim`, of the flat tensor.

        With one argument alone, that is the numbers of repetitions of 0, 1, 2, ….
        """
        ...

    def reshape(self, *shape: _Int | tuple[_Int, ...] | list[_Int]) -> Tensor:
        """The elements in row-major order in another shape; one size may be -1."""
        ...

    def reshape_as(self, other: Any) -> Tensor:
        """`input` in the shape of `other`; see reshape."""
        ...

    def resize_(self, *size: Any, memory_format: Any = None) -> Tensor:
        """Give the tensor another size: its first elements in memory, and more as they come."""
        ...

    def resize_as_(self, the_template: Any, memory_format: Any = None) -> Tensor:
        """Give the tensor the size of another; see resize_."""
        ...

    def resolve_conj(self) -> Tensor:
        """The tensor itself: nothing is conjugated lazily here."""
        ...

    def resolve_neg(self) -> Tensor:
        """The tensor itself: nothing is negated lazily here."""
        ...

    def roll(self, shifts: Any, dims: Any = ()) -> Tensor:
        """Shifted along `dims` by `shifts`, what falls off coming in again; flat without `dims`."""
        ...

    def rot90(self, k: _Number = 1, dims: Any = (0, 1)) -> Tensor:
        """Turned `k` times by 90 degrees from the first of two `dims` towards the second."""
        ...

    def round(self, decimals: _Number = 0) -> Tensor:
        """The nearest multiple of 10^-decimals, of two equally near the even one."""
        ...

    def rsqrt(self) -> Tensor:
        """Reciprocal square root, ``input^(-1/2)``; ∂out/∂input = -out³/2."""
        ...

    def rsub(self, other: Any, alpha: Any = 1) -> Tensor:
        """``other - alpha·input``."""
        ...

    def scatter(self, dim: _Number, index: Any, src: Any, reduce: Any = None) -> Tensor:
        """A copy of `input` with ``out[index[i][j]][j] = src[i][j]`` along `dim` (here 0).

        `src` may be a number; with `reduce` "add" or "multiply" the old element takes part.
        """
        ...

    def scatter_add(self, dim: _Number, index: Any, src: Any) -> Tensor:
        """``out[index[i][j]][j] = input[…] + Σ src[i][j]`` along `dim` (here 0)."""
        ...

    def scatter_reduce(self, dim: _Number, index: Any, src: Any, reduce: str, include_self: _Bool = True) -> Tensor:
        """All `src[i][j]` with the same ``(index[i][j], j)`` reduced into that element of a copy.

        `reduce` is "sum", "prod", "mean", "amax" or "amin"; the old element takes part unless
        `include_self` is False. Equal extrema share the gradient.
        """
        ...

    def select(self, dim: _Number, index: _Number) -> Tensor:
        """The slice `index` of `dim`, without that dimension."""
        ...

    def select_scatter(self, src: Any, dim: _Number, index: _Number) -> Tensor:
        """A copy of `input` with `src` as the slice `index` of `dim`."""
        ...

    def sgn(self) -> Tensor:
        """``z/|z|``, 0 at 0; of real numbers the sign.

        A tangent keeps what is perpendicular to z: L(t) = (t - s·Re(conj(s)·t))/|z|, s = out.
        """
        ...

    def short(self, memory_format: Any = None) -> Tensor:
        """The elements as int16; the layout is NumPy's choice."""
        ...

    def sigmoid(self) -> Tensor:
        """``1/(1 + exp(-input))``; ∂out/∂input = out·(1 - out)."""
        ...

    def sign(self) -> Tensor:
        """-1, 0 or 1; 0 of NaN, as in torch."""
        ...

    def signbit(self) -> Tensor:
        """Whether the sign is negative, also of -0."""
        ...

    def sin(self) -> Tensor:
        """Sine; ∂out/∂input = cos(input)."""
        ...

    def sinc(self) -> Tensor:
        """``sin(π·input)/(π·input)``, 1 at 0; ∂out/∂input = (cos(π·input) - out)/input."""
        ...

    def sinh(self) -> Tensor:
        """Hyperbolic sine; ∂out/∂input = cosh(input)."""
        ...

    def slice(self, dim: _Number = 0, start: Any = None, end: Any = None, step: _Number = 1) -> Tensor:
        """``input[start:end:step]`` in dimension `dim`."""
        ...

    def slice_scatter(self, src: Any, dim: _Number = 0, start: Any = None, end: Any = None, step: _Number = 1) -> Tensor:
        """A copy of `input` with `src` as ``[start:end:step]`` of dimension `dim`."""
        ...

    def slogdet(self) -> Tensor:
        """sign(det A) and log|det A| of square matrices; d log det = tr(A⁻¹·dA)."""
        ...

    def softmax(self, dim: _Number, dtype: Any = None) -> Tensor:
        """``exp(x)/Σexp(x)`` along `dim`.

        The Jacobian diag(s) - s·sᵀ is symmetric: one rule, s·(t - Σ s·t), serves both directions.
        """
        ...

    def sort(self, dim: _Number = -1, descending: _Bool = False, stable: _Bool = False) -> Any:
        """Elements in order along `dim`, and where they stood; always stable."""
        ...

    def split(self, split_size: Any, dim: _Number = 0) -> tuple[Tensor, ...]:
        """Parts of `split_size` (the last may be smaller), or of the sizes of a list, along `dim`."""
        ...

    def split_with_sizes(self, split_sizes: Any, dim: _Number = 0) -> tuple[Tensor, ...]:
        """Parts of the given sizes along `dim`; see split."""
        ...

    def sqrt(self) -> Tensor:
        """Square root; ∂out/∂input = 1/(2·out)."""
        ...

    def square(self) -> Tensor:
        """Square, ``input²``; ∂out/∂input = 2·input."""
        ...

    def squeeze(self, dim: _Dims = None) -> Tensor:
        """Dimensions of size 1 removed: all, or those of `dim` that have size 1."""
        ...

    def std(self, dim: _Dims = None, correction: _Number | None = 1, keepdim: _Bool = False, unbiased: _Number | None = None) -> Tensor:
        """Standard deviation over `dim`, √var; the derivative where it is 0 is 0."""
        ...

    def stft(self, n_fft: _Number, hop_length: _Number | None = None, win_length: _Number | None = None, window: Any = None, center: _Bool = True, pad_mode: str = 'reflect', normalized: _Bool = False, onesided: _Number | None = None, return_complex: _Number | None = None) -> Tensor:
        """Transforms of windows of `n_fft` elements, `hop_length` (n_fft//4) apart.

        (…, time) to (…, frequency, frame), complex or, unless `return_complex`, with real and
        imaginary part in a last dimension. If `center`, the signal is padded by n_fft//2 at both ends;
        if `normalized`, the result is divided by √n_fft; `onesided` is the default for real signals.
        """
        ...

    def sub(self, other: _Operand, *, alpha: _Number = 1) -> Tensor:
        """Difference, ``input - alpha * other``.

        ∂out/∂input = 1, ∂out/∂other = -alpha.
        """
        ...

    def subtract(self, other: _Operand, *, alpha: _Number = 1) -> Tensor:
        """Difference, ``input - alpha * other``.

        ∂out/∂input = 1, ∂out/∂other = -alpha.
        """
        ...

    def sum(self, dim: _Dims = None, keepdim: _Bool = False, dtype: Any = None) -> Tensor:
        """Sum over `dim`; integers and truth values add up to int64.  Adjoint: repeat."""
        ...

    def sum_to_size(self, *size: _Int | tuple[_Int, ...] | list[_Int]) -> Tensor:
        """Sum over the dimensions along which `size` broadcasts to the input: adjoint of expand."""
        ...

    def svd(self, some: _Bool = True, compute_uv: _Bool = True) -> Tensor:
        """As `linalg.svd`, with V instead of Vᴴ and ``some = not full_matrices``."""
        ...

    def swapaxes(self, dim0: _Number, dim1: _Number) -> Tensor:
        """Two dimensions exchanged."""
        ...

    def swapdims(self, dim0: _Number, dim1: _Number) -> Tensor:
        """Two dimensions exchanged."""
        ...

    def t(self) -> Tensor:
        """The transpose of a matrix; a vector stays as it is."""
        ...

    def take(self, index: Any) -> Tensor:
        """The elements of the flat tensor at `index`, in the shape of `index`."""
        ...

    def take_along_dim(self, indices: Any, dim: _Number | None = None) -> Tensor:
        """`gather` with input and indices broadcast against each other; flat without `dim`."""
        ...

    def tan(self) -> Tensor:
        """Tangent; ∂out/∂input = 1 + out²."""
        ...

    def tanh(self) -> Tensor:
        """Hyperbolic tangent; ∂out/∂input = 1 - out²."""
        ...

    def tensor_split(self, indices_or_sections: Any, dim: _Number = 0) -> tuple[Tensor, ...]:
        """Parts along `dim`: a number of them, as equal as can be, or cut before the given indices."""
        ...

    def tile(self, *dims: _Int | tuple[_Int, ...] | list[_Int]) -> Tensor:
        """The whole tensor repeated; as `repeat`, but fewer `dims` count from the last one."""
        ...

    def to(self, dtype: Any = None, second: Any = None, non_blocking: _Bool = False, copy: _Bool = False, memory_format: Any = None, device: Any = None) -> Tensor:
        """Another dtype, by itself or that of another tensor; the gradient goes back in the old one.

        The tensor itself if it is of that dtype already, unless `copy` is asked for.

        A device, as in ``to(device, dtype)``, can only be the CPU. Complex to real keeps the real part.
        """
        ...

    def topk(self, k: _Number, dim: _Number = -1, largest: _Bool = True, sorted: _Bool = True) -> Any:
        """The k largest (or smallest) elements along `dim`, in order, and where they stood."""
        ...

    def trace(self) -> Tensor:
        """``Σ input[i, i]`` of a matrix."""
        ...

    def transpose(self, dim0: _Number, dim1: _Number) -> Tensor:
        """Two dimensions exchanged."""
        ...

    def triangular_solve(self, A: Any, upper: _Bool = True, transpose: _Bool = False, unitriangular: _Bool = False) -> Tensor:
        """The older `linalg.solve_triangular`: of T, or of Tᵀ, and a copy of `A`."""
        ...

    def tril(self, diagonal: _Number = 0) -> Tensor:
        """The lower triangle of matrices, up to `diagonal`; the rest is 0."""
        ...

    def triu(self, diagonal: _Number = 0) -> Tensor:
        """The upper triangle of matrices, from `diagonal`; the rest is 0."""
        ...

    def true_divide(self, other: _Operand) -> Tensor:
        """Quotient, ``input / other``; of integers a floating quotient.

        ∂out/∂input = 1/other, ∂out/∂other = -input/other². ``rounding_mode="trunc"`` or ``"floor"``
        rounds it, and the derivative is 0.
        """
        ...

    def trunc(self) -> Tensor:
        """``sign(input)·⌊|input|⌋``, the whole part; slope 0."""
        ...

    def type(self, dtype: Any = None, second: Any = None, non_blocking: _Bool = False, copy: _Bool = False, memory_format: Any = None, device: Any = None) -> Tensor:
        """Another dtype, by itself or that of another tensor; the gradient goes back in the old one.

        The tensor itself if it is of that dtype already, unless `copy` is asked for.

        A device, as in ``to(device, dtype)``, can only be the CPU. Complex to real keeps the real part.
        """
        ...

    def type_as(self, other: Any) -> Tensor:
        """`input` in the dtype of `other`."""
        ...

    def unbind(self, dim: _Number = 0) -> tuple[Tensor, ...]:
        """The slices along `dim`, without that dimension."""
        ...

    def unflatten(self, dim: _Number, sizes: Any) -> Tensor:
        """Dimension `dim` as several of the given sizes, of which one may be -1."""
        ...

    def unfold(self, dimension: _Number, size: _Number, step: _Number) -> Tensor:
        """All windows of `size` elements along `dimension`, `step` apart, as a new last dimension."""
        ...

    def uniform_(self, from_: _Number = 0, to: _Number = 1, generator: Any = None) -> Tensor:
        """Fill with numbers that are uniform in [from, to)."""
        ...

    def unique(self, sorted: _Bool = True, return_inverse: _Bool = False, return_counts: _Bool = False, dim: _Number | None = None) -> Any:
        """The distinct elements in order, or the distinct slices along `dim`.

        With `return_inverse` also the place of each element among them, with `return_counts` how
        often each occurs. Every NaN is distinct.
        """
        ...

    def unique_consecutive(self, return_inverse: _Bool = False, return_counts: _Bool = False, dim: _Number | None = None) -> Any:
        """The elements that differ from the one before, or such slices along `dim`.

        With `return_inverse` and `return_counts` as for `unique`.
        """
        ...

    def unsafe_chunk(self, chunks: _Number, dim: _Number = 0) -> tuple[Tensor, ...]:
        """At most `chunks` parts of equal size (the last may be smaller) along `dim`."""
        ...

    def unsafe_split(self, split_size: Any, dim: _Number = 0) -> tuple[Tensor, ...]:
        """Parts of `split_size` (the last may be smaller), or of the sizes of a list, along `dim`."""
        ...

    def unsqueeze(self, dim: _Number) -> Tensor:
        """A dimension of size 1 put in at `dim`."""
        ...

    def var(self, dim: _Dims = None, correction: _Number | None = 1, keepdim: _Bool = False, unbiased: _Number | None = None) -> Tensor:
        """Variance over `dim`: Σ|x - x̄|²/(N - correction), real for complex inputs.

        ∂out/∂x = 2·(x - x̄)/(N - correction).
        """
        ...

    def vdot(self, other: Any) -> Tensor:
        """Σ conj(input)·other of two vectors."""
        ...

    def view(self, *shape: _Int | tuple[_Int, ...] | list[_Int]) -> Tensor:
        """The same memory in another shape; an error where that needs a copy."""
        ...

    def view_as(self, other: Any) -> Tensor:
        """The memory of `input` in the shape of `other`; see view."""
        ...

    def view_as_complex(self) -> Tensor:
        """(…, 2) real to (…) complex, on the same memory if the pairs lie in it as such.

        Adjoint: view_as_real.
        """
        ...

    def view_as_real(self) -> Tensor:
        """(…) complex to (…, 2) real: both parts, on the same memory. Adjoint: view_as_complex."""
        ...

    def vsplit(self, indices_or_sections: Any) -> tuple[Tensor, ...]:
        """Parts along the first dimension of at least two; a number has to divide it."""
        ...

    def where(self, condition: Any, other: Any) -> Tensor:
        """`input` where `condition` holds, else `other`."""
        ...

    def xlogy(self, other: _Operand) -> Tensor:
        """``input·log(other)``, 0 where input = 0 (and other is no NaN).

        ∂out/∂input = log(other), 0 where input = 0 and other <= 0; ∂out/∂other = input/other.
        """
        ...

    def __abs__(self, /) -> Tensor: ...
    def __add__(self, other: _Operand, /) -> Tensor: ...
    def __radd__(self, other: _Operand, /) -> Tensor: ...
    def __and__(self, other: _Operand, /) -> Tensor: ...
    def __rand__(self, other: _Operand, /) -> Tensor: ...
    def __lshift__(self, other: _Operand, /) -> Tensor: ...
    def __rlshift__(self, other: _Operand, /) -> Tensor: ...
    def __invert__(self, /) -> Tensor: ...
    def __or__(self, other: _Operand, /) -> Tensor: ...
    def __ror__(self, other: _Operand, /) -> Tensor: ...
    def __rshift__(self, other: _Operand, /) -> Tensor: ...
    def __rrshift__(self, other: _Operand, /) -> Tensor: ...
    def __xor__(self, other: _Operand, /) -> Tensor: ...
    def __rxor__(self, other: _Operand, /) -> Tensor: ...
    def __truediv__(self, other: _Operand, /) -> Tensor: ...
    def __rtruediv__(self, other: _Operand, /) -> Tensor: ...
    def __eq__(self, other: _Operand, /) -> Tensor: ...  # type: ignore[override]
    def __floordiv__(self, other: _Operand, /) -> Tensor: ...
    def __rfloordiv__(self, other: _Operand, /) -> Tensor: ...
    def __ge__(self, other: _Operand, /) -> Tensor: ...  # type: ignore[misc]
    def __getitem__(self, index: Any, /) -> Tensor: ...
    def __gt__(self, other: _Operand, /) -> Tensor: ...  # type: ignore[misc]
    def __le__(self, other: _Operand, /) -> Tensor: ...  # type: ignore[misc]
    def __lt__(self, other: _Operand, /) -> Tensor: ...  # type: ignore[misc]
    def __matmul__(self, other: _Operand, /) -> Tensor: ...
    def __rmatmul__(self, other: _Operand, /) -> Tensor: ...
    def __mul__(self, other: _Operand, /) -> Tensor: ...
    def __rmul__(self, other: _Operand, /) -> Tensor: ...
    def __ne__(self, other: _Operand, /) -> Tensor: ...  # type: ignore[override]
    def __neg__(self, /) -> Tensor: ...
    def __pos__(self, /) -> Tensor: ...
    def __pow__(self, other: _Operand, /) -> Tensor: ...
    def __rpow__(self, other: _Operand, /) -> Tensor: ...
    def __mod__(self, other: _Operand, /) -> Tensor: ...
    def __rmod__(self, other: _Operand, /) -> Tensor: ...
    def __sub__(self, other: _Operand, /) -> Tensor: ...
    def __rsub__(self, other: _Operand, /) -> Tensor: ...
    def __iadd__(self, other: _Operand, /) -> Self: ...
    def __iand__(self, other: _Operand, /) -> Self: ...
    def __ifloordiv__(self, other: _Operand, /) -> Self: ...
    def __ilshift__(self, other: _Operand, /) -> Self: ...
    def __imod__(self, other: _Operand, /) -> Self: ...
    def __imul__(self, other: _Operand, /) -> Self: ...
    def __ior__(self, other: _Operand, /) -> Self: ...
    def __ipow__(self, other: _Operand, /) -> Self: ...
    def __irshift__(self, other: _Operand, /) -> Self: ...
    def __isub__(self, other: _Operand, /) -> Self: ...
    def __itruediv__(self, other: _Operand, /) -> Self: ...
    def __ixor__(self, other: _Operand, /) -> Self: ...
    def __setitem__(self, index: Any, value: Any, /) -> None: ...
    def abs_(self) -> Self:
        """`abs` in place: writes the result into this tensor and returns it."""
        ...

    def absolute_(self) -> Self:
        """`abs` in place: writes the result into this tensor and returns it."""
        ...

    def acos_(self) -> Self:
        """`acos` in place: writes the result into this tensor and returns it."""
        ...

    def acosh_(self) -> Self:
        """`acosh` in place: writes the result into this tensor and returns it."""
        ...

    def add_(self, other: _Operand, *, alpha: _Number = 1) -> Self:
        """`add` in place: writes the result into this tensor and returns it."""
        ...

    def addbmm_(self, batch1: Any, batch2: Any, beta: _Number = 1, alpha: _Number = 1) -> Self:
        """`addbmm` in place: writes the result into this tensor and returns it."""
        ...

    def addcdiv_(self, tensor1: Any, tensor2: Any, value: Any = 1) -> Self:
        """`addcdiv` in place: writes the result into this tensor and returns it."""
        ...

    def addcmul_(self, tensor1: Any, tensor2: Any, value: Any = 1) -> Self:
        """`addcmul` in place: writes the result into this tensor and returns it."""
        ...

    def addmm_(self, mat1: Any, mat2: Any, beta: _Number = 1, alpha: _Number = 1) -> Self:
        """`addmm` in place: writes the result into this tensor and returns it."""
        ...

    def addmv_(self, mat: Any, vec: Any, beta: _Number = 1, alpha: _Number = 1) -> Self:
        """`addmv` in place: writes the result into this tensor and returns it."""
        ...

    def addr_(self, vec1: Any, vec2: Any, beta: _Number = 1, alpha: _Number = 1) -> Self:
        """`addr` in place: writes the result into this tensor and returns it."""
        ...

    def arccos_(self) -> Self:
        """`acos` in place: writes the result into this tensor and returns it."""
        ...

    def arccosh_(self) -> Self:
        """`acosh` in place: writes the result into this tensor and returns it."""
        ...

    def arcsin_(self) -> Self:
        """`asin` in place: writes the result into this tensor and returns it."""
        ...

    def arcsinh_(self) -> Self:
        """`asinh` in place: writes the result into this tensor and returns it."""
        ...

    def arctan2_(self, other: _Operand) -> Self:
        """`atan2` in place: writes the result into this tensor and returns it."""
        ...

    def arctan_(self) -> Self:
        """`atan` in place: writes the result into this tensor and returns it."""
        ...

    def arctanh_(self) -> Self:
        """`atanh` in place: writes the result into this tensor and returns it."""
        ...

    def asin_(self) -> Self:
        """`asin` in place: writes the result into this tensor and returns it."""
        ...

    def asinh_(self) -> Self:
        """`asinh` in place: writes the result into this tensor and returns it."""
        ...

    def atan2_(self, other: _Operand) -> Self:
        """`atan2` in place: writes the result into this tensor and returns it."""
        ...

    def atan_(self) -> Self:
        """`atan` in place: writes the result into this tensor and returns it."""
        ...

    def atanh_(self) -> Self:
        """`atanh` in place: writes the result into this tensor and returns it."""
        ...

    def baddbmm_(self, batch1: Any, batch2: Any, beta: _Number = 1, alpha: _Number = 1) -> Self:
        """`baddbmm` in place: writes the result into this tensor and returns it."""
        ...

    def bitwise_and_(self, other: _Operand) -> Self:
        """`bitwise_and` in place: writes the result into this tensor and returns it."""
        ...

    def bitwise_left_shift_(self, other: _Operand) -> Self:
        """`bitwise_left_shift` in place: writes the result into this tensor and returns it."""
        ...

    def bitwise_not_(self) -> Self:
        """`bitwise_not` in place: writes the result into this tensor and returns it."""
        ...

    def bitwise_or_(self, other: _Operand) -> Self:
        """`bitwise_or` in place: writes the result into this tensor and returns it."""
        ...

    def bitwise_right_shift_(self, other: _Operand) -> Self:
        """`bitwise_right_shift` in place: writes the result into this tensor and returns it."""
        ...

    def bitwise_xor_(self, other: _Operand) -> Self:
        """`bitwise_xor` in place: writes the result into this tensor and returns it."""
        ...

    def ceil_(self) -> Self:
        """`ceil` in place: writes the result into this tensor and returns it."""
        ...

    def clamp_(self, min: _Operand | None = None, max: _Operand | None = None) -> Self:
        """`clamp` in place: writes the result into this tensor and returns it."""
        ...

    def clamp_max_(self, other: _Operand) -> Self:
        """`clamp_max` in place: writes the result into this tensor and returns it."""
        ...

    def clamp_min_(self, other: _Operand) -> Self:
        """`clamp_min` in place: writes the result into this tensor and returns it."""
        ...

    def clip_(self, min: _Operand | None = None, max: _Operand | None = None) -> Self:
        """`clamp` in place: writes the result into this tensor and returns it."""
        ...

    def conj_physical_(self) -> Self:
        """`conj` in place: writes the result into this tensor and returns it."""
        ...

    def copy_(self, source: Any) -> Self:
        """Copy the values of `source`, broadcast and cast to this tensor's shape and dtype."""
        ...

    def copysign_(self, other: _Operand) -> Self:
        """`copysign` in place: writes the result into this tensor and returns it."""
        ...

    def cos_(self) -> Self:
        """`cos` in place: writes the result into this tensor and returns it."""
        ...

    def cosh_(self) -> Self:
        """`cosh` in place: writes the result into this tensor and returns it."""
        ...

    def cumprod_(self, dim: _Number, dtype: Any = None) -> Self:
        """`cumprod` in place: writes the result into this tensor and returns it."""
        ...

    def cumsum_(self, dim: _Number, dtype: Any = None) -> Self:
        """`cumsum` in place: writes the result into this tensor and returns it."""
        ...

    def deg2rad_(self) -> Self:
        """`deg2rad` in place: writes the result into this tensor and returns it."""
        ...

    def detach_(self) -> Self:
        """Take this tensor out of the graph: it becomes a leaf that does not require grad."""
        ...

    def digamma_(self) -> Self:
        """`digamma` in place: writes the result into this tensor and returns it."""
        ...

    def div_(self, other: _Operand) -> Self:
        """`div` in place: writes the result into this tensor and returns it."""
        ...

    def divide_(self, other: _Operand) -> Self:
        """`div` in place: writes the result into this tensor and returns it."""
        ...

    def eq_(self, other: _Operand) -> Self:
        """`eq` in place: writes the result into this tensor and returns it."""
        ...

    def erf_(self) -> Self:
        """`erf` in place: writes the result into this tensor and returns it."""
        ...

    def erfc_(self) -> Self:
        """`erfc` in place: writes the result into this tensor and returns it."""
        ...

    def erfinv_(self) -> Self:
        """`erfinv` in place: writes the result into this tensor and returns it."""
        ...

    def exp2_(self) -> Self:
        """`exp2` in place: writes the result into this tensor and returns it."""
        ...

    def exp_(self) -> Self:
        """`exp` in place: writes the result into this tensor and returns it."""
        ...

    def expm1_(self) -> Self:
        """`expm1` in place: writes the result into this tensor and returns it."""
        ...

    def fill_(self, value: Any) -> Self:
        """Set every element to `value`, a number or a 0-d tensor."""
        ...

    def fix_(self) -> Self:
        """`trunc` in place: writes the result into this tensor and returns it."""
        ...

    def float_power_(self, exponent: Any) -> Self:
        """`float_power` in place: writes the result into this tensor and returns it."""
        ...

    def floor_(self) -> Self:
        """`floor` in place: writes the result into this tensor and returns it."""
        ...

    def floor_divide_(self, other: _Operand) -> Self:
        """`floor_divide` in place: writes the result into this tensor and returns it."""
        ...

    def fmod_(self, other: _Operand) -> Self:
        """`fmod` in place: writes the result into this tensor and returns it."""
        ...

    def frac_(self) -> Self:
        """`frac` in place: writes the result into this tensor and returns it."""
        ...

    def gcd_(self, other: _Operand) -> Self:
        """`gcd` in place: writes the result into this tensor and returns it."""
        ...

    def ge_(self, other: _Operand) -> Self:
        """`ge` in place: writes the result into this tensor and returns it."""
        ...

    def greater_(self, other: _Operand) -> Self:
        """`gt` in place: writes the result into this tensor and returns it."""
        ...

    def greater_equal_(self, other: _Operand) -> Self:
        """`ge` in place: writes the result into this tensor and returns it."""
        ...

    def gt_(self, other: _Operand) -> Self:
        """`gt` in place: writes the result into this tensor and returns it."""
        ...

    def heaviside_(self, values: _Operand) -> Self:
        """`heaviside` in place: writes the result into this tensor and returns it."""
        ...

    def hypot_(self, other: _Operand) -> Self:
        """`hypot` in place: writes the result into this tensor and returns it."""
        ...

    def i0_(self) -> Self:
        """`i0` in place: writes the result into this tensor and returns it."""
        ...

    def igamma_(self, other: _Operand) -> Self:
        """`igamma` in place: writes the result into this tensor and returns it."""
        ...

    def igammac_(self, other: _Operand) -> Self:
        """`igammac` in place: writes the result into this tensor and returns it."""
        ...

    def index_add_(self, dim: _Number, index: Any, source: Any, alpha: _Number = 1) -> Self:
        """`index_add` in place: writes the result into this tensor and returns it."""
        ...

    def index_copy_(self, dim: _Number, index: Any, source: Any) -> Self:
        """`index_copy` in place: writes the result into this tensor and returns it."""
        ...

    def index_fill_(self, dim: _Number, index: Any, value: Any) -> Self:
        """`index_fill` in place: writes the result into this tensor and returns it."""
        ...

    def index_put_(self, indices: Any, values: Any, accumulate: _Bool = False) -> Self:
        """Write `values` (or add them, index by index) at `indices`, as ``x[indices] = values``."""
        ...

    def index_reduce_(self, dim: _Number, index: Any, source: Any, reduce: str, include_self: _Bool = True) -> Self:
        """`index_reduce` in place: writes the result into this tensor and returns it."""
        ...

    def lcm_(self, other: _Operand) -> Self:
        """`lcm` in place: writes the result into this tensor and returns it."""
        ...

    def ldexp_(self, other: Any) -> Self:
        """`ldexp` in place: writes the result into this tensor and returns it."""
        ...

    def le_(self, other: _Operand) -> Self:
        """`le` in place: writes the result into this tensor and returns it."""
        ...

    def lerp_(self, end: _Operand, weight: _Operand) -> Self:
        """`lerp` in place: writes the result into this tensor and returns it."""
        ...

    def less_(self, other: _Operand) -> Self:
        """`lt` in place: writes the result into this tensor and returns it."""
        ...

    def less_equal_(self, other: _Operand) -> Self:
        """`le` in place: writes the result into this tensor and returns it."""
        ...

    def lgamma_(self) -> Self:
        """`lgamma` in place: writes the result into this tensor and returns it."""
        ...

    def log10_(self) -> Self:
        """`log10` in place: writes the result into this tensor and returns it."""
        ...

    def log1p_(self) -> Self:
        """`log1p` in place: writes the result into this tensor and returns it."""
        ...

    def log2_(self) -> Self:
        """`log2` in place: writes the result into this tensor and returns it."""
        ...

    def log_(self) -> Self:
        """`log` in place: writes the result into this tensor and returns it."""
        ...

    def logical_and_(self, other: _Operand) -> Self:
        """`logical_and` in place: writes the result into this tensor and returns it."""
        ...

    def logical_not_(self) -> Self:
        """`logical_not` in place: writes the result into this tensor and returns it."""
        ...

    def logical_or_(self, other: _Operand) -> Self:
        """`logical_or` in place: writes the result into this tensor and returns it."""
        ...

    def logical_xor_(self, other: _Operand) -> Self:
        """`logical_xor` in place: writes the result into this tensor and returns it."""
        ...

    def logit_(self, eps: _Number | None = None) -> Self:
        """`logit` in place: writes the result into this tensor and returns it."""
        ...

    def lt_(self, other: _Operand) -> Self:
        """`lt` in place: writes the result into this tensor and returns it."""
        ...

    def masked_fill_(self, mask: Any, value: Any) -> Self:
        """`masked_fill` in place: writes the result into this tensor and returns it."""
        ...

    def masked_scatter_(self, mask: Any, source: Any) -> Self:
        """`masked_scatter` in place: writes the result into this tensor and returns it."""
        ...

    def mul_(self, other: _Operand) -> Self:
        """`mul` in place: writes the result into this tensor and returns it."""
        ...

    def multiply_(self, other: _Operand) -> Self:
        """`mul` in place: writes the result into this tensor and returns it."""
        ...

    def mvlgamma_(self, p: _Number) -> Self:
        """`mvlgamma` in place: writes the result into this tensor and returns it."""
        ...

    def nan_to_num_(self, nan: _Number = 0.0, posinf: _Number | None = None, neginf: _Number | None = None) -> Self:
        """`nan_to_num` in place: writes the result into this tensor and returns it."""
        ...

    def ne_(self, other: _Operand) -> Self:
        """`ne` in place: writes the result into this tensor and returns it."""
        ...

    def neg_(self) -> Self:
        """`neg` in place: writes the result into this tensor and returns it."""
        ...

    def negative_(self) -> Self:
        """`neg` in place: writes the result into this tensor and returns it."""
        ...

    def nextafter_(self, other: _Operand) -> Self:
        """`nextafter` in place: writes the result into this tensor and returns it."""
        ...

    def not_equal_(self, other: _Operand) -> Self:
        """`ne` in place: writes the result into this tensor and returns it."""
        ...

    def polygamma_(self, input: Any) -> Self:
        """`polygamma` in place: writes the result into this tensor and returns it."""
        ...

    def pow_(self, other: _Operand) -> Self:
        """`pow` in place: writes the result into this tensor and returns it."""
        ...

    def put_(self, index: Any, source: Any, accumulate: _Bool = False) -> Self:
        """`put` in place: writes the result into this tensor and returns it."""
        ...

    def rad2deg_(self) -> Self:
        """`rad2deg` in place: writes the result into this tensor and returns it."""
        ...

    def reciprocal_(self) -> Self:
        """`reciprocal` in place: writes the result into this tensor and returns it."""
        ...

    def relu_(self) -> Self:
        """`relu` in place: writes the result into this tensor and returns it."""
        ...

    def remainder_(self, other: _Operand) -> Self:
        """`remainder` in place: writes the result into this tensor and returns it."""
        ...

    def renorm_(self, p: _Number, dim: _Number, maxnorm: _Number) -> Self:
        """`renorm` in place: writes the result into this tensor and returns it."""
        ...

    def round_(self, decimals: _Number = 0) -> Self:
        """`round` in place: writes the result into this tensor and returns it."""
        ...

    def rsqrt_(self) -> Self:
        """`rsqrt` in place: writes the result into this tensor and returns it."""
        ...

    def scatter_(self, dim: _Number, index: Any, src: Any, reduce: Any = None) -> Self:
        """`scatter` in place: writes the result into this tensor and returns it."""
        ...

    def scatter_add_(self, dim: _Number, index: Any, src: Any) -> Self:
        """`scatter_add` in place: writes the result into this tensor and returns it."""
        ...

    def scatter_reduce_(self, dim: _Number, index: Any, src: Any, reduce: str, include_self: _Bool = True) -> Self:
        """`scatter_reduce` in place: writes the result into this tensor and returns it."""
        ...

    def sgn_(self) -> Self:
        """`sgn` in place: writes the result into this tensor and returns it."""
        ...

    def sigmoid_(self) -> Self:
        """`sigmoid` in place: writes the result into this tensor and returns it."""
        ...

    def sign_(self) -> Self:
        """`sign` in place: writes the result into this tensor and returns it."""
        ...

    def sin_(self) -> Self:
        """`sin` in place: writes the result into this tensor and returns it."""
        ...

    def sinc_(self) -> Self:
        """`sinc` in place: writes the result into this tensor and returns it."""
        ...

    def sinh_(self) -> Self:
        """`sinh` in place: writes the result into this tensor and returns it."""
        ...

    def sqrt_(self) -> Self:
        """`sqrt` in place: writes the result into this tensor and returns it."""
        ...

    def square_(self) -> Self:
        """`square` in place: writes the result into this tensor and returns it."""
        ...

    def squeeze_(self, dim: _Dims = None) -> Self:
        """`squeeze` in place: writes the result into this tensor and returns it."""
        ...

    def sub_(self, other: _Operand, *, alpha: _Number = 1) -> Self:
        """`sub` in place: writes the result into this tensor and returns it."""
        ...

    def subtract_(self, other: _Operand, *, alpha: _Number = 1) -> Self:
        """`sub` in place: writes the result into this tensor and returns it."""
        ...

    def swapaxes_(self, dim0: _Number, dim1: _Number) -> Self:
        """`transpose` in place: writes the result into this tensor and returns it."""
        ...

    def swapdims_(self, dim0: _Number, dim1: _Number) -> Self:
        """`transpose` in place: writes the result into this tensor and returns it."""
        ...

    def t_(self) -> Self:
        """`t` in place: writes the result into this tensor and returns it."""
        ...

    def tan_(self) -> Self:
        """`tan` in place: writes the result into this tensor and returns it."""
        ...

    def tanh_(self) -> Self:
        """`tanh` in place: writes the result into this tensor and returns it."""
        ...

    def transpose_(self, dim0: _Number, dim1: _Number) -> Self:
        """`transpose` in place: writes the result into this tensor and returns it."""
        ...

    def tril_(self, diagonal: _Number = 0) -> Self:
        """`tril` in place: writes the result into this tensor and returns it."""
        ...

    def triu_(self, diagonal: _Number = 0) -> Self:
        """`triu` in place: writes the result into this tensor and returns it."""
        ...

    def true_divide_(self, other: _Operand) -> Self:
        """`div` in place: writes the result into this tensor and returns it."""
        ...

    def trunc_(self) -> Self:
        """`trunc` in place: writes the result into this tensor and returns it."""
        ...

    def unsqueeze_(self, dim: _Number) -> Self:
        """`unsqueeze` in place: writes the result into this tensor and returns it."""
        ...

    def xlogy_(self, other: _Operand) -> Self:
        """`xlogy` in place: writes the result into this tensor and returns it."""
        ...

    def zero_(self) -> Self:
        """Set every element to zero."""
        ...
