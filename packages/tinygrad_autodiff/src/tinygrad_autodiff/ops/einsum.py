"""Einstein summation, lowered pair by pair to permutations, sums and one matrix product."""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import ArgumentError, RangeError, ShapeError
from ..op import Bad, Composite, Sample, op
from ..samples import array


class Einsum(Composite, name="einsum", spaces=("",)):
    """Einstein summation, lowered pair by pair to permutations, sums and one matrix product.

    ``einsum("bij,bjk->bik", a, b)``; an index that is not in the result is summed over, a
    repeated one in an operand takes the diagonal, "..." stands for broadcast dimensions.
    """

    @staticmethod
    def forward(equation: str, *operands: Any) -> Any:
        """From left to right; each product keeps only what is needed later."""
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = tuple(operands[0])
        terms, result = _parsed(equation, operands)
        work = [_diagonal(o, t) for o, t in zip(operands, terms, strict=True)]
        value, labels = work[0]
        for i, (other, other_labels) in enumerate(work[1:], 1):
            later = set(result).union(*(term for _, term in work[i + 1 :]))
            value, labels = _pair(value, labels, other, other_labels, later)
        value, labels = _summed(value, labels, set(result))
        return op.permute(value, tuple(labels.index(c) for c in result))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Products, traces, batches, ellipses, three operands."""
        a, b, c = array((2, 3)), array((3, 4), seed=1), array((4, 2), seed=2)
        yield Sample(("ij,jk->ik", a, b))
        yield Sample(("ij,jk", a, b))
        yield Sample(("ij->ji", a))
        yield Sample(("ij->", a))
        yield Sample(("ii->i", array((3, 3))))
        yield Sample(("ii", array((3, 3))))
        yield Sample(("i,j->ij", array((3,)), array((2,), seed=1)))
        yield Sample(("ij,jk,ki->", a, b, c))
        yield Sample(("bij,bjk->bik", array((2, 3, 4)), array((2, 4, 2), seed=1)))
        yield Sample(("...ij,...jk->...ik", array((2, 1, 3, 4)), array((5, 4, 2), seed=1)))
        yield Sample(("bhid,bhjd->bhij", array((2, 2, 3, 2)), array((2, 2, 4, 2), seed=1)))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Too few operands, an unknown index in the result, unequal sizes."""
        x = array((2, 3))
        yield Bad(("ij,jk->ik", x), {}, ArgumentError, "2 operands, got 1")
        yield Bad(("ij->k", x), {}, RangeError, "'k'")
        yield Bad(("ij,jk->ik", x, x), {}, ShapeError, r"'j' has the sizes 3 and 2.*\(2, 3\)")
        yield Bad(("ijk->i", x), {}, ShapeError, r"'ijk' .*\(2, 3\)")


def _parsed(equation: str, operands: tuple[Any, ...]) -> tuple[list[str], str]:
    """Labels of each operand and of the result, one letter a dimension."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ArgumentError(
            f"einsum: {equation!r} takes {len(terms)} operands, got {len(operands)}"
        )
    free = [c for c in reversed(string.ascii_letters) if c not in equation]
    hidden = [o.ndim - len(t.replace("...", "")) for o, t in zip(operands, terms, strict=True)]
    widest = max((n for n, t in zip(hidden, terms, strict=True) if "..." in t), default=0)
    dots = "".join(free[:widest])
    sizes: dict[str, int] = {}
    for i, (operand, term) in enumerate(zip(operands, terms, strict=True)):
        full = term.replace("...", dots[widest - hidden[i] :] if hidden[i] > 0 else "")
        if len(full) != operand.ndim:
            raise ShapeError(f"einsum: {term!r} does not fit the shape {tuple(operand.shape)}")
        for label, size in zip(full, operand.shape, strict=True):
            known = sizes.setdefault(label, size)
            if known != size and 1 not in (known, size):
                shapes = " and ".join(str(tuple(part.shape)) for part in operands)
                raise ShapeError(
                    f"einsum: {label!r} has the sizes {known} and {size}; {equation!r} does not "
                    f"fit the shapes {shapes}"
                )
            sizes[label] = max(known, size)
        terms[i] = full
    if not arrow:
        every = "".join(terms)
        right = "..." + "".join(sorted(c for c in set(every) - set(dots) if every.count(c) == 1))
    result = right.replace("...", dots)
    for label in result:
        if label not in sizes or result.count(label) > 1:
            raise RangeError(
                f"einsum: {label!r} in the result of {equation!r} is in no operand, or there twice"
            )
    return terms, result


def _diagonal(value: Any, labels: str) -> tuple[Any, str]:
    """`value` with repeated labels replaced by their diagonal, which comes first."""
    for label in dict.fromkeys(labels):
        if labels.count(label) > 1:
            where = [slice(None)] * len(labels)
            places = [i for i, c in enumerate(labels) if c == label]
            size = value.shape[places[0]]
            rest = "".join(c for c in labels if c != label)
            order = (*places, *(i for i, c in enumerate(labels) if c != label))
            where = [np.arange(size)] * len(places)  # type: ignore[list-item]
            value = op.getitem(op.permute(value, order), tuple(where))
            labels = label + rest
    return value, labels


def _summed(value: Any, labels: str, kept: set[str]) -> tuple[Any, str]:
    away = tuple(i for i, c in enumerate(labels) if c not in kept)
    if not away:
        return value, labels
    return op.sum(value, away), "".join(c for c in labels if c in kept)


def _pair(a: Any, first: str, b: Any, second: str, later: set[str]) -> tuple[Any, str]:
    """The product of two operands as one batched matrix product."""
    a, first = _summed(a, first, later | set(second))
    b, second = _summed(b, second, later | set(first))
    shared = [c for c in first if c in second]
    batch = [c for c in shared if c in later]
    inner = [c for c in shared if c not in later]
    rows = [c for c in first if c not in shared]
    columns = [c for c in second if c not in shared]
    a = op.permute(a, tuple(first.index(c) for c in batch + rows + inner))
    b = op.permute(b, tuple(second.index(c) for c in batch + inner + columns))
    sizes = dict(zip(batch + rows + inner, a.shape, strict=True))
    other = dict(zip(batch + inner + columns, b.shape, strict=True))
    if any(sizes[c] != other[c] for c in inner):  # size 1 broadcast against a longer one
        a = op.expand(
            a, [max(sizes[c], other.get(c, 0)) if c in inner else sizes[c] for c in sizes]
        )
        b = op.expand(
            b, [max(other[c], sizes.get(c, 0)) if c in inner else other[c] for c in other]
        )
        sizes = dict(zip(batch + rows + inner, a.shape, strict=True))
        other = dict(zip(batch + inner + columns, b.shape, strict=True))
    depth = _size(sizes, inner)
    left = op.reshape(a, (*(sizes[c] for c in batch), _size(sizes, rows), depth))
    right = op.reshape(b, (*(other[c] for c in batch), depth, _size(other, columns)))
    out = op.batched_product(left, right)
    shape = (*out.shape[:-2], *(sizes[c] for c in rows), *(other[c] for c in columns))
    return op.reshape(out, shape), "".join(batch + rows + columns)


def _size(sizes: dict[str, int], labels: list[str]) -> int:
    size = 1
    for label in labels:
        size *= sizes[label]
    return size
