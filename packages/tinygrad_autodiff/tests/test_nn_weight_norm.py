"""Weights that are computed before each call, and layers whose weight was replaced."""

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import nn
from tinygrad_autodiff.nn import utils


def test_length_and_direction_are_learned_apart():
    layer = nn.Conv2d(2, 4, 3)
    weight, x = layer.weight.detach().clone(), tg.randn(1, 2, 5, 5)
    before = layer(x).detach()
    assert utils.weight_norm(layer) is layer
    assert list(layer.state_dict()) == ["bias", "weight_g", "weight_v"]
    assert layer.weight_g.shape == (4, 1, 1, 1)
    np.testing.assert_allclose(layer(x).detach(), before, rtol=1e-5, atol=1e-6)
    layer(x).square().sum().backward()
    direction, gradient = layer.weight_v.detach(), layer.weight_v.grad
    np.testing.assert_allclose((direction * gradient).sum((1, 2, 3)), np.zeros(4), atol=1e-3)
    with tg.no_grad():
        layer.weight_g.mul_(2)
    bias = layer.bias.detach()[:, None, None]
    twice = 2 * (before - bias) + bias
    np.testing.assert_allclose(layer(x).detach(), twice, rtol=1e-4, atol=1e-5)
    utils.remove_weight_norm(layer)
    assert list(layer.state_dict()) == ["bias", "weight"]
    np.testing.assert_allclose(layer.weight.detach(), 2 * weight, rtol=1e-5)
    with pytest.raises(ValueError, match="not computed in this way"):
        utils.remove_weight_norm(layer)


@pytest.mark.parametrize("make", [lambda: nn.Linear(3, 5), lambda: nn.ConvTranspose1d(3, 5, 2)])
def test_the_largest_singular_value_becomes_1(make):
    layer = utils.spectral_norm(make(), n_power_iterations=30)
    assert set(layer.state_dict()) == {"bias", "weight_orig", "weight_u", "weight_v"}
    x = tg.randn(2, 3) if isinstance(layer, nn.Linear) else tg.randn(2, 3, 4)
    first = layer(x)
    second = layer(x)  # writes to u and v once more
    (first.sum() + second.sum()).backward()
    assert layer.weight_orig.grad is not None
    weight = layer.weight.detach().numpy()
    weight = weight if isinstance(layer, nn.Linear) else np.moveaxis(weight, 1, 0)
    singular = np.linalg.svd(weight.reshape(5, -1), compute_uv=False)
    assert singular[0] == pytest.approx(1, rel=1e-4)
    u = layer.eval().weight_u.clone()
    layer(x)
    assert tg.equal(u, layer.weight_u)
    shown = layer.weight.detach().clone()
    utils.remove_spectral_norm(layer)
    assert tg.equal(layer.weight, shown)


def test_a_computed_weight_of_a_recurrent_layer():
    layer = nn.LSTM(3, 2)
    x = tg.randn(4, 1, 3)
    before = layer(x)[0].detach()
    utils.weight_norm(layer, "weight_hh_l0")
    np.testing.assert_allclose(layer(x)[0].detach(), before, rtol=1e-5, atol=1e-6)


def test_bad_requests():
    with pytest.raises(ValueError, match="Linear has no parameter 'other'"):
        utils.weight_norm(nn.Linear(2, 2), "other")
    with pytest.raises(ValueError, match="expected iterations, got 0"):
        utils.spectral_norm(nn.Linear(2, 2), n_power_iterations=0)


@pytest.mark.parametrize(
    ("layer", "name", "shape"),
    [
        (nn.Linear(2, 2), "weight", (1, 2)),
        (nn.Conv1d(2, 2, 1), "weight", (1, 2, 3)),
        (nn.GRU(2, 2), "weight_ih_l0", (3, 1, 2)),
    ],
)
def test_a_tensor_may_take_the_place_of_a_parameter(layer, name, shape):
    given = tg.zeros_like(getattr(layer, name)).requires_grad_()
    delattr(layer, name)
    setattr(layer, name, given * 1)
    found = layer(tg.ones(shape))
    (found[0] if isinstance(found, tuple) else found).sum().backward()
    assert given.grad.abs().sum() > 0
