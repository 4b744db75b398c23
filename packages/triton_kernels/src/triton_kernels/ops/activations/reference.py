"""Activations by their definitions, in plain torch: any device, any dtype, worked in float32."""

from __future__ import annotations

import math

import torch


def _widened(x: torch.Tensor) -> torch.Tensor:
    return x if x.dtype is torch.float64 else x.float()


def _activated(x: torch.Tensor, activation: str) -> torch.Tensor:
    if activation == "relu":
        return torch.where(x <= 0, 0.0, x)
    if activation == "silu":
        return x * torch.sigmoid(x)
    if activation == "gelu":
        return 0.5 * x * (1 + torch.erf(x * math.sqrt(0.5)))
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _derivative(x: torch.Tensor, activation: str) -> torch.Tensor:
    if activation == "relu":
        return torch.where(x <= 0, 0.0, torch.ones_like(x))
    if activation == "silu":
        s = torch.sigmoid(x)
        return s * (1 + x * (1 - s))
    if activation == "gelu":
        density = torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
        return 0.5 * (1 + torch.erf(x * math.sqrt(0.5))) + x * density
    tanh = torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2)
    return 0.5 * (1 + tanh) + 0.5 * x * (1 - tanh**2) * slope


def activation(x: torch.Tensor, name: str) -> torch.Tensor:
    """f(x)."""
    return _activated(_widened(x), name).to(x.dtype).contiguous()


def activation_backward(grad: torch.Tensor, x: torch.Tensor, name: str) -> torch.Tensor:
    """dy · f'(x)."""
    return (_widened(grad) * _derivative(_widened(x), name)).to(x.dtype).contiguous()


def gated(gate: torch.Tensor, up: torch.Tensor | None, name: str) -> torch.Tensor:
    """f(gate) · up; without ``up`` the halves of gate's last dimension are the two."""
    first, second = gate.chunk(2, -1) if up is None else (gate, up)
    product = _activated(_widened(first), name) * _widened(second)
    return product.to(gate.dtype).contiguous()


def gated_backward(
    grad: torch.Tensor, gate: torch.Tensor, up: torch.Tensor | None, name: str
) -> torch.Tensor:
    """d(gate) and d(up): stacked, or side by side where gate holds both."""
    first, second = gate.chunk(2, -1) if up is None else (gate, up)
    wide, dy = _widened(first), _widened(grad)
    halves = (dy * _widened(second) * _derivative(wide, name), dy * _activated(wide, name))
    joined = torch.cat(halves, -1) if up is None else torch.stack(halves)
    return joined.to(gate.dtype)


def biased(x: torch.Tensor, bias: torch.Tensor, name: str) -> torch.Tensor:
    """f(x + bias)."""
    return _activated(_widened(x) + _widened(bias), name).to(x.dtype).contiguous()


def biased_backward(
    grad: torch.Tensor, x: torch.Tensor, bias: torch.Tensor, name: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """dx, and d(bias), its sum over all but the last dimension."""
    dx = _widened(grad) * _derivative(_widened(x) + _widened(bias), name)
    db = dx.reshape(-1, dx.shape[-1]).sum(0) if dx.numel() else torch.zeros_like(bias)
    return dx.to(x.dtype).contiguous(), db.to(bias.dtype)
