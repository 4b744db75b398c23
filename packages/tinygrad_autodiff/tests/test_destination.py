"""Results in memory that is there already: ``out=``, ``inplace=True`` and in-place functions."""

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import nn
from tinygrad_autodiff.errors import (
    ArgumentError,
    ArgumentTypeError,
    DtypeError,
    GraphError,
    RangeError,
    ShapeError,
)

F = nn.functional


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        pytest.param(lambda x, out: tg.exp(x, out=out), np.exp, id="one operand"),
        pytest.param(lambda x, out: tg.add(x, 1, alpha=2, out=out), lambda x: x + 2, id="two"),
        pytest.param(lambda x, out: tg.sub(x, x, out=out), np.zeros_like, id="general"),
        pytest.param(lambda x, out: tg.cumsum(x, 0, out=out), lambda x: x.cumsum(0), id="single"),
        pytest.param(lambda x, out: tg.rad2deg(x, out=out), np.rad2deg, id="composed"),
        pytest.param(lambda x, out: tg.linalg.inv(x, out=out), np.linalg.inv, id="linalg"),
    ],
)  # fmt: skip
def test_out_is_written_and_returned(call, expected):
    x = tg.tensor([[1.0, 2.0], [3.0, 5.0]])
    out, version = tg.zeros(2, 2), 0
    assert call(x, out) is out
    np.testing.assert_allclose(out.numpy(), expected(x.numpy()), rtol=1e-5, atol=1e-6)
    assert out._version > version
    empty = tg.zeros(0)
    assert call(x, empty) is empty
    assert tg.equal(empty, out)


def test_out_of_several_results_and_of_none():
    x = tg.arange(6.0).reshape(2, 3)
    values, indices = tg.zeros(2), tg.zeros(2, dtype=tg.int64)
    found = tg.max(x, 1, out=(values, indices))
    assert found.values is values
    assert found.indices is indices
    assert (values.tolist(), indices.tolist()) == ([2.0, 5.0], [2, 2])
    assert tg.exp(x, out=None).shape == (2, 3)
    assert tg.exp(np.zeros(2, np.float32), out=values) is values
    assert values.tolist() == [1.0, 1.0]


def test_an_elementwise_operation_writes_over_its_input_and_casts():
    x = tg.ones(3)
    tg.mul(x, 3, out=x)
    assert x.tolist() == [3.0, 3.0, 3.0]
    rows = tg.zeros(4)
    tg.exp(rows[::2], out=rows[1::2])  # between each other, not over each other
    assert rows.tolist() == [0.0, 1.0, 0.0, 1.0]
    empty = tg.ones(3, 2)[1:1]  # whose strides NumPy makes 0
    assert tg.exp(empty, out=empty) is empty
    wide = tg.zeros(3, dtype=tg.float64)
    assert tg.mul(x, 2, out=wide).tolist() == [6.0, 6.0, 6.0]


X = tg.ones(2, 3)
BAD = [
    (lambda: tg.exp(X, out=3), ArgumentTypeError, "expected a tensor, got int"),
    (lambda: tg.exp(X, out=tg.zeros(3)), ShapeError, r"\(2, 3\) or an empty tensor, got \(3,\)"),
    (lambda: tg.exp(X, out=tg.zeros(2, 3, dtype=tg.int64)), DtypeError, "float32 .* int64"),
    (lambda: tg.sum(X, out=tg.zeros((), dtype=tg.float64)), DtypeError, "float32 .* float64"),
    (lambda: tg.exp(X, out=tg.zeros(3).expand(2, 3)), GraphError, "share one place"),
    (lambda: tg.exp(X[:, :2], out=X[:, 1:]), RangeError, "shares memory with an input"),
    (lambda: tg.cat([X, X], out=X), RangeError, "shares memory with an input"),
    (lambda: tg.cat([E, X[0]], out=E), RangeError, "shares memory with an input"),
    (lambda: tg.max(X, 1, out=O), ArgumentTypeError, "expected 2 tensors, got 1"),
    (lambda: tg.aminmax(X, out=(O, O)), ArgumentError, "must not overlap"),
    (lambda: tg.exp(X.clone().requires_grad_(), out=O), GraphError, "automatic differentiation"),
    (lambda: tg.exp(X, out=X.clone().requires_grad_()), GraphError, "automatic differentiation"),
    (lambda: tg.sum(X, inplace=True), ArgumentTypeError, "unexpected argument 'inplace'"),
]
O = tg.zeros(())  # noqa: E741
E = tg.zeros(0)


@pytest.mark.parametrize(("call", "error", "message"), BAD)
def test_bad_destinations(call, error, message):
    with pytest.raises(error, match=message):
        call()
    assert X.tolist() == [[1.0] * 3] * 2
    with tg.no_grad():
        assert tg.exp(X.clone().requires_grad_(), out=tg.zeros(2, 3)).shape == (2, 3)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.relu(x, inplace=True),
        lambda x: F.hardtanh(x, 0.0, 9.0, inplace=True),
        nn.ReLU(inplace=True),
        nn.Threshold(0, 0, inplace=True),
        lambda x: F.relu_(x),
        lambda x: F.threshold_(x, 0, 0),
        lambda x: tg.relu_(x),
        lambda x: nn.Dropout(0.5, inplace=True).eval()(x).relu_(),
    ],
)
def test_activations_write_over_their_input(call):
    leaf = tg.tensor([-1.0, 2.0], requires_grad=True)
    x = leaf * 1
    y = call(x)
    assert y is x
    assert x.tolist() == [0.0, 2.0]
    (x * 3).sum().backward()
    assert leaf.grad.tolist() == [0.0, 3.0]
    with pytest.raises(GraphError, match="leaf"):
        call(leaf)


def test_not_in_place_is_the_default():
    x = tg.tensor([-1.0, 2.0])
    assert F.relu(x, inplace=False).tolist() == nn.ReLU()(x).tolist() == [0.0, 2.0]
    assert x.tolist() == [-1.0, 2.0]


def test_what_numpy_does_not_have_can_be_named_and_is_refused():
    assert repr(tg.bfloat16) == "bfloat16"
    with pytest.raises(DtypeError, match="no bfloat16: float32"):
        tg.zeros(2, dtype=tg.bfloat16)
    with pytest.raises(RangeError, match="sparse_coo cannot be had"):
        tg.zeros(2, layout=tg.sparse_coo)
    assert tg.zeros(2, layout=tg.strided).shape == (2,)
