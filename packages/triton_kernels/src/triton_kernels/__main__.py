"""``python -m triton_kernels``: the environment, the ops and their backends, a self-test."""

from __future__ import annotations

import argparse
import platform
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

import triton_kernels
from triton_kernels import _compat, registry
from triton_kernels.registry import Op, Sample


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


def _samples(op: Op, device: torch.device) -> Iterator[tuple[Sample, tuple[Any, ...]]]:
    """Calls in every dtype, float32 first, and the kernel's inputs for them."""
    for dtype in sorted(op.dtypes, key=lambda dtype: dtype is not torch.float32):
        for sample in op.samples(device, dtype):
            if sample.args[0].numel() > 16:
                yield sample, op.checked(*sample.args, **sample.kwargs)


def _results(op: Op, sample: Sample, run: Callable[..., Any], **backend: str) -> list[torch.Tensor]:
    """The results, then the gradients of the sum of their squares."""
    args = [x.detach().clone() if isinstance(x, torch.Tensor) else x for x in sample.args]
    leaves = [x.requires_grad_() for x in args if op.differentiable and isinstance(x, torch.Tensor)]
    result = run(*args, **sample.kwargs, **backend)
    ys = result if isinstance(result, tuple) else (result,)
    squares = sum((y * y.detach()).sum() for y in ys)
    return [*ys, *(torch.autograd.grad(squares, leaves) if leaves else ())]


def _passes(op: Op, sample: Sample, backend: str) -> bool:
    """Whether forward and backward are as near to torch in float64 as its own dtypes round,
    beside what torch loses in the sample's dtype."""
    wide = [x.double() if isinstance(x, torch.Tensor) else x for x in sample.args]
    exact = _results(op, replace(sample, args=tuple(wide)), op.torch_function)
    torchs = _results(op, sample, op.torch_function)
    for actual, own, wanted in zip(
        _results(op, sample, op.function, backend=backend), torchs, exact, strict=True
    ):
        if not actual.is_floating_point():
            if not torch.equal(actual, wanted):
                return False
            continue
        rounding = max(1e-4, 2 * torch.finfo(actual.dtype).eps)
        loss = (own.double() - wanted).abs().nan_to_num(0.0)  # -inf from -inf
        slack = 4 * loss.max() if loss.numel() else 0.0
        bound = rounding * (1 + wanted.abs()) + slack
        error = (actual.double() - wanted).abs()
        if not bool(((error <= bound) | (actual == wanted)).all()):
            return False
    return True


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
        for backend in op.kernel.backends:
            fit, reason = None, ""
            for sample, inputs in _samples(op, device):
                if (refusal := backend.refuses(*inputs)) is None:
                    fit = sample
                    break
                reason = reason or refusal
            if fit is None:
                print(f"  {backend.name:<10} not here: {reason}")
                continue
            passed = _passes(op, fit, backend.name)
            failures += not passed
            tested.add(backend.name)
            kind = str(fit.args[0].dtype).removeprefix("torch.")
            print(f"  {backend.name:<10} {'ok' if passed else 'WRONG RESULT'} ({kind})")
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
