"""Times of GPU work: interleaved rounds, inputs beyond the L2 cache, medians of CUDA events.

Before each burst other memory fills the cache: reads that ask to be evicted first leave what the
rival before has left there, and would find part of their input in it call after call.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable

import torch

_QUEUE = 200
"""Calls in one burst: the driver queues about a thousand launches before the host must wait."""
_CYCLES_PER_SECOND = 2e9
Work = Callable[[], object]


def require_gpu() -> torch.device:
    """The GPU, or an end with the reason."""
    if not torch.cuda.is_available():
        raise SystemExit("no benchmark: torch sees no CUDA device, and CPU times say nothing here")
    return torch.device("cuda")


def copies_beyond_cache(nbytes: int, device: torch.device) -> int:
    """How many sets of inputs of that size make sure that none is still in the L2 cache."""
    cache = torch.cuda.get_device_properties(device).L2_cache_size
    return max(1, min(32, -(-3 * cache // max(nbytes, 1))))


@functools.cache
def _other_memory(device: torch.device) -> torch.Tensor:
    size = torch.cuda.get_device_properties(device).L2_cache_size
    return torch.zeros(size, dtype=torch.float32, device=device)  # four times the cache


class Rival:
    """One contestant: the same work on several sets of inputs, taken in turn."""

    def __init__(self, name: str, works: list[Work]) -> None:
        self.name = name
        self.works = works
        self.times: list[float] = []
        self.turn = 0

    def run(self) -> object:
        self.turn = (self.turn + 1) % len(self.works)
        return self.works[self.turn]()


def orders(count: int) -> list[list[int]]:
    """Rounds in which each of so many comes behind each other one equally often (Williams 1949)."""
    steps = [(step + 1) // 2 if step % 2 else -step // 2 for step in range(count)]  # 0, 1, -1, 2, …
    rounds = [[(first + step) % count for step in steps] for first in range(count)]
    return rounds if count % 2 == 0 else rounds + [turn[::-1] for turn in rounds]


def median_times(rivals: list[Rival], rounds: int = 7, seconds: float = 0.04) -> dict[str, float]:
    """Milliseconds a call of each, measured in interleaved rounds; all are warmed up first.

    As many rounds as give each rival each place behind another equally often: about ``rounds``.
    """
    repeats, lead = {}, {}
    for rival in rivals:
        for _ in range(len(rival.works) + 2):
            rival.run()
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(5):
            rival.run()
        host = (time.perf_counter() - began) / 5
        torch.cuda.synchronize()
        once = max(1e-3, _elapsed(rival, 3, host * 3))
        repeats[rival.name] = max(3, min(_QUEUE, int(1e3 * seconds / once)))
        lead[rival.name] = 1.5 * host * repeats[rival.name]
    # Where power is the limit, whoever follows a slow rival finds a cooler card: 10% and more.
    turns = orders(len(rivals))
    for turn in turns * max(1, round(rounds / len(turns))):
        for rival in (rivals[place] for place in turn):
            rival.times.append(_elapsed(rival, repeats[rival.name], lead[rival.name]))
    return {rival.name: statistics.median(rival.times) for rival in rivals}


def _elapsed(rival: Rival, repeats: int, lead: float) -> float:
    """Milliseconds a call, of a burst that the GPU finds queued: host overhead is hidden."""
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    _other_memory(torch.device("cuda", torch.cuda.current_device())).sum()
    torch.cuda._sleep(int(_CYCLES_PER_SECOND * (lead + 1e-4)))  # meanwhile the host runs ahead
    start.record()
    for _ in range(repeats):
        rival.run()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / repeats


def host_microseconds(works: dict[str, Work], repeats: int = 40) -> dict[str, float]:
    """Time the host spends on one call of each, whose GPU work is tiny: the least of many rounds.

    The rounds are short and interleaved, since a host has slow seconds.
    """
    best = dict.fromkeys(works, float("inf"))
    for _ in range(25):
        for name, work in works.items():
            torch.cuda.synchronize()
            start = time.perf_counter()
            for _ in range(repeats):
                work()
            best[name] = min(best[name], (time.perf_counter() - start) / repeats)
    torch.cuda.synchronize()
    return {name: 1e6 * seconds for name, seconds in best.items()}


def copy_limit(device: torch.device) -> float:
    """GB/s, read and written, of torch's copy of 4 GiB: the roofline of memory-bound work."""
    source = torch.empty(2**30, dtype=torch.float32, device=device).fill_(1.0)
    target = torch.empty_like(source)
    rival = Rival("copy", [lambda: target.copy_(source)])
    return 2 * source.nbytes / median_times([rival])["copy"] / 1e6
