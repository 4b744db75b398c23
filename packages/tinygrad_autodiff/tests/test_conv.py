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


def test_averages_are_means_of_windows():
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 7))
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 2), (2, 3))[:, :, ::2, ::3]
    kernel, stride = (3, 2), (2, 3)
    sums, ones = windows.sum((-2, -1)), np.ones_like(x)
    np.testing.assert_allclose(F.avg_pool2d(x, kernel, stride, 1), sums / 6, rtol=1e-12, atol=1e-12)
    found = F.avg_pool2d(x, kernel, stride, 1, divisor_override=5)
    np.testing.assert_allclose(found, sums / 5, rtol=1e-12, atol=1e-12)
    inside = F.avg_pool2d(ones, kernel, stride, 1, count_include_pad=False)
    np.testing.assert_allclose(inside, 1.0, rtol=1e-12)
    found = F.adaptive_avg_pool2d(x, (3, 1))
    wanted = x.reshape(2, 3, 3, 2, 7).mean((3, 4))[..., None]
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    power = F.lp_pool2d(np.abs(x), 3, 2)
    blocks = np.abs(x)[:, :, :, :6].reshape(2, 3, 3, 2, 3, 2)
    np.testing.assert_allclose(power, (blocks**3).sum((3, 5)) ** (1 / 3), rtol=1e-12)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular", "constant"])
def test_padding_is_numpys(mode):
    x = np.arange(24.0).reshape(1, 2, 3, 4)
    name = {"reflect": "reflect", "replicate": "edge", "circular": "wrap", "constant": "constant"}
    wanted = np.pad(x, ((0, 0), (0, 0), (0, 2), (2, 1)), name[mode])
    np.testing.assert_array_equal(F.pad(x, (2, 1, 0, 2), mode), wanted)
    np.testing.assert_array_equal(F.pad(x, (-1, -2), mode), x[..., 1:2])


def test_interpolation_follows_straight_lines():
    x = np.arange(7.0).reshape(1, 1, 7)
    inner = F.interpolate(x, 14, mode="linear")[0, 0, 1:-1]
    np.testing.assert_allclose(inner, (np.arange(1, 13) + 0.5) / 2 - 0.5, rtol=1e-12)
    aligned = F.interpolate(x, 11, mode="linear", align_corners=True)[0, 0]
    np.testing.assert_allclose(aligned, np.linspace(0, 6, 11), rtol=1e-12, atol=1e-12)
    plane = x[..., None] + np.arange(7.0)
    bent = F.interpolate(plane, 13, mode="bicubic", align_corners=True)[0, 0]
    line = np.linspace(0, 6, 13)
    np.testing.assert_allclose(bent[2:-2, 2:-2], (line[:, None] + line)[2:-2, 2:-2], rtol=1e-12)
    for mode in ("bilinear", "bicubic", "lanczos"):
        small = F.interpolate(np.full((1, 1, 9, 8), 2.5), (4, 3), mode=mode, antialias=True)
        np.testing.assert_allclose(small, 2.5, rtol=1e-12)
    np.testing.assert_array_equal(F.interpolate(x, 3)[0, 0], [0, 2, 4])
    np.testing.assert_array_equal(F.interpolate(x, 3, mode="nearest-exact")[0, 0], [1, 3, 5])


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest"])
def test_the_identity_samples_the_image_itself(mode):
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    same, turned = ([[[1.0, 0, 0], [0, 1, 0]]] * 2, [[[-1.0, 0, 0], [0, -1, 0]]] * 2)
    for theta, wanted in ((same, x), (turned, x[:, :, ::-1, ::-1])):
        grid = F.affine_grid(np.array(theta), x.shape, align_corners=False)
        np.testing.assert_allclose(F.grid_sample(x, grid, mode), wanted, rtol=1e-12, atol=1e-12)
    for padding, wanted in (("zeros", 0 * x), ("border", x[..., -1:]), ("reflection", x)):
        far = F.affine_grid(np.array(same), x.shape, align_corners=False) + np.array([4.0, 0])
        found = F.grid_sample(x, far, mode, padding)
        np.testing.assert_allclose(found, np.broadcast_to(wanted, x.shape), rtol=1e-12, atol=1e-12)


def test_folding_what_was_unfolded_counts_the_windows():
    x = np.random.default_rng(0).standard_normal((1, 2, 4, 6))
    np.testing.assert_allclose(F.fold(F.unfold(x, 2, stride=2), (4, 6), 2, stride=2), x)
    assert F.unfold(x, (2, 3))[0, :6, 0].tolist() == x[0, 0, :2, :3].ravel().tolist()
    assert F.fold(F.unfold(np.ones((1, 1, 3, 3)), 2), (3, 3), 2)[0, 0].tolist() == [
        [1, 2, 1],
        [2, 4, 2],
        [1, 2, 1],
    ]


def test_shuffles():
    x = np.arange(16).reshape(1, 4, 2, 2)
    shuffled = F.pixel_shuffle(x, 2)
    assert shuffled[0, 0].tolist() == [[0, 4, 1, 5], [8, 12, 9, 13], [2, 6, 3, 7], [10, 14, 11, 15]]
    np.testing.assert_array_equal(F.pixel_unshuffle(shuffled, 2), x)
    assert F.channel_shuffle(x, 2)[0, :, 0, 0].tolist() == [0, 8, 4, 12]
    ones = np.ones((1, 5, 1))
    found = F.local_response_norm(ones, 3, alpha=3.0, beta=1.0, k=1.0)[0, :, 0]
    np.testing.assert_allclose(found, [1 / 3, 1 / 4, 1 / 4, 1 / 4, 1 / 3])


def test_fractional_pooling_takes_the_draws_that_it_needs():
    x, draws = tg.randn(2, 1, 5, 5), tg.rand(2, 1, 2)
    pool = F.fractional_max_pool2d
    batch = pool(x, 2, 3, _random_samples=draws)
    assert tg.equal(pool(x[0], 2, 3, _random_samples=draws), batch[0])
    with pytest.raises(RuntimeError, match=r"expected \(2, 1, 2\), got \(1, 1, 2\)"):
        pool(x, 2, 3, _random_samples=draws[:1])
