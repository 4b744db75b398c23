"""Nested tuples, lists and dicts of tensors, taken apart and put together again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def leaves(tree: Any) -> list[Any]:
    """Everything in `tree` that is no tuple, list or dict, from left to right."""
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in leaves(value)]
    if isinstance(tree, (tuple, list)):
        return [leaf for value in tree for leaf in leaves(value)]
    return [tree]


def rebuild(tree: Any, values: Sequence[Any]) -> Any:
    """A tree like `tree` with `values` as its leaves."""
    source = iter(values)
    return mapped(lambda _: next(source), tree)


def mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    """A tree like `tree`, with `function` applied to every leaf."""
    if isinstance(tree, dict):
        return type(tree)((key, mapped(function, value)) for key, value in tree.items())
    if isinstance(tree, (tuple, list)):
        parts = [mapped(function, value) for value in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return function(tree)
