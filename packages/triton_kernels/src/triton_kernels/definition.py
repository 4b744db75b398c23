"""The gradient of a gradient: through an op's definition in plain torch.

A gradient kernel is fast and differentiable once less than its op. So a gradient rule that is
itself recorded (``create_graph=True``) leaves the kernel and differentiates the definition, which
torch can do any number of times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from triton_kernels import autocast


def is_recorded() -> bool:
    """Whether the gradient rule that runs now is itself to be differentiated."""
    return torch.is_grad_enabled()


def differentiate(
    definition: Callable[..., Any], inputs: Sequence[Any], grads: Sequence[torch.Tensor | None]
) -> tuple[torch.Tensor | None, ...]:
    """Gradients of ``definition(*inputs)``, themselves differentiable.

    Args:
        definition: plain torch; returns a tensor or a tuple of them.
        inputs: as saved; gradients are taken for the floating-point tensors among them.
        grads: of the first outputs; None counts as zero.

    Returns:
        One an input: a tensor, or None where there is no gradient.
    """
    # A view each: where two inputs are one tensor, each gets its own gradient.
    own = [x.view_as(x) if isinstance(x, torch.Tensor) else x for x in inputs]
    wanted = [x for x in own if isinstance(x, torch.Tensor) and x.requires_grad]
    with autocast.off(own[0]):
        outputs = definition(*own)
        outputs = (outputs,) if isinstance(outputs, torch.Tensor) else outputs
        pairs = [(y, g) for y, g in zip(outputs, grads, strict=False) if g is not None]
        ys, gs = [y for y, _ in pairs], [g for _, g in pairs]
        found = iter(torch.autograd.grad(ys, wanted, gs, create_graph=True, allow_unused=True))
    return tuple(
        next(found) if isinstance(x, torch.Tensor) and x.requires_grad else None for x in own
    )
