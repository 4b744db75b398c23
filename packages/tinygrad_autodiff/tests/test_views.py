"""Views and writing in place: one memory, one history."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import autograd, inplace
from tinygrad_autodiff.errors import DtypeError, GraphError, ShapeError


def leaf(*values):
    return tg.tensor(np.array(values, np.float64), requires_grad=True)


def through_view(x, w):
    y = x * 1.0
    y[1:].mul_(w)
    return y * y


def through_base(x, w):
    y = x * 1.0
    first, rest = y[0], y.view(3, 1)[1:]
    y.mul_(w)
    rest.exp_()
    return first * y + rest.sum()


def into_zeros(x, w):
    y = tg.zeros(2, 3, dtype=tg.float64)
    y.T[:, 0] = x * x
    y[1] = w
    y[1, 2] += x[0]
    return y.sin_()


def of_parts(x, w):
    y = x.clone()
    a, b = y.split([1, 2])
    b.sub_(w * a.clone())
    a.copy_(b[:1])
    return y.exp()


def of_masks(x, w):
    y = x * w
    y[y > 0] = w
    y[np.array([0, 2])] = y[np.array([2, 1])] * 2.0
    return y.pow_(2)


def through_memory(x, w):
    y = x * w
    y.view(3, 1)[1:].mul_(x[0])
    y.as_strided((2,), (2,), 0).mul_(w)
    return y.view(1, 3).T * leaf(1.0, 2.0, 3.0).view(3, 1)


def through_shapes(x, w):
    y = x * w
    part = y[1:]
    y.unsqueeze_(0).mul_(w)
    y.transpose_(0, 1)
    return y * part.sum()


@pytest.mark.parametrize(
    "program",
    [through_view, through_base, into_zeros, of_parts, of_masks, through_memory, through_shapes],
    ids=lambda f: f.__name__,
)
def test_derivatives_to_second_order_in_both_modes(program):
    x, w = leaf(0.3, -0.5, 0.9), tg.tensor(np.array(1.7), requires_grad=True)
    assert autograd.gradcheck(program, (x, w), check_forward_ad=True)
    assert autograd.gradgradcheck(program, (x, w))


@pytest.mark.parametrize(
    "view",
    [lambda y: y.view(6), lambda y: y.as_strided((2, 2), (3, 1), 1)],
    ids=["view", "strided"],
)
def test_a_gradient_that_lies_otherwise_in_memory(view):
    x, slopes = leaf(*range(6)), np.arange(1.0, 7.0).reshape(3, 2)
    y = (x * 1.0).view(2, 3)
    part = view(y)
    factors = np.arange(2.0, 2.0 + part.numel()).reshape(part.shape)
    part.mul_(tg.tensor(factors))
    (y.T * tg.tensor(slopes)).sum().backward()  # in columns
    expected = slopes.T.copy()
    view(tg.from_numpy(expected)).mul_(tg.tensor(factors))
    assert x.grad.tolist() == expected.reshape(6).tolist()


def test_a_base_and_its_views_share_version_and_history():
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1.0
    part, other = y[:2], y.view(3, 1)
    before = other.grad_fn
    part.mul_(3.0)
    assert y.tolist() == [3, 6, 3]
    assert y._version == part._version == other._version == 1
    assert other.grad_fn is not before
    assert type(other) is tg.Tensor
    other.sum().backward()
    assert x.grad.tolist() == [3, 3, 1]


def test_what_was_read_before_keeps_its_history():
    x = leaf(1.0, 2.0)
    y = x * 1.0
    before = y[0] + 0.0
    y[0] = 5.0
    (before + y[0]).backward()
    assert x.grad.tolist() == [1, 0]


def test_requires_grad_spreads_to_the_family():
    buffer, w = tg.zeros(3), tg.ones(1, requires_grad=True)
    view, row = buffer[1:], buffer[0]
    assert not row.requires_grad
    view.copy_(w)
    assert buffer.requires_grad
    assert row.requires_grad
    buffer.sum().backward()
    assert w.grad.item() == 2


def test_one_element_is_a_view_and_flip_is_a_copy():
    x = tg.zeros(3)
    x[1].add_(2.0)
    x.flip(0).add_(1.0)
    assert x.tolist() == [0, 2, 0]


def test_a_rule_keeps_the_value_that_was_overwritten():
    x = leaf(0.5, 1.0)
    for write, slope in (
        (lambda y: y.sin_(), np.cos),
        (lambda y: y.exp_(), np.exp),
        (lambda y: y.mul_(y), lambda v: 2 * v),
        (lambda y: y.sigmoid_().log_(), lambda v: 1 / (1 + np.exp(v))),
    ):
        (found,) = autograd.grad(write(x * 1.0).sum(), x)
        np.testing.assert_allclose(found.numpy(), slope(np.array([0.5, 1.0])))


@pytest.mark.parametrize(
    ("write", "error", "message"),
    [
        (lambda x: x.exp_(), GraphError, r"exp_: a leaf tensor .*\(2,\)"),
        (lambda x: x[0:1].exp_(), GraphError, r"exp_: a view of a leaf tensor .*\(2,\)"),
        (lambda x: x.detach().expand(3, 2).add_(1.0), GraphError, "share one place"),
        (lambda x: (x * 1.0).add_(tg.ones(3, 2)), ShapeError, r"add_: .*\(3, 2\)"),
        (lambda x: x.detach().add_(tg.ones(3)), ShapeError, r"add_: .*\(3,\)"),
        (lambda x: tg.ones(2, dtype=tg.int64).add_(0.5), DtypeError, "add_: .*float32.*int64"),
        (lambda x: (x * 1.0)[0:1].detach_(), GraphError, "detach_: a view"),
        (lambda x: x.detach().__setitem__(slice(0, 1), tg.ones(3)), ShapeError, "setitem: .*3"),
        (lambda x: x.detach().__setitem__(5, 1.0), IndexError, "setitem: .*5"),
    ],
)
def test_errors(write, error, message):
    with pytest.raises(error, match=message):
        write(leaf(1.0, 2.0))


def test_a_view_made_while_nothing_was_recorded():
    y = leaf(1.0, 2.0) * 1.0
    with tg.no_grad():
        view = y[:1]
        view.mul_(2.0)
    assert y.tolist() == [2, 2]
    with pytest.raises(GraphError, match="made under no_grad"):
        view.mul_(2.0)


def test_a_leaf_that_is_or_has_a_view():
    base = tg.zeros(3)
    view, other = base[:2], base[2:]
    view.requires_grad_()
    with pytest.raises(GraphError, match="add_: a leaf tensor"):
        view.add_(1.0)
    base.requires_grad_()
    with pytest.raises(GraphError, match="add_: a view of a leaf tensor"):
        other.add_(1.0)


def test_an_overwritten_value_is_reported_with_both_places():
    y = leaf(1.0, 2.0) * 1.0
    z = y.exp()
    z.view(2, 1).add_(1.0)
    with pytest.raises(GraphError, match=r"Exp: .*\(2,\).*by add_ at .*test_views\.py:\d+"):
        z.sum().backward()


def test_retain_grad_moves_to_the_new_value():
    x = leaf(1.0, 2.0)
    y = x * 2.0
    y.retain_grad()
    y.mul_(3.0)
    y.sum().backward()
    assert y.grad.tolist() == [1, 1]
    assert x.grad.tolist() == [6, 6]


def test_shapes_changed_in_place():
    x = leaf(1.0, 2.0)
    y = (x * 1.0).unsqueeze_(0)
    row = y[0]
    y.t_().mul_(2.0)
    assert y.shape == (2, 1)
    assert row.tolist() == [2, 4]
    (row.sum() + y.sum()).backward()
    assert x.grad.tolist() == [4, 4]


def test_shapes_changed_in_place_after_a_write():
    x = leaf(1.0, 2.0, 3.0, 4.0)
    y = (x * 1.0).view(2, 2)
    row = y[0]
    y.mul_(2.0)  # the row has yet to follow
    y.t_()
    assert (row * leaf(10.0, 100.0)).tolist() == [20, 400]
    row.sum().backward()
    assert x.grad.tolist() == [2, 2, 0, 0]


@pytest.mark.parametrize("kind", ["add", "replace"])
def test_hooks_on_a_view_end_with_a_write_to_it(kind):
    x, seen = leaf(1.0, 2.0), []
    view = (x * 1.0).view(2, 1)[:1]
    view.register_hook(lambda g: seen.append("old"))
    view.retain_grad()
    view.mul_(3.0) if kind == "add" else view.copy_(x[:1])
    view.register_hook(lambda g: seen.append("new"))
    view.sum().backward()
    assert seen == ["new"]
    assert view.grad.tolist() == [[1]]
    assert x.grad.tolist() == [3 if kind == "add" else 1, 0]


def test_a_view_that_has_yet_to_follow_does_when_its_root_is_detached():
    x = leaf(1.0, 2.0)
    y = x * 1.0
    part = y[:1][...]
    y.mul_(3.0)
    y.detach_()
    part.sum().backward()
    assert x.grad.tolist() == [3, 0]


def test_what_has_nothing_to_do_returns_the_tensor_itself():
    x = leaf(1.0, 2.0)
    for same in (x.double(), x.to("cpu"), x.to(x.dtype), x.contiguous(), x.flatten(), +x, x.conj()):
        assert same is x
    assert x.to(x.dtype, copy=True) is not x
    with autograd.detect_anomaly(), autograd.forward_ad.dual_level():
        assert x.double() is x


def test_new_memory_parts_the_family():
    x = tg.zeros(2)
    view = x[:1]
    x.data = tg.ones(3)
    x.add_(1.0)
    view.add_(5.0)
    assert (view.tolist(), x.tolist()) == ([5], [2, 2, 2])
    x = leaf(1.0, 2.0)
    y = x * 1.0
    view = y[:1]
    y.mul_(3.0)
    y.data = tg.ones(3, dtype=tg.float64)
    view.sum().backward()
    assert x.grad.tolist() == [3, 0]


def test_pickles_and_copies_leave_the_family_behind():
    x = tg.zeros(3)
    view = x[:2]
    for value in (x, view):
        for made in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):
            assert type(made) is tg.Tensor
            assert tg.equal(made, value)
            assert not hasattr(made, "_view")
            assert not hasattr(made, "_views")
            assert not hasattr(made, "_late")
    parameter = tg.nn.Parameter(tg.ones(2))
    parameter[0]
    assert pickle.loads(pickle.dumps(parameter)).tolist() == [1, 1]


def test_in_place_methods_are_the_ops():
    assert len(inplace.METHODS) > 60
    x = tg.tensor([0.25, 0.5])
    for name in ("exp", "sqrt", "sigmoid", "neg", "clip", "reciprocal", "true_divide"):
        args = {"clip": (0.3, 0.4), "true_divide": (3.0,)}.get(name, ())
        y = x.clone()
        assert getattr(y, name + "_")(*args) is y
        assert tg.equal(y, getattr(x, name)(*args)), name
    x **= 2
    x //= 0.1
    assert x.tolist() == [0, 2]
    n = tg.tensor([4, 7])
    n <<= 1
    n |= 1
    assert n.tolist() == [9, 15]


def test_dead_views_are_forgotten_and_live_ones_cost_a_write_nothing_twice():
    x = leaf(1.0, 2.0)
    y = x * 1.0
    for _ in range(1000):
        y.view(2, 1)
    assert len(y._views) < 100
    views = [y[i : i + 1] for i in (0, 1) for _ in range(500)]
    for _ in range(1000):
        y.add_(1.0)
    assert not hasattr(y, "_views")  # until one of them is asked for its history
    views[-1].sum().backward()
    assert x.grad.tolist() == [0, 1]


def test_a_family_is_freed_without_the_collector():
    gc.collect()
    gc.disable()
    try:
        y = leaf(1.0, 2.0) * 1.0
        view = y[:1]
        view.mul_(2.0)
        y.view(2, 1).add_(1.0)
        root = weakref.ref(y)
        del y, view
        assert root() is None
    finally:
        gc.enable()


def test_a_chain_of_views_and_writes_needs_no_recursion():
    y = view = leaf(1.0, 2.0) * 1.0
    for _ in range(20_000):
        view = view[...]
    y.mul_(2.0)
    assert view.tolist() == [2, 4]
    view.sum().backward()
