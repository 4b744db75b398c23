"""Linear algebra where an op's samples do not reach: complex, Hermitian and degenerate matrices."""

import math

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import autograd, linalg
from tinygrad_autodiff.errors import LinAlgError, ShapeError
from tinygrad_autodiff.registry import op
from tinygrad_autodiff.samples import array
from tinygrad_autodiff.tensor import wrap


def complexes(shape, seed=0):
    return array(shape, seed=seed) + 1j * array(shape, seed=seed + 1)


SQUARE = complexes((3, 3)) + np.diag([4.0, 6j, 9.0])
REAL = array((3, 3)) + np.diag([1.0, 4.0, 8.0])
TALL, WIDE = complexes((4, 2)), complexes((2, 3), 2)
RIGHT = complexes((3, 2), 3)


def hermitian(a):
    return (a + op.adjoint(a)) * 0.5


def positive(a):
    return op.matmul(a, op.adjoint(a)) + np.eye(a.shape[-1], dtype=a.dtype)


def sizes(*values):
    """What does not depend on the phases of vectors."""
    return tuple(abs(value) for value in values)


def projectors(u, s, vh):
    return u @ (s.unsqueeze(-1) * vh), s, abs(u), abs(vh)


CASES = {
    "solve": (lambda a, b: linalg.solve(a, b), (SQUARE, RIGHT)),
    "solve, right": (lambda a, b: linalg.solve(a, b, left=False), (SQUARE, RIGHT.T)),
    "inv": (linalg.inv, (SQUARE,)),
    "det": (linalg.det, (SQUARE,)),
    "cofactors": (op.cofactors, (SQUARE,)),
    "slogdet": (lambda a: tuple(linalg.slogdet(a)), (SQUARE,)),
    "logdet": (tg.logdet, (SQUARE,)),
    "solve_triangular": (lambda a, b: linalg.solve_triangular(a, b, upper=True), (SQUARE, RIGHT)),
    "triangular, unit, right": (
        lambda a, b: linalg.solve_triangular(a, b, False, False, True),
        (SQUARE, RIGHT.T),
    ),
    "cholesky": (lambda a: linalg.cholesky(positive(a)), (SQUARE,)),
    "cholesky, real": (lambda a: linalg.cholesky(positive(a)), (REAL,)),
    "cholesky, upper": (lambda a: linalg.cholesky(positive(a), upper=True), (SQUARE,)),
    "cholesky_solve": (lambda b, a: tg.cholesky_solve(b, a.tril()), (RIGHT, SQUARE)),
    "cholesky_inverse": (lambda a: tg.cholesky_inverse(a.triu(), True), (SQUARE,)),
    "qr": (lambda a: tuple(linalg.qr(a)), (TALL,)),
    "qr, wide": (lambda a: tuple(linalg.qr(a)), (WIDE,)),
    "lu": (lambda a: tuple(linalg.lu(a))[1:], (SQUARE,)),
    "lu, tall": (lambda a: tuple(linalg.lu(a))[1:], (TALL * (1 + 0.3j),)),
    "lu, wide": (lambda a: tuple(linalg.lu(a))[1:], (WIDE,)),
    "lu_solve": (lambda a, b: linalg.lu_solve(*linalg.lu_factor(a), b), (SQUARE, RIGHT)),
    "lu_solve, adjoint, right": (
        lambda a, b: linalg.lu_solve(*linalg.lu_factor(a), b, left=False, adjoint=True),
        (SQUARE, RIGHT.T),
    ),
    "householder_product": (linalg.householder_product, (TALL, complexes((2,)))),
    "ormqr": (
        lambda a, t, c: tg.ormqr(a, t, c, False, True),
        (TALL, complexes((2,)), complexes((3, 4))),
    ),
    "eigh": (lambda a: sizes(*linalg.eigh(hermitian(a))), (SQUARE,)),
    "eigh, real": (lambda a: tuple(linalg.eigh(hermitian(a), "U")), (REAL,)),
    "eigvalsh": (lambda a: linalg.eigvalsh(hermitian(a)), (SQUARE,)),
    "eig": (lambda a: (linalg.eig(a)[0], abs(linalg.eig(a)[1])), (SQUARE,)),
    "eig, real": (lambda a: (linalg.eig(a)[0], abs(linalg.eig(a)[1])), (REAL,)),
    "eigvals": (linalg.eigvals, (REAL,)),
    "svd, tall": (lambda a: projectors(*linalg.svd(a, False)), (TALL,)),
    "svd, wide": (lambda a: projectors(*linalg.svd(a, False)), (WIDE,)),
    "svdvals": (linalg.svdvals, (WIDE,)),
    "pinv, tall": (linalg.pinv, (TALL,)),
    "pinv, wide": (linalg.pinv, (WIDE,)),
    "pinv of rank 1": (lambda a, b: linalg.pinv(a @ b), (complexes((3, 1)), complexes((1, 2)))),
    "polar": (lambda a: tuple(linalg.polar(a)), (TALL,)),
    "matrix_sqrth": (lambda a: linalg.matrix_sqrth(positive(a)), (SQUARE,)),
    "matrix_exp": (linalg.matrix_exp, (SQUARE * 0.3,)),
    "matrix_power": (lambda a: linalg.matrix_power(a, -2), (SQUARE,)),
    "lstsq": (lambda a, b: linalg.lstsq(a, b)[0], (TALL, complexes((4, 3)))),
    "norm, nuc": (lambda a: linalg.matrix_norm(a, "nuc"), (TALL,)),
    "norm, 3": (lambda a: linalg.vector_norm(a, 3, 0), (TALL,)),
    "cond": (linalg.cond, (TALL,)),
    "vecdot": (linalg.vecdot, (TALL, complexes((4, 2), 2))),
    "cross": (linalg.cross, (WIDE, complexes((2, 3)))),
    "tensordot": (lambda a, b: tg.tensordot(a, b, 1), (TALL, WIDE)),
    "cov": (tg.cov, (WIDE,)),
    "multi_dot": (lambda a, b, c: linalg.multi_dot([a, b, c]), (TALL, WIDE, SQUARE)),
}


def leaves(*arrays):
    return [wrap(a.copy()).requires_grad_() for a in arrays]


@pytest.mark.parametrize("name", CASES)
def test_derivatives_of_both_orders_in_both_modes(name):
    function, arrays = CASES[name]
    assert autograd.gradcheck(function, leaves(*arrays), check_forward_ad=True)
    assert autograd.gradgradcheck(function, leaves(*arrays), atol=1e-4, check_forward_ad=True)


# ---- degenerate matrices -------------------------------------------------------------------------


def test_functions_of_a_matrix_are_differentiated_at_equal_eigenvalues():
    at_one = wrap(np.eye(3)).requires_grad_()
    direction = wrap(array((3, 3)))
    (found,) = autograd.grad(linalg.matrix_sqrth(at_one), at_one, direction)
    np.testing.assert_allclose(found.numpy(), hermitian(direction.numpy()) / 2, rtol=1e-14)
    (found,) = autograd.grad(linalg.matrix_exp(at_one), at_one, direction)
    np.testing.assert_allclose(found.numpy(), direction.numpy() * math.e, rtol=1e-13)
    assert autograd.gradcheck(lambda a: tuple(linalg.polar(a)), leaves(np.eye(3)))
    assert autograd.gradgradcheck(lambda a: tuple(linalg.polar(a)), leaves(np.eye(3)), atol=1e-4)


def test_spaces_of_equal_eigenvalues_have_a_finite_and_right_gradient():
    basis = np.linalg.qr(array((3, 3)))[0]
    matrix = basis @ np.diag([1.0, 1.0, 5.0]) @ basis.T

    def projector(a):  # onto the two eigenvectors of the double eigenvalue
        vectors = linalg.eigh(hermitian(a))[1][:, :2]
        return vectors @ vectors.mT

    assert autograd.gradcheck(projector, leaves(matrix))

    def projector_of_svd(a):
        u = linalg.svd(a)[0][:, 1:]
        return u @ u.mT

    assert autograd.gradcheck(projector_of_svd, leaves(matrix))


def test_zero_singular_values_leave_the_gradient_finite():
    a = wrap(array((4, 1)) @ array((1, 3), seed=1)).requires_grad_()
    for part in linalg.svd(a, full_matrices=False):
        (found,) = autograd.grad(part.square().sum(), a, retain_graph=True)
        assert np.isfinite(found.numpy()).all()


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_the_determinant_of_a_singular_matrix_has_its_cofactors_as_gradient(rank):
    matrix = array((3, rank)) @ array((rank, 3), seed=1)
    assert autograd.gradcheck(linalg.det, leaves(matrix), check_forward_ad=True)


@pytest.mark.parametrize("p", [2, 1, 3, 1.5, 0.5, math.inf, 0])
def test_norms_of_zeros_have_the_gradient_zero(p):
    x = wrap(np.zeros((2, 3))).requires_grad_()
    (found,) = autograd.grad(linalg.vector_norm(x, p, 1).sum(), x)
    assert (found.numpy() == 0).all()


def test_a_loss_that_depends_on_phases_is_refused():
    a = wrap(SQUARE).requires_grad_()
    for loss in (
        lambda: linalg.eig(a)[1].real.sum(),
        lambda: linalg.eigh(hermitian(a))[1].imag.sum(),
        lambda: linalg.svd(a)[0].imag.sum(),
    ):
        with pytest.raises(LinAlgError, match="up to a factor of absolute value 1"):
            loss().backward()


# ---- failures ------------------------------------------------------------------------------------


def test_failures_are_reported_for_each_matrix_of_a_batch():
    good, bad = np.diag([1.0, 2.0]), np.array([[1.0, 2.0], [2.0, 4.0]])
    batch = wrap(np.stack([good, bad]))
    inverse, info = linalg.inv_ex(batch)
    assert info.tolist() == [0, 2]
    assert info.dtype == tg.int32
    np.testing.assert_array_equal(inverse[0].numpy(), np.diag([1.0, 0.5]))
    assert np.isinf(inverse[1].numpy()).all()
    solution, info = linalg.solve_ex(batch, wrap(np.ones((2, 2, 1))))
    assert info.tolist() == [0, 2]
    assert np.isinf(solution[1].numpy()).all()
    factor, info = linalg.cholesky_ex(wrap(np.stack([good, -good, good - 1.5 * np.eye(2)])))
    assert info.tolist() == [0, 1, 1]
    assert np.isnan(factor[1].numpy()).all()
    assert linalg.lu_factor_ex(batch).info.tolist() == [0, 2]
    for failing in (linalg.inv, linalg.cholesky, linalg.lu_factor):
        with pytest.raises(LinAlgError):
            failing(batch)
    assert issubclass(LinAlgError, RuntimeError)


def test_a_complete_qr_has_no_derivative_for_its_arbitrary_columns():
    a = wrap(array((4, 2))).requires_grad_()
    with pytest.raises(RuntimeError, match="arbitrary"):
        linalg.qr(a, mode="complete")[1].sum().backward()


def test_vectors_and_matrices_on_the_right_are_told_apart_as_in_torch():
    a = wrap(np.stack([np.eye(2), 2 * np.eye(2)]))
    assert linalg.solve(a, wrap(np.ones((2, 2)))).tolist() == [[1, 1], [0.5, 0.5]]
    assert linalg.solve(a, wrap(np.ones((2, 3)))[:, :1]).shape == (2, 2, 1)
    with pytest.raises(ShapeError, match=r"\(2, 2, 2\) and \(3, 1\)"):
        linalg.solve(a, wrap(np.ones((3, 1))))


# ---- values --------------------------------------------------------------------------------------


X, Y, V = array((2, 3)), array((2, 3), seed=1), array((3,), seed=2)
NUMPY = {
    "cross": (linalg.cross, np.cross, (X, Y)),
    "kron": (tg.kron, np.kron, (X, Y)),
    "tensordot": (lambda a, b: tg.tensordot(a, b, ([0], [0])), lambda a, b: a.T @ b, (X, Y)),
    "inner": (tg.inner, np.inner, (X, Y)),
    "vdot": (tg.vdot, np.vdot, (1j * V, V + 2j)),
    "multi_dot": (lambda *m: linalg.multi_dot(m), lambda a, b, c: a @ b @ c, (X, X.T, Y)),
    "vander": (linalg.vander, lambda v: np.vander(v, increasing=True), (V,)),
    "cov": (tg.cov, np.cov, (X,)),
    "corrcoef": (tg.corrcoef, np.corrcoef, (X,)),
    "addmm": (
        lambda c, a, b: tg.addmm(c, a, b, beta=2, alpha=3),
        lambda c, a, b: 2 * c + 3 * a @ b,
        (X, X[:, :2], Y),
    ),
    "addr": (tg.addr, lambda c, v, w: c + np.outer(v, w), (X, V[:2], V)),
    "det": (linalg.det, np.linalg.det, (SQUARE,)),
    "matrix_power": (lambda a: linalg.matrix_power(a, 5), lambda a: a @ a @ a @ a @ a, (X[:, :2],)),
    "dist": (tg.dist, lambda a, b: np.linalg.norm(a - b), (X, Y)),
    "cond": (lambda a: linalg.cond(a, 1), lambda a: np.linalg.cond(a, 1), (SQUARE,)),
    "tensorsolve": (
        linalg.tensorsolve,
        np.linalg.tensorsolve,
        (array((2, 3, 6)) + 4 * np.eye(6).reshape(2, 3, 6), X),
    ),
    **{
        f"norm {p}": (
            lambda a, p=p: linalg.norm(a, p),
            lambda a, p=p: np.linalg.norm(a, p),
            (SQUARE,),
        )
        for p in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)
    },
}


@pytest.mark.parametrize("name", NUMPY)
def test_values_are_numpys(name):
    mine, theirs, arrays = NUMPY[name]
    found = mine(*[wrap(np.asarray(a)) for a in arrays])
    np.testing.assert_allclose(found.numpy(), theirs(*arrays), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("shape", [(1, 1), (2, 6, 6), (0, 2, 2)])
@pytest.mark.parametrize("hermitian", [False, True])
def test_indefinite_systems_are_solved(shape, hermitian):
    a = complexes(shape) if hermitian else array(shape)
    a = (a + (np.conj(a.mT) if hermitian else a.mT)) * (1 - np.eye(shape[-1]) * 0.99)
    b = complexes((shape[-1], 2)) if hermitian else array((shape[-1], 2))
    packed, pivots = linalg.ldl_factor(wrap(a), hermitian=hermitian)
    assert shape != (2, 6, 6) or (pivots.numpy() < 0).any()
    found = linalg.ldl_solve(packed, pivots, wrap(b), hermitian=hermitian).numpy()
    np.testing.assert_allclose(a @ found, np.broadcast_to(b, found.shape), atol=1e-12)


def test_large_triangles_are_solved_by_halves():
    a = np.tril(array((50, 50)) * 0.1) + 3 * np.eye(50)
    b = array((50, 3), seed=1)
    found = linalg.solve_triangular(wrap(a), wrap(b), upper=False).numpy()
    np.testing.assert_allclose(a @ found, b, atol=1e-12)
    found = linalg.solve_triangular(wrap(a.T.copy()), wrap(b), upper=True).numpy()
    np.testing.assert_allclose(a.T @ found, b, atol=1e-12)


@pytest.mark.parametrize("shape", [(3, 4, 4), (2, 5, 3), (2, 3, 5), (0, 2, 2), (0, 0)])
def test_factors_multiply_to_the_matrix(shape):
    a = wrap(array(shape))
    p, low, up = linalg.lu(a)
    np.testing.assert_allclose((p @ low @ up).numpy(), a.numpy(), atol=1e-14)
    q, r = linalg.qr(a)
    np.testing.assert_allclose((q @ r).numpy(), a.numpy(), atol=1e-14)
    u, s, vh = linalg.svd(a, full_matrices=False)
    np.testing.assert_allclose((u * s.unsqueeze(-2) @ vh).numpy(), a.numpy(), atol=1e-14)


def test_reflections_of_geqrf_multiply_to_q():
    a = array((5, 3))
    packed, tau = tg.geqrf(wrap(a))
    q = linalg.householder_product(packed, tau)
    np.testing.assert_allclose((q @ packed[:3].triu()).numpy(), a, atol=1e-14)
    whole = tg.ormqr(packed, tau, wrap(np.eye(5)))
    np.testing.assert_allclose(whole[:, :3].numpy(), q.numpy(), atol=1e-14)


@pytest.mark.parametrize("scale", [1e-8, 1.0, 30.0, 1e3])
def test_the_exponential_of_a_rotation_is_exact_for_any_angle(scale):
    found = linalg.matrix_exp(wrap(scale * np.array([[0.0, -1.0], [1.0, 0.0]]))).numpy()
    exact = [[math.cos(scale), -math.sin(scale)], [math.sin(scale), math.cos(scale)]]
    np.testing.assert_allclose(found, exact, atol=1e-12)


def test_low_rank_is_found_exactly():
    tg.manual_seed(0)
    a = array((8, 2)) @ array((2, 6), seed=1)
    u, s, v = tg.svd_lowrank(wrap(a), 3)
    np.testing.assert_allclose((u * s @ v.mT).numpy(), a, atol=1e-12)
    u, s, v = tg.pca_lowrank(wrap(a), 2)
    np.testing.assert_allclose((u * s @ v.mT).numpy(), a - a.mean(0), atol=1e-12)
    assert linalg.matrix_rank(wrap(a)) == 2


def test_float32_and_float16_stay():
    a = wrap((array((3, 3)) + 3 * np.eye(3)).astype(np.float32))
    assert {part.dtype for part in linalg.svd(a)} == {tg.float32}
    assert linalg.eig(a)[0].dtype == tg.complex64
    assert linalg.matrix_exp(a).dtype == tg.float32
    assert linalg.inv(a.to(tg.float16)).dtype == tg.float16


def test_a_graph_through_both_the_vectors_and_their_own_derivative():
    """The second derivative of a loss in the vectors reaches them by two ways, which add up."""

    def gradient(a):
        loss = (linalg.eigh(hermitian(a))[1] ** 3).sum()
        return autograd.grad(loss, a, create_graph=True)[0]

    assert autograd.gradcheck(gradient, leaves(REAL), atol=1e-4)
