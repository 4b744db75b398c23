"""What schedulers have in common: an epoch, the rates they started from, and saving both."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import ArgumentError, ArgumentTypeError
from ...tensor import Tensor
from ..optimizer import Optimizer


class LRScheduler:
    """Base of schedulers: a subclass says in `get_lr` what the rates of the groups are to be.

    Making a scheduler takes its first step, to epoch 0. Later ones follow the optimizer's steps.

    Args:
        optimizer: Whose groups get new rates.
        last_epoch: The epoch to go on from; -1 to start.

    Raises:
        ArgumentError: A `last_epoch` to go on from, but groups without an "initial_lr".
    """

    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise ArgumentTypeError(f"expected an Optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", number(group["lr"]))
            elif "initial_lr" not in group:
                raise ArgumentError(
                    f"group {i} has no initial_lr to go on from; load the optimizer's state first"
                )
        self.base_lrs = [number(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count, self._is_initial = 0, True
        try:
            self.step()
        finally:
            self._is_initial = False

    def step(self, epoch: int | None = None) -> None:
        """Go on by one epoch (or to a given one) and set the rates."""
        if self._step_count == 1 and not self.optimizer._opt_called:
            warnings.warn(
                "lr_scheduler.step() was called before optimizer.step(): the first rate of the "
                "schedule is skipped",
                stacklevel=2,
            )
        self._step_count += 1
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        if epoch is None:
            self.last_epoch += 1
            self._set(self.get_lr())
        else:
            self.last_epoch = epoch
            self._set(self.closed_form())

    def get_lr(self) -> list[float]:
        """The rates of the groups at `last_epoch`, perhaps from what they are now."""
        raise NotImplementedError

    def closed_form(self) -> list[float]:
        """The rates at `last_epoch` from the initial ones alone, where that is possible."""
        return self.get_lr()

    def get_last_lr(self) -> list[float]:
        """The rates that were set last."""
        return self._last_lr

    def rates(self) -> list[float]:
        """The rates of the groups as they are."""
        return [number(group["lr"]) for group in self.optimizer.param_groups]

    def _set(self, values: Sequence[float]) -> None:
        for group, value in zip(self.optimizer.param_groups, values, strict=True):
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(value)
            else:
                group["lr"] = value
        self._last_lr = self.rates()

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer; functions are left out (None stands for them)."""
        return {k: _savable(v) for k, v in vars(self).items() if k != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave; functions stay what they are."""
        for key, value in state_dict.items():
            own = vars(self).get(key)
            if isinstance(own, list) and any(callable(part) for part in own):
                for part, saved in zip(own, value, strict=True):
                    if saved is not None:
                        vars(part).update(saved)
            elif not (value is None and callable(own)):
                setattr(self, key, value)


class Relative(LRScheduler):
    """A scheduler whose rate is the initial one times `relative`, and that can be chained.

    A step multiplies the present rate by the ratio of two factors, so that what other
    schedulers do to it stays.
    """

    moves_on_resuming = False  # whether making it for a later epoch is a step like any other

    def relative(self, epoch: int) -> float:
        """The rate at `epoch` relative to the initial one."""
        raise NotImplementedError

    def ratio(self, epoch: int) -> float:
        """The rate at `epoch` relative to the one before; 1 after a rate of 0."""
        before = self.relative(epoch - 1) if epoch > 0 else 1.0
        return self.relative(epoch) / before if before else 1.0

    def get_lr(self) -> list[float]:
        """The present rates, multiplied."""
        if self.last_epoch > 0 and self._is_initial and not self.moves_on_resuming:
            return self.rates()
        ratio = self.ratio(self.last_epoch)
        return [rate * ratio for rate in self.rates()]

    def closed_form(self) -> list[float]:
        """The initial rates, multiplied."""
        return [base * self.relative(self.last_epoch) for base in self.base_lrs]


def number(value: Any) -> float:
    """A rate, which may be a tensor, as a number."""
    return float(value.item()) if isinstance(value, Tensor) else value


def one_each(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """`value` for every group, or one for each; an ArgumentError if their number is wrong."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise ArgumentError(f"{name}: expected {count} values, one for each group, got {value}")
    return list(value)


def _savable(value: Any) -> Any:
    if isinstance(value, list) and any(callable(part) for part in value):
        return [
            None if not hasattr(part, "__dict__") or hasattr(part, "__name__") else dict(vars(part))
            for part in value
        ]
    return None if callable(value) else value
