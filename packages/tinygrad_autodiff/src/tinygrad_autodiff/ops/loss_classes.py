"""Losses of classes: negative log-likelihood and cross-entropy.

``reduction`` is "mean", "sum" or "none".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import ArgumentError, DimError, DtypeError, RangeError, ShapeError
from ..op import Array, Bad, Composite, Sample, compose, op
from ..samples import array
from ..tensor import array_of
from .dims import add_reduce, max_reduce
from .fused import Fused
from .reduced import check_reduction, reduced

_NEURAL = ("nn.functional",)


class NllLoss(Composite, name="nll_loss", spaces=_NEURAL):
    """``-weight[target] · input[target]`` of log-probabilities (N, C, …) and classes (N, …).

    The mean is over the weights of the targets that are not `ignore_index`.
    """

    @staticmethod
    def forward(
        input: Any,
        target: Any,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> Any:
        """Composed of gather."""
        check_reduction(reduction)
        dim = 1 if input.ndim > 1 else 0
        classes, scale = _classes("nll_loss", input, target, weight, ignore_index)
        picked = op.squeeze(op.gather(input, dim, np.expand_dims(classes, dim)), dim)
        if scale is None:
            return reduced(-picked, reduction)
        if reduction == "mean":
            share, nothing = _shares(scale)
            return nothing - op.sum(picked * share)
        return reduced(-picked * scale, reduction)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Classes, weights, ignored targets, one sample, images."""
        x, y = array((4, 3)), np.array([0, 2, 1, 2])
        yield Sample((x, y))
        yield Sample((x, y, np.array([1.0, 0.5, 2.0], np.float32)))
        yield Sample((x, y), {"ignore_index": 2})
        yield Sample((x, y), {"reduction": "none"})
        yield Sample((x[0], np.array(1)))
        yield Sample((array((2, 3, 2)), np.array([[0, 1], [2, 2]])), {"reduction": "sum"})

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Classes out of range, of the wrong shape or dtype."""
        x = array((4, 3))
        yield Bad(
            (x, np.array([0, 3, 1, 2])), {}, DimError, "target 3 is out of bounds .* 3 classes"
        )
        yield Bad((x, np.array([0, 1])), {}, ArgumentError, r"size \(4\) to match .* \(2\)")
        yield Bad((x, np.zeros((4, 2), int)), {}, ShapeError, r"\(4, 3\).*\(4, 2\)")
        yield Bad((x, np.zeros(4)), {}, DtypeError, "integer")
        yield Bad((x, np.zeros(4, int)), {"reduction": "max"}, ArgumentError, "'max'")


def _classes(
    name: str, input: Any, target: Any, weight: Any, ignore_index: int
) -> tuple[Array, Array | None]:
    """Checked class indices with ignored ones set to 0, and the weight of each sample or None."""
    target = array_of(target)
    if target.dtype.kind not in "iu":
        raise DtypeError(f"{name}: expected integer class indices, got {target.dtype}")
    dim = 1 if input.ndim > 1 else 0
    if dim and target.ndim and len(target) != len(input):
        raise ArgumentError(
            f"{name}: expected input batch_size ({len(input)}) to match target batch_size "
            f"({len(target)})"
        )
    if target.shape != (*input.shape[:dim], *input.shape[dim + 1 :]):
        raise ShapeError(
            f"{name}: an input of {tuple(input.shape)} does not fit a target of {target.shape}"
        )
    kept = target != ignore_index
    every = bool(kept.all())
    classes = target if every else np.where(kept, target, 0)
    count = input.shape[dim]
    if classes.size and (classes.min() < 0 or classes.max() >= count):
        wrong = classes.max() if classes.max() >= count else classes.min()
        raise DimError(f"{name}: target {wrong} is out of bounds for {count} classes")
    if weight is None:
        return classes, None if every else kept.astype(input.dtype)
    scale = array_of(weight).astype(input.dtype, copy=False)
    if scale.shape != (count,):
        raise ShapeError(
            f"{name}: expected one weight for each of {count} classes, got {scale.shape}"
        )
    return classes, scale[classes] * kept


def _shares(scale: Array) -> tuple[Array, float]:
    """Weights that add up to 1; without any, zeros and NaN, which is what the mean is then."""
    total = float(scale.sum())
    return (scale / np.asarray(total, scale.dtype), 0.0) if total else (scale, math.nan)


class SoftmaxCrossEntropy(Fused, name="softmax_cross_entropy", spaces=()):
    """``-log softmax(input)[class]·factor`` of each row of scores (N, C), or the sum over rows.

    ∂L/∂input = (softmax(input) - one-hot)·factor: one array, made by the forward pass and all that
    is kept, since its logarithm is the input but for a constant, which the loss does not see.
    """

    quiet = True
    kept, rebuilt = ("shares",), "input"

    def forward(self, input: Array, classes: Any, factor: Any = 1.0, total: bool = True) -> Array:
        """Values; a factor of 0 leaves a row out, whatever it holds."""
        self.source = input.dtype
        wide = input.astype(np.float32) if input.dtype == np.float16 else input
        shares = wide - max_reduce(wide, -1, keepdims=True)
        picked = shares[np.arange(len(classes)), classes]
        np.exp(shares, out=shares)
        sums = add_reduce(shares, -1)
        shares /= sums[:, None]
        self.shares = shares
        losses = np.log(sums) - picked
        losses = losses * factor if np.ndim(factor) == 0 else np.where(factor, losses * factor, 0)
        return np.asarray(add_reduce(losses, 0) if total else losses).astype(
            input.dtype, copy=False
        )

    def revive(self, values: Any, saved: Any) -> tuple[Any, ...]:
        """With the logarithm of the shares in the place of the input."""
        with np.errstate(divide="ignore"):
            input = np.log(values[-1]).astype(self.source, copy=False)
        return super().revive((input, *values[1:]), saved)

    def backward(self, g: Any, classes: Any, factor: Any, shares: Any) -> Any:
        """See the class."""
        rate = np.asarray(g * factor, shares.dtype)
        grad = shares * (rate[:, None] if rate.ndim else rate)
        grad[np.arange(len(classes)), classes] -= rate
        return grad.astype(self.source, copy=False)

    @staticmethod
    def composed(input: Any, classes: Any, factor: Any, total: bool) -> Any:
        """Of log_softmax and gather."""
        picked = op.gather(op.log_softmax(input, 1), 1, np.expand_dims(classes, 1))
        losses = -op.squeeze(picked, 1) * np.asarray(factor, input.dtype)
        return op.sum(losses) if total else losses

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Summed and apart, one factor and one a row."""
        yield Sample((array((4, 3)), np.array([0, 2, 1, 2]), 0.25))
        factors = np.array([1, 0, 2, 0.5], np.float32)
        yield Sample((array((4, 3)), np.array([0, 2, 1, 2]), factors, False))


class CrossEntropy(Composite, name="cross_entropy", spaces=_NEURAL):
    """``-Σ target·log softmax(input)`` of scores (N, C, …), or (C,) for one sample.

    `target` holds class indices (N, …) or, of the input's shape and floating, probabilities.
    With `label_smoothing` ε the target becomes (1 - ε)·target + ε/C (Szegedy et al. 2016).
    """

    @staticmethod
    def forward(
        input: Any,
        target: Any,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> Any:
        """Composed of log_softmax and nll_loss, or of a weighted sum."""
        check_reduction(reduction)
        if not 0 <= label_smoothing <= 1:
            raise ArgumentError(
                f"cross_entropy: label_smoothing {label_smoothing} is not in [0, 1]"
            )
        dim = 1 if input.ndim > 1 else 0
        soft = np.shape(target) == tuple(input.shape) and target.dtype.kind == "f"
        if not (soft or label_smoothing):
            return _hard(input, target, weight, ignore_index, reduction, dim)
        log_p = op.log_softmax(input, dim)
        if soft:
            return _soft(log_p, target, weight, reduction, label_smoothing, dim)
        loss = op.nll_loss(log_p, target, weight, ignore_index, reduction)
        _, scale = _classes("cross_entropy", input, target, None, ignore_index)
        smooth = -_class_mean(log_p, weight, dim)
        if scale is not None:
            smooth = smooth * scale
        if reduction == "mean":
            _, total = _classes("cross_entropy", input, target, weight, ignore_index)
            count = float(array_of(target).size if total is None else total.sum())
            smooth = op.sum(smooth) / count
        return (1 - label_smoothing) * loss + label_smoothing * _reduced_sum(smooth, reduction)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Classes and probabilities, with every option."""
        x, y = array((4, 3)), np.array([0, 2, 1, 2])
        w, p = np.array([1.0, 0.5, 2.0], np.float32), array((4, 3), 0.1, 0.5, 1)
        for reduction in ("mean", "sum", "none"):
            yield Sample((x, y), {"reduction": reduction})
            yield Sample((x, y, w), {"reduction": reduction, "label_smoothing": 0.1})
            yield Sample((x, p), {"reduction": reduction})
        yield Sample((x, y, w), {"ignore_index": 2, "label_smoothing": 0.2})
        yield Sample((x, p, w), {"label_smoothing": 0.1})
        yield Sample((x[0], np.array(1)))
        yield Sample((array((2, 3, 2)), np.array([[0, 1], [2, -100]])))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """As for nll_loss, and a smoothing out of range."""
        x = array((4, 3))
        yield Bad((x, np.array([0, 3, 1, 2])), {}, DimError, "target 3 is out of bounds")
        yield Bad((x, np.array([0, 1])), {}, ArgumentError, r"size \(4\) to match .* \(2\)")
        yield Bad((x, np.zeros((4, 2), int)), {}, ShapeError, r"\(4, 3\).*\(4, 2\)")
        yield Bad((x, np.zeros(4, int)), {"label_smoothing": 1.5}, ArgumentError, "1.5")


def _hard(input: Any, target: Any, weight: Any, ignore_index: int, reduction: str, dim: int) -> Any:
    """Of classes, by the fused operation on rows of scores."""
    classes, scale = _classes("cross_entropy", input, target, weight, ignore_index)
    rows = input if dim and input.ndim == 2 else op.movedim(input, dim, -1)
    if rows.ndim != 2:
        rows = op.reshape(rows, (classes.size, input.shape[dim]))
    factor: Any = 1.0 if scale is None else scale.reshape(-1)
    nothing = 0.0
    if reduction == "mean":
        if scale is None:
            factor = 1 / classes.size if classes.size else math.nan
        else:
            factor, nothing = _shares(factor)
    loss = op.softmax_cross_entropy(rows, classes.reshape(-1), factor, reduction != "none")
    if reduction == "none":
        return op.reshape(loss, classes.shape)
    if not classes.size and reduction == "mean":
        nothing = math.nan
    return loss + nothing if nothing else loss


def _reduced_sum(loss: Any, reduction: str) -> Any:
    return op.sum(loss) if reduction == "sum" else loss


def _class_mean(log_p: Any, weight: Any, dim: int) -> Any:
    if weight is None:
        return op.mean(log_p, dim)
    return op.sum(log_p * _along(weight, log_p, dim), dim) / log_p.shape[dim]


def _along(weight: Any, log_p: Any, dim: int) -> Any:
    values = array_of(weight).astype(log_p.dtype, copy=False)
    return values.reshape(-1, *(1,) * (log_p.ndim - dim - 1))


def _soft(log_p: Any, target: Any, weight: Any, reduction: str, smoothing: float, dim: int) -> Any:
    if smoothing:
        target = target * (1 - smoothing) + smoothing / log_p.shape[dim]
    terms = log_p * target
    if weight is not None:
        terms = terms * _along(weight, log_p, dim)
    loss = -op.sum(terms, dim)
    if reduction == "mean":
        samples = int(np.prod(loss.shape)) if loss.ndim else 1
        return op.sum(loss) / samples
    return _reduced_sum(loss, reduction)


@compose(
    Sample((array((3, 2)), array((4, 2), seed=1), np.array([0, 3, 1]))),
    Sample(
        (array((3, 2)), array((4, 2), seed=1), np.array([0, 3, 1])),
        {"linear_bias": array((4,), seed=2)},
    ),
    spaces=_NEURAL,
    errors=(
        Bad((array((3, 2)), array((4, 3)), np.array([0, 3, 1])), {}, ShapeError, "does not fit"),
        Bad((array((2,)), array((4, 3, 2)), np.array([0])), {}, ShapeError, "requires batched"),
    ),
)
def linear_cross_entropy(
    input: Any,
    linear_weight: Any,
    target: Any,
    linear_bias: Any = None,
    weight: Any = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
) -> Any:
    """`cross_entropy` of the scores ``input · linear_weightᵀ + linear_bias``.

    `linear_weight` is (classes, …, features); its middle dimensions follow the classes' in the
    scores.
    """
    if linear_weight.ndim < 2 or not input.ndim:
        raise ShapeError(
            f"linear_cross_entropy: an input of {tuple(input.shape)} does not fit a weight of "
            f"{tuple(linear_weight.shape)}"
        )
    if ignore_index is not None and array_of(target).dtype.kind == "f":
        raise RangeError(
            "linear_cross_entropy: ignore_index cannot be specified when target contains "
            "probabilities"
        )
    if linear_weight.ndim > 2 and input.ndim < 2:
        raise ShapeError(
            f"linear_cross_entropy: a weight of {tuple(linear_weight.shape)} requires batched "
            f"input, got {tuple(input.shape)}"
        )
    classes, *outputs, features = linear_weight.shape
    rows = op.reshape(linear_weight, (-1, features))
    bias = None if linear_bias is None else op.reshape(linear_bias, (-1,))
    scores = op.linear(input, rows, bias)
    scores = op.reshape(scores, (*input.shape[:-1], classes, *outputs))
    ignored = -100 if ignore_index is None else ignore_index
    return op.cross_entropy(scores, target, weight, ignored, reduction, label_smoothing)
