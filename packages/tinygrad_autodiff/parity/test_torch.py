"""Random numbers, initial values, second passes and promotion, as PyTorch has them.

What the operations compute is compared by the scoreboard, on torch's samples; modules, optimizers
and whole runs have files of their own. Run by ``uv run nox -s parity``; without torch these fail at
import, so that nothing counts as passed that was not compared.
"""

import itertools

import numpy as np
import pytest
import tinygrad_autodiff as tg
import torch


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
    found = []
    for library in (torch, tg):
        x = library.ones(1, requires_grad=True)
        y = step(x)
        y.backward(library.ones_like(y))
        y.backward(library.ones_like(y))
        found.append(x.grad.tolist())
    assert found == [[2.0], [2.0]]  # both passes are added up


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


@pytest.mark.parametrize("kind", ["numbers", "tensors", "low", "high", "clamp_min", "clamp_max"])
def test_clamp_on_and_beyond_its_bounds(kind):
    values = np.array(list(itertools.product((0.0, 1.0, 2.0), repeat=3)))
    found = []
    for library in (tg, torch):
        made = [library.tensor(v.copy(), requires_grad=True) for v in values.T]
        x, low, high = made
        if kind == "numbers":
            made = [x]
            out = library.clamp(x, 0.0, 1.0) + library.clamp(x, 1.0, 1.0) * 3.0
            out = out + library.clamp(x, min=1.0) * 7.0 + library.clamp_max(x, 1.0) * 11.0
        else:
            bounds = {"tensors": (low, high), "low": (low, None), "high": (None, high)}
            one = low if kind == "clamp_min" else high
            out = (
                library.clamp(x, *bounds[kind])
                if kind in bounds
                else getattr(library, kind)(x, one)
            )
            made = [v for v in made if v is x or any(v is b for b in bounds.get(kind, (one,)))]
        out.sum().backward()
        found.append([np.asarray(v.grad) for v in made])
    np.testing.assert_array_equal(*found)
