"""From a day's file to a `DayFile`: every rule of the format is checked here, with its line."""

import ast
import re
import warnings
from pathlib import Path

from roadmap_log.dayfile.day import DayFile, Exercise, Layout, tests_in
from roadmap_log.dayfile.docstring import Head, parse_head
from roadmap_log.dayfile.markers import Kind, Marker, markers
from roadmap_log.dayfile.regions import Change, Region, change, region
from roadmap_log.dayfile.rooflines import rooflines_in
from roadmap_log.dayfile.source import DayFileError, read, split

_AUTHORS_ONLY = (Kind.SOLUTION, Kind.END, Kind.SKELETON, Kind.MUTANT, Kind.MORE)
_NAME = re.compile(r"day(\d+)\.py$")


def parse(path: Path) -> DayFile:
    """Read and check the day's file at `path`.

    Raises:
        DayFileError: with `file:line`, what was found there and what is expected.
    """
    source = read(path)
    if not source.strip():
        raise DayFileError(path, 1, "the file is empty", expected="a day: docstring, exercises, …")
    tree = _syntax(source, path)
    head = _head(tree, path)
    upper, tests_source = split(source)
    found = markers(source, path)
    tests_line = _tests_marker(found, source, path)
    above = tuple(m for m in found if m.line < tests_line)
    tests = tests_in(tree, tests_line)
    rooflines = rooflines_in(tree, tests_line, path)
    tree.body = [node for node in tree.body if node.lineno < tests_line]
    regions = _regions(tree, above, path)
    exercises = _exercises(tree, above, regions, tests_line, path)
    if not tests:
        raise DayFileError(
            path, tests_line, 'no test stands below "# TESTS"', expected="def test_…(): …"
        )
    if twice := {name for name in tests if tests.count(name) > 1}:
        raise DayFileError(path, tests_line, f"two tests are named {min(twice)}", fix="rename one")
    day = DayFile(
        path=path,
        **vars(head),
        exercises=exercises,
        test_ids=tests,
        given=frozenset(name for name in tests if name.endswith("_given")),
        rooflines=rooflines,
        upper=upper,
        tests_source=tests_source,
        layout=_layout(tree, above, exercises, path),
    )
    _importable(day)
    return day


def _syntax(source: str, path: Path) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, str(path), "exec", dont_inherit=True)
            return ast.parse(source)
    except SyntaxError as error:
        raise DayFileError(
            path, error.lineno or 1, f"not valid Python: {error.msg}", fix="mend the syntax"
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise DayFileError(path, 1, f"Python cannot read it: {error}") from error


def _head(tree: ast.Module, path: Path) -> Head:
    first = 1
    if tree.body and isinstance(tree.body[0], ast.Expr):
        first = tree.body[0].lineno
    head = parse_head(ast.get_docstring(tree, clean=False), path, first)
    named = _NAME.match(path.name)
    if named and int(named[1]) != head.number:
        raise DayFileError(
            path,
            first,
            f"the docstring says day {head.number}",
            expected=f"day {int(named[1])}, as the file's name says",
        )
    return head


def _tests_marker(found: tuple[Marker, ...], source: str, path: Path) -> int:
    """Line of the one `# TESTS`; nothing of the author's may stand below it."""
    tests = [m for m in found if m.kind is Kind.TESTS]
    if not tests or tests[0].column:
        raise DayFileError(
            path,
            tests[0].line if tests else source.rstrip("\n").count("\n") + 1,
            'the file has no line "# TESTS" in column 0',
            expected='"# TESTS" between the exercises and their tests',
        )
    if len(tests) > 1:
        raise DayFileError(path, tests[1].line, '"# TESTS" stands twice', expected="it once")
    for marker in found:
        if marker.line > tests[0].line and marker.kind in (*_AUTHORS_ONLY, Kind.EXERCISE):
            raise DayFileError(
                path, marker.line, f'"{marker.kind.value}" stands below "# TESTS"', fix="move it up"
            )
    return tests[0].line


def _regions(tree: ast.Module, above: tuple[Marker, ...], path: Path) -> tuple[Region, ...]:
    regions: list[Region] = []
    begin: Marker | None = None
    skeleton: list[str] = []
    for marker in above:
        if marker.kind is Kind.SOLUTION:
            if begin is not None:
                raise DayFileError(
                    path,
                    marker.line,
                    f"a solution begins inside the one of line {begin.line}",
                    expected='"# END SOLUTION" before it; solutions do not nest',
                )
            begin, skeleton = marker, []
        elif marker.kind is Kind.END:
            if begin is None:
                raise DayFileError(
                    path,
                    marker.line,
                    '"# END SOLUTION" without "# SOLUTION"',
                    expected='"# SOLUTION" above it',
                )
            regions.append(region(tree, begin, marker, tuple(skeleton), path))
            begin = None
        elif marker.kind is Kind.SKELETON and begin is not None:
            skeleton.append(marker.text)
        elif marker.kind in _AUTHORS_ONLY and begin is None:
            raise DayFileError(
                path,
                marker.line,
                f'"{marker.kind.value}" stands outside a solution',
                expected='it between "# SOLUTION" and "# END SOLUTION"',
            )
        elif marker.kind in (Kind.EXERCISE, Kind.TODO, Kind.HINT) and begin is not None:
            raise DayFileError(
                path,
                marker.line,
                f'"{marker.kind.value}" stands inside a solution, where no learner sees it',
                expected='it above "# SOLUTION"',
            )
    if begin is not None:
        raise DayFileError(
            path, begin.line, "the solution is not closed", expected='"# END SOLUTION"'
        )
    return tuple(regions)


def _exercises(
    tree: ast.Module,
    above: tuple[Marker, ...],
    regions: tuple[Region, ...],
    tests_line: int,
    path: Path,
) -> tuple[Exercise, ...]:
    heads = [m for m in above if m.kind is Kind.EXERCISE]
    if not heads:
        raise DayFileError(path, 1, "the file has no exercise", expected='"# Exercise 1: title"')
    for marker in above:
        if marker.line < heads[0].line:
            raise DayFileError(
                path,
                marker.line,
                f'"{marker.kind.value}" stands before the first exercise',
                expected='"# Exercise 1: title" above it',
            )
    ends = [*(m.line - 1 for m in heads[1:]), tests_line - 1]
    exercises = []
    for count, (marker, end) in enumerate(zip(heads, ends, strict=True), 1):
        if marker.number != count:
            raise DayFileError(
                path,
                marker.line,
                f"exercise {marker.number} follows {count - 1}",
                expected=f"{count}",
            )
        inside = [m for m in above if marker.line < m.line <= end]
        todo = " ".join(m.text for m in inside if m.kind is Kind.TODO)
        own = tuple(r for r in regions if marker.line < r.first <= end)
        for missing, wanted in ((not todo, "# TODO: text"), (not own, "# SOLUTION")):
            if missing:
                raise DayFileError(
                    path, marker.line, f'exercise {count} has no "{wanted}"', expected="one in it"
                )
        exercises.append(
            Exercise(
                number=count,
                title=marker.text,
                function=_names(tree, marker.line, end),
                todo=todo,
                hints=tuple(m.text for m in inside if m.kind is Kind.HINT),
                regions=own,
                lines=(marker.line, end),
            )
        )
    return tuple(exercises)


def _names(tree: ast.Module, first: int, last: int) -> str:
    """The names an exercise defines at module level, in order; underscored ones aside."""
    names: list[str] = []
    for node in tree.body:
        if not first < node.lineno <= last:
            continue
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.append(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [t.id for t in targets if isinstance(t, ast.Name)]
    return ", ".join(dict.fromkeys(n for n in names if not n.startswith("_")))


def _layout(
    tree: ast.Module, above: tuple[Marker, ...], exercises: tuple[Exercise, ...], path: Path
) -> Layout:
    hidden = {m.line for m in above if m.kind in _AUTHORS_ONLY and m.alone}
    for exercise in exercises:
        first, last = exercise.lines
        hints = [m for m in above if m.kind is Kind.HINT and first <= m.line <= last]
        for hint in hints[1:]:
            hidden.update(range(hint.line, hint.last + 1))
    changes = []
    for exercise in exercises:
        for own in exercise.regions:
            changes += [(exercise.number, c) for c in _changes(tree, above, own, path)]
    return Layout(
        hidden=frozenset(hidden),
        trailing=tuple((m.line, m.column) for m in above if not m.alone),
        changes=tuple(changes),
    )


def _changes(tree: ast.Module, above: tuple[Marker, ...], own: Region, path: Path) -> list[Change]:
    changes: list[Change] = []
    inside = [m for m in above if own.first < m.line < own.last]
    for n, marker in enumerate(inside):
        if marker.kind is Kind.MORE and (
            n == 0
            or inside[n - 1].kind not in (Kind.MUTANT, Kind.MORE)
            or inside[n - 1].line != marker.line - 1
        ):
            raise DayFileError(
                path, marker.line, '"# MUTANT|" continues nothing', expected='"# MUTANT:" above it'
            )
        if marker.kind is Kind.MUTANT:
            code = [marker.text]
            for more in inside[n + 1 :]:
                if more.kind is not Kind.MORE:
                    break
                code.append(more.text)
            changes.append(change(tree, marker, "\n".join(code), (own.first, own.last), path))
    return changes


def _importable(day: DayFile) -> None:
    """What the learner gets must be valid Python from the first moment."""
    skeleton = day.skeleton()
    try:
        compile(skeleton, "<skeleton>", "exec", dont_inherit=True)
    except SyntaxError as error:
        text = skeleton.split("\n")[(error.lineno or 1) - 1].strip()
        written = (n for n, line in enumerate(day.source.split("\n"), 1) if text in line)
        raise DayFileError(
            day.path,
            next(written, 1),
            f"the skeleton is not valid Python at {text!r}: {error.msg}",
            fix="mend it",
        ) from error
