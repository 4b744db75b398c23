"""Values of reductions, scans, sorting and statistics: against NumPy's, by hand at ties and NaN."""

import math

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import masked

NAN = math.nan
X = np.random.default_rng(0).permutation(24).reshape(2, 3, 4) - 9.3
HOLES = np.where(X > 8, NAN, X)
POSITIVE = np.abs(X) / 8
ROW = np.array([2.0, 1.0, 2.0, NAN, 1.0, 3.0])


def scanned(function, axis):
    """A reduction of all prefixes along `axis`."""
    parts = [function(np.take(X, range(i + 1), axis), axis) for i in range(X.shape[axis])]
    return np.stack(parts, axis)


def log_sum(x, axis):
    return np.log(np.exp(x).sum(axis))


VALUES = {
    "sum": (lambda t: tg.sum(t, (0, 2)), X.sum((0, 2))),
    "mean": (lambda t: tg.mean(t, 1, True), X.mean(1, keepdims=True)),
    "prod": (lambda t: tg.prod(t, 2), X.prod(2)),
    "prod of all": (tg.prod, X.prod()),
    "amax": (lambda t: tg.amax(t, (0, 1)), X.max((0, 1))),
    "amin": (lambda t: tg.amin(t, -1), X.min(-1)),
    "aminmax": (lambda t: tg.stack(tuple(tg.aminmax(t, dim=1))), np.stack([X.min(1), X.max(1)])),
    "var": (lambda t: tg.var(t, (0, 1)), X.var((0, 1), ddof=1)),
    "std": (lambda t: tg.std(t, 1, correction=0), X.std(1)),
    "std_mean": (lambda t: tg.stack(tg.std_mean(t, 2)), np.stack([X.std(2, ddof=1), X.mean(2)])),
    "var_mean": (lambda t: tg.stack(tg.var_mean(t)), np.stack([X.var(ddof=1), X.mean()])),
    "cumsum": (lambda t: tg.cumsum(t, 1), X.cumsum(1)),
    "cumprod": (lambda t: tg.cumprod(t, 2), X.cumprod(2)),
    "cummax": (lambda t: tg.cummax(t, 2).values, np.maximum.accumulate(X, 2)),
    "cummin": (lambda t: tg.cummin(t, 1).values, np.minimum.accumulate(X, 1)),
    "logcumsumexp": (lambda t: tg.logcumsumexp(t, 2), scanned(log_sum, 2)),
    "diff": (lambda t: tg.diff(t, 2, 2), np.diff(X, 2, 2)),
    "trapezoid": (lambda t: tg.trapezoid(t, dx=0.5, dim=1), np.trapezoid(X, dx=0.5, axis=1)),
    "sort": (lambda t: tg.sort(t, 1).values, np.sort(X, 1)),
    "sort indices": (lambda t: tg.sort(t, 0).indices, np.argsort(X, 0)),
    "sort down": (lambda t: tg.sort(t, 2, True).values, -np.sort(-X, 2)),
    "argsort": (lambda t: tg.argsort(t, 1), np.argsort(X, 1)),
    "msort": (tg.msort, np.sort(X, 0)),
    "topk": (lambda t: tg.topk(t, 2, 2).values, -np.sort(-X, 2)[..., :2]),
    "topk of the smallest": (lambda t: tg.topk(t, 2, 1, False).values, np.sort(X, 1)[:, :2]),
    "kthvalue": (lambda t: tg.kthvalue(t, 3, 2).values, np.sort(X, 2)[..., 2]),
    "median": (tg.median, np.sort(X.ravel())[11]),
    "median of rows": (lambda t: tg.median(t, 2).values, np.sort(X, 2)[..., 1]),
    "quantile": (
        lambda t: tg.quantile(t, tg.tensor(np.array([0.1, 0.7])), 1),
        np.quantile(X, [0.1, 0.7], 1),
    ),
    "quantile of all": (lambda t: tg.quantile(t, 0.3, keepdim=True), [[[np.quantile(X, 0.3)]]]),
    **{
        f"quantile, {way}": (
            lambda t, way=way: tg.quantile(t, 0.55, 2, interpolation=way),
            np.quantile(X, 0.55, 2, method=way),
        )
        for way in ("lower", "higher", "nearest", "midpoint")
    },
    "argmax": (lambda t: tg.argmax(t, 1), X.argmax(1)),
    "argmin": (tg.argmin, X.argmin()),
    "histc": (lambda t: tg.histc(t, 5), np.histogram(X, 5)[0]),
    "histc in a range": (lambda t: tg.histc(t, 4, -3, 3), np.histogram(X, 4, (-3, 3))[0]),
    "histc in no range": (lambda t: tg.histc(t, 5, 2, 2), np.histogram(X, 5)[0]),
    "bucketize": (
        lambda t: tg.bucketize(t, tg.tensor([-1.3, 2.7])),
        np.digitize(X, [-1.3, 2.7], True),
    ),
}
WITH_NAN = {
    "nansum": (lambda t: tg.nansum(t, 1), np.nansum(HOLES, 1)),
    "nanmean": (lambda t: tg.nanmean(t, (0, 2)), np.nanmean(HOLES, (0, 2))),
    "nanquantile": (lambda t: tg.nanquantile(t, 0.4, 2), np.nanquantile(HOLES, 0.4, 2)),
    "quantile": (lambda t: tg.quantile(t, 0.4, 2), np.quantile(HOLES, 0.4, 2)),
    "sort": (lambda t: tg.sort(t, 2).values, np.sort(HOLES, 2)),
    "cummax": (lambda t: tg.cummax(t, 1).values, np.maximum.accumulate(HOLES, 1)),
}


@pytest.mark.parametrize(
    ("values", "function", "expected"),
    [pytest.param(X, *pair, id=name) for name, pair in VALUES.items()]
    + [pytest.param(HOLES, *pair, id=f"{name} with NaN") for name, pair in WITH_NAN.items()],
)
def test_values(values, function, expected):
    found = function(tg.tensor(values))
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("places", [0.5, np.array([1.0, 1.5, 3.5, 4.0])])
def test_gradients_of_samples_are_those_of_numpy(order, places):
    spacing = tg.tensor(places) if np.ndim(places) else places
    (found,) = tg.gradient(
        tg.tensor(X), spacing=[spacing] if np.ndim(places) else spacing, dim=2, edge_order=order
    )
    np.testing.assert_allclose(found, np.gradient(X, places, axis=2, edge_order=order), rtol=1e-12)
    assert [g.shape for g in tg.gradient(tg.tensor(X))] == [X.shape] * 3


def test_areas_between_given_places():
    places = np.array([0.0, 0.5, 2.0, 2.5])
    found = tg.trapezoid(tg.tensor(X), tg.tensor(places))
    np.testing.assert_allclose(found, np.trapezoid(X, places), rtol=1e-12)
    running = tg.cumulative_trapezoid(tg.tensor(X), tg.tensor(places))
    assert running.shape == (2, 3, 3)
    np.testing.assert_allclose(running[..., -1], found, rtol=1e-12)


# ---- ties, NaN, zeros ----------------------------------------------------------------------------


def test_equal_elements():
    t = tg.tensor([3.0, 1.0, 3.0, 1.0, 1.0])
    assert tg.sort(t).indices.tolist() == [1, 3, 4, 0, 2]
    assert tg.sort(t, descending=True).indices.tolist() == [0, 2, 1, 3, 4]
    assert tg.max(t, 0).indices.item() == 0
    assert tg.cummax(t, 0).indices.tolist() == [0, 0, 2, 2, 2]
    assert tg.cummin(t, 0).indices.tolist() == [0, 1, 1, 3, 4]
    assert tuple(v.item() for v in tg.mode(t)) == (1, 4)
    assert tuple(v.item() for v in tg.mode(tg.tensor([2, 1, 2, 1, 0]))) == (1, 3)
    assert tg.median(t, 0).indices.item() == 4


@pytest.mark.parametrize(
    ("function", "shares"),
    [
        (tg.amax, [0.5, 0, 0.5, 0, 0]),
        (tg.max, [0.5, 0, 0.5, 0, 0]),
        (tg.amin, [0, 1 / 3, 0, 1 / 3, 1 / 3]),
        (tg.median, [0, 1 / 3, 0, 1 / 3, 1 / 3]),
        (lambda t: tg.max(t, 0).values, [1, 0, 0, 0, 0]),
        (lambda t: tg.median(t, 0).values, [0, 0, 0, 0, 1]),
    ],
)
def test_who_gets_the_gradient_of_equal_elements(function, shares):
    t = tg.tensor([3.0, 1.0, 3.0, 1.0, 1.0], requires_grad=True)
    function(t).backward()
    np.testing.assert_allclose(t.grad, shares, rtol=1e-6)


def test_nan_is_the_largest():
    t = tg.tensor(ROW)
    assert tg.sort(t).indices.tolist() == [1, 4, 0, 2, 5, 3]
    assert tg.sort(t, descending=True).indices.tolist() == [3, 5, 0, 2, 1, 4]
    assert tg.topk(t, 2).indices.tolist() == [3, 5]
    assert tuple(v.item() for v in tg.nanmedian(t, 0)) == (2, 0)
    assert tg.nanmedian(t).item() == 2
    assert math.isnan(tg.median(t).item())
    assert tg.median(t, 0).indices.item() == 3
    assert tg.cummax(t, 0).indices.tolist() == [0, 0, 2, 3, 3, 3]
    assert math.isnan(tg.nanmedian(tg.tensor([NAN, NAN])).item())
    assert math.isnan(tg.nanquantile(tg.tensor([NAN, NAN]), 0.5).item())
    assert tg.searchsorted(tg.tensor([1.0, 2.0]), tg.tensor([NAN, 2.0])).tolist() == [2, 1]


def test_products_with_zeros():
    t = tg.tensor([2.0, 0.0, 3.0, 0.0], requires_grad=True)
    tg.prod(t[:3]).backward()
    assert t.grad.tolist() == [0, 6, 0, 0]
    t.grad = None
    tg.cumprod(t, 0).sum().backward()
    assert t.grad.tolist() == [1, 2 + 6, 0, 0]


def test_nothing_at_all():
    empty = tg.zeros(0, 3)
    assert tg.sum(empty, 0).tolist() == [0, 0, 0]
    assert tg.prod(empty, 0).tolist() == [1, 1, 1]
    assert np.isnan(np.asarray(tg.mean(empty, 0))).all()
    assert tg.cumsum(empty, 0).shape == tg.cumprod(empty, 0).shape == (0, 3)
    assert tg.sort(empty, 0).values.shape == (0, 3)
    with pytest.raises(IndexError, match=r"dimension 0 of \(0, 3\)"):
        tg.amax(empty, 0)
    with pytest.raises(RuntimeError, match=r"no element of \(0, 3\)"):
        tg.amax(empty)


def test_dtypes():
    whole = tg.tensor([1, 2, 3], dtype=tg.uint8)
    for function in (tg.sum, tg.prod, lambda t: tg.cumsum(t, 0), lambda t: tg.cumprod(t, 0)):
        assert function(whole).dtype == tg.int64
    assert tg.sum(whole, dtype=tg.float32).dtype == tg.float32
    half = tg.ones(4096, dtype=tg.float16) * 0.75
    assert tg.sum(half).item() == 3072
    assert tg.cumsum(half, 0)[-1].item() == 3072
    t = tg.ones(3, requires_grad=True)
    for function in (tg.sum, tg.mean, tg.prod, tg.nansum):
        t.grad = None
        function(t, dim=0, dtype=tg.float64).backward()
        assert t.grad.dtype == tg.float32
    assert tg.searchsorted(tg.ones(3), tg.ones(2), out_int32=True).dtype == tg.int32
    assert tg.argsort(tg.ones(3)).dtype == tg.count_nonzero(tg.ones(3)).dtype == tg.int64


# ---- searching, distinct elements, histograms ----------------------------------------------------


@pytest.mark.parametrize("right", [False, True])
def test_searchsorted_is_that_of_numpy(right):
    random = np.random.default_rng(0)
    edges, values = np.sort(random.integers(0, 9, (3, 8)), 1), random.integers(-1, 10, (3, 20))
    found = tg.searchsorted(tg.tensor(edges), tg.tensor(values), right=right)
    side = "right" if right else "left"
    expected = [np.searchsorted(e, v, side) for e, v in zip(edges, values, strict=True)]
    assert found.tolist() == np.array(expected).tolist()
    order = random.permutation(8)
    places = tg.searchsorted(
        tg.tensor(edges[0][order]),
        tg.tensor(values[0]),
        side=side,
        sorter=tg.tensor(np.argsort(order)),
    )
    assert places.tolist() == expected[0].tolist()


def test_distinct_elements():
    t = tg.tensor([[3.0, 1.0, NAN], [3.0, NAN, 2.0]])
    found, inverse, counts = tg.unique(t, return_inverse=True, return_counts=True)
    np.testing.assert_array_equal(found, [1, 2, 3, NAN, NAN])
    assert inverse.shape == (2, 3)
    assert counts.tolist() == [1, 1, 2, 1, 1]
    runs = tg.tensor([1, 1, 2, 2, 2, 1])
    found, inverse, counts = tg.unique_consecutive(runs, True, True)
    assert (found.tolist(), counts.tolist()) == ([1, 2, 1], [2, 3, 1])
    assert inverse.tolist() == [0, 0, 1, 1, 1, 2]
    rows = tg.tensor([[2, 1], [1, 5], [2, 1]])
    found, counts = tg.unique(rows, return_counts=True, dim=0)
    assert (found.tolist(), counts.tolist()) == ([[1, 5], [2, 1]], [1, 2])
    assert tg.unique_consecutive(rows, dim=0).shape == (3, 2)
    assert tg.isin(runs, tg.tensor([2])).tolist() == [False, False, True, True, True, False]


def test_histograms_are_those_of_numpy():
    t, weight = tg.tensor(X), tg.tensor(POSITIVE)
    for kwargs in ({}, {"range": (-3.0, 5.0)}, {"density": True}):
        hist, edges = tg.histogram(t, 5, **kwargs)
        expected = np.histogram(X, 5, **kwargs)
        np.testing.assert_allclose(hist, expected[0])
        np.testing.assert_allclose(edges, expected[1])
    cuts = np.array([-5.0, 0.0, 0.5, 14.7])
    hist, _ = tg.histogram(t, tg.tensor(cuts), weight=weight, density=True)
    expected, _ = np.histogram(X, cuts, weights=POSITIVE, density=True)
    np.testing.assert_allclose(hist, expected)
    points = X.reshape(8, 3)
    hist, edges = tg.histogramdd(tg.tensor(points), [2, 3, 4], density=True)
    expected, _ = np.histogramdd(points, [2, 3, 4], density=True)
    np.testing.assert_allclose(hist, expected)
    assert [len(e) for e in edges] == [3, 4, 5]
    counts = tg.bincount(tg.tensor([1, 3, 1]), tg.tensor([0.5, 1.0, 0.25]), 6)
    assert counts.tolist() == [0, 0.75, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("sum", [4, 1, 13]),
        ("mean", [2, math.nan, 13 / 3]),
        ("prod", [2, 1, 60]),
        ("max", [2, 1, 5]),
        ("min", [1, 1, 1]),
    ],
)
def test_segments(kind, expected):
    data, lengths = tg.tensor([1.0, 2.0, 3.0, 4.0, 5.0]), tg.tensor([2, 0, 3])
    found = tg.segment_reduce(data, kind, lengths=lengths, initial=1)
    expected = [*expected] if kind != "mean" else [2, 1, 13 / 3]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    by_offsets = tg.segment_reduce(data, kind, offsets=tg.tensor([0, 2, 2, 5]), initial=1)
    np.testing.assert_array_equal(found, by_offsets)
    bare = tg.segment_reduce(data, kind, lengths=tg.tensor([5, 0]))
    empty = {"sum": 0, "mean": math.nan, "prod": 1, "max": -math.inf, "min": math.inf}
    np.testing.assert_allclose(bare[1], empty[kind])


# ---- masked --------------------------------------------------------------------------------------

MASK = np.array([[1, 0, 1, 1], [0, 0, 0, 0], [0, 1, 0, 1]], bool)
TABLE = X[0]


def rows(function, empty):
    """`function` of the elements of each row that count."""
    picked = [row[mask] for row, mask in zip(TABLE, MASK, strict=True)]
    return [function(row) if row.size else empty for row in picked]


MASKED = {
    "sum": rows(np.sum, 0),
    "prod": rows(np.prod, 1),
    "mean": rows(np.mean, NAN),
    "amax": rows(np.max, -math.inf),
    "amin": rows(np.min, math.inf),
    "median": rows(lambda row: np.sort(row)[(row.size - 1) // 2], NAN),
    "var": rows(lambda row: np.var(row, ddof=1), NAN),
    "std": rows(lambda row: np.std(row, ddof=1), NAN),
    "logsumexp": rows(lambda row: np.log(np.exp(row).sum()), -math.inf),
}


@pytest.mark.parametrize("name", MASKED)
def test_masked_reductions_skip_what_does_not_count(name):
    t, mask = tg.tensor(TABLE, requires_grad=True), tg.tensor(MASK)
    found = getattr(masked, name)(t, 1, mask=mask)
    np.testing.assert_allclose(found.detach(), MASKED[name], rtol=1e-12)
    kept = getattr(masked, name)(t, dim=1, keepdim=True, mask=mask)
    assert kept.shape == (3, 1)
    found[:1].sum().backward()
    assert (t.grad.numpy()[0, 1], t.grad.numpy()[2].any()) == (0, False)


def test_masked_norms_places_and_rows():
    t, mask = tg.tensor(TABLE), tg.tensor(MASK)
    norms = rows(np.linalg.norm, 0)
    np.testing.assert_allclose(masked.norm(t, 2.0, 1, mask=mask), norms)
    lowest = rows(lambda row: np.abs(row).min(), math.inf)
    np.testing.assert_allclose(masked.norm(t, -math.inf, 1, mask=mask), lowest)
    for name, function in (("argmax", np.argmax), ("argmin", np.argmin)):
        fill = -math.inf if name == "argmax" else math.inf
        expected = function(np.where(MASK, TABLE, fill), 1)
        assert getattr(masked, name)(t, 1, mask=mask).tolist() == expected.tolist()
    chances = np.where(MASK, np.exp(TABLE), 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        chances = chances / chances.sum(1, keepdims=True)
        np.testing.assert_allclose(masked.softmax(t, 1, mask=mask), chances)
        np.testing.assert_allclose(masked.softmin(-t, 1, mask=mask), chances)
        np.testing.assert_allclose(masked.log_softmax(t, 1, mask=mask), np.log(chances))
    kept = np.where(MASK, TABLE, 0)
    np.testing.assert_allclose(masked.cumsum(t, 1, mask=mask), kept.cumsum(1))
    ones = np.where(MASK, TABLE, 1)
    np.testing.assert_allclose(masked.cumprod(t, 1, mask=mask), ones.cumprod(1))
    lengths = np.maximum(norms, 1e-12)[:, None]
    np.testing.assert_allclose(masked.normalize(t, 2.0, 1, mask=mask), kept / lengths)
    both = masked.logaddexp(t, t, input_mask=mask)
    np.testing.assert_allclose(both, TABLE + np.where(MASK, math.log(2), 0))


def test_masked_integers_are_filled_with_the_least_and_the_largest():
    t, mask = tg.tensor([3, -2, 7]), tg.tensor([False, False, False])
    limits = np.iinfo(np.int64)
    assert masked.amax(t, mask=mask).item() == limits.min
    assert masked.amin(t, mask=mask).item() == limits.max
    assert masked.mean(tg.tensor([3.0, 5.0])).item() == 4
    with pytest.raises(RuntimeError, match="floating"):
        masked.mean(t)
