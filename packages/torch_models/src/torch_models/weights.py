"""Weights in the Hugging Face layout: a folder with safetensors and a config.json.

A model has, beside its file, a table of `Weight`s that says how its parameters are called and laid
out there; this module reads and writes folders by such a table. Nothing is ever unpickled.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from torch_models.errors import WeightsError
from torch_models.files import write_atomically

SINGLE, INDEX, CONFIG = "model.safetensors", "model.safetensors.index.json", "config.json"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


@dataclass(frozen=True)
class Weight:
    """One row of a table of weights.

    Args:
        ours: Name of our parameter; `{layer}` stands for each layer's number.
        theirs: Name in the file, likewise.
        transposed: Whether the file holds the transpose.
    """

    ours: str
    theirs: str
    transposed: bool = False


def expanded(table: Sequence[Weight], num_layers: int) -> Iterator[Weight]:
    """The table with a row for every layer in place of `{layer}`."""
    for row in table:
        for layer in range(num_layers if "{layer}" in row.ours else 1):
            ours, theirs = (name.format(layer=layer) for name in (row.ours, row.theirs))
            yield Weight(ours, theirs, row.transposed)


def to_theirs(model: nn.Module, table: Sequence[Weight], num_layers: int) -> dict[str, Tensor]:
    """The parameters of a model under the names and in the layout of the table."""
    ours = model.state_dict()
    return {
        row.theirs: (ours[row.ours].T if row.transposed else ours[row.ours]).contiguous()
        for row in expanded(table, num_layers)
    }


@torch.no_grad()
def from_theirs(
    model: nn.Module, tensors: Mapping[str, Tensor], table: Sequence[Weight], num_layers: int
) -> None:
    """Copy tensors of a file into a model; nothing is copied unless everything fits.

    Raises:
        WeightsError: If tensors are missing, left over, or of another shape; `names` has them.
    """
    rows, ours = list(expanded(table, num_layers)), model.state_dict()
    known = {row.theirs for row in rows}
    missing = tuple(sorted(known - tensors.keys()))
    unexpected = tuple(sorted(tensors.keys() - known))
    if missing or unexpected:
        raise WeightsError(
            f"the weights do not fit the model: missing {_list(missing)}; "
            f"unexpected {_list(unexpected)}",
            missing + unexpected,
        )
    laid_out = {
        row: tensors[row.theirs].T if row.transposed else tensors[row.theirs]
        for row in rows
        if tensors[row.theirs].dim() == ours[row.ours].dim()
    }
    wrong = [r for r in rows if r not in laid_out or laid_out[r].shape != ours[r.ours].shape]
    if wrong:
        described = (
            f"{r.theirs} is {_shape(tensors[r.theirs])}, "
            f"expected {_shape(ours[r.ours].T if r.transposed else ours[r.ours])}"
            for r in wrong[:5]
        )
        raise WeightsError(
            f"{len(wrong)} weights have the wrong shape: {'; '.join(described)}",
            tuple(r.theirs for r in wrong),
        )
    for row, tensor in laid_out.items():
        ours[row.ours].copy_(tensor)


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder: of model.safetensors, or of the shards its index names.

    Raises:
        WeightsError: If files are missing or broken, the index is wrong or points out of the
            folder, or there are only pickled weights.
    """
    if (folder / SINGLE).is_file():
        return _read_file(folder / SINGLE)
    if (folder / INDEX).is_file():
        return _read_shards(folder)
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        raise WeightsError(
            f"{folder} holds only pickled weights ({', '.join(pickles[:3])}), which can run code "
            "when they are read; convert them to safetensors where you trust them, for example "
            "with save_pretrained of transformers"
        )
    raise WeightsError(f"no {SINGLE} and no {INDEX} in {folder}")


def read_config(folder: Path) -> dict[str, Any]:
    """The config.json of a folder.

    Raises:
        WeightsError: If it is missing or not a JSON object.
    """
    return _read_json(folder / CONFIG)


def write_folder(folder: Path, tensors: dict[str, Tensor], config: Mapping[str, Any]) -> None:
    """Write model.safetensors and config.json, each atomically; other files are left alone.

    Raises:
        WeightsError: If there is a file in the folder's place.
        OSError: If the folder cannot be written; the files already there are untouched.
    """
    if folder.exists() and not folder.is_dir():
        raise WeightsError(f"weights are written into a folder, {folder} is a file; name another")
    folder.mkdir(parents=True, exist_ok=True)
    on_cpu = {name: tensor.detach().cpu() for name, tensor in tensors.items()}
    # transformers reads the metadata to know that these are PyTorch's tensors.
    write_atomically(folder / SINGLE, save(on_cpu, metadata={"format": "pt"}))
    text = json.dumps(config, indent=2, sort_keys=True)
    write_atomically(folder / CONFIG, (text + "\n").encode())


def _read_shards(folder: Path) -> dict[str, Tensor]:
    places = _read_json(folder / INDEX).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(p, str) for p in places.values()):
        raise WeightsError(f"{folder / INDEX} has no 'weight_map' of names to files")
    tensors: dict[str, Tensor] = {}
    for shard in sorted(set(places.values())):
        if Path(shard).name != shard:
            raise WeightsError(f"{folder / INDEX} points out of its folder: {shard!r}")
        tensors |= _read_file(folder / shard)
    different = tuple(sorted(places.keys() ^ tensors.keys()))
    if different:
        raise WeightsError(
            f"{folder / INDEX} and its shards disagree about {_list(different)}", different
        )
    return tensors


def _read_file(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"cannot read {path}: {error}") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"cannot read {path}: {error}") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path} must hold a JSON object, got {type(content).__name__}")
    return content


def _list(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:8]) or "nothing"
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)
