"""Where a solution stands in the syntax tree, and which statement a mutant replaces."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from roadmap_log.dayfile.markers import Marker
from roadmap_log.dayfile.source import DayFileError

_LANGUAGES = {
    "triton": ("triton.language", "tl"),
    "gluon": ("triton.experimental.gluon.language", "gl"),
}


@dataclass(frozen=True)
class Region:
    """One `# SOLUTION` … `# END SOLUTION`: lines of the two markers, and what stands between.

    `body` is the line of the first statement, whose indentation the refusal takes. `skeleton` are
    the lines a learner gets in its place, without indentation; empty means the usual refusal,
    written in the language of the enclosing function by `refusal`.
    """

    first: int
    last: int
    body: int
    skeleton: tuple[str, ...]
    static_assert: str | None

    def refusal(self, label: str) -> tuple[str, ...]:
        """The lines of the skeleton; `label` names the exercise that is still open."""
        if self.skeleton:
            return self.skeleton
        if self.static_assert:
            return (f'{self.static_assert}(False, "{label}")',)
        return (f'raise NotImplementedError("{label}")',)


@dataclass(frozen=True)
class Change:
    """A mutant: the code that takes the place of lines `first` to `last` of the day's file."""

    line: int
    first: int
    last: int
    code: str


def region(
    tree: ast.Module, begin: Marker, end: Marker, skeleton: tuple[str, ...], path: Path
) -> Region:
    """The region between two markers, checked against the syntax tree.

    Raises:
        DayFileError: no statement, statements of several blocks, or a marker inside a statement;
            outside a function without a `# SKELETON:` line.
    """
    _refuse_cuts(tree, begin, end, path)
    owners, statements = _enclosed(tree, begin, end, path)
    functions = [o for o in owners if isinstance(o, (ast.FunctionDef, ast.AsyncFunctionDef))]
    if not functions and not skeleton:
        raise DayFileError(
            path,
            begin.line,
            "the solution stands outside a function",
            expected='a line "# SKELETON: …" in it that says what the learner gets instead',
        )
    return Region(
        begin.line,
        end.line,
        _start(statements[0]),
        skeleton,
        _static_assert(functions[-1], tree) if functions else None,
    )


def _refuse_cuts(tree: ast.Module, begin: Marker, end: Marker, path: Path) -> None:
    """Neither marker may stand inside a simple statement, nor `end` inside a loop begun within."""
    for node in _statements(tree):
        simple = not any(_blocks(node, ()))
        begun_within = _start(node) > begin.line
        for marker, cuts in ((begin, simple), (end, simple or begun_within)):
            if cuts and _start(node) < marker.line <= _stop(node):
                raise DayFileError(
                    path, marker.line, "the marker cuts a statement in two", fix="move it outside"
                )


def _enclosed(
    tree: ast.Module, begin: Marker, end: Marker, path: Path
) -> tuple[tuple[ast.AST, ...], list[ast.stmt]]:
    """The statements between the markers, which must be of one block, and the nodes that own it."""
    blocks = [
        (owners, inside)
        for owners, block in _blocks(tree, ())
        if (inside := [s for s in block if begin.line < _start(s) and _stop(s) < end.line])
    ]
    if not blocks:
        raise DayFileError(
            path, begin.line, "the solution holds no whole statement", expected="code to be found"
        )
    owners, statements = blocks[0]  # the outermost: blocks come from the outside in
    covered = {id(node) for statement in statements for node in ast.walk(statement)}
    if any(id(statement) not in covered for _, inside in blocks for statement in inside):
        raise DayFileError(
            path,
            begin.line,
            "the solution reaches over the end of a block",
            expected="both markers in the same function body",
        )
    return owners, statements


def change(
    tree: ast.Module, mutant: Marker, code: str, within: tuple[int, int], path: Path
) -> Change:
    """What a `# MUTANT:` replaces: the statement that ends last before it, in the same column.

    Raises:
        DayFileError: no such statement in the region, one that shares its line with another, or
            a mutant that is no Python, or says the same as it.
    """
    before = [s for s in _statements(tree) if within[0] < _start(s) and _stop(s) < mutant.line]
    latest = max(map(_stop, before), default=0)
    aligned = [s for s in before if _stop(s) == latest and s.col_offset == mutant.column]
    if not aligned:
        raise DayFileError(
            path,
            mutant.line,
            "no statement stands before this mutant in its column",
            expected="the mutant right below the statement it replaces, equally indented",
        )
    statement = min(aligned, key=_start)
    within_it = {id(node) for node in ast.walk(statement)}
    if any(_start(s) >= _start(statement) and id(s) not in within_it for s in before):
        raise DayFileError(
            path,
            mutant.line,
            "the statement before this mutant shares its line with another",
            expected="one statement a line, not two with a semicolon",
        )
    try:
        wrong = ast.parse(code)
    except SyntaxError as error:
        raise DayFileError(
            path,
            mutant.line + (error.lineno or 1) - 1,
            f"the mutant is not Python: {error.msg}",
            expected='whole statements, further lines as "# MUTANT| code"',
        ) from error
    if not wrong.body:
        raise DayFileError(
            path, mutant.line, "the mutant holds no statement", expected='code, at least "pass"'
        )
    if [ast.dump(s) for s in wrong.body] == [ast.dump(statement)]:
        raise DayFileError(
            path,
            mutant.line,
            "the mutant equals the solution",
            expected="a plausible wrong answer",
        )
    return Change(mutant.line, _start(statement), latest, code)


def _start(statement: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(d.lineno for d in decorators)])


def _stop(statement: ast.stmt) -> int:
    assert statement.end_lineno is not None
    return statement.end_lineno


def _blocks(
    node: ast.AST, owners: tuple[ast.AST, ...]
) -> Iterator[tuple[tuple[ast.AST, ...], list[ast.stmt]]]:
    """Every list of statements below `node` with the nodes that own it, from the outside in."""
    owners = (*owners, node)
    for name in ("body", "orelse", "finalbody"):
        if block := getattr(node, name, None):
            yield owners, block
            for statement in block:
                yield from _blocks(statement, owners)
    for name in ("handlers", "cases"):
        for part in getattr(node, name, ()):
            yield from _blocks(part, owners)


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    for _, block in _blocks(tree, ()):
        yield from block


def _static_assert(function: ast.AST, tree: ast.Module) -> str | None:
    """`tl.static_assert` for the body of a `@triton.jit` function, None for any other.

    `raise` does not compile there; static_assert refuses compiled and interpreted alike.
    """
    for decorator in getattr(function, "decorator_list", []):
        name = ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)
        if name == "jit" and _alias(tree, "triton.jit"):
            name = "triton.jit"
        root, _, last = name.rpartition(".")
        if last == "jit" and root in _LANGUAGES:
            module, usual = _LANGUAGES[root]
            return f"{_alias(tree, module) or usual}.static_assert"
    return None


def _alias(tree: ast.Module, module: str) -> str | None:
    """The name under which `module` is imported at the top of the file."""
    parent, _, leaf = module.rpartition(".")
    for node in tree.body:
        if isinstance(node, ast.Import):
            for name in node.names:
                if name.name == module:
                    return name.asname or module
        if isinstance(node, ast.ImportFrom) and node.module == parent:
            for name in node.names:
                if name.name == leaf:
                    return name.asname or leaf
    return None
