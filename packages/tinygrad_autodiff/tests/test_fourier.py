"""Fourier transforms and windows: values against the definitions, derivatives, dtypes."""

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import autograd, fft
from tinygrad_autodiff.errors import ArgumentError
from tinygrad_autodiff.samples import array
from tinygrad_autodiff.signal import windows
from tinygrad_autodiff.tensor import wrap

REAL = array((2, 5))
COMPLEX = array((2, 4)) + 1j * array((2, 4), seed=1)
CUBE = array((2, 3, 2)) + 1j * array((2, 3, 2), seed=1)
BOX = array((2, 3, 4))

CASES = {
    "fft": (fft.fft, COMPLEX, {}),
    "fft of real numbers": (fft.fft, REAL, {"n": 3, "norm": "ortho"}),
    "ifft": (fft.ifft, COMPLEX, {"n": 6, "dim": 0, "norm": "forward"}),
    "rfft": (fft.rfft, REAL, {}),
    "rfft, even": (fft.rfft, REAL, {"n": 6, "norm": "forward"}),
    "irfft": (fft.irfft, COMPLEX, {}),
    "irfft, odd": (fft.irfft, COMPLEX, {"n": 5, "norm": "ortho"}),
    "irfft of real numbers": (fft.irfft, REAL, {"n": 4}),
    "hfft": (fft.hfft, COMPLEX, {}),
    "ihfft": (fft.ihfft, REAL, {}),
    "fftn": (fft.fftn, CUBE, {"s": (3, 3)}),
    "ifft2": (fft.ifft2, CUBE, {"norm": "ortho"}),
    "rfftn": (fft.rfftn, BOX, {}),
    "irfftn": (fft.irfftn, CUBE, {}),
    "hfft2": (fft.hfft2, CUBE, {"s": (3, 3)}),
    "ihfftn": (fft.ihfftn, BOX, {"dim": (0, 2)}),
    "fftshift": (fft.fftshift, REAL, {}),
    "stft": (
        lambda x: tg.stft(x, 3, 2, window=windows.hann(3, dtype=tg.float64), return_complex=True),
        REAL,
        {},
    ),
    "istft": (
        lambda z: tg.istft(z, 6, window=windows.hamming(6, dtype=tg.float64)),
        COMPLEX.repeat(2, 0),
        {},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_derivatives_of_both_orders_in_both_modes(name):
    function, values, kwargs = CASES[name]
    leaf = wrap(values.copy()).requires_grad_()
    assert autograd.gradcheck(lambda x: function(x, **kwargs), (leaf,), check_forward_ad=True)
    assert autograd.gradgradcheck(lambda x: function(x, **kwargs), (leaf,), check_forward_ad=True)


@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
def test_values_are_those_of_the_definition(norm):
    n = 5
    scale = {"backward": 1, "ortho": n**-0.5, "forward": 1 / n}[norm]
    matrix = np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n) * scale
    found = fft.fft(wrap(REAL), norm=norm).numpy()
    np.testing.assert_allclose(found, REAL @ matrix, atol=1e-13)
    np.testing.assert_allclose(fft.ifft(wrap(found), norm=norm).numpy().real, REAL, atol=1e-14)
    half = fft.rfft(wrap(REAL), norm=norm)
    np.testing.assert_allclose(half.numpy(), found[:, :3], atol=1e-14)
    np.testing.assert_allclose(fft.irfft(half, 5, norm=norm).numpy(), REAL, atol=1e-14)
    whole = fft.hfft(fft.ihfft(wrap(REAL), norm=norm), 5, norm=norm)
    np.testing.assert_allclose(whole.numpy(), REAL, atol=1e-14)


def test_many_dimensions_are_one_after_the_other():
    x = wrap(BOX)
    step = fft.fft(fft.fft(fft.fft(x, dim=0), dim=1), dim=2)
    np.testing.assert_allclose(fft.fftn(x).numpy(), step.numpy(), atol=1e-13)
    np.testing.assert_allclose(fft.irfftn(fft.rfftn(x), BOX.shape).numpy(), BOX, atol=1e-14)
    np.testing.assert_allclose(fft.hfftn(fft.ihfftn(x), BOX.shape).numpy(), BOX, atol=1e-14)
    np.testing.assert_array_equal(fft.ifftshift(fft.fftshift(x)).numpy(), BOX)


def test_precision_is_kept():
    x = wrap(REAL.astype(np.float32))
    assert fft.fft(x).dtype == fft.rfft(x).dtype == tg.complex64
    assert fft.irfft(fft.rfft(x)).dtype == tg.float32
    assert fft.rfft(tg.arange(4)).dtype == tg.complex64
    assert fft.fft(x.to(tg.float16)).dtype == tg.complex64
    leaf = x.clone().requires_grad_()
    (found,) = autograd.grad(abs(fft.rfft(leaf)).sum(), leaf)
    assert found.dtype == tg.float32


def test_a_signal_is_recovered_from_its_windows():
    x = wrap(array((2, 32)))
    window = tg.hann_window(8, dtype=tg.float64)
    spectrum = tg.stft(x, 8, window=window, return_complex=True)
    assert spectrum.shape == (2, 5, 17)
    found = tg.istft(spectrum, 8, window=window, length=32)
    np.testing.assert_allclose(found.numpy(), x.numpy(), atol=1e-13)
    pairs = tg.stft(x, 8, window=window, return_complex=False)
    np.testing.assert_array_equal(tg.view_as_complex(pairs).numpy(), spectrum.numpy())


def test_frequencies():
    assert fft.fftfreq(5, 0.5, dtype=tg.float64).tolist() == [0, 0.4, 0.8, -0.8, -0.4]
    assert fft.rfftfreq(4).tolist() == [0, 0.25, 0.5]
    assert fft.rfftfreq(4).dtype == tg.float32


WINDOWS = {
    "bartlett": np.bartlett,
    "hann": np.hanning,
    "hamming": np.hamming,
    "blackman": np.blackman,
    "kaiser": lambda m: np.kaiser(m, 12),
    "general_hamming": np.hamming,
}


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("count", [0, 1, 2, 7, 8])
def test_windows_are_numpys_and_their_periodic_form_is_one_element_shorter(name, count):
    window = getattr(windows, name)
    found = window(count, dtype=tg.float64).numpy()
    np.testing.assert_allclose(found, WINDOWS[name](count), atol=1e-15)
    if count > 1:
        periodic = window(count, sym=False, dtype=tg.float64).numpy()
        np.testing.assert_allclose(periodic, WINDOWS[name](count + 1)[:-1], atol=1e-15)


def test_windows_with_parameters():
    found = windows.gaussian(3, std=2.0, dtype=tg.float64).numpy()
    np.testing.assert_allclose(found, [np.exp(-1 / 8), 1, np.exp(-1 / 8)])
    found = windows.exponential(3, center=0, tau=2.0, sym=False, dtype=tg.float64).numpy()
    np.testing.assert_allclose(found, np.exp([0, -0.5, -1]))
    found = windows.cosine(3, dtype=tg.float64).numpy()
    np.testing.assert_allclose(found, [0.5, 1, 0.5])
    assert windows.hann(4).dtype == tg.float32
    assert tg.hann_window(4).tolist() == windows.hann(4, sym=False).tolist()
    assert windows.hann(4, requires_grad=True).requires_grad
    for bad in (
        lambda: windows.hann(-1),
        lambda: windows.hann(3, dtype=tg.int64),
        lambda: windows.gaussian(3, std=0),
        lambda: windows.exponential(3, center=1),
        lambda: windows.general_cosine(3, []),
    ):
        with pytest.raises(ArgumentError):
            bad()
