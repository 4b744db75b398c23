"""Weights of 8 and 4 bits in plain torch: int8 by rows, NF4 by blocks of 64, there and back.

NF4 stores the nearest of 16 quantiles of the normal distribution, scaled to [-1, 1], and one
float32 a block: its largest magnitude (Dettmers et al. 2023, QLoRA, arXiv:2305.14314, section 3).
Two codes share a byte, the first in the low half. The ops are in ``quantise`` and ``nf4``.
"""

from __future__ import annotations

import torch

BLOCK = 64
"""Values that share a scale in NF4."""
LEAST = 2.0**-120
"""A row or block whose magnitudes are all below it is zeros: 127 over them would be no float32."""

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


def middles(device: torch.device) -> torch.Tensor:
    """The 15 values half-way between neighbours of them, to 20 bits: see ``cells``."""
    table = levels(device)
    exact = (table[1:] + table[:-1]) / 2
    return ((exact.view(torch.int32) + 8) & -16).view(torch.float32)


def cells(device: torch.device) -> torch.Tensor:
    """What to ask of a value of -1 to 1: int32, (64,), by the nearest multiple of 1/16, modulo 64.

    Around each of these is one of the middles at most: its bits, of which the last four are the
    number of middles below. Where there is none, that of a middle beyond all values.
    """
    between = middles(torch.device("cpu"))
    table = torch.zeros(64, dtype=torch.int32)
    for cell in range(-16, 17):
        low, high = (2 * cell - 1) / 32, (2 * cell + 1) / 32
        here = between[(between > low) & (between < high)]
        middle = here if len(here) else torch.tensor([2.0**100])
        table[cell] = middle.view(torch.int32)[0] + int((between <= low).sum())
    return table.to(device)


def int8_codes(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The nearest multiples of a row's largest magnitude over 127, and that."""
    wide = weight.float()
    largest = wide.abs().amax(1) if weight.shape[1] else wide.new_zeros(weight.shape[0])
    nothing, most = largest < LEAST, torch.full_like(largest, 127.0)
    # By a tensor of 127: by a number torch multiplies with its inverse, on a GPU alone.
    scale = (largest / most).masked_fill(nothing, 0.0)
    codes = (wide * (most / largest).masked_fill(nothing, 0.0)[:, None]).round()
    return codes.nan_to_num(0.0).clamp(-127, 127).to(torch.int8).contiguous(), scale


def nf4_codes(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The numbers of the nearest levels, two a byte, and a block's largest magnitude."""
    rows, columns = weight.shape
    blocks = weight.float().reshape(rows, columns // BLOCK, BLOCK)
    largest = blocks.abs().amax(2)
    codes = torch.zeros(blocks.shape, dtype=torch.uint8, device=weight.device)
    for middle in middles(weight.device):
        codes += blocks > (middle * largest)[..., None]
    codes.masked_fill_(((largest < LEAST) | ~largest.isfinite())[..., None], 0)
    codes = codes.view(rows, columns)
    return codes[:, ::2] | codes[:, 1::2] << 4, largest.masked_fill(largest < LEAST, 0.0)


def nf4_values(codes: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """The values that codes and scales stand for, in scale's dtype."""
    rows, columns = codes.shape[0], 2 * codes.shape[1]
    both = torch.stack((codes.long() & 15, codes.long() >> 4), 2).reshape(rows, columns)
    values = levels(codes.device, scale.dtype)[both].view(rows, columns // BLOCK, BLOCK)
    return (values * scale[..., None]).reshape(rows, columns)
