"""Every optimizer against its formula for one number, and what all of them have in common."""

import math

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import optim
from tinygrad_autodiff.optim.lbfgs import Point, strong_wolfe

STEPS = 8


def slope(x, t):
    return 0.3 * x + math.cos(3 * x + t)


def path(rule, x=0.7):
    """The numbers that `rule`, a generator sent gradients, moves to."""
    steps = rule(x)
    next(steps)
    found = []
    for t in range(STEPS):
        x = steps.send((x, slope(x, t)))
        next(steps)
        found.append(x)
    return found


def adagrad(x):
    total = 0.1
    for t in range(STEPS):
        x, g = yield
        g += 0.2 * x
        total += g * g
        yield x - 0.5 / (1 + 0.3 * t) * g / (math.sqrt(total) + 1e-10)
    yield


def adadelta(x):
    s = u = 0.0
    for _ in range(STEPS):
        x, g = yield
        s = 0.8 * s + 0.2 * g * g
        d = math.sqrt(u + 1e-3) / math.sqrt(s + 1e-3) * g
        u = 0.8 * u + 0.2 * d * d
        yield x - 2.0 * d
    yield


def rmsprop(x):
    s = m = b = 0.0
    for _ in range(STEPS):
        x, g = yield
        s, m = 0.9 * s + 0.1 * g * g, 0.9 * m + 0.1 * g
        b = 0.5 * b + g / (math.sqrt(s - m * m) + 1e-4)
        yield x - 0.1 * b
    yield


def adamax(x):
    m = u = 0.0
    for t in range(1, STEPS + 1):
        x, g = yield
        m, u = 0.8 * m + 0.2 * g, max(0.9 * u, abs(g) + 1e-8)
        yield x - 0.1 / (1 - 0.8**t) * m / u
    yield


def nadam(x):
    m = v = 0.0
    product = 1.0
    for t in range(1, STEPS + 1):
        x, g = yield
        m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g * g
        now, later = (0.8 * (1 - 0.5 * 0.96 ** (i * 0.1)) for i in (t, t + 1))
        product *= now
        hat = (1 - now) / (1 - product) * g + later / (1 - product * later) * m
        yield x - 0.1 * hat / (math.sqrt(v / (1 - 0.9**t)) + 1e-8)
    yield


def radam(x):
    m = v = 0.0
    longest = 2 / (1 - 0.9) - 1
    for t in range(1, STEPS + 1):
        x, g = yield
        x *= 1 - 0.1 * 0.2
        m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g * g
        step, bias = m / (1 - 0.8**t), 1 - 0.9**t
        length = longest - 2 * t * 0.9**t / bias
        if length > 5:
            top = (length - 4) * (length - 2) * longest
            step *= math.sqrt(top / ((longest - 4) * (longest - 2) * length))
            step /= (math.sqrt(v) + 1e-8) / math.sqrt(bias)
        yield x - 0.1 * step
    yield


def asgd(x):
    for t in range(STEPS):
        x, g = yield
        rate = 0.1 / (1 + 0.5 * 0.1 * t) ** 0.75
        yield x * (1 - 0.5 * rate) - rate * g
    yield


def rprop(x):
    step, before = 0.1, 0.0
    for _ in range(STEPS):
        x, g = yield
        step *= 1.2 if g * before > 0 else 0.5 if g * before < 0 else 1
        step = min(max(step, 0.01), 0.15)
        g = 0.0 if g * before < 0 else g
        before = g
        yield x - step * np.sign(g)
    yield


def lion(x):
    m = 0.0
    for _ in range(STEPS):
        x, g = yield
        move = np.sign(0.8 * m + 0.2 * g)
        m = 0.9 * m + 0.1 * g
        yield x - 0.1 * (move + 0.2 * x)
    yield


def adafactor(x):
    v = 0.0
    for t in range(1, STEPS + 1):
        x, g = yield
        share = t**-0.8
        rate = max(1e-3, abs(x)) * min(0.4, 1 / math.sqrt(t))
        x *= 1 - 0.4 * 0.1
        v = (1 - share) * v + share * g * g
        move = g / math.sqrt(v)
        yield x - rate * move / max(1, abs(move) / 1.5)
    yield


BETAS = {"lr": 0.1, "betas": (0.8, 0.9)}
RULES = {
    "Adagrad": (adagrad, {"lr": 0.5, "lr_decay": 0.3, "weight_decay": 0.2}),
    "Adadelta": (adadelta, {"lr": 2.0, "rho": 0.8, "eps": 1e-3}),
    "RMSprop": (rmsprop, {"lr": 0.1, "alpha": 0.9, "eps": 1e-4, "momentum": 0.5}),
    "Adamax": (adamax, BETAS),
    "NAdam": (nadam, {**BETAS, "momentum_decay": 0.1}),
    "RAdam": (radam, {**BETAS, "weight_decay": 0.2, "decoupled_weight_decay": True}),
    "ASGD": (asgd, {"lr": 0.1, "lambd": 0.5}),
    "Rprop": (rprop, {"lr": 0.1, "step_sizes": (0.01, 0.15)}),
    "Lion": (lion, {**BETAS, "weight_decay": 0.2}),
    "Adafactor": (adafactor, {"lr": 0.4, "d": 1.5, "weight_decay": 0.1}),
}
RULES["Adagrad"][1]["initial_accumulator_value"] = 0.1
RULES["RMSprop"][1]["centered"] = True


@pytest.fixture(autouse=True)
def double():
    """Numbers of the state (NAdam's product, ASGD's rate) are kept in the default dtype."""
    tg.set_default_dtype(tg.float64)
    yield
    tg.set_default_dtype(tg.float32)


def run(name, options, start, sign=1, dtype=np.float64, steps=STEPS):
    parameter = tg.tensor(np.asarray(start, dtype), requires_grad=True)
    optimizer = getattr(optim, name)([parameter], **options)
    found = []
    for t in range(steps):
        x = parameter.detach().numpy()
        slopes = 0.3 * x + np.cos(3 * x + t)
        parameter.grad = tg.tensor(np.asarray(sign * slopes, dtype))
        optimizer.step()
        found.append(parameter.detach().numpy().copy())
    return found, optimizer, parameter


@pytest.mark.parametrize("name", RULES)
def test_the_formula(name):
    rule, options = RULES[name]
    expected = path(rule)
    for start in (0.7, [0.7], [0.7, -0.2]):
        found, _, _ = run(name, options, start)
        np.testing.assert_allclose([np.ravel(x)[0] for x in found], expected, rtol=1e-12)
        if np.ndim(start) and name == "Adafactor":
            break  # its steps depend on the whole parameter


@pytest.mark.parametrize("name", [*RULES, "SGD", "Adam", "AdamW"])
def test_maximizing_is_minimizing_the_negative(name):
    options = {**RULES[name][1]} if name in RULES else {"lr": 0.1}
    up, _, _ = run(name, {**options, "maximize": True}, [[0.7, -0.2]], sign=-1)
    down, _, _ = run(name, options, [[0.7, -0.2]])
    np.testing.assert_array_equal(up, down)


@pytest.mark.parametrize("name", [*RULES, "SGD", "Adam", "AdamW", "Muon"])
def test_single_precision_stays_single(name):
    options = RULES[name][1] if name in RULES else {}
    start = [[0.7, -0.2], [0.1, 0.3]]
    exact, _, _ = run(name, options, start)
    tg.set_default_dtype(tg.float32)
    found, optimizer, parameter = run(name, options, start, dtype=np.float32)
    assert parameter.dtype == tg.float32
    for value in optimizer.state_dict()["state"].get(0, {}).values():
        assert value.dtype == tg.float32
    np.testing.assert_allclose(found, exact, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("name", [*RULES, "Muon"])
def test_a_state_dict_continues_the_path(name):
    options = RULES[name][1] if name in RULES else {}
    whole, _, _ = run(name, options, [[0.7, -0.2]])
    _, first, parameter = run(name, options, [[0.7, -0.2]], steps=4)
    second = getattr(optim, name)([parameter])
    second.load_state_dict(first.state_dict())
    for t in range(4, STEPS):
        x = parameter.detach().numpy()
        parameter.grad = tg.tensor(0.3 * x + np.cos(3 * x + t))
        second.step()
        np.testing.assert_array_equal(x, whole[t])


def test_the_average_of_asgd():
    found, optimizer, parameter = run("ASGD", {"lr": 0.1, "t0": 3}, [0.7])
    np.testing.assert_allclose(optimizer.state[parameter]["ax"], np.mean(found[4:], 0), rtol=1e-12)


def test_adafactor_factors_a_matrix():
    g = np.outer([1.0, 2.0, 3.0], [0.5, 0.25])  # of rank 1: the factors say all
    p = tg.ones(3, 2, requires_grad=True)
    p.grad = tg.tensor(g)
    optimizer = optim.Adafactor([p], lr=0.1)
    optimizer.step()
    np.testing.assert_allclose(p.detach().numpy(), np.full((3, 2), 0.9), rtol=1e-12)
    assert optimizer.state[p]["row_var"].shape == (3, 1)
    assert optimizer.state[p]["col_var"].shape == (1, 2)


@pytest.mark.parametrize("shape", [(4, 6), (6, 4)])
@pytest.mark.parametrize("rate", [None, "match_rms_adamw", "spectral_unclamped"])
def test_muon_moves_by_an_orthogonal_matrix(shape, rate):
    p = tg.zeros(*shape, requires_grad=True)
    p.grad = tg.tensor(np.random.default_rng(0).standard_normal(shape))
    optim.Muon([p], lr=1.0, adjust_lr_fn=rate).step()
    rows, columns = shape
    scale = {None: max(1, rows / columns) ** 0.5, "match_rms_adamw": 0.2 * 6**0.5}.get(
        rate, (rows / columns) ** 0.5
    )
    singular = np.linalg.svd(p.detach().numpy() / scale, compute_uv=False)
    assert singular.min() > 0.6
    assert singular.max() < 1.3
    assert (np.sign(np.diag(p.detach().numpy() @ p.grad.numpy().T)) == -1).all()


# ---- L-BFGS --------------------------------------------------------------------------------------


def rosenbrock(p):
    return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2


@pytest.mark.parametrize("maximize", [False, True])
def test_lbfgs_finds_the_bottom_of_a_valley(maximize):
    p = tg.tensor([-1.2, 1.0], requires_grad=True)
    optimizer = optim.LBFGS(
        [p],
        max_iter=60,
        tolerance_change=1e-15,
        history_size=5,
        line_search_fn="strong_wolfe",
        maximize=maximize,
    )

    def closure():
        optimizer.zero_grad()
        loss = -rosenbrock(p) if maximize else rosenbrock(p)
        loss.backward()
        return loss

    first = optimizer.step(closure)
    assert abs(first.item()) == pytest.approx(24.2)
    np.testing.assert_allclose(p.detach().numpy(), [1, 1], atol=1e-6)
    assert optimizer.state[p]["func_evals"] < 75
    assert len(optimizer.state[p]["old_dirs"]) == 5


def test_lbfgs_solves_a_quadratic_without_a_line_search():
    a = np.diag([1.0, 4.0, 9.0])
    p = tg.tensor([3.0, -2.0, 1.0], requires_grad=True)
    q = tg.tensor([[1.0]], requires_grad=True)  # has no gradient: counts as 0
    optimizer = optim.LBFGS([p, q], lr=0.5, max_iter=40)

    def closure():
        optimizer.zero_grad()
        loss = (p * (tg.tensor(a) @ p)).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    np.testing.assert_allclose(p.detach().numpy(), 0, atol=1e-4)
    assert q.item() == 1


def test_the_first_step_of_lbfgs_is_no_longer_than_its_rate():
    p = tg.tensor([3.0, -2.0], requires_grad=True)
    optimizer = optim.LBFGS([p], lr=0.5, max_iter=1)

    def closure():
        p.grad = tg.tensor([6.0, -4.0])
        return tg.tensor(13.0)

    optimizer.step(closure)
    np.testing.assert_allclose(p.detach().numpy(), [3 - 0.3, -2 + 0.2], rtol=1e-12)


@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 30.0])
@pytest.mark.parametrize("curve", range(3))
def test_a_line_search_ends_where_it_should(curve, first):
    value, slope = [
        (lambda t: (t - 2) ** 4 + t**2, lambda t: 4 * (t - 2) ** 3 + 2 * t),
        (lambda t: math.cos(3 * t) - t + 0.1 * t**2, lambda t: -3 * math.sin(3 * t) - 1 + 0.2 * t),
        (lambda t: -t / (t * t + 2), lambda t: (t * t - 2) / (t * t + 2) ** 2),
    ][curve]

    def at(t):
        return Point(t, value(t), np.array([slope(t)]), slope(t))

    found, calls = strong_wolfe(at, at(0.0), first, 1.0, 25)
    assert calls <= 26
    assert found.loss <= value(0) + 1e-4 * found.t * slope(0)
    assert abs(found.slope) <= 0.9 * abs(slope(0))


def test_lbfgs_continues_from_a_state_dict():
    def made(values):
        p = tg.tensor(values, requires_grad=True)
        optimizer = optim.LBFGS([p], lr=0.1, max_iter=3)

        def closure():
            optimizer.zero_grad()
            loss = rosenbrock(p)
            loss.backward()
            return loss

        return p, optimizer, closure

    p, one, closure = made([-1.2, 1.0])
    one.step(closure)
    q, two, other = made(p.detach().numpy())
    two.load_state_dict(one.state_dict())
    one.step(closure)
    two.step(other)
    np.testing.assert_array_equal(p.detach().numpy(), q.detach().numpy())


# ---- what all have in common ---------------------------------------------------------------------


def test_hooks_see_every_step_and_every_state_dict():
    p = tg.tensor([1.0], requires_grad=True)
    p.grad = tg.tensor([1.0])
    optimizer, seen = optim.SGD([p], 0.1, momentum=0.9), []
    handles = [
        optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append("before")),
        optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append("after")),
        optimizer.register_state_dict_pre_hook(lambda o: seen.append("save")),
        optimizer.register_state_dict_post_hook(lambda o, state: {**state, "extra": 1}),
        optimizer.register_load_state_dict_pre_hook(lambda o, state: seen.append("load")),
        optimizer.register_load_state_dict_post_hook(lambda o: seen.append("loaded")),
    ]
    optimizer.step()
    state = optimizer.state_dict()
    optimizer.load_state_dict(state)
    assert seen == ["before", "after", "save", "load", "loaded"]
    assert state["extra"] == 1
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert len(seen) == 5
    optimizer.register_step_pre_hook(lambda o, args, kwargs: ((lambda: 7,), {}))
    assert optimizer.step() == 7


def test_names_of_parameters_and_tensors_as_rates():
    p, q = (tg.tensor([1.0], requires_grad=True) for _ in range(2))
    optimizer = optim.SGD([("p", p), ("q", q)], lr=tg.tensor(0.25))
    assert optimizer.param_groups[0]["param_names"] == ["p", "q"]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["p", "q"]
    p.grad = tg.tensor([2.0])
    optimizer.step()
    assert (p.item(), q.item()) == (0.5, 1)
    assert "lr: 0.25" in repr(optim.SGD([p], 0.25))


def test_complex_parameters_move_as_pairs_of_numbers():
    z = np.array([1 + 2j, -0.5 + 0.3j])
    p = tg.from_numpy(z.copy()).requires_grad_()
    q = tg.from_numpy(np.stack([z.real, z.imag], -1)).requires_grad_()
    one, two = optim.Adam([p], 0.1), optim.Adam([q], 0.1)
    for t in range(3):
        slopes = z * (t + 1)
        p.grad = tg.from_numpy(slopes)
        q.grad = tg.from_numpy(np.stack([slopes.real, slopes.imag], -1))
        one.step()
        two.step()
    found = p.detach().numpy()
    np.testing.assert_array_equal(np.stack([found.real, found.imag], -1), q.detach().numpy())


def test_bad_options():
    p = tg.tensor([[1.0]], requires_grad=True)
    v = tg.tensor([1.0], requires_grad=True)
    for make, message in [
        (lambda: optim.Adadelta([p], rho=1.5), "invalid rho: 1.5 .* <= 1"),
        (lambda: optim.Adagrad([p], lr_decay=-1), "invalid lr_decay"),
        (lambda: optim.RMSprop([p], alpha=-0.1), "invalid alpha"),
        (lambda: optim.Rprop([p], etas=(1.5, 2)), "invalid etas"),
        (lambda: optim.NAdam([p], momentum_decay=-1), "invalid momentum_decay"),
        (lambda: optim.RAdam([p], betas=(0.9, 1)), "index 1"),
        (lambda: optim.Adafactor([p], d=0.5), "invalid d"),
        (lambda: optim.Muon([v]), "only matrices"),
        (lambda: optim.Muon([p], adjust_lr_fn="big"), "'big'"),
        (lambda: optim.Lion([p], betas=(2, 0)), "index 0"),
        (lambda: optim.LBFGS([{"params": [p]}, {"params": [v]}]), "groups"),
        (lambda: optim.LBFGS([p], line_search_fn="armijo"), "strong_wolfe"),
        (lambda: optim.LBFGS([p]).step(), "closure"),
        (lambda: optim.Adam([p], differentiable=True), "differentiable=True"),
    ]:
        with pytest.raises(ValueError, match=message):
            make()
