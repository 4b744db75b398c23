"""Training and evaluation of language models."""

from torch_models.training.config import TrainingConfig
from torch_models.training.data import TokenWindows
from torch_models.training.evaluate import bits_per_byte
from torch_models.training.trainer import Trainer

__all__ = ["TokenWindows", "Trainer", "TrainingConfig", "bits_per_byte"]
