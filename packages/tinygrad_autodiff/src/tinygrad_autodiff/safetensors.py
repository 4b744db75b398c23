"""The safetensors format, read lazily and written atomically.

A file is eight bytes with the length of the header (little-endian), the header in JSON, and the
values:

    {"__metadata__": {"key": "text"},
     "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}}

The offsets count from the end of the header, and the tensors must cover all bytes behind it
without gap or overlap: nothing can hide in a file, and every byte is read as one thing only.

Files are laid out as the safetensors library lays them out: wide dtypes first, then by name, the
header padded with spaces to a multiple of eight bytes. NumPy has no bfloat16: BF16 is read as
float32, which is exact, and written on request, rounded to nearest, ties to even.
Source: the section "Format" of the README of the safetensors project.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Collection, Iterator, Mapping
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np

from .atomic import replacing
from .dtypes import Array
from .errors import ArgumentError, ArgumentTypeError
from .safetensors_header import (
    CODES,
    DTYPES,
    MAX_HEADER_BYTES,
    METADATA,
    ORDER,
    TOO_SHORT,
    Entry,
    SafetensorError,
    encoded,
    read_header,
)
from .tensor import Tensor, wrap

__all__ = ["SafetensorError", "load", "load_file", "safe_open", "save", "save_file"]

Path: TypeAlias = str | os.PathLike[str]

# ---- reading -------------------------------------------------------------------------------------


class _Container:
    """Named tensors over one buffer of bytes; an array is made when it is asked for."""

    def __init__(self, buffer: bytearray | mmap.mmap, source: str, framework: str) -> None:
        if framework not in ("np", "numpy", "tensor"):
            raise ArgumentError(
                f"framework: expected 'np' or 'numpy' for arrays or 'tensor', got {framework!r}"
            )
        self.tensors = framework == "tensor"
        self.source = source
        try:
            start, self.metadata, self.entries = read_header(buffer)
        except SafetensorError as error:
            raise SafetensorError(f"{source}: {error}") from error.__cause__
        self._values = np.frombuffer(buffer, np.uint8)[start:]

    def stored(self, name: str) -> Array:
        """The values of `name` as they stand in the buffer."""
        code, shape, begin, end = self.entry(name)
        return self._values[begin:end].view(DTYPES[code]).reshape(shape)

    def entry(self, name: str) -> Entry:
        """What the header says of `name`."""
        if name not in self.entries:
            known = ", ".join(map(repr, sorted(self.entries)[:8]))
            raise SafetensorError(
                f"{self.source}: there is no tensor {name!r}; among the {len(self.entries)} "
                f"in it: {known or 'none'}"
            )
        return self.entries[name]

    def finished(self, name: str, stored: Array) -> Any:
        """`stored`, or a part of it, as the array or tensor that the user gets."""
        code = self.entries[name].code
        if code == "BF16":
            array: Array = (stored.astype(np.uint32) << 16).view(np.float32)
        elif code == "BOOL":
            array = stored.view(np.uint8) != 0  # a byte of 2 in a NumPy bool is undefined behaviour
        else:
            array = np.require(stored, stored.dtype.newbyteorder("="), "A")
        return wrap(array) if self.tensors else array

    def get(self, name: str) -> Any:
        """The tensor `name`."""
        return self.finished(name, self.stored(name))


class safe_open:  # the library's name
    """A file opened for access to single tensors and slices; used best in a ``with`` block.

    Only the header is read at first. The file is mapped into memory copy-on-write: of a tensor,
    the system reads the pages that are touched, and writing into an array changes neither the
    file nor another reader's view. Arrays stay valid after the file is closed. (A file larger
    than the memory that the system is willing to promise is mapped read-only instead.)

    Args:
        filename: Path of the file. It must not be shortened in place while it is open.
        framework: ``"np"`` or ``"numpy"`` for arrays, ``"tensor"`` for tensors.

    Raises:
        SafetensorError: The file is not valid; the message says what is wrong and where.
        OSError: The file cannot be opened.
    """

    def __init__(self, filename: Path, framework: str = "np") -> None:
        self._source = os.fspath(filename)
        with open(filename, "rb") as file:
            if os.fstat(file.fileno()).st_size < 8:
                raise SafetensorError(f"{self._source}: {TOO_SHORT}")
            try:
                buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            except OSError:
                buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._container: _Container | None = _Container(buffer, self._source, framework)

    def __enter__(self) -> safe_open:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._container = None

    @property
    def _opened(self) -> _Container:
        if self._container is None:
            raise SafetensorError(f"{self._source}: the file is closed; open it again to read on")
        return self._container

    def keys(self) -> list[str]:
        """The names of the tensors, sorted."""
        return sorted(self._opened.entries)

    def offset_keys(self) -> list[str]:
        """The names of the tensors in the order in which they stand in the file."""
        return list(self._opened.entries)

    def metadata(self) -> dict[str, str] | None:
        """The metadata as a new dict, or None if the file has none."""
        metadata = self._opened.metadata
        return None if metadata is None else dict(metadata)

    def get_tensor(self, name: str) -> Any:
        """The tensor `name`; a SafetensorError if there is none."""
        return self._opened.get(name)

    def get_tensors(self) -> dict[str, Any]:
        """All tensors by name."""
        return {name: self._opened.get(name) for name in self._opened.entries}

    def get_slice(self, name: str) -> Slice:
        """The tensor `name` unread, to be indexed: ``get_slice("w")[2:4, ::2]``."""
        self._opened.entry(name)
        return Slice(self._opened, name)


class Slice:
    """A tensor of a file of which only what is indexed is read; made by `safe_open.get_slice`."""

    def __init__(self, container: _Container, name: str) -> None:
        self._container, self._name = container, name

    def get_shape(self) -> list[int]:
        """Sizes of the dimensions of the whole tensor."""
        return list(self._container.entry(self._name).shape)

    def get_dtype(self) -> str:
        """The dtype as the file spells it, such as ``"F32"`` or ``"BF16"``."""
        return self._container.entry(self._name).code

    def __getitem__(self, index: Any) -> Any:
        part = np.asarray(self._container.stored(self._name)[index])
        return self._container.finished(self._name, part)


def load_file(filename: Path, *, framework: str = "np") -> dict[str, Any]:
    """All tensors of a file by name; their values are read when they are touched.

    Args:
        filename: Path of the file; see `safe_open` for how it is mapped.
        framework: ``"np"`` or ``"numpy"`` for arrays, ``"tensor"`` for tensors.

    Raises:
        SafetensorError: The file is not valid; the message says what is wrong and where.
        OSError: The file cannot be opened.
    """
    with safe_open(filename, framework) as file:
        return file.get_tensors()


def load(data: bytes | bytearray | memoryview, *, framework: str = "np") -> dict[str, Any]:
    """All tensors in the content of a file, over one copy of it; otherwise as `load_file`."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise ArgumentTypeError(f"load: expected bytes, got {type(data).__name__}; see load_file")
    container = _Container(bytearray(data), f"<{len(data)} bytes>", framework)
    return {name: container.get(name) for name in container.entries}


# ---- writing -------------------------------------------------------------------------------------


def save(
    tensor_dict: Mapping[str, Array | Tensor],
    metadata: Mapping[str, str] | None = None,
    *,
    bfloat16: Collection[str] = (),
) -> bytes:
    """The tensors as the bytes of a safetensors file; arguments and errors as `save_file`."""
    return b"".join(_serialized(tensor_dict, metadata, bfloat16))


def save_file(
    tensor_dict: Mapping[str, Array | Tensor],
    filename: Path,
    metadata: Mapping[str, str] | None = None,
    *,
    bfloat16: Collection[str] = (),
) -> None:
    """Write the tensors to a file, which holds all of them or remains what it was.

    The bytes go to a temporary file beside it, are flushed to the disk, and take its name.

    Args:
        tensor_dict: Arrays or tensors by name, of any layout in memory.
        filename: Path of the file; one that exists is replaced.
        metadata: Texts by name, kept in the header.
        bfloat16: Names of float32 tensors to write as BF16; the dict itself names all.

    Raises:
        ArgumentTypeError: A name or text that is not a `str`, or a value that is no array.
        SafetensorError: A dtype that the format does not have, or a name that it reserves.
        OSError: The file cannot be written; the temporary file is gone again.
    """
    chunks = _serialized(tensor_dict, metadata, bfloat16)
    with replacing(filename) as file:
        for chunk in chunks:
            file.write(chunk)


def _serialized(
    tensors: Mapping[str, Array | Tensor],
    metadata: Mapping[str, str] | None,
    bfloat16: Collection[str],
) -> Iterator[bytes | memoryview]:
    """Header and values; everything is checked before the first chunk is asked for."""
    arrays = {name: _writable(name, value) for name, value in tensors.items()}
    codes = {name: CODES[array.dtype] for name, array in arrays.items()}
    for name in bfloat16:
        if codes.get(name) != "F32":
            raise SafetensorError(
                f"bfloat16: {name!r} is {codes.get(name, 'not among the tensors')}, not F32"
            )
        arrays[name], codes[name] = _to_bfloat16(arrays[name]), "BF16"
    header: dict[str, Any] = {}
    if metadata is not None:
        header[METADATA] = _sorted_metadata(metadata)
    end = 0
    order = sorted(arrays, key=lambda name: (ORDER[codes[name]], name))
    for name in order:
        begin, end = end, end + arrays[name].nbytes
        header[name] = {
            "dtype": codes[name], "shape": arrays[name].shape, "data_offsets": (begin, end)
        }  # fmt: skip
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER_BYTES:
        raise SafetensorError(f"a header of {len(text)} bytes; {MAX_HEADER_BYTES} are allowed")
    head = len(text).to_bytes(8, "little") + text
    return iter((head, *(arrays[name].reshape(-1).view(np.uint8).data for name in order)))


def _writable(name: Any, value: Any) -> Array:
    """The values in row-major order and little-endian, of a dtype that the format has."""
    if not isinstance(name, str):
        raise ArgumentTypeError(f"tensor names must be str, got {name!r:.80}")
    if name == METADATA:
        raise SafetensorError(f"{METADATA!r} is reserved by the format; rename the tensor")
    encoded(name)
    if not isinstance(value, (Tensor, np.ndarray, np.generic)):
        raise ArgumentTypeError(
            f"tensor {name!r}: expected an array or a Tensor, got {type(value).__name__}"
        )
    array = value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value)
    little = array.dtype.newbyteorder("<")
    if little not in CODES:
        raise SafetensorError(
            f"tensor {name!r}: the format has no dtype for {array.dtype}; it has "
            f"{', '.join(dtype.name for dtype in CODES)}"
        )
    return np.asarray(array, little, order="C")


def _to_bfloat16(array: Array) -> Array:
    """The upper halves of float32 values, rounded to nearest, ties to even; NaN stays NaN."""
    bits = array.astype(np.float32, copy=False).view(np.uint32)
    rounded = (bits + (np.uint32(0x7FFF) + (bits >> 16 & 1))) >> 16
    return np.where(np.isnan(array), np.uint32(0x7FC0), rounded).astype("<u2")


def _sorted_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise ArgumentTypeError(f"metadata: expected text by name, got {key!r}: {value!r:.80}")
        encoded(key)
        encoded(value)
    return dict(sorted(metadata.items()))
