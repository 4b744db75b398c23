"""Optimizers against their formulas written out, and their state."""

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import optim

STEPS = 12


def run(make, start=(1.0, -2.0, 3.0)):
    """The path of a parameter under a fixed sequence of gradients."""
    p = tg.tensor(np.array(start), requires_grad=True)
    optimizer = make([p])
    path = []
    for i in range(STEPS):
        p.grad = tg.tensor(gradient(i, p.detach().numpy()))
        optimizer.step()
        path.append(p.detach().numpy().copy())
    return np.array(path)


def gradient(i, p):
    return np.cos(np.arange(3) + i) + 0.1 * p


def sgd(lr, momentum=0.0, dampening=0.0, decay=0.0, nesterov=False, maximize=False):
    p, b, path = np.array([1.0, -2.0, 3.0]), None, []
    for i in range(STEPS):
        g = (-1 if maximize else 1) * gradient(i, p) + decay * p
        if momentum:
            b = g if b is None else momentum * b + (1 - dampening) * g
            g = g + momentum * b if nesterov else b
        p = p - lr * g
        path.append(p)
    return np.array(path)


def adam(lr, betas=(0.9, 0.999), eps=1e-8, decay=0.0, decoupled=False, amsgrad=False, sign=1):
    p, m, v, top, path = np.array([1.0, -2.0, 3.0]), 0.0, 0.0, 0.0, []
    for i in range(STEPS):
        g = sign * gradient(i, p)
        if decoupled:
            p = p * (1 - lr * decay)
        else:
            g = g + decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        top = np.maximum(top, v)
        m_hat = m / (1 - betas[0] ** (i + 1))
        v_hat = (top if amsgrad else v) / (1 - betas[1] ** (i + 1))
        p = p - lr * m_hat / (np.sqrt(v_hat) + eps)
        path.append(p)
    return np.array(path)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda p: optim.SGD(p, 0.1), sgd(0.1)),
        (lambda p: optim.SGD(p, 0.1, momentum=0.9), sgd(0.1, 0.9)),
        (lambda p: optim.SGD(p, 0.1, 0.9, dampening=0.3), sgd(0.1, 0.9, 0.3)),
        (lambda p: optim.SGD(p, 0.1, weight_decay=0.2), sgd(0.1, decay=0.2)),
        (lambda p: optim.SGD(p, 0.1, maximize=True), sgd(0.1, maximize=True)),
        (
            lambda p: optim.SGD(p, 0.1, 0.9, nesterov=True, weight_decay=0.2, maximize=True),
            sgd(0.1, 0.9, decay=0.2, nesterov=True, maximize=True),
        ),
        (lambda p: optim.Adam(p, 0.1), adam(0.1)),
        (lambda p: optim.Adam(p, 0.1, (0.8, 0.9), 1e-3), adam(0.1, (0.8, 0.9), 1e-3)),
        (lambda p: optim.Adam(p, 0.1, weight_decay=0.2), adam(0.1, decay=0.2)),
        (lambda p: optim.Adam(p, 0.1, amsgrad=True), adam(0.1, amsgrad=True)),
        (lambda p: optim.Adam(p, 0.1, maximize=True), adam(0.1, sign=-1)),
        (lambda p: optim.AdamW(p, 0.1, weight_decay=0.2), adam(0.1, decay=0.2, decoupled=True)),
    ],
)
def test_paths(make, expected):
    np.testing.assert_allclose(run(make), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
        lambda p: optim.AdamW(p, 0.1, amsgrad=True),
    ],
)
def test_state_dict_continues_the_same_path(make):
    whole = run(make)
    p = tg.tensor(np.array([1.0, -2.0, 3.0]), requires_grad=True)
    optimizer = make([p])
    for i in range(STEPS):
        if i == 5:
            state = optimizer.state_dict()
            assert all(not key.startswith("_") for key in state["state"][0])
            optimizer = make([p])
            optimizer.load_state_dict(state)
        p.grad = tg.tensor(gradient(i, p.detach().numpy()))
        optimizer.step()
    np.testing.assert_array_equal(p.detach().numpy(), whole[-1])


def test_gradients_are_not_changed_and_dtype_is_kept():
    for make in (
        lambda p: optim.SGD(p, 0.1, 0.9, weight_decay=0.1, nesterov=True),
        lambda p: optim.AdamW(p, 0.1),
    ):
        p = tg.tensor([1.0, 2.0], requires_grad=True)
        p.grad = tg.tensor([0.5, 0.5])
        optimizer = make([p])
        for _ in range(3):
            optimizer.step()
        assert p.grad.tolist() == [0.5, 0.5]
        assert p.dtype == tg.float32
        assert all(
            v.dtype == np.float32 for v in optimizer.state[p].values() if hasattr(v, "dtype")
        )


@pytest.mark.parametrize("shape", [(16_384,), (16_385,), (300, 200), (200, 300)])
def test_large_parameters_are_updated_in_blocks(shape):
    random = np.random.default_rng(0)
    start, slope = random.random(shape, np.float32), random.random(shape, np.float32)
    for order in ("C", "F"):
        p = tg.from_numpy(np.array(start, order=order)).requires_grad_()
        p.grad = tg.from_numpy(slope)
        optim.SGD([p], 0.5).step()
        np.testing.assert_allclose(p.detach().numpy(), start - np.float32(0.5) * slope, rtol=1e-6)


def test_groups_closure_and_missing_gradients():
    a, b = (tg.tensor([1.0], requires_grad=True) for _ in range(2))
    optimizer = optim.SGD([{"params": [a], "lr": 1.0}, {"params": b}], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (a * 2.0).sum()
        loss.backward()
        return loss

    with tg.no_grad():
        assert optimizer.step(closure).item() == 2
    assert (a.item(), b.item()) == (-1, 1)
    optimizer.zero_grad(set_to_none=False)
    assert a.grad.item() == 0
    optimizer.zero_grad()
    assert a.grad is None


def test_bad_arguments():
    p = tg.tensor([1.0], requires_grad=True)
    for make, error, message in [
        (lambda: optim.SGD([], 0.1), ValueError, "empty"),
        (lambda: optim.SGD(p, 0.1), TypeError, "iterable"),
        (lambda: optim.SGD([1.0], 0.1), TypeError, "float"),
        (lambda: optim.SGD([p, p], 0.1), ValueError, "twice"),
        (lambda: optim.SGD([p * 2], 0.1), ValueError, "leaf"),
        (lambda: optim.SGD([p], -1), ValueError, "invalid lr"),
        (lambda: optim.SGD([p], float("nan")), ValueError, "invalid lr"),
        (lambda: optim.SGD([p], "a"), TypeError, "lr: expected a number, got 'a'"),
        (lambda: optim.SGD([p], 0.1, dampening=None), TypeError, "dampening: .* got None"),
        (lambda: optim.SGD(3, 0.1), TypeError, "got int"),
        (lambda: optim.Adam([p], betas=0.9), TypeError, "betas: expected two numbers, got 0.9"),
        (lambda: optim.Adam([p], betas=(0.9, "a")), TypeError, "betas: expected two numbers"),
        (lambda: optim.SGD([p], 0.1, nesterov=True), ValueError, "Nesterov"),
        (lambda: optim.Adam([p], 0.1, (1.0, 0.9)), ValueError, "index 0"),
        (lambda: optim.SGD([p], 0.1).load_state_dict({}), RuntimeError, "param_groups"),
    ]:
        with pytest.raises(error, match=message):
            make()
    state = optim.SGD([p], 0.1).state_dict()
    q = tg.tensor([1.0], requires_grad=True)
    with pytest.raises(ValueError, match="do not fit"):
        optim.SGD([p, q], 0.1).load_state_dict(state)
    group = state["param_groups"]
    for of, value, message in (
        (0, tg.ones(3), r"momentum_buffer of parameter 0 has shape \(3,\), but .* \(1,\)"),
        (1, tg.ones(1), "parameter 1, but there are 1"),
    ):
        wrong = {"state": {of: {"momentum_buffer": value}}, "param_groups": group}
        with pytest.raises(ValueError, match=message):
            optim.SGD([p], 0.1).load_state_dict(wrong)
    nothing = {"state": {0: {"momentum_buffer": None}}, "param_groups": group}
    optim.SGD([p], 0.1).load_state_dict(nothing)  # as torch writes it without momentum
