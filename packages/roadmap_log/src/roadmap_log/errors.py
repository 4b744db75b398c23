"""The errors the program raises on purpose, and the exit code each one ends the command with.

Every error says three things: what is wrong with what was given (`problem`), what would have
been right (`expected`), and what to do next (`fix`). The command line prints them as three lines.
"""

from typing import ClassVar

EXIT_CODES: dict[int, str] = {
    0: "all is well",
    1: "the work was judged and did not pass",
    2: "the command was called wrongly (unknown option, missing argument)",
    3: "there is no journey here, or its files cannot be understood",
    4: "no such roadmap, track, day or entry, or one that is broken or only planned",
    5: "something could not be read or written (permission, space, another process)",
    6: "this machine lacks what the work needs (a package, a GPU), or the runner failed",
    130: "interrupted with Ctrl-C",
}
"""What each exit status means; stable, so that scripts may rely on it."""


class RoadmapError(Exception):
    """Base of all errors raised on purpose.

    Args:
        problem: what was given, and why it cannot be used.
        expected: what would have been right.
        fix: what the reader can do next.
    """

    exit_code: ClassVar[int] = 4

    def __init__(
        self, problem: str, *, expected: str | None = None, fix: str | None = None
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.expected = expected
        self.fix = fix

    def __str__(self) -> str:
        parts = [self.problem]
        if self.expected:
            parts.append(f"expected: {self.expected}")
        if self.fix:
            parts.append(f"what to do: {self.fix}")
        return "\n".join(parts)


class JourneyError(RoadmapError):
    """No journey was found, several were, or its files cannot be understood."""

    exit_code: ClassVar[int] = 3


class UnknownItemError(RoadmapError):
    """A roadmap, track, day or entry was asked for that does not exist or cannot be used."""

    exit_code: ClassVar[int] = 4


class EventError(RoadmapError):
    """What was to be recorded is no event that could be read back; nothing was written."""

    exit_code: ClassVar[int] = 4


class StorageError(RoadmapError):
    """A file could not be read or written; nothing was changed."""

    exit_code: ClassVar[int] = 5


class MachineError(RoadmapError):
    """This machine lacks something that the work needs."""

    exit_code: ClassVar[int] = 6
