"""The gradient of dropout_add norms in one pass: the norm's own, and x's, of which some dropped.

The norm's kernel holds a row's dz in registers; what the forward dropped it drops again, from the
seed alone, and writes dx beside dz: five tensors move where dropout after the norm would read dz
once more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from triton_kernels import _compat
from triton_kernels._compat import launch
from triton_kernels.backends import Backend, triton_refuses
from triton_kernels.kernel import Kernel
from triton_kernels.ops.foundations import dropout
from triton_kernels.ops.norms import drops, reference, rows, shapes, streams
from triton_kernels.ops.norms.backward import backward_rows, norm_backward, sum_lines
from triton_kernels.ops.norms.forward import rows_of
from triton_kernels.ops.parts import early_options
from triton_kernels.ops.streams import Cluster

_Results = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def _tile(z: torch.Tensor) -> shapes.Tile:
    """Without a mean, whatever the norm: the random words take the registers that it would."""
    n_columns, n_rows = z.shape[-1], z.shape[:-1].numel()
    return shapes.backward_tile(n_rows, n_columns, z.dtype, False, _compat.device_of(z.device))


def _cluster(z: torch.Tensor, grad_sum: torch.Tensor | None) -> Cluster | None:
    """Which takes such rows and writes both gradients."""
    n_columns, n_rows = z.shape[-1], z.shape[:-1].numel()
    added = grad_sum is not None
    return streams.full_cluster(n_rows, n_columns, z.element_size(), added, True)


def _in_two(norm: Callable[..., Any], drop: Callable[..., Any], *inputs: Any) -> _Results:
    """The norm's gradient, and then dropout's, which takes the last two of the inputs."""
    *of_norm, p, seed = inputs
    dz, parameters = norm(*of_norm)
    return drop(dz, p, seed), dz, parameters


def gradient_reference(*inputs: Any) -> _Results:
    """dx, d(residual), and d(weight) above d(bias), as far as they are wanted, of the inputs of
    ``gradient_portable``."""
    return _in_two(reference.norm_backward, dropout.dropout_reference, *inputs)


def gradient_hopper(*inputs: Any) -> _Results:
    """As ``gradient_reference``: in one kernel rows that fill its threads, else in two."""
    from triton_kernels.ops.norms import hopper  # which only a GPU with Gluon can import

    if cluster := _cluster(inputs[2], inputs[1]):
        return hopper.norm_dropout_backward(cluster, *inputs)
    return _in_two(hopper.norm_backward, dropout.dropout_portable, *inputs)


def gradient_portable(
    grad: torch.Tensor, grad_sum: torch.Tensor | None, z: torch.Tensor,
    weight: torch.Tensor | None, statistics: torch.Tensor, offset: float, casting: str,
    centered: bool, weight_wanted: bool, bias_wanted: bool, p: float, seed: int,
    tile: shapes.Tile | None = None,
) -> _Results:  # fmt: skip
    """As ``gradient_reference``; 0 < p < 1. Of rows too long for one program in two kernels."""
    tile = tile or _tile(z)
    if z.shape[-1] > tile.columns or not z.numel():
        return _in_two(
            norm_backward, dropout.dropout_portable, grad, grad_sum, z, weight, statistics, offset,
            casting, centered, weight_wanted, bias_wanted, p, seed,
        )  # fmt: skip
    dz = torch.empty(z.shape, dtype=z.dtype, device=z.device)
    dx = torch.empty_like(dz)
    dy, z = rows_of(grad), rows_of(z)
    dsum = None if grad_sum is None else rows_of(grad_sum)
    lines = torch.empty(
        (weight_wanted + bias_wanted, tile.programs, z.shape[1]), dtype=torch.float32,
        device=z.device,
    )  # fmt: skip
    early, ahead = early_options(z.device)
    launch(
        backward_rows, (tile.programs,),
        (
            dy, dsum, z, None if weight is None else weight.contiguous(), statistics, dz,
            lines[0] if weight_wanted else None, lines[-1] if bias_wanted else None, dx,
        ),
        (
            *z.shape, dy.stride(0), 0 if dsum is None else dsum.stride(0), z.stride(0),
            float(offset),
        ),
        drops.choice(p, seed),
        CENTERED=centered, ROUNDED=casting == "llama", **drops.aligned(z.shape[1], tile.columns),
        ROWS=tile.rows, COLUMNS=tile.columns, STAGES=tile.stages, EARLY=early,
        num_warps=tile.warps, **ahead,
    )  # fmt: skip
    return dx, dz, sum_lines(lines, z.dtype if weight is None else weight.dtype)


def _fake(
    grad: torch.Tensor, grad_sum: torch.Tensor | None, z: torch.Tensor,
    weight: torch.Tensor | None, statistics: torch.Tensor, offset: float, casting: str,
    centered: bool, weight_wanted: bool, bias_wanted: bool, p: float, seed: int, backend: str,
) -> _Results:  # fmt: skip
    dtype = z.dtype if weight is None else weight.dtype
    parameters = z.new_empty((weight_wanted + bias_wanted, z.shape[-1]), dtype=dtype)
    return z.new_empty(z.shape), z.new_empty(z.shape), parameters


def _hopper_refuses(
    grad: torch.Tensor, grad_sum: torch.Tensor | None, z: torch.Tensor, weight: Any,
    statistics: Any, offset: float, casting: str, centered: bool, *others: Any,
) -> str | None:  # fmt: skip
    if _cluster(z, grad_sum) and rows.rows_lie(grad, grad_sum, z):
        return None
    inputs = (grad, grad_sum, z, weight, statistics, offset, casting, centered)
    if reason := rows.gradient_refuses(*inputs):
        return reason
    if z.shape[-1] <= _tile(z).columns:
        return "one program takes whole rows and writes both gradients"
    return None


def kernel(op: str) -> Kernel:
    """The gradient kernel of an op."""
    return Kernel(
        f"{op}_backward",
        op=op,
        inputs=f"{rows.GRADIENT_INPUTS}, float p, SymInt seed",
        outputs="(Tensor, Tensor, Tensor)",
        backends=(
            Backend("hopper", f"{__name__}:gradient_hopper", _hopper_refuses),
            Backend("portable", f"{__name__}:gradient_portable", triton_refuses),
            Backend("reference", f"{__name__}:gradient_reference"),
        ),
        fake=_fake,
    )
