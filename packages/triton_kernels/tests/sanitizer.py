"""NVIDIA's compute-sanitizer over every room's kernels, forward and backward; needs a GPU.

    python tests/sanitizer.py [op …] [--tool memcheck] [--tool racecheck] [--jobs 4]

Each room runs in a process of its own under each tool: small ragged samples of each of its ops, by
every backend that takes them, each tensor in an allocation of its own so that one element too far
is seen. So does each entry of ``BESIDE``, which can be named like an op: packed sequences, latents
of DeepSeek's size. Prints a line for each run, then the findings; 1 if there are any. Compiling
takes most of a first run.

racecheck reports words that nobody races for: where a Gluon kernel sends warps on different ways
(``gl.warp_specialize``) the compiler tells each warp its way by a byte in shared memory, and hands
over values that a way needs. All warps meet at one barrier (BAR.SYNC 1) between writing and
reading, and again before the next writing; but they meet there from different places in the code,
which racecheck does not follow. These accesses have no line of ours but the kernel's ``def``,
``gl.warp_specialize(`` and the ``if`` that this call stands in (in the disassembly: stores behind
all barriers of ours, then BAR.SYNC 1): reports of such accesses alone are passed over, see
``is_of_the_compiler``.

It also reports what one warpgroup leaves for others at an mbarrier, if all its threads write and
one arrives for all. They are ordered: the writers meet before (BAR.SYNC), so what they wrote
happens before that arrival, which releases it, and the others' wait acquires it. racecheck follows
only what the arriving thread wrote itself. ``HANDED_OVER`` names the arrays; reports of a load and
a store of one of them, and of nothing else, are passed over.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
import triton_kernels
from triton_kernels import registry

TOOLS = ("memcheck", "racecheck")
PLACES = ("/usr/local/cuda/bin/compute-sanitizer",)
DTYPES = (torch.bfloat16, torch.float32, torch.float8_e4m3fn)
SAMPLES, MOST_ELEMENTS, SECONDS = 3, 1 << 18, 280


def run_here(op: registry.Op) -> int:
    """Runs the op's samples on the GPU, saying how long each took; how many calls these were."""
    device, calls, began = torch.device("cuda"), 0, time.monotonic()
    for dtype in (d for d in DTYPES if d in op.dtypes):
        for sample in small(op, device, dtype):
            inputs = op.checked(*sample.args, **sample.kwargs)
            for backend in op.kernel.backends:
                if backend.name == "reference" or backend.refuses(*inputs) is not None:
                    continue
                args = [
                    x.detach().clone().requires_grad_(op.differentiable)
                    if isinstance(x, torch.Tensor)
                    else x
                    for x in sample.args
                ]
                result = op.function(*args, **sample.kwargs, backend=backend.name)
                ys = result if isinstance(result, tuple) else (result,)
                ys = tuple(y for y in ys if y.requires_grad)
                if ys:
                    torch.autograd.backward(ys, [torch.ones_like(y) for y in ys])
                calls += 1
                torch.cuda.synchronize()
                began = _say(f"{op.name}, {sample.name}, {dtype}, {backend.name}", began)
    return calls


def _say(what: str, began: float) -> float:
    """Says how long a call has taken, which is what is left of a run that has to be ended."""
    now = time.monotonic()
    print(f"{now - began:6.1f} s  {what}", file=sys.stderr, flush=True)
    return now


PACKED = ((64, 0.0), (128, 0.2), (256, 0.0))
"""Sizes of a head and dropout: one of each of the ways that the backward goes on Hopper."""


def packed() -> int:
    """Packed sequences, one without queries: forward and backward where queries end within tiles,
    forward where keys do; how many calls."""
    of_q, of_k, within = (
        torch.tensor(x, dtype=torch.int32, device="cuda")
        for x in ((0, 70, 71, 71, 199), (0, 128, 256, 384, 512), (0, 128, 200, 383, 512))
    )
    began = time.monotonic()
    for size, dropout in PACKED:
        shapes = ((199, 4, size), (512, 2, size), (512, 2, size))
        leaves = [
            torch.randn(s, dtype=torch.bfloat16, device="cuda").requires_grad_() for s in shapes
        ]
        y = triton_kernels.flash_attention_varlen(
            *leaves, of_q, of_k, 128, 128, causal=True, dropout=dropout
        )
        y.backward(torch.ones_like(y))
        with torch.no_grad():
            triton_kernels.flash_attention_varlen(*leaves, of_q, within, 128, 183)
        torch.cuda.synchronize()
        began = _say(f"packed, size {size}", began)
    return 2 * len(PACKED)


LATENTS = ((16, (130, 230), 0), (128, None, 0), (100, (130, 230), 0), (65, (411, 300), 64))
"""Heads, lengths and size of a page: the kernel for few heads, and that for many."""


def latents() -> int:
    """Latents of DeepSeek's size, whole, ending within tiles, and in pages; how many calls."""
    began = time.monotonic()
    for heads, of_keys, page in LATENTS:
        query = torch.randn(2, heads, 1, 576, dtype=torch.bfloat16, device="cuda")
        shape = (2 * 512 // page, page, 576) if page else (2, 300, 576)
        cache = torch.randn(shape, dtype=torch.bfloat16, device="cuda")
        lengths = None if of_keys is None else torch.tensor(of_keys).int().cuda()
        table = torch.randperm(len(cache)).view(2, -1).int().cuda() if page else None
        triton_kernels.mla_decode_attention(
            query, cache, 512, lengths, table, scale=0.07, backend="hopper"
        )
        torch.cuda.synchronize()
        began = _say(f"latents, {heads} heads", began)
    return len(LATENTS)


SHORT = ((8, 1, None), (4, 1, (2000, 70)), (4, 4, (1500, 0)))
"""Heads of a group, tokens, lengths: all tiles whole, tiles that end early, programs without."""


def short() -> int:
    """Short caches that all processors share, whole, ending within tiles; how many calls."""
    began = time.monotonic()
    for group, tokens, of_keys in SHORT:
        query = torch.randn(2, 2 * group, tokens, 128, dtype=torch.bfloat16, device="cuda")
        keys, values = torch.randn(2, 2, 2, 2048, 128, dtype=torch.bfloat16, device="cuda")
        lengths = None if of_keys is None else torch.tensor(of_keys).int().cuda()
        triton_kernels.decode_attention(query, keys, values, lengths, backend="hopper")
        torch.cuda.synchronize()
        began = _say(f"short caches, {group} heads of a group", began)
    return len(SHORT)


BESIDE = {
    "packed": ("flash_attention", packed),
    "latents": ("mla_decode_attention", latents),
    "short": ("decode_attention", short),
}
"""Calls of an op's kernels that its samples do not make, run with the op or by their own name."""


def small(op: registry.Op, device: torch.device, dtype: torch.dtype) -> Iterator[registry.Sample]:
    """A few samples that hold something, the largest first among those of few elements."""

    def elements(sample: registry.Sample) -> int:
        return sum(x.numel() for x in sample.args if isinstance(x, torch.Tensor))

    fit = [s for s in op.samples(device, dtype) if 0 < elements(s) <= MOST_ELEMENTS]
    yield from sorted(fit, key=elements, reverse=True)[:SAMPLES]


_ACCESS = re.compile(r"(?:Read|Write) access at (\w+)\+0x[0-9a-f]+ in (\w+\.py):(\d+)")
_SUMMARY = re.compile(r"RACECHECK SUMMARY: .*\((\d+) errors?, 0 warnings\)")


def is_of_the_compiler(kernel: str, name: str, line: int) -> bool:
    """Whether this line of a kernel's file accesses no shared memory but what
    ``gl.warp_specialize`` tells the warps: the line of the kernel's def, of that call, or of an
    ``if`` around it whose condition calls nothing."""
    for path in Path(triton_kernels.__file__).parent.rglob(name):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name == kernel:
                return line in {node.lineno, *_sends_warps(node.body)}
    return False


def _sends_warps(body: list[ast.stmt]) -> Iterator[int]:
    """The lines of ``gl.warp_specialize(`` in a kernel, and of the conditions it stands under."""
    for statement in body:
        if isinstance(statement, ast.If):
            found = [*_sends_warps(statement.body), *_sends_warps(statement.orelse)]
            yield from found
            if found and not any(isinstance(x, ast.Call) for x in ast.walk(statement.test)):
                yield statement.lineno
        elif ast.unparse(statement).startswith("gl.warp_specialize("):
            yield statement.lineno


HANDED_OVER = {"hopper_latent_many.py": ("share", ("fades", "totals"))}
"""By file: a kernel, and its arrays that a warpgroup hands over by one thread's arrival."""


def array_handed_over(kernel: str, name: str, line: int) -> str | None:
    """The one of ``HANDED_OVER`` that this line of a kernel's file accesses, and nothing else."""
    its_kernel, arrays = HANDED_OVER.get(name, (None, ()))
    accessed = set()
    for path in Path(triton_kernels.__file__).parent.rglob(name) if kernel == its_kernel else ():
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and call.lineno == line:
                memory, _, what = ast.unparse(call.func).rpartition(".")
                if what in ("load", "store"):
                    accessed.add(memory.split(".")[0])
    return accessed.pop() if len(accessed) == 1 and accessed <= set(arrays) else None


def is_no_race(accesses: list[tuple[str, str, str]]) -> bool:
    """Whether the accesses of one report are the compiler's words, or one array handed over."""
    places = [(kernel, name, int(line)) for kernel, name, line in accesses]
    if len(places) < 2:
        return False
    arrays = {array_handed_over(*place) for place in places}
    return all(is_of_the_compiler(*place) for place in places) or (
        len(arrays) == 1 and None not in arrays
    )


def is_clean(said: str) -> bool:
    """Whether a run's reports are all there, and all of what is no race."""
    if re.search(r"SUMMARY: 0 (errors|hazards)", said):
        return True
    reports = re.split(r"(?m)^=+ (?=Error|Warning)", said)[1:]
    counted = _SUMMARY.search(said)
    if not counted or int(counted[1]) != len(reports):
        return False
    return all(is_no_race(_ACCESS.findall(report)) for report in reports)


class Groups:
    """Commands that run, each in a group of processes of its own, which ends as a whole: a tool's
    child would stay on the GPU, and spoil what is timed there."""

    def __init__(self) -> None:
        self._running: set[int] = set()
        self._changing = threading.RLock()
        self._over = False

    def run(
        self, command: list[str], seconds: float, environment: dict[str, str] | None = None
    ) -> tuple[int | None, str]:
        """What a command returned, None if it was ended after so many seconds, and said."""
        with self._changing:
            if self._over:
                raise SystemExit(1)
            run = subprocess.Popen(
                command, env=environment, text=True, start_new_session=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            self._running.add(run.pid)
        try:
            said = run.communicate(timeout=seconds)
            return run.returncode, "".join(said)
        except subprocess.TimeoutExpired:
            self._end(run.pid)
            return None, "".join(run.communicate())
        finally:
            with self._changing:
                self._running.discard(run.pid)

    def _end(self, group: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)

    def end(self, number: int, frame: object) -> None:
        """Answers a signal: ends all, starts no other, and leaves."""
        with self._changing:
            self._over = True
            for group in self._running:
                self._end(group)
        raise SystemExit(128 + number)


def findings(groups: Groups, sanitizer: str, tool: str, names: tuple[str, ...]) -> str | None:
    """What a tool says of some ops' kernels; None if it finds nothing."""
    command = [sanitizer, "--tool", tool, "--error-exitcode", "9", "--print-limit", "1000"]
    command += [sys.executable, __file__, "--here", *names]
    environment = {**os.environ, "PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
    returned, said = groups.run(command, SECONDS, environment)
    if returned is None:
        return f"not through after {SECONDS} s:\n{said[-3000:]}"
    if returned in (0, 9) and is_clean(said):
        return None
    return said[-3000:]


def main() -> int:
    """Runs the tools over the rooms, some at a time."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("ops", nargs="*", default=[*registry.op_names(), *BESIDE], metavar="op")
    parser.add_argument("--tool", action="append", choices=TOOLS, dest="tools")
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--here", action="store_true", help="run the ops, under no tool")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("compute-sanitizer watches kernels on a GPU, and there is none")
    if arguments.here:
        for name in arguments.ops:
            calls = BESIDE[name][1]() if name in BESIDE else run_here(registry.get(name))
            print(name, calls, "calls")
        return 0
    sanitizer = shutil.which("compute-sanitizer") or next(filter(os.path.exists, PLACES), None)
    if sanitizer is None:
        raise SystemExit("compute-sanitizer is not on the PATH; it comes with the CUDA toolkit")
    rooms = [
        tuple(name for name in names if name in arguments.ops) for names in registry.ROOMS.values()
    ]
    rooms += [(x,) for x, (op, _) in BESIDE.items() if {x, op} & set(arguments.ops)]
    work = [(tool, room) for room in rooms if room for tool in arguments.tools or TOOLS]
    found, groups = 0, Groups()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, groups.end)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        results = pool.map(lambda pair: findings(groups, sanitizer, *pair), work)
        for (tool, room), said in zip(work, results, strict=True):
            print(f"{tool:<10} {', '.join(room):<50} {'clean' if said is None else said}")
            found += said is not None
    print(f"{len(work)} runs, {found} with findings, by {Path(sanitizer).name}")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
