"""Tensors: making them, torch's dtype rules, conversion, text, random numbers."""

import copy
import math

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff.errors import ArgumentTypeError

f16, f32, f64, i32, i64, u8 = tg.float16, tg.float32, tg.float64, tg.int32, tg.int64, tg.uint8


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, f32),
        (2, i64),
        (True, tg.bool_),
        ([1.0, 2.0], f32),
        ([[1, 2], [3, 4]], i64),
        ([[1.0], [2]], f32),
        (np.float64([1.0]), f64),
        ([np.float64([1.0]), np.float64([2.0])], f64),
        (np.float32(3), f32),
        ([], f32),
    ],
)
def test_dtype_of_data(data, dtype):
    assert tg.tensor(data).dtype == dtype


def test_data_is_copied_and_as_tensor_shares():
    array = np.zeros(3)
    copied, shared = tg.tensor(array), tg.as_tensor(array)
    array[0] = 1
    assert copied.tolist() == [0, 0, 0]
    assert shared.tolist() == [1, 0, 0]
    assert tg.from_numpy(array).numpy() is array
    assert tg.tensor([tg.tensor(1.0), tg.tensor(2.0)]).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ("text", TypeError, "str"),
        ([[1, 2], [3]], ValueError, "regular shape"),
        (None, TypeError, "NoneType"),
        ([object()], TypeError, "list"),
    ],
)
def test_data_that_is_none(data, error, message):
    with pytest.raises(error, match=message):
        tg.tensor(data)


@pytest.mark.parametrize(
    ("left", "right", "dtype"),
    [
        (tg.zeros(2, dtype=i64), tg.zeros(2), f32),  # NumPy alone says float64
        (tg.zeros(2, dtype=i64), tg.zeros(2, dtype=f16), f16),
        (tg.zeros(2, dtype=f16), tg.zeros(2), f32),
        (tg.zeros(2), tg.zeros(2, dtype=f64), f64),
        (tg.zeros(2), tg.zeros((), dtype=f64), f32),
        (tg.zeros(2, dtype=i32), tg.zeros((), dtype=i64), i32),
        (tg.zeros(2, dtype=i32), tg.zeros(()), f32),
        (tg.zeros(2, dtype=u8), tg.zeros(2, dtype=tg.int8), tg.int16),
        (tg.zeros(2), 1.5, f32),
        (tg.zeros(2, dtype=f16), 1.5, f16),
        (tg.zeros(2, dtype=i64), 1.5, f32),
        (tg.zeros(2, dtype=i32), 2, i32),
        (tg.zeros(2, dtype=tg.bool_), 2, i64),
        (tg.zeros(2, dtype=tg.bool_), True, tg.bool_),
        (tg.zeros(2), np.float64(1.5), f32),
        (tg.zeros(2), np.zeros(2), f64),
        (np.zeros(2, np.float32), tg.zeros(2, dtype=i64), f32),
    ],
)
def test_promotion(left, right, dtype):
    assert (left + right).dtype == dtype
    assert tg.add(left, right).dtype == dtype
    assert (right * left).dtype == dtype


def test_division_and_functions_of_integers_are_float32():
    whole = tg.arange(1, 4)
    assert (whole / whole).dtype == f32
    assert tg.exp(whole).dtype == tg.sqrt(whole).dtype == tg.sigmoid(whole).dtype == f32
    assert (whole == whole).dtype == tg.bool_
    assert whole.sum().dtype == i64
    assert tg.zeros(2, dtype=tg.bool_).sum().dtype == i64
    with pytest.raises(RuntimeError, match="mean: expected a floating input"):
        whole.mean()


def test_mixed_dtypes_give_each_leaf_its_own():
    half = tg.ones(3, dtype=f16, requires_grad=True)
    double = tg.ones(3, dtype=f64, requires_grad=True)
    (half * double).sum().backward()
    assert half.grad.dtype == f16
    assert double.grad.dtype == f64


def test_float16_sums_are_accumulated_in_float32():
    x = tg.full((5000,), 1.0, dtype=f16)
    assert x.sum().item() == 5000  # 2048 + 1 = 2048 in float16
    assert x.mean().item() == 1
    assert x.view(-1, 1).expand(-1, 2).sum(0).tolist() == [5000, 5000]  # no pairwise help here
    assert x.view(-1, 1).expand(-1, 2).mean(0).tolist() == [1, 1]
    assert (x.view(1, -1) @ x.view(-1, 1)).item() == 5000
    assert x.var(correction=0).item() == 0


def test_operators_with_arrays_and_numbers_on_the_left():
    x = tg.tensor([1.0, 2.0])
    assert (3 - x).tolist() == [2, 1]
    assert (2**x).tolist() == [2, 4]
    assert (1 / x).tolist() == [1, 0.5]
    assert isinstance(np.ones(2, np.float32) + x, tg.Tensor)
    assert (np.float64(2) * x).dtype == f32
    assert (x == "text") is False
    assert (x != "text") is True
    assert (-x).tolist() == [-1, -2]
    assert (~(x > 1)).tolist() == [True, False]
    assert ((x > 0) & (x > 1)).tolist() == [False, True]
    with pytest.raises(TypeError, match=r"add: expected a tensor"):
        x + "text"
    with pytest.raises(TypeError):
        "text" + x


def test_axis_and_keepdims_are_understood():
    x = tg.ones(2, 3)
    assert x.sum(axis=1, keepdims=True).shape == (2, 1)
    assert tg.softmax(x, axis=0).shape == (2, 3)
    with pytest.raises(TypeError, match="given twice"):
        x.sum(1, axis=1)


def test_conversion():
    x = tg.tensor([[1.0, 2.0]])
    assert x.numpy().shape == (1, 2)
    assert np.asarray(x).dtype == np.float32
    assert np.array(x, np.float64).dtype == np.float64
    assert tg.tensor([2.5]).item() == 2.5
    assert float(tg.tensor(2.5)) == 2.5
    assert int(tg.tensor(2)) == 2
    assert [10, 20][tg.tensor(1)] == 20
    assert len(x) == 1
    assert [row.tolist() for row in x] == [[1, 2]]
    assert 2.0 in x
    assert f"{tg.tensor(1.25):.1f}" == "1.2"
    assert bool(tg.tensor(1.0))
    for wrong in (lambda: bool(tg.ones(2)), lambda: tg.ones(2).item()):
        with pytest.raises(RuntimeError):
            wrong()
    for number in (float, int, complex):
        with pytest.raises(ValueError, match=r"\(2,\)"):
            number(tg.ones(2))
    for wrong in (lambda: len(tg.tensor(1.0)), lambda: iter(tg.tensor(1.0)), lambda: [1][x]):
        with pytest.raises(TypeError):
            wrong()


def test_creation():
    assert tg.zeros(2, 3).shape == tg.zeros((2, 3)).shape == (2, 3)
    assert tg.ones(2, dtype=i64).dtype == i64
    assert tg.full((2,), 3).dtype == i64
    assert tg.full((2,), 3.0).dtype == f32
    assert tg.arange(5).dtype == i64
    assert tg.arange(0, 1, 0.25).tolist() == [0, 0.25, 0.5, 0.75]
    assert tg.linspace(0, 1, 3).tolist() == [0, 0.5, 1]
    assert tg.eye(2, 3).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert tg.ones_like(tg.zeros(2, dtype=f64)).dtype == f64
    with pytest.raises(RuntimeError, match="at least 0"):
        tg.zeros(-1)
    with pytest.raises(RuntimeError, match="does not lead"):
        tg.arange(1, 0)
    with pytest.raises(RuntimeError, match="floating"):
        tg.ones(2, dtype=i64, requires_grad=True)
    with pytest.raises(TypeError, match="expected a dtype"):
        tg.zeros(2, dtype="colour")


@pytest.mark.parametrize("make", [tg.randn, tg.rand, tg.zeros, tg.ones(2).reshape])
@pytest.mark.parametrize("size", ["a", None, 2.0, (1, "b")])
def test_sizes_are_ints(make, size):
    with pytest.raises(ArgumentTypeError, match="expected an int or a sequence of ints, got"):
        make(size)


def test_none_is_not_a_missing_argument():
    with pytest.raises(ArgumentTypeError, match=r"add: expected a tensor.* for 'other', got None"):
        tg.ones(1) + None
    with pytest.raises(ArgumentTypeError, match="add: missing argument 'other'"):
        tg.add(tg.ones(1))
    assert (tg.ones(1) == None) is False  # noqa: E711


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: x @ x, r"^matmul: the shapes \(2, 3\) and \(2, 3\) do not fit"),
        (lambda x: tg.mm(x, x), "^mm: the shapes"),
        (lambda x: tg.dot(x[0], x[:, 0]), r"^dot: the shapes \(3,\) and \(2,\)"),
        (lambda x: x @ x.T.to(tg.float64), "^matmul: expected operands of one dtype"),
    ],
)
def test_an_error_names_the_op_that_was_called(call, message):
    with pytest.raises(RuntimeError, match=message):
        call(tg.ones(2, 3))


def test_default_dtype():
    tg.set_default_dtype(f64)
    try:
        assert tg.tensor(1.5).dtype == tg.zeros(2).dtype == (tg.arange(2) / 2).dtype == f64
    finally:
        tg.set_default_dtype(f32)
    with pytest.raises(TypeError, match="floating"):
        tg.set_default_dtype(i64)


def test_casts_are_recorded():
    x = tg.tensor([1.5, 2.5], requires_grad=True)
    y = x.to(f64)
    assert y.dtype == f64
    (y * y).sum().backward()
    assert x.grad.dtype == f32
    assert x.grad.tolist() == [3, 5]
    assert not x.to(i64).requires_grad


def test_views_share_memory_and_copies_do_not():
    x = tg.zeros(2, 3)
    for view in (x.view(6), x.T, x[0], x.unsqueeze(0), x.detach(), x.data):
        assert np.shares_memory(view.numpy(), x.numpy())
    for other in (x.clone(), x[[0, 1]], x + 0):
        assert not np.shares_memory(other.numpy(), x.numpy())
    with pytest.raises(RuntimeError, match="share one place"):
        tg.zeros(1).expand(3).fill_(1)


def test_in_place_refuses_what_does_not_fit():
    x = tg.zeros(2)
    with pytest.raises(RuntimeError, match=r"\(3, 2\) .*\(2,\)"):
        x.add_(tg.ones(3, 2))
    with pytest.raises(RuntimeError, match="can't be cast"):
        tg.zeros(2, dtype=i64).add_(1.5)
    assert x.copy_(np.array([1, 2])).tolist() == [1, 2]
    x[x > 1] = 0.0
    assert x.tolist() == [1, 0]


def test_deepcopy():
    x = tg.tensor([1.0], requires_grad=True)
    y = copy.deepcopy(x)
    assert y.requires_grad
    assert not np.shares_memory(x.detach().numpy(), y.detach().numpy())
    with pytest.raises(RuntimeError, match="leaf"):
        copy.deepcopy(x * 2)


def test_grad_may_be_set_if_it_fits():
    x = tg.tensor([1.0], requires_grad=True)
    x.grad = tg.tensor([3.0])
    (x * 2).sum().backward()
    assert x.grad.tolist() == [5]
    with pytest.raises(RuntimeError, match="expected shape"):
        x.grad = tg.ones(2)
    with pytest.raises(TypeError, match="Tensor or None"):
        x.grad = 1.0


# The first numbers of the generators, as torch 2.15 on the CPU gives them after manual_seed(0).
def test_random_numbers_are_torchs():
    tg.manual_seed(0)
    assert tg.rand(3).tolist() == [0.49625658988952637, 0.7682217955589294, 0.08847743272781372]
    tg.manual_seed(0)
    assert tg.randperm(8).tolist() == [4, 0, 7, 3, 2, 5, 1, 6]
    tg.manual_seed(0)
    assert tg.randint(0, 100, (5,)).tolist() == [44, 39, 33, 60, 63]
    tg.manual_seed(0)
    assert tg.rand(2, dtype=f64).tolist() == [0.9700530018065531, 0.707819864399788]
    tg.manual_seed(0)
    np.testing.assert_allclose(
        tg.randn(3).numpy(),
        [1.5409960746765137, -0.293428897857666, -2.1787893772125244],
        rtol=2e-7,
    )


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 500])
def test_a_permutation_is_that_of_exchanges_one_by_one(count):
    words = tg.Generator().manual_seed(5).words(max(count - 1, 0)).tolist()
    order = list(range(count))
    for i, word in enumerate(words):
        j = i + word % (count - i)
        order[i], order[j] = order[j], order[i]
    assert tg.randperm(count, generator=tg.Generator().manual_seed(5)).tolist() == order


def test_random_numbers_repeat_and_are_in_range():
    generator = tg.Generator().manual_seed(7)
    first = tg.randn(100, generator=generator)
    state = generator.get_state()
    second = tg.rand(5, generator=generator)
    generator.set_state(state)
    assert tg.equal(second, tg.rand(5, generator=generator))
    with tg.random.fork_rng():
        inside = tg.rand(3)
    assert tg.equal(inside, tg.rand(3))
    assert abs(first.mean().item()) < 0.5
    numbers = tg.randint(-3, 4, (1000,))
    assert sorted(set(numbers.tolist())) == list(range(-3, 4))
    assert sorted(tg.randperm(10).tolist()) == list(range(10))
    mean = tg.bernoulli(tg.full((10_000,), 0.3)).mean().item()
    assert math.isclose(mean, 0.3, abs_tol=0.03)
    with pytest.raises(RuntimeError, match="n >= 0, got -1"):
        tg.randperm(-1)
    with pytest.raises(RuntimeError, match="low < high"):
        tg.randint(3, 3, (1,))
    with pytest.raises(RuntimeError, match="floating"):
        tg.rand(2, dtype=i64)


def test_numpys_warnings_stay_silent_where_torch_is_silent():
    x = tg.tensor([0.0, -1.0, 1000.0], requires_grad=True)
    for function in (tg.log, tg.sqrt, tg.exp, tg.rsqrt, tg.reciprocal, tg.sigmoid):
        function(x).sum().backward()
    (x / 0).sum().backward()


def test_powers_of_zero():
    x = tg.zeros(1, requires_grad=True)
    for exponent, slope in ((0, 0), (1, 1), (2, 0), (0.5, math.inf)):
        (found,) = tg.autograd.grad((x**exponent).sum(), x)
        assert found.item() == slope
    y = tg.ones(1, requires_grad=True)
    assert tg.autograd.grad((x.detach() ** y).sum(), y)[0].item() == 0
    assert tg.autograd.grad((0**y).sum(), y)[0].item() == 0
    assert tg.autograd.grad((x ** tg.zeros(1)).sum(), x)[0].item() == 0


def test_clamp_on_its_bounds():
    for low, high, slope in ((1.0, 3.0, 0), (tg.tensor(1.0), tg.tensor(3.0), 0.5)):
        x = tg.tensor([1.0, 2.0, 3.0, 0.0, 4.0], requires_grad=True)
        tg.clamp(x, low, high).sum().backward()
        assert x.grad.tolist() == [slope, 1, slope, 0, 0]


def test_where_leaks_no_nan():
    x = tg.tensor([0.0, 4.0], requires_grad=True)
    tg.where(x > 1, tg.sqrt(tg.where(x > 1, x, 1.0)), 0.0).sum().backward()
    assert x.grad.tolist() == [0, 0.25]
