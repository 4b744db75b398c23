"""The short-time Fourier transform and its inverse: the spectrum of each window of a signal.

Source: Griffin & Lim 1984, "Signal estimation from modified short-time Fourier transform".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import RangeError, ShapeError
from ..op import Bad, Sample, compose, op
from ..samples import array
from ..tensor import Tensor, wrap

_BOTH = ("", "Tensor")
_X = array((20,))


def _window(window: Any, n_fft: int, win_length: int, like: Any) -> Any:
    """The window (ones if None), in the middle of zeros up to the size of a transform."""
    if not 0 < win_length <= n_fft:
        raise RangeError(f"expected 0 < win_length <= n_fft, got {win_length} and {n_fft}")
    if window is None:
        ones = np.ones(win_length, like.real.dtype if like.dtype.kind == "c" else like.dtype)
        window = wrap(ones) if isinstance(like, Tensor) else ones
    if tuple(window.shape) != (win_length,):
        raise ShapeError(f"expected a window of {win_length}, got {tuple(window.shape)}")
    left = (n_fft - win_length) // 2
    return op.constant_pad(window, (left, n_fft - win_length - left))


@compose(
    Sample((_X, 6), {"return_complex": True}),
    Sample((array((2, 20)), 5, 3, 4, array((4,), 0.5, 1.5)), {"return_complex": True}),
    Sample((_X, 4), {"center": False, "normalized": True, "return_complex": True}),
    spaces=_BOTH,
    errors=(
        Bad((_X, 30), {"return_complex": True, "center": False}, RangeError, "n_fft"),
        Bad((_X, 6, 0), {"return_complex": True}, RangeError, "hop_length"),
        Bad((array((2, 2, 9)), 4), {"return_complex": True}, ShapeError, "1 or 2 dimensions"),
        Bad((_X, 6), {}, RangeError, "return_complex"),
    ),
)
def stft(
    input: Any,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Any = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
) -> Any:
    """Transforms of windows of `n_fft` elements, `hop_length` (n_fft//4) apart.

    (…, time) to (…, frequency, frame), complex or, unless `return_complex`, with real and
    imaginary part in a last dimension. If `center`, the signal is padded by n_fft//2 at both ends;
    if `normalized`, the result is divided by √n_fft; `onesided` is the default for real signals.
    """
    if input.ndim not in (1, 2):
        raise ShapeError(f"expected 1 or 2 dimensions, got the shape {tuple(input.shape)}")
    real = input.dtype.kind != "c" and (window is None or window.dtype.kind != "c")
    if return_complex is None:
        if real:
            raise RangeError("return_complex must be given for a real input and window")
        return_complex = True
    hop_length = n_fft // 4 if hop_length is None else hop_length
    if hop_length <= 0:
        raise RangeError(f"hop_length is positive, not {hop_length}")
    window = _window(window, n_fft, n_fft if win_length is None else win_length, input)
    if center:
        input = op.pad(input, (n_fft // 2, n_fft // 2), pad_mode)
    if not 0 < n_fft <= input.shape[-1]:
        raise RangeError(f"n_fft is from 1 to {input.shape[-1]}, not {n_fft}")
    starts = np.arange(0, input.shape[-1] - n_fft + 1, hop_length)
    frames = op.getitem(input, (..., starts[:, None] + np.arange(n_fft))) * window
    norm = "ortho" if normalized else None
    half = real if onesided is None else onesided
    found = op.rfft(frames, norm=norm) if half and real else op.fft(frames, norm=norm)
    found = op.transpose(found, -2, -1)
    return found if return_complex else op.view_as_real(found)


@compose(spaces=_BOTH)
def istft(
    input: Any,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Any = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Any:
    """The signal of least squares whose `stft` is nearest to `input`, (…, frequency, frame).

    Each frame is transformed back, windowed again and added up; the sum is divided by that of the
    squared windows, which must not vanish.
    """
    if input.dtype.kind != "c" or input.ndim not in (2, 3):
        raise RangeError(
            f"expected a complex input of 2 or 3 dimensions, got {input.dtype} of "
            f"{tuple(input.shape)}"
        )
    hop_length = n_fft // 4 if hop_length is None else hop_length
    win_length = n_fft if win_length is None else win_length
    if not 0 < hop_length <= win_length:
        raise RangeError(f"hop_length is from 1 to {win_length}, not {hop_length}")
    window = _window(window, n_fft, win_length, input)
    half = input.shape[-2] != n_fft if onesided is None else onesided
    frames = op.transpose(input, -2, -1)
    norm = "ortho" if normalized else None
    back = op.irfft(frames, n_fft, norm=norm) if half else op.ifft(frames, norm=norm)
    if not half and not return_complex:
        back = op.real(back)
    count = input.shape[-1]
    total = n_fft + hop_length * (count - 1)
    places = np.arange(count)[:, None] * hop_length + np.arange(n_fft)
    shape = (*input.shape[:-2], total)
    added = op.add_at(back * window, (..., places), shape)
    squares = op.expand(op.square(op.abs(window)), (count, n_fft))
    weight = op.add_at(squares, (places,), (total,))
    start = n_fft // 2 if center else 0
    end = total - start if length is None else min(start + length, total)
    added, weight = (op.getitem(v, (..., slice(start, end))) for v in (added, weight))
    if not (np.abs(np.asarray(weight)) > 1e-11).all():
        raise RangeError("the sum of the squared windows vanishes somewhere")
    found = added / weight
    if length is not None and length > end - start:
        found = op.constant_pad(found, (0, length - (end - start)))
    return found
