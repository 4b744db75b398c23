"""Fused operations are what their compositions say: values, gradients, and what they keep."""

import gc
import weakref

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import autograd, nn
from tinygrad_autodiff.ops import embedding
from tinygrad_autodiff.ops.blocks import BLOCK, in_blocks
from tinygrad_autodiff.ops.fused import Fused
from tinygrad_autodiff.registry import OPS, op
from tinygrad_autodiff.tensor import wrap

FUSED = [cls for cls in OPS.values() if issubclass(cls, Fused)]
CASES = [
    pytest.param(cls, sample, id=f"{cls.name}-{i}")
    for cls in FUSED
    for i, sample in enumerate(cls.samples())
]


def both(function, args, count):
    """Results, and gradients of the first `count` arguments."""
    leaves = [None if a is None else wrap(a.copy()).requires_grad_() for a in args[:count]]
    leaves += args[count:]
    out = function(*leaves)
    outs = list(out) if isinstance(out, tuple) else [out]
    seeds = [wrap(np.random.default_rng(0).uniform(0.5, 1, o.shape)) for o in outs]
    inputs = [leaf for leaf in leaves if isinstance(leaf, tg.Tensor)]
    grads = autograd.grad(outs, inputs, seeds, materialize_grads=True)
    return [value.detach().numpy() for value in (*outs, *grads)]


@pytest.mark.parametrize(("cls", "sample"), CASES)
def test_a_fused_op_equals_its_composition(cls, sample):
    args = (*sample.args, *cls.defaults[len(sample.args) :])
    count = len(cls.inputs)
    for found, wanted in zip(
        both(cls.call, args, count), both(cls.composed, args, count), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("cls", "sample"), CASES)
def test_forward_over_reverse_of_leaves_that_nobody_records(cls, sample):
    """The backward pass runs on tensors, for their tangents, and is not recorded itself."""
    args = (*sample.args, *cls.defaults[len(sample.args) :])
    places = [i for i in range(len(cls.inputs)) if isinstance(args[i], np.ndarray)]
    points = tuple(wrap(args[i]) for i in places)
    along = tuple(wrap(np.linspace(0.5, 1, p.numel()).reshape(p.shape)) for p in points)

    def slopes(function):
        def total(*values):
            given = dict(zip(places, values, strict=True))
            out = function(*(given.get(i, arg) for i, arg in enumerate(args)))
            return sum((o * o).sum() for o in (out if isinstance(out, tuple) else (out,)))

        gradient = tg.func.grad(total, tuple(range(len(places))))
        return [v.numpy(force=True) for v in tg.func.jvp(gradient, points, along)[1]]

    for found, wanted in zip(slopes(cls.call), slopes(cls.composed), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-11)


def test_cross_entropy_keeps_one_array_of_the_scores_size():
    scores = tg.rand(4, 3, requires_grad=True) * 1.0
    kept = weakref.ref(scores.numpy(force=True))
    loss = nn.functional.cross_entropy(scores, tg.tensor([0, 1, 2, 0]))
    del scores
    assert kept() is None
    loss.backward()


def test_what_a_fused_op_keeps_is_freed_by_the_backward_pass():
    x = tg.ones(4, 8, requires_grad=True)
    out = nn.functional.layer_norm(x * 2, (8,))
    kept = weakref.ref(out.grad_fn.saved[0][-1])
    assert kept() is not None
    out.sum().backward()
    gc.collect()
    assert kept() is None
    with pytest.raises(RuntimeError, match="second time"):
        out.sum().backward()


def test_blocks_are_seamless():
    x = np.random.default_rng(0).standard_normal(3 * BLOCK + 5)
    calls = []

    def double(a, b):
        calls.append(a.size)
        return a + b

    np.testing.assert_array_equal(in_blocks(double, x, x), 2 * x)
    assert calls == [BLOCK] * 3 + [5]
    table = x[: 2 * BLOCK].reshape(2, -1)
    np.testing.assert_array_equal(in_blocks(double, table.T, table.T), 2 * table.T)
    for name in ("gelu", "silu", "mish"):
        whole, part = getattr(op, name)(x), getattr(op, name)(x[:BLOCK])
        np.testing.assert_array_equal(whole[:BLOCK], part)


@pytest.mark.parametrize("count", [7, 70_000])
@pytest.mark.parametrize("often", [1, 3, 40])
def test_the_gradient_of_an_embedding_adds_up(count, often):
    random = np.random.default_rng(0)
    index = np.concatenate([np.full(often, 2), random.integers(0, count, 30), [5, 5, 5]])
    rows = random.standard_normal((len(index), 3))
    wanted = np.zeros((count, 3))
    np.add.at(wanted, index, rows)
    np.testing.assert_allclose(op.rows_added(rows, index, count), wanted, rtol=1e-13, atol=1e-14)
    half = op.rows_added(rows.astype(np.float16), index, count)
    assert half.dtype == np.float16
    np.testing.assert_allclose(half, wanted, rtol=1e-2, atol=2e-2)


def test_the_gradient_of_an_embedding_goes_in_blocks(monkeypatch):
    """Blocks of four rows: sums that need several, rows that are used more often than that."""
    monkeypatch.setattr(embedding, "_BLOCK", 4 * 3 * 8)
    random = np.random.default_rng(0)
    index = np.concatenate([np.full(30, 2), np.full(27, 60), random.integers(0, 50, 90)])
    rows = random.standard_normal((len(index), 3))
    wanted = np.zeros((70, 3))
    np.add.at(wanted, index, rows)
    found = op.rows_added(rows, index, 70)
    np.testing.assert_allclose(found, wanted, rtol=1e-13, atol=1e-14)
    assert found.base is None  # the engine copies views
    same = np.broadcast_to(rows[0], rows.shape)
    counts = np.bincount(index, minlength=70)[:, None]
    np.testing.assert_allclose(op.rows_added(same, index, 70), counts * rows[0], rtol=1e-13)


def test_cross_entropy_leaves_ignored_rows_out_whatever_they_hold():
    x = tg.tensor([[1.0, 2.0], [-np.inf, np.inf], [3.0, 1.0]], requires_grad=True)
    loss = nn.functional.cross_entropy(x, tg.tensor([0, -100, 1]))
    loss.backward()
    assert np.isfinite(loss.item())
    every = tg.tensor([[1.0, 2.0]], requires_grad=True)
    nothing = nn.functional.cross_entropy(every, tg.tensor([-100]))
    nothing.backward()
    assert np.isnan(nothing.item())
    assert every.grad.tolist() == [[0, 0]]


def test_attention_of_a_row_that_sees_nothing_is_zero():
    q, k, v = (tg.ones(2, 3, requires_grad=True) for _ in range(3))
    mask = tg.tensor([[True, True], [False, False]])
    out = nn.functional.scaled_dot_product_attention(q, k, v, mask)
    out.sum().backward()
    assert out.tolist() == [[1, 1, 1], [0, 0, 0]]
    assert np.isfinite(q.grad.numpy()).all()
    assert v.grad.tolist() == [[0.5] * 3] * 2


def test_the_forms_with_moments():
    x = np.random.default_rng(0).standard_normal((3, 4, 5))
    one = np.ones(4)
    out, mean, rate = op.native_batch_norm(x, one, None, None, None, True, 0.1, 1e-5)
    np.testing.assert_allclose(mean, x.mean((0, 2)), rtol=1e-12)
    np.testing.assert_allclose(rate, (x.var((0, 2)) + 1e-5) ** -0.5, rtol=1e-12)
    np.testing.assert_allclose(out, (x - mean[:, None]) * rate[:, None], rtol=1e-9, atol=1e-12)
    out, mean, rate = op.native_layer_norm(x, (4, 5), None, None, 1e-5)
    assert mean.shape == rate.shape == (3, 1, 1)
    np.testing.assert_allclose(out, (x - mean) * rate, rtol=1e-9, atol=1e-12)
    running = tg.zeros(4), tg.ones(4)
    parts = op._batch_norm_with_update(wrap(x), None, None, *running, 0.5, 1e-5)
    assert [tuple(part.shape) for part in parts] == [(3, 4, 5), (4,), (4,), (0,)]
    np.testing.assert_allclose(running[0].numpy(), x.mean((0, 2)) / 2, rtol=1e-5, atol=1e-7)


def test_the_rules_that_are_functions_of_their_own():
    s = np.array([[0.2, 0.8]])
    np.testing.assert_allclose(
        op._softmax_backward_data(np.array([[1.0, 0.0]]), s, 1, np.float64), [[0.16, -0.16]]
    )
    found = op.native_dropout_backward(np.ones(3), np.array([True, False, True]), 2.0)
    assert found.tolist() == [2, 0, 2]
