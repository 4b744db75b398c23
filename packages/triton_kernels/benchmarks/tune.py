"""Sweeps the configurations of softmax and matmul on this GPU; the best go into ``shapes.py``.

    python benchmarks/tune.py [softmax|matmul …]

Prints one JSON line a case, as soon as it is done: the best configurations with their rates,
fastest first, and the number of those that failed to build.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import torch
from measure import Rival, Work, copies_beyond_cache, median_times, require_gpu
from triton_kernels.ops.gemm import portable as gemm_portable
from triton_kernels.ops.gemm import shapes as gemm_shapes
from triton_kernels.ops.gemm import tma
from triton_kernels.ops.softmax import portable as softmax_portable
from triton_kernels.ops.softmax import shapes as softmax_shapes

KEPT = 5


def sweep(label: dict[str, Any], rivals: Iterator[tuple[Any, list[Any]]], work: float) -> None:
    """Measures every configuration shortly, then the best ones again, interleaved."""
    tiles, failures, reason, began = {}, 0, "", time.perf_counter()
    for tile, works in rivals:
        rival = Rival(str(tile), works)
        try:
            ms = median_times([rival], rounds=2, seconds=0.01)[rival.name]
        except Exception as error:  # too much shared memory, too few registers: not a candidate
            failures, reason = failures + 1, f"{type(error).__name__}: {str(error)[:150]}"
            continue
        tiles[rival.name] = (ms, tile, works)
    best = sorted(tiles.values(), key=lambda entry: entry[0])[: 2 * KEPT]
    finalists = [Rival(str(tile), works) for _, tile, works in best]
    times = median_times(finalists, rounds=5)
    order = sorted(best, key=lambda entry: times[str(entry[1])])[:KEPT]
    result = {
        **label,
        "best": [{"rate": round(work / times[str(t)], 1), **asdict(t)} for _, t, _ in order],
        "tried": len(tiles),
        "failed": failures,
        "last_failure": reason,
        "seconds": round(time.perf_counter() - began),
    }
    print(json.dumps(result), flush=True)


def softmax_tiles(columns: int) -> Iterator[softmax_shapes.Tile]:
    width = 1 << (columns - 1).bit_length()
    if width <= softmax_shapes.ONE_PASS_COLUMNS:
        for rows, warps, (stages, programs) in itertools.product(
            (1, 2, 4), (2, 4, 8, 16, 32), ((1, 0), (1, 2), (1, 4), (2, 1), (2, 2), (3, 1), (3, 2))
        ):
            # 8 to 128 values a thread: less idles, more spills; stages lie in shared memory.
            values = rows * width // (32 * warps)
            if 8 <= values <= 128 and rows * width * 2 * stages <= 256 * 1024:
                yield softmax_shapes.Tile(rows, width, warps, stages, programs)
    if columns >= 16384:
        for chunk, warps, stages, programs in itertools.product(
            (2048, 4096, 8192, 16384), (4, 8, 16, 32), (1, 2, 3, 4), (0, 1, 2, 3, 4)
        ):
            if 8 <= chunk // (32 * warps) <= 64:
                yield softmax_shapes.Tile(1, chunk, warps, stages, programs)
        for part, warps in itertools.product((2048, 4096, 8192, 16384), (2, 4, 8, 16)):
            if 16 <= part // (32 * warps) <= 64 and 1 < -(-columns // part) <= 64:
                yield softmax_shapes.Tile(1, part, warps, parts=-(-columns // part))


def tune_softmax(device: torch.device) -> None:
    for columns in (1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072):
        shape = (2**26 // columns, columns)
        count = copies_beyond_cache(2**27, device)
        xs = [torch.randn(shape, device=device, dtype=torch.bfloat16) for _ in range(count)]
        ys = [x.softmax(-1) for x in xs]

        def forward(tile: Any, xs: list[Any] = xs) -> list[Work]:
            return [lambda x=x: softmax_portable.softmax(x, 1, tile) for x in xs]

        def backward(tile: Any, xs: list[Any] = xs, ys: list[Any] = ys) -> list[Work]:
            pairs = list(zip(xs, ys, strict=True))
            return [
                lambda x=x, y=y: softmax_portable.softmax_backward(x, y, 1, tile) for x, y in pairs
            ]

        for direction, works, passes in (("forward", forward, 2), ("backward", backward, 3)):
            label = {"op": "softmax", "columns": columns, "direction": direction, "unit": "GB/s"}
            rivals = ((tile, works(tile)) for tile in softmax_tiles(columns))
            sweep(label, rivals, passes * xs[0].nbytes / 1e6)


def tma_tiles() -> Iterator[gemm_shapes.Tile]:
    blocks = ((128, 256, 64), (256, 128, 64), (128, 128, 64), (128, 128, 128), (64, 256, 64))
    for (m, n, k), stages, group, split in itertools.product(
        blocks, (3, 4, 5), (4, 8, 16), (False, True)
    ):
        for warps in (4, 8) if m * n < 128 * 256 else (8,):
            yield gemm_shapes.Tile(m, n, k, warps, stages, group, split)


def pointer_tiles(dtype: torch.dtype) -> Iterator[gemm_shapes.Tile]:
    blocks = (
        ((128, 256, 64), (128, 128, 64), (256, 64, 64), (64, 128, 64), (64, 64, 64))
        if dtype is not torch.float32
        else ((128, 256, 32), (128, 128, 32), (128, 64, 32), (64, 64, 32))
    )
    for (m, n, k), stages, warps in itertools.product(blocks, (2, 3, 4), (4, 8)):
        yield gemm_shapes.Tile(m, n, k, warps, stages)


def tune_matmul(device: torch.device) -> None:
    for size, layout in ((2048, "nn"), (4096, "nn"), (8192, "nn"), (4096, "nt"), (4096, "tn")):
        a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
        a, b = a.t() if layout[0] == "t" else a, b.t() if layout[1] == "t" else b
        label = {"op": "matmul", "size": size, "layout": layout, "unit": "TFLOP/s"}
        rivals = (
            (tile, [lambda t=tile, a=a, b=b: tma.matmul(a, b, "ieee", t)]) for tile in tma_tiles()
        )
        sweep({**label, "backend": "tma"}, rivals, 2 * size**3 / 1e9)
    for dtype, precision in ((torch.bfloat16, "ieee"), (torch.float32, "tf32")):
        a, b = (torch.randn(4096, 4096, device=device, dtype=dtype) for _ in range(2))
        label = {"op": "matmul", "size": 4096, "dtype": str(dtype)[6:], "unit": "TFLOP/s"}
        rivals = (
            (tile, [lambda t=tile, a=a, b=b, p=precision: gemm_portable.matmul(a, b, p, t)])
            for tile in pointer_tiles(dtype)
        )
        sweep({**label, "backend": "portable"}, rivals, 2 * 4096**3 / 1e9)


TUNED = {"softmax": tune_softmax, "matmul": tune_matmul}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ops", nargs="*", help=f"of {', '.join(TUNED)}; all if none")
    chosen = parser.parse_args().ops or list(TUNED)
    if strange := set(chosen).difference(TUNED):
        parser.error(
            f"no sweep of {', '.join(sorted(strange))}; there is one of {', '.join(TUNED)}"
        )
    device = require_gpu()
    for name in chosen:
        TUNED[name](device)
    return 0


if __name__ == "__main__":
    sys.exit(main())
