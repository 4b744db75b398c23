"""The program that times a day's kernels inside a child process; the parent is `roofline.py`.

What is timed must be what was asked for. So every run, the ones that warm up among them, gets
inputs that were drawn for it alone; its result is copied the moment the clock stops, and only then
is the answer worked out, from a copy of the inputs made before the run. A result kept from an
earlier run, looked up by the identity of its input, filled in later or never written is a wrong
answer then, and one wrong answer ends the scoring. How fast the machine can be is measured before
the learner's file is imported.

Like `child`, it guards against accidents and shortcuts and is no sandbox.
"""

import builtins
import importlib
import importlib.util
import json
import os
import random
import statistics
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from roadmap_log.runner.child import (
    LONGEST_MESSAGE,
    Guard,
    Records,
    clip,
    die_with_parent,
    limit,
    unreadable,
)

WARM_UPS, RUNS = 3, 20
REHEARSED = 3
BELIEVED = 1.25
"""The largest share that is believed: reading alone may beat the copy that is the yardstick."""


class Device(Protocol):
    """What the timing asks of a machine.

    A track names the module whose `device()` makes it, and whose RELIES_ON are further modules that
    a learner's file must leave as they are, as it must the classes that module has by name.

    Attributes:
        name: what the device is called.
        small: whether it only manages a roofline's SMALL size.
        why_unmeasured: why its times say nothing, or "" where they do.
    """

    name: str
    small: bool
    why_unmeasured: str

    def bytes_per_second(self) -> float:
        """What a large copy reads and writes together."""

    def flops_per_second(self, precision: str) -> float:
        """The best rate of a matrix product in this precision."""

    def generator(self, seed: int) -> Any:
        """What a roofline's `inputs` draws from."""

    def copy(self, values: Any) -> Any:
        """A copy of inputs, or of a result; refuses what is no plain result, by TypeError."""

    def timed(self, roofline: Any, inputs: Any) -> tuple[float, Any]:
        """Seconds that `roofline.run(*inputs)` takes from cold caches, and a copy of its result."""


class Classes:
    """Notices when a class of the module that times is changed, as Guard does for modules."""

    def __init__(self, module: ModuleType) -> None:
        classes = [each for each in vars(module).values() if isinstance(each, type)]
        self._known = [(each, dict(vars(each))) for each in classes]

    def broken(self) -> str | None:
        """What was changed, or None."""
        for each, known in self._known:
            for name, value in known.items():
                if callable(value) and vars(each).get(name) is not value:
                    return f"{each.__name__}.{name} was replaced"
        return None


class Wrong(Exception):
    """A result under the clock is not right, or cannot be believed."""


def score(kind: Any, device: Device, draw: random.Random, runs: int = RUNS) -> dict[str, Any]:
    """Time one roofline of a day on `device`; `draw` gives the seeds of its inputs.

    Raises:
        Wrong: a result was not right, or the check of the results finds nothing wrong.
    """
    roofline = kind(kind.SMALL if device.small else kind.SIZE)
    precision = getattr(kind, "precision", "")
    if min(roofline.bytes, roofline.flops) < 0 or not roofline.bytes + roofline.flops:
        raise Wrong(f"bytes = {roofline.bytes}, flops = {roofline.flops}: nothing to do")
    if roofline.flops and not precision:
        raise Wrong('flops without a precision: say precision = "float16" or the like')
    seconds: list[float] = []
    before: Any = None
    for run in range(1, WARM_UPS + runs + 1):
        inputs = roofline.inputs(device.generator(draw.randrange(2**62)))
        kept = device.copy(inputs)
        took, result = _run(roofline, device, inputs, run)
        if wrong := _complaint(roofline, result, kept):
            raise Wrong(f"run {run} gave a wrong result: {wrong}")
        if run > 1 and _complaint(roofline, before, kept) is None:
            raise Wrong("the check takes the result of one run for that of another")
        before = result
        seconds.append(took)
    return {
        "seconds": statistics.median(seconds[WARM_UPS:]),
        "runs": runs,
        "bytes": roofline.bytes,
        "flops": roofline.flops,
        "precision": precision,
    }


def _run(roofline: Any, device: Device, inputs: Any, run: int) -> tuple[float, Any]:
    try:
        return device.timed(roofline, inputs)
    except Exception as error:
        if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
            raise  # that the machine is too small says nothing of the kernel
        raise Wrong(f"run {run} ended in {type(error).__name__}: {error}") from error


def _complaint(roofline: Any, result: Any, inputs: Any) -> str | None:
    """What the roofline's check says against a result, or None."""
    try:
        roofline.check(result, *inputs)
    except Exception as error:
        return str(error) or type(error).__name__
    return None


def share(found: dict[str, Any], limits: dict[str, Any]) -> dict[str, Any]:
    """How near the measured time is to the least the machine needs, and what bounds it.

    Raises:
        Wrong: it is nearer than any machine can be.
    """
    memory = found["bytes"] / limits["bytes_per_second"]
    rates = limits["flops_per_second"]
    compute = found["flops"] / rates[found["precision"]] if found["flops"] else 0.0
    least = max(memory, compute)
    share = least / found["seconds"] if found["seconds"] > 0 else float("inf")
    if share > BELIEVED:
        raise Wrong(
            f"{1e6 * found['seconds']:.3g} µs cannot be believed: this machine needs "
            f"{1e6 * least:.3g} µs at the least"
        )
    bound = "memory" if memory >= compute else "compute"
    return {"share": share, "least": least, "bound": bound}


def limits_of(device: Device, precisions: list[str]) -> dict[str, Any]:
    """What the machine can do at the most, measured now."""
    return {
        "bytes_per_second": device.bytes_per_second(),
        "flops_per_second": {name: device.flops_per_second(name) for name in precisions},
    }


def _imported(file: str) -> ModuleType:
    """The learner's file with the day's own tests below, as a module."""
    name = Path(file).stem
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _learners_line(error: BaseException, task: dict[str, Any]) -> int | None:
    """The last line of the learner's own part on the way to an error."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f.lineno for f in frames if f.filename == task["file"] and f.lineno]
    lines = [line for line in lines if line <= task["upper_lines"]]
    return lines[-1] if lines else None


def _score_all(task: dict[str, Any], records: Records) -> None:
    track = importlib.import_module(task["device"])
    device: Device = track.device()
    limits: dict[str, Any] = {}
    if not task["rehearse"]:
        if device.why_unmeasured:
            records.write("unscored", why=device.why_unmeasured)
            return
        limits = limits_of(device, task["precisions"])
        records.write("limits", device=device.name, **limits)
    trusted = [*task["modules"], "time", "random", task["device"], *track.RELIES_ON]
    draw = random.Random(task["seed"])
    guard, classes = Guard(trusted, task["builtins"]), Classes(track)
    try:
        module = _imported(task["file"])
    except BaseException as error:
        records.write("wrong", name="", message=f"{type(error).__name__}: {error}", line=None)
        return
    for name in task["rooflines"]:
        try:
            runs = REHEARSED if task["rehearse"] else RUNS
            found = score(getattr(module, name), device, draw, runs)
            if broken := guard.broken(module) or classes.broken():
                raise Wrong(f"the times cannot be trusted: {broken}")
            records.write("scored", name=name, **found, **(share(found, limits) if limits else {}))
        except Wrong as error:
            cause = error.__cause__ or error
            message = clip(str(error), LONGEST_MESSAGE)
            records.write("wrong", name=name, message=message, line=_learners_line(cause, task))
            return
    records.write("finish")


def main() -> int:
    """Do what the parent asks; 0 if every roofline was scored or said why not."""
    task = json.loads(sys.stdin.buffer.readline())
    records = Records(task["records"], task["token"])
    die_with_parent()
    limit(task["file_bytes"], task["cpu_seconds"])
    if problem := unreadable(task):
        records.write("wrong", name="", **problem)
        return 1
    try:
        _score_all(task, records)
    except BaseException as error:
        records.write("unscored", why=clip(f"{type(error).__name__}: {error}", LONGEST_MESSAGE))
        return 1
    return 0


if __name__ == "__main__":
    _exit = os._exit  # threads the learner left running must not hold the process
    status = main()
    builtins.print(end="", flush=True)
    sys.stderr.flush()
    _exit(status)
