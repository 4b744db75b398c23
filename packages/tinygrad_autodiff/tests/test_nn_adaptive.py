"""The adaptive softmax: a distribution over all classes, and the loss of single ones."""

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import nn


def test_losses_are_those_of_the_whole_distribution():
    layer = nn.AdaptiveLogSoftmaxWithLoss(8, 12, [4, 9], div_value=2.0, head_bias=True).double()
    x = tg.randn(7, 8, dtype=tg.float64, requires_grad=True)
    target = tg.tensor([0, 3, 5, 9, 11, 4, 1])
    assert layer.head.weight.shape == (6, 8)
    assert [p.shape for p in layer.tail.parameters()] == [(4, 8), (5, 4), (2, 8), (3, 2)]
    whole = layer.log_prob(x)
    np.testing.assert_allclose(whole.exp().sum(1).detach(), np.ones(7), rtol=1e-12)
    found = layer(x, target)
    expected = nn.functional.nll_loss(whole, target)
    np.testing.assert_allclose(found.loss.detach(), expected.detach(), rtol=1e-12)
    leaves = [x, *layer.parameters()]
    for a, b in zip(
        tg.autograd.grad(found.loss, leaves), tg.autograd.grad(expected, leaves), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    assert layer.predict(x).tolist() == whole.argmax(1).tolist()
    one = layer(x[2], tg.tensor(5))
    np.testing.assert_allclose(one.output.detach(), found.output[2].detach(), rtol=1e-12)


@pytest.mark.parametrize("cutoffs", [[], [4, 4], [5, 3], [0, 2], [12], [2.5]])
def test_wrong_cutoffs(cutoffs):
    with pytest.raises(ValueError, match="cutoffs: expected rising whole numbers from 1 to 11"):
        nn.AdaptiveLogSoftmaxWithLoss(8, 12, cutoffs)


def test_wrong_targets():
    layer = nn.AdaptiveLogSoftmaxWithLoss(8, 12, [4])
    with pytest.raises(RuntimeError, match=r"\[0, 11\], but values from 3 to 12"):
        layer(tg.ones(2, 8), tg.tensor([3, 12]))
    with pytest.raises(RuntimeError, match=r"\(2, 8\) does not fit a target of \(3,\)"):
        layer(tg.ones(2, 8), tg.tensor([3, 1, 2]))
