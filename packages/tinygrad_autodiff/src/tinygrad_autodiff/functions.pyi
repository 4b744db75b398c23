# ruff: noqa: E501
# fmt: off
# Written by `python -m tinygrad_autodiff.stubs` from the registry of operations. Do not edit.
from typing import Any as Any

from .dtypes import Array as Array
from .tensor import Tensor

_Number = int | float | bool
_Operand = Tensor | Array | _Number
_Dims = int | tuple[int, ...] | list[int] | None

def abs(input: _Operand) -> Tensor:
    """Absolute value; the derivative is sign(input), 0 at 0."""
    ...

def absolute(input: _Operand) -> Tensor:
    """Absolute value; the derivative is sign(input), 0 at 0."""
    ...

def add(input: _Operand, other: _Operand, *, alpha: _Number = 1) -> Tensor:
    """Sum, ``input + alpha * other``.

    ∂out/∂input = 1, ∂out/∂other = alpha.
    """
    ...

def all(input: _Operand, dim: _Dims = None, keepdim: bool = False) -> Tensor:
    """Whether all elements over `dim` are non-zero."""
    ...

def amax(input: _Operand, dim: _Dims = None, keepdim: bool = False) -> Tensor:
    """Maximum over `dim`; equal maxima share the gradient evenly."""
    ...

def amin(input: _Operand, dim: _Dims = None, keepdim: bool = False) -> Tensor:
    """Minimum over `dim`; equal minima share the gradient evenly."""
    ...

def any(input: _Operand, dim: _Dims = None, keepdim: bool = False) -> Tensor:
    """Whether any element over `dim` is non-zero."""
    ...

def argmax(input: _Operand, dim: _Number | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first maximum along `dim`, or in the flattened input."""
    ...

def argmin(input: _Operand, dim: _Number | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first minimum along `dim`, or in the flattened input."""
    ...

def bitwise_and(input: _Operand, other: _Operand) -> Tensor:
    """Bits that are set in both; of truth values, both."""
    ...

def bitwise_not(input: _Operand) -> Tensor:
    """All bits flipped; of truth values, the opposite."""
    ...

def bitwise_or(input: _Operand, other: _Operand) -> Tensor:
    """Bits that are set in one or both; of truth values, at least one."""
    ...

def bitwise_xor(input: _Operand, other: _Operand) -> Tensor:
    """Bits that are set in exactly one; of truth values, exactly one."""
    ...

def bmm(input: Any, mat2: Any) -> Tensor:
    """Products of two equally long batches of matrices, without broadcasting."""
    ...

def broadcast_to(input: _Operand, *size: int | tuple[int, ...] | list[int]) -> Tensor:
    """Repeated along dimensions of size 1 and new leading ones, without a copy; -1 keeps."""
    ...

def cat(tensors: tuple[_Operand, ...] | list[_Operand] | list[Tensor], dim: _Number = 0) -> Tensor:
    """Tensors one after the other along `dim`."""
    ...

def ceil(input: _Operand) -> Tensor:
    """The smallest whole number that is not smaller."""
    ...

def chunk(input: Any, chunks: _Number, dim: _Number = 0) -> tuple[Tensor, ...]:
    """At most `chunks` parts of equal size (the last may be smaller) along `dim`."""
    ...

def clamp(input: _Operand, min: _Operand | None = None, max: _Operand | None = None) -> Tensor:
    """`input` limited to [min, max]; either bound may be None, a number or a tensor.

    The gradient goes to the input within the bounds (both included), else to the bound.
    """
    ...

def clip(input: _Operand, min: _Operand | None = None, max: _Operand | None = None) -> Tensor:
    """`input` limited to [min, max]; either bound may be None, a number or a tensor.

    The gradient goes to the input within the bounds (both included), else to the bound.
    """
    ...

def clone(input: _Operand) -> Tensor:
    """A copy with memory of its own."""
    ...

def concat(tensors: tuple[_Operand, ...] | list[_Operand] | list[Tensor], dim: _Number = 0) -> Tensor:
    """Tensors one after the other along `dim`."""
    ...

def concatenate(tensors: tuple[_Operand, ...] | list[_Operand] | list[Tensor], dim: _Number = 0) -> Tensor:
    """Tensors one after the other along `dim`."""
    ...

def cos(input: _Operand) -> Tensor:
    """Cosine; ∂out/∂input = -sin(input)."""
    ...

def cumsum(input: _Operand, dim: _Number) -> Tensor:
    """Running sum along `dim`.  Adjoint: the running sum from the other end."""
    ...

def div(input: _Operand, other: _Operand) -> Tensor:
    """Quotient, ``input / other``; of integers a floating quotient.

    ∂out/∂input = 1/other, ∂out/∂other = -input/other².
    """
    ...

def divide(input: _Operand, other: _Operand) -> Tensor:
    """Quotient, ``input / other``; of integers a floating quotient.

    ∂out/∂input = 1/other, ∂out/∂other = -input/other².
    """
    ...

def dot(input: Any, tensor: Any) -> Tensor:
    """Sum of the products of two vectors."""
    ...

def einsum(equation: str, *operands: Any) -> Tensor:
    """Einstein summation, lowered pair by pair to permutations, sums and one matrix product.

    ``einsum("bij,bjk->bik", a, b)``; an index that is not in the result is summed over, a
    repeated one in an operand takes the diagonal, "..." stands for broadcast dimensions.
    """
    ...

def eq(input: _Operand, other: _Operand) -> Tensor:
    """Whether ``input == other``."""
    ...

def erf(input: _Operand) -> Tensor:
    """Error function, 2/√π · ∫₀ˣ exp(-s²) ds; ∂out/∂input = 2/√π · exp(-input²)."""
    ...

def exp(input: _Operand) -> Tensor:
    """Exponential; ∂out/∂input = out."""
    ...

def expand(input: _Operand, *size: int | tuple[int, ...] | list[int]) -> Tensor:
    """Repeated along dimensions of size 1 and new leading ones, without a copy; -1 keeps."""
    ...

def expm1(input: _Operand) -> Tensor:
    """``exp(input) - 1``, exact near 0; ∂out/∂input = out + 1."""
    ...

def flatten(input: Any, start_dim: _Number = 0, end_dim: _Number = -1) -> Tensor:
    """Dimensions `start_dim` to `end_dim` made one."""
    ...

def flip(input: _Operand, *dims: int | tuple[int, ...] | list[int]) -> Tensor:
    """Reversed along `dims`."""
    ...

def floor(input: _Operand) -> Tensor:
    """The largest whole number that is not larger."""
    ...

def gather(input: _Operand, dim: _Number, index: Any) -> Tensor:
    """``out[i][j] = input[index[i][j]][j]`` along `dim` (here 0): one element per index."""
    ...

def ge(input: _Operand, other: _Operand) -> Tensor:
    """Whether ``input >= other``."""
    ...

def greater(input: _Operand, other: _Operand) -> Tensor:
    """Whether ``input > other``."""
    ...

def greater_equal(input: _Operand, other: _Operand) -> Tensor:
    """Whether ``input >= other``."""
    ...

def gt(input: _Operand, other: _Operand) -> Tensor:
    """Whether ``input > other``."""
    ...

def isfinite(input: _Operand) -> Tensor:
    """Whether the element is neither infinite nor NaN."""
    ...

def isinf(input: _Operand) -> Tensor:
    """Whether the element is infinite."""
    ...

def isnan(input: _Operand) -> Tensor:
    """Whether the element is NaN."""
    ...

def le(input: _Operand, other: _Operand) -> Tensor:
    """Whether ``input <= other``."""
    ...

def less(input: _Operand, other: _Operand) -> Tensor:
    """Whether ``input < other``."""
    ...

def less_equal(input: _Operand, other: _Operand) -> Tensor:
    """Whether ``input <= other``."""
    ...

def log(input: _Operand) -> Tensor:
    """Natural logarithm; ∂out/∂input = 1/input."""
    ...

def log1p(input: _Operand) -> Tensor:
    """``log(1 + input)``, exact near 0; ∂out/∂input = 1/(1 + input)."""
    ...

def log_softmax(input: _Operand, dim: _Number, dtype: Any = None) -> Tensor:
    """``x - log Σexp(x)`` along `dim`.  Rules: g - s·Σg backward, t - Σ s·t forward."""
    ...

def logical_and(input: _Operand, other: _Operand) -> Tensor:
    """Whether both are non-zero."""
    ...

def logical_not(input: _Operand) -> Tensor:
    """Whether the input is zero."""
    ...

def logical_or(input: _Operand, other: _Operand) -> Tensor:
    """Whether at least one is non-zero."""
    ...

def logical_xor(input: _Operand, other: _Operand) -> Tensor:
    """Whether exactly one is non-zero."""
    ...

def logsumexp(input: _Operand, dim: _Dims, keepdim: bool = False) -> Tensor:
    """``log Σexp(x)`` over `dim`; ∂out/∂x = exp(x - out)."""
    ...

def lt(input: _Operand, other: _Operand) -> Tensor:
    """Whether ``input < other``."""
    ...

def matmul(input: Any, other: Any) -> Tensor:
    """Matrix product: of vectors the dot product, of more dimensions batched and broadcast."""
    ...

def max(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Maximum of all elements; with `dim` values and indices; with a tensor `maximum`."""
    ...

def maximum(input: _Operand, other: _Operand) -> Tensor:
    """The larger of two; where they are equal each gets half of the gradient. NaN wins."""
    ...

def mean(input: _Operand, dim: _Dims = None, keepdim: bool = False) -> Tensor:
    """Arithmetic mean over `dim`, of floating inputs.  Adjoint: repeat, divided by the count."""
    ...

def min(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Minimum of all elements; with `dim` values and indices; with a tensor `minimum`."""
    ...

def minimum(input: _Operand, other: _Operand) -> Tensor:
    """The smaller of two; where they are equal each gets half of the gradient. NaN wins."""
    ...

def mm(input: Any, mat2: Any) -> Tensor:
    """Product of two matrices, without broadcasting."""
    ...

def moveaxis(input: Any, source: Any, destination: Any) -> Tensor:
    """Dimensions at `source` moved to `destination`, the others in order."""
    ...

def movedim(input: Any, source: Any, destination: Any) -> Tensor:
    """Dimensions at `source` moved to `destination`, the others in order."""
    ...

def mul(input: _Operand, other: _Operand) -> Tensor:
    """Product, ``input * other``.

    ∂out/∂input = other, ∂out/∂other = input.
    """
    ...

def multiply(input: _Operand, other: _Operand) -> Tensor:
    """Product, ``input * other``.

    ∂out/∂input = other, ∂out/∂other = input.
    """
    ...

def narrow(input: Any, dim: _Number, start: _Number, length: _Number) -> Tensor:
    """`length` slices of `dim` from `start` on."""
    ...

def ne(input: _Operand, other: _Operand) -> Tensor:
    """Whether ``input != other``."""
    ...

def neg(input: _Operand) -> Tensor:
    """Negative, ``-input``; ∂out/∂input = -1."""
    ...

def negative(input: _Operand) -> Tensor:
    """Negative, ``-input``; ∂out/∂input = -1."""
    ...

def norm(input: Any, p: Any = 2, dim: _Dims = None, keepdim: bool = False) -> Any:
    """Vector norm (Σ|x|^p)^(1/p) over `dim`; p is a number, ±inf, or "fro" (2).

    The gradient of the 2-norm at 0 is 0.
    """
    ...

def not_equal(input: _Operand, other: _Operand) -> Tensor:
    """Whether ``input != other``."""
    ...

def outer(input: Any, vec2: Any) -> Tensor:
    """All products of the elements of two vectors."""
    ...

def permute(input: _Operand, *dims: Any) -> Tensor:
    """Dimensions in another order."""
    ...

def pow(input: _Operand, other: _Operand) -> Tensor:
    """Power, ``input ** exponent``.

    ∂out/∂input = exponent·input^(exponent-1), 0 where exponent = 0;
    ∂out/∂exponent = out·ln(input), 0 where input = 0 and exponent > 0.
    """
    ...

def prod(input: Any, dim: _Number | None = None, keepdim: bool = False) -> Tensor:
    """Product over one dimension or all, by halving.

    The derivative is that of the pairwise products, so zeros in the input need no special case.
    """
    ...

def reciprocal(input: _Operand) -> Tensor:
    """Reciprocal, ``1/input``; ∂out/∂input = -out²."""
    ...

def relu(input: _Operand) -> Tensor:
    """``max(input, 0)``; the derivative at 0 is 0."""
    ...

def reshape(input: _Operand, *shape: int | tuple[int, ...] | list[int]) -> Tensor:
    """The elements in row-major order in another shape; one size may be -1."""
    ...

def round(input: _Operand, decimals: _Number = 0) -> Tensor:
    """The nearest multiple of 10^-decimals, of two equally near the even one."""
    ...

def rsqrt(input: _Operand) -> Tensor:
    """Reciprocal square root, ``input^(-1/2)``; ∂out/∂input = -out³/2."""
    ...

def select(input: Any, dim: _Number, index: _Number) -> Tensor:
    """The slice `index` of `dim`, without that dimension."""
    ...

def sigmoid(input: _Operand) -> Tensor:
    """``1/(1 + exp(-input))``; ∂out/∂input = out·(1 - out)."""
    ...

def sign(input: _Operand) -> Tensor:
    """-1, 0 or 1."""
    ...

def sin(input: _Operand) -> Tensor:
    """Sine; ∂out/∂input = cos(input)."""
    ...

def softmax(input: _Operand, dim: _Number, dtype: Any = None) -> Tensor:
    """``exp(x)/Σexp(x)`` along `dim`.

    The Jacobian diag(s) - s·sᵀ is symmetric: one rule, s·(t - Σ s·t), serves both directions.
    """
    ...

def split(input: _Operand, split_size: Any, dim: _Number = 0) -> tuple[Tensor, ...]:
    """Parts of `split_size` (the last may be smaller), or of the sizes of a list, along `dim`."""
    ...

def sqrt(input: _Operand) -> Tensor:
    """Square root; ∂out/∂input = 1/(2·out)."""
    ...

def square(input: _Operand) -> Tensor:
    """Square, ``input²``; ∂out/∂input = 2·input."""
    ...

def squeeze(input: Any, dim: _Dims = None) -> Tensor:
    """Dimensions of size 1 removed: all, or those of `dim` that have size 1."""
    ...

def stack(tensors: Any, dim: _Number = 0) -> Tensor:
    """Tensors of one shape along a new dimension."""
    ...

def std(input: _Operand, dim: _Dims = None, correction: _Number = 1, keepdim: bool = False, unbiased: _Number | None = None) -> Tensor:
    """Standard deviation over `dim`, √var; the derivative where it is 0 is 0."""
    ...

def sub(input: _Operand, other: _Operand, *, alpha: _Number = 1) -> Tensor:
    """Difference, ``input - alpha * other``.

    ∂out/∂input = 1, ∂out/∂other = -alpha.
    """
    ...

def subtract(input: _Operand, other: _Operand, *, alpha: _Number = 1) -> Tensor:
    """Difference, ``input - alpha * other``.

    ∂out/∂input = 1, ∂out/∂other = -alpha.
    """
    ...

def sum(input: _Operand, dim: _Dims = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """Sum over `dim`; integers and truth values add up to int64.  Adjoint: repeat."""
    ...

def swapaxes(input: _Operand, dim0: _Number, dim1: _Number) -> Tensor:
    """Two dimensions exchanged."""
    ...

def t(input: Any) -> Tensor:
    """The transpose of a matrix; a vector stays as it is."""
    ...

def tanh(input: _Operand) -> Tensor:
    """Hyperbolic tangent; ∂out/∂input = 1 - out²."""
    ...

def transpose(input: _Operand, dim0: _Number, dim1: _Number) -> Tensor:
    """Two dimensions exchanged."""
    ...

def tril(input: _Operand, diagonal: _Number = 0) -> Tensor:
    """The lower triangle of matrices, up to `diagonal`; the rest is 0."""
    ...

def triu(input: _Operand, diagonal: _Number = 0) -> Tensor:
    """The upper triangle of matrices, from `diagonal`; the rest is 0."""
    ...

def true_divide(input: _Operand, other: _Operand) -> Tensor:
    """Quotient, ``input / other``; of integers a floating quotient.

    ∂out/∂input = 1/other, ∂out/∂other = -input/other².
    """
    ...

def unbind(input: Any, dim: _Number = 0) -> tuple[Tensor, ...]:
    """The slices along `dim`, without that dimension."""
    ...

def unsqueeze(input: Any, dim: _Number) -> Tensor:
    """A dimension of size 1 put in at `dim`."""
    ...

def var(input: _Operand, dim: _Dims = None, correction: _Number = 1, keepdim: bool = False, unbiased: _Number | None = None) -> Tensor:
    """Variance over `dim`: Σ(x - x̄)²/(N - correction).

    ∂out/∂x = 2·(x - x̄)/(N - correction).
    """
    ...

def view(input: _Operand, *shape: int | tuple[int, ...] | list[int]) -> Tensor:
    """The elements in row-major order in another shape; one size may be -1."""
    ...

def where(condition: _Operand, input: _Operand, other: _Operand) -> Tensor:
    """`input` where `condition` holds, else `other`; the side not taken passes no NaN."""
    ...

__all__: list[str]
