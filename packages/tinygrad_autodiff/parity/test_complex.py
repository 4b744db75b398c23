"""Complex numbers against torch: values, gradients and dtypes of the same calls in both."""

import numpy as np
import pytest
import tinygrad_autodiff as tg
import torch

RANDOM = np.random.default_rng(0)
Z = RANDOM.standard_normal((3, 4)) + 1j * RANDOM.standard_normal((3, 4))
W = RANDOM.standard_normal(4) + 1j * RANDOM.standard_normal(4)
X = RANDOM.uniform(0.5, 2, 4)

UNARY = """
    abs angle sgn conj conj_physical real imag neg square reciprocal sqrt rsqrt exp expm1 exp2 log
    log2 log10 log1p sin cos tan sinh cosh tanh asin acos atan asinh acosh atanh sigmoid sinc
    positive sum mean view_as_real resolve_conj resolve_neg
"""
CASES = {
    **{name: (lambda m, z, name=name: getattr(m, name)(z), (Z * 0.4,)) for name in UNARY.split()},
    "add": (lambda m, z, w: m.add(z, w, alpha=2 - 1j), (Z, W)),
    "add, real": (lambda m, z, x: m.add(z, x), (Z, X)),
    "sub": (lambda m, z, w: m.sub(z, w), (Z, W)),
    "mul": (lambda m, z, w: m.mul(z, w), (Z, W)),
    "mul, real": (lambda m, z, x: m.mul(z, x), (Z, X)),
    "times i": (lambda m, x: x * 1j, (X,)),
    "div": (lambda m, z, w: m.div(z, w), (Z, W)),
    "pow": (lambda m, z, w: m.pow(z, w), (Z, W)),
    "pow, number": (lambda m, z: z**2.5 + z ** (1 - 1j) + (2 + 1j) ** z, (Z,)),
    "float_power": (lambda m, z: m.float_power(z, 3), (Z,)),
    "lerp": (lambda m, z, w: m.lerp(z, w, 0.3), (Z, W)),
    "addcmul": (lambda m, z, w: m.addcmul(z, z, w, value=0.5), (Z, W)),
    "addcdiv": (lambda m, z, w: m.addcdiv(z, z, w, value=0.5j), (Z, W)),
    "rsub": (lambda m, z, w: m.rsub(z, w), (Z, W)),
    "where": (lambda m, z, w: m.where(m.isreal(z), w, z * w), (Z, W)),
    "matmul": (lambda m, z, w: z @ w, (Z, W)),
    "adjoint": (lambda m, z: z.adjoint() * z.mH + z.H, (Z,)),
    "real part": (lambda m, z: z.real * z.imag, (Z,)),
    "complex": (lambda m, x: m.complex(x, x * x), (X,)),
    "polar": (lambda m, x: m.polar(x, x * x), (X,)),
    "view_as_complex": (lambda m, x: m.view_as_complex(x.reshape(2, 2)) ** 2, (X,)),
    "cast": (lambda m, x: x.to(m.complex64) * 1j, (X,)),
    "isclose": (lambda m, z, w: m.isclose(z, z + 1e-9), (Z, W)),
}


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name, double):
    function, arrays = CASES[name]
    if not double:
        arrays = [a.astype(np.complex64 if a.dtype.kind == "c" else np.float32) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    ours = [tg.tensor(a, requires_grad=True) for a in arrays]
    expected, found = function(torch, *theirs), function(tg, *ours)
    tolerance = 1e-12 if double else 2e-5
    plain = expected.detach().resolve_conj().resolve_neg().numpy()
    assert found.dtype == plain.dtype
    np.testing.assert_allclose(found.detach().numpy(), plain, rtol=tolerance, atol=tolerance)
    if not expected.requires_grad:
        return
    direction = 1 + 0.5j if plain.dtype.kind == "c" else 1
    seed = np.asarray(RANDOM.standard_normal(plain.shape) * direction).astype(plain.dtype)
    gradients = torch.autograd.grad(expected, theirs, torch.tensor(seed))
    for ours_, theirs_ in zip(
        tg.autograd.grad(found, ours, tg.tensor(seed)), gradients, strict=True
    ):
        other = theirs_.resolve_conj().resolve_neg().numpy()
        assert ours_.dtype == other.dtype
        np.testing.assert_allclose(ours_.numpy(), other, rtol=tolerance, atol=tolerance)


def test_promotion():
    dtypes = ["bool", "uint8", "int64", "float32", "float64", "complex64", "complex128"]
    for first in dtypes:
        for second in dtypes:
            for shape in ((), (2,)):
                one, other = np.ones(2, first), np.ones(shape, second)
                expected = torch.result_type(torch.tensor(one), torch.tensor(other))
                assert str(expected) == f"torch.{tg.result_type(tg.tensor(one), tg.tensor(other))}"
        for number in (True, 2, 0.5, 1j):
            expected = torch.result_type(torch.tensor(one), number)
            assert str(expected) == f"torch.{tg.result_type(tg.tensor(one), number)}", number


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax", "fmin", "lt", "le", "gt", "ge"])
def test_complex_numbers_have_no_order(name):
    for library, tensor in ((torch, torch.tensor), (tg, tg.tensor)):
        with pytest.raises((RuntimeError, TypeError)):
            getattr(library, name)(tensor(Z), tensor(Z))


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("name", ["rand", "randn"])
@pytest.mark.parametrize("size", [3, 9, 40])
def test_random_numbers_from_the_same_seed(name, size, dtype):
    made = []
    for library in (torch, tg):
        library.manual_seed(0)
        made.append(getattr(library, name)(size, dtype=getattr(library, dtype)).numpy())
        like = library.zeros(size, 2, dtype=getattr(library, dtype))
        made.append(getattr(library, f"{name}_like")(like).numpy())
    np.testing.assert_allclose(made[2], made[0], rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(made[3], made[1], rtol=2e-6, atol=1e-6)
