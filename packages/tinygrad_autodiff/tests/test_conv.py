"""Convolution and its relatives: against plain loops, through many tiles, with complex numbers."""

import itertools

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import autograd, nn
from tinygrad_autodiff.errors import ArgumentError
from tinygrad_autodiff.nn import functional as F
from tinygrad_autodiff.ops import convolution, max_pooling
from tinygrad_autodiff.ops.windows import Window, taps


def looped(x, w, stride, padding, dilation, groups):
    """Convolution of images by its definition."""
    x = np.pad(x, ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2))
    kernel, outer = w.shape[2:], w.shape[0] // groups
    sizes = [
        (n - dilation * (k - 1) - 1) // stride + 1 for n, k in zip(x.shape[2:], kernel, strict=True)
    ]
    out = np.zeros((len(x), len(w), *sizes))
    for n, o, i, j in np.ndindex(out.shape):
        for c, a, b in np.ndindex(w.shape[1:]):
            channel = o // outer * w.shape[1] + c
            place = i * stride + a * dilation, j * stride + b * dilation
            out[n, o, i, j] += x[(n, channel, *place)] * w[o, c, a, b]
    return out


@pytest.mark.parametrize("cache", [1, 600, 2**20])
@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    [(1, 0, 1, 1), (1, 1, 1, 2), (2, 2, 1, 1), (2, 1, 2, 2), (3, 0, 1, 4)],
)
def test_values_and_gradients_through_any_number_of_tiles(
    monkeypatch, cache, stride, padding, dilation, groups
):
    random = np.random.default_rng(0)
    x, w = random.standard_normal((3, 4, 7, 6)), random.standard_normal((4, 4 // groups, 3, 2))
    place = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    monkeypatch.setattr(convolution, "_CACHE", cache)
    leaves = [tg.tensor(v, requires_grad=True) for v in (x, w)]
    out = F.conv2d(*leaves, **place)
    np.testing.assert_allclose(out.numpy(force=True), looped(x, w, **place), rtol=1e-12, atol=1e-12)
    # L = Σ g·conv(x, w) is linear in x and in w: its gradients give it back.
    g = random.standard_normal(out.shape)
    gx, gw = autograd.grad(out, leaves, tg.tensor(g))
    total = (out.numpy(force=True) * g).sum()
    np.testing.assert_allclose([(gx.numpy() * x).sum(), (gw.numpy() * w).sum()], total, rtol=1e-12)
    back = F.conv_transpose2d(
        tg.tensor(g), leaves[1], None, stride, padding, 0, groups, dilation
    ).numpy(force=True)
    rows, columns = back.shape[2:]
    np.testing.assert_allclose(back, gx.numpy()[:, :, :rows, :columns], rtol=1e-12, atol=1e-12)


def test_complex_numbers():
    random = np.random.default_rng(0)
    parts = [
        random.standard_normal(shape) + 1j * random.standard_normal(shape)
        for shape in ((2, 2, 4, 3), (2, 2, 2, 2))
    ]
    leaves = [tg.tensor(p, requires_grad=True) for p in parts]
    assert autograd.gradcheck(lambda x, w: F.conv2d(x, w, padding=1), leaves)
    assert autograd.gradcheck(lambda x, w: F.conv_transpose2d(x, w, stride=2), leaves)


def test_float16_is_added_up_in_float32():
    x = np.full((1, 4096, 1, 1), 1.0, np.float16)
    w = np.full((1, 4096, 1, 1), 0.5, np.float16)
    out = F.conv2d(tg.tensor(x), tg.tensor(w))
    assert out.dtype == tg.float16
    assert out.item() == 2048


def test_an_output_is_written_to_its_own_memory_only():
    """Tiles are views of the output: strided ones would be silently lost copies."""
    x, w = tg.ones(2, 3, 40, 5), tg.ones(4, 3, 3, 3)
    convolution._CACHE, before = 2000, convolution._CACHE
    try:
        assert F.conv2d(x, w, padding=1)[:, :, 1:-1, 1:-1].numpy().tolist() == (
            np.full((2, 4, 38, 3), 27.0).tolist()
        )
    finally:
        convolution._CACHE = before


def test_every_window_sees_what_it_should():
    for size, kernel, stride, dilation, before, after in itertools.product(
        (1, 4, 5), (1, 2, 3), (1, 2, 3), (1, 2), (0, 2), (-1, 0, 1)
    ):
        window = Window((kernel,), (stride,), (dilation,), (before,), (after,))
        (count,) = window.outputs((size,))
        if count <= 0:
            continue
        seen = {}
        for tap in taps((size,), (count,), window):
            reads, writes = range(size)[tap.input[1]], range(count)[tap.output[1]]
            seen.update({(o, tap.number): i for i, o in zip(reads, writes, strict=True)})
        for o, k in itertools.product(range(count), range(kernel)):
            place = o * stride + k * dilation - before
            assert seen.get((o, k)) == (place if 0 <= place < size else None)


@pytest.mark.parametrize("cache", [1, 2**20])
def test_the_largest_through_any_number_of_blocks(monkeypatch, cache):
    monkeypatch.setattr(max_pooling, "_CACHE", cache)
    x = np.random.default_rng(0).permutation(252).reshape(2, 3, 6, 7) - 100.0
    leaf = tg.tensor(x, requires_grad=True)
    values, where = F.max_pool2d(leaf, 3, 2, 1, return_indices=True)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))[:, :, ::2, ::2]
    np.testing.assert_array_equal(values.numpy(force=True), windows.max((-2, -1)))
    flat = np.take_along_axis(x.reshape(2, 3, -1), where.numpy().reshape(2, 3, -1), 2)
    np.testing.assert_array_equal(flat.reshape(values.shape), values.numpy(force=True))
    values.sum().backward()
    hits = np.zeros((2, 3, 42))
    for n, c in np.ndindex(2, 3):
        np.add.at(hits[n, c], where.numpy()[n, c].ravel(), 1)
    np.testing.assert_array_equal(leaf.grad.numpy(), hits.reshape(x.shape))


def test_the_largest_ignores_infinite_gradients_of_others():
    x = tg.tensor([[[1.0, 3.0, 2.0, 0.0]]], requires_grad=True)
    F.max_pool1d(x, 2).backward(tg.tensor([[[np.inf, 1.0]]]))
    assert x.grad.tolist() == [[[0.0, np.inf, 1.0, 0.0]]]


def test_integers_are_pooled():
    x = tg.tensor(np.arange(-8, 8).reshape(1, 1, 4, 4))
    assert F.max_pool2d(x, 3, 1, 1)[0, 0, 0].tolist() == [-3, -2, -1, -1]


def test_a_layer_says_what_it_cannot_be():
    with pytest.raises(ArgumentError, match="in_channels must be divisible by groups"):
        nn.Conv2d(3, 4, 3, groups=2)
    with pytest.raises(ArgumentError, match="'mirror'"):
        nn.Conv2d(3, 4, 3, padding_mode="mirror")
    with pytest.raises(ArgumentError, match="not supported for strided"):
        nn.Conv2d(3, 4, 3, stride=2, padding="same")
    with pytest.raises(ArgumentError, match="only zeros"):
        nn.ConvTranspose2d(3, 4, 3, padding_mode="reflect")
    with pytest.raises(ArgumentError, match=r"valid sizes range from \[7\] to \[8\]"):
        nn.ConvTranspose1d(1, 1, 3, stride=2)(tg.ones(1, 1, 3), output_size=(9,))
    with pytest.raises(ArgumentError, match="either output_size or output_ratio"):
        nn.FractionalMaxPool2d(2)


def test_state_dicts_round_trip():
    a, b = (nn.Sequential(nn.Conv1d(2, 3, 3), nn.ConvTranspose1d(3, 2, 3)) for _ in range(2))
    assert list(a.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    b.load_state_dict(a.state_dict())
    x = tg.rand(1, 2, 5)
    np.testing.assert_array_equal(a(x).numpy(force=True), b(x).numpy(force=True))
