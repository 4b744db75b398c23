"""Windows for signals, as in `torch.signal.windows`, and the older functions of the top level.

w_j for j = 0 … M - 1: symmetric if `sym`, else the first M elements of a symmetric window of
M + 1, which makes it periodic.
Source: Harris 1978, "On the use of windows for harmonic analysis with the discrete Fourier
transform".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import Array, MissingDtype, as_dtype, float32, float64, get_default_dtype
from ..errors import ArgumentError, ArgumentTypeError
from ..op import compose
from ..place import leaf

Formula = Callable[[Array, float], Array]  # of the positions, and of the last one's number


def _window(M: int, sym: bool, formula: Formula, options: tuple[Any, ...]) -> Any:
    """The window of a formula, a leaf; `options` are dtype, layout, device and requires_grad."""
    dtype, layout, device, requires_grad = options
    missing = isinstance(dtype, MissingDtype)
    chosen = get_default_dtype() if dtype is None or missing else as_dtype(dtype)
    if M < 0:
        raise ArgumentError(f"requires non-negative window length, got M={M}")
    if missing or chosen not in (float32, float64):
        raise ArgumentError(f"expects float32 or float64 dtypes, got: {dtype or chosen}")
    if layout is not None and str(layout) != "strided":
        raise ArgumentError(f"is implemented for strided tensors only, got: {layout}")
    values = formula(np.arange(M, dtype=np.float64), M - 1 if sym else M) if M > 1 else np.ones(M)
    return leaf("window", values.astype(chosen), requires_grad, {"device": device})


def _cosines(*factors: float) -> Formula:
    """Σ (-1)^i·a_i·cos(2π·i·j/last)."""

    def formula(j: Array, last: float) -> Array:
        angle = 2 * np.pi * j / last
        terms = [(-1) ** i * a * np.cos(i * angle) for i, a in enumerate(factors)]
        total: Array = np.sum(terms, 0)
        return total

    return formula


def _triangle(j: Array, last: float) -> Array:
    return 1 - np.abs(2 * j / last - 1)


def _kaiser(beta: float) -> Formula:
    def formula(j: Array, last: float) -> Array:
        inside = np.sqrt(np.maximum(1 - (2 * j / last - 1) ** 2, 0))
        values: Array = np.i0(beta * inside) / np.i0(beta)
        return values

    return formula


def _declare(name: str, formula: Formula, text: str) -> None:
    """A window without parameters of its own."""

    def function(
        M: int,
        sym: bool = True,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
    ) -> Any:
        return _window(M, sym, formula, (dtype, layout, device, requires_grad))

    function.__doc__ = text
    compose(name=name, spaces=("signal.windows",))(function)


_declare("bartlett", _triangle, "1 - |2j/last - 1|, last = M - 1, or M if periodic.")
_declare("hann", _cosines(0.5, 0.5), "(1 - cos(2πj/last))/2, last = M - 1, or M if periodic.")
_declare("hamming", _cosines(0.54, 0.46), "0.54 - 0.46·cos(2πj/last).")
_declare("blackman", _cosines(0.42, 0.5, 0.08), "`general_cosine` of 0.42, 0.5, 0.08.")
_declare(
    "nuttall",
    _cosines(0.3635819, 0.4891775, 0.1365995, 0.0106411),
    "`general_cosine` of 0.3635819, 0.4891775, 0.1365995, 0.0106411.",
)
_declare(
    "cosine", lambda j, last: np.sin(np.pi * (j + 0.5) / (last + 1)), "sin(π·(j + ½)/(last + 1))."
)


@compose(spaces=("signal.windows",))
def general_cosine(
    M: int,
    a: Any,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """Σ (-1)^i·a_i·cos(2π·i·j/last)."""
    if not isinstance(a, (list, tuple)):
        raise ArgumentTypeError(f"coefficients must be a list/tuple, not {type(a).__name__}")
    if not a:
        raise ArgumentError("coefficients cannot be empty")
    return _window(M, sym, _cosines(*a), (dtype, layout, device, requires_grad))


@compose(spaces=("signal.windows",))
def general_hamming(
    M: int,
    alpha: float = 0.54,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """alpha - (1 - alpha)·cos(2πj/last)."""
    options = (dtype, layout, device, requires_grad)
    return _window(M, sym, _cosines(alpha, 1 - alpha), options)


@compose(spaces=("signal.windows",))
def exponential(
    M: int,
    center: float | None = None,
    tau: float = 1.0,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """exp(-|j - center|/tau); `center` (last/2 by default) only for periodic windows."""
    if tau <= 0:
        raise ArgumentError(f"tau must be positive, got: {tau} instead")
    if sym and center is not None:
        raise ArgumentError("center must be None for symmetric windows")

    def formula(j: Array, last: float) -> Array:
        values: Array = np.exp(-np.abs(j - (last / 2 if center is None else center)) / tau)
        return values

    return _window(M, sym, formula, (dtype, layout, device, requires_grad))


@compose(spaces=("signal.windows",))
def gaussian(
    M: int,
    std: float = 1.0,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """exp(-((j - last/2)/std)²/2)."""
    if std <= 0:
        raise ArgumentError(f"standard deviation must be positive, got: {std} instead")

    def formula(j: Array, last: float) -> Array:
        values: Array = np.exp(-0.5 * ((j - last / 2) / std) ** 2)
        return values

    return _window(M, sym, formula, (dtype, layout, device, requires_grad))


@compose(spaces=("signal.windows",))
def kaiser(
    M: int,
    beta: float = 12.0,
    sym: bool = True,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """I₀(beta·√(1 - (2j/last - 1)²))/I₀(beta), I₀ the modified Bessel function."""
    if beta < 0:
        raise ArgumentError(f"beta must be non-negative, got: {beta} instead")
    return _window(M, sym, _kaiser(beta), (dtype, layout, device, requires_grad))


# ---- the older functions -------------------------------------------------------------------------


def _declare_old(name: str, formula: Formula) -> None:
    def function(
        window_length: int,
        periodic: bool = True,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
    ) -> Any:
        options = (dtype, layout, device, requires_grad)
        return _window(window_length, not periodic, formula, options)

    function.__doc__ = f"`signal.windows.{name}`, periodic by default."
    compose(name=f"{name}_window", spaces=("",))(function)


_declare_old("bartlett", _triangle)
_declare_old("hann", _cosines(0.5, 0.5))
_declare_old("blackman", _cosines(0.42, 0.5, 0.08))


@compose(spaces=("",))
def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """alpha - beta·cos(2πj/last), periodic by default."""
    options = (dtype, layout, device, requires_grad)
    return _window(window_length, not periodic, _cosines(alpha, beta), options)


@compose(spaces=("",))
def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """`signal.windows.kaiser`, periodic by default."""
    options = (dtype, layout, device, requires_grad)
    return _window(window_length, not periodic, _kaiser(beta), options)


# ---- frequencies of a transform ------------------------------------------------------------------


def _frequencies(values: Array, n: int, d: float, options: tuple[Any, ...]) -> Any:
    dtype, _, device, requires_grad = options
    chosen = get_default_dtype() if dtype is None else as_dtype(dtype)
    return leaf("fftfreq", (values / (n * d)).astype(chosen), requires_grad, {"device": device})


@compose(spaces=("fft",))
def fftfreq(
    n: int,
    d: float = 1.0,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """The frequencies of the n elements of `fft`, of samples `d` apart."""
    values = np.fft.ifftshift(np.arange(-(n // 2), (n + 1) // 2))
    return _frequencies(values, n, d, (dtype, layout, device, requires_grad))


@compose(spaces=("fft",))
def rfftfreq(
    n: int,
    d: float = 1.0,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """The frequencies of the n//2 + 1 elements of `rfft`, of samples `d` apart."""
    return _frequencies(np.arange(n // 2 + 1), n, d, (dtype, layout, device, requires_grad))
