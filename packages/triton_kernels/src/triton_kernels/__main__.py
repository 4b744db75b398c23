"""``python -m triton_kernels``: the environment, the ops and their backends, a self-test."""

from __future__ import annotations

import argparse
import platform
import signal
import sys
from collections.abc import Sequence

import torch

import triton_kernels
from triton_kernels import _compat, registry
from triton_kernels.registry import Op, Sample

_DTYPE = torch.float32


def _environment(device: torch.device) -> str:
    triton = _compat.TRITON_VERSION or "not installed"
    if _compat.interpreting():
        triton += " (interpreter)"
    where = "CPU"
    if device.type == "cuda":
        major, minor = _compat.device_of(device).capability
        where = f"{torch.cuda.get_device_name(device)} (sm_{major}{minor})"
    return (
        f"triton_kernels {triton_kernels.__version__}, Python {platform.python_version()}, "
        f"torch {torch.__version__}, triton {triton}, {where}"
    )


def _passes(op: Op, sample: Sample, backend: str) -> bool:
    """Whether forward and backward agree with torch in float64 to float32's precision."""
    args = [x.detach().clone() if isinstance(x, torch.Tensor) else x for x in sample.args]
    exact = [x.double() if isinstance(x, torch.Tensor) else x for x in args]
    results = []
    for run, inputs in ((op.torch_function, exact), (op.function, args)):
        tensors = [x for x in inputs if isinstance(x, torch.Tensor)]
        leaves = [x.requires_grad_() for x in tensors if op.differentiable]
        options = {"backend": backend} if run is op.function else {}
        result = run(*inputs, **sample.kwargs, **options)
        ys = result if isinstance(result, tuple) else (result,)
        squares = sum((y * y.detach()).sum() for y in ys)
        results.append([*ys, *(torch.autograd.grad(squares, leaves) if leaves else ())])
    units = [torch.finfo(y.dtype).eps for y in results[1] if y.is_floating_point()]
    rounding = max([1e-4, *units])
    return all(
        torch.allclose(actual.double(), wanted.double(), rtol=rounding, atol=rounding)
        for wanted, actual in zip(*results, strict=True)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what is there and tests every op with every backend that can run here."""
    parser = argparse.ArgumentParser(
        "python -m triton_kernels",
        description="Print the environment, the ops and their backends, and test each that can "
        "run here against torch in float64. Status 1 if one is wrong.",
    )
    parser.parse_args(arguments)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(_environment(device))
    failures, tested = 0, set()
    for name in registry.op_names():
        op = registry.get(name)
        print(f"\n{name}: {op.summary}")
        fit = (s for s in op.samples(device, _DTYPE) if s.args[0].numel() > 16)
        sample = next(fit)
        inputs = op.checked(*sample.args, **sample.kwargs)
        for backend in op.kernel.backends:
            if reason := backend.refuses(*inputs):
                print(f"  {backend.name:<10} not here: {reason}")
                continue
            passed = _passes(op, sample, backend.name)
            failures += not passed
            tested.add(backend.name)
            print(f"  {backend.name:<10} {'ok' if passed else 'WRONG RESULT'}")
    print(f"\nself-test: {failures} failed")
    if tested == {"reference"}:
        print(
            "It covered the references only: no kernel can run here. Run it on a GPU, or with "
            "TRITON_INTERPRET=1 for the kernels in triton's interpreter."
        )
    return 1 if failures else 0


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):  # end in silence when the reader of a pipe has gone
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
