"""Which implementation runs: chosen in order, overridable, explainable.

The order is the one a kernel lists its backends in; the first that does not refuse the inputs is
taken. ``backend=`` on a call, ``use_backend`` around it, or the environment variable
TRITON_KERNELS_BACKEND (``reference`` or ``softmax=reference,matmul=portable``, read at import)
override that, in this order. A backend asked for that refuses, and a name that nothing has, raise
BackendError: nothing falls back in silence.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from triton_kernels import _compat, autocast
from triton_kernels.errors import BackendError
from triton_kernels.registry import op_names

ALL = "all"
_WISH = " if able"


def wish(backend: str) -> str:
    """The name of a backend to take if it can and to pass over in silence if it cannot."""
    return backend.removesuffix(_WISH) + _WISH if backend else ""


def takes_anything(*inputs: Any) -> str | None:
    """The predicate of a reference: it refuses nothing."""
    return None


def triton_refuses(x: torch.Tensor, *others: Any) -> str | None:
    """Why a ``tl`` kernel cannot take these inputs, or None. The first input speaks for all."""
    if _compat.TRITON_VERSION is None:
        return "triton is not installed"
    if _compat.interpreting():
        if fault := _compat.interpreter_fault():
            return fault
        if x.is_meta:
            return "meta tensors hold nothing that the interpreter could read"
    elif not x.is_cuda:
        return f"{x.device.type} tensors need TRITON_INTERPRET=1, set before triton is imported"
    if x.dtype is torch.float64:
        return "it accumulates in float32, too little for float64"
    return None


def gluon_refuses(x: torch.Tensor, oldest: tuple[int, int] | None = None) -> str | None:
    """Why a kernel in Gluon cannot take tensors such as x, or None: one for Hopper alone, or for
    all compute capabilities from ``oldest`` on."""
    if reason := triton_refuses(x):
        return reason
    if _compat.interpreting():
        return "Gluon has no interpreter"
    if not _compat.has_gluon():
        return f"triton {_compat.TRITON_VERSION} has not the Gluon it is written in"
    capability = _compat.device_of(x.device).capability
    if oldest is None and capability != (9, 0):
        return "it needs compute capability 9.0 (Hopper)"
    if oldest is not None and capability < oldest:
        return f"it needs compute capability {oldest[0]}.{oldest[1]} or later"
    return None


_NAMES: set[str] = set()
"""Of the backends of all rooms so far imported: a wish is for one of these."""


def _found(where: str) -> Callable[..., Any]:
    module, _, function = where.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def _plain(definition: Callable[..., Any]) -> Callable[..., Any]:
    """A definition as it is written, also under autocast."""

    def run(*inputs: Any) -> Any:
        with autocast.off(inputs[0]):
            return definition(*inputs)

    return run


@dataclass(frozen=True)
class Backend:
    """One implementation of a kernel."""

    name: str
    """``reference``, ``portable``, …"""
    where: str
    """``module:function``, imported when first taken."""
    refuses: Callable[..., str | None] = takes_anything
    """Given the kernel's inputs, the reason why it cannot take them, or None."""
    settled: str = ""
    """As ``where``, of a function of the same inputs: it returns one of the leading tensors alone,
    for calls that differ in nothing else."""

    def __post_init__(self) -> None:
        _NAMES.add(self.name)

    @functools.cached_property
    def run(self) -> Callable[..., Any]:
        """The implementation itself."""
        found = _found(self.where)
        return _plain(found) if self.name == "reference" else found

    def settle(self, inputs: Sequence[Any], leading: int) -> Callable[..., Any]:
        """The implementation, of the leading inputs alone; the others remain as they are."""
        if self.settled:
            function: Callable[..., Any] = _found(self.settled)(*inputs)
            return function
        others = tuple(inputs[leading:])
        return lambda *first: self.run(*first, *others)


@dataclass(frozen=True)
class Explanation:
    """What ``explain`` answers; printing it gives one line a backend."""

    op: str
    taken: str
    """The name of the backend that a call with these inputs takes."""
    reasons: dict[str, str]
    """For every backend in order, why it is taken or not."""

    def __str__(self) -> str:
        lines = (
            f"  {'->' if name == self.taken else '  '} {name}: {reason}"
            for name, reason in self.reasons.items()
        )
        return "\n".join([self.op, *lines])


def preferred(backends: Sequence[Backend]) -> Sequence[Backend]:
    """The order of choice: as listed, but the interpreter is there to check the portable code."""
    if _compat.interpreting():
        return sorted(backends, key=lambda backend: backend.name != "portable")
    return backends


def choose(op: str, backends: Sequence[Backend], inputs: Sequence[Any], asked: str) -> Backend:
    """The backend for these inputs; ``asked`` is a name, a wish, or "" for the first that can.

    Raises:
        BackendError: the one asked for does not exist or refuses the inputs.
    """
    if not asked and not _compat.interpreting():  # as every plain call
        for backend in backends:
            if backend.refuses(*inputs) is None:
                return backend
    if not isinstance(asked, str):
        kind = type(asked).__name__
        raise BackendError(op, f"backend of type {kind}", "a name", "pass its name, or None")
    if not asked or (asked.endswith(_WISH) and asked.removesuffix(_WISH) in _NAMES):
        order = preferred(backends)
        for backend in order if asked else ():
            if wish(backend.name) == asked and backend.refuses(*inputs) is None:
                return backend
        return next(backend for backend in order if backend.refuses(*inputs) is None)
    for backend in backends:
        if backend.name == asked:
            if reason := backend.refuses(*inputs):
                raise BackendError(
                    op,
                    f"backend {asked!r}, which refuses these inputs: {reason}",
                    "inputs it takes",
                    f"ask triton_kernels.explain({op!r}, …) which backends do",
                )
            return backend
    names = ", ".join(backend.name for backend in backends)
    raise BackendError(op, f"backend {asked!r}", f"one of {names}", "ask for one of these or none")


def explain_choice(
    op: str, backends: Sequence[Backend], inputs: Sequence[Any], asked: str
) -> Explanation:
    """What ``choose`` would answer, with the reason for every backend."""
    taken = choose(op, backends, inputs, asked).name
    reasons = {}
    for backend in preferred(backends):
        refusal = backend.refuses(*inputs)
        if refusal:
            reasons[backend.name] = f"refuses: {refusal}"
        elif backend.name == taken:
            reasons[backend.name] = "taken: asked for" if asked else "taken: first that can"
        else:
            reasons[backend.name] = "able, not asked for" if asked else "able, later in order"
    return Explanation(op, taken, reasons)


_VARIABLE = "TRITON_KERNELS_BACKEND"


def _from_environment(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.replace(" ", "").split(",") if part)
    asked = {op if equals else ALL: backend if equals else op for op, equals, backend in pairs}
    for op in asked:
        if op not in (ALL, *op_names()):
            raise BackendError(
                _VARIABLE, f"the op name {op!r}", f"one of {ALL}, {', '.join(op_names())}",
                "check the spelling",
            )  # fmt: skip
    return asked


# A plain module-level dict: autograd's threads see it, and torch.compile guards on it.
_asked = _from_environment(os.environ.get(_VARIABLE, ""))


def asked_for(op: str) -> str:
    """The backend that ``use_backend`` or the environment asks for, or ""."""
    return _asked.get(op) or _asked.get(ALL, "")


@contextlib.contextmanager
def use_backend(op: str, backend: str) -> Iterator[None]:
    """Asks for a backend, for one op or for ``"all"``, while the block runs.

    It holds for the whole process, other threads included. The backward of a call takes the
    backend of its forward. Inside a compiled function use ``backend=`` on the call instead.

    Raises:
        BackendError: there is no such op, or the op has no such backend.
    """
    from triton_kernels import registry

    known = op_names() if op == ALL else (op,)
    offered = {b.name for name in known for b in registry.get(name).kernel.backends}
    if backend not in offered:
        raise BackendError(op, f"backend {backend!r}", f"one of {sorted(offered)}", "ask for these")
    before = dict(_asked)
    _asked[op] = backend
    try:
        yield
    finally:
        _asked.clear()
        _asked.update(before)


_records: list[list[tuple[str, str]]] = []


@contextlib.contextmanager
def record_backends() -> Iterator[list[tuple[str, str]]]:
    """Collects ``(kernel, backend)`` for every kernel run while the block lasts, in order."""
    record: list[tuple[str, str]] = []
    _records.append(record)
    try:
        yield record
    finally:
        _records.remove(record)


def recorded(kernel: str, backend: str) -> None:
    """Tells every open record that a kernel is about to run."""
    for record in _records:
        record.append((kernel, backend))
