"""Complex numbers: dtypes, promotion, torch's gradient convention, gradcheck."""

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import autograd
from tinygrad_autodiff.errors import GradcheckError, GraphError
from tinygrad_autodiff.samples import array
from tinygrad_autodiff.tensor import wrap

Z = array((3,)) + 1j * array((3,), seed=1)
W = array((2, 3), seed=2) - 1j * array((2, 3), seed=3)
X = array((3,), 0.3, 1.5)
M = array((2, 3, 2)) + 1j * array((2, 3, 2), seed=1)

UNARY = """
    neg square reciprocal sqrt rsqrt exp expm1 log log1p sin cos tanh conj abs sgn angle
    sigmoid sum mean view_as_real
"""
CASES = {
    **{name: (lambda z, name=name: getattr(tg, name)(z), (Z * 0.3,)) for name in UNARY.split()},
    "real": (tg.real, (Z,)),
    "imag": (tg.imag, (Z,)),
    "add": (tg.add, (Z, W)),
    "add, real": (tg.add, (X, W)),
    "sub": (lambda a, b: 2 - (a - b), (Z, W)),
    "mul": (tg.mul, (Z, W)),
    "mul, real": (tg.mul, (X, W)),
    "mul by i": (lambda x: x * 1j, (X,)),
    "div": (tg.div, (Z, W)),
    "div, real": (tg.div, (X, W)),
    "pow": (tg.pow, (Z, W)),
    "pow, number": (lambda z: z**3 + z ** (1 - 2j), (Z,)),
    "pow, real base": (tg.pow, (X, W)),
    "pow of a number": (lambda z: 2.0**z + (1 + 1j) ** z, (Z,)),
    "where": (lambda a, b: tg.where(X > 1, a, b), (Z, W)),
    "cumsum": (lambda z: z.cumsum(0), (Z,)),
    "prod": (lambda z: z.prod(), (Z,)),
    "matmul": (lambda a, b: a @ b, (W, M)),
    "mH": (lambda z: z.mH @ z, (W,)),
    "H": (lambda z: z.H * 1j, (W,)),
    "indexing": (lambda z: z[:, 1] * z[1, :2], (W,)),
    "complex": (tg.complex, (X, array((2, 3)))),
    "polar": (tg.polar, (X, array((2, 3)))),
    "view_as_complex": (lambda x: tg.view_as_complex(x) ** 2, (array((3, 2)),)),
    "to real and back": (lambda z: (z * z).real.to(tg.complex128) * z, (Z,)),
    "stack": (lambda a, b: tg.stack([a, b[0]]) * (1 + 2j), (Z, W)),
}


def leaves(arrays):
    return [wrap(a.copy()).requires_grad_() for a in arrays]


@pytest.mark.parametrize("name", CASES)
def test_derivatives_of_both_orders_in_both_modes(name):
    function, arrays = CASES[name]
    assert autograd.gradcheck(function, leaves(arrays), check_forward_ad=True)
    assert autograd.gradgradcheck(function, leaves(arrays), atol=1e-4, check_forward_ad=True)


def test_the_gradient_of_a_real_loss_is_that_of_its_parts():
    x, y = (tg.tensor(a, requires_grad=True) for a in (Z.real, Z.imag))
    z = tg.tensor(Z, requires_grad=True)
    (z.exp() * z).abs().square().sum().backward()
    w = tg.complex(x, y)
    (w.exp() * w).abs().square().sum().backward()
    np.testing.assert_allclose(z.grad.numpy(), x.grad.numpy() + 1j * y.grad.numpy(), rtol=1e-14)
    assert z.grad.dtype == tg.complex128


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ((1j,), tg.complex64),
        ((np.ones(2, np.float64), 1j), tg.complex128),
        ((np.ones(2, np.float32), 1j), tg.complex64),
        ((np.ones(2, np.int64), 1j), tg.complex64),
        ((np.ones(2, np.float32), np.ones((), np.complex128)), tg.complex64),
        ((np.ones(2, np.float64), np.ones(2, np.complex64)), tg.complex128),
        ((np.ones(2, np.complex64), 1.0), tg.complex64),
    ],
)
def test_promotion(values, dtype):
    made = [tg.tensor(v) if isinstance(v, np.ndarray) else v for v in values]
    assert tg.result_type(*made) == dtype
    if len(made) == 2:
        assert (made[0] * made[1]).dtype == dtype


def test_creation_and_conversion():
    z = tg.tensor([1 + 2j, 3])
    assert z.dtype == tg.complex64 == tg.cfloat
    assert z.is_complex()
    assert tg.is_complex(z)
    assert not z.is_floating_point()
    assert repr(z) == "tensor([1.+2.j, 3.+0.j])"
    assert complex(z[0]) == z[0].item() == 1 + 2j
    assert tg.tensor(np.complex128(1j)).dtype == tg.complex128
    assert tg.tensor([[1.0], [1j]]).dtype == tg.complex64
    assert tg.zeros(2, dtype=complex).dtype == tg.complex64
    assert tg.full((2,), 1j).tolist() == [1j, 1j]
    assert z.resolve_conj() is z
    assert z.resolve_neg() is z
    assert z.to(tg.float64).tolist() == [1, 3]
    np.testing.assert_array_equal(z.isreal().numpy(), [False, True])
    z.real[0] = 5.0
    assert z[0].item() == 5 + 2j  # a view


def test_zeros_have_a_derivative_of_zero():
    for name in ("abs", "sgn", "angle"):
        z = tg.zeros(2, dtype=tg.complex128, requires_grad=True)
        out = getattr(tg, name)(z)
        (grad,) = autograd.grad(out, z, tg.ones_like(out))
        assert grad.tolist() == [0, 0], name


def test_errors():
    z = tg.tensor(Z, requires_grad=True)
    with pytest.raises(GraphError, match="only for real scalar outputs"):
        z.sum().backward()
    x = tg.tensor(X, requires_grad=True)
    with pytest.raises(GraphError, match="the gradient is complex128"):
        x.exp().backward(tg.tensor(Z))


class Unconjugated(autograd.Function):
    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return z * z

    @staticmethod
    def backward(ctx, g):
        return g * 2 * ctx.saved_tensors[0]


def test_gradcheck_notices_a_rule_that_forgets_to_conjugate():
    with pytest.raises(GradcheckError, match="reverse mode"):
        autograd.gradcheck(Unconjugated.apply, tg.tensor(Z, requires_grad=True))


def test_single_precision_stays_single():
    z = tg.tensor(Z.astype(np.complex64), requires_grad=True)
    loss = ((z * 2j + 1.5).exp() * 0.5).abs().sum()
    loss.backward()
    assert loss.dtype == tg.float32
    assert z.grad.dtype == tg.complex64
