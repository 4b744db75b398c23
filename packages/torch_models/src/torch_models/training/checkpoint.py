"""Checkpoints of a training run: a folder each, tensors as safetensors, the rest as JSON.

    <run>/step-00000200/
        model.safetensors      parameters, by name
        optimizer.safetensors  "<parameter>/<state>", and "random/cpu", "random/cuda"
        state.json             step and configuration

A checkpoint is written under another name and renamed when it is complete on the disk, so every
`step-*` folder is whole. Continuing from one gives the same bits as never having stopped, on the
same machine and versions.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from torch_models.errors import CheckpointError

_KEPT = 2  # the newest, and the one before it
_NAME = re.compile(r"step-(\d{8,})")


def newest(folder: Path) -> Path | None:
    """The checkpoint with the most steps in a run's folder, if there is any."""
    found = _all(folder)
    return found[-1] if found else None


def save(
    folder: Path,
    step: int,
    model: nn.Module,
    optimizers: list[Optimizer],
    state: dict[str, Any],
) -> Path:
    """Write a checkpoint and remove the ones before the last two; return its folder.

    Raises:
        OSError: If the folder cannot be written; the checkpoints there are untouched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(".step-*"):  # left by a run that was killed while writing
        shutil.rmtree(stale)
    final, partial = folder / f"step-{step:08d}", folder / f".step-{step:08d}"
    partial.mkdir()
    try:
        save_file(_contiguous(model.state_dict()), partial / "model.safetensors")
        tensors = dict(_optimizer_tensors(model, optimizers)) | _random_states()
        save_file(_contiguous(tensors), partial / "optimizer.safetensors")
        (partial / "state.json").write_text(json.dumps(state, indent=1), encoding="utf-8")
        for path in (*partial.iterdir(), partial):
            _flush(path)
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
        _flush(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    for old in _all(folder)[:-_KEPT]:
        shutil.rmtree(old)
    return final


def load(
    path: Path, model: nn.Module, optimizers: list[Optimizer], config: dict[str, Any]
) -> dict[str, Any]:
    """Put a checkpoint into a model, its optimizers and torch's random state; return its state.

    Raises:
        CheckpointError: If a file is missing or broken, the configuration is another one, or the
            model has other parameters.
    """
    try:
        state: dict[str, Any] = json.loads((path / "state.json").read_text(encoding="utf-8"))
        weights = load_file(path / "model.safetensors")
        tensors = load_file(path / "optimizer.safetensors")
        saved, _ = state["config"], state["step"]
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise CheckpointError(f"checkpoint {path} is broken: {error!r}") from error
    different = [name for name in config if saved.get(name) != config[name]]
    if different:
        pairs = ", ".join(f"{n} {saved.get(n)!r} -> {config[n]!r}" for n in different)
        raise CheckpointError(
            f"checkpoint {path} was made with another configuration ({pairs}); "
            "resume with the same one or train in another folder"
        )
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"checkpoint {path} does not fit the model: {error}") from error
    _restore_random_states(tensors)
    _restore_optimizers(model, optimizers, tensors)
    return state


def _all(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step-*") if _NAME.fullmatch(path.name))


def _contiguous(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().contiguous() for name, tensor in tensors.items()}


def _optimizer_tensors(
    model: nn.Module, optimizers: list[Optimizer]
) -> Iterator[tuple[str, Tensor]]:
    names: dict[Tensor, str] = {p: name for name, p in model.named_parameters()}
    for optimizer in optimizers:
        for parameter, state in optimizer.state.items():
            for key, value in state.items():
                yield f"{names[parameter]}/{key}", torch.as_tensor(value)


def _restore_optimizers(
    model: nn.Module, optimizers: list[Optimizer], tensors: dict[str, Tensor]
) -> None:
    names = {parameter: name for name, parameter in model.named_parameters()}
    for optimizer in optimizers:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        state = {
            index: {
                key.rpartition("/")[2]: value
                for key, value in tensors.items()
                if key.rpartition("/")[0] == names[parameter]
            }
            for index, parameter in enumerate(parameters)
        }
        groups = optimizer.state_dict()["param_groups"]
        held = {index: entry for index, entry in state.items() if entry}
        optimizer.load_state_dict({"state": held, "param_groups": groups})


def _random_states() -> dict[str, Tensor]:
    states = {"random/cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["random/cuda"] = torch.cuda.get_rng_state()
    return states


def _restore_random_states(tensors: dict[str, Tensor]) -> None:
    torch.set_rng_state(tensors.pop("random/cpu"))
    cuda = tensors.pop("random/cuda", None)
    if cuda is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(cuda)


def _flush(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
