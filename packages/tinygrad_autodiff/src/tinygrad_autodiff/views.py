"""Views: tensors on the memory of another, with one history.

A door that sees an op return the memory of its input notes the result as a view: the view knows
its parent and the call that made it, the parent knows its views weakly. When one of the family is
written in place and that is recorded, the root's history goes on with the written part put in,
and every view is outdated: the next time someone asks for its place in the graph, the call that
made it is repeated on the parent. Until then it is of the class `Outdated`, so that tensors that
nobody writes to pay nothing.

Source: torch's "rebase of history", `torch/csrc/autograd/VariableTypeUtils.h` and `CopySlices`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .errors import GraphError
from .mode import mode
from .registry import OPS
from .tensor import Tensor
from .versions import owner


class Step(NamedTuple):
    """How a view is made of its parent: the call, its parameters, and which result it is."""

    call: Callable[..., Any]
    params: tuple[Any, ...]
    place: int | None

    def repeat(self, parent: Any) -> Any:
        """The view of another parent, array or tensor."""
        made = self.call(parent, *self.params)
        return made if self.place is None else made[self.place]


# What a view keeps in `_view`: its parent, the call, the parameters, and which result it is. A
# view that was made while nothing was recorded keeps no parent, but whether it hides one that
# requires grad.
_Origin = tuple[Any, Any, Any, Any]
_UNTRACKED: _Origin = (None, False, (), None)
_HIDING: _Origin = (None, True, (), None)


def note(
    parent: Tensor, made: Any, call: Callable[..., Any], params: Any, index: int | None = None
) -> None:
    """Remember `made`, the result of ``call(parent, *params)``, as a view if it shares memory."""
    if isinstance(made, tuple):
        for place, part in enumerate(made):
            note(parent, part, call, params, place)
        return
    data, base = made._data, made._data.base
    near = base is not None and (base is parent._data or base is parent._data.base)
    if not near and data is not parent._data and owner(data) is not owner(parent._data):
        return
    if data.dtype.kind not in "fc":
        return
    if not mode.grad:
        made._view = _HIDING if parent._requires_grad or hides(parent) else _UNTRACKED
        return
    made._view = (parent, call, params, index)
    _add(parent, made)


def hides(tensor: Tensor) -> bool:
    """Whether a write into `tensor` would change one that requires grad behind its back."""
    view = getattr(tensor, "_view", None)
    if view is None:
        return False
    return bool(view[1] if view[0] is None else _root(tensor)[0]._requires_grad)


def rebase(tensor: Tensor, result: Tensor) -> None:
    """Give `tensor`, just overwritten with the values of `result`, its history.

    If it is a view, so is its root, with the part that the view shows put in; in either case all
    views of the root will follow.
    """
    root, steps = _root(tensor)
    if steps:
        result = OPS["put_view"].recorded(root, result, steps)  # type: ignore[attr-defined]
    new = result._node
    _keep_grad(root, root._node, new)
    root._node, root._requires_grad = new, new is not None
    if hasattr(result, "_tangents"):
        root._tangents = result._tangents
    _outdate(root)


def _keep_grad(tensor: Tensor, old: Any, new: Any) -> None:
    """`tensor` goes on with another node: what `retain_grad` asked of the old one goes along."""
    retained = None if old is None or new is None else old.retained
    if retained is not None and retained() is tensor:
        old.retained, new.retained = None, old.retained
        new.watched = new.special = True


def check_writable(tensor: Tensor, name: str) -> None:
    """Raise if a recorded write into `tensor` has no place in the graph."""
    root, _ = _root(tensor)
    itself = tensor._requires_grad and tensor._node is None
    if itself or (root._requires_grad and root._node is None):
        what = "a leaf tensor" if itself else "a view of a leaf tensor"
        raise GraphError(
            f"{name}: {what} that requires grad (shape {root.shape}) is being used in an in-place "
            "operation; do it under no_grad(), or on a clone()"
        )
    if hasattr(root, "_view"):
        raise GraphError(
            f"{name}: a view of shape {tensor.shape} that was made under no_grad() is written in "
            "place while recording is on; make the view while it is on, or write under no_grad()"
        )


def settle(tensor: Tensor) -> None:
    """`tensor` is about to leave its history: views that have yet to follow it do so now."""
    stack = [tensor]
    while stack:
        parent = stack.pop()
        stack.extend(_views(parent))
        stack.extend([refresh(view) for view in _views(parent, "_late")])


def forget(tensor: Tensor) -> None:
    """`tensor` is about to get memory of its own: it and its views go separate ways."""
    settle(tensor)
    for view in _views(tensor):
        del view._view
    _clear(tensor)


def unheard(tensor: Tensor) -> Tensor:
    """`tensor` as a write is to compute from it: past the hooks between it and its root.

    They belong to the old view, and the history of a write goes on from the root, as in torch.
    """
    root, steps = _root(tensor)
    view = tensor
    while view is not root:
        if view._node is not None and view._node.watched:
            made: Tensor = root
            for step in steps:
                made = step.repeat(made)
            return made
        view = view._view[0]
    return tensor


def replace(tensor: Tensor, reshape: Callable[[Tensor], Tensor]) -> Tensor:
    """Make `tensor` itself a view of what it was: transpose_, squeeze_ and the like."""
    if mode.grad:
        check_writable(tensor, "changing the shape in place")
    old: Tensor = Tensor.__new__(Tensor)
    for slot in ("_data", "_node", "_requires_grad", "_view", "_tangents"):
        if hasattr(tensor, slot):
            setattr(old, slot, getattr(tensor, slot))
    old._grad = old._hooks = None
    if hasattr(old, "_view") and old._view[0] is not None:
        _add(old._view[0], old)
    for slot in ("_views", "_late"):
        for view in _views(tensor, slot):
            view._view = (old, *view._view[1:])
            _add(old, view, slot)
    _clear(tensor)
    made = reshape(old)
    tensor._data, tensor._node, tensor._requires_grad = made._data, made._node, made._requires_grad
    if hasattr(made, "_tangents"):
        tensor._tangents = made._tangents
    if hasattr(made, "_view"):
        tensor._view = made._view
        if made._view[0] is not None:
            _add(made._view[0], tensor)
    return tensor


def _clear(tensor: Tensor) -> None:
    for slot in ("_view", "_views", "_late"):
        if hasattr(tensor, slot):
            delattr(tensor, slot)


def _add(parent: Tensor, view: Tensor, slot: str = "_views") -> None:
    """Let `parent` know `view`, weakly; the dead ones are dropped when the list has doubled.

    The list begins with the length at which that happens.
    """
    views = getattr(parent, slot, None)
    if views is None:
        setattr(parent, slot, [16, weakref.ref(view)])
        return
    if len(views) > views[0]:
        alive = {id(known): known for known in _views(parent, slot)}
        views[:] = [max(16, 2 * len(alive)), *map(weakref.ref, alive.values())]
    views.append(weakref.ref(view))


def _views(tensor: Tensor, slot: str = "_views") -> Iterator[Tensor]:
    """The living views that `tensor` knows: the present ones, or in `_late` the outdated ones."""
    kind = Outdated if slot == "_late" else Tensor
    for held in getattr(tensor, slot, ())[1:]:
        view = held()
        if view is not None and view.__class__ is kind and view._view[0] is tensor:
            yield view


def _root(tensor: Tensor) -> tuple[Tensor, tuple[Step, ...]]:
    """The tensor whose memory it is, and the steps from there to `tensor`."""
    steps: list[Step] = []
    while True:
        view = getattr(tensor, "_view", None)
        if view is None or view[0] is None:
            return tensor, tuple(reversed(steps))
        tensor, *step = view
        steps.append(Step(*step))


def _outdate(root: Tensor) -> None:
    stack = [root]
    while stack:
        tensor = stack.pop()
        for view in _views(tensor):
            view.__class__ = Outdated
            stack.append(view)
            _add(tensor, view, "_late")
        if hasattr(tensor, "_views"):
            del tensor._views


def refresh(view: Tensor) -> Tensor:
    """Repeat the calls that made `view`, from the nearest ancestor that is up to date."""
    line: list[Any] = []
    ancestor: Any = view
    while ancestor.__class__ is Outdated:
        line.append(ancestor)
        ancestor = ancestor._view[0]
    before, mode.grad = mode.grad, True
    try:
        for late in reversed(line):
            parent, *step = late._view
            late.__class__ = Tensor
            old = late._node
            made = Step(*step).repeat(parent)
            _keep_grad(late, old, made._node)
            late._node, late._requires_grad = made._node, made._requires_grad
            if hasattr(made, "_tangents"):
                late._tangents = made._tangents
            _add(parent, late)
    finally:
        mode.grad = before
    return view


class Outdated(Tensor):
    """A view whose family was written to; whatever asks for its history brings it up to date."""

    __slots__ = ()
    __qualname__ = "Tensor"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return refresh(self).__reduce_ex__(protocol)

    @property
    def _node(self) -> Any:  # type: ignore[override]
        return refresh(self)._node

    @property
    def _requires_grad(self) -> Any:  # type: ignore[override]
        return refresh(self)._requires_grad

    @property
    def _tangents(self) -> Any:  # type: ignore[override]
        return refresh(self)._tangents


Outdated.__name__ = "Tensor"  # what a message is to call it
