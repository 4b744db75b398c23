"""group_norm in Triton, for any GPU and the interpreter.

A program takes one group of one sample, in tiles of (CHANNELS, POSITIONS). It reads the group
twice, the second time from the cache: first for its sums, then to write. In the backward the first
pass leaves each channel's Σ dy·n and Σ dy; the parameters' gradients are their sums over samples.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import torch

from triton_kernels._compat import dense_like, launch, tl, triton
from triton_kernels.ops.norms import shapes
from triton_kernels.ops.norms.backward import sum_lines


@triton.jit
def _forward(
    x_ptr, weight_ptr, bias_ptr, y_ptr, statistics_ptr, n_groups, channels, positions, groups, eps,
    CHANNELS: tl.constexpr, POSITIONS: tl.constexpr,
):  # fmt: skip
    group = tl.program_id(0).to(tl.int64)
    start = group * channels * positions
    size = channels * positions * 1.0
    first_channel = (group % groups).to(tl.int32) * channels
    mean = 0.0
    squares = 0.0
    count = 0.0
    for c in range(0, channels, CHANNELS):
        rows = c + tl.arange(0, CHANNELS)[:, None]
        for p in range(0, positions, POSITIONS):
            columns = p + tl.arange(0, POSITIONS)[None, :]
            mask = (rows < channels) & (columns < positions)
            at = start + rows.to(tl.int64) * positions + columns
            x = tl.load(x_ptr + at, mask=mask, other=0.0).to(tl.float32)
            # Two sets' means and squared deviations make those of their union (Chan et al. 1979).
            n = tl.minimum(channels - c, CHANNELS) * tl.minimum(positions - p, POSITIONS)
            n = n.to(tl.float32)
            tile_mean = tl.sum(x) / n
            deviation = tl.where(mask, x - tile_mean, 0.0)
            delta = tile_mean - mean
            share = n / (count + n)
            mean += delta * share
            squares += tl.sum(deviation * deviation) + delta * delta * count * share
            count += n
    rstd = 1 / tl.sqrt(squares / size + eps)
    tl.store(statistics_ptr + group, rstd)
    tl.store(statistics_ptr + n_groups + group, mean)

    for c in range(0, channels, CHANNELS):
        rows = c + tl.arange(0, CHANNELS)[:, None]
        scale = tl.zeros((CHANNELS, 1), tl.float32) + rstd
        if weight_ptr is not None:
            weight = tl.load(weight_ptr + first_channel + rows, mask=rows < channels, other=0.0)
            scale *= weight.to(tl.float32)
        shift = tl.zeros((CHANNELS, 1), tl.float32)
        if bias_ptr is not None:
            bias = tl.load(bias_ptr + first_channel + rows, mask=rows < channels, other=0.0)
            shift += bias.to(tl.float32)
        for p in range(0, positions, POSITIONS):
            columns = p + tl.arange(0, POSITIONS)[None, :]
            mask = (rows < channels) & (columns < positions)
            at = start + rows.to(tl.int64) * positions + columns
            x = tl.load(x_ptr + at, mask=mask, other=0.0).to(tl.float32)
            tl.store(y_ptr + at, (x - mean) * scale + shift, mask=mask)


@triton.jit
def _backward(
    dy_ptr, x_ptr, weight_ptr, statistics_ptr, dx_ptr, dweight_ptr, dbias_ptr,
    n_groups, channels, positions, groups, CHANNELS: tl.constexpr, POSITIONS: tl.constexpr,
):  # fmt: skip
    group = tl.program_id(0).to(tl.int64)
    start = group * channels * positions
    size = channels * positions * 1.0
    first_channel = (group % groups).to(tl.int32) * channels
    rstd = tl.load(statistics_ptr + group)
    mean = tl.load(statistics_ptr + n_groups + group)
    along = 0.0
    across = 0.0
    for c in range(0, channels, CHANNELS):
        rows = c + tl.arange(0, CHANNELS)[:, None]
        projection = tl.zeros((CHANNELS, POSITIONS), tl.float32)
        level = tl.zeros((CHANNELS, POSITIONS), tl.float32)
        for p in range(0, positions, POSITIONS):
            columns = p + tl.arange(0, POSITIONS)[None, :]
            mask = (rows < channels) & (columns < positions)
            at = start + rows.to(tl.int64) * positions + columns
            x = tl.load(x_ptr + at, mask=mask, other=0.0).to(tl.float32)
            dy = tl.load(dy_ptr + at, mask=mask, other=0.0).to(tl.float32)
            projection += dy * (x - mean) * rstd
            level += dy
        dweight = tl.sum(projection, axis=1, keep_dims=True)
        dbias = tl.sum(level, axis=1, keep_dims=True)
        # Of (samples, channels), group · channels is the line of the sample and its first channel.
        tl.store(dweight_ptr + group * channels + rows, dweight, mask=rows < channels)
        tl.store(dbias_ptr + group * channels + rows, dbias, mask=rows < channels)
        if weight_ptr is not None:
            weight = tl.load(weight_ptr + first_channel + rows, mask=rows < channels, other=0.0)
            dweight *= weight.to(tl.float32)
            dbias *= weight.to(tl.float32)
        along += tl.sum(dweight)
        across += tl.sum(dbias)
    along = along / size
    across = across / size

    for c in range(0, channels, CHANNELS):
        rows = c + tl.arange(0, CHANNELS)[:, None]
        scale = tl.full((CHANNELS, 1), 1.0, tl.float32)
        if weight_ptr is not None:
            weight = tl.load(weight_ptr + first_channel + rows, mask=rows < channels, other=0.0)
            scale = weight.to(tl.float32)
        for p in range(0, positions, POSITIONS):
            columns = p + tl.arange(0, POSITIONS)[None, :]
            mask = (rows < channels) & (columns < positions)
            at = start + rows.to(tl.int64) * positions + columns
            x = tl.load(x_ptr + at, mask=mask, other=0.0).to(tl.float32)
            dy = tl.load(dy_ptr + at, mask=mask, other=0.0).to(tl.float32)
            dx = (dy * scale - (x - mean) * rstd * along - across) * rstd
            tl.store(dx_ptr + at, dx, mask=mask)


def group_norm(
    x: torch.Tensor, groups: int, weight: torch.Tensor | None, bias: torch.Tensor | None, eps: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each sample's groups of channels normalised; (2, samples·groups): rstd above mean."""
    y = dense_like(x)
    n_groups = x.shape[0] * groups
    statistics = torch.empty((2, n_groups), dtype=torch.float32, device=x.device)
    if not y.numel():
        return y, statistics.zero_()
    channels, positions = x.shape[1] // groups, x.shape[2:].numel()
    tile = shapes.group_tile(channels, positions)
    launch(
        _forward, (n_groups,),
        (
            x.contiguous(), None if weight is None else weight.contiguous(),
            None if bias is None else bias.contiguous(), y, statistics,
        ),
        (n_groups, channels, positions, groups), (eps,),
        CHANNELS=tile.channels, POSITIONS=tile.positions, num_warps=tile.warps,
    )  # fmt: skip
    return y, statistics


def group_norm_backward(
    grad: torch.Tensor, x: torch.Tensor, weight: torch.Tensor | None, statistics: torch.Tensor,
    groups: int,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """dx, and (2, channels): d(weight) above d(bias)."""
    dx = dense_like(x)
    dtype = x.dtype if weight is None else weight.dtype
    n_samples, n_channels = x.shape[:2]
    if not dx.numel():
        return dx, torch.zeros((2, n_channels), dtype=dtype, device=x.device)
    channels, positions = n_channels // groups, x.shape[2:].numel()
    lines = torch.empty((2, n_samples, n_channels), dtype=torch.float32, device=x.device)
    tile = shapes.group_tile(channels, positions)
    launch(
        _backward, (n_samples * groups,),
        (
            grad.contiguous(), x.contiguous(), None if weight is None else weight.contiguous(),
            statistics, dx, lines[0], lines[1],
        ),
        (n_samples * groups, channels, positions, groups),
        CHANNELS=tile.channels, POSITIONS=tile.positions, num_warps=tile.warps,
    )  # fmt: skip
    return dx, sum_lines(lines, dtype)
