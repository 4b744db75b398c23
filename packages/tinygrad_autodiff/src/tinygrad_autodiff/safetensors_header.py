"""The header of a safetensors file: what it may say, and nothing else.

Eight bytes give its length, JSON says dtype, shape and place of every tensor. Python's reader of
JSON is lenient where two readers could read two things: keys given twice, NaN, lone surrogates and
spaces in front are refused here, as are gaps and overlaps between the tensors.
Source: the section "Format" of the README of the safetensors project.
"""

from __future__ import annotations

import json
import math
import mmap
import sys
from typing import Any, NamedTuple

import numpy as np

from .dtypes import Dtype
from .errors import AutodiffError

MAX_HEADER_BYTES = 100_000_000  # the library's limit
_MAX_NDIM = 64  # NumPy's limit
METADATA = "__metadata__"

# In the order in which a file holds them; BF16 is stored as its upper half of a float32.
DTYPES: dict[str, Dtype] = {
    code: np.dtype(name)
    for code, name in {
        "U64": "<u8", "I64": "<i8", "F64": "<f8", "C64": "<c8", "F32": "<f4", "U32": "<u4",
        "I32": "<i4", "BF16": "<u2", "F16": "<f2", "U16": "<u2", "I16": "<i2", "I8": "i1",
        "U8": "u1", "BOOL": "?",
    }.items()
}  # fmt: skip
ORDER = {code: place for place, code in enumerate(DTYPES)}
CODES = {dtype: code for code, dtype in DTYPES.items() if code != "BF16"}


class SafetensorError(AutodiffError, ValueError):
    """Bytes that are not a valid safetensors file, or a name that is not in it."""


class Entry(NamedTuple):
    """What the header says of one tensor; `begin` and `end` count from the end of the header."""

    code: str
    shape: tuple[int, ...]
    begin: int
    end: int


TOO_SHORT = "truncated: a file begins with 8 bytes that give the length of its header"


def read_header(
    buffer: bytearray | mmap.mmap,
) -> tuple[int, dict[str, str] | None, dict[str, Entry]]:
    """Where the values start, the metadata, and the entries in the order of their offsets."""
    if len(buffer) < 8:
        raise SafetensorError(TOO_SHORT)
    length = int.from_bytes(buffer[:8], "little")
    if length > MAX_HEADER_BYTES:
        raise SafetensorError(f"a header of {length} bytes; at most {MAX_HEADER_BYTES} are allowed")
    start = 8 + length
    if start > len(buffer):
        raise SafetensorError(
            f"truncated: the header should end at byte {start}, the file has {len(buffer)}"
        )
    header = _parse_json(bytes(buffer[8:start]))
    metadata = header.pop(METADATA, None)
    if metadata is not None:
        _check_metadata(metadata)
    entries = [(name, _entry(name, record)) for name, record in header.items()]
    entries.sort(key=lambda item: (item[1].begin, item[1].end))
    _check_cover(entries, len(buffer) - start)
    return start, metadata, dict(entries)


def _parse_json(text: bytes) -> dict[str, Any]:
    """The header as a dict; strict where Python's reader is lenient."""
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SafetensorError(f"the header is not UTF-8 at byte {8 + error.start}") from error
    if not decoded.startswith("{"):
        raise SafetensorError(f"the header must begin with '{{' at byte 8, not with {text[:1]!r}")
    try:
        header = json.loads(decoded, object_pairs_hook=_no_twins, parse_constant=_no_constant)
    except SafetensorError:
        raise
    except (ValueError, RecursionError) as error:  # a number of 5000 digits is a ValueError
        raise SafetensorError(f"the header is not valid JSON: {error}") from error
    assert isinstance(header, dict)
    return header


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise SafetensorError(f"the header gives the key {key!r} twice")
        encoded(key)
        found[key] = value
    return found


def _no_constant(text: str) -> Any:
    raise SafetensorError(f"the header holds {text}, which is not JSON")


def encoded(text: str) -> bytes:
    """`text` as UTF-8; a SafetensorError for a lone surrogate."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise SafetensorError(f"{text!r} cannot be written as UTF-8: lone surrogate") from error


def _check_metadata(metadata: Any) -> None:
    if not isinstance(metadata, dict):
        raise SafetensorError(f"{METADATA}: expected an object, got {metadata!r:.80}")
    for key, value in metadata.items():
        if not isinstance(value, str):
            raise SafetensorError(f"{METADATA}[{key!r}]: expected text, got {value!r:.80}")
        encoded(value)


def _entry(name: str, record: Any) -> Entry:
    """The checked record of one tensor."""

    def wrong(what: str) -> SafetensorError:
        return SafetensorError(f"tensor {name!r}: {what}")

    if not isinstance(record, dict):
        raise wrong(f"expected an object, got {record!r:.80}")
    if record.keys() != {"dtype", "shape", "data_offsets"}:
        raise wrong(f"expected the keys dtype, shape and data_offsets, got {sorted(record)}")
    code, shape, offsets = record["dtype"], record["shape"], record["data_offsets"]
    if not isinstance(code, str) or code not in DTYPES:
        raise wrong(f"dtype {code!r:.80} is not one that NumPy can hold: {', '.join(DTYPES)}")
    if not _are_sizes(shape):
        raise wrong(f"shape: expected a list of sizes >= 0, got {shape!r:.80}")
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise wrong(f"data_offsets: expected [begin, end], got {offsets!r:.80}")
    width = DTYPES[code].itemsize
    if len(shape) > _MAX_NDIM or width * math.prod(filter(None, shape)) > sys.maxsize:
        raise wrong(f"shape {shape!r:.80} is beyond what NumPy can hold")
    begin, end = offsets
    if end - begin != width * math.prod(shape):
        raise wrong(
            f"shape {shape} of {code} takes {width * math.prod(shape)} bytes, but data_offsets "
            f"{offsets} hold {end - begin}"
        )
    return Entry(code, tuple(shape), begin, end)


def _are_sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(v) is int and v >= 0 for v in values)


def _check_cover(entries: list[tuple[str, Entry]], size: int) -> None:
    """The sorted entries must cover `size` bytes exactly."""
    reached, previous = 0, "the header"
    for name, entry in entries:
        if entry.begin != reached:
            what = "overlaps" if entry.begin < reached else "leaves a gap behind"
            raise SafetensorError(
                f"tensor {name!r} begins at data offset {entry.begin} and {what} {previous}, "
                f"which ends at {reached}"
            )
        reached, previous = entry.end, f"tensor {name!r}"
    if reached != size:
        what = "truncated" if reached > size else "bytes that belong to no tensor"
        raise SafetensorError(f"{what}: the tensors take {reached} bytes of data, there are {size}")
