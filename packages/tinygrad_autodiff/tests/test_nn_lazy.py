"""Lazy layers: what they become, with which values, and what holds them meanwhile."""

import copy

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import nn

CASES = [
    ("LazyLinear", (4,), {}, (2, 3), 3),
    ("LazyConv1d", (4, 2), {}, (2, 3, 8), 3),
    ("LazyConv2d", (4, 2), {"groups": 2}, (6, 8, 8), 6),
    ("LazyConvTranspose3d", (4, 1), {"bias": False}, (2, 3, 2, 2, 2), 3),
    ("LazyBatchNorm1d", (1e-3,), {}, (4, 3), 3),
    ("LazyInstanceNorm2d", (), {"affine": True, "track_running_stats": True}, (4, 3, 2, 2), 3),
]


@pytest.mark.parametrize(("name", "args", "options", "shape", "size"), CASES)
def test_a_lazy_layer_becomes_the_ordinary_one(name, args, options, shape, size):
    lazy = getattr(nn, name)(*args, **options)
    held = list(lazy.parameters())
    x = tg.randn(shape)
    assert lazy.has_uninitialized_params()
    assert {type(p) for p in held} == {nn.UninitializedParameter}
    other = copy.deepcopy(lazy).double()
    tg.manual_seed(1)
    result = lazy(x)
    tg.manual_seed(1)
    plain = getattr(nn, name.removeprefix("Lazy"))(size, *args, **options)
    assert tg.equal(result, plain(x))
    assert type(lazy) is type(plain)
    assert repr(lazy) == repr(plain)
    assert all(a is b for a, b in zip(held, lazy.parameters(), strict=True))
    kinds = {type(value) for value in lazy.state_dict(keep_vars=True).values()}
    assert kinds <= {nn.Parameter, nn.Buffer}
    other.load_state_dict(lazy.state_dict())  # a state dict tells the size, too
    assert repr(other) == repr(plain)
    assert {value.dtype for value in other.parameters()} == {tg.float64}
    expected = lazy.eval()(x).detach().numpy()
    np.testing.assert_allclose(other.eval()(x.double()).detach(), expected, rtol=1e-5, atol=1e-6)


def test_what_is_held_meanwhile_is_zero(monkeypatch):
    full = np.full
    monkeypatch.setattr(np, "empty", lambda shape, dtype=float, **_: full(shape, np.nan, dtype))
    assert nn.LazyConv2d(4, 2).bias.tolist() == [0.0] * 4


def test_an_optimizer_may_come_first():
    model = nn.Sequential(nn.LazyLinear(4), nn.LazyLinear(1))
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    model(tg.ones(2, 5)).sum().backward()
    before = [p.detach().clone() for p in model.parameters()]
    optimizer.step()
    assert not any(tg.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_what_is_not_known_yet_is_an_error():
    lazy = nn.LazyConv1d(4, 2)
    with pytest.raises(RuntimeError, match="call the lazy module with an input first"):
        _ = lazy.weight.shape
    assert repr(lazy.weight) == "<UninitializedParameter>"
    with pytest.raises(RuntimeError, match=r"2 or 3 dimensions, got \(5,\)"):
        lazy(tg.ones(5))
    lazy.load_state_dict(lazy.state_dict())  # as lazy as before
    assert lazy.has_uninitialized_params()
    with pytest.raises(ValueError, match="expected 4D"):
        nn.LazyBatchNorm2d()(tg.ones(2, 3))


def test_copies_of_parameters_keep_what_is_set_on_them():
    class Marked(nn.Parameter):
        pass

    marked = Marked(tg.ones(2))
    marked.role = ["weight"]
    made = copy.deepcopy(marked)
    assert type(made) is Marked
    assert made.requires_grad
    assert made.role == ["weight"]
    assert made.role is not marked.role
    buffer = copy.deepcopy(nn.Buffer(tg.ones(2), persistent=False))
    assert not buffer.persistent
