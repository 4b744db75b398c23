"""What a training run is asked to do, and its learning rate over time."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from torch_models.checks import check_choice, check_number

_CHOICES = {"optimizer": ("adamw", "muon"), "precision": ("float32", "bfloat16")}


@dataclass(frozen=True)
class TrainingConfig:
    """One training run.

    Args:
        steps: Optimizer steps in all.
        learning_rate: Highest rate, reached after the warm-up.
        warmup_steps: Steps of linear growth from zero; fewer than steps.
        final_fraction: Rate at the end, as a fraction of the highest; a cosine leads there.
        optimizer: "adamw", or "muon" (matrices inside blocks by Muon, the rest by AdamW).
        embedding_rate: With Muon, the rate of embeddings, norms and biases as a multiple of
            learning_rate.
        weight_decay: Decoupled decay of matrices and embeddings; vectors are not decayed.
        beta1: AdamW's decay of the gradient's mean; Muon's momentum is 0.95.
        beta2: AdamW's decay of the gradient's square.
        clip_norm: Largest norm of all gradients together; 0 for no clipping.
        micro_batch: Rows of a batch computed at once; 0 for all. The gradient is that of the
            whole batch whatever it is.
        precision: "bfloat16" runs forward and backward under autocast; weights stay float32.
        log_every: Steps between lines of metrics.
        checkpoint_every: Steps between checkpoints; 0 for one at the end alone.

    Raises:
        ConfigError: If a value is of the wrong type, out of range or not among the choices.
    """

    steps: int
    learning_rate: float = 3e-4
    warmup_steps: int = 0
    final_fraction: float = 0.1
    optimizer: str = "adamw"
    embedding_rate: float = 1.0
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    clip_norm: float = 1.0
    micro_batch: int = 0
    precision: str = "float32"
    log_every: int = 1
    checkpoint_every: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "log_every"):
            check_number(name, getattr(self, name), int, ge=1)
        for name in ("micro_batch", "checkpoint_every"):
            check_number(name, getattr(self, name), int, ge=0)
        check_number("warmup_steps", self.warmup_steps, int, ge=0, lt=self.steps)
        for name in ("learning_rate", "embedding_rate"):
            check_number(name, getattr(self, name), float, gt=0)
        for name in ("weight_decay", "clip_norm"):
            check_number(name, getattr(self, name), float, ge=0)
        for name in ("beta1", "beta2"):
            check_number(name, getattr(self, name), float, ge=0, lt=1)
        check_number("final_fraction", self.final_fraction, float, ge=0, le=1)
        for name, choices in _CHOICES.items():
            check_choice(name, getattr(self, name), choices)

    def rate(self, step: int) -> float:
        """Learning rate of step 0, 1, ..., steps - 1."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        done = (step - self.warmup_steps) / max(1, self.steps - 1 - self.warmup_steps)
        cosine = 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        return self.learning_rate * (self.final_fraction + (1 - self.final_fraction) * cosine)

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values, for JSON."""
        return asdict(self)
