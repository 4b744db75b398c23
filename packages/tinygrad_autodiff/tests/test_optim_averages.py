"""Clipped gradients, parameters as one vector, and averaged models."""

import copy
import math

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import nn
from tinygrad_autodiff.nn import utils
from tinygrad_autodiff.optim import swa_utils


def parameters(*gradients):
    made = []
    for gradient in gradients:
        values = np.asarray(gradient, np.float32)
        made.append(tg.from_numpy(np.zeros_like(values)).requires_grad_())
        made[-1].grad = tg.from_numpy(values)
    return made


@pytest.mark.parametrize(("order", "norm"), [(2, 13.0), (1, 19.0), (math.inf, 12.0)])
def test_the_norm_is_clipped(order, norm):
    given = parameters([3.0, 4.0], [[12.0]])
    total = utils.clip_grad_norm_(given, 1.0, order)
    assert total.item() == pytest.approx(norm)
    np.testing.assert_allclose(given[0].grad.numpy(), np.array([3, 4]) / norm, rtol=1e-5)
    again = utils.clip_grad_norm_(iter(given), 2.0, order)
    assert again.item() == pytest.approx(1, rel=1e-5)  # within the limit: nothing changes
    np.testing.assert_allclose(given[1].grad.numpy(), [[12 / norm]], rtol=1e-5)


def test_one_parameter_none_and_those_without_a_gradient():
    (given,) = parameters([3.0, 4.0])
    assert utils.clip_grad_norm_(given, 1.0).item() == 5
    bare = tg.ones(2, requires_grad=True)
    assert utils.clip_grad_norm_([bare], 1.0).item() == 0
    utils.clip_grad_value_([bare, given], 0.5)
    assert given.grad.tolist() == [0.5, 0.5]
    assert bare.grad is None


def test_norms_that_are_not_finite():
    given = parameters([1.0, math.nan])
    with pytest.raises(RuntimeError, match="is nan"):
        utils.clip_grad_norm_(given, 1.0, error_if_nonfinite=True)
    assert given[0].grad.numpy()[0] == 1
    utils.clip_grad_norm_(given, 1.0)
    assert np.isnan(given[0].grad.numpy()).all()


def test_a_vector_of_all_parameters_and_back():
    given = parameters([1.0, 2.0], [[3.0]])
    vector = utils.parameters_to_vector(given)
    assert vector.shape == (3,)
    assert vector.requires_grad
    utils.vector_to_parameters(tg.tensor([4.0, 5.0, 6.0]), given)
    assert given[0].tolist() == [4, 5]
    assert given[1].tolist() == [[6]]
    with pytest.raises(RuntimeError, match="3 elements, got shape"):
        utils.vector_to_parameters(tg.ones(4), given)


AVERAGES = {
    "equal": ({}, lambda path: np.mean(path, 0)),
    "equal, one by one": ({"avg_fn": swa_utils.get_swa_avg_fn()}, lambda path: np.mean(path, 0)),
    "exponential": (
        {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.75)},
        lambda path: 0.75**2 * path[0] + 0.25 * 0.75 * path[1] + 0.25 * path[2],
    ),
    "exponential, one by one": (
        {"avg_fn": swa_utils.get_ema_avg_fn(0.75)},
        lambda path: 0.75**2 * path[0] + 0.25 * 0.75 * path[1] + 0.25 * path[2],
    ),
}


@pytest.mark.parametrize("buffers", [False, True])
@pytest.mark.parametrize("name", AVERAGES)
def test_a_model_is_averaged(name, buffers):
    kwargs, expected = AVERAGES[name]
    model = nn.Linear(3, 2)
    model.register_buffer("scale", tg.zeros(2))
    model.register_buffer("count", tg.tensor(0))
    averaged = swa_utils.AveragedModel(model, use_buffers=buffers, **kwargs)
    weights = []
    for step in range(3):
        with tg.no_grad():
            model.weight.copy_(model.weight * 2 + step)
            model.scale.fill_(step + 1)
        weights.append(model.weight.detach().numpy().copy())
        averaged.update_parameters(model)
    rounding = 3 * np.finfo(np.float32).eps * np.abs(weights).max()  # of three sums
    np.testing.assert_allclose(averaged.module.weight.detach(), expected(weights), 0, rounding)
    scales = expected(np.arange(1.0, 4)) if buffers else 3
    np.testing.assert_allclose(averaged.module.scale, scales, rtol=1e-6)
    assert averaged.n_averaged.item() == 3
    x = tg.ones(4, 3)
    np.testing.assert_array_equal(averaged(x).detach(), averaged.module(x).detach())
    assert set(averaged.state_dict()) == {
        "n_averaged",
        "module.weight",
        "module.bias",
        "module.scale",
        "module.count",
    }
    other = copy.deepcopy(averaged)
    other.load_state_dict(averaged.state_dict())
    assert other.n_averaged.item() == 3


def test_bad_averages():
    with pytest.raises(ValueError, match="decay"):
        swa_utils.get_ema_multi_avg_fn(1.5)
    with pytest.raises(ValueError, match="not both"):
        swa_utils.AveragedModel(
            nn.Linear(1, 1),
            avg_fn=swa_utils.get_swa_avg_fn(),
            multi_avg_fn=swa_utils.get_swa_multi_avg_fn(),
        )


@pytest.mark.parametrize(
    ("end", "epochs", "strategy", "rates"),
    [
        (0.05, 4, "cos", [0.3, 0.26339, 0.175, 0.08661, 0.05, 0.05]),
        ([0.5], 2, "linear", [0.3, 0.4, 0.5, 0.5, 0.5, 0.5]),
        (0.1, 0, "cos", [0.1] * 6),
    ],
)
def test_the_rate_moves_to_that_of_averaging(end, epochs, strategy, rates):
    optimizer = tg.optim.SGD(parameters([1.0]), lr=0.3)
    scheduler = swa_utils.SWALR(optimizer, end, epochs, strategy)
    found = []
    for _ in rates:
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    np.testing.assert_allclose(found, rates, rtol=1e-4)
    with pytest.raises(ValueError, match="'cos' or 'linear'"):
        swa_utils.SWALR(optimizer, 0.1, anneal_strategy="fast")
    with pytest.raises(ValueError, match="int >= 0"):
        swa_utils.SWALR(optimizer, 0.1, -1)


def test_moments_of_an_averaged_model_are_those_of_the_data():
    model = nn.Sequential(nn.BatchNorm1d(3, momentum=0.2), nn.Dropout(0.5)).eval()
    batches = [tg.randn(8, 3) + i for i in range(3)]
    swa_utils.update_bn(((batch, None) for batch in batches), model)
    mean = np.mean([batch.numpy().mean(0) for batch in batches], 0)
    np.testing.assert_allclose(model[0].running_mean, mean, rtol=1e-5)
    assert model[0].momentum == 0.2
    assert not model[0].training
    swa_utils.update_bn(iter(()), nn.Linear(2, 2))  # nothing to do
