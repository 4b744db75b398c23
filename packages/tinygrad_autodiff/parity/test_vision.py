"""Modules for images and signals against torch's: text, keys, initial values, results, gradients.

Run by ``pytest packages/tinygrad_autodiff/parity`` where torch is installed.
"""

import numpy as np
import pytest
import tinygrad_autodiff as tg
import torch

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # torch's about its own past

# A module as written in both libraries, and the shape of its input.
MODULES = [
    ("Conv1d(4, 6, 3)", (2, 4, 9)),
    ("Conv1d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2, bias=False)", (2, 4, 9)),
    ("Conv2d(3, 4, (3, 2), padding=1)", (2, 3, 6, 5)),
    ("Conv2d(3, 6, 4, padding='same', groups=3)", (3, 6, 5)),
    ("Conv2d(2, 3, 3, 2, (2, 1), padding_mode='reflect')", (2, 2, 6, 5)),
    ("Conv2d(2, 3, 4, padding='same', padding_mode='circular')", (2, 2, 6, 5)),
    ("Conv2d(3, 2, 1)", (2, 3, 4, 4)),
    ("Conv3d(2, 3, 2, stride=(1, 2, 1), padding=1)", (1, 2, 4, 4, 3)),
    ("ConvTranspose1d(4, 2, 3, stride=3, output_padding=2)", (2, 4, 5)),
    ("ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2)", (2, 4, 4, 3)),
    ("ConvTranspose2d(4, 6, 3, dilation=2, bias=False)", (4, 4, 3)),
    ("ConvTranspose3d(2, 3, 2, 2)", (1, 2, 2, 3, 2)),
    ("MaxPool1d(3, 2, 1)", (2, 3, 8)),
    ("MaxPool2d(2)", (2, 3, 8, 6)),
    ("MaxPool2d(3, stride=2, padding=1, ceil_mode=True)", (2, 3, 8, 7)),
    ("MaxPool2d(3, dilation=2, return_indices=True)", (2, 3, 8, 7)),
    ("MaxPool3d(2, 1)", (1, 2, 3, 4, 3)),
    ("AvgPool1d(3, 2, 1)", (2, 3, 8)),
    ("AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)", (2, 3, 8, 7)),
    ("AvgPool2d(2, divisor_override=3)", (2, 3, 8, 7)),
    ("AvgPool3d((1, 2, 2))", (1, 2, 3, 4, 4)),
    ("LPPool1d(3, 2)", (2, 3, 8)),
    ("LPPool2d(2, 3, stride=2, ceil_mode=True)", (2, 3, 8, 7)),
    ("AdaptiveAvgPool1d(3)", (2, 3, 8)),
    ("AdaptiveAvgPool2d((3, None))", (2, 3, 8, 7)),
    ("AdaptiveAvgPool3d(2)", (1, 2, 3, 4, 5)),
    ("AdaptiveMaxPool1d(3)", (2, 3, 8)),
    ("AdaptiveMaxPool2d(3, return_indices=True)", (2, 3, 8, 7)),
    ("AdaptiveMaxPool3d((2, 1, 3))", (1, 2, 3, 4, 5)),
    ("FractionalMaxPool2d(2, output_size=3)", (2, 3, 8, 7)),
    ("FractionalMaxPool3d(2, output_ratio=0.5)", (1, 2, 4, 5, 6)),
    ("ZeroPad1d(2)", (2, 3)),
    ("ZeroPad2d((1, -1, 2, 0))", (2, 3, 4)),
    ("ConstantPad2d(1, 3.5)", (2, 3, 4)),
    ("ConstantPad3d((1, 2, 0, 1, 2, 0), -1.0)", (2, 3, 4, 2)),
    ("ReflectionPad1d((2, 1))", (2, 4)),
    ("ReflectionPad2d(2)", (1, 2, 3, 4)),
    ("ReplicationPad2d((1, 2, 0, 3))", (1, 2, 3, 4)),
    ("ReplicationPad3d(1)", (1, 2, 3, 2, 2)),
    ("CircularPad2d((1, 2, 3, 0))", (1, 2, 3, 4)),
    ("Upsample(scale_factor=2)", (1, 2, 3, 4)),
    ("Upsample(size=(5, 3), mode='bilinear', align_corners=True)", (1, 2, 3, 4)),
    ("Upsample(scale_factor=(1.7, 0.6), mode='bicubic')", (1, 2, 4, 5)),
    ("Upsample(scale_factor=1.6, mode='linear', recompute_scale_factor=True)", (1, 2, 4)),
    ("Upsample(size=5, mode='trilinear')", (1, 2, 3, 4, 2)),
    ("Upsample(scale_factor=2.3, mode='nearest-exact')", (1, 2, 7)),
    ("UpsamplingNearest2d(scale_factor=3)", (1, 2, 3, 4)),
    ("UpsamplingBilinear2d(size=(4, 7))", (1, 2, 3, 4)),
    ("Unfold((2, 3), dilation=2, padding=1, stride=2)", (2, 3, 6, 7)),
    ("Fold((4, 5), (2, 2), padding=1)", (2, 8, 30)),
    ("PixelShuffle(2)", (2, 8, 2, 3)),
    ("PixelUnshuffle(2)", (2, 2, 4, 6)),
    ("ChannelShuffle(2)", (2, 6, 3)),
    ("LocalResponseNorm(3, alpha=0.1)", (2, 6, 3)),
    ("Unflatten(1, (2, 3))", (2, 6, 3)),
    ("Flatten(0, 1)", (2, 6, 3)),
]


def made(library, text):
    library.manual_seed(3)
    return eval(text, {name: getattr(library.nn, name) for name in dir(library.nn)})


def values(shape):
    return (
        np.random.default_rng(0).permutation(np.linspace(-1, 2, int(np.prod(shape)))).reshape(shape)
    )


@pytest.mark.parametrize(("text", "shape"), MODULES)
def test_module(text, shape):
    wanted, found = made(torch, text), made(tg, text)
    assert repr(found) == repr(wanted)
    assert list(found.state_dict()) == list(wanted.state_dict())
    for name, value in found.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), wanted.state_dict()[name].numpy())
    results = []
    for library, module in ((torch, wanted.double()), (tg, found.double())):
        library.manual_seed(5)
        x = library.tensor(values(shape), requires_grad=True)
        out = module(x)
        first, *rest = out if isinstance(out, tuple) else (out,)
        seed = np.random.default_rng(1).uniform(0.5, 1, tuple(first.shape))
        first.backward(library.tensor(seed))
        results.append([first, *rest, x.grad, *(p.grad for p in module.parameters())])
    for a, b in zip(*results, strict=True):
        wanted_values, found_values = a.detach().numpy(), b.detach().numpy()
        assert found_values.dtype == wanted_values.dtype
        np.testing.assert_allclose(found_values, wanted_values, rtol=1e-12, atol=1e-12)


def test_unpooling_and_a_chosen_output_size():
    results = []
    for library in (torch, tg):
        library.manual_seed(1)
        x = library.tensor(values((2, 3, 5, 7)))
        pooled, where = library.nn.MaxPool2d(2, return_indices=True)(x)
        up = library.nn.MaxUnpool2d(2)(pooled, where, output_size=x.shape)
        small = library.nn.Conv2d(3, 4, 3, stride=2).double()(x)
        back = library.nn.ConvTranspose2d(4, 3, 3, stride=2).double()
        results.append([up, back(small, output_size=(6, 7)), back(small)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic", "area"])
@pytest.mark.parametrize("size", [1, 3, 8, 13, 24, 100])
def test_interpolation_of_many_sizes(mode, size):
    x = values((1, 1, 8, 13)).astype(np.float32)
    options = [{}]
    if mode in ("bilinear", "bicubic"):
        options += [{"align_corners": True}, {"antialias": True}]
    for option in options:
        wanted, found = (
            library.nn.functional.interpolate(library.tensor(x), (size, size), mode=mode, **option)
            for library in (torch, tg)
        )
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("factor", [0.3, 0.5, 1.1, 1.5, 2.0, 3.3])
def test_nearest_by_a_factor(factor):
    x = np.arange(101, dtype=np.float32)[None, None]
    for mode in ("nearest", "nearest-exact"):
        wanted, found = (
            library.nn.functional.interpolate(library.tensor(x), scale_factor=factor, mode=mode)
            for library in (torch, tg)
        )
        np.testing.assert_array_equal(found.numpy(), wanted.numpy())


def test_the_largest_of_ties_nan_and_infinities():
    x = np.array([[[1, 1, np.nan, 0, np.nan, -np.inf, -np.inf, -np.inf, np.inf, np.inf]]])
    for kernel, padding in ((2, 0), (2, 1), (3, 1), (5, 2)):
        wanted, found = (
            library.nn.functional.max_pool1d(
                library.tensor(x), kernel, 1, padding, return_indices=True
            )
            for library in (torch, tg)
        )
        for a, b in zip(wanted, found, strict=True):
            np.testing.assert_array_equal(b.numpy(), a.numpy())


def test_an_infinite_pixel_stays_where_it_is():
    x = np.zeros((1, 1, 6, 6))
    x[0, 0, 2, 3] = np.inf
    for library_call in (
        lambda f, v: f.avg_pool2d(v, 3, 1, 1),
        lambda f, v: f.adaptive_avg_pool2d(v, 4),
        lambda f, v: f.interpolate(v, 9, mode="area"),
        lambda f, v: f.pad(v, (1, 2, 3, 0), "reflect"),
    ):
        wanted = library_call(torch.nn.functional, torch.tensor(x)).numpy()
        found = library_call(tg.nn.functional, tg.tensor(x)).numpy()
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("align", [True, False])
def test_affine_grids(align):
    theta = values((2, 2, 3))
    for size in ((2, 1, 4, 3), (2, 3, 1, 5)):
        wanted, found = (
            library.nn.functional.affine_grid(library.tensor(theta), size, align_corners=align)
            for library in (torch, tg)
        )
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-12, atol=1e-12)


def test_a_hundred_steps_of_a_cnn_in_float64_lie_on_torchs():
    runs = []
    random = np.random.default_rng(0)
    x, y = random.standard_normal((16, 1, 12, 12)), random.integers(0, 4, 16)
    for library in (torch, tg):
        library.manual_seed(0)
        nn = library.nn
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 8, 3, stride=2, padding_mode="reflect", padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(32, 4),
        ).double()
        optimizer = library.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
        losses = []
        for _ in range(100):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(library.tensor(x)), library.tensor(y))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        runs.append(losses)
    np.testing.assert_allclose(runs[1], runs[0], rtol=0, atol=1e-8)
    assert runs[0][-1] < 0.5 * runs[0][0]
