"""The comments that structure a day: exercises, TODO, hints, solutions, mutants.

They are found by Python's tokenizer, so that a string that contains "# SOLUTION" is no marker.
"""

import re
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from roadmap_log.dayfile.source import DayFileError, comments


class Kind(Enum):
    """What a marker comment says."""

    EXERCISE = "# Exercise N: title"
    TODO = "# TODO: text"
    HINT = "# HINT: text"
    SOLUTION = "# SOLUTION"
    END = "# END SOLUTION"
    SKELETON = "# SKELETON: line"
    MUTANT = "# MUTANT: code"
    MORE = "# MUTANT| code"
    TESTS = "# TESTS"


@dataclass(frozen=True)
class Marker:
    """One marker: its text after the colon, and the lines (1-based, inclusive) it fills."""

    kind: Kind
    text: str
    line: int
    column: int
    alone: bool
    last: int
    number: int = 0


_FORMS = {
    Kind.EXERCISE: re.compile(r"# Exercise (?P<number>\d+): *(?P<text>\S.*)$"),
    Kind.TODO: re.compile(r"# TODO: *(?P<text>\S.*)$"),
    Kind.HINT: re.compile(r"# HINT: *(?P<text>\S.*)$"),
    Kind.SOLUTION: re.compile(r"# SOLUTION(?P<text>)\s*$"),
    Kind.END: re.compile(r"# END SOLUTION(?P<text>)\s*$"),
    Kind.SKELETON: re.compile(r"# SKELETON: *(?P<text>\S.*)$"),
    Kind.MUTANT: re.compile(r"# MUTANT: ?(?P<text>.*\S.*)$"),
    Kind.MORE: re.compile(r"# MUTANT\| ?(?P<text>.*)$"),
    Kind.TESTS: re.compile(r"# TESTS(?P<text>)\s*$"),
}
_NEARLY = re.compile(
    r"#+\s*(END[ _]SOLUTION|SOLUTION|MUTANT|SKELETON|HINT|TODO|TESTS|Exercise\s*\d)\b\s*[:|]?"
)
_CONTINUED = re.compile(r"#  +(?P<text>\S.*)$")
_SPOKEN = (Kind.TODO, Kind.HINT)


def markers(source: str, path: Path) -> tuple[Marker, ...]:
    """All markers of `source`, in order.

    A TODO or HINT goes on over the comment lines right below it that are indented by two or more
    spaces after the `#`.

    Raises:
        DayFileError: a comment that is nearly a marker, or a marker behind code.
    """
    lines = source.split("\n")
    found: list[Marker] = []
    for token in comments(source):
        line, column = token.start
        alone = not lines[line - 1][:column].strip()
        if alone and _continues(token.string, line, column, found):
            text = token.string.removeprefix("#").strip()
            found[-1] = replace(found[-1], text=f"{found[-1].text} {text}", last=line)
            continue
        marker = _read(token.string, line, column, alone, path)
        if marker is not None:
            found.append(marker)
    return tuple(found)


def _continues(text: str, line: int, column: int, found: list[Marker]) -> bool:
    return bool(
        found
        and found[-1].kind in _SPOKEN
        and found[-1].last == line - 1
        and found[-1].column == column
        and _CONTINUED.match(text)
    )


def _read(text: str, line: int, column: int, alone: bool, path: Path) -> Marker | None:
    for kind, form in _FORMS.items():
        match = form.match(text)
        if not match:
            continue
        if not alone and kind is not Kind.SKELETON:
            if kind in _SPOKEN:
                return None
            raise DayFileError(
                path, line, f'"{text}" stands behind code', expected="the marker on its own line"
            )
        number = int(match["number"]) if kind is Kind.EXERCISE else 0
        return Marker(kind, match["text"].rstrip(), line, column, alone, line, number)
    nearly = _NEARLY.match(text)
    if alone and nearly:
        word = nearly[1].replace("_", " ")
        wanted = next(
            kind.value for kind in Kind if kind.value.split(":")[0].startswith(f"# {word[:8]}")
        )
        raise DayFileError(path, line, f'"{text}" is not a marker', expected=f'"{wanted}"')
    return None
