"""The docstring at the head of a day: title, time, prerequisites, objectives, background, hints."""

import re
from dataclasses import dataclass
from pathlib import Path

from roadmap_log.dayfile.source import DayFileError

_TITLE = re.compile(r"Day\s+(\d+):\s*(\S.*)$")
_HOURS = re.compile(r"(\d+(?:\.\d+)?)(?:\s*[-–]\s*(\d+(?:\.\d+)?))?\s*(hour|minute)s?$")
_SECTIONS = ("Learning objectives:", "Background:", "Hints:")
_EXAMPLE = "see CONTRIBUTING.md for a whole docstring"
NEEDS = ("gpu", "interpreter")


@dataclass(frozen=True)
class Head:
    """What a day's docstring says.

    `minutes` is the estimate as (least, most); `requires` names what the machine must have:
    "gpu", "interpreter", both (either will do), or nothing.
    """

    number: int
    title: str
    estimated_time: str
    minutes: tuple[int, int]
    prerequisites: str
    objectives: tuple[str, ...]
    background: str
    hints: tuple[str, ...]
    requires: tuple[str, ...]


def parse_head(docstring: str | None, path: Path, first: int) -> Head:
    """Read a docstring whose text begins on line `first` of `path`.

    Raises:
        DayFileError: a field is missing, twice, or malformed; names its line.
    """
    if not docstring:
        raise DayFileError(
            path, 1, "the file has no docstring", expected='"""Day NN: title …"""', fix=_EXAMPLE
        )
    lines = docstring.expandtabs().split("\n")
    start = next((n for n, line in enumerate(lines) if line.strip()), 0)
    title = _TITLE.match(lines[start].strip())
    if not title:
        raise DayFileError(
            path,
            first + start,
            f"the docstring begins with {lines[start].strip()!r}",
            expected="Day NN: title",
            fix=_EXAMPLE,
        )
    sections = _sections(lines, path, first)
    estimate = _field(lines, "Estimated time", path, first)
    assert estimate is not None
    prerequisites = _field(lines, "Prerequisites", path, first)
    assert prerequisites is not None
    return Head(
        number=int(title[1]),
        title=title[2].strip(),
        estimated_time=estimate[0],
        minutes=_minutes(estimate[0], path, estimate[1]),
        prerequisites=prerequisites[0],
        objectives=_bullets(sections["Learning objectives:"]),
        background="\n".join(sections["Background:"]).strip("\n"),
        hints=_bullets(sections["Hints:"]),
        requires=_requires(lines, path, first),
    )


def _field(
    lines: list[str], name: str, path: Path, first: int, required: bool = True
) -> tuple[str, int] | None:
    """The value of the line `name: value`, and the line it stands on."""
    found = [(n, line) for n, line in enumerate(lines) if line.startswith(name + ":")]
    if len(found) > 1:
        raise DayFileError(
            path,
            first + found[1][0],
            f'"{name}:" stands twice in the docstring',
            expected="one such line",
        )
    value = found[0][1][len(name) + 1 :].strip() if found else ""
    if value:
        return value, first + found[0][0]
    if required or found:
        raise DayFileError(
            path,
            first + (found[0][0] if found else 0),
            f'the docstring has no "{name}"',
            expected=f'a line "{name}: …"',
            fix=_EXAMPLE,
        )
    return None


def _sections(lines: list[str], path: Path, first: int) -> dict[str, list[str]]:
    """The lines under each of the known headings, which stand alone in column 0."""
    at: dict[str, int] = {}
    for n, line in enumerate(lines):
        heading = line.rstrip()
        if heading in _SECTIONS:
            if heading in at:
                raise DayFileError(
                    path,
                    first + n,
                    f'"{heading}" stands twice in the docstring',
                    expected="one such section",
                )
            at[heading] = n
    for heading in _SECTIONS:
        if heading not in at:
            raise DayFileError(
                path,
                first,
                f'the docstring has no "{heading}"',
                expected=f"the sections {', '.join(_SECTIONS)} each on a line of its own",
                fix=_EXAMPLE,
            )
    ends = sorted([*at.values(), len(lines)])
    parts = {name: lines[n + 1 : ends[ends.index(n) + 1]] for name, n in at.items()}
    for heading, part in parts.items():
        if not any(line.strip() for line in part):
            raise DayFileError(path, first + at[heading], f'"{heading}" is empty', fix=_EXAMPLE)
    return parts


def _bullets(lines: list[str]) -> tuple[str, ...]:
    """The items of a list written with `- `; further lines of an item are joined to it."""
    items: list[str] = []
    for line in lines:
        text = line.strip()
        if text.startswith("- "):
            items.append(text[2:].strip())
        elif text and items:
            items[-1] += " " + text
        elif text:
            items.append(text)
    return tuple(items)


def _minutes(text: str, path: Path, line: int) -> tuple[int, int]:
    match = _HOURS.match(text)
    if not match:
        raise DayFileError(
            path,
            line,
            f"the estimated time {text!r} cannot be understood",
            expected='"1-2 hours", "1.5 hours" or "45-60 minutes"',
        )
    unit = 60 if match[3] == "hour" else 1
    least, most = float(match[1]), float(match[2] or match[1])
    if not 0 < least <= most:
        raise DayFileError(
            path,
            line,
            f"the estimated time {text!r} is no range",
            expected="the shorter time first, above zero",
        )
    return round(least * unit), round(most * unit)


def _requires(lines: list[str], path: Path, first: int) -> tuple[str, ...]:
    field = _field(lines, "Requires", path, first, required=False)
    if field is None:
        return ()
    names = tuple(name.strip() for name in field[0].split("|"))
    if unknown := [name for name in names if name not in NEEDS]:
        raise DayFileError(
            path,
            field[1],
            f'"Requires: {field[0]}": {unknown[0]!r} is unknown',
            expected='"Requires: gpu" or "Requires: gpu | interpreter"',
        )
    return names
