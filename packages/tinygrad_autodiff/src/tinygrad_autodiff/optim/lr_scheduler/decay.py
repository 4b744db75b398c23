"""Schedules that fall, or rise, from the initial rate: by steps, lines, powers, or any function."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ...errors import ArgumentError, ArgumentTypeError
from ..optimizer import Optimizer
from .scheduler import LRScheduler, Relative

_Lambdas = Callable[[int], float] | Sequence[Callable[[int], float]]


def _functions(optimizer: Optimizer, given: _Lambdas) -> list[Any]:
    count = len(optimizer.param_groups)
    functions = list(given) if isinstance(given, (list, tuple)) else [given] * count
    if len(functions) != count:
        raise ArgumentError(f"lr_lambda: expected {count} functions, got {len(functions)}")
    for function in functions:
        if not callable(function):
            raise ArgumentTypeError(f"lr_lambda: expected a function, got {function!r}")
    return functions


class LambdaLR(LRScheduler):
    """The initial rate times ``lr_lambda(epoch)`` (one function, or one for each group)."""

    def __init__(self, optimizer: Optimizer, lr_lambda: _Lambdas, last_epoch: int = -1) -> None:
        self.lr_lambdas = _functions(optimizer, lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Absolute rates."""
        pairs = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [base * factor(self.last_epoch) for base, factor in pairs]


class MultiplicativeLR(LRScheduler):
    """At every epoch the present rate times ``lr_lambda(epoch)``."""

    def __init__(self, optimizer: Optimizer, lr_lambda: _Lambdas, last_epoch: int = -1) -> None:
        self.lr_lambdas = _functions(optimizer, lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The present rates, multiplied; at the start as they are."""
        if self._is_initial:
            return self.rates()
        pairs = zip(self.rates(), self.lr_lambdas, strict=True)
        return [rate * factor(self.last_epoch) for rate, factor in pairs]


class StepLR(Relative):
    """``lr·gamma^⌊epoch/step_size⌋``."""

    moves_on_resuming = True

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def relative(self, epoch: int) -> float:
        """γ^⌊epoch/step_size⌋."""
        return float(self.gamma ** (epoch // self.step_size))

    def ratio(self, epoch: int) -> float:
        """γ at every step."""
        return self.gamma if epoch and epoch % self.step_size == 0 else 1.0


class MultiStepLR(Relative):
    """``lr·gamma^n``, n how many of the `milestones` are reached."""

    moves_on_resuming = True

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def relative(self, epoch: int) -> float:
        """γ to the number of milestones passed."""
        return float(self.gamma ** bisect_right(sorted(self.milestones.elements()), epoch))

    def ratio(self, epoch: int) -> float:
        """γ at a milestone, as often as it is given."""
        return float(self.gamma ** self.milestones[epoch])


class ConstantLR(Relative):
    """``lr·factor`` until epoch `total_iters`, then ``lr``."""

    moves_on_resuming = True

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 <= factor <= 1:
            raise ArgumentError(f"factor: expected a number from 0 to 1, got {factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def relative(self, epoch: int) -> float:
        """The factor given, then 1."""
        return self.factor if epoch < self.total_iters else 1.0


class LinearLR(Relative):
    """``lr·(s + (e - s)·min(epoch/total_iters, 1))`` s = `start_factor`, e = `end_factor`."""

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ArgumentError(f"start_factor: expected a number in (0, 1], got {start_factor}")
        if not 0 <= end_factor <= 1:
            raise ArgumentError(f"end_factor: expected a number from 0 to 1, got {end_factor}")
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def relative(self, epoch: int) -> float:
        """On the line, then at its end."""
        part = min(epoch, self.total_iters) / self.total_iters
        return self.start_factor + (self.end_factor - self.start_factor) * part


class ExponentialLR(Relative):
    """``lr·gamma^epoch``."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def relative(self, epoch: int) -> float:
        """γ^epoch."""
        return float(self.gamma**epoch)

    def ratio(self, epoch: int) -> float:
        """γ."""
        return self.gamma if epoch else 1.0


class PolynomialLR(Relative):
    """The rate times (1 - epoch/total_iters)^power, down to 0."""

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def relative(self, epoch: int) -> float:
        """A power of what is left."""
        return float((1 - min(epoch, self.total_iters) / self.total_iters) ** self.power)
