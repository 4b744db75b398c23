"""State dicts as .npz files: named arrays in a zip archive, and their structure, without pickle.

A file is written beside its place and moved there when it is complete, so a reader never sees half
a file and an interrupted run keeps the old one.
"""

from __future__ import annotations

import json
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
from .place import device
from .tensor import Tensor, array_of, wrap


def save(state: Any, path: str | os.PathLike[str] | BinaryIO) -> None:
    """Write tensors in a nested structure of dicts, lists, tuples, numbers, texts and None.

    Every tensor is an entry under its dotted name, which `numpy.load` reads too. A structure that
    is more than a dict of tensors by name stands beside them as JSON.

    Args:
        state: What to save: a state dict, of an optimizer too, or several in a dict. Arrays are
            taken for tensors; keys are texts or ints.
        path: The file's name; or an open binary file, which is written to as it is.

    Raises:
        ArgumentTypeError: A value or a key is none of these.
        OSError: The file cannot be written; an older one at `path` stays as it was.
    """
    arrays: dict[str, Any] = {}
    structure = _described(state, "", arrays)
    flat = isinstance(state, Mapping) and list(arrays) == list(state)
    if not flat:
        text = json.dumps(structure, separators=(",", ":")).encode()
        arrays = {_STRUCTURE: np.frombuffer(text, np.uint8), **arrays}
    place = nullcontext(path) if hasattr(path, "write") else replacing(path)
    with place as file, zipfile.ZipFile(file, "w") as archive:
        for key, array in arrays.items():
            with archive.open(f"{key}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asarray(array), allow_pickle=False)


def load(
    path: str | os.PathLike[str] | BinaryIO,
    map_location: Any = None,
    *,
    weights_only: bool = True,
    mmap: bool | None = None,
) -> Any:
    """Read what `save` or `numpy.savez` wrote, by the file's name or from an open one.

    Args:
        path: The file's name, or an open binary file.
        map_location: A device, which can only be the CPU.
        weights_only: For programs written for torch: nothing else is ever loaded.
        mmap: Likewise; the values are always read.

    Returns:
        What was saved, with tensors for arrays and plain dicts; of a file without a structure the
        tensors by name, in the file's order.

    Raises:
        ArgumentError: The file is no such archive, is damaged, or holds what is no array of numbers
            (pickled objects among them).
        FileNotFoundError: There is no such file.
    """
    if map_location is not None:
        device(map_location)
    file: Any
    with nullcontext(path) if hasattr(path, "read") else Path(path).open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                arrays = {
                    info.filename.removesuffix(".npy"): wrap(_array(archive, info))
                    for info in archive.infolist()
                }
                structure = arrays.pop(_STRUCTURE, None)
                if structure is None:
                    return arrays
                return _restored(json.loads(structure.numpy().tobytes()), arrays)
        except _DAMAGED as error:
            file.seek(0)
            single = file.read(6) == np.lib.format.MAGIC_PREFIX
            what = "it is a single array (.npy), not a state dict" if single else error
            raise ArgumentError(f"load: {path} is not a complete .npz of arrays: {what}") from error


_STRUCTURE = "__structure__"
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


def _described(value: Any, name: str, arrays: dict[str, Any]) -> Any:
    """`value` as JSON: one key that says its kind. Its arrays go into `arrays`, by dotted name."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return {"value": value}
    if isinstance(value, (Tensor, np.ndarray, np.generic)):
        while name in arrays or name == _STRUCTURE:  # {"a.b": x, "a": {"b": y}}
            name += "'"
        arrays[name] = array_of(value)
        return {"array": name}
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_described(v, _dotted(name, i), arrays) for i, v in enumerate(value)]}
    if isinstance(value, Mapping):
        pairs = []
        for key, part in value.items():
            if type(key) not in (str, int):
                raise ArgumentTypeError(f"save: expected keys of type str or int, got {key!r:.80}")
            pairs.append([key, _described(part, _dotted(name, key), arrays)])
        return {"dict": pairs}
    raise ArgumentTypeError(
        f"save: expected tensors, arrays, numbers, texts and None in dicts, lists and tuples; "
        f"{name!r} is {type(value).__name__}"
    )


def _dotted(name: str, key: Any) -> str:
    return f"{name}.{key}" if name else str(key)


def _restored(node: Any, arrays: dict[str, Tensor]) -> Any:
    """What `_described` described."""
    if not isinstance(node, dict) or len(node) != 1:
        raise ArgumentError(f"a structure begins with {node!r:.80}")
    ((kind, value),) = node.items()
    if kind == "value" and not isinstance(value, (dict, list)):
        return value
    if kind == "array" and isinstance(value, str) and value in arrays:
        return arrays[value]
    if kind in ("list", "tuple") and isinstance(value, list):
        parts = [_restored(part, arrays) for part in value]
        return parts if kind == "list" else tuple(parts)
    if kind == "dict" and isinstance(value, list):
        pairs = [pair for pair in value if isinstance(pair, list) and len(pair) == 2]
        if len(pairs) == len(value) and all(type(key) in (str, int) for key, _ in pairs):
            return {key: _restored(part, arrays) for key, part in pairs}
    raise ArgumentError(f"a structure holds {node!r:.80}")
