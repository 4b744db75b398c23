"""Windows for signals, as in `torch.signal.windows`, and the older functions of the top level.

w_j for j = 0 … M - 1: symmetric if `sym`, else the first M elements of a symmetric window of
M + 1, which makes it periodic.
Source: Harris 1978, "On the use of windows for harmonic analysis with the discrete Fourier
transform".
"""

from __future__ import annotations

import inspect
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


def _parameter(name: str, default: Any = inspect.Parameter.empty, kind: str = "Any") -> Any:
    how = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(name, how, default=default, annotation=kind)


_OPTIONS = [
    *(_parameter(name, None) for name in ("dtype", "layout", "device")),
    _parameter("requires_grad", False, "bool"),
]


def _declare(
    name: str, space: str, leading: list[Any], make: Callable[..., Any], text: str
) -> None:
    """A function of `leading` and the options; `make` gives size, sym and formula of `leading`."""
    parameters = [*leading, *_OPTIONS]
    count = len(leading)

    def function(*values: Any) -> Any:
        given = {parameter.name: v for parameter, v in zip(leading, values, strict=False)}
        size, sym, formula = make(**given)
        return _window(size, sym, formula, values[count:])

    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__doc__ = text
    compose(name=name, spaces=(space,))(function)


def window(make: Callable[..., Formula]) -> Callable[..., Formula]:
    """Declare a window of `signal.windows` by its formula, a function of its own parameters.

    One of them may be `sym`; the size, `sym` and the options are put around them.
    """
    own = list(inspect.signature(make).parameters.values())
    names = [parameter.name for parameter in own]
    leading = [_parameter("M", kind="int"), *own]
    if "sym" not in names:
        leading.append(_parameter("sym", True, "bool"))

    def all_of(M: int, sym: bool, **given: Any) -> tuple[int, bool, Formula]:
        given = {**given, "sym": sym} if "sym" in names else given
        return M, sym, make(**given)

    _declare(make.__name__, "signal.windows", leading, all_of, make.__doc__ or "")
    return make


def older(make: Callable[..., Formula]) -> Callable[..., Formula]:
    """Declare its older form at the top level, periodic unless told otherwise."""
    own = list(inspect.signature(make).parameters.values())
    size, periodic = _parameter("window_length", kind="int"), _parameter("periodic", True, "bool")

    def all_of(window_length: int, periodic: bool, **given: Any) -> tuple[int, bool, Formula]:
        return window_length, not periodic, make(**given)

    text = f"{make.__doc__} Periodic by default."
    _declare(f"{make.__name__}_window", "", [size, periodic, *own], all_of, text)
    return make


@older
@window
def bartlett() -> Formula:
    """1 - |2j/last - 1|, last = M - 1, or M if periodic."""
    return lambda j, last: 1 - np.abs(2 * j / last - 1)


@older
@window
def hann() -> Formula:
    """(1 - cos(2πj/last))/2, last = M - 1, or M if periodic."""
    return _cosines(0.5, 0.5)


@window
def hamming() -> Formula:
    """0.54 - 0.46·cos(2πj/last)."""
    return _cosines(0.54, 0.46)


@older
@window
def blackman() -> Formula:
    """`general_cosine` of 0.42, 0.5, 0.08."""
    return _cosines(0.42, 0.5, 0.08)


@window
def nuttall() -> Formula:
    """`general_cosine` of 0.3635819, 0.4891775, 0.1365995, 0.0106411."""
    return _cosines(0.3635819, 0.4891775, 0.1365995, 0.0106411)


@window
def cosine() -> Formula:
    """sin(π·(j + ½)/(last + 1))."""
    return lambda j, last: np.sin(np.pi * (j + 0.5) / (last + 1))


@window
def general_cosine(a: Any) -> Formula:
    """Σ (-1)^i·a_i·cos(2π·i·j/last)."""
    if not isinstance(a, (list, tuple)):
        raise ArgumentTypeError(f"coefficients must be a list/tuple, not {type(a).__name__}")
    if not a:
        raise ArgumentError("coefficients cannot be empty")
    return _cosines(*a)


@window
def general_hamming(alpha: float = 0.54) -> Formula:
    """alpha - (1 - alpha)·cos(2πj/last)."""
    return _cosines(alpha, 1 - alpha)


@window
def exponential(center: float | None = None, tau: float = 1.0, sym: bool = True) -> Formula:
    """exp(-|j - center|/tau); `center` (last/2 by default) only for periodic windows."""
    if tau <= 0:
        raise ArgumentError(f"tau must be positive, got: {tau} instead")
    if sym and center is not None:
        raise ArgumentError("center must be None for symmetric windows")
    return lambda j, last: np.exp(-np.abs(j - (last / 2 if center is None else center)) / tau)


@window
def gaussian(std: float = 1.0) -> Formula:
    """exp(-((j - last/2)/std)²/2)."""
    if std <= 0:
        raise ArgumentError(f"standard deviation must be positive, got: {std} instead")
    return lambda j, last: np.exp(-0.5 * ((j - last / 2) / std) ** 2)


@window
def kaiser(beta: float = 12.0) -> Formula:
    """I₀(beta·√(1 - (2j/last - 1)²))/I₀(beta), I₀ the modified Bessel function."""
    if beta < 0:
        raise ArgumentError(f"beta must be non-negative, got: {beta} instead")

    def formula(j: Array, last: float) -> Array:
        inside = np.sqrt(np.maximum(1 - (2 * j / last - 1) ** 2, 0))
        values: Array = np.i0(beta * inside) / np.i0(beta)
        return values

    return formula


older(kaiser)


def _two_factors(alpha: float = 0.54, beta: float = 0.46) -> Formula:
    """alpha - beta·cos(2πj/last)."""
    return _cosines(alpha, beta)


_two_factors.__name__ = "hamming"  # whose older form has two parameters
older(_two_factors)


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
