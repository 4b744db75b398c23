"""Margin losses: zero once a score is on the right side by a margin, else by how much it is not.

``reduction`` is "mean", "sum" or "none".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ArgumentError, DimError, DtypeError, ShapeError
from ..op import Array, Bad, Sample, compose, op
from ..samples import array
from ..tensor import array_of
from .reduced import check_reduction, reduced

_NEURAL = ("nn.functional",)
_X, _Y, _Z = (array((3, 4), seed=seed) for seed in range(3))
_W = array((3, 4), -1.7, 1.9)  # differences are no multiples of the margin
_SIGNS = np.array([1, -1, 1])
_UNKNOWN = {"reduction": "max"}


def _hinge(value: Any) -> Any:
    """``max(value, 0)``, whose derivative at 0 is 1."""
    return op.clamp(value, 0.0)


@compose(
    Sample((_X, np.sign(_Y).astype(np.int64))),
    Sample((_X[0], np.array([1, -1, -1, 1])), {"reduction": "none"}),
    spaces=_NEURAL,
    errors=(Bad((_X, _Y, "max"), {}, ArgumentError, "'max'"),),
)
def soft_margin_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """``log(1 + exp(-target·input))`` with targets ±1."""
    return reduced(op.softplus(-target * input, 1.0, np.inf), reduction)


@compose(
    Sample((_X[:, 0], _Y[:, 0], _SIGNS, 0.5)),
    spaces=_NEURAL,
    errors=(Bad((_X, _Y[0], _SIGNS), {}, ShapeError, r"\(3, 4\), \(4,\) and \(3,\)"),),
)
def margin_ranking_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0, reduction: str = "mean"
) -> Any:
    """``max(0, -target·(input1 - input2) + margin)``: target 1 if the first should rank higher."""
    shapes = [tuple(v.shape) for v in (input1, input2, target)]
    if not len(shapes[0]) == len(shapes[1]) == len(shapes[2]):
        raise ShapeError("all need equally many dimensions, got {}, {} and {}".format(*shapes))
    return reduced(_hinge(-target * (input1 - input2) + margin), reduction)


@compose(
    Sample((_X[:, 0], _SIGNS)),
    Sample((_X[:, 0], _SIGNS, 0.5), {"reduction": "none"}),
    spaces=_NEURAL,
    errors=(Bad((_X[0], np.ones(4), 1.0, "max"), {}, ArgumentError, "'max'"),),
)
def hinge_embedding_loss(
    input: Any, target: Any, margin: float = 1.0, reduction: str = "mean"
) -> Any:
    """The distance `input` where the target is 1, ``max(0, margin - input)`` where it is -1."""
    far = op.where(target != 1, _hinge(margin - input), 0.0)
    return reduced(far + op.where(target != -1, input, 0.0), reduction)


@compose(
    Sample((_X, _Y, _SIGNS)),
    Sample((_X[0], _Y[0], np.array(-1), -0.5)),
    spaces=_NEURAL,
    errors=(Bad((_X, _Y, _SIGNS[:2]), {}, ShapeError, r"\(2,\)"),),
)
def cosine_embedding_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0, reduction: str = "mean"
) -> Any:
    """``1 - cos`` of the vectors where the target is 1, ``max(0, cos - margin)`` where it is -1."""
    if target.ndim not in (0, 1) or input1.ndim != target.ndim + 1:
        raise ShapeError(
            f"cosine_embedding_loss: a target of {tuple(target.shape)} does not fit inputs of "
            f"{tuple(input1.shape)}"
        )
    products, first, second = (
        op.sum(a * b, target.ndim)
        for a, b in ((input1, input2), (input1, input1), (input2, input2))
    )
    if tuple(products.shape) != tuple(target.shape):
        raise ShapeError(
            f"cosine_embedding_loss: a target of {tuple(target.shape)} does not fit inputs of "
            f"{tuple(input1.shape)}"
        )
    cosine = products / op.sqrt((first + 1e-12) * (second + 1e-12))
    near = op.where(target == 1, 1 - cosine, 0.0)
    return reduced(near + op.where(target == -1, _hinge(cosine - margin), 0.0), reduction)


@compose(
    Sample((_X, _Y, _Z)),
    Sample((_X, _Y, _Z, 2.0, 1.0), {"swap": True, "reduction": "none"}),
    spaces=_NEURAL,
    errors=(
        Bad((_X, _Y, _Z, -1.0), {}, ArgumentError, "margin"),
        Bad((_X, _Y, _Z[0]), {}, ShapeError, "dimensions"),
    ),
)
def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """``max(0, d(anchor, positive) - d(anchor, negative) + margin)``, d the p-norm distance.

    With `swap` the negative is compared with whichever is nearer to it.  Balntas et al. 2016.
    """

    def distance(a: Any, b: Any) -> Any:
        return op.pairwise_distance(a, b, p, eps)

    return _triplet(anchor, positive, negative, distance, margin, swap, reduction)


@compose(
    Sample((_X, _Y, _Z)),
    spaces=_NEURAL,
    errors=(Bad((_X, _Y, _Z), {"margin": -1.0}, ArgumentError, "margin"),),
)
def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """`triplet_margin_loss` with a distance of one's own, by default `pairwise_distance`."""
    distance = distance_function or op.pairwise_distance
    return _triplet(anchor, positive, negative, distance, margin, swap, reduction)


def _triplet(
    anchor: Any,
    positive: Any,
    negative: Any,
    distance: Callable[[Any, Any], Any],
    margin: float,
    swap: bool,
    reduction: str,
) -> Any:
    if margin <= 0:
        raise ArgumentError(f"triplet margin: expected a margin above 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ShapeError(
            "triplet margin: the inputs need equally many dimensions, got "
            f"{tuple(anchor.shape)}, {tuple(positive.shape)} and {tuple(negative.shape)}"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = op.minimum(far, distance(positive, negative))
    return reduced(_hinge(near - far + margin), reduction)


# ---- classes -------------------------------------------------------------------------------------


def _batch(name: str, input: Any, target: Array, like: bool) -> tuple[Any, Array]:
    """Input (N, C) and target (N,) or, if `like`, (N, C), from one sample or several."""
    if target.dtype.kind not in "iu":
        raise DtypeError(f"{name}: expected integer classes, got {target.dtype}")
    if input.ndim > 2 or (input.ndim == 2 and not input.shape[1]):
        raise ShapeError(f"{name}: expected (C,) or (N, C), got {tuple(input.shape)}")
    rows = input if input.ndim == 2 else op.reshape(input, (1, -1))
    wanted = tuple(input.shape) if like else tuple(input.shape[: input.ndim - 1])
    if target.shape != wanted and not (
        input.ndim < 2 and target.size == (input.size if like else 1)
    ):
        raise ShapeError(
            f"{name}: inconsistent target size: {target.shape} for an input of {tuple(input.shape)}"
        )
    return rows, target.reshape(rows.shape if like else -1)


@compose(
    Sample((_W, np.array([1, 0, 3]))),
    Sample((_W, np.array([1, 0, 3]), 2, 0.5), {"reduction": "none"}),
    Sample((_W[0], np.array(2))),
    spaces=_NEURAL,
    errors=(
        Bad((_X, np.array([1, 0, 4])), {}, DimError, "target 4 .* 4 classes"),
        Bad((_X, np.array([1, 0, 3]), 3), {}, ArgumentError, "p is 1 or 2, not 3"),
        Bad((_X, np.array([1, 0])), {}, ShapeError, "inconsistent"),
        Bad((_X, np.array([1, 0, 3])), {"weight": _X}, ArgumentError, "must be one-dimensional"),
    ),
)
def multi_margin_loss(
    input: Any,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    reduction: str = "mean",
) -> Any:
    """``Σ_{j ≠ y} weight[y]·max(0, margin - x[y] + x[j])^p / C``: scores (N, C), classes y (N,)."""
    check_reduction(reduction)
    if p not in (1, 2):
        raise ArgumentError(f"multi_margin_loss: p is 1 or 2, not {p}")
    if weight is not None and weight.ndim != 1:
        raise ArgumentError(
            f"multi_margin_loss: weight must be one-dimensional, got {tuple(weight.shape)}"
        )
    rows, classes = _batch("multi_margin_loss", input, array_of(target), False)
    count = rows.shape[1]
    if classes.size and (classes.min() < 0 or classes.max() >= count):
        raise DimError(
            f"multi_margin_loss: target {classes.max()} is out of bounds for {count} classes"
        )
    picked = op.gather(rows, 1, classes[:, None])
    terms = op.relu(rows - picked + margin)
    terms = terms * terms if p == 2 else terms
    others = np.arange(count) != classes[:, None]
    loss = op.sum(terms * others, 1) / count
    if weight is not None:
        loss = loss * op.getitem(weight, classes)
    return reduced(loss[0] if input.ndim < 2 else loss, reduction)


@compose(
    Sample((_W, np.array([[1, 0, -1, 2], [3, -1, 0, 0], [-1, 0, 0, 0]]))),
    Sample((_W[0], np.array([2, 0, -1, 1])), {"reduction": "none"}),
    spaces=_NEURAL,
    errors=(
        Bad((_X, np.zeros((3, 3), int)), {}, ShapeError, "inconsistent"),
        Bad((_X, np.full((3, 4), 4)), {}, DimError, "out of bounds"),
    ),
)
def multilabel_margin_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """``Σ max(0, 1 - x[y] + x[j])/C`` over labels y and all j that are no label.

    The labels of a sample stand at the front of its row of `target`, ended by -1.
    """
    check_reduction(reduction)
    rows, labels = _batch("multilabel_margin_loss", input, array_of(target), True)
    count = rows.shape[1]
    if labels.size and (labels.min() < -1 or labels.max() >= count):
        raise DimError(f"multilabel_margin_loss: a label is out of bounds for {count} classes")
    used = np.cumprod(labels >= 0, 1).astype(np.bool_)
    is_label = np.zeros((len(labels), count + 1), np.bool_)
    np.put_along_axis(is_label, np.where(used, labels, count), True, 1)
    picked = op.gather(rows, 1, np.where(used, labels, 0))
    terms = op.relu(1 - op.unsqueeze(picked, 2) + op.unsqueeze(rows, 1))
    counted = used[:, :, None] & ~is_label[:, None, :count]
    loss = op.sum(terms * counted, (1, 2)) / max(count, 1)
    return reduced(loss[0] if input.ndim < 2 else loss, reduction)


@compose(
    Sample((_X, (_Y > 0).astype(np.int64))),
    Sample((_X, (_Y > 0).astype(np.int64), _Z), {"reduction": "none"}),
    spaces=_NEURAL,
    errors=(Bad((_X, _Y, None, "max"), {}, ArgumentError, "'max'"),),
)
def multilabel_soft_margin_loss(
    input: Any, target: Any, weight: Any = None, reduction: str = "mean"
) -> Any:
    """Binary cross-entropy of scores, averaged over the classes (the last dimension)."""
    loss = -(target * op.logsigmoid(input) + (1 - target) * op.logsigmoid(-input))
    loss = loss if weight is None else loss * weight
    return reduced(op.mean(loss, -1) if loss.ndim else loss, reduction)
