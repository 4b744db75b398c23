"""Objects through a pipe between processes, their arrays without a detour through pickle.

Pickle's protocol 5 hands out the memory of arrays instead of copying it into its own bytes; it is
written to the pipe from where it lies, and read into where it will stay.
Source: PEP 574, "Pickle protocol 5 with out-of-band data".
"""

from __future__ import annotations

import os
import pickle
from typing import Any

import numpy as np

_DIRECT = hasattr(os, "readv")  # elsewhere a pipe is no file


def send(pipe: Any, value: Any) -> None:
    """Send `value`; what cannot be pickled raises before anything is sent."""
    if not _DIRECT:
        pipe.send(value)
        return
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    parts = [buffer.raw() for buffer in buffers]
    pipe.send((head, [part.nbytes for part in parts]))
    for part in parts:
        done = 0
        while done < part.nbytes:
            done += os.write(pipe.fileno(), part[done:])


def receive(pipe: Any) -> Any:
    """What `send` sent; an EOFError if the other end is closed."""
    if not _DIRECT:
        return pipe.recv()
    head, sizes = pipe.recv()
    return pickle.loads(head, buffers=[_read(pipe.fileno(), size) for size in sizes])


def _read(file: int, size: int) -> memoryview:
    memory = np.empty(size, np.uint8).data
    done = 0
    while done < size:
        count = os.readv(file, [memory[done:]])
        if not count:
            raise EOFError(f"the pipe was closed after {done} of {size} bytes")
        done += count
    return memory
