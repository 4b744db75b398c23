"""Schedules against their formulas, their momenta, how they combine, and how they are saved."""

import math

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff.optim import SGD, Adam
from tinygrad_autodiff.optim import lr_scheduler as schedulers

STEPS = 14
BASE = 0.5


def made(optimizer=SGD, **kwargs):
    parameter = tg.tensor([1.0], requires_grad=True)
    return optimizer([parameter], lr=BASE, **kwargs)


def rates(make, optimizer=None, steps=STEPS):
    optimizer = optimizer or made(momentum=0.9)
    scheduler = make(optimizer)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        assert scheduler.get_last_lr() == [found[-1]]
        optimizer.step()
        scheduler.step()
    return found


def cosine(part):
    return (1 + math.cos(math.pi * part)) / 2


FORMULAS = {
    "lambda": (lambda o: schedulers.LambdaLR(o, lambda e: 1 / (e + 1)), lambda e: 1 / (e + 1)),
    "multiplicative": (lambda o: schedulers.MultiplicativeLR(o, lambda e: 0.9), lambda e: 0.9**e),
    "step": (lambda o: schedulers.StepLR(o, 3, 0.5), lambda e: 0.5 ** (e // 3)),
    "multistep": (
        lambda o: schedulers.MultiStepLR(o, [5, 2, 5], 0.5),
        lambda e: 0.5 ** ((e >= 2) + 2 * (e >= 5)),
    ),
    "constant": (lambda o: schedulers.ConstantLR(o, 0.25, 4), lambda e: 0.25 if e < 4 else 1),
    "linear": (
        lambda o: schedulers.LinearLR(o, 0.2, 0.8, 6),
        lambda e: 0.2 + 0.1 * min(e, 6),
    ),
    "exponential": (lambda o: schedulers.ExponentialLR(o, 0.8), lambda e: 0.8**e),
    "polynomial": (
        lambda o: schedulers.PolynomialLR(o, 6, 2),
        lambda e: (1 - min(e, 6) / 6) ** 2,
    ),
    "cosine": (
        lambda o: schedulers.CosineAnnealingLR(o, 4, 0.05),
        lambda e: 0.1 + 0.9 * cosine(e / 4),
    ),
    "restarts": (
        lambda o: schedulers.CosineAnnealingWarmRestarts(o, 2, 2),
        lambda e: cosine(e / 2 if e < 2 else (e - 2) / 4 if e < 6 else (e - 6) / 8),
    ),
    "chained": (
        lambda o: schedulers.ChainedScheduler(
            [schedulers.ConstantLR(o, 0.25, 4), schedulers.ExponentialLR(o, 0.8)]
        ),
        lambda e: (0.25 if e < 4 else 1) * 0.8**e,
    ),
    "sequential": (
        lambda o: schedulers.SequentialLR(
            o,
            [
                schedulers.LinearLR(o, 0.2, 1.0, 4),
                schedulers.ExponentialLR(o, 0.8),
                schedulers.StepLR(o, 2, 0.5),
            ],
            [4, 9],
        ),
        lambda e: 0.2 + 0.2 * e if e < 4 else 0.8 ** (e - 4) if e < 9 else 0.5 ** ((e - 9) // 2),
    ),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_the_formula(name):
    make, factor = FORMULAS[name]
    expected = [BASE * factor(e) for e in range(STEPS)]
    np.testing.assert_allclose(rates(make), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", FORMULAS)
def test_saved_and_loaded_it_goes_on(name):
    make, _ = FORMULAS[name]
    optimizer = made()
    scheduler = make(optimizer)
    found = []
    for step in range(STEPS):
        found.append(optimizer.param_groups[0]["lr"])
        if step == 5:
            states = optimizer.state_dict(), scheduler.state_dict()
            optimizer = made()
            scheduler = make(optimizer)
            optimizer.load_state_dict(states[0])
            scheduler.load_state_dict(states[1])
        optimizer.step()
        scheduler.step()
    np.testing.assert_array_equal(found, rates(make))


class Halving:
    """A function with a state of its own."""

    def __init__(self):
        self.calls = 0

    def __call__(self, epoch):
        self.calls += 1
        return 0.5**epoch


def test_the_state_of_a_callable_is_saved():
    scheduler = schedulers.LambdaLR(made(), Halving())
    assert scheduler.state_dict()["lr_lambdas"] == [{"calls": 1}]
    other = schedulers.LambdaLR(made(), Halving())
    other.load_state_dict({**scheduler.state_dict(), "lr_lambdas": [{"calls": 41}]})
    assert other.lr_lambdas[0].calls == 41


@pytest.mark.parametrize(("optimizer", "key"), [(SGD, "momentum"), (Adam, "betas")])
def test_cycles_move_the_momentum_the_other_way(optimizer, key):
    kwargs = {"momentum": 0.9} if optimizer is SGD else {}
    one = made(optimizer, **kwargs)
    scheduler = schedulers.CyclicLR(one, 0.1, 0.5, 4, base_momentum=0.8, max_momentum=0.9)
    found = []
    for _ in range(9):
        value = one.param_groups[0][key]
        found.append((one.param_groups[0]["lr"], value[0] if key == "betas" else value))
        one.step()
        scheduler.step()
    height = np.array([0, 1, 2, 3, 4, 3, 2, 1, 0]) / 4
    np.testing.assert_allclose(found, np.stack([0.1 + 0.4 * height, 0.9 - 0.1 * height], 1))


@pytest.mark.parametrize(
    ("kwargs", "heights"),
    [
        ({"mode": "triangular2"}, [1, 0.5, 0.25]),
        ({"mode": "exp_range", "gamma": 0.5}, [0.5**2, 0.5**6, 0.5**10]),
        ({"scale_fn": lambda x: 1 / x}, [1, 1 / 2, 1 / 3]),
        ({"scale_fn": lambda x: 1 / max(x, 1), "scale_mode": "iterations"}, [1 / 2, 1 / 6, 1 / 10]),
    ],
)
def test_heights_of_cycles(kwargs, heights):
    optimizer = made()
    make = lambda o: schedulers.CyclicLR(o, 0.1, 0.5, 2, cycle_momentum=False, **kwargs)  # noqa: E731
    found = rates(make, optimizer)
    np.testing.assert_allclose(found[2::4], 0.1 + 0.4 * np.array(heights), rtol=1e-12)
    np.testing.assert_allclose(found[::4], 0.1, rtol=1e-12)


@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_one_cycle_rises_and_falls(strategy):
    optimizer = made(momentum=0.9)
    found = rates(
        lambda o: schedulers.OneCycleLR(o, 1.0, 13, pct_start=5 / 13, anneal_strategy=strategy),
        optimizer,
        steps=13,
    )
    assert found[0] == pytest.approx(1 / 25)
    assert found[4] == pytest.approx(1.0)
    assert found[12] == pytest.approx(1 / 25 / 1e4)
    assert found[2] == pytest.approx((found[0] + found[4]) / 2)
    assert found[8] == pytest.approx((found[4] + found[12]) / 2)
    assert optimizer.param_groups[0]["max_momentum"] == 0.95
    three = rates(
        lambda o: schedulers.OneCycleLR(
            o, 1.0, 13, pct_start=5 / 13, three_phase=True, cycle_momentum=False
        ),
        steps=13,
    )
    assert three[8] == pytest.approx(1 / 25)
    assert three[12] == pytest.approx(1 / 25 / 1e4)


def test_restarts_may_be_set_to_fractions_of_an_epoch():
    optimizer = made()
    scheduler = schedulers.CosineAnnealingWarmRestarts(optimizer, 2, 2)
    for epoch, part in [(0.5, 0.25), (2.0, 0.0), (4.0, 0.5), (6.0, 0.0), (8.0, 0.25)]:
        scheduler.step(epoch)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(BASE * cosine(part))
    with pytest.raises(ValueError, match="-1"):
        scheduler.step(-1)


def test_a_plateau_reduces_the_rate():
    optimizer = made()
    scheduler = schedulers.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, cooldown=1)
    found = []
    for loss in [1.0, 1.0, 1.0, 0.9, 0.9, 0.9, 0.9, 0.5]:
        scheduler.step(tg.tensor(loss))
        found.append(optimizer.param_groups[0]["lr"] / BASE)
    assert found == [1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]
    scheduler = schedulers.ReduceLROnPlateau(made(), "max", 0.1, 0, min_lr=0.2)
    for accuracy in (0.5, 0.6, 0.6, 0.6):
        scheduler.step(accuracy)
    assert scheduler.get_last_lr() == [0.2]


def test_a_rate_that_is_a_tensor_stays_one():
    parameter = tg.tensor([1.0], requires_grad=True)
    rate = tg.tensor(0.5)
    optimizer = SGD([parameter], lr=rate)
    scheduler = schedulers.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == 0.25


def test_the_wrong_order_is_warned_of_once():
    scheduler = schedulers.StepLR(made(), 2)
    with pytest.warns(UserWarning, match="before optimizer.step"):
        scheduler.step()
    scheduler.step()


def test_bad_arguments():
    o = made()
    step = schedulers.StepLR(o, 2)
    for make, error, message in [
        (lambda: schedulers.StepLR("sgd", 2), TypeError, "Optimizer, got str"),
        (lambda: schedulers.ExponentialLR(made(), 0.5, last_epoch=3), ValueError, "initial_lr"),
        (lambda: schedulers.LambdaLR(o, [abs, abs]), ValueError, "expected 1 functions"),
        (lambda: schedulers.LambdaLR(o, 0.5), TypeError, "expected a function"),
        (lambda: schedulers.ConstantLR(o, 2), ValueError, "from 0 to 1"),
        (lambda: schedulers.LinearLR(o, 0), ValueError, "start_factor"),
        (lambda: schedulers.LinearLR(o, 1, -1), ValueError, "end_factor"),
        (lambda: schedulers.CosineAnnealingWarmRestarts(o, 0), ValueError, "T_0"),
        (lambda: schedulers.CosineAnnealingWarmRestarts(o, 1, 0.5), ValueError, "T_mult"),
        (lambda: schedulers.CyclicLR(o, 0.1, 1, mode="square"), ValueError, "'square'"),
        (lambda: schedulers.CyclicLR(o, [0.1, 0.2], 1), ValueError, "one for each group"),
        (lambda: schedulers.OneCycleLR(o, 1.0), ValueError, "total_steps"),
        (lambda: schedulers.OneCycleLR(o, 1.0, 0), ValueError, "total_steps"),
        (lambda: schedulers.OneCycleLR(o, 1.0, 9, pct_start=2), ValueError, "pct_start"),
        (lambda: schedulers.OneCycleLR(o, 1.0, 9, anneal_strategy="x"), ValueError, "'x'"),
        (lambda: schedulers.ReduceLROnPlateau(o, factor=1), ValueError, "< 1"),
        (lambda: schedulers.ReduceLROnPlateau(o, "best"), ValueError, "'best'"),
        (lambda: schedulers.ReduceLROnPlateau(o, threshold_mode="x"), ValueError, "'x'"),
        (lambda: schedulers.ChainedScheduler([]), ValueError, "at least one"),
        (lambda: schedulers.ChainedScheduler([o]), TypeError, "got SGD"),
        (lambda: schedulers.SequentialLR(made(), [step], []), ValueError, "another optimizer"),
        (lambda: schedulers.SequentialLR(o, [step], [1]), ValueError, "milestones"),
        (
            lambda: schedulers.ChainedScheduler([schedulers.ReduceLROnPlateau(o)]),
            ValueError,
            "measure",
        ),
    ]:
        with pytest.raises(error, match=message):
            make()
    adagrad = tg.optim.Adagrad([tg.tensor([1.0], requires_grad=True)])
    with pytest.raises(ValueError, match="neither momentum nor betas"):
        schedulers.CyclicLR(adagrad, 0.1, 1)
    one = schedulers.OneCycleLR(made(momentum=0.9), 1.0, 2)
    one.optimizer.step()
    one.step()
    one.step()
    with pytest.raises(ValueError, match="step 3"):
        one.step()


@pytest.mark.parametrize(
    "make",
    [
        lambda optimizer: schedulers.ExponentialLR(optimizer, 0.87),
        lambda optimizer: schedulers.StepLR(optimizer, 1, 0.87),
        lambda optimizer: schedulers.MultiStepLR(optimizer, range(1, 20), 0.87),
    ],
)
def test_a_decaying_rate_is_multiplied_and_nothing_else(make):
    """To the last bit, as in torch."""
    scheduler, rate = make(made()), BASE
    for _ in range(19):
        scheduler.optimizer.step()
        scheduler.step()
        rate *= 0.87
        assert scheduler.get_last_lr() == [rate]
