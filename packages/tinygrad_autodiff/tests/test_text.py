"""Tensors as text; every expected text is torch 2.15's, but for its ``torch.`` before dtypes."""

import numpy as np
import pytest
import tinygrad_autodiff as tg

PLAIN = [
    ([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], "tensor([[0., 1., 2.],\n        [3., 4., 5.]])"),
    (1.5, "tensor(1.5000)"),
    ([-0.25, 3.0], "tensor([-0.2500,  3.0000])"),
    ([True, False], "tensor([ True, False])"),
    ([3, -10], "tensor([  3, -10])"),
    ([1e10, 1e-5], "tensor([1.0000e+10, 1.0000e-05])"),
    ([1.0, 1000.0], "tensor([   1., 1000.])"),
    ([1.0, 1001.0], "tensor([1.0000e+00, 1.0010e+03])"),
    ([float("nan"), 0.5, float("-inf")], "tensor([   nan, 0.5000,   -inf])"),
    ([0.0, 0.0], "tensor([0., 0.])"),
    ([], "tensor([])"),
    ([1 + 2j, -1.5 - 3j], "tensor([ 1.0000+2.j, -1.5000-3.j])"),
    ([[[1.0]], [[2.0]]], "tensor([[[1.]],\n\n        [[2.]]])"),
]


@pytest.mark.parametrize(("values", "text"), PLAIN)
def test_small_tensors(values, text):
    assert repr(tg.tensor(values)) == text


def test_large_ones_are_cut_and_long_lines_broken():
    assert repr(tg.zeros(2000)) == "tensor([0., 0., 0.,  ..., 0., 0., 0.])"
    rows = "[ 0,  1,  2,  ..., 37, 38, 39]"
    shown = repr(tg.arange(40).expand(40, 40))
    between = ",\n        "
    assert shown == f"tensor([{between.join([*[rows] * 3, '...', *[rows] * 3])}])"
    lines = repr(tg.full((19,), 0.5)).splitlines()
    assert lines[0] == "tensor([" + "0.5000, " * 8 + "0.5000,"
    assert [line.count("0.5") for line in lines] == [9, 9, 1]


def test_what_does_not_go_without_saying_is_said():
    assert repr(tg.ones(2, dtype=tg.float64)) == "tensor([1., 1.], dtype=float64)"
    assert repr(tg.ones(0, 3, dtype=tg.int32)) == "tensor([], size=(0, 3), dtype=int32)"
    x = tg.ones(1, requires_grad=True)
    assert repr(x) == "tensor([1.], requires_grad=True)"
    assert repr(x * 2) == "tensor([2.], grad_fn=<MulBackward>)"
    wide = (x * 1.25).expand(9)
    assert repr(wide).endswith("1.2500],\n       grad_fn=<ExpandBackward>)")


def test_formats():
    assert f"{tg.tensor(2.5)} {tg.tensor(2.5):.2f} {tg.tensor([1])}" == "2.5 2.50 tensor([1])"


def test_options():
    x = tg.tensor([1.23456, 100.0])
    try:
        tg.set_printoptions(precision=2)
        assert repr(x) == "tensor([  1.23, 100.00])"
        tg.set_printoptions(sci_mode=True, linewidth=20)
        assert repr(x) == "tensor([1.23e+00,\n        1.00e+02])"
        tg.set_printoptions(profile="short", threshold=3)
        assert repr(tg.arange(9)) == "tensor([0, 1,  ..., 7, 8])"
        assert tg.get_printoptions()["edgeitems"] == 2
        with pytest.raises(ValueError, match="'short'"):
            tg.set_printoptions(profile="tiny")
    finally:
        tg.set_printoptions(profile="default")
    assert repr(x) == "tensor([  1.2346, 100.0000])"


def test_where_the_elements_lie():
    x = tg.from_numpy(np.arange(12, dtype=np.float32).reshape(3, 4))[1:, ::2]
    assert (x.stride(), x.stride(0), x.storage_offset()) == ((4, 2), 4, 4)
    assert (x.element_size(), x.itemsize, x.nelement(), x.ndimension()) == (4, 4, 4, 2)
    assert x.data_ptr() == x[0, 0].data_ptr() != x[0, 1].data_ptr()
    assert x.is_signed()
    assert not tg.tensor([1], dtype=tg.uint8).is_signed()
    assert (x.is_cpu, x.is_cuda, x.get_device()) == (True, False, -1)
