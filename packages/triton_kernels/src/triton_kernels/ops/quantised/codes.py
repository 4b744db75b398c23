"""Quantising in plain torch: int8 by rows, NF4 by blocks of 64, and both back.

Quantising happens once, when a model is loaded, so it is a definition and no kernel. NF4 stores the
nearest of 16 quantiles of the normal distribution, scaled to [-1, 1], and one float32 a block: its
largest magnitude (Dettmers et al. 2023, QLoRA, arXiv:2305.14314, section 3). Two codes share a
byte, the first in the low half.
"""

from __future__ import annotations

import torch

from triton_kernels.checks import FLOATS, check_tensors, shapes_in_words
from triton_kernels.errors import ShapeError

BLOCK = 64
"""Values that share a scale in NF4."""

# Appendix E of the paper: quantiles of the normal distribution, with an exact zero.
LEVELS = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0,
)  # fmt: skip


def levels(device: torch.device, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """The 16 values of NF4."""
    return torch.tensor(LEVELS, device=device, dtype=dtype)


def _check(op: str, weight: torch.Tensor, multiple: int) -> None:
    check_tensors(op, dtypes=FLOATS, weight=weight)
    if weight.dim() != 2 or weight.shape[1] % multiple:
        raise ShapeError(
            op, shapes_in_words(weight=weight),
            f"(rows, columns), columns a multiple of {multiple}",
            "pad the columns with zeros",
        )  # fmt: skip


def quantise_int8(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """int8 codes and one scale a row, so that code · scale is nearest.

    Args:
        weight: (rows, columns), floating-point.

    Returns:
        Codes, int8 of weight's shape, in [-127, 127]; scales, float32 of (rows,).

    Raises:
        ShapeError: weight is no matrix.
        DtypeError: it is not floating-point.
    """
    _check("quantise_int8", weight, 1)
    wide = weight.detach().float()
    scale = wide.abs().amax(1) / 127 if weight.shape[1] else wide.new_zeros(weight.shape[0])
    codes = (wide / torch.where(scale == 0, 1.0, scale)[:, None]).round()
    return codes.clamp(-127, 127).to(torch.int8), scale


def quantise_nf4(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """NF4 codes, two a byte, and one scale a block of 64.

    Args:
        weight: (rows, columns), floating-point, columns a multiple of 64.

    Returns:
        Codes, uint8 of (rows, columns / 2); scales, float32 of (rows, columns / 64).

    Raises:
        ShapeError: weight is no matrix, or its columns no multiple of 64.
        DtypeError: it is not floating-point.
    """
    _check("quantise_nf4", weight, BLOCK)
    rows, columns = weight.shape
    blocks = weight.detach().float().reshape(rows, columns // BLOCK, BLOCK)
    scale = blocks.abs().amax(2)
    values = blocks / torch.where(scale == 0, 1.0, scale)[..., None]
    table = levels(weight.device)
    codes = torch.bucketize(values, (table[1:] + table[:-1]) / 2).reshape(rows, columns)
    return (codes[:, ::2] | codes[:, 1::2] << 4).to(torch.uint8), scale


def nf4_values(codes: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """The values that codes and scales stand for, in scale's dtype."""
    rows, columns = codes.shape[0], 2 * codes.shape[1]
    both = torch.stack((codes.long() & 15, codes.long() >> 4), 2).reshape(rows, columns)
    values = levels(codes.device, scale.dtype)[both].view(rows, columns // BLOCK, BLOCK)
    return (values * scale[..., None]).reshape(rows, columns)
