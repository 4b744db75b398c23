"""What the assembler makes of attention's Hopper kernels; needs no GPU, only triton's own tools.

    python benchmarks/hopper_assembly.py [--sizes 64 128 256]

Per kernel: shared memory, registers spilled, and the inner loop of one warpgroup as a sequence:
HGMMA products, DEPBAR<=n waits for all but n groups of them, alu the arithmetic between, BAR
barriers of the warpgroup, RED additions in memory. A wait that stands before the arithmetic which
it was written behind shows here, and so does a pipeline that the assembler gave up.
"""

from __future__ import annotations

import argparse
import itertools
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton_kernels._gluon import TensorDescriptor, gl
from triton_kernels.ops.attention import (
    hopper_attend,
    hopper_forward,
    hopper_narrow,
    hopper_queries,
    hopper_shares,
    hopper_wide,
)
from triton_kernels.ops.attention.hopper_forward import descriptor

_TOOLS = Path(triton.__file__).parent / "backends/nvidia/bin"
_ALU = {"FMNMX", "FFMA", "FADD", "FMUL", "MUFU", "F2FP", "FSEL", "ISETP", "PRMT", "SEL"}
_SHOWN = {"SHFL", "BAR", "SYNCS", "BRA", "STSM", "LDS", "LDL", "STL"}


class Hopper:
    """Stands for a driver that sees an H200: enough to compile for it."""

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", 90, 32)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int = 0) -> int:
        return 0


def kind(instruction: str) -> str | None:
    words = re.sub(r"@!?U?P\d+ ", "", instruction).split()
    name = words[0].split(".")[0]
    if name == "HGMMA":
        return name
    if "DEPBAR" in words[0] and name == "WARPGROUP":
        return f"DEPBAR<={words[-1]}"
    if name.startswith("RED"):
        return "RED"
    return "alu" if name in _ALU else name if name in _SHOWN else None


def inner_loop(assembly: str) -> str:
    """The first branch back over products, runs of one kind counted.

    Later ones lead back from the end of the code, where waiting loops are put.
    """
    lines = re.findall(r"/\*([0-9a-f]{4,})\*/\s+(.*?);", assembly)
    code = [(int(address, 16), text) for address, text in lines]
    for address, text in code:
        back = re.search(r"BRA.*(0x[0-9a-f]+)$", text.strip())
        if back and int(back[1], 16) < address:
            body = [t for a, t in code if int(back[1], 16) <= a <= address]
            if any("HGMMA" in t for t in body):
                break
    kinds = filter(None, map(kind, body))
    runs = ((name, len(list(run))) for name, run in itertools.groupby(kinds))
    return " ".join(f"{name}·{count}" if count > 1 else name for name, count in runs)


def report(name: str, kernel: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
    compiled = kernel.warmup(*arguments, grid=(1,), num_warps=4, **options)
    with tempfile.TemporaryDirectory() as folder:
        ptx, cubin = Path(folder, "k.ptx"), Path(folder, "k.cubin")
        ptx.write_text(compiled.asm["ptx"])
        cubin.write_bytes(compiled.asm["cubin"])
        told = subprocess.run(
            [_TOOLS / "ptxas", "-v", "--gpu-name=sm_90a", ptx, "-o", "/dev/null"],
            capture_output=True, text=True, check=True,
        ).stderr  # fmt: skip
        assembly = subprocess.run(
            [_TOOLS / "cuobjdump", "-sass", cubin], capture_output=True, text=True, check=True
        ).stdout
    spilled = re.search(r"(\d+) bytes spill stores", told)
    lost = "; PRODUCTS IN SERIES" if "serialized" in told else ""
    print(
        f"{name}: {compiled.metadata.shared} bytes shared, "
        f"{spilled[1] if spilled else '?'} bytes spilled{lost}\n    {inner_loop(assembly)}",
        flush=True,
    )


def forward(size: int, causal: bool) -> None:
    t = hopper_forward.tiling(size, 4096, causal)
    x = torch.empty(1, 1, 4096, size, dtype=torch.bfloat16)
    q, k = descriptor(x, 64, size), descriptor(x, t.keys, size)
    o = descriptor(x, 64, size // 2) if t.halves else q
    options = {
        "LEFT": False, "RIGHT": causal, "CAPPED": False, "SLOPED": 0, "BIAS": False,
        "SINKS": False, "PACKED": False, "PING_PONG": t.ping_pong, "ONCE": True,
        "ORDER": "sections" if causal else "heads", "PARTIES": t.parties, "SLOTS": t.slots,
        "V_SLOTS": t.v_slots, "QUERIES": t.queries, "KEPT": t.kept,
        "AHEAD": t.ahead or t.anchored, "ANCHORED": t.anchored,
        "REGISTERS": 240 if t.parties == 2 else 160,
        "AFTER": not causal, "BOUNDED": False, "SHARED": False, "MASKED": False, "DROPS": False,
        "maxnreg": 168 if t.parties == 2 else 128,
    }  # fmt: skip
    rows, places = torch.empty(16), torch.empty(16, dtype=torch.int32)
    heads = (4, 16, 2, 4096, 4096, 0, 0, 4, size, size, size, 0, 0)
    sizes = (*heads, 0.1, 0.0, 0, 0, 0, 0, 0, 1.0, 0, 0)
    name = f"forward d{size} {'causal' if causal else 'full'}"
    arguments = (q, k, k, o, q, x, rows, rows, rows, places, places, places, places, *sizes)
    report(name, hopper_attend.forward, arguments, options)


def backward(size: int, causal: bool, deterministic: bool) -> None:
    t = hopper_shares.tiling(size, 4096, causal, deterministic)
    x = torch.empty(1, 1, 4096, size, dtype=torch.bfloat16)
    q, k = descriptor(x, t.rows, size), descriptor(x, 64, size)
    lines, tiles = torch.empty(8, 4096), torch.empty(640, t.rows, dtype=x.dtype)
    layout = gl.NVMMASharedLayout(0, 32, 2)
    rows = TensorDescriptor(lines, [8, 4096], [4096, 1], [1, t.rows], layout)
    ds = k
    if t.split:
        layout = gl.NVMMASharedLayout.get_default_for([64, t.rows], gl.bfloat16)
        ds = TensorDescriptor(tiles, [640, t.rows], [t.rows, 1], [64, t.rows], layout)
    name = f"d{size} {'causal' if causal else 'full'}{' split' if t.split else ''}"
    bounds = {"LEFT": False, "RIGHT": causal, "maxnreg": 168}
    options = {"CAPPED": False, "SLOTS": t.slots, "NEAR": t.near, **bounds}
    descriptors = (q, k, k, q, rows, k, k, ds)
    sizes = (4, 2, 4096, 4096, 0, 0, 0, 8, 0, 4, 66, 2)
    scales = (0.1, 0.0, 0.1)
    if size == 256:
        arguments = (*descriptors, *sizes, *scales)
        report(f"backward {name}", hopper_wide.backward, arguments, options)
    else:
        options |= {"SPLIT": t.split, "SHIFT": t.shift, "BIAS": False, "SLOPED": False}
        options |= {"MASKED": False, "NEIGHBOURS": False}
        arguments = (*descriptors, k, lines, lines, *sizes, 0, 0, 0, 0, 0, 0, *scales, lines)
        report(f"backward {name}", hopper_narrow.backward, arguments, options)
    if t.split:
        options = {"KEYS": 64 if size == 256 else 128, "ADD": False, "KEEP": False, **bounds}
        options |= {"SLOTS": hopper_queries.SLOTS[size], "NEIGHBOURS": False}
        arguments = (ds, k, k, lines, 4, 2, 4096, 4096, 0, 0, 0, 64, 0, 66, 2, 0.1)
        report(f"queries' gradient {name}", hopper_queries.multiply, arguments, options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 128, 256])
    options = parser.parse_args()
    driver.set_active(Hopper())
    for size, causal in itertools.product(options.sizes, (False, True)):
        forward(size, causal)
        for deterministic in (False, True):
            backward(size, causal, deterministic)


if __name__ == "__main__":
    main()
