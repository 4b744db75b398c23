"""The training loop: plain steps, checkpoints that continue bit for bit, a clean way out."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from tqdm import tqdm

from torch_models.errors import DataError
from torch_models.files import write_atomically
from torch_models.training import checkpoint
from torch_models.training.config import TrainingConfig
from torch_models.training.optimizers import make_optimizers

Metrics = dict[str, float]


class Batches(Protocol):
    """Where batches come from: a function of the step, so that a run can resume."""

    def batch(self, index: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets number `index`, int64 (rows, sequence); target -100 is ignored."""
        ...


class Trainer:
    """Trains a language model.

    Args:
        model: Called with (inputs, targets); its result has `.loss`, the mean over the targets
            that are not -100. It is trained where its parameters live.
        data: The batches.
        config: What to do.
        folder: Where checkpoints and metrics.jsonl go; None to keep nothing.
        progress: Whether to draw a progress bar.
    """

    def __init__(
        self,
        model: nn.Module,
        data: Batches,
        config: TrainingConfig,
        folder: str | Path | None = None,
        progress: bool = False,
    ) -> None:
        self.model, self.data, self.config = model, data, config
        self.folder = None if folder is None else Path(folder)
        self.progress = progress
        self.optimizers = make_optimizers(model, config)
        self.step = 0
        self.metrics: list[Metrics] = []
        self.interrupted = False
        self._device = next(model.parameters()).device

    def train(self) -> list[Metrics]:
        """Run the steps that are left; return the metrics, those of a resumed run included.

        SIGINT ends the current step, saves a checkpoint and returns with `interrupted` set; a
        second one raises KeyboardInterrupt at once.
        """
        self.interrupted = False
        self.model.train()
        steps = range(self.step, self.config.steps)
        bar = tqdm(total=self.config.steps, initial=self.step, disable=not self.progress)
        with bar, _interrupts() as interrupt:
            for _ in steps:
                started = time.perf_counter()
                loss, norm = self.train_step()
                bar.update()
                if self.step % self.config.log_every == 0 or self.step == self.config.steps:
                    bar.set_postfix(loss=f"{float(loss):.3f}")
                    self._log(loss, norm, time.perf_counter() - started)
                every = self.config.checkpoint_every
                if interrupt.is_set() or self.step == self.config.steps:
                    break
                if every and self.step % every == 0:
                    self.save()
            self.interrupted = interrupt.is_set()
            self.save()
        return self.metrics

    def train_step(self) -> tuple[Tensor, Tensor]:
        """One optimizer step; return the mean loss in nats and the gradient's norm."""
        inputs, targets = (part.to(self._device) for part in self.data.batch(self.step))
        loss = self._accumulate(inputs, targets)
        limit = self.config.clip_norm or float("inf")
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), limit)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.config.rate(self.step) * group["rate"]
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        return loss, norm

    def save(self) -> Path | None:
        """Write a checkpoint and the metrics; return the checkpoint's folder."""
        if self.folder is None:
            return None
        state = {"step": self.step, "config": self.config.to_dict()}
        return checkpoint.save(self.folder, self.step, self.model, self.optimizers, state)

    def resume(self) -> bool:
        """Continue from the newest checkpoint of the folder; return whether there was one.

        Raises:
            CheckpointError: If it is broken, or was made with another configuration or model.
        """
        if self.folder is None or (newest := checkpoint.newest(self.folder)) is None:
            return False
        state = checkpoint.load(newest, self.model, self.optimizers, self.config.to_dict())
        self.step = state["step"]
        self.metrics = [m for m in _read_metrics(self._metrics_file()) if m["step"] <= self.step]
        lines = "".join(json.dumps(line) + "\n" for line in self.metrics)
        write_atomically(self._metrics_file(), lines.encode())
        return True

    def _accumulate(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Gradient of the mean over all counted targets, micro-batch by micro-batch."""
        counted = (targets != -100).sum()
        if self._device.type == "cpu" and not counted:
            raise DataError(f"batch {self.step} has no target to learn from: all are -100")
        rows = self.config.micro_batch or len(inputs)
        total = torch.zeros((), device=self._device)
        starts = range(0, len(inputs), rows)
        for part, target in ((inputs[i : i + rows], targets[i : i + rows]) for i in starts):
            here = (target != -100).sum()
            with torch.autocast(
                self._device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"
            ):
                mean = self.model(part, target).loss
            # A micro-batch without targets has a mean of nan and a share of nothing.
            loss = torch.where(here > 0, mean, 0.0) * (here / counted)
            torch.autograd.backward(loss)
            total += loss.detach()
        return total

    def _log(self, loss: Tensor, norm: Tensor, seconds: float) -> None:
        line = {
            "step": self.step,
            "loss": float(loss),
            "gradient_norm": float(norm),
            "learning_rate": self.config.rate(self.step - 1),
            "seconds": round(seconds, 6),
        }
        self.metrics.append(line)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._metrics_file().open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    def _metrics_file(self) -> Path:
        assert self.folder is not None
        return self.folder / "metrics.jsonl"


def _read_metrics(path: Path) -> Iterator[Any]:
    """Lines of a metrics file; a last line cut short by a kill is left out."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """An event that the first SIGINT sets; the second has its usual effect."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event  # only the main thread may set handlers
        return
    before = signal.getsignal(signal.SIGINT)

    def note(*_: object) -> None:
        event.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
