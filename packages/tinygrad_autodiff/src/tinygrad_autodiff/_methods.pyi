# ruff: noqa: E501
# fmt: off
# Written by `python -m tinygrad_autodiff.stubs` from the registry of operations. Do not edit.
from typing import Any as Any

from .dtypes import Array as Array
from .tensor import Tensor

_Number = int | float | bool
_Operand = Tensor | Array | _Number
_Dims = int | tuple[int, ...] | list[int] | None

class Methods:
    def abs(self) -> Tensor:
        """Absolute value; the derivative is sign(input), 0 at 0."""
        ...

    def absolute(self) -> Tensor:
        """Absolute value; the derivative is sign(input), 0 at 0."""
        ...

    def add(self, other: _Operand, *, alpha: _Number = 1) -> Tensor:
        """Sum, ``input + alpha * other``.

        ∂out/∂input = 1, ∂out/∂other = alpha.
        """
        ...

    def all(self, dim: _Dims = None, keepdim: bool = False) -> Tensor:
        """Whether all elements over `dim` are non-zero."""
        ...

    def amax(self, dim: _Dims = None, keepdim: bool = False) -> Tensor:
        """Maximum over `dim`; equal maxima share the gradient evenly."""
        ...

    def amin(self, dim: _Dims = None, keepdim: bool = False) -> Tensor:
        """Minimum over `dim`; equal minima share the gradient evenly."""
        ...

    def any(self, dim: _Dims = None, keepdim: bool = False) -> Tensor:
        """Whether any element over `dim` is non-zero."""
        ...

    def argmax(self, dim: _Number | None = None, keepdim: bool = False) -> Tensor:
        """Index of the first maximum along `dim`, or in the flattened input."""
        ...

    def argmin(self, dim: _Number | None = None, keepdim: bool = False) -> Tensor:
        """Index of the first minimum along `dim`, or in the flattened input."""
        ...

    def bitwise_and(self, other: _Operand) -> Tensor:
        """Bits that are set in both; of truth values, both."""
        ...

    def bitwise_not(self) -> Tensor:
        """All bits flipped; of truth values, the opposite."""
        ...

    def bitwise_or(self, other: _Operand) -> Tensor:
        """Bits that are set in one or both; of truth values, at least one."""
        ...

    def bitwise_xor(self, other: _Operand) -> Tensor:
        """Bits that are set in exactly one; of truth values, exactly one."""
        ...

    def bmm(self, mat2: Any) -> Tensor:
        """Products of two equally long batches of matrices, without broadcasting."""
        ...

    def broadcast_to(self, *size: int | tuple[int, ...] | list[int]) -> Tensor:
        """Repeated along dimensions of size 1 and new leading ones, without a copy; -1 keeps."""
        ...

    def ceil(self) -> Tensor:
        """The smallest whole number that is not smaller."""
        ...

    def chunk(self, chunks: _Number, dim: _Number = 0) -> tuple[Tensor, ...]:
        """At most `chunks` parts of equal size (the last may be smaller) along `dim`."""
        ...

    def clamp(self, min: _Operand | None = None, max: _Operand | None = None) -> Tensor:
        """`input` limited to [min, max]; either bound may be None, a number or a tensor.

        The gradient goes to the input within the bounds (both included), else to the bound.
        """
        ...

    def clip(self, min: _Operand | None = None, max: _Operand | None = None) -> Tensor:
        """`input` limited to [min, max]; either bound may be None, a number or a tensor.

        The gradient goes to the input within the bounds (both included), else to the bound.
        """
        ...

    def clone(self) -> Tensor:
        """A copy with memory of its own."""
        ...

    def contiguous(self) -> Tensor:
        """The tensor with its elements in row-major order, copied if they are not."""
        ...

    def cos(self) -> Tensor:
        """Cosine; ∂out/∂input = -sin(input)."""
        ...

    def cumsum(self, dim: _Number) -> Tensor:
        """Running sum along `dim`.  Adjoint: the running sum from the other end."""
        ...

    def div(self, other: _Operand) -> Tensor:
        """Quotient, ``input / other``; of integers a floating quotient.

        ∂out/∂input = 1/other, ∂out/∂other = -input/other².
        """
        ...

    def divide(self, other: _Operand) -> Tensor:
        """Quotient, ``input / other``; of integers a floating quotient.

        ∂out/∂input = 1/other, ∂out/∂other = -input/other².
        """
        ...

    def dot(self, tensor: Any) -> Tensor:
        """Sum of the products of two vectors."""
        ...

    def eq(self, other: _Operand) -> Tensor:
        """Whether ``input == other``."""
        ...

    def erf(self) -> Tensor:
        """Error function, 2/√π · ∫₀ˣ exp(-s²) ds; ∂out/∂input = 2/√π · exp(-input²)."""
        ...

    def exp(self) -> Tensor:
        """Exponential; ∂out/∂input = out."""
        ...

    def expand(self, *size: int | tuple[int, ...] | list[int]) -> Tensor:
        """Repeated along dimensions of size 1 and new leading ones, without a copy; -1 keeps."""
        ...

    def expm1(self) -> Tensor:
        """``exp(input) - 1``, exact near 0; ∂out/∂input = out + 1."""
        ...

    def flatten(self, start_dim: _Number = 0, end_dim: _Number = -1) -> Tensor:
        """Dimensions `start_dim` to `end_dim` made one."""
        ...

    def flip(self, *dims: int | tuple[int, ...] | list[int]) -> Tensor:
        """Reversed along `dims`."""
        ...

    def floor(self) -> Tensor:
        """The largest whole number that is not larger."""
        ...

    def gather(self, dim: _Number, index: Any) -> Tensor:
        """``out[i][j] = input[index[i][j]][j]`` along `dim` (here 0): one element per index."""
        ...

    def ge(self, other: _Operand) -> Tensor:
        """Whether ``input >= other``."""
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

    def isfinite(self) -> Tensor:
        """Whether the element is neither infinite nor NaN."""
        ...

    def isinf(self) -> Tensor:
        """Whether the element is infinite."""
        ...

    def isnan(self) -> Tensor:
        """Whether the element is NaN."""
        ...

    def le(self, other: _Operand) -> Tensor:
        """Whether ``input <= other``."""
        ...

    def less(self, other: _Operand) -> Tensor:
        """Whether ``input < other``."""
        ...

    def less_equal(self, other: _Operand) -> Tensor:
        """Whether ``input <= other``."""
        ...

    def log(self) -> Tensor:
        """Natural logarithm; ∂out/∂input = 1/input."""
        ...

    def log1p(self) -> Tensor:
        """``log(1 + input)``, exact near 0; ∂out/∂input = 1/(1 + input)."""
        ...

    def log_softmax(self, dim: _Number, dtype: Any = None) -> Tensor:
        """``x - log Σexp(x)`` along `dim`.  Rules: g - s·Σg backward, t - Σ s·t forward."""
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

    def logsumexp(self, dim: _Dims, keepdim: bool = False) -> Tensor:
        """``log Σexp(x)`` over `dim`; ∂out/∂x = exp(x - out)."""
        ...

    def lt(self, other: _Operand) -> Tensor:
        """Whether ``input < other``."""
        ...

    def matmul(self, other: Any) -> Tensor:
        """Matrix product: of vectors the dot product, of more dimensions batched and broadcast."""
        ...

    def max(self, dim: Any = None, keepdim: bool = False) -> Any:
        """Maximum of all elements; with `dim` values and indices; with a tensor `maximum`."""
        ...

    def maximum(self, other: _Operand) -> Tensor:
        """The larger of two; where they are equal each gets half of the gradient. NaN wins."""
        ...

    def mean(self, dim: _Dims = None, keepdim: bool = False) -> Tensor:
        """Arithmetic mean over `dim`, of floating inputs.  Adjoint: repeat, divided by the count."""
        ...

    def min(self, dim: Any = None, keepdim: bool = False) -> Any:
        """Minimum of all elements; with `dim` values and indices; with a tensor `minimum`."""
        ...

    def minimum(self, other: _Operand) -> Tensor:
        """The smaller of two; where they are equal each gets half of the gradient. NaN wins."""
        ...

    def mm(self, mat2: Any) -> Tensor:
        """Product of two matrices, without broadcasting."""
        ...

    def moveaxis(self, source: Any, destination: Any) -> Tensor:
        """Dimensions at `source` moved to `destination`, the others in order."""
        ...

    def movedim(self, source: Any, destination: Any) -> Tensor:
        """Dimensions at `source` moved to `destination`, the others in order."""
        ...

    def mul(self, other: _Operand) -> Tensor:
        """Product, ``input * other``.

        ∂out/∂input = other, ∂out/∂other = input.
        """
        ...

    def multiply(self, other: _Operand) -> Tensor:
        """Product, ``input * other``.

        ∂out/∂input = other, ∂out/∂other = input.
        """
        ...

    def narrow(self, dim: _Number, start: _Number, length: _Number) -> Tensor:
        """`length` slices of `dim` from `start` on."""
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

    def norm(self, p: Any = 2, dim: _Dims = None, keepdim: bool = False) -> Any:
        """Vector norm (Σ|x|^p)^(1/p) over `dim`; p is a number, ±inf, or "fro" (2).

        The gradient of the 2-norm at 0 is 0.
        """
        ...

    def not_equal(self, other: _Operand) -> Tensor:
        """Whether ``input != other``."""
        ...

    def outer(self, vec2: Any) -> Tensor:
        """All products of the elements of two vectors."""
        ...

    def permute(self, *dims: Any) -> Tensor:
        """Dimensions in another order."""
        ...

    def pow(self, other: _Operand) -> Tensor:
        """Power, ``input ** exponent``.

        ∂out/∂input = exponent·input^(exponent-1), 0 where exponent = 0;
        ∂out/∂exponent = out·ln(input), 0 where input = 0 and exponent > 0.
        """
        ...

    def prod(self, dim: _Number | None = None, keepdim: bool = False) -> Tensor:
        """Product over one dimension or all, by halving.

        The derivative is that of the pairwise products, so zeros in the input need no special case.
        """
        ...

    def reciprocal(self) -> Tensor:
        """Reciprocal, ``1/input``; ∂out/∂input = -out²."""
        ...

    def relu(self) -> Tensor:
        """``max(input, 0)``; the derivative at 0 is 0."""
        ...

    def reshape(self, *shape: int | tuple[int, ...] | list[int]) -> Tensor:
        """The elements in row-major order in another shape; one size may be -1."""
        ...

    def round(self, decimals: _Number = 0) -> Tensor:
        """The nearest multiple of 10^-decimals, of two equally near the even one."""
        ...

    def rsqrt(self) -> Tensor:
        """Reciprocal square root, ``input^(-1/2)``; ∂out/∂input = -out³/2."""
        ...

    def select(self, dim: _Number, index: _Number) -> Tensor:
        """The slice `index` of `dim`, without that dimension."""
        ...

    def sigmoid(self) -> Tensor:
        """``1/(1 + exp(-input))``; ∂out/∂input = out·(1 - out)."""
        ...

    def sign(self) -> Tensor:
        """-1, 0 or 1."""
        ...

    def sin(self) -> Tensor:
        """Sine; ∂out/∂input = cos(input)."""
        ...

    def softmax(self, dim: _Number, dtype: Any = None) -> Tensor:
        """``exp(x)/Σexp(x)`` along `dim`.

        The Jacobian diag(s) - s·sᵀ is symmetric: one rule, s·(t - Σ s·t), serves both directions.
        """
        ...

    def split(self, split_size: Any, dim: _Number = 0) -> tuple[Tensor, ...]:
        """Parts of `split_size` (the last may be smaller), or of the sizes of a list, along `dim`."""
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

    def std(self, dim: _Dims = None, correction: _Number = 1, keepdim: bool = False, unbiased: _Number | None = None) -> Tensor:
        """Standard deviation over `dim`, √var; the derivative where it is 0 is 0."""
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

    def sum(self, dim: _Dims = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
        """Sum over `dim`; integers and truth values add up to int64.  Adjoint: repeat."""
        ...

    def sum_to_size(self, size: Any) -> Tensor:
        """Sum over the dimensions along which `size` broadcasts to the input: adjoint of expand."""
        ...

    def swapaxes(self, dim0: _Number, dim1: _Number) -> Tensor:
        """Two dimensions exchanged."""
        ...

    def t(self) -> Tensor:
        """The transpose of a matrix; a vector stays as it is."""
        ...

    def tanh(self) -> Tensor:
        """Hyperbolic tangent; ∂out/∂input = 1 - out²."""
        ...

    def to(self, dtype: Any) -> Tensor:
        """Another dtype; the gradient goes back in the old one."""
        ...

    def transpose(self, dim0: _Number, dim1: _Number) -> Tensor:
        """Two dimensions exchanged."""
        ...

    def tril(self, diagonal: _Number = 0) -> Tensor:
        """The lower triangle of matrices, up to `diagonal`; the rest is 0."""
        ...

    def triu(self, diagonal: _Number = 0) -> Tensor:
        """The upper triangle of matrices, from `diagonal`; the rest is 0."""
        ...

    def true_divide(self, other: _Operand) -> Tensor:
        """Quotient, ``input / other``; of integers a floating quotient.

        ∂out/∂input = 1/other, ∂out/∂other = -input/other².
        """
        ...

    def type(self, dtype: Any) -> Tensor:
        """Another dtype; the gradient goes back in the old one."""
        ...

    def unbind(self, dim: _Number = 0) -> tuple[Tensor, ...]:
        """The slices along `dim`, without that dimension."""
        ...

    def unsqueeze(self, dim: _Number) -> Tensor:
        """A dimension of size 1 put in at `dim`."""
        ...

    def var(self, dim: _Dims = None, correction: _Number = 1, keepdim: bool = False, unbiased: _Number | None = None) -> Tensor:
        """Variance over `dim`: Σ(x - x̄)²/(N - correction).

        ∂out/∂x = 2·(x - x̄)/(N - correction).
        """
        ...

    def view(self, *shape: int | tuple[int, ...] | list[int]) -> Tensor:
        """The elements in row-major order in another shape; one size may be -1."""
        ...

    def where(self, input: _Operand, other: _Operand) -> Tensor:
        """`input` where `condition` holds, else `other`; the side not taken passes no NaN."""
        ...

    def __abs__(self, /) -> Tensor: ...
    def __add__(self, other: _Operand, /) -> Tensor: ...
    def __radd__(self, other: _Operand, /) -> Tensor: ...
    def __and__(self, other: _Operand, /) -> Tensor: ...
    def __rand__(self, other: _Operand, /) -> Tensor: ...
    def __invert__(self, /) -> Tensor: ...
    def __or__(self, other: _Operand, /) -> Tensor: ...
    def __ror__(self, other: _Operand, /) -> Tensor: ...
    def __xor__(self, other: _Operand, /) -> Tensor: ...
    def __rxor__(self, other: _Operand, /) -> Tensor: ...
    def __truediv__(self, other: _Operand, /) -> Tensor: ...
    def __rtruediv__(self, other: _Operand, /) -> Tensor: ...
    def __eq__(self, other: _Operand, /) -> Tensor: ...  # type: ignore[override]
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
    def __pow__(self, other: _Operand, /) -> Tensor: ...
    def __rpow__(self, other: _Operand, /) -> Tensor: ...
    def __sub__(self, other: _Operand, /) -> Tensor: ...
    def __rsub__(self, other: _Operand, /) -> Tensor: ...
