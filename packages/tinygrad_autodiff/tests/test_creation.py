"""Tensors from numbers and from chance: sizes, dtypes, places, distributions, bad input."""

import math

import numpy as np
import pytest
import tinygrad_autodiff as tg

i64, f32, f64 = tg.int64, tg.float32, tg.float64


def test_ranges():
    assert tg.arange(0, 1, 0.25).tolist() == [0, 0.25, 0.5, 0.75]
    assert tg.arange(5, 0, -2).tolist() == [5, 3, 1]
    assert tg.arange(tg.tensor(3)).dtype == i64
    assert tg.arange(3.0).dtype == f32
    assert tg.linspace(3, 10, 5).tolist() == [3, 4.75, 6.5, 8.25, 10]
    assert tg.linspace(-10, 10, 6, dtype=i64).tolist() == [-10, -6, -2, 2, 6, 10]
    assert tg.linspace(2, 9, 1).tolist() == [2]
    assert tg.logspace(0, 3, 4, base=2).tolist() == [1, 2, 4, 8]
    assert tg.tril_indices(2, 3, 1).tolist() == [[0, 0, 1, 1, 1], [0, 1, 0, 1, 2]]
    assert tg.triu_indices(2, 3, 1).tolist() == [[0, 0, 1], [1, 2, 2]]
    third = tg.linspace(0, 1, 4)[1].item()
    assert third == np.float32(1 / 3)


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (tg.arange, (0, 3, 0), "does not lead"),
        (tg.arange, (0, math.inf), "does not lead"),
        (tg.linspace, (0, 1, -1), "steps of at least 0"),
        (tg.eye, (-1,), "at least 0"),
        (tg.tril_indices, (-1, 2), "at least 0"),
        (tg.zeros, (-1,), "at least 0"),
        (tg.empty_permuted, ((2, 3), (0, 0)), "no order"),
        (tg.empty_strided, ((2, 3), (1,)), "do not fit"),
    ],
)
def test_bad_sizes(make, arguments, message):
    with pytest.raises(RuntimeError, match=message):
        make(*arguments)


def test_layouts():
    assert tg.empty_strided((2, 3), (1, 2)).numpy().strides == (4, 8)
    assert tg.empty_strided((2, 0), (5, 1)).shape == (2, 0)
    assert tg.empty_permuted((2, 3, 4), (2, 0, 1)).numpy().strides == (12, 4, 24)
    assert tg.zeros(2).new_empty_strided((2, 2), (0, 1)).shape == (2, 2)


def test_places_are_accepted_and_checked():
    x = tg.ones(2, device="cpu", layout=tg.strided, pin_memory=False)
    assert tg.zeros_like(x, device=tg.device("cpu:0"), memory_format=tg.preserve_format).shape == (
        2,
    )
    assert tg.device("cpu") == tg.device("cpu")
    assert str(tg.device("cpu", 0)) == "cpu:0"
    with pytest.raises(RuntimeError, match="not on 'cuda'"):
        tg.ones(2, device="cuda")
    with pytest.raises(TypeError, match="unexpected argument 'colour'"):
        tg.ones(2, colour="red")
    with pytest.raises(TypeError, match="unexpected argument 'colour'"):
        x.new_ones(2, colour="red")


def test_to():
    x = tg.ones(2, requires_grad=True)
    assert x.to("cpu").dtype == f32
    assert x.to("cpu", f64).dtype == x.to(tg.device("cpu"), f64).dtype == x.to(f64).dtype == f64
    assert x.to(tg.zeros(1, dtype=f64)).dtype == f64
    y = x.detach()
    assert np.may_share_memory(y.to(f32).numpy(), y.numpy())
    assert not np.may_share_memory(y.to(f32, copy=True).numpy(), y.numpy())
    x.to(f64).sum().backward()
    assert x.grad.dtype == f32


def test_new_tensors_have_the_dtype():
    x = tg.ones(2, dtype=f64)
    assert x.new_tensor([1, 2]).dtype == f64
    assert x.new_zeros(2, 3).shape == x.new_zeros((2, 3)).shape == (2, 3)
    assert x.new_full((2,), 3).tolist() == [3.0, 3.0]
    assert x.new_ones(2, dtype=i64).dtype == i64
    assert x.new_empty(()).shape == ()
    assert x.new_zeros(1, requires_grad=True).requires_grad
    assert tg.scalar_tensor(3).dtype == f32
    assert tg.asarray([1, 2], copy=True).dtype == i64


def test_resize():
    x = tg.arange(6)
    assert x.resize_(2, 2).tolist() == [[0, 1], [2, 3]]
    assert x.resize_((8,)).shape == (8,)
    assert tg.resize_as_(x, tg.zeros(3, 2)).shape == (3, 2)
    with pytest.raises(RuntimeError, match="requires grad"):
        tg.ones(2, requires_grad=True).resize_(1)


# ---- chance --------------------------------------------------------------------------------------

COUNT = 20_000
FILLS = {  # mean and variance (None: infinite), and what every number satisfies
    "uniform_": ((2, 6), 4, 16 / 12, lambda v: (v >= 2) & (v < 6)),
    "normal_": ((1, 2), 1, 4, np.isfinite),
    "log_normal_": ((0, 0.5), math.exp(0.125), (math.exp(0.25) - 1) * math.exp(0.25), np.isfinite),
    "exponential_": ((2,), 0.5, 0.25, lambda v: v >= 0),
    "geometric_": ((0.25,), 4, 12, lambda v: (v >= 1) & (v == np.round(v))),
    "cauchy_": ((1, 2), None, None, np.isfinite),
    "random_": ((3, 9), 5.5, 35 / 12, lambda v: (v >= 3) & (v < 9) & (v == np.round(v))),
    "bernoulli_": ((0.3,), 0.3, 0.21, lambda v: (v == 0) | (v == 1)),
}


@pytest.mark.parametrize("name", FILLS)
def test_fills_have_their_distribution(name):
    arguments, mean, variance, holds = FILLS[name]
    tg.manual_seed(1)
    x = tg.empty(COUNT)
    assert getattr(x, name)(*arguments) is x
    values = x.numpy()
    assert values.dtype == f32
    assert holds(values).all()
    if mean is None:
        assert abs(np.median(values) - 1) < 0.1
    else:
        assert abs(values.mean() - mean) < 5 * math.sqrt(variance / COUNT)
        assert abs(values.var() / variance - 1) < 0.1


def test_fills_are_recorded_as_constants():
    x = tg.ones(3, requires_grad=True)
    y = x * 2
    y.uniform_()
    y.sum().backward()
    assert x.grad.tolist() == [0, 0, 0]
    with pytest.raises(RuntimeError, match="leaf"):
        x.normal_()
    with pytest.raises(RuntimeError, match="floating"):
        tg.zeros(3, dtype=i64).uniform_()


def test_random_without_bounds_fills_the_dtype():
    tg.manual_seed(0)
    assert tg.empty(1000).random_().numpy().max() > 2**23
    assert tg.zeros(1000, dtype=tg.int8).random_().numpy().min() >= 0
    assert set(tg.zeros(100, dtype=tg.bool).random_().tolist()) == {False, True}
    assert tg.zeros(1000, dtype=i64).random_(4).numpy().max() == 3


def test_likes():
    tg.manual_seed(0)
    x = tg.zeros(4, 5).t()
    for made in (tg.rand_like(x), tg.randn_like(x), tg.randint_like(x, 3)):
        assert made.shape == (5, 4)
        assert made.dtype == f32
        assert made.numpy().strides == x.numpy().strides
    tg.manual_seed(0)
    assert tg.equal(tg.rand(20), tg.manual_seed(0) and tg.rand_like(x).t().reshape(20))
    assert tg.randint_like(x, 2, 4, dtype=i64).dtype == i64


def test_multinomial():
    tg.manual_seed(0)
    weights = tg.tensor([[0.0, 1.0, 3.0], [2.0, 0.0, 0.0]])
    with_replacement = tg.multinomial(weights, 4000, replacement=True)
    assert with_replacement.shape == (2, 4000)
    assert with_replacement.dtype == i64
    assert set(with_replacement[1].tolist()) == {0}
    assert set(with_replacement[0].tolist()) == {1, 2}
    assert abs((with_replacement[0] == 2).numpy().mean() - 0.75) < 0.03
    assert sorted(tg.multinomial(weights[0], 2).tolist()) == [1, 2]
    first = [weights[0].multinomial(1).item() for _ in range(2000)]
    assert abs(np.mean(np.array(first) == 2) - 0.75) < 0.05
    for bad in ([-1.0, 1.0], [math.inf, 1.0], [0.0, 0.0]):
        with pytest.raises(RuntimeError, match="probabilities"):
            tg.multinomial(tg.tensor(bad), 1)


def test_gradients_of_samples_are_zero():
    p = tg.full((3,), 0.5, requires_grad=True)
    assert tg.autograd.grad(tg.bernoulli(p).sum(), p)[0].tolist() == [0, 0, 0]
    mean, std = tg.zeros(2, 3, requires_grad=True), tg.ones(3, requires_grad=True)
    found = tg.autograd.grad(tg.normal(mean, std).sum(), (mean, std))
    assert [g.shape for g in found] == [(2, 3), (3,)]
    assert not any(g.numpy().any() for g in found)
    assert tg.normal(1.0, 2.0, (3, 2), dtype=f64).dtype == f64
    assert tg.normal(tg.zeros(4), 2.0).shape == (4,)


def test_seeds():
    assert tg.manual_seed(5).initial_seed() == tg.initial_seed() == 5
    assert tg.seed() == tg.initial_seed()


def test_numbers_are_rounded_once_to_the_dtype_that_is_asked_for():
    """Not first to float32, which is what they are without a dtype."""
    double = tg.float64
    x = tg.zeros(5, dtype=double)
    x[0], x[[1, 2]], x[x == 0] = 0.1, 0.1, 0.1
    y = tg.zeros(1, dtype=double).fill_(0.1)
    y.index_put_((tg.tensor([0]),), 0.1)
    like = [tg.full_like(y, 0.1), y.new_full((1,), 0.1), y.new_tensor([0.1])]
    nested = [tg.tensor([[0.1]], dtype=double), tg.tensor([tg.tensor(1.0), 0.1], dtype=double)[1:]]
    spaced = [tg.linspace(0.1, 1, 2, dtype=double)[:1], tg.full((1,), 0.1, dtype=double)]
    flat = [tg.tensor(0.1, dtype=double), tg.as_tensor([0.1], dtype=double), x, y]
    for made in (*flat, *nested, *like, *spaced):
        assert made.dtype == double
        assert 0.1 in made
        assert set(made.reshape(-1).tolist()) == {0.1}
    assert tg.tensor([0.1 + 0.2j], dtype=tg.complex128).tolist() == [0.1 + 0.2j]
    assert tg.tensor([0.1]).dtype == tg.float32
