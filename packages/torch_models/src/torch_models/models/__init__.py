"""One file for each model, its mapping to other libraries' weights beside it."""

from torch_models.models.gpt import GPT, GPTConfig

__all__ = ["GPT", "GPTConfig"]
