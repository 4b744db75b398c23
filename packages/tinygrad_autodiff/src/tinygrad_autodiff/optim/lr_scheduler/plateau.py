"""The rate reduced when a measure stops improving."""

from __future__ import annotations

import math
from typing import Any

from ...errors import ArgumentError, ArgumentTypeError
from ..optimizer import Optimizer
from .scheduler import LRScheduler, one_each


class ReduceLROnPlateau(LRScheduler):
    """The rate times `factor` after more than `patience` epochs without a better measure.

    Better is less (`mode` "min") or more ("max") than the best so far, by `threshold` relative to
    it ("rel") or absolutely ("abs"). After a reduction, `cooldown` epochs do not count. Rates do
    not fall below `min_lr`, nor by less than `eps`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        if not isinstance(optimizer, Optimizer):
            raise ArgumentTypeError(f"expected an Optimizer, got {type(optimizer).__name__}")
        if factor >= 1:
            raise ArgumentError(f"factor: expected a number < 1, got {factor}")
        if mode not in ("min", "max"):
            raise ArgumentError(f"mode: 'min' or 'max', not {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ArgumentError(f"threshold_mode: 'rel' or 'abs', not {threshold_mode!r}")
        self.optimizer, self.mode, self.factor, self.patience = optimizer, mode, factor, patience
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.cooldown, self.eps = cooldown, eps
        self.min_lrs = one_each("min_lr", optimizer, min_lr)
        self.last_epoch = self.cooldown_counter = self.num_bad_epochs = 0
        self.best = math.inf if mode == "min" else -math.inf
        self._last_lr = self.rates()

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Take note of a measure, and reduce the rates if it is time."""
        current = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self.is_better(current):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        rates = self.rates()
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
            lower = [
                max(r * self.factor, least) for r, least in zip(rates, self.min_lrs, strict=True)
            ]
            rates = [
                new if old - new > self.eps else old for old, new in zip(rates, lower, strict=True)
            ]
        self._set(rates)

    @property
    def in_cooldown(self) -> bool:
        """Whether bad epochs do not count now."""
        return self.cooldown_counter > 0

    def is_better(self, value: float) -> bool:
        """Whether `value` improves enough on the best so far."""
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            bound = self.best * (1 + sign * self.threshold)
        else:
            bound = self.best + sign * self.threshold
        return value < bound if self.mode == "min" else value > bound
