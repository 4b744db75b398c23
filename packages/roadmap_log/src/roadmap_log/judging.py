"""Judging a day of a journey and recording what came of it; shared by test, watch and verify."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from roadmap_log.files import write_whole
from roadmap_log.state import Day, day_name
from roadmap_log.work import work_in_hand

if TYPE_CHECKING:
    from roadmap_log.dayfile import DayFile
    from roadmap_log.journey import Journey
    from roadmap_log.runner import Report


@dataclass(frozen=True, slots=True)
class Verdict:
    """A day judged: its report, the learner's file, and the Python file that was run.

    The two files differ only for a notebook, which is converted first.
    """

    day: Day
    parsed: "DayFile"
    file: Path
    judged: Path
    report: "Report"

    def cell(self, line: int) -> int | None:
        """The cell of the notebook that holds a line of the judged file; None for a .py file."""
        if self.file == self.judged:
            return None
        from roadmap_log.notebooks import cell_of

        return cell_of(self.judged.read_text(encoding="utf-8"), line)


def judge(journey: "Journey", day: Day, *, seed: int | None = None) -> Verdict:
    """Judge the learner's work on a day; nothing is recorded.

    Raises:
        UnknownItemError: the day is not in hand, or its notebook is broken.
        MachineError: a notebook, and jupytext is not installed.
        RunnerError: the runner itself cannot work.
    """
    from roadmap_log import runner

    file = work_in_hand(journey, day)
    parsed = journey.library.day(day)
    judged = file
    if file.suffix == ".ipynb":
        from roadmap_log.notebooks import to_python

        judged = journey.local / "notebooks" / day[0] / f"{file.stem}.py"
        write_whole(judged, to_python(file))
    return Verdict(day, parsed, file, judged, runner.run(parsed, judged, seed=seed))


def scored(journey: "Journey", verdict: Verdict, announce: Callable[[str], None]) -> Verdict:
    """`verdict` with the kernels timed where the tests passed and the day has rooflines.

    Raises:
        RunnerError: the runner itself cannot work.
    """
    from roadmap_log import runner

    if not (verdict.report.passed and verdict.parsed.rooflines):
        return verdict
    if runner.gpu_present():
        announce("All tests passed; timing the kernels on the GPU …")
    track = journey.library.track(verdict.day[0])
    report = runner.scored(verdict.report, verdict.parsed, verdict.judged, track.roofline)
    return replace(verdict, report=report)


def record(journey: "Journey", verdict: Verdict) -> None:
    """Keep the outcome as an event; what could not be judged here leaves none.

    Raises:
        StorageError: it could not be written.
    """
    report = verdict.report
    if report.blocked:
        return
    scores = {} if report.scores is None else {"roofline": report.scores.to_json()}
    journey.record(
        "day.tested",
        day=day_name(verdict.day),
        passed=report.passed,
        reason=report.reason.replace(f"{journey.root}{os.sep}", ""),
        failed=[
            *(test.id for test in report.tests if test.status != "passed"),
            *report.missing,
        ],
        seconds=round(report.seconds, 3),
        seed=report.seed,
        solution=report.solution_hash,
        tests=report.tests_hash,
        versions=dict(report.versions),
        hints=journey.state.work_on(verdict.day).hints_used,
        **scores,
    )
