"""What this machine can do at the most, and how long a learner's kernel takes on it.

`roadmap test` asks for `device()` in the process that times the kernels of a day. One run is timed
at a time, between two events on the GPU, from a cold L2 cache; the launch is queued while the GPU
still waits, so that the host's part is not counted. Without a GPU nothing is timed: `Interpreter`
lets an author's rooflines be rehearsed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.cuda import Event

RELIES_ON = ("torch", "torch.cuda", "torch.testing")
"""What a learner's file must leave as it is for the times to count."""

_COPIED = 2**30
_MATRIX = 8192
_CYCLES_PER_SECOND = 2e9
_LONGEST_LEAD = 0.05


def device() -> GPU | Interpreter:
    """The GPU if torch sees one."""
    return GPU() if torch.cuda.is_available() else Interpreter()


def copied(values: Any) -> Any:
    """A copy of a tensor, or of a tuple or list of them.

    Raises:
        TypeError: it is anything else; a subclass could compute its values when they are compared.
    """
    if type(values) is Tensor:
        return values.detach().clone()
    if isinstance(values, (tuple, list)):
        return tuple(copied(each) for each in values)
    if values is None or isinstance(values, (bool, int, float)):
        return values
    raise TypeError(f"{type(values).__name__}; expected a torch.Tensor, or a tuple of them")


class Interpreter:
    """No GPU: everything is done but the timing."""

    name, small = "Triton's interpreter", True
    why_unmeasured = "torch sees no CUDA device here"

    def bytes_per_second(self) -> float:
        """Unknown: not a number."""
        return float("nan")

    def flops_per_second(self, precision: str) -> float:
        """Unknown: not a number."""
        return float("nan")

    def generator(self, seed: int) -> torch.Generator:
        """A generator on the CPU."""
        return torch.Generator().manual_seed(seed)

    copy = staticmethod(copied)

    def timed(self, roofline: Any, inputs: Any) -> tuple[float, Any]:
        """The result alone; the seconds mean nothing."""
        return 1.0, copied(roofline.run(*inputs))


class GPU:
    """The current CUDA device."""

    small, why_unmeasured = False, ""

    def __init__(self, device: str = "cuda") -> None:
        self._device = torch.device(device)
        properties = torch.cuda.get_device_properties(self._device)
        self.name = properties.name
        # Written before each run: whatever was in the L2 cache is gone then.
        self._flush = torch.empty(
            4 * properties.L2_cache_size, dtype=torch.uint8, device=self._device
        )
        self._lead = 1e-3

    def bytes_per_second(self) -> float:
        """Read and written together by torch's copy of 1 GiB, the best of ten."""
        source = torch.zeros(_COPIED, dtype=torch.uint8, device=self._device)
        target = torch.empty_like(source)
        best = min(self._seconds(lambda: target.copy_(source))[0] for _ in range(10))
        return 2 * _COPIED / best

    def flops_per_second(self, precision: str) -> float:
        """Of torch's product of two square matrices in a dtype ("float16"), the best of ten."""
        a, b = (
            torch.randn(_MATRIX, _MATRIX, device=self._device).to(getattr(torch, precision))
            for _ in range(2)
        )
        best = min(self._seconds(lambda: a @ b)[0] for _ in range(10))
        return 2 * _MATRIX**3 / best

    def generator(self, seed: int) -> torch.Generator:
        """A generator on the GPU."""
        return torch.Generator(self._device).manual_seed(seed)

    copy = staticmethod(copied)

    def timed(self, roofline: Any, inputs: Any) -> tuple[float, Any]:
        """Seconds of one run, and its result as it is when the clock stops.

        The copy is queued right behind the second event: what another stream has not written by
        then is missing in it.
        """
        return self._seconds(lambda: roofline.run(*inputs))

    def _seconds(self, work: Callable[[], Any]) -> tuple[float, Any]:
        start, end = (Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        self._flush.zero_()
        torch.cuda.synchronize()
        # Meanwhile the host runs ahead.
        torch.cuda._sleep(int(_CYCLES_PER_SECOND * self._lead))  # type: ignore[no-untyped-call]
        began = time.perf_counter()
        start.record()
        result = work()
        end.record()
        self._lead = min(_LONGEST_LEAD, 2 * (time.perf_counter() - began) + 1e-4)
        kept = copied(result)
        torch.cuda.synchronize()
        return start.elapsed_time(end) / 1e3, kept
