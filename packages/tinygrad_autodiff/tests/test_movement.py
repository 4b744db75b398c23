"""Movement and indexing against NumPy's own answers; which results are views of the memory."""

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import autograd

A = np.arange(24.0).reshape(2, 3, 4)
M = np.arange(12.0).reshape(3, 4)
i64 = tg.int64
x, m = tg.from_numpy(A), tg.from_numpy(M)
rows, columns = np.array([2, 0, 2]), np.array([[0, 3], [1, 1], [2, 0]])

EQUAL = [
    (x.roll((1, -1), (0, 2)), np.roll(A, (1, -1), (0, 2))),
    (x.roll(5), np.roll(A, 5)),
    (m.rot90(), np.rot90(M)),
    (x.rot90(-1, (1, 2)), np.rot90(A, -1, (1, 2))),
    (x.flip(0, 2), np.flip(A, (0, 2))),
    (m.fliplr(), np.fliplr(M)),
    (m.flipud(), np.flipud(M)),
    (x.movedim((0, 1), (2, 0)), np.moveaxis(A, (0, 1), (2, 0))),
    (x.tile(2, 1), np.tile(A, (2, 1))),
    (m.repeat(2, 1, 2), np.tile(M, (2, 1, 2))),
    (m.repeat_interleave(2, 1), np.repeat(M, 2, 1)),
    (m.repeat_interleave(tg.tensor([1, 0, 2]), 0), np.repeat(M, [1, 0, 2], 0)),
    (tg.repeat_interleave(tg.tensor([1, 0, 2])), [0, 2, 2]),
    (tg.hstack([m, m]), np.hstack([M, M])),
    (tg.vstack([m, m[0]]), np.vstack([M, M[0]])),
    (tg.dstack([m, m]), np.dstack([M, M])),
    (tg.column_stack([m[:, 0], m]), np.column_stack([M[:, 0], M])),
    (tg.stack([m, m], -1), np.stack([M, M], -1)),
    (tg.block_diag(tg.ones(1, 2), tg.tensor(3.0)), [[1, 1, 0], [0, 0, 3]]),
    (tg.cartesian_prod(tg.arange(2), tg.arange(2)), [[0, 0], [0, 1], [1, 0], [1, 1]]),
    (tg.combinations(tg.arange(3)), [[0, 1], [0, 2], [1, 2]]),
    (tg.meshgrid(m[0], m[1], indexing="xy")[0], np.meshgrid(M[0], M[1])[0]),
    (tg.meshgrid(m[0], m[1], m[2], indexing="xy")[2], np.meshgrid(M[0], M[1], M[2])[2]),
    (m.diagonal(1), np.diagonal(M, 1)),
    (x.diagonal(-1, 2, 0), np.diagonal(A, -1, 2, 0)),
    (tg.diag(m[0], 1), np.diag(M[0], 1)),
    (m.diag_embed()[1], np.diag(M[1])),
    (m.trace(), np.trace(M)),
    (m.tril(-1), np.tril(M, -1)),
    (m.gather(1, tg.from_numpy(columns)), np.take_along_axis(M, columns, 1)),
    (m.take_along_dim(tg.tensor([[-1]]), 1), M[:, -1:]),
    (m.take(tg.tensor([0, -1])), [0, 11]),
    (m.index_select(0, tg.from_numpy(rows)), M[rows]),
    (m.masked_select(m > 9), [10, 11]),
    (m.nonzero()[:2], [[0, 1], [0, 2]]),
    (tg.nonzero_static(m, size=12)[-1], [-1, -1]),
    (m.unfold(1, 2, 2), M.reshape(3, 2, 2)),
    (m.as_strided((2, 2), (5, 1), 3), [[3, 4], [8, 9]]),
    (m[:, 1:].as_strided((2,), (4,)), [1, 5]),
    (x.narrow(2, tg.tensor(1), 2), A[:, :, 1:3]),
    (x.unflatten(2, (2, -1)), A.reshape(2, 3, 2, 2)),
    (m.scatter(1, tg.from_numpy(rows[:, None]), -1.0)[0], [0, 1, -1, 3]),
    (m.index_fill(0, tg.tensor([2]), 9.0)[2], [9] * 4),
    (m.put(tg.tensor([1, 1]), m[0, :2], accumulate=True)[0], [0, 2, 2, 3]),
    (m.masked_scatter(m < 2, m[2])[0], [8, 9, 2, 3]),
    (tg.arange(5).tensor_split(3)[1], [2, 3]),
    (tg.arange(5).tensor_split((1, 4))[1], [1, 2, 3]),
    (tg.arange(5).narrow(0, -2, 2), [3, 4]),
    (tg.arange(6).hsplit(2)[1], [3, 4, 5]),
    (tg.ones(1, 4).renorm(2, 0, 1.0)[0], [0.5] * 4),
    (tg._unsafe_masked_index(m[0], tg.tensor([True, False]), [tg.tensor([1, 9])], 7.0), [1, 7]),
    (
        tg._unsafe_masked_index_put_accumulate(
            m[0], tg.tensor([True, False]), [tg.tensor([1, 9])], m[1, :2]
        ),
        [0, 5, 2, 3],
    ),
    (tg.unravel_index(tg.tensor([5]), (2, 3))[1], [2]),
]


@pytest.mark.parametrize("number", range(len(EQUAL)))
def test_values(number):
    found, expected = EQUAL[number]
    np.testing.assert_array_equal(found.numpy(), expected)


def test_an_integer_beside_arrays_is_taken_first_as_in_torch():
    assert x[0, :, [0, 1, 1]].shape == (3, 3)  # (3, 3) but transposed in NumPy
    np.testing.assert_array_equal(x[0, :, [0, 1, 1]].numpy(), A[0][:, [0, 1, 1]])
    np.testing.assert_array_equal(x[1, tg.tensor([True, False, True])].numpy(), A[1][[0, 2]])


@pytest.mark.parametrize(("kind", "expected"), [("sum", 7), ("mean", 2), ("prod", 8), ("amax", 4)])
def test_reductions_of_integers_stay_integers(kind, expected):
    made = tg.tensor([1, 5]).scatter_reduce(0, tg.tensor([0, 0]), tg.tensor([2, 4]), kind)
    assert made.tolist() == [expected, 5]
    assert made.dtype == tg.int64


def test_reductions_without_the_old_element_leave_others_alone():
    old, index, new = tg.tensor([9.0, 5.0]), tg.tensor([0, 0]), tg.tensor([2.0, 4.0])
    for kind, value in (("sum", 6), ("mean", 3), ("prod", 8), ("amax", 4), ("amin", 2)):
        made = old.scatter_reduce(0, index, new, kind, include_self=False)
        assert made.tolist() == [value, 5]


def test_equal_extrema_share_the_gradient_and_zeros_of_a_product_do_not_hide_it():
    old = tg.tensor([3.0, 1.0], requires_grad=True)
    new = tg.tensor([3.0, 3.0, 1.0], requires_grad=True)
    index = tg.tensor([0, 0, 1])
    found = autograd.grad(old.scatter_reduce(0, index, new, "amax").sum(), (old, new))
    np.testing.assert_allclose(found[0].numpy(), [1 / 3, 1 / 2])
    np.testing.assert_allclose(found[1].numpy(), [1 / 3, 1 / 3, 1 / 2])
    new = tg.tensor([0.0, 2.0, 5.0], requires_grad=True)
    found = autograd.grad(old.scatter_reduce(0, index, new, "prod").sum(), (old, new))
    assert [g.tolist() for g in found] == [[0, 5], [6, 0, 1]]


def test_an_index_named_twice_fills_a_slice_once():
    value = tg.tensor(2.0, requires_grad=True)
    tg.zeros(2, 3).index_fill(1, tg.tensor([1, 1]), value).sum().backward()
    assert value.grad.item() == 2


PATTERNS = [((2, 2), (1, 2), 0), ((3, 2), (1, 1), 1), ((2, 2, 2), (4, 0, 2), 2)]


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_gradients_of_strided_views_follow_the_memory(pattern, transposed):
    def view(value):
        whole = value * 1.0
        return (whole.t() if transposed else whole).as_strided(*pattern)

    start = tg.rand(3, 4, dtype=tg.float64).requires_grad_()
    assert autograd.gradcheck(view, (start,), check_forward_ad=True)
    assert autograd.gradgradcheck(lambda v: view(v) ** 2, (start,), check_forward_ad=True)

    def scattered(value, source):
        return tg.as_strided_scatter(value * 1.0, source, *pattern)

    if 0 not in pattern[1]:
        source = tg.rand(*pattern[0], dtype=tg.float64).requires_grad_()
        if pattern[1] != (1, 1):  # a place written twice keeps the last value alone
            assert autograd.gradcheck(scattered, (start, source), check_forward_ad=True)


VIEWS = {
    "view": lambda t: t.view(2, 12),
    "reshape": lambda t: t.reshape(6, 4),
    "permute": lambda t: t.permute(2, 0, 1),
    "transpose": lambda t: t.transpose(0, 1),
    "unsqueeze": lambda t: t.unsqueeze(1),
    "squeeze": lambda t: t[:1].squeeze(0),
    "expand": lambda t: t.expand(2, 2, 3, 4),
    "diagonal": lambda t: t.diagonal(),
    "split": lambda t: t.split(1)[1],
    "chunk": lambda t: t.chunk(2, 2)[0],
    "unbind": lambda t: t.unbind(1)[2],
    "tensor_split": lambda t: t.tensor_split(2, 1)[1],
    "narrow": lambda t: t.narrow(1, 1, 2),
    "select": lambda t: t.select(2, 1),
    "unfold": lambda t: t.unfold(2, 2, 1),
    "as_strided": lambda t: t.as_strided((2, 2), (3, 1)),
    "movedim": lambda t: t.movedim(0, 2),
    "unflatten": lambda t: t.unflatten(2, (2, 2)),
    "view_as": lambda t: t.view_as(tg.zeros(24)),
    "getitem": lambda t: t[..., 1:],
}
COPIES = {
    "view_copy": lambda t: tg.view_copy(t, (24,)),
    "unfold_copy": lambda t: tg.unfold_copy(t, 2, 2, 1),
    "unbind_copy": lambda t: tg.unbind_copy(t)[0],
    "narrow_copy": lambda t: tg.narrow_copy(t, 1, 1, 2),
    "roll": lambda t: t.roll(1),
    "flip": lambda t: t.flip(0),
    "rot90": lambda t: t.rot90(),
    "tile": lambda t: t.tile(1, 1),
    "index": lambda t: t[tg.tensor([0])],
    "contiguous": lambda t: t.transpose(0, 1).contiguous(),
    "clone": lambda t: t.clone(),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_share_the_memory(name):
    assert np.may_share_memory(VIEWS[name](x).numpy(), A)


@pytest.mark.parametrize("name", COPIES)
def test_copies_do_not(name):
    assert not np.may_share_memory(COPIES[name](x).numpy(), A)


def test_a_place_that_stands_for_several_is_not_written_to():
    with pytest.raises(RuntimeError, match="share one place"):
        tg.zeros(3).as_strided((2, 2), (1, 0)).add_(1)


def test_fill_diagonal():
    assert tg.zeros(2, 3).fill_diagonal_(1.0).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert tg.zeros(4, 2).fill_diagonal_(1.0, wrap=True).tolist() == [
        [1, 0],
        [0, 1],
        [0, 0],
        [1, 0],
    ]
    x = tg.ones(2, 2, requires_grad=True)
    (x * 1).fill_diagonal_(5.0).sum().backward()
    assert x.grad.tolist() == [[0, 1], [1, 0]]


def test_a_view_that_needs_a_copy_is_refused():
    with pytest.raises(RuntimeError, match=r"view: .*\(4, 3\).* use reshape"):
        m.t().view(12)
    assert m.t().reshape(12).shape == (12,)


def test_halves_are_added_in_single_precision():
    for shape in ((2,), (2, 40)):  # by places, and by rows
        half = tg.ones(*shape, dtype=tg.float16, requires_grad=True)
        half[tg.zeros(3000, dtype=i64)].float().sum().backward()
        assert half.grad.dtype == tg.float16
        assert half.grad.reshape(-1)[0].item() == 3000  # where float16 alone would stop at 2048


def test_where_as_a_method_and_of_a_condition_alone():
    x = tg.tensor([[1.0, 2.0], [3.0, 0.5]], requires_grad=True)
    found = x.where(x > 1, tg.zeros(2))
    assert found.tolist() == [[0.0, 2.0], [3.0, 0.0]]
    found.sum().backward()
    assert x.grad.tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert [places.tolist() for places in tg.where(x > 1)] == [[0, 1], [1, 0]]
    with pytest.raises(TypeError, match="missing argument 'other'"):
        tg.where(x > 1, x)
