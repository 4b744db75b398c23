"""Creation and chance beside torch: equal values, dtypes and strides, and streams from one seed."""

import numpy as np
import pytest
import tinygrad_autodiff as tg
import torch

f64 = "float64"

MADE = [
    ("arange", (5,), {}),
    ("arange", (0.5, 3, 0.7), {}),
    ("arange", (5, -2, -3), {"dtype": "int32"}),
    ("arange", (-2.5, 3.7), {"dtype": "int64"}),
    ("linspace", (-3, 10, 50), {}),
    ("linspace", (-3, 10, 7), {"dtype": "int64"}),
    ("linspace", (2.5, 9.9, 4), {"dtype": "int32"}),
    ("linspace", (3, 3, 1), {"dtype": f64}),
    ("logspace", (-3, 3, 13), {"dtype": f64}),
    ("logspace", (0, 4, 5), {"base": 2, "dtype": "int64"}),
    ("eye", (3, 5), {}),
    ("full", ((2, 3), 7), {}),
    ("full", ((2,), True), {}),
    ("tril_indices", (4, 3, -1), {}),
    ("triu_indices", (4, 3, 2), {}),
    ("scalar_tensor", (3,), {"dtype": f64}),
    ("combinations", ("vector", 3), {}),
]


@pytest.mark.parametrize(("name", "arguments", "options"), MADE)
def test_made(name, arguments, options):
    def run(library):
        given = [library.arange(5) if a == "vector" else a for a in arguments]
        named = {k: getattr(library, v) if k == "dtype" else v for k, v in options.items()}
        return getattr(library, name)(*given, **named).numpy()

    found, wanted = run(tg), run(torch)
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    np.testing.assert_allclose(
        found, wanted, rtol=1e-6 if found.dtype == np.float32 else 1e-13, atol=1e-6
    )


FILLS = [
    ("uniform_", (-3, 5)),
    ("uniform_", ()),
    ("normal_", (2, 3)),
    ("log_normal_", (0.5, 0.25)),
    ("exponential_", (1.5,)),
    ("cauchy_", (1, 2)),
    ("geometric_", (0.2,)),
    ("random_", ()),
    ("random_", (100,)),
    ("random_", (-5, 2**33)),
    ("random_", (2**28,)),
]


@pytest.mark.parametrize("shape", [(), (3,), (15,), (4, 4), (7, 11), (100, 10)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("name", "arguments"), FILLS)
def test_fills(name, arguments, dtype, shape):
    if dtype != "float64" and name == "random_" and arguments and arguments[-1] > 1000:
        return
    results = []
    for library in (tg, torch):
        library.manual_seed(3)
        made = library.empty(shape, dtype=getattr(library, dtype))
        results.append([getattr(made, name)(*arguments).numpy().copy() for _ in range(3)])
    exact = name in ("uniform_", "random_", "geometric_")
    loose = {"float16": 1e-3, "float32": 2e-6, "float64": 1e-12}[dtype]
    for found, wanted in zip(*results, strict=True):
        assert found.dtype == wanted.dtype
        if exact:
            np.testing.assert_array_equal(found, wanted)
        else:
            np.testing.assert_allclose(found, wanted, rtol=loose, atol=loose)


@pytest.mark.parametrize("name", ["rand_like", "randn_like", "randint_like"])
@pytest.mark.parametrize("shape", [(3, 4), (2, 3), (5, 2, 4)])
def test_likes_of_transposed_tensors_are_filled_in_the_order_of_memory(name, shape):
    results = []
    for library in (tg, torch):
        library.manual_seed(4)
        like = library.zeros(shape).transpose(0, -1)
        arguments = (9,) if name == "randint_like" else ()
        made = getattr(library, name)(like, *arguments)
        results.append((made.numpy(), getattr(library, name)(library.zeros(shape), *arguments)))
    (found, more), (wanted, others) = results
    assert found.strides == wanted.strides
    np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=3e-7)
    np.testing.assert_allclose(more.numpy(), others.numpy(), rtol=2e-6, atol=3e-7)


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("shape", [(7,), (3, 7)])
def test_multinomial(shape, count, replacement):
    weights = np.random.default_rng(0).uniform(0, 1, shape).astype(np.float32)
    results = []
    for library in (tg, torch):
        library.manual_seed(5)
        given = library.tensor(weights)
        results.append([library.multinomial(given, count, replacement).numpy() for _ in range(4)])
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize(
    "arguments", [((), (3,)), ((2, 3), (3,)), ((20,), 2.0), (1.5, (20,)), (1.0, 2.0, (4, 5))]
)
def test_normal(arguments):
    results = []
    for library in (tg, torch):
        library.manual_seed(6)
        given = [library.ones(a) if isinstance(a, tuple) else a for a in arguments[:2]]
        results.append(library.normal(*given, *arguments[2:]).numpy())
    np.testing.assert_allclose(*results, rtol=2e-6, atol=3e-7)


INDICES = [
    (0, slice(None), [1, 0, 1]),
    (slice(None), [0, 2], 1),
    ([1, 0], slice(None), [0, 3]),
    ([1, 0], 2),
    (..., [0, 3, 3]),
    (None, 1, ..., [2]),
    (slice(None), "mask", 0),
    (1, "mask", [0, 1, 3]),
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_mixed_indices(index):
    values = np.arange(24.0).reshape(2, 3, 4)
    results = []
    for library in (tg, torch):
        x = library.tensor(values, requires_grad=True)
        mask = library.tensor([True, True, False])
        made = tuple(
            mask if p == "mask" else library.tensor(p) if isinstance(p, list) else p for p in index
        )
        if index[1:2] == ("mask",) and isinstance(index[-1], list):
            made = (*made[:-1], library.tensor(index[-1][:2]))
        out = x[made]
        (grad,) = library.autograd.grad((out * out).sum(), x)
        written = library.tensor(values)
        written[made] = -1.0
        results.append((out.detach().numpy(), grad.numpy(), written.numpy()))
    for found, wanted in zip(*results, strict=True):
        np.testing.assert_array_equal(found, wanted)
