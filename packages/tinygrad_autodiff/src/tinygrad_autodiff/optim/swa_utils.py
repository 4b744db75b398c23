"""Averages of a model's parameters over the steps of training: equal or exponential weights.

Source: Izmailov et al. 2018, "Averaging weights leads to wider optima and better generalization".
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..mode import no_grad
from ..nn.module import Module
from ..nn.normalization import _BatchNorm
from ..tensor import Tensor, wrap
from .lr_scheduler.scheduler import LRScheduler, one_each
from .optimizer import Optimizer

_Average = Callable[[Tensor, Tensor, Any], Tensor]
_Averages = Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]


def _checked(decay: float) -> float:
    if not 0 <= decay <= 1:
        raise ArgumentError(f"decay: expected a number from 0 to 1, got {decay}")
    return decay


def get_ema_avg_fn(decay: float = 0.999) -> _Average:
    """``decay·average + (1 - decay)·current`` of one parameter."""
    decay = _checked(decay)

    def average(averaged: Tensor, current: Tensor, num_averaged: Any) -> Tensor:
        result: Tensor = averaged * decay + current * (1 - decay)
        return result

    return average


def get_swa_avg_fn() -> _Average:
    """``average + (current - average)/(n + 1)`` of one parameter: all weights equal."""

    def average(averaged: Tensor, current: Tensor, num_averaged: Any) -> Tensor:
        result: Tensor = averaged + (current - averaged) / (int(num_averaged) + 1)
        return result

    return average


def get_ema_multi_avg_fn(decay: float = 0.999) -> _Averages:
    """The moving average of `get_ema_avg_fn`, of all parameters in place."""
    decay = _checked(decay)
    return _in_place(lambda num_averaged: 1 - decay)


def get_swa_multi_avg_fn() -> _Averages:
    """The average of `get_swa_avg_fn`, of all parameters in place."""
    return _in_place(lambda num_averaged: 1 / (int(num_averaged) + 1))


def _in_place(share: Callable[[Any], float]) -> _Averages:
    @no_grad
    def update(
        averaged_list: Sequence[Tensor], current_list: Sequence[Tensor], num_averaged: Any
    ) -> None:
        part = share(num_averaged)
        for averaged, current in zip(averaged_list, current_list, strict=True):
            if averaged.dtype.kind in "fc":
                averaged.add_(current - averaged, alpha=part)
            else:
                averaged.copy_(current)

    return update  # type: ignore[no-any-return]


class AveragedModel(Module):
    """A copy of a model that follows it by averages; the first update copies.

    Args:
        model: Copied deeply; the copy is `module`, and is what a call runs.
        device: Taken for torch's sake; there is one device.
        avg_fn: New average of one parameter from (average, current, number of updates so far).
        multi_avg_fn: The same of all parameters at once, in place; by default equal weights.
        use_buffers: Whether buffers are averaged; otherwise they are copied.
    """

    n_averaged: Tensor
    module: Module

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: _Average | None = None,
        multi_avg_fn: _Averages | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise ArgumentError("AveragedModel: give avg_fn or multi_avg_fn, not both")
        self.module = copy.deepcopy(model)
        self.register_buffer("n_averaged", wrap(np.zeros((), np.int64)))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model makes of the arguments."""
        return self.module(*args, **kwargs)

    def _followed(self, model: Module) -> list[Tensor]:
        return [*model.parameters(), *(model.buffers() if self.use_buffers else ())]

    def update_parameters(self, model: Module) -> None:
        """Take the parameters of `model` into the averages."""
        own, other = self._followed(self.module), self._followed(model)
        with no_grad():
            if not int(self.n_averaged):
                for averaged, current in zip(own, other, strict=True):
                    averaged.copy_(current)
            elif self.avg_fn is not None:
                for averaged, current in zip(own, other, strict=True):
                    averaged.copy_(self.avg_fn(averaged, current, self.n_averaged))
            else:
                (self.multi_avg_fn or get_swa_multi_avg_fn())(own, other, self.n_averaged)
            if not self.use_buffers:
                pairs = zip(self.module.buffers(), model.buffers(), strict=True)
                for averaged, current in pairs:
                    averaged.copy_(current)
            self.n_averaged += 1


@no_grad
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Running moments of all batch norms in `model` anew, as means over the batches of `loader`.

    Averaged parameters need it: nothing ever ran with them. Of a batch that is a tuple or a list
    the first part is what the model is called with.
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not norms:
        return
    before = [(norm, norm.momentum) for norm in norms]
    modes = [(module, module.training) for module in model.modules()]
    model.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    for batch in loader:
        model(batch[0] if isinstance(batch, (tuple, list)) else batch)
    for norm, momentum in before:
        norm.momentum = momentum
    for module, training in modes:
        module.training = training


class SWALR(LRScheduler):
    """From the present rate to `swa_lr` within `anneal_epochs`, on a cosine or a line; then so.

    Args:
        optimizer: Whose groups get new rates.
        swa_lr: The rate to end at, or one for each group.
        anneal_epochs: How many steps that takes; 0 for at once.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        last_epoch: The epoch to go on from; -1 to start.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: Any,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        if anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(f"anneal_strategy is 'cos' or 'linear', not {anneal_strategy!r}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ArgumentError(f"anneal_epochs: expected an int >= 0, got {anneal_epochs!r}")
        rates = one_each("swa_lr", optimizer, swa_lr)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        self.anneal_epochs, self.anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How much of the way to the last rate lies behind after `step` steps."""
        time = min(1.0, max(0.0, step / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * time)) / 2 if self.anneal_strategy == "cos" else time

    def get_lr(self) -> list[float]:
        """The present rates, whose distance from the last ones shrinks as the shares say."""
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        ends = [group["swa_lr"] for group in self.optimizer.param_groups]
        rest = 0.0 if before == 1 else (1 - now) / (1 - before)
        return [end + (rate - end) * rest for rate, end in zip(self.rates(), ends, strict=True)]
