"""Datasets, samplers and the DataLoader; names, defaults and orders are those of torch.utils.data.

>>> import tinygrad_autodiff as tg
>>> data = tg.data.TensorDataset(tg.arange(6).reshape(3, 2), tg.arange(3))
>>> for x, y in tg.data.DataLoader(data, batch_size=2):
...     print(x.shape, y)
(2, 2) tensor([0, 1])
(1, 2) tensor([2])
"""

from .collate import default_collate, default_convert
from .dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from .loader import DataLoader
from .sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from .worker import DataLoaderError, WorkerInfo, get_worker_info

__all__ = [
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "DataLoaderError",
    "Dataset",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "WorkerInfo",
    "default_collate",
    "default_convert",
    "get_worker_info",
    "random_split",
]
