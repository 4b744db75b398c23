"""Divergences of rows of distributions by their definitions, in plain torch, worked in float32.

An element's loss ℓ and its derivatives by x = log q (input) and by y = log p (target):
β = 0, forward KL(p‖q): ℓ = p·(y - x), -p and ℓ + p; for a target given as p itself, -p and
log p + 1 - x. β = 1, reverse KL(q‖p): ℓ = q·(x - y), ℓ + q and -q. Between, with m = β·p + (1-β)·q:
ℓ = (1-β)·q·(x - log m) + β·p·(y - log m), whose two terms are the derivatives too.
"""

from __future__ import annotations

import torch

FORMS = ("probabilities", "log_probabilities", "logits")
"""What a target is; ``logits``: input and target both, over a temperature."""


def _widened(x: torch.Tensor) -> torch.Tensor:
    return x if x.dtype is torch.float64 else x.float()


def _product(p: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """p·x, zero where p is, whatever x."""
    return p * torch.where(p == 0, 0.0, x)


def _terms(
    x: torch.Tensor, y: torch.Tensor, form: str, beta: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Each element's loss, and its derivatives by x and by y."""
    if form == "probabilities":
        logarithm = torch.where(y == 0, 1.0, y).log()
        return _product(y, logarithm - x), -y, torch.log(y) + 1 - x
    if beta == 0:
        loss = _product(y.exp(), y - x)
        return loss, -y.exp(), loss + y.exp()
    if beta == 1:
        loss = _product(x.exp(), x - y)
        return loss, loss + x.exp(), -x.exp()
    larger = torch.maximum(x, y).detach()
    shift = torch.where(larger == -torch.inf, 0.0, larger)
    # Differences from the larger of the two: log m itself would round away what they differ by. And
    # from 1: rounded to float32, beta and 1 - beta need not add up to it.
    beyond = beta * torch.expm1(y - shift) + (1 - beta) * torch.expm1(x - shift)
    log_mixed = torch.where(larger == -torch.inf, 0.0, beyond).log1p()
    by_x = (1 - beta) * _product(x.exp(), x - shift - log_mixed)
    by_y = beta * _product(y.exp(), y - shift - log_mixed)
    return by_x + by_y, by_x, by_y


def _logarithms(
    input: torch.Tensor, target: torch.Tensor, form: str, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = _widened(input), _widened(target)
    if form == "logits":
        x, y = (torch.log_softmax(v / temperature, -1) for v in (x, y))
    return x, y


def _row_weights(x: torch.Tensor, labels: torch.Tensor | None, ignore_index: int) -> torch.Tensor:
    if labels is None:
        return x.new_ones(x.shape[0])
    return (labels.long() != ignore_index).to(x.dtype)


def _divisor(weights: torch.Tensor, columns: int, reduction: str) -> torch.Tensor:
    return weights.sum() * (columns if reduction == "mean" else 1)


def divergence(
    input: torch.Tensor, target: torch.Tensor, labels: torch.Tensor | None, form: str, beta: float,
    temperature: float, reduction: str, ignore_index: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """The loss, the rows' statistics (none here), and what a mean divides by."""
    x, y = _logarithms(input, target, form, temperature)
    losses, _, _ = _terms(x, y, form, beta)
    weights = _row_weights(x, labels, ignore_index)
    losses = torch.where(weights[:, None] == 0, 0.0, losses * temperature**2)
    divisor = _divisor(weights, x.shape[1], reduction)
    statistics = x.new_zeros((6 if form == "logits" else 0, x.shape[0]))
    if reduction == "none":
        return losses.contiguous(), statistics, divisor
    total = losses.sum()
    return (total if reduction == "sum" else total / divisor), statistics, divisor


def divergence_backward(
    grad: torch.Tensor, input: torch.Tensor, target: torch.Tensor, labels: torch.Tensor | None,
    statistics: torch.Tensor, divisor: torch.Tensor, form: str, beta: float, temperature: float,
    reduction: str, ignore_index: int, input_wanted: bool, target_wanted: bool,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """The gradients of input and target, as far as they are wanted."""
    x, y = _logarithms(input, target, form, temperature)
    weights = _row_weights(x, labels, ignore_index)
    factor = _widened(grad)
    if reduction in ("mean", "batchmean"):
        factor = factor / divisor
    factor = factor.expand(x.shape)
    found = []
    _, by_x, by_y = _terms(x, y, form, beta)
    for wanted, by, logs in ((input_wanted, by_x, x), (target_wanted, by_y, y)):
        if not wanted:
            found.append(input.new_empty(0))
            continue
        d = by * factor
        if form == "logits":
            d = (d - logs.exp() * d.sum(1, keepdim=True)) * temperature
        d = torch.where(weights[:, None] == 0, 0.0, d)
        found.append(d.to(input.dtype).contiguous())
    return found[0], found[1]
