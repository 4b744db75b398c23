"""Beside NumPy, DLPack and the array API standard."""

import operator

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import array_api as xp
from tinygrad_autodiff.errors import ArgumentError, ArgumentTypeError, GraphError

A = np.random.default_rng(0).uniform(0.1, 0.9, (3, 4))


def test_numpys_functions_are_operations():
    x = tg.tensor(A, requires_grad=True)
    for function in (np.sin, np.exp, np.arctanh, np.negative, np.absolute, np.rint, np.square):
        found = function(x)
        assert isinstance(found, tg.Tensor)
        np.testing.assert_allclose(found.detach().numpy(), function(A), rtol=1e-12)
    for function in (np.add, np.power, np.true_divide, np.arctan2, np.maximum, np.less, np.equal):
        for pair in ((x, A.T.copy().T), (A, x)):
            found = function(*pair)
            assert isinstance(found, tg.Tensor)
            plain = [np.asarray(v) if isinstance(v, tg.Tensor) else v for v in pair]
            np.testing.assert_allclose(found.detach().numpy(), function(*plain), rtol=1e-12)
    (np.exp(x) + A * np.sin(x) - A @ x.T @ A).sum().backward()
    expected = np.exp(A) + A * np.cos(A) - np.outer(A.sum(1), A.sum(0))
    np.testing.assert_allclose(x.grad.numpy(), expected)
    assert isinstance(np.float64(2) * tg.ones(2), tg.Tensor)
    assert (np.float64(2) * tg.ones(2)).dtype == tg.float32


def test_ufuncs_that_are_no_operation_of_ours():
    x = tg.tensor(A)
    np.testing.assert_array_equal(np.add.reduce(x).numpy(), A.sum(0))
    assert [part.shape for part in np.modf(x)] == [(3, 4), (3, 4)]
    out, y = np.zeros((3, 4)), x * 1.0
    assert np.add(x, 1.0, out=out) is out
    np.multiply(x, 2.0, out=y)
    np.testing.assert_array_equal(y.numpy(), 2 * A)
    assert y._version == 1
    out += x
    np.testing.assert_allclose(out, 2 * A + 1)
    leaf = x.clone().requires_grad_()
    with pytest.raises(GraphError, match=r"np\.add: .*requires grad"):
        out += leaf
    with pytest.raises(GraphError, match=r"np\.modf"):
        np.modf(leaf)


def test_dlpack_both_ways():
    x = tg.tensor(A)
    array = np.from_dlpack(x)
    assert np.shares_memory(array, x.numpy())
    back = tg.from_dlpack(array)
    assert isinstance(back, tg.Tensor)
    assert back.tolist() == A.tolist()
    assert x.__dlpack_device__() == (1, 0)
    assert not np.shares_memory(tg.from_dlpack(array, copy=True).numpy(), array)
    with pytest.raises(BufferError, match="detach"):
        np.from_dlpack(tg.ones(1, requires_grad=True))
    with pytest.raises(ArgumentTypeError, match="__dlpack__"):
        tg.from_dlpack([1.0])


def test_array_api_namespace():
    x = tg.tensor(A, requires_grad=True)
    assert x.__array_namespace__() is xp
    assert x.__array_namespace__(api_version="2023.12") is xp
    with pytest.raises(ArgumentError, match=r"1999\.01"):
        x.__array_namespace__(api_version="1999.01")
    assert str(x.device) == "cpu"
    assert x.to_device("cpu") is x
    loss = xp.sum(xp.var(xp.concat([x, xp.flip(x, axis=1)], axis=0), axis=(0, 1), keepdims=True))
    loss.backward()
    np.testing.assert_allclose(loss.item(), np.concatenate([A, A]).var())
    assert x.grad.shape == x.shape


CASES = [
    *((name, (A,), {}) for name in ("abs", "sum", "mean", "max", "min", "prod", "var", "std")),
    *((name, (A,), {"axis": 1, "keepdims": True}) for name in ("sum", "max", "prod", "std")),
    *((name, (A,), {"axis": (0, 1)}) for name in ("sum", "mean", "min", "prod")),
    *((name, (A > 0.5,), {"axis": 0}) for name in ("all", "any", "count_nonzero")),
    *((name, (A, A[::-1].copy()), {}) for name in ("add", "pow", "equal", "less", "atan2")),
    ("std", (A,), {"correction": 1, "axis": 0}),
    ("argmax", (A,), {"axis": 1}),
    ("argsort", (np.round(A, 1),), {"axis": 0}),
    ("sort", (A,), {"axis": 0}),
    ("cumulative_sum", (A,), {"axis": 1}),
    ("cumulative_prod", (A,), {"axis": 0, "include_initial": True}),
    ("diff", (A,), {"n": 2}),
    ("expand_dims", (A,), {"axis": 1}),
    ("permute_dims", (A, (1, 0)), {}),
    ("matrix_transpose", (A,), {}),
    ("roll", (A, 2), {"axis": 1}),
    ("roll", (A, 5), {}),
    ("repeat", (A, 2), {"axis": 1}),
    ("tile", (A, (2, 1)), {}),
    ("take", (A, np.array([2, 0])), {"axis": 1}),
    ("take_along_axis", (A, np.array([[1], [0], [2]])), {"axis": 1}),
    ("flip", (A,), {}),
    ("squeeze", (A[None], 0), {}),
    ("clip", (A, 0.3, 0.6), {}),
    ("searchsorted", (np.sort(A[0]), A), {"side": "right"}),
    ("nonzero", (A > 0.5,), {}),
    ("unique_all", (np.round(A, 1),), {}),
    ("unique_counts", (np.round(A, 1),), {}),
    ("broadcast_arrays", (A, A[0]), {}),
    ("unstack", (A,), {"axis": 1}),
    ("tensordot", (A, A.T.copy()), {"axes": 1}),
    ("vecdot", (A, A), {}),
    ("meshgrid", (A[0], A[:, 0]), {}),
    ("linalg.outer", (A[0], A[1]), {}),
    ("linalg.trace", (np.stack([A, A + 1]),), {"offset": 1}),
    ("linalg.matrix_transpose", (np.stack([A, A + 1]),), {}),
    ("linalg.vector_norm", (A,), {"axis": 0, "keepdims": True, "ord": 3}),
    ("linalg.matrix_norm", (A,), {"keepdims": True, "ord": "nuc"}),
    ("linalg.cross", (A[:, :3], A[::-1, :3].copy()), {"axis": -1}),
    ("linalg.tensordot", (A, A.T.copy()), {"axes": 1}),
    ("linalg.vecdot", (A, A), {}),
    ("linalg.svd", (A,), {"full_matrices": False}),
    ("linalg.qr", (A,), {"mode": "reduced"}),
    ("linalg.pinv", (A,), {"rtol": 0.1}),
]


@pytest.mark.parametrize(
    ("name", "args", "kwargs"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)]
)
def test_functions_of_the_standard(name, args, kwargs):
    """NumPy 2 follows the standard, so it says what is right."""
    wanted = operator.attrgetter(name)(np)(*args, **kwargs)
    found = operator.attrgetter(name)(xp)(
        *(tg.tensor(a) if isinstance(a, np.ndarray) else a for a in args), **kwargs
    )
    several = isinstance(wanted, (tuple, list))
    for a, b in zip(found if several else [found], wanted if several else [wanted], strict=True):
        assert a.shape == np.shape(b)
        np.testing.assert_allclose(np.asarray(a), b, rtol=1e-12)


def test_the_namespace_has_no_names_of_its_own():
    assert set(xp.__all__) & {"np", "op", "wrap", "Tensor", "Any", "math"} == set()
    assert {"e", "bool", "linalg", "fft", "astype", "unique_all"} <= set(xp.__all__)
    for name in (*xp.__all__, *(f"linalg.{name}" for name in xp.linalg.__all__)):
        operator.attrgetter(name)(xp)


def test_creation_and_dtypes_of_the_standard():
    assert xp.arange(5, 0, -2).tolist() == [5, 3, 1]
    assert xp.arange(3).dtype == xp.int64
    assert xp.linspace(0, 1, 4, endpoint=False).tolist() == [0, 0.25, 0.5, 0.75]
    assert xp.eye(2, 3, k=1).tolist() == [[0, 1, 0], [0, 0, 1]]
    assert xp.asarray(A, dtype=xp.float32).dtype == xp.float32
    x = xp.asarray(A)
    assert xp.asarray(x) is x
    assert xp.asarray(x, copy=True) is not x
    assert xp.zeros((2, 2), dtype=xp.int8, device=x.device).dtype == xp.int8
    assert xp.isdtype(xp.float32, "real floating")
    assert xp.isdtype(xp.int64, ("bool", "integral"))
    assert not xp.can_cast(xp.float64, xp.float32)
    assert xp.result_type(x, xp.float32, 1.0) == xp.float64
    assert xp.finfo(xp.float32).bits == 32
    assert xp.iinfo(xp.int8).max == 127
    assert xp.astype(x, xp.float32).dtype == xp.float32
    info = xp.__array_namespace_info__()
    assert info.default_dtypes()["real floating"] == xp.float32
    assert set(info.dtypes(kind="complex floating")) == {"complex64", "complex128"}
    assert (info.devices(), info.default_device()) == (["cpu"], "cpu")
    assert "max dimensions" in info.capabilities()
    with pytest.raises(ArgumentError, match="not of size 1"):
        xp.squeeze(x, 0)
    with pytest.raises(ArgumentError, match="kinds are"):
        xp.isdtype(xp.float32, "round")
