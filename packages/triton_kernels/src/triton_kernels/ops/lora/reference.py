"""lora_linear by its definition, in plain torch, worked in float32 at least."""

from __future__ import annotations

import math

import torch

from triton_kernels.ops.foundations.dropout import dropout_reference
from triton_kernels.ops.quantised.codes import nf4_values


def _wide(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return x.to(torch.float64 if like.dtype is torch.float64 else torch.float32)


def dense(
    weight: torch.Tensor | None, codes: torch.Tensor | None, scale: torch.Tensor | None,
    dtype: torch.dtype,
) -> torch.Tensor:  # fmt: skip
    """The weight, or what codes and scales stand for, rounded to ``dtype``."""
    if weight is not None:
        return weight
    assert codes is not None
    assert scale is not None  # one or the other: the op has checked
    return nf4_values(codes, scale).to(dtype)


def _rows(x: torch.Tensor) -> torch.Tensor:
    """(..., k) as (rows, k), which -1 cannot stand for where there is no column."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _dropped(x: torch.Tensor, p: float, seed: int) -> torch.Tensor:
    return dropout_reference(x, p, seed) if p else x


def lora_linear(
    x: torch.Tensor, weight: torch.Tensor | None, codes: torch.Tensor | None,
    scale: torch.Tensor | None, a: torch.Tensor, b: torch.Tensor, bias: torch.Tensor | None,
    scaling: float, p: float, seed: int,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """x·Wᵀ + h·bᵀ + bias, and (rows, rank): h = scaling·dropout(x)·aᵀ."""
    w = dense(weight, codes, scale, x.dtype)
    rows = _wide(_rows(x), x)
    h = scaling * (_dropped(rows, p, seed) @ _wide(a, x).t())
    y = rows @ _wide(w, x).t() + h @ _wide(b, x).t()
    if bias is not None:
        y = y + _wide(bias, x)
    return y.to(x.dtype).reshape(*x.shape[:-1], w.shape[0]).contiguous(), h.to(x.dtype)


def lora_linear_backward(
    grad: torch.Tensor, x: torch.Tensor, weight: torch.Tensor | None, codes: torch.Tensor | None,
    scale: torch.Tensor | None, a: torch.Tensor, b: torch.Tensor, h: torch.Tensor, scaling: float,
    p: float, seed: int, wanted: list[bool],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """The gradients of x, weight, a, b and bias, as far as they are wanted."""
    w = dense(weight, codes, scale, x.dtype)
    rows, dy = (_wide(_rows(v), x) for v in (x, grad))
    g = scaling * (dy @ _wide(b, x))
    dx, dw, da, db, dbias = (x.new_empty(0) for _ in range(5))  # a custom op's must be five
    if wanted[0]:
        dx = dy @ _wide(w, x) + _dropped(g @ _wide(a, x), p, seed)
        dx = dx.to(x.dtype).reshape(x.shape).contiguous()
    if wanted[1]:
        dw = (dy.t() @ rows).to(x.dtype)
    if wanted[2]:
        da = (g.t() @ _dropped(rows, p, seed)).to(x.dtype)
    if wanted[3]:
        db = (dy.t() @ _wide(h, x)).to(x.dtype)
    if wanted[4]:
        dbias = dy.sum(0).to(x.dtype)
    return dx, dw, da, db, dbias
