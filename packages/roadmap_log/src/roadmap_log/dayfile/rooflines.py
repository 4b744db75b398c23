"""The kernels of a day that are timed on a GPU: classes `Roofline…` below `# TESTS`."""

import ast
from collections.abc import Iterator
from pathlib import Path

from roadmap_log.dayfile.day import Roofline
from roadmap_log.dayfile.source import DayFileError

_METHODS = {
    "__init__": "def __init__(self, size): sets self.bytes and self.flops",
    "inputs": "def inputs(self, generator): a tuple, drawn anew for every run",
    "run": "def run(self, *inputs): what is timed; returns the result",
    "check": "def check(self, result, *inputs): raises where the result is wrong",
}


def rooflines_in(tree: ast.Module, first: int, path: Path) -> tuple[Roofline, ...]:
    """The rooflines defined from line `first` on, in order.

    Each is a class whose docstring says what is moved or computed, with `SIZE`, large enough for a
    GPU, and `SMALL`, which the interpreter manages, with `precision = "float16"` where it counts
    the flops of matrix products, and with the methods `__init__`, `inputs`, `run` and `check`.

    Raises:
        DayFileError: one of them lacks a part.
    """
    return tuple(
        _roofline(node, path)
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and node.lineno >= first
        and node.name.startswith("Roofline")
    )


def _roofline(node: ast.ClassDef, path: Path) -> Roofline:
    title = (ast.get_docstring(node) or "").split("\n")[0].strip()
    if not title:
        raise DayFileError(
            path,
            node.lineno,
            f"{node.name} has no docstring",
            expected="a line that says what is moved or computed",
        )
    methods = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
    for name, wanted in _METHODS.items():
        if name not in methods:
            raise DayFileError(path, node.lineno, f"{node.name} has no {name}", expected=wanted)
    values = dict(pair for each in node.body if isinstance(each, ast.Assign) for pair in _set(each))
    for name in ("SIZE", "SMALL"):
        if name not in values:
            raise DayFileError(
                path,
                node.lineno,
                f"{node.name} has no {name}",
                expected="SIZE, SMALL = 2**27, 2**12",
            )
    precision = getattr(values.get("precision"), "value", "")
    told = precision if isinstance(precision, str) else ""
    return Roofline(node.name, title, told, node.lineno)


def _set(node: ast.Assign) -> Iterator[tuple[str, ast.expr]]:
    """The names that an assignment sets, each with its expression."""
    for target in node.targets:
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            yield from (
                (getattr(t, "id", ""), v)
                for t, v in zip(target.elts, node.value.elts, strict=False)
            )
        else:
            yield getattr(target, "id", ""), node.value
