"""Complex linear algebra and Fourier transforms beside torch: values, gradients, tangents.

The scoreboard compares these operations for real inputs; here the same functions run on complex
ones, with cotangents and tangents that have both parts.
"""

import numpy as np
import pytest
import tinygrad_autodiff as tg
import torch
from tinygrad_autodiff import autograd

RANDOM = np.random.default_rng(0)


def matrix(*shape):
    return RANDOM.standard_normal(shape) + 1j * RANDOM.standard_normal(shape)


A, B, TALL, WIDE = matrix(3, 3), matrix(3, 2), matrix(4, 2), matrix(2, 4)
BATCH = matrix(2, 3, 3)

CASES = {
    "det": (lambda t, a: t.linalg.det(a), (A,)),
    "det, batch": (lambda t, a: t.linalg.det(a), (BATCH,)),
    "slogdet": (lambda t, a: tuple(t.linalg.slogdet(a)), (A,)),
    "logdet": (lambda t, a: t.logdet(a), (A,)),
    "inv": (lambda t, a: t.linalg.inv(a), (A,)),
    "pinv": (lambda t, a: t.linalg.pinv(a), (TALL,)),
    "pinv, wide": (lambda t, a: t.linalg.pinv(a), (WIDE,)),
    "solve": (lambda t, a, b: t.linalg.solve(a, b), (A, B)),
    "solve_triangular": (lambda t, a, b: t.linalg.solve_triangular(a, b, upper=False), (A, B)),
    "cholesky": (lambda t, a: t.linalg.cholesky(a @ a.mH), (A,)),
    "cholesky, upper": (lambda t, a: t.linalg.cholesky(a @ a.mH, upper=True), (A,)),
    "cholesky_inverse": (lambda t, a: t.cholesky_inverse(t.linalg.cholesky(a @ a.mH)), (A,)),
    "cholesky_solve": (lambda t, b, a: t.cholesky_solve(b, a.triu(), upper=True), (B, A)),
    "qr": (lambda t, a: tuple(t.linalg.qr(a)), (TALL,)),
    "qr, wide": (lambda t, a: tuple(t.linalg.qr(a)), (WIDE,)),
    "lu": (lambda t, a: tuple(t.linalg.lu(a))[1:], (A,)),
    "lu, tall": (lambda t, a: tuple(t.linalg.lu(a))[1:], (TALL,)),
    "lu_factor": (lambda t, a: t.linalg.lu_factor(a)[0], (WIDE,)),
    "lu_solve": (
        lambda t, a, b: t.linalg.lu_solve(*t.linalg.lu_factor(a), b, adjoint=True),
        (A, B),
    ),
    "eigh": (lambda t, a: [abs(v) for v in t.linalg.eigh(a)], (A,)),
    "eigvalsh": (lambda t, a: t.linalg.eigvalsh(a), (BATCH,)),
    "eig": (lambda t, a: [abs(v) for v in t.linalg.eig(a)], (A,)),
    "eig, real": (lambda t, a: [abs(v) for v in t.linalg.eig(a)], (A.real,)),
    "svd": (lambda t, a: [abs(v) for v in t.linalg.svd(a, full_matrices=False)], (TALL,)),
    "svd, wide": (lambda t, a: [abs(v) for v in t.linalg.svd(a, full_matrices=False)], (WIDE,)),
    "svd, full": (lambda t, a: [abs(v) for v in t.linalg.svd(a)], (A,)),
    "polar": (lambda t, a: tuple(t.linalg.polar(a)), (TALL,)),
    "matrix_sqrth": (lambda t, a: t.linalg.matrix_sqrth(a @ a.mH), (A,)),
    "cross": (lambda t, a, b: t.linalg.cross(a, b), (A, BATCH[0])),
    "ihfft": (lambda t, a: t.fft.ihfft(a, n=6), (WIDE.real.copy(),)),
    "matrix_exp": (lambda t, a: t.linalg.matrix_exp(a), (BATCH,)),
    "matrix_power": (lambda t, a: t.linalg.matrix_power(a, -3), (A,)),
    "matrix_norm": (lambda t, a: t.linalg.matrix_norm(a, "nuc"), (TALL,)),
    "vector_norm": (lambda t, a: t.linalg.vector_norm(a, 3.5, dim=0), (TALL,)),
    "cond": (lambda t, a: t.linalg.cond(a), (A,)),
    "lstsq": (lambda t, a, b: t.linalg.lstsq(a, b)[0], (TALL, matrix(4, 3))),
    "householder": (lambda t, a, x: t.linalg.householder_product(a, x), (TALL, matrix(2))),
    "vecdot": (lambda t, a, b: t.linalg.vecdot(a, b), (A, BATCH)),
    "vdot": (lambda t, a, b: t.vdot(a, b), (matrix(3), matrix(3))),
    "cov": (lambda t, a: t.cov(a), (WIDE,)),
    "corrcoef": (lambda t, a: t.corrcoef(a), (WIDE,)),
    "kron": (lambda t, a, b: t.kron(a, b), (A, TALL)),
    "addmm": (lambda t, c, a, b: t.addmm(c, a, b, beta=0.5, alpha=2), (B, A, B)),
    "fft": (lambda t, a: t.fft.fft(a, n=5, norm="ortho"), (WIDE,)),
    "ifftn": (lambda t, a: t.fft.ifftn(a), (BATCH,)),
    "irfft": (lambda t, a: t.fft.irfft(a), (WIDE,)),
    "irfftn": (lambda t, a: t.fft.irfftn(a, s=(3, 5)), (BATCH,)),
    "hfft2": (lambda t, a: t.fft.hfft2(a), (BATCH,)),
    "stft": (lambda t, a: t.stft(a, 6, 2, window=t.hann_window(6, dtype=t.float64)), (matrix(20),)),
    "istft": (
        lambda t, a: t.istft(a, 6, 2, window=t.hann_window(6, dtype=t.float64), length=9),
        (matrix(4, 5),),
    ),
}


def listed(value):
    return list(value) if isinstance(value, tuple | list) else [value]


def close(mine, theirs):
    assert str(mine.dtype) == str(theirs.dtype).removeprefix("torch.")
    theirs = theirs.detach().resolve_conj().numpy()
    np.testing.assert_allclose(mine.detach().numpy(), theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_values_gradients_and_tangents_are_torchs(name):
    function, arrays = CASES[name]
    mine = [tg.from_numpy(a.copy()).requires_grad_() for a in arrays]
    theirs = [torch.from_numpy(a.copy()).requires_grad_() for a in arrays]
    outs, expected = listed(function(tg, *mine)), listed(function(torch, *theirs))
    assert len(outs) == len(expected)
    random = np.random.default_rng(1)
    seeds = []
    for out, wanted in zip(outs, expected, strict=True):
        close(out, wanted)
        seed = random.standard_normal(wanted.shape)
        if wanted.is_complex():
            seed = seed + 1j * random.standard_normal(wanted.shape)
        seeds.append(np.asarray(seed))
    found = autograd.grad(outs, mine, [tg.from_numpy(s) for s in seeds])
    wanted = torch.autograd.grad(expected, theirs, [torch.from_numpy(s) for s in seeds])
    for one, other in zip(found, wanted, strict=True):
        close(one, other)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")
@pytest.mark.parametrize("name", sorted(set(CASES) - {"lstsq", "cholesky_inverse"}))
def test_tangents_are_torchs(name):  # torch has none of lstsq, and none exact of the other
    function, arrays = CASES[name]
    random = np.random.default_rng(2)
    directions = [
        random.standard_normal(a.shape)
        + (1j * random.standard_normal(a.shape) if np.iscomplexobj(a) else 0)
        for a in arrays
    ]
    _, tangents = autograd.forward_ad.jvp(
        lambda *v: tuple(listed(function(tg, *v))),
        [tg.from_numpy(a) for a in arrays],
        [tg.from_numpy(d) for d in directions],
    )
    level = torch.autograd.forward_ad
    with level.dual_level():
        duals = [
            level.make_dual(torch.from_numpy(a), torch.from_numpy(d))
            for a, d in zip(arrays, directions, strict=True)
        ]
        wanted = [level.unpack_dual(v).tangent for v in listed(function(torch, *duals))]
    for one, other in zip(tangents, wanted, strict=True):
        close(one, other)


@pytest.mark.parametrize(
    "name", ["bartlett", "blackman", "cosine", "hamming", "hann", "kaiser", "nuttall"]
)
@pytest.mark.parametrize("count", [0, 1, 2, 9])
@pytest.mark.parametrize("sym", [True, False])
def test_windows(name, count, sym):
    mine = getattr(tg.signal.windows, name)(count, sym=sym)
    theirs = getattr(torch.signal.windows, name)(count, sym=sym)
    np.testing.assert_allclose(mine.numpy(), theirs.numpy(), atol=1e-6)
    assert mine.dtype == np.float32


@pytest.mark.parametrize("kind", ["real", "symmetric", "hermitian"])
def test_indefinite_factors(kind):
    random = np.random.default_rng(3)
    for size in (1, 4, 7):
        a = random.standard_normal((4, size, size))
        if kind != "real":
            a = a + 1j * random.standard_normal(a.shape)
        a = a + (np.conj(a.mT) if kind == "hermitian" else a.mT)
        a[::2, range(size), range(size)] *= 0.01
        mine = tg.linalg.ldl_factor_ex(tg.from_numpy(a.copy()), hermitian=kind == "hermitian")
        theirs = torch.linalg.ldl_factor_ex(torch.from_numpy(a), hermitian=kind == "hermitian")
        for one, other in zip(mine, theirs, strict=True):
            close(one, other)


def test_packed_reflections():
    for shape in ((4, 3), (2, 3, 4)):
        a = RANDOM.standard_normal(shape)
        mine, theirs = tg.geqrf(tg.from_numpy(a)), torch.geqrf(torch.from_numpy(a))
        for one, other in zip(mine, theirs, strict=True):
            close(one, other)
