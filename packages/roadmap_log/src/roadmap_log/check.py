"""The two-sided proof of a day, for its author: right answers pass, and wrong ones do not.

A test that cannot fail teaches nothing. So the solution must pass with several seeds, the skeleton
must fail every test that is not marked `_given`, every mutant must be caught, and each exercise
must be missed by some test when it alone is left open.
"""

import os
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import asdict, dataclass
from typing import Any

from roadmap_log.dayfile import DayFile, split_upper
from roadmap_log.machine import lacks
from roadmap_log.runner import Limits, Report, RunnerError, TestOutcome, score
from roadmap_log.runner.forks import Forks
from roadmap_log.tracks import Track

LEAST_MUTANTS = 3
LEAST_HINTS = 2


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a day: where ("file:line"), what, and what to do."""

    where: str
    problem: str
    fix: str


@dataclass(frozen=True)
class CheckReport:
    """The proof of one day: what was run, and what is wrong. No problems: the day is sound."""

    track: str
    day: int
    problems: tuple[Problem, ...]
    mutants: int
    runs: int
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """The report as plain values that the json module can write."""
        return {**asdict(self), "ok": self.ok}


@dataclass(frozen=True)
class _Variant:
    """One version of the day to be judged, and what a report on it proves wrong."""

    source: str
    seed: int
    complaints: Callable[[Report], Iterator[Problem]]
    first_failure_ends: bool = False
    fresh: bool = False


def check_day(
    track: Track,
    day: DayFile,
    seeds: int = 2,
    *,
    limits: Limits | None = None,
    jobs: int | None = None,
) -> CheckReport:
    """Prove `day`, with `jobs` variants at a time (as many as there are processors, unless said).

    `limits` hold for each variant; a mutant that loops forever is caught only by its time. The
    solution is judged as a learner's file is, and once more in a fork (see `runner.forks`), as the
    wrong answers are: what passes there shows that they fail by their own fault.

    Raises:
        RunnerError: the runner itself cannot work.
    """
    begun = time.monotonic()
    limits = limits or Limits(seconds=30)
    problems = list(_written(track, day))
    variants: list[_Variant] = []
    if blocked := lacks(day.requires):
        problems.append(Problem(f"{day.path}:1", blocked, "check it on a machine that has one"))
    else:
        variants = list(_variants(day, seeds))

        problems += rehearsed(track, day, limits)
    with Forks(day, limits, jobs or _processors()) as forks:
        reports = [
            forks.judge(v.source, v.seed, first_failure_ends=v.first_failure_ends, fresh=v.fresh)
            for v in variants
        ]
        try:
            for variant, report in zip(variants, reports, strict=True):
                problems += variant.complaints(report.result())
        except BrokenExecutor as error:
            raise RunnerError(
                f"a process that judges was ended from outside: {error}",
                fix="see whether memory is short, and check again",
            ) from error
    return CheckReport(
        track=track.name,
        day=day.number,
        problems=tuple(dict.fromkeys(problems)),  # the control repeats what the solution lacks
        mutants=len(day.mutants()),
        runs=len(variants),
        seconds=round(time.monotonic() - begun, 2),
    )


def rehearsed(track: Track, day: DayFile, limits: Limits) -> Iterator[Problem]:
    """What is wrong with the rooflines: the solution is checked as under the clock, without it."""
    if not day.rooflines:
        return
    upper = split_upper(day.solution())
    scores = score(day, upper, day.path, track.roofline, 0, rehearse=True, limits=limits)
    names = {each.name: each.line for each in day.rooflines}
    if scores.wrong:
        where = f"{day.path}:{names.get(scores.wrong.id, 1)}"
        yield Problem(where, f"{scores.wrong.id}: {scores.wrong.message}", "mend the roofline")
    elif scores.unscored:
        yield Problem(f"{day.path}:1", f"the rooflines: {scores.unscored}", "mend them")


def _written(track: Track, day: DayFile) -> Iterator[Problem]:
    """What is wrong with the text alone, before anything runs."""
    head = f"{day.path}:1"
    if not 1 <= day.number <= track.planned:
        yield Problem(
            head,
            f"day {day.number} of a track of {track.planned} days",
            "correct the number, or `planned` in track.toml",
        )
    if "gpu" in day.requires and track.device == "cpu":
        yield Problem(
            head,
            "the day requires a GPU, the days of its track run on the CPU",
            'say device = "gpu" or "gpu|interpreter" in track.toml',
        )
    if len(day.mutants()) < LEAST_MUTANTS:
        yield Problem(
            head,
            f"the day has {len(day.mutants())} mutants",
            f"write at least {LEAST_MUTANTS} wrong answers that a learner may well give",
        )
    for exercise in day.exercises:
        where = f"{day.path}:{exercise.lines[0]}"
        if all(m.exercise != exercise.number for m in day.mutants()):
            yield Problem(
                where,
                f"exercise {exercise.number} has no mutant",
                'add "# MUTANT: …" below one of its statements',
            )
        if len(exercise.hints) < LEAST_HINTS:
            yield Problem(
                where,
                f"exercise {exercise.number} has {len(exercise.hints)} hints",
                f"write at least {LEAST_HINTS}, from faint to plain",
            )
    for mutant in day.mutants():
        try:
            compile(mutant.source, str(day.path), "exec", dont_inherit=True)
        except SyntaxError as error:
            yield Problem(
                f"{day.path}:{mutant.line}",
                f"the mutant is not valid Python: {error.msg}",
                "mend it: what cannot be imported proves nothing",
            )


def _variants(day: DayFile, seeds: int) -> Iterator[_Variant]:
    for seed in range(seeds):
        yield _Variant(day.solution(), seed, _must_pass(day, seed), fresh=True)
    yield _Variant(day.solution(), 0, _must_pass(day, 0))
    yield _Variant(day.skeleton(), 0, _must_fail_everywhere(day))
    for exercise in day.exercises:
        yield _Variant(
            day.variant(open_exercises=[exercise.number]),
            0,
            _must_not_pass(
                f"{day.path}:{exercise.lines[0]}",
                f"no test fails while exercise {exercise.number} is open",
                f"write a test of {exercise.function or exercise.title}",
            ),
            first_failure_ends=True,
        )
    for mutant in day.mutants():
        code = mutant.code.strip().split("\n")[0]
        yield _Variant(
            mutant.source,
            0,
            _must_not_pass(
                f"{day.path}:{mutant.line}",
                f"the mutant passes all tests: {code}",
                "add a test that tells it from the solution, or drop it if it is right",
            ),
            first_failure_ends=True,
        )


def _must_pass(day: DayFile, seed: int) -> Callable[[Report], Iterator[Problem]]:
    def complaints(report: Report) -> Iterator[Problem]:
        if report.passed:
            return
        bad = next((o for o in report.tests if o.status != "passed"), None)
        said = f"\n{bad.id}: {bad.message}" if bad else ""
        yield Problem(
            f"{day.path}:{_authors_line(day, bad) if bad else 1}",
            f"the solution does not pass with seed {seed}: {report.reason}{said}",
            f"mend it; ROADMAP_SEED={seed} repeats the run",
        )

    return complaints


def _authors_line(day: DayFile, bad: TestOutcome) -> int:
    """Where the solution went wrong in the author's file; else where the test that failed is."""
    lines = enumerate(day.source.split("\n"), 1)
    if bad.line is not None:
        return [n for n, _ in lines if n not in day.layout.hidden][bad.line - 1]
    name = bad.function.rpartition("::")[2]
    return next((n for n, line in lines if re.match(rf"\s*(async )?def {name}\(", line)), 1)


def _must_fail_everywhere(day: DayFile) -> Callable[[Report], Iterator[Problem]]:
    def complaints(report: Report) -> Iterator[Problem]:
        if not report.tests:
            yield Problem(
                f"{day.path}:1",
                f"the skeleton cannot be tested: {report.reason}",
                "see that it can be imported",
            )
        for function in dict.fromkeys(o.function for o in report.tests if o.status == "passed"):
            if function not in day.given:
                yield Problem(
                    f"{day.path}:1",
                    f"{function} passes on the skeleton",
                    "let it test what is to be solved, or end its name with _given",
                )

    return complaints


def _must_not_pass(where: str, problem: str, fix: str) -> Callable[[Report], Iterator[Problem]]:
    def complaints(report: Report) -> Iterator[Problem]:
        if report.passed:
            yield Problem(where, problem, fix)

    return complaints


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
