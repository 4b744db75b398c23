"""Losses as modules; the maths is in `nn.functional`. ``reduction`` is "mean", "sum" or "none"."""

from __future__ import annotations

import math
from typing import Any

from ..errors import RangeError
from ..registry import op
from .linear import Linear
from .module import Module
from .settings import Stateless


class _Loss(Stateless):
    buffers_given = ("weight", "pos_weight")

    def extra_repr(self) -> str:
        """Nothing, as in torch."""
        return ""


class L1Loss(_Loss, function="l1_loss", reduction="mean"):
    """``|input - target|``."""


class MSELoss(_Loss, function="mse_loss", reduction="mean"):
    """``(input - target)²``."""


class SmoothL1Loss(_Loss, function="smooth_l1_loss", reduction="mean", beta=1.0):
    """``d²/(2·beta)`` where |d| < beta, else ``|d| - beta/2``, of d = input - target."""


class HuberLoss(_Loss, function="huber_loss", reduction="mean", delta=1.0):
    """``d²/2`` where |d| <= delta, else ``delta·(|d| - delta/2)``, of d = input - target."""


class NLLLoss(_Loss, function="nll_loss", weight=None, ignore_index=-100, reduction="mean"):
    """``-weight[y]·input[y]`` of log-probabilities (N, C, …) and classes y (N, …).

    The mean divides by the weights' sum.
    """


class CrossEntropyLoss(
    _Loss,
    function="cross_entropy",
    weight=None,
    ignore_index=-100,
    reduction="mean",
    label_smoothing=0.0,
):
    """``-log softmax(input)[y]`` of scores (N, C, …) and classes y (N, …), times ``weight[y]``.

    Or ``-Σ p·log softmax(input)`` of probabilities p (N, C, …); see `nn.functional.cross_entropy`.
    """


class BCELoss(_Loss, function="binary_cross_entropy", weight=None, reduction="mean"):
    """``-(y·log p + (1 - y)·log(1 - p))`` of probabilities p; the logarithms are at least -100."""


class BCEWithLogitsLoss(
    _Loss,
    function="binary_cross_entropy_with_logits",
    weight=None,
    reduction="mean",
    pos_weight=None,
):
    """``-(pos_weight·y·log σ(x) + (1 - y)·log σ(-x))`` of scores x, without overflow."""


class KLDivLoss(_Loss, function="kl_div", reduction="mean", log_target=False):
    """``target·(log target - input)`` of log-probabilities `input`; "batchmean" divides by N."""


class PoissonNLLLoss(
    _Loss, function="poisson_nll_loss", log_input=True, full=False, eps=1e-8, reduction="mean"
):
    """``exp(input) - target·input``, or ``input - target·log(input + eps)`` without `log_input`.

    `full` adds Stirling's approximation of log target!.
    """


class GaussianNLLLoss(_Loss, function="gaussian_nll_loss", full=False, eps=1e-6, reduction="mean"):
    """``(log v + (input - target)²/v)/2``, v = max(var, eps); called with (input, target, var).

    `full` adds log(2π)/2.
    """


class SoftMarginLoss(_Loss, function="soft_margin_loss", reduction="mean"):
    """``log(1 + exp(-target·input))``."""


class HingeEmbeddingLoss(_Loss, function="hinge_embedding_loss", margin=1.0, reduction="mean"):
    """The distance ``input`` where the target is 1, ``max(0, margin - input)`` where it is -1."""


class CosineEmbeddingLoss(_Loss, function="cosine_embedding_loss", margin=0.0, reduction="mean"):
    """``1 - cos(x1, x2)`` where the target is 1, ``max(0, cos(x1, x2) - margin)`` where -1."""


class MarginRankingLoss(_Loss, function="margin_ranking_loss", margin=0.0, reduction="mean"):
    """``max(0, -y·(x1 - x2) + margin)``: y is 1 where x1 should be the larger, else -1."""


class MultiMarginLoss(
    _Loss, function="multi_margin_loss", p=1, margin=1.0, weight=None, reduction="mean"
):
    """``Σ_j weight[y]·max(0, margin - x[y] + x[j])^p/C`` over the classes j that are not y."""


class MultiLabelMarginLoss(_Loss, function="multilabel_margin_loss", reduction="mean"):
    """``Σ max(0, 1 - x[y] + x[j])/C`` over labels y and all classes j that are no label."""


class MultiLabelSoftMarginLoss(
    _Loss, function="multilabel_soft_margin_loss", weight=None, reduction="mean"
):
    """``-Σ_c weight[c]·(y_c·log σ(x_c) + (1 - y_c)·log σ(-x_c))/C`` of scores x (N, C)."""


class TripletMarginLoss(
    _Loss,
    function="triplet_margin_loss",
    margin=1.0,
    p=2.0,
    eps=1e-6,
    swap=False,
    reduction="mean",
):
    """``max(0, d(a, p) - d(a, n) + margin)``, d(x, y) = ‖x - y + eps‖_p.

    With `swap` d(p, n) takes the place of d(a, n) where it is smaller.
    """


class TripletMarginWithDistanceLoss(
    _Loss,
    function="triplet_margin_with_distance_loss",
    distance_function=None,
    margin=1.0,
    swap=False,
    reduction="mean",
):
    """``max(0, d(a, p) - d(a, n) + margin)`` with a distance d of one's own."""


class CTCLoss(_Loss, function="ctc_loss", blank=0, reduction="mean", zero_infinity=False):
    """``-log Σ Π_t p_t(π_t)`` over all alignments π of the target; see `nn.functional.ctc_loss`."""


class LinearCrossEntropyLoss(Module):
    """A linear layer to the scores of `num_classes` and their cross-entropy."""

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        reduction: str = "mean",
        weight: Any = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: None = None,
    ) -> None:
        super().__init__()
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise RangeError(
                f"expected weight shape to be {(num_classes,)}, got {tuple(weight.shape)}"
            )
        if not 0 <= label_smoothing <= 1:
            raise RangeError(
                f"expected label_smoothing to be in range [0, 1], got {label_smoothing}"
            )
        self.register_buffer("weight", weight)
        self.num_classes, self.out_features, self.reduction = num_classes, out_features, reduction
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing
        self.options = options
        rows = math.prod(out_features, start=num_classes)
        self.linear = Linear(in_features, rows, bias, dtype=dtype)

    def forward(self, input: Any, target: Any) -> Any:
        """The loss; see `nn.functional.linear_cross_entropy`."""
        shape = (self.num_classes, *self.out_features)
        bias = self.linear.bias
        return op.linear_cross_entropy(
            input,
            op.reshape(self.linear.weight, (*shape, self.linear.in_features)),
            target,
            None if bias is None else op.reshape(bias, shape),
            self.weight,
            self.reduction,
            self.ignore_index,
            self.label_smoothing,
        )

    def extra_repr(self) -> str:
        """Settings."""
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, "
            f"out_features={self.out_features}, bias={self.linear.bias is not None}, "
            f"reduction={self.reduction}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, options={self.options}"
        )
