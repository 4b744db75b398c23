"""Byte-level byte-pair encoding: training, encoding, and the Hugging Face files."""

from torch_models.tokenizers.bpe import BPETokenizer
from torch_models.tokenizers.bpe_training import train_bpe

__all__ = ["BPETokenizer", "train_bpe"]
