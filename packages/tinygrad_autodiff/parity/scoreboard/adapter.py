"""The adapter: finds torch's functions in a torch-shaped library and speaks its tensors.

Nothing here knows an operation by its name and nothing changes an argument. A tensor goes through
NumPy (values, dtype, strides, requires_grad); every other value goes through one table. torch
itself passes through the same door, and what it does not survive does not count against anyone.
"""

from __future__ import annotations

import copy
import importlib
import textwrap
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

SEED = 42  # op_db's own wrapper of random functions uses it too
NAMESPACES = ("autograd.forward_ad", "fft", "linalg", "masked", "nn.functional", "special")


class MissingError(Exception):
    """The library has nothing under this name."""


class UntranslatableError(Exception):
    """A value of torch's that has no form outside torch (sparse, quantized, options objects)."""


class Library:
    """A module shaped like torch: where its functions are, and how to enter and leave its tensors.

    Args:
        name: What to import: ``"torch"``, ``"tinygrad_autodiff"``, ``"borch"``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.module: Any = importlib.import_module(name)
        for namespace in NAMESPACES:
            with suppress(ImportError):
                importlib.import_module(f"{name}.{namespace}")
        self.Tensor: Any = self.resolve("Tensor")

    def resolve(self, path: str) -> Any:
        """What stands under the dotted `path`; a MissingError names what does not."""
        found = self.module
        for part in path.split("."):
            found = getattr(found, part, None)
            if found is None:
                raise MissingError(f"no {path}")
        return found

    def namesake(self, value: Any) -> Any:
        """This library's ``float32`` for ``torch.float32``, and the like."""
        return self.resolve(str(value).removeprefix("torch."))

    def function(self, info: Any) -> Callable[..., Any]:
        """What this library offers for an OpInfo: under its name, an alias, or as a method.

        Where op_db wraps torch's function in one of its own (a lambda that reorders operands, or
        sets the seed), that wrapper runs with this library in the place of torch.
        """
        if _written_by_op_db(info.op):
            return self.rebound(info.op)
        for name in (info.name, *(alias.name for alias in info.aliases)):
            with suppress(MissingError):
                found = self.resolve(name)
                if callable(found) and not isinstance(found, type):
                    return found  # type: ignore[no-any-return]
            found = getattr(self.Tensor, name, None)
            if callable(found):
                return found  # type: ignore[no-any-return]
        raise MissingError(f"no {info.name}")

    def rebound(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` of op_db with this library under the name ``torch``."""
        if not _written_by_op_db(function):
            return function
        assert isinstance(function, FunctionType)
        names = {**function.__globals__, "torch": self.module, "wrapper_set_seed": _call}
        defaults, closure = function.__defaults__, function.__closure__
        made = FunctionType(function.__code__, names, function.__name__, defaults, closure)
        made.__kwdefaults__ = function.__kwdefaults__
        return made

    def lacks(self, error: BaseException) -> bool:
        """Whether `error` says that a name is missing in this library."""
        if isinstance(error, MissingError):
            return True
        holder = getattr(error, "obj", None) if isinstance(error, AttributeError) else None
        return holder is not None and (
            holder is self.Tensor
            or isinstance(holder, self.Tensor)
            or (isinstance(holder, ModuleType) and holder.__name__.startswith(self.name))
        )

    def tensor(self, array: np.ndarray, requires_grad: bool = False) -> Any:
        """A leaf tensor of this library with the values and strides of `array`."""
        made = self.resolve("from_numpy")(array)
        return made.requires_grad_() if requires_grad else made

    def to_torch(self, value: Any) -> Any:
        """A result as torch's: tensors through NumPy, anything else as it is."""
        if not isinstance(value, self.Tensor):
            return value
        plain = value.detach().clone()  # a clone is never lazily conjugated, negated or zero
        return torch.from_numpy(np.array(plain.numpy()))

    def translate(self, value: Any) -> Any:
        """An argument that is no tensor: dtypes, sizes, devices … under this library's names."""
        if isinstance(value, slice):
            return slice(*map(self.translate, (value.start, value.stop, value.step)))
        if isinstance(value, PLAIN):
            return value
        if type(value) not in TRANSLATIONS:
            raise UntranslatableError(f"{type(value).__name__} has no form outside torch")
        return TRANSLATIONS[type(value)](self, value)

    def results(self, value: Any) -> list[Any]:
        """What a result holds, in order; a tuple or list opens with a word on its length."""
        if isinstance(value, (self.Tensor, *PLAIN)) or not hasattr(value, "__iter__"):
            return [value]
        parts = list(value)
        opening = f"{len(parts)} results"
        return [opening, *(leaf for part in parts for leaf in self.results(part))]

    def seed(self) -> None:
        """Seed the generator, if there is one, so that random results can be compared."""
        with suppress(MissingError):
            self.resolve("manual_seed")(SEED)

    def grad(
        self,
        outputs: Sequence[Any],
        inputs: Sequence[Any],
        cotangents: Sequence[Any],
        create_graph: bool = False,
    ) -> Sequence[Any]:
        """``autograd.grad``: a gradient or None for every input."""
        return self.resolve("autograd.grad")(  # type: ignore[no-any-return]
            outputs, inputs, cotangents, create_graph=create_graph, allow_unused=True
        )


PLAIN = (bool, int, float, complex, str, np.ndarray, np.generic, range, type(None), type(...))
TRANSLATIONS: dict[type, Callable[[Library, Any], Any]] = {
    torch.dtype: lambda lib, value: lib.namesake(value),
    torch.memory_format: lambda lib, value: lib.namesake(value),
    torch.layout: lambda lib, value: lib.namesake(value),
    torch.device: lambda lib, value: lib.resolve("device")(str(value)),
    torch.Size: lambda lib, value: getattr(lib.module, "Size", tuple)(value),
    torch.Generator: lambda lib, value: lib.resolve("Generator")().manual_seed(SEED),
}


@dataclass(frozen=True)
class Stored:
    """What is needed to make a tensor anew: its memory, and how it lies in it."""

    memory: np.ndarray
    shape: tuple[int, ...] | None = None  # None: `memory` is the dense tensor itself
    strides: tuple[int, ...] = ()

    @classmethod
    def of(cls, tensor: torch.Tensor) -> Stored:
        """A copy of `tensor`; overlapping and spaced-out layouts keep their strides."""
        if tensor.layout is not torch.strided or tensor.is_quantized:
            raise UntranslatableError(f"{tensor.layout} has no form in NumPy")
        if tensor.is_conj() or tensor.is_neg():
            tensor = tensor.resolve_conj().resolve_neg()
        try:
            array = tensor.detach().numpy()
        except (TypeError, ValueError) as error:  # bfloat16, more than 64 dimensions
            raise UntranslatableError(f"has no form in NumPy: {error}") from error
        dense = np.array(array, order="K")
        if dense.strides == array.strides or not array.size:
            return cls(dense)
        with torch.no_grad():
            flat = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage())
        memory = flat[tensor.storage_offset() :].numpy().copy()
        return cls(memory, array.shape, array.strides)

    def array(self) -> np.ndarray:
        """A new array; nothing done to it comes back here."""
        fresh = np.array(self.memory, order="K")
        if self.shape is None:
            return fresh
        return np.lib.stride_tricks.as_strided(fresh, self.shape, self.strides)

    @property
    def overlaps(self) -> bool:
        """Whether some element of the memory stands for several elements of the tensor."""
        if self.shape is None:
            return False
        places = np.arange(self.memory.size, dtype=np.int64)
        strides = [s // self.memory.itemsize * places.itemsize for s in self.strides]
        seen = np.lib.stride_tricks.as_strided(places, self.shape, strides)
        return np.unique(seen).size < seen.size


class Call:
    """One sample of op_db: torch's own arguments, and how to make them for any library."""

    def __init__(self, sample: Any) -> None:
        self.leaves: list[Any]
        self.spec: TreeSpec
        self.leaves, self.spec = tree_flatten((sample.input, sample.args, sample.kwargs))
        self.leaves = self.originals()  # samples may share tensors that an operation writes to
        self.process = sample.output_process_fn_grad
        self.stored = {id(v): Stored.of(v) for v in self.leaves if isinstance(v, torch.Tensor)}
        self.differentiable: list[int] = []
        for i, leaf in enumerate(self.leaves):
            if not isinstance(leaf, torch.Tensor):
                TORCH.translate(leaf)  # an UntranslatableError now, not at every library
            elif leaf.requires_grad and self.stored[id(leaf)].overlaps:
                raise UntranslatableError("elements that share memory cannot vary on their own")
            elif leaf.requires_grad and self._first(leaf) == i:
                self.differentiable.append(i)

    def originals(self) -> list[Any]:
        """torch's own arguments: copies with the same strides, made without the adapter."""
        return self._mapped(_copied)

    def widened(self) -> list[Any]:
        """torch's own arguments in double precision."""
        return self._mapped(wide)

    def on(self, lib: Library) -> list[Any]:
        """The arguments as `lib`'s, in fresh memory."""
        return self._mapped(
            lambda v: lib.tensor(self.stored[id(v)].array(), v.requires_grad), lib.translate
        )

    def _mapped(
        self,
        tensor: Callable[[torch.Tensor], Any],
        other: Callable[[Any], Any] = lambda value: value,
    ) -> list[Any]:
        """The leaves, each made anew once: a tensor given twice stays one tensor."""
        made: dict[int, Any] = {}
        for leaf in self.leaves:
            if id(leaf) not in made:
                made[id(leaf)] = (tensor if isinstance(leaf, torch.Tensor) else other)(leaf)
        return [made[id(leaf)] for leaf in self.leaves]

    def _first(self, leaf: Any) -> int:
        return next(i for i, other in enumerate(self.leaves) if other is leaf)

    def __str__(self) -> str:
        """The arguments in short: ``[5, 5], dim=1``."""
        shown = [
            str(list(v.shape)) if isinstance(v, torch.Tensor) else repr(v) for v in self.leaves
        ]
        first, args, kwargs = tree_unflatten([_Shown(text) for text in shown], self.spec)
        words = [repr(v) for v in (first, *args)] + [f"{k}={v!r}" for k, v in kwargs.items()]
        return textwrap.shorten(", ".join(words), 60, placeholder=" …")

    def run(self, lib: Library, function: Callable[..., Any], leaves: Sequence[Any]) -> Any:
        """The result of `function` on `leaves`, with the generator seeded."""
        first, args, kwargs = tree_unflatten(list(leaves), self.spec)
        lib.seed()
        return function(first, *args, **kwargs)


def _copied(tensor: torch.Tensor) -> torch.Tensor:
    return copy.deepcopy(tensor.detach()).requires_grad_(tensor.requires_grad)


def wide(tensor: torch.Tensor) -> torch.Tensor:
    """A copy of `tensor`, floating dtypes in double precision."""
    kinds = {torch.float32: torch.float64, torch.complex64: torch.complex128}
    made = tensor.detach().to(kinds.get(tensor.dtype, tensor.dtype), copy=True)
    return made.requires_grad_(tensor.requires_grad)


class _Shown(str):
    __slots__ = ()
    __repr__ = str.__str__


def _call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


def _written_by_op_db(function: Any) -> bool:
    return isinstance(function, FunctionType) and function.__module__.startswith("torch.testing.")


TORCH = Library("torch")
