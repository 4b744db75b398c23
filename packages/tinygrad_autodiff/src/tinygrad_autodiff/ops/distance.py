"""Distances and similarities of vectors, all composed."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import RangeError, ShapeError
from ..op import Bad, Sample, compose, op
from ..samples import array

_A, _B = array((3, 4)), array((3, 4), seed=1)
_BOTH = ("", "nn.functional")


@compose(Sample((_A,)), Sample((_A, 1.0, 0)), spaces=("nn.functional",))
def normalize(input: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Any:
    """``input/max(‖input‖_p, eps)`` along `dim`."""
    return input / op.clamp(op.norm(input, p, dim, True), eps)


@compose(
    Sample((_A, _B)),
    Sample((_A, array((2, 1, 4), seed=1), -1)),
    spaces=_BOTH,
)
def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """``Σ x1·x2/(max(‖x1‖, eps)·max(‖x2‖, eps))`` along `dim`."""
    shape = np.broadcast_shapes(tuple(x1.shape), tuple(x2.shape))
    x1, x2 = (x if tuple(x.shape) == shape else op.expand(x, shape) for x in (x1, x2))
    first, second = (op.clamp(op.norm(x, 2, dim, True), eps) for x in (x1, x2))
    return op.sum(x1 / first * (x2 / second), dim)


@compose(
    Sample((_A, _B)),
    Sample((_A, _B[0], 1.0), {"keepdim": True}),
    Sample((_A[0], _B[0], 3.0)),
    spaces=_BOTH,
)
def pairwise_distance(
    x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Any:
    """``‖x1 - x2 + eps‖_p`` over the last dimension."""
    return op.norm(x1 - x2 + eps, p, -1, keepdim)


@compose(
    Sample((_A,)),
    Sample((_A, 1.0)),
    spaces=_BOTH,
    errors=(Bad((array((3,)),), {}, ShapeError, "2 dimensions"),),
)
def pdist(input: Any, p: float = 2.0) -> Any:
    """``‖input[i] - input[j]‖_p`` for all i < j, in the order of the upper triangle."""
    if input.ndim != 2:
        raise ShapeError(f"pdist: expected 2 dimensions, got {tuple(input.shape)}")
    rows, columns = np.triu_indices(input.shape[0], 1)
    return _norm(op.getitem(input, rows) - op.getitem(input, columns), p)


def _norm(difference: Any, p: float) -> Any:
    """p-norm over the last dimension, 0 of nothing."""
    if p < 0:
        raise RangeError(f"expected a norm of p >= 0, got {p}")
    if not difference.shape[-1]:
        return op.sum(difference, -1)
    return op.norm(difference, p, -1)


@compose(
    Sample((_A, array((2, 4), seed=1))),
    Sample((array((2, 3, 2)), array((2, 2), seed=1), 1.0)),
    spaces=("",),
    errors=(Bad((_A, array((3, 3))), {}, ShapeError, "columns"),),
)
def cdist(
    x1: Any, x2: Any, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary"
) -> Any:
    """``‖x1[…, i, :] - x2[…, j, :]‖_p`` for all pairs of rows; `compute_mode` changes nothing."""
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(
            f"cdist: expected equally many columns, got {tuple(x1.shape)} and {tuple(x2.shape)}"
        )
    return _norm(op.unsqueeze(x1, -2) - op.unsqueeze(x2, -3), p)


@compose(
    Sample((_A, array((3, 2), seed=1), array((5, 4, 2), seed=2), array((5,), seed=3))),
    Sample((array((2, 2, 3)), array((2, 2, 1), seed=1), array((2, 3, 1), seed=2))),
    spaces=_BOTH,
    errors=(
        Bad((_A, _B, array((5, 4, 2))), {}, ShapeError, r"\(3, 4\), \(3, 4\) and \(5, 4, 2\)"),
    ),
)
def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """``input1ᵀ · weight[k] · input2 + bias[k]`` for each k, over the last dimensions."""
    shapes = [tuple(v.shape) for v in (input1, input2, weight)]
    if shapes[0][:-1] != shapes[1][:-1] or shapes[2][1:] != (shapes[0][-1], shapes[1][-1]):
        raise ShapeError("bilinear: the shapes {}, {} and {} do not fit".format(*shapes))
    outputs, first, second = shapes[2]
    rows = op.reshape(input1, (int(np.prod(shapes[0][:-1])), first))
    left = op.matmul(rows, op.reshape(op.permute(weight, (1, 0, 2)), (first, outputs * second)))
    left = op.reshape(left, (*shapes[0][:-1], outputs, second))
    out = op.sum(left * op.unsqueeze(input2, -2), -1)
    return out if bias is None else out + bias
