"""Sweeps the tiles of attention's portable kernels and prints the best, as JSON lines.

    python benchmarks/tune_attention.py [--sizes 64 128 256] [--lengths 4096 16384]

Each candidate is compiled beforehand, in as many processes as there are cores; then all are timed,
full and causal, beside torch's FlashAttention-2.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import torch
from measure import Rival, median_times, require_gpu
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from triton_kernels.ops.attention import launching, portable, portable_backward
from triton_kernels.ops.attention.features import Features
from triton_kernels.ops.attention.shapes import Tile

# Queries, keys, warps, stages, split loops: those that spill little on sm_90, by the compiler's
# report, and were near the best of a wider sweep.
CANDIDATES: dict[tuple[str, int], tuple[tuple[int, int, int, int, bool], ...]] = {
    ("forward", 64): ((128, 64, 8, 3, True), (128, 64, 8, 4, True), (64, 64, 4, 3, True),
                      (64, 64, 4, 4, True)),
    ("forward", 128): ((64, 64, 4, 3, True), (64, 64, 4, 3, False), (64, 64, 4, 4, True)),
    ("forward", 256): ((128, 64, 8, 2, True), (128, 64, 8, 2, False)),
    ("keys", 64): ((128, 128, 8, 2, True), (128, 128, 8, 2, False), (64, 128, 8, 2, False),
                   (128, 64, 4, 2, False), (64, 64, 4, 3, False)),
    ("keys", 128): ((64, 64, 4, 2, True), (64, 64, 4, 2, False), (64, 128, 8, 2, True),
                    (64, 128, 8, 2, False), (64, 64, 4, 3, False)),
    ("keys", 256): ((64, 64, 8, 2, True), (64, 64, 8, 2, False), (32, 64, 8, 2, False)),
    ("rows", 64): ((64, 64, 4, 3, True), (64, 64, 4, 3, False), (64, 64, 4, 2, True),
                   (128, 64, 8, 3, False)),
    ("rows", 128): ((64, 64, 4, 2, True), (64, 64, 4, 2, False), (64, 64, 4, 3, True),
                    (64, 128, 4, 2, True)),
    ("rows", 256): ((128, 32, 8, 2, True), (128, 32, 8, 2, False), (64, 64, 8, 2, False)),
}  # fmt: skip


def make(size: int, length: int) -> list[torch.Tensor]:
    """Query, key, value, output, grad: 16384 tokens of 2048 channels."""
    shape = (16384 // length, 2048 // size, length, size)
    return [torch.randn(shape, device="cuda", dtype=torch.bfloat16) for _ in range(5)]


def launch_of(work: str, tensors: list[torch.Tensor], f: Features, tile: Tile) -> Any:
    """The launch of one kernel and the tensors it takes."""
    q, k, v, o, g = tensors
    kernel, taken = {
        "forward": (portable._forward, (q, k, v, o)),
        "keys": (portable_backward._keys_backward, (q, k, v, g, torch.empty_like(k), o)),
        "rows": (portable_backward._rows_backward, (q, k, v, g, o)),
    }[work]
    rows = torch.zeros(q.shape[:3], device=q.device)
    beside = launching.pointers(f)
    launch = launching.plan(kernel, work, taken, f, tile)
    if work == "forward":
        return lambda: launch(*taken, rows, *beside)
    return lambda: launch(*taken, rows, rows, *beside)


def features(size: int, causal: bool) -> Features:
    return Features(scale=size**-0.5, right=0 if causal else -1)


def compile_one(job: tuple[str, int, int, tuple[int, int, int, int, bool], bool]) -> None:
    """In a process of its own: fills triton's cache on disk."""
    work, size, length, tile, causal = job
    try:
        launch_of(work, make(size, length), features(size, causal), Tile(*tile))()
        torch.cuda.synchronize()
    except Exception as error:  # too much shared memory: the sweep says so
        print(job, type(error).__name__, str(error)[:120], flush=True)


def jobs(sizes: list[int], length: int) -> Iterator[tuple[Any, ...]]:
    for (work, size), tiles in CANDIDATES.items():
        if size in sizes:
            for tile, causal in itertools.product(tiles, (False, True)):
                yield work, size, length, tile, causal


def theirs(tensors: list[torch.Tensor], causal: bool) -> tuple[Any, Any]:
    """FlashAttention-2's forward and backward."""
    leaves = [x.detach().requires_grad_() for x in tensors[:3]]
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        output = scaled_dot_product_attention(*leaves, is_causal=causal)

    def forward() -> Any:
        with torch.no_grad(), sdpa_kernel(SDPBackend.FLASH_ATTENTION):
            return scaled_dot_product_attention(*leaves, is_causal=causal)

    def backward() -> Any:
        return torch.autograd.grad(output, leaves, tensors[4], retain_graph=True)

    return forward, backward


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 128, 256])
    parser.add_argument("--lengths", type=int, nargs="*", default=[4096])
    parser.add_argument("--processes", type=int, default=12)
    options = parser.parse_args()
    require_gpu()
    began = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        pool.map(compile_one, list(jobs(options.sizes, options.lengths[0])), chunksize=1)
    print(f"compiled in {time.perf_counter() - began:.0f} s", flush=True)
    for size, length, causal in itertools.product(options.sizes, options.lengths, (False, True)):
        tensors = make(size, length)
        half = 0.5 if causal else 1.0
        flops = 4 * half * 16384 * length * 2048
        forward, backward = theirs(tensors, causal)
        times = median_times([Rival("f", [forward]), Rival("b", [backward])], 3, 0.01)
        label = {"size": size, "length": length, "causal": causal}
        fa2 = {"forward": flops / times["f"] / 1e9, "backward": 2.5 * flops / times["b"] / 1e9}
        print(json.dumps({**label, "FA2": {k: round(v) for k, v in fa2.items()}}), flush=True)
        for work in ("forward", "keys", "rows"):
            found = []
            for shape in CANDIDATES[work, size]:
                tile = Tile(*shape)
                try:
                    run = launch_of(work, tensors, features(size, causal), tile)
                    found.append((median_times([Rival("", [run])], 3, 0.008)[""], tile))
                except Exception as error:
                    print(shape, type(error).__name__, str(error)[:100])
            found.sort(key=lambda pair: pair[0])
            best = [{"ms": round(ms, 3), **asdict(tile)} for ms, tile in found]
            if work == "forward":
                label["TFLOP/s"] = round(flops / found[0][0] / 1e9)
            print(json.dumps({**label, "work": work, "best": best}), flush=True)
        del tensors
    return 0


if __name__ == "__main__":
    sys.exit(main())
