"""torch's own configurations of its optimizers: twenty steps from the same start, in float64.

Both libraries get the same gradients, computed from their own parameters by NumPy, so that any
difference is the optimizer's. Schedulers are compared by the learning rates they set.
"""

import warnings

import numpy as np
import pytest
import tinygrad_autodiff as tg
import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of packages that torch's test suite would like to have
    from torch.testing._internal.common_optimizers import optim_db

STEPS = 20
SHAPES = {"Muon": ((4, 3), (3, 4))}


@pytest.fixture(autouse=True)
def double():
    """torch keeps some numbers of the state in the default dtype."""
    torch.set_default_dtype(torch.float64)
    tg.set_default_dtype(tg.float64)
    yield
    torch.set_default_dtype(torch.float32)
    tg.set_default_dtype(tg.float32)


CASES = [
    pytest.param(info.optim_cls.__name__, given.kwargs, id=f"{info.name}-{given.desc}")
    for info in optim_db
    if not info.only_supports_sparse_grads
    for given in info.optim_inputs_func(device="cpu")
]


def problem(values, step):
    """Loss and gradients of a function with curvature and a kink of its slope."""
    loss, slopes = 0.0, []
    for i, x in enumerate(values):
        place = np.linspace(-1, 1, x.size).reshape(x.shape)
        loss += float((0.5 * (x - place) ** 2 + np.cos(3 * x + i + 0.1 * step)).sum())
        slopes.append(np.asarray(x - place - 3 * np.sin(3 * x + i + 0.1 * step)))
    return loss, slopes


class Run:
    """An optimizer of one library on parameters of its own."""

    def __init__(self, library, name, kwargs, shapes):
        self.library, self.step = library, 0
        random = np.random.default_rng(0)
        self.values = [np.asarray(random.uniform(-1, 1, shape)) for shape in shapes]
        make = torch.from_numpy if library is torch else tg.from_numpy
        self.make = make
        self.parameters = [make(v).requires_grad_() for v in self.values]
        kwargs = {k: self.number(v) for k, v in kwargs.items()}
        self.optimizer = getattr(library.optim, name)(self.parameters, **kwargs)
        self.fixed = name == "LBFGS"  # evaluates several times a step, and to the end
        self.sign = -1 if self.fixed and kwargs.get("maximize") else 1

    def number(self, value):
        if not isinstance(value, torch.Tensor):
            return value
        value = value.double()  # torch rounds all that it computes from it to its dtype
        return value if self.library is torch else tg.tensor(value.numpy())

    def closure(self):
        values = [p.detach().numpy() for p in self.parameters]
        loss, slopes = problem(values, 0 if self.fixed else self.step)
        for parameter, slope in zip(self.parameters, slopes, strict=True):
            parameter.grad = self.make(np.asarray(self.sign * slope))
        return self.make(np.array(self.sign * loss))

    def advance(self):
        if self.fixed:
            self.optimizer.step(self.closure)
        else:
            self.closure()
            self.optimizer.step()
        self.step += 1
        return np.concatenate([p.detach().numpy().reshape(-1) for p in self.parameters])


@pytest.mark.parametrize(("name", "kwargs"), CASES)
def test_twenty_steps(name, kwargs, monkeypatch):
    if name == "Muon":  # torch orthogonalizes in bfloat16, which NumPy does not have
        original = torch.Tensor.to

        def exact(self, *args, **given):
            if given.get("dtype") is torch.bfloat16:
                given["dtype"] = self.dtype
            return original(self, *args, **given)

        monkeypatch.setattr(torch.Tensor, "to", exact)
    shapes = SHAPES.get(name, ((3, 4), (5,), ()))
    mine, theirs = (Run(library, name, kwargs, shapes) for library in (tg, torch))
    # A change of one ulp at the start grows to 1e-9 in the 400 iterations of L-BFGS.
    close = 1e-8 if name == "LBFGS" else 1e-10
    for _ in range(STEPS):
        np.testing.assert_allclose(mine.advance(), theirs.advance(), rtol=close, atol=close / 10)
    own, other = mine.optimizer.state_dict(), theirs.optimizer.state_dict()
    for a, b in zip(own["param_groups"], other["param_groups"], strict=True):
        assert set(a) == set(b)
    for i, state in other["state"].items():
        for key, value in state.items():
            if key != "al":  # scratch memory of torch's L-BFGS
                compare(own["state"][i][key], value)


def compare(mine, theirs):
    if isinstance(theirs, list):
        for a, b in zip(mine, theirs, strict=True):
            compare(a, b)
        return
    if isinstance(theirs, torch.Tensor):
        theirs, mine = theirs.numpy(), np.asarray(mine)
        assert mine.dtype == theirs.dtype
    np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-9)


def converted(value):
    """A state dict with torch's tensors as this library's."""
    if isinstance(value, dict):
        return {k: converted(v) for k, v in value.items()}
    if isinstance(value, list):
        return [converted(v) for v in value]
    return tg.tensor(value.numpy()) if isinstance(value, torch.Tensor) else value


CONTINUED = [case for case in CASES if case.values[0] not in ("Muon", "LBFGS")]  # bfloat16; scratch


@pytest.mark.parametrize(("name", "kwargs"), CONTINUED)
def test_a_state_dict_of_torch_is_continued(name, kwargs):
    shapes = ((3, 4), (5,))
    theirs = Run(torch, name, kwargs, shapes)
    for _ in range(5):
        theirs.advance()
    mine = Run(tg, name, kwargs, shapes)
    with tg.no_grad():
        for own, other in zip(mine.parameters, theirs.parameters, strict=True):
            own.copy_(tg.from_numpy(other.detach().numpy()))
    state = converted(theirs.optimizer.state_dict())
    mine.optimizer.load_state_dict(state)
    mine.step = theirs.step
    for _ in range(5):
        np.testing.assert_allclose(mine.advance(), theirs.advance(), rtol=1e-10, atol=1e-11)


# ---- schedulers ----------------------------------------------------------------------------------

SCHEDULES = {
    "lambda": lambda s, o: s.LambdaLR(o, lambda epoch: 0.9**epoch),
    "lambdas": lambda s, o: s.LambdaLR(o, [lambda e: 1 / (1 + e), lambda e: 0.5 + 0.1 * e]),
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, lambda epoch: 0.9 + 0.01 * epoch),
    "step": lambda s, o: s.StepLR(o, 3),
    "multistep": lambda s, o: s.MultiStepLR(o, [2, 5, 5, 11], 0.5),
    "constant": lambda s, o: s.ConstantLR(o, 0.5, 4),
    "linear": lambda s, o: s.LinearLR(o, 0.1, 0.7, 6),
    "linear down": lambda s, o: s.LinearLR(o, 1.0, 0.0, 6),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.8),
    "polynomial": lambda s, o: s.PolynomialLR(o, 7, 2.0),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 6, 0.01),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 4, 1, 0.001),
    "longer restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 2),
    "cyclic": lambda s, o: s.CyclicLR(o, 0.01, 0.2, 4),
    "cyclic, uneven": lambda s, o: s.CyclicLR(o, [0.01, 0.02], 0.2, 4, 7, "triangular2"),
    "cyclic, shrinking": lambda s, o: s.CyclicLR(o, 0.01, 0.2, 3, mode="exp_range", gamma=0.9),
    "cyclic, own": lambda s, o: s.CyclicLR(
        o, 0.01, 0.2, 3, scale_fn=lambda x: 1 / x, cycle_momentum=False
    ),
    "one cycle": lambda s, o: s.OneCycleLR(o, 0.3, 25),
    "one cycle, lines": lambda s, o: s.OneCycleLR(
        o, [0.3, 0.2], epochs=5, steps_per_epoch=5, anneal_strategy="linear", three_phase=True
    ),
    "sequential": lambda s, o: s.SequentialLR(
        o,
        [s.LinearLR(o, 0.1, 1.0, 4), s.ExponentialLR(o, 0.9), s.CosineAnnealingLR(o, 5)],
        [4, 9],
    ),
    "sequential, absolute": lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.1, 2), s.LambdaLR(o, lambda e: 0.9**e), s.StepLR(o, 2)], [3, 6]
    ),
    "chained": lambda s, o: s.ChainedScheduler(
        [s.ConstantLR(o, 0.1, 2), s.ExponentialLR(o, 0.9), s.StepLR(o, 4)]
    ),
}


def two_groups(library, adam):
    parameters = [library.ones(2, requires_grad=True) for _ in range(2)]
    groups = [{"params": [parameters[0]], "lr": 0.1}, {"params": [parameters[1]], "lr": 0.5}]
    if adam:
        return library.optim.Adam(groups, lr=0.1)
    return library.optim.SGD(groups, lr=0.1, momentum=0.9)


def followed(library, make, adam, steps=25, resume=None):
    """Rates and momenta of both groups over the steps."""
    optimizer = two_groups(library, adam)
    scheduler = make(library.optim.lr_scheduler, optimizer)
    path = []
    for step in range(steps):
        path += [group["lr"] for group in optimizer.param_groups]
        path += [g["betas"][0] if adam else g["momentum"] for g in optimizer.param_groups]
        path += scheduler.get_last_lr()
        if step == resume:
            states = optimizer.state_dict(), scheduler.state_dict()
            optimizer = two_groups(library, adam)
            scheduler = make(library.optim.lr_scheduler, optimizer)
            optimizer.load_state_dict(states[0])
            scheduler.load_state_dict(states[1])
        optimizer.step()
        scheduler.step()
    return path


@pytest.mark.parametrize("adam", [False, True], ids=["momentum", "betas"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_and_momenta(name, adam):
    make = SCHEDULES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = followed(torch, make, adam)
    np.testing.assert_allclose(followed(tg, make, adam), expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(followed(tg, make, adam, resume=7), expected, rtol=1e-12, atol=1e-15)


RESUMED = {
    "step": lambda s, o: s.StepLR(o, 3, last_epoch=5),
    "multistep": lambda s, o: s.MultiStepLR(o, [6, 8], last_epoch=5),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.9, last_epoch=5),
    "linear": lambda s, o: s.LinearLR(o, 0.5, 1.0, 9, last_epoch=5),
    "polynomial": lambda s, o: s.PolynomialLR(o, 9, last_epoch=5),
    "constant": lambda s, o: s.ConstantLR(o, 0.5, 6, last_epoch=5),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 9, last_epoch=5),
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, lambda e: 0.9, last_epoch=5),
}


@pytest.mark.parametrize("name", RESUMED)
def test_from_a_later_epoch(name):
    def resumed(schedulers, optimizer):
        for group in optimizer.param_groups:
            group["initial_lr"], group["lr"] = group["lr"], group["lr"] / 2
        return RESUMED[name](schedulers, optimizer)

    expected = followed(torch, resumed, False, 8)
    np.testing.assert_allclose(followed(tg, resumed, False, 8), expected, rtol=1e-12)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
def test_plateaus(mode, threshold_mode):
    measures = np.random.default_rng(0).uniform(0.5, 1, 60) + 1 / np.arange(1, 61)
    paths = []
    for library in (tg, torch):
        optimizer = two_groups(library, False)
        scheduler = library.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, mode, 0.5, 2, 0.01, threshold_mode, 1, [0.01, 0.02]
        )
        path = []
        for measure in measures:
            scheduler.step(measure)
            path += scheduler.get_last_lr()
        paths.append(path)
    np.testing.assert_allclose(*paths, rtol=1e-14)


# ---- clipping and averages -----------------------------------------------------------------------


@pytest.mark.parametrize("order", [1.0, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize("limit", [0.5, 100.0])
def test_gradients_are_clipped(order, limit):
    found = []
    for library in (tg, torch):
        run = Run(library, "SGD", {}, ((3, 4), (5,)))
        run.closure()
        total = library.nn.utils.clip_grad_norm_(run.parameters, limit, order)
        norms = [np.asarray(p.grad).copy() for p in run.parameters]
        library.nn.utils.clip_grad_value_(run.parameters, 0.1)
        found.append([np.asarray(total), *norms, *(np.asarray(p.grad) for p in run.parameters)])
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-13)


@pytest.mark.parametrize(
    "average",
    [
        lambda u: {},
        lambda u: {"multi_avg_fn": u.get_ema_multi_avg_fn(0.9)},
        lambda u: {"avg_fn": u.get_ema_avg_fn(0.9)},
        lambda u: {"avg_fn": u.get_swa_avg_fn(), "use_buffers": True},
    ],
)
def test_models_are_averaged(average):
    found = []
    for library in (tg, torch):
        library.manual_seed(0)
        model = library.nn.Linear(3, 2)
        averaged = library.optim.swa_utils.AveragedModel(model, **average(library.optim.swa_utils))
        for step in range(4):
            with library.no_grad():
                for parameter in model.parameters():
                    parameter.copy_(parameter * (step + 1) - 0.5)
            averaged.update_parameters(model)
        found.append({k: v.numpy() for k, v in averaged.state_dict().items()})
    assert found[0].keys() == found[1].keys()
    for key, value in found[0].items():
        np.testing.assert_allclose(value, found[1][key], rtol=1e-13)
