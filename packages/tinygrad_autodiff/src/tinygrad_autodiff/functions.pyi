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

def _batch_norm_with_update(input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, momentum: _Number, eps: _Number, *, out: Any = None) -> Tensor:
    """`native_batch_norm` in training, with a fourth result that is empty."""
    ...

def _chunk_cat(tensors: Any, dim: _Number, num_chunks: _Number, *, out: Any = None) -> Tensor:
    """Each tensor cut along `dim` into `num_chunks` parts (padded with 0), flattened, and joined.

    The result has size `num_chunks` at `dim` and the parts of all tensors side by side after it.
    """
    ...

def _native_batch_norm_legit(input: Any, weight: Any, bias: Any, mean: Any, var: Any, training: Any, *rest: Any, out: Any = None) -> Tensor:
    """`native_batch_norm`, which may also be called without running moments."""
    ...

def _segment_reduce(data: Any, reduce: str, lengths: Any = None, indices: Any = None, offsets: Any = None, axis: _Number = 0, unsafe: _Bool = False, initial: Any = None, *, out: Any = None) -> Tensor:
    """Sum, mean, product, maximum or minimum of the segments along `axis`.

    Segments are given by their `lengths` or by `offsets` (one more than there are); both have the
    leading dimensions of `data`. A reduction starts from `initial`, which empty ones return.
    """
    ...

def _softmax_backward_data(grad_output: Any, output: Any, dim: _Number, input_dtype: Any, *, out: Any = None) -> Tensor:
    """The rule of softmax as a function of its own: ``s·(g - Σ s·g)``."""
    ...

def _unsafe_masked_index(input: Any, mask: Any, indices: Any, fill: _Number, *, out: Any = None) -> Tensor:
    """``input[indices]`` where the mask is true, else `fill`, whatever the index says there."""
    ...

def _unsafe_masked_index_put_accumulate(input: Any, mask: Any, indices: Any, values: Any, *, out: Any = None) -> Tensor:
    """`input` with `values` added at `indices` where the mask is true."""
    ...

def abs(input: _Operand, *, out: Any = None) -> Tensor:
    """Absolute value; the derivative is sign(input), 0 at 0.

    Of a complex number a real one: L(t) = Re(conj(s)·t) with s = input/|input|, adjoint s·g.
    """
    ...

def absolute(input: _Operand, *, out: Any = None) -> Tensor:
    """Absolute value; the derivative is sign(input), 0 at 0.

    Of a complex number a real one: L(t) = Re(conj(s)·t) with s = input/|input|, adjoint s·g.
    """
    ...

def acos(input: _Operand, *, out: Any = None) -> Tensor:
    """Inverse cosine; ∂out/∂input = -(1 - input²)^(-1/2)."""
    ...

def acosh(input: _Operand, *, out: Any = None) -> Tensor:
    """Inverse hyperbolic cosine; ∂out/∂input = (input² - 1)^(-1/2)."""
    ...

def adaptive_avg_pool1d(input: Any, output_size: Any, *, out: Any = None) -> Tensor:
    """Means over as many intervals a dimension as `output_size` says (None: its size)."""
    ...

def add(input: _Operand, other: _Operand, *, alpha: _Number = 1, out: Any = None) -> Tensor:
    """Sum, ``input + alpha * other``.

    ∂out/∂input = 1, ∂out/∂other = alpha.
    """
    ...

def addbmm(input: Any, batch1: Any, batch2: Any, beta: _Number = 1, alpha: _Number = 1, *, out: Any = None) -> Tensor:
    """``beta·input + alpha·Σ batch1[i] @ batch2[i]``."""
    ...

def addcdiv(input: Any, tensor1: Any, tensor2: Any, value: Any = 1, *, out: Any = None) -> Tensor:
    """``input + value·tensor1/tensor2``; of floating numbers."""
    ...

def addcmul(input: Any, tensor1: Any, tensor2: Any, value: Any = 1, *, out: Any = None) -> Tensor:
    """``input + value·tensor1·tensor2``."""
    ...

def addmm(input: Any, mat1: Any, mat2: Any, beta: _Number = 1, alpha: _Number = 1, *, out: Any = None) -> Tensor:
    """``beta·input + alpha·(mat1 @ mat2)``."""
    ...

def addmv(input: Any, mat: Any, vec: Any, beta: _Number = 1, alpha: _Number = 1, *, out: Any = None) -> Tensor:
    """``beta·input + alpha·(mat @ vec)``."""
    ...

def addr(input: Any, vec1: Any, vec2: Any, beta: _Number = 1, alpha: _Number = 1, *, out: Any = None) -> Tensor:
    """``beta·input + alpha·outer(vec1, vec2)``."""
    ...

def adjoint(input: Any, *, out: Any = None) -> Tensor:
    """(…, m, n) to (…, n, m): transposed and conjugated."""
    ...

def alias_copy(input: _Operand, *, out: Any = None) -> Tensor:
    """`alias` with memory of its own."""
    ...

def all(input: _Operand, dim: _Dims = None, keepdim: _Bool = False, *, out: Any = None) -> Tensor:
    """Whether all elements over `dim` are non-zero."""
    ...

def allclose(input: Any, other: Any, rtol: _Number = 1e-05, atol: _Number = 1e-08, equal_nan: _Bool = False, *, out: Any = None) -> _Bool:
    """Whether all elements satisfy ``|input - other| <= atol + rtol·|other|``."""
    ...

def amax(input: _Operand, dim: _Dims = None, keepdim: _Bool = False, *, out: Any = None) -> Tensor:
    """Maximum over `dim`; equal maxima share the gradient evenly."""
    ...

def amin(input: _Operand, dim: _Dims = None, keepdim: _Bool = False, *, out: Any = None) -> Tensor:
    """Minimum over `dim`; equal minima share the gradient evenly."""
    ...

def aminmax(input: Any, dim: _Number | None = None, keepdim: _Bool = False, *, out: Any = None) -> Any:
    """Minimum and maximum of all elements or along `dim`, as ``(min, max)``."""
    ...

def angle(input: _Operand, *, out: Any = None) -> Tensor:
    """Phase of a complex number, in (-π, π]; of a real one 0 or π.  L(t) = Im(t/z), 0 at 0."""
    ...

def any(input: _Operand, dim: _Dims = None, keepdim: _Bool = False, *, out: Any = None) -> Tensor:
    """Whether any element over `dim` is non-zero."""
    ...

def arccos(input: _Operand, *, out: Any = None) -> Tensor:
    """Inverse cosine; ∂out/∂input = -(1 - input²)^(-1/2)."""
    ...

def arccosh(input: _Operand, *, out: Any = None) -> Tensor:
    """Inverse hyperbolic cosine; ∂out/∂input = (input² - 1)^(-1/2)."""
    ...

def arcsin(input: _Operand, *, out: Any = None) -> Tensor:
    """Inverse sine; ∂out/∂input = (1 - input²)^(-1/2)."""
    ...

def arcsinh(input: _Operand, *, out: Any = None) -> Tensor:
    """Inverse hyperbolic sine; ∂out/∂input = (1 + input²)^(-1/2)."""
    ...

def arctan(input: _Operand, *, out: Any = None) -> Tensor:
    """Inverse tangent; ∂out/∂input = 1/(1 + input²)."""
    ...

def arctan2(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Angle of the point (other, input), in (-π, π].

    ∂out/∂input = other/(input² + other²), ∂out/∂other = -input/(input² + other²), 0 at (0, 0).
    """
    ...

def arctanh(input: _Operand, *, out: Any = None) -> Tensor:
    """Inverse hyperbolic tangent; ∂out/∂input = 1/(1 - input²)."""
    ...

def argmax(input: _Operand, dim: _Number | None = None, keepdim: _Bool = False, *, out: Any = None) -> Tensor:
    """Index of the first maximum along `dim`, or in the flattened input."""
    ...

def argmin(input: _Operand, dim: _Number | None = None, keepdim: _Bool = False, *, out: Any = None) -> Tensor:
    """Index of the first minimum along `dim`, or in the flattened input."""
    ...

def argsort(input: _Operand, dim: _Number = -1, descending: _Bool = False, stable: _Bool = False, *, out: Any = None) -> Tensor:
    """Indices that sort the input along `dim`; always stable."""
    ...

def argwhere(input: Any, *, out: Any = None) -> Tensor:
    """The indices of the elements that are not 0, one a row."""
    ...

def as_strided(input: _Operand, size: Any, stride: Any, storage_offset: _Number | None = None, *, out: Any = None) -> Tensor:
    """The memory of `input` in given sizes and strides (in elements), from a given start on.

    The start counts from the first element of the memory; by default it is the input's own.
    """
    ...

def as_strided_copy(input: _Operand, size: Any, stride: Any, storage_offset: _Number | None = None, *, out: Any = None) -> Tensor:
    """`as_strided` with memory of its own."""
    ...

def as_strided_scatter(input: Any, src: Any, size: Any, stride: Any, storage_offset: _Number | None = None, *, out: Any = None) -> Tensor:
    """A copy of `input` with `src` where `as_strided` would look."""
    ...

def asin(input: _Operand, *, out: Any = None) -> Tensor:
    """Inverse sine; ∂out/∂input = (1 - input²)^(-1/2)."""
    ...

def asinh(input: _Operand, *, out: Any = None) -> Tensor:
    """Inverse hyperbolic sine; ∂out/∂input = (1 + input²)^(-1/2)."""
    ...

def atan(input: _Operand, *, out: Any = None) -> Tensor:
    """Inverse tangent; ∂out/∂input = 1/(1 + input²)."""
    ...

def atan2(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Angle of the point (other, input), in (-π, π].

    ∂out/∂input = other/(input² + other²), ∂out/∂other = -input/(input² + other²), 0 at (0, 0).
    """
    ...

def atanh(input: _Operand, *, out: Any = None) -> Tensor:
    """Inverse hyperbolic tangent; ∂out/∂input = 1/(1 - input²)."""
    ...

def atleast_1d(*tensors: Any, out: Any = None) -> Any:
    """Each tensor with at least one dimension: () becomes (1,)."""
    ...

def atleast_2d(*tensors: Any, out: Any = None) -> Any:
    """Each tensor with at least two dimensions: (n,) becomes (1, n)."""
    ...

def atleast_3d(*tensors: Any, out: Any = None) -> Any:
    """Each tensor with at least three dimensions: (n,) becomes (1, n, 1), (m, n) (m, n, 1)."""
    ...

def avg_pool1d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: _Bool = False, count_include_pad: _Bool = True, *, out: Any = None) -> Tensor:
    """Means of windows of (N, C, L) or (C, L); `stride` is the kernel's size if not given."""
    ...

def baddbmm(input: Any, batch1: Any, batch2: Any, beta: _Number = 1, alpha: _Number = 1, *, out: Any = None) -> Tensor:
    """``beta·input + alpha·(batch1 @ batch2)``."""
    ...

def bartlett_window(window_length: _Number, periodic: _Bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: _Bool = False, *, out: Any = None) -> Tensor:
    """1 - |2j/last - 1|, last = M - 1, or M if periodic. Periodic by default."""
    ...

def bernoulli(input: _Operand, p: _Number | None = None, generator: Any = None, *, out: Any = None) -> Tensor:
    """1 with probability `p`, or with the probability that each element states; else 0."""
    ...

def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None, *, out: Any = None) -> Tensor:
    """``input1ᵀ · weight[k] · input2 + bias[k]`` for each k, over the last dimensions."""
    ...

def bincount(input: _Operand, weights: Any = None, minlength: _Number = 0, *, out: Any = None) -> Tensor:
    """How often each whole number from 0 on occurs, or the sum of the weights where it does."""
    ...

def bitwise_and(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Bits that are set in both; of truth values, both."""
    ...

def bitwise_left_shift(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """``input·2^other`` of integers."""
    ...

def bitwise_not(input: _Operand, *, out: Any = None) -> Tensor:
    """All bits flipped; of truth values, the opposite."""
    ...

def bitwise_or(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Bits that are set in one or both; of truth values, at least one."""
    ...

def bitwise_right_shift(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """``input/2^other`` of integers, rounded down."""
    ...

def bitwise_xor(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Bits that are set in exactly one; of truth values, exactly one."""
    ...

def blackman_window(window_length: _Number, periodic: _Bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: _Bool = False, *, out: Any = None) -> Tensor:
    """`general_cosine` of 0.42, 0.5, 0.08. Periodic by default."""
    ...

def block_diag(*tensors: Any, out: Any = None) -> Tensor:
    """Matrices along the diagonal of a larger one, which is 0 elsewhere."""
    ...

def bmm(input: Any, mat2: Any, *, out: Any = None) -> Tensor:
    """``out[b] = input[b]·mat2[b]`` of (B, n, m) and (B, m, p), without broadcasting."""
    ...

def broadcast_shapes(*shapes: Any, out: Any = None) -> tuple[_Int, ...]:
    """The shape that arrays of the given shapes broadcast to."""
    ...

def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """The tensors, each repeated to the shape that all broadcast to."""
    ...

def broadcast_to(input: _Operand, *size: _Int | tuple[_Int, ...] | list[_Int], out: Any = None) -> Tensor:
    """Repeated along dimensions of size 1 and new leading ones, without a copy; -1 keeps."""
    ...

def bucketize(input: _Operand, boundaries: _Operand, out_int32: _Bool = False, right: _Bool = False, *, out: Any = None) -> Tensor:
    """Number of the bucket between sorted `boundaries` that each element is in.

    A boundary belongs to the bucket below it, or if `right` to the one above.
    """
    ...

def cartesian_prod(*tensors: Any, out: Any = None) -> Tensor:
    """Every combination of one element of each vector, one combination a row."""
    ...

def cat(tensors: tuple[_Operand, ...] | list[_Operand] | list[Tensor], dim: _Number = 0, *, out: Any = None) -> Tensor:
    """Tensors one after the other along `dim`; those of shape (0,) are left out, as in torch."""
    ...

def cdist(x1: Any, x2: Any, p: _Number = 2.0, compute_mode: str = 'use_mm_for_euclid_dist_if_necessary', *, out: Any = None) -> Tensor:
    """``‖x1[…, i, :] - x2[…, j, :]‖_p`` for all pairs of rows; `compute_mode` changes nothing."""
    ...

def ceil(input: _Operand, *, out: Any = None) -> Tensor:
    """``⌈input⌉``; slope 0."""
    ...

def celu(input: Any, alpha: _Number = 1.0, *, out: Any = None, inplace: _Bool = False) -> Tensor:
    """``input`` above 0, else ``alpha·(exp(input/alpha) - 1)``: smooth at 0.  Barron 2017."""
    ...

def chain_matmul(*matrices: Any, out: Any = None) -> Tensor:
    """The older `linalg.multi_dot`, of matrices given one by one."""
    ...

def channel_shuffle(input: Any, groups: _Number, *, out: Any = None) -> Tensor:
    """The channels of (N, C, *) taken from each of `groups` in turn.  Zhang et al. 2017."""
    ...

def cholesky(input: _Operand, upper: _Bool = False, *, out: Any = None) -> Tensor:
    """The lower L with L·Lᴴ = A (or the upper U with Uᴴ·U = A) of positive definite matrices.

    Reads that triangle only. dL = L·Φ(L⁻¹·dA·L⁻ᴴ), Φ: the lower triangle, its diagonal halved.
    The gradient is Hermitian.
    """
    ...

def cholesky_inverse(L: Any, upper: _Bool = False, *, out: Any = None) -> Tensor:
    """(L·Lᴴ)⁻¹, or (Uᴴ·U)⁻¹ if `upper`; one triangle is read."""
    ...

def cholesky_solve(input: Any, L: Any, upper: _Bool = False, *, out: Any = None) -> Tensor:
    """The X with L·Lᴴ·X = input, or UᴴU·X = input if `upper`; one triangle is read."""
    ...

def chunk(input: Any, chunks: _Number, dim: _Number = 0) -> tuple[Tensor, ...]:
    """At most `chunks` parts of equal size (the last may be smaller) along `dim`."""
    ...

def clamp(input: _Operand, min: _Operand | None = None, max: _Operand | None = None, *, out: Any = None) -> Tensor:
    """``min(max(input, min), max)``; either bound may be None, a number or a tensor.

    The gradient goes to the input between the bounds, to a bound beyond it. On a bound the input
    gets none if that is a number, and half if it is a tensor, as in torch 2.15.
    """
    ...

def clamp_max(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """The smaller of `input` and `max`; the gradient as `clamp` has it."""
    ...

def clamp_min(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """The larger of `input` and `min`; the gradient as `clamp` has it."""
    ...

def clip(input: _Operand, min: _Operand | None = None, max: _Operand | None = None, *, out: Any = None) -> Tensor:
    """``min(max(input, min), max)``; either bound may be None, a number or a tensor.

    The gradient goes to the input between the bounds, to a bound beyond it. On a bound the input
    gets none if that is a number, and half if it is a tensor, as in torch 2.15.
    """
    ...

def clone(input: _Operand, memory_format: Any = None, *, out: Any = None) -> Tensor:
    """A copy with memory of its own."""
    ...

def column_stack(tensors: Any, *, out: Any = None) -> Tensor:
    """Tensors beside each other; vectors count as columns."""
    ...

def combinations(input: Any, r: _Number = 2, with_replacement: _Bool = False, *, out: Any = None) -> Tensor:
    """Every choice of `r` elements of a vector, in order, one choice a row."""
    ...

def complex(real: _Operand, imag: _Operand, *, out: Any = None) -> Tensor:
    """``real + i·imag`` of two real tensors of one dtype. Adjoint: the two parts."""
    ...

def concat(tensors: tuple[_Operand, ...] | list[_Operand] | list[Tensor], dim: _Number = 0, *, out: Any = None) -> Tensor:
    """Tensors one after the other along `dim`; those of shape (0,) are left out, as in torch."""
    ...

def concatenate(tensors: tuple[_Operand, ...] | list[_Operand] | list[Tensor], dim: _Number = 0, *, out: Any = None) -> Tensor:
    """Tensors one after the other along `dim`; those of shape (0,) are left out, as in torch."""
    ...

def conj(input: _Operand, *, out: Any = None) -> Tensor:
    """Complex conjugate; of a real input the input itself. Adjoint: conj."""
    ...

def conj_physical(input: _Operand, *, out: Any = None) -> Tensor:
    """Complex conjugate; of a real input the input itself. Adjoint: conj."""
    ...

def constant_pad_nd(input: Any, pad: Any, value: Any = 0, *, out: Any = None) -> Tensor:
    """`value` added (or, negative, elements cut off) at the ends of the last dimensions."""
    ...

def conv1d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: _Number = 1, *, out: Any = None) -> Tensor:
    """Cross-correlation of (N, C, *) or (C, *) with `weight` (O, C/groups, *) and a bias (O,).

    `padding` is a number of zeros at both ends, "valid" (none), or "same" (the size stays).
    """
    ...

def conv2d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: _Number = 1, *, out: Any = None) -> Tensor:
    """Cross-correlation of (N, C, *) or (C, *) with `weight` (O, C/groups, *) and a bias (O,).

    `padding` is a number of zeros at both ends, "valid" (none), or "same" (the size stays).
    """
    ...

def conv3d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: _Number = 1, *, out: Any = None) -> Tensor:
    """Cross-correlation of (N, C, *) or (C, *) with `weight` (O, C/groups, *) and a bias (O,).

    `padding` is a number of zeros at both ends, "valid" (none), or "same" (the size stays).
    """
    ...

def conv_transpose1d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: _Number = 1, dilation: Any = 1, *, out: Any = None) -> Tensor:
    """Adjoint of convolution: (N, C, *) or (C, *), `weight` (C, O/groups, *), bias (O,).

    The output has (size - 1)·stride - 2·padding + dilation·(kernel - 1) + output_padding + 1
    elements along each dimension.
    """
    ...

def conv_transpose2d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: _Number = 1, dilation: Any = 1, *, out: Any = None) -> Tensor:
    """Adjoint of convolution: (N, C, *) or (C, *), `weight` (C, O/groups, *), bias (O,).

    The output has (size - 1)·stride - 2·padding + dilation·(kernel - 1) + output_padding + 1
    elements along each dimension.
    """
    ...

def conv_transpose3d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: _Number = 1, dilation: Any = 1, *, out: Any = None) -> Tensor:
    """Adjoint of convolution: (N, C, *) or (C, *), `weight` (C, O/groups, *), bias (O,).

    The output has (size - 1)·stride - 2·padding + dilation·(kernel - 1) + output_padding + 1
    elements along each dimension.
    """
    ...

def copysign(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """The size of `input` with the sign of `other`; ∂out/∂input = ±1, 0 at 0."""
    ...

def corrcoef(input: Any, *, out: Any = None) -> Tensor:
    """``C[i, j]/√(C[i, i]·C[j, j])``, C the covariances of rows over columns."""
    ...

def cos(input: _Operand, *, out: Any = None) -> Tensor:
    """Cosine; ∂out/∂input = -sin(input)."""
    ...

def cosh(input: _Operand, *, out: Any = None) -> Tensor:
    """Hyperbolic cosine; ∂out/∂input = sinh(input)."""
    ...

def cosine_similarity(x1: Any, x2: Any, dim: _Number = 1, eps: _Number = 1e-08, *, out: Any = None) -> Tensor:
    """``Σ x1·x2/(max(‖x1‖, eps)·max(‖x2‖, eps))`` along `dim`."""
    ...

def count_nonzero(input: _Operand, dim: _Dims = None, *, out: Any = None) -> Tensor:
    """Number of elements over `dim` that are not zero."""
    ...

def cov(input: Any, correction: _Number = 1, fweights: Any = None, aweights: Any = None, *, out: Any = None) -> Tensor:
    """Covariance of variables (rows) over observations (columns).

    Observation i counts fweights[i] times (integers) with the weight aweights[i] (floating); the
    divisor is Σw - correction·Σ(w·aweights)/Σw with w their product.
    """
    ...

def cross(input: Any, other: Any, dim: _Number | None = None, *, out: Any = None) -> Tensor:
    """`linalg.cross`; without `dim` along the first dimension of size 3."""
    ...

def cummax(input: Any, dim: _Number, *, out: Any = None) -> Any:
    """Running maximum along `dim` and the index of the last element that attains it."""
    ...

def cummin(input: Any, dim: _Number, *, out: Any = None) -> Any:
    """Running minimum along `dim` and the index of the last element that attains it."""
    ...

def cumprod(input: Any, dim: _Number, dtype: Any = None, *, out: Any = None) -> Tensor:
    """Running product along `dim`; zeros need no special case, as no rule divides."""
    ...

def cumsum(input: _Operand, dim: _Number, dtype: Any = None, *, out: Any = None) -> Tensor:
    """Running sum along `dim`.  Adjoint: the running sum from the other end."""
    ...

def cumulative_trapezoid(y: Any, x: Any = None, dx: Any = None, dim: _Number = -1, *, out: Any = None) -> Tensor:
    """Area under the samples `y` up to each one but the first, by the trapezoidal rule."""
    ...

def deg2rad(input: _Operand, *, out: Any = None) -> Tensor:
    """Degrees to radians; ∂out/∂input = π/180."""
    ...

def det(A: _Operand, *, out: Any = None) -> Tensor:
    """Determinant of square matrices; d det = Σ C∘dA with the cofactors C = det(A)·A⁻ᵀ."""
    ...

def diag(input: Any, diagonal: _Number = 0, *, out: Any = None) -> Tensor:
    """The matrix with a vector on its diagonal, or the diagonal of a matrix."""
    ...

def diag_embed(input: Any, offset: _Number = 0, dim1: _Number = -2, dim2: _Number = -1, *, out: Any = None) -> Tensor:
    """Matrices in `dim1` and `dim2` with the last dimension of `input` on a diagonal, else 0."""
    ...

def diagflat(input: Any, offset: _Number = 0, *, out: Any = None) -> Tensor:
    """The matrix with all elements of `input` on its diagonal."""
    ...

def diagonal(input: _Operand, offset: _Number = 0, dim1: _Number = 0, dim2: _Number = 1, *, out: Any = None) -> Tensor:
    """The elements ``input[…, i, i + offset]`` of the matrices in `dim1` and `dim2`, put last."""
    ...

def diagonal_copy(input: _Operand, offset: _Number = 0, dim1: _Number = 0, dim2: _Number = 1, *, out: Any = None) -> Tensor:
    """`diagonal` with memory of its own."""
    ...

def diagonal_scatter(input: Any, src: Any, offset: _Number = 0, dim1: _Number = 0, dim2: _Number = 1, *, out: Any = None) -> Tensor:
    """A copy of `input` with `src` on a diagonal; see diagonal."""
    ...

def diff(input: Any, n: _Number = 1, dim: _Number = -1, prepend: Any = None, append: Any = None, *, out: Any = None) -> Tensor:
    """Differences of neighbours along `dim`, `n` times; of truth values, whether they differ."""
    ...

def digamma(input: _Operand, *, out: Any = None) -> Tensor:
    """Logarithmic derivative of Γ; its own is trigamma, polygamma(1)."""
    ...

def dist(input: Any, other: Any, p: _Number = 2, *, out: Any = None) -> Tensor:
    """`vector_norm` of ``input - other`` of order `p`, over all elements."""
    ...

def div(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Quotient, ``input / other``; of integers a floating quotient.

    ∂out/∂input = 1/other, ∂out/∂other = -input/other². ``rounding_mode="trunc"`` or ``"floor"``
    rounds it, and the derivative is 0.
    """
    ...

def divide(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Quotient, ``input / other``; of integers a floating quotient.

    ∂out/∂input = 1/other, ∂out/∂other = -input/other². ``rounding_mode="trunc"`` or ``"floor"``
    rounds it, and the derivative is 0.
    """
    ...

def dot(input: Any, tensor: Any, *, out: Any = None) -> Tensor:
    """``Σ input[i]·tensor[i]`` of two vectors of one length."""
    ...

def dropout(input: Any, p: _Number = 0.5, training: _Bool = True, *, out: Any = None, inplace: _Bool = False) -> Tensor:
    """0 with probability `p`, else ``input/(1 - p)``; the input itself outside training."""
    ...

def dsplit(input: Any, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Parts along the third dimension; a number has to divide it."""
    ...

def dstack(tensors: Any, *, out: Any = None) -> Tensor:
    """Tensors behind each other, along the third dimension."""
    ...

def einsum(equation: str, *operands: Any, out: Any = None) -> Tensor:
    """Einstein summation, lowered pair by pair to permutations, sums and one matrix product.

    ``einsum("bij,bjk->bik", a, b)``; an index that is not in the result is summed over, a
    repeated one in an operand takes the diagonal, "..." stands for broadcast dimensions.
    """
    ...

def eq(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Whether ``input == other``."""
    ...

def equal(input: Any, other: Any, *, out: Any = None) -> _Bool:
    """Whether shapes and all elements are equal."""
    ...

def erf(input: _Operand, *, out: Any = None) -> Tensor:
    """Error function, 2/√π · ∫₀ˣ exp(-s²) ds; ∂out/∂input = 2/√π · exp(-input²)."""
    ...

def erfc(input: _Operand, *, out: Any = None) -> Tensor:
    """``1 - erf(input)``, without cancellation; ∂out/∂input = -2/√π · exp(-input²)."""
    ...

def erfinv(input: _Operand, *, out: Any = None) -> Tensor:
    """The y with erf(y) = input; ∂out/∂input = √π/2 · exp(out²)."""
    ...

def exp(input: _Operand, *, out: Any = None) -> Tensor:
    """Exponential; ∂out/∂input = out."""
    ...

def exp2(input: _Operand, *, out: Any = None) -> Tensor:
    """``2**input``; ∂out/∂input = out·ln 2."""
    ...

def expand(input: _Operand, *size: _Int | tuple[_Int, ...] | list[_Int], out: Any = None) -> Tensor:
    """Repeated along dimensions of size 1 and new leading ones, without a copy; -1 keeps."""
    ...

def expand_copy(input: _Operand, *size: _Int | tuple[_Int, ...] | list[_Int], out: Any = None) -> Tensor:
    """`expand` with memory of its own."""
    ...

def expm1(input: _Operand, *, out: Any = None) -> Tensor:
    """``exp(input) - 1``, exact near 0; ∂out/∂input = out + 1."""
    ...

def fill(input: Any, value: Any, *, out: Any = None) -> Tensor:
    """`value` (a number or a 0-d tensor) at every place of a new tensor like `input`."""
    ...

def fill_(input: Any, value: Any, *, out: Any = None) -> Tensor:
    """Set every element to `value`, in place."""
    ...

def fix(input: _Operand, *, out: Any = None) -> Tensor:
    """``sign(input)·⌊|input|⌋``, the whole part; slope 0."""
    ...

def flatten(input: Any, start_dim: _Number = 0, end_dim: _Number = -1, *, out: Any = None) -> Tensor:
    """Dimensions `start_dim` to `end_dim` made one; the tensor itself if they are one."""
    ...

def flip(input: _Operand, *dims: _Int | tuple[_Int, ...] | list[_Int], out: Any = None) -> Tensor:
    """Reversed along `dims`."""
    ...

def fliplr(input: Any, *, out: Any = None) -> Tensor:
    """Columns in reverse order."""
    ...

def flipud(input: Any, *, out: Any = None) -> Tensor:
    """Rows in reverse order."""
    ...

def float_power(input: Any, exponent: Any, *, out: Any = None) -> Tensor:
    """``input ** exponent`` computed in float64 (complex128 for complex operands)."""
    ...

def floor(input: _Operand, *, out: Any = None) -> Tensor:
    """``⌊input⌋``; slope 0."""
    ...

def floor_divide(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """``⌊input/other⌋``."""
    ...

def fmax(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """The larger of two; of a number and NaN the number. In a tie `input` gets the gradient."""
    ...

def fmin(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """The smaller of two; of a number and NaN the number. In a tie `input` gets the gradient."""
    ...

def fmod(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """``input - trunc(input/other)·other``: has the sign of `input`."""
    ...

def frac(input: _Operand, *, out: Any = None) -> Tensor:
    """What is behind the decimal point, with the sign of the input; ∂out/∂input = 1."""
    ...

def frexp(input: _Operand, *, out: Any = None) -> Tensor:
    """Mantissa in ±[1/2, 1) and int32 exponent: ``input = mantissa·2^exponent``.

    ∂mantissa/∂input = 2^(-exponent).
    """
    ...

def gather(input: Any, dim: _Number, index: Any, sparse_grad: _Bool = False, *, out: Any = None) -> Tensor:
    """``out[i][j] = input[index[i][j]][j]`` along `dim` (here 0): one element per index."""
    ...

def gcd(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Greatest common divisor of integers."""
    ...

def ge(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Whether ``input >= other``."""
    ...

def geqrf(input: _Operand, *, out: Any = None) -> Tensor:
    """The factors Q·R of a matrix as LAPACK leaves them: see `householder_product`."""
    ...

def ger(input: Any, vec2: Any, *, out: Any = None) -> Tensor:
    """``out[i, j] = input[i]·vec2[j]`` of two vectors."""
    ...

def gradient(input: Any, spacing: Any = 1, dim: Any = None, edge_order: _Number = 1) -> tuple[Tensor, ...]:
    """Estimates of the partial derivatives of a sampled function, one for each of `dim`.

    `spacing` is the distance of the samples, one distance for each dimension, or the coordinates
    of the samples for each dimension. Central differences of second order inside, also where the
    samples are not equally spaced; one-sided ones of order `edge_order` at the ends.
    """
    ...

def greater(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Whether ``input > other``."""
    ...

def greater_equal(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Whether ``input >= other``."""
    ...

def grid_sampler(input: Any, grid: Any, interpolation_mode: _Number, padding_mode: _Number, align_corners: _Bool, *, out: Any = None) -> Tensor:
    """`grid_sample` of volumes, with the modes as numbers."""
    ...

def grid_sampler_2d(input: Any, grid: Any, interpolation_mode: _Number, padding_mode: _Number, align_corners: _Bool, *, out: Any = None) -> Tensor:
    """`grid_sample` of images, with the modes as numbers."""
    ...

def grid_sampler_3d(input: Any, grid: Any, interpolation_mode: _Number, padding_mode: _Number, align_corners: _Bool, *, out: Any = None) -> Tensor:
    """`grid_sample` of volumes, with the modes as numbers."""
    ...

def group_norm(input: Any, num_groups: _Number, weight: Any = None, bias: Any = None, eps: _Number = 1e-05, *, out: Any = None) -> Tensor:
    """Groups of channels (dimension 1) standardized, each channel scaled.  Wu & He 2018."""
    ...

def gt(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Whether ``input > other``."""
    ...

def hamming_window(window_length: _Number, periodic: _Bool = True, alpha: _Number = 0.54, beta: _Number = 0.46, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: _Bool = False, *, out: Any = None) -> Tensor:
    """alpha - beta·cos(2πj/last). Periodic by default."""
    ...

def hann_window(window_length: _Number, periodic: _Bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: _Bool = False, *, out: Any = None) -> Tensor:
    """(1 - cos(2πj/last))/2, last = M - 1, or M if periodic. Periodic by default."""
    ...

def hardshrink(input: _Operand, lambd: _Number = 0.5, *, out: Any = None) -> Tensor:
    """``input`` outside [-lambd, lambd], else 0."""
    ...

def hash_tensor(input: _Operand, dim: _Dims = None, keepdim: _Bool = False, mode: _Number = 0, *, out: Any = None) -> Tensor:
    """All elements over `dim`, widened to 64 bits, combined by a bitwise exclusive "or"."""
    ...

def heaviside(input: _Operand, values: _Operand, *, out: Any = None) -> Tensor:
    """0 where input < 0, 1 where it is > 0, and `values` where it is 0."""
    ...

def histc(input: _Operand, bins: _Number = 100, min: _Number = 0, max: _Number = 0, *, out: Any = None) -> Tensor:
    """Number of elements in each of `bins` bins of equal width from `min` to `max`.

    If they are equal, from the least to the largest element. Elements outside are not counted.
    """
    ...

def histogram(input: _Operand, bins: Any, range: Any = None, weight: Any = None, density: _Bool = False, *, out: Any = None) -> Any:
    """Histogram over `bins` equal bins of a `range`, or over bins of given edges.

    A bin holds its lower edge, the last one both. `weight` counts each element as that much;
    `density` divides by total and width, so that the integral is 1.
    """
    ...

def histogramdd(input: Any, bins: Any, range: Any = None, weight: Any = None, density: _Bool = False, *, out: Any = None) -> Any:
    """Histogram of points, the rows of the input, in as many dimensions as it has columns.

    `bins` is a number of bins, one for each dimension, or the edges in each; `range` holds the
    lower and upper end of each in turn. Otherwise as `histogram`.
    """
    ...

def hsplit(input: Any, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Parts along the second dimension, or along the only one; a number has to divide it."""
    ...

def hstack(tensors: Any, *, out: Any = None) -> Tensor:
    """Tensors beside each other: along the second dimension, vectors along their only one."""
    ...

def hypot(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """``(input² + other²)^(1/2)`` without overflow; ∂out/∂x = x/out."""
    ...

def i0(input: _Operand, *, out: Any = None) -> Tensor:
    """Modified Bessel function I₀; ∂out/∂input = I₁."""
    ...

def igamma(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Regularised lower incomplete gamma function, ∫₀^other s^(a-1)·e^(-s) ds / Γ(a), a = input.

    ∂out/∂other = other^(a-1)·e^(-other)/Γ(a).
    """
    ...

def igammac(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Regularised upper incomplete gamma function, 1 - igamma(input, other)."""
    ...

def imag(input: _Operand, *, out: Any = None) -> Tensor:
    """Imaginary part, on the same memory. Adjoint: multiplication by i."""
    ...

def index_add(input: Any, dim: _Number, index: Any, source: Any, alpha: _Number = 1, *, out: Any = None) -> Tensor:
    """A copy of `input` with ``alpha * source`` added to the slices `index` of `dim`."""
    ...

def index_copy(input: Any, dim: _Number, index: Any, source: Any, *, out: Any = None) -> Tensor:
    """A copy of `input` with `source` as the slices `index` of `dim`."""
    ...

def index_fill(input: Any, dim: _Number, index: Any, value: Any, *, out: Any = None) -> Tensor:
    """A copy of `input` with `value` in the slices `index` of `dim`."""
    ...

def index_put(input: Any, indices: Any, values: Any, accumulate: _Bool = False, *, out: Any = None) -> Tensor:
    """A copy of `input` with `values` at ``input[indices]``, or added there with `accumulate`."""
    ...

def index_reduce(input: Any, dim: _Number, index: Any, source: Any, reduce: str, include_self: _Bool = True, *, out: Any = None) -> Tensor:
    """The slices of `source` reduced into the slices `index` of `dim`; see scatter_reduce."""
    ...

def index_select(input: Any, dim: _Number, index: Any, *, out: Any = None) -> Tensor:
    """The slices `index` of `dim`, in that order."""
    ...

def inner(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """Products summed over the last dimensions of both; of numbers plain products."""
    ...

def inverse(input: _Operand, *, out: Any = None) -> Tensor:
    """A⁻¹ of square matrices; dA⁻¹ = -A⁻¹·dA·A⁻¹."""
    ...

def is_conj(input: Any, *, out: Any = None) -> Tensor:
    """False: nothing is conjugated lazily here."""
    ...

def is_neg(input: Any, *, out: Any = None) -> Tensor:
    """False: nothing is negated lazily here."""
    ...

def isclose(input: _Operand, other: _Operand, rtol: _Number = 1e-05, atol: _Number = 1e-08, equal_nan: _Bool = False, *, out: Any = None) -> Tensor:
    """Whether ``|input - other| <= atol + rtol·|other|``, or both are the same infinity."""
    ...

def isfinite(input: _Operand, *, out: Any = None) -> Tensor:
    """Whether the element is neither infinite nor NaN."""
    ...

def isin(elements: _Operand, test_elements: _Operand, assume_unique: _Bool = False, invert: _Bool = False, *, out: Any = None) -> Tensor:
    """Whether each of `elements` is one of `test_elements` (or, if `invert`, none of them)."""
    ...

def isinf(input: _Operand, *, out: Any = None) -> Tensor:
    """Whether the element is infinite."""
    ...

def isnan(input: _Operand, *, out: Any = None) -> Tensor:
    """Whether the element is NaN."""
    ...

def isneginf(input: _Operand, *, out: Any = None) -> Tensor:
    """Whether the element is -Inf."""
    ...

def isposinf(input: _Operand, *, out: Any = None) -> Tensor:
    """Whether the element is +Inf."""
    ...

def isreal(input: _Operand, *, out: Any = None) -> Tensor:
    """Whether the imaginary part is zero."""
    ...

def istft(input: Any, n_fft: _Number, hop_length: _Number | None = None, win_length: _Number | None = None, window: Any = None, center: _Bool = True, normalized: _Bool = False, onesided: _Number | None = None, length: _Number | None = None, return_complex: _Bool = False, *, out: Any = None) -> Tensor:
    """The signal of least squares whose `stft` is nearest to `input`, (…, frequency, frame).

    Each frame is transformed back, windowed again and added up; the sum is divided by that of the
    squared windows, which must not vanish.
    """
    ...

def kaiser_window(window_length: _Number, periodic: _Bool = True, beta: _Number = 12.0, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: _Bool = False, *, out: Any = None) -> Tensor:
    """I₀(beta·√(1 - (2j/last - 1)²))/I₀(beta), I₀ the modified Bessel function. Periodic by default."""
    ...

def kron(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """The Kronecker product: every element of `input` times the whole of `other`."""
    ...

def kthvalue(input: Any, k: _Number, dim: _Number = -1, keepdim: _Bool = False, *, out: Any = None) -> Any:
    """The k-th smallest element along `dim` (the first is k = 1), and where it stood."""
    ...

def layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: _Number = 1e-05, *, out: Any = None) -> Tensor:
    """Each sample made to mean 0 and variance 1 over its last dimensions.  Ba et al. 2016."""
    ...

def lcm(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Least common multiple of integers."""
    ...

def ldexp(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """``input·2^other``."""
    ...

def le(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Whether ``input <= other``."""
    ...

def lerp(input: _Operand, end: _Operand, weight: _Operand, *, out: Any = None) -> Tensor:
    """``input + weight·(end - input)``, the weight a number or a tensor.

    ∂out/∂input = 1 - weight, ∂out/∂end = weight, ∂out/∂weight = end - input.
    """
    ...

def less(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Whether ``input < other``."""
    ...

def less_equal(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Whether ``input <= other``."""
    ...

def lgamma(input: _Operand, *, out: Any = None) -> Tensor:
    """``log |Γ(input)|``; ∂out/∂input = digamma(input)."""
    ...

def log(input: _Operand, *, out: Any = None) -> Tensor:
    """Natural logarithm; ∂out/∂input = 1/input."""
    ...

def log10(input: _Operand, *, out: Any = None) -> Tensor:
    """Logarithm to base 10; ∂out/∂input = 1/(input·ln 10)."""
    ...

def log1p(input: _Operand, *, out: Any = None) -> Tensor:
    """``log(1 + input)``, exact near 0; ∂out/∂input = 1/(1 + input)."""
    ...

def log2(input: _Operand, *, out: Any = None) -> Tensor:
    """Logarithm to base 2; ∂out/∂input = 1/(input·ln 2)."""
    ...

def log_softmax(input: _Operand, dim: _Number, dtype: Any = None, *, out: Any = None) -> Tensor:
    """``x - log Σexp(x)`` along `dim`.  Rules: g - s·Σg backward, t - Σ s·t forward."""
    ...

def logaddexp(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """``log(exp(input) + exp(other))``; ∂out/∂input = 1/(1 + exp(other - input))."""
    ...

def logaddexp2(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """``log2(2^input + 2^other)``; ∂out/∂input = 1/(1 + 2^(other - input))."""
    ...

def logcumsumexp(input: Any, dim: _Number, *, out: Any = None) -> Tensor:
    """``log Σexp`` of the elements up to each one along `dim`, without overflow."""
    ...

def logdet(input: Any, *, out: Any = None) -> Tensor:
    """``log det(A)`` of (…, n, n); NaN where the determinant of a real matrix is negative."""
    ...

def logical_and(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Whether both are non-zero."""
    ...

def logical_not(input: _Operand, *, out: Any = None) -> Tensor:
    """Whether the input is zero."""
    ...

def logical_or(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Whether at least one is non-zero."""
    ...

def logical_xor(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Whether exactly one is non-zero."""
    ...

def logit(input: _Operand, eps: _Number | None = None, *, out: Any = None) -> Tensor:
    """``log(p/(1 - p))`` of `input` clamped to [eps, 1 - eps]; NaN outside [0, 1] without eps.

    ∂out/∂input = 1/(p·(1 - p)), 0 where it was clamped.
    """
    ...

def logsumexp(input: _Operand, dim: _Dims, keepdim: _Bool = False, *, out: Any = None) -> Tensor:
    """``log Σexp(x)`` over `dim`; ∂out/∂x = exp(x - out)."""
    ...

def lt(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Whether ``input < other``."""
    ...

def lu(A: Any, pivot: _Bool = True, get_infos: _Bool = False, *, out: Any = None) -> Tensor:
    """Packed factors and pivots (and failures, if `get_infos`); see `lu_factor_ex`."""
    ...

def lu_solve(b: Any, LU_data: Any, LU_pivots: Any, *, out: Any = None) -> Tensor:
    """The older `linalg.lu_solve`, with the right side first."""
    ...

def lu_unpack(LU_data: Any, LU_pivots: Any, unpack_data: _Bool = True, unpack_pivots: _Bool = True, *, out: Any = None) -> Tensor:
    """P, L and U of packed factors and pivots; what is not unpacked is empty."""
    ...

def masked_fill(input: Any, mask: Any, value: Any, *, out: Any = None) -> Tensor:
    """`input` with `value` where the mask is true; both are broadcast."""
    ...

def masked_scatter(input: Any, mask: Any, source: Any, *, out: Any = None) -> Tensor:
    """`input` with the elements of `source`, in their order, where the mask is true."""
    ...

def masked_select(input: Any, mask: Any, *, out: Any = None) -> Tensor:
    """The elements of `input` where the mask is true, as a vector; both are broadcast."""
    ...

def matmul(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """Matrix product: of vectors the dot product, of more dimensions batched and broadcast."""
    ...

def matrix_exp(input: _Operand, *, out: Any = None) -> Tensor:
    """exp(A) = Σ Aᵏ/k! of square matrices, by scaling, Padé approximation and squaring.

    The derivative in direction T is the upper right block of exp([[A, T], [0, A]]).
    """
    ...

def matrix_power(input: Any, n: _Number, *, out: Any = None) -> Tensor:
    """The product of |n| copies of a square matrix, or of its inverse if n < 0."""
    ...

def max(input: Any, dim: Any = None, keepdim: _Bool = False, other: Any = None, *, out: Any = None) -> Any:
    """Maximum of all elements; with `dim` values and indices; with a tensor `maximum`."""
    ...

def max_pool1d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: _Bool = False, return_indices: _Bool = False, *, out: Any = None) -> Tensor:
    """Maxima of windows of (N, C, *) or (C, *); the padding is never the largest.

    With `return_indices` also where they are in the flattened sizes, for `max_unpool`.
    """
    ...

def max_pool2d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: _Bool = False, return_indices: _Bool = False, *, out: Any = None) -> Tensor:
    """Maxima of windows of (N, C, *) or (C, *); the padding is never the largest.

    With `return_indices` also where they are in the flattened sizes, for `max_unpool`.
    """
    ...

def max_pool3d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: _Bool = False, return_indices: _Bool = False, *, out: Any = None) -> Tensor:
    """Maxima of windows of (N, C, *) or (C, *); the padding is never the largest.

    With `return_indices` also where they are in the flattened sizes, for `max_unpool`.
    """
    ...

def maximum(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """The larger of two; where they are equal each gets half of the gradient. NaN wins."""
    ...

def mean(input: _Operand, dim: _Dims = None, keepdim: _Bool = False, dtype: Any = None) -> Tensor:
    """Arithmetic mean over `dim`, of floating inputs.  Adjoint: repeat, divided by the count."""
    ...

def median(input: Any, dim: _Number | None = None, keepdim: _Bool = False, *, out: Any = None) -> Any:
    """The lower median of all elements, or with its place along `dim`; NaN where there is one.

    Of all elements: equal ones share the gradient. Along `dim`: the chosen one gets it.
    """
    ...

def meshgrid(*tensors: Any, indexing: str = 'ij') -> tuple[Tensor, ...]:
    """For vectors of lengths m, n, …: tensors of shape (m, n, …) that vary along one dimension.

    With ``indexing="xy"`` the first two dimensions are exchanged.
    """
    ...

def min(input: Any, dim: Any = None, keepdim: _Bool = False, other: Any = None, *, out: Any = None) -> Any:
    """Minimum of all elements; with `dim` values and indices; with a tensor `minimum`."""
    ...

def minimum(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """The smaller of two; where they are equal each gets half of the gradient. NaN wins."""
    ...

def mm(input: Any, mat2: Any, *, out: Any = None) -> Tensor:
    """``out[i, j] = Σ_k input[i, k]·mat2[k, j]`` of (n, m) and (m, p), without broadcasting."""
    ...

def mode(input: Any, dim: _Number = -1, keepdim: _Bool = False, *, out: Any = None) -> Any:
    """The most frequent element along `dim`, of several the smallest, and where it is last."""
    ...

def moveaxis(input: Any, source: Any, destination: Any, *, out: Any = None) -> Tensor:
    """Dimensions at `source` moved to `destination`, the others in order."""
    ...

def movedim(input: Any, source: Any, destination: Any, *, out: Any = None) -> Tensor:
    """Dimensions at `source` moved to `destination`, the others in order."""
    ...

def msort(input: Any, *, out: Any = None) -> Tensor:
    """The input sorted along its first dimension."""
    ...

def mul(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Product, ``input * other``.

    ∂out/∂input = other, ∂out/∂other = input.
    """
    ...

def multinomial(input: Any, num_samples: _Number, replacement: _Bool = False, generator: Any = None, *, out: Any = None) -> Tensor:
    """`num_samples` indices a row, each chosen with the probability in proportion to its element.

    Without replacement no index comes twice: those of the largest p/e, e exponentially distributed
    (Efraimidis & Spirakis 2006).
    """
    ...

def multiply(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Product, ``input * other``.

    ∂out/∂input = other, ∂out/∂other = input.
    """
    ...

def mv(input: Any, vec: Any, *, out: Any = None) -> Tensor:
    """``out[i] = Σ_j input[i, j]·vec[j]`` of (n, m) and (m,)."""
    ...

def mvlgamma(input: Any, p: _Number, *, out: Any = None) -> Tensor:
    """Log of the p-dimensional gamma function, p(p-1)/4·log π + Σ_{j<p} lgamma(input - j/2)."""
    ...

def nan_to_num(input: _Operand, nan: _Number = 0.0, posinf: _Number | None = None, neginf: _Number | None = None, *, out: Any = None) -> Tensor:
    """NaN replaced by `nan`, infinities by `posinf`/`neginf` (the extremes of the dtype).

    ∂out/∂input = 1, 0 where a value was replaced.
    """
    ...

def nanmean(input: Any, dim: _Dims = None, keepdim: _Bool = False, dtype: Any = None, *, out: Any = None) -> Tensor:
    """Mean over `dim` of the elements that are not NaN."""
    ...

def nanmedian(input: Any, dim: _Number | None = None, keepdim: _Bool = False, *, out: Any = None) -> Any:
    """`median` of the elements that are not NaN; NaN where there is none."""
    ...

def nanquantile(input: Any, q: Any, dim: _Number | None = None, keepdim: _Bool = False, interpolation: str = 'linear', *, out: Any = None) -> Tensor:
    """`quantile` of the elements that are not NaN; NaN where there is none."""
    ...

def nansum(input: Any, dim: _Dims = None, keepdim: _Bool = False, dtype: Any = None, *, out: Any = None) -> Tensor:
    """Sum over `dim` with NaN counted as 0."""
    ...

def narrow(input: Any, dim: _Number, start: Any, length: _Number, *, out: Any = None) -> Tensor:
    """`length` slices of `dim` from `start` on, which may be negative or a 0-d tensor."""
    ...

def narrow_copy(input: Any, dim: _Number, start: Any, length: _Number, *, out: Any = None) -> Tensor:
    """`narrow` with memory of its own; a `dim` too large is a ShapeError, as torch has it."""
    ...

def native_batch_norm(input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: _Bool, momentum: _Number, eps: _Number, *, out: Any = None) -> Tensor:
    """`batch_norm`, and mean and 1/√(variance + eps) of the batch (nothing outside training)."""
    ...

def native_channel_shuffle(input: Any, groups: _Number, *, out: Any = None) -> Tensor:
    """The channels of (N, C, *) taken from each of `groups` in turn.  Zhang et al. 2017."""
    ...

def native_dropout(input: Any, p: _Number, train: _Number | None, *, out: Any = None) -> Tensor:
    """`dropout`, and the truth values of what was kept."""
    ...

def native_dropout_backward(grad_output: Any, mask: Any, scale: _Number, *, out: Any = None) -> Tensor:
    """``grad_output · mask · scale``."""
    ...

def native_group_norm(input: Any, weight: Any, bias: Any, N: _Number, C: _Number, HxW: _Number, group: _Number, eps: _Number, *, out: Any = None) -> Tensor:
    """`group_norm`, and mean and 1/√(variance + eps) of each group."""
    ...

def native_layer_norm(input: Any, normalized_shape: Any, weight: Any, bias: Any, eps: _Number, *, out: Any = None) -> Tensor:
    """`layer_norm`, and mean and 1/√(variance + eps) with the dimensions kept."""
    ...

def ne(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Whether ``input != other``."""
    ...

def neg(input: _Operand, *, out: Any = None) -> Tensor:
    """Negative, ``-input``; ∂out/∂input = -1."""
    ...

def negative(input: _Operand, *, out: Any = None) -> Tensor:
    """Negative, ``-input``; ∂out/∂input = -1."""
    ...

def nextafter(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """The next number from `input` in the direction of `other`; ∂out/∂input = 1, 0 where equal."""
    ...

def nonzero(input: _Operand, as_tuple: _Bool = False, *, out: Any = None) -> Any:
    """The indices of the elements that are not 0, one a row; or one vector per dimension."""
    ...

def nonzero_static(input: Any, size: _Number, fill_value: _Number = -1, *, out: Any = None) -> Tensor:
    """`nonzero` with `size` rows: cut off, or filled up with `fill_value`."""
    ...

def norm(input: Any, p: Any = 'fro', dim: _Dims = None, keepdim: _Bool = False, dtype: Any = None, *, out: Any = None) -> Any:
    """`vector_norm` of order `p` over `dim`; "fro" is 2, and "nuc" the nuclear `matrix_norm`."""
    ...

def normal(mean: Any, std: Any = 1.0, size: Any = None, generator: Any = None, dtype: Any = None, requires_grad: _Bool = False, device: Any = None, layout: Any = None, pin_memory: _Bool = False, *, out: Any = None) -> Tensor:
    """Normal numbers; mean and standard deviation are tensors, or numbers with a size."""
    ...

def not_equal(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Whether ``input != other``."""
    ...

def orgqr(input: Any, tau: Any, *, out: Any = None) -> Tensor:
    """The first n columns of H₁·H₂·…·H_k, H_i = 1 - τ_i·v_i·v_iᴴ.

    v_i is 0 above, 1 at, and column i of `input` (…, m, n) below its element i.
    """
    ...

def ormqr(input: Any, tau: Any, other: Any, left: _Bool = True, transpose: _Bool = False, *, out: Any = None) -> Tensor:
    """Q·other (or other·Q, or with Qᴴ), Q the m × m product of the reflections of `geqrf`."""
    ...

def outer(input: Any, vec2: Any, *, out: Any = None) -> Tensor:
    """``out[i, j] = input[i]·vec2[j]`` of two vectors."""
    ...

def pairwise_distance(x1: Any, x2: Any, p: _Number = 2.0, eps: _Number = 1e-06, keepdim: _Bool = False, *, out: Any = None) -> Tensor:
    """``‖x1 - x2 + eps‖_p`` over the last dimension."""
    ...

def pca_lowrank(A: Any, q: _Number | None = None, center: _Bool = True, niter: _Number = 2, *, out: Any = None) -> Tensor:
    """`svd_lowrank` of the rows of `A`, less their mean if `center`: principal components."""
    ...

def pdist(input: Any, p: _Number = 2.0, *, out: Any = None) -> Tensor:
    """``‖input[i] - input[j]‖_p`` for all i < j, in the order of the upper triangle."""
    ...

def permute(input: _Operand, *dims: Any, out: Any = None) -> Tensor:
    """Dimensions in another order: ``out.shape[i] = input.shape[dims[i]]``."""
    ...

def permute_copy(input: _Operand, *dims: _Int | tuple[_Int, ...] | list[_Int], out: Any = None) -> Tensor:
    """`permute` with memory of its own."""
    ...

def pinverse(input: Any, rcond: _Number = 1e-15, *, out: Any = None) -> Tensor:
    """`linalg.pinv` with another default for `rcond`."""
    ...

def pixel_shuffle(input: Any, upscale_factor: _Number, *, out: Any = None) -> Tensor:
    """(…, C·r², H, W) to (…, C, H·r, W·r).  Shi et al. 2016."""
    ...

def pixel_unshuffle(input: Any, downscale_factor: _Number, *, out: Any = None) -> Tensor:
    """(…, C, H·r, W·r) to (…, C·r², H, W): the inverse of `pixel_shuffle`."""
    ...

def polar(abs: Any, angle: Any, *, out: Any = None) -> Tensor:
    """The complex number ``abs·exp(i·angle)``."""
    ...

def polygamma(n: Any, input: Any, *, out: Any = None) -> Tensor:
    """The n-th derivative of digamma; the method is called ``x.polygamma(n)``."""
    ...

def positive(input: Any, *, out: Any = None) -> Tensor:
    """The input itself; ∂out/∂input = 1."""
    ...

def pow(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Power, ``input ** exponent``, complex ones too.

    ∂out/∂input = exponent·input^(exponent-1), 0 where exponent = 0;
    ∂out/∂exponent = out·ln(input), 0 where input = 0 and exponent > 0.
    """
    ...

def prelu(input: Any, weight: Any, *, out: Any = None) -> Tensor:
    """``input`` above 0, else ``weight·input``: one weight, or one for each channel (dimension 1).

    He et al. 2015.
    """
    ...

def prod(input: Any, dim: _Number | None = None, keepdim: _Bool = False, dtype: Any = None, *, out: Any = None) -> Tensor:
    """Product over one dimension or all, by halving; integers multiply to int64.

    The derivative is that of the pairwise products, so zeros in the input need no special case.
    """
    ...

def put(input: Any, index: Any, source: Any, accumulate: _Bool = False, *, out: Any = None) -> Tensor:
    """A copy of `input` with `source` at the flat places `index`, or added with `accumulate`."""
    ...

def quantile(input: Any, q: Any, dim: _Number | None = None, keepdim: _Bool = False, interpolation: str = 'linear', *, out: Any = None) -> Tensor:
    """Quantiles `q` of all elements or along `dim`; those of a 1-d `q` are stacked in front.

    Between two elements they are interpolated, differentiably in the input and in `q`. NaN where
    there is a NaN.
    """
    ...

def rad2deg(input: _Operand, *, out: Any = None) -> Tensor:
    """Radians to degrees; ∂out/∂input = 180/π."""
    ...

def ravel(input: Any) -> Tensor:
    """All dimensions made one."""
    ...

def real(input: _Operand, *, out: Any = None) -> Tensor:
    """Real part, on the same memory; of a real input the input itself.

    Adjoint: the complex number without imaginary part.
    """
    ...

def reciprocal(input: _Operand, *, out: Any = None) -> Tensor:
    """Reciprocal, ``1/input``; ∂out/∂input = -out²."""
    ...

def relu(input: _Operand, *, out: Any = None, inplace: _Bool = False) -> Tensor:
    """``max(input, 0)``; the derivative at 0 is 0."""
    ...

def remainder(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """``input - floor(input/other)·other``: has the sign of `other`."""
    ...

def renorm(input: Any, p: _Number, dim: _Number, maxnorm: _Number, *, out: Any = None) -> Tensor:
    """Each slice of `dim` scaled down to the p-norm `maxnorm` if its norm is larger."""
    ...

def repeat_interleave(input: Any, repeats: Any = None, dim: _Number | None = None, output_size: _Number | None = None, *, out: Any = None) -> Tensor:
    """Each element (slice along `dim`) so many times in a row; without `dim`, of the flat tensor.

    With one argument alone, that is the numbers of repetitions of 0, 1, 2, ….
    """
    ...

def reshape(input: _Operand, *shape: _Int | tuple[_Int, ...] | list[_Int], out: Any = None) -> Tensor:
    """The elements in row-major order in another shape; one size may be -1."""
    ...

def resize_as_(input: Any, the_template: Any, memory_format: Any = None, *, out: Any = None) -> Tensor:
    """Give the tensor the size of another; see resize_."""
    ...

def resolve_conj(input: Any, *, out: Any = None) -> Tensor:
    """The tensor itself: nothing is conjugated lazily here."""
    ...

def resolve_neg(input: Any, *, out: Any = None) -> Tensor:
    """The tensor itself: nothing is negated lazily here."""
    ...

def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: _Number | None = None, *, out: Any = None) -> Tensor:
    """Each sample divided by its root mean square over its last dimensions.

    `eps` is the dtype's spacing at 1 by default.  Zhang & Sennrich 2019.
    """
    ...

def roll(input: _Operand, shifts: Any, dims: Any = (), *, out: Any = None) -> Tensor:
    """Shifted along `dims` by `shifts`, what falls off coming in again; flat without `dims`."""
    ...

def rot90(input: Any, k: _Number = 1, dims: Any = (0, 1), *, out: Any = None) -> Tensor:
    """Turned `k` times by 90 degrees from the first of two `dims` towards the second."""
    ...

def round(input: _Operand, decimals: _Number = 0, *, out: Any = None) -> Tensor:
    """The nearest multiple of 10^-decimals, of two equally near the even one."""
    ...

def row_stack(tensors: Any, *, out: Any = None) -> Tensor:
    """Tensors below each other; vectors count as rows."""
    ...

def rrelu(input: Any, lower: _Number = 0.125, upper: _Number = 0.3333333333333333, training: _Bool = False, *, out: Any = None, inplace: _Bool = False) -> Tensor:
    """A leaky relu whose slope is drawn for each element in training, else the middle of the range.

    Xu et al. 2015. Drawn from torch's stream, for the elements that are not above 0 alone.
    """
    ...

def rsqrt(input: _Operand, *, out: Any = None) -> Tensor:
    """Reciprocal square root, ``input^(-1/2)``; ∂out/∂input = -out³/2."""
    ...

def rsub(input: Any, other: Any, alpha: Any = 1, *, out: Any = None) -> Tensor:
    """``other - alpha·input``."""
    ...

def scatter(input: Any, dim: _Number, index: Any, src: Any, reduce: Any = None, *, out: Any = None) -> Tensor:
    """A copy of `input` with ``out[index[i][j]][j] = src[i][j]`` along `dim` (here 0).

    `src` may be a number; with `reduce` "add" or "multiply" the old element takes part.
    """
    ...

def scatter_add(input: Any, dim: _Number, index: Any, src: Any, *, out: Any = None) -> Tensor:
    """``out[index[i][j]][j] = input[…] + Σ src[i][j]`` along `dim` (here 0)."""
    ...

def scatter_reduce(input: Any, dim: _Number, index: Any, src: Any, reduce: str, include_self: _Bool = True, *, out: Any = None) -> Tensor:
    """All `src[i][j]` with the same ``(index[i][j], j)`` reduced into that element of a copy.

    `reduce` is "sum", "prod", "mean", "amax" or "amin"; the old element takes part unless
    `include_self` is False. Equal extrema share the gradient.
    """
    ...

def searchsorted(sorted_sequence: _Operand, input: _Operand, out_int32: _Bool = False, right: _Bool = False, side: Any = None, sorter: Any = None, *, out: Any = None) -> Tensor:
    """Index at which each input would go into the sorted sequence, before equal elements.

    Behind them if `right` (or side="right"). The sequence has one dimension, or one for each row
    of the input; `sorter` holds the indices that sort it.
    """
    ...

def segment_reduce(data: Any, reduce: str, lengths: Any = None, indices: Any = None, offsets: Any = None, axis: _Number = 0, unsafe: _Bool = False, initial: Any = None, *, out: Any = None) -> Tensor:
    """Sum, mean, product, maximum or minimum of the segments along `axis`.

    Segments are given by their `lengths` or by `offsets` (one more than there are); both have the
    leading dimensions of `data`. A reduction starts from `initial`, which empty ones return.
    """
    ...

def select(input: Any, dim: _Number, index: _Number, *, out: Any = None) -> Tensor:
    """The slice `index` of `dim`, without that dimension."""
    ...

def select_scatter(input: Any, src: Any, dim: _Number, index: _Number, *, out: Any = None) -> Tensor:
    """A copy of `input` with `src` as the slice `index` of `dim`."""
    ...

def selu(input: Any, *, out: Any = None, inplace: _Bool = False) -> Tensor:
    """An elu scaled so that mean 0 and variance 1 are a fixed point.  Klambauer et al. 2017."""
    ...

def sgn(input: _Operand, *, out: Any = None) -> Tensor:
    """``z/|z|``, 0 at 0; of real numbers the sign.

    A tangent keeps what is perpendicular to z: L(t) = (t - s·Re(conj(s)·t))/|z|, s = out.
    """
    ...

def sigmoid(input: _Operand, *, out: Any = None) -> Tensor:
    """``1/(1 + exp(-input))``; ∂out/∂input = out·(1 - out)."""
    ...

def sign(input: _Operand, *, out: Any = None) -> Tensor:
    """-1, 0 or 1; 0 of NaN, as in torch."""
    ...

def signbit(input: _Operand, *, out: Any = None) -> Tensor:
    """Whether the sign is negative, also of -0."""
    ...

def sin(input: _Operand, *, out: Any = None) -> Tensor:
    """Sine; ∂out/∂input = cos(input)."""
    ...

def sinc(input: _Operand, *, out: Any = None) -> Tensor:
    """``sin(π·input)/(π·input)``, 1 at 0; ∂out/∂input = (cos(π·input) - out)/input."""
    ...

def sinh(input: _Operand, *, out: Any = None) -> Tensor:
    """Hyperbolic sine; ∂out/∂input = cosh(input)."""
    ...

def slice_scatter(input: Any, src: Any, dim: _Number = 0, start: Any = None, end: Any = None, step: _Number = 1, *, out: Any = None) -> Tensor:
    """A copy of `input` with `src` as ``[start:end:step]`` of dimension `dim`."""
    ...

def slogdet(A: _Operand, *, out: Any = None) -> Tensor:
    """sign(det A) and log|det A| of square matrices; d log det = tr(A⁻¹·dA)."""
    ...

def softmax(input: _Operand, dim: _Number, dtype: Any = None, *, out: Any = None) -> Tensor:
    """``exp(x)/Σexp(x)`` along `dim`.

    The Jacobian diag(s) - s·sᵀ is symmetric: one rule, s·(t - Σ s·t), serves both directions.
    """
    ...

def sort(input: Any, dim: _Number = -1, descending: _Bool = False, stable: _Bool = False, *, out: Any = None) -> Any:
    """Elements in order along `dim`, and where they stood; always stable."""
    ...

def split(input: _Operand, split_size: Any, dim: _Number = 0) -> tuple[Tensor, ...]:
    """Parts of `split_size` (the last may be smaller), or of the sizes of a list, along `dim`."""
    ...

def split_with_sizes(input: Any, split_sizes: Any, dim: _Number = 0) -> tuple[Tensor, ...]:
    """Parts of the given sizes along `dim`; see split."""
    ...

def split_with_sizes_copy(input: Any, split_sizes: Any, dim: _Number = 0) -> tuple[Tensor, ...]:
    """`split_with_sizes` with memory of its own."""
    ...

def sqrt(input: _Operand, *, out: Any = None) -> Tensor:
    """Square root; ∂out/∂input = 1/(2·out)."""
    ...

def square(input: _Operand, *, out: Any = None) -> Tensor:
    """Square, ``input²``; ∂out/∂input = 2·input."""
    ...

def squeeze(input: Any, dim: _Dims = None, *, out: Any = None) -> Tensor:
    """Dimensions of size 1 removed: all, or those of `dim` that have size 1."""
    ...

def squeeze_copy(input: Any, dim: _Dims = None, *, out: Any = None) -> Tensor:
    """`squeeze` with memory of its own."""
    ...

def stack(tensors: tuple[_Operand, ...] | list[_Operand] | list[Tensor], dim: _Number = 0, *, out: Any = None) -> Tensor:
    """Tensors of one shape along a new dimension."""
    ...

def std(input: _Operand, dim: _Dims = None, correction: _Number | None = 1, keepdim: _Bool = False, unbiased: _Number | None = None) -> Tensor:
    """Standard deviation over `dim`, √var; the derivative where it is 0 is 0."""
    ...

def std_mean(input: Any, dim: _Dims = None, correction: _Number | None = 1, keepdim: _Bool = False, unbiased: _Number | None = None) -> tuple[Tensor, ...]:
    """Standard deviation and mean over `dim`."""
    ...

def stft(input: Any, n_fft: _Number, hop_length: _Number | None = None, win_length: _Number | None = None, window: Any = None, center: _Bool = True, pad_mode: str = 'reflect', normalized: _Bool = False, onesided: _Number | None = None, return_complex: _Number | None = None, *, out: Any = None) -> Tensor:
    """Transforms of windows of `n_fft` elements, `hop_length` (n_fft//4) apart.

    (…, time) to (…, frequency, frame), complex or, unless `return_complex`, with real and
    imaginary part in a last dimension. If `center`, the signal is padded by n_fft//2 at both ends;
    if `normalized`, the result is divided by √n_fft; `onesided` is the default for real signals.
    """
    ...

def sub(input: _Operand, other: _Operand, *, alpha: _Number = 1, out: Any = None) -> Tensor:
    """Difference, ``input - alpha * other``.

    ∂out/∂input = 1, ∂out/∂other = -alpha.
    """
    ...

def subtract(input: _Operand, other: _Operand, *, alpha: _Number = 1, out: Any = None) -> Tensor:
    """Difference, ``input - alpha * other``.

    ∂out/∂input = 1, ∂out/∂other = -alpha.
    """
    ...

def sum(input: _Operand, dim: _Dims = None, keepdim: _Bool = False, dtype: Any = None, *, out: Any = None) -> Tensor:
    """Sum over `dim`; integers and truth values add up to int64.  Adjoint: repeat."""
    ...

def svd(input: Any, some: _Bool = True, compute_uv: _Bool = True, *, out: Any = None) -> Tensor:
    """As `linalg.svd`, with V instead of Vᴴ and ``some = not full_matrices``."""
    ...

def svd_lowrank(A: Any, q: _Number = 6, niter: _Number = 2, M: Any = None, *, out: Any = None) -> Tensor:
    """The `q` largest singular values and vectors (U, S, V) of ``A - M``, approximately.

    Draws random directions.  Source: Halko, Martinsson & Tropp 2011, "Finding structure with
    randomness", algorithms 4.4 and 5.1.
    """
    ...

def swapaxes(input: _Operand, dim0: _Number, dim1: _Number, *, out: Any = None) -> Tensor:
    """Two dimensions exchanged."""
    ...

def swapdims(input: _Operand, dim0: _Number, dim1: _Number, *, out: Any = None) -> Tensor:
    """Two dimensions exchanged."""
    ...

def t(input: Any) -> Tensor:
    """The transpose of a matrix; a vector stays as it is."""
    ...

def t_copy(input: Any, *, out: Any = None) -> Tensor:
    """`t` with memory of its own."""
    ...

def take(input: Any, index: Any, *, out: Any = None) -> Tensor:
    """The elements of the flat tensor at `index`, in the shape of `index`."""
    ...

def take_along_dim(input: Any, indices: Any, dim: _Number | None = None, *, out: Any = None) -> Tensor:
    """`gather` with input and indices broadcast against each other; flat without `dim`."""
    ...

def tan(input: _Operand, *, out: Any = None) -> Tensor:
    """Tangent; ∂out/∂input = 1 + out²."""
    ...

def tanh(input: _Operand, *, out: Any = None) -> Tensor:
    """Hyperbolic tangent; ∂out/∂input = 1 - out²."""
    ...

def tensor_split(input: Any, indices_or_sections: Any, dim: _Number = 0) -> tuple[Tensor, ...]:
    """Parts along `dim`: a number of them, as equal as can be, or cut before the given indices."""
    ...

def tensordot(a: Any, b: Any, dims: Any = 2, *, out: Any = None) -> Tensor:
    """Products of `a` and `b`, summed over pairs of dimensions.

    `dims` is two lists of dimensions, or how many of the last of `a` meet the first of `b`.
    """
    ...

def threshold(input: _Operand, threshold: _Number, value: _Number, *, out: Any = None, inplace: _Bool = False) -> Tensor:
    """``input`` above `threshold`, else `value`."""
    ...

def tile(input: Any, *dims: _Int | tuple[_Int, ...] | list[_Int], out: Any = None) -> Tensor:
    """The whole tensor repeated; as `repeat`, but fewer `dims` count from the last one."""
    ...

def topk(input: Any, k: _Number, dim: _Number = -1, largest: _Bool = True, sorted: _Bool = True, *, out: Any = None) -> Any:
    """The k largest (or smallest) elements along `dim`, in order, and where they stood."""
    ...

def trace(input: Any, *, out: Any = None) -> Tensor:
    """``Σ input[i, i]`` of a matrix."""
    ...

def transpose(input: _Operand, dim0: _Number, dim1: _Number, *, out: Any = None) -> Tensor:
    """Two dimensions exchanged."""
    ...

def transpose_copy(input: _Operand, dim0: _Number, dim1: _Number, *, out: Any = None) -> Tensor:
    """`transpose` with memory of its own."""
    ...

def trapezoid(y: Any, x: Any = None, dx: Any = None, dim: _Number = -1, *, out: Any = None) -> Tensor:
    """Area under the samples `y` along `dim` by the trapezoidal rule; `x` are their places."""
    ...

def trapz(y: Any, x: Any = None, dx: Any = None, dim: _Number = -1, *, out: Any = None) -> Tensor:
    """Area under the samples `y` along `dim` by the trapezoidal rule; `x` are their places."""
    ...

def triangular_solve(b: Any, A: Any, upper: _Bool = True, transpose: _Bool = False, unitriangular: _Bool = False, *, out: Any = None) -> Tensor:
    """The older `linalg.solve_triangular`: of T, or of Tᵀ, and a copy of `A`."""
    ...

def tril(input: _Operand, diagonal: _Number = 0, *, out: Any = None) -> Tensor:
    """The lower triangle of matrices, up to `diagonal`; the rest is 0."""
    ...

def triu(input: _Operand, diagonal: _Number = 0, *, out: Any = None) -> Tensor:
    """The upper triangle of matrices, from `diagonal`; the rest is 0."""
    ...

def true_divide(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """Quotient, ``input / other``; of integers a floating quotient.

    ∂out/∂input = 1/other, ∂out/∂other = -input/other². ``rounding_mode="trunc"`` or ``"floor"``
    rounds it, and the derivative is 0.
    """
    ...

def trunc(input: _Operand, *, out: Any = None) -> Tensor:
    """``sign(input)·⌊|input|⌋``, the whole part; slope 0."""
    ...

def unbind(input: Any, dim: _Number = 0) -> tuple[Tensor, ...]:
    """The slices along `dim`, without that dimension."""
    ...

def unbind_copy(input: Any, dim: _Number = 0) -> tuple[Tensor, ...]:
    """`unbind` with memory of its own."""
    ...

def unflatten(input: Any, dim: _Number, sizes: Any, *, out: Any = None) -> Tensor:
    """Dimension `dim` as several of the given sizes, of which one may be -1."""
    ...

def unfold_copy(input: _Operand, dimension: _Number, size: _Number, step: _Number, *, out: Any = None) -> Tensor:
    """`unfold` with memory of its own."""
    ...

def unique(input: _Operand, sorted: _Bool = True, return_inverse: _Bool = False, return_counts: _Bool = False, dim: _Number | None = None, *, out: Any = None) -> Any:
    """The distinct elements in order, or the distinct slices along `dim`.

    With `return_inverse` also the place of each element among them, with `return_counts` how
    often each occurs. Every NaN is distinct.
    """
    ...

def unique_consecutive(input: _Operand, return_inverse: _Bool = False, return_counts: _Bool = False, dim: _Number | None = None, *, out: Any = None) -> Any:
    """The elements that differ from the one before, or such slices along `dim`.

    With `return_inverse` and `return_counts` as for `unique`.
    """
    ...

def unravel_index(indices: Any, shape: Any) -> tuple[Tensor, ...]:
    """For places in the flat tensor, those in each dimension of `shape`."""
    ...

def unsafe_chunk(input: Any, chunks: _Number, dim: _Number = 0) -> tuple[Tensor, ...]:
    """At most `chunks` parts of equal size (the last may be smaller) along `dim`."""
    ...

def unsafe_split(input: _Operand, split_size: Any, dim: _Number = 0) -> tuple[Tensor, ...]:
    """Parts of `split_size` (the last may be smaller), or of the sizes of a list, along `dim`."""
    ...

def unsqueeze(input: Any, dim: _Number, *, out: Any = None) -> Tensor:
    """A dimension of size 1 put in at `dim`."""
    ...

def unsqueeze_copy(input: Any, dim: _Number, *, out: Any = None) -> Tensor:
    """`unsqueeze` with memory of its own."""
    ...

def var(input: _Operand, dim: _Dims = None, correction: _Number | None = 1, keepdim: _Bool = False, unbiased: _Number | None = None) -> Tensor:
    """Variance over `dim`: Σ|x - x̄|²/(N - correction), real for complex inputs.

    ∂out/∂x = 2·(x - x̄)/(N - correction).
    """
    ...

def var_mean(input: Any, dim: _Dims = None, correction: _Number | None = 1, keepdim: _Bool = False, unbiased: _Number | None = None) -> tuple[Tensor, ...]:
    """Variance and mean over `dim`."""
    ...

def vdot(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """Σ conj(input)·other of two vectors."""
    ...

def view_as_complex(input: _Operand, *, out: Any = None) -> Tensor:
    """(…, 2) real to (…) complex, on the same memory if the pairs lie in it as such.

    Adjoint: view_as_real.
    """
    ...

def view_as_real(input: _Operand, *, out: Any = None) -> Tensor:
    """(…) complex to (…, 2) real: both parts, on the same memory. Adjoint: view_as_complex."""
    ...

def view_copy(input: _Operand, *shape: _Int | tuple[_Int, ...] | list[_Int], out: Any = None) -> Tensor:
    """`view` with memory of its own."""
    ...

def vsplit(input: Any, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Parts along the first dimension of at least two; a number has to divide it."""
    ...

def vstack(tensors: Any, *, out: Any = None) -> Tensor:
    """Tensors below each other; vectors count as rows."""
    ...

def where(condition: _Operand, input: _Operand = ..., other: _Operand = ..., *, out: Any = None) -> Any:
    """`input` where `condition` holds, else `other`; the side not taken passes no NaN.

    Of a condition alone the indices where it holds, one vector per dimension.
    """
    ...

def xlogy(input: _Operand, other: _Operand, *, out: Any = None) -> Tensor:
    """``input·log(other)``, 0 where input = 0 (and other is no NaN).

    ∂out/∂input = log(other), 0 where input = 0 and other <= 0; ∂out/∂other = input/other.
    """
    ...

def zero_(input: Any, *, out: Any = None) -> Tensor:
    """Set every element to zero, in place."""
    ...

def abs_(input: _Operand) -> Tensor:
    """`abs` in place: writes the result into this tensor and returns it."""
    ...

def absolute_(input: _Operand) -> Tensor:
    """`abs` in place: writes the result into this tensor and returns it."""
    ...

def acos_(input: _Operand) -> Tensor:
    """`acos` in place: writes the result into this tensor and returns it."""
    ...

def acosh_(input: _Operand) -> Tensor:
    """`acosh` in place: writes the result into this tensor and returns it."""
    ...

def arccos_(input: _Operand) -> Tensor:
    """`acos` in place: writes the result into this tensor and returns it."""
    ...

def arccosh_(input: _Operand) -> Tensor:
    """`acosh` in place: writes the result into this tensor and returns it."""
    ...

def arcsin_(input: _Operand) -> Tensor:
    """`asin` in place: writes the result into this tensor and returns it."""
    ...

def arcsinh_(input: _Operand) -> Tensor:
    """`asinh` in place: writes the result into this tensor and returns it."""
    ...

def arctan_(input: _Operand) -> Tensor:
    """`atan` in place: writes the result into this tensor and returns it."""
    ...

def arctanh_(input: _Operand) -> Tensor:
    """`atanh` in place: writes the result into this tensor and returns it."""
    ...

def asin_(input: _Operand) -> Tensor:
    """`asin` in place: writes the result into this tensor and returns it."""
    ...

def asinh_(input: _Operand) -> Tensor:
    """`asinh` in place: writes the result into this tensor and returns it."""
    ...

def atan_(input: _Operand) -> Tensor:
    """`atan` in place: writes the result into this tensor and returns it."""
    ...

def atanh_(input: _Operand) -> Tensor:
    """`atanh` in place: writes the result into this tensor and returns it."""
    ...

def bitwise_not_(input: _Operand) -> Tensor:
    """`bitwise_not` in place: writes the result into this tensor and returns it."""
    ...

def ceil_(input: _Operand) -> Tensor:
    """`ceil` in place: writes the result into this tensor and returns it."""
    ...

def clamp_(input: _Operand, min: _Operand | None = None, max: _Operand | None = None) -> Tensor:
    """`clamp` in place: writes the result into this tensor and returns it."""
    ...

def clip_(input: _Operand, min: _Operand | None = None, max: _Operand | None = None) -> Tensor:
    """`clamp` in place: writes the result into this tensor and returns it."""
    ...

def conj_physical_(input: _Operand) -> Tensor:
    """`conj` in place: writes the result into this tensor and returns it."""
    ...

def cos_(input: _Operand) -> Tensor:
    """`cos` in place: writes the result into this tensor and returns it."""
    ...

def cosh_(input: _Operand) -> Tensor:
    """`cosh` in place: writes the result into this tensor and returns it."""
    ...

def deg2rad_(input: _Operand) -> Tensor:
    """`deg2rad` in place: writes the result into this tensor and returns it."""
    ...

def digamma_(input: _Operand) -> Tensor:
    """`digamma` in place: writes the result into this tensor and returns it."""
    ...

def erf_(input: _Operand) -> Tensor:
    """`erf` in place: writes the result into this tensor and returns it."""
    ...

def erfc_(input: _Operand) -> Tensor:
    """`erfc` in place: writes the result into this tensor and returns it."""
    ...

def erfinv_(input: _Operand) -> Tensor:
    """`erfinv` in place: writes the result into this tensor and returns it."""
    ...

def exp2_(input: _Operand) -> Tensor:
    """`exp2` in place: writes the result into this tensor and returns it."""
    ...

def exp_(input: _Operand) -> Tensor:
    """`exp` in place: writes the result into this tensor and returns it."""
    ...

def expm1_(input: _Operand) -> Tensor:
    """`expm1` in place: writes the result into this tensor and returns it."""
    ...

def fix_(input: _Operand) -> Tensor:
    """`trunc` in place: writes the result into this tensor and returns it."""
    ...

def floor_(input: _Operand) -> Tensor:
    """`floor` in place: writes the result into this tensor and returns it."""
    ...

def frac_(input: _Operand) -> Tensor:
    """`frac` in place: writes the result into this tensor and returns it."""
    ...

def i0_(input: _Operand) -> Tensor:
    """`i0` in place: writes the result into this tensor and returns it."""
    ...

def lgamma_(input: _Operand) -> Tensor:
    """`lgamma` in place: writes the result into this tensor and returns it."""
    ...

def log10_(input: _Operand) -> Tensor:
    """`log10` in place: writes the result into this tensor and returns it."""
    ...

def log1p_(input: _Operand) -> Tensor:
    """`log1p` in place: writes the result into this tensor and returns it."""
    ...

def log2_(input: _Operand) -> Tensor:
    """`log2` in place: writes the result into this tensor and returns it."""
    ...

def log_(input: _Operand) -> Tensor:
    """`log` in place: writes the result into this tensor and returns it."""
    ...

def logical_not_(input: _Operand) -> Tensor:
    """`logical_not` in place: writes the result into this tensor and returns it."""
    ...

def logit_(input: _Operand, eps: _Number | None = None) -> Tensor:
    """`logit` in place: writes the result into this tensor and returns it."""
    ...

def nan_to_num_(input: _Operand, nan: _Number = 0.0, posinf: _Number | None = None, neginf: _Number | None = None) -> Tensor:
    """`nan_to_num` in place: writes the result into this tensor and returns it."""
    ...

def neg_(input: _Operand) -> Tensor:
    """`neg` in place: writes the result into this tensor and returns it."""
    ...

def negative_(input: _Operand) -> Tensor:
    """`neg` in place: writes the result into this tensor and returns it."""
    ...

def rad2deg_(input: _Operand) -> Tensor:
    """`rad2deg` in place: writes the result into this tensor and returns it."""
    ...

def reciprocal_(input: _Operand) -> Tensor:
    """`reciprocal` in place: writes the result into this tensor and returns it."""
    ...

def relu_(input: _Operand, inplace: _Bool = False) -> Tensor:
    """`relu` in place: writes the result into this tensor and returns it."""
    ...

def round_(input: _Operand, decimals: _Number = 0) -> Tensor:
    """`round` in place: writes the result into this tensor and returns it."""
    ...

def rsqrt_(input: _Operand) -> Tensor:
    """`rsqrt` in place: writes the result into this tensor and returns it."""
    ...

def sgn_(input: _Operand) -> Tensor:
    """`sgn` in place: writes the result into this tensor and returns it."""
    ...

def sigmoid_(input: _Operand) -> Tensor:
    """`sigmoid` in place: writes the result into this tensor and returns it."""
    ...

def sign_(input: _Operand) -> Tensor:
    """`sign` in place: writes the result into this tensor and returns it."""
    ...

def sin_(input: _Operand) -> Tensor:
    """`sin` in place: writes the result into this tensor and returns it."""
    ...

def sinc_(input: _Operand) -> Tensor:
    """`sinc` in place: writes the result into this tensor and returns it."""
    ...

def sinh_(input: _Operand) -> Tensor:
    """`sinh` in place: writes the result into this tensor and returns it."""
    ...

def sqrt_(input: _Operand) -> Tensor:
    """`sqrt` in place: writes the result into this tensor and returns it."""
    ...

def square_(input: _Operand) -> Tensor:
    """`square` in place: writes the result into this tensor and returns it."""
    ...

def squeeze_(input: Any, dim: _Dims = None) -> Tensor:
    """`squeeze` in place: writes the result into this tensor and returns it."""
    ...

def t_(input: Any) -> Tensor:
    """`t` in place: writes the result into this tensor and returns it."""
    ...

def tan_(input: _Operand) -> Tensor:
    """`tan` in place: writes the result into this tensor and returns it."""
    ...

def tanh_(input: _Operand) -> Tensor:
    """`tanh` in place: writes the result into this tensor and returns it."""
    ...

def tril_(input: _Operand, diagonal: _Number = 0) -> Tensor:
    """`tril` in place: writes the result into this tensor and returns it."""
    ...

def triu_(input: _Operand, diagonal: _Number = 0) -> Tensor:
    """`triu` in place: writes the result into this tensor and returns it."""
    ...

def trunc_(input: _Operand) -> Tensor:
    """`trunc` in place: writes the result into this tensor and returns it."""
    ...

__all__: list[str]
