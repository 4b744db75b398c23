"""Checkpointing: values of the forward pass computed again instead of kept.

Source: Griewank & Walther 2000, "Revolve"; Chen et al. 2016, "Training deep nets with sublinear
memory cost", section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from ..errors import ArgumentError, GraphError
from ..graph import saved_tensors_hooks
from ..mode import enable_grad, mode
from ..random import get_rng_state, set_rng_state
from ..tensor import Tensor
from ..versions import check, next_sequence


class _Segment:
    """One checkpointed call: numbers what it saves, and finds it again by running once more."""

    def __init__(self, call: Callable[[], Any], preserve_rng_state: bool) -> None:
        self.call = call
        self.state = get_rng_state() if preserve_rng_state else None
        self.saved = 0
        self.found: dict[int, Tensor] = {}

    def pack(self, value: Tensor) -> int:
        """The number of a saved value."""
        self.saved += 1
        return self.saved - 1

    def unpack(self, number: int) -> Tensor:
        """The value of that number; it is handed out once and then forgotten."""
        if number not in self.found:
            self.run_again()
        return self.found.pop(number)

    def run_again(self) -> None:
        """Fill `found` by a second run from the same random state."""
        self.found.clear()
        moments = []

        def note(value: Tensor) -> Tensor:
            self.found[len(self.found)] = value
            moments.append(next_sequence())
            return value

        now = get_rng_state()
        if self.state is not None:
            set_rng_state(self.state)
        try:
            with enable_grad(), saved_tensors_hooks(note, lambda value: value):
                self.call()
        finally:
            if self.state is not None:
                set_rng_state(now)
        for moment, value in zip(moments, self.found.values(), strict=True):
            check("checkpoint", moment, (value._data,))
        if len(self.found) != self.saved:
            raise GraphError(
                f"checkpoint: the function saved {self.saved} values for the backward pass, and "
                f"{len(self.found)} when it ran again; it must do the same both times"
            )


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool = False,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, of which the backward pass keeps the inputs alone.

    What the rules of the backward pass need is computed by a second run, with the random numbers
    of the first. Works as torch's ``use_reentrant=False`` (the other form is not offered): with
    `autograd.grad`, with higher orders, keyword arguments, and tensors that `function` closes over.

    Raises:
        ArgumentError: ``use_reentrant=True``.
        GraphError: In the backward pass, if the second run did something else than the first.
    """
    if use_reentrant:
        raise ArgumentError("checkpoint: only use_reentrant=False is offered")
    if not mode.grad:
        return function(*args, **kwargs)
    segment = _Segment(lambda: function(*args, **kwargs), preserve_rng_state)
    with saved_tensors_hooks(segment.pack, segment.unpack):
        return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool = False,
    preserve_rng_state: bool = True,
) -> Any:
    """A chain of functions in `segments` checkpointed parts, of which the last is not."""
    chain = list(functions)
    if not 1 <= segments <= len(chain):
        raise ArgumentError(f"checkpoint_sequential: {segments} segments of {len(chain)} functions")
    size = len(chain) // segments
    cuts = [i * size for i in range(segments)] + [len(chain)]
    for start, end in pairwise(cuts[:-1]):
        input = checkpoint(
            _run(chain[start:end]),
            input,
            use_reentrant=use_reentrant,
            preserve_rng_state=preserve_rng_state,
        )
    return _run(chain[cuts[-2] :])(input)


def _run(chain: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def run(value: Any) -> Any:
        for function in chain:
            value = function(value)
        return value

    return run
