"""What is checked of an operation: values, gradients, double backward, forward mode, errors.

Each check is one procedure. It runs on torch with torch's own arguments, which settles what is
expected and which outputs are differentiated; then on a library with the translated arguments.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.autograd import forward_ad
from torch.testing._comparison import default_tolerances
from torch.testing._internal.opinfo.core import DecorateInfo

from .adapter import TORCH, Call, Library, UntranslatableError

SAMPLES = 12  # of each operation, spread over the first POOL that op_db offers
POOL = 300


class WrongError(Exception):
    """A result that is not torch's."""


class NotOfferedError(Exception):
    """This sample has nothing to check: no output depends on a differentiable input."""


@dataclass
class Plan:
    """What the run on torch settles for all libraries."""

    outputs: list[int] | None = None
    cotangents: list[torch.Tensor] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)  # first gradients that are differentiated again
    seconds: list[torch.Tensor] = field(default_factory=list)


Procedure = Callable[[Library, Callable[..., Any], Call, list[Any], Plan], list[Any]]


def forward(
    lib: Library, function: Callable[..., Any], call: Call, leaves: list[Any], plan: Plan
) -> list[Any]:
    """The values."""
    return lib.results(call.run(lib, function, leaves))


def settled(
    lib: Library, function: Callable[..., Any], call: Call, leaves: list[Any], plan: Plan
) -> list[Any]:
    """What op_db makes of the values where they are not unique (signs of eigenvectors …)."""
    return lib.results(lib.rebound(call.process)(call.run(lib, function, leaves)))


def gradient(
    lib: Library, function: Callable[..., Any], call: Call, leaves: list[Any], plan: Plan
) -> list[Any]:
    """Gradients of the differentiable inputs for given cotangents."""
    outputs = settled(lib, function, call, leaves, plan)
    if plan.outputs is None:
        plan.outputs = _recorded(outputs)
        plan.cotangents = [torch.randn_like(outputs[i]) for i in plan.outputs]
    inputs = [leaves[i] for i in call.differentiable]
    found = lib.grad(
        [outputs[i] for i in plan.outputs], inputs, [_on(lib, c) for c in plan.cotangents]
    )
    return _filled(found, _inputs(call))


def gradgrad(
    lib: Library, function: Callable[..., Any], call: Call, leaves: list[Any], plan: Plan
) -> list[Any]:
    """Gradients of the gradients, with respect to inputs and cotangents."""
    outputs = settled(lib, function, call, leaves, plan)
    if plan.outputs is None:
        plan.outputs = _recorded(outputs)
        plan.cotangents = [torch.randn_like(outputs[i]) for i in plan.outputs]
    inputs = [leaves[i] for i in call.differentiable]
    cotangents = [_on(lib, c, requires_grad=True) for c in plan.cotangents]
    first = lib.grad([outputs[i] for i in plan.outputs], inputs, cotangents, create_graph=True)
    if not plan.seconds:
        plan.kept = _recorded(first)
        plan.seconds = [torch.randn_like(first[i]) for i in plan.kept]
    second = lib.grad(
        [first[i] for i in plan.kept],
        [*inputs, *cotangents],
        [_on(lib, c) for c in plan.seconds],
    )
    return _filled(second, [*_inputs(call), *plan.cotangents])


def forward_mode(
    lib: Library, function: Callable[..., Any], call: Call, leaves: list[Any], plan: Plan
) -> list[Any]:
    """Tangents of the outputs for given tangents of the differentiable inputs."""
    plan.cotangents = plan.cotangents or [torch.randn_like(leaf) for leaf in _inputs(call)]
    if plan.outputs is None:
        return _dual(function, call, plan)
    chosen = plan.outputs
    places = [_same(call.leaves, i) for i in call.differentiable]

    def outputs(*primals: Any) -> Any:
        replaced = list(leaves)
        for primal, positions in zip(primals, places, strict=True):
            for i in positions:
                replaced[i] = primal
        found = settled(lib, function, call, replaced, plan)
        return tuple(found[i] for i in chosen)

    primals = tuple(leaves[i].detach() for i in call.differentiable)
    return list(lib.jvp(outputs, primals, tuple(_on(lib, t) for t in plan.cotangents)))


def _dual(function: Callable[..., Any], call: Call, plan: Plan) -> list[Any]:
    """`forward_mode` on torch itself, by its dual numbers."""
    leaves = [v.detach() if isinstance(v, torch.Tensor) else v for v in call.leaves]
    with forward_ad.dual_level():
        for i, tangent in zip(call.differentiable, plan.cotangents, strict=True):
            dual = forward_ad.make_dual(leaves[i], tangent)
            for position in _same(call.leaves, i):
                leaves[position] = dual
        outputs = settled(TORCH, function, call, leaves, plan)
        tangents = [
            forward_ad.unpack_dual(v).tangent if isinstance(v, torch.Tensor) else None
            for v in outputs
        ]
    plan.outputs = [i for i, tangent in enumerate(tangents) if tangent is not None]
    if not plan.outputs:
        raise NotOfferedError
    return [tangents[i] for i in plan.outputs]


@dataclass(frozen=True)
class Check:
    """A column of the scoreboard."""

    name: str
    procedure: Procedure
    dtype: torch.dtype
    requires_grad: bool
    offered: Callable[[Any], bool]  # whether op_db says that torch has it


CHECKS = (
    Check("forward", forward, torch.float32, False, lambda info: True),
    Check("gradient", gradient, torch.float32, True, lambda info: info.supports_autograd),
    Check("gradgrad", gradgrad, torch.float64, True, lambda info: info.supports_gradgrad),
    Check("forward AD", forward_mode, torch.float64, True, lambda info: info.supports_forward_ad),
)
ERRORS = "errors"


@dataclass
class Case:
    """One sample with what torch makes of it."""

    call: Call
    plan: Plan
    expected: list[Any]
    settled: list[Any] | None = None  # only where `forward` may differ by a choice of basis


def cases(info: Any, check: Check) -> list[Case]:
    """Up to SAMPLES samples on which torch itself, with its own arguments, succeeds."""
    if not info.supports_dtype(check.dtype, "cpu") or not check.offered(info):
        return []
    for seed in (torch.manual_seed, random.seed, np.random.seed):
        seed(0)
    calls = []
    for sample in islice(info.sample_inputs("cpu", check.dtype, check.requires_grad), POOL):
        try:
            call = Call(sample)
        except UntranslatableError:
            continue
        if call.differentiable or not check.requires_grad:
            calls.append(call)
    chosen = np.unique(np.linspace(0, len(calls) - 1, SAMPLES).round().astype(int))
    made = []
    for call in [calls[i] for i in chosen] if calls else []:
        plan = Plan()
        torch.manual_seed(0)
        try:
            expected = check.procedure(TORCH, info.op, call, list(call.leaves), plan)
            case = Case(call, plan, [TORCH.to_torch(value) for value in expected])
            if check.procedure is forward:
                arguments = call.on(TORCH)
                values = settled(TORCH, info.op, call, arguments, plan)
                case.settled = [TORCH.to_torch(value) for value in values]
        except Exception:
            continue
        made.append(case)
    return made


def judge(lib: Library, info: Any, check: Check, case: Case) -> None:
    """Raise unless `lib` gives what torch gave."""
    function = lib.function(info)

    def results(procedure: Procedure) -> list[Any]:
        found = procedure(lib, function, case.call, case.call.on(lib), case.plan)
        return [lib.to_torch(value) for value in found]

    found = results(check.procedure)
    try:
        compare(found, case.expected, info, check.dtype)
    except WrongError:
        if case.settled is None:
            raise
        compare(found, case.expected, info, check.dtype, values=False)
        compare(results(settled), case.settled, info, check.dtype)


def compare(
    found: Sequence[Any],
    expected: Sequence[Any],
    info: Any,
    dtype: torch.dtype,
    values: bool = True,
) -> None:
    """Raise a WrongError unless types, dtypes, shapes and, if wanted, values are torch's."""
    if len(found) != len(expected):
        counts = [sum(isinstance(v, torch.Tensor) for v in side) for side in (found, expected)]
        raise WrongError("{} tensors in another structure, torch has {}".format(*counts))
    for mine, theirs in zip(found, expected, strict=True):
        if not isinstance(theirs, torch.Tensor):
            if type(mine) is not type(theirs):
                raise WrongError(f"a {type(mine).__name__}, torch has {type(theirs).__name__}")
            if values and mine != theirs and not (mine != mine and theirs != theirs):
                raise WrongError(f"wrong value {mine}, torch has {theirs}")
            continue
        if not isinstance(mine, torch.Tensor):
            raise WrongError(f"a {type(mine).__name__}, torch has a tensor")
        if mine.dtype != theirs.dtype:
            raise WrongError(f"wrong dtype {_short(mine.dtype)}, torch has {_short(theirs.dtype)}")
        if mine.shape != theirs.shape:
            raise WrongError(f"wrong shape {tuple(mine.shape)}, torch has {tuple(theirs.shape)}")
        if values and not getattr(info, "has_nondeterministic_output", False):
            rtol, atol = tolerances(info, dtype, theirs.dtype)
            if not torch.allclose(mine, theirs, rtol, atol, equal_nan=True):
                raise WrongError(f"wrong value: {_distance(mine, theirs)}")


def tolerances(info: Any, dtype: torch.dtype, result: torch.dtype) -> tuple[float, float]:
    """rtol and atol: assert_close's for `result`, or the loosest that op_db grants on the CPU."""
    rtol, atol = default_tolerances(result)
    for decorate in info.decorators:
        if not isinstance(decorate, DecorateInfo) or not decorate.is_active(
            decorate.cls_name, decorate.test_name, "cpu", dtype, {}
        ):
            continue
        for decorator in decorate.decorators:
            granted = getattr(decorator, "d", {}).get(dtype)
            if isinstance(granted, float):
                atol = max(atol, granted)
            elif granted is not None:
                rtol, atol = max(rtol, granted.rtol), max(atol, granted.atol)
    return rtol, atol


def error_cases(info: Any) -> Iterator[tuple[Call, type[Exception]]]:
    """Bad calls, and the class of the exception that torch raises."""
    if info.error_inputs_func is None:
        return
    for seed in (torch.manual_seed, random.seed, np.random.seed):
        seed(0)
    for error in info.error_inputs("cpu"):
        try:
            yield Call(error.sample_input), error.error_type
        except UntranslatableError:
            continue


def judge_error(lib: Library, info: Any, call: Call, expected: type[Exception]) -> None:
    """Raise unless `lib` refuses the call with an exception of torch's class."""
    function = lib.function(info)
    arguments = call.on(lib)
    try:
        call.run(lib, function, arguments)
    except Exception as error:
        refused = isinstance(error, expected) and not lib.lacks(error)
        if refused and (type(error) is expected or not isinstance(error, NotImplementedError)):
            return
        raise WrongError(
            f"raised {type(error).__name__}, torch raises {expected.__name__}: {error}"
        ) from error
    raise WrongError(f"no error, torch raises {expected.__name__}")


def _recorded(values: Sequence[Any]) -> list[int]:
    found = [i for i, v in enumerate(values) if isinstance(v, torch.Tensor) and v.requires_grad]
    if not found:
        raise NotOfferedError
    return found


def _inputs(call: Call) -> list[torch.Tensor]:
    return [call.leaves[i] for i in call.differentiable]


def _on(lib: Library, value: torch.Tensor, requires_grad: bool = False) -> Any:
    return lib.tensor(np.array(value.detach().numpy()), requires_grad)


def _filled(found: Sequence[Any], like: Sequence[torch.Tensor]) -> list[Any]:
    """`found` with zeros for None, which says the same."""
    return [
        torch.zeros_like(t).detach() if value is None else value
        for value, t in zip(found, like, strict=True)
    ]


def _same(leaves: Sequence[Any], index: int) -> list[int]:
    return [i for i, leaf in enumerate(leaves) if leaf is leaves[index]]


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _distance(found: torch.Tensor, expected: torch.Tensor) -> str:
    wide = torch.complex128 if expected.is_complex() else torch.float64
    gap = (found.to(wide) - expected.to(wide)).abs()
    if not bool(gap.isfinite().all()):
        return "NaN or infinity at other places than torch's"
    return f"off by up to {float(gap.max()):.1e}"
