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


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [case for case in CASES if case.values[0] not in ("Muon", "LBFGS")],  # bfloat16; scratch
)
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
