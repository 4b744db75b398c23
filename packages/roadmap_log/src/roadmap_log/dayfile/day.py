"""One day of a track: what its file says, and the variants that are generated from it."""

import ast
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from roadmap_log.dayfile.regions import Change, Region


@dataclass(frozen=True)
class Exercise:
    """One exercise: the names it defines in `function`, its TODO, its hints from faint to plain.

    `lines` is its part of the day's file, first and last line (1-based, inclusive).
    """

    number: int
    title: str
    function: str
    todo: str
    hints: tuple[str, ...]
    regions: tuple[Region, ...]
    lines: tuple[int, int]

    @property
    def label(self) -> str:
        """How the skeleton names the exercise in its refusal."""
        return f"Exercise {self.number}: {self.title}".replace("\\", "\\\\").replace('"', "'")


@dataclass(frozen=True)
class Mutant:
    """A plausible wrong answer: `code` as written on `line`, and the whole file that holds it."""

    exercise: int
    line: int
    code: str
    source: str


@dataclass(frozen=True)
class Roofline:
    """A kernel that is timed on a GPU, by a class `name` below `# TESTS` (see `rooflines_in`).

    `precision` is what its matrix products are counted in ("float16"), or "" where only bytes are.
    """

    name: str
    title: str
    precision: str
    line: int


@dataclass(frozen=True)
class Layout:
    """Where the author's comments stand: what is cut from the file before a learner sees it.

    `hidden` are whole lines (markers, mutants, all hints but an exercise's first), `trailing` pairs
    a line with the column of the `# SKELETON:` behind its code, `changes` are (exercise, mutant).
    """

    hidden: frozenset[int]
    trailing: tuple[tuple[int, int], ...]
    changes: tuple[tuple[int, Change], ...]


@dataclass(frozen=True)
class DayFile:
    """A parsed day. Made by `parse`; everything a learner gets is derived from it.

    `test_ids` are the test functions below `# TESTS` ("test_x", "TestY::test_z"); `given` those
    that may pass before anything is solved (suffix `_given`). `requires` names what the machine
    must have: "gpu", "interpreter", both (either will do) or nothing. `rooflines` are the kernels
    that are timed on a GPU once the tests pass. `upper` is the author's text above `# TESTS`,
    `tests_source` the text from there on.
    """

    path: Path
    number: int
    title: str
    estimated_time: str
    minutes: tuple[int, int]
    prerequisites: str
    objectives: tuple[str, ...]
    background: str
    hints: tuple[str, ...]
    requires: tuple[str, ...]
    exercises: tuple[Exercise, ...]
    test_ids: tuple[str, ...]
    given: frozenset[str]
    rooflines: tuple[Roofline, ...]
    upper: str
    tests_source: str
    layout: Layout

    @property
    def source(self) -> str:
        """The author's whole file."""
        return self.upper + self.tests_source

    def skeleton(self) -> str:
        """What the learner gets: every solution replaced by a refusal, hints but the first gone."""
        return self.variant(open_exercises=[e.number for e in self.exercises])

    def solution(self, exercise: int | None = None) -> str:
        """The solved file, or the solved part of one exercise, without the author's markers.

        Raises:
            KeyError: the day has no such exercise.
        """
        if exercise is None:
            return self.variant(open_exercises=[])
        chosen = {e.number: e for e in self.exercises}[exercise]
        lines = self._solved()[chosen.lines[0] - 1 : chosen.lines[1]]
        return "\n".join(line for line in lines if line is not None).strip("\n") + "\n"

    def variant(self, *, open_exercises: Iterable[int]) -> str:
        """The whole file with the given exercises open and all others solved."""
        lines, still_open = self._solved(), set(open_exercises)
        for exercise in self.exercises:
            if exercise.number in still_open:
                for region in exercise.regions:
                    indent = self._indent(region.body)
                    body = [indent + line for line in region.refusal(exercise.label)]
                    _replace(lines, region.first, region.last, body)
        return _text(lines)

    def mutants(self) -> tuple[Mutant, ...]:
        """Every wrong answer, each in a file in which all else is solved."""
        return tuple(self._mutant(number, change) for number, change in self.layout.changes)

    def _mutant(self, exercise: int, change: Change) -> Mutant:
        lines = self._solved()
        indent = self._indent(change.first)
        body = [indent + line if line else "" for line in change.code.split("\n")]
        _replace(lines, change.first, change.last, body)
        return Mutant(exercise, change.line, change.code, _text(lines))

    def _solved(self) -> list[str | None]:
        """The author's lines; None where a learner sees nothing."""
        hidden, trailing = self.layout.hidden, dict(self.layout.trailing)
        return [
            None if n in hidden else line[: trailing[n]].rstrip() if n in trailing else line
            for n, line in enumerate(self.source.split("\n"), 1)
        ]

    def _indent(self, line: int) -> str:
        """The blanks, spaces or tabs, before the code of a line (1-based)."""
        text = self.source.split("\n")[line - 1]
        return text[: len(text) - len(text.lstrip())]

    def task_markdown(self) -> str:
        """The day's text as Markdown: objectives, background, exercises, how to be judged."""
        parts = [
            f"# Day {self.number:02d}: {self.title}",
            f"Estimated time: {self.estimated_time}  \nPrerequisites: {self.prerequisites}"
            + (f"  \nRequires: {' or '.join(self.requires)}" if self.requires else ""),
            "## Learning objectives",
            "\n".join(f"- {objective}" for objective in self.objectives),
            "## Background",
            textwrap.dedent(self.background),
            "## Exercises",
            *(f"{e.number}. **{e.title}** (`{e.function}`): {e.todo}" for e in self.exercises),
            "## Hints",
            "\n".join(f"- {hint}" for hint in self.hints),
        ]
        return "\n\n".join(parts) + "\n"


def combine(upper: str, day: DayFile) -> str:
    """A learner's upper part followed by the day's own tests; lines of the upper part keep place.

    >>> combine("x = 1", day).startswith("x = 1\\n# TESTS")            # doctest: +SKIP
    True
    """
    return (upper if upper.endswith("\n") or not upper else upper + "\n") + day.tests_source


def tests_in(tree: ast.Module, first: int) -> tuple[str, ...]:
    """Names of the test functions defined from line `first` on, as pytest would collect them."""
    found: list[str] = []
    for node in tree.body:
        if node.lineno < first:
            continue
        if _is_test(node):
            found.append(node.name)
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            found += [f"{node.name}::{m.name}" for m in node.body if _is_test(m)]
    return tuple(found)


def _is_test(node: ast.stmt) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef]:
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith(
        "test"
    )


def _replace(lines: list[str | None], first: int, last: int, body: list[str]) -> None:
    """Put `body` in the place of lines `first` to `last` (1-based); no other line moves."""
    lines[first - 1] = "\n".join(body)
    lines[first:last] = [None] * (last - first)


def _text(lines: list[str | None]) -> str:
    return "\n".join(line for line in lines if line is not None)
