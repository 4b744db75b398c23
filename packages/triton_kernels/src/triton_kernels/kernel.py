"""A differentiable kernel: its backends, its gradient rule and its custom op, declared once.

Eager calls go straight to an autograd Function, since dispatch through torch.library costs some
60 µs a call. Under torch.compile, export, or with a tensor subclass, the call goes through the
custom op ``roadmap_kernels::<name>``, which is opaque to the compiler and has the same gradient
rule. A gradient rule calls other kernels, so that it too is traced as a custom op and can itself be
differentiated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch.autograd import forward_ad

from triton_kernels import _compat, backends
from triton_kernels.backends import Backend, Explanation
from triton_kernels.errors import BackendError, KernelError

NAMESPACE = "roadmap_kernels"
PLAIN = (torch.Tensor, torch.nn.Parameter)

# Names of torch's own, in no promise: without them its errors are what a caller sees.
_none = SimpleNamespace(_current_level=-1)
_levels: Any = forward_ad if hasattr(forward_ad, "_current_level") else _none
_transformed: Callable[[], bool] = getattr(
    torch._C, "_are_functorch_transforms_active", lambda: False
)


def _in_a_transform(op: str) -> BackendError:
    return BackendError(
        op, "tensors inside a transform of torch.func", "plain tensors: it has no rule for these",
        "call it outside, use .backward() for gradients, or batch by its own dimensions",
    )  # fmt: skip


class Settled(NamedTuple):
    """A call whose checks and choices have been made, for calls that differ in what the leading
    tensors hold alone."""

    others: tuple[Any, ...]
    """The inputs after the leading ones, and the backend asked for."""
    taken: str
    """The name of the backend."""
    run: Callable[..., Any]
    """Of the leading tensors."""
    shown: int
    """How many of the results are asked for: the first ones."""


class Kernel:
    """A function of tensors and plain values that returns one new tensor, or a tuple of them.

    Args:
        name: of the kernel and of its custom op, e.g. ``softmax_backward``.
        op: the op it belongs to; ``use_backend(op, …)`` governs it.
        inputs: torch schema of its inputs, e.g. ``Tensor x, int dim``.
        backends: in order of preference; the last one takes anything.
        outputs: torch schema of what it returns; ``(Tensor, Tensor)`` is a tuple.
        fake: given the inputs and the backend, empty tensors like the outputs.
        setup_context: ``(ctx, inputs, output)``; inputs end with the backend asked for. Outputs
            that are there for the backward only are marked non-differentiable here. None where the
            gradient needs nothing of the forward.
        backward: ``(ctx, *grads)``, one an output; one gradient or None for each of these inputs.
            It calls kernels with ``backend=wish(…)``, since a backend may be fit for the forward
            only. None for a kernel that only a gradient rule calls, and only while that rule is
            not itself differentiated (see ``triton_kernels.definition``).
        leading: how many inputs, the first ones, may need gradients; autograd is shown the others
            as one, which spares an eager call of many options some time. None: any of them may.
    """

    def __init__(
        self,
        name: str,
        *,
        op: str,
        inputs: str,
        backends: Sequence[Backend],
        fake: Callable[..., Any],
        setup_context: Callable[..., None] | None = None,
        backward: Callable[..., tuple[Any, ...]] | None = None,
        outputs: str = "Tensor",
        leading: int | None = None,
    ) -> None:
        self.name = name
        self.op = op
        self.backends = tuple(backends)
        self._function: Any = None
        self._apply: Callable[..., Any] | None = None
        self._leading = leading
        custom_op = torch.library.custom_op(
            f"{NAMESPACE}::{name}",
            self._run,
            mutates_args=(),
            schema=f"({inputs}, str backend) -> {outputs}",
        )
        custom_op.register_fake(fake)
        if backward is not None:
            self._function = _function_of(self, setup_context, backward)
            self._apply = _apply_of(self._function)
            custom_op.register_autograd(backward, setup_context=setup_context)
        self.custom_op = getattr(getattr(torch.ops, NAMESPACE), name).default

    def __call__(self, *inputs: Any, backend: str | None = None) -> torch.Tensor:
        """Runs the kernel, differentiably; inputs are those that the op has checked."""
        result: torch.Tensor = self._call(inputs, backend)
        return result

    def outputs(self, *inputs: Any, backend: str | None = None) -> tuple[torch.Tensor, ...]:
        """As a call, of a kernel that returns a tuple."""
        results: tuple[torch.Tensor, ...] = self._call(inputs, backend)
        return results

    def _call(self, inputs: Sequence[Any], backend: str | None) -> Any:
        asked = backend or backends.asked_for(self.op)
        if torch.compiler.is_compiling() or type(inputs[0]) not in PLAIN:
            return self.custom_op(*inputs, asked)
        for x in inputs:
            if isinstance(x, torch.Tensor) and x.is_neg():
                inputs = [_as_in_memory(x) for x in inputs]
                break
        if self._apply and torch.is_grad_enabled() and _requires_grad(inputs):
            if self._leading is None:
                return self._apply(*inputs, asked)
            return self._apply(*inputs[: self._leading], (*inputs[self._leading :], asked))
        return self._run(*inputs, asked)

    def settle(self, *inputs: Any, backend: str | None, shown: int) -> Settled:
        """What ``repeat`` needs of a call of a kernel whose ``leading`` is given and that returns a
        tuple."""
        asked = backend or backends.asked_for(self.op)
        taken = backends.choose(self.name, self.backends, inputs, asked)
        assert self._leading is not None
        others = (*inputs[self._leading :], asked)
        return Settled(others, taken.name, taken.settle(inputs, self._leading), shown)

    def repeat(self, settled: Settled, *leading: Any) -> tuple[torch.Tensor, ...]:
        """As ``outputs`` of an eager call, of tensors like those of one that was settled."""
        results: tuple[torch.Tensor, ...]
        if self._apply and torch.is_grad_enabled() and _requires_grad(leading):
            results = self._apply(*leading, settled)
        else:
            results = self._rerun(settled, leading)[: settled.shown]
        return results

    def _rerun(self, settled: Settled, leading: Sequence[Any]) -> Any:
        backends.recorded(self.name, settled.taken)
        if _levels._current_level >= 0 and settled.taken != "reference":
            self._refuse_tangents(leading)
        if _compat.is_current(leading[0]):
            return settled.run(*leading)
        with _compat.on_device(leading[0]):
            return settled.run(*leading)

    def explain(self, *inputs: Any, backend: str | None = None) -> Explanation:
        """Which backend a call with these inputs takes, and why."""
        asked = backend or backends.asked_for(self.op)
        return backends.explain_choice(self.name, self.backends, inputs, asked)

    def _run(self, *inputs_and_backend: Any) -> Any:
        *inputs, asked = inputs_and_backend
        try:
            backend = backends.choose(self.name, self.backends, inputs, asked)
            backends.recorded(self.name, backend.name)
            if _levels._current_level >= 0 and backend.name != "reference":
                self._refuse_tangents(inputs)
            if _compat.is_current(inputs[0]):  # a context of no effect takes a microsecond
                return backend.run(*inputs)
            with _compat.on_device(inputs[0]):
                return backend.run(*inputs)
        except RuntimeError as error:
            if isinstance(error, KernelError) or not _transformed():
                raise
            raise _in_a_transform(self.op) from error  # it has no memory that a kernel could read

    def _refuse_tangents(self, inputs: Sequence[Any]) -> None:
        """Raises BackendError if a kernel would lose a forward-mode derivative."""
        unpack: Callable[[torch.Tensor], Any] = forward_ad.unpack_dual
        for x in inputs:
            if isinstance(x, torch.Tensor) and unpack(x).tangent is not None:
                raise BackendError(
                    self.op, "a tensor with a forward-mode derivative",
                    "reverse mode: kernels have no rule for the other",
                    "call .backward(), or ask for backend='reference'",
                )  # fmt: skip


def _function_of(
    kernel: Kernel,
    setup_context: Callable[..., None] | None,
    backward: Callable[..., tuple[Any, ...]],
) -> type[torch.autograd.Function]:
    """The rule as autograd's own class, for eager calls."""
    leading = kernel._leading

    class EagerFunction(torch.autograd.Function):
        op = ""

        # A setup_context of its own would make torch bind the signature anew at every call: 18 µs.
        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Any:
            shown = None
            if leading is not None and type(inputs[leading]) is Settled:
                first, settled = inputs[:leading], inputs[leading]
                output = kernel._rerun(settled, first)
                inputs, shown = (*first, *settled.others), settled.shown
            else:
                if leading is not None:
                    inputs = (*inputs[:leading], *inputs[leading])
                output = kernel._run(*inputs)
            if setup_context is not None:
                setup_context(ctx, inputs, output)
            return output if shown is None else output[:shown]

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> tuple[Any, ...]:
            found = backward(ctx, *grads)
            return found if leading is None else (*found[:leading], None)

    EagerFunction.__name__, EagerFunction.op = kernel.name, kernel.op
    return EagerFunction


def _apply_of(function: Any) -> Any:
    """``function.apply`` without its Python: 2.5 of 11 µs.

    What that does is done here too: torch.func's transforms are noticed, which have no rule here,
    and tensors that outlived one are taken out of it.
    """
    transformed = _transformed
    try:
        alive = torch._C._functorch.unwrap_if_dead
        apply = super(torch.autograd.function._SingleLevelFunction, function).apply
    except AttributeError:  # names of torch's own, in no promise
        usual: Callable[..., Any] = function.apply
        return usual

    def applied(*inputs: Any) -> Any:
        if transformed():
            raise _in_a_transform(function.op)
        return apply(*[alive(x) if isinstance(x, torch.Tensor) else x for x in inputs])

    return applied


def _as_in_memory(x: Any) -> Any:
    """Without a negation that torch has put off, as in the imaginary part of a conjugate: a kernel
    reads what lies in memory."""
    return x.resolve_neg() if isinstance(x, torch.Tensor) else x


def detached(inputs: Sequence[Any]) -> tuple[Any, ...]:
    """The inputs of an op without a gradient, off its track: else the definition would give one
    that no kernel gives, and torch.compile would look for a rule that there is not."""
    return tuple(
        [x.detach() if isinstance(x, torch.Tensor) and x.requires_grad else x for x in inputs]
    )


def _requires_grad(inputs: Sequence[Any]) -> bool:
    return any(isinstance(value, torch.Tensor) and value.requires_grad for value in inputs)
