"""The text of a day: reading it, and telling the upper part (exercises) from the tests below it."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from roadmap_log.errors import RoadmapError

LONGEST = 1_000_000
"""Bytes; a file beyond this is a mistake (a log, a data set), and reading it only costs time."""

_TESTS = re.compile(r"# TESTS[ \t]*$")


class DayFileError(RoadmapError):
    """A day's file breaks the format; the message begins with `file:line`."""

    exit_code: ClassVar[int] = 4

    def __init__(
        self,
        path: Path,
        line: int,
        problem: str,
        *,
        expected: str | None = None,
        fix: str | None = None,
    ) -> None:
        super().__init__(f"{path}:{line}: {problem}", expected=expected, fix=fix)
        self.path = path
        self.line = line


def read(path: Path) -> str:
    """Text of a Python file: UTF-8, any byte order mark dropped, line ends as `\\n`.

    Raises:
        DayFileError: missing, not a regular file, larger than `LONGEST`, not UTF-8, or binary.
    """
    try:
        if not path.is_file():
            what = "is not a regular file" if path.exists() else "there is no such file"
            raise DayFileError(path, 1, what, expected="a Python file")
        size = path.stat().st_size
        if size > LONGEST:
            raise DayFileError(
                path, 1, f"the file has {size / 1e6:.1f} MB", expected="at most 1 MB of Python"
            )
        data = path.read_bytes()
    except OSError as error:
        raise DayFileError(
            path, 1, f"cannot be read: {error.strerror}", fix="check the file's permissions"
        ) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DayFileError(
            path,
            line,
            f"byte 0x{data[error.start]:02x} is not UTF-8",
            expected="Python text in UTF-8",
            fix="save the file again with the encoding UTF-8",
        ) from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DayFileError(path, line, "the file is binary (a zero byte)", expected="Python text")
    return text


def comments(source: str) -> Iterator[tokenize.TokenInfo]:
    """The comments of `source`, by Python's own tokenizer; ends quietly where it gives up."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                yield token
    except (tokenize.TokenError, SyntaxError):
        return


def tests_line(source: str) -> int | None:
    """1-based line of the first `# TESTS` comment in column 0, or None.

    In a file that Python cannot tokenize to its end (an unclosed bracket or string in a learner's
    draft) the first line below that point that looks like the marker is taken.
    """
    for token in comments(source):
        if token.start[1] == 0 and _TESTS.match(token.string):
            return token.start[0]
    if _tokenizes(source):
        return None
    lines = source.split("\n")
    return next((n for n, line in enumerate(lines, 1) if _TESTS.match(line)), None)


def _tokenizes(source: str) -> bool:
    try:
        for _ in tokenize.generate_tokens(io.StringIO(source).readline):
            pass
    except (tokenize.TokenError, SyntaxError):
        return False
    return True


def split(source: str) -> tuple[str, str]:
    """`source` above its `# TESTS` comment, and the rest from that comment on (may be empty)."""
    line = tests_line(source)
    if line is None:
        return source, ""
    lines = source.split("\n")
    return "\n".join([*lines[: line - 1], ""]), "\n".join(lines[line - 1 :])


def split_upper(source: str) -> str:
    """What a learner's file holds above `# TESTS`: all of it where the tests part was removed.

    >>> split_upper("x = 1\\n# TESTS\\ndef test_x(): ...\\n")
    'x = 1\\n'
    """
    text = source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return split(text)[0]
