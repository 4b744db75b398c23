"""What the cross-entropies ask of their targets and options, before any launch."""

from __future__ import annotations

import math

import torch

from triton_kernels.checks import check_dense, check_flag, shapes_in_words
from triton_kernels.errors import DeviceError, DtypeError, ShapeError

REDUCTIONS = ("mean", "sum", "none")


def _check_number(
    op: str, name: str, value: float, least: float, most: float, expected: str
) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DtypeError(op, f"{name} of type {type(value).__name__}", "a number", "pass one")
    if not least <= value <= most or abs(value) == math.inf:
        raise ShapeError(op, f"{name} {value}", expected, "choose another")
    return float(value)


def check_target(op: str, target: torch.Tensor, **rows: torch.Tensor) -> None:
    """A class for each row of ``rows``, one tensor of two dimensions.

    Raises:
        ShapeError, DtypeError, DeviceError: it is none.
    """
    ((name, x),) = rows.items()
    inner = "classes" if name == "logits" else "columns"
    if not isinstance(target, torch.Tensor):
        raise DtypeError(op, f"target of type {type(target).__name__}", "a torch.Tensor", "wrap it")
    if target.is_floating_point() and target.dim() == 2:
        raise DtypeError(
            op, f"target of shape {tuple(target.shape)}, as of probabilities",
            "int64 or int32: the number of each row's class",
            "take kl_divergence(log_softmax(logits), target), whose gradient is the same",
        )  # fmt: skip
    if target.dtype not in (torch.int64, torch.int32):
        raise DtypeError(
            op, f"target of dtype {str(target.dtype).removeprefix('torch.')}",
            "int64 or int32: the number of each row's class", "convert it: target.long()",
        )  # fmt: skip
    check_dense(op, "target", target)
    if target.device != x.device:
        raise DeviceError(
            op, f"{name} on {x.device} and target on {target.device}", "one device",
            f"move one: target.to({name}.device)",
        )  # fmt: skip
    if x.dim() != 2 or target.shape != x.shape[:1]:
        raise ShapeError(
            op, shapes_in_words(**rows, target=target),
            f"{name} of (rows, {inner}) and target of (rows,)",
            f"flatten them: {name}.flatten(0, -2), target.flatten()",
        )  # fmt: skip


def check_range(
    op: str, classes: int, target: torch.Tensor, ignore_index: int, asked: bool | None
) -> None:
    """Refuses targets that name no class; on a GPU, where this waits for it, only if asked to.

    Raises:
        ShapeError: a target is out of range.
    """
    plain = type(target) is torch.Tensor and not torch.compiler.is_compiling()
    if not (asked or (asked is None and plain and target.device.type == "cpu")):
        return
    wrong = (target.long() != ignore_index) & ((target < 0) | (target >= classes))
    if wrong.any():
        row = int(wrong.int().argmax())
        raise ShapeError(
            op, f"target {int(target[row])} in row {row}",
            f"0 <= target < {classes}, or ignore_index {ignore_index}",
            "look for a wrong padding value or a vocabulary that is too small",
        )  # fmt: skip


def check_ignore_index(op: str, ignore_index: int) -> None:
    """A number that a target can hold.

    Raises:
        ShapeError, DtypeError: it is none.
    """
    if isinstance(ignore_index, bool) or not isinstance(ignore_index, int):
        raise DtypeError(
            op, f"ignore_index of type {type(ignore_index).__name__}", "an int", "pass one"
        )
    if not -(2**63) <= ignore_index < 2**63:
        raise ShapeError(op, f"ignore_index {ignore_index}", "an int of 64 bits", "choose another")


def checked_options(
    op: str, ignore_index: int = -100, label_smoothing: float = 0.0, z_loss: float = 0.0,
    soft_cap: float | None = None, reduction: str = "mean", *, inplace: bool = False,
    return_lse: bool = False, check_targets: bool | None = None,
) -> tuple[int, float, float, float, str]:  # fmt: skip
    """The options as the kernels take them, without the flags: no cap is 0.

    Raises:
        ShapeError: a number out of range.
        DtypeError: an option of another type, or an unknown reduction.
    """
    check_flag(op, "inplace", inplace)
    check_flag(op, "return_lse", return_lse)
    check_flag(op, "check_targets", check_targets, unknown=True)
    check_ignore_index(op, ignore_index)
    smoothing = _check_number(
        op, "label_smoothing", label_smoothing, 0, 1, "0 <= label_smoothing <= 1"
    )
    z_loss = _check_number(op, "z_loss", z_loss, 0, math.inf, "a finite number, not negative")
    cap = 0.0
    if soft_cap is not None:
        expected = "a finite number above 0, or None"
        cap = _check_number(op, "soft_cap", soft_cap, 1e-30, math.inf, expected)
    if reduction not in REDUCTIONS:
        raise DtypeError(
            op, f"reduction {reduction!r}", f"one of {', '.join(REDUCTIONS)}", "name one"
        )
    return ignore_index, smoothing, z_loss, cap, reduction
