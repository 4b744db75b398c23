"""What an operation is: one class with everything that is to be known about it.

A subclass of `Op` (or of `Elementwise`) declares

- ``forward``: the values, on NumPy arrays. Parameters annotated ``Array`` are the differentiable
  inputs, all others plain parameters; names, order and defaults are torch's.
- ``backward``: the vector-Jacobian product. One input: ``backward(self, g, …)``; several: one
  rule per input, ``backward_weight(self, g, …)``. A rule names what it needs, and only that is
  saved: an input, a parameter, the result ``out``, or an attribute that ``forward`` set on `self`.
- ``jvp``: the forward-mode rule ``jvp(self, t_first, t_second, …)``, with names in the same way.
  A `linear` or `multilinear` op needs none.
- ``samples`` and ``error_inputs``: inputs for the tests, good and bad.

A rule is written as for real numbers, without conjugation: for a complex gradient g the base
class takes conj(rule(conj(g))), which is torch's convention (the gradient of a real loss is
∂/∂x + i·∂/∂y) wherever the op is holomorphic. An op that is not (abs, real, svd, …) says
``holomorphic = False``, or has `adjoints` if it is elementwise, and its rules conjugate themselves.

Rules call other operations as ``op.exp(x)`` and use operators, so that the same rule computes on
arrays (the fast path) and on tensors (when the backward pass is itself recorded). Declaring a
class with a ``name`` registers it, with the function that calls it as ``cls.call``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter, itemgetter
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np

from . import dispatch, recording
from .dtypes import Array
from .engine import Name, Node
from .errors import ArgumentTypeError, ShapeError
from .registry import op, register
from .samples import Bad, Sample, array
from .tensor import Tensor

Rule = Callable[..., Any]
# Saved attributes that hold no array; a second pass may use them again, as in torch.
_LIGHT = {"shape", "shapes", "sizes", "before", "axes", "order", "count", "source", "where"}
_SYNONYMS = {"axis": "dim", "keepdims": "keepdim", "axes": "dims", "exponent": "other"}


class Saved(NamedTuple):
    """What a rule asks for by name, and how to pick it from a call's values."""

    names: tuple[str, ...]
    pick: Callable[[tuple[Any, ...], Any], tuple[Any, ...]]


class Op(Node):
    """Base of all operations; see the module's text."""

    aliases: ClassVar[tuple[str, ...]] = ()
    spaces: ClassVar[tuple[str, ...]] = ("", "Tensor")
    operator: ClassVar[str | None] = None
    inputs: ClassVar[tuple[str, ...]] = ()
    params: ClassVar[tuple[str, ...]] = ()
    defaults: ClassVar[tuple[Any, ...]] = ()
    signature: ClassVar[inspect.Signature]
    required: ClassVar[int] = 0
    variadic: ClassVar[bool] = False  # whether the input is a sequence of arrays
    packs: ClassVar[bool] = False  # whether sizes may be given one by one
    linear: ClassVar[bool] = False
    multilinear: ClassVar[bool] = False
    differentiable: ClassVar[bool] = True
    numbers: ClassVar[str] = "any"  # operands that may be Python numbers: any, one, other, none
    ordered: ClassVar[bool] = False  # whether it compares, and so refuses complex numbers
    holomorphic: ClassVar[bool] = True  # whether the engine conjugates around the rules
    scales: ClassVar[bool] = False  # whether the call takes alpha, a factor of `other`
    alone: ClassVar[str | None] = None  # the op that a call with one argument leads to
    variants: ClassVar[dict[str, str]] = {}  # keywords of a binary op that lead to another op
    promote: ClassVar[str | None] = None  # None, "same" or "float"
    promoted: ClassVar[slice] = slice(None)
    call: ClassVar[Callable[..., Any]]
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    rules: ClassVar[tuple[Rule | None, ...]] = ()
    saves: ClassVar[tuple[Saved | None, ...]] = ()
    joint: ClassVar[bool] = False
    heavy: ClassVar[tuple[str, ...]] = ()  # attributes that a rule asks for and that hold arrays

    def __init_subclass__(
        cls,
        *,
        name: str = "",
        aliases: tuple[str, ...] = (),
        spaces: tuple[str, ...] | None = None,
        operator: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        if not name:
            return
        cls.name, cls.aliases, cls.operator = Name(name), aliases, operator
        cls.special = cls.quiet
        if spaces is not None:
            cls.spaces = spaces
        cls._read_signature()
        cls._read_rules()
        cls.call = dispatch.door(cls)
        cls.call.__name__ = cls.call.__qualname__ = name
        cls.call.__doc__ = cls.__doc__
        register(cls)

    @classmethod
    def _read_signature(cls) -> None:
        forward = cls.forward
        if isinstance(forward, np.ufunc):
            names = ("input", "other")[: forward.nin]
            kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
            parameters = [inspect.Parameter(n, kind, annotation="Array") for n in names]
        else:
            parameters = [
                p.replace(annotation=str(p.annotation).replace(str(Array), "Array"))
                for p in inspect.signature(forward).parameters.values()
            ]
            parameters = [p for p in parameters if p.name != "self"]
        tensors = [p for p in parameters if "Array" in str(p.annotation)]
        cls.signature = inspect.Signature(parameters)
        cls.inputs = tuple(p.name for p in tensors)
        cls.params = tuple(p.name for p in parameters)
        cls.variadic = bool(tensors) and "Sequence[Array]" in str(tensors[0].annotation)
        cls.packs = len(parameters) == 2 and "Ints" in str(parameters[1].annotation)
        cls.required = sum(p.default is p.empty for p in parameters)
        cls.defaults = tuple(None if p.default is p.empty else p.default for p in parameters)
        if cls.params[: len(tensors)] != cls.inputs and not issubclass(cls, Composite):
            raise TypeError(f"{cls.__name__}.forward: differentiable inputs must come first")

    @classmethod
    def _read_rules(cls) -> None:
        if not cls.differentiable:
            cls.rules = (None,) * len(cls.inputs)
        elif cls.variadic or "backward" in vars(cls) or len(cls.inputs) == 1:
            cls.rules = (cls.backward,)
            cls.joint = True
        else:
            cls.rules = tuple(getattr(cls, f"backward_{name}", None) for name in cls.inputs)
        cls.saves = tuple(rule and cls._saved_by(rule, 2) for rule in cls.rules)
        light = set(cls.params) - set(cls.inputs) | _LIGHT
        asked = {name for saved in cls.saves if saved for name in saved.names}
        cls.frees = bool(asked - light)
        cls.heavy = tuple(asked - light - set(cls.inputs) - {"out"})

    def strip(self) -> None:
        """Leave what `forward` set on the node to `saved` alone, which is freed after the pass."""
        for name in self.heavy:
            self.__dict__.pop(name, None)

    @classmethod
    def _saved_by(cls, rule: Rule, leading: int) -> Saved:
        names = tuple(inspect.signature(rule).parameters)[leading:]
        return Saved(names, _picker(names, (*cls.params, "out")))

    @classmethod
    def bind(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """All parameters by position, defaults filled in; a TypeError names what does not fit."""
        names = cls.params
        if cls.packs and len(args) > 1 and isinstance(args[1], int):
            args = (args[0], args[1:])
        given = len(args)
        if given > len(names):
            raise ArgumentTypeError(f"{cls.name}: takes {len(names)} arguments, {given} given")
        if not kwargs:
            if given < cls.required:
                raise ArgumentTypeError(f"{cls.name}: missing argument {names[given]!r}")
            return args + cls.defaults[given:]
        values = [*args, *cls.defaults[given:]]
        filled = set(names[:given])
        for key, value in kwargs.items():
            if key not in names:
                key = _SYNONYMS.get(key, key)
            if key not in names:
                raise ArgumentTypeError(
                    f"{cls.name}: unexpected argument {key!r}; it takes {cls.signature}"
                )
            if key in filled:
                raise ArgumentTypeError(f"{cls.name}: argument {key!r} given twice")
            filled.add(key)
            values[names.index(key)] = value
        for missing in names[: cls.required]:
            if missing not in filled:
                raise ArgumentTypeError(f"{cls.name}: missing argument {missing!r}")
        return tuple(values)

    # ---- the engine's side ---------------------------------------------------------------------

    def pull(
        self, gradient: Any, edges: Sequence[Any], saved: Any, conjugated: bool = False
    ) -> Sequence[Any]:
        """Gradients of the inputs by the rules; arrays or tensors, as it is given."""
        several = gradient.__class__ is list
        if (several or gradient.dtype.kind == "c") and self.holomorphic and not conjugated:
            found = Op.pull(self, _conjugate(gradient), edges, saved, True)
            return [_conjugate(value) for value in found]
        if self.joint:
            result = self.backward(gradient, *saved[0])
            return result if self.variadic or len(edges) > 1 else (result,)
        return [
            None if edge is None or rule is None else rule(self, gradient, *values)
            for rule, edge, values in zip(self.rules, edges, saved, strict=True)
        ]

    def revived(self) -> Any:
        """`saved` with inputs and outputs as the tensors they were, each at its place."""
        return [
            self.revive(values, save) for values, save in zip(self.saved, self.saves, strict=True)
        ]

    def revive(self, values: Any, saved: Saved | None) -> tuple[Any, ...]:
        """Saved inputs and outputs as the tensors they were, with their place in the graph."""
        if saved is None or values is None:
            return ()
        return tuple(
            self._revived(name, value) for name, value in zip(saved.names, values, strict=True)
        )

    def _revived(self, name: str, value: Any) -> Any:
        if name == "out":
            return recording.output_tensor(self, value)
        if name not in self.inputs or value is None:
            return value
        if self.variadic:
            return [recording.input_tensor(self, i, v) for i, v in enumerate(value)]
        return recording.input_tensor(self, self.inputs.index(name), value)

    # ---- forward mode --------------------------------------------------------------------------

    jvp: Callable[..., Any] | None = None

    @classmethod
    def push(cls, node: Op, args: tuple[Any, ...], tangents: Sequence[Any], out: Any) -> Any:
        """Tangent of the result, from the tangents of the inputs (None where there is none)."""
        count = len(tangents)
        if cls.linear:
            zeros = [
                t if t is not None else op.zeros_like(a)
                for t, a in zip(tangents, args[0] if cls.variadic else args, strict=False)
            ]
            return cls.call(zeros, *args[1:]) if cls.variadic else cls.call(*zeros, *args[count:])
        if cls.multilinear:
            terms = [
                cls.call(*args[:i], tangent, *args[i + 1 :])
                for i, tangent in enumerate(tangents)
                if tangent is not None
            ]
            total = terms[0]
            for term in terms[1:]:
                total = total + term
            return total
        assert cls.jvp is not None, f"{cls.name} has no forward-mode rule"
        names = tuple(inspect.signature(cls.jvp).parameters)[1 + count :]
        pick = _picker(names, (*cls.params, "out"))
        return cls.jvp(node, *tangents, *pick((*args, out), node))

    # ---- for the tests -------------------------------------------------------------------------

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Valid calls; floating arrays are differentiated and recast by the tests."""
        raise NotImplementedError(f"{cls.name} has no samples")

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Calls that must raise."""
        return iter(())


class Elementwise(Op):
    """An op whose result at an index depends on the inputs at that index alone.

    Its Jacobian is diagonal, so one map per input, ``lambda t, …``, which multiplies `t` by the
    partial derivative, serves both directions: it pulls a gradient back and pushes a tangent
    forward. Broadcasting is undone here, once. `forward` is a ufunc or a function without self.

    Where the op is not holomorphic the two maps differ: `partials` push, `adjoints` (of the same
    parameters) pull, and for real inputs the two agree.
    """

    partials: ClassVar[tuple[Rule | None, ...]] = ()
    adjoints: ClassVar[tuple[Rule | None, ...]] = ()
    promote: ClassVar[str | None] = "same"
    shapes: tuple[tuple[int, ...], ...] | None = None  # of the inputs, if they were broadcast

    @classmethod
    def _read_rules(cls) -> None:
        missing = len(cls.inputs) - len(cls.partials)
        cls.rules = cls.partials = (*cls.partials, *(None,) * missing)
        cls.saves = tuple(rule and cls._saved_by(rule, 1) for rule in cls.rules)
        if cls.adjoints:
            cls.rules = (*cls.adjoints, *(None,) * missing)
            cls.holomorphic = False
        light = set(cls.params) - set(cls.inputs)
        cls.frees = any(saved and set(saved.names) - light for saved in cls.saves)

    def pull(
        self, gradient: Any, edges: Sequence[Any], saved: Any, conjugated: bool = False
    ) -> Sequence[Any]:
        """Gradients of the inputs: the diagonal maps, summed over broadcast dimensions."""
        if gradient.dtype.kind == "c" and self.holomorphic and not conjugated:
            found: list[Any] = list(Elementwise.pull(self, op.conj(gradient), edges, saved, True))
            return [_conjugate(value) for value in found]
        partials: Any = self.rules
        if len(edges) == 1:
            return (partials[0](gradient, *saved[0]),)
        shapes = self.shapes
        if shapes is None and len(edges) == 2:
            return (
                None if edges[0] is None else partials[0](gradient, *saved[0]),
                None if edges[1] is None else partials[1](gradient, *saved[1]),
            )
        found = [None] * len(edges)
        for i, edge in enumerate(edges):
            if edge is not None:
                grad = partials[i](gradient, *saved[i])
                if shapes is not None and grad.shape != shapes[i]:
                    grad = op.sum_to_size(grad, shapes[i])
                found[i] = grad
        return found

    @classmethod
    def push(cls, node: Op, args: tuple[Any, ...], tangents: Sequence[Any], out: Any) -> Any:
        """Sum of the diagonal maps of the tangents."""
        total: Any = None
        for tangent, rule, saved in zip(tangents, cls.partials, cls.saves, strict=True):
            if tangent is None or rule is None or saved is None:
                continue
            term = rule(tangent, *saved.pick((*args, out), node))
            total = term if total is None else total + term
        return total if total.shape == out.shape else op.expand(total, out.shape)

    domain: ClassVar[tuple[float, float]] = (-2.0, 2.0)  # of the samples

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Every way of broadcasting the inputs, zero sizes and 0-d among them."""
        low, high = cls.domain
        if len(cls.inputs) == 1:
            for shape in ((3, 4), (), (2, 1, 3), (0, 2)):
                yield Sample((array(shape, low, high),))
            return
        pairs: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
        pairs = (((3, 4), (3, 4)), ((3, 4), (4,)), ((2, 1, 3), (4, 1)), ((), (3,)), ((), ()))
        for first, second in (*pairs, ((0, 2), (1, 2))):
            yield Sample((array(first, low, high), array(second, low, high, seed=1)))
        if cls.numbers != "none":
            yield Sample((array((3,), low, high), 1.5))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Something that is no number, and shapes that do not broadcast."""
        rest = (array((3,)),) * (cls.required - 1)
        yield Bad(("text", *rest), {}, ArgumentTypeError, "expected a tensor")
        yield Bad((None, *rest), {}, ArgumentTypeError, f"for {cls.inputs[0]!r}, got None")
        if len(cls.inputs) == 2:
            named = f"for {cls.inputs[1]!r}, got None"
            yield Bad((array((3,)), None), {}, ArgumentTypeError, named)
            yield Bad((array((3,)), array((4,))), {}, ShapeError, r"\(3,\) and \(4,\)")
            refused = {"one": (2, 3), "other": (2, array((3,))), "none": (array((3,)), 2)}
            if cls.numbers in refused:
                yield Bad(refused[cls.numbers], {}, ArgumentTypeError, "expected a tensor for")


def _conjugate(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_conjugate(part) for part in value]
    return value if value is None or value.dtype.kind != "c" else op.conj(value)


class Composite(Op):
    """An op that is a composition of others: `forward` takes and returns arrays or tensors."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)

    @classmethod
    def _read_rules(cls) -> None:
        cls.rules = cls.saves = ()


def compose(
    *samples: Sample,
    name: str = "",
    aliases: tuple[str, ...] = (),
    spaces: tuple[str, ...] | None = None,
    errors: tuple[Bad, ...] = (),
    numbers: str = "any",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function that only calls other operations, as a `Composite` of its own name.

    >>> @compose(Sample((array((3,)), array((3,), seed=1))))
    ... def mean_of_two(input: Any, other: Any) -> Any:
    ...     \"\"\"Half the sum.\"\"\"
    ...     return (input + other) / 2
    """

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        body = {
            "__doc__": function.__doc__,
            "__module__": function.__module__,
            "forward": staticmethod(function),
            "numbers": numbers,
            "samples": classmethod(lambda cls: iter(samples)),
            "error_inputs": classmethod(lambda cls: iter(errors)),
        }
        title = name or function.__name__
        made = type(title, (Composite,), body, name=title, aliases=aliases, spaces=spaces)
        return cast("type[Op]", made).call

    return declare


def _picker(names: tuple[str, ...], order: tuple[str, ...]) -> Callable[[Any, Any], Any]:
    """A function from (values in `order`, node) to the tuple of those called `names`."""
    if not any(name in order for name in names) and len(names) > 1:
        attributes = attrgetter(*names)
        return lambda values, node: attributes(node)
    if any(name not in order for name in names):
        places = [order.index(name) if name in order else None for name in names]
        return lambda values, node: tuple(
            getattr(node, name) if place is None else values[place]
            for name, place in zip(names, places, strict=True)
        )
    indices = [order.index(name) for name in names]
    if not indices:
        return lambda values, node: ()
    if len(indices) == 1:
        only = indices[0]
        return lambda values, node: (values[only],)
    several = itemgetter(*indices)
    return lambda values, node: several(values)


__all__ = [
    "Array",
    "Bad",
    "Composite",
    "Elementwise",
    "Op",
    "Sample",
    "Tensor",
    "array",
    "compose",
    "op",
]
