"""What an attention asks of its inputs, before any launch; the result is ``Features``."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
from typing import Any

import torch

from triton_kernels.checks import check_flag as check_flag
from triton_kernels.checks import check_seed, check_tensors, shapes_in_words
from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.ops.attention.features import UNBOUNDED, Features

PRECISIONS = ("ieee", "tf32")
Window = tuple[int | None, int | None]


def check_heads(
    op: str, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, dimensions: int = 4,
    batched: bool = True,
) -> None:  # fmt: skip
    """Query, key and value fit together: (B, H, S, D), or of three dimensions (S, H, D).

    Not ``batched``, the query's batch may be another than that of keys and values.

    Raises:
        ShapeError, DtypeError, DeviceError: they do not.
    """
    check_tensors(op, query=query, key=key, value=value)
    sizes = query.shape, key.shape, value.shape
    if not len(sizes[0]) == len(sizes[1]) == len(sizes[2]) == dimensions:
        names = "(batch, heads, length, size)" if dimensions == 4 else "(length, heads, size)"
        raise _unfit(op, query, key, value, f"{names} each", "unsqueeze or transpose them")
    one = key_one = value_one = 1  # batch
    if dimensions == 4:
        (one, heads, _, size), (key_one, key_heads, keys, key_size) = sizes[:2]
        value_one, value_heads, values, value_size = sizes[2]
    else:
        (_, heads, size), (keys, key_heads, key_size), (values, value_heads, value_size) = sizes
    if size != key_size or size == 0 or value_size == 0:
        expected = "query and key of one size a head, none of size 0"
        raise _unfit(op, query, key, value, expected, "project them alike")
    if keys != values or key_heads != value_heads:
        expected = "as many keys and key heads as values"
        raise _unfit(op, query, key, value, expected, "check the cache")
    if batched and not one == key_one == value_one:
        advice = "expand the batch, which copies nothing"
        raise _unfit(op, query, key, value, "one batch size", advice)
    if heads and (key_heads == 0 or heads % key_heads):
        expected = "query heads a multiple of key heads"
        raise _unfit(op, query, key, value, expected, "split the heads into equal groups")


def _unfit(
    op: str, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, expected: str, advice: str
) -> ShapeError:
    given = shapes_in_words(query=query, key=key, value=value)
    return ShapeError(op, given, expected, advice)


def checked_number(op: str, name: str, value: Any) -> float:
    """A finite int or float, as a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DtypeError(op, f"{name} of type {type(value).__name__}", "a number", "pass one")
    if value != value or abs(value) == math.inf:  # NaN too; torch.compile knows no isfinite
        raise ShapeError(op, f"{name} {value}", "a finite number", "pass another")
    return float(value)


def checked_scale(op: str, scale: float | None, size: int) -> float:
    """The scale, by default 1/√size."""
    return size**-0.5 if scale is None else checked_number(op, "scale", scale)


def checked_soft_cap(op: str, soft_cap: float | None) -> float:
    """The cap, 0 for none."""
    if soft_cap is None:
        return 0.0
    cap = checked_number(op, "soft_cap", soft_cap)
    if cap <= 0:
        raise ShapeError(op, f"soft_cap {soft_cap}", "a cap above 0, or None", "pass another")
    return cap


def checked_window(op: str, causal: bool, window: Window) -> tuple[int, int]:
    """Left and right of the window, UNBOUNDED where it has no end; causal shuts the right."""
    check_flag(op, "causal", causal)
    if not isinstance(window, tuple | list) or len(window) != 2:
        raise DtypeError(op, f"window {window!r}", "(left, right)", "pass None for an open side")
    for side in window:
        if side is not None and (isinstance(side, bool) or not isinstance(side, int)):
            raise DtypeError(
                op, f"window {tuple(window)!r}", "ints or None", "count the keys on each side"
            )
        if side is not None and side < 0:
            raise ShapeError(
                op, f"window {tuple(window)!r}", "sides of 0 or more", "pass None for an open side"
            )
    left, right = (UNBOUNDED if side is None else min(side, 2**30) for side in window)
    return left, 0 if causal else right


def checked_dropout(op: str, p: float, seed: int) -> tuple[float, int]:
    """Probability and seed."""
    p = checked_number(op, "dropout", p)
    if not 0 <= p < 1:
        raise ShapeError(op, f"dropout {p}", "0 <= dropout < 1", "pass a probability")
    check_seed(op, seed)
    return p, seed


def checked_precision(op: str, precision: str) -> str:
    """One of PRECISIONS."""
    if precision not in PRECISIONS:
        raise DtypeError(
            op, f"precision {precision!r}", f"one of {', '.join(PRECISIONS)}", "name one"
        )
    return precision


def check_beside(op: str, query: torch.Tensor, dtypes: Any, **tensors: Any) -> None:
    """Each tensor has one of the dtypes and lies on query's device."""
    for name, tensor in tensors.items():
        check_tensors(op, dtypes, **{name: tensor})
        if tensor.device != query.device:
            raise DeviceError(
                op, f"query on {query.device} and {name} on {tensor.device}", "one device",
                f"move one: {name}.to(query.device)",
            )  # fmt: skip


def beside(query: torch.Tensor) -> tuple[torch.dtype, ...]:
    """What is added to the scores may have these dtypes."""
    return tuple(dict.fromkeys((query.dtype, torch.float32)))


def check_scores(op: str, name: str, scores: Any, query: torch.Tensor, key: torch.Tensor) -> None:
    """A bias or mask broadcasts to (B, H, Sq, Sk)."""
    dtypes = (torch.bool,) if name == "mask" else beside(query)
    check_beside(op, query, dtypes, **{name: scores})
    full = (*query.shape[:3], key.shape[2])
    fits = scores.dim() == 4 and all(
        n == 1 or n == m for n, m in zip(scores.shape, full, strict=True)
    )
    if not fits:
        raise ShapeError(
            op, shapes_in_words(**{name: scores}), f"{full}, or 1 in place of any size",
            "unsqueeze it to four dimensions",
        )  # fmt: skip


def _of_every_query(bias: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    """A row that all queries share, as a row of each: Hopper's descriptors read it over and over.

    Not where its gradient is wanted, which is a row too, nor in a graph, where it may be copied.
    """
    if bias.shape[2] != 1 or bias.requires_grad or torch.compiler.is_compiling():
        return bias
    return bias.expand(-1, -1, query.shape[2], -1)


def check_sinks(op: str, sinks: Any, query: torch.Tensor) -> None:
    """One number a head."""
    check_beside(op, query, beside(query), sinks=sinks)
    if sinks.shape != query.shape[1:2]:
        raise ShapeError(
            op, shapes_in_words(query=query, sinks=sinks), "one sink a head", "pass (heads,)"
        )


def check_slopes(op: str, slopes: Any, query: torch.Tensor, batch: int) -> None:
    """One constant number a head, or a batch and head."""
    check_beside(op, query, (torch.float32,), alibi_slopes=slopes)
    heads = query.shape[1]
    if slopes.shape not in ((heads,), (batch, heads)):
        raise ShapeError(
            op, shapes_in_words(alibi_slopes=slopes), f"({heads},) or ({batch}, {heads})",
            "pass one slope a head",
        )  # fmt: skip
    if slopes.requires_grad:
        raise DtypeError(
            op, "alibi_slopes that require a gradient", "constant slopes",
            "detach them, or pass the distances as a bias",
        )  # fmt: skip


def checked_features(
    op: str, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *,
    bias: torch.Tensor | None, sinks: torch.Tensor | None, mask: torch.Tensor | None,
    alibi_slopes: torch.Tensor | None, causal: bool, window: Window, scale: float | None,
    soft_cap: float | None, dropout: float, seed: int, precision: str, deterministic: bool,
    sequences: int | None = None,
) -> Features:  # fmt: skip
    """The features of a call with query, key and value of (B, H, S, D), which fit together.

    Raises:
        ShapeError, DtypeError, DeviceError: an option does not fit them.
    """
    if bias is not None:
        check_scores(op, "bias", bias, query, key)
        bias = _of_every_query(bias, query)
    if mask is not None:
        check_scores(op, "mask", mask, query, key)
    if sinks is not None:
        check_sinks(op, sinks, query)
    if alibi_slopes is not None:
        check_slopes(op, alibi_slopes, query, query.shape[0] if sequences is None else sequences)
    options = (scale, soft_cap, dropout, seed, precision, deterministic)
    size = query.shape[-1]
    checked = None
    if type(window) is tuple and len(window) == 2 and not torch.compiler.is_compiling():
        with contextlib.suppress(TypeError):  # what cannot be kept, and what is refused below
            checked = _kept_options(op, size, causal, *window, *options)
    checked = checked or _checked_options(op, size, causal, window, *options)
    return Features(bias, sinks, mask, alibi_slopes, None, None, 0, 0, *checked)


_Options = tuple[float, int, int, float, float, int, str, bool]
"""The last fields of ``Features``, from the scale on."""


def _checked_options(
    op: str, size: int, causal: bool, window: Window, scale: float | None, soft_cap: float | None,
    dropout: float, seed: int, precision: str, deterministic: bool,
) -> _Options:  # fmt: skip
    check_flag(op, "deterministic", deterministic)
    left, right = checked_window(op, causal, window)
    p, seed = checked_dropout(op, dropout, seed)
    return (
        checked_scale(op, scale, size), left, right, checked_soft_cap(op, soft_cap), p,
        seed if p else 0, checked_precision(op, precision), deterministic,
    )  # fmt: skip


def check_options(
    op: str, causal: bool, window: Window, scale: float | None, soft_cap: float | None,
    dropout: float, precision: str, deterministic: bool,
) -> None:  # fmt: skip
    """Those of any call.

    Raises:
        ShapeError, DtypeError: one is out of its range or of another type.
    """
    _checked_options(op, 1, causal, window, scale, soft_cap, dropout, 0, precision, deterministic)


@functools.lru_cache(maxsize=1024, typed=True)  # typed: 1 is not True
def _kept_options(
    op: str, size: int, causal: bool, before: int | None, after: int | None, *options: Any
) -> _Options:
    """Those that have passed before, in a tenth of the time."""
    return _checked_options(op, size, causal, (before, after), *options)


def check_cumulative(op: str, name: str, cumulative: Any, query: torch.Tensor) -> None:
    """Int32 numbers on query's device, one after another."""
    check_beside(op, query, (torch.int32,), **{name: cumulative})
    if cumulative.dim() != 1 or len(cumulative) < 1 or not cumulative.is_contiguous():
        raise ShapeError(
            op, shapes_in_words(**{name: cumulative}), "(sequences + 1,), contiguous",
            "start with 0 and append each sequence's end",
        )  # fmt: skip


def check_ends(op: str, name: str, cumulative: torch.Tensor, length: int, longest: int) -> int:
    """The sequences begin at 0, follow each other, end with the tensor; waits for the device.

    Returns the longest one's length.
    """
    ends = cumulative.tolist()
    steps = [b - a for a, b in itertools.pairwise(ends)]
    if ends[0] != 0 or ends[-1] != length or any(step < 0 for step in steps):
        shown = ", ".join(map(str, ends[:6])) + (", …" if len(ends) > 6 else "")
        raise ShapeError(
            op, f"{name} [{shown}] ending in {ends[-1]}",
            f"numbers that rise from 0 to the length {length}", "sum up the sequences' lengths",
        )  # fmt: skip
    most = max(steps, default=0)
    if most > longest:
        raise ShapeError(
            op, f"a sequence of {most} in {name}", f"none longer than the {longest} given",
            "pass the greatest length",
        )  # fmt: skip
    return most
