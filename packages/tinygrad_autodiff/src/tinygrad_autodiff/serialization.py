"""State dicts as .npz files: named arrays in a zip archive, without pickle.

A file is written beside its place and moved there when it is complete, so a reader never sees half
a file and an interrupted run keeps the old one.
"""

from __future__ import annotations

import math
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .atomic import replacing
from .dtypes import Array
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
    """Read what `save` or `numpy.savez` wrote, by the file's name or from an open one.

    Returns:
        Tensors by name, in the file's order.

    Raises:
        ArgumentError: The file is no such archive, is damaged, or holds what is no array of numbers
            (pickled objects among them).
        FileNotFoundError: There is no such file.
    """
    file: Any
    with nullcontext(path) if hasattr(path, "read") else Path(path).open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return {
                    info.filename.removesuffix(".npy"): wrap(_array(archive, info))
                    for info in archive.infolist()
                }
        except _DAMAGED as error:
            file.seek(0)
            single = file.read(6) == np.lib.format.MAGIC_PREFIX
            what = "it is a single array (.npy), not a state dict" if single else error
            raise ArgumentError(f"load: {path} is not a complete .npz of arrays: {what}") from error


# What zipfile and NumPy raise of bytes that are not what they should be.
_DAMAGED = (
    ValueError,
    EOFError,
    OverflowError,
    SyntaxError,
    RuntimeError,  # encrypted; NotImplementedError of a compression that nobody knows
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    """The array in one entry; memory is taken only if there are so many values."""
    name = info.filename
    with archive.open(info) as entry:
        if entry.read(6) != np.lib.format.MAGIC_PREFIX:
            raise ArgumentError(f"{name!r} is no array")
        entry.seek(0)
        older = np.lib.format.read_magic(entry) == (1, 0)
        read = np.lib.format.read_array_header_1_0 if older else np.lib.format.read_array_header_2_0
        shape, by_columns, dtype = read(entry)
        if dtype.kind not in "biufc":
            raise ArgumentError(f"{name!r} holds {dtype}, not numbers; pickles are never read")
        wanted, held = dtype.itemsize * math.prod(shape), info.file_size - entry.tell()
        if wanted != held or min(shape, default=0) < 0:
            raise ArgumentError(
                f"{name!r} of shape {shape} and dtype {dtype} takes {wanted} bytes, there are "
                f"{held}"
            )
        values = np.frombuffer(bytearray(entry.read()), dtype)
    array: Array = values.reshape(shape, order="F" if by_columns else "C")
    return array.astype(dtype.newbyteorder("="), copy=False)


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
