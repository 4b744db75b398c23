"""The ops' samples through torch: equal values, gradients and dtypes; whole runs lie on torch's.

Run by ``pytest packages/tinygrad_autodiff/parity`` where torch is installed; without torch this
fails at import, so that nothing counts as passed that was not compared.
"""

import numpy as np
import pytest
import tinygrad_autodiff as tg
import torch
from tinygrad_autodiff import autograd
from tinygrad_autodiff.registry import OPS

# Ops that exist only inside the package, as adjoints of others.
OWN = {"masked", "sum_to_size", "euclidean_norm", "constant_pad", "alias", "zeros_like", "add_at"}
OWN |= {"batched_product", "getitem", "to", "slice", "broadcast_shapes", "bernoulli", "_chunk_cat"}
OWN |= {"histogramdd"}  # returns a tuple in a tuple; see the scoreboard
OWN |= {"index_reduce"}  # warns in torch
OWN |= {"hardsigmoid"}  # torch rounds 1/6 to single precision in its gradient
OWN |= {"as_strided_scatter"}  # torch's gradient keeps what src overwrites
OWN |= {cls.name for cls in OPS.values() if not cls.spaces}


def theirs(cls):
    """torch's function for an op, by the name and place that it has here."""
    for space in cls.spaces:
        if space == "Tensor":
            return getattr(torch.Tensor, cls.name)
        place = torch
        for part in filter(None, space.split(".")):
            place = getattr(place, part)
        if hasattr(place, cls.name):
            return getattr(place, cls.name)
    raise AssertionError(f"torch has no {cls.name}")


def convert(value, make):
    if isinstance(value, np.ndarray | np.generic):
        return make(np.asarray(value))
    if isinstance(value, list) and value and isinstance(value[0], np.ndarray):
        return [make(v) for v in value]
    return value


class Leaves:
    """Makes leaves of a library out of a sample's arrays, and remembers them."""

    def __init__(self, make, dtype):
        self.make, self.dtype, self.made = make, dtype, []

    def __call__(self, array):
        if array.dtype != np.float64:
            return self.make(array, False)
        leaf = self.make(array.astype(self.dtype), True)
        self.made.append(leaf)
        return leaf


def run(function, sample, make, dtype, grad, ones):
    leaves = Leaves(make, dtype)
    args = [convert(value, leaves) for value in sample.args]
    kwargs = {key: convert(value, leaves) for key, value in sample.kwargs.items()}
    result = function(*args, **kwargs)
    outs = list(result) if isinstance(result, tuple | list) else [result]
    used = [out for out in outs if out.requires_grad]
    grads = grad(used, leaves.made, [ones(out) for out in used]) if used else []
    return outs, grads


def seed(out):
    return np.random.default_rng(0).uniform(0.5, 1, tuple(out.shape))


# Forms that torch does not take: numbers for tensors, one int for a tuple, unpacked sizes.
MORE_THAN_TORCH = {"minimum-6", "maximum-6", "logical_and-6", "logical_or-6", "logical_xor-6"}
MORE_THAN_TORCH |= {"flip-1", "reshape-3", "permute-1"}

CASES = [
    pytest.param(cls, sample, id=f"{cls.name}-{i}")
    for cls in OPS.values()
    if cls.name not in OWN
    for i, sample in enumerate(cls.samples())
    if f"{cls.name}-{i}" not in MORE_THAN_TORCH
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(("cls", "sample"), CASES)
def test_op(cls, sample, dtype):
    if cls.name == "cross_entropy" and any(a.dtype == np.float32 for a in sample.args[2:]):
        sample = sample._replace(args=(*sample.args[:2], sample.args[2].astype(dtype)))
    if cls.name == "nll_loss" and len(sample.args) == 3:
        sample = sample._replace(args=(*sample.args[:2], sample.args[2].astype(dtype)))
    weight_is_leaf = dtype == np.float64 and cls.name in ("cross_entropy", "nll_loss")

    def mine(array, leaf):
        return tg.tensor(array, requires_grad=leaf)

    def other(array, leaf):
        return torch.tensor(array, requires_grad=leaf)

    if weight_is_leaf and len(sample.args) > 2:
        pytest.fail("unexpected") if sample.args[2].ndim != 1 else None
        weight = sample.args[2]
        sample = sample._replace(args=sample.args[:2])
        ours_f = lambda *a, **k: cls.call(*a, weight=tg.tensor(weight), **k)  # noqa: E731
        theirs_f = lambda *a, **k: theirs(cls)(*a, weight=torch.tensor(weight), **k)  # noqa: E731
    else:
        ours_f, theirs_f = cls.call, theirs(cls)
    ours = run(
        ours_f,
        sample,
        mine,
        dtype,
        lambda o, i, s: autograd.grad(o, i, s, materialize_grads=True),
        lambda out: tg.tensor(seed(out).astype(out.dtype)),
    )
    expected = run(
        theirs_f,
        sample,
        other,
        dtype,
        lambda o, i, s: torch.autograd.grad(o, i, s, materialize_grads=True),
        lambda out: torch.tensor(seed(out)).to(out.dtype),
    )
    tolerance = 2e-5 if dtype == np.float32 else 1e-11
    for found, wanted in zip(ours, expected, strict=True):
        for a, b in zip(found, wanted, strict=True):
            left, right = np.asarray(a), b.detach().numpy()
            assert left.dtype == right.dtype
            assert left.shape == right.shape
            np.testing.assert_allclose(left, right, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("count", [1, 5, 15, 16, 17, 100, 1000])
def test_random_streams(count):
    for name, args in (
        ("rand", (count,)),
        ("randn", (count,)),
        ("randperm", (count,)),
        ("randint", (-5, 12, (count,))),
        ("randint", (0, 2**40, (count,))),
    ):
        torch.manual_seed(count)
        tg.manual_seed(count)
        for _ in range(3):
            wanted, found = getattr(torch, name)(*args).numpy(), getattr(tg, name)(*args).numpy()
            assert wanted.dtype == found.dtype
            if name == "randn":
                np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=3e-7)
            else:
                np.testing.assert_array_equal(found, wanted)
    for p in (0.1, 0.5, 0.9):
        torch.manual_seed(count)
        tg.manual_seed(count)
        wanted = torch.nn.functional.dropout(torch.ones(count), p).numpy()
        np.testing.assert_array_equal(tg.nn.functional.dropout(tg.ones(count), p).numpy(), wanted)
        wanted = torch.bernoulli(torch.full((count,), p)).numpy()
        np.testing.assert_array_equal(tg.bernoulli(tg.full((count,), p)).numpy(), wanted)


@pytest.mark.parametrize("sizes", [(3, 2), (64, 32), (784, 100), (100, 1)])
def test_linear_starts_bit_equal(sizes):
    torch.manual_seed(1)
    tg.manual_seed(1)
    wanted, found = torch.nn.Linear(*sizes), tg.nn.Linear(*sizes)
    for name, value in found.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), wanted.state_dict()[name].numpy())


@pytest.mark.parametrize(
    "init",
    ["xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_", "normal_"],
)
def test_init(init):
    torch.manual_seed(1)
    tg.manual_seed(1)
    wanted = getattr(torch.nn.init, init)(torch.empty(40, 30))
    found = getattr(tg.nn.init, init)(tg.empty(40, 30))
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=2e-6, atol=1e-7)


OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3}),
    ("Adam", {"lr": 1e-2}),
    ("Adam", {"lr": 1e-2, "weight_decay": 1e-2, "amsgrad": True}),
    ("AdamW", {"lr": 1e-2, "weight_decay": 0.1}),
]


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_a_hundred_steps_in_float64_lie_on_torchs(name, options):
    losses = []
    for library in (torch, tg):
        library.manual_seed(0)
        nn = library.nn
        model = nn.Sequential(
            nn.Linear(8, 16),
            nn.GELU(),
            nn.Dropout(0.2),
            nn.Linear(16, 16),
            nn.Tanh(),
            nn.Linear(16, 4),
        ).double()
        optimizer = getattr(library.optim, name)(model.parameters(), **options)
        random = np.random.default_rng(0)
        x = library.tensor(random.standard_normal((32, 8)))
        y = library.tensor(random.integers(0, 4, 32))
        run = []
        for _ in range(100):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y, label_smoothing=0.1)
            loss.backward()
            optimizer.step()
            run.append(loss.item())
        losses.append(run)
    np.testing.assert_allclose(losses[1], losses[0], rtol=0, atol=1e-8)
    assert losses[0][-1] < losses[0][0]


@pytest.mark.parametrize(
    "step",
    [
        lambda x: (x + 1).sum(),
        lambda x: x.sum(),
        lambda x: x.view(1, -1).T.sum(),
        lambda x: x[0],
        lambda x: x.mean(),
    ],
)
def test_what_runs_twice_in_torch_runs_twice_here(step):
    for library in (torch, tg):
        y = step(library.ones(1, requires_grad=True))
        y.backward(library.ones_like(y))
        y.backward(library.ones_like(y))


@pytest.mark.parametrize(
    "step",
    [
        lambda x: (x * x).sum(),
        lambda x: (x * 2.0).sum(),
        lambda x: x.exp(),
        lambda x: x.softmax(0).sum(),
        lambda x: x @ x,
    ],
)
def test_what_fails_the_second_time_in_torch_fails_here(step):
    for library in (torch, tg):
        y = step(library.ones(1, requires_grad=True))
        y.backward(library.ones_like(y))
        with pytest.raises(RuntimeError, match="second time"):
            y.backward(library.ones_like(y))


TYPES = ["float16", "float32", "float64", "int32", "int64", "uint8", "int8", "bool"]


@pytest.mark.parametrize("first", TYPES)
@pytest.mark.parametrize("second", [*TYPES, 2, 1.5, True])
@pytest.mark.parametrize("zero_d", ["neither", "first", "second"])
def test_promotion(first, second, zero_d):
    results = []
    for library in (torch, tg):
        kinds = {"bool": getattr(library, "bool_", None) or library.bool}
        a = library.ones(
            () if zero_d == "first" else 3, dtype=kinds.get(first) or getattr(library, first)
        )
        if isinstance(second, str):
            kind = kinds.get(second) or getattr(library, second)
            b = library.ones(() if zero_d == "second" else 3, dtype=kind)
        else:
            b = second
        results.append([str((a * b).dtype), str((a / b).dtype), str((a < b).dtype)])
    assert [name.removeprefix("torch.") for name in results[0]] == results[1]
