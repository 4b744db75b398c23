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
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton_kernels._compat import Launch
from triton_kernels.ops.attention import hopper_backward, hopper_forward
from triton_kernels.ops.attention.features import Features

CASES: dict[str, dict[str, Any]] = {
    "full": {}, "causal": {"right": 0}, "deterministic": {"deterministic": True},
    "window": {"left": 500, "right": 0}, "dropout": {"dropout": 0.1},
}  # fmt: skip
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
    compiled = kernel.warmup(*arguments, grid=(1,), **options)
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


def launches(function: Callable[[], Any]) -> list[tuple[Any, tuple[Any, ...], dict[str, Any]]]:
    """The Gluon kernels that a call of ours launches, with their arguments and options."""
    found = []

    def record(launch: Launch, *tensors: Any, varying: tuple[float, ...] = ()) -> None:
        arguments = (*launch._shown(tensors), *launch._scalars, *varying)
        found.append((launch._kernel, arguments, {**launch._constants, **launch._options}))

    with (
        mock.patch.object(Launch, "__call__", record),
        mock.patch.object(hopper_backward, "launch"),
    ):
        function()
    return found


def attention(size: int, case: str) -> list[tuple[Any, tuple[Any, ...], dict[str, Any]]]:
    """Those of forward and backward, of two times four heads, as the library chooses them."""
    f = Features(scale=0.1, **CASES[case])
    q, k, v, grad = torch.empty(4, 2, 4, 4096, size, dtype=torch.bfloat16).unbind()
    lse, delta = torch.empty(2, 2, 4, 4096).unbind()
    forward = launches(lambda: hopper_forward.attend(q, k, v, f))
    return forward + launches(lambda: hopper_backward.gradients(grad, q, k, v, lse, delta, f))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 128, 256])
    options = parser.parse_args()
    driver.set_active(Hopper())
    for size, case in itertools.product(options.sizes, CASES):
        for kernel, arguments, chosen in attention(size, case):
            report(f"{kernel.__name__} d{size} {case}", kernel, arguments, chosen)


if __name__ == "__main__":
    main()
