"""The format of a day: one Python file from which skeleton, task, hints and checks are derived."""

from roadmap_log.dayfile.day import DayFile, Exercise, Mutant, Roofline, combine
from roadmap_log.dayfile.parse import parse
from roadmap_log.dayfile.source import DayFileError, read, split_upper

__all__ = [
    "DayFile",
    "DayFileError",
    "Exercise",
    "Mutant",
    "Roofline",
    "combine",
    "parse",
    "read",
    "split_upper",
]
