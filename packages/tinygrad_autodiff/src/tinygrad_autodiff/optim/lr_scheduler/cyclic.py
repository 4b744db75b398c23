"""Schedules that rise and fall, and move the momentum the other way."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...errors import ArgumentError
from ..optimizer import Optimizer
from .scheduler import LRScheduler, one_each


class _Momentum(LRScheduler):
    """A scheduler that also sets the momentum (or the first beta) of the groups."""

    def _prepare(self, optimizer: Optimizer, base: Any, largest: Any, start: bool) -> None:
        if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
            raise ArgumentError("cycle_momentum: the optimizer has neither momentum nor betas")
        self.base_momentums = one_each("base_momentum", optimizer, base)
        self.max_momentums = one_each("max_momentum", optimizer, largest)
        if start:
            for group, low, high in zip(
                optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True
            ):
                group["base_momentum"], group["max_momentum"] = low, high
                _set_momentum(group, high)


def _set_momentum(group: dict[str, Any], value: float) -> None:
    if "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


class CyclicLR(_Momentum):
    """From `base_lr` up to `max_lr` in `step_size_up` steps and down again (Smith 2017).

    The height of the cycles stays ("triangular"), halves with each ("triangular2"), or shrinks by
    `gamma` with each step ("exp_range"), or is ``scale_fn`` of the number of the cycle or, with
    ``scale_mode="iterations"``, of the step.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ArgumentError(f"mode: unknown {mode!r}, and no scale_fn")
        lows = one_each("base_lr", optimizer, base_lr)
        self.max_lrs = one_each("max_lr", optimizer, max_lr)
        down = step_size_up if step_size_down is None else step_size_down
        self.total_size = float(step_size_up + down)
        self.step_ratio = step_size_up / self.total_size
        self.mode, self.gamma, self._scale_fn_custom = mode, gamma, scale_fn
        own = "iterations" if mode == "exp_range" else "cycle"
        self.scale_mode = own if scale_fn is None else scale_mode
        self.cycle_momentum = cycle_momentum
        if last_epoch == -1:
            for group, low in zip(optimizer.param_groups, lows, strict=True):
                group["lr"] = low
        if cycle_momentum:
            self._prepare(optimizer, base_momentum, max_momentum, last_epoch == -1)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = lows

    def scale_fn(self, x: float) -> float:
        """Height of the cycles relative to the first."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "exp_range":
            return float(self.gamma**x)
        return 1.0 if self.mode == "triangular" else 1 / 2.0 ** (x - 1)

    def get_lr(self) -> list[float]:
        """On the triangle; sets the momentum too."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, low, high in zip(
                self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True
            ):
                _set_momentum(group, high - (high - low) * height)
        pairs = zip(self.base_lrs, self.max_lrs, strict=True)
        return [low + (high - low) * height for low, high in pairs]


class OneCycleLR(_Momentum):
    """Up from max_lr/div_factor to `max_lr`, then down to 1/final_div_factor of the start.

    The rise takes the part `pct_start` of all steps, along half a cosine or a line; with
    `three_phase` the fall back to the start takes as long. Source: Smith & Topin 2019.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ArgumentError("expected total_steps, or epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        if not isinstance(total_steps, int) or total_steps <= 0:
            raise ArgumentError(f"total_steps: expected a whole number > 0, got {total_steps}")
        if not 0 <= pct_start <= 1:
            raise ArgumentError(f"pct_start: expected a number from 0 to 1, got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(f"anneal_strategy: 'cos' or 'linear', not {anneal_strategy!r}")
        self.total_steps, self.anneal_strategy = total_steps, anneal_strategy
        self.cycle_momentum = cycle_momentum
        top = pct_start * total_steps - 1
        rise = (top, "initial_lr", "max_lr", "max_momentum", "base_momentum")
        fall = ("max_lr", "min_lr", "base_momentum", "max_momentum")
        self.phases: list[tuple[float, str, str, str, str]] = [rise, (total_steps - 1, *fall)]
        if three_phase:
            back = (2 * top, "max_lr", "initial_lr", "base_momentum", "max_momentum")
            rest = (total_steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum")
            self.phases = [rise, back, rest]
        if last_epoch == -1:
            tops = one_each("max_lr", optimizer, max_lr)
            for group, high in zip(optimizer.param_groups, tops, strict=True):
                group["initial_lr"], group["max_lr"] = high / div_factor, high
                group["min_lr"] = group["initial_lr"] / final_div_factor
        if cycle_momentum:
            self._prepare(optimizer, base_momentum, max_momentum, last_epoch == -1)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Between the ends of the present phase; sets the momentum too."""
        step = self.last_epoch
        if step > self.total_steps:
            raise ArgumentError(f"step {step} of a schedule of {self.total_steps} steps")
        turn = next((i for i, phase in enumerate(self.phases) if step <= phase[0]), -1)
        end, *names = self.phases[turn]
        start = self.phases[turn - 1][0] if turn else 0.0
        part = (step - start) / (end - start)
        if self.anneal_strategy == "cos":
            part = (1 - math.cos(math.pi * part)) / 2
        rates = []
        for group in self.optimizer.param_groups:
            low, high, first, last = (group.get(name, 0.0) for name in names)
            rates.append(low + (high - low) * part)
            if self.cycle_momentum:
                _set_momentum(group, first + (last - first) * part)
        return rates
