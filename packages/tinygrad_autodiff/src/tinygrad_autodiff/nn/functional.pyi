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

def adaptive_avg_pool1d(input: Any, output_size: Any) -> Tensor:
    """Means over as many intervals a dimension as `output_size` says (None: its size)."""
    ...

def adaptive_avg_pool2d(input: Any, output_size: Any) -> Tensor:
    """Means over as many intervals a dimension as `output_size` says (None: its size)."""
    ...

def adaptive_avg_pool3d(input: Any, output_size: Any) -> Tensor:
    """Means over as many intervals a dimension as `output_size` says (None: its size)."""
    ...

def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: _Bool = False) -> Tensor:
    """Maxima over as many intervals a dimension as `output_size` says (None: its size)."""
    ...

def adaptive_max_pool1d_with_indices(input: Any, *args: Any, **options: Any) -> Tensor:
    """`adaptive_max_pool1d`, and the indices that ``return_indices=True`` asks for."""
    ...

def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: _Bool = False) -> Tensor:
    """Maxima over as many intervals a dimension as `output_size` says (None: its size)."""
    ...

def adaptive_max_pool2d_with_indices(input: Any, *args: Any, **options: Any) -> Tensor:
    """`adaptive_max_pool2d`, and the indices that ``return_indices=True`` asks for."""
    ...

def adaptive_max_pool3d(input: Any, output_size: Any, return_indices: _Bool = False) -> Tensor:
    """Maxima over as many intervals a dimension as `output_size` says (None: its size)."""
    ...

def adaptive_max_pool3d_with_indices(input: Any, *args: Any, **options: Any) -> Tensor:
    """`adaptive_max_pool3d`, and the indices that ``return_indices=True`` asks for."""
    ...

def affine_grid(theta: Any, size: Any, align_corners: _Number | None = None) -> Tensor:
    """The grid for `grid_sample` of the affine maps theta (N, 2, 3) or (N, 3, 4).

    The place p of an output of `size` (N, C, *) reads the input at theta · (p, 1).
    """
    ...

def alpha_dropout(input: Any, p: _Number = 0.5, training: _Bool = False, inplace: _Bool = False) -> Tensor:
    """Dropout that keeps mean and variance of what selu gives."""
    ...

def avg_pool1d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: _Bool = False, count_include_pad: _Bool = True) -> Tensor:
    """Means of windows of (N, C, L) or (C, L); `stride` is the kernel's size if not given."""
    ...

def avg_pool2d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: _Bool = False, count_include_pad: _Bool = True, divisor_override: Any = None) -> Tensor:
    """Means of windows of (N, C, *) or (C, *); `stride` is the kernel's size if not given.

    The sums are divided by `divisor_override` if given, else by the number of elements; zeros
    of the padding count unless `count_include_pad` is false.
    """
    ...

def avg_pool3d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: _Bool = False, count_include_pad: _Bool = True, divisor_override: Any = None) -> Tensor:
    """Means of windows of (N, C, *) or (C, *); `stride` is the kernel's size if not given.

    The sums are divided by `divisor_override` if given, else by the number of elements; zeros
    of the padding count unless `count_include_pad` is false.
    """
    ...

def batch_norm(input: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None, training: _Bool = False, momentum: _Number = 0.1, eps: _Number = 1e-05) -> Tensor:
    """Each channel (dimension 1) standardized over the batch, or by the running moments.

    In training the running moments, where they are given, move towards those of the batch (the
    unbiased variance) by `momentum`, in place.  Ioffe & Szegedy 2015.
    """
    ...

def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Tensor:
    """``input1ᵀ · weight[k] · input2 + bias[k]`` for each k, over the last dimensions."""
    ...

def binary_cross_entropy(input: Any, target: Any, weight: Any = None, reduction: str = 'mean') -> Tensor:
    """``-(y·log p + (1 - y)·log(1 - p))`` of p = input in [0, 1]; logarithms are at least -100."""
    ...

def binary_cross_entropy_with_logits(input: Any, target: Any, weight: Any = None, reduction: str = 'mean', pos_weight: Any = None) -> Tensor:
    """`binary_cross_entropy` of σ(input), from the scores; `pos_weight` multiplies y·log p."""
    ...

def celu(input: Any, alpha: _Number = 1.0, inplace: _Bool = False) -> Tensor:
    """``input`` above 0, else ``alpha·(exp(input/alpha) - 1)``: smooth at 0.  Barron 2017."""
    ...

def channel_shuffle(input: Any, groups: _Number) -> Tensor:
    """The channels of (N, C, *) taken from each of `groups` in turn.  Zhang et al. 2017."""
    ...

def conv1d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: _Number = 1) -> Tensor:
    """Cross-correlation of (N, C, *) or (C, *) with `weight` (O, C/groups, *) and a bias (O,).

    `padding` is a number of zeros at both ends, "valid" (none), or "same" (the size stays).
    """
    ...

def conv2d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: _Number = 1) -> Tensor:
    """Cross-correlation of (N, C, *) or (C, *) with `weight` (O, C/groups, *) and a bias (O,).

    `padding` is a number of zeros at both ends, "valid" (none), or "same" (the size stays).
    """
    ...

def conv3d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: _Number = 1) -> Tensor:
    """Cross-correlation of (N, C, *) or (C, *) with `weight` (O, C/groups, *) and a bias (O,).

    `padding` is a number of zeros at both ends, "valid" (none), or "same" (the size stays).
    """
    ...

def conv_transpose1d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: _Number = 1, dilation: Any = 1) -> Tensor:
    """Adjoint of convolution: (N, C, *) or (C, *), `weight` (C, O/groups, *), bias (O,).

    The output has (size - 1)·stride - 2·padding + dilation·(kernel - 1) + output_padding + 1
    elements along each dimension.
    """
    ...

def conv_transpose2d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: _Number = 1, dilation: Any = 1) -> Tensor:
    """Adjoint of convolution: (N, C, *) or (C, *), `weight` (C, O/groups, *), bias (O,).

    The output has (size - 1)·stride - 2·padding + dilation·(kernel - 1) + output_padding + 1
    elements along each dimension.
    """
    ...

def conv_transpose3d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: _Number = 1, dilation: Any = 1) -> Tensor:
    """Adjoint of convolution: (N, C, *) or (C, *), `weight` (C, O/groups, *), bias (O,).

    The output has (size - 1)·stride - 2·padding + dilation·(kernel - 1) + output_padding + 1
    elements along each dimension.
    """
    ...

def cosine_embedding_loss(input1: Any, input2: Any, target: Any, margin: _Number = 0, reduction: str = 'mean') -> Tensor:
    """``1 - cos`` of the vectors where the target is 1, ``max(0, cos - margin)`` where it is -1."""
    ...

def cosine_similarity(x1: Any, x2: Any, dim: _Number = 1, eps: _Number = 1e-08) -> Tensor:
    """``Σ x1·x2/(max(‖x1‖, eps)·max(‖x2‖, eps))`` along `dim`."""
    ...

def cross_entropy(input: Any, target: Any, weight: Any = None, ignore_index: _Number = -100, reduction: str = 'mean', label_smoothing: _Number = 0.0) -> Tensor:
    """``-Σ target·log softmax(input)`` of scores (N, C, …), or (C,) for one sample.

    `target` holds class indices (N, …) or, of the input's shape and floating, probabilities.
    With `label_smoothing` ε the target becomes (1 - ε)·target + ε/C (Szegedy et al. 2016).
    """
    ...

def ctc_loss(log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any, blank: _Number = 0, reduction: str = 'mean', zero_infinity: _Bool = False) -> Tensor:
    """``-log p(target)`` of log-probabilities (T, N, C), summed over alignments with blanks.

    `targets` is (N, S), or all targets one after the other; (T, C) and (S,) is one sample. The
    mean is over samples of loss/target length. The forward recursion over time in the labels with
    blanks between them.  Graves et al. 2006.

    As in torch the gradient is that of scores which are normalised here once more: for what comes
    from log_softmax that is the same function.
    """
    ...

def dropout(input: Any, p: _Number = 0.5, training: _Bool = True, inplace: _Bool = False) -> Tensor:
    """0 with probability `p`, else ``input/(1 - p)``; the input itself outside training."""
    ...

def dropout1d(input: Any, p: _Number = 0.5, training: _Bool = True, inplace: _Bool = False) -> Tensor:
    """Whole channels of (C, L) or (N, C, L) become 0 with probability `p`.  Tompson et al. 2015."""
    ...

def dropout2d(input: Any, p: _Number = 0.5, training: _Bool = True, inplace: _Bool = False) -> Tensor:
    """Whole channels of (N, C, H, W) become 0 with probability `p`; (N, C, L) is taken as such."""
    ...

def dropout3d(input: Any, p: _Number = 0.5, training: _Bool = True, inplace: _Bool = False) -> Tensor:
    """Whole channels of (N, C, D, H, W) or (C, D, H, W) become 0 with probability `p`."""
    ...

def elu(input: Any, alpha: _Number = 1.0, inplace: _Bool = False) -> Tensor:
    """``input`` above 0, else ``alpha·(exp(input) - 1)``.  Clevert et al. 2016."""
    ...

def embedding(input: Any, weight: Any, padding_idx: _Number | None = None, max_norm: _Number | None = None, norm_type: _Number = 2.0, scale_grad_by_freq: _Bool = False, sparse: _Bool = False) -> Tensor:
    """Rows of `weight` (count, …) by the integers in `input` (…).

    Rows at `padding_idx` get no gradient; with `scale_grad_by_freq` a row's gradient is divided by
    how often it is used; with `max_norm` the rows used are shortened first, in place. Gradients
    are always dense.
    """
    ...

def embedding_bag(input: Any, weight: Any, offsets: Any = None, max_norm: _Number | None = None, norm_type: _Number = 2, scale_grad_by_freq: _Bool = False, mode: str = 'mean', sparse: _Bool = False, per_sample_weights: Any = None, include_last_offset: _Bool = False, padding_idx: _Number | None = None) -> Tensor:
    """The sum, mean or maximum of the rows in each bag: a row of `input`, or a run of it.

    A one-dimensional `input` is cut at `offsets`, which ends with its length if
    `include_last_offset`. Rows at `padding_idx` do not count; the value of an empty bag is 0.
    """
    ...

def feature_alpha_dropout(input: Any, p: _Number = 0.5, training: _Bool = False, inplace: _Bool = False) -> Tensor:
    """`alpha_dropout` of whole channels."""
    ...

def fold(input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """Columns (N, C · kernel, windows) added where they lie in (N, C, *output_size).

    The adjoint of `unfold`, and its inverse where windows do not overlap.
    """
    ...

def fractional_max_pool2d(input: Any, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: _Bool = False, _random_samples: Any = None) -> Tensor:
    """Maxima of windows at random distances, about size/output apart.  Graham 2014."""
    ...

def fractional_max_pool2d_with_indices(input: Any, *args: Any, **options: Any) -> Tensor:
    """`fractional_max_pool2d`, and the indices that ``return_indices=True`` asks for."""
    ...

def fractional_max_pool3d(input: Any, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: _Bool = False, _random_samples: Any = None) -> Tensor:
    """Maxima of windows at random distances, about size/output apart.  Graham 2014."""
    ...

def fractional_max_pool3d_with_indices(input: Any, *args: Any, **options: Any) -> Tensor:
    """`fractional_max_pool3d`, and the indices that ``return_indices=True`` asks for."""
    ...

def gaussian_nll_loss(input: Any, target: Any, var: Any, full: _Bool = False, eps: _Number = 1e-06, reduction: str = 'mean') -> Tensor:
    """``(log v + (input - target)²/v)/2`` with v = max(var, eps), whose bound passes no gradient.

    `full` adds log(2π)/2.  Nix & Weigend 1994.
    """
    ...

def gelu(input: _Operand, approximate: str = 'none') -> Tensor:
    """``input · Φ(input)``, Φ the normal distribution function (Hendrycks & Gimpel 2016).

    ``approximate="none"``: Φ(x) = (1 + erf(x/√2))/2;
    ``approximate="tanh"``: Φ(x) ≈ (1 + tanh(√(2/π)·(x + 0.044715·x³)))/2.
    """
    ...

def glu(input: Any, dim: _Number = -1) -> Tensor:
    """``a·σ(b)`` of the two halves a, b of `dim`.  Dauphin et al. 2017."""
    ...

def grid_sample(input: Any, grid: Any, mode: str = 'bilinear', padding_mode: str = 'zeros', align_corners: _Number | None = None) -> Tensor:
    """(N, C, H, W) interpolated at places (x, y), a grid (N, H', W', 2); also (N, C, D, H, W).

    -1 and 1 are the outer edges of the image, or with `align_corners` the centres of its outer
    pixels. Outside of it is 0, its border, or its reflection.
    """
    ...

def group_norm(input: Any, num_groups: _Number, weight: Any = None, bias: Any = None, eps: _Number = 1e-05) -> Tensor:
    """Groups of channels (dimension 1) standardized, each channel scaled.  Wu & He 2018."""
    ...

def gumbel_softmax(logits: Any, tau: _Number = 1, hard: _Bool = False, eps: _Number = 1e-10, dim: _Number = -1) -> Tensor:
    """A draw from the relaxed categorical distribution: softmax((logits + Gumbel noise)/tau).

    With `hard` the draw is one-hot and its gradient that of the soft one (straight through).
    Jang et al. 2017; Maddison et al. 2017.
    """
    ...

def hardshrink(input: _Operand, lambd: _Number = 0.5) -> Tensor:
    """``input`` outside [-lambd, lambd], else 0."""
    ...

def hardsigmoid(input: _Operand, inplace: _Bool = False) -> Tensor:
    """``min(max(input + 3, 0), 6)/6``."""
    ...

def hardswish(input: _Operand, inplace: _Bool = False) -> Tensor:
    """``input · hardsigmoid(input)``.  Howard et al. 2019."""
    ...

def hardtanh(input: _Operand, min_val: _Number = -1.0, max_val: _Number = 1.0, inplace: _Bool = False) -> Tensor:
    """``input`` limited to [min_val, max_val]; the derivative at either bound is 0."""
    ...

def hinge_embedding_loss(input: Any, target: Any, margin: _Number = 1.0, reduction: str = 'mean') -> Tensor:
    """The distance `input` where the target is 1, ``max(0, margin - input)`` where it is -1."""
    ...

def huber_loss(input: Any, target: Any, reduction: str = 'mean', delta: _Number = 1.0, weight: Any = None) -> Tensor:
    """``d²/2`` where d = |input - target| < delta, else ``delta·(d - delta/2)``.  Huber 1964."""
    ...

def instance_norm(input: Any, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None, use_input_stats: _Bool = True, momentum: _Number = 0.1, eps: _Number = 1e-05) -> Tensor:
    """Each channel of each sample standardized over its positions.  Ulyanov et al. 2016.

    Running moments, where they are given, move towards the mean over the batch of those found.
    """
    ...

def interpolate(input: Any, size: Any = None, scale_factor: Any = None, mode: str = 'nearest', align_corners: _Number | None = None, recompute_scale_factor: _Number | None = None, antialias: _Bool = False) -> Tensor:
    """(N, C, *) resampled to `size`, or to its size times `scale_factor`.

    Modes: "nearest", "nearest-exact", "area" for one to three sizes, "linear" for one,
    "bilinear", "bicubic" and "lanczos" (only with `antialias`) for two, "trilinear" for three.
    """
    ...

def kl_div(input: Any, target: Any, reduction: str = 'mean', log_target: _Bool = False) -> Tensor:
    """``target·(log target - input)``, 0 where the target is 0; the input is a log-probability.

    With `log_target` the target is one too; "batchmean" divides the sum by the batch's size.
    """
    ...

def l1_loss(input: Any, target: Any, reduction: str = 'mean', weight: Any = None) -> Tensor:
    """``|input - target|``."""
    ...

def layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: _Number = 1e-05) -> Tensor:
    """Each sample made to mean 0 and variance 1 over its last dimensions.  Ba et al. 2016."""
    ...

def leaky_relu(input: _Operand, negative_slope: _Number = 0.01, inplace: _Bool = False) -> Tensor:
    """``input`` above 0, else ``negative_slope·input``.  Maas et al. 2013."""
    ...

def linear(input: _Operand, weight: _Operand, bias: _Operand | None = None) -> Tensor:
    """``input · weightᵀ + bias`` with input (…, in), weight (out, in), bias (out,).

    A weight (in,) gives one output without a dimension of its own.
    ∂L/∂input = g·weight, ∂L/∂weight = gᵀ·input, ∂L/∂bias = Σ g over the leading dimensions.
    """
    ...

def linear_cross_entropy(input: Any, linear_weight: Any, target: Any, linear_bias: Any = None, weight: Any = None, reduction: str = 'mean', ignore_index: _Number | None = None, label_smoothing: _Number = 0.0) -> Tensor:
    """`cross_entropy` of the scores ``input · linear_weightᵀ + linear_bias``.

    `linear_weight` is (classes, …, features); its middle dimensions follow the classes' in the
    scores.
    """
    ...

def local_response_norm(input: Any, size: _Number, alpha: _Number = 0.0001, beta: _Number = 0.75, k: _Number = 1.0) -> Tensor:
    """``input/(k + alpha·mean of input² over size channels)^beta``.  Krizhevsky et al. 2012."""
    ...

def log_softmax(input: _Operand, dim: _Number, dtype: Any = None) -> Tensor:
    """``x - log Σexp(x)`` along `dim`.  Rules: g - s·Σg backward, t - Σ s·t forward."""
    ...

def logsigmoid(input: _Operand) -> Tensor:
    """``log σ(input)``, exact on either side; ∂out/∂input = σ(-input)."""
    ...

def lp_pool1d(input: Any, norm_type: _Number, kernel_size: Any, stride: Any = None, ceil_mode: _Bool = False) -> Tensor:
    """``(Σ xᵖ)^(1/p)`` over windows, p = `norm_type`; the derivative where it is 0 is 0."""
    ...

def lp_pool2d(input: Any, norm_type: _Number, kernel_size: Any, stride: Any = None, ceil_mode: _Bool = False) -> Tensor:
    """``(Σ xᵖ)^(1/p)`` over windows, p = `norm_type`; the derivative where it is 0 is 0."""
    ...

def lp_pool3d(input: Any, norm_type: _Number, kernel_size: Any, stride: Any = None, ceil_mode: _Bool = False) -> Tensor:
    """``(Σ xᵖ)^(1/p)`` over windows, p = `norm_type`; the derivative where it is 0 is 0."""
    ...

def margin_ranking_loss(input1: Any, input2: Any, target: Any, margin: _Number = 0, reduction: str = 'mean') -> Tensor:
    """``max(0, -target·(input1 - input2) + margin)``: target 1 if the first should rank higher."""
    ...

def max_pool1d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: _Bool = False, return_indices: _Bool = False) -> Tensor:
    """Maxima of windows of (N, C, *) or (C, *); the padding is never the largest.

    With `return_indices` also where they are in the flattened sizes, for `max_unpool`.
    """
    ...

def max_pool1d_with_indices(input: Any, *args: Any, **options: Any) -> Tensor:
    """`max_pool1d`, and the indices that ``return_indices=True`` asks for."""
    ...

def max_pool2d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: _Bool = False, return_indices: _Bool = False) -> Tensor:
    """Maxima of windows of (N, C, *) or (C, *); the padding is never the largest.

    With `return_indices` also where they are in the flattened sizes, for `max_unpool`.
    """
    ...

def max_pool2d_with_indices(input: Any, *args: Any, **options: Any) -> Tensor:
    """`max_pool2d`, and the indices that ``return_indices=True`` asks for."""
    ...

def max_pool3d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: _Bool = False, return_indices: _Bool = False) -> Tensor:
    """Maxima of windows of (N, C, *) or (C, *); the padding is never the largest.

    With `return_indices` also where they are in the flattened sizes, for `max_unpool`.
    """
    ...

def max_pool3d_with_indices(input: Any, *args: Any, **options: Any) -> Tensor:
    """`max_pool3d`, and the indices that ``return_indices=True`` asks for."""
    ...

def max_unpool1d(input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None) -> Tensor:
    """Zeros with the elements of `input` at `indices`: what max_pool took, put back."""
    ...

def max_unpool2d(input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None) -> Tensor:
    """Zeros with the elements of `input` at `indices`: what max_pool took, put back."""
    ...

def max_unpool3d(input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None) -> Tensor:
    """Zeros with the elements of `input` at `indices`: what max_pool took, put back."""
    ...

def mish(input: _Operand, inplace: _Bool = False) -> Tensor:
    """``input · tanh(softplus(input))``.  Misra 2019.

    With T = tanh(softplus(input)): ∂out/∂input = T + input·σ(input)·(1 - T²).
    """
    ...

def mse_loss(input: Any, target: Any, reduction: str = 'mean', weight: Any = None) -> Tensor:
    """Squared difference, ``(input - target)²``, times `weight` where it is given."""
    ...

def multi_head_attention_forward(query: Any, key: Any, value: Any, embed_dim_to_check: _Number, num_heads: _Number, in_proj_weight: Any, in_proj_bias: Any, bias_k: Any, bias_v: Any, add_zero_attn: _Bool, dropout_p: _Number, out_proj_weight: Any, out_proj_bias: Any, training: _Bool = True, key_padding_mask: Any = None, need_weights: _Bool = True, attn_mask: Any = None, use_separate_proj_weight: _Bool = False, q_proj_weight: Any = None, k_proj_weight: Any = None, v_proj_weight: Any = None, static_k: Any = None, static_v: Any = None, average_attn_weights: _Bool = True, is_causal: _Bool = False) -> Tensor:
    """Attention of several heads of (L, N, E), (S, N, E) and (S, N, E), or without N.

    Returns the result (L, N, E) and the weights (N, L, S), averaged over the heads, or None. A
    mask hides where it is true, or is added; `key_padding_mask` (N, S) hides keys of a sample.
    """
    ...

def multi_margin_loss(input: Any, target: Any, p: _Number = 1, margin: _Number = 1.0, weight: Any = None, reduction: str = 'mean') -> Tensor:
    """``Σ_{j ≠ y} weight[y]·max(0, margin - x[y] + x[j])^p / C``: scores (N, C), classes y (N,)."""
    ...

def multilabel_margin_loss(input: Any, target: Any, reduction: str = 'mean') -> Tensor:
    """``Σ max(0, 1 - x[y] + x[j])/C`` over labels y and all j that are no label.

    The labels of a sample stand at the front of its row of `target`, ended by -1.
    """
    ...

def multilabel_soft_margin_loss(input: Any, target: Any, weight: Any = None, reduction: str = 'mean') -> Tensor:
    """Binary cross-entropy of scores, averaged over the classes (the last dimension)."""
    ...

def native_channel_shuffle(input: Any, groups: _Number) -> Tensor:
    """The channels of (N, C, *) taken from each of `groups` in turn.  Zhang et al. 2017."""
    ...

def nll_loss(input: Any, target: Any, weight: Any = None, ignore_index: _Number = -100, reduction: str = 'mean') -> Tensor:
    """``-weight[target] · input[target]`` of log-probabilities (N, C, …) and classes (N, …).

    The mean is over the weights of the targets that are not `ignore_index`.
    """
    ...

def normalize(input: Any, p: _Number = 2.0, dim: _Number = 1, eps: _Number = 1e-12) -> Tensor:
    """``input/max(‖input‖_p, eps)`` along `dim`."""
    ...

def one_hot(tensor: Any, num_classes: _Number = -1) -> Tensor:
    """A last dimension of `num_classes` with 1 at each index and 0 elsewhere, in int64.

    By default there are as many classes as the largest index needs.
    """
    ...

def pad(input: Any, pad: Any, mode: str = 'constant', value: Any = None) -> Tensor:
    """Added (or, negative, cut off) at both ends of the last dimensions.

    `pad` is (left, right) of the last dimension, then of the one before, and so on; `mode` is
    "constant" (with `value`, 0 if None), "reflect" (without repeating the border), "replicate" or
    "circular".
    """
    ...

def pairwise_distance(x1: Any, x2: Any, p: _Number = 2.0, eps: _Number = 1e-06, keepdim: _Bool = False) -> Tensor:
    """``‖x1 - x2 + eps‖_p`` over the last dimension."""
    ...

def pdist(input: Any, p: _Number = 2.0) -> Tensor:
    """``‖input[i] - input[j]‖_p`` for all i < j, in the order of the upper triangle."""
    ...

def pixel_shuffle(input: Any, upscale_factor: _Number) -> Tensor:
    """(…, C·r², H, W) to (…, C, H·r, W·r).  Shi et al. 2016."""
    ...

def pixel_unshuffle(input: Any, downscale_factor: _Number) -> Tensor:
    """(…, C, H·r, W·r) to (…, C·r², H, W): the inverse of `pixel_shuffle`."""
    ...

def poisson_nll_loss(input: Any, target: Any, log_input: _Bool = True, full: _Bool = False, eps: _Number = 1e-08, reduction: str = 'mean') -> Tensor:
    """``rate - target·log rate`` of ``rate = exp(input)``, or of the input + eps itself.

    `full` adds Stirling's approximation of log target!, where the target is above 1.
    """
    ...

def prelu(input: Any, weight: Any) -> Tensor:
    """``input`` above 0, else ``weight·input``: one weight, or one for each channel (dimension 1).

    He et al. 2015.
    """
    ...

def relu(input: _Operand, inplace: _Bool = False) -> Tensor:
    """``max(input, 0)``; the derivative at 0 is 0."""
    ...

def relu6(input: Any, inplace: _Bool = False) -> Tensor:
    """``min(max(input, 0), 6)``; the derivative at either bound is 0."""
    ...

def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: _Number | None = None) -> Tensor:
    """Each sample divided by its root mean square over its last dimensions.

    `eps` is the dtype's spacing at 1 by default.  Zhang & Sennrich 2019.
    """
    ...

def rrelu(input: Any, lower: _Number = 0.125, upper: _Number = 0.3333333333333333, training: _Bool = False, inplace: _Bool = False) -> Tensor:
    """A leaky relu whose slope is drawn for each element in training, else the middle of the range.

    Xu et al. 2015. Drawn from torch's stream, for the elements that are not above 0 alone.
    """
    ...

def scaled_dot_product_attention(query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: _Number = 0.0, is_causal: _Bool = False, scale: _Number | None = None, enable_gqa: _Bool = False) -> Tensor:
    """``softmax(query · keyᵀ · scale + mask) · value`` of (…, L, E), (…, S, E) and (…, S, V).

    `attn_mask` says by truth values where a query may look, or is added. `scale` is 1/√E by
    default. With `enable_gqa` several heads (dimension -3) of queries share one of keys.
    """
    ...

def selu(input: Any, inplace: _Bool = False) -> Tensor:
    """An elu scaled so that mean 0 and variance 1 are a fixed point.  Klambauer et al. 2017."""
    ...

def sigmoid(input: _Operand) -> Tensor:
    """``1/(1 + exp(-input))``; ∂out/∂input = out·(1 - out)."""
    ...

def silu(input: _Operand, inplace: _Bool = False) -> Tensor:
    """``input · σ(input)``; ∂out/∂input = σ·(1 + input·(1 - σ)).  Hendrycks & Gimpel 2016."""
    ...

def smooth_l1_loss(input: Any, target: Any, reduction: str = 'mean', beta: _Number = 1.0) -> Tensor:
    """``d²/(2·beta)`` where d = |input - target| < beta, else ``d - beta/2``.  Girshick 2015."""
    ...

def soft_margin_loss(input: Any, target: Any, reduction: str = 'mean') -> Tensor:
    """``log(1 + exp(-target·input))`` with targets ±1."""
    ...

def softmax(input: _Operand, dim: _Number, dtype: Any = None) -> Tensor:
    """``exp(x)/Σexp(x)`` along `dim`.

    The Jacobian diag(s) - s·sᵀ is symmetric: one rule, s·(t - Σ s·t), serves both directions.
    """
    ...

def softmin(input: Any, dim: _Number, dtype: Any = None) -> Tensor:
    """``softmax(-input)`` along `dim`."""
    ...

def softplus(input: _Operand, beta: _Number = 1.0, threshold: _Number = 20.0) -> Tensor:
    """``log(1 + exp(beta·input))/beta``, the input itself where beta·input > threshold."""
    ...

def softshrink(input: _Operand, lambd: _Number = 0.5) -> Tensor:
    """``input`` moved towards 0 by `lambd`, at most to 0."""
    ...

def softsign(input: Any) -> Tensor:
    """``input/(1 + |input|)``."""
    ...

def tanh(input: _Operand) -> Tensor:
    """Hyperbolic tangent; ∂out/∂input = 1 - out²."""
    ...

def tanhshrink(input: Any) -> Tensor:
    """``input - tanh(input)``."""
    ...

def threshold(input: _Operand, threshold: _Number, value: _Number, inplace: _Bool = False) -> Tensor:
    """``input`` above `threshold`, else `value`."""
    ...

def triplet_margin_loss(anchor: Any, positive: Any, negative: Any, margin: _Number = 1.0, p: _Number = 2, eps: _Number = 1e-06, swap: _Bool = False, reduction: str = 'mean') -> Tensor:
    """``max(0, d(anchor, positive) - d(anchor, negative) + margin)``, d the p-norm distance.

    With `swap` the negative is compared with whichever is nearer to it.  Balntas et al. 2016.
    """
    ...

def triplet_margin_with_distance_loss(anchor: Any, positive: Any, negative: Any, distance_function: Any = None, margin: _Number = 1.0, swap: _Bool = False, reduction: str = 'mean') -> Tensor:
    """`triplet_margin_loss` with a distance of one's own, by default `pairwise_distance`."""
    ...

def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """Windows of (N, C, H, W) or (C, H, W) as columns: (N, C · kernel, number of windows)."""
    ...

def upsample(input: Any, size: Any = None, scale_factor: Any = None, mode: str = 'nearest', align_corners: _Number | None = None) -> Tensor:
    """`interpolate` under its older name."""
    ...

def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode "bilinear" (three sizes: "trilinear") and aligned corners."""
    ...

def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode "nearest"."""
    ...

def celu_(input: Any, alpha: _Number = 1.0, inplace: _Bool = False) -> Tensor:
    """`celu` in place: writes the result into this tensor and returns it."""
    ...

def elu_(input: Any, alpha: _Number = 1.0, inplace: _Bool = False) -> Tensor:
    """`elu` in place: writes the result into this tensor and returns it."""
    ...

def hardtanh_(input: _Operand, min_val: _Number = -1.0, max_val: _Number = 1.0, inplace: _Bool = False) -> Tensor:
    """`hardtanh` in place: writes the result into this tensor and returns it."""
    ...

def leaky_relu_(input: _Operand, negative_slope: _Number = 0.01, inplace: _Bool = False) -> Tensor:
    """`leaky_relu` in place: writes the result into this tensor and returns it."""
    ...

def relu_(input: _Operand, inplace: _Bool = False) -> Tensor:
    """`relu` in place: writes the result into this tensor and returns it."""
    ...

def rrelu_(input: Any, lower: _Number = 0.125, upper: _Number = 0.3333333333333333, training: _Bool = False, inplace: _Bool = False) -> Tensor:
    """`rrelu` in place: writes the result into this tensor and returns it."""
    ...

def selu_(input: Any, inplace: _Bool = False) -> Tensor:
    """`selu` in place: writes the result into this tensor and returns it."""
    ...

def threshold_(input: _Operand, threshold: _Number, value: _Number, inplace: _Bool = False) -> Tensor:
    """`threshold` in place: writes the result into this tensor and returns it."""
    ...

__all__: list[str]
