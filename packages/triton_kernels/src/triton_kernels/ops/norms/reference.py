"""Norms by their definitions, in plain torch: any device, any dtype, worked in float32."""

from __future__ import annotations

import torch


def _widened(x: torch.Tensor) -> torch.Tensor:
    return x if x.dtype is torch.float64 else x.float()


def _sum_of(x: torch.Tensor, residual: torch.Tensor | None) -> torch.Tensor:
    """x + residual, rounded to their dtype, as the next layer will see it."""
    return x if residual is None else x + residual


def _statistics(z: torch.Tensor, eps: float, centered: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """1/sqrt(variance + eps) and the mean of each row; without centring the mean is 0."""
    wide = _widened(z)
    if not z.numel():  # the mean of nothing would be NaN
        zero = wide.new_zeros((*z.shape[:-1], 1))
        return zero, zero
    mean = wide.mean(-1, keepdim=True) if centered else wide.new_zeros((*z.shape[:-1], 1))
    variance = (wide - mean).square().mean(-1, keepdim=True)
    return torch.rsqrt(variance + eps), mean


def norm(
    x: torch.Tensor, residual: torch.Tensor | None,
    weight: torch.Tensor | None, bias: torch.Tensor | None,
    eps: float, offset: float, casting: str, centered: bool,
) -> tuple[torch.Tensor, ...]:  # fmt: skip
    """The normalised rows of x + residual, that sum if there is a residual, its statistics."""
    z = _sum_of(x, residual)
    rstd, mean = _statistics(z, eps, centered)
    y = (_widened(z) - mean) * rstd
    if casting == "llama":
        y = _widened(y.to(x.dtype))
    if weight is not None:
        y = y * (_widened(weight) + offset)
    if bias is not None:
        y = y + _widened(bias)
    rows = torch.cat((rstd, mean), -1) if centered else rstd
    kept = () if residual is None else (z.contiguous(),)
    return y.to(x.dtype).contiguous(), *kept, rows.reshape(-1, rows.shape[-1]).t().contiguous()


def norm_backward(
    grad: torch.Tensor, grad_sum: torch.Tensor | None, z: torch.Tensor,
    weight: torch.Tensor | None, statistics: torch.Tensor, offset: float, casting: str,
    centered: bool, weight_wanted: bool, bias_wanted: bool,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """d(x + residual), and d(weight) above d(bias), as far as they are wanted."""
    dy, wide = _widened(grad), _widened(z)
    rows = statistics.t().reshape(*z.shape[:-1], 1 + centered)
    rstd, mean = rows[..., :1], (rows[..., 1:] if centered else 0.0)
    normal = (wide - mean) * rstd
    g = dy if weight is None else dy * (_widened(weight) + offset)
    n = max(z.shape[-1], 1)
    dz = g - normal * ((g * normal).sum(-1, keepdim=True) / n)
    if centered:
        dz = dz - g.sum(-1, keepdim=True) / n
    dz = dz * rstd
    if grad_sum is not None:
        dz = dz + _widened(grad_sum)
    if casting == "llama":
        normal = _widened(normal.to(z.dtype))
    sums = [dy * normal] * weight_wanted + [dy] * bias_wanted
    parameters = [s.reshape(z.shape[:-1].numel(), z.shape[-1]).sum(0) for s in sums]
    dtype = z.dtype if weight is None else weight.dtype
    stacked = torch.stack(parameters) if parameters else dz.new_empty((0, z.shape[-1]))
    return dz.to(z.dtype).contiguous(), stacked.to(dtype)


def group_norm(
    x: torch.Tensor, groups: int, weight: torch.Tensor | None, bias: torch.Tensor | None, eps: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each sample's groups of channels normalised; (2, samples·groups): rstd above mean."""
    rows = x.reshape(x.shape[0], groups, x.shape[1:].numel() // groups)
    rstd, mean = _statistics(rows, eps, centered=True)
    y = ((_widened(rows) - mean) * rstd).reshape(x.shape)
    one_a_channel = (-1, *[1] * (x.dim() - 2))
    if weight is not None:
        y = y * _widened(weight).view(one_a_channel)
    if bias is not None:
        y = y + _widened(bias).view(one_a_channel)
    return y.to(x.dtype).contiguous(), torch.stack((rstd.flatten(), mean.flatten()))


def group_norm_backward(
    grad: torch.Tensor, x: torch.Tensor, weight: torch.Tensor | None, statistics: torch.Tensor,
    groups: int,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """dx, and (2, channels): d(weight) above d(bias)."""
    rows = (x.shape[0], groups, x.shape[1:].numel() // groups)
    rstd, mean = statistics.view(2, x.shape[0], groups, 1)
    normal = (_widened(x).reshape(rows) - mean) * rstd
    dy = _widened(grad).contiguous()
    scale = 1.0 if weight is None else _widened(weight).view(-1, *[1] * (x.dim() - 2))
    g = (dy * scale).reshape(rows)
    n = max(rows[-1], 1)
    dx = g - g.sum(-1, keepdim=True) / n - normal * ((g * normal).sum(-1, keepdim=True) / n)
    per_channel = (*x.shape[:2], x.shape[2:].numel())
    sums = (dy.reshape(rows) * normal, dy)
    parameters = torch.stack([s.reshape(per_channel).sum(2).sum(0) for s in sums])
    dtype = x.dtype if weight is None else weight.dtype
    return (dx * rstd).reshape(x.shape).to(x.dtype).contiguous(), parameters.to(dtype)
