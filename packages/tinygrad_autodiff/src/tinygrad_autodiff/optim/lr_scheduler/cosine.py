"""Schedules that fall along half a cosine (Loshchilov & Hutter, SGDR, 2017)."""

from __future__ import annotations

import math

from ...errors import ArgumentError
from ..optimizer import Optimizer
from .scheduler import LRScheduler


class CosineAnnealingLR(LRScheduler):
    """``eta_min + (lr - eta_min)·(1 + cos(π·epoch/T_max))/2``: down within `T_max`, and back.

    Loshchilov & Hutter 2017.
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def _height(self, epoch: int) -> float:
        return (1 + math.cos(math.pi * epoch / self.T_max)) / 2

    def get_lr(self) -> list[float]:
        """The present rates, moved by the ratio of two heights of the cosine above `eta_min`."""
        epoch, low = self.last_epoch, self.eta_min
        if self._is_initial:
            return self.rates()
        if (epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # from the bottom, where it is 0
            rise = self._height(self.T_max - 1)
            pairs = zip(self.rates(), self.base_lrs, strict=True)
            return [rate + (base - low) * rise for rate, base in pairs]
        ratio = self._height(epoch) / self._height(epoch - 1)
        return [low + (rate - low) * ratio for rate in self.rates()]

    def closed_form(self) -> list[float]:
        """On the cosine."""
        height = self._height(self.last_epoch)
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """``eta_min + (lr - eta_min)·(1 + cos(π·t/T))/2``, t counted from the last restart.

    Each run of T epochs is `T_mult` times longer than the one before; `step` may be given fractions
    of an epoch.  Loshchilov & Hutter 2017.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(value, int) or value < 1:
                raise ArgumentError(f"{name}: expected a whole number >= 1, got {value}")
        self.T_0 = self.T_i = T_0
        self.T_mult, self.eta_min = T_mult, eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def step(self, epoch: float | None = None) -> None:
        """Go on by one epoch, or to a given one."""
        if epoch is None and self.last_epoch >= 0:
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
            self.last_epoch += 1
        else:
            epoch = 0 if epoch is None else epoch
            if epoch < 0:
                raise ArgumentError(f"epoch: expected a number >= 0, got {epoch}")
            self.T_cur, self.T_i = epoch, self.T_0
            while self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
            self.last_epoch = math.floor(epoch)
        self._set(self.get_lr())

    def get_lr(self) -> list[float]:
        """On the cosine of the present period."""
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]
