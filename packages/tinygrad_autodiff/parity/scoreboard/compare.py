"""When a result is torch's: equal structure, dtypes and shapes, values within tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.testing._comparison import default_tolerances
from torch.testing._internal.opinfo.core import DecorateInfo

SLACK = 3.0  # of a rounding error over torch's own, where one is outside the tolerance


class WrongError(Exception):
    """A result that is not torch's."""


class WrongValueError(WrongError):
    """A result of the right structure, dtypes and shapes whose values are not torch's."""


def compare(found: Sequence[Any], expected: Sequence[Any], info: Any, dtype: torch.dtype) -> None:
    """Raise a WrongError unless types, dtypes, shapes and values are torch's."""
    if len(found) != len(expected):
        counts = [sum(isinstance(v, torch.Tensor) for v in side) for side in (found, expected)]
        raise WrongError("{} tensors in another structure, torch has {}".format(*counts))
    wrong = ""
    for mine, theirs in zip(found, expected, strict=True):
        if isinstance(mine, torch.Tensor) != isinstance(theirs, torch.Tensor):
            raise WrongError(f"a {type(mine).__name__}, torch has a {type(theirs).__name__}")
        if not isinstance(theirs, torch.Tensor):
            if type(mine) is not type(theirs):
                raise WrongError(f"a {type(mine).__name__}, torch has a {type(theirs).__name__}")
            if not _same(mine, theirs):
                wrong = wrong or f"{mine}, torch has {theirs}"
            continue
        if mine.dtype != theirs.dtype:
            raise WrongError(f"wrong dtype {_short(mine.dtype)}, torch has {_short(theirs.dtype)}")
        if mine.shape != theirs.shape:
            raise WrongError(f"wrong shape {tuple(mine.shape)}, torch has {tuple(theirs.shape)}")
        if getattr(info, "has_nondeterministic_output", False):
            continue
        rtol, atol = tolerances(info, dtype, theirs.dtype)
        if not torch.allclose(mine, theirs, rtol, atol, equal_nan=True):
            wrong = wrong or _distance(mine, theirs)
    if wrong:
        raise WrongValueError(f"wrong value: {wrong}")


def as_close(found: Sequence[Any], expected: Sequence[Any], exact: Sequence[Any]) -> bool:
    """Whether `found` is as near to `exact`, the result in double precision, as torch's own is.

    Where large terms cancel, two right results in single precision differ by more than any fixed
    tolerance. The largest error of a tensor may be SLACK times torch's largest (or the spacing of
    numbers at its largest element, if torch was lucky); all else is equal.
    """
    if len(exact) != len(expected):
        return False
    for mine, theirs, truth in zip(found, expected, exact, strict=True):
        if not isinstance(theirs, torch.Tensor) or not theirs.dtype.is_floating_point:
            if not _same(mine, theirs):
                return False
            continue
        if not isinstance(truth, torch.Tensor) or truth.shape != theirs.shape:
            return False
        finite = theirs.isfinite()
        if not _same(torch.where(finite, 0, mine), torch.where(finite, 0, theirs)):
            return False
        if bool(finite.any()):
            error, own = ((v.double() - truth)[finite].abs().max() for v in (mine, theirs))
            spacing = torch.finfo(theirs.dtype).eps * truth[finite].abs().max()
            if not error <= SLACK * torch.maximum(own, spacing):
                return False
    return True


def tolerances(info: Any, dtype: torch.dtype, result: torch.dtype) -> tuple[float, float]:
    """rtol and atol: assert_close's for `result`, or the loosest that op_db grants on the CPU."""
    rtol, atol = default_tolerances(result)
    for decorate in info.decorators:
        if not isinstance(decorate, DecorateInfo):
            continue
        active: Any = decorate.is_active
        if not active(decorate.cls_name, decorate.test_name, "cpu", dtype, {}):
            continue
        for decorator in decorate.decorators:
            granted = getattr(decorator, "d", {}).get(dtype)
            if isinstance(granted, float):
                atol = max(atol, granted)
            elif granted is not None:
                rtol, atol = max(rtol, granted.rtol), max(atol, granted.atol)
    return rtol, atol


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.allclose(one, other, 0, 0, equal_nan=True)
    return bool(one == other) or (one != one and other != other)


def _distance(found: torch.Tensor, expected: torch.Tensor) -> str:
    wide = torch.complex128 if expected.is_complex() else torch.float64
    gap = (found.to(wide) - expected.to(wide)).abs()
    gap = gap[~torch.isclose(found, expected, 0, 0, equal_nan=True)]
    if not bool(gap.isfinite().all()):
        return "NaN or infinity at other places than torch's"
    return f"off by up to {float(gap.max()):.1e}"
