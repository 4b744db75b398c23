"""Anomaly mode: the earliest NaN or infinity is named with op, shapes and the user's line."""

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import autograd
from tinygrad_autodiff.errors import AnomalyError


def leaf(*values):
    return tg.tensor(np.array(values, np.float64), requires_grad=True)


def test_the_earliest_in_the_forward_pass():
    x = leaf(1.0, 0.0)
    with autograd.detect_anomaly(), pytest.raises(AnomalyError) as caught:
        (tg.log(x) * 0.0).sum().backward()  # the culprit
    text = str(caught.value)
    assert "log, forward" in text
    assert "(2,) float64" in text
    assert "an infinity, at index (1,)" in text
    assert "test_anomaly.py" in text
    assert "(tg.log(x) * 0.0).sum().backward()  # the culprit" in text


def test_the_earliest_in_the_backward_pass():
    x = leaf(1.0, 0.0)
    with autograd.detect_anomaly():
        y = tg.sqrt(x) * 2.0
        z = (y * y).sum()
        with pytest.raises(AnomalyError, match="Sqrt, backward") as caught:
            z.backward()
    assert "y = tg.sqrt(x) * 2.0" in str(caught.value)
    assert x.grad is None


def test_a_nan_of_infinities():
    x = leaf(np.inf)
    with autograd.detect_anomaly(), pytest.raises(AnomalyError, match=r"sub, forward.*NaN"):
        x - x


def test_infinities_that_the_user_put_in_are_no_anomaly():
    x = leaf(1.0, 2.0)
    with autograd.detect_anomaly():
        masked = tg.where(tg.tensor([True, False]), x, -np.inf)
        tg.softmax(masked, 0)[0].backward()
    assert x.grad.tolist() == [0, 0]


def test_custom_functions_and_higher_orders():
    class Bad(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return g * np.nan

    with autograd.detect_anomaly(), pytest.raises(AnomalyError, match=r"NaN.*Bad\.apply"):
        Bad.apply(leaf(1.0)).sum().backward()
    x = leaf(0.0)
    with autograd.detect_anomaly():
        (g,) = autograd.grad((x**1.5).sum(), x, create_graph=True)
        with pytest.raises(AnomalyError, match="backward"):
            autograd.grad(g.sum(), x)


def test_switching():
    assert not autograd.is_anomaly_enabled()
    autograd.set_detect_anomaly(True)
    assert autograd.is_anomaly_enabled()
    autograd.set_detect_anomaly(False)
    assert not autograd.is_anomaly_enabled()
    with autograd.set_detect_anomaly(True):
        assert autograd.is_anomaly_enabled()
    assert not autograd.is_anomaly_enabled()
    with autograd.detect_anomaly(check_nan=False):
        (leaf(0.0) / 0.0).sum().backward()
    x = leaf(0.0)
    y = tg.sqrt(x)
    with autograd.detect_anomaly(), pytest.raises(AnomalyError, match="line is known if"):
        y.sum().backward()
