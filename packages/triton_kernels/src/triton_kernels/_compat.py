"""Everything that depends on the version of triton, on the interpreter or on the device."""

from __future__ import annotations

import contextlib
import functools
import inspect
import operator
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    import triton  # type: ignore[import-untyped]
    import triton.language as tl  # type: ignore[import-untyped]
else:
    try:
        import triton
        import triton.language as tl
    except ImportError:

        class _Absent:
            """Stands for triton where it is missing: decorated kernels stay plain functions."""

            __version__ = None

            @staticmethod
            def constexpr(value: Any) -> Any:
                return value

            @staticmethod
            def jit(function: Callable[..., Any]) -> Callable[..., Any]:
                return function

        triton = tl = _Absent()

__all__ = [
    "TRITON_VERSION",
    "Device",
    "Launch",
    "Layout",
    "cdiv",
    "dense_like",
    "device_of",
    "has_gluon",
    "index_dtype",
    "interpreter_fault",
    "interpreting",
    "is_current",
    "launch",
    "next_power_of_2",
    "on_device",
    "starts_aligned",
    "starts_early",
    "tl",
    "triton",
    "triton_dtype",
    "upcasts_dot",
]

TRITON_VERSION: str | None = triton.__version__


class Device(NamedTuple):
    """What the choice of a configuration may depend on."""

    capability: tuple[int, int]
    """Compute capability of the GPU, (0, 0) on the CPU."""
    processors: int
    """Streaming multiprocessors, 1 on the CPU."""


@functools.lru_cache(maxsize=64)
def device_of(device: torch.device) -> Device:
    """The facts of a torch device, asked once."""
    if device.type != "cuda":
        return Device((0, 0), 1)
    properties = torch.cuda.get_device_properties(device)
    return Device((properties.major, properties.minor), properties.multi_processor_count)


def interpreting() -> bool:
    """Whether ``@triton.jit`` functions run in triton's interpreter (TRITON_INTERPRET=1)."""
    return _INTERPRETED


# Triton decides when it decorates a kernel: later changes of the variable have no effect.
_INTERPRETED = TRITON_VERSION is not None and os.environ.get("TRITON_INTERPRET", "0") == "1"


@functools.cache
def interpreter_fault() -> str | None:
    """Why the interpreter cannot run here, or None: triton 3.6 needs numpy below 2.4."""
    try:
        import numpy
    except ImportError:
        return "the interpreter needs numpy"
    old_triton = _version(TRITON_VERSION or "0") < (3, 7, 1)
    if old_triton and _version(numpy.__version__) >= (2, 4):
        return f"the interpreter of triton {TRITON_VERSION} needs numpy < 2.4"
    return None


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("+")[0].split(".")[:3] if part.isdigit())


def starts_early(device: Device) -> bool:
    """Whether a kernel can start before the one ahead of it has ended, and wait for it later on.

    Programmatic dependent launch: the option ``launch_pdl``, and ``tl.extra.cuda.gdc_wait``.
    """
    return device.capability >= (9, 0) and not _INTERPRETED


def upcasts_dot(dtype: torch.dtype) -> bool:
    """Whether ``tl.dot`` operands must be float32: the interpreter's other dots are wrong."""
    return _INTERPRETED and dtype in (torch.bfloat16, torch.float8_e4m3fn)


_new = tuple.__new__


class Layout(NamedTuple):
    """All that a launch depends on in a tensor but its address: the key of a cached launch."""

    shape: torch.Size
    strides: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    aligned: bool
    """Whether it starts at a multiple of 16 bytes, which triton compiles in."""

    @classmethod
    def of(cls, x: torch.Tensor) -> Layout:
        """The layout of a tensor."""
        # As cls(…), without the way through a named tuple's own function.
        return _new(cls, (x.shape, x.stride(), x.dtype, x.device, x.data_ptr() % 16 == 0))

    def contiguous(self, aligned: bool) -> Layout:
        """That of a contiguous tensor of the same shape."""
        strides = torch.empty(self.shape, device="meta").stride()
        return self._replace(strides=strides, aligned=aligned)

    def example(self) -> torch.Tensor:
        """A tensor so laid out that holds no memory."""
        return torch.empty_strided(self.shape, self.strides, dtype=self.dtype, device="meta")

    def extent(self) -> int:
        """The largest offset within it, in elements."""
        return sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True) if n > 1)


def index_dtype(*layouts: Layout) -> Any:
    """``tl.int32``, or ``tl.int64`` if an offset within a tensor may pass 2³¹ elements."""
    wide = any(layout.extent() >= 2**31 - 2**24 for layout in layouts)
    return tl.int64 if wide else tl.int32


@functools.cache
def has_gluon() -> bool:
    """Whether this triton has Gluon with what Hopper kernels need."""
    return TRITON_VERSION is not None and _version(TRITON_VERSION) >= (3, 6)


def starts_aligned(x: torch.Tensor) -> bool:
    """Whether the tensor starts at a multiple of 16 bytes."""
    return x.data_ptr() % 16 == 0


class Launch:
    """A kernel with all but its tensors fixed.

    The first call compiles; later calls go straight to the compiled kernel, without triton's
    look-up by arguments. So one instance serves tensors of one ``Layout`` each, on one device;
    one that does not begin at a multiple of 16 bytes, where the first did, goes by that look-up.

    Args:
        kernel: a jitted function whose parameters are the tensors, the scalars, the constants.
        grid: how many programs: one number, or up to three.
        scalars: values of its run-time parameters after the tensors.
        constants: its ``tl.constexpr`` parameters, in order.
        options: num_warps, num_stages.
        described: what makes the descriptor that the kernel takes in the place of a tensor, by the
            parameter's place.
    """

    def __init__(
        self,
        kernel: Any,
        grid: int | tuple[int, ...],
        scalars: tuple[float, ...],
        constants: dict[str, Any],
        options: dict[str, int],
        described: dict[int, Callable[[torch.Tensor], Any]] | None = None,
    ) -> None:
        self._kernel = kernel
        sizes = grid if isinstance(grid, tuple) else (grid,)
        self._grid = (*sizes, *(1,) * (3 - len(sizes)))
        self._scalars = scalars
        self._constants = constants
        self._options = options
        self._described = described or {}
        self._run: Callable[[tuple[Any, ...], tuple[float, ...]], None] | None = None

    def __call__(self, *tensors: Any, varying: tuple[float, ...] = ()) -> None:
        """Runs the kernel on tensors of the layouts that this launch was made for.

        ``varying`` are scalars after the fixed ones that are not the same in every call, but alike:
        of one type, and ints alike in what triton compiles in (see ``launch``).
        """
        if self._run is not None:
            self._run(tensors, varying)
            return
        compiled = self._by_look_up(tensors, varying)
        if compiled is not None:  # the interpreter compiles nothing
            self._run = self._direct(compiled, tensors)

    def _shown(self, tensors: tuple[Any, ...]) -> tuple[Any, ...]:
        """The tensors, or their descriptors where the kernel takes those."""
        make = self._described
        if not make:
            return tensors
        _bind_context()
        return tuple([make[i](x) if i in make else x for i, x in enumerate(tensors)])

    def _by_look_up(self, tensors: tuple[Any, ...], varying: tuple[float, ...]) -> Any:
        """Runs it as triton does, and returns what that compiled or found."""
        return self._kernel[self._grid](
            *self._shown(tensors), *self._scalars, *varying, **self._constants, **self._options
        )

    def _direct(
        self, compiled: Any, first: tuple[Any, ...]
    ) -> Callable[[tuple[Any, ...], tuple[float, ...]], None]:
        """Runs the compiled kernel on tensors like the first ones.

        In triton 3.6 its own launcher, in C, is called with addresses: the way there through
        triton's Python, its hooks and its questions to the driver take as long again and more.
        """
        grid, scalars = self._grid, self._scalars
        constants = tuple(self._constants.values())
        by_triton = compiled[grid]
        aligned = [x is None or starts_aligned(x) for x in first]

        def fit(addresses: Sequence[int]) -> bool:
            """Whether all begin where the compiled kernel expects it."""
            return not any(was and x & 15 for x, was in zip(addresses, aligned, strict=True))

        def slowly(tensors: tuple[Any, ...], varying: tuple[float, ...]) -> None:
            if fit([0 if x is None else x.data_ptr() for x in tensors]):
                by_triton(*self._shown(tensors), *scalars, *varying, *constants)
            else:
                self._by_look_up(tensors, varying)

        if not _is_known(compiled.run):
            return slowly
        from triton import knobs

        enter, leave = knobs.runtime.launch_enter_hook, knobs.runtime.launch_exit_hook
        device = torch.cuda.current_device()
        stream_of = torch._C._cuda_getCurrentRawStream
        launch, fixed, facts = _in_c(compiled)
        if None in facts:
            return slowly
        if facts:
            kept = _KeptArguments(self._described, facts, scalars)

            def with_maps(tensors: tuple[Any, ...], varying: tuple[float, ...]) -> None:
                addresses = tuple([0 if x is None else x.data_ptr() for x in tensors])
                arguments = kept.get(addresses)
                if enter.calls or leave.calls or (arguments is None and not fit(addresses)):
                    slowly(tensors, varying)
                    return
                arguments = arguments or kept.made(tensors, addresses)
                launch(*grid, stream_of(device), *fixed, *arguments, *varying, *constants)

            return with_maps

        def directly(tensors: tuple[Any, ...], varying: tuple[float, ...]) -> None:
            addresses = [0 if x is None else x.data_ptr() for x in tensors]
            unfit = functools.reduce(operator.or_, addresses) & 15 and not fit(addresses)
            if unfit or enter.calls or leave.calls:  # calls are a profiler's
                slowly(tensors, varying)
                return
            launch(*grid, stream_of(device), *fixed, *addresses, *scalars, *varying, *constants)

        return directly


class _KeptArguments:
    """What a launcher in C is given for the tensors of a call, by their addresses.

    The launcher copies tensor maps, so they need not outlive a call, and whoever launches with
    these arguments holds them should another thread drop them meanwhile.
    """

    def __init__(
        self, described: dict[int, Callable[[torch.Tensor], Any]], facts: Sequence[Any],
        scalars: tuple[float, ...],
    ) -> None:  # fmt: skip
        places = sorted(described)
        self._maps = {i: _TensorMaps(f, described[i]) for i, f in zip(places, facts, strict=True)}
        self._scalars = scalars
        self._known: dict[tuple[int, ...], tuple[Any, ...]] = {}
        self.get = self._known.get

    def made(self, tensors: tuple[Any, ...], addresses: tuple[int, ...]) -> tuple[Any, ...]:
        """Those of tensors so far unknown, kept from now on."""
        arguments: list[Any] = []
        for i, (x, address) in enumerate(zip(tensors, addresses, strict=True)):
            arguments += self._maps[i].of(x) if i in self._maps else [address]
        if len(self._known) >= _MOST_MAPS:
            self._known.clear()
        found = self._known[addresses] = (*arguments, *self._scalars)
        return found


def _in_c(compiled: Any) -> tuple[Any, tuple[Any, ...], Sequence[Any]]:
    """A compiled kernel's launcher, what it is given behind the stream, facts of its maps."""
    launcher = compiled.run
    fixed = (
        compiled.function, launcher.launch_cooperative_grid, launcher.launch_pdl, None, None,
        compiled.packed_metadata, None, None, None,
    )  # fmt: skip
    if not inspect.isfunction(launcher.launch):
        return launcher.launch, fixed, ()
    captured = inspect.getclosurevars(launcher.launch).nonlocals  # around that in C
    return captured["launcher"], fixed, captured["tensordesc_meta"]


def _is_known(launcher: Any) -> bool:
    """Whether this is the launcher that ``_direct`` knows, and the kernel asks for no memory."""
    return (
        _version(TRITON_VERSION or "0")[:2] == (3, 6)
        and type(launcher).__module__ == "triton.backends.nvidia.driver"
        and launcher.global_scratch_size == 0
        and launcher.profile_scratch_size == 0
    )


def _bind_context() -> None:
    """Makes the GPU's context this thread's: the driver makes tensor maps in it, and a thread is
    without until it first asks CUDA's runtime for something, as here whether it captures a graph.
    """
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.is_current_stream_capturing()


def _map_of(descriptor: Any, facts: Any) -> list[Any]:
    """What a launcher in C takes for a descriptor: the map, the sizes and the strides."""
    from triton.backends.nvidia.driver import make_tensordesc_arg  # type: ignore[import-untyped]

    _bind_context()
    made: list[Any] = make_tensordesc_arg(descriptor, facts)
    return made


class _TensorMaps:
    """The tensor maps of one parameter, by address: layout and block never change."""

    def __init__(self, facts: Any, describe: Callable[[torch.Tensor], Any]) -> None:
        self._facts = facts
        self._describe = describe
        self._known: dict[int, list[Any]] = {}

    def of(self, x: torch.Tensor) -> list[Any]:
        """What stands for a tensor: the map, the sizes and the strides."""
        address = x.data_ptr()
        found = self._known.get(address)
        if found is None:
            if len(self._known) >= _MOST_MAPS:
                self._known.clear()
            found = self._known[address] = _map_of(self._describe(x), self._facts)
        return found


_MOST_MAPS = 256
"""Addresses that a parameter's tensor maps, and sets of them that a launch's are kept for."""

_MOST_LAUNCHES = 8192

_launches: dict[Any, Launch] = {}


def _specialised(number: float) -> Any:
    """What triton compiles in of a number."""
    if type(number) is not int:
        return type(number)
    return number == 1, number & 15 == 0, -(2**31) <= number < 2**31, number < 2**63


def launch(
    kernel: Any,
    grid: tuple[int, ...],
    tensors: tuple[torch.Tensor | None, ...],
    scalars: tuple[float, ...] = (),
    varying: tuple[float, ...] = (),
    **named: Any,
) -> None:
    """``kernel[grid](*tensors, *scalars, *varying, **named)``, from the second such call on without
    triton's look-up by arguments.

    A launch is kept for each grid and each set of scalars, so what is not the same in every call
    with such tensors (a seed) belongs into ``varying``, the last of the run-time parameters.
    ``named`` are the constants, whose names are capitals, in order, then num_warps and the like.
    """
    first = tensors[0]
    assert first is not None
    key = (
        id(kernel), grid, first.get_device(), scalars, *named.values(),
        *[None if x is None else (x.dtype, x.data_ptr() & 15 == 0) for x in tensors],
        *map(_specialised, varying),
    )  # fmt: skip
    found = _launches.get(key)
    if found is None:
        if len(_launches) >= _MOST_LAUNCHES:
            _launches.clear()
        constants = {name: value for name, value in named.items() if name.isupper()}
        options = {name: value for name, value in named.items() if name not in constants}
        found = _launches[key] = Launch(kernel, grid, scalars, constants, options)
    found(*tensors, varying=varying)


def dense_like(x: torch.Tensor) -> torch.Tensor:
    """A contiguous tensor of x's shape and dtype, in half of the time that torch.empty takes."""
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def cdiv(a: int, b: int) -> int:
    """a / b, rounded up. Triton's own name of it takes microseconds a call on the host."""
    return -(-a // b)


def next_power_of_2(n: int) -> int:
    """The least power of two that is n or more, of n >= 1. As ``cdiv``."""
    return 1 << (n - 1).bit_length()


def is_current(tensor: torch.Tensor) -> bool:
    """Whether the tensor's GPU, if it is on one, is the current one."""
    return not tensor.is_cuda or tensor.get_device() == torch.cuda.current_device()


def on_device(tensor: torch.Tensor) -> contextlib.AbstractContextManager[Any]:
    """Makes the tensor's GPU current: triton launches on the current device."""
    return contextlib.nullcontext() if is_current(tensor) else torch.cuda.device(tensor.device)


def triton_dtype(dtype: torch.dtype) -> Any:
    """The dtype of ``tl`` that holds what the torch dtype holds."""
    return getattr(tl, str(dtype).removeprefix("torch."))
