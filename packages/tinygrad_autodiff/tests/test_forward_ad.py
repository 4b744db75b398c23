"""Forward mode: levels, nesting with itself and with the reverse mode."""

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import autograd
from tinygrad_autodiff.autograd import forward_ad as fwd


def f(x):
    return (tg.exp(x) * tg.sin(x)).sum() + tg.logsumexp(x * x, 0)


def setup():
    random = np.random.default_rng(0)
    x = tg.tensor(random.standard_normal(4), requires_grad=True)
    return x, tg.tensor(random.standard_normal(4)), tg.tensor(random.standard_normal(4))


def test_tangent_equals_gradient_times_direction():
    x, v, _ = setup()
    with fwd.dual_level():
        primal, tangent = fwd.unpack_dual(f(fwd.make_dual(x, v)))
    (g,) = autograd.grad(f(x), x)
    assert tangent.item() == pytest.approx((g * v).sum().item())
    assert primal.item() == f(x).item()


def test_forward_over_reverse_and_reverse_over_forward_agree():
    x, v, _ = setup()
    _, tangent = fwd.jvp(f, x, v)
    (reverse_over_forward,) = autograd.grad(tangent, x)

    def gradient(y):
        y = y if y.requires_grad else y.requires_grad_()
        return autograd.grad(f(y), y)[0]

    _, forward_over_reverse = fwd.jvp(gradient, x, v)
    (g,) = autograd.grad(f(x), x, create_graph=True)
    (reverse_over_reverse,) = autograd.grad((g * v).sum(), x)
    for found in (reverse_over_forward, forward_over_reverse):
        np.testing.assert_allclose(found.detach().numpy(), reverse_over_reverse.numpy(), rtol=1e-12)


def test_forward_over_forward():
    x, v, w = setup()
    x = x.detach()
    _, second = fwd.jvp(lambda y: fwd.jvp(f, y, v)[1], x, w)
    leaf = tg.tensor(x, requires_grad=True)
    (g,) = autograd.grad(f(leaf), leaf, create_graph=True)
    (h,) = autograd.grad((g * v).sum(), leaf)
    assert second.item() == pytest.approx((h * w).sum().item())


def test_perturbations_of_two_levels_are_not_confused():
    # d/dx [x · d/dy (x + y)] at x = 1 is 1; a confused implementation says 2.
    one = tg.tensor(np.array(1.0))
    _, outer = fwd.jvp(lambda x: x * fwd.jvp(lambda y: x + y, one, one)[1], one, one)
    assert outer.item() == 1


def test_third_order_by_mixed_modes():
    x = tg.tensor(np.array(0.3), requires_grad=True)
    one = tg.tensor(np.array(1.0))
    _, second = fwd.jvp(lambda a: fwd.jvp(tg.sin, a, one)[1], x, one)
    (third,) = autograd.grad(second, x)
    assert third.item() == pytest.approx(-np.cos(0.3))


def test_several_outputs_and_missing_tangents():
    x, v, _ = setup()
    (values, tangents) = fwd.jvp(lambda a, b: (a * 2.0, b), (x, v), (v, None))
    np.testing.assert_allclose(tangents[0].detach().numpy(), 2 * v.numpy())
    assert not tangents[1].numpy().any()
    assert values[1].tolist() == v.tolist()


def test_a_tensor_keeps_no_tangent_of_a_closed_level():
    x, v, _ = setup()
    with fwd.dual_level():
        dual = fwd.make_dual(x, v)
    with fwd.dual_level():
        assert fwd.unpack_dual(dual).tangent is None
        assert fwd.unpack_dual(dual * 2.0).tangent is None


def test_errors():
    x, v, _ = setup()
    with pytest.raises(RuntimeError, match="no dual level"):
        fwd.make_dual(x, v)
    with fwd.dual_level(), pytest.raises(RuntimeError, match=r"\(2,\)"):
        fwd.make_dual(x, tg.tensor(np.ones(2)))
    with fwd.dual_level(), pytest.raises(TypeError, match="two tensors"):
        fwd.make_dual(x, 1.0)
    with fwd.dual_level(), pytest.raises(RuntimeError, match="not active"):
        fwd.unpack_dual(x, level=-5)
