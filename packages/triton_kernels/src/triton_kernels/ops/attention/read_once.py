"""Numbers that lie on a device, checked once: to read them back is to wait for the device.

A model passes the same ends, lengths or page table to every layer. What has passed a check is
remembered, weakly, by the tensor and its version, which every write by torch counts up; so all
layers of a step wait once. A kernel of one's own that writes into a tensor leaves its version as it
was: pass ``check=True`` then.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch

from triton_kernels.kernel import PLAIN

_MOST = 256
_State = tuple["weakref.ref[torch.Tensor]", int]
_passed: dict[tuple[Any, ...], tuple[_State, ...]] = {}


def due(check: bool | None, facts: tuple[Any, ...], *tensors: torch.Tensor) -> bool:
    """Whether to read the tensors now and hold them against ``facts``.

    ``check`` True is always, False never. None: on the CPU, where it is free, and elsewhere unless
    they have passed; not while torch.compile traces or a CUDA graph is captured, when there is
    nothing to read.
    """
    if check is not None:
        return check
    if torch.compiler.is_compiling() or not all(type(x) in PLAIN for x in tensors):
        return False
    kind = tensors[0].device.type
    if kind == "cpu" or kind == "meta":
        return kind == "cpu"
    if has_passed(facts, *tensors):
        return False
    return kind != "cuda" or not torch.cuda.is_current_stream_capturing()


def has_passed(facts: tuple[Any, ...], *tensors: torch.Tensor) -> bool:
    """Whether these very tensors passed these facts as they were last written."""
    states = _passed.get((*map(id, tensors), facts), ())
    return bool(states) and all(
        known() is x and version == _version(x)
        for (known, version), x in zip(states, tensors, strict=True)
    )


def remember(facts: tuple[Any, ...], *tensors: torch.Tensor) -> None:
    """They passed."""
    if torch.compiler.is_compiling():
        return
    if len(_passed) >= _MOST:  # what is still in use is read once more
        _passed.clear()
    key = (*map(id, tensors), facts)
    _passed[key] = tuple([(weakref.ref(x), _version(x)) for x in tensors])


def _version(x: torch.Tensor) -> int:
    """0 for tensors of ``torch.inference_mode``, which have none: they are read once for all."""
    return 0 if x.is_inference() else x._version
