"""What is checked of an operation: values, gradients, double backward, forward mode, errors.

Each check is one procedure. It runs on torch with torch's own arguments, which settles what is
expected and which outputs are differentiated; then on a library with the translated arguments.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
import torch

from .adapter import TORCH, Call, Library, UntranslatableError, wide
from .compare import WrongError, WrongValueError, as_close, compare

SAMPLES = 12  # of each operation at most, spread over the first POOL that op_db offers
ENOUGH = 8
POOL = 300


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
    forward_ad = lib.resolve("autograd.forward_ad")
    duals = [v.detach() if isinstance(v, lib.Tensor) else v for v in leaves]
    with forward_ad.dual_level():
        for i, tangent in zip(call.differentiable, plan.cotangents, strict=True):
            dual = forward_ad.make_dual(duals[i], _on(lib, tangent))
            for place, leaf in enumerate(leaves):
                if leaf is leaves[i]:
                    duals[place] = dual
        outputs = settled(lib, function, call, duals, plan)
        tangents = [
            forward_ad.unpack_dual(v).tangent if isinstance(v, lib.Tensor) else None
            for v in outputs
        ]
    if plan.outputs is None:
        plan.outputs = [i for i, tangent in enumerate(tangents) if tangent is not None]
        if not plan.outputs:
            raise NotOfferedError
    return _filled(
        [tangents[i] for i in plan.outputs],
        [lib.to_torch(outputs[i]) for i in plan.outputs],
    )


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


def calls(info: Any, check: Check) -> list[Call]:
    """SAMPLES of op_db's samples, the same every time.

    Where there are few, they are filled up from op_db's larger set, the reference inputs, which
    has more shapes and layouts, large and small numbers, infinities and NaN.
    """
    found: list[Call] = []
    for offer in (info.sample_inputs, info.reference_inputs):
        if len(found) < ENOUGH:
            _seed_all()
            with suppress(Exception):  # a few sets break off for dtypes that others of them have
                more = list(_translatable(offer("cpu", check.dtype, check.requires_grad), check))
                found += _spread(more, SAMPLES - len(found))
    return found


def _translatable(samples: Iterable[Any], check: Check) -> Iterator[Call]:
    for sample in islice(samples, POOL):
        with suppress(UntranslatableError):
            call = Call(sample)
            if call.differentiable or not check.requires_grad:
                yield call


def _spread(values: list[Call], count: int) -> list[Call]:
    if len(values) <= count:
        return values
    return [values[i] for i in np.linspace(0, len(values) - 1, count).round().astype(int)]


def cases(info: Any, check: Check) -> list[Case]:
    """The samples on which torch itself, with its own arguments, succeeds."""
    if not info.supports_dtype(check.dtype, "cpu") or not check.offered(info):
        return []
    made = []
    for call in calls(info, check):
        plan = Plan()
        torch.manual_seed(0)
        with suppress(Exception):  # then there is nothing to compare with
            expected = check.procedure(TORCH, info.op, call, call.originals(), plan)
            case = Case(call, plan, [TORCH.to_torch(value) for value in expected])
            if check.procedure is forward:
                values = settled(TORCH, info.op, call, call.originals(), plan)
                case.settled = [TORCH.to_torch(value) for value in values]
            made.append(case)
    return made


def judge(lib: Library, info: Any, check: Check, case: Case) -> None:
    """Raise unless `lib` gives what torch gave."""
    function = lib.function(info)

    def agree(procedure: Procedure, expected: list[Any]) -> None:
        found = procedure(lib, function, case.call, case.call.on(lib), case.plan)
        found = [lib.to_torch(value) for value in found]
        try:
            compare(found, expected, info, check.dtype)
        except WrongValueError:
            if check.dtype != torch.float32 or not as_close(
                found, expected, in_double(info, procedure, case)
            ):
                raise

    try:
        agree(check.procedure, case.expected)
    except WrongValueError:
        if case.settled is None:
            raise
        agree(settled, case.settled)


def in_double(info: Any, procedure: Procedure, case: Case) -> list[Any]:
    """What torch makes of the same numbers in double precision; empty if it does not take them."""
    plan = replace(case.plan, cotangents=[wide(c) for c in case.plan.cotangents])
    torch.manual_seed(0)
    try:
        results = procedure(TORCH, info.op, case.call, case.call.widened(), plan)
    except Exception:
        return []
    return [TORCH.to_torch(value) for value in results]


@dataclass
class Bad:
    """A call that torch refuses, and how."""

    call: Call
    kind: type[Exception]  # what op_db asks for
    raised: type[Exception]  # what torch raises; may be a subclass


def bad_calls(info: Any) -> list[Bad]:
    """The error inputs of op_db that torch refuses on the CPU as it should."""
    if info.error_inputs_func is None:
        return []
    _seed_all()
    made = []
    for error in info.error_inputs("cpu"):
        try:
            call = Call(error.sample_input)
        except UntranslatableError:
            continue
        try:
            call.run(TORCH, info.op, call.originals())
        except error.error_type as raised:
            made.append(Bad(call, error.error_type, type(raised)))
    return made


def judge_bad(lib: Library, info: Any, bad: Bad) -> None:
    """Raise unless `lib` refuses the call with an exception of torch's class."""
    function = lib.function(info)
    arguments = bad.call.on(lib)
    wanted = bad.raised.__name__
    try:
        bad.call.run(lib, function, arguments)
    except Exception as error:
        unable = isinstance(error, NotImplementedError)  # a RuntimeError, but says something else
        if (
            isinstance(error, bad.kind)
            and not lib.lacks(error)
            and (not unable or issubclass(bad.raised, NotImplementedError))
        ):
            return
        raise WrongError(
            f"raised {type(error).__name__}, torch raises {wanted}: {error}"
        ) from error
    raise WrongError(f"no error, torch raises {wanted}")


def _seed_all() -> None:
    for seed in (torch.manual_seed, random.seed, np.random.seed):
        seed(0)


def _recorded(values: Sequence[Any]) -> list[int]:
    found = [i for i, v in enumerate(values) if isinstance(v, torch.Tensor) and v.requires_grad]
    if not found:
        raise NotOfferedError
    return found


def _inputs(call: Call) -> list[torch.Tensor]:
    return [call.leaves[i] for i in call.differentiable]


def _on(lib: Library, value: torch.Tensor, requires_grad: bool = False) -> Any:
    return lib.tensor(np.array(value.detach().clone().numpy()), requires_grad)


def _filled(found: Sequence[Any], like: Sequence[torch.Tensor]) -> list[Any]:
    """`found` with zeros for None, which says the same."""
    return [
        torch.zeros_like(t).detach() if value is None else value
        for value, t in zip(found, like, strict=True)
    ]
