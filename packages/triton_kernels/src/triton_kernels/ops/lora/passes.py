"""The steps of lora_linear forward and back, given what adds up two products.

Forward: h = s·dropout(x)·aᵀ, of few columns, then y = x·Wᵀ + h·bᵀ in one kernel. Back, with
g = s·dy·b: dx = dy·W + g·a in one kernel of the same form, da = gᵀ·dropout(x), db = dyᵀ·h and, for
a weight that is trained, dW = dyᵀ·x. NF4 codes become a dense weight first: multiplying many rows,
that costs less than looking levels up in every tile, and only the codes are kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from triton_kernels import backends, registry
from triton_kernels.kernel import Kernel

Join = Callable[..., torch.Tensor]
"""(a, b, c, d, bias or None) to a·b + c·d + bias."""


def _run(kernel: Kernel, *inputs: Any) -> torch.Tensor:
    """A kernel's first able backend, as a step of the one that runs."""
    backend = backends.choose(kernel.name, kernel.backends, inputs, "")
    result: torch.Tensor = backend.run(*inputs)
    return result


def _product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return _run(registry.get("matmul").kernel, a, b, "ieee")


def _dropped(x: torch.Tensor, p: float, seed: int) -> torch.Tensor:
    return _run(registry.get("dropout").kernel, x, p, seed) if p else x


def _dense(
    weight: torch.Tensor | None, codes: torch.Tensor | None, scale: torch.Tensor | None,
    dtype: torch.dtype,
) -> torch.Tensor:  # fmt: skip
    if weight is not None:
        return weight.contiguous()
    return _run(registry.get("dequantise_nf4").kernel, codes, scale, dtype)


def _rows(x: torch.Tensor) -> torch.Tensor:
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1]).contiguous()


def _scaled(x: torch.Tensor, scaling: float) -> torch.Tensor:
    return x if scaling == 1 else x.mul_(scaling)


def forward(
    join: Join, x: torch.Tensor, weight: torch.Tensor | None, codes: torch.Tensor | None,
    scale: torch.Tensor | None, a: torch.Tensor, b: torch.Tensor, bias: torch.Tensor | None,
    scaling: float, p: float, seed: int,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """x·Wᵀ + h·bᵀ + bias, and (rows, rank): h = scaling·dropout(x)·aᵀ."""
    w, rows = _dense(weight, codes, scale, x.dtype), _rows(x)
    h = _scaled(_product(_dropped(rows, p, seed), a.t()), scaling)
    bias = None if bias is None else bias.contiguous()
    y = join(rows, w.t(), h, b.contiguous().t(), bias)
    return y.view(*x.shape[:-1], w.shape[0]), h


def backward(
    join: Join, grad: torch.Tensor, x: torch.Tensor, weight: torch.Tensor | None,
    codes: torch.Tensor | None, scale: torch.Tensor | None, a: torch.Tensor, b: torch.Tensor,
    h: torch.Tensor, scaling: float, p: float, seed: int, wanted: list[bool],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """The gradients of x, weight, a, b and bias, as far as they are wanted."""
    rows, dy = _rows(x), _rows(grad)
    dx, dw, da, db, dbias = (x.new_empty(0) for _ in range(5))  # a custom op's must be five
    if wanted[0] or wanted[2]:
        g = _scaled(_product(dy, b), scaling)
    if wanted[0]:
        w = _dense(weight, codes, scale, x.dtype)
        if p:
            dx = _product(dy, w).add_(_dropped(_product(g, a), p, seed))
        else:
            dx = join(dy, w, g, a.contiguous(), None)
        dx = dx.view(x.shape)
    if wanted[1]:
        dw = _product(dy.t(), rows)
    if wanted[2]:
        da = _product(g.t(), _dropped(rows, p, seed))
    if wanted[3]:
        db = _product(dy.t(), h)
    if wanted[4]:
        dbias = dy.sum(0)
    return dx, dw, da, db, dbias
