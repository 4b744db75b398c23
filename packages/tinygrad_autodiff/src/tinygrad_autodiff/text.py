"""Tensors as text, in torch's form: four decimals, aligned, the middle of a large one left out.

`set_printoptions` changes how; numbers are shown as integers with a point where all of them are
whole, and with exponents where the largest is more than a thousand times the smallest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .dtypes import Array, bool_, complex_dtype, get_default_dtype, int64
from .errors import ArgumentError

if TYPE_CHECKING:
    from .tensor import Tensor


@dataclass(frozen=True)
class _Options:
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES = {
    "default": _Options(),
    "short": _Options(precision=2, edgeitems=2),
    "full": _Options(threshold=float("inf")),
}
_options = [_PROFILES["default"]]


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Say how tensors are shown.

    Args:
        precision: Decimals (4).
        threshold: How many elements are shown in full (1000).
        edgeitems: How many at either end of a dimension of larger tensors (3).
        linewidth: Characters of a line (80).
        profile: ``"default"``, ``"short"`` or ``"full"``, to start from.
        sci_mode: Whether to show exponents; None to decide by the numbers.

    Raises:
        ArgumentError: Another profile.
    """
    if profile is not None and profile not in _PROFILES:
        raise ArgumentError(f"set_printoptions: profile is one of {list(_PROFILES)}, got {profile}")
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems}
    given |= {"linewidth": linewidth, "sci_mode": sci_mode}
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    start = _options[0] if profile is None else _PROFILES[profile]
    if sci_mode is None:
        chosen["sci_mode"] = None
    _options[0] = replace(start, **chosen)


def get_printoptions() -> dict[str, Any]:
    """What `set_printoptions` has set."""
    return {field.name: getattr(_options[0], field.name) for field in fields(_Options)}


def shown(tensor: Tensor) -> str:
    """The text of a tensor, with its dtype unless that goes without saying, and its place."""
    data = tensor._data
    prefix, ends = "tensor(", []
    if not data.size:
        body = "[]"
        if data.ndim != 1:
            ends.append(f"size={data.shape}")
    else:
        body = _body(data, len(prefix))
    usual = {get_default_dtype(), complex_dtype(get_default_dtype()), int64, bool_}
    if data.dtype not in (usual if data.size else {get_default_dtype()}):
        ends.append(f"dtype={data.dtype}")
    if tensor._node is not None:
        ends.append(f"grad_fn={tensor._node!r}")
    elif tensor._requires_grad:
        ends.append("requires_grad=True")
    text = prefix + body
    for end in ends:
        line = len(text) - text.rfind("\n") - 1
        fits = line + len(end) + 2 < _options[0].linewidth
        text += (", " if fits else ",\n" + " " * len(prefix)) + end
    return text + ")"


def _body(data: Array, indent: int) -> str:
    large = data.size > _options[0].threshold
    sample = _edges(data) if large else data
    if data.dtype.kind == "c":
        real, width = _format(sample.real)
        imaginary, more = _format(sample.imag)
        width += more + 1

        def both(value: Any) -> str:
            sign = "" if (part := imaginary(value.imag).lstrip()).startswith("-") else "+"
            return f"{real(value.real)}{sign}{part}j"

        show: Callable[[Any], str] = both
    else:
        show, width = _format(sample)
    per_line = max(1, (_options[0].linewidth - indent - data.ndim + 1) // (width + 2))
    return _nested(data, indent, large, show, per_line)


def _edges(data: Array) -> Array:
    """The elements that are shown of a large tensor."""
    ends = _options[0].edgeitems
    for axis, size in enumerate(data.shape):
        if size > 2 * ends:
            data = np.take(data, [*range(ends), *range(size - ends, size)], axis)
    return data


def _format(values: Array) -> tuple[Callable[[Any], str], int]:
    """A function that shows one of `values`, all as wide as the widest, and that width."""
    precision, wanted = _options[0].precision, _options[0].sci_mode
    if values.dtype.kind != "f":
        width = max(len(str(value)) for value in values.ravel().tolist())
        return lambda value: str(value.item()).rjust(width), width
    wide = values.astype(np.float64).ravel()
    finite = wide[np.isfinite(wide) & (wide != 0)]
    if not finite.size:
        return lambda value: f"{value:.0f}" + ("." if np.isfinite(value) else ""), 1
    whole = bool((finite == np.ceil(finite)).all())
    least, most = np.abs(finite).min(), np.abs(finite).max()
    exponents = most / least > 1000 or most > 1e8 or (not whole and least < 1e-4)
    if exponents if wanted is None else wanted:
        pattern = f"{{:.{precision}e}}"
    else:
        pattern = "{:.0f}" if whole else f"{{:.{precision}f}}"
    point = "." if pattern == "{:.0f}" else ""
    width = max(len(pattern.format(value)) for value in finite) + len(point)

    def show(value: Any) -> str:
        return (pattern.format(value) + (point if np.isfinite(value) else "")).rjust(width)

    return show, width


def _nested(
    data: Array, indent: int, large: bool, show: Callable[[Any], str], per_line: int
) -> str:
    """Rows in brackets, `per_line` elements a line, the middle of what is `large` left out."""
    ends = _options[0].edgeitems
    if not data.ndim:
        return show(data[()])
    cut = large and len(data) > 2 * ends
    parts = [*data[:ends], *data[-ends:]] if cut else list(data)
    if data.ndim > 1:
        texts = [_nested(part, indent + 1, large, show, per_line) for part in parts]
        between = "," + "\n" * (data.ndim - 1) + " " * (indent + 1)
        if cut:
            texts.insert(ends, "...")
        return "[" + between.join(texts) + "]"
    texts = [show(part) for part in parts]
    if cut:
        texts.insert(ends, " ...")
    lines = [", ".join(texts[i : i + per_line]) for i in range(0, len(texts), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
