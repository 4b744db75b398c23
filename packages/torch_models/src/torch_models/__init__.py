"""Language models in PyTorch that read like a textbook.

Names are imported when they are first used; `import torch_models` alone imports no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch_models.baselines import KneserNey as KneserNey
    from torch_models.errors import TorchModelsError as TorchModelsError
    from torch_models.generation import Sampling as Sampling
    from torch_models.generation import generate as generate
    from torch_models.generation import stream as stream
    from torch_models.layers import KVCache as KVCache
    from torch_models.models.gpt import GPT as GPT
    from torch_models.models.gpt import GPTConfig as GPTConfig
    from torch_models.tokenizers import BPETokenizer as BPETokenizer
    from torch_models.tokenizers import train_bpe as train_bpe
    from torch_models.training import TokenWindows as TokenWindows
    from torch_models.training import Trainer as Trainer
    from torch_models.training import TrainingConfig as TrainingConfig
    from torch_models.training import bits_per_byte as bits_per_byte

_EXPORTS = {
    "BPETokenizer": "tokenizers",
    "GPT": "models.gpt",
    "GPTConfig": "models.gpt",
    "KVCache": "layers",
    "KneserNey": "baselines",
    "Sampling": "generation",
    "TokenWindows": "training",
    "TorchModelsError": "errors",
    "Trainer": "training",
    "TrainingConfig": "training",
    "bits_per_byte": "training",
    "generate": "generation",
    "stream": "generation",
    "train_bpe": "tokenizers",
}
_MODULES = ("baselines", "errors", "layers", "models", "ops", "tokenizers", "training", "weights")

__all__ = [*_EXPORTS, *_MODULES, "__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("roadmap-torch-models")
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _EXPORTS:
        return getattr(importlib.import_module(f"{__name__}.{_EXPORTS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
