"""Composed functions have the values of their formulas, written once more in NumPy."""

import itertools

import numpy as np
import pytest
from tinygrad_autodiff import nn

F = nn.functional
R = np.random.default_rng(0)
X, Y, Z = (R.standard_normal((3, 4)) for _ in range(3))
P, Q = R.uniform(0.1, 0.9, (3, 4)), R.uniform(0.1, 0.9, (3, 4))
S = np.array([1, -1, 1])
D, E = X[:, 0], np.abs(Y[:, 0])
sigmoid = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
hinge = lambda v: np.maximum(v, 0)  # noqa: E731
size = lambda v: np.sqrt((v**2).sum(-1))  # noqa: E731
cosine = (X * Y).sum(1) / size(X) / size(Y)
near, far, swapped = size(X - Y + 1e-6), size(X - Z + 1e-6), size(Y - Z + 1e-6)
classes = np.array([2, 0, 3])
picked = X[np.arange(3), classes][:, None]
others = np.arange(4) != classes[:, None]
PAIRS = [(0, 1), (0, 2), (1, 2)]

CASES = {
    "l1": (F.l1_loss(X, Y), np.abs(X - Y).mean()),
    "l1 weighted": (F.l1_loss(X, Y, weight=P), (P * np.abs(X - Y)).sum() / P.sum()),
    "smooth l1": (
        F.smooth_l1_loss(D, E, "none", 0.5),
        np.where(np.abs(D - E) < 0.5, (D - E) ** 2, np.abs(D - E) - 0.25),
    ),
    "huber": (
        F.huber_loss(D, E, "none", 0.5),
        np.where(np.abs(D - E) < 0.5, (D - E) ** 2 / 2, 0.5 * (np.abs(D - E) - 0.25)),
    ),
    "binary": (
        F.binary_cross_entropy(P, Q, X, "sum"),
        -(X * (Q * np.log(P) + (1 - Q) * np.log(1 - P))).sum(),
    ),
    "binary of scores": (
        F.binary_cross_entropy_with_logits(X, Q, pos_weight=P),
        -(P * Q * np.log(sigmoid(X)) + (1 - Q) * np.log(1 - sigmoid(X))).mean(),
    ),
    "kl": (F.kl_div(X, Q, "batchmean"), (Q * (np.log(Q) - X)).sum() / 3),
    "kl of logarithms": (F.kl_div(X, Y, log_target=True), (np.exp(Y) * (Y - X)).mean()),
    "poisson": (F.poisson_nll_loss(X, Q), (np.exp(X) - Q * X).mean()),
    "poisson of rates": (
        F.poisson_nll_loss(P, 9 * Q, False, True),
        (
            P
            - 9 * Q * np.log(P + 1e-8)
            + np.where(9 * Q > 1, 9 * Q * np.log(9 * Q) - 9 * Q + np.log(18 * np.pi * Q) / 2, 0)
        ).mean(),
    ),
    "gaussian": (
        F.gaussian_nll_loss(X, Y, P, full=True),
        ((np.log(P) + (X - Y) ** 2 / P + np.log(2 * np.pi)) / 2).mean(),
    ),
    "soft margin": (F.soft_margin_loss(D, S), np.log(1 + np.exp(-S * D)).mean()),
    "ranking": (F.margin_ranking_loss(D, E, S, 0.3), hinge(-S * (D - E) + 0.3).mean()),
    "hinge": (F.hinge_embedding_loss(E, S, 1.5), np.where(S > 0, E, hinge(1.5 - E)).mean()),
    "cosine loss": (
        F.cosine_embedding_loss(X, Y, S, -0.5),
        np.where(S > 0, 1 - cosine, hinge(cosine + 0.5)).mean(),
    ),
    "triplet": (F.triplet_margin_loss(X, Y, Z), hinge(near - far + 1).mean()),
    "triplet swapped": (
        F.triplet_margin_loss(X, Y, Z, 2.0, swap=True),
        hinge(near - np.minimum(far, swapped) + 2).mean(),
    ),
    "multi margin": (
        F.multi_margin_loss(X, classes, 2, 0.7),
        (others * hinge(0.7 - picked + X) ** 2).sum() / 12,
    ),
    "multilabel margin": (
        F.multilabel_margin_loss(X[0], np.array([3, 1, -1, 0])),
        sum(hinge(1 - X[0, y] + X[0, j]) for y in (3, 1) for j in (0, 2)) / 4,
    ),
    "multilabel soft margin": (
        F.multilabel_soft_margin_loss(X, Q),
        -(Q * np.log(sigmoid(X)) + (1 - Q) * np.log(sigmoid(-X))).mean(),
    ),
    "linear cross-entropy": (
        F.linear_cross_entropy(X, Y, np.array([2, 0, 1])),
        F.cross_entropy(X @ Y.T, np.array([2, 0, 1])),
    ),
    "cosine": (F.cosine_similarity(X, Y), cosine),
    "normalize": (F.normalize(X, 1.0), X / np.abs(X).sum(1, keepdims=True)),
    "pairwise": (F.pairwise_distance(X, Y), near),
    "pdist": (F.pdist(X), [size(X[i] - X[j]) for i, j in PAIRS]),
    "bilinear": (
        F.bilinear(X, Y, np.stack([np.eye(4), np.ones((4, 4))]), np.array([0.0, 1.0])),
        np.stack([(X * Y).sum(1), X.sum(1) * Y.sum(1) + 1], 1),
    ),
    "glu": (F.glu(X), X[:, :2] * sigmoid(X[:, 2:])),
    "softmin": (F.softmin(X, 0), np.exp(-X) / np.exp(-X).sum(0)),
    "group norm": (
        F.group_norm(X, 2).reshape(3, 2, 2),
        (X.reshape(3, 2, 2) - X.reshape(3, 2, 2).mean(2, keepdims=True))
        / np.sqrt(X.reshape(3, 2, 2).var(2, keepdims=True) + 1e-5),
    ),
    "rms norm": (F.rms_norm(X, (4,), P[0], 0.1), X / np.sqrt((X**2).mean(1) + 0.1)[:, None] * P[0]),
    "celu": (F.celu(D, 0.5), np.where(D > 0, D, 0.5 * np.expm1(D / 0.5))),
    "selu": (F.selu(D), 1.0507009873554805 * np.where(D > 0, D, 1.6732632423543772 * np.expm1(D))),
    "softsign": (F.softsign(D), D / (1 + np.abs(D))),
    "prelu": (F.prelu(X, P[0]), np.where(X > 0, X, P[0] * X)),
    "relu6": (F.relu6(np.array([-1.0, 3.0, 7.0])), [0, 3, 6]),
}


@pytest.mark.parametrize("name", CASES)
def test_value(name):
    found, wanted = CASES[name]
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("target", [[1], [1, 2], [1, 1], []])
def test_ctc_sums_over_all_alignments(target):
    """Every path of four frames that reads as the target, blanks and repetitions left out."""
    scores = R.standard_normal((4, 3))
    log_p = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    total = 0.0
    for path in itertools.product(range(3), repeat=4):
        if [label for label, _ in itertools.groupby(path) if label] == target:
            total += np.exp(sum(log_p[t, label] for t, label in enumerate(path)))
    labels = np.array([target], int).reshape(1, -1)
    loss = F.ctc_loss(log_p[:, None], labels, (4,), (len(target),), reduction="none")
    np.testing.assert_allclose(loss, [-np.log(total)], rtol=1e-10)


def test_ctc_that_cannot_be_is_infinite_or_zero():
    log_p = np.log(np.full((2, 1, 3), 1 / 3))
    given = (log_p, np.array([[1, 1]]), (2,), (2,))
    assert F.ctc_loss(*given, reduction="sum") == np.inf
    assert F.ctc_loss(*given, reduction="sum", zero_infinity=True) == 0
