"""State dicts as .npz files: named arrays in a zip archive, without pickle.

A file is written beside its place and moved there when it is complete, so a reader never sees half
a file and an interrupted run keeps the old one.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .atomic import replacing
from .errors import ArgumentError, ArgumentTypeError
from .tensor import Tensor, array_of, wrap


def save(state: Mapping[str, Any], path: str | os.PathLike[str] | BinaryIO) -> None:
    """Write a state dict of tensors, arrays or numbers (nested dicts become dotted names).

    Args:
        state: What to save.
        path: The file's name; or an open binary file, which is written to as it is.

    Raises:
        ArgumentTypeError: A value is neither of these.
        OSError: The file cannot be written; an older one at `path` stays as it was.
    """
    arrays = _flattened(state, "")
    place = nullcontext(path) if hasattr(path, "write") else replacing(path)
    with place as file, zipfile.ZipFile(file, "w") as archive:
        for key, array in arrays.items():
            with archive.open(f"{key}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asarray(array), allow_pickle=False)


def load(path: str | os.PathLike[str] | BinaryIO) -> dict[str, Tensor]:
    """Read what `save` wrote, by the file's name or from an open one, as a dict of tensors.

    Raises:
        ArgumentError: The file is no such archive, is cut off, or holds pickled objects.
        FileNotFoundError: There is no such file.
    """
    try:
        with nullcontext(path) if hasattr(path, "read") else Path(path).open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ArgumentError(f"load: {path} is a single array, not a state dict (.npz)")
            return {name: wrap(archive[name]) for name in archive.files}
    except (ValueError, EOFError, zipfile.BadZipFile, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        if isinstance(error, ArgumentError):
            raise
        raise ArgumentError(f"load: {path} is not a complete .npz of arrays: {error}") from error


def _flattened(state: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    if not isinstance(state, Mapping):
        raise ArgumentTypeError(f"save: expected a dict of tensors, got {type(state).__name__}")
    arrays: dict[str, Any] = {}
    for key, value in state.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            arrays.update(_flattened(value, f"{name}."))
        elif isinstance(value, (Tensor, np.ndarray, np.generic, int, float, bool)):
            arrays[name] = value if isinstance(value, float) else array_of(value)
        else:
            raise ArgumentTypeError(
                f"save: expected a tensor, an array or a number for {name!r}, "
                f"got {type(value).__name__}"
            )
    return arrays
